"""What a function can see of Python: the places that hold its modules, options, tensors and numbers.

A walk from the function (what it closes over, the globals that it names, the objects it is bound to) notes every place
with what is there. The same list tells afterwards what a call has changed, and is looked at before each later run: what
a program was captured from has to be still in its place.
"""

import array
import builtins
import contextvars
import ctypes
import enum
import functools
import gc
import io
import os
import random
import sys
import types
import weakref
from collections import deque
from collections.abc import Iterator

import numpy as np

from .. import dtypes
from ..attributes import FIELDS, fields
from ..device import device
from ..generator import Generator
from ..layout import Layout
from ..storage import Storage
from ..tensor import Tensor
from .values import (
    ABSENT,
    Items,
    Unsupported,
    content,
    globals_in,
    imports_in,
    is_library,
    look,
    names_in,
    of_library,
    put_back,
    same,
    slots_of,
    without_traced,
)

MOST, ARRAY = 100_000, 1 << 18  # objects that a walk finds; bytes of one NumPy array
_COMPILED = f"{__package__}.compiled"
PLAIN = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis), type(NotImplemented), slice, range,
         dtypes.dtype, device, Layout, Storage, Generator, enum.Enum, types.BuiltinFunctionType,
         types.MethodDescriptorType, types.GetSetDescriptorType, types.MemberDescriptorType,
         types.WrapperDescriptorType, property)
_BYTES = (bytearray, memoryview, array.array, ctypes.Array, ctypes.Structure)
_FIELDS = ("__code__", "__defaults__", "__kwdefaults__")  # of a function
_FIXED = frozenset("__dict__ __weakref__ __doc__ __module__ __qualname__ __name__ __slots__ __match_args__ "
                   "__abstractmethods__ _abc_impl __orig_bases__ __parameters__ __annotations__ __firstlineno__ "
                   "__static_attributes__".split())  # names of a class that no call asks for
_MAKING = frozenset("__init__ __new__ __post_init__ __init_subclass__ __set_name__ __del__ __reduce__ __reduce_ex__ "
                    "__getstate__ __setstate__ __copy__ __deepcopy__".split())  # called where objects are made
_ANY = frozenset(("globals", "eval", "exec"))  # functions that reach any name of a module
_OTHERS = _ANY | frozenset(("getattr", "vars", "__dict__", "attrgetter", "import_module", "__import__", "asdict",
                           "astuple", "replace", "copy", "deepcopy", "dumps", "getmembers", "dir"))
_TENSOR = ("_layout", "_ptr", "_storage", "_needs_grad", "_hooks", "_post_hooks", "_grad_dtype")
_UNSEEN = frozenset("_non_persistent_buffers_set _state_dict_hooks _state_dict_pre_hooks _load_state_dict_pre_hooks "
                    "_load_state_dict_post_hooks _optimizer_state_dict_pre_hooks _optimizer_state_dict_post_hooks "
                    "_optimizer_load_state_dict_pre_hooks _optimizer_load_state_dict_post_hooks".split())


def is_a(value, kinds):
    """isinstance by the type alone: some proxies warn, or load what they stand for, when asked for their __class__."""
    return issubclass(type(value), kinds)


