"""Special functions at known values and by the identities that define them."""

import math

import numpy as np
import pytest

import numbatorch as torch

special = torch.special


def wide(values, **options):
    return torch.tensor(values, dtype=torch.float64, **options)


def close(got, want, tolerance=1e-13):
    np.testing.assert_allclose(got.numpy(), want, rtol=tolerance, atol=tolerance)


POSITIVE = np.concatenate([np.linspace(0.05, 12, 200), [30.0, 300.0]])


def test_wronskians_of_bessel_functions():
    x = wide(POSITIVE)
    close(special.bessel_j1(x) * special.bessel_y0(x) - special.bessel_j0(x) * special.bessel_y1(x),
          2 / (np.pi * POSITIVE))
    small = POSITIVE[POSITIVE < 100]
    x = wide(small)
    close((special.modified_bessel_i0(x) * special.modified_bessel_k1(x)
           + special.modified_bessel_i1(x) * special.modified_bessel_k0(x)) * x, np.ones_like(small))


@pytest.mark.parametrize("name, argument, value", [
    ("bessel_j0", 10.0, -0.2459357644513483), ("bessel_j1", -10.0, -0.04347274616886144),
    ("bessel_y0", 1.0, 0.08825696421567698), ("bessel_y1", 20.0, -0.1655116143625042),
    ("modified_bessel_k0", 0.0, math.inf), ("bessel_y1", -1.0, math.nan), ("airy_ai", 0.0, 0.3550280538878172),
    ("airy_ai", 4.0, 0.0009515638512048022), ("airy_ai", -10.0, 0.04024123848644319),
    ("spherical_bessel_j0", 0.0, 1.0), ("erfcx", 1.0, 0.427583576155807), ("erfcx", 100.0, 0.005641613782989433),
    ("entr", 0.5, 0.34657359027997264), ("entr", -1.0, -math.inf), ("ndtr", 0.0, 0.5)])
def test_values(name, argument, value):
    close(getattr(special, name)(wide(argument)), value)


def test_zeta_and_polygamma():
    close(special.zeta(wide([2.0, 4.0, 1.0, 0.5]), wide(1.0)), [math.pi**2 / 6, math.pi**4 / 90, math.inf, math.nan])
    x = wide([0.3, 1.5, 20.0, -2.5])
    for n in range(5):  # psi_n(x + 1) = psi_n(x) + (-1)^n n! x^-(n + 1)
        close(torch.polygamma(n, x + 1), (x.polygamma(n) + (-1) ** n * math.factorial(n) * x ** -(n + 1)).numpy(),
              1e-11)
    with pytest.raises(RuntimeError, match="negative"):
        torch.polygamma(-1, x)


def test_derivatives_of_digamma_to_the_third():
    x = wide([0.7, 3.0], requires_grad=True)
    value = torch.digamma(x)
    for n in (1, 2, 3):
        (value,) = torch.autograd.grad(value.sum(), x, create_graph=True)
        close(value.detach(), torch.polygamma(n, x.detach()).numpy())


def test_incomplete_gamma_functions():
    a, x = (wide(v) for v in np.meshgrid([0.2, 1.0, 7.5, 120.0], [0.0, 0.01, 1.0, 9.0, 130.0]))
    p, q = torch.igamma(a, x), torch.igammac(a, x)
    close(p + q, np.ones(p.shape))
    close(torch.igamma(wide(1.0), wide([0.5, 3.0])), 1 - np.exp([-0.5, -3.0]))
    step = torch.exp(a * torch.log(x) - x - torch.lgamma(a + 1))  # P(a + 1, x) = P(a, x) - x^a e^-x / gamma(a + 1)
    close(torch.igamma(a + 1, x), (p - step).numpy(), 1e-12)
    y = wide([0.5, 2.0], requires_grad=True)
    torch.igamma(wide(3.0), y).sum().backward()
    close(y.grad, y.detach().numpy() ** 2 * np.exp(-y.detach().numpy()) / 2)
    with pytest.raises(NotImplementedError, match="igamma"):
        torch.igamma(y, y).sum().backward()


def test_polynomials():
    x = np.linspace(-2, 2, 21)
    for n, (t, u, h, legendre, laguerre) in enumerate([
            (1 + 0 * x, 1 + 0 * x, 1 + 0 * x, 1 + 0 * x, 1 + 0 * x), (x, 2 * x, 2 * x, x, 1 - x),
            (2 * x**2 - 1, 4 * x**2 - 1, 4 * x**2 - 2, 1.5 * x**2 - 0.5, 1 - 2 * x + x**2 / 2),
            (4 * x**3 - 3 * x, 8 * x**3 - 4 * x, 8 * x**3 - 12 * x, 2.5 * x**3 - 1.5 * x,
             1 - 3 * x + 1.5 * x**2 - x**3 / 6)]):
        degree = torch.tensor(n)
        for name, want in (("chebyshev_polynomial_t", t), ("chebyshev_polynomial_u", u), ("hermite_polynomial_h", h),
                           ("legendre_polynomial_p", legendre), ("laguerre_polynomial_l", laguerre)):
            close(getattr(special, name)(wide(x), degree), want, 1e-12)
    close(special.chebyshev_polynomial_v(wide([0.3, 2.0]), torch.tensor(2)), [4 * 0.09 - 0.6 - 1, 11])
    close(special.shifted_chebyshev_polynomial_t(wide([0.3, 2.0]), torch.tensor(1)), [-0.4, 3])
