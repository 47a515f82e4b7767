"""Kernels of depthwise convolution with channels in the lanes of vectors, as LLVM IR.

A block of rows of as many channels as a vector has lanes is turned over as it is copied, with its padding. No lane is
idle then, whatever the map's size or the stride are; results are turned back as they are stored.
"""

from __future__ import annotations

from numbatorch.cpu.convolution_lanes_kernels import write_store
from numbatorch.cpu.convolution_packed_kernels import fields, forward_kernel
from numbatorch.cpu.irwriter import Function, Module, Value
from numbatorch.cpu.microkernel import Target, add_vectors, multiply_add, transpose, zero

COPY_BYTES = 128 << 10  # of a block's input
RESULT_BYTES = 64 << 10  # of a block's results
MOST_TAPS = 225

DEPTH = "depth depths planes step_depth first plane_step plane x_depth y_depth "  # of input, results, window, copy
META = (
    "images channels height width rows row_block row_blocks step_rows top reach lead taken begin pitch x_image "
    "x_channel w_channel taps phases y_image y_channel result_rows result_width rows_at_once line_step column_step "
    + DEPTH + "x_lines y_lines transpose"
).split()
PHASE = "place rows columns sums taps row_spans".split()
WEIGHT_META = (
    "images channels height width rows columns row_block row_blocks step_rows top reach lead taken begin pitch x_image "
    "x_channel gy_image gy_channel taps kernel_rows kernel_columns dilation_rows tap_rows " + DEPTH
    + "x_lines y_lines transpose"
).split()


def write_sums(module: Module, name: str, target: Target, at_once: int, step: int) -> None:
    """to[column] = first + sum over taps of w[tap] * x[column * step + offset of the tap], for vectors of channels.

    table: two numbers a tap, the places in x and in w, in bytes. `columns` is at least `at_once`; the last ones may be
    computed twice.
    """
    f = module.function(
        name,
        [("x", "ptr noalias"), ("w", "ptr noalias"), ("first", "ptr noalias"), ("table", "ptr noalias")]
        + [("taps", "i64"), ("to", "ptr noalias"), ("to_step", "i64"), ("columns", "i64")],
    )
    x, w, first, table, taps, to, to_step, columns = f.parameters
    size, vector_bytes = target.bytes, target.vector_bytes
    initial = f.load(target.vector, first, size)
    with f.loop(0, columns, at_once) as blocks:
        begin = f.minimum(blocks.index, columns - at_once)
        here = f.offset(x, begin * (step * vector_bytes))
        with f.loop(0, taps, carry=[initial] * at_once) as loop:
            pair = f.offset(table, loop.index * 16)
            source = f.offset(here, f.load("i64", pair, 8))
            factor = f.load(target.vector, f.offset(w, f.load("i64", f.offset(pair, 8), 8)), size)
            loop.carry([
                multiply_add(f, target, factor,
                             f.load(target.vector, f.offset(source, i * step * vector_bytes), size), total)
                for i, total in enumerate(loop.carried)
            ])
        there = f.offset(to, begin * to_step)
        for total in loop.carried:
            f.store(total, there, size)
            there = f.offset(there, to_step)


