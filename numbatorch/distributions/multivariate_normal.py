"""The normal distribution over vectors."""

import math

import numbatorch as torch
from numbatorch.distributions import constraints
from numbatorch.distributions.distribution import Distribution
from numbatorch.distributions.matrices import factor_of_inverse, half_log_det, matvec, squared_distance, unit
from numbatorch.distributions.utils import _standard_normal, lazy_property


def take_factor(distribution, given):
    """Check and keep the one matrix that was given; ValueError unless exactly one was. Returns (name, matrix)."""
    named = [(name, value) for name, value in given.items() if value is not None]
    if len(named) != 1:
        raise ValueError("Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified. "
                         f"{type(distribution).__name__} got {', '.join(name for name, _ in named) or 'none'}.")
    name, value = named[0]
    if value.dim() < 2:
        raise ValueError(f"{name} must be at least two-dimensional, with optional leading batch dimensions, got a "
                         f"tensor of shape {tuple(value.shape)}")
    return name, value


def factor_of(name, value):
    """The Cholesky factor of the covariance, from the matrix of that name."""
    if name == "scale_tril":
        return value
    return torch.linalg.cholesky(value) if name == "covariance_matrix" else factor_of_inverse(value)


class ScaledByMatrix(Distribution):
    """What distributions share that are given a covariance, its inverse or its Cholesky factor (..., n, n)."""

    _kept: tuple[str, ...] = ("_unbroadcasted_scale_tril",)

    @lazy_property
    def scale_tril(self):
        """The Cholesky factor of the covariance."""
        return self._unbroadcasted_scale_tril.expand(self._matrix_shape())

    @lazy_property
    def covariance_matrix(self):
        """scale_tril @ scale_tril.mT."""
        factor = self._unbroadcasted_scale_tril
        return (factor @ factor.mT).expand(self._matrix_shape())

    @lazy_property
    def precision_matrix(self):
        """The inverse of the covariance."""
        return torch.cholesky_inverse(self._unbroadcasted_scale_tril).expand(self._matrix_shape())

    def _matrix_shape(self):
        return self._batch_shape + (self._event_shape[-1],) * 2


class MultivariateNormal(ScaledByMatrix):
    """exp(-d^T S^-1 d / 2) / sqrt(det(2 pi S)) with d = x - loc and S the covariance; x (..., n).

    Given as `covariance_matrix`, `precision_matrix` (its inverse) or `scale_tril` (its Cholesky factor, which costs
    least), (..., n, n).
    """

    arg_constraints = {"loc": constraints.real_vector, "covariance_matrix": constraints.positive_definite,
                       "precision_matrix": constraints.positive_definite, "scale_tril": constraints.lower_cholesky}
    support = constraints.real_vector
    has_rsample = True
    _parameters = {"loc": 1, "covariance_matrix": 2, "precision_matrix": 2, "scale_tril": 2}

    def __init__(self, loc, covariance_matrix=None, precision_matrix=None, scale_tril=None, validate_args=None):
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        name, value = take_factor(self, {"covariance_matrix": covariance_matrix, "precision_matrix": precision_matrix,
                                         "scale_tril": scale_tril})
        batch_shape = torch.broadcast_shapes(value.shape[:-2], loc.shape[:-1])
        setattr(self, name, value.expand(batch_shape + value.shape[-2:]))
        self.loc = loc.expand(batch_shape + loc.shape[-1:])
        super().__init__(batch_shape, self.loc.shape[-1:], validate_args=validate_args)
        self._unbroadcasted_scale_tril = factor_of(name, value)

    @property
    def mean(self):
        return self.loc

    @property
    def mode(self):
        return self.loc

    @property
    def variance(self):
        return self._unbroadcasted_scale_tril.pow(2).sum(-1).expand(self._batch_shape + self._event_shape)

    def rsample(self, sample_shape=torch.Size()):  # noqa: B008
        noise = _standard_normal(self._extended_shape(sample_shape), self.loc.dtype, self.loc.device)
        return self.loc + matvec(self._unbroadcasted_scale_tril, noise)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        factor = self._unbroadcasted_scale_tril
        distance = squared_distance(factor, value - self.loc)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + distance) - half_log_det(factor)

    def entropy(self):
        half = half_log_det(self._unbroadcasted_scale_tril)
        return (0.5 * self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + half).expand(self._batch_shape)


