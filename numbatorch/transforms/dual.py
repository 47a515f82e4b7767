"""DualTensor: a tensor with a tangent, and how calls on it are answered (forward mode).

The tangent of a call is that of its operands through the op's derivative. For views and other linear ops that is the op
itself; for elementwise ops the gradient formulas with the tangents in place of the gradient, since their derivative is
diagonal; for all others the gradient of the gradient: u -> J^T u is linear, and its own transpose at t is J t
(Townsend 2017, "A new trick for calculating Jacobian vector products"). So every op that has a gradient has a tangent.
"""

from .. import interception
from ..autograd.modes import mode
from ..creation import zeros_like
from ..tensor import Tensor
from .batching import BatchedTensor, batched
from .reverse import differentiate, rewrap, strip
from .wrapped import WrappedLayout, WrappedTensor, _new, map_tensors, running

_LINEAR = frozenset("sum mean neg clone _to _cat _stack _cumsum".split())


class DualLayout(WrappedLayout):
    """dtype, shape and strides of the primal."""

    __slots__ = ()

    def dispatch(self, op, inplace, values):
        return answer(self.level, op, inplace, values)


class DualTensor(WrappedTensor):
    """`_value` is the primal, `_tangent` what it changes by."""

    _tangent: Tensor

    def item(self):
        return self._value.item()

    def tolist(self):
        return self._value.tolist()

    def numpy(self, *, force=False):
        return self._value.numpy(force=force)

    def _kept(self):
        return dual(self._value._kept(), self._tangent._kept(), self.level)

    def detach(self):
        return self._value.detach()

    data = property(detach)

    def copy_(self, other, non_blocking=False):
        primal, tangent = parts(other, self.level) if isinstance(other, Tensor) else (other, None)
        self._value.copy_(primal)
        if tangent is None:
            self._tangent.zero_()
        else:
            self._tangent.copy_(tangent)
        return self


def dual(primal, tangent, level):
    """The DualTensor of a primal and a tangent of its shape."""
    own = primal._layout
    made = _new(DualTensor)
    made._value, made._tangent = primal, tangent
    made._layout = DualLayout(own.dtype, own.shape, own.device, own.strides, level)
    return made


def is_dual(value, level):
    """Whether a value has a tangent of this level."""
    return isinstance(value, DualTensor) and value._layout.level is level


def parts(value, level):
    """(primal, tangent or None) of a tensor at a level."""
    return (value._value, value._tangent) if is_dual(value, level) else (value, None)


def answer(level, op, inplace, values):
    """The result of a call with dual operands."""
    if op.kind == "composite" and not inplace:
        return NotImplemented
    if inplace:
        return _in_place(level, op, values)
    primals = map_tensors(lambda t: parts(t, level)[0], tuple(values))
    linear = op.kind == "view" or op.name in _LINEAR
    if linear:
        result = interception.call(op, False, primals)
        if not isinstance(result, Tensor) or result._layout.dtype.category < 2:
            return result
        moved = map_tensors(lambda t: _tangent_of(t, level), tuple(values))
        return dual(result, interception.call(op, False, moved), level)
    return _general(level, op, values, primals)


def _tangent_of(t, level):
    primal, tangent = parts(t, level)
    return zeros_like(primal) if tangent is None else tangent


def _general(level, op, values, primals):
    """Tangents through the gradient of the op, which is recorded on operands of its own."""
    own, tangents = [], []

    def fresh(t):
        primal, tangent = parts(t, level)
        if tangent is None:
            return primal
        own.append(operand(primal))
        tangents.append(tangent)
        return own[-1]
    before, mode.enabled = mode.enabled, True
    try:
        recorded = interception.call(op, False, map_tensors(fresh, tuple(values)))
        moved = [_push(out, own, tangents) if out._needs_grad else None
                 for out in interception.tensors_of((recorded,))]
    finally:
        mode.enabled = before
    result = interception.call(op, False, primals)
    # What was recorded here only, on operands of its own, is nobody's history.
    keep = before and any(t._needs_grad for t in (*interception.tensors_of(primals), *tangents))
    floating = [out._needs_grad for out in interception.tensors_of((recorded,))]
    pending = iter(zip(floating, moved, strict=True))

    def with_tangent(t):
        has, tangent = next(pending)
        if not has:
            return t
        tangent = zeros_like(t) if tangent is None else tangent if keep else tangent._kept()
        return dual(t, tangent, level)
    return map_tensors(with_tangent, result)


def operand(t):
    """The same values as an operand of its own: recorded from `t` where that is on the tape, else a new leaf.

    Where the tangent of `t` is batched its primal becomes so, too: else derivatives would add up over the batch.
    """
    if isinstance(t, DualTensor):
        for level in running("vmap"):
            if level.depth < t.level.depth:
                t = rewrap(strip(t, level, level.size), level)
    return t.view_as(t) if t._needs_grad else t._kept().requires_grad_()


def _push(out, own, tangents):
    """The tangent of `out`: the gradient, at the tangents, of u -> J^T u."""
    seed = _zeros_beside(out).requires_grad_()
    pulled = differentiate([out], own, [seed], create_graph=True)
    used = [(g, t) for g, t in zip(pulled, tangents, strict=True) if g is not None and g._needs_grad]
    if not used:
        return None
    (tangent,) = differentiate([g for g, _ in used], [seed], [t.to(g.dtype) for g, t in used], create_graph=True)
    return tangent


def _zeros_beside(t):
    """Zeros with the batch dimensions of `t`: each element of a batch has a cotangent of its own."""
    if isinstance(t, BatchedTensor):
        return batched(_zeros_beside(t._value), t.level)
    return _zeros_beside(t._value) if isinstance(t, WrappedTensor) else zeros_like(t)


def _in_place(level, op, values):
    target = values[0]
    if not is_dual(target, level):
        raise RuntimeError(f"forward mode: {op.name}_() would write a tensor with a tangent into one that has none; "
                           f"use the out-of-place form {op.name}()")
    changed = interception.call(op, False, values)
    primal, tangent = parts(changed, level)
    target._value.copy_(primal)
    if tangent is None:
        target._tangent.zero_()
    else:
        target._tangent.copy_(tangent)
    return target
