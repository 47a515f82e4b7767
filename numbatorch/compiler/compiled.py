"""What `compile` gives: a function that captures its first calls and runs later ones as programs."""

import functools
import os
import sys
import threading
import warnings

from ..autograd import engine
from ..autograd.node import RELEASED, Node
from ..generator import default_generator
from ..tensor import Tensor
from . import passes, watch
from .calling import MISS, Stopped
from .capture import Capture, unexplained
from .graph import Number, Place
from .places import Places, Unsupported
from .program import Program, View, modes
from .structure import check_result, equal, flatten, others
from .traced import Traced

PROGRAMS, ATTEMPTS = 8, 6  # of one function: variants that are kept, captures without agreement before giving up


class Compiled:
    """A compiled function: call it as the function itself.

    The first calls run eagerly and are captured; once two captures in a row agree, later calls with the same arguments
    but for the contents of tensors run as a program. What cannot be run so runs eagerly, for the reasons that
    `explain()` gives.
    """

    def __init__(self, function, fullgraph=False):
        self.function, self.fullgraph = function, fullgraph
        self.name = getattr(function, "__name__", type(function).__name__)
        self.programs: list = []
        self._last: list = []  # captures that wait for one that agrees
        self._reasons: dict = {}  # why calls ran eagerly: {reason: how often}
        self._failures = self._eager = self._recaptures = 0
        self._lock = threading.RLock()
        functools.update_wrapper(self, function, updated=())

    def __get__(self, instance, owner=None):
        """Decorated methods: bound to their object."""
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args, **kwargs):
        if watch.current or engine.running.tasks or stance.force_eager:
            return self.function(*args, **kwargs)
        if not self._lock.acquire(blocking=False):  # another thread runs it
            return self._plainly("another thread was running it", args, kwargs)
        try:
            for program in self.programs:
                result = program.call((args, kwargs))
                if result is not MISS:
                    if result.__class__ is Stopped:
                        where = program.graph.steps[result.step].where
                        return self._plainly(f"a value led elsewhere: {where}", args, kwargs)
                    return result
            return self._call(args, kwargs)
        finally:
            self._lock.release()

    def _call(self, args, kwargs):
        """A call that no program takes: one that needs another look, a capture, or a run as it is."""
        tensors: list = []
        template = flatten((args, kwargs), tensors, "the arguments")
        why = ""
        for program in self.programs:
            why = program.mismatch(template, tensors)
            if not why:  # other objects, but the same values
                program.look_again()
                result = program.call((args, kwargs))
                if result is not MISS and result.__class__ is not Stopped:
                    self.programs.remove(program)
                    self.programs.insert(0, program)
                    return result
                return self._plainly("a guard that fails again and again" if result is MISS else
                                     f"a value led elsewhere: {program.graph.steps[result.step].where}", args, kwargs)
        if self._failures >= ATTEMPTS:
            self._eager += 1
            return self.function(*args, **kwargs)
        if self.programs and why:
            self._recaptures += 1
            if len(self.programs) >= PROGRAMS:
                return self._full(why, args, kwargs)
        return self._capture(template, tensors, args, kwargs)

    def _full(self, why, args, kwargs):
        if "recompiled" not in self._reasons:
            warnings.warn(f"compile: {self.name} was captured {PROGRAMS} times for different calls; others run "
                          f"eagerly from now on. The last one differs in this: {why}", stacklevel=4)
        self._reasons["recompiled"] = self._reasons.get("recompiled", 0) + 1
        self._eager += 1
        return self.function(*args, **kwargs)

    def _plainly(self, reason, args, kwargs):
        self._note(reason)
        return self.function(*args, **kwargs)

    def _note(self, reason):
        self._eager += 1
        self._reasons[reason] = self._reasons.get(reason, 0) + 1
        if "capture" in os.environ.get("NUMBATORCH_DEBUG", ""):
            print(f"# {self.name} ran eagerly: {reason}", file=sys.stderr)

    # ------------------------------------------------------------ capturing

    def _capture(self, template, tensors, args, kwargs):
        try:
            attempt = Attempt(self.function, self.name, template, tensors)
        except Unsupported as reason:
            self._refused(str(reason))
            return self.function(*args, **kwargs)
        result, candidate, why = attempt.run(args, kwargs)
        if candidate is None:
            if why.startswith("not yet"):
                self._note(why)
                self._last.clear()
                self._failures += 1
                self._settle()
            else:
                self._refused(why)
            return result
        agreed = next((c for c in self._last if len(c.tensors) == len(tensors) and c.agrees(candidate) == ""), None)
        if agreed is not None:
            self._last.remove(agreed)
            self._failures = 0
            self.programs.insert(0, candidate.program())
        else:
            if self._last:
                self._note(f"two calls differ: {self._last[-1].agrees(candidate)}")
                self._failures += 1
                self._settle()
            self._last = [*self._last[-3:], candidate]
        return result

    def _refused(self, reason):
        self._failures += 1
        self._note(reason)
        self._last.clear()
        self._settle()

    def _settle(self):
        if self._failures >= ATTEMPTS and self.fullgraph:
            raise RuntimeError(f"compile: {self.name} cannot run as one program: {next(reversed(self._reasons))}")

    # ------------------------------------------------------------ what is known

    @property
    def graph(self):
        """The graph of the program that ran last. RuntimeError where there is none yet."""
        return self._program().graph

    def _program(self):
        if not self.programs:
            raise RuntimeError(f"compile: {self.name} has no program yet.\n{self.explain()}")
        return self.programs[0]

    def memory(self):
        """The memory plan of the program that ran last, as a table."""
        return self._program().plan.table()

    def kernels(self):
        """{name: source} of the kernels of the program that ran last."""
        found = {}
        for step in self._program().graph.steps:
            own = getattr(step.kernel, "__self__", None)
            if hasattr(own, "source"):
                found[own.name] = own.source
        return found

    def explain(self):
        """What became of the calls: programs, their size, and why others ran eagerly."""
        lines = [f"{self.name}: {len(self.programs)} program{'s' * (len(self.programs) != 1)}"]
        for program in self.programs:
            kinds = [s.kind for s in program.graph.steps]
            lines.append(f"  {program.runs} runs of {len(kinds)} steps ({kinds.count('launch')} launches, "
                         f"{kinds.count('draw')} draws, {kinds.count('check')} checks), {program.plan.nbytes} bytes of "
                         "temporaries")
        lines.append(f"{self._eager} calls ran eagerly" + (":" if self._reasons else ""))
        lines += [f"  {count} x {reason}" for reason, count in self._reasons.items()]
        if self._failures >= ATTEMPTS:
            lines.append("it is not captured any more")
        return "\n".join(lines)

    def reset(self):
        """Forget all programs and reasons."""
        self.programs.clear()
        self._last.clear()
        self._reasons.clear()
        self._failures = self._eager = self._recaptures = 0


