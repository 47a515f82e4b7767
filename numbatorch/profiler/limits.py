"""What this machine, or a GPU, reaches: bytes a second of a triad, operations a second of a matrix product."""

import functools
import time
from typing import NamedTuple

import numbatorch as torch

ELEMENTS = 8 << 20  # 32 MB an operand in float32: beyond the caches
SIDE = 768          # of a product: 0.9 GFLOP, long enough to time, and short
REPEATS = 15        # the best counts: other programs disturb
ON_GPU = 1 << 19, 32  # elements of the triad, beyond the caches, and rows of the product for each multiprocessor


class MachineLimits(NamedTuple):
    """GB/s of memory and GFLOP/s in float32, of all threads that numbatorch uses, or of a GPU."""

    bandwidth: float
    compute: float


@functools.lru_cache
def _measured(threads, device):
    elements, rows, columns = ELEMENTS, SIDE, SIDE
    if device.type == "cuda":
        processors = torch.cuda.get_device_properties(device).multi_processor_count
        elements, rows, columns = ON_GPU[0] * processors, ON_GPU[1] * processors, 4096
        if processors == 1:  # the emulator
            elements, rows, columns = 4096, 32, 32

    def end():
        if device.type == "cuda":
            torch.cuda.synchronize(device)
    rand = functools.partial(torch.rand, device=device, generator=torch.Generator(device))  # nobody else's numbers
    with torch.no_grad():
        b, c = rand(elements), rand(elements)
        triad = _best(lambda: torch.add(b, c, alpha=3.0), end)
        x, y = rand(rows, columns), rand(columns, columns)
        product = _best(lambda: torch.mm(x, y), end)
    return MachineLimits(3 * 4 * elements / triad / 1e9, 2 * rows * columns**2 / product / 1e9)


def machine_limits(device="cpu"):
    """The limits, measured once for each device and number of threads (some 0.5 s); triad: McCalpin 1995, STREAM."""
    return _measured(torch.get_num_threads(), torch.device(device))


def _best(run, end):
    """Seconds of the quickest of some runs, after one that compiles; end() waits for one."""
    run()
    end()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run()
        end()
        times.append(time.perf_counter() - start)
    return min(times)
