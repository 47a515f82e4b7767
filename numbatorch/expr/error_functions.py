"""Error function, normal distribution and their inverses in float64, and in float32 through it, as vector code.

Polynomials are our own fits, as told in `exponential_float32`; the scaled complement erfcx(x) = e^x^2 erfc(x) is
smooth in t = (x - 4) / (x + 4) all the way to infinity, so that one polynomial serves every tail.
"""

from math import inf, nan

from numpy import float32, float64

from numbatorch.expr.accuracy import accurate
from numbatorch.expr.elementary_float64 import exp_float64, log1p_float64, log_float64
from numbatorch.expr.primitives import copysign, fabs, fma, sqrt, where
from numbatorch.expr.wide_float32 import _log2_wide


def _erf_near_float64(x):
    """erf x for |x| <= 0.9."""
    square = x * x
    p = float64(-8.495251728299716e-10)
    p = fma(p, square, float64(1.4052310464846952e-08))
    p = fma(p, square, float64(-1.6276748969008215e-07))
    p = fma(p, square, float64(1.645536140322036e-06))
    p = fma(p, square, float64(-1.4925310468446288e-05))
    p = fma(p, square, float64(0.0001205532155106989))
    p = fma(p, square, float64(-0.0008548326770735083))
    p = fma(p, square, float64(0.0052239776219186055))
    p = fma(p, square, float64(-0.026866170644844985))
    p = fma(p, square, float64(0.11283791670953962))
    p = fma(p, square, float64(-0.37612638903183737))
    p = fma(p, square, float64(1.533545961316588e-17))
    return fma(x, float64(1.1283791670955126), p * x)


def _erfcx_float64(x):
    """e^x^2 erfc(x) for 0 <= x < inf."""
    scale = float64(4.0) / (x + float64(4.0))
    t = (x - float64(4.0)) / (x + float64(4.0))
    p = float64(-4.1713531163782666e-11)
    p = fma(p, t, float64(-2.066945367486403e-11))
    p = fma(p, t, float64(5.527001051796718e-10))
    p = fma(p, t, float64(1.850284799373092e-10))
    p = fma(p, t, float64(-4.4789131777528215e-09))
    p = fma(p, t, float64(-9.022298508299094e-11))
    p = fma(p, t, float64(3.163013801190561e-08))
    p = fma(p, t, float64(-1.8570941769644185e-08))
    p = fma(p, t, float64(-2.1186977408000407e-07))
    p = fma(p, t, float64(3.5586036669801917e-07))
    p = fma(p, t, float64(1.173702060644446e-06))
    p = fma(p, t, float64(-4.715149325934928e-06))
    p = fma(p, t, float64(-9.088070729530155e-07))
    p = fma(p, t, float64(4.420318660834766e-05))
    p = fma(p, t, float64(-0.00011376317166087168))
    p = fma(p, t, float64(-7.023971351832265e-05))
    p = fma(p, t, float64(0.0015280139145292504))
    p = fma(p, t, float64(-0.006592513335357248))
    p = fma(p, t, float64(0.019095378727235556))
    p = fma(p, t, float64(-0.04350273430996862))
    p = fma(p, t, float64(0.08271289696950865))
    p = fma(p, t, float64(-0.13521345782830915))
    p = fma(p, t, float64(0.19330217556630916))
    p = fma(p, t, float64(-0.2441371822702205))
    p = fma(p, t, float64(0.27399891525012277))
    return p * scale


def _gauss_float64(x, factor):
    """e^(factor x^2) for factor -1 or -1/2, with the rounding error of x^2 made good; 0 beyond |x| = 40."""
    x = where(fabs(x) > float64(40.0), float64(40.0), x)
    square = x * x
    power = exp_float64(factor * square)
    return fma(factor * fma(x, x, -square), power, power)


@accurate(ulp=1.2, domain=(-6.0, 6.0))
def erf_float64(x):
    """Error function, x P(x^2) up to 0.9, then 1 - erfc(x); largest error 1.0 ULP."""
    size = fabs(x)
    bounded = where(size > float64(6.5), float64(6.5), size)
    far = float64(1.0) - _gauss_float64(bounded, float64(-1.0)) * _erfcx_float64(bounded)
    return copysign(where(size < float64(0.9), _erf_near_float64(size), far), x)


@accurate(ulp=4.0, domain=(-6.0, 26.5))
def erfc_float64(x):
    """1 - erf(x), beyond 0.5 as e^-x^2 erfcx(x); largest error 3.3 ULP."""
    size = fabs(x)
    bounded = where(size > float64(30.0), float64(30.0), size)
    right = _gauss_float64(bounded, float64(-1.0)) * _erfcx_float64(bounded)
    right = where(x < float64(0.0), float64(2.0) - right, right)
    near = float64(1.0) - _erf_near_float64(where(size < float64(0.5), x, float64(0.0)))
    return where(size < float64(0.5), near, right)


