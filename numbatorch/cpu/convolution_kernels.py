"""The kernels of convolution, as LLVM IR: packed forward, turned weights, weight gradient and its sum.

Parameter blocks are int64, named by the *_META lists and followed by a table. All strides are in bytes.
"""

from __future__ import annotations

from numbatorch.cpu.irwriter import Function, Module, Value
from numbatorch.cpu.microkernel import (
    FLAT,
    NEST,
    PLACE,
    Target,
    add_vectors,
    multiply_add,
    write_rows,
    zero,
)

K_BLOCK = 384  # rows of a packed panel: 48 KB, and one block for 32 channels of 3x3
TURN_CHANNELS = 16
FLAT_BYTES = 192 << 10  # of a padded block of rows: on the stack, and a fraction of a second-level cache
FLAT_K_BLOCK = 640  # nothing is packed: a block ends for accuracy alone
STAGE_ROWS = 252  # channels of a strided store that are staged at once
POSITION_BLOCK = 256  # positions summed in registers by the weight gradient: accuracy of GEMM's blocks

FORWARD_META = (
    "channels outputs height width positions columns step_rows step_columns x_image x_group x_channel "
    "w_output w_group y_image y_group y_channel y_row y_column groups panels_per_unit units_per_group "
    "channel_block tap_block taps tile staged tiles pack"
).split()
FLAT_META = (
    "channels outputs height width rows columns pitch top left reach x_image x_group x_channel copied_channel "
    "w_output w_group y_image y_group y_channel groups rows_per_unit units_per_group row_block k_block taps tile "
    "copies tiles"
).split()
TAP = "first_row end_row first_column end_column offset".split()
WEIGHT_META = (
    "images groups outputs height width rows columns row_block column_block step_rows step_columns x_image x_group "
    "gy_image gy_group gy_channel images_per_chunk blocks_per_group units_per_chunk unit_bytes tile calls tiles "
    "transpose"
).split()
CALL = "first_row end_row first_column end_column x_offset x_row result_row count".split()


ADDRESSES = ("tiles", "pack", "transpose")  # of tables and functions


def _fields(f: Function, names: list[str], at: Value) -> dict[str, Value]:
    return {name: f.load("ptr" if name in ADDRESSES else "i64", f.offset(at, 8 * i), 8) for i, name in enumerate(names)}


def write_pack_taps(module: Module, name: str, target: Target, step: int) -> None:
    """to[channel * taps + tap, lane] = x at (output position + lane) shifted by the tap, 0 outside the input.

    step: of columns from one position to the next; `ANY_STEP` stands for that and all larger ones.
    """
    f = module.function(
        name,
        [("x", "ptr noalias"), ("to", "ptr noalias"), ("meta", "ptr noalias"), ("channels", "i64")]
        + [("tap", "i64"), ("taps", "i64"), ("position", "i64"), ("width", "i64")],
    )
    x, to, meta, channels, first_tap, taps, position, width = f.parameters
    p = _fields(f, FORWARD_META, meta)
    size, row_bytes = target.bytes, target.panel * target.bytes
    table = f.offset(meta, 8 * len(FORWARD_META))
    lane_step = p["step_columns"] * size
    to_step = taps * row_bytes
    for j in range(target.vectors):
        here = position + j * target.lanes
        lanes = f.minimum(width - j * target.lanes, target.lanes)
        first = here // p["columns"]
        ends = (here + lanes - 1) // p["columns"] + 1
        # A segment is the part of the vector in one output row; they are loaded in pairs, chained through their masks,
        # and the first pair stores the whole vector (masked stores are slow on Zen).
        with f.when(lanes > 0), f.loop(first, ends, 2) as segments:
            rows = (segments.index, segments.index + 1)
            places = []  # per row: the lane of its column 0, the lanes it owns, the address of lane 0
            for row in rows:
                start = row * p["columns"] - here
                low, high = f.maximum(start, 0), f.minimum(start + p["columns"], lanes)
                places.append((start, low, high, row * p["step_rows"] * p["width"] * size - start * lane_step))
            owned = f.lanes_between(target.lanes, places[0][1], places[1][2])
            paired, later = rows[1] < ends, segments.index > first
            form = f.select(paired, 1, 0) + f.select(later, 2, 0)
            with f.loop(first_tap, first_tap + taps) as each:
                t = _fields(f, TAP, f.offset(table, each.index * (8 * len(TAP))))
                limits = []
                for row, (start, low, high, _) in zip(rows, places, strict=True):
                    outside = f.emit("i1", f"or i1 {(row < t['first_row']).text}, {(row >= t['end_row']).text}")
                    begin = f.maximum(low, start + t["first_column"])
                    limits.append((begin, f.select(outside, 0, f.minimum(high, start + t["end_column"]))))
                source = f.offset(x, places[0][3] + t["offset"])
                apart = places[1][3] - places[0][3]
                there = f.offset(to, (each.index - first_tap) * row_bytes + j * target.vector_bytes)
                with f.cases(form, range(4)) as case:
                    for number in range(4):
                        with case(number):
                            used = limits if number & 1 else limits[:1]
                            masks = [_step_masks(f, target, step, *limit) for limit in used]
                            with f.loop(0, channels, carry=[source, there]) as loop:
                                at, target_row = loop.carried
                                pointers = (at, f.offset(at, apart))[: len(used)]
                                value = _load_step(f, target, step, lane_step, pointers, masks)
                                if number & 2:
                                    f.masked_store(value, target_row, size, owned)
                                else:
                                    f.store(value, target_row, size)
                                loop.carry([f.offset(at, p["x_channel"]), f.offset(target_row, to_step)])


