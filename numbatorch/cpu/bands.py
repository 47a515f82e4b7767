"""Products with elementwise formulas on what they give: after each unit of the product, its part of the result.

So the formulas find what they read in a cache, and there is one region instead of two. Both kernels are the ones that
run alone, called by their addresses: results have the same bits.
"""

import ctypes

from ..expr.tree import order
from ..expr.write import storage
from ..layout import Layout
from . import elementwise, entry, geometry, rows, streaming
from .compile import compile_ir
from .gemm import META

LARGE = 1 << 20  # bytes of a result up to which it stays in a second-level cache anyway, and nothing is saved


def product(launch):
    """{name: number} of the plan of a matrix product by one of gemm.py's own kernels, whose result is one block of
    memory; None for other launches."""
    owner = getattr(launch.kernel, "__self__", None)
    if not isinstance(owner, entry.Kernel) or not owner.name.startswith("gemm_"):
        return None
    numbers = dict(zip(META, (ctypes.c_int64 * len(META)).from_address(launch.meta), strict=True))
    size = {"float32": 4, "float64": 8}.get(owner.signature[0].rstrip("*"))
    whole = size is not None and numbers["c_row"] == numbers["n"] * size and not numbers["accumulate"]
    return numbers if whole and 0 < launch.units == numbers["units_per_matrix"] else None


def when(numbers, request):
    """Whether formulas over a product's result are worth evaluating a unit at a time.

    Flat ones of little work, which wait for memory: relu of 2048x512, 1.04 times as fast as after the product. What
    computes more (gelu: 0.98) or reads more than the result (a residual: 0.97 to 1.03) gains nothing by it.
    """
    _, _, flat, classes, _ = elementwise._walk(request)
    tensors = [o for o in request.operands if isinstance(o.layout, Layout)]
    light = len(tensors) == 1 and not any(n.op in rows._CALLS for n in order(*request.roots))
    return (flat and light and "0" not in classes[1:] and not streaming.when(*request.outputs)
            and request.outputs[0].numel == numbers["m"] * numbers["n"]
            and any(o.nbytes >= LARGE for o in request.outputs))


def plan(launch, request):
    """The Launch of a product's and, on its result, a request's: (the product's pointers, the request's, ...)."""
    numbers = product(launch)
    n, wide = numbers["n"], min(numbers["unit_columns"], numbers["n"])
    parts = [_part(request, n, numbers["m"], width) for width in (wide, (n - 1) % wide + 1)]
    own, other = launch.kernel.__self__, parts[0].kernel.__self__
    moved = [isinstance(o.layout, Layout) and o.layout.numel > 1 for o in request.operands]
    text, name, signature = _text(own, other, [*moved, *(True for _ in request.outputs)])
    kernel = compile_ir(name, text, signature)
    sizes = [numbers[k] for k in ("m", "n", "unit_rows", "unit_columns", "units_across")]
    made = geometry.launch(kernel, launch.units, launch.grain, own.address, launch.meta, other.address, parts[0].meta,
                           *sizes, parts[1].meta, 1 if wide < n else n)
    made.keep = (made.keep, launch, parts)
    return made


def _part(request, columns, height, width):
    """The Launch of the formulas over `width` of the columns of matrices: over all of them in one flat loop, over some
    row by row, also where there is one row, or one column of the last unit."""
    if width == columns:
        return elementwise.plan(request)
    steps = [(columns, 1) if o.layout.numel > 1 else (0, 0) for o in request.operands if isinstance(o.layout, Layout)]
    steps += [(columns, 1)] * len(request.outputs)
    kernel = elementwise.nest(request, "".join(str(step) for _, step in steps), 2)
    return geometry.launch(kernel, height, 1, (height, width), *steps)


def _text(own, other, moved):
    """(IR text, name, signature) of the kernel that calls two others by turns. moved: which operands have columns."""
    first, second = own.signature[:-1], other.signature[:-1]
    types = [entry.llvm_type(t) for t in (*first, *second)]
    given = [f"{t} %a{k}" for k, t in enumerate(types)]
    product_given, lines, passed = ", ".join(given[:len(first)]), "", []
    for k, (text, moves) in enumerate(zip(second, moved, strict=True), len(first)):
        if moves:
            kind = entry.llvm_type(storage(text.rstrip("*")))
            lines += f" %b{k} = getelementptr {kind}, ptr %a{k}, i64 %column\n"
        passed.append(f"ptr %b{k}" if moves else given[k])
    name = f"{own.name}_then_{other.name}_{''.join('01'[m] for m in moved)}"
    head = "".join(f" %p{k} = getelementptr i64, ptr %meta, i64 {k}\n %w{k} = load i64, ptr %p{k}\n" for k in range(11))
    text = f"""
declare i64 @llvm.smin.i64(i64, i64)
define void @{name}({", ".join(given)}, ptr %meta, i64 %start, i64 %stop) nounwind {{
entry:
{head} %product = inttoptr i64 %w0 to ptr
 %product_meta = inttoptr i64 %w1 to ptr
 %formula = inttoptr i64 %w2 to ptr
 br label %units
units:
 %unit = phi i64 [%start, %entry], [%after, %run]
 %more = icmp slt i64 %unit, %stop
 br i1 %more, label %run, label %exit
run:
 %after = add i64 %unit, 1
 call void %product({product_given}, ptr %product_meta, i64 %unit, i64 %after)
 %down = sdiv i64 %unit, %w8
 %across = srem i64 %unit, %w8
 %row = mul i64 %down, %w6
 %column = mul i64 %across, %w7
 %row_end = add i64 %row, %w6
 %stop_row = call i64 @llvm.smin.i64(i64 %row_end, i64 %w4)
 %right = add i64 %column, %w7
 %last = icmp sge i64 %right, %w5
 %chosen = select i1 %last, i64 %w9, i64 %w3
 %formula_meta = inttoptr i64 %chosen to ptr
 %from = mul i64 %row, %w10
 %to = mul i64 %stop_row, %w10
{lines} call void %formula({", ".join([*passed, "ptr %formula_meta"])}, i64 %from, i64 %to)
 br label %units
exit:
 ret void
}}
"""
    return text, name, (*first, *second, "int64*")


__all__ = ["plan", "product", "when"]
