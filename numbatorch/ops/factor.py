"""LU factorisation in packed form, elementary reflectors, and low-rank factors by random projection.

Gradients of LU: arXiv:2111.06312 states those of wide and tall matrices. Reflectors are H = I - tau v v^H with v[i] = 1
and zeros above, v in column i below the diagonal, as LAPACK stores them.
"""

import math

import numpy as np

from .declare import OPS, composite, foreign
from .linalg import adjoint, array, by_columns, result, solve_triangular


def _named(name, fields, values):
    from ..results import named_results
    return named_results(name, fields)(values)


# ------------------------------------------------------------------ LU

def _eliminate(matrices):
    """(LU, pivots from 1, info) by Gaussian elimination with partial pivoting, all matrices of a batch at once."""
    shape = matrices.shape
    lu = np.array(matrices.reshape(math.prod(shape[:-2]), *shape[-2:]))
    batch, rows, columns = lu.shape
    k = min(rows, columns)
    pivots, info = np.zeros((batch, k), np.int32), np.zeros(batch, np.int32)
    each = np.arange(batch)
    for i in range(k):
        column = lu[:, i:, i]
        size = np.abs(column)
        if np.iscomplexobj(lu):  # measured as LAPACK does
            size = np.abs(column.real) + np.abs(column.imag)
        chosen = i + np.argmax(size, 1) if batch else np.zeros(0, np.int64)
        pivots[:, i] = chosen + 1
        lu[each, chosen], lu[:, i] = lu[:, i].copy(), lu[each, chosen].copy()
        pivot = lu[:, i, i]
        info = np.where((pivot == 0) & (info == 0), i + 1, info).astype(np.int32)
        lu[:, i + 1:, i] /= np.where(pivot == 0, 1, pivot)[:, None]
        lu[:, i + 1:, i + 1:] -= lu[:, i + 1:, i, None] * lu[:, i, None, i + 1:]
    return lu.reshape(shape), pivots.reshape(*shape[:-2], k), info.reshape(shape[:-2])


def _permutations(pivots, rows):
    """The rows' order after the exchanges that pivots name: (..., rows)."""
    flat = pivots.reshape(math.prod(pivots.shape[:-1]), pivots.shape[-1]) - 1
    order = np.tile(np.arange(rows), (len(flat), 1))
    each = np.arange(len(flat))
    for i in range(flat.shape[1]):
        other = flat[:, i]
        order[each, i], order[each, other] = order[each, other].copy(), order[each, i].copy()
    return order.reshape(*pivots.shape[:-1], rows)


def _permutation_matrix(pivots, rows, dtype):
    """P with A = P L U."""
    order = _permutations(pivots.numpy(), rows)
    matrix = np.zeros((*order.shape, rows))
    np.put_along_axis(np.swapaxes(matrix, -1, -2), order[..., None], 1, -1)
    return result(matrix, dtype.numpy)


def _unit_lower(lu, k):
    from ..creation import eye
    return OPS["tril"].call(lu.narrow(-1, 0, k), -1) + eye(lu.shape[-2], k, dtype=lu.dtype, device=lu.device)


def _lu_gradient(grad_LU, LU, pivots):
    rows, columns = LU.shape[-2:]
    k = min(rows, columns)
    if LU.numel() == 0:
        return grad_LU
    tril, triu = OPS["tril"].call, OPS["triu"].call
    p = _permutation_matrix(pivots, rows, LU.dtype)
    lower, upper = _unit_lower(LU, k), triu(LU.narrow(-2, 0, k))
    g_lower, g_upper = tril(grad_LU.narrow(-1, 0, k), -1), triu(grad_LU.narrow(-2, 0, k))
    l1, u1 = lower.narrow(-2, 0, k), upper.narrow(-1, 0, k)
    gl1, gu1 = g_lower.narrow(-2, 0, k), g_upper.narrow(-1, 0, k)
    from_lower, from_upper = adjoint(l1) @ gl1, gu1 @ adjoint(u1)
    if columns > k:
        right = g_upper.narrow(-1, k, columns - k)
        from_lower = from_lower - right @ adjoint(upper.narrow(-1, k, columns - k))
    if rows > k:
        below = g_lower.narrow(-2, k, rows - k)
        from_upper = from_upper - adjoint(lower.narrow(-2, k, rows - k)) @ below
    inner = tril(from_lower, -1) + triu(from_upper)
    left_factor, right_factor = adjoint(l1), adjoint(u1)   # upper, lower
    solved = solve_triangular.call(left_factor, inner, upper=True, unitriangular=True)
    if columns > k:
        solved = solve_triangular.call(right_factor, solved, upper=False, left=False)
        rest = solve_triangular.call(left_factor, right, upper=True, unitriangular=True)
        return p @ OPS["cat"].call([solved, rest], -1)
    if rows > k:
        solved = OPS["cat"].call([solved, below], -2)
    return p @ solve_triangular.call(right_factor, solved, upper=False, left=False)


