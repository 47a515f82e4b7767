"""Elementwise steps on the result of a product or convolution become part of its kernel, before it stores.

Activations, residuals, batch norm in eval mode, the backward of an activation: formulas of the sum and of what lies at
the same place of other tensors. The sum is rounded as if it were stored; where others read it, it is. For devices whose
products take such formulas.
"""

import math
from dataclasses import replace

from ...expr import kinds, tree
from ...layout import broadcast_strides, layout, view_strides
from ...plan import backend
from ..graph import Graph, Place, Step
from .compose import elementwise_of, meet, readers_of
from .order import meeting_place

WINDOW = 12  # steps to look ahead
MOST = 6  # tensors that are read at each result


def run(graph):
    """The graph with products and the elementwise steps on their results as one step each."""
    steps, found = list(graph.steps), []
    readers, known = readers_of(steps), graph.known("epilogues")
    for number, k, place in known or ():
        _put(steps, number, k, place, _joined(steps, number, k, readers))
    for number in range(len(steps)) if known is None else ():
        at, k = number, number + 1
        while product_of(steps[at]) is not None and k < min(len(steps), number + WINDOW):
            made = _joined(steps, at, k, readers)
            place = meeting_place(steps, (at, k), at) if made is not None else None
            if place is not None:
                found.append((at, k, place))
                _put(steps, at, k, place, made)
                at, k = place, number
            k += 1
    if known is None:
        graph.decided(found)
    return Graph(graph.name, graph.buffers, [s for s in steps if s is not None], graph.options)


def _put(steps, number, k, place, made):
    steps[number] = steps[k] = None
    steps[place] = made


def product_of(step):
    """The request of a step that sums products, a Nest or a convolution's; None for others."""
    if step is None or step.kind != "launch":
        return None
    request = step.request
    if request is None:
        if step.plan is None or step.plan.op.kind != "contraction":
            return None
        request = step.plan.op.body(*step.plan.specs.values(), **step.plan.statics)
    nest = sums_of(request)
    fits = nest is not None and nest.combine == "sum" and len(step.values) == len(nest.arrays) + len(nest.outputs)
    return request if fits and all(isinstance(v, Place) and v.layout is own for v, own in zip(
        step.values[len(nest.arrays):], nest.outputs, strict=True)) else None


def sums_of(request):
    """The Nest of a request that sums products; None for others."""
    return request if isinstance(request, kinds.Nest) else (
        request.options.get("plain") if isinstance(request, kinds.Native) else None)


def _joined(steps, number, k, readers):
    """Step `number` with step `k` on what it gives; None where that does not fit."""
    product, step = steps[number], steps[k]
    request = elementwise_of(step)
    if request is None or k == number or not product.writes() & step.reads():
        return None
    whole = product_of(product)
    nest = sums_of(whole)
    count, shape = len(nest.arrays), tuple(nest.extents[i] for i in nest.free)
    if request.compute != nest.compute or not math.prod(shape) or math.prod(request.shape) != math.prod(shape):
        return None
    given, made = product.values[:count], product.values[count:]
    roots = dict(zip(made, (nest.finish if nest.finish is not None else tree.arg("total"), *nest.also), strict=True))
    values: list = []
    arrays, formulas = dict(nest.arrays), {}
    used = set(tree.names(*request.roots))
    for o, v in zip(request.operands, step.values, strict=False):
        if o.name not in used:
            continue
        formula = _number(o, v) if not isinstance(v, Place) else _again(o, v, roots)
        if formula is None:
            own = _over(o.layout, request.shape, shape) if isinstance(v, Place) else None
            if own is None or own.strides and own.strides[-1] not in (0, 1) or any(meet(v, w) for w in made):
                return None
            name = f"beside{len(arrays)}"
            arrays[name] = own
            values.append(Place(v.buffer, v.offset, own, True, False))
            formula = tree.Expr("load", name, *map(tree.arg, nest.free))
            formula = formula if o.dtype == nest.compute else tree.Expr("cast", formula, o.dtype)
        formulas[o.name] = formula
    results = [Place(v.buffer, v.offset, _over(own, request.shape, shape), False, True) for v, own in zip(
        step.values[len(request.operands):], request.outputs, strict=True)]
    if len(values) > MOST or not _stay_apart(results, [v for v in (*given, *values) if isinstance(v, Place)], made):
        return None
    kept = [v for v in made if not any(v.buffer is w.buffer for w in results) and (
        v.buffer.kind != "temporary" or any(s is not step and s is not product for s in readers.get(v.buffer, ())))]
    ends = [*(roots[v] for v in kept), *(tree.substitute(root, formulas) for root in request.roots)]
    outputs = [v.layout for v in (*kept, *results)]
    finished = replace(nest, arrays=arrays, outputs=outputs, finish=ends[0], also=tuple(ends[1:]))
    new = finished if whole is nest else replace(whole, outputs=outputs, options={**whole.options, "plain": finished})
    if not backend(product.device).fusion.finishes(whole, new):
        return None
    name = f"{product.name}_{step.name.removeprefix('fused_')}"[:60]
    return Step("launch", name, [*given, *values, *kept, *results], plan=product.plan, where=product.where, request=new,
                parts=(product, step))


def _number(o, v):
    """The formula of a number that does not change; None for others, and for those that no float64 is: these are
    rounded once."""
    plain = v.expression is None and (
        type(v.value) is float or type(v.value) in (int, bool) and abs(v.value) <= 2**53)
    return tree.Expr("cast", tree.as_expr(float(v.value)), o.dtype) if plain and o.dtype.startswith("float") else None


def _again(o, v, roots):
    """The formula of an operand that is one of the results: as it was rounded to be stored; None for others."""
    for place, root in roots.items():
        if (place.buffer is v.buffer and place.offset == v.offset and place.layout.dtype is v.layout.dtype
                and v.layout.is_contiguous and o.layout.is_contiguous and o.layout.numel == place.layout.numel):
            name = place.layout.dtype.name
            rounded = tree.Expr("cast", root, name)
            return rounded if o.dtype == name else tree.Expr("cast", rounded, o.dtype)
    return None


def _over(own, shape, other):
    """A layout, broadcast to a shape, over another shape of as many elements; None where strides do not allow that."""
    strides = view_strides(shape, broadcast_strides(own.shape, own.strides, shape), other)
    return None if strides is None else layout(own.dtype, other, strides, own.device)


def _stay_apart(results, given, made):
    """Whether results may be stored while others are still summed, and are where a product stores."""
    if any(v.layout is None or not v.layout.is_contiguous or v.buffer.kind not in ("temporary", "result")
           for v in results):
        return False
    same = [v for r in results for v in made if r.buffer is v.buffer]
    if any(r.offset != v.offset or r.layout.nbytes != v.layout.nbytes for r in results for v in same
           if r.buffer is v.buffer):
        return False
    return not any(meet(r, v) for r in results for v in given)


__all__ = ["product_of", "run", "sums_of"]
