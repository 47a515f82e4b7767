"""Sparse tensors as ops see them: conversions, index tensors and values, products that exist for sparse tensors only.

The bodies here are what strided tensors answer; sparse tensors answer in numbatorch/sparse.
"""

from .declare import OPS, composite, gather
from .index import take_from


def _expected(name, kind):
    def body(input):
        error = NotImplementedError if name.startswith("_") else RuntimeError
        raise error(f"{name} expected sparse {kind}tensor layout but got Strided: convert it with .to_sparse()")
    return body


@composite(namespaces="Tensor", method=True)
def to_dense(input, dtype=None, *, masked_grad=None):
    """The strided tensor with the same elements; a strided tensor itself, in `dtype` where one is given."""
    return input if dtype is None else input.to(dtype)


@composite(namespaces="Tensor", method=True, sized_by_values=True)
def to_sparse(input, sparse_dim=None, *, layout=None, blocksize=None, dense_dim=None):
    """In coordinate format over the first `sparse_dim` dimensions (all), or in `layout`; elements that are 0 go.

    blocksize (height, width) belongs to the block layouts, dense_dim to the compressed ones.
    """
    from ..sparse.targets import target
    if sparse_dim is not None and layout is not None:
        raise TypeError("to_sparse() takes sparse_dim or layout=, not both")
    return target("dense_to_sparse", input, sparse_dim, layout, blocksize, dense_dim)


@composite(namespaces="Tensor", method=True, sized_by_values=True)
def to_sparse_coo(input):
    """In coordinate format over all dimensions."""
    from ..sparse.targets import target
    return target("dense_to_sparse", input)


@composite(namespaces="Tensor", method=True, sized_by_values=True)
def to_sparse_csr(input, dense_dim=None):
    """In compressed rows: (*batch, rows, columns, *dense), the last `dense_dim` dimensions dense."""
    from ..creation import sparse_csr
    from ..sparse.targets import target
    return target("dense_to_sparse_csr", input, None, sparse_csr, None, dense_dim)


@composite(namespaces="Tensor", method=True, sized_by_values=True)
def to_sparse_csc(input, dense_dim=None):
    """In compressed columns: (*batch, rows, columns, *dense), the last `dense_dim` dimensions dense."""
    from ..creation import sparse_csc
    from ..sparse.targets import target
    return target("dense_to_sparse_csc", input, None, sparse_csc, None, dense_dim)


@composite(namespaces="Tensor", method=True, sized_by_values=True)
def to_sparse_bsr(input, blocksize, dense_dim=None):
    """In compressed rows of blocks of `blocksize` (height, width), which must divide the matrix."""
    from ..creation import sparse_bsr
    from ..sparse.targets import target
    return target("dense_to_sparse_bsr", input, None, sparse_bsr, blocksize, dense_dim)


@composite(namespaces="Tensor", method=True, sized_by_values=True)
def to_sparse_bsc(input, blocksize, dense_dim=None):
    """In compressed columns of blocks of `blocksize` (height, width), which must divide the matrix."""
    from ..creation import sparse_bsc
    from ..sparse.targets import target
    return target("dense_to_sparse_bsc", input, None, sparse_bsc, blocksize, dense_dim)


@composite(namespaces="Tensor", method=True)
def sparse_mask(input, mask):
    """The elements of `input` where `mask`, a sparse tensor of the same shape, has values; in its layout."""
    raise NotImplementedError(f"sparse_mask: mask must be a sparse tensor, got layout {mask.layout}")


@composite(namespaces="Tensor", method=True)
def sparse_dim(input):
    """How many dimensions are sparse: 0 of a strided tensor."""
    return 0


@composite(namespaces="Tensor", method=True)
def dense_dim(input):
    """How many dimensions are dense: all of a strided tensor."""
    return input._layout.ndim


# What only sparse tensors have: (name, kind of sparse tensor, what it is).
for _name, _kind, _doc in (
        ("coalesce", "coordinate ", "With sorted, distinct indices; values at equal indices are added up."),
        ("is_coalesced", "coordinate ", "Whether indices are sorted and distinct."),
        ("indices", "coordinate ", "Indices (sparse_dim, nnz) of a coalesced tensor."),
        ("_indices", "coordinate ", "Indices (sparse_dim, nnz) as they are."),
        ("values", "", "The values of a coalesced or compressed tensor; differentiable."),
        ("_values", "coordinate ", "The values as they are, outside the tape."),
        ("_nnz", "", "How many values (or blocks) are specified, in each batch."),
        ("crow_indices", "row compressed ", "Where each row's values begin."),
        ("col_indices", "row compressed ", "The column of each value."),
        ("ccol_indices", "column compressed ", "Where each column's values begin."),
        ("row_indices", "column compressed ", "The row of each value.")):
    _body = _expected(_name, _kind)
    _body.__doc__ = _doc
    composite(_body, name=_name, namespaces="Tensor", method=True)


