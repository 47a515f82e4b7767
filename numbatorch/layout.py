"""Layouts: what a tensor's bytes mean. dtype, shape and strides (in elements) on a device, interned.

Equal layouts are one object, so a plan is found by the identity of its operands' layouts.
"""

import math
from typing import Any

from .device import CPU


class Layout:
    """dtype, shape and strides of a tensor, and the facts that follow from them."""

    __slots__ = ("dtype", "shape", "strides", "device", "numel", "is_contiguous", "nbytes", "ndim",
                 "has_values")
    dtype: Any
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    device: Any
    numel: int
    is_contiguous: bool
    nbytes: int
    ndim: int
    has_values: bool  # whether a tensor can be asked for its numbers: not on the meta device

    def __repr__(self):
        return f"Layout({self.dtype.name}, {self.shape}, {self.strides}, {self.device})"

    def with_(self, dtype=None, shape=None, strides=None):
        """The same layout with some fields replaced; a new shape alone is contiguous."""
        if shape is None:
            shape, strides = self.shape, self.strides if strides is None else strides
        return layout(dtype or self.dtype, shape, strides, self.device)


_interned: dict = {}


def contiguous_strides(shape):
    """Row-major strides: (2, 3, 4) -> (12, 4, 1)."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= max(n, 1)
    return tuple(reversed(strides))


def layout(dtype, shape, strides=None, device=CPU):
    """The one Layout with these fields; contiguous when no strides are given."""
    shape = tuple(shape)
    if strides is None:
        strides = contiguous_strides(shape)
    key = (dtype, shape, strides, device)
    found = _interned.get(key)
    if found is None:
        if len(_interned) > 200_000:  # a program with ever new shapes: forget, plans are then made again
            _interned.clear()
        found = Layout()
        found.dtype, found.shape, found.strides, found.device = key
        found.ndim, found.numel = len(shape), math.prod(shape)
        found.is_contiguous = found.numel == 0 or all(
            n == 1 or s == c for n, s, c in zip(shape, strides, contiguous_strides(shape), strict=True))
        found.nbytes = span(shape, strides) * dtype.itemsize
        if (found.numel >= 2**63 or found.nbytes >= 2**63) and type(found.numel) is int:
            raise RuntimeError(f"Storage size calculation overflowed with sizes={list(shape)}: {found.numel} elements "
                               f"of {dtype.itemsize} bytes")
        found.has_values = device is CPU or _has_values(device)
        _interned[key] = found
    return found


def _has_values(device):
    from .plan import backend
    return backend(device).has_values


def span(shape, strides):
    """Elements between the first and the last one of a layout, both included."""
    if 0 in shape:
        return 0
    return 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))


def broadcast_shapes(name, shapes, names=None):
    """The common shape of operands of op `name`; RuntimeError names the operands that do not fit."""
    rank = max(map(len, shapes), default=0)
    result = [1] * rank
    for shape in shapes:
        lead = rank - len(shape)
        for i, n in enumerate(shape):
            if n != 1 and result[lead + i] != n:
                if result[lead + i] != 1:
                    given = ", ".join(f"{label} {tuple(s)}" for label, s in
                                      zip(names or [f"operand {k}" for k in range(len(shapes))], shapes, strict=False))
                    raise RuntimeError(f"{name}: shapes do not broadcast: size {result[lead + i]} against {n} at "
                                       f"dimension {lead + i} ({given})")
                result[lead + i] = n
    return tuple(result)


def broadcast_strides(shape, strides, to):
    """Strides that walk `shape` as if it had shape `to`: 0 along repeated dimensions."""
    lead = len(to) - len(shape)
    return (0,) * lead + tuple(0 if n == 1 else s for n, s in zip(shape, strides, strict=True))


def result_strides(shape, operands):
    """Strides of a new result: the operands' own order of dimensions, densely packed.

    Operands are (shape, strides) pairs broadcast to `shape`. As PyTorch's TensorIterator orders them: dimension order
    is decided by the first operand with an opinion; ambiguous (size 1 or stride 0) dimensions keep their place.
    """
    rank = len(shape)
    rows = [broadcast_strides(s, t, shape) for s, t in operands if len(s) > 0]
    if all(r == contiguous_strides(shape) for r in rows):
        return contiguous_strides(shape)
    same = [s for s in operands if s[0] == shape]
    if len(same) == len(rows) and same and all(s[1] == same[0][1] for s in same) and is_dense(*same[0]):
        return same[0][1]
    strides, step = [0] * rank, 1
    for d in memory_order(shape, rows):
        strides[d] = step
        step *= max(shape[d], 1)
    return tuple(strides)


def memory_order(shape, rows):
    """Dimensions from the fastest to the slowest, by rows of strides in the order of their say."""
    rank = len(shape)
    order = list(reversed(range(rank)))

    def compare(a, b):
        """1 when a should come after b (a is slower), -1 before, 0 no opinion."""
        for row in rows:
            sa, sb = row[a], row[b]
            if sa == 0 or sb == 0:
                continue
            if sa != sb:
                return 1 if sa > sb else -1
            if shape[a] > shape[b]:
                return 1
        return 0

    for i in range(1, rank):
        at = i
        for j in range(i - 1, -1, -1):
            c = compare(order[j], order[at])
            if c > 0:
                order[j], order[at] = order[at], order[j]
                at = j
            elif c < 0:
                break
    return order


def channels_last_strides(shape):
    """Strides with the channels, dimension 1, next to each other."""
    strides, step = [0] * len(shape), 1
    for d in (1, *range(len(shape) - 1, 1, -1), 0):
        strides[d] = step
        step *= max(1, shape[d])
    return tuple(strides)


def format_strides(shape, memory_format):
    """Strides of a memory format, given by its name; None for row-major. RuntimeError where its rank is another."""
    if memory_format == "contiguous_format":
        return None
    rank = {"channels_last": 4, "channels_last_3d": 5}[memory_format]
    if len(shape) != rank:
        raise RuntimeError(f"required rank {rank} tensor to use {memory_format} format, got shape {list(shape)}")
    return channels_last_strides(shape)


def has_format(layout_, memory_format):
    """Whether a layout's elements lie in the order of a memory format, given by its name."""
    if memory_format == "contiguous_format":
        return layout_.is_contiguous
    rank = {"channels_last": 4, "channels_last_3d": 5}[memory_format]
    return len(layout_.shape) == rank and all(
        n == 1 or s == w for n, s, w in zip(layout_.shape, layout_.strides, channels_last_strides(layout_.shape),
                                            strict=True))


