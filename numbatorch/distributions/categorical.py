"""Distributions over categories: their numbers, one-hot vectors of them, and counts."""

import math

import numbatorch as torch
from numbatorch.distributions import constraints
from numbatorch.distributions.binomial import Binomial
from numbatorch.distributions.distribution import Distribution
from numbatorch.distributions.probabilities import ProbsOrLogits
from numbatorch.distributions.utils import broadcast_all
from numbatorch.nn.functional import one_hot

__all__ = ["Categorical", "Multinomial", "OneHotCategorical", "OneHotCategoricalStraightThrough"]


class Categorical(ProbsOrLogits, Distribution):
    """Category numbers 0 .. K - 1, in proportion to `probs` (..., K) or to exp(`logits`); both get normalised."""

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    has_enumerate_support = True
    _is_binary = False
    _parameters = {"probs": 1, "logits": 1}
    _kept = ("_given", "_num_events")

    def __init__(self, probs=None, logits=None, validate_args=None):
        given = self._choose(probs, logits)
        if given.dim() < 1:
            raise ValueError(f"`{self._given}` parameter must be at least one-dimensional.")
        if probs is not None:
            self.probs = probs / probs.sum(-1, keepdim=True)
        else:
            self.logits = logits - logits.logsumexp(dim=-1, keepdim=True)
        self._num_events = given.size()[-1]
        super().__init__(given.size()[:-1], validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self):
        return constraints.integer_interval(0, self._num_events - 1)

    def _undefined(self):
        return torch.full(self._extended_shape(), math.nan, dtype=self.probs.dtype, device=self.probs.device)

    @property
    def mean(self):
        return self._undefined()  # numbers of categories are names only

    @property
    def mode(self):
        return self.probs.argmax(dim=-1)

    @property
    def variance(self):
        return self._undefined()

    def sample(self, sample_shape=torch.Size()):  # noqa: B008
        sample_shape = torch.Size(sample_shape)
        rows = self.probs.detach().reshape(-1, self._num_events)
        return torch.multinomial(rows, sample_shape.numel(), True).T.reshape(self._extended_shape(sample_shape))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        value, listed = torch.broadcast_tensors(value.long().unsqueeze(-1), self.logits)
        return listed.gather(-1, value[..., :1]).squeeze(-1)

    def entropy(self):
        logits = self.logits.clamp(min=torch.finfo(self.logits.dtype).min)  # 0 log 0
        return -(logits * self.probs).sum(-1)

    def enumerate_support(self, expand=True):
        return self._listed(torch.arange(self._num_events, device=self._param.device), expand)


class _OfCategories(Distribution):
    """A distribution made of a Categorical, whose parameters are its own."""

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}

    @property
    def probs(self):
        """Probabilities of the categories."""
        return self._categorical.probs

    @property
    def logits(self):
        """Log-probabilities of the categories."""
        return self._categorical.logits

    @property
    def _param(self):
        return self._categorical._param

    @property
    def param_shape(self):
        """The shape of the parameter."""
        return self._param.size()

    def _new(self, *args, **kwargs):
        return self._categorical._new(*args, **kwargs)


class OneHotCategorical(_OfCategories):
    """Vectors of zeros with a 1 in the place of a category: `Categorical` in other words."""

    support = constraints.one_hot
    has_enumerate_support = True
    _parameters = {"_categorical": 0}

    def __init__(self, probs=None, logits=None, validate_args=None):
        self._categorical = Categorical(probs, logits, validate_args=validate_args)
        super().__init__(self._categorical.batch_shape, self._categorical.param_shape[-1:],
                         validate_args=validate_args)

    @property
    def mean(self):
        return self._categorical.probs

    @property
    def mode(self):
        return one_hot(self.probs.argmax(dim=-1), num_classes=self.probs.shape[-1]).to(self.probs)

    @property
    def variance(self):
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape=torch.Size()):  # noqa: B008
        return one_hot(self._categorical.sample(torch.Size(sample_shape)), self._categorical._num_events).to(self.probs)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        return self._categorical.log_prob(value.max(-1)[1])

    def entropy(self):
        return self._categorical.entropy()

    def enumerate_support(self, expand=True):
        count = self.event_shape[0]
        values = torch.eye(count, dtype=self._param.dtype, device=self._param.device)
        return self._categorical._listed(values, expand, (count,))


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """OneHotCategorical whose samples pass gradients on to the probabilities as they are.

    Bengio et al. 2013, "Estimating or propagating gradients through stochastic neurons", arXiv:1308.3432.
    """

    has_rsample = True

    def rsample(self, sample_shape=torch.Size()):  # noqa: B008
        return self.sample(sample_shape) + (self.probs - self.probs.detach())


class Multinomial(_OfCategories):
    """How often each category comes up in `total_count` draws: n! product of p_k^x_k / x_k!."""

    _parameters = {"_categorical": 0, "_binomial": 1}
    _kept = ("total_count",)

    def __init__(self, total_count=1, probs=None, logits=None, validate_args=None):
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported: it has to be an int, got "
                                      f"{type(total_count).__name__}")
        self.total_count = total_count
        self._categorical = Categorical(probs=probs, logits=logits, validate_args=validate_args)
        self._binomial = Binomial(total_count=total_count, probs=self.probs, validate_args=False)
        super().__init__(self._categorical.batch_shape, self._categorical.param_shape[-1:],
                         validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self):
        return constraints.multinomial(self.total_count)

    @property
    def mean(self):
        return self.probs * self.total_count

    @property
    def variance(self):
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape=torch.Size()):  # noqa: B008
        sample_shape = torch.Size(sample_shape)
        drawn = self._categorical.sample(torch.Size((self.total_count,)) + sample_shape)
        drawn = drawn.movedim(0, -1)  # (*sample, *batch, total)
        counts = torch.zeros(self._extended_shape(sample_shape), dtype=torch.int64, device=drawn.device)
        counts.scatter_add_(-1, drawn, torch.ones_like(drawn))
        return counts.type_as(self.probs)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        ways = torch.lgamma(value.sum(-1) + 1) - torch.lgamma(value + 1).sum(-1)
        logits = torch.where((value == 0) & (logits == -math.inf), 0.0, logits)
        return ways + (logits * value).sum(-1)

    def entropy(self):
        """n H(p) - log n! + sum over categories of E[log x_k!]."""
        counts = self._binomial.enumerate_support(expand=False)[1:]
        chances = torch.exp(self._binomial.log_prob(counts))
        single = self.total_count * self._categorical.entropy() - math.lgamma(self.total_count + 1)
        return single + (chances * torch.lgamma(counts + 1)).sum([0, -1])
