"""Writing by index: scatter and its reductions, index_add, index_copy, index_fill, put, masked_scatter.

Elements that go to one place come in the order of the index, so results are the same on any number of threads.
"""

import functools
import math

import numpy as np

from .. import dtypes
from ..dtypes import int64
from ..layout import Layout, wrap_dim
from .declare import OPS, composite, declare, scatter as scatter_kind
from .gathering import checked_along, fits_along, flat_nonzero
from .index import check, combined, combined_rows, take_from, write


def _lowest(dtype):
    """The identity of max: -inf, or the smallest integer."""
    if dtype.category == 2:
        return -math.inf
    return 0 if not dtype.is_signed else -(1 << (8 * dtype.itemsize - 1))


def _highest(dtype):
    if dtype.category == 2:
        return math.inf
    if dtype.category == 0:
        return 1
    return (1 << (8 * dtype.itemsize - (1 if dtype.is_signed else 0))) - 1


# In one dimension less, a scalar is a row of one.

def _rows(input, index, source):
    if input._layout.shape and index._layout.shape and (not hasattr(source, "_layout") or source._layout.shape):
        return input, index, source
    return [x.reshape(1) if hasattr(x, "_layout") and x._layout.ndim == 0 else x for x in (input, index, source)]


def _fit_source(name, input, index, source):
    """`source` cut to the shape of `index`. RuntimeError where it is smaller or of another dtype."""
    if source._layout.dtype is not input._layout.dtype:
        raise RuntimeError(f"{name}(): Expected self.dtype to be equal to src.dtype, got {input._layout.dtype} and "
                           f"{source._layout.dtype}")
    wanted = index._layout.shape
    if source._layout.shape == wanted:
        return source
    if index._layout.numel == 0:
        return source
    if len(wanted) != source._layout.ndim:
        raise RuntimeError(f"{name}(): Index tensor must have the same number of dimensions as src tensor, got "
                           f"{len(wanted)} and {source._layout.ndim}")
    for d, n in enumerate(wanted):
        own = source._layout.shape[d]
        if n > own:
            raise RuntimeError(f"{name}(): Expected index {list(wanted)} to be no larger than src "
                               f"{list(source._layout.shape)} in dimension {d}")
        if n < own:
            source = source.narrow(d, 0, n)
    return source


def _copied(input, index, source, dims, form, combine):
    """How a function writes: into a copy, on the tape."""
    return combined.call(input, index, source, dims, form, combine)


def _straight(input, index, source, dims, form, combine):
    """How an in-place form writes when nothing is recorded: into the tensor itself."""
    write.call(input, index, source, dims, form, combine)
    input._storage.version += 1
    return input


def _in_place(name, function):
    """Declare the in-place form of `function(how, input, ...)`: straight into memory, or by a recorded copy."""
    def call(input, *args, **kwargs):
        from ..autograd.modes import check_changeable, mode
        from ..recording import check_apart, check_inplace, overwrite
        check_changeable(f"{name}_", input)
        given = (input, *args, *kwargs.values())
        check_apart(f"{name}_", input, [a for a in given[1:] if hasattr(a, "_layout") and a._layout.shape])
        if not (mode.enabled and any(hasattr(a, "_layout") and a._needs_grad for a in given)) and (
                input._base is None or not input._base._needs_grad):
            function(_straight, input, *args, **kwargs)
            return input
        check_inplace(name, input)
        recorded = mode.enabled
        overwrite(input, function(_copied, input, *args, **kwargs), recorded)
        return input
    call.__doc__ = f"In-place form of `{name}`: its arguments, and the result replaces `input`."
    declare("composite", call, name=f"{name}_", namespaces="Tensor", method=True)


