"""Template of resizing: each element of a plane is a weighted sum of a few of the input's, by a table a dimension.

Units are rows of the result. Where the table of the last dimension repeats itself a few places on, as it does for
whole scales, weights and distances are numbers of the loop, which becomes vector code; elsewhere they are read.
"""

import itertools
import math
import struct
from fractions import Fraction

from ..expr import write
from . import geometry
from .compile import compile_kernel

UNROLLED = 64  # elements summed that are written out one by one at most: 8x8, as in bicubic's gradient at scale 2
PERIODS = 8, 4  # places after which a table may repeat itself, in the result and in the input: what shuffles repay


def _bits(x):
    return struct.unpack("q", struct.pack("d", x))[0]


def _repeating(table, size, count):
    """Where a table repeats itself: (first, end, places on in the result, in the input, distances); None if nowhere.

    distances: of the places of one period, by result and tap, from the very first.
    """
    ratio = Fraction(count, size)
    ahead, further = ratio.numerator, ratio.denominator
    if ahead > PERIODS[0] or further > PERIODS[1]:
        return None

    def follows(i):
        return all(places[i + ahead] == places[i] + further and weights[i + ahead] == weights[i]
                   for places, weights in table)
    first = end = count // 2
    while first > 0 and first - 1 + ahead < count and follows(first - 1):
        first -= 1
    while end + ahead < count and follows(end):
        end += 1
    periods = (end - first) // ahead + 1
    if periods < 4:
        return None
    apart = tuple(tuple(places[first + p] - table[0][0][first] for places, _ in table) for p in range(ahead))
    return first, first + periods * ahead, ahead, further, apart


