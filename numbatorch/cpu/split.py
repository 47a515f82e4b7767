"""Sums made in fixed pieces, then of the pieces' totals in order: few long rows, and sums over many rows.

The pieces do not depend on the number of threads, so neither do the bits of the result.
"""

import math
from dataclasses import replace

from .. import dtypes
from ..expr import kinds, write
from ..expr.functions import ROW, row_index, row_length, row_sum
from ..expr.tree import arg, order
from ..layout import Layout, layout
from . import geometry, memory
from .compile import compile_kernel, kernel_of

LEAST, MOST = 64, 256  # rows whose elements are summed in the dtype computed in; blocks' totals in float64
FEW = 8  # rows up to which one is cut; more keep the threads busy by themselves
_NUMBER = {"float": "float64", "int": "int64", "bool": "int64"}


def when(request, outer_shape, inner_shape, classes):
    """Whether this template applies: few rows of many elements; row functions that do not depend on each other."""
    tensors = [o for o in request.operands if isinstance(o.layout, Layout)]
    rest = math.prod(inner_shape[1:])
    if math.prod(outer_shape) > FEW or inner_shape[0] * rest < 2 * geometry.GRAIN or rest > geometry.GRAIN:
        return False
    if not all(request.is_row) or "r" in classes[:len(tensors)]:
        return False
    nodes = order(*request.roots)
    functions = [n for n in nodes if n.op in ROW]
    if any(n.op == "row_first" or n is row_index for n in nodes):
        return False
    return bool(functions) and not any(m.op in ROW for n in functions for m in order(n.args[0]))


