"""Stages of a program that do not depend on each other, in one region of the thread pool.

A stage of one chunk runs where the program runs, while the other threads wait: half of what a small step does. Beside
such a stage there are mostly others that read and write nothing that it writes: the two products of a layer's backward
pass, the sum of its bias, updates of what has its gradient. They become one region, a table of the chunks of all of
them, and so does a stage of many chunks with those beside it. Chunks stay as they are, and so do all bits.

What a stage reads and writes are addresses, after the plan of memory: a temporary that takes over the memory of another
depends on its last use. Stages that are no kernels (checks, numbers, draws, Python) stay where they are, and no other
stage passes them.
"""

import math

LOOK_BACK = 8  # regions that a stage may pass
FASTER = 5  # than the estimates of recompute.cost, which stand for a step with cold caches
TINY = 8e-7  # seconds of a stage that is not worth a claim
# Seconds that are to be gained by a region of stages of one chunk, and by one with a stage of many, whose operands lie
# with several cores anyway. Lower ones gain more where cores are near each other (60 ns from one to the other: a GPT's
# step on one sequence of 32 tokens 1.19) and lose where they are far apart (220 ns, the same 0.7).
ALONE, BESIDE = 5e-6, 2e-6
LEAST = 0.05  # share of a program's time that is to be gained before the pool is opened for that alone
OPENING = 1e-5  # seconds for that: workers may have to be woken


class Stage:
    """A stage of a program: its number, chunks, seconds by estimate, and [(memory, start, end, whether written)]."""

    __slots__ = ("number", "chunks", "seconds", "touched")

    def __init__(self, number, chunks, seconds, touched):
        self.number, self.chunks, self.seconds, self.touched = number, chunks, seconds, touched

    def meets(self, other):
        """Whether one writes what the other reads or writes."""
        for base, start, end, written in self.touched:
            for base2, start2, end2, written2 in other.touched:
                if (written or written2) and base == base2 and start < end2 and start2 < end:
                    return True
        return False


def regions(stages):
    """[[Stage, ...], ...] in the order in which they run: those of one list are independent of each other.

    stages: in the order of the program, None for one that no other passes, which is [None].
    """
    found: list = []
    for stage in stages:
        if stage is None:
            found.append([None])
            continue
        first = len(found)
        for k in range(len(found) - 1, max(-1, len(found) - 1 - LOOK_BACK), -1):
            if found[k][0] is None or any(stage.meets(other) for other in found[k]):
                break
            first = k
        fits = [part for part in found[first:] if stage.chunks == 1 or all(other.chunks == 1 for other in part)]
        if fits:
            fits[0].append(stage)
        else:
            found.append([stage])
    return found


def joined(part, threads):
    """(those of independent stages that one region is worth it for, the seconds that it gains)."""
    own = [s for s in part if s.chunks > 1 or s.seconds > TINY]
    single = [s.seconds for s in own if s.chunks == 1]
    wide = sum(s.seconds for s in own if s.chunks > 1)
    if len(own) < 2:
        return [], 0.0
    before = sum(single) + wide / threads
    gain = before - max((sum(single) + wide) / threads, max(single, default=0.0)) - (BESIDE if wide else ALONE)
    return (own, gain) if gain > 0 else ([], 0.0)


def order(own, threads):
    """[(stage, chunk), ...] of a region: those of one thread beside each other, a part of each stage's for each.

    The pool gives each thread a run of neighbours. Of a stage of many chunks each has the part that it would have if
    the stage were alone; the others go to who has least.
    """
    runs: list = [[] for _ in range(threads)]
    loads = [0.0] * threads
    for stage in sorted(own, key=lambda s: -s.seconds):
        for k in range(stage.chunks):
            run = k * threads // stage.chunks if stage.chunks > 1 else loads.index(min(loads))
            runs[run].append((stage, k))
            loads[run] += stage.seconds / stage.chunks
    return [chunk for run in runs for chunk in run]


def seconds(step):
    """What a step takes where its operands are in a cache."""
    from . import recompute  # which knows the programs that this is a part of
    return recompute.cost(step) / FASTER


def planned(stages, threads):
    """(regions, those of each that are one region of the pool); None where nothing is gained."""
    found = regions(stages)
    chosen = [joined(part, threads) if part[0] is not None else ([], 0.0) for part in found]
    gain = sum(gain for _, gain in chosen)
    every = [s for s in stages if s is not None]
    if not gain or all(s.chunks == 1 for s in every) and gain < OPENING + LEAST * math.fsum(s.seconds for s in every):
        return None
    return found, [own for own, _ in chosen]