class Stance:
    """How compiled functions act: `force_eager` while `set_stance("force_eager")` is on."""

    force_eager = False


stance = Stance()


class Attempt:
    """One capture of a function with given arguments."""

    def __init__(self, function, name, template, tensors):
        self.function, self.name, self.template, self.tensors, self.modes = function, name, template, tensors, modes()
        if self.modes[3] or self.modes[4] or self.modes[5]:
            raise Unsupported("a mode watches every operation (hooks of saved tensors, anomaly mode, autocast outside "
                              "the function, function modes)")
        self.places = Places()
        self.places.walk((function, name), *others(template))
        self.capture = Capture(name)
        self.present, self._inputs = [], []
        self._memory()

    def _memory(self):
        capture = self.capture
        for tensor, path in self.places.tensors.values():
            capture.know("state", tensor._storage.ptr, tensor._storage.nbytes, path, tensor._storage)
        for _, grad, path in self.places.gradients:
            if grad is not None:
                capture.know("state", grad._storage.ptr, grad._storage.nbytes, f"{path}.grad", grad._storage)
        ranges = [(b.address, b.address + b.nbytes) for b in capture.buffers]
        for k, tensor in enumerate(self.tensors):
            if tensor._layout.device.type != "cpu":
                raise Unsupported(f"argument {k} is on {tensor._layout.device}")
            held = id(tensor) in self.places.tensors
            if tensor._node is not None and self.modes[0]:
                raise Unsupported(f"argument {k} was computed by recorded operations: only leaves are taken")
            start, nbytes = tensor._ptr, tensor._layout.nbytes
            if not held:
                if any(a < start + nbytes and start < b for a, b in ranges):
                    raise Unsupported(f"argument {k} shares memory with another, or with what the function holds")
                capture.know("input", start, nbytes, f"argument {k}", k)
                if nbytes:
                    ranges.append((start, start + nbytes))
            self._inputs.append((tensor._layout, tensor._needs_grad, type(tensor), tensor if held else None))

    def run(self, args, kwargs):
        """(the result, a Candidate or None, why there is none)."""
        capture, versions = self.capture, {}
        for b in capture.buffers:
            if b.kind == "state":
                versions[b.storage] = b.storage.version
        saved = _Snapshot(capture.buffers, self.places, self.tensors)
        groups = []
        for group, key, value, path in self.places.options:
            groups.append((group, key, value))
            capture.options.append((group, key, path))
            group[key] = Traced(value, ("option", len(groups) - 1), capture)
        try:
            try:
                with watch.Watch(capture):
                    result = self.call(args, kwargs)
            finally:
                for group, key, value in groups:
                    if group.get(key).__class__ is Traced:
                        group[key] = value
        except Exception as error:
            if not (groups or capture.reads):
                raise
            saved.restore()  # it may come from the numbers that stand in for floats: what the function itself does
            return self.call(args, kwargs), None, f"{type(error).__name__} while capturing: {error}"
        try:
            return result, Candidate(self, result, versions), ""
        except Unsupported as reason:
            return result, None, str(reason)

    def call(self, args, kwargs):
        """The function itself."""
        return self.function(*args, **kwargs)


