"""Micro-kernels of products whose operands are both contiguous along k, for few rows or columns, as LLVM IR.

Reading the columns is the work. Those that are summed at once are a quarter of all apart, so that each is followed in
memory by the one that comes next: four streams from front to back, which the hardware fetches ahead. Four neighbours
at once are streams that leap after each column, and come from the second cache at half of its speed. One row on Zen 5:
192 columns of 784 took 5.2 us so, and take 4.3; 4096 of 1024, from memory, 198 and 173.
"""

from __future__ import annotations

from numbatorch.cpu.irwriter import Module, Value
from numbatorch.cpu.microkernel import Target, add_vectors, load_right, load_vector, multiply_add, sum_lanes, zero


def write_dot(module: Module, name: str, target: Target, rows: int, columns: int) -> None:
    """c[i, j] = addend[i, j] + sum over k of a[i, k] * b[j, k], both contiguous along k: lanes along k, summed last.

    c_column: bytes from a column of c, and of the addend, to the next.
    """
    f = module.function(
        name,
        [("a", "ptr noalias"), ("a_row", "i64"), ("b", "ptr noalias"), ("b_row", "i64"), ("c", "ptr"), ("c_row", "i64")]
        + [("c_column", "i64"), ("addend", "ptr"), ("addend_row", "i64"), ("k", "i64")],
    )
    a, a_row, b, b_row, c, c_row, c_column, addend, addend_row, k = f.parameters
    whole = k - k % target.lanes
    rest = k - whole
    mask = f.lanes_between(target.lanes, None, rest)

    def accumulate(first: Value, mask: Value | None, totals: list[Value]) -> list[Value]:
        a_here, b_here = f.offset(a, first * target.bytes), f.offset(b, first * target.right_bytes)
        lefts = [load_vector(f, target, f.offset(a_here, a_row * i), mask) for i in range(rows)]
        sums = list(totals)
        for j in range(columns):
            right = load_right(f, target, f.offset(b_here, b_row * j), mask)
            for i in range(rows):
                sums[i * columns + j] = multiply_add(f, target, lefts[i], right, totals[i * columns + j])
        return sums

    with f.loop(0, whole, target.lanes, carry=[zero(f, target.vector)] * (rows * columns)) as loop:
        loop.carry(accumulate(loop.index, None, loop.carried))
    totals = accumulate(whole, mask, loop.carried)
    null = f.is_null(addend)
    sums = [sum_lanes(f, target, total) for total in totals]
    # c stands in for a null addend: its old value is read but not used.
    base, stride = f.select(null, c, addend), f.select(null, c_row, addend_row)
    for i in range(rows):
        row, other = f.offset(c, c_row * i), f.offset(base, stride * i)
        for j in range(columns):
            present = f.load(target.element, f.offset(other, c_column * j), target.bytes)
            present = f.select(null, zero(f, target.element), present)
            f.store(add_vectors(f, present, sums[i * columns + j]), f.offset(row, c_column * j), target.bytes)


def write_dots(module: Module, name: str, target: Target) -> None:
    """`write_dot` for a block of `count` rows x `width` columns."""
    choices = [(i, j) for i in range(1, target.dot_rows + 1) for j in range(1, target.dot_columns + 1)]
    for i, j in choices:
        write_dot(module, f"{name}_{i}_{j}", target, i, j)
    f = module.function(
        name,
        [("a", "ptr noalias"), ("a_row", "i64"), ("b", "ptr noalias"), ("b_row", "i64"), ("c", "ptr"), ("c_row", "i64")]
        + [("addend", "ptr"), ("addend_row", "i64"), ("k", "i64"), ("count", "i64"), ("width", "i64")],
    )
    a, a_row, b, b_row, c, c_row, addend, addend_row, k, count, width = f.parameters
    apart = width // target.dot_columns
    left = width - apart * target.dot_columns
    with f.loop(0, apart + f.minimum(left, 1)) as across:
        last = across.index.equals(apart)
        column = f.select(last, apart * target.dot_columns, across.index)
        columns, step = f.select(last, left, target.dot_columns), f.select(last, 1, apart)
        shift = column * target.bytes
        with f.loop(0, count, target.dot_rows) as down:
            rows = f.minimum(target.dot_rows, count - down.index)
            null = f.is_null(addend)
            there = f.select(null, addend, f.offset(addend, addend_row * down.index + shift))
            arguments = [
                f.offset(a, a_row * down.index), a_row,
                f.offset(b, b_row * column), b_row * step,
                f.offset(c, c_row * down.index + shift), c_row, step * target.bytes,
                there, addend_row,
                k,
            ]
            with f.cases(rows * 16 + columns, [i * 16 + j for i, j in choices]) as case:
                for i, j in choices:
                    with case(i * 16 + j):
                        f.call(f"{name}_{i}_{j}", arguments)