def _along(how, name, input, dim, index, source, combine):
    """The scatter of `source` along `dim`."""
    shape = input._layout.shape
    if how is _copied and combine in ("set", "add") and hasattr(source, "_layout"):
        dims, state = _by_rows(name, input._layout, dim, index._layout, source._layout)
        if dims is not None and state.traced is None:
            try:
                return combined_rows.call(input, index, source, dims, "along", combine)
            except IndexError:
                pass  # what follows says which index is outside
    input, index, source = _rows(input, index, source)
    dim, index = fits_along(name, input, dim, index)
    if hasattr(source, "_layout"):
        source = _fit_source(name, input, index, source)
    else:
        source = input.new_full((), source).expand(index._layout.shape)
    if index._layout.numel == 0:
        return input if how is _straight else input.clone().reshape(shape)
    if combine in ("set", "add") or how is _straight:
        result = how(input, index, source, (dim,), "along", combine)
        return result if result._layout.shape == shape else result.reshape(shape)
    return reduced.call(input, index, source, dim, combine).reshape(shape)


def _by_rows(name, input, dim, index, source):
    """What `checked_along` says of contiguous tensors, where an index chooses along the last dimension; or Nones."""
    if input.__class__ is Layout and index.__class__ is Layout and source.__class__ is Layout:
        return _known_by_rows(name, input, dim, index, source)
    return None, None


@functools.lru_cache(4096, typed=True)
def _known_by_rows(name, input, dim, index, source):
    plain = input.is_contiguous and index.is_contiguous and source.is_contiguous
    if not plain or index.shape != source.shape or index.shape[:-1] != input.shape[:-1] or (
            input.dtype is not source.dtype or input.device is not source.device):
        return None, None
    dims, state = checked_along(name, input, dim, index)
    return (dims, state) if dims == (len(input.shape) - 1,) else (None, None)


_REDUCE = {"add": "add", "multiply": "mul", "sum": "add", "prod": "mul", "amax": "max", "amin": "min", "mean": "mean"}


@composite(over="scatter", out=True, separate="rest")
def scatter(input, dim, index, src=None, *, value=None, reduce=None):
    """A copy of `input` with `src` (or one number) at index[i, j, k] along `dim`; or added, or multiplied."""
    return _scatter(_copied, input, dim, index, src, value=value, reduce=reduce)


def _scatter(how, input, dim, index, src=None, *, value=None, reduce=None):
    source = value if src is None else src
    if source is None:
        raise TypeError("scatter(): missing src or value")
    if reduce not in (None, "add", "multiply"):
        raise RuntimeError(f"scatter(): reduce argument must be either add or multiply, got {reduce!r}")
    return _along(how, "scatter", input, dim, index, source, "set" if reduce is None else _REDUCE[reduce])


@composite(over="scatter", out=True, separate="rest")
def scatter_add(input, dim, index, src):
    """A copy of `input` with `src` added: result[index[i, j, k], j, k] += src[i, j, k] for `dim` 0.

    `index` is int64.
    """
    return _scatter_add(_copied, input, dim, index, src)


def _scatter_add(how, input, dim, index, src):
    return _along(how, "scatter_add", input, dim, index, src, "add")


_in_place("scatter", _scatter)
_in_place("scatter_add", _scatter_add)


def _share(result, index, dim):
    return take_from.call(result, index, (dim,), "along")


def _product_gradient(grad, input, index, source, result, dim):
    """grad * result / value; where a value is 0, the product of all others."""
    zero = (source == 0)
    zeros_here = combined.call((input == 0).to(input.dtype), index, zero.to(input.dtype), (dim,), "along", "add")
    others = reduced.call(input.masked_fill(input == 0, 1), index, source.masked_fill(zero, 1), dim, "mul")
    return zeros_here, others


def _layers(input, index, dim):
    """Flat positions in the source and in `input`, in layers that meet no place of `input` twice."""
    from ..creation import from_numpy
    own = index.numpy()
    at = list(np.indices(own.shape, sparse=True))
    at[dim] = own
    places = np.ravel_multi_index(np.broadcast_arrays(*at), tuple(input.shape)).reshape(-1)
    order = np.argsort(places, kind="stable")
    first = np.maximum.accumulate(np.where(np.diff(places[order], prepend=-1) != 0, np.arange(places.size), 0))
    rank = np.arange(places.size) - first
    return [(from_numpy(order[rank == r]), from_numpy(places[order[rank == r]])) for r in range(rank.max() + 1)]


