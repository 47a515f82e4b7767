"""Operands in the form that a fast template takes: copies with a dtype and strides of its choice, and results back.

A copy costs a pass over an operand, a product many: products of narrow types, of transposed batches and of expanded
gradients run as float32 or float64 products of copies, complex ones as real products of twice the depth.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from ..dtypes import by_name
from ..expr import kinds
from ..expr.tree import arg
from ..layout import Layout, layout
from . import elementwise
from .memory import address, allocate


def converted(source: Layout, result: Layout) -> kinds.Launch:
    """The Launch that writes `source` in the dtype and strides of `result`, of the same shape: (from, to, ...)."""
    compute = "float64" if "float64" in (source.dtype.name, result.dtype.name) else source.dtype.compute
    request = kinds.Elementwise("convert", (arg("input"),), [kinds.Operand("input", source, compute)], [result],
                                source.shape, compute)
    launch = elementwise.plan(request)
    launch.request = request
    return launch


def dense(source: Layout, dtype: str, dims: Sequence[int] | None = None) -> Layout:
    """The contiguous layout of `source` with its dimensions in the order `dims`, in another dtype."""
    shape = source.shape if dims is None else tuple(source.shape[d] for d in dims)
    return layout(by_name(dtype), shape, None, source.device)


def permuted(source: Layout, dims: Sequence[int]) -> Layout:
    """`source` with its dimensions in another order."""
    return layout(source.dtype, tuple(source.shape[d] for d in dims), tuple(source.strides[d] for d in dims),
                  source.device)


class Staged:
    """Runs a kernel on copies: `before` and `after` give, for some places, the Launch of a copy and its bytes.

    A copy is made from the pointer of its place into a block (before), or from a block to the pointer of its place
    (after). Places count the kernel's pointers.
    """

    __slots__ = ("before", "after", "inner")

    def __init__(self, inner, before: dict[int, tuple[kinds.Launch, int]], after: dict[int, tuple[kinds.Launch, int]]):
        self.inner, self.before, self.after = inner, tuple(before.items()), tuple(after.items())

    def __call__(self, *pointers: int) -> None:
        places, blocks = list(pointers), []
        for i, (copy, nbytes) in self.before:
            blocks.append(allocate(max(64, nbytes)))
            places[i] = address(blocks[-1])
            copy.kernel(pointers[i], places[i], copy.meta, copy.units, copy.grain)
        for i, (_, nbytes) in self.after:
            blocks.append(allocate(max(64, nbytes)))
            places[i] = address(blocks[-1])
        self.inner(*places)
        for i, (copy, _) in self.after:
            copy.kernel(places[i], pointers[i], copy.meta, copy.units, copy.grain)


def staged(launch: kinds.Launch, copies: dict[int, kinds.Launch]) -> kinds.Launch:
    """A Launch that runs on copies of some operands: {place: the Launch that copies, as `converted` gives it}."""
    before = {i: (copy, copy.request.outputs[0].nbytes) for i, copy in copies.items()}
    return kinds.Launch(Staged(launch.kernel, before, {}).__call__, launch.meta, launch.units, launch.grain,
                        (launch.keep, before, {}))


def formulas(launch):
    """({place: Elementwise} of operands, of results): the copies of a launch that are formulas; empty for others."""
    staged = getattr(launch.kernel, "__self__", None)
    if not isinstance(staged, Staged) or not isinstance(launch.keep, tuple) or len(launch.keep) != 3:
        return {}, {}
    return tuple([{i: c[0].request for i, c in copies if c[0].request is not None}
                  for copies in (staged.before, staged.after)])


def without(launch, places):
    """(the kernel, what `keep` is) of a launch that makes copies, without those at some places."""
    staged = launch.kernel.__self__
    rest = [{i: c for i, c in copies if i not in places} for copies in (staged.before, staged.after)]
    return Staged(staged.inner, *rest).__call__ if any(rest) else staged.inner, (launch.keep[0], *rest)


@cache
def _zipper():
    from .compile import compile_kernel

    source = """def zip_rows(x, out, meta, start, stop):
    columns = meta[0]
    down = meta[1]
    rows = meta[2]
    batch_step = meta[3]
    odd = meta[4]
    for row in range(start, stop):
        alone = odd != 0 and row % rows == rows - 1
        upper = row // rows * batch_step + row % rows * 2 * down
        lower = upper if alone else upper + down
        kept = uint32(0) if alone else uint32(65535)
        to = row * columns
        for i in range(columns):
            out[to + i] = uint32(x[upper + i]) | ((uint32(x[lower + i]) & kept) << uint32(16))
