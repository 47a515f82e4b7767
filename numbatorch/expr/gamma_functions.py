"""Logarithm of the gamma function and its derivatives, in float64 and in float32 through it, as vector code.

Small arguments are raised by the recurrence, gathered into one fraction; large ones take the asymptotic series, with
coefficients fitted for the interval; negative ones are reflected (Abramowitz & Stegun, sections 6.1, 6.3 and 6.4).
"""

from math import inf, nan

from numpy import float32, float64

from numbatorch.expr.accuracy import accurate
from numbatorch.expr.elementary_float64 import log_float64
from numbatorch.expr.primitives import fabs, fma, rint, where


def _sin_pi_float64(r):
    """sin(pi r) for |r| <= 1/2."""
    square = r * r
    p = float64(7.696645649569523e-07)
    p = fma(p, square, float64(-2.1903391373450528e-05))
    p = fma(p, square, float64(0.0004662997799273289))
    p = fma(p, square, float64(-0.007370430500198329))
    p = fma(p, square, float64(0.08214588657276765))
    p = fma(p, square, float64(-0.5992645293189572))
    p = fma(p, square, float64(2.550164039877303))
    p = fma(p, square, float64(-5.167712780049969))
    p = fma(p, square, float64(1.2246467991473532e-16))
    return fma(r, float64(3.141592653589793), p * r)


@accurate(ulp=1.0, domain=(-1e6, 3e38))
def lgamma_float32(x):
    """log |gamma(x)| in float64: Stirling's series from 8 on, log(pi / |sin pi x|) - lgamma(1 - x) below 0.

    Largest error 0.6 ULP; close to its zeros on the negative axis the error is 1e-14, whatever the size.
    """
    wide = float64(x)
    negative = wide < float64(0.0)
    y = where(negative, float64(1.0) - wide, wide)
    small = y < float64(8.0)
    base = where(small, y, float64(1.0))
    product = base
    product = product * (base + float64(1.0))
    product = product * (base + float64(2.0))
    product = product * (base + float64(3.0))
    product = product * (base + float64(4.0))
    product = product * (base + float64(5.0))
    product = product * (base + float64(6.0))
    product = product * (base + float64(7.0))
    z = where(small, y + float64(8.0), y)
    inverse = float64(1.0) / z
    square = inverse * inverse
    p = float64(-0.0016334203404758042)
    p = fma(p, square, float64(0.0008364580893910123))
    p = fma(p, square, float64(-0.0005951896751655163))
    p = fma(p, square, float64(0.0007936505764096376))
    p = fma(p, square, float64(-0.0027777777773581192))
    p = fma(p, square, float64(0.0833333333333331))
    # log z - 1 comes first: infinity minus infinity must not arise
    result = fma(z - float64(0.5), log_float64(z) - float64(1.0), fma(p, inverse, float64(0.4189385332046727)))
    result = result - where(small, log_float64(product), float64(0.0))
    turn = where(negative, wide - rint(wide), float64(0.5))
    mirrored = -log_float64(fabs(_sin_pi_float64(turn)) * float64(0.3183098861837907)) - result
    result = float32(where(negative, mirrored, result))
    result = where((wide - float64(1.0)) * (wide - float64(2.0)) == float64(0.0), float32(0.0), result)
    return where(fabs(x) == float32(inf), float32(inf), result)


