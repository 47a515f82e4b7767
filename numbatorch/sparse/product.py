"""Matrix products with sparse operands.

The loops, and how they undo each other in gradients, are in ops/compressed.py.
"""

from ..autograd.modes import no_grad
from ..autograd.node import FunctionRule, attach, edge, new_node, records
from ..creation import arange, sparse_coo, sparse_csc, sparse_csr
from ..dtypes import int64
from ..ops.declare import OPS
from ..recording import Layouts
from .convert import added, build, coalesce, reformat
from .pattern import BLOCK_FORMATS, TITLES, Pattern, handles, is_sparse, take
from .tensor import assemble, flat_values, make, pick, recorded_values, replace


def _conj(x):
    return x.conj() if x._layout.dtype.is_complex else x


def multiply(pattern, by_rows, values, dense):
    """matrix @ dense, or its transpose @ dense, for values (nnz) at a pattern: (R, C) @ (C, P) -> (R, P)."""
    return OPS["_sparse_mm"].call(values, dense, pattern, by_rows)


def dots(pattern, by_rows, left, right):
    """left @ right.T at the places of a pattern: (R, K), (C, K) -> (nnz)."""
    return OPS["_sparse_dots"].call(left, right, pattern, by_rows)


def _matrix(name, tensor):
    """(pattern, values) of a sparse matrix, its blocks taken apart."""
    pattern = tensor._pattern
    if pattern.dense_dim or pattern.batch_dim or len(pattern.shape) != 2:
        raise RuntimeError(f"{name}: expected a sparse matrix with 2 sparse dimensions, got shape "
                           f"{list(pattern.shape)} "
                           f"with {pattern.batch_dim} batch and {pattern.dense_dim} dense dimensions")
    if pattern.format in BLOCK_FORMATS:
        tensor = reformat(tensor, sparse_csr if pattern.by_rows else sparse_csc)
    return tensor._pattern, recorded_values(tensor)


def _fit(name, left, right):
    a, b = left._layout, right._layout
    if a.ndim != 2 or b.ndim != 2:
        raise RuntimeError(f"{name}: both arguments must be matrices, got shapes {list(a.shape)} and {list(b.shape)}")
    if a.shape[1] != b.shape[0]:
        raise RuntimeError(f"{name}: mat1 and mat2 shapes cannot be multiplied ({a.shape[0]}x{a.shape[1]} and "
                           f"{b.shape[0]}x{b.shape[1]})")
    if a.dtype is not b.dtype:
        raise RuntimeError(f"{name}: expected operands of the same dtype, but got {a.dtype} and {b.dtype}")


@handles("mm", "spmm")
def mm(input, mat2):
    """(N, M) @ (M, P): strided where an operand is strided, sparse where both are sparse."""
    _fit("mm", input, mat2)
    if is_sparse(input) and is_sparse(mat2):
        return _sparse_product(input, mat2)
    if is_sparse(input):
        pattern, values = _matrix("mm", input)
        return multiply(pattern, True, values, mat2)
    pattern, values = _matrix("mm", mat2)
    return multiply(pattern, False, values, input.t()).t()


def _sparse_product(left, right):
    """The product of two sparse matrices: every value of the left one meets the row of the right one that it names."""
    formats = left.layout, right.layout
    a, a_values = _matrix("mm", left)
    b, b_values = _matrix("mm", right)
    rows, columns = a.shape[0], b.shape[1]
    begins, places, order = b.lines(True)
    if a.is_coo:
        row, middle = a.indices[0]
    else:
        row, middle = (a.major(), a.indices[1]) if a.by_rows else (a.indices[1], a.major())
    row, middle, begins = row.to(int64).contiguous(), middle.to(int64).contiguous(), begins.to(int64)
    starts = take(begins, middle)
    ends = (take(begins, middle + 1) - starts).cumsum(0)
    count = ends[-1].item() if ends._layout.numel else 0
    source = OPS["_run_numbers"].call(ends, count)
    met = OPS["_run_places"].call(ends, starts, count)
    numbers = take(row * columns, source) + take(places.to(int64), met)
    if order is not None:
        met = take(order, met)
    numbers, values = added(take(a_values, source) * take(b_values, met), numbers)
    if formats[0] is sparse_coo:
        format = sparse_coo
    else:
        format = sparse_csc if set(formats) == {sparse_csc} else sparse_csr
    return build(format, (rows, columns), 0, None, numbers, values)


