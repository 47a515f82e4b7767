"""What distributions share: broadcasting of parameters, probabilities and log-odds, triangles as vectors."""

import functools
from numbers import Number

import numbatorch as torch

euler_constant = 0.57721566490153286060


def broadcast_all(*values):
    """The values as tensors of one shape; numbers take dtype and device of the first tensor, else the defaults.

    ValueError for what is neither a number nor a tensor.
    """
    if not all(isinstance(v, (torch.Tensor, Number)) or hasattr(v, "__torch_function__") for v in values):
        raise ValueError("Input arguments must all be instances of Number, torch.Tensor or objects implementing "
                         f"__torch_function__. Got {', '.join(type(v).__name__ for v in values)}.")
    first = next((v for v in values if isinstance(v, torch.Tensor)), None)
    options = {"dtype": torch.get_default_dtype()} if first is None else {"dtype": first.dtype, "device": first.device}
    return torch.broadcast_tensors(*(torch.tensor(v, **options) if isinstance(v, Number) else v for v in values))


def _standard_normal(shape, dtype, device):
    """Normal numbers of mean 0 and variance 1."""
    return torch.randn(shape, dtype=dtype, device=device)


def _sum_rightmost(value, dim):
    """The sum over the last `dim` dimensions."""
    return value if dim == 0 else value.flatten(-dim).sum(-1)


def logits_to_probs(logits, is_binary=False):
    """Probabilities of log-odds (`is_binary`), or of unnormalised log-probabilities along the last dimension."""
    return torch.sigmoid(logits) if is_binary else torch.softmax(logits, dim=-1)


def clamp_probs(probs):
    """Probabilities at least eps away from 0 and 1, so that their logarithms are finite."""
    eps = torch.finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs, is_binary=False):
    """log(p / (1 - p)) (`is_binary`) or log(p), p being clamped to where both are finite."""
    inside = clamp_probs(probs)
    return torch.log(inside) - torch.log1p(-inside) if is_binary else torch.log(inside)


class lazy_property:
    """A value computed by a method when first read and then kept on the instance, gradients recorded."""

    def __init__(self, wrapped):
        self.wrapped = wrapped
        functools.update_wrapper(self, wrapped)

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        with torch.enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.wrapped.__name__, value)
        return value


def _triangle(size, diag):
    row = torch.arange(size)
    return row < row.view(-1, 1) + (diag + 1)


def tril_matrix_to_vec(mat, diag=0):
    """The elements of (..., n, n) up to diagonal `diag`, row by row, as a vector (..., count)."""
    size = mat.shape[-1]
    if not -size <= diag < size:
        raise ValueError(f"diag ({diag}) provided is outside [{-size}, {size - 1}].")
    return mat[..., _triangle(size, diag)]


def vec_to_tril_matrix(vec, diag=0):
    """The matrix (..., n, n) whose elements up to diagonal `diag` are a vector's, row by row; 0 elsewhere."""
    count, odd = vec.shape[-1], 1 + 2 * diag
    # count = (n^2 + odd n -+ diag (diag + 1)) / 2, above and below the main diagonal
    size = (-odd + (odd * odd + 8 * count + 4 * abs(diag) * (diag + 1)) ** 0.5) / 2
    if round(size) - size > torch.finfo(vec.dtype).eps or size != int(size):
        raise ValueError(f"The size of last dimension is {count} which cannot be expressed as the lower triangular "
                         f"part of a square D x D matrix, up to diagonal {diag}.")
    size = round(size)
    matrix = torch.zeros((*vec.shape[:-1], size, size), dtype=vec.dtype, device=vec.device)
    matrix[..., _triangle(size, diag)] = vec
    return matrix
