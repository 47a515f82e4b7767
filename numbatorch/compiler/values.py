"""Values in places: what is there, whether that means the same as before, and how it is put back."""

import dis
import functools
import gc
import inspect
import math
import re
import sys
import types
import weakref
from collections import deque

import numpy as np

from .traced import Traced, Whole

ABSENT = type("Absent", (), {"__repr__": lambda self: "nothing"})()


class Unsupported(Exception):
    """Why a function is not compiled."""


class Items:
    """The items of a tuple of a fixed length in a dict, as those of a list: setting one puts another tuple there.

    There is one for a dict, a key and a length, so that captures name the same places.
    """

    def __init__(self, holder, key, count):
        self.holder, self.key, self.count = holder, key, count

    @classmethod
    def of(cls, holder, key, count):
        """The one for a dict, a key and a length."""
        at = id(holder), key, count
        return _items.get(at) or _items.setdefault(at, cls(holder, key, count))

    def get(self, k, absent=None):
        """Item `k`; `absent` where no such tuple is there."""
        items = self.holder.get(self.key)
        return items[k] if type(items) is tuple and len(items) == self.count else absent

    def __getitem__(self, k):
        return self.holder[self.key][k]

    def __setitem__(self, k, value):
        items = self.holder.get(self.key)
        if type(items) is not tuple or len(items) != self.count:  # a call has put something else there
            items = (None,) * self.count
        if items[k] is not value:
            self.holder[self.key] = (*items[:k], value, *items[k + 1:])


_items: weakref.WeakValueDictionary = weakref.WeakValueDictionary()  # Items, which keep their dict, by its id


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


def readable(path):
    """A path in a user's words: model.0.weight for model._modules['0']._parameters['weight']."""
    return re.sub(r"\._(?:modules|parameters|buffers)\['([^']*)'\]", r".\1", path)


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
    if kind == "names":
        return tuple(vars(container))
    if kind == "set":
        return tuple(container)
    if kind == "class":
        return vars(container).get(key, ABSENT)
    if kind == "array":
        return content(container)
    if kind == "context":
        return container.get(ABSENT)
    return getattr(container, key, ABSENT)


def class_dict(kind):
    """The dict behind the attributes of a class."""
    return gc.get_referents(vars(kind))[0]


def content(array):
    """What a NumPy array, or another object of bytes, is, as a value."""
    return (array.tobytes(), array.shape, array.dtype.str) if isinstance(array, np.ndarray) else (bytes(array),)


def put_back(entries, options):
    """Give each place what it held again, as far as a call has changed it."""
    items: dict = {}
    for kind, container, _, value, _ in entries:
        if kind == "list" or kind == "size" and isinstance(container, list):
            items.setdefault(id(container), (container, []))[1].extend([value] if kind == "list" else [])
    for container, values in items.values():
        container[:] = values
    for entry in entries:
        kind, container, key, value, _ = entry
        now = look(entry)
        if now is value or kind in ("list", "names") or same(now, value):
            continue
        if kind == "dict":
            _put(container.__setitem__, container.pop, key, value)
        elif kind == "cell":
            if value is ABSENT:
                del container.cell_contents
            else:
                container.cell_contents = value
        elif kind == "set":
            container.clear()
            (container.extend if isinstance(container, deque) else container.update)(value)
        elif kind == "array" and isinstance(container, np.ndarray):
            container[...] = np.frombuffer(value[0], container.dtype).reshape(container.shape)
        elif kind == "array":
            memoryview(container).cast("B")[:] = value[0]
        elif kind == "context":
            container.set(value)
        elif kind in ("slot", "class"):
            _put(functools.partial(setattr, container), lambda k, _, c=container: delattr(c, k), key, value)
    for kind, container, _, keys, _ in entries:
        if kind == "size" and isinstance(container, dict) and tuple(container) != keys:
            held = dict(container)
            container.clear()
            container.update({k: held[k] for k in keys if k in held})
    for container, key, value, _ in options:
        container[key] = value


def _put(give, drop, key, value):
    if value is ABSENT:
        drop(key, None)
    else:
        give(key, value)


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
    return isinstance(module, str) and (module.partition(".")[0] in _LIBRARIES or module.startswith("_cython"))


def of_library(kind):
    """Whether a class is one of these, or of an extension that names none."""
    return not isinstance(kind.__module__, str) or is_library(kind.__module__)


@functools.lru_cache(4096)
def names_in(code):
    """The names that code uses, and the strings in it, which may be names, those of inner functions included."""
    return _with_strings(code, code.co_names, names_in)


@functools.lru_cache(4096)
def globals_in(code):
    """Of these those that may be looked up in the module: all but the names of mere attributes (`optimizer.step`)."""
    return _with_strings(code, _named(code, _LOOKUPS), globals_in)


@functools.lru_cache(4096)
def imports_in(code):
    """Names of modules that code imports, and the strings in it, which may be such names."""
    return _with_strings(code, _named(code, ("IMPORT_NAME",)), imports_in)


_LOOKUPS = ("LOAD_GLOBAL", "STORE_GLOBAL", "DELETE_GLOBAL", "LOAD_NAME", "STORE_NAME", "DELETE_NAME",
            "LOAD_FROM_DICT_OR_GLOBALS")


def _named(code, instructions):
    return {step.argval for step in dis.get_instructions(code) if step.opname in instructions}


def _with_strings(code, names, inside):
    """Names and the strings among the constants of code; `inside` gives those of inner functions."""
    found = set(names)
    for constant in code.co_consts:
        if inspect.iscode(constant):
            found |= inside(constant)
        else:
            found |= {c for c in (constant if isinstance(constant, tuple) else (constant,)) if isinstance(c, str)}
    return frozenset(found)


@functools.lru_cache(1024)
def slots_of(kind):
    """The names of the slots that a class adds."""
    own = kind.__dict__.get("__slots__", ())
    names = (own,) if isinstance(own, str) else tuple(own)
    return tuple(f"_{kind.__name__.lstrip('_')}{n}" if n.startswith("__") and not n.endswith("__") else n
                 for n in names if n not in ("__dict__", "__weakref__"))
