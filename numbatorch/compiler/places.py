"""What a function can see of Python: the places that hold its modules, options, tensors and numbers.

A walk from the function (what it closes over, the globals that it names, the objects it is bound to) notes every place
with what is there. The same list tells afterwards what a call has changed, and is looked at before each later run: what
a program was captured from has to be still in its place.
"""

import enum
import functools
import inspect
import io
import math
import random
import sys
import types
import weakref
from collections import deque

import numpy as np

from .. import dtypes
from ..attributes import FIELDS, fields
from ..device import device
from ..generator import Generator
from ..layout import Layout
from ..storage import Storage
from ..tensor import Tensor
from .traced import Traced, Whole

MOST, ARRAY = 100_000, 1 << 18  # objects that a walk finds; bytes of one NumPy array
_COMPILED = f"{__package__}.compiled"
ABSENT = type("Absent", (), {"__repr__": lambda self: "nothing"})()
PLAIN = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis), type(NotImplemented), slice, range,
         dtypes.dtype, device, Layout, Storage, Generator, enum.Enum, types.BuiltinFunctionType,
         types.MethodDescriptorType, types.GetSetDescriptorType, types.MemberDescriptorType,
         types.WrapperDescriptorType, property, weakref.ref)
_TENSOR = ("_layout", "_ptr", "_storage", "_needs_grad", "_hooks", "_post_hooks", "_grad_dtype")
_UNSEEN = frozenset("_non_persistent_buffers_set _state_dict_hooks _state_dict_pre_hooks _load_state_dict_pre_hooks "
                    "_load_state_dict_post_hooks _optimizer_state_dict_pre_hooks _optimizer_state_dict_post_hooks "
                    "_optimizer_load_state_dict_pre_hooks _optimizer_load_state_dict_post_hooks".split())


class Unsupported(Exception):
    """Why a function is not compiled."""


