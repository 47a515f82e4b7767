"""What a profiler has seen: events, their sums by name, tables and traces."""

import gzip
import itertools
import json
import os
from collections import defaultdict


class Interval:
    """From `start` to `end`, in microseconds."""

    def __init__(self, start, end):
        self.start, self.end = start, end

    def elapsed_us(self):
        """Its length."""
        return self.end - self.start


class _Times:
    """What events and their sums have in common: times and memory, also under the names for accelerators (zero)."""

    device_time_total = self_device_time_total = device_time = 0.0
    cuda_time_total = self_cuda_time_total = cuda_time = 0.0
    device_memory_usage = self_device_memory_usage = 0

    @property
    def cpu_time(self):
        """Mean time of a call in microseconds, of what it called too."""
        return self.cpu_time_total / self.count if self.count else 0.0

    cpu_time_str = property(lambda self: format_time(self.cpu_time))
    cpu_time_total_str = property(lambda self: format_time(self.cpu_time_total))
    self_cpu_time_total_str = property(lambda self: format_time(self.self_cpu_time_total))
    device_time_str = device_time_total_str = self_device_time_total_str = "0.000us"


FormattedTimesMixin = _Times


class FunctionEvent(_Times):
    """One call: `name`, `time_range` in microseconds since the profiler started, the calls inside (`cpu_children`).

    input_shapes, stack, flops, bytes_moved and cpu_memory_usage where the profiler was asked for them.
    """

    count, device_index, is_async, is_remote, is_legacy, node_id, scope = 1, 0, False, False, False, -1, 0
    cpu_parent: "FunctionEvent | None" = None

    def __init__(self, id, name, thread, start_us, end_us, *, input_shapes=None, stack=None, flops=None,
                 bytes_moved=0, cpu_memory_usage=0, sequence_nr=-1, is_user_annotation=False, kind="cpu_op"):
        from . import profiler
        self.id, self.name, self.trace_name, self.thread, self.fwd_thread = id, name, name, thread, None
        self.time_range = Interval(start_us, end_us)
        self.input_shapes, self.stack = input_shapes or [], stack or []
        self.flops, self.bytes_moved, self.cpu_memory_usage = flops, bytes_moved, cpu_memory_usage
        self.sequence_nr, self.is_user_annotation, self.activity_type = sequence_nr, is_user_annotation, kind
        self.device_type, self.overload_name, self.use_device = profiler.DeviceType.CPU, "", None
        self.cpu_children: list[FunctionEvent] = []
        self.kernels: list = []
        self.concrete_inputs: list = []
        self.kwinputs: dict = {}

    @property
    def key(self):
        """Its name."""
        return self.name

    @property
    def cpu_time_total(self):
        """Microseconds from beginning to end."""
        return self.time_range.elapsed_us()

    @property
    def self_cpu_time_total(self):
        """Microseconds outside the calls inside."""
        return self.cpu_time_total - sum(c.cpu_time_total for c in self.cpu_children)

    @property
    def self_cpu_memory_usage(self):
        """Bytes allocated less bytes freed outside the calls inside."""
        return self.cpu_memory_usage - sum(c.cpu_memory_usage for c in self.cpu_children)

    def append_cpu_child(self, child):
        """Add a call inside."""
        self.cpu_children.append(child)
        child.cpu_parent = self

    def __repr__(self):
        return (f"<FunctionEvent id={self.id} name={self.name} cpu_time={self.cpu_time_str} "
                f"start_us={self.time_range.start:.3f} end_us={self.time_range.end:.3f} "
                f"cpu_children={[c.id for c in self.cpu_children]} thread={self.thread} "
                f"input_shapes={self.input_shapes} cpu_memory_usage={self.cpu_memory_usage}>")


