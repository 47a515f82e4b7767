"""Circular functions of float32 and their inverses that LLVM turns into vector code.

Angles are counted in turns modulo 1, in float64, which keeps every bit that a float32 angle needs, however large; the
polynomials after that run in float32. Conventions as in `exponential_float32`.
Argument reduction after Payne & Hanek 1983; Muller, Elementary Functions, chapter 11.
"""

from numpy import float32, float64, int32

from numbatorch.expr.accuracy import accurate
from numbatorch.expr.exponential_float32 import _nearest_float32
from numbatorch.expr.primitives import as_float32, as_int32, copysign, fabs, fma, rint, sqrt, where


def _turns_float32(x):
    """x / (2 pi) less a whole number of turns, within [-3, 3], as a float64; any finite float32 x (Payne & Hanek).

    1 / (2 pi) is cut into pieces of 29 bits, whose products with the 24 bits of x are exact. A piece that only adds
    whole turns vanishes by itself, the last two never reach a whole turn.
    """
    x = float64(x)
    first = x * float64(0.15915494272485375)
    second = x * float64(3.6704158115630214e-10)
    third = x * float64(5.690025167992954e-19)
    fourth = x * float64(1.4703036846932608e-27)
    fifth = x * float64(2.5867171752090537e-36)
    large = (first - rint(first)) + (second - rint(second))
    small = (third - rint(third)) + (fourth - rint(fourth))
    rest = fma(x, float64(9.458140877728297e-46), fifth - rint(fifth))
    return large + (small + fma(x, float64(9.30118721574127e-54), rest))


def _quarter_float32(turns):
    """The nearest quarter turn, an integer in [-12, 12], held as 1.5 * 2^23 + q in a float32."""
    return float32(turns) * float32(4.0) + float32(12582912.0)


def _angle_float32(turns, shifted):
    """The angle in radians from the quarter turn held in `shifted`, in [-pi/4, pi/4], as a float64."""
    quarter = float64(_nearest_float32(shifted))
    return fma(quarter, float64(-0.25), turns) * float64(6.283185307179586)


def _sin_reduced_float32(r, rest, square):
    """sin(r + rest) for |r| <= pi / 4 and a rest below the last place of r."""
    p = float32(2.8332247e-06)
    p = fma(p, square, float32(-0.00019853102))
    p = fma(p, square, float32(0.008333379))
    p = fma(p, square, float32(-0.16666667))
    return r + fma(p * square, r, rest)


def _cos_reduced_float32(square):
    """cos r for |r| <= pi / 4."""
    p = float32(2.4432416e-05)
    p = fma(p, square, float32(-0.001388731))
    p = fma(p, square, float32(0.041666646))
    p = fma(p, square, float32(-0.5))
    return fma(p, square, float32(1.0))


def _flip_float32(value, bit):
    """value, negated where the lowest-but-one bit of `bit` is set."""
    return as_float32(int32(as_int32(value) ^ int32(int32(bit & int32(2)) << int32(30))))


@accurate(ulp=0.9, domain=(-3e38, 3e38))
def sin_float32(x):
    """Sine of x in radians, every finite x; largest error 0.88 ULP."""
    turns = _turns_float32(x)
    shifted = _quarter_float32(turns)
    quarter = as_int32(shifted)
    angle = _angle_float32(turns, shifted)
    r = float32(angle)
    rest = float32(angle - float64(r))
    square = float32(angle * angle)
    odd = int32(quarter & int32(1)) == int32(1)
    result = where(odd, _cos_reduced_float32(square), _sin_reduced_float32(r, rest, square))
    return where(x == float32(0.0), x, _flip_float32(result, quarter))


@accurate(ulp=0.9, domain=(-3e38, 3e38))
def cos_float32(x):
    """Cosine of x in radians, every finite x; largest error 0.87 ULP."""
    turns = _turns_float32(x)
    shifted = _quarter_float32(turns)
    quarter = as_int32(shifted)
    angle = _angle_float32(turns, shifted)
    r = float32(angle)
    rest = float32(angle - float64(r))
    square = float32(angle * angle)
    odd = int32(quarter & int32(1)) == int32(1)
    result = where(odd, _sin_reduced_float32(r, rest, square), _cos_reduced_float32(square))
    return _flip_float32(result, int32(quarter + int32(1)))


