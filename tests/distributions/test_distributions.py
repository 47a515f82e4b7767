"""Distributions by themselves: what the tables of the comparisons do not say."""

import copy
import math
import pickle
import subprocess
import sys

import pytest

import numbatorch as torch
import numbatorch.distributions as d


def test_submodules_by_the_names_that_programs_use():
    from numbatorch.distributions.half_normal import HalfNormal
    from numbatorch.distributions.kl import kl_divergence
    from numbatorch.distributions.lowrank_multivariate_normal import LowRankMultivariateNormal
    from numbatorch.distributions.relaxed_categorical import RelaxedOneHotCategorical
    from numbatorch.distributions.studentT import StudentT
    assert (HalfNormal, LowRankMultivariateNormal, StudentT, RelaxedOneHotCategorical) == (
        d.HalfNormal, d.LowRankMultivariateNormal, d.StudentT, d.RelaxedOneHotCategorical)
    assert kl_divergence is d.kl_divergence
    assert d.normal.Normal is d.Normal and d.dirichlet.Dirichlet is d.Dirichlet
    assert d.utils.broadcast_all and d.constraint_registry.biject_to is d.biject_to
    assert d.transformed_distribution.TransformedDistribution and d.independent.Independent


def test_the_package_is_imported_when_named():
    code = ("import sys, numbatorch; early = 'numbatorch.distributions' in sys.modules; "
            "numbatorch.distributions.Normal; sys.exit(early or 'numba' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("make, message", [
    (lambda: d.Normal(0.0, torch.tensor([1.0, -1.0])),
     r"Expected parameter scale \(Tensor of shape \(2,\)\) of distribution Normal\(loc: torch.Size\(\[2\]\), scale: "
     r"torch.Size\(\[2\]\)\) to satisfy the constraint GreaterThan\(lower_bound=0.0\), but found invalid values"),
    (lambda: d.Uniform(2.0, 1.0), "parameter low .* constraint LessThan"),
    (lambda: d.Bernoulli(), "Either `probs` or `logits` must be specified, but not both. Bernoulli got neither"),
    (lambda: d.Categorical(torch.tensor(0.5)), "`probs` parameter must be at least one-dimensional"),
    (lambda: d.Normal(0.0, 1.0).log_prob(1.0), "value argument to log_prob must be a Tensor, not float"),
    (lambda: d.Gamma(1.0, 1.0).log_prob(torch.tensor(-1.0)), r"within the support \(GreaterThanEq\(lower_bound=0"),
    (lambda: d.Normal(torch.zeros(2), 1.0).log_prob(torch.zeros(3)), "not broadcastable with batch_shape"),
    (lambda: d.Dirichlet(torch.ones(2)).log_prob(torch.ones(3)), "right-most size of value must match event_shape"),
    (lambda: d.MultivariateNormal(torch.zeros(2)), "Exactly one of covariance_matrix or precision_matrix"),
    (lambda: d.MultivariateNormal(torch.zeros(2), -torch.eye(2)), "parameter covariance_matrix .* PositiveDefinite"),
    (lambda: d.LKJCholesky(1), "greater than or equal to 2. Found dim=1"),
    (lambda: d.Wishart(torch.tensor(0.5), torch.eye(2)), "expected to be greater than ndim - 1 = 1"),
    (lambda: d.Independent(d.Normal(0.0, 1.0), 1), "Expected reinterpreted_batch_ndims <= .* actual 1 vs 0"),
    (lambda: d.TransformedDistribution(d.Normal(0.0, 1.0), [3]), "must be a Transform or a list of Transforms"),
    (lambda: d.MixtureSameFamily(d.Categorical(torch.ones(5)), d.Normal(torch.zeros(4), 1.0)), r"\(5\) does not equal"),
    (lambda: d.Distribution.set_default_validate_args(3), "True or False, got 3"),
])
def test_errors_name_what_is_wrong(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("call, message", [
    (lambda: d.Gamma(1.0, 1.0).icdf(torch.tensor(0.5)), "Gamma.* does not implement icdf"),
    (lambda: d.Bernoulli(0.5).rsample(), "Bernoulli.* does not implement rsample"),
    (lambda: d.kl_divergence(d.Normal(0.0, 1.0), d.Cauchy(0.0, 1.0)), "p type Normal and q type Cauchy"),
    (lambda: d.transform_to(d.constraints.lower_triangular), "Cannot transform _LowerTriangular constraints"),
    (lambda: d.Binomial(torch.tensor([3.0, 2.0]), torch.tensor(0.5)).enumerate_support(), "Inhomogeneous total count"),
    (lambda: d.AbsTransform().sign, "AbsTransform has no sign"),
])
def test_what_is_not_there_says_so(call, message):
    with pytest.raises(NotImplementedError, match=message):
        call()


def test_checks_can_be_turned_off():
    assert d.Normal(0.0, -1.0, validate_args=False).scale.item() == -1
    before = d.Distribution._validate_args
    try:
        d.Distribution.set_default_validate_args(False)
        assert d.Normal(0.0, -1.0).scale.item() == -1
    finally:
        d.Distribution.set_default_validate_args(before)


def test_mode_of_kumaraswamy_is_where_the_density_is_largest():
    x = torch.linspace(0.001, 0.999, 999)
    distribution = d.Kumaraswamy(1.5, 2.0)
    assert distribution.mode.item() == pytest.approx(x[distribution.log_prob(x).argmax()].item(), abs=1e-3)
    assert math.isnan(d.Kumaraswamy(0.5, 2.0).mode.item())


@pytest.mark.parametrize("make", [
    lambda: d.Gamma(2.5, 1.5), lambda: d.Beta(2.0, 3.0), lambda: d.StudentT(5.0, 1.0, 2.0), lambda: d.Laplace(1.0, 2.0),
    lambda: d.ContinuousBernoulli(0.3), lambda: d.Kumaraswamy(2.0, 3.0), lambda: d.FisherSnedecor(5.0, 12.0),
    lambda: d.Weibull(2.0, 1.5), lambda: d.Gumbel(1.0, 2.0), lambda: d.NegativeBinomial(5.0, 0.3),
    lambda: d.GeneralizedPareto(0.5, 1.0, 0.1), lambda: d.HalfNormal(2.0),
], ids=lambda make: "")
def test_samples_have_the_moments_stated(make):
    distribution = make()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawn = distribution.sample((40000,)).double()
    assert drawn.mean().item() == pytest.approx(distribution.mean.item(), rel=0.03)
    assert drawn.std().item() == pytest.approx(distribution.stddev.item(), rel=0.06)


def test_wishart_samples_have_the_mean_stated():
    distribution = d.Wishart(torch.tensor(7.0), torch.tensor([[1.0, 0.5], [0.5, 2.0]]))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawn = distribution.sample((20000,))
    assert drawn.mean(0).flatten().tolist() == pytest.approx(distribution.mean.flatten().tolist(), rel=0.03)
    assert drawn.var(0).flatten().tolist() == pytest.approx(distribution.variance.flatten().tolist(), rel=0.06)


def test_gradients_reach_parameters_through_samples():
    """d E[x] / d concentration = 1 / rate, estimated from one batch of samples."""
    concentration = torch.tensor(2.0, requires_grad=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        d.Gamma(concentration, 0.5).rsample((20000,)).mean().backward()
    assert concentration.grad.item() == pytest.approx(2.0, rel=0.02)


@pytest.fixture
def registry():
    """The table of divergences, left as it was found."""
    before = dict(d.kl._KL_REGISTRY)
    yield
    for pair in set(d.kl._KL_REGISTRY) - set(before):
        del d.kl._KL_REGISTRY[pair]


def test_a_subclass_with_its_own_init_brings_its_own_expand():
    class Shifted(d.Normal):
        def __init__(self, shift):
            super().__init__(shift + 1.0, 1.0)

    with pytest.raises(NotImplementedError, match="must also define a custom .expand"):
        Shifted(torch.zeros(2)).expand((3, 2))

    class Plain(d.Normal):
        pass

    assert type(Plain(torch.zeros(2), 1.0).expand((3, 2))) is Plain


def test_a_distribution_of_ones_own(registry):
    class Triangle(d.Distribution):
        arg_constraints = {"width": d.constraints.positive}
        support = d.constraints.nonnegative
        has_rsample = True

        def __init__(self, width, validate_args=None):
            (self.width,) = d.utils.broadcast_all(width)
            super().__init__(self.width.shape, validate_args=validate_args)

        def rsample(self, sample_shape=()):
            return self.width * torch.rand(self._extended_shape(sample_shape)).sqrt()

    with pytest.raises(ValueError, match=r"Triangle\(width: -1.0\)"):
        Triangle(-1.0)
    assert tuple(Triangle(torch.ones(2)).sample((3,)).shape) == (3, 2)

    @d.register_kl(Triangle, Triangle)
    def divergence(p, q):
        return p.width - q.width

    assert d.kl_divergence(Triangle(3.0), Triangle(1.0)).item() == 2
    with pytest.raises(NotImplementedError, match="does not implement expand"):
        Triangle(1.0).expand((2,))


def test_the_most_special_divergence_is_taken(registry):
    class Special(d.Normal):
        pass

    @d.register_kl(Special, d.Normal)
    def divergence(p, q):
        return "special"

    assert d.kl_divergence(Special(0.0, 1.0), d.Normal(0.0, 1.0)) == "special"
    assert d.kl_divergence(d.Normal(0.0, 1.0), Special(0.0, 1.0)).item() == 0


def test_copies_and_pickles():
    for distribution in (d.Normal(0.0, torch.ones(2)), d.Categorical(logits=torch.zeros(3)), d.LogNormal(0.0, 1.0),
                         d.TransformedDistribution(d.Normal(0.0, 1.0), [d.ExpTransform().inv])):
        for made in (copy.deepcopy(distribution), pickle.loads(pickle.dumps(distribution))):
            assert repr(made) == repr(distribution)
            assert tuple(made.sample((2,)).shape) == (2, *distribution.batch_shape)


def test_a_cache_returns_what_was_given():
    transform = d.TanhTransform(cache_size=1)
    x = torch.tensor([9.5, -20.0])
    assert transform.inv(transform(x)) is x
    assert transform.inv.inv is transform


def test_a_mixture_of_components_that_outnumber_the_weights():
    mixture = d.MixtureSameFamily(d.Categorical(torch.ones(3)), d.Normal(torch.zeros(2, 3), 1.0))
    assert tuple(mixture.sample((5,)).shape) == (5, 2)


def test_divergences_are_infinite_outside_the_support():
    assert d.kl_divergence(d.Uniform(-1.0, 0.5), d.Beta(2.0, 3.0)).item() == math.inf
    assert d.kl_divergence(d.Uniform(torch.tensor([0.2, -0.1]), 0.9), d.Uniform(0.0, 1.0)).tolist()[1] == math.inf
    never = d.Bernoulli(torch.tensor(0.0))
    assert d.kl_divergence(d.Bernoulli(torch.tensor([0.0, 0.3])), never).tolist() == [0, math.inf]
    assert d.kl_divergence(d.Categorical(torch.tensor([0.5, 0.5, 0.0])),
                           d.Categorical(torch.tensor([1.0, 0.0, 1.0]))).item() == math.inf
    assert d.kl_divergence(d.Pareto(1.0, 2.0), d.Normal(0.0, 1.0)).item() == math.inf


def test_entropy_and_divergence_of_exponential_families_by_differentiation():
    rate = torch.tensor([0.5, 2.0], requires_grad=True)
    by_slopes = d.ExponentialFamily.entropy(d.Exponential(rate))
    assert by_slopes.tolist() == pytest.approx(d.Exponential(rate).entropy().tolist())
    assert torch.autograd.grad(by_slopes.sum(), rate)[0].tolist() == pytest.approx([-2.0, -0.5])
    general = d.kl._KL_REGISTRY[d.ExponentialFamily, d.ExponentialFamily]
    for p, q in ((d.Gamma(2.0, rate), d.Gamma(3.0, 0.7)), (d.Normal(rate, 1.0), d.Normal(0.0, rate)),
                 (d.Dirichlet(torch.tensor([[0.5, 2.0], [1.0, 3.0]])), d.Dirichlet(torch.tensor([2.0, 1.0])))):
        assert general(p, q).tolist() == pytest.approx(d.kl_divergence(p, q).tolist(), rel=1e-4)
    with torch.no_grad():
        assert not d.ExponentialFamily.entropy(d.Exponential(rate)).requires_grad


def test_divergence_of_wishart_distributions_side_by_side():
    first, second = (d.Wishart(torch.tensor(df), torch.eye(2)) for df in (3.0, 5.0))
    both = d.Wishart(torch.tensor([3.0, 5.0]), torch.eye(2))
    q = d.Wishart(torch.tensor(4.0), 2 * torch.eye(2))
    assert d.kl_divergence(both, q).tolist() == pytest.approx(
        [d.kl_divergence(first, q).item(), d.kl_divergence(second, q).item()])
    assert d.kl_divergence(q, q).item() == pytest.approx(0, abs=1e-6)


def test_optimising_through_a_transform():
    raw = torch.zeros(3, requires_grad=True)
    scale = d.transform_to(d.constraints.positive)(raw)
    d.Normal(0.0, scale).log_prob(torch.tensor([0.5, 1.0, 2.0])).sum().backward()
    assert raw.grad.tolist() == pytest.approx([-0.75, 0.0, 3.0])