class Places:
    """The places that a walk has found.

    entries: [kind, container, key, value, path], kinds "dict", "list", "cell", "slot", "set", "array" (its content),
    "class" (an attribute), "names" (of a class), "context" (a variable's value) and "size" (of a list, or the keys of a
    dict; key None). tensors: {id: (tensor, path)}. gradients: [(tensor, its .grad, path)]. options: places of an
    optimizer's numbers, [(dict, or Items of a tuple in one, key, value, path)]. randoms: files, iterators, and
    generators of NumPy and Python, [(object, path)]. generators: {id of its frame: (generator, path)}. codes: {id:
    code} of the functions.
    """

    def __init__(self):
        self.entries, self.tensors, self.gradients, self.options, self.randoms = [], {}, [], [], []
        self.generators, self.codes = {}, {}
        # {id of a module's dict, an object's or a class: (kind, container, its dict, path, names that are known)}
        self._spaces: dict = {}
        self._used: set = set()  # all names in the code of functions
        self._seen, self._kinds, self._queue = {}, {}, deque()

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
            if not self._queue:
                self._look_into_spaces()

    def _put(self, value, path):
        if id(value) in self._seen:
            known = self.tensors.get(id(value))
            if known is not None and known[1].endswith(", a key"):  # an optimizer's state knows no names
                self.tensors[id(value)] = value, path
            return
        if not is_a(value, PLAIN):
            self._seen[id(value)] = value
            self._queue.append((value, path))
        elif not of_library(type(value)):
            self._put(type(value), path)  # a number, a string or a member of an enum with methods of its own

    def _entry(self, kind, container, key, value, path):
        self.entries.append((kind, container, key, value, path))
        if value is not ABSENT:
            self._put(value, path)

    def _visit(self, value, path):
        if is_a(value, Tensor):
            self._tensor(value, path)
        elif is_a(value, (np.ndarray, *_BYTES)):
            nbytes = value.nbytes if hasattr(value, "nbytes") else memoryview(value).nbytes
            if nbytes > ARRAY:
                raise Unsupported(f"{path} is {'a NumPy array' if is_a(value, np.ndarray) else 'an object'} of "
                                  f"more than {ARRAY} bytes, too large to look after; a tensor can be looked after")
            self.entries.append(("array", value, None, content(value), path))
        elif is_a(value, (np.random.RandomState, np.random.Generator, random.Random, io.IOBase)):
            self.randoms.append((value, path))
        elif is_a(value, types.GeneratorType):
            self.generators[id(value.gi_frame)] = value, path
        elif is_a(value, contextvars.ContextVar):
            self._entry("context", value, None, value.get(ABSENT), path)
        elif is_a(value, weakref.ref):
            self._put(value(), path)
        elif is_a(value, types.MappingProxyType):
            self._put(gc.get_referents(value)[0], path)
        elif is_a(value, (dict, list, tuple, frozenset, set, deque)):
            self._container(value, path)
            if not of_library(type(value)):
                self._object(value, path)
        elif is_a(value, types.FunctionType):
            self._function(value, path)
        elif is_a(value, types.MethodType):
            self._put(value.__self__, path.rpartition(".")[0] or path)
            self._put(value.__func__, path)
        elif is_a(value, functools.partial):
            self._put(value.func, path)
            self._put(value.args, path)
            self._put(value.keywords, path)
            self._object(value, path)
        elif is_a(value, (staticmethod, classmethod)):
            self._put(value.__func__, path)
        elif is_a(value, type):
            if not of_library(value):
                self._class(value, path)
                for base in value.__mro__:  # objects of it may be made
                    for name in _MAKING & vars(base).keys() if not of_library(base) else ():
                        self._attribute(base, name)
        elif type(value).__module__ == _COMPILED:
            self._put(value.function, path)  # inside another compiled function it is just that
            self.entries.append(("size", vars(value), None, tuple(vars(value)), path))
            for name in vars(value).keys() - value.own:  # what a program has set there
                self._entry("dict", vars(value), name, vars(value)[name], f"{path}.{name}")
        elif is_a(value, types.ModuleType):
            if not is_library(value.__name__):
                self._space("dict", vars(value), vars(value), path)
        elif is_a(value, Iterator) and not hasattr(value, "__dict__"):
            self.randoms.append((value, path))
            for part in gc.get_referents(value):
                self._put(part, path)
        else:
            self._object(value, path)

    def _container(self, value, path):
        if is_a(value, dict):
            self._dict(value, path)
        elif is_a(value, list):
            self.entries.append(("size", value, None, len(value), path))
            for k, v in enumerate(value):
                self._entry("list", value, k, v, f"{path}[{k}]")
        elif is_a(value, (set, deque)):
            self.entries.append(("set", value, None, tuple(value), path))
            for v in value:
                self._put(v, f"{path}[...]")
        else:
            for k, v in enumerate(value):
                self._put(v, f"{path}[{k}]")

    def _dict(self, value, path):
        held = list(value.items())
        self.entries.append(("size", value, None, tuple([k for k, _ in held]), path))
        for k, v in held:
            name = k if isinstance(k, (str, int)) else type(k).__name__
            self._entry("dict", value, k, v, f"{path}[{name!r}]")
            if not isinstance(k, (str, int)):
                self._put(k, f"{path}, a key")

    def _tensor(self, tensor, path):
        own = fields(tensor)
        pattern = getattr(own.get("_layout"), "pattern", None)
        if pattern is not None:  # a sparse tensor: an object that holds values and indices
            self.entries.append(("dict", own, "_layout", own["_layout"], f"{path}._layout"))
            for part in pattern.indices:  # what the pattern derived from them is theirs as they were
                self.entries.append(("slot", part._storage, "version", part._storage.version, f"{path}.indices()"))
            self._put(pattern, f"{path}._layout.pattern")
            self._entry("dict", own, "_stored", own["_stored"], f"{path}.values()")
            return
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
            if _tells_its_class(kind):
                self.entries.append(("slot", value, "__class__", kind, f"{path}.__class__"))
            bases = _library_bases(kind)
            for name, v in list(own.items()):
                if name not in _UNSEEN and not (name == "param_groups" and isinstance(groups, list)) and (
                        _by_library(name, bases)):
                    self._entry("dict", own, name, v, f"{path}.{name}")
            if bases is not None:
                self._space("dict", own, own, path)
            if isinstance(groups, list):
                self._groups(own, groups, f"{path}.param_groups", is_library(kind.__module__))
        for base in kind.__mro__:
            for name in slots_of(base):
                v = getattr(value, name, ABSENT)
                self._entry("slot", value, name, v, f"{path}.{name}")
        if not of_library(kind):
            self._class(kind, path)
        elif isinstance(own, dict) and kind.__module__.startswith("numbatorch."):
            self._put_attributes(kind)

    def _put_attributes(self, kind):
        """The attributes of a class of this library, which a program may put others in the place of."""
        for base in kind.__mro__:
            if base is not object and id(base) not in self._seen and base.__module__.startswith("numbatorch."):
                self._seen[id(base)] = base
                self._attributes(base)

    def _attributes(self, kind):
        self.entries.append(("names", kind, None, tuple(vars(kind)), kind.__qualname__))
        for name, v in vars(kind).items():
            if name not in _FIXED:
                self.entries.append(("class", kind, name, v, f"{kind.__qualname__}.{name}"))

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
                elif traced and type(v) is tuple and v and all(type(x) is float for x in v) and isinstance(name, str):
                    items = Items.of(group, name, len(v))  # `betas`, which schedules move
                    self.options += [(items, n, x, f"{at}[{n}]") for n, x in enumerate(v)]
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
        for name in _FIELDS:
            self._entry("slot", function, name, getattr(function, name), f"{path}.{name}")
        self._dict(function.__dict__, path)
        self._code(function.__code__)
        self._names(function.__code__, function.__globals__, path)

    def _code(self, code):
        """A function's code, and that of those which it defines, as one that the walk has seen."""
        self.codes[id(code)] = code
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self._code(constant)

    def _names(self, code, scope, path):
        names = names_in(code)
        if names & _ANY:
            self._dict(scope, f"{scope.get('__name__')}, of which {path} uses any name")
        self._used |= names
        for name in sorted(globals_in(code)):
            if name in scope or hasattr(builtins, name):  # which a global variable may come before later
                self._entry("dict", scope, name, scope.get(name, ABSENT), name)
        for name in imports_in(code):  # modules that it imports by itself
            for full in (name, f"{scope.get('__package__')}.{name}"):
                if full in sys.modules:
                    self._put(sys.modules[full], full)
        if not names.isdisjoint(("environ", "getenv", "environb", "getenvb")):
            self._put(os.environ._data, "os.environ")

    def _attribute(self, kind, name):
        """Look after an attribute of a class."""
        v, path = vars(kind)[name], f"{kind.__qualname__}.{name}"
        self._entry("class", kind, name, v, path)
        if isinstance(v, property):
            for part in (v.fget, v.fset):
                self._put(part, path)

    def _space(self, kind, container, held, path):
        """Names of which those count that functions use: of a module, an object or a class."""
        self._spaces.setdefault(id(container), (kind, container, held, path, set()))

    def _look_into_spaces(self):
        """Put in what is under the names that functions use."""
        whole = not self._used.isdisjoint(_OTHERS)
        for kind, container, held, path, known in list(self._spaces.values()):
            used = self._used | _MAKING if "__class__" in self._used or "type" in self._used else self._used
            for name in sorted((held.keys() if whole else used & held.keys()) - known - _FIXED):
                known.add(name)
                if kind == "class":
                    self._attribute(container, name)
                elif name not in _UNSEEN:
                    self._entry("dict", container, name, held[name], f"{path}.{name}")

    def sees(self, value):
        """Whether the walk has come to an object."""
        return id(value) in self._seen

    def _class(self, kind, path):
        if id(kind) in self._kinds:
            return
        self._kinds[id(kind)] = kind
        for base in kind.__mro__:
            if of_library(base):
                if str(base.__module__).startswith("numbatorch."):
                    self._put_attributes(base)
                continue
            self.entries.append(("names", base, None, tuple(vars(base)), base.__qualname__))
            bases = _library_bases(kind)
            for name in vars(base):
                if name not in _FIXED and (name.startswith("__") and (
                        name not in _MAKING) or _by_library(name, bases)):
                    self._attribute(base, name)
            self._space("class", base, vars(base), base.__qualname__)
        if not of_library(type(kind)):
            self._put(type(kind), path)

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

    def put_back(self):
        """Undo what a call has changed in the places."""
        put_back(self.entries, self.options)

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


@functools.lru_cache(1024)
def _library_bases(kind):
    """The classes of this library that a program's class is made of; None where its names may be used by others."""
    found = []
    for base in kind.__mro__:
        root = str(base.__module__).partition(".")[0]
        if root == "numbatorch" and base.__name__ == "Module":
            found.append(base)
        elif of_library(base) and base is not object and base.__module__ not in ("typing", "abc"):
            return None
    return tuple(found)


@functools.lru_cache(1024)
def _tells_its_class(kind):
    """Whether `__class__` of an object is its type, and may be set."""
    return kind.__getattribute__ is object.__getattribute__ and bool(kind.__flags__ & 1 << 9) and not any(
        "__class__" in vars(base) for base in kind.__mro__[:-1])


def _by_library(name, bases):
    """Whether code that no walk sees may ask an object of a class with these bases for a name."""
    return bases is None or bool(bases) and (name.startswith("_") or name == "training" or any(
        hasattr(base, name) for base in bases))


__all__ = ["ABSENT", "PLAIN", "Places", "Unsupported", "is_library", "look", "same", "without_traced"]
