"""Template of binary search: where values go in sorted rows."""

from ..expr import write
from . import geometry
from .compile import compile_kernel


def plan(request):
    """result[i] = how many boundaries of the row of value i are below it (with `right`: not above it)."""
    boundaries, values = request.inputs
    dtype, result = boundaries.dtype.name, request.outputs[0].dtype.name
    right = request.options["right"]
    name = f"search_{'right' if right else 'left'}_{dtype}_{result}"
    middle, value = write.load("boundaries[first + middle]", dtype), write.load("values[i]", dtype)
    lines = [f"def {name}(boundaries, values, result, meta, start, stop):",
             "    length = meta[0]", "    across = meta[1]", "    apart = meta[2]",
             "    for i in range(start, stop):",
             "        first = (i // across) * apart",
             f"        value = {value}",
             "        low = int64(0)",
             "        high = length",
             "        while low < high:",
             "            middle = (low + high) // 2",
             # A NaN value is above everything, a NaN boundary below nothing: both negations say so.
             f"            if not ({middle} {'>' if right else '>='} value):",
             "                low = middle + 1",
             "            else:",
             "                high = middle",
             f"        result[i] = {result}(low)"]
    kernel = compile_kernel(name, "\n".join(lines) + "\n", (f"{write.storage(dtype)}*",) * 2 + (f"{result}*", "int64*"))
    length = boundaries.shape[-1]
    one_row = boundaries.ndim == 1
    across = 1 if one_row or not values.ndim else max(1, values.shape[-1])
    return geometry.launch(kernel, values.numel, 2048, length, across, 0 if one_row else length)