ANY_STEP = 3  # column steps of 1 and 2 have loads of their own, larger ones gather


def _step_masks(f: Function, target: Target, step: int, begin: Value, end: Value) -> list[Value]:
    """Masks for the loads that fill the lanes begin <= l < end."""
    if step != 2:
        return [f.lanes_between(target.lanes, begin, end)]
    low, high = begin * 2, end * 2 - 1  # elements of two vectors, of which the even ones are wanted
    some = end > begin
    low, high = f.select(some, low, 0), f.select(some, high, 0)
    return [f.lanes_between(target.lanes, low - shift, high - shift) for shift in (0, target.lanes)]


def _load_step(
    f: Function, target: Target, step: int, lane_step: Value, pointers: tuple[Value, ...], masks: list[list[Value]]
) -> Value:
    """A vector of elements `step` apart, from one pointer per segment, each for the lanes of its mask."""
    size = target.bytes
    halves = [zero(f, target.vector)] * len(masks[0])
    for pointer, parts in zip(pointers, masks, strict=True):
        for i, mask in enumerate(parts):
            if step == ANY_STEP:
                halves[i] = f.gather(target.vector, pointer, lane_step, size, mask, halves[i])
            else:
                place = f.offset(pointer, i * target.vector_bytes)
                halves[i] = f.masked_load(target.vector, place, size, mask, halves[i])
    return f.shuffle(halves[0], halves[1], range(0, 2 * target.lanes, 2)) if step == 2 else halves[0]


