"""The tape: nodes, their edges, and the rules that run them backward.

A node is data: the rule of its op, edges to what its operands came from, and the saved values that the rule's gradient
formulas name. An edge is (node, output index), or (leaf tensor, 0), or None where no gradient is wanted.
"""

import itertools
import threading
import weakref

from .modes import mode, refuse_saved

_sequence = itertools.count().__next__
RELEASED = object()


class Node:
    """One recorded operation."""

    outputs = 1  # results of the operation
    hooks = prehooks = _metadata = None

    rule: "object"
    edges: tuple
    saved: tuple
    versions: tuple
    sequence: int
    plan: "object"

    def name(self):
        return self.rule.name

    def __repr__(self):
        return f"<{self.name()} object at {id(self):#x}>"

    @property
    def metadata(self):
        """A dictionary of the program's own; in anomaly mode with the `traceback` of the forward call."""
        if self._metadata is None:
            self._metadata = {}
        return self._metadata

    def __lt__(self, other):
        return self.sequence < other.sequence

    @property
    def next_functions(self):
        """The edges of the operands: ((node, index), ...), (None, 0) where there is none."""
        edges, op = self.edges, getattr(self.rule, "op", None)
        passed = [p.role for p in op.parameters if p.role != "static"] if op is not None else []
        if len(passed) == len(edges):  # numbers that are no operands have places, too
            edges = [e for e, role in zip(edges, passed, strict=True) if role == "operand"]
        return tuple((None, 0) if e is None else (accumulator(e[0]) if not isinstance(e[0], Node) else e[0], e[1])
                     for e in edges)

    def register_hook(self, hook):
        """Run hook(grad_inputs, grad_outputs) after this node; a returned tuple replaces grad_inputs."""
        from ..utils.hooks import RemovableHandle
        if self.hooks is None:
            self.hooks = {}
        handle = RemovableHandle(self.hooks)
        self.hooks[handle.id] = hook
        return handle

    def register_prehook(self, hook):
        """Run hook(grad_outputs) before this node; a returned tuple replaces them."""
        from ..utils.hooks import RemovableHandle
        if self.prehooks is None:
            self.prehooks = {}
        handle = RemovableHandle(self.prehooks)
        self.prehooks[handle.id] = lambda grads: hook(tuple(grads))
        return handle

    def unpack(self):
        """The saved values, after a look at whether they were changed in place."""
        saved = self.saved
        if saved.__class__ is Packed:
            return saved.open()
        if saved is RELEASED:
            raise RuntimeError(
                f"{self.name()}: trying to backward through the graph a second time: its saved values were freed when "
                "backward() was called first. Specify retain_graph=True there if you need to go through the graph "
                "again.")
        for value, version in zip(saved, self.versions, strict=True):
            if version is not None and value._storage.version != version:
                raise RuntimeError(
                    f"{self.name()}: one of the variables needed for gradient computation has been modified by an "
                    f"inplace operation: {list(value.shape)} of {value.dtype}, saved at version {version}, is at "
                    f"version {value._storage.version} now. Clone it before the in-place operation, or use the "
                    "out-of-place form.")
        return saved

    @property
    def saved_tensors(self):
        return self.unpack()

    def __getattr__(self, name):
        """`_saved_x`: what was saved under the name `x` of the op's formula (`_saved_self` is the first operand)."""
        if name.startswith("_saved_"):
            reads, wanted = getattr(self.rule, "reads", ()), name[7:]
            for key in (wanted, "input" if wanted == "self" else wanted):
                if key in reads:
                    return self.unpack()[list(reads).index(key)]
        raise AttributeError(f"a node of the graph has no attribute {name!r}")


_kinds: dict = {}


def kind_of(name):
    """The class of nodes of a name: programs that draw graphs print type(node).__name__."""
    kind = _kinds.get(name)
    if kind is None:
        kind = _kinds[name] = type(name, (Node,), {})
    return kind


class AccumulateGrad:
    """What `next_functions` shows for a leaf: the place where its gradient is added up."""

    def __init__(self, variable):
        self.variable, self.next_functions = variable, ()

    def name(self):
        return "torch::autograd::AccumulateGrad"

    def register_hook(self, hook):
        return self.variable.register_post_accumulate_grad_hook(lambda t: hook((), (t.grad,)))

    def __repr__(self):
        return f"<AccumulateGrad object at {id(self):#x}>"


_accumulators: "weakref.WeakValueDictionary" = weakref.WeakValueDictionary()


def accumulator(leaf):
    """The AccumulateGrad of a leaf, one while anybody holds it."""
    found = _accumulators.get(id(leaf))
    if found is None or found.variable is not leaf:
        found = _accumulators[id(leaf)] = AccumulateGrad(leaf)
    return found


def edge(tensor):
    """Where the gradient of a tensor goes: (node, index), (leaf, 0) or None."""
    if not tensor._needs_grad:
        return None
    if tensor._base is not None:
        tensor._refresh_view()
    node = tensor._node
    return (tensor, 0) if node is None else (node, tensor._output_index)


