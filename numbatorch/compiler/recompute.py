"""Recomputation: what is kept long and made cheaply is made again where it is next read.

The same kernel runs on the same inputs, so nothing changes but memory and time. Greedy: at the step where most is
alive, the buffer whose memory costs the least time to give up goes first, until a limit is met.
After Chen et al. 2016, arXiv:1604.06174, but by cost instead of by segments.
"""

import math
from dataclasses import replace

from ..device import CPU
from ..expr import kinds
from . import MemoryLimitError, on_gpu
from .graph import Buffer, Graph, Place, Step
from .launches import again, lower
from .memory import MemoryPlan, highest, lifetimes, rounded
from .order import updates_early

BYTES, FLOPS = 1e10, 5e10  # a second of one thread: what estimates of cost are made with
WORTH, SHARE = 32 << 20, 0.05  # temporaries of so many bytes are worth 5 % of time, which is less when measured
# Bytes a second, by an estimate five times too slow, that are always worth it; fewer only while a run takes more than
# so much of what eager code takes (the GPT of bench made another product again, 1 of 57 ms, for 3 of 67 MB).
FLOOR, ENOUGH = 1e9, 0.75
DEEP = 9  # steps that are run again for one buffer, at most


def planned(graph, limit, name, eager=0):
    """The graph as it is run: in `limit` bytes; without a limit, one of much memory with cheap steps run again.

    eager: bytes of temporaries that the function itself has at a time.
    """
    decisions = graph.decisions
    graph = updates_early(graph) if graph.device is CPU else on_gpu.arranged(graph)
    graph.decisions = decisions
    lower(graph)
    if limit is not None:
        graph = fitted(graph, limit, name)
    elif highest(lifetimes(graph))[0] >= WORTH:
        outlives = sum(b.nbytes for b in dict.fromkeys(p.buffer for s in graph.steps for p in s.places)
                       if b.kind in ("state", "input", "result"))
        graph = reduced(graph, ENOUGH * (eager + outlives) - outlives, SHARE * sum(map(cost, graph.steps)), FLOOR)[0]
    graph.decisions = decisions
    return graph


def fitted(graph, limit, name):
    """The graph, with steps that are run again where it needs more than `limit` bytes.

    MemoryLimitError, with the table of the best plan, where it still does not fit.
    """
    plan = MemoryPlan(graph, True)
    over = plan.total - limit
    target = plan.peak
    while over > 0:
        made, reached = reduced(graph, target - over)
        graph, target = made, min(target, reached)
        plan = MemoryPlan(graph, True)
        if plan.total <= limit:
            break
        if reached > target - over or plan.total - limit >= over:
            raise MemoryLimitError(f"compile: {name} needs {plan.total} bytes for temporaries and results, and "
                                   f"memory_limit is {limit}; nothing more can be computed again.\n{plan.table()}")
        over = plan.total - limit
    return graph


def reduced(graph, target, budget=math.inf, floor=math.inf):
    """(a graph with at most `target` bytes alive at a time, if that can be had, the bytes that it has).

    budget: seconds, by estimate, that what is run again may take. floor: bytes a second for which there may be less.
    """
    decisions = graph.decisions
    known = graph.known("again")
    if known is not None:
        for maker, place, order, before in known:
            graph = _again(graph, graph.steps[maker].places[place].buffer, order, before)
        graph.decisions = decisions
        return graph, highest(lifetimes(graph))[0]
    found: list = []
    best = graph, highest(lifetimes(graph))[0], 0
    for _ in range(len(graph.steps)):
        lives = lifetimes(graph)
        peak, at = highest(lives)
        if peak < 0.995 * best[1]:
            best = graph, peak, len(found)
        if peak <= target and floor == math.inf:
            break
        choice = _choice(graph, lives, at, budget)
        if choice is None or peak <= target and choice[0] * floor > choice[1].nbytes:
            break
        budget -= choice[0]
        _, buffer, order, before = choice
        found.append((*_maker(graph, buffer), order, before))
        graph = _again(graph, buffer, order, before)
    peak = highest(lifetimes(graph))[0]
    if peak < best[1]:
        best = graph, peak, len(found)
    graph = best[0]
    graph.decisions = decisions
    graph.decided(found[:best[2]])
    return best[:2]


def _maker(graph, buffer):
    """(number of the step that writes a buffer, of the operand)."""
    return next((k, n) for k, s in enumerate(graph.steps) if buffer in s.writes()
                for n, p in enumerate(s.places) if p.buffer is buffer)


