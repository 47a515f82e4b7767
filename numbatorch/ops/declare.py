"""An op is one declaration: these decorators read it.

The `def` line gives the name and the parameters, by annotation:
  (none)     an operand: a Tensor, or in formulas also a Python number (None too where that is the default)
  float      a number that the kernel gets by value, so that new values need no new kernel
  neutral    the same, but written away while it has its default (`alpha=1`)
  int, bool, str, ...   static: part of the plan's key
The body of a formula (elementwise, reduction, rowwise) is traced once; a view's body computes shape, strides and
offset; the bodies of other kinds return a request (expr/kinds.py); a composite's body is ordinary code over tensors.
Gradients: for formulas, `grad=` (first operand) or `<operand>=` lambdas over names among `grad`, `result`, the outputs'
names and the parameters; what is not declared is derived. For other kinds the same lambdas run on Tensors, and
operands without one get no gradient; `<operand>_layout` names an operand's Layout without keeping its values.
`spread=` names the last static, which a call takes as `f(x, 2, 3)` or `f(x, (2, 3))`; `method="property"` is `x.name`.
"""

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..expr import derive, tree
from ..expr.tree import Expr, arg, as_expr

OPS: dict[str, "Op"] = {}

# Promotion: the dtype a formula computes in.
SAME = "same"    # that of the promoted operands
FLOAT = "float"  # integers and bools become the default float


if TYPE_CHECKING:
    neutral = float
else:
    class neutral(float):
        """Annotation of a number that is written away while it has its default value."""


@dataclass
class Parameter:
    """A parameter of an op: operand, number, neutral or static."""

    name: str
    role: str
    default: Any = inspect.Parameter.empty
    kind: Any = inspect.Parameter.POSITIONAL_OR_KEYWORD
    annotation: Any = None

    @property
    def optional(self):
        return self.role == "operand" and self.default is None


_STRUCTURE = ("dim", "keepdim", "dtype", "shape")  # what reductions and rows understand themselves


