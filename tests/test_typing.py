"""The type stubs: what mypy makes of a program."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

RIGHT = """
import builtins
from typing import Any, assert_type

import numbatorch as torch
import numbatorch.nn.functional as F
from numbatorch import Tensor, nn

x = torch.randn(2, 3, requires_grad=True, dtype=torch.float32, device="cpu")
assert_type(x, Tensor)
assert_type(torch.tensor([[1, 2]]), Tensor)
assert_type(torch.zeros((2, 3)), Tensor)

# What a tensor is.
assert_type(x.shape, torch.Size)
assert_type(x.dtype, torch.dtype)
assert_type(x.device, torch.device)
assert_type(x.size(), torch.Size)
assert_type(x.size(0), int)
assert_type(x.numel(), int)
assert_type(x.requires_grad, builtins.bool)
assert_type(x.grad, Tensor | None)
assert_type(x.T, Tensor)
assert_type(torch.float64, torch.dtype)
assert_type(torch.pi, builtins.float)

# Operators.
assert_type(x + 1, Tensor)
assert_type(2.0 - x, Tensor)
assert_type(x @ x.mT, Tensor)
assert_type(-x ** 2, Tensor)
assert_type(x == 0, Tensor)
assert_type(x[:, 0], Tensor)
x[0] = 1
x += 1
assert_type(x, Tensor)

# Functions, methods, in place, out=.
assert_type(torch.add(x, 2, alpha=3), Tensor)
assert_type(torch.exp(x, out=x), Tensor)
assert_type(x.add_(1).clamp(min=0), Tensor)
assert_type(x.sum(dim=(0, 1), keepdim=True), Tensor)
assert_type(x.mean(1).float().long(), Tensor)
assert_type(x.permute(1, 0).reshape(3, -1).view(6), Tensor)
assert_type(x.view(torch.int32), Tensor)
assert_type(torch.cat([x, x], dim=1), Tensor)
assert_type(torch.allclose(x, x), builtins.bool)
assert_type(x.split(1), tuple[Tensor, ...])
for part in x:
    assert_type(part, Tensor)

# Several results.
values, indices = torch.topk(x, 2)
assert_type(values, Tensor)
assert_type(torch.sort(x).indices, Tensor)
assert_type(torch.max(x), Tensor)
assert_type(x.max(1).values, Tensor)
assert_type(torch.linalg.svd(x).Vh, Tensor)

# Modules, gradients.
assert_type(F.relu(x, inplace=True), Tensor)
assert_type(torch.special.erf(x), Tensor)
assert_type(torch.fft.fft(x), Tensor)
model = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loss = F.mse_loss(model(x), torch.zeros(2, 4))
loss.backward()
with torch.no_grad():
    optimizer.step()
generator: torch.Generator = torch.manual_seed(0)
"""

WRONG = {
    "x.no_such_method()": '"Tensor" has no attribute "no_such_method"',
    "torch.no_such_function(x)": 'Module has no attribute "no_such_function"',
    'torch.relu("text")': 'Argument 1 to "relu" has incompatible type "str"',
    'x.sum(keepdim="yes")': 'Argument "keepdim" to "sum" of "Tensor" has incompatible type "str"',
    "torch.add(x)": 'Missing positional argument "other" in call to "add"',
    'x.numel() + "one"': "Unsupported operand types",
    "F.gelu(x, approximation='tanh')": 'Unexpected keyword argument "approximation" for "gelu"',
}


@pytest.fixture(scope="module")
def check(tmp_path_factory):
    pytest.importorskip("mypy")
    folder = tmp_path_factory.mktemp("typing")

    def run(program):
        (folder / "program.py").write_text(program)
        return subprocess.run([sys.executable, "-m", "mypy", "--config-file", "", "--follow-imports", "silent",
                               "--cache-dir", str(folder / "cache"), str(folder / "program.py")],
                              capture_output=True, text=True, cwd=folder, env={**os.environ, "MYPYPATH": str(ROOT)})
    return run


def test_a_right_program_passes(check):
    done = check(RIGHT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_wrong_lines_are_found(check):
    head = "import numbatorch as torch\nimport numbatorch.nn.functional as F\nx = torch.ones(2)\n"
    done = check(head + "\n".join(WRONG))
    found = {int(m[1]): m[2] for m in re.finditer(r"program\.py:(\d+): error: (.*)", done.stdout)}
    for line, (wrong, message) in enumerate(WRONG.items(), 4):
        assert message in found.get(line, ""), (wrong, done.stdout)
