"""Exponential families, whose entropy and divergence follow from the log-normaliser by differentiation."""

import numbatorch as torch
from numbatorch.distributions.distribution import Distribution


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

    def entropy(self):
        """F(theta) - <theta, grad F(theta)> - E[k(x)]."""
        natural = [p.detach().requires_grad_() for p in self._natural_params]
        normalizer = self._log_normalizer(*natural)
        gradients = torch.autograd.grad(normalizer.sum(), natural, create_graph=True)
        result = normalizer - self._mean_carrier_measure
        for parameter, gradient in zip(natural, gradients, strict=True):
            result = result - (parameter * gradient).reshape(self._batch_shape + (-1,)).sum(-1)
        return result
