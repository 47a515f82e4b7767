"""Template of running combinations along one dimension: y[i] = combine(y[i - 1], x[i]).

A thread walks a row from one end to the other; long rows belong to blocks (scan_blocks.py). float32 sums and products
run in float64.
"""

import math

from ..expr import write
from ..layout import coalesce
from . import geometry, scan_blocks
from .launching import launch

BLOCK = 128
_WIDE = {"float16": "float64", "bfloat16": "float64", "float32": "float64", "complex64": "complex128"}


def plan(request):
    """The Launch of a `Scan` request; inputs (x) or, for "recurrence", (x, coefficient)."""
    found = _by_blocks(request)
    if found is not None:
        return found
    text, name, signature, values, units = _write(request)
    return launch(name, text, signature, request.outputs[0].device, values, units, BLOCK)


def _by_blocks(request):
    """The Launch of scan_blocks.py, where that applies."""
    names, layouts, rows, outer, strides, units = _rows(request)
    length = (request.outputs[0].shape or (1,))[request.dim]
    if not scan_blocks.when(request, rows, units, length):
        return None
    numbers = geometry.Parameters()
    lines = _places(request, names, rows, outer, strides, units, length, numbers, " " * 4)
    wide = _wide(request)
    return scan_blocks.plan(request, names, dict(zip(names, layouts, strict=True)), lines, numbers, units, length,
                            _read(request, layouts[0].dtype.name, wide, "x", " + j * step_x"), wide)


def source(request):
    """The kernel text for a request."""
    return _write(request)[0]


def kernel(request):
    """(text, name, signature, threads a block) of a request's kernel."""
    return (*_write(request)[:3], BLOCK)


def _rows(request):
    """(names, layouts and strides of the operands, sizes and strides of the other dimensions, number of rows)."""
    layouts = [*request.inputs, *request.outputs]
    names = ["x", "a"][: len(request.inputs)] + ["out", "index"][: len(request.outputs)]
    shape = request.outputs[0].shape or (1,)
    rows = [t.strides or (1,) for t in layouts]
    dim = request.dim
    others = [d for d in range(len(shape)) if d != dim]
    out = rows[len(request.inputs)]
    others.sort(key=lambda d: (-abs(out[d]), d))
    outer, strides = coalesce([shape[d] for d in others], [[r[d] for d in others] for r in rows])
    return names, layouts, rows, outer, strides, math.prod(outer) if shape[dim] else 0


def _places(request, names, rows, outer, strides, units, length, numbers, pad):
    """Lines that turn `row` into the place of each operand's first element, in the direction of the walk."""
    lines = geometry.decode(pad, outer or (1,), {f"at_{n}": r if outer else (0,) for n, r in zip(
        names, strides, strict=True)}, numbers, "row", geometry.width(units))
    numbers.add("length", length)
    for n, r in zip(names, rows, strict=True):
        numbers.add(f"step_{n}", -r[request.dim] if request.reverse else r[request.dim])
    if request.reverse:  # from the end; strides are negative then
        lines += [f"{pad}at_{n} = at_{n} - (length - 1) * step_{n}" for n in names]
    return lines


def _wide(request):
    """The type in which totals run."""
    dtype = request.compute
    wide = _WIDE.get(dtype, dtype) if request.kind in ("sum", "prod", "recurrence", "logsumexp") else (
        write.compute_type(dtype))
    return "uint8" if wide == "bool" else wide


def _read(request, own, wide, name, place):
    """Text of an element of an operand in the type of totals."""
    plain = write.compute_type(request.compute)
    value = write.load(f"{name}[at_{name}{place}]", own)
    return write.convert(write.convert(value, write.compute_type(own), plain), plain, wide)


def _write(request):
    """(text, name, signature, values of the parameters, number of rows)."""
    names, layouts, rows, outer, strides, units = _rows(request)
    numbers, pad = geometry.Parameters(), " " * 8
    length = (request.outputs[0].shape or (1,))[request.dim]
    lines = _places(request, names, rows, outer, strides, units, length, numbers, pad)
    lines += _walk(request, dict(zip(names, layouts, strict=True)), pad)
    numbers.add("units", units)
    name = (f"cum{request.kind}_{request.compute}_{layouts[0].dtype.name}_{len(outer)}"
            f"{'_reverse' if request.reverse else ''}")
    head = [f"def {name}({', '.join([*names, *numbers.names])}):", "    row = grid()", "    if row < units:"]
    signature = (*(f"{write.storage(t.dtype.name)}*" for t in layouts), *numbers.types)
    return "\n".join([*head, *lines]) + "\n", name, signature, numbers.values, units


def _walk(request, layouts, pad):
    """Lines that walk a row."""
    kind, dtype = request.kind, request.compute
    plain = write.compute_type(dtype)
    wide = _wide(request)

    def read(name, place):
        return _read(request, layouts[name].dtype.name, wide, name, place)

    zero, one = (f"uint8({v})" if wide == "uint8" else write.literal(v, wide) for v in (0, 1))
    start = {"sum": zero, "prod": one, "recurrence": zero, "logsumexp": write.literal(-math.inf, wide) if
             wide.startswith("float") else zero}.get(kind)
    lines = [f"{pad}running = {start or read('x', '')}"]
    if kind in ("max", "min"):
        lines.append(f"{pad}place = int64(0)")
    lines += [f"{pad}j = int64(0)", f"{pad}while j < length:"]
    deep = pad + "    "
    lines.append(f"{deep}value = {read('x', ' + j * step_x')}")
    if kind in ("sum", "prod"):
        lines.append(f"{deep}running = {wide}(running {'+' if kind == 'sum' else '*'} value)")
    elif kind == "recurrence":
        lines.append(f"{deep}running = {wide}(value + {read('a', ' + j * step_a')} * running)")
    elif kind == "logsumexp":
        lines += [f"{deep}high = maximum(running, value)", f"{deep}low = minimum(running, value)",
                  f"{deep}if (high != high) or (low == high and (high == inf or high == -inf)) or low == -inf:",
                  f"{deep}    running = high",
                  f"{deep}else:", f"{deep}    running = high + log1p_float64(exp_float64(low - high))"]
    else:
        test = f"value {'>=' if kind == 'max' else '<='} running"
        if plain.startswith("float"):
            test = f"(value != value) or (running == running and {test})"
        lines += [f"{deep}if {test}:", f"{deep}    running = value", f"{deep}    place = j",
                  f"{deep}index[at_index + j * step_index] = place"]
    stored = write.store("running", wide, layouts["out"].dtype.name)
    return lines + [f"{deep}out[at_out + j * step_out] = {stored}", f"{deep}j = j + 1"]
