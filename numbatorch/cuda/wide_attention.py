"""Attention in half precision on sm_90a by groups of four warps: scores and totals stay in registers.

As in attention.py, with 64 rows of the query a group. A row of scores belongs to four threads, which find its largest
and its sum by shuffles; its weights, rounded to half precision, are the left operand of the product with the values as
they lie in registers. Tiles are swizzled rows of 128 bytes (warpgroups.py), values read across. After Shah et al. 2024,
arXiv:2407.08608, without their specialised warps.
"""

from ..expr import write
from .attention_text import AttentionText
from .warpgroups import ROW

THREADS, ROWS, KEYS = 256, 128, 64
COUNT = KEYS // 2  # scores of a thread


class WideForward(AttentionText):
    """The kernel of the result, for a head whose rows are copied 16 bytes at a time."""

    arrangements = ((ROWS, True),)
    multiple = 64

    def __init__(self, request, kind):
        super().__init__(request, kind, True)
        self.has_mask = len(request.inputs) > 3

    def arrange(self, rows, own):
        """Bytes of shared memory: the query, and two slots for tiles of keys and values."""
        self.slots = ROWS * 2 * self.padded[0]
        self.values = KEYS * 2 * self.padded[0]
        self.slot = self.values + KEYS * 2 * self.padded[1]
        self.keep_stride = self.padded[1] * 4 + 32
        return max(self.slots + 2 * self.slot, ROWS * self.keep_stride)

    def _bring(self, e):
        """A function of the kernel that brings rows of E (0) or V (1) to shared memory."""
        n, across = self.sizes[e], self.padded[e] // 8
        return [f"def bring_{'ev'[e]}(pointer, address, rows, first, limit, start, step):",
                "    i = int32(thread_index())", f"    while i < rows * {across}:",
                f"        row = int32(i // {across})",
                f"        piece = int32(i % {across})", f"        nbytes = int32(min(16, ({n} - piece * 8) * 2))",
                "        nbytes = int32(nbytes if first + row < limit and nbytes > 0 else 0)",
                f"        copy_async(uint32(address + piece // 8 * (rows * {ROW}) + row * {ROW} + "
                "((piece ^ row) & 7) * 16), pointer, start + int64(first + row) * step + piece * 8, nbytes)",
                f"        i = int32(i + {THREADS})", "", ""]

    def kernel(self, blocks):
        """(name, text, signature, values)."""
        names, columns, deep = ("query", "key", "value", "mask"), self.padded[1], " " * 8
        starts = [self.places(n, x) for n, x in zip(names, self.request.inputs, strict=False)]

        def bring(at, slot, pad):
            return [f"{pad}bring_e(key, int32({slot}), {KEYS}, {at}, sources, start_key, row_key)",
                    f"{pad}bring_v(value, int32({slot} + {self.values}), {KEYS}, {at}, sources, start_value, "
                    "row_value)", f"{pad}copies_end()"]
        lines = [*self.head(), *(f"    start_{n} = {text}" for n, text in zip(names, starts, strict=False)),
                 "    lane, group = int32(thread & 31), int32(thread >> 7)",
                 "    row0 = int32(first + group * 64 + (thread >> 5 & 3) * 16 + (lane >> 2))",
                 "    row1 = int32(row0 + 8)", "    place = int32((lane & 3) * 2)",
                 "    limit0, limit1, last = int32(sources), int32(sources), int32(sources)"]
        if self.is_causal:
            lines += [*(f"    limit{r} = int32(min(limit{r}, row{r} + 1))" for r in (0, 1)),
                      f"    last = int32(min(last, first + {ROWS}))"]
        lines += [f"    bring_e(query, base, {ROWS}, first, length, start_query, row_query)",
                  f"    here, there = int32(base + {self.slots}), int32(base + {self.slots + self.slot})",
                  *bring("int32(0)", "here", "    "), f"    group_begin_{columns}()",
                  f"    group_scores_begin_{KEYS}()", f"    group_scale_{columns}(float32(0), float32(0))",
                  *(f"    highest{r}, total{r} = float32(-inf), float32(0)" for r in (0, 1)), "    at = int32(0)",
                  "    while at < last:", f"{deep}group_wait_0()", f"{deep}copies_wait_0()", f"{deep}group_fence()",
                  f"{deep}barrier()", *bring(f"int32(at + {KEYS})", "there", deep),
                  f"{deep}group_scores_{self.kind_name}_{KEYS}_{self.padded[0]}_{ROWS}("
                  f"uint32(base + group * {64 * ROW}), uint32(here))", f"{deep}group_wait_0()", *self._weights(deep),
                  f"{deep}group_scale_{columns}(factor0, factor1)",
                  f"{deep}group_weigh_{self.kind_name}_{columns}_{KEYS}(uint32(here + {self.values}))",
                  f"{deep}here, there = there, here", f"{deep}at = int32(at + {KEYS})",
                  "    group_wait_0()", "    copies_wait_0()"]
        for r in (0, 1):
            lines += [f"    inverse{r} = float32(0) if total{r} == float32(0) else float32(1) / total{r}",
                      f"    if place == 0 and row{r} < length:",
                      f"        to_base[one * length + row{r}] = highest{r} if highest{r} != -inf else float32(0)",
                      f"        to_inverse[one * length + row{r}] = inverse{r}"]
        n = self.sizes[1]
        lines += [f"    group_scale_{columns}(inverse0, inverse1)", "    barrier()",
                  f"    group_keep_{columns}_{self.keep_stride}(uint32(base + group * {64 * self.keep_stride}))",
                  "    barrier()", "    i = thread", f"    while i < {ROWS * n}:", f"        row = int32(i // {n})",
                  f"        column = int32(i % {n})", "        if first + row < length:",
                  f"            value_ = shared_read_float32(uint32(base + row * {self.keep_stride} + column * 4))",
                  f"            out[{self.to('out', self.request.outputs[0])}] = "
                  f"{write.store('value_', 'float32', self.dtype)}", f"        i = int32(i + {THREADS})"]
        arrays = ["query", "key", "value", *(["mask"] if self.has_mask else []), "out", "to_base", "to_inverse"]
        types = [f"{self.storage}*"] * (len(arrays) - 2) + ["float32*"] * 2
        return self.finished(self.name("groups"), arrays, types, lines, blocks)

    def _weights(self, pad):
        """Lines that turn a thread's scores of a tile into weights, by the largest score so far of both of its rows."""
        lines, deep = [], pad + "    "
        for i in range(COUNT):
            row, column = i // 2 % 2, f"at + place + {i // 4 * 8 + i % 2}"
            lines.append(f"{pad}s{i} = group_score_{i}() * scale")
            if self.has_mask:
                added = write.load(f"mask[start_mask + int64(row{row}) * row_mask + int64({column}) * column_mask]",
                                   self.dtype, "float32")
                lines += [f"{pad}if row{row} < length and {column} < sources:", f"{deep}s{i} = s{i} + {added}"]
            lines.append(f"{pad}s{i} = s{i} if {column} < limit{row} else float32(-inf)")
        for r in (0, 1):
            own = [i for i in range(COUNT) if i // 2 % 2 == r]
            lines += [f"{pad}high = highest{r}", *(f"{pad}high = maximum(high, s{i})" for i in own),
                      *(f"{pad}high = maximum(high, shuffle_xor(high, {step}))" for step in (1, 2)),
                      f"{pad}pivot = high if high != -inf else float32(0)",
                      f"{pad}factor{r} = exp_float32(highest{r} - pivot)", f"{pad}own = float32(0)"]
            for i in own:
                lines += [f"{pad}s{i} = exp_float32(s{i} - pivot)", f"{pad}own = own + s{i}"]
            lines += [*(f"{pad}own = own + shuffle_xor(own, {step})" for step in (1, 2)),
                      f"{pad}total{r} = total{r} * factor{r} + own", f"{pad}highest{r} = high"]
        for k in range(COUNT // 2):
            low, high = (write.store(f"s{2 * k + half}", "float32", self.dtype) for half in (0, 1))
            lines.append(f"{pad}group_weight_{k}(uint32(uint32({low}) | (uint32({high}) << uint32(16))))")
        return lines
