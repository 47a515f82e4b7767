"""What native kernels a step calls, with which addresses: found by calling a copy of its kernel that calls none.

Some kernels are small functions: they put pointers in another order, or run two native kernels with memory between
them. In the copy recorders stand for the native kernels, wherever the function holds them, for the allocator, and for
clearing and copying bytes. Should a kernel be left that is not a recorder, its call is stopped before it happens.
"""

import contextlib
import copy
import ctypes
import sys
import threading
import types
import weakref

from ..cpu import memory, stages
from ..cpu.entry import Kernel
from ..cpu.mersenne import GRAIN
from ..device import CPU
from ..expr import kinds
from .graph import Buffer, Number, Place

STEP = 1 << 44  # between the addresses that stand for memory: beyond what any process has, and any offset
FIRST = 1 << 52
_MODULES = ("attention", "contraction", "gemm", "split", "convolution", "convolution_finish", "convolution_begin",
            "bands_begin", "fft", "operands", "recurrent", "scatter", "sort")
LENT = Buffer(-1, "constant", stages.HEAD * 8, "what a generator's state lends")


class Opaque(Exception):
    """A kernel that only Python can run."""


class Spot:
    """An address in a call: so many bytes into a buffer."""

    __slots__ = ("buffer", "offset")

    def __init__(self, buffer, offset):
        self.buffer, self.offset = buffer, offset


class Later:
    """A number in a call that is computed when the program runs."""

    __slots__ = ("expression",)

    def __init__(self, expression):
        self.expression = expression


class Lowered:
    """calls: [(kernel, values, meta, units, grain)] with Spots, Laters and numbers; or of "draw" steps what `_Draws`
    notes, [(name of a method of the Builder, *arguments)]. None: only Python runs it.

    workspaces: Buffers that the step works in. keep: what the calls' addresses lie in, besides the kernel. messages:
    what is said of a draw that fails.
    """

    __slots__ = ("calls", "workspaces", "keep", "messages")

    def __init__(self, calls, workspaces=(), keep=(), messages=()):
        self.calls, self.workspaces, self.keep, self.messages = calls, workspaces, keep, messages


def lower(graph):
    """{step: Lowered} of a graph's launches and draws; memory that they work in joins its buffers."""
    if graph.lowered is None:
        graph.lowered = {}
    copies = Copies()
    for step in graph.steps:
        if step.kind in ("launch", "draw") and step.device is CPU and step not in graph.lowered:
            try:
                own = _drawn(step) if step.kind == "draw" else _launched(step, copies)
            except Opaque:
                own = Lowered(None)
            graph.lowered[step] = own
            graph.buffers.extend(own.workspaces)
    return graph.lowered


def again(lowered, instead):
    """The same calls on other memory, {buffer: buffer}, with work in memory of their own."""
    if lowered.calls is None:
        return lowered
    instead = {**instead, **{b: Buffer(-1, "temporary", b.nbytes, b.name) for b in lowered.workspaces}}
    calls = [tuple([_moved(part, instead) for part in call]) for call in lowered.calls]
    return Lowered(calls, [instead[b] for b in lowered.workspaces], lowered.keep)


def _moved(value, instead):
    if isinstance(value, list):
        return [_moved(v, instead) for v in value]
    if isinstance(value, Spot):
        return Spot(instead.get(value.buffer, value.buffer), value.offset)
    return value


def _launched(step, copies):
    if is_native(step.kernel):
        values = [Spot(v.buffer, v.offset) if isinstance(v, Place) else _number(v) for v in step.values]
        return Lowered([(step.kernel, values, step.meta, step.units, step.grain)])
    buffers, given = _stand_ins(step)
    calls, sizes, keep = copies.found(step.kernel, (*given, step.meta, step.units, step.grain), len(buffers))
    workspaces = [Buffer(-1, "temporary", nbytes, f"work of {step.name}") for nbytes in sizes]
    buffers += workspaces
    made = []
    for kernel, arguments in calls:
        *values, meta, units, grain = [_spot(a, buffers) for a in arguments]
        made.append((kernel, values, meta, units, grain))
    return Lowered(made, workspaces, keep)


def _drawn(step):
    from ..cpu import random
    if step.kernel is not getattr(random, step.kernel.__name__, None):
        raise Opaque(step.name)
    buffers, given = _stand_ins(step)
    buffers.append(LENT)
    state = _Draws(buffers)
    step.kernel(*[state if isinstance(v, str) and v == "state" else v for v in given])
    return Lowered(state.calls, state.workspaces, messages=state.messages)


