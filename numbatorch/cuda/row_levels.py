"""Formulas of few very long rows whose row functions depend on each other, by many blocks: one level after the other.

`logsumexp` and `softmax` need a row's largest element before they can sum, `var` its mean. Each level's functions are
rows of their own that split.py cuts into pieces; what they found is an operand of the next level's, one value a row,
and of the results, which are elementwise formulas then.
"""

from dataclasses import replace
from math import prod

from .. import dtypes
from ..expr.functions import ROW, row_index, row_length
from ..expr.kinds import Elementwise, Launch, Operand
from ..expr.tree import Expr, arg, as_expr, names, order, rebuild
from ..layout import layout
from . import backend, elementwise, geometry, split

FEW = 32  # rows up to which other blocks would idle
LEAST = 8  # pieces of a row that make up for more launches


def when(request, made):
    """Whether this template applies to what split.py does not take."""
    functions = [n for n in order(*request.roots) if n.op in ROW]
    return (0 < made.groups <= FEW and made.form in ("blocks", "columns") and split.pieces_of(made) >= LEAST
            and bool(functions) and not request.summed and not any(n is row_index for n in order(*request.roots)))


def plan(request, made):
    """The Launch of a `Rows` request for which `when` holds."""
    from . import rows
    device, row_shape = request.outputs[0].device, tuple(
        1 if d in request.dims else n for d, n in enumerate(request.shape))
    operands, found, steps, nbytes = list(request.operands), {}, [], 0
    count, results = len(operands), len(request.outputs)

    def chosen(roots):
        """(the operands that roots read, where their addresses are among those of `operands`)."""
        used = set(names(*roots))
        places = [k for k, o in enumerate(operands) if o.name in used]
        return [operands[k] for k in places], places

    def put(root):
        def placed(node, args):
            return found[id(node)] if id(node) in found else node if node.op == "arg" else Expr(node.op, *args)
        return rebuild([root], placed)[0]
    for number, level in enumerate(_levels(request.roots)):
        roots = tuple(Expr(node.op, *(put(a) for a in node.args)) for node in level)
        used, places = chosen(roots)
        row = layout(dtypes.float32, row_shape, None, device)
        level_request = replace(request, name=f"{request.name}_level{number}", roots=roots, operands=used,
                                outputs=[row] * len(roots), is_row=(True,) * len(roots))
        kinds = [total.result for total in rows.Kernel(level_request, 1).totals]
        outputs = [layout(dtypes.by_name(kind), row_shape, None, device) for kind in kinds]
        starts = []
        for k, (node, out, kind) in enumerate(zip(level, outputs, kinds, strict=True)):
            operands.append(Operand(f"row_value{number}_{k}", out, kind))
            found[id(node)] = arg(operands[-1].name)
            starts.append(nbytes)
            nbytes += geometry.rounded(out.nbytes)
        steps.append((rows.plan(replace(level_request, outputs=outputs)).kernel, places, starts))
    length = prod(request.shape[d] for d in request.dims)
    found[id(row_length)] = as_expr(float(length) if request.compute.startswith(("float", "complex")) else length)
    ends = []
    for is_row in (True, False):
        own = [k for k in range(results) if request.is_row[k] == is_row]
        if own:
            roots = tuple(put(request.roots[k]) for k in own)
            used, places = chosen(roots)
            final = Elementwise(f"{request.name}_results", roots, used, [request.outputs[k] for k in own],
                                row_shape if is_row else request.shape, request.compute)
            ends.append((elementwise.plan(final).kernel, places, own))
    runtime = backend.on(device.index)

    def run(*given):
        work = runtime.allocate(nbytes)
        addresses, rest = list(given[:count]), given[-3:]
        for kernel, places, starts in steps:
            written = [work.address + start for start in starts]
            kernel(*(addresses[k] for k in places), *written, *rest)
            addresses += written
        for kernel, places, own in ends:
            kernel(*(addresses[k] for k in places), *(given[count + k] for k in own), *rest)
    run.within = [kernel for kernel, *_ in (*steps, *ends)]
    return Launch(run, 0, made.units, 1)


def _levels(roots):
    """Row functions of formulas, in groups each of which needs only those before it."""
    depths: dict[int, int] = {}
    levels: list[list[Expr]] = []
    for node in order(*roots):
        depth = max((depths[id(a)] for a in node.args if isinstance(a, Expr)), default=0)
        if node.op in ROW:
            levels.extend([] for _ in range(depth + 1 - len(levels)))
            levels[depth].append(node)
            depth += 1
        depths[id(node)] = depth
    return levels
