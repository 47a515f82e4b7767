"""Bytes of the memory of any device, as a capture looks at them and puts them back."""

import ctypes
import operator

from ..cpu import memory
from ..device import CPU
from ..plan import backend


def read(device, address, nbytes):
    """A copy of so many bytes."""
    if device is CPU:
        return ctypes.string_at(address, nbytes)
    nbytes = operator.index(nbytes)  # of a size that is followed, the one that it has
    block = ctypes.create_string_buffer(max(nbytes, 1))
    backend(device).download(ctypes.addressof(block), address, nbytes)
    return block.raw[:nbytes]


class Copies:
    """{buffer: what was in it}: `keep` takes a copy.

    Those of the CPU's memory lie in blocks of its lists. What is changed is mostly parameters, when all that backward
    kept is free again: fresh memory, whose pages cost more than copying to them, is not needed.
    """

    def __init__(self):
        self._of: dict = {}

    def __contains__(self, buffer):
        return buffer in self._of

    def keep(self, buffer):
        """Copy what is in a buffer's memory."""
        nbytes = operator.index(buffer.nbytes)  # of a size that is followed, the one that it has
        if buffer.device is not CPU:
            self._of[buffer] = read(buffer.device, buffer.address, nbytes), nbytes
            return
        block = memory.allocate(nbytes)
        ctypes.memmove(memory.address(block), buffer.address, nbytes)
        self._of[buffer] = block, nbytes

    def restore(self):
        """Put everything back."""
        for buffer, (content, nbytes) in self._of.items():
            if buffer.device is CPU:
                ctypes.memmove(buffer.address, memory.address(content), nbytes)
            else:
                write(buffer.device, buffer.address, content)

    def clear(self):
        """Give up what was kept."""
        self._of.clear()


def write(device, address, content):
    """Put bytes there; returns when that is done."""
    if device is CPU:
        ctypes.memmove(address, content, len(content))
    else:
        block = ctypes.create_string_buffer(content, max(len(content), 1))
        backend(device).upload(address, ctypes.addressof(block), len(content))


def clear(device, address, nbytes):
    """Make bytes 0."""
    if device is CPU:
        ctypes.memset(address, 0, nbytes)
    else:
        backend(device).fill(address, 0, operator.index(nbytes))
