"""Views: other shapes, strides and offsets over the same memory.

A body gets the input's Layout and the static arguments and returns (shape, strides, offset in elements); it runs once
for each combination. Views of parts are in ops/parts.py, functions that join several views in ops/splitting.py, those
that write through one in ops/placing.py.
"""

import functools
import math
from typing import Any

from ..dtypes import dtype as dtype_type, of_type
from ..layout import view_strides, wrap_dim
from .declare import OPS, composite, view


def sizes(name, given):
    """Ints from `f(2, 3)` or `f((2, 3))`, tensors of one integer among them. TypeError for anything else."""
    if len(given) == 1 and isinstance(given[0], (tuple, list)):
        given = tuple(given[0])
    for n in given:
        if not isinstance(n, int) or isinstance(n, bool):
            return tuple(_whole(name, m, given) for m in given)
    return given


def _whole(name, n, given):
    if isinstance(n, bool) or not hasattr(n, "__index__") or hasattr(n, "_layout") and n.dtype.category != 1:
        raise TypeError(f"{name}(): sizes and dimensions must be ints, got {type(n).__name__} in {given!r}")
    return n.__index__()


def only(function, name, named):
    """The one argument that a call may name. TypeError for others."""
    wrong = [n for n in named if n != name]
    if wrong:
        raise TypeError(f"{function}() got an unexpected keyword argument '{wrong[0]}'; it takes {name} as separate "
                        "ints or as one tuple")
    return named[name]


