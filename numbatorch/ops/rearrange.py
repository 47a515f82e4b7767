"""Other orders and repetitions of elements: flip, roll, repeat, triangles and diagonals."""

import math

from ..dtypes import int64
from ..expr.kinds import Native
from ..layout import layout, wrap_dim, wrap_dims
from .declare import OPS, composite, gather as gather_kind, view
from .parts import diagonal
from .placing import place, positions
from .view import expand, only, sizes

# Reversal is a view with negative strides, which never leaves this file: results are copies.


@view(name="_backward", method=False, grad=lambda grad, dims: flip.call(grad, dims))
def backward_view(input, dims: tuple):
    """The dimensions `dims` walked backward."""
    strides, offset = list(input.strides), 0
    for d in dims:
        if input.shape[d]:
            offset += (input.shape[d] - 1) * strides[d]
        strides[d] = -strides[d]
    return input.shape, tuple(strides), offset


@composite
def flip(input, *dims, **named):
    """The elements of `input` in the opposite order along `dims`: a copy, of the same shape."""
    dims = only("flip", "dims", named) if named else sizes("flip", dims)
    ndim = input._layout.ndim
    dims = wrap_dims(tuple(dims), ndim) if dims else ()
    if not dims or not ndim:
        return input.clone()
    return OPS["_to"].call(backward_view.call(input, dims), input._layout.dtype, True)


@composite
def fliplr(input):
    """`input` reversed along dimension 1. RuntimeError for less than 2 dimensions."""
    if input._layout.ndim < 2:
        raise RuntimeError("fliplr: Input must be >= 2-d.")
    return flip.call(input, (1,))


@composite
def flipud(input):
    """`input` reversed along dimension 0. RuntimeError for 0-d tensors."""
    if input._layout.ndim < 1:
        raise RuntimeError("flipud: Input must be >= 1-d.")
    return flip.call(input, (0,))


@composite
def roll(input, shifts, dims=None):
    """Elements moved by `shifts` along `dims`; what leaves at one end comes in at the other. No `dims`: flattened."""
    shifts = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    dims = () if dims is None else (dims,) if isinstance(dims, int) else tuple(dims)
    if not shifts:
        raise RuntimeError("roll: `shifts` required")
    if not dims and len(shifts) == 1:
        return roll.call(input.reshape(-1), shifts, 0).reshape(input._layout.shape)
    if len(shifts) != len(dims):
        raise RuntimeError(f"roll: shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}")
    moved = input
    for shift, d in zip(shifts, dims, strict=True):
        if not input._layout.ndim:
            raise IndexError(f"roll: Dimension specified as {d} but tensor has no dimensions")
        d = wrap_dim(d, input._layout.ndim)
        n = input._layout.shape[d]
        if input._layout.numel and shift % n:
            cut = n - shift % n
            moved = OPS["cat"].call([moved.narrow(d, cut, n - cut), moved.narrow(d, 0, cut)], d)
    return input.clone() if moved is input else moved


@composite
def rot90(input, k=1, dims=(0, 1)):
    """`input` turned by k times 90 degrees in the plane of `dims`, from the first towards the second."""
    if len(dims) != 2:
        raise RuntimeError(f"rot90: expected total rotation dims == 2, but got dims = {len(dims)}")
    if input._layout.ndim < 2:
        raise RuntimeError(f"rot90: expected total dims >= 2, but got total dims = {input._layout.ndim}")
    if dims[0] == dims[1] or abs(dims[0] - dims[1]) == input._layout.ndim:
        raise RuntimeError(f"rot90: expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = "
                           f"{dims[1]}")
    a, b = (wrap_dim(d, input._layout.ndim) for d in dims)
    if k % 4 == 1:
        return flip.call(input, (b,)).transpose(a, b).clone()
    if k % 4 == 2:
        return flip.call(input, (a, b))
    if k % 4 == 3:
        return flip.call(input, (a,)).transpose(a, b).clone()
    return input.clone()


# Repetition.

