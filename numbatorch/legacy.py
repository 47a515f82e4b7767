"""Typed storages and typed constructors: `storage()` as a sequence of elements, torch.FloatTensor, torch.LongStorage.

PyTorch's way to name a dtype before it had dtypes. isinstance() asks for the dtype; calling makes a tensor or storage.
"""

import numpy as np

from . import dtypes
from .device import CPU, usable
from .layout import layout
from .size import Size
from .storage import UntypedStorage, shown
from .tensor import TYPE_NAMES, Tensor, alias, empty_layout, tensor_from_storage


class TypedStorage:
    """TypedStorage(n), TypedStorage(sequence), TypedStorage(wrap_storage=bytes), with dtype=: elements of one dtype."""

    is_sparse = is_hpu = False

    def __init__(self, *args, wrap_storage=None, dtype=None, device=None):
        place = CPU if device is None else usable("TypedStorage: ", device)
        self.dtype = dtype or dtypes.get_default_dtype()
        if len(args) > 1:
            raise RuntimeError(f"TypedStorage: expected no argument, a size or a sequence, got {len(args)} arguments")
        if wrap_storage is not None:
            if args:
                raise RuntimeError("TypedStorage: wrap_storage= stands alone, without a size or a sequence")
            if not isinstance(wrap_storage, UntypedStorage):
                raise TypeError(f"TypedStorage: wrap_storage must be UntypedStorage, got {type(wrap_storage).__name__}")
            self._untyped_storage = wrap_storage
        elif not args or isinstance(args[0], int):
            size = args[0] if args else 0
            self._untyped_storage = UntypedStorage(size * self.dtype.itemsize, device=place)
        elif hasattr(args[0], "__getitem__") and not isinstance(args[0], (str, TypedStorage, UntypedStorage)):
            from .creation import tensor
            self._untyped_storage = tensor(args[0], dtype=self.dtype, device=place).untyped_storage()
        else:
            raise TypeError(f"TypedStorage: Argument type not recognized: {type(args[0])}")

    @property
    def _elements(self):
        return tensor_from_storage(self._untyped_storage._storage, self.dtype, (len(self),))

    def _class(self):
        return _STORAGES[self.dtype]

    def _place(self, at):
        if isinstance(at, slice):
            raise RuntimeError("slices are only supported in UntypedStorage.__getitem__")
        if not isinstance(at, int):
            raise RuntimeError(f"can't index a {type(self).__name__} with {type(at).__name__}")
        if not -len(self) <= at < len(self):
            raise IndexError(f"index {at} out of range for storage of size {len(self)}")
        return at

    def __len__(self):
        return self._untyped_storage.nbytes() // self.dtype.itemsize

    size = __len__

    def __getitem__(self, at):
        return self._elements[self._place(at)].item()

    def __setitem__(self, at, value):
        self._elements[at if isinstance(at, slice) else self._place(at)] = value

    def __iter__(self):
        return iter(self.tolist())

    def __eq__(self, other):
        return isinstance(other, TypedStorage) and self._untyped_storage == other._untyped_storage

    def __hash__(self):
        return hash(self._untyped_storage)

    def __repr__(self):
        lines = shown(self._elements)
        return f"{lines}\n[torch.storage.TypedStorage(dtype={self.dtype}, device={self.device}) of size {len(self)}]"

    def __copy__(self):
        return self.clone()

    def __deepcopy__(self, memo):
        from copy import deepcopy
        return self._over(deepcopy(self._untyped_storage, memo))

    def __reduce__(self):
        return _typed, (self._untyped_storage, self.dtype)

    @property
    def device(self):
        """Where the memory is."""
        return self._untyped_storage.device

    is_cuda = property(lambda self: self.device.type == "cuda")

    def _over(self, storage):
        return TypedStorage(wrap_storage=storage, dtype=self.dtype)

    def untyped(self):
        """The storage as bytes."""
        return self._untyped_storage

    def data_ptr(self):
        """The address of the first element."""
        return self._untyped_storage.data_ptr()

    def nbytes(self):
        """How many bytes there are."""
        return self._untyped_storage.nbytes()

    def element_size(self):
        """Bytes of an element."""
        return self.dtype.itemsize

    def get_device(self):
        """The index of the device, -1 on those that are not numbered."""
        return self._untyped_storage.get_device()

    def is_pinned(self, device="cuda"):
        """Whether an accelerator reads and writes the memory, which is the host's, directly."""
        return self._untyped_storage.is_pinned()

    def pin_memory(self, device="cuda"):
        """A copy that an accelerator reads and writes directly; itself where it is one, or there is no accelerator."""
        return type(self)(wrap_storage=self._untyped_storage.pin_memory(device), dtype=self.dtype)

    def is_shared(self):
        """Whether the memory is one that processes share."""
        return self._untyped_storage.is_shared()

    def share_memory_(self):
        """Move the elements to memory that processes share, and with them all tensors over them."""
        self._untyped_storage.share_memory_()
        return self

    def tolist(self):
        """The elements as Python numbers."""
        return self._elements.tolist()

    def clone(self):
        """A copy."""
        return self._over(self._untyped_storage.clone())

    def cpu(self):
        """The elements in the host's memory; itself where they are there."""
        return self.to("cpu")

    def to(self, device, non_blocking=False):
        """The elements on a device; itself where they are there."""
        moved = self._untyped_storage.to(device, non_blocking)
        return self if moved is self._untyped_storage else self._over(moved)

    def cuda(self, device=None, non_blocking=False):
        """The elements on a GPU."""
        return self.to("cuda" if device is None else device, non_blocking)

    def copy_(self, source, non_blocking=None):
        """Take over the elements of a storage of the same size, converted. RuntimeError for other sizes."""
        if len(source) != len(self):
            raise RuntimeError(f"copy_: size does not match, self was {len(self)} but src was {len(source)}")
        self._elements.copy_(source._elements)
        return self

    def fill_(self, value):
        """Make all elements `value`."""
        self._elements.fill_(value)
        return self

    def resize_(self, size):
        """Give the storage room for `size` elements; see UntypedStorage.resize_."""
        self._untyped_storage.resize_(size * self.dtype.itemsize)

    def type(self, dtype=None, non_blocking=False):
        """The name of the storage's class, or the elements converted to a dtype or to such a name."""
        if dtype is None:
            return f"torch.{self._class().__name__}"
        return _converted(self, by_type(dtype))

    @classmethod
    def from_buffer(cls, *args, dtype=None, **options):
        """The memory of an object with the buffer protocol, copied."""
        storage = UntypedStorage.from_buffer(*args, **options)
        return TypedStorage(wrap_storage=storage, dtype=dtype)

    @classmethod
    def from_file(cls, filename, shared=False, size=0, *, dtype=None):
        """`size` elements of a file, see `torch.from_file`."""
        dtype = dtype or getattr(cls, "dtype", None) or dtypes.get_default_dtype()
        storage = UntypedStorage.from_file(filename, shared, size * dtype.itemsize)
        return TypedStorage(wrap_storage=storage, dtype=dtype)


