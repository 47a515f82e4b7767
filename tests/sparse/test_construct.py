"""Sparse tensors from their parts: sizes, checks, what they say about themselves, how they print."""

import numpy as np
import pytest

import numbatorch as torch

INDICES, VALUES = [[0, 1, 1], [2, 0, 2]], [3.0, 4.0, 5.0]
DENSE = [[0, 0, 3.0], [4, 0, 5]]


@pytest.fixture
def coo():
    return torch.sparse_coo_tensor(INDICES, VALUES, (2, 3))


def test_coordinate_format(coo):
    assert coo.layout is torch.sparse_coo and coo.is_sparse and not coo.is_sparse_csr
    assert coo.shape == (2, 3) and coo._nnz() == 3 and (coo.sparse_dim(), coo.dense_dim()) == (2, 0)
    assert coo.to_dense().tolist() == DENSE and coo._indices().tolist() == INDICES
    assert torch.sparse_coo_tensor(INDICES, VALUES).shape == (2, 3), "the smallest size that holds all indices"
    assert torch.sparse_coo_tensor(INDICES, VALUES, dtype=torch.float64).dtype is torch.float64
    hybrid = torch.sparse_coo_tensor([[1, 0]], [[1, 2], [3, 4]])
    assert hybrid.to_dense().tolist() == [[3, 4], [1, 2]] and hybrid.dense_dim() == 1
    assert torch.sparse_coo_tensor((2, 3)).to_dense().tolist() == [[0] * 3] * 2
    assert torch.sparse_coo_tensor(torch.zeros(0, 1, dtype=torch.int64), [3.0], ()).to_dense().item() == 3


def test_equal_indices_add_up():
    s = torch.sparse_coo_tensor([[1, 0, 1]], [1, 2, 3], (3,))
    assert not s.is_coalesced() and s.to_dense().tolist() == [2, 4, 0]
    with pytest.raises(RuntimeError, match="uncoalesced tensor, please call .coalesce"):
        s.values()
    c = s.coalesce()
    assert c.is_coalesced() and c.indices().tolist() == [[0, 1]] and c.values().tolist() == [2, 4]
    assert c.coalesce() is c and s._nnz() == 3


@pytest.mark.parametrize("name, arguments, parts", [
    ("csr", ([0, 1, 3], [2, 0, 2], VALUES), ("crow_indices", "col_indices")),
    ("csc", ([0, 1, 1, 3], [1, 0, 1], [4.0, 3.0, 5.0]), ("ccol_indices", "row_indices")),
    ("bsr", ([0, 1, 2], [0, 0], [[[0, 0, 3.0]], [[4, 0, 5]]]), ("crow_indices", "col_indices")),
    ("bsc", ([0, 1, 2], [0, 0], [[[0, 0], [4.0, 0]], [[3, 0], [5, 0]]]), ("ccol_indices", "row_indices"))])
def test_compressed_formats(name, arguments, parts):
    expected = [[0, 0, 3, 0], [4, 0, 5, 0]] if name == "bsc" else DENSE
    make = getattr(torch, f"sparse_{name}_tensor")
    s = make(*arguments, torch.tensor(expected).shape)
    assert s.layout is getattr(torch, f"sparse_{name}") and s.to_dense().tolist() == expected
    assert [getattr(s, p)().tolist() for p in parts] == list(arguments[:2])
    assert make(*arguments).shape == s.shape
    assert torch.sparse_compressed_tensor(*arguments, layout=s.layout).to_dense().tolist() == expected
    other = {"crow_indices": "ccol_indices", "ccol_indices": "crow_indices"}[parts[0]]
    with pytest.raises(RuntimeError, match=f"{other} expected sparse (row|column) compressed tensor layout"):
        getattr(s, other)()


