"""Template of joins: contiguous tensors side by side along one dimension. Each is copied by a kernel of its own.

The call brings the tensors' addresses as a block in the host's memory, as many as there are.
"""

import ctypes
import math

from ..expr.kinds import Launch
from .launching import call

BLOCK = 256
_TEXT = """def {name}(source, out, own, across, at, units):
    i = grid()
    if i < units:
        row = i // own
        out[row * across + at + (i - row * own)] = source[i]
"""


def several(request):
    """The Launch of `plan` with the addresses as arguments of their own, instead of in a block."""
    parts, units = _parts(request)
    count = len(request.inputs)

    def run(*given):
        for k, copy in parts:
            copy(given[k], *given[count:])
    return Launch(run, 0, units, 1)


def plan(request):
    """result = inputs one after the other along a dimension, all contiguous and of one dtype."""
    parts, units = _parts(request)
    count = len(request.inputs)

    def run(table, out, *rest):
        addresses = (ctypes.c_int64 * count).from_address(table)
        for k, copy in parts:
            copy(addresses[k], out, *rest)
    return Launch(run, 0, units, 1)


def _parts(request):
    """([(number of an input, the call that copies it)], rows of the result)."""
    dim, device, size = request.options["dim"], request.outputs[0].device, request.inputs[0].dtype.itemsize
    word = {1: "uint8", 2: "uint16", 4: "uint32", 8: "uint64", 16: "complex128"}[size]
    widths = [math.prod(t.shape[dim:]) for t in request.inputs]
    rows, across, at, parts = math.prod(request.inputs[0].shape[:dim]), sum(widths), 0, []
    for k, width in enumerate(widths):
        if rows * width:
            name = f"join_{word}"
            parts.append((k, call(name, _TEXT.format(name=name), (f"{word}*", f"{word}*", *["int64"] * 4), device,
                                  (width, across, at, rows * width), -(-rows * width // BLOCK), BLOCK)))
        at += width
    return parts, rows
