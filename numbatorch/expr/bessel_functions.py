"""Modified Bessel functions of order 0 and 1, plain and scaled by e^-|x|, as vector code.

float64: a series in x^2 with positive coefficients up to 8, one in 16 / x - 1 beyond, scaled by sqrt x. float32: in
float64, one polynomial in (x - 6) / (x + 6) for all x. The polynomials are our own fits, see `exponential_float32`.
"""

from math import inf

from numpy import float32, float64

from numbatorch.expr.accuracy import accurate
from numbatorch.expr.elementary_float64 import exp_float64
from numbatorch.expr.primitives import copysign, fabs, fma, sqrt, where
from numbatorch.expr.wide_float32 import _exp2_wide


def _i0_near_float64(square):
    """I0(x) for x^2 = `square` up to 64."""
    p = float64(8.567038048742998e-34)
    p = fma(p, square, float64(4.199196375777542e-31))
    p = fma(p, square, float64(3.933551138893524e-28))
    p = fma(p, square, float64(2.590173174208117e-25))
    p = fma(p, square, float64(1.4967788011648165e-22))
    p = fma(p, square, float64(7.242074054268666e-20))
    p = fma(p, square, float64(2.896908910343595e-17))
    p = fma(p, square, float64(9.385965800251988e-15))
    p = fma(p, square, float64(2.4028075678203297e-12))
    p = fma(p, square, float64(4.709502795106961e-10))
    p = fma(p, square, float64(6.781684027919093e-08))
    p = fma(p, square, float64(6.781684027771303e-06))
    p = fma(p, square, float64(0.00043402777777779505))
    p = fma(p, square, float64(0.015624999999999977))
    p = fma(p, square, float64(0.25))
    p = fma(p, square, float64(1.0))
    return p


def _i0e_far_float64(size):
    """e^-x I0(x) for x >= 8."""
    t = float64(16.0) / size - float64(1.0)
    p = float64(9.020352565724128e-11)
    p = fma(p, t, float64(3.8985031219684934e-11))
    p = fma(p, t, float64(-6.45356194676443e-10))
    p = fma(p, t, float64(-2.9409406078767297e-10))
    p = fma(p, t, float64(2.1566536539946933e-09))
    p = fma(p, t, float64(1.1351340991684623e-09))
    p = fma(p, t, float64(-4.524974897118817e-09))
    p = fma(p, t, float64(-3.1713640952915653e-09))
    p = fma(p, t, float64(6.520971216314199e-09))
    p = fma(p, t, float64(7.36341660625605e-09))
    p = fma(p, t, float64(-5.0188090060646364e-09))
    p = fma(p, t, float64(-1.3339010723801237e-08))
    p = fma(p, t, float64(-6.8553700431516225e-09))
    p = fma(p, t, float64(7.53815449385019e-09))
    p = fma(p, t, float64(2.1567407545476236e-08))
    p = fma(p, t, float64(3.932822430616791e-08))
    p = fma(p, t, float64(8.872021785003377e-08))
    p = fma(p, t, float64(2.973596693217626e-07))
    p = fma(p, t, float64(1.4838476718131293e-06))
    p = fma(p, t, float64(1.1143033797846264e-05))
    p = fma(p, t, float64(0.0001362160743897287))
    p = fma(p, t, float64(0.003360551983667788))
    p = fma(p, t, float64(0.4021765094450081))
    return p / sqrt(size)


def _i1_near_float64(square):
    """I1(x) / x for x^2 = `square` up to 64."""
    p = float64(2.6311033057190656e-35)
    p = fma(p, square, float64(1.4204141418793162e-32))
    p = fma(p, square, float64(1.400683730921211e-29))
    p = fma(p, square, float64(9.96714312941345e-27))
    p = fma(p, square, float64(6.236192330705511e-24))
    p = fma(p, square, float64(3.2918727270983176e-21))
    p = fma(p, square, float64(1.4484536535130363e-18))
    p = fma(p, square, float64(5.214425664778242e-16))
    p = fma(p, square, float64(1.5017547255762142e-13))
    p = fma(p, square, float64(3.3639305685262436e-11))
    p = fma(p, square, float64(5.6514033565436314e-09))
    p = fma(p, square, float64(6.781684027774706e-07))
    p = fma(p, square, float64(5.425347222222312e-05))
    p = fma(p, square, float64(0.0026041666666666652))
    p = fma(p, square, float64(0.0625))
    p = fma(p, square, float64(0.5))
    return p