def plan(request):
    """Launch for options["tables"]: for each dimension, taps of (places in the input, weights), both an output long."""
    (x,), (out,), tables = request.inputs, request.outputs, request.options["tables"]
    rank = len(tables)
    sizes, counts = x.shape[-rank:], out.shape[-rank:]
    plain = all(w == 1 for table in tables for _, weights in table for w in weights)
    period = _repeating(tables[-1], sizes[-1], counts[-1])
    values = [x.shape[1], *counts, *x.strides, *((0, 0) if period is None else period[:2])]
    at_tables = []  # in terms of the counts: other sizes need no other kernel
    start = str(len(values))
    for d, table in enumerate(tables):
        at_tables.append(start)
        for places, weights in table:
            values += [*places, *map(_bits, weights)]
        start = f"{start} + {2 * len(table)} * count{d}"
    taps = tuple(len(table) for table in tables)
    steps = (1, 1) if period is None else period[2:]
    last = geometry.stride_class(x.strides[-1])
    dtype = x.dtype.name
    name = (f"resize{rank}d_{dtype}_{'x'.join(map(str, taps))}{'_plain' * plain}_{last}"
            f"{'' if period is None else f'_{steps[0]}to{steps[1]}'}")  # distances stand in the text alone
    text = _source(name, dtype, taps, at_tables, None if period is None else steps, plain, last)
    storage = write.storage(dtype)
    kernel = compile_kernel(name, text, (f"{storage}*", f"{storage}*", "int64*"), independent=True)
    units = math.prod(out.shape[:-1]) if out.numel else 0
    return geometry.launch(kernel, units, geometry.GRAIN // max(1, 2 * counts[-1] * math.prod(taps)), values)


def _source(name, dtype, taps, at_tables, steps, plain, last):
    rank, value = len(taps), write.compute_type(dtype)
    at_strides = 1 + rank
    lines = [f"def {name}(x, out, meta, start, stop):"]
    lines += [f"    count{d} = meta[{1 + d}]" for d in range(rank)]
    lines += [f"    step{k} = meta[{at_strides + k}]" for k in range(rank + 2)]
    lines += [f"    table{d} = {at}" for d, at in enumerate(at_tables)]
    lines += [f"    first = meta[{at_strides + rank + 2}]", f"    end = meta[{at_strides + rank + 3}]"]
    inner = f"count{rank - 1}"
    unrolled = math.prod(taps) <= UNROLLED
    across = "" if last == "1" else f" * step{rank + 1}"

    def entry(d, tap, i):
        """Texts of the place and the weight of a tap for result i."""
        at = f"table{d} + {2 * tap if isinstance(tap, int) else f'2 * {tap}'} * count{d} + {i}"
        return f"meta[{at}]", f"{value}(as_float64(meta[{at} + count{d}]))"

    if steps is not None:  # the numbers of one period, from its first elements
        for p, t in itertools.product(range(steps[0]), range(taps[-1])):
            place, weight = entry(rank - 1, t, f"first + {p}")
            lines += [f"    far = {place}"] * (p == t == 0) + [f"    weight{p}_{t} = {weight}"]
    lines += ["    for unit in range(start, stop):", "        rest = unit"]
    for d in range(rank - 2, -1, -1):
        lines += [f"        o{d} = rest % count{d}", f"        rest = rest // count{d}"]
    lines += ["        at_x = rest // meta[0] * step0 + rest % meta[0] * step1", f"        at_out = unit * {inner}"]
    rows = list(itertools.product(*map(range, taps[:-1])))
    if unrolled:
        for d in range(rank - 1):
            for t in range(taps[d]):
                place, weight = entry(d, t, f"o{d}")
                lines += [f"        row{d}_{t} = {place} * step{d + 2}", f"        share{d}_{t} = {weight}"]
        for k, row in enumerate(rows):
            lines.append(f"        base{k} = " + " + ".join(["at_x", *(f"row{d}_{t}" for d, t in enumerate(row))]))
            lines.append(f"        part{k} = " + (" * ".join(f"share{d}_{t}" for d, t in enumerate(row)) or "1"))

    def summed(depth, far, weight, at):
        """Lines for one result: far(tap), weight(tap) are texts of the last dimension's table."""
        pad = "    " * depth
        if unrolled:
            yield from (f"{pad}far{t} = {far(t)}" for t in range(taps[-1]))
            if not plain:
                yield from (f"{pad}weight{t} = {weight(t)}" for t in range(taps[-1]))
            for k in range(len(rows)):
                for t in range(taps[-1]):
                    element = write.load(f"x[base{k} + far{t}{across}]", dtype)
                    yield pad + (f"v = {element}" if plain else f"v = weight{t} * {element}") if t == 0 else pad + (
                        f"v = v + {element}" if plain else f"v = fma(weight{t}, {element}, v)")
                if plain or rank == 1:
                    yield f"{pad}total = {'total + ' * bool(k)}v"
                else:
                    yield f"{pad}total = part{k} * v" if k == 0 else f"{pad}total = fma(part{k}, v, total)"
        else:
            yield f"{pad}total = {write.literal(0, value)}"
            base, share = "at_x", []
            for d in range(rank - 1):
                place, own = entry(d, f"t{d}", f"o{d}")
                yield f"{pad}for t{d} in range({taps[d]}):"
                pad += "    "
                yield f"{pad}base{d} = {base} + {place} * step{d + 2}"
                base = f"base{d}"
                yield f"{pad}share{d} = {f'share{d - 1} * ' * bool(d)}{own}"
                share = [f"share{d}"]
            yield f"{pad}v = {write.literal(0, value)}"
            yield f"{pad}for t in range({taps[-1]}):"
            place, own = entry(rank - 1, "t", "i")
            yield f"{pad}    v = fma({own}, {write.load(f'x[{base} + {place}{across}]', dtype)}, v)"
            yield f"{pad}total = fma({share[0]}, v, total)" if share else f"{pad}total = total + v"
        yield "    " * depth + f"out[at_out + {at}] = {write.store('total', value, dtype)}"

    def read(depth):
        yield "    " * depth + "in_lanes(1)"  # vectors gather no faster
        yield from summed(depth, lambda t: entry(rank - 1, t, "i")[0], lambda t: entry(rank - 1, t, "i")[1], "i")

    if steps is None or not unrolled:
        lines += [f"        for i in range({inner}):", *read(3)]
    else:
        ahead, further, apart = steps
        lines += ["        for i in range(first):", *read(3), f"        for q in range((end - first) // {ahead}):"]
        for p in range(ahead):
            lines += summed(3, lambda t, p=p: f"far + q * {further} + {apart[p][t]}", lambda t, p=p: f"weight{p}_{t}",
                            f"first + q * {ahead} + {p}")
        lines += [f"        for i in range(end, {inner}):", *read(3)]
    return "\n".join(lines) + "\n"
