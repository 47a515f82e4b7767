"""Elementwise arithmetic, comparison, logic and mathematics."""

from ..expr import functions as f
from .declare import FLOAT, elementwise, neutral

_REAL_NUMBERS = ("uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64")
_ORDERED = ("bool", *_REAL_NUMBERS)
_INTEGERS = ("bool", "uint8", "int8", "int16", "int32", "int64")


def _no_bool(op, specs, statics):
    """Subtraction and the like are refused for bool, as PyTorch does."""
    given = [s.dtype.name if hasattr(s, "dtype") else s for s in specs.values() if s is not None]
    if given and (given[0] == "bool" if len(given) == 1 else all(g == "bool" for g in given)):
        raise RuntimeError(f"{op.name}: the `-` operator with bool tensors is not supported. To invert a mask use `~` "
                           "or logical_not(), for symmetric difference `^` or logical_xor().")


# Copies and conversions.

@elementwise(name="_to", method=False, inplace=False, result=lambda d, statics: statics["dtype"])
def to(input, dtype: object, contiguous: bool = False, memory_format: object = None):
    """The values of `input` in another dtype; row-major when `contiguous`, else in `memory_format` or the input's order
    of dimensions."""
    return input


@elementwise(inplace=False, out=False)
def clone(input, *, memory_format: object = None):
    """A copy of `input` with memory of its own; gradients pass through."""
    return input


@elementwise(promote_by=("src",), casts=True, method=True, name="copy", out=False)
def copy(input, src, non_blocking: bool = False):
    """The values of `src`, broadcast to the shape of `input`; `copy_` writes them into `input` in its dtype."""
    return src


@elementwise(promote_by=("input",), apart=("value",), casts=True, out=False)
def fill(input, value):
    """`value` everywhere, in the shape of `input`."""
    return value


@elementwise(aliases=("__pos__",))
def positive(input):
    """+input."""
    return input


# Arithmetic.

@elementwise
def add(input, other, *, alpha: neutral = 1):
    """input + alpha * other."""
    return input + other * alpha


@elementwise(check=_no_bool, aliases=("subtract",))
def sub(input, other, *, alpha: neutral = 1):
    """input - alpha * other."""
    return input - other * alpha


@elementwise(check=_no_bool, method=True, only_tensors=("input",))
def rsub(input, other, *, alpha: neutral = 1):
    """other - alpha * input."""
    return other - input * alpha


@elementwise(aliases=("multiply",))
def mul(input, other):
    """input * other."""
    return input * other


@elementwise(promote=FLOAT)
def true_divide(input, other):
    """input / other, in floating point."""
    return input / other


@elementwise(check=_no_bool, aliases=("negative",))
def neg(input):
    """-input."""
    return -input


@elementwise(dtypes=_REAL_NUMBERS, divides=True)
def floor_divide(input, other):
    """floor(input / other), as Python's //."""
    return input // other


@elementwise(dtypes=_REAL_NUMBERS, divides=True)
def remainder(input, other):
    """input - other * floor(input / other): the sign is that of `other`, as Python's %."""
    return input % other


@elementwise(dtypes=_REAL_NUMBERS, only_tensors=("input",), divides=True)
def fmod(input, other):
    """input - other * trunc(input / other): the sign is that of `input`."""
    return f.fmod(input, other)


@elementwise
def addcmul(input, tensor1, tensor2, *, value: neutral = 1):
    """input + value * tensor1 * tensor2."""
    return input + tensor1 * tensor2 * value


@elementwise(promote=FLOAT)
def addcdiv(input, tensor1, tensor2, *, value: neutral = 1):
    """input + value * tensor1 / tensor2."""
    return input + tensor1 / tensor2 * value


@elementwise
def lerp(input, end, weight):
    """input + weight * (end - input), from the nearer end, so that weight 1 gives `end` exactly."""
    difference = end - input
    return f.where(f.lt(f.abs(weight), 0.5), input + weight * difference, end - difference * (1 - weight))


