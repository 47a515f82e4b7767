"""Gathering and scattering by index tensors: the loops, and how they undo each other in gradients.

Every function is one of two loops (`_gather`, `_write`) in one of three forms, which say how an index meets the input:
  select   a 1-d index takes the place of dimension `dims[0]`                (index_select, index_add, embedding, ...)
  along    the index has the result's shape, and chooses along `dims[0]`     (gather, scatter, take_along_dim, ...)
  address  the index, of any shape, takes the place of all of `dims`; with several of them it holds places in memory
"""

import functools

from ..expr.functions import row_max, row_min, where
from ..expr.kinds import Native
from ..layout import Layout, broadcast_strides, layout, result_strides
from .declare import (
    OPS,
    composite,
    elementwise,
    foreign,
    gather as gather_kind,
    reduction,
    scatter as scatter_kind,
    view,
)


def chosen_shape(shape, index_shape, dims):
    """The shape in which the dimensions of an index take the place of `dims`: in front where those are apart."""
    place = dims[0] if list(dims) == list(range(dims[0], dims[0] + len(dims))) else 0
    rest = [n for d, n in enumerate(shape) if d not in dims]
    return (*rest[:place], *index_shape, *rest[place:]), place


def geometry(target, index, dims, form):
    """How a loop walks: shape, strides of target and index over it, size and stride of what the index chooses from."""
    dim = dims[0]
    if form == "along":
        shape = index.shape
        moves = tuple(0 if d == dim else s for d, s in enumerate(target.strides))
        turns = index.strides
    else:
        index_shape = index.shape if form == "address" else (index.numel,)
        shape, place = chosen_shape(target.shape, index_shape, dims)
        count = len(index_shape)
        rest = [s for d, s in enumerate(target.strides) if d not in dims]
        moves = (*rest[:place], *(0,) * count, *rest[place:])
        own = index.strides if form == "address" else index.strides or (0,)
        turns = (*(0,) * place, *own, *(0,) * (len(shape) - place - count))
    if target.ndim == 0:
        return {"shape": shape or (1,), "target": moves or (0,), "index": turns or (0,), "size": 1, "stride": 0}
    one = len(dims) == 1
    return {"shape": shape, "target": moves, "index": turns, "size": target.shape[dim] if one else 0,
            "stride": target.strides[dim] if one else 1}


# The loops.

def _gathered(grad, input_layout, index, dims, form):
    return collect.call(grad, index, input_layout.shape, dims, form)


@gather_kind(name="_gather", method=False, grad=_gathered)
def take_from(input, index, dims: tuple, form: str):
    """The elements of `input` that `index` names. Indices must have been checked."""
    walk = geometry(input, index, dims, form)
    return Native("gather", "plan", (input, index), [layout(input.dtype, walk["shape"], None, input.device)], walk)


@gather_kind(name="_gather_checked", method=False, grad=_gathered)
def take_checked(input, index, dims: tuple, form: str):
    """The same for indices that count from the front alone and were not checked: IndexError where one is outside.

    Of backends that have a `range_check`.
    """
    walk = geometry(input, index, dims, form)
    return Native("gather", "checked", (input, index), [layout(input.dtype, walk["shape"], None, input.device)], walk)


@scatter_kind(name="_write", method=False, differentiable=False)
def write(target, index, source, dims: tuple, form: str, combine: str):
    """Combine `source` into `target` itself where `index` says, in the order of the index. The result is empty."""
    walk = _writing(target, index, source, dims, form, combine)
    return Native("scatter", "plan", (target, index, source), [layout(target.dtype, (0,), None, target.device)], walk)


def _writing(target, index, source, dims, form, combine):
    """The options of a request that combines `source` into `target`."""
    walk = geometry(target, index, dims, form)
    if form == "along":
        moves = source.strides
    else:
        moves = broadcast_strides(source.shape, source.strides, walk["shape"])
    if any(s == 0 and n > 1 for n, s in zip(target.shape, target.strides, strict=True)) and target.numel:
        raise RuntimeError("scatter: unsupported operation: more than one element of the written-to tensor refers to a "
                           "single memory location. Please clone() the tensor before performing the operation.")
    return {**walk, "source": moves or (0,) * len(walk["shape"]), "combine": combine}


@foreign(name="_collect", method=False, eager=True, grad=lambda grad, index, dims, form: take_from.call(
    grad, index, dims, form))
def collect(source, index, shape: tuple, dims: tuple, form: str):
    """Zeros of `shape` with `source` added where `index` says: the gradient of a gather."""
    result = source.new_zeros(shape)
    write.call(result, index, source, dims, form, "add")
    return result


def _kept(grad, index, source_layout, dims, form, combine):
    if combine == "add":
        return grad
    return combined.call(grad, index, grad.new_zeros(source_layout.shape), dims, form, "set")