@composite(namespaces="Tensor", method=True)
def repeat(input, *repeats, **named):
    """`input` put side by side repeats[d] times along each dimension; more dimensions may be put in front."""
    repeats = only("repeat", "repeats", named) if named else sizes("repeat", repeats)
    shape = input._layout.shape
    lead = len(repeats) - len(shape)
    if lead < 0:
        raise RuntimeError("repeat: Number of dimensions of repeat dims can not be smaller than number of dimensions "
                           "of "
                           f"tensor: {list(repeats)} for {list(shape)}")
    if any(r < 0 for r in repeats):
        raise RuntimeError(f"repeat: Trying to create tensor with negative dimension: repeats {list(repeats)}")
    own = (1,) * lead + tuple(shape)
    spread = tuple([n for m in own for n in (1, m)])
    target = tuple([n for pair in zip(repeats, own, strict=True) for n in pair])
    wide = expand.call(input.reshape(spread), target)
    result = OPS["_to"].call(wide, input._layout.dtype, True)
    return result.reshape(tuple([r * n for r, n in zip(repeats, own, strict=True)]))


@composite
def tile(input, *dims, **named):
    """`repeat` with `dims` filled up with 1 in front: a copy, each size times its number."""
    dims = tuple(only("tile", "dims", named)) if named else sizes("tile", dims)
    return repeat.call(input, (1,) * (input._layout.ndim - len(dims)) + dims)


def _repeat_index(repeats, output_size):
    if repeats._layout.dtype.name not in ("int64", "int32"):
        raise RuntimeError(f"repeat_interleave: repeats has to be Long or Int tensor, got {repeats._layout.dtype}")
    if repeats._layout.ndim > 1:
        raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
    if output_size is not None and not repeats._layout.has_values:
        return run_numbers.call(repeats, output_size)
    if repeats._layout.numel and repeats.min().item() < 0:
        raise RuntimeError("repeat_interleave: repeats can not be negative")
    ends = repeats.to(int64).cumsum(0)
    count = ends[-1].item() if repeats._layout.numel else 0
    if output_size is not None and output_size != count:
        raise RuntimeError(f"repeat_interleave: output_size {output_size} is not the sum of repeats, {count}")
    return run_numbers.call(ends, count)


@gather_kind(name="_run_numbers", method=False, differentiable=False)
def run_numbers(ends, count: int):
    """0, 0, ..., 1, 1, ...: for runs that end at `ends`, contiguous int64, the number of the run at each of `count`
    places."""
    return Native("gather", "ranges", (ends,), [layout(int64, (count,), None, ends.device)])


@gather_kind(name="_run_places", method=False, differentiable=False)
def run_places(ends, starts, count: int):
    """starts[0], starts[0] + 1, ..., starts[1], ...: for runs that end at `ends`; both contiguous int64."""
    return Native("gather", "ranges", (ends, starts), [layout(int64, (count,), None, ends.device)])


@composite(sized_by_values=True)
def repeat_interleave(input, repeats=None, dim=None, *, output_size=None):
    """Each part of `input` along `dim` (or each element) repeated, `repeats` times or as often as that tensor says."""
    if repeats is None:
        return _repeat_index(input, output_size)
    if dim is None:
        input, dim = input.reshape(-1), 0
    elif input._layout.ndim == 0:
        input = input.reshape(1)
    dim = wrap_dim(dim, input._layout.ndim)
    shape = input._layout.shape
    if isinstance(repeats, (tuple, list)):
        repeats = positions.call(input, 0).new_tensor(repeats)
    if hasattr(repeats, "_layout"):
        if repeats._layout.ndim > 1:
            raise RuntimeError("repeat_interleave: repeats must be 0-dim or 1-dim tensor")
        if repeats._layout.numel == 1 and shape[dim] != 1:
            repeats = repeats.reshape(1).expand(shape[dim])
        if repeats._layout.numel != shape[dim]:
            raise RuntimeError(f"repeat_interleave: repeats must have the same size as input along dim, but got "
                               f"repeats.size(0) = {repeats._layout.numel} and input.size({dim}) = {shape[dim]}")
        return input.index_select(dim, _repeat_index(repeats.reshape(-1), output_size))
    if repeats < 0:
        raise RuntimeError(f"repeat_interleave: Repeats must be non-negative, got {repeats}")
    wide = input.unsqueeze(dim + 1)
    wide = expand.call(wide, (*shape[:dim + 1], repeats, *shape[dim + 1:]))
    merged = (*shape[:dim], shape[dim] * repeats, *shape[dim + 1:])
    return OPS["_to"].call(wide, input._layout.dtype, True).reshape(merged)


