"""Arithmetic of sparse tensors, element by element: sums, products, and functions that are 0 at 0."""

from functools import partial

from .. import dtypes, recording
from ..autograd.modes import mode, no_grad
from ..interception import call
from ..ops.declare import OPS
from ..recording import check_inplace
from ..tensor import Tensor
from .convert import added, build, coalesce, coordinates, entries, reformat, to_dense
from .pattern import HANDLERS, handles, is_sparse, take
from .tensor import assemble, flat_values, pick, recorded_values, replace, same_indices, to_cells

_LINEAR = "neg positive conj conj_physical resolve_conj resolve_neg real imag"
_ZERO_AT_ZERO = ("abs asin asinh atan atanh ceil deg2rad erf erfinv expm1 floor frac isinf isnan isneginf isposinf "
                 "log1p nan_to_num rad2deg relu round sgn sign signbit sin sinh sqrt square tan tanh trunc")


def _op(name):
    return OPS.get(name) or OPS.get(f"nn.functional.{name}") or OPS.get(f"special.{name}")


def _mapped(name, linear, input, *rest):
    """A function of each value; of their sum where indices occur more than once."""
    if not linear and input._pattern.is_coo:
        input = coalesce(input)
    values = recorded_values(input)
    return assemble(input._pattern, call(_op(name), False, (values, *rest)), f"{name.capitalize()}Backward0")


for _names, _is_linear in ((_LINEAR, True), (_ZERO_AT_ZERO, False)):
    for _name in _names.split():
        HANDLERS[_name] = partial(_mapped, _name, _is_linear)


@handles("clone")
def clone(input, memory_format=None):
    return assemble(input._pattern, recorded_values(input).clone(), "CloneBackward0")


@handles("_to")
def converted(input, dtype, contiguous=False, memory_format=None):
    values = recorded_values(input)
    values = values.clone() if dtype is values.dtype else values.to(dtype)
    return assemble(input._pattern, values, "ToCopyBackward0")


@handles("pow")
def power(input, exponent):
    if not is_sparse(input) or isinstance(exponent, Tensor):
        raise NotImplementedError("pow: not implemented for sparse tensors with other exponents than a number")
    if exponent == 0:
        raise RuntimeError("pow: cannot raise to zeroth power on sparse tensor; it would make the result tensor dense")
    return _mapped("pow", False, input, exponent)


# Sums.

def _same_shape(name, input, other):
    if tuple(input.shape) != tuple(other.shape):
        raise RuntimeError(f"{name}: expected sizes of 'self' and 'other' to match, but {list(input.shape)} != "
                           f"{list(other.shape)}; sums with sparse tensors do not broadcast")


@handles("add")
def add(input, other, alpha=1):
    """input + alpha * other: sparse where both are; strided where one is (for COO that one comes first)."""
    return _sum("add", input, other, alpha)


@handles("sub")
def sub(input, other, alpha=1):
    return _sum("sub", input, other, -alpha)


def _sum(name, input, other, alpha):
    if not isinstance(other, Tensor) or not isinstance(input, Tensor):
        raise RuntimeError(f"{name}: a number and a sparse tensor add up to a strided one: call .to_dense() first")
    if not is_sparse(other):
        if input._pattern.is_coo:
            raise RuntimeError(f"{name}(sparse, dense) is not supported. Use {name}(dense, sparse) instead.")
        _same_shape(name, input, other)
        return OPS["add"].call(to_dense(input), other, alpha=alpha)
    _same_shape(name, input, other)
    if not is_sparse(input):
        return OPS["add"].call(input, to_dense(other), alpha=alpha)
    if input._pattern.is_coo != other._pattern.is_coo:
        raise RuntimeError(f"{name}: expected operands of one layout, got {input.layout} and {other.layout}: convert "
                           "one of them")
    a, b = input._pattern, other._pattern
    if a.dense_dim != b.dense_dim:
        raise RuntimeError(f"{name}: expected 'self' and 'other' to have same density, but 'self' has {a.sparse_dim} "
                           f"sparse dimensions while 'other' has {b.sparse_dim} sparse dimensions")
    if a.format is not b.format or a.block != b.block:
        other = reformat(other, a.format, a.block)
        b = other._pattern
    if same_indices(a, b):
        return assemble(a, OPS["add"].call(recorded_values(input), recorded_values(other), alpha=alpha))
    cells = OPS["cat"].call([a.cells(), b.cells()])
    dtype = dtypes.promote_types(input.dtype, other.dtype)
    first = flat_values(recorded_values(input), a).to(dtype)
    second = flat_values(recorded_values(other), b).to(dtype)
    values = OPS["cat"].call([first, second if alpha == 1 else second * alpha])
    if a.is_coo and not (a.coalesced and b.coalesced):
        indices = OPS["cat"].call([a.indices[0], b.indices[0]], 1)
        return assemble(a.with_(indices=(indices,), coalesced=False), values)
    numbers, values = added(values, cells)
    return build(a.format, a.shape, a.dense_dim, a.block, numbers, values, a.indices[0].dtype)


