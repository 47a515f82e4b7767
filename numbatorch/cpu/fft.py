"""Template of Fourier transforms: which walk of fft_walks.py transforms which lines, over one dimension or several.

Complex numbers are (outer, n, inner) and may be transformed in place; real lines lie along memory. Real lines of even
length cost half of complex ones. Lengths with a prime above 31 become a convolution of a smooth length (Bluestein
1970, IEEE Trans. Audio Electroacoust. 18(4)). Everything is computed in the input's precision with twiddles rounded
from float64. Tables are shared, and kept for some 64 MB of the lengths last made.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from ..expr import kinds, tree
from . import elementwise, fft_walks as walks
from .compile import compile_kernel
from .fft_tables import LARGEST_PRIME, aligned, prime_factors, unit_roots
from .geometry import block
from .memory import address, allocate
from .microkernel import host_target

TABLE_BYTES = 64 << 20
BLOCK = 4096  # numbers of a line that a unit of a copy has
LONG = 1 << 16  # numbers of a line that a thread transforms by itself
LONG_ALONE = 1 << 15  # where there is only one line
COLUMN = 8192  # of such a length a group of columns still fits the second-level cache
GATHERED = 1 << 18  # numbers that are convolved at a time: stay in the last-level cache
COMPLEX = {"float32": "complex64", "float64": "complex128"}

_made: dict[tuple, Any] = {}


def stage(make: Callable[..., Any], *key) -> Any:
    """make(*key), an object with `run(source, target)`, remembered while tables are few: the oldest are forgotten."""
    found = _made.get((make, key))
    if found is None:
        found = _made[make, key] = make(*key)
        total = sum(made.table_bytes for made in list(_made.values()))
        for old in list(_made):  # no lock: other threads may add and forget meanwhile
            if total <= TABLE_BYTES or old == (make, key):
                break
            gone = _made.pop(old, None)
            total -= 0 if gone is None else gone.table_bytes
    return found


class Series:
    """Stages one after the other, each given where to read and where to write: "source", "target" or "between"."""

    def __init__(self, between_bytes: int, *parts: tuple[Any, str, str]) -> None:
        self.between_bytes, self.parts = between_bytes, parts
        self.table_bytes = sum(part.table_bytes for part, _, _ in parts)

    def run(self, source: int, target: int) -> None:
        between = allocate(self.between_bytes)
        places = {"source": source, "target": target, "between": address(between)}
        for part, read, write in self.parts:
            part.run(places[read], places[write])


# Complex lines


def transform(dtype: str, outer: int, n: int, inner: int, inverse: bool, factor: float) -> Any:
    """The stage that transforms (outer, n, inner) along n, in place or not."""
    if inner > 1 and n == 1:
        outer, inner = outer * inner, 1
    if _is_rough(n):
        return convolution(dtype, outer, n, inner, inverse, factor)
    if inner == 1:
        return _lines(dtype, outer, n, inverse, factor)
    if n <= COLUMN:
        return walks.columns(dtype, outer, n, inner, inverse, factor)
    return Gathered(dtype, outer, n, n, inner, [(n, inverse)], factor=factor)


def _is_rough(n: int) -> bool:
    return prime_factors(n)[-1:] > [LARGEST_PRIME]


def _lines(dtype: str, lines: int, n: int, inverse: bool, factor: float) -> Any:
    if _is_long(lines, n):
        return walks.Large(dtype, lines, n, inverse, factor)
    make = walks.row_walk if _by_rows(dtype, lines, n) else walks.line_walk
    return make(dtype, lines, n, inverse, factor)


def _is_long(lines: int, n: int) -> bool:
    return n > (LONG_ALONE if lines == 1 else LONG)


def _by_rows(dtype: str, lines: int, n: int) -> bool:
    """Whether lines go side by side in lanes; else each is cut into as many rows as there are lanes."""
    lanes = host_target(dtype).lanes
    rows = walks.split_radix(n, lanes)
    if n >= 16 * lanes and 2 * rows >= lanes:
        return False
    by_lines = lines / (-(-lines // lanes) * lanes)
    return by_lines >= rows / lanes * min(1.0, n / (rows * lanes)) ** 0.5


# Real lines, along memory


def to_spectrum(dtype: str, lines: int, n: int, factor: float, full: bool) -> Any:
    """The stage that turns real lines of n points into n // 2 + 1 frequencies, or all n when `full`."""
    number, half = 2 * host_target(dtype).bytes, n // 2
    if n % 2:
        return _odd(dtype, lines, n, False, factor, "real", "complex" if full else "half")
    if _is_long(lines, half) or _is_rough(half):
        parts = [(transform(dtype, lines, half, 1, False, 1.0), "source", "between"),
                 (walks.untangle_walk(dtype, lines, half, True, factor, full), "between", "target")]
        if full:
            parts.append((walks.mirror_walk(dtype, lines, n), "target", "target"))
        return Series(lines * half * number, *parts)
    if full or not _by_rows(dtype, lines, half):
        return walks.real_line_walk(dtype, lines, half, factor, full)
    return walks.real_row_walk(dtype, lines, half, factor)


