"""Tensor[index] and Tensor[index] = value.

Integers, slices, None and ... together are one view, found by (layout, index). Tensors, lists and masks among them
gather from that view. As in PyTorch, integers are applied first: they do not count where index tensors stand.
"""

import numpy as np

from . import dtypes
from .autograd.modes import mode
from .device import CPU
from .interception import answer, state
from .layout import Layout
from .ops.declare import OPS
from .ops.gathering import flat_nonzero
from .ops.index import check
from .recording import check_apart, check_inplace, overwrite, record
from .tensor import Tensor

_new = object.__new__
_EVERYTHING = (None, None, None)
_NEW = ((type(None), None),)
_FIRST = (0,)


def getitem(self, index):
    """self[index]. IndexError outside the bounds and for too many indices, TypeError for what is no index."""
    kind = index.__class__
    if kind is int:
        key = index
    elif kind is tuple:
        key = tuple([i if i.__class__ is int else
                     (i.start, i.stop, i.step) if i.__class__ is slice else (i.__class__, i) for i in index])
    elif kind is slice:
        key = ((index.start, index.stop, index.step),)
    elif index is None:
        key = _NEW
    else:
        return _general(self, index)
    try:
        plan = _plans[self._layout, key]
    except (KeyError, TypeError):
        return _general(self, index)
    result = _new(Tensor)
    result._layout, result._storage = plan.layout, self._storage
    result._ptr = self._ptr + plan.offset
    base = self._base
    result._base = base = self if base is None else base
    base._viewed += 1
    if base._generation:
        result._seen_generation = base._generation
    if self._needs_grad and mode.enabled:
        record(plan, (self,), (result,))
    return result


def _is_mask(self, index):
    return (isinstance(index, Tensor) and index._layout.dtype.name == "bool" and index._layout.ndim > 0
            and self._layout.shape[:index._layout.ndim] == index._layout.shape)


def _general(self, index):
    if _is_mask(self, index) and index._layout.ndim == self._layout.ndim:
        return OPS["masked_select"].call(self, _brought(index, self._layout.device))
    if index.__class__ is Tensor and self._layout.ndim and index._layout.ndim and (
            index._layout.dtype.name == "int64" and index._layout.device is self._layout.device):
        check("index", index, self._layout.shape[0], 0, wrap=True)
        return OPS["_gather"].call(self, index, _FIRST, "address")
    part, dims, tensors = _basic_part(self, index)
    if not dims:
        return part
    if len(dims) == 1:
        check("index", tensors[0], part._layout.shape[dims[0]], dims[0], wrap=True)
        return OPS["_gather"].call(part, tensors[0], dims, "address")
    return OPS["_index_get"].call(part, tensors, dims)


def setitem(self, index, value):
    """self[index] = value, broadcast and converted. RuntimeError on shapes that do not fit, and on recorded leaves."""
    number = not isinstance(value, Tensor)
    if number and not isinstance(value, (int, float, complex, np.generic)):
        raise TypeError(f"can't assign a {type(value).__name__} to a {self.type()}; make it a tensor first")
    if number and _is_mask(self, index):
        index = _brought(index, self._layout.device)
        rest = self._layout.ndim - index._layout.ndim
        self.masked_fill_(index.reshape((*index._layout.shape, *(1,) * rest)) if rest else index, value)
        return
    part, dims, tensors = _part(self, index)
    if dims:
        if number:
            value = part.new_full((), value.item() if isinstance(value, np.generic) else value)
        put_in_place(part, tensors, dims, value.to(part._layout.dtype), False)
    elif number:
        part.fill_(value)
    else:
        part.copy_(_without_ones(value, part._layout.ndim))


def _part(self, index):
    """_basic_part, through the views found before."""
    if index.__class__ in (int, slice, tuple):
        try:
            if (self._layout, _key(index)) in _plans:
                return getitem(self, index), (), ()
        except TypeError:  # a list among the indices has no hash
            pass
    return _basic_part(self, index)


def _key(index):
    if index.__class__ is int:
        return index
    items = index if index.__class__ is tuple else (index,)
    return tuple([i if i.__class__ is int else (i.start, i.stop, i.step) if i.__class__ is slice else (i.__class__, i)
                  for i in items])


def _without_ones(value, ndim):
    """`value` without leading dimensions of size 1 beyond `ndim`."""
    shape = value._layout.shape
    lead = len(shape) - ndim
    return value.reshape(shape[lead:]) if lead > 0 and shape[:lead] == (1,) * lead else value


def _listed(index):
    """The index as a list of single ones."""
    if isinstance(index, tuple):
        return list(index)
    kinds = (slice, Tensor, list, tuple, range, np.ndarray)
    if isinstance(index, list) and len(index) < 32 and any(
            i is None or i is Ellipsis or isinstance(i, kinds) for i in index):
        return list(index)  # as PyTorch has it: a list of lists is one for each dimension, not one of all of them
    return [index]


