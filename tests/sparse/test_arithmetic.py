"""Element by element: sums, products, functions that are 0 at 0, in place; reductions and softmax."""

import numpy as np
import pytest

import numbatorch as torch

NAMES = ("coo", "csr", "csc", "bsr")


def matrix(seed=0, shape=(4, 6), share=0.4):
    rng = np.random.default_rng(seed)
    return torch.tensor(np.where(rng.random(shape) < share, rng.uniform(0.2, 0.9, shape), 0))


def to(tensor, name):
    return tensor.to_sparse_bsr((2, 3)) if name == "bsr" else getattr(tensor, f"to_sparse_{name}")()


@pytest.mark.parametrize("name", NAMES)
def test_sums_and_products(name):
    a, b = matrix(0), matrix(1)
    s, t = to(a, name), to(b, name)
    for found, expected in ((s + t, a + b), (s - t * 2, a - 2 * b), (torch.add(s, t, alpha=3), a + 3 * b),
                            (s * t, a * b), (2 * s, 2 * a), (s / 4, a / 4), (-s, -a), (s + s, a + a),
                            (s * torch.tensor(3.0), a * 3)):
        assert found.layout is s.layout
        torch.testing.assert_close(found.to_dense(), expected)
    torch.testing.assert_close(b + s, a + b)
    torch.testing.assert_close(b - s, b - a)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(4, 6), (6,), (1, 6), (4, 1), (1, 1), ()])
def test_products_with_strided_tensors_broadcast(name, shape):
    a, b = matrix(0), matrix(2, shape or (1,), 1).reshape(shape)
    for found in (to(a, name) * b, b * to(a, name)):
        torch.testing.assert_close(found.to_dense(), a * b)


def test_products_of_hybrid_tensors_broadcast():
    a = matrix(0, (4, 5, 3))
    for b in (matrix(1, (3,), 1), matrix(1, (5, 1), 1), matrix(1, (4, 1, 3), 1), matrix(1, (4, 5, 3), 1)):
        torch.testing.assert_close((a.to_sparse(2) * b).to_dense(), a * b)


@pytest.mark.parametrize("name", "abs asin asinh atan atanh ceil deg2rad erf erfinv expm1 floor frac log1p nan_to_num "
                                 "neg positive rad2deg relu round sgn sign sin sinh sqrt square tan tanh trunc".split())
def test_functions_that_are_0_at_0(name):
    a = matrix()
    for s in (a.to_sparse(), a.to_sparse_csr()):
        found = getattr(torch, name)(s)
        assert found.layout is s.layout and found._nnz() == s._nnz()
        torch.testing.assert_close(found.to_dense(), getattr(torch, name)(a))


