"""A captured call made ready to run again: guards, memory, the graph's steps, and what Python has to see afterwards."""

import os
import sys
from bisect import bisect_right
from collections import OrderedDict
from types import FunctionType

import numpy as np

from ..attributes import fields
from ..autograd.node import FunctionRule, new_node
from ..cpu.guard import Counter, Guard, counts_references
from ..cpu.program import Base
from ..device import CPU
from ..generator import default_of
from ..recording import Layouts
from ..storage import BorrowedStorage, SharedStorage, TwinStorage
from ..tensor import Tensor
from . import calling, contents, costs, native, on_gpu, replay, traced
from .graph import Buffer
from .memory import Arena, MemoryPlan
from .modes import Modes, modes
from .owned import Owned, constant
from .places import ABSENT, look, same
from .structure import equal
from .values import Items, class_dict, readable

_new = object.__new__
SHARING = BorrowedStorage, SharedStorage, TwinStorage  # which may be in the memory of another storage


class Program:
    """One captured call: `call((args, kwargs))` runs it (calling.py).

    graph; template and layouts of the arguments; places (guards); returns: a template whose tensors are `views`;
    gradients: [(tensor, View or None)] after the call; bumps: [(Storage, how many changes)]; present: [(tensor, whether
    it has a gradient, in which storage if that matters, path)] before it.
    """

    def __init__(self, graph, template, inputs, hidden, places, returns, views, gradients, bumps, present,
                 backward=None, arena=None, pattern=None, like=None):
        """like: another program of the same places, whose guard is this one's, too."""
        self.graph, self.template, self.places = graph, template, places
        self.inputs = [*inputs, *(own for _, own in hidden)]
        self.hidden = [(len(inputs) + k, tensor) for k, (tensor, _) in enumerate(hidden)]  # their gradients are inputs
        self.returns, self.views, self.gradients, self.bumps, self.present = returns, views, gradients, bumps, present
        self.modes, self.replays, self.backward = Modes(), 0, backward
        self.arena, self.pattern = (arena or Arena()).on(graph.device), pattern
        self._memory(like)
        self.guard = self.quiet = None
        self.slow: list = []  # places that Python looks at
        self.unguarded: list = []
        self._bound: list = [None] * len(gradients)
        if like is None:
            self.counter = Counter([(s, "version", n) for s, n in bumps])
            self.look_again()
        else:
            self.counter, self.guard, self.slow, self.unguarded = like.counter, like.guard, like.slow, like.unguarded
        self.call = calling.write(self)

    def _memory(self, like=None):
        graph = self.graph
        self.plan = MemoryPlan(graph, True)
        if "plan" in os.environ.get("NUMBATORCH_DEBUG", ""):
            print(f"# {graph.name}, memory\n{self.plan.table()}", file=sys.stderr)
        self._constants, self.addresses, temporaries = [], {}, []
        for b in graph.buffers:
            if b.kind == "temporary" and b in self.plan.lives:
                temporaries.append(b)
            elif b.kind == "state":
                self.addresses[b] = b.address
            elif b.kind == "temporary" and b.device is not graph.device:
                self._constants.append(np.zeros(max(b.nbytes, 1), np.uint8))
                self.addresses[b] = self._constants[-1].ctypes.data
            elif b.kind == "constant":
                block, self.addresses[b] = constant(b)
                self._constants.append(block)
        returned = {v.buffer for v in self.views} | ({self.backward._kept} if self.backward else set())
        self._owner = {b: Owned(b, b not in returned) for b in graph.buffers if b.kind == "result"}
        self.dynamic_inputs = [b for b in graph.buffers if b.kind == "input"]
        self.results = [o for b, o in self._owner.items() if b in returned]
        self._kept = [o for b, o in self._owner.items() if b not in returned]
        self.dynamic = [*self.dynamic_inputs, *(o.buffer for o in self.results), *(o.buffer for o in self._kept),
                        Buffer(-1, "temporary", self.plan.nbytes, "all temporaries", device=graph.device)]
        for b in temporaries:
            result, offset = self.plan.borrowed.get(b, (self.dynamic[-1], self.plan.offsets.get(b)))
            self.addresses[b] = Base(self.dynamic.index(result), offset)
        self.arena.join(self, self.plan.nbytes)
        written = set().union(*(s.writes() for s in graph.steps)) if graph.steps else set()
        self.written_inputs = {b.storage for b in self.dynamic_inputs if b in written}
        self.states = {b.storage for b in graph.buffers if b.kind == "state"}
        self.sharing = any(s.__class__ in SHARING for s in self.states)
        self._held = _merged((b.address, b.address + b.nbytes) for b in graph.buffers if b.kind == "state" and b.nbytes)
        kinds = [s.kind for s in graph.steps]
        self.draws_first = "check" in kinds and "draw" in kinds and kinds.index("draw") < (
            len(kinds) - kinds[::-1].index("check"))
        self.shared_matters = any(b.kind in ("state", "input") for b in written)
        self._reads: dict = {}
        self.runner, run = _runner(graph, self.addresses, self.dynamic, [o[:2] for o in graph.options], self._reads,
                                   like and like.runner and like.runner.option_slots)
        self.at_risk = self._written_before_python()
        self._places, self._settled = [*(o.storage.ptr for o in self._kept), self.arena.start], {}
        if self.runner is None or self.runner.python:
            self.run_native, self.step_of = lambda *bases: run([*bases, *self._places]), int
        else:
            self._settle()
            self.run_native, self.step_of = self.runner.run_few, self.runner.step_of

    def _in_python(self):
        """Numbers of the steps that Python runs."""
        lowered = self.graph.lowered or {}
        return [k for k, s in enumerate(self.graph.steps) if self.runner is None or s in lowered and (
            lowered[s].calls is None)]

    def describe(self):
        """Lines on how it runs: what the GPU is given, or which steps Python runs."""
        if self.graph.device is not CPU and self.runner is not None:
            return self.runner.describe()
        if self.runner is None:
            return ["Python runs all of them: a number is computed in a way that native code does not know"]
        found = [self.graph.steps[k] for k in self._in_python()]
        return ["Python runs " + ", ".join(f"{s.name} ({s.where})" for s in found)] if found else []

    def _written_before_python(self):
        """What outlives the call and is written before the last step of Python, which may raise: of CPU programs."""
        steps, last = self.graph.steps, max(self._in_python(), default=-1)
        return [b for b in dict.fromkeys(p.buffer for s in steps[:last + 1] for p in s.places if p.writes)
                if b.kind in ("state", "input") and self.graph.device is CPU]

    def keep(self, bases):
        """[(address, bytes)] of what is at risk, before a run."""
        places = [b.address if b.kind == "state" else bases[self.dynamic_inputs.index(b)] for b in self.at_risk]
        return [(at, contents.read(CPU, at, b.nbytes)) for at, b in zip(places, self.at_risk, strict=True)]

    @staticmethod
    def put_back(kept):
        """Undo what a run has written that an error has ended."""
        for address, content in kept:
            contents.write(CPU, address, content)

    def _settle(self):
        """Tell the native program where the memory of gradients and temporaries is; it changes rarely."""
        if self.runner is not None and not self.runner.python:
            first = len(self.dynamic) - len(self._places)
            for k, place in enumerate(self._places):
                if self._settled.get(k) != place:
                    self._settled[k] = place
                    self.runner.move(first + k, place)

    def moved(self):
        """The arena is in another place."""
        self._places[-1] = self.arena.start
        self._settle()

    def rest(self):
        """Another program of the function runs: its gradients take the place of this one's. Memory that nobody else
        holds is free."""
        for o in self.results:
            o.storage = None
        if self.gradients:
            self._bound, self.quiet = [None] * len(self.gradients), None
            for o in self._kept:
                o.storage = None

    def drop(self):
        """It is not among the programs that are kept, though something may hold it: a GPU keeps nothing for it."""
        for runner in (self.runner, self.backward and self.backward.runner):
            if runner is not None:
                runner.drop()

    @property
    def runs(self):
        """How often it has run to the end."""
        return self.replays if self.runner is None else self.runner.runs

    def number(self, k):
        """The value of read `k` in the last run."""
        return self.runner.number(k) if self.runner is not None else self._reads[k]

    def owner(self, buffer):
        """The Owned of a result's buffer."""
        return self._owner[buffer]

    # ------------------------------------------------------------ guards

    def look_again(self):
        """Make the guard from what is in the places now: after a look found other objects that mean the same."""
        guard, dicts, lists, slow, sized = Guard(), {}, {}, self.slow, set()
        slow.clear()
        for entry in self.places.entries:
            kind, container, key, value, _ = entry
            if kind == "dict":
                dicts.setdefault(id(container), (container, []))[1].append((key, value))
            elif kind in ("class", "names"):
                held = dicts.setdefault(id(container), (class_dict(container), []))
                held[1].extend([(key, value)] if kind == "class" else [])
                sized.add(id(container))
            elif kind == "list" or kind == "size" and isinstance(container, list):
                lists[id(container)] = container
            elif kind == "size":
                dicts.setdefault(id(container), (container, []))
                sized.add(id(container))
            elif kind == "cell":
                now = look((kind, container, key))
                guard.cell(container, now, now is ABSENT)
            elif not (guard.kind(container) if key == "__class__" else
                      isinstance(container, FunctionType) and guard.field(container, key, look(entry))):
                slow.append(entry)
        for number, (container, entries) in dicts.items():
            known = {k for k, _ in entries}
            if number in sized or len(entries) * 4 >= len(container):
                guard.whole(container, list(dict.items(container)), {k for k in container if k not in known})
            else:
                for key in known:
                    guard.item(container, key, container.get(key), key not in container)
            if isinstance(container, OrderedDict) and len(container) > 1 and not guard.order(container):
                slow.append(("size", container, None, tuple(container), ""))
        for container in lists.values():
            guard.list(container, container)
        for k, (group, key, _, _) in enumerate(self.places.options):
            if type(group) is not Items:
                guard.float(group, key, self._option(k))
            elif key == 0:  # the others come after it
                guard.floats(group.holder, group.key, [self._option(n) for n in range(k, k + group.count)])
        bound = {id(t) for t, _ in self.gradients}
        for tensor, has, storage, _ in self.present:
            own = fields(tensor)
            if id(tensor) not in bound and (not has or storage is not None):
                guard.item(own, "_grad", own.get("_grad"), "_grad" not in own)
        self.unguarded[:] = [p for p in self.present if id(p[0]) in bound or p[1] and p[2] is None]
        finished = guard.finish()
        if self.guard is None:
            self.guard = finished
        else:  # the written call knows the one that is there
            self.guard.__dict__.update(finished.__dict__)

    def _option(self, k):
        if self.runner is not None:
            return self.runner.option_address(k)
        self._unused = np.zeros(1)
        return self._unused.ctypes.data

    def unlike(self):
        """Whether one of the places that Python looks at has changed."""
        return any(now is not e[3] and not same(now, e[3]) for e in self.slow for now in (look(e),))

    def absent(self):
        """Whether gradients that the guard does not look at are there, or not, other than before the captured call."""
        return any((t._grad is not None) is not has or storage is not None and t._grad._storage is not storage
                   for t, has, storage, _ in self.unguarded)

    def mismatch(self, template, tensors):
        """Why a call is not this program's; "" where it is."""
        if modes() != self.modes.wanted:
            return self.modes.mismatch()
        tensors = self._with_hidden(tensors)
        if len(tensors) != len(self.inputs) or not equal(template, self.template):
            return "the arguments other than tensors differ"
        for k, (tensor, (own, needs_grad, kind, known, history)) in enumerate(zip(tensors, self.inputs, strict=True)):
            if tensor is None:
                return "a gradient is None"
            if tensor._layout is not own:
                return f"argument {k} has {_unlike(tensor._layout, own)}"
            if type(tensor) is not kind:
                return f"argument {k} is a {type(tensor).__name__}, and was a {kind.__name__}"
            if tensor._needs_grad is not needs_grad:
                return f"argument {k} has requires_grad={tensor._needs_grad}, and had {needs_grad}"
            if history is not None and history[0] is not (tensor._node is None):
                return f"argument {k} is {'a' if tensor._node is None else 'no'} leaf, other than before"
            if history is not None and history != (tensor._node is None, tensor._grad is None):
                return f"argument {k} has {'no' if tensor._grad is None else 'a'} gradient, other than before"
            if known is not None and tensor is not known:
                return f"argument {k} was a tensor that the function holds"
        return self.misplaced() or ("an argument shares memory with what is written" if self.overlap(tensors) else "")

    def misplaced(self):
        """Why what the function can see of Python is not this program's; "" where it is."""
        for entry in self.places.entries:
            now = look(entry)
            if now is not entry[3] and not same(now, entry[3]):
                name = readable(entry[4])
                return (f"{name} has other parts" if entry[0] == "size" else
                        f"{name} is {_shown(now)}, and was {_shown(entry[3])}")
        for group, key, _, path in self.places.options:
            if type(group.get(key)) is not float:
                return f"{readable(path)} is {_shown(group.get(key))}, and was a float"
        for k, step in enumerate(self.graph.steps):
            if self.chosen(k) and traced.value(step.check, [o[0][o[1]] for o in self.places.options]) != step.expected:
                return f"{step.where} decides otherwise by an optimizer's number"
        for tensor, has, storage, path in self.present:
            grad = tensor._grad
            if (grad is not None) is not has:
                return f"{path}.grad is {'there' if grad is not None else 'None'}"
            if storage is not None and grad._storage is not storage:
                return f"{path}.grad is in other memory"
        return ""

    def _with_hidden(self, tensors):
        """The arguments' tensors and the gradients that are inputs, too."""
        return [*tensors, *(t._grad for _, t in self.hidden)]

    def chosen(self, k):
        """Whether step `k` is a check that only options of an optimizer decide, which may get a program of its own."""
        check = self.graph.steps[k].check
        return check is not None and all(kind == "option" for kind, _ in traced.sources(check))

    def is_held(self, storage):
        """Whether a storage is one that the function holds, or in its memory: borrowed twice, or seen by `.data`."""
        if storage in self.states:
            return True
        if not self.sharing and storage.__class__ not in SHARING:
            return False
        starts, ends = self._held
        k = bisect_right(ends, storage.ptr)
        return k < len(starts) and starts[k] < storage.ptr + storage.nbytes

    def overlap(self, tensors):
        """Whether tensors among the arguments share memory that something writes to."""
        if not self.shared_matters:
            return False
        if any(self.inputs[k][3] is None and self.is_held(t._storage) for k, t in enumerate(tensors)):
            return True
        end, written = 0, False  # of what comes before, by address, and reaches furthest
        for start, stop, k in sorted((t._ptr, t._ptr + t._layout.nbytes, k) for k, t in enumerate(tensors)):
            own = k in self.written_inputs
            if start < end and (own or written) and start < stop:
                return True
            if stop > end:
                end, written = stop, own
        return False

    # ------------------------------------------------------------ gradients

    def release(self):
        """Gradients of the last run that only their tensors hold: their memory is free when they are replaced."""
        self.quiet, reused = None, []
        for k, (tensor, view) in enumerate(self.gradients):
            held, self._bound[k] = self._bound[k], None
            if (held is not None and view.buffer in self._owner and tensor._grad is held
                    and sys.getrefcount(held) <= 3 and len(fields(held)) == 3):
                reused.append(held)
                tensor._grad = None
                del fields(held)["_storage"]
            else:
                reused.append(None)
            held = None
        try:
            places = [*(o.fresh().ptr for o in self._kept), self.arena.start]
        except BaseException:  # there is no memory for a gradient
            self.undo(reused)
            raise
        if places != self._places:
            self._places = places
            self._settle()
        return reused

    def undo(self, reused):
        """Give tensors back the gradients that `release` took."""
        for (tensor, view), grad in zip(self.gradients, reused, strict=True):
            if grad is not None:
                grad._storage, tensor._grad = self._owner[view.buffer].storage, grad

    def bind(self, reused):
        """Give tensors their gradients; from then on nothing is to do while nobody else holds these."""
        for k, (tensor, view) in enumerate(self.gradients):
            if view is None:
                tensor._grad = None
                continue
            grad = reused[k]
            if grad is None or view.buffer not in self._owner:
                grad = _new(Tensor)
                grad._layout = view.layout
            reused[k] = None
            storage = self._owner[view.buffer].storage if view.buffer in self._owner else view.buffer.storage
            grad._storage, grad._ptr = storage, storage.ptr + view.offset
            tensor._grad = self._bound[k] = grad
            grad = storage = None
        self._quieten()

    def _quieten(self):
        if not counts_references() or any(v is None or v.buffer not in self._owner or self._owner[v.buffer] not in
                                          self._kept for _, v in self.gradients):
            return
        bound = {id(t) for t, _ in self.gradients}
        if any(id(t) in bound and not has for t, has, *_ in self.present):
            return  # without a gradient before each call
        quiet = Guard()
        for k, (tensor, _) in enumerate(self.gradients):
            grad = self._bound[k]
            quiet.item(fields(tensor), "_grad", grad, False)
            quiet.whole(fields(grad), list(fields(grad).items()), ())
        grad = None
        for k in range(len(self._bound)):
            most = (_references(self._bound[k]), _references(self._bound[k]._storage),
                    _references(self._bound[k]._storage.block))
            quiet.count(self._bound[k], most[0])
            quiet.count(self._bound[k]._storage, most[1])
            quiet.count(self._bound[k]._storage.block, most[2])
        self.quiet = quiet.finish()

    def profile(self, tensors, runs):
        """[Cost] of each step: the best of some runs that do everything they do."""
        best: list = []
        for _ in range(runs):
            times = [0.0] * len(self.graph.steps)
            run = replay.write(self.graph, self.addresses, self.dynamic,
                               [o[:2] for o in self.graph.options], times)
            reused = self.release()
            bases = [self._with_hidden(tensors)[b.storage]._ptr for b in self.dynamic_inputs]
            bases += [o.fresh().ptr for o in self.results] + self._places
            if run(bases) >= 0:
                self.undo(reused)
                raise RuntimeError("profile: a value led elsewhere, the program does not fit this call")
            self.counter.move()
            self.bind(reused)
            best = [min(a, b) for a, b in zip(best or times, times, strict=True)]
        return [costs.Cost(t, costs.nbytes(s), costs.flops(s), s) for t, s in zip(best, self.graph.steps, strict=True)]

    def generator(self):
        """Copies of the states of the default generators, where the program does not make its own."""
        if self.graph.device is CPU and self.runner is not None:
            return None
        return [default_of(d).state.copy() for d in {CPU, self.graph.device}]

    def draw_again(self, copies):
        """Put the default generators back to where copies of their states are."""
        if copies is None:
            self.runner.draw_again()
            return
        for d, copy in zip({CPU, self.graph.device}, copies, strict=True):
            default_of(d).state.become(copy)

    def mark_used(self, tensor):
        """Make a result one whose history was gone through."""
        tensor._needs_grad, tensor._node = True, new_node(_USED, Layouts((tensor._layout,)), (), (), 1)


