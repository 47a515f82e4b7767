"""Linear algebra on (..., m, n) matrices, one at a time through NumPy's LAPACK, with gradients.

Matrices must be floating point or complex, 32 or 64 bits a part. A matrix that does not allow the operation raises
LinAlgError. Gradients: Giles 2008, "Collected matrix derivative results"; Townsend 2016 for svd; Wan & Zhang 2019,
arXiv:1912.10819, for svd of complex matrices; Walter & Lehmann 2010 for qr.
"""

import numpy as np

from ..errors import LinAlgError
from .declare import OPS, composite, foreign


def adjoint(t):
    """Conjugate transpose of matrices."""
    t = t.transpose(-2, -1)
    return t.conj() if t.dtype.is_complex else t


def array(name, t, square=False):
    """The matrices as a NumPy array, checked."""
    if t.dtype.name not in ("float32", "float64", "complex64", "complex128"):
        if t.dtype.is_floating_point:
            raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {t.dtype}")
        raise RuntimeError(f"{name}: Expected a floating point or complex tensor as input. Got {t.dtype}")
    if t.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor A must have at least 2 dimensions, got shape {tuple(t.shape)}")
    if square and t.shape[-1] != t.shape[-2]:
        raise RuntimeError(f"{name}: A must be batches of square matrices, but they are {t.shape[-2]} by {t.shape[-1]} "
                           "matrices")
    return t.detach().numpy()


def result(value, dtype=None, columns=False):
    """A tensor of a NumPy result; matrices lie in memory by columns, as LAPACK leaves them, when `columns`."""
    from ..creation import from_numpy
    if columns:
        return from_numpy(np.asarray(np.swapaxes(value, -2, -1), dtype=dtype, order="C")).transpose(-2, -1)
    return from_numpy(np.asarray(value, dtype=dtype, order="C"))


def by_columns(t):
    """The matrices laid out by columns, as LAPACK leaves them."""
    return t.transpose(-2, -1).contiguous().transpose(-2, -1)


def eye_like(t):
    from ..creation import eye
    return eye(t.shape[-1], dtype=t.dtype, device=t.device)


def failing(matrices, function):
    """"(Batch element k): " for the first matrix on which function fails; nothing for a single matrix."""
    if matrices.ndim == 2:
        return ""
    for k, matrix in enumerate(matrices.reshape(-1, *matrices.shape[-2:])):
        try:
            function(matrix)
        except np.linalg.LinAlgError:
            return f"(Batch element {k}): "
    return ""


# ------------------------------------------------------------------ inverse, determinant, equations

def _inverse_gradient(grad, result):
    h = adjoint(result)
    return -(h @ grad @ h)


@foreign(namespaces="linalg", out=True, grad=_inverse_gradient)
def inv(A):
    """Inverse of square matrices (..., N, N): A @ inv(A) is the identity. LinAlgError for a singular one."""
    matrices = array("linalg.inv", A, True)
    try:
        return result(np.linalg.inv(matrices), columns=True)
    except np.linalg.LinAlgError:
        where = failing(matrices, np.linalg.inv)
        raise LinAlgError(f"linalg.inv: {where}A diagonal element of the factor U is zero, the inversion could not be "
                          "completed because the input matrix is singular.") from None


@composite(out=True)
def inverse(input):
    """Inverse of square matrices (..., N, N): `linalg.inv` under its old name."""
    return inv.call(input)


@foreign(name="_adjugate", method=False, differentiable=False)
def adjugate(A):
    """det(A) inv(A), for singular matrices too, from the singular values."""
    u, s, vh = np.linalg.svd(array("linalg.det", A, True))
    n = s.shape[-1]
    others = np.where(np.eye(n, dtype=bool), 1, s[..., None, :]).prod(-1)
    sign = (np.linalg.det(u) * np.linalg.det(vh))[..., None, None]
    return result(sign * (np.conj(np.swapaxes(vh, -2, -1)) * others[..., None, :]) @ np.conj(np.swapaxes(u, -2, -1)),
                  A.dtype.numpy)


