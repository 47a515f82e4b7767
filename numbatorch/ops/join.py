"""Joining tensors: cat, stack and their forms, block_diag, meshgrid, cartesian products."""

import functools
import itertools
from array import array

import numpy as np

from .. import dtypes
from ..expr.kinds import Native
from ..layout import layout, wrap_dim
from .declare import OPS, composite, foreign
from .parts import narrow_
from .splitting import atleast_1d, atleast_2d, atleast_3d, listed
from .view import reshape

FEW = 8  # tensors whose addresses are arguments: a kernel for each number
_NOTHING = (0,)  # tensors of this shape are left out whatever the others' shapes


def channels_last_strides(shape):
    """Strides with the channels, dimension 1, next to each other."""
    order, strides, step = [1, *range(len(shape) - 1, 1, -1), 0], [0] * len(shape), 1
    for d in order:
        strides[d] = step
        step *= max(1, shape[d])
    return tuple(strides)


def is_channels_last(own):
    """Whether a layout of 4 or 5 dimensions has its channels next to each other, and could not be row-major."""
    return (own.ndim in (4, 5) and own.numel > 0 and not own.is_contiguous
            and own.strides == channels_last_strides(own.shape))


def _common_dtype(tensors):
    ranked = [(t._layout.dtype, 2 if t._layout.ndim else 1) for t in tensors]
    return dtypes.result_of(ranked)


def _sequence(name, tensors):
    if not isinstance(tensors, (tuple, list)):
        raise TypeError(f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not "
                        f"{type(tensors).__name__}")
    tensors = list(tensors)
    for k, t in enumerate(tensors):
        if not hasattr(t, "_layout"):
            raise TypeError(f"{name}(): expected Tensor as element {k} in argument 0, but got {type(t).__name__}")
    if not tensors:
        raise (ValueError if name == "cat" else RuntimeError)(f"{name}(): expected a non-empty list of Tensors")
    return tensors


def _in_dtype(grad, own):
    """A gradient in the dtype of the operand it belongs to."""
    if grad._layout.dtype is own:
        return grad
    return (grad.real if grad._layout.dtype.is_complex and not own.is_complex else grad).to(own)


def _parts_of(grad, tensors_layouts, dim):
    parts, start = [], 0
    for own in tensors_layouts:
        if own.shape == _NOTHING:
            parts.append(grad.new_zeros(_NOTHING, dtype=own.dtype))
            continue
        n = own.shape[dim]
        part = narrow_.call(grad, dim, start, n)
        parts.append(_in_dtype(part, own.dtype))
        start += n
    return parts


@functools.lru_cache(4096)
def _planned(layouts, dim):
    """(layout of the result, launch) for tensors side by side in memory; None where they are to be copied one by one.

    None too where they do not fit together.
    """
    first = layouts[0]
    if not -first.ndim <= dim < first.ndim:
        return None
    dim %= first.ndim
    rest = (*first.shape[:dim], *first.shape[dim + 1:])
    for t in layouts:
        if (t.dtype is not first.dtype or t.device != first.device or not t.is_contiguous or t.ndim != first.ndim
                or (*t.shape[:dim], *t.shape[dim + 1:]) != rest):
            return None
    from ..plan import backend
    shape = (*first.shape[:dim], sum(t.shape[dim] for t in layouts), *first.shape[dim + 1:])
    whole = layout(first.dtype, shape, None, first.device)
    launch = backend(first.device).plan(Native("join", "plan", layouts, [whole], {"dim": dim}))
    return None if launch is None else (whole, launch)


@functools.lru_cache(4096)
def _writer(layouts, dim):
    """(modes, who answers calls, what records, f(tensors) that joins them by one kernel); None where `_planned` is."""
    found = _planned(layouts, dim)
    if found is None:
        return None
    from ..autograd.eager import record_eager
    from ..autograd.modes import mode
    from ..interception import state
    from ..plan import backend, storage_class
    from ..tensor import Tensor, empty_layout
    from ..versions import start
    whole, launch = found
    by_argument = None
    if len(layouts) <= FEW:
        by_argument = backend(whole.device).plan(Native("join", "several", layouts, [whole], {"dim": dim}))
    used = by_argument or launch
    kernel, meta, units, grain = used.kernel, used.meta, used.units, used.grain

    def write(tensors, ask=False):
        if ask and any([t._needs_grad for t in tensors]):
            return None
        result = empty_layout(whole)
        addresses = array("q", [t._ptr for t in tensors])
        kernel(addresses.buffer_info()[0], result._ptr, meta, units, grain)
        return result

    if by_argument is not None:
        space = {"kernel": kernel, "meta": meta, "units": units, "grain": grain, "whole": whole,
                 "runtime": backend(whole.device), "kind": storage_class(whole.device), "new": object.__new__,
                 "Tensor": Tensor, "start": start}
        exec(_few(len(layouts)), space)
        write = space["write"]
    write.launch = used  # which keeps what `meta` points to
    return mode, state, record_eager, write