def inferred(name, shape, given):
    """The shape that `given` asks for, -1 replaced. RuntimeError where it does not hold all elements."""
    numel, known = math.prod(shape), 1
    for n in given:
        if n < -1:
            raise RuntimeError(f"{name}: invalid shape dimension {n} in {list(given)}")
        known *= n if n >= 0 else 1
    if -1 not in given:
        if known != numel:
            raise RuntimeError(f"{name}: shape '{list(given)}' is invalid for input of size {numel} (input "
                               f"{tuple(shape)})")
        return tuple(given)
    if given.count(-1) > 1:
        raise RuntimeError(f"{name}: only one dimension can be inferred, got {list(given)}")
    if known == 0 and numel == 0:
        raise RuntimeError(f"{name}: cannot reshape tensor of 0 elements into shape {list(given)} because the "
                           f"unspecified "
                           "dimension size -1 can be any value and is ambiguous")
    if known == 0 or numel % known:
        raise RuntimeError(f"{name}: shape '{list(given)}' is invalid for input of size {numel} (input {tuple(shape)})")
    return tuple(numel // known if n == -1 else n for n in given)


def sum_to(grad, shape):
    """Sum over what broadcasting from `shape` repeated."""
    own = grad._layout.shape
    lead = len(own) - len(shape)
    dims = tuple(range(lead)) + tuple(lead + i for i, n in enumerate(shape) if n == 1 and own[lead + i] != 1)
    if dims:
        grad = grad.sum(dims, True)
    return reshape.call(grad, shape) if lead else grad


@composite(namespaces="Tensor", method=True)
def sum_to_size(input, *size):
    """The sum over what broadcasting from `size` repeated. RuntimeError where it does not."""
    size, own = sizes("sum_to_size", size), input._layout.shape
    lead = len(own) - len(size)
    if lead < 0 or any(n not in (1, m) for n, m in zip(size, own[lead:], strict=True)):
        raise RuntimeError(f"sum_to_size: size {list(size)} is not expandable to size {list(own)}")
    return sum_to(input, size) if size else input.sum()


# Another shape.

@view(namespaces="Tensor", method=True, spread="size",
      signatures=("(input, dtype: dtype) -> Tensor", "(input, *size: int | Sequence[int]) -> Tensor"),
      grad=lambda grad, input_layout, size: None if isinstance(of_type(size[0]) if size else 0, dtype_type)
      else reshape.call(grad, input_layout.shape))
def view_(input, size: tuple):
    """The elements of `input` in another shape, or their bytes as another dtype, without a copy.

    One size may be -1. RuntimeError where the strides of `input` do not allow it: use reshape().
    """
    if len(size) == 1 and isinstance(of_type(size[0]), dtype_type):
        return _bytes_as(input, of_type(size[0]))
    shape = inferred("view", input.shape, sizes("view", size))
    strides = view_strides(input.shape, input.strides, shape)
    if strides is None:
        raise RuntimeError(f"view: view size {list(shape)} is not compatible with input tensor's size "
                           f"{list(input.shape)} and stride {list(input.strides)} (at least one dimension spans across "
                           "two contiguous subspaces). Use .reshape(...) instead.")
    return shape, strides, 0


def _bytes_as(input, other):
    own, new = input.dtype.itemsize, other.itemsize
    if own == new:
        return input.shape, input.strides, 0, other
    if input.ndim == 0:
        raise RuntimeError(f"view: self.dim() cannot be 0 to view {input.dtype} as {other} (different element sizes)")
    if input.strides[-1] != 1 and input.numel:
        raise RuntimeError(f"view: self.stride(-1) must be 1 to view {input.dtype} as {other} (different element "
                           f"sizes), "
                           f"but got {input.strides[-1]}")
    if own > new:
        ratio = own // new
        return ((*input.shape[:-1], input.shape[-1] * ratio), (*(s * ratio for s in input.strides[:-1]), 1), 0, other)
    ratio = new // own
    if input.shape[-1] % ratio:
        raise RuntimeError(f"view: self.size(-1) must be divisible by {ratio} to view {input.dtype} as {other} "
                           f"(different "
                           f"element sizes), but got {input.shape[-1]}")
    if any(s % ratio for s in input.strides[:-1]):
        raise RuntimeError(f"view: strides {input.strides} must be divisible by {ratio} to view {input.dtype} as "
                           f"{other}")
    return ((*input.shape[:-1], input.shape[-1] // ratio), (*(s // ratio for s in input.strides[:-1]), 1), 0, other)


@functools.lru_cache(maxsize=10_000)
def _can_view(layout, shape):
    shape = inferred("reshape", layout.shape, sizes("reshape", shape))
    return view_strides(layout.shape, layout.strides, shape) is not None


@composite
def reshape(input, *shape, **named):
    """The elements of `input` in another shape: a view where strides allow, else a copy. One size may be -1."""
    if named:
        shape = only("reshape", "shape", named)
    own = input._layout
    if own.is_contiguous or _can_view(own, _plain(shape)):
        return view_.call(input, *shape)
    return view_.call(OPS["_to"].call(input, own.dtype, True), *shape)


def _plain(shape):
    """A hashable form of sizes."""
    if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
        shape = shape[0]
    return tuple(n if n.__class__ is int else n.__index__() if hasattr(n, "__index__") else n for n in shape)


@composite(namespaces="Tensor", method=True)
def view_as(input, other):
    """`input` viewed in the shape of `other`: input.view(other.shape), without a copy."""
    return view_.call(input, other.shape)


@composite(namespaces="Tensor", method=True)
def reshape_as(input, other):
    """`input` reshaped to the shape of `other`: input.reshape(other.shape)."""
    return reshape.call(input, other.shape)


@composite
def flatten(input, start_dim=0, end_dim=-1):
    """Dimensions start_dim..end_dim as one. A view where strides allow. RuntimeError where the order is wrong."""
    shape = input._layout.shape
    start, end = wrap_dim(start_dim, len(shape)), wrap_dim(end_dim, len(shape))
    if start > end:
        raise RuntimeError(f"flatten(): start_dim {start_dim} cannot come after end_dim {end_dim}")
    if start == end and shape:
        return input
    whole = (*shape[:start], math.prod(shape[start:end + 1]), *shape[end + 1:])
    return view_.call(input, whole) if input._layout.is_contiguous else reshape.call(input, whole)


@composite
def unflatten(input, dim, sizes):
    """Dimension `dim` split into `sizes`, of which one may be -1: (..., 6, ...) -> (..., 2, 3, ...). A view.

    RuntimeError where the sizes do not multiply to that of `dim`.
    """
    shape, given = input._layout.shape, tuple(sizes) if isinstance(sizes, (tuple, list)) else sizes
    if not isinstance(given, tuple) or not isinstance(dim, int):
        raise TypeError(f"unflatten(): dim must be int and sizes a tuple of ints, got {dim!r} and {sizes!r}")
    if not given:
        raise RuntimeError("unflatten: sizes must be non-empty")
    dim = wrap_dim(dim, len(shape))
    known = math.prod(n for n in given if n != -1)
    if given.count(-1) > 1:
        raise RuntimeError(f"unflatten: only one dimension can be inferred, got {given}")
    if -1 not in given and known != shape[dim] or -1 in given and (known == 0 or shape[dim] % known):
        raise RuntimeError(f"unflatten: Provided sizes {list(given)} don't multiply up to the size of dim {dim} "
                           f"({shape[dim]}) in the input tensor")
    given = tuple(shape[dim] // known if n == -1 else n for n in given)
    return view_.call(input, (*shape[:dim], *given, *shape[dim + 1:]))


@composite
def ravel(input):
    """All elements in one dimension, in row-major order. A view where strides allow."""
    return reshape.call(input.contiguous(), (-1,))


# Another order of dimensions.

@view(aliases=("swapdims",), grad=lambda grad, dim0, dim1: transpose.call(grad, dim0, dim1))
def transpose(input, dim0: int, dim1: int):
    """Dimensions dim0 and dim1 exchanged, as a view: element [i, j] of the result is [j, i] of `input`."""
    a, b = wrap_dim(dim0, input.ndim), wrap_dim(dim1, input.ndim)
    shape, strides = list(input.shape), list(input.strides)
    if shape:
        shape[a], shape[b], strides[a], strides[b] = shape[b], shape[a], strides[b], strides[a]
    return tuple(shape), tuple(strides), 0


@composite
def swapaxes(input, axis0, axis1):
    """Dimensions axis0 and axis1 exchanged, as a view: `transpose` under NumPy's name."""
    return transpose.call(input, axis0, axis1)


def _order(ndim, dims):
    dims = sizes("permute", dims)
    if len(dims) != ndim:
        raise RuntimeError(f"permute: input has {ndim} dimensions, but dims {list(dims)} names {len(dims)}")
    order = [wrap_dim(d, ndim) for d in dims]
    if len(set(order)) != ndim:
        raise RuntimeError(f"permute: duplicate dims are not allowed, got {list(dims)}")
    return order


def _unpermute(grad, dims):
    order = _order(grad._layout.ndim, dims)
    inverse = [0] * len(order)
    for to, origin in enumerate(order):
        inverse[origin] = to
    return permute.call(grad, tuple(inverse))


@view(spread="dims", grad=_unpermute)
def permute(input, dims: tuple):
    """The dimensions of `input` in the order `dims`, as a view: result.shape[i] is input.shape[dims[i]].

    RuntimeError where `dims` does not name each dimension once.
    """
    order = _order(input.ndim, dims)
    return tuple(input.shape[d] for d in order), tuple(input.strides[d] for d in order), 0


@view(grad=lambda grad: t.call(grad))
def t(input):
    """The transpose of a matrix; tensors of less than two dimensions as they are. RuntimeError for more than two."""
    if input.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D")
    return input.shape[::-1], input.strides[::-1], 0


@view(name="T", namespaces="Tensor", method="property", grad=lambda grad: _reversed.call(grad), aliases=("numpy_T",))
def _reversed(input):
    """All dimensions in the opposite order, as a view: the transpose of a matrix."""
    return input.shape[::-1], input.strides[::-1], 0


@view(name="mT", namespaces="Tensor", method="property", grad=lambda grad: transpose.call(grad, -2, -1))
def _matrix_transpose(input):
    """The last two dimensions exchanged, as a view. RuntimeError for less than two dimensions."""
    if input.ndim < 2:
        raise RuntimeError(f"tensor.mT is only supported on matrices or batches of matrices. Got {input.ndim}-D "
                           f"tensor.")
    return (*input.shape[:-2], input.shape[-1], input.shape[-2]), (*input.strides[:-2], input.strides[-1],
                                                                   input.strides[-2]), 0


def _conjugate(input):
    return OPS["conj"].call(input) if input._layout.dtype.is_complex else input


@composite(name="H", namespaces="Tensor", method="property")
def _hermitian(input):
    """The conjugate transpose of a matrix. RuntimeError for other numbers of dimensions than 2 (and 0)."""
    if input._layout.ndim not in (0, 2):
        raise RuntimeError(f"tensor.H is only supported on matrices (2-D tensors). Got {input._layout.ndim}-D tensor.")
    return _conjugate(t.call(input))


@composite
def adjoint(input):
    """The last two dimensions exchanged, and conjugated.

    A view of real tensors. RuntimeError for less than two dimensions.
    """
    if input._layout.ndim < 2:
        raise RuntimeError("tensor.adjoint() is only supported on matrices or batches of matrices. Got "
                           f"{input._layout.ndim}-D tensor.")
    return _conjugate(transpose.call(input, -2, -1))


@composite(name="mH", namespaces="Tensor", method="property")
def _matrix_hermitian(input):
    """The last two dimensions exchanged, and conjugated. RuntimeError for less than two dimensions."""
    if input._layout.ndim < 2:
        raise RuntimeError(f"tensor.mH is only supported on matrices or batches of matrices. Got "
                           f"{input._layout.ndim}-D "
                           "tensor.")
    return adjoint.call(input)


@composite(aliases=("moveaxis",))
def movedim(input, source, destination):
    """Dimensions `source` at the places `destination`, the others in their order around them."""
    ndim = input._layout.ndim
    source = (source,) if isinstance(source, int) else tuple(source)
    destination = (destination,) if isinstance(destination, int) else tuple(destination)
    if len(source) != len(destination):
        raise RuntimeError(f"movedim: Invalid source or destination dims: source ({list(source)} dims) should contain "
                           f"the "
                           f"same number of dims as destination ({list(destination)} dims)")
    origin = [wrap_dim(d, ndim) for d in source]
    target = [wrap_dim(d, ndim) for d in destination]
    for name, dims in (("source", origin), ("destination", target)):
        if len(set(dims)) != len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{name}` ({dims})")
    order = [-1] * ndim
    for a, b in zip(origin, target, strict=True):
        order[b] = a
    rest = iter(d for d in range(ndim) if d not in origin)
    return permute.call(input, tuple(next(rest) if d < 0 else d for d in order)) if ndim else view_.call(input, ())


# Dimensions of size 1, and repetition.

def _without(input, dims):
    drop = {d for d in dims if input.ndim and input.shape[d] == 1}
    keep = [d for d in range(input.ndim) if d not in drop]
    return tuple(input.shape[d] for d in keep), tuple(input.strides[d] for d in keep), 0


@view(grad=lambda grad, input_layout: reshape.call(grad, input_layout.shape))
def squeeze(input, dim: Any = None):
    """Without the dimensions of size 1, as a view: all of them, or those among `dim`; others among `dim` stay."""
    if dim is None:
        return _without(input, range(input.ndim))
    given = (dim,) if isinstance(dim, int) else tuple(dim)
    dims = [wrap_dim(d, input.ndim) for d in given]
    if len(set(dims)) != len(dims):
        raise RuntimeError(f"squeeze: dim appears multiple times in the list of dims {list(given)}")
    return _without(input, dims)


@view(grad=lambda grad, input_layout: reshape.call(grad, input_layout.shape))
def unsqueeze(input, dim: int):
    """With a dimension of size 1 at place `dim`, as a view: 0..ndim, or counted from the end."""
    d = wrap_dim(dim, input.ndim + 1)
    stride = input.shape[d] * input.strides[d] if d < input.ndim else 1
    return (*input.shape[:d], 1, *input.shape[d:]), (*input.strides[:d], stride, *input.strides[d:]), 0


@view(namespaces="Tensor", method=True, spread="size", grad=lambda grad, input_layout: sum_to(grad, input_layout.shape))
def expand(input, size: tuple):
    """Dimensions of size 1 repeated to `size` without a copy; -1 keeps a size. More dimensions may be put in front."""
    size = sizes("expand", size)
    lead = len(size) - input.ndim
    if lead < 0:
        raise RuntimeError(f"expand: the number of sizes provided ({len(size)}: {list(size)}) must be greater or "
                           f"equal to "
                           f"the number of dimensions in the tensor ({input.ndim}: {list(input.shape)})")
    shape, strides = [], []
    for i, n in enumerate(size):
        own, stride = (input.shape[i - lead], input.strides[i - lead]) if i >= lead else (1, 0)
        if n == -1 and i < lead:
            raise RuntimeError(f"expand: The expanded size of the tensor (-1) isn't allowed in a leading, non-existing "
                               f"dimension {i} of {list(size)}")
        if n < -1:
            raise RuntimeError(f"expand: sizes must not be negative, got {list(size)}")
        n = own if n == -1 else n
        if own != n and own != 1:
            raise RuntimeError(f"expand: The expanded size of the tensor ({n}) must match the existing size ({own}) at "
                               f"non-singleton dimension {i}. Target sizes: {list(size)}. Tensor sizes: "
                               f"{list(input.shape)}")
        shape.append(n)
        strides.append(stride if own == n else 0)
    if lead:  # new dimensions in front: stride 0, or that of a dimension of size 1
        for i in range(lead - 1, -1, -1):
            strides[i] = 0 if shape[i] != 1 else (shape[i + 1] * strides[i + 1] if i + 1 < len(shape) else 1)
    return tuple(shape), tuple(strides), 0


@composite(namespaces="Tensor", method=True)
def expand_as(input, other):
    """`input` expanded to the shape of `other` without a copy: input.expand(other.shape)."""
    return expand.call(input, other.shape)


@composite
def broadcast_to(input, size):
    """`input` expanded to `size` without a copy, as broadcasting would. RuntimeError where it does not fit."""
    return expand.call(input, tuple(size))
