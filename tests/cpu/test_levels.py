"""Code for a lesser machine than this one, and the text of kernels for another architecture."""

import ctypes
import json
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
from numbatorch.lowering import cache, host, packs

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
@pytest.mark.parametrize(("level", "lanes"), [("x86-64-v3", 8), ("x86-64-v2", 4), ("aarch64", 4)])
def test_another_level_computes_the_same(level, lanes, tmp_path):
    environment = {**os.environ, "NUMBATORCH_CPU": level, "NUMBATORCH_CACHE_DIR": str(tmp_path),
                   "NUMBATORCH_PACKS": os.devnull}
    made = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=300)
    assert made.returncode == 0, made.stderr
    assert made.stdout.split() == [level, str(lanes)]
    for path in cache.entries(tmp_path):
        code = cache.payload(path.read_bytes()).partition(b"\n")[2]
        assert elf_machine(code) == (EM_AARCH64 if level == "aarch64" else EM_X86_64)


FAMILIES = """
import numpy as np, numbatorch as nt
from numbatorch.lowering import cache, host, packs
assert not host.runs_here() or host.own()[0] == "aarch64"
rng = np.random.default_rng(0)
def given(*shape):
    return nt.tensor(rng.standard_normal(shape).astype(np.float32), requires_grad=True)
def check(got, expected):
    expected = expected.detach().numpy()
    assert abs(got.detach().double().numpy() - expected).max() <= 1e-5 * max(1.0, abs(expected).max())
F = nt.nn.functional
x = given(6, 40)
wide = x.detach().double().requires_grad_()
for function in (lambda x: x.sort(1)[0].cumsum(1), lambda x: F.layer_norm(x, (40,)), lambda x: x.t().contiguous() * 2,
                 lambda x: F.max_pool1d(x[None], 3)[0], lambda x: x[:, x.argmax(0)[:5] % 6], lambda x: x.sum(0).exp(),
                 lambda x: nt.fft.rfft(x).abs()):
    check(function(x), function(wide))
    for grad, exact in zip(nt.autograd.grad(function(x).sin().sum(), x),
                           nt.autograd.grad(function(wide).sin().sum(), wide)):
        check(grad, exact)
check(x.bfloat16() @ x.bfloat16().t(), (x.bfloat16().double() @ x.bfloat16().double().t()).bfloat16().double())
check(x.half().exp(), x.half().double().exp().half().double())
whole = nt.randint(-9, 9, (5, 33), dtype=nt.int8)
assert (nt._int_mm(nt.randint(-9, 9, (17, 40), dtype=nt.int8), nt.ones(40, 8, dtype=nt.int8))).dtype == nt.int32
cell = nt.nn.LSTM(8, 16)
states, _ = cell(given(5, 3, 8))
states.sum().backward()
exact, _ = nt.nn.LSTM(8, 16).double()(given(5, 3, 8).double())
assert nt.rand(1000).multinomial(4).numel() == 4
assert nt.randperm(50).sort()[0].tolist() == list(range(50))
nt.nn.functional.embedding(nt.tensor([1, 2, 1]), given(4, 7)).sum().backward()
"""


@pytest.mark.slow
def test_kernels_are_compiled_for_aarch64_from_any_machine(tmp_path):
    """Their text runs here, as code for this machine; what is kept is code for the other one, all of it whole."""
    environment = {**os.environ, "NUMBATORCH_CPU": "aarch64", "NUMBATORCH_CACHE_DIR": str(tmp_path),
                   "NUMBATORCH_PACKS": os.devnull}
    made = subprocess.run([sys.executable, "-c", FAMILIES], env=environment, capture_output=True, text=True,
                          timeout=300)
    assert made.returncode == 0, made.stderr
    kept = [cache.payload(path.read_bytes()) for path in cache.entries(tmp_path)]
    assert len(kept) > 40
    for content in kept:
        needs, _, code = content.partition(b"\n")
        assert elf_machine(code) == EM_AARCH64
        for name in json.loads(needs):
            assert known(name), name


EM_X86_64, EM_AARCH64 = 62, 183  # of an ELF file's head, e_machine


def elf_machine(code):
    if code[:4] != b"\x7fELF":
        pytest.skip("object files are of another format under this system")
    return int.from_bytes(code[18:20], "little")


def known(name):
    """Whether a process has a function or variable of this name, wherever: Python, the C library or the pool."""
    return name.startswith("numbatorch_") or hasattr(ctypes.pythonapi, name) or machine.symbol(name)


@pytest.mark.parametrize("level", host.SHIPPED)
def test_shipped_packs_hold_code_for_their_level(level):
    entries = packs.load(packs.Path(packs.__file__).parent.parent / "objects" / f"{level}.pack")["entries"]
    for content in entries.values():
        needs, _, code = cache.payload(content).partition(b"\n")
        assert elf_machine(code) == (EM_AARCH64 if level == "aarch64" else EM_X86_64)
        assert all(map(known, json.loads(needs)))


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
