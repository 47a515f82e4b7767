"""Programs of wide and narrow stages, with Python in the middle, on any number of threads."""

import ctypes
import os
import sys
import threading
import time

import numpy as np
import pytest

from numbatorch.cpu import threads
from numbatorch.cpu.compile import compile_kernel
from numbatorch.cpu.expressions import ARITHMETIC
from numbatorch.cpu.program import Base, Builder, Later

STEP = """
def step(r, x, start, stop):
    for i in range(start, stop):
        r[i] = r[i] * float32(0.5) + x[i]
"""


@pytest.fixture(autouse=True)
def restored():
    before = threads.get_num_threads()
    yield
    threads.set_num_threads(before)


def made(r, x, *between):
    """A program of stages over `r` of 8 chunks, one chunk and 8 chunks again, with calls of Python between them."""
    step = compile_kernel("step", STEP, ("float32*", "float32*"), independent=True)
    builder = Builder(1)
    for k in range(12):
        for function in between:
            if k % 4 == 2:
                builder.python(function)
        units = len(r) if k % 3 else len(r) // 8
        builder.kernel(step, [Base(0)], int(x.ctypes.data), units, len(r) // 8)
    return builder.finish()


@pytest.mark.parametrize("count", [1, 2, 4])
def test_stages_that_do_not_depend_on_each_other_share_a_region(count):
    threads.set_num_threads(count)
    step = compile_kernel("step", STEP, ("float32*", "float32*"), independent=True)
    x, results = np.arange(1000, dtype=np.float32), [np.full(n, 8, np.float32) for n in (1000, 3, 700)]
    builder = Builder(1)
    for r in results[:2]:
        builder.kernel(step, [int(r.ctypes.data)], int(x.ctypes.data), len(r), 150)
    builder.kernel(step, [Base(0)], int(x.ctypes.data), 700, 699)
    own, builder.stages = builder.stages, []
    chunks = [(own[0], k) for k in range(7)]
    builder.together([*chunks[:3], (own[2], 1), (own[1], 0), *chunks[3:], (own[2], 0)])
    program = builder.finish()
    for runs in range(1, 5):  # from the first chunk to the last, and back
        assert program.run(int(results[2].ctypes.data)) == -1
        for r in results:
            np.testing.assert_array_equal(r, 8 * 0.5**runs + x[:len(r)] * (2 - 0.5 ** (runs - 1)))


def test_a_power_is_computed_again_for_other_numbers_only():
    builder = Builder(0)
    counts = [builder.slot(("count", k), "float64") for k in range(3)]
    step = compile_kernel("power", """
def power(r, number, start, stop):
    for i in range(start, stop):
        r[i] = number
""", ("float32*", "float64"), independent=True)
    r = np.zeros(3, np.float32)
    for k in range(3):
        expression = ("div", ("number", 1.0), ("sub", ("number", 1.0), ("pow", ("number", 0.5), ("count", k))))
        builder.kernel(step, [int(r.ctypes.data) + 4 * k], Later(expression), 1, 1)
    program = builder.finish()
    assert len(builder._remembered) == 1
    for values in ((1, 1, 2), (2, 1, 1), (2, 2, 2), (3, 2, 3)):
        for own, value in zip(counts, values, strict=True):
            own[0] = value
        assert program.run() == -1
        np.testing.assert_array_equal(r, np.float32([1 / (1 - 0.5**v) for v in values]))
    for _ in range(2):  # the same failure again
        counts[1][0] = 0
        assert program.run() % 4 == ARITHMETIC


def expected(r, x, runs):
    r = r.copy()
    for _ in range(runs):
        for k in range(12):
            units = len(r) if k % 3 else len(r) // 8
            r[:units] = r[:units] * np.float32(0.5) + x[:units]
    return r


def test_other_threads_of_python_run_meanwhile():
    threads.set_num_threads(2)
    r, x = np.ones(1 << 20, np.float32), np.ones(1 << 20, np.float32)
    helpers: list = []
    beats, ended = [0], threading.Event()

    def beat():
        while not ended.wait(0.0001):
            beats[0] += 1

    def begin():  # in the middle of the first run, which began with no other thread to let run
        if not helpers:
            helpers.append(threading.Thread(target=beat))
            helpers[0].start()

    first, later = made(r, x, begin), made(r, x)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(100)  # nobody runs but where the program lets them
    try:
        first.run(int(r.ctypes.data))
        seen, end = 0, time.monotonic() + 60
        while not seen and time.monotonic() < end:
            before = beats[0]
            later.run(int(r.ctypes.data))
            seen = beats[0] - before
    finally:
        sys.setswitchinterval(interval)
        ended.set()
        helpers[0].join()
    assert seen > 0 and later.runs > 0 and first.runs == 1


@pytest.mark.parametrize("count", [1, 2, 4, 7])
def test_stages_follow_each_other(count):
    threads.set_num_threads(count)
    r, x = np.ones(4096, np.float32), np.arange(4096, dtype=np.float32)
    calls = []
    program = made(r, x, lambda: calls.append(1))
    wanted = expected(r, x, 50)
    for _ in range(50):
        assert program.run(int(r.ctypes.data)) == -1
    np.testing.assert_array_equal(r, wanted)
    assert len(calls) == 150


def test_an_error_of_python_ends_the_run_and_leaves_the_pool_as_it_was():
    threads.set_num_threads(2)
    r, x, fails = np.ones(4096, np.float32), np.zeros(4096, np.float32), [True]

    def stage():
        if fails:
            raise KeyboardInterrupt
    program = made(r, x, stage)
    for _ in range(20):
        with pytest.raises(KeyboardInterrupt):
            program.run(int(r.ctypes.data))
    fails.clear()
    r[:] = 1
    assert program.run(int(r.ctypes.data)) == -1
    np.testing.assert_array_equal(r, expected(np.ones(4096, np.float32), x, 1))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_that_is_forked_in_the_middle_of_a_run_goes_on():
    threads.set_num_threads(2)
    r, x, children = np.ones(4096, np.float32), np.ones(4096, np.float32), []
    wanted, alike = expected(r, x, 1), False

    def stage():
        if not children:
            children.append(os.fork())
    program = made(r, x, stage)
    try:
        program.run(int(r.ctypes.data))
        alike = bool((r == wanted).all())
    finally:
        if children == [0]:
            os._exit(0 if alike else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0 and alike


def test_workers_are_patient_only_while_there_is_a_cpu_for_each():
    def rounds():
        return ctypes.c_int64.from_address(threads._pool()["numbatorch_rounds"]).value
    threads.set_num_threads(1)
    alone = rounds()
    threads.set_num_threads(4096)
    assert rounds() < alone


ORDER = """
def order(r, start, stop):
    r[0] = r[0] + int64(1)
    for i in range(start, stop):
        r[i + 1] = r[0]
"""


def test_every_run_walks_its_chunks_the_other_way():
    threads.set_num_threads(1)
    r = np.zeros(11, np.int64)
    order = compile_kernel("order", ORDER, ("int64*",))
    builder = Builder(0)
    builder.kernel(order, [], int(r.ctypes.data), 10, 3)
    program, seen = builder.finish(), []
    for _ in range(4):
        r[:] = 0
        program.run()
        assert r[0] == 4
        seen.append(tuple(r[1::3]))
    assert set(seen) == {(1, 2, 3, 4), (4, 3, 2, 1)} and seen[0] == seen[2] != seen[1] == seen[3]