def _det_gradient(grad, A, result):
    if A.shape[-1] == 0:
        return A * 0
    weight = (grad * result.conj()) if result.dtype.is_complex else grad * result
    if bool((result.detach() != 0).all()):
        return weight.unsqueeze(-1).unsqueeze(-1) * adjoint(inv.call(A))
    return grad.unsqueeze(-1).unsqueeze(-1) * adjoint(adjugate.call(A))


@foreign(name="det", namespaces=("", "linalg"), out=True, grad=_det_gradient)
def det(A):
    """Determinant of square matrices: (..., N, N) -> (...); 1 of (0, 0)."""
    return result(np.linalg.det(array("linalg.det", A, True)), A.dtype.numpy)


def _slogdet_gradient(grad_sign, grad_logabsdet, A, sign):
    if A.shape[-1] == 0:
        return A * 0
    weight = grad_logabsdet
    if A.dtype.is_complex:
        turn = grad_sign.conj() * sign
        weight = OPS["complex"].call(grad_logabsdet, -turn.imag)
    return weight.unsqueeze(-1).unsqueeze(-1) * adjoint(inv.call(A))


@foreign(name="slogdet", namespaces=("", "linalg"), out=True, outputs=("sign", "logabsdet"), grad=_slogdet_gradient)
def slogdet(A):
    """(sign, log |det|) of square matrices, (..., N, N) -> two of (...): det without overflow; (0, -inf) of singular
    ones.
    """
    sign, logabsdet = np.linalg.slogdet(array("linalg.slogdet", A, True))
    return result(sign, A.dtype.numpy), result(logabsdet, A.dtype.to_real().numpy)


@composite
def logdet(input):
    """log det of square matrices, (..., N, N) -> (...); NaN where the determinant is negative, -inf where it is 0."""
    sign, logabsdet = slogdet.call(input)
    if input.dtype.is_complex:
        return sign.log() + logabsdet
    return OPS["where"].call(sign < 0, float("nan"), logabsdet)


def _solve_gradient(grad, A):
    return solve_matrices.call(adjoint(A), grad)


def _solve_gradient_matrix(grad, A, result):
    return -(solve_matrices.call(adjoint(A), grad) @ adjoint(result))


@foreign(name="_solve", method=False, A=_solve_gradient_matrix, B=_solve_gradient)
def solve_matrices(A, B):
    """X with A X = B for equally many matrices A (..., n, n) and B (..., n, k)."""
    matrices = array("linalg.solve", A, True)
    try:
        return result(np.linalg.solve(matrices, B.detach().numpy()), B.dtype.numpy, True)
    except np.linalg.LinAlgError:
        where = failing(matrices, np.linalg.inv)
        raise LinAlgError(f"linalg.solve: {where}The solver failed because the input matrix is singular.") from None


def together(A, B):
    """Both with the batch dimensions that they broadcast to."""
    from ..layout import broadcast_shapes
    batch = broadcast_shapes("linalg.solve", [tuple(A.shape[:-2]), tuple(B.shape[:-2])], ["A", "B"])
    return A.expand(*batch, *A.shape[-2:]), B.expand(*batch, *B.shape[-2:])


@composite(namespaces="linalg", out=True)
def solve(A, B, *, left=True):
    """X with A X = B, or X A = B when not `left`; B may be vectors. LinAlgError for a singular A."""
    array("linalg.solve", A, True)
    if A.dtype is not B.dtype:
        raise RuntimeError(f"linalg.solve: Expected A and B to have the same dtype, but found {A.dtype} and {B.dtype}")
    vector = B.ndim == 1 or (B.ndim == A.ndim - 1 and tuple(B.shape) == tuple(A.shape[:-1]))
    if vector and not left:
        raise RuntimeError("linalg.solve: Vector broadcasting of the left hand side is not supported for left=False")
    if vector:
        B = B.unsqueeze(-1)
    if B.shape[-2 if left else -1] != A.shape[-1]:
        raise RuntimeError(f"linalg.solve: Incompatible shapes of A and B for the equation "
                           f"{'AX' if left else 'XA'} = B: A {tuple(A.shape)}, B {tuple(B.shape)}")
    A, B = together(A, B)
    if left:
        x = solve_matrices.call(A, B)
    else:
        x = solve_matrices.call(A.transpose(-2, -1), B.transpose(-2, -1)).transpose(-2, -1)
    if not vector:
        return x
    x = x.squeeze(-1)
    return by_columns(x) if x.ndim > 1 else x  # vectors lie in memory as PyTorch leaves them: like one matrix


