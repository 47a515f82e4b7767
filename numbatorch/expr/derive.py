"""Reverse-mode derivative of a formula, itself a formula: the default when an op declares none."""

from .functions import FUNCTIONS, ROW, real, row_sum, simplify
from .tree import Expr, arg, as_expr, expand, order, rebuild

# What does not propagate a derivative.
_LEAVES = ("arg", "const", "row_length", "row_index", "load")


def rank_of(*roots, row_args=()):
    """Which nodes have one value a row: {id(node): bool}. Operands in `row_args` do, constants count as such."""
    is_row: dict[int, bool] = {}
    for n in order(*roots):
        if n.op == "arg":
            is_row[id(n)] = n.args[0] in row_args
        elif n.op == "row_index":
            is_row[id(n)] = False
        elif n.op in ROW:
            is_row[id(n)] = True
        else:
            is_row[id(n)] = all(is_row[id(a)] for a in n.args if isinstance(a, Expr))
    return is_row


def derive(root, wanted, row_args=()):
    """Trees of the gradients of operands `wanted`, in terms of the operands, `grad` and `result`.

    `row_args`: operands with one value a row (in reductions `grad` and `result` are such). An adjoint that reaches a
    value of the whole row from its elements is summed over the row.
    """
    (root,) = open_calls(root)
    nodes = order(root)
    is_row = rank_of(root, row_args=row_args)
    adjoint: dict[int, Expr] = {id(root): arg("grad")}
    root_is_row = is_row[id(root)]
    for node in reversed(nodes):
        g = adjoint.get(id(node))
        if g is None or node.op in _LEAVES:
            continue
        if is_row[id(node)] and not (node is root and root_is_row):
            g = _sum_if_elements(g, row_args)
        value = arg("result") if node is root and node.op not in ("add", "sub", "mul", "neg", "where") else node
        if node.op == "call":
            op = node.args[0]
            parts = op.adjoint(g, value, *node.args[1:])
            operands = node.args[1:]
        else:
            rule = FUNCTIONS[node.op].adjoint
            if rule is None:
                continue
            if FUNCTIONS[node.op].result == "real" and node is not root:
                g = real(g)  # of complex operands: the rest moves nothing
            operands, parts = node.args, rule(g, value, *node.args)
        for operand, part in zip(operands, parts, strict=True):
            if part is None or not isinstance(operand, Expr):
                continue
            part = tidy(as_expr(part))[0]
            if part.op == "const" and part.args[0] == 0:
                continue
            adjoint[id(operand)] = adjoint[id(operand)] + part if id(operand) in adjoint else part
    results = []
    for name in wanted:
        tree = adjoint.get(id(arg(name)), as_expr(0))
        if name in row_args:
            tree = _sum_if_elements(tree, row_args)
        results.append(tree)
    return tidy(*results)


def _sum_if_elements(g, row_args):
    return g if rank_of(g, row_args=(*row_args,))[id(g)] else row_sum(g)


def open_calls(*roots):
    """Calls of ops that declare no gradient replaced by their bodies; the others stay."""
    def replace(node, args):
        if node.op == "call" and not args[0].declares_gradient:
            return open_calls(as_expr(args[0].body(*args[1:])))[0]
        return Expr(node.op, *args)
    return rebuild(roots, replace)


def tidy(*roots):
    """The trees without neutral elements."""
    return rebuild(roots, lambda node, args: simplify(Expr(node.op, *args)))


__all__ = ["derive", "expand", "rank_of", "tidy"]
