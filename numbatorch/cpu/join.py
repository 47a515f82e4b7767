"""Template of joins: contiguous tensors side by side along one dimension, each row of each a copy of so many bytes.

A unit is one row of one tensor, or a piece of it. The kernel gets the tensors' addresses as a block of its own, as many
as there are: Numba has no such pointers, so it is LLVM's text.
"""

import math

from . import geometry, streaming
from .compile import compile_ir

PIECE = 1 << 18  # bytes a unit at most: a long row keeps several threads busy

_TEXT = """
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare i64 @llvm.smin.i64(i64, i64)

; meta: pieces a row of all tensors, bytes of such a row, then for each piece: tensor, bytes, row's bytes, from, to.
define void @join(ptr noalias %table, ptr noalias %out, ptr noalias %meta, i64 %start, i64 %stop) nounwind {
entry:
 %pieces = load i64, ptr %meta
 %across_at = getelementptr i64, ptr %meta, i64 1
 %across = load i64, ptr %across_at
 br label %head
head:
 %unit = phi i64 [%start, %entry], [%next, %body]
 %more = icmp slt i64 %unit, %stop
 br i1 %more, label %body, label %exit
body:
 %row = sdiv i64 %unit, %pieces
 %piece = srem i64 %unit, %pieces
 %first = mul i64 %piece, 5
 %place = add i64 %first, 2
 %at0 = getelementptr i64, ptr %meta, i64 %place
 %at1 = getelementptr i64, ptr %at0, i64 1
 %at2 = getelementptr i64, ptr %at0, i64 2
 %at3 = getelementptr i64, ptr %at0, i64 3
 %at4 = getelementptr i64, ptr %at0, i64 4
 %tensor = load i64, ptr %at0
 %bytes = load i64, ptr %at1
 %own = load i64, ptr %at2
 %from = load i64, ptr %at3
 %to = load i64, ptr %at4
 %entry_at = getelementptr i64, ptr %table, i64 %tensor
 %address = load i64, ptr %entry_at
 %base = inttoptr i64 %address to ptr
 %skip = mul i64 %row, %own
 %source_at = add i64 %skip, %from
 %source = getelementptr i8, ptr %base, i64 %source_at
 %down = mul i64 %row, %across
 %target_at = add i64 %down, %to
 %target = getelementptr i8, ptr %out, i64 %target_at
 call void @llvm.memcpy.p0.p0.i64(ptr %target, ptr %source, i64 %bytes, i1 false)
 %next = add i64 %unit, 1
 br label %head
exit:
 ret void
}
"""


def _text(request):
    """(suffix of the name, text) of the kernel: large results are written past the caches."""
    if not streaming.when(*request.outputs):
        return "", _TEXT
    text = _TEXT.replace("declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)\n", "").replace(
        "@llvm.memcpy.p0.p0.i64(ptr %target, ptr %source, i64 %bytes, i1 false)",
        "@numbatorch_stream(ptr %target, ptr %source, i64 %bytes)")
    return "_streamed", text.replace("@join(", "@join_streamed(") + streaming.TEXT


def several(request):
    """The Launch of `plan` with the addresses as arguments of their own, instead of in a block."""
    count = len(request.inputs)
    made = plan(request)
    listed = "".join(f"ptr %p{k}, " for k in range(count))
    suffix, body = _text(request)
    name = f"join_{count}{suffix}"
    lines = [f"define void @{name}({listed}ptr noalias %out, ptr noalias %meta, i64 %start, i64 %stop) nounwind "
             "{", f" %table = alloca [{count} x ptr]"]
    for k in range(count):
        lines += [f" %at{k} = getelementptr ptr, ptr %table, i64 {k}", f" store ptr %p{k}, ptr %at{k}"]
    lines += [f" call void @join{suffix}(ptr %table, ptr %out, ptr %meta, i64 %start, i64 %stop)", " ret void", "}", ""]
    text = body.replace(f"define void @join{suffix}(", f"define internal void @join{suffix}(") + "\n".join(lines)
    made.kernel = compile_ir(name, text, ("uint8*",) * (count + 1) + ("int64*",))
    return made


def plan(request):
    """result = inputs one after the other along a dimension, all contiguous and of one dtype."""
    dim = request.options["dim"]
    size = request.inputs[0].dtype.itemsize
    rows = math.prod(request.inputs[0].shape[:dim])
    widths = [math.prod(t.shape[dim:]) * size for t in request.inputs]
    pieces, to = [], 0
    for k, width in enumerate(widths):
        for start in range(0, width, PIECE):
            pieces.append((k, min(PIECE, width - start), width, start, to + start))
        to += width
    suffix, text = _text(request)
    kernel = compile_ir(f"join{suffix}", text, ("int64*", "uint8*", "int64*"))
    units = rows * len(pieces)
    grain = 4 * geometry.GRAIN * len(pieces) // max(1, sum(widths))
    return geometry.launch(kernel, units, grain, len(pieces), sum(widths), *pieces)