@dataclass(eq=False)
class Op:
    """A declared op. `call` runs it on tensors; calling the op itself also grows a tree on symbols."""

    name: str
    kind: str
    body: Callable
    parameters: list[Parameter]
    doc: str
    namespaces: tuple[str, ...] = ("",)
    method: bool | str = True
    spread: str = ""
    inplace: bool = False
    out: bool = False
    exact_out: bool = False  # out= must have the result's dtype
    promote: str = SAME
    result: Any = None
    casts: bool = False
    eager: bool = False
    over: str = ""  # of a composite: the kind of loop that it is another face of
    wide: bool = False  # of a composite: float16 and bfloat16 are computed in float32 and rounded once, at the end
    apart: tuple[str, ...] = ()
    only_tensors: tuple[str, ...] = ()
    fits: tuple[str, ...] = ()  # numbers that must be representable in the dtype computed in
    numbers: bool = False  # takes two numbers as well: the result is a 0-d tensor
    several: bool = False  # views as its results, which may not be changed in place
    brings: bool = False  # operands on other devices are moved to that of the first
    crosses: bool = False  # of an eager op: the body itself moves values between devices
    sized_by_values: bool = False  # results are numbers of Python, or their shapes depend on values
    separate: bool | str = False  # out= must not share memory with an operand; "rest": but for the first, as in place
    divides: bool = False  # integers are not divided by zero: an error of each call
    promote_by: tuple[str, ...] | None = None
    outputs: tuple[str, ...] = ("result",)
    signatures: tuple[str, ...] = ()  # for type checkers, where the result depends on the arguments
    grads: dict[str, Callable] = field(default_factory=dict)
    summed: int = 0  # so many of the last results are summed over the rows; only in ops made for a backward step
    stepwise: bool = False  # gradients in float16 and bfloat16 are rounded after each step, as PyTorch's ops do
    differentiable: bool = True
    domain: tuple | None = None
    dims: str = "many"
    identity: Any = None
    dtypes: tuple[str, ...] | None = None
    float8: bool = False  # takes 8-bit floats, which are for keeping: only what moves and tells apart values does
    check: Callable | None = None
    aliases: tuple[str, ...] = ()
    reference: Callable | None = None
    samples: Callable | None = None
    sample_kwargs: dict = field(default_factory=dict)
    place: tuple[str, int] = ("", 0)  # file and line of the declaration
    call: Any = None
    call_inplace: Any = None

    def __repr__(self):
        return f"<{self.kind} {self.name}>"

    def __hash__(self):
        return id(self)

    @property
    def runs_as(self):
        """The kind of loop that does the op's work."""
        return self.over or self.kind

    @property
    def operands(self):
        return [p for p in self.parameters if p.role == "operand"]

    @property
    def formula_parameters(self):
        return [p for p in self.parameters if not (self.kind in ("reduction", "rowwise") and p.name in _STRUCTURE)]

    @property
    def declares_gradient(self):
        return bool(self.grads)

    def __call__(self, *args, **kwargs):
        if self.kind in ("elementwise", "reduction", "rowwise"):
            for a in args:
                if isinstance(a, Expr):
                    return self._grow(args, kwargs)
            for a in kwargs.values():
                if isinstance(a, Expr):
                    return self._grow(args, kwargs)
        return self.call(*args, **kwargs)

    def _grow(self, args, kwargs):
        bound = inspect.signature(self.body).bind(*args, **kwargs)
        bound.apply_defaults()
        if self.kind != "elementwise":
            return as_expr(self.body(*bound.args, **bound.kwargs))
        values = []
        for p in self.parameters:
            v = bound.arguments[p.name]
            values.append(as_expr(v) if p.role != "static" and v is not None else v)
        return Expr("call", self, *values)

    def trace(self, statics, absent=()):
        """The formula's trees, one an output, for given static values; operands in `absent` are None."""
        values = {}
        for p in self.formula_parameters:
            if p.name in absent:
                values[p.name] = statics.get(p.name)
            elif p.role == "static":
                values[p.name] = statics[p.name]
            else:
                values[p.name] = arg(p.name)
        if self.kind != "elementwise":
            values.update({p.name: None for p in self.parameters if p.name in _STRUCTURE})
        result = self.body(**values)
        roots = tuple(as_expr(r) for r in result) if isinstance(result, tuple) else (as_expr(result),)
        return tree.rebuild(roots, _without_ones) if any(p.role == "neutral" for p in self.parameters) else roots

    def gradient_trees(self, wanted, statics, absent=(), row_args=()):
        """Trees of the gradients of operands `wanted`: declared ones, the others derived."""
        trees: dict[str, Expr] = {}
        missing = [w for w in wanted if w not in self.grads]
        for name in wanted:
            if name in self.grads:
                trees[name] = as_expr(self._evaluate_gradient(self.grads[name], statics, absent))
        if missing:
            (root, *_) = self.trace(statics, absent)
            trees.update(zip(missing, derive.derive(root, missing, row_args), strict=True))
        return derive.tidy(*(trees[w] for w in wanted))

    def _evaluate_gradient(self, function, statics, absent):
        values = {}
        for name in inspect.signature(function).parameters:
            known = next((p for p in self.parameters if p.name == name), None)
            if known is not None and (known.role == "static" or name in absent):
                values[name] = statics.get(name)
            else:
                values[name] = arg(name)
        return function(**values)

    def adjoint(self, g, value, *args):
        """What reaches each argument of a call inside another formula: declared derivatives first."""
        given = {p.name: a for p, a in zip(self.parameters, args, strict=True)}
        env = {"grad": g, "result": value, **given}
        parts = []
        for p, a in zip(self.parameters, args, strict=True):
            if p.role != "operand" or not isinstance(a, Expr) or a.op == "const":
                parts.append(None)
            elif p.name in self.grads:
                function = self.grads[p.name]
                parts.append(function(**{n: env[n] for n in inspect.signature(function).parameters}))
            else:
                statics = {q.name: given[q.name] for q in self.parameters if not isinstance(given[q.name], Expr)}
                (root, *_) = self.trace(statics, tuple(statics))
                (derived,) = derive.derive(root, [p.name])
                parts.append(tree.substitute(derived, {n: as_expr(v) for n, v in env.items() if v is not None}))
        return parts


def _without_ones(node, args):
    """A node, or its operand where it multiplies by a literal 1."""
    if node.op == "mul" and tree.is_const(args[1], 1):
        return args[0]
    return Expr(node.op, *args)


