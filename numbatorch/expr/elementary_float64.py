"""Exponentials, logarithms and their relatives in float64, as vector code; the float64 twin of `exponential_float32`.

The same reductions, with longer polynomials; what is not here the C library computes well, one element at a time.
"""

from math import inf, nan

from numpy import float64, int64

from numbatorch.expr.accuracy import accurate
from numbatorch.expr.primitives import as_float64, as_int64, copysign, fabs, fma, where

# Exponentials. A float64 plus 1.5 * 2^52 holds the nearest integer in its lowest bits.


def _scale_float64(value, shifted):
    """value * 2^n for the n held in `shifted`, |n| <= 2044, in two steps: subnormal results round once."""
    n = int64(as_int64(shifted) - int64(4843621399236968448))
    half = int64(n >> int64(1))
    rest = int64(n - half)
    first = as_float64(int64((half + int64(1023)) << int64(52)))
    second = as_float64(int64((rest + int64(1023)) << int64(52)))
    return value * first * second


def _remainder_log2_float64(x, n):
    """x - n ln 2 in two steps (Cody & Waite)."""
    return fma(n, float64(-2.3190468138462996e-17), fma(n, float64(-0.6931471805599453), x))


def _exp_reduced_float64(r):
    """e^r for |r| <= ln(2) / 2."""
    p = float64(2.082683871734801e-09)
    p = fma(p, r, float64(2.511210361265417e-08))
    p = fma(p, r, float64(2.7557581571929974e-07))
    p = fma(p, r, float64(2.755723466357377e-06))
    p = fma(p, r, float64(2.4801586926226508e-05))
    p = fma(p, r, float64(0.0001984126989659319))
    p = fma(p, r, float64(0.0013888888889116524))
    p = fma(p, r, float64(0.008333333333316942))
    p = fma(p, r, float64(0.04166666666666609))
    p = fma(p, r, float64(0.16666666666666682))
    p = fma(p, r, float64(0.5))
    return fma(p, r * r, r) + float64(1.0)


@accurate(ulp=1.0, domain=(-745.0, 709.0))
def exp_float64(x):
    """e^x as 2^n e^r; largest error 0.97 ULP."""
    x = where(x > float64(710.0), float64(710.0), x)
    x = where(x < float64(-746.0), float64(-746.0), x)
    shifted = fma(x, float64(1.4426950408889634), float64(6755399441055744.0))
    r = _remainder_log2_float64(x, shifted - float64(6755399441055744.0))
    return _scale_float64(_exp_reduced_float64(r), shifted)


@accurate(ulp=0.9, domain=(-1074.0, 1023.0))
def exp2_float64(x):
    """2^x as 2^n 2^r with exact r; largest error 0.87 ULP."""
    x = where(x > float64(1025.0), float64(1025.0), x)
    x = where(x < float64(-1080.0), float64(-1080.0), x)
    shifted = x + float64(6755399441055744.0)
    r = x - (shifted - float64(6755399441055744.0))
    p = float64(1.3721358681100279e-12)
    p = fma(p, r, float64(2.5737073577548183e-11))
    p = fma(p, r, float64(4.445526949398821e-10))
    p = fma(p, r, float64(7.054891800364958e-09))
    p = fma(p, r, float64(1.0178086030843385e-07))
    p = fma(p, r, float64(1.3215486823099973e-06))
    p = fma(p, r, float64(1.525273380403831e-05))
    p = fma(p, r, float64(0.000154035303933539))
    p = fma(p, r, float64(0.0013333558146428454))
    p = fma(p, r, float64(0.009618129107628487))
    p = fma(p, r, float64(0.05550410866482158))
    p = fma(p, r, float64(0.24022650695910072))
    p = fma(p, r, float64(0.6931471805599453))
    return _scale_float64(fma(p, r, float64(1.0)), shifted)


