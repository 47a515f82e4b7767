"""What native kernels a kernel in Python calls, with which addresses: found by calling a copy of it that calls none.

Some kernels are small functions: they put pointers in another order, or run two native kernels with memory between
them. In the copy recorders stand for the native kernels, wherever the function holds them. Should one be left that is
not a recorder, the call of it is stopped before it happens.
"""

import copy
import ctypes
import sys
import threading
import types

from ..cpu import memory
from ..cpu.entry import Kernel

STEP = 1 << 44  # between the addresses that stand for bases: beyond what any process has, and any offset
FIRST = 1 << 52
_MODULES = ("contraction", "gemm", "split", "convolution", "operands", "scatter")


class Opaque(Exception):
    """A kernel that only Python can run."""


def is_native(kernel):
    """Whether a kernel is native code of ours."""
    return isinstance(kernel, types.BuiltinFunctionType) and isinstance(kernel.__self__, Kernel)


def found(kernel, arguments):
    """([(native kernel, arguments)], blocks of memory that they work in). Opaque where that cannot be told."""
    if is_native(kernel):
        return [(kernel, arguments)], []
    if not _is_known(kernel) or sys.getprofile() is not None:  # a profiler in native code could not be put back
        raise Opaque(getattr(kernel, "__qualname__", repr(kernel)))
    calls: list = []
    rebound = _rebound(kernel, calls, {})
    blocks: list = []
    sizes: list = []
    allocate, thread = memory.allocate, threading.get_ident()

    def kept(nbytes):
        block = allocate(nbytes)
        if threading.get_ident() != thread:
            return block
        blocks.append(block)
        sizes.append((block, nbytes))
        return block

    def cleared(address, value, nbytes):  # of memory that the kernel works in: it stays so
        inside = any(0 <= address - memory.address(b) <= n - nbytes for b, n in sizes)
        if threading.get_ident() == thread and not inside:
            raise Opaque(f"{kernel.__qualname__} clears memory in a way of its own")
        return ctypes.memset(address, value, nbytes)

    def guard(frame, event, argument):
        if event == "c_call" and is_native(argument):
            raise Opaque(f"{kernel.__qualname__} calls {argument.__self__.name} in a way of its own")
    own = [m for n, m in list(sys.modules.items()) if n.startswith(memory.__package__ + ".") and m is not None]
    users = [m for m in own if getattr(m, "allocate", None) is allocate]
    fillers = [m for m in own if getattr(m, "memset", None) is ctypes.memset]
    for module in users:
        module.allocate = kept
    for module in fillers:
        module.memset = cleared
    sys.setprofile(guard)
    try:
        rebound(*arguments)
    finally:
        sys.setprofile(None)
        for module in users:
            module.allocate = allocate
        for module in fillers:
            module.memset = ctypes.memset
    if not calls:
        raise Opaque(f"{kernel.__qualname__} calls no kernel")
    return calls, blocks


def _is_known(kernel):
    function = kernel.__func__ if isinstance(kernel, types.MethodType) else kernel
    return isinstance(function, types.FunctionType) and function.__module__.rpartition(".")[2] in _MODULES


def _rebound(value, calls, seen):
    """A copy of a value with recorders for native kernels, as deep as objects of the CPU's modules hold them."""
    if id(value) in seen:
        return seen[id(value)]
    if is_native(value):
        def record(*arguments):
            calls.append((value, arguments))
        made = record
    elif isinstance(value, types.FunctionType) and value.__closure__:
        cells = tuple(types.CellType() for _ in value.__closure__)
        made = types.FunctionType(value.__code__, value.__globals__, value.__name__, value.__defaults__, cells)
        seen[id(value)] = made
        for cell, own in zip(cells, value.__closure__, strict=True):
            cell.cell_contents = _rebound(own.cell_contents, calls, seen)
    elif isinstance(value, types.MethodType):
        made = types.MethodType(value.__func__, _rebound(value.__self__, calls, seen))
    elif type(value) in (tuple, list):
        made = type(value)([_rebound(v, calls, seen) for v in value])
    elif type(value) is dict:
        made = {k: _rebound(v, calls, seen) for k, v in value.items()}
    elif type(value).__module__.startswith(__package__.rpartition(".")[0] + ".") and not isinstance(value, type):
        made = copy.copy(value)
        seen[id(value)] = made
        names = [n for kind in type(value).__mro__ for n in (kind.__dict__.get("__slots__") or ())]
        for name in [*names, *getattr(value, "__dict__", {})]:
            if hasattr(value, name) and name != "__weakref__":
                object.__setattr__(made, name, _rebound(getattr(value, name), calls, seen))
    else:
        made = value
    seen[id(value)] = made
    return made


def stand_in(base):
    """The address that stands for base `base` while a kernel in Python is looked into."""
    return FIRST + base * STEP


def base_of(address):
    """(base, offset) of an address near a stand-in, else None."""
    if not isinstance(address, int) or address < FIRST - STEP // 2:
        return None
    base = (address - FIRST + STEP // 2) // STEP
    return base, address - stand_in(base)