class FunctionEventAvg(_Times):
    """The sum of the calls of one name (and shapes, and stack, where grouped by them)."""

    key = None
    is_async = is_remote = is_legacy = False
    node_id, scope, device_type, use_device, overload_name = -1, 0, None, None, None

    def __init__(self):
        self.count = 0
        self.cpu_time_total = self.self_cpu_time_total = 0.0
        self.cpu_memory_usage = self.self_cpu_memory_usage = self.flops = self.bytes_moved = 0
        self.input_shapes, self.stack, self.cpu_children, self.cpu_parent = None, None, None, None
        self.is_user_annotation = False

    def add(self, other):
        """Take in an event, or another sum."""
        if self.key is None:
            self.key, self.input_shapes, self.stack = other.key, str(other.input_shapes or ""), other.stack
            self.is_user_annotation, self.device_type = other.is_user_annotation, other.device_type
        for name in ("cpu_time_total", "self_cpu_time_total", "cpu_memory_usage", "self_cpu_memory_usage", "count",
                     "bytes_moved"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.flops += other.flops or 0
        return self

    __iadd__ = add

    def __repr__(self):
        return (f"<FunctionEventAvg key={self.key} self_cpu_time={self.self_cpu_time_total_str} "
                f"cpu_time={self.cpu_time_str} input_shapes={self.input_shapes} "
                f"cpu_memory_usage={self.cpu_memory_usage}>")


class StringTable(defaultdict):
    """A string for each key, the key itself unless set."""

    def __missing__(self, key):
        self[key] = key
        return key


class MemRecordsAcc:
    """Records of memory by time: `in_interval(start, end)` gives those between."""

    def __init__(self, mem_records):
        self._records = sorted(mem_records, key=lambda r: r[0].start_ns())

    def in_interval(self, start_us, end_us):
        """The records from one time to another."""
        return (r for r in self._records if start_us * 1000 <= r[0].start_ns() <= end_us * 1000)


class EventList(list):
    """Events in the order of their start, or sums; with tables and traces of them."""

    def __init__(self, *args, profile_memory=False, with_flops=False, **_):
        super().__init__(*args)
        self._profile_memory, self._with_flops = profile_memory, with_flops

    @property
    def self_cpu_time_total(self):
        """Microseconds in all calls."""
        return sum(e.self_cpu_time_total for e in self)

    def _like(self, items):
        return EventList(items, profile_memory=self._profile_memory, with_flops=self._with_flops)

    def key_averages(self, group_by_input_shapes=False, group_by_stack_n=0, group_by_overload_name=False):
        """Sums by name; by shapes of the operands, and by the innermost lines of the program, where asked."""
        sums: dict = defaultdict(FunctionEventAvg)
        for e in self:
            key = (e.name, str(e.input_shapes) if group_by_input_shapes else "", tuple(e.stack[:group_by_stack_n]))
            sums[key].add(e)
        for s in sums.values():
            s.stack = (s.stack or [])[:group_by_stack_n]
            if not group_by_input_shapes:
                s.input_shapes = ""
        return self._like(sums.values())

    def total_average(self):
        """The sum of all."""
        total = FunctionEventAvg()
        for e in self:
            total.add(e)
            total.key = None
        total.key = "Total"
        return total

    def table(self, sort_by=None, row_limit=100, max_src_column_width=75, max_name_column_width=55,
              max_shapes_column_width=80, header=None, top_level_events_only=False, time_unit=None):
        """The events as text, a row each, sorted by an attribute (`self_cpu_time_total`, `count`, ...).

        Where operations were counted, a row also says how fast its calls moved bytes and computed, and which share of
        what this machine was measured to reach (`profiler.machine_limits`) the larger of the two is.
        """
        from ._profiler_table import write
        return write(self, sort_by, row_limit, max_src_column_width, max_name_column_width, max_shapes_column_width,
                     header, top_level_events_only, time_unit)

    def __str__(self):
        return self.table()

    def export_chrome_trace(self, path):
        """Write the events as JSON that chrome://tracing and Perfetto show; compressed where `path` ends in .gz."""
        write_trace(path, {"traceEvents": self.trace_events()})

    def trace_events(self):
        """The events in the trace format."""
        return [{"ph": "X", "cat": e.activity_type, "name": e.name, "ts": e.time_range.start,
                 "dur": e.time_range.elapsed_us(), "pid": os.getpid(), "tid": e.thread,
                 "args": {k: v for k, v in (("Input Dims", e.input_shapes), ("Call stack", ";".join(e.stack)),
                                            ("flops", e.flops), ("bytes", e.bytes_moved or None),
                                            ("Sequence number", e.sequence_nr)) if v not in ([], "", None, -1)}}
                for e in self]

    def supported_export_stacks_metrics(self):
        """What `export_stacks` can sum."""
        return ["self_cpu_time_total"]

    def export_stacks(self, path, metric="self_cpu_time_total"):
        """Write lines `outermost;...;innermost microseconds` for flame graphs. ValueError for another metric."""
        if metric not in self.supported_export_stacks_metrics():
            raise ValueError(f"metric should be one of: {self.supported_export_stacks_metrics()}, got {metric!r}")
        sums: dict = defaultdict(int)
        plain = str.maketrans(" ;", "__")
        for e in self:
            if e.stack:
                lines = [line.translate(plain) for line in reversed(e.stack)]
                sums[";".join([*lines, e.name])] += int(e.self_cpu_time_total)
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f"{stack} {value}\n" for stack, value in sums.items() if value > 0)


def write_trace(path, content):
    """Write a trace as JSON, compressed where `path` ends in .gz."""
    opener = gzip.open if str(path).endswith(".gz") else open
    with opener(path, "wt", encoding="utf-8") as file:
        json.dump(content, file)


def build_tree(raw):
    """EventList of raw records (closed calls in the order of their start, each with the position of its parent)."""
    events, base = EventList(), itertools.count()
    for r in raw:
        event = FunctionEvent(next(base), r.name, r.thread, r.start / 1000, r.end / 1000, input_shapes=r.shapes,
                              stack=r.stack, flops=r.flops, bytes_moved=r.bytes_moved, cpu_memory_usage=r.memory,
                              sequence_nr=r.sequence, is_user_annotation=r.kind == "user_annotation", kind=r.kind)
        if r.parent is not None:
            events[r.parent].append_cpu_child(event)
        events.append(event)
    return events


def format_time(us):
    """A time in microseconds with the unit that suits it: 1.500ms."""
    for size, unit in ((1e6, "s"), (1e3, "ms")):
        if us >= size:
            return f"{us / size:.3f}{unit}"
    return f"{us:.3f}us"


def format_memory(nbytes):
    """A number of bytes with the unit that suits it: 1.50 KB."""
    for size, unit in ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB")):
        if abs(nbytes) >= size:
            return f"{nbytes / size:.2f} {unit}"
    return f"{nbytes} B"


__all__ = ["EventList", "FormattedTimesMixin", "FunctionEvent", "FunctionEventAvg", "Interval", "MemRecordsAcc",
           "StringTable"]
