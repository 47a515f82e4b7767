"""Convolution and its gradients against a plain sum over taps in float64."""

import sys

import numpy as np
import pytest

from numbatorch.cpu import convolution
from numbatorch.cpu.convolution import forward_plan, input_gradient_plan, weight_gradient_plan
from numbatorch.cpu.convolution_depthwise import DepthwiseWeightPlan
from numbatorch.cpu.convolution_phases import PhasesLaunch
from numbatorch.cpu.convolution_winograd import WinogradLaunch
from numbatorch.cpu.convolution_winograd_weights import WinogradWeightPlan

TOLERANCE = {"float32": 4e-6, "float64": 1e-14}

# n, c, h, w, o, kh, kw, stride, padding, dilation, groups
CASES = {
    "digits first layer": (2, 1, 28, 28, 32, 3, 3, 1, 0, 1, 1),
    "digits second layer": (2, 32, 26, 26, 64, 3, 3, 1, 0, 1, 1),
    "one pixel": (1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1),
    "pointwise": (3, 5, 4, 4, 40, 1, 1, 1, 0, 1, 1),
    "pointwise strided": (3, 5, 5, 4, 7, 1, 1, 2, 0, 1, 1),
    "pointwise strided, blocks": (2, 70, 9, 8, 40, 1, 1, (2, 3), 0, 1, 1),
    "pointwise, few outputs": (3, 40, 5, 6, 2, 1, 1, 1, 0, 1, 1),
    "pointwise, some outputs": (3, 60, 5, 6, 14, 1, 1, 1, 0, 1, 1),
    "pointwise, few channels": (3, 3, 5, 6, 33, 1, 1, 1, 0, 1, 1),
    "pointwise, one position": (5, 20, 1, 1, 35, 1, 1, 1, 0, 1, 1),
    "padded": (2, 3, 5, 7, 4, 3, 3, 1, 1, 1, 1),
    "padded wide": (2, 17, 33, 40, 20, 3, 3, 1, 1, 1, 1),
    "same as input": (1, 4, 17, 19, 15, 5, 3, 1, (2, 1), 1, 1),
    "strided": (2, 4, 9, 9, 6, 3, 3, 2, 1, 1, 1),
    "all at once": (2, 4, 9, 11, 6, 3, 2, (2, 3), (1, 0), (2, 1), 2),
    "dilated wide": (2, 3, 30, 35, 6, 3, 3, 1, (2, 1), (2, 3), 1),
    "stride beyond window": (1, 2, 20, 20, 3, 2, 2, 3, 0, 1, 1),
    "one dimension": (1, 2, 1, 40, 3, 1, 5, 1, (0, 2), 1, 1),
    "one dimension, long window": (1, 1, 1, 700, 2, 1, 400, 1, 0, 1, 1),
    "depthwise": (2, 8, 7, 7, 8, 3, 3, 1, 1, 1, 8),
    "depthwise wide": (2, 5, 20, 33, 5, 3, 3, 1, 1, 1, 5),
    "depthwise tiny planes": (3, 5, 4, 3, 5, 3, 3, 1, 1, 1, 5),
    "depthwise stride 3, dilated": (2, 3, 20, 25, 3, 3, 5, 3, (1, 2), (1, 2), 3),
    "depthwise large window": (1, 3, 30, 31, 3, 7, 7, 2, 3, 1, 3),
    "depthwise, blocks of rows and columns": (1, 2, 90, 700, 2, 3, 3, 1, 1, 1, 2),
    "two channels a group": (2, 6, 9, 20, 6, 3, 3, 2, 1, 1, 3),
    "depthwise strided, two outputs each": (2, 6, 15, 33, 12, 5, 3, 2, 1, 1, 6),
    "tall": (1, 2, 300, 3, 2, 3, 3, 1, 1, 1, 1),
    "wide": (1, 2, 3, 300, 2, 3, 3, 1, 1, 1, 1),
    "large window": (1, 3, 30, 30, 5, 21, 21, 1, 3, 1, 1),
    "more padding than window": (1, 2, 8, 8, 2, 3, 3, 1, 4, 1, 1),
    "many channels": (2, 300, 3, 3, 270, 3, 3, 2, 1, 1, 1),
    "stem": (3, 3, 16, 16, 33, 7, 7, 2, 3, 1, 1),
    "small maps of several images": (5, 20, 4, 4, 30, 3, 3, 1, 1, 1, 1),
    "small maps, more outputs than are staged": (3, 2, 3, 3, 600, 3, 3, 1, 1, 1, 1),
    "panels across images": (3, 4, 7, 7, 6, 3, 3, 2, 1, 1, 1),
    "few channels, large window": (2, 3, 33, 30, 33 * 2, 5, 5, 2, 2, 1, 1),
    "few channels, one long row": (2, 2, 1, 1500, 32, 1, 40, (1, 4), 0, 1, 1),
    "patches": (2, 3, 16, 20, 48, 4, 4, 4, 0, 1, 1),
    "few channels, not padded": (3, 6, 14, 14, 16, 5, 5, 1, 0, 1, 1),
    "few channels, many taps, groups": (2, 8, 20, 21, 32, 9, 9, (1, 2), (3, 0), (1, 2), 2),
    "grouped": (2, 34, 18, 18, 36, 3, 3, 1, 1, 1, 2),
    "few planes, rows apart": (1, 1, 13, 5, 3, 5, 2, (3, 1), 1, 1, 1),
    "few planes of groups, rows apart": (2, 4, 13, 5, 4, 1, 3, (3, 1), (2, 0), 1, 2),
    "rows of 15, one less than a vector": (2, 8, 20, 13, 3, 2, 2, 1, 1, 1, 1),
    "rows of 15 with gaps": (3, 8, 20, 13, 3, 1, 3, 1, 1, 2, 1),
    "tiles of 2x2, odd sizes": (4, 33, 13, 15, 35, 3, 3, 1, 1, 1, 1),
    "tiles of 2x2, not padded": (8, 32, 9, 14, 40, 3, 3, 1, 0, 1, 1),
    "tiles of 2x2, much padding": (1, 40, 9, 10, 66, 3, 3, 1, (2, 3), 1, 1),
    "tiles of 2x2, runs of many images": (11, 35, 4, 4, 32, 3, 3, 1, 1, 1, 1),
    "tiles of 2x2, long rows": (1, 32, 3, 201, 32, 3, 3, 1, 1, 1, 1),
    "tiles of 2x2, several parts": (3, 70, 30, 30, 36, 3, 3, 1, 1, 1, 1),
    "tiles of 2x2, many runs": (9, 33, 30, 29, 70, 3, 3, 1, 1, 1, 1),
    "tiles of 2x2, dilated": (2, 33, 31, 30, 34, 3, 3, 1, (2, 3), (2, 3), 1),
    "tiles of 2x2, dilated rows": (3, 36, 20, 21, 32, 3, 3, 1, (4, 1), (4, 1), 1),
    "many depthwise, strided": (2, 20, 15, 14, 20, 3, 3, 2, 1, 1, 20),
    "many depthwise, dilated": (3, 37, 9, 9, 37, 5, 5, 3, (2, 1), (1, 2), 37),
    "many depthwise, blocks of rows": (1, 17, 30, 90, 17, 3, 3, 1, 1, 1, 17),
    "many depthwise, inputs without windows": (2, 16, 20, 20, 16, 2, 2, 3, 0, 1, 16),
    "many depthwise, much padding": (1, 18, 8, 7, 18, 2, 3, 1, 4, 1, 18),
    "many depthwise, one row": (2, 16, 1, 40, 16, 1, 5, (1, 4), (0, 2), 1, 16),
    "many depthwise, window of the map's size": (2, 32, 7, 7, 32, 7, 7, 1, 3, 1, 32),
    "rows of 7, one less than a vector": (1, 32, 8, 5, 12, 2, 1, 1, (2, 1), (2, 1), 4),
    "some channels to one panel, strided": (3, 34, 15, 14, 32, 3, 3, 2, 1, 1, 2),
    "folded, several chunks": (1, 3, 90, 85, 24, 7, 7, 1, 3, 1, 1),
    "folded, several images a chunk": (5, 2, 60, 130, 24, 5, 5, (1, 2), (2, 1), (2, 1), 1),
    "folded, parts of a long row": (2, 1, 1, 30001, 16, 1, 10, (1, 5), (0, 3), 1, 1),
    "folded, inputs without windows": (3, 2, 14, 16, 33, 2, 2, 3, 1, 1, 1),
    "window of the whole input": (5, 6, 4, 3, 7, 4, 3, 2, 0, 1, 1),
    "window of the whole input, groups": (3, 6, 4, 3, 8, 4, 3, 2, 0, 1, 2),
    "pointwise strided, groups": (2, 6, 7, 8, 10, 1, 1, 2, 0, 1, 2),
}


