"""What the steps of a program cost: bytes, floating-point operations, and how near the machine's limits they come."""

import math
from typing import NamedTuple

from ..expr import kinds, tree


class Cost(NamedTuple):
    """A step with the seconds that it took, the bytes that it moves at least, and its operations."""

    seconds: float
    nbytes: int
    flops: int
    step: object


class _Shape:
    """What formulas of operations ask of a tensor: its shape."""

    def __init__(self, layout):
        self.shape = layout.shape

    def numel(self):
        return math.prod(self.shape)


def nbytes(step):
    """Bytes of a step's operands, read and written once."""
    return sum(v.layout.nbytes * (v.reads + v.writes) for v in step.places)


def flops(step):
    """Floating-point operations of a step: two for a term of a product, one for each function of a formula; 0 for what
    is neither."""
    if step.parts:
        return sum(map(flops, step.parts))
    request = step.request
    if isinstance(request, kinds.Nest):
        return 2 * math.prod(request.extents.values())
    if isinstance(request, (kinds.Elementwise, kinds.Rows)):
        return _functions(request.roots) * math.prod(request.shape) * request.compute.startswith("float")
    if step.plan is None:
        return 0
    from ..utils import work  # of a higher layer: looked at when somebody asks
    op, shapes = step.plan.op, [_Shape(v.layout) for v in step.places]
    if op.name in ("_attention_forward", "_attention_backward"):
        return int(work.PRODUCTS["scaled_dot_product_attention"][1](shapes, None) * (
            1 if op.name == "_attention_forward" else 2.5))
    if op.name == "conv_weight_gradient":
        return 2 * shapes[1].numel() * math.prod(shapes[-1].shape[1:])
    if op.name in work.PRODUCTS:
        return work.PRODUCTS[op.name][1](shapes, shapes[-1])
    if op.kind in ("elementwise", "reduction", "rowwise"):
        return max((math.prod(v.layout.shape) for v in step.places if v.layout.dtype.is_floating_point), default=0)
    return 0


def _functions(roots):
    """How many functions formulas have, each of those that they share once."""
    found, stack = set(), list(roots)
    while stack:
        node = stack.pop()
        if isinstance(node, tree.Expr) and node not in found:
            found.add(node)
            stack += node.args
    return sum(node.op not in ("arg", "const", "cast") for node in found)


def table(costs, limits):
    """A line a step, the longest first: time, share of all, GB/s and GFLOP/s, the share of what the machine reaches in
    the one that it is nearer to, and the program's line. limits: .bandwidth in GB/s, .compute in GFLOP/s."""
    total = sum(c.seconds for c in costs) or 1.0
    lines = [f"{'us':>10}  {'share':>5}  {'GB/s':>6}  {'GFLOP/s':>7}  {'limit':>5}  step"]
    for c in sorted(costs, key=lambda c: -c.seconds):
        seconds = max(c.seconds, 1e-9)
        rate, work = c.nbytes / seconds / 1e9, c.flops / seconds / 1e9
        reached = max(rate / limits.bandwidth, work / limits.compute)
        lines.append(f"{c.seconds * 1e6:>10.1f}  {c.seconds / total:>5.0%}  {rate:>6.1f}  {work:>7.1f}  "
                     f"{reached:>5.0%}  {c.step.name}{f' ({c.step.where})' if c.step.where else ''}")
    return "\n".join([
        *lines, f"{total * 1e6:>10.1f}  in all, with some 0.1 us of Python a step; the machine reaches "
        f"{limits.bandwidth:.1f} GB/s in memory and {limits.compute:.1f} GFLOP/s in float32 (caches are faster)"])