# Triangles and diagonals.

def _outside(input, name, diagonal, upper):
    """True outside the triangle."""
    shape = input._layout.shape
    if len(shape) < 2:
        raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions, got {list(shape)}")
    rows, columns = positions.call(input, shape[-2], diagonal).unsqueeze(1), positions.call(input, shape[-1])
    return columns < rows if upper else columns > rows


@composite(inplace=True, out=True)
def tril(input, diagonal=0):
    """`input` (..., N, M) with zeros above a diagonal of its last two dimensions: 0 the main one, 1 above it."""
    return input.masked_fill(_outside(input, "tril", diagonal, False), 0)


@composite(inplace=True, out=True)
def triu(input, diagonal=0):
    """`input` (..., N, M) with zeros below a diagonal of its last two dimensions: 0 the main one, 1 above it."""
    return input.masked_fill(_outside(input, "triu", diagonal, True), 0)


@composite(out=True)
def diag(input, diagonal=0):
    """A matrix with the 1-d `input` on a diagonal, or the diagonal of a matrix."""
    if input._layout.ndim == 1:
        return diag_embed.call(input, diagonal)
    if input._layout.ndim != 2:
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input._layout.ndim}D")
    return diagonal_copy(input, diagonal)


def diagonal_copy(input, offset):
    """The diagonal of a matrix, with memory of its own."""
    return diagonal.call(input, offset, 0, 1).clone()


@composite
def diag_embed(input, offset=0, dim1=-2, dim2=-1):
    """Zeros with the last dimension of `input` on the diagonal of the new dimensions dim1 and dim2."""
    own = input._layout
    if own.ndim == 0:
        raise IndexError("diag_embed: Dimension out of range: input must have at least 1 dimension")
    a, b = wrap_dim(dim1, own.ndim + 1), wrap_dim(dim2, own.ndim + 1)
    if a == b:
        raise RuntimeError(f"diag_embed: diagonal dimensions cannot be identical {dim1}, {dim2}")
    n = own.shape[-1] + abs(offset)
    rest = iter(own.shape[:-1])
    shape = tuple(n if d in (a, b) else next(rest) for d in range(own.ndim + 1))
    return place.call(input, shape, "diagonal", (offset, a, b))


@composite
def diagflat(input, offset=0):
    """A matrix with all elements of `input`, in row-major order, on a diagonal, and zeros elsewhere."""
    return diag_embed.call(input.reshape(-1), offset)


@composite(out=True)
def trace(input):
    """The sum of the main diagonal of a matrix: (N, M) -> (). RuntimeError for other numbers of dimensions."""
    if input._layout.dtype.name == "bool":
        raise NotImplementedError('"trace" not implemented for bool')
    if input._layout.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input._layout.ndim}")
    return diagonal.call(input, 0, 0, 1).sum()


def fill_diagonal(input, fill_value, wrap=False):
    """Write `fill_value` on the main diagonal, in place."""
    shape, strides = input._layout.shape, input._layout.strides
    if len(shape) < 2:
        raise RuntimeError("fill_diagonal_: dimensions must larger than 1")
    if len(shape) > 2 and len(set(shape)) > 1:
        raise RuntimeError("fill_diagonal_: all dimensions of input must be of equal length")
    count, step = min(shape), sum(strides)
    if wrap and len(shape) == 2 and shape[0] > shape[1] + 1:
        count = math.ceil(shape[0] * shape[1] / (shape[1] + 1))
        if not input._layout.is_contiguous:
            raise RuntimeError("fill_diagonal_: wrap=True needs a contiguous tensor here; call contiguous() first")
    OPS["as_strided"].call(input, (count,), (step,)).fill_(fill_value)
    return input


@composite(name="fill_diagonal_", namespaces="Tensor", method=True)
def fill_diagonal_(input, fill_value, wrap=False):
    """Write `fill_value` on the main diagonal, in place; with `wrap`, of each square block of a tall matrix."""
    return fill_diagonal(input, fill_value, wrap)
