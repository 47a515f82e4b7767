"""GEMM against NumPy in float64, over sizes around the tile and every stored order."""

import itertools
import sys

import numpy as np
import pytest

from numbatorch.cpu.gemm import UNIT_FLOPS, _unit_shape, gemm

SIZES = (1, 2, 3, 15, 16, 17, 33, 100)
FORMS = list(itertools.product((False, True), repeat=2))
TOLERANCE = {"float32": 2e-6, "float64": 4e-15}


def address(array: np.ndarray) -> int:
    return array.ctypes.data


def product(rng, dtype, m, n, k, trans_a, trans_b, batch=1, gap=0, bias=False, accumulate=False):
    """(result, expected, scale): the scale bounds the terms of a sum; columns beyond n must stay as they were."""
    shape_a, shape_b = ((k, m) if trans_a else (m, k)), ((n, k) if trans_b else (k, n))
    a = rng.standard_normal((batch, shape_a[0], shape_a[1] + gap)).astype(dtype)
    b = rng.standard_normal((batch, shape_b[0], shape_b[1] + gap)).astype(dtype)
    c = rng.standard_normal((batch, m, n + gap)).astype(dtype)
    row = rng.standard_normal(n).astype(dtype)
    before = c.copy()
    strides = (a.shape[1] * a.shape[2], b.shape[1] * b.shape[2], m * (n + gap))
    gemm(dtype).run(
        address(a), address(b), address(c), m, n, k, a.shape[2], b.shape[2], n + gap, trans_a, trans_b, batch, *strides,
        bias_ptr=address(row) if bias else 0, accumulate=accumulate,
    )  # fmt: skip
    left, right = a[:, :, : shape_a[1]].astype(np.float64), b[:, :, : shape_b[1]].astype(np.float64)
    left, right = left.swapaxes(1, 2) if trans_a else left, right.swapaxes(1, 2) if trans_b else right
    expected = left @ right
    if bias:
        expected = expected + row
    if accumulate:
        expected = expected + before[:, :, :n]
    np.testing.assert_array_equal(c[:, :, n:], before[:, :, n:])
    return c[:, :, :n], expected, max(1.0, np.sqrt(k) * 4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("trans_a", "trans_b"), FORMS)
def test_every_size_around_the_tile(dtype, trans_a, trans_b):
    rng = np.random.default_rng(0)
    for m, n, k in itertools.product(SIZES, SIZES, (1, 16, 33, 100)):
        result, expected, scale = product(rng, dtype, m, n, k, trans_a, trans_b)
        assert abs(result - expected).max() < TOLERANCE[dtype] * scale, (m, n, k)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("trans_a", "trans_b"), FORMS)
@pytest.mark.parametrize("form", ["plain", "bias", "accumulate"])
def test_batches_gaps_and_long_sums(dtype, trans_a, trans_b, form):
    rng = np.random.default_rng(1)
    for m, n, k in ((5, 7, 600), (33, 40, 257), (70, 17, 2100), (1, 100, 700), (100, 1, 300)):
        result, expected, scale = product(
            rng, dtype, m, n, k, trans_a, trans_b, 3, 5, bias=form == "bias", accumulate=form == "accumulate"
        )
        assert abs(result - expected).max() < TOLERANCE[dtype] * scale, (m, n, k)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_products_of_several_tall_units(dtype):
    rng = np.random.default_rng(2)
    for (trans_a, trans_b), (m, n, k) in itertools.product(FORMS, ((300, 530, 520), (1100, 140, 70))):
        result, expected, scale = product(rng, dtype, m, n, k, trans_a, trans_b)
        assert abs(result - expected).max() < TOLERANCE[dtype] * scale


@pytest.mark.parametrize("shape", [(1, 1), (64, 784), (505, 512), (2048, 1024), (100_000, 32), (14, 4096)])
def test_units_are_tall_and_many_enough(shape):
    (m, n), k = shape, 256
    flops = 2.0 * m * n * k
    rows, columns = _unit_shape(m, n, flops, flops, 14, 32)
    units = -(-m // rows) * -(-n // columns)
    assert rows % 14 == 0 or rows == m
    assert rows <= 36 * 14 and units * max(UNIT_FLOPS, flops / 15) >= flops
    assert min(m, n) < 500 or rows >= 10 * 14


def test_empty_sum_writes_zeros_or_the_bias():
    rng = np.random.default_rng(3)
    for trans_a, trans_b in FORMS:
        result, _, _ = product(rng, "float32", 3, 20, 0, trans_a, trans_b)
        assert not result.any()
        result, expected, _ = product(rng, "float32", 3, 20, 0, trans_a, trans_b, bias=True)
        np.testing.assert_array_equal(result, expected.astype(np.float32))
    product(rng, "float32", 0, 5, 4, False, False)
    product(rng, "float32", 5, 0, 4, False, False)


def test_nan_and_infinity_stay_in_their_row_and_column():
    a, b, c = np.ones((20, 20), np.float32), np.ones((20, 20), np.float32), np.empty((20, 20), np.float32)
    a[3, 5], b[7, 4] = np.nan, np.inf
    gemm("float32").run(address(a), address(b), address(c), 20, 20, 20, 20, 20, 20)
    expected = a @ b
    np.testing.assert_array_equal(np.isnan(c), np.isnan(expected))
    np.testing.assert_array_equal(np.isinf(c), np.isinf(expected))


def test_bias_with_accumulate_is_refused():
    with pytest.raises(ValueError, match="either"):
        gemm("float32").run(64, 64, 64, 1, 1, 1, 1, 1, 1, bias_ptr=64, accumulate=True)


@pytest.mark.parametrize(("trans_a", "trans_b"), FORMS)
def test_bits_do_not_depend_on_the_number_of_threads(trans_a, trans_b, set_threads):
    results = []
    for threads in (1, 2, 4):
        set_threads(threads)
        result, _, _ = product(np.random.default_rng(4), "float32", 200, 310, 700, trans_a, trans_b)
        results.append(result.copy())
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


@pytest.mark.parametrize(("trans_a", "trans_b"), [f for f in FORMS if f != (True, True)])  # which has no such kernel
def test_reading_a_matrix_for_few_rows_is_divided(trans_a, trans_b, set_threads):
    units = gemm("float32").plan(1, 512, 784, 1 if trans_a else 784, 784 if trans_b else 512, 512, trans_a, trans_b)[2]
    assert units >= 4
    results = []
    for threads in (1, 3):
        set_threads(threads)
        results.append(product(np.random.default_rng(4), "float32", 3, 310, 1700, trans_a, trans_b)[0].copy())
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("feature", ["avx512f", "avx2", "neon", ""])
def test_tiles_of_other_register_files_are_correct_here_too(feature, monkeypatch):
    """The text written for each register file is plain LLVM IR: this machine runs it, faster or slower."""
    from numbatorch.cpu import gemm as module

    target = module.host_target("float32", feature)
    monkeypatch.setattr(module, "host_target", lambda dtype: target)
    monkeypatch.setattr(module, "_kernel", module._kernel.__wrapped__)
    monkeypatch.setattr(sys.modules[__name__], "gemm", module.Gemm)
    rng = np.random.default_rng(5)
    for (m, n, k), (trans_a, trans_b) in itertools.product(((1, 33, 20), (7, 9, 300), (70, 50, 33)), FORMS):
        result, expected, scale = product(rng, "float32", m, n, k, trans_a, trans_b)
        assert abs(result - expected).max() < TOLERANCE["float32"] * scale, (m, n, k)