def test_functions_see_sums_of_equal_indices():
    s = torch.sparse_coo_tensor([[1, 1]], [2.0, -3.0], (2,))
    assert s.abs().to_dense().tolist() == [0, 1] and s.pow(2).to_dense().tolist() == [0, 1]
    assert (s * s).to_dense().tolist() == [0, 1] and (s // 2).to_dense().tolist() == [0, -1]
    assert (s * 2)._nnz() == (-s)._nnz() == 2, "linear ones need not add up first"


def test_dtypes_of_results():
    s = torch.sparse_coo_tensor([[0, 1]], [1, 2], (3,)).coalesce()
    assert (s / 2).dtype is torch.float32 and (s + s.double()).dtype is torch.float64 and s.sum().dtype is torch.int64
    assert s.to(torch.float16).dtype is s.half().dtype is torch.float16 and s.bool().values().tolist() == [True, True]
    assert s.to(torch.int64) is s and s.isnan().dtype is torch.bool


def test_in_place():
    a = matrix()
    s = a.to_sparse()
    view = s._values()
    assert s.mul_(2) is s and view.data_ptr() == s._values().data_ptr() and torch.equal(view, s._values())
    s.add_(s).neg_().div_(2)
    torch.testing.assert_close(s.to_dense(), -2 * a)
    s.sub_(matrix(1).to_sparse())
    torch.testing.assert_close(s.to_dense(), -2 * a - matrix(1))
    s.copy_(a.to_sparse())
    torch.testing.assert_close(s.to_dense(), a)
    dense = matrix(2)
    expected = dense + 3 * a
    assert dense.add_(a.to_sparse_csr(), alpha=3) is dense
    torch.testing.assert_close(dense, expected)
    wide = torch.zeros(6, 4).t()
    torch.testing.assert_close(wide.add_(a.float().to_sparse()), a.float())
    with pytest.raises(RuntimeError, match="between dense and sparse"):
        dense.copy_(s)
    with pytest.raises(RuntimeError, match="can't be cast"):
        torch.sparse_coo_tensor([[0]], [1], (1,)).div_(2)


@pytest.mark.parametrize("call, error", [
    (lambda s, d: s + d, "Use add.dense, sparse. instead"), (lambda s, d: s + 1, "call .to_dense"),
    (lambda s, d: s / d, "scalar or zero-dim"), (lambda s, d: s.pow(0), "zeroth power"),
    (lambda s, d: s + s.t(), r"\[4, 6\] != \[6, 4\]"), (lambda s, d: d.t() + s, r"\[6, 4\] != \[4, 6\]"),
    (lambda s, d: s + s.to_sparse_csr(), "convert one"), (lambda s, d: s * d.t(), "does not broadcast")])
def test_what_does_not_fit(call, error):
    with pytest.raises(RuntimeError, match=error):
        call(matrix().to_sparse(), matrix())


@pytest.mark.parametrize("dim", [None, 0, 1, -1, (0, 1), 2, (0, 2), (1, 2), (0, 1, 2)])
@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("sparse_dim", [1, 2, 3])
def test_sum(dim, keepdim, sparse_dim):
    a = matrix(0, (3, 4, 5))
    s = a.to_sparse(sparse_dim)
    for x in (s, torch.cat([s, s * -2])[:3]):
        expected = a.sum(dim, keepdim) if dim is not None else a.sum()
        found = x.sum(dim, keepdim) if dim is not None else x.sum()
        torch.testing.assert_close(found.to_dense(), expected)
    if not keepdim:
        torch.testing.assert_close(torch.sparse.sum(s, dim).to_dense(), expected)


def test_sum_of_compressed_tensors():
    a = matrix()
    torch.testing.assert_close(a.to_sparse_csr().sum(1, keepdim=True).to_dense(), a.sum(1, True))
    with pytest.raises(RuntimeError, match="keepdim=False"):
        a.to_sparse_csr().sum(1)


@pytest.mark.parametrize("dim", [0, 1, 2])
@pytest.mark.parametrize("sparse_dim", [2, 3])
def test_softmax_over_specified_elements(dim, sparse_dim):
    a = matrix(0, (3, 4, 5))
    s = a.to_sparse(sparse_dim)
    specified = torch.ones_like(a) if sparse_dim == 2 and dim == 2 else torch.sparse_coo_tensor(
        s.indices(), torch.ones_like(s.values()), s.shape).to_dense()
    masked = a.masked_fill(specified == 0, -float("inf"))
    expected = masked.softmax(dim).nan_to_num(0)
    if sparse_dim == 3 or dim < 2:
        torch.testing.assert_close(torch.sparse.softmax(s, dim).to_dense(), expected)
        logs = torch.sparse.log_softmax(s, dim)
        torch.testing.assert_close(logs.values().exp(),
                                   torch.sparse.softmax(s, dim).values())
    else:
        rows = torch.sparse.softmax(s, dim).values()
        torch.testing.assert_close(rows.sum(-1), torch.ones_like(rows.sum(-1)))


def test_norm_and_any():
    a = matrix()
    for s in (a.to_sparse(), a.to_sparse_csr()):
        for p in (1, 2, 3, float("inf")):
            torch.testing.assert_close(s.norm(p), a.norm(p))
        assert s.any().item() is True and torch.zeros_like(s).any().item() is False


def test_out():
    a, b = matrix(0), matrix(1)
    for out in (torch.zeros(4, 6, dtype=torch.float64, layout=torch.sparse_coo), torch.eye(2).double().to_sparse_csr()):
        assert torch.add(a.to_sparse(), b.to_sparse(), out=out) is out
        torch.testing.assert_close(out.to_dense(), a + b)
        torch.abs((-a).to_sparse_csr(), out=out)
        torch.testing.assert_close(out.to_dense(), a)
    with pytest.raises(RuntimeError, match="expected out with layout torch.sparse_coo, but got torch.strided"):
        torch.mul(a.to_sparse(), b, out=torch.empty(4, 6).double())
    strided = torch.empty(4, 4).double()
    torch.testing.assert_close(torch.mm(a.to_sparse(), b.t(), out=strided), a @ b.t())
