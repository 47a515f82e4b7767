"""Elements of a row that are told by where they are: one that is picked, the first of some, one that is an exception.

Comparing the position of each element costs more than most of what a walk does with it, so no walk does.
"""

import functools

from ..expr import write
from ..expr.derive import rank_of
from ..expr.functions import ROW, row_index
from ..expr.tree import Expr, rebuild
from .row_functions import row_function

SEARCHED = 64  # elements that are looked through at once for the first of some: best of 64..512, 512x512 and 4096x4096


def picked(kernel, node):
    """Whether a row function is a sum of one element, at a position that the row says: written without a walk."""
    where = node.args[0]
    if node.op != "row_sum" or where.op != "where" or kernel.inner > 1 or kernel.parts or not (
            is_position(where.args[0]) and kernel.is_row[id(where.args[0].args[1])]
            and where.args[2].op == "const" and not where.args[2].args[0]):
        return False
    number = f"pick{len(kernel.writer.bound)}"
    place = kernel.writer.typed(where.args[0].args[1])[0]
    kernel.flush()
    start = len(kernel.lines)

    def body(writer, pad, position):
        text, type_ = writer.typed(where.args[1])
        kernel.lines[start:start] = [f"        {number} = {write.literal(0, type_)}"]
        kernel.writer.bound[id(node)] = number, type_
        return [where.args[1]], [f"{pad}{number} = {text}"], [], [], False, ()
    kernel.loop(body, walk=functools.partial(at, place))
    return True


def searched(kernel, node, ahead):
    """Whether a row function is the first of some elements, looked for piece by piece up to the one that has it."""
    if node.op != "row_first" or kernel.inner > 1 or kernel.parts or not kernel.lanes:
        return False
    first, here = f"first{len(kernel.writer.bound)}_", f"range(first_, min(first_ + {SEARCHED}, n0))"
    pad = "    " * 2
    kernel.lines += [f"{pad}{first} = length", f"{pad}for piece_ in range((n0 + {SEARCHED - 1}) // {SEARCHED}):",
                     f"{pad}    first_ = piece_ * {SEARCHED}",
                     *(f"{pad}    {line}" for line in kernel.fetches(SEARCHED, kernel.ahead) * ahead),
                     f"{pad}    if {first} == length:", f"{pad}        any_ = uint8(n0 <= {SEARCHED})"]
    deeper = f"{pad}    "
    for op, total, when in (("row_any", "any_", "any_ == 0"), ("row_first", first, "any_ != 0")):
        def body(writer, pad, position, op=op, total=total):
            text, type_ = writer.typed(node.args[0])
            return [node.args[0]], row_function(op, total, text, type_, pad, "i")[1], [], [], False, ()

        def walk(pad, body):
            return [f"{pad}{deeper}for i in {here}:", *(f"{deeper}{line}" for line in body)]
        kernel.lines.append(f"{pad}        if {when}:")
        kernel.loop(body, walk=walk)
    kernel.writer.bound[id(node)] = first, "int64"
    return True


def other_at_one(kernel):
    """(formulas, what they are at one position of the row, that position): so that no walk compares positions.

    The formulas as they are, twice, and None where that cannot be."""
    roots = list(kernel.request.roots)
    ranks = rank_of(*roots, row_args=kernel.row_args)
    below = elements_below([r for r, flag in zip(roots, kernel.request.is_row, strict=True) if not flag], {})
    chosen = [n for n in below if n.op == "where" and is_position(n.args[0]) and ranks[id(n.args[0].args[1])]]
    if len({n.args[0] for n in chosen}) != 1 or kernel.inner > 1 or kernel.parts or kernel.sums:
        return roots, roots, None

    def taken(branch):
        def put(n, args):
            if n.op in ROW:  # of all elements: made by the walks before
                return n
            return args[branch] if n in chosen else Expr(n.op, *args)
        return [root if flag else rebuild([root], put)[0]
                for root, flag in zip(roots, kernel.request.is_row, strict=True)]
    return taken(2), taken(1), chosen[0].args[0].args[1]


def at(place, pad, body):
    """Lines in place of a loop, for one position of the row, if it has it."""
    return [f"{pad}only = int64({place})", f"{pad}begin = only if 0 <= only < n0 else n0",
            f"{pad}for i in range(begin, min(begin + 1, n0)):", *body]


def is_position(condition):
    """Whether a condition holds at one position of the row."""
    return condition.op == "eq" and condition.args[0] is row_index


def elements_below(roots, found):
    """The nodes of the roots' elements, down to row functions and to `found` nodes."""
    seen, stack = {}, list(roots)
    while stack:
        node = stack.pop()
        if id(node) not in seen:
            seen[id(node)] = node
            if id(node) not in found and node.op not in ROW:
                stack += [a for a in node.args if isinstance(a, Expr)]
    return list(seen.values())
