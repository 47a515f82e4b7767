"""The kernels of Winograd's convolution with 3x3 windows, as LLVM IR: F(2x2, 3x3), 4 results from 16 products.

Lavin & Gray 2016, arXiv:1509.09308, section 4.1: y = A' [(G w G') * (B' x B)] A summed over channels, for each tile of
2x2 results from 4x4 inputs. The products of one place of the tiles ("frequency") over all tiles are a matrix product.
Inputs are transformed with channels in the lanes, weights and results with outputs in the lanes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from numbatorch.cpu.convolution_lanes_kernels import write_store
from numbatorch.cpu.convolution_packed_kernels import arranging_kernel, fields, forward_kernel
from numbatorch.cpu.irwriter import Function, Module, Value
from numbatorch.cpu.microkernel import Target, add_vectors, write_rows, zero

TAPS = 9
FREQUENCIES = 16
CHANNELS_AT_ONCE = 16  # of weights
ROWS_BYTES = 96 << 10  # of the rows that a run of tiles reads, for the channels of a vector
STAGE_BYTES = 72 << 10  # of the results of a run for a panel of outputs
GROUP = 56  # tiles whose products are kept at once
RUN_BYTES = 448 << 10  # of the transformed inputs of a run that stay in the second-level cache

WEIGHTS_META = "channels outputs w_output w_channel u_panel u_frequency chunks transpose".split()
INPUTS_META = (
    "channels first_run rows rows_per_run tile_rows tile_columns height width top lead taken begin pitch x_image "
    "x_channel v_run v_frequency v_tile channels_per_unit units_per_run transpose"
).split()
SUMS_META = (
    "channels outputs first_run runs rows rows_per_run tile_columns v_run v_frequency v_tile m_run m_frequency m_tile "
    "u_panel u_frequency tile tiles"
).split()
GRADIENTS_META = "channels outputs to_output u_panel u_frequency chunks".split()
RUNS_META = "transform transform_meta multiply multiply_meta v_run runs panels units_per_run".split()
PRODUCTS_META = (
    "channels outputs first_run runs rows rows_per_run tile_rows tile_columns height width y_image y_channel v_run "
    "v_frequency v_tile u_panel u_frequency k_block group tile tiles"
).split()


def _minus(f: Function, a: Value, b: Value) -> Value:
    return f.emit(a.type, f"fsub {a.type} {a.text}, {b.text}")


def _both(values: list[list[Value]], step) -> list[list[Value]]:
    """`step`, from a column of values to a longer or shorter one, for the columns and then for the rows."""
    columns = [step([row[j] for row in values]) for j in range(len(values[0]))]
    return [step([column[i] for column in columns]) for i in range(len(columns[0]))]


def write_weights(name: str, target: Target) -> str:
    """(weight, to, meta, start, stop): to[panel, frequency, channel, output] = G w G'.

    A unit is some channels of a panel. The block ends with the places of the nine taps, in bytes, in the order of the
    window.
    """
    module = Module()
    f, w, to, meta, start, stop = arranging_kernel(module, name, "w")
    p = fields(f, WEIGHTS_META, meta)
    size, lanes, row_bytes = target.bytes, target.lanes, target.panel * target.bytes
    table = f.offset(meta, 8 * len(WEIGHTS_META))
    places = [f.load("i64", f.offset(table, 8 * tap), 8) for tap in range(TAPS)]
    turned = f.stack(CHANNELS_AT_ONCE * TAPS * target.vector_bytes)
    half = f.splat(Value(f, target.element, "0.5"), lanes)

    def step(column: list[Value]) -> list[Value]:
        first, middle, last = column
        outer = add_vectors(f, first, last)
        mean = f.emit(outer.type, f"fmul {outer.type} {outer.text}, {half.text}")
        share = f.emit(outer.type, f"fmul {outer.type} {middle.text}, {half.text}")
        return [first, add_vectors(f, mean, share), _minus(f, mean, share), last]

    with f.loop(start, stop) as units:
        panel, channel = units.index // p["chunks"], (units.index % p["chunks"]) * CHANNELS_AT_ONCE
        count = f.minimum(CHANNELS_AT_ONCE, p["channels"] - channel)
        own = f.offset(to, p["u_panel"] * panel + channel * row_bytes)
        for j in range(target.vectors):
            output = panel * target.panel + j * lanes
            left = f.minimum(p["outputs"] - output, lanes)
            with f.when(left > 0):
                source = f.offset(w, p["w_output"] * output + p["w_channel"] * channel)
                at_once = f.select(p["w_channel"].equals(TAPS * size), count, 1)
                with f.loop(0, count, at_once) as channels:
                    there = f.offset(turned, channels.index * (TAPS * target.vector_bytes))
                    f.call_at(p["transpose"], [f.offset(source, p["w_channel"] * channels.index), p["w_output"], there,
                                               f.value(target.vector_bytes), at_once * TAPS, left])
                with f.loop(0, count) as channels:
                    here = f.offset(turned, channels.index * (TAPS * target.vector_bytes))
                    taps = [f.load(target.vector, f.offset(here, place), size) for place in places]
                    results = _both([taps[3 * i : 3 * i + 3] for i in range(3)], step)
                    there = f.offset(own, channels.index * row_bytes + j * target.vector_bytes)
                    for number, value in enumerate(value for row in results for value in row):
                        f.store(value, f.offset(there, p["u_frequency"] * number), size)
    return module.text()


def _rows(f: Function, p: dict[str, Value], run: Value) -> tuple[Value, Value]:
    """The rows of tiles [first, last) of a run: they run on from image to image."""
    first = (run + p["first_run"]) * p["rows_per_run"]
    return first, f.minimum(first + p["rows_per_run"], p["rows"])


@contextmanager
def _images(f: Function, p: dict[str, Value], first: Value, last: Value) -> Iterator[tuple[Value, Value, Value]]:
    """A loop over the images of a run: (image, its first row of tiles that lies in the run, and the end of these)."""
    with f.loop(first // p["tile_rows"], (last - 1) // p["tile_rows"] + 1) as images:
        own = images.index * p["tile_rows"]
        yield images.index, f.maximum(first - own, 0), f.minimum(last - own, p["tile_rows"])


def write_inputs(name: str, target: Target, results: bool = False) -> str:
    """(x, to, meta, start, stop): to[run, frequency, tile, channel] = B' x B; a unit is some channels of a run.

    results: of gradients of results, in tiles of 2x2, A x A' instead.
    """
    module = Module()
    f, x, to, meta, start, stop = arranging_kernel(module, name, "x")
    p, size, vector_bytes = fields(f, INPUTS_META, meta), target.bytes, target.vector_bytes
    lines = f.stack(ROWS_BYTES)
    window = 2 if results else 4
    zeros, line_bytes = zero(f, target.vector), p["pitch"] * vector_bytes

    def step(column: list[Value]) -> list[Value]:
        if results:
            a, b = column
            return [a, add_vectors(f, a, b), _minus(f, a, b), f.emit(b.type, f"fneg {b.type} {b.text}")]
        a, b, c, d = column
        return [_minus(f, a, c), add_vectors(f, b, c), _minus(f, c, b), _minus(f, b, d)]

    def clear(line: Value, begin: Value | int, end: Value) -> None:
        with f.loop(begin, end) as columns:
            f.store(zeros, f.offset(line, columns.index * vector_bytes), size)

    with f.loop(start, stop) as units:
        run, part = units.index // p["units_per_run"], units.index % p["units_per_run"]
        first_channel = part * p["channels_per_unit"]
        last_channel = f.minimum(first_channel + p["channels_per_unit"], p["channels"])
        first, last = _rows(f, p, run)
        with (
            f.loop(first_channel, last_channel, target.lanes) as channels,
            _images(f, p, first, last) as (image, begin, end),
        ):
            channel = channels.index
            left = f.minimum(target.lanes, p["channels"] - channel)
            top = begin * 2 + p["top"]  # input row of line 0
            source = f.offset(x, p["x_image"] * image + p["x_channel"] * channel + p["begin"])
            with f.loop(0, (end - begin) * 2 + (window - 2)) as rows:
                row, line = top + rows.index, f.offset(lines, line_bytes * rows.index)
                inside = f.emit("i1", f"and i1 {(row >= 0).text}, {(row < p['height']).text}")
                taken = f.select(inside, p["taken"], 0)
                clear(line, 0, p["lead"])
                clear(line, p["lead"] + taken, p["pitch"])
                f.call_at(p["transpose"], [f.offset(source, row * p["width"] * size), p["x_channel"],
                                           f.offset(line, p["lead"] * vector_bytes), f.value(vector_bytes), taken,
                                           left])
            there = f.offset(to, p["v_run"] * run + channel * size)
            with f.loop(begin, end) as rows:
                number = (image * p["tile_rows"] + rows.index - first) * p["tile_columns"]
                line = f.offset(lines, line_bytes * ((rows.index - begin) * 2))
                ends = [f.offset(line, line_bytes * i) for i in range(window)]
                with f.loop(0, p["tile_columns"]) as columns:
                    shift = columns.index * (2 * vector_bytes)
                    values = [[f.load(target.vector, f.offset(at, shift + j * vector_bytes), size)
                               for j in range(window)] for at in ends]
                    place = f.offset(there, p["v_tile"] * (number + columns.index))
                    for value in (value for row in _both(values, step) for value in row):
                        f.store(value, place, size)
                        place = f.offset(place, p["v_frequency"])
    return module.text()


def write_products(name: str, target: Target, with_bias: bool) -> str:
    """(v, u, [bias,] y, meta, start, stop): a unit is a run of tiles of a panel of outputs.

    The products of `GROUP` tiles are summed over the channels, transformed by A, and laid out by rows of results with
    the outputs in the lanes; the results of a run are turned over as they are stored.
    """
    module = Module()
    write_rows(module, "rows", target)
    write_store(module, target)
    middle = [("bias", "ptr noalias")] if with_bias else []
    f = module.function(
        name,
        [("v", "ptr noalias"), ("u", "ptr noalias"), *middle, ("y", "ptr noalias"), ("meta", "ptr noalias")]
        + [("start", "i64"), ("stop", "i64")],
        internal=False,
    )
    v, u, *rest = f.parameters
    bias = rest.pop(0) if with_bias else None
    y, meta, start, stop = rest
    p, size, vector_bytes = fields(f, PRODUCTS_META, meta), target.bytes, target.vector_bytes
    row_bytes = target.panel * size
    sums, stage = f.stack(FREQUENCIES * GROUP * row_bytes), f.stack(STAGE_BYTES + (target.lanes + 1) * row_bytes)
    unused = f.stack(row_bytes)
    sums_step = f.value(GROUP * row_bytes)

    def step(column: list[Value]) -> list[Value]:
        a, b, c, d = column
        return [add_vectors(f, add_vectors(f, a, b), c), _minus(f, _minus(f, b, c), d)]

    with f.loop(start, stop) as units:
        panel, run = units.index // p["runs"], units.index % p["runs"]
        output = panel * target.panel
        width = f.minimum(target.panel, p["outputs"] - output)
        first, last = _rows(f, p, run)
        count = (last - first) * p["tile_columns"]
        v_run, u_panel = f.offset(v, p["v_run"] * run), f.offset(u, p["u_panel"] * panel)
        start_values = [zero(f, target.vector)] * target.vectors
        if bias is not None:
            own = f.offset(bias, output * size)
            start_values = [
                f.masked_load(target.vector, f.offset(own, j * vector_bytes), size,
                              f.lanes_between(target.lanes, None, width - j * target.lanes))
                for j in range(target.vectors)
            ]
        with f.loop(0, count, p["group"]) as groups:
            group_count = f.minimum(p["group"], count - groups.index)
            with f.loop(0, FREQUENCIES) as frequencies, f.loop(0, p["channels"], p["k_block"]) as blocks:
                a = f.offset(v_run, p["v_frequency"] * frequencies.index + p["v_tile"] * groups.index
                             + blocks.index * size)
                b = f.offset(u_panel, p["u_frequency"] * frequencies.index + blocks.index * row_bytes)
                c = f.offset(sums, sums_step * frequencies.index)
                share = p["k_block"] * row_bytes * p["tile"] // group_count
                with f.loop(0, group_count, p["tile"]) as some:
                    own, there = f.offset(a, p["v_tile"] * some.index), f.offset(c, some.index * row_bytes)
                    # Of the weights of the next block: the first tile would wait for all of them.
                    ahead = f.offset(b, p["k_block"] * row_bytes + some.index // p["tile"] * share)
                    with f.loop(0, share, 64) as lines:
                        f.prefetch(f.offset(ahead, lines.index))
                    addend = f.select(blocks.index > 0, there, f.value(0, "ptr"))
                    arguments = [own, p["v_tile"], f.value(size), b, f.value(row_bytes), there, f.value(row_bytes),
                                 addend, f.value(row_bytes), f.minimum(p["k_block"], p["channels"] - blocks.index),
                                 width, p["v_tile"] * p["tile"], f.minimum(p["tile"], group_count - some.index),
                                 p["tile"]]
                    f.call("rows", [p["tiles"], *arguments])
            with f.loop(0, group_count) as tiles:
                number = groups.index + tiles.index
                row, column = number // p["tile_columns"], (number % p["tile_columns"]) * 2
                there = f.offset(stage, (row * 2 * p["width"] + column) * row_bytes)
                below = f.offset(there, p["width"] * row_bytes)
                whole = (column + 1) < p["width"]
                source = f.offset(sums, tiles.index * row_bytes)
                for j in range(target.vectors):
                    values = [[f.load(target.vector, f.offset(source, (4 * i + k) * (GROUP * row_bytes)
                                                              + j * vector_bytes), size) for k in range(4)]
                              for i in range(4)]
                    for line, results in zip((there, below), _both(values, step), strict=True):
                        for i, value in enumerate(results):
                            place = f.offset(line, i * row_bytes + j * vector_bytes)
                            if i:
                                place = f.select(whole, place, unused)
                            f.store(add_vectors(f, value, start_values[j]), place, size)
        with _images(f, p, first, last) as (image, begin, end):
            source = f.offset(stage, (image * p["tile_rows"] + begin - first) * 2 * p["width"] * row_bytes)
            there = f.offset(y, p["y_image"] * image + p["y_channel"] * output + begin * 2 * p["width"] * size)
            positions = (f.minimum(end * 2, p["height"]) - begin * 2) * p["width"]
            f.call("store", [source, there, p["y_channel"], positions, width])
    return module.text()


def write_runs(name: str, target: Target, with_bias: bool) -> str:
    """(x, u, [bias,] y, meta, start, stop): a unit is a run, from its inputs to the results of all panels.

    Both kernels are called by their addresses; the run's transformed inputs lie on the stack.
    """
    module = Module()
    f, x, u, bias, y, meta, start, stop = forward_kernel(module, name, with_bias, "ptr noalias")
    p = fields(f, RUNS_META, meta)
    kernels = {n: f.emit("ptr", f"inttoptr i64 {p[n].text} to ptr") for n in RUNS_META[:4]}
    inputs = f.stack(RUN_BYTES)
    with f.loop(start, stop) as runs:
        run = runs.index
        own = f.offset(inputs, f.value(0) - p["v_run"] * run)  # both kernels add the run's place
        begin = run * p["units_per_run"]
        f.call_at(kernels["transform"], [x, own, kernels["transform_meta"], begin, begin + p["units_per_run"]])
        with f.loop(0, p["panels"]) as panels:
            unit = panels.index * p["runs"] + run
            given = [own, u, *([] if bias is None else [bias]), y]
            f.call_at(kernels["multiply"], [*given, kernels["multiply_meta"], unit, unit + 1])
    return module.text()


def write_sums(name: str, target: Target) -> str:
    """(v, m, to, meta, start, stop): to[panel, frequency, channel, output] += v' @ m over the tiles of a part's runs.

    A unit is a frequency of a panel of outputs; the runs are summed one after the other.
    """
    module = Module()
    write_rows(module, "rows", target)
    f = module.function(
        name,
        [("v", "ptr noalias"), ("m", "ptr noalias"), ("to", "ptr"), ("meta", "ptr noalias")]
        + [("start", "i64"), ("stop", "i64")],
        internal=False,
    )
    v, m, to, meta, start, stop = f.parameters
    p, size, row_bytes = fields(f, SUMS_META, meta), target.bytes, target.panel * target.bytes
    with f.loop(start, stop) as units, f.loop(0, p["runs"]) as runs:
        panel, frequency = units.index // FREQUENCIES, units.index % FREQUENCIES
        run, output = runs.index, panel * target.panel
        first, last = _rows(f, p, run)
        a = f.offset(v, p["v_run"] * run + p["v_frequency"] * frequency)
        b = f.offset(m, p["m_run"] * run + p["m_frequency"] * frequency + output * size)
        c = f.offset(to, p["u_panel"] * panel + p["u_frequency"] * frequency)
        addend = f.select((run + p["first_run"]) > 0, c, f.value(0, "ptr"))
        arguments = [a, f.value(size), p["v_tile"], b, p["m_tile"], c, f.value(row_bytes), addend, f.value(row_bytes),
                     (last - first) * p["tile_columns"], f.minimum(target.panel, p["outputs"] - output),
                     p["tile"] * size, p["channels"], p["tile"]]
        f.call("rows", [p["tiles"], *arguments])
    return module.text()


def write_gradients(name: str, target: Target) -> str:
    """(u, to, meta, start, stop): to[output, channel, tap] = G' u G; a unit is some channels of a panel of outputs."""
    module = Module()
    write_store(module, target, 1)
    f = module.function(
        name,
        [("u", "ptr noalias"), ("to", "ptr noalias"), ("meta", "ptr noalias"), ("start", "i64"), ("stop", "i64")],
        internal=False,
    )
    u, to, meta, start, stop = f.parameters
    p, size, lanes, vector_bytes = fields(f, GRADIENTS_META, meta), target.bytes, target.lanes, target.vector_bytes
    block = f.stack((CHANNELS_AT_ONCE * TAPS + lanes) * vector_bytes)
    half = f.splat(Value(f, target.element, "0.5"), lanes)

    def step(column: list[Value]) -> list[Value]:
        a, b, c, d = column
        both, apart = add_vectors(f, b, c), _minus(f, b, c)
        both, apart = (f.emit(x.type, f"fmul {x.type} {x.text}, {half.text}") for x in (both, apart))
        return [add_vectors(f, a, both), apart, add_vectors(f, both, d)]

    with f.loop(start, stop) as units:
        panel, channel = units.index // p["chunks"], (units.index % p["chunks"]) * CHANNELS_AT_ONCE
        count = f.minimum(CHANNELS_AT_ONCE, p["channels"] - channel)
        for j in range(target.vectors):
            output = panel * target.panel + j * lanes
            left = f.minimum(p["outputs"] - output, lanes)
            with f.when(left > 0):
                own = f.offset(u, p["u_panel"] * panel + channel * (target.panel * size) + j * vector_bytes)
                with f.loop(0, count) as channels:
                    here = f.offset(own, channels.index * (target.panel * size))
                    values = [[f.load(target.vector, f.offset(here, p["u_frequency"] * (4 * i + k)), size)
                               for k in range(4)] for i in range(4)]
                    there = f.offset(block, channels.index * (TAPS * vector_bytes))
                    for number, value in enumerate(value for row in _both(values, step) for value in row):
                        f.store(value, f.offset(there, number * vector_bytes), size)
                place = p["to_output"] * output + channel * (TAPS * size)
                f.call("store", [block, f.offset(to, place), p["to_output"], count * TAPS, left])
    return module.text()
