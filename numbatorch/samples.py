"""Random tensors to try things on."""

import math

from .creation import empty
from .dtypes import BOOL, COMPLEX, FLOAT, INTEGER, finfo, float32, iinfo
from .ops import OPS
from .randomness import randint


def make_tensor(*shape, dtype, device, low=None, high=None, requires_grad=False, noncontiguous=False,
                exclude_zero=False, memory_format=None):
    """A tensor of random numbers of [low, high) from the default generator: -9 to 9 unless told, 0 or 1 for bools.

    Limits outside of what the dtype holds are moved to it. noncontiguous: every second element of a larger tensor;
    exclude_zero: 1, or the smallest normal number, instead of 0. ValueError for an empty range, NaN limits, integers
    that require grad, and memory_format together with noncontiguous.
    """
    if len(shape) == 1 and isinstance(shape[0], (list, tuple)):
        shape = tuple(shape[0])
    if noncontiguous and memory_format is not None:
        raise ValueError(f"make_tensor: The parameters `noncontiguous` and `memory_format` are mutually exclusive, but "
                         f"got {noncontiguous=} and {memory_format=}")
    if requires_grad and dtype.category < FLOAT:
        raise ValueError(f"make_tensor: `requires_grad=True` is not supported for boolean and integral dtypes, but got "
                         f"{dtype=}")
    low, high = _limits(dtype, low, high)
    spread = noncontiguous and math.prod(shape) > 1
    drawn = (*shape[:-1], 2 * shape[-1]) if spread else shape
    if dtype.category < FLOAT:
        result = randint(math.ceil(low), math.ceil(high), drawn, dtype=dtype, device=device)
    else:
        narrow = dtype.name.startswith("float8")
        result = empty(drawn, dtype=float32 if narrow else dtype, device=device)
        real = OPS["view_as_real"].call(result) if dtype.category == COMPLEX else result
        if high - low <= finfo(real.dtype).max:
            real.uniform_(low, high)
        else:  # the width of the range overflows: draw half of it
            real.uniform_(low / 2, high / 2).mul_(2)
        result = result.to(dtype)
    if spread:
        result = result[..., 1::2]
    elif memory_format is not None:
        result = result.clone(memory_format=memory_format)
    if exclude_zero:
        result[result == 0] = 1 if dtype.category < FLOAT else finfo(dtype).tiny
    return result.requires_grad_(True) if requires_grad else result


def _limits(dtype, low, high):
    """The range to draw from, inside of what the dtype holds."""
    if dtype.category == BOOL:
        least, beyond, lowest, highest = 0, 2, 0, 2
    elif dtype.category == INTEGER:
        info = iinfo(dtype)
        least, beyond = info.min, info.max + (dtype.name != "int64")  # the limits of randint are int64 themselves
        lowest, highest = -9, 10
    else:
        info = finfo(dtype)
        least, beyond, lowest, highest = info.min, info.max, -9, 9
    low, high = lowest if low is None else low, highest if high is None else high
    if low != low or high != high:
        raise ValueError(f"make_tensor: `low` and `high` cannot be NaN, but got {low=} and {high=}")
    if low > high or (low == high and dtype.category < FLOAT):
        raise ValueError(f"make_tensor: `low` must be less than `high`, but got {low} >= {high}")
    if high < least or low >= beyond:
        raise ValueError(f"make_tensor: The value interval specified by `low` and `high` is [{low}, {high}), but "
                         f"{dtype} "
                         f"only supports [{least}, {beyond})")
    return min(max(low, least), beyond), min(max(high, least), beyond)
