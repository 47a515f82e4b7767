"""Attention by wgmma: code for sm_90a, in the emulator, against float64."""

import numpy as np
import pytest

import numbatorch as torch
from numbatorch.cuda import wide_attention
from numbatorch.cuda.compile import compile_kernel
from numbatorch.expr import kinds
from numbatorch.layout import layout
from numbatorch.nn import functional as F
from tests.cuda.assembling import assemble


def numbers(*shape, seed=0):
    return torch.tensor(np.random.default_rng(seed).normal(size=shape).astype("f"))


CASES = {  # shapes of query, key, value; whether masked; options
    "two blocks": ((1, 2, 150, 40), (1, 2, 70, 40), (1, 2, 70, 24), "", {}),
    "causal": ((1, 1, 140, 64), (1, 1, 140, 64), (1, 1, 140, 64), "", {"is_causal": True, "scale": 0.3}),
    "shared keys": ((1, 2, 20, 128), (1, 1, 80, 128), (1, 1, 80, 72), "float", {"enable_gqa": True}),
    "what may be seen": ((1, 1, 40, 32), (1, 1, 40, 32), (1, 1, 40, 32), "bool", {}),
    "large heads": ((1, 1, 20, 200), (1, 1, 70, 200), (1, 1, 70, 256), "", {})}


@pytest.mark.parametrize("case, dtype", [*((case, torch.float16) for case in CASES), ("causal", torch.bfloat16)],
                         ids=str)
def test_results_and_gradients(sm_90a, host_work, case, dtype):
    *shapes, masked, options = CASES[case]
    tensors = [numbers(*shape, seed=k).to(dtype) for k, shape in enumerate(shapes)]
    mask = None
    if masked:
        mask = (numbers(shapes[0][-2], shapes[1][-2], seed=5) * 3).to(dtype)
        if masked == "bool":
            mask = mask > 0.5
            mask[3] = False  # a row that sees nothing gets zeros

    def results(tensors, mask):
        leaves = [t.detach().clone().requires_grad_() for t in tensors]
        found = F.scaled_dot_product_attention(*leaves, attn_mask=mask, **options)
        if case == "causal":
            found.pow(2).sum().backward()  # what forward keeps of each row is what backward reads
        return [found.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None)]
    wide = mask.double() if masked == "float" else mask
    expected = results([t.double() for t in tensors], wide)
    sm_90a.launched.clear()
    found = results([t.to("cuda") for t in tensors], None if mask is None else mask.to("cuda"))
    assert any(kernel.name.startswith("attention_groups") for kernel in sm_90a.launched)
    for a, b in zip(found, expected, strict=True):
        assert a.device.type == "cuda" and a.dtype is dtype and a.shape == b.shape
        assert (a.cpu().double() - b).abs().max() <= (2e-2 if dtype is torch.bfloat16 else 3e-3) * b.abs().max()
    assert not host_work, host_work


@pytest.mark.parametrize("size", [64, 128, 256])
def test_kernels_assemble_without_waits_between_products(size, tmp_path):
    x, row = layout(torch.bfloat16, (2, 4, 512, size)), layout(torch.float32, (2, 4, 512))
    request = kinds.Native("attention", "forward", (x, x, x), [x, row, row], {"causal": size == 64, "scale": 0.125})
    made = wide_attention.WideForward(request, "bfloat16")
    name, source, signature, _ = made.kernel(4)
    text = compile_kernel(name, source, signature, wide_attention.THREADS, shared=made.shared).ptx("sm_90a")
    assert text.count("wgmma.mma_async") == size // 16 + 4 and ".local" not in text and made.shared <= 227 << 10
    assemble(text, "sm_90a", tmp_path)
