"""Greatest common divisors and least common multiples."""

import numpy as np

from .declare import foreign


def _integers(name, function, input, other):
    from ..creation import from_numpy
    from ..queries import result_type
    for position, value in enumerate((input, other), 1):
        if not hasattr(value, "_layout"):
            raise TypeError(f"{name}(): argument {position} must be Tensor, not {type(value).__name__}")
        if value.dtype.category != 1:
            raise NotImplementedError(f'"{name}_cpu" not implemented for {value.dtype}')
    kind = result_type(input, other)
    return from_numpy(np.asarray(function(input.to(kind).numpy(), other.to(kind).numpy())))


@foreign(out=True, inplace=True, differentiable=False)
def gcd(input, other):
    """Greatest common divisor of integers, never negative; gcd(0, 0) = 0."""
    return _integers("gcd", np.gcd, input, other)


@foreign(out=True, inplace=True, differentiable=False)
def lcm(input, other):
    """Least common multiple of integers, never negative; 0 where one of them is 0."""
    return _integers("lcm", np.lcm, input, other)
