"""Patterns: where a sparse tensor has values. Layouts of sparse tensors, which answer the calls of ops.

A sparse tensor is a pattern and one strided tensor of values. Every format reads as a grid of cells, of which some are
present: cell numbers count in row-major order over the sparse dimensions (for blocks: over blocks), so that
conversions, sums and masks are gathers and scatters along one dimension.

format      index tensors                                     values
sparse_coo  indices (sparse_dim, nnz)                         (nnz, *dense)
sparse_csr  crow_indices (*batch, rows + 1), col_indices      (*batch, nnz, *dense)
sparse_csc  ccol_indices (*batch, columns + 1), row_indices   (*batch, nnz, *dense)
sparse_bsr  as csr, counting blocks                           (*batch, nnz, *blocksize, *dense)
sparse_bsc  as csc, counting blocks                           (*batch, nnz, *blocksize, *dense)
"""

import math
from functools import partial
from typing import Any, NamedTuple

from ..creation import arange, sparse_bsc, sparse_bsr, sparse_coo, sparse_csc, sparse_csr
from ..dtypes import int64
from ..interception import CustomLayout
from ..layout import layout
from ..ops.declare import OPS

ROW_FORMATS = (sparse_csr, sparse_bsr)
COLUMN_FORMATS = (sparse_csc, sparse_bsc)
BLOCK_FORMATS = (sparse_bsr, sparse_bsc)
COMPRESSED = (sparse_csr, sparse_csc, sparse_bsr, sparse_bsc)
TITLES = {"strided": "Strided", "sparse_coo": "Sparse", "sparse_csr": "SparseCsr", "sparse_csc": "SparseCsc",
          "sparse_bsr": "SparseBsr", "sparse_bsc": "SparseBsc"}


class Lines(NamedTuple):
    """A matrix read by rows (or columns): line i has places[begins[i]:begins[i + 1]], of the values at `order` (all of
    them in their own order when None)."""

    begins: Any
    places: Any
    order: Any


