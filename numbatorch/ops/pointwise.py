"""Elementwise copies and arithmetic. Comparison and choice are in comparison.py, functions in elementary.py."""

from ..expr import functions as f
from .declare import FLOAT, composite, elementwise, neutral

CONTINUOUS = ("float16", "bfloat16", "float32", "float64", "complex32", "complex64", "complex128")
FLOATS = ("float16", "bfloat16", "float32", "float64")
REAL_NUMBERS = ("uint8", "int8", "int16", "int32", "int64", *FLOATS)
ORDERED = ("bool", *REAL_NUMBERS)


def _no_bool(op, specs, statics):
    """Subtraction and the like are refused for bool, as PyTorch does."""
    if any(getattr(getattr(s, "dtype", None), "name", s) == "bool" for s in specs.values()):
        raise RuntimeError(f"{op.name}: the `-` operator with bool tensors is not supported. To invert a mask use `~` "
                           "or logical_not(), for symmetric difference `^` or logical_xor(), else convert it first.")


def not_all_bool(op, specs, statics):
    """NotImplementedError where an op would compute in bool."""
    if all(getattr(getattr(s, "dtype", None), "name", s) == "bool" for s in specs.values()):
        raise NotImplementedError(f'"{op.name.removesuffix("_general")}" not implemented for bool: convert it first')


def no_complex(op, specs, statics):
    """RuntimeError for complex numbers, where PyTorch's is no NotImplementedError."""
    if any(hasattr(s, "dtype") and s.dtype.is_complex for s in specs.values()):
        raise RuntimeError(f"{op.name}: not supported for complex tensors: take .abs(), .real or .imag first")


def _no_integer_division(op, specs, statics):
    tensors = [specs["tensor1"], specs["tensor2"]]
    if all(s.dtype.category < 2 for s in tensors):
        raise RuntimeError(f"{op.name}: Integer division is not supported, got {tensors[0].dtype} and "
                           f"{tensors[1].dtype}: convert one to floating point")


def _one_dtype(op, specs, statics):
    """lerp converts neither `end` nor tensors of weights."""
    own = specs["input"].dtype
    if own.category < 2:
        raise NotImplementedError(f'"{op.name}" not implemented for {own}: convert it to floating point')
    for name in ("end", "weight"):
        spec = specs[name]
        if hasattr(spec, "dtype") and spec.dtype is not own and not (name == "weight" and spec.ndim == 0):
            raise RuntimeError(f"{op.name}: expected dtype {own} for `{name}` but got dtype {spec.dtype}")


# Copies and conversions.

@elementwise(name="_to", method=False, inplace=False, float8=True, result=lambda d, statics: statics["dtype"])
def to(input, dtype: object, contiguous: bool = False, memory_format: object = None):
    """The values of `input` in another dtype; row-major when `contiguous`, else in `memory_format` or the input's order
    of dimensions."""
    return input


@elementwise(inplace=False, out=False, float8=True)
def clone(input, *, memory_format: object = None):
    """A copy of `input` with memory of its own; gradients pass through."""
    return input


@elementwise(promote_by=("src",), casts=True, method=True, name="copy", out=False, float8=True, brings=True)
def copy(input, src, non_blocking: bool = False):
    """The values of `src`, broadcast to the shape of `input`; `copy_` writes them into `input` in its dtype."""
    return src


@elementwise(promote_by=("input",), apart=("value",), casts=True, fits=("value",), out=False, float8=True)
def fill(input, value):
    """`value`, a number or a 0-d tensor, everywhere, in the shape and dtype of `input`."""
    return value


@composite(aliases=("__pos__",))
def positive(input):
    """+input, which is `input` itself. RuntimeError for bool."""
    if input._layout.dtype.category == 0:
        raise RuntimeError("positive: the `+` operator, on a bool tensor, is not supported")
    return input


# Arithmetic.

@elementwise(numbers=True)
def add(input, other, *, alpha: neutral = 1):
    """input + alpha * other. Of bools: or.

    RuntimeError for an `alpha` with a fraction where both are integers.
    """
    return input + other * alpha


@elementwise(check=_no_bool, aliases=("subtract",), numbers=True)
def sub(input, other, *, alpha: neutral = 1):
    """input - alpha * other. RuntimeError for bools."""
    return input - other * alpha


@elementwise(check=_no_bool, method=True, only_tensors=("input",))
def rsub(input, other, *, alpha: neutral = 1):
    """other - alpha * input: `sub` with its operands exchanged. RuntimeError for bools."""
    return other - input * alpha


@elementwise(aliases=("multiply",), numbers=True)
def mul(input, other):
    """input * other, element by element. Of bools: and."""
    return input * other


@elementwise(stepwise=True, promote=FLOAT, numbers=True)
def true_divide(input, other):
    """input / other, in floating point: integers are converted to the default dtype. x / 0 is inf, 0 / 0 NaN."""
    return input / other


@elementwise(check=_no_bool, aliases=("negative",))
def neg(input):
    """-input: the number with the other sign. RuntimeError for bools."""
    return -input


