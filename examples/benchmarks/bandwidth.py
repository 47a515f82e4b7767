"""The share of the memory's bandwidth that each operation on large tensors reaches, measured in pairs.

    PYTHONPATH=.:FOLDER_OF_BENCH python examples/benchmarks/bandwidth.py [--realtime] [PART_OF_NAME ...]

Bandwidth changes from one moment to the next where a machine has other work. So a triad, a = b + s * c over 192 MB as
in the measuring program `bench`, runs right before and right after each call of a case, in one process and on the same
cores. Of each case: the median over all pairs of its share (bytes a second of the case by those of the triad), the
share by the best times of both, and these. Bytes are those that no implementation can avoid, as `bench` counts them;
the triad's are 12 an element, though its result is read before it is written, so what writes past the caches, or writes
little, exceeds 100 %. --realtime: take precedence over all other work meanwhile, which needs root.
"""

import argparse
import os
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import numba
import numpy
from bench.cases import Env, load_all
from bench.cores import CORES, realtime, spread
from bench.limits import FOOTPRINTS

import numbatorch

WARM_SECONDS, PAUSE_SECONDS = 0.05, 0.02  # before a case; between pairs, for other work
GOAL = 0.85
clock = time.perf_counter


@numba.njit("void(f4[::1], f4[::1], f4[::1], f4)", nogil=True, fastmath=True)
def triad(a, b, c, scale):
    for i in range(a.size):
        a[i] = b[i] + scale * c[i]


def triad_of(threads):
    """A function that runs one triad, each thread on a core of its own, and the bytes that it counts."""
    size = FOOTPRINTS["memory"] // threads // 12
    parts = [[numpy.ones(size, numpy.float32) for _ in range(3)] for _ in range(threads)]
    cores = iter(CORES)
    pool = ThreadPoolExecutor(threads, initializer=lambda: os.sched_setaffinity(0, [next(cores)]))
    return lambda: list(pool.map(lambda part: triad(*part, 2.0), parts)), 12 * size * threads


def seconds_of(call):
    start = clock()
    call()
    return clock() - start


def finish(result):
    """Ask for the address of results: what is deferred must be done then."""
    for tensor in result if isinstance(result, tuple) else (result,):
        tensor.data_ptr()


def pairs_of(step, run_triad, rounds, take_cores):
    """(seconds of the triad, seconds of the step) so many times, next to each other."""
    def call():
        finish(step())

    def warm():
        end = clock() + WARM_SECONDS
        while clock() < end:
            call()

    spread(warm)
    pairs = []
    for _ in range(rounds):
        with realtime(take_cores):
            before = seconds_of(run_triad)
            call()  # wakes the threads, and leaves in the caches what the step leaves there
            own = min(seconds_of(call), seconds_of(call))
            pairs.append(((before + seconds_of(run_triad)) / 2, own))
        time.sleep(PAUSE_SECONDS)
    return pairs


def main():
    parser = argparse.ArgumentParser(description="Share of the memory's bandwidth, case by case.")
    parser.add_argument("names", nargs="*", help="parts of names of cases of the suite ops")
    parser.add_argument("--threads", type=int, default=len(CORES))
    parser.add_argument("--rounds", type=int, default=40, help="pairs for each case")
    parser.add_argument("--realtime", action="store_true", help="take precedence over other work")
    options = parser.parse_args()
    numbatorch.set_num_threads(options.threads)
    run_triad, triad_bytes = triad_of(options.threads)
    shares = {}
    for name, case in load_all()["ops"].items():
        wanted = not options.names or any(part in name for part in options.names)
        if not wanted or case.flops or case.bytes <= 2 * FOOTPRINTS["cache"]:
            continue
        pairs = pairs_of(case.build(Env(numbatorch)), run_triad, options.rounds, options.realtime)
        scale = case.bytes / triad_bytes
        shares[name] = median(scale * reference / own for reference, own in pairs)
        reference, own = (min(times) for times in zip(*pairs, strict=True))
        print(f"{name:<30} {shares[name]:5.0%}  by best times {scale * reference / own:5.0%}  {own * 1e3:8.3f} ms, "
              f"triad {triad_bytes / reference / 1e9:.0f} GB/s", flush=True)
    low = sorted((share, name) for name, share in shares.items() if share < GOAL)
    print(f"{len(shares) - len(low)} of {len(shares)} cases at {GOAL:.0%} or more; below: "
          + (", ".join(f"{name} {share:.0%}" for share, name in low) or "none"))


if __name__ == "__main__":
    main()
