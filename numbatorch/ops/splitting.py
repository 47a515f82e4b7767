"""Several views of one tensor: unbind, split and its forms; and broadcast views of several tensors."""

import functools
import itertools
from typing import Any

from ..layout import Layout, broadcast_shapes, wrap_dim
from .declare import OPS, composite, foreign
from .parts import narrow_, select


@functools.cache
def _memory():
    """(whether calls are recorded, how memory for a layout is had): of layers that import this one."""
    from ..autograd.modes import mode
    from ..tensor import empty_layout
    return mode, empty_layout


def _written(grads, input_layout, parts):
    """The gradient of a tensor from those of its parts, each put in its place; None where that is to be recorded, or
    one kernel joins them: compiled programs write what they join where it belongs (compiler/passes/arranged.py).

    parts(whole, k): part k of a tensor.
    """
    mode, empty_layout = _memory()
    if mode.enabled or any([g is not None and g._layout.__class__ is not Layout for g in grads]) or all(
            [g is not None and g._layout.is_contiguous and g._layout.dtype is input_layout.dtype for g in grads]):
        return None
    whole = empty_layout(input_layout.with_(shape=input_layout.shape))
    if any([g is None for g in grads]):
        whole.zero_()
    for k, g in enumerate(grads):
        if g is not None:
            parts(whole, k).copy_(g)
    return whole


def _unbind_gradient(grads, input_layout, dim):
    whole = _written(grads, input_layout, lambda whole, k: select.call(whole, dim, k))
    if whole is not None:
        return whole
    known = next(g for g in grads if g is not None)
    return OPS["stack"].call([known.new_zeros(known.shape) if g is None else g for g in grads], dim)


@foreign(name="_unbind", method=False, eager=True, several=True, grad=_unbind_gradient)
def _unbind(input, dim: int):
    """The parts of `input` along `dim`, as one recorded step."""
    return tuple([select.call(input, dim, i) for i in range(input._layout.shape[dim])])


@composite
def unbind(input, dim=0) -> tuple:
    """All parts of `input` along `dim`, which goes away, as a tuple of views."""
    own = input._layout
    if own.ndim == 0:
        raise IndexError("unbind: Dimension specified as 0 but tensor has no dimensions")
    dim = wrap_dim(dim, own.ndim)
    if input._needs_grad and own.shape[dim]:
        return _unbind.call(input, dim)
    return tuple([select.call(input, dim, i) for i in range(own.shape[dim])])


def _split_gradient(grads, input_layout, lengths, dim):
    starts = [0, *itertools.accumulate(lengths)]
    whole = _written(grads, input_layout, lambda whole, k: narrow_.call(whole, dim, starts[k], lengths[k]))
    if whole is not None:
        return whole
    known = next(g for g in grads if g is not None)
    shape = input_layout.shape
    return OPS["cat"].call([known.new_zeros((*shape[:dim], n, *shape[dim + 1:])) if g is None else g
                            for g, n in zip(grads, lengths, strict=True)], dim)


@foreign(name="_split", method=False, eager=True, several=True, grad=_split_gradient)
def _split(input, lengths: tuple, dim: int):
    """Consecutive parts of `input` along `dim`, as one recorded step."""
    return _parts(input, lengths, dim)


def _parts(input, lengths, dim):
    parts, start = [], 0
    for n in lengths:
        parts.append(narrow_.call(input, dim, start, n))
        start += n
    return tuple(parts)


def _cut(input, lengths, dim):
    """Views of consecutive parts; the lengths add up to the size of `dim`."""
    if input._needs_grad and lengths:
        return _split.call(input, tuple(lengths), dim)
    return _parts(input, lengths, dim)


def _place_to_split(name, input, dim):
    if input._layout.ndim == 0:
        raise RuntimeError(f"{name} expects at least a 1-dimensional tensor, but got a tensor with 0 dims")
    dim = wrap_dim(dim, input._layout.ndim)
    return dim, input._layout.shape[dim]


