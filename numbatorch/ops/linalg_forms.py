"""Linear algebra made of the factorisations in linalg.py: norms, ranks, powers, least squares, chains of products."""

from .. import dtypes
from ..errors import LinAlgError
from ..layout import wrap_dim
from .declare import OPS, composite
from .linalg import (
    adjoint,
    array,
    by_columns,
    cholesky,
    eigh,
    eye_like,
    inv,
    inverse,
    pinv_matrices,
    singular_values,
    solve,
    solve_matrices,
    solve_triangular,
)
from .reduce_forms import vector_norm_of


def _named(name, fields, values):
    from ..results import named_results
    return named_results(name, fields)(values)


# ------------------------------------------------------------------ norms

@composite(namespaces="linalg", out=True)
def vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None):
    """(sum |x|^ord)^(1/ord) over `dim`, of all elements when None; max |x| for inf, min for -inf, nonzeros for 0."""
    return vector_norm_of(x, ord, dim, keepdim, dtype)


def _matrix_dims(name, ndim, dim):
    if len(dim) != 2:
        raise RuntimeError(f"{name}: dim must be a 2-tuple, got {dim}")
    rows, columns = (wrap_dim(d, ndim) for d in dim)
    if rows == columns:
        raise RuntimeError(f"{name}: dims must be different, got ({dim[0]}, {dim[1]})")
    return rows, columns


def _largest(values, dim, keepdim=False):
    """The maximum of values that are not negative: 0 of none."""
    return values.amax(dim, keepdim) if values.shape[dim] else values.sum(dim, keepdim)


@composite(namespaces="linalg", out=True)
def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None):
    """Norm of matrices: "fro", "nuc" (sum of singular values), 2 and -2 (largest, smallest singular value), 1 and -1
    (largest, smallest column sum of |A|), inf and -inf (row sums)."""
    if A.ndim < 2:
        raise RuntimeError(f"linalg.matrix_norm: The input tensor A must have at least 2 dimensions, got {A.ndim}")
    if A.dtype.category < dtypes.FLOAT:
        raise RuntimeError(f"linalg.matrix_norm: Expected a floating point or complex tensor as input. Got {A.dtype}")
    rows, columns = _matrix_dims("linalg.matrix_norm", A.ndim, tuple(dim))
    if dtype is not None:
        A = A.to(dtype)
    if ord == "fro":
        return vector_norm_of(A, 2.0, (rows, columns), keepdim)
    if ord == "nuc" or ord in (2, -2):
        values = singular_values.call(OPS["movedim"].call(A, (rows, columns), (-2, -1)))
        value = values.sum(-1) if ord == "nuc" else _largest(values, -1) if ord == 2 else values.amin(-1)
        if keepdim:
            for d in sorted((rows, columns)):
                value = value.unsqueeze(d)
        return value
    if isinstance(ord, str) or abs(ord) not in (1, float("inf")):
        kind = RuntimeError if isinstance(ord, str) else ValueError
        raise kind(f"linalg.matrix_norm: Order {ord} not supported.")
    summed, kept = (rows, columns) if abs(ord) == 1 else (columns, rows)
    sums = A.abs().sum(summed, True)
    value = _largest(sums, kept, True) if ord > 0 else sums.amin(kept, True)
    if keepdim:
        return value
    for d in sorted((rows, columns), reverse=True):
        value = value.squeeze(d)
    return value


@composite(namespaces="linalg", out=True)
def norm(A, ord=None, dim=None, keepdim=False, *, dtype=None):
    """Vector norm of all elements or over one `dim`, matrix norm over two; a given `ord` also makes 2-d inputs
    matrices."""
    if ord is None:
        return vector_norm_of(A, 2.0, dim, keepdim, dtype)
    if dim is not None:
        dims = (dim,) if isinstance(dim, int) else tuple(dim)
        if len(dims) not in (1, 2):
            raise RuntimeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dims)}")
        if len(dims) == 2:
            return matrix_norm.call(A, ord, dims, keepdim, dtype=dtype)
    elif A.ndim not in (1, 2):
        raise RuntimeError(f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got "
                           f"{A.ndim}D.")
    elif A.ndim == 2:
        return matrix_norm.call(A, ord, (-2, -1), keepdim, dtype=dtype)
    if isinstance(ord, str):
        raise RuntimeError(f"linalg.norm: Order {ord} not supported for vectors")
    return vector_norm_of(A, ord, dim, keepdim, dtype)


