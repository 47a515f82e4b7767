# Written from the op table by `python -m numbatorch.reference --write`: not to be edited.
from builtins import bool as _bool, complex as _complex, float as _float, int as _int
from collections.abc import Callable as _Callable, Iterator as _Iterator, Sequence as _Sequence
from typing import Any, Literal as _Literal, NamedTuple as _NamedTuple, SupportsIndex, TypeAlias as _TypeAlias, overload

from .formats import layout_type as _layout_type, memory_format as _memory_format
from .dtypes import dtype as _dtype
from .generator import Generator
from .tensor import _DeviceLike, _Ints, _Number, _Size, Tensor

def airy_ai(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Airy's function Ai, the bounded solution of y'' = x y."""
def bessel_j0(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Bessel function of the first kind, order 0."""
def bessel_j1(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Bessel function of the first kind, order 1."""
def bessel_y0(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Bessel function of the second kind, order 0; NaN below 0."""
def bessel_y1(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Bessel function of the second kind, order 1; NaN below 0."""
def chebyshev_polynomial_t(input: Tensor, n: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """Chebyshev polynomial T of degree n at input; 0 for n < 0."""
def chebyshev_polynomial_u(input: Tensor, n: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """Chebyshev polynomial U of degree n at input; 0 for n < 0."""
def chebyshev_polynomial_v(input: Tensor, n: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """Chebyshev polynomial V of degree n at input; 0 for n < 0."""
def chebyshev_polynomial_w(input: Tensor, n: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """Chebyshev polynomial W of degree n at input; 0 for n < 0."""
def digamma(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The derivative of lgamma; -inf at 0, NaN at the negative integers."""
def entr(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """-input log(input): 0 at 0, -inf below."""
def erf(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The error function, 2 / sqrt(pi) times the integral of e^-t^2 from 0 to `input`."""
def erfc(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """1 - erf(input), accurate where that is small."""
def erfcx(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """e^(input^2) erfc(input); on the right from log_ndtr, which keeps e^-(x^2) apart, and the asymptotic series."""
def erfinv(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The number whose erf is `input`; infinite at -1 and 1, NaN outside."""
def exp2(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """2 ** input, exact where `input` is an integer."""
def expit(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Logistic function, 1 / (1 + e^-input)."""
def expm1(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """e ** input - 1, accurate near 0, where exp(input) - 1 would lose its digits."""
def gammainc(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """Regularised lower incomplete gamma function P(input, other)."""
def gammaincc(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """Regularised upper incomplete gamma function Q = 1 - P(input, other)."""
def gammaln(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """log |gamma(input)|; inf at 0 and the negative integers."""
def hermite_polynomial_h(input: Tensor, n: _int, *, out: Tensor | None = None) -> Tensor:
    """Hermite polynomial of degree n, the physicists': H(k + 1) = 2 x H(k) - 2 k H(k - 1)."""
def hermite_polynomial_he(input: Tensor, n: _int, *, out: Tensor | None = None) -> Tensor:
    """Hermite polynomial of degree n, the probabilists': He(k + 1) = x He(k) - k He(k - 1)."""
def i0(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The modified Bessel function of the first kind of order 0; it grows as e^|input|."""
def i0e(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """e^-|input| I0(input): i0 without its growth."""
def i1(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The modified Bessel function of the first kind of order 1, the derivative of i0."""
def i1e(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """e^-|input| I1(input): i1 without its growth."""
def igamma(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """Regularised lower incomplete gamma function P(input, other)."""
def igammac(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """Regularised upper incomplete gamma function Q = 1 - P(input, other)."""
def laguerre_polynomial_l(input: Tensor, n: _int, *, out: Tensor | None = None) -> Tensor:
    """Laguerre polynomial of degree n: (k + 1) L(k + 1) = (2 k + 1 - x) L(k) - k L(k - 1)."""
def legendre_polynomial_p(input: Tensor, n: _int, *, out: Tensor | None = None) -> Tensor:
    """Legendre polynomial of degree n: (k + 1) P(k + 1) = (2 k + 1) x P(k) - k P(k - 1)."""
def log1p(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """log(1 + input), accurate near 0; -inf at -1, NaN below."""
def log_ndtr(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """log(ndtr(input)), accurate far below 0, where ndtr is 0."""
def log_softmax(input: Tensor, dim: _Ints | None = None, _stacklevel: _int = 3, dtype: _dtype | None = None, *, out: Tensor | None = None) -> Tensor:
    """log(softmax(input, dim)), without overflow; in `dtype` when given."""
def logit(input: Tensor, eps: _float | None = None, *, out: Tensor | None = None) -> Tensor:
    """log(input / (1 - input)); `input` limited to [eps, 1 - eps] when given."""
def logsumexp(input: Tensor, dim: _Ints, keepdim: _bool = False, *, out: Tensor | None = None) -> Tensor:
    """log(sum(exp(input))) over `dim`, without overflow."""
def modified_bessel_i0(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Modified Bessel function of the first kind, order 0."""
def modified_bessel_i1(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Modified Bessel function of the first kind, order 1."""
def modified_bessel_k0(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Modified Bessel function of the second kind, order 0."""
def modified_bessel_k1(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Modified Bessel function of the second kind, order 1."""
def multigammaln(input: Tensor, p: _float | str, *, out: Tensor | None = None) -> Tensor:
    """The logarithm of the multivariate gamma function of dimension p: p (p - 1) / 4 log(pi) + the sum of lgamma(input - k / 2) over k < p."""
def ndtr(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Probability that a standard normal variable stays below `input`: erfc(-input / sqrt 2) / 2."""
def ndtri(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The z that a standard normal variable stays below with chance `input`."""
def polygamma(n: _int, input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The nth derivative of digamma, n >= 0: (-1)^(n + 1) n! zeta(n + 1, input)."""
def psi(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The derivative of lgamma; -inf at 0, NaN at the negative integers."""
def round(input: Tensor, *, decimals: _int = 0, out: Tensor | None = None) -> Tensor:
    """`input` rounded to `decimals` places (tens, hundreds ... when negative), halves to the even digit."""
def scaled_modified_bessel_k0(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """e^x times the modified Bessel function K of order 0."""
def scaled_modified_bessel_k1(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """e^x times the modified Bessel function K of order 1."""
def shifted_chebyshev_polynomial_t(input: Tensor, n: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """Chebyshev polynomial T of degree n at 2 input - 1; 0 for n < 0."""
def shifted_chebyshev_polynomial_u(input: Tensor, n: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """Chebyshev polynomial U of degree n at 2 input - 1; 0 for n < 0."""
def shifted_chebyshev_polynomial_v(input: Tensor, n: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """Chebyshev polynomial V of degree n at 2 input - 1; 0 for n < 0."""
def shifted_chebyshev_polynomial_w(input: Tensor, n: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """Chebyshev polynomial W of degree n at 2 input - 1; 0 for n < 0."""
def sigmoid(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Logistic function, 1 / (1 + e^-input)."""
def sinc(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """sin(pi input) / (pi input), and 1 at 0: the transform of a box."""
def softmax(input: Tensor, dim: _Ints | None = None, _stacklevel: _int = 3, dtype: _dtype | None = None, *, out: Tensor | None = None) -> Tensor:
    """exp(input) / sum(exp(input)) along `dim`: positive rows whose sum is 1, in `dtype` when given."""
def spherical_bessel_j0(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """sin(input) / input, 1 at 0 and 0 at infinity: the spherical Bessel function of order 0."""
def xlog1py(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """input * log1p(other), 0 where input is 0."""
def xlogy(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """input * log(other), and 0 where `input` is 0, whatever `other` is but NaN."""
def zeta(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """Hurwitz's zeta function: sum over k >= 0 of (other + k)^-input."""
