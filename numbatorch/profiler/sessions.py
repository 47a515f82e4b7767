"""profile with schedules: which steps are recorded, and what happens to each recorded stretch."""

import enum
import json
import os
import socket
import time
import warnings

from ..autograd import profiler as recording
from ..autograd.profiler_util import EventList, write_trace


class ProfilerActivity(enum.Enum):
    """What can be recorded; only the CPU is here."""

    CPU = 0
    CUDA = 2


class ProfilerAction(enum.Enum):
    """What happens in a step. RECORD_AND_SAVE ends a recorded stretch."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


_RUNS = (ProfilerAction.WARMUP, ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)


def supported_activities():
    """What can be recorded: {ProfilerActivity.CPU}."""
    return {ProfilerActivity.CPU}


def kineto_available():
    """Whether traces can be made: True, by numbatorch itself."""
    return True


def schedule(*, wait, warmup, active, repeat=0, skip_first=0, skip_first_wait=0):
    """A function from the number of a step to its ProfilerAction.

    After `skip_first` steps come `wait` idle ones, `warmup` whose records are dropped and `active` recorded ones, again
    and again, or `repeat` times; skip_first_wait leaves the first `wait` out. ValueError for negative numbers, or
    active < 1.
    """
    numbers = {"wait": wait, "warmup": warmup, "repeat": repeat, "skip_first": skip_first, "active": active}
    if any(n < 0 for n in numbers.values()) or active < 1:
        raise ValueError(f"schedule: wait, warmup, repeat and skip_first must be at least 0 and active at least 1, got "
                         f"{', '.join(f'{k}={v}' for k, v in numbers.items())}")
    if warmup == 0:
        warnings.warn("schedule: without a warmup step the first recorded one also compiles kernels", stacklevel=2)

    def action(step):
        if step < 0:
            raise ValueError(f"schedule: steps count from 0, got {step}")
        step -= skip_first
        if step < 0:
            return ProfilerAction.NONE
        if skip_first_wait:
            step += wait
        length = wait + warmup + active
        if repeat and step // length >= repeat:
            return ProfilerAction.NONE
        step %= length
        if step < wait:
            return ProfilerAction.NONE
        if step < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD_AND_SAVE if step == length - 1 else ProfilerAction.RECORD
    return action


def _always(step):
    return ProfilerAction.RECORD


def tensorboard_trace_handler(dir_name, worker_name=None, use_gzip=False, use_python_export=False):
    """An `on_trace_ready` that writes a trace `<worker>.<time>.pt.trace.json` for each stretch into a folder.

    RuntimeError where the folder cannot be made.
    """
    def handle(prof):
        try:
            os.makedirs(dir_name, exist_ok=True)
        except OSError as error:
            raise RuntimeError(f"Can't create directory: {dir_name} ({error.strerror})") from error
        worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        name = f"{worker}.{time.time_ns()}.pt.trace.json{'.gz' * use_gzip}"
        prof.export_chrome_trace(os.path.join(dir_name, name))
    return handle


class profile:
    """Record ops of this thread, all the time or by a schedule.

    activities: {ProfilerActivity.CPU}. schedule: step -> ProfilerAction, followed by calls of `step()`; without one
    everything is recorded. on_trace_ready(self): called after each recorded stretch. record_shapes, profile_memory,
    with_stack, with_flops, with_modules: see autograd.profiler.profile. acc_events: events of all stretches, else of
    the last. execution_trace_observer: an ExecutionTraceObserver that runs along.
    """

    def __init__(self, *, activities=None, schedule=None, on_trace_ready=None, record_shapes=False,
                 profile_memory=False, with_stack=False, with_flops=False, with_modules=False, experimental_config=None,
                 execution_trace_observer=None, acc_events=False, use_cuda=None, custom_trace_id_callback=None,
                 post_processing_timeout_s=None):
        self.activities = set(activities) if activities else supported_activities()
        if use_cuda or ProfilerActivity.CUDA in self.activities:
            warnings.warn("CUDA is not available, only the CPU's activity is recorded", stacklevel=2)
            self.activities = supported_activities()
        self.options = {"record_shapes": record_shapes, "with_flops": with_flops, "profile_memory": profile_memory,
                        "with_stack": with_stack, "with_modules": with_modules}
        for name, value in self.options.items():
            setattr(self, name, value)
        self.schedule, self.record_steps = schedule or _always, schedule is not None
        self.on_trace_ready, self.acc_events = on_trace_ready, acc_events
        self.execution_trace_observer = execution_trace_observer
        self.custom_trace_id_callback = custom_trace_id_callback
        self.step_num, self.current_action = 0, self.schedule(0)
        self.profiler: recording.profile | None = None
        self._recorder = self._step_mark = None
        self._events: EventList | None = None
        self._metadata: dict = {}
        self._trace_id = ""

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Begin with step 0."""
        if self.execution_trace_observer is not None:
            self.execution_trace_observer.start()
        self._begin(self.current_action)
        self._mark()

    def stop(self):
        """End; a stretch that is being recorded ends, too."""
        self._unmark()
        if self._recorder is not None:
            recorded = self.current_action is not ProfilerAction.WARMUP
            self._end(recorded)
        if self.execution_trace_observer is not None:
            self.execution_trace_observer.stop()

    def step(self):
        """The present step is over, the next one begins."""
        self._unmark()
        before, self.step_num = self.current_action, self.step_num + 1
        self.current_action = now = self.schedule(self.step_num)
        if before is ProfilerAction.RECORD_AND_SAVE or (self._recorder is not None and now not in _RUNS):
            if before is ProfilerAction.RECORD:
                warnings.warn("Incorrect schedule: RECORD followed by NONE; the stretch ends here", stacklevel=2)
            self._end(before is not ProfilerAction.WARMUP)
            self._begin(now)
        elif self._recorder is None:
            self._begin(now)
        elif before is ProfilerAction.WARMUP and now is not ProfilerAction.WARMUP:
            self._recorder.forget()
        self._mark()

    def _begin(self, action):
        if action in _RUNS:
            self._trace_id = self.custom_trace_id_callback() if self.custom_trace_id_callback else os.urandom(16).hex()
            self.profiler = recording.profile(**self.options)
            self._recorder = recording.Recorder(**self.options)
            self._recorder.start()

    def _end(self, recorded):
        recorder, self._recorder = self._recorder, None
        recorder.stop()
        if not recorded:
            return
        events = self.profiler.function_events = self.profiler.events_of(recorder)
        if self.acc_events and self._events is not None:
            self._events.extend(events)
        else:
            self._events = events
        if self.on_trace_ready is not None:
            self.on_trace_ready(self)

    def _mark(self):
        if self.record_steps and self._recorder is not None:
            self._step_mark = recording.record_function(f"ProfilerStep#{self.step_num}")
            self._step_mark.__enter__()

    def _unmark(self):
        mark, self._step_mark = self._step_mark, None
        if mark is not None:
            mark.__exit__(None, None, None)

    def events(self):
        """The recorded events. AssertionError before a stretch has ended."""
        if self._events is None:
            raise AssertionError("profile: no stretch has been recorded to its end yet")
        return self._events

    def key_averages(self, group_by_input_shape=False, group_by_stack_n=0, group_by_overload_name=False):
        """Sums of the recorded events by name; see EventList.key_averages."""
        return self.events().key_averages(group_by_input_shape, group_by_stack_n, group_by_overload_name)

    def export_chrome_trace(self, path):
        """Write a trace for chrome://tracing or Perfetto; compressed where `path` ends in .gz."""
        write_trace(path, {"schemaVersion": 1, "trace_id": self._trace_id, "record_shapes": int(self.record_shapes),
                           "with_stack": int(self.with_stack), "profile_memory": int(self.profile_memory),
                           "with_flops": int(self.with_flops), "with_modules": int(self.with_modules),
                           **self._metadata, "traceEvents": self.events().trace_events()})

    def export_stacks(self, path, metric="self_cpu_time_total"):
        """Write stacks for flame graphs. RuntimeError without with_stack=True."""
        if not self.with_stack:
            raise RuntimeError("export_stacks() requires with_stack=True")
        self.events().export_stacks(path, metric)

    def export_memory_timeline(self, path, device=None):
        """Write [[microseconds], [bytes in use]] as JSON. ValueError without profile_memory=True."""
        if not self.profile_memory:
            raise ValueError("export_memory_timeline: profile_memory=True required")
        times, used, total = [], [], 0
        for e in sorted((e for e in self.events() if e.self_cpu_memory_usage), key=lambda e: e.time_range.end):
            total += e.self_cpu_memory_usage
            times.append(e.time_range.end)
            used.append(total)
        write_trace(path, [times, used])

    def add_metadata(self, key, value):
        """A string for the trace."""
        self._metadata[key] = str(value)

    def add_metadata_json(self, key, value):
        """JSON for the trace. ValueError where `value` is none."""
        self._metadata[key] = json.loads(value)

    preset_metadata_json = add_metadata_json

    def get_trace_id(self):
        """The id of the last stretch; None before the first."""
        return self._trace_id or None

    def set_custom_trace_id_callback(self, callback):
        """A function that gives ids to stretches."""
        self.custom_trace_id_callback = callback

    def toggle_collection_dynamic(self, enable, activities):
        """Stop recording ops, or go on. RuntimeError outside of a recorded stretch."""
        if self._recorder is None:
            raise RuntimeError("toggle_collection_dynamic: nothing is being recorded")
        if ProfilerActivity.CPU in set(activities):
            self._recorder.pause(not enable)