@elementwise(promote=FLOAT)
def reciprocal(input):
    """1 / input."""
    return 1 / input


@elementwise
def square(input):
    """input * input."""
    return input * input


@elementwise(aliases=("absolute",), result="real")
def abs(input):
    """|input|; the modulus of complex numbers."""
    return f.abs(input)


@elementwise
def sgn(input):
    """Sign: -1, 0 or 1; input / |input| of complex numbers."""
    return f.sgn(input)


@elementwise(dtypes=("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64"))
def sign(input):
    """-1, 0 or 1."""
    return f.sgn(input)


@elementwise(name="pow_general", method=False, inplace=False, out=False,
             input=lambda grad, input, exponent: grad * f.conj(f.where(f.eq(exponent, 0), 0,
                                                                       exponent * f.pow(input, exponent - 1))),
             exponent=lambda grad, input, exponent, result: grad * f.conj(f.where(
                 f.eq(input, 0) & f.ge(f.real(exponent), 0), 0, result * f.log(input))))
def pow_general(input, exponent):
    """input ** exponent."""
    return f.pow(input, exponent)


@elementwise(name="cube", method=False, inplace=False, out=False)
def cube(input):
    """input ** 3."""
    return input * input * input


@elementwise(result="real")
def angle(input):
    """atan2(imaginary part, real part); of reals 0 or pi."""
    return f.where(f.isnan(f.real(input)), f.real(input), f.atan2(f.imag(input), f.real(input)))


@elementwise(method=True)
def conj_physical(input):
    """The complex conjugate."""
    return f.conj(input)


@elementwise(method=False, inplace=False, result="complex")
def complex(real, imag):
    """real + i imag."""
    return f.make_complex(real, imag)


def _floats(op, specs, statics):
    """TypeError for numbers, RuntimeError for tensors that are not of one floating point dtype."""
    for position, (name, spec) in enumerate(specs.items(), 1):
        if isinstance(spec, str):
            raise TypeError(f"{op.name}(): argument '{name}' (position {position}) must be Tensor, not {spec}")
    first, second = (spec.dtype for spec in specs.values())
    if not first.is_floating_point or first is not second:
        raise RuntimeError(f"{op.name}(): Expected both inputs to have the same floating point dtype, but got {first} "
                           f"and {second}")


@elementwise(method=False, inplace=False, result="complex", promote=FLOAT, check=_floats)
def polar(abs, angle):
    """abs * (cos(angle) + i sin(angle))."""
    return f.make_complex(abs * f.cos(angle), abs * f.sin(angle))


# Comparison and logic: bool results.

def _comparison(name, aliases, function, text, dtypes=None):
    def op(input, other):
        return function(input, other)
    op.__name__, op.__doc__ = name, f"input {text} other, element by element."
    return elementwise(op, result="bool", differentiable=False, casts=True, aliases=aliases,
                       only_tensors=("input",), dtypes=dtypes)


eq = _comparison("eq", (), f.eq, "==")
ne = _comparison("ne", ("not_equal",), f.ne, "!=")
lt = _comparison("lt", ("less",), f.lt, "<", _ORDERED)
le = _comparison("le", ("less_equal",), f.le, "<=", _ORDERED)
gt = _comparison("gt", ("greater",), f.gt, ">", _ORDERED)
ge = _comparison("ge", ("greater_equal",), f.ge, ">=", _ORDERED)


@elementwise(result="bool", differentiable=False, casts=True)
def logical_not(input):
    """True where `input` is zero."""
    return f.logical_not(input)


@elementwise(result="bool", differentiable=False, casts=True, only_tensors=("input", "other"))
def logical_and(input, other):
    """True where both are nonzero."""
    return f.and_(f.ne(input, 0), f.ne(other, 0))


@elementwise(result="bool", differentiable=False, casts=True, only_tensors=("input", "other"))
def logical_or(input, other):
    """True where one is nonzero."""
    return f.or_(f.ne(input, 0), f.ne(other, 0))


