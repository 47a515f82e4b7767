"""Template of sorting along one dimension: stable, values with their positions, NaN after everything.

A value becomes an integer key with the same order; keys are sorted with their positions by insertion (short rows), by
radix with 8 bits a pass, leaving out passes in which all digits agree, or, where few of many are wanted, by keeping the
best so far. Many rows of keys of 32 bits go through a network of comparisons, eight rows side by side in a vector.
Where one element of each row is wanted, long rows are not sorted but counted by digits from the highest on, and only
what has the digit of that element is looked at again. Units are groups of rows, so that working memory is asked for
once a group.
"""

import functools
import math

from ..expr import write
from ..layout import coalesce
from . import geometry, memory
from .compile import compile_kernel

SHORT = 40  # elements up to which insertion beats radix: random float32 rows of 16..128, 2-core Xeon
GROUPS = 32  # at most: bounds working memory, and is enough for every thread to have some
NETWORK = {4: 768, 2: 256, 1: 256}  # by bytes an element: up to where it beats radix; random rows of 16..1024
PICKED = 128  # elements up to which the network beats counting digits for one element of a row; 48..700, 2-core EPYC
LISTED = 128  # elements up to which the comparisons of a network are listed beforehand
LANES = 8  # rows side by side
SHARE = 1024  # elements a group at least
GLANCE = 64  # elements that are looked at together for one that is better than the best so far
FEW = 64  # wanted elements up to which keeping the best beats sorting, in rows eight times as long


def plan(request):
    """The Launch of a sort; outputs (values, indices) hold the first `count` of each sorted row."""
    dim, values = request.options["dim"], request.outputs[0]
    count = (values.shape or (1,))[dim]
    few = count <= FEW and count * 8 <= (request.inputs[0].shape or (1,))[dim]
    return _launch(request, count, "few" if few else "all", None, request.options["descending"])


def pick(request):
    """The Launch of a choice: outputs (values, indices) hold one element of each row, the one that stands at a place of
    the sorted row.

    Options: `place`; `rule`, "place", or "nan": the first NaN where there is one, "numbers": the lower median of what
    is not NaN, "mode": the last of the longest run of equal elements, the first of such runs.
    """
    rule, place = request.options["rule"], request.options["place"]
    n = (request.inputs[0].shape or (1,))[request.options["dim"]]
    way = "all" if rule == "mode" else "few" if rule == "place" and place < FEW and place * 8 < n else "select"
    return _launch(request, place, way, rule)


