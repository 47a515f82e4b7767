"""autograd.Function inside vmap: mapped, or by its own rule; its gradients inside and around."""

import pytest

import numbatorch as torch
from numbatorch import func


class Scaled(torch.autograd.Function):
    """a * b * k, with a backward that says which part it is."""

    generate_vmap_rule = True

    @staticmethod
    def forward(a, b, k):
        return a * b * k

    @staticmethod
    def setup_context(ctx, inputs, output):
        a, b, ctx.k = inputs
        ctx.save_for_backward(a, None, b)

    @staticmethod
    def backward(ctx, grad):
        a, nothing, b = ctx.saved_tensors
        assert nothing is None and grad.ndim == 0
        return grad * b * ctx.k, grad * a * ctx.k, None


class Pair(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sin(), x * 2

    @staticmethod
    def backward(ctx, first, second):
        x, = ctx.saved_tensors
        return first * x.cos() + second * 2


class Ruled(torch.autograd.Function):
    seen: list = []

    @staticmethod
    def forward(x, y):
        return x * y

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad):
        x, y = ctx.saved_tensors
        return grad * y, grad * x

    @staticmethod
    def vmap(info, in_dims, x, y):
        Ruled.seen.append((info.batch_size, info.randomness, in_dims))
        return Ruled.apply(x, y), 0


x, y = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([4.0, 5.0, 6.0])


def test_without_gradients():
    assert torch.vmap(Scaled.apply, (0, 0, None))(x, y, 2).tolist() == [8, 20, 36]


def test_gradients_inside():
    both = torch.vmap(func.grad(lambda a, b: Scaled.apply(a, b, 2), argnums=(0, 1)))(x, y)
    assert [g.tolist() for g in both] == [[8, 10, 12], [2, 4, 6]]
    shared = torch.vmap(func.grad(lambda a, b: Scaled.apply(a, b, 2)), (0, None))(x, y[0])
    assert shared.tolist() == [8, 8, 8]


def test_gradients_around():
    first = func.grad(lambda a: torch.vmap(Scaled.apply, (0, None, None))(a, y[0], 3).sum())(x)
    assert first.tolist() == [12, 12, 12]
    second = func.grad(lambda b: torch.vmap(Scaled.apply, (0, None, None))(x, b, 3).sum())(y[0])
    assert second.item() == 18
    leaf = x.clone().requires_grad_()
    torch.vmap(Scaled.apply, (0, 0, None))(leaf, y, 1).sum().backward()
    assert leaf.grad.tolist() == y.tolist()


def test_several_results_and_missing_gradients():
    got = torch.vmap(func.grad(lambda a: sum(Pair.apply(a))))(x)
    torch.testing.assert_close(got, x.cos() + 2)
    torch.testing.assert_close(torch.vmap(func.grad(lambda a: Pair.apply(a)[1]))(x), torch.full((3,), 2.0))


def test_nested():
    def inner(row):
        return torch.vmap(func.grad(lambda a: Scaled.apply(a, a, 1)))(row)
    torch.testing.assert_close(torch.vmap(inner)(torch.stack([x, y])), 2 * torch.stack([x, y]))


def test_a_rule_of_ones_own():
    Ruled.seen.clear()
    assert torch.vmap(Ruled.apply, (0, None))(x, y[0]).tolist() == [4, 8, 12]
    assert Ruled.seen == [(3, "error", (0, None))]
    assert torch.vmap(func.grad(lambda a, b: Ruled.apply(a, b)))(x, y).tolist() == y.tolist()


def test_second_gradients():
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x ** 3

        @staticmethod
        def backward(ctx, grad):
            return grad * 3 * ctx.saved_tensors[0] ** 2
    torch.testing.assert_close(torch.vmap(func.grad(func.grad(Cube.apply)))(x), 6 * x)
    with pytest.raises(RuntimeError, match="incorrect number of gradients"):
        class Wrong(Cube):
            @staticmethod
            def backward(ctx, grad):
                return grad, grad
        torch.vmap(func.grad(Wrong.apply))(x)
