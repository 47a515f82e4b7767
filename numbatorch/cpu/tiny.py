"""Batches of products of a few numbers: a loop over the batch, the sizes written out in the kernel's text.

Vectors go across neighbouring results or neighbouring matrices, as LLVM finds. 10000 products of 2x2 float32 on a core
of Zen 5: 0.3 ms by tiles, 0.008 so; 4x4: 0.4 and 0.02. Each shape is a kernel of its own, so there are few shapes.
"""

from functools import cache

from ..expr import write
from .geometry import GRAIN, launch

MOST = 64  # multiplications of a product
FEWEST = 16  # products from which the loop is worth a kernel


def when(request, sizes):
    """Whether this template takes a product of sizes (batch, m, n, k)."""
    count, m, n, k = sizes
    return (count >= FEWEST and 0 < m * n * k <= MOST and max(m, n, k) <= 16 and request.finish is None
            and request.compute.startswith(("float", "complex")))


def plan(request, sizes, loads, strides):
    """The Launch of a batch of products. loads: names of the arrays on the left and on the right; strides: of each, by
    batch, row and column, 0 where an index is missing."""
    count, m, n, k = sizes
    places = [list(request.arrays).index(name) for name in loads]
    kernel = _kernel(request.compute, tuple(a.dtype.name for a in request.arrays.values()),
                     request.outputs[0].dtype.name, tuple(places), (m, n, k),
                     tuple(_class(shape, own[1:]) for shape, own in zip(((m, k), (k, n)), strides, strict=True)))
    return launch(kernel, count, max(1, GRAIN // (m * n * k)), *strides)


def _class(shape, strides):
    """How a matrix lies in memory: "rows" or "columns" without gaps, else "any"."""
    def fits(*wanted):
        return all(size == 1 or own == other for size, own, other in zip(shape, strides, wanted, strict=True))
    return "rows" if fits(shape[1], 1) else "columns" if fits(1, shape[0]) else "any"


@cache
def _kernel(compute, dtypes, result, places, sizes, classes):
    from .compile import compile_kernel

    m, n, k = sizes
    pad, names = " " * 8, [f"x{place}" for place in range(len(dtypes))]
    name = f"tiny_{m}_{n}_{k}_{classes[0]}_{classes[1]}_{compute}"
    lines = [f"def {name}({', '.join(names)}, out, meta, start, stop):",
             *(f"    {side}_{what} = meta[{3 * s + d}]" for s, side in enumerate("ab")
               for d, what in enumerate(("step", "row", "column"))),
             "    for unit in range(start, stop):", f"{pad}to = unit * {m * n}",
             *(f"{pad}{side}_at = unit * {side}_step" for side in "ab")]
    for side, place, (rows, columns), class_ in zip("ab", places, ((m, k), (k, n)), classes, strict=True):
        steps = {"rows": (columns, 1), "columns": (1, rows)}.get(class_)
        for i in range(rows):
            for j in range(columns):
                at = i * steps[0] + j * steps[1] if steps else f"{i} * {side}_row + {j} * {side}_column"
                value = write.load(f"{names[place]}[{side}_at + {at}]", dtypes[place], compute)
                lines.append(f"{pad}{side}{i}_{j} = {value}")
    for t in range(k):
        for i in range(m):
            for j in range(n):
                factors = f"a{i}_{t}", f"b{t}_{j}"
                value = " * ".join(factors) if not t else (
                    f"fma({', '.join(factors)}, c{i}_{j})" if compute.startswith("float")
                    else f"c{i}_{j} + {' * '.join(factors)}")
                lines.append(f"{pad}c{i}_{j} = {value}")
    lines += [f"{pad}out[to + {i * n + j}] = {write.store(f'c{i}_{j}', compute, result)}"
              for i in range(m) for j in range(n)]
    signature = (*(f"{write.storage(d)}*" for d in dtypes), f"{write.storage(result)}*", "int64*")
    return compile_kernel(name, "\n".join(lines) + "\n", signature, independent=True)
