"""Formulas as kernel source: typed Python text, one assignment for each node.

Every literal and every mixed operation is given its dtype in the text: Numba would compute `1 / x` of a float32 in
float64. Types narrower than float32 are converted to it where they are loaded and back where they are stored.
"""

import math

from .. import dtypes
from .functions import FUNCTIONS
from .tree import Expr, order

STORAGE = {"bool": "uint8", "float16": "uint16", "bfloat16": "uint16", "complex32": "uint32",
           **dict.fromkeys(dtypes.FLOAT8, "uint8")}
_LOAD = {"bool": "{} != 0", "float16": "half_to_float({})", "bfloat16": "bfloat_to_float({})",
         "complex32": "halves_to_complex({})", **{name: f"{name}_to_float({{}})" for name in dtypes.FLOAT8}}
_STORE = {"float16": "float_to_half({})", "bfloat16": "float_to_bfloat({})", "complex32": "complex_to_halves({})",
          **{name: f"float_to_{name}({{}})" for name in dtypes.FLOAT8}}
_INTRINSICS = ("floor", "ceil", "trunc", "rint", "sqrt", "copysign", "maximum", "minimum", "fmax", "fmin")
_INTRINSIC_NAME = {"fmax": "maxnum", "fmin": "minnum"}
_WEAK = "number"  # the type of a literal: it takes that of its neighbour


def storage(dtype):
    """How kernels see the bytes of a dtype: the name of a type that the compiler has."""
    return STORAGE.get(dtype, dtype)


def compute_type(dtype):
    """The type that values of a dtype are computed in."""
    return dtypes.by_name(dtype).compute


def load(text, dtype, to=None):
    """Text that reads a stored value, in its compute type or as type `to`."""
    return convert(_LOAD.get(dtype, "{}").format(text), compute_type(dtype), to or compute_type(dtype))


def store(text, type_, dtype):
    """Text of a value as dtype is stored."""
    if dtype == "bool":
        return f"uint8({convert(text, type_, 'bool')})"
    if dtype in _STORE:
        return _STORE[dtype].format(convert(text, type_, compute_type(dtype)))
    return convert(text, type_, dtype)


def combined(combine, dtype):
    """Text of what a scatter stores, from `old` and `new` places; combine: "set", "add", "mul", "max" or "min"."""
    if combine == "set":
        return "{new}"
    old, new = load("{old}", dtype), load("{new}", dtype)
    kind = compute_type(dtype)
    if kind == "bool":
        text = {"add": f"({old}) | ({new})", "max": f"({old}) | ({new})"}.get(combine, f"({old}) & ({new})")
    elif combine in ("add", "mul"):
        text = f"({old}) {'+' if combine == 'add' else '*'} ({new})"
    elif kind.startswith("float"):
        text = f"{combine}imum({old}, {new})"
    else:
        sign = ">" if combine == "max" else "<"
        text = f"{new} if {new} {sign} {old} else {old}"
    return store(text if kind == "bool" else f"{kind}({text})", kind, dtype)


def literal(value, type_):
    """A number with its type: float32(0.5)."""
    if type_ == "bool":
        return repr(bool(value))
    if type_.startswith("complex"):
        part = "float32" if type_ == "complex64" else "float64"
        value = complex(value)
        return f"{type_}(complex({literal(value.real, part)}, {literal(value.imag, part)}))"
    if type_.startswith("float"):
        value = float(value)
        if math.isnan(value):
            return f"{type_}(nan)"
        if math.isinf(value):
            return f"{type_}({'-' if value < 0 else ''}inf)"
        return f"{type_}({value!r})"
    return f"{type_}({int(value)})"


def convert(text, from_, to):
    """Text of a value of type `from_` as type `to`."""
    if from_ == to:
        return text
    if to == "bool":
        return f"({text}) != {literal(0, from_)}"
    if from_.startswith("complex") and not to.startswith("complex"):
        return convert(f"({text}).real", "float32" if from_ == "complex64" else "float64", to)
    if from_.startswith("float") and to.startswith(("int", "uint")) and to not in ("int64",):
        return f"{to}(int64({text}))"
    if to.startswith("complex") and not from_.startswith("complex"):
        part = "float32" if to == "complex64" else "float64"
        return f"{to}(complex({convert(text, from_, part)}, {part}(0)))"
    return f"{to}({text})"


def common_type(types, compute):
    """The type that operands of these types meet in."""
    known = [t for t in types if t != _WEAK]
    if not known:
        return compute
    result = known[0]
    for t in known[1:]:
        result = compute_type(dtypes.promote_types(dtypes.by_name(result), dtypes.by_name(t)).name)
    return result


