"""The type stubs: `__init__.pyi`, `tensor.pyi` and those of the modules whose names come from the op table."""

import ast
import enum
import inspect
import re
from importlib.util import find_spec
from types import FunctionType, ModuleType

import numbatorch

from .. import dtypes
from ..ops import OPS
from ..ops.declare import Op
from ..tensor import Tensor
from . import facts, pages, types

_NOTE = "# Written from the op table by `python -m numbatorch.reference --write`: not to be edited.\n"
_MAKERS = ("creation", "filling", "from_data", "ranges", "randomness")  # modules whose functions make tensors
_FORMATS = "from {}formats import layout_type as _layout_type, memory_format as _memory_format"

# Methods of Tensor whose result depends on the arguments.
_OVERLOADS = {
    "size": ("(self, dim: None = None) -> _Size", "(self, dim: _int) -> _int"),
    "stride": ("(self, dim: None = None) -> tuple[_int, ...]", "(self, dim: _int) -> _int"),
    "type": ("(self, dtype: None = None) -> str", "(self, dtype: _dtype | str) -> Tensor"),
}
_DUNDERS = {
    "__getitem__": "(self, index: Any) -> Tensor", "__setitem__": "(self, index: Any, value: Any) -> None",
    "__eq__": "(self, other: Any) -> Tensor: ...  # type: ignore[override]",
    "__ne__": "(self, other: Any) -> Tensor: ...  # type: ignore[override]",
    "__init__": "(self, *data: Any, dtype: _dtype | None = None, device: _DeviceLike | None = None) -> None",
}
_UNARY = ("__neg__", "__pos__", "__abs__", "__invert__")


def files():
    """{path below the package: text} of every stub."""
    found = {"__init__.pyi": _package(), "tensor.pyi": _tensor()}
    for path in facts.MODULES[1:]:
        found[f"{path.replace('.', '/')}.pyi"] = _module(path)
    return found


# ---------------------------------------------------------------- functions

def function(name, op: Op, method=False, inplace=False):
    """Lines of an op as a function, or as a method of Tensor."""
    call = inspect.signature(op.call)
    indent = "    " if method else ""
    said = f"In place: {pages.summary(op)}" if inplace else pages.summary(op)
    if op.signatures and not inplace:
        lines = _overloads(name, [_signature(s, op, method) for s in op.signatures], indent)
        return [*lines[:1], *_documented(lines[1], said, indent), *lines[2:]]
    given = list(call.parameters.values())
    text = types.parameters(given, op, method, out=not method and not inplace)
    kind = "Tensor" if inplace else types.result(op)
    return _documented(f"{indent}def {name}({text}) -> {kind}: ...", said, indent)


def _documented(line, text, indent):
    """A definition with a text about it, for editors to show."""
    text = text.replace("\\", "\\\\").replace('"', "'")
    return [line.removesuffix(" ..."), f'{indent}    """{text}."""']


def _overloads(name, texts, indent=""):
    lines = []
    for text in texts:
        lines += [f"{indent}@overload"] * (len(texts) > 1) + [f"{indent}def {name}{text}: ..."]
    return lines


def _signature(text, op, method):
    """A signature of a declaration, `(input, dim: int) -> (values, indices)`, as the stub writes it."""
    head, _, result = text.rpartition(" -> ")
    if result.startswith("("):
        result = types.named(op)
    else:
        result = _aliased(result)
    head = _aliased(head)
    if op.out and not method and "out:" not in head:
        several = "tuple[Tensor, ...]" if result.startswith("_") else "Tensor"
        head = f"{head[:-1]}, {'' if '*, ' in head else '*, '}out: {several} | None = None)"
    head = re.sub(r"\((\w+)(?=[,)])", "(self" if method else r"(\1: Tensor", head, count=1)
    return f"{head} -> {result}"


def _aliased(text):
    return re.sub(r"(?<!\w)(int|float|bool|Sequence|(?<=: )dtype)\b", r"_\1", text)


def _plain(name, value, indent="", result=None):
    """Lines of a function that is no op, by its own signature."""
    call = inspect.signature(value)
    note = call.return_annotation
    if note is not inspect.Signature.empty:
        result = types.written(note if isinstance(note, str) else "None" if note is None else note.__name__)
    text = types.parameters(list(call.parameters.values()), method=bool(indent))
    return [f"{indent}def {name}({text}) -> {result or 'Any'}: ..."]


def _named_results():
    """Classes of results with names, one for each op that gives several."""
    lines, seen = [], set()
    for _, op in facts.ops():
        fields = _fields(op)
        name = types.named(op)
        if fields and name not in seen:
            seen.add(name)
            lines += ["", f"class {name}(_NamedTuple):", *(f"    {f}: {'Any' if f in _MIXED else 'Tensor'}" for f in
                                                          fields)]
    return lines