@composite(namespaces="linalg", out=True)
def solve_triangular(A, B, *, upper, left=True, unitriangular=False):
    """X with A X = B (X A = B when not `left`) for triangular A; the other triangle is not read."""
    array("linalg.solve_triangular", A, True)
    part = OPS["triu" if upper else "tril"].call(A, (1 if upper else -1) if unitriangular else 0)
    return by_columns(solve.call(part + eye_like(A) if unitriangular else part, B, left=left))


# ------------------------------------------------------------------ factorisations

def _cholesky_gradient(grad, result, upper):
    if result.shape[-1] == 0:
        return grad
    factor, grad = (adjoint(result), adjoint(grad)) if upper else (result, grad)
    inner = OPS["tril"].call(adjoint(factor) @ grad)
    inner = inner - OPS["diag_embed"].call(inner.diagonal(0, -2, -1)) * 0.5
    inner = (inner + adjoint(inner)) * 0.5
    inverse_ = inv.call(factor)
    return adjoint(inverse_) @ inner @ inverse_


@foreign(name="cholesky", namespaces=("linalg",), out=True, grad=_cholesky_gradient)
def cholesky(A, *, upper: bool = False):
    """Lower triangular L with A = L L^H (the upper one, L^H, when `upper`). LinAlgError unless positive definite."""
    matrices = array("linalg.cholesky", A, True)
    try:
        factor = np.linalg.cholesky(matrices)
    except np.linalg.LinAlgError:
        where = failing(matrices, np.linalg.cholesky)
        raise LinAlgError(f"linalg.cholesky: {where}The factorization could not be completed because the input is not "
                          "positive-definite.") from None
    return result(np.conj(np.swapaxes(factor, -2, -1)) if upper else factor, columns=True)


@composite(name="cholesky", out=True)
def top_cholesky(input, upper=False):
    """The Cholesky factor of positive definite matrices: `linalg.cholesky`, under its old name."""
    return cholesky.call(input, upper=upper)


def _qr_tall(q, r, grad_q, grad_r):
    m = r @ adjoint(grad_r) - adjoint(grad_q) @ q
    low = OPS["tril"].call(m, -1)
    m = low + adjoint(low) + OPS["diag_embed"].call(m.diagonal(0, -2, -1).real.to(m.dtype))  # R's diagonal is real
    return adjoint(solve.call(r, adjoint(grad_q + q @ m)))


def _qr_gradient(grad_Q, grad_R, A, Q, R, mode):
    rows, columns = A.shape[-2:]
    if mode == "r":
        raise RuntimeError("linalg.qr: the gradient needs Q: use mode='reduced' or 'complete', not 'r'")
    if mode == "complete" and rows > columns:
        raise RuntimeError("linalg.qr: the derivative for mode='complete' is not defined when the matrix has more rows "
                           "than columns; use mode='reduced'")
    if rows >= columns:
        return _qr_tall(Q, R, grad_Q, grad_R)
    left, right = grad_R.narrow(-1, 0, rows), grad_R.narrow(-1, rows, columns - rows)
    rest = A.narrow(-1, rows, columns - rows)
    first = _qr_tall(Q, R.narrow(-1, 0, rows), grad_Q + rest @ adjoint(right), left)
    return OPS["cat"].call([first, Q @ right], -1)


@foreign(namespaces="linalg", outputs=("Q", "R"), out=True, grad=_qr_gradient)
def qr(A, mode: str = "reduced"):
    """Q R = A with orthonormal columns of Q and upper triangular R. mode: "reduced", "complete" or "r" (only R)."""
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(f"linalg.qr: qr received unrecognized mode '{mode}' but expected one of 'reduced' "
                           "(default), 'r', or 'complete'")
    matrices = array("linalg.qr", A)
    if mode == "r":
        return result(np.empty(0, matrices.dtype)), result(np.linalg.qr(matrices, "r"), columns=True)
    q, r = np.linalg.qr(matrices, "complete" if mode == "complete" else "reduced")
    return result(q, columns=True), result(r, columns=True)


