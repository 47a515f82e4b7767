"""Storage: a block of memory that one or more tensors view."""

import os
import weakref

import numpy as np

from .device import CPU, usable
from .errors import NotOnHostError
from .plan import backend, storage_class
from .versions import OPEN, start


class Storage:
    """`nbytes` bytes at address `ptr` of `device`, kept alive by `block`; `version` counts in-place changes."""

    __slots__ = ("block", "ptr", "nbytes", "version", "__weakref__")
    device = CPU  # of other devices' storages: `plan.storage_class`

    @property
    def root(self):
        """The storage that stands for the memory: itself, but for a twin."""
        return self

    @classmethod
    def from_buffer(cls, array):
        """The memory of a NumPy array (or of anything with the buffer protocol), shared."""
        if not isinstance(array, np.ndarray):
            array = np.frombuffer(array, dtype=np.uint8)
        self = cls.__new__(cls)
        self.block, self.ptr, self.nbytes, self.version = array, array.ctypes.data, array.nbytes, start.version
        return self

    @staticmethod
    def allocate(nbytes, device=CPU):
        """New memory, not initialised."""
        runtime = backend(device)
        self = object.__new__(storage_class(device))
        self.block = runtime.allocate(nbytes)
        self.ptr, self.nbytes, self.version = runtime.address(self.block), nbytes, start.version
        return self

    def numpy(self):
        """All bytes as a NumPy array that keeps this storage alive."""
        return window(self, self.ptr, (self.nbytes,), (1,), np.dtype(np.uint8))


class BorrowedStorage(Storage):
    """The memory of an array that the user made: it can be shared, but not exchanged for a larger one."""

    __slots__ = ()


class SharedStorage(BorrowedStorage):
    """A part of a segment (`block`) that other processes map, too: see sharing.py."""

    __slots__ = ()


class PinnedStorage(Storage):
    """Memory of the host that an accelerator reads and writes directly."""

    __slots__ = ()

    @classmethod
    def allocate_pinned(cls, nbytes, kind="cuda"):
        """New memory, not initialised. NoAcceleratorError where there is no device of that kind."""
        self = object.__new__(cls)
        self.block = backend(kind).pinned_memory(nbytes)
        self.ptr, self.nbytes, self.version = self.block.address, nbytes, start.version
        return self


class TwinStorage(Storage):
    """The memory of another storage, `root`, with a count of changes of its own: what `.data` views."""

    __slots__ = ("root",)
    device = property(lambda self: self.root.device)


def twin(storage, version=0):
    """The memory of a storage with changes counted from `version`; that of inference tensors stays theirs."""
    self, root = object.__new__(TwinStorage), storage.root
    self.root, self.block, self.ptr, self.nbytes = root, root.block, root.ptr, root.nbytes
    self.version = OPEN if storage.version < 0 else max(version, 0)
    return self


class _Window:
    """NumPy's array interface of a part of a storage."""

    __slots__ = ("storage", "__array_interface__")


def under(array):
    """The storage that a NumPy array made by `window` views, or a new one over the array's memory."""
    return array.base.storage if isinstance(array.base, _Window) else Storage.from_buffer(array)


def window(storage, ptr, shape, byte_strides, numpy_dtype):
    """A writable NumPy array over a part of a storage. NotOnHostError for memory that is not the host's."""
    if storage.device is not CPU:
        raise NotOnHostError(f"can't convert {storage.device} device type tensor to numpy. Use Tensor.cpu() to copy "
                             "the tensor to host memory first.")
    if 0 in shape:
        return np.empty(shape, numpy_dtype)
    w = _Window()
    w.storage = storage
    known = numpy_dtype.isbuiltin == 1
    carrier = numpy_dtype if known else np.dtype(f"u{numpy_dtype.itemsize}")
    w.__array_interface__ = {"version": 3, "shape": tuple(shape), "strides": tuple(byte_strides),
                             "typestr": carrier.str, "data": (ptr, False)}
    array = np.asarray(w)
    return array if known else array.view(numpy_dtype)


