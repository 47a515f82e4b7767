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
