"""What this machine reaches: bytes a second of a triad, operations a second of a matrix product."""

import functools
import time
from typing import NamedTuple

import numbatorch as torch

ELEMENTS = 8 << 20  # 32 MB an operand in float32: beyond the caches
SIDE = 768          # of a product: 0.9 GFLOP, long enough to time, and short
REPEATS = 15        # the best counts: other programs disturb


class MachineLimits(NamedTuple):
    """GB/s of memory and GFLOP/s in float32, of all threads that numbatorch uses."""

    bandwidth: float
    compute: float


@functools.lru_cache
def _measured(threads):
    with torch.no_grad():
        b, c = torch.rand(ELEMENTS), torch.rand(ELEMENTS)
        triad = _best(lambda: torch.add(b, c, alpha=3.0))
        x, y = torch.rand(SIDE, SIDE), torch.rand(SIDE, SIDE)
        product = _best(lambda: torch.mm(x, y))
    return MachineLimits(3 * 4 * ELEMENTS / triad / 1e9, 2 * SIDE**3 / product / 1e9)


def machine_limits():
    """The limits, measured once (some 0.5 s) for each number of threads; triad after McCalpin 1995, STREAM."""
    return _measured(torch.get_num_threads())


def _best(run):
    """Seconds of the quickest of some runs, after one that compiles."""
    run()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)