def _i1e_far_float64(size):
    """e^-x I1(x) for x >= 8."""
    t = float64(16.0) / size - float64(1.0)
    p = float64(-9.421743762875545e-11)
    p = fma(p, t, float64(-3.618038571101565e-11))
    p = fma(p, t, float64(6.744551362547248e-10))
    p = fma(p, t, float64(2.763225545983914e-10))
    p = fma(p, t, float64(-2.2583378631232837e-09))
    p = fma(p, t, float64(-1.0877034269251958e-09))
    p = fma(p, t, float64(4.761945937809111e-09))
    p = fma(p, t, float64(3.121400380035674e-09))
    p = fma(p, t, float64(-6.94612506897308e-09))
    p = fma(p, t, float64(-7.470235852711948e-09))
    p = fma(p, t, float64(5.574769119322976e-09))
    p = fma(p, t, float64(1.3970691719996561e-08))
    p = fma(p, t, float64(6.845958957138023e-09))
    p = fma(p, t, float64(-8.412753082228937e-09))
    p = fma(p, t, float64(-2.3393620290152508e-08))
    p = fma(p, t, float64(-4.3131335417429935e-08))
    p = fma(p, t, float64(-1.0001083478489227e-07))
    p = fma(p, t, float64(-3.483854046755614e-07))
    p = fma(p, t, float64(-1.8349102423791719e-06))
    p = fma(p, t, float64(-1.5038547206793982e-05))
    p = fma(p, t, float64(-0.00021923576383160796))
    p = fma(p, t, float64(-0.009749577193235671))
    p = fma(p, t, float64(0.38939845902587233))
    return p / sqrt(size)


@accurate(ulp=4.5, domain=(-700.0, 700.0))
def i0_float64(x):
    """Modified Bessel function of order 0; largest error 3.8 ULP."""
    size = fabs(x)
    near = size < float64(8.0)
    bounded = where(size > float64(720.0), float64(720.0), where(near, float64(8.0), size))
    half = exp_float64(bounded * float64(0.5))  # e^x overflows before I0 does
    far = _i0e_far_float64(bounded) * half * half
    result = where(near, _i0_near_float64(where(near, x * x, float64(0.0))), far)
    return where(x != x, x, result)


@accurate(ulp=3.5, domain=(-1e6, 1e6))
def i0e_float64(x):
    """e^-|x| I0(x); largest error 2.8 ULP."""
    size = fabs(x)
    near = size < float64(8.0)
    square = where(near, x * x, float64(0.0))
    far = _i0e_far_float64(where(near, float64(8.0), size))
    result = where(near, _i0_near_float64(square) * exp_float64(-size), far)
    return where(x != x, x, result)


@accurate(ulp=4.5, domain=(-700.0, 700.0))
def i1_float64(x):
    """Modified Bessel function of order 1; largest error 3.7 ULP."""
    size = fabs(x)
    near = size < float64(8.0)
    bounded = where(size > float64(720.0), float64(720.0), where(near, float64(8.0), size))
    half = exp_float64(bounded * float64(0.5))
    far = _i1e_far_float64(bounded) * half * half
    result = where(near, _i1_near_float64(where(near, x * x, float64(0.0))) * size, far)
    return where(x != x, x, copysign(result, x))


@accurate(ulp=3.5, domain=(-1e6, 1e6))
def i1e_float64(x):
    """e^-|x| I1(x); largest error 2.5 ULP."""
    size = fabs(x)
    near = size < float64(8.0)
    small = _i1_near_float64(where(near, x * x, float64(0.0))) * size * exp_float64(-size)
    result = where(near, small, _i1e_far_float64(where(near, float64(8.0), size)))
    return where(x != x, x, copysign(result, x))


