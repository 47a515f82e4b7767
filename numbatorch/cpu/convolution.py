"""Convolution of NC* tensors in one to three dimensions, float32 and float64: forward and both gradients.

Forward is an implicit product of weights (O, C * taps) with columns (C * taps, positions), by one of six templates:
convolution_winograd needs fewer products for 3x3 windows of stride 1 (after convolution_phases for dilated ones, too),
convolution_packed packs the columns of a panel of positions, convolution_flat reads the input in place,
convolution_lanes has outputs in the lanes where the input has few channels, convolution_depthwise has channels there,
and convolution_planes goes plane by plane where a group has few. convolution_finish lets formulas follow,
convolution_begin lets them come before. The input gradient is the same over grad_output, one run per phase of the
stride, with the weights turned round; that of few channels is a product that convolution_fold adds up.
convolution_weights sums the weight gradient, convolution_winograd_weights that of 3x3 windows. Single taps, and windows
of the whole input, are products (gemm). No result depends on the number of threads.
"""

from __future__ import annotations

from ctypes import addressof, c_char
from dataclasses import replace
from functools import lru_cache
from itertools import product
from math import ceil, prod
from typing import Any

from numbatorch.cpu import gemm as products, operands
from numbatorch.cpu.convolution_depthwise import DepthwiseWeightPlan, depthwise_launch, depthwise_weight_plan
from numbatorch.cpu.convolution_flat import flat_launch
from numbatorch.cpu.convolution_fold import FoldPlan, fold_plan
from numbatorch.cpu.convolution_geometry import Correlation, Geometry, Launch, Region, tile_bytes, triple
from numbatorch.cpu.convolution_lanes import lanes_launch
from numbatorch.cpu.convolution_packed import TurnTiles, packed_launch, turn_launch
from numbatorch.cpu.convolution_packed_kernels import MOST_TAPS
from numbatorch.cpu.convolution_padding import Padding
from numbatorch.cpu.convolution_phases import PhasesLaunch, phases_launch
from numbatorch.cpu.convolution_planes import PlanesWeightPlan, few_planes, planes_launch, planes_weight_plan
from numbatorch.cpu.convolution_weights import (
    ImagesPlan,
    ProductPlan,
    SwappedPlan,
    WeightGradientPlan,
    pointwise_weight_plan,
)
from numbatorch.cpu.convolution_winograd import WinogradLaunch, winograd_launch
from numbatorch.cpu.convolution_winograd_weights import WinogradWeightPlan, winograd_weight_plan
from numbatorch.cpu.gemm import gemm
from numbatorch.cpu.microkernel import host_target
from numbatorch.dtypes import by_name
from numbatorch.layout import layout

WeightPlan = (WeightGradientPlan | PlanesWeightPlan | DepthwiseWeightPlan | ProductPlan | ImagesPlan
              | SwappedPlan | WinogradWeightPlan)
AnyLaunch = Launch | WinogradLaunch | PhasesLaunch

FEW_CHANNELS = 16  # of a group, up to which input is copied with its padding before it is packed
FLAT_OUTPUTS = 64  # more outputs repay packing: 197 against 211 GFLOP/s at 128, 198 against 176 at 64


def _forward_launch(task: Correlation) -> AnyLaunch:
    """The template for a correlation, by its shape."""
    return _special_launch(task) or packed_launch(task)


def _special_launch(task: Correlation) -> AnyLaunch | None:
    """The template for a correlation that needs no packing; None where packing is best."""
    if not task.shifts or 0 in task.grid:
        return None
    if not task.is_flat:
        return lanes_launch(task)
    launch: AnyLaunch | None = planes_launch(task) if few_planes(task) else None
    launch = launch or winograd_launch(task) or phases_launch(task) or lanes_launch(task)
    in_order = task.step == task.result_step == (1, 1, 1)
    if launch is None and in_order and task.outputs <= FLAT_OUTPUTS:
        launch = flat_launch(task)
    return launch


