"""Reading by index: index_select, gather, take, embedding, masks and the places of nonzero elements."""

import functools
import math

from ..dtypes import int64
from ..expr.kinds import Native
from ..layout import Layout, broadcast_shapes, layout, wrap_dim
from .declare import OPS, composite, gather as gather_kind
from .index import check, take_checked, take_from
from .parts import narrow_

_FIRST = (0,)


@composite(over="gather", out=True, exact_out=True, separate=True)
def index_select(input, dim, index):
    """The parts of `input` at `index`, a 1-d tensor of ints, along `dim`. IndexError outside."""
    own = index._layout
    if own.ndim > 1:
        raise IndexError(f"index_select(): Index is supposed to be a vector, got shape {list(own.shape)}")
    if own.dtype.name not in ("int32", "int64"):
        raise RuntimeError(f"index_select(): Expected dtype int32 or int64 for index, got {own.dtype}")
    shape = input._layout.shape
    dim = wrap_dim(dim, len(shape))
    check("index_select()", index, shape[dim] if shape else 1, dim)
    if not shape:
        if own.numel != 1:
            raise RuntimeError("index_select(): Index to scalar can have only 1 value, got {own.numel} value(s)")
        return take_from.call(input.reshape(1), index, (0,), "select").reshape(())
    return take_from.call(input, index, (dim,), "select")


def fits_along(name, input, dim, index, error=RuntimeError, wrap=False):
    """Check an index that has the shape of what it chooses from along `dim`; returns (dim, index as int64 or int32)."""
    own, other = index._layout, input._layout
    plain = own.__class__ is Layout and other.__class__ is Layout
    dim, size = (_known_along if plain else _dim_along)(name, other, dim, own)
    if own.dtype.name not in ("int64", "int32"):
        index = index.to(int64)
    if own.numel:
        check(f"{name}()", index, size, dim, error, wrap)
    return dim, index


def _dim_along(name, other, dim, own):
    """(dim, size of it) of what an index of layout `own` chooses from, which has layout `other`, after all checks."""
    shape = other.shape
    dim = wrap_dim(dim, len(shape))
    if own.dtype.category != 1:
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index, got {own.dtype}")
    size = shape[dim] if shape else 1
    if own.numel == 0:
        return dim, size
    if max(own.ndim, 1) != max(len(shape), 1):
        raise RuntimeError(f"{name}(): Index tensor must have the same number of dimensions as input tensor, got "
                           f"{own.ndim} and {len(shape)}")
    for d, (n, m) in enumerate(zip(own.shape, shape, strict=False)):
        if d != dim and n > m:
            raise RuntimeError(f"{name}(): Size does not match at dimension {d} expected index {list(own.shape)} to "
                               f"be no "
                               f"larger than self {list(shape)} apart from dimension {dim}")
    return dim, size


_known_along = functools.lru_cache(4096, typed=True)(_dim_along)  # layouts are interned: checked once each


@functools.lru_cache(4096, typed=True)
def checked_along(name, other, dim, own):
    """(dims of a loop that checks its indices itself, who captures calls) for layouts of input and index; (None, None)
    where there is no such loop."""
    from ..interception import state
    from ..plan import backend
    if own.dtype.name not in ("int32", "int64") or not own.shape or not other.shape or own.numel == 0 or (
            own.device is not other.device or not hasattr(backend(own.device), "range_check")):
        return None, None
    return (_known_along(name, other, dim, own)[0],), state


@composite(over="gather", out=True, exact_out=True, separate=True)
def gather(input, dim, index, *, sparse_grad=False):
    """result[i, j, k] = input[index[i, j, k], j, k] for dim 0, and so on. RuntimeError outside.

    With `sparse_grad`, the gradient of `input` is a sparse tensor of the elements that were used.
    """
    if sparse_grad and input._needs_grad and input._layout.ndim and index._layout.numel:
        dim, index = fits_along("gather", input, dim, index)
        return OPS["_gather_sparse"].call(input, index, dim)
    own, other = index._layout, input._layout
    if own.__class__ is Layout and other.__class__ is Layout:
        dims, state = checked_along("gather", other, dim, own)
        if dims is not None and state.traced is None:
            try:
                return take_checked.call(input, index, dims, "along")
            except IndexError:
                pass  # what follows says which index is outside
    return _chosen_along("gather", input, dim, index, False)


