"""A captured call made ready to run again: guards, memory, the graph's steps, and what Python has to see afterwards."""

import sys

import numpy as np

from .. import dtypes, interception
from ..autograd.modes import mode
from ..autograd.node import FunctionRule, new_node, saved_hooks, watching
from ..cpu import backend
from ..recording import Layouts
from ..storage import Storage
from ..tensor import Tensor
from . import native, replay
from .memory import MemoryPlan
from .places import ABSENT, look, same
from .structure import build, equal

_new = object.__new__


class Owned:
    """Memory that outlives a run: a result, or a gradient. It is used again when nobody holds it any more."""

    __slots__ = ("buffer", "storage")

    def __init__(self, buffer):
        self.buffer, self.storage = buffer, _storage(buffer.nbytes)

    def fresh(self):
        """Take new memory where something still looks at the old; the address."""
        if sys.getrefcount(self.storage) > 2 or sys.getrefcount(self.storage.block) > 2:
            self.storage = _storage(self.buffer.nbytes)
        return self.storage.ptr


def _storage(nbytes):
    made = Storage.allocate(nbytes)
    return made


class View:
    """How to make a tensor over a buffer: its layout and offset; `history` where eager code gives it one."""

    __slots__ = ("buffer", "offset", "layout", "tensor", "history")

    def __init__(self, buffer, offset, layout, tensor=None, history=None):
        self.buffer, self.offset, self.layout, self.tensor, self.history = buffer, offset, layout, tensor, history

    def key(self):
        """What has to be the same in two captures of one program."""
        return self.buffer.number, self.offset, self.layout, id(self.tensor), self.history


def modes():
    """What besides its arguments and places decides what a call does."""
    return (mode.enabled, mode.inference, dtypes.get_default_dtype(), len(saved_hooks.pairs), watching.on,
            tuple(id(m) for m in interception._local.modes))


