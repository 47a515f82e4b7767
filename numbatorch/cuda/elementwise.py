"""Template of elementwise formulas: one thread an element of the result, or 16 bytes of neighbours.

Where every operand is contiguous or one value a thread's number is the place of its element; else the number is taken
apart into coordinates of the merged dimensions. Large ones whose operands have neighbours, or repeat one value, along
the last of these are done 16 bytes at a time (`_wide`), as long as their addresses are multiples of 16.
Large ones whose operands have them along another dimension go through shared memory (turned.py).
"""

import math

from ..expr import tree, write
from ..expr.kinds import Launch
from ..expr.tree import arg, order
from ..layout import Layout, broadcast_strides
from . import geometry, turned
from .launching import by_alignment, call, launch

BLOCK = 256
LARGE = 4096  # elements from which a thread takes several: fewer are done before it matters
LONG = 40  # nodes of a formula beyond which it is not written out several times
NUMBER = {"float": "float64", "int": "int64", "bool": "int64"}


def plan(request):
    """The Launch of an `Elementwise` request."""
    text, name, signature, values, units = _write(request)
    device, wide = request.outputs[0].device, _wide(request, units)
    across = turned.plan(request, *_lie(request)) if wide is None and units >= LARGE else None
    if across is not None:
        return across
    if wide is None:
        return launch(name, text, signature, device, values, units, BLOCK)
    wide = call(*wide[:3], device, wide[3], -(-wide[4] // BLOCK), BLOCK, True)
    return Launch(by_alignment(wide, lambda: call(name, text, signature, device, values, -(-units // BLOCK), BLOCK),
                               signature), 0, units, 1)


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


def _lie(request):
    """(names of arrays, merged sizes, strides of each array over them), dimensions as the result strides."""
    tensors = [o for o in request.operands if isinstance(o.layout, Layout)]
    names = [o.name for o in tensors] + [f"out{k or ''}" for k in range(len(request.outputs))]
    layouts = [o.layout for o in tensors] + request.outputs
    rows = [broadcast_strides(o.shape, o.strides, request.shape) for o in layouts]
    shape, rows = geometry.ordered(request.shape, rows)
    if not shape or 0 in shape:
        shape, rows = (1,), [(1,)] * len(rows)
    return names, shape, dict(zip(names, rows, strict=True)), layouts


def _wide(request, units):
    """(name, text, signature, values, threads) of the kernel whose threads do 16 bytes of neighbours each: all loads,
    then all stores; None where threads do one element each."""
    names, shape, strides, layouts = _lie(request)
    if units < LARGE or len(order(*request.roots)) > LONG or any(r[-1] not in (0, 1) for r in strides.values()):
        return None
    outputs, inside = names[len(names) - len(request.outputs):], [n for n in names if strides[n][-1]]
    width = min(8, 16 // min(x.dtype.itemsize for n, x in zip(names, layouts, strict=True) if n in inside))
    flat = len(shape) == 1
    if width == 1 or any(n not in inside for n in outputs) or not flat and (
            shape[-1] % width or any(s % width for n in inside for s in strides[n][:-1])):
        return None
    used, pad, keep = set(tree.names(*request.roots)), " " * 8, [arg(o.name) for o in request.operands]
    numbers, threads = geometry.Parameters(), -(-units // width)
    places = {n: "0" if n not in inside else "i" if flat else f"place_{n}" for n in names}
    head, found = [], []
    if not flat:  # a thread's place in units of `width` elements: that it is a multiple of 16 bytes is seen then
        found = geometry.decode(pad, (*shape[:-1], shape[-1] // width), {f"place_{n}": tuple(
            s // width for s in strides[n][:-1]) + (1,) if n in inside else strides[n] for n in names}, numbers, "i",
            geometry.width(threads))
        found += [f"{pad}place_{n} = place_{n} * {width}" for n in inside]
        places = {n: f"place_{n}" for n in names}
    loads, bodies, stores, single = [], [], [], []
    for k in (*range(width), None)[: width + flat]:  # None: the elements at the end, one by one
        deep = pad if k is not None else pad + "    "
        suffix, bound = "" if k is None else str(k), {}
        reads, written = (loads, stores) if k is not None else (single, single)
        for o in request.operands:
            one = o.name not in inside
            name = f"{o.name}_" if one else f"{o.name}_{suffix}"
            bound[id(arg(o.name))] = (name, o.dtype)
            if o.name in used and (not one or k == 0):
                by_value = not isinstance(o.layout, Layout)
                place = "" if by_value else places[o.name] + (f" + {k}" if k and not one else "")
                text = write.convert(o.name, NUMBER[o.layout], o.dtype) if by_value else (
                    write.load(f"{o.name}[{place}]", o.layout.dtype.name, o.dtype))
                outside = one and (by_value or flat)
                (head if outside else reads).append(f"{'    ' if outside else deep}{name} = {text}")
        writer = write.Writer(request.compute, bound, deep, f"t{suffix}_")
        ends = []
        for root, out, layout in zip(request.roots, outputs, request.outputs, strict=True):
            text, type_ = writer.typed(root, None if root.op != "const" else write.compute_type(layout.dtype.name))
            place = places[out] + (f" + {k}" if k else "")
            ends.append(f"{deep}{out}[{place}] = {write.store(text, type_, layout.dtype.name)}")
        (bodies if k is not None else single).extend(writer.lines)
        written.extend(ends)
    del keep
    numbers.add("units", units if flat else threads)
    inputs, written = operand_types(request)
    signature = (*inputs, *written, *numbers.types)
    classes = "".join(geometry.stride_class(s) for n in names for s in strides[n])
    classes = "" if flat else f"_nest{len(shape)}_{classes}"
    name = (f"{request.name}_{request.compute}_wide{width}{classes}_"
            f"{'_'.join(dict.fromkeys(s.rstrip('*') for s in (*inputs, *written)))}")
    lines = [f"def {name}({', '.join([*(o.name for o in request.operands), *outputs, *numbers.names])}):", *head]
    if flat:
        lines += [f"    i = grid() * {width}", f"    if i + {width - 1} < units:", *loads, *bodies, *stores,
                  "    else:", f"{pad}while i < units:", *single, f"{pad}    i = i + 1"]
    else:
        lines += ["    i = grid()", "    if i < units:", *found, *loads, *bodies, *stores]
    return name, "\n".join(lines) + "\n", signature, numbers.values, threads


def _write(request):
    """(text, name, signature, values of the parameters, number of elements)."""
    names, shape, strides, _ = _lie(request)
    outputs, units = names[len(names) - len(request.outputs):], math.prod(request.shape)
    flat = len(shape) == 1 and all(r[0] in (0, 1) for r in strides.values())
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
    classes = "".join("".join(geometry.stride_class(s) for s in r) for r in strides.values())
    name = f"{request.name}_{request.compute}_{'flat' if flat else f'nest{len(shape)}'}_{classes}"
    head = f"def {name}({', '.join([o.name for o in request.operands] + outputs + numbers.names)}):"
    text = "\n".join([head, "    i = grid()", "    if i < units:", *lines, *writer.lines, *stores]) + "\n"
    inputs, written = operand_types(request)
    return text, name, (*inputs, *written, *numbers.types), numbers.values, units