def _forward_task(g: Geometry, bias: bool) -> Correlation:
    return Correlation(g, bias, g.c // g.groups, g.o // g.groups, g.size, g.result, g.stride, tuple(g.shifts), g.result,
                       (1, 1, 1))


def _product_launch(dtype: str, *sizes: Any, **more: Any) -> Launch:
    """A product (images, channels, positions) of gemm.py; its units are blocks of channels and positions."""
    kernel, meta, units, grain = gemm(dtype).plan(*sizes, **more)
    return _product(kernel, dict(zip(products.META, meta.tolist(), strict=True)), units, grain)


def _product(kernel: Any, p: dict[str, int], units: int, grain: int) -> Launch:
    def regions(unit: int) -> list[Region]:
        image, within = divmod(unit, p["units_per_matrix"])
        channel, first = within // p["units_across"] * p["unit_rows"], within % p["units_across"] * p["unit_columns"]
        return [(image, channel, min(p["unit_rows"], p["m"] - channel), first, min(p["unit_columns"], p["n"] - first))]
    return Launch(kernel, [p[name] for name in products.META], units, grain, regions=regions)


def by_columns(launch: Launch, images: int, columns: int, size: int) -> Launch:
    """A product whose units are all channels of so many positions; these lie alone where the right side is."""
    p = dict(zip(products.META, launch.meta.tolist(), strict=True))
    across = ceil(p["n"] / columns)
    p |= dict(unit_rows=p["m"], unit_columns=columns, units_across=across, units_per_matrix=across,
              b_row=columns * size, b_batch=0)
    return _product(launch.kernel, p, images * across, 1)


class ForwardPlan:
    """y (N, O, *result) = convolution of x (N, C, *size) with w (O, C/groups, *kernel), plus bias (O,)."""

    def __init__(self, g: Geometry, bias: bool) -> None:
        self.geometry, self.bias = g, bias
        area = prod(g.size)
        self.rows = g.is_pointwise and area == 1  # an image is a row: one product for all
        self.pointwise = g.is_pointwise and not bias
        self.padding: Padding | None = None
        self.launch: AnyLaunch
        if self.rows:
            self.launch = _product_launch(g.dtype, g.n, g.o, g.c, g.c, g.c, g.o, trans_b=True, bias=bias)
            self.launch.regions = None
            return
        if self.pointwise:
            self.launch = _product_launch(g.dtype, g.o, area, g.c, g.c, area, area, False, False, g.n, 0, g.c * area,
                                          g.o * area)
            return
        task = _forward_task(g, bias)
        launch = depthwise_launch(g, bias) or _special_launch(task)
        if launch is None and any(g.padding) and task.channels <= FEW_CHANNELS and g.n and 0 not in g.size:
            # Where taps are cut, their masks cost more than packing so few channels does.
            self.padding = Padding(g)
            launch = _forward_launch(_forward_task(self.padding.padded, bias))
        self.launch = launch or packed_launch(task)

    def run(self, x_ptr: int, w_ptr: int, bias_ptr: int, y_ptr: int, *more: Any) -> None:
        """more: operands of formulas that the launch has (convolution_finish)."""
        if self.pointwise and not self.rows:
            self.launch.run(w_ptr, x_ptr, y_ptr, *more)
            return
        if self.padding is not None:
            workspace, x_ptr = self.padding.copy(x_ptr)
        if self.bias:
            self.launch.run(x_ptr, w_ptr, bias_ptr, y_ptr, *more)
        else:
            self.launch.run(x_ptr, w_ptr, y_ptr, *more)


