"""Polygamma functions, Hurwitz's zeta function and the incomplete gamma functions.

Sums whose length depends on the argument run over whole arrays in float64.
"""

import math

import numpy as np

from ..expr import functions as f
from .declare import FLOAT, OPS, composite, elementwise, foreign

# Bernoulli numbers B2, B4, ... over (2k)!: weights of the Euler-Maclaurin formula (Abramowitz & Stegun 23.2.9).
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330,
              854513 / 138, -236364091 / 2730)
_WEIGHTS = tuple(b / math.factorial(2 * k) for k, b in enumerate(_BERNOULLI, 1))
_START = 10.0      # the formula takes over from here


def _prepare(name, *operands):
    """Operands in float64, broadcast, and the dtype of the result."""
    from .. import dtypes
    from ..queries import result_type
    if not any(hasattr(v, "_layout") for v in operands):
        raise TypeError(f"{name}(): at least one argument must be a Tensor")
    kind = operands[0].dtype if len(operands) == 1 else result_type(*operands)
    if kind.is_complex:
        raise NotImplementedError(f'"{name}" not implemented for complex numbers, got {kind}')
    values = [np.asarray(v.detach().double().numpy() if hasattr(v, "_layout") else v, np.float64) for v in operands]
    return np.broadcast_arrays(*values), kind if kind.category == dtypes.FLOAT else dtypes.get_default_dtype()


def _result(value, kind):
    from ..creation import from_numpy
    return from_numpy(np.ascontiguousarray(value).reshape(np.shape(value))).to(kind)


def hurwitz(x, q):
    """sum over k of (q + k)^-x: inf at x = 1 and q = 0, -1, ...; NaN for x < 1, and for q < 0 with fractional x.

    Terms up to q + k > 10, then the Euler-Maclaurin formula.
    """
    x, q = np.array(x, np.float64), np.array(q, np.float64)
    with np.errstate(all="ignore"):
        pole = (x == 1) | ((q <= 0) & (q == np.floor(q)) & (x > 1))
        undefined = ~pole & ((x < 1) | ((q <= 0) & (x != np.floor(x))) | np.isnan(x) | np.isnan(q))
        x, q = np.where(pole | undefined, 2.0, x), np.where(pole | undefined, 1.0, q)
        total, small = np.zeros_like(q), q < _START
        while small.any():
            total = total + np.where(small, q ** -x, 0.0)
            q = np.where(small, q + 1, q)
            small = q < _START
        power = q ** -x
        total = total + power * q / (x - 1) + 0.5 * power
        factor = x * power / q
        for k, weight in enumerate(_WEIGHTS):
            total = total + weight * factor
            factor = factor * (x + 2 * k + 1) * (x + 2 * k + 2) / (q * q)
        total = np.where(np.isinf(q), 0.0, total)
    return np.where(pole, np.inf, np.where(undefined, np.nan, total))


@foreign(name="_zeta", method=False, other=lambda grad, input, other: grad * -input * zeta_of.call(input + 1, other))
def zeta_of(input, other):
    """Hurwitz's zeta function of tensors."""
    (x, q), kind = _prepare("zeta", input, other)
    return _result(hurwitz(x, q), kind)


@composite(namespaces="special", out=True)
def zeta(input, other):
    """Hurwitz's zeta function: sum over k >= 0 of (other + k)^-input. The gradient reaches `other` only."""
    if not hasattr(input, "_layout") and not hasattr(other, "_layout"):
        raise TypeError("zeta(): one of input and other must be a Tensor")
    like = input if hasattr(input, "_layout") else other
    input, other = (v if hasattr(v, "_layout") else like.new_full((), v, dtype=_float_of(like)) for v in (input, other))
    return zeta_of.call(input, other)


def _float_of(t):
    from .. import dtypes
    return t.dtype if t.dtype.category >= dtypes.FLOAT else dtypes.get_default_dtype()


@elementwise(name="_trigamma", promote=FLOAT, method=False, inplace=False, out=False, differentiable=False)
def trigamma(input):
    """The second derivative of lgamma."""
    return f.trigamma(input)


@foreign(name="_polygamma", method=False, grad=lambda grad, input, n: grad * polygamma_of.call(input, n + 1))
def polygamma_of(input, n: int):
    """The nth derivative of digamma: (-1)^(n + 1) n! zeta(n + 1, input) (Abramowitz & Stegun 6.4.10)."""
    if n == 1:
        return trigamma.call(input)
    (q,), kind = _prepare("polygamma", input)
    with np.errstate(all="ignore"):
        scale = math.exp(math.lgamma(n + 1.0)) if n < 171 else math.inf
        return _result((-1.0) ** (n + 1) * scale * hurwitz(np.float64(n + 1), q), kind)


