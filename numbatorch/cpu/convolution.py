"""Convolution of NCHW tensors, float32 and float64: forward, input gradient, weight gradient.

Forward is an implicit product weight (O, C*KH*KW) @ columns (C*KH*KW, positions): the columns of one panel of output
positions are packed into a buffer that stays in the first-level cache, padding as masked lanes, and go through the
tile kernel of GEMM. The input gradient is the same kernel over grad_output, one run per phase of the stride, with the
weight turned round. The weight gradient sums outer products of input (broadcast, read in place) and grad_output
(positions x channels, transposed block by block); images are summed in fixed chunks, the chunks in order.
No result depends on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, lru_cache
from math import ceil

import numpy as np

from numbatorch.cpu import tiles
from numbatorch.cpu.convolution_kernels import (
    ANY_STEP,
    CALL,
    FLAT_BYTES,
    FLAT_K_BLOCK,
    FLAT_META,
    FORWARD_META,
    K_BLOCK,
    POSITION_BLOCK,
    ROWS_META,
    STAGE_ROWS,
    TURN_CHANNELS,
    WEIGHT_META,
    write_flat,
    write_forward,
    write_pack_taps,
    write_turn,
    write_weight,
    write_weight_rows,
    write_weight_sum,
)
from numbatorch.cpu.gemm import UNIT_FLOPS, balanced, gemm
from numbatorch.cpu.microkernel import FLAT, NEST, PREFETCH_OFFSETS, Target, host_target

PARTIAL_BYTES = 64 << 20  # of all partial weight gradients together
FEW_PAIRS = 4  # channels x outputs of a group up to which the weight gradient is a dot product per tap
FLAT_OUTPUTS = 64  # more outputs repay packing: 197 against 211 GFLOP/s at 128, 198 against 176 at 64
WEIGHT_UNITS = 32  # wanted units of the weight gradient


@cache
def _kernel(kind: str, dtype: str, with_bias: bool) -> Callable[..., None]:
    from numbatorch.cpu.compile import compile_ir

    target, pointer = host_target(dtype), f"{dtype}*"
    name = f"convolution_{kind}_{'bias_' if with_bias else ''}{dtype}"
    if kind in ("forward", "flat"):
        write_either = write_flat if kind == "flat" else write_forward
        text, pointers = write_either(name, target, with_bias), 4 if with_bias else 3
    else:
        write = {
            "turn": write_turn,
            "weight": write_weight,
            "weight_rows": write_weight_rows,
            "weight_sum": write_weight_sum,
        }[kind]
        text, pointers = write(name, target), 3 if kind in ("weight", "weight_rows") else 2
    return compile_ir(name, text, (pointer,) * pointers + ("int64*",))


def _pack_taps(target: Target, step: int) -> int:
    name = f"pack_taps_{target.label}_{step}"
    return tiles.routine(name, lambda module: write_pack_taps(module, name, target, step))


class Launch:
    """A kernel with its parameter block, number of units and grain."""

    __slots__ = ("kernel", "meta", "address", "units", "grain")

    def __init__(self, kernel: Callable[..., None], meta: list[int], units: int, grain: int) -> None:
        self.kernel, self.units, self.grain = kernel, units, max(1, min(grain, units))
        self.meta = np.array(meta, np.int64)
        self.address = self.meta.ctypes.data

    def run(self, *pointers: int) -> None:
        self.kernel(*pointers, self.address, self.units, self.grain)


@dataclass(frozen=True)
class Geometry:
    """Sizes of one convolution: images n, input (c, h, w), outputs o, windows (kh, kw)."""

    dtype: str
    n: int
    c: int
    h: int
    w: int
    o: int
    kh: int
    kw: int
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    oh: int = field(init=False)
    ow: int = field(init=False)

    def __post_init__(self) -> None:
        sizes = zip((self.h, self.w), (self.kh, self.kw), self.stride, self.padding, self.dilation, strict=True)
        rows, columns = (
            (size + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1
            for size, kernel, stride, pad, dilation in sizes
        )
        object.__setattr__(self, "oh", max(0, rows))
        object.__setattr__(self, "ow", max(0, columns))

    @property
    def flops(self) -> float:
        return 2.0 * self.n * self.o * self.oh * self.ow * (self.c // self.groups) * self.kh * self.kw

    @property
    def is_pointwise(self) -> bool:
        return (self.kh, self.kw, self.stride, self.padding) == (1, 1, (1, 1), (0, 0)) and self.groups == 1


def _inside(step: int, shift: int, outputs: int, inputs: int) -> tuple[int, int]:
    """The outputs i in [first, end) for which 0 <= i * step + shift < inputs."""
    first = max(0, ceil(-shift / step))
    return first, max(first, min(outputs, (inputs - 1 - shift) // step + 1))


def _grain(units: int, flops: float) -> int:
    """Units claimed together: all of them when the whole is small, else about a quarter of a GEMM unit's work."""
    return units if flops <= UNIT_FLOPS else max(1, int(UNIT_FLOPS / 4 * units / flops))


