"""The kernel of convolution that packs the columns of a panel of positions, as LLVM IR, and that which turns weights.

Parameter blocks are int64, named by the *_META lists and followed by a table. All strides are in bytes.
"""

from __future__ import annotations

from math import ceil

from numbatorch.cpu.irwriter import Function, Module, Value
from numbatorch.cpu.microkernel import Target, write_rows

K_BLOCK = 384  # rows of a packed panel: 48 KB, and one block for 32 channels of 3x3
TURN_CHANNELS = 32
PANELS = 4  # that meet a block of weights one after the other
STAGE_ROWS = 518  # channels of results that are staged at once

FORWARD_META = (
    "channels outputs positions own rows columns width depths step_depth step_rows step_columns x_image x_group "
    "x_channel w_row w_step w_tile w_group y_image y_group y_channel y_depth y_row y_column panels_per_unit "
    "units_per_group panels_at_once output_block channel_block tap_block taps tile strided cut tiles pack"
).split()
TAP = "first_depth end_depth first_row end_row first_column end_column offset".split()


ADDRESSES = ("tiles", "pack", "transpose")  # of tables and functions


def fields(f: Function, names: list[str], at: Value) -> dict[str, Value]:
    return {name: f.load("ptr" if name in ADDRESSES else "i64", f.offset(at, 8 * i), 8) for i, name in enumerate(names)}


def forward_kernel(module: Module, name: str, with_bias: bool, result: str) -> tuple:
    """A new function (x, weight, [bias,] y, meta, start, stop) and its parameters, bias None; result: the type of y."""
    middle = [("bias", "ptr noalias")] if with_bias else []
    f = module.function(
        name,
        [("x", "ptr noalias"), ("w", "ptr noalias"), *middle, ("y", result), ("meta", "ptr noalias")]
        + [("start", "i64"), ("stop", "i64")],
        internal=False,
    )
    x, w, *rest = f.parameters
    return f, x, w, rest.pop(0) if with_bias else None, *rest