def _chosen_along(name, input, dim, index, wrap):
    dim, index = fits_along(name, input, dim, index, wrap=wrap)
    shape = index._layout.shape
    if not shape or not input._layout.shape:
        return take_from.call(input.reshape(-1), index.reshape(-1), (0,), "along").reshape(shape)
    if index._layout.numel == 0:
        return input.new_empty(shape) if not input._needs_grad else (
            input.reshape(-1)[:0].reshape(shape))
    return take_from.call(input, index, (dim,), "along")


@composite(over="gather", out=True)
def take_along_dim(input, indices, dim=None):
    """Elements of `input` chosen along `dim` by `indices`, both broadcast elsewhere; of all elements without `dim`."""
    if indices._layout.dtype is not int64:
        raise RuntimeError(f"torch.take_along_dim(): dtype of indices should be Long but got {indices._layout.dtype}")
    if dim is None:
        return _chosen_along("take_along_dim", input.reshape(-1), 0, indices.reshape(-1), True)
    own, other = input._layout, indices._layout
    if own.ndim != other.ndim:
        raise RuntimeError(f"torch.take_along_dim(): input and indices should have the same number of dimensions, but "
                           f"got "
                           f"{own.ndim} dimensions for input, and {other.ndim} dimensions for indices")
    dim = wrap_dim(dim, own.ndim)
    whole = list(broadcast_shapes("take_along_dim", [[1 if d == dim else n for d, n in enumerate(own.shape)],
                                                     [1 if d == dim else n for d, n in enumerate(other.shape)]]))
    whole[dim] = own.shape[dim]
    input = input.expand(whole)
    whole[dim] = other.shape[dim]
    return _chosen_along("take_along_dim", input, dim, indices.expand(whole), True)


@composite(over="gather", out=True, separate=True)
def take(input, index):
    """Elements of `input` by their places in row-major order, in the shape of `index`."""
    if index._layout.dtype is not int64:
        raise RuntimeError(f"take(): Expected a long tensor for index, but got {index._layout.dtype}")
    count = input._layout.numel
    if count == 0 and index._layout.numel:
        raise IndexError("take(): tried to take from an empty tensor")
    check("take()", index, count, 0, wrap=True)
    return take_from.call(input.reshape(-1), index.reshape(-1), (0,), "along").reshape(index._layout.shape)


@composite(over="gather", namespaces="nn.functional")
def embedding(input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False):
    """Rows of `weight` (V, E) at `input`: shape (*input.shape, E).

    The row padding_idx gets no gradient. Rows longer than max_norm are shortened to it first, in place. With `sparse`,
    the gradient of `weight` is a sparse tensor of the rows that were used.
    """
    if weight._layout.ndim != 2:
        raise RuntimeError(f"embedding: 'weight' must be 2-D, got {list(weight._layout.shape)}")
    rows = weight._layout.shape[0]
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise AssertionError(f"embedding: Padding_idx must be within num_embeddings: got {padding_idx} for {rows} "
                                 f"rows")
        padding_idx %= rows
    check("embedding", input, rows, 0)
    if max_norm is not None:
        from ..autograd.modes import no_grad
        with no_grad():
            renorm_rows(weight, input, max_norm, norm_type)
    if not weight._needs_grad or (padding_idx is None and not scale_grad_by_freq):
        return (OPS["_embedding_sparse"].call(weight, input, -1) if sparse and weight._needs_grad else
                take_from.call(weight, input, (0,), "address"))
    if sparse:
        if scale_grad_by_freq:
            raise RuntimeError("embedding_backward: scale_grad_by_freq not supported with sparse gradients")
        return OPS["_embedding_sparse"].call(weight, input, padding_idx)
    scaled = embedding_rows.call(weight, input, -1 if padding_idx is None else padding_idx, scale_grad_by_freq)
    return scaled