def is_dense(shape, strides):
    """Whether the elements fill a block without gaps or overlap, in any order of dimensions."""
    step = 1
    for s, n in sorted((s, n) for s, n in zip(strides, shape, strict=True) if n != 1):
        if s != step:
            return False
        step *= n
    return True


def wrap_dim(dim, ndim, name="dim"):
    """A dimension in 0..ndim-1; negative ones count from the end; IndexError outside."""
    bound = max(ndim, 1)
    if not -bound <= dim < bound:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-bound}, {bound - 1}], but got {dim})")
    return dim + bound if dim < 0 else dim


def wrap_dims(dim, ndim, name="dim"):
    """Dimensions as a sorted tuple; None and () mean all; RuntimeError when one is named twice."""
    if dim is None or (isinstance(dim, (tuple, list)) and len(dim) == 0):
        return tuple(range(ndim))
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    wrapped = tuple(wrap_dim(d, ndim) for d in dims)
    if len(set(wrapped)) != len(wrapped):
        raise RuntimeError(f"dim {dims[-1]} appears multiple times in the list of dims")
    return tuple(sorted(wrapped))


def coalesce(shape, rows):
    """Merge neighbouring dimensions that every operand walks in one stride; sizes of 1 go.

    `rows`: the strides of each operand. Returns (shape, rows), slowest dimension first.
    """
    sizes: list[int] = []
    out: list[list[int]] = [[] for _ in rows]
    for d, n in enumerate(shape):
        if n == 1:
            continue
        if sizes and all(o[-1] == r[d] * n for o, r in zip(out, rows, strict=True)):
            sizes[-1] *= n
            for o, r in zip(out, rows, strict=True):
                o[-1] = r[d]
        else:
            sizes.append(n)
            for o, r in zip(out, rows, strict=True):
                o.append(r[d])
    return tuple(sizes), [tuple(o) for o in out]


def view_strides(shape, strides, new_shape):
    """Strides of a view of another shape, or None where only a copy will do.

    Walks both shapes from the fastest dimension: each run of old dimensions that is one stride must be used up by whole
    new dimensions (the rule, and the strides of dimensions of size 1, are PyTorch's `view`).
    """
    if 0 in shape:
        return strides if shape == new_shape else contiguous_strides(new_shape)
    if not shape:
        return (1,) * len(new_shape)
    result = [0] * len(new_shape)
    at = len(new_shape) - 1
    step, old_run, new_run = strides[-1], 1, 1
    for d in range(len(shape) - 1, -1, -1):
        old_run *= shape[d]
        if d and (shape[d - 1] == 1 or strides[d - 1] == old_run * step):
            continue
        while at >= 0 and (new_run < old_run or new_shape[at] == 1):
            result[at] = new_run * step
            new_run *= new_shape[at]
            at -= 1
        if new_run != old_run:
            return None
        if d:
            step, old_run, new_run = strides[d - 1], 1, 1
    return tuple(result) if at < 0 else None