def cost(step):
    """Seconds that a step takes, roughly."""
    sizes = sorted((p.layout.numel for p in step.places), reverse=True)
    seconds = sum(p.layout.nbytes for p in step.places) / BYTES
    if _is_cheap(step) or len(sizes) < 3:
        return seconds
    flops = 2 * math.sqrt(math.prod(sizes[:3]))  # a product: of (m, k), (k, n) and (m, n)
    if "conv" in step.name:  # of windows, whose sizes are those of the weight
        flops *= math.sqrt(min(math.prod(p.layout.shape[2:]) for p in step.places if p.layout.ndim > 2))
    return seconds + flops / FLOPS


def _is_cheap(step):
    if step.request is not None:
        return isinstance(step.request, (kinds.Elementwise, kinds.Rows))
    return step.plan is not None and step.plan.op.kind in ("elementwise", "rowwise", "reduction", "gather")


def _choice(graph, lives, at, budget):
    """(seconds, buffer, steps to run again, the step before which, bytes) of the cheapest way to less; or None."""
    users = _Users(graph)
    best = None
    for b, (first, last) in lives.items():
        if not first < at < last or at in users.of[b] or len(users.writers[b]) != 1:
            continue
        after = next(k for k in users.of[b] if k > at)
        again = _chain(graph, users, lives, b, after, at, DEEP)
        if again is None:
            continue
        order, longer = again
        gain = rounded(b.nbytes) - longer
        seconds = sum(cost(graph.steps[k]) for k in order)
        if gain <= 0 or seconds > budget:
            continue
        value = gain / max(seconds, 1e-9)
        if best is None or value > best[0]:
            best = value, (seconds, b, order, after)
    return None if best is None else best[1]


class _Users:
    """of: {buffer: numbers of the steps that touch it}; writers: of those that write it."""

    def __init__(self, graph):
        self.of, self.writers = {}, {}
        for number, step in enumerate(graph.steps):
            for b in dict.fromkeys(p.buffer for p in step.places):
                self.of.setdefault(b, []).append(number)
            for b in step.writes():
                self.writers.setdefault(b, []).append(number)
            for b in graph.lowered[step].workspaces if step in graph.lowered else ():
                self.of.setdefault(b, []).append(number)
                self.writers[b] = []


def _chain(graph, users, lives, buffer, before, at, deep):
    """(numbers of the steps that make a buffer again before step `before`, bytes that live longer for it); or None."""
    maker = users.writers[buffer][0]
    step = graph.steps[maker]
    if step.kind != "launch" or any(b.kind != "temporary" or len(users.writers[b]) != 1 for b in step.writes()):
        return None
    order, longer = [maker], 0
    for b in dict.fromkeys(p.buffer for p in step.places if p.reads):
        if any(maker < k < before for k in users.writers.get(b, ())):
            return None  # it is not what it was
        if b.kind != "temporary" or lives[b][1] >= before:
            continue
        if deep > 1 and len(users.writers[b]) == 1:
            made = _chain(graph, users, lives, b, before, at, deep - len(order))
            if made is not None and len(order) + len(made[0]) <= deep and made[1] < rounded(b.nbytes):
                order = [*made[0], *[k for k in order if k not in made[0]]]
                longer += made[1]
                continue
        longer += rounded(b.nbytes) if lives[b][1] < at else 0
    return order, longer


def _again(graph, buffer, order, before):
    """The graph in which `buffer` is made again before a step, for that step and those that follow."""
    new: dict = {}
    clones = []
    for k in order:
        step = graph.steps[k]
        for b in dict.fromkeys(p.buffer for p in step.places if p.writes):
            new[b] = Buffer(b.number, b.kind, b.nbytes, b.name, device=b.device)
        clones.append((_with(step, new), step, new))
    only = {buffer: new[buffer]}
    later = [(_with(s, only), s, only) if buffer in s.reads() else (s, s, None) for s in graph.steps[before:]]
    steps = [*graph.steps[:before], *(s for s, *_ in clones), *(s for s, *_ in later)]
    made = Graph(graph.name, [*graph.buffers, *new.values()], steps, graph.options)
    made.lowered = dict(graph.lowered)
    for step, own, instead in (*clones, *later):
        if step is not own and own in graph.lowered:
            made.lowered[step] = again(graph.lowered[own], instead)
            made.buffers += made.lowered[step].workspaces
    for step, own, _ in later:
        if step is not own:
            made.lowered.pop(own, None)
    gone = {b for s in graph.lowered.keys() - made.lowered.keys() for b in graph.lowered[s].workspaces}
    if gone:
        made.buffers = [b for b in made.buffers if b not in gone]
    return made


def _with(step: Step, new):
    """A step with other buffers; the step itself where it has none of them."""
    if not step.parts and not any(v.buffer in new for v in step.places):
        return step
    values = [Place(new[v.buffer], v.offset, v.layout, v.reads, v.writes) if isinstance(v, Place) and v.buffer in new
              else v for v in step.values]
    return replace(step, values=values, parts=tuple(_with(part, new) for part in step.parts))


__all__ = ["fitted", "planned", "reduced"]
