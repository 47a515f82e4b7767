"""Convolution plane by plane, for groups of few channels: depthwise convolution, its input and its weight gradient."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import ceil, prod

from numbatorch.cpu import tiles
from numbatorch.cpu.convolution_geometry import Correlation, Geometry, Launch, grain, runs_of_planes
from numbatorch.cpu.convolution_planes_kernels import (
    BLOCK_BYTES,
    META,
    TAPS_AT_ONCE,
    WEIGHT_META,
    write_dots,
    write_planes,
    write_planes_weight,
)
from numbatorch.cpu.gemm import balanced
from numbatorch.cpu.microkernel import host_target

FEW_PAIRS = 8  # channels x outputs of a group up to which its weight gradient goes plane by plane


@cache
def _kernel(weight: bool, dtype: str, with_bias: bool) -> Callable[..., None]:
    from numbatorch.cpu.compile import compile_ir

    target, name = host_target(dtype), f"convolution_planes_{'weight_' * weight}{'bias_' * with_bias}{dtype}"
    text = write_planes_weight(name, target) if weight else write_planes(name, target, with_bias)
    return compile_ir(name, text, (f"{dtype}*",) * (4 if weight or with_bias else 3) + ("int64*",))


def _dots(dtype: str, count: int) -> int:
    target = host_target(dtype)
    name = f"planes_dots_{target.label}_{count}"
    return tiles.routine(name, lambda module: write_dots(module, name, target, count))


def _blocks(
    g: Geometry,
    channels: int,
    plane: tuple[int, ...],
    grid: tuple[int, ...],
    step: tuple[int, ...],
    shifts: list[tuple[int, ...]],
) -> tuple[dict[str, int], list[int]] | None:
    """Sizes of the copied blocks and the table of taps; None where not even one row of a few vectors fits."""
    target = host_target(g.dtype)
    size, (rows, columns) = target.bytes, grid
    top, left = min(row for row, _ in shifts), min(column for _, column in shifts)
    apart = [(row - top, column - left) for row, column in shifts]
    phases = (min(step[0], max(row for row, _ in apart) + 1), min(step[1], max(column for _, column in apart) + 1))
    reach = (max(row for row, _ in apart) // step[0], max(column for _, column in apart) // step[1])
    elements = (BLOCK_BYTES // (channels * phases[0] * phases[1]) - target.vector_bytes) // size
    most = elements // (reach[0] + 1) - reach[1]
    if most < min(columns, 4 * target.lanes):
        return None
    column_block = balanced(columns, most)
    pitch = column_block + reach[1]
    row_block = balanced(rows, elements // pitch - reach[0])
    plane_bytes = (row_block + reach[0]) * pitch * size + target.vector_bytes
    sizes = dict(
        phase_rows=phases[0],
        phase_columns=phases[1],
        top=top,
        left=left,
        row_block=row_block,
        column_block=column_block,
        row_blocks=ceil(rows / row_block),
        column_blocks=ceil(columns / column_block),
        reach_rows=reach[0],
        pitch=pitch,
        plane=plane_bytes,
    )
    table = []
    for channel in range(channels):
        for row, column in apart:
            phase = (row % step[0]) * phases[1] + column % step[1]
            place = (row // step[0]) * pitch + column // step[1]
            table.append((channel * phases[0] * phases[1] + phase) * plane_bytes + place * size)
    return sizes, table


def few_planes(task: Correlation) -> bool:
    """Whether a group has so few rows of products that tiles would be idle: few outputs, each of few channels."""
    if not task.channels:
        return False
    return task.channels * task.outputs <= FEW_PAIRS // 2 or task.outputs <= 2 and task.channels <= FEW_PAIRS


def planes_launch(task: Correlation) -> Launch | None:
    """The kernel (x, weight, [bias,] y); None where no block fits."""
    g, channels, outputs = task.geometry, task.channels, task.outputs
    plane, grid, step, result_plane, result_step = (
        sizes[1:] for sizes in (task.plane, task.grid, task.step, task.result_plane, task.result_step)
    )
    found = _blocks(g, channels, plane, grid, step, [shift[1:] for shift in task.shifts])
    if found is None:
        return None
    blocks, table = found
    size, area, result = host_target(g.dtype).bytes, plane[0] * plane[1], result_plane[0] * result_plane[1]
    taps = len(table)
    meta = blocks | dict(
        images=g.n,
        groups=g.groups,
        channels=channels,
        outputs=outputs,
        height=plane[0],
        width=plane[1],
        rows=grid[0],
        columns=grid[1],
        step_rows=step[0],
        step_columns=step[1],
        x_image=g.groups * channels * area * size,
        x_group=channels * area * size,
        x_channel=area * size,
        w_output=taps * size,
        w_group=outputs * taps * size,
        y_image=g.groups * outputs * result * size,
        y_group=outputs * result * size,
        y_channel=result * size,
        y_row=result_step[0] * result_plane[1] * size,
        y_column=result_step[1] * size,
        taps=taps,
    )
    units = g.n * g.groups * blocks["row_blocks"] * blocks["column_blocks"]
    # A sum of a vector costs about as much as 28 of a tile: one output a load instead of 14, and no second vector.
    flops = 16.0 * g.n * g.groups * outputs * grid[0] * grid[1] * (taps + 4)
    whole = blocks["column_blocks"] == 1 and result_step == (1, 1)
    regions = runs_of_planes(g.groups, outputs, blocks["row_blocks"], blocks["row_block"] * grid[1], result)
    return Launch(_kernel(False, g.dtype, task.bias), [meta[name] for name in META] + table, units, grain(units, flops),
                  regions=regions if whole else None)


class PlanesWeightPlan:
    """gw (O, C/groups, KH, KW) from x and gy: each tap the dot product of a plane of gy with a shifted plane of x."""

    def __init__(self, g: Geometry, meta: dict[str, int], table: list[int]) -> None:
        target = host_target(g.dtype)
        self.total_bytes = g.o * len(table) * target.vector_bytes
        flops = 16.0 * g.n * g.o * prod(g.result) * (len(table) + 4)
        self.launch = Launch(
            _kernel(True, g.dtype, False), [meta[name] for name in WEIGHT_META] + table, g.o, grain(g.o, flops)
        )

    def run(self, x_ptr: int, gy_ptr: int, gw_ptr: int) -> None:
        from numbatorch.cpu.memory import address, allocate

        workspace = allocate(max(64, self.total_bytes))
        self.launch.run(x_ptr, gy_ptr, gw_ptr, address(workspace))


def planes_weight_plan(g: Geometry) -> PlanesWeightPlan | None:
    """The plan for groups of few channels; None for others, and where no block fits."""
    channels, outputs = g.c // g.groups, g.o // g.groups
    if not 0 < channels * outputs <= FEW_PAIRS or not g.taps or g.kernel[0] != 1 or g.size[0] != 1 or g.padding[0]:
        return None
    (_, height, width), (_, rows, columns) = g.size, g.result
    found = _blocks(g, channels, (height, width), (rows, columns), g.stride[1:], [shift[1:] for shift in g.shifts])
    if found is None:
        return None
    blocks, table = found
    size, area, result = host_target(g.dtype).bytes, height * width, rows * columns
    at_once = balanced(len(table), TAPS_AT_ONCE)
    meta = blocks | dict(
        images=g.n,
        groups=g.groups,
        channels=channels,
        outputs=outputs,
        height=height,
        width=width,
        rows=rows,
        columns=columns,
        step_rows=g.stride[1],
        step_columns=g.stride[2],
        x_image=g.c * area * size,
        x_group=channels * area * size,
        x_channel=area * size,
        w_output=0,
        w_group=0,
        y_image=g.o * result * size,
        y_group=outputs * result * size,
        y_channel=result * size,
        y_row=columns * size,
        y_column=size,
        taps=len(table),
        at_once=at_once,
        dots=_dots(g.dtype, at_once),
        rest=_dots(g.dtype, len(table) % at_once or at_once),
    )
    return PlanesWeightPlan(g, meta, table)
