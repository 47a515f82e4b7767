"""Every distribution against PyTorch's: densities, moments, gradients, samples, expansion, divergences."""

import importlib.util
import warnings
from pathlib import Path

import numpy as np
import pytest

import numbatorch

torch = pytest.importorskip("torch")

_place = importlib.util.spec_from_file_location("distribution_cases", Path(__file__).with_name("cases.py"))
cases = importlib.util.module_from_spec(_place)
_place.loader.exec_module(cases)
LIBRARIES = (numbatorch, torch)


@pytest.fixture(autouse=True)
def own_random_state():
    with numbatorch.random.fork_rng(), torch.random.fork_rng(devices=[]):
        yield


def array(value):
    return value.detach().numpy()


def attempt(function, *arguments):
    """The value, or the type of the exception raised."""
    try:
        return function(*arguments)
    except (NotImplementedError, ValueError, TypeError, RuntimeError, AttributeError) as error:
        return type(error)


def same(found, expected, tolerance=1e-9):
    if isinstance(expected, type) or isinstance(found, type):
        assert found is expected
    else:
        assert tuple(found.shape) == tuple(expected.shape)
        np.testing.assert_allclose(array(found), array(expected), rtol=tolerance, atol=tolerance)


def draw_once(distribution, shape):
    """PyTorch takes regular samples of Wishart for singular ones and draws them anew, unless told to do it 0 times."""
    if isinstance(distribution, torch.distributions.Distribution):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return distribution.rsample(shape, max_try_correction=0)
    return distribution.rsample(shape)


def sample(name, shape=(4,)):
    """Values of a case that PyTorch draws, in both libraries."""
    torch.manual_seed(3)
    distribution = make_torch(name)[0]
    values = draw_once(distribution, shape) if "Wishart" in name else distribution.sample(shape)
    return numbatorch.tensor(values.numpy()), values


def make_torch(name, requires_grad=False):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cases.make(torch, name, requires_grad)


def make_own(name, requires_grad=False):
    return cases.make(numbatorch, name, requires_grad)


# What PyTorch computes with approximations, or gets wrong.
LOOSE = {"VonMises": 2e-6, "GeneralizedPareto": 1e-5, "Multinomial": 1e-6}
ONLY_HERE = {("Kumaraswamy", "mode")}  # NaN there: tests/distributions/test_distributions.py


@pytest.mark.parametrize("name", cases.CASES)
def test_density_and_moments(name):
    (own, _), (theirs, _) = make_own(name), make_torch(name)
    assert repr(own) == repr(theirs)
    for what in ("batch_shape", "event_shape", "has_rsample", "has_enumerate_support"):
        assert tuple(np.ravel(getattr(own, what))) == tuple(np.ravel(getattr(theirs, what))), what
    tolerance = LOOSE.get(name, 1e-9)
    for what in ("mean", "mode", "variance", "stddev"):
        if (name, what) not in ONLY_HERE:
            same(attempt(getattr, own, what), attempt(getattr, theirs, what), tolerance)
    same(attempt(own.entropy), attempt(theirs.entropy), tolerance)
    mine, other = sample(name)
    for what in ("log_prob", "cdf"):
        same(attempt(getattr(own, what), mine), attempt(getattr(theirs, what), other), tolerance)
    if name != "GeneralizedPareto":
        shares = [cases.tensor(library, [[0.1], [0.5], [0.8]]) for library in LIBRARIES]
        same(attempt(own.icdf, shares[0]), attempt(theirs.icdf, shares[1]), tolerance)
    for expand in (True, False):
        same(attempt(own.enumerate_support, expand), attempt(theirs.enumerate_support, expand))


@pytest.mark.parametrize("name", cases.CASES)
def test_gradients_of_densities_and_entropies(name):
    gradients = []
    for library, make, value in zip(LIBRARIES, (make_own, make_torch), sample(name), strict=True):
        distribution, leaves = make(name, requires_grad=True)
        total = distribution.log_prob(value).sum()
        entropy = attempt(distribution.entropy)
        total = total if isinstance(entropy, type) else total + entropy.sum()
        leaves = [leaf for leaf in leaves if leaf.requires_grad]
        gradients.append(library.autograd.grad(total, leaves, allow_unused=True))
    for found, expected in zip(*gradients, strict=True):
        if expected is None:
            assert found is None or float(found.abs().max()) == 0
        else:
            # PyTorch's log_prob of Wishart lets gradients into the half of the factor that has to be 0.
            of_factor = name == "Wishart of a factor" and found.ndim == 2
            same(found, expected.tril() if of_factor else expected, LOOSE.get(name, 1e-8))


