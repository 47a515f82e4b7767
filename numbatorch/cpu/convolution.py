"""Convolution of NCHW tensors, float32 and float64: forward, input gradient, weight gradient.

Forward is an implicit product weight (O, C*KH*KW) @ columns (C*KH*KW, positions): the columns of one panel of output
positions are packed into a buffer that stays in the first-level cache, padding as masked lanes, and go through the
tile kernel of GEMM. The input gradient is the same kernel over grad_output, one run per phase of the stride, with the
weight turned round. The weight gradient sums outer products of input (broadcast, read in place) and grad_output
(positions x channels, transposed block by block); images are summed in fixed chunks, the chunks in order.
No result depends on the number of threads.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil

from numbatorch.cpu.convolution_flat import flat_launch
from numbatorch.cpu.convolution_geometry import Geometry, Launch, pair
from numbatorch.cpu.convolution_packed import packed_launch, turn_launch
from numbatorch.cpu.convolution_planes import FEW_PAIRS, PlanesWeightPlan, planes_launch, planes_weight_plan
from numbatorch.cpu.convolution_weights import WeightGradientPlan
from numbatorch.cpu.gemm import gemm
from numbatorch.cpu.microkernel import host_target

FLAT_OUTPUTS = 64  # more outputs repay packing: 197 against 211 GFLOP/s at 128, 198 against 176 at 64


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
    if shifts and 0 not in grid and channels * outputs <= FEW_PAIRS:
        launch = planes_launch(g, bias, channels, outputs, plane, grid, step, shifts, result_plane, result_step)
        if launch is not None:
            return launch
    wide = shifts and grid[1] >= host_target(g.dtype).lanes
    if wide and step == (1, 1) and result_step == (1, 1) and outputs <= FLAT_OUTPUTS:
        launch = flat_launch(g, bias, channels, outputs, plane, grid, shifts)
        if launch is not None:
            return launch
    return packed_launch(g, bias, channels, outputs, plane, grid, step, shifts, result_plane, result_step)


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
                turn = turn_launch(g.dtype, g.groups, channels, outputs, taps, g.kh * g.kw)
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
    geometry = Geometry(dtype, n, c, h, w, o, kh, kw, pair(stride), pair(padding), pair(dilation), groups)
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
        Geometry(dtype, n, c, h, w, o, kh, kw, pair(stride), pair(padding), pair(dilation), groups)
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
) -> WeightGradientPlan | PlanesWeightPlan:
    """Plan of the gradient by w, from the sizes of the forward convolution; run(x_ptr, gy_ptr, gw_ptr)."""
    geometry = Geometry(dtype, n, c, h, w, o, kh, kw, pair(stride), pair(padding), pair(dilation), groups)
    return planes_weight_plan(geometry) or WeightGradientPlan(geometry)
