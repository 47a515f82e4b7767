"""spdiags: sparse matrices from their diagonals."""

from ..creation import as_tensor, sparse_coo, strided
from ..dtypes import int64
from ..ops.declare import OPS
from .construct import sparse_coo_tensor
from .pattern import COMPRESSED
from .targets import target


def spdiags(diagonals, offsets, shape, layout=None):
    """A matrix with the rows of `diagonals` (n, length) on the diagonals at `offsets` (n): element j of a row is in
    column j. `layout`: torch.sparse_coo (the default), sparse_csr or sparse_csc.
    """
    offsets = as_tensor(offsets)
    diagonals = diagonals.unsqueeze(0) if diagonals.ndim == 1 else diagonals
    if diagonals.ndim != 2:
        raise RuntimeError(f"spdiags: Diagonals must be vector or matrix, got shape {list(diagonals.shape)}")
    if len(shape) != 2:
        raise RuntimeError(f"spdiags: Output shape must be 2d, got {list(shape)}")
    if layout is not None and (layout is strided or layout not in (sparse_coo, *COMPRESSED[:2])):
        raise RuntimeError(f"spdiags: Only output layouts (Sparse, SparseCsc, SparseCsr) are supported, got {layout}")
    offsets = offsets.reshape(1) if offsets.ndim == 0 else offsets
    if offsets.ndim != 1 or offsets.dtype is not int64:
        raise RuntimeError(f"spdiags: Offsets must be scalar or vector of int64, got shape {list(offsets.shape)} of "
                           f"{offsets.dtype}")
    if offsets.numel() != diagonals.shape[0]:
        raise RuntimeError(f"spdiags: Number of diagonals ({diagonals.shape[0]}) does not match the number of offsets "
                           f"({offsets.numel()})")
    numbers = offsets.tolist()
    if len(set(numbers)) != len(numbers):
        raise RuntimeError(f"spdiags: Offset tensor contains duplicate values: {numbers}")
    rows, columns, values = [], [], []
    for diagonal, offset in zip(diagonals, numbers, strict=True):
        first, last = max(0, offset), min(shape[0] + offset, shape[1], diagonals.shape[1])
        place = OPS["_positions"].call(offsets, max(0, last - first)) + first
        columns.append(place)
        rows.append(place - offset)
        values.append(diagonal[first:max(first, last)])
    cat = OPS["cat"].call
    if not values:
        values, rows, columns = [diagonals.new_zeros((0,))], [offsets], [offsets]
    result = sparse_coo_tensor(OPS["stack"].call([cat(rows), cat(columns)]), cat(values), tuple(shape))
    return result if layout in (None, sparse_coo) else target("spdiags", result, None, layout)