@composite(out=True, method=False)
def nuclear_norm(input, dim=None, keepdim=False):
    """Sum of the singular values of matrices in the two dimensions `dim`, the last when None: `linalg.matrix_norm`."""
    if isinstance(dim, bool):  # nuclear_norm(input, keepdim)
        dim, keepdim = None, dim
    return matrix_norm.call(input, "nuc", (-2, -1) if dim is None else dim, keepdim)


@composite(out=True, method=False)
def frobenius_norm(input, dim, keepdim=False):
    """Root of the sum of squares over one or two `dim` (over all for an empty tuple): `linalg.vector_norm`."""
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    if len(dims) > 2:
        raise RuntimeError(f"frobenius_norm: expected at most 2 dimensions, but got {len(dims)} dimensions instead: "
                           f"dim={dim}; linalg.vector_norm takes any number")
    return vector_norm_of(input, 2.0, dims or None, keepdim)


@composite(method=False)
def native_norm(input, p=2, dim=None, keepdim=False, dtype=None):
    """What PyTorch runs `norm` of sparse tensors with. NotImplementedError, as PyTorch's for dense ones."""
    raise NotImplementedError("native_norm: only sparse tensors have it, and numbatorch has none; use "
                              "linalg.vector_norm")


@composite(namespaces="linalg", out=True)
def cond(A, p=None):
    """Condition number: the norm of A times that of its inverse; for p None, 2 and -2 from singular values."""
    if p is None or p in (2, -2):
        values = singular_values.call(A)
        large, small = values.select(-1, 0), values.select(-1, values.shape[-1] - 1)
        return small / large if p == -2 else large / small
    array("linalg.cond", A, True)
    try:
        inverse_ = inv.call(A)
    except RuntimeError:
        return matrix_norm.call(A, p) * float("inf")
    return matrix_norm.call(A, p) * matrix_norm.call(inverse_, p)


# ------------------------------------------------------------------ pseudoinverse, rank, least squares

def _tolerance(A, value, default):
    from ..creation import full
    own = A.dtype.to_real()
    if hasattr(value, "_layout"):
        return value.detach().to(own)
    return full((), default if value is None else float(value), dtype=own, device=A.device)


def _tolerances(A, atol, rtol):
    """Absolute and relative bounds; relative max(m, n) eps unless one is given."""
    default = max(A.shape[-2:]) * dtypes.finfo(A.dtype.to_real()).eps if atol is None else 0.0
    return _tolerance(A, atol, 0.0), _tolerance(A, rtol, default)


@composite(namespaces="linalg", out=True)
def pinv(A, rcond=None, hermitian=False, *, atol=None, rtol=None):
    """Pseudoinverse. Singular values up to max(atol, rtol * largest) count as zero; rtol is max(m, n) eps when neither
    is given."""
    array("linalg.pinv", A, hermitian)
    return pinv_matrices.call(A, *_tolerances(A, atol, rcond if rtol is None else rtol), bool(hermitian))


@composite(aliases=())
def pinverse(input, rcond=1e-15):
    """The pseudoinverse, (..., M, N) -> (..., N, M); singular values up to rcond * largest count as zero."""
    return pinv.call(input, rcond)


@composite(namespaces="linalg", out=True)
def matrix_rank(A, tol=None, hermitian=False, *, atol=None, rtol=None):
    """How many singular values exceed max(atol, rtol * largest): (..., M, N) -> int64 (...)."""
    array("linalg.matrix_rank", A, hermitian)
    A = A.detach()
    values = eigh.call(A)[0].abs() if hermitian else singular_values.call(A)
    if not values.shape[-1]:
        return values.sum(-1).to(dtypes.int64)
    atol, rtol = _tolerances(A, tol if atol is None else atol, rtol)
    bound = OPS["maximum"].call(atol.unsqueeze(-1), rtol.unsqueeze(-1) * values.amax(-1, True))
    return (values > bound).sum(-1)


def _in_rows(x, rows):
    """x laid out by columns as the first of `rows` rows, where LAPACK leaves a solution."""
    missing = rows - x.shape[-2]
    if missing:
        x = OPS["cat"].call([x, x.new_zeros((*x.shape[:-2], missing, x.shape[-1]))], -2)
    return by_columns(x).narrow(-2, 0, rows - missing)


