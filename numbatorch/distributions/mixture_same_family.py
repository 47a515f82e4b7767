"""Mixtures of distributions of one family."""

import numbatorch as torch
from numbatorch.distributions import constraints
from numbatorch.distributions.categorical import Categorical
from numbatorch.distributions.constraints import MixtureSameFamilyConstraint
from numbatorch.distributions.distribution import Distribution


class MixtureSameFamily(Distribution):
    """sum over k of w_k p_k(x): `mixture_distribution` over k, the last batch dimension of `component_distribution`."""

    arg_constraints: dict = {}

    def __init__(self, mixture_distribution, component_distribution, validate_args=None):
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError("The Mixture distribution needs to be an instance of torch.distributions.Categorical, "
                             f"got {type(mixture_distribution).__name__}")
        if not isinstance(component_distribution, Distribution):
            raise ValueError("The Component distribution needs to be an instance of torch.distributions.Distribution, "
                             f"got {type(component_distribution).__name__}")
        outer, inner = mixture_distribution.batch_shape, component_distribution.batch_shape[:-1]
        for a, b in zip(reversed(outer), reversed(inner), strict=False):
            if a != 1 and b != 1 and a != b:
                raise ValueError(f"`mixture_distribution.batch_shape` ({outer}) is not compatible with "
                                 f"`component_distribution.batch_shape` ({inner} without its last)")
        count = mixture_distribution.logits.shape[-1]
        if count != component_distribution.batch_shape[-1]:
            raise ValueError(f"`mixture_distribution component` ({count}) does not equal "
                             f"`component_distribution.batch_shape[-1]` ({component_distribution.batch_shape[-1]})")
        self._mixture_distribution, self._component_distribution = mixture_distribution, component_distribution
        self._num_component = count
        super().__init__(inner, component_distribution.event_shape, validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        new = self._get_checked_instance(MixtureSameFamily, _instance)
        batch_shape = torch.Size(batch_shape)
        new._component_distribution = self._component_distribution.expand(batch_shape + (self._num_component,))
        new._mixture_distribution = self._mixture_distribution.expand(batch_shape)
        new._num_component = self._num_component
        Distribution.__init__(new, batch_shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @constraints.dependent_property
    def support(self):
        return MixtureSameFamilyConstraint(self._component_distribution.support)

    @property
    def mixture_distribution(self):
        """The Categorical over components."""
        return self._mixture_distribution

    @property
    def component_distribution(self):
        """The components, along the last batch dimension."""
        return self._component_distribution

    def _weights(self):
        """Probabilities of components (*batch, K, *ones), to stand beside values of these."""
        weights = self.mixture_distribution.probs
        return weights.reshape(weights.shape + (1,) * len(self._event_shape))

    def _over_components(self, values):
        """The weighted sum over components of (*batch, K, *event)."""
        return torch.sum(self._weights() * values, dim=-1 - len(self._event_shape))

    @property
    def mean(self):
        return self._over_components(self.component_distribution.mean)

    @property
    def variance(self):
        """The law of total variance: mean of variances and variance of means."""
        center = self.mean.unsqueeze(-1 - len(self._event_shape))
        return (self._over_components(self.component_distribution.variance)
                + self._over_components((self.component_distribution.mean - center).pow(2)))

    def _for_components(self, value):
        return value.unsqueeze(-1 - len(self._event_shape))

    def cdf(self, value):
        shares = self.component_distribution.cdf(self._for_components(value))
        return torch.sum(shares * self.mixture_distribution.probs, dim=-1)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        log_prob = self.component_distribution.log_prob(self._for_components(value))
        return torch.logsumexp(log_prob + torch.log_softmax(self.mixture_distribution.logits, dim=-1), dim=-1)

    def sample(self, sample_shape=torch.Size()):  # noqa: B008
        sample_shape = torch.Size(sample_shape)
        with torch.no_grad():
            place, rank = len(sample_shape) + len(self.batch_shape), len(self.event_shape)
            chosen = self.mixture_distribution.expand(self.batch_shape).sample(sample_shape)  # (*sample, *batch)
            values = self.component_distribution.sample(sample_shape)  # (*sample, *batch, K, *event)
            chosen = chosen.reshape(chosen.shape + (1,) * (rank + 1))
            shape = values.shape[:place] + (1,) + values.shape[place + 1:]
            return torch.gather(values, place, chosen.expand(shape)).squeeze(place)

    def __repr__(self):
        return f"MixtureSameFamily(\n  {self.mixture_distribution!r},\n  {self.component_distribution!r})"