@handles("add", inplace=True)
def add_(input, other, alpha=1):
    return _sum_in_place("add", input, other, alpha)


@handles("sub", inplace=True)
def sub_(input, other, alpha=1):
    return _sum_in_place("sub", input, other, -alpha)


def _sum_in_place(name, input, other, alpha):
    if is_sparse(input) or not is_sparse(other) or not input._layout.is_contiguous or _recorded(input, other):
        return in_place(name, partial(_sum, name), input, other, alpha)
    _same_shape(f"{name}_", input, other)
    if not dtypes.can_cast(other.dtype, input.dtype):
        raise RuntimeError(f"{name}_: result type {other.dtype} can't be cast to the desired output type {input.dtype}")
    pattern = other._pattern
    if pattern.block is not None:
        input.add_(to_dense(other), alpha=alpha)
        return input
    values = flat_values(other._stored, pattern).to(input.dtype)
    values = values if alpha == 1 else values * alpha
    OPS["_write"].call(to_cells(input.detach(), pattern), pattern.cells(), values, (0,), "select", "add")
    input._storage.version += 1
    return input


# Products.

@handles("mul")
def mul(input, other):
    """input * other, sparse: a number, a strided tensor that broadcasts to the sparse one, or another sparse tensor."""
    if not is_sparse(input):
        input, other = other, input
    if not isinstance(other, Tensor) or (other.ndim == 0 and not is_sparse(other)):
        return assemble(input._pattern, recorded_values(input) * other, "MulBackward0")
    if is_sparse(other):
        return _intersection(input, other)
    return assemble(input._pattern, recorded_values(input) * _spread(other, input._pattern), "MulBackward0")


def _spread(dense, pattern):
    """The elements of a strided tensor that broadcasts to a pattern's shape, for each value: without expanding it."""
    shape, own = pattern.shape, tuple(dense.shape)
    if own == shape:
        return pick(dense, pattern)
    if len(own) > len(shape) or any(n not in (1, m) for n, m in zip(own[::-1], shape[::-1], strict=False)):
        raise RuntimeError(f"mul: a strided tensor of shape {list(own)} does not broadcast to the sparse tensor's "
                           f"{list(shape)}")
    if pattern.block is not None:
        return pick(dense.expand(shape), pattern)
    own = (1,) * (len(shape) - len(own)) + own
    depth = len(pattern.sparse_shape)
    places = coordinates(pattern.cells(), pattern.grid)
    number = places.new_zeros((places.shape[1],))
    for place, n in zip(places, own[:depth], strict=True):
        if n != 1:
            number = number * n + place
    cells = dense.reshape(-1, *own[depth:]) if dense.numel() else dense.reshape(0, *own[depth:])
    picked = take(cells, number)
    return picked.reshape(*pattern.values_shape[:pattern.batch_dim + 1], *own[depth:])


