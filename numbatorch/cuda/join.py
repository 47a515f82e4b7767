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


def plan(request):
    """result = inputs one after the other along a dimension, all contiguous and of one dtype."""
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
    count = len(widths)

    def run(table, out, *rest):
        addresses = (ctypes.c_int64 * count).from_address(table)
        for k, copy in parts:
            copy(addresses[k], out, *rest)
    return Launch(run, 0, rows, 1)
