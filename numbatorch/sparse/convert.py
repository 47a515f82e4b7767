"""Between formats: strided to sparse and back, one sparse format to another, duplicates added up."""

import math

from ..autograd.modes import mode
from ..autograd.node import FunctionRule, attach, edge, new_node
from ..creation import arange, sparse_bsr, sparse_coo, sparse_csr
from ..dtypes import int64
from ..ops.declare import OPS
from ..recording import Layouts
from .pattern import ROW_FORMATS, Pattern, collect, handles, take
from .tensor import assemble, flat_values, from_cells, pick, recorded_values, to_cells


def grouped(numbers):
    """(distinct numbers in order, which of them each one is, order): order sorts the numbers, and stands alone (the
    second is None) where all are distinct."""
    ordered, order = OPS["sort"].call(numbers, stable=True)
    fresh = ordered[1:] != ordered[:-1]
    if bool(fresh.all()):
        return ordered, None, order
    group = OPS["cat"].call([fresh.new_zeros((1,), dtype=int64), fresh.cumsum(0)])
    starts = OPS["cat"].call([fresh.new_ones((1,)), fresh])
    inverse = group.new_zeros(group.shape).index_copy(0, order, group)
    return ordered.masked_select(starts), inverse, order


def added(values, numbers):
    """Values (n, ...) at numbers, with those of equal numbers added up: (distinct numbers in order, values)."""
    if numbers._layout.numel == 0:
        return numbers, values
    distinct, inverse, order = grouped(numbers)
    if inverse is None:
        return distinct, take(values, order)
    return distinct, collect(values, inverse, distinct._layout.shape[0])


def coordinates(numbers, shape):
    """Coordinates (rank, n) of numbers that count in row-major order over `shape`."""
    if not shape:
        return numbers.new_zeros((0, numbers._layout.numel))
    if len(shape) == 1:
        return numbers.reshape(1, -1)
    if numbers._layout.numel == 0:
        return numbers.new_zeros((len(shape), 0))
    return OPS["_unravel"].call(numbers, tuple(shape)).t()


@handles("coalesce")
def coalesce(tensor):
    """A tensor in coordinate format with sorted, distinct indices; values at equal indices are added up."""
    pattern = tensor._pattern
    if not pattern.is_coo:
        return NotImplemented
    if pattern.coalesced:
        return tensor
    if pattern.nnz == 0:
        return assemble(pattern.with_(coalesced=True), recorded_values(tensor))

    def make():
        distinct, inverse, order = grouped(pattern.cells())
        merged = pattern.with_(indices=(coordinates(distinct, pattern.grid),), coalesced=True)
        merged.derived["cells"] = distinct
        return merged, inverse, order
    merged, inverse, order = pattern.derive("coalesced", make)
    values = recorded_values(tensor)
    values = take(values, order) if inverse is None else collect(values, inverse, merged.nnz)
    return assemble(merged, values, "CoalesceBackward0")


@handles("to_dense")
def to_dense(tensor, dtype=None, masked_grad=None):
    """The strided tensor with the same elements.

    The gradient of `tensor` is sparse, with values where the tensor has them; with masked_grad=False, wherever it is
    not 0.
    """
    pattern = tensor._pattern
    whole = masked_grad is False and tensor._needs_grad and mode.enabled
    values = flat_values(tensor._stored if whole else recorded_values(tensor), pattern)
    result = from_cells(collect(values, pattern.cells(), math.prod(pattern.grid)), pattern)
    if whole:
        rule = FunctionRule("ToDenseBackward0", lambda node, grads: [
            from_dense(grads[0], pattern.format, pattern.dense_dim, pattern.block)])
        attach(result, new_node(rule, Layouts((result._layout,)), [edge(tensor)], ()))
    return result if dtype is None else result.to(dtype)


def entries(tensor):
    """(numbers, values (n, *dense)) of all specified elements, in row-major order, distinct unless uncoalesced."""
    pattern = tensor._pattern
    values = flat_values(recorded_values(tensor), pattern)
    numbers = pattern.cells()
    if pattern.block is not None:
        *_, rows, columns = pattern.grid
        high, wide = pattern.block
        batch, cell = numbers // (rows * columns), numbers % (rows * columns)
        corner = batch * (rows * high * columns * wide) + (cell // columns) * (high * columns * wide) + (
            cell % columns) * wide
        place = numbers.device
        inside = (arange(high, device=place) * (columns * wide)).unsqueeze(1) + arange(wide, device=place)
        numbers = (corner.reshape(-1, 1) + inside.reshape(1, -1)).reshape(-1)
        values = values.reshape(numbers._layout.numel, *pattern.dense_shape)
    if pattern.format in (sparse_coo, sparse_csr):
        return numbers, values
    order = numbers.argsort()
    return take(numbers, order), take(values, order)


