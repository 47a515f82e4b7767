"""Kernels of attention in float32, as LLVM IR: forward and backward without the matrix of weights.

Keys are taken in blocks: scores of some queries against a block stay in the first-level cache, are turned into
exponentials there and meet the values at once. Forward keeps for each query the largest score and the sum of
exponentials, and rescales what it has when a later block raises them (online softmax after Milakov & Gimelshein 2018,
arXiv:1805.02867; blocks after Dao et al. 2022, arXiv:2205.14135). Backward computes the weights once more.
"""

from __future__ import annotations

import struct

from numbatorch.cpu.dots import write_dots
from numbatorch.cpu.irwriter import Function, Module, Value
from numbatorch.cpu.microkernel import Target, multiply_add, sum_lanes, write_rows, zero

KEYS = 256  # of a block: as deep as a block of GEMM's sums, hence as accurate
DEPTH = 256  # largest size of a head
PADDING = 64  # bytes between rows of a block, whose starts would else fall into the same few sets of the cache
PITCH = KEYS * 4 + PADDING
FEW_QUERIES = 4  # up to which turning a block of keys costs more than sums over lanes
BACKWARD_TILES = 4  # of queries at once: the depth of the products for the gradients of keys and values

META = (
    "heads length sources depth columns q_batch q_head q_row k_batch k_head k_row v_batch v_head v_row mask_batch "
    "mask_head mask_row o_batch o_head o_row g_batch g_head g_row dq_batch dq_head dq_row dk_batch dk_head dk_row "
    "dv_batch dv_head dv_row causal scale rows_per_unit units_per_head tile few group tiles transpose"
).split()


def _constant(f: Function, lanes: int, value: float) -> Value:
    """A float32 as LLVM writes it, in every lane."""
    (exact,) = struct.unpack("<f", struct.pack("<f", value))
    text = f"0x{struct.unpack('<Q', struct.pack('<d', exact))[0]:016X}"
    return Value(f, f"<{lanes} x float>", "<" + ", ".join([f"float {text}"] * lanes) + ">")


def _float(f: Function, instruction: str, a: Value, b: Value) -> Value:
    return f.emit(a.type, f"{instruction} {a.type} {a.text}, {b.text}")


def _choose(f: Function, condition: Value, a: Value, b: Value) -> Value:
    return f.emit(a.type, f"select {condition.type} {condition.text}, {a.type} {a.text}, {b.type} {b.text}")


def _compare(f: Function, predicate: str, a: Value, b: Value) -> Value:
    lanes = a.type.strip("<>").split(" x ")[0] if a.type.startswith("<") else ""
    return f.emit(f"<{lanes} x i1>" if lanes else "i1", f"fcmp {predicate} {a.type} {a.text}, {b.text}")


def _exponential(f: Function, target: Target, x: Value) -> Value:
    """e^x below 88, 0 below -87; the polynomial of expr/exponential_float32."""
    lanes = target.lanes

    def fma(a: Value, b: Value, c: Value) -> Value:
        return multiply_add(f, target, a, b, c)

    def number(value: float) -> Value:
        return _constant(f, lanes, value)

    low = _compare(f, "olt", x, number(-87.0))
    x = _choose(f, low, number(-87.0), x)
    shifted = fma(x, number(1.442695), number(12582912.0))
    n = _float(f, "fsub", shifted, number(12582912.0))
    r = fma(n, number(1.9046542e-09), fma(n, number(-0.6931472), x))
    p = number(0.0001974620099645108)
    for coefficient in (0.0013935439055785537, 0.008333563804626465, 0.041666459292173386, 0.1666666567325592, 0.5):
        p = fma(p, r, number(coefficient))
    p = _float(f, "fadd", fma(p, _float(f, "fmul", r, r), r), number(1.0))
    whole = f"<{lanes} x i32>"
    bits = f.emit(whole, f"bitcast {x.type} {shifted.text} to {whole}")
    bits = f.emit(whole, f"shl {whole} {bits.text}, <{', '.join(['i32 23'] * lanes)}>")
    bits = f.emit(whole, f"add {whole} {bits.text}, <{', '.join(['i32 1065353216'] * lanes)}>")
    power = f.emit(x.type, f"bitcast {whole} {bits.text} to {x.type}")
    return _choose(f, low, zero(f, x.type), _float(f, "fmul", p, power))