@scatter_kind(name="_scatter", method=False, input=_kept,
              source=lambda grad, index, dims, form: take_from.call(grad, index, dims, form))
def combined(input, index, source, dims: tuple, form: str, combine: str):
    """A copy of `input` with `source` combined ("set", "add") where `index` says."""
    result = layout(input.dtype, input.shape, result_strides(input.shape, [(input.shape, input.strides)]), input.device)
    walk = _writing(result, index, source, dims, form, combine)
    return Native("scatter", "combined", (input, index, source), [result], walk)


@scatter_kind(name="_scatter_onto", method=False, input=_kept,
              source=lambda grad, index, dims, form: take_from.call(grad, index, dims, form))
def combined_rows(input, index, source, dims: tuple, form: str, combine: str):
    """The same along the last dimension of contiguous tensors, for indices that count from the front alone and were not
    checked: IndexError where one is outside. Of backends that have a `range_check`."""
    own = layout(input.dtype, input.shape, None, input.device)
    return Native("scatter", "onto", (input, index, source), [own], {"combine": combine})


@reduction(name="_bounds", method=False, differentiable=False, out=False, outputs=("low", "high"))
def bounds(index, dim=None, keepdim=False):
    """The smallest and the largest of indices."""
    return row_min(index), row_max(index)


ONE_PASS = 1 << 15  # indices that one thread reads in a few microseconds


@functools.lru_cache(4096)
def _range_check(own):
    """(the backend's f(address, count, low, high), who captures calls) for few indices in one piece, else None."""
    if own.__class__ is not Layout or not own.is_contiguous or not 0 < own.numel <= ONE_PASS:
        return None
    from ..interception import state
    from ..plan import backend
    there = backend(own.device)
    if not hasattr(there, "range_check") or own.dtype.name not in ("int64", "int32"):
        return None
    return there.range_check(own.dtype.name), state


def within(index, low, high):
    """Whether few indices in one piece are all in [low, high), found in one pass; None where that is not known."""
    own = index._layout
    found = _range_check(own)
    if found is None:
        return None
    test, state = found
    return None if state.traced is not None else test(index._ptr, own.numel, low, high)


def check(name, index, size, dim, error=IndexError, wrap=False):
    """`error` where an index is outside a dimension of `size`; with `wrap`, negative ones count from the end."""
    if within(index, -size if wrap else 0, size):
        return
    if index._layout.dtype.name not in ("int64", "int32"):
        raise RuntimeError(f"{name}(): Expected dtype int32 or int64 for index, got {index._layout.dtype}")
    while not index._layout.has_values:
        if index._layout.__class__ is Layout:
            return
        index = index._value  # inside vmap: those of the whole batch
    if index._layout.numel == 0:
        return
    low, high = bounds.call(index)
    least = -size if wrap else 0
    if low.item() < least or high.item() >= size:
        values = index.reshape(-1).tolist()
        at, value = next((i, v) for i, v in enumerate(values) if not least <= v < size)
        raise error(f"{name}: index {value} is out of bounds for dimension {dim} with size {size} (at position {at} "
                    f"of the "
                    f"index, of shape {tuple(index._layout.shape)})")


# Tensor[index].

def _index_gradient(grad, input_layout, index):
    return OPS["_place"].call(grad, input_layout.shape, "_index", (index,))


@view(name="_index", method=False, grad=_index_gradient)
def basic(input, index: object):
    """One view for integers, slices, None and `...` together; slices as (start, stop, step)."""
    items = index if isinstance(index, tuple) else (index,)
    used = sum(1 for i in items if i.__class__ is int or (i.__class__ is tuple and len(i) == 3))
    if used > input.ndim:
        raise IndexError(f"too many indices for tensor of dimension {input.ndim}: got {used}")
    shape, strides, offset, axis = [], [], 0, 0
    for i in items:
        if i.__class__ is int:
            n = input.shape[axis]
            if not -n <= i < n:
                raise IndexError(f"index {i} is out of bounds for dimension {axis} with size {n}")
            offset += (i + n if i < 0 else i) * input.strides[axis]
            axis += 1
        elif len(i) == 3:
            n, step = input.shape[axis], input.strides[axis]
            first, count, every = _picked(n, *i)
            shape.append(count)
            strides.append(step * every)
            offset += first * step
            axis += 1
        elif i[1] is None:
            shape.append(1)
            strides.append(input.shape[axis] * input.strides[axis] if axis < input.ndim else 1)
        else:  # ...
            skip, used = input.ndim - used, input.ndim
            shape += input.shape[axis:axis + skip]
            strides += input.strides[axis:axis + skip]
            axis += skip
    return (*shape, *input.shape[axis:]), (*strides, *input.strides[axis:]), offset


