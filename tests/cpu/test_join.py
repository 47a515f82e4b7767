"""Joins of contiguous tensors by one kernel: any dtype and dimension, long rows in pieces, and what it leaves alone."""

import numpy as np
import pytest

import numbatorch as nt

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", ["float32", "int8", "float64", "complex64", "bool"])
@pytest.mark.parametrize(("shapes", "dim"), [
    ([(3, 4), (5, 4)], 0), ([(3, 4), (3, 9), (3, 1)], -1), ([(2, 3, 4), (2, 1, 4)], 1), ([(2, 3, 4), (2, 3, 0)], 2),
    ([(100_000,), (300_000,)], 0), ([(0, 3), (0, 2)], 1)])
def test_joins(shapes, dim, dtype):
    before = nt.get_num_threads()
    arrays = [(RANDOM.standard_normal(s) * 3).astype(dtype) for s in shapes]
    for threads in (1, 3):
        nt.set_num_threads(threads)
        assert np.array_equal(nt.cat([nt.from_numpy(a) for a in arrays], dim).numpy(), np.concatenate(arrays, dim))
    nt.set_num_threads(before)


def test_what_is_copied_one_by_one():
    x = nt.arange(6.0).reshape(2, 3)
    assert nt.cat([x.t(), x.t()]).tolist() == x.t().tolist() * 2
    assert nt.cat([x, x.long()]).dtype is nt.float32 and nt.cat([nt.empty(0), x]).tolist() == x.tolist()
    y = x.clone().requires_grad_(True)
    (nt.cat([y, x], 1) * 2).sum().backward()
    assert y.grad.tolist() == [[2.0] * 3] * 2
    with nt.no_grad():
        assert not nt.cat([y, x]).requires_grad
    with pytest.raises(RuntimeError, match="must match except in dimension 0"):
        nt.cat([x, nt.ones(2, 2)])