def _merged(ranges):
    """(starts, ends) of the ranges that some make together, in their order."""
    starts, ends = [], []
    for start, end in sorted(ranges):
        if ends and start < ends[-1]:
            ends[-1] = max(ends[-1], end)
        else:
            starts.append(start)
            ends.append(end)
    return starts, ends


def _references(value):
    """How many references there are to an object, without those of this call."""
    return sys.getrefcount(value) - _OWN


_OWN = 0
_OWN = (lambda held: _references(held[0]) - 1)([object()])


def _runner(graph, addresses, dynamic, options, reads=None, slots=None):
    """(the native Runner, its run), or (None, a function in Python) where an expression is beyond native code.

    reads: what a function in Python puts the numbers into that it reads. slots: where another program has its options.
    """
    try:
        runner = native.Runner(graph, addresses, dynamic, options, slots) if graph.device is CPU else (
            on_gpu.Runner(graph, addresses, dynamic, options, slots))
        return runner, runner.run
    except native.NotNative:
        return None, replay.write(graph, addresses, dynamic, options, reads=reads)


def _used(node, grads):
    raise RuntimeError("Trying to backward through the graph a second time: the compiled function has gone backward "
                       "through it already.")


_USED = FunctionRule("CompiledBackward", _used)


def _unlike(now, before):
    """In what a layout is another."""
    for name in ("dtype", "device", "shape", "strides"):
        a, b = getattr(now, name), getattr(before, name)
        if a != b:
            return f"{name} {_plain(a)}, and had {_plain(b)}"
    return f"the layout {now}, and had {before}"


def _plain(value):
    return list(value) if isinstance(value, tuple) else value


def _shown(value):
    text = repr(value) if value is ABSENT or isinstance(value, (bool, int, float, str, type(None))) else (
        f"another {type(value).__name__}")
    return text if len(text) < 80 else text[:77] + "..."
