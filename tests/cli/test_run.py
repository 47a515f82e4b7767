"""`numbatorch run`: ordinary PyTorch scripts, as a person runs them."""

import os
import signal
import subprocess
import sys

import pytest

from numbatorch.torch_version import INTERFACE, TorchVersion

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def run(folder, *arguments, **options):
    command = [sys.executable, "-m", "numbatorch", "run", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=ENVIRONMENT, **options)


def write(folder, name, text):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_a_script_and_what_it_imports_see_numbatorch_as_torch(tmp_path):
    write(tmp_path, "helper.py", "import torch\nvalue = torch.ones(2).sum().item()\n")
    script = write(tmp_path, "script.py", """
import sys, torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
from torch.optim.lr_scheduler import StepLR
import helper, numbatorch
model = nn.Linear(2, 1)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
sched = StepLR(opt, 1)
for x, in DataLoader(TensorDataset(torch.ones(4, 2)), batch_size=2):
    opt.zero_grad(); F.mse_loss(model(x), torch.zeros(2, 1)).backward(); opt.step()
sched.step()
print(torch.__name__, torch.nn is numbatorch.nn, helper.value, sys.argv[1:], __name__)
sys.exit(7)
""")
    done = run(tmp_path, script, "--flag", "x")
    assert done.returncode == 7, done.stderr
    assert done.stdout == "torch True 2.0 ['--flag', 'x'] __main__\n"


def test_versions_agree(tmp_path):
    script = write(tmp_path, "versions.py", """
import importlib.metadata, importlib.util, torch, torch.version, numbatorch
print(torch.__version__, torch.version.__version__, importlib.metadata.version("torch"))
print(torch.__version__ >= "2.2", numbatorch.__version__ == numbatorch.version.__version__)
print(importlib.util.find_spec("torch") is not None, importlib.util.find_spec("torch.no_such") is None)
""")
    done = run(tmp_path, script)
    assert done.stdout.splitlines() == [f"{INTERFACE!s} " * 2 + INTERFACE, "True True", "True True"], done.stderr


def test_names_set_on_torch_are_set_and_removed_again(tmp_path):
    script = write(tmp_path, "patched.py", """
from unittest import mock
import torch
with mock.patch("torch.relu", lambda input: "patched"):
    print(torch.relu(torch.zeros(1)))
print(torch.relu(torch.zeros(1)).item(), torch.torch is torch, hasattr(torch, "no_such"))
""")
    done = run(tmp_path, script)
    assert done.stdout.splitlines() == ["patched", "0.0 True False"], done.stderr


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_processes_that_a_script_starts_see_it_too(tmp_path, method):
    if method == "fork" and not hasattr(os, "fork"):
        pytest.skip("this system has no fork")
    script = write(tmp_path, "children.py", f"""
import multiprocessing
import torch
def tell(queue):
    queue.put((str(torch.__version__), torch.nn.Module.__module__))
if __name__ == "__main__":
    context = multiprocessing.get_context({method!r})
    queue = context.Queue()
    process = context.Process(target=tell, args=(queue,))
    process.start()
    print(*queue.get(timeout=60))
    process.join()
""")
    done = run(tmp_path, script)
    assert done.stdout.split() == [INTERFACE, "numbatorch.nn.modules.module"], done.stderr


def test_modules_folders_and_standard_input_run_as_with_python(tmp_path):
    text = "import sys, torch\nprint(__name__, __package__, torch.ones(1).item(), sys.argv[1:])\n"
    write(tmp_path, "package/__init__.py", "")
    write(tmp_path, "package/__main__.py", text)
    assert run(tmp_path, "-m", "package", "a").stdout == "__main__ package 1.0 ['a']\n"
    assert run(tmp_path, "-m", "package.__main__").stdout == "__main__ package 1.0 []\n"
    assert run(tmp_path, "package", "-b").stdout == "__main__  1.0 ['-b']\n"
    assert run(tmp_path, "-", "c", input=text).stdout == "__main__ None 1.0 ['c']\n"
    for arguments in (["-m", "no_such_module"], ["none.py"], ["."]):
        missing = run(tmp_path, *arguments)
        assert missing.returncode == 2 and missing.stderr.startswith("numbatorch run: cannot "), missing.stderr


def test_a_traceback_begins_in_the_script(tmp_path):
    script = write(tmp_path, "wrong.py", "import os, torch\nos.chdir('/')\ntorch.ones(2) @ torch.ones(3)\n")
    done = run(tmp_path, script.name)
    lines = done.stderr.splitlines()
    assert done.returncode == 1
    assert lines[1].strip() == f'File "{script}", line 3, in <module>' and "torch.ones(2) @" in lines[2], done.stderr
    assert "RuntimeError" in lines[-1] and "cli/run.py" not in done.stderr


def test_a_missing_module_is_named(tmp_path):
    done = run(tmp_path, write(tmp_path, "missing.py", "import torch.no_such\n"))
    assert done.returncode == 1 and "numbatorch has no module numbatorch.no_such" in done.stderr, done.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for another process")
def test_ctrl_c_reaches_the_script(tmp_path):
    script = write(tmp_path, "slow.py", """
import time
try:
    print("ready", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("caught", flush=True)
    time.sleep(60)
""")
    # A shell's background job ignores Ctrl-C, and so would its children: this one shall not.
    process = subprocess.Popen([sys.executable, "-m", "numbatorch", "run", str(script)], env=ENVIRONMENT, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "caught\n"
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and "KeyboardInterrupt" in said


def test_versions_compare_as_versions():
    rising = "1.8 2.0.dev1 2.0a1 2.0b2 2.0rc1 2.0 2.0+cpu 2.0.post1 2.2 2.13.0.dev3 2.13.0".split()
    for earlier, later in zip(rising, rising[1:], strict=False):
        assert TorchVersion(earlier) < later and TorchVersion(later) > earlier and TorchVersion(earlier) != later
    assert TorchVersion("2.13.0") == "2.13" and TorchVersion("2.13.0") >= (2, 2) and TorchVersion("2.13.0") < [3]
    assert TorchVersion("2.13.0") != "parrot" and TorchVersion("2.13.0") < "parrot" and TorchVersion("2.0") != 2.0
    assert {TorchVersion("2.0"): 1}["2.0"] == 1