@composite(outputs=("solution", "residuals", "rank", "singular_values"), namespaces="linalg", out=True)
def lstsq(A, B, rcond=None, *, driver=None):
    """(solution, residuals, rank, singular_values) of min |A X - B|; B may be vectors.

    Residuals are empty unless A has full rank and more rows than columns.
    """
    array("linalg.lstsq", A)
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(f"linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss), got "
                           f"{driver}")
    if A.dtype is not B.dtype:
        raise RuntimeError(f"linalg.lstsq: Expected input and other to have the same dtype, but got {A.dtype} and "
                           f"{B.dtype}")
    if B.ndim < 1:
        raise RuntimeError("linalg.lstsq: other must have at least 1 dimension")
    vector = B.ndim == A.ndim - 1 and tuple(B.shape) == tuple(A.shape[:-1])
    right = B.unsqueeze(-1) if vector else B
    if right.shape[-2:-1] != A.shape[-2:-1]:
        raise RuntimeError(f"linalg.lstsq: input.size(-2) should match other.size(-2), got {tuple(A.shape)} and "
                           f"{tuple(B.shape)}")
    x = _in_rows(pinv.call(A, rcond) @ right, max(A.shape[-2:]))
    from ..creation import empty
    rank = matrix_rank.call(A, rtol=rcond) if driver != "gels" else empty(0, dtype=dtypes.int64, device=A.device)
    residuals = x.abs().reshape(-1).narrow(0, 0, 0)
    if A.shape[-2] > A.shape[-1] and (driver == "gels" or bool((rank == A.shape[-1]).all())) and driver != "gelsy":
        difference = (A @ x - right).abs()
        residuals = (difference * difference).sum(-2)
    values = singular_values.call(A.detach()) if driver in ("gelsd", "gelss") else empty(
        0, dtype=A.dtype.to_real(), device=A.device)
    return _named("linalg_lstsq", ("solution", "residuals", "rank", "singular_values"),
                  (x.squeeze(-1) if vector else x, residuals, rank, values))


# ------------------------------------------------------------------ with a report instead of an error

@composite(outputs=("inverse", "info"), namespaces="linalg", out=True)
def inv_ex(A, *, check_errors=False):
    """(inverse, info): info is nonzero where the matrix is singular."""
    return _reported("linalg_inv_ex", ("inverse", "info"), A, lambda: inv.call(A), check_errors)


def _reported(name, fields, A, function, check_errors):
    from ..creation import full
    array(name, A, True)
    info = 0
    try:
        value = function()
    except LinAlgError:
        if check_errors:
            raise
        value, info = A.detach() * float("nan"), 1
    return _named(name, fields, (value, full(tuple(A.shape[:-2]), info, dtype=dtypes.int32, device=A.device)))


@composite(outputs=("L", "info"), namespaces="linalg", out=True)
def cholesky_ex(A, *, upper=False, check_errors=False):
    """(L, info): info is nonzero where a matrix is not positive definite."""
    return _reported("linalg_cholesky_ex", ("L", "info"), A, lambda: cholesky.call(A, upper=upper), check_errors)


@composite(outputs=("result", "info"), namespaces="linalg", out=True)
def solve_ex(A, B, *, left=True, check_errors=False):
    """(result, info) of `linalg.solve`: info is nonzero where A is singular."""
    return _reported("linalg_solve_ex", ("result", "info"), A, lambda: solve.call(A, B, left=left), check_errors)


# ------------------------------------------------------------------ powers and products

@composite(name="matrix_power", namespaces=("", "linalg"), out=True)
def matrix_power(input, n):
    """The n-th power of square matrices (..., N, N), by repeated squaring; of their inverse for negative n.

    LinAlgError for a negative power of a singular matrix.
    """
    array("linalg.matrix_power", input, True)
    if n < 0:
        input, n = inv.call(input), -n
    if n == 0:
        return OPS["where"].call(OPS["isnan"].call(input.detach()) & False, input, eye_like(input))  # stays on the tape
    result = None
    while n:
        if n & 1:
            result = input if result is None else result @ input
        n >>= 1
        if n:
            input = input @ input
    return result if result is not input else result.clone()


