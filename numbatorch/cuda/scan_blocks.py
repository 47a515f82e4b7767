"""Template of running combinations along long rows: a block for each row, or for each piece of a row.

A block goes along its row in tiles of BLOCK elements, which it combines in shared memory in a fixed tree, and carries
what came before. Few rows are cut into pieces, by three kernels: totals of the pieces, what is before each piece, and
the elements. It is one pass over memory more than a look-back at the neighbours' totals would take, but nothing depends
on which block is first, so float sums have the same bits in every run, and no block waits for another.
"""

import math

import numpy as np

from ..expr import write
from ..expr.kinds import Launch
from . import backend, geometry
from .launching import call, launch

BLOCK = 256
PIECE = 8192  # elements of a piece: 32 tiles
LONG = 128  # elements from which a row gets a block
FEW = 512  # rows up to which rows are cut: more keep a GPU busy by themselves
MANY = 4096  # rows from which a thread each reads neighbours together where rows lie across memory


def when(request, rows, units, length):
    """Whether this template applies to a scan over `units` rows; rows: strides of each operand."""
    if request.kind not in ("sum", "prod", "max", "min") or length < LONG or not units:
        return False
    return abs(rows[0][request.dim]) == 1 or units < MANY


class Combine:
    """How totals are kept, begun and joined. Of maxima a place goes with each, behind the values in shared memory."""

    def __init__(self, kind, wide):
        self.kind, self.wide, self.has_place = kind, wide, kind in ("max", "min")

    def start(self):
        """Text of the total of nothing."""
        if self.wide == "uint8":
            return f"uint8({int(self.kind in ('prod', 'min'))})"
        if not self.has_place:
            return write.literal(int(self.kind == "prod"), self.wide)
        if self.wide.startswith("float"):
            return write.literal(-math.inf if self.kind == "max" else math.inf, self.wide)
        info = np.iinfo(self.wide)
        return write.literal(int(info.min if self.kind == "max" else info.max), self.wide)

    def joined(self, pad, before, own, to):
        """Lines that set the total `to` (and its place) to that of `before`, then `own`. Names of places end in _at."""
        if not self.has_place:
            return [f"{pad}{to} = {self.wide}({before} {'+' if self.kind == 'sum' else '*'} {own})"]
        test = f"{own} {'>=' if self.kind == 'max' else '<='} {before}"
        if self.wide.startswith("float"):
            test = f"({own} != {own}) or ({before} == {before} and {test})"
        return [f"{pad}if {test}:", f"{pad}    {to}_at = {own}_at", f"{pad}    {to} = {own}", f"{pad}else:",
                f"{pad}    {to}_at = {before}_at", f"{pad}    {to} = {before}"]

    def tiles(self, read, stores, exclusive=False):
        """Lines of a walk over [first, last): read(name) gives lines for element j, `stores` keep `total` of j."""
        pad, deep, inner = " " * 4, " " * 8, " " * 12
        place = self.has_place
        lines = [f"{pad}base = first", f"{pad}while base < last:", f"{deep}j = base + thread",
                 f"{deep}value = {self.start()}", *[f"{deep}value_at = int64(0)"] * place, f"{deep}if j < last:",
                 *(f"{inner}{line}" for line in read), f"{deep}store[thread] = value",
                 *[f"{deep}places[thread + 512] = value_at"] * place, f"{deep}barrier()", f"{deep}reach = int64(1)",
                 f"{deep}while reach < {BLOCK}:",
                 f"{inner}before = store[thread - reach] if thread >= reach else {self.start()}",
                 *[f"{inner}before_at = places[thread - reach + 512] if thread >= reach else int64(0)"] * place,
                 f"{inner}own = store[thread]", *[f"{inner}own_at = places[thread + 512]"] * place,
                 f"{inner}barrier()", f"{inner}if thread >= reach:",
                 *self.joined(inner + "    ", "before", "own", "own"),
                 f"{inner}store[thread] = own", *[f"{inner}places[thread + 512] = own_at"] * place,
                 f"{inner}barrier()", f"{inner}reach = reach << 1"]
        if exclusive:
            lines += [f"{deep}own = store[thread - 1] if thread > 0 else {self.start()}",
                      *[f"{deep}own_at = places[thread + 511] if thread > 0 else int64(0)"] * place]
        else:
            lines += [f"{deep}own = store[thread]", *[f"{deep}own_at = places[thread + 512]"] * place]
        lines += [*self.joined(deep, "carry", "own", "total"), f"{deep}if j < last:",
                  *(f"{inner}{line}" for line in stores), f"{deep}whole = store[{BLOCK - 1}]",
                  *[f"{deep}whole_at = places[{BLOCK - 1} + 512]"] * place,
                  *self.joined(deep, "carry", "whole", "carry"),
                  f"{deep}barrier()", f"{deep}base = base + {BLOCK}"]
        return lines

    def head(self):
        """Lines that begin a walk."""
        shared = "int8" if self.wide == "bool" else self.wide
        return [f"    store = shared_{shared}()", *["    places = shared_int64()"] * self.has_place,
                "    thread = thread_index()", f"    carry = {self.start()}",
                *["    carry_at = int64(0)"] * self.has_place]


