"""Tensor: an n-dimensional array with a layout over a storage, and its place on the tape.

Methods that are ops come from the op table (`install`); this file holds memory and conversion, `tensor_gradients.py`
its place on the tape, `tensor_values.py` what it is for Python and NumPy, `methods.py` what few programs call.
"""

from __future__ import annotations

import copy as copying
from typing import TYPE_CHECKING

import numpy as np

from . import (
    arguments,
    calls,
    dtypes,
    interception,
    missing,
    recording,
    results,
    subclassing,
    tensor_gradients,
    tensor_values,
)
from .autograd.modes import check_changeable
from .device import CPU, device as device_type, usable
from .layout import Layout, has_format, layout, span
from .ops.declare import OPS
from .plan import backend, storage_class
from .size import Size
from .storage import BorrowedStorage, SharedStorage, Storage, UntypedStorage, window
from .versions import start

if TYPE_CHECKING:
    pass

_new = object.__new__


def _is_on(type):
    return property(lambda self: self._layout.device.type == type)


class Tensor:
    """An n-dimensional array of one dtype. Make one with `tensor`, `zeros`, `from_numpy`, ...; `Tensor(2, 3)`."""

    _needs_grad = False
    _node = None
    _output_index = 0
    _grad = None
    _base = None
    _hooks = None
    _post_hooks = None
    _retains = False
    _grad_dtype: dtypes.dtype | str | None = None  # what .grad is converted to: None for this dtype, "any" for its own
    _generation = 0
    _viewed = 0  # views ever taken
    _seen_generation = 0
    _conj = False
    __array_priority__ = 1000

    _layout: Layout
    _storage: Storage
    _ptr: int

    def __new__(cls, *data, dtype=None, device=None):
        if len(data) == 1 and isinstance(data[0], Tensor):
            made = data[0].detach()
        else:
            from .legacy import construct
            made = construct(dtypes.get_default_dtype(), data, device)
        return made if cls is Tensor else cls._make_subclass(cls, made, False)

    def __init__(self, *args, **kwargs):
        pass

    @staticmethod
    def _make_subclass(cls, data, require_grad=False):
        """A tensor of class `cls` over the memory of `data`."""
        self = _new(cls)
        self._layout, self._storage, self._ptr = data._layout, data._storage, data._ptr
        if require_grad:
            self.requires_grad_(True)
        return self

    # ---------------------------------------------------------------- what it is

    @property
    def shape(self) -> Size:
        return Size(self._layout.shape)

    @property
    def dtype(self) -> dtypes.dtype:
        return self._layout.dtype

    @property
    def device(self) -> device_type:
        return self._layout.device

    @property
    def ndim(self) -> int:
        return self._layout.ndim

    @property
    def layout(self):
        from .creation import strided
        return strided

    @property
    def itemsize(self) -> int:
        return self._layout.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self._layout.numel * self._layout.dtype.itemsize

    def size(self, dim=None):
        """The shape, or its size along `dim`."""
        if dim is None:
            return Size(self._layout.shape)
        from .layout import wrap_dim
        if self._layout.ndim == 0:
            raise IndexError("Dimension specified as 0 but tensor has no dimensions" if dim in (0, -1) else
                             f"Dimension out of range (expected to be in range of [-1, 0], but got {dim})")
        return self._layout.shape[wrap_dim(dim, self._layout.ndim)]

    def stride(self, dim=None):
        """Strides in elements, or the one along `dim`."""
        if dim is None:
            return self._layout.strides
        from .layout import wrap_dim
        return self._layout.strides[wrap_dim(dim, self._layout.ndim)]

    def storage_offset(self) -> int:
        """Elements between the start of the storage and element 0."""
        return (self._ptr - self._storage.ptr) // self._layout.dtype.itemsize

    def dim(self) -> int:
        return self._layout.ndim

    ndimension = dim

    def numel(self) -> int:
        return self._layout.numel

    nelement = numel

    def element_size(self) -> int:
        return self._layout.dtype.itemsize

    def data_ptr(self) -> int:
        """Address of element 0."""
        return self._ptr if self._layout.numel else 0

    def is_contiguous(self, memory_format=None) -> bool:
        """Whether elements lie in row-major order, or in that of `memory_format`."""
        return self._layout.is_contiguous if memory_format is None else has_format(self._layout, memory_format.name)

    def is_floating_point(self) -> bool:
        """Whether the dtype is a floating-point one."""
        return self._layout.dtype.category == dtypes.FLOAT

    def is_complex(self) -> bool:
        """Whether the dtype is complex."""
        return self._layout.dtype.category == dtypes.COMPLEX

    def is_signed(self) -> bool:
        """Whether the dtype has numbers below 0."""
        return self._layout.dtype.is_signed

    def is_conj(self) -> bool:
        return False

    def is_neg(self) -> bool:
        return False

    def resolve_conj(self) -> Tensor:
        return self

    def resolve_neg(self) -> Tensor:
        return self

    def is_inference(self) -> bool:
        """Whether it views memory that `inference_mode` made."""
        return self._storage.version < 0

    def is_pinned(self) -> bool:
        return False

    def is_shared(self) -> bool:
        """Whether the memory is one that processes share."""
        return isinstance(self._storage.root, SharedStorage)

    def is_set_to(self, other) -> bool:
        return self._ptr == other._ptr and self._layout is other._layout

    def get_device(self) -> int:
        """The index of the device; -1 on those that are not numbered."""
        index = self._layout.device.index
        return -1 if index is None else index

    def is_distributed(self) -> bool:
        """Whether the tensor is spread over processes: never."""
        return False

    def is_same_size(self, other) -> bool:
        """Whether the shapes are equal."""
        return self._layout.shape == other._layout.shape

    is_sparse = is_sparse_csr = is_quantized = is_mkldnn = is_nested = False
    is_cpu, is_cuda, is_meta, is_mps, is_xpu = (_is_on(t) for t in ("cpu", "cuda", "meta", "mps", "xpu"))
    names = property(lambda self: (None,) * self._layout.ndim)

    def untyped_storage(self) -> UntypedStorage:
        """The storage, shared by all views of the same memory."""
        return UntypedStorage(self._storage.root)

    def storage(self):
        """The storage as a sequence of elements of this dtype."""
        from .legacy import TypedStorage
        return TypedStorage(wrap_storage=self.untyped_storage(), dtype=self._layout.dtype)

    def type(self, dtype=None, non_blocking=False, **_):
        """The type's name; or this tensor in `dtype`, a dtype, a class (torch.FloatTensor) or its name.

        ValueError for what names no dtype.
        """
        if dtype is None:
            return "torch." + TYPE_NAMES[self._layout.dtype.name]
        from .legacy import by_type
        return self.to(by_type(dtype))

    # ---------------------------------------------------------------- conversion

    def to(self, *args, **kwargs) -> Tensor:
        """to(dtype), to(device, dtype), to(other), non_blocking and copy as in PyTorch. Itself when nothing changes."""
        dtype, device, copy = parse_to(*args, **kwargs)
        if device is not None and device is not self._layout.device:
            device = usable("to: ", device)
            if device is not self._layout.device:
                return _sent(self, device, dtype, kwargs.get("memory_format"), not _is_asynchronous(args, kwargs))
        return _converted(self, dtype or self._layout.dtype, kwargs.get("memory_format"), copy)

    def cpu(self, memory_format=None) -> Tensor:
        """This tensor in the host's memory; itself where it is there."""
        if self._layout.device is CPU:
            return self if memory_format is None else self.contiguous(memory_format)
        return _sent(self, CPU, None, memory_format)

    def cuda(self, device=None, non_blocking=False, memory_format=None) -> Tensor:
        """This tensor on a GPU, the current one or `device`; itself where it is there."""
        return self.to(_on("cuda", device), non_blocking=non_blocking, memory_format=memory_format)

    def xpu(self, device=None, non_blocking=False, memory_format=None) -> Tensor:
        return self.to(_on("xpu", device), non_blocking=non_blocking, memory_format=memory_format)

    def contiguous(self, memory_format=None) -> Tensor:
        """Itself where elements lie in row-major order (or that of `memory_format`), else a copy that does."""
        if memory_format is not None:
            return _converted(self, self._layout.dtype, memory_format)
        return self if self._layout.is_contiguous else _convert(self, self._layout.dtype, True)

    def type_as(self, other) -> Tensor:
        """This tensor in the dtype of another one, and on its device."""
        return self.to(other)

    def pin_memory(self, device=None) -> Tensor:
        return self

    def share_memory_(self) -> Tensor:
        """Move the storage to memory that processes share, and with it all tensors over it; returns this tensor.

        RuntimeError where the system has no shared memory left.
        """
        from .sharing import share
        share(self)
        return self

    def __deepcopy__(self, memo) -> Tensor:
        if id(self) in memo:
            return memo[id(self)]
        if self._node is not None:
            raise RuntimeError("Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
                               "protocol at the moment: call detach() first.")
        storages = memo.setdefault("numbatorch storages", {})
        storage = storages.get(id(self._storage.root))
        if storage is None:
            storage = storages[id(self._storage.root)] = _copied(self._storage, self._storage.nbytes)
        result = _new(type(self))
        result._layout, result._storage = self._layout, storage
        result._ptr = storage.ptr + (self._ptr - self._storage.ptr)
        memo[id(self)] = result
        if self._needs_grad:
            result._needs_grad = True
        if self._grad is not None:
            result._grad = copying.deepcopy(self._grad, memo)
        for name, value in self.__dict__.items():
            if name not in _OWN:
                result.__dict__[name] = copying.deepcopy(value, memo)
        return result

    def __reduce_ex__(self, protocol):
        if self._node is not None:
            raise RuntimeError("cannot pickle a tensor that is a result of recorded operations: call detach() first")
        own = self._layout
        extra = {k: v for k, v in self.__dict__.items() if k not in _OWN}
        if type(self) is not Tensor:  # a plain tensor inside, so that what knows how to send those need not know more
            return _rebuild_subclass, (type(self), {"tensor": alias(self, own), "requires_grad": self._needs_grad,
                                                    "attributes": extra})  # in a dict: tuples get the subclass
        count = span(own.shape, own.strides)
        if own.device is not CPU:
            content = moved_to_host(self) if own.has_values else None
            return _rebuild_on, (own.device, content, own.dtype.name, own.shape, own.strides, self._needs_grad, extra)
        raw = window(self._storage, self._ptr, (count * own.dtype.itemsize,), (1,), np.dtype(np.uint8))
        return _rebuild, (Tensor, raw.copy() if protocol >= 5 else raw.tobytes(), own.dtype.name, own.shape,
                          own.strides, self._needs_grad, extra)

    def resize_(self, *size, memory_format=None) -> Tensor:
        """Give this tensor another shape, with more memory where it needs it. Contents stay as far as they reach."""
        shape = tuple(size[0]) if len(size) == 1 and isinstance(size[0], (tuple, list)) else tuple(size)
        if self._needs_grad:
            raise RuntimeError("cannot resize variables that require grad")
        check_changeable("resize_", self)
        new = layout(self._layout.dtype, shape, None, self._layout.device)
        offset = self._ptr - self._storage.ptr
        if offset + new.nbytes > self._storage.nbytes:
            if isinstance(self._storage.root, BorrowedStorage):
                owner = "other processes share" if self.is_shared() else "the NumPy array that this tensor shares has"
                raise RuntimeError(f"resize_: Trying to resize storage that is not resizable: {list(shape)} of "
                                   f"{self.dtype} needs more memory than {owner}; clone() it first")
            storage = _copied(self._storage, offset + new.nbytes)
            self._storage, self._ptr = storage, storage.ptr + offset
        self._layout = new
        return self

    def resize_as_(self, other, memory_format=None) -> Tensor:
        return self.resize_(other.shape)

    def set_(self, source=None, storage_offset=0, size=None, stride=None) -> Tensor:
        """Make this tensor view another tensor's memory, or a storage with the given geometry."""
        check_changeable("set_", self)
        if source is None:
            empty = empty_layout(layout(self.dtype, (0,), None, self.device))
            self._layout, self._storage, self._ptr = empty._layout, empty._storage, empty._ptr
        elif isinstance(source, Tensor) and size is None:
            self._layout, self._storage, self._ptr = source._layout, source._storage, source._ptr
        else:
            if not isinstance(source, Tensor):
                from .legacy import over_storage
                source = over_storage(source, self.dtype)
            size = tuple(size) if size is not None else (source._storage.nbytes // self.itemsize - storage_offset,)
            made = tensor_from_storage(source._storage, self.dtype, size, stride, storage_offset)
            self._layout, self._storage, self._ptr = made._layout, made._storage, made._ptr
        return self

    def zero_(self) -> Tensor:
        """0 everywhere, in place."""
        return OPS["fill"].call_inplace(self, 0)

    def map_(self, other, function) -> Tensor:
        check_changeable("map_", self)
        array, given = self._array(), other._array()
        for at in np.ndindex(array.shape):
            array[at] = function(array[at].item(), given[at].item())
        self._storage.version += 1
        return self

    def apply_(self, function) -> Tensor:
        """Replace each element by function(element), in Python: slow, for tests."""
        check_changeable("apply_", self)
        array = self._array()
        for at in np.ndindex(array.shape):
            array[at] = function(array[at].item())
        self._storage.version += 1
        return self


_CASTS = {"float": dtypes.float32, "double": dtypes.float64, "half": dtypes.float16, "bfloat16": dtypes.bfloat16,
          "int": dtypes.int32, "long": dtypes.int64, "short": dtypes.int16, "char": dtypes.int8, "byte": dtypes.uint8,
          "bool": dtypes.bool, "chalf": dtypes.complex32, "cfloat": dtypes.complex64, "cdouble": dtypes.complex128}


def _cast(dtype):
    def method(self, memory_format=None) -> Tensor:
        return self if self._layout.dtype is dtype and memory_format is None else _converted(self, dtype, memory_format)
    method.__doc__ = f"This tensor in {dtype}; itself where it is that already."
    return method


for _name, _dtype in _CASTS.items():
    setattr(Tensor, _name, _cast(_dtype))


_OWN = frozenset("_layout _storage _ptr _needs_grad _node _output_index _grad _base _hooks _post_hooks _retains "
                 "_grad_dtype "
                 "_generation _seen_generation _viewed".split())
TYPE_NAMES = {"float32": "FloatTensor", "float64": "DoubleTensor", "float16": "HalfTensor",
               "bfloat16": "BFloat16Tensor", "int64": "LongTensor", "int32": "IntTensor", "int16": "ShortTensor",
               "int8": "CharTensor", "uint8": "ByteTensor", "bool": "BoolTensor", "complex32": "ComplexHalfTensor",
               "complex64": "ComplexFloatTensor", "complex128": "ComplexDoubleTensor",
               **{f"uint{n}": f"UInt{n}Tensor" for n in (16, 32, 64)},
               **{n: f"{n.capitalize()}Tensor" for n in dtypes.FLOAT8}}


def _rebuild(cls, raw, dtype_name, shape, strides, requires_grad, extra):
    """A tensor from its pickled bytes."""
    raw = np.frombuffer(bytearray(raw), dtype=np.uint8) if isinstance(raw, bytes) else raw
    result = _new(cls)
    result._storage = Storage.from_buffer(raw)
    result._layout, result._ptr = layout(dtypes.by_name(dtype_name), shape, strides), result._storage.ptr
    if requires_grad:
        result._needs_grad = True
    result.__dict__.update(extra)
    return result


def _rebuild_on(device, content, dtype_name, shape, strides, requires_grad, extra):
    """A tensor of another device from the pickled one of the host; of the meta device there is none."""
    device = usable("load: ", device)
    if content is None:
        result = empty_layout(layout(dtypes.by_name(dtype_name), shape, strides, device))
    else:
        result = content.to(device)
    result._needs_grad = requires_grad
    result.__dict__.update(extra)
    return result


def _rebuild_subclass(cls, parts):
    """A tensor of a subclass from the plain one that was pickled with it."""
    result, tensor = _new(cls), parts["tensor"]
    result._layout, result._storage, result._ptr = tensor._layout, tensor._storage, tensor._ptr
    result._needs_grad = parts["requires_grad"]
    result.__dict__.update(parts["attributes"])
    return result


def alias(tensor, layout_, offset_bytes=0):
    """The same memory with a layout of its own, outside the tape."""
    result = _new(Tensor)
    result._layout, result._storage, result._ptr = layout_, tensor._storage, tensor._ptr + offset_bytes
    return result


def empty_layout(layout_):
    """A tensor with uninitialised memory for a layout."""
    runtime, kind = _runtimes.get(layout_.device) or _runtime(layout_.device)
    result = _new(Tensor)
    result._storage = s = _new(kind)
    s.nbytes = n = layout_.nbytes
    s.block = block = runtime.allocate(n)
    s.ptr = result._ptr = runtime.address(block)
    s.version = start.version
    result._layout = layout_
    return result


_runtimes: dict = {}


def _runtime(device):
    found = _runtimes[device] = backend(device), storage_class(device)
    return found


def tensor_from_storage(storage, dtype, shape, strides=None, offset=0):
    """A tensor over a part of a storage; strides and offset in elements. RuntimeError for too small a storage."""
    layout_ = layout(dtype, shape, strides, storage.device)
    end = (offset + span(layout_.shape, layout_.strides)) * dtype.itemsize
    if end > storage.nbytes:
        raise RuntimeError(f"setStorage: sizes {list(shape)}, strides {list(layout_.strides)}, storage offset {offset} "
                           f"need {end} bytes, which is out of bounds for storage of size {storage.nbytes}")
    result = _new(Tensor)
    result._layout, result._storage, result._ptr = layout_, storage, storage.ptr + offset * dtype.itemsize
    return result


def _convert(tensor, dtype, contiguous):
    return OPS["_to"].call(tensor, dtype, contiguous)


def _converted(tensor, dtype, memory_format=None, copy=False):
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


def _is_asynchronous(args, kwargs):
    """Whether a call of `to` says non_blocking: by name, or as the first of its flags."""
    return bool(kwargs.get("non_blocking") or next((a for a in args if isinstance(a, bool)), False))


def moved_to_host(tensor):
    """The values in the host's memory, as they lie: an unrecorded tensor."""
    from .transfer import moved
    return moved(tensor.detach(), CPU)


def _copied(storage, nbytes):
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
    return dtype, None if device is None else device_type(device), copy


def arange(n):
    """0..n-1 as int64."""
    from .creation import arange as make
    return make(n)


def tensor(value):
    from .creation import tensor as make
    return make(value)


calls.Tensor = arguments.Tensor = results.Tensor = recording.Tensor = interception.Tensor = Tensor
for _part in (tensor_gradients, tensor_values):
    _part.Tensor, _part.alias, _part.empty_layout = Tensor, alias, empty_layout
    for _name, _member in vars(_part.Part).items():
        if _name not in ("__module__", "__dict__", "__weakref__", "__doc__"):
            setattr(Tensor, _name, _member)
subclassing.install(Tensor)
missing.mark(Tensor, "torch.Tensor")
