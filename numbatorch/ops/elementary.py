"""Elementwise rounding and elementary functions, one scalar function each or a short formula of them."""

from ..expr import functions as f
from .declare import FLOAT, elementwise
from .pointwise import CONTINUOUS, FLOATS, REAL_NUMBERS, no_complex

# Rounding.

@elementwise(dtypes=REAL_NUMBERS)
def floor(input):
    """The largest integer not above `input`, in its dtype; integers as they are. Its gradient is 0."""
    return f.floor(input)


@elementwise(dtypes=REAL_NUMBERS)
def ceil(input):
    """The smallest integer not below `input`, in its dtype; integers as they are. Its gradient is 0."""
    return f.ceil(input)


@elementwise(aliases=("fix",), dtypes=REAL_NUMBERS)
def trunc(input):
    """`input` rounded towards zero, in its dtype; integers as they are. Its gradient is 0."""
    return f.trunc(input)


@elementwise(name="round_half_even", method=False, dtypes=REAL_NUMBERS)
def round_half_even(input):
    """`input` rounded to the nearest integer, halves to the even one, in its dtype. Its gradient is 0."""
    return f.rint(input)


@elementwise(name="round_scaled", method=False, dtypes=FLOATS)
def round_scaled(input, scale: float):
    """`input` rounded to multiples of 1 / scale: what round runs for `decimals` above 0."""
    return f.rint(input * scale) / scale


@elementwise(name="round_coarse", method=False, dtypes=FLOATS)
def round_coarse(input, step: float):
    """`input` rounded to multiples of `step`: what round runs for `decimals` below 0."""
    return f.rint(input / step) * step


@elementwise(dtypes=FLOATS)
def frac(input):
    """The fractional part, input - trunc(input): it has the sign of `input`."""
    return input - f.trunc(input)


# Mathematics, in floating point.

def scalar_function(name, text, function=None, aliases=(), namespaces=("",), **options):
    scalar = function or getattr(f, name)

    def op(input):
        return scalar(input)
    op.__name__, op.__doc__ = name, text
    return elementwise(op, promote=FLOAT, aliases=aliases, namespaces=namespaces, **options)


sqrt = scalar_function("sqrt", "The square root; NaN below 0. Of complex numbers the root with real part >= 0.",
                       domain=(0.1, 8))
rsqrt = scalar_function("rsqrt", "1 / sqrt(input); inf at 0, NaN below.", domain=(0.1, 8))
exp = scalar_function("exp", "e ** input, the exponential; integers in the default dtype.", namespaces=("",))
exp2 = scalar_function("exp2", "2 ** input, exact where `input` is an integer.", namespaces=("", "special"))
expm1 = scalar_function("expm1", "e ** input - 1, accurate near 0, where exp(input) - 1 would lose its digits.",
                        namespaces=("", "special"))
log = scalar_function("log", "The natural logarithm; -inf at 0, NaN below. Imaginary parts are in (-pi, pi].",
                      domain=(0.1, 8))
log2 = scalar_function("log2", "The logarithm to base 2; -inf at 0, NaN below.", domain=(0.1, 8))
log10 = scalar_function("log10", "The logarithm to base 10; -inf at 0, NaN below.", domain=(0.1, 8))
log1p = scalar_function("log1p", "log(1 + input), accurate near 0; -inf at -1, NaN below.",
                        domain=(-0.9, 8), namespaces=("", "special"))
sin = scalar_function("sin", "The sine of an angle in radians; NaN at infinity.")
cos = scalar_function("cos", "The cosine of an angle in radians; NaN at infinity.")
tan = scalar_function("tan", "The tangent of an angle in radians; NaN at infinity.", domain=(-1.4, 1.4))
asin = scalar_function("asin", "The angle in [-pi/2, pi/2] whose sine is `input`; NaN outside [-1, 1].",
                       aliases=("arcsin",), domain=(-0.95, 0.95))
acos = scalar_function("acos", "The angle in [0, pi] whose cosine is `input`; NaN outside [-1, 1].",
                       aliases=("arccos",), domain=(-0.95, 0.95))
atan = scalar_function("atan", "The angle in [-pi/2, pi/2] whose tangent is `input`.", aliases=("arctan",))
sinh = scalar_function("sinh", "The hyperbolic sine, (e^input - e^-input) / 2.")
cosh = scalar_function("cosh", "The hyperbolic cosine, (e^input + e^-input) / 2.")
tanh = scalar_function("tanh", "The hyperbolic tangent, (e^input - e^-input) / (e^input + e^-input), in [-1, 1].",
                       namespaces=("", "nn.functional"))
asinh = scalar_function("asinh", "The number whose hyperbolic sine is `input`: log(input + sqrt(input^2 + 1)).",
                        aliases=("arcsinh",))
acosh = scalar_function("acosh", "The number >= 0 whose hyperbolic cosine is `input`; NaN below 1.",
                        aliases=("arccosh",), domain=(1.1, 8))
