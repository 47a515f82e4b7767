"""The thread pool: one for the process, in native code, for chunks of a kernel's work.

A region is a function, its arguments and a count of chunks, in as many runs of neighbouring chunks as there are
threads. Each thread claims the chunks of its own run one by one from the front, then those that others have left from
the back; each run of a program turns that around, as the caches hold what the run before walked last. The caller has
its first chunk from the start. All that workers have to know is in the cache line of the number that they watch.
A kernel that is called again thus finds in a core's own cache what that core wrote before, each core reads memory in
order, and still the caller finishes alone when workers come late, and a slow thread holds up nobody but its own chunk.
Who has claimed a chunk may read the region's description, because the caller returns only when every claimed chunk is
done; nobody else reads it. A second thread that wants a region meanwhile runs its chunks itself. Idle workers spin for
some 20 us, then sleep; while a program runs (`numbatorch_open`) for 200 us, so that they are awake after its small
stages, unless there are more threads than CPUs. They are plain threads without a Python state, made when first needed,
again after a fork.

Chunks depend on the kernel's grain alone, so results never depend on the number of threads.
"""

import contextlib
import ctypes
import os

from ..lowering.host import architecture, own
from . import machine

_ROUNDS = 500  # that an idle worker spins, 20 us
_OPEN_ROUNDS = 5000  # the same while a program runs: LeNet-5's step on 2 threads 842 us with 500, 822 with 5000


def _pool():
    """Addresses of the pool's functions and of its limit."""
    from . import compile, thread_pool

    with machine.lock:
        if _loaded:
            return _loaded[0].addresses
        exports = (*FOR_PROGRAMS, "numbatorch_parallel", "numbatorch_await", "numbatorch_forked", "numbatorch_limit",
                   "numbatorch_rounds")
        text, here = (thread_pool.text(_ROUNDS, architecture(name)) for name in (machine.host()[0], own()[0]))
        code, needs = compile.compile_object("pool", text, exports, here)
        imports = {name: machine.python_api(name) for name in needs if name.startswith("Py")}
        imports |= {name: machine.symbol(name) for name in needs if name not in imports}
        loaded = machine.Loaded(code, exports, imports).keep_for_ever()
        _loaded.append(loaded)
        _tell(get_num_threads())
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=ctypes.CFUNCTYPE(None)(loaded.addresses["numbatorch_forked"]))
        return loaded.addresses


_loaded: list[machine.Loaded] = []
_count: list[int] = []  # the number of threads, once asked for


def parallel_address():
    """Address of `void numbatorch_parallel(void body(block, start, stop), block, units, grain)`; needs the GIL."""
    return _pool()["numbatorch_parallel"]


def region_address():
    """Address of the same for callers that do not hold the GIL."""
    return _pool()["numbatorch_region"]


FOR_PROGRAMS = ("numbatorch_region", "numbatorch_open", "numbatorch_close", "numbatorch_turned", "numbatorch_leave",
                "numbatorch_return")


def program_address(name):
    """Address of one of `FOR_PROGRAMS`: what a program calls, and the number that turns the order of its chunks."""
    return _pool()[name]


def await_address():
    """Address of `void numbatorch_await(counter, value)`: a barrier for those who share a region's work themselves."""
    return _pool()["numbatorch_await"]


def limit_address():
    """Address of the number (int64) of threads that help the caller's."""
    return _pool()["numbatorch_limit"]


def get_num_threads():
    """How many threads run a kernel, the caller's among them."""
    if not _count:
        _count.append(_default())
    return _count[0]


def set_num_threads(n):
    """Let `n` threads run each kernel from now on. Results do not depend on it."""
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(f"set_num_threads expects an int, but got {type(n).__name__}")
    n = n.__index__()
    if n < 1:
        raise RuntimeError(f"set_num_threads expects a positive integer, got {n}")
    _count[:] = [n]
    if _loaded:
        _tell(n)


def _tell(n):
    """Tell the pool how many threads there are."""
    for name, value in (("limit", n - 1), ("rounds", _OPEN_ROUNDS if n <= _available() else _ROUNDS)):
        ctypes.c_int64.from_address(_loaded[0].addresses[f"numbatorch_{name}"]).value = value


def _default():
    """From the environment, else the CPUs that this process may use: affinity and the control group's quota."""
    text = os.environ.get("NUMBATORCH_NUM_THREADS", "").strip()
    if text:
        if not text.isdecimal() or int(text) < 1:
            raise ValueError(f"NUMBATORCH_NUM_THREADS: expected a positive integer, got {text!r}")
        return int(text)
    text = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if text.isdecimal() and int(text) > 0:
        return int(text)
    return _available()


def _available():
    """CPUs that this process may use."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(available, _group_quota() or available))


def _group_quota(root="/sys/fs/cgroup", own="/proc/self/cgroup"):
    """Whole CPUs that the control group grants; None without a limit."""
    folders = [root]
    with contextlib.suppress(OSError), open(own) as file:
        folders += [root + line.rstrip("\n").split(":", 2)[2].rstrip("/") for line in file if line.startswith("0::")]
    quotas = []
    for folder in folders:
        with contextlib.suppress(OSError, ValueError), open(f"{folder}/cpu.max") as file:
            quota, period = file.read().split()
            quotas.append(int(quota) // int(period))
    with contextlib.suppress(OSError, ValueError):
        with open(f"{root}/cpu/cpu.cfs_quota_us") as quota_file, open(f"{root}/cpu/cpu.cfs_period_us") as period_file:
            quota = int(quota_file.read())
            if quota > 0:
                quotas.append(quota // int(period_file.read()))
    return max(1, min(quotas)) if quotas else None
