"""Running totals of a kernel: how each row function starts, takes an element and joins two parts of a row.

Sums of float32 run in float64. The threads of a block join their totals in a fixed tree, so results are the same in
every run.
"""

import math

import numpy as np

from ..expr import write

WIDE = {"float32": "float64", "complex64": "complex128", "bool": "int64", "uint8": "int64", "int8": "int64",
        "int16": "int64", "int32": "int64"}


class Total:
    """The total of a row function over values of a type: `kept` is the type it runs in, `result` that of its value."""

    def __init__(self, op, type_):
        self.op, self.type = op, type_
        self.kept = self.result = type_
        if op in ("row_sum", "row_prod"):
            self.kept = WIDE.get(type_, type_)
            self.result = "int64" if self.kept == "int64" else type_
        elif op == "row_first":
            self.kept = self.result = "int64"
        elif op in ("row_any", "row_all") or type_ == "bool":
            self.kept, self.result = "uint8", "bool"

    def start(self):
        """Text of the total of no elements."""
        if self.op == "row_first":
            return "length"
        if self.op in ("row_sum", "row_prod"):
            return write.literal(0 if self.op == "row_sum" else 1, self.kept)
        if self.kept == "uint8" and self.result == "bool":
            return "uint8(0)" if self.op in ("row_any", "row_max") else "uint8(1)"
        largest = self.op == "row_max"
        if self.kept.startswith("float"):
            return write.literal(-math.inf if largest else math.inf, self.kept)
        info = np.iinfo(self.kept)
        return write.literal(info.min if largest else info.max, self.kept)

    def taken(self, text, index):
        """Text of an element as it enters the total."""
        if self.op == "row_first":
            return f"{index} if {write.convert(text, self.type, 'bool')} else length"
        if self.result == "bool":
            return f"uint8({write.convert(text, self.type, 'bool')})"
        return write.convert(text, self.type, self.kept)

    def joined(self, a, b):
        """Text of two totals as one."""
        if self.op in ("row_sum", "row_prod"):
            return f"{a} {'+' if self.op == 'row_sum' else '*'} {b}"
        if self.op == "row_first":
            return f"min({a}, {b})"
        if self.result == "bool":
            return f"uint8({a} {'|' if self.op in ('row_any', 'row_max') else '&'} {b})"
        if self.kept.startswith("float"):
            return f"{self.op[4:]}imum({a}, {b})"
        return f"{a} if {a} {'>' if self.op == 'row_max' else '<'} {b} else {b}"

    def value(self, text):
        """Text of the row function's value."""
        return f"{text} != 0" if self.result == "bool" else write.convert(text, self.kept, self.result)

    def function(self, form):
        """The name of the helper that joins the totals of a row's threads."""
        return f"{form}_{self.op[4:]}_{self.kept}"

    def helper(self, form):
        """The text of that helper, which gives all threads of a row their total.

        form: "warp", the warp; "block<n>", n threads, warps first; "columns", those of 256 that have the same lane.
        """
        pad, deep, name = "    ", "        ", self.function(form)
        lines = [f"def {name}(value):"]
        if form != "columns":
            lines += [f"{pad}half = int64(16)", f"{pad}while half > 0:", f"{deep}other = shuffle_xor(value, half)",
                      f"{deep}value = {self._same('value', 'other')}", f"{deep}half = half >> 1"]
        if form != "warp":
            rows = 8 if form == "columns" else int(form[5:]) // 32
            place, test = ("thread", "") if form == "columns" else ("thread >> 5", f"{pad}if thread & 31 == 0:")
            start, step = ("thread & 31", 32) if form == "columns" else ("0", 1)
            lines += [f"{pad}store = shared_{self.kept}()", f"{pad}thread = thread_index()", f"{pad}barrier()",
                      *([test] if test else []), f"{pad}{pad if test else ''}store[{place}] = value", f"{pad}barrier()",
                      f"{pad}value = store[{start}]", f"{pad}k = int64(1)", f"{pad}while k < {rows}:",
                      f"{deep}other = store[({start}) + k * {step}]", f"{deep}value = {self._same('value', 'other')}",
                      f"{deep}k = k + 1"]
        return [*lines, f"{pad}return value", "", ""]

    def _same(self, a, b):
        """`joined`, of the type of the totals."""
        return self.joined(a, b) if self.kept.startswith("complex") else f"{self.kept}({self.joined(a, b)})"
