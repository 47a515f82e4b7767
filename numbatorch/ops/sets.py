"""Places in sorted sequences, counts, and distinct values."""

from ..dtypes import int32, int64, of_number, promote_types, result_of
from ..expr.kinds import Native
from ..layout import layout, wrap_dim
from .declare import OPS, composite, gather as gather_kind
from .gathering import flat_nonzero


@gather_kind(name="_searchsorted", method=False, differentiable=False)
def search(boundaries, values, right: bool, narrow: bool):
    """Where each value goes in its row of `boundaries`, both contiguous."""
    return Native("search", "plan", (boundaries, values), [layout(int32 if narrow else int64, values.shape, None,
                                                                  values.device)], {"right": right})


@composite(method=False, out=True)
def searchsorted(sorted_sequence, input, *, out_int32=False, right=False, side=None, sorter=None):
    """The index before which each value of `input` keeps the last dimension of `sorted_sequence` sorted.

    After equal ones with `right` or side="right". Leading dimensions must agree, or the sequence be 1-d. `sorter`: the
    argsort of a sequence that is not sorted itself.
    """
    if side not in (None, "left", "right"):
        raise RuntimeError(f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}")
    if side == "left" and right:
        raise RuntimeError("torch.searchsorted(): side and right can't be set to opposites, got side of left while "
                           "right "
                           "was True")
    number = not hasattr(input, "_layout")
    if number:
        kind = result_of([(sorted_sequence._layout.dtype, 2), (of_number(input), 0)])
        sorted_sequence, input = sorted_sequence.to(kind), sorted_sequence.new_full((), input, dtype=kind)
        if sorted_sequence._layout.ndim != 1:
            raise RuntimeError("torch.searchsorted(): input value can be a scalar only when boundary tensor dimension "
                               "is 1, "
                               f"but we got boundaries tensor dim({sorted_sequence._layout.ndim})")
    own, other = sorted_sequence._layout, input._layout
    if own.dtype is not other.dtype:
        both = promote_types(own.dtype, other.dtype)
        sorted_sequence, input = sorted_sequence.to(both), input.to(both)
    if own.ndim == 0:
        raise RuntimeError("torch.searchsorted(): boundaries tensor should have positive dimension, but got 0 "
                           "dimension")
    if own.ndim != 1 and (own.ndim != other.ndim or own.shape[:-1] != other.shape[:-1]):
        raise RuntimeError("torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions "
                           "of "
                           f"boundaries tensor and input value tensor must match, but we got boundaries tensor "
                           f"{list(own.shape)} and input value tensor {list(other.shape)}")
    if sorter is not None:
        if sorter._layout.shape != own.shape:
            raise RuntimeError(f"torch.searchsorted(): boundary and sorter must have the same size, but got boundary "
                               f"tensor "
                               f"{list(own.shape)} and got sorter tensor {list(sorter._layout.shape)}")
        if sorter._layout.dtype is not int64:
            raise RuntimeError(f"torch.searchsorted(): sorter must be a tensor of long dtype but got dtype "
                               f"{sorter._layout.dtype}")
        if sorter._layout.numel:
            low, high = OPS["_bounds"].call(sorter.contiguous())
            if low.item() < 0 or high.item() >= own.shape[-1]:
                raise RuntimeError("torch.searchsorted(): sorter index out of range")
        sorted_sequence = OPS["gather"].call(sorted_sequence.detach(), -1, sorter)
    return search.call(sorted_sequence.contiguous(), input.contiguous(), right or side == "right", out_int32)


@composite(method=False, out=True)
def bucketize(input, boundaries, *, out_int32=False, right=False):
    """The index of the bucket between 1-d `boundaries` that each value falls into."""
    if boundaries._layout.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries._layout.ndim})")
    return searchsorted.call(boundaries, input, out_int32=out_int32, right=right)


@composite(sized_by_values=True)
def bincount(input, weights=None, minlength=0):
    """How often each non-negative int occurs, or the sum of its weights; at least `minlength` entries."""
    own = input._layout
    if own.dtype.category != 1:
        raise NotImplementedError(f"bincount only supports 1-d non-negative integral inputs, got {own.dtype}")
    if own.ndim != 1:
        raise RuntimeError(f"bincount only supports 1-d non-negative integral inputs, got shape {list(own.shape)}")
    if minlength < 0:
        raise RuntimeError(f"bincount: minlength should be >= 0, got {minlength}")
    if weights is not None and weights._layout.shape != own.shape:
        raise RuntimeError(f"bincount: weights should be 1-d and have the same length as input, got "
                           f"{list(weights._layout.shape)} and {list(own.shape)}")
    if weights is not None and weights._layout.dtype.name != "float32":
        weights = weights.double()
    index = (input if own.dtype is int64 else input.to(int64)).contiguous()
    length = minlength
    if own.numel:
        low, high = OPS["_bounds"].call(index)
        if low.item() < 0:
            raise RuntimeError(f"bincount only supports 1-d non-negative integral inputs, got {low.item()}")
        length = max(minlength, high.item() + 1)
    source = index.new_ones(()).expand(own.shape) if weights is None else weights.detach()
    if not own.numel:
        return source.new_zeros((length,), dtype=int64 if weights is None else None)
    return OPS["_collect"].call(source, index, (length,), (0,), "along")


