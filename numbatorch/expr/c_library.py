"""float64 functions that the CPU takes from the C library, for devices that have none; `fmod` and `nextafter` besides.

Written over `primitives` like the functions of `mathematics`, but for one element at a time: rare arguments may branch.
FUNCTIONS lists them by their names in C. Errors are a few units in the last place: see tests/cuda/test_library.py.
"""

from math import inf, nan

from numpy import float32, float64, int32, int64, uint64

from numbatorch.expr.elementary_float64 import (
    cbrt_float64,
    exp2_float64,
    exp_float64,
    expm1_float64,
    log1p_float64,
    log2_float64,
    log10_float64,
    log_float64,
    tanh_float64,
)
from numbatorch.expr.error_functions import erf_float64, erfc_float64
from numbatorch.expr.primitives import as_float32, as_float64, as_int32, as_int64, copysign, fabs, fma, rint, sqrt
from numbatorch.expr.two_over_pi import two_over_pi

# Sine and cosine: the argument less a multiple n of pi/2, then a Taylor polynomial, whose next term is below 2^-63.


def _reduced(x):
    """(n mod 4, x - n pi/2 as a sum of two) for finite x; three parts of pi/2 (Cody & Waite), or all of its bits."""
    if fabs(x) > 100000.0:
        return _reduced_far(x)
    n = rint(x * 0.6366197723675814)
    first = fma(n, -1.5707963267341256, x)  # 33 bits a part: products with n are exact
    second = n * 6.077100506303966e-11
    high = first - second
    low = (first - high) - second
    low = fma(n, -2.0222662487959506e-21, low)
    total = high + low
    return int64(n) & 3, total, (high - total) + low


def _reduced_far(x):
    """The same for large x, by the bits of 2/pi that matter: Payne & Hanek 1983.

    x = m 2^e. Of the product with 2/pi only its value modulo 4 is wanted, so words of 2/pi above and far below that are
    left out: the integer m times seven words, modulo 2^224, is the fraction of x / (2 pi).
    """
    bits = as_int64(fabs(x))
    exponent = (bits >> 52) - 1077  # of 4 rather than of 1
    word, shift = exponent >> 5, exponent & 31
    mantissa = (bits & 4503599627370495) | 4503599627370496
    mask = 4294967295
    low = (mantissa & mask) << shift
    middle = ((mantissa >> 32) << shift) + ((low >> 32) & mask)
    a0, a1, a2 = uint64(low & mask), uint64(middle & mask), uint64((middle >> 32) & mask)
    w0, w1, w2, w3 = two_over_pi(word + 6), two_over_pi(word + 5), two_over_pi(word + 4), two_over_pi(word + 3)
    w4, w5, w6 = two_over_pi(word + 2), two_over_pi(word + 1), two_over_pi(word)
    zero = uint64(0)
    _, carry = _column(a0, w0, a1, zero, a2, zero, zero)
    _, carry = _column(a0, w1, a1, w0, a2, zero, carry)
    _, carry = _column(a0, w2, a1, w1, a2, w0, carry)
    c3, carry = _column(a0, w3, a1, w2, a2, w1, carry)
    c4, carry = _column(a0, w4, a1, w3, a2, w2, carry)
    c5, carry = _column(a0, w5, a1, w4, a2, w3, carry)
    c6, carry = _column(a0, w6, a1, w5, a2, w4, carry)
    top = uint64(c6 << uint64(32)) | c5
    rest = uint64(c4 << uint64(32)) | c3
    n = uint64(top + uint64(2305843009213693952)) >> uint64(62)
    signed = int64(uint64(top - uint64(n << uint64(62))))
    sign = 1.0
    if signed < 0:  # the fraction of a small difference from a multiple is all ones otherwise
        rest = uint64(~rest + uint64(1))
        signed = -signed if rest == uint64(0) else -signed - 1
        sign = -1.0
    turn = float64(signed) * 5.421010862427522e-20 + float64(rest) * 2.938735877055719e-39
    high = turn * 6.283185307179586
    low_part = fma(turn, 6.283185307179586, -high) + turn * 2.4492935982947064e-16
    high, low_part = sign * high, sign * low_part
    quarter = int64(n)
    if x < 0.0:
        return (4 - quarter) & 3, -high, -low_part
    return quarter, high, low_part


