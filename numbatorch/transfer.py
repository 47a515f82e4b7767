"""From one device to another: bytes, tensors, and work that a device leaves to the host.

Kernels that a backend does not have, and bodies of ops that use NumPy, run on copies in the host's memory; their
results are copied back. Ops and backends know nothing of it.
"""

import bisect
import ctypes
from typing import Any

import numpy as np

from . import dtypes
from .autograd.modes import mode
from .device import CPU
from .errors import NoAcceleratorError, NotOnHostError, NoValuesError
from .interception import arguments
from .layout import Layout, is_dense, layout, span
from .ops.declare import OPS
from .plan import backend, different_devices
from .recording import check_inplace
from .storage import PinnedStorage
from .tensor import Tensor, alias, empty_layout, tensor_from_storage


def copy_bytes(to, target, of, source, nbytes, wait=True):
    """Copy memory at address `source` of device `of` to address `target` of device `to`. The parts do not overlap.

    NoValuesError where `of` is the meta device and `to` is not.
    """
    here, there = backend(to), backend(of)
    if to.type == of.type:
        here.move(target, source, nbytes)
    elif there.on_host:
        here.upload(target, source, nbytes, wait)
    elif here.on_host:
        there.download(target, source, nbytes, wait)
    elif here.has_values:
        block = ctypes.create_string_buffer(nbytes)
        there.download(ctypes.addressof(block), source, nbytes)
        here.upload(target, ctypes.addressof(block), nbytes)


def moved(tensor, device, wait=True):
    """The values of a tensor on a device, unrecorded; in the order of dimensions that they have."""
    own = tensor._layout
    if not is_dense(own.shape, own.strides):
        tensor = OPS["_to"].call(tensor.detach(), own.dtype, False)
        own = tensor._layout
    to = layout(own.dtype, own.shape, own.strides, device)
    pins = not wait and device is CPU and hasattr(backend(own.device), "pinned_memory")
    result = pinned_empty(to) if pins else empty_layout(to)  # what the host need not wait for must be pinned
    copy_bytes(device, result._ptr, own.device, tensor._ptr, own.nbytes, wait)
    return result


def pinned(tensor):
    """A copy of a tensor in memory that an accelerator reads and writes directly; recorded.

    Itself where it is one already, and where there is no accelerator. RuntimeError unless it is on the CPU.
    """
    own = tensor._layout
    if own.device is not CPU:
        raise RuntimeError(f"pin_memory: cannot pin a tensor on {own.device}: only memory of the CPU can be pinned")
    if tensor.is_pinned() or not _has_pinned_memory():
        return tensor
    strides = own.strides if is_dense(own.shape, own.strides) else None
    return pinned_empty(layout(own.dtype, own.shape, strides)).copy_(tensor)


def pinned_empty(own):
    """A tensor of a layout of the CPU in pinned memory, not initialised."""
    storage = PinnedStorage.allocate_pinned(own.nbytes)
    return alias(tensor_from_storage(storage, dtypes.uint8, (own.nbytes,)), own)


def pinned_storage(storage):
    """A copy of a storage of the CPU in pinned memory; itself as for `pinned`."""
    if storage.device is not CPU:
        raise RuntimeError(f"pin_memory: cannot pin a storage on {storage.device}, only memory of the CPU")
    if isinstance(storage.root, PinnedStorage) or not _has_pinned_memory():
        return storage
    result = PinnedStorage.allocate_pinned(storage.nbytes)
    copy_bytes(CPU, result.ptr, CPU, storage.ptr, storage.nbytes)
    return result


def _has_pinned_memory():
    try:
        return backend("cuda").place(None) is not None
    except NoAcceleratorError:
        return False


def sent(tensor, device, dtype=None, memory_format=None, wait=True):
    """A tensor on another device, in a dtype and an order of dimensions; recorded. Converted where it is smaller."""
    own = tensor._layout.dtype
    dtype = dtype or own
    if dtype.itemsize <= own.itemsize:
        return OPS["_move"].call(tensor.to(dtype, memory_format=memory_format), device, wait)
    return OPS["_move"].call(tensor, device, wait).to(dtype, memory_format=memory_format)


def reader(own):
    """A function from an address to the Python number of a layout's dtype there, for its device."""
    found = _host_reader(own.dtype)
    if own.device is CPU:
        return found
    there, size = backend(own.device), own.dtype.itemsize
    if not there.has_values:
        raise NoValuesError(f"Tensor.item() cannot be called on {own.device} tensors: they have no values, so neither "
                            "int(), float(), bool() nor `if` can ask for them")

    def read(address):
        block = ctypes.create_string_buffer(size)
        there.download(ctypes.addressof(block), address, size)
        return found(ctypes.addressof(block))
    return read


