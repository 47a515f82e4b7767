"""Matrix products over one term, as gradients of weights are for a single example: elementwise products.

Written so, they fuse with what follows. The sum starts from 0 as in the product, which matters for -0.
"""

from ...expr import kinds, tree
from ..graph import Graph, Place, Step


def run(graph):
    """The graph with such products as elementwise steps."""
    return Graph(graph.name, graph.buffers, [_product(s) or s for s in graph.steps], graph.options)


def _product(step):
    """The elementwise step of a product of (m, 1) and (1, n) in one dtype, float32 or float64; None for others."""
    if step.kind != "launch" or step.name != "mm" or len(step.values) != 3 or not all(
            isinstance(v, Place) for v in step.values):
        return None
    a, b, result = step.values
    dtype = result.layout.dtype.name
    if (dtype not in ("float32", "float64") or a.layout.dtype.name != dtype or b.layout.dtype.name != dtype
            or len(a.layout.shape) != 2 or a.layout.shape[1] != 1 or b.layout.shape[0] != 1):
        return None
    formula = tree.Expr("add", tree.Expr("mul", tree.arg("a"), tree.arg("b")), tree.as_expr(0.0))
    request = kinds.Elementwise("outer", (formula,), [kinds.Operand("a", a.layout, dtype),
                                                      kinds.Operand("b", b.layout, dtype)],
                                [result.layout], result.layout.shape, dtype)
    return Step("launch", "outer", list(step.values), where=step.where, request=request)