@pytest.mark.parametrize("name", cases.CASES)
def test_samples_and_their_gradients(name):
    results = []
    for library, make in zip(LIBRARIES, (make_own, make_torch), strict=True):
        distribution, leaves = make(name, requires_grad=True)
        library.manual_seed(8)
        once = "Wishart" in name
        drawn = [] if once else [distribution.sample((3,)), distribution.sample()]
        gradients = []
        if distribution.has_rsample:
            drawn.append(draw_once(distribution, (2, 2)) if once else distribution.rsample((2, 2)))
            weights = library.arange(drawn[-1].numel(), dtype=drawn[-1].dtype).reshape(drawn[-1].shape) / 7 + 1
            gradients = library.autograd.grad((drawn[-1] * weights).sum(), leaves, allow_unused=True)
        results.append((drawn, gradients))
    (drawn, gradients), (their_drawn, their_gradients) = results
    for found, expected in zip(drawn, their_drawn, strict=True):
        assert str(found.dtype).split(".")[-1] == str(expected.dtype).split(".")[-1]
        same(found, expected, 1e-6 if name == "GeneralizedPareto" else 1e-12)
    for found, expected in zip(gradients, their_gradients, strict=True):
        if expected is None:
            assert found is None or float(found.abs().max()) == 0
        else:
            same(found, expected, 2e-3 if "amma" in name or name in IMPLICIT else LOOSE.get(name, 1e-8))


# PyTorch approximates the slopes of gamma and beta numbers: tests/ops/test_variates.py has the exact ones.
IMPLICIT = ("Beta", "Chi2", "Dirichlet", "FisherSnedecor", "InverseGamma", "StudentT", "Wishart")


@pytest.mark.parametrize("name", cases.CASES)
def test_expansion(name):
    (own, _), (theirs, _) = make_own(name), make_torch(name)
    mine, other = sample(name)
    shape = (2, 1, *own.batch_shape)
    wide, their_wide = own.expand(shape), theirs.expand(shape)
    assert tuple(wide.batch_shape) == shape and wide.event_shape == own.event_shape and type(wide) is type(own)
    same(wide.log_prob(mine[0]), their_wide.log_prob(other[0]), LOOSE.get(name, 1e-9))
    numbatorch.manual_seed(2)
    assert tuple(wide.sample((3,)).shape) == (3, *shape, *own.event_shape)
    same(attempt(getattr, wide, "mean"), attempt(getattr, their_wide, "mean"))


PAIRS = sorted((a.__name__, b.__name__) for a, b in torch.distributions.kl._KL_REGISTRY
               if a.__name__ in cases.CASES and b.__name__ in cases.CASES)
# Parameters beside those of CASES, so that both sides of a pair differ and have values in common.
OTHERS = {
    "Bernoulli": {"probs": [0.3]}, "Beta": {"concentration1": [1.5], "concentration0": [0.8]},
    "Binomial": {"total_count": 12, "probs": [0.3]}, "Categorical": {"probs": [0.4, 0.1, 0.8]},
    "Cauchy": {"loc": [0.1], "scale": [1.1]}, "ContinuousBernoulli": {"probs": [0.3]},
    "Dirichlet": {"concentration": [1.5, 2.0, 0.7]}, "Exponential": {"rate": [1.7]},
    "Gamma": {"concentration": [1.3], "rate": [0.6]}, "Geometric": {"probs": [0.3]},
    "Gumbel": {"loc": [0.2], "scale": [1.3]}, "HalfNormal": {"scale": [1.4]}, "Laplace": {"loc": [0.2], "scale": [1.3]},
    "LowRankMultivariateNormal": {"loc": [0.1, 0.2, 0.3], "cov_factor": [[0.5], [1.0], [-1.0]],
                                  "cov_diag": [1.0, 0.5, 2.0]},
    "MultivariateNormal": {"loc": [0.1, 0.2, 0.3], "scale_tril": cases.LOWER},
    "Normal": {"loc": [0.2], "scale": [1.3]}, "OneHotCategorical": {"probs": [0.4, 0.1, 0.8]},
    "Pareto": {"scale": [0.6], "alpha": [2.5]}, "Poisson": {"rate": [1.5]}, "Uniform": {"low": [-2.0], "high": [5.0]},
}


def other(library, name):
    given = {k: cases.tensor(library, v) if isinstance(v, list) else v for k, v in OTHERS[name].items()}
    return getattr(library.distributions, name)(**given)


def test_all_pairs_are_registered():
    own = {(a.__name__, b.__name__) for a, b in numbatorch.distributions.kl._KL_REGISTRY}
    assert own == {(a.__name__, b.__name__) for a, b in torch.distributions.kl._KL_REGISTRY}


@pytest.mark.parametrize("first, second", PAIRS, ids=lambda name: name)
def test_divergence(first, second):
    results = []
    for library, make in zip(LIBRARIES, (make_own, make_torch), strict=True):
        p = make(first)[0]
        results.append(library.distributions.kl_divergence(p, other(library, second).expand(p.batch_shape)))
    same(*results, 1e-8)
