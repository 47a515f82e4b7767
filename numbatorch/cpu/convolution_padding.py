"""Convolutions of a padded copy of the input, where cutting windows at the edges costs more."""

from __future__ import annotations

from ctypes import memset
from dataclasses import replace
from math import prod

from numbatorch.cpu import operands
from numbatorch.cpu.convolution_geometry import Geometry
from numbatorch.cpu.microkernel import host_target
from numbatorch.dtypes import by_name
from numbatorch.layout import layout


class Padding:
    """A copy of the input with its padding, and the geometry of the convolution that needs none."""

    def __init__(self, g: Geometry) -> None:
        size = tuple(n + 2 * p for n, p in zip(g.size, g.padding, strict=True))
        self.padded = replace(g, size=size, padding=(0, 0, 0))
        planes, item = g.n * g.c, host_target(g.dtype).bytes
        self.nbytes = planes * prod(size) * item
        strides = (size[1] * size[2], size[2], 1)
        self.place = sum(p * s for p, s in zip(g.padding, strides, strict=True)) * item
        dtype = by_name(g.dtype)
        self.launch = operands.converted(layout(dtype, (planes, *g.size)),
                                         layout(dtype, (planes, *g.size), (prod(size), *strides)))

    def copy(self, x_ptr: int) -> tuple[object, int]:
        """(the block to keep while it is used, its address)."""
        from numbatorch.cpu.memory import address, allocate

        workspace = allocate(self.nbytes)
        base = address(workspace)
        memset(base, 0, self.nbytes)
        self.launch.kernel(x_ptr, base + self.place, self.launch.meta, self.launch.units, self.launch.grain)
        return workspace, base
