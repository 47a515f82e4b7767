"""Template of attention: softmax(query @ key.mT * scale + mask) @ value by tiles of rows, without a matrix of weights.

A block takes some rows of the query and walks over the keys: scores of a tile, the largest so far, weights by it, and
their product with the values, to which the totals are rescaled. After Dao 2023, arXiv:2307.08691, algorithm 1, with
scores in shared memory. Gradients in attention_backward.py; half precision on sm_90a in wide_attention.py.
"""

from ..expr import write
from ..expr.kinds import Launch
from . import contraction, wide_attention, wide_gemm
from .attention_text import THREADS, AttentionText
from .launching import call


def forward(request):
    """query (B, H, L, E), key (B, H, S, E), value (B, H, S, V), mask or None -> result, base, inverse (B, H, L)."""
    return launch(request, lambda kind, aligned: _calls(request, kind, aligned))


def backward(request):
    """query, key, value, out, base, inverse, grad, mask or None -> gradients of query, key, value."""
    from .attention_backward import calls
    return launch(request, lambda kind, aligned: calls(request, kind, aligned))


def launch(request, make):
    """The Launch of what make(kind, aligned) gives: f(*operands, *results, meta, units, grain)."""
    even, places, made = is_even(request), [k for k, _ in _read(request)], {}
    mask = 3 if request.function == "forward" else 7
    absent = len(request.inputs) == mask

    def run(*given):
        if absent:  # its place holds no address
            given = given[:mask] + given[mask + 1:]
        aligned = even and not any(given[k] & 15 for k in places)
        key = contraction.kind_of(request.inputs[0]), aligned
        if key not in made:
            made[key] = make(*key)
        made[key](*given)
    run.within = made
    return Launch(run, 0, 1, 1)


def _read(request):
    """(number, layout) of the operands that are copied to shared memory."""
    return [(k, x) for k, x in enumerate(request.inputs[:7]) if x.ndim == 4 and (k < 3 or k == 6)]


def is_even(request):
    """Whether rows of operands are multiples of 16 bytes apart, so that they can be copied 16 bytes at a time."""
    return all(s * x.dtype.itemsize % 16 == 0 for _, x in _read(request)
               for n, s in zip(x.shape[:3], x.strides[:3], strict=True) if n > 1)