class _Snapshot:
    """The contents of all memory that a call could change, its generator's state and gradients, to go back to."""

    def __init__(self, buffers, places, tensors):
        import ctypes
        self._bytes = [(b.address, ctypes.string_at(b.address, b.nbytes)) for b in buffers]
        self._gradients = [(t, t._grad) for t, *_ in places.gradients] + [(t, t._grad) for t in tensors]
        self._generator = default_generator.state, default_generator.state.copy()

    def restore(self):
        import ctypes
        for address, content in self._bytes:
            ctypes.memmove(address, content, len(content))
        for tensor, grad in self._gradients:
            tensor._grad = grad
        state, copy = self._generator
        state.become(copy)


class Candidate:
    """A captured call that could become a program. Unsupported where it cannot."""

    def __init__(self, attempt, result, versions):
        self.attempt, self.tensors, capture = attempt, attempt.tensors, attempt.capture
        for _, k in sorted(s for s in capture.checked if s[0] == "option"):
            group, key, value, path = attempt.places.options[k]  # something was decided by its value
            attempt.places.entries.append(("dict", group, key, value, path))
        self._result(result, capture)
        self._gradients(capture)
        self._changes()
        held = {v.buffer for v in [*self.views, *(v for _, v in self.gradients if v is not None)]}
        lost = unexplained(capture, held)
        if lost:
            raise Unsupported("not yet: the call keeps tensors that it made" + (
                f", of {lost[0].nbytes} bytes" if lost else ""))
        for b in held:
            if b.kind == "temporary":
                b.kind = "result"
        self.graph = capture.graph()
        self.graph.check()
        self.bumps = [(s, s.version - v) for s, v in versions.items() if s.version != v]
        touched = {v.buffer.storage for s in self.graph.steps for v in s.places if v.buffer.kind == "state"}
        self.present = [(t, g is not None, g._storage if g is not None and g._storage in touched else None, path)
                        for t, g, path in attempt.places.gradients]
        self.buffers = [b for b in self.graph.buffers if any(b in s.reads() or b in s.writes() for s in
                                                             self.graph.steps) or b in held]
        capture.blocks.clear()
        for b in self.graph.buffers:
            if b.kind in ("temporary", "result", "constant"):
                b.storage = None

    def _view(self, tensor, capture, what):
        buffer = capture.find(tensor._ptr)
        if buffer is None:
            raise Unsupported(f"{what} is in memory that the function cannot be seen to hold")
        return View(buffer, tensor._ptr - buffer.address, tensor._layout)

    def _result(self, result, capture):
        found: list = []
        self.returns = flatten(result, found, "the result")
        check_result(self.returns)
        self.views = []
        for k, tensor in enumerate(found):
            if id(tensor) in attempt_tensors(self.attempt):
                view = View(None, 0, tensor._layout, tensor)
                for j, own in enumerate(self.tensors):
                    if own is tensor and self.attempt._inputs[j][3] is None:
                        view = View(capture.find(tensor._ptr), 0, tensor._layout, None, "same")
            elif type(tensor) is not Tensor:
                raise Unsupported(f"result {k} is a {type(tensor).__name__}")
            else:
                view = self._view(tensor, capture, f"result {k}")
                if tensor._needs_grad:
                    if not _used(tensor._node):
                        raise Unsupported(f"result {k} has a gradient to be computed outside; compile the whole step, "
                                          "with backward(), or call the function under no_grad()")
                    view.history = "used"
            self.views.append(view)

    def _gradients(self, capture):
        self.gradients = []
        for tensor, before, path in [*self.attempt.places.gradients,
                                     *((t, None, "argument") for t in self.tensors if t._grad is not None)]:
            now = tensor._grad
            if now is before:
                continue
            view = None
            if now is not None:
                if type(now) is not Tensor or now._needs_grad:
                    raise Unsupported(f"{path}.grad is not a plain tensor")
                view = self._view(now, capture, f"{path}.grad")
            self.gradients.append((tensor, view))

    def _changes(self):
        for entry, now in self.attempt.places.changes():
            raise Unsupported(f"not yet: the call changes {entry[4]}" + (
                "" if entry[0] == "size" else f" from {entry[3]!r:.60} to {now!r:.60}"))

    def signature(self):
        """What two captures of one program have in common, as (label, value) pairs."""
        numbers: dict = {}

        def of(buffer):
            return numbers.setdefault(buffer, len(numbers)) if buffer is not None else None
        yield "the steps", len(self.graph.steps)
        for k, step in enumerate(self.graph.steps):
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
        yield "the changes", [(id(s), n) for s, n in self.bumps]
        yield "the gradients before", [(id(t), has, id(s)) for t, has, s, _ in self.present]
        yield "the places", [(e[0], id(e[1]), e[2], e[4]) for e in self.attempt.places.entries]
        yield "the options", [(id(o[0]), o[1]) for o in self.graph.options]

    def agrees(self, other):
        """"" where another capture is of the same program, else what differs."""
        mine, theirs = self.attempt, other.attempt
        if mine.modes != theirs.modes or not equal(mine.template, theirs.template) or mine._inputs != theirs._inputs:
            return "the arguments"
        if not equal(self.returns, other.returns):
            return f"the results, {self.returns!r:.60} and {other.returns!r:.60}"
        for a, b in zip(self.signature(), other.signature(), strict=False):
            if a != b:
                return f"{b[0]}: {_difference(a[1], b[1])}"
        for a, b in zip(mine.places.entries, theirs.places.entries, strict=True):
            from .places import same
            if a[3] is not b[3] and not same(a[3], b[3]):
                return f"{a[4]}"
        return ""

    def program(self):
        """The Program."""
        own = self.attempt
        graph = passes.run(self.graph)
        graph.buffers = self.buffers
        return Program(graph, own.template, own._inputs, own.places, self.returns, self.views, self.gradients,
                       self.bumps, self.present)


def _used(node):
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


def _difference(a, b):
    if isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b):
        for x, y in zip(a, b, strict=True):
            if x != y:
                return f"{x!r:.80} and {y!r:.80}"
    return f"{a!r:.80} and {b!r:.80}"
