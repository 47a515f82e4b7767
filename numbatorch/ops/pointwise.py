"""Elementwise arithmetic, comparison, logic and mathematics."""

from ..expr import functions as f
from ..expr.functions import where as _where
from .declare import FLOAT, elementwise, neutral

_INTEGERS = ("bool", "uint8", "int8", "int16", "int32", "int64")


def _no_bool(op, specs, statics):
    """Subtraction and the like are refused for bool, as PyTorch does."""
    given = [s.dtype.name if hasattr(s, "dtype") else s for s in specs.values() if s is not None]
    if given and (given[0] == "bool" if len(given) == 1 else all(g == "bool" for g in given)):
        raise RuntimeError(f"{op.name}: the `-` operator with bool tensors is not supported. To invert a mask use `~` or "
                           "logical_not(), for symmetric difference `^` or logical_xor().")


# Copies and conversions.

@elementwise(name="_to", method=False, inplace=False, result=lambda d, statics: statics["dtype"])
def to(input, dtype: object, contiguous: bool = False):
    """The values of `input` in another dtype; row-major when `contiguous`, else in the input's order of dimensions."""
    return f.real(input) if False else input


@elementwise(inplace=False, out=False)
def clone(input, *, memory_format: object = None):
    """A copy of `input` with memory of its own; gradients pass through."""
    return input


@elementwise(promote_by=("src",), casts=True, method=True, name="copy", out=False)
def copy(input, src, non_blocking: bool = False):
    """The values of `src`, broadcast to the shape of `input`; `copy_` writes them into `input` in its dtype."""
    return src


@elementwise(promote_by=("input",), out=False)
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


@elementwise(check=_no_bool, method=True)
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
