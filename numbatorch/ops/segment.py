"""Reductions of segments: consecutive parts of a dimension, given by their lengths or by where they start."""

from .declare import OPS, composite, foreign

_REDUCTIONS = {"sum": "sum", "mean": "sum", "prod": "prod", "max": "amax", "amax": "amax", "min": "amin",
               "amin": "amin"}
_EMPTY = {"sum": 0.0, "prod": 1.0, "amax": -float("inf"), "amin": float("inf")}


def _owners(places, n):
    """Which segment each of n elements lies in, (batch, n); the number of segments where it lies in none."""
    from ..creation import arange
    batch, count = places.shape[0], places.shape[1] - 1
    at = arange(n, device=places.device).expand(batch, n).contiguous()
    ends = places.narrow(1, 1, count).contiguous()
    owner = OPS["searchsorted"].call(ends, at, right=True)
    return owner.masked_fill(at < places.narrow(1, 0, 1), count)


def _spread(per_segment, owner):
    """The value of each element's segment: (batch, count, inner) -> (batch, n, inner); 0 outside all."""
    batch, _, inner = per_segment.shape
    padded = OPS["cat"].call([per_segment, per_segment.new_zeros((batch, 1, inner))], 1)
    return padded.gather(1, owner.unsqueeze(2).expand(batch, owner.shape[1], inner))


def _gathered(values, owner, count, how, start):
    """One value a segment: (batch, n, inner) -> (batch, count, inner), beginning with `start`."""
    batch, n, inner = values.shape
    whole = values.new_full((batch, count + 1, inner), start)
    index = owner.unsqueeze(2).expand(batch, n, inner)
    return whole.scatter_reduce(1, index, values, how).narrow(1, 0, count)


def _gradient(grad, data, places, result, reduce, initial):
    """Sums and means pass it on, extremes share it among the elements that equal them, products multiply the others."""
    owner, count = _owners(places, data.shape[1]), places.shape[1] - 1
    if reduce == "sum":
        return _spread(grad, owner)
    if reduce == "mean":
        lengths = (places.narrow(1, 1, count) - places.narrow(1, 0, count)).clamp(min=1).unsqueeze(2)
        return _spread(grad / lengths.to(grad.dtype), owner)
    if reduce == "prod":
        # Where elements are 0 or NaN, the product of the others is not the whole divided by the element.
        odd = (data == 0).logical_or(data != data)
        plain = _gathered(data.masked_fill(odd, 1), owner, count, "prod", 1.0 if initial is None else initial)
        odd_count = _spread(_gathered(odd.to(data.dtype), owner, count, "sum", 0.0), owner)
        zeros = _spread(_gathered((data == 0).to(data.dtype), owner, count, "sum", 0.0), owner)
        alone = _spread(plain, owner)
        nans = odd_count - zeros - (data != data).to(data.dtype)
        others = alone.masked_fill(odd_count > 1, 0).masked_fill(nans > 0, float("nan"))
        divided = _spread(result, owner) / data.masked_fill(odd, 1)
        return _spread(grad, owner) * OPS["where"].call(odd, others, divided)
    chosen = _spread(result, owner)
    same = (data == chosen).logical_or((data != data).logical_and(chosen != chosen)).to(data.dtype)
    shares = _spread(_gathered(same, owner, count, "sum", 0.0), owner).clamp(min=1)
    return _spread(grad, owner) * same / shares


@foreign(name="_segments", method=False, data=_gradient)
def reduced(data, places, reduce: str, initial: object):
    """Reductions of data (batch, n, inner) over the segments between `places`, (batch, count + 1)."""
    count, how = places.shape[1] - 1, _REDUCTIONS[reduce]
    owner = _owners(places, data.shape[1])
    result = _gathered(data, owner, count, how, _EMPTY[how] if initial is None else initial)
    if reduce != "mean":
        return result.contiguous()
    lengths = (places.narrow(1, 1, count) - places.narrow(1, 0, count)).unsqueeze(2)
    if initial is not None:
        lengths = lengths.clamp(min=1)
    return result / lengths.to(data.dtype)


@composite(method=False, aliases=("_segment_reduce",))
def segment_reduce(data, reduce, *, lengths=None, indices=None, offsets=None, axis=0, unsafe=False, initial=None):
    """sum, mean, max, min or prod of consecutive parts of dimension `axis`: shape (*outer, segments, *inner).

    data (*outer, n, *inner). `lengths` (*outer, segments) of the parts, or `offsets` (*outer, segments + 1), where they
    start and end. `initial` enters every part; without it an empty one is 0, NaN, -inf, inf or 1. Floating point only.
    RuntimeError for parts that do not fit; lengths must sum to n unless `unsafe`.
    """
    from ..layout import wrap_dim
    name = "segment_reduce()"
    if reduce not in _REDUCTIONS:
        raise RuntimeError(f"{name}: reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    if indices is not None:
        raise RuntimeError(f"{name}: indices based reduction is not supported yet, use lengths or offsets")
    given = lengths if offsets is None else offsets
    if given is None:
        raise RuntimeError(f"{name}: Either lengths or offsets must be defined.")
    if not data.dtype.is_floating_point or given.dtype.name not in ("int32", "int64"):
        raise NotImplementedError(f'"segment_reduce" not implemented for data of {data.dtype} and segments of '
                                  f'{given.dtype}: use a floating point dtype and int32 or int64')
    axis = wrap_dim(axis, data.ndim)
    n, outer, inner = data.shape[axis], data.shape[:axis], data.shape[axis + 1:]
    if axis != given.ndim - 1:
        which = "lengths" if offsets is None else "offsets"
        raise RuntimeError(f"{name}: Expected axis to be the last dimension of {which}, of shape {list(given.shape)}, "
                           f"but got {axis}.")
    if given.shape[:-1] != outer:
        raise RuntimeError(f"{name}: segments {list(given.shape)} do not fit data {list(data.shape)} with axis {axis}")
    places = given.detach().long().reshape(-1, given.shape[-1])
    if offsets is None:
        if places._layout.has_values and bool((places < 0).any()):
            raise RuntimeError(f"{name}: lengths contains negative value!")
        if not unsafe and places._layout.has_values and bool((places.sum(1) != n).any()):
            raise RuntimeError(f"{name}: Expected all rows of lengths along axis to sum to data.size(lengths.dim()-1), "
                               f"{n}, when !unsafe.")
        places = OPS["cat"].call([places.new_zeros((places.shape[0], 1)), places.cumsum(1)], 1)
    count = places.shape[1] - 1
    if count < 0:
        raise RuntimeError(f"{name}: offsets need at least one element, got shape {list(given.shape)}")
    if count and places._layout.has_values and (
            bool((places < 0).any()) or bool((places > n).any()) or bool((places.diff(dim=1) < 0).any())):
        raise RuntimeError(f"{name}: segments must lie one after another in 0..{n}, the size of dimension {axis}")
    batch, last = places.shape[0], 1
    for size in inner:
        last *= size
    result = reduced.call(data.reshape(batch, n, last), places, reduce, initial)
    return result.reshape(*outer, count, *inner)
