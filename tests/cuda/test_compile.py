"""Kernel source to PTX, without a GPU."""

import shutil
import subprocess

import pytest

from numbatorch.cuda.compile import architecture, compile_kernel, statistics

SCALE = """
def scale(a, factor, out, units):
    i = grid()
    if i < units:
        out[i] = exp_float32(a[i]) * float32(factor)
"""
SIGNATURE = ("float32*", "float64", "float32*", "int64")
ROW = """
def whole(value):
    store = shared_float64()
    store[thread_index()] = value
    barrier()
    half = int64(128)
    while half > 0:
        if thread_index() < half:
            store[thread_index()] += store[thread_index() + half]
        barrier()
        half = half >> 1
    return store[0]


def total(a, out):
    sum = whole(a[grid()])
    if thread_index() == 0:
        out[block_index()] = sum
"""


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90a"])
def test_ptx_names_its_kernel_target_and_version(architecture, tmp_path):
    for kernel in (compile_kernel("scale", SCALE, SIGNATURE), compile_kernel("total", ROW, ("float64*", "float64*"))):
        text = kernel.ptx(architecture)
        assert f".visible .entry {kernel.name}(" in text and f".target {architecture}" in text
        assert ".version 8.0" in text and ".maxntid 256" in text
        assembler = shutil.which("ptxas")
        if assembler:
            (tmp_path / "kernel.ptx").write_text(text)
            done = subprocess.run([assembler, f"-arch={architecture}", tmp_path / "kernel.ptx", "-o", "/dev/null"],
                                  capture_output=True, text=True)
            assert done.returncode == 0, done.stderr


def test_arithmetic_is_not_contracted_unless_written_as_fma():
    text = compile_kernel("contract", """
def contract(a, out):
    out[0] = a[0] * a[1] + a[2]
    out[1] = fma(a[0], a[1], a[2])
""", ("float32*", "float32*")).ptx()
    assert text.count("fma.rn.f32") == 1 and "mul.rn.f32" in text and "add.rn.f32" in text


def test_what_is_compiled_once_is_read_from_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBATORCH_CACHE_DIR", str(tmp_path))
    text = SCALE.replace("scale(", "scale_again(")
    before = statistics()
    first = compile_kernel("scale_again", text, SIGNATURE).ptx()
    from numbatorch.cuda import compile
    monkeypatch.setattr(compile, "_kernels", {})
    assert compile_kernel("scale_again", text, SIGNATURE).ptx() == first
    after = statistics()
    assert (after["compiled"], after["loaded"]) == (before["compiled"] + 1, before["loaded"] + 1)
    assert {path.suffix for path in (tmp_path / "kernels").iterdir()} == {".py", ".ptx"}


def test_functions_that_the_gpu_has_not_are_named_before_llvm_sees_them():
    text = "def far(a):\n    a[0] = library_lgamma_float64(a[0])\n"
    with pytest.raises(RuntimeError, match="kernel far: no code for the GPU in lgamma"):
        compile_kernel("far", text, ("float64*",)).ptx()


def test_mistakes_are_named():
    with pytest.raises(RuntimeError, match="kernel wrong.* does not compile: .*missing"):
        compile_kernel("wrong", "def wrong(a):\n    a[0] = missing\n", ("float32*",)).ptx()
    with pytest.raises(ValueError, match="unknown type 'text'"):
        compile_kernel("wrong", "def wrong(a):\n    a[0] = 1\n", ("text",))


def test_architectures_of_devices():
    named = [architecture(c) for c in ((7, 0), (7, 5), (8, 0), (8, 6), (8, 9), (9, 0), (10, 0))]
    assert named == ["sm_70", "sm_75", "sm_80", "sm_86", "sm_89", "sm_90a", "sm_80"]
    with pytest.raises(NotImplementedError, match=r"compute capability 6\.1; kernels need 7\.0"):
        architecture((6, 1))
