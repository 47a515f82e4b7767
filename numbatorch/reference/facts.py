"""What is known of an op from its declaration: names, dtypes, gradient, kernels, place. Nothing is compiled for it."""

import ast
import functools
import importlib
import inspect
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

from .. import dtypes, operators, plan
from ..expr import mathematics
from ..expr.functions import FUNCTIONS, ROW
from ..expr.tree import Expr, expand, order
from ..layout import layout
from ..ops import OPS
from ..ops.declare import Op
from ..tensor import Tensor
from . import formula

ROOT = Path(__file__).resolve().parent.parent
FORMULAS = ("elementwise", "reduction", "rowwise")
MODULES = ("", "nn.functional", "linalg", "special", "fft")  # public modules whose functions come from the op table
_TEMPLATE = {"elementwise": "elementwise", "reduction": "rows", "rowwise": "rows", "scan": "scan",
             "contraction": "contraction", "window": "window", "gather": "gather", "scatter": "scatter", "sort": "sort",
             "random": "random"}
_REFUSED = (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError)
_LONGEST = 900  # characters of a derived gradient that people still read

# Functions that have a value for complex numbers; the others need an order, or a sign.
_COMPLEX = frozenset("""conj real imag make_complex add sub mul div pow neg abs sgn fma eq ne logical_not where isnan
    isinf sqrt rsqrt exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh
    cast row_sum row_prod row_any row_all""".split())


@dataclass(frozen=True)
class Names:
    """Where an op is found: functions, methods, properties, in-place forms, operators; `out`: whether it takes out=."""

    functions: tuple[str, ...]
    methods: tuple[str, ...]
    properties: tuple[str, ...]
    inplace: tuple[str, ...]
    operators: tuple[str, ...]
    out: bool

    @property
    def public(self):
        return any(not n.rpartition(".")[2].startswith("_") for n in (*self.functions, *self.methods, *self.properties))


def ops():
    """Every op with the first of its names in the table, families in their order, ops as they stand in the files."""
    first: dict[Op, str] = {}
    for key, op in OPS.items():
        if op.place[0].startswith(str(ROOT / "ops")):
            first.setdefault(op, key)
    from ..ops import FAMILIES
    rank = {family: k for k, family in enumerate(FAMILIES)}
    return sorted(((key, op) for op, key in first.items()), key=lambda found: (
        rank.get(family(found[1]), len(rank)), family(found[1]), found[1].place[1], found[0]))


def family(op):
    """The name of the file that declares an op."""
    return Path(op.place[0]).stem


def place(op):
    """(path below the package, line) of the declaration."""
    return Path(op.place[0]).relative_to(ROOT).as_posix(), op.place[1]


def module(path):
    """A public module of numbatorch by its path; "" is numbatorch itself."""
    return importlib.import_module(f"numbatorch.{path}" if path else "numbatorch")


@functools.cache
def _found():
    """{id of a function: names it has in public modules, and on Tensor}."""
    found: dict[int, list[str]] = {}
    for path in MODULES:
        for name, value in vars(module(path)).items():
            if callable(value):
                found.setdefault(id(value), []).append(f"{path}.{name}" if path else name)
    for name, value in vars(Tensor).items():
        function = value.fget if isinstance(value, property) else value
        found.setdefault(id(function), []).append(f"Tensor.{name}")
    return found


def names(op):
    """The Names of an op."""
    found = _found()
    functions = [f"{space}.{label}" if space else label for space in op.namespaces if space in MODULES
                 for label in (op.name, *op.aliases)]
    own = found.get(id(op.call), [])
    functions += [n for n in own if not n.startswith("Tensor.") and n not in functions]
    on_tensor = [n for n in own if n.startswith("Tensor.") and "__" not in n]
    changing = [n for n in found.get(id(op.call_inplace), []) if "__" not in n] if op.call_inplace else []
    if op.call_inplace and "nn.functional" in op.namespaces:
        functional = module("nn.functional")
        for label in (op.name, *op.aliases):
            if "inplace" in inspect.signature(getattr(functional, label)).parameters:
                changing.append(f"nn.functional.{label}(..., inplace=True)")
    marks = [f"__{python}__" for python, name in operators.DUNDERS.items() if OPS.get(name) is op]
    return Names(tuple(n for n in functions if "__" not in n), tuple(n for n in on_tensor if op.method != "property"),
                 tuple(n for n in on_tensor if op.method == "property"), tuple(changing), tuple(marks), op.out)


def signature(op):
    """`name(input, *, alpha=1)` as a call would be written."""
    return f"{op.name}{inspect.signature(op.call)}"


# ---------------------------------------------------------------- dtypes

