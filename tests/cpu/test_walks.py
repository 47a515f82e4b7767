"""Loops that walk memory in an order of their own, against NumPy: tiles, rows of an index; on any number of threads."""

import itertools

import numpy as np
import pytest

import numbatorch as nt

RANDOM = np.random.default_rng(0)


@pytest.fixture(params=(1, 3))
def threads(request):
    before = nt.get_num_threads()
    nt.set_num_threads(request.param)
    yield request.param
    nt.set_num_threads(before)


@pytest.mark.parametrize("shape", [(37, 70), (5, 33, 70), (3, 16, 9, 20), (8, 8), (130, 9)])
def test_tiles(shape, threads):
    whole = RANDOM.standard_normal(shape).astype(np.float32)
    x = nt.from_numpy(whole)
    for order in itertools.permutations(range(len(shape))):
        expected = np.ascontiguousarray(whole.transpose(order))
        other = RANDOM.standard_normal(expected.shape).astype(np.float32)
        y, column = nt.from_numpy(other.copy()), nt.from_numpy(other[..., :1].copy())
        assert np.array_equal(x.permute(order).contiguous().numpy(), expected)
        assert np.array_equal((y * x.permute(order)).numpy(), other * expected)
        assert np.array_equal((x.permute(order) * column).contiguous().numpy(), expected * other[..., :1])
        y.mul_(x.permute(order))
        assert np.array_equal(y.numpy(), other * expected)


@pytest.mark.parametrize(("shape", "index_shape", "dim"), [
    ((5, 7, 9), (5, 7, 9), 2), ((5, 7, 9), (4, 6, 20), 2), ((5, 7, 9), (5, 7, 9), 1), ((50,), (300,), 0),
    ((5, 7, 9), (13, 7, 9), 0), ((600, 40), (600, 100), 1)])
def test_rows_of_an_index(shape, index_shape, dim, threads):
    target = RANDOM.integers(-9, 9, shape)
    index, source = RANDOM.integers(0, shape[dim], index_shape), RANDOM.integers(-9, 9, index_shape)
    places = list(np.indices(index_shape))
    places[dim] = index
    for reduce, ufunc in (("sum", np.add), ("amax", np.maximum), ("amin", np.minimum)):
        expected = target.copy()
        ufunc.at(expected, tuple(places), source)
        x, i, s = nt.from_numpy(target), nt.from_numpy(index), nt.from_numpy(source)
        assert np.array_equal(x.scatter_reduce(dim, i, s, reduce).numpy(), expected)
        turned = nt.from_numpy(np.ascontiguousarray(target.T)).permute(*range(len(shape) - 1, -1, -1))
        assert np.array_equal(turned.scatter_reduce(dim, i, s, reduce).numpy(), expected)
