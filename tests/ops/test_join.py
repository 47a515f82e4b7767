"""Joining, padding and rearranging."""

import numpy as np
import pytest

import numbatorch as nt
from numbatorch.nn import functional as F


def test_cat_promotes_and_leaves_out_empty_rows():
    joined = nt.cat([nt.zeros(1, 2, dtype=nt.int64), nt.zeros(0), nt.ones(2, 2)])
    assert joined.dtype is nt.float32 and joined.tolist() == [[0, 0], [1, 1], [1, 1]]


def test_cat_and_stack_split_their_gradient():
    a, b = nt.ones(2, 1, requires_grad=True), nt.ones(2, 2, requires_grad=True)
    (nt.cat([a, b, a], 1) * nt.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
    assert a.grad.tolist() == [[5], [5]] and b.grad.tolist() == [[2, 3], [2, 3]]
    a.grad = None
    (nt.stack([a, a], 2) * nt.tensor([1.0, 3.0])).sum().backward()
    assert a.grad.tolist() == [[4], [4]]


@pytest.mark.parametrize("call, error, message", [
    (lambda: nt.cat([]), ValueError, "non-empty"),
    (lambda: nt.cat([nt.ones(2, 2), nt.ones(2, 3)]), RuntimeError, "Sizes"),
    (lambda: nt.cat([nt.ones(2), nt.ones(2, 2)]), RuntimeError, "number of dimensions"),
    (lambda: nt.cat([nt.tensor(1.0)]), RuntimeError, "zero-dimensional"),
    (lambda: nt.stack([nt.ones(2), nt.ones(3)]), RuntimeError, "equal size"),
    (lambda: F.pad(nt.ones(1, 1, 2), (2, 0), mode="reflect"), RuntimeError, "less than")])
def test_joining_refuses(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("mode, row", [("constant", [0, 0, 1, 2, 3, 0]), ("reflect", [3, 2, 1, 2, 3, 2]),
                                       ("replicate", [1, 1, 1, 2, 3, 3]), ("circular", [2, 3, 1, 2, 3, 1])])
def test_pad(mode, row):
    x = nt.tensor([[[1.0, 2.0, 3.0]]], requires_grad=True)
    padded = F.pad(x, (2, 1), mode=mode)
    assert padded.tolist() == [[row]]
    padded.sum().backward()
    assert x.grad.tolist() == [[[row.count(n) for n in (1, 2, 3)]]]


def test_negative_pad_cuts():
    assert F.pad(nt.arange(4.0), (-1, 1), value=9.0).tolist() == [1, 2, 3, 9]


def test_rearranging():
    x = nt.arange(6).reshape(2, 3)
    assert x.flip(1).tolist() == [[2, 1, 0], [5, 4, 3]]
    assert x.roll(1, 1).tolist() == [[2, 0, 1], [5, 3, 4]]
    assert x.roll(2).tolist() == [[4, 5, 0], [1, 2, 3]]
    assert x.rot90().tolist() == [[2, 5], [1, 4], [0, 3]]
    assert x.repeat(1, 2).tolist() == [[0, 1, 2, 0, 1, 2], [3, 4, 5, 3, 4, 5]]
    assert x.tile(2).tolist() == x.repeat(1, 2).tolist()
    assert x.repeat_interleave(nt.tensor([2, 0]), 0).tolist() == [[0, 1, 2], [0, 1, 2]]
    assert x.tril(-1).tolist() == [[0, 0, 0], [3, 0, 0]]
    assert nt.tensor([1, 2]).diag(1).tolist() == [[0, 1, 0], [0, 0, 2], [0, 0, 0]]
    assert nt.block_diag(nt.ones(1, 1), nt.ones(1, 2)).tolist() == [[1, 0, 0], [0, 1, 1]]


def test_grids_and_choices():
    a, b = nt.arange(2), nt.arange(3)
    rows, columns = nt.meshgrid(a, b, indexing="ij")
    assert rows.tolist() == [[0, 0, 0], [1, 1, 1]] and columns.tolist() == [[0, 1, 2], [0, 1, 2]]
    assert nt.meshgrid(a, b, indexing="xy")[0].tolist() == rows.t().tolist()
    assert nt.cartesian_prod(a, b).tolist() == [[i, j] for i in range(2) for j in range(3)]
    assert nt.combinations(b).tolist() == [[0, 1], [0, 2], [1, 2]]
    assert F.one_hot(a).tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("count", [1, 3, 8, 9, 20])
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_few_and_many_tensors(count, dim):
    given = [np.random.default_rng(k).standard_normal((3, 5)).astype(np.float32) for k in range(count)]
    tensors = [nt.from_numpy(x) for x in given]
    assert np.array_equal(nt.cat(tensors, dim).numpy(), np.concatenate(given, dim))
    assert np.array_equal(nt.stack(tensors, dim).numpy(), np.stack(given, dim))
    tensors[0].requires_grad_()
    nt.stack(tensors, dim).sum().backward()
    assert tensors[0].grad.tolist() == [[1.0] * 5] * 3
