"""autograd.graph: hooks of saved tensors, edges, hooks of several gradients."""

import gc
import weakref

import numpy as np
import pytest

import numbatorch as torch
from numbatorch.autograd import graph


def leaf(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def same(tensor, expected):
    np.testing.assert_allclose(tensor.detach().numpy(), np.asarray(expected), rtol=1e-12)


# ---------------------------------------------------------------- hooks of saved tensors

def test_hooks_see_what_is_saved_and_give_it_back():
    x = leaf(2.0, 3.0)
    seen = []

    def pack(tensor):
        seen.append(tensor.requires_grad)
        return tensor.numpy().copy()
    with graph.saved_tensors_hooks(pack, torch.from_numpy):
        y = (x * x).exp().sum()
    y.backward()
    same(x.grad, [2 * v * np.exp(v * v) for v in (2.0, 3.0)])
    assert seen == [False] * 3


def test_hooks_reach_eager_ops_functions_and_products():
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, input):
            ctx.save_for_backward(input)
            return input * input

        @staticmethod
        def backward(ctx, grad):
            (input,) = ctx.saved_tensors
            return 2 * input * grad
    x = torch.rand(3, 3, dtype=torch.float64, requires_grad=True)

    def f():
        return (Square.apply(x) @ x).softmax(-1).cumsum(0).sort(-1)[0].std()
    f().backward()
    expected, x.grad = x.grad, None
    counts = [0, 0]

    def count(k):
        def hook(tensor):
            counts[k] += 1
            return tensor.clone()
        return hook
    with graph.saved_tensors_hooks(count(0), count(1)):
        y = f()
    y.backward()
    same(x.grad, expected.numpy())
    assert counts[0] == counts[1] > 4


def test_double_backward_through_hooks():
    x = leaf(2.0)
    with graph.saved_tensors_hooks(lambda t: t.clone(), lambda t: t):
        y = (x ** 3 * x.exp()).sum()
    (first,) = torch.autograd.grad(y, x, create_graph=True)
    (second,) = torch.autograd.grad(first, x)
    e = np.exp(2.0)
    same(first, [(3 * 4 + 8) * e])
    same(second, [(6 * 2 + 2 * 3 * 4 + 8) * e])


def test_packed_values_are_freed_by_backward():
    x = leaf(1.0)
    kept = []

    def pack(tensor):
        copy = tensor.clone()
        kept.append(weakref.ref(copy))
        return copy
    with graph.saved_tensors_hooks(pack, lambda t: t):
        y = (x * x).sum()
    y.backward()
    gc.collect()
    assert [k() for k in kept] == [None, None]
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


def test_innermost_pair_acts_and_none_outside():
    x = leaf(1.0)
    calls = []
    with graph.saved_tensors_hooks(lambda t: calls.append("outer") or t, lambda t: t):
        with graph.saved_tensors_hooks(lambda t: calls.append("inner") or t, lambda t: t):
            x.exp()
        x.exp()
    x.exp()
    assert calls == ["inner", "outer"]


def test_wrong_hooks_are_named():
    x = leaf(1.0)
    with graph.saved_tensors_hooks(lambda t: t, lambda t: 3):
        y = x.exp()
    with pytest.raises(TypeError, match="unpack_hook expected to be a Tensor but got result of type int"):
        y.sum().backward()
    with pytest.raises(RuntimeError, match="modifying its input in place"):
        with graph.saved_tensors_hooks(lambda t: t.mul_(2), lambda t: t):
            x.exp()
    with pytest.raises(TypeError, match="pack_hook must be callable"):
        with graph.saved_tensors_hooks(1, 2):
            pass
    assert not torch.autograd.node.watching.on


def test_disabled_hooks_raise_the_message():
    with graph.disable_saved_tensors_hooks("not here"), pytest.raises(RuntimeError, match="not here"):
        with graph.saved_tensors_hooks(lambda t: t, lambda t: t):
            pass
    with graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        pass


@pytest.mark.parametrize("pin_memory", [False, True])
def test_save_on_cpu(pin_memory):
    x = leaf(2.0)
    with graph.save_on_cpu(pin_memory=pin_memory):
        y = (x * x).sum()
    y.backward()
    same(x.grad, [4.0])


