"""Template of index notation: a loop over every result element, loops over the summed indices inside.

The plain nest: it takes any formula, dtype and strides. Faster templates answer requests that they recognise first
(contraction.py); all of them are tested against this one.
"""

import math

from ..expr import write
from ..expr.tree import Expr, arg, order
from . import contraction, geometry
from .compile import compile_kernel
from .row_functions import TOTAL


def plan(request):
    """The Launch of a `Nest` request: a fast template where one applies, else the nest."""
    return contraction.plan(request) or plain(request)


def plain(request):
    """The nest itself."""
    source_text, name, signature = _text(request)
    kernel = compile_kernel(name, source_text, signature)
    free = [request.extents[n] for n in request.free]
    summed = [request.extents[n] for n in request.summed]
    units = math.prod(free)
    grain = max(1, geometry.GRAIN // max(1, math.prod(summed)))
    return geometry.launch(kernel, units, grain, free, summed,
                           *[v for a in request.arrays.values() for v in (a.shape, a.strides)])


def source(request):
    """The kernel text for a request."""
    return _text(request)[0]


def _index(e):
    """Text of an index formula."""
    if e.op == "arg":
        return e.args[0]
    if e.op == "const":
        return str(int(e.args[0]))
    if e.op == "load":
        raise ValueError("an index read from an array belongs to the gather template")
    symbol = {"add": "+", "sub": "-", "mul": "*", "floordiv": "//", "mod": "%"}[e.op]
    return f"({_index(e.args[0])} {symbol} {_index(e.args[1])})"


def _text(request):
    arrays = request.arrays
    free, summed = request.free, request.summed
    outputs = [f"out{k or ''}" for k in range(len(request.outputs))]
    at = 0
    lines = []
    pad = "    "
    for name in (*free, *summed):
        lines.append(f"{pad}size_{name} = meta[{at}]")
        at += 1
    for name, a in arrays.items():
        for d in range(a.ndim):
            lines.append(f"{pad}{name}_n{d} = meta[{at + d}]")
            lines.append(f"{pad}{name}_s{d} = meta[{at + a.ndim + d}]")
        at += 2 * a.ndim
    lines.append(f"{pad}for unit in range(start, stop):")
    pad2 = pad * 2
    lines.append(f"{pad2}rest = unit")
    for k, name in enumerate(reversed(free)):
        if k < len(free) - 1:
            lines += [f"{pad2}{name} = rest % size_{name}", f"{pad2}rest = rest // size_{name}"]
        else:
            lines.append(f"{pad2}{name} = rest")
    roots = [request.element] + ([request.finish] if request.finish is not None else [])
    inside = {id(n) for n in order(request.element)}
    loads = [n for n in order(*roots) if n.op == "load"]
    type_ = request.compute
    wide = TOTAL.get(type_, type_) if request.combine == "sum" else type_
    lines.append(f"{pad2}total = {write.literal(0 if request.combine == 'sum' else 0, wide)}")
    deep = pad2
    for name in summed:
        lines.append(f"{deep}for {name} in range(size_{name}):")
        deep += pad
    bound = {id(arg(n)): (n, "int64") for n in (*free, *summed)}
    keep = [arg(n) for n in (*free, *summed)]

    def read(n, k, indent):
        array, *indices = n.args
        texts = [_index(i) for i in indices]
        guard = [f"0 <= {t} < {array}_n{d}" for d, (i, t) in enumerate(zip(indices, texts, strict=True))
                 if i.op != "arg"]
        place = " + ".join(f"{t} * {array}_s{d}" for d, t in enumerate(texts)) or "0"
        text = write.load(f"{array}[{place}]", arrays[array].dtype.name, type_)
        if guard:
            text = f"{text} if {' and '.join(guard)} else {write.literal(0, type_)}"
        bound[id(n)] = (f"v{k}", type_)
        return f"{indent}v{k} = {text}"

    body = [read(n, k, deep) for k, n in enumerate(loads) if id(n) in inside]
    writer = write.Writer(type_, bound, deep, "e")
    text, got = writer.typed(request.element, type_)
    lines += [*body, *writer.lines]
    if request.combine == "sum":
        lines.append(f"{deep}total = total + {write.convert(text, got, wide)}")
    else:
        raise ValueError(f"a nest cannot combine by {request.combine}")
    total_text, total_type = write.convert("total", wide, type_), type_
    if request.finish is not None:
        lines.append(f"{pad2}sum_ = {total_text}")
        bound[id(arg("total"))] = ("sum_", type_)
        keep.append(arg("total"))
        lines += [read(n, k, pad2) for k, n in enumerate(loads) if id(n) not in inside]
        writer = write.Writer(type_, bound, pad2, "f")
        total_text, total_type = writer.typed(request.finish)
        lines += writer.lines
    del keep
    out = request.outputs[0]
    lines.append(f"{pad2}out[unit] = {write.store(total_text, total_type, out.dtype.name)}")
    ranks = "".join(str(a.ndim) for a in arrays.values())
    name = f"{request.name}_{type_}_nest{len(free)}{len(summed)}_{ranks}"
    head = f"def {name}({', '.join([*arrays, *outputs])}, meta, start, stop):"
    signature = tuple(f"{write.storage(a.dtype.name)}*" for a in arrays.values()) + tuple(
        f"{write.storage(o.dtype.name)}*" for o in request.outputs) + ("int64*",)
    return "\n".join([head, *lines]) + "\n", name, signature


__all__ = ["Expr", "plain", "plan", "source"]
