"""Elementwise steps on a large result of a matrix product run with it, on each part as soon as it is there.

A result that only such a step reads is made in the memory of the step's own result.
"""

from dataclasses import replace

from ...cpu import bands
from ...expr import kinds
from ..graph import Graph, Place, Step
from .compose import elementwise_of, meet, readers_of, reshaped
from .order import meeting_place

WINDOW = 12  # steps to look ahead


def run(graph):
    """The graph with products and the elementwise steps on their results as one step each."""
    steps = [_straight(step) for step in graph.steps]
    readers = readers_of(steps)
    for number, step in enumerate(steps):
        if step is None or step.kind != "launch" or not step.values or not all(
                isinstance(v, Place) for v in step.values):
            continue
        numbers = bands.product(step)
        if numbers is None:
            continue

        def turned(step, request, numbers=numbers):
            made = reshaped(step, request, (numbers["m"] * numbers["n"],))
            return made if made and bands.when(numbers, made[1]) else None
        join(steps, number, readers, turned, bands.plan)
    return Graph(graph.name, graph.buffers, [s for s in steps if s is not None], graph.options)


def _straight(step):
    """A product's step without the operand that its kernel has no use for (a bias of none)."""
    kernel, unused = getattr(step.kernel, "with_unused", (None, None))
    if kernel is None:
        return step
    return replace(step, kernel=kernel, values=[v for k, v in enumerate(step.values) if k != unused])


def join(steps, number, readers, turned, plan):
    """Put in place of step `number` and an elementwise one on its result, where that fits, a step that is both.

    turned(step, its request): both as they are to run, or None; plan(launch, request): the Launch of both.
    """
    for k in range(number + 1, min(len(steps), number + WINDOW)):
        made = _joined(steps, number, k, readers, turned, plan) if steps[k] is not None else None
        if made is not None:
            place, new = made
            steps[number] = steps[k] = None
            steps[place] = new
            return


def _joined(steps, number, k, readers, turned, plan):
    """(where, the step) of step `number` with step `k` on its result; None where that does not fit."""
    product, step = steps[number], steps[k]
    total = product.values[-1]
    if total.buffer not in step.reads():
        return None
    request = elementwise_of(step)
    pair = request and turned(step, request)
    if not pair or total.layout.numel != pair[1].outputs[0].numel:
        return None
    step, request = pair
    values, count = list(step.values), len(request.operands)
    mine = [n for n, v in enumerate(values[:count]) if isinstance(v, Place) and v.buffer is total.buffer]
    # Element for element: with images and channels swapped, or one read for all, a part would need what is not there.
    if not mine or any(values[n].offset != total.offset or values[n].layout.dtype is not total.layout.dtype
                       or values[n].layout.numel != total.layout.numel or not values[n].layout.is_contiguous
                       for n in mine):
        return None
    results = values[count:]
    if any(meet(r, v) for r in results for v in product.places):
        return None
    place = meeting_place(steps, (number, k), number)
    if place is None:
        return None
    if total.buffer.kind == "temporary" and all(s is steps[k] for s in readers.get(total.buffer, ())):
        others = [v for n, v in enumerate(values[:count]) if isinstance(v, Place) and n not in mine]
        total = next((Place(r.buffer, r.offset, total.layout, False, True) for r in results
                      if r.layout.dtype is total.layout.dtype and not any(meet(r, v) for v in others)), total)
    for n in mine:  # made by the step itself
        values[n] = Place(total.buffer, total.offset, values[n].layout, False, False)
    launch = plan(kinds.Launch(product.kernel, product.meta, product.units, product.grain,
                               (product.keep, product.plan)), request)
    name = f"{product.name}_{steps[k].name.removeprefix('fused_')}"[:60]
    return place, Step("launch", name, [*product.values[:-1], total, *values], launch.kernel, launch.meta, launch.units,
                       launch.grain, where=product.where, keep=launch.keep, parts=(product, steps[k]))


__all__ = ["join", "run"]
