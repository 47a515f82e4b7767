"""A captured call that could become a program: what it returns and changes, and whether that can be repeated."""

import functools
from types import FunctionType

from .. import dtypes
from ..autograd.modes import mode
from ..autograd.node import RELEASED, Node, Packed
from ..device import CPU
from ..expr import kinds, tree
from ..layout import layout
from ..plan import backend
from ..tensor import Tensor
from . import contents, on_gpu, passes, recompute, stored, traced
from .backward import Backward, split
from .capture import unexplained
from .graph import Buffer, Graph, Number, Place, Step
from .memory import MemoryPlan, highest, lifetimes
from .owned import View
from .places import Unsupported, same
from .program import Program
from .sizes import Size
from .structure import check_result, equal, flatten, numbers_of, with_numbers
from .values import Items, readable

ARGUMENTS = "the arguments"  # what two captures differ in that may both become programs
GRADIENTS = "gradients are in other memory"


class Candidate:
    """A captured call that could become a program. Unsupported where it cannot."""

    def __init__(self, attempt, result, versions):
        self.attempt, self.tensors, capture = attempt, attempt.tensors, attempt.capture
        for _, k in sorted(s for s in capture.checked if s[0] == "option"):
            group, key, value, path = attempt.places.options[k]  # something was decided by its value
            if type(group) is Items:
                group, key, value = group.holder, group.key, group.holder[group.key]
            attempt.places.entries.append(("dict", group, key, value, path))
        self._result(result, capture)
        self._gradients(capture)
        self._changes()
        held = {v.buffer for v in [*self.views, *(v for _, v in self.gradients if v is not None)]} - {None}
        own = attempt.backward
        kept, given = set(), set()
        if own:
            kept = _held_by_nodes(self._live, {id(g._node) for g in self.attempt.given})
            for target in own.targets:
                if target[2] is not None:
                    target[2] = self._view(target[2], capture, "a gradient")
                    given.add(target[2].buffer)
        lost = [b for b in unexplained(capture, held | given) if id(b.storage) not in kept]
        if lost:
            raise Unsupported("not yet: the call keeps tensors that it made" + (
                f", of {lost[0].nbytes} bytes" if lost else ""))
        for b in held:
            if b.kind == "temporary":
                b.kind = "result"
        first, second = capture.parts(own.boundary if own else None)
        first = [*_given(capture, held, [*first, *second]), *first]
        self.backward = None
        if own:
            first = self._backward(capture, own, first, second, held)
        self.graph = Graph(capture.name, capture.buffers, first, capture.options)
        self.graph.check()
        self.bumps = [(s, s.version - v) for s, v in versions.items() if s.version != v]
        touched = {v.buffer.storage for s in self.graph.steps for v in s.places if v.buffer.kind == "state"}
        self.present = [(t, g is not None, g._storage if g is not None and g._storage in touched else None, path)
                        for t, g, path in attempt.places.gradients]
        alive = held.union(*(s.reads() | s.writes() for s in self.graph.steps))
        self.buffers = [b for b in self.graph.buffers if b in alive]
        attempt.places.gradients.clear()  # which would be kept for as long as the program
        self._live = None
        self.count = len(self.tensors)  # and no more of them: a candidate may wait for long
        self.tensors = attempt.tensors = attempt.given = attempt.gradients = ()
        attempt.backward = None
        for b in self.graph.buffers:
            if b.kind in ("temporary", "result", "constant") or b.kind == "state" and b not in alive:
                b.storage = None  # old gradients among them

    def _view(self, tensor, capture, what):
        buffer = capture.find(tensor._ptr)
        if buffer is None:
            raise Unsupported(f"{what} is in memory that the function cannot be seen to hold")
        return View(buffer, tensor._ptr - buffer.address, tensor._layout)

    def _result(self, result, capture):
        found: list = []
        self.returns = with_numbers(flatten(result, found, "the result"), capture.returned, capture.options)
        check_result(self.returns)
        if len(capture.returned) > len(set(numbers_of(self.returns))):
            raise Unsupported("a number that the function reads does not appear in its result as it is")
        self.views, self._live = [], []
        for k, tensor in enumerate(found):
            if any(tensor is g for g in self.attempt.given):
                tensor = self.attempt.tensors[next(j for j, g in enumerate(self.attempt.given) if g is tensor)]
            if id(tensor) in attempt_tensors(self.attempt):
                view = View(None, 0, tensor._layout, tensor)
                for j, own in enumerate(self.tensors):
                    if own is tensor and self.attempt._inputs[j][3] is None:
                        if not tensor._layout.nbytes:
                            raise Unsupported(f"result {k} is argument {j}, which is empty")
                        view = View(capture.find(self.attempt.given[j]._ptr), 0, tensor._layout, None, "same")
            elif type(tensor) is not Tensor:
                raise Unsupported(f"result {k} is a {type(tensor).__name__}")
            else:
                view = self._view(tensor, capture, f"result {k}")
                if view.buffer.kind == "temporary" and tensor.is_inference() != mode.inference:
                    raise Unsupported(f"result {k} is made in an inference mode that the function switches")
                if tensor._needs_grad:
                    view.history = "used" if used(tensor.grad_fn) else "live"
                    self._live += [tensor] * (view.history == "live")
            self.views.append(view)

    def _gradients(self, capture):
        self.gradients = []
        for k, (tensor, before) in enumerate(zip(self.tensors, self.attempt.gradients, strict=True)):
            if tensor._grad is not before and self.attempt._inputs[k][3] is None:
                raise Unsupported(f"the call sets the gradient of argument {k}")
        for given, tensor in zip(self.attempt.given, self.tensors, strict=True):
            if given is not tensor and (given._grad is not None or given._generation):
                raise Unsupported("an argument with a history is changed in place, or gets a gradient")
        for tensor, before, path in self.attempt.places.gradients:
            now = tensor._grad
            if now is before:
                if now is not None and any(x is not y and x != y for x, y in zip(
                        (now._layout, now._ptr), self.attempt.forms[id(now)], strict=True)):
                    raise Unsupported(f"the call changes the shape or memory of {path}.grad")
                continue
            view = None
            if now is not None:
                if type(now) is not Tensor or now._needs_grad:
                    raise Unsupported(f"{path}.grad is not a plain tensor")
                view = self._view(now, capture, f"{path}.grad")
                if view.buffer.kind == "input":
                    raise Unsupported(f"{path}.grad becomes what an argument, or a gradient before, is made of")
            self.gradients.append((tensor, view))

    def _backward(self, capture, own, first, second, held):
        """Make the parts of the backward program; the forward steps."""
        first, graph, inputs, kept, view = split(capture, own, first, second, held)
        views = []
        for *_, gradient in own.targets:
            if gradient is not None:
                buffer, offset = view(gradient.buffer, gradient.offset)
                if buffer.kind == "temporary":
                    buffer.kind = "result"
                if buffer not in graph.buffers:
                    graph.buffers.append(buffer)
                gradient = View(buffer, offset, gradient.layout)
            views.append(gradient)
        targets = [(k, t if k is None else None, None) for k, t, _ in own.targets]
        roots = [(k, g._layout) for k, g in own.roots]
        if kept.nbytes:
            capture.buffers.append(kept)
        self.backward = graph, inputs, views, targets, roots, kept
        return first

    def _changes(self):
        for entry, now in self.attempt.places.changes():
            raise Unsupported(f"not yet: the call changes {entry[4]}" + (
                "" if entry[0] == "size" else f" from {entry[3]!r:.60} to {now!r:.60}"))

    def signature(self):
        """What two captures of one program have in common, as (label, value) pairs."""
        numbers: dict = {}

        def of(buffer):
            return numbers.setdefault(buffer, len(numbers)) if buffer is not None else None
        steps = [*self.graph.steps, *(self.backward[0].steps if self.backward else ())]
        yield "the steps", (len(self.graph.steps), len(steps))
        for k, step in enumerate(steps):
            label = f"step {k}, {step.name} ({step.where})"
            yield label, (step.kind, step.name, step.kernel if step.plan is None else step.plan, step.meta, step.units,
                          step.grain, step.read, step.check, step.expected)
            for v in step.values:
                if isinstance(v, Place):
                    b = v.buffer
                    yield label, (of(b), v.offset, v.layout, b.kind, b.nbytes, b.content,
                                  b.storage if b.kind in ("state", "input") else None)
                elif isinstance(v, Number):
                    yield f"a number of {label}", repr(v.value) if v.expression is None else v.expression
        for view in self.views:
            yield "the results", (of(view.buffer), view.offset, view.layout, id(view.tensor), view.history)
        for tensor, view in self.gradients:
            yield "the gradients", (id(tensor), view and (of(view.buffer), view.offset, view.layout))
        if self.backward:
            _, inputs, views, targets, roots, kept = self.backward
            yield "the backward pass", (len(inputs), roots, kept.nbytes,
                                        [(k, k is None and id(t)) for k, t, _ in targets],
                                        [v and (of(v.buffer), v.offset, v.layout) for v in views])
        yield "the changes", [(id(s), n) for s, n in self.bumps]
        yield "the gradients before", [(id(t), has, id(s)) for t, has, s, _ in self.present]
        yield "the places", [(e[0], id(e[1]), e[2], e[4]) for e in self.attempt.places.entries]
        yield "the options", [(id(o[0]), o[1]) for o in self.graph.options]

    def agrees(self, other):
        """"" where another capture is of the same program, else what differs."""
        mine, theirs = self.attempt, other.attempt
        if mine.modes != theirs.modes or not equal(mine.template, theirs.template) or mine._inputs != theirs._inputs:
            return ARGUMENTS
        mine_held, their_held = ([(id(t), has) for t, has, *_ in c.present] for c in (self, other))
        if mine_held == their_held and any(a[2] is not b[2] for a, b in zip(self.present, other.present, strict=True)):
            return GRADIENTS
        if [(id(t), own) for t, own in mine.hidden] != [(id(t), own) for t, own in theirs.hidden]:
            return "the gradients before"
        if not equal(self.returns, other.returns):
            return f"the results, {self.returns!r:.60} and {other.returns!r:.60}"
        for a, b in zip(self.signature(), other.signature(), strict=False):
            if a != b:
                return f"{b[0]}: {(_another if b[0] == 'the places' else _difference)(a[1], b[1])}"
        for a, b in zip(mine.places.entries, theirs.places.entries, strict=True):
            if a[3] is not b[3] and not same(a[3], b[3]):
                return f"{a[4]}"
        return ""

    def optimized(self, limit=None):
        """The graph as it is run, in `limit` bytes; MemoryLimitError where that is not enough."""
        graph = passes.run(self.graph)
        before = set(self.graph.buffers)
        graph.buffers = [*self.buffers, *(b for b in graph.buffers if b not in before)]
        return recompute.planned(graph, limit, self.graph.name, highest(lifetimes(self.graph))[0])

    def pattern(self):
        """What captures of one function have in common when only sizes differ; == tells."""
        numbers: dict = {}

        def of(buffer):
            return numbers.setdefault(buffer, len(numbers)) if buffer is not None else None

        def form(expression):  # without the numbers in it, which may be sizes
            if expression is None or expression[0] in ("read", "option"):
                return expression
            return (expression[0], *map(form, expression[1:])) if expression[0] != "number" else "number"
        found: list = []
        for step in [*self.graph.steps, *(self.backward[0].steps if self.backward else ())]:
            op = step.plan and (step.plan.op.name, step.plan.op.kind)  # those of gradients are made for each shape
            found.append((step.kind, step.name, op, step.read, form(step.check), step.expected))
            for v in step.values:
                if isinstance(v, Place):
                    b = v.buffer
                    found.append((of(b), b.kind, v.reads, v.writes, v.layout.dtype,
                                  b.storage if b.kind in ("state", "input") else None))
                elif v.expression is not None and not traced.sources(v.expression):  # made of sizes (sizes.py)
                    found.append((type(traced.plain(v.value)), None))
                else:
                    found.append((type(v.value), form(v.expression)))
        found += [(of(v.buffer), id(v.tensor), v.history) for v in self.views]
        found += [(id(t), v and of(v.buffer)) for t, v in self.gradients]
        if self.backward:
            _, inputs, views, targets, roots, _ = self.backward
            found.append((len(inputs), [k for k, _ in roots], [(k, k is None and id(t)) for k, t, _ in targets],
                          [v and of(v.buffer) for v in views]))
        found += [(id(s), n) for s, n in self.bumps]
        found += [(id(t), has, id(s)) for t, has, s, _ in self.present]
        found += [(e[0], id(e[1]), e[2], e[4]) for e in self.attempt.places.entries]
        found += [(id(o[0]), o[1]) for o in self.graph.options]
        found += [(i[0].dtype, len(i[0].shape), *i[1:3], id(i[3])) for i in self.attempt._inputs]
        found += [(id(t), own) for t, own in self.attempt.hidden]
        return _Pattern(found, self.attempt)

    def program(self, limit=None, arena=None):
        """The Program."""
        second = self.backward[0] if self.backward else None
        return stored.made(lambda: self._program(limit, arena), self.graph, second, limit)

    def plans(self, limit=None):
        """(MemoryPlan of the program, of its backward pass or None), of which nothing is made."""
        def plan():
            graph = self.optimized(limit)
            second = MemoryPlan(self._second()) if self.backward else None
            return MemoryPlan(graph, True), second
        return stored.made(plan, self.graph, self.backward[0] if self.backward else None, limit)

    def _second(self):
        """The graph of the backward pass as it is run."""
        second = passes.run(self.backward[0])
        return second if second.device is CPU else on_gpu.arranged(second)

    def _program(self, limit, arena):
        own, backward = self.attempt, None
        graph = self.optimized(limit)
        if self.backward:
            backward = Backward(self._second(), *self.backward[1:])
        return Program(graph, own.template, own._inputs, own.hidden, own.places, self.returns, self.views,
                       self.gradients, self.bumps, self.present, backward, arena, self.pattern())