@elementwise(result="bool", differentiable=False, casts=True, only_tensors=("input", "other"))
def logical_xor(input, other):
    """True where exactly one is nonzero."""
    return f.xor(f.ne(input, 0), f.ne(other, 0))


@elementwise(dtypes=_INTEGERS, differentiable=False)
def bitwise_and(input, other):
    """input & other."""
    return input & other


@elementwise(dtypes=_INTEGERS, differentiable=False)
def bitwise_or(input, other):
    """input | other."""
    return input | other


@elementwise(dtypes=_INTEGERS, differentiable=False)
def bitwise_xor(input, other):
    """input ^ other."""
    return input ^ other


@elementwise(dtypes=_INTEGERS, differentiable=False)
def bitwise_not(input):
    """~input; logical not of bools."""
    return ~input


@elementwise(dtypes=_INTEGERS[1:], differentiable=False, aliases=("__lshift__",))
def bitwise_left_shift(input, other):
    """input << other; 0 where `other` is negative or 64 and more."""
    return f.where(f.lt(other, 0) | f.ge(other, 64), 0, input << other)


@elementwise(dtypes=_INTEGERS[1:], differentiable=False, aliases=("__rshift__",))
def bitwise_right_shift(input, other):
    """input >> other; all sign bits where `other` is negative or 64 and more."""
    return input >> f.where(f.lt(other, 0) | f.ge(other, 64), 63, other)


@elementwise(result="bool", differentiable=False, inplace=False, out=False)
def isnan(input):
    """True where not a number."""
    return f.isnan(input)


@elementwise(result="bool", differentiable=False, inplace=False, out=False)
def isinf(input):
    """True where infinite."""
    return f.isinf(input)


@elementwise(result="bool", differentiable=False, inplace=False, out=False)
def isfinite(input):
    """True where neither infinite nor NaN."""
    return f.logical_not(f.isinf(input) | f.isnan(input))


@elementwise(result="bool", differentiable=False, inplace=False)
def isposinf(input):
    """True where +inf."""
    return f.eq(input, float("inf"))


@elementwise(result="bool", differentiable=False, inplace=False)
def isneginf(input):
    """True where -inf."""
    return f.eq(input, float("-inf"))


@elementwise(result="bool", differentiable=False, inplace=False)
def signbit(input):
    """True where the sign bit is set."""
    return f.signbit(input)


# Choice.

@elementwise(name="where_values", apart=("condition",), method=False, inplace=False)
def where(condition, input, other):
    """`input` where `condition`, else `other`."""
    return f.where(condition, input, other)


def _one_value(op, specs, statics):
    value = specs["value"]
    if getattr(value, "ndim", 0):
        raise RuntimeError(f"{op.name} only supports a 0-dimensional value tensor, but got tensor with {value.ndim} "
                           f"dimension(s), shape {value.shape}.")


@elementwise(apart=("mask",), promote_by=("input",), out=False, check=_one_value)
def masked_fill(input, mask, value):
    """`value` where `mask`, else `input`."""
    return f.where(mask, value, input)


@elementwise(only_tensors=("input", "other"))
def maximum(input, other):
    """The larger of both; NaN where either is."""
    return f.maximum(input, other)


@elementwise(only_tensors=("input", "other"))
def minimum(input, other):
    """The smaller of both; NaN where either is."""
    return f.minimum(input, other)


@elementwise(only_tensors=("input", "other"))
def fmax(input, other):
    """The larger of both; of a number and NaN the number."""
    return f.fmax(input, other)


@elementwise(only_tensors=("input", "other"))
def fmin(input, other):
    """The smaller of both; of a number and NaN the number."""
    return f.fmin(input, other)


def _clamp_check(op, specs, statics):
    if specs.get("min") is None and specs.get("max") is None:
        raise RuntimeError("clamp: At least one of 'min' or 'max' must not be None")


def _clamp_inside(grad, input, min, max):
    inside = None
    if min is not None:
        inside = f.ge(input, min)
    if max is not None:
        inside = f.le(input, max) if inside is None else inside & f.le(input, max)
    return f.where(inside, grad, 0)