def _typed(storage, dtype):
    return TypedStorage(wrap_storage=storage, dtype=dtype)


def _converted(storage, dtype):
    return storage._elements.to(dtype, copy=True).storage()


class _StorageKind(type):
    """The class of storages of one dtype: FloatStorage."""

    dtype: dtypes.dtype

    def __instancecheck__(cls, instance):
        return isinstance(instance, TypedStorage) and instance.dtype is cls.dtype

    def __call__(cls, *args, **options):
        if "dtype" in options:
            raise RuntimeError(f"{cls.__name__}: Keyword argument 'dtype' cannot be specified: it is {cls.dtype}")
        return TypedStorage(*args, dtype=cls.dtype, **options)


class _TensorKind(type):
    """The class of tensors of one dtype: FloatTensor."""

    dtype: dtypes.dtype
    is_cuda = is_sparse = False

    @property
    def layout(cls):
        return cls().layout

    def __instancecheck__(cls, instance):
        return isinstance(instance, Tensor) and instance.dtype is cls.dtype

    def __call__(cls, *data, size=None, device=None):
        return construct(cls.dtype, data if size is None else (*data, Size(size)), device)


def construct(dtype, data, device=None):
    """A tensor of `dtype` as the typed constructors make it: of sizes, a sequence, an array, a tensor or a storage."""
    place = CPU if device is None else usable("", device)  # the default device is not asked
    if not data or isinstance(data[0], (int, Size, np.integer)):
        return empty_layout(layout(dtype, _sizes(data), None, place))
    if len(data) > 1:
        raise TypeError(f"new(): expected sizes or one sequence, tensor or storage, got {len(data)} arguments, the "
                        f"first a {type(data[0]).__name__}")
    given = data[0]
    if isinstance(given, Tensor):
        if given.dtype is not dtype:
            raise TypeError(f"new(): expected a tensor of {dtype}, got one of {given.dtype}: convert it with "
                            f".to({dtype})")
        return alias(given, given._layout)
    if isinstance(given, (TypedStorage, UntypedStorage)):
        return over_storage(given, dtype)
    if isinstance(given, float):
        raise TypeError(f"new(): data must be a sequence (got {type(given).__name__})")
    if isinstance(given, str):
        raise TypeError(f"new(): invalid data type '{type(given).__name__}'")
    from .creation import tensor
    if isinstance(given, dict) or not (hasattr(given, "__array__") or hasattr(given, "__getitem__")):
        raise TypeError(f"new(): data must be a sequence (got {type(given).__name__})")
    if dtype.category < dtypes.FLOAT and isinstance(given, (list, tuple)):
        made = tensor(given, device=place)
        if made.dtype.category == dtypes.FLOAT:
            return made.to(dtype)  # LongTensor([1.5]) cuts off, which tensor() refuses
    return tensor(given, dtype=dtype, device=place)


