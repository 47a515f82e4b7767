"""Where time goes: every op of this thread, forward and backward, with what calls what.

    with torch.autograd.profiler.profile(record_shapes=True) as prof:
        model(input).sum().backward()
    print(prof.key_averages().table(sort_by="self_cpu_time_total"))

Ops are seen through `interception`, nodes through the engine's observers, so nothing is spent while no profiler is on.
While one is, a call takes some microseconds more, which count as the call's own: they show where calls are small.
"""

import contextlib
import enum
import functools
import os
import sys
import threading
import time

from .. import interception
from . import engine
from .profiler_util import EventList, FunctionEvent, FunctionEventAvg, MemRecordsAcc, build_tree, write_trace

__all__ = ["profile", "record_function", "emit_itt", "emit_nvtx", "load_nvprof", "EnforceUnique",
           "parse_nvprof_trace", "KinetoStepTracker", "EventList", "FunctionEvent", "FunctionEventAvg",
           "MemRecordsAcc"]


class DeviceType(enum.IntEnum):
    """Kinds of devices; what is profiled here runs on the CPU."""

    CPU = 0
    CUDA = 1


class _Raw:
    """One call while it runs, and after."""

    __slots__ = ("name", "kind", "thread", "parent", "start", "end", "shapes", "stack", "flops", "bytes_moved",
                 "memory", "sequence")

    def __init__(self, name, kind, parent):
        self.name, self.kind, self.parent, self.thread = name, kind, parent, threading.get_native_id()
        self.shapes, self.stack, self.flops, self.bytes_moved, self.memory, self.sequence = None, None, None, 0, 0, -1


class _Local(threading.local):
    recorder: "Recorder | None" = None  # the one that records in this thread


_local = _Local()
_OWN = os.path.dirname(os.path.dirname(__file__)) + os.sep


def user_lines():
    """The lines of the program that led here, the innermost first, without numbatorch's own."""
    lines, frame = [], sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith((_OWN, "<")):
            lines.append(f"{name}({frame.f_lineno}): {frame.f_code.co_name}")
        frame = frame.f_back
    return lines


class Recorder:
    """Records calls in one thread from `start` to `stop`. RuntimeError where another one does."""

    def __init__(self, record_shapes=False, with_flops=False, profile_memory=False, with_stack=False,
                 with_modules=False):
        self.record_shapes, self.with_flops, self.profile_memory = record_shapes, with_flops, profile_memory
        self.with_stack, self.with_modules, self.paused = with_stack, with_modules, False
        self.calls: list[_Raw] = []
        self.open: list[int] = []
        self._watch = contextlib.ExitStack()

    def start(self):
        """Begin."""
        if _local.recorder is not None:
            raise RuntimeError("Profiler is already enabled on this thread")
        from ..utils import work
        self.work = work
        _local.recorder = self
        self._mode = self._watch.enter_context(interception.mode(self._op))
        engine.running.observers = (*engine.running.observers, self._node)
        self._watch.callback(self._leave_engine)
        if self.with_modules:
            self._follow_modules()
        self.began = time.perf_counter_ns()

    def _leave_engine(self):
        engine.running.observers = tuple(o for o in engine.running.observers if o != self._node)

    def _follow_modules(self):
        from ..nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
        opened: list[int] = []

        def enter(module, args):
            opened.append(self.push(f"nn.Module: {type(module).__name__}", "python_function"))

        def leave(module, args, result):
            self.pop(opened.pop())
        self._watch.callback(register_module_forward_pre_hook(enter).remove)
        self._watch.callback(register_module_forward_hook(leave, always_call=True).remove)

    def stop(self):
        """End; calls that still run end here."""
        while self.open:
            self.pop(self.open[-1])
        _local.recorder = None
        self._watch.close()

    def forget(self):
        """Drop what was recorded so far; calls that still run stay."""
        kept = list(self.open)
        self.calls, self.open = [self.calls[k] for k in kept], list(range(len(kept)))
        self.began = time.perf_counter_ns()
        for k, call in enumerate(self.calls):
            call.parent, call.start = k - 1 if k else None, 0

    def pause(self, on):
        """Let ops pass unrecorded, or record them again."""
        self.paused = on

    def push(self, name, kind):
        """Begin a call; its position."""
        call = _Raw(name, kind, self.open[-1] if self.open else None)
        self.calls.append(call)
        position = len(self.calls) - 1
        self.open.append(position)
        if self.with_stack:
            call.stack = user_lines()
        if self.profile_memory:
            call.memory = -_allocated()
        call.start = time.perf_counter_ns() - self.began
        return position

    def pop(self, position):
        """End a call, and those inside that were not ended."""
        now = time.perf_counter_ns() - self.began
        while self.open and self.open[-1] >= position:
            call = self.calls[self.open.pop()]
            call.end = now
            if self.profile_memory:
                call.memory += _allocated()

    def _op(self, op, inplace, values):
        if self.paused:
            return NotImplemented
        position = self.push(f"aten::{op.name}{'_' * inplace}", "cpu_op")
        call = self.calls[position]
        try:
            result = interception.call_inside(self._mode, op, inplace, values)
        finally:
            self.pop(position)
        if self.record_shapes:
            call.shapes = [list(v.shape) if hasattr(v, "_layout") else
                           [list(t.shape) for t in interception.tensors_of(v)] if isinstance(v, (list, tuple)) else []
                           for v in values]
        if self.with_flops and op.kind != "composite" and not op.eager:
            call.flops = self.work.flops(op, values, result) or None
            call.bytes_moved = self.work.bytes_moved(op, values, result)
        return result

    def _node(self, node, grads, step):
        if self.paused:
            return step(node, grads)
        position = self.push(node.name(), "cpu_op")
        call = self.calls[position]
        call.sequence = node.sequence
        saved = node.saved
        inside = len(self.calls)
        try:
            results = step(node, grads)
        finally:
            self.pop(position)
        if self.record_shapes:
            call.shapes = [[] if g is None else list(g.shape) for g in grads]
        if self.with_flops and len(self.calls) == inside:  # one kernel of its own
            made = list(interception.tensors_of(tuple(results)))
            read = list(interception.tensors_of((tuple(grads), saved if isinstance(saved, tuple) else ())))
            call.bytes_moved = sum(t.numel() * t.element_size() for t in (*made, *read))
            call.flops = sum(t.numel() for t in made) or None
        return results