def renorm_rows(weight, indices, max_norm, norm_type):
    """Shorten the rows of `weight` at `indices` to `max_norm` in place."""
    rows = OPS["unique"].call(indices.reshape(-1))
    chosen = weight.detach().index_select(0, rows)
    norms = chosen.norm(norm_type, 1, True)
    factor = (max_norm / (norms + 1e-7)).where(norms > max_norm, norms.new_ones(()))
    weight.index_copy_(0, rows, chosen * factor)


def _rows_gradient(grad, index, weight_layout, padding, by_frequency):
    flat, rows = index.reshape(-1), weight_layout.shape[0]
    grad = grad.reshape(-1, weight_layout.shape[1])
    if by_frequency:
        counts = OPS["bincount"].call(flat, None, rows)
        grad = grad / counts.index_select(0, flat).unsqueeze(1)
    if padding >= 0:
        grad = grad.masked_fill((flat == padding).unsqueeze(1), 0)
    return grad.new_zeros(weight_layout.shape).index_add(0, flat, grad)


@gather_kind(name="_embedding", method=False, grad=_rows_gradient)
def embedding_rows(weight, index, padding: int, by_frequency: bool):
    """Rows of `weight`, where the row `padding` gets no gradient and others may be divided by how often they occur."""
    return take_from.body(weight, index, (0,), "address")


@composite(method=False, namespaces="nn.functional", sized_by_values=True)
def one_hot(input, num_classes=-1):
    """int64 zeros with a 1 at each class: shape (*input.shape, num_classes)."""
    if input._layout.dtype is not int64:
        raise RuntimeError(f"one_hot is only applicable to index tensor of type LongTensor, got {input._layout.dtype}")
    if input._layout.numel == 0:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        return input.new_empty((*input._layout.shape, num_classes))
    if num_classes != -1 and num_classes < 1:
        raise RuntimeError("one_hot: num_classes should be positive")
    if input._layout.has_values or num_classes == -1:
        low, high = (bound.item() for bound in OPS["_bounds"].call(input.contiguous()))
        if low < 0:
            raise RuntimeError(f"one_hot: Class values must be non-negative, got {low}")
        if num_classes == -1:
            num_classes = high + 1
        elif high >= num_classes:
            raise RuntimeError(f"one_hot: Class values must be smaller than num_classes, got {high} for {num_classes}")
    return (input.unsqueeze(-1) == OPS["_positions"].call(input, num_classes)).to(int64)


# Masks.

@gather_kind(name="_nonzero", method=False, differentiable=False, outputs=("result0", "result1"))
def nonzero_places(input):
    """The places of the nonzero elements of a contiguous tensor, with room for all, and how many they are."""
    return Native("gather", "nonzero", (input,), [layout(int64, (input.numel,), None, input.device),
                                                  layout(int64, (), None, input.device)])


@gather_kind(name="_unravel", method=False, differentiable=False)
def unravel(places, shape: tuple):
    """Coordinates (count, rank) of places in row-major order of `shape`; each column in one piece."""
    result = layout(int64, (places.numel, len(shape)), (1, max(1, places.numel)), places.device)
    return Native("gather", "unravel", (places,), [result], {"shape": shape})


def flat_nonzero(input):
    """Places of the nonzero elements in row-major order."""
    if input._layout.numel == 0:
        return input.new_empty((0,), dtype=int64)
    if input._needs_grad or not input._layout.is_contiguous:
        input = input.detach().contiguous()
    places, count = nonzero_places.call(input)
    return narrow_.call(places, 0, 0, count.item())


@composite(out=True, separate=True, sized_by_values=True)
def nonzero(input, *, as_tuple=False):
    """The coordinates of nonzero elements: (count, rank), or a tuple of one tensor for each dimension."""
    shape = input._layout.shape
    if as_tuple:
        if not shape:
            return nonzero.call(input.unsqueeze(0), as_tuple=True)
        return nonzero.call(input).unbind(1)
    places = flat_nonzero(input)
    if len(shape) == 1:
        return places.clone().unsqueeze(1)
    if not shape:
        return places.new_empty((places._layout.numel, 0))
    return unravel.call(places, shape) if 0 not in shape else places.new_empty((0, len(shape)))


