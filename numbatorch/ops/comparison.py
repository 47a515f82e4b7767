"""Elementwise comparison, logic, and choice between values."""

from ..expr import functions as f
from .declare import elementwise
from .pointwise import ORDERED, no_complex

_INTEGERS = ("bool", "uint8", "int8", "int16", "int32", "int64")


# Comparison and logic: bool results.

def _comparison(name, aliases, function, text, dtypes=None, float8=False):
    def op(input, other):
        return function(input, other)
    op.__name__ = name
    op.__doc__ = f"input {text} other, element by element: bools, in the shape that both broadcast to."
    return elementwise(op, result="bool", differentiable=False, casts=True, aliases=aliases,
                       only_tensors=("input",), dtypes=dtypes, float8=float8)


eq = _comparison("eq", (), f.eq, "==", float8=True)
ne = _comparison("ne", ("not_equal",), f.ne, "!=", float8=True)
lt = _comparison("lt", ("less",), f.lt, "<", ORDERED)
le = _comparison("le", ("less_equal",), f.le, "<=", ORDERED)
gt = _comparison("gt", ("greater",), f.gt, ">", ORDERED)
ge = _comparison("ge", ("greater_equal",), f.ge, ">=", ORDERED)


@elementwise(result="bool", differentiable=False, casts=True)
def logical_not(input):
    """True where `input` is zero or False, of any dtype."""
    return f.logical_not(input)


@elementwise(result="bool", differentiable=False, casts=True, only_tensors=("input", "other"))
def logical_and(input, other):
    """True where both are nonzero, of any dtypes; the result is bool."""
    return f.and_(f.ne(input, 0), f.ne(other, 0))


@elementwise(result="bool", differentiable=False, casts=True, only_tensors=("input", "other"))
def logical_or(input, other):
    """True where at least one is nonzero, of any dtypes; the result is bool."""
    return f.or_(f.ne(input, 0), f.ne(other, 0))


@elementwise(result="bool", differentiable=False, casts=True, only_tensors=("input", "other"))
def logical_xor(input, other):
    """True where exactly one is nonzero, of any dtypes; the result is bool."""
    return f.xor(f.ne(input, 0), f.ne(other, 0))


@elementwise(dtypes=_INTEGERS, differentiable=False)
def bitwise_and(input, other):
    """input & other, bit by bit, of integers; of bools: and."""
    return input & other


@elementwise(dtypes=_INTEGERS, differentiable=False)
def bitwise_or(input, other):
    """input | other, bit by bit, of integers; of bools: or."""
    return input | other


@elementwise(dtypes=_INTEGERS, differentiable=False)
def bitwise_xor(input, other):
    """input ^ other, bit by bit, of integers; of bools: where they differ."""
    return input ^ other


@elementwise(dtypes=_INTEGERS, differentiable=False)
def bitwise_not(input):
    """~input: every bit of integers turned, -input - 1; of bools: not."""
    return ~input


@elementwise(dtypes=_INTEGERS[1:], differentiable=False, aliases=("__lshift__",))
def bitwise_left_shift(input, other):
    """input << other; 0 where `other` is negative or 64 and more."""
    return f.where(f.lt(other, 0) | f.ge(other, 64), 0, input << other)


@elementwise(dtypes=_INTEGERS[1:], differentiable=False, aliases=("__rshift__",))
def bitwise_right_shift(input, other):
    """input >> other; all sign bits where `other` is negative or 64 and more."""
    return input >> f.where(f.lt(other, 0) | f.ge(other, 64), 63, other)


@elementwise(result="bool", differentiable=False, inplace=False, out=False, float8=True)
def isnan(input):
    """True where `input` is not a number: nowhere in integers; where either part is NaN in complex numbers."""
    return f.isnan(input)


@elementwise(result="bool", differentiable=False, inplace=False, out=False, float8=True)
def isinf(input):
    """True where `input` is inf or -inf: nowhere in integers; where either part is in complex numbers."""
    return f.isinf(input)


@elementwise(result="bool", differentiable=False, inplace=False, out=False, float8=True)
def isfinite(input):
    """True where `input` is neither infinite nor NaN: everywhere in integers."""
    return f.logical_not(f.isinf(input) | f.isnan(input))


@elementwise(check=no_complex, result="bool", differentiable=False, inplace=False)
def isposinf(input):
    """True where `input` is inf, and nowhere in integers. No complex numbers."""
    return f.isinf(input) & f.gt(input, 0)


@elementwise(check=no_complex, result="bool", differentiable=False, inplace=False)
def isneginf(input):
    """True where `input` is -inf, and nowhere in integers. No complex numbers."""
    return f.isinf(input) & f.lt(input, 0)


