"""Template of pooling: each output looks at a window of its input plane; a thread an element of the result.

Gradients are gathered: a thread has one element of the input and adds up what the windows over it give, in their
order. Window sizes, strides and dilations are constants in the source.
"""

import math

from ..dtypes import int64
from ..expr import write
from . import geometry
from .launching import launch

BLOCK = 256


class _Text:
    """One kernel's text in the making. `tensors`: {name: Layout} in the order of the call."""

    def __init__(self, options, label, tensors, plane, windows):
        self.options, self.tensors, self.rank = options, tensors, options["rank"]
        self.label, self.lines, self.pad = label, [], " " * 8
        self.dtype = next(iter(tensors.values())).dtype.name
        self.value = write.compute_type(self.dtype)
        self.numbers = geometry.Parameters()
        first = next(iter(tensors.values()))
        self.lead = first.shape[:-self.rank] if first.ndim == self.rank + 2 else (1, *first.shape[:-self.rank])
        for d in range(self.rank):
            self.numbers.add(f"size{d}", plane[d])
            self.numbers.add(f"count{d}", windows[d])
        for name, own in tensors.items():
            strides = own.strides if own.ndim == self.rank + 2 else (0, *own.strides)
            for k, stride in enumerate(strides):
                self.numbers.add(f"step{k}_{name}", stride)

    def add(self, depth, *lines):
        """Lines inside of `depth` loops."""
        self.lines += [self.pad + "    " * depth + line for line in lines]

    def coordinates(self, letter, bound):
        """The thread's coordinates in a plane and the plane's place in each tensor, from its number."""
        self.add(0, "rest = unit")
        for d in range(self.rank - 1, -1, -1):
            self.add(0, f"{letter}{d} = rest % {bound}{d}", f"rest = rest // {bound}{d}")
        self.planes("rest")

    def planes(self, counter):
        """The place of plane number `counter` in each tensor."""
        self.add(0, f"channel = {counter} % channels", f"sample = {counter} // channels")
        for name in self.tensors:
            self.add(0, f"at_{name} = sample * step0_{name} + channel * step1_{name}")

    def element(self, name, letter):
        """name[...] at the coordinates that begin with a letter."""
        terms = [f"at_{name}", *(f"{letter}{d} * step{d + 2}_{name}" for d in range(self.rank))]
        return f"{name}[{' + '.join(terms)}]"

    def read(self, name, letter):
        """The text of a value."""
        return write.load(self.element(name, letter), self.tensors[name].dtype.name)

    def store(self, depth, name, letter, text, type_):
        """Store a value."""
        self.add(depth, f"{self.element(name, letter)} = {write.store(text, type_, self.tensors[name].dtype.name)}")

    def window(self, depth):
        """first0, end0, ...: the taps inside the input of the window o0, o1, ..."""
        o = self.options
        for d in range(self.rank):
            if o["kernel"] is None:
                self.add(depth, f"first{d} = o{d} * size{d} // count{d}",
                         f"end{d} = ((o{d} + 1) * size{d} + count{d} - 1) // count{d}")
                continue
            reach = (o["kernel"][d] - 1) * o["dilation"][d] + 1
            self.add(depth, f"start{d} = o{d} * {o['stride'][d]} - {o['padding'][d]}",
                     f"first{d} = start{d} if start{d} >= 0 else start{d} % {o['dilation'][d]}",
                     f"end{d} = min(start{d} + {reach}, size{d})")

    def taps(self, depth, body):
        """Loops over the taps x0, x1, ... of a window; body(depth) writes the innermost statements."""
        for d in range(self.rank):
            self.add(depth + d, f"x{d} = first{d}", f"while x{d} < end{d}:")
        body(depth + self.rank)
        for d in range(self.rank - 1, -1, -1):
            self.add(depth + d + 1, f"x{d} = x{d} + {self.options['dilation'][d]}")

    def covering(self, body):
        """Loops over the windows o0, o1, ... that have the element p0, p1, ... among their taps, in order."""
        o, depth = self.options, 0
        for d in range(self.rank):
            if o["kernel"] is None:
                low, high = f"p{d} * count{d} // size{d}", f"((p{d} + 1) * count{d} - 1) // size{d}"
            else:
                kernel, stride, step, pad = (o[k][d] for k in ("kernel", "stride", "dilation", "padding"))
                low = f"max(int64(0), (p{d} + {pad - (kernel - 1) * step + stride - 1}) // {stride})"
                high = f"min((p{d} + {pad}) // {stride}, count{d} - 1)"
            self.add(depth, f"o{d} = {low}", f"last{d} = {high}", f"while o{d} <= last{d}:")
            depth += 1
        tests = [f"(p{d} + {o['padding'][d]} - o{d} * {o['stride'][d]}) % {o['dilation'][d]} == 0"
                 for d in range(self.rank) if o["kernel"] is not None and o["dilation"][d] > 1]
        if tests:
            self.add(depth, f"if {' and '.join(tests)}:")
        body(depth + bool(tests))
        for d in range(self.rank - 1, -1, -1):
            self.add(d + 1, f"o{d} = o{d} + 1")

    def flat(self, letter):
        """The position of coordinates in their plane."""
        text = f"{letter}0"
        for d in range(1, self.rank):
            text = f"({text}) * size{d} + {letter}{d}"
        return text

    def tap(self, letter):
        """The number in the window at start0, ... of the tap at coordinates."""
        text = "int64(0)"
        for d, (kernel, step) in enumerate(zip(self.options["kernel"], self.options["dilation"], strict=True)):
            text = f"({text}) * {kernel} + ({letter}{d} - start{d}) // {step}"
        return text

    def lowest(self):
        """Text of a number below all others."""
        if self.value.startswith("float"):
            return f"{self.value}(-inf)"
        import numpy as np
        return write.literal(int(np.iinfo(self.value).min), self.value)

    def divisor(self):
        """Text of what an average divides by."""
        o = self.options
        if o.get("divisor") is not None:
            return f"{self.value}({o['divisor']})"
        counts = []
        for d in range(self.rank):
            if o["kernel"] is not None and o["count_include_pad"]:
                counts.append(f"max(int64(1), min(start{d} + {o['kernel'][d]}, size{d} + {o['padding'][d]}) - "
                              f"start{d})")
            else:
                counts.append(f"max(int64(1), end{d} - first{d})")
        return f"{self.value}({' * '.join(counts)})"

    def divided(self, text, by):
        """text / by; integers are divided towards zero."""
        if self.value.startswith("float"):
            return f"{text} / {by}"
        return f"where(({text} < 0) != ({by} < 0), {self.value}(-(-({text}) // {by})), {self.value}({text} // {by}))"

    def finished(self, units):
        """(name, text, signature, values) of the kernel over so many units."""
        self.numbers.add("channels", self.lead[1])
        self.numbers.add("units", units)
        o = self.options
        shape = "adaptive" if o["kernel"] is None else "_".join(
            "x".join(map(str, o[k])) for k in ("kernel", "stride", "padding", "dilation"))
        extra = "".join(f"_{'pad' if k == 'count_include_pad' else f'by{o[k]}'.replace('-', 'm')}"
                        for k in ("count_include_pad", "divisor") if o.get(k))
        name = f"{self.label}{self.rank}d_{self.dtype}_{shape}{extra}"
        head = [f"def {name}({', '.join([*self.tensors, *self.numbers.names])}):", "    unit = grid()",
                "    if unit < units:"]
        signature = (*(f"{write.storage(t.dtype.name)}*" for t in self.tensors.values()), *self.numbers.types)
        return name, "\n".join([*head, *self.lines]) + "\n", signature, self.numbers.values


