"""Sizes of a convolution, and what all its templates share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil

import numpy as np

from numbatorch.cpu.gemm import UNIT_FLOPS


class Launch:
    """A kernel with its parameter block, number of units and grain."""

    __slots__ = ("kernel", "meta", "address", "units", "grain")

    def __init__(self, kernel: Callable[..., None], meta: list[int], units: int, grain: int) -> None:
        self.kernel, self.units, self.grain = kernel, units, max(1, min(grain, units))
        self.meta = np.array(meta, np.int64)
        self.address = self.meta.ctypes.data

    def run(self, *pointers: int) -> None:
        self.kernel(*pointers, self.address, self.units, self.grain)


@dataclass(frozen=True)
class Geometry:
    """Sizes of one convolution: images n, input (c, h, w), outputs o, windows (kh, kw)."""

    dtype: str
    n: int
    c: int
    h: int
    w: int
    o: int
    kh: int
    kw: int
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    oh: int = field(init=False)
    ow: int = field(init=False)

    def __post_init__(self) -> None:
        sizes = zip((self.h, self.w), (self.kh, self.kw), self.stride, self.padding, self.dilation, strict=True)
        rows, columns = (
            (size + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1
            for size, kernel, stride, pad, dilation in sizes
        )
        object.__setattr__(self, "oh", max(0, rows))
        object.__setattr__(self, "ow", max(0, columns))

    @property
    def flops(self) -> float:
        return 2.0 * self.n * self.o * self.oh * self.ow * (self.c // self.groups) * self.kh * self.kw

    @property
    def is_pointwise(self) -> bool:
        return (self.kh, self.kw, self.stride, self.padding) == (1, 1, (1, 1), (0, 0)) and self.groups == 1


def inside(step: int, shift: int, outputs: int, inputs: int) -> tuple[int, int]:
    """The outputs i in [first, end) for which 0 <= i * step + shift < inputs."""
    first = max(0, ceil(-shift / step))
    return first, max(first, min(outputs, (inputs - 1 - shift) // step + 1))


def grain(units: int, flops: float) -> int:
    """Units claimed together: all of them when the whole is small, else about a quarter of a GEMM unit's work."""
    return units if flops <= UNIT_FLOPS else max(1, int(UNIT_FLOPS / 4 * units / flops))


def pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))
