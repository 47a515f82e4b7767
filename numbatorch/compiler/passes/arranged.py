"""Copies that only put a temporary into another order are left out: what makes it writes it in that order at once.

So are joins (`cat`) whose parts their makers can write into the result. All that touches the temporary is planned anew
for the other strides, or everything stays: elementwise steps, row formulas whose walk stays the same, and attention,
which takes rows anywhere; where only the address is another, any step. No arithmetic changes. One memory holds what was
in two, from the first step that writes it.
"""

from dataclasses import replace

from ...layout import Layout, layout
from ...plan import Plan, backend
from ..graph import Graph, Place, Step
from .compose import copied, elementwise_of, rows_of
from .rows import fusion_of

ATTENTION = ("_attention_forward", "_attention_backward")


def run(graph):
    """The graph without such copies."""
    steps, users = list(graph.steps), {}
    for number, step in enumerate(steps):
        for b in {v.buffer for v in step.places}:
            users.setdefault(b, set()).add(number)
    for number, step in enumerate(steps):
        pairs = _copied(step)
        changed = _without(steps, number, pairs, users)
        if changed is not None:
            for k, new in changed.items():
                steps[k] = new
            for source, target in pairs:
                users[target.buffer] |= users.pop(source.buffer)
                users[target.buffer].discard(number)
            steps[number] = None
    return Graph(graph.name, graph.buffers, [s for s in steps if s is not None], graph.options)


def _copied(step):
    """[(a temporary's place, where the step copies it)] of a step that only copies; [] for others."""
    if step.kind == "join":
        *parts, result = step.values
        pairs, at = [], 0
        for part in parts:
            own, whole = part.layout, result.layout
            d = next((d for d, (a, b) in enumerate(zip(own.shape, whole.shape, strict=True)) if a != b), None)
            if d is None or own.dtype is not whole.dtype:
                return []
            there = layout(own.dtype, own.shape, whole.strides, own.device)
            pairs.append((part, Place(result.buffer, result.offset + at, there, False, True)))
            at += own.shape[d] * whole.strides[d] * own.dtype.itemsize
        return pairs
    pair = copied(step)
    return [] if pair is None or pair[0].layout.shape != pair[1].layout.shape else [pair]


def _without(steps, number, pairs, users):
    """{number: the step in place of another} where the copies of a step are made by what makes their operands.

    users: {buffer: numbers of the steps that have a part of it}.
    """
    changed: dict = {}
    results = {target.buffer for _, target in pairs}
    others = sorted({k for b in results for k in users[b]} - {number})
    if not pairs or any(b.kind not in ("temporary", "result") for b in results) or any(
            results & steps[k].writes() for k in others):
        return None
    first = min(others, default=len(steps))
    for source, target in pairs:
        order = _order(source, target)
        touching = sorted(users[source.buffer] - {number})
        makers = [k for k in touching if source.buffer in steps[k].writes()]
        if order is None or len(makers) != 1 or makers[0] > min(number, first) or source.buffer in steps[
                makers[0]].reads() or sum(other.buffer is source.buffer for other, _ in pairs) > 1:
            return None
        for k in touching:
            new = _elsewhere(changed.get(k, steps[k]), source.buffer, target, order)
            if new is None:
                return None
            changed[k] = new
    return changed


def _order(source, target):
    """[(count, step in the source, step in the target)] of a copy of all of a temporary, steps in elements."""
    own, other, buffer = source.layout, target.layout, source.buffer
    if buffer.kind != "temporary" or source.offset or own.nbytes != buffer.nbytes or own.numel == 0:
        return None
    dims = sorted((s, t, n) for n, s, t in zip(own.shape, own.strides, other.strides, strict=True) if n > 1)
    merged: list = []
    reached = 1
    for s, t, n in dims:
        if s != reached:
            return None
        reached *= n
        if merged and t == merged[-1][2] * merged[-1][0]:
            merged[-1] = merged[-1][0] * n, merged[-1][1], merged[-1][2]
        else:
            merged.append((n, s, t))
    return merged if reached == own.numel else None


