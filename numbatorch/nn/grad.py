"""Gradients of convolutions as functions of their own, where the convolution itself is not at hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numbatorch import Tensor, autograd

from . import functional as F


def _gradient(convolve: Callable, input: Tensor, weight: Tensor, of: Tensor, grad_output: Tensor,
              sizes: tuple) -> Tensor:
    with autograd.enable_grad():
        result = convolve(input, weight, None, *sizes)
    if result.shape != grad_output.shape:
        raise RuntimeError(f"{convolve.__name__}: grad_output has shape {tuple(grad_output.shape)}, but the result of "
                           f"the convolution of input {tuple(input.shape)} with weight {tuple(weight.shape)} has "
                           f"{tuple(result.shape)}")
    return autograd.grad(result, of, grad_output)[0]


def _input(convolve: Callable, input_size: Any, weight: Tensor, grad_output: Tensor, *sizes: Any) -> Tensor:
    input = grad_output.new_zeros(tuple(input_size)).requires_grad_()
    return _gradient(convolve, input, weight.detach(), input, grad_output, sizes)


def _weight(convolve: Callable, input: Tensor, weight_size: Any, grad_output: Tensor, *sizes: Any) -> Tensor:
    weight = grad_output.new_zeros(tuple(weight_size)).requires_grad_()
    return _gradient(convolve, input.detach(), weight, weight, grad_output, sizes)


def conv1d_input(input_size: Any, weight: Tensor, grad_output: Tensor, stride: Any = 1, padding: Any = 0,
                 dilation: Any = 1, groups: int = 1) -> Tensor:
    """The gradient of conv1d with respect to its input, of shape input_size."""
    return _input(F.conv1d, input_size, weight, grad_output, stride, padding, dilation, groups)


def conv1d_weight(input: Tensor, weight_size: Any, grad_output: Tensor, stride: Any = 1, padding: Any = 0,
                  dilation: Any = 1, groups: int = 1) -> Tensor:
    """The gradient of conv1d with respect to its weight, of shape weight_size."""
    return _weight(F.conv1d, input, weight_size, grad_output, stride, padding, dilation, groups)


def conv2d_input(input_size: Any, weight: Tensor, grad_output: Tensor, stride: Any = 1, padding: Any = 0,
                 dilation: Any = 1, groups: int = 1) -> Tensor:
    """The gradient of conv2d with respect to its input, of shape input_size."""
    return _input(F.conv2d, input_size, weight, grad_output, stride, padding, dilation, groups)


def conv2d_weight(input: Tensor, weight_size: Any, grad_output: Tensor, stride: Any = 1, padding: Any = 0,
                  dilation: Any = 1, groups: int = 1) -> Tensor:
    """The gradient of conv2d with respect to its weight, of shape weight_size."""
    return _weight(F.conv2d, input, weight_size, grad_output, stride, padding, dilation, groups)


def conv3d_input(input_size: Any, weight: Tensor, grad_output: Tensor, stride: Any = 1, padding: Any = 0,
                 dilation: Any = 1, groups: int = 1) -> Tensor:
    """The gradient of conv3d with respect to its input, of shape input_size."""
    return _input(F.conv3d, input_size, weight, grad_output, stride, padding, dilation, groups)


def conv3d_weight(input: Tensor, weight_size: Any, grad_output: Tensor, stride: Any = 1, padding: Any = 0,
                  dilation: Any = 1, groups: int = 1) -> Tensor:
    """The gradient of conv3d with respect to its weight, of shape weight_size."""
    return _weight(F.conv3d, input, weight_size, grad_output, stride, padding, dilation, groups)
