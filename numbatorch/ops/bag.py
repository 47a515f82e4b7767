"""embedding_bag: sums, means and maxima of rows of a table."""

from .declare import OPS, composite
from .index import check

_F = "nn.functional"


def _bag_numbers(input, offsets, include_last_offset):
    """(the bag of each index, number of bags) of a flat input cut at `offsets`."""
    count = input.numel()
    bags = offsets.shape[0] - bool(include_last_offset)
    if bags < 0:
        raise RuntimeError("embedding_bag: include_last_offset: number of offsets should be at least 1")
    if offsets.shape[0] and offsets._layout.has_values:
        first, last = int(offsets[0]), int(offsets[-1])
        if first != 0:
            raise RuntimeError("embedding_bag: offsets[0] has to be 0, i.e., the first sequence in the mini-batch has "
                               "to start "
                               f"from position 0. However, got {first}")
        if last > count:
            raise RuntimeError(f"embedding_bag: offsets[-1] can not be greater than input's length {count}, but got "
                               "offsets[-1] "
                               f"of {last}")
    starts = input.new_zeros((count + 1,)).index_add(0, offsets[:bags].to(input.dtype),
                                                     input.new_ones((bags,)))
    return starts[:count].cumsum(0).to(input.dtype) - 1, bags


@composite(namespaces=_F, method=False)
def embedding_bag(input, weight, offsets=None, max_norm=None, norm_type=2, scale_grad_by_freq=False, mode="mean",
                  sparse=False, per_sample_weights=None, include_last_offset=False, padding_idx=None):
    """The sum, mean or maximum of the rows of `weight` (V, E) in each bag of indices: (B, E).

    input (B, N): each row is a bag. input (N) with offsets (B): a bag starts at each offset. Empty bags give zeros.
    per_sample_weights, for sums, multiply the rows; indices equal to padding_idx do not count.
    """
    if weight.ndim != 2:
        raise ValueError(f"embedding_bag: weight has to be a 2D Tensor, but got Tensor of dimension {weight.ndim}")
    if mode not in ("sum", "mean", "max"):
        raise ValueError("embedding_bag: mode has to be one of sum, mean or max")
    if per_sample_weights is not None and per_sample_weights.shape != input.shape:
        raise ValueError("embedding_bag: If per_sample_weights is not None, then it must have the same shape as the "
                         "input "
                         f"({tuple(input.shape)}), but got {tuple(per_sample_weights.shape)}")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError("embedding_bag: per_sample_weights is only supported for mode='sum' (got "
                                  f"mode='{mode}')")
    if mode == "max" and (scale_grad_by_freq or sparse):
        raise ValueError("max mode does not support "
                         f"{'sparse weights' if sparse else 'scaling the gradient by the frequency'}")
    if input.dtype.name not in ("int32", "int64"):
        raise RuntimeError("embedding_bag: Expected tensor for argument 'indices' to have scalar type Long or Int, "
                           "but got "
                           f"{input.dtype}")
    flat = input.reshape(-1)
    if input.ndim == 2:
        if offsets is not None:
            raise ValueError("if input is 2D, then offsets has to be None, as input is treated is a mini-batch of "
                             "fixed length "
                             f"sequences. However, found offsets of type {offsets.dtype}")
        bags = input.shape[0]
        numbers = None
    elif input.ndim == 1:
        if offsets is None:
            raise ValueError("offsets has to be a 1D Tensor but got None")
        if offsets.ndim != 1:
            raise ValueError("offsets has to be a 1D Tensor")
        numbers, bags = _bag_numbers(flat, offsets, include_last_offset)
    else:
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}")
    rows = weight.shape[0]
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise AssertionError("embedding_bag: padding_idx must be within the number of embeddings, got "
                                 f"{padding_idx} for "
                                 f"{rows} rows")
        padding_idx %= rows
    check("embedding_bag", flat, rows, 0)
    chosen = OPS["nn.functional.embedding"].call(flat, weight, padding_idx if sparse else None, max_norm, norm_type,
                                                 scale_grad_by_freq, sparse)
    counted = None if padding_idx is None else (flat != padding_idx)
    if per_sample_weights is not None:
        chosen = chosen * per_sample_weights.reshape(-1, 1)
    if mode == "max":
        return _largest(chosen, counted, numbers, bags)
    if counted is not None:
        chosen = chosen.masked_fill(counted.logical_not().unsqueeze(1), 0)
    total = _added(chosen, numbers, bags)
    if mode == "sum":
        return total
    share = (chosen.new_ones((flat.shape[0],)) if counted is None else counted.to(chosen.dtype)).unsqueeze(1)
    return total / _added(share, numbers, bags).clamp(min=1)


def _added(rows, numbers, bags):
    if numbers is None:
        return rows.reshape(bags, -1, rows.shape[1]).sum(1) if rows.numel() else rows.new_zeros((bags, rows.shape[1]))
    return rows.new_zeros((bags, rows.shape[1])).index_add(0, numbers, rows)


def _largest(rows, counted, numbers, bags):
    if numbers is None:
        numbers = rows.new_zeros((bags, rows.shape[0] // max(bags, 1)), dtype=_int64())
        if bags:
            numbers = numbers.add(OPS["_positions"].call(rows, bags).unsqueeze(1))
        numbers = numbers.reshape(-1)
    if counted is not None:
        kept = counted.nonzero().reshape(-1)
        rows, numbers = rows.index_select(0, kept), numbers.index_select(0, kept)
    empty = rows.new_zeros((bags, rows.shape[1]))
    return empty.scatter_reduce(0, numbers.unsqueeze(1).expand(-1, rows.shape[1]), rows, "amax", include_self=False)


def _int64():
    from ..dtypes import int64
    return int64
