"""Algebra that keeps bits: formulas without what changes no number (expr/exact.py), products in place of divisions by
powers of two, and no copies of what stays as it is.
"""

import math
from dataclasses import replace

from ...expr import kinds, tree
from ...expr.exact import REAL, simplified
from ..graph import Graph, Number, Place, Step
from .compose import copied, elementwise_of
from .order import writers_of


def run(graph):
    """The graph with simpler formulas, and without copies of what is not changed while they are used."""
    known, steps = graph.known("algebra"), list(graph.steps)
    changed, gone = known or ([], [])
    for number in range(len(steps)) if known is None else changed:
        step = _simpler(steps[number])
        if step is not steps[number] and known is None:
            changed.append(number)
        steps[number] = step
    writers = writers_of(steps) if known is None else {}
    for number in range(len(steps)) if known is None else gone:
        found = _copy(steps[number])
        if known is not None or found is not None and len(writers[found[1].buffer]) == 1 and _stays(
                steps, number, *found):
            source, target = found
            if known is None:
                gone.append(number)
            for k in range(number + 1, len(steps)):
                if target.buffer in steps[k].reads():
                    steps[k] = _from(steps[k], target.buffer, source)
    if known is None:
        graph.decided((changed, gone))
    left = set(gone)
    return Graph(graph.name, graph.buffers, [s for k, s in enumerate(steps) if k not in left], graph.options)


def _copy(step):
    """(source, target) of a step that copies into a temporary of the same layout; None for others."""
    pair = copied(step)
    if pair is None:
        return None
    source, target = pair
    fits = source.layout is target.layout and target.buffer.kind == "temporary" and source.buffer is not target.buffer
    return pair if fits and not target.offset and target.layout.nbytes == target.buffer.nbytes else None


def _stays(steps, number, source, target):
    """Whether what was copied is still the same where the copy is last read, and only launches read that."""
    readers = [k for k, s in enumerate(steps) if target.buffer in s.reads()]
    return all(k > number and steps[k].kind in ("launch", "join") for k in readers) and not any(
        source.buffer in s.writes() for s in steps[number:max(readers, default=number) + 1])


def _from(step, buffer, source):
    """A step that reads from the source what it would have read from a copy of it."""
    values = [Place(source.buffer, source.offset + v.offset, v.layout, v.reads, v.writes)
              if isinstance(v, Place) and v.buffer is buffer else v for v in step.values]
    return replace(step, values=values)


def _simpler(step):
    """The step, or one with simpler formulas."""
    request = elementwise_of(step)
    if request is None:
        return step
    numbers = {o.name: v.value for o, v in zip(request.operands, step.values, strict=False)
               if isinstance(v, Number) and v.expression is None}
    roots, inverse = _multiplied(request, numbers)
    roots = simplified(roots, request.operands, numbers)
    if roots == request.roots:
        return step
    used, values, operands = set(tree.names(*roots)), [], []
    for o, v in zip(request.operands, step.values, strict=False):
        if o.name in used:
            operands.append(kinds.Operand(o.name, "float", o.dtype) if o.name in inverse else o)
            values.append(Number(inverse[o.name]) if o.name in inverse else
                          Place(v.buffer, v.offset, v.layout, True, False) if isinstance(v, Place) else v)
    outputs = [Place(v.buffer, v.offset, v.layout, False, True) for v in step.values[len(request.operands):]]
    made = replace(request, roots=roots, operands=operands)
    return Step("launch", step.name, [*values, *outputs], where=step.where, request=made)


def _multiplied(request, numbers):
    """(formulas with products in place of divisions by powers of two, {operand: its reciprocal})."""
    inverse = {root.args[0]: None for root in request.roots if root.op == "arg"}
    for node in tree.order(*request.roots):
        for number, a in enumerate(node.args):
            if not isinstance(a, tree.Expr) or a.op != "arg" or a.args[0] not in numbers:
                continue
            value = numbers[a.args[0]]
            if (node.op == "div" and number == 1 and node.args[0] is not a and type(value) in (int, float)
                    and abs(value) != 1 and _is_power(value) and request.compute in REAL):
                inverse.setdefault(a.args[0], 1 / value)
            else:
                inverse[a.args[0]] = None
    inverse = {name: value for name, value in inverse.items() if value is not None}

    def product(node, args):
        found = node.op == "div" and node.args[1].op == "arg" and node.args[1].args[0] in inverse
        return tree.Expr("mul" if found else node.op, *args)
    return (tree.rebuild(request.roots, product) if inverse else request.roots), inverse


def _is_power(value):
    """Whether a number is a power of two, and its reciprocal a normal float32."""
    return value != 0 and math.isfinite(value) and abs(math.frexp(value)[0]) == 0.5 and 2.0 ** -100 < abs(
        value) < 2.0 ** 100


__all__ = ["run"]
