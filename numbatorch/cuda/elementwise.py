"""Template of elementwise formulas: one thread an element of the result.

Where every operand is contiguous or one value a thread's number is the place of its element; else the number is taken
apart into coordinates of the merged dimensions.
"""

import math

from ..expr import tree, write
from ..expr.tree import arg
from ..layout import Layout, broadcast_strides
from . import geometry
from .launching import launch

BLOCK = 256
NUMBER = {"float": "float64", "int": "int64", "bool": "int64"}


def plan(request):
    """The Launch of an `Elementwise` request."""
    text, name, signature, values, units = _write(request)
    return launch(name, text, signature, request.outputs[0].device, values, units, BLOCK)


def source(request):
    """The kernel text for a request."""
    return _write(request)[0]


def kernel(request):
    """(text, name, signature, threads a block) of a request's kernel."""
    return (*_write(request)[:3], BLOCK)


def operand_types(request):
    """Types of a kernel's operands, and of its outputs."""
    inputs = [NUMBER[o.layout] if not isinstance(o.layout, Layout) else f"{write.storage(o.layout.dtype.name)}*"
              for o in request.operands]
    return inputs, [f"{write.storage(o.dtype.name)}*" for o in request.outputs]


def _write(request):
    """(text, name, signature, values of the parameters, number of elements)."""
    tensors = [o for o in request.operands if isinstance(o.layout, Layout)]
    outputs = [f"out{k or ''}" for k in range(len(request.outputs))]
    names = [o.name for o in tensors] + outputs
    rows = [broadcast_strides(o.layout.shape, o.layout.strides, request.shape) for o in tensors]
    rows += [broadcast_strides(o.shape, o.strides, request.shape) for o in request.outputs]
    shape, rows = geometry.ordered(request.shape, rows)
    units = math.prod(shape)
    if not shape or units == 0:
        shape, rows = (1,), [(1,)] * len(rows)
    strides = dict(zip(names, rows, strict=True))
    flat = len(shape) == 1 and all(r[0] in (0, 1) for r in rows)
    numbers, kind = geometry.Parameters(), geometry.width(units)
    pad = " " * 8
    if flat:
        places = {n: "i" if r[0] else "0" for n, r in strides.items()}
        lines = []
    else:
        places = {n: f"place_{n}" for n in names}
        lines = geometry.decode(pad, shape, {f"place_{n}": r for n, r in strides.items()}, numbers, "i", kind)
    bound = {}
    used = set(tree.names(*request.roots))
    keep = [arg(o.name) for o in request.operands]
    for o in request.operands:
        if o.name in used:
            text = write.convert(o.name, NUMBER[o.layout], o.dtype) if not isinstance(o.layout, Layout) else (
                write.load(f"{o.name}[{places[o.name]}]", o.layout.dtype.name, o.dtype))
            lines.append(f"{pad}{o.name}_ = {text}")
        bound[id(arg(o.name))] = (f"{o.name}_", o.dtype)
    writer = write.Writer(request.compute, bound, pad)
    stores = []
    for root, out, layout in zip(request.roots, outputs, request.outputs, strict=True):
        text, type_ = writer.typed(root, None if root.op != "const" else write.compute_type(layout.dtype.name))
        stores.append(f"{pad}{out}[{places[out]}] = {write.store(text, type_, layout.dtype.name)}")
    del keep
    numbers.add("units", units)
    classes = "".join("".join(geometry.stride_class(s) for s in r) for r in rows)
    name = f"{request.name}_{request.compute}_{'flat' if flat else f'nest{len(shape)}'}_{classes}"
    head = f"def {name}({', '.join([o.name for o in request.operands] + outputs + numbers.names)}):"
    text = "\n".join([head, "    i = grid()", "    if i < units:", *lines, *writer.lines, *stores]) + "\n"
    inputs, written = operand_types(request)
    return text, name, (*inputs, *written, *numbers.types), numbers.values, units