class LowRankMultivariateNormal(Distribution):
    """The normal distribution over vectors (..., n) with covariance cov_factor cov_factor^T + diag(cov_diag).

    cov_factor (..., n, r), cov_diag (..., n). For r far below n the r x r matrix I + W^T D^-1 W, the capacitance,
    answers for the whole: its determinant by the matrix determinant lemma, the inverse by Woodbury's identity.
    """

    arg_constraints = {"loc": constraints.real_vector, "cov_factor": constraints.independent(constraints.real, 2),
                       "cov_diag": constraints.independent(constraints.positive, 1)}
    support = constraints.real_vector
    has_rsample = True
    _parameters = {"loc": 1, "cov_factor": 2, "cov_diag": 1}
    _kept = ("_unbroadcasted_cov_factor", "_unbroadcasted_cov_diag", "_capacitance_tril")

    def __init__(self, loc, cov_factor, cov_diag, validate_args=None):
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        if cov_factor.dim() < 2:
            raise ValueError("cov_factor must be at least two-dimensional, with optional leading batch dimensions")
        size = loc.shape[-1:]
        if cov_factor.shape[-2:-1] != size:
            raise ValueError(f"cov_factor must be a batch of matrices with shape {size[0]} x m, got "
                             f"{tuple(cov_factor.shape)}")
        if cov_diag.shape[-1:] != size:
            raise ValueError(f"cov_diag must be a batch of vectors with shape {size}, got {tuple(cov_diag.shape)}")
        try:
            batch_shape = torch.broadcast_shapes(loc.shape[:-1], cov_factor.shape[:-2], cov_diag.shape[:-1])
        except RuntimeError as error:
            raise ValueError("Incompatible batch shapes: "
                             f"loc {loc.shape}, cov_factor {cov_factor.shape}, cov_diag {cov_diag.shape}") from error
        self.loc = loc.expand(batch_shape + size)
        self.cov_factor = cov_factor.expand(batch_shape + cov_factor.shape[-2:])
        self.cov_diag = cov_diag.expand(batch_shape + size)
        super().__init__(batch_shape, size, validate_args=validate_args)
        self._unbroadcasted_cov_factor, self._unbroadcasted_cov_diag = cov_factor, cov_diag
        capacitance = self._weighted_factor() @ cov_factor
        self._capacitance_tril = torch.linalg.cholesky(capacitance + unit(capacitance))

    def _weighted_factor(self):
        """W^T D^-1, (..., r, n)."""
        return self._unbroadcasted_cov_factor.mT / self._unbroadcasted_cov_diag.unsqueeze(-2)

    def _matrix_shape(self):
        return self._batch_shape + self._event_shape * 2

    @property
    def mean(self):
        return self.loc

    @property
    def mode(self):
        return self.loc

    @lazy_property
    def variance(self):
        return (self._unbroadcasted_cov_factor.pow(2).sum(-1) + self._unbroadcasted_cov_diag).expand(
            self._batch_shape + self._event_shape)

    @lazy_property
    def scale_tril(self):
        """The Cholesky factor of the covariance: sqrt(D) times that of I + (D^-1/2 W) (D^-1/2 W)^T."""
        deviation = self._unbroadcasted_cov_diag.sqrt().unsqueeze(-1)
        scaled = self._unbroadcasted_cov_factor / deviation
        whole = scaled @ scaled.mT
        return (deviation * torch.linalg.cholesky(whole + unit(whole))).expand(self._matrix_shape())

    @lazy_property
    def covariance_matrix(self):
        """cov_factor @ cov_factor.mT + diag(cov_diag)."""
        factor = self._unbroadcasted_cov_factor
        return (factor @ factor.mT + self._unbroadcasted_cov_diag.diag_embed()).expand(self._matrix_shape())

    @lazy_property
    def precision_matrix(self):
        """The inverse of the covariance: D^-1 - D^-1 W C^-1 W^T D^-1 with C the capacitance."""
        part = torch.linalg.solve_triangular(self._capacitance_tril, self._weighted_factor(), upper=False)
        inverse = self._unbroadcasted_cov_diag.reciprocal().diag_embed() - part.mT @ part
        return inverse.expand(self._matrix_shape())

    def _log_det(self):
        return 2 * half_log_det(self._capacitance_tril) + self._unbroadcasted_cov_diag.log().sum(-1)

    def _distance(self, away):
        """away^T S^-1 away."""
        whole = (away.pow(2) / self._unbroadcasted_cov_diag).sum(-1)
        return whole - squared_distance(self._capacitance_tril, matvec(self._weighted_factor(), away))

    def rsample(self, sample_shape=torch.Size()):  # noqa: B008
        shape = self._extended_shape(sample_shape)
        low = _standard_normal(shape[:-1] + self.cov_factor.shape[-1:], self.loc.dtype, self.loc.device)
        noise = _standard_normal(shape, self.loc.dtype, self.loc.device)
        return (self.loc + matvec(self._unbroadcasted_cov_factor, low)
                + self._unbroadcasted_cov_diag.sqrt() * noise)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        normalizer = self._event_shape[0] * math.log(2 * math.pi) + self._log_det()
        return -0.5 * (normalizer + self._distance(value - self.loc))

    def entropy(self):
        half = 0.5 * (self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + self._log_det())
        return half.expand(self._batch_shape)
