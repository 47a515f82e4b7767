"""Templates of products with matrices in compressed rows: a thread a result, whose terms add up in their order."""

from ..expr import write
from . import geometry
from .launching import launch
from .totals import WIDE

BLOCK = 128


def _parts(request):
    """(begins, places, first, second, whether there is an order, index types as text)."""
    begins, places, first, second, order = request.inputs
    return begins, places, first, second, order is not None, f"{begins.dtype.name}_{places.dtype.name}"


def _wide(compute):
    return "bool" if compute == "bool" else WIDE.get(compute, compute)


def _write(name, names, lines, layouts, numbers, device, units):
    numbers.add("units", units)
    head = [f"def {name}({', '.join([*names, *numbers.names])}):", "    i = grid()", "    if i < units:"]
    signature = (*(f"{write.storage(t.dtype.name)}*" if t is not None else "int64*" for t in layouts), *numbers.types)
    text = "\n".join([*head, *(" " * 8 + line for line in lines)]) + "\n"
    return launch(name, text, signature, device, numbers.values, units, BLOCK)


def _term(wide, compute, left, right):
    """Text of `total` with a product added."""
    if wide == "bool":
        return f"total | (({left}) & ({right}))"
    return f"{wide}(total + {write.convert(f'({left} * {right})', compute, wide)})"


def product(request):
    """result[i, c] = sum over k of row i of values[k] * dense[places[k], c]."""
    begins, places, values, dense, ordered, indices = _parts(request)
    dtype, result = values.dtype.name, request.outputs[0]
    compute = write.compute_type(dtype)
    wide = _wide(compute)
    numbers = geometry.Parameters()
    for name, value in (("columns", dense.shape[1]), ("row_step", dense.strides[0]), ("step", dense.strides[1])):
        numbers.add(name, value)
    value = write.load("values[order[k]]" if ordered else "values[k]", dtype)
    element = write.load("dense[int64(places[k]) * row_step + c * step]", dtype)
    lines = ["row = i // columns", "c = i % columns", f"total = {write.literal(0, wide)}", "k = int64(begins[row])",
             "last = int64(begins[row + 1])", "while k < last:", f"    total = {_term(wide, compute, value, element)}",
             "    k = k + 1", f"result[i] = {write.store(write.convert('total', wide, compute), compute, dtype)}"]
    return _write(f"compressed_mm_{dtype}_{indices}{'_ordered' * ordered}",
                  ["begins", "places", "values", "dense", "order", "result"], lines,
                  (begins, places, values, dense, None, result), numbers, result.device, result.numel)


def sampled(request):
    """result[k] = sum over c of left[i, c] * right[places[k], c] for each k of row i: a thread a row."""
    begins, places, left, right, ordered, indices = _parts(request)
    dtype, result = left.dtype.name, request.outputs[0]
    compute = write.compute_type(dtype)
    wide = _wide(compute)
    numbers = geometry.Parameters()
    numbers.add("length", left.shape[1])
    for name, own in (("left", left), ("right", right)):
        numbers.add(f"{name}_row", own.strides[0])
        numbers.add(f"{name}_step", own.strides[1])
    loads = (write.load("left[i * left_row + c * left_step]", dtype),
             write.load("right[at + c * right_step]", dtype))
    lines = ["k = int64(begins[i])", "last = int64(begins[i + 1])", "while k < last:",
             "    at = int64(places[k]) * right_row", f"    total = {write.literal(0, wide)}", "    c = int64(0)",
             "    while c < length:", f"        total = {_term(wide, compute, *loads)}", "        c = c + 1",
             f"    result[{'order[k]' if ordered else 'k'}] = "
             f"{write.store(write.convert('total', wide, compute), compute, dtype)}", "    k = k + 1"]
    return _write(f"compressed_dot_{dtype}_{indices}{'_ordered' * ordered}",
                  ["begins", "places", "left", "right", "order", "result"], lines,
                  (begins, places, left, right, None, result), numbers, result.device, begins.numel - 1)
