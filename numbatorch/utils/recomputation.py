"""Checkpoints without a backward pass inside the backward pass: what nodes save is a place, filled by running again.

While the function runs, hooks of saved tensors put numbered places where tensors would be kept. When backward asks for
the first of them, the function runs again with hooks that fill the places in the same order, and stops once all are
full. Inputs are kept by a node of their own, so that a checkpoint around this one holds places instead of them.
After Chen et al. 2016, arXiv:1604.06174.
"""

import contextlib
import weakref

import numbatorch as torch

from .. import interception
from ..amp import autocast_mode
from ..autograd import engine, graph
from ..autograd.node import FunctionRule, Node, attach, new_node
from ..recording import Layouts


class CheckpointError(RuntimeError):
    """The second run of a checkpointed function did not do what the first one did."""


class _Full(BaseException):
    """Ends a second run once every place is filled; no Exception, so that the function's own handlers let it pass."""


class _Place:
    """Stands for a saved tensor; `tensors` by backward pass."""

    __slots__ = ("frame", "index", "tensors", "__weakref__")

    def __init__(self, frame, index):
        self.frame, self.index, self.tensors = frame, index, {}


class _Options:
    """Settings that hold for all checkpoints in a `with` block; None leaves them to each call."""

    early_stop: bool | None = None
    debug: bool | None = None


options = _Options()


@contextlib.contextmanager
def setting(name, value):
    """Set one of `options` inside."""
    before = getattr(options, name)
    setattr(options, name, value)
    try:
        yield
    finally:
        setattr(options, name, before)


class GraphExecGroup:
    """Backward passes inside one `with` block share what checkpoints computed again; only one group at a time."""

    current: "GraphExecGroup | None" = None

    def __enter__(self):
        if GraphExecGroup.current is not None:
            raise RuntimeError("GraphExecGroup: groups cannot be nested, one is open already")
        self._frames: list = []
        GraphExecGroup.current = self

    def __exit__(self, *_):
        GraphExecGroup.current = None
        for frame in self._frames:
            frame.clear(self)

    @classmethod
    def _get_current_group(cls):
        return cls.current


