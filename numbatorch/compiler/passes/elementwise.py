"""Fusion of elementwise steps: chains over one shape become one kernel, which reads and writes each element once.

Other shapes of the same elements in memory, as views give them, count as one.
"""

from ...plan import backend
from .. import traced
from ..graph import Graph, Number
from .compose import Composed, elementwise_of, meet, readers_of, reshaped, same

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
    groups = graph.decide("elementwise", lambda: _grouped(graph.steps))
    member = {number: numbers for numbers in groups for number in numbers}
    later = readers_of(graph.steps)
    made = []
    for number, step in enumerate(graph.steps):
        numbers = member.get(number)
        if numbers is None:
            made.append(step)
        elif numbers[0] == number:
            made.append(_fused([graph.steps[k] for k in numbers], later))
    return Graph(graph.name, graph.buffers, made, graph.options)


def _grouped(steps):
    """The numbers of the steps that become one, group by group."""
    groups: list = []
    member: dict = {}
    for number, step in enumerate(steps):
        request = elementwise_of(step)
        if request is None or any(type(n) is int and not n for n in request.shape):
            continue  # places of no bytes share none with others, and would not keep a step after what it reads
        if backend(step.device).fusion.turns(request):
            continue
        near = {g: turned for g in groups[-RECENT:] if g.compute == request.compute
                and (turned := _over(g, step, request)) is not None
                and any(same(a, b) for a in turned[0].places if a.reads for b in g.places())}
        for first, second in zip(near, list(near)[1:], strict=False):  # the step brings groups together
            _merge(first, second, groups, steps, member)
        own = next((g for g, (turned, _) in near.items() if g in groups and _fits(g, turned.places) and _movable(
            g, turned, number, steps, member)), None)
        if own is None:
            own = _Group(number, step, request)
            groups.append(own)
        else:
            own.members.append((number, *near[own]))
        member[number] = own
    return [[number for number, *_ in g.members] for g in groups if len(g.members) > 1]


def _over(group, step, request):
    """A step and its request over the shape of a group; None where that is another number of elements, or strides
    forbid it."""
    if request.shape == group.shape:
        return step, request
    met = {(v.buffer, v.offset) for v in group.places()}  # sizes are compared where there is reason to
    if not any((v.buffer, v.offset) in met and v.layout.numel == request.outputs[0].numel for v in step.places):
        return None
    return reshaped(step, request, group.shape)


def _merge(first, second, groups, steps, member):
    """Let `first` take over the members of `second`, where each of them can run at its place."""
    if first not in groups or second not in groups or first.shape != second.shape or not _fits(
            first, second.places()):
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
            if (a.writes or b.writes) and meet(a, b) and not same(a, b):
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
                if (a.writes or b.writes) and meet(a, b):
                    return False
    return True


def _fused(steps, readers):
    """Some steps as one."""
    first = elementwise_of(steps[0])
    members = [(s, request) if request.shape == first.shape else reshaped(s, request, first.shape)
               for s, request in ((s, elementwise_of(s)) for s in steps)]
    return Composed(members, steps, readers, first.shape, first.compute).step()


__all__ = ["run"]
