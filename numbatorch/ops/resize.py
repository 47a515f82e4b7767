"""Resizing images: each spatial dimension is a weighted sum of a few positions, so sizes change one at a time.

Inputs are (N, C, spatial...) with one to three spatial dimensions. Position i of a result lies at
(i + 0.5) * scale - 0.5 of the input, or at i * (in - 1) / (out - 1) with `align_corners`.
"""

import functools
import math
import struct
import warnings

from ..expr import kinds
from ..layout import Layout, layout
from .declare import OPS, composite, window

_RANKS = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}
_MODES = ("nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear", "area")


def _rounded(x):
    """x as a float32, the precision in which PyTorch places pixels."""
    return struct.unpack("f", struct.pack("f", x))[0]


@functools.lru_cache(maxsize=256)
def _nearest_places(size, out, scale, exact):
    step = _rounded(1.0 / scale) if scale else _rounded(size / out)
    shift = 0.5 if exact else 0.0
    return tuple(min(int(math.floor(_rounded((i + shift) * step))), size - 1) for i in range(out))


def _source(i, size, out, scale, align_corners):
    if align_corners:
        return i * (size - 1) / (out - 1) if out > 1 else 0.0
    step = 1.0 / scale if scale else size / out
    return (i + 0.5) * step - 0.5


def _linear_taps(x, size):
    x = max(x, 0.0)
    low = min(int(x), size - 1)
    weight = min(max(x - low, 0.0), 1.0)
    return ((low, 1 - weight), (min(low + 1, size - 1), weight))


def _cubic(x, a):
    """Keys' cubic kernel at |x| <= 2 (Keys 1981, IEEE TASSP 29(6))."""
    x = abs(x)
    if x <= 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a if x < 2 else 0.0


def _cubic_taps(x, size):
    low = math.floor(x)
    return tuple((min(max(low + k, 0), size - 1), _cubic(x - low - k, -0.75)) for k in (-1, 0, 1, 2))


@functools.lru_cache(maxsize=256)
def _taps(size, out, scale, align_corners, cubic):
    """For each tap, the positions in the input and the weights, both one an output position."""
    rows = [(_cubic_taps if cubic else _linear_taps)(_source(i, size, out, scale, align_corners), size)
            for i in range(out)]
    return tuple((tuple(place for place, _ in tap), tuple(weight for _, weight in tap))
                 for tap in zip(*rows, strict=True))


@functools.lru_cache(maxsize=64)
def _smooth_matrix(size, out, scale, align_corners, cubic):
    """Rows of weights whose kernel is stretched with the scale, so that shrinking averages."""
    if align_corners:
        step = (size - 1) / (out - 1) if out > 1 else 0.0
    else:
        step = 1.0 / scale if scale else size / out
    reach = 2.0 if cubic else 1.0
    support, squeeze = (reach * step, 1.0 / step) if step >= 1 else (reach, 1.0)
    rows = []
    for i in range(out):
        center = step * (i + 0.5)
        first = max(int(center - support + 0.5), 0)
        last = min(int(center + support + 0.5), size)
        row = [0.0] * size
        for j in range(first, last):
            x = (j - center + 0.5) * squeeze
            row[j] = _cubic(x, -0.5) if cubic else max(1 - abs(x), 0.0)
        total = sum(row) or 1.0
        rows.append([w / total for w in row])
    return rows


def _along(input, dim, values):
    """Weights of one dimension, shaped to multiply the input."""
    shape = [1] * input.ndim
    shape[dim] = len(values)
    return input.new_tensor(values).reshape(shape)


