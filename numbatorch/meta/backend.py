"""The meta device as plans see it (device.Backend): requests are answered by doing nothing, memory is addresses alone.

Every block has addresses of its own, so that views, storage offsets and overlaps are told as on other devices. They lie
where no process has memory.
"""

import itertools

from ..errors import NoValuesError
from ..expr.kinds import Launch
from . import random

on_host = has_values = False
_next = itertools.count(1 << 56, 1 << 48)  # blocks of less than 2**48 bytes


def place(index):
    """None: there is one such device, whatever number it is given."""


def plan(request):
    """A Launch that does nothing."""
    return Launch(_nothing, 0, 0, 0)


def _nothing(*arguments):
    pass


def allocate(nbytes):
    """A block: its address. MemoryError for more bytes than addresses can tell apart."""
    if nbytes >= 1 << 48:
        raise MemoryError(f"meta: a storage of {nbytes} bytes is more than addresses can tell apart")
    return next(_next)


def address(block):
    """The address of a block, which is all there is of it."""
    return block


def upload(target, source, nbytes, wait=True):
    """Nothing: there is nowhere to copy to."""


def move(target, source, nbytes):
    """Nothing."""


def fill(target, value, nbytes):
    """Nothing."""


def download(target, source, nbytes, wait=True):
    """NoValuesError: there is nothing to copy."""
    raise NoValuesError("Cannot copy out of meta tensor; no data! Make memory for it with torch.empty_like(tensor, "
                        "device=...), or for a module with Module.to_empty(device=...), and fill that")


__all__ = ["address", "allocate", "download", "fill", "has_values", "move", "on_host", "place", "plan", "random",
           "upload"]