def _column(a, u, b, v, c, w, carry):
    """The low 32 bits of a u + b v + c w + carry, and what is carried on."""
    mask, half = uint64(4294967295), uint64(32)
    p, q, r = uint64(a * u), uint64(b * v), uint64(c * w)
    low = uint64(carry + (p & mask) + (q & mask) + (r & mask))
    return low & mask, uint64((low >> half) + (p >> half) + (q >> half) + (r >> half))


def _sine(r, low):
    """sin(r + low) for |r| <= pi/4."""
    z = r * r
    p = 2.8114572543455206e-15
    p = fma(p, z, -7.647163731819816e-13)
    p = fma(p, z, 1.6059043836821613e-10)
    p = fma(p, z, -2.505210838544172e-08)
    p = fma(p, z, 2.7557319223985893e-06)
    p = fma(p, z, -0.0001984126984126984)
    p = fma(p, z, 0.008333333333333333)
    p = fma(p, z, -0.16666666666666666)
    return r + fma(p * z, r, low * (1.0 - 0.5 * z))


def _cosine(r, low):
    """cos(r + low) for |r| <= pi/4."""
    z = r * r
    p = -1.5619206968586225e-16
    p = fma(p, z, 4.779477332387385e-14)
    p = fma(p, z, -1.1470745597729725e-11)
    p = fma(p, z, 2.08767569878681e-09)
    p = fma(p, z, -2.755731922398589e-07)
    p = fma(p, z, 2.48015873015873e-05)
    p = fma(p, z, -0.001388888888888889)
    p = fma(p, z, 0.041666666666666664)
    half = 0.5 * z
    one = 1.0 - half
    return one + (((1.0 - one) - half) + fma(p, z * z, -r * low))


def sin(x):
    """Sine."""
    if not fabs(x) < inf:
        return float64(nan)
    if fabs(x) < 1e-8:
        return x
    n, r, low = _reduced(x)
    value = _cosine(r, low) if n & 1 else _sine(r, low)
    return -value if n & 2 else value


def cos(x):
    """Cosine."""
    if not fabs(x) < inf:
        return float64(nan)
    n, r, low = _reduced(x)
    value = _sine(r, low) if n & 1 else _cosine(r, low)
    return -value if (n + 1) & 2 else value


def tan(x):
    """Tangent."""
    if not fabs(x) < inf:
        return float64(nan)
    if fabs(x) < 1e-8:
        return x
    n, r, low = _reduced(x)
    s, c = _sine(r, low), _cosine(r, low)
    return -c / s if n & 1 else s / c


# Inverse functions.


def atan(x):
    """Arc tangent: x becomes at most 1, then at most tan(pi/12); the series there."""
    size = fabs(x)
    base, t = 0.0, size
    if size > 1.0:
        t = 1.0 / size
    if t > 0.2679491924311227:
        t = (t * 1.7320508075688772 - 1.0) / (t + 1.7320508075688772)
        base = 0.5235987755982989
    z = t * t
    p = 0.034482758620689655
    p = fma(p, z, -0.037037037037037035)
    p = fma(p, z, 0.04)
    p = fma(p, z, -0.043478260869565216)
    p = fma(p, z, 0.047619047619047616)
    p = fma(p, z, -0.05263157894736842)
    p = fma(p, z, 0.058823529411764705)
    p = fma(p, z, -0.06666666666666667)
    p = fma(p, z, 0.07692307692307693)
    p = fma(p, z, -0.09090909090909091)
    p = fma(p, z, 0.1111111111111111)
    p = fma(p, z, -0.14285714285714285)
    p = fma(p, z, 0.2)
    p = fma(p, z, -0.3333333333333333)
    value = base + fma(p * z, t, t)
    if size > 1.0:
        value = 1.5707963267948966 - (value - 6.123233995736766e-17)
    return copysign(value, x)


def atan2(y, x):
    """The angle of the point (x, y)."""
    if x != x or y != y:
        return x + y
    a, b = fabs(y), fabs(x)
    if a == b and (a == inf or a == 0.0):
        angle = 0.7853981633974483 if a == inf else 0.0
    else:
        angle = atan(a / b) if b >= a else 1.5707963267948966 - (atan(b / a) - 6.123233995736766e-17)
    if copysign(1.0, x) < 0.0:
        angle = 3.141592653589793 - (angle - 1.2246467991473532e-16)
    return copysign(angle, y)


