"""Programs with DataLoader workers that are interrupted or killed: no process stays behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import numbatorch

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="signals of POSIX")
PATIENCE = 60
PROGRAM = """
import sys, time
from numbatorch.utils import data

class Slow(data.Dataset):
    def __len__(self):
        return 10 ** 6
    def __getitem__(self, index):
        time.sleep(0.01)
        return index

if __name__ == "__main__":
    batches = iter(data.DataLoader(Slow(), num_workers=2, multiprocessing_context=sys.argv[1]))
    next(batches)
    print(*(process.pid for process in batches._pool.processes), flush=True)
    for batch in batches:
        pass
"""


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("method, ending", [
    ("fork", signal.SIGINT), ("fork", signal.SIGKILL), pytest.param("spawn", signal.SIGINT, marks=pytest.mark.slow),
    pytest.param("spawn", signal.SIGKILL, marks=pytest.mark.slow)])
def test_no_worker_is_left(tmp_path, method, ending):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    root = str(Path(numbatorch.__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    program = subprocess.Popen([sys.executable, str(path), method], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, env=environment, start_new_session=True,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # ignored in jobs
    try:
        workers = [int(pid) for pid in program.stdout.readline().split()]
        assert len(workers) == 2, program.stderr.read()
        if ending == signal.SIGINT:
            os.killpg(program.pid, ending)  # as Ctrl-C in a terminal: all processes of the program are told
        else:
            program.kill()
        _, errors = program.communicate(timeout=PATIENCE)
        assert program.returncode in (-ending, 130) or "KeyboardInterrupt" in errors
        if ending == signal.SIGINT:
            assert errors.count("Traceback") == 1, errors
        deadline = time.monotonic() + PATIENCE
        while any(map(is_running, workers)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not any(map(is_running, workers))
    finally:
        program.kill()
        program.wait()
