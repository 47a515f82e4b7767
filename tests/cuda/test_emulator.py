"""The emulator against NumPy, and what it refuses."""

import numpy as np
import pytest

from numbatorch.cuda.compile import compile_kernel
from numbatorch.cuda.emulator.arena import Arena
from numbatorch.cuda.emulator.schedule import Program
from numbatorch.cuda.emulator.text import PTXError


class Bench:
    """Runs kernel source on arrays."""

    def __init__(self):
        self.arena = Arena(1 << 22)

    def put(self, array):
        address = self.arena.allocate(array.nbytes)
        self.arena.window(address, array.nbytes)[:] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        return address

    def run(self, source, signature, values, blocks=1, threads=256):
        name = source.strip().split("(")[0].split()[-1] if source.count("def ") == 1 else source.rsplit(
            "def ", 1)[1].split("(")[0]
        kernel = compile_kernel(name, source, signature, threads)
        places = [self.put(v) if isinstance(v, np.ndarray) else v for v in values]
        Program(kernel.ptx(), name, None).launch(self.arena, (blocks, 1, 1), (threads, 1, 1), places)
        return [self.arena.window(p, v.nbytes).view(v.dtype).reshape(v.shape).copy()
                for p, v in zip(places, values, strict=True) if isinstance(v, np.ndarray)]


@pytest.fixture
def bench():
    return Bench()


def formula(bench, text, a, b, result):
    source = f"\ndef formula(a, b, out, n):\n    i = grid()\n    if i < n:\n        out[i] = {text}\n"
    types = [f"{array.dtype}*" for array in (a, b, result)]
    return bench.run(source, (*types, "int64"), [a, b, result, result.size], -(-result.size // 256))[-1]


INTEGERS = {
    "a[i] + b[i]": lambda a, b: a + b, "a[i] - b[i]": lambda a, b: a - b, "a[i] * b[i]": lambda a, b: a * b,
    "a[i] // b[i]": lambda a, b: a // b, "a[i] % b[i]": lambda a, b: a % b, "a[i] & b[i]": lambda a, b: a & b,
    "a[i] | b[i]": lambda a, b: a | b, "a[i] ^ b[i]": lambda a, b: a ^ b, "~a[i]": lambda a, b: ~a,
    "a[i] << (b[i] & 7)": lambda a, b: a << (b & 7), "a[i] >> (b[i] & 7)": lambda a, b: a >> (b & 7),
    "a[i] if a[i] > b[i] else b[i]": np.maximum}


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "uint32", "int64"])
def test_integers_agree_with_numpy(bench, dtype):
    generator = np.random.default_rng(0)
    info = np.iinfo(dtype)
    a, b = generator.integers(info.min, info.max, (2, 300), dtype, endpoint=True)
    b[b == 0] = 3
    for text, function in INTEGERS.items():
        with np.errstate(over="ignore"):
            expected = function(a, b)
        assert np.array_equal(formula(bench, text, a, b, np.zeros_like(a)), expected), text


FLOATS = {
    "a[i] + b[i]": lambda a, b: a + b, "a[i] * b[i]": lambda a, b: a * b, "a[i] / b[i]": lambda a, b: a / b,
    "sqrt(a[i])": lambda a, b: np.sqrt(a), "floor(a[i])": lambda a, b: np.floor(a),
    "rint(a[i])": lambda a, b: np.rint(a), "trunc(a[i])": lambda a, b: np.trunc(a),
    "maximum(a[i], b[i])": np.maximum, "minnum(a[i], b[i])": np.fmin, "copysign(a[i], b[i])": np.copysign,
    "fabs(a[i])": lambda a, b: np.abs(a), "a[i] if a[i] < b[i] else -b[i]": lambda a, b: np.where(a < b, a, -b)}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_agree_with_numpy(bench, dtype):
    generator = np.random.default_rng(1)
    a, b = generator.normal(0, 10, (2, 300)).astype(dtype)
    a[:6], b[3:9] = [np.nan, np.inf, -np.inf, 0, -0.0, 1e-40], [0, -0.0, np.nan, np.inf, -np.inf, 2.5]
    for text, function in FLOATS.items():
        with np.errstate(all="ignore"):
            expected = function(a, b).astype(dtype)
        found = formula(bench, text, a, b, np.zeros_like(a))
        assert np.array_equal(found, expected, equal_nan=True), text
        if "fabs" in text or "copysign" in text or "rint" in text:
            known = ~np.isnan(expected)
            assert np.array_equal(np.signbit(found)[known], np.signbit(expected)[known]), text