@foreign(name="_lu_factor", method=False, outputs=("LU", "pivots", "info"), grad=_lu_gradient)
def factor_lu(A):
    """L and U in one matrix, the rows exchanged (from 1), and the first zero pivot (0: none)."""
    lu, pivots, info = _eliminate(array("linalg.lu_factor", A))
    return result(lu, columns=True), result(pivots), result(info)


def _pivoted(name, pivot):
    if not pivot:
        raise RuntimeError(f"{name}: LU without pivoting is not implemented on the CPU")


@composite(outputs=("LU", "pivots"), namespaces="linalg", out=True)
def lu_factor(A, *, pivot=True):
    """(LU, pivots): L below the diagonal, whose ones are left out, U above. RuntimeError for a zero pivot."""
    _pivoted("linalg.lu_factor", pivot)
    lu, pivots, info = factor_lu.call(A)
    if bool((info != 0).any()):
        from ..errors import LinAlgError
        first = int(info.reshape(-1)[info.reshape(-1) != 0][0])
        raise LinAlgError(f"torch.linalg.lu_factor: U[{first},{first}] is zero and using it on lu_solve would result "
                          "in a division by zero. If you still want to perform the factorization, consider calling "
                          "linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)")
    return _named("linalg_lu_factor", ("LU", "pivots"), (lu, pivots))


@composite(outputs=("LU", "pivots", "info"), namespaces="linalg", out=True)
def lu_factor_ex(A, *, pivot=True, check_errors=False):
    """(LU, pivots, info) as `linalg.lu_factor`; info names the first zero pivot instead of an error."""
    _pivoted("linalg.lu_factor_ex", pivot)
    if check_errors:
        lu_factor.call(A.detach())
    return _named("linalg_lu_factor_ex", ("LU", "pivots", "info"), factor_lu.call(A))


@composite(outputs=("P", "L", "U"), name="lu", namespaces="linalg", out=True)
def linalg_lu(A, *, pivot=True):
    """(P, L, U) with A = P L U: a permutation, a lower unit triangular and an upper triangular matrix."""
    _pivoted("linalg.lu", pivot)
    lu, pivots, _ = factor_lu.call(A)
    return _named("linalg_lu", ("P", "L", "U"), tuple(lu_unpack.call(lu, pivots)))


@composite(name="lu")
def top_lu(A, pivot=True, get_infos=False, out=None) -> tuple:
    """(LU, pivots), and info with `get_infos`: `linalg.lu_factor_ex`."""
    _pivoted("lu", pivot)
    lu, pivots, info = factor_lu.call(A)
    found = _named("lu", ("LU", "pivots", "info"), (lu, pivots, info)) if get_infos else (lu, pivots)
    if out is not None:
        for own, value in zip(out, found, strict=True):
            own.resize_(value.shape).copy_(value)
        return out
    return found


@composite(outputs=("P", "L", "U"), out=True, method=False)
def lu_unpack(LU_data, LU_pivots, unpack_data=True, unpack_pivots=True):
    """(P, L, U) of a packed factorisation; what is not unpacked is an empty tensor."""
    rows, columns = LU_data.shape[-2:]
    k = min(rows, columns)
    nothing = LU_data.new_empty((0,))
    if unpack_pivots and LU_pivots.dtype.name != "int32":
        raise RuntimeError("torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype. "
                           f"Note: this function is intended to be used with the output produced by torch.linalg."
                           f"lu_factor, got {LU_pivots.dtype}")
    p = _permutation_matrix(LU_pivots, rows, LU_data.dtype) if unpack_pivots else nothing
    lower = _unit_lower(LU_data, k).contiguous() if unpack_data else nothing
    upper = OPS["triu"].call(LU_data.narrow(-2, 0, k)).contiguous() if unpack_data else nothing
    return _named("lu_unpack", ("P", "L", "U"), (p, lower, upper))


