"""What blocks of a program's stages (program.py) hold: 8-byte slots with arguments of kernels."""

import struct

import numpy as np


class Base:
    """An address that may be another in each run, plus an offset: base `number` of the run."""

    __slots__ = ("number", "offset")

    def __init__(self, number, offset=0):
        self.number, self.offset = number, offset

    def __add__(self, more):
        return Base(self.number, self.offset + more)


class Later:
    """A number that an expression stage will have put there: the expression, in terms of names of number slots."""

    __slots__ = ("expression",)

    def __init__(self, expression):
        self.expression = expression


class Block:
    """The address of a slot of a block of the program itself."""

    __slots__ = ("number", "slot")

    def __init__(self, number, slot=0):
        self.number, self.slot = number, slot


def slots_of(text):
    """How many slots an argument of a type takes."""
    return 2 if text == "complex128" else 1


_PACK = {"int8": "b", "int16": "h", "int32": "i", "int64": "q", "uint8": "B", "uint16": "H", "uint32": "I",
         "uint64": "Q", "float32": "f", "float64": "d"}


def _packed(text, value):
    """A number as the 8 or 16 bytes of its slots; integers wrap, and floats beyond float32 become infinite."""
    if text == "bool":
        raw = struct.pack("<B", value != 0)
    elif text in ("complex64", "complex128"):
        raw = struct.pack("<ff" if text == "complex64" else "<dd", value.real, value.imag)
    elif text.startswith("float"):
        with np.errstate(over="ignore"):
            raw = struct.pack("<d", value) if text == "float64" else np.float32(value).tobytes()
    else:
        size = struct.calcsize(_PACK[text])
        raw = struct.pack("<Q", int(value) & (1 << 64) - 1)[:size]
    return raw.ljust(8 * slots_of(text), b"\0")


def in_slots(text, value):
    """An argument of a kernel as the slots of its block."""
    if isinstance(value, (Base, Block)):
        return [value]
    if text.endswith("*"):
        return [int(value)]
    raw = _packed(text, value)
    return [int.from_bytes(raw[i:i + 8], "little", signed=True) for i in range(0, len(raw), 8)]
