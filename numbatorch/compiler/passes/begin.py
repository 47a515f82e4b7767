"""Elementwise steps whose result only a convolution or a product reads run with it, on each part before it is read.

So that result is never stored. Batch norm in eval mode and an activation before a convolution, whose own operands are
joins, pools or sums; what follows a convolution or a product is rather part of that one (finish.py, bands.py).
"""

from ...cpu import bands_begin, convolution_begin
from ..graph import Graph, Place, Step
from .bands import WINDOW
from .compose import elementwise_of, meet, readers_of
from .order import meeting_place, writers_of


def run(graph):
    """The graph with convolutions, products and the elementwise steps that give their input as one step each."""
    steps = list(graph.steps)
    readers, writers = readers_of(steps), writers_of(steps)
    for number, step in enumerate(steps):
        if step is None or step.kind != "launch" or not step.values:
            continue
        own, *after = step.parts or (step,)
        for templates in (convolution_begin, bands_begin):
            made = templates.taken(own)
            if made is not None:
                _join(steps, number, templates, made, elementwise_of(after[0]) if after else None, readers, writers)
                break
    return Graph(graph.name, graph.buffers, [s for s in steps if s is not None], graph.options)


def _join(steps, number, templates, made, after, readers, writers):
    """Put in place of step `number` and the one that gives its input, where that fits, a step that is both."""
    step = steps[number]
    given, *others = step.values
    if not isinstance(given, Place) or given.buffer.kind != "temporary" or len(readers[given.buffer]) != 1 or len(
            writers[given.buffer]) != 1 or any(isinstance(v, Place) and v.buffer is given.buffer for v in others):
        return
    k = next((k for k in range(max(0, number - WINDOW), number) if steps[k] is writers[given.buffer][0]), None)
    request = elementwise_of(steps[k]) if k is not None else None
    if request is None or not templates.when(made, request):
        return
    *operands, result = steps[k].values
    if (result.offset, result.layout.numel, result.layout.dtype) != (
            given.offset, given.layout.numel, given.layout.dtype):
        return
    if any(isinstance(v, Place) and (v.buffer is given.buffer or any(meet(v, own) for own in step.places if own.writes))
           for v in operands):
        return
    place = meeting_place(steps, (k, number), number)
    launch = templates.plan(made, step, request, after, (step.keep, steps[k].keep)) if place is not None else None
    if launch is None:
        return
    name = f"{steps[k].name.removeprefix('fused_')}_{step.name}"[:60]
    both = Step("launch", name, [*others, *operands], launch.kernel, launch.meta, launch.units, launch.grain,
                where=step.where, keep=launch.keep, parts=(steps[k], step))
    steps[k] = steps[number] = None
    steps[place] = both


__all__ = ["run"]