@composite(name="lu_solve", namespaces="linalg", out=True)
def linalg_lu_solve(LU, pivots, B, *, left=True, adjoint=False):
    """X with A X = B (X A = B unless `left`), A given by `linalg.lu_factor`; A^H in its place with `adjoint`."""
    transpose = _adjoint
    if LU.shape[-1] != LU.shape[-2]:
        raise RuntimeError(f"linalg.lu_solve: A must be batches of square matrices, but they are {LU.shape[-2]} by "
                           f"{LU.shape[-1]} matrices")
    if not left:  # X A = B is A^H X^H = B^H
        return transpose(linalg_lu_solve.call(LU, pivots, transpose(B), adjoint=not adjoint))
    p = _permutation_matrix(pivots, LU.shape[-1], LU.dtype)
    if adjoint:
        inner = solve_triangular.call(transpose(OPS["triu"].call(LU)), B, upper=False)
        return by_columns(p @ solve_triangular.call(transpose(OPS["tril"].call(LU)), inner, upper=True,
                                                    unitriangular=True))
    inner = solve_triangular.call(LU, transpose(p) @ B, upper=False, unitriangular=True)
    return by_columns(solve_triangular.call(LU, inner, upper=True))


_adjoint = adjoint


@composite(name="lu_solve", out=True)
def lu_solve(b, LU_data, LU_pivots):
    """X with A X = b, A given by its packed factorisation: `linalg.lu_solve` with `b` first."""
    return linalg_lu_solve.call(LU_data, LU_pivots, b)


@composite(outputs=("solution", "cloned_coefficient"), out=True)
def triangular_solve(b, A, upper=True, transpose=False, unitriangular=False):
    """(solution, cloned_coefficient): X with A X = b for triangular A (A^T with `transpose`), and a copy of A."""
    for name, matrices in (("b", b), ("A", A)):
        if matrices.ndim < 2:
            raise RuntimeError(f"torch.triangular_solve: Expected {name} to have at least 2 dimensions, but it has "
                               f"{matrices.ndim} dimensions instead")
    part = OPS["triu" if upper else "tril"].call(A)
    if transpose:
        part, upper = part.transpose(-2, -1), not upper
    x = solve_triangular.call(part, b, upper=upper, unitriangular=unitriangular)
    return _named("triangular_solve", ("solution", "cloned_coefficient"), (x, by_columns(A.clone())))


# ------------------------------------------------------------------ reflectors

def _reflectors(A, count):
    """The vectors v of `count` reflectors, stored in A (..., m, n): (..., m, count)."""
    from ..creation import eye
    return OPS["tril"].call(A.narrow(-1, 0, count), -1) + eye(A.shape[-2], count, dtype=A.dtype, device=A.device)


def _apply(A, tau, C, backwards, conjugated):
    """H1 H2 ... Hk C, or with the reflectors taken from the first on (Hk ... H1 C)."""
    k = tau.shape[-1]
    v = _reflectors(A, k)
    for i in range(k - 1, -1, -1) if backwards else range(k):
        column = v.narrow(-1, i, 1)
        scale = tau.narrow(-1, i, 1).unsqueeze(-1)
        scale = scale.conj() if conjugated and tau.dtype.is_complex else scale
        C = C - scale * column @ (adjoint(column) @ C)
    return C


def _same_batch(name, A, tau):
    if A.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions, got shape {tuple(A.shape)}.")
    if A.shape[-1] < tau.shape[-1]:
        raise RuntimeError(f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1], got "
                           f"{tuple(A.shape)} and {tuple(tau.shape)}")
    if A.ndim - tau.ndim != 1 or A.shape[:-2] != tau.shape[:-1]:
        raise RuntimeError(f"{name}: Expected batch dimensions of tau to be equal to input.shape[:-2], but got tau "
                           f"{tuple(tau.shape)}, input {tuple(A.shape)}")
    if A.dtype is not tau.dtype:
        raise RuntimeError(f"{name}: tau dtype {tau.dtype} does not match input dtype {A.dtype}")


