"""The normal distribution's relative on the circle."""

import math

import numbatorch as torch
from numbatorch.distributions import constraints
from numbatorch.distributions.distribution import Distribution
from numbatorch.distributions.utils import broadcast_all, lazy_property


class VonMises(Distribution):
    """exp(k cos(x - loc)) / (2 pi I0(k)) with k = concentration; angles, sampled in [-pi, pi).

    `variance` is the circular one, 1 - I1(k) / I0(k). Samples by rejection from a wrapped Cauchy distribution, in
    float64: Best & Fisher 1979, "Efficient simulation of the von Mises distribution".
    """

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real
    _parameters = {"loc": 0, "concentration": 0}

    def __init__(self, loc, concentration, validate_args=None):
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.size(), torch.Size(), validate_args)

    @property
    def mean(self):
        return self.loc

    @property
    def mode(self):
        return self.loc

    @lazy_property
    def variance(self):
        return 1 - torch.special.i1e(self.concentration) / torch.special.i0e(self.concentration)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        k = self.concentration
        log_bessel = torch.special.i0e(k).log() + k
        return k * torch.cos(value - self.loc) - math.log(2 * math.pi) - log_bessel

    @lazy_property
    def _proposal_r(self):
        """The parameter of the wrapped Cauchy distribution; 1 / k + k for small k, where its formula cancels."""
        k = self.concentration.double()
        tau = 1 + (1 + 4 * k**2).sqrt()
        rho = (tau - (2 * tau).sqrt()) / (2 * k)
        return torch.where(k < 1e-5, 1 / k + k, (1 + rho**2) / (2 * rho))

    def sample(self, sample_shape=torch.Size()):  # noqa: B008
        shape = self._extended_shape(sample_shape)
        with torch.no_grad():
            r, k = self._proposal_r, self.concentration.double()
            x, done = torch.empty(shape, dtype=torch.float64), torch.zeros(shape, dtype=torch.bool)
            while not bool(done.all()):
                u1, u2, u3 = torch.rand((3, *shape), dtype=torch.float64).unbind()
                z = torch.cos(math.pi * u1)
                f = (1 + r * z) / (r + z)
                c = k * (r - f)
                accepted = (c * (2 - c) - u2 > 0) | ((c / u2).log() + 1 - c >= 0)
                x = torch.where(accepted, (u3 - 0.5).sign() * f.acos(), x)
                done = done | accepted
            x = (x + math.pi + self.loc.double()) % (2 * math.pi) - math.pi
            return x.to(self.loc.dtype)
