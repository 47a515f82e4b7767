"""Making tensors: from data, by value, by sequence. (Random numbers: randomness.py.)"""

import ctypes
import math

import numpy as np

from . import autograd, dtypes
from .device import CPU, current, usable
from .layout import layout, span
from .ops.declare import OPS
from .storage import BorrowedStorage, Storage, UntypedStorage
from .tensor import Tensor, empty_layout, tensor_from_storage


class layout_type:
    """How a tensor is stored: strided, or a sparse form."""

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return f"torch.{self.name}"


strided = layout_type("strided")
jagged = layout_type("jagged")  # of nested tensors, which are not supported
sparse_coo = layout_type("sparse_coo")
sparse_csr = layout_type("sparse_csr")
sparse_csc = layout_type("sparse_csc")
sparse_bsr = layout_type("sparse_bsr")
sparse_bsc = layout_type("sparse_bsc")


class memory_format:
    """An order of dimensions in memory."""

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return f"torch.{self.name}"


contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
legacy_contiguous_format = contiguous_format
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")


def _named_size(name, size, named):
    """The sizes of a call that says `size=`; TypeError for other names."""
    if size or set(named) != {"size"}:
        wrong = next((n for n in named if n != "size"), "size")
        raise TypeError(f"{name}() got an unexpected keyword argument '{wrong}'")
    return (named["size"],)


def _shape(name, size):
    """A shape from `*size`: ints, or one sequence of them. RuntimeError for negative sizes, TypeError for others."""
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = size[0]
    shape = []
    for n in size:
        if not isinstance(n, int) or isinstance(n, bool):
            if not hasattr(n, "__index__") or isinstance(n, bool):
                raise TypeError(f"{name}(): sizes must be ints, got {type(n).__name__} in {tuple(size)!r}")
            n = n.__index__()
        if n < 0:
            raise RuntimeError(f"{name}(): Trying to create tensor with negative dimension {n}: {list(size)}")
        shape.append(n)
    return tuple(shape)


def _device(device):
    return usable("", device)


def _given_device(device):
    """RuntimeError where a call names a device that is not available; the default one is not asked."""
    if device is not None:
        usable("", device)


def _dtype(dtype, default=None):
    if dtype is None:
        return default or dtypes.get_default_dtype()
    if not isinstance(dtype, dtypes.dtype):
        known = {float: dtypes.get_default_dtype(), int: dtypes.int64, bool: dtypes.bool,
                 complex: dtypes.get_default_dtype().to_complex()}
        if dtype not in known:
            raise TypeError(f"dtype must be a torch dtype, not {type(dtype).__name__}")
        return known[dtype]
    return dtype


def _finish(t, requires_grad):
    return t.requires_grad_(True) if requires_grad else t


def empty(*size, dtype=None, device=None, requires_grad=False, out=None, layout=None, pin_memory=False,
          memory_format=None, **named):
    """A tensor of shape `size` with whatever the memory holds."""
    if named:
        size = _named_size("empty", size, named)
    if out is not None:
        return out.resize_(_shape("empty", size))
    if layout is not None and layout is not strided:
        return _sparse("empty", _shape("empty", size), layout, dtype, device, requires_grad)
    result = _empty(_shape("empty", size), _dtype(dtype), _device(device))
    if memory_format is not None:
        result = empty_layout(_like_layout(result, None, memory_format))
    return _finish(result, requires_grad)


def _empty(shape, dtype, device=CPU):
    return empty_layout(layout(dtype, shape, None, device))