def _host_reader(dtype):
    found = backend("cpu").reader(dtype.name)
    if found is not None:
        return found

    def read(address):
        block = np.frombuffer((ctypes.c_char * dtype.itemsize).from_address(address), dtype=np.uint8)
        if not dtype.is_foreign:
            return block.view(dtype.numpy)[0].item()
        from .storage import Storage
        from .tensor import tensor_from_storage
        return tensor_from_storage(Storage.from_buffer(block), dtype, ()).to(dtype.familiar).item()
    return read


# ---------------------------------------------------------------- operands of one call on several devices


def gathered(op, inplace, values, tensors):
    """The values of a call with all operands on one device, or None where they are, or may not be brought there.

    A 0-d tensor on the CPU is a number to elementwise ops, wherever the others are. An op that `brings` its operands
    takes those of any device to that of the first.
    """
    home = tensors[0]._layout.device
    if not (inplace or op.brings):
        home = next((t._layout.device for t in tensors if t._layout.device is not CPU), CPU)
    changed = list(values)
    wait = home is CPU or not any(v is True for p, v in zip(op.parameters, values, strict=True)
                                  if p.name == "non_blocking")  # the host would read what is not there yet
    for k, v in enumerate(values):
        if isinstance(v, Tensor) and v._layout.device is not home and (op.brings or (
                op.kind == "elementwise" and v._layout.device is CPU and v._layout.ndim == 0)):
            changed[k] = OPS["_move"].call(v, home, wait)
    return changed if any(a is not b for a, b in zip(changed, values, strict=True)) else None


def copied_later(input, src, non_blocking=False):
    """Let a device write `src` into pinned memory of the host that `input` lies in, without waiting for it.

    False where that cannot be, or was not asked for: for memory that is not pinned or has gaps, and what is recorded.
    """
    own, given = input._layout, src._layout
    if not (non_blocking and own.device is CPU and isinstance(input._storage.root, PinnedStorage)
            and own.__class__ is Layout and given.__class__ is Layout and hasattr(backend(given.device), "download")
            and is_dense(own.shape, own.strides) and not (mode.enabled and (input._needs_grad or src._needs_grad))):
        return False
    check_inplace("copy", input)
    if (given.dtype, given.shape, given.strides) != (own.dtype, own.shape, own.strides):
        src = empty_layout(layout(own.dtype, own.shape, own.strides, given.device)).copy_(src)
    copy_bytes(CPU, input._ptr, given.device, src._ptr, own.nbytes, False)
    input._storage.version += 1
    return True


# ---------------------------------------------------------------- what the host does for a device


def run_on_host(op, values, error):
    """The result of an op's body that came upon memory which is not the host's or tensors without values (`error`).

    NotImplementedError for tensors without values where the op is `sized_by_values`.
    """
    device = _place(values)
    if device is None or op.crosses:
        raise error
    check_devices(op, values)
    if op.sized_by_values and not backend(device).has_values:
        raise NoValuesError(f"{op.name}: what comes out depends on the values of operands, and tensors on the {device} "
                            "device have none") from error
    positional, keywords = arguments(op, values)
    return _on_host(op.body, positional, keywords, device)


def check_devices(op, values):
    """RuntimeError where tensors of a call are on several devices. 0-d ones of the CPU are numbers anywhere."""
    specs = {f"{p.name}[{k}]" if isinstance(v, (list, tuple)) else p.name: t._layout
             for p, v in zip(op.parameters, values, strict=True) for k, t in enumerate(_tensors((v,)))
             if t._layout.device is not CPU or t._layout.ndim}
    if len({own.device for own in specs.values()}) > 1 and not op.brings:
        raise different_devices(op, specs)


def gradient_on_host(function, given, error):
    """The same for a declared gradient, a function of keyword arguments."""
    device = _place(given.values())
    if device is None:
        raise error
    return _on_host(function, (), given, device)


def _place(values):
    return next((t._layout.device for t in _tensors(values) if t._layout.device is not CPU), None)


