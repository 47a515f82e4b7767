"""Starting processes in every way, their errors, and numbatorch's own threads across a fork."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import numbatorch as nt
import numbatorch.multiprocessing as mp

PATIENCE = 60
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.skipif("fork" not in mp.get_all_start_methods(), reason="processes are forked"),
]
SCRIPT = """
import os, sys
import numbatorch as nt
import numbatorch.multiprocessing as mp

def add(rank, tensor, queue):
    tensor[rank] += rank + 1
    queue.put((rank, tensor))

def fail(rank):
    if rank == 1:
        raise ValueError("rank one gives up")
    while True:
        import time; time.sleep(0.1)

if __name__ == "__main__":
    method, strategy = sys.argv[1:]
    mp.set_sharing_strategy(strategy)
    context = mp.get_context(method)
    tensor, queue = nt.zeros(2), context.SimpleQueue()
    running = mp.start_processes(add, (tensor, queue), nprocs=2, join=False, start_method=method)
    received = dict(queue.get() for _ in range(2))
    while not running.join():
        pass
    assert tensor.tolist() == [1, 2] and sorted(received) == [0, 1], tensor
    received[0].fill_(5)
    assert tensor.tolist() == [5, 5]
    try:
        mp.start_processes(fail, nprocs=2, start_method=method)
    except mp.ProcessRaisedException as error:
        assert "rank one gives up" in str(error) and error.error_index == 1
        print("done")
"""


def script(tmp_path, text, *arguments):
    path = tmp_path / "program.py"
    path.write_text(text)
    root = str(Path(nt.__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    return subprocess.run([sys.executable, str(path), *arguments], capture_output=True, text=True, env=environment,
                          timeout=5 * PATIENCE)


@pytest.mark.parametrize("method, strategy", [("spawn", "file_descriptor"), ("forkserver", "file_system")])
def test_new_interpreters_see_the_same_memory(tmp_path, method, strategy):
    done = script(tmp_path, SCRIPT, method, strategy)
    assert done.returncode == 0 and done.stdout == "done\n" and not done.stderr, done.stderr


def leave(rank, code):
    if rank == 0:
        sys.exit(code)


def die(rank):
    os.kill(os.getpid(), signal.SIGKILL)


def test_errors_of_processes_are_raised_by_join():
    with pytest.raises(mp.ProcessExitedException, match="exit code 3") as caught:
        mp.start_processes(leave, (3,), nprocs=2, start_method="fork")
    assert caught.value.exit_code == 3 and caught.value.error_index == 0 and caught.value.signal_name is None
    with pytest.raises(mp.ProcessExitedException, match="signal SIGKILL") as caught:
        mp.start_processes(die, start_method="fork")
    assert caught.value.signal_name == "SIGKILL" and caught.value.exit_code == -signal.SIGKILL


def test_join_waits_no_longer_than_it_is_told():
    running = mp.start_processes(wait_for_ever, nprocs=1, join=False, start_method="fork")
    assert isinstance(running, mp.ProcessContext) and not running.join(timeout=0.01)
    assert running.pids() == [running.processes[0].pid]
    running.processes[0].terminate()
    with pytest.raises(mp.ProcessExitedException, match="SIGTERM"):
        while not running.join():
            pass


def wait_for_ever(rank):
    while True:
        time.sleep(0.05)


def stubborn(rank):
    if rank == 1:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(0.05)
    time.sleep(0.5)
    raise ValueError("enough")


def test_a_process_that_does_not_end_is_killed():
    running = mp.start_processes(stubborn, nprocs=2, join=False, start_method="fork")
    with pytest.warns(UserWarning, match="it is killed"), pytest.raises(mp.ProcessRaisedException, match="enough"):
        while not running.join(grace_period=0.5):
            pass
    assert not any(process.is_alive() for process in running.processes)


def test_spawn_is_for_spawn():
    with pytest.warns(FutureWarning, match="start_processes"), pytest.raises(TypeError):
        mp.spawn(lambda rank: None, start_method="fork", args=(1,), nprocs="none")


def test_names_are_those_of_the_standard_library():
    import multiprocessing
    assert mp.Process is multiprocessing.Process and mp.get_context("spawn") is multiprocessing.get_context("spawn")
    from numbatorch.multiprocessing.pool import Pool
    from numbatorch.multiprocessing.queue import ConnectionWrapper
    assert Pool and mp.SpawnContext and mp.spawn
    ours, theirs = mp.Pipe()
    ConnectionWrapper(ours).send(nt.ones(2))
    assert ConnectionWrapper(theirs).recv().tolist() == [1, 1]


def test_fork_while_other_threads_compute():
    threads = nt.get_num_threads()
    nt.set_num_threads(2)
    stop, started = threading.Event(), threading.Barrier(3)
    x = nt.randn(300, 300)
    expected = (x @ x).relu().sum().item()

    def work():
        (x @ x).relu().sum()
        nt.randn(100_000)
        started.wait(PATIENCE)
        while not stop.is_set():
            (x @ x).relu().sum()
            nt.randn(100_000)

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    started.wait(PATIENCE)
    try:
        codes = []
        for _ in range(5):
            child = os.fork()
            if child == 0:
                signal.alarm(PATIENCE)
                good = (x @ x).relu().sum().item() == expected and nt.randn(1000).isfinite().all().item()
                os._exit(0 if good else 1)
            codes.append(os.waitpid(child, 0)[1])
    finally:
        stop.set()
        for worker in workers:
            worker.join()
        nt.set_num_threads(threads)
    assert codes == [0] * 5


def test_forked_generators_continue_where_the_parent_was():
    nt.manual_seed(3)
    nt.rand(2)
    context = mp.get_context("fork")
    queue = context.SimpleQueue()
    process = context.Process(target=lambda: queue.put(nt.rand(3)))
    process.start()
    assert nt.equal(queue.get(), nt.rand(3))
    process.join(PATIENCE)
