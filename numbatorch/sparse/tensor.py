"""SparseTensor: a pattern and its values, and how gradients pass between the two.

Operations on sparse tensors are operations on their values: `recorded_values` gives values whose gradient becomes the
sparse gradient of the tensor, `assemble` makes a tensor whose gradient, sparse or strided, becomes one of the values.
"""

import math

from ..autograd.modes import mode
from ..autograd.node import FunctionRule, attach, edge, new_node
from ..device import usable
from ..layout import Layout
from ..ops.declare import OPS
from ..recording import Layouts, check_inplace
from ..subclassing import disabled_torch_function
from ..tensor import Tensor
from ..tensor_moves import is_asynchronous, parse_to
from .pattern import BLOCK_FORMATS, TITLES, SparseLayout, handles, is_sparse, take

_new = object.__new__


class SparseTensor(Tensor):
    """A tensor whose values are stored where they were specified; all others are zero. Made by `sparse_coo_tensor`,
    `sparse_csr_tensor`, ..., `Tensor.to_sparse`."""

    __torch_function__ = disabled_torch_function

    _layout: SparseLayout
    _stored: Tensor  # the values, outside the tape
    _ptr = 0

    @property
    def _storage(self):
        return self._stored._storage

    @property
    def _pattern(self):
        return self._layout.pattern

    # ---------------------------------------------------------------- what it is

    @property
    def layout(self):
        return self._layout.pattern.format

    @property
    def is_sparse(self):
        return self._layout.pattern.is_coo

    @property
    def is_sparse_csr(self):
        return self._layout.pattern.format.name == "sparse_csr"

    def _without(self, what):
        return RuntimeError(f"{TITLES[self.layout.name]} tensors do not have {what}: ask their .values()")

    @property
    def nbytes(self):
        raise RuntimeError("nbytes is not defined for sparse tensors: add up those of the indices and of the values, "
                           "or multiply numel() by element_size() for the size of the equivalent dense tensor")

    def stride(self, dim=None):
        if not self._pattern.is_coo:
            raise self._without("strides")
        return (0,) * self._layout.ndim if dim is None else 0

    def storage_offset(self):
        raise self._without("a storage offset")

    def data_ptr(self):
        raise self._without("a data pointer")

    def is_contiguous(self, memory_format=None):
        return False

    def contiguous(self, memory_format=None):
        raise RuntimeError("contiguous: a sparse tensor has no order in memory: call .coalesce(), or .to_dense()")

    def untyped_storage(self):
        raise NotImplementedError(f"Cannot access storage of a tensor with layout {self.layout}: ask its .values()")

    storage = untyped_storage

    def _array(self):
        raise TypeError(f"can't convert {self.layout} layout tensor to numpy. Use Tensor.to_dense() first.")

    def numpy(self, *, force=False):
        return self._array()

    def tolist(self):
        raise RuntimeError(f"tolist: a tensor with layout {self.layout} has no list of elements; call .to_dense() "
                           "first")

    def item(self):
        if self._layout.numel != 1:
            raise RuntimeError(f"a Tensor with {self._layout.numel} elements cannot be converted to Scalar")
        return self.detach().to_dense().item()

    def type(self, dtype=None, **_):
        if dtype is not None:
            return super().type(dtype)
        return super().type().replace("torch.", "torch.sparse.")

    # ---------------------------------------------------------------- copies and conversions

    def detach(self):
        return make(self._pattern, self._stored)

    _kept = detach
    data = property(detach, lambda self, other: replace(self, other))

    def to(self, *args, **kwargs):
        dtype, device, copy = parse_to(*args, **kwargs)
        device = self._layout.device if device is None else usable("to: ", device)
        dtype = dtype or self._layout.dtype
        if dtype is self._layout.dtype and device is self._layout.device and not copy:
            return self
        if device is self._layout.device:
            return OPS["_to"].call(self, dtype, False, None)
        moved = OPS["_move"].call(self, device, not is_asynchronous(args, kwargs))
        return moved if dtype is self._layout.dtype else OPS["_to"].call(moved, dtype, False, None)

    def new_empty(self, *size, dtype=None, layout=None, **options):
        return self.new_zeros(*size, dtype=dtype, layout=layout, **options)

    def new_zeros(self, *size, dtype=None, layout=None, **options):
        """Zeros of another shape in this tensor's layout (or `layout`), without values."""
        from ..creation import zeros
        return zeros(*size, dtype=dtype or self._layout.dtype, layout=layout or self.layout, **options)

    def new_full(self, size, fill_value, **options):
        raise NotImplementedError(f"new_full: a tensor with layout {self.layout} can only be made without values, by "
                                  "new_zeros: call zeros, ones or full")

    def new_ones(self, *size, **options):
        return self.new_full(size, 1, **options)

    def __setitem__(self, index, value):
        raise NotImplementedError(f"writing into a part of a tensor with layout {self.layout} is not implemented: "
                                  "change its .values(), or make another one from indices and values")

    def __deepcopy__(self, memo):
        import copy
        if id(self) in memo:
            return memo[id(self)]
        if self._node is not None:
            raise RuntimeError("Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
                               "protocol at the moment: call detach() first.")
        indices = [copy.deepcopy(i, memo) for i in self._pattern.indices]
        result = make(self._pattern.with_(indices=indices), copy.deepcopy(self._stored, memo))
        result._needs_grad = self._needs_grad
        if self._grad is not None:
            result._grad = copy.deepcopy(self._grad, memo)
        memo[id(self)] = result
        return result

    def share_memory_(self):
        for part in (*self._pattern.indices, self._stored):
            part.share_memory_()
        return self

    def is_shared(self):
        return self._stored.is_shared() and all(i.is_shared() for i in self._pattern.indices)

    def __reduce_ex__(self, protocol):
        if self._node is not None:
            raise RuntimeError("cannot pickle a tensor that is a result of recorded operations: call detach() first")
        p = self._pattern
        return rebuild, (p.format.name, p.shape, p.indices, self._stored, p.dense_dim, p.block, p.coalesced,
                         self._needs_grad)

    # ---------------------------------------------------------------- changes in place

    def zero_(self):
        """No values are left; all elements are 0."""
        from .construct import empty
        check_inplace("zero", self)
        return replace(self, empty(self._pattern, self._layout.dtype))

    def resize_(self, *size, memory_format=None):
        shape = tuple(size[0]) if len(size) == 1 and isinstance(size[0], (tuple, list)) else tuple(size)
        if self._needs_grad:
            raise RuntimeError("cannot resize variables that require grad")
        p = self._pattern
        if p.is_coo:
            return self.sparse_resize_(shape, p.sparse_dim, p.dense_dim)
        raise NotImplementedError(f"resize_: not implemented for tensors with layout {self.layout}")

    def set_(self, *args, **kwargs):
        raise NotImplementedError(f"set_: not implemented for tensors with layout {self.layout}")

    def _coalesced_(self, value):
        """Say whether the indices are sorted and distinct."""
        self._layout = SparseLayout(self._pattern.with_(coalesced=bool(value)), self._layout.dtype, self._layout.device)
        return self

    def __repr__(self):
        from .printing import text
        return text(self)

    def __hash__(self):
        return id(self)


