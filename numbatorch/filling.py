"""Making tensors by shape and value: empty, zeros, ones, full and their `_like` forms."""

import functools

from . import dtypes
from .device import CPU, current, usable
from .formats import channels_last, channels_last_3d, jagged, layout_type, preserve_format, strided
from .layout import Layout, format_strides, is_dense, layout, result_strides
from .ops.declare import OPS
from .tensor import Tensor, empty_layout
from .versions import start


def _named_size(name, size, named):
    """The sizes of a call that says `size=`; TypeError for other names, and for none."""
    if not size and not named:
        raise TypeError(f'{name}() missing 1 required positional arguments: "size"; () makes a scalar')
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
        if n >= 2**63:
            raise TypeError(f"{name}(): sizes must fit 64 bits, got {n} in {tuple(size)}")
        if n < 0:
            raise RuntimeError(f"{name}(): Trying to create tensor with negative dimension {n}: {list(size)}")
        shape.append(n)
    return tuple(shape)


def _device(device):
    return CPU if device is CPU or device is None and current.default is CPU else usable("", device)


def _dtype(dtype, default=None):
    if dtype is None:
        return default or dtypes.get_default_dtype()
    if not isinstance(dtype, dtypes.dtype):
        known = {float: dtypes.float64, int: dtypes.int64, bool: dtypes.bool, complex: dtypes.complex128}
        if not isinstance(dtype, type) or dtype not in known:
            raise TypeError(f"dtype must be a torch dtype, not {type(dtype).__name__}")
        return known[dtype]
    return dtype


def _finish(t, requires_grad, pin_memory=False):
    if pin_memory:
        t = t.pin_memory()
    return t.requires_grad_(True) if requires_grad else t


def empty(*size, dtype=None, device=None, requires_grad=False, out=None, layout=None, pin_memory=False,
          memory_format=None, **named):
    """A tensor of shape `size` with whatever the memory holds."""
    if named or not size:
        size = _named_size("empty", size, named)
    if out is not None:
        return out.resize_(_shape("empty", size))
    if layout is not None and layout is not strided:
        return _sparse("empty", _shape("empty", size), layout, dtype, device, requires_grad)
    result = empty_layout(_new_layout("empty", size, dtype, device))
    if memory_format is not None:
        result = empty_layout(_like_layout(result, None, None, memory_format))
    return _finish(result, requires_grad, pin_memory)


def _empty(shape, dtype, device=CPU):
    return empty_layout(layout(dtype, shape, None, device))


