"""Template of pooling: each output looks at a window of its input plane.

Units of the forward kernels are rows of the output, those of the backward kernels whole planes, so that a plane's
gradient is summed by one thread in a fixed order. Window sizes, strides and dilations are constants in the source.
Where windows lie inside the input they are written out tap by tap, in a loop that becomes vector code; windows that
touch a border, or differ in size (adaptive pooling), walk the ranges that tables in `meta` give for each dimension.
"""

import itertools
import math

from ..expr import write
from . import geometry
from .compile import compile_kernel
from .window_geometry import Geometry

LOCAL = 256  # elements of `local_int64`
CARRIED = 16  # numbers that a window passes on to the next at most
UNROLLED = 36  # taps written out one by one at most: 6x6; larger windows are loops of constant length


class _Kernel:
    """One kernel's text in the making."""

    def __init__(self, request, inputs, plane, windows, names):
        self.request, self.names = request, names
        self.g = Geometry(request, inputs, plane, windows)
        self.dtype = inputs[0].dtype.name
        self.value = write.compute_type(self.dtype)
        self.layouts = [*inputs, *request.outputs]
        self.lines: list[str] = []
        self.suffix = ""
        # {a tap's place: (the name of what the window before has read there, the place of what the next one needs)}
        self.carried: dict[tuple, tuple] = {}

    def add(self, depth, *lines):
        self.lines += ["    " * depth + line for line in lines]

    def launch(self, label, units, work, independent=False):
        signature = (*(f"{write.storage(t.dtype.name)}*" for t in self.layouts), "int64*")
        name = f"{label}_{self.dtype}_{self.g.code()}{self.suffix}"
        head = [f"def {name}({', '.join(self.names)}, meta, start, stop):"]
        sizes = [f"    size{d} = meta[{1 + d}]" for d in range(self.g.rank)]
        sizes += [f"    count{d} = meta[{1 + self.g.rank + d}]" for d in range(self.g.rank)]
        for n, row, last in zip(self.names, self.g.at_rows, self.g.last, strict=True):
            for d in range(self.g.rank):
                if d < self.g.rank - 1 or last == "n":
                    sizes.append(f"    {n}_{d} = meta[{row + 2 + d}]")
        for d in range(self.g.rank):
            sizes.append(f"    low{d} = meta[{self.g.at_inside + 2 * d}]")
            sizes.append(f"    high{d} = meta[{self.g.at_inside + 2 * d + 1}]")
        kernel = compile_kernel(name, "\n".join(head + sizes + self.lines) + "\n", signature, independent)
        return geometry.launch(kernel, units, geometry.GRAIN // max(1, work), self.g.values)

    def element(self, name, coordinates, base=None):
        """name[...] at spatial coordinates within the plane that starts at at_name."""
        k = self.names.index(name)
        parts = [base or f"at_{name}"]
        for d, c in enumerate(coordinates):
            if d < self.g.rank - 1:
                parts.append(f"({c}) * {name}_{d}")
            elif self.g.last[k] != "0":
                parts.append(f"({c})" if self.g.last[k] == "1" else f"({c}) * {name}_{d}")
        return f"{name}[{' + '.join(parts)}]"

    def read(self, name, coordinates):
        if name == "x" and tuple(coordinates) in self.carried:
            return self.carried[tuple(coordinates)][0]
        k = self.names.index(name)
        return write.load(self.element(name, coordinates), self.layouts[k].dtype.name)

    def assign(self, name, coordinates, text, type_):
        k = self.names.index(name)
        return f"{self.element(name, coordinates)} = {write.store(text, type_, self.layouts[k].dtype.name)}"

    def planes(self, counter):
        """Lines at depth 2 that give at_<name> for the plane that `counter` names."""
        if self.g.even:
            for n, row in zip(self.names, self.g.at_rows, strict=True):
                self.add(2, f"at_{n} = {counter} * meta[{row + 1}]")
            return
        self.add(2, f"channel = {counter} % meta[0]", f"sample = {counter} // meta[0]")
        for n, row in zip(self.names, self.g.at_rows, strict=True):
            self.add(2, f"at_{n} = sample * meta[{row}] + channel * meta[{row + 1}]")

    def output_rows(self, body):
        """Units are output rows: body(depth, taps) writes one output, at o0, o1, ..."""
        g = self.g
        self.add(1, "for unit in range(start, stop):")
        self.add(2, "rest = unit")
        for d in range(g.rank - 2, -1, -1):
            self.add(2, f"o{d} = rest % count{d}", f"rest = rest // count{d}")
        self.planes("rest")
        self._row(2, body, True)

    def plane_rows(self, body):
        """Units are planes: loops over all outputs of the plane."""
        g = self.g
        for d in range(g.rank - 1):
            self.add(2 + d, f"for o{d} in range(count{d}):")
        self._row(1 + g.rank, body)

    def _inner(self, depth, first, after, body, again):
        """A row of windows inside the input, in steps of as many as vectors hold where a window may be done `again`."""
        last = self.g.rank - 1
        if not again or self.g.lanes == 1:
            self.add(depth, f"for o{last} in range({first}, {after}):")
            self._whole(depth + 1, body)
            return
        self.suffix = f"_{self.g.lanes}"
        self.add(depth, f"for begin in range({first}, {after}, {self.g.lanes}):",
                 f"    step = min(begin, {after} - {self.g.lanes})")
        self._carry(depth + 1)
        self.add(depth + 1, f"for o{last} in range(step, step + {self.g.lanes}):", f"    in_vectors({self.g.lanes}, 1)")
        self._whole(depth + 2, body)
        self.carried = {}

    def _carry(self, depth):
        """Name the taps that the window before has read, too: of 3 at a stride of 2 the others are two neighbours,
        which vector code reads without gathering. 64x112x112: 2630 to 890 us for four images on one core."""
        g, last = self.g, self.g.rank - 1
        kernel, stride = g.kernel[last], g.stride[last]
        count = math.prod(g.kernel[:-1]) * (kernel - stride)
        if stride == 1 or not 0 < count <= CARRIED or self._loops() or g.step[last] != 1 or g.last[0] != "1":
            return
        self._corner(depth, "step")
        for place in self._places():
            if place[-1] < kernel - stride:
                name, texts = f"before{len(self.carried)}", self._texts(place)
                self.add(depth, f"{name} = {self.read('x', texts)}")
                self.carried[texts] = name, self._texts((*place[:-1], place[-1] + stride))

    def _corner(self, depth, window):
        """Lines that give y0, y1, ..., where the window starts that is number `window` of its row."""
        for d in range(self.g.rank):
            pad = self.request.options["padding"][d]
            at = window if d == self.g.rank - 1 else f"o{d}"
            self.add(depth, f"y{d} = {at} * {self.g.stride[d]}{f' - {pad}' if pad else ''}")

    def _loops(self):
        """Whether taps are so many that loops go through them."""
        return math.prod(self.g.kernel) > UNROLLED

    def _places(self):
        """The taps of a window by their coordinates in it, row-major."""
        return itertools.product(*map(range, self.g.kernel))

    def _texts(self, place):
        return tuple([f"y{d} + {k * self.g.step[d]}" if k else f"y{d}" for d, k in enumerate(place)])

    def _row(self, depth, body, again=False):
        g, last = self.g, self.g.rank - 1
        if g.whole:
            self._inner(depth, "0", f"count{last}", body, again)
            return
        if g.inside[last] == (0, 0):
            self.add(depth, f"for o{last} in range(count{last}):")
            self._edge(depth + 1, body)
            return
        test = " and ".join(f"o{d} >= low{d} and o{d} < high{d}" for d in range(last)) or "True"
        self.add(depth, f"first = low{last}", f"after = high{last}")
        self.add(depth, f"if not ({test}):", f"    first = count{last}", f"    after = count{last}")
        self.add(depth, f"for o{last} in range(first):")
        self._edge(depth + 1, body)
        self._inner(depth, "first", "after", body, again)
        self.add(depth, f"for o{last} in range(after, count{last}):")
        self._edge(depth + 1, body)

    def _whole(self, depth, body):
        g = self.g
        self._corner(depth, f"o{g.rank - 1}")
        if not self._loops():
            def taps(tap):
                for place in self._places():
                    tap(depth, self._texts(place))
                for name, place in self.carried.values():
                    self.add(depth, f"{name} = {self.read('x', place)}")
        else:
            def taps(tap):
                for d in range(g.rank):
                    reach = (g.kernel[d] - 1) * g.step[d] + 1
                    self.add(depth + d, f"for x{d} in range(y{d}, y{d} + {reach}, {g.step[d]}):")
                tap(depth + g.rank, [f"x{d}" for d in range(g.rank)])
        body(depth, taps, True)

    def _edge(self, depth, body):
        g = self.g

        def taps(tap):
            for d in range(g.rank):
                first, end, _ = g.at_tables[d]
                self.add(depth + d, f"for x{d} in range(meta[{first} + o{d}], meta[{end} + o{d}], {g.step[d]}):")
            tap(depth + g.rank, [f"x{d}" for d in range(g.rank)])
        body(depth, taps, False)

    def outputs(self):
        return [f"o{d}" for d in range(self.g.rank)]

    def flat(self, place):
        text = f"({place[0]})"
        for d in range(1, self.g.rank):
            text = f"({text} * size{d} + {place[d]})"
        return text

    def lowest(self):
        if self.value.startswith("float"):
            return f"{self.value}(-inf)"
        import numpy as np
        return write.literal(int(np.iinfo(self.value).min), self.value)

    def first_place(self, whole):
        """The first tap of the window that lies in the plane."""
        return [f"y{d}" if whole else f"meta[{self.g.at_tables[d][0]} + o{d}]" for d in range(self.g.rank)]

    def tap(self, whole):
        """The number of the tap at y0 + ..., or x0, ..., in its window, as a function of its place's text."""
        numbers = itertools.count()
        if whole and not self._loops():
            return lambda place: next(numbers)
        starts = self.starts()

        def number(place):
            text = "0"
            for d, (start, at) in enumerate(zip(starts, place, strict=True)):
                text = f"({text}) * {self.g.kernel[d]} + ({at} - ({start})) // {self.g.step[d]}"
            return text
        return number

    def starts(self):
        """The first place of the window o0, o1, ..., which may lie outside the plane."""
        return [f"o{d} * {self.g.stride[d]} - {self.request.options['padding'][d]}" for d in range(self.g.rank)]

    def place(self, tap, starts):
        """The coordinates of the tap numbered `tap` of a window that starts there, as texts."""
        place, rest = [], tap
        for d in range(self.g.rank - 1, -1, -1):
            k = f"{rest} % {self.g.kernel[d]}" if d else rest
            rest = f"({rest} // {self.g.kernel[d]})"
            place.insert(0, f"{starts[d]} + ({k}) * {self.g.step[d]}")
        return place

    def where_filled(self, depth):
        """An `if` for windows that have a tap in the plane, where some have none; the depth of what follows."""
        tests = [f"meta[{first} + o{d}] < meta[{end} + o{d}]" for d, (first, end, _) in enumerate(self.g.at_tables)
                 if d in self.g.empty]
        if tests:
            self.suffix = f"_empty{''.join(map(str, self.g.empty))}"
            self.add(depth, f"if {' and '.join(tests)}:")
        return depth + bool(tests)

    def largest(self, depth, taps, whole, first, position, type_):
        """Statements that leave the window's maximum in `best` and position(place) of it in `where_`; NaN beats all."""
        self.add(depth, f"best = {self.lowest()}", f"where_ = {type_}({first})")

        def tap(depth, place):
            self.add(depth, f"v = {self.read('x', place)}")
            self.add(depth, "better = (v > best) | (v != v)" if self.value.startswith("float") else "better = v > best")
            self.add(depth, "best = where(better, v, best)")
            self.add(depth, f"where_ = where(better, {type_}({position(place)}), where_)")
        taps(tap)

    def divisor(self):
        fixed = self.request.options.get("divisor")
        if fixed is not None:
            return f"{self.value}({fixed})"
        return f"{self.value}({' * '.join(f'meta[{t[2]} + o{d}]' for d, t in enumerate(self.g.at_tables))})"

    def scale(self, whole):
        if whole and self.request.options.get("divisor") is None:
            return f"{self.value}({math.prod(self.g.kernel)})"
        return self.divisor()

    def divided(self, text, by):
        """text / by; integers are divided towards zero."""
        if self.value.startswith("float"):
            return f"{text} / {by}"
        return f"where(({text} < 0) != ({by} < 0), {self.value}(-(-({text}) // {by})), {self.value}({text} // {by}))"


def _shape(layout, rank):
    return layout.shape[-rank:]


def _units(k):
    return math.prod(k.g.lead)


def max_pool(request):
    """Launch of the maximum of each window.

    A second output says where it lies: in int64 its flat position in the input plane, else its tap's number.
    """
    (x,), rank = request.inputs, request.options["rank"]
    wanted = {1: "", 2: "_taps"}[len(request.outputs)]
    if wanted and request.outputs[1].dtype.name == "int64":
        wanted = "_indices"
    names = ["x", "out", "at"] if wanted else ["x", "out"]
    k = _Kernel(request, [x], _shape(x, rank), _shape(request.outputs[0], rank), names)

    def body(depth, taps, whole):
        if wanted:
            by_tap = wanted == "_taps"
            k.largest(depth, taps, whole, *(
                (k.tap(whole)(k.first_place(whole)), k.tap(whole), "int32") if by_tap else
                (k.flat(k.first_place(whole)), k.flat, "int64")))
            k.add(depth, k.assign("out", k.outputs(), "best", k.value),
                  f"{k.element('at', k.outputs())} = {k.layouts[2].dtype.name}(where_)")
            return
        k.add(depth, f"best = {k.lowest()}")

        def tap(depth, place):
            k.add(depth, f"v = {k.read('x', place)}")
            if k.value.startswith("float"):
                k.add(depth, "best = where((v > best) | (v != v), v, best)")
            else:
                k.add(depth, "best = where(v > best, v, best)")
        taps(tap)
        k.add(depth, k.assign("out", k.outputs(), "best", k.value))
    k.output_rows(body)
    rows = math.prod(k.g.windows[:-1])
    return k.launch(f"max_pool{rank}d{wanted}", _units(k) * rows,
                    k.g.windows[-1] * (2 + math.prod(k.g.kernel or (4,))), True)


def _clear(k, stored=False):
    """Lines that set the planes of a chunk to zero, in one go, or what no tile covers where all others are `stored`."""
    zero = write.store(write.literal(0, k.value), k.value, k.layouts[-1].dtype.name)
    depth, area = 1, " * ".join(f"size{d}" for d in range(k.g.rank))
    if stored:
        test = " or ".join(f"size{d} != count{d} * {k.g.kernel[d]}" for d in range(k.g.rank))
        k.add(1, f"if {test}:")
        depth = 2
    k.add(depth, f"for i in range(start * {area}, stop * {area}):", f"    out[i] = {zero}")


def spread_taps(request):
    """Launch that adds each window's gradient at its tap; inputs (grad, numbers of taps). A window without taps in the
    plane has none to add to."""
    (grad, tap), rank = request.inputs, request.options["rank"]
    (out,) = request.outputs
    k = _Kernel(request, [grad, tap], _shape(out, rank), _shape(grad, rank), ["grad", "tap", "out"])
    count = math.prod(k.g.kernel)
    narrow = k.g.tiles and count <= UNROLLED
    table = not narrow and count <= LOCAL
    if table:  # of how far taps are from the first one
        far = k.flat(k.place("number", ("0",) * rank))
        k.lines[:0] = ["    far = local_int64()", f"    for number in range({count}):", f"        far[number] = {far}"]
    _clear(k, narrow)
    k.add(1, "for unit in range(start, stop):")
    k.planes("unit")

    def body(depth, taps, whole):
        k.add(depth, f"g = {k.read('grad', k.outputs())}", f"chosen = int32({k.element('tap', k.outputs())})")
        if narrow:  # every tap of a tile is stored, with the gradient or 0, which becomes vector code
            number = k.tap(True)
            taps(lambda depth, place: k.add(depth, k.assign(
                "out", place, f"where(chosen == int32({number(place)}), g, {write.literal(0, k.value)})", k.value)))
            return
        if table:
            place = f"{k.element('out', k.starts())[4:-1]} + far[chosen]"
        else:
            place = k.element("out", k.place("int64(chosen)", k.starts()))[4:-1]
        k.add(depth, f"place = {place}")
        old = write.load("out[place]", k.dtype)
        k.add(depth, f"out[place] = {write.store(f'{old} + g', k.value, k.dtype)}")
    if narrow:
        k.plane_rows(body)
    else:
        for d in range(rank):
            k.add(2 + d, f"for o{d} in range(count{d}):")
        body(k.where_filled(2 + rank), None, False)
    return k.launch(f"spread_taps{rank}d", _units(k), 2 * math.prod(k.g.plane), narrow)


def pick_taps(request):
    """Launch that reads each window's tap, 0 where it has none in the plane; inputs (values, numbers of taps)."""
    (x, tap), rank = request.inputs, request.options["rank"]
    k = _Kernel(request, [x, tap], _shape(x, rank), _shape(tap, rank), ["x", "tap", "out"])
    k.add(1, "for unit in range(start, stop):")
    k.planes("unit")
    for d in range(rank):
        k.add(2 + d, f"for o{d} in range(count{d}):")
    if k.g.empty:
        k.add(2 + rank, k.assign("out", k.outputs(), write.literal(0, k.value), k.value))
    k.add(k.where_filled(2 + rank), f"chosen = int64({k.element('tap', k.outputs())})",
          k.assign("out", k.outputs(), k.read("x", k.place("chosen", k.starts())), k.value))
    return k.launch(f"pick_taps{rank}d", _units(k), 2 * math.prod(k.g.plane), True)


def scatter_planes(request):
    """Launch that adds inputs[0] at the flat positions inputs[1] of each output plane."""
    (grad, at), rank = request.inputs, request.options["rank"]
    windows = _shape(grad, rank)
    k = _Kernel(request, [grad, at], _shape(request.outputs[0], rank), windows, ["grad", "at", "out"])
    _clear(k)
    k.add(1, "for unit in range(start, stop):")
    k.planes("unit")
    k.add(2, "area = " + " * ".join(f"size{d}" for d in range(rank)))
    for d in range(rank):
        k.add(2 + d, f"for o{d} in range(count{d}):")
    k.add(2 + rank, f"position = {k.element('at', k.outputs())}", "if position >= 0 and position < area:")
    value = k.read("grad", k.outputs())
    if request.options["add"]:
        value = f"{write.load('out[at_out + position]', k.dtype)} + {value}"
    k.add(3 + rank, f"out[at_out + position] = {write.store(value, k.value, k.dtype)}")
    return k.launch(f"{'add' if request.options['add'] else 'put'}_planes{rank}d", _units(k), 2 * math.prod(k.g.plane))


def avg_pool(request):
    """Launch of the mean of each window."""
    (x,), rank = request.inputs, request.options["rank"]
    k = _Kernel(request, [x], _shape(x, rank), _shape(request.outputs[0], rank), ["x", "out"])

    def body(depth, taps, whole):
        k.add(depth, f"total = {write.literal(0, k.value)}")
        taps(lambda depth, place: k.add(depth, f"total = total + {k.read('x', place)}"))
        k.add(depth, k.assign("out", k.outputs(), k.divided("total", k.scale(whole)), k.value))
    k.output_rows(body)
    rows = math.prod(k.g.windows[:-1])
    return k.launch(_average_name(k, ""), _units(k) * rows, k.g.windows[-1] * (2 + math.prod(k.g.kernel or (4,))), True)


def avg_pool_backward(request):
    """Launch that spreads each window's gradient over its elements."""
    (grad,), rank = request.inputs, request.options["rank"]
    k = _Kernel(request, [grad], _shape(request.outputs[0], rank), _shape(grad, rank), ["grad", "out"])
    _clear(k, k.g.tiles)
    k.add(1, "for unit in range(start, stop):")
    k.planes("unit")

    def body(depth, taps, whole):
        if k.g.kernel is None and k.value != k.dtype:  # narrow floats are rounded dimension by dimension, as in PyTorch
            k.add(depth, f"g = {k.read('grad', k.outputs())}")
            for d, table in enumerate(k.g.at_tables):
                share = write.store(f"g / {k.value}(meta[{table[2]} + o{d}])", k.value, k.dtype)
                k.add(depth, f"g = {write.load(share, k.dtype)}")
        else:
            k.add(depth, f"g = {k.divided(k.read('grad', k.outputs()), k.scale(whole))}")

        def tap(depth, place):
            value = "g" if k.g.tiles else f"{k.read('out', place)} + g"
            k.add(depth, k.assign("out", place, value, k.value))
        taps(tap)
    k.plane_rows(body)
    return k.launch(_average_name(k, "_backward"), _units(k), 2 * math.prod(k.g.plane), k.g.tiles)


def _average_name(k, suffix):
    divisor = k.request.options.get("divisor")
    own = "" if divisor is None else f"_by{divisor}".replace("-", "m")
    return f"avg_pool{k.g.rank}d{suffix}{own}"
