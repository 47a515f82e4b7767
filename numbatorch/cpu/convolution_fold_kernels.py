"""The kernel that adds products of weights and grad_output, a row for each tap, to the input gradient, as LLVM IR."""

from __future__ import annotations

from numbatorch.cpu.convolution_packed_kernels import arranging_kernel, fields
from numbatorch.cpu.irwriter import Module
from numbatorch.cpu.microkernel import Target, add_vectors, zero

ROW_BYTES = 48 << 10  # of the sums of a row, or of a part of it

META = (
    "channels rows width blocks block phases columns product_image product_channel x_image x_channel taps"
).split()
ROW = "place first count".split()  # of a row of the input: where it is, and which of the pairs below are its own


def write_fold(name: str, target: Target) -> str:
    """(products, grad_input, meta, start, stop): a unit is a part of a row of the input, which is added to.

    products[image, channel, tap, position]. Three tables follow `META`. Columns of the window, `taps` of them: phase of
    the stride, first input of that phase, place of the products. `rows` times `ROW`. Places of the products again, one
    for each row of a window that meets a row of the input. The sums of a phase are contiguous, and the phases are: what
    a vector holds beyond its part is added as zeros.
    """
    module = Module()
    f, products, to, meta, start, stop = arranging_kernel(module, name, "products")
    p, size, lanes, element = fields(f, META, meta), target.bytes, target.lanes, target.element
    columns_table = f.offset(meta, 8 * len(META))
    rows_table = f.offset(columns_table, p["taps"] * 24)
    pairs = f.offset(rows_table, p["rows"] * (8 * len(ROW)))
    sums = f.stack(ROW_BYTES + target.vector_bytes)
    with f.loop(start, stop) as units:
        line, begin = units.index // p["blocks"], (units.index % p["blocks"]) * p["block"]
        plane, number = line // p["rows"], line % p["rows"]
        image, channel = plane // p["channels"], plane % p["channels"]
        row = fields(f, ROW, f.offset(rows_table, number * (8 * len(ROW))))
        source = f.offset(products, p["product_image"] * image + p["product_channel"] * channel)
        there = f.offset(to, p["x_image"] * image + p["x_channel"] * channel + row["place"])
        end = begin + p["block"]
        with f.loop(0, p["phases"] * p["block"], lanes) as parts:
            f.store(zero(f, target.vector), f.offset(sums, parts.index * size), size)
        with f.loop(row["first"], row["first"] + row["count"]) as mine:
            here = f.offset(source, f.load("i64", f.offset(pairs, mine.index * 8), 8))
            with f.loop(0, p["taps"]) as taps:
                phase, first, place = (f.load("i64", f.offset(columns_table, taps.index * 24 + 8 * i), 8)
                                       for i in range(3))
                low, high = f.maximum(begin, first), f.minimum(end, first + p["columns"])
                values = f.offset(here, place + (low - first) * size)
                own = f.offset(sums, (phase * p["block"] + low - begin) * size)
                count = high - low
                with f.loop(0, count, lanes) as parts:
                    mask, at = f.lanes_between(lanes, None, count - parts.index), parts.index * size
                    value, total = f.masked_load(target.vector, f.offset(values, at), size, mask), f.offset(own, at)
                    f.store(add_vectors(f, f.load(target.vector, total, size), value), total, size)
        with f.loop(0, p["phases"]) as phases:
            own = f.offset(sums, phases.index * p["block"] * size)
            last = f.minimum(end, (p["width"] - phases.index + p["phases"] - 1) // p["phases"])
            result = f.offset(there, (begin * p["phases"] + phases.index) * size)
            with f.loop(0, last - begin) as each:
                at = f.offset(result, each.index * p["phases"] * size)
                value, total = f.load(element, f.offset(own, each.index * size), size), f.load(element, at, size)
                f.store(add_vectors(f, value, total), at, size)
    return module.text()
