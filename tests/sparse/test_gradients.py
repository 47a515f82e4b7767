"""Gradients through sparse tensors: of their values, of strided operands, of sparse leaves, to second order."""

import numpy as np
import pytest

import numbatorch as torch
from numbatorch.autograd import gradcheck, gradgradcheck

INDICES = torch.tensor([[0, 1, 1, 3, 3], [2, 0, 2, 1, 1]])  # two of them equal
SHAPE = (4, 3)


def random(*shape, seed=0):
    return torch.tensor(np.random.default_rng(seed).uniform(0.2, 1.0, shape)).requires_grad_()


def coo(values):
    return torch.sparse_coo_tensor(INDICES, values, (*SHAPE, *values.shape[1:]))


def csr(values):
    return coo(values).coalesce().to_sparse_csr()


FUNCTIONS = {
    "to_dense": lambda s, d: s.to_dense(), "coalesce": lambda s, d: s.coalesce().values(), "mm": lambda s, d: s @ d,
    "csr mm": lambda s, d: s.coalesce().to_sparse_csr() @ d, "csc mm": lambda s, d: s.coalesce().to_sparse_csc() @ d,
    "bsr mm": lambda s, d: s.coalesce().to_sparse_bsr((2, 1)) @ d, "left": lambda s, d: d.t() @ s.t(),
    "sparse product": lambda s, d: (s @ s.t()).to_dense(), "sum": lambda s, d: torch.sparse.sum(s, 0).to_dense(),
    "add": lambda s, d: (s + s.t().t() * 2).to_dense(), "mul": lambda s, d: (s.coalesce() * d[:, 0]).to_dense(),
    "intersection": lambda s, d: (s * torch.eye(4, 3).double().to_sparse()).to_dense(),
    "softmax": lambda s, d: torch.sparse.softmax(s, 1).values(),
    "log_softmax": lambda s, d: torch.sparse.log_softmax(s, 0).values(), "sin": lambda s, d: s.sin().to_dense(),
    "select": lambda s, d: s[1].to_dense(),
    "index_select": lambda s, d: s.index_select(1, torch.tensor([2, 1])).to_dense(),
    "cat": lambda s, d: torch.cat([s, s], 1).to_dense(), "norm": lambda s, d: s.norm(),
    "dense + sparse": lambda s, d: d @ d.t() + (s.t() @ s), "mask": lambda s, d: s.sparse_mask(
        torch.eye(4, 3).double().to_sparse()).values(), "linear": lambda s, d: torch.nn.functional.linear(d.t(), s),
    "mean": lambda s, d: torch.sparse.mm(s.coalesce().to_sparse_csr(), d, "mean"),
    "amax": lambda s, d: torch.sparse.mm(s.coalesce().to_sparse_csr(), d, "amax"),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_first_order(name):
    values, dense = random(5), random(3, 2, seed=1)
    gradcheck(lambda v, d: FUNCTIONS[name](coo(v), d), (values, dense))


@pytest.mark.parametrize("name", ["to_dense", "mm", "csr mm", "left", "sparse product", "softmax", "mul"])
def test_second_order(name):
    gradgradcheck(lambda v, d: FUNCTIONS[name](coo(v), d) ** 2, (random(5), random(3, 2, seed=1)))


def test_sampled_addmm():
    def sampled(v, left, right):
        return torch.sparse.sampled_addmm(csr(v), left, right, beta=0.5, alpha=2).to_dense()
    inputs = random(5), random(4, 2, seed=1), random(2, 3, seed=2)
    gradcheck(sampled, inputs)
    gradgradcheck(lambda *xs: sampled(*xs) ** 2, inputs)


def test_complex_products():
    values = torch.view_as_complex(random(5, 2).detach()).requires_grad_()
    dense = torch.view_as_complex(random(3, 2, 2, seed=1).detach()).requires_grad_()
    gradcheck(lambda v, d: coo(v) @ d, (values, dense))


def test_values_of_hybrid_tensors():
    gradcheck(lambda v: (coo(v) * 2).to_dense(), (random(5, 2),))
    gradcheck(lambda v: torch.sparse.sum(coo(v), (0, 2)).to_dense(), (random(5, 2),))


def test_to_sparse():
    dense = random(4, 3)
    gradcheck(lambda d: d.to_sparse().values() ** 2, (dense,))
    gradcheck(lambda d: d.to_sparse_bsr((2, 3)).to_dense() ** 2, (dense,))
    gradcheck(lambda d: (d.to_sparse_csc() @ d.t()) ** 2, (dense,))


def test_sparse_leaf_gets_a_sparse_gradient():
    dense = random(3, 2, seed=1).detach()
    for make in (lambda: coo(random(5).detach()).coalesce(), lambda: csr(random(5).detach())):
        leaf = make().requires_grad_()
        ((leaf @ dense) ** 2).sum().backward()
        assert leaf.is_leaf and leaf.grad.layout is leaf.layout and leaf.grad._nnz() == leaf._nnz()
        whole = leaf.detach().to_dense().requires_grad_()
        ((whole @ dense) ** 2).sum().backward()
        torch.testing.assert_close(leaf.grad.to_dense(), whole.grad * (whole != 0))
        before = leaf.grad.to_dense()
        ((leaf @ dense) ** 2).sum().backward()
        torch.testing.assert_close(leaf.grad.to_dense(), 2 * before)
        leaf.grad = None
        (leaf.to_dense() + leaf.to_dense()).sum().backward()
        torch.testing.assert_close(leaf.grad.values(), torch.full_like(leaf.values(), 2).detach())


def test_intermediate_results_hooks_and_grad():
    leaf = coo(random(5).detach()).coalesce().requires_grad_()
    twice = leaf * 2
    twice.retain_grad()
    seen = []
    twice.register_hook(lambda g: seen.append(g.layout))
    twice.to_dense().sum().backward()
    assert twice.grad.is_sparse and seen == [torch.sparse_coo] and not twice.is_leaf
    assert set(leaf.grad.values().tolist()) == {2.0}
    (found,) = torch.autograd.grad(torch.sparse.sum(leaf * leaf), leaf)
    torch.testing.assert_close(found.values(), 2 * leaf.detach().values())
    twice = leaf * 2
    twice.backward(torch.ones(SHAPE).double())
    assert set(leaf.grad.values().tolist()) == {4.0}


def test_unmasked_gradient():
    leaf = torch.eye(2).to_sparse().requires_grad_()
    (leaf.to_dense(masked_grad=False) * torch.tensor([[1.0, 2], [0, 3]])).sum().backward()
    assert leaf.grad.to_dense().tolist() == [[1, 2], [0, 3]]


def test_leaves_are_protected():
    leaf = torch.eye(2).to_sparse().requires_grad_()
    for change in (lambda: leaf.mul_(2), lambda: leaf.zero_(), lambda: leaf.add_(leaf)):
        with pytest.raises(RuntimeError, match="leaf"):
            change()
    with torch.no_grad():
        leaf.mul_(2)
    assert leaf.to_dense().trace().item() == 4 and leaf.is_leaf
    with pytest.raises(RuntimeError, match="graph leaves"):
        import copy
        copy.deepcopy(leaf * 2)


def test_in_place_changes_are_recorded():
    v, d = random(5), random(*SHAPE, seed=1)
    s = coo(v) * 1
    s.mul_(3)
    out = d * 1
    out.add_(s, alpha=2)
    out.sum().backward()
    assert set(v.grad.tolist()) == {6.0} and bool((d.grad == 1).all())


def test_gradcheck_of_sparse_functions():
    check = torch.sparse.as_sparse_gradcheck(gradcheck)
    leaf = coo(random(5).detach()).coalesce().requires_grad_()
    assert check(lambda s, d: (s * 2) @ d, (leaf, random(3, 2)))
    assert check(lambda s: s.sin(), (leaf,))


def test_graph_convolutions_learn():
    rng = np.random.default_rng(0)
    labels = torch.tensor(np.repeat([0, 1], 10))
    same = labels.numpy()[:, None] == labels.numpy()
    links = (rng.random((20, 20)) < np.where(same, 0.4, 0.05)) | np.eye(20, dtype=bool)
    adjacency = torch.tensor(links.astype(np.float32)).to_sparse()
    adjacency = (adjacency * (1 / torch.sparse.sum(adjacency, 1).to_dense().unsqueeze(1))).coalesce().to_sparse_csr()
    features = torch.tensor(rng.normal(size=(20, 4)).astype(np.float32))
    torch.manual_seed(0)
    first, second = torch.nn.Linear(4, 8), torch.nn.Linear(8, 2)
    optimizer = torch.optim.Adam([*first.parameters(), *second.parameters()], lr=0.05)
    losses = []
    for _ in range(40):
        hidden = (adjacency @ first(features)).relu()
        loss = torch.nn.functional.cross_entropy(torch.sparse.mm(adjacency, second(hidden)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0], losses[::10]