@elementwise(check=_clamp_check, aliases=("clip",), input=_clamp_inside,
             min=lambda grad, input, min, max: f.where(f.lt(input, min) if max is None else
                                                       f.lt(input, min) & f.lt(min, max), grad, 0),
             max=lambda grad, input, min, max: f.where(f.gt(input, max) if min is None else
                                                       f.gt(input, max) | f.lt(max, min), grad, 0))
def clamp(input, min=None, max=None):
    """`input` limited to [min, max]; None means no limit. NaN stays NaN."""
    result = input
    if min is not None:
        result = f.maximum(result, min)
    if max is not None:
        result = f.minimum(result, max)
    return result


@elementwise(only_tensors=("input",), input=lambda grad, input, min: f.where(f.ge(input, min), grad, 0),
             min=lambda grad, input, min: f.where(f.lt(input, min), grad, 0))
def clamp_min(input, min):
    """max(input, min)."""
    return f.maximum(input, min)


@elementwise(only_tensors=("input",), input=lambda grad, input, max: f.where(f.le(input, max), grad, 0),
             max=lambda grad, input, max: f.where(f.gt(input, max), grad, 0))
def clamp_max(input, max):
    """min(input, max)."""
    return f.minimum(input, max)


@elementwise(name="nan_to_num_values", method=False, inplace=False, out=False,
             input=lambda grad, input: f.where(f.isnan(input) | f.isinf(input), 0, grad))
def nan_to_num_values(input, nan: float, posinf: float, neginf: float):
    """`input` with NaN and infinities replaced."""
    number = f.where(f.eq(input, float("inf")), posinf, f.where(f.eq(input, float("-inf")), neginf, input))
    return f.where(f.isnan(input), nan, number)


@elementwise(promote=FLOAT, only_tensors=("input",))
def copysign(input, other):
    """|input| with the sign of `other`."""
    return f.copysign(input, other)


@elementwise(only_tensors=("input", "values"))
def heaviside(input, values):
    """0 below zero, 1 above, `values` at zero."""
    return f.where(f.isnan(input), input, f.where(f.eq(input, 0), values, f.where(f.lt(input, 0), 0, 1)))


@elementwise(promote=FLOAT, namespaces=("", "special"))
def xlogy(input, other):
    """input * log(other), 0 where input is 0."""
    return f.where(f.isnan(other), other, f.where(f.eq(input, 0), 0, input * f.log(other)))


@elementwise(promote=FLOAT, only_tensors=("input", "other"))
def logaddexp(input, other):
    """log(exp(input) + exp(other)), without overflow."""
    largest = f.maximum(input, other)
    return f.where(f.isinf(input) & f.eq(input, other), input,
                   largest + f.log1p(f.exp(-f.abs(input - other))))


@elementwise(promote=FLOAT, only_tensors=("input", "other"))
def logaddexp2(input, other):
    """log2(2**input + 2**other), without overflow."""
    largest = f.maximum(input, other)
    return f.where(f.isinf(input) & f.eq(input, other), input,
                   largest + f.log1p(f.exp2(-f.abs(input - other))) * 1.4426950408889634)


# Rounding.

@elementwise
def floor(input):
    """The largest integer not above `input`."""
    return f.floor(input)


@elementwise
def ceil(input):
    """The smallest integer not below `input`."""
    return f.ceil(input)


@elementwise(aliases=("fix",))
def trunc(input):
    """`input` rounded towards zero."""
    return f.trunc(input)


@elementwise(name="round_half_even", method=False)
def round_half_even(input):
    """`input` rounded to the nearest integer, halves to even."""
    return f.rint(input)


@elementwise(name="round_scaled", method=False)
def round_scaled(input, scale: float):
    """`input` rounded at `scale` steps a unit."""
    return f.rint(input * scale) / scale


