"""Measure operations on this machine, as a share of what its memory and its arithmetic allow.

First the limits are measured: bytes a second of a triad (memory), operations a second of a float32 matrix product. Then
each operation: the time of a call, the bytes it must move or the operations it must do in that time, and which share of
the limit this is. Small operands stay in the caches, which are faster than memory: shares above 100 % are theirs.

--against torch measures an installed PyTorch, too, in turns and with as many threads; `x1.50` says that PyTorch takes
1.5 times as long. Times are the best of five turns, as other programs on the machine disturb both: close them.
"""

import argparse
import fnmatch
import importlib
import json
import math
import statistics
import sys
import time

from .bench_cases import CASES, SIZES

HELP = "measure operations as a share of this machine's limits, or against PyTorch"
TURNS = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--against", choices=["torch"], metavar="torch", help="measure this library, too")
    parser.add_argument("--only", metavar="NAMES", default="*", help="names or patterns, with commas: 'matmul,soft*'")
    parser.add_argument("--size", choices=sorted(SIZES), default="M",
                        help="elements of an operand: S some thousands (L1 cache), M a million, L 16 million (memory)")
    parser.add_argument("--threads", type=int, metavar="N", help="threads, of both libraries (default: all cores)")
    parser.add_argument("--seconds", type=float, metavar="S", default=0.3, help="time for each operation (default 0.3)")
    parser.add_argument("--json", metavar="FILE", help="write what was measured, too")
    parser.add_argument("--list", action="store_true", help="print the names and stop")


def main(options: argparse.Namespace) -> int:
    patterns = [p for p in options.only.split(",") if p]
    chosen = [c for c in CASES if any(fnmatch.fnmatchcase(c.name, p) for p in patterns)]
    if options.list:
        print(*(c.name for c in CASES), sep="\n")
        return 0
    if not chosen:
        print(f"numbatorch bench: no operation is called {options.only!r}; --list prints the names", file=sys.stderr)
        return 2
    if options.threads is not None and options.threads < 1 or not 0 < options.seconds < math.inf:
        print("numbatorch bench: --threads must be at least 1, --seconds above 0", file=sys.stderr)
        return 2
    import numbatorch

    libraries = {"numbatorch": numbatorch}
    if options.against:
        try:
            libraries[options.against] = importlib.import_module(options.against)
        except ImportError:
            print(f"numbatorch bench: {options.against} is not installed; pip install torch==2.13.0", file=sys.stderr)
            return 1
    if options.threads:
        numbatorch.set_num_threads(options.threads)
    for library in libraries.values():
        library.set_num_threads(numbatorch.get_num_threads())
    if not options.json:
        report(chosen, libraries, options)
        return 0
    try:  # before the minutes that measuring takes
        file = open(options.json, "w", encoding="utf-8")
    except OSError as error:
        print(f"numbatorch bench: --json {options.json}: {error.strerror}", file=sys.stderr)
        return 1
    with file:
        json.dump(report(chosen, libraries, options), file, indent=1)
    return 0


def report(chosen, libraries, options) -> dict:
    """Measure and print, a line an operation as it is done; what was measured."""
    from numbatorch.profiler.limits import machine_limits

    limits = machine_limits()
    threads = libraries["numbatorch"].get_num_threads()
    print(f"limits with {threads} thread{'s' * (threads > 1)}: memory {limits.bandwidth:.1f} GB/s, "
          f"float32 arithmetic {limits.compute:.0f} GFLOP/s; size {options.size}\n")
    other = next((name for name in libraries if name != "numbatorch"), None)
    print(f"{'operation':<26}{'time':>11}{'speed':>16}{'of limit':>10}" + (f"{other:>13}" if other else ""))
    rows = []
    for case in chosen:
        row = measure(case, libraries, options, limits)
        rows.append(row)
        print(f"{case.name:<26}{duration(row['seconds']):>11}{row['speed']:>16}{row['share']:>10.0%}"
              + (f"     x{row['ratio']:<7.2f}" if other else ""), flush=True)
    if other:
        ratios = [row["ratio"] for row in rows]
        print(f"\ngeometric mean x{statistics.geometric_mean(ratios):.2f} of {len(ratios)}; "
              f"{sum(r >= 1 for r in ratios)} at x1.00 or more")
    return {"limits": limits._asdict(), "threads": threads, "size": options.size, "operations": rows}


def measure(case, libraries, options, limits) -> dict:
    """One operation by each library, in turns: its time (the best of the turns) and its share of the limit."""
    calls = {name: case.make(library, SIZES[options.size]) for name, library in libraries.items()}
    for call, _ in calls.values():
        call()  # compiles
    work = calls["numbatorch"][1]
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(TURNS):
        for name, (call, _) in calls.items():
            times[name].append(once(call, options.seconds / TURNS / len(calls)))
    seconds = {name: min(t) for name, t in times.items()}
    own = seconds["numbatorch"]
    if work.operations:
        speed, share = f"{work.operations / own / 1e9:.1f} GFLOP/s", work.operations / own / 1e9 / limits.compute
    else:
        speed, share = f"{work.bytes / own / 1e9:.1f} GB/s", work.bytes / own / 1e9 / limits.bandwidth
    row = {"name": case.name, "seconds": own, "speed": speed, "share": share}
    for name, value in seconds.items():
        if name != "numbatorch":
            row |= {f"seconds_{name}": value, "ratio": value / own}
    return row


def once(call, seconds: float) -> float:
    """Seconds of a call: the median of blocks of at least 0.2 ms that fill the time."""
    start = time.perf_counter()
    call()
    count = max(1, int(2e-4 / max(time.perf_counter() - start, 1e-7)))
    blocks: list[float] = []
    end = time.perf_counter() + seconds
    while not blocks or time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(count):
            call()
        blocks.append((time.perf_counter() - start) / count)
    return statistics.median(blocks)


def duration(seconds: float) -> str:
    """A time with three digits: 12.3 us."""
    for factor, unit in ((1e6, "us"), (1e3, "ms")):
        if seconds * factor < 1000:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s"