def _allocated():
    from ..cpu.memory import memory_stats
    return memory_stats()["allocated"]


def _unavailable(name, why):
    raise NotImplementedError(f"{name}: {why}")


class profile:
    """Context manager that records every op of this thread; afterwards `key_averages()`, `table()` and traces.

    record_shapes: shapes of operands. with_flops: operations and bytes of each call, and how fast they were.
    profile_memory: bytes allocated less freed. with_stack: the lines of the program. with_modules: a row for each
    module. use_device, use_cuda: RuntimeError, times are the host's alone. enabled=False does nothing.
    """

    def __init__(self, enabled=True, *, use_cuda=False, use_device=None, record_shapes=False, with_flops=False,
                 profile_memory=False, with_stack=False, with_modules=False, use_kineto=False, use_cpu=True,
                 experimental_config=None, acc_events=False, custom_trace_id_callback=None,
                 post_processing_timeout_s=None, activity_filters=None):
        if use_cuda or use_device not in (None, "cpu"):
            raise RuntimeError(f"profile: only the host's time can be told, not that of {use_device or 'cuda'}; "
                               "torch.cuda.Event(enable_timing=True) times work on a GPU")
        self.enabled, self.entered, self.use_device = enabled and use_cpu, False, None
        self.record_shapes, self.with_flops, self.profile_memory = record_shapes, with_flops, profile_memory
        self.with_stack, self.with_modules = with_stack, with_modules
        self.recorder = None
        self.function_events: EventList | None = None

    def __enter__(self):
        if self.enabled:
            if self.entered:
                raise RuntimeError("Profiler context manager is not reentrant")
            self.entered = True
            self.recorder = Recorder(self.record_shapes, self.with_flops, self.profile_memory, self.with_stack,
                                     self.with_modules)
            self.recorder.start()
        return self

    def __exit__(self, *_):
        if self.enabled:
            self.recorder.stop()
            self.function_events = self.events_of(self.recorder)
        return False

    def events_of(self, recorder):
        """The EventList of what a recorder has seen."""
        events = build_tree(recorder.calls)
        events._profile_memory, events._with_flops = self.profile_memory, self.with_flops
        return events

    def _events(self):
        if self.function_events is None:
            raise RuntimeError("Profiler didn't finish running")
        return self.function_events

    def __repr__(self):
        return "<unfinished torch.autograd.profile>" if self.function_events is None else repr(self.function_events)

    def __str__(self):
        return "<unfinished torch.autograd.profile>" if self.function_events is None else str(self.function_events)

    def key_averages(self, group_by_input_shape=False, group_by_stack_n=0, group_by_overload_name=False):
        """Sums by name; see EventList.key_averages. RuntimeError before the context has ended."""
        return self._events().key_averages(group_by_input_shape, group_by_stack_n, group_by_overload_name)

    def table(self, *args, **kwargs):
        """All events as text; see EventList.table."""
        return self._events().table(*args, **kwargs)

    def total_average(self):
        """The sum of all events."""
        return self._events().total_average()

    def export_chrome_trace(self, path):
        """Write a trace for chrome://tracing or Perfetto."""
        write_trace(path, {"schemaVersion": 1, "traceEvents": self._events().trace_events()})

    def export_stacks(self, path, metric="self_cpu_time_total"):
        """Write stacks for flame graphs; needs with_stack=True."""
        if not self.with_stack:
            raise RuntimeError("export_stacks() requires with_stack=True")
        self._events().export_stacks(path, metric)

    @property
    def self_cpu_time_total(self):
        """Microseconds in all ops."""
        return self._events().self_cpu_time_total


