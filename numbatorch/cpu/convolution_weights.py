"""The weight gradient of convolution: outer products of input, read in place, and grad_output, transposed by blocks.

Images are summed in fixed chunks, the chunks in order: no result depends on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from math import ceil, prod
from typing import Any

from numbatorch.cpu import operands, tiles
from numbatorch.cpu.convolution_geometry import Geometry, Launch, grain, inside
from numbatorch.cpu.convolution_padding import Padding
from numbatorch.cpu.convolution_weight_kernels import (
    CALL,
    POSITION_BLOCK,
    WEIGHT_META,
    write_weight,
    write_weight_sum,
)
from numbatorch.cpu.gemm import balanced, gemm
from numbatorch.cpu.microkernel import NEST, host_target
from numbatorch.dtypes import by_name
from numbatorch.layout import layout

WASTE = 1.5  # of lanes, from which the outputs of a pointwise convolution are rows and its channels in the lanes
MOST_IMAGES = 64  # that are launches of their own
PARTIAL_BYTES = 64 << 20  # of all partial weight gradients together
WIDE = 3  # taps of a window row, more than channels, from which a padded copy of the input pays
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
        self.met: Any = None
        self.met_bytes = 0
        if g.taps == 1 and g.stride != (1, 1, 1) and g.padding == (0, 0, 0) and g.n and 0 not in g.result:
            # What the windows meet is copied first: 10.3 ms instead of 19.9 for 512 to 1024 channels at 28x28.
            (_, height, width), steps, dtype = g.size, g.stride, by_name(g.dtype)
            taken = (g.n * g.c, *g.result)
            strides = (prod(g.size), steps[0] * height * width, steps[1] * width, steps[2])
            self.met = operands.converted(layout(dtype, taken, strides), layout(dtype, taken))
            self.met_bytes = prod(taken) * target.bytes
            g = replace(g, size=g.result, stride=(1, 1, 1))
        self.padding: Padding | None = None
        if any(g.padding) and g.n and g.c // g.groups < g.kernel[2] >= WIDE:
            self.padding = Padding(g)  # no window row is cut then, and its taps are the rows of a tile
            g = self.padding.padded
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

        workspace = allocate(max(64, self.partial_bytes + self.met_bytes))
        base = address(workspace)
        if self.met is not None:
            copy = base + self.partial_bytes
            self.met.kernel(x_ptr, copy, self.met.meta, self.met.units, self.met.grain)
            x_ptr = copy
        if self.padding is not None:
            padded, x_ptr = self.padding.copy(x_ptr)
        self.launch.run(x_ptr, gy_ptr, base)
        self.sum.run(base, gw_ptr)


class ProductPlan:
    """The weight gradient of single positions: gw (O, C) = gy' (O, N) @ x (N, C)."""

    def __init__(self, g: Geometry) -> None:
        plan = gemm(g.dtype).plan(g.o, g.c, g.n, g.o, g.c, g.c, trans_a=True)
        self.kernel, self.meta, self.units, self.grain = plan

    def run(self, x_ptr: int, gy_ptr: int, gw_ptr: int) -> None:
        self.kernel(gy_ptr, x_ptr, gw_ptr, self.meta.ctypes.data, self.units, self.grain)


class ImagesPlan:
    """The weight gradient of a pointwise convolution, gw = sum of gy @ x' over images: nothing is turned over."""

    def __init__(self, g: Geometry) -> None:
        area, size = prod(g.size), host_target(g.dtype).bytes
        self.images, self.steps = g.n, (g.c * area * size, g.o * area * size)
        self.plans = [gemm(g.dtype).plan(g.o, g.c, area, area, area, g.c, trans_b=True, accumulate=more)
                      for more in (False, True)]

    def run(self, x_ptr: int, gy_ptr: int, gw_ptr: int) -> None:
        for image in range(self.images):
            kernel, meta, units, grain = self.plans[image > 0]
            x, gy = x_ptr + image * self.steps[0], gy_ptr + image * self.steps[1]
            kernel(gy, x, gw_ptr, meta.ctypes.data, units, grain)


class SwappedPlan:
    """The weight gradient of a pointwise convolution as that of one from outputs to channels, turned over."""

    def __init__(self, g: Geometry) -> None:
        self.plan = WeightGradientPlan(replace(g, c=g.o, o=g.c))
        dtype = by_name(g.dtype)
        self.turn = operands.converted(layout(dtype, (g.o, g.c), (1, g.o)), layout(dtype, (g.o, g.c)))
        self.nbytes = g.o * g.c * host_target(g.dtype).bytes

    def run(self, x_ptr: int, gy_ptr: int, gw_ptr: int) -> None:
        from numbatorch.cpu.memory import address, allocate

        workspace = allocate(self.nbytes)
        self.plan.run(gy_ptr, x_ptr, address(workspace))
        self.turn.kernel(address(workspace), gw_ptr, self.turn.meta, self.turn.units, self.turn.grain)


def pointwise_weight_plan(g: Geometry) -> ProductPlan | ImagesPlan | SwappedPlan | None:
    """The plan for 1x1 windows where it is another than the general one."""
    if not g.is_pointwise or not g.n or 0 in g.size:
        return None
    if prod(g.size) == 1:
        return ProductPlan(g)
    target = host_target(g.dtype)
    if (g.o <= 2 * target.dot_rows - 2 or g.c <= target.dot_columns) and g.n <= MOST_IMAGES:
        return ImagesPlan(g)
    panel = target.panel
    here, there = ceil(g.o / panel) * panel * g.c, ceil(g.c / panel) * panel * g.o
    return SwappedPlan(g) if here > WASTE * there else None
