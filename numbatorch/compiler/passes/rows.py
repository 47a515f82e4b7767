"""Fusion around row formulas: softmax, norms and sums take up the elementwise steps before and after them.

An operand of a row formula becomes the formula of the step that made it, and an elementwise step that reads the result
at every position becomes part of what is stored; sums and extremes over one space that share an operand become one
kernel. No sum gets another order: a fused kernel walks its rows by the template of the one alone, or is not made.
"""

from ...cpu import positions
from ...expr import kinds, tree
from ...expr.derive import rank_of
from ...expr.functions import ROW
from ...layout import Layout
from ...plan import backend
from ..graph import Graph, Place
from .compose import Composed, elementwise_of, key, meet, readers_of, reshaped, rows_of
from .order import meeting_place

WINDOW = 40  # steps to look around in
MOST_TENSORS = 14  # of one kernel: beyond that addresses no longer fit into registers


class _Group:
    """Steps that become one: {number: (step as it is composed, its request)}, of the row formula at `number`."""

    def __init__(self, number, step, request):
        self.first, self.shape, self.dims, self.compute = number, request.shape, request.dims, request.compute
        self.members, self.place, self.composed = {number: (step, request)}, number, None
        self.elements, self.lone, self.there = not all(request.is_row), request, fusion_of(request)

    def look(self):
        """Find what tells whether others fit."""
        _, request = self.members[self.first]
        self.form, self.cost, self.walk = self.there.form(request), _cost(request), self.there.walk(request)
        self.functions = _functions(request.roots)
        return self


def run(graph):
    """The graph with row formulas and the steps around them as one step each."""
    steps = list(graph.steps)
    readers = readers_of(steps)
    found, known = [], graph.known("rows")
    for number, members, place in known or ():
        group = _Group(number, steps[number], rows_of(steps[number]))
        group.composed = _composed(group, {k: _fitting(group, steps[k]) for k in members}, steps, readers)
        _put(steps, group.composed, members, place)
    for number in range(len(steps)) if known is None else ():
        request = rows_of(steps[number])
        if request is not None and fusion_of(request).takes_steps(request):
            group = _grown(_Group(number, steps[number], request).look(), steps, readers)
            if group.composed is not None:
                found.append((number, sorted(group.members), group.place))
                _put(steps, group.composed, *found[-1][1:])
    if known is None:
        graph.decided(found)
    return Graph(graph.name, graph.buffers, [s for s in steps if s is not None], graph.options)


def _put(steps, composed, members, place):
    """Put the step that some have become in their place."""
    made = composed.step()
    for k in members:
        steps[k] = None
    steps[place] = made


def _grown(group, steps, readers):
    """The group with all neighbours that fit."""
    again = True
    while again:
        again = False
        for number in _neighbours(group, steps):
            if _joined(group, number, steps, readers):
                again = True
                break
    return group


def _neighbours(group, steps):
    """Numbers of steps that make an operand of the group, or use one of its results or operands."""
    found = []
    places = [v for step, _ in group.members.values() for v in step.places]
    inputs = {v.buffer for v in places if v.reads}
    outputs = {v.buffer for v in places if v.writes}
    begin, end = min(group.members), max(group.members)
    for k in range(begin - 1, max(-1, begin - WINDOW), -1):
        if steps[k] is not None and (steps[k].writes() | steps[k].reads()) & inputs:
            found.append(k)
    for k in range(begin + 1, min(len(steps), end + WINDOW)):
        if k not in group.members and steps[k] is not None and (
                steps[k].reads() & outputs or steps[k].writes() & inputs or steps[k].reads() & inputs):
            found.append(k)
    return found


def _joined(group, number, steps, readers):
    """Whether step `number` has become part of the group: alone, or with all row formulas of what it makes."""
    candidate = _candidate(group, steps[number])
    if candidate is None or not _related(group, *candidate):
        return False
    added = {number: candidate}
    if _taken(group, added, steps, readers):
        return True
    users = _users(group, number, steps) if isinstance(candidate[1], kinds.Elementwise) else {}
    return bool(users) and _taken(group, added | users, steps, readers)


def _users(group, number, steps):
    """{number: (step, request)} of the row formulas that read what a step writes, and could be part of a group."""
    found = {}
    for k in range(number + 1, min(len(steps), number + WINDOW)):
        if k not in group.members and steps[k] is not None and steps[k].reads() & steps[number].writes():
            candidate = _candidate(group, steps[k])
            if candidate is not None and isinstance(candidate[1], kinds.Rows):
                found[k] = candidate
    return found