def to_signal(dtype: str, lines: int, n: int, factor: float) -> Any:
    """The stage that turns n // 2 + 1 frequencies into real lines of n points."""
    number, half = 2 * host_target(dtype).bytes, n // 2
    if n % 2:
        return _odd(dtype, lines, n, True, factor, "half", "real")
    if _is_long(lines, half) or _is_rough(half):
        return Series(lines * half * number, (walks.untangle_walk(dtype, lines, half, False, 1.0), "source", "between"),
                      (transform(dtype, lines, half, 1, True, factor), "between", "target"))  # fmt: skip
    make = walks.half_row_walk if _by_rows(dtype, lines, half) else walks.half_line_walk
    return make(dtype, lines, half, factor)


def _odd(dtype: str, lines: int, n: int, inverse: bool, factor: float, given: str, wanted: str) -> Any:
    """Real lines of odd length, which do not fold: as complex ones."""
    if _is_rough(n):
        return convolution(dtype, lines, n, 1, inverse, factor, given, wanted)
    if not _by_rows(dtype, lines, n):
        return Gathered(dtype, lines, n, n, 1, [(n, inverse)], given, wanted, factor=factor)
    if inverse:
        return walks.odd_half_row_walk(dtype, lines, n, factor)
    return walks.odd_row_walk(dtype, lines, n, factor, wanted == "complex")


# Copies into a buffer of lines of m numbers and back, times numbers of a table where there is one


