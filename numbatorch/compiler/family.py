"""Programs for all sizes: a call captured with sizes that are followed (sizes.py), and what it is for given ones.

The graph of such a capture has sizes for numbers: in layouts, offsets, bytes and requests. For given sizes each gets
its value, kernels are asked for anew with these layouts, memory is planned, and there is a program: the function does
not run for that, nothing is captured. Guards say which sizes the capture holds for.
"""

import weakref
from bisect import insort
from dataclasses import replace

from ..cpu import bands
from ..device import CPU
from ..expr import kinds
from ..layout import Layout, _interned, layout
from ..plan import Plan, backend
from . import on_gpu, recompute, traced
from .binding import Asked, Binding, is_symbolic, requests_with_sizes
from .graph import Buffer, Graph, Place
from .launches import lower
from .memory import gap, highest, lifetimes, rounded
from .order import updates_early
from .owned import View
from .passes import ON_CPU, ON_GPU, PASSES
from .passes.compose import planned
from .passes.order import makes_temporaries, numbers_of, writers_of
from .program import Program, modes
from .sizes import LEAST, Size, terms_of
from .structure import Leaf, equal

# Passes for which sizes have to have values: they look at kernels, or at what a GPU's templates choose by sizes.
_LATER, _LATER_ON_GPU = ("bands", "finish", "begin"), ("epilogues", "rows", "arranged")


