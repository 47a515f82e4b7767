"""Loads, stores and atomic operations: sections 9.7.9 and 9.7.13 of the manual."""

import re

import numpy as np

from .operands import braced, instruction
from .text import TYPES, PTXError

_SPACES = ("global", "shared", "local", "param", "const")


def _form(item):
    """(state space, elements, dtype) of an access."""
    bare = [part.split("::")[0] for part in item.parts]
    space = next((part for part in bare if part in _SPACES), "generic")
    count = next((int(part[1:]) for part in bare if part in ("v2", "v4", "v8")), 1)
    return ("global" if space == "const" else space), count, TYPES[item.parts[-1]]


@instruction("ld", "ldu")
def load(code, item):
    space, count, dtype = _form(item)
    targets = [code.target(name) for name in braced(item.operands[0])]
    if space == "param":
        return _load_parameter(item, targets, dtype)
    address = code.address(item.operands[1])

    def run(state, mask):
        for target, values in zip(targets, state.load(space, address(state), dtype, count, mask), strict=True):
            target(state, values, mask)
    return run


def _load_parameter(item, targets, dtype):
    match = re.fullmatch(r"\[\s*([\w$]+)\s*(?:\+\s*(\d+))?\s*\]", item.operands[1])
    if match is None:
        raise PTXError(f"unknown parameter: {item.text}")
    name, offset = match[1], int(match[2] or 0)

    def run(state, mask):
        for k, target in enumerate(targets):
            target(state, np.frombuffer(state.parameters[name], dtype, 1, offset + k * dtype.itemsize), mask)
    return run


@instruction("st")
def store(code, item):
    space, _, dtype = _form(item)
    values = [code.source(name, dtype) for name in braced(item.operands[1])]
    address = code.address(item.operands[0])

    def run(state, mask):
        state.store(space, address(state), [np.broadcast_to(v(state), state.lanes) for v in values], dtype, mask)
    return run


_NEW = {
    "add": lambda old, a, b: old + a, "min": lambda old, a, b: min(old, a), "max": lambda old, a, b: max(old, a),
    "exch": lambda old, a, b: a, "cas": lambda old, a, b: b if old == a else old, "and": lambda old, a, b: old & a,
    "or": lambda old, a, b: old | a, "xor": lambda old, a, b: old ^ a,
    "inc": lambda old, a, b: type(old)(0) if old >= a else old + type(old)(1),
    "dec": lambda old, a, b: a if old == 0 or old > a else old - type(old)(1)}


@instruction("atom", "red")
def atomic(code, item):
    """One lane after the other, in the order of their numbers."""
    space, _, dtype = _form(item)
    reduces = item.parts[0] == "red"
    operands = ["_", *item.operands] if reduces else item.operands
    target, address = code.target(operands[0]), code.address(operands[1])
    first = code.source(operands[2], dtype)
    second = code.source(operands[3], dtype) if len(operands) > 3 else first
    new = next((_NEW[part] for part in item.parts[1:] if part in _NEW), None)
    if new is None:
        raise PTXError(f"unknown atomic operation: {item.text}")

    def run(state, mask):
        memory, at = state.places(space, address(state), dtype, mask)
        memory, old = memory.view(dtype), np.zeros(state.lanes, dtype)
        a, b = (np.broadcast_to(f(state), state.lanes) for f in (first, second))
        for lane in np.flatnonzero(mask):
            old[lane] = memory[at[lane]]
            memory[at[lane]] = new(old[lane], a[lane], b[lane])
        target(state, old, mask)
    return run


@instruction("fence", "membar", "prefetch", "prefetchu", "nanosleep", "griddepcontrol")
def nothing(code, item):
    """Memory is in order here, and no time passes."""
    return lambda state, mask: None
