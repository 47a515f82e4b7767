"""Exponential families, whose entropy and divergence follow from the log-normaliser by differentiation."""

import numbatorch as torch
from numbatorch.distributions.distribution import Distribution
from numbatorch.distributions.utils import _sum_rightmost


class ExponentialFamily(Distribution):
    """density(x) = exp(<t(x), theta> - F(theta) + k(x)).

    A subclass gives theta as `_natural_params`, F as `_log_normalizer` and the mean of k as `_mean_carrier_measure`.
    Nielsen & Nock 2010, "Entropies and cross-entropies of exponential families".
    """

    @property
    def _natural_params(self):
        raise self._lacks("_natural_params")

    def _log_normalizer(self, *natural_params):
        raise self._lacks("_log_normalizer")

    @property
    def _mean_carrier_measure(self):
        raise self._lacks("_mean_carrier_measure")

    def _slopes(self):
        """(F(theta), theta, grad F(theta)); gradients pass through where the parameters want them."""
        natural = self._natural_params
        wanted = torch.is_grad_enabled() and any(t.requires_grad for t in natural)
        with torch.enable_grad():
            leaves = [t if wanted and t.requires_grad else t.detach().requires_grad_() for t in natural]
            normalizer = self._log_normalizer(*leaves)
            gradients = torch.autograd.grad(normalizer.sum(), leaves, create_graph=wanted)
        return (normalizer if wanted else normalizer.detach()), natural, gradients

    def entropy(self):
        """F(theta) - <theta, grad F(theta)> - E[k(x)]."""
        normalizer, natural, gradients = self._slopes()
        return normalizer - self._mean_carrier_measure - inner(natural, gradients, len(self._batch_shape))


def inner(natural, gradients, batch_rank):
    """The inner product of parameters and gradients for each of the batch: sums over all other dimensions."""
    products = (a * b for a, b in zip(natural, gradients, strict=True))
    return sum(_sum_rightmost(product, product.dim() - batch_rank) for product in products)