class Pattern:
    """Index tensors of a sparse tensor of some shape, and what was derived from them.

    Users can reach index tensors and write into them: what was derived is then made anew, after a look at the indices.
    """

    __slots__ = ("format", "shape", "indices", "batch_dim", "dense_dim", "block", "coalesced", "derived", "versions")

    def __init__(self, format, shape, indices, dense_dim=0, block=None, coalesced=True):
        self.format, self.shape, self.indices, self.dense_dim = format, tuple(shape), tuple(indices), dense_dim
        self.block, self.coalesced = block, coalesced
        self.batch_dim = 0 if format is sparse_coo else self.indices[0]._layout.ndim - 1
        self.derived: dict[str, Any] = {}
        self.versions = [i._storage.version for i in self.indices]

    @property
    def is_coo(self):
        return self.format is sparse_coo

    @property
    def by_rows(self):
        """Whether the compressed dimension is that of rows."""
        return self.format in ROW_FORMATS

    @property
    def nnz(self):
        """Values, or blocks, of each batch."""
        return self.indices[-1]._layout.shape[-1]

    @property
    def count(self):
        """Values, or blocks, of all batches."""
        return math.prod(self.shape[:self.batch_dim]) * self.nnz

    @property
    def sparse_dim(self):
        return self.indices[0]._layout.shape[0] if self.is_coo else 2

    @property
    def dense_shape(self):
        return self.shape[len(self.shape) - self.dense_dim:]

    @property
    def sparse_shape(self):
        """Sizes of the batch and sparse dimensions."""
        return self.shape[:len(self.shape) - self.dense_dim]

    @property
    def grid(self):
        """How many cells there are along each batch and sparse dimension."""
        if self.block is None:
            return self.sparse_shape
        *batch, rows, columns = self.sparse_shape
        return (*batch, rows // self.block[0], columns // self.block[1])

    @property
    def cell_shape(self):
        """The shape of one cell's values."""
        return (*(self.block or ()), *self.dense_shape)

    @property
    def values_shape(self):
        return (*self.sparse_shape[:self.batch_dim], self.nnz, *self.cell_shape)

    def derive(self, name, make):
        """What `make()` gives, kept under a name. RuntimeError where indices were changed and lie outside now."""
        versions = [i._storage.version for i in self.indices]
        if versions != self.versions:
            from .check import again
            self.derived.clear()
            again(self)
            self.versions, self.coalesced = versions, self.coalesced and not self.is_coo
        found = self.derived.get(name)
        if found is None:
            found = self.derived[name] = make()
        return found

    def major(self):
        """Of a compressed format: the row (or column) of each value, flat over batches, as int64."""
        def make():
            compressed = self.indices[0].detach().long()
            count = compressed.shape[-1] - 1
            widths = (compressed[..., 1:] - compressed[..., :-1]).reshape(-1)
            numbers = arange(count, device=compressed.device).expand(*compressed.shape[:-1], count).reshape(-1)
            return numbers.repeat_interleave(widths)
        return self.derive("major", make)

    def cells(self):
        """The cell number of each value (flat over batches), as int64."""
        return self.derive("cells", lambda: self._numbers(True))

    def places(self):
        """Numbers that grow along the order of a format: cell numbers, counted by columns in formats by columns."""
        return self.cells() if self.is_coo or self.by_rows else self._numbers(False)

    def _numbers(self, along_rows):
        if self.is_coo:
            (indices,) = self.indices
            if self.sparse_dim == 0:
                return indices.new_zeros((self.nnz,))
            found, *rest = indices
            for n, numbers in zip(self.grid[1:], rest, strict=True):
                found = found * n + numbers
            return found if rest else found.contiguous()
        minor = self.indices[1].detach().long().reshape(-1)
        rows, columns = (self.major(), minor) if self.by_rows else (minor, self.major())
        found = rows * self.grid[-1] + columns if along_rows else columns * self.grid[-2] + rows
        if self.batch_dim:
            batches, each = math.prod(self.grid[:self.batch_dim]), self.grid[-1] * self.grid[-2]
            found = found + (arange(batches, device=found.device) * each).repeat_interleave(self.nnz)
        return found

    def lines(self, by_rows):
        """The Lines of a matrix without blocks. What has to be sorted is kept: a graph that is used in every step is
        sorted once."""
        return self.derive("rows" if by_rows else "columns", lambda: self._lines(by_rows))

    def _lines(self, by_rows):
        if not self.is_coo and self.by_rows == by_rows:
            return Lines(*(i.contiguous() for i in self.indices), None)
        if self.is_coo:
            own, other = (self.indices[0][0 if by_rows else 1], self.indices[0][1 if by_rows else 0])
        else:
            own, other = self.indices[1].to(int64), self.major()
        own, other, order = own.contiguous(), other.contiguous(), None
        if not (self.is_coo and self.coalesced and by_rows):
            own, order = OPS["sort"].call(own, stable=True)
            other = take(other, order)
        counts = own.bincount(None, self.shape[0 if by_rows else 1])
        return Lines(OPS["cat"].call([counts.new_zeros((1,)), counts.cumsum(0)]), other, order)

    def with_(self, shape=None, indices=None, dense_dim=None, coalesced=None):
        """The pattern with some fields replaced."""
        return Pattern(self.format, shape or self.shape, indices or self.indices,
                       self.dense_dim if dense_dim is None else dense_dim, self.block,
                       self.coalesced if coalesced is None else coalesced)


class SparseLayout(CustomLayout):
    """The layout of a sparse tensor. Calls go to the handlers of this package, by the name of the op."""

    __slots__ = ("pattern",)
    priority = 1000  # before transforms: handlers work on values, which may be batched or dual themselves
    pattern: Pattern

    def __init__(self, pattern, dtype, device):
        super().__init__(dtype, pattern.shape, device)
        self.pattern = pattern

    def _strided_only(self):
        """Strides and a size in bytes are read by what knows strided tensors only, such as random fills."""
        raise NotImplementedError(f"not implemented for tensors with layout torch.{self.pattern.format.name} (shape "
                                  f"{list(self.shape)}, {self.dtype}): call .to_dense() first, or work on its "
                                  ".values()")

    nbytes = strides = property(_strided_only, lambda self, value: None)  # type: ignore[assignment]

    def __repr__(self):
        return f"SparseLayout({self.pattern.format.name}, {self.dtype.name}, {self.shape}, nnz={self.pattern.nnz})"

    def with_(self, dtype=None, shape=None, strides=None):
        """A strided layout of the same (or the given) shape and dtype: that of a dense tensor."""
        return layout(dtype or self.dtype, self.shape if shape is None else shape, strides, self.device)

    def dispatch(self, op, inplace, values):
        """What the handler of an op answers. NotImplementedError names the op and the layout where there is none."""
        handler = HANDLERS.get(op.name)
        if inplace:
            handler = HANDLERS_INPLACE.get(op.name) or (handler and partial(HANDLERS_INPLACE[""], op.name, handler))
        found = NotImplemented if handler is None else handler(*values)
        if found is NotImplemented and op.kind != "composite":
            raise NotImplementedError(
                f"{op.name}{'_' * inplace}: not implemented for tensors with layout torch.{self.pattern.format.name} "
                f"(shape {list(self.shape)}, {self.dtype}); call .to_dense() first, or work on its .values()")
        return found


HANDLERS: dict[str, Any] = {}
HANDLERS_INPLACE: dict[str, Any] = {}  # "" is the general way: handler(name, function, target, ...)


def handles(*names, inplace=False):
    """Enter a function as the answer to ops; it gets the op's parameters in order, and may return NotImplemented."""
    def enter(function):
        for name in names:
            (HANDLERS_INPLACE if inplace else HANDLERS)[name] = function
        return function
    return enter


def is_sparse(value):
    """Whether a value is a sparse tensor, of whatever format."""
    return getattr(value, "_layout", None).__class__ is SparseLayout


def take(cells, numbers):
    """Rows of `cells` at numbers that are known to be right. Differentiable."""
    return OPS["_gather"].call(cells, numbers, (0,), "select")


def collect(values, numbers, count):
    """(count, ...) zeros with `values` (n, ...) added at numbers that are known to be right. Differentiable."""
    return OPS["_collect"].call(values, numbers, (count, *values._layout.shape[1:]), (0,), "select")