def _largest_lane(f: Function, target: Target, vector: Value) -> Value:
    return f.intrinsic("float", f"llvm.vector.reduce.fmax.v{target.lanes}f32", [vector])


def _padded(target: Target, count: Value) -> Value:
    """Columns of the vectors that `count` columns take."""
    return (count + (target.lanes - 1)) // target.lanes * target.lanes


_INFINITE = "0xFFF0000000000000"  # -inf


def _score(f: Function, target: Target, at: Value, scale: Value, mask: Value | None, lanes: Value | None) -> Value:
    """scale * score + mask of one vector."""
    value = _float(f, "fmul", f.load(target.vector, at, 4), scale)
    if mask is None:
        return value
    inside = lanes or Value(f, f"<{target.lanes} x i1>", "<" + ", ".join(["i1 true"] * target.lanes) + ">")
    return _float(f, "fadd", value, f.masked_load(target.vector, mask, 4, inside))


def _write_softmax(module: Module, target: Target, masked: bool) -> None:
    """Scores to exponentials: row r sees the first valid + r * valid_step of `seen` columns, the others become 0.

    base[r] and total[r]: largest score and sum of exponentials so far. Unless `first`, what the row has summed in `out`
    is rescaled to the new base.
    """
    f = module.function(
        f"softmax_{int(masked)}",
        [("s", "ptr noalias"), ("rows", "i64"), ("valid", "i64"), ("valid_step", "i64"), ("seen", "i64")]
        + [("factor", "float"), ("mask", "ptr noalias"), ("mask_row", "i64"), ("base", "ptr noalias")]
        + [("total", "ptr noalias"), ("out", "ptr noalias"), ("out_row", "i64"), ("columns", "i64"), ("first", "i64")],
    )
    s, rows, valid, valid_step, seen, factor, mask, mask_row, base, total, out, out_row, columns, first = f.parameters
    lanes, size = target.lanes, target.bytes
    scale = f.splat(factor, lanes)
    least = Value(f, target.vector, "<" + ", ".join([f"float {_INFINITE}"] * lanes) + ">")
    begins, width = first.differs(0), _padded(target, seen)
    with f.loop(0, rows) as loop:
        row = loop.index
        count = f.minimum(f.maximum(valid + row * valid_step, 0), seen)
        whole = count - count % lanes
        here = f.offset(s, row * PITCH)
        mask_here = f.offset(mask, row * mask_row) if masked else None

        def score(column: Value, inside: Value | None, here=here, mask_here=mask_here) -> tuple[Value, Value]:
            at = f.offset(here, column * size)
            beside = None if mask_here is None else f.offset(mask_here, column * size)
            return at, _score(f, target, at, scale, beside, inside)

        with f.loop(0, whole, lanes, carry=[least]) as full:
            at, value = score(full.index, None)
            f.store(value, at, 4)
            full.carry([_choose(f, _compare(f, "ogt", value, full.carried[0]), value, full.carried[0])])
        with f.loop(whole, width, lanes, carry=full.carried) as rest:
            inside = f.lanes_between(lanes, None, count - rest.index)
            at, value = score(rest.index, inside)
            value = _choose(f, inside, value, least)
            f.store(value, at, 4)
            rest.carry([_choose(f, _compare(f, "ogt", value, rest.carried[0]), value, rest.carried[0])])
        best = _largest_lane(f, target, rest.carried[0])
        base_at, total_at = f.offset(base, row * size), f.offset(total, row * size)
        lowest = Value(f, "float", _INFINITE)
        before = f.select(begins, lowest, f.load("float", base_at, 4))
        largest = f.select(_compare(f, "ogt", before, best), before, best)
        f.store(largest, base_at, 4)
        finite = f.select(_compare(f, "oeq", largest, lowest), Value(f, "float", "0.0"), largest)
        shift = f.splat(finite, lanes)
        with f.loop(0, width, lanes, carry=[zero(f, target.vector)]) as each:
            at = f.offset(here, each.index * size)
            value = _exponential(f, target, _float(f, "fsub", f.load(target.vector, at, 4), shift))
            f.store(value, at, 4)
            each.carry([_float(f, "fadd", each.carried[0], value)])
        added = sum_lanes(f, target, each.carried[0])
        with f.cases(first, (0, 1)) as case:
            with case(1):
                f.store(added, total_at, 4)
            with case(0):
                factors = _exponential(f, target, _float(f, "fsub", f.splat(before, lanes), shift))
                one = f.emit("float", f"extractelement {target.vector} {factors.text}, i32 0")
                kept = _float(f, "fmul", f.load("float", total_at, 4), one)
                f.store(_float(f, "fadd", kept, added), total_at, 4)
                with f.when(_compare(f, "une", one, Value(f, "float", "1.0"))):
                    _scale_row(f, target, f.offset(out, row * out_row), columns, factors)


