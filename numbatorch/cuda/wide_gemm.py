"""Large products on sm_90a by groups of four warps, which multiply out of shared memory (warpgroups.py).

As in gemm.py, but the products of one step run while the next one's are asked for. Either operand is copied in pieces
of 16 bytes that lie along k or along its own index, each wherever its index formulas say, zeros where that is outside:
a convolution is such a product once its channels are neighbours (convolution.py). TF32 has to lie along k.
NUMBATORCH_WGMMA=0 leaves all to gemm.py.
"""

import os
from dataclasses import replace
from math import prod

from ..expr.tree import order
from . import runtime, tile_shapes
from .gemm import Joined, Product
from .tile_shapes import Tile
from .warpgroups import BLOCK, ROW

TILES = (Tile(128, 256, 64, (8, 1), 4), Tile(128, 128, 64, (8, 1), 4), Tile(64, 256, 64, (4, 2), 4))
LEAST = 64  # tiles: fewer leave a GPU idle, and smaller ones are better
SHORTEST = 256  # terms of a sum from which it is worth filling the slots
KINDS = "bfloat16", "float16", "tf32"


def here(device):
    """Whether a device has the instructions, and they are wanted."""
    properties = runtime.driver().properties(device.index)
    return (properties.major, properties.minor) == (9, 0) and os.environ.get("NUMBATORCH_WGMMA", "1") != "0"


def kernels(request, found, kind):
    """(the kernel of a product, the kernel that joins its pieces or None); None where this template has none."""
    roles = arranged(request, found, kind) if kind in KINDS else None
    chosen = roles and choose(*(prod(request.extents[x] for x in g) for g in (roles.m, roles.n, roles.k, roles.batch)))
    if not chosen:
        return None
    made = WideProduct(request, roles, kind, *chosen)
    return made, Joined(request, roles, kind, made.pieces) if made.pieces > 1 else None


