"""Rules that answer a call for a whole batch at once. Values come as the call had them; the batch is in front.

A rule gets (level, op, values) and returns results whose dimension 0 is the batch, or NotImplemented where it has no
better way than element by element.
"""

from .. import interception
from ..layout import wrap_dim
from ..ops.declare import OPS
from .batching import RULES, elementwise_operands, is_batched, size_of, sizes_of, whole
from .wrapped import map_tensors


def rule(*names):
    """Register a rule for ops by name, or for a kind as "kind:<kind>"."""
    def enter(function):
        for name in names:
            RULES[name] = function
        return function
    return enter


def _call(op, *values):
    return interception.call(op, False, values)


def _shift(dim, rank):
    """The physical place of a logical dimension; IndexError outside."""
    return wrap_dim(dim, rank) + 1


def _only_first(level, values):
    """Whether the first operand is batched and no other is."""
    return is_batched(values[0], level) and not any(
        is_batched(t, level) for t in interception.tensors_of(values[1:]))


@rule("kind:elementwise")
def _elementwise(level, op, values):
    return _call(op, *elementwise_operands(level, op, values))


@rule("kind:reduction")
def _reduction(level, op, values):
    names = [p.name for p in op.parameters]
    if not is_batched(values[0], level) or not _only_first(level, values):
        return NotImplemented
    value, rank = values[0]._value, values[0]._layout.ndim
    given = list(values)
    place = names.index("dim")
    dim, keep = given[place], given[names.index("keepdim")]
    if rank == 0:
        value, given[place], given[names.index("keepdim")] = value.unsqueeze(1), 1, False
        return _call(op, value, *given[1:])
    if dim is None or dim == ():
        if op.dims == "many":
            given[place] = tuple(range(1, rank + 1))
        else:
            value, given[place] = value.reshape(value.shape[0], -1), 1
            given[names.index("keepdim")] = False
            result = _call(op, value, *given[1:])
            return result.reshape(value.shape[0], *(1,) * rank) if keep else result
    else:
        given[place] = (tuple(_shift(d, rank) for d in dim) if isinstance(dim, tuple) else _shift(dim, rank))
    return _call(op, value, *given[1:])


@rule("softmax_rows", "log_softmax_rows", "_cumsum", "_cumprod", "cummax", "cummin", "_logcumsumexp", "_sort", "_pick")
def _along(level, op, values):
    if not _only_first(level, values) or not values[0]._layout.ndim:
        return NotImplemented
    return _call(op, values[0]._value, _shift(values[1], values[0]._layout.ndim), *values[2:])


@rule("topk")
def _topk(level, op, values):
    input, k, dim, *rest = values
    if not input._layout.ndim:
        return NotImplemented
    return _call(op, input._value, k, _shift(dim, input._layout.ndim), *rest)


@rule("layer_norm_rows", "rms_norm_rows")
def _normalised(level, op, values):
    if not is_batched(values[0], level):
        return NotImplemented
    names = [p.name for p in op.parameters]
    if _only_first(level, values):
        return _call(op, values[0]._value, *values[1:])
    plain = [None if n in ("weight", "bias") else v for n, v in zip(names, values, strict=True)]
    made = _call(op, values[0]._value, *plain[1:])
    result, *statistics = made if isinstance(made, tuple) else (made,)
    rank = values[0]._layout.ndim
    for name, combine in (("weight", "mul"), ("bias", "add")):
        extra = values[names.index(name)] if name in names else None
        if extra is not None:
            if is_batched(extra, level):
                missing = rank - extra._layout.ndim
                extra = extra._value.reshape(extra._value.shape[0], *(1,) * missing, *extra.shape)
            result = OPS[combine].call(result, extra)
    return (result, *statistics) if statistics else result


# ---------------------------------------------------------------- views

