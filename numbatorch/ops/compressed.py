"""Products of sparse matrices, as loops over compressed rows: what mm, addmm and sampled_addmm rest on.

A matrix (R, C) with n values is given by begins (R + 1), which say where each row's values begin, and places (n), the
column of each. With `order` (n) the k-th of these is values[order[k]]: so a transposed matrix needs no copy of its
values. Indices were checked where the matrix was made.
"""

from typing import Any

from ..expr.kinds import Native
from ..layout import layout
from .declare import foreign, gather


def _same_dtype(name, left, right, names):
    if left.dtype is not right.dtype:
        raise RuntimeError(f"{name}: expected {names[0]} and {names[1]} of the same dtype, but got {left.dtype} and "
                           f"{right.dtype}")


@gather(name="_compressed_mm", method=False, differentiable=False)
def product(begins, places, values, dense, order=None):
    """(R, C) @ dense (C, P) -> (R, P): result[i] = sum over k of row i of values[k] * dense[places[k]]."""
    _same_dtype("mm", values, dense, ("the sparse matrix", "the strided one"))
    rows = begins.numel - 1
    result = layout(values.dtype, (rows, dense.shape[1]), None, values.device)
    return Native("compressed", "product", (begins, places, values, dense, order), [result])


@gather(name="_compressed_dot", method=False, differentiable=False)
def sampled(begins, places, left, right, order=None):
    """left (R, K), right (C, K) -> (n): the element (i, places[k]) of left @ right.T for each k of row i."""
    _same_dtype("sampled_addmm", left, right, ("mat1", "mat2"))
    result = layout(left.dtype, (places.numel,), None, left.device)
    return Native("compressed", "sampled", (begins, places, left, right, order), [result])


# The same for values at a pattern (numbatorch/sparse/pattern.py), which is read by rows or by columns. The gradients of
# products are products again.

def _conj(x):
    return x.conj() if x._layout.dtype.is_complex else x


@foreign(name="_sparse_mm", method=False, eager=True,
         values=lambda grad, dense, pattern, by_rows: dots.call(grad, _conj(dense), pattern, by_rows),
         dense=lambda grad, values, pattern, by_rows: multiply.call(_conj(values), grad, pattern, not by_rows))
def multiply(values, dense, pattern: Any, by_rows: bool):
    """matrix @ dense, or with `by_rows` False its transpose @ dense: (R, C) @ (C, P) -> (R, P)."""
    if dense._layout.strides[1] != 1 and dense._layout.shape[1] > 1:
        dense = dense.contiguous()
    begins, places, order = pattern.lines(by_rows)
    return product.call(begins, places, values.contiguous(), dense, order)


@foreign(name="_sparse_dots", method=False, eager=True,
         left=lambda grad, right, pattern, by_rows: multiply.call(grad, _conj(right), pattern, by_rows),
         right=lambda grad, left, pattern, by_rows: multiply.call(grad, _conj(left), pattern, not by_rows))
def dots(left, right, pattern: Any, by_rows: bool):
    """left @ right.T at the places of a pattern, or of its transpose: (R, K), (C, K) -> (nnz)."""
    begins, places, order = pattern.lines(by_rows)
    return sampled.call(begins, places, left, right, order)
