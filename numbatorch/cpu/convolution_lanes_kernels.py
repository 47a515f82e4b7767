"""The kernel of convolution with outputs in the lanes, as LLVM IR: for inputs of few channels.

Packing the columns of a panel costs as much as the product where few channels share the work of a tap. Here the input
is only broadcast, read in place or from a block copied with its padding; weights are packed, and results transposed.
"""

from __future__ import annotations

from numbatorch.cpu.convolution_packed_kernels import fields, forward_kernel
from numbatorch.cpu.convolution_planes_kernels import META as PLANES_META, write_copy_phases
from numbatorch.cpu.irwriter import Module
from numbatorch.cpu.microkernel import LANES, Target, transpose, write_rows

BLOCK_BYTES = 64 << 10  # of a copied block
POSITIONS = 256  # results at once: 32 KB
WEIGHTS_BYTES = 192 << 10  # packed: in the second-level cache

META = [
    *PLANES_META,
    *"copies step_down step_across x_row total rows_per_unit units_per_image tile k_block depths x_depth y_depth "
      "tiles transpose".split(),
]


def write_store(module: Module, target: Target, vectors: int | None = None) -> None:
    """to[output, position] = source[position, output] for `outputs` columns of a panel, or of rows of `vectors`."""
    f = module.function(
        "store",
        [("source", "ptr noalias"), ("to", "ptr noalias"), ("to_row", "i64"), ("positions", "i64"), ("outputs", "i64")],
    )
    source, to, to_row, positions, outputs = f.parameters
    size, lanes, row_bytes = target.bytes, target.lanes, (vectors or target.vectors) * target.vector_bytes
    with f.loop(0, positions, lanes) as across, f.loop(0, outputs, lanes) as down:
        here = f.offset(source, across.index * row_bytes + down.index * size)
        rows = [f.load(target.vector, f.offset(here, i * row_bytes), size) for i in range(lanes)]
        there = f.offset(to, to_row * down.index + across.index * size)
        left, wanted = positions - across.index, outputs - down.index
        whole = f.emit("i1", f"and i1 {(left >= lanes).text}, {(wanted >= lanes).text}")
        turned = transpose(f, rows)
        with f.cases(f.select(whole, 1, 0), (0, 1)) as case:
            with case(1):
                for i, value in enumerate(turned):
                    f.store(value, f.offset(there, to_row * i), size)
            with case(0):
                inside = f.lanes_between(lanes, None, left)
                for i, value in enumerate(turned):
                    with f.when(wanted > i):
                        f.masked_store(value, f.offset(there, to_row * i), size, inside)


def write_lanes(name: str, target: Target, with_bias: bool) -> str:
    """(x, weight, [bias,] y, meta, start, stop): a unit is a run of rows of one output plane of a group of an image."""
    module = Module()
    write_rows(module, "rows", target, LANES)
    write_copy_phases(module, target)
    write_store(module, target)
    f, x, w, bias, y, meta, start, stop = forward_kernel(module, name, with_bias, "ptr noalias")
    p = fields(f, META, meta)
    size, lanes, row_bytes = target.bytes, target.lanes, target.panel * target.bytes
    table = f.offset(meta, 8 * len(META))
    # The tiles read x through `copied` by unit steps, or in place by the steps of the convolution.
    copied = f.stack(BLOCK_BYTES + 2 * target.vector_bytes)
    panels, results = f.stack(WEIGHTS_BYTES), f.stack((POSITIONS + lanes) * row_bytes)
    with f.loop(start, stop) as units:
        level, run = units.index // p["units_per_image"], units.index % p["units_per_image"]
        image_group, depth = level // p["depths"], level % p["depths"]
        image, group = image_group // p["groups"], image_group % p["groups"]
        x_group = f.offset(x, p["x_image"] * image + p["x_group"] * group + p["x_depth"] * depth)
        first = run * p["rows_per_unit"]
        last = f.minimum(first + p["rows_per_unit"], p["rows"])
        # Weights of one group serve all units of a chunk.
        fresh = f.emit("i1", f"or i1 {units.index.equals(start).text}, {p['groups'].differs(1).text}")
        with f.when(fresh), f.loop(0, p["outputs"], target.panel) as outputs:
            w_here = f.offset(w, p["w_group"] * group + p["w_output"] * outputs.index)
            width = f.minimum(target.panel, p["outputs"] - outputs.index)
            there = f.offset(panels, outputs.index * p["taps"] * size)
            for j in range(target.vectors):
                left = f.maximum(f.minimum(width - j * lanes, lanes), 0)
                f.call_at(p["transpose"], [f.offset(w_here, p["w_output"] * (j * lanes)), p["w_output"],
                                           f.offset(there, j * target.vector_bytes), f.value(row_bytes), p["taps"],
                                           left])
        with f.loop(first, last, p["row_block"]) as blocks:
            row = blocks.index
            rows = f.minimum(p["row_block"], last - row)
            with f.when(p["copies"].differs(0)), f.loop(0, p["channels"]) as channels:
                source = f.offset(x_group, p["x_channel"] * channels.index)
                there = f.offset(copied, p["plane"] * channels.index)
                f.call("copy_phases", [source, there, meta, row * p["step_down"],
                                       (rows - 1) * p["step_down"] + 1 + p["reach_rows"], f.value(0)])
            block = f.select(p["copies"].differs(0), copied, f.offset(x_group, p["x_row"] * row))
            with f.loop(0, p["outputs"], target.panel) as outputs:
                output = outputs.index
                width = f.minimum(target.panel, p["outputs"] - output)
                panel = f.offset(panels, output * p["taps"] * size)
                with f.loop(0, rows) as lines, f.loop(0, p["taps"], p["k_block"]) as sums:
                    c = f.offset(results, lines.index * p["columns"] * row_bytes)
                    again = sums.index > 0
                    addend, addend_row = f.value(0, "ptr"), f.value(0)
                    if bias is not None:
                        addend = f.offset(bias, (p["outputs"] * group + output) * size)
                    addend, addend_row = f.select(again, c, addend), f.select(again, row_bytes, addend_row)
                    a_row = p["step_across"]
                    arguments = [f.offset(block, p["x_row"] * lines.index), a_row, f.offset(table, sums.index * 8)]
                    arguments += [f.offset(panel, sums.index * row_bytes), f.value(row_bytes), c, f.value(row_bytes)]
                    arguments += [addend, addend_row, f.minimum(p["k_block"], p["taps"] - sums.index), width]
                    count = f.minimum(p["columns"], p["total"] - (row + lines.index) * p["columns"])
                    arguments += [a_row * p["tile"], count, p["tile"]]
                    f.call("rows", [p["tiles"], *arguments])
                place = p["y_image"] * image + p["y_group"] * group + p["y_channel"] * output
                place = place + p["y_depth"] * depth + p["y_row"] * row
                count = f.minimum(rows * p["columns"], p["total"] - row * p["columns"])
                f.call("store", [results, f.offset(y, place), p["y_channel"], count, width])
    return module.text()
