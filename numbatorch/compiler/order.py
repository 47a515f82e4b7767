"""The order of steps: what is kept after the call is brought up to date as soon as its operands are there.

An optimizer's update of a parameter comes right after its gradient, which is then still in a cache; where the function
lets go of its gradients, each ends there. Nobody can see the order within a run.
"""

from . import traced
from .graph import Graph, Number


def updates_early(graph):
    """The graph with steps that write states alone as early as they can be, but not before a check."""
    first = 1 + max((k for k, s in enumerate(graph.steps) if s.kind == "check"), default=-1)
    steps = list(graph.steps[:first])
    for step in graph.steps[first:]:
        at = len(steps)
        if step.kind == "launch" and step.writes() and all(b.kind == "state" for b in step.writes()):
            numbers = _numbers(step)
            while at > first and not _meet(steps[at - 1], step, numbers):
                at -= 1
        steps.insert(at, step)
    return Graph(graph.name, graph.buffers, steps, graph.options)


def _meet(before, step, numbers):
    """Whether a step has to stay behind another."""
    return (before.kind == "read" and before.read in numbers
            or not step.writes().isdisjoint(before.reads() | before.writes())
            or not step.reads().isdisjoint(before.writes()))


def _numbers(step):
    """The reads whose numbers a step uses."""
    return {k for v in step.values if isinstance(v, Number) and v.expression is not None
            for kind, k in traced.sources(v.expression) if kind == "read"}


__all__ = ["updates_early"]