class UntypedStorage:
    """UntypedStorage(n), UntypedStorage(sequence of byte values): the bytes that tensors view."""

    __slots__ = ("_storage",)

    is_sparse = is_hpu = False
    is_cuda = property(lambda self: self.device.type == "cuda")

    def __init__(self, storage=0, *, device=None):
        place = CPU if device is None else usable("UntypedStorage: ", device)
        if isinstance(storage, int):
            storage = Storage.allocate(storage, place)
        elif not isinstance(storage, Storage):
            if not hasattr(storage, "__getitem__") or isinstance(storage, str):
                raise TypeError(f"UntypedStorage: expected a size or a sequence of bytes, got {type(storage).__name__}")
            storage = UntypedStorage(Storage.from_buffer(np.array(storage, dtype=np.uint8))).to(place)._storage
        self._storage = storage

    @classmethod
    def from_buffer(cls, buffer, **_):
        """The memory of an object with the buffer protocol, copied."""
        return cls(Storage.from_buffer(np.frombuffer(buffer, dtype=np.uint8).copy()))

    @classmethod
    def from_file(cls, filename, shared=False, nbytes=0):
        """The first `nbytes` bytes of a file. shared: changes go to the file, which is made and grows as needed.

        RuntimeError for a file that cannot be opened, or is too small.
        """
        return cls(Storage.from_buffer(_mapped(filename, bool(shared), nbytes)))

    @property
    def device(self):
        """Where the memory is."""
        return self._storage.device

    def data_ptr(self):
        """The address of the first byte."""
        return self._storage.ptr

    def nbytes(self):
        """How many bytes there are."""
        return self._storage.nbytes

    size = __len__ = nbytes

    def element_size(self):
        """1: elements are bytes."""
        return 1

    def get_device(self):
        """The index of the device, -1 on those that are not numbered."""
        return -1 if self.device.index is None else self.device.index

    def _cdata(self):
        return id(self._storage)

    def numpy(self):
        """The bytes as a NumPy array over the same memory. TypeError where that is not the host's."""
        return self._storage.numpy()

    def tolist(self):
        """The bytes as Python ints."""
        return self.cpu()._storage.numpy().tolist()

    def untyped(self):
        """Itself."""
        return self

    def cpu(self):
        """The bytes in the host's memory; itself where they are there."""
        return self.to(CPU)

    def to(self, device, non_blocking=False):
        """The bytes on a device; itself where they are there."""
        place = usable("to: ", device)
        if place is self.device:
            return self
        return self._copy(place, not non_blocking)

    def cuda(self, device=None, non_blocking=False):
        """The bytes on a GPU."""
        return self.to("cuda" if device is None else device, non_blocking)

    def _copy(self, device, wait=True):
        from .transfer import copy_bytes
        result = Storage.allocate(self._storage.nbytes, device)
        copy_bytes(device, result.ptr, self.device, self._storage.ptr, result.nbytes, wait)
        return UntypedStorage(result)

    def is_pinned(self, device="cuda"):
        """Whether an accelerator reads and writes the memory, which is the host's, directly."""
        return isinstance(self._storage, PinnedStorage)

    def pin_memory(self, device="cuda"):
        """A copy that an accelerator reads and writes directly; itself where it is one, or there is no accelerator."""
        from .transfer import pinned_storage
        found = pinned_storage(self._storage)
        return self if found is self._storage else UntypedStorage(found)

    def is_shared(self):
        """Whether the memory is one that processes share."""
        return isinstance(self._storage, SharedStorage)

    def share_memory_(self):
        """Move the bytes to memory that processes share, and with them all tensors over them."""
        from .sharing import share
        share(self)
        return self

    def clone(self):
        """A copy."""
        return self._copy(self.device)

    def copy_(self, source, non_blocking=None):
        """Take over the bytes of a storage of the same size. RuntimeError for other sizes."""
        if source.nbytes() != self.nbytes():
            raise RuntimeError(f"copy_: size does not match, self was {self.nbytes()} but src was {source.nbytes()}")
        from .transfer import copy_bytes
        copy_bytes(self.device, self._storage.ptr, source.device, source._storage.ptr, self.nbytes(), not non_blocking)
        self._storage.version += 1
        return self

    def fill_(self, value):
        """Make all bytes `value`."""
        backend(self.device).fill(self._storage.ptr, value, self.nbytes())
        self._storage.version += 1
        return self

    def resize_(self, size):
        """Use `size` bytes of the memory, no more than it had at first: tensors over it know its address.

        NotImplementedError for more.
        """
        most = _sizes.setdefault(self._storage, self._storage.nbytes)
        if size > most:
            raise NotImplementedError(f"UntypedStorage.resize_: memory of {most} bytes cannot grow to {size}, because "
                                      "tensors hold its address: resize a tensor over it")
        self._storage.nbytes = size
        return self

    def type(self, dtype=None):
        """The name of this class."""
        if dtype is not None:
            raise NotImplementedError("UntypedStorage.type: bytes have no dtype to convert from; view them through a "
                                      "tensor")
        return "torch.storage.UntypedStorage"

    def __getitem__(self, at):
        if isinstance(at, slice):
            if at.step not in (None, 1):
                raise RuntimeError(f"Trying to slice with a step of {at.step}, but only a step of 1 is supported")
            return UntypedStorage(Storage.from_buffer(self.cpu().numpy()[at])).to(self.device)
        return int(self.cpu().numpy()[at])

    def __setitem__(self, at, value):
        host = self.cpu()
        host.numpy()[at] = value
        if host is not self:
            self.copy_(host)
        self._storage.version += 1

    def __iter__(self):
        return iter(self.tolist())

    def __copy__(self):
        return self.clone()

    def __deepcopy__(self, memo):
        storages = memo.setdefault("numbatorch storages", {})  # tensors over it are copied with it
        if id(self._storage) not in storages:
            storages[id(self._storage)] = self.clone()._storage
        return UntypedStorage(storages[id(self._storage)])

    def __reduce__(self):
        return _rebuilt, (self.cpu().numpy().tobytes(), self.device)

    def __repr__(self):
        return f"{shown(self)}\n[torch.storage.UntypedStorage(device={self.device}) of size {self.nbytes()}]"

    def __eq__(self, other):
        return isinstance(other, UntypedStorage) and self._storage is other._storage

    def __hash__(self):
        return id(self._storage)


