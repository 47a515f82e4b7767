"""Template of scatter-like loops: each element of the source goes to a place of the target that an index tensor gives.

Places that several elements go to get them in a fixed order, so the result is the same in every run. Where few meet,
and the dimensions that the index does not choose keep a GPU busy, a thread has one place of those and walks all of the
index that meets there. Else what the index chooses is sorted by its places, stably: elements, or whole rows where the
index is the same for all of a row, and threads walk what goes to one place. Sums of many single elements are atomic
instead: of floats only until `use_deterministic_algorithms(True)`, as the order of their roundings is then not fixed.
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
PIECE = 128  # elements that a thread walks at most
MANY = 1 << 16  # elements from which sums are atomic: sorting fewer takes no longer than its launches
ATOMIC = ("float32", "float64", "int32", "int64")
LONG = 64  # elements a thread from which walking takes longer than sorting


def plan(request):
    """target[at(p) + index[p] * stride] = combine(that, source[p]): writes its first input."""
    text, name, signature, values, units = _write(request)
    walk = request.options
    shape, elements = walk["shape"], math.prod(walk["shape"])
    by = [d for d in range(len(shape)) if walk["index"][d] or not walk["target"][d]]  # what places depend on
    if elements and elements >= LONG * units and (units < FEW or math.prod(shape[d] for d in by) * FEW <= elements):
        ordered = _sorted(request, by)
        if walk["combine"] != "add" or request.inputs[0].dtype.name not in ATOMIC or elements < MANY or math.prod(
                shape[d] for d in by) < elements:
            return ordered
        return _atomic(request, ordered, elements)
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


def _atomic(request, ordered, elements):
    """The Launch that adds all elements at once; of floats by `ordered`, the sorted one, where that is asked for."""
    from ..determinism import are_deterministic_algorithms_enabled
    walk, (target, index, _), numbers, pad = request.options, request.inputs, geometry.Parameters(), " " * 8
    names = ("target", "index", "source")
    shape, rows = coalesce(walk["shape"], [walk[n] for n in names])
    lines = geometry.decode(pad, shape, {f"at_{n}": r for n, r in zip(names, rows, strict=True)}, numbers, "i",
                            geometry.width(elements))
    for name, value in (("size", walk["size"]), ("stride", walk["stride"]), ("units", elements)):
        numbers.add(name, value)
    dtype = target.dtype.name
    name = f"scatter_atomic_{dtype}_{index.dtype.name}_{''.join(geometry.stride_class(s) for r in rows for s in r)}"
    text = "\n".join([f"def {name}({', '.join([*names, 'unused', *numbers.names])}):", "    i = grid()",
                      "    if i < units:", *lines, f"{pad}chosen = int64(index[at_index])",
                      f"{pad}chosen = chosen + size if chosen < 0 else chosen",
                      f"{pad}atomic_add(target, at_target + chosen * stride, source[at_source])"]) + "\n"
    signature = (f"{dtype}*", f"{index.dtype.name}*", f"{dtype}*", f"{dtype}*", *numbers.types)
    at_once = call(name, text, signature, request.outputs[0].device, numbers.values, -(-elements // sort.BLOCK),
                   sort.BLOCK)
    is_exact = dtype.startswith("int")

    def run(*given):
        if is_exact or not are_deterministic_algorithms_enabled():
            at_once(*given)
        else:
            ordered.kernel(*given)
    run.kernel = at_once.kernel
    return Launch(run, 0, elements, 1)


def _sorted(request, by):
    """The Launch that sorts by their places what dimensions `by` of the walk hold, each with all of the others."""
    walk, (target, index, _), device = request.options, request.inputs, request.outputs[0].device
    numbers, pad, names = geometry.Parameters(), " " * 8, ("target", "index", "source")

    def merged(dims):
        return coalesce([walk["shape"][d] for d in dims], [[walk[n][d] for d in dims] for n in names])
    (shape, rows), (others, other_rows) = merged(by), merged([d for d in range(len(walk["shape"])) if d not in by])
    count, inner = math.prod(shape), math.prod(others)

    def reach(row):
        return sum((n - 1) * abs(s) for n, s in zip(shape, row, strict=True))
    bits = max(1, (reach(rows[0]) + (walk["size"] - 1) * walk["stride"]).bit_length())
    key, place = "uint32" if bits <= 32 else "uint64", "int32" if reach(rows[2]) < 2**31 else "int64"
    lines = geometry.decode(pad, shape or (1,), {f"at_{n}": r if shape else (0,) for n, r in zip(
        names, rows, strict=True)}, numbers, "i", geometry.width(count))
    for name, value in (("size", walk["size"]), ("stride", walk["stride"]), ("units", count)):
        numbers.add(name, value)
    lines += [f"{pad}chosen = int64(index[at_index])", f"{pad}chosen = chosen + size if chosen < 0 else chosen",
              f"{pad}spots[i] = {key}(at_target + chosen * stride)", f"{pad}sources[i] = {place}(at_source)"]
    name = f"scatter_spots_{index.dtype.name}_{key}_{''.join(geometry.stride_class(s) for r in rows for s in r)}"
    text = "\n".join([f"def {name}({', '.join(['index', 'spots', 'sources', *numbers.names])}):", "    i = grid()",
                      "    if i < units:", *lines]) + "\n"
    signature = (f"{index.dtype.name}*", f"{key}*", f"{place}*", *numbers.types)
    find = call(name, text, signature, device, numbers.values, -(-count // sort.BLOCK), sort.BLOCK)
    sorter = radix.Sorter(key, bits, place, count, 1, device)
    put = _runs(walk, target, key, place, others, (other_rows[0], other_rows[2]), count, inner, device)
    runtime = backend.on(device.index)
    key_bytes, place_bytes = (geometry.rounded(count * (8 if t.endswith("64") else 4)) for t in (key, place))

    def run(target, index, source, unused, *rest):
        work = runtime.allocate(2 * (key_bytes + place_bytes) + sorter.nbytes)
        spots, sources = work.address, work.address + 2 * key_bytes
        find(index, spots, sources, *rest)
        spots, sources = sorter(spots, sources, spots + key_bytes, sources + place_bytes,
                                work.address + 2 * (key_bytes + place_bytes), rest)
        put(target, source, spots, sources, *rest)
    run.kernel = put.kernel
    return Launch(run, 0, count, 1)


def _runs(walk, target, key, place, others, rows, count, inner, device):
    """f(target, source, spots, sources, *rest) that combines runs of sorted places, for each element of `others`.

    A thread walks a run, or what a piece of PIECE has of it: "set" writes the last alone, totals of runs that go on in
    other pieces are kept as the piece's head or tail, and a second kernel joins them in order.
    """
    dtype, combine = target.dtype.name, walk["combine"]
    stored = WORDS[target.dtype.itemsize] if combine == "set" else write.storage(dtype)
    numbers, pad = geometry.Parameters(), " " * 8
    in_pieces = combine != "set" and dtype in ("float32", "float64", "int32", "int64")
    text = write.combined(combine, dtype)
    head = ["        i = int64(run)", "        own = spots[i]", "        spot = at_target + int64(own)"]
    if combine == "set":
        names, body = ["source"], f"""        is_last = True
        if i + 1 < count:
            is_last = spots[i + 1] != own
        if is_last:
            target[spot] = {text.format(old="", new="source[at_source + int64(sources[i])]")}
