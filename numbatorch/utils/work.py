"""What a call of an op costs: floating-point operations and bytes, from the shapes of its operands and results.

A multiplication and an addition are two operations. Products are counted exactly; formulas (elementwise ops and
reductions) with one operation an element, whatever the function; other ops as none. Bytes are those of all operands
read once and all results written once, as though nothing stayed in a cache.
"""

import math

from ..interception import tensors_of


def _mm(values, out):
    return 2 * values[0].shape[-1] * out.numel()


def _rows(values, out):
    return 2 * values[0].shape[1] * out.numel()


def _add_product(values, out):
    first, second = values[1].shape, values[2].shape
    return 2 * math.prod(first) * second[-1]


def _attention(values, out):
    query, key, value = (v.shape for v in values[:3])
    return 2 * math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def _conv(values, out):
    return 2 * out.numel() * math.prod(values[1].shape[1:])


def _conv_input(values, out):
    return 2 * values[0].numel() * math.prod(values[1].shape[1:])


def _conv_weight(values, out):
    return 2 * values[1].numel() * math.prod(values[2][1:])


# By the name of the op: (PyTorch's name for it, operations of a call). Composites among them are counted as one.
PRODUCTS = {
    "mm": ("mm", _mm),
    "bmm": ("bmm", _mm),
    "linear_rows": (None, _rows),  # addmm or mm
    "_add_product": (None, _add_product),  # addmm, addbmm or baddbmm
    "scaled_dot_product_attention": ("scaled_dot_product_attention", _attention),
    "conv_forward": ("convolution", _conv),
    "conv_input_gradient": ("convolution_backward", _conv_input),
    "conv_weight_gradient": ("convolution_backward", _conv_weight),
}


def product_name(op, values):
    """PyTorch's name for a product."""
    if op.name == "linear_rows":
        return "mm" if values[2] is None else "addmm"
    if op.name == "_add_product":
        return values[-1]
    return PRODUCTS[op.name][0]


def flops(op, values, result):
    """Floating-point operations of a call."""
    found = PRODUCTS.get(op.name)
    if found is not None:
        return found[1](values, result)
    if op.kind == "elementwise":
        return max((t.numel() for t in tensors_of((result,)) if t.dtype.is_floating_point), default=0)
    if op.kind in ("reduction", "rowwise"):
        return max((t.numel() for t in tensors_of(values) if t.dtype.is_floating_point), default=0)
    return 0


def bytes_moved(op, values, result):
    """Bytes of a call's operands and results; none for those that only look at the same memory."""
    if op.kind == "view":
        return 0
    return sum(t.numel() * t.element_size() for t in (*tensors_of(values), *tensors_of((result,))))
