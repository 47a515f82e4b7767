"""Convolution of stride 1 that reads the input in place: positions run through rows of the input's width."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import ceil

from numbatorch.cpu import tiles
from numbatorch.cpu.convolution_flat_kernels import FLAT_BYTES, FLAT_K_BLOCK, FLAT_META, write_flat
from numbatorch.cpu.convolution_geometry import Correlation, Launch, grain, runs_of_planes, weight_strides
from numbatorch.cpu.gemm import UNIT_FLOPS, balanced
from numbatorch.cpu.microkernel import FLAT, PREFETCH_OFFSETS, host_target


@cache
def _kernel(dtype: str, with_bias: bool) -> Callable[..., None]:
    from numbatorch.cpu.compile import compile_ir

    name = f"convolution_flat_{'bias_' if with_bias else ''}{dtype}"
    text = write_flat(name, host_target(dtype), with_bias)
    return compile_ir(name, text, (f"{dtype}*",) * (4 if with_bias else 3) + ("int64*",))


def flat_launch(task: Correlation) -> Launch | None:
    """The kernel that reads the input in place; None where rows are short, or a padded one is too much to copy."""
    g, channels, outputs, bias = task.geometry, task.channels, task.outputs, task.bias
    plane, grid, shifts = task.plane[1:], task.grid[1:], [shift[1:] for shift in task.shifts]
    target = host_target(g.dtype)
    size, (height, width), (rows, columns), taps = target.bytes, plane, grid, len(shifts)
    top, left = min(row for row, _ in shifts), min(column for _, column in shifts)
    reach, reach_columns = max(row for row, _ in shifts) - top, max(column for _, column in shifts) - left
    copies = not (top >= 0 and left >= 0 and top + rows + reach <= height and left + columns + reach_columns <= width)
    pitch = columns + reach_columns if copies else width
    if pitch < target.lanes:  # a vector would hold parts of three rows, and a copied one reach into the next channel
        return None
    flops = task.flops
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
        **weight_strides(task, tile, size),
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
    kernel = _kernel(g.dtype, bias)
    regions = runs_of_planes(g.groups, outputs, meta["units_per_group"], rows_per_unit * columns, rows * columns)
    return Launch(kernel, [meta[name] for name in FLAT_META] + table, units, grain(units, flops), tile * task.turned,
                  regions)