class Copy:
    """enter: lines of n numbers to lines of m, zeros behind; leave: back, times `factor`; multiply: in place.

    what: "complex" (..., n, inner); "real" lines of n; "half": lines of n // 2 + 1, of Hermitian ones of n.
    """

    def __init__(self, act: str, what: str, dtype: str, lines: int, n: int, m: int, inner: int,
                 table: np.ndarray | None = None, factor: float = 1.0) -> None:  # fmt: skip
        span = m if act == "enter" else n // 2 + 1 if what == "half" and act == "leave" else n
        blocks = -(-span // BLOCK)
        self.units, self.grain = lines * blocks, max(1, 32768 // min(span, BLOCK))
        self.meta, self.at_meta = block(n, m, inner, blocks, span)
        self.table, self.factor = table, factor
        self.table_bytes = 0 if table is None else table.nbytes
        self.at_table = 0 if table is None else table.ctypes.data
        text, name, signature = _copy_source(act, what, dtype, table is not None, inner == 1)
        self.kernel = compile_kernel(name, text, signature, independent=True)

    def run(self, source: int, target: int) -> None:
        self.kernel(source, target, self.at_table, self.factor, self.at_meta, self.units, self.grain)


def _copy_source(act: str, what: str, dtype: str, tabled: bool, flat: bool) -> tuple[str, str, tuple[str, ...]]:
    number = COMPLEX[dtype]
    name = f"fft_{act}_{what}_{dtype}{'_times' * tabled}{'_flat' * flat}"
    times = " * table[j]" if tabled else ""
    here, there = "lines[at + j]", "other[there + j]" if flat else "other[there + j * inner]"
    begins = "line * n" if flat else "(line // inner) * n * inner + line % inner"
    tail: list[str] = []
    if act == "multiply":
        body = [f"{here} = {here} * table[j]"]
    elif act == "enter" and what == "half":
        begins = "line * (n // 2 + 1)"
        body = ["if 2 * j <= n:", "    value = other[there + j]", "    if j == 0:",
                f"        value = {number}(complex(value.real, {dtype}(0)))",
                "else:", "    mirrored = other[there + n - j]",
                f"    value = {number}(complex(mirrored.real, -mirrored.imag))",
                f"{here} = value{times}"]  # fmt: skip
    elif act == "enter":
        value = f"{number}(complex({there}, {dtype}(0)))" if what == "real" else there
        body = [f"{here} = {value}{times}"]
    elif what == "real":
        body = [f"value = {here}{times}", f"{there} = value.real * factor"]
    else:
        if what == "half":
            begins = "line * (n // 2 + 1)"
        body = [f"value = {here}{times}", f"{there} = {number}(complex(value.real * factor, value.imag * factor))"]
    if act == "enter":
        tail = ["        for j in range(where(begin > n, begin, n), end):", f"            {here} = {number}(0)"]
    order = "lines, other" if act == "leave" else "other, lines"
    text = "\n".join([
        f"def {name}({order}, table, factor, meta, start, stop):",
        "    n = meta[0]", "    m = meta[1]", "    inner = meta[2]", "    blocks = meta[3]", "    span = meta[4]",
        "    for unit in range(start, stop):", "        line = unit // blocks", "        at = line * m",
        f"        there = {begins}", f"        begin = (unit % blocks) * {BLOCK}",
        f"        end = min(begin + {BLOCK}, span)", "        for j in range(begin, min(end, n)):",
        *(f"            {line}" for line in body), *tail])  # fmt: skip
    other = dtype if what == "real" else number
    pointers = (f"{number}*", f"{other}*") if act == "leave" else (f"{other}*", f"{number}*")
    return text + "\n", name, (*pointers, f"{number}*", dtype, "int64*")


class Gathered:
    """Lines copied to a buffer of lines of m numbers, transformed there, and copied back: so many at a time that the
    buffer stays in the cache. middle: (m, inverse) of transforms in place, or a table to multiply by."""

    def __init__(self, dtype: str, outer: int, n: int, m: int, inner: int, middle: list, given: str = "complex",
                 wanted: str = "complex", table: np.ndarray | None = None, factor: float = 1.0) -> None:  # fmt: skip
        number = 2 * host_target(dtype).bytes
        sizes = {"complex": n * inner * number, "real": n * number // 2, "half": (n // 2 + 1) * number}
        self.steps = sizes[given], sizes[wanted]
        self.outer, self.each = outer, max(1, min(outer, GATHERED // (inner * m)))

        def series(outer: int) -> Series:
            lines = outer * inner
            parts = [(Copy("enter", given, dtype, lines, n, m, inner, table), "source", "between")]
            for step in middle:
                made = (Copy("multiply", "complex", dtype, lines, m, m, 1, step) if isinstance(step, np.ndarray) else
                        _lines(dtype, lines, step[0], step[1], 1.0))  # fmt: skip
                parts.append((made, "between", "between"))
            parts.append((Copy("leave", wanted, dtype, lines, n, m, inner, table, factor), "between", "target"))
            return Series(lines * m * number, *parts)
        self.whole = series(self.each)
        self.rest = series(outer % self.each) if outer % self.each else self.whole
        self.table_bytes = self.whole.table_bytes

    def run(self, source: int, target: int) -> None:
        for first in range(0, self.outer, self.each):
            part = self.whole if first + self.each <= self.outer else self.rest
            part.run(source + first * self.steps[0], target + first * self.steps[1])


def convolution(dtype: str, outer: int, n: int, inner: int, inverse: bool, factor: float, given: str = "complex",
                wanted: str = "complex") -> Gathered:  # fmt: skip
    """Transforms of any length n by a convolution with exp(pi i j^2 / n), of a smooth length m >= 2 n - 1."""
    m, j = smooth_length(2 * n - 1), np.arange(n)
    re, im = unit_roots(j * j % (2 * n), 2 * n)
    im = -im if inverse else im
    kernel = np.zeros((m, 2))
    kernel[:n] = np.stack([re, -im], -1)
    kernel[m - n + 1:] = kernel[1:n][::-1]
    transform("float64", 1, m, 1, False, 1.0).run(kernel.ctypes.data, kernel.ctypes.data)
    spectrum = aligned(kernel / m, dtype)
    return Gathered(dtype, outer, n, m, inner, [(m, False), spectrum, (m, True)], given, wanted,
                    aligned(np.stack([re, im], -1), dtype), factor)  # fmt: skip


def smooth_length(least: int) -> int:
    """The smallest 2^a 3^b 5^c with a >= 4 (whole vectors) and at most two odd factors that is not below `least`."""
    odd = (1, 3, 5, 9, 15, 25)
    return min(16 * q << max(0, math.ceil(math.log2(max(1, least) / (16 * q)))) for q in odd)


# Requests


def _copied(source, target):
    """The plan of a copy between layouts of one shape; None where they agree."""
    if all(n == 1 or a == b for n, a, b in zip(source.shape, source.strides, target.strides, strict=True)):
        return None
    operand = kinds.Operand("input", source, source.dtype.compute)
    return elementwise.plan(kinds.Elementwise("copy", (tree.arg("input"),), [operand], [target], target.shape,
                                              target.dtype.compute))  # fmt: skip


def _launch(request, stages, dense, between=False):
    """A Launch that runs stages, given as keys: the first reads the operand, the others work in place.

    dense: the layout in which the first stage takes the operand; it is copied where it differs, to the result's memory
    or, `between`, to memory of its own.
    """
    (source,), (target,) = request.inputs, request.outputs
    if not target.numel:
        return kinds.Launch(lambda *_: None, 0, 0, 1)
    copy = _copied(source, dense)
    nbytes = dense.nbytes
    first, *others = stages
    recall = weakref.ref(stage(*first))

    def single(given, result, *_):
        nonlocal recall
        made = recall()
        if made is None:  # the tables were too many
            made = stage(*first)
            recall = weakref.ref(made)
        made.run(given, result)

    def several(given, result, *_):
        held = None
        if copy is not None:
            held = allocate(nbytes) if between else None
            here = address(held) if between else result
            copy.kernel(given, here, copy.meta, copy.units, copy.grain)
            given = here
        single(given, result)
        for key in others:
            stage(*key).run(result, result)
    return kinds.Launch(several if copy or others else single, 0, 0, 1, copy)


def complex_transform(request):
    """Complex to complex along options["dims"], whose result's memory is dense."""
    (source,), (target,), options = request.inputs, request.outputs, request.options
    dtype, inverse = source.dtype.to_real().name, options["inverse"]
    order = sorted(range(target.ndim), key=lambda d: -target.strides[d])
    long = [d for d in order if target.shape[d] > 1]  # a transform of one number does nothing
    if any(d in options["dims"] for d in long):
        order = long
    stages, inner = [], 1
    for d in reversed(order):
        n = target.shape[d]
        if d in options["dims"]:
            outer = target.numel // (n * inner) if target.numel else 0
            stages.append((transform, dtype, outer, n, inner, inverse, 1.0))
        inner *= n
    dense, sizes = target, _turned(source, target)
    if sizes is not None and order[-1] in options["dims"] and order is long:
        stages[0] = (walks.turned, dtype, *sizes, inverse, 1.0)
        dense = source
    stages[-1] = (*stages[-1][:-1], float(options["factor"]))
    return _launch(request, stages, dense)


def _turned(source, target):
    """(outer, n, inner) of a dense source that differs from the target in where the target's fastest dimension, of n,
    lies; None for others, and where there are too few lines side by side to fill vectors."""
    shape = target.shape
    by_target, by_source = ([d for d in sorted(range(target.ndim), key=lambda d: -layout.strides[d]) if shape[d] > 1]
                            for layout in (target, source))  # fmt: skip
    if len(by_source) < 2:
        return None
    *rest, dim = by_target
    step = 1
    for d in reversed(by_source):
        if source.strides[d] != step:
            return None
        step *= shape[d]
    at, n = by_source.index(dim), shape[dim]
    inner = math.prod(shape[d] for d in by_source[at + 1:])
    lanes = host_target(source.dtype.to_real().name).lanes
    fits = inner > 1 and 2 * inner >= lanes and n <= COLUMN and not _is_rough(n)
    if [d for d in by_source if d != dim] != rest or not fits:
        return None
    return step // (n * inner), n, inner


def real_to_spectrum(request):
    """Real to complex along options["dim"], which varies fastest in the result's dense memory."""
    (source,), (target,), options = request.inputs, request.outputs, request.options
    dim, dtype = options["dim"], source.dtype.name
    n = source.shape[dim]
    lines = source.numel // n
    key = (to_spectrum, dtype, lines, n, float(options["factor"]), options["full"])
    return _launch(request, [key], _dense(source, target), True)


def spectrum_to_real(request):
    """The real signal along options["dim"], which varies fastest in the result's dense memory."""
    (source,), (target,), options = request.inputs, request.outputs, request.options
    n = target.shape[options["dim"]]
    key = (to_signal, target.dtype.name, target.numel // n, n, float(options["factor"]))
    return _launch(request, [key], _dense(source, target), True)


def _dense(source, target):
    """A dense layout of the source's shape with dimensions in the target's order."""
    order = sorted(range(target.ndim), key=lambda d: (-target.strides[d], d))
    strides, step = [0] * source.ndim, 1
    for d in reversed(order):
        strides[d] = step
        step *= max(1, source.shape[d])
    return source.with_(strides=tuple(strides))
