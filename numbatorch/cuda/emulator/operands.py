"""Operands as functions of the state, and the table of instructions.

A builder of the table takes the code and an instruction, and returns `run(state, mask)`: what the instruction does for
the lanes of a mask. Section 6 of the manual.
"""

import re
from collections.abc import Callable

import numpy as np

from .text import TYPES, PTXError

SHARED_WINDOW, LOCAL_WINDOW = 1 << 56, 1 << 57  # where generic addresses of these spaces lie
INSTRUCTIONS: dict[str, Callable] = {}


def instruction(*names):
    """Enter a builder into the table under opcodes."""
    def enter(builder):
        INSTRUCTIONS.update(dict.fromkeys(names, builder))
        return builder
    return enter


class Code:
    """A kernel whose operands are being read: places of registers, offsets of variables."""

    def __init__(self, entry, addresses):
        self.entry, self.addresses = entry, addresses
        self.place = {name: k for k, name in enumerate(entry.registers)}
        self.kinds = list(entry.registers.values())

    def source(self, text, kind):
        """f(state): the operand's value of a type, an array of all lanes or of one value."""
        dtype = TYPES[kind] if isinstance(kind, str) else kind
        if text in self.place:
            return self._register(self.place[text], dtype)
        if text.startswith("%"):
            return lambda state: state.special(text).astype(dtype)
        variable = self.entry.variables.get(text)
        if variable is not None:
            if variable.space == "local":
                return lambda state: (state.local_base + np.uint64(variable.offset)).astype(dtype)
            value = np.array(variable.offset if variable.space == "shared" else self.addresses[text], dtype)
            return lambda state: value
        value = _constant(text, dtype)
        return lambda state: value

    def _register(self, at, dtype):
        own = self.kinds[at]
        if own == dtype or own == np.bool_:
            return lambda state: state.registers[at].view(dtype) if own != np.bool_ else state.registers[at]
        if own.itemsize == dtype.itemsize:
            return lambda state: state.registers[at].view(dtype)
        if own.itemsize > dtype.itemsize:
            bits = np.dtype(f"u{dtype.itemsize}")
            return lambda state: state.registers[at].astype(bits).view(dtype)
        return lambda state: state.registers[at].astype(np.dtype(f"u{dtype.itemsize}")).view(dtype)

    def target(self, text):
        """f(state, values, mask) that writes a register, widened by the sign of its type where it is larger."""
        if text == "_":
            return lambda state, values, mask: None
        if text not in self.place:
            raise PTXError(f"unknown register {text!r}")
        at = self.place[text]
        own = self.kinds[at]
        bits = own if own == np.bool_ else np.dtype(f"u{own.itemsize}")

        def write(state, values, mask):
            values = np.asarray(values)
            if bits != np.bool_:
                if values.dtype.itemsize != bits.itemsize:
                    values = values.astype(np.dtype(f"{'i' if values.dtype.kind == 'i' else 'u'}{bits.itemsize}"))
                values = values.view(bits)
            np.copyto(state.registers[at], values, where=mask)
        return write

    def address(self, text):
        """f(state): the uint64 addresses of an operand [base + offset]."""
        match = re.fullmatch(r"\[\s*([^+\-\],\s]+)\s*(?:\+\s*(-?\d+)|(-\d+))?\s*\]", text)
        if match is None:
            raise PTXError(f"unknown address {text}")
        base, offset = match[1], np.array(int(match[2] or match[3] or 0), "i8").view("u8")
        known = base in self.place
        value = self.source(base, "u64" if not known or self.kinds[self.place[base]].itemsize == 8 else "u32")
        return lambda state: np.broadcast_to(value(state).astype("u8") + offset, state.lanes)

    def binary(self, item, function, kind=None):
        """run(state, mask) of an instruction `op d, a, b`."""
        kind = kind or item.parts[-1]
        target = self.target(item.operands[0])
        a, b = (self.source(o, kind) for o in item.operands[1:3])
        return lambda state, mask: target(state, function(a(state), b(state)), mask)

    def unary(self, item, function, kind=None):
        """run(state, mask) of an instruction `op d, a`."""
        target, a = self.target(item.operands[0]), self.source(item.operands[1], kind or item.parts[-1])
        return lambda state, mask: target(state, function(a(state)), mask)

    def ternary(self, item, function, kinds=None):
        """run(state, mask) of an instruction `op d, a, b, c`."""
        kinds = kinds or (item.parts[-1],) * 3
        target = self.target(item.operands[0])
        a, b, c = (self.source(o, k) for o, k in zip(item.operands[1:4], kinds, strict=True))
        return lambda state, mask: target(state, function(a(state), b(state), c(state)), mask)


def _constant(text, dtype):
    if re.fullmatch(r"0[fF][0-9a-fA-F]{8}", text):
        value = np.array(int(text[2:], 16), "u4").view("f4")
        return value if dtype.kind == "f" else value.view("u4").astype(f"u{dtype.itemsize}").view(dtype)
    if re.fullmatch(r"0[dD][0-9a-fA-F]{16}", text):
        value = np.array(int(text[2:], 16), "u8").view("f8")
        return value if dtype == np.float64 else value.view(dtype)
    try:
        number = int(text.rstrip("U"), 0)
    except ValueError:
        raise PTXError(f"unknown operand {text!r}") from None
    if dtype == np.bool_:
        return np.array(bool(number))
    bits = np.array(number & ((1 << 8 * dtype.itemsize) - 1), f"u{dtype.itemsize}")
    return bits.view(dtype)


def braced(text):
    """The names in {a, b}, or the one name."""
    return [part.strip() for part in text.strip("{} ").split(",")]
