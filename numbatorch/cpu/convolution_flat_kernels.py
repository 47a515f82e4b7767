"""The kernel of convolution that reads the input in place, as LLVM IR: for stride 1 and rows of some length."""

from __future__ import annotations

from numbatorch.cpu.convolution_packed_kernels import fields, forward_kernel
from numbatorch.cpu.irwriter import Module
from numbatorch.cpu.microkernel import FLAT, PLACE, Target, write_rows

FLAT_BYTES = 192 << 10  # of a padded block of rows: on the stack, and a fraction of a second-level cache
FLAT_K_BLOCK = 640  # nothing is packed: a block ends for accuracy alone

FLAT_META = (
    "channels outputs height width rows columns pitch top left reach x_image x_group x_channel copied_channel "
    "w_row w_step w_tile w_group y_image y_group y_channel groups rows_per_unit units_per_group row_block k_block "
    "taps tile copies tiles"
).split()


def _write_copy_padded(module: Module, target: Target) -> None:
    """A block of rows of x with the padding written out: to[channel, row, column], rows of `pitch` elements."""
    f = module.function(
        "copy_padded",
        [("x", "ptr noalias"), ("to", "ptr noalias"), ("meta", "ptr noalias"), ("row", "i64"), ("rows", "i64")],
    )
    x, to, meta, first_row, rows = f.parameters
    p = fields(f, FLAT_META, meta)
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
    f, x, w, bias, y, meta, start, stop = forward_kernel(module, name, with_bias, "ptr")
    p = fields(f, FLAT_META, meta)
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
                    arguments = [f.offset(w_group, p["w_step"] * sums.index), p["w_row"], p["w_step"]]
                    arguments += [f.offset(b, panels.index * size), f.offset(table, sums.index * 8), c, p["y_channel"]]
                    arguments += [addend, addend_row, f.minimum(p["k_block"], depth - sums.index), width, places]
                    arguments += [p["w_tile"], p["outputs"], p["tile"]]
                    f.call("rows", [p["tiles"], *arguments])
    return module.text()