@composite(outputs=("Q", "R"), name="qr", out=True)
def top_qr(input, some=True):
    """(Q, R) with Q R = input: `linalg.qr` under its old name, reduced when `some`, else complete."""
    return qr.call(input, "reduced" if some else "complete")


def _gaps(values):
    """values[j] - values[i], with ones on the diagonal."""
    return values.unsqueeze(-2) - values.unsqueeze(-1) + eye_like(values)


def _no_diagonal(t):
    return t - OPS["diag_embed"].call(t.diagonal(0, -2, -1))


def _eigh_gradient(grad_eigenvalues, grad_eigenvectors, eigenvalues, eigenvectors):
    v = eigenvectors
    inner = _no_diagonal(adjoint(v) @ grad_eigenvectors) / _gaps(eigenvalues)
    return v @ (inner + OPS["diag_embed"].call(grad_eigenvalues.to(v.dtype))) @ adjoint(v)


@foreign(namespaces="linalg", outputs=("eigenvalues", "eigenvectors"), out=True, grad=_eigh_gradient)
def eigh(A, UPLO: str = "L"):
    """Eigenvalues, ascending, and orthonormal eigenvectors of symmetric or Hermitian matrices, of which one triangle
    is read."""
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"linalg.eigh: Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    values, vectors = np.linalg.eigh(array("linalg.eigh", A, True), "U" if UPLO.upper() == "U" else "L")
    return result(values), result(vectors, columns=True)


@composite(namespaces="linalg", out=True)
def eigvalsh(A, UPLO="L"):
    """Eigenvalues of symmetric or Hermitian matrices, real and ascending: (..., N, N) -> (..., N).

    Only the triangle that `UPLO` names, "L" or "U", is read.
    """
    return eigh.call(A, UPLO)[0]


def _eig_gradient(grad_eigenvalues, grad_eigenvectors, A, eigenvalues, eigenvectors):
    v, vh = eigenvectors, adjoint(eigenvectors)
    inner = vh @ grad_eigenvectors
    inner = inner - (vh @ v) @ OPS["diag_embed"].call(inner.diagonal(0, -2, -1).real.to(v.dtype))
    inner = _no_diagonal(inner) / _gaps(eigenvalues).conj() + OPS["diag_embed"].call(grad_eigenvalues)
    full = solve.call(vh, inner @ vh)
    return full if A.dtype.is_complex else full.real


@foreign(namespaces="linalg", outputs=("eigenvalues", "eigenvectors"), out=True, grad=_eig_gradient)
def eig(A):
    """(eigenvalues, eigenvectors) of square matrices: (..., N, N) -> complex (..., N), (..., N, N), A V = V diag(L).

    Vectors are columns of norm 1, in the order of LAPACK.
    """
    values, vectors = np.linalg.eig(array("linalg.eig", A, True))
    d = A.dtype.to_complex().numpy
    return result(values, d), result(vectors, d, True)


@composite(namespaces="linalg", out=True)
def eigvals(A):
    """Complex eigenvalues of square matrices: (..., N, N) -> (..., N), in no order."""
    return eig.call(A)[0]


def _svd_gradient(grad_U, grad_S, grad_Vh, A, U, S, Vh):
    k = S.shape[-1]
    u, grad_u = U.narrow(-1, 0, k), grad_U.narrow(-1, 0, k)
    vh, grad_vh = Vh.narrow(-2, 0, k), grad_Vh.narrow(-2, 0, k)
    v, grad_v = adjoint(vh), adjoint(grad_vh)
    s = S.to(A.dtype)
    squares = _gaps(S * S)
    uu, vv = adjoint(u) @ grad_u, adjoint(v) @ grad_v
    inner = _no_diagonal(uu - adjoint(uu)) / squares * s.unsqueeze(-2)
    inner = inner + s.unsqueeze(-1) * (_no_diagonal(vv - adjoint(vv)) / squares)
    middle = grad_S.to(A.dtype)
    if A.dtype.is_complex:
        turn = uu.diagonal(0, -2, -1).imag / S
        middle = middle + OPS["complex"].call(turn * 0, turn)
    total = u @ (inner + OPS["diag_embed"].call(middle)) @ vh
    if A.shape[-2] > k:
        total = total + (grad_u - u @ uu) / s.unsqueeze(-2) @ vh
    if A.shape[-1] > k:
        total = total + (u / s.unsqueeze(-2)) @ adjoint(grad_v - v @ vv)
    return total