def _write_fill(module: Module, target: Target) -> None:
    """lines[row, column] = x at (row, column) of `left` channels, zeros around it: `rows` rows from row `first`.

    What a block of columns writes beyond its row, the zeros and the next row overwrite.
    """
    f = module.function(
        "fill",
        [("x", "ptr noalias"), ("x_channel", "i64"), ("lines", "ptr noalias"), ("pitch", "i64"), ("first", "i64")]
        + [("rows", "i64"), ("height", "i64"), ("width", "i64"), ("lead", "i64"), ("taken", "i64"), ("left", "i64")]
        + [("turn", "ptr")],
    )
    x, x_channel, lines, pitch, first, rows, height, width, lead, taken, left, turn = f.parameters
    size, lanes, vector_bytes = target.bytes, target.lanes, target.vector_bytes
    zeros = zero(f, target.vector)
    with f.loop(0, rows) as each:
        row, line = first + each.index, f.offset(lines, each.index * pitch * vector_bytes)
        inside = f.emit("i1", f"and i1 {(row >= 0).text}, {(row < height).text}")
        count = f.select(inside, taken, 0)
        source, begin = f.offset(x, row * width * size), f.offset(line, lead * vector_bytes)
        with f.cases(f.select(left.equals(lanes), 1, 0), (0, 1)) as case:
            with case(1), f.loop(0, count, lanes) as columns:
                mask = f.lanes_between(lanes, None, count - columns.index)
                here = f.offset(source, columns.index * size)
                values = [f.masked_load(target.vector, f.offset(here, x_channel * i), size, mask) for i in range(lanes)]
                there = f.offset(begin, columns.index * vector_bytes)
                for i, value in enumerate(transpose(f, values)):
                    f.store(value, f.offset(there, i * vector_bytes), size)
            with case(0):
                f.call_at(turn, [source, x_channel, begin, f.value(vector_bytes), count, left])
        for low, high in ((f.value(0), lead), (lead + count, pitch)):
            with f.loop(low, high) as columns:
                f.store(zeros, f.offset(line, columns.index * vector_bytes), size)


def _fetch(f: Function, pointer: Value, lines: Value, row: Value, write: bool = False) -> None:
    """Ask for some cache lines of the next image, a few a row: hardware does not foresee such leaps."""
    with f.loop(0, lines) as each:
        f.prefetch(f.offset(pointer, (row * lines + each.index) * 64), write)


