"""Sparse tensors in other shapes: transposed, parts of them, several joined. All are copies of the index tensors."""

from ..creation import arange, sparse_bsc, sparse_bsr, sparse_coo, sparse_csc, sparse_csr
from ..dtypes import int64
from ..layout import wrap_dim
from ..ops.declare import OPS
from .convert import reformat
from .pattern import HANDLERS, Pattern, handles, is_sparse, take
from .tensor import assemble, recorded_values

_FLIPPED = {sparse_csr: sparse_csc, sparse_csc: sparse_csr, sparse_bsr: sparse_bsc, sparse_bsc: sparse_bsr}


@handles("transpose")
def transpose(input, dim0, dim1):
    """Dimensions exchanged: two sparse ones, or two dense ones; compressed rows become compressed columns."""
    pattern = input._pattern
    rank = len(pattern.shape)
    a, b = wrap_dim(dim0, rank), wrap_dim(dim1, rank)
    if a == b:
        return input
    order = list(range(rank))
    order[a], order[b] = order[b], order[a]
    return _permuted("transpose", input, order)


@handles("t")
def t(input):
    rank = len(input._pattern.shape)
    if rank > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 sparse and 0 dense dimensions, but self is {rank}D")
    return input if rank < 2 else _permuted("t", input, [1, 0])


@handles("permute")
def permute(input, dims):
    rank = len(input._pattern.shape)
    dims = [wrap_dim(d, rank) for d in dims]
    if sorted(dims) != list(range(rank)):
        raise RuntimeError(f"permute(dims): {dims} is not an order of the {rank} dimensions of the tensor")
    return _permuted("permute", input, dims)


def _permuted(name, input, order):
    pattern = input._pattern
    rank = len(order)
    if order == list(range(rank)):
        return input
    depth = rank - pattern.dense_dim
    if any((d < depth) != (k < depth) for k, d in enumerate(order)):
        raise RuntimeError(f"{name}: sparse and dense dimensions cannot be exchanged: the first {depth} dimensions are "
                           f"sparse, asked for order {order}")
    shape = tuple(pattern.shape[d] for d in order)
    inner = [d - depth for d in order[depth:]]
    values = recorded_values(input)
    if pattern.is_coo:
        values = values.permute(0, *(d + 1 for d in inner)) if inner else values
        moved = order[:depth] != list(range(depth))
        indices = pattern.indices[0]
        if moved:
            indices = indices.flip(0) if depth == 2 else OPS["stack"].call([indices[d] for d in order[:depth]])
        coalesced = pattern.nnz < 2 or (pattern.coalesced and not moved)
        return assemble(Pattern(sparse_coo, shape, (indices,), pattern.dense_dim, None, coalesced), values)
    batch = pattern.batch_dim
    if any(d >= batch for d in order[:batch]):
        raise NotImplementedError(f"{name}: not implemented between batch and sparse dimensions of layout "
                                  f"{pattern.format}")
    flipped = order[batch] != batch
    blocks = ([batch + 2, batch + 1] if flipped else [batch + 1, batch + 2]) if pattern.block else []
    lead = batch + 1 + len(blocks)
    values = values.permute(*order[:batch], batch, *blocks, *(d + lead for d in inner))
    indices = tuple(i.permute(*order[:batch], batch) for i in pattern.indices)
    block = pattern.block[::-1] if pattern.block and flipped else pattern.block
    format = _FLIPPED[pattern.format] if flipped else pattern.format
    return assemble(Pattern(format, shape, indices, pattern.dense_dim, block), values)


@handles("reshape", "flatten", "expand", "ravel")
def reshape(input, *sizes):
    raise RuntimeError(f"reshape and expand are not implemented for tensors with layout {input.layout}: call "
                       ".to_dense() first")


@handles("nonzero", "argwhere")
def nonzero(input, *_):
    raise NotImplementedError(f"nonzero: not implemented for tensors with layout {input.layout}: see .indices()")


@handles("unsqueeze")
def unsqueeze(input, dim):
    input = _coo("unsqueeze", input)
    pattern = input._pattern
    dim = wrap_dim(dim, len(pattern.shape) + 1)
    shape = (*pattern.shape[:dim], 1, *pattern.shape[dim:])
    values = recorded_values(input)
    if dim > pattern.sparse_dim:
        at = dim - pattern.sparse_dim + 1
        return assemble(Pattern(sparse_coo, shape, pattern.indices, pattern.dense_dim + 1, None, pattern.coalesced),
                        values.unsqueeze(at))
    (indices,) = pattern.indices
    indices = OPS["cat"].call([indices[:dim], indices.new_zeros((1, pattern.nnz)), indices[dim:]])
    return assemble(Pattern(sparse_coo, shape, (indices,), pattern.dense_dim, None, pattern.coalesced), values)


# Parts.

def _coo(name, input):
    if not input._pattern.is_coo:
        raise NotImplementedError(f"{name}: not implemented for layout {input.layout}: call .to_sparse_coo() first")
    return input


def _kept(input, numbers, shape, indices, dense_dim, coalesced):
    """The values at `numbers` under other indices; a strided tensor where no sparse dimension is left."""
    values = take(recorded_values(input), numbers)
    if indices.shape[0] == 0:
        return values.sum(0, dtype=values.dtype)
    coalesced = coalesced or numbers._layout.numel < 2
    return assemble(Pattern(sparse_coo, shape, (indices,), dense_dim, None, coalesced), values)