class _Pattern:
    """See Candidate.pattern."""

    def __init__(self, found, attempt):
        self.found, self.modes, self.template, self.values = found, attempt.modes, attempt.template, attempt.places

    def __eq__(self, other):
        return (self.modes == other.modes and self.found == other.found and equal(self.template, other.template)
                and all(a[3] is b[3] or same(a[3], b[3]) for a, b in zip(
                    self.values.entries, other.values.entries, strict=True)))

    __hash__ = None  # type: ignore[assignment]


def _given(capture, held, steps):
    """Steps that copy what was made from Python data into results that are nothing else."""
    written = set().union(*(s.writes() for s in steps))
    found = []
    for b in list(capture.buffers):
        if b.kind == "result" and b in held and b in capture.filled and b.nbytes:
            if b in written:
                raise Unsupported("a result is made from Python data and changed afterwards")
            source = Buffer(len(capture.buffers), "constant", b.nbytes, "made from Python data, a result",
                            content=contents.read(b.device, b.address, b.nbytes), device=b.device)
            capture.buffers.append(source)
            own = layout(dtypes.uint8, (b.nbytes,), None, b.device)
            request, launch = _copying(own)
            values = [Place(source, 0, own, True, False), Place(b, 0, own, False, True)]
            found.append(Step("launch", "clone", values, launch.kernel, launch.meta, launch.units, launch.grain,
                              keep=launch.keep, request=request))
    return found


