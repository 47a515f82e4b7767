"""Kernels whose input elementwise formulas give: before each chunk of units, the part of the input that they read.

The reverse of convolution_finish and bands: the formula writes into a buffer that stays in a cache, the kernel reads it
there, and the input is never stored. An input has images, channels and positions; a unit reads parts of it, and
neighbouring units make a chunk. What two chunks read is made twice. Formulas and kernels are called by their addresses,
as they run alone: results have the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ..expr import kinds
from ..layout import Layout
from . import elementwise, entry, geometry, slots
from .irwriter import Module

CHUNK_BYTES = 1 << 20  # of the input of a chunk of a convolution: with 256 KB, whose rows are short, 0.95
MOST_BYTES = 4 << 20  # of a buffer
EVEN = 1.15  # of the work of a thread that may have more than others
MARGIN = 256  # bytes that vectors may reach beyond what they need
META = "kernel kernel_meta formula chunks regions slot_bytes".split()
CHUNK = "first stop region last shift".split()
REGION = "image channel channels first count to".split()

Part = tuple[int, int, int, int]  # first channel, the one after the last, first position, the one after the last


@dataclass
class Chunk:
    """Units [first, stop), and the parts of images that they read."""

    first: int
    stop: int
    parts: dict[int, Part]

    def joined(self, parts: dict[int, Part], channels: int) -> dict[int, Part] | None:
        """The parts with others; None where what lies between them in memory is none of them."""
        made = {**self.parts, **parts}
        for image in self.parts.keys() & parts.keys():
            (low, high, start, stop), other = self.parts[image], parts[image]
            if other[:2] != (low, high):
                return None
            made[image] = low, high, min(start, other[2]), max(stop, other[3])
        return made if len(made) == 1 or all(part[:2] == (0, channels) for part in made.values()) else None


def _elements(part: Part) -> int:
    low, high, start, stop = part
    return (high - low) * (stop - start)


def chunks(units: int, read: Callable[[int], Iterable[tuple[int, Part]]], channels: int, most: int) -> list[Chunk]:
    """Neighbouring units that read at most so many elements, or the same; none where a unit reads what does not lie
    together. read(unit): [(image, part of it)]."""
    found: list[Chunk] = []
    for unit in range(units):
        own = Chunk(unit, unit + 1, {})
        for image, part in read(unit):
            parts = own.joined({image: part}, channels)
            if parts is None:
                return []
            own.parts = parts
        both = found[-1].joined(own.parts, channels) if found else None
        if both is not None and (both == found[-1].parts or sum(map(_elements, both.values())) <= most):
            found[-1].parts, found[-1].stop = both, unit + 1
        else:
            found.append(own)
    return found


class Begun:
    """A kernel with the formula of its input: run(the pointers of the one without the input's, operands of the other).

    steps: of each operand of the formula, in elements from image to image, channel to channel, position to position (0
    or 1). room: the first two in the buffers. place: where the kernel has the pointer of its input.
    """

    def __init__(self, kernel: Any, meta: int, place: int, request: kinds.Elementwise, steps: Sequence[tuple[int, ...]],
                 room: tuple[int, int], found: list[Chunk]) -> None:
        out, (image_step, channel_step) = request.outputs[0], room
        size, self.slot_bytes = out.dtype.itemsize, 0
        table: list[tuple[int, ...]] = []
        regions: list[tuple[int, ...]] = []
        for chunk in found:
            parts = sorted(chunk.parts.items())
            image, (low, _, start, _) = parts[0]
            # Parts of several images are whole channels: buffers then begin with the first of them.
            shift = (image * image_step + low * channel_step + (start if len(parts) == 1 else 0)) * size
            begin = len(regions)
            for image, (low, high, start, stop) in parts:
                to = (image * image_step + low * channel_step + start) * size - shift
                regions.append((image, low, high - low, start, stop - start, to + MARGIN))
                self.slot_bytes = max(self.slot_bytes, to + ((high - low - 1) * channel_step + stop - start) * size)
            table.append((chunk.first, chunk.stop, begin, len(regions), shift - MARGIN))
        self.slot_bytes = -(-(self.slot_bytes + 2 * MARGIN) // 64) * 64
        self.units = len(found)
        room_bytes = slots.count(self.units) * self.slot_bytes
        self.fits = bool(found) and self.slot_bytes <= MOST_BYTES and room_bytes <= out.nbytes
        if not self.fits:
            return
        layouts = [*(o.layout for o in request.operands if isinstance(o.layout, Layout)), out]
        steps = [*steps, (0, channel_step, 1)]
        formula = elementwise.nest(request, "".join(str(inner) for *_, inner in steps), 2)
        numbers = [n for own, (image, channel, inner) in zip(layouts, steps, strict=True)
                   for n in (*(step * own.dtype.itemsize for step in (image, channel, inner)), channel)]
        first, second = kernel.__self__, formula.__self__
        tables = np.array(table, np.int64), np.array(regions, np.int64)
        self.kernel = _kernel(first.signature[:-1], second.signature[:-2], place)
        block, self.meta = geometry.block(first.address, meta, second.address, *(t.ctypes.data for t in tables),
                                          self.slot_bytes, *numbers)
        self.keep = (kernel, formula, tables, block)

    def buffers(self) -> object:
        """A block of buffers: its address takes the place of the input's."""
        return slots.made(slots.count(self.units), self.slot_bytes)


@cache
def _kernel(first: tuple[str, ...], second: tuple[str, ...], place: int) -> Callable[..., None]:
    """(the pointers of a kernel, the operands of a formula, meta, start, stop): calls the formula, then the kernel, for
    chunk after chunk. At `place` is a block of buffers (slots.py)."""
    from .compile import compile_ir

    module = Module()
    types = [entry.llvm_type(text) for text in (*first, *second)]
    names = "_".join(text.replace("*", "s") for text in (*second, "before", str(place), *first))
    f = module.function(
        name := f"begun_{names}",
        [(f"a{k}", kind) for k, kind in enumerate(types)] + [("meta", "ptr"), ("start", "i64"), ("stop", "i64")],
        internal=False,
    )
    *given, meta, start, stop = f.parameters
    pointers, operands = given[: len(first)], given[len(first) :]
    p = {n: f.load("i64" if n == "slot_bytes" else "ptr", f.offset(meta, 8 * k), 8) for k, n in enumerate(META)}
    # The formula's own block: its rows are channels, their length is the region's.
    block = f.stack(16 * (2 + sum(operand.type == "ptr" for operand in operands)))
    steps: list[list[Any]] = []
    at, row_at = 8 * len(META), 16
    for kind in [*(operand.type for operand in operands), "ptr"]:
        steps.append([])
        if kind == "ptr":
            *steps[-1], row = (f.load("i64", f.offset(meta, at + 8 * k), 8) for k in range(4))
            f.store(row, f.offset(block, row_at), 8)
            at, row_at = at + 32, row_at + 16
    work = pointers[place]
    count = f.load("i64", work, 8)
    slot = f.emit("i64", f"call i64 @claim(ptr {f.offset(work, 64).text}, i64 {count.text})")
    own = f.offset(work, (count + 1) * 64 + slot * p["slot_bytes"])
    with f.loop(start, stop) as chunks:
        here = f.offset(p["chunks"], chunks.index * (8 * len(CHUNK)))
        c = {n: f.load("i64", f.offset(here, 8 * k), 8) for k, n in enumerate(CHUNK)}
        with f.loop(c["region"], c["last"]) as regions:
            there = f.offset(p["regions"], regions.index * (8 * len(REGION)))
            r = {n: f.load("i64", f.offset(there, 8 * k), 8) for k, n in enumerate(REGION)}
            f.store(r["count"], f.offset(block, 8), 8)
            moved: list[Any] = []
            for operand, each in zip(operands, steps, strict=False):
                for step, label in zip(each, ("image", "channel", "first"), strict=False):
                    operand = f.offset(operand, step * r[label])
                moved.append(operand)
            f.call_at(p["formula"], [*moved, f.offset(own, r["to"]), block, f.value(0), r["channels"]])
        pointers[place] = f.offset(own, f.value(0) - c["shift"])
        f.call_at(p["kernel"], [*pointers, p["kernel_meta"], c["first"], c["stop"]])
    f.line(f"store atomic i64 0, ptr {f.offset(work, (slot + 1) * 64).text} release, align 8")
    return compile_ir(name, module.text() + slots.CLAIM, (*first, *second, "int64*"))


__all__ = ["CHUNK_BYTES", "EVEN", "Begun", "Part", "chunks"]