def write_forward(name: str, target: Target, with_bias: bool) -> str:
    """(x, weight, [bias,] y, meta, start, stop): a unit is a run of panels of one group of one image."""
    module = Module()
    write_rows(module, "rows", target)
    middle = [("bias", "ptr noalias")] if with_bias else []
    f = module.function(
        name,
        [("x", "ptr noalias"), ("w", "ptr noalias"), *middle, ("y", "ptr"), ("meta", "ptr noalias")]
        + [("start", "i64"), ("stop", "i64")],
        internal=False,
    )
    x, w, *rest = f.parameters
    bias = rest.pop(0) if with_bias else None
    y, meta, start, stop = rest
    p = _fields(f, FORWARD_META, meta)
    size, row_bytes = target.bytes, target.panel * target.bytes
    panel, stage = f.stack(K_BLOCK * row_bytes), f.stack(STAGE_ROWS * row_bytes)
    staged = p["staged"].differs(0)
    with f.loop(start, stop) as units:
        image_group, run = units.index // p["units_per_group"], units.index % p["units_per_group"]
        image, group = image_group // p["groups"], image_group % p["groups"]
        x_group = f.offset(x, p["x_image"] * image + p["x_group"] * group)
        y_group = f.offset(y, p["y_image"] * image + p["y_group"] * group)
        w_group = f.offset(w, p["w_group"] * group)
        first = run * p["panels_per_unit"] * target.panel
        last = f.minimum(first + p["panels_per_unit"] * target.panel, p["positions"])
        output_block = f.select(staged, STAGE_ROWS, p["outputs"])
        with f.loop(first, last, target.panel) as panels, f.loop(0, p["outputs"], output_block) as blocks:
            position, output = panels.index, blocks.index
            width = f.minimum(target.panel, last - position)
            count = f.minimum(output_block, p["outputs"] - output)
            y_here = f.offset(y_group, p["y_channel"] * output + position * size)
            c, c_row = f.select(staged, stage, y_here), f.select(staged, row_bytes, p["y_channel"])
            with (
                f.loop(0, f.maximum(p["channels"], 1), p["channel_block"]) as channels,
                f.loop(0, f.maximum(p["taps"], 1), p["tap_block"]) as taps,
            ):
                channel, tap = channels.index, taps.index
                channel_count = f.minimum(p["channel_block"], p["channels"] - channel)
                tap_count = f.minimum(p["tap_block"], p["taps"] - tap)
                x_here = f.offset(x_group, p["x_channel"] * channel)
                f.call_at(p["pack"], [x_here, panel, meta, channel_count, tap, tap_count, position, width])
                again = (channel + tap) > 0
                addend, addend_row = f.value(0, "ptr"), f.value(0)
                if bias is not None:
                    addend, addend_row = f.offset(bias, (p["outputs"] * group + output) * size), f.value(size)
                addend, addend_row = f.select(again, c, addend), f.select(again, c_row, addend_row)
                w_here = f.offset(w_group, p["w_output"] * output + (channel * p["taps"] + tap) * size)
                arguments = [w_here, p["w_output"], f.value(size), panel, f.value(row_bytes), c, c_row]
                arguments += [addend, addend_row, channel_count * tap_count, width]
                arguments += [p["w_output"] * p["tile"], count, p["tile"]]
                f.call("rows", [p["tiles"], *arguments])
            with f.when(staged), f.loop(0, count) as outputs, f.loop(0, width) as lanes:
                at = position + lanes.index
                place = (at // p["columns"]) * p["y_row"] + (at % p["columns"]) * p["y_column"]
                value = f.load(target.element, f.offset(stage, outputs.index * row_bytes + lanes.index * size), size)
                to = f.offset(y_group, p["y_channel"] * (output + outputs.index) + place)
                f.store(value, to, size)
    return module.text()


def _write_copy_padded(module: Module, target: Target) -> None:
    """A block of rows of x with the padding written out: to[channel, row, column], rows of `pitch` elements."""
    f = module.function(
        "copy_padded",
        [("x", "ptr noalias"), ("to", "ptr noalias"), ("meta", "ptr noalias"), ("row", "i64"), ("rows", "i64")],
    )
    x, to, meta, first_row, rows = f.parameters
    p = _fields(f, FLAT_META, meta)
    size = target.bytes
    vectors = (p["pitch"] + (target.lanes - 1)) // target.lanes
    none = f.lanes_between(target.lanes, None, f.value(0))
    with f.loop(0, vectors) as each:
        # From the last vector of the rows to the first: what a vector writes beyond its row is overwritten by the next.
        column = (vectors - 1 - each.index) * target.lanes
        begin = p["left"] + column  # place of lane 0 in the input
        inside = f.lanes_between(target.lanes, f.value(0) - begin, p["width"] - begin)
        with f.loop(0, rows) as lines:
            row = first_row + lines.index + p["top"]
            within = f.emit("i1", f"and i1 {(row >= 0).text}, {(row < p['height']).text}")
            mask = f.select(within, inside, none)
            source = f.offset(x, (row * p["width"] + begin) * size)
            there = f.offset(to, (lines.index * p["pitch"] + column) * size)
            with f.loop(0, p["channels"], carry=[source, there]) as channels:
                here, target_row = channels.carried
                f.store(f.masked_load(target.vector, here, size, mask), target_row, size)
                channels.carry([f.offset(here, p["x_channel"]), f.offset(target_row, p["copied_channel"])])


def write_flat(name: str, target: Target, with_bias: bool) -> str:
    """(x, weight, [bias,] y, meta, start, stop) for stride 1: positions run through rows of the input's width.

    Nothing is packed: tap (i, j) of all positions of a panel is the input itself, shifted. The positions beyond the
    end of an output row are computed and dropped. With padding, a block of rows is copied with the padding first.
    """
    module = Module()
    write_rows(module, "rows", target, FLAT)
    _write_copy_padded(module, target)
    middle = [("bias", "ptr noalias")] if with_bias else []
    f = module.function(
        name,
        [("x", "ptr noalias"), ("w", "ptr noalias"), *middle, ("y", "ptr"), ("meta", "ptr noalias")]
        + [("start", "i64"), ("stop", "i64")],
        internal=False,
    )
    x, w, *rest = f.parameters
    bias = rest.pop(0) if with_bias else None
    y, meta, start, stop = rest
    p = _fields(f, FLAT_META, meta)
    table = f.offset(meta, 8 * len(FLAT_META))
    size, lanes = target.bytes, target.lanes
    block = f.stack(FLAT_BYTES + target.vector_bytes)
    places = f.stack((PLACE * target.vectors + 1) * 8)
    gap = (p["pitch"] - p["columns"]) * size
    copies = p["copies"].differs(0)
    depth = p["channels"] * p["taps"]
    with f.loop(start, stop) as units:
        image_group, run = units.index // p["units_per_group"], units.index % p["units_per_group"]
        image, group = image_group // p["groups"], image_group % p["groups"]
        x_group = f.offset(x, p["x_image"] * image + p["x_group"] * group)
        y_group = f.offset(y, p["y_image"] * image + p["y_group"] * group)
        w_group = f.offset(w, p["w_group"] * group)
        first = run * p["rows_per_unit"]
        last = f.minimum(first + p["rows_per_unit"], p["rows"])
        with f.loop(first, last, p["row_block"]) as blocks:
            row = blocks.index
            rows = f.minimum(p["row_block"], last - row)
            with f.when(copies):
                f.call("copy_padded", [x_group, block, meta, row, rows + p["reach"]])
            b = f.select(copies, block, f.offset(x_group, row * p["pitch"] * size))
            c = f.offset(y_group, row * p["columns"] * size)
            length = (rows - 1) * p["pitch"] + p["columns"]
            with f.loop(0, length, target.panel) as panels:
                width = f.minimum(target.panel, length - panels.index)
                number = (width + (lanes - 1)) // lanes
                line, column = panels.index // p["pitch"], panels.index % p["pitch"]
                for j in range(target.vectors):
                    left = width - j * lanes
                    place = (line * p["columns"] + column) * size
                    second = p["pitch"] - column
                    values = (place, f.minimum(p["columns"] - column, left), second)
                    for i, value in enumerate((*values, f.minimum(second + p["columns"], left))):
                        f.store(value, f.offset(places, (PLACE * j + i) * 8), 8)
                    wraps = (column + lanes) >= p["pitch"]
                    line = line + f.select(wraps, 1, 0)
                    column = column + lanes - f.select(wraps, p["pitch"], 0)
                f.store(gap, f.offset(places, number * (PLACE * 8)), 8)
                with f.loop(0, f.maximum(depth, 1), p["k_block"]) as sums:
                    again = sums.index > 0
                    addend, addend_row = f.value(0, "ptr"), f.value(0)
                    if bias is not None:
                        addend, addend_row = f.offset(bias, p["outputs"] * group * size), f.value(size)
                    addend, addend_row = f.select(again, c, addend), f.select(again, p["y_channel"], addend_row)
                    arguments = [f.offset(w_group, sums.index * size), p["w_output"], f.value(size)]
                    arguments += [f.offset(b, panels.index * size), f.offset(table, sums.index * 8), c, p["y_channel"]]
                    arguments += [addend, addend_row, f.minimum(p["k_block"], depth - sums.index), width, places]
                    arguments += [p["w_output"] * p["tile"], p["outputs"], p["tile"]]
                    f.call("rows", [p["tiles"], *arguments])
    return module.text()


TURN_META = "channels outputs taps all_taps all_in_order".split()


def write_turn(name: str, target: Target) -> str:
    """(weight, turned, meta, start, stop): turned[group, c, o, j] = weight[group, o, c, taps[j]].

    A unit is a run of channels of a group: long enough to read whole cache lines, short enough to write few streams.
    """
    module = Module()
    f = module.function(
        name,
        [("w", "ptr noalias"), ("to", "ptr noalias"), ("meta", "ptr noalias"), ("start", "i64"), ("stop", "i64")],
        internal=False,
    )
    w, to, meta, start, stop = f.parameters
    p = _fields(f, TURN_META, meta)
    size, table = target.bytes, f.offset(meta, 8 * len(TURN_META))
    row = p["outputs"] * p["taps"] * size
    blocks = (p["channels"] + (TURN_CHANNELS - 1)) // TURN_CHANNELS
    with f.loop(start, stop) as units:
        group, first = units.index // blocks, (units.index % blocks) * TURN_CHANNELS
        count = f.minimum(TURN_CHANNELS, p["channels"] - first)
        with f.loop(0, p["outputs"]) as outputs:
            output = group * p["outputs"] + outputs.index
            source = f.offset(w, (output * p["channels"] + first) * p["all_taps"] * size)
            target_row = f.offset(to, (group * p["channels"] + first) * row + outputs.index * p["taps"] * size)
            with f.loop(0, count, carry=[source, target_row]) as channels:
                here, there = channels.carried
                with f.cases(p["all_in_order"], (0, 1)) as case:
                    with case(0), f.loop(0, p["taps"]) as taps:
                        tap = f.load("i64", f.offset(table, taps.index * 8), 8)
                        value = f.load(target.element, f.offset(here, tap * size), size)
                        f.store(value, f.offset(there, taps.index * size), size)
                    with case(1), f.loop(0, p["taps"], target.lanes) as taps:
                        mask = f.lanes_between(target.lanes, None, p["taps"] - taps.index)
                        value = f.masked_load(target.vector, f.offset(here, taps.index * size), size, mask)
                        f.masked_store(value, f.offset(there, taps.index * size), size, mask)
                channels.carry([f.offset(here, p["all_taps"] * size), f.offset(there, row)])
    return module.text()


ROWS_META = (
    "images channels outputs columns step_rows step_columns width x_image x_channel gy_image gy_channel taps"
).split()
ROWS_AT_ONCE = 4  # independent sums, for the latency of an addition


def write_weight_rows(name: str, target: Target) -> str:
    """(x, grad_output, grad_weight, meta, start, stop) for few channels per group; a unit is an output x a channel.

    Each tap is the dot product of a plane of grad_output with a shifted plane of x, lanes along rows, images in order.
    """
    module = Module()
    f = module.function(
        name,
        [("x", "ptr noalias"), ("gy", "ptr noalias"), ("to", "ptr noalias"), ("meta", "ptr noalias")]
        + [("start", "i64"), ("stop", "i64")],
        internal=False,
    )
    x, gy, to, meta, start, stop = f.parameters
    p = _fields(f, ROWS_META, meta)
    size, table = target.bytes, f.offset(meta, 8 * len(ROWS_META))
    none = f.lanes_between(target.lanes, None, f.value(0))
    zeros = Value(f, target.vector, "zeroinitializer")
    lane_step = p["step_columns"] * size
    contiguous = f.select(p["step_columns"].equals(1), 1, 0)
    suffix = f"v{target.lanes}f{target.bytes * 8}"
    module.declare(f"declare {target.element} @llvm.vector.reduce.fadd.{suffix}({target.element}, {target.vector})")

    def sum_plane(t: dict[str, Value], x_plane: Value, gy_plane: Value, unit_step: bool) -> Value:
        with f.loop(t["first_column"], t["end_column"], target.lanes, carry=[zeros] * ROWS_AT_ONCE) as columns:
            inside = f.lanes_between(target.lanes, None, t["end_column"] - columns.index)
            left = f.offset(x_plane, t["offset"] + columns.index * lane_step)
            right = f.offset(gy_plane, columns.index * size)
            with f.loop(t["first_row"], t["end_row"], ROWS_AT_ONCE, carry=columns.carried) as rows:
                sums = []
                for i, total in enumerate(rows.carried):
                    row = rows.index + i
                    mask = f.select(row < t["end_row"], inside, none)
                    at = f.offset(left, row * p["step_rows"] * p["width"] * size)
                    if unit_step:
                        value = f.masked_load(target.vector, at, size, mask)
                    else:
                        value = f.gather(target.vector, at, lane_step, size, mask)
                    grad = f.masked_load(target.vector, f.offset(right, row * p["columns"] * size), size, mask)
                    sums.append(multiply_add(f, target, value, grad, total))
                rows.carry(sums)
            columns.carry(rows.carried)
        first, *others = columns.carried
        for other in others:
            first = add_vectors(f, first, other)
        call = f"call reassoc {target.element} @llvm.vector.reduce.fadd.{suffix}"
        return f.emit(target.element, f"{call}({target.element} -0.0, {target.vector} {first.text})")

    with f.loop(start, stop) as units:
        output, within = units.index // p["channels"], units.index % p["channels"]
        channel = (output // p["outputs"]) * p["channels"] + within
        result = f.offset(to, units.index * p["taps"] * size)
        with f.loop(0, p["taps"]) as taps:
            f.store(zero(f, target.element), f.offset(result, taps.index * size), size)
        x_planes, gy_planes = f.offset(x, channel * p["x_channel"]), f.offset(gy, output * p["gy_channel"])
        with f.loop(0, p["images"], carry=[x_planes, gy_planes]) as images:
            x_plane, gy_plane = images.carried
            with f.loop(0, p["taps"]) as taps:
                t = _fields(f, TAP, f.offset(table, taps.index * (8 * len(TAP))))
                place = f.offset(result, taps.index * size)
                with f.cases(contiguous, (0, 1)) as case:
                    for number in (0, 1):
                        with case(number):
                            total = sum_plane(t, x_plane, gy_plane, number == 1)
                            before = f.load(target.element, place, size)
                            f.store(add_vectors(f, before, total), place, size)
            images.carry([f.offset(x_plane, p["x_image"]), f.offset(gy_plane, p["gy_image"])])
    return module.text()


def write_weight(name: str, target: Target) -> str:
    """(x, grad_output, partials, meta, start, stop): a unit is a chunk of images x a group x a panel of outputs."""
    module = Module()
    write_rows(module, "rows", target, NEST)
    f = module.function(
        name,
        [("x", "ptr noalias"), ("gy", "ptr noalias"), ("partials", "ptr"), ("meta", "ptr noalias")]
        + [("start", "i64"), ("stop", "i64")],
        internal=False,
    )
    x, gy, partials, meta, start, stop = f.parameters
    p = _fields(f, WEIGHT_META, meta)
    table = f.offset(meta, 8 * len(WEIGHT_META))
    size, row_bytes = target.bytes, target.panel * target.bytes
    panel = f.stack(POSITION_BLOCK * row_bytes)
    with f.loop(start, stop) as units:
        chunk, within = units.index // p["units_per_chunk"], units.index % p["units_per_chunk"]
        group, output = within // p["blocks_per_group"], (within % p["blocks_per_group"]) * target.panel
        width = f.minimum(target.panel, p["outputs"] - output)
        result = f.offset(partials, units.index * p["unit_bytes"])
        with f.loop(0, p["unit_bytes"], target.vector_bytes) as bytes:
            f.store(Value(f, target.vector, "zeroinitializer"), f.offset(result, bytes.index), size)
        first_image = chunk * p["images_per_chunk"]
        last_image = f.minimum(first_image + p["images_per_chunk"], p["images"])
        with (
            f.loop(first_image, last_image) as images,
            f.loop(0, p["rows"], p["row_block"]) as row_blocks,
            f.loop(0, p["columns"], p["column_block"]) as column_blocks,
        ):
            image, row, column = images.index, row_blocks.index, column_blocks.index
            rows = f.minimum(p["row_block"], p["rows"] - row)
            columns = f.minimum(p["column_block"], p["columns"] - column)
            x_group = f.offset(x, p["x_image"] * image + p["x_group"] * group)
            place = p["gy_image"] * image + p["gy_group"] * group + p["gy_channel"] * output
            gy_here = f.offset(gy, place + (row * p["columns"] + column) * size)
            for j in range(target.vectors):
                left = f.minimum(width - j * target.lanes, target.lanes)
                with f.when(left > 0):
                    source = f.offset(gy_here, p["gy_channel"] * (j * target.lanes))
                    there = f.offset(panel, j * target.vector_bytes)
                    # Blocks of columns are one row high, others take whole rows: positions are contiguous.
                    f.call_at(
                        p["transpose"], [source, p["gy_channel"], there, f.value(row_bytes), rows * columns, left]
                    )
            with f.loop(0, p["calls"]) as calls:
                t = _fields(f, CALL, f.offset(table, calls.index * (8 * len(CALL))))
                top, bottom = f.maximum(row, t["first_row"]), f.minimum(row + rows, t["end_row"])
                begin, end = f.maximum(column, t["first_column"]), f.minimum(column + columns, t["end_column"])
                some = f.emit("i1", f"and i1 {(top < bottom).text}, {(begin < end).text}")
                with f.when(some):
                    at = (top * p["step_rows"] * p["width"] + begin * p["step_columns"]) * size
                    a = f.offset(x_group, t["x_offset"] + at)
                    b = f.offset(panel, ((top - row) * columns + (begin - column)) * row_bytes)
                    c = f.offset(result, t["result_row"] * row_bytes)
                    arguments = [a, t["x_row"], p["step_columns"] * size, b, f.value(row_bytes), c, f.value(row_bytes)]
                    arguments += [c, f.value(row_bytes), end - begin, width, bottom - top]
                    arguments += [p["step_rows"] * p["width"] * size, columns * row_bytes]
                    arguments += [t["x_row"] * p["tile"], t["count"], p["tile"]]
                    f.call("rows", [p["tiles"], *arguments])
    return module.text()


SUM_META = "outputs inner outer chunks blocks_per_group unit_bytes chunk_bytes".split()


def write_weight_sum(name: str, target: Target) -> str:
    """(partials, grad_weight, meta, start, stop): chunks summed in order; a unit is a row of a panel's partials.

    Row r of a panel belongs to column (r % inner) * outer + r // inner of the weight seen as (O, C*KH*KW).
    """
    module = Module()
    f = module.function(
        name,
        [
            ("partials", "ptr noalias"),
            ("to", "ptr noalias"),
            ("meta", "ptr noalias"),
            ("start", "i64"),
            ("stop", "i64"),
        ],
        internal=False,
    )
    partials, to, meta, start, stop = f.parameters
    p = _fields(f, SUM_META, meta)
    size, row_bytes = target.bytes, target.panel * target.bytes
    sums = f.stack(row_bytes)
    rows = p["inner"] * p["outer"]
    zeros = Value(f, target.vector, "zeroinitializer")
    with f.loop(start, stop) as units:
        block, row = units.index // rows, units.index % rows
        group, output = block // p["blocks_per_group"], (block % p["blocks_per_group"]) * target.panel
        here = f.offset(partials, block * p["unit_bytes"] + row * row_bytes)
        with f.loop(0, p["chunks"], carry=[here, *[zeros] * target.vectors]) as chunks:
            at, *totals = chunks.carried
            following = []
            for j, total in enumerate(totals):
                value = f.load(target.vector, f.offset(at, j * target.vector_bytes), size)
                following.append(f.emit(target.vector, f"fadd {target.vector} {total.text}, {value.text}"))
            chunks.carry([f.offset(at, p["chunk_bytes"]), *following])
        for j in range(target.vectors):
            f.store(chunks.carried[1 + j], f.offset(sums, j * target.vector_bytes), size)
        column = (row % p["inner"]) * p["outer"] + row // p["inner"]
        with f.loop(0, f.minimum(target.panel, p["outputs"] - output)) as lanes:
            value = f.load(target.element, f.offset(sums, lanes.index * size), size)
            place = (group * p["outputs"] + output + lanes.index) * rows + column
            f.store(value, f.offset(to, place * size), size)
    return module.text()
