"""Template of index notation: one thread a result element, loops over the summed indices inside.

The plain nest: it takes any formula, dtype and strides; all products and convolutions run here that no faster template
recognises. Sums of float32 run in float64.
"""

import math

from ..expr import write
from ..expr.tree import arg, order
from . import geometry
from .launching import launch
from .totals import WIDE

BLOCK = 256


def plan(request):
    """The Launch of a `Nest` request."""
    text, name, signature, values, units = _write(request)
    return launch(name, text, signature, request.outputs[0].device, values, units, BLOCK)


def source(request):
    """The kernel text for a request."""
    return _write(request)[0]


def kernel(request):
    """(text, name, signature, threads a block) of a request's kernel."""
    return (*_write(request)[:3], BLOCK)


def outputs(request):
    """Names of a request's outputs."""
    return [f"out{k or ''}" for k in range(len(request.outputs))]


def index(e):
    """Text of an index formula."""
    if e.op == "arg":
        return e.args[0]
    if e.op == "const":
        return f"int64({int(e.args[0])})"
    symbol = {"add": "+", "sub": "-", "mul": "*", "floordiv": "//", "mod": "%"}.get(e.op)
    if symbol is None:
        raise ValueError(f"an index cannot be computed by {e.op}")
    return f"({index(e.args[0])} {symbol} {index(e.args[1])})"


class _Loads:
    """Reads of arrays, each written where it is needed; outside of an array they give 0."""

    def __init__(self, request, numbers):
        self.request, self.numbers, self.steps = request, numbers, {}
        for name, layout in request.arrays.items():
            for d in range(layout.ndim):
                stride = layout.strides[d]
                self.steps[name, d] = str(stride) if stride in (0, 1) else numbers.add(f"step{d}_{name}", stride)

    def read(self, node, name, indent):
        """The statement that reads a load into `name`."""
        array, *indices = node.args
        layout, type_ = self.request.arrays[array], self.request.compute
        texts = [index(i) for i in indices]
        guards, terms = [], []
        for d, (i, text) in enumerate(zip(indices, texts, strict=True)):
            if i.op != "arg":
                size = f"size{d}_{array}"
                if size not in self.numbers.names:
                    self.numbers.add(size, layout.shape[d])
                guards.append(f"0 <= {text} < {size}")
            step = self.steps[array, d]
            if step != "0":
                terms.append(text if step == "1" else f"{text} * {step}")
        value = write.load(f"{array}[{' + '.join(terms) or '0'}]", layout.dtype.name, type_)
        if guards:
            value = f"{value} if {' and '.join(guards)} else {write.literal(0, type_)}"
        return f"{indent}{name} = {value}"


def _write(request):
    """(text, name, signature, values of the parameters, number of results)."""
    if request.combine != "sum":
        raise ValueError(f"a nest cannot combine by {request.combine}")
    free, summed, pad = request.free, request.summed, " " * 4
    shape = [request.extents[n] for n in free]
    units, numbers, deep = math.prod(shape), geometry.Parameters(), " " * 8
    kind = geometry.width(units)
    loads = _Loads(request, numbers)
    lines = [f"{deep}rest = {kind}(unit)"]
    for k in range(len(free) - 1, -1, -1):
        if k:
            lines += geometry.taken_apart(deep, "rest", "part", shape[k], f"_{free[k]}", numbers, kind)
        lines.append(f"{deep}{free[k]} = int64({'part' if k else 'rest'})")
    type_ = request.compute
    wide = WIDE.get(type_, type_)
    inside = {id(n) for n in order(request.element)}
    finished = [request.finish if request.finish is not None else arg("total"), *request.also]
    roots = [request.element, *finished]
    reads = [n for n in order(*roots) if n.op == "load"]
    keep = [arg(n) for n in (*free, *summed)]
    bound = {id(node): (node.args[0], "int64") for node in keep}
    lines.append(f"{deep}total = {write.literal(0, wide)}")
    at = deep
    for name in summed:
        lines += [f"{at}{name} = int64(0)", f"{at}while {name} < {numbers.add(f'size_{name}', request.extents[name])}:"]
        at += pad
    for k, node in enumerate(reads):
        if id(node) in inside:
            lines.append(loads.read(node, f"v{k}", at))
            bound[id(node)] = (f"v{k}", type_)
    writer = write.Writer(type_, bound, at, "e")
    text, got = writer.typed(request.element, type_)
    lines += [*writer.lines, f"{at}total = total + {write.convert(text, got, wide)}"]
    for name in reversed(summed):
        lines.append(f"{at}{name} = {name} + 1")
        at = at[: -len(pad)]
    found = [(write.convert("total", wide, type_), type_)]
    if request.finish is not None or request.also:
        lines.append(f"{deep}sum_ = {found[0][0]}")
        keep.append(arg("total"))
        bound[id(arg("total"))] = ("sum_", type_)
        for k, node in enumerate(reads):
            if id(node) not in inside:
                lines.append(loads.read(node, f"v{k}", deep))
                bound[id(node)] = (f"v{k}", type_)
        writer = write.Writer(type_, bound, deep, "f")
        found = [writer.typed(root) for root in finished]
        lines += writer.lines
    del keep
    lines += [f"{deep}{name}[unit] = {write.store(text, got, out.dtype.name)}" for name, (text, got), out in zip(
        outputs(request), found, request.outputs, strict=True)]
    numbers.add("units", units)
    steps = "".join(geometry.stride_class(s) for a in request.arrays.values() for s in a.strides)
    name = f"{request.name}_{type_}_nest{len(free)}{len(summed)}_{steps}"
    head = [f"def {name}({', '.join([*request.arrays, *outputs(request), *numbers.names])}):", f"{pad}unit = grid()",
            f"{pad}if unit < units:"]
    signature = (*(f"{write.storage(a.dtype.name)}*" for a in request.arrays.values()),
                 *(f"{write.storage(out.dtype.name)}*" for out in request.outputs), *numbers.types)
    return "\n".join([*head, *lines]) + "\n", name, signature, numbers.values, units
