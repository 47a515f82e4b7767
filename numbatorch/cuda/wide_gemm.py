"""Products of large matrices in half precision on sm_90a, whose operands both lie along k: tiles of 128 x 256.

As in gemm.py, but two groups of four warps multiply out of shared memory (warpgroups.py), and the products of one step
run while the next one's are asked for. Matrices that lie along m or n are turned first. NUMBATORCH_WGMMA=0 leaves all
to gemm.py.
"""

import os
from dataclasses import replace

from ..layout import layout
from .gemm import Product
from .tile_shapes import Tile
from .warpgroups import ROW

TILE = Tile(128, 256, 64, (8, 1), 4)
LEAST = 64  # tiles: fewer leave a GPU idle, and smaller ones are better


def takes(found, kind, copied, m, n, k, batch):
    """Whether this template is the one for a product of these sizes, once its sides lie along k."""
    return (kind in ("bfloat16", "float16") and all(copied) and k >= 256
            and (found.layouts == ("k", "k") or not found.batch)
            and -(-m // TILE.rows) * -(-n // TILE.columns) * batch >= LEAST
            and os.environ.get("NUMBATORCH_WGMMA", "1") != "0")


def turned(request, found):
    """(request, [(load, rows, columns, step, length) of each side that has to be turned])."""
    arrays, sides = dict(request.arrays), []
    for load, group, way in ((found.left, found.m, found.layouts[0]), (found.right, found.n, found.layouts[1])):
        if way == "x":
            own, names = arrays[load.args[0]], [e.args[0] for e in load.args[1:]]
            k, x = (names.index(group_[0]) for group_ in (found.k, group))
            length = -(-own.shape[k] // 8) * 8
            sides.append((load, own.shape[k], own.shape[x], own.strides[k], length))
            arrays[load.args[0]] = layout(own.dtype, own.shape, (1, length) if k == 0 else (length, 1), own.device)
    return replace(request, arrays=arrays), sides


TURN = """
def turned_uint16(source, target, rows, columns, step, length, across):
    thread, base = int32(thread_index()), int32(shared_base())
    first_row, first_column = int32(block_index() // across * 32), int32(block_index() % across * 32)
    lane, line = int32(thread & 31), int32(thread >> 5)
    row = int32(line)
    while row < 32:
        if first_row + row < rows and first_column + lane < columns:
            value = int32(source[int64(first_row + row) * step + first_column + lane])
            shared_write(uint32(base + (row * 33 + lane) * 4), value)
        row = int32(row + 8)
    barrier()
    column = int32(line)
    while column < 32:
        if first_row + lane < rows and first_column + column < columns:
            target[int64(first_column + column) * length + first_row + lane] = uint16(
                shared_read_int32(uint32(base + (lane * 33 + column) * 4)))
        column = int32(column + 8)
"""
TURN_BYTES = 32 * 33 * 4


def start_turned(request, found, kind, device):
    """f(*operands, result, meta, units, grain) of a product whose sides are turned as they have to be."""
    from . import backend
    from .contraction import roles
    from .launching import call
    request, sides = turned(request, found)
    made = WideProduct(request, roles(request), kind)
    start = call(made.name, made.text, made.signature, device, made.numbers.values, made.blocks, made.tile.threads,
                 shared=made.shared)
    if not sides:
        return start
    runtime, names, turns = backend.on(device.index), list(request.arrays), []
    signature = ("uint16*", "uint16*", *["int64"] * 5)
    for load, rows, columns, step, length in sides:
        across = -(-columns // 32)
        turns.append((names.index(load.args[0]), 2 * columns * length, call(
            "turned_uint16", TURN, signature, device, (rows, columns, step, length, across),
            -(-rows // 32) * across, shared=TURN_BYTES)))

    def run(*given):
        given, kept = list(given), []
        for place, nbytes, turn in turns:
            work = runtime.allocate(nbytes)
            turn(given[place], work.address, *given[-3:])
            given[place] = work.address
            kept.append(work)
        start(*given)
    return run


class WideProduct(Product):
    """The kernel of a product by groups of warps; its text."""

    def __init__(self, request, found, kind):
        super().__init__(request, found, kind, TILE, (True, True), 1)

    def _bytes(self, side):
        return self._edge(side) * ROW

    def _spot(self, side, slot):
        shift = f" + {self._bytes(0)}" if side else ""
        return f"{slot}{shift} + down_ * {ROW} + (((across_ >> 3) ^ (down_ & 7)) << 4)"

    def _write(self):
        tile, pad, deep, slot = self.tile, " " * 4, " " * 8, self._bytes(0) + self._bytes(1)
        end, columns, ahead = f"base + {slot * self.stages}", tile.columns, self.stages - 2
        lines = [*self._block(pad), *self._decoded("b", "batch", pad), f"{pad}base = int32(shared_base())",
                 f"{pad}own = int32((thread >> 7) * {64 * ROW})", f"{pad}group_begin_{columns}()",
                 f"{pad}steps = int32((last_k - first_k + {tile.depth - 1}) // {tile.depth})",
                 f"{pad}step = int32({-ahead})", f"{pad}here = int32(base + {slot * (self.stages - ahead)})",
                 f"{pad}there = int32(base)", f"{pad}while step < steps:", f"{deep}copies_wait_{ahead - 1}()",
                 f"{deep}group_wait_1()", f"{deep}group_fence()", f"{deep}barrier()",
                 f"{deep}ahead_k = int32(first_k + (step + {ahead}) * {tile.depth})"]
        for side in (0, 1):
            lines += self._copies(side, "ahead_k", "there", deep)
        lines += [f"{deep}copies_end()", f"{deep}if step >= 0:",
                  f"{deep}    group_multiply_{self.kind_name}_{columns}(uint32(here + own), uint32(here + "
                  f"{self._bytes(0)}), step)"]
        for name in ("here", "there"):
            lines += [f"{deep}{name} = int32({name} + {slot})", f"{deep}if {name} == {end}:",
                      f"{deep}    {name} = int32(base)"]
        lines += [f"{deep}step = int32(step + 1)", f"{pad}copies_wait_0()", f"{pad}group_wait_0()", f"{pad}barrier()",
                  f"{pad}group_keep_{columns}_{self.keep_stride}(uint32(base + (thread >> 7) * "
                  f"{64 * self.keep_stride}))", f"{pad}barrier()", *self._results(pad)]
        self.name = f"{self.request.name}_{self.kind_name}_groups{tile.rows}x{columns}"
        self._finish(lines)