@composite(name="polygamma_1", method=False)
def polygamma_1(input):
    """The derivative of digamma, as a function on tensors."""
    return polygamma_of.call(input, 1)


def _polygamma(n, input):
    if hasattr(n, "_layout") or not isinstance(n, int):
        raise TypeError(f"polygamma(): argument 'n' (position 1) must be int, not {type(n).__name__}")
    if n < 0:
        raise RuntimeError(f"polygamma(n, x) does not support negative n, got n={n}")
    return OPS["digamma"].call(input) if n == 0 else polygamma_of.call(input, n)


@composite(namespaces=("", "special"), out=True, method=False)
def polygamma(n, input):
    """The nth derivative of digamma, n >= 0: (-1)^(n + 1) n! zeta(n + 1, input). RuntimeError for negative n."""
    return _polygamma(n, input)


@composite(name="polygamma", namespaces="tensor", method=True, inplace=True)
def polygamma_method(input, n):
    """`polygamma(n, input)` with the tensor first, for `Tensor.polygamma`."""
    return _polygamma(n, input)


# Incomplete gamma functions: P by its power series below a + 1, Q by Lentz's continued fraction above (Press et al.,
# Numerical Recipes, section 6.2), Temme's uniform expansion not being needed in float64 with enough terms.

_TINY = 1e-300


def _incomplete(a, x):
    """(P, Q) of regularised incomplete gamma functions."""
    with np.errstate(all="ignore"):
        ordinary = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
        s, t = np.where(ordinary, a, 1.0), np.where(ordinary, x, 1.0)
        scale = np.exp(s * np.log(t) - t - np.vectorize(math.lgamma, otypes=[np.float64])(s)) if a.size else a * 1.0
        below = t < s + 1
        series = _series(np.where(below, s, 1.0), np.where(below, t, 1.0)) * scale
        fraction = _fraction(np.where(below, 1.0, s), np.where(below, 3.0, t)) * scale
        p = np.where(below, series, 1 - fraction)
        q = np.where(below, 1 - series, fraction)
        bad = (a < 0) | (x < 0) | np.isnan(a) | np.isnan(x) | ((a == 0) & (x == 0)) | (np.isinf(a) & np.isinf(x))
        zero, one = (x == 0) | np.isinf(a), (a == 0) | np.isinf(x)
    p = np.where(bad, np.nan, np.where(ordinary, p, np.where(one, 1.0, np.where(zero, 0.0, p))))
    q = np.where(bad, np.nan, np.where(ordinary, q, np.where(one, 0.0, np.where(zero, 1.0, q))))
    return p, q


def _series(a, x):
    """sum over n of x^n / (a (a + 1) ... (a + n))."""
    term = total = 1 / a
    n = a.copy()
    while (term > 1e-17 * total).any():
        n = n + 1
        term = term * (x / n)
        total = total + term
    return total


def _fraction(a, x):
    """1 / (x + 1 - a - 1 (1 - a) / (x + 3 - a - ...)), by Lentz's method."""
    b = x + 1 - a
    c, d = np.full_like(x, 1 / _TINY), 1 / b
    h, k = d, 0
    change = np.full_like(x, 2.0)
    while (np.abs(change - 1) > 2e-16).any() and k < 100000:
        k += 1
        numerator = -k * (k - a)
        b = b + 2
        d = numerator * d + b
        d = 1 / np.where(np.abs(d) < _TINY, _TINY, d)
        c = b + numerator / c
        c = np.where(np.abs(c) < _TINY, _TINY, c)
        change = d * c
        h = np.where(np.abs(change - 1) > 2e-16, h * change, h)
    return h


def _density(input, other):
    """The derivative of P in its second argument: x^(a - 1) e^-x / gamma(a)."""
    return OPS["exp"].call((input - 1) * OPS["log"].call(other) - other - OPS["lgamma"].call(input))


@foreign(name="igamma", namespaces=("", "special"), aliases=("gammainc",), out=True, inplace=True,
         input=lambda grad: _refuse("igamma"), other=lambda grad, input, other: grad * _density(input, other))
def igamma(input, other):
    """Regularised lower incomplete gamma function P(input, other). No gradient for `input`: NotImplementedError."""
    (a, x), kind = _prepare("igamma", input, other)
    return _result(_incomplete(a, x)[0], kind)


@foreign(name="igammac", namespaces=("", "special"), aliases=("gammaincc",), out=True, inplace=True,
         input=lambda grad: _refuse("igammac"), other=lambda grad, input, other: -grad * _density(input, other))
def igammac(input, other):
    """Regularised upper incomplete gamma function Q = 1 - P(input, other). No gradient for `input`."""
    (a, x), kind = _prepare("igammac", input, other)
    return _result(_incomplete(a, x)[1], kind)


def _refuse(name):
    raise NotImplementedError(f"the derivative for '{name}: input' is not implemented.")
