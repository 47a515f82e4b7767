"""Micro-kernels for dense contractions, as LLVM IR: the tile, and the two ways of packing a panel.

Every function writes one internal kernel into a module. All strides are in bytes. Masks cover the last vector of a
row only, so that no size needs a second variant; a masked lane is neither read nor written.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from numbatorch.cpu.irwriter import Function, Module, Value


@dataclass(frozen=True)
class Target:
    """What the templates must know of a machine and an element type.

    A tile of C is `rows` x (`vectors` * `lanes`): as many accumulators as the register file leaves room for.
    """

    element: str  # LLVM type
    bytes: int  # of an element
    lanes: int  # of a vector
    vectors: int  # a tile is wide
    heights: tuple[int, ...]  # rows a tile may have, descending, 1 among them
    dot_rows: int
    dot_columns: int
    pairs: bool = False  # elements are pairs of bfloat16 that are multiplied and summed into a float32
    quads: bool = False  # elements are fours of bytes, unsigned times signed ones, summed into an int32
    narrow: bool = False  # results are rounded to bfloat16 as they are stored
    wide: bool = False  # few rows: every vector has a mask, so that one width serves all, and B is fetched ahead
    right: str = ""  # LLVM type of 16 bits that B is stored in, where it is not `element`

    @property
    def vector(self) -> str:
        return f"<{self.lanes} x {self.element}>"

    @property
    def label(self) -> str:
        """Of a vector, in names of functions: f32x16."""
        if self.pairs or self.quads:
            return f"{'narrow_' * self.narrow}{'pairs' if self.pairs else 'quads'}x{self.lanes}"
        return f"{self.right}{'i' if self.is_integer else 'f'}{self.bytes * 8}x{self.lanes}"

    @property
    def is_integer(self) -> bool:
        return self.element.startswith("i")

    result_bytes = property(lambda self: 2 if self.narrow else self.bytes)
    right_bytes = property(lambda self: 2 if self.right else self.bytes)

    @property
    def vector_bytes(self) -> int:
        return self.lanes * self.bytes

    @property
    def panel(self) -> int:
        """Columns of a tile."""
        return self.lanes * self.vectors

    @property
    def rows(self) -> int:
        return self.heights[0]


# Register files: 32 of 64 bytes (AVX-512), 16 of 32 (AVX2), 32 of 16 (NEON), 16 of 16 (SSE2). 14 rows x 2 vectors of
# AVX-512 leave two registers for B and two for A.
REGISTER_FILES = {"avx512f": (64, 32), "avx2": (32, 16), "neon": (16, 32), "": (16, 16)}


@cache
def host_target(dtype: str, feature: str | None = None) -> Target:
    """The target for float32, float64, int32 or int64 on this machine, or for a named feature of `REGISTER_FILES`.

    "bfloat16" stands for pairs of them, where the machine `has_pairs`, "narrow" for pairs with results of bfloat16, and
    "int8" for fours where it `has_quads`. In "right_float16" and "right_bfloat16" B alone is of this dtype.
    """
    if feature is None:
        from numbatorch.cpu.machine import has_feature

        feature = next((name for name in REGISTER_FILES if name and has_feature(name)), "")
        if feature == "avx2" and not has_feature("fma"):
            feature = ""
    register_bytes, registers = REGISTER_FILES[feature]
    element, bytes = {
        "float64": ("double", 8), "int8": ("i32", 4), "int32": ("i32", 4), "int64": ("i64", 8)
    }.get(dtype, ("float", 4))
    heights = (14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1) if registers == 32 else (6, 5, 4, 3, 2, 1)
    dot_rows, dot_columns = (6, 4) if registers == 32 else (3, 3)
    return Target(element, bytes, register_bytes // bytes, 2, heights, dot_rows, dot_columns,
                  dtype in ("bfloat16", "narrow"), dtype == "int8", dtype == "narrow",
                  right={"right_float16": "half", "right_bfloat16": "bfloat"}.get(dtype, ""))


def has_pairs() -> bool:
    """Whether the machine multiplies pairs of bfloat16 by one instruction."""
    from numbatorch.cpu.machine import has_feature

    return has_feature("avx512bf16")


def has_quads() -> bool:
    """Whether the machine sums four products of bytes by one instruction."""
    from numbatorch.cpu.machine import has_feature

    return has_feature("avx512f") and has_feature("avx512vnni")


def has_halves() -> bool:
    """Whether the machine loads a part of a vector of numbers of 16 bits, and converts it, by one instruction each."""
    from numbatorch.cpu.machine import has_feature

    return has_feature("avx512f") and has_feature("avx512bw")


def wide_target(target: Target) -> Target:
    """For products of few rows, bound by reading B: long pieces of its rows."""
    rows, vectors = (4, 6) if target.rows > 6 else (2, 4)
    return replace(target, vectors=vectors, heights=tuple(range(rows, 0, -1)), wide=True)


def column_masks(f: Function, target: Target, width: Value, vectors: int) -> list[Value | None]:
    """For each vector the lanes that lie inside `width` columns; None where all do."""
    masks: list[Value | None] = [f.lanes_between(target.lanes, None, width - j * target.lanes) for j in range(vectors)]
    return masks if target.wide else [*[None] * (vectors - 1), masks[-1]]


def load_vector(f: Function, target: Target, pointer: Value, mask: Value | None, other: Value | None = None) -> Value:
    if mask is None:
        return f.load(target.vector, pointer, target.bytes)
    return f.masked_load(target.vector, pointer, target.bytes, mask, other)


def load_right(f: Function, target: Target, pointer: Value, mask: Value | None) -> Value:
    """A vector of B, converted where it is stored in 16 bits."""
    if not target.right:
        return load_vector(f, target, pointer, mask)
    stored, narrow = f"<{target.lanes} x i16>", f"<{target.lanes} x {target.right}>"
    value = f.load(stored, pointer, 2) if mask is None else f.masked_load(stored, pointer, 2, mask)
    value = f.emit(narrow, f"bitcast {stored} {value.text} to {narrow}")
    return f.emit(target.vector, f"fpext {narrow} {value.text} to {target.vector}")


def store_vector(f: Function, target: Target, value: Value, pointer: Value, mask: Value | None) -> None:
    if target.narrow:
        value = f.emit(f"<{target.lanes} x bfloat>", f"fptrunc {value.type} {value.text} to <{target.lanes} x bfloat>")
        value = f.emit(f"<{target.lanes} x i16>", f"bitcast {value.type} {value.text} to <{target.lanes} x i16>")
    if mask is None:
        f.store(value, pointer, target.result_bytes)
    else:
        f.masked_store(value, pointer, target.result_bytes, mask)


def multiply_add(f: Function, target: Target, a: Value, b: Value, total: Value) -> Value:
    if target.pairs:
        narrow = f"<{2 * target.lanes} x bfloat>"
        parts = [f.emit(narrow, f"bitcast {x.type} {x.text} to {narrow}") for x in (a, b)]
        return f.intrinsic(target.vector, "llvm.x86.avx512bf16.dpbf16ps.512", [total, *parts])
    if target.quads:
        return f.intrinsic(target.vector, "llvm.x86.avx512.vpdpbusd.512", [total, a, b])
    if target.is_integer:
        product = f.emit(a.type, f"mul {a.type} {a.text}, {b.text}")
        return add_vectors(f, product, total)
    suffix = f"v{target.lanes}f{target.bytes * 8}"
    return f.intrinsic(target.vector, f"llvm.fma.{suffix}", [a, b, total])


def add_vectors(f: Function, a: Value, b: Value) -> Value:
    """The sum of two vectors, or numbers, of one type."""
    instruction = "fadd" if a.type.strip("<>").endswith(("float", "double")) else "add"
    return f.emit(a.type, f"{instruction} {a.type} {a.text}, {b.text}")


def sum_lanes(f: Function, target: Target, vector: Value) -> Value:
    """The sum of the lanes of a vector."""
    if target.is_integer:
        return f.intrinsic(target.element, f"llvm.vector.reduce.add.v{target.lanes}{target.element}", [vector])
    name = f"llvm.vector.reduce.fadd.v{target.lanes}f{target.bytes * 8}"
    f.module.declare(f"declare {target.element} @{name}({target.element}, {target.vector})")
    call = f"call reassoc {target.element} @{name}({target.element} -0.0, {vector.type} {vector.text})"
    return f.emit(target.element, call)


def zero(f: Function, type: str) -> Value:
    return Value(f, type, "zeroinitializer" if type.startswith("<") else "0" if type.startswith("i") else "0.0")


NOTHING, VECTORS, ROW_NUMBERS = 0, 1, 2  # what a tile is added to
PREFETCH_OFFSETS = 6  # best of 4..18; a table of offsets ends with as many that are not used
PREFETCH_TILE = 32  # 7x7 convolution of 8 images with 512 channels: 22 to 10 ms, Zen 5
PREFETCH_ROWS = 16  # best of 4..32: 1x1024x1024 float32, Zen 5

TILE_PARAMETERS = [
    ("a", "ptr noalias"),
    ("a_row", "i64"),
    ("a_step", "i64"),
    ("b", "ptr noalias"),
    ("b_step", "i64"),
    ("c", "ptr"),
    ("c_row", "i64"),
    ("addend", "ptr"),
    ("addend_row", "i64"),
    ("k", "i64"),
    ("width", "i64"),
]
# Variants of the tile: PLAIN; TILED, where the rows of a are next to one another; ADDED, to what no cache near by has;
# AHEAD, which asks for what is packed next meanwhile; TURNED, the same where the rows of a are neighbours in memory;
# NEST, a sum over two indices; FLAT and LANES, rows of b or columns of a found through a table of offsets.
PLAIN, NEST, FLAT, LANES, TILED = "plain", "nest", "flat", "lanes", "tiled"
ADDED, AHEAD, TURNED = "added", "ahead", "turned"
AHEAD_PARAMETERS = [*TILE_PARAMETERS, ("ahead", "ptr"), ("ahead_row", "i64"), ("ahead_shift", "i64"), ("first", "i64")]
PARAMETERS = {
    PLAIN: TILE_PARAMETERS,
    TILED: TILE_PARAMETERS,
    ADDED: TILE_PARAMETERS,
    AHEAD: AHEAD_PARAMETERS,
    TURNED: AHEAD_PARAMETERS,
    NEST: [*TILE_PARAMETERS, ("outer", "i64"), ("a_outer", "i64"), ("b_outer", "i64")],
    FLAT: [("offsets", "ptr noalias") if label == "b_step" else (label, kind) for label, kind in TILE_PARAMETERS]
    + [("places", "ptr noalias")],
    LANES: [("offsets", "ptr noalias") if label == "a_step" else (label, kind) for label, kind in TILE_PARAMETERS],
}
PLACE = 4  # numbers per vector in `places`: offset in the row of c, end of part one, begin and end of part two


def write_tile(
    module: Module,
    name: str,
    target: Target,
    rows: int,
    vectors: int,
    variant: str = PLAIN,
    row_numbers: bool = False,
) -> None:
    """c[i, :] = addend[i, :] + sum over k of a[i, k] * b[k, :], for `rows` rows and `width` columns.

    `addend` may be null, c itself (accumulation) or a row with stride 0 (a bias of columns). With `row_numbers` a
    stride of one element means one number per row (a bias of rows).
    NEST: the sum runs over two indices, `outer` repetitions of k steps, a and b moving by a_outer and b_outer.
    FLAT: row k of b is at b + offsets[k], and of each vector only two parts are results: `places` holds where they go
    (`PLACE` numbers per vector, then the bytes by which part two lies closer to part one in c than in the vector).
    LANES: column k of a is at a + offsets[k].
    AHEAD: step k asks for line first + k of 2^ahead_shift rows at `ahead`, counted row by row before line by line.
    """
    f = module.function(name, PARAMETERS[variant])
    a, a_row, a_step, b, b_step, c, c_row, addend, addend_row, k, width = f.parameters[:11]
    masks = column_masks(f, target, width, vectors)
    totals = [zero(f, target.vector)] * (rows * vectors)
    twice, apart = a_row * 2, target.lanes * target.right_bytes
    if variant == FLAT:
        # Stores to lines that are not at hand stay queued, and the next tile's loads wait for them where the last 12
        # bits of the addresses agree: 26x26 convolutions ran at 60 to 200 GFLOP/s by the placement of y alone.
        first = f.offset(c, f.load("i64", f.parameters[11], 8))
        for i in range(rows):
            for byte in range(0, vectors * target.vector_bytes + 1, 64):
                f.prefetch(f.offset(f.offset(first, c_row * i), byte), write=True)

    if variant in (AHEAD, TURNED):
        ahead, ahead_row, spread, first = f.parameters[11:]
        last = f.emit("i64", f"shl i64 1, {spread.text}") - 1
    if variant in (ADDED, AHEAD, TURNED) and not target.wide:
        # c, as for FLAT: 2048x1024x256 float32 6.4 to 5.6 ms, 1024^3 of bytes 3.1 to 2.7, one core of Zen 5.
        place, row = (addend, addend_row) if variant == ADDED else (c, c_row)
        for i in range(rows):
            for j in range(vectors):
                f.prefetch(f.offset(f.offset(place, row * i), j * target.vector_bytes), write=variant != ADDED)

    def inner(a: Value, b: Value, totals: list[Value]) -> list[Value]:
        # One pointer per three rows: x86 addresses base, base + row and base + 2 * row without arithmetic.
        pointers = [a]
        for _ in range(3, rows, 3):
            pointers.append(f.offset(pointers[-1], a_row * 3))
        with f.loop(0, k, carry=[*pointers, b, *totals]) as loop:
            bases, row_b, sums = loop.carried[: len(pointers)], loop.carried[len(pointers)], []
            if variant == LANES:
                following, shift = list(bases), f.load("i64", f.offset(a_step, loop.index * 8), 8)
                bases = [f.offset(base, shift) for base in bases]
            else:
                following = [f.offset(base, a_step) for base in bases]
            if variant == FLAT:
                following.append(row_b)
                # Hardware does not foresee these rows: 26x26 with 64 channels, 127 to 197 GFLOP/s.
                later = f.load("i64", f.offset(b_step, (loop.index + PREFETCH_OFFSETS) * 8), 8)
                for j in range(vectors + 1):
                    f.prefetch(f.offset(f.offset(row_b, later), j * target.vector_bytes))
                row_b = f.offset(row_b, f.load("i64", f.offset(b_step, loop.index * 8), 8))
            else:
                following.append(f.offset(row_b, b_step))
            if variant == TILED:  # one stream, which hardware does not read far enough ahead
                f.prefetch(f.offset(bases[0], a_step * PREFETCH_TILE))
            if variant in (AHEAD, TURNED) and not target.wide:
                number, place = first + loop.index, f.offset(ahead, (first + loop.index & last) * ahead_row)
                f.prefetch(f.offset(place, f.emit("i64", f"lshr i64 {number.text}, {spread.text}") * 64))
            if variant == TURNED:  # the next tile's: hardware does not foresee them (1024x256x2048: 5.9 to 5.35 ms)
                f.prefetch(f.offset(bases[0], 2 * rows * target.bytes - 1))
            if target.wide:
                further = f.offset(row_b, b_step * PREFETCH_ROWS)
                for byte in range(0, vectors * apart, max(64, apart)):
                    f.prefetch(f.offset(further, byte))
            columns = [load_right(f, target, f.offset(row_b, j * apart), masks[j]) for j in range(vectors)]
            for i in range(rows):
                base, rest = bases[i // 3], i % 3
                pointer = base if rest == 0 else f.offset(base, a_row if rest == 1 else twice)
                factor = f.splat(f.load(target.element, pointer, target.bytes), target.lanes)
                for j in range(vectors):
                    total = loop.carried[len(pointers) + 1 + i * vectors + j]
                    sums.append(multiply_add(f, target, factor, columns[j], total))
            loop.carry([*following, *sums])
        return loop.carried[len(pointers) + 1 :]

    if variant == NEST:
        outer, a_outer, b_outer = f.parameters[11:]
        with f.loop(0, outer, carry=[a, b, *totals]) as loop:
            sums = inner(loop.carried[0], loop.carried[1], loop.carried[2:])
            loop.carry([f.offset(loop.carried[0], a_outer), f.offset(loop.carried[1], b_outer), *sums])
        totals = loop.carried[2:]
    else:
        totals = inner(a, b, totals)

    parts: list[list[tuple[Value, Value | None]]] = []  # per vector: (offset in c, mask) of each part of the result
    if variant == FLAT:
        places = f.parameters[11]
        gap = f.load("i64", f.offset(places, PLACE * vectors * 8), 8)
        for j in range(vectors):
            offset, end, begin_two, end_two = (
                f.load("i64", f.offset(places, (PLACE * j + i) * 8), 8) for i in range(PLACE)
            )
            one, two = f.lanes_between(target.lanes, None, end), f.lanes_between(target.lanes, begin_two, end_two)
            parts.append([(offset, one), (offset - gap, two)])
    else:
        parts = [[(f.value(j * target.vector_bytes), masks[j])] for j in range(vectors)]

    def write(mode: int) -> None:
        for i in range(rows):
            row, other = f.offset(c, c_row * i), f.offset(addend, addend_row * i)
            if mode == ROW_NUMBERS:
                number = f.splat(f.load(target.element, other, target.bytes), target.lanes)
            results = totals[i * vectors : (i + 1) * vectors]
            if mode == ROW_NUMBERS:
                results = [add_vectors(f, number, total) for total in results]
            elif mode == VECTORS:
                # All loads of a row before its stores: parts overlap in memory, and a load would wait for the store.
                for j in range(vectors):
                    present = zero(f, target.vector)
                    for offset, mask in parts[j]:
                        present = load_vector(f, target, f.offset(other, offset), mask, present)
                    results[j] = add_vectors(f, present, results[j])
            for result, pieces in zip(results, parts, strict=True):
                for offset, mask in pieces:
                    there = f.offset(row, offset * target.result_bytes // target.bytes)
                    store_vector(f, target, result, there, mask)

    choice = f.select(f.is_null(addend), NOTHING, VECTORS)
    if row_numbers:
        numbers = f.select(addend_row.equals(target.bytes), ROW_NUMBERS, VECTORS)
        choice = f.select(f.is_null(addend), NOTHING, numbers)
    modes = (NOTHING, VECTORS, ROW_NUMBERS) if row_numbers else (NOTHING, VECTORS)
    with f.cases(choice, modes) as case:
        for mode in modes:
            with case(mode):
                write(mode)


SLOTS = 16  # of a table of tiles for each number of vectors: more than a tile has rows


def write_rows(module: Module, name: str, target: Target, variant: str = PLAIN) -> None:
    """`write_tile` for any number of rows: tiles of `height` rows, the last one lower.

    (tiles, the tile's parameters, a_tile, count, height): `tiles` is a table of tiles (tiles.py), of which the row for
    the number of vectors in `width` is used. AHEAD: `first` is by how much it grows from tile to tile.
    """
    parameters = PARAMETERS[variant]
    f = module.function(name, [("tiles", "ptr"), *parameters, ("a_tile", "i64"), ("count", "i64"), ("height", "i64")])
    tiles, a, a_row, a_step, b, b_step, c, c_row, addend, addend_row, *rest = f.parameters[: len(parameters) + 1]
    a_tile, count, height = f.parameters[len(parameters) + 1 :]
    width, per_tile = rest[1], rest[-1]
    vectors = f.value(target.vectors) if target.wide else (width + (target.lanes - 1)) // target.lanes
    own = f.offset(tiles, (vectors - 1) * (8 * SLOTS))
    with f.loop(0, count, height, carry=[a, c, addend]) as loop:
        here, c_here, addend_here = loop.carried
        here_rows = f.minimum(height, count - loop.index)
        tile = f.load("ptr", f.offset(own, here_rows * 8), 8)
        if variant == AHEAD:
            rest[-1] = loop.index // height * per_tile
        f.call_at(tile, [here, a_row, a_step, b, b_step, c_here, c_row, addend_here, addend_row, *rest])
        null = f.is_null(addend)
        following = f.select(null, addend_here, f.offset(addend_here, addend_row * height))
        loop.carry([f.offset(here, a_tile), f.offset(c_here, c_row * height), following])


def transpose(f: Function, vectors: list[Value]) -> list[Value]:
    """The square transpose of as many vectors as they have lanes, in log2(lanes) stages of shuffles."""
    lanes, stage, current = len(vectors), 1, list(vectors)
    while stage < lanes:
        following: list[Value] = list(current)
        for i in range(lanes):
            if i & stage:
                continue
            first, second = current[i], current[i | stage]
            low = [x if not x & stage else lanes + (x ^ stage) for x in range(lanes)]
            high = [(x | stage) if not x & stage else lanes + x for x in range(lanes)]
            following[i], following[i | stage] = f.shuffle(first, second, low), f.shuffle(first, second, high)
        current, stage = following, stage * 2
    return current


def write_pack_transposed(module: Module, name: str, target: Target) -> None:
    """to[j, i] = source[i, j] for i < rows, 0 for rows <= i < lanes: `columns` contiguous columns j, rows <= lanes."""
    f = module.function(
        name,
        [("source", "ptr noalias"), ("source_row", "i64"), ("to", "ptr noalias"), ("to_row", "i64")]
        + [("columns", "i64"), ("rows", "i64")],
    )
    source, source_row, to, to_row, columns, rows = f.parameters
    with f.loop(0, columns, target.lanes) as loop:
        left = columns - loop.index
        start = f.offset(source, loop.index * target.right_bytes)
        loaded = []
        for i in range(target.lanes):
            # A row beyond `rows` has no lanes: nothing is read there.
            inside = f.select(rows > i, left, 0)
            mask = f.lanes_between(target.lanes, None, inside)
            loaded.append(load_right(f, target, f.offset(start, source_row * i), mask))
        turned = transpose(f, loaded)
        first = f.offset(to, loop.index * to_row)
        for i in range(target.lanes):
            with f.when(left > i):
                f.store(turned[i], f.offset(first, to_row * i), target.bytes)


def write_pack_rows(module: Module, name: str, target: Target) -> None:
    """to[i, :] = source[i, :width], zeros up to the panel's width, for `count` rows of a panel."""
    f = module.function(
        name,
        [("source", "ptr noalias"), ("source_row", "i64"), ("to", "ptr noalias"), ("count", "i64"), ("width", "i64")],
    )
    source, source_row, to, count, width = f.parameters
    masks = [f.lanes_between(target.lanes, None, width - j * target.lanes) for j in range(target.vectors)]
    row_bytes = target.panel * target.bytes
    with f.loop(0, count, carry=[source, to]) as loop:
        here, there = loop.carried
        for j in range(target.vectors):
            value = load_right(f, target, f.offset(here, j * target.lanes * target.right_bytes), masks[j])
            f.store(value, f.offset(there, j * target.vector_bytes), target.bytes)
        loop.carry([f.offset(here, source_row), f.offset(there, row_bytes)])