def test_fma_rounds_once(bench):
    from fractions import Fraction
    from math import inf

    generator = np.random.default_rng(2)
    a, b = (generator.normal(size=(2, 300)) * 2.0 ** generator.integers(-20, 20, (2, 300))).astype("f")
    c = (-a * b).astype("f") * np.float32(1 + 2**-20)
    found = formula(bench, "fma(a[i], b[i], out[i])", a, b, c)
    for x, y, z, r in zip(a, b, c, found, strict=True):
        exact = Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z))
        near = [abs(Fraction(float(np.nextafter(r, np.float32(s)))) - exact) for s in (-inf, inf)]
        assert abs(Fraction(float(r)) - exact) <= min(near)


def test_conversions_saturate(bench):
    a = np.array([1.9, -1.9, 3e9, -3e9, np.inf, -np.inf, np.nan, 1e19], "d")
    found = formula(bench, "int64(a[i])", a, a, np.zeros(8, "i8"))
    limit = 2**63 - 1
    assert found.tolist() == [1, -1, 3000000000, -3000000000, limit, -limit - 1, -limit - 1, limit]
    halves = np.arange(65536, dtype="u2")
    wide = formula(bench, "half_to_float(a[i])", halves, halves, np.zeros(65536, "f"))
    assert np.array_equal(wide, halves.view("e").astype("f"), equal_nan=True)


SUM = """
def whole(value):
    store = shared_float64()
    store[thread_index()] = value
    barrier()
    half = block_size() >> 1
    while half > 0:
        if thread_index() < half:
            store[thread_index()] += store[thread_index() + half]
        barrier()
        half = half >> 1
    return store[0]


def total(a, out):
    sum = whole(a[grid()])
    if thread_index() == 0:
        out[block_index()] = sum
"""


def test_blocks_share_memory_and_meet_at_barriers(bench):
    a = np.arange(512, dtype="d")
    _, out = bench.run(SUM, ("float64*", "float64*"), [a, np.zeros(4)], 4, 128)
    assert out.tolist() == a.reshape(4, 128).sum(1).tolist()


