"""What batched and dual tensors share: a level, and the tensors they wrap.

Each transform that runs has a level; inner ones have higher levels. Of the operands of a call the one of the highest
level answers, on the tensors it wraps, which may be of lower levels themselves. Reverse mode needs no wrapper: the
wrapped tensors are on the tape.
"""

import threading

from .. import interception
from ..subclassing import disabled_torch_function
from ..tensor import Tensor

_new = object.__new__


class _Local(threading.local):
    """The transforms that run in this thread: their marks, outermost first."""

    def __init__(self):
        self.stack = []


_local = _Local()


class Level:
    """A running transform: `with Level("vmap", size=3) as level:`."""

    def __init__(self, kind, **facts):
        self.kind, self.facts = kind, facts

    def __enter__(self):
        interception.state.active = True
        self.depth = len(_local.stack) + 1
        _local.stack.append(self)
        return self

    def __exit__(self, *_):
        _local.stack.remove(self)

    def __getattr__(self, name):
        try:
            return self.__dict__["facts"][name]
        except KeyError:
            raise AttributeError(name) from None


def running(kind=None):
    """The transforms of a kind (or of all) that run in this thread, outermost first."""
    return [level for level in _local.stack if kind is None or level.kind == kind]


class WrappedLayout(interception.CustomLayout):
    """The layout of a wrapped tensor: what it looks like, and its level."""

    __slots__ = ("level", "priority")

    def __init__(self, dtype, shape, device, strides, level):
        super().__init__(dtype, shape, device, strides)
        self.level, self.priority = level, level.depth


class WrappedTensor(Tensor):
    """A tensor that stands for `_value`; its memory and its place on the tape are those of `_value`."""

    __torch_function__ = disabled_torch_function
    _value: Tensor

    _storage = property(lambda self: self._value._storage)
    _ptr = property(lambda self: self._value._ptr)
    _needs_grad = property(lambda self: self._value._needs_grad,
                           lambda self, on: setattr(self._value, "_needs_grad", on))
    _node = property(lambda self: self._value._node, lambda self, node: setattr(self._value, "_node", node))
    _output_index = property(lambda self: self._value._output_index)
    _base = None

    @property
    def level(self):
        return self._layout.level

    def requires_grad_(self, requires_grad=True):
        self._value.requires_grad_(requires_grad)
        return self

    def __repr__(self):
        return f"{type(self).__name__}(level={self.level.depth}, shape={list(self.shape)}, value={self._value!r})"

    def __deepcopy__(self, memo):
        return self.clone()


def level_of(value):
    """The Level of a wrapped tensor, None of a plain one."""
    return value._layout.level if isinstance(value, WrappedTensor) else None


def top_level(tensors):
    """The Level that answers for these tensors, None when all are plain."""
    found = None
    for t in tensors:
        level = level_of(t)
        if level is not None and (found is None or level.depth > found.depth):
            found = level
    return found


def map_tensors(function, value):
    """`value` with `function` applied to the tensors in it, also inside lists, tuples (named ones too) and dicts."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        parts = [map_tensors(function, v) for v in value]
        return type(value)(parts) if type(value).__new__ is not tuple.__new__ else type(value)(*parts)
    if isinstance(value, (list, tuple)):
        return type(value)([map_tensors(function, v) for v in value])
    if isinstance(value, dict):
        return {k: map_tensors(function, v) for k, v in value.items()}
    return value
