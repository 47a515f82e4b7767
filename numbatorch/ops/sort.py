"""Sorting along a dimension, and what reads a sorted row: topk, median, mode, quantiles.

Sorts are stable; NaN counts as larger than everything. Gradients go back to where values came from.
"""

import functools

from .. import dtypes
from ..expr import kinds
from ..layout import layout, result_strides, wrap_dim
from .declare import OPS, composite, foreign, sort as sorting


def _filled(t, value, dtype=None):
    from ..creation import full
    return full(tuple(t.shape), value, dtype=dtype or t.dtype, device=t.device)


@functools.cache
def _pair(name):
    from ..results import named_results
    return named_results(name, ("values", "indices"))


def _named(name, values, indices):
    return tuple.__new__(_pair(name), (values, indices))


def _back(grad, input, indices, dim):
    """Zeros like the input with the gradient at the places that were picked."""
    if indices.ndim == 0:
        return grad.reshape(input.shape)
    return _filled(input, 0, grad.dtype).scatter_add(dim, indices, grad)


def _no_pick(name, input, bools=True):
    """NotImplementedError for complex numbers, and for bool where PyTorch has no such operation."""
    own = input._layout.dtype
    if own.is_complex or bools and own is dtypes.bool:
        raise NotImplementedError(f'"{name}" not implemented for {own}')


def _check(name, input):
    if input.dtype.is_complex:
        raise RuntimeError(f"{name}: does not support complex input")


@sorting(name="_sort", method=False, outputs=("values", "indices"), grad=lambda grad, indices, dim: _back(
    grad, indices, indices, dim))
def sort_rows(input, dim: int, descending: bool):
    """Each row along `dim` in order, and where its elements were."""
    _check("sort", input)
    dim = wrap_dim(dim, input.ndim)
    strides = result_strides(input.shape, [(input.shape, input.strides)]) if input.ndim else ()
    outputs = [layout(d, input.shape, strides, input.device) for d in (input.dtype, dtypes.int64)]
    return kinds.Native("sort", "plan", (input,), outputs, {"dim": dim, "descending": descending})


def _topk_gradient(grad, input, indices, dim):
    return _back(grad, input, indices, dim)


@sorting(outputs=("values", "indices"), out=True, separate=True, grad=_topk_gradient)
def topk(input, k: int, dim: int = -1, largest: bool = True, sorted: bool = True):
    """(values, indices): the k largest (or smallest) elements along `dim`, in order when `sorted`, and where they are.

    RuntimeError for k above the size of `dim`. NaN counts as the largest.
    """
    _check("topk", input)
    if input.dtype is dtypes.bool:
        raise RuntimeError("topk: does not support bool input")
    dim = wrap_dim(dim, input.ndim)
    n = input.shape[dim] if input.ndim else 1
    if not 0 <= k <= n:
        raise RuntimeError(f"topk: selected index k out of range: k is {k}, dim {dim} has size {n}")
    shape = tuple(k if d == dim else s for d, s in enumerate(input.shape))
    outputs = [layout(d, shape, None, input.device) for d in (input.dtype, dtypes.int64)]
    return kinds.Native("sort", "plan", (input,), outputs, {"dim": dim, "descending": bool(largest)})


@composite(outputs=("values", "indices"), out=True)
def sort(input, dim=-1, descending=False, stable=False):
    """(values, indices) in ascending order along `dim`, or descending. Equal elements keep their order."""
    values, indices = sort_rows.call(input, dim, bool(descending))
    return _named("sort", values, indices)


@composite(out=True)
def argsort(input, dim=-1, descending=False, stable=False):
    """Positions (int64) that sort the input along `dim`, equal ones in order when `stable`; NaN is the largest."""
    return sort_rows.call(input.detach(), dim, bool(descending))[1]


@composite(out=True)
def msort(input):
    """The input sorted along dimension 0, ascending, NaN last."""
    return sort_rows.call(input, 0, False)[0]


def _pick_gradient(grad, input, indices, dim, keepdim):
    if not keepdim and input.ndim:
        grad, indices = grad.unsqueeze(dim), indices.unsqueeze(dim)
    return _back(grad, input, indices, dim)


@sorting(name="_pick", method=False, outputs=("values", "indices"), grad=_pick_gradient)
def pick_row(input, dim: int, rule: str, place: int = 0, keepdim: bool = False):
    """One element of each row along `dim`, and where it was: what stands at a place of the sorted row.

    rule: "place", `place`; "nan", the first NaN, else `place`; "numbers", the lower median of what is not NaN; "mode",
    the last element of the longest run of equal ones.
    """
    dim = wrap_dim(dim, input.ndim)
    shape = tuple(1 if d == dim else s for d, s in enumerate(input.shape) if keepdim or d != dim)
    outputs = [layout(d, shape, None, input.device) for d in (input.dtype, dtypes.int64)]
    return kinds.Native("sort", "pick", (input,), outputs, {"dim": dim, "rule": rule, "place": place})