def empty_strided(size, stride, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """A tensor with the given shape and strides (in elements), not initialised."""
    _strided("empty_strided", layout)
    from .layout import layout as make
    return _finish(empty_layout(make(_dtype(dtype), tuple(size), tuple(stride), _device(device))), requires_grad)


def full(size, fill_value, *, dtype=None, device=None, requires_grad=False, out=None, layout=None, pin_memory=False):
    """A tensor of shape `size` with `fill_value` everywhere."""
    _strided("full", layout)
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    shape = _shape("full", (size,) if isinstance(size, int) else tuple(size))
    if out is not None:
        return out.resize_(shape).fill_(fill_value)
    return _finish(_fill(
        _empty(shape, _dtype(dtype, dtypes.of_number(fill_value)), _device(device)), fill_value), requires_grad)


def zeros(*size, dtype=None, device=None, requires_grad=False, out=None, layout=None, pin_memory=False, **named):
    """A tensor of shape `size` with 0 everywhere."""
    if named:
        size = _named_size("zeros", size, named)
    if out is not None:
        return out.resize_(_shape("zeros", size)).zero_()
    if layout is not None and layout is not strided:
        return _sparse("zeros", _shape("zeros", size), layout, dtype, device, requires_grad)
    try:
        own = _zero_layouts.get((size, dtype or dtypes._default, device or current.default))
    except TypeError:  # a list of sizes
        own = None
    if own is None:
        own = _zero_layout(size, dtype, device)
    result = _fill(empty_layout(own), 0)
    return result.requires_grad_(True) if requires_grad else result


_zero_layouts: dict = {}


def _zero_layout(size, dtype, device):
    own = layout(_dtype(dtype), _shape("zeros", size), None, _device(device))
    if not any(isinstance(n, list) for n in size):
        if len(_zero_layouts) > 10_000:
            _zero_layouts.clear()
        _zero_layouts[size, dtype or dtypes._default, device or current.default] = own
    return own


def _strided(name, layout):
    """TypeError unless a call's `layout` is one; NotImplementedError unless it is the strided one."""
    if layout is None or layout is strided:
        return
    if not isinstance(layout, layout_type):
        raise TypeError(f"{name}(): argument 'layout' must be torch.layout, not {type(layout).__name__}")
    why = "nested tensors are not supported" if layout is jagged else "make a strided tensor and convert it"
    raise NotImplementedError(f"{name}(): not implemented for layout {layout}: {why}")


def _sparse(name, shape, format, dtype, device, requires_grad, like=None):
    """What `zeros` and `empty` make for a sparse layout: a tensor without values."""
    if format is jagged or not isinstance(format, layout_type):
        _strided(name, format)
    from .sparse.construct import zeros_of_layout
    return zeros_of_layout(name, shape, format, dtype, device, requires_grad, like)


def _fill(target, value):
    return OPS["fill"].call_inplace(target, value)


def ones(*size, dtype=None, device=None, requires_grad=False, out=None, layout=None, pin_memory=False, **named):
    """A tensor of shape `size` with 1 everywhere."""
    _strided("ones", layout)
    if named:
        size = _named_size("ones", size, named)
    if out is not None:
        return out.resize_(_shape("ones", size)).fill_(1)
    return _finish(_fill(_empty(_shape("ones", size), _dtype(dtype), _device(device)), 1),
                   requires_grad)


def _like_layout(input, dtype, memory_format=None):
    from .layout import is_dense
    own = input._layout
    if hasattr(own, "pattern"):
        raise NotImplementedError(f"a tensor like one with layout {input.layout} can only be made without values, by "
                                  "zeros_like or empty_like")
    d = _dtype(dtype, own.dtype)
    if memory_format in (channels_last, channels_last_3d):
        from .layout import format_strides
        return layout(d, own.shape, format_strides(own.shape, memory_format.name), own.device)
    if memory_format in (None, preserve_format) and not own.is_contiguous and own.numel:
        if is_dense(own.shape, own.strides):
            return layout(d, own.shape, own.strides, own.device)
        from .layout import result_strides
        return layout(d, own.shape, result_strides(own.shape, [(own.shape, own.strides)]), own.device)
    return layout(d, own.shape, None, own.device)


def empty_like(input, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None,
               pin_memory=False):
    """`empty` in the shape, dtype and order of dimensions of `input`."""
    if hasattr(input._layout, "like"):
        return input._layout.like(input, lambda t: empty_like(t, dtype=dtype, memory_format=memory_format))
    if input.layout is not strided or layout not in (None, strided):
        return _sparse("empty_like", input._layout.shape, layout or input.layout, dtype or input._layout.dtype, device,
                       requires_grad, input)
    _given_device(device)
    return _finish(empty_layout(_like_layout(input, dtype, memory_format)), requires_grad)


def zeros_like(input, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None,
               pin_memory=False, out=None):
    """`zeros` in the shape, dtype and order of dimensions of `input`."""
    if hasattr(input._layout, "like"):
        return input._layout.like(input, lambda t: zeros_like(t, dtype=dtype, memory_format=memory_format))
    if input.layout is not strided or layout not in (None, strided):
        return _sparse("zeros_like", input._layout.shape, layout or input.layout, dtype or input._layout.dtype, device,
                       requires_grad, input)
    _given_device(device)
    return _finish(_fill(empty_layout(_like_layout(input, dtype, memory_format)), 0), requires_grad)


def ones_like(input, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None,
              pin_memory=False):
    """`ones` in the shape, dtype and order of dimensions of `input`."""
    if hasattr(input._layout, "like"):
        return input._layout.like(input, lambda t: ones_like(t, dtype=dtype, memory_format=memory_format))
    _given_device(device)
    return _finish(_fill(empty_layout(_like_layout(input, dtype, memory_format)), 1), requires_grad)


def full_like(input, fill_value, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None,
              pin_memory=False):
    """`full` in the shape, dtype and order of dimensions of `input`."""
    if hasattr(input._layout, "like"):
        return input._layout.like(input, lambda t: full_like(t, fill_value, dtype=dtype, memory_format=memory_format))
    _given_device(device)
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    return _finish(_fill(empty_layout(_like_layout(input, dtype, memory_format)), fill_value),
                   requires_grad)


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


_SCALARS = (bool, int, float, complex)


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
    """A new tensor with a copy of `data`: numbers, nested sequences, NumPy arrays, tensors.

    The dtype is inferred where none is given: bool, int64, the default float or complex dtype. ValueError for ragged
    sequences, TypeError for what has no dtype, RuntimeError for values that the dtype cannot hold.
    """
    _device(device)
    dtype = None if dtype is None else _dtype(dtype)
    if isinstance(data, Tensor):
        result = data.detach().clone()
        result = result.to(dtype) if dtype else result
    elif isinstance(data, (np.ndarray, np.generic)):
        result = _of_array(data, dtype)
    elif isinstance(data, (list, tuple)):
        result = _of_sequence(data, dtype)
    elif isinstance(data, _SCALARS):
        own = dtype or dtypes.of_number(data)
        result = _empty((), own.familiar)
        result._array()[...] = _check_range(data, own)
        result = result.to(own) if own.is_foreign else result
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
    return _finish(result, requires_grad)


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
    if dtype is None and data and data[0].__class__ is float:  # the common case: a flat list of floats
        result = _of_floats(data)
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


def _of_floats(data):
    """A tensor of a flat sequence of real numbers in the default dtype, or None for anything else."""
    own = dtypes._default
    carrier = _CARRIERS.get(own.name)
    if carrier is None:
        return None
    n = len(data)
    result = empty_layout(layout(own, (n,)))
    try:
        (carrier * n).from_address(result._ptr)[:] = data
    except TypeError:
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
    _device(device)
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    if isinstance(data, np.ndarray) and all(s >= 0 for s in data.strides):
        shared = borrowed(data)
        return shared if dtype is None else shared.to(dtype)
    return tensor(data, dtype=dtype)


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
    s.block, s.ptr, s.version = array, array.ctypes.data, 0
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
    _device(device)
    own = _dtype(dtype)
    storage = UntypedStorage.from_file(filename, shared, size * own.itemsize)
    return _finish(tensor_from_storage(storage._storage, own, (size,)), requires_grad)


def scalar_tensor(value, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """A 0-d tensor with one value, in the default float dtype unless told otherwise."""
    _strided("scalar_tensor", layout)
    return tensor(value, dtype=_dtype(dtype), device=device, requires_grad=requires_grad)


def arange(start=None, end=None, step=1, *, dtype=None, device=None, requires_grad=False, out=None, layout=None,
           pin_memory=False):
    """start, start + step, ... up to but without `end`; int64 for ints, else the default float dtype."""
    _strided("arange", layout)
    if end is None:
        start, end = None, start
    if end is None:
        raise TypeError("arange(): missing the argument end")
    start = 0 if start is None else start
    start, end, step = (v.item() if isinstance(v, (Tensor, np.generic)) else v for v in (start, end, step))
    if step == 0:
        raise RuntimeError("arange(): step must be nonzero")
    for v in (start, end):
        if isinstance(v, float) and not math.isfinite(v):
            raise RuntimeError(f"arange(): unsupported range: {start} -> {end}")
    if (step > 0) != (end >= start) and end != start:
        raise RuntimeError("arange(): upper bound and lower bound inconsistent with step sign: "
                           f"{start} -> {end} step {step}")
    integer = all(isinstance(v, int) for v in (start, end, step))
    d = out.dtype if out is not None else _dtype(dtype, dtypes.int64 if integer else dtypes.get_default_dtype())
    if d.category == dtypes.INTEGER:  # int64 counts in whole numbers, the others as the numbers are given
        if int(step) == 0:
            raise ValueError(f"arange(): step must be nonzero, but {step} is 0 in {d}")
        if d is dtypes.int64:
            end, integer = int(end), True
            start, step = int(start), int(step)
    n = -(-(end - start) // step) if integer else math.ceil((end - start) / step)
    _device(device)
    if integer or d.category == dtypes.INTEGER:
        values = np.arange(n, dtype=np.int64) * int(step) + int(start) if d.category == dtypes.INTEGER else (
            np.arange(n, dtype=np.float64) * step + start)
    else:
        values = start + step * np.arange(n, dtype=np.float64)
    result = _of_array(values, d)
    return _finish(result if out is None else out.resize_(result.shape).copy_(result), requires_grad)


def range_(start=0, end=None, step=1, *, dtype=None, device=None, **options):
    """Like arange, but `end` is included where a step meets it."""
    _device(device)
    n = math.floor((end - start) / step) + 1
    return _of_array(start + step * np.arange(n, dtype=np.float64), _dtype(dtype))


def linspace(start, end, steps, *, dtype=None, device=None, requires_grad=False, out=None, layout=None):
    """`steps` evenly spaced values from `start` to `end`, both included."""
    _strided("linspace", layout)
    _device(device)
    start, end = (v.item() if isinstance(v, Tensor) else v for v in (start, end))
    if steps < 0:
        raise RuntimeError(f"number of steps must be non-negative, got {steps}")
    default = dtypes.get_default_dtype()
    d = _dtype(dtype, default.to_complex() if isinstance(start, complex) or isinstance(end, complex) else default)
    wide = np.complex128 if d.is_complex else np.float64
    i = np.arange(steps, dtype=np.float64)
    if d.category == dtypes.INTEGER:
        start, end = int(start), int(end)
    width = (end - start) / (steps - 1) if steps > 1 else 0.0
    if d.name in ("float32", "complex64") and steps > 1:
        part = np.complex64 if d.is_complex else np.float32
        width = part((part(end) - part(start)) / part(steps - 1))
        forward = (part(start) + width * i.astype(np.float32)).astype(part)
        back = (part(end) - width * (steps - 1 - i).astype(np.float32)).astype(part)
    else:
        forward, back = start + width * i, end - width * (steps - 1 - i)
    values = np.where(i < steps // 2, forward, back) if steps > 1 else np.full(steps, start, dtype=wide)
    result = _of_array(values, d)
    return _finish(result if out is None else out.resize_(result.shape).copy_(result), requires_grad)


def logspace(start, end, steps, base=10.0, *, dtype=None, device=None, requires_grad=False, out=None, layout=None):
    """base ** linspace(start, end, steps)."""
    _strided("logspace", layout)
    _device(device)
    start, end = (v.item() if isinstance(v, Tensor) else v for v in (start, end))
    d = _dtype(dtype)
    if d.category == dtypes.INTEGER:
        start, end = int(start), int(end)
    values = np.power(base, np.asarray(linspace(start, end, steps, dtype=dtypes.float64).numpy()))
    result = _of_array(values, d)
    return _finish(result if out is None else out.resize_(result.shape).copy_(result), requires_grad)


def eye(n, m=None, *, dtype=None, device=None, requires_grad=False, out=None, layout=None):
    """The n × m matrix with 1 on the diagonal and 0 elsewhere."""
    _strided("eye", layout)
    _device(device)
    m = n if m is None else m
    if n < 0 or m < 0:
        raise RuntimeError(f"n must be greater or equal to 0, got {n}" if n < 0 else
                           f"m must be greater or equal to 0, got {m}")
    result = _of_array(np.eye(n, m), _dtype(dtype))
    return _finish(result if out is None else out.resize_(result.shape).copy_(result), requires_grad)


def tril_indices(row, col, offset=0, *, dtype=None, device=None):
    """Indices of the lower triangle of a row × col matrix: (2, N), row by row."""
    _device(device)
    return _of_array(np.array(np.tril_indices(row, offset, col)), _dtype(dtype, dtypes.int64))


def triu_indices(row, col, offset=0, *, dtype=None, device=None):
    """Indices of the upper triangle of a row × col matrix: (2, N), row by row."""
    _device(device)
    return _of_array(np.array(np.triu_indices(row, offset, col)), _dtype(dtype, dtypes.int64))



def _method(maker):
    def new(self, *args, dtype=None, device=None, **options):
        return maker(*args, dtype=dtype or self.dtype, device=device or self.device, **options)
    new.__doc__ = f"`{maker.__name__}` in this tensor's dtype and device."
    return new


def new_tensor(self, data, *, dtype=None, device=None, requires_grad=False):
    """A new tensor from data, in this tensor's dtype."""
    return tensor(data, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad)


def new(self, *args, device=None):
    """An uninitialised tensor, or one from data, in this tensor's dtype."""
    from .legacy import construct
    return construct(self.dtype, args, device or self.device)


for _name, _maker in (("new_empty", empty), ("new_zeros", zeros), ("new_ones", ones), ("new_full", full),
                      ("new_empty_strided", empty_strided)):
    setattr(Tensor, _name, _method(_maker))
Tensor.new_tensor, Tensor.new = new_tensor, new  # type: ignore[method-assign]

autograd.Tensor, autograd.ones_like = Tensor, ones_like

FUNCTIONS = ("empty empty_strided full zeros ones empty_like zeros_like ones_like full_like tensor as_tensor asarray "
             "frombuffer from_file scalar_tensor arange linspace logspace eye tril_indices "
             "triu_indices").split()
