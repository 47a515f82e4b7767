"""The requests (expr/kinds.py) that plans were made from, made again: what a fused kernel is composed of."""

from .. import plan as planning
from ..expr import kinds, tree
from ..plan import Plan

_FORMULAS = ("elementwise", "reduction", "rowwise")
_known: dict = {}  # (id(plan), in place): (plan, request)


def of(plan, inplace=False):
    """The Elementwise or Rows request of a formula op's plan; None for other ops."""
    if plan.op.kind not in _FORMULAS:
        return None
    key = id(plan), inplace
    found = _known.get(key)
    if found is None or found[0] is not plan:
        if len(_known) > 10_000:
            _known.clear()
        fresh = Plan()
        fresh.op, fresh.specs, fresh.statics, fresh.rules = plan.op, plan.specs, plan.statics, {}
        fresh.dims, fresh.shape, fresh.length, fresh.offset, fresh.compute = None, None, 0, 0, None
        request = planning._request(plan.op, fresh, plan.specs, plan.statics, plan.layouts[0] if inplace else None)
        found = _known[key] = plan, request
    return found[1]


def names_read(plan, inplace):
    """Names of the operands whose elements a formula op's kernel uses; None for other ops, which use all."""
    request = of(plan, inplace)
    if request is None:
        return None
    read = set(tree.names(*request.roots))
    return {name for name in plan.specs if name in read or f"{name}_given" in read}  # `min` is no name in a formula


__all__ = ["kinds", "names_read", "of"]