def _taken(group, added, steps, readers):
    """Whether the group now has some more members: {number: (step, request)}."""
    members = dict(group.members)
    for number, candidate in added.items():
        if _apart(members, group.shape, *candidate):
            return False
        members[number] = candidate
    order = sorted(members)
    composed = _composed(group, members, steps, readers)
    cost = group.cost + sum(_cost(request) for _, request in added.values())
    if not _fits(composed, group, cost):
        return False
    place = meeting_place(steps, order, group.first)
    if place is None:
        return False
    group.members, group.composed, group.place, group.cost = members, composed, place, cost
    return True


def _composed(group, members, steps, readers):
    order = sorted(members)
    made = Composed([members[k] for k in order], [steps[k] for k in order], readers, group.shape, group.compute,
                    group.dims)
    made.request = group.there.walked(made.request, group.lone)
    return made


def _candidate(group, step):
    """(step, request) as they could be part of a group; None where they cannot."""
    found = _fitting(group, step)
    return None if found is None or isinstance(found[1], kinds.Rows) and (
        group.there.walk(found[1]), group.there.form(found[1])) != (group.walk, group.form) else found


def _fitting(group, step):
    """The same where formulas of one row are known to walk in one way."""
    request = rows_of(step)
    if request is not None:
        fits = (request.shape, request.dims, request.compute) == (group.shape, group.dims, group.compute)
        return (step, request) if fits else None
    request = elementwise_of(step)
    if request is None or request.compute != group.compute:
        return None
    if request.shape == group.shape:
        return step, request
    return reshaped(step, request, group.shape)


def _keys(step, request, shape):
    """[(place, key)] of a step's operands and results."""
    layouts = [*(o.layout for o in request.operands), *request.outputs]
    return [(v, key(v, own, shape)) for v, own in zip(step.values, layouts, strict=True) if isinstance(v, Place)]


def _related(group, step, request):
    """Whether a step and one of the group have a place in common that one of them writes, or that both walk over."""
    mine = {k: v for v, k in _keys(step, request, group.shape) if k is not None}
    for other, own in group.members.values():
        for v, k in _keys(other, own, group.shape):
            if k in mine and (v.writes or mine[k].writes or isinstance(request, kinds.Rows) and any(
                    k[3][d] for d in group.dims)):
                return True
    return False


def _apart(members, shape, step, request):
    """Whether a step and those of a group touch the same bytes in different ways."""
    mine = _keys(step, request, shape)
    if any(k is None for _, k in mine):
        return True
    for other, own in members.values():
        for v, k in _keys(other, own, shape):
            if any((v.writes or w.writes) and j != k and meet(v, w) for w, j in mine):
                return True
    return False


def fusion_of(request):
    """What the request's device says of kernels that take up others."""
    return backend(request.outputs[0].device).fusion


def _fits(composed, group, cost):
    """Whether a kernel of these formulas is as good as those of the steps: no more walks, no costly value twice."""
    request = composed.request
    if composed.refused:
        return False
    elements = [root for root, flag in zip(request.roots, request.is_row, strict=True) if not flag]
    if not group.elements and elements and not _functions(elements) and not group.there.keeps_elements(request):
        return False  # one more walk, to store elements that no row is needed for
    functions = group.functions | _functions(request.roots)
    if len(functions) > max(1, len(group.functions)) and not group.there.mixes(request):
        return False
    tensors = [o for o in request.operands if isinstance(o.layout, Layout)]
    if len(tensors) + len(request.outputs) > MOST_TENSORS:
        return False
    if any(meet(a, b) for a in composed.outputs for b in composed.inputs if isinstance(b, Place)):
        return False
    there = group.there
    return there.form(request) == group.form and there.walk(request) == group.walk and _cost(request) <= cost


def _functions(roots):
    """The row functions in formulas."""
    return {n.op for n in tree.order(*roots) if n.op in ROW}


def _cost(request):
    """How many costly functions are evaluated for one element, over all walks of a kernel; what an element is rounded
    by as it is stored is one, which a kernel of both then has in its formula."""
    costly = fusion_of(request).COSTLY
    if isinstance(request, kinds.Elementwise):
        rounded = [o for o in request.outputs if o.dtype.is_floating_point and o.dtype.name != request.compute]
        return len([n for n in tree.order(*request.roots) if n.op in costly]) + len(rounded)
    depth: dict = {}
    walks: dict = {}
    for n in tree.order(*request.roots):
        below = max((depth[id(a)] for a in n.args if isinstance(a, tree.Expr)), default=0)
        depth[id(n)] = below + (n.op in ROW)
        if n.op in ROW:
            walks.setdefault(below, []).append(n.args[0])
    elements = [root for root, flag in zip(request.roots, request.is_row, strict=True) if not flag]
    names = [o.name for o in request.operands if not isinstance(o.layout, Layout)]
    ranks = rank_of(*request.roots, row_args=names)
    total = 0
    for roots in [*walks.values(), elements]:
        total += len([n for n in positions.elements_below(roots, {}) if n.op in costly and not ranks[id(n)]])
    return total


__all__ = ["run"]
