"""Sharing memory through DLPack: tensors to and from other libraries without a copy.

NumPy makes and reads the capsules. Dtypes that it has no word for travel as unsigned integers of their size, and their
name in the capsule is put in or taken out on the way (DLPack's dlpack.h: DLDataType of DLTensor).
"""

import ctypes

import numpy as np

from . import dtypes
from .creation import from_numpy
from .layout import layout
from .tensor import Tensor, alias

# DLDataTypeCode and bits of what NumPy has no name for.
_CODES = {"bfloat16": (4, 16), "complex32": (5, 32), "float8_e4m3fn": (10, 8), "float8_e4m3fnuz": (11, 8),
          "float8_e5m2": (12, 8), "float8_e5m2fnuz": (13, 8)}
_NAMES = {code: name for name, code in _CODES.items()}
_UNSIGNED = 1


class _DType(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16)]


class _Tensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32),
                ("ndim", ctypes.c_int32), ("dtype", _DType), ("shape", ctypes.c_void_p), ("strides", ctypes.c_void_p),
                ("byte_offset", ctypes.c_uint64)]


class _Versioned(ctypes.Structure):
    _fields_ = [("major", ctypes.c_uint32), ("minor", ctypes.c_uint32), ("context", ctypes.c_void_p),
                ("deleter", ctypes.c_void_p), ("flags", ctypes.c_uint64), ("tensor", _Tensor)]


_name = ctypes.pythonapi.PyCapsule_GetName
_name.restype, _name.argtypes = ctypes.c_char_p, (ctypes.py_object,)
_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype, _pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)


def _described(capsule):
    """The DLTensor in a capsule. RuntimeError for a capsule that was read before, and for others."""
    name = _name(capsule)
    if name == b"dltensor":
        return _Tensor.from_address(_pointer(capsule, name))
    if name == b"dltensor_versioned":
        return _Versioned.from_address(_pointer(capsule, name)).tensor
    raise RuntimeError(f"from_dlpack received an invalid capsule ({name!r}). Note that DLTensor capsules can be "
                       "consumed only once, so you might have already constructed a tensor from it once.")


def exported(tensor, max_version=None, dl_device=None, copy=None):
    """A capsule over the memory of a tensor. BufferError where another device is asked for."""
    code = _CODES.get(tensor.dtype.name)
    if code is None:
        return tensor.detach().numpy().__dlpack__(max_version=max_version, dl_device=dl_device, copy=copy)
    carrier = np.dtype(f"u{tensor.element_size()}")
    array = tensor.detach()._array().view(carrier)
    capsule = array.__dlpack__(max_version=max_version, dl_device=dl_device, copy=copy)
    described = _described(capsule)
    described.dtype.code, described.dtype.bits = code
    return capsule


class _Reader:
    """What NumPy reads: a capsule, of a dtype that it knows."""

    def __init__(self, source):
        self.source, self.found = source, None

    def __dlpack_device__(self):
        return (1, 0) if type(self.source).__name__ == "PyCapsule" else self.source.__dlpack_device__()

    def __dlpack__(self, **options):
        capsule = self.source
        if type(capsule).__name__ != "PyCapsule":
            try:
                capsule = capsule.__dlpack__(**options)
            except TypeError:  # a library that knows no options yet
                capsule = capsule.__dlpack__()
        kind = _described(capsule).dtype
        self.found = _NAMES.get((kind.code, kind.bits))
        if self.found is not None:
            kind.code = _UNSIGNED
        return capsule


def from_dlpack(ext_tensor, *, device=None, copy=None):
    """A tensor over the memory of an object with `__dlpack__`, or of a capsule; a copy of it with `copy`.

    RuntimeError for a capsule that was read before, for memory that is not the CPU's, and for other objects.
    """
    if device is not None:
        from .device import usable
        usable("from_dlpack: ", device)
    if isinstance(ext_tensor, Tensor):
        shared = alias(ext_tensor, ext_tensor._layout)
    else:
        if type(ext_tensor).__name__ != "PyCapsule" and not hasattr(ext_tensor, "__dlpack__"):
            raise RuntimeError("from_dlpack received an invalid capsule: expected an object with __dlpack__ or a "
                               f"capsule, got {type(ext_tensor).__name__}")
        reader = _Reader(ext_tensor)
        shared = from_numpy(np.from_dlpack(reader))  # type: ignore[arg-type]
        if reader.found is not None:
            own = shared._layout
            shared = alias(shared, layout(dtypes.by_name(reader.found), own.shape, own.strides))
    return shared.clone() if copy else shared


def to_dlpack(tensor):
    """A capsule over the memory of a tensor, which `from_dlpack` of any library reads once."""
    return exported(tensor)
