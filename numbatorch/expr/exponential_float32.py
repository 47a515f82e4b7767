"""Exponentials, logarithms, hyperbolic functions and the error function, of float32, that LLVM turns into vector code.

Straight-line code: no branches, no tables, no calls out. Each function reduces its argument to a small interval and
evaluates a polynomial there by Horner's rule; the coefficients are our own weighted least-squares fits (Lawson's
iteration towards the minimax error), rounded to float32 one after another while the later ones are refitted. Argument
reductions are the textbook ones: Cody & Waite 1980; Muller, Elementary Functions, chapters 10-11.

Compile without fast-math: sums here are written in an order that carries their rounding errors.
Names that start with an underscore are steps shared by several functions.
"""

from math import inf, nan

from numpy import float32, int32

from numbatorch.expr.accuracy import accurate
from numbatorch.expr.primitives import as_float32, as_int32, copysign, fabs, fma, scaled, where

# Exponentials. A float32 plus 1.5 * 2^23 holds the nearest integer in its lowest bits: rounding and conversion in one.


def _nearest_float32(shifted):
    """The integer-valued float32 held in the low bits of `shifted` = value + 1.5 * 2^23."""
    return shifted - float32(12582912.0)


def _scale_float32(value, shifted):
    """value * 2^n for the n held in `shifted`, |n| <= 252; subnormal results round once."""
    return scaled(value, int32(as_int32(shifted) - int32(1262485504)))


def _shifted_log2_float32(x):
    """x / ln 2 rounded to an integer n and held as 1.5 * 2^23 + n."""
    return fma(x, float32(1.442695), float32(12582912.0))


def _remainder_log2_float32(x, n):
    """x - n ln 2 in two steps (Cody & Waite); the first is exact."""
    return fma(n, float32(1.9046542e-09), fma(n, float32(-0.6931472), x))


def _exp_reduced_float32(r):
    """e^r for |r| <= ln(2) / 2."""
    p = float32(0.0001974620099645108)
    p = fma(p, r, float32(0.0013935439055785537))
    p = fma(p, r, float32(0.008333563804626465))
    p = fma(p, r, float32(0.041666459292173386))
    p = fma(p, r, float32(0.1666666567325592))
    p = fma(p, r, float32(0.5))
    return fma(p, r * r, r) + float32(1.0)


@accurate(ulp=1.0, domain=(-104.0, 89.0))
def exp_float32(x):
    """e^x as 2^n e^r; largest error of all float32 arguments 0.98 ULP."""
    x = where(x > float32(89.0), float32(89.0), x)
    x = where(x < float32(-104.0), float32(-104.0), x)
    shifted = _shifted_log2_float32(x)
    r = _remainder_log2_float32(x, _nearest_float32(shifted))
    return _scale_float32(_exp_reduced_float32(r), shifted)


@accurate(ulp=0.9, domain=(-150.0, 128.0))
def exp2_float32(x):
    """2^x as 2^n 2^r with exact r; largest error 0.84 ULP."""
    x = where(x > float32(129.0), float32(129.0), x)
    x = where(x < float32(-151.0), float32(-151.0), x)
    shifted = x + float32(12582912.0)
    r = x - _nearest_float32(shifted)
    p = float32(0.00015458846)
    p = fma(p, r, float32(0.0013391324))
    p = fma(p, r, float32(0.009618072))
    p = fma(p, r, float32(0.05550359))
    p = fma(p, r, float32(0.2402265))
    p = fma(p, r, float32(0.6931472))
    return _scale_float32(fma(p, r, float32(1.0)), shifted)


@accurate(ulp=1.3, domain=(-104.0, 89.0))
def expm1_float32(x):
    """e^x - 1 as 2^n (e^r - 1) + (2^n - 1); largest error 1.28 ULP."""
    bounded = where(x > float32(89.0), float32(89.0), x)
    bounded = where(bounded < float32(-20.0), float32(-20.0), bounded)
    shifted = _shifted_log2_float32(bounded)
    n = _nearest_float32(shifted)
    r = _remainder_log2_float32(bounded, n)
    p = float32(0.00019959261)
    p = fma(p, r, float32(0.0013933379))
    p = fma(p, r, float32(0.008333191))
    p = fma(p, r, float32(0.04166648))
    p = fma(p, r, float32(0.16666667))
    p = fma(p, r, float32(0.5))
    p = fma(p, r * r, r)
    # half of 2^n, so that n = 128 does not overflow before the sum does
    scale = as_float32(int32(int32(as_int32(shifted) + int32(126)) << int32(23)))
    result = fma(p, scale, scale - float32(0.5))
    # scale - 1/2 is inexact for large scales, where p * scale - 1/2 loses nothing
    result = where(x > float32(5.0), fma(p, scale, float32(-0.5)) + scale, result)
    return where(x == float32(0.0), x, result + result)


