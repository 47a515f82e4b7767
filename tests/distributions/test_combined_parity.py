"""Transforms, constraints and combined distributions against PyTorch's."""

import numpy as np
import pytest

import numbatorch

torch = pytest.importorskip("torch")
LIBRARIES = (numbatorch, torch)


def tensor(library, values):
    return library.tensor(values, dtype=library.float64)


def compare(found, expected, tolerance=1e-10):
    assert type(found).__name__ == type(expected).__name__
    if hasattr(expected, "detach"):
        assert tuple(found.shape) == tuple(expected.shape)
        np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy(), rtol=tolerance, atol=tolerance)
    else:
        assert found == expected or repr(found) == repr(expected)


def attempt(function, *arguments):
    try:
        return function(*arguments)
    except (NotImplementedError, ValueError, TypeError) as error:
        return type(error)


NUMBERS = [[0.3, -1.2, 2.0], [0.1, 0.9, -0.4]]
POSITIVE = [[0.3, 1.2, 2.0], [0.1, 0.9, 0.4]]
SQUARE = [[0.3, -1.2, 2.0], [0.1, 0.9, -0.4], [1.1, 0.2, 0.5]]
TRANSFORMS = {
    "abs": (lambda d, t: d.AbsTransform(), NUMBERS),
    "affine": (lambda d, t: d.AffineTransform(0.5, -2.0), NUMBERS),
    "affine of tensors": (lambda d, t: d.AffineTransform(t([0.1, 0.2, 0.3]), t([1.0, -2.0, 3.0])), NUMBERS),
    "affine of vectors": (lambda d, t: d.AffineTransform(0.5, t([1.0, -2.0, 3.0]), event_dim=1), NUMBERS),
    "cat": (lambda d, t: d.CatTransform([d.ExpTransform(), d.AffineTransform(1, 2)], dim=1, lengths=[1, 2]), NUMBERS),
    "compose": (lambda d, t: d.ComposeTransform([d.AffineTransform(0, 2), d.TanhTransform()]), NUMBERS),
    "compose to simplex": (lambda d, t: d.ComposeTransform([d.AffineTransform(0, 2), d.StickBreakingTransform()]),
                           NUMBERS),
    "corr cholesky": (lambda d, t: d.CorrCholeskyTransform(), NUMBERS),
    "cdf": (lambda d, t: d.CumulativeDistributionTransform(d.Normal(t(0.1), t(2.0))), NUMBERS),
    "exp": (lambda d, t: d.ExpTransform(), NUMBERS),
    "log": (lambda d, t: d.ExpTransform().inv, POSITIVE),
    "independent": (lambda d, t: d.IndependentTransform(d.ExpTransform(), 1), NUMBERS),
    "lower cholesky": (lambda d, t: d.LowerCholeskyTransform(), SQUARE),
    "positive definite": (lambda d, t: d.PositiveDefiniteTransform(), SQUARE),
    "power": (lambda d, t: d.PowerTransform(t(1.7)), POSITIVE),
    "power below 0": (lambda d, t: d.PowerTransform(t([-1.0, 2.0, -0.5])), POSITIVE),
    "reshape": (lambda d, t: d.ReshapeTransform((3,), (3, 1)), NUMBERS),
    "sigmoid": (lambda d, t: d.SigmoidTransform(), NUMBERS),
    "softmax": (lambda d, t: d.SoftmaxTransform(), NUMBERS),
    "softplus": (lambda d, t: d.SoftplusTransform(), NUMBERS),
    "stack": (lambda d, t: d.StackTransform([d.ExpTransform(), d.SigmoidTransform(), d.identity_transform], dim=1),
              NUMBERS),
    "stick breaking": (lambda d, t: d.StickBreakingTransform(), NUMBERS),
    "tanh": (lambda d, t: d.TanhTransform(), NUMBERS),
    "cached": (lambda d, t: d.TanhTransform(cache_size=1), NUMBERS),
    "identity": (lambda d, t: d.identity_transform, NUMBERS),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transform(name):
    make, values = TRANSFORMS[name]
    seen = []
    for library in LIBRARIES:
        transform = make(library.distributions, lambda v, library=library: tensor(library, v))
        x = tensor(library, values).requires_grad_()
        y = transform(x)
        back = transform.inv(y)
        slope = attempt(transform.log_abs_det_jacobian, x, y)
        total = y.sum() + (0 if isinstance(slope, type) else slope.sum())
        seen.append([y, back, slope, library.autograd.grad(total, [x])[0], attempt(lambda t: t.sign, transform),
                     transform.bijective, repr(transform), repr(transform.inv),
                     repr(transform.domain), repr(transform.codomain), transform.domain.event_dim,
                     tuple(transform.forward_shape(x.shape)), tuple(transform.inverse_shape(y.shape)),
                     transform.inv.inv is transform, transform.with_cache(1)._cache_size])
    for found, expected in zip(*seen, strict=True):
        compare(found, expected)


def listed(c, t):
    """Constraints with values in and out of them."""
    numbers = t([[0.0, 1.0, 0.5], [2.0, -3.0, float("nan")]])
    matrices = t([[[2.0, 0.3], [0.3, 1.0]], [[1.0, 0.0], [0.5, 2.0]], [[0.0, 0.0], [0.6, 0.8]],
                  [[1.0, 2.0], [2.0, 1.0]], [[1.0, 0.0], [0.6, 0.8]]])
    vectors = t([[0.2, 0.8], [0.0, 1.0], [1.0, 1.0], [-0.5, 1.5]])
    for constraint in (c.boolean, c.real, c.positive, c.nonnegative, c.unit_interval, c.interval(-1.0, 2.0),
                       c.half_open_interval(0.0, 2.0), c.less_than(0.5), c.greater_than(0.5), c.greater_than_eq(0.5),
                       c.nonnegative_integer, c.positive_integer, c.integer_interval(0, 1), c.real_vector,
                       c.independent(c.positive, 1), c.cat([c.positive, c.real], 1, [1, 2]),
                       c.stack([c.positive, c.real, c.boolean], 1)):
        yield constraint, numbers
    for constraint in (c.simplex, c.one_hot, c.multinomial(1), c.real_vector):
        yield constraint, vectors
    for constraint in (c.square, c.symmetric, c.lower_triangular, c.lower_cholesky, c.corr_cholesky):
        yield constraint, matrices
    for constraint in (c.positive_definite, c.positive_semidefinite):
        for matrix in matrices:
            yield constraint, matrix


def test_constraints():
    pairs = [list(listed(m.distributions.constraints, lambda v, m=m: tensor(m, v))) for m in LIBRARIES]
    for (own, value), (theirs, their_value) in zip(*pairs, strict=True):
        assert repr(own) == repr(theirs)
        assert own.check(value).tolist() == theirs.check(their_value).tolist(), own
        assert (own.event_dim, own.is_discrete) == (theirs.event_dim, theirs.is_discrete), own


@pytest.mark.parametrize("registry", ["biject_to", "transform_to"])
def test_transforms_of_constraints(registry):
    pairs = [list(listed(m.distributions.constraints, lambda v, m=m: tensor(m, v))) for m in LIBRARIES]
    for (own, _), (theirs, _) in zip(*pairs, strict=True):
        found = attempt(getattr(numbatorch.distributions, registry), own)
        expected = attempt(getattr(torch.distributions, registry), theirs)
        assert repr(found) == repr(expected)


def _mixture(d, t):
    return d.MixtureSameFamily(d.Categorical(t([[0.2, 0.5, 0.3], [1.0, 2.0, 1.0]])),
                               d.Normal(t([[0.0, 1.0, 2.0]] * 2), t([1.0, 0.5, 2.0])))


def _vector_mixture(d, t):
    components = d.Independent(d.Normal(t([[0.0, 1.0], [2.0, 3.0]]), t([[1.0, 0.5], [2.0, 1.0]])), 1)
    return d.MixtureSameFamily(d.Categorical(logits=t([0.2, 0.5])), components)


COMBINED = {
    "independent": (lambda d, t: d.Independent(d.Gamma(t([[1.0, 2.0]] * 3), t([1.0, 0.5])), 1), [[0.3, 1.5]]),
    "mixture": (_mixture, [0.3, -1.5]),
    "mixture of vectors": (_vector_mixture, [[0.3, -1.5], [1.0, 2.0]]),
    "transformed": (lambda d, t: d.TransformedDistribution(
        d.Normal(t([0.0, 1.0]), t([1.0, 2.0])), [d.SigmoidTransform(), d.AffineTransform(1.0, -2.0)]), [0.3, -0.5]),
    "transformed vectors": (lambda d, t: d.TransformedDistribution(
        d.Normal(t([[0.0, 1.0]] * 3), t([1.0, 2.0])), [d.StickBreakingTransform()]), [[0.3, 0.2, 0.5]] * 3),
    "transformed and widened": (lambda d, t: d.TransformedDistribution(
        d.Laplace(t(0.0), t(1.0)), d.AffineTransform(t([0.0, 1.0]), t([1.0, 2.0]))), [0.3, -0.5]),
    "transformed by a distribution": (lambda d, t: d.TransformedDistribution(
        d.Uniform(t(0.0), t(1.0)), d.CumulativeDistributionTransform(d.Normal(t(0.0), t(1.0))).inv), [0.3, -0.5]),
}


@pytest.mark.parametrize("name", COMBINED)
def test_combined(name):
    make, values = COMBINED[name]
    seen = []
    for library in LIBRARIES:
        distribution = make(library.distributions, lambda v, library=library: tensor(library, v))
        value = tensor(library, values)
        library.manual_seed(4)
        wide = distribution.expand((4, 1, *distribution.batch_shape))
        seen.append([distribution.sample((3,)), distribution.log_prob(value), attempt(distribution.cdf, value),
                     attempt(distribution.icdf, tensor(library, 0.3)), attempt(lambda d: d.mean, distribution),
                     attempt(lambda d: d.variance, distribution), attempt(distribution.entropy), repr(distribution),
                     repr(distribution.support), tuple(distribution.batch_shape), tuple(distribution.event_shape),
                     wide.log_prob(value), tuple(wide.sample((2,)).shape), distribution.has_rsample])
    for found, expected in zip(*seen, strict=True):
        compare(found, expected)


def test_triangles_as_vectors():
    for diag in (-1, 0, 1):
        vector = torch.arange(1.0, 1 + {-1: 6, 0: 6, 1: 8}[diag])
        expected = torch.distributions.utils.vec_to_tril_matrix(vector, diag)
        found = numbatorch.distributions.utils.vec_to_tril_matrix(numbatorch.tensor(vector.numpy()), diag)
        assert found.tolist() == expected.tolist()
        assert numbatorch.distributions.utils.tril_matrix_to_vec(found, diag).tolist() == vector.tolist()