"""
    return compile_kernel("zip_rows", source, ("uint16*", "uint32*", "int64*"), independent=True)


@cache
def _padder():
    from .compile import compile_kernel

    source = """def pad_rows(x, out, meta, start, stop):
    columns = meta[0]
    across = meta[1]
    down = meta[2]
    rows = meta[3]
    batch_step = meta[4]
    for row in range(start, stop):
        at = row // rows * batch_step + row % rows * down
        to = row * (columns + 1)
        for i in range(columns):
            out[to + i] = x[at + i * across]
        out[to + columns] = uint16(0)
"""
    return compile_kernel("pad_rows", source, ("uint16*", "uint16*", "int64*"), independent=True)


def padded_rows(batch: int, rows: int, columns: int, strides: tuple[int, int, int]) -> kinds.Launch:
    """Rows of bfloat16 with a zero behind each: (batch, rows, columns), read by `strides`, to one column more."""
    from .geometry import launch

    step, down, across = strides
    return launch(_padder(), batch * rows, max(1, 32768 // max(1, columns)), columns, across, down, max(1, rows), step)


def zipped_rows(batch: int, rows: int, columns: int, step: int, down: int) -> kinds.Launch:
    """Rows of bfloat16 by twos, element beside element: (batch, rows, columns) -> (batch, rows / 2, columns, 2).

    step and down: elements from matrix to matrix, and from row to row; columns are contiguous. A last row that is alone
    goes with zeros.
    """
    from .geometry import launch

    grain = max(1, 32768 // max(1, columns))
    pairs = (rows + 1) // 2
    return launch(_zipper(), batch * pairs, grain, columns, down, max(1, pairs), step, rows % 2)


# Complex matrices as real ones. `_COMPLEX` are loops over rows of one of them; `re` and `im` are the parts of a number.
_COMPLEX = {
    # each number as [[re, im], [-im, re]], or with conj as [[re, -im], [im, re]]
    "rows": ("C", "R", """
        at = row // rows * batch_step + row % rows * down
        to = row * 4 * columns
        for i in range(columns):
            value = x[at + i * across]
            re = value.real
            im = value.imag * R(sign)
            out[to + 2 * i] = re
            out[to + 2 * i + 1] = im
            out[to + 2 * columns + 2 * i] = -im
            out[to + 2 * columns + 2 * i + 1] = re
"""),
    # all real parts of a matrix, then all imaginary ones
    "parts": ("C", "R", """
        at = row // rows * batch_step + row % rows * down
        to = (row // rows * 2 * rows + row % rows) * columns
        for i in range(columns):
            value = x[at + i * across]
            out[to + i] = value.real
            out[to + rows * columns + i] = value.imag
"""),
    # (real parts, imaginary parts) @ interleaved numbers: the second turned by i and added to the first
    "joined": ("R", "R", """
        at = (row // rows * 2 * rows + row % rows) * 2 * columns
        to = row * 2 * columns
        for i in range(columns):
            out[to + 2 * i] = x[at + 2 * i] - x[at + 2 * rows * columns + 2 * i + 1]
            out[to + 2 * i + 1] = x[at + 2 * i + 1] + x[at + 2 * rows * columns + 2 * i]
"""),
    # rows of real parts and of imaginary parts, by turns
    "laced": ("R", "R", """
        for i in range(columns):
            out[row * 2 * columns + 2 * i] = x[row * 2 * columns + i]
            out[row * 2 * columns + 2 * i + 1] = x[row * 2 * columns + columns + i]
"""),
}


@cache
def _complex_kernel(kind: str, dtype: str):
    from .compile import compile_kernel

    part = {"complex64": "float32", "complex128": "float64"}[dtype]
    source, result, body = _COMPLEX[kind]
    types = {"C": dtype, "R": part}
    name = f"complex_{kind}_{dtype}"
    text = f"""def {name}(x, out, meta, start, stop):
    columns = meta[0]
    across = meta[1]
    down = meta[2]
    rows = meta[3]
    batch_step = meta[4]
    sign = meta[5]
    for row in range(start, stop):{body.replace("R(", f"{part}(")}"""
    return compile_kernel(name, text, (f"{types[source]}*", f"{types[result]}*", "int64*"), independent=True)


def complex_rows(kind: str, dtype: str, batch: int, rows: int, columns: int, strides: tuple[int, ...] = (0, 0, 1),
                 conj: bool = False) -> kinds.Launch:
    """A pass of `_COMPLEX` over (batch, rows, columns) complex numbers, read by `strides`: kernel(from, to, ...).

    A row (a, b, ...) of interleaved parts times the real rows of a matrix gives the interleaved parts of the product.
    """
    from .geometry import launch

    grain = max(1, 16384 // max(1, columns))
    return launch(_complex_kernel(kind, dtype), batch * rows, grain, columns, strides[2], strides[1], max(1, rows),
                  strides[0], -1 if conj else 1)
