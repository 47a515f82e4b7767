"""Products of large matrices in half precision on sm_90a, whose operands both lie along k: tiles of 128 x 256.

As in gemm.py, but two groups of four warps multiply out of shared memory (warpgroups.py), and the products of one step
run while the next one's are asked for.
"""

from .gemm import Product
from .tile_shapes import Tile
from .warpgroups import ROW

TILE = Tile(128, 256, 64, (8, 1), 4)
LEAST = 64  # tiles: fewer leave a GPU idle, and smaller ones are better


def takes(found, kind, copied, m, n, k, batch):
    """Whether this template is the one for a product of these sizes."""
    return (kind in ("bfloat16", "float16") and found.layouts == ("k", "k") and all(copied) and k >= 256
            and -(-m // TILE.rows) * -(-n // TILE.columns) * batch >= LEAST)


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
