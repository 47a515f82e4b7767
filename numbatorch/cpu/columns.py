"""Template of reductions over leading dimensions: columns side by side, each with a running total of its own.

Where the elements of a row lie far apart but those of neighbouring rows are adjacent (a sum over dimension 0), walking
row by row misses the cache at every step. Here a unit is a block of columns whose totals stay in the first-level cache,
and are read and written once for several rows. Operands are adjacent along the columns, or the same for all of them
(a factor of each line). To ask early for the next lines of what no cache holds was no faster.
"""

import functools
import math

from ..expr import write
from ..expr.derive import rank_of
from ..expr.functions import ROW, row_index, row_length
from ..expr.tree import arg, names, order
from ..layout import Layout
from . import geometry, threads
from .compile import kernel_of

BLOCK = 1024  # columns a unit at most, a page of float32: 256 took 1.2 times as long for 4096x4096
LEAST, PARTS = 64, 4  # columns a unit otherwise: so many units, or one a thread, that no thread waits long for another
ROWS = 8  # rows a visit to the totals: best of 1..16 on 512x512 and 4096x4096, 2-core EPYC
_TOTALS = {"row_sum": ("0", "{t} + {x}"), "row_prod": ("1", "{t} * {x}"), "row_max": ("-inf", "maximum({t}, {x})"),
           "row_min": ("inf", "minimum({t}, {x})"), "row_first": ("length", "min({t}, {at} if {x} else length)"),
           "row_any": ("0", "{t} | int64({x})"), "row_all": ("1", "{t} & int64({x})")}
_WHOLE = {"row_max": (write.literal(-2**63, "int64"), "where({t} > {x}, {t}, {x})"),
          "row_min": (write.literal(2**63 - 1, "int64"), "where({t} < {x}, {t}, {x})")}  # of whole numbers
_TRUTH = ("row_any", "row_all", "row_first")  # of which elements count by being true or not


def when(request, outer_shape, inner_shape, rows):
    """Whether this template applies: adjacent columns, results that are one value a row."""
    tensors = [o for o in request.operands if isinstance(o.layout, Layout)]
    if not tensors or not all(request.is_row) or request.compute.startswith(("complex", "uint64")):
        return False
    if not outer_shape or len(inner_shape) != 1 or inner_shape[0] < 2 or outer_shape[-1] < 8:
        return False
    outer = len(outer_shape)
    steps = [r[outer - 1] for r in rows]
    if any(step != 1 for step in steps[len(tensors):]) or not {*steps} <= {0, 1}:
        return False
    if not any(step == 1 and r[outer] not in (0, 1) for step, r in zip(steps, rows[:len(tensors)], strict=False)):
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


def _types(request, functions, bound):
    """{id of a row function: (type of its totals, type of its value)}; bound: what stands for rows' numbers."""
    known = bound | {id(arg(o.name)): ("", o.dtype) for o in request.operands}
    writer, found = write.Writer(request.compute, known, "", "t"), {}
    for n in functions:
        own = writer.typed(n.args[0])[1]
        total = "float64" if n.op in ("row_sum", "row_prod") else own
        total = total if own.startswith("float") and n.op not in _TRUTH else "int64"
        value = "int64" if n.op == "row_first" else "bool" if n.op in _TRUTH else own
        if n.op in ("row_sum", "row_prod") and not own.startswith("float"):
            value = "int64"
        found[id(n)] = total, value
        writer.bound[id(n)] = "", value
    return found


def _steps(n, total):
    """(what a total begins with, how an element joins it)."""
    return _WHOLE.get(n.op, _TOTALS[n.op]) if total == "int64" else _TOTALS[n.op]


