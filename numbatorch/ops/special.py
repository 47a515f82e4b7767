"""Special functions: relatives of the error function, and orthogonal polynomials."""

from ..expr import functions as f
from .bessel import wide
from .declare import FLOAT, OPS, composite, elementwise
from .elementary import scalar_function
from .pointwise import ORDERED

_SPECIAL = ("special",)


# Rows of the table of scalar functions.
i0e = scalar_function("i0e", "e^-|input| I0(input): i0 without its growth.", namespaces=_SPECIAL)
i1 = scalar_function("i1", "The modified Bessel function of the first kind of order 1, the derivative of i0.",
                     namespaces=_SPECIAL)
i1e = scalar_function("i1e", "e^-|input| I1(input): i1 without its growth.", namespaces=_SPECIAL)
ndtri = scalar_function("ndtri", "The z that a standard normal variable stays below with chance `input`.",
                        namespaces=_SPECIAL, domain=(0.1, 0.9))
log_ndtr = scalar_function("log_ndtr", "log(ndtr(input)), accurate far below 0, where ndtr is 0.", namespaces=_SPECIAL)


@elementwise(promote=FLOAT, namespaces="special", inplace=False,
             grad=lambda grad, input: grad * 0.3989422804014327 * f.exp(-(input * input) / 2))
def ndtr(input):
    """Probability that a standard normal variable stays below `input`: erfc(-input / sqrt 2) / 2."""
    return f.erfc(input * -0.7071067811865476) / 2


@elementwise(promote=FLOAT, namespaces="special", inplace=False)
def entr(input):
    """-input log(input): 0 at 0, -inf below."""
    return f.where(f.isnan(input), input, f.where(f.gt(input, 0), -input * f.log(input),
                                                  f.where(f.eq(input, 0), 0.0, float("-inf"))))


def _erfcx_far(size):
    """erfcx from 10 on: the asymptotic series 1 / (x sqrt pi) (1 - 1 / 2x^2 + 3 / 4x^4 - ...)."""
    t = 0.5 / (size * size)
    total = 1.0
    for k in range(15, 0, -2):
        total = 1 - k * t * total
    return 0.5641895835477563 / size * total


@elementwise(promote=FLOAT, namespaces="special", inplace=False, dtypes=ORDERED,
             grad=lambda grad, input, result: grad * (2 * input * result - 1.1283791670955126))
def erfcx(input):
    """e^(input^2) erfc(input); on the right from log_ndtr, which keeps e^-(x^2) apart, and the asymptotic series."""
    x = wide(input)
    size = f.abs(x)
    near = 2 * f.exp(size * size + f.log_ndtr(size * -1.4142135623730951))
    right = f.where(f.lt(size, 10.0), near, _erfcx_far(f.where(f.lt(size, 10.0), 10.0, size)))
    return f.where(f.lt(x, 0), 2 * f.exp(x * x) - right, right)


@elementwise(stepwise=True, promote=FLOAT, namespaces="special", inplace=False,
             other=lambda grad, input, other: grad * input / (other + 1))
def xlog1py(input, other):
    """input * log1p(other), 0 where input is 0."""
    return f.where(f.isnan(other), other, f.where(f.eq(input, 0), 0, input * f.log1p(other)))


# Orthogonal polynomials of degree n, a tensor: Chebyshev's by their angle, the others by recurrence. No gradients.

