"""Arithmetic for steps of Fourier transforms (fft_kernels.py): complex vectors, butterflies of any radix, and loads."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .fft_tables import unit_roots
from .irwriter import Module, Value
from .microkernel import Target

PARAMETERS = [("source", "ptr"), ("target", "ptr"), ("work", "ptr"), ("record", "ptr noalias"), ("lanes", "i64"),
              ("unit", "i64")]  # fmt: skip
WORK, SOURCE, TARGET = 0, 1, 2  # where a step reads or writes, as a field of its record


class Complex(NamedTuple):
    """Real and imaginary parts."""

    re: Value
    im: Value


class Writer:
    """A step under construction: arithmetic on vectors, and the fields of its record by name."""

    def __init__(self, module: Module, name: str, target: Target, fields: Sequence[str]) -> None:
        self.f = f = module.function(name, PARAMETERS)
        self.target = target
        self.source, self.result, self.work, self.record, self.lanes, self.unit = f.parameters
        self.field = {n: f.load("i64", f.offset(self.record, 8 + 8 * i), 8) for i, n in enumerate(fields)}
        self.point_bytes = 2 * target.vector_bytes

    # Arithmetic

    def constant(self, value: float) -> Value:
        """A vector of one number, rounded to the element type."""
        if self.target.bytes == 4:
            value = struct.unpack("f", struct.pack("f", value))[0]
        text = f"{self.target.element} 0x{struct.unpack('>Q', struct.pack('>d', value))[0]:016X}"
        return Value(self.f, self.target.vector, "<" + ", ".join([text] * self.target.lanes) + ">")

    def _two(self, instruction: str, x: Value, y: Value) -> Value:
        return self.f.emit(x.type, f"{instruction} {x.type} {x.text}, {y.text}")

    def plus(self, x: Value, y: Value) -> Value:
        return self._two("fadd", x, y)

    def minus(self, x: Value, y: Value) -> Value:
        return self._two("fsub", x, y)

    def times(self, x: Value, y: Value) -> Value:
        return self._two("fmul", x, y)

    def negated(self, x: Value) -> Value:
        return self.f.emit(x.type, f"fneg {x.type} {x.text}")

    def fused(self, x: Value, y: Value, z: Value) -> Value:
        """x * y + z, rounded once."""
        return self.f.intrinsic(x.type, f"llvm.fma.v{self.target.lanes}f{self.target.bytes * 8}", [x, y, z])

    def add(self, x: Complex, y: Complex) -> Complex:
        return Complex(self.plus(x.re, y.re), self.plus(x.im, y.im))

    def subtract(self, x: Complex, y: Complex) -> Complex:
        return Complex(self.minus(x.re, y.re), self.minus(x.im, y.im))

    def multiply(self, x: Complex, w: Complex) -> Complex:
        re = self.fused(x.re, w.re, self.negated(self.times(x.im, w.im)))
        return Complex(re, self.fused(x.re, w.im, self.times(x.im, w.re)))

    def rotate(self, x: Complex, k: int, n: int) -> Complex:
        """x * exp(-2 pi i k / n), a constant."""
        k %= n
        if 4 * k % n == 0:
            quarter = 4 * k // n
            re, im = (x.re, x.im) if quarter % 2 == 0 else (x.im, x.re)
            if quarter in (2, 3):
                re = self.negated(re)
            return Complex(re, self.negated(im) if quarter in (1, 2) else im)
        if 8 * k % n == 0:
            half = self.constant(math.sqrt(0.5))
            eighth = 8 * k // n
            total, difference = self.plus(x.re, x.im), self.minus(x.im, x.re)
            re, im = {1: (total, difference), 3: (difference, self.negated(total)),
                      5: (self.negated(total), self.negated(difference)),
                      7: (self.negated(difference), total)}[eighth]  # fmt: skip
            return Complex(self.times(re, half), self.times(im, half))
        return self.multiply(x, self.root(k, n))

    def root(self, k: int, n: int) -> Complex:
        """exp(-2 pi i k / n) in all lanes."""
        return Complex(*(self.constant(float(part)) for part in unit_roots(np.array(k), n)))

    def transform(self, x: list[Complex]) -> list[Complex]:
        """The Fourier transform of a list of vectors, in order."""
        n = len(x)
        if n == 1:
            return x
        if n == 2:
            return [self.add(*x), self.subtract(*x)]
        if n == 4:
            a, b = self.add(x[0], x[2]), self.subtract(x[0], x[2])
            c, d = self.add(x[1], x[3]), self.subtract(x[1], x[3])
            return [self.add(a, c), Complex(self.plus(b.re, d.im), self.minus(b.im, d.re)), self.subtract(a, c),
                    Complex(self.minus(b.re, d.im), self.plus(b.im, d.re))]  # fmt: skip
        radix = next((r for r in (4, 2, 3, 5, 7, 11, 13) if n % r == 0), n)
        if radix == n:
            return self._odd(x)
        if n == 8:
            radix = 2
        rest, result = n // radix, [x[0]] * n
        columns = [self.transform([x[p + rest * k] for k in range(radix)]) for p in range(rest)]
        for k in range(radix):
            row = [self.rotate(columns[p][k], p * k, n) for p in range(rest)]
            result[k::radix] = self.transform(row)
        return result

    def _odd(self, x: list[Complex]) -> list[Complex]:
        """A prime number of points: sums with cosines of x[j] + x[p - j], and with sines of x[j] - x[p - j]."""
        p, half = len(x), len(x) // 2
        sums = [self.add(x[j], x[p - j]) for j in range(1, half + 1)]
        differences = [self.subtract(x[j], x[p - j]) for j in range(1, half + 1)]
        total = x[0]
        for s in sums:
            total = self.add(total, s)
        result = [total] * p
        for k in range(1, half + 1):
            even, odd = x[0], None
            for j, (s, d) in enumerate(zip(sums, differences, strict=True), 1):
                cosine, sine = self.root(-j * k, p)
                even = Complex(self.fused(s.re, cosine, even.re), self.fused(s.im, cosine, even.im))
                if odd is None:
                    odd = Complex(self.times(d.re, sine), self.times(d.im, sine))
                else:
                    odd = Complex(self.fused(d.re, sine, odd.re), self.fused(d.im, sine, odd.im))
            assert odd is not None
            result[k] = Complex(self.plus(even.re, odd.im), self.minus(even.im, odd.re))
            result[p - k] = Complex(self.minus(even.re, odd.im), self.plus(even.im, odd.re))
        return result

    # Memory

    def base(self, place: str) -> Value:
        """The address that a field names: WORK, SOURCE or TARGET."""
        f, which = self.f, self.field[place]
        return f.select(which.equals(WORK), self.work, f.select(which.equals(SOURCE), self.source, self.result))

    def pointer(self, name: str) -> Value:
        """A field that holds an address."""
        return self.f.emit("ptr", f"inttoptr i64 {self.field[name].text} to ptr")

    def number(self, name: str) -> Value:
        """A vector of the float64 whose bits a field holds, in the element type."""
        f, text = self.f, self.field[name].text
        value = f.emit("double", f"bitcast i64 {text} to double")
        if self.target.bytes == 4:
            value = f.emit("float", f"fptrunc double {value.text} to float")
        return f.splat(value, self.target.lanes)

    def load_point(self, at: Value) -> Complex:
        f, t = self.f, self.target
        return Complex(f.load(t.vector, at, t.vector_bytes),
                       f.load(t.vector, f.offset(at, t.vector_bytes), t.vector_bytes))  # fmt: skip

    def store_point(self, value: Complex, at: Value) -> None:
        f, t = self.f, self.target
        f.store(value.re, at, t.vector_bytes)
        f.store(value.im, f.offset(at, t.vector_bytes), t.vector_bytes)

    def load_scalar(self, at: Value) -> Complex:
        """One complex number in all lanes."""
        f, t = self.f, self.target
        return Complex(*(f.splat(f.load(t.element, f.offset(at, i * t.bytes), t.bytes), t.lanes) for i in (0, 1)))

    def masks(self, count: Value) -> list[Value]:
        """Masks of two vectors for `count` complex numbers."""
        lanes = self.target.lanes
        return [self.f.lanes_between(lanes, None, count * 2 - i * lanes) for i in (0, 1)]

    def load_numbers(self, at: Value, masks: list[Value] | None, swapped: bool) -> Complex:
        """As many complex numbers as there are lanes from memory, taken apart; `swapped` exchanges the parts."""
        f, t = self.f, self.target
        places = [at, f.offset(at, t.vector_bytes)]
        if masks is None:
            low, high = (f.load(t.vector, p, t.bytes) for p in places)
        else:
            low, high = (f.masked_load(t.vector, p, t.bytes, m) for p, m in zip(places, masks, strict=True))
        even = f.shuffle(low, high, range(0, 2 * t.lanes, 2))
        odd = f.shuffle(low, high, range(1, 2 * t.lanes, 2))
        return Complex(odd, even) if swapped else Complex(even, odd)

    def store_numbers(self, value: Complex, at: Value, masks: list[Value] | None, swapped: bool) -> None:
        f, t = self.f, self.target
        first, second = (value.im, value.re) if swapped else value
        order = [i // 2 + (i % 2) * t.lanes for i in range(2 * t.lanes)]
        for i in (0, 1):
            part = f.shuffle(first, second, order[i * t.lanes:(i + 1) * t.lanes])
            there = f.offset(at, i * t.vector_bytes)
            if masks is None:
                f.store(part, there, t.bytes)
            else:
                f.masked_store(part, there, t.bytes, masks[i])

    def transpose(self, rows: list[Value]) -> list[Value]:
        """The square transpose of as many vectors as they have lanes: first within 16-byte pieces, then of the pieces.

        Such shuffles stay within pieces or move whole ones: twice the rate of any others on x86.
        """
        f, lanes = self.f, self.target.lanes
        piece = min(lanes, 16 // self.target.bytes)
        current, stage = list(rows), 1
        while stage < piece:  # neighbours' units of `stage` elements, interleaved
            following = list(current)
            for i in (i for i in range(lanes) if not i & stage):
                first, second = current[i], current[i | stage]
                low, high = self._interleaved(piece, stage)
                following[i], following[i | stage] = f.shuffle(first, second, low), f.shuffle(first, second, high)
            current, stage = following, 2 * stage
        # Row `piece` * g + j now holds column m * piece + j of the rows of group g in its piece m, bits of j reversed.
        bits = piece.bit_length() - 1
        result: list[Value] = [rows[0]] * lanes
        for j in range(piece):
            place = int(f"{j:0{bits}b}"[::-1], 2) if bits else 0
            group = [current[piece * g + j] for g in range(lanes // piece)]
            for m, row in enumerate(self._turned_pieces(group, piece)):
                result[m * piece + place] = row
        return result

    def _interleaved(self, piece: int, stage: int) -> tuple[list[int], list[int]]:
        """Within each piece the units of the first halves of two vectors alternate; of the second halves."""
        lanes, both = self.target.lanes, []
        for start in (0, piece // 2):
            order = []
            for base in range(0, lanes, piece):
                for unit in range(base + start, base + start + piece // 2, stage):
                    order += [x + shift for shift in (0, lanes) for x in range(unit, unit + stage)]
            both.append(order)
        return both[0], both[1]

    def _turned_pieces(self, group: list[Value], piece: int) -> list[Value]:
        """The square transpose of whole pieces of 1, 2 or 4 vectors."""
        f, count = self.f, len(group)
        if count == 1:
            return group

        def picked(first: Value, second: Value, *pieces: int) -> Value:
            chosen = [*pieces, *(count + p for p in pieces)]
            return f.shuffle(first, second, [p * piece + x for p in chosen for x in range(piece)])
        if count == 2:
            first, second = group
            return [picked(first, second, 0), picked(first, second, 1)]
        a, b, c, d = group
        fronts, backs = (picked(a, b, 0, 1), picked(c, d, 0, 1)), (picked(a, b, 2, 3), picked(c, d, 2, 3))
        return [picked(*pair, *pieces) for pair in (fronts, backs) for pieces in ((0, 2), (1, 3))]
