"""The few scalar operations that every function in `mathematics` is written in, with NumPy meanings.

They take NumPy scalars and arrays alike and keep the type of their operands, so that the functions run in plain Python
as their own reference. In a compiled kernel the same names stand for single machine instructions.
"""

import numpy as np
from numpy import ceil, copysign, fabs, floor, fmax as maxnum, fmin as minnum, maximum, minimum, rint, sqrt, trunc

__all__ = [
    "fma", "rint", "floor", "ceil", "trunc", "sqrt", "fabs", "copysign",
    "minimum", "maximum", "minnum", "maxnum", "where", "scaled",
    "as_int32", "as_float32", "as_int64", "as_float64",
]  # fmt: skip

_SPLITTER = 134217729.0  # 2^27 + 1


def fma(a, b, c):
    """a * b + c with one rounding, for float32 and float64.

    float32 goes through float64, where the product is exact; float64 adds the rounding errors of product and sum back.
    Either may round twice in rare cases, an error of less than 0.51 ULP instead of 0.5.
    Error-free product and sum: Dekker 1971; Knuth, TAOCP volume 2, section 4.2.2.
    """
    if np.result_type(a, b, c) == np.float32:
        return np.float32(np.float64(a) * np.float64(b) + np.float64(c))
    with np.errstate(all="ignore"):
        a, b, c = np.float64(a), np.float64(b), np.float64(c)
        product = a * b
        product_error = _product_error(a, b, product)
        total = product + c
        part = total - product
        total_error = (product - (total - part)) + (c - part)
        result = total + (total_error + product_error)
        return where(np.isfinite(result), result, total)


def _product_error(a, b, product):
    a_high, b_high = _high_half(a), _high_half(b)
    a_low, b_low = a - a_high, b - b_high
    return a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)


def _high_half(value):
    scaled = value * _SPLITTER
    return scaled - (scaled - value)


def where(condition, a, b):
    """`a` where the condition holds, else `b`; both are evaluated."""
    return np.where(condition, a, b)[()]


def scaled(value, exponent):
    """value * 2^exponent of a float32 and an int32 between -252 and 252, rounded once."""
    return np.ldexp(value, exponent)


def as_int32(value):
    """The bits of a float32 as an int32."""
    return np.asarray(value, np.float32).view(np.int32)[()]


def as_float32(bits):
    """The float32 that has the given int32 as its bits."""
    return np.asarray(bits, np.int32).view(np.float32)[()]


def as_int64(value):
    """The bits of a float64 as an int64."""
    return np.asarray(value, np.float64).view(np.int64)[()]


def as_float64(bits):
    """The float64 that has the given int64 as its bits."""
    return np.asarray(bits, np.int64).view(np.float64)[()]
