"""Code for a lesser machine than this one, and the text of kernels for another architecture."""

import os
import subprocess
import sys

import llvmlite.binding as llvm
import pytest

from numbatorch.cpu import machine, microkernel
from numbatorch.cpu.attention_kernels import write_backward, write_forward
from numbatorch.cpu.convolution_planes_kernels import write_planes, write_planes_weight
from numbatorch.cpu.gemm import write_gemm, write_gemm_dot
from numbatorch.cpu.irwriter import Module
from numbatorch.lowering import host

PROGRAM = """
import numpy as np, numbatorch as nt
from numbatorch.cpu import machine, microkernel
print(machine.host()[0], microkernel.host_target("float32").lanes)
rng = np.random.default_rng(0)
def given(*shape):
    return nt.tensor(rng.standard_normal(shape).astype(np.float32))
def check(got, expected):
    expected = expected.numpy()
    assert abs(got.double().numpy() - expected).max() <= 4e-6 * max(1.0, abs(expected).max())
F = nt.nn.functional
a, b = given(37, 300), given(300, 45)
check(a @ b, a.double() @ b.double())
check(a @ b.t().contiguous().t(), a.double() @ b.double())
for groups, channels, stride in ((1, 4, 1), (4, 4, 2), (1, 1, 2)):
    x, w = given(3, channels, 13, 21), given(8, channels // groups, 3, 3)
    check(F.conv2d(x, w, None, stride, 1, 1, groups), F.conv2d(x.double(), w.double(), None, stride, 1, 1, groups))
q, k, v = given(2, 2, 40, 16), given(2, 2, 40, 16), given(2, 2, 40, 16)
wide = [x.double() for x in (q, k, v)]
check(F.scaled_dot_product_attention(q, k, v, is_causal=True), F.scaled_dot_product_attention(*wide, is_causal=True))
check(nt.exp(a), nt.exp(a.double()))
half = nt.tensor([1.5, -2.25, 6e-8]).to(nt.float16)
assert half.float().tolist() == [1.5, -2.25, 5.960464477539063e-08]
"""


@pytest.mark.skipif(not host.is_x86(), reason="levels are those of x86-64")
@pytest.mark.parametrize(("level", "lanes"), [("x86-64-v3", 8), ("x86-64-v2", 4)])
def test_a_lesser_level_computes_the_same(level, lanes, tmp_path):
    if not machine.has_feature("avx2"):
        pytest.skip("this machine is no more than that")
    environment = {**os.environ, "NUMBATORCH_CPU": level, "NUMBATORCH_CACHE_DIR": str(tmp_path),
                   "NUMBATORCH_PACKS": os.devnull}
    made = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=300)
    assert made.returncode == 0, made.stderr
    assert made.stdout.split() == [level, str(lanes)]


def test_an_unknown_level_is_refused_by_name(monkeypatch):
    monkeypatch.setenv("NUMBATORCH_CPU", "x86-64-v9")
    with pytest.raises(ValueError, match="NUMBATORCH_CPU: expected one of native.*got 'x86-64-v9'"):
        host.host.__wrapped__()


@pytest.mark.parametrize("write", [write_gemm, write_gemm_dot, write_planes])
def test_kernels_are_valid_for_aarch64(write):
    """NEON has vectors of its own width; LLVM can write code for it here only where it was built for that."""
    target = microkernel.host_target("float32", "neon")
    module = llvm.parse_assembly(write("kernel", target, True))
    module.triple = "aarch64-unknown-linux-gnu"
    module.verify()


def test_other_kernels_and_tiles_are_valid_for_aarch64():
    target = microkernel.host_target("float32", "neon")
    for write in (write_forward, write_backward, write_planes_weight):
        llvm.parse_assembly(write("kernel", target)).verify()
    module = Module()
    microkernel.write_tile(module, "tile", target, target.rows, target.vectors, microkernel.FLAT, row_numbers=True)
    microkernel.write_pack_transposed(module, "pack", target)
    llvm.parse_assembly(module.text()).verify()