_MIXED = ("count", "index")  # fields that a tuple has already, as methods


def _fields(op):
    if len(op.outputs) > 1 and not op.outputs[0].startswith("result"):
        return op.outputs
    for text in op.signatures:
        result = text.rpartition(" -> ")[2]
        if result.startswith("("):
            return tuple(result.strip("()").split(", "))
    return ()


# ---------------------------------------------------------------- Tensor

def _tensor():
    calls = {id(op.call): op for op in OPS.values()}
    changing = {id(op.call_inplace): op for op in OPS.values() if op.call_inplace is not None}
    names = [n for n in sorted(vars(Tensor), key=lambda n: (n.startswith("_"), n.strip("_"), n))
             if n not in ("__module__", "__doc__", "__dict__", "__weakref__", "__annotations__", "__new__", "__init__",
                          "__init_subclass__")]
    lines = [_NOTE + types.HEAD, "from numpy import ndarray as _ndarray", "",
             "from . import dtypes", _FORMATS.format("."), "from .device import device as _device",
             "from .dtypes import dtype as _dtype",
             "from .generator import Generator", "from .layout import Layout as _Layout",
             "from .size import Size as Size",
             "from .storage import Storage as _Storage, UntypedStorage as UntypedStorage",
             "from .utils.hooks import RemovableHandle", "",
             "_Size: _TypeAlias = Size",
             "_Number: _TypeAlias = _bool | _int | _float | _complex",
             "_Ints: _TypeAlias = _int | _Sequence[_int]",
             "_DeviceLike: _TypeAlias = _device | str | _int", "",
             "# What other modules of the package take from here.", *_inner_functions(),
             *_named_results(), "", "class Tensor:",
             f"    {_method_text('__init__', _DUNDERS['__init__'])}"]
    notes = {"_layout": "_Layout", "_storage": "_Storage", "_ptr": "_int"}
    lines += [f"    {name}: {kind}" for name, kind in notes.items()]
    for name in names:
        value = vars(Tensor)[name]
        own = value.fget if isinstance(value, property) else value
        op = calls.get(id(own))
        if name in notes:
            continue
        if name in _DUNDERS:
            lines.append(f"    {_method_text(name, _DUNDERS[name])}")
        elif name in _OVERLOADS:
            lines += _overloads(name, _OVERLOADS[name], "    ")
        elif name in _UNARY:
            lines.append(f"    def {name}(self) -> Tensor: ...")
        elif isinstance(value, property):
            lines += _property(name, value, op)
        elif id(value) in changing and not name.startswith("__"):
            lines += function(name, changing[id(value)], method=True, inplace=True)
        elif op is not None and not name.startswith("__"):
            lines += function(name, op, method=True)
        elif _is_operator(name):
            other = "Any" if "shift" in name else "Tensor | _Number"
            lines.append(f"    def {name}(self, other: {other}) -> Tensor: ...")
        elif isinstance(value, (staticmethod, classmethod)):
            mark = type(value).__name__
            lines += [f"    @{mark}", f"    def {name}({'cls, ' if mark == 'classmethod' else ''}*args: Any, "
                      "**kwargs: Any) -> Any: ..."]
        elif isinstance(value, FunctionType):
            made = value.__module__.removeprefix("numbatorch.") in _MAKERS
            lines += _plain(name, value, "    ", "Tensor" if made else None)
        else:
            lines.append(f"    {name}: {_value_type(value)}")
    return "\n".join(lines) + "\n"


def _inner_functions():
    module = facts.module("tensor")
    lines = []
    for name in sorted(_defined("tensor", imports=False)):
        value = vars(module).get(name)
        if isinstance(value, FunctionType):
            lines += _plain(name, value)
        elif name != "Tensor" and name in vars(module):
            lines.append(f"{name}: Any")
    return lines


def _method_text(name, text):
    return f"def {name}{text}" + ("" if ": ..." in text else ": ...")


def _property(name, value, op):
    note = "Tensor" if op is not None else types.written(
        inspect.signature(value.fget).return_annotation) if name != "names" else "tuple[None, ...]"
    kind = note if isinstance(note, str) else "Any"
    lines = ["    @property", f"    def {name}(self) -> {kind}: ..."]
    if value.fset is not None:
        lines += [f"    @{name}.setter", f"    def {name}(self, value: {kind}) -> None: ..."]
    if value.fdel is not None:
        lines += [f"    @{name}.deleter", f"    def {name}(self) -> None: ..."]
    return lines


def _is_operator(name):
    plain = re.fullmatch(r"__[ri]?(\w+?)__", name)
    known = ("add sub mul truediv floordiv mod pow and or xor lshift rshift matmul div lt le gt ge").split()
    return bool(plain and (plain.group(1) in known or name.strip("_") in known))


