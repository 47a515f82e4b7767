"""Greatest common divisors, least common multiples, and hashes of bits."""

from typing import Any

import numpy as np

from ..layout import wrap_dims
from .declare import foreign


def _integers(name, function, input, other):
    from ..creation import from_numpy
    from ..queries import result_type
    for position, value in enumerate((input, other), 1):
        if not hasattr(value, "_layout"):
            raise TypeError(f"{name}(): argument {position} must be Tensor, not {type(value).__name__}")
    kind = result_type(input, other)
    if kind.category != 1:
        raise NotImplementedError(f'"{name}_cpu" not implemented for {kind}')
    return from_numpy(np.asarray(function(input.to(kind).numpy(), other.to(kind).numpy())))


@foreign(out=True, inplace=True, differentiable=False)
def gcd(input, other):
    """Greatest common divisor of integers, never negative; gcd(0, 0) = 0."""
    return _integers("gcd", np.gcd, input, other)


@foreign(out=True, inplace=True, differentiable=False)
def lcm(input, other):
    """Least common multiple of integers, never negative; 0 where one of them is 0."""
    return _integers("lcm", np.lcm, input, other)


@foreign(out=True, exact_out=True, differentiable=False)
def hash_tensor(input, dim: Any = (), *, keepdim: bool = False, mode: int = 0):
    """The bits of all elements over `dim`, as float64 or int64, combined by exclusive or (mode 0): uint64."""
    from .. import dtypes
    from ..creation import from_numpy
    if mode != 0:
        raise RuntimeError(f"hash_tensor: Unknown mode {mode}, only 0 (exclusive or) is defined")
    if input.dtype.is_complex:
        raise NotImplementedError(f"\"hash_tensor\" not implemented for '{input.dtype}'")
    dims = wrap_dims(dim, input.ndim) if input.ndim else ()
    if input.numel() == 0:
        if dim in ((), None):
            raise RuntimeError("hash_tensor: Expected reduction dim to be specified for input.numel() == 0. Specify "
                               "the reduction dim with the 'dim' argument.")
        bad = next((d for d in dims if input.shape[d] == 0), None)
        if bad is not None:
            raise IndexError(f"hash_tensor: Expected reduction dim {bad} to have non-zero size.")
    wide = input.detach().to(dtypes.float64 if input.is_floating_point() else dtypes.int64)
    bits = np.ascontiguousarray(wide.numpy()).view(np.uint64)
    combine: Any = np.bitwise_xor.reduce
    return from_numpy(np.asarray(combine(bits.reshape(input.shape), axis=dims, keepdims=keepdim)))