def _parameters(function):
    result = []
    for p in inspect.signature(function).parameters.values():
        note = p.annotation
        if note is inspect.Parameter.empty:
            role = "operand" if p.name not in _STRUCTURE else "static"
        elif note is float:
            role = "number"
        elif note is neutral:
            role = "neutral"
        else:
            role = "static"
        result.append(Parameter(p.name, role, p.default, p.kind, note))
    return result


def _place(function):
    """(file, line) of a declaration: the statement of a family's file that made it, else the function's own."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_name != "<module>":
        frame = frame.f_back
    if frame.f_globals.get("__package__") == __package__:
        return frame.f_code.co_filename, frame.f_lineno
    return function.__code__.co_filename, function.__code__.co_firstlineno


def _names(namespaces):
    return (namespaces,) if isinstance(namespaces, str) else tuple(namespaces)


def declare(kind, function, *, grad=None, namespaces="", name=None, aliases=(), **options):
    """Enter an op into the table. Used by the decorators below; returns the Op."""
    op_name = name or function.__name__.rstrip("_")
    names = _names(namespaces)
    parameters = _parameters(function)
    fields = set(Op.__dataclass_fields__)
    operand_names = [p.name for p in parameters if p.role == "operand"]
    grads = {k: options.pop(k) for k in list(options) if k in operand_names}
    place = _place(function)
    where = f"{place[0]}:{place[1]}"
    if grad is not None:
        if not operand_names:
            raise TypeError(f"{op_name} ({where}): grad= is given, but the op has no operand")
        grads[operand_names[0]] = grad
    unknown = set(options) - fields
    if unknown:
        raise TypeError(f"{op_name} ({where}): unknown fields {sorted(unknown)}; operands are {operand_names}")
    if kind in ("elementwise", "reduction", "rowwise") and options.get("differentiable", True):
        taken = {"grad", "out", *options.get("outputs", ("result",))}
        for p in parameters:
            if p.name in taken:
                raise TypeError(f"{op_name} ({where}): a parameter cannot be called {p.name}, as gradients call "
                                "something else so; choose another name")
    for operand, rule in grads.items():
        known = {"grad", "result", *(p.name for p in parameters), *options.get("outputs", ())}
        known |= {f"grad_{o}" for o in options.get("outputs", ())} | {"grads"}
        known |= {f"{o}_{what}" for o in operand_names for what in ("layout", "layouts", "wanted")}
        for n in inspect.signature(rule).parameters:
            if n not in known:
                raise TypeError(f"{op_name} ({where}): the gradient of {operand} reads {n}, which the op does not have")
    if not function.__doc__:
        raise TypeError(f"{op_name} ({where}): an op needs a docstring")
    options.setdefault("method", "" in names)
    op = Op(op_name, kind, function, parameters, inspect.getdoc(function) or "", names, grads=grads,
            aliases=tuple(aliases), place=place, **options)
    for n in names:
        for label in (op_name, *op.aliases):
            key = f"{n}.{label}" if n else label
            if key in OPS:
                raise TypeError(f"{key} ({where}) is declared twice")
            OPS[key] = op
    return op


def _decorator(kind, **defaults):
    def decorate(function=None, **options):
        options = {**defaults, **options}
        if function is not None:
            return declare(kind, function, **options)
        return lambda f: declare(kind, f, **options)
    decorate.__name__ = kind
    return decorate


elementwise = _decorator("elementwise", inplace=True, out=True)
reduction = _decorator("reduction", out=True)
rowwise = _decorator("rowwise")
scan = _decorator("scan")
contraction = _decorator("contraction")
window = _decorator("window", method=False)
gather = _decorator("gather")
scatter = _decorator("scatter")
sort = _decorator("sort")
random = _decorator("random", method=False)
create = _decorator("create", method=False)
view = _decorator("view")
foreign = _decorator("foreign")
composite = _decorator("composite")


def namespace(path):
    """Public functions of a namespace ("" is the top level, "nn.functional", "linalg", ...): {name: function}."""
    prefix = f"{path}." if path else ""
    found = {}
    for key, op in OPS.items():
        head, _, name = key.rpartition(".")
        if head == path and key.startswith(prefix):
            found[name] = op.call
    return found