class Family:
    """A captured call for all sizes that its guards let through: `program(sizes)`.

    followed: {number of an argument: {dimension: number of the size}}.
    """

    def __init__(self, candidate, scope, followed):
        self.scope, self.followed, self.variant, self.made = scope, followed, 0, 0
        self.members: weakref.WeakValueDictionary = weakref.WeakValueDictionary()  # {sizes: the program for them}
        self._lent = _Lent()
        self._like = None  # the program whose guard all have
        self._fixed: set = set()  # ids of steps that do not depend on sizes
        self._lowered: dict = {}  # {one of these: what it calls}
        self._sized: dict = {}  # {graph: its buffers whose bytes depend on sizes}
        self.candidate, own = candidate, candidate.attempt
        self.template, self.modes, self.inputs = own.template, own.modes, own._inputs
        with requests_with_sizes(scope):
            self.graph = self._optimized(candidate.graph)
            if self.graph.device is CPU:
                self.graph = updates_early(self.graph)
            before = set(candidate.graph.buffers)
            self.graph.buffers = [*candidate.buffers, *(b for b in self.graph.buffers if b not in before)]
            self.second = None
            if candidate.backward:
                self.second = self._optimized(candidate.backward[0])
        self.pattern = candidate.pattern()

    @staticmethod
    def _optimized(graph):
        for name, one in PASSES:
            if name not in ((*_LATER, *ON_GPU) if graph.device is CPU else (*_LATER_ON_GPU, *ON_CPU)):
                graph = one(graph)
            if name == "constants":
                graph = _of_sizes_first(graph)
        return graph

    def describe(self):
        """Lines on which sizes are followed, and what is taken for granted of them."""
        shapes = [f"argument {k} ({', '.join(map(self.scope.text, map(terms_of, self.inputs[k][0].shape)))})"
                  for k in self.followed]
        lines = [f"for all sizes of {', '.join(shapes)}, of 2 and more: {self.made} programs made of one capture"]
        found = self.scope.conditions()
        lines += [f"  where {', '.join(found[:12])}{', ...' if len(found) > 12 else ''}"] if found else []
        return lines + [f"  {line}" for line in self.ties()]

    def ties(self):
        """Lines on sizes that are used as plain numbers."""
        return [f"{self.scope.text(terms)} has to be {value}, used as a plain number at {where}"
                for terms, (value, where) in self.scope.ties.items()]

    def fits(self, template, tensors):
        """The Binding of a call whose arguments fit; None for others."""
        if len(tensors) != len(self.inputs) or not equal(template, self.template):
            return None
        found: dict = {}
        for k, (tensor, (own, needs_grad, kind, known, history)) in enumerate(zip(tensors, self.inputs, strict=True)):
            if tensor._needs_grad is not needs_grad or type(tensor) is not kind or known is not None and (
                    tensor is not known):
                return None
            if history is not None and history != (tensor._node is None, tensor._grad is None):
                return None
            now = tensor._layout
            if now.__class__ is not Layout or now.dtype is not own.dtype or len(now.shape) != len(own.shape):
                return None
            for d, number in self.followed.get(k, {}).items():
                if now.shape[d] < LEAST or found.setdefault(number, now.shape[d]) != now.shape[d]:
                    return None
        try:
            binding = Binding(self.scope, [found[k] for k in range(len(found))])
            fits = all(t._layout is binding.layout(own[0]) for t, own in zip(tensors, self.inputs, strict=True))
            return binding if fits and self._holds(binding) else None
        except ZeroDivisionError:
            return None

    def _holds(self, binding):
        """Whether the guards let sizes through."""
        for (terms, kind), outcome in self.scope.guards.items():
            value = binding.number(terms)
            if (value == 0 if kind == "eq" else value > 0) is not outcome:
                return False
        return all(bool(traced.value(binding.expression(e), ())) is bool(outcome) for e, outcome in self.scope.checks)

    def holds(self):
        """Whether what the function can see of Python is as it was."""
        if modes() != self.modes:
            return False
        own = self._like
        if own is None or own.guard.look() < 0 and not (own.slow and own.unlike()) and not own.absent():
            return True
        if own.misplaced():
            return False
        own.look_again()
        return True

    def program(self, binding, limit, arena):
        """The Program for sizes."""
        own, candidate = self.candidate.attempt, self.candidate
        buffers: dict = {}
        graph = self._bound(self.graph, binding, buffers)
        graph.lowered = {s: self._lowered[s] for s in graph.steps if s in self._lowered}
        lower(graph)
        self._lowered.update((s, own) for s, own in graph.lowered.items()
                             if id(s) in self._fixed and not own.workspaces)
        if limit is not None or highest(lifetimes(graph))[0] >= recompute.WORTH:
            graph = recompute.planned(graph, limit, graph.name)
        else:
            graph.decisions = self._lent
        backward = None
        if self.second is not None:
            from .backward import Backward
            _, inputs, views, targets, roots, kept = candidate.backward
            second = self._bound(self.second, binding, buffers)
            inputs = [(kind[0], buffers.get(kind[1], kind[1])) if kind[0] == "result" else kind for kind in inputs]
            backward = Backward(second, inputs, [self._view(v, binding, buffers) for v in views], targets,
                                [(k, binding.layout(own)) for k, own in roots], buffers.get(kept, kept))
        inputs = [(binding.layout(i[0]), *i[1:]) for i in own._inputs]
        hidden = [(t, (binding.layout(i[0]), *i[1:])) for t, i in own.hidden]
        self.made += 1
        made = Program(graph, own.template, inputs, hidden, own.places, self._returns(candidate.returns, binding),
                       [self._view(v, binding, buffers) for v in candidate.views],
                       [(t, self._view(v, binding, buffers)) for t, v in candidate.gradients], candidate.bumps,
                       candidate.present, backward, arena, self.pattern, self._like)
        made.variant = self.variant
        if self._like is None:
            self._like = made
        self.members[binding.sizes] = made
        return made

    def _returns(self, template, binding):
        if type(template) is Leaf:
            return template
        kind, parts = template
        if kind == "value":
            return kind, binding.of(parts) if type(parts) is Size else (
                traced.value(binding.expression(parts.expression), ()) if parts.__class__ is traced.Traced else parts)
        if kind in ("number", "made"):
            return template
        if kind is dict:
            return dict, tuple([(k, self._returns(v, binding)) for k, v in parts])
        return kind, tuple([self._returns(v, binding) for v in parts])

    @staticmethod
    def _view(view, binding, buffers):
        if view is None:
            return None
        return View(buffers.get(view.buffer, view.buffer), binding.of(view.offset), binding.layout(view.layout),
                    view.tensor, view.history)

    def _bound(self, graph, binding, buffers):
        """A graph with numbers for sizes. buffers: {buffer: the one in its place}, which grows."""
        if graph not in self._sized:
            self._sized[graph] = [b for b in dict.fromkeys([*graph.buffers, *(
                v.buffer for s in graph.steps for v in s.places)]) if type(b.nbytes) is Size]
        for b in self._sized[graph]:
            if b not in buffers:
                buffers[b] = Buffer(b.number, b.kind, binding.of(b.nbytes), b.name, b.storage, b.address, b.content,
                                    b.device)
        fixed = self._fixed
        steps = [s if id(s) in fixed else self._step(s, binding, buffers) for s in graph.steps]
        made = Graph(graph.name, [buffers.get(b, b) for b in graph.buffers], steps, graph.options)
        if graph.device is not CPU:
            for name, one in PASSES:
                made = one(made) if name in _LATER_ON_GPU and name not in ON_CPU else made
            return on_gpu.arranged(planned(made))
        large = any(v.writes and v.layout.nbytes >= bands.LARGE for s in steps for v in s.places)
        for name, one in PASSES:
            if name in _LATER and (large or name != "bands"):
                made = one(made)
        if self._like is None:
            made.check()
        return planned(made)

    def _step(self, step, binding, buffers):
        """A step with numbers for sizes; the step itself where nothing of it depends on them."""
        made = _with_numbers(step, binding, buffers)
        if made is step:
            self._fixed.add(id(step))
        return made