@functools.cache
def _few(count):
    """The code of f(tensors, ask=False) that joins so many tensors; where it is asked, None for some to be recorded."""
    names = [f"t{k}" for k in range(count)]
    return compile(f"""
def write(tensors, ask=False):
    {', '.join(names)}, = tensors
    if ask and ({' or '.join(f'{name}._needs_grad' for name in names)}):
        return None
    result = new(Tensor)
    result._storage = storage = new(kind)
    storage.nbytes = nbytes = whole.nbytes
    storage.block = block = runtime.allocate(nbytes)
    storage.ptr = result._ptr = address = runtime.address(block)
    storage.version = start.version
    result._layout = whole
    kernel({', '.join(f'{name}._ptr' for name in names)}, address, meta, units, grain)
    return result
""", f"<join of {count}>", "exec")


@functools.lru_cache(4096)
def _stacker(layouts, dim):
    """`_writer` for tensors of one shape along a new dimension; None where they differ, too."""
    first = layouts[0]
    if any(own is not first for own in layouts) or not first.is_contiguous or not -first.ndim - 1 <= dim <= first.ndim:
        return None
    dim %= first.ndim + 1
    return _writer((layout(first.dtype, (*first.shape[:dim], 1, *first.shape[dim:]), None, first.device),) * len(
        layouts), dim)


def _at_once(op, find, tensors, dim):
    """What `op` makes of tensors, written by what `find` gives, where nobody else answers; else None."""
    if tensors.__class__ is not list and tensors.__class__ is not tuple:
        return None
    try:
        found = find(tuple([t._layout for t in tensors]), dim)
    except (AttributeError, TypeError, IndexError):  # what is no tensor, no dimension, or nothing
        return None
    if found is None:
        return None
    mode, state, record, write = found
    if state.active or state.traced is not None:
        return None
    result = write(tensors, mode.enabled)
    if result is None:
        result = write(tensors)
        record(op, {"tensors": tensors, "dim": dim if dim >= 0 else dim + result._layout.ndim}, (tensors,), result)
    return result


def _together(tensors, dim):
    """The tensors joined by one kernel, unrecorded; None where `_planned` says so."""
    found = _writer(tuple([t._layout for t in tensors]), dim)
    return None if found is None else found[-1](tensors)


@foreign(name="_cat", method=False, eager=True, grad=_parts_of)
def joined(tensors, dim: int):
    """Tensors of matching shapes one after the other along `dim`: each is copied to its place."""
    from ..tensor import empty_layout
    dtype = _common_dtype(tensors)
    tensors = [t for t in tensors if t._layout.shape != _NOTHING] or tensors[:1]
    result = _together(tensors, dim)
    if result is not None and result._layout.dtype is dtype:
        return result
    first = tensors[0]._layout
    for k, t in enumerate(tensors):
        if t._layout.device is not first.device:
            from ..plan import asked
            raise RuntimeError(f"{asked(joined)[0]}: Expected all tensors to be on the same device, but found at least "
                               f"two devices, {first.device} and {t._layout.device}! (tensor number {k}); move them "
                               "with tensor.to(device)")
    shape = list(first.shape)
    shape[dim] = sum(t._layout.shape[dim] for t in tensors)
    strides = channels_last_strides(shape) if all(is_channels_last(t._layout) for t in tensors) else None
    result = empty_layout(layout(dtype, shape, strides, first.device))
    start = 0
    for t in tensors:
        n = t._layout.shape[dim]
        if t._layout.numel:
            narrow_.call(result, dim, start, n).copy_(t)
        start += n
    return result


@composite(method=False, out=True, separate=True, aliases=("concat", "concatenate"))
def cat(tensors, dim=0, *, axis=None):
    """Tensors one after the other along `dim`, in their common dtype. Other sizes must match.

    Tensors of shape (0,) are left out whatever the others' shapes.
    """
    result = _at_once(joined, _writer, tensors, dim) if axis is None else None
    if result is not None:
        return result
    given = _sequence("cat", tensors)
    dim = dim if axis is None else axis
    from ..autograd.modes import mode
    from ..interception import state
    if not state.active and not (mode.enabled and any([t._needs_grad for t in given])):
        result = _together(given, dim)
        if result is not None:
            return result
    kept = [t for t in given if t._layout.shape != (0,)]
    for k, t in enumerate(given):
        if t._layout.ndim == 0:
            raise RuntimeError(f"cat: zero-dimensional tensor (at position {k}) cannot be concatenated")
    if not kept:
        wrap_dim(dim, 1)
        return joined.call(given, 0)
    ndim = kept[0]._layout.ndim
    dim = wrap_dim(dim, ndim)
    for k, t in enumerate(kept):
        if t._layout.ndim != ndim:
            raise RuntimeError(f"cat: Tensors must have same number of dimensions: got {ndim} and {t._layout.ndim}")
        for d, (n, m) in enumerate(zip(kept[0]._layout.shape, t._layout.shape, strict=True)):
            if d != dim and n != m:
                raise RuntimeError(f"cat: Sizes of tensors must match except in dimension {dim}. Expected size {n} "
                                   f"but got "
                                   f"size {m} for tensor number {k} in the list: "
                                   f"{[tuple(x._layout.shape) for x in kept]}")
    return joined.call(given, dim)


