"""Pooling against windows cut out with NumPy."""

import numpy as np
import pytest

import numbatorch as nt
from numbatorch.cpu import compile
from numbatorch.ops import namespace

F = namespace("nn.functional")


def windows(x, kernel, stride, padding, fill):
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)), constant_values=fill)
    cut = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), (2, 3))
    return cut[:, :, ::stride, ::stride]


@pytest.mark.parametrize("kernel, stride, padding", [(2, 2, 0), (3, 2, 1), (3, 1, 1), (7, 3, 2)])
def test_max_and_mean_of_windows(kernel, stride, padding):
    x = np.random.default_rng(0).standard_normal((2, 3, 13, 12)).astype(np.float32)
    maximum = F["max_pool2d"](nt.from_numpy(x), kernel, stride, padding)
    assert np.array_equal(maximum.numpy(), windows(x, kernel, stride, padding, -np.inf).max((-1, -2)))
    mean = F["avg_pool2d"](nt.from_numpy(x), kernel, stride, padding).numpy()
    np.testing.assert_allclose(mean, windows(x, kernel, stride, padding, 0).mean((-1, -2)), rtol=1e-5, atol=1e-6)


def test_indices_point_at_the_maximum_and_the_gradient_goes_there():
    x = np.random.default_rng(1).standard_normal((2, 3, 9, 9)).astype(np.float32)
    for kernel, stride, padding in ((2, 2, 0), (3, 2, 1)):
        input = nt.from_numpy(x.copy()).requires_grad_()
        values, indices = F["max_pool2d"](input, kernel, stride, padding, return_indices=True)
        flat = x.reshape(2, 3, -1)
        at = indices.numpy().reshape(2, 3, -1)
        assert np.array_equal(np.take_along_axis(flat, at, -1), values.detach().numpy().reshape(2, 3, -1))
        expected = np.zeros_like(flat)
        for n in range(2):
            for c in range(3):
                np.add.at(expected[n, c], at[n, c], 1)
        values.sum().backward()
        assert np.array_equal(input.grad.numpy().reshape(2, 3, -1), expected)
        input.grad = None
        F["max_pool2d"](input, kernel, stride, padding).sum().backward()
        assert np.array_equal(input.grad.numpy().reshape(2, 3, -1), expected)