def _is_wrapped(values):
    """Whether a transform (vmap, jvp) runs on the values: they then keep their own history."""
    return values._layout.__class__ is not Layout


def make(pattern, values):
    """A sparse tensor outside the tape."""
    result = _new(SparseTensor)
    result._stored = values.detach() if values._needs_grad and not _is_wrapped(values) else values
    result._layout = SparseLayout(pattern, values._layout.dtype, values._layout.device)
    return result


def rebuild(format_name, shape, indices, values, dense_dim, block, coalesced, requires_grad):
    """A sparse tensor from its pickled parts."""
    from .. import creation
    from .pattern import Pattern
    result = make(Pattern(getattr(creation, format_name), shape, indices, dense_dim, block, coalesced), values)
    result._needs_grad = requires_grad
    return result


def assemble(pattern, values, name="SparseBackward0"):
    """A sparse tensor of values that may have a history."""
    result = make(pattern, values)
    if values._needs_grad and mode.enabled and values._layout.dtype.category >= 2 and not _is_wrapped(values):
        rule = FunctionRule(name, lambda node, grads: [pick(grads[0], pattern)])
        attach(result, new_node(rule, Layouts((result._layout,)), [edge(values)], ()))
    return result


def recorded_values(tensor):
    """The values of a sparse tensor, with its history."""
    stored = tensor._stored
    if not (tensor._needs_grad and mode.enabled):
        return stored
    pattern = tensor._pattern
    result = stored.detach()
    rule = FunctionRule("ValuesBackward0", lambda node, grads: [assemble(pattern, grads[0])])
    attach(result, new_node(rule, Layouts((stored._layout,)), [edge(tensor)], ()))
    return result


