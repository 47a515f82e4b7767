"""The formulas of several steps as one request: what a step would have stored becomes its formula in later steps.

An operand that an earlier step of a group has written is replaced by that step's formula, rounded to the dtype in which
it would have been stored. So results keep their bits. Temporaries that only the group uses are never stored.
"""

import math

from ...expr import kinds, tree
from ...expr.exact import simplified
from ...expr.functions import FUNCTIONS
from ...layout import broadcast_strides, layout
from ...plan import backend
from .. import requests
from ..graph import Number, Place, Step


def elementwise_of(step):
    """The Elementwise request of a step; None for others."""
    if step is None or step.request is not None:
        return step.request if step and isinstance(step.request, kinds.Elementwise) else None
    if step.kind != "launch" or step.plan is None or step.plan.op.kind != "elementwise":
        return None
    count = len(step.plan.specs)
    inplace = len(step.values) == count + 1 and isinstance(step.values[0], Place) and same(step.values[0],
                                                                                           step.values[count])
    request = requests.of(step.plan, inplace)
    if len(request.outputs) + len(request.operands) != len(step.values) or request.compute.startswith("complex"):
        return None
    for own, place in zip(request.outputs, step.values[count:], strict=True):
        if own.shape != request.shape or place.layout is not own:
            return None
    return request


def rows_of(step):
    """The Rows request of a step over real numbers; None for others."""
    if step is None or step.request is not None:
        return step.request if step and isinstance(step.request, kinds.Rows) else None
    if step.kind != "launch" or step.plan is None or step.plan.op.kind not in ("reduction", "rowwise"):
        return None
    request = requests.of(step.plan)
    if len(request.outputs) + len(request.operands) != len(step.values) or request.compute.startswith("complex"):
        return None
    return request


def same(a, b):
    """Whether two places are one."""
    return a.buffer is b.buffer and a.offset == b.offset and a.layout is b.layout


def meet(a, b):
    """Whether two places share bytes."""
    return (a.buffer is b.buffer and a.offset < b.offset + b.layout.nbytes
            and b.offset < a.offset + a.layout.nbytes)


def key(place, own, shape):
    """What tells places apart for a walk over `shape`: equal keys are equal addresses at every position.

    own: the layout by which a kernel has the place. None where that does not fit the shape.
    """
    lead = len(shape) - own.ndim
    if lead < 0 or any(n not in (1, shape[lead + d]) for d, n in enumerate(own.shape)):
        return None
    return id(place.buffer), place.offset, own.dtype.name, broadcast_strides(own.shape, own.strides, shape)


def copied(step):
    """(the place that an elementwise step copies as it is, where to), of one dtype; None for others."""
    request = elementwise_of(step)
    if request is None or len(request.roots) != 1:
        return None
    target, root = step.values[-1], request.roots[0]
    if root.op == "cast" and root.args[1] == target.layout.dtype.name:
        root = root.args[0]
    for o, v in zip(request.operands, step.values, strict=False):
        if root is tree.arg(o.name) and isinstance(v, Place) and v.layout.dtype is target.layout.dtype and (
                o.dtype == v.layout.dtype.compute):
            return v, target
    return None


def readers_of(steps):
    """{buffer: the steps that read it, or have a part of it}."""
    found: dict = {}
    for step in steps:
        for v in step.places:
            if v.reads:
                found.setdefault(v.buffer, []).append(step)
    return found


def reshaped(step, request, shape):
    """A step and its Elementwise request over another shape of as many elements; None where an operand forbids that."""
    if math.prod(shape) != math.prod(request.shape):
        return None

    def turned(own):
        if own.numel == 1:
            return layout(own.dtype, (), None, own.device)
        return layout(own.dtype, shape, None, own.device) if own.is_contiguous and own.shape == request.shape else None
    operands, outputs, values = [], [], []
    for o, v in zip(request.operands, step.values, strict=False):
        new = turned(o.layout) if isinstance(v, Place) else o.layout
        if new is None:
            return None
        operands.append(kinds.Operand(o.name, new, o.dtype))
        values.append(Place(v.buffer, v.offset, new, v.reads, v.writes) if isinstance(v, Place) else v)
    for o, v in zip(request.outputs, step.values[len(operands):], strict=True):
        new = layout(o.dtype, shape, None, o.device) if o.is_contiguous else None
        if new is None:
            return None
        outputs.append(new)
        values.append(Place(v.buffer, v.offset, new, v.reads, v.writes))
    made = Step(step.kind, step.name, values, step.kernel, step.meta, step.units, step.grain, step.plan,
                where=step.where, keep=step.keep)
    return made, kinds.Elementwise(request.name, request.roots, operands, outputs, shape, request.compute)