"""
    else:
        new, again, begin = "source[at_source + int64(sources[j])]", "spots[j] == own", "            more = True"
        first_of, step = "is_first", f"target[spot] = {text.format(old='target[spot]', new=new)}"
        if in_pieces:
            again += f" and j % {PIECE} != 0"
            first_of, step = f"is_first or i % {PIECE} == 0", f"total = {text.format(old='total', new=new)}"
            begin = f"""            total = {new}
            j = j + 1
            more = False
            if j < count:
                more = {again}"""
        names, body = ["source"], f"""        is_first = True
        if i > 0:
            is_first = spots[i - 1] != own
        if {first_of}:
            j = i
{begin}
            while more:
                {step}
                j = j + 1
                more = False
                if j < count:
                    more = {again}
"""
        if in_pieces:
            names = ["source", "heads", "tails"]
            body += f"""            is_whole = True
            if j < count:
                is_whole = spots[j] != own
            if not is_first:
                heads[i // {PIECE} * inner + one_] = total
            elif is_whole:
                target[spot] = {text.format(old="target[spot]", new="total")}
            else:
                tails[i // {PIECE} * inner + one_] = total
"""
    classes = "".join(geometry.stride_class(s) for r in rows for s in r)
    label = f"{combine}_{dtype if combine != 'set' else stored}_{key}_{len(others)}_{classes}"
    more = ["inner"] * in_pieces

    def made(name, names, lines, body, units, numbers):
        numbers.add("count", count)
        for one in more:
            numbers.add(one, inner)
        numbers.add("units", units * inner)
        kinds = {"spots": f"{key}*", "sources": f"{place}*"}
        given = ["target", *names, "spots", *["sources"] * ("source" in names)]
        text = "\n".join([f"def {name}({', '.join([*given, *numbers.names])}):", "    unit = grid()",
                          "    if unit < units:", *lines, body])
        return call(name, text, (*(kinds.get(n, f"{stored}*") for n in given), *numbers.types), device, numbers.values,
                    -(-units * inner // sort.BLOCK), sort.BLOCK)

    def decoded(numbers, units):
        kind = geometry.width(units * inner)
        return [f"{pad}run = {kind}(unit)", *geometry.taken_apart(pad, "run", "one", inner, "_inner", numbers, kind),
                f"{pad}one_ = int64(one)", *geometry.decode(pad, others or (1,), {
                    f"at_{n}": r if others else (0,) for n, r in zip(("target", "source"), rows, strict=True)},
                    numbers, "one", kind)]
    first = made(f"scatter_runs_{label}", names, [*decoded(numbers, count), *head], body, count, numbers)
    pieces = -(-count // PIECE)
    if not in_pieces or pieces == 1:
        nbytes = 0
        second = None
    else:
        nbytes, numbers = geometry.rounded(pieces * inner * target.dtype.itemsize), geometry.Parameters()
        lines = decoded(numbers, pieces)
        second = made(f"scatter_joined_{label}", ["heads", "tails"], lines, f"""        q = int64(run)
        next = (q + 1) * {PIECE}
        if next < count:
            own = spots[next]
            is_here = spots[next - 1] == own
            if is_here and spots[q * {PIECE}] == own and q > 0:
                is_here = spots[q * {PIECE} - 1] != own
            if is_here:
                spot = at_target + int64(own)
                total = tails[q * inner + one_]
                more = True
                while more:
                    q = q + 1
                    total = {text.format(old="total", new="heads[q * inner + one_]")}
                    more = False
                    if (q + 1) * {PIECE} < count:
                        more = spots[(q + 1) * {PIECE}] == own
                target[spot] = {text.format(old="target[spot]", new="total")}
""", pieces, numbers)
    runtime = backend.on(device.index)

    def run(target, source, spots, sources, *rest):
        if not in_pieces:
            first(target, source, spots, sources, *rest)
            return
        work = runtime.allocate(max(2 * nbytes, 8))
        parts = work.address, work.address + nbytes
        first(target, source, *parts, spots, sources, *rest)
        if second is not None:
            second(target, *parts, spots, *rest)
    run.kernel = first.kernel
    return run
