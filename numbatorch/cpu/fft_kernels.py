"""Steps of Fourier transforms, as LLVM IR: butterflies on vectors that hold one point of several lines at once.

A *point* is a vector of real parts followed by one of imaginary parts; a lane is a line. Transforms of lines run on
points in a working buffer, in place, by decimation in frequency: a pass of radix r splits blocks of r * m points into r
blocks of m, and the last pass leaves the frequencies in mixed-radix reversed order, which the steps that read them undo
(Gentleman & Sande 1966). One long line becomes points by a first pass over whole vectors of it, transposed (the
four-step method of Bailey 1990, with as many rows as lanes).

Every step is a function (source, target, work, record, lanes, unit) of the addresses of a unit's data, its working
memory and its record of int64 fields, the first of which is the function's own address. Offsets are in bytes. Sums and
products are in the dtype of the data; products with twiddles use fused multiply-adds.
"""

from __future__ import annotations

from .fft_writer import Complex, Writer
from .irwriter import Module, Value
from .microkernel import Target
from .slots import CLAIM


def write_pass(module: Module, name: str, target: Target, radix: int, twiddles: bool) -> None:
    """A pass over `blocks` blocks of radix * m points; with `twiddles`, row p of a table has radix - 1 of them."""
    w = Writer(module, name, target, ["place", "read", "write", "blocks", "m", "table"])
    f, m, size = w.f, w.field["m"], w.point_bytes
    step = m * size
    row_bytes = (radix - 1) * 2 * target.bytes
    with f.loop(0, w.field["blocks"]) as blocks:
        shift = blocks.index * step * radix
        read, write = f.offset(w.base("place"), w.field["read"] + shift), f.offset(w.work, w.field["write"] + shift)
        with f.loop(0, m) as points:
            here = points.index * size
            x = [w.load_point(f.offset(read, here + step * k)) for k in range(radix)]
            y = w.transform(x)
            if twiddles:
                row = f.offset(w.pointer("table"), points.index * row_bytes)
                y[1:] = [w.multiply(y[k], w.load_scalar(f.offset(row, (k - 1) * 2 * target.bytes)))
                         for k in range(1, radix)]
            for k in range(radix):
                w.store_point(y[k], f.offset(write, here + step * k))


def write_first(module: Module, name: str, target: Target, radix: int, swapped: bool, masked: bool) -> None:
    """The first pass from memory in which lines lie side by side: point j is at j * stride."""
    w = Writer(module, name, target, ["write", "m", "table", "stride"])
    f, m, size, stride = w.f, w.field["m"], w.point_bytes, w.field["stride"]
    masks = w.masks(w.lanes) if masked else None
    row_bytes = (radix - 1) * 2 * target.bytes
    work = f.offset(w.work, w.field["write"])
    with f.loop(0, m) as points:
        read, write = f.offset(w.source, points.index * stride), f.offset(work, points.index * size)
        y = w.transform([w.load_numbers(f.offset(read, m * stride * k), masks, swapped) for k in range(radix)])
        row = f.offset(w.pointer("table"), points.index * row_bytes)
        y[1:] = [w.multiply(y[k], w.load_scalar(f.offset(row, (k - 1) * 2 * target.bytes))) for k in range(1, radix)]
        for k in range(radix):
            w.store_point(y[k], f.offset(write, m * size * k))


def write_last(module: Module, name: str, target: Target, radix: int, swapped: bool, masked: bool) -> None:
    """The last pass, of groups of `radix` points: frequency order[group] + j * spread goes to that times stride."""
    w = Writer(module, name, target, ["place", "read", "write", "groups", "order", "spread", "stride", "factor"])
    f, size, stride = w.f, w.point_bytes, w.field["stride"]
    masks = w.masks(w.lanes) if masked else None
    factor, jump = w.number("factor"), w.field["spread"] * stride
    read, write, order = f.offset(w.work, w.field["read"]), f.offset(w.base("place"), w.field["write"]), None
    order = w.pointer("order")
    with f.loop(0, w.field["groups"]) as groups:
        here = f.offset(read, groups.index * (size * radix))
        y = w.transform([w.load_point(f.offset(here, k * size)) for k in range(radix)])
        there = f.offset(write, f.load("i64", f.offset(order, groups.index * 8), 8) * stride)
        for k in range(radix):
            scaled = Complex(w.times(y[k].re, factor), w.times(y[k].im, factor))
            w.store_numbers(scaled, f.offset(there, jump * k), masks, swapped)


