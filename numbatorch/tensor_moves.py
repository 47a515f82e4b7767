"""Tensor's way to other devices, dtypes and processes: `to` and its forms, copies, pickles."""

from __future__ import annotations

import copy as copying
from typing import TYPE_CHECKING, Any

import numpy as np

from . import dtypes
from .attributes import fields
from .device import CPU, device as device_type, usable
from .layout import has_format, layout, span
from .ops.declare import OPS
from .storage import Storage, window

if TYPE_CHECKING:
    from .tensor import Tensor
else:
    Tensor: Any = None  # these three are set by tensor.py, whose class takes over the members of Part
alias: Any = None
empty_layout: Any = None
_new = object.__new__


class Part:
    """Members of Tensor."""

    if TYPE_CHECKING:
        _layout: Any
        _storage: Any
        _ptr: Any
        _needs_grad: Any
        _grad: Any
        _node: Any

        def __getattr__(self, name: str) -> Any: ...

    def to(self, *args, **kwargs) -> Tensor:
        """to(dtype), to(device, dtype), to(other), non_blocking and copy as in PyTorch. Itself when nothing changes."""
        dtype, device, copy = parse_to(*args, **kwargs)
        if device is not None and device is not self._layout.device:
            device = usable("to: ", device)
            if device is not self._layout.device:
                return _sent(self, device, dtype, kwargs.get("memory_format"), not is_asynchronous(args, kwargs))
        return converted(self, dtype or self._layout.dtype, kwargs.get("memory_format"), copy)

    def cpu(self, memory_format=None) -> Tensor:
        """This tensor in the host's memory; itself where it is there."""
        if self._layout.device is CPU:
            return self if memory_format is None else self.contiguous(memory_format)  # type: ignore[return-value]
        return _sent(self, CPU, None, memory_format)

    def cuda(self, device=None, non_blocking=False, memory_format=None) -> Tensor:
        """This tensor on a GPU, the current one or `device`; itself where it is there."""
        return self.to(_on("cuda", device), non_blocking=non_blocking, memory_format=memory_format)

    def xpu(self, device=None, non_blocking=False, memory_format=None) -> Tensor:
        return self.to(_on("xpu", device), non_blocking=non_blocking, memory_format=memory_format)

    def record_stream(self, stream) -> None:
        """Say that work on another stream uses this tensor: its memory is given to others after that work only."""
        used_on = getattr(self._storage.root.block, "used_on", None)
        if used_on is None:
            raise RuntimeError(f"record_stream: tensors on {self._layout.device} belong to no stream")
        used_on(stream.cuda_stream)

    def type_as(self, other) -> Tensor:
        """This tensor in the dtype of another one, and on its device."""
        return self.to(other)

    def share_memory_(self) -> Tensor:
        """Move the storage to memory that processes share, and with it all tensors over it; returns this tensor.

        RuntimeError where the system has no shared memory left.
        """
        from .sharing import share
        share(self)
        return self  # type: ignore[return-value]

    def __deepcopy__(self, memo) -> Tensor:
        if id(self) in memo:
            return memo[id(self)]
        if self._node is not None:
            raise RuntimeError("Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
                               "protocol at the moment: call detach() first.")
        storages = memo.setdefault("numbatorch storages", {})
        storage = storages.get(id(self._storage.root))
        if storage is None:
            storage = storages[id(self._storage.root)] = copied(self._storage, self._storage.nbytes)
        result = _new(type(self))
        result._layout, result._storage = self._layout, storage
        result._ptr = storage.ptr + (self._ptr - self._storage.ptr)
        memo[id(self)] = result
        if self._needs_grad:
            result._needs_grad = True
        if self._grad is not None:
            result._grad = copying.deepcopy(self._grad, memo)
        for name, value in self.__dict__.items():
            fields(result)[name] = copying.deepcopy(value, memo)
        return result  # type: ignore[return-value]

    def __reduce_ex__(self, protocol):
        if self._node is not None:
            raise RuntimeError("cannot pickle a tensor that is a result of recorded operations: call detach() first")
        own = self._layout
        extra = dict(self.__dict__)
        if type(self) is not Tensor:  # a plain tensor inside, so that what knows how to send those need not know more
            return _rebuild_subclass, (type(self), {"tensor": alias(self, own), "requires_grad": self._needs_grad,
                                                    "attributes": extra})  # in a dict: tuples get the subclass
        count = span(own.shape, own.strides)
        if own.device is not CPU:
            content = _moved_to_host(self) if own.has_values else None
            return _rebuild_on, (own.device, content, own.dtype.name, own.shape, own.strides, self._needs_grad, extra)
        raw = window(self._storage, self._ptr, (count * own.dtype.itemsize,), (1,), np.dtype(np.uint8))
        return _rebuild, (Tensor, raw.copy() if protocol >= 5 else raw.tobytes(), own.dtype.name, own.shape,
                          own.strides, self._needs_grad, extra)


