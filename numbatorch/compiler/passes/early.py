"""Numbers are read early: a count of steps is moved on and read before the work that only later needs it.

So the steps that use such numbers can run together with those that make their other operands.
"""

from ..graph import Graph
from .order import numbers_of

SMALL = 4096  # bytes that a step may touch to be moved


def run(graph):
    """The graph with reads, and the small steps that they depend on, right after the last check."""
    steps = graph.steps
    begin = 1 + max((k for k, s in enumerate(steps) if s.kind == "check"), default=-1)
    moved = graph.decide("early", lambda: _movable(steps, begin))
    first = set(moved)
    rest = [s for k, s in enumerate(steps) if k >= begin and k not in first]
    return Graph(graph.name, graph.buffers, [*steps[:begin], *(steps[k] for k in moved), *rest], graph.options)


def _movable(steps, begin):
    """Numbers of the steps that move."""
    moved: list = []
    for k in range(begin, len(steps)):
        if steps[k].kind == "read":
            own = _needed(steps, k, begin)
            if own is not None:
                others = {*moved, *own}
                if all(_passes(steps, j, begin, others) for j in own):
                    moved += [j for j in own if j not in moved]
    return sorted(moved)


def _needed(steps, last, begin):
    """Numbers of the steps from `begin` on that a read depends on, and its own; None where one of them is large."""
    found, buffers, numbers = [last], set(steps[last].reads()), set()
    for k in range(last - 1, begin - 1, -1):
        step = steps[k]
        if step.kind == "read" and step.read in numbers:
            found.append(k)
            buffers |= step.reads()
        elif step.writes() & buffers:
            if step.kind != "launch" or sum(v.layout.nbytes for v in step.places) > SMALL:
                return None
            found.append(k)
            buffers |= step.reads() | step.writes()
            numbers |= numbers_of(step)
    return found


def _passes(steps, number, begin, moved):
    """Whether a step can run before all that stand between `begin` and it, but for those that move, too."""
    own = steps[number]
    for k in range(begin, number):
        if k not in moved and (steps[k].writes() & (own.reads() | own.writes()) or steps[k].reads() & own.writes()):
            return False
    return True
