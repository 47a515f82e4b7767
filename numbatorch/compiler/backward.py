"""Functions whose results are differentiated outside: their backward pass is captured, too, and becomes a program.

While the function is captured, the gradients of its results are propagated once with placeholders, down to parameters
and arguments. What the forward part leaves in memory for that is kept in one block, which the node of the results
holds: several calls may wait for their backward pass at the same time.
"""

import threading
from dataclasses import replace

from ..autograd import engine
from ..autograd.modes import mode
from ..autograd.node import FunctionRule, Node, attach, edge, new_node
from ..layout import Layout, layout as layout_of
from ..recording import Layouts
from ..tensor import Tensor, empty_layout
from . import contents
from .graph import Buffer, Graph, Number, Place
from .memory import ALIGNMENT, MemoryPlan, room
from .places import Unsupported
from .traced import sources

_new = object.__new__
_HOOKS = "numbatorch.nn.modules.boundary"  # of modules


def stand_in(tensor, given, beyond=None):
    """An argument with a history, as it is given to the function: an identity marks where the function begins.

    given: the argument, or the same memory with sizes that are followed. beyond: called before gradients go on from
    here to what led to the argument.
    """
    def passed(_, grads):
        if beyond is not None:
            beyond()
        return [grads[0]]
    made = given.detach()
    rule = FunctionRule("AliasBackward0", passed)
    attach(made, new_node(rule, Layouts((made._layout,)), (edge(tensor),), ()), 0)
    return made


class Captured:
    """The backward pass of a capture, in its steps from `boundary` on.

    roots: [(number of the result, placeholder)]. targets: [(argument number or None, tensor, gradient or None)].
    """

    def __init__(self, capture, results, arguments, given, known):
        self.boundary = len(capture.steps)
        self.roots, places, self.targets = [], {}, []
        begin = {id(g._node): k for k, (a, g) in enumerate(zip(arguments, given, strict=True))
                 if g is not a and g._node is not None}
        leaves = _leaves([r for _, r in results], begin)
        for k, r in results:
            placeholder = empty_layout(layout_of(r._layout.dtype, r._layout.shape, None, r._layout.device))
            buffer = capture.find(placeholder._ptr)
            if buffer is not None:
                buffer.kind, buffer.storage = "input", len(self.roots)
            with capture.aside():
                contents.clear(r._layout.device, placeholder._ptr, placeholder._layout.nbytes)
            self.roots.append((k, placeholder))
        for target in leaves:
            if isinstance(target, Node):
                k = begin[id(target)]
                self.targets.append([k, arguments[k], None])
            else:
                k = next((k for k, own in enumerate(zip(arguments, given, strict=True)) if any(
                    one is target for one in own)), None)
                if k is None and id(target) not in known:
                    raise Unsupported("not yet: a tensor that requires grad is made in the call" if capture.find(
                        target._ptr) is not None else "a parameter is used that the function cannot be seen to hold")
                self.targets.append([k, target if k is None else arguments[k], None])
            places[id(target), 0] = len(self.targets) - 1
        roots = [(r._node, r._output_index, g) for (_, r), (_, g) in zip(results, self.roots, strict=True)]
        found = engine.run(roots, keep=True, create=False, capture=places, accumulate=False)
        for position, gradient in found.items():
            self.targets[position][2] = gradient
        for step in capture.steps[self.boundary:]:
            if step.kind in ("read", "check", "draw", "move"):
                raise Unsupported(f"the backward pass {step.kind}s a value ({step.name}, {step.where})")


def _leaves(results, begin):
    """Leaves, and nodes where arguments come in, that the histories of results lead to."""
    found, seen = {}, set()
    stack = [r._node for r in results]
    while stack:
        place = stack.pop()
        if id(place) in seen:
            continue
        seen.add(id(place))
        if not isinstance(place, Node) or id(place) in begin:
            found[id(place)] = place
        else:
            kind = getattr(place.rule, "cls", None)  # of a function with a backward of its own
            if place.hooks or place.prehooks or kind is not None and kind.__module__ == _HOOKS:
                raise Unsupported("a backward pass outside would call hooks, which are to see its gradients alone")
            stack += [e[0] for e in place.edges if e is not None]
    return list(found.values())