@elementwise(name="round_coarse", method=False)
def round_coarse(input, step: float):
    """`input` rounded to multiples of `step`."""
    return f.rint(input / step) * step


@elementwise
def frac(input):
    """input - trunc(input)."""
    return input - f.trunc(input)


# Mathematics, in floating point.

def _function(name, text, function=None, aliases=(), namespaces=("",), **options):
    scalar = function or getattr(f, name)

    def op(input):
        return scalar(input)
    op.__name__, op.__doc__ = name, text
    return elementwise(op, promote=FLOAT, aliases=aliases, namespaces=namespaces, **options)


sqrt = _function("sqrt", "Square root.", domain=(0.1, 8))
rsqrt = _function("rsqrt", "1 / sqrt(input).", domain=(0.1, 8))
exp = _function("exp", "e ** input.", namespaces=("",))
exp2 = _function("exp2", "2 ** input.", namespaces=("", "special"))
expm1 = _function("expm1", "e ** input - 1, accurate near 0.", namespaces=("", "special"))
log = _function("log", "Natural logarithm.", domain=(0.1, 8))
log2 = _function("log2", "Logarithm to base 2.", domain=(0.1, 8))
log10 = _function("log10", "Logarithm to base 10.", domain=(0.1, 8))
log1p = _function("log1p", "log(1 + input), accurate near 0.", domain=(-0.9, 8), namespaces=("", "special"))
sin = _function("sin", "Sine.")
cos = _function("cos", "Cosine.")
tan = _function("tan", "Tangent.", domain=(-1.4, 1.4))
asin = _function("asin", "Inverse sine.", aliases=("arcsin",), domain=(-0.95, 0.95))
acos = _function("acos", "Inverse cosine.", aliases=("arccos",), domain=(-0.95, 0.95))
atan = _function("atan", "Inverse tangent.", aliases=("arctan",))
sinh = _function("sinh", "Hyperbolic sine.")
cosh = _function("cosh", "Hyperbolic cosine.")
tanh = _function("tanh", "Hyperbolic tangent.", namespaces=("", "nn.functional"))
asinh = _function("asinh", "Inverse hyperbolic sine.", aliases=("arcsinh",))
acosh = _function("acosh", "Inverse hyperbolic cosine.", aliases=("arccosh",), domain=(1.1, 8))
atanh = _function("atanh", "Inverse hyperbolic tangent.", aliases=("arctanh",), domain=(-0.95, 0.95))
erf = _function("erf", "Error function.", namespaces=("", "special"))
erfc = _function("erfc", "1 - erf(input).", namespaces=("", "special"))
erfinv = _function("erfinv", "Inverse of erf.", namespaces=("", "special"), domain=(-0.9, 0.9))
lgamma = _function("lgamma", "log |gamma(input)|.", domain=(0.5, 8))
digamma = _function("digamma", "Derivative of lgamma.", namespaces=("", "special"), domain=(0.5, 8))
i0 = _function("i0", "Modified Bessel function of the first kind, order 0.", namespaces=("", "special"))
rad2deg = _function("rad2deg", "Radians to degrees.", lambda x: x * 57.29577951308232)
deg2rad = _function("deg2rad", "Degrees to radians.", lambda x: x * 0.017453292519943295)


@elementwise(promote=FLOAT, namespaces=("", "special"))
def sinc(input):
    """sin(pi input) / (pi input), 1 at 0."""
    scaled = input * f.PI
    return f.where(f.eq(input, 0), 1, f.sin(scaled) / scaled)


@elementwise(promote=FLOAT, aliases=("arctan2",), only_tensors=("input", "other"))
def atan2(input, other):
    """The angle of the point (other, input)."""
    return f.atan2(input, other)


@elementwise(only_tensors=("input", "other"))
def hypot(input, other):
    """sqrt(input**2 + other**2) without overflow."""
    return f.hypot(input, other)


@elementwise(differentiable=False, only_tensors=("input", "other"))
def nextafter(input, other):
    """The next representable value after `input` towards `other`."""
    return f.nextafter(input, other)