@rule("view")
def _view(level, op, values):
    input, size = values
    size = sizes_of(size)
    if -1 in size:
        known = 1
        for n in size:
            known *= 1 if n == -1 else n
        size = tuple(input._layout.numel // max(known, 1) if n == -1 else n for n in size)
    return input._value.view(input._value.shape[0], *size)


@rule("expand")
def _expand(level, op, values):
    input, size = values
    size = sizes_of(size)
    value, missing = input._value, len(size) - input._layout.ndim
    for _ in range(missing):
        value = value.unsqueeze(1)
    return value.expand(value.shape[0], *size)


@rule("transpose", "diagonal")
def _two_dims(level, op, values):
    input, rank = values[0], values[0]._layout.ndim
    dims = [_shift(d, rank) for d in values[-2:]]
    return _call(op, input._value, *values[1:-2], *dims)


@rule("permute")
def _permute(level, op, values):
    input, dims = values
    dims = dims[0] if len(dims) == 1 and isinstance(dims[0], (tuple, list)) else dims
    return input._value.permute(0, *(_shift(d, input._layout.ndim) for d in dims))


@rule("t")
def _t(level, op, values):
    value = values[0]._value
    if value.ndim > 3:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {value.ndim - 1}D")
    return value.transpose(1, 2) if value.ndim == 3 else value


@rule("T")
def _reversed(level, op, values):
    value = values[0]._value
    return value.permute(0, *range(value.ndim - 1, 0, -1))


@rule("mT", "view_as_real", "view_as_complex")
def _inner(level, op, values):
    return _call(op, values[0]._value)


@rule("squeeze")
def _squeeze(level, op, values):
    input, dim = values
    rank = input._layout.ndim
    if dim is None:
        dims = tuple(range(rank))
    else:
        dims = tuple(dim) if isinstance(dim, (tuple, list)) else (dim,)
    value = input._value
    if not rank:
        return value.view(value.shape)
    return _call(op, value, tuple(wrap_dim(d, rank) + 1 for d in dims))


@rule("unsqueeze")
def _unsqueeze(level, op, values):
    input, dim = values
    return input._value.unsqueeze(wrap_dim(dim, input._layout.ndim + 1) + 1)


@rule("select", "_slice", "_narrow", "unfold")
def _one_dim(level, op, values):
    input, dim, *rest = values
    if not input._layout.ndim:
        return NotImplemented
    return _call(op, input._value, _shift(dim, input._layout.ndim), *rest)


@rule("_index")
def _index(level, op, values):
    input, index = values
    items = index if isinstance(index, tuple) else (index,)
    return _call(op, input._value, ((None, None, None), *items))


# ---------------------------------------------------------------- products

@rule("mm", "bmm")
def _product(level, op, values):
    a, b = (t._value if is_batched(t, level) else t for t in values)
    return OPS["matmul"].call(a, b)


@rule("dot", "vdot")
def _dot(level, op, values):
    a, b = (t._value if is_batched(t, level) else t for t in values)
    if op.name == "vdot" and a.is_complex():
        a = a.conj()
    return OPS["matmul"].call(a.unsqueeze(-2), b.unsqueeze(-1)).squeeze((-2, -1))


@rule("linear_rows")
def _linear(level, op, values):
    input, weight, bias = values
    if _only_first(level, values):
        x = input._value
        return _call(op, x.reshape(-1, x.shape[-1]), weight, bias).reshape(*x.shape[:-1], -1)
    size = size_of(level, values)
    x, w = whole(input, level, size), whole(weight, level, size)
    flat = x.ndim == 2
    rows = x.reshape(size, 1, -1) if flat else x.reshape(size, -1, x.shape[-1])
    result = OPS["bmm"].call(rows, w.transpose(1, 2))
    if bias is not None:
        result = result + whole(bias, level, size).unsqueeze(1)
    return result.reshape(*x.shape[:-1], w.shape[1])


@rule("conv_forward")
def _convolution(level, op, values):
    input, weight, bias, stride, padding, dilation, groups = values
    size = size_of(level, values)
    if _only_first(level, values):
        x = input._value
        result = _call(op, x.reshape(-1, *x.shape[2:]), weight, bias, stride, padding, dilation, groups)
        return result.reshape(size, -1, *result.shape[1:])
    # A batch of weights is a convolution with more groups: channels of all elements side by side.
    x, w = whole(input, level, size), whole(weight, level, size)
    n, spatial = x.shape[1], x.shape[3:]
    x = x.movedim(0, 1).reshape(n, -1, *spatial)
    w = w.reshape(-1, *w.shape[2:])
    if bias is not None:
        bias = whole(bias, level, size).reshape(-1)
    result = _call(op, x, w, bias, stride, padding, dilation, groups * size)
    return result.reshape(n, size, -1, *result.shape[2:]).movedim(1, 0)


# ---------------------------------------------------------------- pools and other windows

@rule("_max_pool", "_max_pool_indices", "_avg_pool", "_patches")
def _pooled(level, op, values):
    """The batch joins the leading dimensions, which windows do not touch."""
    if not _only_first(level, values):
        return NotImplemented
    value, logical = values[0]._value, values[0]._layout.ndim
    rank = values[1] if isinstance(values[1], int) else 2
    if logical <= rank:
        return _call(op, value, *values[1:])
    merged = _call(op, value.reshape(-1, *value.shape[2:]), *values[1:])
    return map_tensors(lambda t: t.reshape(value.shape[0], -1, *t.shape[1:]), merged)


# ---------------------------------------------------------------- reading by index

@rule("gather", "take_along_dim")
def _gather(level, op, values):
    input, dim, index = values[:3] if op.name == "gather" else (values[0], values[2], values[1])
    if dim is None or not input._layout.ndim or not index._layout.ndim:
        return NotImplemented
    size = size_of(level, values)
    dim = _shift(dim, input._layout.ndim)
    return OPS[op.name].call(whole(input, level, size), *((dim, whole(index, level, size)) if op.name == "gather" else
                                                          (whole(index, level, size), dim)))


@rule("index_select")
def _index_select(level, op, values):
    input, dim, index = values
    rank = input._layout.ndim
    if not rank or index._layout.ndim != 1:
        return NotImplemented
    if _only_first(level, values):
        return _call(op, input._value, _shift(dim, rank), index)
    size, place = size_of(level, values), _shift(dim, rank)
    x, i = whole(input, level, size), whole(index, level, size).long()
    i = i.reshape(size, *(-1 if d == place else 1 for d in range(1, rank + 1)))
    return x.gather(place, i.expand(*(i.shape[d] if d == place else x.shape[d] for d in range(rank + 1))))


@rule("embedding")
def _embedding(level, op, values):
    input, weight, padding, longest, *rest = values
    if longest is not None:
        return NotImplemented
    if not is_batched(weight, level):
        return _call(op, input._value, weight, padding, longest, *rest)
    if padding is not None:
        return NotImplemented
    size, (rows, width) = size_of(level, values), weight.shape
    places = whole(input, level, size)
    from ..tensor import arange
    offsets = (arange(size, places.device) * rows).reshape(size, *(1,) * (places.ndim - 1))
    return _call(op, places + offsets, weight._value.reshape(size * rows, width), None, None, *rest)


# ---------------------------------------------------------------- joining

@rule("_cat", "_stack")
def _joined(level, op, values):
    tensors, dim = values
    size = size_of(level, values)
    rank = max(t._layout.ndim for t in tensors) + (op.name == "_stack")
    return _call(op, [whole(t, level, size) for t in tensors], _shift(dim, rank))


# ---------------------------------------------------------------- linear algebra: leading dimensions are batches

@rule("inv", "det", "slogdet", "cholesky", "qr", "eigh", "eig", "_svd", "_svdvals", "_pinv", "_adjugate")
def _matrices(level, op, values):
    return _call(op, values[0]._value, *values[1:]) if _only_first(level, values) else NotImplemented


@rule("_fft_c2c", "_fft_r2c", "_fft_c2r")
def _transforms(level, op, values):
    input, dims, *rest = values
    rank = input._layout.ndim
    moved = tuple(_shift(d, rank) for d in dims) if isinstance(dims, tuple) else _shift(dims, rank)
    if rest and isinstance(rest[-1], tuple):
        rest[-1] = tuple(_shift(d, rank) for d in rest[-1])
    return _call(op, input._value, moved, *rest)
