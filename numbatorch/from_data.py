"""Making tensors from what there is: Python data, NumPy arrays, buffers, files."""

import ctypes
from array import array

import numpy as np

from . import dtypes
from .device import CPU
from .filling import _device, _dtype, _empty, _filled, _finish, _strided
from .interception import state
from .layout import layout, span
from .storage import BorrowedStorage, Storage, UntypedStorage
from .tensor import Tensor, empty_layout, tensor_from_storage
from .versions import start


def _of_array(array, dtype):
    """A contiguous tensor with a copy of a NumPy array's values."""
    array = np.asarray(array)
    own = dtypes.from_numpy(array.dtype)
    result = _empty(array.shape, dtype or own)
    if result.dtype.is_foreign and dtype is not own:
        return _of_array(array, result.dtype.familiar).to(result.dtype)
    if result.numel():
        with np.errstate(all="ignore"):
            result._array()[...] = array.astype(result.dtype.numpy) if dtype and dtype is not own else array
    return result


def _over(storage, dtype):
    """A flat tensor over the memory of a storage, which is not copied: its dtype, or that of a storage without, int64.

    TypeError where the storage has another dtype.
    """
    own = getattr(storage, "dtype", None)
    if own is not None and dtype not in (None, own):
        raise TypeError(f"tensor(): the elements of the storage are {own}, not {dtype}: view its untyped() as {dtype}")
    result = _empty((0,), own or dtype or dtypes.int64)
    result.set_(storage)
    return result


def _at(tensor, device):
    """A tensor of the host, on a device."""
    return tensor if device is CPU else tensor.to(device)


_SCALARS = (bool, int, float, complex)
# Numbers that are written as they are: (lowest, highest, dtypes) by their class. Comparing with NaN is false.
_USUAL: dict = {bool: (False, True, ("bool",)), int: (-2**63, 2**63 - 1, ("int64",)),
                float: (-1e38, 1e38, ("float32", "float64"))}


def _infer(data):
    """The dtype of nested Python data, and its shape."""
    shape = []
    level = [data]
    while isinstance(level[0], (list, tuple)):
        n = len(level[0])
        shape.append(n)
        flat = []
        for item in level:
            if not isinstance(item, (list, tuple)):
                raise TypeError(f"expected a sequence of length {n} at dim {len(shape) - 1}, got {type(item).__name__}")
            if len(item) != n:
                raise ValueError(f"expected sequence of length {n} at dim {len(shape) - 1} (got {len(item)})")
            flat += item
        level = flat
        if not level:
            break
    return tuple(shape), level


def tensor(data, *, dtype=None, device=None, requires_grad=False, pin_memory=False):
    """A new tensor with a copy of `data`: numbers, nested sequences, NumPy arrays, tensors. Storages are shared.

    The dtype is inferred where none is given: bool, int64, the default float or complex dtype. ValueError for ragged
    sequences, TypeError for what has no dtype, RuntimeError for values that the dtype cannot hold.
    """
    dtype = None if dtype is None else _dtype(dtype)
    usual = _USUAL.get(data.__class__)
    if usual is not None and usual[0] <= data <= usual[1] and state.traced is None and _device(device) is CPU:
        own = dtypes.of_number(data) if dtype is None else dtype
        if own.name in usual[2]:
            return _finish(_filled(layout(own, ()), data), requires_grad, pin_memory)
    if isinstance(data, Tensor):
        result = data.detach().to(data.device if device is None else _device(device), dtype)
        return _finish(result.clone() if result._storage is data._storage else result, requires_grad, pin_memory)
    place = _device(device)
    if isinstance(data, (np.ndarray, np.generic)):
        result = _of_array(data, dtype)
    elif isinstance(data, (list, tuple)):
        result = _of_sequence(data, dtype)
    elif isinstance(data, _SCALARS):
        own = dtype or dtypes.of_number(data)
        result = _empty((), own.familiar)
        with np.errstate(all="ignore"):
            result._array()[...] = _check_range(data, own)
        result = result.to(own) if own.is_foreign else result
    elif hasattr(data, "untyped"):  # a storage
        result = _over(data, dtype)
    elif hasattr(data, "__array__"):
        result = _of_array(np.asarray(data), dtype)
    elif hasattr(data, "__array_interface__") or hasattr(data, "__dlpack__"):
        result = _of_array(np.asarray(data), dtype)
    elif isinstance(data, (str, bytes)):
        raise TypeError(f"tensor(): invalid data type '{type(data).__name__}'")
    elif hasattr(data, "__len__") and hasattr(data, "__getitem__") and not hasattr(data, "keys"):
        result = _of_sequence(list(data), dtype)
    else:
        raise _no_dtype(data)
    return _finish(_at(result, place), requires_grad, pin_memory)


