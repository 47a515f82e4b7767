"""Philox4x32-10: random words by counter, the same on every device and for every shape of launch.

Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", section 3.3 and table 2.
"""

from numpy import uint64


def philox4x32(c0, c1, c2, c3, k0, k1):
    """Four words of 32 bits for a counter of four and a key of two; all of them held in uint64."""
    mask, half = uint64(0xFFFFFFFF), uint64(32)
    for _ in range(10):
        first, second = uint64(c0 * uint64(0xD2511F53)), uint64(c2 * uint64(0xCD9E8D57))
        c0, c2 = (second >> half) ^ c1 ^ k0, (first >> half) ^ c3 ^ k1
        c1, c3 = second & mask, first & mask
        k0, k1 = (k0 + uint64(0x9E3779B9)) & mask, (k1 + uint64(0xBB67AE85)) & mask
    return c0, c1, c2, c3


def philox_words(counter, seed):
    """The words of a running number and a seed of 64 bits each."""
    counter, seed = uint64(counter), uint64(seed)
    mask, half, zero = uint64(0xFFFFFFFF), uint64(32), uint64(0)
    return philox4x32(counter & mask, counter >> half, zero, zero, seed & mask, seed >> half)
