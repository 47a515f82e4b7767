"""float32 functions that are computed in float64, where an error of 2^-30 is cheap and rounding happens once.

Vector code as in `exponential_float32`, in half as many lanes; for functions that lose bits in float32 (powers, inverse
hyperbolic functions) or are rare enough not to need more.
"""

from math import inf, nan

from numpy import float32, float64, int64

from numbatorch.expr.accuracy import accurate
from numbatorch.expr.primitives import as_float64, as_int64, copysign, fabs, fma, rint, sqrt, where


def _log2_wide(x):
    """Base 2 logarithm of a positive normal float64 to 2^-50; -inf at 0, inf at inf.

    x = 2^e m with m between sqrt(1/2) and sqrt(2), log2 m from the odd series in (m - 1) / (m + 1).
    """
    bits = as_int64(x)
    exponent = int64((bits - int64(4604544271217802189)) >> int64(52))
    m = as_float64(int64(bits - (exponent << int64(52))))
    # an int64 becomes a float64 through the low bits of 1.5 * 2^52, for processors without the conversion
    e = as_float64(int64(exponent + int64(4843621399236968448))) - float64(6755399441055744.0)
    s = (m - float64(1.0)) / (m + float64(1.0))
    z = s * s
    p = float64(0.242934895725254)
    p = fma(p, z, float64(0.2614425885349739))
    p = fma(p, z, float64(0.32061644311898474))
    p = fma(p, z, float64(0.41219840120924545))
    p = fma(p, z, float64(0.5770780172521149))
    p = fma(p, z, float64(0.96179669392432))
    p = fma(p, z, float64(2.885390081777927))
    result = where(x < float64(inf), fma(p, s, e), x)
    return where(x == float64(0.0), float64(-inf), result)


def _exp2_wide(x):
    """2^x for float64 x to 2^-34, x cut to [-400, 400]."""
    x = where(x > float64(400.0), float64(400.0), x)
    x = where(x < float64(-400.0), float64(-400.0), x)
    shifted = x + float64(6755399441055744.0)
    r = x - (shifted - float64(6755399441055744.0))
    p = float64(1.5315290140644974e-05)
    p = fma(p, r, float64(0.00015469730756563678))
    p = fma(p, r, float64(0.0013333427769453377))
    p = fma(p, r, float64(0.00961802560753292))
    p = fma(p, r, float64(0.055504109697070536))
    p = fma(p, r, float64(0.24022651213552343))
    p = fma(p, r, float64(0.6931471805370253))
    p = fma(p, r, float64(0.9999999999595542))
    return p * as_float64(int64((as_int64(shifted) + int64(1023)) << int64(52)))


@accurate(ulp=0.6, domain=((-50.0, 50.0), (-20.0, 20.0)))
def pow_float32(x, y):
    """x^y as 2^(y log2 |x|) in float64, with IEEE 754's special cases; largest error 0.51 ULP."""
    size = fabs(float64(x))
    logarithm = _log2_wide(size)
    # |x| = 1 has the power 1 for every y, infinite ones too
    exponent = where(logarithm == float64(0.0), float64(0.0), float64(y) * logarithm)
    magnitude = float32(_exp2_wide(exponent))
    is_integer = rint(y) == y
    half = y * float32(0.5)
    is_odd = where(is_integer, rint(half) != half, False)
    result = where(is_odd, copysign(magnitude, x), magnitude)
    is_root = where(x < float32(0.0), where(x > float32(-inf), rint(y) != y, False), False)
    result = where(is_root, float32(nan), result)
    result = where(x != x, x, result)
    result = where(y != y, y, result)
    result = where(x == float32(1.0), float32(1.0), result)
    return where(y == float32(0.0), float32(1.0), result)


@accurate(ulp=0.51, domain=(-3e38, 3e38))
def asinh_float32(x):
    """Inverse hyperbolic sine, log(|x| + sqrt(x^2 + 1)) in float64; largest error 0.5 ULP."""
    size = fabs(float64(x))
    result = _log2_wide(size + sqrt(fma(size, size, float64(1.0)))) * float64(0.6931471805599453)
    # below 1e-4 the cube in the series of asinh is beyond float32
    return copysign(float32(where(size < float64(1e-4), size, result)), x)