class Writer:
    """Writes statements for trees. `bound` maps id(node) to (text, type) for what is already in a variable."""

    def __init__(self, compute, bound, indent, prefix="t"):
        self.compute, self.bound, self.indent, self.prefix = compute, dict(bound), indent, prefix
        self.lines: list[str] = []

    def value(self, root):
        """(text, type) of a tree, writing the statements it needs."""
        for node in order_unbound(root, self.bound):
            if id(node) not in self.bound:
                self.bound[id(node)] = self._node(node)
        return self.bound[id(root)]

    def typed(self, root, type_=None):
        """Text of a tree as a value of one type (that of the formula for a literal)."""
        text, own = self.value(root)
        if own == _WEAK:
            own = type_ or self.literal_type(text)
            return literal(text, own), own
        return (convert(text, own, type_), type_) if type_ else (text, own)

    def literal_type(self, value):
        if isinstance(value, bool):
            return "bool"
        return self.compute

    def _node(self, node):
        if node.op == "const":
            return node.args[0], _WEAK
        text, type_ = self._expression(node)
        if text.isidentifier():
            return text, type_
        name = f"{self.prefix}{len(self.lines)}"
        self.lines.append(f"{self.indent}{name} = {text}")
        return name, type_

    def _expression(self, node):
        op = node.op
        if op == "cast":
            return self._cast(node)
        if op not in FUNCTIONS:
            raise ValueError(f"formula uses {node!r}, which has no value here")
        operands = [self.bound[id(a)] for a in node.args]
        if op == "where":
            return self._where(operands)
        type_ = common_type([t for _, t in operands], self._weak_type(operands))
        if type_ in dtypes_int and op in FLOAT_ONLY:
            type_ = self.compute if self.compute.startswith(("float", "complex")) else "float32"
        texts = [literal(x, type_) if t == _WEAK else convert(x, t, type_) for x, t in operands]
        special = getattr(self, f"_{op}", None)
        if special is not None:
            return special(type_, *texts)
        row = FUNCTIONS[op]
        if row.symbol is not None:
            return self._symbol(row, type_, texts)
        if op in _INTRINSICS and type_.startswith("float"):
            return f"{_INTRINSIC_NAME.get(op, op)}({', '.join(texts)})", type_
        return f"{op}_{type_}({', '.join(texts)})", type_

    def _weak_type(self, operands):
        if all(isinstance(x, bool) for x, _ in operands):
            return "bool"
        return self.compute

    def _symbol(self, row, type_, texts):
        if row.result == "bool":
            return row.symbol.format(*texts), "bool"
        if type_ == "bool":
            if row.name in ("and", "or"):
                return row.symbol.format(*texts), "bool"
            if row.name == "xor":
                return f"{texts[0]} != {texts[1]}", "bool"
            if row.name == "invert":
                return f"not {texts[0]}", "bool"
            if row.name == "mul":
                return f"{texts[0]} & {texts[1]}", "bool"
            if row.name == "add":
                return f"{texts[0]} | {texts[1]}", "bool"
            texts, type_ = [f"uint8({t})" for t in texts], "uint8"
        if row.name in ("floordiv", "mod") and type_.startswith("float"):
            return f"{row.name}_{type_}({', '.join(texts)})", type_
        text = row.symbol.format(*texts)
        return (f"{type_}({text})" if type_ in dtypes_int and type_ != "int64" else text), type_

    def _cast(self, node):
        value, to = node.args
        text, type_ = self.bound[id(value)]
        if to in ("compute", "narrow"):  # what is not evaluated for narrow operands is not rounded to their dtype
            to = self.compute
        if type_ == _WEAK:
            return literal(text, to), to
        if to in _STORE:
            return load(store(text, type_, to), to), compute_type(to)
        return convert(text, type_, to), to

    def _where(self, operands):
        (condition, ctype), (a, ta), (b, tb) = operands
        type_ = common_type([ta, tb], self.compute)
        if ta == tb == _WEAK and isinstance(a, bool) and isinstance(b, bool):
            type_ = "bool"
        a = literal(a, type_) if ta == _WEAK else convert(a, ta, type_)
        b = literal(b, type_) if tb == _WEAK else convert(b, tb, type_)
        if type_.startswith("float") and not any(c in condition for c in "()"):
            return f"where({convert(condition, ctype, 'bool')}, {a}, {b})", type_
        return f"{a} if {convert(condition, ctype, 'bool')} else {b}", type_

    # What depends on the type: reals, integers and complex numbers differ.

    def _div(self, type_, a, b):
        if type_.startswith("complex"):
            return f"divide_{type_}({a}, {b})", type_
        return self._symbol(FUNCTIONS["div"], type_, [a, b])

    def _conj(self, type_, a):
        return (f"{a}.conjugate()" if type_.startswith("complex") else a), type_

    def _real(self, type_, a):
        return (f"{a}.real", real_type(type_)) if type_.startswith("complex") else (a, type_)

    def _imag(self, type_, a):
        return (f"{a}.imag", real_type(type_)) if type_.startswith("complex") else (literal(0, type_), type_)

    def _make_complex(self, type_, a, b):
        to = "complex128" if type_ == "float64" else "complex64"
        part = real_type(to)
        return f"{to}(complex({convert(a, type_, part)}, {convert(b, type_, part)}))", to

    def _abs(self, type_, a):
        if type_.startswith("complex"):
            part = real_type(type_)
            return f"{part}(hypot_{part}({a}.real, {a}.imag))", part
        if type_.startswith("float"):
            return f"fabs({a})", type_
        return (a if type_ == "bool" or type_.startswith("uint") else f"{type_}(abs({a}))"), type_

    def _sgn(self, type_, a):
        one, zero = literal(1, type_), literal(0, type_)
        if type_.startswith("complex"):
            return f"{zero} if {a} == {zero} else {type_}({a} / abs({a}))", type_
        if type_ == "bool":
            return a, type_
        return f"{one} if {a} > {zero} else ({type_}(-1) if {a} < {zero} else {zero})", type_

    def _isnan(self, type_, a):
        return (f"{a} != {a}" if type_.startswith(("float", "complex")) else "False"), "bool"

    def _isinf(self, type_, a):
        if type_.startswith("complex"):
            part = real_type(type_)
            return f"(fabs({a}.real) == {part}(inf)) | (fabs({a}.imag) == {part}(inf))", "bool"
        return (f"fabs({a}) == {type_}(inf)" if type_.startswith("float") else "False"), "bool"

    def _signbit(self, type_, a):
        if type_.startswith("float"):
            return f"copysign({type_}(1), {a}) < {type_}(0)", "bool"
        return (f"{a} < {type_}(0)" if type_ != "bool" else "False"), "bool"

    def _logical_not(self, type_, a):
        return f"not ({convert(a, type_, 'bool')})", "bool"

    def _rsqrt(self, type_, a):
        root = f"sqrt({a})" if type_.startswith("float") else f"sqrt_{type_}({a})"
        return self._div(type_, literal(1, type_), root)

    def _maximum(self, type_, a, b):
        if type_.startswith("float"):
            return f"maximum({a}, {b})", type_
        return (f"{a} if {a} > {b} else {b}" if type_ != "bool" else f"{a} | {b}"), type_

    def _minimum(self, type_, a, b):
        if type_.startswith("float"):
            return f"minimum({a}, {b})", type_
        return (f"{a} if {a} < {b} else {b}" if type_ != "bool" else f"{a} & {b}"), type_

    def _fmax(self, type_, a, b):
        return (f"maxnum({a}, {b})", type_) if type_.startswith("float") else self._maximum(type_, a, b)

    def _fmin(self, type_, a, b):
        return (f"minnum({a}, {b})", type_) if type_.startswith("float") else self._minimum(type_, a, b)

    def _floor(self, type_, a):
        return self._rounding("floor", type_, a)

    def _ceil(self, type_, a):
        return self._rounding("ceil", type_, a)

    def _trunc(self, type_, a):
        return self._rounding("trunc", type_, a)

    def _rint(self, type_, a):
        return self._rounding("rint", type_, a)

    def _rounding(self, name, type_, a):
        return (f"{name}({a})" if type_.startswith("float") else a), type_

    def _fma(self, type_, a, b, c):
        return (f"fma({a}, {b}, {c})" if type_.startswith("float") else f"{type_}({a} * {b} + {c})"), type_

    def _pow(self, type_, a, b):
        if type_.startswith("float"):
            return f"pow_{type_}({a}, {b})", type_
        if type_ == "bool":
            return f"{a} | (not {b})", type_
        if type_.startswith("complex"):
            return f"pow_{type_}({a}, {b})", type_
        # To negative powers only -1, 0 (as 0) and 1 have integer results.
        one, a, b = "int64(1)", f"int64({a})", f"int64({b})"
        rest = f"where({a} == -1, {one} - 2 * ({b} & 1), where({a} == 1, {one}, int64(0)))"
        return f"{type_}(where({b} < 0, {rest}, pow_int64({a}, {b})))", type_

    def _fmod(self, type_, a, b):
        if not type_.startswith("float"):  # % has the sign of b; one b less where that is not the sign of a
            rest = f"({a} % {b})"
            return f"{type_}(where(({rest} != 0) & (({a} < 0) != ({b} < 0)), {rest} - {b}, {rest}))", type_
        return f"fmod_{type_}({a}, {b})", type_


dtypes_int = ("uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64")
FLOAT_ONLY = frozenset("""div exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan atan2 sinh cosh tanh asinh
    acosh atanh hypot erf erfc erfinv lgamma digamma trigamma i0 i0e i1 i1e ndtri log_ndtr sqrt rsqrt""".split())


def real_type(type_):
    """The type of the parts of a complex type."""
    return {"complex64": "float32", "complex128": "float64"}.get(type_, type_)


def order_unbound(root, bound):
    """The nodes below a tree that are not yet in a variable, operands first."""
    if id(root) in bound:
        return []
    seen: dict[int, Expr] = {}
    stack = [(root, False)]
    while stack:
        node, done = stack.pop()
        if done:
            seen.setdefault(id(node), node)
        elif id(node) not in seen and id(node) not in bound:
            stack.append((node, True))
            stack.extend((a, False) for a in reversed(node.args) if isinstance(a, Expr))
    return list(seen.values())


__all__ = ["Writer", "convert", "literal", "load", "order", "store", "storage"]
