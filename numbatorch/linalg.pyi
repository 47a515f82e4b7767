# Written from the op table by `python -m numbatorch.reference --write`: not to be edited.
from builtins import bool as _bool, complex as _complex, float as _float, int as _int
from collections.abc import Callable as _Callable, Iterator as _Iterator, Sequence as _Sequence
from typing import Any, Literal as _Literal, NamedTuple as _NamedTuple, SupportsIndex, TypeAlias as _TypeAlias, overload

from .formats import layout_type as _layout_type, memory_format as _memory_format
from .dtypes import dtype as _dtype
from .generator import Generator
from .tensor import _DeviceLike, _Ints, _Number, _Size, Tensor, _linalg_cholesky_ex_result, _linalg_eig_result, _linalg_eigh_result, _linalg_inv_ex_result, _linalg_ldl_factor_ex_result, _linalg_ldl_factor_result, _linalg_lstsq_result, _linalg_lu_factor_ex_result, _linalg_lu_factor_result, _linalg_lu_result, _linalg_qr_result, _linalg_svd_result, _slogdet_result

from .errors import LinAlgError as LinAlgError
def cholesky(A: Tensor, *, upper: _bool = False, out: Tensor | None = None) -> Tensor:
    """Lower triangular L with A = L L^H (the upper one, L^H, when `upper`)."""
def cholesky_ex(A: Tensor, *, upper: _bool = False, check_errors: _bool = False, out: tuple[Tensor, ...] | None = None) -> _linalg_cholesky_ex_result:
    """(L, info): info is nonzero where a matrix is not positive definite."""
def cond(A: Tensor, p: _float | str | None = None, *, out: Tensor | None = None) -> Tensor:
    """Condition number: the norm of A times that of its inverse; for p None, 2 and -2 from singular values."""
def cross(input: Tensor, other: Tensor | _Number, *, dim: _Ints = -1, out: Tensor | None = None) -> Tensor:
    """Vector product of 3-vectors along `dim`; the other dimensions broadcast."""
