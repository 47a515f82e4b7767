"""Where float16 and bfloat16 are rounded: once in what is declared wide, after each step in stepwise gradients."""

import pytest

import numbatorch as torch

NARROW = [torch.float16, torch.bfloat16]


def numbers(*shape, dtype, seed=0):
    torch.manual_seed(seed)
    return torch.randn(*shape).to(dtype)


@pytest.mark.parametrize("dtype", NARROW)
def test_sums_of_products_are_rounded_once(dtype):
    x, a, b = (numbers(4, 4, dtype=dtype, seed=s) for s in range(3))
    want = (0.5 * x.float() + 3 * (a.float() @ b.float())).to(dtype)
    assert torch.addmm(x, a, b, beta=0.5, alpha=3).equal(want)
    batches = [t.expand(3, 4, 4) for t in (a, b)]
    assert torch.addbmm(x, *batches).equal((x.float() + 3 * (a.float() @ b.float())).to(dtype))


@pytest.mark.parametrize("dtype", NARROW)
def test_wide_composites_give_their_operands_dtype(dtype):
    x, y = (numbers(3, 5, dtype=dtype, seed=s).requires_grad_() for s in range(2))
    result = torch.nn.functional.cosine_similarity(x, y)
    assert result.dtype is dtype and result.equal(torch.nn.functional.cosine_similarity(x.float(), y.float()).to(dtype))
    result.sum().backward()
    assert x.grad.dtype is dtype


@pytest.mark.parametrize("dtype", NARROW)
def test_the_gradient_of_a_quotient_is_rounded_step_by_step(dtype):
    a, b, grad = (numbers(50, dtype=dtype, seed=s) for s in range(3))
    leaf = b.clone().requires_grad_()
    (a / leaf).backward(grad)
    assert leaf.grad.equal(-(grad * ((a / b) / b)))


def test_gradients_of_overlapping_borders_are_summed_in_order():
    x = torch.ones(1, 1, 2, 2, dtype=torch.bfloat16, requires_grad=True)
    grad = numbers(1, 1, 5, 6, dtype=torch.bfloat16)
    torch.nn.functional.pad(x, (2, 2, 2, 1), "replicate").backward(grad)
    want = torch.zeros(2, 2, dtype=torch.bfloat16)
    for i in range(5):
        for j in range(6):
            want[min(max(i - 2, 0), 1), min(max(j - 2, 0), 1)] += grad[0, 0, i, j]
    assert x.grad[0, 0].equal(want)


def test_factors_of_integer_products_are_cut():
    a = torch.arange(4).reshape(2, 2)
    assert torch.addmm(a, a, a, beta=2.6, alpha=3.7).tolist() == [[6, 11], [22, 39]]
    with pytest.raises(RuntimeError, match="argument beta must not be a floating point number"):
        torch.addr(a, a[0], a[1], beta=0.5)
    t = torch.tensor([True, False])
    assert torch.addr(t.reshape(2, 1).expand(2, 2), t, t, beta=0).tolist() == [[True, False], [False, False]]
    assert torch.square(t).dtype is torch.int64 and torch.prod(t, dtype=torch.bool).item() is False


def test_complex_sums_of_exponentials():
    z = torch.tensor([1 + 2j, 3 - 1j, 2, -1 + 5j], requires_grad=True)
    running = z.logcumsumexp(0)
    assert torch.allclose(running.exp(), z.exp().cumsum(0))
    (grad,) = torch.autograd.grad(running.real.sum(), z)
    assert torch.allclose(grad, torch.autograd.grad(z.exp().cumsum(0).log().real.sum(), z)[0], atol=1e-5)
    assert torch.allclose(torch.logaddexp(z, z.flip(0)).exp(), z.exp() + z.flip(0).exp())


def test_the_sign_of_a_complex_number_turns():
    z = torch.tensor([3 + 4j, 0], requires_grad=True)
    torch.sgn(z).imag.sum().backward()
    assert torch.allclose(z.grad, torch.tensor([(-12 + 9j) / 125, 0]), atol=1e-6)


def test_to_copies_when_told_by_position():
    x = torch.ones(2)
    assert x.to(torch.float32, False, True) is not x and x.to(torch.float32, True) is x