class _Draws:
    """Stands for a generator's state: notes what is drawn. Its methods are those of `MersenneState`."""

    def __init__(self, buffers):
        self.calls, self.workspaces, self.messages, self._buffers = [], [], (), buffers
        self.lock = contextlib.nullcontext()
        self.normals, self.progress = (stand_in(len(buffers) - 1) + at for at in (stages.NORMALS, stages.PROGRESS))

    def draw(self, kernel, ptr, n, itemsize, words_each, arguments, units_each):
        grain = max(1, GRAIN // units_each)
        self.calls.append(("draw", kernel, _spot(ptr, self._buffers), self._spots(kernel, arguments, 2), n * words_each,
                           words_each * units_each, itemsize * units_each, grain, 0))

    def draw_apart(self, kernel, ptr, count, each, arguments, grain, counted=False):
        self.calls.append(("draw", kernel, _spot(ptr, self._buffers), self._spots(kernel, arguments, 2), count, each, 0,
                           grain, _spot(self.progress, self._buffers) if counted else 0))

    def discard(self, count):
        self.calls.append(("draw", None, 0, [], count, 1, 0, 1, 0))

    def search(self, kernel, n, arguments):
        self.calls.append(("search", kernel, n, self._spots(kernel, arguments, 1)))

    def call(self, kernel, *arguments):
        *values, units, grain = arguments
        self.calls.append(("kernel", kernel, self._spots(kernel, values), units, grain))

    def room(self, nbytes):
        self.workspaces.append(Buffer(-1, "temporary", nbytes, "work of a draw"))
        self._buffers.append(self.workspaces[-1])
        return self.workspaces[-1], stand_in(len(self._buffers) - 1)

    def _spots(self, kernel, values, first=0):
        """Arguments of a kernel from number `first` on, with Spots for addresses: numbers may be as large as these."""
        return [_spot(v, self._buffers) if text.endswith("*") else v
                for v, text in zip(values, kernel.__self__.signature[first:])]  # noqa: B905

    def verify(self, *messages):
        self.messages = messages
        self.calls.append(("verify",))

    def __getattr__(self, name):
        raise Opaque(f"a fill uses {name} of the generator")


def _stand_ins(step):
    """(the buffers of a step's operands, its values with addresses that stand for these)."""
    buffers: list = []
    given: list = []
    for v in step.values:
        if isinstance(v, Place):
            if v.buffer not in buffers:
                buffers.append(v.buffer)
            given.append(stand_in(buffers.index(v.buffer)) + v.offset)
        else:
            given.append(_number(v))
    return buffers, given


def _number(value: Number):
    return value.value if value.expression is None else Later(value.expression)


def _spot(value, buffers):
    if type(value) is not int or value < FIRST - STEP // 2:
        return value
    base = (value - FIRST + STEP // 2) // STEP
    return Spot(buffers[base], value - stand_in(base))


def stand_in(base):
    """The address that stands for buffer number `base` of a step while its kernel is looked into."""
    return FIRST + base * STEP


def is_native(kernel):
    """Whether a kernel is native code of ours."""
    return isinstance(kernel, types.BuiltinFunctionType) and isinstance(kernel.__self__, Kernel)


class _Block:
    """Stands for a block of memory that a kernel works in."""

    __slots__ = ("number",)

    def __init__(self, number):
        self.number = number


def found(kernel, arguments, taken=0):
    """`Copies.found`, of one kernel."""
    return Copies().found(kernel, arguments, taken)


class Copies:
    """Kernels that are small functions, copied so that they call recorders. Each is copied once; steps share them."""

    def __init__(self):
        self._made: dict = {}  # {id of a kernel: (the kernel, its copy, what the copy needs to stay)}
        self._calls, self._sizes, self._keep, self._taken = [], [], [], 0
        self._places: list = []  # (module, name, the function that it has, the one to put in its place)
        self._seen: dict = {}

    def found(self, kernel, arguments, taken=0):
        """([(native kernel, arguments)], sizes of the memory that they work in, what has to stay).

        Memory that the kernel asks for gets the stand-ins from number `taken` on. Opaque where it cannot be told.
        """
        if not _is_known(kernel) or sys.getprofile() is not None:  # a profiler in native code could not be put back
            raise Opaque(getattr(kernel, "__qualname__", repr(kernel)))
        own = self._made.get(id(kernel))
        if own is None:
            if not self._places:
                self._look_around()
            keep: list = []
            own = self._made[id(kernel)] = kernel, _rebound(kernel, self._calls, dict(self._seen), keep), keep
        calls, sizes, self._taken = self._calls, self._sizes, taken
        del calls[:], sizes[:], self._keep[:]

        def guard(frame, event, argument):
            if event == "c_call" and is_native(argument):
                raise Opaque(f"{kernel.__qualname__} calls {argument.__self__.name} in a way of its own")
        for module, name, _, after in self._places:
            setattr(module, name, after)
        sys.setprofile(guard)
        try:
            own[1](*arguments)
        finally:
            sys.setprofile(None)
            for module, name, before, _ in self._places:
                setattr(module, name, before)
        if not calls:
            raise Opaque(f"{kernel.__qualname__} calls no kernel")
        return list(calls), list(sizes), [*own[2], *self._keep]

    def _look_around(self):
        """Find where the CPU's modules hold what gives, clears and copies memory."""
        calls, sizes, keep, seen = self._calls, self._sizes, self._keep, self._seen
        allocate, address, thread = memory.allocate, memory.address, threading.get_ident()
        clear, copy_bytes = stages.clear(), stages.copy()

        def kept(nbytes):
            if threading.get_ident() != thread:
                return allocate(nbytes)
            sizes.append(nbytes)
            return _Block(self._taken + len(sizes) - 1)

        def where(block):
            return stand_in(block.number) if type(block) is _Block else address(block)

        def cleared(target, value, nbytes):
            if threading.get_ident() != thread:
                return ctypes.memset(target, value, nbytes)
            calls.append((clear, (target, value, nbytes, stages.BYTES)))

        def copied(target, source, nbytes):
            if threading.get_ident() != thread:
                return ctypes.memmove(target, source, nbytes)
            calls.append((copy_bytes, (target, source, nbytes, stages.BYTES)))
        others = (("allocate", allocate, kept), ("address", address, where), ("memset", ctypes.memset, cleared),
                  ("memmove", ctypes.memmove, copied))
        seen.update({id(before): after for _, before, after in others})
        transforms = sys.modules.get(f"{memory.__package__}.fft")
        if transforms is not None:  # which are remembered only while they are few

            def stage(*key, make=transforms.stage):
                keep.append(make(*key))
                return _rebound(keep[-1], calls, dict(seen), keep)
            others = (*others, ("stage", transforms.stage, stage))
        own = [m for n, m in list(sys.modules.items()) if n.startswith(memory.__package__ + ".") and m is not None]
        self._places = [(module, *other) for other in others for module in own
                        if getattr(module, other[0], None) is other[1]]


def _is_known(kernel):
    function = kernel.__func__ if isinstance(kernel, types.MethodType) else kernel
    return isinstance(function, types.FunctionType) and function.__module__.rpartition(".")[2] in _MODULES


def _rebound(value, calls, seen, keep):
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
            cell.cell_contents = _rebound(own.cell_contents, calls, seen, keep)
    elif isinstance(value, types.MethodType):
        made = types.MethodType(value.__func__, _rebound(value.__self__, calls, seen, keep))
    elif type(value) in (tuple, list):
        made = type(value)([_rebound(v, calls, seen, keep) for v in value])
    elif type(value) is dict:
        made = {k: _rebound(v, calls, seen, keep) for k, v in value.items()}
    elif type(value) is weakref.ref and value() is not None:
        keep.append(value())
        copied = _rebound(keep[-1], calls, seen, keep)

        def made():
            return copied
    elif type(value).__module__.startswith(__package__.rpartition(".")[0] + ".") and not isinstance(
            value, (type, kinds.Elementwise)):  # formulas hold no kernels
        made = copy.copy(value)
        seen[id(value)] = made
        names = [n for kind in type(value).__mro__ for n in (kind.__dict__.get("__slots__") or ())]
        for name in [*names, *getattr(value, "__dict__", {})]:
            if hasattr(value, name) and name != "__weakref__":
                object.__setattr__(made, name, _rebound(getattr(value, name), calls, seen, keep))
    else:
        made = value
    seen[id(value)] = made
    return made
