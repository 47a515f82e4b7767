"""Running sums, products and extremes along a dimension, and what is made of them."""

from .. import dtypes
from ..expr import kinds
from ..layout import layout, wrap_dim
from .declare import OPS, composite, scan


def _scan(name, kind, inputs, dim, reverse=False, positions=False):
    first = inputs[0]
    dim = wrap_dim(dim, first.ndim)
    outputs = [layout(first.dtype, first.shape, None, first.device)]
    if positions:
        outputs.append(layout(dtypes.int64, first.shape, None, first.device))
    return kinds.Scan(name, kind, inputs, outputs, dim, first.dtype.name, reverse)


def _counted(input, dtype):
    """In the dtype that was asked for; bool and integers in int64."""
    if dtype is None and input.dtype.category < dtypes.FLOAT:
        dtype = dtypes.int64
    return input if dtype is None else input.to(dtype)


# ------------------------------------------------------------------ sums

@scan(name="_cumsum", method=False, grad=lambda grad, dim, reverse: running_sum.call(grad, dim, not reverse))
def running_sum(input, dim: int, reverse: bool = False):
    """Running sum, from the end when `reverse`."""
    return _scan("cumsum", "sum", (input,), dim, reverse)


@composite(inplace=True, out=True)
def cumsum(input, dim, *, dtype=None):
    """result[i] = input[0] + ... + input[i] along `dim`; bool and integers count in int64."""
    return running_sum.call(_counted(input, dtype), dim)


# ------------------------------------------------------------------ products

def _filled(t, value):
    """A tensor of t's shape and dtype, all one value."""
    from ..creation import full
    return full(tuple(t.shape), value, dtype=t.dtype, device=t.device)


def _shifted(x, dim, by):
    """x moved by one place along dim, 0 (by 1: at the start, by -1: at the end) filled in."""
    n = x.shape[dim]
    zero = _filled(x.narrow(dim, 0, 1), 0)
    parts = (zero, x.narrow(dim, 0, n - 1)) if by > 0 else (x.narrow(dim, 1, n - 1), zero)
    return OPS["cat"].call(list(parts), dim)


def _recurrence_state(grad, factor, dim, reverse):
    """Adjoint of the recurrence: it runs the other way, each factor belonging to the step that is left."""
    if not grad.numel():
        return grad
    return recurrence.call(grad, _shifted(factor.conj(), dim, 1 if reverse else -1), dim, not reverse)


def _recurrence_factor(grad, result, factor, dim, reverse):
    if not grad.numel():
        return grad
    return _recurrence_state(grad, factor, dim, reverse) * _shifted(result, dim, -1 if reverse else 1).conj()


@scan(name="_recurrence", method=False, input=_recurrence_state, factor=_recurrence_factor)
def recurrence(input, factor, dim: int, reverse: bool = False):
    """result[i] = input[i] + factor[i] * result[i - 1]; from the end when `reverse`."""
    return _scan("recurrence", "recurrence", (input, factor), dim, reverse)


def _product_gradient(grad, input, dim):
    """d/dx[k] = (product before k) * b[k], where b[k] = grad[k] + x[k + 1] b[k + 1]: no division, zeros are fine."""
    if input.ndim == 0 or not input.numel():
        return grad
    x = input.conj()
    before = running_product.call(x, dim)
    n = input.shape[dim]
    before = OPS["cat"].call([_filled(x.narrow(dim, 0, 1), 1), before.narrow(dim, 0, n - 1)], dim)
    return before * recurrence.call(grad, _shifted(x, dim, -1), dim, True)


@scan(name="_cumprod", method=False, grad=_product_gradient)
def running_product(input, dim: int):
    """Running product."""
    return _scan("cumprod", "prod", (input,), dim)


@composite(inplace=True, out=True)
def cumprod(input, dim, *, dtype=None):
    """result[i] = input[0] * ... * input[i] along `dim`; bool and integers count in int64."""
    return running_product.call(_counted(input, dtype), dim)