def _spatial(layout, rank):
    return layout.shape[-rank:]


def _launched(text, device, units):
    name, source, signature, values = text.finished(units)
    return launch(name, source, signature, device, values, units, BLOCK)


def max_pool(request):
    """The maximum of each window; a second output says where: its flat position in int64, else its tap's number."""
    (x,), out, options = request.inputs, request.outputs[0], request.options
    at = request.outputs[1] if len(request.outputs) == 2 else None
    by_tap = at is not None and at.dtype is not int64
    results = {"out": out} if at is None else {"out": out, "at": at}
    text = _Text(options, f"max_pool_values{'' if at is None else '_taps' if by_tap else '_places'}",
                 {"x": x, **results}, _spatial(x, options["rank"]), _spatial(out, options["rank"]))
    text.coordinates("o", "count")
    text.window(0)
    text.add(0, f"best = {text.lowest()}")
    place = text.tap("x") if by_tap else text.flat("x")
    if at is not None:
        text.add(0, *(f"x{d} = first{d}" for d in range(text.rank)), f"place = {place}")

    def look(depth):
        text.add(depth, f"v = {text.read('x', 'x')}")
        text.add(depth, "better = (v > best) | (v != v)" if text.value.startswith("float") else "better = v > best",
                 "best = where(better, v, best)")
        if at is not None:
            text.add(depth, f"place = where(better, {place}, place)")
    text.taps(0, look)
    text.store(0, "out", "o", "best", text.value)
    if at is not None:
        text.add(0, f"{text.element('at', 'o')} = {at.dtype.name}(place)")
    return _launched(text, out.device, out.numel)


