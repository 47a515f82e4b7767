"""Convolution as an implicit product: the columns of each panel of output positions are packed into a buffer."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import ceil

from numbatorch.cpu import tiles
from numbatorch.cpu.convolution_geometry import (
    Correlation,
    Launch,
    Region,
    grain,
    inside,
    tile_bytes,
    weight_strides,
)
from numbatorch.cpu.convolution_packed_kernels import (
    ANY_STEP,
    FORWARD_META,
    K_BLOCK,
    PANELS,
    STAGE_ROWS,
    TILES_META,
    TILES_TAP,
    TURN_CHANNELS,
    TURN_TILES,
    write_forward,
    write_pack_taps,
    write_turn,
    write_turn_tiles,
)
from numbatorch.cpu.gemm import UNIT_FLOPS, balanced
from numbatorch.cpu.microkernel import PLAIN, TILED, Target, host_target

WEIGHTS_BYTES = 256 << 10  # of a block of weights: more stay in the second-level cache for several panels


@cache
def _kernel(dtype: str, with_bias: bool) -> Callable[..., None]:
    from numbatorch.cpu.compile import compile_ir

    name = f"convolution_forward_{'bias_' if with_bias else ''}{dtype}"
    text = write_forward(name, host_target(dtype), with_bias)
    return compile_ir(name, text, (f"{dtype}*",) * (4 if with_bias else 3) + ("int64*",))


@cache
def _turning(by_tiles: bool, dtype: str) -> Callable[..., None]:
    from numbatorch.cpu.compile import compile_ir

    name, write = ("convolution_turn_tiles_", write_turn_tiles) if by_tiles else ("convolution_turn_", write_turn)
    return compile_ir(name + dtype, write(name + dtype, host_target(dtype)), (f"{dtype}*", f"{dtype}*", "int64*"))


def turn_launch(dtype: str, groups: int, channels: int, outputs: int, taps: list[int], all_taps: int) -> Launch:
    """The kernel (weight, turned) that lays chosen taps of weights out as those of the input gradient."""
    meta = [channels, outputs, len(taps), all_taps, int(taps == list(range(all_taps))), *taps]
    units = groups * ceil(channels / TURN_CHANNELS)
    per_unit = max(1, min(channels, TURN_CHANNELS) * outputs * len(taps))
    return Launch(_turning(False, dtype), meta, units, max(1, 32768 // per_unit))


class TurnTiles:
    """The kernel (weight, turned) that lays the weights of an input gradient out by tiles of its outputs.

    Phases are added one by one: their taps, and where in `turned` their weights begin, in bytes.
    """

    def __init__(self, dtype: str, groups: int, channels: int, outputs: int, all_taps: int, tile: int) -> None:
        self.dtype, self.groups, self.channels, self.outputs, self.tile = dtype, groups, channels, outputs, tile
        self.target = host_target(dtype)
        self.table = [0] * (len(TILES_TAP) * all_taps)

    def add(self, taps: list[int], begin: int) -> None:
        size = self.target.bytes
        for number, tap in enumerate(taps):
            record = dict(place=begin + number * self.tile * size, step=len(taps) * self.tile * size,
                          tile_step=tile_bytes(self.outputs * len(taps), self.tile, self.target))
            at = len(TILES_TAP) * tap
            self.table[at : at + len(TILES_TAP)] = [record[name] for name in TILES_TAP]

    def launch(self) -> Launch:
        taps = len(self.table) // len(TILES_TAP)
        count = ceil(self.channels / self.tile)
        meta = dict(channels=self.channels, outputs=self.outputs, taps=taps, tile=self.tile, tile_count=count,
                    units_per_group=ceil(count / TURN_TILES), transpose=tiles.transpose(self.target))
        units = self.groups * meta["units_per_group"]
        per_unit = max(1, min(count, TURN_TILES) * self.tile * self.outputs * taps)
        return Launch(_turning(True, self.dtype), [meta[name] for name in TILES_META] + self.table, units,
                      max(1, 32768 // per_unit))


def _pack_taps(target: Target, step: int) -> int:
    name = f"pack_taps_{target.label}_{step}"
    return tiles.routine(name, lambda module: write_pack_taps(module, name, target, step))


def packed_launch(task: Correlation) -> Launch:
    """The kernel that packs the columns of each panel: for all shapes."""
    g, channels, outputs = task.geometry, task.channels, task.outputs
    target = host_target(g.dtype)
    size, (depth, height, width), (depths, rows, columns) = target.bytes, task.plane, task.grid
    taps, own = len(task.shifts), depths * rows * columns
    positions, flops = g.n * own, task.flops
    panels = max(1, ceil(positions / target.panel))
    wanted = max(1, ceil(flops / (g.groups * max(UNIT_FLOPS, flops / 32))))
    per_unit = ceil(panels / min(panels, wanted))
    units_per_group = ceil(panels / per_unit)
    if taps > K_BLOCK:
        channel_block, tap_block = 1, balanced(taps, K_BLOCK)
    else:
        channel_block, tap_block = balanced(channels, max(1, K_BLOCK // max(1, taps))), max(1, taps)
    strided = task.result_step != (1, 1, 1)
    stages = strided or own % target.panel != 0
    tile = balanced(outputs, target.rows)
    output_block = min(outputs, STAGE_ROWS // tile * tile) if stages else outputs
    area, (result_depth, result_height, result_width) = height * width * size, task.result_plane
    result = result_depth * result_height * result_width * size
    runs = [output_block, outputs % max(1, output_block)]
    table: list[int] = []
    cut = False
    for shift in task.shifts:
        for step, start, outs, ins in zip(task.step, shift, task.grid, task.plane, strict=True):
            reached = inside(step, start, outs, ins)
            cut = cut or reached != (0, outs)
            table += reached
        table.append(((shift[0] * height + shift[1]) * width + shift[2]) * size)
    meta = dict(
        channels=channels,
        outputs=outputs,
        positions=positions,
        own=own,
        rows=rows,
        columns=columns,
        width=width,
        depths=depths,
        step_depth=task.step[0] * area,
        step_rows=task.step[1],
        step_columns=task.step[2],
        x_image=g.groups * channels * depth * area,
        x_group=channels * depth * area,
        x_channel=depth * area,
        **weight_strides(task, tile, size),
        y_image=g.groups * outputs * result,
        y_group=outputs * result,
        y_channel=result,
        y_depth=task.result_step[0] * result_height * result_width * size,
        y_row=task.result_step[1] * result_width * size,
        y_column=task.result_step[2] * size,
        panels_per_unit=per_unit,
        units_per_group=units_per_group,
        panels_at_once=PANELS if outputs * K_BLOCK * size > WEIGHTS_BYTES else 1,
        output_block=output_block,
        channel_block=channel_block,
        tap_block=tap_block,
        taps=taps,
        tile=tile,
        strided=int(strided),
        cut=int(cut),
        tiles=tiles.address(target, runs, tile, tiles.panels(positions, target.panel),
                            TILED if task.turned else PLAIN, row_numbers=True),
        pack=_pack_taps(target, min(task.step[2], ANY_STEP)),
    )
    units = g.groups * units_per_group if positions and outputs else 0
    kernel = _kernel(g.dtype, task.bias)
    run = per_unit * target.panel

    def regions(unit: int) -> list[Region]:
        group, first = unit // units_per_group * outputs, unit % units_per_group * run
        last = min(first + run, positions)
        return [(image, group, outputs, max(0, first - image * own), min(own, last - image * own) - max(
            0, first - image * own)) for image in range(first // own, (last - 1) // own + 1)]
    return Launch(kernel, [meta[name] for name in FORWARD_META] + table, units, grain(units, flops), tile * task.turned,
                  None if strided else regions)