def _check_range(value, dtype):
    """A number that the dtype holds, or PyTorch's errors; unsigned dtypes wrap negative numbers once."""
    if isinstance(value, complex):
        if dtype.category == dtypes.INTEGER:
            raise TypeError(f"tensor(): 'complex' object cannot be interpreted as an integer: {value}")
        if dtype.category == dtypes.FLOAT:
            raise TypeError(f"tensor(): must be real number, not complex: {value} in {dtype}")
    elif dtype.category == dtypes.INTEGER and value.__class__ is not bool:
        if isinstance(value, int) and not -2**63 <= value < 2**63 and dtype.name != "uint64":
            raise ValueError(f"tensor(): Overflow when unpacking long long: {value} does not fit int64")
        low, high = dtypes.limits(dtype)
        if not low <= value <= high:
            raise RuntimeError(f"value cannot be converted to type {dtype.name} without overflow: {value}")
        if value < 0 and not dtype.is_signed:
            return value % (high + 1)
    return value


def _only_element(tensor):
    """A tensor among numbers as a number. TypeError, or ValueError as PyTorch has it, for more elements."""
    if tensor._layout.numel == 1:
        return tensor.item()
    error = TypeError if tensor.dtype.category <= dtypes.INTEGER else ValueError
    raise error("tensor(): only tensors of one element can be elements of a sequence, got shape "
                f"{list(tensor.shape)}: use stack() or cat()")


def _no_dtype(value, place="data", first=True):
    """The error for what is no number."""
    if isinstance(value, (list, tuple)) or isinstance(value, str) and not first:
        return TypeError(f"tensor(): {place} {value!r} is no number, as elements before it are")
    if isinstance(value, str):
        return ValueError(f"tensor(): too many dimensions 'str': {place} {value!r} is no number")
    if isinstance(value, bytes):
        return TypeError(f"tensor(): invalid data type 'bytes' of {place} {value!r}")
    return RuntimeError(f"tensor(): Could not infer dtype of {type(value).__name__}: {place} is no number, sequence, "
                        "array or tensor")


def _of_sequence(data, dtype):
    first = data[0].__class__ if data else None
    if first is float or first is int:  # the common cases: a flat list of floats, or of ints
        own = dtype or (dtypes._default if first is float else dtypes.int64)
        result = (_of_integers if own.category == dtypes.INTEGER else _of_floats)(data, own)
        if result is not None:
            return result
    shape, leaves = _infer(data)
    if any(isinstance(v, Tensor) for v in leaves):
        kinds = [v.dtype if isinstance(v, Tensor) else dtypes.of_number(v) for v in leaves]
        leaves = [_only_element(v) if isinstance(v, Tensor) else v for v in leaves]
    elif any(isinstance(v, np.ndarray) for v in leaves):
        return _of_array(np.array(data), dtype)
    else:
        for k, v in enumerate(leaves):
            if not isinstance(v, (*_SCALARS, np.generic)):
                if dtype is not None and not isinstance(v, str):
                    raise TypeError(f"tensor(): must be real number, not {type(v).__name__}")
                raise _no_dtype(v, "element", k == 0)
        kinds = [dtypes.from_numpy(v.dtype) if isinstance(v, np.generic) else dtypes.of_number(v)
                 for v in {type(v): v for v in leaves}.values()]
    if dtype is None:
        own = dtypes.get_default_dtype() if not kinds else kinds[0]
        for k in kinds[1:]:
            own = dtypes.promote_types(own, k)
    else:
        own = dtype
        if own.category <= dtypes.INTEGER:
            leaves = [_check_range(v, own) for v in leaves]
    if dtypes.BOOL < own.category < dtypes.COMPLEX and any(isinstance(v, complex) for v in leaves):
        raise TypeError(f"tensor(): complex values do not fit {own}")
    try:
        array = np.array(leaves, dtype=own.familiar.numpy).reshape(shape)
    except OverflowError as error:
        raise ValueError(f"tensor(): Overflow when unpacking long long: {error}") from None
    return _take(array).to(own) if own.is_foreign else _take(array)


_CODES = {"int64": "q", "int32": "i", "int16": "h", "int8": "b"}  # of arrays that refuse what they cannot hold


def _of_integers(data, own):
    """A tensor of a flat sequence of ints that a signed integer dtype holds, or None for anything else."""
    code = _CODES.get(own.name)
    if code is None or set(map(type, data)) != {int}:
        return None
    try:
        values = array(code, data)
    except OverflowError:  # said with the value by who looks at each
        return None
    result = empty_layout(layout(own, (len(data),)))
    ctypes.memmove(result._ptr, values.buffer_info()[0], result._layout.nbytes)
    return result


