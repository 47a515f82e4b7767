"""Template of row formulas: softmax, norms, sums, extremes; everything that looks at a row before it answers.

Units are rows. A row is walked once for each level of row functions that depend on each other (softmax: maximum, then
sum), and once more where the result has one value an element. A float32 value that costs a call (an exponential) and is
summed is kept in the result, where the last walk finds it.

A walk takes four vectors at a time, then what is left with lanes switched off: no element is left to scalar code, which
is what rows of 10 or 100 elements would mostly be. Sums of float32 add eight elements to each lane, and the lanes, in
float32, and these totals in float64, all in a fixed order: they neither lose accuracy nor depend on the number of
threads. Where operands are strided, which LLVM may not turn into lanes, all of the sum is made in float64.
"""

import functools
import math

from ..expr import write
from ..expr.derive import rank_of
from ..expr.functions import FUNCTIONS, ROW, row_index, row_length
from ..expr.tree import Expr, arg, order
from ..layout import Layout, broadcast_strides, coalesce
from . import columns, geometry, phases, positions, split, streaming
from .compile import kernel_of
from .row_functions import JOINED, TOTAL, complex_sum, row_function

_NUMBER = {"float": "float64", "int": "int64", "bool": "int64"}
_CALLS = frozenset(name for name, f in FUNCTIONS.items() if f.symbol is None) - {
    "neg", "abs", "sgn", "fma", "where", "maximum", "minimum", "fmax", "fmin", "floor", "ceil", "trunc", "rint", "sqrt",
    "rsqrt", "copysign", "conj", "real", "imag", "make_complex", "isnan", "isinf", "signbit"}
LANES = {"float32": 16, "float64": 8}  # of a vector of 512 bits
WHOLE = 6  # rows are walked in 2^6 elements, four vectors of float32, then what is left vector by vector
HELD = 8192  # elements: the longest row of values that are kept beside a result that is written past the caches
# Elements whose float32 sum is made in float32, eight to each lane of four vectors; one number for all kernels, as sums
# have the same bits in whatever else is computed beside them. Of the next block few lines are asked for at a time
# (log_softmax of 64 MB: 1.3 times as long with those of 512 elements at once).
PIECE, ASKED = 512, 256
# Elements further on in its row that a loop with sums and extremes asks for: joining the lanes of both after each piece
# leaves the CPU no room to look ahead (sum and amax of 64 MB: 3.2 ms without, 2.5, 2.2, 2.3 with 512, 1024, 2048).
FURTHER = 2 * PIECE


def plan(request):
    """The Launch of a `Rows` request."""
    outer_shape, inner_shape, rows, classes = _walk(request)
    if request.summed:
        return split.summed(request, outer_shape, inner_shape, rows, classes, _streamed(request, inner_shape, classes))
    if columns.when(request, outer_shape, inner_shape, rows):
        return columns.plan(request, outer_shape, inner_shape, rows)
    if split.when(request, outer_shape, inner_shape, classes):
        return split.plan(request, outer_shape, inner_shape, rows, classes)
    streamed = _streamed(request, inner_shape, classes)
    from_memory = streamed or _is_long(request, inner_shape, classes) and streaming.when(*(
        o.layout for o in request.operands if isinstance(o.layout, Layout)))
    ahead = own_rows(request, rows, classes, len(outer_shape)) if from_memory else ()
    form = classes, len(outer_shape), len(inner_shape), False, streamed, ahead
    kernel = kernel_of(request, form, lambda: _Kernel(request, *form).text(), independent=True)
    return geometry.launch(kernel, math.prod(outer_shape), geometry.GRAIN // max(1, math.prod(inner_shape)),
                           outer_shape, inner_shape, *rows)


def source(request):
    """The kernel text for a request."""
    outer_shape, inner_shape, rows, classes = _walk(request)
    if columns.when(request, outer_shape, inner_shape, rows):
        return columns.text(request, len(outer_shape))[0]
    return _Kernel(request, classes, len(outer_shape), len(inner_shape)).text()[0]


