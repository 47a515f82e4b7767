"""Matrix products with sparse operands, on either side, in every layout; sampled and reduced ones."""

import numpy as np
import pytest

import numbatorch as torch

NAMES = ("coo", "csr", "csc", "bsr", "bsc")


def matrix(seed=0, shape=(6, 4), share=0.4, dtype=torch.float64):
    rng = np.random.default_rng(seed)
    return torch.tensor(np.where(rng.random(shape) < share, rng.normal(size=shape), 0)).to(dtype)


def to(tensor, name):
    return getattr(tensor, f"to_sparse_{name}")(*([(2, 2)] if name[0] == "b" else []))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("columns", [1, 2, 13, 70])
def test_with_a_strided_matrix(name, columns):
    a, x = matrix(), matrix(1, (4, columns), 1)
    s = to(a, name)
    for found in (s @ x, torch.mm(s, x), torch.sparse.mm(s, x), torch.spmm(s, x), s.matmul(x.t().contiguous().t())):
        assert found.layout is torch.strided
        torch.testing.assert_close(found, a @ x)
    torch.testing.assert_close(x.t() @ s.t(), x.t() @ a.t())
    torch.testing.assert_close(torch.nn.functional.linear(x.t(), s), x.t() @ a.t())
    torch.testing.assert_close(s @ x[:, 0], a @ x[:, 0])
    torch.testing.assert_close(x[:, 0] @ s.t(), a @ x[:, 0])
    torch.testing.assert_close(torch.addmm(torch.ones(6, columns).double(), s, x, beta=0.5, alpha=2), 0.5 + 2 * (a @ x))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "complex64", "complex128", "int32", "int64"])
def test_dtypes(dtype):
    dtype = getattr(torch, dtype)
    a, x = (matrix() * 5).to(dtype), (matrix(1, (4, 20), 1) * 5).to(dtype)
    for columns in (1, 20):
        torch.testing.assert_close(a.to_sparse_csr() @ x[:, :columns], a @ x[:, :columns], rtol=1e-2, atol=1e-2)
    with pytest.raises(RuntimeError, match="same dtype"):
        a.to_sparse() @ x.to(torch.float64)


def test_int32_indices_and_indices_out_of_order():
    a = torch.sparse_csr_tensor(torch.tensor([0, 2, 3], dtype=torch.int32), torch.tensor([2, 0, 1], dtype=torch.int32),
                                torch.tensor([1.0, 2, 3]), (2, 3))
    x = torch.arange(6.0).reshape(3, 2)
    torch.testing.assert_close(a @ x, a.to_dense() @ x)
    torch.testing.assert_close(a.t() @ x[:2], a.to_dense().t() @ x[:2])
    b = torch.sparse_coo_tensor([[1, 0, 1, 1], [2, 0, 2, 0]], [1.0, 2, 3, 4], (2, 3))
    torch.testing.assert_close(b @ x, b.to_dense() @ x)
    torch.testing.assert_close(x.t() @ b.t(), (b.to_dense() @ x).t())


@pytest.mark.parametrize("first", NAMES)
@pytest.mark.parametrize("second", NAMES)
def test_two_sparse_matrices(first, second):
    a, b = matrix(), matrix(1, (4, 8))
    found = to(a, first) @ to(b, second)
    assert found.layout in (torch.sparse_coo, torch.sparse_csr, torch.sparse_csc)
    torch.testing.assert_close(found.to_dense(), a @ b)


def test_uncoalesced_and_empty_sparse_products():
    a = torch.sparse_coo_tensor([[0, 0, 1], [1, 1, 0]], [1.0, 2, 3], (2, 2))
    torch.testing.assert_close((a @ a).to_dense(), a.to_dense() @ a.to_dense())
    torch.testing.assert_close((a @ torch.zeros_like(a)).to_dense(), torch.zeros(2, 2))


def test_batches():
    a, x = matrix(0, (3, 6, 4)), matrix(1, (3, 4, 5), 1)
    torch.testing.assert_close(torch.bmm(a.to_sparse(), x), a @ x)
    torch.testing.assert_close(a.to_sparse() @ x, a @ x)
    batch = torch.stack([torch.eye(4), 2 * torch.eye(4).flip(0)]).double()
    torch.testing.assert_close(batch.to_sparse_csr() @ x[:2], batch @ x[:2])


def test_products_that_stay_sparse():
    a, x = matrix(2, (6, 4), 0.2), matrix(1, (4, 3), 1)
    s = a.to_sparse()
    hybrid = torch.hspmm(s, x)
    assert hybrid.dense_dim() == 1 and hybrid._nnz() == s.indices()[0].unique().numel()
    for found in (hybrid, torch.smm(s, x), torch.sspaddmm(matrix(3, (6, 3)).to_sparse(), s, x, beta=0)):
        torch.testing.assert_close(found.to_dense(), a @ x)
    torch.testing.assert_close(torch.addmm(s.to_sparse_csr(), s.to_sparse_csr(), torch.eye(4).double().to_sparse_csr(),
                                           beta=2).to_dense(), 3 * a)


@pytest.mark.parametrize("length", [1, 7, 40])
def test_sampled_addmm(length):
    a, left, right = matrix(), matrix(1, (6, length), 1), matrix(2, (length, 4), 1)
    s = a.to_sparse_csr()
    found = torch.sparse.sampled_addmm(s, left, right, beta=0.5, alpha=2)
    torch.testing.assert_close(found.to_dense(), (0.5 * a + 2 * (left @ right)) * (a != 0))
    torch.sparse.sampled_addmm(s, left, right, beta=0, out=s)
    torch.testing.assert_close(s.to_dense(), (left @ right) * (a != 0))
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        torch.sparse.sampled_addmm(s, left, right.t())
    with pytest.raises(NotImplementedError, match="torch.sparse_csr"):
        torch.sparse.sampled_addmm(a.to_sparse(), left, right)


@pytest.mark.parametrize("reduce", ["sum", "mean", "amax", "amin"])
def test_reduced_product(reduce):
    a, x = matrix(), matrix(1, (4, 3), 1)
    found = torch.sparse.mm(a.to_sparse_csr(), x, reduce).numpy()
    terms = a.numpy()[:, :, None] * x.numpy()
    for row, present, got in zip(terms, a.numpy() != 0, found, strict=True):
        combine = {"amax": np.max, "amin": np.min}.get(reduce, getattr(np, reduce, None))
        np.testing.assert_allclose(got, combine(row[present], axis=0) if present.any() else 0, rtol=1e-12, atol=1e-12)
    with pytest.raises(RuntimeError, match="reduce must be"):
        torch.sparse.mm(a.to_sparse_csr(), x, "prod")


def test_results_do_not_depend_on_threads():
    a, x = matrix(0, (300, 200), 0.2, torch.float32).to_sparse_csr(), matrix(1, (200, 70), 1, torch.float32)
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            dots = torch.sparse.sampled_addmm(a, a @ x, x.t()).values()
            found.append((a @ x).numpy().tobytes() + dots.numpy().tobytes())
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]


@pytest.mark.parametrize("call", [lambda s: s @ torch.ones(5, 2), lambda s: s @ torch.ones(3),
                                  lambda s: torch.ones(2, 5) @ s, lambda s: s @ s,
                                  lambda s: torch.nn.functional.linear(torch.ones(2, 5), s)])
def test_shapes_that_do_not_fit(call):
    with pytest.raises(RuntimeError, match="cannot be multiplied|size mismatch"):
        call(matrix(dtype=torch.float32).to_sparse())
