"""What may become one kernel on the CPU: what passes of `compile` ask about requests (as cuda/fusion.py answers)."""

from math import prod

from . import columns, elementwise, rows, split

MIXES = False  # LLVM makes no vectors of a loop with sums and extremes
COSTLY = rows._CALLS  # functions that are not to be evaluated more often than by the steps alone


def form(request):
    """How a `Rows` request is walked: the template, and whether vectors of a row are adjacent."""
    outer, inner, strides, classes = rows._walk(request)
    if request.summed:
        return "rows" if split.together(request, outer, inner, strides, classes) else "strided"
    if columns.when(request, outer, inner, strides):
        return "columns"
    if split.when(request, outer, inner, classes):
        return "split"
    return "strided" if "n" in classes else "rows"


def walk(request):
    """The sizes of the loops over a row, by which it is summed in pieces: less of them where operands lie one after
    the other in memory."""
    return tuple(rows._walk(request)[1])


def takes_steps(request):
    """Whether the kernel of a `Rows` request can take up other steps."""
    return 1 not in (len(request.shape), prod(request.shape[d] for d in request.dims)) and form(request) != "strided"


def walked(request, lone):
    """A `Rows` request with the sums of another one: those of equal walks have them anyway."""
    return request


def keeps_elements(request):
    """Whether elements that are stored need no other walk over the row."""
    return False


turns = elementwise.turns  # in registers, several times as fast as a formula that reads across

__all__ = ["COSTLY", "MIXES", "form", "keeps_elements", "takes_steps", "turns", "walk", "walked"]
