"""Convolutions and their gradients as products: nests whose indices are put so that tiles take them (contraction.py).

Groups become a batch of products. Windows of one element over contiguous images are plain products of matrices. One
channel a group shares nothing within a tile: depthwise.py has these. Large ones on sm_90a are turned so that channels
are neighbours, which products by groups of warps want (wide_gemm.py).
"""

from dataclasses import replace
from math import prod

from ..expr.kinds import Elementwise, Launch, Operand
from ..expr.tree import Expr, arg, order, rebuild
from ..layout import layout, view_strides
from . import backend, contraction, depthwise, elementwise, nest, wide_gemm


def plan(request):
    """The Launch of a convolution, or of one of its gradients."""
    made = request.options["plain"]
    *_, channels, _, _, _, _, groups = request.options["sizes"]
    weights = request.function == "convolution_weight_gradient"
    if groups > 1 and depthwise.when(request):
        return depthwise.plan(request)
    if groups > 1:
        index = "c" if request.function == "convolution_input_gradient" else "o"
        made = grouped(made, index, groups)
        if groups == channels == request.options["sizes"][1] and not weights:
            return nest.plan(request.options["plain"])
    elif is_pointwise(request):
        made = pointwise(made, request.function) or made
    return wide(made) or contraction.plan(made)


def is_pointwise(request):
    """Whether windows have one element, and images no border."""
    *_, windows, stride, padding, _, groups = request.options["sizes"]
    return groups == 1 and set(windows) | set(stride) == {1} and not any(padding)


def wide(request):
    """The Launch of a nest by groups of warps, channels made neighbours in its arrays; None where that does not pay."""
    device = request.outputs[0].device
    if not wide_gemm.here(device) or _taken(request):
        return None
    factors = {load.args[0] for load in request.element.args}
    arrays = {name: _channels_last(x) if x.ndim > 2 and name in factors else x for name, x in request.arrays.items()}
    turned = [name for name, x in arrays.items() if x is not request.arrays[name]]
    made = replace(request, arrays=arrays)
    if not turned or not _taken(made):
        return None
    run, turns, names = contraction.plan(made).kernel, [], list(arrays)
    for name in turned:
        x, out = request.arrays[name], arrays[name]
        copy = Elementwise("turned", (arg("x"),), [Operand("x", x, x.dtype.compute)], [out], x.shape, x.dtype.compute)
        turns.append((names.index(name), x.nbytes, elementwise.plan(copy).kernel))
    runtime = backend.on(device.index)

    def turning(*given):
        given, kept = list(given), []
        for place, nbytes, turn in turns:
            work = runtime.allocate(nbytes)
            turn(given[place], work.address, *given[-3:])
            given[place] = work.address
            kept.append(work)
        run(*given)
    turning.within = (*(turn for *_, turn in turns), run)
    return Launch(turning, 0, 1, 1)


def _taken(request):
    found = contraction.roles(request)
    kind = contraction.kind_of(next(iter(request.arrays.values())))
    return found is not None and wide_gemm.kernels(request, found, kind) is not None


def _channels_last(x):
    """A contiguous layout (n, channels, ...) with channels as neighbours; others as they are."""
    if not x.is_contiguous or prod(x.shape[2:]) == 1:
        return x
    strides = layout(x.dtype, (x.shape[0], *x.shape[2:], x.shape[1]), None, x.device).strides
    return layout(x.dtype, x.shape, (strides[0], 1, *strides[1:-1]), x.device)


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
                   also=tuple(map(put, request.also)),
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
    ends = [root for root in (request.finish, *request.also) if root is not None]
    results = {}
    for e in (e for e in order(*ends) if e.op == "load" and len(e.args) > 3):
        own = request.arrays[e.args[0]]  # of a result's shape
        steps = view_strides(own.shape[2:], own.strides[2:], (extents["s"],))
        if steps is None:
            return None
        results[e] = e.args[0], layout(own.dtype, (*own.shape[:2], extents["s"]), (*own.strides[:2], *steps),
                                       own.device)
    finish, *also = rebuild(ends, lambda n, args: Expr("load", *n.args[:3], arg("s")) if n in results else
                            Expr(n.op, *args)) or (None,)
    free = {"convolution_forward": ("n", "o", "s"), "convolution_input_gradient": ("n", "c", "s")}.get(
        function, ("o", "c"))
    arrays = {**request.arrays, image[0]: first[0], other[0]: second[0], **dict(results.values())}
    return replace(request, element=first[1] * second[1], free=free, extents=extents, arrays=arrays, finish=finish,
                   also=tuple(also),
                   summed=tuple(n for n in ("n", "o", "c", "s") if n not in free))
