"""What may become one kernel on the CPU: what passes of `compile` ask about requests (as cuda/fusion.py answers)."""

from math import prod

from ..expr import tree
from ..expr.functions import ROW
from . import columns, elementwise, rows, split

ALIGNMENT = 1  # of addresses, by which kernels without formulas might be others
COSTLY = rows._CALLS  # functions that are not to be evaluated more often than by the steps alone


def form(request):
    """How a `Rows` request is walked: the template, and whether vectors of a row are adjacent."""
    outer, inner, strides, classes = rows._walk(request)
    if request.summed:
        return "rows" if split.together(request, outer, inner, strides, classes) else "strided"
    if columns.when(request, outer, inner, strides):
        return "columns"
    if split.when(request, outer, inner, classes):
        return "split, one by one" if _one_by_one(request) else "split"
    return "strided" if "n" in classes else "rows, one by one" if _one_by_one(request) else "rows"


def _one_by_one(request):
    """Whether a formula calls the C library, as no vector can: its sums have another order then."""
    called = _CALLED if request.compute == "float64" else _CALLED_ALWAYS
    return any(n.op in called and not (n.op == "pow" and n.args[1].op == "const" and n.args[1].args[0] in _POWERS)
               for n in tree.order(*tree.expand(*request.roots)))


_CALLED_ALWAYS = frozenset("fmod mod floordiv nextafter".split())
_CALLED = _CALLED_ALWAYS | frozenset("sin cos tan asin acos atan sinh cosh asinh acosh atanh lgamma tgamma atan2 hypot "
                                     "pow".split())
_POWERS = (-2, -1, -0.5, 0, 0.5, 1, 2, 3, 4)  # written as products and roots


def walk(request):
    """The sizes of the loops over a row, by which it is summed in pieces: less of them where operands lie one after
    the other in memory."""
    return tuple(rows._walk(request)[1])


def mixes(request):
    """Whether a walk may have several kinds of totals: each keeps the order that it has alone, and its vectors.

    A product is a chain of numbers, and a loop with one has no vectors; nor is it known of strided operands.
    """
    if form(request) == "columns":
        return True
    used = {n.op for n in tree.order(*request.roots) if n.op in ROW}
    return "row_prod" not in used and {*rows._walk(request)[3]} <= {*"01r"}


def takes_steps(request):
    """Whether the kernel of a `Rows` request can take up other steps."""
    return 1 not in (len(request.shape), prod(request.shape[d] for d in request.dims)) and form(request) != "strided"


def walked(request, lone):
    """A `Rows` request with the sums of another one: those of equal walks have them anyway."""
    return request


def keeps_elements(request):
    """Whether elements that are stored need no other walk over the row."""
    return False


def finishes(request, made):
    """Whether the kernel of a sum of products evaluates formulas of its results: bands.py and convolution_finish.py
    call kernels by turns instead."""
    return False


def moves(request, made):
    """Whether attention with operands and results in other orders is the same kernel otherwise."""
    return True


turns = elementwise.turns  # in registers, several times as fast as a formula that reads across

__all__ = ["ALIGNMENT", "COSTLY", "finishes", "form", "keeps_elements", "mixes", "moves", "takes_steps",
           "turns", "walk", "walked"]
