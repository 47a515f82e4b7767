"""What distributions over categories share: they are given as `probs` or as `logits`, either follows from the other."""

import numbatorch as torch
from numbatorch.distributions.utils import lazy_property, logits_to_probs, probs_to_logits


class ProbsOrLogits:
    """Mixin with `probs` and `logits`; of the one that was not given the value is computed when first read."""

    _is_binary = True  # log-odds of one probability, else log-probabilities along the last dimension
    _kept: tuple[str, ...] = ("_given",)

    def _choose(self, probs, logits):
        """The parameter that was given; ValueError unless exactly one was."""
        if (probs is None) == (logits is None):
            found = "neither" if probs is None else "both"
            raise ValueError(f"Either `probs` or `logits` must be specified, but not both. {type(self).__name__} "
                             f"got {found}.")
        self._given = "logits" if probs is None else "probs"
        return logits if probs is None else probs

    @lazy_property
    def logits(self):
        """log(probs / (1 - probs)), or log(probs) where there are several categories."""
        return probs_to_logits(self.probs, is_binary=self._is_binary)

    @lazy_property
    def probs(self):
        """Probabilities, from the logits."""
        return logits_to_probs(self.logits, is_binary=self._is_binary)

    @property
    def _param(self):
        return self.__dict__[self._given]

    @_param.setter
    def _param(self, value):
        self.__dict__[self._given] = value

    @property
    def param_shape(self):
        """The shape of the parameter."""
        return self._param.size()

    def _new(self, *args, **kwargs):
        return self._param.new_empty(*args, **kwargs)

    def _listed(self, values, expand, event_shape=torch.Size()):  # noqa: B008
        """Values of the support along a first dimension, (n, *ones or batch, *event)."""
        values = values.reshape((-1,) + (1,) * len(self._batch_shape) + tuple(event_shape))
        return values.expand((-1,) + tuple(self._batch_shape) + tuple(event_shape)) if expand else values
