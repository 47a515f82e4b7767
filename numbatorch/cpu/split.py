"""Template of reductions of few long rows: fixed pieces of a row, then their totals in order.

The pieces do not depend on the number of threads, so neither do the bits of the result.
"""

import math
from dataclasses import replace

from ..expr import write
from ..expr.functions import ROW, row_index, row_length
from ..expr.tree import arg, order
from ..layout import Layout
from . import geometry, memory
from .compile import compile_kernel

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
