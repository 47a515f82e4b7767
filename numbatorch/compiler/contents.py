"""Bytes of the memory of any device, as a capture looks at them and puts them back."""

import ctypes
import operator

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
