"""Ops defined by a schema, as PyTorch's packages write them: library.Library, define, impl, infer_schema.

    lib = Library("mine", "DEF")
    lib.define("scaled(Tensor x, float by=2.0) -> Tensor")

    @impl(lib, "scaled", "CPU")
    def scaled(x, by=2.0):
        return x * by

    torch.ops.mine.scaled(x)
"""

import ast
import inspect
import re
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any, Union

from .custom_ops import _DEFINED, CustomOpDef, _found
from .dtypes import dtype
from .tensor import Tensor

_CALLED = {"cpu", "default", "compositeexplicitautograd", ""}  # whose function is the op's on the CPU
_RECORDED = {"compositeimplicitautograd", "autograd", "autogradcpu"}  # whose function is differentiable itself
_OTHERS = {"cuda", "xpu", "mps", "privateuse1", "autogradcuda", "autocast", "autocastcpu", "autocastcuda", "hpu", "xla",
           "functionalize", "sparsecpu", "quantizedcpu", "python"}
_NAMESPACES: set[str] = set()  # that a Library of kind DEF holds


def parsed(schema: str) -> tuple[str, inspect.Signature]:
    """(name, signature) of "name(Tensor x, int k=3, *, float? by=None) -> Tensor". ValueError for other texts."""
    found = re.fullmatch(r"\s*([\w:.]*)\s*\((.*)\)\s*->\s*(.+)", schema, re.DOTALL)
    if found is None:
        raise ValueError(f"define: expected 'name(Type argument, ...) -> Type', got {schema!r}")
    parameters: list[inspect.Parameter] = []
    kind: Any = inspect.Parameter.POSITIONAL_OR_KEYWORD
    for part in _parts(found[2]):
        if part == "*":
            kind = inspect.Parameter.KEYWORD_ONLY
            continue
        declared, mark, default = part.partition("=")
        pieces = declared.split()
        if len(pieces) < 2 or not pieces[-1].isidentifier():
            raise ValueError(f"define: expected 'Type name' or 'Type name=default', got {part!r} in {schema!r}")
        value = _value(default.strip()) if mark else inspect.Parameter.empty
        parameters.append(inspect.Parameter(pieces[-1], kind, default=value))
    return found[1], inspect.Signature(parameters)


def _parts(text: str) -> list[str]:
    """What commas outside brackets separate."""
    parts, depth = [""], 0
    for c in text:
        depth += (c in "([") - (c in ")]")
        if c == "," and not depth:
            parts.append("")
        else:
            parts[-1] += c
    return [p.strip() for p in parts if p.strip()]


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):  # the name of a constant, such as Mean or long
        return text


def define(qualname: str, schema: str, *, lib: Any = None, tags: Any = ()) -> None:
    """An op "namespace::name" with a schema "(Tensor x) -> Tensor", without a function as yet: `impl` gives it one."""
    namespace, mark, name = qualname.partition("::")
    if not mark:
        raise ValueError(f"define: the name must be 'namespace::name', got {qualname!r}")
    if qualname in _DEFINED:
        raise RuntimeError(f"define: there is an op {qualname} already")
    _, signature = parsed(schema)

    def nothing(*_: Any, **__: Any) -> Any:
        raise NotImplementedError(f"Could not run '{qualname}' with arguments from the 'CPU' backend: it was defined, "
                                  f"and no function given; use library.impl('{qualname}', 'CPU')")
    nothing.__signature__ = signature  # type: ignore[attr-defined]
    nothing.__name__ = name
    CustomOpDef(qualname, nothing, "unknown", schema)


def impl(qualname: Any, types: Any, func: Any = None, *, lib: Any = None) -> Any:
    """The function of a defined op: impl("namespace::name", "CPU", function), or a decorator; impl(lib, name, key).

    types: device types or dispatch keys, one or several: "default" and the composite ones stand for all devices; the
    functions of devices that are not here are kept out; "Meta" gives shapes. ValueError for unknown ones.
    """
    if isinstance(qualname, Library):
        owner, name, key = qualname, types, func if isinstance(func, str) else ""

        def give(function: Callable) -> Callable:
            owner.impl(name, function, key)
            return function
        return give
    keys = [types] if isinstance(types, str) else list(types)

    def register(function: Callable) -> Callable:
        for key in keys:
            _set(_found("impl", qualname), key, function)
        return function
    return register if func is None else register(func)


def _set(op: CustomOpDef, key: str, function: Callable) -> None:
    short = key.lower()
    if short in _CALLED:
        op._kernel = function
    elif short in _RECORDED:
        op._kernel, op._records = function, True
    elif short == "meta":
        op.register_fake(function)
    elif short not in _OTHERS:
        raise ValueError(f"impl: unknown dispatch key or device {key!r} for {op._qualname}")


