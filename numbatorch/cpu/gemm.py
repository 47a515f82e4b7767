"""C = op(A) @ op(B) (+ bias), row-major, float32 and float64: packing, blocking and the plan of one product.

A unit of work is a fixed tile of C (and of the batch) with its whole sum, so that results do not depend on the number
of threads. Sums over k run in blocks of at most 256, each added to C in turn: relative error like MKL's.
Blocking after Goto & van de Geijn 2008, ACM TOMS 34(3), with B packed only where that pays and A never: its rows in
turn are streams that the hardware foresees (1024^3 on Zen 5: 16.1 ms with packed blocks of A, 13.1 without).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, lru_cache
from math import ceil

import numpy as np

from numbatorch.cpu import tiles
from numbatorch.cpu.dots import write_dots
from numbatorch.cpu.irwriter import Function, Module, Value
from numbatorch.cpu.microkernel import (
    AHEAD,
    TURNED,
    Target,
    host_target,
    wide_target,
    write_pack_rows,
    write_rows,
)

K_BLOCK = 256  # accuracy of MKL, and a panel of B (32 KB) stays in the first-level cache
PAIRS_K_BLOCK = 512  # pairs of bfloat16 need not care for accuracy: 1024^3 on two cores of Zen 5 3.0 ms with 256, 2.75
# A dot's lanes are already 16 partial sums. Six rows of A stay in the first-level cache; of fewer rows longer parts do,
# and what is read of B leaps less often: one row of 4096 by 4096 float16 took 1.33 ms with 2048 and takes 0.83, float32
# 1.8 and 1.5. Longer sums of float32 lose accuracy.
DOT_K_BLOCK, DOT_PARTS, DOT_NARROW_PARTS = 2048, 2, 4
# Tiles of rows: of a unit at most, of one that is cut no lower, of a low one. 512^3 on Zen 5: units of 3 tiles 160
# GFLOP/s, of 18 to 36 tiles 205.
TALL, HIGH, LOW = 36, 20, 9
UNIT_FLOPS = 4e6  # some 40 microseconds: far above the cost of claiming a unit, fine enough to balance
UNIT_BYTES = 1 << 18  # of the larger operand, where reading it is the work: some 5 microseconds
FAR = 1 << 22  # bytes of an operand that are not in a second-level cache

DIRECT, COPIED, TRANSPOSED = 0, 1, 2  # what happens to B before the tile kernel reads it

META = (
    "m n k a_row a_step b_row c_row a_batch b_batch c_batch unit_rows unit_columns units_across units_per_matrix "
    "k_block b_packing accumulate height tiles transpose ahead_shift"
).split()


def _read_meta(f: Function, meta: Value) -> dict[str, Value]:
    pointers = ("tiles", "transpose")
    return {n: f.load("ptr" if n in pointers else "i64", f.offset(meta, 8 * i), 8) for i, n in enumerate(META)}


def _unit(f: Function, target: Target, p: dict[str, Value], index: Value) -> tuple[Value, ...]:
    """(batch, first row, row count, first column, column count) of a unit."""
    batch, within = index // p["units_per_matrix"], index % p["units_per_matrix"]
    row = (within // p["units_across"]) * p["unit_rows"]
    column = (within % p["units_across"]) * p["unit_columns"]
    rows, columns = f.minimum(p["unit_rows"], p["m"] - row), f.minimum(p["unit_columns"], p["n"] - column)
    return batch, row, rows, column, columns


def _entry(module: Module, name: str, with_bias: bool) -> tuple[Function, Value, Value, Value | None, Value, Value]:
    middle = [("bias", "ptr noalias")] if with_bias else []
    f = module.function(
        name,
        [("a", "ptr noalias"), ("b", "ptr noalias"), *middle, ("c", "ptr"), ("meta", "ptr noalias")]
        + [("start", "i64"), ("stop", "i64")],
        internal=False,
    )
    a, b, *rest = f.parameters
    bias = rest.pop(0) if with_bias else None
    c, meta = rest[:2]
    return f, a, b, bias, c, meta


def _k_block(target: Target) -> int:
    return PAIRS_K_BLOCK if target.pairs or target.quads else K_BLOCK


def _addend(
    f: Function, target: Target, p: dict[str, Value], bias: Value | None, c: Value, k0: Value, column: Value
) -> tuple[Value, Value]:
    """What a block of the sum is added to: C itself after the first block, else the bias or nothing."""
    again = f.emit("i1", f"or i1 {(k0 > 0).text}, {p['accumulate'].differs(0).text}")
    first = f.value(0, "ptr") if bias is None else f.offset(bias, column * target.bytes)
    return f.select(again, c, first), f.select(again, p["c_row"], 0)


def _ahead(f: Function, target: Target, p: dict[str, Value], b: Value, k0: Value, depth: Value, here: Value,
           column: Value, columns: Value) -> list[Value]:
    """Of the panel of B that comes after the one at `here`: address, bytes from row to row, logarithm of the number of
    rows, lines for each tile."""
    ends = here + target.panel >= column + columns
    next_column, next_k = f.select(ends, column, here + target.panel), f.select(ends, k0 + p["k_block"], k0)
    turned = p["b_packing"].equals(TRANSPOSED)
    row, along = f.select(turned, next_column, next_k), f.select(turned, next_k, next_column)
    rows = f.emit("i64", f"shl i64 1, {p['ahead_shift'].text}")
    return [f.offset(b, p["b_row"] * row + along * target.right_bytes), p["b_row"], p["ahead_shift"],
            f.select(turned, depth, rows)]


def write_gemm(name: str, target: Target, with_bias: bool) -> str:
    """The module of the tile-based product: (a, b, [bias,] c, meta, start, stop)."""
    module = Module()
    write_rows(module, "rows", target, AHEAD)
    write_pack_rows(module, "pack_rows", target)
    f, a, b, bias, c, meta = _entry(module, name, with_bias)
    start, stop = f.parameters[-2:]
    p = _read_meta(f, meta)
    size, panel_bytes, vector_bytes = target.right_bytes, target.panel * target.bytes, target.vector_bytes
    panel = f.stack(_k_block(target) * panel_bytes)
    k_rounds = f.maximum(p["k"], 1)  # an empty sum still writes zeros (or the bias)

    with f.loop(start, stop) as units:
        batch, row, rows, column, columns = _unit(f, target, p, units.index)
        a_unit = f.offset(a, p["a_batch"] * batch + p["a_row"] * row)
        b_unit = f.offset(b, p["b_batch"] * batch)
        c_unit = f.offset(c, p["c_batch"] * batch + p["c_row"] * row)
        with f.loop(0, k_rounds, p["k_block"]) as sums:
            k0, depth = sums.index, f.minimum(p["k_block"], p["k"] - sums.index)
            a_k, a_tile = f.offset(a_unit, p["a_step"] * k0), p["a_row"] * p["height"]
            with f.loop(0, columns, target.panel) as panels:
                width = f.minimum(target.panel, columns - panels.index)
                here = column + panels.index
                b_rows = f.offset(b_unit, p["b_row"] * k0 + here * size)
                with f.cases(p["b_packing"], (COPIED, TRANSPOSED)) as case:
                    with case(COPIED):
                        f.call("pack_rows", [b_rows, p["b_row"], panel, depth, width])
                    with case(TRANSPOSED):
                        b_columns = f.offset(b_unit, p["b_row"] * here + k0 * size)
                        for j in range(target.vectors):
                            left = f.maximum(f.minimum(width - j * target.lanes, target.lanes), 0)
                            with f.when(left > 0):
                                source = f.offset(b_columns, p["b_row"] * (j * target.lanes))
                                there = f.offset(panel, j * vector_bytes)
                                f.call_at(p["transpose"], [source, p["b_row"], there, panel_bytes, depth, left])
                direct = p["b_packing"].equals(DIRECT)
                b_here, b_step = f.select(direct, b_rows, panel), f.select(direct, p["b_row"], panel_bytes)
                c_here = f.offset(c_unit, here * target.result_bytes)
                addend, addend_row = _addend(f, target, p, bias, c_here, k0, here)
                arguments = [a_k, p["a_row"], p["a_step"], b_here, b_step, c_here, p["c_row"], addend, addend_row]
                ahead = _ahead(f, target, p, b_unit, k0, depth, here, column, columns)
                f.call("rows", [p["tiles"], *arguments, depth, width, *ahead, a_tile, rows, p["height"]])
    return module.text()


def write_gemm_dot(name: str, target: Target, with_bias: bool) -> str:
    """The module of the product whose operands are both contiguous along k, for few rows."""
    module = Module()
    write_dots(module, "dots", target)
    f, a, b, bias, c, meta = _entry(module, name, with_bias)
    start, stop = f.parameters[-2:]
    p = _read_meta(f, meta)
    k_rounds = f.maximum(p["k"], 1)
    with f.loop(start, stop) as units:
        batch, row, rows, column, columns = _unit(f, target, p, units.index)
        a_unit = f.offset(a, p["a_batch"] * batch + p["a_row"] * row)
        b_unit = f.offset(b, p["b_batch"] * batch + p["b_row"] * column)
        c_unit = f.offset(c, p["c_batch"] * batch + p["c_row"] * row + column * target.bytes)
        with f.loop(0, k_rounds, p["k_block"]) as sums:
            k0, depth = sums.index, f.minimum(p["k_block"], p["k"] - sums.index)
            addend, addend_row = _addend(f, target, p, bias, c_unit, k0, column)
            a_k, b_k = f.offset(a_unit, k0 * target.bytes), f.offset(b_unit, k0 * target.right_bytes)
            arguments = [a_k, p["a_row"], b_k, p["b_row"], c_unit, p["c_row"]]
            f.call("dots", [*arguments, addend, addend_row, depth, rows, columns])
    return module.text()


@cache
def _kernel(kind: str, dtype: str, with_bias: bool) -> Callable[..., None]:
    from numbatorch.cpu.compile import compile_ir

    if kind == "swapped":
        straight = _kernel("wide", dtype, False)
        return lambda a, b, c, meta, units, grain: straight(b, a, c, meta, units, grain)
    target = wide_target(host_target(dtype)) if kind == "wide" else host_target(dtype)
    write = write_gemm_dot if kind == "dots" else write_gemm
    name = f"gemm_{kind}_{'bias_' if with_bias else ''}{dtype}"
    pointer = "float32*" if target.element == "float" else "int32*" if dtype == "int8" else f"{dtype}*"
    signature = (pointer, pointer, *([pointer] if with_bias else []), pointer, "int64*")
    return compile_ir(name, write(name, target, with_bias), signature)


def balanced(total: int, limit: int) -> int:
    """The size of the pieces when `total` is cut into as few nearly equal pieces of at most `limit` as possible."""
    return max(1, ceil(total / max(1, ceil(total / limit))))


class GemmPlan:
    """One product, decided: the kernel, its parameter block, the number of units and the grain to claim them by."""

    __slots__ = ("kernel", "meta", "units", "grain", "address")

    def __init__(self, kernel: Callable[..., None], meta: dict[str, int], units: int, grain: int) -> None:
        self.kernel, self.units, self.grain = kernel, units, grain
        self.meta = np.array([meta[name] for name in META], np.int64)
        self.address = self.meta.ctypes.data


class Gemm:
    """Plans and runs products of one dtype: float32, float64, int32, int64, or "bfloat16".

    "bfloat16" is for machines with `microkernel.has_pairs`: an element of the operands is a pair of them along k, an
    element of the result a float32, or for "narrow" a bfloat16, where one block of sums is enough (`narrows`). "int8"
    is the same for fours, where the machine `has_quads`, and an int32: see quads.py. "right_float16" and
    "right_bfloat16" are float32 with a B of these, where the machine `has_halves`.
    """

    def __init__(self, dtype: str) -> None:
        self.dtype, self.target = dtype, host_target(dtype)
        self._plan = lru_cache(maxsize=4096)(self._make_plan)

    def plan(
        self,
        m: int,
        n: int,
        k: int,
        lda: int,
        ldb: int,
        ldc: int,
        trans_a: bool = False,
        trans_b: bool = False,
        batch: int = 1,
        stride_a: int = 0,
        stride_b: int = 0,
        stride_c: int = 0,
        bias: bool = False,
        accumulate: bool = False,
    ) -> tuple[Callable[..., None], np.ndarray, int, int]:
        """(kernel, meta, units, grain): run as kernel(a, b, [bias,] c, meta address, units, grain).

        C (m, n) = op(A) (m, k) @ op(B) (k, n) + bias (n,), or C += with accumulate; leading dimensions and batch
        strides in elements. With `trans_a`, A is stored (k, m); with `trans_b`, B is stored (n, k).
        """
        made = self._plan(
            m, n, k, lda, ldb, ldc, trans_a, trans_b, batch, stride_a, stride_b, stride_c, bias, accumulate
        )
        return made.kernel, made.meta, made.units, made.grain

    def run(
        self,
        a_ptr: int,
        b_ptr: int,
        c_ptr: int,
        m: int,
        n: int,
        k: int,
        lda: int,
        ldb: int,
        ldc: int,
        trans_a: bool = False,
        trans_b: bool = False,
        batch: int = 1,
        stride_a: int = 0,
        stride_b: int = 0,
        stride_c: int = 0,
        bias_ptr: int = 0,
        accumulate: bool = False,
    ) -> None:
        """Plan (remembered) and run one product; see `plan`. Raises ValueError for a bias with accumulate."""
        p = self._plan(
            m, n, k, lda, ldb, ldc, trans_a, trans_b, batch, stride_a, stride_b, stride_c, bias_ptr != 0, accumulate
        )
        if bias_ptr:
            p.kernel(a_ptr, b_ptr, bias_ptr, c_ptr, p.address, p.units, p.grain)
        else:
            p.kernel(a_ptr, b_ptr, c_ptr, p.address, p.units, p.grain)

    def kind(self, m: int, n: int, k: int, trans_a: bool, trans_b: bool) -> str:
        """Which kernel multiplies: "dots" over few rows or columns that are contiguous along k, "wide" for few rows of
        C, else "tiles"."""
        if trans_b and not trans_a and (
                m <= min(2 * self.target.dot_rows, k // self.target.lanes) or n <= self.target.dot_columns):
            return "dots"
        few = wide_target(self.target).rows * (2 if self.target.right else 1)  # narrow ones are not copied for more
        return "wide" if not trans_b and m <= few else "tiles"

    def narrows(self, m: int, n: int, k: int, trans_a: bool, trans_b: bool) -> bool:
        """Whether results of pairs can be rounded as they are stored."""
        return k <= PAIRS_K_BLOCK and n > 1 and self.kind(m, n, k, trans_a, trans_b) == "tiles"

    def _make_plan(
        self, m, n, k, lda, ldb, ldc, trans_a, trans_b, batch, stride_a, stride_b, stride_c, bias, accumulate
    ) -> GemmPlan:
        if bias and accumulate:
            raise ValueError("gemm: a product is added either to a bias or to C (bias_ptr with accumulate=True)")
        target = self.target
        if n == 1 and not trans_b and ldb == 1:  # a column without gaps is also a row
            trans_b, ldb = True, k
        # A column, A.T @ b, is also the row b.T @ A.
        if n == 1 and trans_a and trans_b and ldc == 1 and not bias and not target.right:
            kind, m, n = "swapped", 1, m
            lda, ldb, ldc, trans_a, trans_b, stride_a, stride_b = ldb, lda, n, False, False, stride_b, stride_a
        else:
            kind = self.kind(m, n, k, trans_a, trans_b)
        if kind in ("wide", "swapped"):
            target = wide_target(target)
        size, flops = target.bytes, 2.0 * m * n * k
        if kind == "dots":
            parts = DOT_NARROW_PARTS if target.right or target.pairs else DOT_PARTS
            k_block = DOT_K_BLOCK * max(1, min(parts, target.dot_rows // max(1, m)))
            height, column_step = target.dot_rows, target.dot_columns
        else:
            height, k_block, column_step = balanced(m, target.rows), _k_block(target), target.panel
        # B is read once per tile of rows: from four tiles on, a packed panel beats rows spread over the whole matrix.
        # So does one of a matrix that no cache near by holds, as the next one is asked for meanwhile: 32x4096x1024 4.6
        # to 2.6 ms on a core of Zen 5 beside other work, 2.9 to 2.2 where B is stored (n, k).
        often = m >= 4 * self.target.rows or kind == "tiles" and size * n * k >= FAR
        copied = often and n > target.panel or kind == "tiles" and target.right  # which are converted meanwhile
        packing = TRANSPOSED if trans_b else COPIED if copied else DIRECT
        work = flops
        if kind != "tiles":  # bound by reading: few rows, or few columns
            work = max(flops, size * k * max(m, n) * UNIT_FLOPS / UNIT_BYTES)
        unit_rows, unit_columns = _unit_shape(m, n, work * batch, work, height, column_step)
        across, down = max(1, ceil(n / unit_columns)), max(1, ceil(m / unit_rows))
        units = across * down * batch if m and n else 0
        whole = work * batch <= UNIT_FLOPS
        per_unit = max(1.0, work * batch / max(1, units))
        meta = dict(
            m=m,
            n=n,
            k=k,
            a_row=size if trans_a else lda * size,
            a_step=lda * size if trans_a else size,
            b_row=ldb * target.right_bytes,
            c_row=ldc * target.result_bytes,
            a_batch=stride_a * size,
            b_batch=stride_b * target.right_bytes,
            c_batch=stride_c * target.result_bytes,
            unit_rows=unit_rows,
            unit_columns=unit_columns,
            units_across=across,
            units_per_matrix=across * down,
            k_block=balanced(k, k_block),
            b_packing=packing,
            accumulate=int(accumulate),
            height=height,
            tiles=tiles.address(target if target.wide else replace(target, right=""), [m], height,
                                tiles.panels(n, target.panel), TURNED if trans_a else AHEAD)
            if kind != "dots" else 0,
            ahead_shift=(target.panel - 1 if trans_b else balanced(k, k_block) - 1).bit_length(),
            transpose=tiles.transpose(target) if packing == TRANSPOSED and kind != "dots" else 0,
        )
        grain = max(1, units) if whole else max(1, int(UNIT_FLOPS / 4 / per_unit))
        return GemmPlan(_kernel(kind, self.dtype, bias), meta, units, grain)


def _unit_shape(m: int, n: int, total_flops: float, flops: float, height: int, column_step: int) -> tuple[int, int]:
    """Rows and columns of a unit: tall, as its panels of B are packed once for all of its rows, and then cut until
    there are some 15 units or they are small."""
    rows = ceil(balanced(max(1, m), TALL * height) / height) * height if m > height else max(1, m)
    columns = max(1, n) if rows <= LOW * height else min(max(1, n), 4 * column_step)
    limit = max(UNIT_FLOPS, total_flops / 15)
    while flops * (min(rows, m) / max(1, m)) * (columns / max(1, n)) > limit:
        if columns > 4 * column_step or rows <= HIGH * height and columns > 2 * column_step:
            columns = _half(columns, column_step)
        elif rows > HIGH * height:
            rows = _half(rows, height)
        elif columns > column_step:
            columns = _half(columns, column_step)
        elif rows > 4 * height:
            rows = _half(rows, height)
        else:
            break
    return rows, columns


def _half(length: int, step: int) -> int:
    return ceil(length / 2 / step) * step


@cache
def gemm(dtype: str) -> Gemm:
    """The products of a dtype given by name; see `Gemm`."""
    return Gemm(dtype)
