"""Continuous relaxations of Bernoulli and categorical values, which samples with gradients are made of.

Maddison et al. 2017, "The Concrete distribution", arXiv:1611.00712; Jang et al. 2017, "Categorical reparameterization
with Gumbel-Softmax", arXiv:1611.01144.
"""

import math

import numbatorch as torch
from numbatorch.distributions import constraints
from numbatorch.distributions.categorical import Categorical, _OfCategories
from numbatorch.distributions.distribution import Distribution
from numbatorch.distributions.probabilities import ProbsOrLogits
from numbatorch.distributions.transformed_distribution import TransformedDistribution
from numbatorch.distributions.transforms import ExpTransform, SigmoidTransform
from numbatorch.distributions.utils import broadcast_all, clamp_probs

__all__ = ["ExpRelaxedCategorical", "LogitRelaxedBernoulli", "RelaxedBernoulli", "RelaxedOneHotCategorical"]


class LogitRelaxedBernoulli(ProbsOrLogits, Distribution):
    """(logits + log-odds of a uniform number) / temperature: the log-odds of a relaxed Bernoulli value."""

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.real
    has_rsample = True
    _parameters = {"probs": 0, "logits": 0}
    _kept = ("_given", "temperature")

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        self.temperature = temperature
        given = self._choose(probs, logits)
        (self._param,) = broadcast_all(given)
        super().__init__(self._param.size(), validate_args=validate_args)

    def rsample(self, sample_shape=torch.Size()):  # noqa: B008
        shape = self._extended_shape(sample_shape)
        probs = clamp_probs(self.probs.expand(shape))
        u = clamp_probs(torch.rand(shape, dtype=probs.dtype, device=probs.device))
        return (u.log() - (-u).log1p() + probs.log() - (-probs).log1p()) / self.temperature

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        away = logits - value.mul(self.temperature)
        return self.temperature.log() + away - 2 * away.exp().log1p()


class RelaxedBernoulli(TransformedDistribution):
    """Values in (0, 1) that are close to 0 or 1 where the temperature is low."""

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True
    _parameters: dict[str, int] = {}

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        super().__init__(LogitRelaxedBernoulli(temperature, probs, logits), SigmoidTransform(),
                         validate_args=validate_args)

    @property
    def temperature(self):
        """What the log-odds are divided by."""
        return self.base_dist.temperature

    @property
    def logits(self):
        """Log-odds of the value that is relaxed."""
        return self.base_dist.logits

    @property
    def probs(self):
        """Probability of the value that is relaxed."""
        return self.base_dist.probs


class ExpRelaxedCategorical(_OfCategories):
    """log_softmax((logits + Gumbel noise) / temperature): the logarithm of a relaxed one-hot vector."""

    support = constraints.real_vector  # more exactly: vectors whose exponentials make a simplex
    has_rsample = True
    _parameters = {"_categorical": 0}
    _kept = ("temperature",)

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        self._categorical = Categorical(probs, logits)
        self.temperature = temperature
        super().__init__(self._categorical.batch_shape, self._categorical.param_shape[-1:],
                         validate_args=validate_args)

    def rsample(self, sample_shape=torch.Size()):  # noqa: B008
        shape = self._extended_shape(sample_shape)
        u = clamp_probs(torch.rand(shape, dtype=self.logits.dtype, device=self.logits.device))
        scores = (self.logits - (-u.log()).log()) / self.temperature
        return scores - scores.logsumexp(dim=-1, keepdim=True)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        count = self._categorical._num_events
        logits, value = broadcast_all(self.logits, value)
        scale = math.lgamma(float(count)) + self.temperature.log() * (count - 1)
        score = logits - value.mul(self.temperature)
        return (score - score.logsumexp(dim=-1, keepdim=True)).sum(-1) + scale


class RelaxedOneHotCategorical(TransformedDistribution):
    """Points of the simplex that are close to a corner where the temperature is low."""

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support = constraints.simplex
    has_rsample = True
    _parameters: dict[str, int] = {}

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        super().__init__(ExpRelaxedCategorical(temperature, probs, logits, validate_args=validate_args),
                         ExpTransform(), validate_args=validate_args)

    @property
    def temperature(self):
        """What the scores are divided by."""
        return self.base_dist.temperature

    @property
    def logits(self):
        """Log-probabilities of the categories that are relaxed."""
        return self.base_dist.logits

    @property
    def probs(self):
        """Probabilities of the categories that are relaxed."""
        return self.base_dist.probs