class Program:
    """One captured call.

    graph; template and layouts of the arguments; places (guards); options [(dict, key, path)]; returns: a template
    whose tensors are `views`; gradients: [(tensor, path, View, None or "same")] after the call; bumps: [(Storage, how
    many changes)]; present: [(tensor, whether it has a gradient)] before it.
    """

    def __init__(self, graph, template, inputs, places, returns, views, gradients, bumps, present):
        self.graph, self.template, self.inputs, self.places = graph, template, inputs, places
        self.returns, self.views, self.gradients, self.bumps, self.present = returns, views, gradients, bumps, present
        self.modes, self.runs, self.busy = modes(), 0, False
        self.entries = [e for e in places.entries if e[0] != "size" or not isinstance(e[1], tuple)]
        self.plan = MemoryPlan(graph)
        self._arena = backend.allocate(self.plan.nbytes)
        start = backend.address(self._arena)
        self._constants, self.addresses = [], {}
        for b in graph.buffers:
            if b.kind == "temporary" and b in self.plan.offsets:
                self.addresses[b] = start + self.plan.offsets[b]
            elif b.kind == "state":
                self.addresses[b] = b.address
            elif b.kind == "constant":
                block = np.frombuffer(b.content, np.uint8).copy()
                self._constants.append(block)
                self.addresses[b] = block.ctypes.data
        self.owned = [Owned(b) for b in graph.buffers if b.kind == "result"]
        self._owner = {o.buffer: o for o in self.owned}
        self._inputs = [b for b in graph.buffers if b.kind == "input"]
        self.dynamic = [*self._inputs, *(o.buffer for o in self.owned)]
        self._bound: list = [None] * len(gradients)
        self.runner, self._run = _runner(graph, self.addresses, self.dynamic, [o[:2] for o in graph.options])
        written = set().union(*(s.writes() for s in graph.steps)) if graph.steps else set()
        self.written_inputs = {b.storage for b in self._inputs if b in written}
        self._states = {b.storage for b in graph.buffers if b.kind == "state"}
        self._shared_matters = any(b.kind in ("state", "input") for b in written)

    def mismatch(self, template, tensors):
        """Why a call is not this program's; "" where it is."""
        if modes() != self.modes:
            return "a mode is another (gradients, autocast, default dtype, hooks)"
        if not equal(template, self.template):
            return "the arguments other than tensors differ"
        for k, (tensor, (own, needs_grad, kind, known)) in enumerate(zip(tensors, self.inputs, strict=True)):
            if tensor._layout is not own:
                return f"argument {k} is {tensor._layout}, and was {own}"
            if tensor._needs_grad is not needs_grad or type(tensor) is not kind:
                return f"argument {k} is of another kind, or differs in requires_grad"
            if known is not None and tensor is not known:
                return f"argument {k} was a tensor that the function holds"
        for entry in self.entries:
            now = look(entry)
            if now is not entry[3] and not same(now, entry[3]):
                return f"{entry[4]} is {_shown(now)}, and was {_shown(entry[3])}"
        for group, key, _, path in self.places.options:
            if type(group.get(key)) is not float:
                return f"{path} is {_shown(group.get(key))}, and was a float"
        for tensor, has, storage, path in self.present:
            grad = tensor._grad
            if (grad is not None) is not has:
                return f"{path}.grad is {'there' if grad is not None else 'None'}"
            if storage is not None and grad._storage is not storage:
                return f"{path}.grad is in other memory"
        return self._overlap(tensors)

    def _overlap(self, tensors):
        """Tensors among the arguments may share memory only if nothing writes to it."""
        if not self._shared_matters:
            return ""
        for k, t in enumerate(tensors):
            known = self.inputs[k][3]
            if known is None and (t._storage in self._states or k in self.written_inputs and any(
                    o is not t and o._storage is t._storage for o in tensors)):
                return f"argument {k} shares memory with what is written"
        return ""

    def run(self, tensors):
        """(whether all went as when captured, the result): a check that fails ends the run before anything changed."""
        bases = [t._ptr for t, own in zip(tensors, self.inputs, strict=True) if own[3] is None]
        reused = self._release_gradients()
        bases += [o.fresh() for o in self.owned]
        failed = self._run(bases)
        if failed >= 0:
            for (tensor, view), grad in zip(self.gradients, reused, strict=True):
                if grad is not None:
                    grad._storage, tensor._grad = self._owner[view.buffer].storage, grad
            return False, self.graph.steps[failed]
        self.runs += 1
        for storage, count in self.bumps:
            storage.version += count
        for k in self.written_inputs:
            tensors[k]._storage.version += 1
        self._bind(reused)
        views = [self._tensor(v, tensors) for v in self.views]
        return True, build(self.returns, views)

    def _release_gradients(self):
        """Gradients of the last run that only their tensors hold: their memory is free when they are replaced."""
        reused = []
        for k, (tensor, view) in enumerate(self.gradients):
            held, self._bound[k] = self._bound[k], None
            if (held is not None and view.buffer in self._owner and tensor._grad is held
                    and sys.getrefcount(held) <= 3 and len(held.__dict__) == 3):
                reused.append(held)
                tensor._grad = None
                del held.__dict__["_storage"]
            else:
                reused.append(None)
            held = None
        return reused

    def _bind(self, reused):
        for k, (tensor, view) in enumerate(self.gradients):
            if view is None:
                tensor._grad = None
                continue
            grad = reused[k]
            if grad is None or view.buffer not in self._owner:
                grad = self._tensor(view, ())
            else:
                storage = self._owner[view.buffer].storage
                grad._storage, grad._ptr = storage, storage.ptr + view.offset
            tensor._grad = self._bound[k] = grad

    def _tensor(self, view, tensors):
        if view.tensor is not None:
            return view.tensor
        if view.buffer.kind == "input":
            source = tensors[view.buffer.storage]
            if view.layout is source._layout and not view.offset and view.history == "same":
                return source
            storage, ptr = source._storage, source._ptr
        elif view.buffer.kind == "state":
            storage, ptr = view.buffer.storage, view.buffer.address
        else:
            storage = self._owner[view.buffer].storage
            ptr = storage.ptr
        made = _new(Tensor)
        made._layout, made._storage, made._ptr = view.layout, storage, ptr + view.offset
        if view.history == "used":
            made._needs_grad, made._node = True, new_node(_USED, Layouts((view.layout,)), (), (), 1)
        return made


def _runner(graph, addresses, dynamic, options):
    """(the native Runner, its run), or (None, a function in Python) where an expression is beyond native code."""
    try:
        runner = native.Runner(graph, addresses, dynamic, options)
        return runner, runner.run
    except native.NotNative:
        return None, replay.write(graph, addresses, dynamic, options)


def _used(node, grads):
    raise RuntimeError("Trying to backward through the graph a second time: the compiled function has gone backward "
                       "through it already.")


_USED = FunctionRule("CompiledBackward", _used)


def _shown(value):
    text = repr(value) if value is ABSENT or isinstance(value, (bool, int, float, str, type(None))) else (
        f"another {type(value).__name__}")
    return text if len(text) < 80 else text[:77] + "..."
