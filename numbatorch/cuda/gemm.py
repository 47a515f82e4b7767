"""Template of sums of products on tensor cores: blocks of threads take tiles of the result, warps parts of them.

A tile of each operand is brought to shared memory some steps ahead: 16 bytes at a time without waiting where an operand
has a contiguous index and its other strides are multiples of that ("copied"), else element by element through registers
while the tile before it is multiplied ("gathered"), by whatever the index formulas say: convolution is a product whose
operand is gathered. Totals go through shared memory once more, so that results are stored in their own order.
Where tiles are too few for a GPU the sum is cut into pieces, which a second kernel adds in their order.
"""

from ..expr import write
from . import nest
from .product_text import ProductText
from .tile_shapes import PAD_TOTALS, Tile, stride

GROUP = 8  # rows of tiles that neighbouring blocks share columns of: operands are read from the second-level cache


class Product(ProductText):
    """The kernel of a product. copied: which of its sides are; pieces: of the sum over k, each with its own results."""

    def __init__(self, request, roles, kind, tile: Tile, copied, pieces):
        super().__init__(request, roles, kind)
        self.tile, self.copied, self.pieces = tile, copied, pieces
        self.layouts = roles.layouts
        self.strides = [stride(self.kind, self.layouts[side], tile, side) for side in (0, 1)]
        self.stages = tile.stages if any(copied) else 2
        self.keep_stride = tile.columns * self.keeps + PAD_TOTALS
        self._write()

    # Parts of the text.

    def _edge(self, side):
        return self.tile.columns if side else self.tile.rows

    def _bytes(self, side):
        """Of an operand's tile."""
        return self.strides[side] * (self._edge(side) if self.layouts[side] == "k" else self.tile.depth)

    @property
    def shared(self):
        """Bytes of shared memory of a block."""
        return max(self.stages * (self._bytes(0) + self._bytes(1)), self.tile.rows * self.keep_stride)

    def _copies(self, side, k, slot, indent):
        """Lines that start copying a tile to a slot."""
        node, group, size = (self.left, self.right)[side], "mn"[side], self.kind.nbytes
        array, chunk, edge = node.args[0], 16 // size, self._edge(side)
        layout, threads = self.request.arrays[array], self.tile.threads
        along_k = self.layouts[side] == "k"
        across = (self.tile.depth if along_k else edge) // chunk
        down = edge if along_k else self.tile.depth
        names = [e.args[0] for e in node.args[1:]]
        steps = {n: (f"{n} * {self._number(f'step{d}_{array}', layout.strides[d])}" if layout.strides[d] != 1 else n)
                 for d, n in enumerate(names) if layout.shape[d] != 1 or n in self.groups["k"] + self.groups[group]}
        start = " + ".join(steps[n] for n in self.groups["b"] if n in steps) or "0"
        (x_name,), (k_name,) = self.groups[group], self.groups["k"]
        lines = []
        for j in range(max(1, down * across // threads)):
            lines += [f"{indent}down_ = int32(thread // {across} + {j * (threads // across)})",
                      f"{indent}across_ = int32(thread % {across} * {chunk})"]
            one, other = (("first_" + group), k) if along_k else (k, "first_" + group)
            fixed, moving = (x_name, k_name) if along_k else (k_name, x_name)
            limit, end = (group, "last_k") if along_k else ("k", f"size_{group}")
            last = f"size_{limit}" if limit != "k" else "last_k"
            lines += [f"{indent}{fixed} = int32({one} + down_)", f"{indent}{moving} = int32({other} + across_)",
                      f"{indent}left_ = int32(min(16, ({end} - {moving}) * {size}))",
                      f"{indent}left_ = int32(left_ if {fixed} < {last} and left_ > 0 else 0)",
                      f"{indent}copy_async(uint32({self._spot(side, slot)}), {array}, {start} + {steps[x_name]} + "
                      f"{steps[k_name]}, left_)"]
        return lines

    def _spot(self, side, slot):
        """Text of where a copied piece goes: row `down_`, element `across_` of an operand's tile."""
        shift = f" + {self._bytes(0)}" if side else ""
        return f"{slot}{shift} + down_ * {self.strides[side]} + across_ * {self.kind.nbytes}"

    def _gathers(self, side, indent):
        """(lines before the loop, f(k) -> lines that load a tile to registers, f(slot) -> lines that store it)."""
        group, edge, threads, size = "mn"[side], self._edge(side), self.tile.threads, self.kind.nbytes
        depth, word = self.tile.depth, "left" if side == 0 else "right"
        by_k = self.layouts[side] == "k"
        lanes = depth if by_k else edge
        count = depth * edge // threads
        call = self._helper(side, "k" if by_k else group, group if by_k else "k")
        at = [f"{indent}{word}_own = int32(thread % {lanes})", f"{indent}{word}_row = int32(thread // {lanes})"]
        if not by_k:
            at += [*self._decoded(group, f"first_{group} + {word}_own", indent),
                   f"{indent}{word}_inside = first_{group} + {word}_own < size_{group}"]

        def load(k, indent):
            lines = []
            if by_k:
                lines = [*self._decoded("k", f"{k} + {word}_own", indent),
                         f"{indent}{word}_inside = {k} + {word}_own < last_k"]
            for j in range(count):
                moved = f"{word}_row + {j * (threads // lanes)}"
                number = f"int32(first_{group} + {moved})" if by_k else f"int32({k} + {moved})"
                limit = f"size_{group}" if by_k else "last_k"
                lines += [f"{indent}number = {number}",
                          f"{indent}{word}{j} = " + call("number", f"{word}_inside and number < {limit}")]
            return lines

        def store(slot, indent):
            shift = self._bytes(0) if side else 0
            return [f"{indent}shared_write(uint32({slot} + {shift} + ({word}_row + {j * (threads // lanes)}) * "
                    f"{self.strides[side]} + {word}_own * {size}), {word}{j})" for j in range(count)]
        return at, load, store

    def _write(self):
        request, tile, pad, deep = self.request, self.tile, " " * 4, " " * 8
        count = self.kind.count * self.kind.parts
        units = tile.units(self.kind)
        slot = self._bytes(0) + self._bytes(1)
        shape = f"{self.kind_name}_{units[0]}x{units[1]}"
        multiply = f"multiply_{shape}x{tile.depth}_" + "_".join(
            f"{layout}{step}" for layout, step in zip(self.layouts, self.strides, strict=True))
        sides = [None if self.copied[s] else self._gathers(s, pad) for s in (0, 1)]
        lines = [*self._block(pad), *self._decoded("b", "batch", pad)]
        for gathered in sides:
            lines += gathered[0] if gathered else []
        copies = [s for s in (0, 1) if self.copied[s]]
        copies, depth = [s for s in (0, 1) if self.copied[s]], tile.depth
        end = f"base + {slot * self.stages}"
        lines += [f"{pad}base = int32(shared_base())",
                  f"{pad}totals = zeros_{self.kind_name}_{units[0] * units[1] * count}()",
                  f"{pad}steps = int32((last_k - first_k + {depth - 1}) // {depth})",
                  f"{pad}step = int32({1 - self.stages})", f"{pad}here = int32(base + {slot})",
                  f"{pad}there = int32(base)", f"{pad}while step < steps:",
                  f"{deep}copies_wait_{self.stages - 2}()" if copies else "", f"{deep}barrier()",
                  f"{deep}ahead_k = int32(first_k + (step + {self.stages - 1}) * {depth})"]
        for side in copies:
            lines += self._copies(side, "ahead_k", "there", deep)
        lines += [f"{deep}copies_end()"] if copies else []
        for gathered in sides:
            lines += gathered[1]("ahead_k", deep) if gathered else []
        lines += [f"{deep}if step >= 0:",
                  f"{deep}    totals = {multiply}(totals, uint32(here + warp_a), uint32(here + warp_b))"]
        for gathered in sides:
            lines += gathered[2]("there", deep) if gathered else []
        for name in ("here", "there"):
            lines += [f"{deep}{name} = int32({name} + {slot})", f"{deep}if {name} == {end}:",
                      f"{deep}    {name} = int32(base)"]
        lines += [f"{deep}step = int32(step + 1)", f"{pad}copies_wait_0()" if copies else "", f"{pad}barrier()",
                  f"{pad}keep_{shape}_{self.keep_stride}(totals, uint32(base + warp_m * "
                  f"{tile.rows // tile.warps[0] * self.keep_stride} + warp_n * "
                  f"{tile.columns // tile.warps[1] * self.keeps}))", f"{pad}barrier()"]
        lines += self._results(pad)
        form = "".join(f"{layout}{'c' if c else 'g'}" for layout, c in zip(self.layouts, self.copied, strict=True))
        self.name = f"{request.name}_{self.kind_name}_tiles{tile.rows}x{tile.columns}_{form}" + (
            "_pieces" if self.pieces > 1 else "")
        self._finish(lines)

    def _finish(self, lines):
        """The text and the signature."""
        request = self.request
        outputs = ["out"] if self.pieces > 1 else nest.outputs(request)
        head = f"def {self.name}({', '.join([*request.arrays, *outputs, *self.numbers.names])}):"
        self.text = "\n".join([*self.definitions, head, *filter(None, lines)]) + "\n"
        written = [f"{self.total}*"] if self.pieces > 1 else [
            f"{write.storage(x.dtype.name)}*" for x in request.outputs]
        self.signature = (*(f"{write.storage(a.dtype.name)}*" for a in request.arrays.values()), *written,
                          *self.numbers.types)

    def _block(self, pad):
        """Which tile, piece and batch a block has, and a warp's part of the tile."""
        tile, size = self.tile, self.kind.nbytes
        down, across = -(-self.sizes["m"] // tile.rows), -(-self.sizes["n"] // tile.columns)
        depth = -(-self.sizes["k"] // tile.depth)
        piece = -(-depth // self.pieces) * tile.depth
        self.blocks = down * across * self.pieces * self.sizes["b"]
        for name, value in (("down", down), ("across", across), ("pieces", self.pieces)):
            self._number(name, value, "uint32")
        self._number("piece_size", piece, "int32")
        parts = []
        for side, name in ((0, "m"), (1, "n")):
            rows = self._edge(side) // tile.warps[side] * (self.strides[side] if self.layouts[side] == "k" else size)
            parts.append(f"int32(warp_{name} * {rows}{f' + {self._bytes(0)}' if side else ''})")
        return [f"{pad}thread = int32(thread_index())", f"{pad}warp_m = int32((thread >> 5) // {tile.warps[1]})",
                f"{pad}warp_n = int32((thread >> 5) % {tile.warps[1]})", f"{pad}block = uint32(block_index())",
                f"{pad}unit = uint32(block % uint32(down * across))",
                f"{pad}block = uint32(block // uint32(down * across))",
                f"{pad}piece = int32(block % pieces)", f"{pad}batch = int32(block // pieces)",
                f"{pad}bundle = uint32(unit // uint32(across * {GROUP}))",
                f"{pad}unit = uint32(unit % uint32(across * {GROUP}))",
                f"{pad}high = uint32(min(int64(down) - int64(bundle) * {GROUP}, {GROUP}))",
                f"{pad}first_m = int32((bundle * {GROUP} + unit % high) * {tile.rows})",
                f"{pad}first_n = int32(unit // high * {tile.columns})",
                f"{pad}first_k = int32(piece * piece_size)",
                f"{pad}last_k = int32(min(first_k + piece_size, size_k))",
                f"{pad}warp_a = {parts[0]}", f"{pad}warp_b = {parts[1]}"]

    def _results(self, pad):
        """Lines that store a tile's results from shared memory, rows of threads along n."""
        tile, deep, inside = self.tile, pad * 2, pad * 3
        lines = [f"{pad}column = int32(first_n + thread % {tile.columns})", f"{pad}row = int32(thread // "
                 f"{tile.columns})", f"{pad}if column < size_n:"]
        read = [f"{inside}value = shared_read_{self.total}(uint32(base + row * {self.keep_stride} + "
                f"thread % {tile.columns} * {self.keeps}))", f"{inside}line = int32(first_m + row)"]
        loop = [f"{deep}while row < {tile.rows} and first_m + row < size_m:"]
        step = [f"{inside}row = int32(row + {tile.threads // tile.columns})"]
        if self.pieces > 1:
            self._number("plane", self.sizes["b"] * self.sizes["m"] * self.sizes["n"])
            return [*lines, *loop, *read, f"{inside}out[piece * plane + (int64(batch) * size_m + line) * size_n + "
                    "column] = value", *step]
        return [*lines, *self._decoded("n", "column", deep), *loop, *read, *self._decoded("m", "line", inside),
                *self._finished(inside), *step]


class Joined(ProductText):
    """The kernel that adds the pieces of every result, in their order, and finishes them: a thread for each."""

    def __init__(self, request, roles, kind, pieces):
        super().__init__(request, roles, kind)
        self.units, pad, deep = self.sizes["b"] * self.sizes["m"] * self.sizes["n"], " " * 8, " " * 12
        wide = {"float32": "float64"}.get(self.total, self.total)
        self._number("pieces", pieces)
        self._number("plane", self.units)
        lines = [f"{pad}value = {wide}(parts[unit])", f"{pad}piece = int64(1)", f"{pad}while piece < pieces:",
                 f"{deep}value = value + {wide}(parts[piece * plane + unit])", f"{deep}piece = piece + 1",
                 f"{pad}column = int32(unit % size_n)", f"{pad}line = int32(unit // size_n % size_m)",
                 f"{pad}batch = int32(unit // size_n // size_m)", *self._decoded("b", "batch", pad),
                 *self._decoded("m", "line", pad), *self._decoded("n", "column", pad)]
        if wide != self.total:
            lines.append(f"{pad}whole = {self.total}(value)")
        lines += self._finished(pad, "whole" if wide != self.total else "value")
        self.name = f"{request.name}_{self.kind_name}_joined"
        given = ["parts", *request.arrays, *nest.outputs(request), *self.numbers.names]
        head = [f"def {self.name}({', '.join(given)}):",
                "    unit = grid()", "    if unit < plane:"]
        self.text = "\n".join([*self.definitions, *head, *lines]) + "\n"
        self.signature = (f"{self.total}*", *(f"{write.storage(a.dtype.name)}*" for a in request.arrays.values()),
                          *(f"{write.storage(x.dtype.name)}*" for x in request.outputs), *self.numbers.types)
