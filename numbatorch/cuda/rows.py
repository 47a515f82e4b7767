"""Template of row formulas: softmax, norms, sums, extremes; everything that looks at a row before it answers.

A row is walked once for each level of row functions that depend on each other (softmax: maximum, then sum), and once
more where the result has one value an element. What walks it, by its form:

    rows      short rows, a thread each
    warps     rows of which 32 threads hold all elements in registers, eight rows a block; they are read once
    held      rows of which a block does
    blocks    longer rows: a block each, whose threads take every so manieth element
    columns   rows that lie across memory: 32 neighbouring ones a block, eight threads each

Where elements are neighbours a thread takes 16 bytes of them at a time. Few long rows are cut into pieces: split.py and
row_levels.py.
"""

import math

from ..expr import write
from ..expr.derive import rank_of
from ..expr.functions import ROW, row_index, row_length
from ..expr.kinds import Launch
from ..expr.tree import Expr, arg, order
from ..layout import Layout, broadcast_strides, coalesce
from . import geometry, row_levels, split
from .elementwise import NUMBER, operand_types
from .launching import by_alignment, call
from .totals import Total

BLOCK = 256
SHORT = 32  # elements up to which a row belongs to one thread: a warp's worth
LONG = 8192  # elements from which a row's block is large: few rows at once, so that a second walk finds them in caches
WIDE, MANY = 16, 4096  # neighbouring rows, or rows in all, from which warps go across rows
LARGEST = 1024  # threads of a block
NODES = 40  # of formulas beyond which they are not written out several times
MORE = 120  # likewise, of formulas that take up those of other steps: a walk of their own costs more
REGISTERS = 1 << 15  # of a block's threads for the elements that they hold: half of those that there are


def plan(request):
    """The Launch of a `Rows` request."""
    made = Kernel(request)
    if split.when(request, made):
        return split.plan(request, made, started)
    if row_levels.when(request, made):
        return row_levels.plan(request, made)
    return Launch(started(made, request.outputs[0].device), 0, made.units, 1)


def started(made, device):
    """The call of a kernel. Where addresses are no multiples of 16 the same elements are read one by one: sums keep
    their order."""
    def one(aligned):
        return call(made.name, made.text, made.signature, device, made.numbers.values, made.blocks, made.threads,
                    aligned)
    return one(False) if made.width == 1 else by_alignment(one(True), lambda: one(False), made.signature)


def source(request):
    """The kernel text for a request."""
    return Kernel(request).text


def kernel(request):
    """(text, name, signature, threads a block) of a request's kernel."""
    made = Kernel(request)
    return made.text, made.name, made.signature, made.threads