# Logarithms. x = 2^e (1 + f) with 1 + f between sqrt(1/2) and sqrt(2).


def _normal_float32(x):
    """x, times 2^23 when it is subnormal."""
    return where(x < float32(1.1754944e-38), x * float32(8388608.0), x)


def _exponent_float32(x):
    """The e of x = 2^e m, m in [sqrt(1/2), sqrt(2)), as an int32; x positive and normal."""
    return int32(int32(as_int32(x) - int32(1060439283)) >> int32(23))


def _fraction_float32(x, exponent):
    """2^-exponent x - 1, exactly."""
    return as_float32(int32(as_int32(x) - int32(exponent << int32(23)))) - float32(1.0)


def _true_exponent_float32(x, exponent):
    """`exponent` as a float32, less the 23 that `_normal_float32` added to a subnormal x."""
    return float32(exponent) - where(x < float32(1.1754944e-38), float32(23.0), float32(0.0))


def _log1p_reduced_float32(f):
    """(log(1 + f) - f) / f^2 for 1 + f in [sqrt(1/2), sqrt(2)]."""
    p = float32(-0.0762204)
    p = fma(p, f, float32(0.12907359))
    p = fma(p, f, float32(-0.13244374))
    p = fma(p, f, float32(0.14181364))
    p = fma(p, f, float32(-0.16608827))
    p = fma(p, f, float32(0.20001996))
    p = fma(p, f, float32(-0.25001597))
    p = fma(p, f, float32(0.33333325))
    return fma(p, f, float32(-0.49999988))


def _log_limits_float32(x, result):
    """`result` with the values of a logarithm at 0, below 0, at infinity and NaN."""
    result = where(x < float32(inf), result, x)
    result = where(x == float32(0.0), float32(-inf), result)
    return where(x < float32(0.0), float32(nan), result)


@accurate(ulp=0.9, domain=(0.0, 3e38))
def log_float32(x):
    """Natural logarithm, e ln 2 + log(1 + f); largest error 0.83 ULP."""
    normal = _normal_float32(x)
    exponent = _exponent_float32(normal)
    f = _fraction_float32(normal, exponent)
    e = _true_exponent_float32(x, exponent)
    tail = fma(_log1p_reduced_float32(f), f * f, e * float32(-1.9046542e-09))
    return _log_limits_float32(x, fma(e, float32(0.6931472), f + tail))


@accurate(ulp=1.0, domain=(0.0, 3e38))
def log2_float32(x):
    """Base 2 logarithm, e + log2(1 + f); largest error 0.91 ULP."""
    normal = _normal_float32(x)
    exponent = _exponent_float32(normal)
    f = _fraction_float32(normal, exponent)
    e = _true_exponent_float32(x, exponent)
    p = float32(-0.110168286)
    p = fma(p, f, float32(0.1865372))
    p = fma(p, f, float32(-0.1911595))
    p = fma(p, f, float32(0.20454337))
    p = fma(p, f, float32(-0.239596))
    p = fma(p, f, float32(0.28857014))
    p = fma(p, f, float32(-0.36069787))
    p = fma(p, f, float32(0.4808982))
    p = fma(p, f, float32(-0.72134733))
    p = fma(p, f, float32(1.925963e-08))
    return _log_limits_float32(x, e + fma(f, float32(1.442695), p * f))


@accurate(ulp=0.9, domain=(0.0, 3e38))
def log10_float32(x):
    """Base 10 logarithm, e log10 2 + log10(1 + f); largest error 0.87 ULP."""
    normal = _normal_float32(x)
    exponent = _exponent_float32(normal)
    f = _fraction_float32(normal, exponent)
    e = _true_exponent_float32(x, exponent)
    p = float32(-0.033060834)
    p = fma(p, f, float32(0.056067333))
    p = fma(p, f, float32(-0.057544474))
    p = fma(p, f, float32(0.06158838))
    p = fma(p, f, float32(-0.07212767))
    p = fma(p, f, float32(0.08686749))
    p = fma(p, f, float32(-0.10858074))
    p = fma(p, f, float32(0.1447648))
    p = fma(p, f, float32(-0.21714719))
    p = fma(p, f, float32(-1.010305e-08))
    tail = fma(p, f, e * float32(-1.4320989e-08))
    return _log_limits_float32(x, fma(e, float32(0.30103), fma(f, float32(0.4342945), tail)))


@accurate(ulp=1.0, domain=(-1.0, 3e38))
def log1p_float32(x):
    """log(1 + x): the exponent of 1 + x, then f = 2^-e (x + 1) - 1 and its rounding error; largest error 0.92 ULP."""
    exponent = _exponent_float32(float32(1.0) + x)
    e = float32(exponent)
    # 2^(2-e) is normal for every e in [-25, 128], 2^-e is not
    scale = as_float32(int32(int32(int32(129) - exponent) << int32(23))) * float32(0.25)
    f = fma(x, scale, scale - float32(1.0))
    rest = fma(x, scale, (scale - float32(1.0)) - f)
    tail = fma(_log1p_reduced_float32(f), f * f, fma(e, float32(-1.9046542e-09), rest))
    result = fma(e, float32(0.6931472), f + tail)
    result = where(x < float32(inf), result, x)
    result = where(x == float32(0.0), x, result)
    result = where(x == float32(-1.0), float32(-inf), result)
    return where(x < float32(-1.0), float32(nan), result)