@pytest.mark.parametrize("make, error", [
    (lambda: torch.sparse_coo_tensor([[0, 1]], [1.0, 2, 3]), "same nnz, but got nnz from indices: 2, .* values: 3"),
    (lambda: torch.sparse_coo_tensor([[0, 5]], [1.0, 2], (3,)), "for dim 0, size is 3 but found index 5"),
    (lambda: torch.sparse_coo_tensor([[0, -1]], [1.0, 2], (3,)), "found negative index -1 for dim 0"),
    (lambda: torch.sparse_coo_tensor([0, 1], [1.0, 2]), "indices must be sparse_dim x nnz, but got"),
    (lambda: torch.sparse_coo_tensor([[0, 1]], [1.0, 2], (3, 2)), "len.size. == sparse_dim . dense_dim"),
    (lambda: torch.sparse_coo_tensor([[0]], [[1.0, 2]], (3, 4)), r"expected \[1, 4\], got \[1, 2\]"),
    (lambda: torch.sparse_csr_tensor([0, 2, 4], [0, 1, 0], VALUES), r"crow_indices\[..., -1\] == nnz"),
    (lambda: torch.sparse_csr_tensor([1, 2, 3], [0, 1, 0], VALUES), r"crow_indices\[..., 0\] == 0"),
    (lambda: torch.sparse_csr_tensor([0, 4, 3], [0, 1, 0], VALUES), "is not satisfied"),
    (lambda: torch.sparse_csr_tensor([0, 2, 3], [0, 5, 0], VALUES, (2, 2)), "0 <= col_indices < ncols.*found 5"),
    (lambda: torch.sparse_csr_tensor([0, 2, 3], [0, 1, 0], VALUES, (3, 2)), r"number of rows \+ 1 \(=4\), but got 3"),
    (lambda: torch.sparse_bsr_tensor([0, 1], [0], torch.ones(1, 2, 3), (3, 3)), r"shape\[0\] \(=3\) must be divisible"),
    (lambda: torch.sparse_compressed_tensor([0], [], [], (0, 0)), "expected sparse compressed .* but got none"),
    (lambda: torch.ones(2).coalesce(), "coalesce expected sparse coordinate tensor layout but got Strided"),
    (lambda: torch.ones(2).values(), "values expected sparse tensor layout but got Strided")])
def test_bad_parts_are_named(make, error):
    with pytest.raises(RuntimeError, match=error):
        make()


def test_the_order_of_indices_is_checked_on_request():
    unordered = lambda **options: torch.sparse_csr_tensor([0, 2, 3], [1, 0, 0], VALUES, (2, 2), **options)  # noqa: E731
    assert unordered().to_dense().tolist() == [[4, 3], [5, 0]]
    with pytest.raises(RuntimeError, match="sorted and distinct"):
        unordered(check_invariants=True)
    switch = torch.sparse.check_sparse_tensor_invariants
    assert not switch.is_enabled()
    with switch():
        assert switch.is_enabled()
        with pytest.raises(RuntimeError, match="sorted and distinct"):
            unordered()
        unordered(check_invariants=False)
    assert not switch.is_enabled()
    with pytest.raises(RuntimeError, match="cannot set is_coalesced to true"):
        torch.sparse_coo_tensor([[1, 0]], [1.0, 2], is_coalesced=True, check_invariants=True)
    assert torch.sparse_coo_tensor([[0, 1]], [1.0, 2], is_coalesced=True).is_coalesced()


def test_tensors_without_values(coo):
    for s in (torch.zeros(2, 3, layout=torch.sparse_coo), torch.zeros_like(coo), torch.empty_like(coo.to_sparse_csr()),
              torch.zeros(2, 3, layout=torch.sparse_csc), coo.clone().zero_(), coo.to_sparse_bsr((1, 3)).zero_()):
        assert s._nnz() == 0 and s.to_dense().tolist() == [[0] * 3] * 2
    assert coo.new_zeros(4, 5, 6).is_sparse and coo.new_zeros(2, layout=torch.strided).tolist() == [0, 0]
    assert torch.zeros_like(coo, layout=torch.strided).layout is torch.strided
    with pytest.raises(NotImplementedError, match="can only be made without values"):
        torch.ones_like(coo)