class Places:
    """The places that a walk has found.

    entries: [kind, container, key, value, path], kinds "dict", "list", "cell", "slot", "set", "array" (its content),
    and "size" (of a list, or the keys of a dict; key None). tensors: {id: (tensor, path)}. gradients: [(tensor, its
    .grad, path)]. options: places of an optimizer's numbers, [(dict, key, value, path)]. randoms: files, and generators
    of NumPy and Python, [(object, path)].
    """

    def __init__(self):
        self.entries, self.tensors, self.gradients, self.options, self.randoms = [], {}, [], [], []
        self._seen, self._queue = {}, deque()

    def walk(self, *roots):
        """Add what can be reached from (object, path) pairs. Unsupported where that is too much."""
        for value, path in roots:
            self._put(value, path)
        while self._queue:
            value, path = self._queue.popleft()
            self._visit(value, path)
            if len(self.entries) > MOST:
                raise Unsupported(f"{path}: the function can reach more than {MOST} objects, too many to look after; "
                                  "give it what it needs as arguments")

    def _put(self, value, path):
        if id(value) not in self._seen and not isinstance(value, PLAIN):
            self._seen[id(value)] = value
            self._queue.append((value, path))

    def _entry(self, kind, container, key, value, path):
        self.entries.append((kind, container, key, value, path))
        if value is not ABSENT:
            self._put(value, path)

    def _visit(self, value, path):
        if isinstance(value, Tensor):
            self._tensor(value, path)
        elif isinstance(value, np.ndarray):
            if value.nbytes > ARRAY:
                raise Unsupported(f"{path} is a NumPy array of more than {ARRAY} bytes, too large to look after; a "
                                  "tensor can be looked after")
            self.entries.append(("array", value, None, content(value), path))
        elif isinstance(value, (np.random.RandomState, np.random.Generator, random.Random, io.IOBase)):
            self.randoms.append((value, path))
        elif isinstance(value, dict):
            self._dict(value, path)
        elif isinstance(value, list):
            self.entries.append(("size", value, None, len(value), path))
            for k, v in enumerate(value):
                self._entry("list", value, k, v, f"{path}[{k}]")
        elif isinstance(value, (tuple, frozenset)):
            for k, v in enumerate(value):
                self._put(v, f"{path}[{k}]")
        elif isinstance(value, (set, deque)):
            self.entries.append(("set", value, None, tuple(value), path))
            for v in value:
                self._put(v, f"{path}[...]")
        elif isinstance(value, types.FunctionType):
            self._function(value, path)
        elif isinstance(value, types.MethodType):
            self._put(value.__self__, path.rpartition(".")[0] or path)
            self._put(value.__func__, path)
        elif isinstance(value, functools.partial):
            self._put(value.func, path)
            self._put(value.args, path)
            self._put(value.keywords, path)
        elif isinstance(value, (staticmethod, classmethod)):
            self._put(value.__func__, path)
        elif isinstance(value, type):
            if not is_library(value.__module__):
                self._class(value, path)
        elif type(value).__module__ == _COMPILED:
            self._put(value.function, path)  # inside another compiled function it is just that
        elif isinstance(value, types.ModuleType):
            pass  # what functions name in it was put in by _names
        else:
            self._object(value, path)

    def _dict(self, value, path):
        self.entries.append(("size", value, None, tuple(value), path))
        for k, v in value.items():
            name = k if isinstance(k, (str, int)) else type(k).__name__
            self._entry("dict", value, k, v, f"{path}[{name!r}]")
            if not isinstance(k, (str, int)):
                self._put(k, f"{path}, a key")

    def _tensor(self, tensor, path):
        own = fields(tensor)
        self.tensors[id(tensor)] = tensor, path
        for name in _TENSOR:
            self.entries.append(("dict", own, name, own.get(name, ABSENT), f"{path}.{name}"))
        grad = own.get("_grad")
        self.gradients.append((tensor, grad, path))
        if tensor._hooks or tensor._post_hooks:
            raise Unsupported(f"{path} has hooks")
        for name, v in own.items():
            if name not in FIELDS:
                self._entry("dict", own, name, v, f"{path}.{name}")

    def _object(self, value, path):
        own = getattr(value, "__dict__", None)
        kind = type(value)
        if isinstance(own, dict):
            groups = own.get("param_groups") if hasattr(kind, "add_param_group") else None
            self.entries.append(("size", own, None, tuple(own), path))
            for name, v in list(own.items()):
                if name not in _UNSEEN and not (name == "param_groups" and isinstance(groups, list)):
                    self._entry("dict", own, name, v, f"{path}.{name}")
            if isinstance(groups, list):
                self._groups(own, groups, f"{path}.param_groups", is_library(kind.__module__))
        for base in kind.__mro__:
            for name in _slots(base):
                v = getattr(value, name, ABSENT)
                self._entry("slot", value, name, v, f"{path}.{name}")
        if not is_library(kind.__module__):
            self._put(kind, path)

    def _groups(self, own, groups, path, traced):
        """The parameter groups of an optimizer: numbers that may change from step to step.

        traced: they may be followed as such, by optimizers that know no other use of them than arithmetic.
        """
        self.entries.append(("dict", own, "param_groups", groups, path))
        self.entries.append(("size", groups, None, len(groups), path))
        for k, group in enumerate(groups):
            self.entries.append(("list", groups, k, group, f"{path}[{k}]"))
            self.entries.append(("size", group, None, tuple(group), f"{path}[{k}]"))
            for name, v in group.items():
                at = f"{path}[{k}][{name!r}]"
                if traced and type(v) is float and isinstance(name, str):
                    self.options.append((group, name, v, at))
                else:
                    self._entry("dict", group, name, v, at)

    def _function(self, function, path):
        if function.__module__ is None and "op" in function.__globals__:
            return  # a call of the op table (calls.py), whose plans are none of the function's business
        if is_library(function.__module__) or isinstance(getattr(function, "__wrapped__", None), types.FunctionType):
            wrapped = getattr(function, "__wrapped__", None)
            if wrapped is not None:
                self._put(wrapped, path)
        if is_library(function.__module__) and not function.__closure__:
            return
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                content = cell.cell_contents
            except ValueError:
                content = ABSENT
            self._entry("cell", cell, None, content, name)
        if is_library(function.__module__):
            return
        self._put(function.__defaults__, path)
        self._put(function.__kwdefaults__, path)
        self._names(function.__code__, function.__globals__, path)

    def _names(self, code, scope, path):
        names = set(_names_in(code))
        scopes, seen = [(scope, "")], {id(scope)}
        for scope, prefix in scopes:
            for name in sorted(names & scope.keys()):
                value = scope[name]
                self._entry("dict", scope, name, value, f"{prefix}{name}")
                inner = vars(value) if isinstance(value, types.ModuleType) and not is_library(value.__name__) else None
                if inner is not None and id(inner) not in seen:
                    seen.add(id(inner))
                    scopes.append((inner, f"{prefix}{name}."))

    def _class(self, kind, path):
        for base in kind.__mro__:
            if is_library(base.__module__):
                continue
            for name, v in vars(base).items():
                if not name.startswith("__") or name in ("__call__", "__init__"):
                    if isinstance(v, PLAIN) and not isinstance(v, property):
                        self.entries.append(("class", base, name, v, f"{base.__qualname__}.{name}"))
                    elif isinstance(v, property):
                        for part in (v.fget, v.fset):
                            self._put(part, f"{base.__qualname__}.{name}")
                    else:
                        self.entries.append(("class", base, name, v, f"{base.__qualname__}.{name}"))
                        self._put(v, f"{base.__qualname__}.{name}")

    def changes(self):
        """(entry, what is there now) of each place that no longer holds what it held."""
        found = []
        for entry in self.entries:
            now = look(entry)
            if now is not entry[3] and not same(now, entry[3]):
                found.append((entry, now))
        for container, key, value, path in self.options:
            now = container.get(key, ABSENT)
            if now is not value and not same(now, value):
                found.append((("dict", container, key, value, path), now))
        return found


    def dissolve(self):
        """Put plain numbers where a call has left traced ones."""
        for (kind, container, key, *_), now in self.changes():
            plain = without_traced(now)
            if plain is now:
                continue
            if kind in ("dict", "list"):
                container[key] = plain
            elif kind == "cell":
                container.cell_contents = plain
            elif kind in ("slot", "class"):
                setattr(container, key, plain)


