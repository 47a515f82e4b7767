"""Between layouts and shapes: conversions, masks, parts, joins, saving."""

import copy
import io
import pickle

import numpy as np
import pytest

import numbatorch as torch

LAYOUTS = {"coo": {}, "csr": {}, "csc": {}, "bsr": {"blocksize": (2, 3)}, "bsc": {"blocksize": (1, 2)}}


def matrix(shape=(4, 6), seed=0, share=0.3):
    rng = np.random.default_rng(seed)
    return np.where(rng.random(shape) < share, rng.normal(size=shape), 0)


def to(tensor, name):
    return getattr(tensor, f"to_sparse_{name}")(*LAYOUTS[name].values())


@pytest.mark.parametrize("first", LAYOUTS)
@pytest.mark.parametrize("second", LAYOUTS)
def test_every_layout_becomes_every_other(first, second):
    dense = matrix()
    a = to(torch.tensor(dense), first)
    b = to(a, second)
    assert b.layout is getattr(torch, f"sparse_{second}")
    np.testing.assert_array_equal(b.to_dense().numpy(), dense)
    torch.testing.assert_close(to(to(b, "csr"), "coo").to_dense(), torch.tensor(dense))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "bfloat16", "complex64"])
def test_every_dtype(dtype):
    dense = torch.tensor(matrix()).mul(9).to(getattr(torch, dtype))
    for name in LAYOUTS:
        s = to(dense, name)
        assert s.dtype is dense.dtype and bool((s.to_dense() == dense).all())


def test_hybrid_and_batched():
    dense = torch.tensor(matrix((3, 4, 2)))
    for n in (1, 2, 3):
        s = dense.to_sparse(n)
        assert s.sparse_dim() == n and s.dense_dim() == 3 - n
        torch.testing.assert_close(s.to_dense(), dense)
    s = dense.to_sparse_csr(dense_dim=1)
    assert s.values().ndim == 2
    torch.testing.assert_close(s.to_dense(), dense)
    batch = torch.eye(3).expand(2, 3, 3)
    for name, options in (("csr", ()), ("csc", ()), ("bsr", ((3, 1),)), ("bsc", ((1, 1),))):
        s = getattr(batch, f"to_sparse_{name}")(*options)
        torch.testing.assert_close(s.to_dense(), batch.clone())
        torch.testing.assert_close(s.to_sparse_coo().to_dense(), batch.clone())
    with pytest.raises(RuntimeError, match="same number of specified elements per batch"):
        torch.stack([torch.eye(2), torch.ones(2, 2)]).to_sparse_csr()


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (2, 3)])
def test_empty(shape):
    zero = torch.zeros(shape)
    for name in ("coo", "csr", "csc"):
        s = to(zero, name)
        assert s._nnz() == 0
        torch.testing.assert_close(s.to_dense(), zero)
        torch.testing.assert_close(s.t().to_dense(), zero.t())
        torch.testing.assert_close(s @ torch.ones(shape[1], 2), torch.zeros(shape[0], 2))


@pytest.mark.parametrize("call, error", [
    (lambda d: d.to_sparse(3), r"must be in \[0,2\] range, but 3"),
    (lambda d: d.to_sparse(0), "sparse_dim argument must be in >0"),
    (lambda d: d.to_sparse_csr(3), r"dense_dim argument must be in \[0,0\]"),
    (lambda d: d.to_sparse_bsr((3, 1)), r"must be divisible by given blocksize \(3, 1\)"),
    (lambda d: d.to_sparse(layout=torch.sparse_bsr), "to SparseBsr without blocksize"),
    (lambda d: d.to_sparse(layout=torch.sparse_csr, blocksize=(1, 1)), "to SparseCsr with blocksize"),
    (lambda d: d.to_sparse_csr().to_sparse(1), "sparse_dim argument !=2"),
    (lambda d: d.to_sparse(1).to_sparse_csr(), r"sparse_dim\(\)!=2")])
def test_conversions_that_do_not_fit(call, error):
    with pytest.raises(RuntimeError, match=error):
        call(torch.eye(2))


def test_sparse_mask():
    dense, mask = torch.tensor(matrix(seed=1, share=1)), torch.tensor(matrix(seed=2))
    for name in LAYOUTS:
        expected = dense * (mask != 0 if "b" not in name else to(mask, name).to_dense().new_ones(mask.shape))
        taken = dense.sparse_mask(to(mask, name))
        assert taken.layout is getattr(torch, f"sparse_{name}")
        if "b" not in name:
            torch.testing.assert_close(taken.to_dense(), expected)
            torch.testing.assert_close(to(dense, "csc").sparse_mask(to(mask, name)).to_dense(), expected)
    with pytest.raises(RuntimeError, match="incompatible sizes"):
        dense.sparse_mask(torch.eye(2).to_sparse())