def replace(target, source):
    """Put another sparse tensor's pattern, values and history in place of a sparse tensor's own."""
    target._layout, target._stored = source._layout, source._stored
    target._stored._storage.version += 1
    if mode.enabled and source._needs_grad:
        target._needs_grad, target._node, target._output_index = True, source._node, source._output_index
    return target


def to_cells(dense, pattern):
    """A strided tensor cut into the cells of a pattern: (cells, *cell shape)."""
    count = math.prod(pattern.grid)
    if pattern.format not in BLOCK_FORMATS:
        return dense.reshape(count, *pattern.dense_shape)
    *batch, rows, columns = pattern.grid
    high, wide = pattern.block
    cut = dense.reshape(*batch, rows, high, columns, wide, *pattern.dense_shape)
    return cut.transpose(len(batch) + 1, len(batch) + 2).reshape(count, *pattern.cell_shape)


def from_cells(cells, pattern):
    """The strided tensor that `to_cells` cuts."""
    if pattern.format not in BLOCK_FORMATS:
        return cells.reshape(pattern.shape)
    *batch, rows, columns = pattern.grid
    high, wide = pattern.block
    cut = cells.reshape(*batch, rows, columns, high, wide, *pattern.dense_shape)
    return cut.transpose(len(batch) + 1, len(batch) + 2).reshape(pattern.shape)


def flat_values(values, pattern):
    """Values (*batch, nnz, *cell) as (batches * nnz, *cell)."""
    return values.reshape(pattern.count, *pattern.cell_shape) if pattern.batch_dim else values


@handles("_move")
def _moved(tensor, device, wait=True):
    """A sparse tensor on another device."""
    pattern = tensor._pattern
    indices = [i.to(device, non_blocking=not wait) for i in pattern.indices]
    return assemble(pattern.with_(indices=indices), OPS["_move"].call(recorded_values(tensor), device, wait),
                    "ToCopyBackward0")


def pick(tensor, pattern):
    """The values of a tensor, strided or sparse, at the places of a pattern. Differentiable."""
    if is_sparse(tensor):
        own = tensor._pattern
        if own is pattern or (own.format is pattern.format and same_indices(own, pattern)):
            return recorded_values(tensor)
        from .convert import pick_sparse
        return pick_sparse(tensor, pattern)
    return take(to_cells(tensor, pattern), pattern.cells()).reshape(pattern.values_shape)


def same_indices(a, b):
    """Whether two patterns of one format name the same places in the same order."""
    if a is b:
        return True
    if a.shape != b.shape or a.dense_dim != b.dense_dim or a.block != b.block:
        return False
    for x, y in zip(a.indices, b.indices, strict=True):
        if x is not y and (x._layout.shape != y._layout.shape or
                           not ((x._ptr == y._ptr and x._layout is y._layout) or bool((x == y).all()))):
            return False
    return True
