"""Products by wgmma: code for sm_90a, in the emulator, against float64."""

import shutil
import subprocess

import numpy as np
import pytest

import numbatorch as torch
from numbatorch.cuda import contraction, wide_gemm
from numbatorch.cuda.compile import compile_kernel
from numbatorch.cuda.emulator.arena import Arena
from numbatorch.cuda.emulator.schedule import Program
from numbatorch.layout import layout
from numbatorch.ops.contraction import linear_rows, mm


def compiled(request, kind):
    found = contraction.roles(request)
    made = wide_gemm.WideProduct(request, found, kind)
    return made, compile_kernel(made.name, made.text, made.signature, made.tile.threads, shared=made.shared)


def bits(values, dtype):
    return values.astype("f2").view("u2") if dtype == "float16" else (values.view("u4") >> 16).astype("u2")


def numbers(stored, dtype):
    wide = stored.view("f2") if dtype == "float16" else (stored.astype("u4") << 16).view("f4")
    return wide.astype("d")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("shape", [(200, 300, 328), (130, 40, 72)])
def test_groups_of_warps_multiply_out_of_shared_memory(dtype, shape):
    m, n, k = shape
    kind = getattr(torch, dtype)
    made, kernel = compiled(linear_rows.body(layout(kind, (m, k)), layout(kind, (n, k)), layout(kind, (n,))), dtype)
    generator = np.random.default_rng(0)
    a, b, c = (bits(generator.normal(size=s).astype("f"), dtype) for s in ((m, k), (n, k), (n,)))
    arena, places = Arena(1 << 22), []
    for array in (a, b, c, np.zeros((m, n), "u2")):
        places.append(arena.allocate(array.nbytes))
        arena.window(places[-1], array.nbytes)[:] = array.reshape(-1).view("u1")
    program = Program(kernel.ptx("sm_90a"), kernel.name, None)
    program.launch(arena, (made.blocks, 1, 1), (made.tile.threads, 1, 1), [*places, *made.numbers.values], made.shared)
    found = numbers(arena.window(places[3], 2 * m * n).view("u2").reshape(m, n), dtype)
    expected = numbers(a, dtype) @ numbers(b, dtype).T + numbers(c, dtype)
    assert np.abs(found - expected).max() < (4e-3 if dtype == "bfloat16" else 5e-4) * np.abs(expected).max()


@pytest.fixture
def hopper(gpu, monkeypatch):
    """An emulated device that has wgmma, in which a few tiles are enough."""
    from numbatorch.cuda.emulator import device
    monkeypatch.setattr(device, "ARCHITECTURE", "sm_90a")
    monkeypatch.setattr(wide_gemm, "LEAST", 1)
    taken, start = [], wide_gemm.start_turned
    monkeypatch.setattr(wide_gemm, "start_turned", lambda *given: taken.append(given) or start(*given))
    properties = gpu.properties(0)
    properties.major = 9
    monkeypatch.setattr(gpu, "properties", lambda index: properties)
    return taken


def test_matrices_of_any_order_are_turned_for_them(hopper, monkeypatch):
    a, b = (np.random.default_rng(k).normal(size=s).astype("f") for k, s in enumerate(((152, 264), (264, 144))))
    a, b = torch.tensor(a).half(), torch.tensor(b).half()
    expected = a.double() @ b.double()
    x, y = a.to("cuda"), b.to("cuda")
    across = a.t().contiguous().to("cuda").t(), b.t().contiguous().to("cuda").t()
    for left, right in ((x, y), (x, across[1]), (across[0], y), across):
        assert ((left @ right).cpu().double() - expected).abs().max() < 5e-4 * expected.abs().max()
    assert len(hopper) == 4
    for left, right in ((x[:, :263], y[:263]), (x[:, 1:], y[1:])):  # an odd sum; rows not at multiples of 16 bytes
        assert torch.allclose((left @ right).cpu(), left.cpu() @ right.cpu(), 1e-2, 1e-2)
    assert (x.float() @ y.float()).shape == (152, 144)
    monkeypatch.setenv("NUMBATORCH_WGMMA", "0")
    assert (x[:144] @ y).shape == (144, 144)
    assert len(hopper) == 5


def test_the_kernel_assembles_without_waits_between_products(tmp_path):
    """C7515 is the assembler's message for products that it makes wait for each other."""
    kind = torch.bfloat16
    _, kernel = compiled(mm.body(layout(kind, (4096, 4096)), layout(kind, (4096, 4096), (1, 4096))), "bfloat16")
    text = kernel.ptx("sm_90a")
    assert text.count("wgmma.mma_async") == 4 and ".local" not in text
    assembler = shutil.which("ptxas")
    if assembler is None:
        pytest.skip("PTX was made; no ptxas to assemble it is on the path (nvidia-cuda-nvcc-cu12 has one)")
    (tmp_path / "kernel.ptx").write_text(text)
    done = subprocess.run([assembler, "-v", "-arch=sm_90a", tmp_path / "kernel.ptx", "-o", tmp_path / "x"],
                          capture_output=True, text=True)
    assert done.returncode == 0 and "0 bytes spill stores" in done.stderr and "C75" not in done.stderr, done.stderr