def _arguments(op, d):
    """(specs, statics) of a call on operands of dtype `d`, as a plan gets them; defaults where there are any."""
    specs, statics = {}, {}
    for p in op.parameters:
        required = p.default is inspect.Parameter.empty
        if p.role == "operand":
            own = dtypes.bool if p.name in ("mask", "condition") else d
            needed = required or (op.name == "clamp" and p.name == "min")
            specs[p.name] = layout(own, () if p.name == "value" else (2, 2)) if needed else None
        elif p.role == "number":
            specs[p.name] = "float" if required else None if p.default is None else type(p.default).__name__
        elif p.role == "neutral":
            specs[p.name] = None
        if p.role in ("static", "neutral"):
            statics[p.name] = {"dim": 1}.get(p.name) if required else p.default
    return specs, statics


def _result(op, d):
    """Dtypes of the results for operands of dtype `d`; None where the op does not take it."""
    if op.dtypes is not None and d.name not in op.dtypes:
        return None
    specs, statics = _arguments(op, d)
    made = plan.Plan()
    try:
        if op.check is not None:
            op.check(op, specs, statics)
        if op.kind == "elementwise":
            request = plan.elementwise_request(op, made, specs, statics)
        else:
            request = plan.rows_request(op, made, specs, statics)
    except _REFUSED:
        return None
    if d.is_complex and not _has_complex_values(request):
        return None
    return tuple(o.dtype.name for o in made.layouts)


def _has_complex_values(request):
    """Whether all functions of a formula have values where their operands are complex."""
    is_complex: dict[int, bool] = {}
    types = {o.name: o.dtype.startswith("complex") for o in request.operands}
    for node in order(*expand(*request.roots)):
        if node.op == "arg":
            is_complex[id(node)] = types.get(node.args[0], False)
            continue
        meets = any(is_complex[id(a)] for a in node.args if isinstance(a, Expr))
        if meets and node.op not in _COMPLEX:
            return False
        result = FUNCTIONS[node.op].result if node.op in FUNCTIONS else "int64"
        is_complex[id(node)] = result == "complex" or (meets and result in ("same", "sum", "cast"))
    return True


def dtype_rules(op):
    """[(dtypes taken, dtype or dtypes of the results)] in words, by the promotion rules; None if a call decides."""
    if any(p.name == "dtype" and p.default is inspect.Parameter.empty for p in op.parameters):
        return None
    if op.kind not in FORMULAS or op.eager:
        return [(op.dtypes, None)] if op.dtypes is not None else None
    results = {d.name: result for d in (*dtypes.ALL, *dtypes.STORED) if (result := _result(op, d)) is not None}
    fixed = len(set(results.values())) == 1 < len(results)
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, result in results.items():
        said = result if fixed else tuple("the same" if r == name else r for r in result)
        groups.setdefault(said, []).append(name)
    return [(tuple(taken), ", ".join(said)) for said, taken in groups.items()]


# ---------------------------------------------------------------- gradients

def gradient(op):
    """Lines about the gradients: formulas where they are known, else where they are declared."""
    if not op.differentiable:
        return ["none"]
    if op.kind == "composite":
        return ["follows from the ops that the body calls"]
    if op.kind not in FORMULAS or op.eager:
        return [f"{operand}: {_declared(function)}" for operand, function in op.grads.items()] or ["none"]
    if op.result in ("bool", "int64"):
        return ["none"]
    _, statics = _arguments(op, dtypes.float32)
    absent = () if op.name == "clamp" else tuple(
        p.name for p in op.parameters if p.role in ("operand", "number") and p.default is None)
    wanted = [p.name for p in op.operands if p.name not in absent and p.name not in op.apart]
    trees = op.gradient_trees(wanted, {**dict.fromkeys(absent), **statics}, absent,
                              ("grad", *op.outputs) if op.kind == "reduction" else ())
    found = []
    for operand, root in zip(wanted, trees, strict=True):
        written = formula.lines(f"grad_{operand}", root)
        if sum(map(len, written)) > _LONGEST:
            written = [f"grad_{operand}: derived from the formula, {len(order(root))} steps"]
        found += written
    return found


def is_derived(op):
    """Whether a formula's gradients come from differentiating it, at least in part."""
    return op.kind in FORMULAS and not op.eager and any(p.name not in op.grads for p in op.operands)


def _declared(function):
    """A gradient given as a function over tensors: its expression, or its name and place."""
    code = function.__code__
    where = f"{Path(code.co_filename).relative_to(ROOT).as_posix()}:{code.co_firstlineno}"
    text = _lambdas(code.co_filename).get((code.co_firstlineno, code.co_varnames[:code.co_argcount]))
    if text is None or len(text) > formula.LONGEST + 20:
        return f"declared in {where}" if function.__name__ == "<lambda>" else f"{function.__name__}, {where}"
    return text


@functools.cache
def _lambdas(filename):
    """{(line, parameters): text of the value} of every lambda in a file."""
    found = {}
    for node in ast.walk(ast.parse(Path(filename).read_text())):
        if isinstance(node, ast.Lambda):
            text = ast.unparse(node.body).replace(".call(", "(")
            found[node.lineno, tuple(a.arg for a in node.args.args)] = re.sub(r"OPS\['(\w+)'\]", r"\1", text)
    return found