@functools.lru_cache(1024)
def _copying(own):
    """(request, launch) of a copy; the same for captures that are to agree."""
    request = kinds.Elementwise("clone", (tree.arg("input"),), [kinds.Operand("input", own, own.dtype.compute)], [own],
                                own.shape, own.dtype.compute)
    return request, backend(own.device).plan(request)


def _held_by_nodes(results, begin):
    """Ids of the blocks of memory that the histories of results keep: saved values, and what rules hold.

    begin: ids of the nodes where arguments come in; what led to those is no part of the call.
    """
    found, seen, stack = set(), {*begin}, [r.grad_fn for r in results]
    while stack:
        value = stack.pop()
        if id(value) in seen or type(value) in (Size, traced.Traced):  # which a question would tie to their values
            continue
        seen.add(id(value))
        if isinstance(value, Node):
            saved = [v for _, v, _ in value.saved.entries] if type(value.saved) is Packed else value.saved
            stack += [value.rule, *saved, *(e[0] for e in value.edges if e is not None)]
        elif isinstance(value, Tensor):
            found.add(id(value._storage.block))
            if value._base is not None:
                stack.append(value._base)
        elif isinstance(value, (list, tuple)):
            stack += value
        elif isinstance(value, dict):
            stack += value.values()
        elif isinstance(value, FunctionType):
            stack += [c.cell_contents for c in value.__closure__ or ()]
        elif type(value).__module__.startswith("numbatorch.") and hasattr(value, "run"):  # a rule
            stack.append(vars(value) if hasattr(value, "__dict__") else ())
    return found


def used(node):
    """Whether a backward pass has come through the history of a result, so that no other can."""
    stack, seen = [node], set()
    while stack:
        node = stack.pop()
        if isinstance(node, Node) and id(node) not in seen:
            if node.saved is RELEASED:
                return True
            seen.add(id(node))
            stack += [e[0] for e in node.edges if e is not None]
    return False


def attempt_tensors(attempt):
    """Ids of tensors that were there before the call."""
    return {**{id(t): t for t in attempt.tensors}, **{i: t for i, (t, _) in attempt.places.tensors.items()}}


def _another(before, after):
    """Where two walks have come to different objects first."""
    first = next((b for a, b in zip(before, after, strict=False) if a != b), None)
    return f"{readable(first[3])} is another object" if first else "the function can reach more objects, or less"


def _difference(a, b):
    if isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b):
        for x, y in zip(a, b, strict=True):
            if x != y:
                if all(type(e) is tuple and e[0] == "eq" and e[2][0] == "number" for e in (x, y)) and x[1] == y[1]:
                    return f"a value that Python uses is {y[2][1]}, and was {x[2][1]}"
                return f"{x!r:.80} and {y!r:.80}"
    return f"{a!r:.80} and {b!r:.80}"
