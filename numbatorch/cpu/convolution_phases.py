"""Dilated 3x3 windows by Winograd's transforms: rows and columns are put in an order in which taps are neighbours.

Those that lie a whole number of dilations apart come together, a row or column of zeros after them: the window then is
one without dilation. Planes are copied into that order and results back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

from numbatorch.cpu.convolution_geometry import Correlation, Launch
from numbatorch.cpu.convolution_winograd import WinogradLaunch, winograd_launch
from numbatorch.cpu.microkernel import host_target

MOST_WASTE = 1.35  # of positions with zeros to those without: 1.0 times as fast at 1.39, 1.1 at 1.33, 1.4 at 1.06
GRAIN = 16384  # elements of a chunk

# The block ends with the places of rows and of columns in the new order.
_LOOPS = """def {name}(planes, parts, meta, start, stop):
    height, width, wide, area = meta[0], meta[1], meta[2], meta[3]
    for plane in range(start, stop):
{before}
        for row in range(height):
            at = plane * area + meta[4 + row] * wide
            place = (plane * height + row) * width
            for column in range(width):
                {move}
"""
_CLEAR = "        for i in range(plane * area, (plane + 1) * area):\n            parts[i] = 0"
_MOVES = {
    "apart": (_CLEAR, "parts[at + meta[4 + height + column]] = planes[place + column]"),
    "together": ("", "planes[place + column] = parts[at + meta[4 + height + column]]"),
}


@cache
def _kernel(kind: str, dtype: str) -> Callable[..., None]:
    from numbatorch.cpu.compile import compile_kernel

    name, (before, move) = f"convolution_phases_{kind}_{dtype}", _MOVES[kind]
    text = _LOOPS.format(name=name, before=before, move=move)
    return compile_kernel(name, text, (f"{dtype}*", f"{dtype}*", "int64*"))


class PhasesLaunch:
    """run(x, weight, [bias,] y): x in the new order, its convolution, and the results as they were."""

    def __init__(self, apart: Launch, inner: WinogradLaunch, together: Launch, sizes: tuple[int, int]) -> None:
        self.apart, self.inner, self.together, self.sizes = apart, inner, together, sizes

    def run(self, x_ptr: int, *rest: int) -> None:
        from numbatorch.cpu.memory import address, allocate

        workspace = allocate(sum(self.sizes))
        parts = address(workspace)
        results = parts + self.sizes[0]
        self.apart.run(x_ptr, parts)
        self.inner.run(parts, *rest[:-1], results)
        self.together.run(rest[-1], results)


def phases_launch(task: Correlation) -> PhasesLaunch | None:
    """For dilated 3x3 windows whose results lie as the input does; None for others, and where zeros are too many."""
    g, (_, height, width) = task.geometry, task.plane
    down, across = (max(shift[d] for shift in task.shifts) for d in (1, 2))
    wanted = [(0, row, column) for row in (-down, 0, down) for column in (-across, 0, across)]
    if not task.plane == task.grid == task.result_plane or task.step != (1, 1, 1) or task.result_step != (1, 1, 1):
        return None
    if sorted(task.shifts) != wanted or max(down, across) == 1 or down > height or across > width:
        return None
    size = (1, height + down - 1, width + across - 1)
    if size[1] * size[2] > MOST_WASTE * height * width:
        return None
    shifts = tuple((0, row // down, column // across) for _, row, column in task.shifts)
    inner = winograd_launch(replace(task, plane=size, grid=size, result_plane=size, shifts=shifts))
    if inner is None:
        return None
    area = size[1] * size[2]
    meta = [height, width, size[2], area, *_places(height, down), *_places(width, across)]

    def copying(kind: str, channels: int) -> Launch:
        return Launch(_kernel(kind, g.dtype), meta, g.n * channels, max(1, GRAIN // area))
    sizes = tuple(g.n * count * area * host_target(g.dtype).bytes for count in (task.channels, task.outputs))
    return PhasesLaunch(copying("apart", task.channels), inner, copying("together", task.outputs), (sizes[0], sizes[1]))


def _places(length: int, step: int) -> list[int]:
    """Where each of the rows or columns goes: 0, step, 2 step, ..., one of zeros, 1, 1 + step, ..."""
    found = [0] * length
    at = 0
    for first in range(step):
        for i in range(first, length, step):
            found[i] = at
            at += 1
        at += 1
    return found
