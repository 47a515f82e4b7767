"""Template of reductions over leading dimensions: columns side by side, each with a running total of its own.

Where the elements of a row lie far apart but those of neighbouring rows are adjacent (a sum over dimension 0), walking
row by row misses the cache at every step. Here a unit is a block of columns whose totals stay in the first-level cache,
and are read and written once for several rows.
"""

import functools
import math

from ..expr import write
from ..expr.derive import rank_of
from ..expr.functions import ROW, row_index, row_length
from ..expr.tree import arg, order
from ..layout import Layout
from . import geometry
from .compile import compile_kernel

BLOCK = 256  # columns a unit: 2 KB of float64 totals; what lowering/intrinsics.py's local arrays hold
ROWS = 8  # rows a visit to the totals: best of 1..16 on 512x512 and 4096x4096, 2-core EPYC
_TOTALS = {"row_sum": ("0", "{t} + {x}"), "row_prod": ("1", "{t} * {x}"), "row_max": ("-inf", "maximum({t}, {x})"),
           "row_min": ("inf", "minimum({t}, {x})"), "row_first": ("length", "min({t}, {at} if {x} else length)")}


def when(request, outer_shape, inner_shape, rows):
    """Whether this template applies: one operand, adjacent columns, results that are one value a row."""
    tensors = [o for o in request.operands if isinstance(o.layout, Layout)]
    if len(tensors) != 1 or not all(request.is_row) or request.compute not in ("float32", "float64"):
        return False
    if not outer_shape or len(inner_shape) != 1 or inner_shape[0] < 2 or outer_shape[-1] < 8:
        return False
    outer = len(outer_shape)
    if any(r[outer - 1] != 1 for r in rows) or rows[0][outer] in (0, 1):
        return False
    nodes = order(*request.roots)
    functions = [n for n in nodes if n.op in ROW]
    if not functions or any(n.op not in _TOTALS for n in functions) or any(n is row_index for n in nodes):
        return False
    # Elements may reach the result only through a row function.
    ranks = rank_of(*request.roots, row_args=[o.name for o in request.operands if o not in tensors])
    return all(ranks[id(r)] for r in request.roots)


def _levels(functions):
    """The row functions in passes: those of a pass use totals of earlier ones only."""
    level: dict[int, int] = {}
    for n in functions:  # operands stand before what uses them
        level[id(n)] = 1 + max((level[id(m)] for m in order(n.args[0]) if m.op in ROW), default=-1)
    return [[n for n in functions if level[id(n)] == k] for k in range(max(level.values()) + 1)]


def _total_type(n, compute):
    return {"row_sum": "float64", "row_prod": "float64", "row_first": "int64"}.get(n.op, compute)