def _scale_row(f: Function, target: Target, at: Value, columns: Value, factors: Value) -> None:
    with f.loop(0, columns, target.lanes) as loop:
        inside = f.lanes_between(target.lanes, None, columns - loop.index)
        place = f.offset(at, loop.index * target.bytes)
        value = f.masked_load(target.vector, place, 4, inside)
        f.masked_store(_float(f, "fmul", value, factors), place, 4, inside)


def _write_finish(module: Module, target: Target) -> None:
    """out[r] /= total[r]; total becomes its inverse, 0 for a row that saw nothing, whose base becomes 0."""
    f = module.function(
        "finish",
        [("rows", "i64"), ("base", "ptr noalias"), ("total", "ptr noalias"), ("out", "ptr noalias"), ("out_row", "i64")]
        + [("columns", "i64")],
    )
    rows, base, total, out, out_row, columns = f.parameters
    nothing = Value(f, "float", "0.0")
    with f.loop(0, rows) as loop:
        base_at, total_at = f.offset(base, loop.index * 4), f.offset(total, loop.index * 4)
        value, largest = f.load("float", total_at, 4), f.load("float", base_at, 4)
        inverse = _float(f, "fdiv", Value(f, "float", "1.0"), value)
        inverse = f.select(_compare(f, "oeq", value, nothing), nothing, inverse)
        f.store(inverse, total_at, 4)
        f.store(f.select(_compare(f, "oeq", largest, Value(f, "float", _INFINITE)), nothing, largest), base_at, 4)
        _scale_row(f, target, f.offset(out, loop.index * out_row), columns, f.splat(inverse, target.lanes))


def _write_weights(module: Module, target: Target, masked: bool) -> None:
    """Backward: scores s to weights, and d = grad @ value.T to the gradients of the unscaled scores.

    What is subtracted from d, its mean by the weights, is the product of grad and the result; but `whole` rows, which
    lie in this block, sum it from the very weights and d, so that gradients which cancel do so to the last places.
    """
    f = module.function(
        f"weights_{int(masked)}",
        [("s", "ptr noalias"), ("d", "ptr noalias"), ("rows", "i64"), ("valid", "i64"), ("valid_step", "i64")]
        + [("seen", "i64"), ("factor", "float"), ("mask", "ptr noalias"), ("mask_row", "i64")]
        + [("base", "ptr noalias"), ("inverse", "ptr noalias"), ("g", "ptr noalias"), ("g_row", "i64")]
        + [("out", "ptr noalias"), ("out_row", "i64"), ("columns", "i64"), ("whole", "i64")],
    )
    s, d, rows, valid, valid_step, seen, factor, mask, mask_row, base, inverse, g, g_row = f.parameters[:13]
    out, out_row, columns, whole = f.parameters[13:]
    own = whole.differs(0)
    lanes, size = target.lanes, target.bytes
    scale, nothing = f.splat(factor, lanes), zero(f, target.vector)
    with f.loop(0, rows) as loop:
        row = loop.index
        g_here, out_here = f.offset(g, row * g_row), f.offset(out, row * out_row)
        with f.loop(0, f.select(own, 0, columns), lanes, carry=[nothing]) as dot:
            inside = f.lanes_between(lanes, None, columns - dot.index)
            left = f.masked_load(target.vector, f.offset(g_here, dot.index * size), 4, inside)
            right = f.masked_load(target.vector, f.offset(out_here, dot.index * size), 4, inside)
            dot.carry([multiply_add(f, target, left, right, dot.carried[0])])
        shift = f.splat(f.load("float", f.offset(base, row * size), 4), lanes)
        share = f.splat(f.load("float", f.offset(inverse, row * size), 4), lanes)
        count, width = f.minimum(valid + row * valid_step, seen), _padded(target, seen)
        with f.loop(0, width, lanes, carry=[nothing]) as each:
            inside = f.lanes_between(lanes, None, count - each.index)
            at, beside = (f.offset(p, row * PITCH + each.index * size) for p in (s, d))
            place = f.offset(mask, row * mask_row + each.index * size) if masked else None
            value = _float(f, "fsub", _score(f, target, at, scale, place, inside), shift)
            weight = _choose(f, inside, _float(f, "fmul", _exponential(f, target, value), share), nothing)
            f.store(weight, at, 4)
            present = _choose(f, inside, f.load(target.vector, beside, 4), nothing)
            each.carry([multiply_add(f, target, weight, present, each.carried[0])])
        total = f.select(own, sum_lanes(f, target, each.carried[0]), sum_lanes(f, target, dot.carried[0]))
        mean = f.splat(total, lanes)
        with f.loop(0, width, lanes) as each:
            at, beside = (f.offset(p, row * PITCH + each.index * size) for p in (s, d))
            change = _float(f, "fsub", f.load(target.vector, beside, 4), mean)
            change = _float(f, "fmul", _float(f, "fmul", change, f.load(target.vector, at, 4)), scale)
            inside = f.lanes_between(lanes, None, count - each.index)
            f.store(_choose(f, inside, change, nothing), beside, 4)


