"""LDL factorisation of symmetric and Hermitian matrices that need not be positive definite.

Diagonal pivoting of Bunch & Kaufman 1977, "Some stable methods for calculating inertia and solving symmetric linear
systems", Math. Comp. 31, in the packed form of LAPACK's sytrf and hetrf (lower triangle): D and L share one matrix; a
positive pivot names the row (from 1) that was exchanged with this one, two equal negative pivots a 2 by 2 block of D,
whose second row was exchanged with the row named. Exchanges do not touch the columns of L to their left.
"""

import math

import numpy as np

from ..errors import LinAlgError
from ..layout import broadcast_shapes
from .declare import composite, foreign
from .linalg import array, result

_GROWTH = (1 + math.sqrt(17)) / 8  # bounds the growth of elements alike for pivots of size 1 and 2


def _sizes(values):
    """|values|, of complex ones the sum of both parts, as LAPACK measures them."""
    return np.abs(values.real) + np.abs(values.imag) if np.iscomplexobj(values) else np.abs(values)


def _pivot(rest):
    """(row that becomes the pivot's, size of the pivot: 1 or 2) for the matrix that is left; size 0: no pivot."""
    own = float(_sizes(rest[0, 0]))
    column = _sizes(rest[1:, 0])
    largest = float(column.max(initial=0))
    if max(own, largest) == 0 or own != own:
        return 0, 0
    if own >= _GROWTH * largest:
        return 0, 1
    row = 1 + int(column.argmax())
    others = _sizes(rest[row])
    candidate, others[row] = float(others[row]), 0
    largest_other = float(others.max())
    if own >= _GROWTH * largest * (largest / largest_other):
        return 0, 1
    return row, 1 if candidate >= _GROWTH * largest_other else 2


def _over(columns, block):
    """columns @ inverse of a 2 by 2 block, scaled by the elements off its diagonal, which are its large ones."""
    (first, above), (below, second) = block
    p, q = first / above, second / below
    factor = 1 / (p * q - 1)
    a, b = columns[:, 0], columns[:, 1]
    return np.stack([factor * ((q * a - b) / above), factor * ((p * b - a) / below)], 1)


def _exchange(values, i, j):
    if i != j:
        values[[i, j]] = values[[j, i]]


def _factor(matrix, hermitian):
    """(LD, pivots, info) of one matrix, of which the lower triangle is read; info: the first pivot (from 1) of 0."""
    n = len(matrix)
    mirrored = np.tril(matrix, -1).T
    work = np.tril(matrix) + (np.conj(mirrored) if hermitian else mirrored)
    pivots, info, k = np.zeros(n, np.int32), 0, 0
    while k < n:
        rest = work[k:, k:]
        if hermitian and np.iscomplexobj(work):
            rest[np.diag_indices(n - k)] = rest.diagonal().real
        row, size = _pivot(rest)
        first = 1 if size == 2 else 0  # the row of the pivot that is exchanged
        _exchange(rest, first, row)
        _exchange(rest.T, first, row)
        if not size:
            info, size = info or k + 1, 1
        else:
            below = rest[size:, :size] / rest[0, 0] if size == 1 else _over(rest[2:, :2], rest[:2, :2])
            rest[size:, size:] -= below @ rest[:size, size:]
            rest[size:, :size] = below
        pivots[k:k + size] = (k + row + 1) * (-1 if size == 2 else 1)
        k += size
    return np.tril(work), pivots, info


def _solve(ld, pivots, b, hermitian):
    """X with P L D L^H P^H X = b for one matrix (L^T, P^T unless hermitian)."""
    x, n, k, steps = b.copy(), len(ld), 0, []
    while k < n:
        size = 1 if pivots[k] > 0 else 2
        steps.append((k, size, abs(int(pivots[k])) - 1))
        k += size
    for k, size, other in steps:
        end = k + size
        _exchange(x, end - 1, other)
        x[end:] -= ld[end:, k:end] @ x[k:end]
        block = np.tril(ld[k:end, k:end])
        mirrored = np.tril(block, -1).T
        block = block + (np.conj(mirrored) if hermitian else mirrored)
        x[k:end] = x[k:end] / block if size == 1 else _over(x[k:end].T, block.T).T
    for k, size, other in reversed(steps):
        end = k + size
        below = ld[end:, k:end].T
        x[k:end] -= (np.conj(below) if hermitian else below) @ x[end:]
        _exchange(x, end - 1, other)
    return x