def empty_strided(size, stride, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """A tensor with the given shape and strides (in elements), not initialised."""
    _strided("empty_strided", layout)
    from .layout import layout as make
    return _finish(empty_layout(make(_dtype(dtype), tuple(size), tuple(stride), _device(device))),
                   requires_grad, pin_memory)


def full(size, fill_value, *, dtype=None, device=None, requires_grad=False, out=None, layout=None, pin_memory=False):
    """A tensor of shape `size` with `fill_value` everywhere."""
    if layout is not None:
        _strided("full", layout)
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    size = (size,) if isinstance(size, int) else tuple(size)
    if out is not None:
        return out.resize_(_shape("full", size)).fill_(fill_value)
    own = _new_layout("full", size, dtypes.of_number(fill_value) if dtype is None else dtype, device)
    return _finish(_filled(own, fill_value), requires_grad, pin_memory)


def zeros(*size, dtype=None, device=None, requires_grad=False, out=None, layout=None, pin_memory=False, **named):
    """A tensor of shape `size` with 0 everywhere."""
    if named or not size:
        size = _named_size("zeros", size, named)
    if out is not None:
        return out.resize_(_shape("zeros", size)).zero_()
    if layout is not None and layout is not strided:
        return _sparse("zeros", _shape("zeros", size), layout, dtype, device, requires_grad)
    result = _filled(_new_layout("zeros", size, dtype, device), 0)
    if pin_memory:
        result = result.pin_memory()
    return result.requires_grad_(True) if requires_grad else result


_new = object.__new__
_FILL = OPS["fill"]
_layouts: dict = {}  # by what a call says of a new tensor


def _new_layout(name, size, dtype, device):
    """The layout of a new tensor from a call's `*size`, dtype and device."""
    try:
        own = _layouts.get((size, dtype or dtypes._default, device or current.default))
    except TypeError:  # a list of sizes
        own = None
    if own is not None:
        return own
    own = layout(_dtype(dtype), _shape(name, size), None, _device(device))
    if own.device is CPU and not any(isinstance(n, (list, bool)) for n in size):  # the current GPU, too
        if len(_layouts) > 10_000:
            _layouts.clear()
        _layouts[size, dtype or dtypes._default, device or current.default] = own
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


def _filled(own, value):
    """A new tensor of a layout with a number everywhere. Nobody has seen it, so its plan's kernel runs without a call's
    checks, but for what the dtype holds, and its version is that of new memory."""
    fill = _FILL.call_inplace
    plan = fill.__globals__["find"]((own, value.__class__))  # none while a mode watches
    if plan is not None and plan.low <= value <= plan.high:
        result = _new(Tensor)
        result._layout = own
        result._storage = storage = _new(plan.storage)
        storage.nbytes = nbytes = own.nbytes
        storage.block = block = plan.allocate(nbytes)
        storage.ptr = result._ptr = address = plan.address(block)
        storage.version = start.version
        try:
            plan.kernel(address, value, address, plan.meta, plan.units, plan.grain)
            return result
        except OverflowError:  # an int beyond int64
            pass
    result = fill(empty_layout(own), value)
    if result._layout is own:
        result._storage.version = start.version
    return result


def ones(*size, dtype=None, device=None, requires_grad=False, out=None, layout=None, pin_memory=False, **named):
    """A tensor of shape `size` with 1 everywhere."""
    if layout is not None:
        _strided("ones", layout)
    if named or not size:
        size = _named_size("ones", size, named)
    if out is not None:
        return out.resize_(_shape("ones", size)).fill_(1)
    return _finish(_filled(_new_layout("ones", size, dtype, device), 1), requires_grad, pin_memory)


def _no_tensor(name, input):
    return TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")


def _like_layout(input, dtype, device, memory_format=None):
    own = input._layout
    if dtype is None and device is None and own.__class__ is Layout:
        return _alike(own, own.dtype, own.device, memory_format)
    if hasattr(own, "pattern"):
        raise NotImplementedError(f"a tensor like one with layout {input.layout} can only be made without values, by "
                                  "zeros_like or empty_like")
    d, place = _dtype(dtype, own.dtype), own.device if device is None else usable("", device)
    return _like_in(own, d, place, memory_format)


def _like_in(own, d, place, memory_format):
    """The layout of a new tensor like one of layout `own`, in a dtype, at a place."""
    if memory_format in (channels_last, channels_last_3d):
        return layout(d, own.shape, format_strides(own.shape, memory_format.name), place)
    if memory_format in (None, preserve_format) and not own.is_contiguous and own.numel:
        if is_dense(own.shape, own.strides):
            return layout(d, own.shape, own.strides, place)
        return layout(d, own.shape, result_strides(own.shape, [(own.shape, own.strides)]), place)
    return layout(d, own.shape, None, place)


_alike = functools.lru_cache(4096)(_like_in)


def empty_like(input, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None,
               pin_memory=False):
    """`empty` in the shape, dtype and order of dimensions of `input`."""
    if not isinstance(input, Tensor):
        raise _no_tensor("empty_like", input)
    if hasattr(input._layout, "like"):
        return input._layout.like(input, lambda t: empty_like(t, dtype=dtype, memory_format=memory_format))
    if input.layout is not strided or layout not in (None, strided):
        return _sparse("empty_like", input._layout.shape, layout or input.layout, dtype or input._layout.dtype, device,
                       requires_grad, input)
    return _finish(empty_layout(_like_layout(input, dtype, device, memory_format)), requires_grad, pin_memory)


def zeros_like(input, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None,
               pin_memory=False, out=None):
    """`zeros` in the shape, dtype and order of dimensions of `input`."""
    if not isinstance(input, Tensor):
        raise _no_tensor("zeros_like", input)
    plain = input._layout.__class__ is Layout
    if not plain and hasattr(input._layout, "like"):
        return input._layout.like(input, lambda t: zeros_like(t, dtype=dtype, memory_format=memory_format))
    if not plain and input.layout is not strided or layout is not None and layout is not strided:
        return _sparse("zeros_like", input._layout.shape, layout or input.layout, dtype or input._layout.dtype, device,
                       requires_grad, input)
    return _finish(_filled(_like_layout(input, dtype, device, memory_format), 0), requires_grad, pin_memory)


def ones_like(input, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None,
              pin_memory=False):
    """`ones` in the shape, dtype and order of dimensions of `input`."""
    if not isinstance(input, Tensor):
        raise _no_tensor("ones_like", input)
    if input._layout.__class__ is not Layout and hasattr(input._layout, "like"):
        return input._layout.like(input, lambda t: ones_like(t, dtype=dtype, memory_format=memory_format))
    return _finish(_filled(_like_layout(input, dtype, device, memory_format), 1), requires_grad, pin_memory)


def full_like(input, fill_value, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None,
              pin_memory=False):
    """`full` in the shape, dtype and order of dimensions of `input`."""
    if not isinstance(input, Tensor):
        raise _no_tensor("full_like", input)
    if hasattr(input._layout, "like"):
        return input._layout.like(input, lambda t: full_like(t, fill_value, dtype=dtype, memory_format=memory_format))
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    return _finish(_filled(_like_layout(input, dtype, device, memory_format), fill_value), requires_grad, pin_memory)