def _values_gradient(grad, A):
    u, _, vh = svd_matrices.call(A, False)
    return (u * grad.to(A.dtype).unsqueeze(-2)) @ vh


@foreign(name="_svd", method=False, outputs=("U", "S", "Vh"), grad=_svd_gradient)
def svd_matrices(A, full_matrices: bool):
    """U diag(S) Vh = A."""
    try:
        u, s, vh = np.linalg.svd(array("linalg.svd", A), full_matrices=bool(full_matrices))
    except np.linalg.LinAlgError:
        raise LinAlgError("linalg.svd: The algorithm failed to converge because the input matrix contained non-finite "
                          "values.") from None
    return result(u, columns=True), result(s), result(vh, columns=True)


@composite(outputs=("U", "S", "Vh"), namespaces="linalg", out=True)
def svd(A, full_matrices=True, *, driver=None):
    """U diag(S) Vh = A with orthonormal columns in U and rows in Vh, S descending."""
    if driver is not None:
        raise RuntimeError(f"linalg.svd: keyword argument `driver=` is only supported on CUDA inputs, got {driver!r}")
    from ..results import named_results
    return named_results("linalg_svd", ("U", "S", "Vh"))(svd_matrices.call(A, full_matrices))


@foreign(name="_svdvals", method=False, grad=_values_gradient)
def singular_values(A):
    """Singular values, descending."""
    return result(np.linalg.svd(array("linalg.svdvals", A), compute_uv=False))


@composite(namespaces="linalg", out=True)
def svdvals(A, *, driver=None):
    """Singular values of matrices, descending: (..., M, N) -> (..., min(M, N))."""
    return singular_values.call(A)


@composite(outputs=("U", "S", "V"), name="svd", out=True)
def top_svd(input, some=True, compute_uv=True):
    """U diag(S) V^H = input: `linalg.svd`, but with V itself; U and V are zeros unless `compute_uv`."""
    from ..creation import zeros
    from ..results import named_results
    pack = named_results("svd", ("U", "S", "V"))
    if not compute_uv:
        u, v = (zeros(*input.shape[:-2], n, n, dtype=input.dtype, device=input.device) for n in input.shape[-2:])
        return pack((u, svdvals.call(input), v))
    u, s, vh = svd_matrices.call(input, not some)
    return pack((u, s, adjoint(vh)))


# ------------------------------------------------------------------ pseudoinverse

def _pinv_gradient(grad, A, result):
    p, ph, gh = result, adjoint(result), adjoint(grad)
    rest_left, rest_right = gh - A @ (p @ gh), gh - (gh @ p) @ A
    return -(ph @ grad @ ph) + (rest_left @ p) @ ph + ph @ (p @ rest_right)


@foreign(name="_pinv", method=False, grad=_pinv_gradient)
def pinv_matrices(A, atol, rtol, hermitian: bool):
    """Pseudoinverse; singular values up to max(atol, rtol * largest) count as zero. atol, rtol: tensors."""
    matrices = array("linalg.pinv", A)
    if matrices.size == 0:
        return result(np.zeros((*matrices.shape[:-2], matrices.shape[-1], matrices.shape[-2]), matrices.dtype))
    if hermitian:
        s, v = np.linalg.eigh(matrices)
        u, vh = v, np.conj(np.swapaxes(v, -2, -1))
    else:
        u, s, vh = np.linalg.svd(matrices, full_matrices=False)
    size = np.abs(s)
    bound = np.maximum(atol.numpy()[..., None], rtol.numpy()[..., None] * size.max(-1, keepdims=True))
    inverse_ = np.where(size > bound, 1 / np.where(size > bound, s, 1), 0).astype(s.dtype)
    return result((np.conj(np.swapaxes(vh, -2, -1)) * inverse_[..., None, :]) @ np.conj(np.swapaxes(u, -2, -1)),
                  matrices.dtype)