@handles("matmul")
def matmul(input, other):
    """As mm for matrices; vectors on either side, batches of 3-d sparse tensors on the left."""
    a, b = input._layout.ndim, other._layout.ndim
    if a == b == 2:
        return mm(input, other)
    if a == 2 and b == 1:
        return mv(input, other)
    if a == 1 and b == 2 and not is_sparse(input):
        return mm(input.unsqueeze(0), other).squeeze(0)
    if a == b == 3:
        return bmm(input, other)
    if b == 2 and not is_sparse(input):
        shape = input.shape
        return mm(input.reshape(-1, shape[-1]), other).reshape(*shape[:-1], other.shape[1])
    raise NotImplementedError(f"matmul: not implemented for layouts {input.layout} and {other.layout} with shapes "
                              f"{list(input.shape)} and {list(other.shape)}")


@handles("mv")
def mv(input, vec):
    """Matrix (N, M) times vector (M), either of them sparse."""
    if input._layout.ndim != 2 or vec._layout.ndim != 1 or input._layout.shape[1] != vec._layout.shape[0]:
        raise RuntimeError(f"mv: size mismatch, got input {tuple(input.shape)}, vec {tuple(vec.shape)}")
    return mm(input, (vec.to_dense() if is_sparse(vec) else vec).unsqueeze(1)).squeeze(1)


