"""The continuous Bernoulli distribution."""

import math

import numbatorch as torch
from numbatorch.distributions import constraints
from numbatorch.distributions.exp_family import ExponentialFamily
from numbatorch.distributions.probabilities import ProbsOrLogits
from numbatorch.distributions.utils import broadcast_all, clamp_probs
from numbatorch.nn.functional import binary_cross_entropy_with_logits


class ContinuousBernoulli(ProbsOrLogits, ExponentialFamily):
    """C(p) p^x (1 - p)^(1 - x) for 0 <= x <= 1: a density for pixels. `probs` is p, which is not the mean.

    Between `lims`, where the closed forms are 0 / 0, series around p = 1/2 take their place. Loaiza-Ganem &
    Cunningham 2019, "The continuous Bernoulli: fixing a pervasive error in variational autoencoders",
    arXiv:1907.06845.
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True
    _mean_carrier_measure = 0
    _parameters = {"probs": 0, "logits": 0}
    _kept = ("_given", "_lims")

    def __init__(self, probs=None, logits=None, lims=(0.499, 0.501), validate_args=None):
        given = self._choose(probs, logits)
        (self._param,) = broadcast_all(given)
        if probs is not None:
            if validate_args is not None and not bool(self.arg_constraints["probs"].check(self.probs).all()):
                raise ValueError("The parameter probs has invalid values")
            self.probs = clamp_probs(self.probs)
        self._lims = lims
        super().__init__(self._param.size(), validate_args=validate_args)

    def _outside(self):
        return (self.probs <= self._lims[0]) | (self.probs > self._lims[1])

    def _stable(self):
        """p where the closed forms hold, the lower limit elsewhere."""
        return torch.where(self._outside(), self.probs, self._lims[0])

    def _cont_bern_log_norm(self):
        """log C(p) = log(2 artanh(1 - 2 p) / (1 - 2 p))."""
        p = self._stable()
        below = torch.where(p <= 0.5, p, 0.0)
        above = torch.where(p >= 0.5, p, 1.0)
        size = torch.where(p <= 0.5, torch.log1p(-2.0 * below), torch.log(2.0 * above - 1.0))
        closed = torch.log((torch.log1p(-p) - torch.log(p)).abs()) - size
        x = (self.probs - 0.5) ** 2
        return torch.where(self._outside(), closed, math.log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * x) * x)

    @property
    def mean(self):
        p = self._stable()
        closed = p / (2.0 * p - 1.0) + 1.0 / (torch.log1p(-p) - torch.log(p))
        x = self.probs - 0.5
        return torch.where(self._outside(), closed, 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * x**2) * x)

    @property
    def stddev(self):
        return torch.sqrt(self.variance)

    @property
    def variance(self):
        p = self._stable()
        closed = p * (p - 1.0) / (1.0 - 2.0 * p) ** 2 + 1.0 / (torch.log1p(-p) - torch.log(p)) ** 2
        x = (self.probs - 0.5) ** 2
        return torch.where(self._outside(), closed, 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * x) * x)

    def sample(self, sample_shape=torch.Size()):  # noqa: B008
        with torch.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape=torch.Size()):  # noqa: B008
        shape = self._extended_shape(sample_shape)
        return self.icdf(torch.rand(shape, dtype=self.probs.dtype, device=self.probs.device))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        return -binary_cross_entropy_with_logits(logits, value, reduction="none") + self._cont_bern_log_norm()

    def cdf(self, value):
        if self._validate_args:
            self._validate_sample(value)
        p = self._stable()
        closed = (torch.pow(p, value) * torch.pow(1.0 - p, 1.0 - value) + p - 1.0) / (2.0 * p - 1.0)
        inside = torch.where(self._outside(), closed, value)
        return torch.where(value <= 0.0, 0.0, torch.where(value >= 1.0, 1.0, inside))

    def icdf(self, value):
        p = self._stable()
        other = torch.log1p(-p)
        closed = (torch.log1p(-p + value * (2.0 * p - 1.0)) - other) / (torch.log(p) - other)
        return torch.where(self._outside(), closed, value)

    def entropy(self):
        failure, success = torch.log1p(-self.probs), torch.log(self.probs)
        return self.mean * (failure - success) - self._cont_bern_log_norm() - failure

    @property
    def _natural_params(self):
        return (self.logits,)

    def _log_normalizer(self, x):
        """log((e^x - 1) / x), by its series where p is close to 1/2."""
        near = (x > self._lims[0] - 0.5) & (x < self._lims[1] - 0.5)
        away = torch.where(near, 1.0, x)
        closed = torch.log(torch.abs(torch.special.expm1(away))) - torch.log(torch.abs(away))
        return torch.where(near, 0.5 * x + x**2 / 24.0 - x**4 / 2880.0, closed)
