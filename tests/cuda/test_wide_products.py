"""Products by wgmma: code for sm_90a, in the emulator, against float64."""

from dataclasses import replace

import numpy as np
import pytest

import numbatorch as torch
from numbatorch.cuda import contraction, convolution, wide_gemm
from numbatorch.cuda.compile import compile_kernel
from numbatorch.cuda.emulator.arena import Arena
from numbatorch.cuda.emulator.schedule import Program
from numbatorch.layout import layout
from numbatorch.nn import functional as F
from numbatorch.ops import correlation
from numbatorch.ops.contraction import linear_rows, mm
from tests.cuda.assembling import assemble


def compiled(request, kind, tile=wide_gemm.TILES[0], pieces=1):
    made = wide_gemm.WideProduct(request, wide_gemm.arranged(request, contraction.roles(request), kind), kind, tile,
                                 pieces)
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
def hopper(sm_90a, monkeypatch):
    """An emulated device that has wgmma, in which a few small tiles are enough; the products that it takes."""
    monkeypatch.setattr(wide_gemm, "LEAST", 1)
    monkeypatch.setattr(wide_gemm, "TILES", wide_gemm.TILES[2:])
    monkeypatch.setattr(contraction, "WORK", 1)
    taken, write = [], wide_gemm.WideProduct._write
    monkeypatch.setattr(wide_gemm.WideProduct, "_write", lambda made: [taken.append(made), write(made)])
    return taken


def single(*shape, seed=0):
    return torch.tensor(np.random.default_rng(seed).normal(size=shape).astype("f"))


def half(*shape, seed=0):
    return single(*shape, seed=seed).half()


def test_matrices_may_lie_along_any_index(hopper, monkeypatch):
    monkeypatch.setattr(wide_gemm, "SHORTEST", 64)
    a, b = half(40, 72), half(72, 136, seed=1)
    expected = a.double() @ b.double()
    x, y = a.to("cuda"), b.to("cuda")
    across = a.t().contiguous().to("cuda").t(), b.t().contiguous().to("cuda").t()
    for left, right in ((x, y), (x, across[1]), (across[0], y), across):
        assert ((left @ right).cpu().double() - expected).abs().max() < 5e-4 * expected.abs().max()
    assert sorted("".join(made.layouts) for made in hopper) == ["kk", "kx", "xk", "xx"]
    many = (torch.stack([x, -x, x]) @ y).cpu().double()
    assert (many - torch.stack([expected, -expected, expected])).abs().max() < 0.03 and len(hopper) == 5
    for left, right in ((x[:, :71], y[:71]), (x[:, 1:], y[1:])):  # an odd sum; rows not at multiples of 16 bytes
        assert torch.allclose((left @ right).cpu(), left.cpu() @ right.cpu(), 1e-2, 1e-2)
    monkeypatch.setenv("NUMBATORCH_WGMMA", "0")
    assert (x[:32] @ y).shape == (32, 136)
    assert len(hopper) == 6


def test_tf32_where_it_is_allowed(hopper):
    a, b = single(40, 260), single(132, 260, seed=1)
    exact, x, y = a.double() @ b.double().t(), a.to("cuda"), b.to("cuda")
    assert ((x @ y.t()).cpu().double() - exact).abs().max() < 2e-6 * exact.abs().max() and not hopper
    torch.set_float32_matmul_precision("high")
    try:
        error = ((x @ y.t()).cpu().double() - exact).abs().max() / exact.abs().max()
        assert 1e-5 < error < 2e-3 and [made.kind_name for made in hopper] == ["tf32"]
    finally:
        torch.set_float32_matmul_precision("highest")


def test_long_sums_are_cut_into_pieces(hopper, monkeypatch):
    monkeypatch.setattr(wide_gemm, "LEAST", 2)
    a, b = half(40, 1104), half(1104, 136, seed=1)
    found = a.to("cuda")[:, :1096] @ b.to("cuda")[:1096]
    expected = a[:, :1096].double() @ b[:1096].double()
    assert (found.cpu().double() - expected).abs().max() < 5e-4 * expected.abs().max()
    assert hopper and hopper[0].pieces > 1


CONVOLUTIONS = {
    "padded": ((3, 40, 8, 9), (40, 40, 3, 3), {"padding": 1}),
    "strided": ((5, 40, 11, 12), (40, 40, 3, 3), {"stride": 2, "padding": 1, "dilation": (1, 2)}),
    "groups": ((4, 80, 8, 8), (80, 40, 3, 3), {"groups": 2}), "points": ((2, 136, 12, 12), (72, 136, 1, 1), {}),
    "one dimension": ((3, 40, 60), (40, 40, 5), {"padding": 2})}


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolutions_and_their_gradients(hopper, case, monkeypatch):
    image, weight, more = CONVOLUTIONS[case]
    monkeypatch.setattr(wide_gemm, "SHORTEST", 64)
    convolve = getattr(F, f"conv{len(image) - 2}d")
    given = half(*image), half(*weight, seed=1), half(weight[0], seed=2)

    def results(*tensors):
        leaves = [t.detach().clone().requires_grad_() for t in tensors]
        found = convolve(*leaves, **more)
        (found * (torch.arange(found.numel(), device=found.device) % 5).to(found.dtype).reshape(found.shape)).sum(
            ).backward()
        return [found.detach(), *(leaf.grad for leaf in leaves)]
    for a, b in zip(results(*(t.to("cuda") for t in given)), results(*(t.double() for t in given)), strict=True):
        assert a.shape == b.shape and (a.cpu().double() - b).abs().max() < 2e-3 * b.abs().max()
    assert len(hopper) >= 3 and {made.request.name.partition("_")[2] for made in hopper} == {
        "", "input_gradient", "weight_gradient"}


def requests():
    """Products of every layout of operands, by name, and their kinds."""
    whole, half = layout(torch.float32, (4096, 4096)), layout(torch.bfloat16, (4096, 4096))
    image, weight, ones = layout(torch.bfloat16, (8, 128, 28, 28)), layout(torch.bfloat16, (128, 128, 3, 3)), (1, 1)
    same = ones, ones, ones, 1
    nests = {"forward": correlation.conv_forward.body(image, weight, None, *same),
             "input gradient": correlation.conv_input_gradient.body(image, weight, tuple(image.shape), *same),
             "weight gradient": correlation.conv_weight_gradient.body(image, image, tuple(weight.shape), *same)}
    return {"matrices": (mm.body(half, half), "bfloat16"),
            "tf32": (linear_rows.body(whole, whole, layout(torch.float32, (4096,))), "tf32"), **{
                name: (replace(nest := given.options["plain"], arrays={
                    k: convolution._channels_last(x) for k, x in nest.arrays.items() if x.ndim > 2}), "bfloat16")
                for name, given in nests.items()}}


@pytest.mark.parametrize("name", ["matrices", "tf32", "forward", "input gradient", "weight gradient"])
def test_kernels_assemble_without_waits_between_products(name, tmp_path):
    """C7515 is the assembler's message for products that it makes wait for each other."""
    _, kernel = compiled(*requests()[name])
    text = kernel.ptx("sm_90a")
    assert text.count("wgmma.mma_async") == 4 and ".local" not in text
    assemble(text, "sm_90a", tmp_path)
