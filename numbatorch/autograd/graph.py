"""The graph behind tensors: its nodes and edges, hooks of what it saves, and hooks of several gradients at once."""

import abc
import contextlib
import functools
import weakref

from ..tensor import Tensor
from . import GradientEdge, engine, node as tape
from .node import accumulator, edge, pack_saved, saved_hooks, watching

__all__ = ["saved_tensors_hooks", "save_on_cpu", "disable_saved_tensors_hooks", "register_multi_grad_hook",
           "allow_mutation_on_saved_tensors", "Node", "GradientEdge", "get_gradient_edge", "increment_version",
           "region_activation_memory_budget", "set_warn_on_accumulate_grad_stream_mismatch",
           "set_override_stale_capture_stream"]


class Node(abc.ABC):
    """What `Tensor.grad_fn` is: `isinstance(tensor.grad_fn, Node)`. There are no others.

    name(), next_functions, metadata, register_hook(hook), register_prehook(hook), _saved_<operand> and _saved_result.
    """

    @abc.abstractmethod
    def name(self):
        """The kind of node, such as MulBackward0."""


Node.register(tape.Node)
Node.register(tape.AccumulateGrad)


def get_gradient_edge(tensor):
    """Where the gradient of a tensor goes; `grad` and `backward` take it in the place of the tensor.

    RuntimeError for a tensor that does not require grad.
    """
    place = edge(tensor)
    if place is None:
        raise RuntimeError("get_gradient_edge: it is not possible to get the gradient edge for a Tensor that does not "
                           "require gradients")
    target, index = place
    return GradientEdge(target if isinstance(target, tape.Node) else accumulator(target), index)


def increment_version(tensor):
    """Count an in-place change of a tensor, or of each of several, that was made behind numbatorch's back."""
    for t in (tensor,) if isinstance(tensor, Tensor) else tensor:
        t._storage.version += 1


class saved_tensors_hooks:
    """While it is on, what nodes keep for backward is `pack_hook(tensor)`, and `unpack_hook` of that gives it back.

    The hooks see detached tensors. Of nested pairs the innermost acts. `unpack_hook` must give a tensor of the same
    shape and values; changes in place are not looked for then.
    """

    def __init__(self, pack_hook, unpack_hook):
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self):
        if saved_hooks.refusal is not None:
            raise RuntimeError(saved_hooks.refusal)
        for label, hook in (("pack_hook", self.pack_hook), ("unpack_hook", self.unpack_hook)):
            if not callable(hook):
                raise TypeError(f"saved_tensors_hooks: {label} must be callable, not {type(hook).__name__}")
        saved_hooks.pairs.append((self.pack_hook, self.unpack_hook))
        watching.add(pack_saved)
        return self

    def __exit__(self, *_):
        saved_hooks.pairs.pop()
        watching.remove(pack_saved)


class save_on_cpu(saved_tensors_hooks):
    """While it is on, what nodes keep for backward lies in the CPU's memory, and comes back to its device for it.

    pin_memory: keep a copy even of what is there already, as PyTorch does for pages it locks.
    """

    def __init__(self, pin_memory=False, device_type="cuda"):
        def pack(tensor):
            return tensor.device, tensor.clone() if pin_memory else tensor.cpu()

        def unpack(packed):
            device, tensor = packed
            return tensor.to(device, non_blocking=pin_memory)
        super().__init__(pack, unpack)


@contextlib.contextmanager
def disable_saved_tensors_hooks(error_message):
    """Refuse hooks of saved tensors inside: RuntimeError(error_message) where one is switched on, or was before."""
    if saved_hooks.pairs:
        raise RuntimeError(error_message)
    before, saved_hooks.refusal = saved_hooks.refusal, error_message
    try:
        yield
    finally:
        saved_hooks.refusal = before


class _Handle:
    """Removes several hooks at once."""

    def __init__(self, handles):
        self.handles = tuple(handles)

    def remove(self):
        """Take the hooks out; a second call does nothing."""
        for handle in self.handles:
            handle.remove()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()


def register_multi_grad_hook(tensors, fn, *, mode="all"):
    """Call a function when gradients of several tensors are known; returns a handle with `remove()`.

    mode "all": fn(gradients) once in a backward pass, when all that the pass will compute are there, None for the
    others. mode "any": fn(gradient) with the first one of a pass. The function cannot change them. ValueError for
    another mode.
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    tensors = list(tensors)
    places = [edge(t) for t in tensors]
    for k, place in enumerate(places):
        if place is None:
            raise RuntimeError(f"register_multi_grad_hook: tensor {k} does not require grad")
    passes: dict = {}  # number of the pass -> [how many gradients are awaited, those that came]

    def collect(position, gradient):
        task = engine.current()
        entry = passes.get(task.number)
        if entry is None:
            awaited = sum(task.reaches(p[0]) for p in places) if mode == "all" else 1
            entry = passes[task.number] = [awaited, [None] * len(tensors)]
            task.at_end.append(lambda: passes.pop(task.number, None))
        entry[0] -= 1
        entry[1][position] = gradient
        if entry[0] == 0:
            found = list(entry[1])
            entry[1] = [None] * len(tensors)
            fn(found if mode == "all" else gradient)
    return _Handle([t.register_hook(functools.partial(collect, k)) for k, t in enumerate(tensors)])


class _Copies:
    """What `allow_mutation_on_saved_tensors` knows: the copy of each state of a tensor that nodes still keep."""

    def __init__(self):
        self.copies = weakref.WeakKeyDictionary()  # storage -> {state: copy}

    def clear(self):
        """Forget which copies there are; nodes keep theirs."""
        self.copies.clear()


@contextlib.contextmanager
def allow_mutation_on_saved_tensors():
    """Inside, tensors that were saved for backward may be changed in place: backward sees them as they were saved.

    Each state of a tensor is copied once when a node saves it, so this takes the memory of a copy of all that is
    saved. RuntimeError in backward passes that run after the context, as in PyTorch.
    """
    kept, inside = _Copies(), True

    def pack(tensor):
        states = kept.copies.setdefault(tensor._storage, weakref.WeakValueDictionary())
        key = (tensor._version, tensor.data_ptr(), tensor._layout)
        found = states.get(key)
        if found is None:
            found = states[key] = tensor.clone()
        return found

    def unpack(tensor):
        if not inside:
            raise RuntimeError("Trying to backward outside of the 'allow_mutation_on_saved_tensors' context in which "
                               "the graph was originally recorded.")
        return tensor
    with saved_tensors_hooks(pack, unpack):
        try:
            yield kept
        finally:
            inside = False
            kept.clear()


def region_activation_memory_budget(budget, *, estimator=None):
    """NotImplementedError: budgets direct PyTorch's compiler; `utils.checkpoint` chooses what is kept here."""
    raise NotImplementedError("region_activation_memory_budget: there is no compiler that would follow a budget; use "
                              "utils.checkpoint.create_selective_checkpoint_contexts to choose what is kept")


_stream_settings = {"warn": True, "override": False}


def set_warn_on_accumulate_grad_stream_mismatch(enabled):
    """Whether to warn of gradients that arrive on another stream than their leaf's: the CPU has one, it never does."""
    _stream_settings["warn"] = _bool(enabled, "set_warn_on_accumulate_grad_stream_mismatch")


def set_override_stale_capture_stream(enabled):
    """Whether gradients may leave a stream that was captured: the CPU has one, none is captured."""
    _stream_settings["override"] = _bool(enabled, "set_override_stale_capture_stream")


def _bool(value, name):
    if not isinstance(value, bool):
        raise TypeError(f"{name}(): enabled must be bool, not {type(value).__name__}")
    return value
