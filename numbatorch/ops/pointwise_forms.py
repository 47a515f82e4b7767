"""Forms of the pointwise ops that choose by argument: power, division and rounding modes, one-sided limits."""

import math

from .. import dtypes
from .comparison import nan_to_num_values
from .declare import OPS, composite, foreign
from .elementary import round_coarse, round_half_even, round_scaled, rsqrt, sqrt, trunc
from .pointwise import cube, floor_divide, pow_general, reciprocal, square, true_divide


def _is_number(x):
    return not hasattr(x, "_layout")


def _tensor(value, like):
    from ..tensor import tensor
    return tensor(value, like.device)


@composite(out=True, inplace=True, namespaces=("",))
def pow(input, exponent):
    """input ** exponent, of tensors and numbers. RuntimeError for integers to negative integer powers."""
    if not _is_number(input) and exponent.__class__ in (int, float):
        dtype = input._layout.dtype
        if exponent == 2:
            if exponent.__class__ is int or dtype.category >= 2:
                return square.call(input) if dtype.category else pow_general.call(input, exponent)
        elif dtype.category >= 2:
            if exponent == 1:
                return OPS["clone"].call(input)
            if exponent == 0.5:
                return sqrt.call(input)
            if exponent == 3:
                return cube.call(input)
            if exponent == -1:
                return reciprocal.call(input)
            if exponent == -0.5 and dtype.category == 2:
                return rsqrt.call(input)
        elif exponent.__class__ is int and exponent < 0:
            raise RuntimeError("pow: Integers to negative integer powers are not allowed.")
    if _is_number(exponent) and exponent == 0 and not _is_number(input) and (
            isinstance(exponent, complex) or input.dtype.is_complex):  # 1 also for 0, unlike a tensor of exponents
        return pow_general.call(input.to(input.dtype.to_complex()).masked_fill(input == 0, 1), 0)
    if _is_number(input) and _is_number(exponent):
        raise TypeError("pow(): one of input and exponent must be a Tensor")
    return pow_general.call(input, exponent)


@composite(out=True, inplace=True, exact_out=True)
def float_power(input, exponent):
    """input ** exponent, both converted to float64, or complex128 where one is complex, as the result is."""
    from .. import dtypes
    is_complex = any(isinstance(x, complex) or (not _is_number(x) and x.is_complex()) for x in (input, exponent))
    wide = dtypes.complex128 if is_complex else dtypes.float64
    input = input if _is_number(input) else input.to(wide)
    exponent = exponent if _is_number(exponent) else exponent.to(wide)
    if _is_number(input) and not _is_number(exponent):
        input = _tensor(input, exponent).to(wide)
    return pow.call(input, exponent)


def check_divisor(name, input, other):
    """ZeroDivisionError (a RuntimeError, as PyTorch's) where integers are divided by zero."""
    integer = all((isinstance(x, (int, bool)) if _is_number(x) else x._layout.dtype.category < 2)
                  for x in (input, other))
    if integer:
        zero = other == 0 if _is_number(other) else (
            other.numel() > 0 and other._layout.has_values and bool((other == 0).any()))
        if zero:
            raise RuntimeError(f"ZeroDivisionError: {name}: an integer is divided by zero")


@composite(out=True, inplace=True, aliases=("divide",))
def div(input, other, *, rounding_mode=None):
    """input / other; `rounding_mode` "trunc" or "floor" rounds the quotient and keeps integers integer."""
    if rounding_mode is None:
        return true_divide.call(input, other)
    check_divisor("div", input, other)
    if rounding_mode == "floor":
        return floor_divide.call(input, other)
    if rounding_mode != "trunc":
        raise RuntimeError(f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
                           f"{rounding_mode!r}")
    integer = all((isinstance(x, int) if _is_number(x) else x.dtype.category < 2) for x in (input, other))
    if integer:
        floored = floor_divide.call(input, other)
        return floored + ((floored * other != input) & ((input < 0) != (other < 0))).to(floored.dtype)
    return trunc.call(true_divide.call(input, other))


@composite(out=True, inplace=True, namespaces=("", "special"))
def round(input, *, decimals=0):
    """`input` rounded to `decimals` places (tens, hundreds ... when negative), halves to the even digit.

    Its gradient is 0. RuntimeError for integers with `decimals`.
    """
    if decimals == 0:
        return round_half_even.call(input)
    if input.dtype.category < 2:
        raise RuntimeError("round: round_cpu not implemented for integers with decimals")
    return round_scaled.call(input, 10.0 ** decimals) if decimals > 0 else round_coarse.call(input, 10.0 ** -decimals)


@composite(out=True, inplace=True)
def nan_to_num(input, nan=None, posinf=None, neginf=None):
    """`input` with NaN, inf and -inf replaced: by 0, the largest and the lowest finite value unless given."""
    if input.dtype.category < 2:
        return OPS["clone"].call(input)
    from .. import dtypes
    info = dtypes.finfo(input.dtype)
    return nan_to_num_values.call(input, float(nan or 0.0), float(info.max if posinf is None else posinf),
                                  float(info.min if neginf is None else neginf))