# Distinct values. Equal neighbours are found by comparison, after sorting where order does not matter.

def _changes(rows):
    """True where a row differs from the one before it, and at the first."""
    count = rows._layout.shape[0]
    differs = rows[1:] != rows[:-1]
    if differs._layout.ndim > 1:
        differs = differs.reshape(count - 1, -1).any(1) if differs._layout.numel else differs.new_zeros((count - 1,))
    return OPS["cat"].call([differs.new_ones((1,)), differs])


def _runs(rows, order, return_inverse, return_counts):
    """(first row of each run, inverse, counts) of neighbouring equal rows; `order` says where rows came from."""
    count = rows._layout.shape[0]
    if count == 0:
        none = rows.new_empty((0,), dtype=int64)
        return rows, none, none
    first = _changes(rows)
    starts = flat_nonzero(first)
    inverse = counts = rows.new_empty((0,), dtype=int64)
    if return_inverse:
        inverse = first.to(int64).cumsum(0) - 1
        if order is not None:
            inverse = inverse.new_empty(inverse._layout.shape).index_copy(0, order, inverse)
    if return_counts:
        counts = OPS["cat"].call([starts[1:], starts.new_full((1,), count)]) - starts
    return rows.index_select(0, starts), inverse, counts


def _answer(values, inverse, counts, return_inverse, return_counts):
    more = [x for x, wanted in ((inverse, return_inverse), (counts, return_counts)) if wanted]
    return (values, *more) if more else values


def _sorted_rows(rows):
    """Rows in lexicographic order, and that order: a stable sort by each column, the last one first."""
    count, width = rows._layout.shape
    order = OPS["_positions"].call(rows, count)
    for column in range(width - 1, -1, -1):
        order = order[_sortable(rows[:, column])[order].sort(stable=True)[1]]
    return rows[order], order


def _sortable(values):
    return values.byte() if values._layout.dtype.name == "bool" else values


def _of_dim(input, dim, consecutive, return_inverse, return_counts):
    dim = wrap_dim(dim, input._layout.ndim)
    moved = input.movedim(dim, 0)
    shape = moved._layout.shape
    if input._layout.numel == 0:
        if shape[0] and any(n == 0 for d, n in enumerate(shape) if d):
            raise RuntimeError("unique: There are 0 sized dimensions, and they aren't selected, so unique cannot be "
                               "applied")
        none = input.new_empty((0,), dtype=int64)
        return _answer(input.clone(), none, none, return_inverse, return_counts)
    rows, order = moved.reshape(shape[0], -1), None
    if not consecutive:
        rows, order = _sorted_rows(rows)
    values, inverse, counts = _runs(rows, order, return_inverse, return_counts)
    values = values.reshape(-1, *shape[1:]).movedim(0, dim)
    return _answer(values, inverse, counts, return_inverse, return_counts)


def _ordered(name, input):
    if input._layout.dtype.is_complex:
        raise NotImplementedError(f'"{name}" not implemented for {input._layout.dtype}: complex numbers have no order')
    return input


@composite(sized_by_values=True)
def unique(input, sorted=True, return_inverse=False, return_counts=False, dim=None):
    """The distinct values (or parts along `dim`), sorted; where each element is among them; how often each occurs."""
    input = _ordered("unique", input.detach())
    if dim is not None:
        return _of_dim(input, dim, False, return_inverse, return_counts)
    flat, order = _sortable(input.reshape(-1)).sort(stable=True)
    values, inverse, counts = _runs(flat.to(input._layout.dtype), order, return_inverse, return_counts)
    return _answer(values, inverse.reshape(input._layout.shape) if return_inverse else inverse, counts, return_inverse,
                   return_counts)


@composite(sized_by_values=True)
def unique_consecutive(input, return_inverse=False, return_counts=False, dim=None):
    """Runs of equal neighbours as one each; which run each element is in; how long each run is."""
    input = _ordered("unique", input.detach())
    if dim is not None:
        return _of_dim(input, dim, True, return_inverse, return_counts)
    values, inverse, counts = _runs(input.reshape(-1), None, return_inverse, return_counts)
    return _answer(values, inverse.reshape(input._layout.shape) if return_inverse else inverse, counts, return_inverse,
                   return_counts)
