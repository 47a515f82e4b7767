"""Convolutions and their gradients as products: nests whose indices are put so that tiles take them (contraction.py).

Groups become a batch of products. Windows of one element over contiguous images are plain products of matrices. One
channel a group shares nothing within a tile: depthwise.py has these.
"""

from dataclasses import replace
from math import prod

from ..expr.tree import Expr, arg
from ..layout import layout
from . import contraction, depthwise, nest


def plan(request):
    """The Launch of a convolution, or of one of its gradients."""
    made = request.options["plain"]
    *_, channels, windows, stride, padding, _, groups = request.options["sizes"]
    weights = request.function == "convolution_weight_gradient"
    if groups > 1 and depthwise.when(request):
        return depthwise.plan(request)
    if groups > 1:
        index = "c" if request.function == "convolution_input_gradient" else "o"
        made = grouped(made, index, groups)
        if groups == channels == request.options["sizes"][1] and not weights:
            return nest.plan(request.options["plain"])
    elif set(windows) | set(stride) == {1} and not any(padding):
        made = pointwise(made, request.function) or made
    return contraction.plan(made)


def grouped(request, index, groups):
    """A nest whose index is taken apart into that of a group, "g", and one within it."""
    each = request.extents[index] // groups
    group, own = arg("g"), arg(index)

    def put(e):
        if not isinstance(e, Expr) or e.op == "const":
            return e
        if e is own:
            return group * each + own if each > 1 else group
        if e.op in ("floordiv", "mod") and e.args[0] is own:
            return group if e.op == "floordiv" else own
        return Expr(e.op, *map(put, e.args)) if e.op != "arg" else e
    free = tuple(name for i in request.free for name in (("g", i) if i == index else (i,)))
    return replace(request, element=put(request.element), finish=put(request.finish), free=free,
                   extents={**request.extents, index: each, "g": groups})


def pointwise(request, function):
    """The nest of a convolution by windows of one element, its spatial indices one; None where images are no rows."""
    def flat(name, is_image, *names):
        """(layout, load) of a contiguous array whose dimensions behind the second are one, or none in a weight."""
        own = request.arrays[name]
        shape = (*own.shape[:2], prod(own.shape[2:]))[: 3 if is_image else 2]
        names = (*names, "s") if is_image else names
        return layout(own.dtype, shape, None, own.device), Expr("load", name, *map(arg, names))
    extents = {**{n: request.extents[n] for n in "nco"}, "s": prod(
        size for name, size in request.extents.items() if name in "hwz")}
    image, other = {"convolution_forward": (("input", 1, "n", "c"), ("weight", 0, "o", "c")),
                    "convolution_input_gradient": (("gradient", 1, "n", "o"), ("weight", 0, "o", "c")),
                    "convolution_weight_gradient": (("input", 1, "n", "c"), ("gradient", 1, "n", "o"))}[function]
    if not (request.arrays[image[0]].is_contiguous and request.arrays[other[0]].is_contiguous):
        return None
    first, second = flat(*image), flat(*other)
    free = {"convolution_forward": ("n", "o", "s"), "convolution_input_gradient": ("n", "c", "s")}.get(
        function, ("o", "c"))
    arrays = {**request.arrays, image[0]: first[0], other[0]: second[0]}
    return replace(request, element=first[1] * second[1], free=free, extents=extents, arrays=arrays,
                   summed=tuple(n for n in ("n", "o", "c", "s") if n not in free))