def split(capture, captured, first, second, held):
    """(forward steps, backward Graph, what its inputs are, the Buffer that is kept for it, view).

    Inputs of the backward graph are ("grad", k), ("kept",), ("result", buffer) or ("argument", k). view(buffer, offset)
    is where something is for the backward graph: (buffer, offset).
    """
    written = set().union(*(s.writes() for s in first)) if first else set()
    kept = Buffer(len(capture.buffers), "result", 0, "what the backward pass needs")
    moved, inputs, replaced = {}, [], {}

    def given(kind, buffer, nbytes):
        made = Buffer(buffer.number, "input", nbytes, buffer.name, len(inputs), device=buffer.device)
        inputs.append(kind)
        return made
    whole = None
    used = [v for step in second for v in step.places]
    used += [Place(view.buffer, view.offset, view.layout, True, False) for *_, view in captured.targets
             if view is not None]
    for v in used:
        for b in (v.buffer,):
            if b in replaced or b in moved or b.kind in ("state", "constant"):
                continue
            if b.kind == "input":
                root = next((k for k, (_, g) in enumerate(captured.roots) if g._ptr == b.address), None)
                replaced[b] = given(("grad", root) if root is not None else ("argument", b.storage), b, b.nbytes)
            elif b in held and b in written:
                replaced[b] = given(("result", b), b, b.nbytes)
            elif b in written:
                if v.writes and b.kind == "temporary":
                    raise Unsupported("the backward pass changes what the forward pass has left")
                if whole is None:
                    kept.device = b.device
                    whole = given(("kept",), kept, 0)
                if b.device is not kept.device:
                    raise Unsupported("the backward pass needs memory of several devices")
                moved[b] = kept.nbytes
                kept.nbytes += -(-max(b.nbytes, 1) // ALIGNMENT) * ALIGNMENT
    if whole is not None:
        whole.nbytes = kept.nbytes

    def forward(v):
        if isinstance(v, Number) or v.buffer not in moved:
            return v
        return Place(kept, v.offset + moved[v.buffer], v.layout, v.reads, v.writes)

    def view(buffer, offset):
        if buffer in moved:
            return whole, offset + moved[buffer]
        return replaced.get(buffer, buffer), offset

    def backward(v):
        if isinstance(v, Number):
            if v.expression is not None and sources(v.expression):
                raise Unsupported("the backward pass uses a number that changes")
            return v
        return Place(*view(v.buffer, v.offset), v.layout, v.reads, v.writes)
    first = [replace(s, values=[forward(v) for v in s.values]) for s in first]
    second = [replace(s, values=[backward(v) for v in s.values]) for s in second]
    buffers = list({b: None for s in second for v in s.places for b in (v.buffer,)})
    if any(b.kind in ("state", "input") for s in second for b in s.writes()):
        raise Unsupported("the backward pass changes memory that outlives it")
    graph = Graph(f"{capture.name}_backward", buffers, second, [])
    graph.check()
    return first, graph, inputs, kept, view


class Backward:
    """The backward program of a function, and the rule of the nodes of its results."""

    name = "CompiledFunctionBackward"

    def __init__(self, graph, inputs, views, targets, roots, kept):
        from .owned import Owned, constant
        from .program import _runner
        self.graph, self.inputs, self.views, self.targets, self.roots = graph, inputs, views, targets, roots
        self.positions = range(len(targets))
        self.plan, self._lock = MemoryPlan(graph), threading.Lock()
        self._arena, start = room(graph.device, self.plan.nbytes)
        addresses, self._constants = {}, []
        for b in graph.buffers:
            if b in self.plan.offsets:
                addresses[b] = start + self.plan.offsets[b]
            elif b.kind == "state":
                addresses[b] = b.address
            elif b.kind == "constant":
                block, addresses[b] = constant(b)
                self._constants.append(block)
        self._owner = {b: Owned(b) for b in graph.buffers if b.kind == "result"}
        self._inputs = [b for b in graph.buffers if b.kind == "input"]
        self.runner, self._run = _runner(graph, addresses, [*self._inputs, *self._owner], [])
        self._states = list({id(b.storage): b.storage for b in graph.buffers if b.kind == "state"}.values())
        self._kept = kept

    def attach(self, program, tensors, results):
        """Give results of a call their history."""
        storages = {b: o.storage for b, o in program._owner.items()}
        saved = []
        for kind in self.inputs:
            if kind[0] == "kept":
                saved.append(_over(storages[self._kept]))
            elif kind[0] == "result":
                saved.append(_over(storages[kind[1]]))
            elif kind[0] == "argument":
                saved.append(tensors[kind[1]].detach())
        saved += [_over(s) for s in self._states]
        edges = [edge(t if k is None else tensors[k]) for k, t, _ in self.targets]
        layouts = tuple(results[k]._layout for k, _ in self.roots)
        node = new_node(self, Layouts(layouts), edges, tuple(saved), len(layouts))
        for position, (k, _) in enumerate(self.roots):
            attach(results[k], node, position)

    def run(self, node, grads):
        """Gradients of parameters and arguments from those of the results."""
        saved = node.unpack()
        if mode.enabled:
            raise RuntimeError("a compiled function cannot be differentiated twice: call the function itself where "
                               "create_graph=True is needed")
        own = []
        for position, (_, like) in enumerate(self.roots):
            g = grads[position]
            if g is None:
                g = empty_layout(like).zero_()
            elif g._layout is not like:
                g = g.to(like.dtype).contiguous()
            own.append(g)
        it = iter(saved)
        tensors = [own[kind[1]] if kind[0] == "grad" else next(it) for kind in self.inputs]
        with self._lock:
            owned = {b: o.fresh() for b, o in self._owner.items()}
            self._run([*(tensors[b.storage]._ptr for b in self._inputs), *(s.ptr for s in owned.values())])
            return [None if view is None else self._gradient(view, tensors, owned, own) for view in self.views]

    def _gradient(self, view, tensors, owned, own):
        made = _new(Tensor)
        made._layout = view.layout
        if view.buffer in owned:
            made._storage, made._ptr = owned[view.buffer], owned[view.buffer].ptr + view.offset
        elif view.buffer.kind == "input":
            source = tensors[view.buffer.storage]
            made._storage, made._ptr = source._storage, source._ptr + view.offset
        else:
            made._storage, made._ptr = view.buffer.storage, view.buffer.address + view.offset
        return made


def _over(storage):
    """A tensor of bytes over a storage: what a node holds, and whose version it knows."""
    made = _new(Tensor)
    from .. import dtypes
    made._layout, made._storage, made._ptr = layout_of(dtypes.uint8, (storage.nbytes,)), storage, storage.ptr
    return made


__all__ = ["Backward", "Captured", "Layout", "split", "stand_in"]
