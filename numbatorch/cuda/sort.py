"""Template of sorting along one dimension: stable, values with their positions, NaN after everything.

A value becomes an integer key with the same order. Runs of sorted keys are then merged, twice as long each time: a
thread finds the place of its key by binary search in the neighbouring run, so every pass is as parallel as the data.
"""

import math

from ..expr import write
from ..expr.kinds import Launch
from ..layout import coalesce
from . import backend, geometry
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
    key = "int64" if x.dtype.itemsize == 8 or x.dtype.name == "uint32" else "int32"
    step = {name: r[dim] for name, r in rows.items()}
    first = _load(x.dtype.name, key, descending, outer, strides, step, n, row_count)
    if rule is None:
        last, results = _store(x.dtype.name, outer, strides, step, n, count, row_count), row_count * count
    else:
        last, results = _choose(x.dtype.name, key, rule, outer, strides, step, n, count, row_count), row_count
    blocks = -(-total // BLOCK)
    begin = call(*first[:3], device, first[3], blocks)
    merges = passes(key, n, total, device)
    end = call(*last[:3], device, last[3], -(-results // BLOCK))
    key_bytes = -(-total * (8 if key == "int64" else 4) // 256) * 256
    runtime = backend.on(device.index)

    def run(source, values, indices, *rest):
        if not total:
            return
        work = runtime.allocate(2 * key_bytes + 16 * total)
        keys, other_keys = work.address, work.address + key_bytes
        order, other_order = work.address + 2 * key_bytes, work.address + 2 * key_bytes + 8 * total
        begin(source, keys, order, *rest)
        for one in merges:
            one(keys, order, other_keys, other_order, *rest)
            keys, order, other_keys, other_order = other_keys, other_order, keys, order
        if rule is None:
            end(source, order, values, indices, *rest)
        else:
            end(source, keys, order, values, indices, *rest)
    run.kernel = begin.kernel
    return Launch(run, 0, row_count, 1)


def _key(dtype):
    """Lines that turn `v` into an integer `k` (int64 arithmetic) with the same order."""
    if dtype in ("float16", "bfloat16", "float32"):
        return ["b = int64(as_int32(v + float32(0.0)))", "k = b ^ ((b >> 63) & int64(0x7fffffff))",  # -0.0 becomes 0.0
                "if v != v:", "    k = int64(0x7fffffff)"]
    if dtype == "float64":
        return ["b = as_int64(v + float64(0.0))", "k = b ^ ((b >> 63) & int64(0x7fffffffffffffff))",
                "if v != v:", "    k = int64(0x7fffffffffffffff)"]
    if dtype == "uint64":
        return ["k = int64(v) ^ int64(-0x8000000000000000)"]
    return ["k = int64(v)"]


def _load(dtype, key, descending, outer, strides, step, n, row_count):
    """(name, text, signature, values) of the kernel that makes keys, one thread an element."""
    numbers, pad, total = geometry.Parameters(), " " * 8, row_count * n
    name = f"sort_keys_{dtype}_{'down' if descending else 'up'}_{len(outer)}"
    lines = [f"{pad}row = i // length", f"{pad}at = i % length"]
    lines += geometry.decode(pad, outer or (1,), {"at_x": strides["x"] if outer else (0,)}, numbers, "row", "int64")
    numbers.add("length", n)
    numbers.add("step_x", step["x"])
    numbers.add("units", total)
    lines.append(f"{pad}v = {write.load('x[at_x + at * step_x]', 'uint8' if dtype == 'bool' else dtype)}")
    lines += [pad + line for line in _key(dtype)]
    lines += [f"{pad}keys[i] = {key}({'~k' if descending else 'k'})", f"{pad}order[i] = at"]
    head = [f"def {name}({', '.join(['x', 'keys', 'order', *numbers.names])}):", "    i = grid()", "    if i < units:"]
    return name, "\n".join([*head, *lines]) + "\n", (f"{write.storage(dtype)}*", f"{key}*", "int64*",
                                                    *numbers.types), numbers.values


def passes(key, length, total, device):
    """The calls f(keys, order, to_keys, to_order, ...) that sort rows of `length` keys one after the other."""
    widths = [1 << k for k in range((length - 1).bit_length())] if total else []
    return [call(*_merge(key), device, (length, width, total), -(-total // BLOCK)) for width in widths]


def _merge(key):
    """(name, text, signature) of one pass: runs of `width` keys become runs twice as long."""
    name = f"sort_merge_{key}"
    text = f"""def {name}(keys, order, to_keys, to_order, length, width, units):
    i = grid()
    if i < units:
        row = i // length * length
        at = i - row
        own = at // width * width
        pair = own // (2 * width) * (2 * width)
        is_left = own == pair
        other = own + width if is_left else pair
        k = int64(keys[i])
        low = min(other, length)
        high = min(other + width, length)
        begin = low
        while low < high:
            middle = (low + high) >> 1
            there = int64(keys[row + middle])
            if there < k or (there == k and not is_left):
                low = middle + 1
            else:
                high = middle
        place = row + pair + (at - own) + (low - begin)
        to_keys[place] = {key}(k)
        to_order[place] = order[i]
"""
    return name, text, (f"{key}*", "int64*", f"{key}*", "int64*", "int64", "int64", "int64")


def _store(dtype, outer, strides, step, n, count, row_count):
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
    lines += [f"{pad}place = order[row * length + at]",
              f"{pad}values[at_values + at * step_values] = x[at_x + place * step_x]",
              f"{pad}indices[at_indices + at * step_indices] = place"]
    head = [f"def {name}({', '.join(['x', 'order', 'values', 'indices', *numbers.names])}):", "    i = grid()",
            "    if i < units:"]
    stored = f"{write.storage(dtype)}*"
    return name, "\n".join([*head, *lines]) + "\n", (stored, "int64*", stored, "int64*", *numbers.types), numbers.values


def _choose(dtype, key, rule, outer, strides, step, n, place, row_count):
    """(name, text, signature, values) of the kernel that writes one element of each row, one thread a row."""
    numbers, pad = geometry.Parameters(), " " * 8
    name = f"sort_pick_{rule}_{dtype}_{len(outer)}"
    lines = geometry.decode(pad, outer or (1,), {f"at_{n}": r if outer else (0,) for n, r in strides.items()}, numbers,
                            "i", "int64")
    for label, value in (("length", n), ("wanted", place), ("step_x", step["x"]), ("units", row_count)):
        numbers.add(label, value)
    nan = None
    if dtype in ("float16", "bfloat16", "float32", "float64"):
        nan = "int64(0x7fffffffffffffff)" if dtype == "float64" else "int64(0x7fffffff)"
    lines.append("first = i * length")
    if rule == "mode":
        same = "k == before" + (f" and k != {nan}" if nan else "")
        lines += ["at = int64(0)", "many = int64(1)", "most = int64(1)", "before = int64(keys[first])",
                  "for c in range(1, length):", "    k = int64(keys[first + c])",
                  f"    many = many + 1 if {same} else int64(1)",
                  "    at = c if many > most else at", "    most = max(most, many)", "    before = k"]
    elif nan is None or rule == "place":
        lines.append("at = (length - 1) // 2" if rule == "numbers" else "at = wanted")
    else:
        lines += ["present = length", f"while present > 0 and int64(keys[first + present - 1]) == {nan}:",
                  "    present = present - 1",
                  "at = (present - 1) // 2 if present > 0 else int64(0)" if rule == "numbers" else
                  "at = present if present < length else wanted"]
    lines += ["place = order[first + at]", "values[at_values] = x[at_x + place * step_x]",
              "indices[at_indices] = place"]
    head = [f"def {name}({', '.join(['x', 'keys', 'order', 'values', 'indices', *numbers.names])}):", "    i = grid()",
            "    if i < units:"]
    stored = f"{write.storage(dtype)}*"
    body = [line if line.startswith(pad) else pad + line for line in lines]
    return name, "\n".join([*head, *body]) + "\n", (stored, f"{key}*", "int64*", stored, "int64*",
                                                    *numbers.types), numbers.values
