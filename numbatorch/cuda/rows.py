"""Template of row formulas: softmax, norms, sums, extremes; everything that looks at a row before it answers.

A row is walked once for each level of row functions that depend on each other (softmax: maximum, then sum), and once
more where the result has one value an element. Long rows belong to a block each, whose threads take every BLOCK-th
element and join their totals; short ones, and those whose neighbours lie closer than their own elements, to one thread.
Few rows that are very long are cut into pieces first (split.py).
"""

import math

from ..expr import write
from ..expr.derive import rank_of
from ..expr.functions import ROW, row_index, row_length
from ..expr.tree import Expr, arg, order
from ..layout import Layout, broadcast_strides, coalesce
from . import geometry, split
from .elementwise import NUMBER, operand_types
from .launching import launch
from .totals import Total

BLOCK = 256
SHORT = 32  # elements up to which a row belongs to one thread: a warp's worth
MANY = 4096  # rows from which one thread each keeps a GPU busy


def plan(request):
    """The Launch of a `Rows` request."""
    made = Kernel(request)
    if split.when(request, made):
        return split.plan(request, made)
    blocks = made.units if made.by_block else None
    return launch(made.name, made.text, made.signature, request.outputs[0].device, made.numbers.values, made.units,
                  BLOCK, blocks)


def source(request):
    """The kernel text for a request."""
    return Kernel(request).text


def kernel(request):
    """(text, name, signature, threads a block) of a request's kernel."""
    made = Kernel(request)
    return made.text, made.name, made.signature, BLOCK