@handles("bmm")
def bmm(input, mat2):
    """(B, N, M) sparse @ (B, M, P) strided -> (B, N, P): one matrix with the batches along its diagonal."""
    if not is_sparse(input) or is_sparse(mat2):
        raise NotImplementedError(f"bmm: not implemented for layouts {input.layout} and {mat2.layout}: the first "
                                  "operand must be sparse, the second strided")
    a, b = input._layout, mat2._layout
    if a.ndim != 3 or b.ndim != 3 or a.shape[0] != b.shape[0] or a.shape[2] != b.shape[1] or a.pattern.dense_dim:
        raise RuntimeError(f"bmm: expected (B, N, M) and (B, M, P) without dense dimensions, got {list(a.shape)} and "
                           f"{list(b.shape)}")
    if a.dtype is not b.dtype:
        raise RuntimeError(f"bmm: expected operands of the same dtype, but got {a.dtype} and {b.dtype}")
    if a.pattern.format in BLOCK_FORMATS:
        input = reformat(input, sparse_csr)
    pattern = input._pattern
    batches, n, m = pattern.shape

    def fold():
        cells = pattern.cells()
        batch, rest = cells // max(n * m, 1), cells % max(n * m, 1)
        places = OPS["stack"].call([batch * n + rest // max(m, 1), batch * m + rest % max(m, 1)])
        return Pattern(sparse_coo, (batches * n, batches * m), (places,), 0, None,
                       pattern.coalesced if pattern.is_coo else pattern.by_rows)
    values = flat_values(recorded_values(input), pattern)
    p = b.shape[2]
    return multiply(pattern.derive("folded", fold), True, values, mat2.reshape(batches * m, p)).reshape(batches, n, p)


def _scaled(input, beta, product, alpha):
    product = product if alpha == 1 else product * alpha
    if beta == 0:
        return product
    return (input if beta == 1 else input * beta) + product


@handles("addmm")
def addmm(input, mat1, mat2, beta=1, alpha=1):
    """beta * input + alpha * mat1 @ mat2; all three sparse, or input strided and one of the matrices."""
    if not (is_sparse(mat1) or is_sparse(mat2)):
        raise NotImplementedError(f"addmm: not implemented for {TITLES[input.layout.name]} + Strided @ Strided")
    product = mm(mat1, mat2)
    if is_sparse(input) != is_sparse(product):
        raise RuntimeError(f"addmm: expected input with the layout of the product, {product.layout}, but got "
                           f"{input.layout}")
    if not is_sparse(input):
        return OPS["add"].call(input * beta if beta != 1 else input, product, alpha=alpha) if beta else product * alpha
    return _scaled(input, beta, product, alpha)


@handles("addmv")
def addmv(input, mat, vec, beta=1, alpha=1):
    return _scaled(input, beta, mv(mat, vec), alpha)


@handles("linear")
def linear(input, weight, bias=None):
    """input @ weight.T + bias: the weight (M, K) sparse, or the input (N, K)."""
    if is_sparse(input):
        result = mm(input, weight.t())
    else:
        pattern, values = _matrix("linear", weight)
        shape = input.shape
        if shape[-1] != pattern.shape[1]:
            raise RuntimeError(f"linear: input and weight shapes cannot be multiplied (input {tuple(shape)}, weight "
                               f"{tuple(pattern.shape)}: {pattern.shape[1]} features against {shape[-1]})")
        result = multiply(pattern, True, values, input.reshape(-1, shape[-1]).t()).t()
        result = result.reshape(*shape[:-1], pattern.shape[0])
    return result if bias is None else result + bias


# Products that are sparse where the first matrix has rows.

def _left(name, tensor):
    if not is_sparse(tensor) or not tensor._pattern.is_coo:
        raise NotImplementedError(f"{name}: the first matrix must be in layout torch.sparse_coo, got {tensor.layout}")
    return coalesce(tensor)


@handles("hspmm")
def hspmm(mat1, mat2):
    """mat1 @ mat2 with the rows that mat1 has values in: one sparse and one dense dimension."""
    mat1 = _left("hspmm", mat1)
    _fit("hspmm", mat1, mat2)
    rows = OPS["unique_consecutive"].call(mat1._pattern.indices[0][0])
    shape = (mat1.shape[0], mat2.shape[1])
    pattern = Pattern(sparse_coo, shape, (rows.unsqueeze(0),), 1)
    return assemble(pattern, take(mm(mat1, mat2), rows))


@handles("smm")
def smm(input, mat):
    """mat1 @ mat2 in coordinate format, all columns of the rows that mat1 has values in."""
    hybrid = hspmm(_left("smm", input), mat)
    rows, columns = hybrid._pattern.indices[0][0], mat.shape[1]
    numbers = (rows.unsqueeze(1) * columns + arange(columns, device=rows.device)).reshape(-1)
    return build(sparse_coo, hybrid.shape, 0, None, numbers, recorded_values(hybrid).reshape(-1))


@handles("sspaddmm")
def sspaddmm(input, mat1, mat2, beta=1, alpha=1):
    """beta * input + alpha * mat1 @ mat2 in coordinate format; equal indices are left to add up."""
    product = smm(mat1, mat2)
    if tuple(input.shape) != tuple(product.shape):
        raise RuntimeError(f"sspaddmm: expected input of the product's shape {list(product.shape)}, got "
                           f"{list(input.shape)}")
    pattern = Pattern(sparse_coo, product.shape, (OPS["cat"].call(
        [_left("sspaddmm", input)._pattern.indices[0], product._pattern.indices[0]], 1),), 0, None, False)
    values = OPS["cat"].call([recorded_values(coalesce(input)) * beta, recorded_values(product) * alpha])
    return assemble(pattern, values)


def sampled_addmm(input, mat1, mat2, *, beta=1.0, alpha=1.0, out=None):
    """alpha * (mat1 @ mat2) at the places where `input`, in layout torch.sparse_csr, has values, + beta * input.

    input (M, N), mat1 (M, K), mat2 (K, N). Only the elements that are wanted are computed.
    """
    if not is_sparse(input) or input.layout is not sparse_csr:
        raise NotImplementedError(f"sampled_addmm: input must be in layout torch.sparse_csr, got {input.layout}")
    pattern = input._pattern
    if pattern.batch_dim or mat1.ndim != 2 or mat2.ndim != 2:
        raise NotImplementedError(f"sampled_addmm: not implemented for batches: input {list(input.shape)}, mat1 "
                                  f"{list(mat1.shape)}, mat2 {list(mat2.shape)}")
    _fit("sampled_addmm", mat1, mat2)
    if tuple(pattern.shape) != (mat1.shape[0], mat2.shape[1]):
        raise RuntimeError(f"sampled_addmm: input must have the shape of mat1 @ mat2, "
                           f"{[mat1.shape[0], mat2.shape[1]]}, got {list(pattern.shape)}")
    if input.dtype is not mat1.dtype:
        raise RuntimeError(f"sampled_addmm: expected operands of the same dtype, but got {input.dtype} and "
                           f"{mat1.dtype}")
    with no_grad():
        result = make(pattern, _scaled(input._stored, beta, dots(pattern, True, mat1, mat2.t()), alpha))
    if records(input, mat1, mat2):
        def run(saved, grad, wanted):
            if not wanted:  # in the layout of the gradient that comes
                return grad * _conjugate(beta)
            left, right = saved
            weights = pick(grad, pattern) * _conjugate(alpha)
            if wanted == 1:
                return multiply(pattern, True, weights, _conj(right).t())
            return multiply(pattern, False, weights, _conj(left)).t()
        def gradients(node, grads):
            saved = node.unpack()
            return [None if e is None else run(saved, grads[0], k) for k, e in enumerate(node.edges)]
        rule = FunctionRule("SparseSampledAddmmBackward0", gradients)
        edges = [edge(x) for x in (input, mat1, mat2)]
        attach(result, new_node(rule, Layouts((result._layout,)), edges, (mat1, mat2)))
    if out is None:
        return result
    if records(input, mat1, mat2, out):
        raise RuntimeError("sampled_addmm(): functions with out=... arguments don't support automatic differentiation, "
                           "but one of the arguments requires grad.")
    return replace(out, result)


def _conjugate(number):
    return number.conjugate() if isinstance(number, complex) else number


def reduced_mm(mat1, mat2, reduce):
    """mat1 @ mat2 with another way to combine the terms of a row: sum, mean, amax or amin; 0 where there are none."""
    if reduce not in ("sum", "mean", "amax", "amin"):
        raise RuntimeError(f"sparse.mm: reduce must be sum, mean, amax or amin, got {reduce!r}")
    if not is_sparse(mat1) or mat1.layout is not sparse_csr or is_sparse(mat2):
        raise NotImplementedError(f"sparse.mm: reduce={reduce!r} takes a matrix in layout torch.sparse_csr and a "
                                  f"strided one, got {mat1.layout} and {mat2.layout}")
    _fit("sparse.mm", mat1, mat2)
    if reduce == "sum":
        return mm(mat1, mat2)
    pattern, values = _matrix("sparse.mm", mat1)
    begins, places, _ = pattern.lines(True)
    if reduce == "mean":
        count = (begins[1:] - begins[:-1]).clamp(min=1).to(mat1.dtype).unsqueeze(1)
        return mm(mat1, mat2) / count
    terms = values.unsqueeze(1) * take(mat2, places)
    rows = pattern.major().unsqueeze(1).expand(-1, mat2.shape[1])
    return terms.new_zeros((pattern.shape[0], mat2.shape[1])).scatter_reduce(0, rows, terms, reduce, include_self=False)