def test_gradients_of_long_rows_of_overlapping_windows_are_summed():
    """Rows are looked through in pieces, the last one shorter; windows at the borders stand alone."""
    x = np.random.default_rng(2).standard_normal((2, 1100)).astype(np.float32)
    x[1, 40] = np.nan
    input = nt.from_numpy(x.copy()).requires_grad_()
    weight = np.random.default_rng(3).standard_normal((2, 550)).astype(np.float32)
    (F["max_pool1d"](input, 5, 2, 2) * nt.from_numpy(weight)).sum().backward()
    padded = np.pad(x, ((0, 0), (2, 2)), constant_values=-np.inf)
    cut = np.lib.stride_tricks.sliding_window_view(padded, 5, 1)[:, ::2]
    expected = np.zeros((2, 1104))
    for row in range(2):
        np.add.at(expected[row], np.arange(0, 1100, 2) + cut[row].argmax(-1), weight[row])  # of NaN, too, the place
    np.testing.assert_allclose(input.grad.numpy(), expected[:, 2:-2], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("arguments", [(3, 2, 1), (2,), (3, 1, 1, 2), (17, 3, 8), (5, 5, 0, 1, True), ((2, 7), (1, 3)),
                                       (8, 8), ((20, 18), (20, 19))])
def test_the_gradient_through_taps_is_that_through_positions(arguments):
    x = np.random.default_rng(4).integers(0, 9, (2, 3, 40, 37)).astype(np.float32)  # with ties: the first one has it
    taps, places = (nt.tensor(x, requires_grad=True) for _ in range(2))
    values = F["max_pool2d"](taps, *arguments)
    same, _ = F["max_pool2d"](places, *arguments, return_indices=True)
    assert np.array_equal(values.detach().numpy(), same.detach().numpy())
    weight = nt.tensor(np.random.default_rng(5).integers(-9, 9, tuple(values.shape)).astype(np.float32))
    (values * weight).sum().backward()
    (same * weight).sum().backward()
    assert np.array_equal(taps.grad.numpy(), places.grad.numpy())


def test_second_gradients_of_maxima_are_read_at_the_same_taps():
    x = nt.tensor(np.random.default_rng(6).standard_normal((1, 2, 7, 9)), requires_grad=True)
    weight = nt.ones(1, 2, 4, 5, dtype=nt.float64, requires_grad=True)
    (slope,) = nt.autograd.grad(F["max_pool2d"](x, 3, 2, 1), [x], [weight], create_graph=True)
    (again,) = nt.autograd.grad((slope * x).sum(), [weight], create_graph=True)  # picks x where the maxima lie
    assert np.array_equal(again.detach().numpy(), F["max_pool2d"](x, 3, 2, 1).detach().numpy())
    (third,) = nt.autograd.grad(again.sum(), [x])
    assert np.array_equal(third.numpy(), nt.autograd.grad(F["max_pool2d"](x, 3, 2, 1).sum(), [x])[0].numpy())


def test_backward_of_maxima_keeps_a_byte_a_window():
    kept = []
    with nt.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        F["max_pool2d"](nt.rand(2, 3, 8, 8, requires_grad=True), 2)
    assert [(t.dtype, tuple(t.shape)) for t in kept] == [(nt.uint8, (2, 3, 4, 4))]


@pytest.mark.parametrize("sizes, to", [((4, 3, 7, 7), 1), ((4, 3, 8, 6), (4, 3)), ((4, 3, 7, 5), (3, 2))])
def test_adaptive_maxima_are_those_of_their_windows(sizes, to):
    x = np.random.default_rng(7).integers(0, 9, sizes).astype(np.float32)
    values, indices = F["adaptive_max_pool2d"](nt.tensor(x), to, return_indices=True)
    plain, recorded = nt.tensor(x), nt.tensor(x, requires_grad=True)
    assert np.array_equal(F["adaptive_max_pool2d"](plain, to).numpy(), values.numpy())
    result = F["adaptive_max_pool2d"](recorded, to)
    assert np.array_equal(result.detach().numpy(), values.numpy())
    result.sum().backward()
    expected = np.zeros((12, sizes[2] * sizes[3]), np.float32)
    for plane, places in zip(expected, indices.numpy().reshape(12, -1), strict=True):
        np.add.at(plane, places, 1)
    assert np.array_equal(recorded.grad.numpy().reshape(12, -1), expected)


def test_nan_wins():
    x = nt.tensor([[[1.0, float("nan"), 3.0, 2.0]]])
    assert np.isnan(F["max_pool1d"](x, 2).numpy()[0, 0, 0])


def test_adaptive_windows_cover_everything_once_where_sizes_divide():
    x = nt.arange(24, dtype=nt.float32).reshape(1, 2, 12).requires_grad_()
    result = F["adaptive_avg_pool1d"](x, 5)
    starts = [(o * 12 // 5, -(-(o + 1) * 12 // 5)) for o in range(5)]
    expected = [[np.arange(24).reshape(2, 12)[c, a:b].mean() for a, b in starts] for c in range(2)]
    np.testing.assert_allclose(result.detach().numpy()[0], expected, rtol=1e-6)
    result.sum().backward()
    assert abs(float(x.grad.sum()) - 10) < 1e-5


def test_errors_name_the_values():
    x = nt.zeros(1, 1, 4, 4)
    with pytest.raises(RuntimeError, match="pad=3 and kernel_size=3"):
        F["max_pool2d"](x, 3, 1, 3)
    with pytest.raises(RuntimeError, match="too small"):
        F["max_pool2d"](x, 5)
    with pytest.raises(RuntimeError, match="3D or 4D"):
        F["avg_pool2d"](nt.zeros(4), 2)


def test_adaptive_pooling_to_another_size_compiles_nothing():
    from numbatorch import cpu

    x = nt.rand(2, 3, 7, 9, requires_grad=True)
    nt.nn.functional.adaptive_avg_pool2d(x, (3, 4)).sum().backward()
    x.grad = None  # else the second gradient would be added to the first
    before = cpu.cache_stats()
    nt.nn.functional.adaptive_avg_pool2d(x, (5, 2)).sum().backward()
    after = cpu.cache_stats()
    assert (after["compiled"], after["loaded"]) == (before["compiled"], before["loaded"])


@pytest.mark.parametrize("rank", [1, 2])
def test_a_window_without_elements_gives_no_gradient(rank):
    """Taps of the only window lie at -1 and 2 of a plane of two."""
    x = nt.arange(1.0, 5 * 2 ** rank + 1).reshape(1, 5, *(2,) * rank).requires_grad_()
    y = F[f"max_pool{rank}d"](x, 2, 1, 1, 3)
    assert y.shape == (1, 5, *(1,) * rank) and np.array_equal(y.detach().numpy(), np.full(y.shape, -np.inf))
    weight = nt.arange(1.0, y.numel() + 1).reshape(y.shape).requires_grad_()
    grad, = nt.autograd.grad(y, x, weight, create_graph=True)
    assert grad.shape == x.shape and not grad.any()
    back, = nt.autograd.grad(grad, weight, x.detach())
    assert back.shape == y.shape and not back.any()


def maximum_by_taps(x, kernel, stride, padding):
    """(maximum, flat position) of each window of the last two dimensions, tap by tap: the first of equal ones."""
    h, w = x.shape[-2:]
    rows, columns = ((n + 2 * padding - k) // stride + 1 for n, k in zip((h, w), kernel, strict=True))
    wide = np.pad(x, [(0, 0)] * (x.ndim - 2) + [(padding, padding)] * 2, constant_values=-np.inf)
    best = np.full((*x.shape[:-2], rows, columns), -np.inf, x.dtype)
    at = np.zeros(best.shape, np.int64)
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            v = wide[..., i:i + stride * rows:stride, j:j + stride * columns:stride][..., :rows, :columns]
            place = ((np.arange(rows) * stride + i - padding)[:, None] * w + np.arange(columns) * stride + j - padding)
            better = (v > best) | np.isnan(v)
            best, at = np.where(better, v, best), np.where(better, place, at)
    return best, at


@pytest.mark.parametrize("kernel, stride, padding", [((3, 3), 2, 1), ((2, 5), 3, 1), ((6, 6), 4, 2)])
@pytest.mark.parametrize("width", [17, 35])
def test_windows_that_share_taps_with_the_one_before(kernel, stride, padding, width):
    rng = np.random.default_rng(width)
    x = rng.integers(-3, 4, (2, 3, 13, width)).astype(np.float32)  # many are equal
    x[rng.random(x.shape) < 0.02] = np.nan
    expected, at = maximum_by_taps(x, kernel, stride, padding)
    t = nt.tensor(x)
    found, where = F["max_pool2d"](t, kernel, stride, padding, return_indices=True)
    np.testing.assert_array_equal(found.numpy(), expected)
    np.testing.assert_array_equal(where.numpy(), at)
    np.testing.assert_array_equal(F["max_pool2d"](t, kernel, stride, padding).numpy(), expected)
    t.requires_grad_()
    kept = F["max_pool2d"](t, kernel, stride, padding)
    np.testing.assert_array_equal(kept.detach().numpy(), expected)
    kept.backward(nt.ones(kept.shape))
    counts = np.zeros((6, 13 * width))
    np.add.at(counts, (np.arange(6)[:, None], at.reshape(6, -1)), 1)
    np.testing.assert_array_equal(t.grad.numpy().reshape(6, -1), counts)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_norms_of_zeros_have_a_gradient_of_zero(rank):
    x = nt.tensor([0.0, -0.0, 3.0, -4.0]).reshape(1, 1, 4, *(1,) * (rank - 1)).requires_grad_()
    result = getattr(nt.nn.functional, f"lp_pool{rank}d")(x, 2.0, 2 if rank == 1 else (2,) + (1,) * (rank - 1))
    result.sum().backward()
    assert result.flatten().tolist() == [0.0, 5.0] and nt.allclose(x.grad.flatten(), nt.tensor([0.0, 0.0, 0.6, -0.8]))


@pytest.mark.parametrize("kind, kernel, stride", [("avg", (7, 8), 2), ("max", (7, 8), 2), ("avg", (4, 1), (3, 4))])
def test_windows_of_channels_last_compile_without_a_word(kind, kernel, stride, capfd, monkeypatch):
    for store in (compile.cache, compile.packs):
        monkeypatch.setattr(store, "read", lambda *_: None)
    pool = getattr(nt.nn.functional, f"{kind}_pool2d")
    x = nt.randn(2, 5, 31, 33, dtype=nt.float64).contiguous(memory_format=nt.channels_last)
    result = pool(x, kernel, stride)  # which no other test compiles
    assert capfd.readouterr().err == "" and nt.allclose(result, pool(x.contiguous(), kernel, stride))