@accurate(ulp=1.9, domain=(-745.0, 709.0))
def expm1_float64(x):
    """e^x - 1 as 2^n (e^r - 1) + (2^n - 1); largest error 1.8 ULP."""
    bounded = where(x > float64(710.0), float64(710.0), x)
    bounded = where(bounded < float64(-40.0), float64(-40.0), bounded)
    shifted = fma(bounded, float64(1.4426950408889634), float64(6755399441055744.0))
    r = _remainder_log2_float64(bounded, shifted - float64(6755399441055744.0))
    p = float64(1.6092371365890996e-10)
    p = fma(p, r, float64(2.0919750741463018e-09))
    p = fma(p, r, float64(2.5052051566647543e-08))
    p = fma(p, r, float64(2.7557258388272535e-07))
    p = fma(p, r, float64(2.7557319271596158e-06))
    p = fma(p, r, float64(2.4801587341571942e-05))
    p = fma(p, r, float64(0.00019841269841249773))
    p = fma(p, r, float64(0.001388888888887698))
    p = fma(p, r, float64(0.008333333333333337))
    p = fma(p, r, float64(0.04166666666666668))
    p = fma(p, r, float64(0.16666666666666666))
    p = fma(p, r, float64(0.5))
    p = fma(p, r * r, r)
    # half of 2^n, so that n = 1024 does not overflow before the sum does
    scale = as_float64(int64((as_int64(shifted) + int64(1022)) << int64(52)))
    result = fma(p, scale, scale - float64(0.5))
    # scale - 1/2 is inexact for large scales, where p * scale - 1/2 loses nothing
    result = where(x > float64(5.0), fma(p, scale, float64(-0.5)) + scale, result)
    return where(x == float64(0.0), x, result + result)


# Logarithms. x = 2^e (1 + f) with 1 + f between sqrt(1/2) and sqrt(2).


def _normal_float64(x):
    """x, times 2^52 when it is subnormal."""
    return where(x < float64(2.2250738585072014e-308), x * float64(4503599627370496.0), x)


def _exponent_float64(x):
    """The e of x = 2^e m, m in [sqrt(1/2), sqrt(2)), as an int64; x positive and normal."""
    return int64((as_int64(x) - int64(4604544271217802189)) >> int64(52))


def _fraction_float64(x, exponent):
    """2^-exponent x - 1, exactly."""
    return as_float64(int64(as_int64(x) - int64(exponent << int64(52)))) - float64(1.0)


def _float_float64(n):
    """An int64 of less than 2^51 as a float64, for processors without the conversion."""
    return as_float64(int64(n + int64(4843621399236968448))) - float64(6755399441055744.0)


def _true_exponent_float64(x, exponent):
    """`exponent` as a float64, less the 52 that `_normal_float64` added to a subnormal x."""
    return _float_float64(exponent) - where(x < float64(2.2250738585072014e-308), float64(52.0), float64(0.0))


def _log1p_rest_float64(f):
    """f - log(1 + f) = s (f - R(s^2)) with s = f / (2 + f), for 1 + f in [sqrt(1/2), sqrt(2)]."""
    s = f / (float64(2.0) + f)
    z = s * s
    p = float64(0.13251480996030593)
    p = fma(p, z, float64(0.13250096783560922))
    p = fma(p, z, float64(0.1538709196863554))
    p = fma(p, z, float64(0.18181775629802563))
    p = fma(p, z, float64(0.2222222264738075))
    p = fma(p, z, float64(0.28571428569080703))
    p = fma(p, z, float64(0.4000000000000627))
    p = fma(p, z, float64(0.6666666666666666))
    return s * fma(-z, p, f)


def _log_limits_float64(x, result):
    """`result` with the values of a logarithm at 0, below 0, at infinity and NaN."""
    result = where(x < float64(inf), result, x)
    result = where(x == float64(0.0), float64(-inf), result)
    return where(x < float64(0.0), float64(nan), result)


@accurate(ulp=0.9, domain=(0.0, 1e308))
def log_float64(x):
    """Natural logarithm, e ln 2 + log(1 + f); largest error 0.81 ULP."""
    normal = _normal_float64(x)
    exponent = _exponent_float64(normal)
    f = _fraction_float64(normal, exponent)
    e = _true_exponent_float64(x, exponent)
    tail = fma(e, float64(2.3190468138462996e-17), -_log1p_rest_float64(f))
    return _log_limits_float64(x, fma(e, float64(0.6931471805599453), f + tail))


