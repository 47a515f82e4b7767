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
    """gw (O, C/groups, KH, KW) from x (N, C, H, W) and gy (N, O, OH, OW)."""

    def __init__(self, g: Geometry) -> None:
        self.geometry = g
        target = host_target(g.dtype)
        size, row_bytes = target.bytes, target.panel * target.bytes
        channels, outputs, taps = g.c // g.groups, g.o // g.groups, g.kh * g.kw
        (sh, sw), (ph, pw), (dh, dw) = g.stride, g.padding, g.dilation
        ranges_h = [inside(sh, i * dh - ph, g.oh, g.h) for i in range(g.kh)]
        ranges_w = [inside(sw, j * dw - pw, g.ow, g.w) for j in range(g.kw)]
        calls: list[int] = []
        # The rows of a tile are channels, or the taps of one window row where there are more of them and none is cut.
        by_column = channels < g.kw and all(r == (0, g.ow) for r in ranges_w)
        if by_column:
            inner, outer, count = 1, channels * taps, g.kw
            for c in range(channels):
                for i in range(g.kh):
                    place = (c * g.h * g.w + (i * dh - ph) * g.w - pw) * size
                    calls += [*ranges_h[i], 0, g.ow, place, dw * size, (c * g.kh + i) * g.kw, g.kw]
        else:
            inner, outer, count = channels, taps, channels
            for i in range(g.kh):
                for j in range(g.kw):
                    place = ((i * dh - ph) * g.w + j * dw - pw) * size
                    area = g.h * g.w * size
                    calls += [*ranges_h[i], *ranges_w[j], place, area, (i * g.kw + j) * channels, channels]
        blocks, tile = ceil(outputs / target.panel), balanced(count, target.rows)
        unit_bytes = channels * taps * row_bytes
        per_chunk = g.groups * blocks
        most = max(1, PARTIAL_BYTES // max(1, unit_bytes * per_chunk))
        images_per_chunk = ceil(g.n / max(1, min(g.n, most, ceil(WEIGHT_UNITS / max(1, per_chunk)))))
        chunks = ceil(g.n / max(1, images_per_chunk))
        meta = dict(
            images=g.n,
            groups=g.groups,
            outputs=outputs,
            height=g.h,
            width=g.w,
            rows=g.oh,
            columns=g.ow,
            row_block=max(1, POSITION_BLOCK // max(1, g.ow)),
            column_block=max(1, min(g.ow, POSITION_BLOCK)),
            step_rows=sh,
            step_columns=sw,
            x_image=g.c * g.h * g.w * size,
            x_group=channels * g.h * g.w * size,
            gy_image=g.o * g.oh * g.ow * size,
            gy_group=outputs * g.oh * g.ow * size,
            gy_channel=g.oh * g.ow * size,
            images_per_chunk=images_per_chunk,
            blocks_per_group=blocks,
            units_per_chunk=per_chunk,
            unit_bytes=unit_bytes,
            tile=tile,
            calls=len(calls) // len(CALL),
            tiles=tiles.address(target, [count], tile, tiles.panels(outputs, target.panel), NEST),
            transpose=tiles.transpose(target),
        )
        units = chunks * per_chunk
        self.partial_bytes = units * unit_bytes
        weight = _kernel("weight", g.dtype)
        self.launch = Launch(weight, [meta[name] for name in WEIGHT_META] + calls, units, grain(units, g.flops))
        rows = per_chunk * channels * taps
        sums = [outputs, inner, outer, chunks, blocks, unit_bytes, per_chunk * unit_bytes]
        self.sum = Launch(_kernel("weight_sum", g.dtype), sums, rows, max(1, 8192 // max(1, chunks)))

    def run(self, x_ptr: int, gy_ptr: int, gw_ptr: int) -> None:
        from numbatorch.cpu.memory import address, allocate

        workspace = allocate(max(64, self.partial_bytes))
        base = address(workspace)
        self.launch.run(x_ptr, gy_ptr, base)
        self.sum.run(base, gw_ptr)