class _Unit:
    """What both walks share: the parameters, and products whose results are panels of a block."""

    def __init__(self, module: Module, name: str, target: Target, pointers: list[str]) -> None:
        self.target = target
        self.f = f = module.function(
            name, [*((label, "ptr") for label in pointers), ("meta", "ptr noalias"), ("start", "i64"), ("stop", "i64")],
            internal=False,
        )
        self.p: dict[str, Value] = dict(zip(pointers, f.parameters, strict=False))
        self.meta, self.start, self.stop = f.parameters[len(pointers) :]
        for i, label in enumerate(META):
            kind = {"tiles": "ptr", "transpose": "ptr", "scale": "float"}.get(label, "i64")
            self.p[label] = f.load(kind, f.offset(self.meta, 8 * i), 8)
        self.null = Value(f, "ptr", "null")

    def place(self, pointer: str, stem: str, head: Value, extra: Value | int = 0) -> Value:
        """Where a head of an operand begins, `extra` bytes on."""
        f, p = self.f, self.p
        own = head % p["heads"]
        own = own // p["group"] if stem in ("k", "v") else own  # as many heads of query read the same keys and values
        return f.offset(p[pointer], p[f"{stem}_batch"] * (head // p["heads"]) + p[f"{stem}_head"] * own + extra)

    def pack(self, source: Value, row: Value, count: Value, depth: Value, to: Value) -> None:
        """Rows as columns: to[d, i] = source[i, d], zeros up to a whole panel."""
        f, target = self.f, self.target
        padded = (count + (target.panel - 1)) // target.panel * target.panel
        with f.loop(0, padded, target.lanes) as loop:
            left = f.maximum(f.minimum(count - loop.index, target.lanes), 0)
            there = f.offset(to, loop.index * target.bytes)
            f.call_at(self.p["transpose"], [f.offset(source, row * loop.index), row, there, PITCH, depth, left])

    def product(self, a: Value, a_row: Value | int, a_step: Value | int, b: Value, b_row: Value | int, c: Value,
                c_row: Value | int, rows: Value, columns: Value, depth: Value, addend: Value | None,
                whole: bool = False, height: Value | None = None) -> None:
        """c = addend + a @ b, panel by panel; addend: null or c. `whole`: all panels are, c has room for that."""
        f, target = self.f, self.target
        height = self.p["tile"] if height is None else height
        with f.loop(0, columns, target.panel) as loop:
            shift = loop.index * target.bytes
            width = f.value(target.panel) if whole else f.minimum(target.panel, columns - loop.index)
            here = f.offset(c, shift)
            first, first_row = self.null, f.value(0)
            if addend is not None:
                none = f.is_null(addend)
                first, first_row = f.select(none, self.null, here), f.select(none, 0, c_row)
            f.call("rows", [self.p["tiles"], a, a_row, a_step, f.offset(b, shift), b_row, here, c_row, first, first_row,
                            depth, width, f.value(a_row) * height, rows, height])

    def scores(self, q: Value, k: Value, turned: Value, to: Value, rows: Value, seen: Value) -> None:
        """Products of queries and keys, the same bits in both walks: weights of large scores would differ."""
        f, p = self.f, self.p
        with f.cases(p["few"], (0, 1)) as case:
            with case(0):
                self.product(q, p["q_row"], self.target.bytes, turned, PITCH, to, PITCH, rows, seen, p["depth"], None,
                             whole=True)
            with case(1):
                f.call("dots", [q, p["q_row"], k, p["k_row"], to, f.value(PITCH), self.null, 0, p["depth"], rows, seen])

    def limits(self, row: Value, rows: Value, key: Value, count: Value) -> tuple[Value, Value, Value]:
        """(columns that some row sees, valid, valid_step) of queries `row`... against a block of keys."""
        f, causal = self.f, self.p["causal"]
        seen = f.select(causal.differs(0), f.minimum(count, row + rows - key), count)
        return seen, f.select(causal.differs(0), row + 1 - key, count), causal

    def masked(self, arguments) -> None:
        """Call name_0 or name_1 with the mask's place where there is one."""
        f = self.f
        name, listed = arguments
        with f.cases(f.select(f.is_null(self.p["mask"]), 0, 1), (0, 1)) as case:
            for number in (0, 1):
                with case(number):
                    f.call(f"{name}_{number}", listed)


def write_forward(name: str, target: Target) -> str:
    """(q, k, v, mask or null, out, base, total, meta, start, stop); a unit is some queries of a head."""
    module = Module()
    write_rows(module, "rows", target)
    for masked in (False, True):
        _write_softmax(module, target, masked)
    _write_finish(module, target)
    write_dots(module, "dots", target)
    u = _Unit(module, name, target, ["q", "k", "v", "mask", "out", "base", "total"])
    f, p, size = u.f, u.p, target.bytes
    turned, scores = f.stack(DEPTH * PITCH), f.stack(target.rows * PITCH)
    with f.loop(u.start, u.stop) as units:
        head, first = units.index // p["units_per_head"], (units.index % p["units_per_head"]) * p["rows_per_unit"]
        last = f.minimum(first + p["rows_per_unit"], p["length"])
        q, k, v, out = (u.place(n, n[0], head) for n in ("q", "k", "v", "out"))
        mask = u.place("mask", "mask", head)
        base, total = (f.offset(p[n], p["length"] * head * size) for n in ("base", "total"))
        causal = p["causal"].differs(0)
        limit = f.select(causal, f.minimum(p["sources"], last), p["sources"])
        with f.loop(0, limit, KEYS) as blocks:
            key = blocks.index
            count = f.minimum(KEYS, limit - key)
            k_here = f.offset(k, p["k_row"] * key)
            with f.when(p["few"].equals(0)):
                u.pack(k_here, p["k_row"], count, p["depth"], turned)
            skipped = f.select(causal, f.maximum(key - first, 0) // p["tile"] * p["tile"], 0)
            with f.loop(first + skipped, last, p["tile"]) as tiles:
                row = tiles.index
                rows = f.minimum(p["tile"], last - row)
                seen, valid, step = u.limits(row, rows, key, count)
                q_here = f.offset(q, p["q_row"] * row)
                u.scores(q_here, k_here, turned, scores, rows, seen)
                here = f.offset(out, p["o_row"] * row)
                begins = key.equals(0)
                u.masked(("softmax", [
                    scores, rows, valid, step, seen, p["scale"],
                    f.offset(mask, p["mask_row"] * row + key * size), p["mask_row"], f.offset(base, row * size),
                    f.offset(total, row * size), here, p["o_row"], p["columns"], f.select(begins, 1, 0)]))
                u.product(scores, PITCH, size, f.offset(v, p["v_row"] * key), p["v_row"], here, p["o_row"], rows,
                          p["columns"], seen, f.select(begins, u.null, here))
        f.call("finish", [last - first, f.offset(base, first * size), f.offset(total, first * size),
                          f.offset(out, p["o_row"] * first), p["o_row"], p["columns"]])
    return module.text()


def write_backward(name: str, target: Target) -> str:
    """(q, k, v, out, base, inverse, grad, mask or null, grad_q, grad_k, grad_v, meta, start, stop); a unit is a head.

    The three gradients are of query's heads, in any order of batches, heads and rows.
    """
    module = Module()
    write_rows(module, "rows", target)
    write_dots(module, "dots", target)
    for masked in (False, True):
        _write_weights(module, target, masked)
    u = _Unit(module, name, target, "q k v out base inverse grad mask grad_q grad_k grad_v".split())
    module.declare("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
    f, p, size = u.f, u.p, target.bytes
    block = BACKWARD_TILES * target.rows * PITCH
    keys, values, weights, changes = f.stack(DEPTH * PITCH), f.stack(DEPTH * PITCH), f.stack(block), f.stack(block)
    with f.loop(u.start, u.stop) as units:
        head = units.index
        q, k, v, out, grad = (u.place(n, n[0], head) for n in ("q", "k", "v", "out", "grad"))
        mask = u.place("mask", "mask", head)
        base, inverse = (f.offset(p[n], p["length"] * head * size) for n in ("base", "inverse"))
        to_q, to_k, to_v = (u.place(f"grad_{n}", f"d{n}", head) for n in "qkv")
        q_row, k_row, v_row = (p[f"d{n}_row"] for n in "qkv")
        for to, number, stride, width in ((to_q, "length", q_row, "depth"), (to_k, "sources", k_row, "depth"),
                                          (to_v, "sources", v_row, "columns")):
            with f.loop(0, p[number]) as each:
                here, nbytes = f.offset(to, stride * each.index), p[width] * size
                f.line(f"call void @llvm.memset.p0.i64(ptr {here.text}, i8 0, i64 {nbytes.text}, i1 false)")
        causal = p["causal"].differs(0)
        limit = f.select(causal, f.minimum(p["sources"], p["length"]), p["sources"])
        step_rows = p["rows_per_unit"]
        with f.loop(0, limit, KEYS) as blocks:
            key = blocks.index
            count = f.minimum(KEYS, limit - key)
            k_here, v_here = f.offset(k, p["k_row"] * key), f.offset(v, p["v_row"] * key)
            with f.when(p["few"].equals(0)):
                u.pack(k_here, p["k_row"], count, p["depth"], keys)
            u.pack(v_here, p["v_row"], count, p["columns"], values)
            k_to, v_to = f.offset(to_k, k_row * key), f.offset(to_v, v_row * key)
            with f.loop(f.select(causal, key // step_rows * step_rows, 0), p["length"], step_rows) as queries:
                row = queries.index
                rows = f.minimum(step_rows, p["length"] - row)
                seen, valid, step = u.limits(row, rows, key, count)
                q_here, g_here = f.offset(q, p["q_row"] * row), f.offset(grad, p["g_row"] * row)
                u.scores(q_here, k_here, keys, weights, rows, seen)
                u.product(g_here, p["g_row"], size, values, PITCH, changes, PITCH, rows, seen, p["columns"], None, True)
                u.masked(("weights", [
                    weights, changes, rows, valid, step, seen, p["scale"],
                    f.offset(mask, p["mask_row"] * row + key * size), p["mask_row"], f.offset(base, row * size),
                    f.offset(inverse, row * size), g_here, p["g_row"], f.offset(out, p["o_row"] * row), p["o_row"],
                    p["columns"], f.select(limit > KEYS, 0, 1)]))
                u.product(weights, size, PITCH, g_here, p["g_row"], v_to, v_row, seen, p["columns"], rows, v_to)
                u.product(changes, size, PITCH, q_here, p["q_row"], k_to, k_row, seen, p["depth"], rows, k_to)
                q_to = f.offset(to_q, q_row * row)
                u.product(changes, PITCH, size, k_here, p["k_row"], q_to, q_row, rows, p["depth"], seen, q_to)
    return module.text()
