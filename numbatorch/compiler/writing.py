"""A graph as a Python program that runs by itself: formulas, then a function of its inputs and state (printed.py)."""

import keyword
import re
import struct

from .. import dtypes
from ..device import CPU
from ..expr import kinds, tree
from ..layout import Layout, broadcast_shapes, layout
from . import printed, requests
from .graph import Number, Place
from .traced import sources, text as number_text
from .values import readable

_SIGNS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "floordiv": "//", "mod": "%", "pow": "**", "lt": "<",
          "le": "<=", "gt": ">", "ge": ">=", "and": "&", "or": "|", "xor": "^", "shl": "<<", "shr": ">>"}
# Operators that a number on the left does not turn into the same formula.
_TURNED = frozenset(("floordiv", "mod", "lt", "le", "gt", "ge", "and", "or", "xor", "shl", "shr"))
_FORMATS = {"float32": "f", "float64": "d", "int64": "q", "int32": "i", "bool": "?", "uint8": "B"}  # of struct
_PREFIX = {"neg": "-", "invert": "~"}
_LONG = 100  # characters of a formula that has its parts on lines of their own


def write(graph):
    """The text."""
    return _Writer(graph).text()


class _Writer:
    """The text of a graph: what is written so far, and as which tensors memory is known."""

    def __init__(self, graph):
        self.graph, self.lines = graph, []
        self.formulas: dict = {}  # {the text without the name: name}
        self.names = {*printed.__all__, "float", "int"}
        self.name = _identifier(graph.name)
        while self.name in self.names or keyword.iskeyword(self.name):
            self.name += "_"
        self.names.add(self.name)
        self.known: dict = {}  # {buffer: the layout that its name stands for}
        self.shown: dict = {}  # {buffer: the layout of what was written to it}

    def text(self):
        graph, used = self.graph, {}
        for step in _each(graph.steps):
            for v in step.places:
                used.setdefault(v.buffer, []).append(v)
        outside = [b for b in graph.buffers if b.kind in ("input", "state") and b in used]
        options = sorted({k for s in graph.steps for e in _expressions(s) for kind, k in sources(e)
                          if kind == "option"})
        arguments = [b.label for b in outside]
        for k, (group, key, _) in enumerate(graph.options):
            if k in options:
                arguments.append(f"option{k}={_literal(group.get(key))}")
        for k in options:
            self.lines.append(f"# option{k}: {graph.options[k][2]}")
        self.lines += [f"# {b.label}: {b.name}" for b in graph.buffers if b.name and b.kind in ("temporary", "result")]
        for b in outside:
            own = self._layout_of(b, used[b])
            self.lines.append(f"{b.label} = {'held' if b.kind == 'state' else 'given'}({b.label}, {_layout(own)})"
                              f"  # {readable(b.name)}")
        for b in graph.buffers:
            if b.kind == "constant" and b in used:
                self._constant(b, used[b])
        for step in graph.steps:
            self._step(step)
        for b in graph.buffers:
            if b.kind == "result" and b not in self.known:
                self._declare(b)
        found = [b.label if b not in self.shown or self.shown[b] is self.known[b] else
                 f"at({b.label}, {_layout(self.shown[b])})" for b in graph.buffers if b.kind == "result"]
        self.lines.append(f"return {', '.join(found) or None}")
        return "\n".join([
            f"# {' '.join(graph.name.split())}: what the program does, launch by launch, as Python that runs.",
            "# Names beginning with i are arguments, s state that it reads and changes, c constants, t temporaries,",
            "# r results and gradients.",
            "from numbatorch.compiler.printed import *", "", "",
            *(f"{text.replace('NAME', own, 1)}\n\n" for text, own in self.formulas.items()),
            f"def {self.name}({', '.join(arguments)}):", *(f"    {line}" for line in self.lines)])

    # ------------------------------------------------------------ memory

    def _layout_of(self, b, places):
        """The layout that a buffer's name stands for: that of its first use as a whole, or bytes."""
        own = next((v.layout for v in places if _is_whole(v.offset, v.layout, b)), None)
        self.known[b] = _flat(b, places[0].layout.dtype) if own is None else own
        return self.known[b]

    def _constant(self, b, places):
        own = self._layout_of(b, places)
        size, content = own.dtype.itemsize, b.content
        format = _FORMATS.get(own.dtype.name)
        value = struct.unpack(format, content[:size])[0] if format and (
            content == content[:size] * (len(content) // size)) else None
        if value is None or value != value:
            value, own = printed.packed(content), _flat(b, dtypes.uint8)
        self.known[b] = own
        self.lines.append(f"{b.label} = constant({_layout(own)}, value={_literal(value)}{_device(b)})  # {b.name}")

    def _declare(self, b, dtype=dtypes.uint8):
        self.known[b] = _flat(b, dtype)
        self.lines.append(f"{b.label} = empty({_layout(self.known[b])}{_device(b)})")

    def _place(self, v, own=None):
        """An operand, as a layout of its own where that is another than the place's."""
        b, own = v.buffer, own or v.layout
        if b.number < 0 and not own.nbytes:
            return f"empty({_layout(own)}{_device(b)})"
        if b not in self.known:
            self._declare(b, own.dtype)
        if v.offset == 0 and own is self.known[b]:
            return b.label
        return f"at({b.label}, {_layout(own)}{f', byte={v.offset}' if v.offset else ''})"

    def _call(self, function, given, results, layouts, rest=""):
        """A line that calls a function; results that are not known yet become so."""
        texts, targets = [], []
        for v, own in zip(results, layouts, strict=True):
            b = v.buffer
            if _is_whole(v.offset, v.layout, b):
                self.shown[b] = v.layout
            if b not in self.known and _is_whole(v.offset, own, b):
                self.known[b] = own
                targets.append(b.label)
                texts.append(f"empty({_layout(own)}{_device(b)})")
            else:
                targets.append("_")
                texts.append(self._place(v, own))
        out = texts[0] if len(texts) == 1 else f"({', '.join(texts)})"
        left = f"{', '.join(targets)} = " if any(t != "_" for t in targets) else ""
        return f"{left}{function}({', '.join([*given, f'out={out}'])}{rest})"

    # ------------------------------------------------------------ steps

    def _step(self, step):
        if len(step.parts) > 1:
            for part in step.parts:
                self._step(part)
            return
        line = getattr(self, f"_{step.kind}")(step)
        self.lines.append(f"{line}  # {step.where}" if step.where else line)

    def _read(self, step):
        return f"read{step.read} = {self._place(step.values[0])}.item()"

    def _check(self, step):
        return f"check({number_text(step.check)}, {step.expected})"

    def _join(self, step):
        *parts, whole = step.values
        shape = whole.layout.shape
        differ = [d for v in parts for d, n in enumerate(v.layout.shape) if n != shape[d]]
        return self._call("join", [f"[{', '.join(map(self._place, parts))}]"], [whole], [whole.layout],
                          f", dim={differ[0] if differ else 0}")

    def _move(self, step):
        target, source = step.values[:2]
        return self._call("move", [self._place(source)], [target], [target.layout])

    def _draw(self, step):
        target = next(v for v in step.values if isinstance(v, Place) and v.writes)
        given = []
        for v in step.values:
            if v is target:
                given.append("'out'")
            elif isinstance(v, Place):
                given.append(self._place(v))
            else:
                given.append(repr(v.value.__name__) if callable(v.value) else self._number(v))
        own = target.layout
        return self._call("draw", [repr(step.kernel.__name__)], [target], [own], f", values=({', '.join(given)},)")

    def _launch(self, step):
        request = step.request
        if request is None and step.plan is not None:
            request = requests.of(step.plan)
        if isinstance(request, (kinds.Elementwise, kinds.Rows)):
            return self._formula(step, request)
        of = step.parts[0] if step.parts else step  # with copies of its operands as steps of their own (operands.py)
        if of.plan is None or step.request is not None:
            return f"raise NotImplementedError({f'{step.name} has no source of its own'!r})"
        plan, values, before = of.plan, list(step.values), list(of.values)
        specs = list(plan.specs.values())
        for found in (values, before):
            for k, spec in enumerate(specs):  # operands that are absent may be left out
                if spec is None and len(found) < len(specs) + len(plan.layouts):
                    found.insert(k, None)
        given = ["None" if spec is None else self._place(v) if isinstance(v, Place) else self._number(v, spec)
                 for v, spec in zip(values, specs, strict=False)]
        results = values[len(specs):]
        rest = "".join(f", {name}={_literal(value)}" for name, value in plan.statics.items())
        if step.parts:
            copies = {k: b.layout for k, (a, b) in enumerate(zip(values, before, strict=True))
                      if isinstance(b, Place) and a.layout is not b.layout}
            rest += f", copies={_literal(copies)}"
        return self._call(f"op.{plan.op.name}", given, results, [v.layout for v in results], rest)

    def _formula(self, step, request):
        count = len(request.operands)
        given = [self._place(v, o.layout) if isinstance(v, Place) else self._number(v, o.layout)
                 for v, o in zip(step.values[:count], request.operands, strict=True)]
        results = step.values[count:]
        layouts = request.outputs if step.request is not None or isinstance(request, kinds.Rows) else [
            v.layout for v in results]
        rest = f", dims={tuple(request.dims)}" if isinstance(request, kinds.Rows) else ""
        rest += f", walk={request.walk!r}" if getattr(request, "walk", None) is not None else ""
        own = [o.layout.shape for o in request.operands if isinstance(o.layout, Layout)] + [o.shape for o in layouts]
        if broadcast_shapes(request.name, own) != tuple(request.shape):
            rest += f", shape={tuple(request.shape)}"
        return self._call(self._function(request), given, results, layouts, rest)

    def _number(self, v, kind=""):
        if v.expression is None:
            return _literal(float(v.value) if kind == "float" else v.value)
        return f"float({number_text(v.expression)})" if kind == "float" else number_text(v.expression)

    # ------------------------------------------------------------ formulas

    def _function(self, request):
        """The name of the function for a request's formulas, which is written where it is new."""
        own = {o.name: f"{o.name}_" if o.name in self.names | printed.FUNCTIONS.keys() or keyword.iskeyword(o.name)
               else o.name for o in request.operands}
        lines, values = _formulas(request.roots, own)
        arguments = []
        for o in request.operands:
            seen = "" if o.dtype == request.compute and isinstance(o.layout, Layout) else o.dtype
            seen = seen if isinstance(o.layout, Layout) else f"{o.layout} as {seen}"
            arguments.append(f"{own[o.name]}: {seen!r}" if seen else own[o.name])
        name = _identifier(request.name)
        head = f"@elementwise({request.compute!r}" if isinstance(request, kinds.Elementwise) else (
            f"@rows({request.compute!r}, is_row={tuple(request.is_row)}"
            f"{f', summed={request.summed}' if request.summed else ''}")
        body = [*lines, f"return {', '.join(values)}"]
        text = "\n".join([f"{head}, name={request.name!r})", f"def NAME({', '.join(arguments)}):",
                          *(f"    {line}" for line in body)])
        if text not in self.formulas:
            chosen, k = name, 1
            while chosen in self.names or keyword.iskeyword(chosen):
                chosen, k = f"{name}_{k}", k + 1
            self.names.add(chosen)
            self.formulas[text] = chosen
        return self.formulas[text]


def _formulas(roots, own):
    """(lines that give names to parts, the roots as expressions). own: {operand: its name}."""
    uses = dict.fromkeys(roots, 1)
    for n in tree.order(*roots):
        for a in n.args:
            if isinstance(a, tree.Expr):
                uses[a] = uses.get(a, 0) + 1
    lines: list = []
    texts: dict = {}
    for n in tree.order(*roots):
        text = _node(n, texts, own)
        if n.args and n.op not in ("arg", "const") and (uses.get(n, 0) > 1 or len(text) > _LONG):
            name = f"v{len(lines)}"
            while name in own.values():
                name += "_"
            lines.append(f"{name} = {text.removeprefix('(').removesuffix(')') if _is_infix(n, text) else text}")
            text = name
        texts[n] = text
    return lines, [texts[r].removeprefix("(").removesuffix(")") if _is_infix(r, texts[r]) else texts[r] for r in roots]


def _is_infix(node, text):
    return text.startswith("(") and text.endswith(")") and node.op in (*_SIGNS, *_PREFIX)


def _node(n, texts, own):
    """A node as an expression over those of its operands."""
    if n.op == "arg":
        return own[n.args[0]]
    if n.op == "const":
        return _literal(n.args[0])
    if not n.args:
        return n.op
    parts = [texts[a] if isinstance(a, tree.Expr) else _literal(a) for a in n.args]
    symbolic = [isinstance(a, tree.Expr) and a.op != "const" for a in n.args]
    if n.op in _SIGNS and any(symbolic) and (symbolic[0] or n.op not in _TURNED):
        return f"({parts[0]} {_SIGNS[n.op]} {parts[1]})"
    if n.op in _PREFIX and symbolic[0]:
        return f"({_PREFIX[n.op]}{parts[0]})"
    name = {"and": "and_", "or": "or_"}.get(n.op, n.op)
    plain = name in printed.FUNCTIONS and (n.op == "cast" or all(isinstance(a, tree.Expr) for a in n.args))
    return f"{name}({', '.join(parts)})" if plain else f"node({n.op!r}, {', '.join(parts)})"


def _literal(value):
    """A value as Python."""
    if type(value) is float and (value != value or abs(value) == float("inf")):
        return f"float('{value}')"
    if type(value) in (tuple, list):
        made = ", ".join(map(_literal, value))
        return f"[{made}]" if type(value) is list else f"({made}{',' * (len(value) == 1)})"
    if type(value) is dict:
        return "{" + ", ".join(f"{_literal(k)}: {_literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, dtypes.dtype):
        return f"dtype({value.name!r})"
    if isinstance(value, Layout):
        return f"layout({_layout(value)})"
    return repr(value)


def _layout(own):
    strides = "" if own.is_contiguous else f", {tuple(own.strides)}"
    return f"{own.dtype.name!r}, {tuple(own.shape)}{strides}"


def _device(b):
    return "" if b.device is CPU else f", device={str(b.device)!r}"


def _flat(b, dtype):
    """A buffer's memory in a row, of a dtype if its bytes come out even."""
    dtype = dtype if b.nbytes % dtype.itemsize == 0 else dtypes.uint8
    return layout(dtype, (b.nbytes // dtype.itemsize,), None, b.device)


def _is_whole(offset, own, b):
    """Whether a layout at an offset is all of a buffer, each byte once."""
    return offset == 0 and own.nbytes == b.nbytes == own.numel * own.dtype.itemsize


def _expressions(step):
    found = [v.expression for v in step.values if isinstance(v, Number) and v.expression]
    return [*found, step.check] if step.check else found


def _each(steps):
    """Steps, with those that are one kernel in place of it."""
    for step in steps:
        yield from _each(step.parts) if len(step.parts) > 1 else (step,)


def _identifier(name):
    made = re.sub(r"\W", "_", name) or "_"
    return f"_{made}" if made[0].isdigit() else made


__all__ = ["write"]