def _of_sizes_first(graph):
    """The graph with what is made of constants and sizes alone (1 / n) at the beginning, where it parts no others."""
    writers = writers_of(graph.steps)
    first: list = []
    known = {b for b in graph.buffers if b.kind == "constant"}
    for step in graph.steps:
        if makes_temporaries(step, writers) and step.reads() <= known and not numbers_of(step) and all(
                type(b.nbytes) is int and b.nbytes <= 64 for b in step.writes()):
            first.append(step)
            known |= step.writes()
    chosen = {id(s) for s in first}
    return Graph(graph.name, graph.buffers, [*first, *(s for s in graph.steps if id(s) not in chosen)], graph.options)


class _Lent:
    """Decisions (stored.py) of which one is kept for other sizes: which temporaries lie in the memory of which results.

    Steps decide that, and sizes only whether there is room.
    """

    stored = None

    def __init__(self):
        self._name, self._given, self._pairs = "", [], None  # [(temporary, result, when both live)]

    def known(self, name, given):
        """The pairs of the first program that fit these sizes, [(temporary, result, offset)]; None for all else."""
        self._name, self._given = name, given
        if name != "borrowed" or self._pairs is None:
            return None
        lives, hosts = self._parts()
        inside: dict = {}
        found = []
        for temporary, host, when in self._pairs:
            if temporary >= len(lives) or host >= len(hosts) or when != (*lives[temporary][1:], hosts[host][1]):
                continue
            nbytes, first, last = lives[temporary]
            placed = inside.setdefault(host, [])
            offset = gap(placed, first, last, nbytes)
            if offset + nbytes <= hosts[host][0]:
                insort(placed, (offset, offset + rounded(nbytes), first, last))
                found.append((temporary, host, offset))
        return found

    def note(self, numbers):
        """Keep what the first program has found."""
        if self._name == "borrowed" and self._pairs is None:
            lives, hosts = self._parts()
            self._pairs = [(t, h, (*lives[t][1:], hosts[h][1])) for t, h, _ in numbers]

    def _parts(self):
        """The (bytes, first, last step) of temporaries and (bytes, first step) of results that are asked about."""
        return [g for g in self._given if len(g) == 3], [g for g in self._given if len(g) == 2]


