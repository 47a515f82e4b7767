"""Streams and events: queues of a device's work, and places in them.

Kernels and copies go to the current stream of the thread, the default one unless `with stream(s):` says otherwise.
"""

import sys

from ..device import device as _device
from . import runtime
from .devices import index_of


class Stream:
    """Stream(device=None, priority=0): a queue of work of its own. priority: -1 goes before 0.

    NoAcceleratorError where there is no device.
    """

    __slots__ = ("device", "cuda_stream", "priority", "_owned", "_before", "__weakref__")

    def __init__(self, device=None, priority=0, **_):
        driver, index = runtime.driver(), index_of(device, "Stream")
        least, greatest = driver.priorities(index)
        self._hold(index, driver.create_stream(index, max(greatest, min(least, priority))), priority, driver)

    def _hold(self, index, handle, priority, owner=None):
        self.device, self.cuda_stream, self.priority = _device("cuda", index), handle, priority
        self._owned, self._before = owner, []

    @classmethod
    def over(cls, index, handle):
        """The stream of a handle that someone else owns."""
        self = object.__new__(cls)
        self._hold(index, handle, 0)
        return self

    def __del__(self):
        if getattr(self, "_owned", None) is not None and not sys.is_finalizing():  # the driver may be gone then
            self._owned.destroy_stream(self.cuda_stream)

    device_type = 1

    @property
    def device_index(self):
        """The number of the device."""
        return self.device.index

    @property
    def stream_id(self):
        """The handle."""
        return self.cuda_stream

    def query(self):
        """Whether all work is done."""
        return runtime.driver().query_stream(self.device.index, self.cuda_stream)

    def synchronize(self):
        """Wait until all work is done."""
        runtime.driver().synchronize_stream(self.device.index, self.cuda_stream)

    def wait_event(self, event):
        """Let later work wait for an event."""
        event.wait(self)

    def wait_stream(self, stream):
        """Let later work wait for what was asked of another stream so far."""
        self.wait_event(stream.record_event())

    def record_event(self, event=None):
        """An event (a new one where none is given) behind the work so far."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def is_capturing(self):
        """Whether work is recorded into a graph."""
        return runtime.driver().is_capturing(self.cuda_stream)

    def __enter__(self):
        index = self.device.index
        self._before.append((runtime.thread.index, runtime.stream(index)))
        runtime.thread.index, runtime.thread.streams[index] = index, self.cuda_stream
        return self

    def __exit__(self, *_):
        runtime.thread.index, runtime.thread.streams[self.device.index] = self._before.pop()

    def __eq__(self, other):
        return isinstance(other, Stream) and (self.device, self.cuda_stream) == (other.device, other.cuda_stream)

    def __hash__(self):
        return hash((self.device, self.cuda_stream))

    def __repr__(self):
        return f"<torch.cuda.Stream device={self.device} cuda_stream={self.cuda_stream:#x}>"


def ExternalStream(stream_ptr, device=None, **_):
    """The Stream over a handle that another library made and keeps alive."""
    return Stream.over(index_of(device, "ExternalStream"), stream_ptr)


def get_stream_from_external(data_ptr, device=None):
    """The Stream over a handle that another library made and keeps alive."""
    return ExternalStream(data_ptr, device)


class Event:
    """Event(enable_timing=False, blocking=False): a place in a stream's work. NoAcceleratorError without a device."""

    __slots__ = ("_timing", "_blocking", "_handle", "_driver", "_index", "__weakref__")

    def __init__(self, enable_timing=False, blocking=False, interprocess=False, external=False):
        if interprocess:
            raise NotImplementedError("cuda.Event: interprocess events are not part of numbatorch")
        runtime.driver()
        self._timing, self._blocking, self._handle, self._driver, self._index = enable_timing, blocking, None, None, 0

    def __del__(self):
        if getattr(self, "_handle", None) is not None and not sys.is_finalizing():
            self._driver.destroy_event(self._handle)

    @property
    def cuda_event(self):
        """The handle; 0 before the event was recorded."""
        return self._handle or 0

    @property
    def device(self):
        """The device of the stream that it was recorded in; None before."""
        return None if self._handle is None else _device("cuda", self._index)

    def record(self, stream=None):
        """Put it behind what a stream (the current one) was asked for."""
        stream = current_stream() if stream is None else stream
        if self._handle is None:
            self._driver, self._index = runtime.driver(), stream.device.index
            self._handle = self._driver.create_event(self._index, self._timing, self._blocking)
        self._driver.record_event(stream.device.index, self._handle, stream.cuda_stream)

    def wait(self, stream=None):
        """Let later work of a stream (the current one) wait for it."""
        if self._handle is not None:
            stream = current_stream() if stream is None else stream
            self._driver.wait_event(stream.device.index, stream.cuda_stream, self._handle)

    def query(self):
        """Whether the work before it is done; True for an event that was not recorded."""
        return self._handle is None or self._driver.query_event(self._handle)

    def synchronize(self):
        """Wait until the work before it is done."""
        if self._handle is not None:
            self._driver.synchronize_event(self._handle)

    def elapsed_time(self, end_event):
        """Milliseconds between this event and another. ValueError unless both time, RuntimeError unless recorded."""
        if not (self._timing and end_event._timing):
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        if self._handle is None or end_event._handle is None:
            raise RuntimeError("cuda.Event.elapsed_time: both events must be recorded before calculating elapsed time")
        return self._driver.elapsed(self._handle, end_event._handle)

    def __repr__(self):
        return f"<torch.cuda.Event {self.cuda_event:#x}>" if self._handle else "<torch.cuda.Event uninitialized>"


def current_stream(device=None):
    """The Stream that this thread's work on a device goes to."""
    index = index_of(device, "current_stream")
    return Stream.over(index, runtime.stream(index))


def default_stream(device=None):
    """The Stream that work goes to where no other is chosen."""
    return Stream.over(index_of(device, "default_stream"), 0)


def set_stream(stream):
    """Make a Stream the current one of its device, and that device current; None changes nothing."""
    if stream is not None:
        runtime.thread.index = stream.device.index
        runtime.thread.streams[stream.device.index] = stream.cuda_stream


class StreamContext:
    """`with stream(s):` sends this thread's work to a stream; None changes nothing."""

    def __init__(self, stream=None):
        self.stream = stream

    def __enter__(self):
        if self.stream is not None:
            self.stream.__enter__()

    def __exit__(self, *_):
        if self.stream is not None:
            self.stream.__exit__()


def stream(stream):
    """Context manager that sends this thread's work to a stream."""
    return StreamContext(stream)
