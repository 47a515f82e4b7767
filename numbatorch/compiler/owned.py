"""Memory of a program that outlives a run, results and constants, and how tensors look at it."""

import sys

from ..storage import Storage
from . import contents
from .memory import room


class Owned:
    """Memory that outlives a run: a result, or a gradient. It is used again when nobody holds it any more."""

    __slots__ = ("buffer", "storage")

    def __init__(self, buffer, stays=False):
        """stays: in a block that is no larger than it, as for a gradient, which is rarely made anew."""
        self.buffer, self.storage = buffer, Storage.allocate(0 if stays else buffer.nbytes, buffer.device)
        if stays:
            self.storage.block, self.storage.ptr = room(buffer.device, buffer.nbytes)
            self.storage.nbytes = buffer.nbytes

    def renewed(self):
        """New memory in place of what something still looks at."""
        self.storage = Storage.allocate(self.buffer.nbytes, self.buffer.device)
        return self.storage

    def fresh(self):
        """The storage, or a new one where something still looks at it."""
        if self.storage is None or sys.getrefcount(self.storage) > 2 or sys.getrefcount(self.storage.block) > 2:
            return self.renewed()
        return self.storage


class View:
    """How to make a tensor over a buffer: its layout and offset; or the tensor itself, where it was there before.

    history: "used" where eager code gives it one that was gone through; "same" for an argument itself.
    """

    __slots__ = ("buffer", "offset", "layout", "tensor", "history")

    def __init__(self, buffer, offset, layout, tensor=None, history=None):
        self.buffer, self.offset, self.layout, self.tensor, self.history = buffer, offset, layout, tensor, history


def constant(buffer):
    """(memory with the contents of a constant, its address)."""
    block, at = room(buffer.device, buffer.nbytes)
    contents.write(buffer.device, at, buffer.content)
    return block, at


__all__ = ["Owned", "View", "constant"]
