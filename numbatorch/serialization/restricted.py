"""Reading a pickle that may only build tensors, plain containers and classes the caller named as safe.

A pickle is a program for a small stack machine. This one runs it with a short list of functions, so that a checkpoint
from a stranger cannot run code: anything else in the file is an error that names it.
"""

from __future__ import annotations

import contextlib
import pickle
import pickletools
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import numpy

import numbatorch
from numbatorch.serialization.names import StorageType, known_globals, rebuild_from_type

_safe: dict[str, Any] = {}


def _key(entry: Any) -> tuple[str, Any]:
    if isinstance(entry, tuple):
        obj, name = entry
        return name, obj
    return f"{entry.__module__}.{entry.__qualname__}", entry


def add_safe_globals(safe_globals: list) -> None:
    """Let `load(weights_only=True)` build these classes and call these functions.

    An entry may be (object, "module.name") where a file knows it by another name.
    """
    _safe.update(map(_key, safe_globals))


def get_safe_globals() -> list:
    """The classes and functions that were added."""
    return list(_safe.values())


def clear_safe_globals() -> None:
    """Forget what was added."""
    _safe.clear()


@contextlib.contextmanager
def safe_globals(safe_globals: list) -> Iterator[None]:
    """Classes and functions that are safe inside the `with` block."""
    before = dict(_safe)
    add_safe_globals(safe_globals)
    try:
        yield
    finally:
        _safe.clear()
        _safe.update(before)


# What pickles use to build plain values, with arguments checked where the plain function does more than that.


