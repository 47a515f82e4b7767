"""Template of scatter-like loops: each element of the source goes to a place of the target that an index tensor gives.

Places that several elements go to get them in the order of the index, so the result is the same in every run. Where the
dimensions that the index does not choose keep a GPU busy, a thread has one place of those and walks all of the index
that meets there. Else elements are sorted by their places, stably, and a thread walks what goes to one place.
"""

import math

from ..expr import tree, write
from ..expr.kinds import Elementwise, Launch, Native, Operand
from ..layout import coalesce
from . import backend, elementwise, geometry, radix, sort
from .gather import WORDS
from .launching import call, launch

BLOCK = 64  # few, so that few threads are on many multiprocessors
FEW = 4096  # threads that do not keep a GPU busy
LONG = 64  # elements a thread from which walking takes longer than sorting


def plan(request):
    """target[at(p) + index[p] * stride] = combine(that, source[p]): writes its first input."""
    text, name, signature, values, units = _write(request)
    elements = math.prod(request.options["shape"])
    if units < FEW and elements >= LONG * units and elements:
        return _sorted(request, elements)
    return launch(name, text, signature, request.outputs[0].device, values, units, BLOCK)


def onto(request):
    """result = a copy of the first input, into which the elements of the source are combined."""
    input, index, source = request.inputs
    (own,) = request.outputs
    compute = input.dtype.compute
    copied = elementwise.plan(Elementwise("clone", (tree.arg("input"),), [Operand("input", input, compute)], [own],
                                          own.shape, compute))
    written = plan(Native("scatter", "plan", (own, index, source), [own], request.options))

    def run(input, index, source, result, *_):
        copied.kernel(input, result, copied.meta, copied.units, copied.grain)
        written.kernel(result, index, source, result, written.meta, written.units, written.grain)
    return Launch(run, 0, 1, 1, (copied, written))


def _write(request):
    walk, (target, index, _) = request.options, request.inputs
    combine, shape, names = walk["combine"], walk["shape"], ("target", "index", "source")
    rows = [walk[n] for n in names]
    alone = sorted((d for d in range(len(shape)) if walk["target"][d]), key=lambda d: (-abs(walk["target"][d]), d))
    meeting = [d for d in range(len(shape)) if d not in alone]
    outer, outer_rows = coalesce([shape[d] for d in alone], [[r[d] for d in alone] for r in rows])
    turns, turn_rows = coalesce([shape[d] for d in meeting], [[r[d] for d in meeting] for r in rows])
    units = math.prod(outer) if 0 not in shape else 0
    numbers, pad, deep = geometry.Parameters(), " " * 8, " " * 12
    lines = geometry.decode(pad, outer or (1,), {f"at_{n}": r if outer else (0,) for n, r in zip(
        names, outer_rows, strict=True)}, numbers, "unit", geometry.width(units))
    steps = geometry.decode(deep, turns or (1,), {f"on_{n}": r if turns else (0,) for n, r in zip(
        names[1:], turn_rows[1:], strict=True)}, numbers, "turn", geometry.width(math.prod(turns)), "_turn")
    numbers.add("turns", math.prod(turns))
    numbers.add("size", walk["size"])
    numbers.add("stride", walk["stride"])
    numbers.add("units", units)
    dtype = target.dtype.name
    value = write.combined(combine, dtype).format(old="target[spot]", new="source[at_source + on_source]")
    lines += [f"{pad}turn = int64(0)", f"{pad}while turn < turns:", *steps,
              f"{deep}chosen = int64(index[at_index + on_index])",
              f"{deep}chosen = chosen + size if chosen < 0 else chosen", f"{deep}spot = at_target + chosen * stride",
              f"{deep}target[spot] = {value}", f"{deep}turn = turn + 1"]
    stored = WORDS[target.dtype.itemsize] if combine == "set" else write.storage(dtype)
    classes = "".join(geometry.stride_class(s) for r in (*outer_rows, *turn_rows[1:]) for s in r)
    name = (f"scatter_{combine}_{dtype if combine != 'set' else stored}_{index.dtype.name}_{len(outer)}_{len(turns)}_"
            f"{classes}")
    head = [f"def {name}({', '.join([*names, 'unused', *numbers.names])}):", "    unit = grid()",
            "    if unit < units:"]
    signature = (f"{stored}*", f"{index.dtype.name}*", f"{stored}*", f"{stored}*", *numbers.types)
    return "\n".join([*head, *lines]) + "\n", name, signature, numbers.values, units


def _sorted(request, elements):
    """The Launch that sorts elements by their places first."""
    walk, (target, index, _), device = request.options, request.inputs, request.outputs[0].device
    numbers, pad = geometry.Parameters(), " " * 8
    shape, rows = coalesce(walk["shape"], [walk[n] for n in ("target", "index", "source")])
    bits = max(1, (sum((n - 1) * r for n, r in zip(shape, rows[0], strict=True)) + (
        walk["size"] - 1) * walk["stride"]).bit_length())
    key = "uint32" if bits <= 32 else "uint64"
    lines = geometry.decode(pad, shape or (1,), {f"at_{n}": r if shape else (0,) for n, r in zip(
        ("target", "index", "source"), rows, strict=True)}, numbers, "i", geometry.width(elements))
    for name, value in (("size", walk["size"]), ("stride", walk["stride"]), ("units", elements)):
        numbers.add(name, value)
    lines += [f"{pad}chosen = int64(index[at_index])", f"{pad}chosen = chosen + size if chosen < 0 else chosen",
              f"{pad}spots[i] = {key}(at_target + chosen * stride)", f"{pad}sources[i] = at_source"]
    name = f"scatter_spots_{index.dtype.name}_{key}_{''.join(geometry.stride_class(s) for r in rows for s in r)}"
    text = "\n".join([f"def {name}({', '.join(['index', 'spots', 'sources', *numbers.names])}):", "    i = grid()",
                      "    if i < units:", *lines]) + "\n"
    blocks = -(-elements // sort.BLOCK)
    signature = (f"{index.dtype.name}*", f"{key}*", "int64*", *numbers.types)
    find = call(name, text, signature, device, numbers.values, blocks, sort.BLOCK)
    sorter = radix.Sorter(key, bits, "int64", elements, 1, device)
    dtype, combine = target.dtype.name, walk["combine"]
    stored = WORDS[target.dtype.itemsize] if combine == "set" else write.storage(dtype)
    value = write.combined(combine, dtype).format(old="target[spot]", new="source[sources[j]]")
    name = f"scatter_runs_{combine}_{dtype if combine != 'set' else stored}_{key}"
    text = f"""def {name}(target, source, spots, sources, units):
    i = grid()
    if i < units:
        spot = int64(spots[i])
        is_first = True
        if i > 0:
            is_first = int64(spots[i - 1]) != spot
        if is_first:
            j = i
            more = True
            while more:
                target[spot] = {value}
                j = j + 1
                more = False
                if j < units:
                    more = int64(spots[j]) == spot
"""
    put = call(name, text, (f"{stored}*", f"{stored}*", f"{key}*", "int64*", "int64"), device, (elements,), blocks,
               sort.BLOCK)
    runtime = backend.on(device.index)

    def run(target, index, source, unused, *rest):
        work = runtime.allocate(32 * elements + sorter.nbytes)
        spots, sources, more_spots, more_sources = (work.address + 8 * elements * k for k in range(4))
        find(index, spots, sources, *rest)
        spots, sources = sorter(spots, sources, more_spots, more_sources, work.address + 32 * elements, rest)
        put(target, source, spots, sources, *rest)
    run.kernel = put.kernel
    return Launch(run, 0, elements, 1)