def test_repr(coo):
    assert repr(coo) == ("tensor(indices=tensor([[0, 1, 1],\n                       [2, 0, 2]]),\n"
                         "       values=tensor([3., 4., 5.]),\n"
                         "       size=(2, 3), nnz=3, layout=torch.sparse_coo)")
    assert repr(coo.to_sparse_csr()) == (
        "tensor(crow_indices=tensor([0, 1, 3]),\n       col_indices=tensor([2, 0, 2]),\n"
        "       values=tensor([3., 4., 5.]), size=(2, 3), nnz=3,\n       layout=torch.sparse_csr)")
    assert "requires_grad=True" in repr(coo.requires_grad_()) and "grad_fn=<MulBackward0>" in repr(coo * 2)


def test_what_needs_strided_memory_says_so(coo):
    with pytest.raises(NotImplementedError, match="writing into a part"):
        coo[0, 0] = 1
    for call in (lambda: coo.new_ones(2, 3), lambda: coo.exp(),
                 lambda: torch.nn.functional.dropout(coo), lambda: coo == coo, lambda: coo.max(0)):
        with pytest.raises(NotImplementedError, match="layout torch.sparse_coo"):
            call()
    with pytest.raises(TypeError, match="to_dense"):
        coo.numpy()
    with pytest.raises(RuntimeError, match="to_dense"):
        coo.tolist()
    with pytest.raises(RuntimeError, match="do not have a data pointer"):
        coo.data_ptr()


def test_old_constructors():
    s = torch.sparse.FloatTensor(torch.tensor(INDICES), torch.tensor(VALUES), torch.Size([2, 3]))
    assert s.to_dense().tolist() == DENSE and isinstance(s, torch.sparse.FloatTensor)
    assert not isinstance(s, torch.sparse.LongTensor) and torch.sparse.LongTensor(2, 3).dtype is torch.int64
    with pytest.raises(TypeError, match="expected values of torch.float32"):
        torch.sparse.FloatTensor(torch.tensor(INDICES), torch.tensor(VALUES).double())


def test_spdiags():
    rows = torch.arange(9).reshape(3, 3)
    made = torch.sparse.spdiags(rows, torch.tensor([0, -1, 2]), (3, 3))
    expected = np.diag([0, 1, 2]) + np.diag([3, 4], -1) + np.diag([8], 2)
    np.testing.assert_array_equal(made.to_dense().numpy(), expected)
    csr = torch.sparse.spdiags(rows, torch.tensor([0, -1, 2]), (3, 3), torch.sparse_csr)
    assert csr.layout is torch.sparse_csr and csr.to_dense().tolist() == expected.tolist()
    with pytest.raises(RuntimeError, match="duplicate"):
        torch.sparse.spdiags(rows, torch.tensor([0, 0, 2]), (3, 3))


@pytest.mark.parametrize("name", ["SparseSemiStructuredTensor", "SparseSemiStructuredTensorCUTLASS",
                                  "SparseSemiStructuredTensorCUSPARSELT", "to_sparse_semi_structured"])
def test_what_needs_a_gpu_says_so(name):
    with pytest.raises(NotImplementedError, match="SparseSemiStructuredTensor"):
        getattr(torch.sparse, name)(torch.eye(4))


def test_sparse_solver_says_so(coo):
    with pytest.raises(NotImplementedError, match="spsolve"):
        torch.sparse.spsolve(coo.to_sparse_csr(), torch.ones(2))


@pytest.mark.parametrize("name", ["coo", "csr", "csc"])
def test_indices_may_be_changed_in_place_but_not_to_places_outside(name):
    s = getattr(torch.tensor(DENSE), f"to_sparse_{name}")()
    assert s.to_dense().tolist() == DENSE and (s @ torch.ones(3)).tolist() == [3, 9]
    part = {"coo": lambda: s._indices()[1], "csr": s.col_indices, "csc": s.row_indices}[name]()
    part[0] = 1 - part[0] if name == "csc" else 0
    changed = [[4.0, 0, 3], [0, 0, 5]] if name == "csc" else [[3.0, 0, 0], [4, 0, 5]]
    assert s.to_dense().tolist() == changed and (s @ torch.ones(3)).tolist() == torch.tensor(changed).sum(1).tolist()
    part[0] = 70
    for call in (s.to_dense, lambda: s @ torch.ones(3), lambda: s * torch.ones(2, 3)):
        with pytest.raises(RuntimeError, match="changed in place.*found (index )?70"):
            call()
