"""Fourier transforms along one dimension as lists of steps (fft_kernels.py) with their tables, and what walks them.

Data are dense: (outer, n, inner) numbers. A unit is a group of lines that ride in the lanes of vectors, or one long
line. What a unit does depends on sizes alone, so results do not depend on the number of threads.
"""

from __future__ import annotations

import math
import struct
import weakref
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from . import fft_kernels as kernels, slots, tiles
from .fft_tables import (
    number_roots,
    pass_twiddles,
    point_roots,
    radices,
    reversed_order,
    starts,
)
from .fft_writer import SOURCE, TARGET, WORK
from .memory import address, allocate
from .microkernel import host_target

CLOSE_BYTES = 24576  # a block of points that stays in the first-level cache: passes over it run one after the other
UNIT_NS = 20000  # a chunk: far above the cost of claiming it
WHOLE = 1 << 60
PAD = 6272  # bytes between blocks of a matrix: a power of two would put all of them into the same sets of a cache


@cache
def _kernel() -> Callable[..., None]:
    from .compile import compile_ir

    name = "fft_walk"
    return compile_ir(name, kernels.write_walk(name), ("uint8*", "uint8*", "uint8*", "int64*"))


class Steps:
    """The records of a unit's steps, in order, and what they point to."""

    def __init__(self, dtype: str) -> None:
        self.dtype, self.target = dtype, host_target(dtype)
        self.lanes, self.number = self.target.lanes, 2 * self.target.bytes
        self.point = self.lanes * self.number
        self.records: list[list[int]] = []
        self.keep: list[np.ndarray] = []
        self.work_points = 0

    def table(self, values: np.ndarray) -> int:
        """The address of a table, which is kept."""
        self.keep.append(values)
        return values.ctypes.data

    def shared(self, make: Callable[..., np.ndarray], *key) -> int:
        """The address of the table make(*key), one for all that use it now."""
        found = _shared.get((make, key))
        if found is None:
            found = _shared[make, key] = make(*key)
        return self.table(found)

    def integers(self, values: np.ndarray) -> int:
        return self.table(np.ascontiguousarray(values, np.int64))

    def add(self, kind: str, variant: tuple, *fields: int) -> None:
        write = getattr(kernels, f"write_{kind}")
        name = "_".join(["fft", kind, self.target.label, *(str(int(v)) for v in variant)])
        code = tiles.routine(name, lambda module: write(module, name, self.target, *variant))
        self.records.append([code, *fields])

    def room(self, points: int) -> int:
        """The offset of a new area of the working buffer, for so many points."""
        at = self.work_points * self.point
        self.work_points += points
        return at

    # Passes in place over `chain`, a list of radices

    def passes(self, chain: Sequence[int], at: int, n: int, blocks: int = 1, from_source: bool = False,
               finish: Callable[[int, int], None] | None = None) -> None:  # fmt: skip
        """All passes over `blocks` blocks of n points from byte `at`; `finish(at, groups)` does the last one."""
        if not chain:
            return
        radix, rest = chain[0], n // chain[0]
        if len(chain) == 1 and finish is not None:
            finish(at, blocks)
            return
        twiddles = rest > 1
        table = self.twiddles(n, radix) if twiddles else 0
        place, read = (SOURCE, 0) if from_source else (WORK, at)
        self.add("pass", (radix, twiddles), place, read, at, blocks, rest, table)
        self.after(chain, at, n, blocks, finish)

    def after(self, chain: Sequence[int], at: int, n: int, blocks: int,
              finish: Callable[[int, int], None] | None = None) -> None:  # fmt: skip
        """What follows the first pass of a chain: block by block where a block does not stay close."""
        radix, rest = chain[0], n // chain[0]
        if n * blocks * self.point > CLOSE_BYTES:
            for k in range(radix * blocks):
                self.passes(chain[1:], at + k * rest * self.point, rest, 1, False, finish)
        else:
            self.passes(chain[1:], at, rest, blocks * radix, False, finish)

    def twiddles(self, n: int, radix: int) -> int:
        """The address of the twiddles of a pass over n points."""
        return self.shared(pass_twiddles, n, radix, self.dtype)

    def order(self, chain: Sequence[int], extra: int = 0) -> int:
        """Address of the points that hold frequencies 0, 1, ... after passes in place; `extra` more name point 0."""
        places = np.argsort(reversed_order(chain))
        return self.integers(np.concatenate([places, np.zeros(extra, np.int64)]))

    def last(self, chain: Sequence[int], at: int, place: int, write: int, stride: int, factor: float, swapped: bool,
             masked: bool) -> Callable[[int, int], None]:  # fmt: skip
        """A `finish` for `passes`: the last pass goes to where frequencies belong, `stride` bytes apart."""
        radix = chain[-1] if chain else 1
        order, spread = self.integers(reversed_order(chain[:-1])), math.prod(chain[:-1])

        def finish(here: int, groups: int) -> None:
            first = (here - at) // (self.point * radix)
            self.add("last", (radix, swapped, masked), place, here, write, groups, order + 8 * first, spread, stride,
                     _bits(factor))  # fmt: skip
        return finish

    def array(self) -> np.ndarray:
        found = np.zeros((max(1, len(self.records)), kernels.RECORD_BYTES // 8), np.int64)
        for row, record in zip(found, self.records, strict=False):
            row[:len(record)] = record
        return found


_shared: weakref.WeakValueDictionary = weakref.WeakValueDictionary()


def _bits(value: float) -> int:
    return struct.unpack("q", struct.pack("d", value))[0]


@cache
def _split_radices(lanes: int) -> tuple[int, ...]:
    """How many rows a line may be cut into: from many to few."""
    return tuple(r for r in (16, 15, 14, 12, 10, 9, 8, 7, 6, 5, 4, 3, 2) if r <= lanes)


class Walk:
    """A kernel's work: steps of whole units and of the last, partial one, and where units lie."""

    def __init__(self, whole: Steps, partial: Steps | None, nanoseconds: float, **fields: int) -> None:
        partial = partial or whole
        records, partial_records = whole.array(), partial.array()
        across = fields["across"]
        self.units = fields.pop("outer") * across
        self.work_bytes = (max(whole.work_points, partial.work_points) * whole.point + 127) // 64 * 64
        values = {"units": self.units, "slot_bytes": self.work_bytes, "records": records.ctypes.data,
                  "count": len(whole.records), "partial_records": partial_records.ctypes.data,
                  "partial_count": len(partial.records), "source_outer": 0, "source_group": 0, "target_outer": 0,
                  "target_group": 0, "width": across, "group_width": 1, **fields}  # fmt: skip
        self.meta = np.array([values[n] for n in kernels.META], np.int64)
        self.at_meta = self.meta.ctypes.data
        self.keep = (whole.keep, partial.keep, records, partial_records)
        total = nanoseconds * self.units
        self.grain = self.units if total < 1.5 * UNIT_NS else max(1, min(self.units, int(UNIT_NS / nanoseconds)))
        self.kernel = _kernel()
        tables = {id(k): k.nbytes for part in self.keep for k in (part if isinstance(part, list) else [part])}
        self.table_bytes = sum(tables.values())

    def run(self, source: int, target: int) -> None:
        if self.units <= self.grain:
            block = allocate(self.work_bytes)
            self.kernel(source, target, address(block), self.at_meta, self.units, self.grain)
            return
        block = slots.made(slots.count(-(-self.units // self.grain)), self.work_bytes)
        self.kernel(source, target, address(block), self.at_meta, self.units, self.grain)


def _cost(n: int, lanes: int = 1) -> float:
    """Nanoseconds of transforms of n points, roughly."""
    return 50 + 5 * n * max(1.0, math.log2(max(n, 2))) * lanes / 40


def columns(dtype: str, outer: int, n: int, inner: int, inverse: bool, factor: float) -> Walk:
    """Transforms of lines that lie side by side: (outer, n, inner), in place or not."""
    def steps(masked: bool) -> Steps:
        s, chain = Steps(dtype), radices(n)
        stride = inner * s.number
        if len(chain) < 2:
            s.add("single", (n, inverse, masked), stride, _bits(factor))
            return s
        at = s.room(n)
        finish = s.last(chain, at, TARGET, 0, stride, factor, inverse, masked)
        s.add("first", (chain[0], inverse, masked), at, n // chain[0], s.twiddles(n, chain[0]), stride)
        s.after(chain, at, n, 1, finish)
        return s
    lanes, number = host_target(dtype).lanes, 2 * host_target(dtype).bytes
    across = -(-inner // lanes)
    partial = steps(True) if inner % lanes else None
    whole = steps(False) if inner >= lanes or partial is None else partial
    return Walk(whole, partial, _cost(n, lanes), outer=outer, across=across, source_outer=n * inner * number,
                target_outer=n * inner * number, source_group=lanes * number, target_group=lanes * number, width=inner,
                group_width=lanes)  # fmt: skip


def turned(dtype: str, outer: int, n: int, inner: int, inverse: bool, factor: float) -> Walk:
    """Transforms of lines that lie side by side, (outer, n, inner), to contiguous lines, (outer, inner, n)."""
    def steps(masked: bool) -> Steps:
        s, chain = Steps(dtype), radices(n)
        at = s.room(n + s.lanes)
        s.add("first", (chain[0], inverse, masked), at, n // chain[0], s.twiddles(n, chain[0]), inner * s.number)
        s.after(chain, at, n, 1)
        s.add("store_rows", (inverse, n < s.lanes // 2), at, n, n * s.number, s.order(chain, s.lanes), _bits(factor))
        return s
    lanes, number = host_target(dtype).lanes, 2 * host_target(dtype).bytes
    return Walk(steps(False), steps(True) if inner % lanes else None, _cost(n, lanes), outer=outer,
                across=-(-inner // lanes), source_outer=n * inner * number, target_outer=n * inner * number,
                source_group=lanes * number, target_group=lanes * n * number, width=inner, group_width=lanes)


def split_radix(n: int, lanes: int) -> int:
    """How many rows to cut a line of n numbers into; 1 where none will do."""
    return next((r for r in _split_radices(lanes) if n % r == 0), 1)


def _split(s: Steps, n: int, place: int, read: int, inverse: bool, to: int, write: int, factor: float) -> None:
    """Steps that transform one line of n numbers at `place` + read to `to` + write."""
    rows = split_radix(n, s.lanes)
    m = n // rows
    at = s.room(m + s.lanes)
    table = s.shared(_split_roots, n, rows, s.lanes, s.dtype) if rows > 1 else 0
    s.add("split", (rows, inverse, m < s.lanes), place, read, at, m, table)
    chain = radices(m)
    finish = s.last(chain, at, to, write, rows * s.number, factor, inverse, rows < s.lanes)
    if not chain:
        finish(at, 1)
    s.passes(chain, at, m, 1, False, finish)


def _split_roots(n: int, rows: int, lanes: int, dtype: str) -> np.ndarray:
    columns = starts(n // rows, lanes)[:, None] + np.arange(lanes)  # (blocks, 1, lanes)
    return point_roots(columns * np.arange(1, rows)[:, None], n, dtype)


def line_walk(dtype: str, lines: int, n: int, inverse: bool, factor: float) -> Walk:
    """Transforms of contiguous lines, each a unit of its own."""
    s = Steps(dtype)
    _split(s, n, SOURCE, 0, inverse, TARGET, 0, factor)
    rows = split_radix(n, s.lanes)  # the unit's lanes
    return Walk(s, None, _cost(n), outer=lines, across=1, source_outer=n * s.number, target_outer=n * s.number,
                width=rows, group_width=rows)  # fmt: skip


def row_walk(dtype: str, lines: int, n: int, inverse: bool, factor: float) -> Walk:
    """Transforms of contiguous short lines, as many at a time as there are lanes."""
    s = Steps(dtype)
    at, chain, half = s.room(n + s.lanes), radices(n), s.lanes // 2
    s.add("load_rows", (inverse, n < half), at, n, n * s.number)
    s.passes(chain, at, n)
    s.add("store_rows", (inverse, n < half), at, n, n * s.number, s.order(chain, s.lanes), _bits(factor))
    group = s.lanes * n * s.number
    return Walk(s, None, _cost(n, s.lanes), outer=1, across=-(-lines // s.lanes), source_group=group,
                target_group=group, width=lines, group_width=s.lanes)  # fmt: skip


def real_line_walk(dtype: str, lines: int, n: int, factor: float, full: bool) -> Walk:
    """Spectra of contiguous real lines of 2 n points: n + 1 frequencies, or all."""
    s = Steps(dtype)
    buffer = s.room(-(-(n + s.lanes) // s.lanes))
    _split(s, n, SOURCE, 0, False, WORK, buffer, 1.0)
    _untangle(s, n, True, WORK, buffer, TARGET, 0, WHOLE, factor)
    if full:
        _mirror(s, 2 * n, WHOLE)
    rows = split_radix(n, s.lanes)
    return Walk(s, None, _cost(n), outer=lines, across=1, source_outer=n * s.number,
                target_outer=(2 * n if full else n + 1) * s.number, width=rows, group_width=rows)  # fmt: skip


def half_line_walk(dtype: str, lines: int, n: int, factor: float) -> Walk:
    """Real lines of 2 n points from contiguous spectra of n + 1 frequencies."""
    s = Steps(dtype)
    buffer = s.room(-(-(n + s.lanes) // s.lanes))
    _untangle(s, n, False, SOURCE, 0, WORK, buffer, WHOLE, 1.0)
    _split(s, n, WORK, buffer, True, TARGET, 0, factor)
    rows = split_radix(n, s.lanes)
    return Walk(s, None, _cost(n), outer=lines, across=1, source_outer=(n + 1) * s.number,
                target_outer=n * s.number, width=rows, group_width=rows)  # fmt: skip


def _untangle(s: Steps, n: int, forward: bool, place: int, read: int, to: int, write: int, each: int,
              factor: float) -> None:  # fmt: skip
    count = n // 2
    k = starts(max(count, 1), s.lanes) + np.arange(1, s.lanes + 1)
    table = s.table(point_roots(k, 2 * n, s.dtype))
    s.add("untangle_line", (forward, count < s.lanes), place, read, to, write, n, table, each, _bits(factor))


def _mirror(s: Steps, n: int, each: int) -> None:
    s.add("mirror", ((n - 1) // 2 < s.lanes,), n, each)


def real_row_walk(dtype: str, lines: int, n: int, factor: float) -> Walk:
    """Spectra of contiguous short real lines of 2 n points: n + 1 frequencies."""
    s = Steps(dtype)
    at, second, chain, half = s.room(n + s.lanes), s.room(n + 1 + s.lanes), radices(n), s.lanes // 2
    s.add("load_rows", (False, n < half), at, n, n * s.number)
    s.passes(chain, at, n)
    turns = s.table(number_roots(np.arange(n // 2 + 1), 2 * n, dtype))
    s.add("untangle_points", (True,), at, second, n, s.order(chain, s.lanes), turns)
    order = s.integers(np.arange(n + 1 + s.lanes))
    s.add("store_rows", (False, n + 1 < half), second, n + 1, (n + 1) * s.number, order, _bits(factor))
    return Walk(s, None, _cost(n, s.lanes), outer=1, across=-(-lines // s.lanes), width=lines, group_width=s.lanes,
                source_group=s.lanes * n * s.number, target_group=s.lanes * (n + 1) * s.number)  # fmt: skip


def half_row_walk(dtype: str, lines: int, n: int, factor: float) -> Walk:
    """Short real lines of 2 n points from contiguous spectra of n + 1 frequencies."""
    s = Steps(dtype)
    at, second, chain, half = s.room(n + s.lanes + 1), s.room(n + 1 + s.lanes), radices(n), s.lanes // 2
    s.add("load_rows", (False, n + 1 < half), second, n + 1, (n + 1) * s.number)
    turns = s.table(number_roots(np.arange(n // 2 + 1), 2 * n, dtype))
    s.add("untangle_points", (False,), second, at, n, s.integers(np.arange(n + 1 + s.lanes)), turns)
    s.passes(chain, at, n)
    s.add("store_rows", (True, n < half), at, n, n * s.number, s.order(chain, s.lanes), _bits(factor))
    return Walk(s, None, _cost(n, s.lanes), outer=1, across=-(-lines // s.lanes), width=lines, group_width=s.lanes,
                source_group=s.lanes * (n + 1) * s.number, target_group=s.lanes * n * s.number)  # fmt: skip


def odd_row_walk(dtype: str, lines: int, n: int, factor: float, full: bool) -> Walk:
    """Spectra of contiguous real lines of n points, n odd: n // 2 + 1 frequencies, or all."""
    s = Steps(dtype)
    at, chain, count = s.room(n + s.lanes), radices(n), n if full else n // 2 + 1
    s.add("load_reals", (n < s.lanes,), at, n, n * s.target.bytes)
    s.passes(chain, at, n)
    s.add("store_rows", (False, count < s.lanes // 2), at, count, count * s.number, s.order(chain, s.lanes),
          _bits(factor))  # fmt: skip
    return Walk(s, None, _cost(n, s.lanes), outer=1, across=-(-lines // s.lanes), width=lines, group_width=s.lanes,
                source_group=s.lanes * n * s.target.bytes, target_group=s.lanes * count * s.number)  # fmt: skip


def odd_half_row_walk(dtype: str, lines: int, n: int, factor: float) -> Walk:
    """Real lines of n points, n odd, from contiguous spectra of n // 2 + 1 frequencies."""
    s = Steps(dtype)
    at, chain, count = s.room(n + s.lanes), radices(n), n // 2 + 1
    s.add("load_rows", (True, count < s.lanes // 2), at, count, count * s.number)
    s.add("mirror_points", (), at, n)
    s.passes(chain, at, n)
    s.add("store_reals", (n < s.lanes,), at, n, n * s.target.bytes, s.order(chain, s.lanes), _bits(factor))
    return Walk(s, None, _cost(n, s.lanes), outer=1, across=-(-lines // s.lanes), width=lines, group_width=s.lanes,
                source_group=s.lanes * count * s.number, target_group=s.lanes * n * s.target.bytes)  # fmt: skip


class Large:
    """A long line as a matrix of a x b numbers: its columns, then what has become its rows."""

    def __init__(self, dtype: str, lines: int, n: int, inverse: bool, factor: float) -> None:
        a = large_rows(n)
        b = n // a
        s = Steps(dtype)
        lanes, number, point = s.lanes, s.number, s.point
        self.lines, self.n, self.number = lines, n, number
        blocks, units = -(-a // lanes), -(-b // lanes)
        apart = b * point + PAD
        k = np.arange(blocks * lanes)
        coarse = number_roots((np.arange(units) * lanes)[:, None] * k, n, dtype)
        fine = point_roots(k[:, None] * np.arange(lanes), n, dtype)

        def first(masked: bool) -> Steps:
            s, chain = Steps(dtype), radices(a)
            at = s.room(a)
            s.add("first", (chain[0], inverse, masked), at, a // chain[0], s.twiddles(a, chain[0]), b * number)
            s.after(chain, at, a, 1)
            order = s.order(chain, blocks * lanes - a)
            s.add("tile", (masked,), at, a, order, s.table(coarse), s.table(fine), apart)
            return s

        def second(masked: bool) -> Steps:
            s, chain = Steps(dtype), radices(b)
            at = s.room(b)
            finish = s.last(chain, at, TARGET, 0, a * number, factor, inverse, masked)
            s.passes(chain, at, b, 1, True, finish)
            return s
        self.between_bytes = blocks * apart
        self.first = Walk(first(False), first(True) if b % lanes else None, _cost(a, lanes), outer=1, across=units,
                          source_group=lanes * number, width=b, group_width=lanes)  # fmt: skip
        self.second = Walk(second(False), second(True) if a % lanes else None, _cost(b, lanes), outer=1, across=blocks,
                           source_group=apart, target_group=lanes * number, width=a, group_width=lanes)  # fmt: skip

        self.table_bytes = self.first.table_bytes + self.second.table_bytes

    def run(self, source: int, target: int) -> None:
        between = allocate(self.between_bytes)
        at, step = address(between), self.n * self.number
        for line in range(self.lines):
            self.first.run(source + line * step, at)
            self.second.run(at, target + line * step)


def large_rows(n: int) -> int:
    """The divisor of n, a multiple of 16 where there is one, that is nearest to its square root."""
    best, root = 1, math.isqrt(n)
    for d in range(1, root + 1):
        if n % d == 0:
            for a in (d, n // d):
                if _badness(a, n) < _badness(best, n):
                    best = a
    return best


def _badness(a: int, n: int) -> float:
    return abs(math.log2(a * a / n)) + (1 if a % 16 else 0) + (0.5 if (n // a) % 16 else 0)


def untangle_walk(dtype: str, lines: int, n: int, forward: bool, factor: float, full: bool = False) -> Walk:
    """Transforms of real lines, n numbers, to spectra of n + 1 frequencies, or back: a unit is a chunk of them."""
    s, each = Steps(dtype), 4096
    _untangle(s, n, forward, SOURCE, 0, TARGET, 0, each, factor)
    return Walk(s, None, 2.0 * each, outer=lines, across=max(1, -(-(n // 2) // each)),
                source_outer=(n if forward else n + 1) * s.number,
                target_outer=(2 * n if full else n + 1 if forward else n) * s.number)  # fmt: skip


def mirror_walk(dtype: str, lines: int, n: int) -> Walk:
    """The second half of whole spectra of n frequencies, in place."""
    s, each = Steps(dtype), 4096
    _mirror(s, n, each)
    count = (n - 1) // 2
    return Walk(s, None, max(50.0, 1.0 * min(count, each)), outer=lines, across=max(1, -(-count // each)),
                source_outer=n * s.number, target_outer=n * s.number)  # fmt: skip