atanh = scalar_function("atanh", "The number whose hyperbolic tangent is `input`; infinite at -1 and 1, NaN outside.",
                        aliases=("arctanh",), domain=(-0.95, 0.95))
erf = scalar_function("erf", "The error function, 2 / sqrt(pi) times the integral of e^-t^2 from 0 to `input`.",
                      namespaces=("", "special"))
erfc = scalar_function("erfc", "1 - erf(input), accurate where that is small.", namespaces=("", "special"))
erfinv = scalar_function("erfinv", "The number whose erf is `input`; infinite at -1 and 1, NaN outside.",
                         namespaces=("", "special"), domain=(-0.9, 0.9))
lgamma = scalar_function("lgamma", "log |gamma(input)|; inf at 0 and the negative integers.", domain=(0.5, 8))
digamma = scalar_function("digamma", "The derivative of lgamma; -inf at 0, NaN at the negative integers.",
                          namespaces=("", "special"), domain=(0.5, 8))
i0 = scalar_function("i0", "The modified Bessel function of the first kind of order 0; it grows as e^|input|.",
                     namespaces=("", "special"))
rad2deg = scalar_function("rad2deg", "Degrees of angles in radians: input * 180 / pi.", lambda x: x * 57.29577951308232,
                          check=no_complex)
deg2rad = scalar_function("deg2rad", "Radians of angles in degrees: input * pi / 180.",
                          lambda x: x * 0.017453292519943295, check=no_complex)


@elementwise(promote=FLOAT, namespaces=("", "special"))
def sinc(input):
    """sin(pi input) / (pi input), and 1 at 0: the transform of a box."""
    scaled = input * f.PI
    return f.where(f.eq(input, 0), 1, f.sin(scaled) / scaled)


@elementwise(stepwise=True, promote=FLOAT, aliases=("arctan2",), only_tensors=("input", "other"))
def atan2(input, other):
    """The angle in [-pi, pi] of the point with x = `other` and y = `input`; its sides decide the quadrant."""
    return f.atan2(input, other)


@elementwise(stepwise=True, only_tensors=("input", "other"), dtypes=FLOATS)
def hypot(input, other):
    """sqrt(input^2 + other^2), the hypotenuse, without overflow in between."""
    return f.hypot(input, other)


@elementwise(input=lambda grad, input, other: f.where(f.ne(input, other), grad, 0), other=lambda grad: 0 * grad,
             only_tensors=("input", "other"), dtypes=FLOATS)
def nextafter(input, other):
    """The next representable value after `input` towards `other`, in its dtype; `other` itself where both are equal."""
    return f.nextafter(input, other)


@elementwise(promote=FLOAT, only_tensors=("input",))
def copysign(input, other):
    """|input| with the sign of `other`, that of -0.0 and of NaN included; the result is floating point."""
    return f.copysign(input, other)


def _heaviside_dtypes(op, specs, statics):
    no_complex(op, specs, statics)
    if specs["input"].dtype is not specs["values"].dtype:
        raise RuntimeError(f"{op.name}: not implemented for tensors with different dtypes, got {specs['input'].dtype} "
                           f"and {specs['values'].dtype}")


@elementwise(only_tensors=("input", "values"), check=_heaviside_dtypes)
def heaviside(input, values):
    """The step: 0 where `input` is below 0 or NaN, 1 above, `values` at 0."""
    return f.where(f.eq(input, 0), values, f.where(f.gt(input, 0), 1, 0))


def _times_log(input, other):
    return f.where(f.isnan(other), other, f.where(f.eq(input, 0), 0, input * f.log(other)))


# The gradient of 0 at a negative `other`, where log is NaN, is 0: xlogy of it.
@elementwise(stepwise=True, promote=FLOAT, namespaces=("", "special"), input=lambda grad, input, other: f.where(
    f.eq(input, 0) & f.le(other, 0), 0, _times_log(grad, other)))
def xlogy(input, other):
    """input * log(other), and 0 where `input` is 0, whatever `other` is but NaN."""
    return _times_log(input, other)


@elementwise(stepwise=True, dtypes=CONTINUOUS, promote=FLOAT, only_tensors=("input", "other"),
             input=lambda grad, input, other: grad / f.conj(1 + f.exp(other - input)),
             other=lambda grad, input, other: grad / f.conj(1 + f.exp(input - other)))
def logaddexp(input, other):
    """log(exp(input) + exp(other)), without overflow; of complex numbers by their real parts."""
    swap = f.real(input) < f.real(other)
    largest, least = f.where(swap, other, input), f.where(swap, input, other)
    return f.where(f.isinf(input) & f.eq(input, other), input, largest + f.log1p(f.exp(least - largest)))


@elementwise(dtypes=CONTINUOUS, promote=FLOAT, only_tensors=("input", "other"))
def logaddexp2(input, other):
    """log2(2**input + 2**other), without overflow."""
    largest = f.maximum(input, other)
    return f.where(f.isinf(input) & f.eq(input, other), input,
                   largest + f.log1p(f.exp2(-f.abs(input - other))) * 1.4426950408889634)