# ---------------------------------------------------------------- kernels

def templates(op):
    """Names of the kernel templates that serve an op; none for views, foreign and composite ops."""
    if op.kind in ("view", "foreign", "composite") or op.eager:
        return ()
    asked = re.findall(r'Native\(\s*"(\w+)"', inspect.getsource(op.body)) if op.kind not in FORMULAS else []
    if not asked and "Nest(" in inspect.getsource(op.body):
        asked = ["nest"]
    return tuple(dict.fromkeys(asked or [_TEMPLATE[op.kind]]))


def calls(op):
    """Names of the ops that the body of a composite names, itself or in functions of its file; methods are not."""
    found: dict[str, None] = {}
    for function, _ in _functions(op.body, 9):
        for value in _mentioned(function):
            if isinstance(value, Op):
                found[_key(value)] = None
        for key in re.findall(r'OPS\["([\w.]+)"\]', inspect.getsource(function)):
            found[_key(OPS[key])] = None
    found.pop(_key(op), None)
    return tuple(found)


def errors(op):
    """Texts of the errors that a declaration raises itself, in its body, its check or what these call in their file."""
    found: dict[str, None] = {}
    for start in (op.body, op.check):
        for function, values in _functions(start, 2) if start is not None else ():
            raised = [n for n in ast.walk(_tree(function)) if isinstance(n, ast.Raise)]
            for node in sorted(raised, key=lambda n: n.lineno):
                if isinstance(node.exc, ast.Call) and node.exc.args:
                    known = {"name": op.name, "op.name": op.name, **values}
                    text = " ".join(_message(node.exc.args[0], known).split())
                    found[f"{ast.unparse(node.exc.func)}: {text}"] = None
    if op.divides:
        found[f"RuntimeError: ZeroDivisionError: {op.name}: an integer is divided by zero"] = None
    return tuple(found)


def _message(node, values):
    """Text of a message, with names of the body in braces; `values`: what is known of them."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        parts = []
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                name = ast.unparse(part.value)
                parts.append(str(values[name]) if name in values else f"{{{name}}}")
            else:
                parts.append(_message(part, values))
        return "".join(parts)
    if isinstance(node, ast.BinOp):
        return _message(node.left, values) + _message(node.right, values)
    if isinstance(node, ast.IfExp):
        return f"{_message(node.body, values)} / {_message(node.orelse, values)}"
    return f"{{{ast.unparse(node)}}}"


def _functions(start, depth):
    """(function, texts among what it closes over) of a function and of those of its file that it names."""
    waiting, seen = [(start, depth)], set()
    while waiting:
        function, left = waiting.pop(0)
        if function in seen or function.__module__ != start.__module__ or function.__name__ == "<lambda>":
            continue
        seen.add(function)
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        yield function, {n: c.cell_contents for n, c in cells if isinstance(c.cell_contents, str)}
        if left > 1:
            waiting += [(v, left - 1) for v in _mentioned(function) if inspect.isfunction(v)]


def _mentioned(function):
    """What a function names that its module or the functions around it define."""
    names = [n for code in _codes(function.__code__) for n in code.co_names]
    return [*(function.__globals__[n] for n in names if n in function.__globals__),
            *(c.cell_contents for c in function.__closure__ or ())]


@functools.cache
def _tree(function):
    return ast.parse(textwrap.dedent(inspect.getsource(function)))


def _codes(code):
    yield code
    for inner in code.co_consts:
        if inspect.iscode(inner):
            yield from _codes(inner)


def _key(op):
    space = op.namespaces[0]
    return f"{space}.{op.name}" if space else op.name


def devices(op):
    """Devices that have what the op needs; None where the ops of its body decide."""
    if op.kind == "composite" or (op.eager and op.kind != "foreign"):
        return None
    wanted = templates(op)
    if op.kind == "foreign":
        return ("cpu",)
    return tuple(d for d in ("cpu", "cuda") if (ROOT / d / "backend.py").exists()
                 and all((ROOT / d / f"{t}.py").exists() for t in wanted))


def accuracy(op):
    """{scalar function: its error in ULP by dtype} of those in an op's formula that are not exact."""
    if op.kind not in FORMULAS or op.eager:
        return {}
    _, statics = _arguments(op, dtypes.float32)
    absent = () if op.name == "clamp" else tuple(
        p.name for p in op.parameters if p.role in ("operand", "number") and p.default is None)
    roots = op.trace({**dict.fromkeys(absent), **statics}, absent)
    found = {}
    for name in formula.scalar_functions(*roots):
        known = {d: mathematics.ULP[f"{name}_{d}"] for d in ("float32", "float64") if f"{name}_{d}" in mathematics.ULP}
        if known and name not in ROW:
            found[name] = known
    return found
