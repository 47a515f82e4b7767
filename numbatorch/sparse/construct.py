"""Making sparse tensors from index tensors and values.

Index tensors are always checked as far as kernels rely on it: shapes, and indices inside the tensor. With
`check_invariants` (or inside `sparse.check_sparse_tensor_invariants`) the rest is checked too: the order of indices.
"""

from .. import creation, filling
from ..creation import as_tensor, sparse_bsc, sparse_bsr, sparse_coo, sparse_csc, sparse_csr, zeros
from ..dtypes import INTEGER, int32, int64
from ..tensor import Tensor
from . import check
from .pattern import BLOCK_FORMATS, COMPRESSED, ROW_FORMATS, TITLES, Pattern, is_sparse
from .tensor import assemble, make


def _finish(pattern, values, requires_grad, name):
    if requires_grad:
        return make(pattern, values.detach()).requires_grad_(True)
    return assemble(pattern, values, name)


def _values(values, dtype, device):
    given = isinstance(values, Tensor)
    values = as_tensor(values, dtype=dtype, device=device)
    return values if given or dtype is None or values.dtype is dtype else values.to(dtype)


def sparse_coo_tensor(indices=None, values=None, size=None, *, dtype=None, device=None, pin_memory=False,
                      requires_grad=False, check_invariants=None, is_coalesced=None, layout=None):
    """A tensor in coordinate format: `values` (nnz, *dense) at `indices` (sparse_dim, nnz); equal indices add up.

    Without `size` it is the smallest that holds all indices; `sparse_coo_tensor(size)` has no values. The result shares
    the memory of `values` and their history. RuntimeError where shapes do not agree or an index lies outside.
    """
    if layout not in (None, sparse_coo):
        raise RuntimeError(f"sparse_coo_tensor: expected layout torch.sparse_coo but got {layout}")
    if values is None:
        shape = size if indices is None else indices
        if shape is None:
            raise TypeError("sparse_coo_tensor(): give (indices, values), (indices, values, size) or (size)")
        shape = tuple(n.__index__() for n in shape)
        nothing = zeros((0,), dtype=dtype, device=device)
        return _finish(Pattern(sparse_coo, shape, (zeros((len(shape), 0), dtype=int64),)), nothing, requires_grad, "")
    indices, values = as_tensor(indices).detach(), _values(values, dtype, device)
    if indices.dtype is not int64:
        indices = indices.to(int64)
    if values.ndim == 0:
        values = values.reshape(1)
    if indices.ndim != 2:
        raise RuntimeError(f"sparse_coo_tensor: indices must be sparse_dim x nnz, but got: {list(indices.shape)}")
    sparse_dim, nnz = indices.shape
    if values.shape[0] != nnz:
        raise RuntimeError("sparse_coo_tensor: indices and values must have same nnz, but got nnz from indices: "
                           f"{nnz}, nnz from values: {values.shape[0]}")
    bounds = [check.extremes(row) for row in indices]
    for d, (low, _) in enumerate(bounds):
        if low < 0:
            raise RuntimeError(f"sparse_coo_tensor: found negative index {low} for dim {d}")
    dense_shape = tuple(values.shape[1:])
    if size is None:
        shape = (*(high + 1 for _, high in bounds), *dense_shape)
    else:
        shape = tuple(n.__index__() for n in size)
        if len(shape) != sparse_dim + len(dense_shape):
            raise RuntimeError("sparse_coo_tensor: 'len(size) == sparse_dim + dense_dim' is not satisfied: len(size) "
                               f"= {len(shape)}, sparse_dim = {sparse_dim}, dense_dim = {len(dense_shape)}")
        if any(n < 0 for n in shape):
            raise RuntimeError(f"sparse_coo_tensor: size must not be negative, got {list(shape)}")
        if shape[sparse_dim:] != dense_shape:
            raise RuntimeError(f"sparse_coo_tensor: values has incorrect size, expected "
                               f"{[nnz, *shape[sparse_dim:]]}, got {list(values.shape)}")
    for d, (_, high) in enumerate(bounds):
        if high >= shape[d]:
            raise RuntimeError(f"sparse_coo_tensor: size is inconsistent with indices: for dim {d}, size is {shape[d]} "
                               f"but found index {high}")
    pattern = Pattern(sparse_coo, shape, (indices,), len(dense_shape), None, nnz < 2 or bool(is_coalesced))
    if is_coalesced and check.wanted(check_invariants) and not check.in_order(pattern.cells()):
        raise RuntimeError("sparse_coo_tensor: cannot set is_coalesced to true if indices correspond to uncoalesced "
                           "COO tensor: sort them and add equal ones up, or call .coalesce()")
    return _finish(pattern, values, requires_grad, "SparseCooTensorWithDimsAndTensorsBackward0")


