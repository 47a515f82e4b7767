"""Depthwise convolution with channels in the lanes of vectors: all results of both passes, and the weight gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import product
from math import ceil, prod

from numbatorch.cpu import tiles
from numbatorch.cpu.convolution_depthwise_kernels import (
    COPY_BYTES,
    META,
    MOST_TAPS,
    PHASE,
    RESULT_BYTES,
    WEIGHT_META,
    write_depthwise,
    write_depthwise_weight,
    write_dots,
    write_sums,
)
from numbatorch.cpu.convolution_geometry import Geometry, Launch, Region, Sizes, grain
from numbatorch.cpu.gemm import balanced
from numbatorch.cpu.microkernel import Target, host_target

MOST_STEP = 4  # the steps of columns that have routines
TURN_FLOPS = 60.0  # what turning an element over and back costs, in flops of the sums


@cache
def _kernel(kind: str, dtype: str) -> Callable[..., None]:
    from numbatorch.cpu.compile import compile_ir

    target, name, pointer = host_target(dtype), f"convolution_{kind}_{dtype}", f"{dtype}*"
    if kind == "depthwise_weight":
        return compile_ir(name, write_depthwise_weight(name, target), (pointer,) * 3 + ("int64*",))
    with_bias = kind == "depthwise_bias"
    text = write_depthwise(name, target, with_bias)
    return compile_ir(name, text, (pointer,) * (4 if with_bias else 3) + ("int64*",))


def _sums(target: Target, at_once: int, step: int) -> int:
    name = f"depthwise_sums_{target.label}_{at_once}_{step}"
    return tiles.routine(name, lambda module: write_sums(module, name, target, at_once, step))


def _dots(target: Target, rows: int, columns: int, dilation: int, step: int) -> int:
    name = f"depthwise_dots_{target.label}_{rows}x{columns}_{dilation}_{step}"
    return tiles.routine(name, lambda module: write_dots(module, name, target, rows, columns, dilation, step))


@dataclass
class Phase:
    """Results at `place`, a step apart in both dimensions, that meet the same taps; `shifts` say where these read."""

    place: Sizes
    grid: Sizes
    taps: list[int]
    shifts: list[Sizes]


def forward_phases(g: Geometry) -> list[Phase]:
    """The one phase of the forward convolution."""
    return [Phase((0, 0), g.result[1:], list(range(g.taps)), [shift[1:] for shift in g.shifts])]


def gradient_phases(g: Geometry) -> list[Phase]:
    """Those of the input gradient: inputs phase + stride * t meet the taps of their phase at output t + a shift."""
    phases = []
    stride, size = g.stride[1:], g.size[1:]
    for place in product(*(range(min(s, n)) for s, n in zip(stride, size, strict=True))):
        taps, shifts = [], []
        for tap, shift in enumerate(g.shifts):
            apart = [(p - d, s) for p, d, s in zip(place, shift[1:], stride, strict=True)]
            if all(a % s == 0 for a, s in apart):
                taps.append(tap)
                shifts.append(tuple(a // s for a, s in apart))
        grid = tuple(ceil((n - p) / s) for n, p, s in zip(size, place, stride, strict=True))
        phases.append(Phase(place, grid, taps, shifts))
    return phases


def _copy(target: Target, width: int, columns: int, step: int, shifts: list[Sizes]) -> dict[str, int]:
    """How rows of the input are copied: zeros in front, elements taken and from where, and the whole length."""
    left, right = min(column for _, column in shifts), max(column for _, column in shifts)
    pitch = (columns - 1) * step + right - left + 1
    lead, begin = min(pitch, max(0, -left)), min(width, max(0, left))
    top = min(row for row, _ in shifts)
    return dict(lead=lead, begin=begin * target.bytes, taken=max(0, min(width - begin, pitch - lead)), pitch=pitch,
                left=left, top=top, reach=max(row for row, _ in shifts) - top)


def _depth(g: Geometry, gradient: bool, size: int) -> dict[str, int]:
    """Which planes of the input, or of grad_output, a plane of results meets: `planes`, from `first` on."""
    (depth, height, width), (depths, rows, columns) = (g.result, g.size) if gradient else (g.size, g.result)
    last = (g.kernel[0] - 1) * g.dilation[0]
    return dict(depth=depth, depths=depths, planes=g.kernel[0], step_depth=g.stride[0],
                first=g.padding[0] - last if gradient else -g.padding[0], plane_step=g.dilation[0], plane=0,
                x_depth=height * width * size, y_depth=rows * columns * size)


def _row_block(rows: int, step: int, reach: int, line_bytes: int, result_bytes: int) -> int:
    """Rows of a block; 0 where not even one fits. `line_bytes` are those of a line in all planes that are copied."""
    most = min((COPY_BYTES // line_bytes - 1 - reach) // step + 1, RESULT_BYTES // result_bytes)
    return balanced(rows, most) if most > 0 and rows else 0


def _lines(rows: int, nbytes: int) -> int:
    """Cache lines to ask for with each row."""
    return ceil(nbytes / (64 * max(1, rows)))


def is_depthwise(g: Geometry) -> bool:
    """Whether each output has a channel of its own, and there are as many as fill a vector."""
    full = g.c >= host_target(g.dtype).lanes and g.n > 0 and 0 not in g.size and 0 not in g.result
    return full and g.groups == g.c == g.o and 0 < g.taps <= MOST_TAPS


def depthwise_launch(g: Geometry, bias: bool, gradient: bool = False) -> Launch | None:
    """The kernel (x, weight, [bias,] y), or (grad_output, weight, grad_input); None where another is faster."""
    if not is_depthwise(g) or gradient and g.stride[0] > 1:
        return None
    target = host_target(g.dtype)
    size, lanes, vector_bytes = target.bytes, target.lanes, target.vector_bytes
    given, result = (g.result, g.size) if gradient else (g.size, g.result)
    step, result_step = ((1, 1), g.stride[1:]) if gradient else (g.stride[1:], (1, 1))
    phases = gradient_phases(g) if gradient else forward_phases(g)
    (depth, height, width), (depths, result_rows, result_width) = given, result
    shifts = [shift for phase in phases for shift in phase.shifts]
    rows, columns = (max(phase.grid[d] for phase in phases) for d in (0, 1))
    if not shifts or step[1] > MOST_STEP:
        return None
    copy = _copy(target, width, columns, step[1], shifts)
    line_step = result_step[0] * result_width * vector_bytes
    planes = _depth(g, gradient, size)
    line_bytes = copy["pitch"] * vector_bytes
    row_block = _row_block(rows, step[0], copy["reach"], line_bytes * planes["planes"], line_step)
    if not row_block:
        return None
    blocks = ceil(rows / row_block)
    planes["plane"] = ((row_block - 1) * step[0] + 1 + copy["reach"]) * line_bytes
    deep = [tap // (g.kernel[1] * g.kernel[2]) for tap in range(g.taps)]
    if gradient:
        deep = [planes["planes"] - 1 - number for number in deep]  # the last tap meets the first plane
    at = 8 * (len(META) + len(PHASE) * len(phases))
    records: list[int] = []
    tables: list[int] = []
    for phase in phases:
        at_once = balanced(phase.grid[1], target.rows)
        record = dict(
            place=(phase.place[0] * result_width + phase.place[1]) * vector_bytes,
            rows=phase.grid[0],
            columns=phase.grid[1],
            sums=_sums(target, at_once, step[1]),
            taps=at + 8 * len(tables),
            row_spans=at + 8 * (len(tables) + 2 * len(phase.taps)),
        )
        records += [record[name] for name in PHASE]
        order = sorted(zip(phase.shifts, phase.taps, strict=True))
        for (row, column), tap in order:
            place = (row - copy["top"]) * copy["pitch"] + column - copy["left"]
            tables += [deep[tap] * planes["plane"] + place * vector_bytes, tap * vector_bytes]
        for number in range(phase.grid[0]):
            met = [i for i, ((row, _), _) in enumerate(order) if 0 <= number * step[0] + row < height]
            tables += [met[0] if met else 0, len(met)]
    meta = copy | planes | dict(
        images=g.n,
        channels=g.c,
        height=height,
        width=width,
        rows=rows,
        row_block=row_block,
        row_blocks=blocks,
        step_rows=step[0],
        x_image=g.c * depth * height * width * size,
        x_channel=depth * height * width * size,
        w_channel=g.taps * size,
        taps=g.taps,
        phases=len(phases),
        y_image=g.c * depths * result_rows * result_width * size,
        y_channel=depths * result_rows * result_width * size,
        result_rows=result_rows,
        result_width=result_width,
        rows_at_once=result_step[0],
        line_step=line_step,
        column_step=result_step[1] * vector_bytes,
        x_lines=_lines(rows, lanes * depth * height * width * size) if depths == blocks == 1 else 0,
        y_lines=_lines(rows, lanes * depths * result_rows * result_width * size) if depths == blocks == 1 else 0,
        transpose=tiles.transpose(target),
    )
    units = ceil(g.c / lanes) * g.n * depths * blocks
    flops = g.n * g.c * (2.0 * prod(g.result) * g.taps + TURN_FLOPS * (prod(g.result) + prod(g.size)))
    kernel = _kernel("depthwise_bias" if bias else "depthwise", g.dtype)
    run, plane = row_block * result_step[0] * result_width, result_rows * result_width
    per_vector = g.n * depths * blocks

    def regions(unit: int) -> list[Region]:
        channel, rest = unit // per_vector * lanes, unit % per_vector
        level, first = rest // blocks, rest % blocks * run
        place = level % depths * plane + first
        return [(level // depths, channel, min(lanes, g.c - channel), place, min(run, plane - first))]
    return Launch(kernel, [meta[name] for name in META] + records + tables, units, grain(units, flops), regions=regions)


class DepthwiseWeightPlan:
    """gw (C, 1, KH, KW) from x and gy; run(x_ptr, gy_ptr, gw_ptr)."""

    def __init__(self, launch: Launch) -> None:
        self.launch = launch

    def run(self, x_ptr: int, gy_ptr: int, gw_ptr: int) -> None:
        self.launch.run(x_ptr, gy_ptr, gw_ptr)


def depthwise_weight_plan(g: Geometry) -> DepthwiseWeightPlan | None:
    """The plan of the weight gradient; None where another is faster."""
    if not is_depthwise(g) or g.stride[2] > MOST_STEP:
        return None
    target = host_target(g.dtype)
    size, lanes, vector_bytes = target.bytes, target.lanes, target.vector_bytes
    (depth, height, width), (depths, rows, columns), (_, down, across) = g.size, g.result, g.kernel
    tap_rows = max(1, (target.rows + 1) // across)
    if across > target.rows:
        return None
    copy = _copy(target, width, columns, g.stride[2], [shift[1:] for shift in g.shifts])
    row_block = _row_block(rows, g.stride[1], copy["reach"], copy["pitch"] * vector_bytes, columns * vector_bytes)
    if not row_block:
        return None
    tap_rows = balanced(down, tap_rows)
    counts = {tap_rows, down % tap_rows} - {0}
    routines = [_dots(target, n, across, g.dilation[2], g.stride[2]) if n in counts else 0 for n in range(tap_rows + 1)]
    meta = copy | _depth(g, False, size) | dict(
        images=g.n,
        channels=g.c,
        height=height,
        width=width,
        rows=rows,
        columns=columns,
        row_block=row_block,
        row_blocks=ceil(rows / row_block),
        step_rows=g.stride[1],
        x_image=g.c * depth * height * width * size,
        x_channel=depth * height * width * size,
        gy_image=g.c * depths * rows * columns * size,
        gy_channel=depths * rows * columns * size,
        taps=g.taps,
        kernel_rows=down,
        kernel_columns=across,
        dilation_rows=g.dilation[1],
        x_lines=_lines(rows, lanes * depth * height * width * size) if depths == 1 and row_block >= rows else 0,
        y_lines=_lines(rows, lanes * depths * rows * columns * size) if depths == 1 and row_block >= rows else 0,
        tap_rows=tap_rows,
        transpose=tiles.transpose(target),
    )
    units = ceil(g.c / lanes)
    flops = g.n * g.c * (2.0 * prod(g.result) * g.taps + TURN_FLOPS * (prod(g.result) + prod(g.size)))
    return DepthwiseWeightPlan(Launch(_kernel("depthwise_weight", g.dtype), [meta[n] for n in WEIGHT_META] + routines,
                                      units, grain(units, flops)))