# Hyperbolic functions and the logistic function.


@accurate(ulp=1.1, domain=(-10.0, 10.0))
def tanh_float32(x):
    """Hyperbolic tangent, x + x^3 P(x^2) up to 0.8, then 1 - 2 / (e^2x + 1); largest error 1.04 ULP."""
    size = fabs(x)
    square = x * x
    p = float32(-0.00057739567)
    p = fma(p, square, float32(0.0028653967))
    p = fma(p, square, float32(-0.008520809))
    p = fma(p, square, float32(0.021777704))
    p = fma(p, square, float32(-0.053954974))
    p = fma(p, square, float32(0.13333243))
    p = fma(p, square, float32(-0.3333333))
    near = fma(p * square, size, size)
    bounded = where(size > float32(10.0), float32(10.0), size) * float32(2.0)
    shifted = _shifted_log2_float32(bounded)
    r = _remainder_log2_float32(bounded, _nearest_float32(shifted))
    scale = as_float32(int32(int32(as_int32(shifted) + int32(127)) << int32(23)))
    power = _exp_reduced_float32(r) * scale
    far = float32(1.0) - float32(2.0) / (power + float32(1.0))
    return copysign(where(size < float32(0.8), near, far), x)


@accurate(ulp=2.4, domain=(-104.0, 104.0))
def sigmoid_float32(x):
    """Logistic function 1 / (1 + e^-x), through e^-|x|; largest error 2.32 ULP."""
    power = exp_float32(-fabs(x))
    return where(x < float32(0.0), power, float32(1.0)) / (float32(1.0) + power)


def _half_exp_float32(size):
    """e^size / 2 for 0 <= size, infinite only where that is."""
    bounded = where(size > float32(91.0), float32(91.0), size)
    shifted = _shifted_log2_float32(bounded)
    r = _remainder_log2_float32(bounded, _nearest_float32(shifted))
    return _scale_float32(_exp_reduced_float32(r) * float32(0.5), shifted)


@accurate(ulp=1.6, domain=(-90.0, 90.0))
def sinh_float32(x):
    """Hyperbolic sine, x + x^3 P(x^2) up to 1, then h - 1 / 4h with h = e^|x| / 2; largest error 1.58 ULP."""
    size = fabs(x)
    square = x * x
    p = float32(2.7838921e-06)
    p = fma(p, square, float32(0.00019842638))
    p = fma(p, square, float32(0.008333311))
    p = fma(p, square, float32(0.16666667))
    near = fma(p * square, size, size)
    half = _half_exp_float32(size)
    return copysign(where(size < float32(1.0), near, half - float32(0.25) / half), x)


@accurate(ulp=1.5, domain=(-90.0, 90.0))
def cosh_float32(x):
    """Hyperbolic cosine, h + 1 / 4h with h = e^|x| / 2; largest error 1.45 ULP."""
    half = _half_exp_float32(fabs(x))
    return half + float32(0.25) / half


# The error function.


@accurate(ulp=1.7, domain=(-5.0, 5.0))
def erf_float32(x):
    """Error function, x P(x^2) up to 1.15, then 1 - Q(x)^4, which rounds to 1 from 3.93 on; largest error 1.58 ULP.

    One polynomial with two sets of coefficients: choosing them is work for other units than those that multiply.
    """
    size = fabs(x)
    near = size < float32(1.15)
    far = where(size > float32(4.0), float32(4.0), size) - float32(2.575000047683716)
    t = where(near, x * x, far)
    p = where(near, float32(-8.09467110229889e-06), float32(-0.00018312479369342327))
    p = fma(p, t, where(near, float32(0.00010650296462699771), float32(-1.5643159713363275e-05)))
    p = fma(p, t, where(near, float32(-0.0008388994028791785), float32(0.0027431061025708914)))
    p = fma(p, t, where(near, float32(0.005213734228163958), float32(-0.00547235319390893)))
    p = fma(p, t, where(near, float32(-0.026862559840083122), float32(-0.014104005880653858)))
    p = fma(p, t, where(near, float32(0.1128372922539711), float32(0.09066064655780792)))
    p = fma(p, t, where(near, float32(-0.37612634897232056), float32(-0.1762339472770691)))
    p = fma(p, t, where(near, float32(-5.8952483783514253e-08), float32(0.12829919159412384)))
    square = p * p
    return copysign(where(near, fma(size, float32(1.1283792), p * size), fma(-square, square, float32(1.0))), x)
