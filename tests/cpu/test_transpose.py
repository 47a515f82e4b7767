"""Copies that turn dimensions over: whole blocks and edges, all sizes of elements, any dimensions around them."""

import numpy as np
import pytest

import numbatorch as nt

SHAPES = [((70, 33), (1, 0)), ((128, 64), (1, 0)), ((8, 8), (1, 0)), ((3, 5, 40, 9), (0, 2, 3, 1)), ((17, 130), (1, 0)),
          ((2, 3, 66, 70), (1, 0, 3, 2)), ((9, 20, 31), (2, 1, 0))]  # fmt: skip


@pytest.mark.parametrize("dtype", ["int8", "bool", "bfloat16", "float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("shape, order", SHAPES)
def test_copies_of_permuted_tensors(dtype, shape, order):
    numbers = np.random.default_rng(len(shape)).integers(-100, 100, shape)
    given = nt.tensor(numbers).to(getattr(nt, dtype))
    expected = given.numpy() if dtype != "bfloat16" else given.float().numpy()
    for part in ((), (..., slice(1, None))):
        copy = given[part].permute(*order).contiguous()
        assert copy.is_contiguous() and copy.dtype is given.dtype
        found = copy.numpy() if dtype != "bfloat16" else copy.float().numpy()
        assert np.array_equal(found, expected[part].transpose(order))


def test_nothing_around_the_target_is_written():
    whole = nt.zeros(40, 50)
    whole[3:36, 5:40] = nt.ones(35, 33).t()
    assert whole.sum() == 33 * 35 and whole[3:36, 5:40].sum() == 33 * 35