@pytest.mark.parametrize("act", [
    lambda x: x.t(), lambda x: x.T, lambda x: x.transpose(-1, 0), lambda x: x.permute(1, 0), lambda x: x[1],
    lambda x: x[-1],
    lambda x: x[:, 2], lambda x: x[1, 2], lambda x: x[1:3], lambda x: x[:, 1:], lambda x: x.narrow(1, 2, 3),
    lambda x: x.select(0, 2), lambda x: x.index_select(1, torch.tensor([5, 0, 0, 3])), lambda x: x[::2],
    lambda x: torch.cat([x, x]), lambda x: torch.cat([x, x * 2], 1), lambda x: list(x)[2]])
@pytest.mark.parametrize("name", ["coo", "csr", "csc"])
def test_parts_and_joins(act, name):
    dense = torch.tensor(matrix())
    found = act(to(dense, name))
    torch.testing.assert_close(found.to_dense(), act(dense))
    if found.layout is torch.sparse_coo and found.is_coalesced():
        indices = found.indices()
        order = (indices * torch.tensor([[7 ** k] for k in range(indices.shape[0])][::-1])).sum(0).tolist()
        assert order == sorted(set(order))


def test_parts_of_hybrid_tensors():
    dense = torch.tensor(matrix((4, 5, 3)))
    s = dense.to_sparse(2)
    for act in (lambda x: x.transpose(0, 1), lambda x: x[1], lambda x: x[..., 2], lambda x: x.unsqueeze(1),
                lambda x: x.unsqueeze(-1), lambda x: torch.stack([x, x]), lambda x: torch.cat([x, x], 2),
                lambda x: x.index_select(2, torch.tensor([2, 0])), lambda x: x.narrow(2, 1, 2), lambda x: x[1, 2]):
        torch.testing.assert_close(act(s).to_dense(), act(dense))
    with pytest.raises(RuntimeError, match="sparse and dense dimensions cannot be exchanged"):
        s.transpose(0, 2)


def test_resize():
    s = torch.eye(2).to_sparse()
    assert s.sparse_resize_((4, 3), 2, 0) is s and s.shape == (4, 3) and s._nnz() == 2
    with pytest.raises(RuntimeError, match=r"shrinking .* \[4, 3\] to \[2, 3\]"):
        s.sparse_resize_((2, 3), 2, 0)
    assert s.sparse_resize_and_clear_((5, 2), 1, 1)._nnz() == 0 and s.dense_dim() == 1
    t = torch.eye(2).to_sparse()
    assert t.resize_as_sparse_(torch.eye(3).to_sparse()).shape == (3, 3)


@pytest.mark.parametrize("name", LAYOUTS)
def test_saved_and_copied(name):
    s = to(torch.tensor(matrix()), name)
    file = io.BytesIO()
    torch.save({"s": s, "again": s}, file)
    file.seek(0)
    loaded = torch.load(file)
    assert loaded["s"] is loaded["again"]
    for other in (loaded["s"], copy.deepcopy(s), copy.copy(s), pickle.loads(pickle.dumps(s)), s.clone(), s.detach()):
        torch.testing.assert_close(other, s)
        assert other.layout is s.layout
    copy.deepcopy(s).mul_(0)
    assert s.to_dense().abs().sum() > 0


def test_damaged_indices_are_refused_when_loading():
    s = torch.sparse_coo_tensor([[0, 1]], [1.0, 2.0], (2,))
    s._indices()[0, 1] = 70
    file = io.BytesIO()
    torch.save(s, file)
    file.seek(0)
    with pytest.raises(RuntimeError, match="size is 2 but found index 70"):
        torch.load(file)


def test_assert_close_compares_parts():
    s = torch.eye(2).to_sparse()
    with pytest.raises(AssertionError, match="layout"):
        torch.testing.assert_close(s, torch.eye(2))
    torch.testing.assert_close(s, torch.eye(2), check_layout=False)
    with pytest.raises(AssertionError, match="values()"):
        torch.testing.assert_close(s, s * 2)
    with pytest.raises(AssertionError, match="number of specified values"):
        torch.testing.assert_close(s, torch.zeros_like(s))


def test_copies_of_parts():
    s = torch.eye(2).to_sparse_csr()
    assert torch.crow_indices_copy(s).tolist() == [0, 1, 2] and torch.col_indices_copy(s).tolist() == [0, 1]
    assert torch.values_copy(s).tolist() == [1, 1] and torch.row_indices_copy(s.to_sparse_csc()).tolist() == [0, 1]
    copied = torch.indices_copy(s.to_sparse())
    copied.zero_()
    assert s.to_sparse().indices().tolist() == [[0, 1], [0, 1]]
