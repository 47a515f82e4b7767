"""Elementwise rounding and elementary functions, one scalar function each or a short formula of them."""

from ..expr import functions as f
from .declare import FLOAT, elementwise
from .pointwise import FLOATS, REAL_NUMBERS

# Rounding.

@elementwise(dtypes=REAL_NUMBERS)
def floor(input):
    """The largest integer not above `input`."""
    return f.floor(input)


@elementwise(dtypes=REAL_NUMBERS)
def ceil(input):
    """The smallest integer not below `input`."""
    return f.ceil(input)


@elementwise(aliases=("fix",), dtypes=REAL_NUMBERS)
def trunc(input):
    """`input` rounded towards zero."""
    return f.trunc(input)


@elementwise(name="round_half_even", method=False, dtypes=REAL_NUMBERS)
def round_half_even(input):
    """`input` rounded to the nearest integer, halves to even."""
    return f.rint(input)


@elementwise(name="round_scaled", method=False, dtypes=FLOATS)
def round_scaled(input, scale: float):
    """`input` rounded at `scale` steps a unit."""
    return f.rint(input * scale) / scale


@elementwise(name="round_coarse", method=False, dtypes=FLOATS)
def round_coarse(input, step: float):
    """`input` rounded to multiples of `step`."""
    return f.rint(input / step) * step


@elementwise(dtypes=FLOATS)
def frac(input):
    """input - trunc(input)."""
    return input - f.trunc(input)


# Mathematics, in floating point.

def scalar_function(name, text, function=None, aliases=(), namespaces=("",), **options):
    scalar = function or getattr(f, name)

    def op(input):
        return scalar(input)
    op.__name__, op.__doc__ = name, text
    return elementwise(op, promote=FLOAT, aliases=aliases, namespaces=namespaces, **options)


sqrt = scalar_function("sqrt", "Square root.", domain=(0.1, 8))
rsqrt = scalar_function("rsqrt", "1 / sqrt(input).", domain=(0.1, 8))
exp = scalar_function("exp", "e ** input.", namespaces=("",))
exp2 = scalar_function("exp2", "2 ** input.", namespaces=("", "special"))
expm1 = scalar_function("expm1", "e ** input - 1, accurate near 0.", namespaces=("", "special"))
log = scalar_function("log", "Natural logarithm.", domain=(0.1, 8))
log2 = scalar_function("log2", "Logarithm to base 2.", domain=(0.1, 8))
log10 = scalar_function("log10", "Logarithm to base 10.", domain=(0.1, 8))
log1p = scalar_function("log1p", "log(1 + input), accurate near 0.", domain=(-0.9, 8), namespaces=("", "special"))
sin = scalar_function("sin", "Sine.")
cos = scalar_function("cos", "Cosine.")
tan = scalar_function("tan", "Tangent.", domain=(-1.4, 1.4))
asin = scalar_function("asin", "Inverse sine.", aliases=("arcsin",), domain=(-0.95, 0.95))
acos = scalar_function("acos", "Inverse cosine.", aliases=("arccos",), domain=(-0.95, 0.95))
atan = scalar_function("atan", "Inverse tangent.", aliases=("arctan",))
sinh = scalar_function("sinh", "Hyperbolic sine.")
cosh = scalar_function("cosh", "Hyperbolic cosine.")
tanh = scalar_function("tanh", "Hyperbolic tangent.", namespaces=("", "nn.functional"))
asinh = scalar_function("asinh", "Inverse hyperbolic sine.", aliases=("arcsinh",))
acosh = scalar_function("acosh", "Inverse hyperbolic cosine.", aliases=("arccosh",), domain=(1.1, 8))
atanh = scalar_function("atanh", "Inverse hyperbolic tangent.", aliases=("arctanh",), domain=(-0.95, 0.95))
erf = scalar_function("erf", "Error function.", namespaces=("", "special"))
erfc = scalar_function("erfc", "1 - erf(input).", namespaces=("", "special"))
erfinv = scalar_function("erfinv", "Inverse of erf.", namespaces=("", "special"), domain=(-0.9, 0.9))
lgamma = scalar_function("lgamma", "log |gamma(input)|.", domain=(0.5, 8))
digamma = scalar_function("digamma", "Derivative of lgamma.", namespaces=("", "special"), domain=(0.5, 8))
i0 = scalar_function("i0", "Modified Bessel function of the first kind, order 0.", namespaces=("", "special"))
rad2deg = scalar_function("rad2deg", "Radians to degrees.", lambda x: x * 57.29577951308232)
deg2rad = scalar_function("deg2rad", "Degrees to radians.", lambda x: x * 0.017453292519943295)


@elementwise(promote=FLOAT, namespaces=("", "special"))
def sinc(input):
    """sin(pi input) / (pi input), 1 at 0."""
    scaled = input * f.PI
    return f.where(f.eq(input, 0), 1, f.sin(scaled) / scaled)


@elementwise(promote=FLOAT, aliases=("arctan2",), only_tensors=("input", "other"))
def atan2(input, other):
    """The angle of the point (other, input)."""
    return f.atan2(input, other)


@elementwise(only_tensors=("input", "other"), dtypes=FLOATS)
def hypot(input, other):
    """sqrt(input**2 + other**2) without overflow."""
    return f.hypot(input, other)


@elementwise(input=lambda grad, input, other: f.where(f.ne(input, other), grad, 0), other=lambda grad: 0 * grad,
             only_tensors=("input", "other"), dtypes=FLOATS)
def nextafter(input, other):
    """The next representable value after `input` towards `other`."""
    return f.nextafter(input, other)


@elementwise(promote=FLOAT, only_tensors=("input",))
def copysign(input, other):
    """|input| with the sign of `other`."""
    return f.copysign(input, other)


@elementwise(only_tensors=("input", "values"))
def heaviside(input, values):
    """0 below zero, 1 above, `values` at zero."""
    return f.where(f.isnan(input), input, f.where(f.eq(input, 0), values, f.where(f.lt(input, 0), 0, 1)))


# The gradient of 0 at a negative `other`, where log is NaN, is 0: xlogy of it.
@elementwise(promote=FLOAT, namespaces=("", "special"), input=lambda grad, input, other: f.where(
    f.eq(input, 0) & f.le(other, 0), 0, xlogy(grad, other)))
def xlogy(input, other):
    """input * log(other), 0 where input is 0."""
    return f.where(f.isnan(other), other, f.where(f.eq(input, 0), 0, input * f.log(other)))


@elementwise(promote=FLOAT, only_tensors=("input", "other"),
             input=lambda grad, input, other: grad / f.conj(1 + f.exp(other - input)),
             other=lambda grad, input, other: grad / f.conj(1 + f.exp(input - other)))
def logaddexp(input, other):
    """log(exp(input) + exp(other)), without overflow; of complex numbers by their real parts."""
    swap = f.real(input) < f.real(other)
    largest, least = f.where(swap, other, input), f.where(swap, input, other)
    return f.where(f.isinf(input) & f.eq(input, other), input, largest + f.log1p(f.exp(least - largest)))


@elementwise(promote=FLOAT, only_tensors=("input", "other"))
def logaddexp2(input, other):
    """log2(2**input + 2**other), without overflow."""
    largest = f.maximum(input, other)
    return f.where(f.isinf(input) & f.eq(input, other), input,
                   largest + f.log1p(f.exp2(-f.abs(input - other))) * 1.4426950408889634)
