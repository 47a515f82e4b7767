"""Gamma and Dirichlet numbers: their slopes are those of the quantiles, their gradients those of the slopes."""

import math

import pytest

import numbatorch


def slope(function, *values):
    return function(*(numbatorch.tensor([v], dtype=numbatorch.float64) for v in values)).item()


def test_gamma_slope_of_exponential_numbers():
    # Of concentration 1: -log(1 - P(1, x)) = x, and dP/da at a = 1 by mpmath with 40 digits.
    found = slope(numbatorch._standard_gamma_grad, 1.0, math.log(2))
    assert found == pytest.approx(0.9680448304420449, rel=1e-10)


@pytest.mark.parametrize("a", [0.3, 1.0, 4.0, 30.0, 9000.0])
@pytest.mark.parametrize("z", [-1.5, 0.2, 3.0])
def test_gamma_slope_is_that_of_the_distribution_function(a, z):
    x, step = a * math.exp(z / math.sqrt(max(a, 1.0))), 1e-4 * min(a, math.sqrt(a))
    shares = numbatorch.igammac(numbatorch.tensor([a - step, a + step], dtype=numbatorch.float64),
                                numbatorch.tensor(x, dtype=numbatorch.float64)).tolist()
    density = math.exp((a - 1) * math.log(x) - x - math.lgamma(a))
    assert slope(numbatorch._standard_gamma_grad, a, x) == pytest.approx(
        (shares[1] - shares[0]) / (2 * step) / density, rel=1e-5)


def test_gamma_slope_of_large_concentrations_joins_on():
    """The expansion from 10,000 on and the sums below it agree."""
    for z in (-3.0, 0.0, 4.0):
        low, high = (slope(numbatorch._standard_gamma_grad, a, a + z * math.sqrt(a))
                     for a in (1e4, math.nextafter(1e4, 2e4)))
        assert low == pytest.approx(high, rel=1e-9)


@pytest.mark.parametrize("a, x", [(1.0, 0.1), (2.5, 0.7), (40.0, 0.99)])
def test_dirichlet_slope_of_powers(a, x):
    """With total = a + 1 the distribution function is x^a, so dx/da = -x log(x) / a."""
    assert slope(numbatorch._dirichlet_grad, x, a, a + 1) == pytest.approx(-x * math.log(x) / a / (1 - x), rel=1e-10)


def test_slopes_at_the_ends_are_zero():
    assert slope(numbatorch._standard_gamma_grad, 2.0, 0.0) == 0
    assert slope(numbatorch._dirichlet_grad, 0.0, 1.0, 2.0) == slope(numbatorch._dirichlet_grad, 1.0, 1.0, 2.0) == 0
    assert math.isnan(slope(numbatorch._standard_gamma_grad, math.nan, 1.0))


def test_gradient_of_dirichlet_numbers_keeps_their_sum():
    concentration = numbatorch.tensor([[0.5, 1.0, 2.0], [3.0, 7.0, 1.0]], requires_grad=True)
    sample = numbatorch._sample_dirichlet(concentration)
    assert sample.sum(-1).tolist() == pytest.approx([1.0, 1.0])
    sample.sum().backward()
    assert concentration.grad.abs().max().item() < 1e-6


def test_numbers_of_16_bits_are_refused():
    with pytest.raises(NotImplementedError, match="_standard_gamma.*bfloat16"):
        numbatorch._standard_gamma(numbatorch.ones(2, dtype=numbatorch.bfloat16))


@pytest.mark.parametrize("name, dtype", [("_standard_gamma", "float32"), ("_standard_gamma", "float64"),
                                         ("_sample_dirichlet", "float32"), ("_sample_dirichlet", "float64")])
def test_numbers_are_those_of_torch(name, dtype):
    torch = pytest.importorskip("torch")
    torch.manual_seed(5)
    with numbatorch.random.fork_rng():
        numbatorch.manual_seed(5)
        found, expected = (getattr(t, name)(t.tensor([[0.05, 0.9, 3.0, 11.0]] * 50, dtype=getattr(t, dtype))).numpy()
                           for t in (numbatorch, torch))
    if (name, dtype) == ("_sample_dirichlet", "float64"):  # the sum divided by is added up in another order
        assert abs(found / expected - 1).max() < 5e-16
    else:
        assert found.tobytes() == expected.tobytes()