def _turned(own, offset, order):
    """(the layout of what has layout `own` in the source from an element on, as it is in the target, its first element
    there); None where strides cannot tell."""
    digits, left = [0] * len(order), offset
    for k in range(len(order) - 1, -1, -1):
        digits[k], left = divmod(left, order[k][1])
    used, strides = list(digits), []
    for n, s in zip(own.shape, own.strides, strict=True):
        k = next((k for k, (count, step, _) in enumerate(order) if step <= s < step * count), None)
        if n == 1 or s == 0:
            strides.append(s)
        elif k is None or s % order[k][1]:
            return None
        else:
            times = s // order[k][1]
            used[k] += times * (n - 1)
            strides.append(times * order[k][2])
    if any(most >= count for most, (count, _, _) in zip(used, order, strict=True)):
        return None
    start = sum(digit * step for digit, (_, _, step) in zip(digits, order, strict=True))
    return layout(own.dtype, own.shape, tuple(strides), own.device), start


def _elsewhere(step, buffer, target, order):
    """A step that has the places of a buffer in the target instead; None where there is no such step."""
    size = target.layout.dtype.itemsize
    values, first = list(step.values), {}
    for k, v in enumerate(values):
        if isinstance(v, Place) and v.buffer is buffer:
            found = _turned(v.layout, v.offset // size, order) if v.layout.dtype.itemsize == size else None
            if found is None:
                return None
            first[k] = v.offset // size
            values[k] = Place(target.buffer, target.offset + found[1] * size, found[0], v.reads, v.writes)
    there = backend(step.device).fusion
    if there.ALIGNMENT > 1 and elementwise_of(step) is None and rows_of(step) is None and any(
            (values[k].offset - step.values[k].offset) % there.ALIGNMENT for k in first):
        return None
    if all(values[k].layout is step.values[k].layout for k in first):
        parts = tuple(_elsewhere(part, buffer, target, order) for part in step.parts)
        return None if None in parts else replace(step, values=values, parts=parts)  # any kernel does
    if step.kind != "launch":
        return None
    if step.plan is not None and step.plan.op.name in ATTENTION:
        return _attention(step, values, there)
    return _formula(step, values, {k: (lambda own, at=at: _turned(own, at, order)) for k, at in first.items()})


def _formula(step, values, turned):
    """A formula's step with other values. turned: {number of a value: the function that gives layouts anew}."""
    request = elementwise_of(step)
    form = None
    if request is None:
        request = rows_of(step)
        form = None if request is None else fusion_of(request).form(request)
        if form is None:
            return None
    count = len(request.operands)
    operands, outputs = list(request.operands), list(request.outputs)
    for k, anew in turned.items():
        own = operands[k].layout if k < count else outputs[k - count]
        found = anew(own) if isinstance(own, Layout) else None
        if found is None:
            return None
        if k < count:
            operands[k] = replace(operands[k], layout=found[0])
        else:
            outputs[k - count] = found[0]
    request = replace(request, operands=operands, outputs=outputs)
    if form is not None and fusion_of(request).form(request) != form:
        return None  # sums might get another order
    return Step("launch", step.name, values, plan=step.plan, where=step.where, request=request)


def _attention(step, values, there):
    """A step of attention with other values; None where rows would have gaps, or it would be another kernel."""
    places = {k: v.layout for k, v in enumerate(values) if isinstance(v, Place)}
    if any(own.ndim == 4 and own.strides[-1] != 1 and own.shape[-1] != 1 or
           own.ndim == 3 and not own.is_contiguous for own in places.values()):
        return None
    specs = {name: places.get(k, spec) for k, (name, spec) in enumerate(step.plan.specs.items())}
    request = step.plan.op.body(*specs.values(), **step.plan.statics)
    outputs = [places[len(specs) + k] for k in range(len(request.outputs))]
    request = replace(request, outputs=outputs)
    if not there.moves(step.plan.op.body(*step.plan.specs.values(), **step.plan.statics), request):
        return None
    plan = Plan()
    for name in ("op", "statics", "rules"):
        setattr(plan, name, getattr(step.plan, name))
    plan.specs, plan.layouts = specs, tuple(outputs)
    launch = backend(step.device).plan(request)
    return Step("launch", step.name, values, launch.kernel, launch.meta, launch.units, launch.grain, plan,
                where=step.where, keep=launch.keep)


__all__ = ["run"]