def _intersection(input, other):
    a, b = input._pattern, other._pattern
    if a.shape != b.shape or a.dense_dim != b.dense_dim:
        raise RuntimeError(f"mul: expected sparse tensors of equal shape and numbers of sparse dimensions, got "
                           f"{list(a.shape)} with {a.sparse_dim} and {list(b.shape)} with {b.sparse_dim}")
    if a.is_coo:
        input = coalesce(input)
    other = reformat(coalesce(other) if b.is_coo else other, a.format, a.block)
    a, b = input._pattern, other._pattern
    if same_indices(a, b):
        return assemble(a, recorded_values(input) * recorded_values(other), "MulBackward0")
    if a.block is not None:
        input, other = reformat(input, _PLAIN[a.format.name]), reformat(other, _PLAIN[a.format.name])
        return reformat(_intersection(input, other), a.format, a.block)
    (left, values), (right, others) = entries(input), entries(other)
    if right._layout.numel == 0:
        found, at = left.new_zeros(left.shape, dtype=dtypes.bool), left.new_zeros(left.shape)
    else:
        at = OPS["searchsorted"].call(right, left).clamp(max=right._layout.numel - 1)
        found = take(right, at) == left
    kept = found.nonzero().reshape(-1)
    product = take(values, kept) * take(others, take(at, kept))
    return build(a.format, a.shape, a.dense_dim, None, take(left, kept), product, a.indices[0].dtype)


def _plain():
    from ..creation import sparse_csc, sparse_csr
    return {"sparse_bsr": sparse_csr, "sparse_bsc": sparse_csc}


_PLAIN = _plain()


def _divided(name, input, other):
    if not is_sparse(input):
        raise NotImplementedError(f"{name}: not implemented for a sparse divisor: it would divide by 0 where it has no "
                                  "values")
    if isinstance(other, Tensor) and (is_sparse(other) or other.ndim):
        raise RuntimeError(f"Sparse division requires a scalar or zero-dim dense tensor divisor (got shape "
                           f"{list(other.shape)} for divisor)")
    if name != "true_divide" and input._pattern.is_coo:
        input = coalesce(input)
    return assemble(input._pattern, OPS[name].call(recorded_values(input), other), "DivBackward0")


HANDLERS["true_divide"] = partial(_divided, "true_divide")
HANDLERS["floor_divide"] = partial(_divided, "floor_divide")


# In place.

def _recorded(*tensors):
    return mode.enabled and any(isinstance(t, Tensor) and t._needs_grad for t in tensors)


@handles("", inplace=True)
def in_place(name, function, target, *rest):
    """The in-place form of a function: its result replaces what `target` holds."""
    check_inplace(name, target)
    result = function(target, *rest)
    if is_sparse(result) != is_sparse(target):
        raise RuntimeError(f"{name}_: the result has layout {result.layout}, which does not fit into a tensor with "
                           f"layout {target.layout}")
    if not dtypes.can_cast(result.dtype, target.dtype):
        raise RuntimeError(f"{name}_: result type {result.dtype} can't be cast to the desired output type "
                           f"{target.dtype}")
    if tuple(result.shape) != tuple(target.shape):
        raise RuntimeError(f"{name}_: output with shape {list(target.shape)} doesn't match the result's shape "
                           f"{list(result.shape)}")
    if not is_sparse(target):
        recording.overwrite(target, result, mode.enabled)
        return target
    if result.dtype is not target.dtype:
        result = converted(result, target.dtype)
    if result._pattern is target._pattern and not _recorded(result, target):
        with no_grad():
            target._stored.copy_(result._stored)
        return target
    return replace(target, result)


@handles("copy", inplace=True)
def copy_(input, src, non_blocking=False):
    if is_sparse(input) != is_sparse(src):
        raise RuntimeError(f"copy_() between dense and sparse Tensors is not implemented! Found self type = "
                           f"{input.type()} and src type = {src.type()}")
    if input.layout is not src.layout:
        src = reformat(src, input.layout, input._pattern.block)
    return in_place("copy", lambda target: converted(src, target.dtype), input)


def deliver(name, result, out):
    """Put a result into the tensor given as `out=`, in its layout and dtype; RuntimeError where only one is sparse."""
    if is_sparse(result) != is_sparse(out):
        raise RuntimeError(f"{name}(): expected out with layout {result.layout}, but got {out.layout}")
    if not dtypes.can_cast(result.dtype, out.dtype):
        raise RuntimeError(f"{name}(): result type {result.dtype} can't be cast to the desired output type {out.dtype}")
    if result.layout is not out.layout:
        result = reformat(result, out.layout, out._pattern.block)
    return replace(out, converted(result, out.dtype).detach())