def spread_taps(request):
    """Each window's gradient at its tap; inputs (grad, numbers of taps)."""
    (grad, tap), (out,), options = request.inputs, request.outputs, request.options
    text = _Text(options, "spread_taps", {"grad": grad, "tap": tap, "out": out},
                 _spatial(out, options["rank"]), _spatial(grad, options["rank"]))
    text.coordinates("p", "size")
    text.add(0, f"total = {write.literal(0, text.value)}")
    text.covering(lambda depth: text.add(
        depth, *(f"start{d} = o{d} * {options['stride'][d]} - {options['padding'][d]}" for d in range(text.rank)),
        f"if int64({text.element('tap', 'o')}) == {text.tap('p')}:", f"    total = total + {text.read('grad', 'o')}"))
    text.store(0, "out", "p", "total", text.value)
    return _launched(text, out.device, out.numel)


def pick_taps(request):
    """The element of each window that its tap names, 0 outside the plane; inputs (values, numbers of taps)."""
    (x, tap), (out,), options = request.inputs, request.outputs, request.options
    text = _Text(options, "pick_taps", {"x": x, "tap": tap, "out": out}, _spatial(x, options["rank"]),
                 _spatial(out, options["rank"]))
    text.coordinates("o", "count")
    text.add(0, f"rest = int64({text.element('tap', 'o')})")
    for d in range(text.rank - 1, -1, -1):
        kernel, stride, step, pad = (options[k][d] for k in ("kernel", "stride", "dilation", "padding"))
        text.add(0, f"x{d} = o{d} * {stride} - {pad} + rest % {kernel} * {step}", f"rest = rest // {kernel}")
    text.add(0, f"value = {write.literal(0, text.value)}",
             f"if {' and '.join(f'0 <= x{d} < size{d}' for d in range(text.rank))}:",
             f"    value = {text.read('x', 'x')}")
    text.store(0, "out", "o", "value", text.value)
    return _launched(text, out.device, out.numel)


def scatter_planes(request):
    """inputs[0] added (or put) at the flat positions inputs[1] of each output plane; a thread a plane, in order."""
    (grad, at), (out,), rank = request.inputs, request.outputs, request.options["rank"]
    add = request.options["add"]
    text = _Text(request.options, f"{'add' if add else 'put'}_planes", {"grad": grad, "at": at, "out": out},
                 _spatial(out, rank), _spatial(grad, rank))
    text.planes("unit")
    zero = write.store(write.literal(0, text.value), text.value, text.dtype)
    text.add(0, "area = " + " * ".join(f"size{d}" for d in range(rank)), "i = int64(0)", "while i < area:",
             f"    out[at_out + i] = {zero}", "    i = i + 1")
    for d in range(rank):
        text.add(d, f"o{d} = int64(0)", f"while o{d} < count{d}:")
    value = text.read("grad", "o")
    if add:
        value = f"{write.load('out[at_out + place]', text.dtype)} + {value}"
    text.add(rank, f"place = {text.element('at', 'o')}", "if place >= 0 and place < area:",
             f"    out[at_out + place] = {write.store(value, text.value, text.dtype)}")
    for d in range(rank - 1, -1, -1):
        text.add(d + 1, f"o{d} = o{d} + 1")
    return _launched(text, out.device, math.prod(text.lead))


def avg_pool(request):
    """The mean of each window."""
    (x,), (out,), rank = request.inputs, request.outputs, request.options["rank"]
    text = _Text(request.options, "avg_pool", {"x": x, "out": out}, _spatial(x, rank), _spatial(out, rank))
    text.coordinates("o", "count")
    text.window(0)
    text.add(0, f"total = {write.literal(0, text.value)}")
    text.taps(0, lambda depth: text.add(depth, f"total = total + {text.read('x', 'x')}"))
    text.store(0, "out", "o", text.divided("total", text.divisor()), text.value)
    return _launched(text, out.device, out.numel)


def avg_pool_backward(request):
    """Each window's gradient, divided, at all of its elements."""
    (grad,), (out,), rank = request.inputs, request.outputs, request.options["rank"]
    text = _Text(request.options, "avg_pool_backward", {"grad": grad, "out": out}, _spatial(out, rank),
                 _spatial(grad, rank))
    text.coordinates("p", "size")
    text.add(0, f"total = {write.literal(0, text.value)}")

    def share(depth):
        text.window(depth)
        text.add(depth, f"total = total + {text.divided(text.read('grad', 'o'), text.divisor())}")
    text.covering(share)
    text.store(0, "out", "p", "total", text.value)
    return _launched(text, out.device, out.numel)