def write_single(module: Module, name: str, target: Target, radix: int, swapped: bool, masked: bool) -> None:
    """A transform of `radix` points whose lines lie side by side, from memory to memory."""
    w = Writer(module, name, target, ["stride", "factor"])
    f, stride, factor = w.f, w.field["stride"], w.number("factor")
    masks = w.masks(w.lanes) if masked else None
    y = w.transform([w.load_numbers(f.offset(w.source, stride * k), masks, swapped) for k in range(radix)])
    for k in range(radix):
        scaled = Complex(w.times(y[k].re, factor), w.times(y[k].im, factor))
        w.store_numbers(scaled, f.offset(w.result, stride * k), masks, swapped)


def write_split(module: Module, name: str, target: Target, radix: int, swapped: bool, masked: bool) -> None:
    """One line of radix * m numbers to m points whose lanes are the first `radix` residues: the pass, its twiddles
    (vectors: radix - 1 for each block of points) and the transposition. `masked`: m is less than the lanes."""
    w = Writer(module, name, target, ["place", "read", "write", "m", "table"])
    f, t, m = w.f, target, w.field["m"]
    number = 2 * t.bytes
    masks = w.masks(m) if masked else None
    read, write = f.offset(w.base("place"), w.field["read"]), f.offset(w.work, w.field["write"])
    table = w.pointer("table")
    final = f.maximum(m - t.lanes, 0)
    with f.loop(0, m, t.lanes) as blocks:
        at = f.minimum(blocks.index, final)  # the last block overlaps the one before
        here = f.offset(read, at * number)
        y = w.transform([w.load_numbers(f.offset(here, m * number * k), masks, swapped) for k in range(radix)])
        row = f.offset(table, (blocks.index // t.lanes) * ((radix - 1) * w.point_bytes))
        y[1:] = [w.multiply(y[k], w.load_point(f.offset(row, (k - 1) * w.point_bytes))) for k in range(1, radix)]
        empty = Value(f, t.vector, "zeroinitializer")
        y += [Complex(empty, empty)] * (t.lanes - radix)
        re, im = w.transpose([v.re for v in y]), w.transpose([v.im for v in y])
        there = f.offset(write, at * w.point_bytes)
        for i in range(t.lanes):
            w.store_point(Complex(re[i], im[i]), f.offset(there, i * w.point_bytes))


def write_load_rows(module: Module, name: str, target: Target, swapped: bool, masked: bool) -> None:
    """Lines of n numbers, `pitch` apart, to n points. `masked`: n is less than half the lanes."""
    w = Writer(module, name, target, ["write", "n", "pitch"])
    f, t, n = w.f, target, w.field["n"]
    half, number = t.lanes // 2, 2 * t.bytes
    mask = w.masks(n)[0] if masked else None
    starts = [f.offset(w.source, f.select(w.lanes > i, w.field["pitch"] * i, 0)) for i in range(t.lanes)]
    final = f.maximum(n - half, 0)
    with f.loop(0, n, half) as blocks:
        at = f.minimum(blocks.index, final)
        places = [f.offset(start, at * number) for start in starts]
        rows = [f.load(t.vector, p, t.bytes) if mask is None else f.masked_load(t.vector, p, t.bytes, mask)
                for p in places]  # fmt: skip
        columns = w.transpose(rows)
        there = f.offset(f.offset(w.work, w.field["write"]), at * w.point_bytes)
        for i in range(half):
            pair = columns[2 * i:2 * i + 2]
            w.store_point(Complex(*(reversed(pair) if swapped else pair)), f.offset(there, i * w.point_bytes))


def write_store_rows(module: Module, name: str, target: Target, swapped: bool, masked: bool) -> None:
    """Frequencies of all lanes, n of them at the points that `order` names, to lines that are `pitch` apart."""
    w = Writer(module, name, target, ["read", "n", "pitch", "order", "factor"])
    f, t, n = w.f, target, w.field["n"]
    half, number, order, factor = t.lanes // 2, 2 * t.bytes, w.pointer("order"), w.number("factor")
    mask = w.masks(n)[0] if masked else None
    final, read = f.maximum(n - half, 0), f.offset(w.work, w.field["read"])
    with f.loop(0, n, half) as blocks:
        at = f.minimum(blocks.index, final)
        columns: list[Value] = []
        for i in range(half):
            place = f.load("i64", f.offset(order, (at + i) * 8), 8) * w.point_bytes
            pair = [w.times(part, factor) for part in w.load_point(f.offset(read, place))]
            columns += reversed(pair) if swapped else pair
        there = f.offset(w.result, at * number)
        for i, row in enumerate(w.transpose(columns)):
            with f.when(w.lanes > i):
                place = f.offset(there, w.field["pitch"] * i)
                if mask is None:
                    f.store(row, place, t.bytes)
                else:
                    f.masked_store(row, place, t.bytes, mask)


# Real lines of odd length do not fold into complex ones: they are transformed with imaginary parts of zero.


def write_load_reals(module: Module, name: str, target: Target, masked: bool) -> None:
    """Lines of n real numbers, `pitch` apart, to n points. `masked`: n is less than the lanes."""
    w = Writer(module, name, target, ["write", "n", "pitch"])
    f, t, n = w.f, target, w.field["n"]
    mask = f.lanes_between(t.lanes, None, n) if masked else None
    starts = [f.offset(w.source, f.select(w.lanes > i, w.field["pitch"] * i, 0)) for i in range(t.lanes)]
    final, zero = f.maximum(n - t.lanes, 0), Value(f, t.vector, "zeroinitializer")
    with f.loop(0, n, t.lanes) as blocks:
        at = f.minimum(blocks.index, final)
        places = [f.offset(start, at * t.bytes) for start in starts]
        rows = [f.load(t.vector, p, t.bytes) if mask is None else f.masked_load(t.vector, p, t.bytes, mask)
                for p in places]  # fmt: skip
        there = f.offset(f.offset(w.work, w.field["write"]), at * w.point_bytes)
        for i, column in enumerate(w.transpose(rows)):
            w.store_point(Complex(column, zero), f.offset(there, i * w.point_bytes))


def write_store_reals(module: Module, name: str, target: Target, masked: bool) -> None:
    """The imaginary parts of n points, which are real ones of a transform with swapped parts, to real lines."""
    w = Writer(module, name, target, ["read", "n", "pitch", "order", "factor"])
    f, t, n = w.f, target, w.field["n"]
    order, factor = w.pointer("order"), w.number("factor")
    mask = f.lanes_between(t.lanes, None, n) if masked else None
    final, read = f.maximum(n - t.lanes, 0), f.offset(w.work, w.field["read"])
    with f.loop(0, n, t.lanes) as blocks:
        at = f.minimum(blocks.index, final)
        columns = []
        for i in range(t.lanes):
            place = f.load("i64", f.offset(order, (at + i) * 8), 8) * w.point_bytes
            columns.append(w.times(w.load_point(f.offset(read, place)).im, factor))
        there = f.offset(w.result, at * t.bytes)
        for i, row in enumerate(w.transpose(columns)):
            with f.when(w.lanes > i):
                place = f.offset(there, w.field["pitch"] * i)
                if mask is None:
                    f.store(row, place, t.bytes)
                else:
                    f.masked_store(row, place, t.bytes, mask)


def write_mirror_points(module: Module, name: str, target: Target) -> None:
    """Points n // 2 + 1 ... n - 1 of Hermitian lines with swapped parts, from those before; point 0 becomes real."""
    w = Writer(module, name, target, ["write", "n"])
    f, n, size = w.f, w.field["n"], w.point_bytes
    points = f.offset(w.work, w.field["write"])
    f.store(Value(f, target.vector, "zeroinitializer"), points, target.vector_bytes)
    with f.loop(1, n // 2 + 1) as loop:
        x = w.load_point(f.offset(points, loop.index * size))
        w.store_point(Complex(w.negated(x.re), x.im), f.offset(points, (n - loop.index) * size))


def write_tile(module: Module, name: str, target: Target, masked: bool) -> None:
    """Frequencies k of `lanes` neighbouring columns, times exp(-2 pi i k column / N), turned round: lanes become k.

    `coarse` holds exp(-2 pi i k first / N) for each unit and k, `fine` exp(-2 pi i k lane / N) as points; blocks of as
    many k as there are lanes are `apart` bytes from each other in the target.
    """
    w = Writer(module, name, target, ["read", "n", "order", "coarse", "fine", "apart"])
    f, t, n = w.f, target, w.field["n"]
    read, order, number = f.offset(w.work, w.field["read"]), w.pointer("order"), 2 * t.bytes
    padded = ((n + (t.lanes - 1)) // t.lanes) * t.lanes
    coarse = f.offset(w.pointer("coarse"), w.unit * padded * number)
    fine = w.pointer("fine")
    first = f.offset(w.result, w.unit * (t.lanes * w.point_bytes))
    with f.loop(0, n, t.lanes) as blocks:
        values = []
        for i in range(t.lanes):
            k = blocks.index + i
            x = w.load_point(f.offset(read, f.load("i64", f.offset(order, k * 8), 8) * w.point_bytes))
            turn = w.load_scalar(f.offset(coarse, k * number))
            turn = w.multiply(w.load_point(f.offset(fine, k * w.point_bytes)), turn)
            values.append(w.multiply(x, turn))
        re, im = w.transpose([v.re for v in values]), w.transpose([v.im for v in values])
        there = f.offset(first, (blocks.index // t.lanes) * w.field["apart"])
        for i in range(t.lanes):
            if masked:
                with f.when(w.lanes > i):
                    w.store_point(Complex(re[i], im[i]), f.offset(there, i * w.point_bytes))
            else:
                w.store_point(Complex(re[i], im[i]), f.offset(there, i * w.point_bytes))


# Real signals of N = 2 n points are transformed as n complex numbers z[j] = x[2 j] + i x[2 j + 1] (Cooley, Lewis &
# Welch 1970). With a = z[k] and b = conj(z[n - k]): X[k] = (a + b) / 2 + exp(-2 pi i k / N) (a - b) / 2i, and back.


def _untangled(w: Writer, x: Complex, mirrored: Complex, turn: Complex, forward: bool) -> tuple[Complex, Complex]:
    """(value at k, value at n - k); `turn` is exp(-2 pi i k / N), `mirrored` the number at n - k."""
    b = Complex(mirrored.re, w.negated(mirrored.im))
    total, difference = w.add(x, b), w.subtract(x, b)
    if not forward:  # times i and the conjugate of the turn
        product = w.multiply(difference, Complex(turn.re, w.negated(turn.im)))
        odd = Complex(w.negated(product.im), product.re)
    else:
        product = w.multiply(difference, turn)
        odd = Complex(product.im, w.negated(product.re))
    one, other = w.add(total, odd), w.subtract(total, odd)
    other = Complex(other.re, w.negated(other.im))
    if forward:
        half = w.constant(0.5)
        one, other = (Complex(w.times(v.re, half), w.times(v.im, half)) for v in (one, other))
    return one, other


def write_untangle_points(module: Module, name: str, target: Target, forward: bool) -> None:
    """n points (at the places of `order`) to n + 1 frequencies of real lines; or n + 1 frequencies to n points, with
    the parts swapped for the inverse transform."""
    w = Writer(module, name, target, ["read", "write", "n", "order", "table"])
    f, n, size = w.f, w.field["n"], w.point_bytes
    read, write, order, table = f.offset(w.work, w.field["read"]), f.offset(w.work, w.field["write"]), w.pointer(
        "order"), w.pointer("table")  # fmt: skip

    def place(k: Value) -> Value:
        return f.offset(read, f.load("i64", f.offset(order, k * 8), 8) * size)

    if not forward:  # z[0] = (X[0] + X[n]) + i (X[0] - X[n]), real parts alone
        x, y = w.load_point(place(f.value(0))), w.load_point(place(n))
        w.store_point(Complex(w.minus(x.re, y.re), w.plus(x.re, y.re)), write)
    with f.loop(0 if forward else 1, n // 2 + 1) as loop:
        k = loop.index
        turn = w.load_scalar(f.offset(table, k * (2 * target.bytes)))
        one, other = _untangled(w, w.load_point(place(k)), w.load_point(place(n - k)), turn, forward)
        if not forward:
            one, other = Complex(one.im, one.re), Complex(other.im, other.re)
        w.store_point(other, f.offset(write, (n - k) * size))
        w.store_point(one, f.offset(write, k * size))


def write_untangle_line(module: Module, name: str, target: Target, forward: bool, masked: bool) -> None:
    """The same for one line in memory: `masked` where k = 1 ... n / 2 are fewer than the lanes.

    A unit has `each` of the k; `table` has exp(-2 pi i k / N) for each vector of them, as points.
    """
    w = Writer(module, name, target, ["from", "read", "to", "write", "n", "table", "each", "factor"])
    f, t, n = w.f, target, w.field["n"]
    number, lanes = 2 * t.bytes, t.lanes
    read, write = f.offset(w.base("from"), w.field["read"]), f.offset(w.base("to"), w.field["write"])
    table, factor = w.pointer("table"), w.number("factor")
    count = n // 2  # of k = 1 ... n // 2; k = 0 goes alone
    back = list(reversed(range(lanes)))

    def turned(x: Complex) -> Complex:
        return Complex(*(f.shuffle(v, v, back) for v in x))

    def part(at: Value, row: Value, masks: list[Value] | None, mirror: list[Value] | None) -> None:
        """k = at + 1 ... at + lanes."""
        x = w.load_numbers(f.offset(read, (at + 1) * number), masks, False)
        place = f.offset(read, (n - at - lanes) * number)
        if mirror is None:
            mirrored = turned(w.load_numbers(place, None, False))
        else:  # only numbers n - count ... n - 1 are there: they stand in the last lanes
            mirrored = turned(w.load_numbers(place, mirror, False))
        turn = w.load_point(f.offset(table, row * w.point_bytes))
        one, other = _untangled(w, x, mirrored, turn, forward)
        one, other = (Complex(w.times(v.re, factor), w.times(v.im, factor)) for v in (one, turned(other)))
        w.store_numbers(other, f.offset(write, (n - at - lanes) * number), mirror, False)
        w.store_numbers(one, f.offset(write, (at + 1) * number), masks, False)

    start = w.unit * w.field["each"]
    stop = f.minimum(count, start + w.field["each"])
    with f.when(start.equals(0)):
        one_lane = w.masks(f.value(1))
        x = w.load_numbers(read, one_lane, False)
        if forward:  # X[0] = re + im, X[n] = re - im
            zero = Value(f, t.vector, "zeroinitializer")
            w.store_numbers(Complex(w.times(w.plus(x.re, x.im), factor), zero), write, one_lane, False)
            w.store_numbers(Complex(w.times(w.minus(x.re, x.im), factor), zero), f.offset(write, n * number), one_lane,
                            False)  # fmt: skip
        else:  # z[0] = (X[0] + X[n]) + i (X[0] - X[n]), real parts alone
            y = w.load_numbers(f.offset(read, n * number), one_lane, False)
            w.store_numbers(Complex(w.times(w.plus(x.re, y.re), factor), w.times(w.minus(x.re, y.re), factor)), write,
                            one_lane, False)  # fmt: skip
    if masked:
        low = [f.lanes_between(lanes, (count * -2) + (2 - i) * lanes, f.value(lanes)) for i in (0, 1)]
        part(f.value(0), f.value(0), w.masks(count), low)
    else:
        with f.loop(start, stop, lanes) as loop:  # the last vector overlaps the one before
            part(f.minimum(loop.index, count - lanes), loop.index // lanes, None, None)


def write_mirror(module: Module, name: str, target: Target, masked: bool) -> None:
    """Frequencies n // 2 + 1 ... n - 1 of a real line from those before: the conjugates, in reverse."""
    w = Writer(module, name, target, ["n", "each"])
    f, t, n = w.f, target, w.field["n"]
    number, lanes = 2 * t.bytes, t.lanes
    count = (n - 1) // 2
    back = list(reversed(range(lanes)))

    def part(at: Value, masks: list[Value] | None, mirror: list[Value] | None) -> None:
        x = w.load_numbers(f.offset(w.result, (at + 1) * number), masks, False)
        y = Complex(f.shuffle(x.re, x.re, back), w.negated(f.shuffle(x.im, x.im, back)))
        w.store_numbers(y, f.offset(w.result, (n - at - lanes) * number), mirror, False)

    if masked:
        low = [f.lanes_between(lanes, (count * -2) + (2 - i) * lanes, f.value(lanes)) for i in (0, 1)]
        part(f.value(0), w.masks(count), low)
    else:
        start = w.unit * w.field["each"]
        with f.loop(start, f.minimum(count, start + w.field["each"]), lanes) as loop:
            part(f.minimum(loop.index, count - lanes), None, None)


META = ("units slot_bytes across source_outer source_group target_outer target_group width group_width "
        "records count partial_records partial_count").split()  # fmt: skip
RECORD_BYTES = 96


def write_walk(name: str) -> str:
    """The kernel (source, target, work, meta, start, stop): all steps of each unit, a unit after the other.

    Unit u is group u % across of the outer index u // across; its lanes are those of `width` that remain. `work` is
    a working buffer; where the units are cut into chunks, it holds the number of buffers, a flag for each, 64 bytes
    apart, and the buffers, of which a chunk claims one.
    """
    module = Module()
    parameters = [("source", "ptr"), ("target", "ptr"), ("work", "ptr"), ("meta", "ptr noalias"), ("start", "i64"),
                  ("stop", "i64")]  # fmt: skip
    f = module.function(name, parameters, internal=False)
    source, result, work, meta, start, stop = f.parameters
    p = {n: f.load("i64", f.offset(meta, 8 * i), 8) for i, n in enumerate(META)}
    several = (stop - start) < p["units"]
    place = f.stack(8)
    f.store(work, place, 8)
    flag = f.stack(8)
    with f.when(several):
        slots = f.load("i64", work, 8)
        slot = f.emit("i64", f"call i64 @claim(ptr {f.offset(work, 64).text}, i64 {slots.text})")
        f.store(f.offset(work, (slot + 1) * 64), flag, 8)
        f.store(f.offset(work, (slots + 1) * 64 + slot * p["slot_bytes"]), place, 8)
    own = f.load("ptr", place, 8)
    with f.loop(start, stop) as units:
        outer, group = units.index // p["across"], units.index % p["across"]
        here = f.offset(source, outer * p["source_outer"] + group * p["source_group"])
        there = f.offset(result, outer * p["target_outer"] + group * p["target_group"])
        lanes = f.minimum(p["group_width"], p["width"] - group * p["group_width"])
        whole = lanes.equals(p["group_width"])
        records = f.emit("ptr", f"inttoptr i64 {f.select(whole, p['records'], p['partial_records']).text} to ptr")
        with f.loop(0, f.select(whole, p["count"], p["partial_count"])) as steps:
            record = f.offset(records, steps.index * RECORD_BYTES)
            f.call_at(f.load("ptr", record, 8), [here, there, own, record, lanes, group])
    with f.when(several):
        mine = f.load("ptr", flag, 8)
        f.line(f"store atomic i64 0, ptr {mine.text} release, align 8")
    return module.text() + CLAIM
