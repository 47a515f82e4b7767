"""GPUs before compute capability 8.0: no tensor cores, no copies that do not wait; products by multiply-add."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
import cuda_cases
import numpy as np
import numbatorch as torch
from numbatorch.cuda import runtime
from numbatorch.cuda.emulator import device
device.ARCHITECTURE = "sm_75"
driver = runtime.driver()
properties = driver.properties(0)
properties.major, properties.minor = 7, 5
driver.properties = lambda index: properties
wanted = {"broadcast", "bfloat16", "sum of columns", "softmax", "layer norm", "scan", "pooling", "scatter", "sort",
          "product", "product, odd", "product bfloat16", "product float16", "product float64", "product complex",
          "long sums", "batch", "conv gradients", "conv groups", "causal attention"}
for name, function, operands in cuda_cases.cases(4000):
    if name in wanted:
        expected, found = function(*operands), function(*(t.cuda() for t in operands))
        pairs = [(expected, found)] if isinstance(expected, torch.Tensor) else zip(expected, found, strict=True)
        error = max(cuda_cases.distance(a, b.cpu(), True) for a, b in pairs)
        assert error <= (5e-3 if "float16" in name else 2e-5), (name, error)
        wanted.remove(name)
assert not wanted, wanted
kernels = [k for f in driver._functions.values() for k in [f.kernel]]
texts = {k.name: k.ptx("sm_75") for k in kernels}
assert any("plain32" in name for name in texts) and any("plain64" in name for name in texts)
for name, text in texts.items():
    assert ".target sm_75" in text, name
    for word in ("mma.sync", "cp.async", "ldmatrix", "redux.sync", ".bf16", ".tf32"):
        assert word not in text, (name, word)
print(len(texts), "kernels")
"""


def test_every_family_runs_without_what_newer_ones_have():
    folder = Path(__file__).resolve().parents[2] / "examples" / "benchmarks"
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(folder)], capture_output=True, text=True,
                          env={**os.environ, "NUMBATORCH_CUDA": "emulate", "PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-2000:]
    assert "kernels" in done.stdout