def compressed(name, format, compressed_indices, plain_indices, values, size, dtype, device, requires_grad,
               check_invariants):
    """A tensor in a compressed format; `name` is the caller, for errors."""
    compressed_indices = _indices(compressed_indices)
    plain_indices = _indices(plain_indices)
    values = _values(values, dtype, device)
    rows = format in ROW_FORMATS
    first, second = ("crow_indices", "col_indices") if rows else ("ccol_indices", "row_indices")
    check.shapes(name, format, first, second, compressed_indices, plain_indices, values)
    batch = tuple(compressed_indices.shape[:-1])
    depth = len(batch)
    block = tuple(values.shape[depth + 1:depth + 3]) if format in BLOCK_FORMATS else None
    dense_shape = tuple(values.shape[depth + (1 if block is None else 3):])
    low, high = check.extremes(plain_indices)
    if size is None:
        major, minor = compressed_indices.shape[-1] - 1, high + 1
        grid = (major, minor) if rows else (minor, major)
        cells = grid if block is None else (grid[0] * block[0], grid[1] * block[1])
        shape = (*batch, *cells, *dense_shape)
    else:
        shape = tuple(n.__index__() for n in size)
    pattern = Pattern(format, shape, (compressed_indices, plain_indices), len(dense_shape), block)
    check.sizes(name, pattern, first, batch, dense_shape)
    check.bounds(name, pattern, first, second, low, high)
    if check.wanted(check_invariants):
        check.order(name, pattern, first, second)
    return _finish(pattern, values, requires_grad, "SparseCompressedTensorBackward0")


def _indices(numbers):
    numbers = as_tensor(numbers).detach()
    if numbers.dtype.category != INTEGER or numbers.dtype in (int32, int64):
        return numbers if numbers.dtype.category == INTEGER or numbers._layout.numel else numbers.to(int64)
    return numbers.to(int64)


def sparse_compressed_tensor(compressed_indices, plain_indices, values, size=None, *, dtype=None, layout=None,
                             device=None, pin_memory=False, requires_grad=False, check_invariants=None):
    """A tensor in the compressed format `layout`: torch.sparse_csr, sparse_csc, sparse_bsr or sparse_bsc.

    compressed_indices (*batch, rows + 1) say where each row's (or column's) values begin, plain_indices (*batch, nnz)
    in which column (or row) they are; values (*batch, nnz, *dense), with (*blocksize) after nnz in block formats.
    RuntimeError where shapes do not agree or an index lies outside.
    """
    if layout not in COMPRESSED:
        got = "none" if layout is None else TITLES[layout.name]
        raise RuntimeError(f"sparse_compressed_tensor expected sparse compressed tensor layout but got {got}")
    return compressed("sparse_compressed_tensor", layout, compressed_indices, plain_indices, values, size, dtype,
                      device, requires_grad, check_invariants)