def _products_of_others(input, index, source, dim):
    """For each element of `input` and of `source`, the product of all others that meet it: without division, so that
    derivatives hold with zeros; one pass for each element that meets the same place."""
    layers = _layers(input, index, dim)
    flat, values = input.reshape(-1), source.reshape(-1)
    ones = flat.new_ones(flat.shape)
    factors = [ones.index_copy(0, places, values[at]) for at, places in layers]
    before = [ones]
    for factor in factors:
        before.append(before[-1] * factor)
    after, parts = flat, []
    for (_, places), factor, earlier in zip(layers[::-1], factors[::-1], before[-2::-1], strict=True):
        parts.append((after * earlier)[places])
        after = after * factor
    order = OPS["cat"].call([at for at, _ in layers[::-1]])
    of_source = values.new_zeros(values.shape).index_copy(0, order, OPS["cat"].call(parts))
    return before[-1].reshape(input.shape), of_source.reshape(source.shape)


def _exact(input, source):
    """Whether second derivatives are to come of a product with zeros."""
    from ..autograd.modes import mode
    return mode.enabled and bool((input.detach() == 0).any() or (source.detach() == 0).any())


def _of_input(grad, input, index, source, result, dim, combine):
    if combine in ("max", "min"):
        return _winners(grad, input, index, source, result, dim)[0]
    if _exact(input, source):
        return grad * _products_of_others(input, index, source, dim)[0]
    zeros_here, others = _product_gradient(grad, input, index, source, result, dim)
    none = grad * others / input.masked_fill(input == 0, 1)
    value = (grad * others).where((input == 0) & (zeros_here == 1), none.where(zeros_here == 0, none.new_zeros(())))
    return value


def _of_source(grad, input, index, source, result, dim, combine):
    if combine in ("max", "min"):
        return _winners(grad, input, index, source, result, dim)[1]
    if _exact(input, source):
        return _share(grad, index, dim) * _products_of_others(input, index, source, dim)[1]
    zeros_here, others = _product_gradient(grad, input, index, source, result, dim)
    zeros_here, g = _share(zeros_here, index, dim), _share(grad * others, index, dim)
    none = g / source.masked_fill(source == 0, 1)
    return g.where((source == 0) & (zeros_here == 1), none.where(zeros_here == 0, none.new_zeros(())))


def _winners(grad, input, index, source, result, dim):
    """The gradient in equal parts to all that attain the extreme."""
    own = (input == result).to(grad.dtype)
    theirs = (source == _share(result, index, dim)).to(grad.dtype)
    count = combined.call(own, index, theirs, (dim,), "along", "add")
    part = grad / count.where(count != 0, count.new_ones(()))
    return part * own, _share(part, index, dim) * theirs


@scatter_kind(name="_scatter_reduce", method=False, eager=True, input=_of_input, source=_of_source)
def reduced(input, index, source, dim: int, combine: str):
    """A copy of `input`, multiplied by ("mul") or in the "max" or "min" with the elements of `source` along `dim`."""
    result = input.clone()
    write.call(result, index, source, (dim,), "along", combine)
    return result


def _reduce_along(name, input, dim, index, source, reduce, include_self):
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(f"{name}(): reduce argument must be either sum, prod, mean, amax or amin, got {reduce}.")
    shape = input._layout.shape
    input, index, source = _rows(input, index, source)
    dim, index = fits_along(name, input, dim, index)
    source = _fit_source(name, input, index, source)
    if index._layout.numel == 0:
        return input.clone().reshape(shape)
    dtype = input._layout.dtype
    start = input
    if not include_self:
        identity = {"sum": 0, "mean": 0, "prod": 1, "amax": _lowest(dtype), "amin": _highest(dtype)}[reduce]
        filled = input.new_full((), identity).expand(index._layout.shape)
        start = combined.call(input, index, filled, (dim,), "along", "set")
    if reduce in ("sum", "mean"):
        result = combined.call(start, index, source, (dim,), "along", "add")
        if reduce == "mean":
            ones = input.new_ones(()).expand(index._layout.shape)
            count = input.detach().new_ones(input._layout.shape)
            if not include_self:
                count = combined.call(count, index, ones - ones, (dim,), "along", "set")
            count = combined.call(count, index, ones, (dim,), "along", "add")
            count = count.clamp_min(1)
            result = result / count if dtype.category >= 2 else result.div(count, rounding_mode="floor")
    else:
        result = reduced.call(start, index, source, dim, _REDUCE[reduce])
    return result.reshape(shape)


