"""Template of running combinations along one dimension: y[i] = combine(y[i - 1], x[i]).

Units are up to LANES neighbouring rows that are walked side by side, so that rows which do not lie along memory are
still read a cache line at a time. float32 sums and products run in float64. Sums along memory take a row each,
whose elements are added up in registers.
"""

import math

from ..expr import write
from ..layout import coalesce
from . import geometry, streaming
from .compile import compile_kernel

LANES = 8
SHORTEST = 32  # elements from which sums along memory are formed in registers
_WIDE = {"float16": "float64", "bfloat16": "float64", "float32": "float64", "complex64": "complex128"}


def plan(request):
    """The Launch of a `Scan` request; inputs (x) or, for "recurrence", (x, coefficient)."""
    inputs, outputs = request.inputs, request.outputs
    names = ["x", "a"][: len(inputs)] + ["out", "index"][: len(outputs)]
    layouts = [*inputs, *outputs]
    shape = outputs[0].shape or (1,)
    rows = [t.strides or (1,) for t in layouts]
    dim, n = request.dim, (outputs[0].shape or (1,))[request.dim]
    others = [d for d in range(len(shape)) if d != dim]
    out = rows[len(inputs)]
    in_line = (request.kind == "sum" and rows[0][dim] == out[dim] == 1 and n >= SHORTEST
               and layouts[0].dtype.name == layouts[1].dtype.name == request.compute
               and request.compute in ("float32", "float64", "int64"))
    others.sort(key=lambda d: (-abs(out[d]), d))
    outer, outer_rows = coalesce([shape[d] for d in others], [[r[d] for d in others] for r in rows])
    if not outer:
        outer, outer_rows = (1,), [(0,)] * len(rows)
    if in_line:
        return _along(request, n, outer, outer_rows)
    width = outer[-1]
    groups = -(-width // LANES)
    units = math.prod(outer[:-1]) * groups
    values = [n, width, groups, *outer[:-1], *(r[dim] for r in rows)]
    at_rows = len(values)
    for r in outer_rows:
        values += r
    text, name, signature = _source(request, names, layouts, len(outer), at_rows)
    kernel = compile_kernel(name, text, signature)
    return geometry.launch(kernel, units if n else 0, geometry.GRAIN // max(1, n * LANES), values)


def _along(request, n, outer, rows):
    """The Launch of sums along memory: 16 elements at a time are summed in registers."""
    dtype, rank = request.compute, len(outer)
    streamed = streaming.when(*request.outputs)
    name = f"cumsum_{dtype}_line{rank}{'_reverse' * request.reverse}{'_streamed' * streamed}"
    total = "int64" if dtype == "int64" else "float64"
    piece, back = (streaming.PIECE if streamed else 16), int(request.reverse)
    place = "n - {size} - {at}" if back else "{at}"
    lines = [f"def {name}(x, out, meta, start, stop):", "    n = meta[0]",
             *[f"    kept = room(out, {piece})"] * streamed, "    for row in range(start, stop):",
             *geometry.decode(" " * 8, rank, 1, [("at_x", 1 + rank), ("at_out", 1 + 2 * rank)]),
             f"        total = {total}(0)", f"        for piece in range(n // {piece}):",
             f"            at = {place.format(size=piece, at=f'piece * {piece}')}"]
    if streamed:
        inner = f"{piece - 16} - k * 16" if back else "k * 16"
        lines += [f"            for k in range({piece // 16}):", f"                inner = {inner}",
                  f"                total = running(kept, inner, x, at_x + at + inner, total, {back})",
                  f"            stream(out, at_out + at, kept, 0, {piece})"]
    else:
        lines.append(f"            total = running(out, at_out + at, x, at_x + at, total, {back})")
    lines += [f"        for i in range(n // {piece} * {piece}, n):",
              f"            at = {place.format(size=1, at='i')}",
              f"            total = total + {total}(x[at_x + at])", f"            out[at_out + at] = {dtype}(total)"]
    kernel = compile_kernel(name, "\n".join(lines) + "\n", (f"{dtype}*", f"{dtype}*", "int64*"))
    return geometry.launch(kernel, math.prod(outer), geometry.GRAIN // n, n, outer, *rows)


def _source(request, names, layouts, rank, at_rows):
    kind, dtype = request.kind, request.compute
    plain = write.compute_type(dtype)
    wide = _WIDE.get(dtype, dtype) if kind in ("sum", "prod", "recurrence", "logsumexp") else plain
    wide = "uint8" if wide == "bool" else wide
    name = f"cum{kind}_{dtype}_{layouts[0].dtype.name}_{rank}{'_reverse' if request.reverse else ''}"
    lines = [f"def {name}({', '.join(names)}, meta, start, stop):",
             "    n = meta[0]", "    width = meta[1]", "    groups = meta[2]"]
    at_steps = 3 + rank - 1
    lines += [f"    step_{v} = meta[{at_steps + k}]" for k, v in enumerate(names)]
    lines += [f"    next_{v} = meta[{at_rows + k * rank + rank - 1}]" for k, v in enumerate(names)]
    lines += ["    for unit in range(start, stop):", f"        first = (unit % groups) * {LANES}",
              "        row = unit // groups"]
    lines += geometry.decode("        ", rank - 1, 3, [(f"at_{v}", at_rows + k * rank) for k, v in enumerate(names)])
    lines += [f"        at_{v} += first * next_{v}" for v in names]
    if request.reverse:
        lines += [f"        at_{v} += (n - 1) * step_{v}" for v in names]
    sign = "-" if request.reverse else ""
    lines += [f"        if width - first >= {LANES}:"]
    lines += _walk(request, names, layouts, wide, plain, "            ", list(range(LANES)), sign)
    lines += ["        else:", "            for lane in range(width - first):"]
    lines += _walk(request, names, layouts, wide, plain, "                ", ["lane"], sign)
    signature = tuple(f"{write.storage(t.dtype.name)}*" for t in layouts)
    return "\n".join(lines) + "\n", name, (*signature, "int64*")


def _walk(request, names, layouts, wide, plain, pad, lanes, sign):
    """Lines that walk rows side by side; a lane is a number or the name of a loop counter."""
    kind, lines = request.kind, []
    by_name = dict(zip(names, layouts, strict=True))

    def place(v, lane, j):
        offset = "" if lane == 0 else f" + {lane} * next_{v}"
        return f"{v}[at_{v}{offset} + {sign}{j} * step_{v}]"

    def read(v, lane, j):
        own = by_name[v].dtype.name
        value = write.load(place(v, lane, j), own)
        return write.convert(write.convert(value, write.compute_type(own), plain), plain, wide)

    zero, one = (f"uint8({v})" if wide == "uint8" else write.literal(v, wide) for v in (0, 1))
    start = {"sum": zero, "prod": one, "recurrence": zero}.get(kind)
    for lane in lanes:
        first = start or read("x", lane, 0)
        if kind == "logsumexp":
            first = write.literal(-math.inf, wide)
        lines.append(f"{pad}s{lane} = {first}")
        if kind in ("max", "min"):
            lines.append(f"{pad}i{lane} = int64(0)")
    lines.append(f"{pad}for j in range(n):")
    inner = pad + "    "
    for lane in lanes:
        s, v = f"s{lane}", f"v{lane}"
        lines.append(f"{inner}{v} = {read('x', lane, 'j')}")
        if kind == "sum":
            lines.append(f"{inner}{s} = {s} + {v}")
        elif kind == "prod":
            lines.append(f"{inner}{s} = {s} * {v}")
        elif kind == "recurrence":
            lines.append(f"{inner}{s} = {v} + {read('a', lane, 'j')} * {s}")
        elif kind == "logsumexp":
            lines += [f"{inner}high = maximum({s}, {v})", f"{inner}low = minimum({s}, {v})",
                      f"{inner}if (high != high) or (low == high and (high == inf or high == -inf)) or low == -inf:",
                      f"{inner}    {s} = high",
                      f"{inner}else:", f"{inner}    {s} = high + log1p_float64(exp_float64(low - high))"]
        else:
            compare = ">=" if kind == "max" else "<="
            test = f"{v} {compare} {s}"
            if plain.startswith("float"):
                test = f"({v} != {v}) or ({s} == {s} and {test})"
            lines += [f"{inner}if {test}:", f"{inner}    {s} = {v}", f"{inner}    i{lane} = int64(j)"]
            lines.append(f"{inner}{place('index', lane, 'j')} = i{lane}")
        lines.append(f"{inner}{place('out', lane, 'j')} = {write.store(s, wide, by_name['out'].dtype.name)}")
    return lines