def _copy(name):
    def body(input):
        return OPS[f"Tensor.{name}"].call(input).clone()
    body.__doc__ = f"A copy of what `Tensor.{name}()` gives."
    return body


for _name in ("indices", "_indices", "values", "_values", "crow_indices", "col_indices", "ccol_indices", "row_indices"):
    composite(_copy(_name), name=f"{_name}_copy", method=False, out=True)


@composite(method=False, aliases=("dsmm",), out=True)
def spmm(input, mat2):
    """mm: matrix product of a sparse and a strided matrix (the old name of it)."""
    return OPS["mm"].call(input, mat2)


def _no_product(name):
    raise NotImplementedError(f"{name}: not implemented for strided tensors: the first matrix must be sparse")


@composite
def smm(input, mat):
    """The product of a sparse and a strided matrix as a sparse matrix."""
    _no_product("smm")


@composite(method=False, aliases=("hsmm",))
def hspmm(mat1, mat2):
    """The product of a sparse and a strided matrix as a hybrid one: rows that are present are strided."""
    _no_product("hspmm")


@composite(out=True, aliases=("saddmm",))
def sspaddmm(input, mat1, mat2, *, beta=1, alpha=1):
    """beta * input + alpha * mat1 @ mat2 as a sparse matrix; input and mat1 sparse, mat2 strided."""
    _no_product("sspaddmm")


@composite(name="resize_as_sparse_", namespaces=("", "Tensor"), method=True)
def resize_as_sparse_(input, the_template):
    """Take the shape, sparse and dense dimensions of another sparse tensor, in place."""
    raise RuntimeError(f"resize_as_sparse_: expected sparse tensors, got layout {input.layout}")


@composite(name="sparse_resize_", namespaces="Tensor", method=True)
def sparse_resize_(input, size, sparse_dim, dense_dim):
    """Give a tensor in coordinate format another shape in place; values stay, so that it can only grow."""
    raise RuntimeError(f"sparse_resize_: expected a sparse tensor, got layout {input.layout}")


@composite(name="sparse_resize_and_clear_", namespaces="Tensor", method=True)
def sparse_resize_and_clear_(input, size, sparse_dim, dense_dim):
    """Give a tensor in coordinate format another shape in place, and no values."""
    raise RuntimeError(f"sparse_resize_and_clear_: expected a sparse tensor, got layout {input.layout}")


# Reading by index with a sparse gradient: of what was read, as often as it was read.

def _sparse_gradient(indices, values, shape, dense_dim):
    from ..creation import sparse_coo
    from ..sparse.pattern import Pattern
    from ..sparse.tensor import assemble
    return assemble(Pattern(sparse_coo, shape, (indices,), dense_dim, None, indices.shape[1] < 2), values)


def _rows_gradient(grad, index, weight_layout, padding):
    flat, grad = index.reshape(-1).long(), grad.reshape(-1, weight_layout.shape[1])
    if padding >= 0:
        kept = (flat != padding).nonzero().reshape(-1)
        flat, grad = flat.index_select(0, kept), grad.index_select(0, kept)
    return _sparse_gradient(flat.unsqueeze(0), grad, weight_layout.shape, 1)


@gather(name="_embedding_sparse", method=False, grad=_rows_gradient)
def embedding_rows(weight, index, padding: int):
    """Rows of `weight` at `index`; the row `padding` gets no gradient."""
    return take_from.body(weight, index, (0,), "address")


def _elements_gradient(grad, index, input_layout, dim):
    from ..creation import arange
    shape = index.shape
    rows = [index.reshape(-1).long() if d == dim else
            arange(n).reshape(-1, *(1,) * (len(shape) - d - 1)).expand(shape).reshape(-1) for d, n in enumerate(shape)]
    return _sparse_gradient(OPS["stack"].call(rows), grad.reshape(-1), input_layout.shape, 0)


@gather(name="_gather_sparse", method=False, grad=_elements_gradient)
def gather_elements(input, index, dim: int):
    """input[index[i, j], j] for dim 0, and so on, as `gather`."""
    return take_from.body(input, index, (dim,), "along")