class Frame:
    """One call of a checkpointed function: its inputs, its circumstances, and the places of what it saved."""

    def __init__(self, function, args, kwargs, *, preserve_rng_state, recompute_context, determinism_check, debug,
                 early_stop):
        self.function, self.recompute_context, self.early_stop = function, recompute_context, early_stop
        self.check = determinism_check == "default"
        self.places, self.facts, self.log = [], [], [] if debug else None
        self._keep_inputs(args, kwargs)
        self.rng_state = torch.get_rng_state() if preserve_rng_state else None
        settings = autocast_mode.settings
        self.autocast = settings.enabled["cpu"], settings.dtype["cpu"], settings.cache_enabled

    def _keep_inputs(self, args, kwargs):
        tensors = [v for v in (*args, *kwargs.values()) if isinstance(v, torch.Tensor)]
        self.needs = [(t.requires_grad, t.is_leaf) for t in tensors]
        numbers = iter(range(len(tensors)))

        def without(value):
            return _Input(next(numbers)) if isinstance(value, torch.Tensor) else value
        self.args, self.kwargs = [without(v) for v in args], {k: without(v) for k, v in kwargs.items()}
        rule = FunctionRule("CheckpointInputs", lambda node, grads: [])
        self.inputs: Node = new_node(rule, Layouts(()), (), tuple(tensors), 0)

    def run(self, context, args, kwargs):
        """The first run."""
        with graph.saved_tensors_hooks(self._hold, _fetch), context, logged(self.log):
            return self.function(*args, **kwargs)

    def _hold(self, tensor):
        place = _Place(self, len(self.places))
        self.places.append(weakref.ref(place))
        self.facts.append((tuple(tensor.shape), tensor.dtype, tensor.device))
        return place

    def fill(self, key):
        """Run again, and put what is saved into the places under `key`."""
        seen, wanted, log = [], len(self.places), [] if self.log is not None else None
        full = _Full()

        def keep(tensor):
            index = len(seen)
            seen.append((tuple(tensor.shape), tensor.dtype, tensor.device))
            if index < wanted:
                place = self.places[index]()
                if place is not None:
                    place.tensors[key] = tensor, tensor._version
                if index + 1 == wanted and self.early_stop:
                    raise full
            return tensor
        args, kwargs = self._inputs_again()
        enabled, dtype, cache_enabled = self.autocast
        try:
            with contextlib.ExitStack() as stack:
                if self.rng_state is not None:
                    stack.enter_context(torch.random.fork_rng())
                    torch.set_rng_state(self.rng_state)
                if enabled or autocast_mode.settings.enabled["cpu"]:
                    stack.enter_context(torch.autocast("cpu", dtype=dtype, enabled=enabled,
                                                       cache_enabled=cache_enabled))
                stack.enter_context(torch.enable_grad())
                stack.enter_context(graph.saved_tensors_hooks(keep, lambda tensor: tensor))
                stack.enter_context(self.recompute_context)
                stack.enter_context(logged(log))
                self.function(*args, **kwargs)
        except _Full as stop:
            if stop is not full:
                raise
        self._compare(seen, log)

    def _inputs_again(self):
        tensors = []
        for value, (needs, is_leaf) in zip(self.inputs.unpack(), self.needs, strict=True):
            value = value.detach()
            if needs and is_leaf:
                value.requires_grad_()
            elif needs:  # no leaf, so that it can be changed in place as in the first run
                rule = FunctionRule("CheckpointInput", lambda node, grads: [None])
                attach(value, new_node(rule, Layouts((value._layout,)), (None,), ()))
            tensors.append(value)

        def given(value):
            return tensors[value.number] if isinstance(value, _Input) else value
        return [given(v) for v in self.args], {k: given(v) for k, v in self.kwargs.items()}

    def _compare(self, seen, log):
        if len(seen) != len(self.facts):
            self._fail(f"A different number of tensors was saved during the original forward and recomputation.\n"
                       f"Number of tensors saved during forward: {len(self.facts)}\n"
                       f"Number of tensors saved during recomputation: {len(seen)}.", log)
        if self.check and seen != self.facts:
            lines = [f"tensor at position {k}:\nsaved metadata: {_fact(a)}\nrecomputed metadata: {_fact(b)}"
                     for k, (a, b) in enumerate(zip(self.facts, seen, strict=True)) if a != b]
            self._fail("Recomputed values for the following tensors have different metadata than during the forward "
                       "pass.\n" + "\n".join(lines), log)

    def _fail(self, message, log):
        name = getattr(self.function, "__qualname__", type(self.function).__name__)
        message = f"torch.utils.checkpoint: {message}\nThe function {name} has to do the same in both runs."
        if log is None:
            message += " Pass debug=True to checkpoint() to see the operations of each."
        else:
            message += "".join(f"\n\nOperations of the {label}:\n  " + "\n  ".join(lines) for label, lines in (
                ("original run", self.log), ("recomputation", log)))
            apart = [k for k, (a, b) in enumerate(zip(self.log, log, strict=False)) if a != b]
            if apart:
                message += f"\n\nThey part at operation {apart[0]}: {self.log[apart[0]]} and {log[apart[0]]}."
        raise CheckpointError(message)

    def clear(self, key):
        """Forget what was computed again for one pass."""
        for reference in self.places:
            place = reference()
            if place is not None:
                place.tensors.pop(key, None)


class _Input:
    """Stands for the tensor of this number among the arguments."""

    def __init__(self, number):
        self.number = number


def _fetch(place):
    """The tensor of a place; the first one asked for in a pass makes the function run again."""
    frame, task, group = place.frame, engine.current(), GraphExecGroup.current
    key = group if group is not None else task.number if task is not None else place
    if key not in place.tensors:
        frame.fill(key)
        if group is not None:
            group._frames.append(frame)
        elif task is not None:
            task.at_end.append(lambda: frame.clear(key))
    tensor, version = place.tensors[key]
    if key is place:  # asked for outside of a pass
        frame.clear(key)
    if tensor._version != version:
        raise RuntimeError(f"torch.utils.checkpoint: a tensor needed for gradient computation, {list(tensor.shape)} of "
                           f"{tensor.dtype}, is modified by an inplace operation later in the checkpointed function. "
                           "Clone it before, or use the out-of-place form.")
    return tensor


def _fact(fact):
    return dict(zip(("shape", "dtype", "device"), fact, strict=True))


@contextlib.contextmanager
def logged(lines):
    """Append a line for each operation inside; nothing when `lines` is None."""
    if lines is None:
        yield
        return

    def handler(op, inplace, values):
        operands = ", ".join(f"{t.dtype} {list(t.shape)}" for t in interception.tensors_of(values))
        lines.append(f"{op.name}{'_' * inplace}({operands})")
        return NotImplemented
    with interception.mode(handler):
        yield
