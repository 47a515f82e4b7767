"""Attention by tiles, in the emulator, against float64 on the CPU."""

import numpy as np
import pytest

import numbatorch as torch
from numbatorch.cuda import attention, attention_backward
from numbatorch.cuda.compile import compile_kernel
from numbatorch.expr import kinds
from numbatorch.layout import layout
from numbatorch.nn import functional as F

pytestmark = pytest.mark.usefixtures("gpu")


def numbers(*shape, seed=0):
    return torch.tensor(np.random.default_rng(seed).normal(size=shape).astype("f"))


def results(tensors, mask, **options):
    """The result and the gradients of the operands."""
    leaves = [t.detach().clone().requires_grad_() for t in tensors]
    found = F.scaled_dot_product_attention(*leaves, attn_mask=mask, **options)
    weights = torch.arange(found.numel(), device=found.device).reshape(found.shape).remainder(7.0)
    (found * weights.to(found.dtype)).sum().backward()
    return [found.detach(), *(leaf.grad for leaf in leaves)]


CASES = {  # shapes of query, key, value; whether masked; options
    "two tiles": ((2, 2, 70, 40), (2, 2, 37, 40), (2, 2, 37, 24), "", {}),
    "causal": ((1, 2, 70, 64), (1, 2, 70, 64), (1, 2, 70, 64), "", {"is_causal": True}),
    "causal, more keys": ((1, 1, 10, 32), (1, 1, 70, 32), (1, 1, 70, 32), "", {"is_causal": True, "scale": 0.3}),
    "odd sizes": ((2, 33, 19), (2, 70, 19), (2, 70, 7), "", {}),
    "what may be seen": ((2, 2, 40, 32), (2, 2, 40, 32), (2, 2, 40, 32), "bool", {}),
    "added mask": ((2, 3, 9, 8), (2, 3, 12, 8), (2, 3, 12, 8), "float", {}),
    "shared keys": ((1, 4, 20, 32), (1, 2, 20, 32), (1, 2, 20, 32), "", {"enable_gqa": True, "is_causal": True}),
    "large heads": ((1, 1, 40, 128), (1, 1, 50, 128), (1, 1, 50, 128), "", {}),
    "heads of 160": ((1, 2, 35, 160), (1, 1, 40, 160), (1, 1, 40, 136), "float", {"enable_gqa": True}),
    "heads of 192": ((1, 1, 40, 192), (1, 1, 40, 192), (1, 1, 40, 192), "", {"is_causal": True}),
    "heads of 256": ((1, 1, 35, 255), (1, 1, 40, 255), (1, 1, 40, 256), "bool", {})}


@pytest.mark.parametrize("case", CASES)
def test_results_and_gradients(host_work, case):
    *shapes, masked, options = CASES[case]
    tensors = [numbers(*shape, seed=k) for k, shape in enumerate(shapes)]
    mask = None
    if masked:
        mask = numbers(shapes[0][-2], shapes[1][-2], seed=5) * 3
        mask = mask > 0.5 if masked == "bool" else mask
        if masked == "bool":
            mask[3] = False  # a row that sees nothing gets zeros
    wide = [t.double() for t in tensors]
    expected = results(wide, mask.double() if masked == "float" else mask, **options)
    placed = None if mask is None else mask.to("cuda")
    found = results([t.to("cuda") for t in tensors], placed, **options)
    again = results([t.to("cuda") for t in tensors], placed, **options)
    for a, b, c in zip(found, expected, again, strict=True):
        assert a.device.type == "cuda" and a.shape == b.shape
        assert (a.cpu().double() - b).abs().max() <= 2e-6 * b.abs().max()
        assert a.cpu().numpy().tobytes() == c.cpu().numpy().tobytes()
    assert not host_work, host_work


def test_heads_that_are_transposed_lie_apart(host_work):
    x = numbers(2, 21, 3 * 4 * 16)

    def split(x):
        q, k, v = (t.reshape(2, 21, 4, 16).transpose(1, 2) for t in x.chunk(3, -1))
        return F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(2, 21, 64)
    assert (split(x.to("cuda")).cpu().double() - split(x.double())).abs().max() < 1e-6
    assert not host_work, host_work


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90a"])
@pytest.mark.parametrize("dtype, size", [("float32", 64), ("bfloat16", 64), ("float16", 256), ("float32", 256)])
def test_kernels_compile_and_spill_nothing(dtype, size, architecture):
    x = layout(getattr(torch, dtype), (2, 4, 512, size))
    row = layout(torch.float32, (2, 4, 512))
    options = {"causal": True, "scale": 0.125}
    made = attention.Forward(kinds.Native("attention", "forward", (x, x, x), [x, row, row], options), dtype, True)
    request = kinds.Native("attention", "backward", (x, x, x, x, row, row, x), [x, x, x], options)
    for text in (made, *(attention_backward.Backward(request, dtype, True, of_keys) for of_keys in (False, True))):
        name, source, signature, _ = text.kernel(8)
        ptx = compile_kernel(name, source, signature, 128, shared=text.shared).ptx(architecture)
        assert "mma.sync" in ptx and "cp.async" in ptx and ".local" not in ptx
        assert text.shared <= 99 << 10


@pytest.mark.parametrize("dtype, size", [(torch.bfloat16, 32), (torch.float16, 32), (torch.float16, 248)], ids=str)
def test_half_precision_is_not_widened(host_work, dtype, size):
    tensors = [numbers(1, 2 if size < 64 else 1, 70 - size // 8, size, seed=k).to(dtype) for k in range(3)]
    expected = results([t.double() for t in tensors], None, is_causal=True)
    found = results([t.to("cuda") for t in tensors], None, is_causal=True)
    for a, b in zip(found, expected, strict=True):
        assert a.dtype is dtype
        assert (a.cpu().double() - b).abs().max() <= (2e-2 if dtype is torch.bfloat16 else 3e-3) * b.abs().max()
    x = tensors[0].to("cuda")
    assert torch.equal(F.scaled_dot_product_attention(x, x, x), F.scaled_dot_product_attention(x, x, x))
    assert not host_work, host_work


@pytest.mark.parametrize("length, sources", [(0, 5), (3, 0)])
def test_no_queries_or_no_keys(gpu, length, sources):
    query, key, value = (torch.ones(1, 2, n, 8, device="cuda", requires_grad=True) for n in (length, sources, sources))
    result = F.scaled_dot_product_attention(query, key, value)
    assert result.shape == (1, 2, length, 8) and not result.any()
    result.sum().backward()
    assert all(x.grad.shape == x.shape and not x.grad.any() for x in (query, key, value))