def plan(request, outer_shape, inner_shape, rows, classes):
    """The Launch of a `Rows` request for which `when` holds: two kernels, one after the other."""
    from .rows import _Kernel

    functions = tuple(n for n in order(*request.roots) if n.op in ROW)
    count, outer = len(functions), len(outer_shape)
    tensors = sum(isinstance(o.layout, Layout) for o in request.operands)
    partial = replace(request, roots=functions, is_row=(True,) * count, outputs=[request.outputs[0]] * count)
    kernel = _Kernel(partial, classes[:tensors] + "r" * count, outer, len(inner_shape), True)
    text, name, signature = kernel.text()
    first = compile_kernel(name, text, signature, independent=True)
    text, name, signature = _finish(request, functions, kernel.part_types, outer)
    second = compile_kernel(name, text, signature, independent=True)

    piece = geometry.GRAIN // math.prod(inner_shape[1:])
    pieces, many = -(-inner_shape[0] // piece), math.prod(outer_shape)
    unused = [(0,) * len(rows[0])] * count
    keep, meta = geometry.block(outer_shape, inner_shape, *rows[:tensors], *unused, piece, pieces)
    targets = [r[:outer] for r in rows[tensors:]]
    numbers = [k for k, o in enumerate(request.operands) if not isinstance(o.layout, Layout)]
    operands, each = len(request.operands), 16 * pieces * many  # complex128 at most

    def run(*given):
        block = memory.allocate(each * count)
        base = memory.address(block)
        parts = range(base, base + each * count, each)
        first(*given[:operands], *parts, meta, pieces * many, 1)
        second(*parts, *[given[k] for k in numbers], *given[operands:])
    run.keep = keep
    launch = geometry.launch(run, many, many, outer_shape, *targets, pieces, math.prod(inner_shape))
    launch.keep = (launch.keep, keep)  # `meta` is in it
    return launch


def together(request, outer_shape, inner_shape, rows, classes):
    """Whether sums over the rows are made beside the other results of a request: rows are contiguous."""
    from . import columns
    from .rows import LANES
    return (len(inner_shape) == 1 and request.compute in LANES and {*classes} <= {*"01r"}
            and not columns.when(request, outer_shape, inner_shape, rows))


def summed(request, outer_shape, inner_shape, rows, classes, streamed):
    """The Launch of a `Rows` request with sums over the rows.

    Where rows are contiguous a block of them is read once: its sums are made beside its other results, then those of
    all blocks. Otherwise these are two requests.
    """
    from . import rows as template

    if not together(request, outer_shape, inner_shape, rows, classes):
        return _apart(request)
    ahead = template.own_rows(request, rows, classes, len(outer_shape)) if streamed else ()
    form = classes, len(outer_shape), 1, False, streamed, ahead
    first = kernel_of(request, form, lambda: template._Kernel(request, *form).text(), independent=True)
    count, length = math.prod(outer_shape), inner_shape[0]
    height = min(max(geometry.GRAIN // max(1, length), LEAST), MOST)
    blocks, grain = -(-count // height), geometry.GRAIN // max(1, height * length)
    totals, own = request.outputs[-request.summed:], dtypes.by_name(request.compute)
    if blocks == 1 and all(o.dtype is own for o in totals):
        return geometry.launch(first, 1, 1, outer_shape, inner_shape, *rows, height, count)
    keep, meta = geometry.block(outer_shape, inner_shape, *rows, height, count)
    parts = [kinds.Operand(f"part{k}", layout(own, (blocks, length)), request.compute) for k in range(request.summed)]
    last = template.plan(kinds.Rows(f"{request.name}_totals", tuple(row_sum(arg(p.name)) for p in parts), parts,
                              [layout(o.dtype, (1, length)) for o in totals], (True,) * len(parts), (blocks, length),
                              (0,), request.compute))
    each, kept = parts[0].layout.nbytes + 63 & -64, len(request.operands) + len(request.outputs) - request.summed

    def run(*given):
        block = memory.allocate(each * len(parts))
        base = memory.address(block)
        places = range(base, base + each * len(parts), each)
        first(*given[:kept], *places, meta, blocks, grain or 1)
        last.kernel(*places, *given[kept:])
    run.keep = keep
    return kinds.Launch(run, last.meta, last.units, last.grain, (keep, last))


def _apart(request):
    """The Launch of a request with sums over the rows as two requests, one after the other."""
    from . import rows as template
    kept, dims = len(request.outputs) - request.summed, [d for d in range(len(request.shape)) if d not in request.dims]
    first = template.plan(replace(request, roots=request.roots[:kept], outputs=request.outputs[:kept],
                            is_row=request.is_row[:kept], summed=0))
    inside = [n for root in request.roots[kept:] for n in order(root)]
    if any(n.op in ROW or n is row_index or n is row_length for n in inside):
        raise NotImplementedError(f"{request.name}: sums over rows of values that look at a row, of {request.shape}")
    last = template.plan(replace(request, name=f"{request.name}_sums", roots=tuple(map(row_sum, request.roots[kept:])),
                           outputs=request.outputs[kept:], is_row=(True,) * request.summed, dims=tuple(dims), summed=0))
    operands = len(request.operands)

    def run(*given):
        first.kernel(*given[:operands + kept], first.meta, first.units, first.grain)
        last.kernel(*given[:operands], *given[operands + kept:])
    return kinds.Launch(run, last.meta, last.units, last.grain, (first, last))


def _finish(request, functions, types, outer):
    """(text, name, signature) of the kernel that adds up the pieces of each row and evaluates the formulas."""
    parts = [f"part{k}" for k in range(len(functions))]
    outputs = [f"out{k or ''}" for k in range(len(request.outputs))]
    numbers = [o for o in request.operands if not isinstance(o.layout, Layout)]
    at = outer * (len(outputs) + 1)
    name = f"{request.name}_{request.compute}_pieces{outer}"
    pad = "    "
    lines = [f"def {name}({', '.join([*parts, *(o.name for o in numbers), *outputs])}, meta, start, stop):",
             f"{pad}pieces = meta[{at}]", f"{pad}length = meta[{at + 1}]"]
    length_type = request.compute if request.compute.startswith(("float", "complex")) else "int64"
    bound, keep = {id(row_length): (f"{length_type}(length)", length_type)}, []
    for o in numbers:
        lines.append(f"{pad}{o.name}_ = {write.convert(o.name, _NUMBER[o.layout], o.dtype)}")
        keep.append(arg(o.name))
        bound[id(keep[-1])] = (f"{o.name}_", o.dtype)
    lines.append(f"{pad}for row in range(start, stop):")
    lines += geometry.decode(pad * 2, outer, 0, [(f"at_{n}", outer * (k + 1)) for k, n in enumerate(outputs)])
    for k, (n, (kept, value)) in enumerate(zip(functions, types, strict=True)):
        piece = write.load(f"part{k}[row * pieces + j]", kept)
        first = write.load(f"part{k}[row * pieces]", kept)
        lines += [f"{pad * 2}total{k} = {first}", f"{pad * 2}for j in range(1, pieces):", f"{pad * 3}piece = {piece}",
                  f"{pad * 3}total{k} = {_joined(n.op, f'total{k}', 'piece', kept)}",
                  f"{pad * 2}value{k} = {write.convert(f'total{k}', kept, value)}"]
        bound[id(n)] = (f"value{k}", value)
    writer = write.Writer(request.compute, bound, pad * 2, "r")
    stores = []
    for root, out, o in zip(request.roots, outputs, request.outputs, strict=True):
        value, type_ = writer.typed(root)
        stores.append(f"{pad * 2}{out}[at_{out}] = {write.store(value, type_, o.dtype.name)}")
    lines += [*writer.lines, *stores]
    del keep
    signature = (*(f"{write.storage(kept)}*" for kept, _ in types), *(_NUMBER[o.layout] for o in numbers),
                 *(f"{write.storage(o.dtype.name)}*" for o in request.outputs), "int64*")
    return "\n".join(lines) + "\n", name, signature


def _joined(op, total, piece, type_):
    """Text of two pieces' totals as one."""
    if op in ("row_sum", "row_prod"):
        return f"{total} {'+' if op == 'row_sum' else '*'} {piece}"
    if type_ == "bool":
        return f"{total} {'|' if op in ('row_any', 'row_max') else '&'} {piece}"
    if type_.startswith("float"):
        return f"{op[4:]}imum({total}, {piece})"
    return f"{piece} if {piece} {'>' if op == 'row_max' else '<'} {total} else {total}"