def _forward_launch(
    g: Geometry,
    bias: bool,
    channels: int,
    outputs: int,
    plane: tuple[int, int],
    grid: tuple[int, int],
    step: tuple[int, int],
    shifts: list[tuple[int, int]],
    result_plane: tuple[int, int],
    result_step: tuple[int, int],
) -> Launch:
    """The forward kernel from `channels` planes to `outputs` planes, each per group; `shifts` are the taps' places.

    Output (i, j) of the grid reads input (i, j) * step + shift and lies at (i, j) * result_step of the result plane.
    """
    wide = shifts and grid[1] >= host_target(g.dtype).lanes
    if wide and step == (1, 1) and result_step == (1, 1) and outputs <= FLAT_OUTPUTS:
        launch = _flat_launch(g, bias, channels, outputs, plane, grid, shifts)
        if launch is not None:
            return launch
    return _packed_launch(g, bias, channels, outputs, plane, grid, step, shifts, result_plane, result_step)


def _flat_launch(
    g: Geometry,
    bias: bool,
    channels: int,
    outputs: int,
    plane: tuple[int, int],
    grid: tuple[int, int],
    shifts: list[tuple[int, int]],
) -> Launch | None:
    """The kernel that reads the input in place; None when a padded row of all channels is too much to copy."""
    target = host_target(g.dtype)
    size, (height, width), (rows, columns), taps = target.bytes, plane, grid, len(shifts)
    top, left = min(row for row, _ in shifts), min(column for _, column in shifts)
    reach, reach_columns = max(row for row, _ in shifts) - top, max(column for _, column in shifts) - left
    copies = not (top >= 0 and left >= 0 and top + rows + reach <= height and left + columns + reach_columns <= width)
    pitch = columns + reach_columns if copies else width
    flops = 2.0 * g.n * g.groups * outputs * rows * columns * channels * taps
    wanted = max(1, ceil(flops / (g.n * g.groups * max(UNIT_FLOPS, flops / 32)))) if flops else 1
    rows_per_unit = balanced(rows, ceil(rows / min(rows, wanted)))
    row_block = rows_per_unit
    if copies:
        fitting = FLAT_BYTES // (channels * pitch * size) - reach
        if fitting < max(1, min(rows, 2 * reach)):
            return None
        row_block = balanced(rows_per_unit, fitting)
        origin, pitch_channel = (0, 0), (row_block + reach) * pitch * size
    else:
        origin, pitch_channel = (top, left), height * width * size
    plane_bytes, result = height * width * size, rows * columns * size
    tile = balanced(outputs, target.rows)
    meta = dict(
        channels=channels,
        outputs=outputs,
        height=height,
        width=width,
        rows=rows,
        columns=columns,
        pitch=pitch,
        top=top,
        left=left,
        reach=reach,
        x_image=g.groups * channels * plane_bytes,
        x_group=channels * plane_bytes,
        x_channel=plane_bytes,
        copied_channel=pitch_channel,
        w_output=channels * taps * size,
        w_group=outputs * channels * taps * size,
        y_image=g.groups * outputs * result,
        y_group=outputs * result,
        y_channel=result,
        groups=g.groups,
        rows_per_unit=rows_per_unit,
        units_per_group=ceil(rows / rows_per_unit),
        row_block=row_block,
        k_block=balanced(channels * taps, FLAT_K_BLOCK),
        taps=taps,
        tile=tile,
        copies=int(copies),
        tiles=tiles.address(target, [outputs], tile, range(1, target.panel + 1), FLAT, row_numbers=True),
    )
    table = [
        channel * pitch_channel + ((row - top + origin[0]) * pitch + column - left + origin[1]) * size
        for channel in range(channels)
        for row, column in shifts
    ]
    units = g.n * g.groups * meta["units_per_group"] if outputs else 0
    table += [0] * PREFETCH_OFFSETS
    kernel = _kernel("flat", g.dtype, bias)
    return Launch(kernel, [meta[name] for name in FLAT_META] + table, units, _grain(units, flops))