class Walk:
    """How rows are walked: the form, the threads of a block, `width` neighbours that a thread takes at a time.

    `pieces`: blocks take a piece of a row each, and store their totals.
    """

    def __init__(self, request, pieces=0):
        self.request, self.pieces = request, pieces
        self.tensors = [o for o in request.operands if isinstance(o.layout, Layout)]
        self.outputs = [f"out{k or ''}" for k in range(len(request.outputs))]
        self.names = [o.name for o in self.tensors] + self.outputs
        self.outside = _below(request.roots)  # operands that results read besides row functions
        self._walk()
        self._choose()

    @property
    def order(self):
        """What decides in which order the elements of a row are taken; equal orders give sums of the same bits."""
        return self.form, self.threads, self.width, self.pieces, self.dims

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
        elif request.walk is not None:
            inner = [*request.walk[-1], *(d for d in inner if d not in request.walk[-1])]
        self.dims = tuple(d for d in inner if request.shape[d] != 1)
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

    def _choose(self):
        """The form of the kernel, how many neighbours a thread takes, blocks and their threads."""
        walked = [n for n in self.names if n not in self.row_names]
        layouts = dict(zip(self.names, [o.layout for o in self.tensors] + self.request.outputs, strict=True))
        lead = max(walked or self.names, key=lambda n: layouts[n].numel)
        self.width, self.form, self.threads = 1, "blocks", BLOCK
        if self.length <= SHORT and not self.pieces:
            self.form = "rows"
        elif self.inner_strides[lead][-1] != 1 and self.outer and self.outer_strides[lead][-1] == 1 and (
                self.outer[-1] >= WIDE or self.units >= MANY):
            self.form = "columns"
        else:
            width = min(8, 16 // max((layouts[n].dtype.itemsize for n in walked), default=16))
            if self._is_wide(width, walked, NODES):
                self.width = width
            chunks = self.length // self.width
            largest = LARGEST if self.width * len(walked) <= 8 else LARGEST // 2  # registers are for all threads
            if not self.pieces and chunks <= SHORT:
                self.form = "warps"
            elif not self.pieces and chunks <= largest:
                self.form, self.threads = "held", 2 * SHORT
                while self.threads < chunks:
                    self.threads *= 2
            elif not self.pieces and self.length >= LONG:
                self.threads = largest
        if self.request.walk is not None and self.request.walk[3] == self.pieces:
            form, threads, width, *_ = self.request.walk
            if (width == 1 or self._is_wide(width, walked, MORE)) and width * len(walked) * threads <= REGISTERS:
                self.form, self.threads, self.width = form, threads, width
        each = {"rows": self.threads, "warps": self.threads // 32, "columns": 32}.get(self.form, 1)
        self.groups = -(-self.units // each)
        self.blocks = self.groups * max(1, self.pieces)
        self.joins = {"warps": "warp", "columns": "columns"}.get(self.form, f"block{self.threads}")
        self.step = {"rows": 1, "warps": 32, "columns": 8}.get(self.form, self.threads)
        self.is_held = self.form in ("warps", "held")


    def _is_wide(self, width, walked, most):
        """Whether threads can take so many neighbours of what is walked, and the formulas have few enough nodes."""
        return width > 1 and not self.length % width and len(self.inner) == 1 and len(
            order(*self.request.roots)) <= most and all(
            self.inner_strides[n] == (1,) and not any(s % width for s in self.outer_strides[n]) for n in walked)


class Kernel(Walk):
    """One kernel's text in the making."""

    def __init__(self, request, pieces=0):
        super().__init__(request, pieces)
        self.totals: list[Total] = []
        self.numbers = geometry.Parameters()
        self.helpers: dict[str, list[str]] = {}
        self.held: set[str] = set()
        self._write()

    def _head(self):
        """Lines that find a thread's row, and what of it is the thread's."""
        chunks, pad = self.length // self.width, " " * 4
        block = "block_index()"
        lines = []
        if self.pieces:
            self.numbers.add("pieces", self.pieces)
            lines = [f"{pad}group = block_index() // pieces", f"{pad}number = block_index() - group * pieces"]
            block = "group"
        row, first = {
            "rows": ("grid()", "int64(0)"), "warps": (f"{block} * {self.threads // 32} + (thread_index() >> 5)",
                                                      "thread_index() & 31"),
            "columns": (f"{block} * 32 + (thread_index() & 31)", "thread_index() >> 5")}.get(
                self.form, (block, "thread_index()"))
        self.stores = {"rows": "", "warps": "if thread_index() & 31 == 0:",
                       "columns": "if thread_index() < 32 and is_own:"}.get(self.form, "if thread_index() == 0:")
        self.numbers.add("length", self.length)
        end = "length" if self.width == 1 else self.numbers.add("chunks", chunks)
        lines += [f"{pad}row = {row}", f"{pad}first = {first}", f"{pad}last = {end}"]
        if self.form == "columns":
            lines += [f"{pad}is_own = row < units", f"{pad}row = min(row, units - 1)"]  # all have to come to barriers
        if self.pieces:
            piece = self.numbers.add("piece", -(-chunks // self.pieces))
            lines += [f"{pad}last = min(number * {piece} + {piece}, {end})", f"{pad}first = first + number * {piece}"]
        if self.form == "columns":
            lines.append(f"{pad}last = last if is_own else int64(0)")
        return lines

    def _write(self):
        request, pad = self.request, " " * 8
        self.pad, self.lines = pad, []
        start = self._head()
        outer = geometry.decode(pad, self.outer or (1,), {
            f"at_{n}": tuple(s // (1 if n in self.row_names else self.width) for s in self.outer_strides[n])
            if self.outer else (0,) for n in self.names}, self.numbers, "row", geometry.width(self.units))
        if self.width > 1:
            outer += [f"{pad}at_{n} = at_{n} * {self.width}" for n in self.names if n not in self.row_names]
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
        form = self.form + "_pieces" * bool(self.pieces) + (f"_wide{self.width}" if self.width > 1 else "")
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
        self.lines += [f"{pad}i = first", f"{pad}{'if' if self.is_held else 'while'} i < last:"]
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
        needed, loads, bodies, tails = _below(roots), [], [], []
        for k in range(self.width):
            suffix = "" if self.width == 1 else str(k)
            index = "i" if self.width == 1 else f"(i * {self.width} + {k})"
            at = {n: place if self.width == 1 else f"at_{n} + i * {self.width} + {k}" for n, place in places.items()}
            bound = dict(self.writer.bound)
            for o in self.tensors:
                if o.name in places:
                    name = f"{o.name}_{suffix}"
                    bound[id(arg(o.name))] = (name, o.dtype)
                    if o.name in needed and name not in self.held:
                        text = write.load(f"{o.name}[{at[o.name]}]", o.layout.dtype.name, o.dtype)
                        loads.append(f"{deep}{name} = {text}")
                        if self.is_held:
                            self.held.add(name)
            bound[id(row_index)] = (index, "int64")
            writer = write.Writer(self.request.compute, bound, deep, f"e{suffix}_" if suffix else "e")
            tails += body(writer, deep, at, k, index)
            bodies += writer.lines
        self.lines += [*inside, *loads, *bodies, *tails]
        if not self.is_held:
            self.lines.append(f"{deep}i = i + {self.step}")

    def _pass(self, level):
        """One walk over the row that computes every row function of a level."""
        self._row_parts([n.args[0] for n in level])
        start, totals = len(self.lines), []

        def body(writer, pad, places, k, index):
            tail = []
            for number, n in enumerate(level):
                text, type_ = writer.typed(n.args[0])
                if not k:
                    totals.append((n, f"{n.op[4:]}{len(self.writer.bound)}_{number}", Total(n.op, type_)))
                _, name, total = totals[number]
                tail += [f"{pad}{name}_ = {total.taken(text, index)}",
                         f"{pad}{name} = {total.joined(name, f'{name}_')}"]
            return tail
        self._loop([n.args[0] for n in level], body)
        self.lines[start:start] = [f"{self.pad}{name} = {total.start()}" for _, name, total in totals]
        for n, name, total in totals:
            joined = name
            if self.form != "rows":
                self.helpers[total.function(self.joins)] = total.helper(self.joins)
                joined = f"{total.function(self.joins)}({name})"
            if self.pieces:
                self.lines += [f"{self.pad}{name}_all = {joined}", f"{self.pad}{self.stores}",
                               f"{self.pad}    part{len(self.totals)}[row * pieces + number] = {name}_all"]
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
        if stores and self.stores:
            self.lines += [f"{self.pad}{self.stores}", *(f"{self.pad}    {line}" for line in stores)]
        else:
            self.lines += [f"{self.pad}{line}" for line in stores]
        elements = [(root, out, layout) for root, out, layout, is_row in roots if not is_row]
        if elements:
            def body(writer, pad, places, k, index):
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