@accurate(ulp=0.51, domain=(1.0, 3e38))
def acosh_float32(x):
    """Inverse hyperbolic cosine, log(x + sqrt((x - 1) (x + 1))) in float64; largest error 0.5 ULP."""
    wide = float64(x)
    root = sqrt((wide - float64(1.0)) * (wide + float64(1.0)))
    result = float32(_log2_wide(wide + root) * float64(0.6931471805599453))
    return where(x < float32(1.0), float32(nan), result)


@accurate(ulp=0.51, domain=(-1.0, 1.0))
def atanh_float32(x):
    """Inverse hyperbolic tangent, log((1 + |x|) / (1 - |x|)) / 2 in float64; largest error 0.5 ULP."""
    size = fabs(float64(x))
    bounded = where(size > float64(1.0), float64(1.0), size)
    result = _log2_wide((float64(1.0) + bounded) / (float64(1.0) - bounded)) * float64(0.34657359027997264)
    result = where(size < float64(1e-4), size, result)
    return copysign(float32(where(size > float64(1.0), float64(nan), result)), x)


@accurate(ulp=0.51, domain=(-3e38, 3e38))
def cbrt_float32(x):
    """Cube root, a third of the exponent, then two Halley steps in float64; largest error 0.5 ULP."""
    size = fabs(float64(x))
    high = as_float64(int64((as_int64(size) >> int64(32)) + int64(4843621399236968448))) - float64(6755399441055744.0)
    third = fma(high, float64(0.3333333333333333), float64(715094229.0))  # (682 - 0.033) 2^20, for the bias
    guess = as_float64(int64(as_int64(third + float64(6755399441055744.0)) << int64(32)))
    cube = guess * guess * guess
    guess = guess - guess * ((cube - size) / (cube + cube + size))
    cube = guess * guess * guess
    guess = guess - guess * ((cube - size) / (cube + cube + size))
    result = copysign(float32(guess), x)
    return where(fabs(x) < float32(inf), where(x == float32(0.0), x, result), x)


@accurate(ulp=0.51, domain=((-3e38, 3e38), (-3e38, 3e38)))
def hypot_float32(x, y):
    """sqrt(x^2 + y^2) in float64, infinite when either is; largest error 0.5 ULP."""
    result = float32(sqrt(fma(float64(x), float64(x), float64(y) * float64(y))))
    result = where(fabs(x) == float32(inf), float32(inf), result)
    return where(fabs(y) == float32(inf), float32(inf), result)


@accurate(ulp=0.6, domain=(-5.0, 10.5))
def erfc_float32(x):
    """1 - erf(x) as e^-x^2 P(t), t = (|x| - 4) / (|x| + 4), in float64; largest error 0.51 ULP."""
    size = fabs(float64(x))
    size = where(size > float64(11.0), float64(11.0), size)
    t = (size - float64(4.0)) / (size + float64(4.0))
    p = float64(0.00010150363502688057)
    p = fma(p, t, float64(-2.8283069767620195e-05))
    p = fma(p, t, float64(-0.0008151485612979096))
    p = fma(p, t, float64(0.0040586807123093776))
    p = fma(p, t, float64(-0.012839746542956967))
    p = fma(p, t, float64(0.03129980782990732))
    p = fma(p, t, float64(-0.06310833099511731))
    p = fma(p, t, float64(0.10896309529857989))
    p = fma(p, t, float64(-0.16425778825134835))
    p = fma(p, t, float64(0.2187196814589668))
    p = fma(p, t, float64(-0.25906804923897764))
    p = fma(p, t, float64(0.1369994576160896))
    right = p * _exp2_wide(size * size * float64(-1.4426950408889634))
    return float32(where(x < float32(0.0), float64(2.0) - right, right))
