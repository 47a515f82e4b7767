"""Storage: a block of memory that one or more tensors view."""

import numpy as np


class Storage:
    """`nbytes` bytes at address `ptr`, kept alive by `block`; `version` counts in-place changes."""

    __slots__ = ("block", "ptr", "nbytes", "version", "device", "__weakref__")

    @classmethod
    def from_buffer(cls, array):
        """The memory of a NumPy array (or of anything with the buffer protocol), shared."""
        if not isinstance(array, np.ndarray):
            array = np.frombuffer(array, dtype=np.uint8)
        self = cls.__new__(cls)
        self.block, self.ptr, self.nbytes, self.version = array, array.ctypes.data, array.nbytes, 0
        return self

    @classmethod
    def allocate(cls, nbytes):
        """New memory, not initialised."""
        from .plan import backend
        runtime = backend("cpu")
        self = cls.__new__(cls)
        self.block = runtime.allocate(nbytes)
        self.ptr, self.nbytes, self.version = runtime.address(self.block), nbytes, 0
        return self

    def numpy(self):
        """All bytes as a NumPy array that keeps this storage alive."""
        return window(self, self.ptr, (self.nbytes,), (1,), np.dtype(np.uint8))


class _Window:
    """NumPy's array interface of a part of a storage."""

    __slots__ = ("storage", "__array_interface__")


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
    """The bytes that tensors view: data_ptr(), nbytes(), and equality of memory."""

    __slots__ = ("_storage",)

    def __init__(self, storage):
        self._storage = Storage.allocate(storage) if isinstance(storage, int) else storage

    def data_ptr(self):
        return self._storage.ptr

    def nbytes(self):
        return self._storage.nbytes

    size = __len__ = nbytes

    def _cdata(self):
        return id(self._storage)

    def numpy(self):
        return self._storage.numpy()

    def tolist(self):
        return self._storage.numpy().tolist()

    def __eq__(self, other):
        return isinstance(other, UntypedStorage) and self._storage is other._storage

    def __hash__(self):
        return id(self._storage)
