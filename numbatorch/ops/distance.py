"""Distances between rows, and covariance."""

import math

from .declare import OPS, composite, contraction


def _differences(x1, x2):
    """(..., P, 1, M) - (..., 1, R, M)."""
    return x1.unsqueeze(-2) - x2.unsqueeze(-3)


def _shares(grad, distance):
    """grad / distance, 0 where the distance is."""
    return (grad / distance).masked_fill(distance == 0, 0)


@contraction(name="_euclidean", eager=True, method=False,
             x1=lambda grad, x1, x2, result: _towards(_shares(grad, result), x1, x2),
             x2=lambda grad, x1, x2, result: _towards(_shares(grad, result).transpose(-2, -1), x2, x1))
def euclidean(x1, x2, by_product: bool):
    """Distances (..., P, R) of rows (..., P, M) and (..., R, M); by_product: sqrt(|a|² - 2 a·b + |b|²), one matmul."""
    if not by_product:
        difference = _differences(x1, x2)
        return (difference * difference).sum(-1).sqrt()
    own = x1.dtype
    x1, x2 = x1.double(), x2.double()  # near points cancel: in float32 few digits of a small distance would be left
    squares1, squares2 = (x1 * x1).sum(-1, keepdim=True), (x2 * x2).sum(-1, keepdim=True)
    squares = squares1 + squares2.transpose(-2, -1) - 2 * x1.matmul(x2.transpose(-2, -1))
    return squares.clamp(min=0).sqrt().to(own)


def _towards(shares, x, other):
    return shares.sum(-1, keepdim=True) * x - shares.matmul(other)


def _distances(x1, x2, p, by_product):
    if p == 2:
        return euclidean.call(x1, x2, by_product)
    difference = _differences(x1, x2)
    if p == 0:
        return (difference != 0).to(x1.dtype).sum(-1) + 0 * difference.sum(-1)
    if p == 1:
        return difference.abs().sum(-1)
    if p == math.inf:
        return difference.abs().amax(-1)
    return OPS["norm"].call(difference, p, -1)


@composite(method=False)
def cdist(x1, x2, p=2.0, compute_mode="use_mm_for_euclid_dist_if_necessary"):
    """p-norm distances (..., P, R) between the rows of (..., P, M) and (..., R, M).

    compute_mode: whether Euclidean distances go by a matrix product: ..._if_necessary, above 25 rows.
    """
    modes = ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist")
    if compute_mode not in (*modes, None, 0, 1, 2):
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    if compute_mode in (0, 1, 2):
        compute_mode = modes[compute_mode]
    for name, x in (("X1", x1), ("X2", x2)):
        if not x.is_floating_point():
            raise RuntimeError(f"cdist only supports floating-point dtypes, {name} got: {x.dtype}")
        if x.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {x.ndim}D")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}")
    if p < 0:
        raise RuntimeError(f"cdist only supports non-negative p values, got {p}")
    from ..layout import broadcast_shapes
    outer = broadcast_shapes("cdist", [x1.shape[:-2], x2.shape[:-2]], ["x1", "x2"])
    x1, x2 = x1.expand(*outer, *x1.shape[-2:]), x2.expand(*outer, *x2.shape[-2:])
    if x1.shape[-1] == 0:
        return x1.sum(-1).unsqueeze(-1) + x2.sum(-1).unsqueeze(-2)
    by_product = compute_mode == modes[1] or (compute_mode in (modes[0], None) and max(x1.shape[-2], x2.shape[-2]) > 25)
    return _distances(x1, x2, p, by_product)


@composite(namespaces=("", "nn.functional"), method=False)
def pdist(input, p=2.0):
    """p-norm distances of each pair of rows i < j of (N, M), one after the other: (N (N - 1) / 2,)."""
    if input.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.ndim}D")
    if not input.is_floating_point():
        raise RuntimeError(f"pdist only supports floating-point dtypes, got: {input.dtype}")
    if p < 0:
        raise RuntimeError(f"pdist only supports non-negative p values, got {p}")
    n = input.shape[0]
    if n < 2:
        return input.sum(1)[:0]
    whole = _distances(input, input, p, False)
    return whole.masked_select((whole.detach() == whole.detach()).logical_or(whole.isnan()).triu(1))


@composite
def cov(input, *, correction=1, fweights=None, aweights=None):
    """Covariance of the rows of (variables, observations): (variables, variables), or () of one variable."""
    if input.ndim > 2:
        raise RuntimeError(f"cov(): expected input to have two or fewer dimensions but got an input with {input.ndim} "
                           "dimensions")
    if input.dtype.name == "bool":
        raise RuntimeError("cov(): bool dtype is not supported for input")
    x = input.reshape(1, -1) if input.ndim < 2 else input
    if not (x.is_floating_point() or x.is_complex()):
        from ..dtypes import get_default_dtype
        x = x.to(get_default_dtype())
    if aweights is not None:
        from ..dtypes import promote_types
        x = x.to(promote_types(x.dtype, aweights.dtype))
    count = x.shape[1]
    weights = None
    for name, given, integral in (("fweights", fweights, True), ("aweights", aweights, False)):
        if given is None:
            continue
        if given.ndim > 1:
            raise RuntimeError(f"cov(): expected {name} to have one or fewer dimensions but got {name} with "
                               f"{given.ndim} "
                               "dimensions")
        if given.is_floating_point() == integral:
            raise RuntimeError(f"cov(): expected {name} to have {'integral' if integral else 'floating point'} dtype "
                               "but got "
                               f"{name} with {given.dtype} dtype")
        if given.numel() != count:
            raise RuntimeError(f"cov(): expected {name} to have the same numel as there are observations in the input "
                               "but got "
                               f"{given.numel()} != {count}")
        if count and bool((given < 0).any()):
            raise RuntimeError(f"cov(): {name} cannot be negative")
        given = given.reshape(-1).to(x.dtype.to_real())
        weights = given if weights is None else weights * given
    if weights is None:
        total, mean, factor = count, x.sum(1) / count if count else x.sum(1) * math.nan, count - correction
    else:
        total = weights.sum()
        mean = (x * weights).sum(1) / total
        if aweights is None or correction == 0:
            factor = total - correction
        else:
            factor = total - correction * (weights * aweights.reshape(-1).to(weights.dtype)).sum() / total
        factor = factor.clamp(min=0)
    if isinstance(factor, (int, float)) and factor <= 0:
        import warnings
        warnings.warn("cov(): degrees of freedom is <= 0. Correction should be strictly less than the number of "
                      "observations.",
                      stacklevel=2)
        factor = 0
    centered = x - mean.unsqueeze(1)
    other = centered if weights is None else centered * weights
    if x.is_complex():
        other = other.conj()
    result = centered.matmul(other.t())
    return (result / factor).squeeze()


@composite
def corrcoef(input):
    """Correlation coefficients of the rows: the covariance over the product of the standard deviations, within [-1, "
      "1]."""
    if input.ndim > 2:
        raise RuntimeError("corrcoef(): expected input to have two or fewer dimensions but got an input with "
                           f"{input.ndim} "
                           "dimensions")
    c = cov.call(input)
    if c.ndim == 0:
        return c / c
    deviation = c.diagonal()
    deviation = (deviation.real if c.is_complex() else deviation).sqrt()
    c = c / deviation.unsqueeze(1) / deviation.unsqueeze(0)
    if c.is_complex():
        return OPS["complex"].call(c.real.clamp(-1, 1), c.imag.clamp(-1, 1))
    return c.clamp(-1, 1)