class Kernel:
    """One kernel's text in the making. `pieces`: its blocks take a piece of a row each, and store their totals."""

    def __init__(self, request, pieces=0):
        self.request, self.pieces = request, pieces
        self.totals: list[Total] = []
        self.tensors = [o for o in request.operands if isinstance(o.layout, Layout)]
        self.outputs = [f"out{k or ''}" for k in range(len(request.outputs))]
        self.names = [o.name for o in self.tensors] + self.outputs
        self.numbers = geometry.Parameters()
        self.helpers: dict[str, list[str]] = {}
        self._walk()
        self._write()

    def _walk(self):
        """Sizes of the outer dimensions and of the row's, strides over both, and which operands are one value a row."""
        request, tensors = self.request, self.tensors
        rows = [broadcast_strides(o.layout.shape, o.layout.strides, request.shape) for o in tensors]
        rows += [broadcast_strides(o.shape, o.strides, request.shape) for o in request.outputs]
        outer = [d for d in range(len(request.shape)) if d not in request.dims]
        outer.sort(key=lambda d: (-abs(rows[-1][d]), d))
        lead = next((r for r, _ in zip(rows, tensors, strict=False) if any(r[d] for d in request.dims)), rows[-1])
        inner = sorted(request.dims, key=lambda d: (-abs(lead[d]), d))
        if any(e.op == "row_first" or e is row_index for e in order(*request.roots)):
            inner = sorted(request.dims)  # positions count in logical order
        shape, strides = coalesce([request.shape[d] for d in outer], [[r[d] for d in outer] for r in rows])
        self.outer, self.outer_strides = shape, dict(zip(self.names, strides, strict=True))
        shape, strides = coalesce([request.shape[d] for d in inner], [[r[d] for d in inner] for r in rows])
        if not shape:
            shape, strides = (1,), [(0,)] * len(rows)
        elif 0 in shape:  # there is nothing to read, not even once a row
            shape, strides = (0,), [(1,)] * len(rows)
        self.inner, self.inner_strides = shape, dict(zip(self.names, strides, strict=True))
        self.units, self.length = math.prod(self.outer), math.prod(shape)
        self.row_names = {n for n, r in self.inner_strides.items() if not any(r)}
        for name, layout, is_row in zip(self.outputs, request.outputs, request.is_row, strict=True):
            if is_row:
                self.row_names.add(name)
            elif layout.numel and self.length == 1:
                self.row_names.discard(name)
        far = self.inner_strides[tensors[0].name][-1] != 1 if tensors else False
        self.by_block = bool(self.pieces) or self.length > SHORT and not (far and self.units >= MANY)

    def _write(self):
        request, pad = self.request, " " * 8
        self.pad, self.lines = pad, []
        row = "block_index()" if self.by_block else "grid()"
        self.first, self.last = ("thread_index()" if self.by_block else "int64(0)"), "length"
        start = [f"    row = {row}"]
        if self.pieces:
            self.numbers.add("pieces", self.pieces)
            self.first, self.last = "first", "last"
            start = ["    unit = block_index()", "    row = unit // pieces"]
        outer = geometry.decode(pad, self.outer or (1,), {
            f"at_{n}": self.outer_strides[n] if self.outer else (0,) for n in self.names}, self.numbers, "row",
            geometry.width(self.units))
        bound = {}
        self.row_args = {o.name for o in request.operands if not isinstance(o.layout, Layout)}
        self.row_args |= self.row_names & {o.name for o in self.tensors}
        for o in request.operands:
            if o.name in self.row_args:
                text = write.convert(o.name, NUMBER[o.layout], o.dtype) if not isinstance(o.layout, Layout) else (
                    write.load(f"{o.name}[at_{o.name}]", o.layout.dtype.name, o.dtype))
                outer.append(f"{pad}{o.name}_ = {text}")
                bound[id(arg(o.name))] = (f"{o.name}_", o.dtype)
        keep = [arg(o.name) for o in request.operands]  # their numbers stand for them in `bound`
        length_type = request.compute if request.compute.startswith(("float", "complex")) else "int64"
        bound[id(row_length)] = (f"{length_type}(length)", length_type)
        self.numbers.add("length", self.length)
        if self.pieces:
            piece = self.numbers.add("piece", -(-self.length // self.pieces))
            outer += [f"{pad}last = min((unit - row * pieces) * {piece} + {piece}, length)",
                      f"{pad}first = (unit - row * pieces) * {piece} + thread_index()"]
        self.writer = write.Writer(request.compute, bound, pad, "r")
        self.is_row = rank_of(*request.roots, row_args=self.row_args)
        self.flushed = 0
        for level in self._levels():
            self._pass(level)
        if self.pieces:
            self.outputs = [f"part{k}" for k in range(len(self.totals))]
        else:
            self._results()
        del keep
        self.numbers.add("units", self.units)
        form = "pieces" if self.pieces else "blocks" if self.by_block else "rows"
        classes = "".join("r" if n in self.row_names else geometry.stride_class(self.inner_strides[n][-1])
                          for n in self.names)
        self.name = f"{request.name}_{request.compute}_{form}{len(self.outer)}{len(self.inner)}_{classes}"
        given = [o.name for o in request.operands] + self.outputs + self.numbers.names
        helpers = [line for text in self.helpers.values() for line in text]
        self.text = "\n".join([*helpers, f"def {self.name}({', '.join(given)}):", *start,
                               "    if row < units:", *outer, *self.lines]) + "\n"
        inputs, written = operand_types(request)
        if self.pieces:
            written = [f"{total.kept}*" for total in self.totals]
        self.signature = (*inputs, *written, *self.numbers.types)

    def _levels(self):
        """Row functions grouped by how many row functions lie below them."""
        depth: dict[int, int] = {}
        levels: dict[int, list[Expr]] = {}
        for n in order(*self.request.roots):
            below = max((depth[id(a)] for a in n.args if isinstance(a, Expr)), default=0)
            depth[id(n)] = below + (n.op in ROW)
            if n.op in ROW:
                levels.setdefault(below, []).append(n)
        return [levels[k] for k in sorted(levels)]

    def _flush(self):
        """Move the row-level statements written so far into the kernel."""
        self.lines += self.writer.lines[self.flushed:]
        self.flushed = len(self.writer.lines)

    def _row_parts(self, roots):
        """Write every row-level part of the roots as statements outside of the loop."""
        for n in order(*roots):
            if self.is_row[id(n)] and n.op not in ("const", "arg") and n.op not in ROW:
                self.writer.value(n)
        self._flush()

    def _loop(self, roots, body):
        """A loop over this thread's elements of the row; body(writer, indent, places) gives its last statements."""
        pad, deep = self.pad, self.pad + "    "
        step = BLOCK if self.by_block else 1
        self.lines += [f"{pad}i = {self.first}", f"{pad}while i < {self.last}:"]
        walked = [n for n in self.names if n not in self.row_names]
        places, inside = {}, []
        if len(self.inner) == 1:
            for n in walked:
                stride = self.inner_strides[n][0]
                step_name = f"step_{n}"
                if stride not in (0, 1) and step_name not in self.numbers.names:
                    self.numbers.add(step_name, stride)
                along = {0: "", 1: " + i"}.get(stride, f" + i * {step_name}")
                places[n] = f"at_{n}{along}"
        elif walked:
            numbers = geometry.Parameters()
            inside = geometry.decode(deep, self.inner, {f"in_{n}": self.inner_strides[n] for n in walked}, numbers,
                                     "i", geometry.width(self.length), "_inner")
            for name, type_, value in zip(numbers.names, numbers.types, numbers.values, strict=True):
                if name not in self.numbers.names:
                    self.numbers.add(name, value, type_)
            places = {n: f"at_{n} + in_{n}" for n in walked}
        bound = dict(self.writer.bound)
        loads = {}
        for o in self.tensors:
            if o.name in places:
                bound[id(arg(o.name))] = (f"{o.name}_", o.dtype)
                text = write.load(f"{o.name}[{places[o.name]}]", o.layout.dtype.name, o.dtype)
                loads[o.name] = f"{deep}{o.name}_ = {text}"
        bound[id(row_index)] = ("i", "int64")
        writer = write.Writer(self.request.compute, bound, deep, "e")
        tail = body(writer, deep, places)
        needed = _below(roots)
        self.lines += [*inside, *(line for name, line in loads.items() if name in needed), *writer.lines, *tail,
                       f"{deep}i = i + {step}"]

    def _pass(self, level):
        """One walk over the row that computes every row function of a level."""
        self._row_parts([n.args[0] for n in level])
        start, totals = len(self.lines), []

        def body(writer, pad, places):
            tail = []
            for n in level:
                text, type_ = writer.typed(n.args[0])
                total = Total(n.op, type_)
                name = f"{n.op[4:]}{len(self.writer.bound)}_{len(totals)}"
                tail += [f"{pad}{name}_ = {total.taken(text, 'i')}",
                         f"{pad}{name} = {total.joined(name, f'{name}_')}"]
                totals.append((n, name, total))
            return tail
        self._loop([n.args[0] for n in level], body)
        self.lines[start:start] = [f"{self.pad}{name} = {total.start()}" for _, name, total in totals]
        for n, name, total in totals:
            joined = name
            if self.by_block:
                self.helpers[total.function] = total.helper(BLOCK)
                joined = f"{total.function}({name})"
            if self.pieces:
                self.lines += [f"{self.pad}{name}_all = {joined}", f"{self.pad}if thread_index() == 0:",
                               f"{self.pad}    part{len(self.totals)}[unit] = {name}_all"]
                self.totals.append(total)
                continue
            self.lines += [f"{self.pad}{name}_all = {joined}",
                           f"{self.pad}{name}_value = {total.value(f'{name}_all')}"]
            self.writer.bound[id(n)] = (f"{name}_value", total.result)

    def _results(self):
        request = self.request
        roots = list(zip(request.roots, self.outputs, request.outputs, request.is_row, strict=True))
        self._row_parts(request.roots)
        stores = []
        for root, out, layout, is_row in roots:
            if is_row:
                text, type_ = self.writer.typed(root)
                self._flush()
                stores.append(f"{out}[at_{out}] = {write.store(text, type_, layout.dtype.name)}")
        if stores and self.by_block:
            self.lines += [f"{self.pad}if thread_index() == 0:", *(f"{self.pad}    {line}" for line in stores)]
        else:
            self.lines += [f"{self.pad}{line}" for line in stores]
        elements = [(root, out, layout) for root, out, layout, is_row in roots if not is_row]
        if elements:
            def body(writer, pad, places):
                tail = []
                for root, out, layout in elements:
                    text, type_ = writer.typed(root)
                    place = places.get(out, f"at_{out}")
                    tail.append(f"{pad}{out}[{place}] = {write.store(text, type_, layout.dtype.name)}")
                return tail
            self._loop([root for root, _, _ in elements], body)


def _below(roots):
    """The operands that elements of the roots read, down to row functions."""
    seen, stack = {}, list(roots)
    while stack:
        node = stack.pop()
        if id(node) not in seen:
            seen[id(node)] = node
            if node.op not in ROW:
                stack += [a for a in node.args if isinstance(a, Expr)]
    return {n.args[0] for n in seen.values() if n.op == "arg"}