def write_depthwise(name: str, target: Target, with_bias: bool) -> str:
    """(x, weight, [bias,] y, meta, start, stop): a unit is a block of rows of one plane, for a vector of channels.

    Of the input that block is copied from as many planes as a window is deep, of zeros where there is none.
    Phases are parts of the results: those at places `result_step` apart that meet the same taps. A table of the phases
    follows `META`; each has a table of its taps, and one of the first tap and their number for each of its rows.
    """
    module = Module()
    _write_fill(module, target)
    write_store(module, target, 1)
    f, x, w, bias, y, meta, start, stop = forward_kernel(module, name, with_bias, "ptr noalias")
    p, size, vector_bytes, lanes = fields(f, META, meta), target.bytes, target.vector_bytes, target.lanes
    table = f.offset(meta, 8 * len(META))
    lines, results = (f.stack(n + lanes * vector_bytes) for n in (COPY_BYTES, RESULT_BYTES))
    weights, first = f.stack(MOST_TAPS * vector_bytes), f.stack(vector_bytes)
    per_block = p["images"] * p["depths"] * p["row_blocks"]
    f.store(zero(f, target.vector), first, size)
    with f.loop(start, stop) as units:
        channel, rest = (units.index // per_block) * lanes, units.index % per_block
        plane, begin = rest // p["row_blocks"], (rest % p["row_blocks"]) * p["row_block"]
        image, depth = plane // p["depths"], plane % p["depths"]
        left = f.minimum(p["channels"] - channel, lanes)
        fresh = f.emit("i1", f"or i1 {units.index.equals(start).text}, {rest.equals(0).text}")
        with f.when(fresh):
            f.call_at(p["transpose"], [f.offset(w, p["w_channel"] * channel), p["w_channel"], weights,
                                       f.value(vector_bytes), p["taps"], left])
            if bias is not None:
                inside = f.lanes_between(lanes, None, left)
                f.store(f.masked_load(target.vector, f.offset(bias, channel * size), size, inside), first, size)
        rows = f.minimum(p["row_block"], p["rows"] - begin)
        source = f.offset(x, p["x_image"] * image + p["x_channel"] * channel + p["begin"])
        with f.loop(0, p["planes"]) as planes:
            at = depth * p["step_depth"] + p["first"] + planes.index * p["plane_step"]
            inside = f.emit("i1", f"and i1 {(at >= 0).text}, {(at < p['depth']).text}")
            f.call("fill", [f.offset(source, at * p["x_depth"]), p["x_channel"],
                            f.offset(lines, planes.index * p["plane"]), p["pitch"], begin * p["step_rows"] + p["top"],
                            (rows - 1) * p["step_rows"] + 1 + p["reach"], f.select(inside, p["height"], 0), p["width"],
                            p["lead"], p["taken"], left, p["transpose"]])
        with f.loop(0, p["phases"]) as phases:
            t = fields(f, PHASE, f.offset(table, phases.index * (8 * len(PHASE))))
            sums = f.emit("ptr", f"inttoptr i64 {t['sums'].text} to ptr")
            taps, spans = f.offset(meta, t["taps"]), f.offset(meta, t["row_spans"])
            here = f.offset(results, t["place"])
            with f.loop(0, f.minimum(rows, t["rows"] - begin)) as each:
                _fetch(f, f.offset(source, p["x_image"]), p["x_lines"], each.index)
                _fetch(f, f.offset(y, p["y_image"] * (image + 1) + p["y_channel"] * channel), p["y_lines"], each.index,
                       write=True)
                span = f.offset(spans, (begin + each.index) * 16)
                line = f.offset(lines, each.index * p["step_rows"] * p["pitch"] * vector_bytes)
                own = f.offset(taps, f.load("i64", span, 8) * 16)
                f.call_at(sums, [line, weights, first, own, f.load("i64", f.offset(span, 8), 8),
                                 f.offset(here, p["line_step"] * each.index), p["column_step"], t["columns"]])
        row = begin * p["rows_at_once"]
        count = f.minimum(rows * p["rows_at_once"], p["result_rows"] - row) * p["result_width"]
        place = p["y_image"] * image + p["y_channel"] * channel + p["y_depth"] * depth + row * p["result_width"] * size
        f.call("store", [results, f.offset(y, place), p["y_channel"], count, left])
    return module.text()


def write_dots(module: Module, name: str, target: Target, rows: int, columns: int, dilation: int, step: int) -> None:
    """totals[i, j] += sum over positions of gy[position] * x[position * step + i * x_row + j * dilation].

    For `rows` x `columns` taps and vectors of channels.
    """
    f = module.function(
        name,
        [("x", "ptr noalias"), ("x_row", "i64"), ("gy", "ptr noalias"), ("totals", "ptr noalias"), ("count", "i64")],
    )
    x, x_row, gy, totals, count = f.parameters
    size, vector_bytes = target.bytes, target.vector_bytes
    starts = [f.offset(x, x_row * i) for i in range(rows)]
    with f.loop(0, count, carry=[gy, *starts, *[zero(f, target.vector)] * (rows * columns)]) as loop:
        grad_at, *rest = loop.carried
        grad = f.load(target.vector, grad_at, size)
        sums = []
        for number, total in enumerate(rest[rows:]):
            i, j = divmod(number, columns)
            value = f.load(target.vector, f.offset(rest[i], j * dilation * vector_bytes), size)
            sums.append(multiply_add(f, target, value, grad, total))
        loop.carry([f.offset(grad_at, vector_bytes), *(f.offset(at, step * vector_bytes) for at in rest[:rows]), *sums])
    for number, total in enumerate(loop.carried[1 + rows :]):
        place = f.offset(totals, number * vector_bytes)
        f.store(add_vectors(f, f.load(target.vector, place, size), total), place, size)


def write_depthwise_weight(name: str, target: Target) -> str:
    """(x, grad_output, grad_weight, meta, start, stop): a unit is a vector of channels; images are added in order.

    Sums of rows are added to those of their block, `totals`, these to `whole`: no long sum grows in float32.
    """
    module = Module()
    _write_fill(module, target)
    write_store(module, target, 1)
    f = module.function(
        name,
        [("x", "ptr noalias"), ("gy", "ptr noalias"), ("to", "ptr noalias"), ("meta", "ptr noalias")]
        + [("start", "i64"), ("stop", "i64")],
        internal=False,
    )
    x, gy, to, meta, start, stop = f.parameters
    p, size, vector_bytes, lanes = fields(f, WEIGHT_META, meta), target.bytes, target.vector_bytes, target.lanes
    table = f.offset(meta, 8 * len(WEIGHT_META))  # of the routines, for the numbers of rows of taps from 0 on
    lines, grads = (f.stack(n + lanes * vector_bytes) for n in (COPY_BYTES, RESULT_BYTES))
    totals, whole = (f.stack((MOST_TAPS + lanes) * vector_bytes) for _ in range(2))
    with f.loop(start, stop) as units:
        channel = units.index * lanes
        left = f.minimum(p["channels"] - channel, lanes)
        with f.loop(0, p["taps"]) as taps:
            for place in (totals, whole):
                f.store(zero(f, target.vector), f.offset(place, taps.index * vector_bytes), size)
        with f.loop(0, p["images"] * p["depths"]) as each_plane, f.loop(0, p["rows"], p["row_block"]) as blocks:
            image, depth, begin = each_plane.index // p["depths"], each_plane.index % p["depths"], blocks.index
            rows = f.minimum(p["row_block"], p["rows"] - begin)
            count = rows * p["columns"]
            place = p["gy_image"] * image + p["gy_channel"] * channel + p["y_depth"] * depth
            gy_here = f.offset(gy, place + begin * p["columns"] * size)
            f.call("fill", [gy_here, p["gy_channel"], grads, count, f.value(0), f.value(1), f.value(1), count,
                            f.value(0), count, left, p["transpose"]])
            x_row = p["pitch"] * vector_bytes
            with f.loop(0, p["planes"]) as planes:
                at = depth * p["step_depth"] + p["first"] + planes.index * p["plane_step"]
                with f.when(f.emit("i1", f"and i1 {(at >= 0).text}, {(at < p['depth']).text}")):
                    place = p["x_image"] * image + p["x_channel"] * channel + p["x_depth"] * at + p["begin"]
                    x_here = f.offset(x, place)
                    f.call("fill", [x_here, p["x_channel"], lines, p["pitch"],
                                    begin * p["step_rows"] + p["top"], (rows - 1) * p["step_rows"] + 1 + p["reach"],
                                    p["height"], p["width"], p["lead"], p["taken"], left, p["transpose"]])
                    with f.loop(0, p["kernel_rows"], p["tap_rows"]) as some, f.loop(0, rows) as each:
                        _fetch(f, f.offset(x_here, p["x_image"]), p["x_lines"], each.index)
                        _fetch(f, f.offset(gy_here, p["gy_image"]), p["y_lines"], each.index)
                        number = f.minimum(p["tap_rows"], p["kernel_rows"] - some.index)
                        dots = f.load("ptr", f.offset(table, number * 8), 8)
                        row = each.index * p["step_rows"] + some.index * p["dilation_rows"]
                        own = (planes.index * p["kernel_rows"] + some.index) * p["kernel_columns"] * vector_bytes
                        f.call_at(dots, [f.offset(lines, x_row * row), x_row * p["dilation_rows"],
                                         f.offset(grads, each.index * p["columns"] * vector_bytes),
                                         f.offset(totals, own), p["columns"]])
            with f.loop(0, p["taps"]) as taps:
                here, there = (f.offset(place, taps.index * vector_bytes) for place in (totals, whole))
                total = add_vectors(f, f.load(target.vector, there, size), f.load(target.vector, here, size))
                f.store(total, there, size)
                f.store(zero(f, target.vector), here, size)
        f.call("store", [whole, f.offset(to, channel * p["taps"] * size), p["taps"] * size, p["taps"], left])
    return module.text()
