"""What printed graphs call (writing.py): memory, formulas, ops and draws, each done by the kernel of the program.

    from numbatorch.compiler.printed import *

A printed graph is a function of tensors: inputs, and the state that its program changes. Operands are memory with a
layout, as in the program, so that numbers are the same to the bit.
"""

import base64
import functools
import inspect
import zlib
from array import array
from dataclasses import replace

from .. import dtypes, plan as planning
from ..device import CPU, device as device_of
from ..expr import functions, kinds
from ..expr.tree import Expr, arg, as_expr
from ..generator import default_of
from ..layout import broadcast_shapes, layout as layout_of
from ..ops.declare import OPS
from ..tensor import Tensor, alias, empty_layout


def layout(dtype, shape, strides=None, device=CPU):
    """The layout of a tensor: name of its dtype, shape, strides in elements (None: row-major)."""
    return layout_of(dtypes.by_name(dtype), tuple(shape), strides, device_of(device))


def empty(dtype, shape, strides=None, device=CPU):
    """New memory."""
    return empty_layout(layout(dtype, shape, strides, device))


def given(tensor, dtype, shape, strides=None):
    """An argument as the layout that the program has for it, from its first element on."""
    return _checked(tensor, tensor._ptr, layout(dtype, shape, strides, tensor.device))


def held(tensor, dtype, shape, strides=None):
    """State as the layout that the program has for it, from the beginning of its memory on."""
    return _checked(tensor, tensor._storage.ptr, layout(dtype, shape, strides, tensor.device))


def _checked(tensor, start, own):
    there = tensor._storage.ptr + tensor._storage.nbytes - start
    if there < own.nbytes:
        raise ValueError(f"the program has {own} here, of {own.nbytes} bytes, and the tensor given has {there}")
    return alias(tensor, own, start - tensor._ptr)


def at(tensor, dtype, shape, strides=None, byte=0):
    """Part of memory as another layout, so many bytes from its start."""
    return alias(tensor, layout(dtype, shape, strides, tensor.device), byte)


def constant(dtype, shape, strides=None, *, value, device=CPU):
    """Memory that is filled with a number, or has the bytes of a text (of `packed`)."""
    made = empty(dtype, shape, strides, device)
    if not isinstance(value, str):
        return made.fill_(value)
    from . import contents
    contents.write(made.device, made._ptr, zlib.decompress(base64.b85decode(value)))
    return made


def packed(content):
    """Bytes as text."""
    return base64.b85encode(zlib.compress(content)).decode()


def check(value, expected):
    """RuntimeError where a comparison comes out otherwise than in the program, which would not have run."""
    if bool(value) is not expected:
        raise RuntimeError("a value leads elsewhere: this is not the program of such arguments")


def _run(launch, operands, out):
    """Run a launch; gives `out`."""
    results = out if isinstance(out, tuple) else (out,)
    given = [v._ptr if isinstance(v, Tensor) else v or 0 for v in (*operands, *results)]
    launch.kernel(*given, launch.meta, launch.units, launch.grain)
    return out


class Formula:
    """A function of scalars as a kernel over tensors: `formula(*operands, out=tensor, or a tuple of them)`.

    shape: what it is evaluated over, where that is not what operands and results broadcast to.

    Annotations say what an operand is seen as: a dtype ("int64"; that of the formula where there is none), or for a
    number passed by value its kind and that ("float as float32").
    """

    def __init__(self, function, kind, compute, **options):
        self.name = options.pop("name", None) or function.__name__
        self._kind, self._compute, self._options = kind, compute, options
        self._parameters = list(inspect.signature(function).parameters.values())
        roots = function(*(arg(p.name) for p in self._parameters))
        self._roots = tuple(map(as_expr, roots if isinstance(roots, tuple) else (roots,)))
        functools.update_wrapper(self, function)

    def __call__(self, *operands, out, shape=None, **options):
        outputs = [t._layout for t in (out if isinstance(out, tuple) else (out,))]
        made = []
        for p, v in zip(self._parameters, operands, strict=True):
            seen = "" if p.annotation is p.empty else p.annotation
            number, _, dtype = seen.rpartition(" as ")
            made.append(kinds.Operand(p.name, v._layout if isinstance(v, Tensor) else number, dtype or self._compute))
        if shape is None:
            shape = broadcast_shapes(self.name, [o.layout.shape for o in made if not isinstance(o.layout, str)] + [
                own.shape for own in outputs])
        request = self._kind(self.name, self._roots, made, outputs, shape=shape, compute=self._compute, **self._options,
                             **options)
        return _run(planning.backend(outputs[0].device).plan(request), operands, out)


def elementwise(compute, name=None):
    """A decorator for a formula that is evaluated at every position, in a dtype."""
    return lambda function: Formula(function, kinds.Elementwise, compute, name=name)


def rows(compute, is_row, summed=0, name=None):
    """A decorator for formulas that combine the elements of rows, along the `dims` of a call (expr/kinds.py)."""
    return lambda function: Formula(function, kinds.Rows, compute, is_row=is_row, summed=summed, name=name)


class _Ops:
    """`op.name(*operands, out=, **options)`: an op of the table, written to given memory."""

    def __getattr__(self, name):
        if name not in OPS:
            raise AttributeError(f"there is no op {name}")
        return functools.partial(_op, OPS[name])


def _op(op, *operands, out, copies=None, **statics):
    """copies: {number of an operand or result: layout} of what is given as the copy that the kernel would make."""
    names = [p.name for p in op.parameters if p.name not in statics]
    results = out if isinstance(out, tuple) else (out,)
    own = [v._layout if isinstance(v, Tensor) else None if v is None else type(v).__name__
           for v in (*operands, *results)]
    for k, before in (copies or {}).items():
        own[k] = before
    request = planning._request(op, planning.Plan(), dict(zip(names, own, strict=False)), statics, None)
    request.outputs = own[len(operands):]
    launch = planning.backend(results[0].device).plan(request)
    if copies:
        from ..cpu.operands import without
        kernel, keep = without(launch, [*copies])
        launch = replace(launch, kernel=kernel, keep=keep)
    return _run(launch, operands, out)


op = _Ops()


def join(parts, out, dim):
    """Tensors side by side along a dimension."""
    request = kinds.Native("join", "plan", tuple(t._layout for t in parts), [out._layout], {"dim": dim})
    launch = planning.backend(out.device).plan(request)
    addresses = array("q", [t._ptr for t in parts])
    launch.kernel(addresses.buffer_info()[0], out._ptr, launch.meta, launch.units, launch.grain)
    return out


def draw(function, out, values):
    """Random numbers of the default generator, by a function of the device's `random`; "out" and "state" among the
    values stand for the memory and the generator."""
    random, state = planning.backend(out.device).random, default_of(out.device).state
    known = {"out": out._ptr, "state": state}
    found = [v._ptr if isinstance(v, Tensor) else known.get(v, v) if isinstance(v, str) else v for v in values]
    if function == "fill":
        found[0] = getattr(random, found[0])
    getattr(random, function)(*found)
    return out


def move(source, out):
    """Copy bytes, from or to a GPU."""
    return out.copy_(source)


node = Expr  # of functions that have no name of their own
dtype = dtypes.by_name

FUNCTIONS = {n: f for n, f in vars(functions).items() if getattr(f, "__name__", "") in functions.FUNCTIONS
             or n in ("row_length", "row_index")}  # what formulas are made of, by their names in Python
globals().update(FUNCTIONS)

__all__ = ["at", "check", "constant", "draw", "dtype", "elementwise", "empty", "given", "held", "join",
           "layout", "move", "node", "op", "rows", *FUNCTIONS]