def build(format, shape, dense_dim, block, numbers, values, kind=int64, coalesced=True):
    """A sparse tensor of cells (n, *cell) at cell numbers, in row-major order of the cells; `kind`: dtype of indices.

    RuntimeError where the batches of a compressed format have different numbers of cells.
    """
    sparse_shape = tuple(shape[:len(shape) - dense_dim])
    if format is sparse_coo:
        pattern = Pattern(format, shape, (coordinates(numbers, sparse_shape),), dense_dim, None, coalesced)
        pattern.derived["cells"] = numbers
        return assemble(pattern, values)
    *batch, rows, columns = sparse_shape
    if block is not None:
        rows, columns = rows // block[0], columns // block[1]
    batches = math.prod(batch)
    row = numbers // max(columns, 1)  # counts on over batches
    minor = numbers - row * columns
    major, count = row, rows
    if format not in ROW_FORMATS:
        number = row // max(rows, 1)
        major, minor, count = number * columns + minor, row - number * rows, columns
        order = (major * rows + minor).argsort()
        major, minor, values = (take(x, order) for x in (major, minor, values))
    widths = major.bincount(None, batches * count).reshape(*batch, count)
    totals = widths.sum(-1)
    if batch and batches and bool((totals != totals.reshape(-1)[0]).any()):
        raise RuntimeError(f"to_{format.name}: Expect the same number of specified elements per batch, got "
                           f"{totals.reshape(-1).tolist()} for batches of shape {batch}")
    begins = OPS["cat"].call([widths.new_zeros((*batch, 1)), widths.cumsum(-1)], -1)
    nnz = numbers._layout.numel // max(batches, 1)
    indices = (begins.to(kind), minor.reshape(*batch, nnz).to(kind))
    pattern = Pattern(format, shape, indices, dense_dim, block)
    return assemble(pattern, values.reshape(pattern.values_shape))


def reformat(tensor, format, block=None):
    """A sparse tensor in another format, with the same specified elements (and what else their blocks hold)."""
    pattern = tensor._pattern
    if pattern.format is format and pattern.block == block:
        return tensor
    if pattern.is_coo:
        tensor = coalesce(tensor)
        pattern = tensor._pattern
    numbers, values = entries(tensor)
    kind = int64 if pattern.is_coo or format is sparse_coo else pattern.indices[0].dtype
    if block is not None:
        numbers, values = _into_blocks(numbers, values, pattern, block)
    return build(format, pattern.shape, pattern.dense_dim, block, numbers, values, kind)


def _into_blocks(numbers, values, pattern, block):
    """Elements (n, *dense) at numbers as blocks (m, *block, *dense) at block numbers."""
    *_, rows, columns = pattern.sparse_shape
    high, wide = block
    each = max(rows * columns, 1)
    batch, rest = numbers // each, numbers % each
    row, column = rest // max(columns, 1), rest % max(columns, 1)
    across = columns // wide
    cell = (batch * (rows // high) + row // high) * across + column // wide
    inside = (row % high) * wide + column % wide
    if numbers._layout.numel == 0:
        return cell, values.reshape(0, *block, *pattern.dense_shape)
    distinct, inverse, order = grouped(cell)
    if inverse is None:  # one element a block
        inverse = order.new_zeros(order.shape).index_copy(
            0, order, arange(order._layout.numel, device=order.device))
    count = distinct._layout.shape[0]
    filled = collect(values, inverse * (high * wide) + inside, count * high * wide)
    return distinct, filled.reshape(count, high, wide, *pattern.dense_shape)


def from_dense(tensor, format, dense_dim=0, block=None):
    """A strided tensor in a sparse format: cells with an element that is not 0 are specified."""
    shape = tuple(tensor._layout.shape)
    sparse_shape = shape[:len(shape) - dense_dim]
    grid = sparse_shape
    if block is not None:
        grid = (*sparse_shape[:-2], sparse_shape[-2] // block[0], sparse_shape[-1] // block[1])
        cells = to_cells(tensor, _Cut(shape, grid, block, dense_dim))
    else:
        cells = tensor.reshape(math.prod(grid), *shape[len(sparse_shape):])
    present = cells.detach() != 0
    if present.ndim > 1:
        present = present.reshape(present.shape[0], -1).any(1) if present.numel() else present.new_zeros(
            (present.shape[0],))
    numbers = present.nonzero().reshape(-1)
    return build(format, shape, dense_dim, block, numbers, take(cells, numbers))


class _Cut:
    """What `to_cells` reads of a pattern, before there is one."""

    format = sparse_bsr

    def __init__(self, shape, grid, block, dense_dim):
        self.grid, self.block, self.dense_shape = grid, block, shape[len(shape) - dense_dim:]
        self.cell_shape = (*block, *self.dense_shape)


def pick_sparse(tensor, pattern):
    """The values of a sparse tensor at the places of a pattern of the same shape; 0 where it has none."""
    own = tensor._pattern
    wanted = pattern.cells()
    if own.dense_dim != pattern.dense_dim or pattern.block is not None or wanted._layout.numel == 0:
        return pick(to_dense(tensor), pattern)
    tensor = coalesce(tensor) if own.is_coo else tensor
    numbers, values = entries(tensor)
    if numbers._layout.numel == 0:
        return values.new_zeros(pattern.values_shape)
    at = OPS["searchsorted"].call(numbers, wanted).clamp(max=numbers._layout.numel - 1)
    found = take(numbers, at) == wanted
    picked = take(values, at)
    return picked.masked_fill(~found.reshape(-1, *(1,) * (picked.ndim - 1)), 0).reshape(pattern.values_shape)
