"""The order of steps: what is kept after the call is brought up to date as soon as its operands are there.

An optimizer's update of a parameter comes right after its gradient, which is then still in a cache; where the function
lets go of its gradients, each ends there. Nobody can see the order within a run.
"""

from .graph import Graph


def updates_early(graph):
    """The graph with steps that write states alone as early as they can be, but not before a check, nor before a number
    is read: what changes before the last read has to be kept, for what the numbers may raise (native.py)."""
    first = 1 + max((k for k, s in enumerate(graph.steps) if s.kind == "check"), default=-1)
    steps = list(graph.steps[:first])
    for step in graph.steps[first:]:
        at = len(steps)
        if step.kind == "launch" and step.writes() and all(b.kind == "state" for b in step.writes()):
            while at > first and not _meet(steps[at - 1], step):
                at -= 1
        steps.insert(at, step)
    return Graph(graph.name, graph.buffers, steps, graph.options)


def _meet(before, step):
    """Whether a step has to stay behind another."""
    return (before.kind == "read"
            or not step.writes().isdisjoint(before.reads() | before.writes())
            or not step.reads().isdisjoint(before.writes()))


__all__ = ["updates_early"]