def _of_floats(data, own):
    """A tensor of a flat sequence of real numbers in a dtype of floats, or None for anything else."""
    carrier = _CARRIERS.get(own.name)
    if carrier is None:
        return None
    n = len(data)
    result = empty_layout(layout(own, (n,)))
    try:
        (carrier * n).from_address(result._ptr)[:] = data
    except (TypeError, OverflowError):
        return None
    return result


_CARRIERS = {"float32": ctypes.c_float, "float64": ctypes.c_double}


def _take(array):
    """A tensor in our own memory with the values of a fresh contiguous array."""
    result = _empty(array.shape, dtypes.from_numpy(array.dtype))
    if array.size:
        ctypes.memmove(result._ptr, array.ctypes.data, array.nbytes)
    return result


def as_tensor(data, dtype=None, device=None):
    """`data` as a tensor, sharing memory where it can (tensors and NumPy arrays of the right dtype)."""
    if isinstance(data, Tensor):
        return data.to(device, dtype) if device is not None else data if dtype is None else data.to(dtype)
    if isinstance(data, np.ndarray) and all(s >= 0 for s in data.strides):
        shared = borrowed(data)
        return _at(shared if dtype is None else shared.to(dtype), _device(device))
    return tensor(data, dtype=dtype, device=device)


def asarray(obj, *, dtype=None, device=None, copy=None, requires_grad=False):
    """`obj` as a tensor; `copy` says whether memory must (True), must not (False) or may (None) be copied."""
    result = (tensor if copy else as_tensor)(obj, dtype=dtype, device=device)
    if copy is False and isinstance(obj, np.ndarray) and result.data_ptr() != obj.ctypes.data:
        raise ValueError("can't alias arbitrary sequence into a tensor: copy=False needs shared memory")
    return result.requires_grad_(True) if requires_grad else result


def from_numpy(array):
    """A tensor over the memory of a NumPy array. TypeError for other types, ValueError for negative strides."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    d = dtypes.from_numpy(array.dtype)
    if any(s % d.itemsize for s in array.strides) and array.size:
        raise ValueError("given numpy array strides not a multiple of the element byte size. Copy the numpy array to "
                         "reallocate the memory.")
    strides = tuple(s // d.itemsize for s in array.strides)
    if any(s < 0 for s in strides):
        raise ValueError("At least one stride in the given numpy array is negative, and tensors with negative strides "
                         "are not currently supported. (You can probably work around this by making a copy of your "
                         "array with array.copy().)")
    result = object.__new__(Tensor)
    s = result._storage = object.__new__(Storage)
    s.block, s.ptr, s.version = array, array.ctypes.data, start.version
    s.nbytes = span(array.shape, strides) * d.itemsize
    result._layout, result._ptr = layout(d, array.shape, strides), s.ptr
    return result


def borrowed(array):
    """A tensor over the memory of a NumPy array, which it cannot grow beyond.

    TypeError for other types, ValueError for negative strides.
    """
    result = from_numpy(array)
    result._storage.__class__ = BorrowedStorage
    return result


borrowed.__name__ = borrowed.__qualname__ = "from_numpy"


def frombuffer(buffer, *, dtype, count=-1, offset=0, requires_grad=False):
    """A 1-d tensor over the memory of an object with the buffer protocol."""
    if len(memoryview(buffer).cast("B")) == 0:
        raise ValueError("both buffer length (0) and count (-1) must not be 0")
    dtype = dtypes.of_type(dtype)
    carrier = np.dtype(f"u{dtype.itemsize}") if dtype.is_foreign else dtype.numpy
    array = np.frombuffer(buffer, dtype=carrier, count=count, offset=offset)
    if not array.flags.writeable:
        import warnings
        warnings.warn("The given buffer is not writable, and PyTorch does not support non-writable tensors.",
                      stacklevel=2)
    result = borrowed(array)
    return _finish(result.view(dtype) if dtype.is_foreign else result, requires_grad)


def from_file(filename, shared=None, size=0, *, dtype=None, layout=None, device=None, pin_memory=False,
              requires_grad=False):
    """A 1-d tensor over the first `size` elements of a file.

    shared: changes go to the file, which is made and grows as needed; otherwise they stay in memory. RuntimeError for a
    file that cannot be opened, or is too small.
    """
    _strided("from_file", layout)
    place = _device(device)
    own = _dtype(dtype)
    storage = UntypedStorage.from_file(filename, shared, size * own.itemsize)
    return _finish(_at(tensor_from_storage(storage._storage, own, (size,)), place), requires_grad, pin_memory)


def scalar_tensor(value, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """A 0-d tensor with one value, in the default float dtype unless told otherwise."""
    _strided("scalar_tensor", layout)
    return tensor(value, dtype=_dtype(dtype), device=device, requires_grad=requires_grad)
