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
RECENT = 8  # groups that a step may still join


class _Group:
    """Steps that become one, at the place of the first: [(number, step, request)]."""

    def __init__(self, number, step, request):
        self.number, self.shape, self.compute = number, request.shape, request.compute
        self.members = [(number, step, request)]

    def places(self):
        return [v for _, s, _ in self.members for v in s.places]


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
            made.append(step if len(group.members) == 1 else _fused(group, later))
    return Graph(graph.name, graph.buffers, made, graph.options)


def request_of(step):
    """The Elementwise request of a step; None for others."""
    if step.request is not None:
        return step.request if isinstance(step.request, kinds.Elementwise) else None
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
        near = [g for g in groups[-RECENT:] if g.shape == request.shape and g.compute == request.compute
                and any(_same(a, b) for a in step.places if a.reads for b in g.places())]
        for first, second in zip(near, near[1:], strict=False):  # the step brings groups together
            _merge(first, second, groups, steps, member)
        own = next((g for g in near if g in groups and _fits(g, step.places) and _movable(
            g, step, number, steps, member)), None)
        if own is None:
            own = _Group(number, step, request)
            groups.append(own)
        else:
            own.members.append((number, step, request))
        member[number] = own
    return member


def _merge(first, second, groups, steps, member):
    """Let `first` take over the members of `second`, where each of them can run at its place."""
    if first not in groups or second not in groups or not _fits(first, second.places()):
        return
    taken = []
    for number, step, request in second.members:
        if not _movable(first, step, number, steps, member):
            for k, *_ in taken:
                member[k] = second
            del first.members[len(first.members) - len(taken):]
            return
        first.members.append((number, step, request))
        taken.append((number, step, request))
        member[number] = first
    first.members.sort(key=lambda m: m[0])
    groups.remove(second)


def _fits(group, places):
    """Whether the operands of a group and these are few enough for one kernel."""
    return len({(id(v.buffer), v.offset, id(v.layout)) for v in [*group.places(), *places]}) <= MOST_OPERANDS


def _movable(group, step, number, steps, member):
    """Whether a step can run together with a group, at the place of the group's first step."""
    for a in step.places:
        for b in group.places():
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
    inside = {id(s) for _, s, _ in group.members}
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
    for _, step, request in group.members:
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
    name = "fused_" + "_".join(dict.fromkeys(s.name.strip("_") for _, s, _ in group.members))
    request = kinds.Elementwise(name[:60], roots, [operands[k] for k in kept], [p.layout for p in stored], group.shape,
                                group.compute)
    launch = backend.plan(request)
    first = group.members[0][1]
    places = [Place(p.buffer, p.offset, p.layout, False, True) for p in stored]
    return Step("launch", name, [*(values[k] for k in kept), *places], launch.kernel, launch.meta, launch.units,
                launch.grain, where=first.where, keep=launch.keep, request=request)


__all__ = ["request_of", "run"]