@composite(namespaces=("", "linalg"))
def matrix_exp(input):
    """exp of square matrices: scaling and squaring around a Taylor polynomial of degree 18, in double precision."""
    array("linalg.matrix_exp", input.to(input.dtype.wide), True)
    if not input.numel():
        return input.clone()
    own = input.dtype
    input = input.cdouble() if input.is_complex() else input.double()
    largest = float(input.detach().abs().sum(-1).amax())
    squarings = 0
    while largest > 0.5 * 2**squarings and squarings < 60:
        squarings += 1
    scaled = input / 2.0**squarings
    term = result = eye_like(input).expand(input.shape)
    for k in range(1, 19):
        term = term @ scaled / k
        result = result + term
    for _ in range(squarings):
        result = result @ result
    return result.to(own)


def _cheapest(sizes):
    """Where to split each chain of products (i, j): the classic dynamic programme over multiplication counts."""
    n = len(sizes) - 1
    cost, split = {(i, i): 0 for i in range(n)}, {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i, j], split[i, j] = min(
                (cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j))
    return split


@composite(namespaces="linalg", method=False, out=True)
def multi_dot(tensors):
    """Product of several matrices in the cheapest order; the first and last may be vectors."""
    tensors = list(tensors)
    if len(tensors) < 2:
        raise RuntimeError(f"linalg.multi_dot: expected at least 2 tensors but got {len(tensors)}")
    first, last = tensors[0].ndim == 1, tensors[-1].ndim == 1
    if first:
        tensors[0] = tensors[0].unsqueeze(0)
    if last:
        tensors[-1] = tensors[-1].unsqueeze(-1)
    for k, t in enumerate(tensors):
        if t.ndim != 2:
            raise RuntimeError(f"linalg.multi_dot: tensor {k} must be 2D but got {t.ndim}D")
        if t.dtype is not tensors[0].dtype:
            raise RuntimeError(f"linalg.multi_dot: all tensors must have be the same dtype but tensor 0 is "
                               f"{tensors[0].dtype} and tensor {k} {t.dtype}")
        if k and tensors[k - 1].shape[1] != t.shape[0]:
            raise RuntimeError(f"linalg.multi_dot: tensors {k - 1} and {k} with shapes {list(tensors[k - 1].shape)} "
                               f"and {list(t.shape)} cannot be multiplied")
    split = _cheapest([tensors[0].shape[0], *(t.shape[1] for t in tensors)])

    def product(i, j):
        return tensors[i] if i == j else product(i, split[i, j]) @ product(split[i, j] + 1, j)
    result = product(0, len(tensors) - 1)
    if last:
        result = result.squeeze(-1)
    return result.squeeze(0) if first else result


@composite(method=False)
def chain_matmul(*matrices):
    """Product of matrices in the cheapest order: `linalg.multi_dot`."""
    return matrices[0] if len(matrices) == 1 else multi_dot.call(matrices)


def _cross(input, other, dim):
    turn = OPS["roll"].call
    return turn(input, -1, dim) * turn(other, -2, dim) - turn(input, -2, dim) * turn(other, -1, dim)


@composite(name="cross", namespaces="linalg", out=True)
def linalg_cross(input, other, *, dim=-1):
    """Vector product of 3-vectors along `dim`; the other dimensions broadcast."""
    if input.ndim != other.ndim:
        raise RuntimeError(f"linalg.cross: inputs must have the same number of dimensions, got {input.ndim} and "
                           f"{other.ndim}")
    dim = wrap_dim(dim, input.ndim)
    if input.shape[dim] != 3 or other.shape[dim] != 3:
        raise RuntimeError(f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.shape[dim]} and "
                           f"{other.shape[dim]}")
    input, other = OPS["broadcast_tensors"].call(input, other)
    return _cross(input, other, dim)


@composite(out=True)
def cross(input, other, dim=None):
    """Vector product of 3-vectors along `dim`, the first dimension of size 3 when None."""
    if dim is None:
        dim = next((d for d, n in enumerate(input.shape) if n == 3), None)
        if dim is None:
            raise RuntimeError(f"cross: no dimension of size 3 in input (shape {tuple(input.shape)})")
    return linalg_cross.call(input, other, dim=dim)