def _encode(text: str, encoding: str = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1", "utf-8", "utf8"):
        raise pickle.UnpicklingError(f"load: bytes in encoding {encoding!r} are not allowed")
    return text.encode(encoding)


def _bytes() -> bytes:
    return b""


def _bytearray(content: Any = b"", encoding: str = "latin1") -> bytearray:
    if isinstance(content, str):
        content = _encode(content, encoding)
    if not isinstance(content, bytes):
        raise pickle.UnpicklingError("load: a bytearray that is not made of bytes")
    return bytearray(content)


def _numpy_dtype(code: Any, align: bool = False, copy: bool = True) -> numpy.dtype:
    if not isinstance(code, str):
        raise pickle.UnpicklingError(f"load: NumPy dtype {code!r} is not allowed")
    # A copy, because the state that follows in the pickle (the byte order) is set on it.
    return _without_objects(numpy.dtype(code, align, True))


def _without_objects(dtype: Any) -> numpy.dtype:
    if not isinstance(dtype, numpy.dtype) or dtype.hasobject:
        raise pickle.UnpicklingError(f"load: NumPy dtype {dtype} is not allowed with weights_only=True")
    return dtype


def _numpy_scalar(dtype: Any, content: bytes = b"") -> Any:
    dtype = _without_objects(dtype)
    if len(content) != dtype.itemsize:
        raise pickle.UnpicklingError(f"load: {len(content)} bytes for a NumPy scalar of dtype {dtype}")
    return numpy.frombuffer(content, dtype)[0]


def _numpy_array(kind: Any, shape: Any, code: Any) -> numpy.ndarray:
    return numpy.empty(0, numpy.uint8)


def _numpy_type() -> None:
    raise pickle.UnpicklingError("load: numpy.ndarray cannot be called in a checkpoint")


def _allowed() -> dict[tuple[str, str], Any]:
    found = known_globals()
    found["collections", "OrderedDict"] = OrderedDict
    found["collections", "Counter"] = Counter
    found["_codecs", "encode"] = _encode
    for module in ("builtins", "__builtin__"):
        found[module, "set"] = set
        found[module, "frozenset"] = frozenset
        found[module, "complex"] = complex
        found[module, "bytes"] = _bytes
        found[module, "bytearray"] = _bytearray
    found["numpy", "dtype"] = _numpy_dtype
    found["numpy", "ndarray"] = _numpy_type
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        found[module, "scalar"] = _numpy_scalar
        found[module, "_reconstruct"] = _numpy_array
    return found


class RestrictedUnpickler:
    """Runs one pickle; `persistent_load` turns storage references into storages."""

    def __init__(self, data: bytes, name: str, persistent_load: Callable[[Any], Any]):
        self.data, self.name, self.persistent_load = data, name, persistent_load
        self.allowed = _allowed()
        self.stack: list[Any] = []
        self.outer: list[list[Any]] = []  # stacks below the marks
        self.memo: dict[int, Any] = {}
        self.callables: set[int] = set()
        self.classes: set[int] = set()  # safe classes, whose instances may take a state

    def load(self) -> Any:
        """The object; pickle.UnpicklingError for what is not allowed or not a pickle."""
        try:
            for opcode, argument, _ in pickletools.genops(self.data):
                name = opcode.name
                if name == "STOP":
                    return self.stack.pop()
                if name in PLAIN:
                    self.stack.append(argument)
                else:
                    step = STEPS.get(name)
                    if step is None:
                        raise self._error(f"the pickle instruction {name} is not allowed with weights_only=True")
                    step(self, argument)
        except (pickle.UnpicklingError, RuntimeError):
            raise
        except Exception as error:
            raise self._error(f"its pickle is damaged ({type(error).__name__}: {error})") from error
        raise self._error("its pickle ends without an object")

    def _error(self, what: str) -> pickle.UnpicklingError:
        return pickle.UnpicklingError(f"load: {self.name}: {what}")

    def _pop_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.outer.pop()
        return items

    def find(self, module: str, name: str) -> Any:
        found = self.allowed.get((module, name))
        if found is None:
            full = f"{module}.{name}"
            if full not in _safe:
                raise self._error(
                    f"it wants the global {full}, which weights_only=True does not allow. If you trust "
                    f"{full}, call numbatorch.serialization.add_safe_globals([{full}]) first; if you trust the whole "
                    f"file, load it with weights_only=False, which runs whatever code the file asks for"
                )
            found = _safe[full]
            if isinstance(found, type):
                self.classes.add(id(found))
        if callable(found) and not isinstance(found, StorageType):
            self.callables.add(id(found))
        return found

    # instructions

    def mark(self, _: Any) -> None:
        self.outer.append(self.stack)
        self.stack = []

    def pop(self, _: Any) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self._pop_mark()

    def append(self, _: Any) -> None:
        item = self.stack.pop()
        self._of(list).append(item)

    def appends(self, _: Any) -> None:
        items = self._pop_mark()
        self._of(list).extend(items)

    def set_item(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._of(dict)[key] = value

    def set_items(self, _: Any) -> None:
        items = self._pop_mark()
        target = self._of(dict)
        for position in range(0, len(items), 2):
            target[items[position]] = items[position + 1]

    def add_items(self, _: Any) -> None:
        items = self._pop_mark()
        self._of(set).update(items)

    def _of(self, kind: type) -> Any:
        target = self.stack[-1]
        plain = type(target) in (kind, OrderedDict, Counter)
        if not isinstance(target, kind) or not (plain or id(type(target)) in self.classes):
            raise self._error(f"it fills a {type(target).__name__} as if it were a {kind.__name__}")
        return target

    def tuple_of(self, count: int) -> None:
        items = tuple(self.stack[-count:])
        if len(items) != count:
            raise self._error("its pickle is damaged (a tuple without its items)")
        self.stack[-count:] = [items]

    def from_mark(self, kind: Callable[[list], Any]) -> None:
        items = self._pop_mark()
        self.stack.append(kind(items))

    def dict_of_mark(self, _: Any) -> None:
        items = self._pop_mark()
        self.stack.append(dict(zip(items[::2], items[1::2], strict=True)))

    def put(self, index: Any) -> None:
        self.memo[len(self.memo) if index is None else int(index)] = self.stack[-1]

    def get(self, index: Any) -> None:
        self.stack.append(self.memo[int(index)])

    def global_name(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.stack.append(self.find(module, name))

    def stack_global(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(self.find(module, name))

    def reduce(self, _: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if id(function) not in self.callables or type(arguments) is not tuple:
            raise self._error(f"it calls {function!r}, which weights_only=True does not allow")
        if function is rebuild_from_type and id(arguments[0]) not in self.callables:  # it calls its first argument
            raise self._error(f"it calls {arguments[0]!r}, which weights_only=True does not allow")
        self.stack.append(function(*arguments))

    def new_object(self, _: Any) -> None:
        arguments, kind = self.stack.pop(), self.stack.pop()
        self._make(kind, arguments, {})

    def new_object_with_keywords(self, _: Any) -> None:
        keywords, arguments, kind = self.stack.pop(), self.stack.pop(), self.stack.pop()
        self._make(kind, arguments, keywords)

    def _make(self, kind: Any, arguments: Any, keywords: Any) -> None:
        if id(kind) not in self.classes and kind not in (OrderedDict, set, Counter):
            raise self._error(f"it makes a {kind!r}, which weights_only=True does not allow")
        self.stack.append(kind.__new__(kind, *arguments, **keywords))

    def build(self, _: Any) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if type(target) is OrderedDict:
            target.__dict__.update(state)
        elif isinstance(target, numpy.ndarray):
            _, shape, dtype, is_fortran, content = state
            if not isinstance(content, bytes):
                raise self._error("it holds a NumPy array of objects")
            target.__setstate__((1, shape, _without_objects(dtype), is_fortran, content))
        elif isinstance(target, numpy.dtype):
            if state[3] is not None or state[4] is not None or state[2] is not None:
                raise self._error("it holds a NumPy dtype with fields")
            target.__setstate__(state)  # type: ignore[attr-defined]
        elif id(type(target)) in self.classes:
            if hasattr(target, "__setstate__"):
                target.__setstate__(state)
            else:
                attributes, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
                target.__dict__.update(attributes or {})
                for name, value in (slots or {}).items():
                    setattr(target, name, value)
        elif isinstance(target, numbatorch.Tensor):
            raise self._error("it sets the state of a tensor, which weights_only=True does not allow")
        else:
            raise self._error(f"it sets the state of a {type(target).__name__}, which weights_only=True does not allow")

    def persistent(self, _: Any) -> None:
        self.stack.append(self.persistent_load(self.stack.pop()))


PLAIN = frozenset(
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE "
    "SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8".split()
)

Step = Callable[[RestrictedUnpickler, Any], Any]
STEPS: dict[str, Step] = {
    # values
    "NONE": lambda self, _: self.stack.append(None),
    "NEWTRUE": lambda self, _: self.stack.append(True),
    "NEWFALSE": lambda self, _: self.stack.append(False),
    "EMPTY_LIST": lambda self, _: self.stack.append([]),
    "EMPTY_TUPLE": lambda self, _: self.stack.append(()),
    "EMPTY_DICT": lambda self, _: self.stack.append({}),
    "EMPTY_SET": lambda self, _: self.stack.append(set()),
    # the stack
    "PROTO": lambda self, _: None,
    "FRAME": lambda self, _: None,
    "MARK": RestrictedUnpickler.mark,
    "POP": RestrictedUnpickler.pop,
    "POP_MARK": lambda self, _: self._pop_mark(),
    "DUP": lambda self, _: self.stack.append(self.stack[-1]),
    # containers
    "APPEND": RestrictedUnpickler.append,
    "APPENDS": RestrictedUnpickler.appends,
    "LIST": lambda self, _: self.from_mark(list),
    "TUPLE": lambda self, _: self.from_mark(tuple),
    "TUPLE1": lambda self, _: self.tuple_of(1),
    "TUPLE2": lambda self, _: self.tuple_of(2),
    "TUPLE3": lambda self, _: self.tuple_of(3),
    "DICT": RestrictedUnpickler.dict_of_mark,
    "SETITEM": RestrictedUnpickler.set_item,
    "SETITEMS": RestrictedUnpickler.set_items,
    "ADDITEMS": RestrictedUnpickler.add_items,
    "FROZENSET": lambda self, _: self.from_mark(frozenset),
    # the memo
    "PUT": RestrictedUnpickler.put,
    "BINPUT": RestrictedUnpickler.put,
    "LONG_BINPUT": RestrictedUnpickler.put,
    "MEMOIZE": RestrictedUnpickler.put,
    "GET": RestrictedUnpickler.get,
    "BINGET": RestrictedUnpickler.get,
    "LONG_BINGET": RestrictedUnpickler.get,
    # names and objects
    "GLOBAL": RestrictedUnpickler.global_name,
    "STACK_GLOBAL": RestrictedUnpickler.stack_global,
    "REDUCE": RestrictedUnpickler.reduce,
    "NEWOBJ": RestrictedUnpickler.new_object,
    "NEWOBJ_EX": RestrictedUnpickler.new_object_with_keywords,
    "BUILD": RestrictedUnpickler.build,
    "BINPERSID": RestrictedUnpickler.persistent,
}
