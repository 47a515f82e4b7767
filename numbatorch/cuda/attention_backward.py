"""The gradients of attention: one kernel walks over the keys for each tile of queries, one over the queries for each
tile of keys; both compute the weights again from what forward kept of each row. No sum depends on a schedule.

With P the weights and d = sum(grad * out) of each row: dV = P.T @ grad, dS = P * (grad @ V.T - d) * scale,
dQ = dS @ K, dK = dS.T @ Q. After Dao 2023, arXiv:2307.08691, algorithm 2.
"""

from itertools import accumulate

from ..expr import write
from . import backend
from .attention_text import THREADS, AttentionText
from .launching import call


def calls(request, kind, aligned):
    """f(query, key, value, out, base, inverse, grad, [mask,] grads of query, key, value, meta, units, grain)."""
    query, key = request.inputs[:2]
    heads, device = query.shape[0] * query.shape[1], query.device
    rows = heads * query.shape[2]
    name, text, signature, values = _delta(request)
    before = call(name, text, signature, device, values, -(-rows // 256))
    started = []
    for of_keys, length in ((False, query.shape[2]), (True, key.shape[2])):
        made = Backward(request, kind, aligned, of_keys)
        blocks = -(-length // made.rows)
        kernel = made.kernel(blocks)
        started.append(call(*kernel[:3], device, kernel[3], heads * blocks, THREADS, shared=made.shared))
    runtime, has_mask = backend.on(device.index), len(request.inputs) > 7

    def run(query, key, value, out, base, inverse, grad, *rest):
        mask, (to_query, to_key, to_value, *more) = rest[: int(has_mask)], rest[int(has_mask):]
        delta = runtime.allocate(4 * rows)
        before(out, grad, delta.address, *more)
        read = query, key, value, grad, base, inverse, delta.address, *mask
        started[0](*read, to_query, *more)
        started[1](*read, to_key, to_value, *more)
    run.within = before, *started
    return run


def _delta(request):
    """The kernel of sum(grad * out) of each row: a thread for each."""
    query, out, grad = request.inputs[0], request.inputs[3], request.inputs[6]
    batch, heads, length, columns = grad.shape
    names, dtype = [], query.dtype.name
    values = []
    for label, layout in (("out", out), ("grad", grad)):
        for axis, n, s in zip(("batch", "head", "row"), layout.shape, layout.strides, strict=False):
            names.append(f"{axis}_{label}")
            values.append(0 if n == 1 else s)
    lines = ["    unit = grid()", "    if unit < rows:", "        row = unit % length", "        one = unit // length",
             *(f"        at_{x} = one // heads * batch_{x} + one % heads * head_{x} + row * row_{x}"
               for x in ("out", "grad")), "        total = float64(0)", "        i = int64(0)",
             f"        while i < {columns}:",
             f"            a = {write.load('out[at_out + i]', dtype, 'float32')}",
             f"            b = {write.load('grad[at_grad + i]', dtype, 'float32')}",
             "            total = total + float64(a) * float64(b)", "            i = i + 1",
             "        delta[unit] = float32(total)"]
    name = f"attention_delta_{dtype}_{columns}"
    names += ["heads", "length", "rows"]
    values += [heads, length, batch * heads * length]
    storage = f"{write.storage(dtype)}*"
    text = "\n".join([f"def {name}(out, grad, delta, {', '.join(names)}):", *lines]) + "\n"
    return name, text, (storage, storage, "float32*", *["int64"] * len(names)), tuple(values)


class Backward(AttentionText):
    """The kernel of the gradient of the query, or (of_keys) of those of key and value.

    A block's own rows are of query and grad, the others it walks over of key and value; of_keys: the other way round.
    Arrangements say how many places the four tiles have: with three, the others take turns at one; with two, pairs do.
    """

    arrangements = (64, 4), (32, 4), (32, 3), (32, 2)

    def __init__(self, request, kind, aligned, of_keys):
        super().__init__(request, kind, aligned)
        self.of_keys, self.has_mask = of_keys, len(request.inputs) > 7

    def arrange(self, rows, own):
        """Bytes of shared memory."""
        sizes, turn = [rows * s for s in self.strides], rows * max(self.strides)
        ends = list(accumulate({4: (*sizes, *sizes), 3: (*sizes, turn), 2: (turn, turn)}[own], initial=0))
        self.places_ = {4: ends[:4], 3: [*ends[:3], ends[2]], 2: [0, 0, turn, turn]}[own]  # of own and other tiles
        halves = [rows * self.weight_stride] * (2 if self.is_half else 0)
        self.marks = list(accumulate([rows * self.score_stride] * 2 + halves, initial=ends[-1]))
        return max(self.marks[-1], rows * (max(self.padded) * 4 + 32))

    def kernel(self, blocks):
        """(name, text, signature, values)."""
        rows, deep, of_keys = self.rows, " " * 8, self.of_keys
        inputs = self.request.inputs
        layouts = {"query": inputs[0], "key": inputs[1], "value": inputs[2], "grad": inputs[6]}
        if self.has_mask:
            layouts["mask"] = inputs[7]
        own, other = (("key", "value"), ("query", "grad")) if of_keys else (("query", "grad"), ("key", "value"))
        limits = ("sources", "length") if of_keys else ("length", "sources")
        first_scores, second_scores, *weights = (f"base + {p}" for p in self.marks[:-1])
        first_weights, second_weights = weights or (first_scores, second_scores)
        tiles = [(name, letter, place, *where) for (name, letter), place, where in zip(
            ((own[0], "e"), (own[1], "v"), (other[0], "e"), (other[1], "v")), self.places_,
            [("first", limits[0])] * 2 + [("at", limits[1])] * 2, strict=True)]
        own1, own2, other1, other2 = (f"base + {p}" for p in self.places_)
        there: dict[int, str] = {}  # which tile is at a place

        def have(*wanted, meet=True):
            """Lines that bring the tiles that are not there yet; meet: what was there may still be read."""
            missing = [tiles[k] for k in wanted if there.get(tiles[k][2]) != tiles[k][0]]
            there.update({place: name for name, _, place, *_ in missing})
            lines = [f"{deep}bring_{letter}({name}, int32(base + {place}), {first}, {limit}, start_{name}, row_{name})"
                     for name, letter, place, first, limit in missing]
            return [*([f"{deep}barrier()"] if meet else []), *lines, f"{deep}copies_end()", f"{deep}copies_wait_0()",
                    f"{deep}barrier()"] if lines else []
        stay = [k for k in (0, 1) if self.places_.count(self.places_[k]) == 1]
        lines = [*self.head(), *(f"    start_{n} = {self.places(n, x)}" for n, x in layouts.items()),
                 *(line[4:] for line in have(*stay)[1:-3]),
                 f"    slopes = {self.zeros(self.padded[0])}",
                 f"    more = {self.zeros(self.padded[1])}" if of_keys else "",
                 "    at = int32(0)", f"    last = int32({limits[1]})"]
        if self.is_causal:
            lines.append(f"    at = int32(first // {rows} * {rows})" if of_keys else
                         f"    last = int32(min(last, first + {rows}))")
        together = range(4) if len(set(self.places_)) == 4 else (0, 2)
        lines += ["    while at < last:", *have(*together, meet=False), f"{deep}scores = {self.zeros(rows)}",
                  *self.by_rows("scores", 0, own1, other1, deep),
                  self.keep("scores", rows, first_scores, self.score_stride, deep), *have(1, 3),
                  f"{deep}scores = {self.zeros(rows)}", *self.by_rows("scores", 1, own2, other2, deep),
                  self.keep("scores", rows, second_scores, self.score_stride, deep), f"{deep}barrier()",
                  *self._slopes(first_scores, second_scores, first_weights, second_weights, deep), f"{deep}barrier()",
                  *(self.by_weights("more", 1, second_weights, other2, deep) if of_keys else []), *have(2),
                  *self.by_weights("slopes", 0, first_weights, other1, deep),
                  f"{deep}barrier()", f"{deep}at = int32(at + {rows})", "    copies_end()", "    copies_wait_0()",
                  *self.store("slopes", 0, "to_first", limits[0], self.request.outputs[of_keys])]
        if of_keys:
            lines += self.store("more", 1, "to_second", limits[0], self.request.outputs[2])
        results = ["to_first", "to_second"] if of_keys else ["to_first"]
        arrays = ["query", "key", "value", "grad", "to_base", "to_inverse", "delta",
                  *(["mask"] if self.has_mask else []), *results]
        storage = f"{self.storage}*"
        types = [storage] * 4 + ["float32*"] * 3 + [storage] * (self.has_mask + len(results))
        return self.finished(self.name("backward_keys" if of_keys else "backward_queries"), arrays, types,
                             [line for line in lines if line], blocks)

    def _slopes(self, first_scores, second_scores, first_weights, second_weights, pad):
        """Lines that turn scores and products with grad into slopes and, of keys, weights."""
        deep, inside, rows = pad + "    ", pad + " " * 8, self.rows
        query, key = ("at + column", "first + row") if self.of_keys else ("first + row", "at + column")
        tests = [f"{query} < length", f"{key} < sources"] + ([f"{key} <= {query}"] if self.is_causal else [])
        added = "" if not self.has_mask else " + " + write.load(
            f"mask[start_mask + int64({query}) * row_mask + int64({key}) * column_mask]", self.dtype, "float32")

        def place(start, is_weight=False):
            stride, size = (self.weight_stride, self.size) if is_weight else (self.score_stride, 4)
            return f"uint32({start} + row * {stride} + column * {size})"
        lines = [f"{pad}i = thread", f"{pad}while i < {rows * rows}:", f"{deep}row = int32(i // {rows})",
                 f"{deep}column = int32(i % {rows})", f"{deep}weight, slope = float32(0), float32(0)",
                 f"{deep}if {' and '.join(tests)}:", f"{inside}line = one * length + {query}",
                 f"{inside}score = shared_read_float32({place(first_scores)}) * scale{added}",
                 f"{inside}weight = exp_float32(score - to_base[line]) * to_inverse[line]",
                 f"{inside}slope = weight * (shared_read_float32({place(second_scores)}) - delta[line]) * scale",
                 f"{deep}shared_write({place(first_weights, True)}, {write.store('slope', 'float32', self.dtype)})"]
        if self.of_keys:
            lines.append(f"{deep}shared_write({place(second_weights, True)}, "
                         f"{write.store('weight', 'float32', self.dtype)})")
        return [*lines, f"{deep}i = int32(i + {THREADS})"]