def sparse_csr_tensor(crow_indices, col_indices, values, size=None, *, dtype=None, layout=None, device=None,
                      pin_memory=False, requires_grad=False, check_invariants=None):
    """A tensor in compressed rows: crow_indices (*batch, rows + 1), col_indices and values (*batch, nnz, ...)."""
    return compressed("sparse_csr_tensor", sparse_csr, crow_indices, col_indices, values, size, dtype, device,
                      requires_grad, check_invariants)


def sparse_csc_tensor(ccol_indices, row_indices, values, size=None, *, dtype=None, layout=None, device=None,
                      pin_memory=False, requires_grad=False, check_invariants=None):
    """A tensor in compressed columns: ccol_indices (*batch, columns + 1), row_indices and values (*batch, nnz, ...)."""
    return compressed("sparse_csc_tensor", sparse_csc, ccol_indices, row_indices, values, size, dtype, device,
                      requires_grad, check_invariants)


def sparse_bsr_tensor(crow_indices, col_indices, values, size=None, *, dtype=None, layout=None, device=None,
                      pin_memory=False, requires_grad=False, check_invariants=None):
    """A tensor in compressed rows of blocks: values (*batch, nnz, height, width, ...), indices count blocks."""
    return compressed("sparse_bsr_tensor", sparse_bsr, crow_indices, col_indices, values, size, dtype, device,
                      requires_grad, check_invariants)


def sparse_bsc_tensor(ccol_indices, row_indices, values, size=None, *, dtype=None, layout=None, device=None,
                      pin_memory=False, requires_grad=False, check_invariants=None):
    """A tensor in compressed columns of blocks: values (*batch, nnz, height, width, ...), indices count blocks."""
    return compressed("sparse_bsc_tensor", sparse_bsc, ccol_indices, row_indices, values, size, dtype, device,
                      requires_grad, check_invariants)


def empty(like, dtype, shape=None):
    """A tensor without values in the format of a pattern; `shape` keeps its number of dense dimensions."""
    shape = like.shape if shape is None else tuple(shape)
    if like.is_coo:
        sparse_dim = len(shape) - like.dense_dim
        pattern = Pattern(sparse_coo, shape, (zeros((sparse_dim, 0), dtype=int64),), like.dense_dim)
    else:
        batch = shape[:len(shape) - 2 - like.dense_dim]
        sides = shape[len(batch):len(batch) + 2]
        blocks = [n // b for n, b in zip(sides, like.block or (1, 1), strict=True)]
        kind = like.indices[0].dtype
        indices = (zeros((*batch, blocks[0 if like.by_rows else 1] + 1), dtype=kind), zeros((*batch, 0), dtype=kind))
        pattern = Pattern(like.format, shape, indices, like.dense_dim, like.block)
    return make(pattern, zeros(pattern.values_shape, dtype=dtype))


def zeros_of_layout(name, shape, format, dtype, device, requires_grad, like=None):
    """`torch.zeros` and `torch.empty` with layout= a sparse one; `zeros_like` and `empty_like` of a sparse tensor."""
    if filling._device(device) is not filling.CPU:
        raise NotImplementedError(f"{name}: sparse tensors are made on the CPU, not on device {device}")
    dtype = filling._dtype(dtype)
    if format is creation.strided:
        return zeros(shape, dtype=dtype, requires_grad=requires_grad)
    if is_sparse(like) and like.layout is format:
        result = empty(like._pattern, dtype)
        return result.requires_grad_(True) if requires_grad else result
    if format in BLOCK_FORMATS:
        raise RuntimeError(f"{name}: expected sparse compressed (non-block) tensor layout but got "
                           f"{TITLES[format.name]}")
    if format is not sparse_coo and len(shape) < 2:
        raise RuntimeError(f"{name}: expected size with at least 2 dimensions for layout {format}, got {list(shape)}")
    one = (zeros((1,), dtype=int64),) if format is not sparse_coo else (zeros((0, 0), dtype=int64),)
    result = empty(Pattern(format, (), one if format is sparse_coo else one * 2), dtype, shape)
    return result.requires_grad_(True) if requires_grad else result
