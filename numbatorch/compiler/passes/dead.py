"""Steps whose results nothing uses are left out."""

from .. import traced
from ..graph import Graph, Number


def run(graph):
    """The graph without launches that only write temporaries which no later step reads."""
    needed, reads, kept = set(), set(), []
    for step in reversed(graph.steps):
        used = step.kind in ("draw", "check") or step.kind == "read" and (
            step.read in reads or step.returned) or any(
            b in needed or b.kind != "temporary" for b in step.writes())
        if not used:
            continue
        kept.append(step)
        needed |= step.reads()
        if step.check is not None:
            reads |= _sources(step.check)
        for v in step.values:
            if isinstance(v, Number) and v.expression is not None:
                reads |= _sources(v.expression)
    return Graph(graph.name, graph.buffers, kept[::-1], graph.options)


def _sources(expression):
    return {k for kind, k in traced.sources(expression) if kind == "read"}
