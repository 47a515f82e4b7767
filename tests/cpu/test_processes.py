"""Threads and processes: a training step gives the same numbers wherever it runs, and nothing hangs."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

import numbatorch as torch
from numbatorch import nn

LIMIT = 120  # seconds until a hang is one, on a slow machine


def losses(seed=0):
    """The losses of four training steps and a checksum of the weights: kernels of many kinds, on the pool."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(64, 1, 28, 28, generator=generator)
    y = torch.randint(0, 10, (64,), generator=generator)
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 13 * 13, 10))
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * 0.05)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    found = []
    for _ in range(4):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return [*found, sum(float(p.double().sum()) for p in model.parameters())]


@pytest.fixture(scope="module")
def expected():
    return [losses(seed) for seed in range(8)]


def _send(connection, seed):
    connection.send(losses(seed))
    connection.close()


@pytest.mark.parametrize("method", [m for m in ("fork", "spawn") if m in multiprocessing.get_all_start_methods()])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_process_computes_the_same(method, expected):
    context = multiprocessing.get_context(method)
    ours, theirs = context.Pipe()
    child = context.Process(target=_send, args=(theirs, 3))
    child.start()
    assert ours.poll(LIMIT), "the child hangs"
    assert ours.recv() == expected[3]
    child.join(LIMIT)
    assert child.exitcode == 0 and losses(3) == expected[3]


def test_eight_threads_at_once(expected):
    found: dict = {}
    threads = [threading.Thread(target=lambda seed=seed: found.update({seed: losses(seed)})) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert [found.get(seed) for seed in range(8)] == expected


@pytest.mark.parametrize("count", [1, 2, 4])
def test_the_number_of_threads_changes_no_bit(count, expected, set_threads):
    set_threads(count)
    assert losses(5) == expected[5]


ALONE = """
import os, sys
from numbatorch.cpu import thread_pool
sys.path.insert(0, sys.argv[1])
thread_pool._PARALLEL_ON = sys.argv[2] == "with"
import numbatorch as torch
from test_processes import losses
def threads():
    return len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 1
before = threads()
found = losses(2)
torch.manual_seed(0)
lstm, x = torch.nn.LSTM(32, 64, 2), torch.randn(12, 8, 32)
run = torch.compile(lambda x: lstm(x)[0].relu().double().sum())
with torch.no_grad():
    found += [float(run(x)) for _ in range(4)]
print(found, run.programs[0].runs, threads() - before)
"""


def test_without_futexes_the_caller_runs_all_chunks(expected):
    """Where a thread cannot sleep on a number: the same results, of programs and of kernels with barriers too."""
    environment = {**os.environ, "NUMBATORCH_NUM_THREADS": "4", "OMP_NUM_THREADS": "1"}
    told = [subprocess.run([sys.executable, "-W", "error", "-c", ALONE, os.path.dirname(__file__), pool],
                           env=environment, capture_output=True, text=True, timeout=LIMIT)
            for pool in ("with", "without")]
    assert not told[0].stderr and not told[1].stderr
    pooled, alone = (text.stdout.rsplit(" ", 2) for text in told)
    assert alone[0] == pooled[0] and alone[0].startswith(str(expected[2])[:-1])
    assert alone[1] == pooled[1] != "0" and alone[2] == "0\n"
    if sys.platform.startswith("linux") and os.uname().machine in ("x86_64", "aarch64", "riscv64"):
        assert pooled[2] == "3\n"


COMPILE = """
import numbatorch as torch
x = torch.arange(12.0).reshape(3, 4)
print("ready", flush=True)
for name in ("exp", "sin", "tanh", "sqrt", "neg", "abs", "square", "sigmoid"):
    print(name, getattr(x, name)().double().sum().item(), flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no SIGKILL")
def test_a_process_killed_while_it_fills_the_cache(tmp_path):
    """Whatever the moment: the next process over the same folder computes the right numbers."""
    environment = {**os.environ, "NUMBATORCH_CACHE_DIR": str(tmp_path / "cache"), "NUMBATORCH_PACKS": os.devnull}
    command = [sys.executable, "-c", COMPILE]
    for delay in (0.0, 0.07, 0.2):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "ready\n"
        time.sleep(delay)
        process.kill()
        process.wait(LIMIT)
        process.stdout.close()
    found = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT)
    fresh = subprocess.run(command, env={**environment, "NUMBATORCH_CACHE_DIR": str(tmp_path / "other")},
                           capture_output=True, text=True, timeout=LIMIT)
    assert found.returncode == 0 and not found.stderr and found.stdout == fresh.stdout
