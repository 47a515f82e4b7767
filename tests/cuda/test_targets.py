"""Every template in every dtype compiles for sm_80 and sm_90a; ptxas assembles it, where it is found."""

import os
import shutil
import subprocess

import numpy as np
import pytest

import numbatorch as torch
from numbatorch.cuda import compile as compiling
from numbatorch.nn import functional as F

pytestmark = pytest.mark.usefixtures("gpu")
ASSEMBLER = os.environ.get("NUMBATORCH_PTXAS") or shutil.which("ptxas")
INDEX = [0, 2, 1, 2, 4]
TEMPLATES = {
    "elementwise": lambda x, i: x + x[:, :1], "rows": lambda x, i: (x.sum(1), x.amax(0), x.argmax(1)),
    "split": lambda x, i: x.repeat(2, 1200).sum(1), "nest": lambda x, i: torch.einsum("ij,kj->ik", x, x),
    "scan": lambda x, i: (x.cumsum(1), x.repeat(1, 20).cumprod(1)), "gather": lambda x, i: (x[i], x.nonzero()),
    "scatter": lambda x, i: x.index_add(0, i, x), "sort": lambda x, i: x.sort(1),
    "selection": lambda x, i: (x.repeat(1, 60).topk(3), x.repeat(1, 60).median(1)),
    "join": lambda x, i: torch.cat([x, x]),
    "search": lambda x, i: torch.searchsorted(x[0].sort()[0], x[1]),
    "window": lambda x, i: (F.max_pool1d(x, 3), F.avg_pool1d(x.clone(), 3)),
    "together": lambda x, i: torch._foreach_add([x, x], 1), "random": lambda x, i: torch.empty_like(x).uniform_()}
DTYPES = ("float32", "bfloat16", *(pytest.param(name, marks=pytest.mark.slow) for name in (
    "float64", "float16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64", "complex128")))


@pytest.fixture
def kernels(monkeypatch):
    """The kernels of a test, which has shapes of its own: plans that were made before would bring none."""
    found = {}
    monkeypatch.setattr(compiling, "_kernels", found)
    monkeypatch.setattr("numbatorch.together._functions", {})
    return found


@pytest.mark.parametrize("dtype", DTYPES)
def test_templates_compile_for_every_architecture(dtype, kernels, tmp_path):
    x = torch.tensor(np.random.default_rng(0).uniform(1, 4, (5, 23))).to(getattr(torch, dtype)).cuda()
    index, done = torch.tensor(INDEX).cuda(), 0
    for function in TEMPLATES.values():
        try:
            function(x, index)
            done += 1
        except (RuntimeError, NotImplementedError) as error:  # not for this dtype
            assert "does not compile" not in str(error)
    assert done >= 6 and len(kernels) >= 8
    for kernel in kernels.values():
        for architecture in ("sm_80", "sm_90a"):
            text = kernel.ptx(architecture)
            assert f".target {architecture}" in text and f".entry {kernel.name}(" in text
            if ASSEMBLER:
                path = tmp_path / "kernel.ptx"
                path.write_text(text)
                said = subprocess.run([ASSEMBLER, "-v", f"-arch={architecture}", path, "-o", os.devnull],
                                      capture_output=True, text=True)
                assert said.returncode == 0, said.stderr
                assert "C75" not in said.stderr