def _i0e_wide(size):
    """e^-x I0(x) for 0 <= x < inf, to 4e-10."""
    t = (size - float64(6.0)) / (size + float64(6.0))
    p = float64(-0.0006453694445743084)
    p = fma(p, t, float64(0.001683244968532416))
    p = fma(p, t, float64(0.0034043527910871353))
    p = fma(p, t, float64(-0.009491959783906665))
    p = fma(p, t, float64(-0.009760439665139255))
    p = fma(p, t, float64(0.026609408259875324))
    p = fma(p, t, float64(0.01866096436245223))
    p = fma(p, t, float64(-0.047768905088100846))
    p = fma(p, t, float64(-0.028984312793535444))
    p = fma(p, t, float64(0.06949930354580494))
    p = fma(p, t, float64(0.03161409435392242))
    p = fma(p, t, float64(-0.0897359917533863))
    p = fma(p, t, float64(-0.02001050833899025))
    p = fma(p, t, float64(0.1306293578804963))
    p = fma(p, t, float64(-0.08710169236741139))
    p = fma(p, t, float64(-0.0434924863803765))
    p = fma(p, t, float64(0.13234504989638723))
    p = fma(p, t, float64(-0.14750457755816218))
    p = fma(p, t, float64(0.12703210686271826))
    p = fma(p, t, float64(-0.1051745055700541))
    p = fma(p, t, float64(0.09198277346710391))
    p = fma(p, t, float64(-0.08578174810319619))
    p = fma(p, t, float64(0.44093412099213136))
    return p / sqrt(size + float64(1.0))


def _i1e_wide(size):
    """e^-x I1(x) for 0 <= x < inf, to 5e-10."""
    t = (size - float64(6.0)) / (size + float64(6.0))
    p = float64(0.00044166537228235083)
    p = fma(p, t, float64(-0.0011183397784675006))
    p = fma(p, t, float64(-0.0031587356087899345))
    p = fma(p, t, float64(0.007105212694974492))
    p = fma(p, t, float64(0.010875472029784315))
    p = fma(p, t, float64(-0.02103444461591666))
    p = fma(p, t, float64(-0.024044757612403246))
    p = fma(p, t, float64(0.03949454167231999))
    p = fma(p, t, float64(0.03947641063382974))
    p = fma(p, t, float64(-0.05770483538685738))
    p = fma(p, t, float64(-0.050450580677236116))
    p = fma(p, t, float64(0.07894598204627915))
    p = fma(p, t, float64(0.04632059862552658))
    p = fma(p, t, float64(-0.11909942408902736))
    p = fma(p, t, float64(0.024587771233700546))
    p = fma(p, t, float64(0.11086262373452994))
    p = fma(p, t, float64(-0.15100851628179074))
    p = fma(p, t, float64(0.09628243816868678))
    p = fma(p, t, float64(-0.013295346266023954))
    p = fma(p, t, float64(-0.054791529601391796))
    p = fma(p, t, float64(0.10038841971907934))
    p = fma(p, t, float64(-0.12947108484240522))
    p = fma(p, t, float64(0.46933873905686274))
    return p * size / ((size + float64(1.0)) * sqrt(size + float64(1.0)))


@accurate(ulp=0.6, domain=(-90.0, 90.0))
def i0_float32(x):
    """Modified Bessel function of order 0; largest error 0.52 ULP."""
    size = fabs(float64(x))
    size = where(size > float64(200.0), float64(200.0), size)
    return float32(_i0e_wide(size) * _exp2_wide(size * float64(1.4426950408889634)))


@accurate(ulp=0.6, domain=(-1e6, 1e6))
def i0e_float32(x):
    """e^-|x| I0(x); largest error 0.51 ULP."""
    size = fabs(float64(x))
    return where(fabs(x) == float32(inf), float32(0.0), float32(_i0e_wide(size)))


@accurate(ulp=0.6, domain=(-90.0, 90.0))
def i1_float32(x):
    """Modified Bessel function of order 1; largest error 0.52 ULP."""
    size = fabs(float64(x))
    size = where(size > float64(200.0), float64(200.0), size)
    return copysign(float32(_i1e_wide(size) * _exp2_wide(size * float64(1.4426950408889634))), x)


@accurate(ulp=0.6, domain=(-1e6, 1e6))
def i1e_float32(x):
    """e^-|x| I1(x); largest error 0.51 ULP."""
    result = float32(_i1e_wide(fabs(float64(x))))
    return copysign(where(fabs(x) == float32(inf), float32(0.0), result), x)
