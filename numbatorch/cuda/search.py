"""Template of binary search: a thread a value, which finds where it goes in a sorted row."""

from ..expr import write
from .launching import launch

BLOCK = 256


def plan(request):
    """result[i] = how many boundaries of the row of value i are below it (with `right`: not above it)."""
    boundaries, values = request.inputs
    dtype, result = boundaries.dtype.name, request.outputs[0].dtype.name
    right = request.options["right"]
    name = f"search_{'right' if right else 'left'}_{dtype}_{result}"
    middle, value = write.load("boundaries[first + middle]", dtype), write.load("values[i]", dtype)
    lines = [f"def {name}(boundaries, values, result, length, across, apart, units):",
             "    i = grid()",
             "    if i < units:",
             "        first = (i // across) * apart",
             f"        value = {value}",
             "        low = int64(0)",
             "        high = length",
             "        while low < high:",
             "            middle = (low + high) >> 1",
             # A NaN value is above everything, a NaN boundary below nothing: both negations say so.
             f"            if not ({middle} {'>' if right else '>='} value):",
             "                low = middle + 1",
             "            else:",
             "                high = middle",
             f"        result[i] = {result}(low)"]
    length, one_row = boundaries.shape[-1], boundaries.ndim == 1
    across = 1 if one_row or not values.ndim else max(1, values.shape[-1])
    signature = (f"{write.storage(dtype)}*",) * 2 + (f"{result}*", *["int64"] * 4)
    return launch(name, "\n".join(lines) + "\n", signature, request.outputs[0].device,
                  (length, across, 0 if one_row else length, values.numel), values.numel, BLOCK)