def _packed_launch(
    g: Geometry,
    bias: bool,
    channels: int,
    outputs: int,
    plane: tuple[int, int],
    grid: tuple[int, int],
    step: tuple[int, int],
    shifts: list[tuple[int, int]],
    result_plane: tuple[int, int],
    result_step: tuple[int, int],
) -> Launch:
    """The kernel that packs the columns of each panel: for all shapes."""
    target = host_target(g.dtype)
    size, (height, width), (rows, columns) = target.bytes, plane, grid
    taps, positions = len(shifts), rows * columns
    flops = 2.0 * g.n * g.groups * outputs * positions * channels * taps
    panels = max(1, ceil(positions / target.panel))
    wanted = max(1, ceil(flops / (g.n * g.groups * max(UNIT_FLOPS, flops / 32)))) if g.n else 1
    per_unit = ceil(panels / min(panels, wanted))
    units_per_group = ceil(panels / per_unit)
    if taps > K_BLOCK:
        channel_block, tap_block = 1, balanced(taps, K_BLOCK)
    else:
        channel_block, tap_block = balanced(channels, max(1, K_BLOCK // max(1, taps))), max(1, taps)
    result_height, result_width = result_plane
    result = result_height * result_width * size
    tile = balanced(outputs, target.rows)
    runs = [outputs] if result_step == (1, 1) else [min(outputs, STAGE_ROWS), outputs % STAGE_ROWS]
    meta = dict(
        channels=channels,
        outputs=outputs,
        height=height,
        width=width,
        positions=positions,
        columns=columns,
        step_rows=step[0],
        step_columns=step[1],
        x_image=g.groups * channels * height * width * size,
        x_group=channels * height * width * size,
        x_channel=height * width * size,
        w_output=channels * taps * size,
        w_group=outputs * channels * taps * size,
        y_image=g.groups * outputs * result,
        y_group=outputs * result,
        y_channel=result,
        y_row=result_step[0] * result_width * size,
        y_column=result_step[1] * size,
        groups=g.groups,
        panels_per_unit=per_unit,
        units_per_group=units_per_group,
        channel_block=channel_block,
        tap_block=tap_block,
        taps=taps,
        tile=tile,
        staged=int(result_step != (1, 1)),
        tiles=tiles.address(target, runs, tile, tiles.panels(positions, target.panel), row_numbers=True),
        pack=_pack_taps(target, min(step[1], ANY_STEP)),
    )
    table = []
    for row, column in shifts:
        table += [*_inside(step[0], row, rows, height), *_inside(step[1], column, columns, width)]
        table.append((row * width + column) * size)
    units = g.n * g.groups * units_per_group if positions and outputs else 0
    kernel = _kernel("forward", g.dtype, bias)
    return Launch(kernel, [meta[name] for name in FORWARD_META] + table, units, _grain(units, flops))


class ForwardPlan:
    """y (N, O, OH, OW) = convolution of x (N, C, H, W) with w (O, C/groups, KH, KW), plus bias (O,)."""

    def __init__(self, g: Geometry, bias: bool) -> None:
        self.geometry, self.bias = g, bias
        (ph, pw), (dh, dw) = g.padding, g.dilation
        shifts = [(i * dh - ph, j * dw - pw) for i in range(g.kh) for j in range(g.kw)]
        self.pointwise = g.is_pointwise and not bias
        if self.pointwise:
            area = g.h * g.w
            plan = gemm(g.dtype).plan(g.o, area, g.c, g.c, area, area, False, False, g.n, 0, g.c * area, g.o * area)
            self.kernel, self.meta, self.units, self.grain = plan
        else:
            self.launch = _forward_launch(
                g,
                bias,
                g.c // g.groups,
                g.o // g.groups,
                (g.h, g.w),
                (g.oh, g.ow),
                g.stride,
                shifts,
                (g.oh, g.ow),
                (1, 1),
            )

    def run(self, x_ptr: int, w_ptr: int, bias_ptr: int, y_ptr: int) -> None:
        if self.pointwise:
            self.kernel(w_ptr, x_ptr, y_ptr, self.meta.ctypes.data, self.units, self.grain)
        elif self.bias:
            self.launch.run(x_ptr, w_ptr, bias_ptr, y_ptr)
        else:
            self.launch.run(x_ptr, w_ptr, y_ptr)


class InputGradientPlan:
    """gx (N, C, H, W) from gy (N, O, OH, OW) and w (O, C/groups, KH, KW).

    Input rows i = phase + stride * t meet only the taps of their phase, at output row t + a constant: each phase is a
    stride-1 convolution of gy with those taps.
    """

    def __init__(self, g: Geometry) -> None:
        self.geometry, self.phases = g, []
        channels, outputs = g.c // g.groups, g.o // g.groups
        self.pointwise = g.is_pointwise
        if self.pointwise:
            area = g.h * g.w
            plan = gemm(g.dtype).plan(g.c, area, g.o, g.c, area, area, True, False, g.n, 0, g.o * area, g.c * area)
            self.kernel, self.meta, self.units, self.grain = plan
            return
        size = host_target(g.dtype).bytes
        (sh, sw), (ph, pw), (dh, dw) = g.stride, g.padding, g.dilation
        self.turned_bytes = 0
        for row in range(min(sh, g.h)):
            for column in range(min(sw, g.w)):
                taps, shifts = [], []
                for i in range(g.kh):
                    for j in range(g.kw):
                        up, left = row + ph - i * dh, column + pw - j * dw
                        if up % sh == 0 and left % sw == 0:
                            taps.append(i * g.kw + j)
                            shifts.append((up // sh, left // sw))
                grid = (ceil((g.h - row) / sh), ceil((g.w - column) / sw))
                forward = _forward_launch(
                    g,
                    False,
                    outputs,
                    channels,
                    (g.oh, g.ow),
                    grid,
                    (1, 1),
                    shifts,
                    (g.h, g.w),
                    g.stride,
                )
                turn = Launch(
                    _kernel("turn", g.dtype, False),
                    [channels, outputs, len(taps), g.kh * g.kw, int(taps == list(range(g.kh * g.kw))), *taps],
                    g.groups * ceil(channels / TURN_CHANNELS),
                    max(1, 32768 // max(1, min(channels, TURN_CHANNELS) * outputs * len(taps))),
                )
                self.phases.append((turn, forward, self.turned_bytes, (row * g.w + column) * size))
                self.turned_bytes += g.o * channels * len(taps) * size

    def run(self, gy_ptr: int, w_ptr: int, gx_ptr: int) -> None:
        if self.pointwise:
            self.kernel(w_ptr, gy_ptr, gx_ptr, self.meta.ctypes.data, self.units, self.grain)
            return
        from numbatorch.cpu.memory import address, allocate

        workspace = allocate(max(64, self.turned_bytes))
        base = address(workspace)
        for turn, forward, turned, place in self.phases:
            turn.run(w_ptr, base + turned)
            forward.run(gy_ptr, base + turned, gx_ptr + place)


class WeightGradientPlan:
    """gw (O, C/groups, KH, KW) from x (N, C, H, W) and gy (N, O, OH, OW)."""

    def __init__(self, g: Geometry) -> None:
        self.geometry = g
        target = host_target(g.dtype)
        size, row_bytes = target.bytes, target.panel * target.bytes
        channels, outputs, taps = g.c // g.groups, g.o // g.groups, g.kh * g.kw
        (sh, sw), (ph, pw), (dh, dw) = g.stride, g.padding, g.dilation
        self.by_rows = channels * outputs <= FEW_PAIRS
        if self.by_rows:
            self.launch = self._rows_launch(g, channels, outputs)
            return
        ranges_h = [_inside(sh, i * dh - ph, g.oh, g.h) for i in range(g.kh)]
        ranges_w = [_inside(sw, j * dw - pw, g.ow, g.w) for j in range(g.kw)]
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
        weight = _kernel("weight", g.dtype, False)
        self.launch = Launch(weight, [meta[name] for name in WEIGHT_META] + calls, units, _grain(units, g.flops))
        rows = per_chunk * channels * taps
        sums = [outputs, inner, outer, chunks, blocks, unit_bytes, per_chunk * unit_bytes]
        self.sum = Launch(_kernel("weight_sum", g.dtype, False), sums, rows, max(1, 8192 // max(1, chunks)))

    @staticmethod
    def _rows_launch(g: Geometry, channels: int, outputs: int) -> Launch:
        size = host_target(g.dtype).bytes
        plane, result = g.h * g.w * size, g.oh * g.ow * size
        meta = dict(
            images=g.n,
            channels=channels,
            outputs=outputs,
            columns=g.ow,
            step_rows=g.stride[0],
            step_columns=g.stride[1],
            width=g.w,
            x_image=g.c * plane,
            x_channel=plane,
            gy_image=g.o * result,
            gy_channel=result,
            taps=g.kh * g.kw,
        )
        table = []
        for i in range(g.kh):
            for j in range(g.kw):
                row, column = i * g.dilation[0] - g.padding[0], j * g.dilation[1] - g.padding[1]
                table += [*_inside(g.stride[0], row, g.oh, g.h), *_inside(g.stride[1], column, g.ow, g.w)]
                table.append((row * g.w + column) * size)
        kernel = _kernel("weight_rows", g.dtype, False)
        units = g.o * channels
        # A vector of a dot costs as much as several of a tile.
        return Launch(kernel, [meta[name] for name in ROWS_META] + table, units, _grain(units, 8 * g.flops))

    def run(self, x_ptr: int, gy_ptr: int, gw_ptr: int) -> None:
        if self.by_rows:
            self.launch.run(x_ptr, gy_ptr, gw_ptr)
            return
        from numbatorch.cpu.memory import address, allocate

        workspace = allocate(max(64, self.partial_bytes))
        base = address(workspace)
        self.launch.run(x_ptr, gy_ptr, base)
        self.sum.run(base, gw_ptr)


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


@lru_cache(maxsize=1024)
def forward_plan(
    dtype: str,
    n: int,
    c: int,
    h: int,
    w: int,
    o: int,
    kh: int,
    kw: int,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    bias: bool = False,
) -> ForwardPlan:
    """Plan of y = convolution(x, w) + bias; run(x_ptr, w_ptr, bias_ptr or 0, y_ptr), all contiguous NCHW."""
    geometry = Geometry(dtype, n, c, h, w, o, kh, kw, _pair(stride), _pair(padding), _pair(dilation), groups)
    return ForwardPlan(geometry, bias)


@lru_cache(maxsize=1024)
def input_gradient_plan(
    dtype: str,
    n: int,
    c: int,
    h: int,
    w: int,
    o: int,
    kh: int,
    kw: int,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
) -> InputGradientPlan:
    """Plan of the gradient by x, from the sizes of the forward convolution; run(gy_ptr, w_ptr, gx_ptr)."""
    return InputGradientPlan(
        Geometry(dtype, n, c, h, w, o, kh, kw, _pair(stride), _pair(padding), _pair(dilation), groups)
    )


@lru_cache(maxsize=1024)
def weight_gradient_plan(
    dtype: str,
    n: int,
    c: int,
    h: int,
    w: int,
    o: int,
    kh: int,
    kw: int,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
) -> WeightGradientPlan:
    """Plan of the gradient by w, from the sizes of the forward convolution; run(x_ptr, gy_ptr, gw_ptr)."""
    return WeightGradientPlan(
        Geometry(dtype, n, c, h, w, o, kh, kw, _pair(stride), _pair(padding), _pair(dilation), groups)
    )