def address(array: np.ndarray) -> int:
    return array.ctypes.data


def sizes(case):
    """n, c, h, w, o, kh, kw, ... as plans take them: spatial numbers together."""
    n, c, h, w, o, kh, kw, *rest = case
    return n, c, (h, w), o, (kh, kw), *rest


def reference(case, x, w, gy=None):
    """(y, gx, gw) in float64, tap by tap."""
    g = convolution._geometry("float64", *sizes(case))
    (sh, sw), (ph, pw), (dh, dw), groups = g.stride[1:], g.padding[1:], g.dilation[1:], g.groups
    (_, height, width), (_, oh, ow), (_, kh, kw) = g.size, g.result, g.kernel
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    split = padded.reshape(g.n, groups, g.c // groups, *padded.shape[2:])
    weight = w.astype(np.float64).reshape(groups, g.o // groups, g.c // groups, kh, kw)
    y = np.zeros((g.n, groups, g.o // groups, oh, ow))
    gx, gw = np.zeros_like(split), np.zeros_like(weight)
    grad = None if gy is None else gy.astype(np.float64).reshape(y.shape)
    for i in range(kh):
        for j in range(kw):
            rows = slice(i * dh, i * dh + (oh - 1) * sh + 1, sh)
            columns = slice(j * dw, j * dw + (ow - 1) * sw + 1, sw)
            seen = split[:, :, :, rows, columns]
            y += np.einsum("ngchw,goc->ngohw", seen, weight[..., i, j], optimize=True)
            if grad is not None:
                gx[:, :, :, rows, columns] += np.einsum("ngohw,goc->ngchw", grad, weight[..., i, j], optimize=True)
                gw[..., i, j] += np.einsum("ngohw,ngchw->goc", grad, seen, optimize=True)
    gx = gx.reshape(padded.shape)[:, :, ph : ph + height, pw : pw + width]
    return y.reshape(g.n, g.o, oh, ow), gx, gw.reshape(w.shape)


def inputs(case, dtype, seed=0):
    rng = np.random.default_rng(seed)
    n, c, h, w, o, kh, kw, *_, groups = case
    x = rng.standard_normal((n, c, h, w)).astype(dtype)
    weight = rng.standard_normal((o, c // groups, kh, kw)).astype(dtype)
    return rng, x, weight


def all_three(case, dtype):
    rng, x, w = inputs(case, dtype)
    g = forward_plan(dtype, *sizes(case)).geometry
    gy = rng.standard_normal((g.n, g.o, *g.result[1:])).astype(dtype)
    y, gx, gw = np.full_like(gy, np.nan), np.full_like(x, np.nan), np.full_like(w, np.nan)
    forward_plan(dtype, *sizes(case)).run(address(x), address(w), 0, address(y))
    input_gradient_plan(dtype, *sizes(case)).run(address(gy), address(w), address(gx))
    weight_gradient_plan(dtype, *sizes(case)).run(address(x), address(gy), address(gw))
    return (x, w, gy), (y, gx, gw)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_forward_and_gradients(name, dtype):
    case = CASES[name]
    (x, w, gy), results = all_three(case, dtype)
    for label, result, expected in zip(("y", "gx", "gw"), results, reference(case, x, w, gy), strict=True):
        assert abs(result - expected).max() <= TOLERANCE[dtype] * max(1.0, abs(expected).max()), label


@pytest.mark.parametrize("name", CASES)
def test_bias_is_added_once_to_each_output_channel(name):
    case = CASES[name]
    rng, x, w = inputs(case, "float32")
    bias = rng.standard_normal(case[4]).astype(np.float32)
    expected = reference(case, x, w)[0] + bias[:, None, None]
    y = np.full(expected.shape, np.nan, np.float32)
    forward_plan("float32", *sizes(case), bias=True).run(address(x), address(w), address(bias), address(y))
    assert abs(y - expected).max() <= TOLERANCE["float32"] * max(1.0, abs(expected).max())


def test_no_images():
    case = (0, 3, 8, 8, 4, 3, 3, 1, 0, 1, 1)
    gw = np.full((4, 3, 3, 3), np.nan, np.float32)
    forward_plan("float32", *sizes(case)).run(64, 64, 0, 64)
    input_gradient_plan("float32", *sizes(case)).run(64, address(gw), 64)
    weight_gradient_plan("float32", *sizes(case)).run(64, 64, address(gw))
    assert not gw.any()


@pytest.mark.parametrize(
    "name",
    ["digits second layer", "all at once", "padded wide", "stem", "depthwise wide", "many channels",
     "depthwise, blocks of rows and columns", "few channels, large window", "small maps of several images",
     "tiles of 2x2, odd sizes", "tiles of 2x2, many runs", "tiles of 2x2, dilated", "many depthwise, strided",
     "folded, several chunks",
     "some channels to one panel, strided"],
)
def test_bits_do_not_depend_on_the_number_of_threads(name, set_threads):
    case = (8, *CASES[name][1:])
    seen = []
    for threads in (1, 2, 4):
        set_threads(threads)
        seen.append(all_three(case, "float32")[1])
    for first, second, third in zip(*seen, strict=True):
        np.testing.assert_array_equal(first, second)
        np.testing.assert_array_equal(first, third)


@pytest.mark.parametrize("feature", ["avx2", "neon", ""])
@pytest.mark.parametrize(
    "name",
    ["padded wide", "strided", "depthwise wide", "two channels a group", "few channels, large window", "grouped",
     "tiles of 2x2, odd sizes", "tiles of 2x2, dilated", "many depthwise, strided", "folded, inputs without windows"],
)
def test_other_register_files_are_correct_here_too(name, feature, monkeypatch):
    from numbatorch.cpu import (
        convolution_depthwise,
        convolution_flat,
        convolution_fold,
        convolution_geometry,
        convolution_lanes,
        convolution_packed,
        convolution_planes,
        convolution_weights,
        convolution_winograd,
        convolution_winograd_weights,
    )
    module, target = convolution, convolution.host_target("float32", feature)
    parts = (convolution, convolution_depthwise, convolution_flat, convolution_fold, convolution_geometry,
             convolution_lanes, convolution_packed, convolution_planes, convolution_weights, convolution_winograd,
             convolution_winograd_weights)
    for part in parts:
        monkeypatch.setattr(part, "host_target", lambda dtype: target)
        for made in ("_kernel", "_turning", "kernel"):
            if hasattr(part, made):
                monkeypatch.setattr(part, made, getattr(part, made).__wrapped__)
    for plan in ("forward_plan", "input_gradient_plan", "weight_gradient_plan"):
        monkeypatch.setattr(sys.modules[__name__], plan, getattr(module, plan).__wrapped__)
    (x, w, gy), results = all_three(CASES[name], "float32")
    for label, result, expected in zip(("y", "gx", "gw"), results, reference(CASES[name], x, w, gy), strict=True):
        assert abs(result - expected).max() <= TOLERANCE["float32"] * max(1.0, abs(expected).max()), label


def test_templates_are_chosen_by_shape():
    """Those that the cases above are named after; parts and runs are more than one where they say so."""
    several = sizes(CASES["tiles of 2x2, several parts"])
    forward, weights = forward_plan("float32", *several), weight_gradient_plan("float32", *several)
    assert isinstance(forward.launch, WinogradLaunch) and isinstance(weights, WinogradWeightPlan)
    assert len(weights.parts) > 1
    assert isinstance(input_gradient_plan("float32", *several).phases[0][0], WinogradLaunch)
    (transform, _), = forward_plan("float32", *sizes(CASES["tiles of 2x2, many runs"])).launch.parts
    assert transform is None
    for name in ("tiles of 2x2, dilated", "tiles of 2x2, dilated rows"):
        assert isinstance(forward_plan("float32", *sizes(CASES[name])).launch, PhasesLaunch)
        assert isinstance(input_gradient_plan("float32", *sizes(CASES[name])).phases[0][0], PhasesLaunch)
    many = sizes(CASES["many depthwise, dilated"])
    assert forward_plan("float32", *many).launch.kernel.__self__.name.startswith("convolution_depthwise_")
    assert input_gradient_plan("float32", *many).depthwise is not None
    assert isinstance(weight_gradient_plan("float32", *many), DepthwiseWeightPlan)
    strided = forward_plan("float32", 3, 34, (15, 14), 2 * convolution.host_target("float32").panel, (3, 3), 2, 1, 1, 2)
    assert strided.launch.kernel.__self__.name.startswith("convolution_lanes_")
    chunks = [input_gradient_plan("float32", *sizes(CASES[f"folded, {name}"])).fold.chunks
              for name in ("several chunks", "several images a chunk", "parts of a long row")]
    assert len(chunks[0]) > 1 and 1 < len(chunks[1]) < 5
    assert chunks[2][0][3].units > 2  # of two images with a row each


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("groups", [1, 2])
def test_three_dimensions(stride, groups):
    check_three_dimensions(2, 4, (5, 7, 18), 6, (3, 2, 3), (stride,) * 3, (1, 0, 2), (2, 1, 1), groups)


DEEP = {
    "plain": ((5, 7, 18), (3, 3, 3), (1, 1, 1), (1, 1, 1), (1, 1, 1)),
    "strided planes": ((5, 9, 8), (3, 3, 2), (1, 2, 2), (2, 0, 1), (1, 1, 1)),
    "strided depth, dilated": ((9, 7, 8), (3, 2, 3), (2, 1, 2), (1, 1, 3), (3, 1, 2)),
    "not padded, blocks of rows": ((3, 40, 50), (2, 3, 3), (1, 1, 1), (0, 0, 0), (1, 1, 1)),
    "windows past both ends": ((2, 4, 4), (5, 3, 3), (1, 1, 1), (4, 1, 1), (1, 1, 1)),
    "depth alone": ((6, 3, 5), (3, 1, 1), (1, 1, 1), (1, 0, 0), (1, 1, 1)),
}


@pytest.mark.parametrize("name", DEEP)
def test_many_depthwise_in_three_dimensions(name, set_threads):
    """With channels in the lanes, whatever the depth; the input gradient elsewhere where depth has a stride."""
    size, kernel, stride, padding, dilation = DEEP[name]
    seen = []
    for threads in (1, 2, 4):
        set_threads(threads)
        seen.append(check_three_dimensions(2, 37, size, 37, kernel, stride, padding, dilation, 37))
    for others in zip(*seen, strict=True):
        for other in others[1:]:
            np.testing.assert_array_equal(others[0], other)
    case = ("float32", 2, 37, size, 37, kernel, stride, padding, dilation, 37)
    assert forward_plan(*case).launch.kernel.__self__.name.startswith("convolution_depthwise_")
    assert isinstance(weight_gradient_plan(*case), DepthwiseWeightPlan)
    assert (input_gradient_plan(*case).depthwise is not None) == (stride[0] == 1)


@pytest.mark.parametrize("name", DEEP)
def test_few_channels_in_three_dimensions(name):
    size, kernel, stride, padding, dilation = DEEP[name]
    check_three_dimensions(2, 2, size, 19, kernel, stride, padding, dilation, 1)
    assert input_gradient_plan("float32", 2, 2, size, 19, kernel, stride, padding, dilation, 1).fold is not None


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("padding", [(0, 0, 0), (1, 0, 2)])
@pytest.mark.parametrize("stride", [(1, 1, 1), (2, 1, 2)])
def test_outputs_in_the_lanes_in_three_dimensions(stride, padding, groups, set_threads):
    """For few channels and many taps: planes of the input, or of a copy with its padding, are read in place."""
    size, kernel, dilation = (6, 9, 14), (3, 3, 3), (1, 2, 1)
    seen = []
    for threads in (1, 2, 4):
        set_threads(threads)
        seen.append(check_three_dimensions(2, 3 * groups, size, 32 * groups, kernel, stride, padding, dilation, groups))
    for first, second, third in zip(*seen, strict=True):
        np.testing.assert_array_equal(first, second)
        np.testing.assert_array_equal(first, third)
    made = forward_plan("float32", 2, 3 * groups, size, 32 * groups, kernel, stride, padding, dilation, groups)
    assert made.launch.kernel.__self__.name.startswith("convolution_lanes_")
    assert (made.padding is not None) == any(padding)


def check_three_dimensions(n, c, size, o, kernel, stride, padding, dilation, groups):
    """Against a sum of convolutions in two dimensions, one for each depth of the window; what was computed."""
    rng = np.random.default_rng(7)
    (d, h, w), (kd, kh, kw) = size, kernel
    case = (n, c, (d, h, w), o, (kd, kh, kw), stride, padding, dilation, groups)
    x, weight = (rng.standard_normal(s).astype(np.float32) for s in ((n, c, d, h, w), (o, c // groups, kd, kh, kw)))
    g = forward_plan("float32", *case).geometry
    gy = rng.standard_normal((n, o, *g.result)).astype(np.float32)
    results = [np.full_like(a, np.nan) for a in (gy, x, weight)]
    forward_plan("float32", *case).run(address(x), address(weight), 0, address(results[0]))
    input_gradient_plan("float32", *case).run(address(gy), address(weight), address(results[1]))
    weight_gradient_plan("float32", *case).run(address(x), address(gy), address(results[2]))
    expected = [np.zeros(a.shape) for a in (gy, x, weight)]
    flat = (n, c, h, w, o, kh, kw, stride[1:], padding[1:], dilation[1:], groups)
    for depth in range(g.result[0]):
        for i in range(kd):
            at = depth * stride[0] + i * dilation[0] - padding[0]
            if 0 <= at < d:
                y, gx, gw = reference(flat, x[:, :, at], weight[:, :, i], gy[:, :, depth])
                expected[0][:, :, depth] += y
                expected[1][:, :, at] += gx
                expected[2][:, :, i] += gw
    for label, result, wanted in zip(("y", "gx", "gw"), results, expected, strict=True):
        assert abs(result - wanted).max() <= TOLERANCE["float32"] * max(1.0, abs(wanted).max()), label
    return results
