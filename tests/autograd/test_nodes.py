"""What programs see of the graph: names, classes, operands, notes on nodes; and what hooks may return."""

import pytest

import numbatorch as torch
from numbatorch.nn import functional as F  # noqa: N812


def leaf(*values):
    return torch.tensor(values, requires_grad=True)


def test_nodes_have_the_classes_of_their_names():
    x = leaf(1.0, 2.0)
    node = (x * 2).exp().grad_fn
    assert type(node).__name__ == node.name() == "ExpBackward0"
    assert type(node.next_functions[0][0]).__name__ == "MulBackward0"
    assert isinstance(node, torch.autograd.graph.Node)

    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            return grad * 2
    assert type(Double.apply(x).grad_fn).__name__ == "DoubleBackward"


@pytest.mark.parametrize("name, function", [
    ("Div", lambda x: x / 2), ("Softmax", lambda x: F.softmax(x, 0)), ("LogSoftmax", lambda x: F.log_softmax(x, 0)),
    ("Addmm", lambda x: F.linear(x, torch.ones(2, 2), torch.ones(2))), ("ToCopy", lambda x: x.double()),
    ("NativeLayerNorm", lambda x: F.layer_norm(x, (2,))), ("Max", lambda x: x.max(0)[0]), ("Var", lambda x: x.var(0)),
    ("Convolution", lambda x: F.conv1d(x[None], torch.ones(1, 2, 1))), ("Addmm", lambda x: torch.addmm(x, x, x)),
    ("ConstantPadNd", lambda x: F.pad(x, (1, 1))), ("Where", lambda x: torch.where(x > 0, x, 0.0))])
def test_names_are_those_programs_know(name, function):
    assert function(torch.rand(2, 2, requires_grad=True)).grad_fn.name() == f"{name}Backward0"


def test_numbers_that_are_no_operands_are_no_edges():
    x, y = leaf(1.0), leaf(2.0)
    assert [n.name() for n, _ in (x * 2 + y).grad_fn.next_functions] == [
        "MulBackward0", "torch::autograd::AccumulateGrad"]
    assert (x * 2).grad_fn.next_functions[1] == (None, 0)


def test_nodes_carry_notes():
    node = (leaf(1.0) * 2).grad_fn
    node.metadata["who"] = "me"
    assert node.metadata == {"who": "me"} and (leaf(1.0) * 2).grad_fn.metadata == {}


def test_hooks_return_gradients():
    x = leaf(1.0, 2.0)
    x.register_hook(lambda grad: "grad")
    with pytest.raises(TypeError, match="should return a Tensor or None, but got str"):
        x.sum().backward()
    for make in (lambda g: g.sum()[None], lambda g: g.double()):
        y = leaf(1.0, 2.0) * 2
        y.register_hook(make)
        with pytest.raises(RuntimeError, match="a tensor's hook has changed the gradient"):
            y.sum().backward()


def test_zeros_for_unused_inputs_go_with_permission():
    x, y = leaf(1.0), leaf(2.0)
    assert torch.autograd.grad(x.sum(), y, materialize_grads=True)[0].tolist() == [0]
    with pytest.raises(ValueError, match="allow_unused=False"):
        torch.autograd.grad(x.sum(), y, materialize_grads=True, allow_unused=False)