@foreign(name="_no_reflectors", method=False, A=lambda grad: None, tau=lambda grad: None)
def no_reflectors(A, tau):
    """The first columns of the identity, in the shape of A; recorded, though nothing reaches A or tau."""
    from ..creation import eye
    return by_columns(eye(A.shape[-2], A.shape[-1], dtype=A.dtype, device=A.device).expand(A.shape))


@composite(namespaces="linalg", out=True)
def householder_product(A, tau):
    """The first n columns of H1 H2 ... Hk: (..., m, n) with reflectors in A (..., m, n) and tau (..., k)."""
    _same_batch("torch.linalg.householder_product", A, tau)
    if A.shape[-2] < A.shape[-1]:
        raise RuntimeError("torch.linalg.householder_product: input.shape[-2] must be greater than or equal to "
                           f"input.shape[-1], got {tuple(A.shape)}")
    start = no_reflectors.call(A, tau)
    return by_columns(_apply(A, tau, start, True, False)) if tau.shape[-1] else start


@composite(out=True)
def orgqr(input, input2):
    """The first columns of a product of elementary reflectors: `linalg.householder_product`, under its old name."""
    return householder_product.call(input, input2)


@composite(out=True)
def ormqr(input, tau, other, left=True, transpose=False):
    """Q other (other Q unless `left`), Q = H1 H2 ... Hk of all rows; Q^H in its place with `transpose`."""
    _same_batch("torch.ormqr", input, tau)
    size = other.shape[-2 if left else -1]
    if other.ndim < 2 or input.shape[-2] != size:
        raise RuntimeError(f"torch.ormqr: other.shape[{-2 if left else -1}] must be equal to input.shape[-2], got "
                           f"other {tuple(other.shape)}, input {tuple(input.shape)}")
    if not input.numel():  # nothing to differentiate by
        input, tau = input.detach(), tau.detach()
    if left:
        return by_columns(_apply(input, tau, other, not transpose, transpose))
    return by_columns(adjoint(_apply(input, tau, adjoint(other), transpose, not transpose)))


@foreign(outputs=("a", "tau"), out=True, differentiable=False)
def geqrf(input):
    """QR factorisation as LAPACK leaves it: R on and above the diagonal, reflectors below, and their factors tau."""
    a, tau = np.linalg.qr(array("torch.geqrf", input), mode="raw")
    return result(np.swapaxes(a, -2, -1), columns=True), result(tau)


# ------------------------------------------------------------------ low rank

def _range_basis(A, q, niter):
    """An orthonormal basis (..., m, q) of nearly the range of A: algorithm 4.4 of Halko et al., arXiv:0909.4061."""
    from ..randomness import randn
    qr = OPS["linalg.qr"].call
    start = randn(A.shape[-1], q, dtype=A.dtype, device=A.device)
    basis = qr(A @ start)[0]
    for _ in range(niter):
        basis = qr(adjoint(A) @ basis)[0]
        basis = qr(A @ basis)[0]
    return basis


@composite(method=False)
def svd_lowrank(A, q=6, niter=2, M=None) -> tuple:
    """(U, S, V) of rank q with A - M nearly U diag(S) V^H, from a random projection and `niter` power iterations."""
    q = 6 if q is None else q
    rows, columns = A.shape[-2:]
    if not 0 <= q <= min(rows, columns):
        raise ValueError(f"svd_lowrank: q(={q}) must be non-negative integer and not greater than "
                         f"min(m, n)={min(rows, columns)}")
    A = A if M is None else A - M
    svd = OPS["linalg.svd"].call
    if rows < columns:  # the smaller side is projected
        basis = _range_basis(adjoint(A), q, niter)
        u, s, vh = svd(A @ basis, False)
        return u, s, basis @ adjoint(vh)
    basis = _range_basis(A, q, niter)
    u, s, vh = svd(adjoint(basis) @ A, False)
    return basis @ u, s, adjoint(vh)


@composite(method=False)
def pca_lowrank(A, q=None, center=True, niter=2) -> tuple:
    """(U, S, V) of A, its columns centred with `center`: principal components by `svd_lowrank`."""
    rows, columns = A.shape[-2:]
    q = min(6, rows, columns) if q is None else q
    if not 0 <= q <= min(rows, columns):
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(rows, columns)}")
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    return svd_lowrank.call(A - A.mean(-2, keepdim=True) if center else A, q, niter)
