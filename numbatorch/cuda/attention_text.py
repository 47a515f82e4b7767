"""Parts of kernels of attention: tiles of rows in shared memory, products of them, results.

All matrices of a head are brought as rows of `size` elements, padded with zeros; a block has 2 x 2 warps. Tiles not
needed at the same time take turns at one place where all of them would be too large: heads of up to 256 fit.
"""

from ..expr import write
from . import geometry, matrix_tiles

THREADS = 128
LIMIT = 99 << 10  # bytes of shared memory of a block that every GPU from sm_80 on has
PAD = 16


class AttentionText:
    """What the kernels of attention share. sizes: (E, V); aligned: whether rows are copied 16 bytes at a time.

    arrangements: rows of a tile, and which tiles have places of their own, the best first; arrange(rows, own) says how
    many bytes one takes.
    """

    arrangements: tuple
    multiple = 32  # of which rows of a tile have so many elements

    def __init__(self, request, kind, aligned):
        self.request, self.kind_name, self.kind, self.aligned = request, kind, matrix_tiles.KINDS[kind], aligned
        query, key, value = request.inputs[:3]
        self.dtype, self.size = query.dtype.name, query.dtype.itemsize
        self.storage = write.storage(self.dtype)
        self.sizes = query.shape[3], value.shape[3]
        self.padded = [-(-n // self.multiple) * self.multiple for n in self.sizes]
        self.strides = [n * self.size + PAD for n in self.padded]
        self.numbers = geometry.Parameters()
        self.is_half = self.size == 2
        for rows, own in self.arrangements:
            self.rows, self.score_stride = rows, rows * 4 + PAD
            self.weight_stride = rows * self.size + PAD
            self.shared = self.arrange(rows, own)
            if self.shared <= LIMIT:
                break
        self.definitions = [line for e in (0, 1) for line in self._bring(e)]
        causal = request.options["causal"]
        self.is_causal, self.has_mask = causal, False
        self.numbers.add("scale", float(request.options["scale"]), "float32")
        for name, n in (("heads", query.shape[1]), ("length", query.shape[2]), ("sources", key.shape[2])):
            self.numbers.add(name, n, "int32")

    def arrange(self, rows, own):
        """Give every tile its place; the bytes of shared memory that this takes."""
        raise NotImplementedError

    def _bring(self, e):
        """A function of the kernel that brings rows of E (0) or V (1) to shared memory."""
        n, padded, stride = self.sizes[e], self.padded[e], self.strides[e]
        each = 16 // self.size if self.aligned else 1
        across = padded // each
        lines = [f"def bring_{'ev'[e]}(pointer, address, first, limit, start, step):", "    i = int32(thread_index())",
                 f"    while i < {self.rows * across}:", f"        row = int32(i // {across})",
                 f"        column = int32(i % {across} * {each})", "        inside = first + row < limit"]
        place = f"uint32(address + row * {stride} + column * {self.size})"
        source = "start + int64(first + row) * step + column"
        if self.aligned:
            lines += [f"        nbytes = int32(min(16, ({n} - column) * {self.size}))",
                      "        nbytes = int32(nbytes if inside and nbytes > 0 else 0)",
                      f"        copy_async({place}, pointer, {source}, nbytes)"]
        else:
            lines += [f"        number = {self.storage}(0)", f"        if inside and column < {n}:",
                      f"            number = pointer[{source}]", f"        shared_write({place}, number)"]
        return [*lines, f"        i = int32(i + {THREADS})", "", ""]

    def places(self, name, layout):
        """Text of where a layout's head starts; its steps become parameters."""
        steps = [self.numbers.add(f"{axis}_{name}", 0 if n == 1 else s) for axis, n, s in zip(
            ("batch", "head", "row", "column"), layout.shape, layout.strides, strict=True)]
        share = self.request.inputs[0].shape[1] // layout.shape[1]  # heads of query that read the same one
        return f"batch * {steps[0]} + {f'head // {share}' if share > 1 else 'head'} * {steps[1]}"

    def head(self):
        """Lines that tell a block's head and rows, and a warp's part of a tile."""
        return ["    thread = int32(thread_index())", "    warp_m = int32((thread >> 5) // 2)",
                "    warp_n = int32((thread >> 5) % 2)", "    unit = block_index()",
                f"    first = int32(unit % blocks * {self.rows})", "    one = unit // blocks",
                "    batch = one // heads", "    head = one % heads", "    base = int32(shared_base())"]

    def units(self, columns):
        """(down, across) units of a warp in a result of so many columns."""
        return self.rows // 2 // self.kind.unit[0], columns // 2 // self.kind.unit[1]

    def zeros(self, columns):
        """Text of totals of nothing."""
        down, across = self.units(columns)
        return f"zeros_{self.kind_name}_{down * across * self.kind.count}()"

    def by_rows(self, target, e, first, second, indent):
        """Lines of target = the products of the rows of two tiles of E or V: (rows, rows)."""
        down, across = self.units(self.rows)
        stride = self.strides[e]
        name = f"multiply_{self.kind_name}_{down}x{across}x32_k{stride}_k{stride}"
        return self._product(target, name, self.padded[e],
                             f"{first} + warp_m * {self.rows // 2 * stride}", 32 * self.size,
                             f"{second} + warp_n * {self.rows // 2 * stride}", 32 * self.size, indent)

    def by_weights(self, target, e, weights, rows, indent):
        """Lines of target += weights (rows, rows) @ a tile of rows of E or V."""
        down, across = self.units(self.padded[e])
        stride = self.strides[e]
        name = f"multiply_{self.kind_name}_{down}x{across}x32_k{self.weight_stride}_x{stride}"
        return self._product(target, name, self.rows, f"{weights} + warp_m * {self.rows // 2 * self.weight_stride}",
                             32 * self.size, f"{rows} + warp_n * {self.padded[e] // 2 * self.size}", 32 * stride,
                             indent)

    def _product(self, target, name, depth, a, step_a, b, step_b, indent):
        if depth == 32:
            return [f"{indent}{target} = {name}({target}, uint32({a}), uint32({b}))"]
        return [f"{indent}deep = int32(0)", f"{indent}while deep < {depth // 32}:",
                f"{indent}    {target} = {name}({target}, uint32({a} + deep * {step_a}), "
                f"uint32({b} + deep * {step_b}))",
                f"{indent}    deep = int32(deep + 1)"]

    def keep(self, totals, columns, address, stride, indent):
        """The line that writes totals as rows of float32."""
        down, across = self.units(columns)
        return (f"{indent}keep_{self.kind_name}_{down}x{across}_{stride}({totals}, uint32({address} + warp_m * "
                f"{self.rows // 2 * stride} + warp_n * {columns // 2 * 4}))")

    def to(self, name, layout):
        """Text of where a row's element goes in a result of this layout; its steps become parameters."""
        steps = [self.numbers.add(f"{axis}_{name}", s) for axis, s in zip(("batch", "head", "row"), layout.strides,
                                                                          strict=False)]
        return f"batch * {steps[0]} + head * {steps[1]} + int64(first + row) * {steps[2]} + column"

    def store(self, totals, e, out, limit, layout):
        """Lines that store totals as rows of a result (limit, E or V) of the head."""
        n, stride = self.sizes[e], self.padded[e] * 4 + 32
        return ["    barrier()", self.keep(totals, self.padded[e], "base", stride, "    "), "    barrier()",
                "    i = thread", f"    while i < {self.rows * n}:", f"        row = int32(i // {n})",
                f"        column = int32(i % {n})", f"        if first + row < {limit}:",
                f"            value = shared_read_float32(uint32(base + row * {stride} + column * 4))",
                f"            {out}[{self.to(out, layout)}] = "
                f"{write.store('value', 'float32', self.dtype)}", f"        i = int32(i + {THREADS})"]

    def finished(self, name, arrays, types, lines, blocks):
        """The kernel as (name, text, signature, values)."""
        self.numbers.add("blocks", blocks)
        text = [*self.definitions, f"def {name}({', '.join([*arrays, *self.numbers.names])}):", *lines]
        return name, "\n".join(text) + "\n", (*types, *self.numbers.types), tuple(self.numbers.values)

    def name(self, what):
        """The kernel's name."""
        form = f"{'_masked' if self.has_mask else ''}{'_causal' if self.is_causal else ''}"
        return f"attention_{what}_{self.kind_name}_{self.sizes[0]}_{self.sizes[1]}_rows{self.rows}{form}" + (
            "" if self.aligned else "_odd")