def det(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Determinant of square matrices: (..., N, N) -> (...); 1 of (0, 0)."""
def diagonal(A: Tensor, *, offset: _int = 0, dim1: _int = -2, dim2: _int = -1) -> Tensor:
    """Diagonals of matrices as the last dimension, a view: (..., M, N) -> (..., min(M, N)) for offset 0."""
def eig(A: Tensor, *, out: tuple[Tensor, ...] | None = None) -> _linalg_eig_result:
    """(eigenvalues, eigenvectors) of square matrices: (..., N, N) -> complex (..., N), (..., N, N), A V = V diag(L)."""
def eigh(A: Tensor, UPLO: str = 'L', *, out: tuple[Tensor, ...] | None = None) -> _linalg_eigh_result:
    """Eigenvalues, ascending, and orthonormal eigenvectors of symmetric or Hermitian matrices, of which one triangle is read."""
def eigvals(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Complex eigenvalues of square matrices: (..., N, N) -> (..., N), in no order."""
def eigvalsh(A: Tensor, UPLO: str = 'L', *, out: Tensor | None = None) -> Tensor:
    """Eigenvalues of symmetric or Hermitian matrices, real and ascending: (..., N, N) -> (..., N)."""
def householder_product(A: Tensor, tau: Any, *, out: Tensor | None = None) -> Tensor:
    """The first n columns of H1 H2 ... Hk: (..., m, n) with reflectors in A (..., m, n) and tau (..., k)."""
def inv(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Inverse of square matrices (..., N, N): A @ inv(A) is the identity."""
def inv_ex(A: Tensor, *, check_errors: _bool = False, out: tuple[Tensor, ...] | None = None) -> _linalg_inv_ex_result:
    """(inverse, info): info is nonzero where the matrix is singular."""
def ldl_factor(A: Tensor, *, hermitian: _bool = False, out: tuple[Tensor, ...] | None = None) -> _linalg_ldl_factor_result:
    """(LD, pivots) as `linalg.ldl_factor_ex`."""
def ldl_factor_ex(A: Tensor, *, hermitian: _bool = False, check_errors: _bool = False, out: tuple[Tensor, ...] | None = None) -> _linalg_ldl_factor_ex_result:
    """(LD, pivots, info) of symmetric (`hermitian`: Hermitian) matrices, of which the lower triangles are read."""
def ldl_solve(LD: Tensor, pivots: Tensor, B: Tensor, *, hermitian: _bool = False, out: Tensor | None = None) -> Tensor:
    """X with A X = B for (..., n, k) matrices B, A factored by `linalg.ldl_factor` with the same `hermitian`."""
def lstsq(A: Tensor, B: Tensor, rcond: Any = None, *, driver: Any = None, out: tuple[Tensor, ...] | None = None) -> _linalg_lstsq_result:
    """(solution, residuals, rank, singular_values) of min |A X - B|; B may be vectors."""
def lu(A: Tensor, *, pivot: _bool = True, out: tuple[Tensor, ...] | None = None) -> _linalg_lu_result:
    """(P, L, U) with A = P L U: a permutation, a lower unit triangular and an upper triangular matrix."""
def lu_factor(A: Tensor, *, pivot: _bool = True, out: tuple[Tensor, ...] | None = None) -> _linalg_lu_factor_result:
    """(LU, pivots): L below the diagonal, whose ones are left out, U above."""
def lu_factor_ex(A: Tensor, *, pivot: _bool = True, check_errors: _bool = False, out: tuple[Tensor, ...] | None = None) -> _linalg_lu_factor_ex_result:
    """(LU, pivots, info) as `linalg.lu_factor`; info names the first zero pivot instead of an error."""
def lu_solve(LU: Tensor, pivots: Tensor, B: Tensor, *, left: _bool = True, adjoint: _bool = False, out: Tensor | None = None) -> Tensor:
    """X with A X = B (X A = B unless `left`), A given by `linalg.lu_factor`; A^H in its place with `adjoint`."""
def matmul(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """Matrix product of vectors, matrices and batches of them, broadcast over the leading dimensions."""
def matrix_exp(input: Tensor) -> Tensor:
    """exp of square matrices: scaling and squaring around a Taylor polynomial of degree 18, in double precision."""
def matrix_norm(A: Tensor, ord: _float | str = 'fro', dim: _Ints = (-2, -1), keepdim: _bool = False, *, dtype: _dtype | None = None, out: Tensor | None = None) -> Tensor:
    """Norm of matrices: 'fro', 'nuc' (sum of singular values), 2 and -2 (largest, smallest singular value), 1 and -1 (largest, smallest column sum of |A|), inf and -inf (row sums)."""
def matrix_power(input: Tensor, n: _int, *, out: Tensor | None = None) -> Tensor:
    """The n-th power of square matrices (..., N, N), by repeated squaring; of their inverse for negative n."""
def matrix_rank(A: Tensor, tol: Any = None, hermitian: _bool = False, *, atol: _float | None = None, rtol: _float | None = None, out: Tensor | None = None) -> Tensor:
    """How many singular values exceed max(atol, rtol * largest): (..., M, N) -> int64 (...)."""
def multi_dot(tensors: _Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Product of several matrices in the cheapest order; the first and last may be vectors."""
def norm(A: Tensor, ord: _float | str | None = None, dim: _Ints | None = None, keepdim: _bool = False, *, dtype: _dtype | None = None, out: Tensor | None = None) -> Tensor:
    """Vector norm of all elements or over one `dim`, matrix norm over two; a given `ord` also makes 2-d inputs matrices."""
def pinv(A: Tensor, rcond: Any = None, hermitian: _bool = False, *, atol: _float | None = None, rtol: _float | None = None, out: Tensor | None = None) -> Tensor:
    """Pseudoinverse."""
def qr(A: Tensor, mode: str = 'reduced', *, out: tuple[Tensor, ...] | None = None) -> _linalg_qr_result:
    """Q R = A with orthonormal columns of Q and upper triangular R. mode: 'reduced', 'complete' or 'r' (only R)."""
def slogdet(A: Tensor, *, out: tuple[Tensor, ...] | None = None) -> _slogdet_result:
    """(sign, log |det|) of square matrices, (..., N, N) -> two of (...): det without overflow; (0, -inf) of singular ones."""
def solve(A: Tensor, B: Tensor, *, left: _bool = True, out: Tensor | None = None) -> Tensor:
    """X with A X = B, or X A = B when not `left`; B may be vectors."""
def solve_ex(A: Tensor, B: Tensor, *, left: _bool = True, check_errors: _bool = False, out: tuple[Tensor, ...] | None = None) -> tuple[Tensor, Tensor]:
    """(result, info) of `linalg.solve`: info is nonzero where A is singular."""
def solve_triangular(A: Tensor, B: Tensor, *, upper: _float, left: _bool = True, unitriangular: _bool = False, out: Tensor | None = None) -> Tensor:
    """X with A X = B (X A = B when not `left`) for triangular A; the other triangle is not read."""
def svd(A: Tensor, full_matrices: _bool = True, *, driver: Any = None, out: tuple[Tensor, ...] | None = None) -> _linalg_svd_result:
    """U diag(S) Vh = A with orthonormal columns in U and rows in Vh, S descending."""
def svdvals(A: Tensor, *, driver: Any = None, out: Tensor | None = None) -> Tensor:
    """Singular values of matrices, descending: (..., M, N) -> (..., min(M, N))."""
def tensorinv(A: Tensor, ind: _int = 2, *, out: Tensor | None = None) -> Tensor:
    """The tensor X with tensordot(X, A, ind) the identity: `A` of shape (*rows, *columns), `ind` rows, gives (*columns, *rows)."""
def tensorsolve(A: Tensor, B: Tensor, dims: _Ints | None = None, *, out: Tensor | None = None) -> Tensor:
    """The tensor X with tensordot(A, X) = B, X.ndim dimensions summed: A (*B.shape, *X.shape)."""
def vander(x: Any, N: Any = None) -> Tensor:
    """Vandermonde matrices: (..., K) -> (..., K, N), columns 1, x, x², ..., x^(N-1); N is K when None."""
def vecdot(x: Any, y: Any, *, dim: _Ints = -1, out: Tensor | None = None) -> Tensor:
    """sum of conj(x) y along `dim`; x and y broadcast."""
def vector_norm(x: Any, ord: _float | str = 2, dim: _Ints | None = None, keepdim: _bool = False, *, dtype: _dtype | None = None, out: Tensor | None = None) -> Tensor:
    """(sum |x|^ord)^(1/ord) over `dim`, of all elements when None; max |x| for inf, min for -inf, nonzeros for 0."""
