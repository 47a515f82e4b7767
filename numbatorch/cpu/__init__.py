"""The CPU: kernels compiled by Numba and LLVM, their cache, memory and threads; and what programs ask of a device."""

import contextlib


def is_available():
    """Whether there is a CPU: yes."""
    return True


def is_initialized():
    """Whether the CPU is in use: always."""
    return True


def device_count():
    """How many CPU devices there are: one, of all cores."""
    return 1


def current_device():
    """The name of the current CPU device."""
    return "cpu"


def set_device(device):
    """Make a device current: there is one, so nothing changes."""


def synchronize(device=None):
    """Wait until the CPU has done what was asked of it: it has when a call returns."""


class Stream:
    """A queue of work; calls on the CPU are done when they return, so there is one and it is empty."""

    def __init__(self, priority=-1):
        self.priority = priority

    def wait_stream(self, stream):
        """Wait for another stream: nothing is ever outstanding."""


_stream = Stream()


def current_stream(device=None):
    """The stream that calls go to."""
    return _stream


def stream(stream):
    """Context manager that selects a stream; without effect."""
    return contextlib.nullcontext(stream)


def __getattr__(name):
    if name == "amp":
        import importlib
        return importlib.import_module(".amp", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
