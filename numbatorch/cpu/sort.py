"""Template of sorting along one dimension: stable, values with their positions, NaN after everything.

A value becomes an integer key with the same order; keys are sorted with their positions by insertion (short rows), by
radix with 8 bits a pass, leaving out passes in which all digits agree, or, where few of many are wanted, by keeping the
best so far. Many rows of keys of 32 bits go through a network of comparisons, eight rows side by side in a vector.
Units are groups of rows, so that working memory is asked for once a group.
"""

import math

from ..expr import write
from ..layout import coalesce
from . import geometry, memory
from .compile import compile_kernel

SHORT = 40  # elements up to which insertion beats radix: random float32 rows of 16..128, 2-core Xeon
GROUPS = 32  # at most: bounds working memory, and is enough for every thread to have some
NETWORK = {4: 768, 2: 256, 1: 256}  # by bytes an element: up to where it beats radix; random rows of 16..1024
LANES = 8  # rows side by side
FEW = 64  # wanted elements up to which keeping the best beats sorting, in rows eight times as long


def plan(request):
    """The Launch of a sort; outputs (values, indices) hold the first `count` of each sorted row."""
    (x,), (values, indices) = request.inputs, request.outputs
    dim, descending = request.options["dim"], request.options["descending"]
    layouts = [x, values, indices]
    shape, rows = x.shape or (1,), [t.strides or (1,) for t in layouts]
    n, count = shape[dim], (values.shape or (1,))[dim]
    others = [d for d in range(len(shape)) if d != dim]
    outer, outer_rows = coalesce([shape[d] for d in others], [[r[d] for d in others] for r in rows])
    row_count = math.prod(outer) if n and count else 0
    elements = row_count * n
    groups = max(1, min(row_count, GROUPS, elements // 4096))
    key = "int64" if x.dtype.itemsize == 8 or x.dtype.name == "uint32" else "int32"
    if count * 8 <= n and count <= FEW:
        way = "few"
    else:
        side_by_side = key == "int32" and n <= NETWORK[x.dtype.itemsize] and row_count >= LANES // 2
        way = "network" if side_by_side else "all"
    values_ = [n, count, row_count, groups, *(r[dim] for r in rows), *outer]
    at_rows = len(values_)
    for r in outer_rows:
        values_ += r
    text, name = _source(x.dtype.name, key, way, descending, len(outer), at_rows)
    storage = write.storage(x.dtype.name)
    kernel = compile_kernel(name, text, (f"{storage}*", f"{storage}*", "int64*", f"{key}*", "int64*", "int64*"))
    if way == "network":
        groups = min(groups, -(-row_count // LANES))
        values_[3] = groups
        key_bytes, held = 0, n * LANES // 2
    else:
        held = count if way == "few" else n
        key_bytes = -(-groups * 2 * held * (8 if key == "int64" else 4) // 64) * 64
    work_bytes = key_bytes + groups * (2 * held + 2048) * 8

    def run(source, values, indices, meta, units, grain):
        if not row_count:
            return
        block = memory.allocate(work_bytes)
        base = memory.address(block)
        kernel(source, values, indices, base, base + key_bytes, meta, units, grain)
    return geometry.launch(run, groups, 1, values_)


def _key(dtype, key):
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


def _source(dtype, key, way, descending, rank, at_rows):
    name = f"sort_{dtype}_{way}_{'down' if descending else 'up'}_{rank}"
    pad = "    "
    lines = [f"def {name}(x, values, indices, keys, order, meta, start, stop):"]
    lines += [f"{pad}{v} = meta[{i}]" for i, v in enumerate(
        ("n", "count", "rows", "groups", "step_x", "step_values", "step_indices"))]
    load = [f"v = {write.load('x[at_x + i * step_x]', 'uint8' if dtype == 'bool' else dtype)}", *_key(dtype, key)]
    if descending:
        load.append("k = ~k")
    where = [(f"at_{v}", at_rows + i * rank) for i, v in enumerate(("x", "values", "indices"))]
    walk = _network if way == "network" else _single
    lines.append(f"{pad}for group in range(start, stop):")
    lines += [pad * 2 + line for line in walk(load, key, way, geometry.decode("", rank, 7, where))]
    return "\n".join(lines) + "\n", name


def _single(load, key, way, decode):
    """Lines that sort the rows of a group one after the other."""
    held = "count" if way == "few" else "n"
    body = [*decode, f"ka = group * 2 * {held}", f"kb = ka + {held}", f"oa = group * (2 * {held} + 2048)",
            f"ob = oa + {held}"]
    if way == "few":
        body += ["filled = int64(0)", "for i in range(n):", *_indent(load),
                 "    if filled < count or k < int64(keys[ka + filled - 1]):",
                 "        if filled < count:", "            filled += 1",
                 *_indent(_insert("filled - 1", key), 2)]
    else:
        body += [f"if n <= {SHORT}:", "    for i in range(n):", *_indent(load, 2), *_indent(_insert("i", key), 2),
                 "else:", *_indent(_radix(load, key))]
    body += ["for i in range(count):", "    place = order[oa + i]", *_indent(_result())]
    return ["for row in range(rows * group // groups, rows * (group + 1) // groups):", *_indent(body)]


def _result():
    return ["values[at_values + i * step_values] = x[at_x + place * step_x]",
            "indices[at_indices + i * step_indices] = place"]


def _network(load, key, way, decode):
    """Lines that sort the rows of a group by eights. Key and position are one int64, so that no two are equal.

    Batcher's merge exchange for any n (Knuth, The Art of Computer Programming 3, 5.2.2, algorithm M).
    """
    def each_lane(*body):
        return [f"for lane in range(min({LANES}, rows - first)):", "    row = first + lane",
                *_indent([*decode, *body])]

    exchange = ["for i in range(run, min(run + p, n - d)):",
                f"    exchange(order, base + i * {LANES}, base + (i + d) * {LANES})"]
    body = [f"first = block * {LANES}",
            *each_lane("for i in range(n):",
                       *_indent([*load, f"order[base + i * {LANES} + lane] = (k << 32) | int64(i)"])),
            "p = top",
            "while p > 0:", "    q = top", "    r = int64(0)", "    d = p",
            "    while True:", "        for run in range(r, n - d, 2 * p):", *_indent(exchange, 3),
            "        if q == p:", "            break", "        d = q - p", "        q = q >> 1", "        r = p",
            "    p = p >> 1",
            *each_lane("for i in range(count):",
                       *_indent([f"place = order[base + i * {LANES} + lane] & int64(0xffffffff)", *_result()]))]
    return [f"base = group * (n * {LANES} + 2048)", "top = int64(1)", "while top * 2 < n:", "    top = top * 2",
            f"blocks = (rows + {LANES - 1}) // {LANES}",
            "for block in range(blocks * group // groups, blocks * (group + 1) // groups):", *_indent(body)]


def _indent(lines, depth=1):
    return ["    " * depth + line for line in lines]


def _insert(last, key):
    """Put k, of element i, into the sorted keys, of which `last` becomes the last place; equals stay in front."""
    return [f"j = int64({last})", "while j > 0 and int64(keys[ka + j - 1]) > k:",
            "    keys[ka + j] = keys[ka + j - 1]", "    order[oa + j] = order[oa + j - 1]", "    j -= 1",
            f"keys[ka + j] = {key}(k)", "order[oa + j] = int64(i)"]


def _radix(load, key):
    passes = 8 if key == "int64" else 4

    def digit(p):
        shifted = f"(k >> {8 * p})" if p else "k"
        return f"(({shifted} & 255) ^ 128)" if p == passes - 1 else f"({shifted} & 255)"

    lines = ["counts = ob + n", f"for i in range({256 * passes}):", "    order[counts + i] = 0",
             "for i in range(n):", *_indent(load), f"    keys[ka + i] = {key}(k)", "    order[oa + i] = int64(i)"]
    lines += [f"    order[counts + {256 * p} + {digit(p)}] += 1" for p in range(passes)]
    for p in range(passes):
        lines += ["k = int64(keys[ka])", f"if order[counts + {256 * p} + {digit(p)}] != n:",
                  "    total = int64(0)", "    for i in range(256):", f"        c = order[counts + {256 * p} + i]",
                  f"        order[counts + {256 * p} + i] = total", "        total += c",
                  "    for i in range(n):", "        k = int64(keys[ka + i])",
                  f"        d = counts + {256 * p} + {digit(p)}",
                  "        place = order[d]", "        order[d] = place + 1", f"        keys[kb + place] = {key}(k)",
                  "        order[ob + place] = order[oa + i]",
                  "    swap = ka", "    ka = kb", "    kb = swap", "    swap = oa", "    oa = ob", "    ob = swap"]
    return lines
