"""Convolutions with elementwise formulas on what they give: after each chunk of units, on the parts it has written.

So the formulas find the convolution's results in the core's own cache, and there is one region instead of two. One
mechanism for all templates: each says which channels and positions a unit writes (`Launch.regions`), and a kernel of
its own calls the convolution's and then the formula's, a nest of channels and positions. Both have the bits of running
alone.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from math import prod
from typing import Any

import numpy as np

from ..expr import kinds
from ..expr.tree import order
from ..layout import Layout, broadcast_strides, contiguous_strides
from . import elementwise, entry, rows
from .convolution import ForwardPlan, InputGradientPlan
from .convolution_geometry import Launch, Region
from .convolution_winograd import WinogradLaunch
from .irwriter import Module

MOST_REGIONS = 1 << 16  # of a table: 3 MB
META = "convolution convolution_meta formula spans table area dense".split()
REGION = "image channel channels first count".split()


def convolution(launch: Any) -> ForwardPlan | InputGradientPlan | None:
    """The plan of a launch that is a convolution, or the gradient of its input, whose units write whole results."""
    made, *copies = launch.keep if isinstance(launch.keep, tuple) and len(launch.keep) == 3 else (None,)
    if not isinstance(made, (ForwardPlan, InputGradientPlan)) or any(copies):
        return None
    last = _last(made)
    launches = [multiply for _, multiply in last.parts] if isinstance(last, WinogradLaunch) else [last]
    fits = all(isinstance(one, Launch) and one.regions is not None and one.units <= MOST_REGIONS and isinstance(
        getattr(one.kernel, "__self__", None), entry.Kernel) for one in launches)
    return made if fits and launches else None


def _last(made: ForwardPlan | InputGradientPlan) -> Any:
    """The only Launch or WinogradLaunch that writes the result; None where there are more."""
    if isinstance(made, ForwardPlan):
        return made.launch
    if made.product is not None:
        return made.product
    if made.compact is not None:
        return None
    if made.depthwise is not None or made.fold is not None or made.cleared is not None:
        return made.depthwise
    return made.phases[0][0] if len(made.phases) == 1 else None


def when(made: ForwardPlan | InputGradientPlan, request: kinds.Elementwise) -> bool:
    """Whether formulas walk results (images, channels, *sizes) as they lie, and their operands by rows of positions.

    Formulas of little work, which wait for memory: batch norm and relu are 1.02 to 1.33 times as fast as after the
    convolution where results are large, and no slower where they are small; a residual 0.98 to 1.3. With exponentials
    (silu: 0.9 to 1.05) nothing is gained, nor where numbers are rounded to half the width (0.97).
    """
    narrow = any(isinstance(o, Layout) and o.dtype.is_floating_point and o.dtype.itemsize < 4
                 for o in [*(o.layout for o in request.operands), *request.outputs])
    if narrow or any(n.op in rows._CALLS and n.op != "cast" for n in order(*request.roots)):
        return False
    g = made.geometry
    channels, sizes = (g.o, g.result) if isinstance(made, ForwardPlan) else (g.c, g.size)
    shape = request.shape
    if len(shape) < 3 or shape[:2] != (g.n, channels) or prod(shape[2:]) != prod(sizes) or not prod(shape):
        return False
    tensors = [o.layout for o in request.operands if isinstance(o.layout, Layout)]
    return all(o.is_contiguous and o.shape == shape for o in request.outputs) and None not in [
        strides(own, shape) for own in tensors]


def strides(own: Layout, shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """Steps in elements from image to image, channel to channel, position to position, 0 or 1; None for others."""
    image, channel, *inner = broadcast_strides(own.shape, own.strides, shape)
    sizes = shape[2:]
    dense = contiguous_strides(sizes)
    if all(s == 0 or n == 1 for n, s in zip(sizes, inner, strict=True)):
        return image, channel, 0
    if all(s == d or n == 1 for n, s, d in zip(sizes, inner, dense, strict=True)):
        return image, channel, 1
    return None


def plan(made: ForwardPlan | InputGradientPlan, launch: Any, request: kinds.Elementwise) -> kinds.Launch:
    """The Launch of a convolution and, on its result, a request: (pointers of the one, of the other, ...)."""
    shape, area = request.shape, prod(request.shape[2:])
    layouts = [o.layout for o in request.operands if isinstance(o.layout, Layout)] + list(request.outputs)
    steps = [strides(own, shape) or (0, 0, 0) for own in layouts]  # `when` has seen that there are none without
    formula = elementwise.nest(request, "".join(str(step) for *_, step in steps), 2)
    dense = int(all(step == (shape[1] * area, area, 1) or step == (0, 0, 0) for step in steps))
    sizes = [n for own, own_steps in zip(layouts, steps, strict=True)
             for n in (*(step * own.dtype.itemsize for step in own_steps), own_steps[1])]

    def with_formula(one: Launch) -> Launch:
        return _with_formula(one, formula, [area, dense, *sizes])
    finished, changed = copy.copy(made), copy.copy(_last(made))
    if isinstance(changed, WinogradLaunch):
        changed.parts = [(transform, with_formula(multiply)) for transform, multiply in changed.parts]
    else:
        changed = with_formula(changed)
    if isinstance(finished, ForwardPlan):
        finished.launch = changed
        return kinds.Launch(_forward(finished), 0, 1, 1, (finished, launch))
    if finished.product is not None:
        finished.product = changed
    elif finished.depthwise is not None:
        finished.depthwise = changed
    else:
        finished.phases = [(changed, *finished.phases[0][1:])]
    return kinds.Launch(_input_gradient(finished), 0, 1, 1, (finished, launch))


def _forward(made: ForwardPlan) -> Callable[..., None]:
    return lambda x, w, b, y, *rest: made.run(x, w, b, y, *rest[:-3])


def _input_gradient(made: InputGradientPlan) -> Callable[..., None]:
    return lambda gy, w, gx, *rest: made.run(gy, w, gx, *rest[:-3])


def _with_formula(one: Any, formula: Any, numbers: list[int]) -> Launch:
    """The kernel of a convolution and then, on each region of its units, of a formula."""
    first, second = (kernel.__self__ for kernel in (one.kernel, formula))
    spans: list[int] = [0]
    table: list[Region] = []
    for unit in range(one.units):
        table += one.regions(unit)
        spans.append(len(table))
    kept = np.array(spans, np.int64), np.array(table, np.int64)
    meta = [first.address, one.address, second.address, *(a.ctypes.data for a in kept), *numbers]
    kernel = _kernel(first.signature[:-1], second.signature[:-1])
    return Launch(kernel, meta, one.units, one.grain, regions=one.regions, keep=(one, formula, kept))


@cache
def _kernel(first: tuple[str, ...], second: tuple[str, ...]) -> Callable[..., None]:
    """(the pointers of a convolution, the operands of a formula, meta, start, stop): calls both.

    The formula's own block is made here: its rows are channels, their length is the region's; where all operands lie
    as the result does, whole planes are one row.
    """
    from .compile import compile_ir

    module = Module()
    types = [entry.llvm_type(text) for text in (*first, *second)]
    names = "_".join(text.replace("*", "s") for text in (*first, "then", *second))
    f = module.function(
        name := f"convolution_{names}",
        [(f"a{k}", kind) for k, kind in enumerate(types)] + [("meta", "ptr"), ("start", "i64"), ("stop", "i64")],
        internal=False,
    )
    *given, meta, start, stop = f.parameters
    pointers, operands = given[: len(first)], given[len(first) :]
    numbers = ("area", "dense")
    p = {n: f.load("i64" if n in numbers else "ptr", f.offset(meta, 8 * k), 8) for k, n in enumerate(META)}
    at = 8 * len(META)
    steps: list[list[Any]] = []
    block = f.stack(16 * (1 + sum(operand.type == "ptr" for operand in operands)))
    for operand in operands:
        steps.append([])
        if operand.type == "ptr":
            *steps[-1], row = (f.load("i64", f.offset(meta, at + 8 * k), 8) for k in range(4))
            f.store(row, f.offset(block, 16 + (at - 8 * len(META)) // 2), 8)
            at += 32
    f.call_at(p["convolution"], [*pointers, p["convolution_meta"], start, stop])
    begin, end = (f.load("i64", f.offset(p["spans"], unit * 8), 8) for unit in (start, stop))
    with f.loop(begin, end) as regions:
        place = f.offset(p["table"], regions.index * (8 * len(REGION)))
        r = {n: f.load("i64", f.offset(place, 8 * k), 8) for k, n in enumerate(REGION)}
        whole = f.select(r["count"].equals(p["area"]), p["dense"], 0).differs(0)
        f.store(f.select(whole, r["count"] * r["channels"], r["count"]), f.offset(block, 8), 8)
        moved: list[Any] = []
        for operand, each in zip(operands, steps, strict=True):
            for step, label in zip(each, ("image", "channel", "first"), strict=False):
                operand = f.offset(operand, step * r[label])
            moved.append(operand)
        f.call_at(p["formula"], [*moved, block, f.value(0), f.select(whole, 1, r["channels"])])
    return compile_ir(name, module.text(), (*first, *second, "int64*"))


__all__ = ["convolution", "plan", "strides", "when"]