def _row_length(name, input, dim):
    shape = input._layout.shape
    dim = wrap_dim(dim, len(shape))
    n = shape[dim] if shape else 1
    if n == 0:
        raise IndexError(f"{name}(): expected reduction dim {dim} to have non-zero size")
    return dim, n


@composite(outputs=("values", "indices"), out=True, separate=True)
def kthvalue(input, k, dim=-1, keepdim=False):
    """The k-th smallest element along `dim` (k counts from 1) and where it is."""
    _no_pick("kthvalue", input)
    dim, n = _row_length("kthvalue", input, dim)
    if not 1 <= k <= n:
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {dim}: k is {k}, the size {n}")
    return _named("kthvalue", *pick_row.call(input, dim, "place", int(k) - 1, keepdim))


# ------------------------------------------------------------------ medians and modes

def _even_gradient(grad, input, values):
    """Shared evenly by the elements that equal the result."""
    same = OPS["logical_or"].call(input == values, OPS["logical_and"].call(input != input, values != values))
    return same.to(grad.dtype) * (grad / same.sum())


@sorting(name="_median", method=False, outputs=("values", "indices"), grad=_even_gradient)
def median_all(input, ignore_nan: bool):
    """The lower median of all elements of a contiguous tensor, which are one row of the kernel, and its place."""
    row = layout(input.dtype, (input.numel,), None, input.device)
    outputs = [layout(d, (), None, input.device) for d in (input.dtype, dtypes.int64)]
    rule, place = _lower_median(input.numel, ignore_nan)
    return kinds.Native("sort", "pick", (row,), outputs, {"dim": 0, "rule": rule, "place": place})


