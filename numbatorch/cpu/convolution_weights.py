"""The weight gradient of convolution: outer products of input, read in place, and grad_output, transposed by blocks.

Images are summed in fixed chunks, the chunks in order: no result depends on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import ceil

from numbatorch.cpu import tiles
from numbatorch.cpu.convolution_geometry import Geometry, Launch, grain, inside
from numbatorch.cpu.convolution_weight_kernels import (
    CALL,
    POSITION_BLOCK,
    WEIGHT_META,
    write_weight,
    write_weight_sum,
)
from numbatorch.cpu.gemm import balanced
from numbatorch.cpu.microkernel import NEST, host_target

PARTIAL_BYTES = 64 << 20  # of all partial weight gradients together
WEIGHT_UNITS = 32  # wanted units of the weight gradient


@cache
def _kernel(kind: str, dtype: str) -> Callable[..., None]:
    from numbatorch.cpu.compile import compile_ir

    name, pointer = f"convolution_{kind}_{dtype}", f"{dtype}*"
    write, pointers = {"weight": (write_weight, 3), "weight_sum": (write_weight_sum, 2)}[kind]
    return compile_ir(name, write(name, host_target(dtype)), (pointer,) * pointers + ("int64*",))


class WeightGradientPlan:
    """gw (O, C/groups, *kernel) from x (N, C, *size) and gy (N, O, *result)."""

    def __init__(self, g: Geometry) -> None:
        self.geometry = g
        target = host_target(g.dtype)
        size, row_bytes = target.bytes, target.panel * target.bytes
        channels, outputs, taps = g.c // g.groups, g.o // g.groups, g.taps
        (depth, height, width), (depths, rows, columns), kw = g.size, g.result, g.kernel[2]
        area = height * width
        # The rows of a tile are channels, or the taps of one window row where there are more of them and none is cut.
        across = [inside(g.stride[2], shift, columns, width) for _, _, shift in g.shifts[:kw]]
        by_column = channels < kw and all(r == (0, columns) for r in across)
        calls: list[int] = []
        for channel in range(channels if by_column else 1):
            for tap, shift in enumerate(g.shifts):
                if by_column and tap % kw:
                    continue
                for step, start, outs, ins in zip(g.stride, shift, g.result, g.size, strict=True):
                    calls += inside(step, start, outs, ins)
                place = ((channel * depth + shift[0]) * height + shift[1]) * width + shift[2]
                apart = g.dilation[2] if by_column else depth * area
                calls += [place * size, apart * size, channel * taps + tap, kw if by_column else channels]
        count = kw if by_column else channels
        blocks, tile = ceil(outputs / target.panel), balanced(count, target.rows)
        unit_bytes = channels * taps * row_bytes
        per_chunk, planes = g.groups * blocks, g.n * depths
        most = max(1, PARTIAL_BYTES // max(1, unit_bytes * per_chunk))
        planes_per_chunk = ceil(planes / max(1, min(planes, most, ceil(WEIGHT_UNITS / max(1, per_chunk)))))
        chunks = ceil(planes / max(1, planes_per_chunk))
        result = rows * columns * size
        meta = dict(
            planes=planes,
            groups=g.groups,
            outputs=outputs,
            width=width,
            depths=depths,
            step_depth=g.stride[0] * area * size,
            rows=rows,
            columns=columns,
            row_block=max(1, POSITION_BLOCK // max(1, columns)),
            column_block=max(1, min(columns, POSITION_BLOCK)),
            step_rows=g.stride[1],
            step_columns=g.stride[2],
            x_image=g.c * depth * area * size,
            x_group=channels * depth * area * size,
            gy_image=g.o * depths * result,
            gy_group=outputs * depths * result,
            gy_channel=depths * result,
            gy_depth=result,
            planes_per_chunk=planes_per_chunk,
            blocks_per_group=blocks,
            units_per_chunk=per_chunk,
            unit_bytes=unit_bytes,
            c_row=row_bytes if by_column else taps * row_bytes,
            tile=tile,
            calls=len(calls) // len(CALL),
            tiles=tiles.address(target, [count], tile, tiles.panels(outputs, target.panel), NEST),
            transpose=tiles.transpose(target),
        )
        units = chunks * per_chunk
        self.partial_bytes = units * unit_bytes
        weight = _kernel("weight", g.dtype)
        self.launch = Launch(weight, [meta[name] for name in WEIGHT_META] + calls, units, grain(units, g.flops))
        sums = [outputs, channels * taps, chunks, blocks, unit_bytes, per_chunk * unit_bytes]
        squares = per_chunk * ceil(channels * taps / target.lanes) * target.vectors
        self.sum = Launch(_kernel("weight_sum", g.dtype), sums, squares, max(1, 1024 // max(1, chunks)))

    def run(self, x_ptr: int, gy_ptr: int, gw_ptr: int) -> None:
        from numbatorch.cpu.memory import address, allocate

        workspace = allocate(max(64, self.partial_bytes))
        base = address(workspace)
        self.launch.run(x_ptr, gy_ptr, base)
        self.sum.run(base, gw_ptr)
