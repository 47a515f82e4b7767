"""Convolutions and transposed convolutions in 1, 2 and 3 dimensions."""

from __future__ import annotations

import math
from typing import Any

from numbatorch import Tensor, empty

from .. import functional as F, init
from ..parameter import Parameter
from .module import Module
from .sizes import in_reverse_twice, repeated

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """What all convolutions share: checks, weights, how they start and print."""

    __constants__ = ["stride", "padding", "dilation", "groups", "padding_mode", "output_padding", "in_channels",
                     "out_channels", "kernel_size"]
    in_channels: int
    out_channels: int
    weight: Tensor
    bias: Tensor | None

    def __init__(self, in_channels: int, out_channels: int, kernel_size: tuple, stride: tuple, padding: Any,
                 dilation: tuple, transposed: bool, output_padding: tuple, groups: int, bias: bool, padding_mode: str,
                 device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        if groups <= 0:
            raise ValueError(f"groups must be a positive integer, but got {groups}")
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % groups != 0:
                raise ValueError(f"{name} must be divisible by groups, but got {name}={channels}, groups={groups}")
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"Invalid padding string {padding!r}, should be one of 'same', 'valid'")
            if padding == "same" and any(s != 1 for s in stride):
                raise ValueError("padding='same' is not supported for strided convolutions, but got "
                                 f"stride={stride}")
        if padding_mode not in _PADDING_MODES:
            raise ValueError(f"padding_mode must be one of {_PADDING_MODES}, but got padding_mode={padding_mode!r}")
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, kernel_size
        self.stride, self.padding, self.dilation = stride, padding, dilation
        self.transposed, self.output_padding = transposed, output_padding
        self.groups, self.padding_mode = groups, padding_mode
        self._reversed_padding_repeated_twice = self._paddings()
        outer = (in_channels, out_channels // groups) if transposed else (out_channels, in_channels // groups)
        self.weight = Parameter(empty((*outer, *kernel_size), device=device, dtype=dtype))
        self.register_parameter("bias", Parameter(empty(out_channels, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def _paddings(self) -> list[int]:
        """Paddings for `pad`, last dimension first."""
        if not isinstance(self.padding, str):
            return in_reverse_twice(self.padding)
        paddings = []
        for dilation, size in zip(reversed(self.dilation), reversed(self.kernel_size), strict=False):
            total = dilation * (size - 1) if self.padding == "same" else 0
            paddings += [total // 2, total - total // 2]
        return paddings

    def reset_parameters(self) -> None:
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            if fan_in != 0:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def _convolve(self, function: Any, input: Tensor) -> Tensor:
        own = self._parameters  # as in Linear.forward
        try:
            weight, bias = own["weight"], own["bias"]
        except KeyError:
            weight, bias = self.weight, self.bias
        return self._conv_forward(input, weight, bias, function)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None, function: Any = None) -> Tensor:
        function = function or (F.conv1d, F.conv2d, F.conv3d)[len(self.kernel_size) - 1]
        if self.padding_mode == "zeros":
            return function(input, weight, bias, self.stride, self.padding, self.dilation, self.groups)
        input = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
        return function(input, weight, bias, self.stride, (0,) * len(self.kernel_size), self.dilation, self.groups)

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0,) * len(self.padding):
            text += f", padding={self.padding}"
        if self.dilation != (1,) * len(self.dilation):
            text += f", dilation={self.dilation}"
        if self.output_padding != (0,) * len(self.output_padding):
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text


def _forward_arguments(n: int, kernel_size: Any, stride: Any, padding: Any,
                       dilation: Any) -> tuple[tuple, tuple, Any, tuple]:
    return (repeated(kernel_size, n), repeated(stride, n),
            padding if isinstance(padding, str) else repeated(padding, n), repeated(dilation, n))


class Conv1d(_ConvNd):
    """Cross-correlation of input (N, C_in, L) with weight (C_out, C_in/groups, K), plus bias (C_out)."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
                 dilation: Any = 1, groups: int = 1, bias: bool = True, padding_mode: str = "zeros",
                 device: Any = None, dtype: Any = None) -> None:
        sizes = _forward_arguments(1, kernel_size, stride, padding, dilation)
        super().__init__(in_channels, out_channels, *sizes, False, (0,), groups, bias, padding_mode, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        return self._convolve(F.conv1d, input)


class Conv2d(_ConvNd):
    """Cross-correlation of input (N, C_in, H, W) with weight (C_out, C_in/groups, KH, KW), plus bias (C_out)."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
                 dilation: Any = 1, groups: int = 1, bias: bool = True, padding_mode: str = "zeros",
                 device: Any = None, dtype: Any = None) -> None:
        sizes = _forward_arguments(2, kernel_size, stride, padding, dilation)
        super().__init__(in_channels, out_channels, *sizes, False, (0, 0), groups, bias, padding_mode, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        return self._convolve(F.conv2d, input)


class Conv3d(_ConvNd):
    """Cross-correlation of input (N, C_in, D, H, W) with weight (C_out, C_in/groups, KD, KH, KW), plus bias (C_out)."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
                 dilation: Any = 1, groups: int = 1, bias: bool = True, padding_mode: str = "zeros",
                 device: Any = None, dtype: Any = None) -> None:
        sizes = _forward_arguments(3, kernel_size, stride, padding, dilation)
        super().__init__(in_channels, out_channels, *sizes, False, (0, 0, 0), groups, bias, padding_mode, device,
                         dtype)

    def forward(self, input: Tensor) -> Tensor:
        return self._convolve(F.conv3d, input)


class _ConvTransposeNd(_ConvNd):
    """The gradient of a convolution with respect to its input, as a layer."""

    _dims = 0

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
                 output_padding: Any = 0, groups: int = 1, bias: bool = True, dilation: Any = 1,
                 padding_mode: str = "zeros", device: Any = None, dtype: Any = None) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}, but got '
                             f"padding_mode={padding_mode!r}")
        n = self._dims
        super().__init__(in_channels, out_channels, repeated(kernel_size, n), repeated(stride, n), repeated(padding, n),
                         repeated(dilation, n), True, repeated(output_padding, n), groups, bias, padding_mode, device,
                         dtype)

    def _transpose(self, function: Any, input: Tensor, output_size: Any) -> Tensor:
        padding = self.output_padding if output_size is None else self._output_padding(input, output_size)
        return function(input, self.weight, self.bias, self.stride, self.padding, padding, self.groups, self.dilation)

    def _output_padding(self, input: Tensor, output_size: Any) -> tuple[int, ...]:
        """The output padding that makes the result `output_size` large. ValueError if there is none."""
        n = self._dims
        output_size = tuple(output_size)
        if len(output_size) == input.dim():
            output_size = output_size[-n:]
        if len(output_size) != n:
            raise ValueError(f"{type(self).__name__}: for {input.dim()}D input, output_size must have {n} or "
                             f"{input.dim()} elements (got {len(output_size)})")
        low = [(input.shape[d - n] - 1) * self.stride[d] - 2 * self.padding[d]
               + self.dilation[d] * (self.kernel_size[d] - 1) + 1 for d in range(n)]
        high = [low[d] + self.stride[d] - 1 for d in range(n)]
        if any(not low[d] <= output_size[d] <= high[d] for d in range(n)):
            raise ValueError(f"requested an output size of {output_size}, but valid sizes range from {low} to {high} "
                             f"(for an input of {input.shape[2:]})")
        return tuple(output_size[d] - low[d] for d in range(n))


class ConvTranspose1d(_ConvTransposeNd):
    """Transposed convolution of input (N, C_in, L) with weight (C_in, C_out/groups, K)."""

    _dims = 1

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        return self._transpose(F.conv_transpose1d, input, output_size)


class ConvTranspose2d(_ConvTransposeNd):
    """Transposed convolution of input (N, C_in, H, W) with weight (C_in, C_out/groups, KH, KW)."""

    _dims = 2

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        return self._transpose(F.conv_transpose2d, input, output_size)


class ConvTranspose3d(_ConvTransposeNd):
    """Transposed convolution of input (N, C_in, D, H, W) with weight (C_in, C_out/groups, KD, KH, KW)."""

    _dims = 3

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        return self._transpose(F.conv_transpose3d, input, output_size)
