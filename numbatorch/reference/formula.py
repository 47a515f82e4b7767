"""Formulas as people write them: `grad * (1 - result**2)` for a tree of scalar functions.

Conjugates, which matter to complex numbers only, are left out. What a long formula uses more than once gets a name on a
line of its own.
"""

import math

from ..expr import tree
from ..expr.functions import FUNCTIONS

LONGEST = 100  # characters of a formula that stays on one line
_SHORTEST = 10  # characters of a part that is worth a name

# How tightly operators bind, as in Python; what is written as a call or a name binds tightest.
_COMPARE, _OR, _XOR, _AND, _SHIFT, _SUM, _PRODUCT, _SIGN, _POWER, _ATOM = range(10)
_BINDS = {"lt": _COMPARE, "le": _COMPARE, "gt": _COMPARE, "ge": _COMPARE, "eq": _COMPARE, "ne": _COMPARE, "or": _OR,
          "xor": _XOR, "and": _AND, "shl": _SHIFT, "shr": _SHIFT, "add": _SUM, "sub": _SUM, "mul": _PRODUCT,
          "div": _PRODUCT, "floordiv": _PRODUCT, "mod": _PRODUCT, "neg": _SIGN, "invert": _SIGN}
_SYMBOLS = {"eq": "{} == {}", "ne": "{} != {}"}
_NUMBERS = {math.pi: "pi", math.log(2): "ln(2)", math.log(10): "ln(10)", 2 / math.sqrt(math.pi): "2 / sqrt(pi)",
            math.sqrt(math.pi) / 2: "sqrt(pi) / 2", 1 / math.sqrt(2): "1 / sqrt(2)", 1 / math.log(2): "1 / ln(2)",
            1 / math.sqrt(2 * math.pi): "1 / sqrt(2 pi)", 180 / math.pi: "180 / pi", math.pi / 180: "pi / 180"}
_LETTERS = "abcdefghkmnpqrsuvwxyz"


def lines(name, root):
    """Text of `name = formula`, one line, or several when parts are named first."""
    if _size(root) <= LONGEST and len(text := _write(root, {})) <= LONGEST:
        return [f"{name} = {text}"]
    named: dict[int, str] = {}
    written = []
    taken = {name, *tree.names(root)}
    letters = iter(x for x in [*_LETTERS, *(f"{x}{k}" for k in range(2, 40) for x in _LETTERS)] if x not in taken)
    for node in tree.order(root):
        if node is root or node.op in ("arg", "const") or _uses(root, node) < 2:
            continue
        text = _write(node, named)
        if len(text) > _SHORTEST:
            letter = next(letters)
            written.append(f"{letter} = {text}")
            named[id(node)] = letter
    return [*written, f"{name} = {_write(root, named)}"]


def scalar_functions(*roots):
    """Names of the functions that the trees call once calls of ops are written out, in order of the table."""
    used = {n.op for n in tree.order(*tree.expand(*roots))}
    return [name for name in FUNCTIONS if name in used]


def _size(root):
    """How many nodes the tree has when nothing is shared."""
    sizes: dict[int, int] = {}
    for node in tree.order(root):
        sizes[id(node)] = 1 + sum(sizes[id(a)] for a in node.args if isinstance(a, tree.Expr))
    return sizes[id(root)]


def _uses(root, node):
    return sum(a is node for n in tree.order(root) for a in n.args)


def _write(root, named):
    done: dict[int, tuple[str, int]] = {}
    for node in tree.order(root):
        done[id(node)] = (named[id(node)], _ATOM) if id(node) in named else _node(node, done)
    return done[id(root)][0]


def _node(node, done):
    """(text, how tightly it binds) of a node whose operands are in `done`."""
    op = node.op

    def inner(operand, level):
        text, own = done[id(operand)]
        return text if own >= level else f"({text})"
    if op == "const":
        return _number(node.args[0])
    if op == "arg":
        return node.args[0], _ATOM
    if op in ("conj", "real"):
        return done[id(node.args[0])]
    if op == "cast":
        return (done[id(node.args[0])] if node.args[1] == "compute"
                else (f"{node.args[1]}({done[id(node.args[0])][0]})", _ATOM))
    if op == "call":
        return f"{node.args[0].name}({_arguments(node.args[1:], done)})", _ATOM
    if op == "abs":
        return f"|{done[id(node.args[0])][0]}|", _ATOM
    if op == "pow":
        return f"{inner(node.args[0], _ATOM)}**{inner(node.args[1], _ATOM)}", _POWER
    if op == "mul" and node.args[0] is node.args[1]:
        return f"{inner(node.args[0], _ATOM)}**2", _POWER
    if op == "mul" and done[id(node.args[1])][0].startswith("1 / "):
        return f"{inner(node.args[0], _PRODUCT)} {done[id(node.args[1])][0][2:]}", _PRODUCT
    if op == "fma":
        a, b, c = node.args
        return f"{inner(a, _PRODUCT)} * {inner(b, _PRODUCT)} + {inner(c, _SUM)}", _SUM
    if op == "add" and node.args[1].op == "neg" and done[id(node.args[1])][1] < _ATOM:
        return f"{inner(node.args[0], _SUM)} - {inner(node.args[1].args[0], _PRODUCT)}", _SUM
    if op in _BINDS:
        level = _BINDS[op]
        symbol = _SYMBOLS.get(op) or FUNCTIONS[op].symbol or ""
        first, *others = node.args
        strict = op in ("sub", "div", "floordiv", "mod", "neg", "invert", "shl", "shr") or level == _COMPARE
        left = inner(first, level + 1 if level in (_COMPARE, _SIGN) else level)
        return symbol.format(left, *(inner(o, level + 1 if strict else level) for o in others)), level
    if op in ("row_length", "row_index"):
        return op, _ATOM
    name = {"make_complex": "complex", "logical_not": "not"}.get(op, op)
    return f"{name}({_arguments(node.args, done)})", _ATOM


def _arguments(values, done):
    return ", ".join(done[id(a)][0] if isinstance(a, tree.Expr) else repr(a) for a in values)


def _number(value):
    if isinstance(value, float) and not isinstance(value, bool):
        for known, text in _NUMBERS.items():
            if math.isclose(abs(value), known, rel_tol=1e-15):
                return ("-" if value < 0 else "") + text, _PRODUCT if "/" in text else _SIGN if value < 0 else _ATOM
        if value.is_integer() and abs(value) < 1e15:
            value = int(value)
    return str(value), _SIGN if not isinstance(value, complex) and value < 0 else _ATOM
