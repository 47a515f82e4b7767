"""Template of sorting along one dimension: stable, values with their positions, NaN after everything.

A value becomes an unsigned integer with the same order, of as many bits; radix.py sorts these with their places. Few of
long rows are selected before they are sorted, and so is one of them (selection.py).
"""

import math

from .. import dtypes
from ..expr import write
from ..expr.kinds import Launch
from ..layout import coalesce
from . import backend, geometry, radix, selection
from .launching import call

BLOCK = 256


def plan(request):
    """The Launch of a sort; outputs (values, indices) hold the first `count` of each sorted row."""
    dim = request.options["dim"]
    return _launch(request, (request.outputs[0].shape or (1,))[dim], request.options["descending"], None)


def pick(request):
    """The Launch of a choice: one element of each row, by place in the sorted row; options as cpu/sort.py has them."""
    return _launch(request, request.options["place"], False, request.options["rule"])


def _launch(request, count, descending, rule):
    (x,), (values, indices) = request.inputs, request.outputs
    dim = request.options["dim"]
    layouts = {"x": x, "values": values, "indices": indices}
    shape = x.shape or (1,)
    rows = {n: t.strides or (1,) for n, t in layouts.items()}
    for name, own in rows.items():  # a choice may have left the dimension out
        rows[name] = own if len(own) == len(shape) else (*own[:dim], 0, *own[dim:])[:len(shape)]
    n, device = shape[dim], x.device
    others = [d for d in range(len(shape)) if d != dim]
    outer, outer_rows = coalesce([shape[d] for d in others], [[r[d] for d in others] for r in rows.values()])
    strides = dict(zip(rows, outer_rows, strict=True))
    row_count = math.prod(outer) if n and (count or rule) else 0
    total = row_count * n
    bits = 8 * x.dtype.itemsize
    key, place = "uint64" if bits == 64 else "uint32", "int32" if n < 2**31 else "int64"
    step = {name: r[dim] for name, r in rows.items()}
    kept = count if rule is None else 1
    chosen = rule != "mode" and row_count > 0 and selection.pays(kept, n)
    length = kept if chosen else n  # of the rows that are sorted
    first = _load(x.dtype.name, key, place, descending, outer, strides, step, n, row_count, not chosen)
    if chosen or rule is None:
        last, results = _store(x.dtype.name, place, outer, strides, step, length, kept, row_count), row_count * kept
    else:
        last, results = _choose(x.dtype.name, key, place, rule, outer, strides, step, n, count, row_count), row_count
    begin = call(*first[:3], device, first[3], -(-total // BLOCK))
    sort = radix.Sorter(key, bits, place, length, row_count, device)
    select = None
    if chosen:
        select = selection.Selector(key, bits, place, n, kept, row_count, device) if rule is None else (
            selection.Selector(key, bits, place, n, 1, row_count, device, *_rank(x.dtype.name, rule, count, n)))
    end = call(*last[:3], device, last[3], -(-results // BLOCK))
    key_bytes, place_bytes = (geometry.rounded(row_count * length * (8 if t.endswith("64") else 4))
                              for t in (key, place))
    all_bytes = geometry.rounded(total * (8 if bits == 64 else 4)) if chosen else 0
    more_bytes = geometry.rounded(max(sort.nbytes, select.nbytes if select else 0))
    runtime = backend.on(device.index)

    def run(source, values, indices, *rest):
        if not total:
            return
        work = runtime.allocate(2 * (key_bytes + place_bytes) + more_bytes + all_bytes)
        keys, order = work.address, work.address + 2 * key_bytes
        more = work.address + 2 * (key_bytes + place_bytes)
        if select is None:
            begin(source, keys, order, *rest)
        else:
            begin(source, more + more_bytes, *rest)
            select(more + more_bytes, keys, order, more, rest)
        keys, order = sort(keys, order, keys + key_bytes, order + place_bytes, more, rest)
        if chosen or rule is None:
            end(source, order, values, indices, *rest)
        else:
            end(source, keys, order, values, indices, *rest)
    run.kernel = begin.kernel
    return Launch(run, 0, row_count, 1)


def _key(dtype, descending):
    """Lines that turn the stored `v` into a number `k` of the dtype's bits with the same order; NaN is the largest."""
    wide = dtype in ("float64", "int64", "uint64")
    if dtype in ("float16", "bfloat16"):  # -0.0 becomes 0.0
        infinity = "0x7c00" if dtype == "float16" else "0x7f80"
        lines = ["b = int64(v) & 0xffff", "b = int64(0) if b == 0x8000 else b",
                 "k = b ^ 0x8000 if b < 0x8000 else b ^ 0xffff",
                 f"k = int64(0xffff) if (b & 0x7fff) > {infinity} else k"]
    elif dtype == "float32":
        lines = ["b = int64(as_int32(v + float32(0.0)))", "k = (b ^ ((b >> 63) & int64(0x7fffffff))) + 0x80000000",
                 "k = int64(0xffffffff) if v != v else k"]
    elif dtype == "float64":
        lines = ["b = as_int64(v + float64(0.0))", "k = b ^ ((b >> 63) & int64(0x7fffffffffffffff))",
                 "k = int64(0x7fffffffffffffff) if v != v else k"]
    else:
        lines = [f"k = int64(v){' ^ int64(-0x8000000000000000)' if dtype == 'uint64' else ''}"]
        if dtype in ("int8", "int16", "int32"):
            lines[0] += f" + {1 << int(dtype[3:]) - 1}"
    if descending:
        lines.append("k = ~k" if wide else f"k = {_largest(dtype)} - k")
    return [*lines, "k = uint64(k) ^ uint64(0x8000000000000000)"] if wide else lines


def _largest(dtype):
    return (1 << 8 * dtypes.by_name(dtype).itemsize) - 1


def _rank(dtype, rule, wanted, n):
    """(place of the sorted row, rule, key of what is not a number or None) that choose an element."""
    if dtype not in ("float16", "bfloat16", "float32", "float64"):
        return (n - 1) // 2 if rule == "numbers" else wanted, "place", None
    return wanted, rule, -1 if dtype == "float64" else _largest(dtype)


def _load(dtype, key, place, descending, outer, strides, step, n, row_count, with_places):
    """(name, text, signature, values) of the kernel that makes keys, one thread an element."""
    numbers, pad, total = geometry.Parameters(), " " * 8, row_count * n
    name = f"sort_keys{'' if with_places else '_only'}_{dtype}_{'down' if descending else 'up'}_{len(outer)}"
    lines = [f"{pad}row = i // length", f"{pad}at = i % length"]
    lines += geometry.decode(pad, outer or (1,), {"at_x": strides["x"] if outer else (0,)}, numbers, "row", "int64")
    numbers.add("length", n)
    numbers.add("step_x", step["x"])
    numbers.add("units", total)
    lines.append(f"{pad}v = x[at_x + at * step_x]")
    lines += [pad + line for line in _key(dtype, descending)]
    lines += [f"{pad}keys[i] = {key}(k)", *([f"{pad}order[i] = {place}(at)"] if with_places else [])]
    arrays = {"x": write.storage(dtype), "keys": key, **({"order": place} if with_places else {})}
    head = [f"def {name}({', '.join([*arrays, *numbers.names])}):", "    i = grid()", "    if i < units:"]
    signature = *(f"{kind}*" for kind in arrays.values()), *numbers.types
    return name, "\n".join([*head, *lines]) + "\n", signature, numbers.values


def _store(dtype, place, outer, strides, step, n, count, row_count):
    """(name, text, signature, values) of the kernel that writes the first `count` of each row."""
    numbers, pad = geometry.Parameters(), " " * 8
    name = f"sort_results_{dtype}_{len(outer)}"
    lines = [f"{pad}row = i // count", f"{pad}at = i % count"]
    lines += geometry.decode(pad, outer or (1,), {f"at_{n}": r if outer else (0,) for n, r in strides.items()}, numbers,
                             "row", "int64")
    numbers.add("length", n)
    numbers.add("count", count)
    for name_, value in step.items():
        numbers.add(f"step_{name_}", value)
    numbers.add("units", row_count * count)
    lines += [f"{pad}place = int64(order[row * length + at])",
              f"{pad}values[at_values + at * step_values] = x[at_x + place * step_x]",
              f"{pad}indices[at_indices + at * step_indices] = place"]
    head = [f"def {name}({', '.join(['x', 'order', 'values', 'indices', *numbers.names])}):", "    i = grid()",
            "    if i < units:"]
    stored = f"{write.storage(dtype)}*"
    return name, "\n".join([*head, *lines]) + "\n", (
        stored, f"{place}*", stored, "int64*", *numbers.types), numbers.values


def _choose(dtype, key, place, rule, outer, strides, step, n, wanted, row_count):
    """(name, text, signature, values) of the kernel that writes one element of each row, one thread a row."""
    numbers, pad = geometry.Parameters(), " " * 8
    name = f"sort_pick_{rule}_{dtype}_{len(outer)}"
    lines = geometry.decode(pad, outer or (1,), {f"at_{n}": r if outer else (0,) for n, r in strides.items()}, numbers,
                            "i", "int64")
    for label, value in (("length", n), ("wanted", wanted), ("step_x", step["x"]), ("units", row_count)):
        numbers.add(label, value)
    nan = None
    if dtype in ("float16", "bfloat16", "float32", "float64"):
        nan = f"{key}({_largest(dtype)})"
    lines.append("first = i * length")
    if rule == "mode":
        same = "k == before" + (f" and k != {nan}" if nan else "")
        lines += ["at = int64(0)", "many = int64(1)", "most = int64(1)", "before = keys[first]",
                  "for c in range(1, length):", "    k = keys[first + c]",
                  f"    many = many + 1 if {same} else int64(1)",
                  "    at = c if many > most else at", "    most = max(most, many)", "    before = k"]
    elif nan is None or rule == "place":
        lines.append("at = (length - 1) // 2" if rule == "numbers" else "at = wanted")
    else:
        lines += ["present = length", f"while present > 0 and keys[first + present - 1] == {nan}:",
                  "    present = present - 1",
                  "at = (present - 1) // 2 if present > 0 else int64(0)" if rule == "numbers" else
                  "at = present if present < length else wanted"]
    lines += ["place = int64(order[first + at])", "values[at_values] = x[at_x + place * step_x]",
              "indices[at_indices] = place"]
    head = [f"def {name}({', '.join(['x', 'keys', 'order', 'values', 'indices', *numbers.names])}):", "    i = grid()",
            "    if i < units:"]
    stored = f"{write.storage(dtype)}*"
    body = [line if line.startswith(pad) else pad + line for line in lines]
    return name, "\n".join([*head, *body]) + "\n", (stored, f"{key}*", f"{place}*", stored, "int64*",
                                                    *numbers.types), numbers.values
