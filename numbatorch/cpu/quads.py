"""Products of int8 by fours along k, where the machine sums four products of bytes into an int32 by one instruction.

It takes bytes without sign on the left: those are a + 128, and the sums begin with -128 times the column's sum of b.
All of it is exact modulo 2^32.
"""

from __future__ import annotations

from functools import cache

from ..expr.kinds import Launch
from .geometry import GRAIN, launch

BLOCK = 256  # columns summed at once


@cache
def _kernel(kind: str, along: str, down: str):
    from .compile import compile_kernel

    steps = {"1": "", "n": " * {}"}
    place = f"k{steps[along].format('along')} + j{steps[down].format('down')}"
    head = f"""def {kind}_{along}{down}(x, out, meta, start, stop):
    depth = meta[0]
    count = meta[1]
    along = meta[2]
    down = meta[3]
    step = meta[4]
    quads = (depth + 3) // 4
"""
    bodies = {
        # rows of four bytes each, unsigned and filled up: (batch, count, quads, 4)
        "quad_rows": ("uint8", f"""    for unit in range(start, stop):
        at = unit // count * step
        j = unit % count
        to = unit * 4 * quads
        for k in range(depth):
            out[to + k] = uint8(x[at + {place}]) ^ uint8(128)
        for k in range(depth, 4 * quads):
            out[to + k] = uint8(128)
"""),
        # four rows side by side, unsigned: (batch, quads, count, 4)
        "quad_turned": ("uint32", f"""    for unit in range(start, stop):
        at = unit // quads * step
        first = unit % quads * 4
        to = unit * count
        for j in range(count):
            word = uint32(0)
            for t in range(4):
                k = min(first + t, depth - 1)
                word = word | (uint32(uint8(x[at + {place}])) << uint32(8 * t))
            out[to + j] = word ^ uint32(0x80808080)
"""),
        # the same of signed ones, filled up with zeros, and behind them what sums of columns begin with: (quads, count,
        # 4), (count). A block of columns is read twice while it is near.
        "quad_columns": ("uint32", f"""    for unit in range(start, stop):
        at = int64(0)
        begin = unit * {BLOCK}
        end = min(count, begin + {BLOCK})
        sums = quads * count
        for j in range(begin, end):
            out[sums + j] = uint32(0)
        for quad in range(quads):
            first = quad * 4
            to = quad * count
            for j in range(begin, end):
                word = uint32(0)
                for t in range(4):
                    k = min(first + t, depth - 1)
                    byte = uint32(uint8(x[at + {place}]))
                    word = word | (where(first + t < depth, byte, uint32(0)) << uint32(8 * t))
                out[to + j] = word
            for j in range(begin, end):
                word = int32(out[to + j])
                total = int32(int8(word)) + int32(int8(word >> 8)) + int32(int8(word >> 16)) + int32(int8(word >> 24))
                out[sums + j] = uint32(int32(out[sums + j]) - int32(total) * int32(128))
"""),
        # what sums of columns begin with: (count)
        "quad_sums": ("int32", f"""    for unit in range(start, stop):
        at = int64(0)
        first = unit * {BLOCK}
        end = min(count, first + {BLOCK})
""" + (f"""        for j in range(first, end):
            total = int32(0)
            for k in range(depth):
                total = int32(total + int32(x[at + {place}]))
            out[j] = int32(total * int32(-128))
""" if along == "1" else f"""        for j in range(first, end):
            out[j] = int32(0)
        for k in range(depth):
            for j in range(first, end):
                out[j] = int32(out[j] - int32(x[at + {place}]) * int32(128))
""")),
    }
    result, body = bodies[kind]
    source = "uint8" if kind != "quad_sums" else "int8"
    return compile_kernel(f"{kind}_{along}{down}", head + body, (f"{source}*", f"{result}*", "int64*"), True)


def _launch(kind: str, units: int, per_unit: int, depth: int, count: int, strides: tuple[int, int, int]) -> Launch:
    step, along, down = strides
    classes = ("1" if stride == 1 else "n" for stride in (along, down))
    return launch(_kernel(kind, *classes), units, GRAIN // max(1, per_unit), depth, count, along, down, step)


def rows(batch: int, count: int, depth: int, strides: tuple[int, int, int]) -> tuple[Launch, int]:
    """(batch, count, depth) bytes, plus 128 and filled up to fours; strides: of matrices, along k, from row to row."""
    whole = (depth + 3) // 4 * 4
    return _launch("quad_rows", batch * count, whole, depth, count, strides), batch * count * whole


def turned(batch: int, count: int, depth: int, strides: tuple[int, int, int]) -> tuple[Launch, int]:
    """(batch, depth, count) bytes, plus 128, with four rows side by side: what `rows` gives, transposed by fours."""
    quads = (depth + 3) // 4
    return _launch("quad_turned", batch * quads, 4 * count, depth, count, strides), 4 * batch * quads * count


def columns(depth: int, count: int, strides: tuple[int, int, int]) -> tuple[Launch, int]:
    """(depth, count) bytes with four rows side by side, then `sums`; strides: 0, along k, from column to column."""
    quads = (depth + 3) // 4
    made = _launch("quad_columns", -(-count // BLOCK), 4 * BLOCK * quads, depth, count, strides)
    return made, 4 * (quads + 1) * count


def sums(depth: int, count: int, strides: tuple[int, int, int]) -> tuple[Launch, int]:
    """-128 times the sum of each column of one matrix, in int32; strides as for `columns`."""
    return _launch("quad_sums", -(-count // BLOCK), BLOCK * depth, depth, count, strides), 4 * count
