"""Template of attention in float32: softmax(query @ key.T * scale + mask) @ value without its matrix of weights."""

from __future__ import annotations

import struct
from functools import cache
from math import ceil

from ..expr.kinds import Launch
from . import attention_kernels as kernels, tiles
from .gemm import UNIT_FLOPS, balanced
from .geometry import block
from .microkernel import host_target

UNITS = 32  # wanted: fixed, so that results do not depend on the number of threads


@cache
def _kernel(backward):
    from .compile import compile_ir
    name = f"attention_{'backward' if backward else 'forward'}_float32"
    write = kernels.write_backward if backward else kernels.write_forward
    return compile_ir(name, write(name, host_target("float32")), (*("float32*",) * (11 if backward else 7), "int64*"))


def _steps(layout):
    """Bytes from batch to batch, head to head and row to row of a layout (B, H, L, E)."""
    return [0 if n == 1 else step * layout.dtype.itemsize for n, step in zip(layout.shape[:3], layout.strides,
                                                                             strict=False)]


def _meta(request, query, key, value, mask, out, grad, gradients, rows_per_unit, tile, lengths):
    target = host_target("float32")
    (batch, heads, length, depth), (sources, columns) = query.shape, value.shape[2:]
    causal, scale = request.options["causal"], request.options["scale"]
    (bits,) = struct.unpack("<i", struct.pack("<f", scale))
    steps = [step for x in (query, key, value) for step in _steps(x)]
    steps += _steps(mask) if mask is not None else [0, 0, 0]
    for x in (out, grad, *gradients):
        steps += _steps(x) if x is not None else [0, 0, 0]
    widths = {target.panel, *tiles.panels(depth, target.panel), *tiles.panels(columns, target.panel)}
    found = tiles.address(target, lengths, tile, widths)
    units_per_head = ceil(length / rows_per_unit)
    meta, at = block([heads, length, sources, depth, columns, *steps, int(causal), bits & 0xFFFFFFFF, rows_per_unit,
                      units_per_head, tile, int(length <= kernels.FEW_QUERIES), heads // key.shape[1], found,
                      tiles.transpose(target)])
    return meta, at, batch * heads, units_per_head


def forward(request):
    """query (B, H, L, E), key (B, K, S, E), value (B, K, S, V), mask or None -> result, base, inverse (B, H, L).

    K divides H: neighbouring heads of query share those of key and value.
    """
    query, key, value, mask = (*request.inputs, None)[:4]
    length, heads = query.shape[2], query.shape[0] * query.shape[1]
    target = host_target("float32")
    tile = balanced(length, target.rows)
    flops = 2.0 * heads * length * value.shape[2] * (query.shape[3] + value.shape[3])
    per_head = max(1, min(ceil(UNITS / heads), int(flops / heads / UNIT_FLOPS) or 1))
    rows_per_unit = ceil(length / per_head / (4 * tile)) * 4 * tile
    meta, at, heads, per_head = _meta(request, query, key, value, mask, request.outputs[0], None, [None] * 3,
                                      rows_per_unit, tile, [min(rows_per_unit, length), length % rows_per_unit])
    units = heads * per_head
    grain = units if flops <= UNIT_FLOPS else max(1, int(UNIT_FLOPS / 4 * units / flops))
    run = _kernel(False)
    return Launch(run, at, units, grain, meta)


def backward(request):
    """query, key, value, out, base, inverse, grad, mask or None -> gradients of query, key, value."""
    query, key, value, out, _, _, grad, mask = (*request.inputs, None)[:8]
    length, heads, sources = query.shape[2], query.shape[0] * query.shape[1], key.shape[2]
    target = host_target("float32")
    tile, rows = target.rows, min(kernels.BACKWARD_TILES * target.rows, length)
    lengths = {rows, length % rows}
    limit = min(sources, length) if request.options["causal"] else sources
    for first in range(0, limit, kernels.KEYS):
        count = min(kernels.KEYS, limit - first)
        lengths.add(count)
        if request.options["causal"]:
            begin = first // rows * rows
            lengths |= {min(count, min(row + rows, length) - first)
                        for row in range(begin, min(length, begin + 2 * kernels.KEYS), rows)}
            lengths.add(min(count, length - first))
    meta, at, heads, _ = _meta(request, query, key, value, mask, out, grad, request.outputs, rows, tile, lengths)
    flops = 5.0 * heads * length * sources * (query.shape[3] + value.shape[3])
    return Launch(_kernel(True), at, heads, heads if flops <= UNIT_FLOPS else 1, meta)