def _nearest(input, dim, out, scale, exact):
    from ..creation import tensor
    size = input.shape[dim]
    places = _nearest_places(size, out, scale, exact)
    whole = out // size
    if whole * size == out and places == tuple(i // whole for i in range(out)):
        if whole == 1:
            return input
        shape = list(input.shape)
        shape.insert(dim + 1, whole)
        return input.unsqueeze(dim + 1).expand(shape).flatten(dim, dim + 1)
    return input.index_select(dim, tensor(places, device=input.device))


def _weighted(input, dim, out, scale, align_corners, cubic):
    from ..creation import tensor
    size = input.shape[dim]
    if size == out and (not scale or scale == 1 or align_corners):
        return input
    total = None
    for places, weights in _taps(size, out, scale, bool(align_corners), cubic):
        part = input.index_select(dim, tensor(places, device=input.device)) * _along(input, dim, weights)
        total = part if total is None else total + part
    return total


def _smooth(input, dim, out, scale, align_corners, cubic):
    size = input.shape[dim]
    if size == out and not scale:
        return input
    matrix = input.new_tensor(_smooth_matrix(size, out, scale, bool(align_corners), cubic))
    return input.movedim(dim, -1).matmul(matrix.t()).movedim(-1, dim)


@functools.lru_cache(maxsize=64)
def _table(size, out, scale, align_corners, rule):
    """One dimension: taps of (places, weights), both one an output position."""
    if rule in ("nearest", "nearest-exact"):
        return ((_nearest_places(size, out, scale, rule == "nearest-exact"), (1.0,) * out),)
    if size == out and (not scale or scale == 1 or align_corners):
        return ((tuple(range(out)), (1.0,) * out),)
    return _taps(size, out, scale, align_corners, rule == "cubic")


@functools.lru_cache(maxsize=64)
def _transposed(size, out, scale, align_corners, rule):
    """The table of the gradient: for each input position the outputs that read it, and their weights."""
    readers = [{} for _ in range(size)]
    for places, weights in _table(size, out, scale, align_corners, rule):
        for i, (place, weight) in enumerate(zip(places, weights, strict=True)):
            if weight:
                readers[place][i] = readers[place].get(i, 0.0) + weight  # at the border several taps are one place
    most = max(map(len, readers))
    # Fewer ones are filled up with the weight 0, next to the others so that all go on from place to place alike.
    rows = [sorted(row.items()) + [(max(row, default=0), 0.0)] * (most - len(row)) for row in readers]
    return tuple((tuple(i for i, _ in tap), tuple(weight for _, weight in tap)) for tap in zip(*rows, strict=True))


def _resize_again(grad, small, large, scales, rule, align_corners, transposed):
    return resize.call(grad, small, large, scales, rule, align_corners, not transposed)


@window(name="_resize", grad=_resize_again)
def resize(input, small: tuple, large: tuple, scales: tuple, rule: str, align_corners: bool, transposed: bool):
    """(N, C, small...) -> (N, C, large...), each element a weighted sum; transposed: its gradient, from large to small.

    rule: nearest, nearest-exact, linear or cubic, the same along all dimensions.
    """
    make = _transposed if transposed else _table
    tables = [make(a, b, scale, align_corners, rule) for a, b, scale in zip(small, large, scales, strict=True)]
    result = layout(input.dtype, (*input.shape[:2], *(small if transposed else large)), None, input.device)
    return kinds.Native("resize", "plan", (input,), [result], {"tables": tables})


def _in_one_kernel(input):
    own = input._layout
    return own.__class__ is Layout and own.device.type == "cpu" and own.dtype.is_floating_point


def _sizes(name, input, size, scale_factor, recompute_scale_factor):
    """(output sizes, the scale of each dimension or None)."""
    rank = input.ndim - 2
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is not None:
        if recompute_scale_factor is not None and recompute_scale_factor:
            raise ValueError(f"{name}: recompute_scale_factor is not meaningful with an explicit size.")
        given = tuple(size) if isinstance(size, (list, tuple)) else (size,) * rank
        if len(given) != rank:
            raise ValueError("Input and output must have the same number of spatial dimensions, but got input with "
                             "spatial "
                             f"dimensions of {list(input.shape[2:])} and output size of {size}. Please provide input "
                             "tensor "
                             "in (N, C, d1, d2, ...,dK) format and output size in (o1, o2, ...,oK) format.")
        for n in given:
            if isinstance(n, float) or not hasattr(n, "__index__"):
                raise TypeError(f"{name}(): argument 'size' must be int or a tuple of ints, not {size}")
        return tuple(n.__index__() for n in given), (None,) * rank
    if scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    scales = tuple(scale_factor) if isinstance(scale_factor, (list, tuple)) else (scale_factor,) * rank
    if len(scales) != rank:
        raise ValueError("Input and scale_factor must have the same number of spatial dimensions, but got input with "
                         "spatial "
                         f"dimensions of {list(input.shape[2:])} and scale_factor of shape {scale_factor}. Please "
                         "provide "
                         "input tensor in (N, C, d1, d2, ...,dK) format and scale_factor in (s1, s2, ...,sK) format.")
    scales = tuple(float(s) for s in scales)
    out = tuple(int(math.floor(n * s)) for n, s in zip(input.shape[2:], scales, strict=True))
    return out, (None,) * rank if recompute_scale_factor else scales


@composite(namespaces="nn.functional", method=False)
def interpolate(input, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None,
                antialias=False):
    """`input` (N, C, spatial...) at another spatial size: `size`, or `scale_factor` times its own, rounded down.

    mode: nearest, nearest-exact, linear (3-d input), bilinear and bicubic (4-d), trilinear (5-d) or area, the mean.
    antialias: bilinear and bicubic average over what shrinking leaves out.
    """
    if mode in ("nearest", "area", "nearest-exact"):
        if align_corners is not None:
            raise ValueError("align_corners option can only be set with the interpolating modes: linear | bilinear | "
                             "bicubic | trilinear")
    elif mode not in _MODES:
        raise NotImplementedError(f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {input.ndim}D) for "
                                  "the modes: "
                                  f"{' | '.join(_MODES)} (got {mode})")
    if input.ndim not in (3, 4, 5):
        raise (ValueError if input.ndim < 3 else NotImplementedError)(
            f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {input.ndim}D) for the modes: "
            f"{' | '.join(_MODES)} (got {mode})")
    rank = input.ndim - 2
    if mode in _RANKS and _RANKS[mode] != rank:
        raise NotImplementedError(f"Got {input.ndim}D input, but {mode} mode needs {_RANKS[mode] + 2}D input")
    if antialias and (mode not in ("bilinear", "bicubic") or rank != 2):
        raise ValueError("Anti-alias option is restricted to bilinear and bicubic modes and requires a 4-D tensor as "
                         "input")
    out, scales = _sizes("interpolate", input, size, scale_factor, recompute_scale_factor)
    if min(out) <= 0 or 0 in input.shape[1:]:
        raise RuntimeError(f"Input and output sizes should be greater than 0, but got input {list(input.shape)} and "
                           "output "
                           f"{list(out)}")
    if mode == "area":
        return OPS[f"nn.functional.adaptive_avg_pool{rank}d"].call(input, out)
    if mode in ("nearest", "nearest-exact"):
        if _in_one_kernel(input):
            return resize.call(input, tuple(input.shape[2:]), out, scales, mode, False, False)
        result = input.to(input.dtype.wide) if input.requires_grad else input  # gradients are summed once a dimension
        for d in range(rank):
            result = _nearest(result, d + 2, out[d], scales[d], mode == "nearest-exact")
        return result.clone() if result is input else result.to(input.dtype)
    return blended(input, out, scales, bool(align_corners), mode == "bicubic", antialias)