@accurate(ulp=7.0, domain=(-20.0, 1e308), unit=1.0)
def digamma_float64(x):
    """Derivative of log gamma(x): asymptotic series from 7 on, psi(1 - x) - pi / tan(pi x) below 0.

    Largest error 5.6 ULP of at least 1; NaN at negative integers, -inf at 0 and inf at -0.
    """
    negative = x < float64(0.0)
    y = where(negative, float64(1.0) - x, x)
    small = y < float64(7.0)
    base = where(small, y, float64(1.0))
    numerator = float64(1.0)
    product = base
    factor = base + float64(1.0)
    numerator = fma(numerator, factor, product)
    product = product * factor
    factor = base + float64(2.0)
    numerator = fma(numerator, factor, product)
    product = product * factor
    factor = base + float64(3.0)
    numerator = fma(numerator, factor, product)
    product = product * factor
    factor = base + float64(4.0)
    numerator = fma(numerator, factor, product)
    product = product * factor
    factor = base + float64(5.0)
    numerator = fma(numerator, factor, product)
    product = product * factor
    factor = base + float64(6.0)
    numerator = fma(numerator, factor, product)
    product = product * factor
    z = where(small, y + float64(7.0), y)
    inverse = float64(1.0) / z
    square = inverse * inverse
    p = float64(-0.2550130342857602)
    p = fma(p, square, float64(0.07714684634240866))
    p = fma(p, square, float64(-0.02097548588926516))
    p = fma(p, square, float64(0.007574430039232064))
    p = fma(p, square, float64(-0.00416665778997275))
    p = fma(p, square, float64(0.00396825393516417))
    p = fma(p, square, float64(-0.0083333333332734))
    p = fma(p, square, float64(0.0833333333333333))
    result = log_float64(z) - fma(inverse, float64(0.5), p * square)
    result = result - where(small, numerator / product, float64(0.0))
    turn = where(negative, x - rint(x), float64(0.5))
    cosine = _sin_pi_float64(float64(0.5) - fabs(turn))
    mirrored = result - float64(3.141592653589793) * cosine / _sin_pi_float64(turn)
    mirrored = where(turn == float64(0.0), float64(nan), mirrored)
    return where(negative, mirrored, result)


@accurate(ulp=0.6, domain=(-20.0, 3e38), unit=0.01)
def digamma_float32(x):
    """Derivative of log gamma(x), by way of float64; largest error 0.51 ULP of at least 0.01."""
    return float32(digamma_float64(float64(x)))


@accurate(ulp=4.5, domain=(-20.0, 1e150))
def trigamma_float64(x):
    """Second derivative of log gamma(x): asymptotic series from 7 on, (pi / sin pi x)^2 - trigamma(1 - x) below 0.

    Largest error 3.3 ULP; infinite at 0 and at negative integers.
    """
    negative = x < float64(0.0)
    y = where(negative, float64(1.0) - x, x)
    small = y < float64(7.0)
    base = where(small, y, float64(1.0))
    numerator = float64(0.0)
    product = float64(1.0)
    factor = (base + float64(1.0)) * (base + float64(1.0))
    numerator = fma(numerator, factor, product)
    product = product * factor
    factor = (base + float64(2.0)) * (base + float64(2.0))
    numerator = fma(numerator, factor, product)
    product = product * factor
    factor = (base + float64(3.0)) * (base + float64(3.0))
    numerator = fma(numerator, factor, product)
    product = product * factor
    factor = (base + float64(4.0)) * (base + float64(4.0))
    numerator = fma(numerator, factor, product)
    product = product * factor
    factor = (base + float64(5.0)) * (base + float64(5.0))
    numerator = fma(numerator, factor, product)
    product = product * factor
    factor = (base + float64(6.0)) * (base + float64(6.0))
    numerator = fma(numerator, factor, product)
    product = product * factor
    z = where(small, y + float64(7.0), y)
    inverse = float64(1.0) / z
    square = inverse * inverse
    p = float64(-3.828951347433622)
    p = fma(p, square, float64(1.0610497771128042))
    p = fma(p, square, float64(-0.25112627195318227))
    p = fma(p, square, float64(0.07573519090429867))
    p = fma(p, square, float64(-0.03333318412359938))
    p = fma(p, square, float64(0.02380952325460674))
    p = fma(p, square, float64(-0.033333333332330135))
    p = fma(p, square, float64(0.16666666666666605))
    result = fma(square, fma(p, inverse, float64(0.5)), inverse)
    first = float64(1.0) / base
    result = result + where(small, fma(first, first, numerator / product), float64(0.0))
    turn = where(negative, x - rint(x), float64(0.5))
    slope = float64(3.141592653589793) / _sin_pi_float64(turn)
    return where(negative, fma(slope, slope, -result), result)


@accurate(ulp=0.6, domain=(-20.0, 3e38))
def trigamma_float32(x):
    """Second derivative of log gamma(x), by way of float64; largest error 0.51 ULP."""
    return float32(trigamma_float64(float64(x)))
