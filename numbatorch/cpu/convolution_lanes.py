"""Convolution with outputs in the lanes of vectors: for inputs of few channels, whose columns are not worth packing."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import ceil

from numbatorch.cpu import tiles
from numbatorch.cpu.convolution_geometry import Correlation, Launch, grain, inside, runs_of_planes
from numbatorch.cpu.convolution_lanes_kernels import BLOCK_BYTES, META, POSITIONS, WEIGHTS_BYTES, write_lanes
from numbatorch.cpu.convolution_packed_kernels import ANY_STEP
from numbatorch.cpu.gemm import K_BLOCK, UNIT_FLOPS, balanced
from numbatorch.cpu.microkernel import LANES, host_target

FEW_CHANNELS = 8
STRIDED_CHANNELS = 32  # with a stride, and outputs of one panel: too few to share what packing costs, 1.0 to 1.3 times
ENOUGH_TAPS = 64  # channels x taps: fewer do not repay the transposes, 96 against 113 GFLOP/s at 27
ROWS = 12  # of a tile: more spill registers, which here hold addresses too (192 against 94 GFLOP/s with 14)


@cache
def _kernel(dtype: str, with_bias: bool) -> Callable[..., None]:
    from numbatorch.cpu.compile import compile_ir

    name = f"convolution_lanes_{'bias_' if with_bias else ''}{dtype}"
    text = write_lanes(name, host_target(dtype), with_bias)
    return compile_ir(name, text, (f"{dtype}*",) * (4 if with_bias else 3) + ("int64*",))


def lanes_launch(task: Correlation) -> Launch | None:
    """The kernel (x, weight, [bias,] y) for few channels and results in order; None for others, and padded depth."""
    g, channels, outputs = task.geometry, task.channels, task.outputs
    target = host_target(g.dtype)
    size, taps = target.bytes, channels * len(task.shifts)
    (depth, height, width), (depths, rows, columns), (deep, down, across) = task.plane, task.grid, task.step
    fills = outputs % target.lanes == 0 or outputs >= 2 * target.panel
    packed = ceil(outputs / target.panel) * target.panel * taps * size
    few = STRIDED_CHANNELS if across > 1 and outputs <= target.panel else FEW_CHANNELS
    if channels > few or packed > WEIGHTS_BYTES or not fills or task.result_step != (1, 1, 1):
        return None
    if taps < ENOUGH_TAPS and across < ANY_STEP:
        return None
    front, top, left = (min(shift[d] for shift in task.shifts) for d in range(3))
    apart = [(level - front, row - top, column - left) for level, row, column in task.shifts]
    reach = max(row for _, row, _ in apart)
    copies = any(inside(step, start, outs, ins) != (0, outs) for shift in task.shifts for step, start, outs, ins in
                 zip(task.step, shift, task.grid, task.plane, strict=True))
    x_row, y_row, total = None, columns * size, rows * columns
    if copies and not task.is_flat:
        return None
    if columns > POSITIONS:
        if copies or rows > 1:
            return None
        columns = balanced(columns, POSITIONS)  # pieces of one long row, the last one shorter
        rows, x_row, y_row = ceil(total / columns), columns * across * size, columns * size
    pitch = (columns - 1) * across + max(column for *_, column in apart) + 1 if copies else width
    row_block = POSITIONS // columns
    if copies:
        lines = (BLOCK_BYTES // channels - target.vector_bytes) // (pitch * size)
        if lines < 1 + reach:
            return None
        row_block = min(row_block, (lines - 1 - reach) // down + 1)
    wanted = max(1, ceil(task.flops / (g.n * g.groups * depths * max(UNIT_FLOPS, task.flops / 32)))) if g.n else 1
    rows_per_unit = balanced(rows, ceil(rows / min(rows, wanted)))
    row_block = balanced(rows_per_unit, row_block)
    lines = (row_block - 1) * down + 1 + reach
    plane = lines * pitch * size + target.vector_bytes if copies else depth * height * width * size
    tile = balanced(columns, min(target.rows, ROWS))
    area, result = height * width * size, total * size
    meta = dict(
        images=g.n,
        groups=g.groups,
        channels=channels,
        outputs=outputs,
        height=height,
        width=width,
        rows=rows,
        columns=columns,
        step_rows=1,  # of the copy
        step_columns=1,
        phase_rows=1,
        phase_columns=1,
        top=top,
        left=left,
        row_block=row_block,
        column_block=columns,
        row_blocks=ceil(rows_per_unit / row_block),
        column_blocks=1,
        reach_rows=reach,
        pitch=pitch,
        plane=plane,
        x_image=g.groups * channels * depth * area,
        x_group=channels * depth * area,
        x_channel=depth * area,
        w_output=taps * size,
        w_group=outputs * taps * size,
        y_image=g.groups * outputs * depths * result,
        y_group=outputs * depths * result,
        y_channel=depths * result,
        y_row=y_row,
        y_column=size,
        taps=taps,
        copies=int(copies),
        x_row=down * pitch * size if x_row is None else x_row,
        total=total,
        step_down=down,
        step_across=across * size,
        rows_per_unit=rows_per_unit,
        units_per_image=ceil(rows / rows_per_unit),
        tile=tile,
        k_block=balanced(taps, K_BLOCK),
        depths=depths,
        x_depth=deep * area,
        y_depth=result,
        tiles=tiles.address(target, [columns, total % columns], tile, tiles.panels(outputs, target.panel), LANES),
        transpose=tiles.transpose(target),
    )
    origin = (0, 0, 0) if copies else (front, top, left)
    table = [
        channel * plane + (((level + origin[0]) * height + row + origin[1]) * pitch + column + origin[2]) * size
        for channel in range(channels)
        for level, row, column in apart
    ]
    units = g.n * g.groups * depths * meta["units_per_image"]
    regions = runs_of_planes(g.groups, outputs, meta["units_per_image"], rows_per_unit * columns, total, depths)
    return Launch(_kernel(g.dtype, task.bias), [meta[n] for n in META] + table, units, grain(units, task.flops / 2),
                  regions=regions)
