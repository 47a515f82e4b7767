"""Ops that are Python functions: by name, with gradients, and refused where they make no sense."""

import numpy as np
import pytest

import numbatorch as torch
from numbatorch import library


@library.custom_op("tests::cube", mutates_args=())
def cube(x: torch.Tensor, scale: float = 1.0) -> torch.Tensor:
    """scale * x^3, in NumPy."""
    return torch.from_numpy(scale * np.power(x.numpy(), 3))


def test_an_op_runs_under_its_name():
    x = torch.tensor([1.0, -2.0], dtype=torch.float64)
    assert torch.ops.tests.cube(x).tolist() == [1, -8] == torch.ops.tests.cube.default(x, scale=1.0).tolist()
    assert cube(x.requires_grad_(), 2.0).tolist() == [2, -16] and not cube(x, 2.0).requires_grad
    with pytest.raises(AttributeError):
        _ = torch.ops.no_such_namespace


def test_a_gradient_is_given_by_functions():
    op = library.custom_op("tests::twice", lambda x, n: x * n, mutates_args=())

    def setup(ctx, inputs, output):
        ctx.n = inputs[1]
        ctx.save_for_backward(output)
    library.register_autograd("tests::twice", lambda ctx, grad: (grad * ctx.n, None), setup_context=setup)
    library.register_fake("tests::twice", lambda x, n: torch.empty_like(x))
    x = torch.ones(3, requires_grad=True)
    op(x, 4).sum().backward()
    assert x.grad.tolist() == [4, 4, 4]
    assert torch.autograd.gradcheck(lambda x: op(x, 3), torch.ones(2, dtype=torch.float64, requires_grad=True))


def test_a_kernel_may_be_replaced():
    op = library.custom_op("tests::constant", lambda x: x * 0, mutates_args=())
    library.register_kernel("tests::constant", "cuda", lambda x: x + 2)
    assert op(torch.ones(1)).item() == 0
    op.register_kernel("cpu")(lambda x: x + 1)
    assert op(torch.ones(1)).item() == 2


def test_what_makes_no_op():
    with pytest.raises(ValueError, match="namespace::name"):
        library.custom_op("plain", lambda x: x, mutates_args=())
    with pytest.raises(ValueError, match="mutates_args names"):
        library.custom_op("tests::wrong", lambda x: x, mutates_args=("y",))
    with pytest.raises(RuntimeError, match="no op 'tests::none'"):
        library.register_kernel("tests::none", "cpu", lambda x: x)
