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

    @property
    def function(self):
        """The name of the helper that joins the totals of a block."""
        return f"block_{self.op[4:]}_{self.kept}"

    def helper(self, block):
        """The text of that helper: halves of the block are joined until one total is left, which all threads get."""
        pad = "    "
        return [f"def {self.function}(value):", f"{pad}store = shared_{self.kept}()", f"{pad}thread = thread_index()",
                f"{pad}barrier()", f"{pad}store[thread] = value", f"{pad}barrier()", f"{pad}half = int64({block // 2})",
                f"{pad}while half > 0:", f"{pad * 2}if thread < half:", f"{pad * 3}one = store[thread]",
                f"{pad * 3}other = store[thread + half]",
                f"{pad * 3}store[thread] = {self.joined('one', 'other')}", f"{pad * 2}barrier()",
                f"{pad * 2}half = half >> 1", f"{pad}return store[0]", "", ""]
