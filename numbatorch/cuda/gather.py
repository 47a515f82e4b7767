"""Template of gather-like loops: a thread an element of the result, which is one of the input's where an index says.

Only the size of an element matters: kernels copy unsigned integers of that size. Indices were checked before.
"""

import math

from ..expr import write
from ..expr.kinds import Launch
from . import backend, geometry
from .launching import call, launch

BLOCK = 256
WORDS = {1: "uint8", 2: "uint16", 4: "uint32", 8: "uint64", 16: "complex128"}


def plan(request):
    """result[p] = input[at(p) + index[p] * stride of the indexed dimension]; options: see ops/index.py, `geometry`."""
    text, name, signature, values, units = _write(request)
    return launch(name, text, signature, request.outputs[0].device, values, units, BLOCK)


def _write(request):
    walk = request.options
    rows = [walk["target"], walk["index"], request.outputs[0].strides]
    shape, rows = geometry.ordered(walk["shape"], rows)
    if not shape:
        shape, rows = (1,), [(0,)] * 3
    units, numbers, pad = math.prod(shape), geometry.Parameters(), " " * 8
    names = ("input", "index", "result")
    lines = geometry.decode(pad, shape, {f"at_{n}": r for n, r in zip(names, rows, strict=True)}, numbers, "i",
                            geometry.width(units))
    numbers.add("size", walk["size"])
    numbers.add("stride", walk["stride"])
    numbers.add("units", units)
    word, index_type = WORDS[request.inputs[0].dtype.itemsize], request.inputs[1].dtype.name
    classes = "".join(geometry.stride_class(s) for r in rows for s in r)
    name = f"gather_{word}_{index_type}_nest{len(shape)}_{classes}"
    head = [f"def {name}({', '.join([*names, *numbers.names])}):", "    i = grid()", "    if i < units:"]
    text = "\n".join([*head, *lines,
                      f"{pad}chosen = int64(index[at_index])", f"{pad}chosen = chosen + size if chosen < 0 else chosen",
                      f"{pad}result[at_result] = input[at_input + chosen * stride]"]) + "\n"
    return text, name, (f"{word}*", f"{index_type}*", f"{word}*", *numbers.types), numbers.values, units


# A block makes of the numbers in `store` their sums up to each of them.
_RUNNING = """        barrier()
        reach = int64(1)
        while reach < {block}:
            before = store[thread - reach] if thread >= reach else int64(0)
            barrier()
            store[thread] = store[thread] + before
            barrier()
            reach = reach << 1
"""
_FOUND = """
def {name}(input, places, earlier, count, piece, length):
    store = shared_int64()
    thread = thread_index()
    block = block_index()
    found = earlier[block]
    first = block * piece
    last = min(first + piece, length)
    while first < last:
        i = first + thread
        one = int64(0)
        if i < last:
            one = int64({truth})
        store[thread] = one
""" + _RUNNING + """        if one != 0:
            places[found + store[thread] - 1] = i
        found = found + store[{block} - 1]
        barrier()
        first = first + {block}
    if thread == 0 and last == length:
        count[0] = found
"""
_COUNTED = """
def {name}(input, earlier, piece, length):
    store = shared_int64()
    thread = thread_index()
    first = block_index() * piece
    last = min(first + piece, length)
    found = int64(0)
    i = first + thread
    while i < last:
        found = found + int64({truth})
        i = i + {block}
    store[thread] = found
    barrier()
    half = int64({block} // 2)
    while half > 0:
        if thread < half:
            store[thread] = store[thread] + store[thread + half]
        barrier()
        half = half >> 1
    if thread == 0:
        earlier[block_index()] = store[0]
"""
_EARLIER = """
def {name}(earlier, blocks):
    store = shared_int64()
    thread = thread_index()
    carry = int64(0)
    first = int64(0)
    while first < blocks:
        i = first + thread
        own = int64(0)
        if i < blocks:
            own = earlier[i]
        store[thread] = own
""" + _RUNNING + """        if i < blocks:
            earlier[i] = carry + store[thread] - own
        carry = carry + store[{block} - 1]
        barrier()
        first = first + {block}
"""
PIECE = 4096  # elements of a block that looks for nonzero ones: 16 a thread


def nonzero(request):
    """Flat places of the nonzero elements of a contiguous tensor, then how many: counts of pieces, their running sum,
    and then each piece's places."""
    dtype, length = request.inputs[0].dtype.name, request.inputs[0].numel
    device = request.outputs[0].device
    blocks = max(1, -(-length // PIECE))
    value = write.load("input[i]", dtype)
    truth = value if dtype == "bool" else f"({value}) != {write.literal(0, write.compute_type(dtype))}"
    kind = f"{write.storage(dtype)}*"

    def made(name, text, signature, values, count):
        return call(name, text.format(name=name, truth=truth, block=BLOCK).lstrip(), signature, device, values, count,
                    BLOCK)
    counted = made(f"nonzero_counts_{dtype}", _COUNTED, (kind, "int64*", "int64", "int64"), (PIECE, length), blocks)
    summed = made("nonzero_earlier", _EARLIER, ("int64*", "int64"), (blocks,), 1)
    found = made(f"nonzero_{dtype}", _FOUND, (kind, "int64*", "int64*", "int64*", "int64", "int64"), (PIECE, length),
                 blocks)
    runtime = backend.on(device.index)

    def run(input, places, count, *rest):
        work = runtime.allocate(8 * blocks)
        counted(input, work.address, *rest)
        summed(work.address, *rest)
        found(input, places, work.address, count, *rest)
    run.kernel = found.kernel
    return Launch(run, 0, 1, 1)


def unravel(request):
    """Coordinates of flat places in row-major order of `shape`: one row of all places for each dimension."""
    shape, count = request.options["shape"], request.inputs[0].numel
    rank = len(shape)
    name = f"unravel_{rank}"
    sizes = [f"size{d}" for d in range(1, rank)]
    lines = [f"def {name}({', '.join(['places', 'result', *sizes, 'count'])}):", "    i = grid()",
             "    if i < count:", "        rest = places[i]"]
    for d in range(rank - 1, -1, -1):
        lines.append(f"        result[i + {d} * count] = rest" + (f" % size{d}" if d else ""))
        if d:
            lines.append(f"        rest = rest // size{d}")
    return launch(name, "\n".join(lines) + "\n", ("int64*", "int64*", *["int64"] * rank), request.outputs[0].device,
                  (*shape[1:], count), count, BLOCK)


def ranges(request):
    """Runs that end at `ends` (n), one after the other: the number of the run at each place, or, with `starts` (n), how
    far it is into its run plus the run's start."""
    ends, *starts = request.inputs
    name = "run_places" if starts else "run_numbers"
    value = "starts[run] + k - first" if starts else "run"
    text = (f"def {name}(ends, {'starts, ' if starts else ''}result, units):\n"
            "    run = grid()\n"
            "    if run < units:\n"
            "        first = ends[run - 1] if run > 0 else int64(0)\n"
            "        k = first\n"
            "        while k < ends[run]:\n"
            f"            result[k] = {value}\n"
            "            k = k + 1\n")
    return launch(name, text, ("int64*",) * (2 + len(starts)) + ("int64",), request.outputs[0].device, (ends.numel,),
                  ends.numel, BLOCK)