# ------------------------------------------------------------------ extremes

def _extreme_gradient(grad, indices, dim):
    if indices.ndim == 0 or not indices.numel():
        return grad
    return _filled(grad, 0).scatter_add(dim, indices, grad)


@scan(outputs=("values", "indices"), out=True, grad=_extreme_gradient)
def cummax(input, dim: int):
    """Largest element so far along `dim` and where it is (the last of equals); NaN stays."""
    return _scan("cummax", "max", (input,), dim, positions=True)


@scan(outputs=("values", "indices"), out=True, grad=_extreme_gradient)
def cummin(input, dim: int):
    """Smallest element so far along `dim` and where it is (the last of equals); NaN stays."""
    return _scan("cummin", "min", (input,), dim, positions=True)


# ------------------------------------------------------------------ log of sums

def _weights_gradient(grad, terms, factors, dim, reverse):
    return running_weighted.call(grad, factors, terms, dim, not reverse)


@scan(name="_running_weighted", method=False, eager=True, weights=_weights_gradient,
      terms=lambda grad, weights, terms, factors, dim, reverse: weights * _weights_gradient(
          grad, terms, factors, dim, reverse), factors=lambda grad, result: grad * result)
def running_weighted(weights, terms, factors, dim: int, reverse: bool):
    """exp(factors[k]) times the running sum of weights[i] exp(terms[i]), from the end when `reverse`.

    Positive and negative weights are summed apart, so that it can be done with logarithms, without overflow.
    """
    positive = OPS["where"].call(weights > 0, weights, 0.0).log()
    negative = OPS["where"].call(weights < 0, -weights, 0.0).log()
    up = (running_logsumexp.call(positive + terms, dim, reverse) + factors).exp()
    return up - (running_logsumexp.call(negative + terms, dim, reverse) + factors).exp()


def _logcumsumexp_gradient(grad, input, result, dim):
    """grad[k] = sum over i >= k of g[i] exp(x[k] - y[i])."""
    return running_weighted.call(grad, -result, input, dim, True)


@scan(name="_logcumsumexp", method=False, grad=_logcumsumexp_gradient,
      dtypes=("float16", "bfloat16", "float32", "float64"))
def running_logsumexp(input, dim: int, reverse: bool = False):
    """log of the running sum of exp(input), from the end when `reverse`."""
    return _scan("logcumsumexp", "logsumexp", (input,), dim, reverse)


def _complex_logcumsumexp_gradient(grad, input, result, dim):
    """From the end: what reaches a sum from the next one, weighed by exp(y[k] - y[k + 1]) conjugated."""
    if not (input.ndim and input.numel()):
        return grad
    sums, parts = result.unbind(dim), list(grad.unbind(dim))
    for k in reversed(range(len(parts) - 1)):
        parts[k] = parts[k] + parts[k + 1] * (sums[k] - sums[k + 1]).exp().conj()
    return OPS["stack"].call(parts, dim) * (input - result).exp().conj()


@scan(name="_complex_logcumsumexp", method=False, eager=True, grad=_complex_logcumsumexp_gradient)
def complex_logcumsumexp(input, dim: int):
    """logcumsumexp of complex numbers, one step of logaddexp after the other."""
    parts = list(input.unbind(dim)) if input.ndim and input.numel() else [input]
    for i in range(1, len(parts)):
        parts[i] = OPS["logaddexp"].call(parts[i - 1], parts[i])
    return OPS["stack"].call(parts, dim) if input.ndim and input.numel() else OPS["clone"].call(input)


@composite(out=True)
def logcumsumexp(input, dim):
    """log(exp(input[0]) + ... + exp(input[i])) along `dim`, without overflow."""
    if input.is_complex():
        return complex_logcumsumexp.call(input, dim)
    return running_logsumexp.call(input, dim)


# ------------------------------------------------------------------ differences and areas

