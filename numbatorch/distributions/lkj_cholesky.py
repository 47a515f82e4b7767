"""The distribution of correlation matrices of Lewandowski, Kurowicka and Joe."""

import math

import numbatorch as torch
from numbatorch.distributions import constraints
from numbatorch.distributions.beta import Beta
from numbatorch.distributions.distribution import Distribution


class LKJCholesky(Distribution):
    """Cholesky factors L (dim, dim) of correlation matrices R with density det(R)^(concentration - 1).

    Uniform over correlation matrices at concentration 1. Samples by the onion method: Lewandowski, Kurowicka & Joe
    2009, "Generating random correlation matrices based on vines and extended onion method", section 3.
    """

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky
    _parameters = {"concentration": 0, "_beta": 1}
    _kept = ("dim",)

    def __init__(self, dim, concentration=1.0, validate_args=None):
        if dim < 2:
            raise ValueError(f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}.")
        self.dim = dim
        self.concentration = torch.as_tensor(concentration)
        if not self.concentration.is_floating_point():
            self.concentration = self.concentration.to(torch.get_default_dtype())
        super().__init__(self.concentration.size(), (dim, dim), validate_args=validate_args)
        # Row k's squared distance from the diagonal is a beta value; the first row has none.
        steps = torch.arange(dim - 1, dtype=self.concentration.dtype, device=self.concentration.device)
        steps = torch.cat([steps.new_zeros((1,)), steps])
        marginal = self.concentration + 0.5 * (dim - 2)
        self._beta = Beta(steps + 0.5, marginal.unsqueeze(-1) - 0.5 * steps, validate_args=False)

    def sample(self, sample_shape=torch.Size()):  # noqa: B008
        with torch.no_grad():
            share = self._beta.sample(sample_shape).unsqueeze(-1)
            normal = torch.randn(self._extended_shape(sample_shape), dtype=share.dtype, device=share.device).tril(-1)
            direction = normal / normal.norm(dim=-1, keepdim=True)
            direction[..., 0, :].fill_(0.0)  # 0 / 0
            rows = torch.sqrt(share) * direction
            diagonal = (1 - torch.sum(rows**2, dim=-1)).clamp(min=torch.finfo(rows.dtype).tiny).sqrt()
            return rows + torch.diag_embed(diagonal)

    def log_prob(self, value):
        """sum over k of (dim - k + 2 concentration - 2) log L_kk (k = 2 .. dim), less the normaliser."""
        if self._validate_args:
            self._validate_sample(value)
        order = torch.arange(2, self.dim + 1, device=self.concentration.device)
        order = 2 * (self.concentration - 1).unsqueeze(-1) + self.dim - order
        powers = (order * value.diagonal(dim1=-2, dim2=-1)[..., 1:].log()).sum(-1)
        last = self.dim - 1
        alpha = self.concentration + 0.5 * last
        # The paper's normaliser in terms of the multivariate gamma function.
        normalizer = 0.5 * last * math.log(math.pi) + torch.mvlgamma(alpha - 0.5, last) - torch.lgamma(alpha) * last
        return powers - normalizer