def asin(x):
    """Arc sine."""
    if not fabs(x) <= 1.0:
        return float64(nan)
    return copysign(atan2(fabs(x), sqrt((1.0 - fabs(x)) * (1.0 + fabs(x)))), x)


def acos(x):
    """Arc cosine."""
    if not fabs(x) <= 1.0:
        return float64(nan)
    return atan2(sqrt((1.0 - x) * (1.0 + x)), x)


# Hyperbolic functions.


def sinh(x):
    """(e^x - e^-x) / 2."""
    size = fabs(x)
    if size < 1e-8:
        return x
    if size < 22.0:
        e = expm1_float64(size)
        return copysign(0.5 * (e + e / (e + 1.0)), x)
    half = exp_float64(0.5 * size)
    return copysign(0.5 * half * half, x)


def cosh(x):
    """(e^x + e^-x) / 2."""
    size = fabs(x)
    if size < 22.0:
        e = exp_float64(size)
        return 0.5 * e + 0.5 / e
    half = exp_float64(0.5 * size)
    return 0.5 * half * half


def asinh(x):
    """log(x + sqrt(x^2 + 1))."""
    size = fabs(x)
    if size > 1e8:
        return copysign(log_float64(size) + 0.6931471805599453, x)
    return copysign(log1p_float64(size + size * size / (1.0 + sqrt(fma(size, size, 1.0)))), x)


def acosh(x):
    """log(x + sqrt(x^2 - 1))."""
    if x > 1e8:
        return log_float64(x) + 0.6931471805599453
    t = x - 1.0
    return log1p_float64(t + sqrt(t * (t + 2.0))) if t >= 0.0 else float64(nan)


def atanh(x):
    """log((1 + x) / (1 - x)) / 2."""
    size = fabs(x)
    if not size <= 1.0:
        return float64(nan)
    return copysign(0.5 * log1p_float64(2.0 * size / (1.0 - size)), x)


# Powers.


def hypot(x, y):
    """sqrt(x^2 + y^2) without overflow between."""
    a, b = fabs(x), fabs(y)
    if a == inf or b == inf:
        return float64(inf)
    if a < b:
        a, b = b, a
    if a == 0.0 or a != a or b != b:
        return a + b
    scale = 1.0
    if a > 1e150:
        scale = 4.149515568880993e180  # 2^600
    elif a < 1e-100:
        scale = 2.409919865102884e-181
    a, b = a / scale, b / scale
    square = a * a
    return scale * sqrt(square + fma(b, b, fma(a, a, -square)))


def _logarithm(x):
    """log x of a positive x as a sum of two, to some 2^-64: x = 2^e m, log m = 2 artanh((m - 1) / (m + 1))."""
    extra = 0.0
    if x < 2.2250738585072014e-308:
        x, extra = x * 1.8014398509481984e16, -54.0
    bits = as_int64(x)
    exponent = (bits - 4604544271217802189) >> 52
    m = as_float64(bits - (exponent << 52))
    e = float64(exponent) + extra
    numerator, denominator = m - 1.0, m + 1.0
    lost = m - (denominator - 1.0)
    s = numerator / denominator
    s_low = (fma(-s, denominator, numerator) - s * lost) / denominator
    z = s * s
    z_low = fma(s, s, -z) + 2.0 * s * s_low
    p = 0.09523809523809523
    p = fma(p, z, 0.10526315789473684)
    p = fma(p, z, 0.11764705882352941)
    p = fma(p, z, 0.13333333333333333)
    p = fma(p, z, 0.15384615384615385)
    p = fma(p, z, 0.18181818181818182)
    p = fma(p, z, 0.2222222222222222)
    p = fma(p, z, 0.2857142857142857)
    p = fma(p, z, 0.4)
    # 2 s + s z (2/3 + z p), of which the first two terms are kept as sums of two
    c = 0.6666666666666666 + z * p
    c_low = (0.6666666666666666 - c) + fma(z, p, 3.700743415417188e-17)
    t = s * z
    t_low = fma(s, z, -t) + (s_low * z + s * z_low)
    u = t * c
    u_low = fma(t, c, -u) + (t_low * c + t * c_low)
    first = 2.0 * s
    total = first + u
    rest = (first - total) + u + (2.0 * s_low + u_low)
    big = e * 0.6931471803691238  # 32 bits: exact
    high = big + total
    low = (big - high) + total + fma(e, 1.9082149292705877e-10, rest)
    result = high + low
    return result, (high - result) + low


