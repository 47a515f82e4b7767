"""Copies that products and convolutions make of their operands and results become steps of their own.

Narrow dtypes and strides that no kernel reads are copied first (cpu/operands.py): a pass over memory that eager code
makes in each call. As steps, copies become part of what makes the operand or reads the result, as other passes see to,
and those that neighbours make of one operand are made once. Later steps make theirs as before: meanwhile the narrower
operand is all that is kept.
"""

from itertools import count

from ...cpu import operands
from ..graph import Buffer, Graph, Place, Step
from .compose import elementwise_of, readers_of

NEAR = 4  # steps between what makes an operand and those that use one copy of it


def run(graph):
    """The graph with such copies as elementwise steps."""
    found = {number: copies for number, step in enumerate(graph.steps) if any(copies := _copies(step))}
    if not found:
        return graph
    shared = _shared(graph.steps, found)
    numbers = count(max((b.number for b in graph.buffers), default=-1) + 1)
    buffers, steps, made = list(graph.buffers), [], {}
    waiting: list = []  # copies of results, which are made where they are first needed

    def temporary(own):
        buffers.append(Buffer(next(numbers), "temporary", own.nbytes, "a copy", device=own.device))
        return buffers[-1]

    for number, step in enumerate(graph.steps):
        before, after = found.get(number, ({}, {}))
        touched = {v.buffer for v in step.places}
        due = [copy for copy in waiting if number in found or copy.writes() & touched]
        waiting = [copy for copy in waiting if copy not in due]
        steps += due
        values = list(step.values)
        for k, request in before.items():
            group = shared.get((number, k))
            if group is None:
                continue
            if group not in made:
                own = request.outputs[0]
                made[group] = Place(temporary(own), 0, own, True, False)
                steps.append(_copy(step, request, values[k], made[group]))
            values[k] = made[group]
        for k, request in after.items():
            own = request.operands[0].layout
            values[k] = Place(temporary(own), 0, own, False, True)
            waiting.append(_copy(step, request, values[k], step.values[k]))
        apart = [k for k in (*before, *after) if values[k] is not step.values[k]]
        if apart:
            kernel, keep = operands.without(step, apart)
            step = Step("launch", step.name, values, kernel, step.meta, step.units, step.grain, where=step.where,
                        keep=keep, parts=(step,))
        steps.append(step)
        due = [copy for copy in waiting if any(b.kind != "temporary" for b in copy.writes())]
        waiting = [copy for copy in waiting if copy not in due]
        steps += due
    return Graph(graph.name, buffers, [*steps, *waiting], graph.options)


def _copies(step):
    """({place: formula} of a step's operands, of its results), of memory that it only reads or only writes."""
    if step.kind != "launch" or elementwise_of(step) is not None:
        return {}, {}
    before, after = operands.formulas(step)
    places = [(k, True) for k in before] + [(k, False) for k in after]
    for k, reads in places:
        v = step.values[k] if k < len(step.values) else None
        if not isinstance(v, Place) or (v.reads, v.writes) != (reads, not reads) or not v.layout.numel:
            return {}, {}
    return ({}, {}) if step.reads() & step.writes() else (before, after)


def _shared(steps, found):
    """{(step, place): number of the copy that it uses}, of temporaries that need no memory then: what reads them are
    copies that neighbours share, shortly after they were made."""
    made: dict = {}  # {buffer: the step that wrote it last}
    runs: dict = {}  # {what a copy is of: the places that use the one made last}
    groups: list = []  # [(the buffer, places that use a copy)]
    readers = readers_of(steps)
    for number, step in enumerate(steps):
        for k, request in found.get(number, ({},))[0].items():
            v = step.values[k]
            if v.buffer.kind == "temporary" and number - made[v.buffer] <= NEAR:
                key = v.buffer, v.offset, request.operands[0].layout, request.outputs[0]
                if key not in runs:
                    runs[key] = []
                    groups.append((v.buffer, runs[key]))
                runs[key].append((number, k))
        for b in step.writes():
            made[b] = number
        for key in [key for key in runs if key[0] in step.writes()]:
            del runs[key]
    return {use: n for n, (buffer, uses) in enumerate(groups)
            if {id(s) for s in readers[buffer]} <= {id(steps[number]) for number, _ in uses} for use in uses}


def _copy(step, request, source, target):
    """The step that copies from a place to another, as a step would have."""
    return Step("launch", "copied",
                [Place(source.buffer, source.offset, request.operands[0].layout, True, False),
                 Place(target.buffer, target.offset, request.outputs[0], False, True)], where=step.where,
                request=request)


__all__ = ["run"]
