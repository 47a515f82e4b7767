"""Forms of the reductions that choose by argument: max and min, variance, norms, products."""

from .. import dtypes
from .declare import OPS, composite, foreign
from .reduce import (
    amax,
    amin,
    max_dim,
    min_dim,
    norm_0,
    norm_1,
    norm_2,
    norm_inf,
    norm_neg_inf,
    norm_p,
    prod_dims,
    std_dims,
    var_dims,
)


def _extreme(name, whole, along, pairwise):
    def op(input, dim=None, keepdim=False, *, other=None):
        if other is not None:
            dim = other
        if not hasattr(input, "_layout"):
            raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
        if dim is None:
            return whole.call(input)
        if hasattr(dim, "_layout"):
            return OPS[pairwise].call(input, dim)
        if isinstance(dim, (tuple, list)):
            raise TypeError(f"{name}(): argument 'dim' must be int, not {type(dim).__name__}; use a{name} for several")
        if input.dtype.is_complex:
            raise RuntimeError(f"{name}: does not support complex input")
        return along.call(input, dim, keepdim)
    op.__name__ = name
    op.__doc__ = (f"{name}(input): the {name}imum of all. {name}(input, dim, keepdim): (values, indices) along `dim`. "
                  f"{name}(input, other): elementwise.")
    return composite(op, out=True, separate=True, signatures=(
        "(input) -> Tensor", "(input, dim: int, keepdim: bool = False) -> (values, indices)",
        "(input, other: Tensor) -> Tensor"))


max = _extreme("max", amax, max_dim, "maximum")
min = _extreme("min", amin, min_dim, "minimum")


@composite(outputs=("min", "max"), out=True, exact_out=True)
def aminmax(input, *, dim=None, keepdim=False):
    """(min, max) along one `dim`, or of all elements; both NaN if any is."""
    from ..results import named_results
    result = named_results("aminmax", ("min", "max"))
    if dim is None:
        return result((amin.call(input), amax.call(input)))
    return result((amin.call(input, dim, keepdim), amax.call(input, dim, keepdim)))


@composite(out=True)
def prod(input, dim=None, keepdim=False, *, dtype=None):
    """Product of all elements, or along `dim`. The gradient holds with zeros, too."""
    if isinstance(dim, (tuple, list)):
        raise TypeError(f"prod(): argument 'dim' must be int, not {type(dim).__name__}; call it once a dimension")
    if dtype is not None:
        dtype = dtypes.of_type(dtype)
        input = input.to(dtype)
        if dtype.category == 0:
            return OPS["all"].call(input, dim, keepdim)
    if not (input.requires_grad and input.numel()):
        result = prod_dims.call(input, dim, keepdim)
        return result if dtype is None else result.to(dtype)
    return _prod_with_gradient(input, dim, keepdim)


def _prod_with_gradient(input, dim, keepdim):
    """Products of what lies before and after each element, so that no division by zero happens."""
    from ..autograd.modes import mode
    if dim is None:
        shape = (1,) * input.ndim
        flat = input.reshape(-1)
        result = _prod_with_gradient(flat, 0, False)
        return result.reshape(shape) if keepdim else result
    if input.ndim == 0:
        return OPS["clone"].call(input)
    before, mode.enabled = mode.enabled, False
    try:
        has_zero = bool((input == 0).any())
    finally:
        mode.enabled = before
    if not has_zero:
        return prod_dims.call(input, dim, keepdim)
    parts = input.unbind(dim)
    result = parts[0]
    for p in parts[1:]:
        result = result * p
    return result.unsqueeze(dim) if keepdim else result


