"""Kernels of convolution plane by plane, as LLVM IR: for groups of so few channels that no matrix product pays.

A block of the input is copied with its padding, split by the phases of the stride, so that every tap of all output
positions is one shifted run of contiguous elements. Positions run on through the ends of rows; those between the rows
are computed and dropped. A vector is full whatever the width of the plane is.
"""

from __future__ import annotations

from numbatorch.cpu.convolution_packed_kernels import fields, forward_kernel
from numbatorch.cpu.irwriter import Function, Module, Value
from numbatorch.cpu.microkernel import Target, add_vectors, multiply_add, sum_lanes, zero

BLOCK_BYTES = 24 << 10  # of a copied block, and of its results: half of a first-level cache
AT_ONCE = 8  # vectors of positions: sums enough for the latency of an addition
TAPS_AT_ONCE = 10  # of the weight gradient, at most

META = (
    "images groups channels outputs height width rows columns step_rows step_columns phase_rows phase_columns top left "
    "row_block column_block row_blocks column_blocks reach_rows pitch plane x_image x_group x_channel w_output w_group "
    "y_image y_group y_channel y_row y_column taps"
).split()


WEIGHT_META = [*META, "at_once", "dots", "rest"]


def write_copy_phases(module: Module, target: Target) -> None:
    """to[phase, row, column] = x at (row * step + phase + top, ...), 0 outside, rows of `pitch` elements.

    (first_row, first_column) of the block of results; one vector of zeros follows each plane.
    """
    f = module.function(
        "copy_phases",
        [("x", "ptr noalias"), ("to", "ptr noalias"), ("meta", "ptr noalias"), ("first_row", "i64")]
        + [("rows", "i64"), ("first_column", "i64")],
    )
    x, to, meta, first_row, rows, first_column = f.parameters
    p, size, lanes = fields(f, META, meta), target.bytes, target.lanes
    vectors = (p["pitch"] + (lanes - 1)) // lanes
    lane_step = p["step_columns"] * size

    def reached(begin: Value, step: Value | int, size: Value) -> tuple[Value, Value]:
        """The i with 0 <= begin + i * step < size; divisions round to zero, so both sides are made positive."""
        return ((f.maximum(f.value(0) - begin, 0) + step - 1) // step, (f.maximum(size - begin, 0) + step - 1) // step)

    form = f.minimum(p["step_columns"], 3)
    with f.loop(0, p["phase_rows"]) as row_phases, f.loop(0, p["phase_columns"]) as column_phases:
        row_phase, column_phase = row_phases.index, column_phases.index
        plane = f.offset(to, p["plane"] * (row_phase * p["phase_columns"] + column_phase))
        f.store(zero(f, target.vector), f.offset(plane, rows * p["pitch"] * size), size)
        up = first_row * p["step_rows"] + row_phase + p["top"]
        top, bottom = (f.minimum(end, rows) for end in reached(up, p["step_rows"], p["height"]))
        bottom = f.maximum(top, bottom)
        with f.loop(0, vectors) as each:
            # From the last vector to the first: what goes beyond a row is overwritten by the next one.
            column = (vectors - 1 - each.index) * lanes
            begin = (first_column + column) * p["step_columns"] + column_phase + p["left"]

            def fill(first: Value, last: Value, load, plane=plane, column=column) -> None:
                with f.loop(first, last) as lines:
                    f.store(load(lines.index), f.offset(plane, (lines.index * p["pitch"] + column) * size), size)

            fill(f.value(0), top, lambda row: zero(f, target.vector))
            source = f.offset(x, (up * p["width"] + begin) * size)
            row_bytes = p["step_rows"] * p["width"] * size
            with f.cases(form, (1, 2, 3)) as case:
                with case(1):
                    mask = f.lanes_between(lanes, *reached(begin, 1, p["width"]))
                    fill(top, bottom, lambda row: f.masked_load(target.vector, f.offset(source, row * row_bytes), size,
                                                                mask))
                with case(2):
                    low, high = reached(begin, 2, p["width"])
                    masks = [f.lanes_between(lanes, low * 2 - half, high * 2 - 1 - half) for half in (0, lanes)]

                    def pair(row: Value, source=source, masks=masks) -> Value:
                        here = f.offset(source, row * row_bytes)
                        parts = [f.masked_load(target.vector, f.offset(here, j * target.vector_bytes), size, mask)
                                 for j, mask in enumerate(masks)]
                        return f.shuffle(parts[0], parts[1], range(0, 2 * lanes, 2))

                    fill(top, bottom, pair)
                with case(3):
                    mask = f.lanes_between(lanes, *reached(begin, p["step_columns"], p["width"]))
                    fill(top, bottom, lambda row: f.gather(target.vector, f.offset(source, row * row_bytes), lane_step,
                                                           size, mask))
            fill(bottom, rows, lambda row: zero(f, target.vector))


def _blocks(f: Function, p: dict[str, Value], index: Value) -> tuple[Value, Value, Value, Value]:
    """(first row, rows, first column, columns) of a block of results."""
    row, column = (index // p["column_blocks"]) * p["row_block"], (index % p["column_blocks"]) * p["column_block"]
    return row, f.minimum(p["row_block"], p["rows"] - row), column, f.minimum(p["column_block"], p["columns"] - column)


def _copy_channels(f: Function, p: dict[str, Value], x: Value, to: Value, meta: Value, row: Value, rows: Value,
                   column: Value) -> None:
    step = p["plane"] * p["phase_rows"] * p["phase_columns"]
    with f.loop(0, p["channels"]) as channels:
        source = f.offset(x, p["x_channel"] * channels.index)
        f.call("copy_phases", [source, f.offset(to, step * channels.index), meta, row, rows + p["reach_rows"], column])


def _write_sums(module: Module, target: Target) -> None:
    """to[position] = start + sum over taps of w[tap] * x[position + offsets[tap]], whole vectors."""
    f = module.function(
        "sums",
        [("x", "ptr noalias"), ("w", "ptr noalias"), ("offsets", "ptr noalias"), ("taps", "i64")]
        + [("to", "ptr noalias"), ("length", "i64"), ("first", target.element)],
    )
    x, w, offsets, taps, to, length, first = f.parameters
    size, lanes = target.bytes, target.lanes
    start = f.splat(first, lanes)
    vectors = (length + (lanes - 1)) // lanes

    def some(begin: Value, count: int) -> None:
        shift = begin * target.vector_bytes
        here, there = f.offset(x, shift), f.offset(to, shift)
        with f.loop(0, taps, carry=[start] * count) as loop:
            factor = f.splat(f.load(target.element, f.offset(w, loop.index * size), size), lanes)
            source = f.offset(here, f.load("i64", f.offset(offsets, loop.index * 8), 8))
            totals = []
            for j, total in enumerate(loop.carried):
                value = f.load(target.vector, f.offset(source, j * target.vector_bytes), size)
                totals.append(multiply_add(f, target, factor, value, total))
            loop.carry(totals)
        for j, total in enumerate(loop.carried):
            f.store(total, f.offset(there, j * target.vector_bytes), size)

    whole = vectors - vectors % AT_ONCE
    with f.loop(0, whole, AT_ONCE) as loop:
        some(loop.index, AT_ONCE)
    with f.cases(vectors - whole, range(1, AT_ONCE)) as case:
        for count in range(1, AT_ONCE):
            with case(count):
                some(whole, count)


def write_planes(name: str, target: Target, with_bias: bool) -> str:
    """(x, weight, [bias,] y, meta, start, stop): a unit is a block of rows and columns of one group of one image."""
    module = Module()
    write_copy_phases(module, target)
    _write_sums(module, target)
    f, x, w, bias, y, meta, start, stop = forward_kernel(module, name, with_bias, "ptr noalias")
    p, size, lanes = fields(f, META, meta), target.bytes, target.lanes
    table = f.offset(meta, 8 * len(META))
    copied, results = f.stack(BLOCK_BYTES), f.stack(BLOCK_BYTES)
    per_group = p["row_blocks"] * p["column_blocks"]
    dense = p["y_column"].equals(size)
    first_group = start // per_group
    begin = [start % per_group, first_group % p["groups"], first_group // p["groups"]]
    with f.loop(start, stop, carry=begin) as units:  # counted on: a small plane takes no longer than three divisions
        block, group, image = units.carried
        ends = (block + 1).equals(per_group)
        next_group = group + f.select(ends, 1, 0)
        wraps = next_group.equals(p["groups"])
        units.carry([f.select(ends, 0, block + 1), f.select(wraps, 0, next_group), image + f.select(wraps, 1, 0)])
        row, rows, column, columns = _blocks(f, p, block)
        x_group = f.offset(x, p["x_image"] * image + p["x_group"] * group)
        _copy_channels(f, p, x_group, copied, meta, row, rows, column)
        length = (rows - 1) * p["pitch"] + columns
        with f.loop(0, p["outputs"]) as outputs:
            first = zero(f, target.element)
            if bias is not None:
                number = p["outputs"] * group + outputs.index
                first = f.load(target.element, f.offset(bias, number * size), size)
            weights = f.offset(w, p["w_group"] * group + p["w_output"] * outputs.index)
            f.call("sums", [copied, weights, table, p["taps"], results, length, first])
            place = p["y_image"] * image + p["y_group"] * group + p["y_channel"] * outputs.index
            y_block = f.offset(y, place + p["y_row"] * row + p["y_column"] * column)
            # Rows that follow one another in y are stored by whole vectors, the next row over the end of the last.
            follow = p["y_row"].equals(p["columns"] * size)
            joined = f.select(columns.equals(p["columns"]), f.select(follow, columns * rows, 0), 0)
            with f.loop(0, rows) as lines:
                source = f.offset(results, lines.index * p["pitch"] * size)
                target_row = f.offset(y_block, p["y_row"] * lines.index)
                with f.cases(f.select(dense, 1, 0), (0, 1)) as case:
                    with case(1), f.loop(0, columns, lanes) as each:
                        value = f.load(target.vector, f.offset(source, each.index * size), size)
                        there = f.offset(target_row, each.index * size)
                        fits = (columns * lines.index + each.index + lanes) <= joined
                        with f.cases(f.select(fits, 1, 0), (0, 1)) as how:
                            with how(1):
                                f.store(value, there, size)
                            with how(0):
                                mask = f.lanes_between(lanes, None, columns - each.index)
                                f.masked_store(value, there, size, mask)
                    with case(0), f.loop(0, columns) as each:
                        value = f.load(target.element, f.offset(source, each.index * size), size)
                        f.store(value, f.offset(target_row, p["y_column"] * each.index), size)
    return module.text()


def _write_copy_rows(module: Module, target: Target) -> None:
    """Rows of `columns` elements to rows of `pitch`, zeros between and after them."""
    f = module.function(
        "copy_rows",
        [("gy", "ptr noalias"), ("gy_row", "i64"), ("to", "ptr noalias"), ("pitch", "i64"), ("rows", "i64")]
        + [("columns", "i64")],
    )
    gy, gy_row, to, pitch, rows, columns = f.parameters
    size, lanes = target.bytes, target.lanes
    vectors = (pitch + (lanes - 1)) // lanes
    f.store(zero(f, target.vector), f.offset(to, ((rows - 1) * pitch + columns) * size), size)
    with f.loop(0, vectors) as each:
        column = (vectors - 1 - each.index) * lanes
        mask = f.lanes_between(lanes, None, columns - column)
        with f.loop(0, rows) as lines:
            value = f.masked_load(target.vector, f.offset(gy, gy_row * lines.index + column * size), size, mask)
            f.store(value, f.offset(to, (lines.index * pitch + column) * size), size)


def write_dots(module: Module, name: str, target: Target, count: int) -> None:
    """totals[tap] += sum over positions of gy[position] * x[position + offsets[tap]], by lanes, for `count` taps."""
    f = module.function(
        name,
        [("x", "ptr noalias"), ("gy", "ptr noalias"), ("offsets", "ptr noalias"), ("totals", "ptr noalias")]
        + [("length", "i64")],
    )
    x, gy, offsets, totals, length = f.parameters
    size = target.bytes
    sources = [f.offset(x, f.load("i64", f.offset(offsets, i * 8), 8)) for i in range(count)]
    with f.loop(0, length, target.lanes, carry=[zero(f, target.vector)] * count) as loop:
        shift = loop.index * size
        grad = f.load(target.vector, f.offset(gy, shift), size)
        loop.carry([
            multiply_add(f, target, f.load(target.vector, f.offset(source, shift), size), grad, total)
            for source, total in zip(sources, loop.carried, strict=True)
        ])
    for i, total in enumerate(loop.carried):
        place = f.offset(totals, i * target.vector_bytes)
        f.store(add_vectors(f, f.load(target.vector, place, size), total), place, size)


def write_planes_weight(name: str, target: Target) -> str:
    """(x, grad_output, grad_weight, totals, meta, start, stop): a unit is an output; images are added in order.

    totals: taps vectors a unit, for sums by lanes.
    """
    module = Module()
    write_copy_phases(module, target)
    _write_copy_rows(module, target)
    f = module.function(
        name,
        [("x", "ptr noalias"), ("gy", "ptr noalias"), ("to", "ptr noalias"), ("totals", "ptr noalias")]
        + [("meta", "ptr noalias"), ("start", "i64"), ("stop", "i64")],
        internal=False,
    )
    x, gy, to, totals, meta, start, stop = f.parameters
    p, size = fields(f, WEIGHT_META, meta), target.bytes
    dots, rest = (f.emit("ptr", f"inttoptr i64 {p[name].text} to ptr") for name in ("dots", "rest"))
    table = f.offset(meta, 8 * len(WEIGHT_META))
    copied, grads = f.stack(BLOCK_BYTES), f.stack(BLOCK_BYTES)
    with f.loop(start, stop) as units:
        group, output = units.index // p["outputs"], units.index % p["outputs"]
        own = f.offset(totals, units.index * p["taps"] * target.vector_bytes)
        with f.loop(0, p["taps"]) as taps:
            f.store(zero(f, target.vector), f.offset(own, taps.index * target.vector_bytes), size)
        with f.loop(0, p["images"]) as images, f.loop(0, p["row_blocks"] * p["column_blocks"]) as blocks:
            row, rows, column, columns = _blocks(f, p, blocks.index)
            x_group = f.offset(x, p["x_image"] * images.index + p["x_group"] * group)
            _copy_channels(f, p, x_group, copied, meta, row, rows, column)
            place = p["y_image"] * images.index + p["y_group"] * group + p["y_channel"] * output
            gy_block = f.offset(gy, place + p["y_row"] * row + p["y_column"] * column)
            f.call("copy_rows", [gy_block, p["y_row"], grads, p["pitch"], rows, columns])
            with f.loop(0, p["taps"], p["at_once"]) as taps:
                whole = (taps.index + p["at_once"]) <= p["taps"]
                arguments = [copied, grads, f.offset(table, taps.index * 8)]
                arguments += [f.offset(own, taps.index * target.vector_bytes), (rows - 1) * p["pitch"] + columns]
                f.call_at(f.select(whole, dots, rest), arguments)
        with f.loop(0, p["taps"]) as taps:
            total = f.load(target.vector, f.offset(own, taps.index * target.vector_bytes), size)
            value = sum_lanes(f, target, total)
            f.store(value, f.offset(to, (units.index * p["taps"] + taps.index) * size), size)
    return module.text()
