"""Transforms of vectors and matrices as a whole, and of pieces side by side."""

import math

import numbatorch as torch
from numbatorch.distributions import constraints
from numbatorch.distributions.transforms.base import Transform
from numbatorch.distributions.transforms.elementwise import _Fixed, inner_sigmoid
from numbatorch.distributions.utils import _sum_rightmost, tril_matrix_to_vec, vec_to_tril_matrix
from numbatorch.nn.functional import logsigmoid, pad, softplus


def _vector(shape):
    if len(shape) < 1:
        raise ValueError("Too few dimensions on input: expected a vector, got a shape ()")
    return torch.Size(shape)


class SoftmaxTransform(_Fixed):
    """y = softmax(x) along the last dimension. No bijection: log(y) is one of the points taken to y."""

    domain = constraints.real_vector
    codomain = constraints.simplex

    def _call(self, x):
        return torch.softmax(x, -1)

    def _inverse(self, y):
        return y.log()

    def forward_shape(self, shape):
        return _vector(shape)

    inverse_shape = forward_shape


class StickBreakingTransform(_Fixed):
    """(..., K) -> points of the simplex (..., K + 1): each component takes a share of what is left of a stick.

    Shares are sigmoid(x_k - log(K - k)), so that x = 0 is taken to equal components. Stan Reference Manual, chapter
    "Constraint Transforms", section "Unit simplex".
    """

    domain = constraints.real_vector
    codomain = constraints.simplex
    bijective = True

    def _offset(self, x):
        """log of how many components are still to come, for each of x."""
        return torch.arange(x.shape[-1], 0, -1, dtype=x.dtype, device=x.device).log()

    def _call(self, x):
        share = inner_sigmoid(x - self._offset(x))
        left = (1 - share).cumprod(-1)
        return pad(share, [0, 1], value=1) * pad(left, [1, 0], value=1)

    def _inverse(self, y):
        first = y[..., :-1]
        left = (1 - first.cumsum(-1)).clamp(min=torch.finfo(y.dtype).tiny)
        return first.log() - left.log() + self._offset(first)

    def log_abs_det_jacobian(self, x, y):
        x = x - self._offset(x)
        return (-x + logsigmoid(x) + y[..., :-1].log()).sum(-1)

    def forward_shape(self, shape):
        shape = _vector(shape)
        return shape[:-1] + (shape[-1] + 1,)

    def inverse_shape(self, shape):
        shape = _vector(shape)
        return shape[:-1] + (shape[-1] - 1,)


