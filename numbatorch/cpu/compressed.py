"""Templates of products with matrices in compressed rows: a unit is a row.

A row's values add up in their order, so results do not depend on the number of threads.
"""

from ..expr import write
from . import geometry
from .compile import compile_kernel

WIDTHS = (32, 16, 8, 4, 1)  # totals side by side in registers; best of 8..32 for 200,000 values and 8..256 columns
_WIDE = {"float32": "float64", "complex64": "complex128", "bool": "bool"}  # in which a single total runs


def _parts(request):
    """(begins, places, first, second, whether there is an order, index types as text)."""
    begins, places, first, second, order = request.inputs
    return begins, places, first, second, order is not None, f"{begins.dtype.name}_{places.dtype.name}"


def _signature(begins, places, *dtypes):
    stored = [f"{write.storage(d)}*" for d in dtypes]
    return (f"{begins.dtype.name}*", f"{places.dtype.name}*", stored[0], stored[1], "int64*", stored[2], "int64*")


def _total(type_, old, added):
    return f"({old}) | ({added})" if type_ == "bool" else f"{old} + {added}"


def _times(type_, left, right):
    return f"({left}) & ({right})" if type_ == "bool" else f"{left} * {right}"


def product(request):
    """result[i, c] = sum over k of row i of values[k] * dense[places[k], c]."""
    begins, places, values, dense, ordered, indices = _parts(request)
    dtype, columns = values.dtype.name, dense.shape[1]
    compute = write.compute_type(dtype)
    rows = begins.numel - 1
    each = max(1, places.numel // max(rows, 1))  # values a row
    value = write.load("values[order[k]]" if ordered else "values[k]", dtype)
    if columns == 1:
        return _single(request, value, dtype, compute, rows, each)
    step = geometry.stride_class(dense.strides[1])
    widths = [w for w in WIDTHS if w <= columns]
    name = f"compressed_mm{widths[0] if widths else 0}_{dtype}_{indices}_{step}{'_ordered' * ordered}"
    lines = [f"def {name}(begins, places, values, dense, order, result, meta, start, stop):",
             "    columns = meta[0]", "    row_step = meta[1]", "    step = meta[2]",
             "    for row in range(start, stop):", "        first = int64(0)"]
    for width in widths:
        pad, numbers = " " * 12, range(width)
        lines.append(f"        while first + {width} <= columns:")
        lines += [f"{pad}t{i} = {write.literal(0, compute)}" for i in numbers]
        lines += [f"{pad}for k in range(int64(begins[row]), int64(begins[row + 1])):", f"{pad}    value = {value}",
                  f"{pad}    at = int64(places[k]) * row_step + first * step"]
        for i in numbers:
            element = write.load("dense[at + " + {'0': '0', '1': str(i), 'n': f'{i} * step'}[step] + "]", dtype)
            total = _total(compute, f"t{i}", _times(compute, "value", element))
            lines.append(f"{pad}    t{i} = {total if compute == 'bool' else f'{compute}({total})'}")
        lines += [f"{pad}result[row * columns + first + {i}] = {write.store(f't{i}', compute, dtype)}" for i in numbers]
        lines.append(f"{pad}first += {width}")
    kernel = compile_kernel(name, "\n".join(lines) + "\n", _signature(begins, places, dtype, dtype, dtype))
    return geometry.launch(kernel, rows, geometry.GRAIN // (4 * each * max(columns, 1)), columns, *dense.strides)


def _single(request, value, dtype, compute, rows, each):
    """The product with one column: a total a row."""
    begins, places, _, dense, ordered, indices = _parts(request)
    wide = _WIDE.get(compute, compute)
    name = f"compressed_mv_{dtype}_{indices}{'_ordered' * ordered}"
    term = _times(compute, value, write.load("dense[int64(places[k]) * row_step]", dtype))
    term = write.convert(f"({term})", compute, wide)
    total = _total(wide, "total", term)
    lines = [f"def {name}(begins, places, values, dense, order, result, meta, start, stop):", "    row_step = meta[0]",
             "    for row in range(start, stop):", f"        total = {write.literal(0, wide)}",
             "        for k in range(int64(begins[row]), int64(begins[row + 1])):",
             f"            total = {total if wide == 'bool' else f'{wide}({total})'}",
             f"        result[row] = {write.store(write.convert('total', wide, compute), compute, dtype)}"]
    kernel = compile_kernel(name, "\n".join(lines) + "\n", _signature(begins, places, dtype, dtype, dtype))
    return geometry.launch(kernel, rows, geometry.GRAIN // (4 * each), dense.strides[0])


def sampled(request):
    """result[k] = sum over c of left[i, c] * right[places[k], c] for each k of row i."""
    begins, places, left, right, ordered, indices = _parts(request)
    dtype = left.dtype.name
    compute = write.compute_type(dtype)
    wide = _WIDE.get(compute, compute)
    steps = [geometry.stride_class(m.strides[1]) for m in (left, right)]
    name = f"compressed_dot_{dtype}_{indices}_{''.join(steps)}{'_ordered' * ordered}"
    text = {"0": "0", "1": "c", "n": "c * {}"}
    loads = [write.load(f"{n}[{n}_at + {text[s].format(f'{n}_step')}]", dtype)
             for n, s in zip(("left", "right"), steps, strict=True)]
    term = write.convert(f"({_times(compute, *loads)})", compute, wide)
    # Terms of one element may be added in any (fixed) order, so that the loop becomes vector code.
    total = f"add_reassoc(total, {term})" if wide.startswith("float") else _total(wide, "total", term)
    lines = [f"def {name}(begins, places, left, right, order, result, meta, start, stop):", "    length = meta[0]",
             "    left_row = meta[1]", "    left_step = meta[2]", "    right_row = meta[3]", "    right_step = meta[4]",
             "    for row in range(start, stop):", "        left_at = row * left_row",
             "        for k in range(int64(begins[row]), int64(begins[row + 1])):",
             "            right_at = int64(places[k]) * right_row", f"            total = {write.literal(0, wide)}",
             "            for c in range(length):",
             f"                total = {total if wide == 'bool' else f'{wide}({total})'}",
             f"            result[{'order[k]' if ordered else 'k'}] = "
             f"{write.store(write.convert('total', wide, compute), compute, dtype)}"]
    kernel = compile_kernel(name, "\n".join(lines) + "\n", _signature(begins, places, dtype, dtype, dtype))
    rows, length = begins.numel - 1, left.shape[1]
    each = max(1, places.numel // max(rows, 1))
    return geometry.launch(kernel, rows, geometry.GRAIN // (4 * each * max(length, 1)), length, *left.strides,
                           *right.strides)
