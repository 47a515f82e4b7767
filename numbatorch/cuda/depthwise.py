"""Template of convolutions with one channel in each group: a thread has a few neighbouring results of a row.

Windows, how they move and their padding are constants of the source, so the taps are written out and what neighbours
share is read once. Gradients of the input are the same sums with the window turned round, where windows move by one;
else a thread asks of each tap whether it meets a result. Gradients of weights are sums over all images: blocks take
pieces of them, a total for each tap a thread, and a second kernel adds the pieces in their order.
"""

import math
from itertools import product

from ..expr import write
from ..expr.kinds import Launch
from . import backend, geometry
from .launching import call, launch
from .totals import Total

BLOCK = 256
NEIGHBOURS = 4  # results of a thread
MOST = 121  # taps that are written out; of gradients of weights, whose totals are in registers, MOST_TOTALS
MOST_TOTALS = 49
PIECE, ENOUGH = 4096, 1024  # positions of a piece at least; blocks that keep a GPU busy
TYPES = ("float32", "float64", "float16", "bfloat16")


def when(request):
    """Whether this template applies."""
    n, c, spatial, o, windows, *_, groups = request.options["sizes"]
    layouts = [*request.inputs, *request.outputs]
    weights = request.function == "convolution_weight_gradient"
    return (groups == c and not o % c and layouts[0].dtype.name in TYPES and len({x.dtype.name for x in layouts}) == 1
            and math.prod(windows) <= (MOST_TOTALS if weights else MOST)
            and (weights or request.inputs[1].is_contiguous) and all(0 < x.numel < 2**31 for x in layouts))


def plan(request):
    """The Launch of a convolution, or of one of its gradients, for which `when` holds."""
    if request.function == "convolution_weight_gradient":
        return _weights(request)
    name, text, signature, values, units = _Images(request).finished()
    return launch(name, text, signature, request.outputs[0].device, values, units, BLOCK)


class _Text:
    """What the kernels share: sizes, constants, and names of coordinates."""

    def __init__(self, request):
        self.request = request
        self.n, self.c, self.spatial, self.o, self.windows, *self.moves, _ = request.options["sizes"]
        self.stride, self.padding, self.dilation = self.moves
        self.rank, self.each = len(self.windows), self.o // self.c
        self.numbers, self.lines = geometry.Parameters(), []
        self.dtype = request.inputs[0].dtype.name
        self.type = write.compute_type(self.dtype)
        self.zero = write.literal(0, self.type)

    def steps(self, name, layout):
        """Parameters of an array's strides."""
        for d, stride in enumerate(layout.strides):
            self.numbers.add(f"step{d}_{name}", stride)

    def label(self, kind):
        """The name of a kernel."""
        constants = "_".join("x".join(map(str, part)) for part in (self.windows, *self.moves))
        return f"depthwise_{kind}_{self.dtype}_{constants}_by{self.each}"


