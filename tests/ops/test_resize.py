"""Resizing against matrices of weights, one a dimension, written down in NumPy."""

import numpy as np
import pytest

import numbatorch as nt

interpolate = nt.nn.functional.interpolate


def weights(size, out, mode, align_corners=False):
    """(out, size): what each element of the result takes of the input."""
    matrix = np.zeros((out, size))
    for i in range(out):
        x = i * (size - 1) / max(1, out - 1) if align_corners else (i + 0.5) * size / out - 0.5
        if mode == "nearest":
            matrix[i, min(int(i * size / out), size - 1)] = 1
        elif mode == "linear":
            x = max(x, 0)
            low = min(int(x), size - 1)
            matrix[i, low] += 1 - (x - low)
            matrix[i, min(low + 1, size - 1)] += x - low
        else:
            low, a = int(np.floor(x)), -0.75
            for k in range(-1, 3):
                d = abs(x - low - k)
                w = ((a + 2) * d - (a + 3)) * d * d + 1 if d <= 1 else ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
                matrix[i, min(max(low + k, 0), size - 1)] += w
    return matrix


def resized(x, out, mode, align_corners=False):
    for d, n in enumerate(out):
        x = np.moveaxis(np.moveaxis(x, d + 2, -1) @ weights(x.shape[d + 2], n, mode, align_corners).T, -1, d + 2)
    return x


CASES = [("nearest", (24,), (48,)), ("nearest", (7, 9), (21, 27)), ("nearest", (9, 11), (5, 16)),
         ("nearest", (4, 5, 6), (8, 10, 12)), ("linear", (31,), (62,)), ("bilinear", (12, 16), (24, 32)),
         ("bilinear", (9, 10), (72, 80)), ("bilinear", (16, 24), (8, 12)), ("bilinear", (13, 11), (17, 5)),
         ("bilinear", (1, 3), (4, 1)), ("bicubic", (10, 12), (20, 36)), ("bicubic", (11, 9), (7, 13)),
         ("trilinear", (4, 6, 10), (8, 12, 20)), ("trilinear", (5, 4, 7), (3, 6, 9))]


@pytest.mark.parametrize("mode, size, out", CASES)
def test_results_and_gradients_are_those_of_the_matrices(mode, size, out):
    x = np.random.default_rng(0).standard_normal((2, 3, *size)).astype(np.float32)
    short = {"nearest": "nearest", "bicubic": "cubic"}.get(mode, "linear")
    for align in (None, True) if mode != "nearest" else (None,):
        input = nt.tensor(x, requires_grad=True)
        result = interpolate(input, size=out, mode=mode, align_corners=align)
        np.testing.assert_allclose(result.detach().numpy(), resized(x, out, short, bool(align)), rtol=1e-5, atol=2e-5)
        grad = np.random.default_rng(1).standard_normal(result.shape).astype(np.float32)
        expected = grad
        for d, (n, m) in enumerate(zip(size, out, strict=True)):
            expected = np.moveaxis(np.moveaxis(expected, d + 2, -1) @ weights(n, m, short, bool(align)), -1, d + 2)
        (result * nt.tensor(grad)).sum().backward()
        np.testing.assert_allclose(input.grad.numpy(), expected, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
def test_strides_dtypes_and_threads_do_not_matter(mode):
    x = np.random.default_rng(2).standard_normal((2, 5, 14, 12))
    expected = resized(x, (28, 24), {"bilinear": "linear", "bicubic": "cubic"}.get(mode, mode))
    whole = interpolate(nt.tensor(x), scale_factor=2, mode=mode)
    np.testing.assert_allclose(whole.numpy(), expected, rtol=1e-12, atol=1e-12)
    strided = nt.tensor(np.ascontiguousarray(x.transpose(0, 2, 3, 1))).permute(0, 3, 1, 2)
    assert np.array_equal(interpolate(strided, scale_factor=2, mode=mode).numpy(), whole.numpy())
    narrow = nt.tensor(x).to(nt.bfloat16).requires_grad_()
    result = interpolate(narrow, scale_factor=2, mode=mode)
    wide = interpolate(narrow.detach().float(), scale_factor=2, mode=mode)
    assert np.array_equal(result.detach().float().numpy(), wide.to(nt.bfloat16).float().numpy())
    result.sum().backward()
    assert narrow.grad.dtype is nt.bfloat16
    threads = nt.get_num_threads()
    try:
        nt.set_num_threads(1)
        assert np.array_equal(interpolate(nt.tensor(x), scale_factor=2, mode=mode).numpy(), whole.numpy())
    finally:
        nt.set_num_threads(threads)


def test_second_gradients_of_resizing_are_resizing():
    x = nt.rand(1, 2, 5, 6, dtype=nt.float64, requires_grad=True)
    assert nt.autograd.gradcheck(lambda x: interpolate(x, size=(7, 4), mode="bilinear"), [x])
    assert nt.autograd.gradgradcheck(lambda x: interpolate(x, scale_factor=2, mode="bicubic") ** 2, [x])


def test_other_sizes_of_one_scale_compile_nothing():
    from numbatorch import cpu

    interpolate(nt.rand(1, 2, 20, 24), scale_factor=2, mode="bilinear")
    before = cpu.cache_stats()
    interpolate(nt.rand(3, 1, 30, 40), scale_factor=2, mode="bilinear")
    after = cpu.cache_stats()
    assert (after["compiled"], after["loaded"]) == (before["compiled"], before["loaded"])