def plan(request, outer_shape, inner_shape, rows):
    """The Launch of a `Rows` request for which `when` holds."""
    source, name, signature = text(request, len(outer_shape))
    kernel = compile_kernel(name, source, signature)
    blocks = -(-outer_shape[-1] // BLOCK)
    units = math.prod(outer_shape[:-1]) * blocks
    return geometry.launch(kernel, units, geometry.GRAIN // (min(BLOCK, outer_shape[-1]) * inner_shape[0]), outer_shape,
                           inner_shape, *rows)


def text(request, outer):
    """(kernel text, name, signature)."""
    (operand,) = [o for o in request.operands if isinstance(o.layout, Layout)]
    outputs = [f"out{k or ''}" for k in range(len(request.outputs))]
    names = [operand.name, *outputs]
    stride_at = {n: (outer + 1) * (k + 1) for k, n in enumerate(names)}
    name = f"{request.name}_{request.compute}_columns{outer}"
    pad = "    "
    lines = [f"def {name}({', '.join([*(o.name for o in request.operands), *outputs])}, meta, start, stop):",
             f"{pad}columns = meta[{outer - 1}]", f"{pad}length = meta[{outer}]",
             f"{pad}step = meta[{stride_at[operand.name] + outer}]",
             f"{pad}blocks = (columns + {BLOCK - 1}) // {BLOCK}"]
    bound = {id(row_length): (f"{request.compute}(length)", request.compute)}
    keep = [row_length, *request.roots]
    for o in request.operands:
        if o is not operand:
            number = {"float": "float64", "int": "int64", "bool": "int64"}[str(o.layout)]
            lines.append(f"{pad}{o.name}_ = {write.convert(o.name, number, o.dtype)}")
            bound[id(arg(o.name))] = (f"{o.name}_", o.dtype)
            keep.append(arg(o.name))
    functions = [n for n in order(*request.roots) if n.op in ROW]
    number = {id(n): k for k, n in enumerate(functions)}
    wide = {id(n): _total_type(n, request.compute) for n in functions}
    lines += [f"{pad}totals{k} = local_{wide[id(n)]}()" for k, n in enumerate(functions)]
    lines += [f"{pad}for unit in range(start, stop):", f"{pad * 2}first = (unit % blocks) * {BLOCK}",
              f"{pad * 2}row = unit // blocks", f"{pad * 2}width = min(columns - first, {BLOCK})"]
    lines += geometry.decode(pad * 2, outer - 1, 0, [(f"at_{n}", stride_at[n]) for n in names])
    lines.append(f"{pad * 2}for c in range(width):")
    for k, n in enumerate(functions):
        lines.append(f"{pad * 3}totals{k}[c] = {wide[id(n)]}({_TOTALS[n.op][0]})")
    start = f"at_{operand.name} + first + j * step"

    def values(pad, among):
        """Lines that bring totals into variables; they are bound."""
        found = []
        for n in among:
            k, result = number[id(n)], "int64" if n.op == "row_first" else request.compute
            found.append(f"{pad}total{k} = {write.convert(f'totals{k}[c]', wide[id(n)], result)}")
            bound[id(n)] = (f"total{k}", result)
        return found

    done: list = []
    for level in _levels(functions):
        below = {id(m) for n in level for m in order(n.args[0])}
        given = values(pad * 4, [n for n in done if id(n) in below])
        visit = functools.partial(_visit, request, operand, [(n, f"{number[id(n)]}", wide[id(n)]) for n in level],
                                  bound, given=given, pad=pad)
        lines += [f"{pad * 2}for block in range(length // {ROWS}):", f"{pad * 3}j = block * {ROWS}",
                  f"{pad * 3}place0 = {start}", *(f"{pad * 3}place{r} = place{r - 1} + step" for r in range(1, ROWS)),
                  *visit(ROWS),
                  f"{pad * 2}for j in range(length // {ROWS} * {ROWS}, length):", f"{pad * 3}place0 = {start}",
                  *visit(1)]
        done += level
    lines += [f"{pad * 2}for c in range(width):", *values(pad * 3, functions)]
    after = write.Writer(request.compute, bound, pad * 3, "r")
    stores = []
    for root, out, o in zip(request.roots, outputs, request.outputs, strict=True):
        value, type_ = after.typed(root)
        stores.append(f"{pad * 3}{out}[at_{out} + first + c] = {write.store(value, type_, o.dtype.name)}")
    lines += [*after.lines, *stores]
    del keep
    signature = tuple(
        f"{write.storage(o.layout.dtype.name)}*" if isinstance(o.layout, Layout) else
        {"float": "float64", "int": "int64", "bool": "int64"}[str(o.layout)] for o in request.operands)
    signature += tuple(f"{write.storage(o.dtype.name)}*" for o in request.outputs)
    return "\n".join(lines) + "\n", name, (*signature, "int64*")


def _visit(request, operand, level, bound, rows, given, pad):
    """A loop over the columns that adds some rows to the totals, one after the other; `given`: totals it uses."""
    lines = [f"{pad * 3}for c in range(width):", *given]
    lines += [f"{pad * 4}sum{k} = totals{k}[c]" for _, k, _ in level]
    name = operand.name
    for r in range(rows):
        element = write.load(f"{name}[place{r} + c]", operand.layout.dtype.name, operand.dtype)
        lines.append(f"{pad * 4}{name}_ = {element}")
        inside = write.Writer(request.compute, {**bound, id(arg(name)): (f"{name}_", operand.dtype)}, pad * 4, "e")
        adds = []
        for n, k, wide in level:
            value, type_ = inside.typed(n.args[0])
            value = write.convert(value, type_, "bool" if n.op == "row_first" else wide)
            adds.append(f"{pad * 4}sum{k} = {_TOTALS[n.op][1].format(t=f'sum{k}', x=value, at=f'j + {r}')}")
        lines += [*inside.lines, *adds]
    return lines + [f"{pad * 4}totals{k}[c] = sum{k}" for _, k, _ in level]