class _Images(_Text):
    """The kernel of results, or of gradients of the input."""

    def __init__(self, request):
        super().__init__(request)
        self.is_gradient = request.function == "convolution_input_gradient"
        self.source, self.out = request.inputs[0], request.outputs[0]
        self.is_plain = not self.is_gradient or set(self.stride) == {1}
        self.count = NEIGHBOURS if self.is_plain else 1
        self.has_bias = len(request.inputs) > 2
        self.names = ["source", "weight", *["bias"] * (not self.is_gradient), "out"]

    def finished(self):
        """(name, text, signature, values, threads)."""
        out, pad, deep = self.out, " " * 8, " " * 12
        shape = (*out.shape[:-1], -(-out.shape[-1] // self.count))
        numbers, rank = self.numbers, self.rank
        self.steps("source", self.source)
        for d in range(rank):
            numbers.add(f"limit{d}", self.source.shape[2 + d])
            numbers.add(f"length{d}", out.shape[2 + d])
        units = math.prod(shape)
        lines = [f"{pad}rest = uint32(unit)"]
        for d in range(len(shape) - 1, 0, -1):
            lines += geometry.taken_apart(pad, "rest", "part", shape[d], f"_part{d}", numbers, "uint32")
            lines.append(f"{pad}{'channel' if d == 1 else f'p{d - 2}'} = int64(part)")
        lines += [f"{pad}p{rank - 1} = p{rank - 1} * {self.count}", f"{pad}image = int64(rest)",
                  *(f"{pad}total{j} = {self.zero}" for j in range(self.count))]
        taps = math.prod(self.windows)
        if self.is_gradient:  # all results of the channel
            lines += [f"{pad}more = int64(0)", f"{pad}while more < {self.each}:",
                      f"{deep}other = channel * {self.each} + more", f"{deep}at = image * step0_source + other * "
                      "step1_source", f"{deep}first = other * {taps}", *self._taps(deep), f"{deep}more = more + 1"]
        else:
            lines += [f"{pad}at = image * step0_source + channel // {self.each} * step1_source",
                      f"{pad}first = channel * {taps}", *self._taps(pad)]
        numbers.add("channels", out.shape[1])
        place = "image * channels + channel"
        for d in range(rank):
            place = f"({place}) * length{d} + p{d}"
        added = f" + {write.load('bias[channel * step_bias]', self.dtype)}" if self.has_bias else ""
        if added:
            numbers.add("step_bias", self.request.inputs[2].strides[0])
        lines.append(f"{pad}place = {place}")
        for j in range(self.count):
            lines += [f"{pad}if p{rank - 1} + {j} < length{rank - 1}:",
                      f"{deep}out[place + {j}] = {write.store(f'total{j}{added}', self.type, self.dtype)}"]
        numbers.add("units", units)
        name = self.label("gradients" if self.is_gradient else "results") + "_bias" * bool(added)
        head = [f"def {name}({', '.join([*self.names, *numbers.names])}):", "    unit = grid()", "    if unit < units:"]
        signature = (*[f"{write.storage(self.dtype)}*"] * len(self.names), *numbers.types)
        return name, "\n".join([*head, *lines]) + "\n", signature, numbers.values, units

    def _reach(self, d, t):
        """Text of where tap t of a result's window is along dimension d, or (not plain) of that times the stride."""
        if self.is_gradient:
            return f"p{d} + {self.padding[d] - t * self.dilation[d]}"
        return f"p{d} * {self.stride[d]} + {t * self.dilation[d] - self.padding[d]}"

    def _taps(self, pad):
        """Lines that add all taps to the totals."""
        lines, last, deep = [], self.rank - 1, pad + "    "
        for outer in product(*(range(k) for k in self.windows[:-1])):
            tests, place, lines_before = [], ["at"], []
            for d, t in enumerate(outer):
                lines_before += self._found(d, t, f"x{d}", pad)
                tests.append(f"inside{d}")
                place.append(f"x{d} * step{d + 2}_source")
            row = " + ".join(place)
            inner = deep if tests else pad
            lines += [*lines_before, *([f"{pad}if {' and '.join(tests)}:"] if tests else []), f"{inner}row = {row}"]
            flat = 0
            for k, t in zip(self.windows[:-1], outer, strict=True):
                flat = flat * k + t
            flat *= self.windows[-1]
            read: set[int] = set()
            for t in range(self.windows[-1]):
                weight = write.load(f"weight[first + {flat + t}]", self.dtype)
                lines.append(f"{inner}w = {weight}")
                for j in range(self.count):
                    if self.is_gradient:
                        offset = j - t * self.dilation[last]
                    else:
                        offset = j * self.stride[last] + t * self.dilation[last]
                    name = f"v{offset}".replace("-", "m")
                    if offset not in read:
                        read.add(offset)
                        lines += self._read(offset, t, name, inner)
                    lines.append(f"{inner}total{j} = fma({name}, w, total{j})")
        return lines

    def _found(self, d, t, name, pad):
        """Lines that set `name` to a place along dimension d and inside<d> to whether there is one."""
        if self.is_plain or self.stride[d] == 1:
            return [f"{pad}{name} = {self._reach(d, t)}", f"{pad}inside{d} = {name} >= 0 and {name} < limit{d}"]
        return [f"{pad}reach = {self._reach(d, t)}", f"{pad}{name} = reach // {self.stride[d]}",
                f"{pad}inside{d} = reach >= 0 and {name} * {self.stride[d]} == reach and {name} < limit{d}"]

    def _read(self, offset, t, name, pad):
        """Lines that read an element of a row of the source: zero outside of it."""
        last = self.rank - 1
        if self.is_plain:
            start = f"p{last}" if self.is_gradient else f"p{last} * {self.stride[last]}"
            shift = self.padding[last] if self.is_gradient else -self.padding[last]
            lines = [f"{pad}x{last} = {start} + {offset + shift}",
                     f"{pad}inside{last} = x{last} >= 0 and x{last} < limit{last}"]
        else:
            lines = self._found(last, t, f"x{last}", pad)
        value = write.load(f"source[row + x{last} * step{last + 2}_source]", self.dtype)
        return [*lines, f"{pad}{name} = {self.zero}", f"{pad}if inside{last}:", f"{pad}    {name} = {value}"]


def _weights(request):
    """The Launch of gradients of weights; inputs (input, gradient)."""
    text, (x, gradient) = _Text(request), request.inputs
    out, rank, taps = request.outputs[0], len(text.windows), math.prod(text.windows)
    positions = text.n * math.prod(gradient.shape[2:])
    pieces = max(1, min(-(-positions // PIECE), -(-ENOUGH // text.o)))
    numbers, pad, deep = text.numbers, " " * 4, " " * 8
    text.steps("x", x)
    text.steps("gradient", gradient)
    total = Total("row_sum", "float32" if text.type == "float32" else "float64")
    joins = f"block{BLOCK}"
    for name, value in (("pieces", pieces), ("piece", -(-positions // pieces)), ("positions", positions)):
        numbers.add(name, value)
    lines = [*total.helper(joins)]
    body = [f"{pad}channel = block_index() // pieces", f"{pad}number = block_index() - channel * pieces",
            f"{pad}i = number * piece + thread_index()", f"{pad}last = min(number * piece + piece, positions)",
            f"{pad}base = channel // {text.each} * step1_x", *(f"{pad}total{t} = {total.start()}" for t in range(taps)),
            f"{pad}while i < last:", f"{deep}rest = uint32(i)"]
    for d in range(rank - 1, -1, -1):
        body += [*geometry.taken_apart(deep, "rest", "part", gradient.shape[2 + d], f"_part{d}", numbers, "uint32"),
                 f"{deep}p{d} = int64(part)"]
        numbers.add(f"limit{d}", x.shape[2 + d])
    place = " + ".join(["int64(rest) * step0_gradient + channel * step1_gradient",
                        *(f"p{d} * step{d + 2}_gradient" for d in range(rank))])
    body += [f"{deep}g = {total.kept}({write.load(f'gradient[{place}]', text.dtype)})",
             f"{deep}at = base + int64(rest) * step0_x"]
    for number, tap in enumerate(product(*(range(k) for k in text.windows))):
        for d, t in enumerate(tap):
            body.append(f"{deep}x{d} = p{d} * {text.stride[d]} + {t * text.dilation[d] - text.padding[d]}")
        tests = " and ".join(f"x{d} >= 0 and x{d} < limit{d}" for d in range(rank))
        place = " + ".join(["at", *(f"x{d} * step{d + 2}_x" for d in range(rank))])
        value = f"{total.kept}({write.load(f'x[{place}]', text.dtype)})"
        body += [f"{deep}if {tests}:", f"{deep}    total{number} = fma({value}, g, total{number})"]
    body += [f"{deep}i = i + {BLOCK}", f"{pad}spot = (channel * pieces + number) * {taps}"]
    for t in range(taps):
        body += [f"{pad}whole{t} = {total.function(joins)}(total{t})", f"{pad}if thread_index() == 0:",
                 f"{deep}parts[spot + {t}] = whole{t}"]
    name, device = text.label("weights"), out.device
    head = f"def {name}({', '.join(['x', 'gradient', 'parts', *numbers.names])}):"
    stored = f"{write.storage(text.dtype)}*"
    signature = (stored, stored, f"{total.kept}*", *numbers.types)
    source = "\n".join([*lines, head, *body]) + "\n"
    first = call(name, source, signature, device, numbers.values, text.o * pieces, BLOCK)
    name = f"depthwise_joined_{text.dtype}"
    value = write.store(write.convert("value", total.kept, text.type), text.type, text.dtype)
    second = call(name, f"""def {name}(parts, out, pieces, taps, units):
    i = grid()
    if i < units:
        at = i // taps * pieces * taps + i % taps
        value = {total.start()}
        piece = int64(0)
        while piece < pieces:
            value = value + parts[at + piece * taps]
            piece = piece + 1
        out[i] = {value}
""", (f"{total.kept}*", stored, *["int64"] * 3), device, (pieces, taps, text.o * taps), -(-text.o * taps // BLOCK))
    runtime = backend.on(device.index)

    def run(x, gradient, out, *rest):
        work = runtime.allocate(8 * text.o * pieces * taps)
        first(x, gradient, work.address, *rest)
        second(work.address, out, *rest)
    run.kernel = first.kernel
    return Launch(run, 0, 1, 1)
