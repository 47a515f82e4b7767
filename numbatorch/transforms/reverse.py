"""Reverse mode through wrapped tensors: gradients of batched and dual outputs, from the tape of what they wrap."""

from ..autograd import _capture, _seeds
from .batching import BatchedTensor, batched, is_batched
from .wrapped import WrappedTensor, top_level


def differentiate(outputs, inputs, cotangents, *, create_graph=False):
    """Gradients of sum(<output, cotangent>) with respect to inputs; None for inputs that no output depends on.

    Elements of a batch are independent, so the gradient of a batch of outputs is that of the tensor which holds them.
    The gradient of a dual output is dual: its tangent is the gradient of the output's tangent.
    """
    level = top_level([*outputs, *inputs])
    if level is None:
        return _plain(outputs, inputs, cotangents, create_graph)
    if level.kind == "vmap":
        size = next(t._value.shape[0] for t in (*outputs, *inputs) if is_batched(t, level))
        flat = [strip(t, level, size) for t in outputs]
        inner = [t._value if is_batched(t, level) else t for t in inputs]
        found = differentiate(flat, inner, [strip(c, level, size) for c in cotangents], create_graph=create_graph)
        return [rewrap(g, level) if g is not None and is_batched(t, level) else g
                for g, t in zip(found, inputs, strict=True)]
    return _dual(level, outputs, inputs, cotangents, create_graph)


def _plain(outputs, inputs, cotangents, create_graph):
    pairs = [(o, c) for o, c in zip(outputs, cotangents, strict=True) if o._needs_grad]
    wanted = [t for t in inputs if t._needs_grad]
    if not pairs or not wanted:
        return [None] * len(inputs)
    roots = _seeds([o for o, _ in pairs], [c for _, c in pairs], "grad")
    found = iter(_capture(roots, wanted, True, create_graph))
    return [next(found) if t._needs_grad else None for t in inputs]


def _dual(level, outputs, inputs, cotangents, create_graph):
    from .dual import parts
    primals, moved = zip(*(parts(t, level) for t in outputs), strict=True)
    seeds, seed_tangents = zip(*(_apart(c, level) for c in cotangents), strict=True)
    inner = [parts(t, level)[0] for t in inputs]
    grads = differentiate(list(primals), inner, list(seeds), create_graph=True)
    through = [(m, s) for m, s in zip(moved, seeds, strict=True) if m is not None and m._needs_grad]
    through += [(p, s) for p, s in zip(primals, seed_tangents, strict=True) if s is not None]
    if not through:
        return grads
    tangents = differentiate([m for m, _ in through], inner, [s for _, s in through], create_graph=create_graph)
    return [g if g is None or t is None else _together(g, t, level) for g, t in zip(grads, tangents, strict=True)]


def _apart(t, level):
    """(primal, tangent or None) of a tensor at a level, also where transforms inside it wrap the tensor."""
    from .dual import dual, is_dual
    if is_dual(t, level):
        return t._value, t._tangent
    if not isinstance(t, WrappedTensor) or t.level.depth < level.depth:
        return t, None
    own = t.level
    primal, tangent = _apart(t._value, level)
    if own.kind == "vmap":
        return batched(primal, own), None if tangent is None else batched(tangent, own)
    moved, moved_tangent = _apart(t._tangent, level)
    if tangent is None and moved_tangent is None:
        return t, None
    zeros = [p.new_zeros(p.shape) if s is None else s for p, s in ((primal, tangent), (moved, moved_tangent))]
    return dual(primal, moved, own), dual(*zeros, own)


def _together(primal, tangent, level):
    """The dual tensor of a level; what transforms inside it wrap stays outermost."""
    from .dual import dual, parts
    own = top_level([primal, tangent])
    if own is None or own.depth < level.depth:
        return dual(primal, tangent, level)
    if own.kind == "vmap":
        size = next(t._value.shape[0] for t in (primal, tangent) if is_batched(t, own))
        return batched(_together(strip(primal, own, size), strip(tangent, own, size), level), own)
    (value, moved), (other, other_moved) = parts(primal, own), parts(tangent, own)
    rest = [v.new_zeros(v.shape) if m is None else m for v, m in ((value, moved), (other, other_moved))]
    return dual(_together(value, other, level), _together(*rest, level), own)


def strip(t, level, size):
    """A tensor with its batch dimension of `level` in front, visible; also where an inner transform wraps it."""
    if is_batched(t, level):
        return t._value
    if isinstance(t, BatchedTensor) and t.level.depth > level.depth:
        inner = strip(t._value, level, size)  # (size of level, size of t's level, ...)
        return batched(inner.movedim(0, 1), t.level)
    if isinstance(t, WrappedTensor) and t.level.depth > level.depth:
        from .dual import dual
        return dual(strip(t._value, level, size), strip(t._tangent, level, size), t.level)
    return t.unsqueeze(0).expand(size, *t.shape)


def rewrap(t, level):
    """The inverse of `strip`."""
    if isinstance(t, BatchedTensor) and t.level.depth > level.depth:
        return batched(rewrap(t._value.movedim(0, 1), level), t.level)
    if isinstance(t, WrappedTensor) and t.level.depth > level.depth:
        from .dual import dual
        return dual(rewrap(t._value, level), rewrap(t._tangent, level), t.level)
    return batched(t, level)