def plan(request, outer_shape, inner_shape, rows):
    """The Launch of a `Rows` request for which `when` holds."""
    form = "columns", len(outer_shape), _classes(request, outer_shape, rows)
    kernel = kernel_of(request, form, lambda: text(request, *form[1:]))
    columns = outer_shape[-1]
    block = min(BLOCK, -(-columns // (LEAST * max(PARTS, threads.get_num_threads()))) * LEAST)
    units = math.prod(outer_shape[:-1]) * -(-columns // block)
    return geometry.launch(kernel, units, geometry.GRAIN // (min(block, columns) * inner_shape[0]), outer_shape,
                           inner_shape, *rows, block)


def _classes(request, outer_shape, rows):
    """Of each tensor: "1", adjacent along the columns, or "0", the same for all."""
    tensors = [o for o in request.operands if isinstance(o.layout, Layout)]
    return "".join(str(r[len(outer_shape) - 1]) for _, r in zip(tensors, rows, strict=False))


def text(request, outer, classes=""):
    """(kernel text, name, signature)."""
    tensors = [o for o in request.operands if isinstance(o.layout, Layout)]
    classes = classes or "1" * len(tensors)
    walked = list(zip(tensors, classes, strict=True))
    outputs = [f"out{k or ''}" for k in range(len(request.outputs))]
    places = [*(o.name for o in tensors), *outputs]
    stride_at = {n: (outer + 1) * (k + 1) for k, n in enumerate(places)}
    name = f"{request.name}_{request.compute}_columns{outer}_{classes}"
    pad = "    "
    lines = [f"def {name}({', '.join([*(o.name for o in request.operands), *outputs])}, meta, start, stop):",
             f"{pad}columns = meta[{outer - 1}]", f"{pad}length = meta[{outer}]",
             *(f"{pad}step_{o.name} = meta[{stride_at[o.name] + outer}]" for o in tensors),
             f"{pad}wide = meta[{(outer + 1) * (len(places) + 1)}]", f"{pad}blocks = (columns + wide - 1) // wide"]
    length_type = request.compute if request.compute.startswith("float") else "int64"
    bound = {id(row_length): (f"{length_type}(length)", length_type)}
    keep = [row_length, *request.roots, *(arg(o.name) for o in request.operands)]
    for o in request.operands:
        if o not in tensors:
            number = {"float": "float64", "int": "int64", "bool": "int64"}[str(o.layout)]
            lines.append(f"{pad}{o.name}_ = {write.convert(o.name, number, o.dtype)}")
            bound[id(arg(o.name))] = (f"{o.name}_", o.dtype)
    functions = [n for n in order(*request.roots) if n.op in ROW]
    number = {id(n): k for k, n in enumerate(functions)}
    types = _types(request, functions, bound)
    lines += [f"{pad}totals{k} = room(local_{types[id(n)][0]}(), {BLOCK})" for k, n in enumerate(functions)]
    lines += [f"{pad}for unit in range(start, stop):", f"{pad * 2}first = (unit % blocks) * wide",
              f"{pad * 2}row = unit // blocks", f"{pad * 2}width = min(columns - first, wide)"]
    lines += geometry.decode(pad * 2, outer - 1, 0, [(f"at_{n}", stride_at[n]) for n in places])
    lines.append(f"{pad * 2}for c in range(width):")
    for k, n in enumerate(functions):
        total = types[id(n)][0]
        lines.append(f"{pad * 3}totals{k}[c] = {total}({_steps(n, total)[0]})")
    starts = {o.name: f"at_{o.name} + {'' if c == '0' else 'first + '}j * step_{o.name}" for o, c in walked}

    def values(pad, among):
        """Lines that bring totals into variables; they are bound."""
        found = []
        for n in among:
            k, (total, value) = number[id(n)], types[id(n)]
            found.append(f"{pad}total{k} = {write.convert(f'totals{k}[c]', total, value)}")
            bound[id(n)] = (f"total{k}", value)
        return found

    done: list = []
    for level in _levels(functions):
        below = {id(m) for n in level for m in order(n.args[0])}
        given = values(pad * 4, [n for n in done if id(n) in below])
        visit = functools.partial(_visit, request, walked, [(n, number[id(n)], types[id(n)][0]) for n in level],
                                  bound, given=given, pad=pad)
        first = [f"{pad * 3}on0_{n} = {start}" for n, start in starts.items()]
        further = [f"{pad * 3}on{r}_{n} = on{r - 1}_{n} + step_{n}" for n in starts for r in range(1, ROWS)]
        lines += [f"{pad * 2}for block in range(length // {ROWS}):", f"{pad * 3}j = block * {ROWS}",
                  *first, *further, *visit(ROWS),
                  f"{pad * 2}for j in range(length // {ROWS} * {ROWS}, length):", *first, *visit(1)]
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


def _visit(request, walked, level, bound, rows, given, pad):
    """Loops over the columns that add some rows to the totals, one after the other; `given`: totals they use."""
    lines = []
    for o, c in walked:
        if c == "0":
            lines += [f"{pad * 3}value{r}_{o.name} = "
                      f"{write.load(f'{o.name}[on{r}_{o.name}]', o.layout.dtype.name, o.dtype)}" for r in range(rows)]
    for part in _parts(level):
        lines += [f"{pad * 3}for c in range(width):", *given, *_adds(request, walked, part, dict(bound), rows, pad * 4)]
    return lines


def _parts(level):
    """The row functions of a level by the bytes of their totals, each in a loop of its own: totals of 8 bytes make
    vectors of half as many columns. All in one where a costly value would be made in both."""
    from .rows import _CALLS
    parts = [[e for e in level if (e[2] == "float32") is narrow] for narrow in (False, True)]
    costly = [{id(m) for n, *_ in part for m in order(n.args[0]) if m.op in _CALLS} for part in parts]
    return [level] if costly[0] & costly[1] else [part for part in parts if part]


def _adds(request, walked, level, own, rows, pad):
    """Lines that add an element of each of some rows to the totals of a column; own: what is bound, to be changed."""
    lines = [f"{pad}sum{k} = totals{k}[c]" for _, k, _ in level]
    used = set(names(*(n.args[0] for n, *_ in level)))
    keep = [arg(o.name) for o, _ in walked]
    for r in range(rows):
        for o, c in walked:
            own[id(arg(o.name))] = (f"value{r}_{o.name}", o.dtype)
            if c != "0" and o.name in used:
                element = write.load(f"{o.name}[on{r}_{o.name} + c]", o.layout.dtype.name, o.dtype)
                lines.append(f"{pad}value{r}_{o.name} = {element}")
        inside = write.Writer(request.compute, own, pad, f"e{r}_")
        adds = []
        for n, k, total in level:
            value, type_ = inside.typed(n.args[0])
            value = write.convert(value, type_, "bool" if n.op in _TRUTH else total)
            adds.append(f"{pad}sum{k} = {_steps(n, total)[1].format(t=f'sum{k}', x=value, at=f'j + {r}')}")
        lines += [*inside.lines, *adds]
    del keep
    return lines + [f"{pad}totals{k}[c] = sum{k}" for _, k, _ in level]