class record_function:
    """Context manager and decorator: a row of its own, under `name`, for what runs inside. Costs nothing to speak of
    while no profiler is on."""

    def __init__(self, name, args=None):
        self.name, self.args = name, args
        self._opened: list = []

    def __enter__(self):
        recorder = _local.recorder
        self._opened.append((recorder, None if recorder is None else recorder.push(self.name, "user_annotation")))
        return self

    def __exit__(self, *_):
        recorder, position = self._opened.pop()
        if recorder is not None and recorder is _local.recorder and position in recorder.open:
            recorder.pop(position)

    def __call__(self, function):
        @functools.wraps(function)
        def inside(*args, **kwargs):
            with record_function(self.name, self.args):
                return function(*args, **kwargs)
        return inside


class _Emit:
    """A context in which another profiler would be told of each op: it does nothing, that profiler is not there."""

    def __init__(self, enabled=True, record_shapes=False):
        self.enabled, self.record_shapes, self.entered = enabled, record_shapes, False

    def __enter__(self):
        if self.enabled:
            if self.entered:
                raise RuntimeError(f"{type(self).__name__} context manager is not reentrant")
            self.entered = True
        return self

    def __exit__(self, *_):
        return False


class emit_nvtx(_Emit):
    """Marks for NVIDIA's tools: does nothing; kernels carry the names of their ops there."""


class emit_itt(_Emit):
    """Marks for Intel's tools: does nothing; their own sampling sees kernels as generated code."""


def load_nvprof(path):
    """NotImplementedError: traces of NVIDIA's nvprof."""
    _unavailable("load_nvprof", f"traces of nvprof ({path}) are not read here")


def parse_nvprof_trace(path):
    """NotImplementedError: traces of NVIDIA's nvprof."""
    _unavailable("parse_nvprof_trace", f"traces of nvprof ({path}) are not read here")


class EnforceUnique:
    """Raises RuntimeError when a key is seen twice."""

    def __init__(self):
        self.seen = set()

    def see(self, *key):
        """Note a key."""
        if key in self.seen:
            raise RuntimeError("duplicate key: " + str(key))
        self.seen.add(key)


class KinetoStepTracker:
    """Counts steps by who asks; the global step is the largest count."""

    _steps: dict = {}
    _current = 0

    @classmethod
    def init_step_count(cls, requester):
        """Begin a count."""
        cls._steps[requester] = cls._current

    @classmethod
    def erase_step_count(cls, requester):
        """End a count; whether there was one."""
        return cls._steps.pop(requester, None) is not None

    @classmethod
    def increment_step(cls, requester):
        """Count one step; the global step."""
        cls._steps.setdefault(requester, cls._current)
        cls._steps[requester] += 1
        cls._current = max(cls._current, *cls._steps.values())
        return cls._current

    @classmethod
    def current_step(cls):
        """The global step."""
        return cls._current