@handles("select")
def select(input, dim, index):
    """input[index] along `dim`, in coordinate format; strided where no sparse dimension is left."""
    shape = input._pattern.shape
    if not shape:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    dim = wrap_dim(dim, len(shape))
    if not -shape[dim] <= index < shape[dim]:
        raise IndexError(f"select(): index {index} out of range for tensor of size {list(shape)} at dimension {dim}")
    index = index + shape[dim] if index < 0 else index
    input = input if input._pattern.is_coo else reformat(input, sparse_coo)
    pattern = input._pattern
    shape = (*shape[:dim], *shape[dim + 1:])
    if dim >= pattern.sparse_dim:
        values = recorded_values(input).select(dim - pattern.sparse_dim + 1, index)
        return assemble(Pattern(sparse_coo, shape, pattern.indices, pattern.dense_dim - 1, None, pattern.coalesced),
                        values)
    (indices,) = pattern.indices
    numbers = (indices[dim] == index).nonzero().reshape(-1)
    rest = OPS["cat"].call([indices[:dim], indices[dim + 1:]]).index_select(1, numbers)
    return _kept(input, numbers, shape, rest, pattern.dense_dim, pattern.coalesced)


@handles("narrow")
def narrow(input, dim, start, length):
    """input[start:start + length] along `dim`, in the same layout."""
    shape = input._pattern.shape
    dim = wrap_dim(dim, len(shape))
    start = int(start)
    start = start + shape[dim] if start < 0 else start
    if length < 0 or not 0 <= start <= shape[dim] - length:
        raise RuntimeError(f"narrow: Invalid range to narrow. range(start, start+length) must be a subset of range(0, "
                           f"{shape[dim]}), got start {start} and length {length}")
    if not input._pattern.is_coo:
        return _in_coordinates(narrow, input, dim, start, length)
    pattern = input._pattern
    shape = (*shape[:dim], length, *shape[dim + 1:])
    if dim >= pattern.sparse_dim:
        values = recorded_values(input).narrow(dim - pattern.sparse_dim + 1, start, length)
        return assemble(pattern.with_(shape=shape), values)
    (indices,) = pattern.indices
    numbers = ((indices[dim] >= start) & (indices[dim] < start + length)).nonzero().reshape(-1)
    moved = indices.index_select(1, numbers)
    moved[dim] -= start
    return _kept(input, numbers, shape, moved, pattern.dense_dim, pattern.coalesced)


def _in_coordinates(function, input, *args):
    """A function of a compressed tensor through coordinate format."""
    pattern = input._pattern
    if pattern.block is not None:
        raise NotImplementedError(f"{function.__name__}: not implemented for layout {input.layout}: convert it first")
    from .convert import coalesce
    return reformat(coalesce(function(reformat(input, sparse_coo), *args)), pattern.format)


@handles("index_select")
def index_select(input, dim, index):
    """The parts of `input` at `index` along `dim`, in the same layout."""
    if is_sparse(index):
        raise NotImplementedError("index_select: the index must be strided")
    pattern = input._pattern
    dim = wrap_dim(dim, len(pattern.shape))
    if index.ndim > 1:
        raise IndexError(f"index_select(): Index is supposed to be a vector, got shape {list(index.shape)}")
    index = index.reshape(-1).to(int64)
    size = pattern.shape[dim]
    if index.numel() and not (0 <= index.min().item() and index.max().item() < size):
        bad = index.max().item() if index.max().item() >= size else index.min().item()
        raise IndexError(f"index_select(): index contains {bad} that is out of range for tensor of size "
                         f"{list(pattern.shape)} at dimension {dim}")
    if not pattern.is_coo:
        return _in_coordinates(index_select, input, dim, index)
    shape = (*pattern.shape[:dim], index.numel(), *pattern.shape[dim + 1:])
    if dim >= pattern.sparse_dim:
        values = recorded_values(input).index_select(dim - pattern.sparse_dim + 1, index)
        return assemble(pattern.with_(shape=shape), values)
    (indices,) = pattern.indices
    own, order = indices[dim].contiguous().sort(stable=True)
    counts = own.bincount(None, size)
    begins = counts.cumsum(0) - counts
    ends = take(counts, index).cumsum(0)
    count = ends[-1].item() if ends._layout.numel else 0
    place = OPS["_run_numbers"].call(ends, count)
    numbers = take(order, OPS["_run_places"].call(ends, take(begins, index), count))
    moved = indices.index_select(1, numbers)
    moved[dim] = place
    return _kept(input, numbers, shape, moved, pattern.dense_dim, False)


@handles("_index")
def index(input, items):
    """input[...] with ints, slices, None and `...`: one part after the other."""
    items = items if isinstance(items, tuple) else (items,)
    rank = len(input._pattern.shape)
    used = sum(1 for i in items if i.__class__ is int or (i.__class__ is tuple and len(i) == 3))
    if used > rank:
        raise IndexError(f"too many indices for tensor of dimension {rank}: got {used}")
    axis = 0
    for i in items:
        if i.__class__ is int:
            input = OPS["select"].call(input, axis, i)
        elif len(i) == 3:
            if i != (None, None, None):
                picked = range(input.shape[axis])[slice(*i)]
                if picked.step == 1:
                    input = OPS["narrow"].call(input, axis, picked.start, len(picked))
                else:
                    input = OPS["index_select"].call(input, axis, arange(picked.start, picked.stop, picked.step))
            axis += 1
        elif i[1] is None:
            input = OPS["unsqueeze"].call(input, axis)
            axis += 1
        else:  # ...
            axis += rank - used
    return input


@handles("unbind")
def unbind(input, dim=0):
    dim = wrap_dim(dim, len(input._pattern.shape))
    return tuple(select(input, dim, k) for k in range(input._pattern.shape[dim]))


def _matrix_transpose(input):
    return input if len(input._pattern.shape) < 2 else transpose(input, -2, -1)


for _name in ("mT", "T", "H", "mH", "adjoint"):
    HANDLERS.setdefault(_name, _matrix_transpose)
