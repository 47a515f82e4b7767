"""The thread pool: every chunk exactly once, whoever asks, before and after a fork."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from numbatorch.cpu.compile import compile_kernel
from numbatorch.cpu.threads import _group_quota, get_num_threads, set_num_threads

COUNT = """
def count(r, delay, start, stop):
    for i in range(start, stop):
        x = r[i]
        for j in range(delay):
            x = (x * int64(6364136223846793005) + j) ^ (x >> int64(7))
        r[i] = r[i] + int64(1) + (x & int64(0))
"""


@pytest.fixture
def count():
    return compile_kernel("count", COUNT, ("int64*", "int64"))


@pytest.fixture(autouse=True)
def restored():
    before = get_num_threads()
    yield
    set_num_threads(before)


@pytest.mark.parametrize("threads", [1, 2, 4, 7])
def test_every_unit_runs_exactly_once(count, threads):
    set_num_threads(threads)
    assert get_num_threads() == threads
    r = np.zeros(1000, np.int64)
    rounds = 0
    for units in (0, 1, 2, 7, 64, 999, 1000):
        for grain in (1, 3, 64, 1000):
            for delay in (0, 20):
                r[:] = 0
                count(r.ctypes.data, delay, units, grain)
                rounds += 1
                assert (r[:units] == 1).all() and not r[units:].any()
    assert rounds == 56


def test_many_short_regions(count):
    r = np.zeros(64, np.int64)
    for threads in (2, 4, 2, 1, 4):
        set_num_threads(threads)
        for _ in range(2000):
            count(r.ctypes.data, 0, 64, 1)
    assert (r == 10000).all()


def test_concurrent_callers(count):
    set_num_threads(3)
    blocks = [np.zeros(500, np.int64) for _ in range(4)]

    def work(block):
        for _ in range(300):
            count(block.ctypes.data, 3, 500, 10)

    callers = [threading.Thread(target=work, args=(block,)) for block in blocks]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert all((block == 300).all() for block in blocks)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_the_pool_works_in_a_forked_child(count):
    set_num_threads(2)
    r = np.zeros(100, np.int64)
    for _ in range(50):
        count(r.ctypes.data, 0, 100, 1)
    child = os.fork()
    if child == 0:
        for _ in range(50):
            count(r.ctypes.data, 0, 100, 1)
        os._exit(0 if (r == 100).all() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    count(r.ctypes.data, 0, 100, 1)
    assert (r == 51).all()


def test_set_num_threads_checks_its_argument():
    with pytest.raises(RuntimeError, match="positive"):
        set_num_threads(0)
    with pytest.raises(TypeError, match="expects an int, but got str"):
        set_num_threads("2")


def test_the_environment_sets_the_number():
    program = "from numbatorch.cpu.threads import get_num_threads; print(get_num_threads())"

    def ask(**variables):
        clean = {k: v for k, v in os.environ.items() if k not in ("OMP_NUM_THREADS", "NUMBATORCH_NUM_THREADS")}
        return subprocess.run([sys.executable, "-c", program], env=clean | variables, capture_output=True, text=True)

    assert ask(OMP_NUM_THREADS="3,2").stdout == "3\n"
    assert ask(OMP_NUM_THREADS="3", NUMBATORCH_NUM_THREADS="5").stdout == "5\n"
    assert "expected a positive integer, got 'x'" in ask(NUMBATORCH_NUM_THREADS="x").stderr


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no affinity")
def test_the_affinity_limits_the_number():
    program = """if True:
        import os
        from numbatorch.cpu.threads import get_num_threads
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        print(get_num_threads())
    """
    clean = {k: v for k, v in os.environ.items() if k not in ("OMP_NUM_THREADS", "NUMBATORCH_NUM_THREADS")}
    told = subprocess.run([sys.executable, "-c", program], env=clean, capture_output=True, text=True)
    assert told.stdout == "1\n", told.stderr


def test_the_control_group_limits_the_number(tmp_path):
    own = tmp_path / "cgroup"
    own.write_text("0::/\n")
    (tmp_path / "cpu.max").write_text("250000 100000\n")
    assert _group_quota(str(tmp_path), str(own)) == 2
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert _group_quota(str(tmp_path), str(own)) == 1
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert _group_quota(str(tmp_path), str(own)) is None
