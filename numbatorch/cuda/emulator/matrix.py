"""Copies that do not wait, and products of tiles: sections 9.7.9.25 (cp.async) and 9.7.14 (mma) of the manual.

A copy has its effect when its thread waits for it, not before: a kernel that reads too early finds what was there.
Fragments are put together as matrices of each warp, multiplied in float64 and rounded once.
"""

import re

import numpy as np

from .operands import braced, instruction
from .text import TYPES, PTXError

WARP = 32
ROW = 128  # bytes of a row of a tile of wgmma
_LANE = np.arange(WARP)
_ROW, _PAIR = _LANE >> 2, _LANE & 3


@instruction("cp")
def copy(code, item):
    if "bulk" in item.parts or "async" not in item.parts:
        raise PTXError(f"no such copy here: {item.text}")
    if "commit_group" in item.parts:
        return lambda state, mask: state.end_copies(mask)
    if "wait_group" in item.parts or "wait_all" in item.parts:
        left = int(item.operands[0]) if item.operands else 0
        return lambda state, mask: state.finish_copies(mask, left)
    target, source = code.address(item.operands[0]), code.address(item.operands[1])
    size = int(item.operands[2])
    given = code.source(item.operands[3] if len(item.operands) > 3 else str(size), "u32")

    def run(state, mask):
        number, to = np.broadcast_to(given(state), state.lanes), target(state)
        if (number[mask] > size).any() or (to[mask] % np.uint64(size)).any():
            raise PTXError(f"a copy of {size} bytes is misaligned or asks for more")
        if (source(state)[mask & (number > 0)] % np.uint64(size)).any():
            raise PTXError(f"misaligned copy of {size} bytes")
        values = []
        for k in range(size):  # a part of the last word may be asked for
            here = mask & (number > k)
            memory, at = state.places("global", source(state) + np.uint64(k), TYPES["u8"], here)
            values.append(np.where(here, memory[at], 0).astype("u1"))
        words = np.stack(values, 1).view("u4")
        state.start_copy(mask, to, [np.ascontiguousarray(words[:, k]) for k in range(size // 4)])
    return run


@instruction("ldmatrix")
def load_matrix(code, item):
    """Each group of 8 lanes gives the rows of one 8 x 8 matrix of 16-bit elements."""
    if item.parts[1:4] != ["sync", "aligned", "m8n8"] or item.parts[-1] != "b16":
        raise PTXError(f"no such load of matrices here: {item.text}")
    targets = [code.target(name) for name in braced(item.operands[0])]
    address, turned = code.address(item.operands[1]), "trans" in item.parts

    def run(state, mask):
        rows = address(state).reshape(-1, WARP)
        if (rows[:, : 8 * len(targets)] % np.uint64(16)).any():
            raise PTXError("misaligned row of a matrix: 16 bytes")
        for k, target in enumerate(targets):
            found = np.uint32(0)
            for half in range(2):
                row, column = (2 * _PAIR + half, _ROW) if turned else (_ROW, 2 * _PAIR + half)
                place = (rows[:, 8 * k + row] + (2 * column).astype("u8")).reshape(-1)
                memory, at = state.places("shared", place, TYPES["u16"], mask)
                found = found | memory[at].astype("u4") << np.uint32(16 * half)
            target(state, found, mask)
    return run


def _halves(kind, words):
    """Two numbers out of each word."""
    low, high = words & np.uint32(0xFFFF), words >> np.uint32(16)
    if kind == "bf16":
        return (low << np.uint32(16)).view("f4"), (high << np.uint32(16)).view("f4")
    return low.astype("u2").view("f2"), high.astype("u2").view("f2")


def _rows(kind, registers):
    """(warps, 16, 16) numbers of half precision out of the four registers of a left operand."""
    found = np.zeros((len(registers[0]), 16, 16))
    for i, words in enumerate(registers):
        for half, part in enumerate(_halves(kind, words)):
            found[:, _ROW + i % 2 * 8, 2 * _PAIR + i // 2 * 8 + half] = part
    return found


@instruction("mma")
def multiply(code, item):
    """D = A @ B + C of every warp: row-major A, column-major B."""
    found = re.search(r"\.(m\d+n8k\d+)\.row\.col\.(\w+)\.(\w+)\.(\w+)\.(\w+)$", ".".join(item.parts))
    shape, kind = (found[1], found[3]) if found else ("", "")
    if (shape, kind) not in (("m16n8k16", "bf16"), ("m16n8k16", "f16"), ("m16n8k8", "tf32"), ("m8n8k4", "f64")):
        raise PTXError(f"no such product here: {item.text}")
    total = found[5]
    word = "f64" if kind == "f64" else "b32"
    targets = [code.target(name) for name in braced(item.operands[0])]
    a, b = ([code.source(name, word) for name in braced(item.operands[k])] for k in (1, 2))
    c = [code.source(name, total) for name in braced(item.operands[3])]
    m, depth = (8, 4) if kind == "f64" else (16, int(shape[6:]))
    places = [(_ROW + 8 * (i // 2), 2 * _PAIR + i % 2) for i in range(len(c))]

    def run(state, mask):
        warps = state.lanes // WARP

        def values(sources):
            return [np.broadcast_to(s(state), state.lanes).reshape(warps, WARP) for s in sources]
        left, right = np.zeros((warps, m, depth)), np.zeros((warps, depth, 8))
        if kind in ("bf16", "f16"):
            left = _rows(kind, values(a))
            for i, words in enumerate(values(b)):
                for half, part in enumerate(_halves(kind, words)):
                    right[:, 2 * _PAIR + i * 8 + half, _ROW] = part
        else:
            shown = (lambda x: x) if kind == "f64" else (lambda x: (x & np.uint32(0xFFFFE000)).view("f4"))
            for i, words in enumerate(values(a)):
                left[:, _ROW + i % 2 * 8, _PAIR + i // 2 * 4] = shown(words)
            for i, words in enumerate(values(b)):
                right[:, _PAIR + i * 4, _ROW] = shown(words)
        result = left @ right
        for (row, column), target, old in zip(places, targets, values(c), strict=True):
            target(state, (result[:, row, column] + old).astype(TYPES[total]).reshape(-1), mask)
    return run


@instruction("wgmma")
def multiply_groups(code, item):
    """Four warps: 64 rows of A, in shared memory or registers, times the columns of B, in shared memory; swizzled.

    Products are done when they are asked for: waiting for them has no effect.
    """
    if item.parts[1] in ("fence", "commit_group", "wait_group"):
        return lambda state, mask: None
    found = re.fullmatch(r"m64n(\d+)k(?:16\.f32\.(bf16|f16)\.\2|8\.f32\.(tf32)\.tf32)", ".".join(item.parts[4:]))
    held = item.operands[1].startswith("{")
    turned = [number == "1" for number in item.operands[6:]]
    if found is None or item.operands[4:6] != ["1", "1"] or len(turned) != (0 if found[3] else 2 - held):
        raise PTXError(f"no such product here: {item.text}")
    columns, kind = int(found[1]), found[2] or found[3]
    turned = [False] * (2 - len(turned)) + turned
    names = braced(item.operands[0])
    targets, before = [code.target(name) for name in names], [code.source(name, "f32") for name in names]
    a = [code.source(name, "b32" if held else "u64") for name in braced(item.operands[1])]
    b = code.source(item.operands[2], "u64")
    again = code.source(item.operands[3], "pred")

    def run(state, mask):
        first = None if held else np.broadcast_to(a[0](state), state.lanes)
        second = np.broadcast_to(b(state), state.lanes)
        rows = _rows(kind, [np.broadcast_to(x(state), state.lanes).reshape(-1, WARP) for x in a]) if held else None
        results = np.zeros((state.lanes // WARP, 16, columns))
        for warp in np.flatnonzero(mask.reshape(-1, WARP).any(1)):
            number, group = warp * WARP, warp % (state.width // WARP) % 4
            left = rows[warp] if held else _tile(state, number, int(first[number]), kind, range(
                16 * group, 16 * group + 16), turned[0])
            results[warp] = left @ _tile(state, number, int(second[number]), kind, range(columns), turned[1]).T
        kept = again(state)
        for i, (target, old) in enumerate(zip(targets, before, strict=True)):
            found = results[:, _ROW + i // 2 % 2 * 8, i // 4 * 8 + 2 * _PAIR + i % 2].reshape(-1)
            target(state, (found + np.where(kept, old(state), 0)).astype("f4"), mask)
    return run


def _tile(state, thread, descriptor, kind, rows, turned):
    """Numbers (rows, k) of a tile of rows of 128 bytes with exchanged pieces: one a row, along k; turned: one a k."""
    start, block, step = ((descriptor >> bit & 0x3FFF) << 4 for bit in (0, 16, 32))
    if descriptor >> 62 != 1:
        raise PTXError("a tile without the 128-byte swizzle")
    size, depth = (4, 8) if kind == "tf32" else (2, 16)
    x, k = np.meshgrid(np.asarray(rows), np.arange(depth), indexing="ij")
    line, column = (k, x) if turned else (x, k)
    across = ROW // size
    at = start + column // across * block + line // 8 * step + line % 8 * ROW + column % across * size
    at = at ^ (at >> 7 & 7) << 4
    if at.max() + size > state.shared_size:
        raise PTXError(f"shared access outside of {state.shared_size} bytes: a tile up to {int(at.max()) + size}")
    words = state.shared.view(f"u{size}")[(at + int(state.block[thread]) * state.shared_step) // size].astype("u4")
    if kind == "tf32":
        return (words & np.uint32(0xFFFFE000)).view("f4").astype("f8")
    return _halves(kind, words)[0].astype("f8")