def _chebyshev(kind, x, n):
    """T, U, V or W: cos(n a), sin((n + 1) a) / sin(a), cos((n + 1/2) a) / cos(a / 2), sin((n + 1/2) a) / sin(a / 2)."""
    n = f.trunc(n)
    odd = f.ne(n - 2 * f.floor(n / 2), 0)
    sign = f.where(odd, -1.0, 1.0)
    size = f.abs(x)
    angle, growth = f.acos(f.where(f.gt(size, 1), 1.0, x)), f.acosh(f.where(f.gt(size, 1), size, 1.0))
    half, half_angle, half_growth = n + 0.5, angle / 2, growth / 2
    left = f.lt(x, 0)
    if kind == "t":
        inside, outside, end = f.cos(n * angle), f.cosh(n * growth), 1.0
    elif kind == "u":
        inside, outside, end = f.sin((n + 1) * angle) / f.sin(angle), f.sinh((n + 1) * growth) / f.sinh(growth), n + 1
    else:
        even, uneven = f.cosh(half * growth) / f.cosh(half_growth), f.sinh(half * growth) / f.sinh(half_growth)
        if kind == "v":
            inside, end = f.cos(half * angle) / f.cos(half_angle), f.where(left, 2 * n + 1, 1.0)
            outside = f.where(left, uneven, even)
        else:
            inside, end = f.sin(half * angle) / f.sin(half_angle), f.where(left, 1.0, 2 * n + 1)
            outside = f.where(left, even, uneven)
    flip = f.where(left, sign, 1.0)
    value = f.where(f.eq(size, 1), flip * end, f.where(f.gt(size, 1), flip * outside, inside))
    return f.where(f.isnan(x), x, f.where(f.lt(n, 0), 0.0, f.where(f.eq(n, 0), 1.0, value)))


def _declare_chebyshev(kind, shifted):
    def op(input, n):
        x = wide(input)
        return _chebyshev(kind, 2 * x - 1 if shifted else x, wide(n))
    op.__name__ = ("shifted_" if shifted else "") + f"chebyshev_polynomial_{kind}"
    where = "2 input - 1" if shifted else "input"
    op.__doc__ = f"Chebyshev polynomial {kind.upper()} of degree n at {where}; 0 for n < 0."
    elementwise(op, promote=FLOAT, namespaces="special", inplace=False, differentiable=False, dtypes=ORDERED)


for _kind in "tuvw":
    _declare_chebyshev(_kind, False)
    _declare_chebyshev(_kind, True)


def _by_recurrence(name, text, first, step):
    """p0 = 1, p1 = first(x), p(k + 1) = step(k, x, p(k), p(k - 1)), taken to the largest degree in n."""
    def op(input, n):
        from .. import dtypes
        from ..queries import result_type
        from ..tensor import tensor
        if not (hasattr(input, "_layout") or hasattr(n, "_layout")):
            raise TypeError(f"{name}(): one of input and n must be a Tensor")
        kind = result_type(input, n)
        place = (input if hasattr(input, "_layout") else n).device
        input, n = (v.detach() if hasattr(v, "_layout") else tensor(v, device=place) for v in (input, n))
        x, degree = OPS["broadcast_tensors"].call(input.double(), n.double().trunc())
        top = degree.amax().item() if degree.numel() else -1
        before, now = x * 0 + 1, first(x)
        value = OPS["where"].call(degree < 0, x * 0, OPS["where"].call(degree == 0, before, now))
        for k in range(1, int(top)):
            before, now = now, step(k, x, now, before)
            value = OPS["where"].call(degree == k + 1, now, value)
        return value.to(kind if kind.category == dtypes.FLOAT else dtypes.get_default_dtype())
    op.__name__, op.__doc__ = name, text
    composite(op, namespaces="special", out=True)


_by_recurrence("hermite_polynomial_h",
               "Hermite polynomial of degree n, the physicists': H(k + 1) = 2 x H(k) - 2 k H(k - 1).",
               lambda x: 2 * x, lambda k, x, now, before: 2 * x * now - 2 * k * before)
_by_recurrence("hermite_polynomial_he",
               "Hermite polynomial of degree n, the probabilists': He(k + 1) = x He(k) - k He(k - 1).",
               lambda x: x, lambda k, x, now, before: x * now - k * before)
_by_recurrence("laguerre_polynomial_l",
               "Laguerre polynomial of degree n: (k + 1) L(k + 1) = (2 k + 1 - x) L(k) - k L(k - 1).",
               lambda x: 1 - x, lambda k, x, now, before: ((2 * k + 1 - x) * now - k * before) / (k + 1))
_by_recurrence("legendre_polynomial_p",
               "Legendre polynomial of degree n: (k + 1) P(k + 1) = (2 k + 1) x P(k) - k P(k - 1).",
               lambda x: x, lambda k, x, now, before: ((2 * k + 1) * x * now - k * before) / (k + 1))