def _moment(name, op, root):
    def function(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        if isinstance(unbiased, bool):
            correction = 1 if unbiased else 0
        return _with_correction(name, op, input, dim, keepdim, correction)
    function.__name__ = name
    function.__doc__ = f"{root} over `dim` with divisor n - correction (1 unless given; `unbiased=False` means 0)."
    return composite(function, out=True)


def _with_correction(name, op, input, dim, keepdim, correction):
    if input.dtype.category < 2:
        raise RuntimeError(f"{name}: {name} and mean only support floating point and complex dtypes, got {input.dtype}")
    correction = 1.0 if correction is None else float(correction)
    n = input.numel()
    if dim is not None:
        from ..layout import wrap_dims
        n = 1
        for d in wrap_dims(dim if not isinstance(dim, list) else tuple(dim), input.ndim):
            n *= input.shape[d] if input.ndim else 1
    if n <= correction:
        import warnings
        warnings.warn(f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than the reduction "
                      "factor (input numel divided by output numel).", stacklevel=4)
    if input.is_complex():  # the spread of a complex number is that of its two parts together
        whole = sum(var_dims.call(part, dim, keepdim, correction) for part in (input.real, input.imag))
        return whole if op is var_dims else whole.sqrt()
    return op.call(input, dim, keepdim, correction)


var = _moment("var", var_dims, "Variance")
std = _moment("std", std_dims, "Standard deviation")


def _moment_mean(name, op, text):
    def function(input, dim=None, unbiased=None, keepdim=False, *, correction=None) -> tuple:
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        if isinstance(unbiased, bool):
            correction = 1 if unbiased else 0
        spread = _with_correction(name, op, input, dim, keepdim, correction)
        return spread, OPS["mean"].call(input, dim, keepdim)
    function.__name__ = f"{name}_mean"
    function.__doc__ = f"({text}, mean) over `dim`, the first as `{name}` has it."
    return composite(function, method=False)


var_mean = _moment_mean("var", var_dims, "variance")
std_mean = _moment_mean("std", std_dims, "standard deviation")


@foreign(name="_norm_zero", method=False, grad=lambda grad: None)
def norm_zero(input, dim=None, keepdim=False):
    """`norm_0`, recorded as other norms are, though no gradient reaches the input: none, not zeros."""
    return norm_0.call(input, dim, keepdim)


def vector_norm_of(input, ord, dim, keepdim, dtype=None):
    """The vector norm of order `ord` over `dim`."""
    if dtype is not None:
        input = input.to(dtype)
    if input.dtype.category < 2:
        raise RuntimeError(f"linalg.vector_norm: Expected a floating point or complex tensor as input. Got "
                           f"{input.dtype}")
    if isinstance(dim, list):
        dim = tuple(dim)
    ord = float(ord)
    op = {2.0: norm_2, 1.0: norm_1, 0.0: norm_zero, float("inf"): norm_inf, float("-inf"): norm_neg_inf}.get(ord)
    if op is not None:
        return op.call(input, dim, keepdim)
    return norm_p.call(input, ord, dim, keepdim)


@composite(out=True)
def norm(input, p="fro", dim=None, keepdim=False, dtype=None):
    """The vector norm of order `p` over `dim`; "fro" is 2, "nuc" the nuclear norm of matrices."""
    if p == "nuc":
        return OPS["linalg.matrix_norm"].call(input, "nuc", (-2, -1) if dim is None else dim, keepdim)
    if isinstance(p, str) and p != "fro":
        raise RuntimeError(f"norm: only valid p strings are 'fro' and 'nuc', got {p!r}")
    return vector_norm_of(input, 2.0 if p in ("fro", None) else p, dim, keepdim, dtype)


@composite(out=True)
def dist(input, other, p=2):
    """The p-norm of input - other, which broadcast, over all elements: a 0-d tensor."""
    return vector_norm_of(input - other, p, None, False)


@composite(out=True)
def nanmean(input, dim=None, keepdim=False, *, dtype=None):
    """The mean over `dim` of what is not NaN; NaN where nothing is."""
    if input.dtype.category < 2:
        raise RuntimeError(f"nanmean(): expected input to have floating point or complex dtype but got {input.dtype}")
    count = (~OPS["isnan"].call(input)).sum(dim, keepdim)
    return OPS["nansum"].call(input, dim, keepdim, dtype=dtype) / count


@composite(inplace=True, out=True)
def renorm(input, p, dim, maxnorm):
    """The parts of `input` along `dim`, those whose p-norm exceeds `maxnorm` scaled down to it."""
    from ..layout import wrap_dim
    if input.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions")
    dim = wrap_dim(dim, input.ndim)
    dims = tuple(d for d in range(input.ndim) if d != dim)
    n = vector_norm_of(input, p, dims, True)
    return input * OPS["where"].call(n > maxnorm, maxnorm / (n + 1e-7), 1.0).to(input.dtype)
