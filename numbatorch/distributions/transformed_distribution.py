"""Distributions of functions of random values."""

import numbatorch as torch
from numbatorch.distributions import constraints
from numbatorch.distributions.distribution import Distribution
from numbatorch.distributions.independent import Independent
from numbatorch.distributions.transforms import ComposeTransform, Transform
from numbatorch.distributions.utils import _sum_rightmost


class TransformedDistribution(Distribution):
    """The distribution of y = f(x), f being the transforms one after another and x of `base_distribution`.

    log p(y) = log p(x) - log |det dy / dx|. Batch dimensions that a transform takes as part of its event become
    event dimensions of the base.

    Subclasses whose transforms depend on parameters list these in `_parameters` and give base and transforms of them
    by `_construction`, from which `expand` makes them anew.
    """

    arg_constraints: dict = {}
    _parameters: dict[str, int] = {}

    def __init__(self, base_distribution, transforms, validate_args=None):
        batch_shape, event_shape = self._build(base_distribution, transforms)
        super().__init__(batch_shape, event_shape, validate_args=validate_args)

    def _build(self, base, transforms):
        self.transforms = [transforms] if isinstance(transforms, Transform) else transforms
        if not isinstance(self.transforms, list):
            raise ValueError(f"transforms must be a Transform or list, but was {transforms}")
        if not all(isinstance(t, Transform) for t in self.transforms):
            raise ValueError(f"transforms must be a Transform or a list of Transforms, but was {transforms}")
        shape, whole = base.batch_shape + base.event_shape, ComposeTransform(self.transforms)
        if len(shape) < whole.domain.event_dim:
            raise ValueError(f"base_distribution needs to have shape with size at least {whole.domain.event_dim}, but "
                             f"got {shape}.")
        forward_shape = whole.forward_shape(shape)
        wider = whole.inverse_shape(forward_shape)
        if shape != wider:
            base = base.expand(wider[:len(wider) - len(base.event_shape)])
        more = whole.domain.event_dim - len(base.event_shape)
        if more > 0:
            base = Independent(base, more)
        self.base_dist = base
        change = whole.codomain.event_dim - whole.domain.event_dim
        cut = len(forward_shape) - max(whole.codomain.event_dim, len(base.event_shape) + change)
        return forward_shape[:cut], forward_shape[cut:]

    def _construction(self):
        """(base distribution, transforms) of the parameters."""
        raise self._lacks("_construction")

    def expand(self, batch_shape, _instance=None):
        if self._parameters:
            new = super().expand(batch_shape, _instance)
            new._build(*new._construction())
            return new
        owner = next(c for c in type(self).__mro__ if "_parameters" in vars(c))
        new = self._get_checked_instance(owner, _instance)
        batch_shape = torch.Size(batch_shape)
        shape = ComposeTransform(self.transforms).inverse_shape(batch_shape + self.event_shape)
        new.base_dist = self.base_dist.expand(shape[:len(shape) - len(self.base_dist.event_shape)])
        new.transforms = self.transforms
        Distribution.__init__(new, batch_shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @constraints.dependent_property(is_discrete=False)
    def support(self):
        if not self.transforms:
            return self.base_dist.support
        found = self.transforms[-1].codomain
        more = len(self.event_shape) - found.event_dim
        return constraints.independent(found, more) if more > 0 else found

    @property
    def has_rsample(self):  # type: ignore[override]
        return self.base_dist.has_rsample

    def _forward(self, x):
        for transform in self.transforms:
            x = transform(x)
        return x

    def sample(self, sample_shape=torch.Size()):  # noqa: B008
        with torch.no_grad():
            return self._forward(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape=torch.Size()):  # noqa: B008
        return self._forward(self.base_dist.rsample(sample_shape))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        event_dim, total, y = len(self.event_shape), 0.0, value
        for transform in reversed(self.transforms):
            x = transform.inv(y)
            event_dim += transform.domain.event_dim - transform.codomain.event_dim
            total = total - _sum_rightmost(transform.log_abs_det_jacobian(x, y), event_dim - transform.domain.event_dim)
            y = x
        return total + _sum_rightmost(self.base_dist.log_prob(y), event_dim - len(self.base_dist.event_shape))

    def _upright(self, share):
        """A probability below as one above, where the transforms together fall."""
        sign = 1
        for transform in self.transforms:
            sign = sign * transform.sign
        return share if isinstance(sign, int) and sign == 1 else sign * (share - 0.5) + 0.5

    def cdf(self, value):
        for transform in reversed(self.transforms):
            value = transform.inv(value)
        if self._validate_args:
            self.base_dist._validate_sample(value)
        return self._upright(self.base_dist.cdf(value))

    def icdf(self, value):
        return self._forward(self.base_dist.icdf(self._upright(value)))