@composite(namespaces="", method=True)
def split(tensor, split_size_or_sections=None, dim=0, *, split_size=None) -> tuple:
    """Views of parts of `split_size` (the last may be smaller), or of the given sizes, along `dim`."""
    given = split_size if split_size_or_sections is None else split_size_or_sections
    if isinstance(given, (tuple, list)):
        return split_with_sizes.call(tensor, given, dim)
    dim, n = _place_to_split("split", tensor, dim)
    if not isinstance(given, int):
        raise TypeError(f"split(): argument 'split_size' must be int or a sequence of ints, not {type(given).__name__}")
    if given < 0:
        raise RuntimeError(f"split expects split_size be non-negative, but got split_size={given}")
    if given == 0:
        if n:
            raise RuntimeError(f"split: split_size can only be 0 if dimension size is 0, but got dimension size of {n}")
        return _cut(tensor, [0], dim)
    return _cut(tensor, [min(given, n - i) for i in range(0, n, given)] or [0], dim)


@composite
def split_with_sizes(input, split_sizes, dim=0) -> tuple:
    """Views of parts of the given sizes along `dim`. RuntimeError where they do not add up to its size."""
    dim, n = _place_to_split("split", input, dim)
    lengths = list(split_sizes)
    if any(k < 0 for k in lengths):
        raise RuntimeError(f"split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes="
                           f"{lengths}")
    if sum(lengths) != n:
        raise RuntimeError(f"split_with_sizes expects split_sizes to sum exactly to {n} (input tensor's size at "
                           f"dimension "
                           f"{dim}), but got split_sizes={lengths}")
    return _cut(input, lengths, dim)