def test_warps_exchange_values_and_part_in_loops(bench):
    source = """
def steps(a, out):
    i = grid()
    n = int64(0)
    value = a[i]
    while value != 1:
        value = value >> 1 if value & 1 == 0 else 3 * value + 1
        n = n + 1
    out[i] = n + 1000 * shuffle_down(a[i], 1)
"""
    a = np.arange(1, 65, dtype="i8")
    _, out = bench.run(source, ("int64*", "int64*"), [a, np.zeros(64, "i8")], 1, 64)

    def steps(v):
        n = 0
        while v != 1:
            v, n = (v // 2 if v % 2 == 0 else 3 * v + 1), n + 1
        return n
    following = [a[k] if k % 32 == 31 else a[k + 1] for k in range(64)]
    assert out.tolist() == [steps(int(v)) + 1000 * int(f) for v, f in zip(a, following, strict=True)]


def test_accesses_outside_of_memory_raise(bench):
    a = np.zeros(5, "f")
    store = "\ndef store(a, at):\n    a[at] = float32(1)\n"
    for at in (5, -1, 1 << 20):
        with pytest.raises(PTXError, match="kernel store: access of 4 bytes at .*not allocated"):
            bench.run(store, ("float32*", "int64"), [a, at], 1, 1)
    address = bench.put(a)
    bench.arena.free(address)
    with pytest.raises(PTXError, match="not allocated"):
        bench.run(store, ("float32*", "int64"), [address, 0], 1, 1)
    with pytest.raises(PTXError, match="misaligned"):
        bench.run(store, ("float32*", "int64"), [bench.put(a) + 2, 0], 1, 1)


def test_threads_that_miss_each_other_raise(bench):
    lost = "\ndef lost(a):\n    if thread_index() < 16:\n        a[thread_index()] = shuffle_down(a[0], 1)\n"
    with pytest.raises(PTXError, match="threads of a warp do not all come"):
        bench.run(lost, ("int64*",), [np.zeros(64, "i8")], 1, 32)
    parted = "\ndef parted(a):\n    while a[thread_index()] == 0:\n        a[0] = a[0] * 2\n"
    with pytest.raises(PTXError, match="still running"):
        import numbatorch.cuda.emulator.schedule as schedule
        before, schedule.STEPS = schedule.STEPS, 2000
        try:
            bench.run(parted, ("int64*",), [np.zeros(64, "i8")], 1, 32)
        finally:
            schedule.STEPS = before


def test_what_it_does_not_know_is_named():
    text = ".version 8.0\n.visible .entry odd()\n{\n\t.reg .b32 %r<2>;\n\tdance.u32 %r1, %r1;\n\tret;\n}\n"
    with pytest.raises(PTXError, match="does not know the instruction 'dance.u32"):
        Program(text, "odd", None)
    with pytest.raises(PTXError, match="no kernel 'other'"):
        Program(text, "other", None)


def test_memory_is_reused_and_not_zero():
    arena = Arena(4096)
    first, second = arena.allocate(1000), arena.allocate(1000)
    assert arena.window(first, 1000).tolist() == [0xCB] * 1000 and arena.used == 2048
    arena.free(first)
    assert arena.allocate(3000) is None and arena.allocate(900) == first
    with pytest.raises(PTXError, match="not an allocated block"):
        arena.free(second + 8)


COPIES = """
def early(a, out):
    i = thread_index()
    place = uint32(shared_base() + i * 16)
    copy_async(place, a, i * 4, int32(16 if i < 3 else 6))
    copies_end()
    out[i] = shared_read_int32(place)
    copies_wait_0()
    out[32 + i] = shared_read_int32(uint32(place + 4))
"""


def test_copies_arrive_when_they_are_waited_for(bench):
    """Not before; and bytes that were not asked for are zeros."""
    a, out = np.arange(1000, 1128, dtype="i4"), np.zeros(64, "i4")
    kernel = compile_kernel("early", COPIES, ("int32*", "int32*"), 32, shared=512)
    places = [bench.put(v) for v in (a, out)]
    Program(kernel.ptx(), "early", None).launch(bench.arena, (1, 1, 1), (32, 1, 1), places, kernel.shared)
    found = bench.arena.window(places[1], out.nbytes).view("i4")
    assert set(found[:32].astype("u4")) == {0xCBCBCBCB}
    assert found[32:35].tolist() == [1001, 1005, 1009]
    assert found[35:].tolist() == [(4 * k + 1001) & 0xFFFF for k in range(3, 32)]
    with pytest.raises(PTXError, match="misaligned copy of 16 bytes"):
        Program(kernel.ptx(), "early", None).launch(bench.arena, (1, 1, 1), (32, 1, 1), [places[0] + 4, places[1]], 512)
    with pytest.raises(PTXError, match="shared access outside of 256 bytes"):
        Program(kernel.ptx(), "early", None).launch(bench.arena, (1, 1, 1), (32, 1, 1), places, 256)


def test_products_of_tiles_need_whole_warps(bench):
    """D = A @ B + C with A of ones, and the error of a warp of which some threads are missing."""
    source = """
def unit(out, first):
    if thread_index() >= first:
        totals = zeros_float64_2()
        totals = multiply_float64_1x1x4_k32_k32(totals, uint32(shared_base()), uint32(shared_base() + 256))
        keep_float64_1x1_64(totals, uint32(shared_base() + 512))
        out[thread_index()] = shared_read_float64(uint32(shared_base() + 512 + thread_index() * 8))


def whole(out, first):
    i = thread_index()
    shared_write(uint32(shared_base() + i * 8), float64(i))
    shared_write(uint32(shared_base() + 256 + i * 8), float64(i * i))
    barrier()
    unit(out, first)
"""
    kernel = compile_kernel("whole", source, ("float64*", "int64"), 32, shared=1024)
    place = bench.put(np.zeros(32))
    program = Program(kernel.ptx(), "whole", None)
    program.launch(bench.arena, (1, 1, 1), (32, 1, 1), [place, 0], 1024)
    i = np.arange(32.0)
    expected = i.reshape(8, 4) @ (i * i).reshape(8, 4).T
    assert bench.arena.window(place, 256).view("f8").tolist() == expected.reshape(-1)[:32].tolist()
    with pytest.raises(PTXError, match="threads of a warp do not all come to 'mma.sync"):
        program.launch(bench.arena, (1, 1, 1), (32, 1, 1), [place, 3], 1024)
