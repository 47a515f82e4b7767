"""Custom Functions: what forward leaves for backward, and the rules on what backward returns."""

import numpy as np
import pytest

import numbatorch as torch
from numbatorch.autograd import Function


def leaf(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def same(tensor, expected):
    np.testing.assert_allclose(tensor.detach().numpy(), np.asarray(expected), rtol=1e-12)


class Cube(Function):
    @staticmethod
    def forward(ctx, input, scale=1.0):
        ctx.save_for_backward(input)
        ctx.scale = scale
        return scale * input ** 3

    @staticmethod
    def backward(ctx, grad):
        (input,) = ctx.saved_tensors
        return grad * ctx.scale * 3 * input ** 2, None


class Product(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        ctx.needs = ctx.needs_input_grad
        return a * b

    @staticmethod
    def backward(ctx, grad):
        a, b = ctx.saved_tensors
        assert ctx.needs_input_grad == ctx.needs
        return (grad * b if ctx.needs_input_grad[0] else None), (grad * a if ctx.needs_input_grad[1] else None)


def test_saved_tensors_and_attributes():
    x = leaf(1.0, 2.0)
    y = Cube.apply(x, 2.0)
    assert y.grad_fn.name() == "CubeBackward"
    y.sum().backward()
    same(x.grad, [6.0, 24.0])


def test_forward_is_not_recorded():
    class Look(Function):
        @staticmethod
        def forward(ctx, input):
            assert not torch.is_grad_enabled()
            return input * 2

        @staticmethod
        def backward(ctx, grad):
            return grad * 2
    x = leaf(1.0)
    assert Look.apply(x).requires_grad
    with torch.no_grad():
        assert not Look.apply(x).requires_grad
    assert not Look.apply(x.detach()).requires_grad


def test_double_backward():
    x = leaf(2.0)
    (first,) = torch.autograd.grad(Cube.apply(x).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    same(first, [12.0])
    same(second, [12.0])
    assert torch.autograd.gradgradcheck(Cube.apply, (leaf(0.5, -1.5),))


def test_double_backward_through_a_saved_output():
    class Exp(Function):
        @staticmethod
        def forward(ctx, input):
            result = input.exp()
            ctx.save_for_backward(result)
            return result

        @staticmethod
        def backward(ctx, grad):
            (result,) = ctx.saved_tensors
            return grad * result
    assert torch.autograd.gradcheck(Exp.apply, (leaf(0.5, -1.5),))
    assert torch.autograd.gradgradcheck(Exp.apply, (leaf(0.5, -1.5),))


def test_needs_input_grad():
    a, b = leaf(2.0), torch.tensor([3.0], dtype=torch.float64)
    y = Product.apply(a, b)
    assert y.grad_fn is not None
    y.sum().backward()
    same(a.grad, [3.0])
    assert b.grad is None


def test_mark_dirty():
    class Double(Function):
        @staticmethod
        def forward(ctx, input):
            input.mul_(2)
            ctx.mark_dirty(input)
            return input

        @staticmethod
        def backward(ctx, grad):
            return grad * 2
    x = leaf(1.0, 2.0)
    y = x * 1
    result = Double.apply(y)
    assert result is y
    y.sum().backward()
    same(x.grad, [2.0, 2.0])
    with pytest.raises(RuntimeError, match="leaf"):
        Double.apply(x)


def test_mark_dirty_on_a_view():
    class Double(Function):
        @staticmethod
        def forward(ctx, input):
            input.mul_(2)
            ctx.mark_dirty(input)
            return input

        @staticmethod
        def backward(ctx, grad):
            return grad * 2
    x = leaf(1.0, 2.0)
    y = x * 1
    Double.apply(y[1:])
    y.sum().backward()
    same(x.grad, [1.0, 2.0])


def test_mark_non_differentiable():
    class Largest(Function):
        @staticmethod
        def forward(ctx, input):
            values, indices = input.max(0)
            ctx.mark_non_differentiable(indices)
            ctx.save_for_backward(indices)
            ctx.shape = input.shape
            return values, indices

        @staticmethod
        def backward(ctx, grad, unused):
            (indices,) = ctx.saved_tensors
            return torch.zeros(ctx.shape, dtype=grad.dtype).scatter(0, indices.unsqueeze(0), grad.unsqueeze(0))
    x = torch.tensor([[1.0, 5.0], [2.0, 3.0]], dtype=torch.float64, requires_grad=True)
    values, indices = Largest.apply(x)
    assert values.requires_grad and not indices.requires_grad
    values.sum().backward()
    same(x.grad, [[0.0, 1.0], [1.0, 0.0]])


def test_missing_gradients_arrive_as_zeros_or_none():
    seen = []

    class Two(Function):
        @staticmethod
        def forward(ctx, input, zeros):
            ctx.set_materialize_grads(zeros)
            return input * 2, input * 3

        @staticmethod
        def backward(ctx, first, second):
            seen.append(second)
            return first * 2, None
    x = leaf(1.0)
    Two.apply(x, True)[0].sum().backward()
    Two.apply(x, False)[0].sum().backward()
    same(seen[0], [0.0])
    assert seen[1] is None


def test_setup_context():
    class Scale(Function):
        @staticmethod
        def forward(input, factor):
            return input * factor

        @staticmethod
        def setup_context(ctx, inputs, output):
            _, ctx.factor = inputs
            assert output.shape == inputs[0].shape

        @staticmethod
        def backward(ctx, grad):
            return grad * ctx.factor, None
    x = leaf(1.0, 2.0)
    Scale.apply(x, 4).sum().backward()
    same(x.grad, [4.0, 4.0])


def test_once_differentiable():
    class Square(Function):
        @staticmethod
        def forward(ctx, input):
            ctx.save_for_backward(input)
            return input * input

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, grad):
            assert not torch.is_grad_enabled()
            (input,) = ctx.saved_tensors
            return 2 * grad * input
    x = leaf(3.0)
    seed = leaf(1.0)
    (first,) = torch.autograd.grad(Square.apply(x), x, seed, create_graph=True)
    same(first, [6.0])
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


def test_input_returned_as_it_is():
    class Pass(Function):
        @staticmethod
        def forward(ctx, input):
            return input

        @staticmethod
        def backward(ctx, grad):
            return grad * 5
    x = leaf(1.0)
    y = Pass.apply(x)
    assert y is not x and y.requires_grad and x.is_leaf
    y.sum().backward()
    same(x.grad, [5.0])


def test_saved_tensors_are_watched_and_freed():
    x = leaf(2.0)
    held = x * 1
    y = Cube.apply(held)
    held.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    y = Cube.apply(x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


def test_wrong_results_of_backward():
    class Wrong(Function):
        answer = None

        @staticmethod
        def forward(ctx, a, b):
            return a * 2

        @classmethod
        def backward(cls, ctx, grad):
            return cls.answer
    Wrong.answer = (torch.ones(1, dtype=torch.float64),)
    with pytest.raises(RuntimeError, match="incorrect number of gradients.*expected 2, got 1"):
        Wrong.apply(leaf(1.0), 3).sum().backward()
    Wrong.answer = (torch.ones(1, dtype=torch.float64), torch.ones(1))
    with pytest.raises(RuntimeError, match="not a Tensor"):
        Wrong.apply(leaf(1.0), 3).sum().backward()
    Wrong.answer = (1.0, None)
    with pytest.raises(TypeError, match="expected Tensor or None"):
        Wrong.apply(leaf(1.0), 3).sum().backward()
    Wrong.answer = (torch.ones(7, dtype=torch.float64), None)
    with pytest.raises(RuntimeError, match="shape"):
        Wrong.apply(leaf(1.0), 3).sum().backward()


def test_functions_are_static():
    with pytest.raises(RuntimeError, match="apply"):
        Cube()

    class Nothing(Function):
        @staticmethod
        def forward(ctx, input):
            return input * 2
    with pytest.raises(NotImplementedError):
        Nothing.apply(leaf(1.0)).sum().backward()