def _lower_median(n, ignore_nan):
    return ("numbers", 0) if ignore_nan else ("nan", (n - 1) // 2)


_MEDIAN = ("(input) -> Tensor", "(input, dim: int, keepdim: bool = False) -> (values, indices)")


def _median(name, input, dim, keepdim, ignore_nan):
    _no_pick(name, input)
    if dim is None:
        if not input._layout.numel:
            return _filled(input.sum(), float("nan") if input.dtype.is_floating_point else -2**63, input.dtype)
        return median_all.call(input.contiguous(), ignore_nan)[0]
    dim, n = _row_length(name, input, dim)
    return _named(name, *pick_row.call(input, dim, *_lower_median(n, ignore_nan), keepdim))


@composite(signatures=_MEDIAN, out=True, separate=True)
def median(input, dim=None, keepdim=False):
    """The lower median of all elements, or (values, indices) along `dim`; NaN if any is."""
    return _median("median", input, dim, keepdim, False)


@composite(signatures=_MEDIAN, out=True, separate=True)
def nanmedian(input, dim=None, keepdim=False):
    """The lower median of what is not NaN, of all elements or along `dim`."""
    return _median("nanmedian", input, dim, keepdim, True)


@composite(outputs=("values", "indices"), out=True, separate=True)
def mode(input, dim=-1, keepdim=False):
    """The most frequent value along `dim` (the smallest of equally frequent ones) and where it is."""
    _no_pick("mode", input, False)
    dim, _ = _row_length("mode", input, dim)
    return _named("mode", *pick_row.call(input, dim, "mode", 0, keepdim))


# ------------------------------------------------------------------ quantiles

_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _one_quantile(input, q, dim, keepdim, interpolation):
    """The quantile of one number q: two elements of each row, or one."""
    import numpy as np
    rows, place = (input, dim) if dim is not None else (input.reshape(-1), 0)
    number = np.float32 if input.dtype.name == "float32" else np.float64  # as a tensor of q would compute it
    n = rows.shape[wrap_dim(place, rows.ndim)] if rows.ndim else 1
    rank = number(q) * number(n - 1)
    rank = {"lower": np.floor, "higher": np.ceil, "nearest": np.rint}.get(interpolation, number)(rank)
    below, above = int(np.floor(rank)), int(np.ceil(rank))
    result = pick_row.call(rows, place, "nan", below, keepdim)[0]
    if interpolation in ("linear", "midpoint"):
        weight = 0.5 if interpolation == "midpoint" else float(rank - number(below))
        other = pick_row.call(rows, place, "nan", above, keepdim)[0] if above != below else result
        result = OPS["lerp"].call(result, other, weight)
    return result.reshape((1,) * input.ndim) if keepdim and dim is None else result


def _quantile(name, input, q, dim, keepdim, interpolation, ignore_nan):
    from ..creation import tensor
    if interpolation not in _INTERPOLATIONS:
        raise RuntimeError(f"{name}(): interpolation must be one of {', '.join(_INTERPOLATIONS)}, but got "
                           f"{interpolation}")
    if not input.numel():
        raise RuntimeError(f"{name}(): input tensor must be non-empty, got shape {list(input.shape)}")
    if input.dtype.name not in ("float32", "float64"):
        raise RuntimeError(f"{name}(): input tensor must be either float or double dtype, got {input.dtype}")
    if not hasattr(q, "_layout"):
        if not 0 <= q <= 1:
            raise RuntimeError(f"{name}(): q must be in the range [0, 1] but got {q}")
        if not ignore_nan:
            return _one_quantile(input, q, dim, keepdim, interpolation)
        q = tensor(q, dtype=input.dtype, device=input.device)
    if q.ndim > 1:
        raise RuntimeError(f"{name}(): q must be a scalar or 1D tensor, got {q.ndim} dimensions")
    if q.dtype is not input.dtype:
        raise RuntimeError(f"{name}(): q tensor must be same dtype as the input tensor, got {q.dtype} and "
                           f"{input.dtype}")
    if not bool(OPS["logical_and"].call(q >= 0, q <= 1).all()):
        raise RuntimeError(f"{name}(): q values must be in the range [0, 1]")
    rank = input.ndim
    if dim is None:
        rows, place = input.reshape(-1), None
    else:
        place = wrap_dim(dim, rank)
        rows = OPS["movedim"].call(input, place, -1) if rank else input.reshape(1)
    values = sort_rows.call(rows, -1, False)[0]
    n = values.shape[-1]
    detached = values.detach()
    present = (detached == detached).sum(-1, True).to(input.dtype)  # (..., 1)
    many = q.reshape(-1)
    if ignore_nan:
        ranks = OPS["clamp"].call(many * (present - 1), 0)
    else:
        ranks = OPS["where"].call(present < n, float(n - 1), many * float(n - 1))
    if interpolation == "lower":
        ranks = ranks.floor()
    elif interpolation == "higher":
        ranks = ranks.ceil()
    elif interpolation == "nearest":
        ranks = ranks.round()
    ranks = ranks.expand(*values.shape[:-1], many.shape[0])
    below = ranks.detach().floor().to(dtypes.int64)
    result = values.gather(-1, below)
    if interpolation in ("linear", "midpoint"):
        weight = _filled(ranks, 0.5) if interpolation == "midpoint" else ranks - below.to(input.dtype)
        result = OPS["lerp"].call(result, values.gather(-1, ranks.detach().ceil().to(dtypes.int64)), weight)
    if q.ndim == 0:
        result = result.squeeze(-1)
    else:
        result = OPS["movedim"].call(result, -1, 0) if result.ndim > 1 else result
    if keepdim:
        lead = (q.shape[0],) if q.ndim else ()
        if place is None:
            return result.reshape((*lead, *([1] * rank)))
        return result.unsqueeze(place + len(lead)) if rank else result
    return result


@composite(out=True)
def quantile(input, q, dim=None, keepdim=False, *, interpolation="linear"):
    """The q-quantiles of all elements or along `dim`; NaN if any is. A 1-d q puts its quantiles first."""
    return _quantile("quantile", input, q, dim, keepdim, interpolation, False)


@composite(out=True)
def nanquantile(input, q, dim=None, keepdim=False, *, interpolation="linear"):
    """The q-quantiles of what is not NaN, along `dim` or of all elements: as `quantile`, but for NaN."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, True)


# ------------------------------------------------------------------ membership

@foreign(name="_isin", method=False, differentiable=False)
def isin_tensors(elements, test_elements, invert: bool):
    """Where elements are among the test elements."""
    import numpy as np

    from ..creation import from_numpy
    values, among = [(t.float() if t.dtype is dtypes.bfloat16 else t.detach()).numpy()
                     for t in (elements, test_elements)]
    found = np.isin(values, among, invert=invert)
    return from_numpy(np.asarray(found, order="C"))


@composite(method=False, out=True)
def isin(elements, test_elements, *, assume_unique=False, invert=False):
    """Where `elements` are among `test_elements`, as bools in the shape of `elements`; either may be a number.

    `invert`: where they are not. `assume_unique` is taken, and changes nothing.
    """
    from ..creation import tensor
    place = next((t.device for t in (elements, test_elements) if hasattr(t, "_layout")), None)
    elements, test_elements = (t if hasattr(t, "_layout") else tensor(t, device=place)
                               for t in (elements, test_elements))
    return isin_tensors.call(elements, test_elements, bool(invert))
