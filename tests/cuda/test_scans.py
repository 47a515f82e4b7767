"""Scans and compactions of long rows by many blocks, in the emulator, against the CPU."""

import numpy as np
import pytest

import numbatorch as torch

pytestmark = pytest.mark.usefixtures("gpu")
FUNCTIONS = {
    "sum": lambda x: x.cumsum(-1), "prod": lambda x: (1 + x * 1e-5).cumprod(-1), "max": lambda x: x.cummax(-1),
    "min": lambda x: x.cummin(-1), "int sum": lambda x: (x * 100).int().cumsum(-1),
    "int max": lambda x: (x * 3).int().cummax(-1), "bool": lambda x: (x > 1).cummax(-1),
    "complex": lambda x: torch.complex(x, x).cumsum(-1), "bfloat16": lambda x: x.to(torch.bfloat16).cumsum(-1)}


def numbers(*shape):
    return torch.tensor(np.random.default_rng(0).normal(size=shape).astype("f"))


def check(function, x):
    expected, found = function(x), function(x.cuda())
    pairs = [(expected, found)] if isinstance(expected, torch.Tensor) else list(zip(expected, found, strict=True))
    for a, b in pairs:
        a, b = a.to(torch.complex128).numpy(), b.cpu().to(torch.complex128).numpy()
        assert np.allclose(a, b, rtol=2e-2 if x.dtype is torch.bfloat16 else 1e-6, atol=1e-5, equal_nan=True)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_rows_of_a_block(name):
    check(FUNCTIONS[name], numbers(3, 777))


@pytest.mark.parametrize("name", ["sum", "max", "int max", "complex"])
def test_rows_in_pieces(name):
    x = numbers(2, 17001)
    x[1, 9000] = float("nan") if name == "max" else 5.0
    x[0, 400] = x[0, 12000]
    check(FUNCTIONS[name], x)


def test_other_layouts_and_gradients():
    check(lambda x: x.cumsum(0), numbers(300, 4))
    check(lambda x: x.t()[:, ::2].cumsum(1), numbers(300, 4))

    def gradient(x):
        leaf = x.clone().requires_grad_()
        (leaf.cumsum(1) ** 2).sum().backward()
        return leaf.grad
    check(gradient, numbers(2, 300) * 0.1)


def test_sums_have_the_same_bits_in_every_run():
    x = (numbers(20001) * 1e4).cuda()
    assert torch.equal(x.cumsum(0), x.cumsum(0))


@pytest.mark.parametrize("length", [0, 1, 4096, 4097, 12301])
def test_nonzero_elements_are_found_by_many_blocks(length):
    x = torch.tensor(np.random.default_rng(1).integers(0, 3, length))
    assert torch.equal(x.cuda().nonzero().cpu(), x.nonzero())
    y = x.float()
    assert torch.equal(y.cuda()[x.cuda() > 1].cpu(), y[x > 1])


def test_no_element_and_every_element():
    for value in (0, 1):
        x = torch.full((9001,), value)
        assert torch.equal(x.cuda().nonzero().cpu(), x.nonzero())
    assert torch.equal(torch.ones(3, 5).bool().cuda().nonzero().cpu(), torch.ones(3, 5).bool().nonzero())
