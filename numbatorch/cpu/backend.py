"""The CPU as plans see it (device.Backend): requests in, launches out; memory by the byte."""

import ctypes

from ..expr import kinds
from . import elementwise, rows
from .memory import address, allocate

on_host = has_values = sums_rows = True
_TEMPLATES = {kinds.Elementwise: elementwise.plan, kinds.Rows: rows.plan}


def plan(request):
    """The Launch that answers a request (expr/kinds.py)."""
    if isinstance(request, kinds.Native):
        import importlib
        module = importlib.import_module(f".{request.template}", __package__)
        return getattr(module, request.function)(request)
    if isinstance(request, kinds.Nest):
        from . import nest
        return nest.plan(request)
    if isinstance(request, kinds.Scan):
        from . import scan
        return scan.plan(request)
    return _TEMPLATES[type(request)](request)


def place(index):
    """None: there is one CPU, which has no index."""


def move(target, source, nbytes, wait=True):
    """Copy bytes."""
    ctypes.memmove(target, source, nbytes)


upload = download = move
fill = ctypes.memset


def source(request):
    """The kernel source that `plan` would compile for a formula request."""
    module = elementwise if isinstance(request, kinds.Elementwise) else rows
    return module.source(request)


def __getattr__(name):
    """Fills of random numbers, what reads memory for Python and what `compile` asks load when first used."""
    if name in ("random", "fusion"):
        import importlib
        found = globals()[name] = importlib.import_module(f".{name}", __package__)
        return found
    if name in ("reader", "range_check"):
        from . import scalars
        found = globals()[name] = getattr(scalars, name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["address", "allocate", "plan", "source"]
