"""What may become one kernel on a GPU: what passes of `compile` ask about requests (as cpu/fusion.py answers)."""

from dataclasses import replace
from math import prod

from ..expr.functions import FUNCTIONS
from . import row_levels, rows, split

MIXES = True  # whether one walk may have sums and extremes
COSTLY = frozenset(name for name, f in FUNCTIONS.items() if f.symbol is None) - {  # more than a few instructions
    "cast", "neg", "abs", "sgn", "fma", "where", "maximum", "minimum", "fmax", "fmin", "floor", "ceil", "trunc", "rint",
    "sqrt", "rsqrt", "copysign", "isnan", "isinf", "signbit"}


def form(request):
    """What decides in which order a `Rows` request takes the elements of a row: requests of equal forms give sums of
    the same bits, and kernels of one kind. None where each level is a kernel of its own (row_levels.py)."""
    made = rows.Walk(request)
    if split.when(request, made):
        return rows.Walk(split.sums_of(request), split.pieces_of(made)).order
    return None if row_levels.when(request, made) else made.order


walk = form


def takes_steps(request):
    """Whether the kernel of a `Rows` request can take up other steps."""
    return prod(request.shape[d] for d in request.dims) != 1 and form(request) is not None


def walked(request, lone):
    """A `Rows` request with the sums of another one, where it can be walked so."""
    return replace(request, walk=form(lone))


def keeps_elements(request):
    """Whether elements that are stored need no other walk over the row: its threads hold them."""
    return rows.Walk(request).is_held


def turns(request):
    """Whether an `Elementwise` request is better left alone: shared memory turns whatever reads across (turned.py)."""
    return False


__all__ = ["COSTLY", "MIXES", "form", "keeps_elements", "takes_steps", "turns", "walk", "walked"]
