"""A graph convolution on a sparse adjacency matrix: members of communities are told apart from a few known ones.

    python examples/graph.py

After Kipf & Welling 2017, Semi-supervised classification with graph convolutional networks (arXiv:1609.02907). Each
node has a learnt vector; its gradient is sparse, and so is the step of its optimizer.
"""

import numbatorch as torch
from numbatorch import nn

NODES, GROUPS, KNOWN = 600, 3, 10


def communities():
    """(group of each node, adjacency matrix with links mostly inside groups)."""
    groups = torch.arange(NODES) % GROUPS
    source, target = torch.randint(0, NODES, (2, NODES * 12))
    inside = groups[source] == groups[target]
    kept = inside | (torch.rand(len(inside)) < 0.1)
    links = torch.stack([source[kept], target[kept]])
    links = torch.cat([links, links.flip(0), torch.arange(NODES).expand(2, NODES)], 1)  # both ways, and to themselves
    ones = torch.ones(links.shape[1])
    return groups, torch.sparse_coo_tensor(links, ones, (NODES, NODES)).coalesce()


def normalised(adjacency):
    """D^-1/2 A D^-1/2, in compressed rows."""
    scale = torch.sparse.sum(adjacency, 1).to_dense().rsqrt()
    return (adjacency * scale.unsqueeze(1) * scale).to_sparse_csr()


class GraphNetwork(nn.Module):
    """Two layers: relu(A (x W)), then A (x W)."""

    def __init__(self, width=16):
        super().__init__()
        self.first, self.second = nn.Linear(8, width), nn.Linear(width, GROUPS)

    def forward(self, adjacency, x):
        hidden = torch.relu(adjacency @ self.first(x))  # (nodes, width)
        return adjacency @ self.second(hidden)  # (nodes, groups)


def main(steps=60):
    """Train; returns the share of the other nodes that are told right."""
    torch.manual_seed(0)
    groups, adjacency = communities()
    adjacency = normalised(adjacency)
    print(f"{NODES} nodes, {adjacency._nnz()} links, {KNOWN * GROUPS} nodes known")
    vectors, network = nn.Embedding(NODES, 8, sparse=True), GraphNetwork()
    optimizers = torch.optim.SparseAdam(vectors.parameters(), lr=0.02), torch.optim.Adam(network.parameters(), lr=0.02)
    known, everybody = slice(KNOWN * GROUPS), torch.arange(NODES)
    for step in range(steps):
        loss = nn.functional.cross_entropy(network(adjacency, vectors(everybody))[known], groups[known])
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        if step % 20 == 19:
            print(f"step {step + 1}: loss {loss.item():.4f}")
    with torch.no_grad():
        found = network(adjacency, vectors(everybody)).argmax(1)
    share = (found == groups)[KNOWN * GROUPS:].float().mean().item()
    print(f"{share:.1%} of the other nodes told right")
    return share


if __name__ == "__main__":
    main()
