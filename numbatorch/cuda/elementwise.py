"""Template of elementwise formulas: one thread an element of the result.

Where every operand is contiguous or one value a thread's number is the place of its element; else the number is taken
apart into coordinates of the merged dimensions. Large contiguous ones are done 16 bytes at a time (`_wide`), as long as
their addresses are multiples of 16.
"""

import math

from ..expr import tree, write
from ..expr.kinds import Launch
from ..expr.tree import arg, order
from ..layout import Layout, broadcast_strides, is_dense
from . import geometry
from .launching import call, launch

BLOCK = 256
LARGE = 4096  # elements from which a thread takes several: fewer are done before it matters
LONG = 40  # nodes of a formula beyond which it is not written out several times
NUMBER = {"float": "float64", "int": "int64", "bool": "int64"}


def plan(request):
    """The Launch of an `Elementwise` request."""
    text, name, signature, values, units = _write(request)
    device, width = request.outputs[0].device, _width(request, units)
    if not width:
        return launch(name, text, signature, device, values, units, BLOCK)
    wide_text, wide_name = _wide(request, width, signature)
    wide = call(wide_name, wide_text, signature, device, values, -(-units // (BLOCK * width)), BLOCK, True)
    pointers = [k for k, kind in enumerate(signature) if kind.endswith("*")]
    narrow = []

    def run(*given):
        low = 0
        for k in pointers:
            low |= given[k]
        if low & 15:
            if not narrow:
                narrow.append(call(name, text, signature, device, values, -(-units // BLOCK), BLOCK))
            narrow[0](*given)
        else:
            wide(*given)
    run.kernel = wide.kernel
    return Launch(run, 0, units, 1)


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


def _width(request, units):
    """Elements that a thread does at once: those of 16 bytes of the narrowest operand; 0 for one by one."""
    layouts = [o.layout for o in request.operands if isinstance(o.layout, Layout)] + request.outputs
    if units < LARGE or len(order(*request.roots)) > LONG:
        return 0
    full = [x for x in layouts if x.numel != 1]
    if any(x.shape != request.shape or x.strides != request.outputs[0].strides or not is_dense(x.shape, x.strides)
           for x in full):
        return 0
    return min(8, 16 // min(x.dtype.itemsize for x in full))


def _wide(request, width, signature):
    """(text, name) of the kernel whose threads do `width` neighbouring elements each: all loads, then all stores."""
    outputs = [f"out{k or ''}" for k in range(len(request.outputs))]
    used, pad, keep = set(tree.names(*request.roots)), " " * 8, [arg(o.name) for o in request.operands]
    head, loads, bodies, stores, single = [], [], [], [], []
    for k in (*range(width), None):  # None: the elements at the end, one by one
        deep, place = (pad, f"i + {k}" if k else "i") if k is not None else (pad + "    ", "i")
        suffix, bound = "" if k is None else str(k), {}
        reads, written = (loads, stores) if k is not None else (single, single)
        for o in request.operands:
            one = not isinstance(o.layout, Layout) or o.layout.numel == 1
            name = f"{o.name}_" if one else f"{o.name}_{suffix}"
            bound[id(arg(o.name))] = (name, o.dtype)
            if o.name in used and (not one or k == 0):
                text = write.convert(o.name, NUMBER[o.layout], o.dtype) if not isinstance(o.layout, Layout) else (
                    write.load(f"{o.name}[{'0' if one else place}]", o.layout.dtype.name, o.dtype))
                (head if one else reads).append(f"{'    ' if one else deep}{name} = {text}")
        writer = write.Writer(request.compute, bound, deep, f"t{suffix}_")
        ends = []
        for root, out, layout in zip(request.roots, outputs, request.outputs, strict=True):
            text, type_ = writer.typed(root, None if root.op != "const" else write.compute_type(layout.dtype.name))
            ends.append(f"{deep}{out}[{place}] = {write.store(text, type_, layout.dtype.name)}")
        (bodies if k is not None else single).extend(writer.lines)
        written.extend(ends)
    del keep
    name = f"{request.name}_{request.compute}_wide{width}_{'_'.join(dict.fromkeys(s.rstrip('*') for s in signature))}"
    names = [o.name for o in request.operands] + outputs
    lines = [f"def {name}({', '.join([*names, 'units'])}):", *head, f"    i = grid() * {width}",
             f"    if i + {width - 1} < units:", *loads, *bodies, *stores, "    else:", f"{pad}while i < units:",
             *single, f"{pad}    i = i + 1"]
    return "\n".join(lines) + "\n", name


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