def _basic_part(self, index):
    """(view by the basic indices, dimensions of it that tensors index, those tensors)."""
    items = [_single(i) for i in _listed(index)]
    device = self._layout.device
    items = [_brought(i, device) if isinstance(i, Tensor) and i._layout.device is not device else i for i in items]
    used = 0
    for i in items:
        if isinstance(i, Tensor):
            used += i._layout.ndim if i._layout.dtype.name in ("bool", "uint8") else 1
        elif i is not None and i is not Ellipsis and not isinstance(i, bool):
            used += 1
    ndim = self._layout.ndim
    if used > ndim:
        raise IndexError(f"too many indices for tensor of dimension {ndim}: got {used}")
    key, dims, tensors, place, axis = [], [], [], 0, 0
    for at, i in enumerate(items):
        if i is Ellipsis:
            skip = ndim - used
            used = ndim  # a second ellipsis stands for nothing
            key.append((type(Ellipsis), Ellipsis))
            place, axis = place + skip, axis + skip
        elif i is None:
            key.append((type(None), None))
            place += 1
        elif isinstance(i, int) and not isinstance(i, bool):
            key.append(i)
            axis += 1
        elif isinstance(i, tuple):
            key.append(i)
            place, axis = place + 1, axis + 1
        elif isinstance(i, bool) or (i._layout.ndim == 0 and i._layout.dtype.name in ("bool", "uint8")):
            key.append((type(None), None))
            dims.append(place)
            tensors.append(OPS["_positions"].call(self, 1 if bool(i) else 0))
            place += 1
        elif i._layout.dtype.name in ("bool", "uint8"):
            _check_mask(self, i, axis, at)
            key += [_EVERYTHING] * i._layout.ndim
            tensors += OPS["nonzero"].call(i).unbind(1) if i._layout.ndim > 1 else [flat_nonzero(i)]
            dims += range(place, place + i._layout.ndim)
            place, axis = place + i._layout.ndim, axis + i._layout.ndim
        else:
            key.append(_EVERYTHING)
            dims.append(place)
            tensors.append(i)
            place, axis = place + 1, axis + 1
    if all(k == _EVERYTHING for k in key):
        part = self if dims else OPS["_index"].call(self, ())
    else:
        part = OPS["_index"].call(self, key[0] if len(key) == 1 and key[0].__class__ is int else tuple(key))
    return part, tuple(dims), tensors


def _brought(index, device):
    """An index of the CPU on the device of what it indexes. RuntimeError for one of yet another device."""
    if index._layout.device is device:
        return index
    if index._layout.device is not CPU:
        raise RuntimeError(f"index: indices should be either on cpu or on the same device as the indexed tensor "
                           f"({device}), but one is on {index._layout.device}")
    return index.to(device)


def _check_mask(self, mask, axis, at):
    shape = mask._layout.shape
    if self._layout.shape[axis:axis + len(shape)] != shape:
        raise IndexError(f"The shape of the mask {list(shape)} at index {at} does not match the shape of the indexed "
                         f"tensor "
                         f"{list(self._layout.shape)} at dimension {axis}")


def _single(i):
    """One index as int, bool, None, ..., slice key or Tensor. TypeError for anything else."""
    if i is None or i is Ellipsis or isinstance(i, (bool, int)):
        return i
    if isinstance(i, slice):
        step = _bound(i.step)
        if step is not None and step <= 0:
            raise ValueError(f"step must be greater than zero, got {step}")
        return (_bound(i.start), _bound(i.stop), step)
    if isinstance(i, np.bool_):
        return bool(i)
    if isinstance(i, (list, tuple, range, np.ndarray)):
        from .creation import tensor
        given = list(i) if isinstance(i, range) else i
        if len(given) == 0 and not isinstance(i, np.ndarray):
            return tensor([], dtype=dtypes.int64, device=CPU)
        return _single(tensor([g.tolist() if isinstance(g, Tensor) else g for g in given]
                              if not isinstance(i, np.ndarray) else i, device=CPU))
    if isinstance(i, Tensor):
        name = i._layout.dtype.name
        if name not in ("int64", "int32", "int16", "int8", "bool", "uint8"):
            raise IndexError(f"tensors used as indices must be long, int, byte or bool tensors, got {i._layout.dtype}")
        if i._layout.ndim == 0 and name not in ("bool", "uint8") and i._layout.has_values:
            return int(i.item())
        return i if name in ("int64", "int32", "bool", "uint8") else i.to(dtypes.int64)
    if hasattr(i, "__index__"):
        return i.__index__()
    kind = IndexError if isinstance(i, (float, complex)) else TypeError
    raise kind(f"only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got "
                    f"{type(i).__name__})")


def _bound(value):
    if value is None or value.__class__ is int:
        return value
    if not hasattr(value, "__index__"):
        raise TypeError(f"slice indices must be integers or None or have an __index__ method, not "
                        f"{type(value).__name__}")
    return value.__index__()


_plans: dict = {}


def install():
    """Hang indexing on Tensor; after the calls are written."""
    global _plans
    _plans = OPS["_index"].call._plans
    Tensor.__getitem__, Tensor.__setitem__ = getitem, setitem


def put_in_place(part, tensors, dims, value, accumulate):
    """Write `value` where index tensors say, on the tape when it must be. One number of the CPU goes to any device."""
    if value._layout.ndim == 0 and value._layout.device is CPU:
        value = value.to(part._layout.device)
    if state.active and any(t._layout.__class__ is not Layout for t in (part, value, *tensors)):
        places = [None] * part._layout.ndim
        for d, t in zip(dims, tensors, strict=True):
            places[d] = t
        answer(OPS["index_put"], True, (part, places, value, accumulate))
        return
    check_inplace("index_put", part)
    check_apart("index_put_", part, (value, *tensors))
    if mode.enabled and (part._needs_grad or value._needs_grad):
        overwrite(part, OPS["_index_set"].call(part, value, tensors, dims, accumulate))
        return
    OPS["_index_write"].call(part, value, tensors, dims, accumulate)
    part._storage.version += 1


__all__ = ["getitem", "install", "put_in_place", "setitem"]
