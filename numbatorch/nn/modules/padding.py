"""Padding of the last 1, 2 or 3 dimensions: with a constant, zeros, a mirror image, the edge, or the other end."""

from __future__ import annotations

from typing import Any

from numbatorch import Tensor

from .. import functional as F
from .module import Module
from .sizes import repeated


class _Pad(Module):
    """padding is one number for all sides, or (left, right[, top, bottom[, front, back]])."""

    __constants__ = ["padding"]
    _dims = 0
    _mode = ""

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = repeated(padding, 2 * self._dims)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, mode=self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    __constants__ = ["padding", "value"]
    _mode = "constant"

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class _CircularPad(_Pad):
    _mode = "circular"

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() not in (self._dims + 1, self._dims + 2):
            raise ValueError(f"expected {self._dims + 1}D or {self._dims + 2}D input (got {input.dim()}D input)")
        return F.pad(input, self.padding, mode="circular")


class ConstantPad1d(_ConstantPad):
    """`value` around input (..., W)."""

    _dims = 1


class ConstantPad2d(_ConstantPad):
    """`value` around input (..., H, W)."""

    _dims = 2


class ConstantPad3d(_ConstantPad):
    """`value` around input (..., D, H, W)."""

    _dims = 3


class ZeroPad1d(ConstantPad1d):
    """Zeros around input (..., W)."""

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    extra_repr = _Pad.extra_repr


class ZeroPad2d(ConstantPad2d):
    """Zeros around input (..., H, W)."""

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    extra_repr = _Pad.extra_repr


class ZeroPad3d(ConstantPad3d):
    """Zeros around input (..., D, H, W)."""

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    extra_repr = _Pad.extra_repr


class ReflectionPad1d(_Pad):
    """The mirror image of input (..., W), without its edge, around it."""

    _dims, _mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """The mirror image of input (..., H, W), without its edge, around it."""

    _dims, _mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """The mirror image of input (..., D, H, W), without its edge, around it."""

    _dims, _mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """The edge of input (..., W) repeated around it."""

    _dims, _mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """The edge of input (..., H, W) repeated around it."""

    _dims, _mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """The edge of input (..., D, H, W) repeated around it."""

    _dims, _mode = 3, "replicate"


class CircularPad1d(_CircularPad):
    """The other end of input (..., W) around it."""

    _dims = 1


class CircularPad2d(_CircularPad):
    """The other end of input (..., H, W) around it."""

    _dims = 2


class CircularPad3d(_CircularPad):
    """The other end of input (..., D, H, W) around it."""

    _dims = 3