def _picked(n, start, stop, step):
    """(the first, how many, their distance) of n positions that a slice picks, as `range(n)[start:stop:step]` does."""
    step = 1 if step is None else step
    start, stop = (default if v is None else max(v + n, 0) if v < 0 else min(v, n)
                   for v, default in ((start, 0), (stop, n)))
    return start, -(-(stop - start) // step) if stop > start else 0, step


@elementwise(name="_address", method=False, inplace=False, out=False)
def address(before, index, size: float, stride: float):
    """before + index * stride, negative indices wrapped: a place in memory from several indices, one by one."""
    return before + where(index < 0, index + size, index) * stride


def _resolved(name, layout_, indices, dims):
    """(index for the loops, form) of several index tensors, checked."""
    for index, dim in zip(indices, dims, strict=True):
        check(name, index, layout_.shape[dim], dim, wrap=True)
    if len(indices) == 1:
        return indices[0]
    place = indices[0].new_zeros(())
    place = place if place.dtype.name == "int64" else place.long()
    for index, dim in zip(indices, dims, strict=True):
        index = index if index.dtype.name == "int64" else index.long()
        try:
            place = address.call(place, index, layout_.shape[dim], layout_.strides[dim])
        except RuntimeError:
            shapes = ", ".join(str(list(i.shape)) for i in indices)
            raise IndexError(f"{name}: shape mismatch: indexing tensors could not be broadcast together with shapes "
                             f"{shapes}") from None
    return place


@foreign(name="_index_get", method=False, eager=True, grad=lambda grad, input_layout, indices, dims: index_set.call(
    grad.new_zeros(input_layout.shape), grad, indices, dims, True))
def index_get(input, indices, dims: tuple):
    """input[indices]: index tensors at `dims`, broadcast with each other."""
    place = _resolved("index", input._layout, indices, dims)
    return take_from.call(input, place, dims, "address")


def _values_gradient(grad, values_layout, indices, dims):
    from .view import sum_to
    return sum_to(index_get.call(grad, indices, dims), values_layout.shape)


@foreign(name="_index_set", method=False, eager=True, values=_values_gradient,
         input=lambda grad, indices, dims, accumulate: grad if accumulate else index_set.call(
             grad, grad.new_zeros(()), indices, dims, False))
def index_set(input, values, indices, dims: tuple, accumulate: bool):
    """A copy of `input` with `values` at the places that index tensors give."""
    result = input.clone()
    index_write(result, values, indices, dims, accumulate)
    return result


def index_write(target, values, indices, dims, accumulate):
    """Write `values`, broadcast, into `target` where index tensors say."""
    place = _resolved("index_put", target._layout, indices, dims)
    shape, _ = chosen_shape(target._layout.shape, place._layout.shape, dims)
    values = values.detach()
    lead = values._layout.ndim - len(shape)
    if lead > 0 and values._layout.shape[:lead] == (1,) * lead:
        values = values.reshape(values._layout.shape[lead:])
    try:
        values = values.expand(shape)
    except RuntimeError:
        raise RuntimeError(f"index_put: shape mismatch: value tensor of shape {list(values.shape)} cannot be "
                           f"broadcast to "
                           f"indexing result of shape {list(shape)}") from None
    write.call(target, place, values, dims, "address", "add" if accumulate else "set")


@composite(name="_index_write", method=False)
def index_write_op(target, values, indices, dims, accumulate):
    """index_write as an op: changes `target`, unrecorded."""
    index_write(target, values, indices, dims, accumulate)


@composite
def index_put(input, indices, values, accumulate=False):
    """A copy of `input` with `values` at input[indices], added where `accumulate`. RuntimeError for other dtypes."""
    part, dims, tensors = _places("index_put", input, indices, values)
    values = values.to(input.device) if values.ndim == 0 and values.device.type == "cpu" else values
    if not dims:
        return input + values if accumulate else input.clone().copy_(values)
    return index_set.call(part, values, tensors, dims, accumulate)


def _places(name, input, indices, values):
    """What input[indices] picks: the view that the index tensors index, which of its dimensions, and the tensors."""
    from ..indexing import _basic_part
    if values._layout.dtype is not input._layout.dtype:
        raise RuntimeError(f"{name}: Index put requires the source and destination dtypes match, got "
                           f"{input._layout.dtype} for the destination and {values._layout.dtype} for the source.")
    if len(indices) > input._layout.ndim:
        raise IndexError(f"{name}: too many indices for tensor of dimension {input._layout.ndim} (got {len(indices)})")
    return _basic_part(input, tuple(slice(None) if i is None else i for i in indices))


@composite(name="index_put_", namespaces=("", "Tensor"), method=True)
def index_put_(input, indices, values, accumulate=False):
    """Put `values` at input[indices] in place, added where `accumulate`. RuntimeError on dtypes that differ."""
    from ..indexing import put_in_place
    part, dims, tensors = _places("index_put_", input, indices, values)
    if dims:
        put_in_place(part, tensors, dims, values, accumulate)
    elif accumulate:
        part.add_(values)
    else:
        part.copy_(values)
    return input