def new_node(rule, plan, edges, saved, result_count=1):
    """A node with its saved values' versions noted."""
    node = object.__new__(kind_of(rule.name))
    node.rule, node.plan, node.edges, node.outputs = rule, plan, edges, result_count
    node.saved = saved
    node.versions = tuple([v._storage.version if hasattr(v, "_storage") else None for v in saved])
    for value, version in zip(saved, node.versions, strict=True):
        if version is not None and version < 0:
            refuse_saved(node.name(), value)
    node.sequence = _sequence()
    if watching.on:
        noticed(node)
    return node


def note_lines(node):
    """Keep where a node was recorded, for anomaly mode."""
    import os
    import traceback
    own = (os.path.dirname(os.path.dirname(__file__)) + os.sep, "<call of ")
    stack = traceback.extract_stack()
    while len(stack) > 1 and stack[-1].filename.startswith(own):
        stack.pop()
    node._metadata = {"traceback": stack}


class _Watching:
    """Functions that look at each node when it is made: anomaly mode, hooks of saved tensors. `on` while there are."""

    on = False
    functions: tuple = ()

    def __init__(self):
        self.counts, self.guard = {}, threading.Lock()

    def add(self, function):
        """Let a function look; it looks once at a node however often it was added."""
        self._count(function, 1)

    def remove(self, function):
        """Undo one `add`."""
        self._count(function, -1)

    def _count(self, function, change):
        with self.guard:
            self.counts[function] = self.counts.get(function, 0) + change
            if not self.counts[function]:
                del self.counts[function]
            self.functions, self.on = tuple(self.counts), bool(self.counts)


watching = _Watching()


def noticed(node):
    """Show a new node to those who watch."""
    for function in watching.functions:
        function(node)


class _Anomaly:
    """Anomaly mode: whether nodes keep where they were recorded, and gradients are searched for NaN."""

    check_nan = True

    @property
    def enabled(self):
        return note_lines in watching.functions

    @enabled.setter
    def enabled(self, value):
        if value and not self.enabled:
            watching.add(note_lines)
        elif not value and self.enabled:
            watching.remove(note_lines)


anomaly = _Anomaly()


class _SavedHooks(threading.local):
    """(pack, unpack) pairs of this thread, the innermost last; why there may be none, or None."""

    refusal = None

    def __init__(self):
        self.pairs = []


saved_hooks = _SavedHooks()


def pack_saved(node):
    """Hand the saved values of a new node to the innermost pair of hooks."""
    if saved_hooks.pairs and node.saved:
        node.saved = Packed(node.saved, *saved_hooks.pairs[-1])


class Packed:
    """Saved values as a pair of hooks keeps them, with the history that they get back when they are unpacked."""

    __slots__ = ("entries", "unpack")

    def __init__(self, values, pack, unpack):
        self.unpack = unpack
        before, mode.enabled = mode.enabled, False
        try:
            self.entries = [(True, *_packed(v, pack)) if hasattr(v, "_storage") else (False, v, None) for v in values]
        finally:
            mode.enabled = before

    def open(self):
        """The values. TypeError where the hook does not return a tensor."""
        found = []
        for packed, value, history in self.entries:
            if packed:
                value = self.unpack(value)
                if not hasattr(value, "_storage"):
                    raise TypeError("Output of saved tensor unpack_hook expected to be a Tensor but got result of type "
                                    f"{type(value).__name__}")
                if history is not None and mode.enabled:
                    value = _with_history(value, history)
            found.append(value)
        return tuple(found)


def _packed(value, pack):
    plain = value._kept()
    version = plain._storage.version
    kept = pack(plain)
    if plain._storage.version != version:
        raise RuntimeError("A saved tensor pack hook is modifying its input in place. Tensors provided as input to "
                           "pack hook can not be modified by in-place operations as this can lead to unexpected "
                           "side-effects: clone() there, and change the clone.")
    return kept, edge(value)


def _with_history(value, history):
    """The same memory as an output of what the saved tensor was an output of."""
    target, index = history
    value = value._kept()
    if not isinstance(target, Node):  # a leaf: an identity leads there
        from ..recording import Layouts
        target, index = new_node(FunctionRule("AliasBackward0", lambda _, grads: [grads[0]]),
                                 Layouts((value._layout,)), (history,), ()), 0
    attach(value, target, index)
    return value


class FunctionRule:
    """A rule from a Python function: run(node, grads) -> gradients, one an edge."""

    def __init__(self, name, run):
        self.name, self._run = name, run

    def run(self, node, grads):
        return self._run(node, grads)


def attach(tensor, node, index=0):
    """Make `tensor` output `index` of `node`."""
    tensor._needs_grad = True
    tensor._node = node
    tensor._output_index = index


def records(*tensors):
    """Whether an operation on these tensors is recorded now."""
    return mode.enabled and any(t._needs_grad for t in tensors)
