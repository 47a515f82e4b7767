"""The kernels of convolution's weight gradient, as LLVM IR: partial sums of chunks of images, and their sum."""

from __future__ import annotations

from numbatorch.cpu.convolution_packed_kernels import fields
from numbatorch.cpu.irwriter import Module, Value
from numbatorch.cpu.microkernel import NEST, Target, write_rows

POSITION_BLOCK = 256  # positions summed in registers: accuracy of GEMM's blocks

WEIGHT_META = (
    "images groups outputs height width rows columns row_block column_block step_rows step_columns x_image x_group "
    "gy_image gy_group gy_channel images_per_chunk blocks_per_group units_per_chunk unit_bytes tile calls tiles "
    "transpose"
).split()
CALL = "first_row end_row first_column end_column x_offset x_row result_row count".split()


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
                t = fields(f, CALL, f.offset(table, calls.index * (8 * len(CALL))))
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
    p = fields(f, SUM_META, meta)
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
