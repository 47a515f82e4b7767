"""The weight gradient of 3x3 windows by Winograd's transforms: F(2x2, 3x3) run backwards, 2.25 times fewer products.

With V = B' x B of the inputs' tiles and M = A gy A' of the results', the gradient of the transformed weights is V' @ M
summed over all tiles, at each of 16 places, and that of the weights G' (V' @ M) G.
"""

from __future__ import annotations

from math import ceil

from numbatorch.cpu import tiles
from numbatorch.cpu.convolution_geometry import Geometry, Launch, grain
from numbatorch.cpu.convolution_winograd import LEAST, PART_BYTES, kernel
from numbatorch.cpu.convolution_winograd_kernels import (
    CHANNELS_AT_ONCE,
    FREQUENCIES,
    GRADIENTS_META,
    INPUTS_META,
    ROWS_BYTES,
    SUMS_META,
    TAPS,
)
from numbatorch.cpu.gemm import balanced
from numbatorch.cpu.microkernel import host_target

RUN_TILES = 112  # summed in registers
LEAST_TILES = 160  # 1.2 to 1.46 times the sum over positions from here on
TILE_WEIGHTS = 140 << 10  # bytes of sums that a tile must repay: 1.17 times with 512 channels at 128 tiles, 1.01 at 98


class WinogradWeightPlan:
    """gw (O, C, 3, 3) from x and gy, part by part of the tiles; run(x_ptr, gy_ptr, gw_ptr)."""

    def __init__(self, g: Geometry, rows_per_run: int) -> None:
        target = host_target(g.dtype)
        size, lanes, row_bytes = target.bytes, target.lanes, target.panel * target.bytes
        (_, height, width), (_, rows, columns), (_, up, back) = g.size, g.result, g.padding
        down, across = ceil(rows / 2), ceil(columns / 2)
        run_tiles, all_rows = rows_per_run * across, g.n * down
        runs, panels, chunks = ceil(all_rows / rows_per_run), ceil(g.o / target.panel), ceil(g.c / CHANNELS_AT_ONCE)
        v_tile, m_tile = ((ceil(n / lanes) + 1) * lanes * size for n in (g.c, g.o))
        v_run, m_run = (FREQUENCIES * run_tiles * n for n in (v_tile, m_tile))
        u_frequency = (g.c + 1) * row_bytes
        u_panel = FREQUENCIES * u_frequency
        self.sum_bytes = panels * u_panel
        per_part = balanced(runs, max(1, max(PART_BYTES, self.sum_bytes // 2) // (v_run + m_run)))
        self.v_bytes, self.m_bytes = per_part * v_run, per_part * m_run
        common = dict(rows=all_rows, rows_per_run=rows_per_run, tile_rows=down, tile_columns=across)
        turn = tiles.transpose(target)

        def transformed(channels: int, plane: tuple[int, int], top: int, lead: int, pitch: int, tile: int) -> dict:
            per_unit = ceil(channels / max(1, ceil(16 / per_part)) / lanes) * lanes
            area = plane[0] * plane[1] * size
            return common | dict(
                channels=channels, height=plane[0], width=plane[1], top=top, lead=lead, begin=0, pitch=pitch,
                taken=min(plane[1], pitch - lead), x_image=channels * area, x_channel=area,
                v_run=FREQUENCIES * run_tiles * tile, v_frequency=run_tiles * tile, v_tile=tile,
                channels_per_unit=per_unit, units_per_run=ceil(channels / per_unit), transpose=turn)  # fmt: skip

        inputs = transformed(g.c, (height, width), -up, min(back, 2 * across + 2), 2 * across + 2, v_tile)
        results = transformed(g.o, (rows, columns), 0, 0, 2 * across, m_tile)
        tile = balanced(g.c, target.rows)
        sums = common | dict(
            channels=g.c, outputs=g.o, v_run=v_run, v_frequency=run_tiles * v_tile, v_tile=v_tile, m_run=m_run,
            m_frequency=run_tiles * m_tile, m_tile=m_tile, u_panel=u_panel, u_frequency=u_frequency, tile=tile,
            tiles=tiles.address(target, [g.c], tile, tiles.panels(g.o, target.panel)))  # fmt: skip
        self.parts: list[tuple[Launch, Launch, Launch]] = []
        for first in range(0, runs, per_part):
            own = dict(first_run=first, runs=min(per_part, runs - first))
            made = []
            for kind, meta in (("inputs", inputs), ("results", results)):
                units = own["runs"] * meta["units_per_run"]
                made.append(Launch(kernel(kind, g.dtype), [(meta | own)[n] for n in INPUTS_META], units,
                                   grain(units, 64.0 * own["runs"] * meta["v_run"] / size)))
            units = FREQUENCIES * panels
            flops = 2.0 * units * own["runs"] * run_tiles * target.panel * g.c
            multiply = Launch(kernel("sums", g.dtype), [(sums | own)[n] for n in SUMS_META], units, grain(units, flops))
            self.parts.append((made[0], made[1], multiply))
        last = dict(channels=g.c, outputs=g.o, to_output=g.c * TAPS * size, u_panel=u_panel, u_frequency=u_frequency,
                    chunks=chunks)
        units = panels * chunks
        self.last = Launch(kernel("gradients", g.dtype), [last[n] for n in GRADIENTS_META], units,
                           grain(units, 16.0 * g.c * g.o * FREQUENCIES))

    def run(self, x_ptr: int, gy_ptr: int, gw_ptr: int) -> None:
        from numbatorch.cpu.memory import address, allocate

        workspace = allocate(self.sum_bytes + self.v_bytes + self.m_bytes)
        sums = address(workspace)
        inputs = sums + self.sum_bytes
        results = inputs + self.v_bytes
        for from_x, from_gy, multiply in self.parts:
            from_x.run(x_ptr, inputs)
            from_gy.run(gy_ptr, results)
            multiply.run(inputs, results, sums)
        self.last.run(sums, gw_ptr)


def winograd_weight_plan(g: Geometry) -> WinogradWeightPlan | None:
    """For 3x3 windows, stride 1 and one group, where there are channels, outputs and tiles enough; None for others."""
    flat = g.size[0] == g.kernel[0] == g.result[0] == 1 and not g.padding[0]
    plain = g.kernel[1:] == (3, 3) and g.stride == g.dilation == (1, 1, 1) and g.groups == 1
    if not flat or not plain or min(g.c, g.o) < LEAST:
        return None
    target = host_target(g.dtype)
    (_, rows, columns), panels = g.result, ceil(g.o / target.panel)
    sum_bytes = panels * FREQUENCIES * g.c * target.panel * target.bytes
    if g.n * rows * columns < 4 * max(LEAST_TILES, sum_bytes // TILE_WEIGHTS):
        return None
    across = ceil(columns / 2)
    rows_per_run = balanced(g.n * ceil(rows / 2), max(1, RUN_TILES // across))
    if (2 * rows_per_run + 2) * (2 * across + 2) * target.vector_bytes > ROWS_BYTES:
        return None
    return WinogradWeightPlan(g, rows_per_run)
