"""Fake quantisation: values rounded to a quantised grid, while gradients pass as if nothing had happened.

After Jacob et al. 2017, arXiv:1712.05877, section 3; the straight-through gradient is Bengio et al. 2013,
arXiv:1308.3432.
"""

import numpy as np

from .declare import composite, foreign

_ZERO_POINTS = ("int32", "float32", "float16")
_SCALES = ("float32", "bfloat16")


def _through(grad, input, scale, zero_point, low, high):
    """The gradient inside [low, high], 0 outside."""
    level = _level(input, scale, zero_point)
    return grad.masked_fill((level < low) | (level > high), 0)


def _level(input, scale, zero_point):
    """round(input / scale) + zero_point, by the inverse of the scale, as PyTorch's kernels have it."""
    wide = input if input.dtype.name == "float64" else input.float()
    inverse = float(np.float32(1) / np.float32(scale)) if isinstance(scale, float) else scale.reciprocal()
    return (wide * inverse).round() + zero_point


@foreign(name="_fake_quantize", eager=True, method=False, input=_through)
def fake_quantize(input, scale: object, zero_point: object, low: int, high: int):
    """(clamp(round(input / scale) + zero_point, low, high) - zero_point) * scale, of numbers or broadcast tensors."""
    step = float(np.float32(scale)) if isinstance(scale, float) else scale
    return ((_level(input, scale, zero_point).clamp(low, high) - zero_point) * step).to(input.dtype)


def _check(name, input, low, high, zero_points):
    if input.dtype.category != 2:
        raise NotImplementedError(f'"{name}" not implemented for \'{input.dtype}\': input has to be of a '
                                  "floating-point dtype")
    if low > high:
        raise RuntimeError(f"{name}: `quant_min` should be less than or equal to `quant_max`, got {low} and {high}")
    if any(not low <= z <= high for z in zero_points):
        raise RuntimeError(f"{name}: `zero_point` must be between `quant_min` and `quant_max`, got {zero_points} for "
                           f"[{low}, {high}]")


@composite(method=False)
def fake_quantize_per_tensor_affine(input, scale, zero_point, quant_min, quant_max):
    """`input` rounded to the multiples of `scale` whose number, plus zero_point, lies in [quant_min, quant_max].

    Gradients pass where it does. scale and zero_point: numbers, or tensors of one element.
    RuntimeError for quant_min > quant_max and for a zero_point outside; NotImplementedError for integer inputs.
    """
    scale, zero_point = (v if isinstance(v, (int, float)) else v.item() for v in (scale, zero_point))
    _check("fake_quantize_per_tensor_affine", input, quant_min, quant_max, [zero_point])
    return fake_quantize.call(input, float(scale), int(zero_point), quant_min, quant_max)


@composite(method=False)
def fake_quantize_per_channel_affine(input, scale, zero_point, axis, quant_min, quant_max):
    """`fake_quantize_per_tensor_affine` with a scale and a zero point for each place along dimension `axis`.

    scale (C,) float32 or bfloat16, zero_point (C,) int32, float32 or float16. RuntimeError for other dtypes and sizes.
    """
    name = "fake_quantize_per_channel_affine"
    if scale.dtype.name not in _SCALES:
        raise RuntimeError(f"{name}: Scale must be Float or BFloat16, found {scale.dtype}")
    if zero_point.dtype.name not in _ZERO_POINTS:
        raise RuntimeError(f"{name}: Zero-point must be Int32, Float or Half, found {zero_point.dtype}")
    for label, value in (("scale", scale), ("zero_point", zero_point)):
        if value.ndim != 1:
            raise RuntimeError(f"{name}: {label} should be a 1-D tensor, got {tuple(value.shape)}")
    if scale.numel() != zero_point.numel():
        raise RuntimeError(f"{name}: scale and zero-point need to have the same dimensions, got {scale.numel()} and "
                           f"{zero_point.numel()}")
    if not -input.ndim <= axis < input.ndim:
        raise IndexError(f"{name}: Dimension out of range (expected to be in range of [{-input.ndim}, "
                         f"{input.ndim - 1}], but got {axis})")
    if axis < 0:
        raise RuntimeError(f"{name}: `axis` must be between 0 and number of dimensions of input, got {axis}")
    if scale.numel() != input.shape[axis]:
        raise RuntimeError(f"{name}: dimensions of scale and zero-point are not consistent with input tensor: "
                           f"{scale.numel()} for size {input.shape[axis]} of dimension {axis}")
    _check(name, input, quant_min, quant_max, zero_point.tolist() if zero_point.dtype.name == "int32" else [])
    shape = [1] * input.ndim
    shape[axis] = scale.numel()
    return fake_quantize.call(input, scale.detach().float().reshape(shape), zero_point.detach().float().reshape(shape),
                              quant_min, quant_max)