def _launch(request, count, way, rule, descending=False):
    (x,), outputs = request.inputs, request.outputs
    dim = request.options["dim"]
    shape = x.shape or (1,)
    n, rank = shape[dim], len(shape)
    rows = [x.strides or (1,)]
    for t in outputs:  # a choice may have left the dimension out
        own = t.strides or (1,)
        rows.append(own if len(own) == rank else (*own[:dim], 0, *own[dim:])[:rank])
    others = [d for d in range(rank) if d != dim]
    outer, outer_rows = coalesce([shape[d] for d in others], [[r[d] for d in others] for r in rows])
    row_count = math.prod(outer) if n and (count or rule) else 0
    groups = max(1, min(row_count, GROUPS, row_count * n // SHARE))
    key = "int64" if x.dtype.itemsize == 8 or x.dtype.name == "uint32" else "int32"
    most = min(NETWORK.get(x.dtype.itemsize, 0), PICKED if way == "select" else n)
    if way != "few" and key == "int32" and n <= most and row_count >= LANES // 2:
        way = "network"
    count += rule is not None and way == "few"
    values_ = [n, count, row_count, groups, *(r[dim] for r in rows), *outer]
    at_rows = len(values_)
    for r in outer_rows:
        values_ += r
    if way == "network" and n <= LISTED:
        way = "pairs"
        pairs = _pairs(n, n if rule else count)
        values_ += [len(pairs), *(place * LANES for pair in pairs for place in pair)]
    text, name = _source(x.dtype.name, key, way, rule, descending, len(outer), at_rows)
    storage = write.storage(x.dtype.name)
    kernel = compile_kernel(name, text, (f"{storage}*", f"{storage}*", "int64*", f"{key}*", "int64*", "int64*"))
    if way in ("network", "pairs"):
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


def _source(dtype, key, way, rule, descending, rank, at_rows):
    name = f"{'sort' if rule is None else f'pick_{rule}'}_{dtype}_{way}_{'down' if descending else 'up'}_{rank}"
    pad = "    "
    lines = [f"def {name}(x, values, indices, keys, order, meta, start, stop):"]
    lines += [f"{pad}{v} = meta[{i}]" for i, v in enumerate(
        ("n", "count", "rows", "groups", "step_x", "step_values", "step_indices"))]
    load = [f"v = {write.load('x[at_x + i * step_x]', 'uint8' if dtype == 'bool' else dtype)}", *_key(dtype, key)]
    if descending:
        load.append("k = ~k")
    where = [(f"at_{v}", at_rows + i * rank) for i, v in enumerate(("x", "values", "indices"))]
    if way == "pairs":
        walk = functools.partial(_network, pairs_at=at_rows + len(where) * rank)
    else:
        walk = _network if way == "network" else _single
    nan = {"float64": "int64(0x7fffffffffffffff)"}.get(dtype, "int64(0x7fffffff)")
    floating = dtype in ("float16", "bfloat16", "float32", "float64")
    lines.append(f"{pad}for group in range(start, stop):")
    lines += [pad * 2 + line for line in walk(load, key, way, geometry.decode("", rank, 7, where), rule,
                                              nan if floating else None)]
    return "\n".join(lines) + "\n", name


def _place(rule, nan):
    """Lines that turn `present`, the number of elements that are not NaN, into the place that a rule asks for."""
    if nan is None or rule == "place":
        return ["i = (n - 1) // 2" if rule == "numbers" else "i = count"]
    if rule == "numbers":
        return ["i = (present - 1) // 2 if present > 0 else int64(0)"]
    return ["i = present if present < n else count"]


def _chosen(rule, nan, key_at):
    """Lines that find the place i of what a rule asks for in a sorted row; key_at: text of the key at {}."""
    if rule == "mode":
        same = "k == before" + (f" and k != {nan}" if nan else "")
        return ["i = int64(0)", "run_length = int64(1)", "most = int64(1)", f"before = {key_at.format('0')}",
                "for c in range(1, n):", f"    k = {key_at.format('c')}",
                f"    run_length = run_length + 1 if {same} else int64(1)",
                "    if run_length > most:", "        most = run_length", "        i = c", "    before = k"]
    if nan is None or rule == "place":
        return _place(rule, nan)
    return ["present = n", f"while present > 0 and {key_at.format('present - 1')} == {nan}:", "    present -= 1",
            *_place(rule, nan)]


def _single(load, key, way, decode, rule, nan):
    """Lines that treat the rows of a group one after the other."""
    held = "count" if way == "few" else "n"
    body = [*decode, f"ka = group * 2 * {held}", f"kb = ka + {held}", f"oa = group * (2 * {held} + 2048)",
            f"ob = oa + {held}"]
    by_insertion = ["for i in range(n):", *_indent(load), *_indent(_insert("i", key))]
    if way == "few":
        body += ["filled = int64(0)", f"for block in range((n + {GLANCE - 1}) // {GLANCE}):",
                 f"    begin = block * {GLANCE}", f"    end = min(begin + {GLANCE}, n)", "    better = int64(1)",
                 "    if filled == count:", "        better = int64(0)", "        worst = int64(keys[ka + count - 1])",
                 "        for i in range(begin, end):", *_indent(load, 3), "            better += int64(k < worst)",
                 "    if better > 0:", "        for i in range(begin, end):", *_indent(load, 3),
                 "            if filled < count or k < int64(keys[ka + filled - 1]):",
                 "                if filled < count:", "                    filled += 1",
                 *_indent(_insert("filled - 1", key), 4)]
    else:
        longer = _select(load, key, rule, nan) if way == "select" else _radix(load, key)
        sorted_ = [] if rule is None else _chosen(rule, nan, "int64(keys[ka + {}])")
        if way == "select":
            body += [f"if n <= {SHORT}:", *_indent(by_insertion), *_indent(sorted_), "else:", *_indent(longer)]
        else:
            body += [f"if n <= {SHORT}:", *_indent(by_insertion), "else:", *_indent(longer), *sorted_]
    if rule is None:
        body += ["for i in range(count):", "    place = order[oa + i]", *_indent(_result())]
    else:
        body += ["place = order[oa + {}]".format("count - 1" if way == "few" else "i"), *_result("0")]
    return ["for row in range(rows * group // groups, rows * (group + 1) // groups):", *_indent(body)]


def _select(load, key, rule, nan):
    """Lines that leave the position of the element at the place that a rule asks for at order[oa + i].

    Elements are counted by the highest digit of their keys; those whose digit the wanted one has are kept, in order,
    and counted by the next digit. What is left is compared pair by pair.
    """
    bits, sign = (64, "int64(-0x8000000000000000)") if key == "int64" else (32, "int64(0x80000000)")
    flip = f"k ^ {sign}" if key == "int64" else f"k + {sign}"
    present = ["present = int64(0)"] if nan and rule != "place" else []
    count_present = [f"present += int64(k != {nan})"] if present else []
    digit = f"((({flip}) >> shift) & mask)"
    find = ["total = int64(0)", "d = int64(0)", "while total + order[counts + d] <= want:",
            "    total += order[counts + d]", "    d += 1", "want -= total", "m = int64(0)"]
    return ["counts = ob", "digits = int64(11) if n > 4096 else int64(8)", "size = int64(1) << digits",
            "mask = size - 1", f"shift = {bits} - digits", *present,
            "for c in range(size):", "    order[counts + c] = 0",
            "for i in range(n):", *_indent(load), f"    keys[ka + i] = {key}(k)", *_indent(count_present),
            "for c in range(n):", "    k = int64(keys[ka + c])", f"    order[counts + {digit}] += 1",
            *_place(rule, nan), "want = i", *find,
            "for c in range(n):", "    k = int64(keys[ka + c])", f"    keys[ka + m] = {key}(k)",
            "    order[oa + m] = c", f"    m += int64({digit} == d)",
            f"while shift > 0 and m > {SHORT}:", "    shift = shift - digits if shift > digits else int64(0)",
            "    for c in range(size):", "        order[counts + c] = 0",
            "    for c in range(m):", "        k = int64(keys[ka + c])", f"        order[counts + {digit}] += 1",
            *_indent(find[:-1]), "    left = m", "    m = int64(0)",
            "    for c in range(left):", "        k = int64(keys[ka + c])", f"        keys[ka + m] = {key}(k)",
            "        order[oa + m] = order[oa + c]", f"        m += int64({digit} == d)",
            "i = want", "if shift > 0:", "    for c in range(m):", "        k = int64(keys[ka + c])",
            "        before = int64(0)",
            "        for e in range(m):", "            other = int64(keys[ka + e])",
            "            before += int64(other < k or (other == k and e < c))",
            "        if before == want:", "            i = c"]


def _result(at="i"):
    return [f"values[at_values + {at} * step_values] = x[at_x + place * step_x]",
            f"indices[at_indices + {at} * step_indices] = place"]


@functools.lru_cache(256)
def _pairs(n, count):
    """The places that a network compares, in order, as far as the first `count` of n sorted elements depend on them.

    Batcher's merge exchange for any n (Knuth, The Art of Computer Programming 3, 5.2.2, algorithm M).
    """
    found, p = [], 1 << max(0, (n - 1).bit_length() - 1)
    top = p
    while n > 1 and p:
        q, r, d = top, 0, p
        while True:
            found += [(i, i + d) for i in range(n - d) if i & p == r]
            if q == p:
                break
            d, q, r = q - p, q >> 1, p
        p >>= 1
    wanted, kept = set(range(count)), []
    for pair in reversed(found):
        if not wanted.isdisjoint(pair):
            wanted.update(pair)
            kept.append(pair)
    return kept[::-1]


def _network(load, key, way, decode, rule, nan, pairs_at=None):
    """Lines that sort the rows of a group by eights. Key and position are one int64, so that no two are equal.

    Short rows have their comparisons listed (`_pairs`): loops of few turns cost more than what they do. Long ones find
    them by the same algorithm.
    """
    def each_lane(*body):
        return [f"for lane in range(min({LANES}, rows - first)):", "    row = first + lane",
                *_indent([*decode, *body])]

    place = f"place = order[base + i * {LANES} + lane] & int64(0xffffffff)"
    if rule is None:
        last = ["for i in range(count):", *_indent([place, *_result()])]
    else:
        last = [*_chosen(rule, nan, f"(order[base + ({{}}) * {LANES} + lane] >> 32)"), place, *_result("0")]
    exchange = ["for i in range(run, min(run + p, n - d)):",
                f"    exchange(order, base + i * {LANES}, base + (i + d) * {LANES})"]
    compare = ["p = top",
               "while p > 0:", "    q = top", "    r = int64(0)", "    d = p",
               "    while True:", "        for run in range(r, n - d, 2 * p):", *_indent(exchange, 3),
               "        if q == p:", "            break", "        d = q - p", "        q = q >> 1", "        r = p",
               "    p = p >> 1"]
    if pairs_at is not None:
        compare = [f"for pair in range(meta[{pairs_at}]):", f"    at_pair = {pairs_at + 1} + 2 * pair",
                   "    exchange(order, base + meta[at_pair], base + meta[at_pair + 1])"]
    body = [f"first = block * {LANES}",
            *each_lane("for i in range(n):",
                       *_indent([*load, f"order[base + i * {LANES} + lane] = (k << 32) | int64(i)"])),
            *compare, *each_lane(*last)]
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
