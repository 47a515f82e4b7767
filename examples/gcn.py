"""A graph convolutional network that labels a graph from a few known nodes (Kipf & Welling 2016, arXiv:1609.02907).

    python examples/gcn.py

The graph: each handwritten digit is a node, joined to the digits most like it. Five digits of each kind are labelled;
the network finds the others from the graph. Its adjacency matrix is sparse.
"""

import argparse

import numbatorch as torch
from numbatorch import nn
from numbatorch.datasets import load_digits
from numbatorch.nn import functional as F


def neighbours(points, count):
    """D^-1/2 (A + I) D^-1/2 as a sparse matrix, A joining each point with its `count` nearest ones."""
    n = len(points)
    near = torch.cdist(points, points).topk(count + 1, largest=False).indices[:, 1:]
    here = torch.arange(n).repeat_interleave(count)
    rows = torch.cat([here, near.flatten(), torch.arange(n)])
    columns = torch.cat([near.flatten(), here, torch.arange(n)])
    joined = torch.sparse_coo_tensor(torch.stack([rows, columns]), torch.ones(len(rows)), (n, n)).coalesce()
    places, ones = joined.indices(), torch.ones(joined.values().shape)  # an edge counts once
    degree = torch.zeros(n).index_add(0, places[0], ones)
    scale = degree.rsqrt()
    return torch.sparse_coo_tensor(places, scale[places[0]] * scale[places[1]], (n, n)).coalesce()


class GCN(nn.Module):
    def __init__(self, features, hidden, classes):
        super().__init__()
        self.first, self.second = nn.Linear(features, hidden), nn.Linear(hidden, classes)

    def forward(self, x, adjacency):
        x = F.relu(torch.sparse.mm(adjacency, self.first(x)))
        return torch.sparse.mm(adjacency, self.second(F.dropout(x, 0.5, self.training)))


def main(arguments=None):
    """Train on 50 labels; returns the accuracy on all other nodes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--neighbours", type=int, default=5)
    options = parser.parse_args(arguments)
    torch.manual_seed(1)
    digits = load_digits()
    x = torch.tensor(digits.images).float().flatten(1) / digits.white
    y = torch.tensor(digits.labels).long()
    adjacency = neighbours(x, options.neighbours)
    known = torch.cat([(y == k).nonzero().flatten()[:5] for k in range(10)])
    hidden = torch.ones(len(y), dtype=torch.bool)
    hidden[known] = False
    print(f"{len(y)} nodes, {adjacency.values().numel()} entries, {len(known)} labels")
    model = GCN(x.shape[1], 64, 10)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
    accuracy = 0.0
    for epoch in range(options.epochs):
        model.train()
        loss = F.cross_entropy(model(x, adjacency)[known], y[known])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if epoch % 20 == 0 or epoch == options.epochs - 1:
            with torch.no_grad():
                found = model.eval()(x, adjacency).argmax(1)
            accuracy = (found == y)[hidden].float().mean().item()
            print(f"epoch {epoch + 1:3d}  loss {loss.item():.3f}  accuracy on the others {accuracy:.2%}")
    return accuracy


if __name__ == "__main__":
    main()