def arranging_kernel(module: Module, name: str, source: str) -> tuple:
    """A new function (`source`, to, meta, start, stop), which writes what it reads elsewhere, and its parameters."""
    f = module.function(
        name,
        [(source, "ptr noalias"), ("to", "ptr noalias"), ("meta", "ptr noalias"), ("start", "i64"), ("stop", "i64")],
        internal=False,
    )
    return f, *f.parameters


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
    p = fields(f, FORWARD_META, meta)
    size, row_bytes = target.bytes, target.panel * target.bytes
    table = f.offset(meta, 8 * len(FORWARD_META))
    lane_step = p["step_columns"] * size
    to_step = taps * row_bytes
    # A segment is the part of the panel in one output row. From the first to the last, so that what a vector writes
    # beyond its segment is overwritten; only at the end of the panel stores are masked, which is slow on Zen.
    with f.loop(position // p["columns"], (position + width - 1) // p["columns"] + 1) as segments:
        start = segments.index * p["columns"] - position  # lane of the row's column 0
        low, high = f.maximum(start, 0), f.minimum(start + p["columns"], width)
        level, row = segments.index // p["rows"], segments.index % p["rows"]  # rows of all depths of all images
        image, depth = level // p["depths"], level % p["depths"]
        place = p["x_image"] * image + p["step_depth"] * depth + row * p["step_rows"] * p["width"] * size
        with f.loop(low, high, target.lanes) as parts:
            lane = parts.index
            here = f.offset(x, place + (lane - start) * lane_step)
            room = f.lanes_between(target.lanes, None, f.value(target.panel) - lane)
            form = f.select((lane + target.lanes) <= target.panel, 1, 0)

            def move(number: Value, shift: Value, masks: list[Value], here=here, lane=lane, form=form,
                     room=room) -> None:
                source = f.offset(here, shift)
                there = f.offset(to, (number - first_tap) * row_bytes + lane * size)
                with f.cases(form, (0, 1)) as case:
                    for kind in (0, 1):
                        with case(kind), f.loop(0, channels, carry=[source, there]) as loop:
                            at, target_row = loop.carried
                            value = _load_step(f, target, step, lane_step, at, masks)
                            if kind:
                                f.store(value, target_row, size)
                            else:
                                f.masked_store(value, target_row, size, room)
                            loop.carry([f.offset(at, p["x_channel"]), f.offset(target_row, to_step)])

            with f.cases(p["cut"], (0, 1)) as how:
                with how(0):
                    masks = _step_masks(f, target, step, f.value(0), high - lane)
                    with f.loop(first_tap, first_tap + taps) as each:
                        at = f.offset(table, each.index * (8 * len(TAP)) + 8 * TAP.index("offset"))
                        move(each.index, f.load("i64", at, 8), masks)
                with how(1), f.loop(first_tap, first_tap + taps) as each:
                    t = fields(f, TAP, f.offset(table, each.index * (8 * len(TAP))))
                    outside = f.emit("i1", f"or i1 {(row < t['first_row']).text}, {(row >= t['end_row']).text}")
                    for test in (depth < t["first_depth"], depth >= t["end_depth"]):
                        outside = f.emit("i1", f"or i1 {outside.text}, {test.text}")
                    begin = f.maximum(low, start + t["first_column"]) - lane
                    end = f.select(outside, 0, f.minimum(high, start + t["end_column"])) - lane
                    move(each.index, t["offset"], _step_masks(f, target, step, begin, end))


ANY_STEP = 3  # column steps of 1 and 2 have loads of their own, larger ones gather


def _step_masks(f: Function, target: Target, step: int, begin: Value, end: Value) -> list[Value]:
    """Masks for the loads that fill the lanes begin <= l < end."""
    if step != 2:
        return [f.lanes_between(target.lanes, begin, end)]
    low, high = begin * 2, end * 2 - 1  # elements of two vectors, of which the even ones are wanted
    some = end > begin
    low, high = f.select(some, low, 0), f.select(some, high, 0)
    return [f.lanes_between(target.lanes, low - shift, high - shift) for shift in (0, target.lanes)]


def _load_step(f: Function, target: Target, step: int, lane_step: Value, pointer: Value, masks: list[Value]) -> Value:
    """A vector of elements `step` apart, zeros where masked out."""
    size = target.bytes
    if step == ANY_STEP:
        return f.gather(target.vector, pointer, lane_step, size, masks[0])
    halves = [f.masked_load(target.vector, f.offset(pointer, i * target.vector_bytes), size, mask)
              for i, mask in enumerate(masks)]
    return f.shuffle(halves[0], halves[1], range(0, 2 * target.lanes, 2)) if step == 2 else halves[0]


def write_forward(name: str, target: Target, with_bias: bool) -> str:
    """(x, weight, [bias,] y, meta, start, stop): a unit is a run of panels of one group.

    Positions run through all images. A panel that lies in two images is computed in a buffer, as are strided results.
    """
    module = Module()
    write_rows(module, "rows", target)
    _write_spread(module, target)
    f, x, w, bias, y, meta, start, stop = forward_kernel(module, name, with_bias, "ptr")
    p = fields(f, FORWARD_META, meta)
    size, row_bytes = target.bytes, target.panel * target.bytes
    panel, stage = f.stack(K_BLOCK * row_bytes), f.stack(PANELS * STAGE_ROWS * row_bytes)
    places = f.stack(8 * target.panel)
    strided, at_once = p["strided"].differs(0), p["panels_at_once"] * target.panel

    def images(position: Value, width: Value) -> tuple[Value, Value]:
        """The image of a panel's first position, and whether its results need a buffer."""
        first, last = position // p["own"], (position + width - 1) // p["own"]
        return first, f.emit("i1", f"or i1 {strided.text}, {first.differs(last).text}")

    with f.loop(start, stop) as units:
        group, run = units.index // p["units_per_group"], units.index % p["units_per_group"]
        x_group, y_group = f.offset(x, p["x_group"] * group), f.offset(y, p["y_group"] * group)
        w_group = f.offset(w, p["w_group"] * group)
        first = run * p["panels_per_unit"] * target.panel
        last = f.minimum(first + p["panels_per_unit"] * target.panel, p["positions"])
        with f.loop(first, last, at_once) as bunches, f.loop(0, p["outputs"], p["output_block"]) as blocks:
            output, begin, end = blocks.index, bunches.index, f.minimum(bunches.index + at_once, last)
            count = f.minimum(p["output_block"], p["outputs"] - output)
            y_block = f.offset(y_group, p["y_channel"] * output)
            with (
                f.loop(0, f.maximum(p["channels"], 1), p["channel_block"]) as channels,
                f.loop(0, f.maximum(p["taps"], 1), p["tap_block"]) as taps,
                f.loop(begin, end, target.panel) as panels,
            ):
                channel, tap, position = channels.index, taps.index, panels.index
                width = f.minimum(target.panel, last - position)
                image, staged = images(position, width)
                buffer = f.offset(stage, (position - begin) // target.panel * (STAGE_ROWS * row_bytes))
                own = f.offset(y_block, p["y_image"] * image + (position - image * p["own"]) * size)
                c, c_row = f.select(staged, buffer, own), f.select(staged, row_bytes, p["y_channel"])
                channel_count = f.minimum(p["channel_block"], p["channels"] - channel)
                tap_count = f.minimum(p["tap_block"], p["taps"] - tap)
                x_here = f.offset(x_group, p["x_channel"] * channel)
                f.call_at(p["pack"], [x_here, panel, meta, channel_count, tap, tap_count, position, width])
                again = (channel + tap) > 0
                addend, addend_row = f.value(0, "ptr"), f.value(0)
                if bias is not None:
                    addend, addend_row = f.offset(bias, (p["outputs"] * group + output) * size), f.value(size)
                addend, addend_row = f.select(again, c, addend), f.select(again, c_row, addend_row)
                w_here = f.offset(w_group, p["w_tile"] * (output // p["tile"])
                                  + (channel * p["taps"] + tap) * p["w_step"])
                arguments = [w_here, p["w_row"], p["w_step"], panel, f.value(row_bytes), c, c_row]
                arguments += [addend, addend_row, channel_count * tap_count, width, p["w_tile"], count, p["tile"]]
                f.call("rows", [p["tiles"], *arguments])
            with f.loop(begin, end, target.panel) as panels:
                width = f.minimum(target.panel, last - panels.index)
                _, staged = images(panels.index, width)
                with f.when(staged):
                    with f.loop(0, width) as lanes:
                        at = panels.index + lanes.index
                        image, within = at // p["own"], at % p["own"]
                        row, column = within // p["columns"], within % p["columns"]
                        place = p["y_image"] * image + p["y_depth"] * (row // p["rows"])
                        place = place + p["y_row"] * (row % p["rows"]) + p["y_column"] * column
                        f.store(place, f.offset(places, lanes.index * 8), 8)
                    buffer = f.offset(stage, (panels.index - begin) // target.panel * (STAGE_ROWS * row_bytes))
                    f.call("spread", [buffer, y_block, p["y_channel"], places, count, width])
    return module.text()


def _write_spread(module: Module, target: Target) -> None:
    """to[row][places[lane]] = source[row, lane], for `count` rows of a panel of results."""
    f = module.function(
        "spread",
        [("source", "ptr noalias"), ("to", "ptr noalias"), ("to_row", "i64"), ("places", "ptr noalias")]
        + [("count", "i64"), ("width", "i64")],
    )
    source, to, to_row, places, count, width = f.parameters
    size, at_once = target.bytes, 8
    whole = width - width % at_once

    def move(lane: Value, number: int) -> None:
        wanted = [f.load("i64", f.offset(places, (lane + i) * 8), 8) for i in range(number)]
        with f.loop(0, count, carry=[f.offset(source, lane * size), to]) as rows:
            here, there = rows.carried
            for i, place in enumerate(wanted):
                value = f.load(target.element, f.offset(here, i * size), size)
                f.store(value, f.offset(there, place), size)
            rows.carry([f.offset(here, target.panel * size), f.offset(there, to_row)])

    with f.loop(0, whole, at_once) as lanes:
        move(lanes.index, at_once)
    with f.loop(whole, width) as lanes:
        move(lanes.index, 1)


TURN_META = "channels outputs taps all_taps all_in_order".split()
TURN_TILES = 8
TILES_META = "channels outputs taps tile tile_count units_per_group transpose".split()
TILES_TAP = "place step tile_step".split()
MOST_TAPS = 256  # whose weights are turned tile by tile


def write_turn_tiles(name: str, target: Target) -> str:
    """(weight, turned, meta, start, stop): turned[tile, o, tap, c] = weight[o, tile * rows + c, tap], tap by tap.

    A unit is some tiles of channels of a group. Of each tap a table tells where that of the first o of the first tile
    goes, and how far from one another those of the o and of the tiles are; taps without a place have steps of 0.
    Vectors are stored whole: after a tile there is room for what they hold beyond it.
    """
    module = Module()
    f, w, to, meta, start, stop = arranging_kernel(module, name, "w")
    p = fields(f, TILES_META, meta)
    size, table = target.bytes, f.offset(meta, 8 * len(TILES_META))
    vectors = ceil(target.rows / target.lanes)
    block_row = vectors * target.vector_bytes
    block = f.stack(MOST_TAPS * block_row)
    row = p["taps"] * size
    across, ahead = p["channels"] * row, p["tile"] * row
    with f.loop(start, stop) as units:
        group, first = units.index // p["units_per_group"], (units.index % p["units_per_group"]) * TURN_TILES
        last = f.minimum(first + TURN_TILES, p["tile_count"])
        with f.loop(0, p["outputs"]) as outputs, f.loop(first, last) as every:
            channel = every.index * p["tile"]
            count = f.minimum(p["tile"], p["channels"] - channel)
            source = f.offset(w, across * (group * p["outputs"] + outputs.index) + channel * row)
            with f.loop(0, ahead, 64) as lines:  # of the next but one: hardware does not foresee it
                f.prefetch(f.offset(source, across * 2 + lines.index))
            for j in range(vectors):
                left = f.maximum(f.minimum(count - j * target.lanes, target.lanes), 0)
                f.call_at(p["transpose"], [f.offset(source, row * (j * target.lanes)), row,
                                           f.offset(block, j * target.vector_bytes), f.value(block_row), p["taps"],
                                           left])
            number = group * p["tile_count"] + every.index
            with f.loop(0, p["taps"]) as taps:
                t = fields(f, TILES_TAP, f.offset(table, taps.index * (8 * len(TILES_TAP))))
                with f.when(t["step"] > 0):
                    here, there = f.offset(block, taps.index * block_row), f.offset(to, t["place"])
                    there = f.offset(there, t["tile_step"] * number + t["step"] * outputs.index)
                    for j in range(vectors):
                        value = f.load(target.vector, f.offset(here, j * target.vector_bytes), size)
                        f.store(value, f.offset(there, j * target.vector_bytes), size)
    return module.text()


def write_turn(name: str, target: Target) -> str:
    """(weight, turned, meta, start, stop): turned[group, c, o, j] = weight[group, o, c, taps[j]].

    A unit is a run of channels of a group: long enough to read whole cache lines, short enough to write few streams.
    """
    module = Module()
    f, w, to, meta, start, stop = arranging_kernel(module, name, "w")
    p = fields(f, TURN_META, meta)
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
                f.prefetch(f.offset(here, p["channels"] * p["all_taps"] * (3 * size)))  # hardware does not foresee it
                f.prefetch(f.offset(there, 256), write=True)
                with f.cases(p["all_in_order"], (0, 1)) as case:
                    with case(0), f.loop(0, p["taps"]) as taps:
                        tap = f.load("i64", f.offset(table, taps.index * 8), 8)
                        value = f.load(target.element, f.offset(here, tap * size), size)
                        f.store(value, f.offset(there, taps.index * size), size)
                    with case(1), f.loop(0, p["taps"], target.lanes) as taps:
                        mask = f.lanes_between(target.lanes, None, p["taps"] - taps.index)
                        value = f.masked_load(target.vector, f.offset(here, taps.index * size), size, mask)
                        # What is written beyond the taps the next output overwrites: masked stores are slow on Zen.
                        fits = (outputs.index * p["taps"] + taps.index + target.lanes) <= p["outputs"] * p["taps"]
                        with f.cases(f.select(fits, 1, 0), (0, 1)) as how:
                            with how(1):
                                f.store(value, f.offset(there, taps.index * size), size)
                            with how(0):
                                f.masked_store(value, f.offset(there, taps.index * size), size, mask)
                channels.carry([f.offset(here, p["all_taps"] * size), f.offset(there, row)])
    return module.text()