def _walk(request):
    """(sizes of the outer dimensions, of the row's, strides of each operand over both, inner stride classes)."""
    tensors = [o for o in request.operands if isinstance(o.layout, Layout)]
    rows = [broadcast_strides(o.layout.shape, o.layout.strides, request.shape) for o in tensors]
    rows += [broadcast_strides(o.shape, o.strides, request.shape) for o in request.outputs]
    outer = [d for d in range(len(request.shape)) if d not in request.dims]
    lead = next((r for r, _ in zip(rows, tensors, strict=False) if any(r[d] for d in request.dims)), rows[-1])
    outer.sort(key=lambda d: (-abs(rows[-1][d]), d))
    inner = sorted(request.dims, key=lambda d: (-abs(lead[d]), d))
    if any(e.op == "row_first" or e is row_index for e in order(*request.roots)):
        inner = sorted(request.dims)  # positions count in logical order
    outer_shape, outer_rows = coalesce([request.shape[d] for d in outer], [[r[d] for d in outer] for r in rows])
    inner_shape, inner_rows = coalesce([request.shape[d] for d in inner], [[r[d] for d in inner] for r in rows])
    if not inner_shape:
        inner_shape, inner_rows = (1,), [(1,)] * len(rows)
    if 0 in inner_shape:
        inner_shape, inner_rows = (0,), [(1,)] * len(rows)
    is_row = [all(s == 0 for s in r) for r in inner_rows]
    for k, flag in enumerate(request.is_row):
        is_row[len(tensors) + k] = flag
    classes = "".join("r" if flag else geometry.stride_class(r[-1]) for flag, r in zip(is_row, inner_rows, strict=True))
    return outer_shape, inner_shape, [(*a, *b) for a, b in zip(outer_rows, inner_rows, strict=True)], classes


def own_rows(request, rows, classes, outer):
    """Names of the contiguous operands of which each row has a part of its own."""
    tensors = [o for o in request.operands if isinstance(o.layout, Layout)]
    return tuple(o.name for o, r, c in zip(tensors, rows, classes, strict=False) if c == "1" and any(r[:outer]))


def _is_long(request, inner_shape, classes):
    """Whether rows are long and contiguous."""
    return request.compute in LANES and {*classes} <= {*"01r"} and inner_shape[-1] >= 2 * streaming.PIECE


def _streamed(request, inner_shape, classes):
    """Whether results with a value an element are written past the caches: long rows of whole lines, contiguous."""
    count = len(request.outputs)
    written = [(o, c) for o, c, is_row in zip(request.outputs[:count - request.summed], classes[-count:],
                                              request.is_row, strict=False) if not is_row]
    return (bool(written) and _is_long(request, inner_shape, classes) and {c for _, c in written} == {"1"}
            and inner_shape[-1] * written[0][0].dtype.itemsize % 64 == 0
            and (len(inner_shape) > 1 or inner_shape[0] <= HELD) and streaming.when(*(o for o, _ in written)))