def _powers(x, n, increasing):
    from ..creation import ones
    column = x.unsqueeze(-1)
    first = ones(*column.shape, dtype=x.dtype, device=x.device)
    parts = [first] if n else []
    if n > 1:
        parts.append(OPS["cumprod"].call(column.expand(*x.shape, n - 1), -1))
    if not parts:
        return first.narrow(-1, 0, 0)
    result = OPS["cat"].call(parts, -1)
    return result if increasing else OPS["flip"].call(result, (-1,))


@composite(namespaces="linalg")
def vander(x, N=None):
    """Vandermonde matrices: (..., K) -> (..., K, N), columns 1, x, x², ..., x^(N-1); N is K when None."""
    x = x.unsqueeze(-1) if x.ndim == 0 else x
    if N is not None and N <= 1:
        raise RuntimeError(f"linalg.vander: N must be greater than 1, got {N}")
    return _powers(x.to(dtypes.int64) if x.dtype.category < dtypes.FLOAT else x, x.shape[-1] if N is None else N, True)


@composite(name="vander", method=False)
def top_vander(x, N=None, increasing=False):
    """Columns x^(N-1), ..., x, 1 of a vector; in the other order when `increasing`."""
    if x.ndim != 1:
        raise RuntimeError(f"vander: x must be a one-dimensional tensor, got {x.ndim} dimensions")
    return _powers(x.to(dtypes.int64) if x.dtype.category < dtypes.FLOAT else x, x.shape[0] if N is None else N,
                   increasing)


@composite(name="vecdot", namespaces="linalg", out=True)
def vecdot(x, y, *, dim=-1):
    """sum of conj(x) y along `dim`; x and y broadcast."""
    return ((x.conj() if x.dtype.is_complex else x) * y).sum(dim)


@composite(name="diagonal", namespaces="linalg")
def diagonal(A, *, offset=0, dim1=-2, dim2=-1):
    """Diagonals of matrices as the last dimension, a view: (..., M, N) -> (..., min(M, N)) for offset 0."""
    return A.diagonal(offset, dim1, dim2)


@composite(namespaces="linalg", out=True)
def tensorinv(A, ind=2):
    """The tensor X with tensordot(X, A, ind) the identity: `A` of shape (*rows, *columns), `ind` rows, gives
    (*columns, *rows).
    """
    if ind <= 0:
        raise RuntimeError(f"linalg.tensorinv: Expected a strictly positive integer for 'ind', got {ind}")
    lead, rest = tuple(A.shape[:ind]), tuple(A.shape[ind:])
    rows, columns = 1, 1
    for n in lead:
        rows *= n
    for n in rest:
        columns *= n
    if rows != columns:
        raise RuntimeError(f"linalg.tensorinv: Expected self to satisfy the requirement prod(self.shape[ind:]) == "
                           f"prod(self.shape[:ind]), but got {columns} != {rows}")
    return inv.call(A.reshape(rows, columns)).reshape(*rest, *lead)


@composite(namespaces="linalg", out=True)
def tensorsolve(A, B, dims=None):
    """The tensor X with tensordot(A, X) = B, X.ndim dimensions summed: A (*B.shape, *X.shape)."""
    if dims is not None:
        dims = tuple(wrap_dim(d, A.ndim) for d in dims)
        A = A.permute(*(d for d in range(A.ndim) if d not in dims), *dims)
    rest = tuple(A.shape[B.ndim:])
    n = 1
    for size in rest:
        n *= size
    if n != B.numel():
        raise RuntimeError("linalg.tensorsolve: Expected self to satisfy the requirement "
                           f"prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), but got {n} "
                           f"!= {B.numel()}")
    return solve_matrices.call(A.reshape(n, n), B.reshape(n, 1)).reshape(rest)


@composite(out=True)
def cholesky_solve(B, L, upper=False):
    """X with A X = B for A = L L^H (L^H L when `upper`): B (..., N, K), L (..., N, N) -> (..., N, K)."""
    lower = adjoint(L) if upper else L
    half = solve_triangular.call(lower, B, upper=False)
    return solve_triangular.call(adjoint(lower), half, upper=True)


@composite(out=True)
def cholesky_inverse(L, upper=False):
    """Inverse of A = L L^H (L^H L when `upper`) from its Cholesky factor: (..., N, N) -> (..., N, N)."""
    lower = OPS["tril"].call(adjoint(L) if upper else L)
    half = inverse.call(lower)
    return by_columns(adjoint(half) @ half)