@composite(over="scatter", inplace=True, out=True, separate="rest")
def scatter_reduce(input, dim, index, src, reduce, *, include_self=True):
    """A copy of `input` reduced ("sum", "prod", "mean", "amax", "amin") with `src` at index[i, j, k] along `dim`."""
    return _reduce_along("scatter_reduce", input, dim, index, src, reduce, include_self)


# A 1-d index.

def _line(name, input, dim, index, source):
    """Check index and source of an index_ function; (input, dim, source, shape)."""
    own, shape = index._layout, input._layout.shape
    dim = wrap_dim(dim, len(shape))
    if own.ndim > 1:
        raise IndexError(f"{name}(): Index is supposed to be a vector, but got {own.ndim} dims")
    if own.dtype.name not in ("int64", "int32"):
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index but got: {own.dtype}")
    if source is not None:
        if source._layout.dtype is not input._layout.dtype:
            raise RuntimeError(f"{name}(): self ({input._layout.dtype}) and source ({source._layout.dtype}) must have "
                               f"the "
                               "same dtype")
        other = source._layout.shape
        along = other[dim] if dim < len(other) else 1
        if along != own.numel:
            raise RuntimeError(f"{name}(): Number of indices ({own.numel}) should be equal to source.size(dim): "
                               f"({along}), "
                               f"for dim: {dim}")
        if [n for d, n in enumerate(other) if d != dim] != [n for d, n in enumerate(shape) if d != dim]:
            raise RuntimeError(f"{name}(): source/destination must match in all dimensions but {dim}, got source "
                               f"{list(other)} and self {list(shape)}")
    check(f"{name}()", index, shape[dim] if shape else 1, dim, wrap=name == "index_fill")
    input, _, source = _rows(input, index, source)
    if source is not None and source._layout.ndim < input._layout.ndim:
        source = source.unsqueeze(dim)
    return input, dim, source, shape


@composite(over="scatter", out=True, separate="rest")
def index_add(input, dim, index, source, *, alpha=1):
    """A copy of `input` with alpha * source[i] added to its part index[i] along `dim`."""
    return _index_add(_copied, input, dim, index, source, alpha=alpha)


def _index_add(how, input, dim, index, source, *, alpha=1):
    row, dim, source, shape = _line("index_add", input, dim, index, source)
    if alpha != 1:
        source = source * alpha
    return how(row, index, source, (dim,), "select", "add").reshape(shape)


@composite(over="scatter", out=True, separate="rest")
def index_copy(input, dim, index, source):
    """A copy of `input` with source[i] as its part index[i] along `dim`; `index` is one-dimensional, int64."""
    return _index_copy(_copied, input, dim, index, source)


def _index_copy(how, input, dim, index, source):
    own, other = input._layout, source._layout
    if own.ndim != other.ndim and own.ndim and other.ndim:
        raise IndexError(f"index_copy(): When source and destination are not scalars, their dimensionality must match. "
                         f"Source dimensionality ({other.ndim}), destination dimensionality ({own.ndim})")
    if index._layout.ndim > 1:
        raise IndexError(f"index_copy(): Index should have dimension 1 or 0 (got {index._layout.ndim})")
    if index._layout.dtype is not int64:
        raise RuntimeError(f"index_copy(): Expected a long tensor for index, but got {index._layout.dtype}")
    if other.ndim == 0 and index._layout.numel != 1:
        raise IndexError(f"index_copy(): When source is scalar, index should have one element (got "
                         f"{index._layout.numel})")
    row, dim, source, shape = _line("index_copy", input, dim, index, source)
    return how(row, index, source, (dim,), "select", "set").reshape(shape)


@composite(over="scatter")
def index_fill(input, dim, index, value):
    """A copy of `input` with `value`, a number or a 0-d tensor, in its parts `index` (int64) along `dim`."""
    return _index_fill(_copied, input, dim, index, value)