def _calls(request, kind, aligned):
    query = request.inputs[0]
    is_wide = aligned and kind in ("bfloat16", "float16") and wide_gemm.here(query.device)
    text = wide_attention.WideForward(request, kind) if is_wide else Forward(request, kind, aligned)
    blocks = -(-query.shape[2] // text.rows)
    made = text.kernel(blocks)
    return call(*made[:3], query.device, made[3], query.shape[0] * query.shape[1] * blocks,
                wide_attention.THREADS if is_wide else THREADS, shared=text.shared)


class Forward(AttentionText):
    """The kernel of the result. In an arrangement that says so values have a place of their own, else that of keys."""

    arrangements = (64, True), (64, False), (32, True), (32, False)

    def __init__(self, request, kind, aligned):
        super().__init__(request, kind, aligned)
        self.has_mask = len(request.inputs) > 3

    def arrange(self, rows, own):
        """Bytes of shared memory."""
        self.keys = rows * self.strides[0]
        self.values = 2 * self.keys if own else self.keys
        self.is_early = own  # whether values and the next keys are copied while something is computed from the others
        self.scores = self.values + rows * (self.strides[1] if own else max(self.strides))
        self.weights = self.scores + (rows * self.score_stride if self.is_half else 0)
        self.factors = self.weights + rows * self.weight_stride
        return max(self.factors + 4 * rows, rows * (self.padded[1] * 4 + 32))

    def kernel(self, blocks):
        """(name, text, signature, values)."""
        request, rows, columns = self.request, self.rows, self.padded[1]
        starts = [self.places(n, x) for n, x in zip(("query", "key", "value", "mask"), request.inputs, strict=False)]
        down, across = self.units(columns)
        each = THREADS // rows
        per_row = [1, 2][: each.bit_length() - 1]
        deep = " " * 8
        lines = [*self.head(), *(f"    start_{n} = {text}" for n, text in zip(
            ("query", "key", "value", "mask"), starts, strict=False)),
            "    bring_e(query, base, first, length, start_query, row_query)",
            f"    bring_e(key, int32(base + {self.keys}), int32(0), sources, start_key, row_key)", "    copies_end()",
            f"    result = {self.zeros(columns)}", f"    row = int32(thread // {each})",
            f"    part = int32(thread % {each})", "    highest, total = float32(-inf), float32(0)",
            "    limit = int32(sources)", "    last = int32(sources)"]
        if self.is_causal:
            lines += ["    limit = int32(min(limit, first + row + 1))",
                      f"    last = int32(min(last, first + {rows}))"]
        values = [f"{deep}bring_v(value, int32(base + {self.values}), at, sources, start_value, row_value)",
                  f"{deep}copies_end()"]
        keys = [f"{deep}if at + {rows} < last:", f"{deep}    bring_e(key, int32(base + {self.keys}), "
                f"int32(at + {rows}), sources, start_key, row_key)", f"{deep}copies_end()"]
        early, wait = self.is_early, f"{deep}copies_wait_{int(self.is_early)}()"
        lines += ["    at = int32(0)", "    while at < last:", *(values if early else []), wait, f"{deep}barrier()",
                  f"{deep}scores = {self.zeros(rows)}",
                  *self.by_rows("scores", 0, "base", f"base + {self.keys}", deep),
                  self.keep("scores", rows, f"base + {self.scores}", self.score_stride, deep), f"{deep}barrier()",
                  *(keys if early else values), *self._weights(per_row, each, deep), wait, f"{deep}barrier()",
                  f"{deep}result = rescale_{self.kind_name}_{down}x{across}(result, uint32(base + {self.factors} + "
                  f"warp_m * {rows // 2 * 4}))",
                  *self.by_weights("result", 1, f"base + {self.weights}", f"base + {self.values}", deep),
                  f"{deep}barrier()", *([] if early else keys), f"{deep}at = int32(at + {rows})",
                  "    inverse = float32(0) if total == float32(0) else float32(1) / total", "    if part == 0:",
                  f"        shared_write(uint32(base + {self.factors} + row * 4), inverse)",
                  "        if first + row < length:",
                  "            to_base[one * length + first + row] = highest if highest != -inf else float32(0)",
                  "            to_inverse[one * length + first + row] = inverse", "    copies_wait_0()",
                  "    barrier()",
                  f"    result = rescale_{self.kind_name}_{down}x{across}(result, uint32(base + {self.factors} + "
                  f"warp_m * {rows // 2 * 4}))", *self.store("result", 1, "out", "length", self.request.outputs[0])]
        arrays = ["query", "key", "value", *(["mask"] if self.has_mask else []), "out", "to_base", "to_inverse"]
        types = [f"{self.storage}*"] * (len(arrays) - 2) + ["float32*"] * 2
        return self.finished(self.name("forward"), arrays, types, lines, blocks)

    def _weights(self, per_row, each, pad):
        """Lines that turn a tile of scores into weights, by the largest score so far of each row."""
        deep = pad + "    "
        place = f"uint32(base + {self.scores} + row * {self.score_stride} + column * 4)"
        lines = [f"{pad}high = highest", f"{pad}column = part", f"{pad}while column < {self.rows}:",
                 f"{deep}score = shared_read_float32({place}) * scale"]
        if self.has_mask:
            added = write.load("mask[start_mask + int64(first + row) * row_mask + int64(at + column) * column_mask]",
                               self.dtype, "float32")
            lines += [f"{deep}if first + row < length and at + column < sources:", f"{deep}    score = score + {added}"]
        lines += [f"{deep}if at + column >= limit:", f"{deep}    score = float32(-inf)",
                  f"{deep}shared_write({place}, score)", f"{deep}high = maximum(high, score)",
                  f"{deep}column = int32(column + {each})",
                  *(f"{pad}high = maximum(high, shuffle_xor(high, {step}))" for step in per_row),
                  f"{pad}pivot = high if high != -inf else float32(0)",
                  f"{pad}factor = exp_float32(highest - pivot)", f"{pad}own = float32(0)", f"{pad}column = part",
                  f"{pad}while column < {self.rows}:",
                  f"{deep}weight = exp_float32(shared_read_float32({place}) - pivot)",
                  f"{deep}own = own + weight"]
        if self.is_half:
            lines.append(f"{deep}shared_write(uint32(base + {self.weights} + row * {self.weight_stride} + column * 2), "
                         f"{write.store('weight', 'float32', self.dtype)})")
        else:
            lines.append(f"{deep}shared_write({place}, weight)")
        return [*lines, f"{deep}column = int32(column + {each})",
                *(f"{pad}own = own + shuffle_xor(own, {step})" for step in per_row),
                f"{pad}total = total * factor + own", f"{pad}highest = high", f"{pad}if part == 0:",
                f"{deep}shared_write(uint32(base + {self.factors} + row * 4), factor)"]
