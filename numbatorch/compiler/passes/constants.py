"""Steps whose operands are constants are run while compiling: what they give is a constant of the program."""

from ...device import CPU
from ...plan import backend
from .. import contents
from ..binding import Asked
from ..graph import Buffer, Graph, Place
from ..launches import is_native
from .compose import elementwise_of, rows_of
from .order import elsewhere, makes_temporaries, writers_of

SMALL = 1 << 16  # bytes of a result that is kept


def run(graph):
    """The graph with the results of such steps as constants."""
    writers = writers_of(graph.steps)
    instead: dict = {}
    kept = []
    for original in graph.steps:
        step = elsewhere(original, instead)
        if makes_temporaries(original, writers) and _is_known(step):
            instead.update(_run(step, len(graph.buffers) + len(instead)))
        else:
            kept.append(step)
    return Graph(graph.name, [*graph.buffers, *instead.values()] if instead else graph.buffers, kept, graph.options)


def _is_known(step):
    """Whether all that a small step uses is known while compiling."""
    formula = is_native(step.kernel) if step.device is CPU else elementwise_of(step) or rows_of(step)
    return bool(formula) and type(step.keep) is not Asked and all(
        b.kind == "constant" for b in step.reads()) and all(
        isinstance(v, Place) or v.expression is None for v in step.values) and all(
        b.nbytes <= SMALL for b in step.writes())


def _run(step, number):
    """{buffer: the constant in its place} of what a step writes."""
    device, there, memory = step.device, backend(step.device), {}
    for b in {v.buffer for v in step.places}:
        memory[b] = there.allocate(max(b.nbytes, 1) + 64)
        contents.write(device, there.address(memory[b]), b.content if b in step.reads() else bytes(b.nbytes))
    given = [there.address(memory[v.buffer]) + v.offset if isinstance(v, Place) else v.value for v in step.values]
    step.kernel(*given, step.meta, step.units, step.grain)
    found = {}
    for k, b in enumerate(sorted(step.writes(), key=lambda b: b.number)):
        found[b] = Buffer(number + k, "constant", b.nbytes, f"{step.name} of constants ({step.where})",
                          content=contents.read(device, there.address(memory[b]), b.nbytes), device=device)
    return found