def choose(m, n, k, batch):
    """(Tile, pieces of the sum over k) of a problem; None for those that tiles would waste."""
    if k < SHORTEST:
        return None
    fitting = [(tile, -(-m // tile.rows) * -(-n // tile.columns) * batch) for tile in TILES
               if m > tile.rows // 2 and n > tile.columns // 2]
    for tile, blocks in fitting:
        if blocks >= LEAST:
            return tile, 1
    steps = -(-k // TILES[0].depth)
    for tile, blocks in fitting:
        pieces = min(tile_shapes.ENOUGH // blocks, steps // tile_shapes.LEAST, tile_shapes.MOST)
        if pieces and blocks * pieces >= LEAST:
            return tile, -(-steps // -(-steps // pieces))
    return None


def arranged(request, found, kind):
    """The Roles with the index along which each side is copied last of its group; None where one cannot be."""
    groups = {"m": list(found.m), "n": list(found.n), "k": list(found.k)}
    fast = [_fastest(request, load) for load in (found.left, found.right)]
    for name in fast:
        for group in groups.values():
            if name in group:
                group.append(group.pop(group.index(name)))
    layouts = []
    for name, load, own in ((fast[0], found.left, "m"), (fast[1], found.right, "n")):
        each = 16 // request.arrays[load.args[0]].dtype.itemsize
        fits = [layout for layout, group in (("k", groups["k"]), ("x", groups[own]))
                if name and group and group[-1] == name and (len(group) == 1 or request.extents[name] % each == 0)]
        if not fits or kind == "tf32" and fits != ["k"]:
            return None
        layouts += fits
    return replace(found, m=groups["m"], n=groups["n"], k=groups["k"], layouts=tuple(layouts), contiguous=(True, True))


def _fastest(request, load):
    """The index whose next element is the next one in memory, all else being multiples of 16 bytes; None: no such."""
    array, fast = request.arrays[load.args[0]], []
    each = 16 // array.dtype.itemsize
    for e, n, stride in zip(load.args[1:], array.shape, array.strides, strict=True):
        if n == 1:
            continue
        if stride == 1:
            start = e.args[0] if e.op == "add" and e.args[1].op == "arg" else None
            if start is not None and not (start.op == "mul" and start.args[1].op == "const"
                                          and int(start.args[1].args[0]) % each == 0):
                return None
            fast.append(e.args[1] if start is not None else e)
        elif stride % each:
            return None
    name = fast[0].args[0] if len(fast) == 1 and fast[0].op == "arg" else None
    return name if sum(n.op == "arg" and n.args[0] == name for e in load.args[1:] for n in order(e)) == 1 else None


class WideProduct(Product):
    """The kernel of a product by groups of warps; its text. roles: as `arranged` gives them."""

    def __init__(self, request, roles, kind, tile, pieces):
        self.depth = ROW // (4 if kind == "tf32" else 2)
        super().__init__(request, roles, kind, replace(tile, depth=self.depth), (True, True), pieces)

    def _bytes(self, side):
        return self._edge(side) * ROW

    def _walk(self, side):
        """(threads along a row of copies, rows that all threads copy at a time, how many times they do)."""
        along_k, each = self.layouts[side] == "k", 16 // self.kind.nbytes
        across = (self.depth if along_k else self._edge(side)) // each
        at_once = self.tile.threads // across
        return across, at_once, (self._edge(side) if along_k else self.depth) // at_once

    def _places(self, side, pad):
        """Lines before the loop: which rows and pieces a thread copies, and the indices that do not change."""
        group, names = "mn"[side], self.groups["mn"[side]]
        across, at_once, times = self._walk(side)
        lines = [f"{pad}down_{side} = int32(thread // {across})",
                 f"{pad}across_{side} = int32(thread % {across} * {16 // self.kind.nbytes})"]
        starts = [f"first_{group} + down_{side} + {j * at_once}" for j in range(times)] if self.layouts[side] == "k" \
            else [f"first_{group} + across_{side}"]
        for j, start in enumerate(starts):
            lines += [*self._decoded(group, start, pad), *(f"{pad}{name}_{side}_{j} = {name}" for name in names),
                      f"{pad}left_{side}_{j} = int32(size_{group} - ({start}))"]
        return lines

    def _copies(self, side, k, slot, indent):
        """Lines that start copying a tile to a slot."""
        node, names = (self.left, self.right)[side], self.groups["mn"[side]]
        _, at_once, times = self._walk(side)
        along_k, size = self.layouts[side] == "k", self.kind.nbytes
        lines = []
        if along_k:
            lines = [*self._decoded("k", f"{k} + across_{side}", indent),
                     f"{indent}left_ = int32(last_k - ({k} + across_{side}))"]
        else:
            lines = [f"{indent}{name} = {name}_{side}_0" for name in names]
        for j in range(times):
            down = f"(down_{side} + {j * at_once})"
            if along_k:
                lines += [f"{indent}{name} = {name}_{side}_{j}" for name in names]
                left, inside = "left_", f"left_{side}_{j} > 0"
            else:
                lines += self._decoded("k", f"{k} + {down}", indent)
                left, inside = f"left_{side}_0", f"{k} + {down} < last_k"
            before, guards, offset = self._place(node, indent)
            tests = " and ".join([inside, f"{left} > 0", *guards])
            lines += [*before, f"{indent}count_ = int32(min({16 // size}, {left}) * {size} if {tests} else 0)",
                      f"{indent}copy_async(uint32({self._spot(side, slot, down)}), {node.args[0]}, int64({offset}), "
                      "count_)"]
        return lines

    def _spot(self, side, slot, down):
        """Text of where a piece goes: rows of 128 bytes, whose pieces are exchanged, in blocks of so many rows."""
        across, each = f"across_{side}", 16 // self.kind.nbytes
        block = "" if self.layouts[side] == "k" else f" + {across} // {self.depth} * {BLOCK}"
        shift = f" + {self._bytes(0)}" if side else ""
        return (f"{slot}{shift}{block} + {down} * {ROW} + ((({across} % {self.depth} // {each}) ^ ({down} & 7)) << 4)")

    def _write(self):
        tile, pad, deep, slot = self.tile, " " * 4, " " * 8, self._bytes(0) + self._bytes(1)
        end, ahead = f"base + {slot * self.stages}", self.stages - 2
        columns = tile.columns // tile.warps[1]  # of a group
        group, first = f"(thread >> 7) // {tile.warps[1]}", f"(thread >> 7) % {tile.warps[1]} * {columns}"
        lines = [*self._block(pad), *self._decoded("b", "batch", pad), f"{pad}base = int32(shared_base())",
                 f"{pad}own_a = int32({group} * {64 * ROW})", f"{pad}own_b = int32({first} * {ROW} + {self._bytes(0)})",
                 *self._places(0, pad), *self._places(1, pad), f"{pad}group_begin_{columns}()",
                 f"{pad}steps = int32((last_k - first_k + {tile.depth - 1}) // {tile.depth})",
                 f"{pad}step = int32({-ahead})", f"{pad}here = int32(base + {slot * (self.stages - ahead)})",
                 f"{pad}there = int32(base)", f"{pad}while step < steps:", f"{deep}copies_wait_{ahead - 1}()",
                 f"{deep}group_wait_1()", f"{deep}group_fence()", f"{deep}barrier()",
                 f"{deep}ahead_k = int32(first_k + (step + {ahead}) * {tile.depth})"]
        for side in (0, 1):
            lines += self._copies(side, "ahead_k", "there", deep)
        lines += [f"{deep}copies_end()", f"{deep}if step >= 0:",
                  f"{deep}    group_multiply_{self.kind_name}_{columns}_{''.join(self.layouts)}(uint32(here + own_a), "
                  "uint32(here + own_b), step)"]
        for name in ("here", "there"):
            lines += [f"{deep}{name} = int32({name} + {slot})", f"{deep}if {name} == {end}:",
                      f"{deep}    {name} = int32(base)"]
        lines += [f"{deep}step = int32(step + 1)", f"{pad}copies_wait_0()", f"{pad}group_wait_0()", f"{pad}barrier()",
                  f"{pad}group_keep_{columns}_{self.keep_stride}(uint32(base + {group} * {64 * self.keep_stride} + "
                  f"{first} * {self.keeps}))", f"{pad}barrier()", *self._results(pad)]
        self.name = (f"{self.request.name}_{self.kind_name}_groups{tile.rows}x{tile.columns}_{''.join(self.layouts)}"
                     f"{'_pieces' if self.pieces > 1 else ''}")
        self._finish(lines)