class Library:
    """A namespace's ops. kind: "DEF" makes the namespace, "FRAGMENT" adds to one, "IMPL" gives functions only.

    ValueError for other kinds; RuntimeError for a second "DEF" of a namespace.
    """

    def __init__(self, ns: str, kind: str, dispatch_key: str = ""):
        if kind not in ("DEF", "FRAGMENT", "IMPL"):
            raise ValueError(f"Unsupported kind: {kind}")
        if kind == "DEF":
            if ns in _NAMESPACES:
                raise RuntimeError(f"Library: only a single library can be used to register the namespace {ns}; put "
                                   "all of your definitions in a single one, or use kind 'FRAGMENT'")
            _NAMESPACES.add(ns)
        self.ns, self.kind, self.dispatch_key = ns, kind, dispatch_key
        self._made: list[str] = []

    def __repr__(self) -> str:
        return f"Library(kind={self.kind}, ns={self.ns}, dispatch_key={self.dispatch_key})>"

    def define(self, schema: str, alias_analysis: str = "", *, tags: Any = ()) -> str:
        """An op from "name(Tensor x) -> Tensor"; its name. RuntimeError in a library of kind IMPL."""
        if self.kind == "IMPL":
            raise RuntimeError("Library.define: a library of kind IMPL gives functions to ops defined elsewhere")
        name, _ = parsed(schema)
        define(f"{self.ns}::{name}", schema)
        self._made.append(f"{self.ns}::{name}")
        return name

    def impl(self, op_name: Any, fn: Callable, dispatch_key: str = "", *, with_keyset: bool = False,
             allow_override: bool = False) -> None:
        """The function of an op, for a dispatch key (the library's own by default)."""
        if not callable(fn):
            raise TypeError(f"Input function is required to be a callable but found type {type(fn)}")
        name = op_name._name if isinstance(op_name, CustomOpDef) else op_name
        _set(_found("Library.impl", name if "::" in name else f"{self.ns}::{name}"), dispatch_key or self.dispatch_key,
             fn)

    def fallback(self, fn: Callable, dispatch_key: str = "", *, with_keyset: bool = False) -> None:
        """NotImplementedError: a function for all ops."""
        raise NotImplementedError("Library.fallback: there is no function for all ops; overrides.TorchFunctionMode "
                                  "sees all calls")

    def _destroy(self) -> None:
        """Take back what was defined."""
        for name in self._made:
            _DEFINED.pop(name, None)
        self._made.clear()
        if self.kind == "DEF":
            _NAMESPACES.discard(self.ns)


def register_vmap(op: Any, func: Callable | None = None, /, *, lib: Any = None) -> Any:
    """func(info, in_dims, *args) -> (result, out_dims) answers for an op inside `vmap`; without one, a decorator."""
    found = _found("register_vmap", op)

    def register(function: Callable) -> Callable:
        found._vmap = function
        return function
    return register if func is None else register(func)


_NAMES = {Tensor: "Tensor", int: "SymInt", float: "float", bool: "bool", str: "str", dtype: "ScalarType",
          type(None): "()"}


def infer_schema(prototype_function: Callable, /, *, mutates_args: Any, op_name: str | None = None) -> str:
    """The schema that a function's annotations say: "(Tensor x, SymInt k=3) -> Tensor".

    mutates_args: names of the tensors that it changes, or "unknown". ValueError for parameters without a type, and for
    types that ops do not take.
    """
    hints = typing.get_type_hints(prototype_function)
    parts, starred = [], False
    for k, p in enumerate(inspect.signature(prototype_function).parameters.values()):
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) or p.name not in hints:
            raise ValueError(f"infer_schema(func): Parameter {p.name} must have a type annotation, and be no *args or "
                             "**kwargs")
        if p.kind is p.KEYWORD_ONLY and not starred:
            parts.append("*")
            starred = True
        text = _type(hints[p.name], p.name)
        if mutates_args == "unknown" and text.startswith("Tensor") or p.name in mutates_args:
            text = f"Tensor(a{k}!){text.removeprefix('Tensor')}"
        default = "" if p.default is p.empty else f"={_shown(p.default)}"
        parts.append(f"{text} {p.name}{default}")
    result = hints.get("return", type(None))
    if typing.get_origin(result) is tuple:
        shown = f"({', '.join(_type(part, 'return') for part in typing.get_args(result))})"
    else:
        shown = _type(result, "return")
    return f"{op_name or ''}({', '.join(parts)}) -> {shown}"


def _shown(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).removeprefix("torch.")


def _type(hint: Any, name: str) -> str:
    if hint in _NAMES:
        return _NAMES[hint]
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        others = [t for t in inner if t is not type(None)]
        if set(others) == {int, float, bool}:
            return "Scalar" + "?" * (len(others) < len(inner))
        if len(others) == 1:
            return _type(others[0], name) + "?"
    if origin in (list, Sequence) or origin is not None and issubclass(origin, Sequence) and origin is not tuple:
        return _type(inner[0], name) + "[]"
    raise ValueError(f"infer_schema(func): Parameter {name} has unsupported type {hint}")


__all__ = ["Library", "define", "impl", "infer_schema", "register_vmap"]