@composite(method=False, out=True)
def stack(tensors, dim=0):
    """Tensors of one shape along a new dimension `dim`: n tensors (A, B) -> (n, A, B) for `dim` 0.

    RuntimeError where shapes differ or there is no tensor.
    """
    result = _at_once(stacked, _stacker, tensors, dim)
    if result is not None:
        return result
    given = _sequence("stack", tensors)
    shape = given[0]._layout.shape
    for k, t in enumerate(given):
        if t._layout.shape != shape:
            raise RuntimeError(f"stack expects each tensor to be equal size, but got {list(shape)} at entry 0 and "
                               f"{list(t._layout.shape)} at entry {k}")
    dim = wrap_dim(dim, len(shape) + 1)
    if not any(t._needs_grad for t in given):
        return joined.call([t.unsqueeze(dim) for t in given], dim)
    return stacked.call(given, dim)


@foreign(name="_stack", method=False, eager=True, grad=lambda grad, tensors_layouts, dim: [
    _in_dtype(g, own.dtype) for g, own in zip(grad.unbind(dim), tensors_layouts, strict=True)])
def stacked(tensors, dim: int):
    """Tensors of one shape along a new dimension, as one recorded step."""
    return joined.call([t.unsqueeze(dim) for t in tensors], dim)


@composite(method=False, out=True)
def hstack(tensors):
    """Tensors side by side: cat along dimension 1, or 0 for 1-d tensors; 0-d ones count as (1,)."""
    given = list(atleast_1d.call(_sequence("hstack", tensors)))
    return cat.call(given, 0 if given[0]._layout.ndim == 1 else 1)


@composite(method=False, out=True, aliases=("row_stack",))
def vstack(tensors):
    """Tensors as rows: cat along dimension 0, 1-d tensors (n,) as (1, n)."""
    return cat.call(list(atleast_2d.call(_sequence("vstack", tensors))), 0)


@composite(method=False, out=True)
def dstack(tensors):
    """Tensors behind each other: cat along dimension 2, (n,) as (1, n, 1) and (n, m) as (n, m, 1)."""
    return cat.call(list(atleast_3d.call(_sequence("dstack", tensors))), 2)


@composite(method=False, out=True)
def column_stack(tensors):
    """Tensors as columns: along dimension 1, those of less than two dimensions as one column."""
    given = _sequence("column_stack", tensors)
    return hstack.call([reshape.call(t, (t._layout.numel, 1)) if t._layout.ndim <= 1 else t for t in given])


@composite(method=False)
def block_diag(*tensors):
    """A matrix of zeros with the given matrices along its diagonal: sizes add up. Vectors count as one row."""
    given = listed(tensors)
    for k, t in enumerate(given):
        if t._layout.ndim > 2:
            raise RuntimeError(f"torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {k} has "
                               f"{t._layout.ndim} dimensions")
    if not given:
        from ..creation import empty
        return empty(1, 0)
    given = [atleast_2d.call(t) for t in given]
    dtype = _common_dtype(given)
    width, left, rows = sum(t._layout.shape[1] for t in given), 0, []
    for t in given:
        n, m = t._layout.shape
        t = t.to(dtype)
        rows.append(cat.call([t.new_zeros((n, left)), t, t.new_zeros((n, width - left - m))], 1))
        left += m
    return cat.call(rows, 0)


@composite(method=False)
def meshgrid(*tensors, indexing=None) -> tuple:
    """Coordinates of the grid of 1-d tensors, as expanded views; indexing "ij" (default) or "xy" (columns first)."""
    given = listed(tensors)
    if not given:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    for t in given:
        if t._layout.ndim > 1:
            raise RuntimeError(f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got shape "
                               f"{list(t._layout.shape)}")
        if t._layout.dtype is not given[0]._layout.dtype:
            raise RuntimeError("torch.meshgrid expects all tensors to have the same dtype")
    swap = indexing == "xy" and len(given) > 1
    if swap:
        given[0], given[1] = given[1], given[0]
    shape = [t._layout.numel for t in given]
    grids = [t.reshape([-1 if d == k else 1 for d in range(len(given))] if t._layout.numel else
                       [0 if d == k else 1 for d in range(len(given))]).expand(shape) for k, t in enumerate(given)]
    if swap:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)


@composite(method=False)
def cartesian_prod(*tensors):
    """All combinations of one element from each 1-d tensor, (count, number of tensors)."""
    given = listed(tensors)
    for t in given:
        if t._layout.ndim != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(t._layout.shape)}")
    if len(given) == 1:
        return given[0]
    return stack.call([g.reshape(-1) for g in meshgrid.call(given, indexing="ij")], 1)


@composite
def combinations(input, r=2, with_replacement=False):
    """All choices of r elements of a 1-d tensor in their order, (count, r)."""
    if input._layout.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input._layout.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return input.new_empty((0,))
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    picked = np.fromiter(itertools.chain.from_iterable(choose(range(input._layout.numel), r)), np.int64)
    index = OPS["_positions"].call(input, 0).new_tensor(picked)
    return input.index_select(0, index).reshape(-1, r)