def without_traced(value):
    """The value itself where it has no traced numbers, else one with plain numbers; lists and dicts are changed."""
    if value.__class__ is Traced:
        return value.value
    if value.__class__ is Whole:
        return int(value)
    if type(value) is list:
        value[:] = [without_traced(v) for v in value]
    elif type(value) is dict:
        for k, v in list(value.items()):
            value[k] = without_traced(v)
    elif type(value) is tuple and any(without_traced(v) is not v for v in value):
        return tuple([without_traced(v) for v in value])
    return value


def look(entry):
    """What is in a place now."""
    kind, container, key = entry[:3]
    if kind == "dict":
        return container.get(key, ABSENT)
    if kind == "list":
        return container[key] if key < len(container) else ABSENT
    if kind == "cell":
        try:
            return container.cell_contents
        except ValueError:
            return ABSENT
    if kind == "size":
        return tuple(container) if isinstance(container, dict) else len(container)
    if kind == "set":
        return tuple(container)
    if kind == "class":
        return vars(container).get(key, ABSENT)
    if kind == "array":
        return content(container)
    return getattr(container, key, ABSENT)


def content(array):
    """What a NumPy array is, as a value."""
    return array.tobytes(), array.shape, array.dtype.str


def same(a, b):
    """Whether two different objects are the same for a program: equal plain values of one type."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return a == b and (a != 0 or math.copysign(1.0, a) == math.copysign(1.0, b)) or a != a and b != b
    if isinstance(a, complex):
        return same(a.real, b.real) and same(a.imag, b.imag)
    if isinstance(a, (bool, int, str, bytes)):
        return a == b
    if isinstance(a, tuple):
        return len(a) == len(b) and all(x is y or same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, types.MethodType):
        return a.__self__ is b.__self__ and a.__func__ is b.__func__
    return isinstance(a, (slice, range)) and a == b


_LIBRARIES = frozenset(sys.stdlib_module_names) - {"__main__"} | {"numbatorch", "numpy", "ml_dtypes", "numba"}


def is_library(module):
    """Whether a module (by name) belongs to this library, to NumPy or to Python, whose own state does not count."""
    return isinstance(module, str) and module.partition(".")[0] in _LIBRARIES


@functools.lru_cache(4096)
def _names_in(code):
    names = list(code.co_names)
    for constant in code.co_consts:
        if inspect.iscode(constant):
            names += _names_in(constant)
    return tuple(names)


@functools.lru_cache(1024)
def _slots(kind):
    own = kind.__dict__.get("__slots__", ())
    names = (own,) if isinstance(own, str) else tuple(own)
    return tuple(f"_{kind.__name__.lstrip('_')}{n}" if n.startswith("__") and not n.endswith("__") else n
                 for n in names if n not in ("__dict__", "__weakref__"))
