"""Template of elementwise formulas whose operands have their neighbours along another dimension than the result.

A block takes 32 x 32 positions of both dimensions. What lies along the other one is read along it, to shared memory,
and taken out across: memory is read and written by neighbouring threads at neighbouring places either way.
"""

import math

from ..expr import tree, write
from ..expr.kinds import Launch
from ..expr.tree import arg, order
from ..layout import Layout
from . import geometry
from .launching import call

BLOCK, EDGE = 256, 32
TURN = EDGE // (BLOCK // EDGE)  # elements of a thread
LEAST = 16  # size of either dimension from which a tile is no waste
LONG = 80  # nodes of a formula beyond which it is not written out several times
SHARED = 48 << 10  # bytes that every block may have
_KEPT = {"int8": "int32", "uint8": "int32", "int16": "int32", "bool": "int32", "uint32": "int32", "uint64": "int64"}


def plan(request, names, shape, strides, layouts):
    """The Launch of an `Elementwise` request whose dimensions are merged already; None where it has nothing to turn."""
    tensors = [o for o in request.operands if isinstance(o.layout, Layout)]
    outputs, used = names[len(tensors):], set(tree.names(*request.roots))
    if any(strides[n][-1] != 1 for n in outputs) or len(shape) < 2 or len(order(*request.roots)) > LONG:
        return None
    across = [o for o in tensors if o.name in used and strides[o.name][-1] not in (0, 1) and 1 in strides[o.name]]
    dims = {strides[o.name].index(1) for o in across}
    if len(dims) != 1 or min(shape[-1], shape[dim := dims.pop()]) < LEAST:
        return None
    sizes = [EDGE * (EDGE + 1) * max(4, o.layout.dtype.itemsize) for o in across]
    if sum(sizes) > SHARED:
        return None
    name, text, signature, values, blocks = _write(request, shape, strides, outputs, dim, across, sizes)
    return Launch(call(name, text, signature, request.outputs[0].device, values, blocks, BLOCK, shared=sum(sizes)), 0,
                  math.prod(shape), 1)


def _write(request, shape, strides, outputs, dim, across, sizes):
    """(name, text, signature, values, blocks) of the kernel."""
    from .elementwise import NUMBER, operand_types
    outer = [d for d in range(len(shape) - 1) if d != dim]
    tiles = [-(-shape[d] // EDGE) for d in (dim, -1)]
    numbers, pad, deep = geometry.Parameters(), " " * 4, " " * 8
    blocks = math.prod(shape[d] for d in outer) * tiles[0] * tiles[1]
    starts = {f"at_{n}": (*(r[d] for d in outer), EDGE * r[dim], EDGE * r[-1]) for n, r in strides.items()}
    starts |= {f"first_{k}": (*(0 for _ in outer), *(EDGE * (k == side) for side in (0, 1))) for k in (0, 1)}
    lines = [f"{pad}thread, base = int32(thread_index()), int32(shared_base())",
             f"{pad}lane, line = int32(thread & {EDGE - 1}), int32(thread // {EDGE})",
             *geometry.decode(pad, (*(shape[d] for d in outer), *tiles), starts, numbers, "block_index()",
                              geometry.width(blocks))]
    limits = [numbers.add(f"size_{k}", shape[d]) for k, d in ((0, dim), (1, -1))]
    steps = {n: [str(r[d]) if r[d] in (0, 1) else numbers.add(f"step_{k}_{n}", r[d]) for k, d in ((0, dim), (1, -1))]
             for n, r in strides.items()}
    places, start = {}, 0
    for o, size in zip(across, sizes, strict=True):
        storage = write.storage(o.layout.dtype.name)
        kept = _KEPT.get(storage, storage)
        each = max(4, o.layout.dtype.itemsize)
        for k in range(TURN):
            row = f"(line + {k * BLOCK // EDGE})"
            lines += [f"{pad}if first_0 + lane < {limits[0]} and first_1 + {row} < {limits[1]}:",
                      f"{deep}shared_write(uint32(base + {start} + ({row} * {EDGE + 1} + lane) * {each}), "
                      f"{kept}({o.name}[at_{o.name} + lane + {row} * {steps[o.name][1]}]))"]
        places[o.name] = (f"{storage}(shared_read_{kept}(uint32(base + {start} + (lane * {EDGE + 1} + "
                          "{row}) * " + f"{each})))")
        start += size
    lines.append(f"{pad}barrier()")
    keep, used = [arg(o.name) for o in request.operands], set(tree.names(*request.roots))
    for k in range(TURN):
        row, bound = f"(line + {k * BLOCK // EDGE})", {}
        lines.append(f"{pad}if first_0 + {row} < {limits[0]} and first_1 + lane < {limits[1]}:")
        for o in request.operands:
            bound[id(arg(o.name))] = (f"{o.name}_", o.dtype)
            if o.name not in used:
                continue
            if not isinstance(o.layout, Layout):
                text = write.convert(o.name, NUMBER[o.layout], o.dtype)
            else:
                found = places[o.name].format(row=row) if o.name in places else (
                    f"{o.name}[at_{o.name} + {row} * {steps[o.name][0]} + lane * {steps[o.name][1]}]")
                text = write.load(found, o.layout.dtype.name, o.dtype)
            lines.append(f"{deep}{o.name}_ = {text}")
        writer = write.Writer(request.compute, bound, deep)
        stores = []
        for root, out, layout in zip(request.roots, outputs, request.outputs, strict=True):
            text, type_ = writer.typed(root, None if root.op != "const" else write.compute_type(layout.dtype.name))
            stores.append(f"{deep}{out}[at_{out} + {row} * {steps[out][0]} + lane] = "
                          f"{write.store(text, type_, layout.dtype.name)}")
        lines += [*writer.lines, *stores]
    del keep
    classes = "".join("".join(geometry.stride_class(s) for s in r) for r in strides.values())
    inputs, written = operand_types(request)
    name = f"{request.name}_{request.compute}_turned{len(shape)}_{dim}_{classes}"
    head = f"def {name}({', '.join([*(o.name for o in request.operands), *outputs, *numbers.names])}):"
    return name, "\n".join([head, *lines]) + "\n", (*inputs, *written, *numbers.types), numbers.values, blocks
