"""Template of gather-like loops: each element of the result is one of the input, at a place that an index tensor gives.

Only the size of an element matters: kernels copy unsigned integers of that size. Indices were checked before, or are
by the kernel itself, which then reads them from memory only once.
"""

import math

from . import geometry, streaming
from .compile import compile_kernel

PART = streaming.PIECE  # elements a unit: their indices are in the first cache when they are used
DENSE = 4  # a row is read in order first where the index has at least one of so many of its elements
GROUP = 16  # elements between two requests for memory: a line of float32
AHEAD = 4096  # elements that memory is asked for ahead of its use: best of 128..8192 for scatter_add of 64 MB
WORDS = {1: "uint8", 2: "uint16", 4: "uint32", 8: "uint64", 16: "complex128"}


def plan(request, checked=False):
    """result[p] = input[at(p) + index[p] * stride of the indexed dimension]; options: see ops/index.py, `geometry`."""
    walk = request.options
    rows = [walk["target"], walk["index"], request.outputs[0].strides]
    shape, rows = geometry.ordered(walk["shape"], rows)
    if not shape:
        shape, rows = (1,), [(1,)] * 3
    rank = len(shape)
    classes = "".join(geometry.stride_class(r[-1]) for r in rows)
    word = WORDS[request.inputs[0].dtype.itemsize]
    index_type = request.inputs[1].dtype.name
    by_row = classes[1] == "0" and not checked
    near = walk["stride"] == 1 and not by_row
    parted = shape[-1] > PART and not by_row
    streamed = streaming.when(*request.outputs) and classes[2] == "1" and shape[-1] >= streaming.PIECE and (
        not by_row or classes[0] == "1")
    name = (f"gather_{word}_{index_type}_nest{rank}_{classes}{'_parts' * parted}{'_near' * near}"
            f"{'_streamed' * streamed}{'_checked' * checked}")
    signature = (f"{word}*", f"{index_type}*", f"{word}*", "int64*", *["flag"] * checked)
    text = row_source(name, rank, classes, streamed) if by_row else source(
        name, rank, classes, near, streamed, checked, parted)
    kernel = compile_kernel(name, text, signature, independent=True)
    units = math.prod(shape[:-1]) if 0 not in shape else 0
    units, part = (units * -(-shape[-1] // PART), PART) if parted else (units, shape[-1])
    return geometry.launch(kernel, units, geometry.GRAIN // max(1, part), shape, *rows, walk["size"], walk["stride"])


def checked(request):
    """The Launch of `plan` for indices that nobody has looked at: the kernel raises IndexError where one is outside."""
    return plan(request, checked=True)


def _head(name, rank, classes, flag=""):
    at = {n: rank * (k + 1) for k, n in enumerate(("input", "index", "result"))}
    step = {n: {"0": "0", "1": "i", "n": f"i * step_{n}"}[c] for n, c in zip(at, classes, strict=True)}
    lines = [f"def {name}(input, index, result, meta, {flag}start, stop):", f"    inner = meta[{rank - 1}]",
             f"    size = meta[{4 * rank}]", f"    stride = meta[{4 * rank + 1}]"]
    lines += [f"    step_{n} = meta[{a + rank - 1}]" for n, a in at.items()]
    return lines, step, [(f"at_{n}", a) for n, a in at.items()]


def row_source(name, rank, classes, streamed=False):
    """The kernel for an index that is constant along the fastest dimension of the result: copies of rows.

    streamed: whole rows are copied past the caches.
    """
    lines, step, at = _head(name, rank, classes)
    lines += ["    for row in range(start, stop):", *geometry.decode(" " * 8, rank - 1, 0, at),
              "        chosen = int64(index[at_index])", "        chosen = chosen + size if chosen < 0 else chosen",
              "        at_input += chosen * stride"]
    if streamed:
        lines.append("        stream(result, at_result, input, at_input, inner)")
    else:
        lines += ["        for i in range(inner):",
                  f"            result[at_result + {step['result']}] = input[at_input + {step['input']}]"]
    return "\n".join(lines) + "\n"


def source(name, rank, classes, near=False, streamed=False, checked=False, parted=True):
    """The kernel: units are parts of rows of the fastest dimension of the result, or whole rows where they are short.

    near: what the index chooses from lies element by element. streamed: results are written past the caches. checked:
    indices are compared with the size first, a part at a time, and count from the front only.
    """
    lines, step, at = _head(name, rank, classes, "flag, " * checked)
    pad = " " * 8
    if streamed:
        lines.append(f"    room_result = room(result, {PART})")
    if parted:
        lines += [f"    parts = (inner + {PART - 1}) // {PART}", "    for unit in range(start, stop):",
                  "        row = unit // parts", f"        first = (unit - row * parts) * {PART}",
                  f"        count = min({PART}, inner - first)"]
    else:
        lines += ["    for row in range(start, stop):", "        count = inner"]
    lines += geometry.decode(pad, rank - 1, 0, at)
    if near and classes[0] == "0":
        lines += [f"        if {'(unit == start or first == 0) and ' * parted}size <= inner * {DENSE}:",
                  "            touch(input, at_input, size)"]
    if parted:
        lines += [f"{pad}at_{n} += first{' * step_' * (c == 'n')}{n * (c == 'n')}"
                  for n, c in zip(step, classes, strict=True) if c != "0"]
    chosen = f"int64(index[at_index + {step['index']}])"
    outside = f"int64(uint64({chosen}) >= uint64(size))"
    place = "room_result[i]" if streamed else f"result[at_result + {step['result']}]"
    body = [f"chosen = {chosen}", *["chosen = chosen + size if chosen < 0 else chosen"] * (not checked),
            f"{place} = input[at_input + {step['input']} + chosen{'' if near else ' * stride'}]"]
    if streamed and checked and near and classes[0] == "0":
        lines += in_groups(pad, "count", body, [
            ("index", f"at_index + {step['index']} + {AHEAD}"),
            ("input", f"at_input + size + {'first + ' * parted}i")], outside)
    else:
        if checked:
            lines += ["        outside = int64(0)", "        for i in range(count):",
                      f"            outside |= {outside}", "        if outside != 0:", "            flag[0] = 1",
                      "        else:"]
            pad += " " * 4
        lines += [f"{pad}for i in range(count):", f"{pad}    in_lanes(1)",  # vectors gather no faster
                  *(f"{pad}    {line}" for line in body)]
    if streamed:
        lines.append(f"{pad}stream(result, at_result, room_result, 0, count)")
    return "\n".join(lines) + "\n"


def in_groups(pad, count, body, fetches, outside):
    """Lines of a loop `for i in range(count)` around a body that meets memory in any order, which begins meanwhile to
    read what is met in order. Where `outside` (int64, of element i) is not 0 for an element of a group, `flag` is set.

    fetches: (pointer, place) of what is read from memory, `place` that of element i. A loop that waits for its own
    stores leaves the CPU's prefetchers idle; and requests are spread over it, since in bursts they wait for each other.
    """
    def group(pad, start, stop):
        return [f"{pad}outside = int64(0)", f"{pad}for i in range({start}, {stop}):", f"{pad}    outside |= {outside}",
                f"{pad}if outside != 0:", f"{pad}    flag[0] = 1", f"{pad}else:",
                f"{pad}    for i in range({start}, {stop}):", *(f"{pad}        {line}" for line in body)]

    inner = pad + " " * 4
    return [f"{pad}for group in range({count} // {GROUP}):", f"{inner}i = group * {GROUP}",
            *(f"{inner}fetch({pointer}, {place}, {GROUP})" for pointer, place in fetches),
            *group(inner, f"group * {GROUP}", f"group * {GROUP} + {GROUP}"),
            *group(pad, f"{count} // {GROUP} * {GROUP}", count)]


def nonzero(request):
    """Flat places of the nonzero elements of a contiguous tensor, then how many: one pass without branches."""
    from ..expr import write
    dtype = request.inputs[0].dtype.name
    name = f"nonzero_{dtype}"
    value = write.load("input[i]", dtype)
    truth = value if dtype == "bool" else f"({value}) != {write.literal(0, write.compute_type(dtype))}"
    text = (f"def {name}(input, places, count, meta, start, stop):\n"
            "    found = int64(0)\n"
            "    for i in range(meta[0]):\n"
            "        places[found] = i\n"
            f"        found += int64({truth})\n"
            "    count[0] = found\n")
    kernel = compile_kernel(name, text, (f"{write.storage(dtype)}*", "int64*", "int64*", "int64*"))
    return geometry.launch(kernel, 1, 1, request.inputs[0].numel)


def unravel(request):
    """Coordinates of flat places in row-major order of `shape`: one row of all places for each dimension."""
    shape = request.options["shape"]
    rank = len(shape)
    name = f"unravel_{rank}"
    lines = [f"def {name}(places, result, meta, start, stop):", f"    count = meta[{rank}]",
             "    for i in range(start, stop):", "        rest = places[i]"]
    for d in range(rank - 1, -1, -1):
        lines.append(f"        result[i + {d} * count] = rest" + (f" % meta[{d}]" if d else ""))
        if d:
            lines.append(f"        rest = rest // meta[{d}]")
    kernel = compile_kernel(name, "\n".join(lines) + "\n", ("int64*", "int64*", "int64*"))
    return geometry.launch(kernel, request.inputs[0].numel, geometry.GRAIN // 8, shape, request.inputs[0].numel)


def ranges(request):
    """Runs that end at `ends` (n), one after the other: the number of the run at each place, or, with `starts` (n), how
    far it is into its run plus the run's start."""
    ends, *starts = request.inputs
    name = "run_places" if starts else "run_numbers"
    value = "starts[run] + k - first" if starts else "run"
    text = (f"def {name}(ends, {'starts, ' if starts else ''}result, meta, start, stop):\n"
            "    for run in range(start, stop):\n"
            "        first = ends[run - 1] if run > 0 else 0\n"
            "        for k in range(first, ends[run]):\n"
            f"            result[k] = {value}\n")
    kernel = compile_kernel(name, text, ("int64*",) * (3 + len(starts)), independent=True)
    each = max(1, request.outputs[0].numel // max(1, ends.numel))
    return geometry.launch(kernel, ends.numel, geometry.GRAIN // each)
