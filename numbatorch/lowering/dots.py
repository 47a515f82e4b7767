"""Sums over one index of what every operand has an element of: dot products of vectors, and of the rows of batches.

Both devices compute them as rows of a formula, which they cut into pieces where there are few of them.
"""

from math import prod

from ..expr.functions import row_sum
from ..expr.kinds import Operand, Rows
from ..expr.tree import Expr, arg, order, rebuild
from ..layout import layout


def as_rows(request):
    """The `Rows` of a nest out[free] = sum over k of a formula of loads at [free, k], in any order; None for others.

    Indices of size 1 may be missing in a load. Whole numbers, and sums of nothing, are others.
    """
    if request.combine != "sum" or len(request.summed) != 1 or request.finish is not None:
        return None
    if not request.compute.startswith(("float", "complex")) or not prod(request.extents.values()):
        return None
    names = [i for i in request.free if request.extents[i] != 1] + list(request.summed)
    operands = {}
    for load in (n for n in order(request.element) if n.op == "load"):
        array = request.arrays[load.args[0]]
        if any(i.op != "arg" for i in load.args[1:]):
            return None
        inside = [i.args[0] for i in load.args[1:]]
        kept = [i for i in inside if i in names]
        if sorted(kept) != sorted(names) or load.args[0] in operands:
            return None
        dims = [inside.index(i) for i in names]
        operands[load.args[0]] = layout(array.dtype, tuple(array.shape[d] for d in dims),
                                        tuple(array.strides[d] for d in dims), array.device)
    if list(operands) != list(request.arrays):
        return None
    (root,) = rebuild((request.element,), lambda n, args: arg(n.args[0]) if n.op == "load" else Expr(n.op, *args))
    shape = tuple(request.extents[i] for i in names)
    out = request.outputs[0]
    written = layout(out.dtype, (*shape[:-1], 1), None, out.device)
    given = [Operand(name, own, request.compute) for name, own in operands.items()]
    return Rows(request.name, (row_sum(root),), given, [written], (True,), shape, (len(shape) - 1,), request.compute)
