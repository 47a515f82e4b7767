"""Circular functions of float32 and their inverses that LLVM turns into vector code.

Angles are counted in turns modulo 1, in float64, which keeps the bits that a float32 angle needs, however large, and
gives sine and cosine one polynomial. The inverses run in float32. Conventions as in `exponential_float32`.
Argument reduction after Payne & Hanek 1983; Muller, Elementary Functions, chapter 11.
"""

from numpy import float32, float64, int64

from numbatorch.expr.accuracy import accurate
from numbatorch.expr.primitives import as_float64, as_int64, copysign, fabs, fma, rint, sqrt, where


def _turns_float32(x):
    """x / (2 pi) less a whole number of turns, within [-3, 3], as a float64; any finite float32 x (Payne & Hanek).

    1 / (2 pi) is cut into pieces of 29 bits, whose products with the 24 bits of x are exact. A piece that only adds
    whole turns vanishes by itself, the last two never reach a whole turn. The sum is good to 2^-52 turns: of all
    float32 arguments only a few, 4.4e10 and 7.7e28 in size and within 4e-9 of a zero, cost a function more than it
    states, up to 2.7 ULP.
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


def _sin_turns_float32(turns, offset):
    """sin(2 pi (turns + offset)) as a float64 to 1e-11, offset 0 or 1/4, which is added without rounding.

    The polynomial serves a quarter turn on either side of the nearest half turn; odd ones are negated.
    """
    shifted = fma(turns + offset, float64(2.0), float64(6755399441055744.0))
    r = turns - fma(shifted - float64(6755399441055744.0), float64(0.5), -offset)
    square = r * r
    p = float64(-14.38203349956723)
    p = fma(p, square, float64(42.007895084212485))
    p = fma(p, square, float64(-76.70417544976475))
    p = fma(p, square, float64(81.60522380203363))
    p = fma(p, square, float64(-41.34170209776476))
    p = fma(p, square, float64(6.283185307047701))
    return as_float64(int64(as_int64(p * r) ^ int64(as_int64(shifted) << int64(63))))


@accurate(ulp=0.6, domain=(-3e38, 3e38))
def sin_float32(x):
    """Sine of x in radians, every finite x; largest error 0.51 ULP."""
    result = float32(_sin_turns_float32(_turns_float32(x), float64(0.0)))
    return where(x == float32(0.0), x, result)


@accurate(ulp=0.6, domain=(-3e38, 3e38))
def cos_float32(x):
    """Cosine of x in radians, every finite x, as the sine a quarter turn on; largest error 0.51 ULP."""
    return float32(_sin_turns_float32(_turns_float32(x), float64(0.25)))


@accurate(ulp=0.6, domain=(-3e38, 3e38))
def tan_float32(x):
    """Tangent of x in radians, every finite x, as a quotient in float64; largest error 0.51 ULP."""
    turns = _turns_float32(x)
    # the nearest quarter turn, in the low bits of 1.5 * 2^52 + q
    shifted = fma(turns, float64(4.0), float64(6755399441055744.0))
    r = fma(shifted - float64(6755399441055744.0), float64(-0.25), turns) * float64(6.283185307179586)
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
    odd = int64(as_int64(shifted) & int64(1)) == int64(1)
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
    angle = ratio + _atan_reduced_float32(ratio)
    # the sign bit of x decides: -0 lies to the left
    side = copysign(float32(1.0), x)
    flat = where(side < float32(0.0), float32(3.1415927) - (angle + float32(8.742278e-08)), angle)
    angle = where(steep, float32(1.5707964) - fma(side, angle, float32(4.371139e-08)), flat)
    result = copysign(angle, y)
    return where(x != x, x, where(y != y, y, result))