@composite(inplace=True, out=True)
def logit(input, eps=None):
    """log(input / (1 - input)); `input` limited to [eps, 1 - eps] when given."""
    if eps is not None:
        input = input.clamp(eps, 1 - eps)
    if input.dtype is dtypes.bool:  # which have no 1 - input
        input = input.to(dtypes.get_default_dtype())
    return OPS["log"].call(input / (1 - input))


@composite(out=True, inplace=True)
def mvlgamma(input, p):
    """The logarithm of the multivariate gamma function of dimension p: p (p - 1) / 4 log(pi) + the sum of
    lgamma(input - k / 2) over k < p. RuntimeError where `input` does not exceed (p - 1) / 2.
    """
    if input.numel() and input._layout.has_values and bool((input <= (p - 1) / 2).any()):
        raise RuntimeError(f"mvlgamma: all elements must be greater than (p-1)/2 = {(p - 1) / 2}")
    total = p * (p - 1) / 4 * math.log(math.pi)
    result = OPS["lgamma"].call(input)
    for k in range(1, p):
        result = result + OPS["lgamma"].call(input - k / 2)
    return result + total


@composite()
def conj(input):
    """The complex conjugate, real - i imag; `input` itself when it is real."""
    return OPS["_conj"].call(input) if input.is_complex() else input


@composite(inplace=True, out=True)
def conj_physical(input):
    """The complex conjugate; `input` itself when it is real."""
    return conj.call(input)


@composite()
def isclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """|input - other| <= atol + rtol * |other|; equal infinities are close, NaN only with `equal_nan`."""
    for name, operand in (("input", input), ("other", other)):
        if _is_number(operand):
            raise TypeError(f"isclose(): argument '{name}' must be Tensor, not {type(operand).__name__}")
    if input.dtype is not other.dtype:
        raise RuntimeError(f"isclose: {input.dtype} did not match {other.dtype}")
    if rtol < 0 or atol < 0:
        raise RuntimeError(f"isclose: rtol and atol must be greater than or equal to zero, got rtol={rtol}, "
                           f"atol={atol}")
    close = input == other
    if input.dtype.category >= 2:
        if equal_nan:
            close = close | (OPS["isnan"].call(input) & OPS["isnan"].call(other))
    allowed = atol + abs(other * rtol)
    difference = abs(input - other) if input.dtype.category else input ^ other
    return close | (OPS["isfinite"].call(difference) & (difference <= allowed))


@composite(sized_by_values=True)
def allclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False) -> bool:
    """Whether `isclose` holds for all elements, as a bool."""
    return bool(isclose.call(input, other, rtol, atol, equal_nan).all())


@composite(sized_by_values=True)
def equal(input, other) -> bool:
    """Whether both have one shape and equal elements, as a bool; NaN equals nothing."""
    if not hasattr(other, "_layout"):
        raise TypeError(f"equal(): argument 'other' (position 2) must be Tensor, not {type(other).__name__}")
    return input.shape == other.shape and (input.numel() == 0 or bool((input == other).all()))


@composite()
def is_tensor(obj) -> bool:
    """Whether `obj` is a Tensor, as a bool."""
    return hasattr(obj, "_layout")


@composite(out=True, inplace=True)
def ldexp(input, other):
    """input * 2**other, in floating point: the inverse of frexp."""
    if _is_number(other) or _is_number(input):
        raise TypeError(f"ldexp(): both arguments must be Tensors, got {type(input).__name__}, {type(other).__name__}")
    if input.dtype is dtypes.float64 and other.dtype.category < 2:
        other = other.double()  # powers of integers would be float32, and their range too small
    return input * pow.call(2.0, other)


@foreign(out=True, outputs=("mantissa", "exponent"),
         input=lambda grad_mantissa, exponent: ldexp.call(grad_mantissa, -exponent))
def frexp(input):
    """(mantissa, exponent) with input = mantissa * 2**exponent and mantissa in [0.5, 1); exponent is int32."""
    import numpy as np

    from ..creation import from_numpy
    if input.dtype.category != 2:
        raise RuntimeError(f"torch.frexp() only supports floating-point dtypes, got {input.dtype}")
    mantissa, exponent = np.frexp(np.asarray(input._array()))
    return from_numpy(np.asarray(mantissa)), from_numpy(np.asarray(exponent, dtype=np.int32))


@composite()
def isreal(input):
    """True where the imaginary part is 0: everywhere in real tensors."""
    return input.imag == 0 if input.is_complex() else input.new_ones(input.shape, dtype=dtypes.bool)


@composite(method=False)
def resolve_conj(input):
    """`input` itself: conjugates are computed at once here."""
    return input


@composite(method=False)
def resolve_neg(input):
    """`input` itself: negatives are computed at once here."""
    return input


@composite(out=True)
def kron(input, other):
    """The Kronecker product: blocks of `other`, one scaled by each element of `input`; each size is the product of
    both.
    """
    rank = max(input.ndim, other.ndim)
    a = [1] * (rank - input.ndim) + list(input.shape)
    b = [1] * (rank - other.ndim) + list(other.shape)
    left = input.reshape([n for size in a for n in (size, 1)])    # (a0, 1, a1, 1, ...)
    right = other.reshape([n for size in b for n in (1, size)])   # (1, b0, 1, b1, ...)
    return (left * right).reshape([m * n for m, n in zip(a, b, strict=True)])