@accurate(ulp=1.0, domain=(0.0, 1e308))
def log2_float64(x):
    """Base 2 logarithm, e + log(1 + f) / ln 2; largest error 0.99 ULP."""
    normal = _normal_float64(x)
    exponent = _exponent_float64(normal)
    f = _fraction_float64(normal, exponent)
    e = _true_exponent_float64(x, exponent)
    rest = _log1p_rest_float64(f)
    tail = fma(f, float64(2.0355273740931033e-17), -rest * float64(1.4426950408889634))
    return _log_limits_float64(x, e + fma(f, float64(1.4426950408889634), tail))


@accurate(ulp=1.0, domain=(0.0, 1e308))
def log10_float64(x):
    """Base 10 logarithm, e log10 2 + log(1 + f) / ln 10; largest error 0.94 ULP."""
    normal = _normal_float64(x)
    exponent = _exponent_float64(normal)
    f = _fraction_float64(normal, exponent)
    e = _true_exponent_float64(x, exponent)
    rest = _log1p_rest_float64(f)
    tail = fma(f, float64(1.098319650216765e-17), -rest * float64(0.4342944819032518))
    tail = fma(e, float64(-2.8037281277851704e-18), tail)
    return _log_limits_float64(x, fma(e, float64(0.3010299956639812), fma(f, float64(0.4342944819032518), tail)))


@accurate(ulp=1.0, domain=(-1.0, 1e308))
def log1p_float64(x):
    """log(1 + x): the exponent of 1 + x, then f = 2^-e (x + 1) - 1 and its rounding error; largest error 0.92 ULP."""
    exponent = _exponent_float64(float64(1.0) + x)
    e = _float_float64(exponent)
    # 2^(2-e) is normal for every e in [-54, 1024], 2^-e is not
    scale = as_float64(int64((int64(1025) - exponent) << int64(52))) * float64(0.25)
    f = fma(x, scale, scale - float64(1.0))
    rest = fma(x, scale, (scale - float64(1.0)) - f)
    tail = fma(e, float64(2.3190468138462996e-17), rest) - _log1p_rest_float64(f)
    result = fma(e, float64(0.6931471805599453), f + tail)
    result = where(x < float64(inf), result, x)
    result = where(x == float64(0.0), x, result)
    result = where(x == float64(-1.0), float64(-inf), result)
    return where(x < float64(-1.0), float64(nan), result)


# Hyperbolic tangent, logistic function, cube root.


@accurate(ulp=2.5, domain=(-20.0, 20.0))
def tanh_float64(x):
    """Hyperbolic tangent, d / (d + 2) with d = e^2|x| - 1; largest error 2.5 ULP."""
    size = fabs(x)
    excess = expm1_float64(where(size > float64(20.0), float64(20.0), size) * float64(2.0))
    return copysign(excess / (excess + float64(2.0)), x)


@accurate(ulp=2.4, domain=(-745.0, 745.0))
def sigmoid_float64(x):
    """Logistic function 1 / (1 + e^-x), through e^-|x|; largest error 2.3 ULP."""
    power = exp_float64(-fabs(x))
    return where(x < float64(0.0), power, float64(1.0)) / (float64(1.0) + power)


@accurate(ulp=0.51, domain=(-1e308, 1e308))
def cbrt_float64(x):
    """Cube root: a third of the exponent, two Halley steps, one Newton step on the exact residual; error 0.5 ULP."""
    size = fabs(x)
    tiny = size < float64(1e-300)
    huge = size > float64(1e300)
    size = size * where(tiny, float64(18014398509481984.0), where(huge, float64(5.551115123125783e-17), float64(1.0)))
    # a third of the upper half of the bits is a first guess within 4 %; (682 - 0.033) 2^20 makes up for the bias
    third = fma(_float_float64(int64(as_int64(size) >> int64(32))), float64(0.3333333333333333), float64(715094229.0))
    guess = as_float64(int64(as_int64(third + float64(6755399441055744.0)) << int64(32)))
    cube = guess * guess * guess
    guess = guess - guess * ((cube - size) / (cube + cube + size))
    cube = guess * guess * guess
    guess = guess - guess * ((cube - size) / (cube + cube + size))
    square = guess * guess
    residual = fma(square, guess, -size) + fma(guess, guess, -square) * guess
    root = guess - residual / (float64(3.0) * square)
    root = root * where(tiny, float64(3.814697265625e-06), where(huge, float64(262144.0), float64(1.0)))
    return where(fabs(x) < float64(inf), where(x == float64(0.0), x, copysign(root, x)), x)
