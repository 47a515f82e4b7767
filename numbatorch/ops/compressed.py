"""Products of matrices in compressed rows, as loops: what mm, addmm and sampled_addmm of sparse tensors rest on.

A matrix (R, C) with n values is given by begins (R + 1), which say where each row's values begin, and places (n), the
column of each. With `order` (n) the k-th of these is values[order[k]]: so a transposed matrix needs no copy of its
values. Indices were checked where the matrix was made.
"""

from ..expr.kinds import Native
from ..layout import layout
from .declare import gather


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