@elementwise(dtypes=REAL_NUMBERS, divides=True, numbers=True)
def floor_divide(input, other):
    """floor(input / other), as Python's //: integers stay integers, and halves go down, not to zero."""
    return input // other


@elementwise(dtypes=REAL_NUMBERS, divides=True)
def remainder(input, other):
    """input - other * floor(input / other): the sign is that of `other`, as Python's %."""
    return input % other


@elementwise(dtypes=REAL_NUMBERS, only_tensors=("input",), divides=True)
def fmod(input, other):
    """input - other * trunc(input / other): the sign is that of `input`."""
    return f.fmod(input, other)


@elementwise
def addcmul(input, tensor1, tensor2, *, value: neutral = 1):
    """input + value * tensor1 * tensor2, in one pass."""
    return input + tensor1 * tensor2 * value


@elementwise(check=_no_integer_division, promote=FLOAT)
def addcdiv(input, tensor1, tensor2, *, value: neutral = 1):
    """input + value * tensor1 / tensor2, in one pass and in floating point."""
    return input + tensor1 / tensor2 * value


@elementwise(check=_one_dtype, only_tensors=("input", "end"))
def lerp(input, end, weight):
    """input + weight * (end - input), from the nearer end, so that weight 1 gives `end` exactly."""
    difference = end - input
    return f.where(f.lt(f.abs(weight), 0.5), input + weight * difference, end - difference * (1 - weight))


@elementwise(promote=FLOAT)
def reciprocal(input):
    """1 / input, in floating point; inf at 0."""
    return 1 / input


@elementwise(promote="no bool")
def square(input):
    """input * input; of bool in int64."""
    return input * input


@elementwise(check=not_all_bool, aliases=("absolute",), result="real", float8=True)
def abs(input):
    """|input|; of complex numbers sqrt(real^2 + imag^2), in the real dtype. Its gradient at 0 is 0."""
    return f.abs(input)


def _sgn_gradient(grad, input, result):
    """What turns a complex number: the part of grad across it. Nothing, exactly, for real numbers."""
    size = f.abs(input)
    return f.where(f.eq(size, 0), 0, (grad - result * f.real(grad * f.conj(result))) / size)


@elementwise(grad=_sgn_gradient)
def sgn(input):
    """The sign: -1, 0 or 1, also of bools and integers; of complex numbers input / |input|, and 0 at 0."""
    return f.sgn(input)


@elementwise(dtypes=("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64"),
             grad=lambda grad: 0)
def sign(input):
    """The sign: -1 below 0, 1 above, 0 at 0 and at NaN. No complex numbers: use sgn."""
    return f.sgn(input)


@elementwise(check=not_all_bool, stepwise=True, name="pow_general", method=False, inplace=False, out=False,
             input=lambda grad, input, exponent: grad * f.conj(f.where(f.eq(exponent, 0), 0,
                                                                       exponent * f.pow(input, exponent - 1))),
             exponent=lambda grad, input, exponent, result: grad * f.conj(f.where(
                 f.eq(input, 0) & f.ge(f.real(exponent), 0), 0, result * f.log(input))))
def pow_general(input, exponent):
    """input ** exponent, both of any shape: what pow runs where no shorter form will do."""
    return f.pow(input, exponent)


@elementwise(name="cube", method=False, inplace=False, out=False)
def cube(input):
    """input * input * input: pow(input, 3)."""
    return input * input * input


@elementwise(result="real", promote=FLOAT)
def angle(input):
    """The angle in radians, atan2(imaginary part, real part); of real numbers 0, below 0 pi, NaN at NaN."""
    return f.where(f.isnan(f.real(input)), f.real(input), f.atan2(f.imag(input), f.real(input)))


@elementwise(name="_conj", method=False)
def conjugated(input):
    """The complex conjugate."""
    return f.conj(input)


def _floats(op, specs, statics):
    """TypeError for numbers, RuntimeError for tensors that are not of one floating point dtype."""
    for position, (name, spec) in enumerate(specs.items(), 1):
        if isinstance(spec, str):
            raise TypeError(f"{op.name}(): argument '{name}' (position {position}) must be Tensor, not {spec}")
    first, second = (spec.dtype for spec in specs.values())
    if not first.is_floating_point or first.name == "bfloat16" or first is not second:
        raise RuntimeError(f"{op.name}(): Expected both inputs to have the same floating point dtype, but got {first} "
                           f"and {second}")


@elementwise(method=False, inplace=False, result="complex", check=_floats, exact_out=True)
def complex(real, imag):
    """real + i imag: complex64 of float32, complex128 of float64."""
    return f.make_complex(real, imag)


@elementwise(method=False, inplace=False, result="complex", promote=FLOAT, check=_floats)
def polar(abs, angle):
    """abs * (cos(angle) + i sin(angle)), the angle in radians.

    Both must be tensors of one floating point dtype: TypeError and RuntimeError otherwise.
    """
    return f.make_complex(abs * f.cos(angle), abs * f.sin(angle))
