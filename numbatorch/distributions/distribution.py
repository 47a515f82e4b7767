"""The base of all distributions: shapes, validation, and what follows from log_prob and rsample."""

import warnings

import numbatorch as torch
from numbatorch.distributions import constraints
from numbatorch.distributions.utils import lazy_property


class Distribution:
    """A distribution over tensors: `batch_shape` independent ones, each over values of `event_shape`.

    A subclass states `arg_constraints` and `support` and defines what it has: `log_prob` (the logarithm of the
    density or of the probability), `rsample` (a sample that gradients flow through) or `sample`, `cdf`, `icdf`,
    `entropy`, `mean`, `mode`, `variance`, `enumerate_support`. What it lacks raises NotImplementedError. With
    `validate_args`, parameters and values are checked: ValueError names the one that breaks its constraint.

    `_parameters` lists the attributes that `expand` widens, each with the number of its trailing event dimensions
    (distributions kept inside are widened likewise); `_kept` lists those that it copies.
    """

    has_rsample = False
    has_enumerate_support = False
    _validate_args = __debug__
    _parameters: dict[str, int] = {}
    _kept: tuple[str, ...] = ()

    @staticmethod
    def set_default_validate_args(value):
        """Whether distributions made from now on check their arguments, unless told otherwise."""
        if value not in (True, False):
            raise ValueError(f"set_default_validate_args: value has to be True or False, got {value!r}")
        Distribution._validate_args = value

    def __init__(self, batch_shape=torch.Size(), event_shape=torch.Size(), validate_args=None):  # noqa: B008
        self._batch_shape, self._event_shape = torch.Size(batch_shape), torch.Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._validate_parameters()
        super().__init__()

    def _validate_parameters(self):
        try:
            listed = self.arg_constraints
        except NotImplementedError:
            warnings.warn(f"{type(self)} does not define `arg_constraints`. Please set `arg_constraints = {{}}` or "
                          "initialize the distribution with `validate_args=False` to turn off validation.",
                          stacklevel=3)
            return
        for name, constraint in listed.items():
            if constraints.is_dependent(constraint):
                continue
            if name not in self.__dict__ and isinstance(getattr(type(self), name, None), lazy_property):
                continue  # follows from the parameter that was given
            value = getattr(self, name)
            if not bool(constraint.check(value).all()):
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) of distribution "
                    f"{self!r} to satisfy the constraint {constraint!r}, but found invalid values:\n{value}")

    def _lacks(self, what):
        return NotImplementedError(f"{type(self)} does not implement {what}")

    @property
    def batch_shape(self):
        """The shape of the distributions side by side."""
        return self._batch_shape

    @property
    def event_shape(self):
        """The shape of one value."""
        return self._event_shape

    @property
    def arg_constraints(self):
        """The constraint of each parameter, by name."""
        raise self._lacks("arg_constraints")

    @property
    def support(self):
        """The constraint of values."""
        raise self._lacks("support")

    @property
    def mean(self):
        """The expected value."""
        raise self._lacks("mean")

    @property
    def mode(self):
        """A value of largest density."""
        raise self._lacks("mode")

    @property
    def variance(self):
        """The expected square of what separates values from the mean."""
        raise self._lacks("variance")

    @property
    def stddev(self):
        """The square root of the variance."""
        return self.variance.sqrt()

    def sample(self, sample_shape=torch.Size()):  # noqa: B008
        """Values of shape sample_shape + batch_shape + event_shape, without gradients."""
        with torch.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape=torch.Size()):  # noqa: B008
        """Values of shape sample_shape + batch_shape + event_shape as functions of the parameters."""
        raise self._lacks("rsample")

    def sample_n(self, n):
        """`sample((n,))`, which replaces it."""
        warnings.warn("`sample_n(n)` will be deprecated. Use `sample((n,))` instead.", FutureWarning, stacklevel=2)
        return self.sample(torch.Size((n,)))

    def log_prob(self, value):
        """The logarithm of the density, or of the probability, at a value."""
        raise self._lacks("log_prob")

    def cdf(self, value):
        """The probability of values up to `value`."""
        raise self._lacks("cdf")

    def icdf(self, value):
        """The value that `cdf` takes to a probability."""
        raise self._lacks("icdf")

    def enumerate_support(self, expand=True):
        """All values along a new first dimension; without `expand` of size 1 in the batch dimensions."""
        raise self._lacks("enumerate_support")

    def entropy(self):
        """The expected -log_prob, in nats."""
        raise self._lacks("entropy")

    def perplexity(self):
        """e ** entropy."""
        return torch.exp(self.entropy())

    def expand(self, batch_shape, _instance=None):
        """The same distribution with parameters broadcast to a batch shape (as views)."""
        owner = next((c for c in type(self).__mro__ if "_parameters" in vars(c)), Distribution)
        if owner is Distribution:
            raise self._lacks("expand")
        new = self._get_checked_instance(owner, _instance)
        batch_shape = torch.Size(batch_shape)
        for name, event_rank in self._parameters.items():
            value = self.__dict__.get(name)
            if isinstance(value, Distribution):
                setattr(new, name, value.expand(batch_shape + value.batch_shape[len(value.batch_shape) - event_rank:]))
            elif value is not None:
                setattr(new, name, value.expand(batch_shape + value.shape[value.ndim - event_rank:]))
        for name in self._kept:
            setattr(new, name, getattr(self, name))
        Distribution.__init__(new, batch_shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def _get_checked_instance(self, cls, _instance=None):
        """A bare instance for `expand` to fill: a class with its own __init__ has to bring its own `expand`."""
        if _instance is None and type(self).__init__ != cls.__init__:
            raise NotImplementedError(f"Subclass {type(self).__name__} of {cls.__name__} that defines a custom "
                                      "__init__ method must also define a custom .expand() method.")
        return type(self).__new__(type(self)) if _instance is None else _instance

    def _extended_shape(self, sample_shape=torch.Size()):  # noqa: B008
        return torch.Size(sample_shape) + self._batch_shape + self._event_shape

    def _validate_sample(self, value):
        if not isinstance(value, torch.Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor, not " + type(value).__name__)
        rank = value.dim() - len(self._event_shape)
        if value.size()[max(rank, 0):] != self._event_shape:
            raise ValueError("The right-most size of value must match event_shape: "
                             f"{value.size()} vs {self._event_shape}.")
        expected = self._batch_shape + self._event_shape
        for found, wanted in zip(reversed(value.size()), reversed(expected), strict=False):
            if found != 1 and wanted != 1 and found != wanted:
                raise ValueError("Value is not broadcastable with batch_shape+event_shape: "
                                 f"{value.size()} vs {expected}.")
        try:
            support = self.support
        except NotImplementedError:
            warnings.warn(f"{type(self)} does not define `support` to enable sample validation. Please initialize the "
                          "distribution with `validate_args=False` to turn off validation.", stacklevel=3)
            return
        if not bool(support.check(value).all()):
            raise ValueError(f"Expected value argument ({type(value).__name__} of shape {tuple(value.shape)}) to be "
                             f"within the support ({support!r}) of the distribution {self!r}, but found invalid "
                             f"values:\n{value}")

    def __repr__(self):
        own = [(name, self.__dict__[name]) for name in self.arg_constraints if name in self.__dict__]
        parts = (f"{name}: {value if value.numel() == 1 else value.size()}" for name, value in own)
        return f"{type(self).__name__}({', '.join(parts)})"