def _sizes(data):
    from .filling import _shape
    return _shape("new", data) if data else (0,)


def over_storage(storage, dtype):
    """A 1-d tensor of all elements of a storage. RuntimeError where the storage has elements of another dtype."""
    if isinstance(storage, TypedStorage):
        if storage.dtype is not dtype:
            raise RuntimeError(f"Expected a Storage of type {dtype} or an UntypedStorage, but got type {storage.dtype}")
        return storage._elements
    memory = storage._storage
    return tensor_from_storage(memory, dtype, (memory.nbytes // dtype.itemsize,))


def by_type(kind):
    """The dtype that a dtype, a typed class or its name stands for. ValueError for what is none of them."""
    if isinstance(kind, dtypes.dtype):
        return kind
    if isinstance(kind, (_TensorKind, _StorageKind)):
        return kind.dtype
    if kind is Tensor:
        return dtypes.get_default_dtype()
    found = _BY_NAME.get(kind.removeprefix("torch.")) if isinstance(kind, str) and kind.startswith("torch.") else None
    if found is None:
        named = kind if isinstance(kind, str) else getattr(kind, "__name__", kind)
        raise ValueError(f"invalid type: {named!r}: expected a dtype, torch.FloatTensor, 'torch.FloatTensor' or "
                         "another such class")
    return found


_BY_NAME = {name: dtypes.by_name(dtype) for dtype, name in TYPE_NAMES.items()}
_STORAGES = {}
for _name, _dtype in _BY_NAME.items():
    _label = _name.removesuffix("Tensor")
    globals()[_name] = _TensorKind(_name, (), {"dtype": _dtype, "__module__": "torch", "__doc__":
                                               f"Tensors of {_dtype}: isinstance() asks for it, calls make one."})
    globals()[f"{_label}Storage"] = _STORAGES[_dtype] = _StorageKind(
        f"{_label}Storage", (TypedStorage,), {"dtype": _dtype, "__module__": "torch", "__doc__":
                                              f"Storages of {_dtype}: isinstance() asks for it, calls make one."})
    _BY_NAME = {**_BY_NAME, f"{_label}Storage": _dtype}

_CASTS = {"float": dtypes.float32, "double": dtypes.float64, "half": dtypes.float16, "bfloat16": dtypes.bfloat16,
          "int": dtypes.int32, "long": dtypes.int64, "short": dtypes.int16, "char": dtypes.int8, "byte": dtypes.uint8,
          "bool": dtypes.bool, "complex_float": dtypes.complex64, "complex_double": dtypes.complex128}
for _name, _dtype in _CASTS.items():
    def _cast(self, _dtype=_dtype):
        return _converted(self, _dtype)
    _cast.__name__, _cast.__doc__ = _name, f"The elements in {_dtype}, copied."
    setattr(TypedStorage, _name, _cast)

Storage = _STORAGES[dtypes.float32]


def set_default_tensor_type(t):
    """Make tensors from Python floats of a floating-point class from now on, torch.DoubleTensor or its name.

    TypeError for other dtypes, and for classes of devices that are not available.
    """
    import sys
    if isinstance(t, str):
        owner = sys.modules[__package__]
        for part in t.removeprefix("torch.").split("."):
            owner = getattr(owner, part)
        t = owner
    if not isinstance(t, _TensorKind):
        raise TypeError("invalid type object: only floating-point types are supported as the default type; got "
                        f"{t!r}")
    if t.dtype.category != dtypes.FLOAT:
        raise TypeError(f"only floating-point types are supported as the default type, got {t.__name__}")
    dtypes.set_default_dtype(t.dtype)


__all__ = ["Storage", "TypedStorage", "by_type", "construct", "over_storage", "set_default_tensor_type"]
