"""What may become one kernel on a GPU: what passes of `compile` ask about requests (as cpu/fusion.py answers)."""

from dataclasses import replace
from math import prod

from ..expr import kinds
from ..expr.functions import FUNCTIONS
from ..lowering.dots import as_rows
from . import attention, convolution, depthwise, row_levels, rows, split

ALIGNMENT = 16  # of addresses: kernels without formulas may be others at addresses that are no multiples of it
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


def mixes(request):
    """Whether a walk may have several kinds of totals."""
    return True


def takes_steps(request):
    """Whether the kernel of a `Rows` request can take up other steps."""
    return prod(request.shape[d] for d in request.dims) != 1 and form(request) is not None


def walked(request, lone):
    """A `Rows` request with the sums of another one, where it can be walked so."""
    return replace(request, walk=form(lone))


def keeps_elements(request):
    """Whether elements that are stored need no other walk over the row: its threads hold them."""
    return rows.Walk(request).is_held


def finishes(request, made):
    """Whether the kernel of `request`, a sum of products or a convolution, can be that of `made`, which has formulas of
    its results besides: sums are then the same."""
    if isinstance(request, kinds.Nest):
        return request.compute in ("float32", "float64") and as_rows(request) is None
    if request.template != "contraction" or request.options["sizes"][-1] > 1 and depthwise.when(request):
        return False
    turned = [convolution.pointwise(r.options["plain"], r.function) is None for r in (request, made)
              ] if convolution.is_pointwise(request) else [True, True]
    return request.options["plain"].compute in ("float32", "float64") and turned[0] == turned[1]


def moves(request, made):
    """Whether attention with operands and results in other orders is the same kernel otherwise."""
    return attention.is_even(request) == attention.is_even(made) and all(
        x.strides[-1] == 1 or x.shape[-1] == 1 for x in (*made.inputs, *made.outputs) if x.ndim == 4)


def turns(request):
    """Whether an `Elementwise` request is better left alone: shared memory turns whatever reads across (turned.py)."""
    return False


__all__ = ["ALIGNMENT", "COSTLY", "finishes", "form", "keeps_elements", "mixes", "moves", "takes_steps",
           "turns", "walk", "walked"]
