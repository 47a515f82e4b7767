"""Convolutions of what elementwise formulas give (begin.py): which parts of the input a unit reads.

That follows from the parts of the result that it writes (`Launch.regions`), so one mechanism serves all templates.
Chunks are whole images where there are enough for all threads: then memory is read in order, which is 1.08 times as
fast as half images.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from math import prod
from typing import Any

from ..expr import kinds
from ..layout import Layout
from . import begin, convolution_finish, entry
from .convolution import ForwardPlan, by_columns
from .convolution_geometry import Geometry, Launch, Region, grain
from .convolution_winograd import WinogradLaunch
from .gemm import balanced
from .memory import address
from .microkernel import host_target
from .threads import get_num_threads

LEAST_BYTES = 2 << 20  # of an input: less is in a cache anyway (1.0 to 1.02)


def taken(step: Any) -> ForwardPlan | None:
    """The plan of a step that is a convolution, of an input that lies as its kernel reads it."""
    made, *copies = step.keep if isinstance(step.keep, tuple) and len(step.keep) == 3 else (None,)
    if not isinstance(made, ForwardPlan) or any(copies) or made.rows or made.padding is not None:
        return None
    one = _launch(made)
    fits = isinstance(one, Launch) and one.regions is not None and one.units <= convolution_finish.MOST_REGIONS
    return made if fits and isinstance(getattr(one.kernel, "__self__", None), entry.Kernel) else None


def _launch(made: ForwardPlan) -> Any:
    """The launch that reads the input; None where that is not one kernel of whole units."""
    if not isinstance(made.launch, WinogradLaunch):
        return made.launch
    transform, multiply = made.launch.parts[0]
    return multiply if transform is None else None


def when(made: ForwardPlan, request: kinds.Elementwise) -> bool:
    """Whether a formula gives the input of a convolution (images, channels, *sizes) by rows of positions.

    One core, CPU time: batch norm and relu, a residual, silu and a convolution of more than 2 MB are 1.02 to 1.12 times
    as fast as one after the other, depthwise 1.3.
    """
    g, shape, out = made.geometry, request.shape, request.outputs[0]
    if len(request.outputs) != 1 or len(shape) < 3 or shape[:2] != (g.n, g.c) or prod(shape[2:]) != prod(g.size):
        return False
    if out.nbytes < LEAST_BYTES or not out.is_contiguous or out.shape != shape or out.dtype.name != g.dtype:
        return False
    tensors = [o.layout for o in request.operands if isinstance(o.layout, Layout)]
    return None not in [convolution_finish.strides(own, shape) for own in tensors]


def _read(g: Geometry, region: Region) -> tuple[int, begin.Part]:
    """(image, the channels and positions of the input that a region of the result needs)."""
    image, channel, channels, first, count = region
    per_group, own = g.o // g.groups, g.c // g.groups
    low, high = channel // per_group * own, ((channel + channels - 1) // per_group + 1) * own
    if g.is_pointwise:
        return image, (low, high, first, first + count)
    (depth, height, width), columns = g.size, g.result[2]
    if depth > 1:
        return image, (low, high, 0, prod(g.size))
    reach = (g.kernel[1] - 1) * g.dilation[1] + 1
    top = first // columns * g.stride[1] - g.padding[1]
    bottom = (first + count - 1) // columns * g.stride[1] - g.padding[1] + reach
    top, bottom = max(0, min(top, height)), max(0, min(bottom, height))
    return image, (low, high, top * width, max(top, bottom) * width)


def _most(nbytes: int, images: int) -> int:
    """Bytes of the input of a chunk: of whole images, or less where there are too few for all threads."""
    threads, most = get_num_threads(), min(max(begin.CHUNK_BYTES, nbytes // images), nbytes // 4)
    chunks = -(-nbytes // most)
    return most if -(-chunks // threads) * threads <= begin.EVEN * chunks else nbytes // (4 * threads)


def plan(made: ForwardPlan, step: Any, request: kinds.Elementwise, after: Any, keep: Any) -> kinds.Launch | None:
    """The Launch of a request and, on what it gives, a convolution: (its pointers but the input's, those of the
    request's operands, ...); None where parts of the input are too large or too few.

    step: of the convolution, and of the request `after` it, if that is not None.
    """
    g, out = made.geometry, request.outputs[0]
    size, most = out.dtype.itemsize, _most(out.nbytes, g.n)
    room = g.c * prod(g.size), prod(g.size)
    product = made.launch
    if made.pointwise and isinstance(product, Launch):  # units of all channels, each of them alone in its buffer
        panel, made = host_target(g.dtype).panel, copy.copy(made)
        columns = -(-balanced(room[1], max(panel, most // (g.c * size))) // panel) * panel
        made.launch = by_columns(product, g.n, columns, size)
        most, room = 0, (0, columns)
    if after is not None:
        made = convolution_finish.plan(made, keep, after).keep[0]
    one = _launch(made)
    found = begin.chunks(one.units, lambda unit: [_read(g, region) for region in one.regions(unit)], g.c, most // size)
    tensors = [o.layout for o in request.operands if isinstance(o.layout, Layout)]
    steps = [convolution_finish.strides(own, request.shape) or (0, 0, 0) for own in tensors]
    begun = begin.Begun(one.kernel, one.address, int(made.pointwise), request, steps, room, found)
    if not begun.fits:
        return None
    changed = Launch(begun.kernel, [], begun.units, grain(begun.units, g.flops), keep=(one, begun))
    changed.address = begun.meta
    made = copy.copy(made)
    if isinstance(made.launch, WinogradLaunch):
        made.launch = copy.copy(made.launch)
        made.launch.parts = [(None, changed)]
    else:
        made.launch = changed
    return kinds.Launch(_forward(made, begun), 0, 1, 1, (made, begun, keep))


def _forward(made: ForwardPlan, begun: begin.Begun) -> Callable[..., None]:
    def run(w: int, b: int, y: int, *rest: Any) -> None:
        block = begun.buffers()
        made.run(address(block), w, b, y, *rest[:-3])
    return run


__all__ = ["plan", "taken", "when"]