class _Kernel:
    """One kernel's text in the making. `parts`: units are pieces of rows, and outputs one value for each of them.
    `streamed`: results with a value an element are written past the caches. `ahead`: operands whose rows come from
    memory. The last walk that looks for row functions begins to read those of the next block; where results are written
    in pieces, that walk does so for every other operand: few lines are to be asked for at once. Units of requests with
    sums over the rows are blocks of rows, and these outputs one such row of sums for each of them."""

    def __init__(self, request, classes, outer_rank, inner_rank, parts=False, streamed=False, ahead=()):
        self.parts, self.streamed = parts, streamed
        self.part_types: list[tuple[str, str]] = []  # of each row function: as kept for a piece, as a value
        self.request, self.outer, self.inner = request, outer_rank, inner_rank
        walks = len(self._levels()) + (not all(request.is_row))  # of one alone the CPU knows what comes next
        self.ahead = ahead if inner_rank == 1 and walks > 1 else ()
        self.from_memory, self.once = parts or streamed or bool(ahead), bool(ahead) and walks == 1
        self.tensors = tensors = [o for o in request.operands if isinstance(o.layout, Layout)]
        self.flushed = 0
        self.outputs = [f"out{k or ''}" for k in range(len(request.outputs))]
        self.sums = self.outputs[len(self.outputs) - request.summed:]
        self.names = [o.name for o in tensors] + self.outputs
        self.classes = dict(zip(self.names, classes, strict=True))
        self.lanes = LANES.get(request.compute) if {*classes} <= {*"01r"} else None
        width = outer_rank + inner_rank
        self.stride_at = {n: width * (k + 1) for k, n in enumerate(self.names)}
        self.lines: list[str] = []

    def text(self):
        request, lines = self.request, self.lines
        form = ("parts" if self.parts else
                f"rows{'_streamed' * self.streamed}{'_ahead' * bool(self.ahead)}{'_once' * self.once}"
                f"{'_sums' * bool(self.sums)}")
        form += "_" * (form != "rows" and not self.parts)
        name = f"{request.name}_{request.compute}_{form}{self.outer}{self.inner}_" + "".join(self.classes.values())
        parameters = [o.name for o in request.operands] + self.outputs
        lines.append(f"def {name}({', '.join(parameters)}, meta, start, stop):")
        pad = "    "
        sizes = [f"n{d}" for d in range(self.inner)]
        for d, n in enumerate(sizes):
            lines.append(f"{pad}{n} = meta[{self.outer + d}]")
        lines.append(f"{pad}length = {' * '.join(sizes)}")
        for n in self.names:
            if self.classes[n] != "r":
                for d in range(self.inner):
                    if d < self.inner - 1 or self.classes[n] == "n":
                        lines.append(f"{pad}step_{n}_{d} = meta[{self.stride_at[n] + self.outer + d}]")
        if self.streamed:
            written = [out for out in self.outputs if self.classes[out] != "r" and out not in self.sums]
            lines += [f"{pad}room_{out} = room({out}, {streaming.PIECE})" for out in written]
            lines.append(f"{pad}kept = room({written[0]}, {HELD})")
        bound = {}
        self.row_args = set()
        self.cuts: list[int] = []  # the lines with which the row's own, and each phase of the work on it, begin
        for o in request.operands:
            if not isinstance(o.layout, Layout):
                lines.append(f"{pad}{o.name}_ = {write.convert(o.name, _NUMBER[o.layout], o.dtype)}")
                bound[id(arg(o.name))] = (f"{o.name}_", o.dtype)
                self.row_args.add(o.name)
            elif self.classes[o.name] == "r":
                self.row_args.add(o.name)
        self.roots, self.others, self.place = positions.other_at_one(self)
        self.keep = [arg(o.name) for o in request.operands] + [*request.roots, *self.roots, *self.others]
        row_pad = pad * 2
        if self.parts:
            lines += self._piece(pad)
        else:
            if self.sums:
                at = (self.outer + self.inner) * (len(self.names) + 1)
                zero = write.literal(0, request.compute)
                lines += [f"{pad}height = meta[{at}]", f"{pad}for i in range(start * length, stop * length):",
                          *(f"{pad * 2}{out}[i] = {zero}" for out in self.sums),
                          f"{pad}start = start * height", f"{pad}stop = min(stop * height, meta[{at + 1}])"]
            lines.append(f"{pad}for row in range(start, stop):")
            self._cut()
            walked = [(f"at_{n}", self.stride_at[n]) for n in self.names if n not in self.sums]
            lines += geometry.decode(row_pad, self.outer, 0, walked)
            lines += [f"{row_pad}at_{out} = row // height * length" for out in self.sums]
        for o in self.tensors:
            if self.classes[o.name] == "r":
                text = write.load(f"{o.name}[at_{o.name}]", o.layout.dtype.name, o.dtype)
                lines.append(f"{row_pad}{o.name}_ = {text}")
                bound[id(arg(o.name))] = (f"{o.name}_", o.dtype)
        length_type = request.compute if request.compute.startswith(("float", "complex")) else "int64"
        bound[id(row_length)] = (f"{length_type}(length)", length_type)
        self.writer = write.Writer(request.compute, bound, row_pad, "r")
        self.is_row = rank_of(*request.roots, *self.roots, *self.others, row_args=self.row_args)
        self.kept = self._kept() if self.place is None else None
        self.found: dict[int, tuple[str, str]] = {}  # nodes whose elements are in the result already
        self._cut()
        levels = self._levels()
        for level in levels:
            self._pass(level, level is levels[-1])
            self._cut()
        self._results()
        if self.lanes and not self.parts and not self.once:
            self._in_phases()
        signature = tuple(
            _NUMBER[o.layout] if not isinstance(o.layout, Layout) else f"{write.storage(o.layout.dtype.name)}*"
            for o in request.operands)
        written = [kept for kept, _ in self.part_types] if self.parts else self._types()
        signature += tuple(f"{write.storage(dtype)}*" for dtype in written)
        return "\n".join(self.lines) + "\n", name, (*signature, "int64*")

    def _types(self):
        """The dtypes that outputs are written in: sums in the one computed in."""
        kept = len(self.outputs) - len(self.sums)
        return [*(o.dtype.name for o in self.request.outputs[:kept]), *(self.request.compute for _ in self.sums)]

    def _cut(self):
        self.cuts.append(len(self.lines))

    def _in_phases(self):
        """Put blocks of rows in place of rows, where a row is walked more than once."""
        types = {text: type_ for text, type_ in self.writer.bound.values() if isinstance(text, str)}
        first, *starts = self.cuts
        parts = [self.lines[a:b] for a, b in zip(starts, [*starts[1:], len(self.lines)], strict=True)]
        lines = phases.blocked(self.lines[first:starts[0]], parts, types)
        if lines:
            self.lines[first - 1:] = lines
        elif self.streamed or self.ahead:
            self.lines[first:first] = ["        turn = 0", "        many = 1"]

    def _piece(self, pad):
        """Lines that find a unit's piece of a row: so many of the row's slowest dimension."""
        at = (self.outer + self.inner) * (len(self.names) + 1)
        inputs = [o.name for o in self.tensors]
        lines = [f"{pad}whole = n0", f"{pad}piece = meta[{at}]", f"{pad}pieces = meta[{at + 1}]",
                 f"{pad}for unit in range(start, stop):", f"{pad * 2}row = unit // pieces",
                 f"{pad * 2}first = unit % pieces * piece", f"{pad * 2}n0 = min(piece, whole - first)"]
        lines += geometry.decode(pad * 2, self.outer, 0, [(f"at_{n}", self.stride_at[n]) for n in inputs])
        lines += [f"{pad * 2}at_{n} += first * meta[{self.stride_at[n] + self.outer}]" for n in inputs]
        return lines + [f"{pad * 2}at_{out} = unit" for out in self.outputs]

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

    def _kept(self):
        """(row sum, output) where the values that the sum adds up are kept in that output; None where none are."""
        if self.inner != 1 or self.request.compute != "float32":
            return None
        for out, o, is_row in zip(self.outputs, self.request.outputs, self.request.is_row, strict=True):
            if not is_row and self.classes[out] == "1" and o.dtype.name == "float32" and out not in self.sums:
                sums = [n for n in order(*self.request.roots) if n.op == "row_sum" and self._costs_a_call(n.args[0])]
                again = positions.elements_below(self.roots, {})
                return (sums[0], out) if sums and sums[0].args[0] in again else None
        return None

    def _costs_a_call(self, node):
        """Whether an element's value takes a function that is more than an instruction."""
        return not self.is_row[id(node)] and (node.op in _CALLS or any(
            self._costs_a_call(a) for a in node.args if isinstance(a, Expr)))

    def _stays_whole(self, node):
        """Whether LLVM adds up an element's values as they are in a loop that it unrolls: a factor that several have in
        common would be multiplied with their sum, which has other bits."""
        return node.op == "arg" or node.op == "mul" and all(
            not self.is_row[id(a)] and a.op in ("arg", "add", "sub") for a in node.args)

    def flush(self):
        """Move the row-level statements written so far into the kernel."""
        self.lines += self.writer.lines[self.flushed:]
        self.flushed = len(self.writer.lines)

    def _row_parts(self, roots):
        """Write every maximal row-level part of the roots as statements outside the loop."""
        before = len(self.lines)
        for n in order(*roots):
            if self.is_row[id(n)] and n.op not in ("const", "arg") and n.op not in ROW:
                self.writer.value(n)
        self.flush()
        if len(self.lines) > before:
            self._cut()

    def loop(self, write_body, ahead=False, walk=None, mixed=False):
        """Loops over the row; write_body(writer, indent, position) gives the innermost statements.

        ahead: begin to read the rows of the next block, where the loop is in pieces. walk(indent, statements): lines
        in place of the innermost loop. mixed: several kinds of totals are joined after each piece.
        """
        pad = "    " * 2
        at = {n: f"at_{n}" for n in self.names if self.classes[n] != "r"}
        for d in range(self.inner - 1):
            self.lines.append(f"{pad}for j{d} in range(n{d}):")
            pad += "    "
            for n in at:
                self.lines.append(f"{pad}at{d}_{n} = {at[n]} + j{d} * step_{n}_{d}")
                at[n] = f"at{d}_{n}"
        last = self.inner - 1
        outside, pad = pad, pad + "    "
        position = {}
        for n in at:
            step = {"0": "", "1": "i", "n": f"i * step_{n}_{last}"}[self.classes[n]]
            position[n] = f"{at[n]} + {step}" if step else at[n]
        bound = dict(self.writer.bound)
        loads = {}
        for o in self.tensors:
            if self.classes[o.name] != "r":
                bound[id(arg(o.name))] = (f"{o.name}_", o.dtype)
                text = write.load(f"{o.name}[{position[o.name]}]", o.layout.dtype.name, o.dtype)
                loads[o.name] = f"{pad}{o.name}_ = {text}"
        index = "i"
        if self.inner > 1:
            index = " + ".join([self._flat_index(), "i"])
        bound[id(row_index)] = (f"int64({index})", "int64")
        for node, out in self.found.items():
            bound[node] = (f"{out}_", "float32")
            loads[out] = f"{pad}{out}_ = {self._place_kept(out, position)}"
        writer = write.Writer(self.request.compute, bound, pad, "e")
        used, tail, begin, end, in_pieces, streams = write_body(writer, pad, position)
        below = positions.elements_below(used, self.found)
        needed = {n.args[0] for n in below if n.op == "arg"} | {self.found[id(n)] for n in below if id(n) in self.found}
        body = [line for name, line in loads.items() if name in needed] + writer.lines + tail
        asked = self.ahead[::2] if self.streamed else self.ahead
        fetches = [self.fetches(ASKED, asked, more) for more in range(0, PIECE, ASKED)] if ahead else [[], []]
        if mixed and not ahead and self.from_memory:
            fetches[0] = [f"fetch({n}, {at[n]} + first_ + {FURTHER}, {PIECE})" for n in loads
                          if n in needed and self.classes[n] == "1"]
        if walk:
            self.lines += walk(outside, body)
        elif streams:
            self.lines += self._streaming_walk(outside, f"n{last}", body, {out: at[out] for out in streams})
        else:
            unrolled = self.from_memory and all(map(self._stays_whole, used))
            self.lines += self._walks(outside, f"n{last}", body, begin, end, in_pieces, fetches, unrolled)

    def fetches(self, count, names, more=0):
        """Lines that begin to read as many elements of the next block's rows of operands, from `first_` + `more` on."""
        start = f"first_ + {more}" if more else "first_"
        row = {n: f"at_{n} + {start} + many * meta[{self.stride_at[n] + self.outer - 1}]" for n in names}
        return [f"fetch({n}, {place}, {count})" for n, place in row.items()]

    def _place_kept(self, out, position):
        return "kept[turn * length + i]" if self.streamed else f"{out}[{position[out]}]"

    def _streaming_walk(self, pad, length, body, outputs):
        """The innermost loop over pieces of a row, each made in a buffer, then written past the caches."""
        size = streaming.PIECE
        return [f"{pad}for piece_ in range(({length} + {size - 1}) // {size}):", f"{pad}    first_ = piece_ * {size}",
                f"{pad}    count_ = min({size}, {length} - first_)",
                *(f"{pad}    {line}" for line in self.fetches(size, self.ahead[1::2])),
                f"{pad}    for i in range(first_, first_ + count_):",
                *(f"    {line}" for line in body),
                *(f"{pad}    stream({out}, {at} + first_, room_{out}, 0, count_)" for out, at in outputs.items())]

    def _walks(self, pad, length, body, begin, end, in_pieces, fetches, unrolled):
        """The innermost loop: whole vectors, then what is left of the row, each between `begin` and `end`.

        in_pieces: of a limited number of elements each time, as sums of float32 are made; fetches: lines before and
        after each. unrolled: the loop over a whole piece has a known end, and no branch keeps the CPU from asking for
        all of it at once (64 MB, two threads: sum over rows 1.15 to 0.75 ms, argmax 1.5 to 1.35).
        """
        lines, stop, (before, after) = [], length, fetches
        if self.lanes:
            lines, stop = [f"{pad}main = {length} >> {WHOLE} << {WHOLE}"], "main"
        begin, end = [f"{pad}{line}" for line in begin], [f"{pad}{line}" for line in end]
        whole = list(body)
        if self.lanes and any("add_reassoc" in line for line in body):
            whole.insert(0, f"{pad}    in_vectors({self.lanes}, 4)")
        if in_pieces:
            pieces = f"({stop} + {PIECE - 1}) // {PIECE}"
            ends = [(pieces, f"min(first_ + {PIECE}, {stop})")]
            if unrolled:
                ends = [(f"{stop} // {PIECE}", f"first_ + {PIECE}"), (f"{stop} // {PIECE}, {pieces}", ends[0][1])]
            for these, piece_end in ends:
                lines += [f"{pad}for piece_ in range({these}):",
                          f"{pad}    first_ = piece_ * {PIECE}", *(f"{pad}    {line}" for line in before),
                          *(f"    {line}" for line in begin), f"{pad}    for i in range(first_, {piece_end}):",
                          *(f"    {line}" for line in whole), *(f"    {line}" for line in end),
                          *(f"{pad}    {line}" for line in after)]
        else:
            lines += [*begin, f"{pad}for i in range({stop}):", *whole, *end]
        if self.lanes:
            lines += [*begin, f"{pad}for i in range(main, {length}):", f"{pad}    in_lanes({self.lanes})", *body, *end]
        return lines

    def _flat_index(self):
        text = "j0"
        for d in range(1, self.inner - 1):
            text = f"({text} * n{d} + j{d})"
        return f"{text} * n{self.inner - 1}"

    def _pass(self, level, last):
        """One walk over the row that computes every row function of a level; the last one begins to read further rows
        where memory is what the kernel waits for."""
        self._row_parts([n.args[0] for n in level])
        ahead = bool(self.ahead) and last
        walked = [n for n in level if not positions.picked(self, n) and not positions.searched(self, n, ahead)]
        if not walked:
            return
        if any(n.op == "row_first" for n in level if n not in walked):
            self._cut()  # a search ends where no branch is foreseen: little is under way behind it
        level = walked
        kept, out = self.kept or (None, "")
        start = len(self.lines)
        finish = []

        def body(writer, pad, position):
            tail, begin, after, sums = [], [], [], set()
            for n in level:
                text, type_ = writer.typed(n.args[0])
                sums |= {type_} if n.op == "row_sum" else set()
                if n is kept:
                    tail.append(f"{pad}{self._place_kept(out, position)} = {text}")
                total = f"{n.op[4:]}{len(self.writer.bound)}_{len(finish)}"
                head, step, end, result = row_function(n.op, total, text, type_, pad, writer.bound[id(row_index)][0])
                if self.lanes and n.op in ("row_sum", "row_max", "row_min") and type_.startswith("float"):
                    # A total of its own for each loop: none waits for the lanes of another to be joined.
                    if n.op == "row_sum" and type_ == "float32":
                        begin.append(f"{total}p = float32(0)")
                        step = [f"{pad}{total}p = add_reassoc({total}p, {text})"]
                    else:
                        begin.append(head[0].replace(total, f"{total}p"))
                        step = [line.replace(total, f"{total}p") for line in step]
                    after.append(JOINED[n.op].format(t=total, wide=TOTAL.get(type_, type_)))
                elif n.op == "row_sum" and type_.startswith("complex"):
                    before, step, joined = complex_sum(total, text, pad)
                    begin += before
                    after.append(joined)
                self.lines[start:start] = [f"        {line}" for line in head]
                if self.parts:
                    value_type = result[1]
                    if n.op in ("row_sum", "row_prod"):
                        end, result = [], (total, TOTAL.get(type_, type_))
                    self.part_types.append((result[1], value_type))
                tail += step
                finish.append((n, end, result))
            in_pieces = "float32" in sums or bool(self.ahead and begin and not sums)
            return [n.args[0] for n in level], tail, begin, after, in_pieces, ()
        self.loop(body, ahead, mixed=len({n.op for n in level}) > 1)
        if any(n is kept for n in level):
            self.found[id(kept.args[0])] = out
        for n, end, result in finish:
            self.lines += [f"        {line}" for line in end]
            self.writer.bound[id(n)] = result

    def _results(self):
        request = self.request
        elements = [(root, other, out, dtype) for root, other, out, dtype, flag in zip(
            self.roots, self.others, self.outputs, self._types(), request.is_row, strict=True) if not flag]
        self._row_parts([*self.roots, *self.others])
        for root, out, o, flag in zip(request.roots, self.outputs, request.outputs, request.is_row, strict=True):
            if flag:
                text, type_ = self.writer.typed(root)
                self.flush()
                stored = write.store(text, type_, type_ if self.parts else o.dtype.name)
                self.lines.append(f"        {out}[at_{out}] = {stored}")
        if elements:
            def body(writer, pad, position, alone=False):
                tail = []
                for root, other, out, dtype in elements:
                    text, type_ = writer.typed(other if alone else root)
                    room = self.streamed and out not in self.sums and not alone
                    place = f"room_{out}[i - first_]" if room else f"{out}[{position[out]}]"
                    value = write.store(text, type_, dtype)
                    tail.append(f"{pad}{place} = {f'{place} + {value}' if out in self.sums else value}")
                streams = [out for *_, out, _ in elements if out not in self.sums] if self.streamed else ()
                return [other if alone else root for root, other, *_ in elements], tail, [], [], False, streams
            self.loop(body)
            if self.place is not None:
                place = self.writer.typed(self.place)[0]
                self.flush()
                self.loop(functools.partial(body, alone=True), walk=functools.partial(positions.at, place))
