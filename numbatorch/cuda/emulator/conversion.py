"""mov, cvt and cvta: section 9.7.9 of the manual."""

import numpy as np

from .operands import LOCAL_WINDOW, SHARED_WINDOW, braced, instruction
from .text import TYPES, PTXError

_ROUND = {"rni": np.rint, "rzi": np.trunc, "rmi": np.floor, "rpi": np.ceil}


@instruction("mov")
def move(code, item):
    kind, (to, value) = item.parts[-1], item.operands
    if value.startswith("{"):
        return _pack(code, kind, to, braced(value))
    if to.startswith("{"):
        return _unpack(code, kind, braced(to), value)
    target, source = code.target(to), code.source(value, kind)
    return lambda state, mask: target(state, source(state), mask)


def _pack(code, kind, to, names):
    whole = TYPES[kind]
    part = np.dtype(f"u{whole.itemsize // len(names)}")
    target, sources = code.target(to), [code.source(name, part) for name in names]

    def run(state, mask):
        value = whole.type(0)
        for k, source in enumerate(sources):
            value = value | source(state).astype(whole) << whole.type(8 * part.itemsize * k)
        target(state, value, mask)
    return run


def _unpack(code, kind, names, value):
    whole = TYPES[kind]
    part = np.dtype(f"u{whole.itemsize // len(names)}")
    targets, source = [code.target(name) for name in names], code.source(value, kind)

    def run(state, mask):
        found = source(state)
        for k, target in enumerate(targets):
            target(state, (found >> whole.type(8 * part.itemsize * k)).astype(part), mask)
    return run


@instruction("cvt")
def convert(code, item):
    *_, to, kind = item.parts
    if to == "tf32" and "rna" in item.parts:
        return code.unary(item, lambda a: (a.view("u4") + np.uint32(0x1000)) & np.uint32(0xFFFFE000), "f32")
    if to in ("bf16x2", "f16x2") and kind == "f32" and "rn" in item.parts:
        return code.binary(item, lambda high, low: _halves(to, high) << np.uint32(16) | _halves(to, low), "f32")
    if "bf16" in (to, kind) or "tf32" in (to, kind) or to.endswith("x2"):
        raise PTXError(f"no conversion of {to}: {item.text}")
    dtype, is_float = TYPES[to], to[0] == "f"
    rounding = next((_ROUND[part] for part in item.parts if part in _ROUND), None)
    saturated = "sat" in item.parts

    def compute(value):
        if kind[0] != "f":
            if saturated:
                limits = np.iinfo(dtype)
                value = np.clip(value, max(limits.min, np.iinfo(value.dtype).min),
                                min(limits.max, np.iinfo(value.dtype).max))
            return value.astype(dtype)
        value = rounding(value) if rounding else value
        if not is_float:
            return _to_integer(value, dtype)
        if saturated:
            value = np.where(np.isnan(value), 0, np.clip(value, 0, 1))
        return value.astype(dtype)
    return code.unary(item, compute, kind)


def _halves(to, value):
    """The bits of float32 rounded to 16 bits, ties to even."""
    if to == "f16x2":
        return value.astype("f2").view("u2").astype("u4")
    bits = value.view("u4")
    rounded = bits + np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1)) >> np.uint32(16)
    return np.where(np.isnan(value), np.uint32(0x7FFF), rounded)


def _to_integer(value, dtype):
    """Numbers beyond an integer type become its limits; NaN 0, or the least int64 where 64 bits are involved."""
    limits, wide = np.iinfo(dtype), value.astype("f8")
    inside = (wide >= limits.min) & (wide < float(limits.max) + (1 if dtype.itemsize < 8 else 0))
    found = np.where(inside, wide, 0).astype(dtype)
    found = np.where(wide < limits.min, dtype.type(limits.min), found)
    found = np.where((wide > 0) & ~inside, dtype.type(limits.max), found)
    large = dtype.itemsize == 8 or value.dtype.itemsize == 8
    nan = np.array(1 << 8 * dtype.itemsize - 1, f"u{dtype.itemsize}").view(dtype) if large else dtype.type(0)
    return np.where(np.isnan(wide), nan, found)


@instruction("cvta")
def convert_address(code, item):
    """Between generic addresses and those of a space."""
    back = item.parts[1] == "to"
    window = np.uint64({"shared": SHARED_WINDOW, "local": LOCAL_WINDOW}.get(item.parts[2 if back else 1], 0))
    return code.unary(item, lambda a: a.astype("u8") - window if back else a.astype("u8") + window)