class Composed:
    """One request for members [(step, request)], in their order: `request`, its `values`; `step()` plans it.

    readers: {buffer: steps that read it}; own: the members' steps as they stand in the graph. None of the members may
    write what another has at other addresses.
    """

    def __init__(self, members, own, readers, shape, compute, dims=None):
        self.members, self.shape = members, shape
        self.inside, self.readers = {id(s) for s in own}, readers
        self._known: dict = {}  # key of a place: its formula so far
        self._last: dict = {}  # key of a place: (place, layout of the kernel's result, one value a row)
        self._operands, self._values, self._given = [], [], {}
        self._sums: list = []  # (formula, place, layout) of sums over the rows, which no other formula may use
        self.refused = False
        for step, request in members:
            self._add(step, request)
        stored = [(k, *e) for k, e in self._last.items() if e[0].buffer.kind != "temporary" or any(
            id(s) not in self.inside for s in readers.get(e[0].buffer, ()))]
        if not stored:
            stored = [(k, *e) for k, e in self._last.items()][-1:]
        numbers = {o.name: v.value for o, v in zip(self._operands, self._values, strict=True)
                   if isinstance(v, Number) and v.expression is None}
        roots = simplified((*(self._known[k] for k, *_ in stored), *(root for root, *_ in self._sums)),
                           self._operands, numbers)
        used = set(tree.names(*roots))
        kept = [k for k, o in enumerate(self._operands) if o.name in used]
        operands = [self._operands[k] for k in kept]
        names = dict.fromkeys(s.name.removeprefix("fused_").strip("_") for s, _ in members)
        self.name = ("fused_" + "_".join(names))[:60]
        outputs = [*(e[2] for e in stored), *(own for *_, own in self._sums)]
        places = [*(e[1] for e in stored), *(place for _, place, _ in self._sums)]
        if dims is None:
            self.request = kinds.Elementwise(self.name, roots, operands, outputs, shape, compute)
        else:
            flags = (*(e[3] for e in stored), *(False for _ in self._sums))
            self.request = kinds.Rows(self.name, roots, operands, outputs, flags, shape, dims, compute, len(self._sums))
        self.inputs = [self._values[k] for k in kept]
        self.outputs = [Place(p.buffer, p.offset, p.layout, False, True) for p in places]

    def _add(self, step, request):
        used, env = set(tree.names(*request.roots)), {}
        for o, v in zip(request.operands, step.values, strict=False):
            if o.name in used:
                env[o.name] = self._formula(o, v)
        places = step.values[len(request.operands):]
        is_row = request.is_row if isinstance(request, kinds.Rows) else (False,) * len(places)
        roots = [tree.substitute(root, env) for root in request.roots]
        plain = len(roots) - getattr(request, "summed", 0)
        self._sums += zip(roots[plain:], places[plain:], request.outputs[plain:], strict=True)
        for root, place, own, flag in list(zip(roots, places, request.outputs, is_row, strict=True))[:plain]:
            k = key(place, own, self.shape)
            name = own.dtype.name
            self._known[k] = root if self._is(root, name) else tree.Expr("cast", root, name)
            self._last[k] = place, own, flag

    def _is(self, root, dtype):
        """Whether a formula is known to have the type `dtype`, so that it need not be cast to it."""
        types = {o.name: o.dtype for o in self._operands}
        known: dict = {}
        for n in tree.order(root):
            args = [known[id(a)] for a in n.args if isinstance(a, tree.Expr)]
            if n.op == "const":
                own = not isinstance(n.args[0], bool) and None  # takes the type of what it meets
            elif n.op == "arg":
                own = types.get(n.args[0]) == dtype
            elif n.op == "cast":
                own = n.args[1] == dtype and dtype in ("float32", "float64")
            elif n.op == "row_length":
                own = None
            elif n.op in FUNCTIONS and FUNCTIONS[n.op].result in ("same", "sum"):
                args = args[1:] if n.op == "where" else args
                own = False not in args and (True in args or None)
            else:
                own = False
            known[id(n)] = own
        return known[id(root)] is True and dtype in ("float32", "float64")

    def _formula(self, o, v):
        if isinstance(v, Place):
            self.refused |= any(meet(v, place) for _, place, _ in self._sums)
            formula = self._known.get(key(v, o.layout, self.shape))
            if formula is not None:
                return formula if o.layout.dtype.compute == o.dtype else tree.Expr("cast", formula, o.dtype)
            known_as = (*key(v, o.layout, self.shape), o.dtype)
        elif v.expression is not None:
            known_as = ("expression", v.expression, o.layout, o.dtype)
        else:
            known_as = ("number", repr(v.value), type(v.value), o.layout, o.dtype)
        if known_as not in self._given:
            # Names that no template uses for variables of its own.
            name = self._given[known_as] = f"{'given' if isinstance(v, Place) else 'number'}{len(self._operands)}"
            self._operands.append(kinds.Operand(name, o.layout, o.dtype))
            self._values.append(Place(v.buffer, v.offset, v.layout, True, False) if isinstance(v, Place) else v)
        return tree.arg(self._given[known_as])

    def step(self):
        """The members as one step, which gets its kernel when all passes are done (`planned`)."""
        return Step("launch", self.name, [*self.inputs, *self.outputs], where=self.members[0][0].where,
                    request=self.request)


def planned(graph):
    """The graph, whose steps that passes have made of requests now have kernels: none is made for a step that another
    pass has taken up. Equal requests share one."""
    known: dict = {}
    for step in graph.steps:
        if step.kind == "launch" and step.kernel is None:
            own = step.request
            same_as = _same_as(own)
            if same_as not in known:
                known[same_as] = backend(step.device).plan(own)
            launch = known[same_as]
            step.kernel, step.meta, step.units, step.grain = launch.kernel, launch.meta, launch.units, launch.grain
            step.keep = launch.keep
    return graph


def _same_as(own):
    """What tells requests apart."""
    if isinstance(own, kinds.Native):
        return type(own), own.template, own.function, own.options["sizes"], _same_as(own.options["plain"])
    if isinstance(own, kinds.Nest):
        return (type(own), own.name, own.element, own.finish, own.also, own.free, own.summed, own.compute,
                tuple(own.extents.items()), tuple(own.arrays.items()), tuple(own.outputs))
    return (type(own), own.name, own.roots, tuple([(o.name, o.layout, o.dtype) for o in own.operands]),
            tuple(own.outputs), own.shape, own.compute, *(
                (own.is_row, own.dims, own.summed, own.walk) if isinstance(own, kinds.Rows) else ()))
