"""Reductions, scans and normalisations that leave out elements where `mask` is False.

`mask` broadcasts to the shape of `input`; without one every element counts. `dim`: an int, several, or None for all.
A reduction over no element gives its identity: 0 for sums, 1 for products, -inf for maxima, NaN for means.
"""

import numbatorch as torch

__all__ = ["amax", "amin", "argmax", "argmin", "cumprod", "cumsum", "log_softmax", "logaddexp", "logsumexp", "mean",
           "median", "norm", "normalize", "prod", "softmax", "softmin", "std", "sum", "var"]


def _filled(input, mask, value):
    """`input` with `value` where it is masked out."""
    if mask is None:
        return input
    shape = torch.broadcast_shapes(mask.shape, input.shape)
    if shape != input.shape:
        raise ValueError(f"masked: mask of shape {tuple(mask.shape)} must broadcast to the shape of input, "
                         f"{tuple(input.shape)}")
    return torch.where(mask.bool(), input, torch.full((), value, dtype=input.dtype, device=input.device))


def _converted(input, dtype):
    return input if dtype is None or dtype is input.dtype else input.to(dtype)


def _dims(input, dim):
    """The dimensions reduced, as a tuple."""
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return tuple(range(input.ndim))
    return (dim,) if isinstance(dim, int) else tuple(dim)


def _lowest(dtype):
    return float("-inf") if dtype.is_floating_point or dtype.is_complex else torch.iinfo(dtype).min


def _highest(dtype):
    return float("inf") if dtype.is_floating_point else torch.iinfo(dtype).max


def _count(input, mask, dims, keepdim):
    ones = torch.ones_like(input, dtype=torch.int64)
    return _filled(ones, mask, 0).sum(dims, keepdim)


def sum(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Sum over `dim`."""
    return _filled(_converted(input, dtype), mask, 0).sum(_dims(input, dim), keepdim)


def prod(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Product over `dim`."""
    result = _filled(_converted(input, dtype), mask, 1)
    if input.ndim == 0 and dim in (None, ()):  # nothing to multiply: the input itself, integers as int64
        return result if result.is_floating_point() or result.is_complex() else result.to(dtype or torch.int64)
    if input.ndim == 0:
        return result.prod()
    for d in sorted((d % max(input.ndim, 1) for d in _dims(input, dim)), reverse=True):
        result = result.prod(d, keepdim)
    return result


def amax(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Maximum over `dim`."""
    input = _converted(input, dtype)
    return torch.amax(_filled(input, mask, _lowest(input.dtype)), _dims(input, dim), keepdim)


def amin(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Minimum over `dim`."""
    input = _converted(input, dtype)
    return torch.amin(_filled(input, mask, _highest(input.dtype)), _dims(input, dim), keepdim)


def argmax(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Position of the maximum along `dim`, or among all, in the dtype of `input` as in PyTorch."""
    input = _converted(input, dtype)
    return torch.argmax(_filled(input, mask, _lowest(input.dtype)), dim, bool(keepdim)).to(input.dtype)


def argmin(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Position of the minimum along `dim`, or among all, in the dtype of `input` as in PyTorch."""
    input = _converted(input, dtype)
    return torch.argmin(_filled(input, mask, _highest(input.dtype)), dim, bool(keepdim)).to(input.dtype)


def mean(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Mean over `dim`. TypeError for integers."""
    input = _converted(input, dtype)
    if not (input.is_floating_point() or input.is_complex()):
        raise TypeError(f"masked.mean expects dtype to be floating point or complex, got {input.dtype}")
    dims = _dims(input, dim)
    if mask is None:
        return input.mean(dims, keepdim)
    return _filled(input, mask, 0).sum(dims, keepdim) / _count(input, mask, dims, keepdim)


def median(input, dim=-1, *, keepdim=False, dtype=None, mask=None):
    """Median along `dim`, the lower of two; NaN where everything is masked out."""
    input = _converted(input, dtype)
    if not input.is_floating_point():
        raise TypeError(f"masked.median expects dtype to be floating point, got {input.dtype}")
    return torch.nanmedian(_filled(input, mask, float("nan")), dim, keepdim)[0]


def norm(input, ord=2.0, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Vector norm of order `ord` over `dim`."""
    identity = float("inf") if ord == float("-inf") else 0
    return torch.linalg.vector_norm(_filled(_converted(input, dtype), mask, identity), ord, _dims(input, dim), keepdim)


def var(input, dim=None, unbiased=None, *, correction=None, keepdim=False, dtype=None, mask=None):
    """Variance over `dim` with divisor count - correction (1 unless given; `unbiased=False` means 0)."""
    input = _converted(input, dtype)
    if not (input.is_floating_point() or input.is_complex()):
        input = input.to(torch.get_default_dtype())
    if correction is None:
        correction = 0 if unbiased is False else 1
    dims = _dims(input, dim)
    count = _count(input, mask, dims, True)
    centre = _filled(input, mask, 0).sum(dims, True) / count
    distance = _filled(input - centre, mask, 0)
    squares = distance * distance.conj()  # complex where the input is, as in PyTorch
    divisor = (_count(input, mask, dims, keepdim) - correction).clamp(min=0).to(squares.dtype)
    return squares.sum(dims, keepdim) / divisor


def std(input, dim=None, unbiased=None, *, correction=None, keepdim=False, dtype=None, mask=None):
    """Standard deviation over `dim`: the root of `var`."""
    return var(input, dim, unbiased, correction=correction, keepdim=keepdim, dtype=dtype, mask=mask).sqrt()


def logsumexp(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """log(sum(exp(input))) over `dim`."""
    input = _converted(input, dtype)
    return torch.logsumexp(_filled(input, mask, _lowest(input.dtype)), _dims(input, dim), keepdim).to(input.dtype)


def logaddexp(input, other, *, dtype=None, input_mask=None, other_mask=None):
    """log(exp(input) + exp(other)); what is masked out counts as -inf."""
    lowest = float("-inf")
    return torch.logaddexp(_filled(_converted(input, dtype), input_mask, lowest),
                           _filled(_converted(other, dtype), other_mask, lowest))


def cumsum(input, dim, *, dtype=None, mask=None):
    """Running sum along `dim`."""
    return torch.cumsum(_filled(_converted(input, dtype), mask, 0), dim)


def cumprod(input, dim, *, dtype=None, mask=None):
    """Running product along `dim`."""
    return torch.cumprod(_filled(_converted(input, dtype), mask, 1), dim)


def softmax(input, dim, *, dtype=None, mask=None):
    """exp(input) over its sum along `dim`; 0 where masked out."""
    return torch.softmax(_filled(_converted(input, dtype), mask, float("-inf")), dim)


def log_softmax(input, dim, *, dtype=None, mask=None):
    """Logarithm of `softmax`."""
    return torch.log_softmax(_filled(_converted(input, dtype), mask, float("-inf")), dim)


def softmin(input, dim, *, dtype=None, mask=None):
    """`softmax` of -input."""
    return torch.softmax(-_filled(_converted(input, dtype), mask, float("inf")), dim)


def normalize(input, ord, dim, *, eps=1e-12, dtype=None, mask=None):
    """`input` over its norm along `dim`, the norm being at least `eps`."""
    input = _converted(input, dtype)
    size = norm(input, ord, dim, keepdim=True, mask=mask)
    return _filled(input, mask, 0) / size.clamp(min=eps)