@accurate(ulp=0.6, domain=(-3e38, 3e38))
def tan_float32(x):
    """Tangent of x in radians, every finite x, as a quotient in float64; largest error 0.51 ULP."""
    turns = _turns_float32(x)
    shifted = _quarter_float32(turns)
    r = _angle_float32(turns, shifted)
    square = r * r
    p = float64(2.717294091874456e-06)
    p = fma(p, square, float64(-0.00019839196744613903))
    p = fma(p, square, float64(0.008333328764844281))
    p = fma(p, square, float64(-0.16666666631416666))
    p = fma(p, square, float64(0.9999999999956477))
    sine = p * r
    q = float64(2.437927886349214e-05)
    q = fma(q, square, float64(-0.0013886612169662776))
    q = fma(q, square, float64(0.04166661650579531))
    q = fma(q, square, float64(-0.4999999961302369))
    q = fma(q, square, float64(0.9999999999522267))
    odd = int32(as_int32(shifted) & int32(1)) == int32(1)
    result = where(odd, -q, sine) / where(odd, sine, q)
    return where(x == float32(0.0), x, float32(result))


# Inverse functions.


def _asin_reduced_float32(x, square):
    """asin x - x for |x| <= 1/2."""
    p = float32(0.04223606)
    p = fma(p, square, float32(0.024135547))
    p = fma(p, square, float32(0.045480028))
    p = fma(p, square, float32(0.07495212))
    p = fma(p, square, float32(0.16666755))
    return p * square * x


@accurate(ulp=1.7, domain=(-1.0, 1.0))
def asin_float32(x):
    """Arc sine; beyond 1/2 as pi/2 - 2 asin(sqrt((1 - |x|) / 2)); largest error 1.67 ULP."""
    size = fabs(x)
    near = size < float32(0.5)
    square = where(near, x * x, fma(size, float32(-0.5), float32(0.5)))
    base = where(near, size, sqrt(square))
    rest = _asin_reduced_float32(base, square)
    far = float32(1.5707964) - (base + base + fma(rest, float32(2.0), float32(4.371139e-08)))
    return copysign(where(near, base + rest, far), x)


@accurate(ulp=1.2, domain=(-1.0, 1.0))
def acos_float32(x):
    """Arc cosine: pi/2 - asin x, 2 asin(sqrt((1 - x) / 2)) above 1/2, pi less that below -1/2; error 1.14 ULP."""
    size = fabs(x)
    near = size < float32(0.5)
    square = where(near, x * x, fma(size, float32(-0.5), float32(0.5)))
    base = where(near, x, sqrt(square))
    rest = _asin_reduced_float32(base, square)
    middle = float32(1.5707964) - (base + (rest + float32(4.371139e-08)))
    twice = base + base
    right = fma(rest, float32(2.0), twice)
    left = float32(3.1415927) - (twice + fma(rest, float32(2.0), float32(8.742278e-08)))
    return where(near, middle, where(x < float32(0.0), left, right))


def _atan_reduced_float32(x):
    """atan x - x for 0 <= x <= 1."""
    square = x * x
    p = float32(-0.0017902242)
    p = fma(p, square, float32(0.010899066))
    p = fma(p, square, float32(-0.03114813))
    p = fma(p, square, float32(0.05792681))
    p = fma(p, square, float32(-0.0840158))
    p = fma(p, square, float32(0.10951512))
    p = fma(p, square, float32(-0.14264104))
    p = fma(p, square, float32(0.19998534))
    p = fma(p, square, float32(-0.333333))
    return p * square * x


@accurate(ulp=1.2, domain=(-1e6, 1e6))
def atan_float32(x):
    """Arc tangent; beyond 1 as pi/2 - atan(1 / |x|); largest error 1.13 ULP."""
    size = fabs(x)
    base = where(size > float32(1.0), float32(1.0) / size, size)
    rest = _atan_reduced_float32(base)
    far = float32(1.5707964) - (base + (rest + float32(4.371139e-08)))
    return copysign(where(size > float32(1.0), far, base + rest), x)


@accurate(ulp=1.7, domain=((-1e6, 1e6), (-1e6, 1e6)))
def atan2_float32(y, x):
    """Angle of the point (x, y), as atan of the smaller coordinate over the larger; largest error 1.51 ULP."""
    height = fabs(y)
    width = fabs(x)
    steep = height > width
    small = where(steep, width, height)
    large = where(steep, height, width)
    ratio = small / large
    ratio = where(small == large, where(large == float32(0.0), float32(0.0), float32(1.0)), ratio)
    rest = _atan_reduced_float32(ratio)
    angle = where(steep, float32(1.5707964) - (ratio + (rest + float32(4.371139e-08))), ratio + rest)
    # the sign bit of x decides: -0 lies to the left
    left = copysign(float32(1.0), x) < float32(0.0)
    angle = where(left, float32(3.1415927) - (angle + float32(8.742278e-08)), angle)
    result = copysign(angle, y)
    return where(x != x, x, where(y != y, y, result))
