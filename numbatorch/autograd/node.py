"""The tape: nodes, their edges, and the rules that run them backward.

A node is data: the rule of its op, edges to what its operands came from, and the saved values that the rule's gradient
formulas name. An edge is (node, output index), or (leaf tensor, 0), or None where no gradient is wanted.
"""

import itertools
import weakref

from .modes import mode

_sequence = itertools.count().__next__
RELEASED = object()


class Node:
    """One recorded operation."""

    outputs = 1  # results of the operation
    hooks = prehooks = metadata = None

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

    def __lt__(self, other):
        return self.sequence < other.sequence

    @property
    def next_functions(self):
        """The edges: ((node, index), ...), (None, 0) where there is none."""
        return tuple((None, 0) if e is None else (accumulator(e[0]) if not isinstance(e[0], Node) else e[0], e[1])
                     for e in self.edges)

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
    node = Node.__new__(Node)
    node.rule, node.plan, node.edges, node.outputs = rule, plan, edges, result_count
    node.saved = saved
    node.versions = tuple([v._storage.version if hasattr(v, "_storage") else None for v in saved])
    node.sequence = _sequence()
    if anomaly.enabled:
        note_lines(node)
    return node


def note_lines(node):
    """Keep where a node was recorded, for anomaly mode."""
    import os
    import traceback
    own = (os.path.dirname(os.path.dirname(__file__)) + os.sep, "<call of ")
    stack = traceback.extract_stack()
    while len(stack) > 1 and stack[-1].filename.startswith(own):
        stack.pop()
    node.metadata = {"traceback": stack}


class _Anomaly:
    enabled = False
    check_nan = True


anomaly = _Anomaly()


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