class CorrCholeskyTransform(Transform):
    """(..., D (D - 1) / 2) -> Cholesky factors (..., D, D) of correlation matrices.

    tanh(x) are partial correlations r, filled into a lower triangle row by row; a row is
    y_j = r_j sqrt((1 - r_1^2) ... (1 - r_{j-1}^2)), which has length 1. Lewandowski, Kurowicka & Joe 2009,
    "Generating random correlation matrices based on vines and extended onion method"; Stan Reference Manual,
    chapter "Constraint Transforms", section "Cholesky factors of correlation matrices".
    """

    domain = constraints.real_vector
    codomain = constraints.corr_cholesky
    bijective = True

    def _call(self, x):
        eps = torch.finfo(x.dtype).eps
        partial = vec_to_tril_matrix(torch.tanh(x).clamp(min=-1 + eps, max=1 - eps), diag=-1)
        left = (1 - partial * partial).sqrt().cumprod(-1)
        unit = torch.eye(partial.shape[-1], dtype=x.dtype, device=x.device)
        return (partial + unit) * pad(left[..., :-1], [1, 0], value=1)

    def _inverse(self, y):
        left = 1 - torch.cumsum(y * y, dim=-1)
        left = pad(left[..., :-1], [1, 0], value=1)
        partial = tril_matrix_to_vec(y, diag=-1) / tril_matrix_to_vec(left, diag=-1).sqrt()
        return (partial.log1p() - partial.neg().log1p()) / 2

    def log_abs_det_jacobian(self, x, y):
        left = tril_matrix_to_vec(1 - (y * y).cumsum(dim=-1), diag=-2)
        return 0.5 * left.log().sum(-1) - 2 * (x + softplus(-2 * x) - math.log(2.0)).sum(-1)

    def forward_shape(self, shape):
        count = _vector(shape)[-1]
        size = round((0.25 + 2 * count) ** 0.5 + 0.5)
        if size * (size - 1) // 2 != count:
            raise ValueError(f"Input is not a flattened lower-diagonal number: {count} is no D (D - 1) / 2")
        return torch.Size(shape[:-1]) + (size, size)

    def inverse_shape(self, shape):
        if len(shape) < 2:
            raise ValueError(f"Too few dimensions on input: expected a matrix, got a shape {tuple(shape)}")
        if shape[-2] != shape[-1]:
            raise ValueError(f"Input is not square: got a shape {tuple(shape)}")
        return torch.Size(shape[:-2]) + (shape[-1] * (shape[-1] - 1) // 2,)


class LowerCholeskyTransform(_Fixed):
    """Square matrices to lower triangles with a positive diagonal: exp(x) on it, x below. No bijection."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.lower_cholesky

    def _call(self, x):
        return x.tril(-1) + x.diagonal(dim1=-2, dim2=-1).exp().diag_embed()

    def _inverse(self, y):
        return y.tril(-1) + y.diagonal(dim1=-2, dim2=-1).log().diag_embed()


class PositiveDefiniteTransform(_Fixed):
    """Square matrices to positive definite ones: L L^T of LowerCholeskyTransform's L. No bijection."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.positive_definite

    def _call(self, x):
        factor = LowerCholeskyTransform()(x)
        return factor @ factor.mT

    def _inverse(self, y):
        return LowerCholeskyTransform().inv(torch.linalg.cholesky(y))


class _Several(Transform):
    """Transforms of the pieces that a tensor is cut into along `dim`."""

    _constraint: type

    def __init__(self, tseq, dim, cache_size):
        tseq = list(tseq)
        if not all(isinstance(t, Transform) for t in tseq):
            raise ValueError(f"{type(self).__name__}: expected a sequence of transforms, got {tseq!r}")
        super().__init__(cache_size=cache_size)
        self.transforms = [t.with_cache(cache_size) for t in tseq] if cache_size else tseq
        self.dim = dim

    def _cut(self, x):
        raise NotImplementedError

    def _pairs(self, *tensors):
        if not all(-x.dim() <= self.dim < x.dim() for x in tensors):
            raise ValueError(f"{type(self).__name__}: dim {self.dim} is outside tensors of shapes "
                             f"{[tuple(x.shape) for x in tensors]}")
        return zip(self.transforms, *(self._cut(x) for x in tensors), strict=True)

    def _call(self, x):
        return self._join([t(piece) for t, piece in self._pairs(x)])

    def _inverse(self, y):
        return self._join([t.inv(piece) for t, piece in self._pairs(y)])

    @property
    def bijective(self):
        return all(t.bijective for t in self.transforms)


class CatTransform(_Several):
    """Transforms of pieces of `lengths` (1 each, unless given) one after another along `dim`."""

    def __init__(self, tseq, dim=0, lengths=None, cache_size=0):
        super().__init__(tseq, dim, cache_size)
        self.lengths = [1] * len(self.transforms) if lengths is None else list(lengths)
        if len(self.lengths) != len(self.transforms):
            raise ValueError(f"CatTransform: got {len(self.transforms)} transforms and {len(self.lengths)} lengths")

    @property
    def event_dim(self):
        return max(t.event_dim for t in self.transforms)

    @property
    def length(self):
        """The size along `dim`."""
        return sum(self.lengths)

    def with_cache(self, cache_size=1):
        return self if self._cache_size == cache_size else CatTransform(self.transforms, self.dim, self.lengths,
                                                                        cache_size)

    def _cut(self, x):
        if x.size(self.dim) != self.length:
            raise ValueError(f"CatTransform: expected size {self.length} in dim {self.dim}, got {tuple(x.shape)}")
        return x.split(self.lengths, self.dim)

    def _join(self, pieces):
        return torch.cat(pieces, dim=self.dim)

    def log_abs_det_jacobian(self, x, y):
        parts = [_sum_rightmost(t.log_abs_det_jacobian(a, b), self.event_dim - t.event_dim)
                 for t, a, b in self._pairs(x, y)]
        dim = self.dim - x.dim() if self.dim >= 0 else self.dim
        dim += self.event_dim
        return torch.cat(parts, dim=dim) if dim < 0 else sum(parts)

    @property
    def domain(self):
        return constraints.cat([t.domain for t in self.transforms], self.dim, self.lengths)

    @property
    def codomain(self):
        return constraints.cat([t.codomain for t in self.transforms], self.dim, self.lengths)


class StackTransform(_Several):
    """Transforms of the slices along `dim`."""

    def __init__(self, tseq, dim=0, cache_size=0):
        super().__init__(tseq, dim, cache_size)

    def with_cache(self, cache_size=1):
        return self if self._cache_size == cache_size else StackTransform(self.transforms, self.dim, cache_size)

    def _cut(self, x):
        if x.size(self.dim) != len(self.transforms):
            raise ValueError(f"StackTransform: expected size {len(self.transforms)} in dim {self.dim}, got "
                             f"{tuple(x.shape)}")
        return x.unbind(self.dim)

    def _join(self, pieces):
        return torch.stack(pieces, dim=self.dim)

    def log_abs_det_jacobian(self, x, y):
        return self._join([t.log_abs_det_jacobian(a, b) for t, a, b in self._pairs(x, y)])

    @property
    def domain(self):
        return constraints.stack([t.domain for t in self.transforms], self.dim)

    @property
    def codomain(self):
        return constraints.stack([t.codomain for t in self.transforms], self.dim)