class InputGradientPlan:
    """gx (N, C, *size) from gy (N, O, *result) and w (O, C/groups, *kernel).

    Inputs i = phase + stride * t meet only the taps of their phase, at output t + a constant: each phase is a stride-1
    convolution of gy with those taps.
    """

    def __init__(self, g: Geometry) -> None:
        self.geometry = g
        self.phases: list[tuple[AnyLaunch, int | None, int]] = []  # kernel, its weights, its first result
        self.turns: list[tuple[Launch, int]] = []
        self.tiles: TurnTiles | None = None
        channels, outputs = g.c // g.groups, g.o // g.groups
        area = prod(g.size)
        self.rows = g.is_pointwise and area == 1
        self.pointwise = g.is_pointwise
        self.product: Launch | None = None
        if self.rows:
            self.product = _product_launch(g.dtype, g.n, g.c, g.o, g.o, g.c, g.c)
            self.product.regions = None
        elif self.pointwise:
            self.product = _product_launch(g.dtype, g.c, area, g.o, g.c, area, area, True, False, g.n, 0, g.o * area,
                                           g.c * area)
        if self.pointwise:
            return
        self.cleared: Any = None
        self.compact: InputGradientPlan | None = None
        if g.taps == 1 and g.stride != (1, 1, 1) and g.padding == (0, 0, 0) and g.n and 0 not in g.result:
            self._spread(g)
            return
        self.depthwise = depthwise_launch(g, False, gradient=True)
        if self.depthwise is not None:
            return
        self.fold: FoldPlan | None = fold_plan(g)
        if self.fold is not None:
            self._clear(g)
            return
        size = host_target(g.dtype).bytes
        self.turned_bytes = 0
        for phase in product(*(range(min(s, n)) for s, n in zip(g.stride, g.size, strict=True))):
            taps, shifts = [], []
            for tap, shift in enumerate(g.shifts):
                apart = [(p - d, s) for p, d, s in zip(phase, shift, g.stride, strict=True)]
                if all(a % s == 0 for a, s in apart):
                    taps.append(tap)
                    shifts.append(tuple(a // s for a, s in apart))
            if not taps:  # inputs that no window meets
                if self.cleared is None:
                    self._clear(g)
                continue
            grid = tuple(ceil((n - p) / s) for n, p, s in zip(g.size, phase, g.stride, strict=True))
            task = Correlation(g, False, outputs, channels, g.result, grid, (1, 1, 1), tuple(shifts), g.size, g.stride,
                               g.taps <= MOST_TAPS)
            place = ((phase[0] * g.size[1] + phase[1]) * g.size[2] + phase[2]) * size
            self._add(_forward_launch(task), taps, place)
        if self.tiles is not None:
            self.turns.append((self.tiles.launch(), 0))

    def _clear(self, g: Geometry) -> None:
        dtype, count = by_name(g.dtype), g.n * g.c * prod(g.size)
        self.cleared = operands.converted(layout(dtype, (count,), (0,)), layout(dtype, (count,)))
        self._zero = bytearray(64)  # which is copied to all
        self.zero = addressof(c_char.from_buffer(self._zero))

    def _spread(self, g: Geometry) -> None:
        """Single taps with a stride: the gradient of the inputs that are read, then those, among zeros."""
        (_, height, width), steps, dtype = g.size, g.stride, by_name(g.dtype)
        self.compact = InputGradientPlan(replace(g, size=g.result, stride=(1, 1, 1)))
        taken = (g.n * g.c, *g.result)
        strides = (prod(g.size), steps[0] * height * width, steps[1] * width, steps[2])
        self.met = operands.converted(layout(dtype, taken), layout(dtype, taken, strides))
        self.met_bytes = prod(taken) * host_target(g.dtype).bytes
        self._clear(g)

    def _add(self, forward: AnyLaunch, taps: list[int], place: int) -> None:
        """A phase, and what turns the weights as its kernel wants them: not at all, by tiles, or into rows."""
        g, begin = self.geometry, self.turned_bytes
        channels, outputs, target = g.c // g.groups, g.o // g.groups, host_target(g.dtype)
        self.phases.append((forward, begin, place))
        if not isinstance(forward, Launch):  # which turn weights themselves
            self.phases[-1] = forward, None, place
        elif forward.tile:
            if self.tiles is None:
                self.tiles = TurnTiles(g.dtype, g.groups, channels, outputs, g.taps, forward.tile)
            self.tiles.add(taps, begin)
            whole = tile_bytes(outputs * len(taps), forward.tile, target)
            self.turned_bytes += g.groups * ceil(channels / forward.tile) * whole
        else:
            self.turns.append((turn_launch(g.dtype, g.groups, channels, outputs, taps, g.taps), begin))
            self.turned_bytes += g.o * channels * len(taps) * target.bytes

    def run(self, gy_ptr: int, w_ptr: int, gx_ptr: int, *more: Any) -> None:
        """more: operands of formulas that the only launch which writes gx has (convolution_finish)."""
        if self.product is not None:
            self.product.run(*((gy_ptr, w_ptr) if self.rows else (w_ptr, gy_ptr)), gx_ptr, *more)
            return
        if self.compact is not None:
            from numbatorch.cpu.memory import address, allocate

            workspace = allocate(self.met_bytes)
            self.compact.run(gy_ptr, w_ptr, address(workspace))
            self.cleared.kernel(self.zero, gx_ptr, self.cleared.meta, self.cleared.units, self.cleared.grain)
            self.met.kernel(address(workspace), gx_ptr, self.met.meta, self.met.units, self.met.grain)
            return
        if self.depthwise is not None:
            self.depthwise.run(gy_ptr, w_ptr, gx_ptr, *more)
            return
        if self.fold is not None:
            self.cleared.kernel(self.zero, gx_ptr, self.cleared.meta, self.cleared.units, self.cleared.grain)
            self.fold.run(gy_ptr, w_ptr, gx_ptr)
            return
        from numbatorch.cpu.memory import address, allocate

        workspace = allocate(max(64, self.turned_bytes))
        base = address(workspace)
        if self.cleared is not None:
            self.cleared.kernel(self.zero, gx_ptr, self.cleared.meta, self.cleared.units, self.cleared.grain)
        for turn, turned in self.turns:
            turn.run(w_ptr, base + turned)
        for forward, begin, place in self.phases:
            forward.run(gy_ptr, w_ptr if begin is None else base + begin, gx_ptr + place, *more)


def _geometry(dtype, n, c, size, o, kernel, stride, padding, dilation, groups) -> Geometry:
    rank = len(kernel)
    sizes = (triple(size, rank, 1), triple(kernel, rank, 1), triple(stride, rank, 1), triple(padding, rank, 0),
             triple(dilation, rank, 1))
    return Geometry(dtype, n, c, sizes[0], o, *sizes[1:], groups)


def _simple(g: Geometry) -> Geometry:
    """The same with single positions, where a window is the whole input: its elements are channels."""
    apart = any(d > 1 and k > 1 for d, k in zip(g.dilation, g.kernel, strict=True))
    if g.groups > 1 or g.size != g.kernel or any(g.padding) or apart:
        return g
    one = (1, 1, 1)
    return replace(g, c=g.c * g.taps, size=one, kernel=one, stride=one, dilation=one)


# Plans by dtype, n, c, size, o, kernel, stride, padding, dilation, groups: tuples of one to three numbers, or one
# number for all dimensions. All tensors are contiguous.


@lru_cache(maxsize=1024)
def forward_plan(dtype: str, *sizes, bias: bool = False) -> ForwardPlan:
    """Plan of y = convolution(x, w) + bias; run(x_ptr, w_ptr, bias_ptr or 0, y_ptr)."""
    return ForwardPlan(_simple(_geometry(dtype, *sizes)), bias)


@lru_cache(maxsize=1024)
def input_gradient_plan(dtype: str, *sizes) -> InputGradientPlan:
    """Plan of the gradient by x, from the sizes of the forward convolution; run(gy_ptr, w_ptr, gx_ptr)."""
    return InputGradientPlan(_simple(_geometry(dtype, *sizes)))


@lru_cache(maxsize=1024)
def weight_gradient_plan(dtype: str, *sizes) -> WeightPlan:
    """Plan of the gradient by w, from the sizes of the forward convolution; run(x_ptr, gy_ptr, gw_ptr)."""
    g = _simple(_geometry(dtype, *sizes))
    found: WeightPlan | None = depthwise_weight_plan(g) or planes_weight_plan(g) or pointwise_weight_plan(g)
    return found or winograd_weight_plan(g) or WeightGradientPlan(g)
