"""Fusion of elementwise steps: chains over one shape become one kernel, which reads and writes each element once.

The formulas of the steps are put into one another: an operand that an earlier step of the group has written becomes
that step's formula, rounded to the dtype in which it would have been stored. So results keep their bits. Temporaries
that only the group uses are never stored.
"""

from ...cpu import backend
from ...expr import kinds, tree
from .. import requests, traced
from ..graph import Graph, Number, Place, Step

MOST_OPERANDS = 24  # pointers and numbers of one kernel: beyond that addresses no longer fit into registers
FEW = 2


class _Group:
    """Steps that become one, at the place of the first."""

    def __init__(self, step, request, number):
        self.number, self.shape, self.compute = number, request.shape, request.compute
        self.steps, self.requests = [step], [request]

    def places(self):
        return [v for s in self.steps for v in s.places]


def run(graph):
    """The graph with groups of elementwise steps as one step each."""
    member = _grouped(graph.steps)
    later = _readers_after(graph.steps)
    made = []
    for number, step in enumerate(graph.steps):
        group = member.get(number)
        if group is None:
            made.append(step)
        elif group.number == number:
            made.append(step if len(group.steps) < FEW else _fused(group, later))
    return Graph(graph.name, graph.buffers, made, graph.options)


def request_of(step):
    """The Elementwise request of a step; None for others."""
    if step.kind != "launch" or step.plan is None or step.plan.op.kind != "elementwise":
        return None
    count = len(step.plan.specs)
    inplace = len(step.values) == count + 1 and isinstance(step.values[0], Place) and _same(step.values[0],
                                                                                           step.values[count])
    request = requests.of(step.plan, inplace)
    if len(request.outputs) + len(request.operands) != len(step.values) or request.compute.startswith("complex"):
        return None
    for own, place in zip(request.outputs, step.values[count:], strict=True):
        if own.shape != request.shape or place.layout is not own:
            return None
    return request


def _same(a, b):
    return a.buffer is b.buffer and a.offset == b.offset and a.layout is b.layout


def _meet(a, b):
    """Whether two places share bytes."""
    return (a.buffer is b.buffer and a.offset < b.offset + b.layout.nbytes
            and b.offset < a.offset + a.layout.nbytes)


def _grouped(steps):
    """{step number: its group}."""
    groups: list = []
    member: dict = {}
    for number, step in enumerate(steps):
        request = request_of(step)
        if request is None:
            continue
        for group in reversed(groups[-8:]):
            if _joins(group, step, request, steps, number, member):
                group.steps.append(step)
                group.requests.append(request)
                member[number] = group
                break
        else:
            member[number] = group = _Group(step, request, number)
            groups.append(group)
    return member


def _joins(group, step, request, steps, number, member):
    """Whether a step can run together with a group, at the place of the group's first step, and gains by it."""
    if request.shape != group.shape or request.compute != group.compute:
        return False
    own = group.places()
    shares = any(_same(a, b) for a in step.places if a.reads for b in own)
    if not shares or len({(id(v.buffer), v.offset, id(v.layout)) for v in own + step.places}) > MOST_OPERANDS:
        return False
    for a in step.places:
        for b in own:
            if (a.writes or b.writes) and _meet(a, b) and not _same(a, b):
                return False
    expressions = [v.expression for v in step.values if isinstance(v, Number) and v.expression is not None]
    needs = {k for e in expressions for kind, k in traced.sources(e) if kind == "read"}
    for k in range(group.number + 1, number):
        between = steps[k]
        if member.get(k) is group:
            continue
        if between.kind == "check" or between.kind == "read" and between.read in needs:
            return False
        for b in between.places:
            for a in step.places:
                if (a.writes or b.writes) and _meet(a, b):
                    return False
    return True


def _readers_after(steps):
    """{buffer: numbers of the steps that read it, or have a part of it}."""
    found: dict = {}
    for step in steps:
        for v in step.places:
            if v.reads:
                found.setdefault(v.buffer, []).append(step)
    return found


def _fused(group, readers):
    """The step of a group."""
    inside = {id(s) for s in group.steps}
    known: dict = {}  # place -> its formula so far
    operands: list = []
    values: list = []
    given: dict = {}

    def key(place):
        return id(place.buffer), place.offset, id(place.layout)

    def operand(value, layout, dtype):
        """The name under which the kernel has an operand; one for each place and dtype."""
        if isinstance(value, Place):
            known_as = (*key(value), dtype)
        elif value.expression is not None:
            known_as = ("expression", value.expression, layout, dtype)
        else:
            known_as = ("number", repr(value.value), type(value.value), layout, dtype)
        if known_as not in given:
            name = given[known_as] = f"{'a' if isinstance(value, Place) else 'n'}{len(operands)}"
            operands.append(kinds.Operand(name, layout, dtype))
            values.append(Place(value.buffer, value.offset, value.layout, True, False)
                          if isinstance(value, Place) else value)
        return tree.arg(given[known_as])
    last: dict = {}
    for step, request in zip(group.steps, group.requests, strict=True):
        used = set(tree.names(*request.roots))
        env = {}
        for o, v in zip(request.operands, step.values, strict=False):
            if o.name not in used:
                continue
            if isinstance(v, Place) and key(v) in known:
                formula = known[key(v)]
                own = v.layout.dtype
                env[o.name] = formula if own.compute == o.dtype else tree.Expr("cast", formula, o.dtype)
            else:
                env[o.name] = operand(v, o.layout, o.dtype)
        outputs = step.values[len(request.operands):]
        roots = [tree.substitute(root, env) for root in request.roots]
        for root, place in zip(roots, outputs, strict=True):
            known[key(place)] = tree.Expr("cast", root, place.layout.dtype.name)
            last[key(place)] = place
    stored = [p for p in last.values() if p.buffer.kind != "temporary" or any(
        id(s) not in inside for s in readers.get(p.buffer, ()))]
    if not stored:
        stored = list(last.values())[-1:]
    roots = tuple(known[key(p)] for p in stored)
    used = set(tree.names(*roots))
    kept = [k for k, o in enumerate(operands) if o.name in used]
    name = "fused_" + "_".join(dict.fromkeys(s.name.strip("_") for s in group.steps))
    request = kinds.Elementwise(name[:60], roots, [operands[k] for k in kept], [p.layout for p in stored], group.shape,
                                group.compute)
    launch = backend.plan(request)
    first = group.steps[0]
    places = [Place(p.buffer, p.offset, p.layout, False, True) for p in stored]
    return Step("launch", name, [*(values[k] for k in kept), *places], launch.kernel, launch.meta, launch.units,
                launch.grain, where=first.where, keep=(launch.keep, request))


__all__ = ["request_of", "run"]
