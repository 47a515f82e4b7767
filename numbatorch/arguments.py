"""Arguments of calls: other names for them, numbers that must fit a dtype, hashable forms of static ones, widening."""

import dataclasses
import inspect
import math
import re
from typing import Any

import numpy as np

from . import dtypes
from .interception import call

Tensor: Any = None  # set by tensor.py, which imports this module first


class _Absent:
    """The default of a required argument: a call may name it otherwise, as `torch.sum(x=tensor)`."""

    def __repr__(self):
        return "<required>"


absent = _Absent()
# Names as in NumPy that PyTorch takes too.
_OTHER_NAMES = {"axis": "dim", "keepdims": "keepdim", "x": "input", "a": "input", "x1": "input", "x2": "other"}


def required(op, values):
    """TypeError for a call that left required arguments out."""
    names = [repr(p.name) for p, v in zip(op.parameters, values, strict=True) if v is absent]
    if names:
        raise TypeError(f"{op.name}() missing {len(names)} required argument{'s' * (len(names) > 1)}: "
                        f"{', '.join(names)}")


def proper_names(op, given, named):
    """`given` with the arguments in `named` under the parameters' own names. TypeError for unknown ones, and twice."""
    for name, value in named.items():
        p = next((p for p in op.parameters if p.name in (name, _OTHER_NAMES.get(name))), None)
        if p is None:
            takes = ", ".join(q.name for q in op.parameters)
            raise TypeError(f"{op.name}() got an unexpected keyword argument '{name}'; it takes {takes}")
        default = absent if p.default is inspect.Parameter.empty else p.default
        if given.get(p.name, default) is not default:
            raise TypeError(f"{op.name}() got multiple values for argument '{name}'" if name == p.name else
                            f"{op.name}() got values for '{p.name}' and for '{name}', which is the same argument")
        given[p.name] = value
    return given


def named_apart(op, scope):
    """The op, or a copy with parameters under names that its written call does not use itself: `mode_` for mode.

    A call that gives such a parameter by name goes the way of other names for arguments (`renamed`).
    """
    taken = {*scope, "plan", "rule", "named", "result", "error"}
    own = {p.name: p.name + "_" for p in op.parameters if p.name in taken or re.fullmatch("[agkpr][0-9]+", p.name)}
    if not own:
        return op
    fixed = [p.name for p in op.parameters if p.name in own and p.kind is inspect.Parameter.KEYWORD_ONLY]
    if fixed:  # written calls pass them on by name
        raise TypeError(f"{op.name}: a keyword-only parameter cannot be called {fixed[0]}; choose another name")
    parameters = [dataclasses.replace(p, name=own.get(p.name, p.name)) for p in op.parameters]
    return dataclasses.replace(op, parameters=parameters, fits=tuple(own.get(n, n) for n in op.fits),
                               spread=own.get(op.spread, op.spread))


def renamed(op, inplace, values, named, **out):
    """Do a call that uses other names for arguments."""
    given = proper_names(op, {p.name: v for p, v in zip(op.parameters, values, strict=True)}, named)
    required(op, tuple(given.values()))
    if out.get("out") is None:
        return call(op, inplace, tuple(given.values()))
    return op.call(**given, **out)


def refuse(op, name, dtype, value):
    """RuntimeError for a number outside the limits of a dtype; floating point ones and bool have infinities and NaN."""
    if (dtype.category >= dtypes.FLOAT or dtype is dtypes.bool) and not math.isfinite(value):
        return
    raise RuntimeError(f"{op.name}: value cannot be converted to type {dtype.name} without overflow: {name} = {value}")


def refuse_other(op, values, error):
    """TypeError for a call whose body found something that is no tensor where it looked for one."""
    for position, (p, value) in enumerate(zip(op.parameters, values, strict=True), 1):
        if p.role == "operand" and p.default is not None and getattr(error, "obj", error) is value and not isinstance(
                value, Tensor):
            name = op.name.rpartition(".")[2]
            raise TypeError(f"{name}(): argument '{p.name}' (position {position}) must be Tensor, not "
                            f"{type(value).__name__}") from error


def check_fits(what, dtype, value):
    """RuntimeError where a number cannot be converted to a dtype without overflow."""
    low, high = dtypes.limits(dtype)
    if isinstance(value, complex):
        if dtype.category == dtypes.COMPLEX or value.imag == 0:
            return
    elif low <= value <= high or dtype.category >= dtypes.FLOAT and not math.isfinite(value):
        return
    raise RuntimeError(f"{what}: value cannot be converted to type {dtype.name} without overflow: {value}")


def check_divisor(name, input, other):
    """RuntimeError, with PyTorch's text, where integers are divided by zero."""
    zero = other._layout.has_values and bool((other == 0).any()) if isinstance(other, Tensor) else other == 0
    if zero and not (isinstance(input, Tensor) and input._layout.numel == 0):
        raise RuntimeError(f"ZeroDivisionError: {name}: an integer is divided by zero")


def by_name(op, given, named):
    """The spread argument of a call that passes it by name, its own or one that a signature has in its place."""
    (name, value), *more = named.items()
    if given or more or name != op.spread and not any(f"(input, {name}:" in s for s in op.signatures):
        raise TypeError(f"{op.name}() got an unexpected keyword argument '{(more[0][0] if more else name)}'; "
                        f"it takes {op.spread} as separate ints or as one tuple")
    return (value,)


def number_kind(value):
    return "bool" if isinstance(value, bool) else "int" if isinstance(value, int) else "float"


def static(op, p, value):
    """A static argument in hashable form, checked against what its annotation says."""
    if isinstance(value, Tensor) and value._layout.numel == 1 and value._layout.dtype.category < 2:
        return value.item()
    if isinstance(value, (list, tuple)):
        plain = tuple(static(op, p, v) for v in value)
        return value if type(value) is tuple and all(a is b for a, b in zip(plain, value, strict=True)) else plain
    if isinstance(value, np.generic):
        return value.item()
    if p.name == "dtype" and value is not None and not isinstance(value, dtypes.dtype):
        found = dtypes.of_type(value)
        if not isinstance(found, dtypes.dtype):
            raise TypeError(f"{op.name}(): argument 'dtype' must be torch.dtype, not {type(value).__name__}")
        return found
    if p.name == "dim" and value is not None and not isinstance(value, int):
        if hasattr(value, "__index__"):
            return value.__index__()
        raise TypeError(f"{op.name}(): argument 'dim' must be int or tuple of ints, not {type(value).__name__}")
    if p.annotation is int and value is not None and not isinstance(value, int):
        if hasattr(value, "__index__"):
            return value.__index__()
        raise TypeError(f"{op.name}(): argument '{p.name}' must be int, not {type(value).__name__}")
    return value


def widened(body):
    """A body that computes in float32 where every floating-point operand is of one narrower dtype."""
    def convert(value, dtype, to):
        if isinstance(value, Tensor):
            return value.to(to) if value._layout.dtype is dtype else value
        return type(value)(convert(v, dtype, to) for v in value) if type(value) in (tuple, list) else value

    def found(values):
        for value in values:
            if isinstance(value, Tensor):
                if value._layout.dtype.category >= 2:
                    yield value._layout.dtype
            elif type(value) in (tuple, list):
                yield from found(value)

    def call(*args, **kwargs):
        given = set(found((*args, *kwargs.values())))
        own = given.pop() if len(given) == 1 else None
        if own is None or own.wide is own:
            return body(*args, **kwargs)
        result = body(*(convert(a, own, own.wide) for a in args),
                      **{name: convert(a, own, own.wide) for name, a in kwargs.items()})
        return convert(result, own.wide, own)
    return call