def _erfinv_guess_float64(size, logarithm):
    """z >= 0 with erf z = size, to 3e-9; `logarithm` is log(1 - size), which the tail is made from."""
    square = size * size
    p = float64(0.09547469664452536)
    p = fma(p, square, float64(9.38692726152107e-05))
    p = fma(p, square, float64(0.05298359477757416))
    p = fma(p, square, float64(0.05014235021100395))
    p = fma(p, square, float64(0.06510306850967987))
    p = fma(p, square, float64(0.0865449312158218))
    p = fma(p, square, float64(0.12755635505826626))
    p = fma(p, square, float64(0.232013664813515))
    p = fma(p, square, float64(0.8862269254554639))
    root = sqrt(-logarithm)
    t = (root - float64(2.0)) / (root + float64(2.0))
    q = float64(-0.00023332970159427644)
    q = fma(q, t, float64(-0.005588658139345646))
    q = fma(q, t, float64(0.007772209492706256))
    q = fma(q, t, float64(0.021586589583941097))
    q = fma(q, t, float64(-0.06779668774695871))
    q = fma(q, t, float64(0.07327419620680677))
    q = fma(q, t, float64(-0.016228879705224197))
    q = fma(q, t, float64(-0.07254234094553631))
    q = fma(q, t, float64(0.13803374477530847))
    q = fma(q, t, float64(-0.1281420861740416))
    q = fma(q, t, float64(0.006712039382863044))
    q = fma(q, t, float64(0.20194036381064073))
    q = fma(q, t, float64(-0.4237629776029794))
    q = fma(q, t, float64(0.430917716354022))
    q = fma(q, t, float64(0.8340941572411473))
    return where(size < float64(0.5), p * size, q * root)


def _erfinv_pair_float64(size, rest):
    """z >= 0 with erf z = size and erfc z = rest, whichever of the two is the smaller counting.

    One Halley step from the guess; in the tail on erfcx, so that nothing underflows.
    """
    logarithm = log_float64(rest)
    z = _erfinv_guess_float64(size, logarithm)
    near = size < float64(0.5)
    power = exp_float64(fma(z, z, where(near, float64(0.0), logarithm)))
    residual = where(near, (size - _erf_near_float64(z)) * power, _erfcx_float64(z) - power)
    newton = residual * float64(0.886226925452758)
    z = z + newton / (float64(1.0) - newton * z)
    return where(rest == float64(0.0), float64(inf), z)


@accurate(ulp=5.0, domain=(-1.0, 1.0))
def erfinv_float64(x):
    """The z with erf z = x; largest error 4.3 ULP."""
    size = fabs(x)
    return copysign(_erfinv_pair_float64(size, float64(1.0) - size), x)


@accurate(ulp=5.0, domain=(0.0, 1.0))
def ndtri_float64(p):
    """The z below which a standard normal variable stays with probability p; largest error 3.5 ULP."""
    lower = p < float64(0.5)
    rest = where(lower, p, float64(1.0) - p) * float64(2.0)
    z = _erfinv_pair_float64(float64(1.0) - rest, rest) * float64(1.4142135623730951)
    return where(lower, -z, z)


@accurate(ulp=6.0, domain=(-1000.0, 37.0))
def log_ndtr_float64(x):
    """Logarithm of the probability that a standard normal variable stays below x; largest error 5.3 ULP.

    log(erfcx(z) / 2) - z^2 to the left, log(1 - erfc(z) / 2) to the right, z = |x| / sqrt 2.
    """
    size = fabs(x)
    bounded = where(size > float64(1e30), float64(1e30), size)
    half = _erfcx_float64(bounded * float64(0.7071067811865476)) * float64(0.5)
    left = fma(size * float64(-0.5), size, log_float64(half))
    right = log1p_float64(-half * _gauss_float64(bounded, float64(-0.5)))
    return where(x < float64(0.0), left, right)


# float32: the guess is good enough.


@accurate(ulp=0.6, domain=(-1.0, 1.0))
def erfinv_float32(x):
    """The z with erf z = x; largest error 0.52 ULP."""
    size = fabs(float64(x))
    rest = float64(1.0) - size
    logarithm = _log2_wide(fabs(rest)) * float64(0.6931471805599453)
    z = _erfinv_guess_float64(size, logarithm)
    z = where(rest == float64(0.0), float64(inf), where(rest < float64(0.0), float64(nan), z))
    return copysign(float32(z), x)


@accurate(ulp=0.6, domain=(0.0, 1.0))
def ndtri_float32(p):
    """The z below which a standard normal variable stays with probability p; largest error 0.52 ULP."""
    wide = float64(p)
    lower = p < float32(0.5)
    rest = where(lower, wide, float64(1.0) - wide) * float64(2.0)
    logarithm = _log2_wide(fabs(rest)) * float64(0.6931471805599453)
    z = _erfinv_guess_float64(float64(1.0) - rest, logarithm) * float64(1.4142135623730951)
    z = where(rest == float64(0.0), float64(inf), where(rest < float64(0.0), float64(nan), z))
    return float32(where(lower, -z, z))


@accurate(ulp=0.6, domain=(-1000.0, 14.0))
def log_ndtr_float32(x):
    """Logarithm of the probability that a standard normal variable stays below x, by way of float64; error 0.51 ULP."""
    return float32(log_ndtr_float64(float64(x)))