def test_mutation_of_saved_tensors():
    x = leaf(2.0, 3.0)
    with graph.allow_mutation_on_saved_tensors():
        y = x.clone()
        z = (y * y).sum()
        with torch.no_grad():
            y.zero_()
            y[0] = 5.0
        z.backward()
        w = x.clone().exp()
    same(x.grad, [4.0, 6.0])
    with pytest.raises(RuntimeError, match="outside of the 'allow_mutation"):
        w.sum().backward()


def test_saved_values_by_name():
    x = leaf(2.0)
    y = x.exp()
    same(y.grad_fn._saved_result, [np.exp(2.0)])
    assert (x * x).grad_fn._saved_self is x
    with pytest.raises(AttributeError, match="_saved_nothing"):
        y.grad_fn._saved_nothing  # noqa: B018


# ---------------------------------------------------------------- edges and nodes

def test_edges_stand_for_tensors():
    x = leaf(2.0, 3.0)
    y = x * x
    edge = graph.get_gradient_edge(y)
    z = (y * y).sum()
    (g,) = torch.autograd.grad(z, edge, retain_graph=True)
    same(g, [8.0, 18.0])
    (g,) = torch.autograd.grad(edge, [graph.get_gradient_edge(x)], torch.ones(2, dtype=torch.float64),
                               retain_graph=True)
    same(g, [4.0, 6.0])
    torch.autograd.backward(graph.get_gradient_edge(z), inputs=graph.get_gradient_edge(x))
    same(x.grad, [32.0, 108.0])
    with pytest.raises(RuntimeError, match="does not require gradients"):
        graph.get_gradient_edge(torch.ones(1))
    with pytest.raises(RuntimeError, match="scalar outputs"):
        torch.autograd.backward(edge)


def test_nodes_are_nodes():
    x = leaf(1.0)
    y = x.exp()
    assert isinstance(y.grad_fn, graph.Node) and isinstance(y.grad_fn.next_functions[0][0], graph.Node)
    assert not isinstance(y, graph.Node)


def test_increment_version():
    x = torch.ones(2)
    before = x._version
    graph.increment_version(x)
    graph.increment_version([x, x])
    assert x._version == before + 3


# ---------------------------------------------------------------- hooks of several gradients

def test_multi_grad_hook_all():
    a, b, c = leaf(1.0), leaf(2.0), leaf(3.0)
    seen = []
    middle = a * b
    handle = graph.register_multi_grad_hook((a, middle, c), lambda gs: seen.append([g is not None for g in gs]))
    (middle * 2).sum().backward(retain_graph=True)
    (middle * c).sum().backward(retain_graph=True)
    assert seen == [[True, True, False], [True, True, True]]
    torch.autograd.grad((middle * c).sum(), c, retain_graph=True)
    assert seen[2:] == [[False, False, True]]
    handle.remove()
    (middle * c).sum().backward()
    assert len(seen) == 3


def test_multi_grad_hook_any():
    a, b = leaf(1.0), leaf(2.0)
    seen = []
    with graph.register_multi_grad_hook((a, b), seen.append, mode="any"):
        (a * b).sum().backward()
    assert len(seen) == 1
    with pytest.raises(ValueError, match="mode"):
        graph.register_multi_grad_hook((a,), print, mode="some")


def test_grad_leaves_hooks_of_other_leaves_alone():
    a, b = leaf(1.0), leaf(2.0)
    called = []
    b.register_hook(called.append)
    torch.autograd.grad((a * b).sum(), a)
    assert not called


def test_a_failed_pass_leaves_nothing():
    a, b = leaf(1.0), leaf(2.0)
    seen = []

    def fails(grad):
        raise ValueError("on purpose")
    handle = b.register_hook(fails)
    graph.register_multi_grad_hook((a, b), lambda gs: seen.append(len(gs)))
    y = (a * b).sum()
    with pytest.raises(ValueError, match="on purpose"):
        y.backward(retain_graph=True)
    handle.remove()
    y.backward()
    assert seen == [2] and not torch.autograd.engine.running.tasks
