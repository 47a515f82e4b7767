"""How loops walk memory: dimensions put in order, merged, and written down for a kernel as an int64 block."""

import numpy as np

from ..expr.kinds import Launch
from ..layout import coalesce

GRAIN = 32768  # elements a chunk: 128 KB of float32, some 5 us of the cheapest loop


def ordered(shape, rows):
    """Dimensions from slow to fast as the last row (the output) strides, then merged. Rows are strides over `shape`."""
    lead = rows[-1]
    dims = sorted(range(len(shape)), key=lambda d: (-abs(lead[d]), -max(abs(r[d]) for r in rows), d))
    return coalesce([shape[d] for d in dims], [[r[d] for d in dims] for r in rows])


def block(*values):
    """An int64 array of all values (ints or sequences of ints) and its address."""
    flat: list[int] = []
    for v in values:
        flat.extend(v) if isinstance(v, (list, tuple)) else flat.append(v)
    array = np.array(flat or [0], dtype=np.int64)
    return array, array.ctypes.data


def launch(kernel, units, grain, *values):
    """A Launch whose meta block holds the values."""
    keep, address = block(*values)
    return Launch(kernel, address, units, max(1, grain), keep)


def decode(indent, rank, sizes_at, rows, counter="row"):
    """Lines that turn a running number into offsets: `rows` are (variable, stride offset in meta) pairs."""
    lines = [f"{indent}{variable} = int64(0)" for variable, _ in rows]
    if rank == 0:
        return lines
    lines.append(f"{indent}rest = {counter}")
    for d in range(rank - 1, -1, -1):
        if d:
            lines.append(f"{indent}at = rest % meta[{sizes_at + d}]")
            lines.append(f"{indent}rest = rest // meta[{sizes_at + d}]")
        else:
            lines.append(f"{indent}at = rest")
        lines += [f"{indent}{variable} += at * meta[{stride_at + d}]" for variable, stride_at in rows]
    return lines


def stride_class(stride):
    """Inner strides that a kernel is written for: 0, 1, or n, read at run time."""
    return {0: "0", 1: "1"}.get(stride, "n")
