"""Sums, softmax and norms of sparse tensors."""

from .. import dtypes
from ..creation import sparse_coo
from ..layout import wrap_dim, wrap_dims
from ..ops.declare import OPS
from .convert import added, build, coalesce, grouped, reformat
from .pattern import Pattern, collect, handles, is_sparse, take
from .tensor import assemble, recorded_values


@handles("sum")
def total(input, dim=None, keepdim=False, dtype=None):
    """The sum over dimensions: strided where no sparse one is left, else in coordinate format."""
    pattern = input._pattern
    rank = len(pattern.shape)
    if dtype is None and input.dtype.category < dtypes.FLOAT:
        dtype = dtypes.int64
    if dim is None:
        result = recorded_values(input).sum(dtype=dtype)
        return result.reshape((1,) * rank) if keepdim else result
    dims = wrap_dims(dim, rank)
    if not pattern.is_coo:
        if not keepdim:
            raise RuntimeError(f"sum: reduction operations on {pattern.format} tensors with keepdim=False is "
                               "unsupported: call .to_sparse_coo() first")
        result = reformat(total(reformat(input, sparse_coo), dims, True, dtype), sparse_coo)
        return reformat(coalesce(result), pattern.format) if pattern.block is None else result
    depth = pattern.sparse_dim
    inner = tuple(d - depth + 1 for d in dims if d >= depth)
    values = recorded_values(input)
    if inner:
        values = values.sum(inner, keepdim, dtype=dtype)
    elif dtype is not None:
        values = values.to(dtype)
    outer = [d for d in dims if d < depth]
    shape = tuple(1 if d in dims else n for d, n in enumerate(pattern.shape) if keepdim or d not in dims)
    dense_dim = values.ndim - 1
    if len(outer) == depth:
        values = values.sum(0, dtype=values.dtype)
        return values.reshape(shape) if keepdim else values
    if not outer:
        return assemble(Pattern(sparse_coo, shape, pattern.indices, dense_dim, None, pattern.coalesced), values)
    rest = [d for d in range(depth) if d not in outer]
    sizes = tuple(pattern.shape[d] for d in rest)
    kept = Pattern(sparse_coo, sizes, (OPS["stack"].call([pattern.indices[0][d] for d in rest]),))
    numbers, values = added(values, kept.cells())
    if not keepdim:
        return build(sparse_coo, shape, dense_dim, None, numbers, values)
    return build(sparse_coo, shape, dense_dim, None, numbers, values)  # sizes of 1 do not change the numbers


def sum(input, dim=None, dtype=None):
    """The sum of a sparse tensor over all or some dimensions; its gradient has values where `input` has them."""
    if not is_sparse(input) or not input._pattern.is_coo:
        raise NotImplementedError(f"sparse.sum: input must be in layout torch.sparse_coo, got {input.layout}")
    return total(input, dim, False, dtype)


def _softmax(name, input, dim, dtype, log):
    if not is_sparse(input) or not input._pattern.is_coo:
        raise NotImplementedError(f"{name}: input must be in layout torch.sparse_coo, got {input.layout}")
    dim = wrap_dim(dim, input.ndim)
    input = coalesce(input if dtype is None else input.to(dtype))
    pattern, values = input._pattern, recorded_values(input)
    if values.dtype.category < dtypes.FLOAT:
        raise NotImplementedError(f'"{name}" not implemented for {values.dtype}: give dtype=, a floating-point one')
    if dim >= pattern.sparse_dim:
        at = dim - pattern.sparse_dim + 1
        return assemble(pattern, values.log_softmax(at) if log else values.softmax(at))
    if pattern.nnz == 0:
        return assemble(pattern, values.clone())
    rest = [d for d in range(pattern.sparse_dim) if d != dim]
    if rest:
        pools = Pattern(sparse_coo, [pattern.shape[d] for d in rest],
                        (OPS["stack"].call([pattern.indices[0][d] for d in rest]),)).cells()
    else:
        pools = pattern.indices[0].new_zeros((pattern.nnz,))
    distinct, pool, order = grouped(pools)
    count = distinct._layout.shape[0]
    if pool is None:
        pool = order.new_zeros(order.shape).index_copy(0, order, OPS["_positions"].call(order, count))
    flat = values.reshape(pattern.nnz, -1)
    spread = pool.unsqueeze(1).expand(flat.shape)
    highest = flat.detach().new_zeros((count, flat.shape[1])).scatter_reduce(0, spread, flat.detach(), "amax",
                                                                              include_self=False)
    shifted = flat - take(highest, pool)
    powers = shifted.exp()
    sums = take(collect(powers, pool, count), pool)
    return assemble(pattern, (shifted - sums.log() if log else powers / sums).reshape(values.shape))


def softmax(input, dim, *, dtype=None):
    """exp(x_i) / sum_j exp(x_j) along `dim` over the specified elements: the others count as -inf, and stay out."""
    return _softmax("sparse.softmax", input, dim, dtype, False)


def log_softmax(input, dim, *, dtype=None):
    """The logarithm of `softmax(input, dim)`, at the specified elements."""
    return _softmax("sparse.log_softmax", input, dim, dtype, True)


@handles("any")
def any_of(input, dim=None, keepdim=False):
    if dim is not None:
        raise NotImplementedError(f"any: not implemented over dimensions of tensors with layout {input.layout}")
    return (coalesce(input) if input._pattern.is_coo else input)._stored.any()


@handles("norm", "native_norm", "vector_norm")
def norm(input, p=2, dim=None, keepdim=False, dtype=None):
    """The norm of all elements, those that are not specified being 0."""
    if dim not in (None, ()) or keepdim:
        raise NotImplementedError(f"norm: not implemented over dimensions of tensors with layout {input.layout}")
    p = 2 if p in (None, "fro") else p
    if isinstance(p, str) or p < 0:
        raise NotImplementedError(f"norm: p={p!r} is not implemented for tensors with layout {input.layout}")
    values = recorded_values(coalesce(input) if input._pattern.is_coo else input)
    if p == float("inf") and values.numel() == 0:
        return values.new_zeros(())
    return values.reshape(-1).norm(p, dtype=dtype)