def shown(elements):
    """The elements of a storage, one a line; ... where there are none to show."""
    if not backend(elements.device).has_values:
        return "..."
    return " " + "\n ".join(str(v) for v in elements.tolist())


def _rebuilt(content, device):
    return UntypedStorage.from_buffer(content).to(device)


_sizes: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()  # of storages that were made smaller: what they had


def _mapped(filename, shared, nbytes):
    """The first bytes of a file as a NumPy array over its pages."""
    import mmap
    if nbytes == 0:
        return np.empty(0, np.uint8)
    try:
        descriptor = os.open(filename, os.O_RDWR | os.O_CREAT if shared else os.O_RDONLY, 0o600)
    except OSError as error:
        raise RuntimeError(f"unable to open file <{filename}> in {'read-write' if shared else 'read-only'} mode: "
                           f"{error.strerror} ({error.errno})") from None
    try:
        size = os.fstat(descriptor).st_size
        if size < nbytes:
            if not shared:
                raise RuntimeError(f"file <{filename}> size <{size}> is smaller than the required mapping size "
                                   f"<{nbytes}>")
            os.ftruncate(descriptor, nbytes)
        pages = mmap.mmap(descriptor, nbytes, access=mmap.ACCESS_WRITE if shared else mmap.ACCESS_COPY)
    finally:
        os.close(descriptor)
    return np.frombuffer(pages, dtype=np.uint8)


def __getattr__(name):
    """TypedStorage, which is made of tensors, is found here, too."""
    if name == "TypedStorage":
        from .legacy import TypedStorage
        return TypedStorage
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