@composite
def chunk(input, chunks, dim=0) -> tuple:
    """At most `chunks` views of equal size along `dim`; the last may be smaller."""
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    dim, n = _place_to_split("chunk", input, dim)
    size = -(-n // chunks)
    return _cut(input, [min(size, n - i) for i in range(0, n, size)] if size else [0] * chunks, dim)


def _apart(parts):
    """Views that their base knows nothing of."""
    for part in parts:
        part._base = None
    return parts


@composite
def unsafe_split(tensor, split_size, dim=0) -> tuple:
    """`split` whose parts may be changed in place; for programs that do not use `tensor` itself afterwards."""
    return _apart(split.call(tensor, split_size, dim))


@composite
def unsafe_split_with_sizes(input, split_sizes, dim=0) -> tuple:
    """`split_with_sizes`, whose parts may be changed in place; for programs that do not use `input` afterwards."""
    return _apart(split_with_sizes.call(input, split_sizes, dim))


@composite
def unsafe_chunk(input, chunks, dim=0) -> tuple:
    """`chunk`, whose parts may be changed in place; for programs that do not use `input` itself afterwards."""
    return _apart(chunk.call(input, chunks, dim))


@composite(sized_by_values=True)
def tensor_split(input, indices_or_sections=None, dim=0, *, indices=None, sections=None) -> tuple:
    """Views of `sections` nearly equal parts along `dim`, or of the parts between `indices`."""
    given: Any = next((g for g in (indices_or_sections, indices, sections) if g is not None), None)
    dim, n = _place_to_split("tensor_split", input, dim)
    if hasattr(given, "_layout"):
        if given._layout.dtype.name != "int64" or given._layout.ndim > 1:
            raise RuntimeError("tensor_split expected tensor_indices_or_sections to be a zero-dimensional or "
                               f"one-dimensional int64 tensor, but got a tensor with {given._layout.ndim} dims of "
                               f"{given._layout.dtype}")
        given = given.tolist()
    if isinstance(given, int):
        if given <= 0:
            raise RuntimeError(f"tensor_split: number of sections must be larger than 0, got {given}")
        return _parts(input, [n // given + (i < n % given) for i in range(given)], dim)
    limits = [range(n)[:i].stop if i >= 0 else max(n + i, 0) for i in given]
    ends = [0, *limits, n]
    return tuple(narrow_.call(input, dim, min(a, n), max(b - a, 0)) for a, b in zip(ends, ends[1:], strict=False))


def _split_at(name, input, given, dim, least):
    if input._layout.ndim < least:
        raise RuntimeError(f"torch.{name} requires a tensor with at least {least} dimension{'s' * (least > 1)}, but "
                           f"got a "
                           f"tensor with {input._layout.ndim} dimensions!")
    if isinstance(given, int):
        n = input._layout.shape[dim]
        if given <= 0 or n % given:
            raise RuntimeError(f"torch.{name} attempted to split along dimension {dim}, but the size of the dimension "
                               f"{n} "
                               f"is not divisible by the split_size {given}!")
    return tensor_split.call(input, given, dim)


@composite
def hsplit(input, indices_or_sections=None, *, indices=None, sections=None) -> tuple:
    """tensor_split along dimension 1, or 0 for 1-dimensional tensors; sections must be equal."""
    given = next(g for g in (indices_or_sections, indices, sections) if g is not None)
    return _split_at("hsplit", input, given, 0 if input._layout.ndim == 1 else 1, 1)


@composite
def vsplit(input, indices_or_sections=None, *, indices=None, sections=None) -> tuple:
    """tensor_split along dimension 0 into equal parts. RuntimeError where `sections` does not divide its size."""
    return _split_at("vsplit", input, next(g for g in (indices_or_sections, indices, sections) if g is not None), 0, 2)


@composite
def dsplit(input, indices_or_sections=None, *, indices=None, sections=None) -> tuple:
    """tensor_split along dimension 2 into equal parts. RuntimeError where `sections` does not divide its size."""
    return _split_at("dsplit", input, next(g for g in (indices_or_sections, indices, sections) if g is not None), 2, 3)


# Several tensors.

def listed(tensors):
    """The tensors of `f(a, b)` or `f([a, b])`."""
    return list(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else list(tensors)


@composite(method=False)
def broadcast_tensors(*tensors) -> tuple:
    """A tuple of all tensors expanded to their common shape, without copies. RuntimeError where there is none."""
    given = listed(tensors)
    for k, g in enumerate(given):
        if not hasattr(g, "_layout"):
            raise TypeError(f"broadcast_tensors(): expected Tensor as element {k}, but got {type(g).__name__}")
    shape = broadcast_shapes("broadcast_tensors", [g._layout.shape for g in given])
    return tuple([OPS["Tensor.expand"].call(g, shape) for g in given])


def _at_least(tensors, grow):
    if len(tensors) == 1 and not isinstance(tensors[0], (tuple, list)):
        return grow(tensors[0])
    return tuple(grow(g) for g in listed(tensors))


@composite(method=False)
def atleast_1d(*tensors):
    """0-d tensors with one dimension; others as they are. One tensor gives one, several or a sequence a tuple."""
    return _at_least(tensors, lambda g: g.reshape(1) if g._layout.ndim == 0 else g)


@composite(method=False)
def atleast_2d(*tensors):
    """Tensors of less than two dimensions with two, (n,) as (1, n); others as they are. Several give a tuple."""
    return _at_least(tensors, lambda g: g.reshape(1, 1) if g._layout.ndim == 0 else
                     g.unsqueeze(0) if g._layout.ndim == 1 else g)


@composite(method=False)
def atleast_3d(*tensors):
    """Tensors of less than three dimensions with three: (n,) as (1, n, 1), (n, m) as (n, m, 1)."""
    return _at_least(tensors, lambda g: g.reshape(1, 1, 1) if g._layout.ndim == 0 else
                     g.unsqueeze(0).unsqueeze(-1) if g._layout.ndim == 1 else
                     g.unsqueeze(-1) if g._layout.ndim == 2 else g)
