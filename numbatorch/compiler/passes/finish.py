"""Elementwise steps on the result of a convolution run with it, on each part as soon as it is there.

Activations, batch norm in eval mode, residuals: whatever reads rows of the result and gives tensors of its shape. After
the sum, as in eager code, so bits stay.
"""

from ...cpu import convolution_finish
from ..graph import Graph
from .bands import join
from .compose import readers_of


def run(graph):
    """The graph with convolutions and the elementwise steps on their results as one step each."""
    steps = list(graph.steps)
    readers = readers_of(steps)
    for number, step in enumerate(steps):
        made = convolution_finish.convolution(step) if step is not None and step.kind == "launch" else None
        if made is not None:
            join(steps, number, readers,
                 lambda other, request, made=made: (other, request) if convolution_finish.when(made, request) else None,
                 lambda launch, request, made=made: convolution_finish.plan(made, launch, request))
    return Graph(graph.name, graph.buffers, [s for s in steps if s is not None], graph.options)


__all__ = ["run"]