@elementwise(result="bool", differentiable=False, inplace=False)
def signbit(input):
    """True where the sign bit is set: of negative numbers, of -0.0, and of NaNs that have it."""
    return f.signbit(input)


# Choice.

@elementwise(name="where_values", apart=("condition",), fits=("input", "other"), method=False, inplace=False,
             float8=True)
def where(condition, input, other):
    """`input` where `condition`, else `other`."""
    return f.where(condition, input, other)


def _one_value(op, specs, statics):
    value = specs["value"]
    if getattr(value, "ndim", 0):
        raise RuntimeError(f"{op.name} only supports a 0-dimensional value tensor, but got tensor with {value.ndim} "
                           f"dimension(s), shape {value.shape}.")
    if specs["mask"].dtype.name != "bool":
        raise RuntimeError(f"{op.name} only supports boolean masks, but got mask with dtype {specs['mask'].dtype}; "
                           "compare it first: mask != 0")
    if hasattr(value, "dtype") and value.dtype.is_complex and not specs["input"].dtype.is_complex:
        raise RuntimeError(f"{op.name}: value of dtype {value.dtype} cannot be converted to type "
                           f"{specs['input'].dtype} without overflow")


@elementwise(apart=("mask",), promote_by=("input",), casts=True, fits=("value",), out=False, check=_one_value,
             float8=True)
def masked_fill(input, mask, value):
    """`value` where `mask` (bool, broadcast) is True, else `input`, in the dtype of `input`.

    `value`: a number or a 0-d tensor; RuntimeError for a larger one.
    """
    return f.where(mask, value, input)


@elementwise(check=no_complex, only_tensors=("input", "other"))
def maximum(input, other):
    """The larger of both, element by element; NaN where either is. Equal ones get half of the gradient each."""
    return f.maximum(input, other)


@elementwise(check=no_complex, only_tensors=("input", "other"))
def minimum(input, other):
    """The smaller of both, element by element; NaN where either is. Equal ones get half of the gradient each."""
    return f.minimum(input, other)


@elementwise(check=no_complex, only_tensors=("input", "other"))
def fmax(input, other):
    """The larger of both, element by element; where one is NaN, the other. Of equal ones `input` gets the gradient."""
    return f.fmax(input, other)


@elementwise(check=no_complex, only_tensors=("input", "other"))
def fmin(input, other):
    """The smaller of both, element by element; where one is NaN, the other. Of equal ones `input` gets the gradient."""
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


@elementwise(fits=("min", "max"), check=_clamp_check, aliases=("clip",), input=_clamp_inside,
             min=lambda grad, input, min, max: f.where(f.lt(input, min) if max is None else
                                                       f.lt(input, min) & f.lt(min, max), grad, 0),
             max=lambda grad, input, min, max: f.where(f.gt(input, max) if min is None else
                                                       f.gt(input, max) | f.lt(max, min), grad, 0))
def clamp(input, min=None, max=None):
    """`input` limited to [min, max], numbers or tensors that broadcast; None means no limit, and not both may be None.

    NaN stays NaN. Where min exceeds max the result is max. The gradient passes inside the limits, and on them.
    """
    result = input
    if min is not None:
        result = f.maximum(result, min)
    if max is not None:
        result = f.minimum(result, max)
    return result


@elementwise(fits=("min",), only_tensors=("input",), input=lambda grad, input, min: f.where(f.ge(input, min), grad, 0),
             min=lambda grad, input, min: f.where(f.lt(input, min), grad, 0))
def clamp_min(input, min):
    """max(input, min): `input` from `min` on, a number or a tensor; NaN stays NaN."""
    return f.maximum(input, min)


@elementwise(fits=("max",), only_tensors=("input",), input=lambda grad, input, max: f.where(f.le(input, max), grad, 0),
             max=lambda grad, input, max: f.where(f.gt(input, max), grad, 0))
def clamp_max(input, max):
    """min(input, max): `input` up to `max`, a number or a tensor; NaN stays NaN."""
    return f.minimum(input, max)


@elementwise(name="nan_to_num_values", method=False, inplace=False, out=False,
             input=lambda grad, input: f.where(f.isnan(input) | f.isinf(input), 0, grad))
def nan_to_num_values(input, nan: float, posinf: float, neginf: float):
    """`input` with NaN, inf and -inf replaced by the numbers `nan`, `posinf` and `neginf`."""
    number = f.where(f.eq(input, float("inf")), posinf, f.where(f.eq(input, float("-inf")), neginf, input))
    return f.where(f.isnan(input), nan, number)