@composite(out=True)
def nonzero_static(input, *, size, fill_value=-1):
    """The first `size` rows of nonzero(input), filled up with `fill_value`."""
    if size < 0:
        raise RuntimeError(f"nonzero_static: 'size' must be an non-negative integer, got {size}")
    found = nonzero.call(input)
    count, rank = found._layout.shape
    if count >= size:
        return OPS["_to"].call(found.narrow(0, 0, size), int64, True)
    result = found.new_full((size, rank), fill_value)
    result.narrow(0, 0, count).copy_(found)
    return result


@composite(sized_by_values=True)
def argwhere(input):
    """The coordinates of nonzero elements, in row-major order: int64 (count, rank)."""
    return nonzero.call(input)


@composite(method=False, out=True, sized_by_values=True, signatures=(
    "(condition) -> tuple[Tensor, ...]",
    "(condition, input: Tensor | float, other: Tensor | float, *, out: Tensor | None = None) -> Tensor"))
def where(condition, input=None, other=None):
    """`input` where `condition`, else `other`; with `condition` alone, the coordinates where it is nonzero."""
    if not hasattr(condition, "_layout"):
        raise TypeError(f"where(): argument 'condition' must be Tensor, not {type(condition).__name__}")
    if input is None and other is None:
        return nonzero.call(condition, as_tuple=True)
    if condition._layout.dtype.name not in ("bool", "uint8"):
        raise RuntimeError(f"where expected condition to be a boolean tensor, but got a tensor with dtype "
                           f"{condition._layout.dtype}")
    return OPS["where_values"].call(condition, input, other)


@composite(name="where", namespaces="Tensor", method=True)
def where_method(input, condition, other):
    """`input` where `condition`, else `other`: where(condition, input, other)."""
    return where.call(condition, input, other)


@composite(out=True, separate=True, sized_by_values=True)
def masked_select(input, mask):
    """The elements of `input` where `mask` (bool), both broadcast, in row-major order: (count,)."""
    if mask._layout.dtype.name not in ("bool", "uint8"):
        raise RuntimeError(f"masked_select: expected BoolTensor for mask, got {mask._layout.dtype}")
    shape = input._layout.shape
    if mask._layout.shape == shape and input._layout.numel and input._layout.is_contiguous:
        return take_from.call(input if len(shape) == 1 else input.reshape(-1), flat_nonzero(mask), _FIRST, "along")
    shape = broadcast_shapes("masked_select", [shape, mask._layout.shape], ["input", "mask"])
    if not math.prod(shape):
        return input.expand(shape).reshape(-1)
    places = flat_nonzero(mask.expand(shape))
    return take_from.call(input.expand(shape).reshape(-1), places, (0,), "along")


@composite(method=False)
def unravel_index(indices, shape):
    """The coordinates of places in row-major order of `shape`: a tuple of one tensor for each dimension.

    Places wrap round. TypeError for indices that are no integers, and sizes that are none; ValueError for negative
    sizes.
    """
    if not hasattr(indices, "_layout"):
        raise TypeError(f"unravel_index(): expected 'indices' to be a Tensor, but got {type(indices).__name__}")
    if indices._layout.dtype.category != 1:
        raise TypeError(f"unravel_index(): expected 'indices' to be integer dtype, but got {indices._layout.dtype}")
    sizes = (shape,) if isinstance(shape, int) else shape
    if not isinstance(sizes, (tuple, list)) or not all(isinstance(n, int) for n in sizes):
        raise TypeError(f"unravel_index(): expected 'shape' to be int or sequence of ints, but got {shape!r}")
    if any(n < 0 for n in sizes):
        raise ValueError(f"unravel_index(): 'shape' cannot have negative values, but got {tuple(sizes)}")
    parts, step, indices = [], 1, indices.to(int64)
    for n in reversed(sizes):
        parts.append(indices.div(step, rounding_mode="floor").remainder(n) if n else indices.clone())
        step *= n
    return tuple(reversed(parts))
