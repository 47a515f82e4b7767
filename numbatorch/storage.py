"""Storage: a block of memory that one or more tensors view."""

import os
import weakref

import numpy as np

from .versions import OPEN, start


class Storage:
    """`nbytes` bytes at address `ptr`, kept alive by `block`; `version` counts in-place changes."""

    __slots__ = ("block", "ptr", "nbytes", "version", "__weakref__")

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

    @classmethod
    def allocate(cls, nbytes):
        """New memory, not initialised."""
        from .plan import backend
        runtime = backend("cpu")
        self = cls.__new__(cls)
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


class TwinStorage(Storage):
    """The memory of another storage, `root`, with a count of changes of its own: what `.data` views."""

    __slots__ = ("root",)


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
    """A writable NumPy array over a part of a storage."""
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

    is_sparse = is_cuda = is_hpu = False

    def __init__(self, storage=0, *, device=None):
        if isinstance(storage, int):
            storage = Storage.allocate(storage)
        elif not isinstance(storage, Storage):
            if not hasattr(storage, "__getitem__") or isinstance(storage, str):
                raise TypeError(f"UntypedStorage: expected a size or a sequence of bytes, got {type(storage).__name__}")
            storage = Storage.from_buffer(np.array(storage, dtype=np.uint8))
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
        from .device import CPU
        return CPU

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
        """-1: the CPU."""
        return -1

    def _cdata(self):
        return id(self._storage)

    def numpy(self):
        """The bytes as a NumPy array over the same memory."""
        return self._storage.numpy()

    def tolist(self):
        """The bytes as Python ints."""
        return self._storage.numpy().tolist()

    def untyped(self):
        """Itself."""
        return self

    def cpu(self):
        """Itself."""
        return self

    def is_pinned(self, device="cuda"):
        """Whether pages are locked for an accelerator: never."""
        return False

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
        return UntypedStorage(Storage.from_buffer(self.numpy().copy()))

    def copy_(self, source, non_blocking=None):
        """Take over the bytes of a storage of the same size. RuntimeError for other sizes."""
        if source.nbytes() != self.nbytes():
            raise RuntimeError(f"copy_: size does not match, self was {self.nbytes()} but src was {source.nbytes()}")
        self.numpy()[:] = source.numpy()
        self._storage.version += 1
        return self

    def fill_(self, value):
        """Make all bytes `value`."""
        self.numpy()[:] = value
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
            return UntypedStorage(Storage.from_buffer(self.numpy()[at]))
        return int(self.numpy()[at])

    def __setitem__(self, at, value):
        self.numpy()[at] = value
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
        return UntypedStorage.from_buffer, (self.numpy().tobytes(),)

    def __repr__(self):
        lines = "\n ".join(str(v) for v in self.tolist())
        return f" {lines}\n[torch.storage.UntypedStorage(device=cpu) of size {self.nbytes()}]"

    def __eq__(self, other):
        return isinstance(other, UntypedStorage) and self._storage is other._storage

    def __hash__(self):
        return id(self._storage)


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
