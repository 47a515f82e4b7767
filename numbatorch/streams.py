"""Streams and events: queues of an accelerator's work. Calls on the CPU are done when they return, so its one stream is
always empty, and it has no events to record.
"""

from .device import CPU, usable


class _Handle:
    """What both are: an object of the CPU, equal to others of its kind."""

    __slots__ = ("device",)

    def __init__(self, device):
        usable(f"{type(self).__name__}: ", device)
        self.device = CPU

    def query(self):
        """Whether the work that was asked for is done: it is."""
        return True

    def synchronize(self):
        """Wait until it is done: nothing is outstanding."""

    def __eq__(self, other):
        return type(other) is type(self)

    def __hash__(self):
        return hash(type(self))


class Stream(_Handle):
    """Stream(device="cpu"): the one queue of the CPU; `with stream:` changes nothing. Of a GPU a `cuda.Stream`.

    NoAcceleratorError for devices that are not there.
    """

    __slots__ = ()

    device_index, device_type, stream_id = -1, 0, 0

    def __new__(cls, device=None, *, priority=0):
        chosen = usable("Stream: ", device)
        if chosen.type != "cuda":
            return object.__new__(cls)
        from .cuda import Stream
        return Stream(chosen, priority)

    def __init__(self, device=None, *, priority=0):
        super().__init__(device)

    def wait_event(self, event):
        """Let later work wait for an event: it has happened."""

    def wait_stream(self, stream):
        """RuntimeError, as in PyTorch: waiting for a stream needs events."""
        self.record_event()

    def record_event(self, event=None):
        """RuntimeError: the CPU has no events."""
        raise RuntimeError("record_event: cpu backend doesn't support events.")

    def is_capturing(self):
        """Whether work is recorded into a graph: never."""
        return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def __repr__(self):
        return "torch.Stream device_type=cpu, device_index=-1, stream_id=0"


class Event(_Handle):
    """Event(device="cpu", enable_timing=False): a place in a stream's work; of a GPU a `cuda.Event`.

    That of the CPU raises RuntimeError where it would be recorded.
    """

    __slots__ = ("_timing",)

    event_id = 0

    def __new__(cls, device=None, *, enable_timing=False, blocking=False, interprocess=False):
        if usable("Event: ", device).type != "cuda":
            return object.__new__(cls)
        from .cuda import Event
        return Event(enable_timing, blocking, interprocess)

    def __init__(self, device=None, *, enable_timing=False, blocking=False, interprocess=False):
        super().__init__(device)
        self._timing = enable_timing

    def record(self, stream=None):
        """RuntimeError: the CPU has no events."""
        raise RuntimeError("Event.record: cpu backend doesn't support events.")

    def wait(self, stream=None):
        """Let later work wait for this event: there is nothing to wait for."""

    def elapsed_time(self, end_event):
        """Milliseconds between two recorded events. ValueError unless both time, RuntimeError as none is recorded."""
        if not (self._timing and getattr(end_event, "_timing", False)):
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        raise RuntimeError("Event.elapsed_time: both events must be recorded, and cpu backend doesn't support events.")

    def __repr__(self):
        return f"torch.Event device_type=cpu, device_index=-1, event_flag={int(self._timing)}, event_id=0"
