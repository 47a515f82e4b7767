"""Template of copies between a source contiguous along one dimension and a result contiguous along another.

Blocks of as many rows as a vector has lanes are turned over in registers: each cache line of either side is touched
once, and no element by itself. Blocks at an edge do the same with lanes switched off. It is LLVM's text: Numba has no
vectors.
"""

import math

from ..layout import Layout
from . import geometry, streaming
from .compile import compile_ir

TILE = 64  # elements a unit along both dimensions; best of 32..128 on 512x512 and 4096x4096, 2-core EPYC
_LANES = {1: 16, 2: 16, 4: 16, 8: 8}  # by bytes of an element


def when(request):
    """Whether a request whose operand lies across its result is nothing but a copy."""
    tensors = [o for o in request.operands if isinstance(o.layout, Layout)]
    if len(tensors) != 1 or len(request.outputs) != 1 or len(request.operands) != 1:
        return False
    (root,), (operand,), (output,) = request.roots, tensors, request.outputs
    return (root.op == "arg" and root.args[0] == operand.name and operand.layout.dtype is output.dtype
            and output.dtype.itemsize in _LANES)


def plan(request, shape, rows):
    """The Launch for sizes whose last two are those along the source's and the result's contiguous dimension."""
    kernel = compile_ir(*text(request, len(shape)), ("uint8*", "uint8*", "int64*"))
    tiles = -(-shape[-2] // TILE), -(-shape[-1] // TILE)
    return geometry.launch(kernel, math.prod(shape[:-2]) * math.prod(tiles), geometry.GRAIN // TILE**2, shape, *rows,
                           tiles)


def text(request, rank):
    """(name, kernel text)."""
    size = request.outputs[0].dtype.itemsize
    streamed = _LANES[size] * size == 64 and streaming.when(*request.outputs)
    name = f"transpose_{size}_{rank}{'_streamed' * streamed}"
    return name, _text(name, size, rank, streamed)


class _Text:
    """IR in the making, with a counter for the names of values."""

    def __init__(self):
        self.lines: list[str] = []
        self.count = 0

    def value(self, text):
        self.count += 1
        self.lines.append(f" %v{self.count} = {text}")
        return f"%v{self.count}"

    def add(self, *lines):
        self.lines += lines


def _text(name, size, rank, streamed):
    """Kernel text; `streamed`: whole lines are written past the caches.

    meta: sizes, strides of the source, strides of the result, tiles along the last two dimensions.
    """
    out, lanes = _Text(), _LANES[size]
    word = f"i{8 * size}"
    vector, mask = f"<{lanes} x {word}>", f"<{lanes} x i1>"
    out.add(f"declare {vector} @llvm.masked.load.v{lanes}{word}.p0(ptr, i32, {mask}, {vector})",
            f"declare void @llvm.masked.store.v{lanes}{word}.p0({vector}, ptr, i32, {mask})",
            "declare i64 @llvm.smin.i64(i64, i64)",
            f"define void @{name}(ptr noalias %source, ptr noalias %result, ptr noalias %meta, i64 %start, i64 %stop) "
            'nounwind "prefer-vector-width"="512" {', "entry:")

    def read(k):
        place = out.value(f"getelementptr i64, ptr %meta, i64 {k}")
        return out.value(f"load i64, ptr {place}")

    wide, long = read(rank - 2), read(rank - 1)  # sizes along the source's rows and the result's
    from_step, to_step = read(2 * rank - 1), read(3 * rank - 2)
    wide_tiles, long_tiles = read(3 * rank), read(3 * rank + 1)
    outer = [(read(d), read(rank + d), read(2 * rank + d)) for d in range(rank - 2)]
    from_bytes = out.value(f"mul i64 {from_step}, {size}")
    to_bytes = out.value(f"mul i64 {to_step}, {size}")
    numbers = ", ".join(f"i64 {k}" for k in range(lanes))
    out.add(" br label %units", "units:", " %unit = phi i64 [%start, %entry], [%next_unit, %unit_done]",
            " %more = icmp slt i64 %unit, %stop", " br i1 %more, label %tile, label %exit", "tile:")
    column = out.value(f"srem i64 %unit, {long_tiles}")
    rest = out.value(f"sdiv i64 %unit, {long_tiles}")
    line = out.value(f"srem i64 {rest}, {wide_tiles}")
    rest = out.value(f"sdiv i64 {rest}, {wide_tiles}")
    first_j = out.value(f"mul i64 {column}, {TILE}")
    first_i = out.value(f"mul i64 {line}, {TILE}")
    from_at = out.value(f"mul i64 {first_j}, {from_step}")
    from_at = out.value(f"add i64 {from_at}, {first_i}")
    to_at = out.value(f"mul i64 {first_i}, {to_step}")
    to_at = out.value(f"add i64 {to_at}, {first_j}")
    for count, from_stride, to_stride in reversed(outer):
        at = out.value(f"srem i64 {rest}, {count}")
        rest = out.value(f"sdiv i64 {rest}, {count}")
        from_at = out.value(f"add i64 {from_at}, {out.value(f'mul i64 {at}, {from_stride}')}")
        to_at = out.value(f"add i64 {to_at}, {out.value(f'mul i64 {at}, {to_stride}')}")
    from_base = out.value(f"getelementptr {word}, ptr %source, i64 {from_at}")
    to_base = out.value(f"getelementptr {word}, ptr %result, i64 {to_at}")
    end_i = out.value(f"call i64 @llvm.smin.i64(i64 {TILE}, i64 {out.value(f'sub i64 {wide}, {first_i}')})")
    end_j = out.value(f"call i64 @llvm.smin.i64(i64 {TILE}, i64 {out.value(f'sub i64 {long}, {first_j}')})")
    # Memory gives neighbouring lines of the source's rows sooner than far ones; in caches the result's rows come first.
    ends = {"i": end_i, "j": end_j}
    slow, fast = "ji" if streamed else "ij"
    out.add(" br label %rows", "rows:", f" %{slow} = phi i64 [0, %tile], [%next_{slow}, %row_done]",
            f" %more_{slow} = icmp slt i64 %{slow}, {ends[slow]}",
            f" br i1 %more_{slow}, label %blocks, label %unit_done", "blocks:",
            f" %{fast} = phi i64 [0, %rows], [%next_{fast}, %block_done]",
            f" %more_{fast} = icmp slt i64 %{fast}, {ends[fast]}",
            f" br i1 %more_{fast}, label %block, label %row_done", "block:")
    source = out.value(f"mul i64 %j, {from_bytes}")
    source = out.value(f"getelementptr i8, ptr {from_base}, i64 {source}")
    source = out.value(f"getelementptr {word}, ptr {source}, i64 %i")
    result = out.value(f"mul i64 %i, {to_bytes}")
    result = out.value(f"getelementptr i8, ptr {to_base}, i64 {result}")
    result = out.value(f"getelementptr {word}, ptr {result}, i64 %j")
    left_i, left_j = out.value(f"sub i64 {end_i}, %i"), out.value(f"sub i64 {end_j}, %j")
    whole_i, whole_j = (out.value(f"icmp sge i64 {left}, {lanes}") for left in (left_i, left_j))
    begin = "aligned" if streamed else "whole"
    out.add(f" br i1 {out.value(f'and i1 {whole_i}, {whole_j}')}, label %{begin}, label %edge")
    if streamed:
        out.add("aligned:")
        both = out.value(f"or i64 {out.value(f'ptrtoint ptr {result} to i64')}, {to_bytes}")
        rest = out.value(f"and i64 {both}, 63")
        out.add(f" br i1 {out.value(f'icmp eq i64 {rest}, 0')}, label %lines, label %whole")
    for label in (*["lines"] * streamed, "whole", "edge"):
        out.add(f"{label}:")
        masks = {}
        if label == "edge":
            for which, left in (("i", left_i), ("j", left_j)):
                head = out.value(f"insertelement <{lanes} x i64> poison, i64 {left}, i32 0")
                every = out.value(f"shufflevector <{lanes} x i64> {head}, <{lanes} x i64> poison, "
                                  f"<{lanes} x i32> zeroinitializer")
                masks[which] = out.value(f"icmp slt <{lanes} x i64> <{numbers}>, {every}")
        turned, place = [], source
        for k in range(lanes):
            place = out.value(f"getelementptr i8, ptr {place}, i64 {from_bytes}") if k else place
            if masks:
                there = out.value(f"icmp sgt i64 {left_j}, {k}")
                lanes_on = out.value(f"select i1 {there}, {mask} {masks['i']}, {mask} zeroinitializer")
                turned.append(out.value(f"call {vector} @llvm.masked.load.v{lanes}{word}.p0(ptr {place}, i32 {size}, "
                                        f"{mask} {lanes_on}, {vector} zeroinitializer)"))
            else:
                turned.append(out.value(f"load {vector}, ptr {place}, align {size}"))
        _turn(out, turned, vector, lanes)
        place = result
        for k in range(lanes):
            place = out.value(f"getelementptr i8, ptr {place}, i64 {to_bytes}") if k else place
            if masks:
                there = out.value(f"icmp sgt i64 {left_i}, {k}")
                lanes_on = out.value(f"select i1 {there}, {mask} {masks['j']}, {mask} zeroinitializer")
                out.add(f" call void @llvm.masked.store.v{lanes}{word}.p0({vector} {turned[k]}, ptr {place}, "
                        f"i32 {size}, {mask} {lanes_on})")
            elif label == "lines":
                out.add(f" store {vector} {turned[k]}, ptr {place}, align 64, !nontemporal !0")
            else:
                out.add(f" store {vector} {turned[k]}, ptr {place}, align {size}")
        out.add(" br label %block_done")
    out.add("block_done:", f" %next_{fast} = add i64 %{fast}, {lanes}", " br label %blocks",
            "row_done:", f" %next_{slow} = add i64 %{slow}, {lanes}", " br label %rows",
            "unit_done:", " %next_unit = add i64 %unit, 1", " br label %units", "exit:", " ret void", "}")
    return "\n".join([*out.lines, *["!0 = !{i32 1}"] * streamed]) + "\n"


def _turn(out, rows, vector, lanes):
    """Turn a square of vectors over, in place in the list: halves, quarters, ... change places (Eklundh 1972)."""
    step = lanes // 2
    while step:
        for k in range(lanes):
            if not k & step:
                first, second = rows[k], rows[k + step]
                for place, shift in ((k, 0), (k + step, step)):
                    order = (f"i32 {lane + shift if not lane & step else lanes + lane - step + shift}"
                             for lane in range(lanes))
                    rows[place] = out.value(f"shufflevector {vector} {first}, {vector} {second}, "
                                            f"<{lanes} x i32> <{', '.join(order)}>")
        step //= 2