def _index_fill(how, input, dim, index, value):
    row, dim, _, shape = _line("index_fill", input, dim, index, None)
    if hasattr(value, "_layout"):
        if value._layout.ndim:
            raise RuntimeError("index_fill_ only supports a 0-dimensional value tensor, but got tensor with "
                               f"{value._layout.ndim} dimension(s).")
        value = value.to(input._layout.dtype)
        if value._needs_grad and how is _copied:  # an index that occurs twice counts once
            chosen = index_fill.call(row.detach().new_zeros(row._layout.shape, dtype=dtypes.bool), dim, index, True)
            return value.where(chosen, row).reshape(shape)
    else:
        if isinstance(value, complex) and not input._layout.dtype.is_complex:
            raise RuntimeError("index_fill_(): Converting complex Scalar to non-complex type is not supported")
        value = input.new_full((), value)
    target = list(row._layout.shape)
    target[dim] = index._layout.numel
    return how(row, index, value.expand(target), (dim,), "select", "set").reshape(shape)


_in_place("index_add", _index_add)
_in_place("index_copy", _index_copy)
_in_place("index_fill", _index_fill)


@composite(over="scatter", inplace=True, out=True, separate="rest")
def index_reduce(input, dim, index, source, reduce, *, include_self=True):
    """A copy of `input` reduced ("prod", "mean", "amax", "amin") with source[i] in its part index[i] along `dim`."""
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}.")
    row, dim, source, shape = _line("index_reduce", input, dim, index, source)
    lead = [1] * row._layout.ndim
    lead[dim] = -1
    wide = index.to(int64).reshape(lead).expand(source._layout.shape)
    return _reduce_along("index_reduce", row, dim, wide, source, reduce, include_self).reshape(shape)


# Places in row-major order.

@composite(over="scatter", inplace=True, separate="rest")
def put(input, index, source, accumulate=False):
    """A copy of `input` with `source` at places `index` in row-major order, added where `accumulate`."""
    if index._layout.dtype is not int64:
        raise RuntimeError(f"put(): Expected a long tensor for index, but got {index._layout.dtype}")
    if source._layout.dtype is not input._layout.dtype:
        raise RuntimeError(f"put(): self and source expected to have the same dtype, but got self.dtype = "
                           f"{input._layout.dtype} and source.dtype = {source._layout.dtype}")
    if index._layout.numel != source._layout.numel:
        raise RuntimeError(f"put(): Expected source and index to have the same number of elements, but got "
                           f"source.numel() "
                           f"= {source._layout.numel}, index.numel() = {index._layout.numel}")
    if input._layout.numel == 0 and index._layout.numel:
        raise IndexError("put(): tried to put elements into an empty tensor")
    check("put()", index, input._layout.numel, 0, wrap=True)
    changed = combined.call(input.reshape(-1), index.reshape(-1), source.reshape(-1), (0,), "along",
                            "add" if accumulate else "set")
    return changed.reshape(input._layout.shape)


@composite(over="scatter", inplace=True)
def masked_scatter(input, mask, source):
    """A copy of `input`, broadcast with `mask`, with consecutive elements of `source` where `mask`."""
    from ..layout import broadcast_shapes
    if source._layout.dtype is not input._layout.dtype:
        raise RuntimeError(f"masked_scatter: expected self and source to have same dtypes but got "
                           f"{input._layout.dtype} "
                           f"and {source._layout.dtype}")
    if mask._layout.dtype.name != "bool":
        raise RuntimeError(f"masked_scatter_ only supports boolean masks, but got mask with dtype {mask._layout.dtype}")
    shape = broadcast_shapes("masked_scatter", [input._layout.shape, mask._layout.shape], ["input", "mask"])
    places = flat_nonzero(mask.expand(shape))
    count = places._layout.numel
    if count > source._layout.numel:
        raise RuntimeError(f"masked_scatter: expected self and source to have enough elements: the mask has {count} "
                           f"True, "
                           f"source has {source._layout.numel}")
    flat = input.expand(shape).reshape(-1)
    changed = combined.call(flat, places, source.reshape(-1).narrow(0, 0, count), (0,), "along", "set")
    return changed.reshape(shape)


