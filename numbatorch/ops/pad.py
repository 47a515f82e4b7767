"""nn.functional.pad: constant, reflect, replicate and circular borders."""

import math

from ..layout import is_dense
from .declare import OPS, composite, foreign
from .parts import narrow_


@composite(namespaces="nn.functional", method=False)
def pad(input, pad, mode="constant", value=None):
    """`input` with borders: pad holds (left, right) of the last dimension, then of the one before, and so on.

    Negative numbers cut off. mode: "constant" (with `value`), "reflect" (without the edge), "replicate" (the edge),
    "circular" (the other side); these pad the last 1 to 3 dimensions of a tensor of 1 or 2 more.
    """
    ndim = input._layout.ndim
    pad = tuple(int(p) for p in pad)
    if len(pad) % 2:
        raise RuntimeError(f"pad: Padding length must be divisible by 2, got {list(pad)}")
    if len(pad) // 2 > ndim:
        raise RuntimeError(f"pad: Padding length should be less than or equal to two times the input dimension but got "
                           f"padding length {len(pad)} and input of dimension {ndim}")
    if mode == "constant":
        return constant_pad_nd.call(input, pad, 0 if value is None else value)
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"pad: Unrecognised padding mode {mode}")
    if value is not None and value != 0:
        raise ValueError(f'pad: Padding mode "{mode}" doesn\'t take in value argument')
    count = len(pad) // 2
    if count not in (1, 2, 3) or ndim not in (count + 1, count + 2):
        raise NotImplementedError("Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now: mode "
                                  f"{mode!r} pads the last 1 to 3 dimensions of a tensor of 1 or 2 more, got pad "
                                  f"{list(pad)} "
                                  f"and input {list(input._layout.shape)}")
    shape = input._layout.shape
    if any(n == 0 for n in shape[1 if ndim == count + 2 else 0:]):
        raise RuntimeError(f"pad: Expected {count + 1}D or {count + 2}D tensor with possibly 0 batch size and other "
                           f"non-zero dimensions for input, but got {list(shape)}")
    for k in range(count):
        dim = ndim - 1 - k
        _check_size(mode, shape, dim, pad[2 * k], pad[2 * k + 1], pad)
    if mode != "circular" and input.requires_grad and input.dtype.wide is not input.dtype:
        return _from_planes(input, pad, count, mode)
    result = input
    for k in range(count):
        result = _border(result, ndim - 1 - k, pad[2 * k], pad[2 * k + 1], mode)
    if result._storage is input._storage or not is_dense(result._layout.shape, result._layout.strides):
        return OPS["_to"].call(result, result._layout.dtype, True)
    return result


def _check_size(mode, shape, dim, left, right, pad):
    n = shape[dim]
    if mode == "reflect" and (left >= n or right >= n):
        raise RuntimeError(f"pad: Argument #4: Padding size should be less than the corresponding input dimension, "
                           f"but got: "
                           f"padding ({left}, {right}) at dimension {dim} of input {list(shape)}")
    if mode == "circular" and (left > n or right > n):
        raise RuntimeError(f"pad: Padding value causes wrapping around more than once: padding {list(pad)} of input "
                           f"{list(shape)}")
    if n + left + right < (0 if mode == "circular" else 1):
        raise RuntimeError(f"pad: input ({list(shape)}) is too small. Calculated output size {n + left + right} at "
                           f"dimension {dim}")


def _border(input, dim, left, right, mode):
    """`input` with a border along one dimension: the places of its elements are computed, and gathered."""
    if left == 0 and right == 0:
        return input
    n = input._layout.shape[dim]
    if left <= 0 and right <= 0:
        return narrow_.call(input, dim, -left, n + left + right)
    if mode == "circular":  # what negative padding cuts off does not come round
        n += min(left, 0) + min(right, 0)
        input, left, right = narrow_.call(input, dim, max(-left, 0), n), max(left, 0), max(right, 0)
    if left < 0 or right < 0 or not input.is_contiguous():
        return input.index_select(dim, _places(input, -left, n + right, n, mode))
    borders = [input.index_select(dim, _places(input, begin, end, n, mode)) if begin < end else None
               for begin, end in ((-left, 0), (n, n + right))]  # the rest is copied in one piece
    return OPS["cat"].call([part for part in (borders[0], input, borders[1]) if part is not None], dim)


def _places(input, begin, end, n, mode):
    """Where the elements at places begin ... end - 1 of a padded row of n are taken from."""
    places = OPS["_positions"].call(input, end - begin) + begin
    if mode == "reflect":
        return (n - 1) - ((n - 1) - places.abs()).abs()
    return places.clamp(0, n - 1) if mode == "replicate" else places.remainder(n)


def _from_planes(input, pad, count, mode):
    """The same for narrow floats that need a gradient: it is rounded after each sum, so their order is PyTorch's."""
    from ..tensor import arange
    size = tuple(input._layout.shape[-count:])
    places = arange(math.prod(size), input.device).reshape(size)
    for k in range(count):
        places = _border(places, count - 1 - k, pad[2 * k], pad[2 * k + 1], mode)
    return padded_planes.call(input, places, size)


@foreign(name="_pad_planes", method=False, eager=True, grad=lambda grad, places, size: OPS["_add_planes"].call(
    grad, places.expand(grad.shape), len(size), size))
def padded_planes(input, places, size: tuple):
    """Elements of each plane of `input` (..., *size) at the flat positions `places`."""
    return input.reshape(*input.shape[:-len(size)], math.prod(size))[..., places]


@composite(method=False)
def constant_pad_nd(input, pad, value=0):
    """`input` inside a tensor of `value`; pad as in nn.functional.pad."""
    shape = list(input._layout.shape)
    pad = tuple(pad)
    for k in range(len(pad) // 2):
        dim, left, right = len(shape) - 1 - k, pad[2 * k], pad[2 * k + 1]
        n = shape[dim]
        if n + left + right < 0:
            raise RuntimeError(f"pad: The input size {n}, plus negative padding {left} and {right} resulted in a "
                               f"negative "
                               f"output size, which is invalid. Check dimension {dim} of your input.")
        start, stop = max(0, -left), n - max(0, -right)
        if start or stop < n:
            input = narrow_.call(input, dim, min(start, n), max(0, stop - start))
            shape[dim] = max(0, stop - start)
    borders = [(max(0, pad[2 * k]), max(0, pad[2 * k + 1])) for k in range(len(pad) // 2)]
    if not any(a or b for a, b in borders):
        return input.clone()
    inner, starts = tuple(shape), [0] * len(shape)
    for k, (a, b) in enumerate(borders):
        dim = len(shape) - 1 - k
        shape[dim] += a + b
        starts[dim] = a
    return framed.call(input, tuple(shape), inner, tuple(starts), value)


def _inside(tensor, sizes, starts):
    for d, (start, n) in enumerate(zip(starts, sizes, strict=True)):
        if tensor._layout.shape[d] != n:
            tensor = narrow_.call(tensor, d, start, n)
    return tensor


@foreign(name="_frame", method=False, eager=True,
         grad=lambda grad, sizes, starts: _inside(grad, sizes, starts).clone())
def framed(input, shape: tuple, sizes: tuple, starts: tuple, value: object):
    """A tensor of `shape` full of `value`, with `input` at `starts`."""
    result = input.new_full(shape, value)
    _inside(result, sizes, starts).copy_(input)
    return result
