"""Convolution as an implicit product: the columns of each panel of output positions are packed into a buffer."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import ceil

from numbatorch.cpu import tiles
from numbatorch.cpu.convolution_geometry import Geometry, Launch, grain, inside
from numbatorch.cpu.convolution_packed_kernels import (
    ANY_STEP,
    FORWARD_META,
    K_BLOCK,
    STAGE_ROWS,
    TURN_CHANNELS,
    write_forward,
    write_pack_taps,
    write_turn,
)
from numbatorch.cpu.gemm import UNIT_FLOPS, balanced
from numbatorch.cpu.microkernel import Target, host_target


@cache
def _kernel(dtype: str, with_bias: bool) -> Callable[..., None]:
    from numbatorch.cpu.compile import compile_ir

    name = f"convolution_forward_{'bias_' if with_bias else ''}{dtype}"
    text = write_forward(name, host_target(dtype), with_bias)
    return compile_ir(name, text, (f"{dtype}*",) * (4 if with_bias else 3) + ("int64*",))


@cache
def _turning(dtype: str) -> Callable[..., None]:
    from numbatorch.cpu.compile import compile_ir

    name = f"convolution_turn_{dtype}"
    return compile_ir(name, write_turn(name, host_target(dtype)), (f"{dtype}*", f"{dtype}*", "int64*"))


def turn_launch(dtype: str, groups: int, channels: int, outputs: int, taps: list[int], all_taps: int) -> Launch:
    """The kernel (weight, turned) that lays chosen taps of weights out as those of the input gradient."""
    meta = [channels, outputs, len(taps), all_taps, int(taps == list(range(all_taps))), *taps]
    units = groups * ceil(channels / TURN_CHANNELS)
    per_unit = max(1, min(channels, TURN_CHANNELS) * outputs * len(taps))
    return Launch(_turning(dtype), meta, units, max(1, 32768 // per_unit))


def _pack_taps(target: Target, step: int) -> int:
    name = f"pack_taps_{target.label}_{step}"
    return tiles.routine(name, lambda module: write_pack_taps(module, name, target, step))


def packed_launch(
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
        table += [*inside(step[0], row, rows, height), *inside(step[1], column, columns, width)]
        table.append((row * width + column) * size)
    units = g.n * g.groups * units_per_group if positions and outputs else 0
    kernel = _kernel(g.dtype, bias)
    return Launch(kernel, [meta[name] for name in FORWARD_META] + table, units, grain(units, flops))
