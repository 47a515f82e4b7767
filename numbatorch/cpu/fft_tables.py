"""Numbers of Fourier transforms: factors of a length, twiddles, and the order in which frequencies come out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

LARGEST_PRIME = 31  # above, Bluestein's convolution is cheaper than a butterfly


def prime_factors(n: int) -> list[int]:
    """Prime factors of n in ascending order."""
    found, p = [], 2
    while p * p <= n:
        while n % p == 0:
            found.append(p)
            n //= p
        p += 1
    return found + [n] * (n > 1)


def radices(n: int) -> list[int]:
    """Radices of the passes of a transform of n points, the first pass first; n has no prime above LARGEST_PRIME."""
    primes = prime_factors(n)
    twos = primes.count(2)
    # As few passes of 8 and 16 as will do, the small ones first; measured for 16 * 2^k numbers of float32, Zen 5.
    found = {1: [2], 2: [4], 5: [4, 8], 8: [4, 8, 8]}.get(twos)
    if found is None:
        sixteens = twos % 3  # 4 * sixteens and twos leave the same rest
        found = [8] * ((twos - 4 * sixteens) // 3) + [16] * sixteens
    threes = primes.count(3)
    odd = [3] * (threes % 2) + [9] * (threes // 2) + [p for p in primes if p > 3]
    return odd + found


def unit_roots(numerators: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines of -2 pi t / n in float64, from angles of at most pi / 4: half a unit in the last place."""
    t = np.asarray(numerators, np.int64) % n
    quarter = (8 * t + n) // (2 * n)  # the nearest multiple of pi / 2
    angle = (4 * t - quarter * n) * (math.pi / (2 * n))
    cosine, sine = np.cos(angle), np.sin(angle)
    swap = quarter % 2 == 1
    re, im = np.where(swap, -sine, cosine), np.where(swap, cosine, sine)
    flip = (quarter % 4 == 2) | (quarter % 4 == 3)
    return np.where(flip, -re, re), np.where(flip, im, -im)


def aligned(values: np.ndarray, dtype: str) -> np.ndarray:
    """A copy in another dtype that starts at a multiple of 64 bytes."""
    flat = np.ravel(values)
    block = np.empty(flat.size + 64 // np.dtype(dtype).itemsize, dtype)
    first = (-block.ctypes.data % 64) // block.itemsize
    result = block[first:first + flat.size]
    result[:] = flat
    return result


def pass_twiddles(n: int, radix: int, dtype: str) -> np.ndarray:
    """Rows of exp(-2 pi i p k / n), k = 1 ... radix - 1, for p = 0 ... n / radix - 1, as pairs."""
    p, k = np.arange(n // radix)[:, None], np.arange(1, radix)[None, :]
    return aligned(np.stack(unit_roots(p * k, n), -1), dtype)


def point_roots(numerators: np.ndarray, n: int, dtype: str) -> np.ndarray:
    """The same for any numerators (..., lanes), each row as a vector of cosines and one of sines."""
    return aligned(np.stack(unit_roots(numerators, n), -2), dtype)


def number_roots(numerators: np.ndarray, n: int, dtype: str) -> np.ndarray:
    """The same as pairs."""
    return aligned(np.stack(unit_roots(numerators, n), -1), dtype)


def reversed_order(passes: Sequence[int]) -> np.ndarray:
    """The frequency that each point holds after passes of these radices in place."""
    order, count = np.zeros(1, np.int64), 1
    for radix in passes:
        order = (order[:, None] + count * np.arange(radix)[None, :]).ravel()
        count *= radix
    return order


def starts(n: int, lanes: int) -> np.ndarray:
    """Where vectors of `lanes` begin that cover 0 ... n - 1, the last one overlapping: (blocks, 1)."""
    return np.minimum(np.arange(0, n, lanes), max(n - lanes, 0))[:, None]
