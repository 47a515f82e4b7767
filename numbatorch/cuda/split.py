"""Template of reductions of few long rows: a block for each piece of a row, then one for each row's totals.

The pieces depend on the row's length alone, so results are the same in every run.
"""

from dataclasses import replace

from ..expr import write
from ..expr.functions import ROW, row_index, row_length
from ..expr.kinds import Launch
from ..expr.tree import arg, order
from ..layout import Layout
from . import backend, geometry
from .elementwise import NUMBER
from .launching import call

BLOCK = 256
PIECE = 8192  # elements of a piece at least: 32 a thread
DEEP = 256  # of a piece of rows that lie across memory: 32 a thread
MOST = 1024  # blocks: several for each multiprocessor
FEW = 256  # rows, or groups of 32 neighbours, up to which rows are cut: more keep a GPU busy by themselves


def when(request, made):
    """Whether this template applies: few long rows, results of one value a row, functions that need no other one."""
    functions = [n for n in order(*request.roots) if n.op in ROW]
    return (0 < made.groups <= FEW and made.form in ("blocks", "columns") and pieces_of(made) > 1
            and all(request.is_row) and bool(functions)
            and not any(m.op in ROW for n in functions for m in order(n.args[0]))
            and not any(n is row_index for n in order(*request.roots))
            and not made.outside & {o.name for o in made.tensors})


def pieces_of(made):
    """Pieces of a row."""
    least = PIECE if made.form != "columns" else DEEP
    return min(max(1, MOST // made.groups), made.length // least)


def sums_of(request):
    """The request of a `Rows` request's row functions alone. Rows are counted in the order of the last result's memory
    (rows.py), so that it is the result of all here: the kernel that joins the pieces finds the same row."""
    functions = tuple(n for n in order(*request.roots) if n.op in ROW)
    return replace(request, roots=functions, outputs=[request.outputs[-1]] * len(functions),
                   is_row=(True,) * len(functions))


def plan(request, made, started):
    """The Launch of a `Rows` request for which `when` holds: two kernels, one after the other."""
    sums, pieces, device = sums_of(request), pieces_of(made), request.outputs[0].device
    functions = list(sums.roots)
    partial, blocks = type(made)(sums, pieces), made.units * pieces
    first = started(partial, device)
    name, text, signature, values = _finish(request, made, functions, partial.totals, pieces)
    second = call(name, text, signature, device, values, made.units, BLOCK)
    places = [k for k, o in enumerate(request.operands) if not isinstance(o.layout, Layout)]
    runtime, count, operands = backend.on(device.index), len(functions), len(request.operands)

    def run(*given):
        work = runtime.allocate(16 * blocks * count)  # complex128 at most
        parts = [work.address + 16 * blocks * k for k in range(count)]
        first(*given[:operands], *parts, *given[-3:])
        second(*parts, *(given[k] for k in places), *given[operands:])
    run.within = first, second
    return Launch(run, 0, made.units, 1)


def _finish(request, made, functions, totals, pieces):
    """(name, text, signature, values) of the kernel that joins each row's pieces and evaluates the formulas."""
    parts = [f"part{k}" for k in range(len(functions))]
    numbers = geometry.Parameters()
    given = [o for o in request.operands if not isinstance(o.layout, Layout)]
    pad = " " * 8
    lines = geometry.decode(pad, made.outer or (1,), {
        f"at_{n}": made.outer_strides[n] if made.outer else (0,) for n in made.outputs}, numbers, "row", "int64")
    numbers.add("length", made.length)
    numbers.add("pieces", pieces)
    length_type = request.compute if request.compute.startswith(("float", "complex")) else "int64"
    bound, keep = {id(row_length): (f"{length_type}(length)", length_type)}, []
    for o in given:
        lines.append(f"{pad}{o.name}_ = {write.convert(o.name, NUMBER[o.layout], o.dtype)}")
        keep.append(arg(o.name))
        bound[id(keep[-1])] = (f"{o.name}_", o.dtype)
    helpers: dict[str, list[str]] = {}
    for k, (node, total) in enumerate(zip(functions, totals, strict=True)):
        joins = total.function(f"block{BLOCK}")
        helpers[joins] = total.helper(f"block{BLOCK}")
        lines += [f"{pad}total{k} = {total.start()}", f"{pad}j = thread_index()", f"{pad}while j < pieces:",
                  f"{pad}    piece{k} = part{k}[row * pieces + j]",
                  f"{pad}    total{k} = {total.joined(f'total{k}', f'piece{k}')}", f"{pad}    j = j + {BLOCK}",
                  f"{pad}whole{k} = {joins}(total{k})", f"{pad}value{k} = {total.value(f'whole{k}')}"]
        bound[id(node)] = (f"value{k}", total.result)
    writer = write.Writer(request.compute, bound, pad, "r")
    stores = []
    for root, out, layout in zip(request.roots, made.outputs, request.outputs, strict=True):
        text, type_ = writer.typed(root)
        stores.append(f"{pad}    {out}[at_{out}] = {write.store(text, type_, layout.dtype.name)}")
    del keep
    numbers.add("units", made.units)
    name = f"{request.name}_{request.compute}_whole{len(made.outer)}"
    head = [*(line for helper in helpers.values() for line in helper),
            f"def {name}({', '.join([*parts, *(o.name for o in given), *made.outputs, *numbers.names])}):",
            "    row = block_index()", "    if row < units:"]
    signature = (*(f"{total.kept}*" for total in totals), *(NUMBER[o.layout] for o in given),
                 *(f"{write.storage(o.dtype.name)}*" for o in request.outputs), *numbers.types)
    text = "\n".join([*head, *lines, *writer.lines, f"{pad}if thread_index() == 0:", *stores]) + "\n"
    return name, text, signature, numbers.values