def _on_host(function, positional, keywords, device):
    """function(...) on copies of the tensors among its arguments; the results come back to `device`.

    All of it is recorded like any other call. Tensors without values are replaced by samples, which tell the layouts of
    results as well.
    """
    copies: dict[int, Any] = {}

    def bring(tensor):
        if tensor._layout.device is CPU:
            return tensor
        if id(tensor) not in copies:
            make = OPS["_move"] if tensor._layout.has_values else OPS["_sample"]
            copies[id(tensor)] = tensor, make.call(tensor, CPU)
        return copies[id(tensor)][1]
    result = function(*_each(positional, bring), **{name: _each(value, bring) for name, value in keywords.items()})
    send = OPS["_move"] if backend(device).has_values else OPS["_forget"]

    def back(tensor):
        for own, copy in copies.values():
            if tensor is copy:  # changed in place, or itself the result
                return own.copy_(copy) if copy._storage.version else own
        return send.call(tensor, device) if tensor._layout.device is CPU else tensor
    return _each(result, back)


def sample(own):
    """A tensor of the host in place of one without values: chances, positive, of a regular matrix.

    Integers are 0 (an index of anything), pivots (int32) 1.
    """
    memory = empty_layout(layout(own.dtype, (span(own.shape, own.strides),)))
    number = 1 if own.dtype is dtypes.int32 else 0.5 / max((1, *own.shape))
    memory.fill_(number if own.dtype is dtypes.int32 or own.dtype.category >= dtypes.FLOAT else 0)
    result = alias(memory, layout(own.dtype, own.shape, own.strides))
    if own.dtype.category >= dtypes.FLOAT and own.ndim > 1 and is_dense(own.shape, own.strides):
        result.diagonal(dim1=-2, dim2=-1).fill_(1)
    return result


def _tensors(values):
    for v in values:
        if isinstance(v, Tensor):
            yield v
        elif isinstance(v, (list, tuple)):
            yield from _tensors(v)


def _each(value, function):
    """A value with the tensors in it, and in its lists and tuples, replaced."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, (list, tuple)):
        items = [_each(v, function) for v in value]
        return value._make(items) if hasattr(value, "_make") else type(value)(items)
    return value


def launched_on_host(request, specs, outputs, device):
    """The CPU's Launch for a request, on copies of the operands (`specs`, as in a Plan); what it writes is copied back.

    For a device whose backend has no kernel for the request.
    """
    host, there = backend(CPU), backend(device)
    launch = host.plan(request)
    parts = [_extent(spec) if isinstance(spec, Layout) else None for spec in (*specs.values(), *outputs)]
    run, nothing = launch.kernel, np.empty(1, np.uint8)

    def kernel(*args):
        used = sorted({(place - part[0], place - part[0] + part[1]) for part, place in zip(parts, args, strict=False)
                       if part is not None and part[1]})
        regions: list[Any] = []  # [first address, end]: operands may share memory, which is one array then
        for first, end in used:
            if regions and first < regions[-1][1]:
                regions[-1][1] = max(regions[-1][1], end)
            else:
                regions.append([first, end])
        arrays = []
        for first, end in regions:
            array = np.empty(end - first, np.uint8)
            there.download(array.ctypes.data, first, end - first)
            arrays.append(array)
        before = [array.copy() for array in arrays]
        starts = [first for first, _ in regions]

        def host_address(part, place):
            if part is None:
                return place
            if not part[1]:
                return nothing.ctypes.data
            region = bisect.bisect_right(starts, place - part[0]) - 1
            return arrays[region].ctypes.data + place - starts[region]
        run(*(host_address(part, place) for part, place in zip(parts, args, strict=False)), *args[len(parts):])
        for (first, end), array, old in zip(regions, arrays, before, strict=True):
            if not np.array_equal(array, old):
                there.upload(first, array.ctypes.data, end - first)
    launch.kernel = kernel
    return launch


def _extent(own):
    """(bytes before element 0, all bytes) of the memory that a layout reaches; strides may be negative here."""
    if not own.numel:
        return 0, 0
    ends = [(n - 1) * s for n, s in zip(own.shape, own.strides, strict=True)]
    low, high = sum(e for e in ends if e < 0), sum(e for e in ends if e > 0)
    return -low * own.dtype.itemsize, (high - low + 1) * own.dtype.itemsize


def drawing(device):
    """What draws counts and gammas on a device (Backend.random). NotOnHostError where the host is to do it."""
    found = getattr(backend(device), "random", None)
    if not hasattr(found, "fill_poisson"):
        raise NotOnHostError(f"random numbers for device {device} are drawn on the host")
    return found


__all__ = ["copy_bytes", "drawing", "gathered", "gradient_on_host", "launched_on_host", "moved", "pinned",
           "pinned_empty", "pinned_storage", "reader", "run_on_host", "sample", "sent"]
