"""Formulas over operands that lie across the result: large ones are turned over first, small ones read in tiles."""

import numpy as np
import pytest

import numbatorch as torch
from numbatorch.cpu import elementwise, operands
from numbatorch.expr import kinds
from numbatorch.expr.tree import arg


def values(shape, dtype="float32", seed=0):
    numbers = np.random.default_rng(seed).standard_normal(shape)
    return torch.tensor(numbers.astype(dtype) if dtype != "bool" else numbers > 0)


@pytest.mark.parametrize("shape", [(45, 46), (70, 90), (3, 50, 64), (5, 40, 1, 33)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "bool"])
def test_values_are_those_of_contiguous_operands(shape, dtype):
    x, y = values(shape, dtype), values((*shape[:-2], shape[-1], shape[-2]), dtype, 1)
    turned = x.mT.contiguous()
    for f in (lambda a, b: torch.where(a > 0, a, b), lambda a, b: a + b, lambda a, b: b * a + a):
        if dtype != "bool" or f(turned, y).dtype.is_floating_point:
            assert torch.equal(f(x.mT, y), f(turned, y)) and torch.equal(f(y, x.mT), f(y, turned))
    assert torch.equal(x.mT.to(torch.float16), turned.to(torch.float16))
    assert torch.equal(torch.logical_or(x.mT, y), torch.logical_or(turned, y))


@pytest.mark.parametrize("threads", [1, 2])
def test_compiled_formulas_have_the_bits_of_eager_ones(threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        x, y, row = values((60, 70)), values((70, 60)), values((60,))
        run = torch.compile(lambda x, y: ((y + x.mT).tanh() * row, (x.mT * y).exp().mT + x))
        for _ in range(3):
            assert all(torch.equal(a, b) for a, b in zip(run(x, y), run.function(x, y), strict=True))
        assert run.programs, run.explain()
    finally:
        torch.set_num_threads(before)


def test_only_large_operands_are_copied(monkeypatch):
    made = []
    own = operands.staged
    monkeypatch.setattr(operands, "staged", lambda launch, copies: made.append(len(copies)) or own(launch, copies))
    x, y = values((57, 61)), values((61, 57))
    torch.add(y, x.mT)
    assert made == [1]
    (values((31, 33)) + values((33, 31)).mT, x.mT + x.mT, x + x[:1], y + x.mT[:, :1])
    assert made == [1] and 31 * 33 < elementwise.LARGE


def test_what_is_written_may_be_what_lies_across():
    x = values((64, 64))
    expected = x + x.mT.contiguous()
    assert torch.equal(torch.add(x, x.mT, out=torch.empty(64, 64)), expected)
    x += x.mT.clone()
    assert torch.equal(x, expected)


@pytest.mark.parametrize("order", [(0, 2, 3, 1), (3, 1, 2, 0), (1, 3, 0, 2)])
@pytest.mark.parametrize("shape", [(3, 17, 40, 2), (2, 3, 16, 35), (5, 16, 2, 130)])
def test_a_short_last_dimension_is_walked_inside_a_longer_one(shape, order):
    x = values(shape)
    turned = torch.tensor(np.ascontiguousarray(x.numpy().transpose(order)))
    y = values(turned.shape, seed=1)
    assert torch.equal(x.permute(order).contiguous(), turned)
    assert torch.equal(x.permute(order) * y + y, turned * y + y)
    assert torch.equal(torch.where(y > 0, x.permute(order), y), torch.where(y > 0, turned, y))


def test_why_a_formula_is_walked_in_tiles():
    def reason(layout, shape):
        request = kinds.Elementwise("copy", (arg("x"),), [kinds.Operand("x", layout, "float32")],
                                    [torch.empty(shape)._layout], shape, "float32")
        return elementwise._walk(request)[-1]

    assert reason(torch.empty(2, 40, 40).permute(1, 2, 0)._layout, (40, 40, 2)) == "short"
    assert reason(torch.empty(40, 40).t()._layout, (40, 40)) == "across"
    assert reason(torch.empty(40, 4)[:, :2]._layout, (40, 2)) is None
    assert reason(torch.empty(2, 4).t()._layout, (4, 2)) is None
