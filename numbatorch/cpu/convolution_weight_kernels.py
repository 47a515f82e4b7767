"""The kernels of convolution's weight gradient, as LLVM IR: partial sums of chunks of images, and their sum."""

from __future__ import annotations

from numbatorch.cpu.convolution_packed_kernels import fields
from numbatorch.cpu.irwriter import Module, Value
from numbatorch.cpu.microkernel import NEST, Target, add_vectors, transpose, write_rows, zero

POSITION_BLOCK = 256  # positions summed in registers: accuracy of GEMM's blocks

WEIGHT_META = (
    "planes groups outputs width depths step_depth rows columns row_block column_block step_rows step_columns x_image "
    "x_group gy_image gy_group gy_channel gy_depth planes_per_chunk blocks_per_group units_per_chunk unit_bytes c_row "
    "tile calls tiles transpose"
).split()
CALL = (
    "first_depth end_depth first_row end_row first_column end_column x_offset x_row result_row count"
).split()


def write_weight(name: str, target: Target) -> str:
    """(x, grad_output, partials, meta, start, stop): a unit is a chunk of planes x a group x a panel of outputs.

    A plane is one depth of one image's results. Row c * taps + tap of a unit's partial sums has its outputs next to
    one another.
    """
    module = Module()
    write_rows(module, "rows", target, NEST)
    f = module.function(
        name,
        [("x", "ptr noalias"), ("gy", "ptr noalias"), ("partials", "ptr"), ("meta", "ptr noalias")]
        + [("start", "i64"), ("stop", "i64")],
        internal=False,
    )
    x, gy, partials, meta, start, stop = f.parameters
    p = fields(f, WEIGHT_META, meta)
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
        first_plane = chunk * p["planes_per_chunk"]
        last_plane = f.minimum(first_plane + p["planes_per_chunk"], p["planes"])
        with (
            f.loop(first_plane, last_plane) as planes,
            f.loop(0, p["rows"], p["row_block"]) as row_blocks,
            f.loop(0, p["columns"], p["column_block"]) as column_blocks,
        ):
            row, column = row_blocks.index, column_blocks.index
            image, depth = planes.index // p["depths"], planes.index % p["depths"]
            rows = f.minimum(p["row_block"], p["rows"] - row)
            columns = f.minimum(p["column_block"], p["columns"] - column)
            x_group = f.offset(x, p["x_image"] * image + p["x_group"] * group + p["step_depth"] * depth)
            place = p["gy_image"] * image + p["gy_group"] * group + p["gy_channel"] * output + p["gy_depth"] * depth
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
                t = fields(f, CALL, f.offset(table, calls.index * (8 * len(CALL))))
                top, bottom = f.maximum(row, t["first_row"]), f.minimum(row + rows, t["end_row"])
                begin, end = f.maximum(column, t["first_column"]), f.minimum(column + columns, t["end_column"])
                some = f.emit("i1", f"and i1 {(top < bottom).text}, {(begin < end).text}")
                for test in (depth >= t["first_depth"], depth < t["end_depth"]):
                    some = f.emit("i1", f"and i1 {some.text}, {test.text}")
                with f.when(some):
                    at = (top * p["step_rows"] * p["width"] + begin * p["step_columns"]) * size
                    a = f.offset(x_group, t["x_offset"] + at)
                    b = f.offset(panel, ((top - row) * columns + (begin - column)) * row_bytes)
                    c = f.offset(result, t["result_row"] * row_bytes)
                    arguments = [a, t["x_row"], p["step_columns"] * size, b, f.value(row_bytes), c, p["c_row"]]
                    arguments += [c, p["c_row"], end - begin, width, bottom - top]
                    arguments += [p["step_rows"] * p["width"] * size, columns * row_bytes]
                    arguments += [t["x_row"] * p["tile"], t["count"], p["tile"]]
                    f.call("rows", [p["tiles"], *arguments])
    return module.text()


SUM_META = "outputs rows chunks blocks_per_group unit_bytes chunk_bytes".split()


def write_weight_sum(name: str, target: Target) -> str:
    """(partials, grad_weight, meta, start, stop): chunks summed in order; a unit is a square of a panel's partials.

    Row r of a panel is column r of the weight seen as (O, C * taps): squares are transposed.
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
    p = {label: f.load("i64", f.offset(meta, 8 * i), 8) for i, label in enumerate(SUM_META)}
    size, row_bytes, lanes = target.bytes, target.panel * target.bytes, target.lanes
    rows = p["rows"]
    across = (rows + (lanes - 1)) // lanes
    per_block = across * target.vectors
    zeros = zero(f, target.vector)
    none = f.lanes_between(lanes, None, f.value(0))
    every = f.lanes_between(lanes, None, f.value(lanes))
    with f.loop(start, stop) as units:
        block, within = units.index // per_block, units.index % per_block
        row, column = within // target.vectors * lanes, within % target.vectors * lanes
        group, output = block // p["blocks_per_group"], (block % p["blocks_per_group"]) * target.panel + column
        here = f.offset(partials, p["unit_bytes"] * block + row * row_bytes + column * size)
        left = rows - row
        masks = [f.select(left > i, every, none) for i in range(lanes)]
        with f.loop(0, p["chunks"], carry=[here, *[zeros] * lanes]) as chunks:
            at, *totals = chunks.carried
            following = []
            for i, total in enumerate(totals):
                value = f.masked_load(target.vector, f.offset(at, i * row_bytes), size, masks[i])
                following.append(add_vectors(f, total, value))
            chunks.carry([f.offset(at, p["chunk_bytes"]), *following])
        inside = f.lanes_between(lanes, None, left)
        there = f.offset(to, ((group * p["outputs"] + output) * rows + row) * size)
        for i, value in enumerate(transpose(f, chunks.carried[1:])):
            with f.when((output + i) < p["outputs"]):
                f.masked_store(value, f.offset(there, rows * (i * size)), size, inside)
    return module.text()