@foreign(name="ldl_factor_ex", namespaces="linalg", outputs=("LD", "pivots", "info"), out=True, differentiable=False)
def ldl_factor_ex(A, *, hermitian: bool = False, check_errors: bool = False):
    """(LD, pivots, info) of symmetric (`hermitian`: Hermitian) matrices, of which the lower triangles are read.

    info is the first block of D (from 1) that is zero, 0 where there is none; `check_errors` makes that a LinAlgError.
    """
    matrices = array("linalg.ldl_factor_ex", A, True)
    batch = matrices.shape[:-2]
    ld, pivots = np.empty_like(matrices), np.empty(matrices.shape[:-1], np.int32)
    info = np.zeros(batch, np.int32)
    for k, at in enumerate(np.ndindex(batch)):
        ld[at], pivots[at], info[at] = _factor(matrices[at], hermitian)
        if check_errors and info[at]:
            where = f"(Batch element {k}): " if batch else ""
            raise LinAlgError(f"linalg.ldl_factor: {where}the matrix is singular: D[{info[at]},{info[at]}] is zero, "
                              "and ldl_solve would divide by it; linalg.ldl_factor_ex(A) factors it nevertheless")
    return result(ld, columns=True), result(pivots), result(info)


@composite(outputs=("LD", "pivots"), name="ldl_factor", namespaces="linalg", out=True)
def ldl_factor(A, *, hermitian=False):
    """(LD, pivots) as `linalg.ldl_factor_ex`. LinAlgError where a block of D is zero."""
    from ..results import named_results
    found = ldl_factor_ex.call(A, hermitian=hermitian, check_errors=True)
    return named_results("linalg_ldl_factor", ("LD", "pivots"))(tuple(found)[:2])


@foreign(name="ldl_solve", namespaces="linalg", out=True, differentiable=False)
def ldl_solve(LD, pivots, B, *, hermitian: bool = False):
    """X with A X = B for (..., n, k) matrices B, A factored by `linalg.ldl_factor` with the same `hermitian`."""
    matrices = array("linalg.ldl_solve", LD, True)
    if B.ndim < 2:
        raise RuntimeError(f"linalg.ldl_solve: B must have at least 2 dimensions, got shape {tuple(B.shape)}; "
                           "B.unsqueeze(-1) makes a vector a matrix of one column")
    if B.shape[-2] != LD.shape[-1]:
        raise RuntimeError(f"linalg.ldl_solve: Incompatible matrix sizes: LD {tuple(LD.shape)}, B {tuple(B.shape)}")
    if tuple(pivots.shape) != tuple(LD.shape[:-1]):
        raise RuntimeError("linalg.ldl_solve: Expected LD.shape[:-1] and pivots.shape to be the same, but got LD "
                           f"{tuple(LD.shape)} and pivots {tuple(pivots.shape)}")
    if pivots.dtype.is_floating_point or pivots.dtype.is_complex or pivots.dtype.name == "bool":
        raise RuntimeError(f"linalg.ldl_solve: Expected pivots to be integers. Got {pivots.dtype}")
    if B.dtype is not LD.dtype:
        raise RuntimeError(f"linalg.ldl_solve: Expected B and LD to have the same dtype, but found {B.dtype} and "
                           f"{LD.dtype}")
    n = LD.shape[-1]
    rows = np.abs(pivots.numpy())
    if rows.size and not (1 <= rows.min() and rows.max() <= n):
        raise RuntimeError(f"linalg.ldl_solve: pivots must be from 1 to {n} or from -{n} to -1, got values from "
                           f"{int(pivots.numpy().min())} to {int(pivots.numpy().max())}")
    batch = broadcast_shapes("linalg.ldl_solve", [tuple(LD.shape[:-2]), tuple(B.shape[:-2])], ["LD", "B"])
    matrices = np.broadcast_to(matrices, (*batch, n, n))
    order = np.broadcast_to(pivots.numpy(), (*batch, n))
    right = np.broadcast_to(B.detach().numpy(), (*batch, *B.shape[-2:]))
    x = np.empty(right.shape, right.dtype)
    for at in np.ndindex(*batch):
        x[at] = _solve(matrices[at], order[at], right[at], hermitian)
    return result(x, columns=True)