def plan(request, names, layouts, decoded, numbers, units, length, read, wide):
    """The Launch of a scan. decoded: lines from `row` to the operands' places; read: text of x at j in `wide`."""
    combine, device = Combine(request.kind, wide), request.outputs[0].device
    pieces = -(-length // PIECE) if units <= FEW and length >= 2 * PIECE else 1
    place = combine.has_place
    label = f"cum{request.kind}_{request.compute}_{layouts['x'].dtype.name}_blocks{'_reverse' * request.reverse}"
    take = [f"value = {read}", *["value_at = j"] * place]
    put = [f"out[at_out + j * step_out] = {write.store('total', wide, layouts['out'].dtype.name)}",
           *["index[at_index + j * step_index] = total_at"] * place]
    arrays = [f"{write.storage(layouts[n].dtype.name)}*" for n in names]
    units *= pieces
    unit = ["    unit = block_index()", "    row = unit // pieces", "    first = (unit - row * pieces) * piece",
            "    last = min(first + piece, length)"]
    numbers = _copied(numbers, pieces=pieces, piece=PIECE if pieces > 1 else length)
    found = ["earlier", *["earlier_places"] * place] if pieces > 1 else []
    carried = ["    carry = earlier[unit]", *["    carry_at = earlier_places[unit]"] * place] if pieces > 1 else []
    text = "\n".join([f"def {label}{'_pieces' * (pieces > 1)}({', '.join([*names, *found, *numbers.names])}):", *unit,
                      *decoded, *combine.head(), *carried, *combine.tiles(take, put)]) + "\n"
    kept = [f"{'uint8' if wide == 'uint8' else wide}*", *["int64*"] * place]
    signature = (*arrays, *kept[: len(found)], *numbers.types)
    name = f"{label}{'_pieces' * (pieces > 1)}"
    if pieces == 1:
        return launch(name, text, signature, device, numbers.values, units, BLOCK, units)
    last = call(name, text, signature, device, numbers.values, units, BLOCK)
    total = ["totals", *["total_places"] * place]
    name = f"{label}_totals"
    text = "\n".join([f"def {name}({', '.join(['x', *total, *numbers.names])}):", *unit, *decoded, *combine.head(),
                      *combine.tiles(take, ["pass"]), "    if thread == 0:", "        totals[unit] = carry",
                      *["        total_places[unit] = carry_at"] * place]) + "\n"
    first = call(name, text, (arrays[0], *kept, *numbers.types), device, numbers.values, units, BLOCK)
    name = f"cum{request.kind}_{wide}_before"
    text = "\n".join([
        f"def {name}({', '.join([*total, *found, 'pieces'])}):", "    first = block_index() * pieces",
        "    last = first + pieces", *combine.head(), *combine.tiles(
            ["value = totals[j]", *["value_at = total_places[j]"] * place],
            ["earlier[j] = total", *["earlier_places[j] = total_at"] * place], exclusive=True)]) + "\n"
    middle = call(name, text, (*kept, *kept, "int64"), device, (pieces,), units // pieces, BLOCK)
    runtime, count = backend.on(device.index), len(names)

    def run(*given):
        work = runtime.allocate(4 * 16 * units)
        parts = [work.address + 16 * units * k for k in range(2 * len(kept))]
        first(given[0], *parts[: len(kept)], *given[-3:])
        middle(*parts, *given[-3:])
        last(*given[:count], *parts[len(kept):], *given[-3:])
    run.kernel = last.kernel
    return Launch(run, 0, units, 1)


def _copied(numbers, **more):
    """The parameters of a kernel and further ones."""
    result = geometry.Parameters()
    for name, type_, value in zip(numbers.names, numbers.types, numbers.values, strict=True):
        result.add(name, value, type_)
    for name, value in more.items():
        result.add(name, value)
    return result
