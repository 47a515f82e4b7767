"""Winograd's convolution, F(2x2, 3x3): 2.25 times fewer products than the sum over taps, as accurate in float32.

Three kernels: weights and inputs are transformed, then multiplied and transformed back. Inputs go through in parts that
stay in the last-level cache. For 3x3 windows of stride 1 where the products repay the transforms. An infinity or NaN in
the input reaches all four results of the tiles that read it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import ceil

from numbatorch.cpu import tiles
from numbatorch.cpu.convolution_geometry import Correlation, Launch, Region, grain
from numbatorch.cpu.convolution_winograd_kernels import (
    CHANNELS_AT_ONCE,
    FREQUENCIES,
    GROUP,
    INPUTS_META,
    PRODUCTS_META,
    ROWS_BYTES,
    RUN_BYTES,
    STAGE_BYTES,
    TAPS,
    WEIGHTS_META,
    write_gradients,
    write_inputs,
    write_products,
    write_runs,
    write_sums,
    write_weights,
)
from numbatorch.cpu.gemm import balanced
from numbatorch.cpu.microkernel import host_target

RUN_TILES = 56  # of a unit
PART_BYTES = 3 << 20  # of transformed inputs at once: 1.66 times the sum over taps at 64x56x56, 1.44 with 8 MB
K_BLOCK = 256  # channels summed in registers: a panel of weights stays in the first-level cache
LEAST = 32  # channels, and outputs: 1.4 times the sum over taps at 26x26, 64 images
LEAST_TILES = 32
MANY_RUNS = 24  # enough to share without cutting them by panels, too
TILE_WEIGHTS = 170 << 10  # bytes of transformed weights that a tile must repay: 512 channels from 98 tiles, 1.04 times


@cache
def kernel(kind: str, dtype: str) -> Callable[..., None]:
    from numbatorch.cpu.compile import compile_ir

    target, name, pointer = host_target(dtype), f"winograd_{kind}_{dtype}", f"{dtype}*"
    simple: dict[str, Callable[[], str]] = {
        "weights": lambda: write_weights(name, target),
        "inputs": lambda: write_inputs(name, target),
        "results": lambda: write_inputs(name, target, results=True),
        "gradients": lambda: write_gradients(name, target),
    }
    if kind in simple:
        return compile_ir(name, simple[kind](), (pointer, pointer, "int64*"))
    if kind == "sums":
        return compile_ir(name, write_sums(name, target), (pointer,) * 3 + ("int64*",))
    with_bias, write = kind.endswith("_bias"), write_runs if kind.startswith("runs") else write_products
    return compile_ir(name, write(name, target, with_bias), (pointer,) * (4 if with_bias else 3) + ("int64*",))


class WinogradLaunch:
    """run(x, weight, [bias,] y): the weights once, then inputs and products part by part, or both in one launch."""

    def __init__(self, weights: Launch, parts: list[tuple[Launch | None, Launch]], weight_bytes: int,
                 part_bytes: int) -> None:
        self.weights, self.parts, self.weight_bytes, self.part_bytes = weights, parts, weight_bytes, part_bytes

    def run(self, x_ptr: int, w_ptr: int, *rest: int) -> None:
        from numbatorch.cpu.memory import address, allocate

        workspace = allocate(self.weight_bytes + self.part_bytes)
        turned = address(workspace)
        inputs = turned + self.weight_bytes
        self.weights.run(w_ptr, turned)
        for transform, multiply in self.parts:
            if transform is not None:
                transform.run(x_ptr, inputs)
            multiply.run(x_ptr if transform is None else inputs, turned, *rest)


def _in_runs(task: Correlation, part: tuple, v_run: int, runs: int, panels: int, units_per_run: int) -> Launch:
    """Both launches of a part as one, of a run at a time: what is transformed stays in a cache, and nobody waits."""
    transform, multiply = part
    addresses = [a for one in part for a in (one.kernel.__self__.address, one.address)]

    def regions(run: int) -> list[Region]:
        return [region for panel in range(panels) for region in multiply.regions(panel * runs + run)]
    made = kernel("runs_bias" if task.bias else "runs", task.geometry.dtype)
    return Launch(made, [*addresses, v_run, runs, panels, units_per_run], runs, ceil(multiply.grain / panels),
                  regions=regions, keep=part)


def _window(task: Correlation) -> list[int] | None:
    """The number of the tap at each place of a 3x3 window, row by row; None for other windows."""
    rows, columns = (sorted({shift[d] for shift in task.shifts}) for d in (1, 2))
    wanted = [(row, column) for row in rows for column in columns]
    found = [shift[1:] for shift in task.shifts]
    if len(rows) != 3 or len(columns) != 3 or sorted(found) != wanted:
        return None
    if rows[2] - rows[0] != 2 or columns[2] - columns[0] != 2:
        return None
    return [found.index(place) for place in wanted]


def winograd_launch(task: Correlation) -> WinogradLaunch | None:
    """For 3x3 windows, stride 1 and one group, where there are channels, outputs and tiles enough; None for others."""
    g, channels, outputs = task.geometry, task.channels, task.outputs
    in_order = task.step == task.result_step == (1, 1, 1)
    if not in_order or not task.is_flat or g.groups != 1 or min(channels, outputs) < LEAST:
        return None
    window = _window(task)
    if window is None:
        return None
    (_, height, width), (_, rows, columns) = task.plane, task.grid
    target = host_target(g.dtype)
    size, row_bytes = target.bytes, target.panel * target.bytes
    down, across = ceil(rows / 2), ceil(columns / 2)
    u_frequency = (channels + 1) * row_bytes
    u_panel, panels = FREQUENCIES * u_frequency, ceil(outputs / target.panel)
    repaid = TILE_WEIGHTS * (2 if task.turned else 1)  # turning them costs others as much
    if g.n * rows * columns < 4 * max(LEAST_TILES, panels * u_panel // repaid):
        return None
    rows_per_run = balanced(g.n * down, max(1, RUN_TILES // across))
    pitch, run_tiles = 2 * across + 2, rows_per_run * across
    lines = 2 * rows_per_run + 2
    if lines * pitch * target.vector_bytes > ROWS_BYTES or 4 * run_tiles * row_bytes > STAGE_BYTES:
        return None
    top, left = (min(shift[d] for shift in task.shifts) for d in (1, 2))
    lead = min(pitch, max(0, -left))
    begin = min(width, max(0, left))
    depth = ceil(channels / target.lanes) * target.lanes
    v_tile = (depth + target.lanes) * size  # rows of a power of two would meet in few sets of the cache
    v_frequency = run_tiles * v_tile
    v_run = FREQUENCIES * v_frequency
    area, result = height * width * size, rows * columns * size
    chunks = ceil(channels / CHANNELS_AT_ONCE)
    w_output, w_channel = (1, outputs) if task.turned else (channels, 1)
    meta = dict(channels=channels, outputs=outputs, w_output=w_output * TAPS * size, w_channel=w_channel * TAPS * size,
                u_panel=u_panel, u_frequency=u_frequency, chunks=chunks, transpose=tiles.transpose(target))
    places = [tap * target.vector_bytes for tap in window]
    work = 16.0 * outputs * channels * FREQUENCIES
    units = panels * chunks
    weights = Launch(kernel("weights", g.dtype), [meta[n] for n in WEIGHTS_META] + places, units, grain(units, work))

    tile = balanced(min(run_tiles, GROUP), target.rows)
    group = GROUP // tile * tile
    all_rows = g.n * down
    runs = ceil(all_rows / rows_per_run)
    last_tiles = (all_rows - (runs - 1) * rows_per_run) * across
    lengths = [n for total in (run_tiles, last_tiles) for n in (min(group, total), total % group)]
    units_per_run = min(chunks, max(1, ceil(16 / runs)))
    channels_per_unit = ceil(channels / units_per_run / target.lanes) * target.lanes
    units_per_run = ceil(channels / channels_per_unit)
    common = dict(
        channels=channels,
        outputs=outputs,
        rows=all_rows,
        rows_per_run=rows_per_run,
        tile_rows=down,
        tile_columns=across,
        v_run=v_run,
        v_frequency=v_frequency,
        v_tile=v_tile,
    )
    inputs = common | dict(
        height=height,
        width=width,
        top=top,
        lead=lead,
        taken=max(0, min(width - begin, pitch - lead)),
        begin=begin * size,
        pitch=pitch,
        x_image=channels * area,
        x_channel=area,
        channels_per_unit=channels_per_unit,
        units_per_run=units_per_run,
        transpose=meta["transpose"],
    )
    products = common | dict(
        height=rows,
        width=columns,
        y_image=outputs * result,
        y_channel=result,
        u_panel=u_panel,
        u_frequency=u_frequency,
        k_block=balanced(channels, K_BLOCK),
        group=group,
        tile=tile,
        tiles=tiles.address(target, lengths, tile, tiles.panels(outputs, target.panel)),
    )
    multiplying = kernel("products_bias" if task.bias else "products", g.dtype)
    together = runs >= MANY_RUNS and v_run <= RUN_BYTES
    per_part = runs if together else balanced(runs, max(1, max(PART_BYTES, panels * u_panel // 2) // v_run))
    parts: list[tuple[Launch | None, Launch]] = []
    for first in range(0, runs, per_part):
        count = min(per_part, runs - first)
        own = dict(first_run=first, runs=count)
        units = count * units_per_run
        copied = 64.0 * count * v_run / size
        transform = Launch(kernel("inputs", g.dtype), [(inputs | own)[n] for n in INPUTS_META], units,
                           grain(units, copied))
        units = count * panels
        flops = 2.0 * units * run_tiles * target.panel * FREQUENCIES * channels

        def regions(unit: int, first: int = first, count: int = count) -> list[Region]:
            channel, begin = unit // count * target.panel, (first + unit % count) * rows_per_run
            end, found = min(begin + rows_per_run, all_rows), []
            for image in range(begin // down, (end - 1) // down + 1):
                top, bottom = max(0, begin - image * down) * 2, min((end - image * down) * 2, rows)
                found.append((image, channel, min(target.panel, outputs - channel), top * columns,
                              (bottom - top) * columns))
            return found
        parts.append((transform, Launch(multiplying, [(products | own)[n] for n in PRODUCTS_META], units,
                                        grain(units, flops), regions=regions)))
    if together:
        return WinogradLaunch(weights, [(None, _in_runs(task, parts[0], v_run, runs, panels, units_per_run))],
                              panels * u_panel, 0)
    return WinogradLaunch(weights, parts, panels * u_panel, per_part * v_run)
