"""Gradients of operands that were broadcast: summed as they are made, never written out in the result's shape."""

import sys

import pytest

import numbatorch as nt
from numbatorch.nn import functional as F


def numbers(*shape):
    return nt.randn(*shape, dtype=nt.float64).requires_grad_()


@pytest.fixture(autouse=True)
def seeded():
    nt.manual_seed(0)


@pytest.mark.parametrize(("function", "shapes"), [
    (lambda x, w, b: F.layer_norm(x, (24,), w, b), [(5, 24), (24,), (24,)]),
    (lambda x, w: F.rms_norm(x, (24,), w), [(2, 5, 24), (24,)]),
    (lambda x, w, b: F.group_norm(x, 4, w, b), [(2, 16, 3, 2), (16,), (16,)]),
    (lambda x, w, b: F.batch_norm(x, None, None, w, b, True), [(3, 20, 4, 5), (20,), (20,)]),
    (lambda x, w: x * w, [(3, 20), (20,)]),
    (lambda x, w: x * w, [(20, 3), (20, 1)]),
    (lambda x, w: x * w, [(20, 1), (1, 17)]),
    (lambda x, w: x.t() / w.exp(), [(3, 20), (20, 1)]),
    (lambda x, w, v: nt.lerp(x, w, v), [(16, 17), (17,), (16, 1)]),
    (lambda x, w: nt.where(x > 0, x * w, w * w), [(4, 18), (18,)])])
def test_gradients_are_those_of_the_recorded_pass(function, shapes):
    operands = [numbers(*shape) for shape in shapes]
    result = function(*operands)
    grad = nt.randn(result.shape, dtype=nt.float64)
    fast = nt.autograd.grad(result, operands, grad, retain_graph=True)
    recorded = nt.autograd.grad(result, operands, grad, create_graph=True)  # evaluated op by op
    for operand, gradient, expected in zip(operands, fast, recorded, strict=True):
        assert gradient.shape == operand.shape
        assert nt.allclose(gradient, expected, rtol=1e-10, atol=1e-12)


def test_gradients_are_those_of_finite_differences():
    assert nt.autograd.gradcheck(lambda x, w: x * w, [numbers(3, 20), numbers(20)])
    assert nt.autograd.gradgradcheck(lambda x, w: x * w, [numbers(3, 20), numbers(20)])


def test_gradients_do_not_depend_on_what_else_is_wanted():
    x, w, b, grad = numbers(9, 40), numbers(40), numbers(40), nt.randn(9, 40, dtype=nt.float64)
    every = nt.autograd.grad(F.layer_norm(x, (40,), w, b), (x, w, b), grad)
    for operand, expected in zip((x, w, b), every, strict=True):
        assert (nt.autograd.grad(F.layer_norm(x, (40,), w, b), operand, grad)[0] == expected).all()


def test_sums_of_long_columns_are_accurate_in_float32():
    x, w = nt.rand(20000, 32), nt.ones(32, requires_grad=True)
    (x * w).sum().backward()
    assert nt.allclose(w.grad.double(), x.double().sum(0), rtol=1e-6, atol=0)


def test_nothing_of_the_size_of_the_result_is_made_for_a_weight():
    x, w = nt.randn(512, 1024), nt.ones(1024, requires_grad=True)
    y = x * w
    grad = nt.ones_like(y)
    nt.autograd.grad(y, w, grad, retain_graph=True)
    backend = sys.modules["numbatorch.cpu.memory"]
    before = backend.memory_stats()
    nt.autograd.grad(y, w, grad, retain_graph=True)
    after = backend.memory_stats()
    assert after["peak"] == before["peak"]
    assert after["hits"] + after["misses"] - before["hits"] - before["misses"] <= 2


def test_operands_that_are_called_as_functions_of_kernels():
    """`min` and `max` of clamp, where they are broadcast, and where operands are walked in tiles."""
    x, low = nt.randn(5, 6, 7, requires_grad=True), nt.randn(6, 1, requires_grad=True)
    high = nt.full((7,), 9.0, requires_grad=True)
    nt.clamp(x, low, high).sum().backward()
    assert x.grad.sum() + low.grad.sum() == x.numel() and high.grad.count_nonzero() == 0
    turned, low = nt.randn(40, 50).t(), nt.randn(50, 40)
    assert nt.equal(nt.clamp(turned, low, low + 1), nt.minimum(nt.maximum(turned, low), low + 1))
