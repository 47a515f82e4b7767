"""Template of elementwise formulas: a flat loop where every operand is contiguous or one value, else the nest.

The nest walks up to any number of dimensions: units are rows of the fastest one, whose strides 0 and 1 are written into
the kernel so that LLVM can vectorise it. Where an operand is contiguous along another dimension than the result (a
transposed one), units are tiles of these two, small enough that each cache line of the operand is read once; mere
copies of that kind have a template of their own, `transpose.py`, which also comes first where operands are large.
"""

import math
from dataclasses import replace

from ..expr import kinds, tree, write
from ..expr.tree import arg
from ..layout import Layout, broadcast_strides, layout as layout_of
from . import geometry, streaming, transpose
from .compile import compile_kernel, kernel_of

ACROSS, ALONG = 64, 16  # tile: along the operand's and the result's fastest dimension; best of 8..64, 2-core EPYC

SHORT = 8  # elements: where an operand leaps along so few, a longer dimension is walked (pixel_shuffle: a sixth)

LARGE = 2048  # elements of an operand that lies across and is turned over first

_NUMBER = {"float": "float64", "int": "int64", "bool": "int64"}


def plan(request):
    """The Launch of an `Elementwise` request."""
    shape, rows, flat, classes, tiled = _walk(request)
    if tiled == "across" and transpose.when(request):
        return transpose.plan(request, shape, rows)
    across = _turned(request) if tiled == "across" else {}
    if across:
        from . import operands
        return operands.staged(plan(replace(request, operands=[
            replace(o, layout=across.get(k, o.layout)) for k, o in enumerate(request.operands)])),
            {k: operands.converted(request.operands[k].layout, own) for k, own in across.items()})
    streamed = flat and "0" not in classes[-len(request.outputs):] and streaming.when(*request.outputs)
    form = classes, 0 if flat else len(shape), bool(tiled), streamed
    kernel = kernel_of(request, form, lambda: _source(request, *form), independent=True)
    if tiled:
        tiles = (-(-shape[-2] // ACROSS), -(-shape[-1] // ALONG))
        return geometry.launch(kernel, math.prod(shape[:-2]) * math.prod(tiles), geometry.GRAIN // (ACROSS * ALONG),
                               shape, *rows, tiles)
    if flat:
        return geometry.launch(kernel, shape[0], geometry.GRAIN)
    return geometry.launch(kernel, math.prod(shape[:-1]), geometry.GRAIN // max(1, shape[-1]), shape, *rows)


def nest(request, classes, rank):
    """The kernel of a request that walks rows of any lengths and strides, which its block has: sizes, then the strides
    of each operand, `rank` numbers each. classes: "0" or "1" for the step of each along rows."""
    text, name, signature = _source(request, classes, rank)
    return compile_kernel(name, text, signature, independent=True)


def source(request):
    """The kernel text for a request."""
    shape, _, flat, classes, tiled = _walk(request)
    if tiled == "across" and transpose.when(request):
        return transpose.text(request, len(shape))[1]
    return _source(request, classes, 0 if flat else len(shape), bool(tiled))[0]


def turns(request):
    """Whether a request is a mere copy of what lies across its result, which has a template of its own."""
    return transpose.when(request) and _walk(request)[-1] == "across"


def _walk(request):
    """(sizes, strides of each operand, whether one flat loop does, inner stride classes, why to walk in tiles)."""
    tensors = [o for o in request.operands if isinstance(o.layout, Layout)]
    rows = [broadcast_strides(o.layout.shape, o.layout.strides, request.shape) for o in tensors]
    rows += [broadcast_strides(o.shape, o.strides, request.shape) for o in request.outputs]
    shape, rows = geometry.ordered(request.shape, rows)
    if math.prod(shape) == 0:
        shape, rows = (0,), [(1,)] * len(rows)
    if not shape:
        shape, rows = (1,), [(1,)] * len(rows)
    flat = len(shape) == 1 and all(r[0] in (0, 1) for r in rows)
    last, across, tiled = len(shape) - 1, _across(shape, rows[:-1]), None
    if across is not None:
        tiled, pair = "across", (across, last)
    elif last and shape[-1] < SHORT and max(shape[:-1]) >= ALONG and any(r[-1] not in (0, 1) for r in rows[:-1]):
        long = max(range(last), key=lambda d: (min(shape[d], ALONG), any(r[d] == 1 for r in rows)))
        tiled, pair = "short", (last, long)
    if tiled:  # these two dimensions become the last ones
        order = [*(d for d in range(len(shape)) if d not in pair), *pair]
        shape, rows = tuple(shape[d] for d in order), [tuple(r[d] for d in order) for r in rows]
    return shape, rows, flat, "".join(geometry.stride_class(r[-1]) for r in rows), tiled


def _turned(request):
    """{number of a large operand that lies across: the layout in which a loop reads it along the result}.

    A loop over what was turned over in registers is made of vectors: with a 512x512 operand a sum takes 70 us instead
    of 136, exponentials 83 instead of 171, `where` 107 instead of 349.
    """
    out = request.outputs[0]
    if any(o.strides != out.strides for o in request.outputs) or out.nbytes != out.numel * out.dtype.itemsize:
        return {}
    found = {}
    for k, o in enumerate(request.operands):
        own = o.layout
        if isinstance(own, Layout) and own.numel >= LARGE and own.shape == request.shape == out.shape:
            made = layout_of(own.dtype, own.shape, out.strides, own.device)
            compute = own.dtype.compute
            if turns(kinds.Elementwise("copy", (arg("input"),), [kinds.Operand("input", own, compute)], [made],
                                       own.shape, compute)):
                found[k] = made
    return found


def _across(shape, rows):
    """The dimension along which an operand lies contiguous that leaps along the last one; None where there is none."""
    if len(shape) < 2 or shape[-1] < 8:
        return None
    for row in rows:
        if row[-1] not in (0, 1):
            return next((d for d in range(len(shape) - 1) if row[d] == 1 and shape[d] >= 8), None)
    return None


def _chosen(writer, root, position, request, apart):
    """(text, type) of `where` by bits; (None, None) for what else is as fast.

    LLVM makes a load that only some lanes need a masked one, and these wait for stores in flight: 64 MB took 1.6 times
    as long. It does not see through the shift of a bool operand, which makes 0 of 0 and -1 of any other byte, nor into
    memory, where apart(condition) leaves the bits of other conditions beforehand and gives their place.
    """
    if root.op != "where" or request.compute not in ("float32", "float64"):
        return None, None
    condition, *branches = root.args
    tensors = {o.name: o for o in request.operands if isinstance(o.layout, Layout)}
    by_bool = condition.op == "arg" and condition.args[0] in tensors and (
        tensors[condition.args[0]].layout.dtype.name == "bool")
    alone = [b for b in branches if b.op == "arg" and b.args[0] in tensors and b.args[0] not in tree.names(condition)
             and tensors[b.args[0]].layout.dtype.name == request.compute]
    if not by_bool and not alone:
        return None, None
    pairs = [writer.typed(branch) for branch in branches]
    if {type_ for _, type_ in pairs} != {request.compute}:
        return None, None
    size = request.compute[5:]
    a, b = (f"as_int{size}({text})" for text, _ in pairs)
    if by_bool:
        byte = f"{condition.args[0]}[{position[condition.args[0]]}]"
        mask = f"int{size}(int{size}(int{size}(0) - int{size}({byte})) >> int{size}(8))"
    else:
        mask = f"as_int{size}({apart(condition)})"
    return f"as_float{size}(int{size}({b} ^ int{size}(int{size}({a} ^ {b}) & {mask})))", request.compute


def _source(request, classes, rank, tiled=False, streamed=False):
    """Kernel text, name and signature. rank 0 is the flat loop, which may be `streamed`: written past the caches."""
    tensors = [o for o in request.operands if isinstance(o.layout, Layout)]
    outputs = [f"out{k or ''}" for k in range(len(request.outputs))]
    names = [o.name for o in tensors] + outputs
    inner = dict(zip(names, classes, strict=True))
    layout_name = f"flat{'_streamed' * streamed}" if rank == 0 else f"{'tiles' if tiled else 'nest'}{rank}"
    name = f"{request.name}_{request.compute}_{layout_name}_{classes}"
    lines = [f"def {name}({', '.join([o.name for o in request.operands] + outputs)}, meta, start, stop):"]
    bound = {}
    pad = "    "
    body = pad * (3 if streamed else 2 if rank == 0 else 4 if tiled else 3)
    position = {}
    for n in names:
        offset = "first" * (streamed and inner[n] == "1") if rank == 0 else f"{'on' if tiled else 'at'}_{n}"
        step = {"0": "", "1": "i", "n": f"i * step_{n}"}[inner[n]]
        position[n] = " + ".join(t for t in (offset, step) if t) or "0"
    before, inside = [], []
    used = set(tree.names(*request.roots))
    for o in request.operands:
        if o.name not in used:
            continue
        if not isinstance(o.layout, Layout):
            before.append(f"{pad}{o.name}_ = {write.convert(o.name, _NUMBER[o.layout], o.dtype)}")
        else:
            text = write.load(f"{o.name}[{position[o.name]}]", o.layout.dtype.name, o.dtype)
            hoist = inner[o.name] == "0"
            target = (before if rank == 0 else inside) if hoist else None
            if hoist:
                indent = pad if rank == 0 else body[:-len(pad)]
                target.append(f"{indent}{o.name}_ = {text}")
            else:
                bound[o.name] = f"{body}{o.name}_ = {text}"
    values = {id(arg(o.name)): (f"{o.name}_", o.dtype) for o in request.operands}
    writer = write.Writer(request.compute, values, body)
    keep = [arg(o.name) for o in request.operands]
    stores, first = [], []

    def apart(condition):
        """Write a loop of its own for a condition; the place of its bits."""
        own, mask = write.Writer(request.compute, values, body, f"c{len(before)}_"), f"mask{len(before)}"
        size = request.compute[5:]
        bits = f"int{size}(int{size}(0) - int{size}({own.typed(condition, 'bool')[0]}))"
        before.append(f"{pad}{mask} = local_{request.compute}()")
        first.extend([f"{pad * 2}for i in range(count):",
                      *(bound[name] for name in tree.names(condition) if name in bound), *own.lines,
                      f"{body}{mask}[i] = as_{request.compute}({bits})"])
        return f"{mask}[i]"

    for root, out, layout in zip(request.roots, outputs, request.outputs, strict=True):
        text, type_ = _chosen(writer, root, position, request, apart) if streamed else (None, None)
        if text is None:
            text, type_ = writer.typed(root, None if root.op != "const" else write.compute_type(layout.dtype.name))
        place = f"room_{out}[i]" if streamed else f"{out}[{position[out]}]"
        stores.append(f"{body}{place} = {write.store(text, type_, layout.dtype.name)}")
    del keep
    loop = [*bound.values(), *writer.lines, *stores]
    if streamed:
        lines += [*before, *(f"{pad}room_{out} = room({out}, {streaming.PIECE})" for out in outputs),
                  f"{pad}for piece in range((stop - start + {streaming.PIECE - 1}) // {streaming.PIECE}):",
                  f"{pad * 2}first = start + piece * {streaming.PIECE}",
                  f"{pad * 2}count = min({streaming.PIECE}, stop - first)", *first,
                  f"{pad * 2}for i in range(count):", *loop,
                  *(f"{pad * 2}stream({out}, first, room_{out}, 0, count)" for out in outputs)]
    elif rank == 0:
        lines += [*before, f"{pad}for i in range(start, stop):", *loop]
    elif tiled:
        stride_at = {n: rank * (k + 1) for k, n in enumerate(names)}
        tiles = rank * (len(names) + 1)
        lines += [f"{pad}step_{n} = meta[{stride_at[n] + rank - 1}]" for n in names if inner[n] == "n"]
        lines += [*before, f"{pad}for unit in range(start, stop):",
                  f"{pad * 2}row = unit // (meta[{tiles}] * meta[{tiles + 1}])",
                  f"{pad * 2}first_j = unit // meta[{tiles + 1}] % meta[{tiles}] * {ACROSS}",
                  f"{pad * 2}first_i = unit % meta[{tiles + 1}] * {ALONG}",
                  f"{pad * 2}last_j = min(first_j + {ACROSS}, meta[{rank - 2}])",
                  f"{pad * 2}last_i = min(first_i + {ALONG}, meta[{rank - 1}])"]
        lines += geometry.decode(pad * 2, rank - 2, 0, [(f"at_{n}", stride_at[n]) for n in names])
        lines += [f"{pad * 2}for j in range(first_j, last_j):"]
        lines += [f"{pad * 3}on_{n} = at_{n} + j * meta[{stride_at[n] + rank - 2}]" for n in names]
        lines += [*inside, f"{pad * 3}for i in range(first_i, last_i):", *loop]
    else:
        stride_at = {n: rank * (k + 1) for k, n in enumerate(names)}
        lines += [f"{pad}inner = meta[{rank - 1}]"]
        lines += [f"{pad}step_{n} = meta[{stride_at[n] + rank - 1}]" for n in names if inner[n] == "n"]
        lines += [*before, f"{pad}for row in range(start, stop):"]
        lines += geometry.decode(pad * 2, rank - 1, 0, [(f"at_{n}", stride_at[n]) for n in names])
        lines += [*inside, f"{pad * 2}for i in range(inner):", *loop]
    signature = tuple(
        _NUMBER[o.layout] if not isinstance(o.layout, Layout) else f"{write.storage(o.layout.dtype.name)}*"
        for o in request.operands) + tuple(f"{write.storage(o.dtype.name)}*" for o in request.outputs) + ("int64*",)
    return "\n".join(lines) + "\n", name, signature
