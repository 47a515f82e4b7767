"""Template of scatter-like loops: each element of the source goes to a place of the target that an index tensor gives.

Places that several elements go to get them in the order of the index. Parallel only over dimensions that cannot meet:
those that the index does not choose. A unit is one run of at most `BLOCK` elements along the fastest of them; where
the index lies closer along the others (its last dimension is the one that it chooses from), a unit is all that meets.
"""

import math

from ..expr import tree, write
from ..expr.kinds import Elementwise, Launch, Native, Operand
from ..layout import coalesce
from . import elementwise, geometry, streaming
from .compile import compile_kernel
from .gather import AHEAD, WORDS, in_groups

PART = 512  # indices that are looked at together, then used
ROW = 4096  # elements of a row that is put together in the first cache
BLOCK = 128  # elements: a few cache lines of the target stay near while the index is walked


def plan(request):
    """target[at(p) + index[p] * stride] = combine(that, source[p]): writes its first input."""
    walk, (target, index, _) = request.options, request.inputs
    combine = walk["combine"]
    rows = [walk["target"], walk["index"], walk["source"]]
    alone = [d for d, n in enumerate(walk["shape"]) if walk["target"][d] != 0]
    meeting = [d for d in range(len(walk["shape"])) if d not in alone]
    alone.sort(key=lambda d: (-abs(walk["target"][d]), d))
    outer, outer_rows = coalesce([walk["shape"][d] for d in alone], [[r[d] for d in alone] for r in rows])
    turns, turn_rows = coalesce([walk["shape"][d] for d in meeting], [[r[d] for d in meeting] for r in rows])
    by_row = bool(turns) and (not outer or abs(turn_rows[1][-1]) < abs(outer_rows[1][-1]))
    if not outer:
        outer, outer_rows = (1,), [(1,)] * 3
    dtype = target.dtype.name
    stored = WORDS[target.dtype.itemsize] if combine == "set" else write.storage(dtype)
    classes = "".join(geometry.stride_class(r[-1]) for r in outer_rows)
    index_type = index.dtype.name
    if by_row:
        classes = "rows_" + "".join(geometry.stride_class(s) for s in (
            walk["stride"], turn_rows[1][-1], turn_rows[2][-1]))
    name = f"scatter_{combine}_{dtype if combine != 'set' else stored}_{index_type}_{len(outer)}_{len(turns)}_{classes}"
    write_text = row_source if by_row else source
    text = write_text(name, len(outer), len(turns), classes.removeprefix("rows_"), combine, dtype)
    kernel = compile_kernel(name, text, (f"{stored}*", f"{index_type}*", f"{stored}*", f"{stored}*", "int64*"))
    if by_row:
        rows = math.prod(outer) if 0 not in walk["shape"] else 0
        return geometry.launch(kernel, rows, geometry.GRAIN // max(1, math.prod(turns)), outer, *outer_rows, turns,
                               *turn_rows[1:], walk["size"], walk["stride"], math.prod(turns[:-1]))
    blocks = -(-outer[-1] // BLOCK)
    units = math.prod(outer[:-1]) * blocks if 0 not in walk["shape"] else 0
    count = math.prod(turns)
    grain = max(1, geometry.GRAIN // max(1, count * min(BLOCK, outer[-1])))
    return geometry.launch(kernel, units, grain, outer, *outer_rows, turns, *turn_rows[1:], walk["size"],
                           walk["stride"], count, blocks)


def combined(request):
    """result = a copy of the first input, into which the elements of the source are combined."""
    input, index, source = request.inputs
    (own,) = request.outputs
    compute = input.dtype.compute
    copied = elementwise.plan(Elementwise("clone", (tree.arg("input"),), [Operand("input", input, compute)], [own],
                                          own.shape, compute))
    written = plan(Native("scatter", "plan", (own, index, source), [own], request.options))
    copy, copy_meta, copy_units, copy_grain = copied.kernel, copied.meta, copied.units, copied.grain
    combine, combine_meta, combine_units, combine_grain = written.kernel, written.meta, written.units, written.grain

    def kernel(input, index, source, result, meta, units, grain):
        copy(input, result, copy_meta, copy_units, copy_grain)
        combine(result, index, source, result, combine_meta, combine_units, combine_grain)
    return Launch(kernel, 0, 1, 1, (copied, written))


def onto(request):
    """result = a copy of the first input, some rows at a time, into which those of the source are combined right after.

    All are contiguous, and the index chooses along their last dimension. Indices count from the front; where one is
    outside, the kernel raises IndexError.
    """
    input, index, _ = request.inputs
    combine, dtype, size, n = request.options["combine"], input.dtype.name, input.shape[-1], index.shape[-1]
    stored = WORDS[input.dtype.itemsize] if combine == "set" else write.storage(dtype)
    streamed = streaming.when(*request.outputs) and size <= ROW
    index_type = index.dtype.name
    kind = dtype if combine != "set" else stored
    name = f"scatter_onto_{combine}_{kind}_{index_type}{'_streamed' * streamed}"
    text = onto_source(name, combine, dtype, streamed)
    kernel = compile_kernel(name, text, (f"{stored}*", f"{index_type}*", f"{stored}*", f"{stored}*", "int64*", "flag"))
    return geometry.launch(kernel, index.numel // n, geometry.GRAIN // max(n, size), size, n)


def onto_source(name, combine, dtype, streamed):
    """The kernel: units are rows; `streamed` ones are put together in the first cache and written past the others."""
    place = "kept[chosen]" if streamed else "result[at + chosen]"
    value = write.combined(combine, dtype).format(old=place, new="source[first + i]")
    lines = [f"def {name}(input, index, source, result, meta, flag, start, stop):", "    size = meta[0]",
             "    n = meta[1]"]
    if streamed:
        lines += [f"    kept = room(result, {ROW})", "    for row in range(start, stop):", "        at = row * size",
                  "        for i in range(size):", "            kept[i] = input[at + i]"]
    else:  # a chunk's rows first: they are in the second cache when they are changed
        lines += ["    for i in range(start * size, stop * size):", "        result[i] = input[i]",
                  "    for row in range(start, stop):", "        at = row * size"]
    outside = "int64(uint64(int64(index[first + i])) >= uint64(size))"
    body = ["chosen = int64(index[first + i])", f"{place} = {value}"]
    if streamed:
        ahead = f"first + i + {AHEAD}"
        lines += ["        first = row * n", *in_groups(" " * 8, "n", body, [
            ("index", ahead), ("source", ahead), ("input", "at + size + i")], outside),
            "        stream(result, at, kept, 0, size)"]
    else:
        pad = " " * 12
        lines += [f"        for part in range((n + {PART - 1}) // {PART}):",
                  f"{pad}first = row * n + part * {PART}", f"{pad}count = min({PART}, n - part * {PART})",
                  f"{pad}outside = int64(0)", f"{pad}for i in range(count):", f"{pad}    outside |= {outside}",
                  f"{pad}if outside != 0:", f"{pad}    flag[0] = 1", f"{pad}else:", f"{pad}    for i in range(count):",
                  *(f"{pad}        {line}" for line in body)]
    return "\n".join(lines) + "\n"


def source(name, rank, turn_rank, classes, combine, dtype):
    """The kernel: units of BLOCK elements; for each, every turn of the meeting dimensions in order."""
    names = ("target", "index", "source")
    at = {n: rank * (k + 1) for k, n in enumerate(names)}
    sizes = 4 * rank
    tail = sizes + 3 * turn_rank
    step = {n: {"0": "0", "1": "i", "n": f"i * step_{n}"}[c] for n, c in zip(names, classes, strict=True)}
    lines = [f"def {name}(target, index, source, unused, meta, start, stop):", f"    inner = meta[{rank - 1}]",
             f"    size = meta[{tail}]", f"    stride = meta[{tail + 1}]", f"    turns = meta[{tail + 2}]",
             f"    blocks = meta[{tail + 3}]"]
    lines += [f"    step_{n} = meta[{a + rank - 1}]" for n, a in at.items()]
    lines += ["    for unit in range(start, stop):", "        row = unit // blocks",
              f"        first = (unit - row * blocks) * {BLOCK}",
              f"        last = first + {BLOCK} if first + {BLOCK} < inner else inner"]
    lines += geometry.decode(" " * 8, rank - 1, 0, [(f"at_{n}", a) for n, a in at.items()])
    lines += ["        for turn in range(turns):"]
    lines += geometry.decode(" " * 12, turn_rank, sizes, [("on_index", sizes + turn_rank),
                                                          ("on_source", sizes + 2 * turn_rank)], "turn")
    pad = " " * (12 if classes[1] == "0" else 16)
    find = [f"{pad}chosen = int64(index[at_index + on_index + {step['index']}])",
            f"{pad}chosen = chosen + size if chosen < 0 else chosen", f"{pad}spot = at_target + chosen * stride"]
    place = f"target[spot + {step['target']}]"
    value = write.combined(combine, dtype).format(old=place, new=f"source[at_source + on_source + {step['source']}]")
    store = [f"                {place} = {value}"]
    loop = ["            for i in range(first, last):"]
    lines += find + loop + store if classes[1] == "0" else loop + find + store
    return "\n".join(lines) + "\n"


def row_source(name, rank, turn_rank, classes, combine, dtype):
    """The kernel whose units are places of the outer dimensions, each with all of the index that chooses there."""
    names = ("target", "index", "source")
    at = {n: rank * (k + 1) for k, n in enumerate(names)}
    sizes = 4 * rank
    tail = sizes + 3 * turn_rank
    index_step, source_step = sizes + 2 * turn_rank - 1, sizes + 3 * turn_rank - 1
    step = {n: {"0": "0", "1": "i", "n": f"i * step_{n}"}[c] for n, c in zip(names[1:], classes[1:], strict=True)}
    place = "target[at_target + " + ("chosen]" if classes[0] == "1" else "chosen * stride]")
    value = write.combined(combine, dtype).format(old=place, new=f"source[on_source + {step['source']}]")
    lines = [f"def {name}(target, index, source, unused, meta, start, stop):",
             f"    inner = meta[{sizes + turn_rank - 1}]", f"    size = meta[{tail}]",
             f"    stride = meta[{tail + 1}]", f"    lines = meta[{tail + 2}]",
             f"    step_index = meta[{index_step}]", f"    step_source = meta[{source_step}]",
             "    for row in range(start, stop):"]
    lines += geometry.decode(" " * 8, rank, 0, [(f"at_{n}", a) for n, a in at.items()])
    lines += ["        for line in range(lines):"]
    lines += geometry.decode(" " * 12, turn_rank - 1, sizes, [("on_index", sizes + turn_rank),
                                                              ("on_source", sizes + 2 * turn_rank)], "line")
    lines += ["            on_index += at_index", "            on_source += at_source",
              "            for i in range(inner):",
              f"                chosen = int64(index[on_index + {step['index']}])",
              "                chosen = chosen + size if chosen < 0 else chosen",
              f"                {place} = {value}"]
    return "\n".join(lines) + "\n"
