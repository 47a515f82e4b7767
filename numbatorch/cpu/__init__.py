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


def get_capabilities():
    """What the processor can do: {"avx2": True, ..., "architecture": "x86_64", "num_logical_cores": 8}.

    Features have PyTorch's names ("avx512_f", "fma3", "sse4_1"); those that it does not list have LLVM's.
    """
    import os
    import platform

    from . import machine
    name, features = machine.host()
    known = {_feature(f[1:]): f[0] == "+" for f in features.split(",") if f}
    return {**known, "architecture": platform.machine(), "cpu_name": name, "num_logical_cores": os.cpu_count()}


def _feature(name):
    name = name.replace(".", "_").replace("-", "_")
    for prefix in ("avx512", "avx10", "avxne", "avx"):
        rest = name[len(prefix):]
        if name.startswith(prefix) and rest and rest[0].isalpha():
            return f"avx_ne_{rest}" if prefix == "avxne" else f"{prefix}_{rest}"
    return "fma3" if name == "fma" else name


def cache_stats():
    """Kernels of this process and of the cache on disk.

    {"compiled", "loaded", "compiled_bytes", "compile_seconds"} (of the CPU) by this process so far; {"path", "kernels",
    "sources", "bytes", "limit_bytes"} of the cache.
    """
    from ..lowering import cache
    from . import compile

    return {**compile.statistics(), **cache.info()}


def memory_stats():
    """Memory of tensors: {"allocated", "cached", "peak"} in bytes, and how often a block was at hand ("hits") or not.

    `peak` is the most that was in use at once, `cached` what is kept for the next tensors.
    """
    from . import memory

    return memory.memory_stats()


def empty_cache():
    """Give the memory that is kept for the next tensors back to the system."""
    from . import memory

    memory.empty_cache()


class Stream:
    """A queue of work; calls on the CPU are done when they return, so there is one and it is empty."""

    def __init__(self, priority=-1):
        self.priority = priority

    def wait_stream(self, stream):
        """Wait for another stream: nothing is ever outstanding."""


class Event:
    """A place in a queue of work; it has happened when a call returns."""

    def __init__(self, enable_timing=False):
        self.enable_timing = enable_timing

    def query(self):
        """Whether it has happened: it has."""
        return True

    def record(self, stream=None):
        """Put it behind what was asked for: that is done."""

    def synchronize(self):
        """Wait until it has happened: it has."""

    def wait(self, stream=None):
        """Let later work wait for it: there is nothing to wait for."""


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