def _rebuild(cls, raw, dtype_name, shape, strides, requires_grad, extra):
    """A tensor from its pickled bytes."""
    raw = np.frombuffer(bytearray(raw), dtype=np.uint8) if isinstance(raw, bytes) else raw
    result = _new(cls)
    result._storage = Storage.from_buffer(raw)
    result._layout, result._ptr = layout(dtypes.by_name(dtype_name), shape, strides), result._storage.ptr
    if requires_grad:
        result._needs_grad = True
    fields(result).update(extra)
    return result


def _rebuild_on(device, content, dtype_name, shape, strides, requires_grad, extra):
    """A tensor of another device from the pickled one of the host; of the meta device there is none."""
    device = usable("load: ", device)
    if content is None:
        result = empty_layout(layout(dtypes.by_name(dtype_name), shape, strides, device))
    else:
        result = content.to(device)
    result._needs_grad = requires_grad
    fields(result).update(extra)
    return result


def _rebuild_subclass(cls, parts):
    """A tensor of a subclass from the plain one that was pickled with it."""
    result, tensor = _new(cls), parts["tensor"]
    result._layout, result._storage, result._ptr = tensor._layout, tensor._storage, tensor._ptr
    result._needs_grad = parts["requires_grad"]
    fields(result).update(parts["attributes"])
    return result


def converted(tensor, dtype, memory_format=None, copy=False):
    """`tensor` in a dtype and order of dimensions; itself where it has both and `copy` is not asked for."""
    free = memory_format is None or memory_format.name == "preserve_format"
    if dtype is tensor._layout.dtype and not copy and (free or has_format(tensor._layout, memory_format.name)):
        return tensor
    return OPS["_to"].call(tensor, dtype, False, None if free else memory_format)


def _sent(tensor, device, dtype=None, memory_format=None, wait=True):
    from .transfer import sent
    return sent(tensor, device, dtype, memory_format, wait)


def _on(type, device):
    """The device that `Tensor.cuda(device)` names: a device, its name or its index. RuntimeError for another type."""
    chosen = device_type(type, device) if device is None or isinstance(device, int) else device_type(device)
    if chosen.type != type:
        raise RuntimeError(f"Invalid device, must be {type} device: got {chosen}")
    return chosen


def is_asynchronous(args, kwargs):
    """Whether a call of `to` says non_blocking: by name, or as the first of its flags."""
    return bool(kwargs.get("non_blocking") or next((a for a in args if isinstance(a, bool)), False))


def _moved_to_host(tensor):
    """The values in the host's memory, as they lie: an unrecorded tensor."""
    from .transfer import moved
    return moved(tensor.detach(), CPU)


def copied(storage, nbytes):
    """A new storage of `nbytes` bytes on the same device, with the bytes of another one as far as it has them."""
    from .transfer import copy_bytes
    result = Storage.allocate(nbytes, storage.device)
    copy_bytes(storage.device, result.ptr, storage.device, storage.ptr, min(nbytes, storage.nbytes))
    return result


def parse_to(*args, dtype=None, device=None, non_blocking=False, copy=False, memory_format=None, other=None):
    """(dtype, device, copy) from the arguments of `Tensor.to` or `Module.to`."""
    flags = [a for a in args if isinstance(a, bool)]  # non_blocking, copy
    copy = flags[1] if len(flags) > 1 else copy
    for a in args:
        a = dtypes.of_type(a)
        if isinstance(a, dtypes.dtype):
            dtype = a
        elif isinstance(a, Tensor):
            dtype, device = a.dtype, a.device
        elif isinstance(a, (str, device_type)):
            device = a
        elif isinstance(a, bool) or a is None:
            continue
        elif isinstance(a, int):
            device = device_type("cuda", a)
        else:
            raise TypeError(f"to() received an invalid combination of arguments - got {type(a).__name__}; expected a "
                            "dtype, a device or a Tensor")
    if other is not None:
        dtype, device = other.dtype, other.device
    dtype = dtypes.of_type(dtype)
    if dtype is not None and not isinstance(dtype, dtypes.dtype):
        raise TypeError(f"to(): argument 'dtype' must be torch.dtype, not {type(dtype).__name__}")
    return dtype, None if device is None else device_type(device), copy
