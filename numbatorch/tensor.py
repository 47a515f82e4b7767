"""Tensor: an n-dimensional array with a layout over a storage, and its place on the tape.

Methods that are ops come from the op table (`install`); this file holds memory and conversion, `tensor_gradients.py`
its place on the tape, `tensor_values.py` what it is for Python and NumPy, `methods.py` what few programs call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import (
    arguments,
    asking,
    calls,
    dtypes,
    eager_calls,
    interception,
    missing,
    recording,
    results,
    subclassing,
    tensor_gradients,
    tensor_moves,
    tensor_values,
)
from .attributes import Holder, shown
from .autograd import engine, rules
from .autograd.modes import check_changeable
from .device import CPU, device as device_type
from .layout import Layout, has_format, layout, span, wrap_dim
from .ops.declare import OPS
from .plan import backend, storage_class
from .size import Size
from .storage import BorrowedStorage, PinnedStorage, SharedStorage, Storage, UntypedStorage
from .tensor_moves import converted, copied
from .versions import start

if TYPE_CHECKING:
    pass

_new = object.__new__


def _is_on(type):
    return property(lambda self: self._layout.device.type == type)


class Tensor(Holder):
    """An n-dimensional array of one dtype. Make one with `tensor`, `zeros`, `from_numpy`, ...; `Tensor(2, 3)`."""

    __dict__ = shown

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
        shape = self._layout.shape
        if dim is None:
            return Size(shape)
        if dim.__class__ is int and -len(shape) <= dim < len(shape):
            return shape[dim]
        if not shape:
            raise IndexError("Dimension specified as 0 but tensor has no dimensions" if dim in (0, -1) else
                             f"Dimension out of range (expected to be in range of [-1, 0], but got {dim})")
        return shape[wrap_dim(dim, len(shape))]

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

    def is_pinned(self, device=None) -> bool:
        """Whether an accelerator reads and writes the memory, which is the host's, directly."""
        return isinstance(self._storage.root, PinnedStorage)

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
            place = self._layout.device.type
            return f"torch.{'' if place == 'cpu' else f'{place}.'}{TYPE_NAMES[self._layout.dtype.name]}"
        from .legacy import by_type
        return self.to(by_type(dtype))

    # ---------------------------------------------------------------- conversion

    def contiguous(self, memory_format=None) -> Tensor:
        """Itself where elements lie in row-major order (or that of `memory_format`), else a copy that does."""
        if memory_format is not None:
            return converted(self, self._layout.dtype, memory_format)
        return self if self._layout.is_contiguous else _convert(self, self._layout.dtype, True)

    def pin_memory(self, device=None) -> Tensor:
        """A copy that an accelerator reads and writes directly, so that `to(..., non_blocking=True)` need not wait.

        Itself where it is one already, and where there is no accelerator. RuntimeError unless it is on the CPU.
        """
        from .transfer import pinned
        return pinned(self)

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
            storage = copied(self._storage, offset + new.nbytes)
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
        return self if self._layout.dtype is dtype and memory_format is None else converted(self, dtype, memory_format)
    method.__doc__ = f"This tensor in {dtype}; itself where it is that already."
    return method


for _name, _dtype in _CASTS.items():
    setattr(Tensor, _name, _cast(_dtype))


TYPE_NAMES = {"float32": "FloatTensor", "float64": "DoubleTensor", "float16": "HalfTensor",
               "bfloat16": "BFloat16Tensor", "int64": "LongTensor", "int32": "IntTensor", "int16": "ShortTensor",
               "int8": "CharTensor", "uint8": "ByteTensor", "bool": "BoolTensor", "complex32": "ComplexHalfTensor",
               "complex64": "ComplexFloatTensor", "complex128": "ComplexDoubleTensor",
               **{f"uint{n}": f"UInt{n}Tensor" for n in (16, 32, 64)},
               **{n: f"{n.capitalize()}Tensor" for n in dtypes.FLOAT8}}


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


def arange(n, device=CPU, first=0):
    """n numbers from `first` on as int64; on the CPU, whatever the default device is."""
    from .creation import arange as make
    return make(first, first + n, device=device)


def tensor(value, device=CPU):
    """A tensor of a number; on the CPU, whatever the default device is."""
    from .creation import tensor as make
    return make(value, device=device)


asking.Tensor = calls.Tensor = arguments.Tensor = results.Tensor = recording.Tensor = interception.Tensor = Tensor
eager_calls.Tensor = Tensor
for _user in (engine, rules):
    _user.alias, _user.empty_layout = alias, empty_layout
for _part in (tensor_gradients, tensor_moves, tensor_values):
    _part.Tensor, _part.alias, _part.empty_layout = Tensor, alias, empty_layout
    for _name, _member in vars(_part.Part).items():
        if _name not in ("__module__", "__dict__", "__weakref__", "__doc__"):
            setattr(Tensor, _name, _member)
subclassing.install(Tensor)
missing.mark(Tensor, "torch.Tensor")