def blended(input, out, scales, align_corners, cubic, antialias):
    dtype = input.dtype
    if not dtype.is_floating_point and dtype.name != "uint8":
        kind = "bicubic" if cubic else ("linear", "bilinear", "trilinear")[len(out) - 1]
        raise NotImplementedError(f"\"compute_indices_weights_{kind}\" not implemented for '{dtype.name}'")
    if not antialias and _in_one_kernel(input):
        return resize.call(input, tuple(input.shape[2:]), tuple(out), tuple(scales), "cubic" if cubic else "linear",
                           bool(align_corners), False)
    wide = dtype.itemsize < 4
    result = input.float() if wide else input
    step = _smooth if antialias else _weighted
    # The last dimension first: its elements lie side by side.
    for d in reversed(range(len(out))):
        result = step(result, d + 2, out[d], scales[d], align_corners, cubic)
    if dtype.name == "uint8":
        result = result.round().clamp(0, 255)
    if wide:
        return result.to(dtype)
    return result.clone() if result is input else result.contiguous()


@composite(namespaces="nn.functional", method=False)
def upsample(input, size=None, scale_factor=None, mode="nearest", align_corners=None):
    """`interpolate`, under its old name."""
    warnings.warn("`nn.functional.upsample` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2)
    return interpolate.call(input, size, scale_factor, mode, align_corners)


@composite(namespaces="nn.functional", method=False)
def upsample_nearest(input, size=None, scale_factor=None):
    """`interpolate` with mode nearest, under its old name."""
    warnings.warn("`nn.functional.upsample_nearest` is deprecated. Use `nn.functional.interpolate` instead.",
                  stacklevel=2)
    return interpolate.call(input, size, scale_factor, "nearest")


@composite(namespaces="nn.functional", method=False)
def upsample_bilinear(input, size=None, scale_factor=None):
    """`interpolate` with mode bilinear and aligned corners, under its old name."""
    warnings.warn("`nn.functional.upsample_bilinear` is deprecated. Use `nn.functional.interpolate` instead.",
                  stacklevel=2)
    return interpolate.call(input, size, scale_factor, "bilinear", True)
