"""The Wishart distribution over positive definite matrices."""

import math
import warnings

import numbatorch as torch
from numbatorch.distributions import constraints
from numbatorch.distributions.exp_family import ExponentialFamily
from numbatorch.distributions.gamma import Chi2
from numbatorch.distributions.matrices import half_log_det, solve_lower
from numbatorch.distributions.multivariate_normal import ScaledByMatrix, factor_of, take_factor


class Wishart(ScaledByMatrix, ExponentialFamily):
    """det(X)^((df - p - 1) / 2) exp(-tr(S^-1 X) / 2), normalised, on positive definite matrices X (..., p, p).

    For whole df the distribution of sums of x x^T of df normal vectors with covariance S, given as
    `covariance_matrix`, `precision_matrix` or `scale_tril`; df > p - 1. Samples: Bartlett 1933, "On the theory of
    statistical regression"; see Sawyer 2007, "Wishart distributions and inverse-Wishart sampling".
    """

    support = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure = 0
    _parameters = {"df": 0, "_dist_chi2": 1, "covariance_matrix": 2, "precision_matrix": 2, "scale_tril": 2}

    @property
    def arg_constraints(self):
        return {"covariance_matrix": constraints.positive_definite, "precision_matrix": constraints.positive_definite,
                "scale_tril": constraints.lower_cholesky, "df": constraints.greater_than(self.event_shape[-1] - 1)}

    def __init__(self, df, covariance_matrix=None, precision_matrix=None, scale_tril=None, validate_args=None):
        name, value = take_factor(self, {"covariance_matrix": covariance_matrix, "precision_matrix": precision_matrix,
                                         "scale_tril": scale_tril})
        size = value.shape[-1]
        df = torch.as_tensor(df, dtype=value.dtype, device=value.device)
        if bool((df <= size - 1).any()):
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {size - 1}.")
        batch_shape = torch.broadcast_shapes(df.shape, value.shape[:-2])
        self.df = df.expand(batch_shape)
        setattr(self, name, value.expand(batch_shape + (size, size)))
        if bool((self.df < size).any()):
            warnings.warn("Low df values detected. Singular samples are highly likely to occur for ndim - 1 < df < "
                          "ndim.", stacklevel=2)
        super().__init__(batch_shape, (size, size), validate_args=validate_args)
        self._unbroadcasted_scale_tril = factor_of(name, value)
        steps = torch.arange(size, dtype=self.df.dtype, device=self.df.device)
        self._dist_chi2 = Chi2(self.df.unsqueeze(-1) - steps.expand(batch_shape + (size,)), validate_args=False)

    @property
    def mean(self):
        return self.df.view(self._batch_shape + (1, 1)) * self.covariance_matrix

    @property
    def mode(self):
        factor = self.df - self.covariance_matrix.shape[-1] - 1
        return torch.where(factor <= 0, torch.nan, factor).view(self._batch_shape + (1, 1)) * self.covariance_matrix

    @property
    def variance(self):
        covariance = self.covariance_matrix
        diagonal = covariance.diagonal(dim1=-2, dim2=-1)
        products = diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2)
        return self.df.view(self._batch_shape + (1, 1)) * (covariance.pow(2) + products)

    def _draw(self, sample_shape):
        """scale_tril A A^T scale_tril^T: A has roots of chi-squared values on, normal ones below the diagonal."""
        size = self._event_shape[-1]
        factor = self._dist_chi2.rsample(sample_shape).sqrt().diag_embed()
        row, column = torch.tril_indices(size, size, offset=-1)
        noise = torch.randn(torch.Size(sample_shape) + self._batch_shape + (size * (size - 1) // 2,),
                            dtype=self.df.dtype, device=self.df.device)
        factor[..., row, column] = noise
        factor = self._unbroadcasted_scale_tril @ factor
        return factor @ factor.mT

    def rsample(self, sample_shape=torch.Size(), max_try_correction=None):  # noqa: B008
        """A sample; singular ones, which rounding makes, are drawn anew `max_try_correction` times at most."""
        if max_try_correction is None:
            max_try_correction = 3 if len(self._batch_shape) > 0 else 10
        sample = self._draw(sample_shape)
        for _ in range(max_try_correction):
            singular = ~self.support.check(sample.detach())
            if not bool(singular.any()):
                return sample
            sample = torch.where(singular[..., None, None], self._draw(sample_shape), sample)
        if not bool(self.support.check(sample.detach()).all()):
            warnings.warn("Singular sample detected.", stacklevel=2)
        return sample

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        size, factor = self._event_shape[-1], self._unbroadcasted_scale_tril
        inner = solve_lower(factor, solve_lower(factor, value).mT)  # tr(S^-1 X)
        return (-self.df * (size * math.log(2) / 2 + half_log_det(factor)) - torch.mvlgamma(self.df / 2, p=size)
                + (self.df - size - 1) / 2 * torch.linalg.slogdet(value).logabsdet
                - inner.diagonal(dim1=-2, dim2=-1).sum(-1) / 2)

    def _mean_log_det(self):
        """E[log det X] - log det(2 S): the derivative of mvlgamma at df / 2."""
        size = self._event_shape[-1]
        steps = torch.arange(size, dtype=self.df.dtype, device=self.df.device) / 2
        return torch.digamma(self.df.unsqueeze(-1) / 2 - steps).sum(-1)

    def entropy(self):
        size, half = self._event_shape[-1], half_log_det(self._unbroadcasted_scale_tril)
        return ((size + 1) * (size * math.log(2) / 2 + half) + torch.mvlgamma(self.df / 2, p=size)
                - (self.df - size - 1) / 2 * self._mean_log_det() + self.df * size / 2)

    @property
    def _natural_params(self):
        return -self.precision_matrix / 2, (self.df - self._event_shape[-1] - 1) / 2

    def _log_normalizer(self, x, y):
        size = self._event_shape[-1]
        half_df = y + (size + 1) / 2
        log_det = math.log(2) * size - torch.linalg.slogdet(-2 * x).logabsdet
        return half_df * log_det + torch.mvlgamma(half_df, p=size)


