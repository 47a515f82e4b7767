"""Several sparse tensors in one."""

from ..creation import sparse_coo
from ..layout import wrap_dim
from ..ops.declare import OPS
from .convert import coalesce, reformat
from .pattern import Pattern, handles, is_sparse
from .tensor import assemble, recorded_values
from .views import unsqueeze


@handles("cat")
def cat(tensors, dim=0, axis=None):
    """Sparse tensors one after the other along `dim`, in the layout of the first."""
    dim = dim if axis is None else axis
    for k, tensor in enumerate(tensors):
        if not is_sparse(tensor):
            raise RuntimeError(f"Concatenating sparse tensors, but a dense tensor was found at position {k}.")
    first = tensors[0]._pattern
    if not first.is_coo:
        parts = [reformat(x, sparse_coo) for x in tensors]
        return reformat(coalesce(cat(parts, dim)), first.format, first.block)
    patterns = [x._pattern for x in tensors]
    dim = wrap_dim(dim, len(first.shape))
    for k, p in enumerate(patterns):
        if p.sparse_dim != first.sparse_dim or len(p.shape) != len(first.shape):
            raise RuntimeError(f"cat: All tensors must have the same number of sparse and dense dimensions, got "
                               f"{first.sparse_dim} and {first.dense_dim}, but tensor at position {k} has "
                               f"{p.sparse_dim} and {p.dense_dim}")
        if any(n != m and d != dim for d, (n, m) in enumerate(zip(p.shape, first.shape, strict=True))):
            raise RuntimeError(f"cat: All tensors must have the same shape, except in dimension {dim}: got "
                               f"{list(first.shape)} and, at position {k}, {list(p.shape)}")
    sizes = [p.shape[dim] for p in patterns]
    shape = (*first.shape[:dim], sum(sizes), *first.shape[dim + 1:])
    indices, values, offset = [], [], 0
    for x, p, n in zip(tensors, patterns, sizes, strict=True):
        own, part = p.indices[0], recorded_values(x)
        if dim < first.sparse_dim:
            own = own.clone()
            own[dim] += offset
        else:  # zeros beside each part
            around = [p.nnz, *p.values_shape[1:]]
            at = dim - first.sparse_dim + 1
            sides = []
            for width in (offset, sum(sizes) - offset - n):
                around[at] = width
                sides.append(part.new_zeros(around))
            part = OPS["cat"].call([sides[0], part, sides[1]], at)
        indices.append(own)
        values.append(part)
        offset += n
    return assemble(Pattern(sparse_coo, shape, (OPS["cat"].call(indices, 1),), first.dense_dim, None, False),
                    OPS["cat"].call(values))


@handles("stack")
def stack(tensors, dim=0):
    for k, tensor in enumerate(tensors):
        if not is_sparse(tensor):
            raise RuntimeError(f"stack: expected sparse tensors, but a dense tensor was found at position {k}.")
    return cat([unsqueeze(x, dim) for x in tensors], dim)