def _value_type(value):
    if isinstance(value, dtypes.dtype):
        return "_dtype"
    return {bool: "_bool", float: "_float", int: "_int", str: "str"}.get(type(value), "Any")


# ---------------------------------------------------------------- modules

_IMPORTS = "_DeviceLike, _Ints, _Number, _Size"


def _module(path):
    """The stub of a module that takes its functions from the table."""
    module, up = facts.module(path), "." * (path.count(".") + 1)
    calls = {id(op.call): op for op in OPS.values()}
    lines, used = [], set()
    for name, value in sorted(vars(module).items(), key=lambda found: (found[0].startswith("_"), found[0])):
        op = calls.get(id(value)) or (OPS.get(f"{path}.{name}") if isinstance(value, FunctionType) else None)
        if name.startswith("__") or op is None:
            if isinstance(value, type) and value.__module__.startswith("numbatorch.") and name not in ("Op", "Tensor"):
                lines.append(f"from {up}{value.__module__.removeprefix('numbatorch.')} import {name} as {name}")
            elif isinstance(value, FunctionType) and name.endswith("_") and not name.startswith("_"):
                lines += _plain(name, value, result="Tensor")  # an in-place form
            continue
        if id(value) in calls:
            lines += function(name, op)
        else:
            text = types.parameters(list(inspect.signature(value).parameters.values()), op)
            lines.append(f"def {name}({text}) -> {types.result(op)}: ...")
        used |= {types.named(op)} if _fields(op) else set()
    return _head(up, used) + "\n".join(lines) + "\n"


def _head(up, used, own=False):
    """Imports of a stub; `own`: the names are the module's own, for others to import."""
    tensor, generator = ("Tensor as Tensor", "") if own else ("Tensor", f"from {up}generator import Generator\n")
    return (f"{_NOTE}{types.HEAD}\n{_FORMATS.format(up)}\n"
            f"from {up}dtypes import dtype as _dtype\n{generator}"
            f"from {up}tensor import {', '.join([_IMPORTS, tensor, *sorted(used)])}\n\n")


def _package():
    """The stub of numbatorch itself."""
    calls = {id(op.call): op for op in OPS.values()}
    changing = {id(op.call_inplace): op for op in OPS.values() if op.call_inplace is not None}
    lazy, submodules = vars(numbatorch)["_NAMES"], vars(numbatorch)["_SUBMODULES"]
    imports, constants, functions, used = [], [], [], set()
    for name in sorted(n for n in submodules | {"autograd"} if find_spec(f"numbatorch.{n}") is not None):
        imports.append(f"from . import {name} as {name}")
    for name, home in sorted(lazy.items()):
        if name not in submodules and find_spec(f"numbatorch.{home}") is not None:
            if name in _defined(home):
                imports.append(f"from .{home} import {name} as {name}")
            else:
                constants.append(f"{name}: Any")
    for name, value in sorted(vars(numbatorch).items()):
        if name.startswith("_") or name in lazy or isinstance(value, ModuleType) or name in ("TYPE_CHECKING", "Any"):
            continue
        op = calls.get(id(value)) or changing.get(id(value))
        if op is not None:
            functions += function(name, op, inplace=id(value) in changing)
            used |= {types.named(op)} if _fields(op) else set()
        elif isinstance(value, type) or (isinstance(value, FunctionType) and not _makes_tensors(value)):
            own, home = value.__name__, value.__module__.removeprefix("numbatorch.")
            if not value.__module__.startswith("numbatorch.") or not hasattr(facts.module(home), own):
                constants.append(f"{name}: Any")
            elif own != "Tensor" or name != "Tensor":
                imports.append(f"from .{home} import {own} as {name}")
        elif isinstance(value, FunctionType):
            functions += _plain(name, value, result="Tensor")
        else:
            constants.append(f"{name}: {'None' if value is None else _constant(value)}")
    lines = [_head(".", used, own=True).rstrip("\n"), *sorted(imports), "",
             "__version__: str", *constants, "", *functions]
    return "\n".join(lines) + "\n"


def _defined(home, imports=True):
    """Names that a module defines in so many words, for checkers to find."""
    path = facts.ROOT / home.replace(".", "/")
    tree = ast.parse((path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text())
    names = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)) and imports:
            names |= {a.asname or a.name for a in node.names}
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            names |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return names


def _makes_tensors(value):
    return value.__module__.removeprefix("numbatorch.") in (*_MAKERS, "windows")


def _constant(value):
    name = type(value).__name__
    return {"memory_format": "_memory_format", "layout_type": "_layout_type"}.get(name) or (
        "Any" if isinstance(value, enum.Enum) else _value_type(value))
