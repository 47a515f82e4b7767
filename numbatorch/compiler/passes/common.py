"""Steps that compute what an earlier one has computed are left out: the same kernel on the same operands."""

from ..graph import Graph, Place
from .order import elsewhere, makes_temporaries, writers_of


def run(graph):
    """The graph where such values are read from where the earlier step has put them."""
    writers = writers_of(graph.steps)
    known: dict = {}  # key: the step that was first
    changed: dict = {}  # buffer: how often it was written so far
    instead: dict = {}
    kept = []
    for original in graph.steps:
        step = elsewhere(original, instead)
        if makes_temporaries(original, writers) and original.plan is not None:
            key = _key(step, changed)
            first = known.setdefault(key, step)
            if first is not step:
                instead.update(_results(step, first))
                continue
        for b in step.writes():
            changed[b] = changed.get(b, 0) + 1
        kept.append(step)
    return Graph(graph.name, graph.buffers, kept, graph.options)


def _key(step, changed):
    """What decides the results of a step: its plan, what it reads in which state, and where in memory results lie."""
    parts: list = [id(step.plan), len(step.values)]
    for v in step.values:
        if not isinstance(v, Place):
            parts.append(("expression", v.expression) if v.expression is not None else (type(v.value), repr(v.value)))
        elif v.reads:
            parts.append((id(v.buffer), changed.get(v.buffer, 0), v.offset, id(v.layout)))
        else:
            parts.append((v.buffer.nbytes, v.offset, id(v.layout), v.writes))
    return tuple(parts)


def _results(step, first):
    """{a buffer that a step would have written: the one that the first such step has written}."""
    return {v.buffer: w.buffer for v, w in zip(step.values, first.values, strict=True)
            if isinstance(v, Place) and v.writes}
