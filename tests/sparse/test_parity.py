"""Sparse tensors as PyTorch has them: results, layouts, what is coalesced, the repr, types of errors."""

import re
import warnings

import pytest

import numbatorch

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

RESULTS = """
s; c; b; s + s; s - s; c + c; d + s; c + d; d - s; s * 2; s * d; d * s; s * s; u * 2; s / 2; s // 2; s ** 2; u ** 2
-s; s.abs(); torch.relu(s); s.isnan(); s.sum(); s.sum(0); c.sum(1, keepdim=True); s @ e; e.T @ s.t(); c @ e; s @ s.t()
c.t(); s.t(); c.transpose(0, 1); s.to_sparse_csc() @ e; torch.mv(s, o); torch.addmm(torch.ones(2, 4), s, e, beta=2)
torch.sspaddmm(s, s, torch.ones(3, 3)); s[0]; s[0, 2]; s[:, 1]; c[0]; c[0, 1]; s.index_select(1, torch.tensor([2, 0]))
torch.cat([s, s]); torch.stack([s, s]); torch.sparse.softmax(s, 1); torch.sparse.log_softmax(s, dim=0)
torch.sparse.sum(s, 0); torch.sparse.sum(h, (0, 2)); torch.sparse.sum(h, (2,)); torch.zeros_like(s)
torch.zeros_like(c); torch.zeros(2, 3, layout=torch.sparse_coo); torch.zeros(2, 3, layout=torch.sparse_csr)
d.to_sparse(1); d.to_sparse_csr(); d.to_sparse(layout=torch.sparse_bsr, blocksize=(1, 3)); d.sparse_mask(s)
d.sparse_mask(c); s.float(); s.long(); s.half(); c.to(torch.float64); c.to_sparse(); c.to_sparse_bsr((1, 3))
c.to_sparse_bsc((2, 1)); u.coalesce(); s.permute(1, 0); s.norm(); torch.bmm(torch.stack([s, s]), torch.ones(2, 3, 2))
torch.nn.functional.linear(torch.ones(4, 3), c); torch.tensor(3.0).to_sparse()
torch.sparse.spdiags(d, torch.tensor([0, -1]), (3, 3))
torch.sparse.sampled_addmm(c, torch.ones(2, 4), torch.ones(4, 3)); torch.sparse.mm(q, torch.ones(3, 2), "amax")
torch.sparse.mm(q, torch.ones(3, 2), "mean"); s.clone().zero_(); c.clone().neg_(); s.requires_grad_()
torch.sparse_coo_tensor([[0, 1]], [[1.0, 2], [3, 4]]); torch.sparse_coo_tensor((2, 3)); h.permute(1, 0, 2)
torch.sparse_csr_tensor([[0, 1], [0, 1]], [[0], [0]], [[1.0], [2.0]]); s.clone().sparse_resize_((4, 4), 2, 0)
torch.sparse_coo_tensor([[0, 1]], [1, 2], (3,), dtype=torch.float64); s.type(); u.is_coalesced(); (u + s).to_dense()
"""
ERRORS = """
s + d; s + 1; s / d; s == s; s.exp(); torch.softmax(s, 1); c.sum(1); u.values(); u.indices(); c.indices()
s.crow_indices(); d.indices(); d.values(); d.coalesce(); d._nnz(); c.is_coalesced(); d.to_sparse(3); d.to_sparse(0)
s.view(3, 2); s.expand(2, 2, 3); s.tolist(); s.numpy(); s.data_ptr(); s.contiguous(); torch.ones_like(s)
s.clone().copy_(d); d.copy_(s); s.pow(0); s.nonzero(); torch.cat([s, d]); s.clone().sparse_resize_((1, 4), 2, 0)
h.transpose(0, 2); s.select(0, 5); s[5]; c.to_sparse(1); bool(s); torch.sparse_coo_tensor([[0, 1]], [1.0, 2, 3])
torch.sparse_coo_tensor([[0, -1]], [1.0, 2]); torch.sparse_coo_tensor([0], [1.0])
torch.sparse_csr_tensor([0, 2, 3], [1, 0, 0], [1.0, 2, 3], (2, 2), check_invariants=True)
torch.sparse.spsolve(c, o[:2]); torch.sparse.mm(q, torch.ones(3, 2), "prod"); torch.sparse.mm(s, torch.ones(4, 2))
d.sparse_mask(torch.eye(2).to_sparse()); torch.sparse.sampled_addmm(s, torch.ones(2, 4), torch.ones(4, 3))
torch.sparse.softmax(d, 0); s.requires_grad_().mul_(2)
"""


def listed(text):
    return [line.strip() for line in re.split(r"[;\n]", text) if line.strip()]


def values_for(module):
    names = {"torch": module, "d": module.arange(6.0).reshape(2, 3), "e": module.arange(12.0).reshape(3, 4)}
    indices, values = module.tensor([[0, 1, 1], [2, 0, 2]]), module.tensor([3.0, 4, 5])
    names["s"] = module.sparse_coo_tensor(indices, values, (2, 3)).coalesce()
    names["u"] = module.sparse_coo_tensor(indices[:, [0, 0, 1]], values, (2, 3))
    names["h"] = module.arange(24.0).reshape(2, 3, 4).to_sparse(2)
    names["c"], names["o"], names["q"] = names["s"].to_sparse_csr(), module.ones(3), module.eye(3).to_sparse_csr()
    names["b"] = names["c"].to_sparse_bsr((2, 1))
    return names


def evaluate(module, line):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return eval(line, values_for(module))


@pytest.mark.parametrize("line", listed(RESULTS))
def test_results(line):
    expected, found = evaluate(torch, line), evaluate(numbatorch, line)
    assert str(found) == str(expected)
    if isinstance(expected, torch.Tensor) and expected.is_sparse:
        assert found.is_coalesced() == expected.is_coalesced() or found.is_coalesced()


@pytest.mark.parametrize("line", listed(ERRORS))
def test_errors(line):
    with pytest.raises(Exception) as expected:
        evaluate(torch, line)
    with pytest.raises(expected.type):
        evaluate(numbatorch, line)
