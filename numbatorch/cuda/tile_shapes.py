"""How large the tiles of matrix products are, by kind of product and size of the problem."""

from dataclasses import dataclass

PAD_TOTALS = 32  # bytes behind a row of totals: neighbouring rows then lie in different banks


@dataclass(frozen=True)
class Tile:
    """rows x columns results of a block, `depth` along k at a time, warps[0] x warps[1] warps, slots for steps."""

    rows: int
    columns: int
    depth: int
    warps: tuple[int, int]
    stages: int

    @property
    def threads(self):
        """Of a block."""
        return 32 * self.warps[0] * self.warps[1]

    def units(self, kind):
        """(down, across) units of a kind of product that a warp has."""
        return self.rows // self.warps[0] // kind.unit[0], self.columns // self.warps[1] // kind.unit[1]


_HALF = (Tile(128, 128, 32, (2, 4), 4), Tile(64, 64, 32, (2, 2), 4), Tile(32, 32, 32, (2, 2), 3))
_SINGLE = (Tile(128, 128, 16, (2, 4), 4), Tile(64, 64, 16, (2, 2), 4), Tile(32, 32, 16, (2, 2), 3))
_DOUBLE = (Tile(64, 64, 16, (2, 2), 3), Tile(32, 32, 16, (2, 2), 3))
_PLAIN = (Tile(64, 64, 16, (4, 2), 3), Tile(32, 32, 16, (2, 1), 3))
TILES = {"bfloat16": _HALF, "float16": _HALF, "tf32": _SINGLE, "float32": _SINGLE, "float64": _DOUBLE, "int32": _PLAIN,
         "int64": _PLAIN, "plain32": _PLAIN, "plain64": _PLAIN, "complex64": (_PLAIN[0], Tile(32, 32, 8, (2, 1), 3)),
         "complex128": (Tile(64, 64, 8, (4, 2), 2), Tile(32, 32, 8, (2, 1), 2))}
ENOUGH = 128  # blocks that keep a large GPU busy (H100, H200: 132 multiprocessors)
LEAST = 8  # steps along k that a piece of a sum has at least: fewer are not worth another kernel
MOST = 64  # pieces of a sum


def choose(kind, m, n, k, batch):
    """(Tile, pieces of the sum over k) of a problem. Depends on sizes alone: results are the same on every GPU."""
    shapes = TILES[kind]
    chosen = shapes[-1]
    for tile in shapes:
        blocks = -(-m // tile.rows) * -(-n // tile.columns) * batch
        if tile is shapes[-1] or blocks >= ENOUGH // 2 and m > tile.rows // 2 and n > tile.columns // 2:
            chosen = tile
            break
        if k >= 32 * tile.depth * LEAST and m > tile.rows // 2 and n > tile.columns // 2:
            chosen = tile  # few results of long sums: pieces make up for tiles
            break
    blocks = -(-m // chosen.rows) * -(-n // chosen.columns) * batch
    steps = -(-k // chosen.depth)
    pieces = 1 if blocks >= ENOUGH // 2 else max(1, min(ENOUGH // blocks, steps // LEAST, MOST))
    return chosen, -(-steps // -(-steps // pieces)) if pieces > 1 else 1


def stride(kind, layout, tile, side):
    """Bytes from row to row of an operand's tile in shared memory, such that fragments are read without conflicts."""
    length = tile.depth if layout == "k" else (tile.columns if side else tile.rows)
    wide = kind.nbytes == 8 and kind.depth == 4 or kind.nbytes == 4 and kind.depth == 8 and layout == "x"
    return length * kind.nbytes + (32 if wide else 16)
