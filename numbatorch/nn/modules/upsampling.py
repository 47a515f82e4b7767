"""Resizing by interpolation: Upsample and its two shorthands."""

from __future__ import annotations

from typing import Any

from numbatorch import Tensor

from .. import functional as F
from .module import Module


class Upsample(Module):
    """input (N, C, ...) resized to `size` or by `scale_factor`.

    mode is nearest, nearest-exact, linear, bilinear, bicubic, trilinear or area.
    """

    __constants__ = ["size", "scale_factor", "mode", "align_corners", "name", "recompute_scale_factor"]

    def __init__(self, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
                 align_corners: bool | None = None, recompute_scale_factor: bool | None = None) -> None:
        super().__init__()
        self.name = type(self).__name__
        self.size = size
        if isinstance(scale_factor, tuple):
            self.scale_factor: Any = tuple(float(factor) for factor in scale_factor)
        else:
            self.scale_factor = float(scale_factor) if scale_factor else None
        self.mode, self.align_corners, self.recompute_scale_factor = mode, align_corners, recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.interpolate(input, self.size, self.scale_factor, self.mode, self.align_corners,
                             recompute_scale_factor=self.recompute_scale_factor)

    def extra_repr(self) -> str:
        head = f"size={self.size}" if self.scale_factor is None else f"scale_factor={self.scale_factor}"
        return f"{head}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """input (N, C, H, W) resized by repeating the nearest pixel."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """input (N, C, H, W) resized bilinearly, corners onto corners."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
