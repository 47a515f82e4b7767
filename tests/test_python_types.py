"""Python's types where a dtype is asked for, and sizes that no memory has."""

import pytest

import numbatorch as torch

KINDS = [(float, torch.float64), (int, torch.int64), (bool, torch.bool), (complex, torch.complex128)]
HUGE = (2**40, 2**40)


@pytest.mark.parametrize("kind, dtype", KINDS)
def test_conversions_take_python_types(kind, dtype):
    x = torch.ones(4)
    assert x.to(kind).dtype is x.to(dtype=kind).dtype is x.to("cpu", kind).dtype is dtype
    assert torch.zeros(2, dtype=kind).dtype is torch.zeros_like(x, dtype=kind).dtype is x.new_zeros(2, dtype=kind).dtype
    assert torch.tensor([1], dtype=kind).dtype is dtype


@pytest.mark.parametrize("kind, dtype", KINDS[:2])
def test_functions_take_python_types(kind, dtype):
    x = torch.ones(4)
    assert x.sum(dtype=kind).dtype is x.sum(0, dtype=kind).dtype is x.prod(dtype=kind).dtype is dtype
    assert torch.cumsum(x, 0, dtype=kind).dtype is dtype
    assert x.view(kind).tolist() == x.view(dtype).tolist() and x.view(dtype=kind).dtype is dtype
    assert torch.promote_types(torch.bool, kind) is dtype and torch.can_cast(kind, float)


def test_floating_point_functions_take_float():
    x = torch.ones(4, requires_grad=True)
    assert x.mean(dtype=float).dtype is torch.softmax(x, 0, dtype=float).dtype is torch.rand(2, dtype=float).dtype
    x.sum(dtype=float).backward()
    assert x.grad.dtype is torch.float32 and x.grad.tolist() == [1.0] * 4
    assert torch.nn.Linear(2, 3).to(float).weight.dtype is torch.float64
    assert (torch.finfo(float).bits, torch.iinfo(int).bits) == (64, 64)


@pytest.mark.parametrize("call", [lambda x: x.to(str), lambda x: x.to(dtype="a"), lambda x: x.sum(dtype=3),
                                  lambda x: torch.zeros(2, dtype=str), lambda x: x.to("cpu", dtype=list)])
def test_other_types_are_refused(call):
    with pytest.raises(TypeError, match="dtype|expected a"):
        call(torch.ones(3))


@pytest.mark.parametrize("make", [
    lambda: torch.zeros(*HUGE), lambda: torch.ones(HUGE), lambda: torch.empty(HUGE), lambda: torch.full(HUGE, 1.0),
    lambda: torch.rand(HUGE), lambda: torch.randint(3, HUGE), lambda: torch.ones(1).new_zeros(HUGE),
    lambda: torch.ones(1).expand(HUGE), lambda: torch.ones(3).repeat(HUGE), lambda: torch.empty(2**62),
    lambda: torch.arange(2**62), lambda: torch.linspace(0, 1, 2**62), lambda: torch.eye(2**40),
    lambda: torch.empty(HUGE, device="meta")])
def test_sizes_that_overflow_are_refused(make):
    with pytest.raises(RuntimeError, match="Storage size calculation overflowed with sizes="):
        make()


@pytest.mark.parametrize("name", "zeros_like ones_like empty_like full_like rand_like randn_like randint_like".split())
def test_tensors_like_what_is_none_are_refused(name):
    with pytest.raises(TypeError, match=rf"{name}\(\): argument 'input' \(position 1\) must be Tensor, not list"):
        getattr(torch, name)([1], *([2] if name in ("full_like", "randint_like") else []))
