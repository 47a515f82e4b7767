"""Where the windows of a pooling request lie, and the tables that tell its kernels (window.py)."""

from . import geometry

LANES = (16, 8, 4)  # windows that become one step of vector code; rows end with a step over windows done before


class Geometry:
    """Where the windows of a request lie, and the meta block that says so."""

    def __init__(self, request, inputs, plane, windows):
        options = request.options
        self.rank = rank = len(plane)
        self.plane, self.windows = plane, windows
        self.step = options["dilation"]  # between the taps of a window
        self.kernel, self.stride = options["kernel"], options["stride"]
        self.inside = [(0, 0)] * rank
        tables = []
        for d in range(rank):
            starts, ends, counts, ok = _spans(options, d, plane[d], windows[d])
            tables.append((starts, ends, counts))
            if self.kernel is not None and ok:
                self.inside[d] = (ok[0], ok[-1] + 1)
        self.empty = [d for d, (starts, ends, _) in enumerate(tables) if any(map(int.__ge__, starts, ends))]
        if any(lo == hi for lo, hi in self.inside):
            self.inside = [(0, 0)] * rank
        self.whole = all(span == (0, n) for span, n in zip(self.inside, windows, strict=True))
        self.tiles = self.whole and self.kernel == self.stride and set(self.step) == {1}  # windows never overlap
        tensors = list(inputs) + list(request.outputs)
        self.rows = [t.strides if t.ndim == rank + 2 else (0, *t.strides) for t in tensors]
        self.last = [geometry.stride_class(r[-1]) for r in self.rows]
        low, high = self.inside[-1]
        # Steps that only the run knows make no vector code faster, and of some LLVM says on stderr that it makes none.
        self.lanes = 1 if "n" in self.last else next((n for n in LANES if n <= high - low), 1)
        first = tensors[0]
        self.lead = first.shape[:2] if first.ndim == rank + 2 else (1, first.shape[0])
        # Planes at even steps are found without a division, which costs as much as a small plane.
        self.even = all(r[0] == self.lead[1] * r[1] for r in self.rows)
        # meta: channels, plane sizes, window counts, inside ranges, tensor strides, tables
        self.values = [self.lead[1], *plane, *windows]
        self.at_inside = len(self.values)
        for span in self.inside:
            self.values += span
        self.at_rows = [len(self.values) + k * (rank + 2) for k in range(len(self.rows))]
        for r in self.rows:
            self.values += r
        self.at_tables = []  # as text, in terms of the window counts: other sizes need no other kernel
        start = str(len(self.values))
        for d, table in enumerate(tables):
            self.at_tables.append((start, f"{start} + count{d}", f"{start} + 2 * count{d}"))
            start = f"{start} + 3 * count{d}"
            for column in table:
                self.values += column

    def code(self):
        """A name part for everything that is constant in the source."""
        shape = "adaptive" if self.kernel is None else "_".join(
            "x".join(map(str, v)) for v in (self.kernel, self.stride, self.step))
        return f"{shape}_{'whole' if self.whole else 'edges'}_{'even_' * self.even}{''.join(self.last)}"


def _spans(options, d, size, count):
    """Per window of dimension d: first tap, end of taps, elements that an average divides by; windows fully inside."""
    starts, ends, counts, inside = [], [], [], []
    for o in range(count):
        if options["kernel"] is None:
            start, end = o * size // count, -(-(o + 1) * size // count)
            starts.append(start), ends.append(end), counts.append(end - start)
            continue
        k, step, pad = options["kernel"][d], options["dilation"][d], options["padding"][d]
        start = o * options["stride"][d] - pad
        end = start + (k - 1) * step + 1
        if start >= 0 and end <= size:
            inside.append(o)
        padded = min(end, size + pad) - start
        first = start if start >= 0 else start + -(start // step) * step
        starts.append(first), ends.append(min(end, size))
        counts.append(padded if options.get("count_include_pad") else max(0, min(end, size) - max(start, 0)))
    if options["kernel"] is not None and options.get("divisor") is None and options.get("average"):
        inside = [o for o in inside if counts[o] == options["kernel"][d]]
    return starts, ends, [max(1, c) for c in counts], inside
