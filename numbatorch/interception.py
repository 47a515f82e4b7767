"""Calls that someone else answers: tensors that are not plain, and modes that watch ops (autocast).

A tensor that is not plain has a `CustomLayout`. No plan is ever kept for one, so its calls leave the fast path by
themselves and reach `answer`; plain tensors pay nothing. A mode watches named ops: while it is on, these ops find no
plan either. Composite and eager ops ask `state.active` first.
"""

import contextlib
import inspect
import threading
from typing import Any

from .layout import Layout
from .ops.declare import OPS

Tensor: Any = None  # set by tensor.py
stand_in: Any = None  # set by subclassing.py


class _State:
    """`active` once any tensor is not plain or any mode is on; then composite and eager ops ask `answer`.

    `stand_ins` once an object that is no tensor, but has `__torch_function__`, took the place of one.
    """

    active = False
    stand_ins = False
    traced: Any = None  # what a capture does with calls that have numbers which it follows (compiler/traced.py)


state = _State()


class Mode:
    """A mode that is on: the names of the ops it watches (None for all), its handler, a call to let pass once.

    `answers(func, types, args, kwargs)`, where it is set, also answers functions that are no ops (asking.py).
    """

    __slots__ = ("watched", "handler", "skipped", "answers")

    def __init__(self, watched, handler):
        self.watched, self.handler, self.skipped, self.answers = watched, handler, None, None


class _Local(threading.local):
    """The modes of this thread, the innermost last."""

    def __init__(self):
        self.modes = []


_local = _Local()


class CustomLayout(Layout):
    """The layout of a tensor that is not plain; subclasses say how its calls are answered.

    It carries the fields of a Layout (the strides, and what follows from them, as far as they mean something) but is
    never interned: each tensor may have one of its own.
    """

    __slots__ = ()
    has_values: Any = True
    priority = 0  # of several custom operands, the one with the highest priority answers

    def __init__(self, dtype, shape, device, strides=None):
        from .layout import contiguous_strides
        state.active = True
        self.dtype, self.shape, self.device = dtype, tuple(shape), device
        self.strides = contiguous_strides(self.shape) if strides is None else tuple(strides)
        self.ndim, self.numel, self.is_contiguous, self.nbytes = len(self.shape), 1, False, 0
        for n in self.shape:
            self.numel *= n

    def dispatch(self, op, inplace, values):
        """Answer a call: `op` from the table, `values` in the order of its parameters (out= is handled by the caller).

        NotImplemented lets a composite run on its operands, and makes any other op raise NotImplementedError.
        """
        return NotImplemented


def tensors_of(values):
    """The tensors among a call's values, also those inside lists and tuples."""
    for v in values:
        if isinstance(v, Tensor):
            yield v
        elif isinstance(v, (list, tuple)):
            yield from tensors_of(v)


def answer(op, inplace, values):
    """What a mode or a custom operand makes of a call; NotImplemented when the op itself shall run."""
    modes = _local.modes
    declined: list = []  # modes that let this call pass
    for k in range(len(modes) - 1, -1, -1):
        own = modes[k]
        if own.skipped is not None and own.skipped == (op, inplace):
            own.skipped = None
            declined.append(own)
        elif op in _watchers if own.watched is None else op.name in own.watched:
            # Modes entered later, which did not answer, see what the handler calls, but this very call only once.
            _local.modes = modes[:k] + modes[k + 1:]
            for other in declined:
                other.skipped = op, inplace
            try:
                found = own.handler(op, inplace, values)
            finally:
                _local.modes = modes
                for other in declined:
                    other.skipped = None
            if found is not NotImplemented:
                return found
            declined.append(own)
    if state.stand_ins:
        found = stand_in(op, inplace, values)
        if found is not NotImplemented:
            return found
    best = None
    for tensor in tensors_of(values):
        custom = tensor._layout
        if custom.__class__ is not Layout and (best is None or custom.priority > best[1].priority):
            best = tensor, custom
    if best is None:
        return NotImplemented
    tensor, custom = best
    found = custom.dispatch(op, inplace, values)
    if found is NotImplemented and op.kind != "composite":
        raise NotImplementedError(f"{op.name}{'_' * inplace}() is not there for {type(tensor).__name__} "
                                  f"(shape {list(custom.shape)}, {custom.dtype})")
    return found


def elsewhere(op, values, error):
    """The result of a composite or eager op whose body cannot run where its operands are, which `error` says."""
    from .transfer import run_on_host
    return run_on_host(op, values, error)


def arguments(op, values):
    """(positional, keywords) to call an op with, from values in the order of its parameters."""
    positional, keywords = [], {}
    for p, v in zip(op.parameters, values, strict=True):
        if p.kind is inspect.Parameter.VAR_KEYWORD:
            keywords.update(v)
        elif p.kind is inspect.Parameter.KEYWORD_ONLY:
            keywords[p.name] = v
        elif p.kind is inspect.Parameter.VAR_POSITIONAL or p.name == op.spread:
            positional += v if isinstance(v, (list, tuple)) else (v,)
        else:
            positional.append(v)
    return positional, keywords


def call(op, inplace, values):
    """Call an op, or its in-place form, with values in the order of its parameters."""
    positional, keywords = arguments(op, values)
    return (op.call_inplace if inplace else op.call)(*positional, **keywords)


def call_inside(own, op, inplace, values):
    """For a handler: the call it was asked about, with its own mode on for the ops that the call is made of."""
    before, own.skipped = _local.modes, (op, inplace)
    _local.modes = [*before, own]
    try:
        return call(op, inplace, values)
    finally:
        _local.modes, own.skipped = before, None


def _no_plan(key):
    return None


def _switch(op, on):
    """Make the written calls of an op find no plan, or find them again."""
    for function in (op.call, op.call_inplace):
        plans = getattr(function, "_plans", None)
        if plans is not None:
            function.__globals__["find"] = _no_plan if on else plans.get


_watchers: dict = {}  # op -> how many modes, of any thread, watch it
_guard = threading.Lock()


def watched_by_a_mode(op):
    """Whether some mode, of any thread, watches an op."""
    return _watchers.get(op, 0) > 0


@contextlib.contextmanager
def mode(handler, watched=None):
    """While it is on in this thread, `handler(op, inplace, values)` answers calls of the ops named in `watched` (all
    of the table when None); inside the handler it is off. Modes entered later are asked first. NotImplemented lets the
    call go on as usual. Gives the Mode, for `call_inside`."""
    ops = [op for op in dict.fromkeys(OPS.values()) if watched is None or op.name in watched]
    with _guard:
        state.active = True
        for op in ops:
            _watchers[op] = _watchers.get(op, 0) + 1
            if _watchers[op] == 1:
                _switch(op, True)
    own = Mode(watched, handler)
    _local.modes = [*_local.modes, own]
    try:
        yield own
    finally:
        _local.modes = [m for m in _local.modes if m is not own]
        with _guard:
            for op in ops:
                _watchers[op] -= 1
                if not _watchers[op]:
                    del _watchers[op]
                    _switch(op, False)
