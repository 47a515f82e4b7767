"""Sizes of a convolution, and what all its templates share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from math import ceil, prod

import numpy as np

from numbatorch.cpu.gemm import UNIT_FLOPS
from numbatorch.cpu.microkernel import Target, host_target

Region = tuple[int, int, int, int, int]  # image, first channel, channels, first position of a plane, positions
Regions = Callable[[int], list[Region]]


class Launch:
    """A kernel with its parameter block, number of units and grain.

    regions: which parts of a contiguous result a unit has written, whole, when it is done; None where they are not
    runs of positions.
    """

    __slots__ = ("kernel", "meta", "address", "units", "grain", "tile", "regions", "keep")

    def __init__(self, kernel: Callable[..., None], meta: list[int], units: int, grain: int, tile: int = 0,
                 regions: Regions | None = None, keep: object = None) -> None:
        self.kernel, self.units, self.grain = kernel, units, max(1, min(grain, units))
        self.tile = tile  # of weights that are laid out by tiles of outputs; 0 where they are rows
        self.regions, self.keep = regions, keep
        self.meta = np.array(meta, np.int64)
        self.address = self.meta.ctypes.data

    def run(self, *pointers: int) -> None:
        self.kernel(*pointers, self.address, self.units, self.grain)


Sizes = tuple[int, ...]  # along depth, rows and columns; fewer dimensions have leading sizes of 1


@dataclass(frozen=True)
class Geometry:
    """Sizes of one convolution: n images of c channels of `size`, o outputs, windows of `kernel`."""

    dtype: str
    n: int
    c: int
    size: Sizes
    o: int
    kernel: Sizes
    stride: Sizes
    padding: Sizes
    dilation: Sizes
    groups: int
    result: Sizes = field(init=False)

    def __post_init__(self) -> None:
        sizes = zip(self.size, self.kernel, self.stride, self.padding, self.dilation, strict=True)
        result = [max(0, (size + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1)
                  for size, kernel, stride, pad, dilation in sizes]
        object.__setattr__(self, "result", tuple(result))

    @property
    def taps(self) -> int:
        return prod(self.kernel)

    @property
    def shifts(self) -> list[Sizes]:
        """Where each tap reads, from the place of its result times the stride."""
        starts = [[i * d - p for i in range(k)] for k, d, p in zip(self.kernel, self.dilation, self.padding,
                                                                   strict=True)]
        return list(product(*starts))

    @property
    def flops(self) -> float:
        return 2.0 * self.n * self.o * prod(self.result) * (self.c // self.groups) * self.taps

    @property
    def is_pointwise(self) -> bool:
        return self.taps == 1 and self.groups == 1 and (self.stride, self.padding) == ((1, 1, 1), (0, 0, 0))


@dataclass(frozen=True)
class Correlation:
    """From `channels` planes to `outputs` planes of each group: what the forward templates compute.

    Result i of the grid reads input i * step + shift, one shift a tap, and lies at i * result_step of the result plane.
    """

    geometry: Geometry
    bias: bool
    channels: int
    outputs: int
    plane: Sizes
    grid: Sizes
    step: Sizes
    shifts: tuple[Sizes, ...]
    result_plane: Sizes
    result_step: Sizes
    turned: bool = False  # weights are those of a convolution from `outputs` to `channels`, laid out as the launch says

    @property
    def flops(self) -> float:
        g = self.geometry
        return 2.0 * g.n * g.groups * self.outputs * prod(self.grid) * self.channels * len(self.shifts)

    @property
    def is_flat(self) -> bool:
        """Whether there is no depth."""
        return self.plane[0] == self.grid[0] == self.result_plane[0] == 1 and all(not d for d, *_ in self.shifts)


def inside(step: int, shift: int, outputs: int, inputs: int) -> tuple[int, int]:
    """The outputs i in [first, end) for which 0 <= i * step + shift < inputs."""
    first = max(0, ceil(-shift / step))
    return first, max(first, min(outputs, (inputs - 1 - shift) // step + 1))


def tile_bytes(depth: int, tile: int, target: Target) -> int:
    """Of the weights of a tile of outputs that are next to one another, and of the room after them."""
    return (depth * tile + ceil(target.rows / target.lanes) * target.lanes) * target.bytes


def weight_strides(task: Correlation, tile: int, size: int) -> dict[str, int]:
    """How tiles of outputs find their weights: rows of the tensor, or laid out by tiles where they had to be turned."""
    depth = task.channels * len(task.shifts)
    if task.turned:
        whole = tile_bytes(depth, tile, host_target(task.geometry.dtype))
        return dict(w_row=size, w_step=tile * size, w_tile=whole, w_group=ceil(task.outputs / tile) * whole)
    return dict(w_row=depth * size, w_step=size, w_tile=depth * tile * size, w_group=task.outputs * depth * size)


def runs_of_planes(groups: int, outputs: int, units: int, run: int, positions: int, depths: int = 1) -> Regions:
    """The regions where a unit is a run of positions of all planes of a group of an image, `units` a plane."""
    def regions(unit: int) -> list[Region]:
        level, number = divmod(unit, units)
        image_group, depth = divmod(level, depths)
        image, group = divmod(image_group, groups)
        first = number * run
        return [(image, group * outputs, outputs, depth * positions + first, min(run, positions - first))]
    return regions


def grain(units: int, flops: float) -> int:
    """Units claimed together: all of them when the whole is small, else about a quarter of a GEMM unit's work."""
    return units if flops <= UNIT_FLOPS else max(1, int(UNIT_FLOPS / 4 * units / flops))


def triple(values: int | tuple[int, ...], rank: int, missing: int) -> Sizes:
    """Numbers of the last `rank` dimensions, `missing` for those before."""
    given = (values,) * rank if isinstance(values, int) else tuple(int(v) for v in values)
    return (missing,) * (3 - len(given)) + given