def pow(x, y):
    """x to the power y, with the special cases of IEEE 754."""
    if y == 0.0 or x == 1.0:
        return 1.0
    if x != x or y != y:
        return x + y
    is_integer = rint(y) == y
    is_odd = is_integer and fabs(y) < 9007199254740992.0 and rint(0.5 * y) != 0.5 * y
    size = fabs(x)
    if fabs(y) == inf:
        if size == 1.0:
            return 1.0
        return float64(inf) if (size > 1.0) == (y > 0.0) else 0.0
    if size == 0.0 or size == inf:
        value = float64(inf) if (size == inf) == (y > 0.0) else 0.0
        return -value if is_odd and copysign(1.0, x) < 0.0 else value
    if x < 0.0 and not is_integer:
        return float64(nan)
    high, low = _logarithm(size)
    exponent = y * high
    if exponent > 710.0:
        value = float64(inf)
    elif exponent < -746.0:
        value = 0.0
    else:
        value = exp_float64(exponent)
        if value < inf:
            value = fma(value, fma(y, high, -exponent) + y * low, value)
    return -value if is_odd and x < 0.0 else value


# Remainders and neighbours: exact.


def fmod(x, y):
    """What is left of x when whole multiples of y are taken away; it has the sign of x."""
    if not (fabs(x) < inf) or y != y or y == 0.0:
        return float64(nan)
    a, b = as_int64(fabs(x)), as_int64(fabs(y))
    if a < b:
        return x
    hidden = int64(4503599627370496)
    ea, ma = _parts(a)
    eb, mb = _parts(b)
    while ea > eb:
        if ma >= mb:
            ma = ma - mb
        ma = ma << 1
        ea = ea - 1
    if ma >= mb:
        ma = ma - mb
    if ma == 0:
        return copysign(0.0, x)
    while ma < hidden:
        ma = ma << 1
        ea = ea - 1
    if ea <= 0:
        return copysign(as_float64(ma >> (1 - ea)), x)
    return copysign(as_float64((ma - hidden) | (ea << 52)), x)


def _parts(bits):
    """(exponent, mantissa of 53 bits) of a positive float64's bits; subnormal numbers have exponents below 1."""
    exponent, mantissa = bits >> 52, bits & 4503599627370495
    if exponent > 0:
        return exponent, mantissa | 4503599627370496
    exponent = int64(1)
    while mantissa < 4503599627370496:
        mantissa = mantissa << 1
        exponent = exponent - 1
    return exponent, mantissa


def fmodf(x, y):
    """The same of float32: exact in float64, whose results are float32 numbers."""
    return float32(fmod(float64(x), float64(y)))


def nextafter(x, y):
    """The float64 next to x towards y."""
    if x != x or y != y:
        return x + y
    if x == y:
        return y
    if x == 0.0:
        return copysign(as_float64(int64(1)), y)
    bits = as_int64(x)
    return as_float64(bits + 1 if (x < y) == (x > 0.0) else bits - 1)


def nextafterf(x, y):
    """The float32 next to x towards y."""
    if x != x or y != y:
        return x + y
    if x == y:
        return y
    if x == float32(0.0):
        return copysign(as_float32(int32(1)), y)
    bits = as_int32(x)
    return as_float32(int32(bits + 1 if (x < y) == (x > float32(0.0)) else bits - 1))


_OWN = (sin, cos, tan, asin, acos, atan, atan2, sinh, cosh, asinh, acosh, atanh, hypot, pow, fmod, fmodf, nextafter,
        nextafterf)
FUNCTIONS = {function.__name__: function for function in _OWN} | {
    "exp": exp_float64, "exp2": exp2_float64, "expm1": expm1_float64, "log": log_float64, "log2": log2_float64,
    "log10": log10_float64, "log1p": log1p_float64, "tanh": tanh_float64, "cbrt": cbrt_float64, "erf": erf_float64,
    "erfc": erfc_float64}