@composite(out=True)
def diff(input, n=1, dim=-1, prepend=None, append=None):
    """input[i + 1] - input[i] along `dim`, n times; `prepend` and `append` are joined on first, unless n is 0."""
    if input.ndim == 0:
        raise RuntimeError("diff: expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"diff: order must be non-negative but got {n}")
    dim = wrap_dim(dim, input.ndim)
    for name, extra in (("prepend", prepend), ("append", append)):
        if extra is not None and extra.ndim != input.ndim:
            raise RuntimeError(f"diff: expects prepend or append to have the same number of dimensions as input, but "
                               f"{name} has {extra.ndim} and input {input.ndim}")
    if n == 0:
        return OPS["clone"].call(input)
    if prepend is not None or append is not None:
        input = OPS["cat"].call([t for t in (prepend, input, append) if t is not None], dim)
    for _ in range(min(n, input.shape[dim])):
        m = max(input.shape[dim] - 1, 0)
        after, before = input.narrow(dim, min(1, input.shape[dim]), m), input.narrow(dim, 0, m)
        input = after.logical_xor(before) if input.dtype is dtypes.bool else after - before
    return input


def _steps(name, y, x, dx, dim):
    """Widths of the intervals between samples, shaped to multiply with y's."""
    if y.ndim == 0:
        return None
    if x is None:
        return dx
    if x.ndim == 1 and y.ndim > 1:
        if x.shape[0] != y.shape[dim]:
            raise RuntimeError(f"{name}: there must be one `x` value for each sample point: x has {x.shape[0]}, y has "
                               f"{y.shape[dim]} along dim {dim}")
        steps = x.narrow(0, 1, x.shape[0] - 1) - x.narrow(0, 0, x.shape[0] - 1)
        return steps.reshape(tuple(-1 if d == dim else 1 for d in range(y.ndim)))
    own = wrap_dim(dim - y.ndim, x.ndim) if x.ndim >= y.ndim - dim else None
    if own is None or x.shape[own] != y.shape[dim]:
        raise RuntimeError(f"{name}: there must be one `x` value for each sample point: x {tuple(x.shape)}, y "
                           f"{tuple(y.shape)}, dim {dim}")
    return x.narrow(own, 1, x.shape[own] - 1) - x.narrow(own, 0, x.shape[own] - 1)


def _trapezoids(name, y, x, dx, dim):
    if y.dtype is dtypes.bool or (x is not None and x.dtype is dtypes.bool):
        raise RuntimeError(f"{name}: received a bool input for `x` or `y`, but bool is not supported")
    dim = wrap_dim(dim, y.ndim)
    steps = _steps(name, y, x, dx, dim)
    n = y.shape[dim]
    return (y.narrow(dim, 1, n - 1) + y.narrow(dim, 0, n - 1)) * steps / 2, dim


def _area_arguments(name, y, x, dx):
    if x is not None and not hasattr(x, "_layout"):
        raise TypeError(f"{name}(): argument 'x' must be Tensor, not {type(x).__name__}; a number is dx=")
    return x, 1.0 if dx is None else dx


@composite(method=False, aliases=("trapz",))
def trapezoid(y, x=None, *, dx=None, dim=-1):
    """Integral of samples y along `dim` by the trapezoidal rule, at places x or `dx` apart."""
    x, dx = _area_arguments("trapezoid", y, x, dx)
    if y.shape[wrap_dim(dim, y.ndim)] == 0:
        return y.sum(dim).to(y.dtype) if y.dtype.category >= dtypes.FLOAT else y.sum(dim).to(dtypes.get_default_dtype())
    parts, dim = _trapezoids("trapezoid", y, x, dx, dim)
    return parts.sum(dim)


@composite(method=False)
def cumulative_trapezoid(y, x=None, *, dx=None, dim=-1):
    """Running integral of samples y along `dim` by the trapezoidal rule."""
    x, dx = _area_arguments("cumulative_trapezoid", y, x, dx)
    parts, dim = _trapezoids("cumulative_trapezoid", y, x, dx, dim)
    return cumsum.call(parts, dim)