def _with_numbers(step, binding, buffers):
    """A step with numbers for sizes; the step itself where nothing of it depends on them."""
    values = []
    for v in step.values:
        if isinstance(v, Place):
            buffer, offset, own = buffers.get(v.buffer, v.buffer), binding.of(v.offset), binding.layout(v.layout)
            if buffer is not v.buffer or offset is not v.offset or own is not v.layout:
                v = Place(buffer, offset, own, v.reads, v.writes)
        else:
            v = binding.number_of(v)
        values.append(v)
    changed = {}
    if any(a is not b for a, b in zip(values, step.values, strict=True)):
        changed["values"] = values
    if step.check is not None:
        changed["check"] = binding.expression(step.check)
    if step.request is not None:  # which has no kernel yet
        request = binding.of(step.request)
        if request is not step.request:
            changed["request"] = request
    elif type(step.keep) is Asked:
        known = binding.asked.get(id(step.keep))  # of layers that are alike
        if known is None:
            request = binding.of(step.keep.request)
            known = binding.asked[id(step.keep)] = request, backend(step.device).plan(request)
        request, launch = known
        changed |= {"kernel": launch.kernel, "meta": launch.meta, "units": launch.units, "grain": launch.grain,
                    "keep": launch.keep}
        if isinstance(request, (kinds.Elementwise, kinds.Rows)):
            changed["request"] = request
        if step.plan is not None:
            known = binding.asked.get(id(step.plan))
            if known is None:
                known = binding.asked[id(step.plan)] = _plan(step.plan, binding)
            changed["plan"] = known
    return replace(step, **changed) if changed else step


def _plan(own, binding):
    """What others than kernels ask of a plan, with numbers for sizes."""
    made = Plan()
    made.op, made.rules, made.specs, made.statics = own.op, {}, binding.of(own.specs), binding.of(own.statics)
    made.layouts = binding.of(own.layouts)
    for name in ("dims", "shape", "length", "compute"):
        if hasattr(own, name):
            setattr(made, name, binding.of(getattr(own, name)))
    return made


def followed_sizes(tensors, others, varied):
    """{argument: {dimension: number}} of the sizes that differ between layouts of arguments; equal ones are one size.

    others: the layouts of another call; None: every size counts. varied: {(argument, dimension)} of those that have
    differed before; it grows.
    """
    numbers: dict = {}
    found: dict = {}
    for k, tensor in enumerate(tensors):
        own = tensor._layout
        for d, n in enumerate(own.shape):
            before = n if others is None else others[k].shape[d]
            if others is not None and n != before:
                varied.add((k, d))
            if (others is None or (k, d) in varied) and n >= LEAST:
                found.setdefault(k, {})[d] = numbers.setdefault((n, before), len(numbers))
    return found


def with_sizes(own, dims, sizes):
    """A layout with sizes in some of its dimensions: {dimension: number}."""
    shape = tuple(sizes[dims[d]] if d in dims else n for d, n in enumerate(own.shape))
    return layout(own.dtype, shape, None if own.is_contiguous else own.strides, own.device)


def forget(scope):
    """Leave no layouts and plans with sizes behind where calls look for theirs."""
    from .watch import all_call_plans
    for key in [k for k, own in list(_interned.items()) if is_symbolic(own)]:
        del _interned[key]
    for plans in all_call_plans():
        for key in [k for k in list(plans) if _holds_size(k)]:
            del plans[key]


def _holds_size(value):
    kind = type(value)
    if kind is Layout:
        return is_symbolic(value)
    return kind is Size or kind is tuple and any(_holds_size(v) for v in value)


__all__ = ["Family", "followed_sizes", "forget", "with_sizes"]
