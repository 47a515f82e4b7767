"""utils.checkpoint: the gradients of the plain call, with less kept; both forms, nesting, random numbers, policies."""

import functools
import gc
import weakref

import numpy as np
import pytest

import numbatorch as torch
from numbatorch.utils import checkpoint as module
from numbatorch.utils.checkpoint import (
    CheckpointError,
    CheckpointPolicy,
    checkpoint,
    checkpoint_sequential,
    create_selective_checkpoint_contexts,
)

both = pytest.mark.parametrize("use_reentrant", [True, False])


def same(a, b):
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12)


def model():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Dropout(0.5), torch.nn.Linear(8, 4),
                               torch.nn.Tanh(), torch.nn.Linear(4, 3)).double()


def data(*shape, requires_grad=True):
    torch.manual_seed(1)
    return torch.randn(*shape, dtype=torch.float64, requires_grad=requires_grad)


def gradients(net, run):
    for p in net.parameters():
        p.grad = None
    x = data(5, 4)
    torch.manual_seed(2)
    run(x).square().sum().backward()
    return [x.grad, *(p.grad.clone() for p in net.parameters())]


@both
def test_gradients_and_random_numbers_are_those_of_the_plain_call(use_reentrant):
    net = model()
    for a, b in zip(gradients(net, net), gradients(net, lambda x: checkpoint(net, x, use_reentrant=use_reentrant)),
                    strict=True):
        same(a, b)


@both
def test_random_numbers_go_on_as_without(use_reentrant):
    net, x = model(), data(5, 4)
    torch.manual_seed(3)
    y = net(x).sum()
    expected = torch.rand(1)
    torch.manual_seed(3)
    y = checkpoint(net, x, use_reentrant=use_reentrant).sum()
    y.backward()
    assert torch.rand(1) == expected


@both
@pytest.mark.parametrize("segments", [1, 2, 3])
def test_sequential(use_reentrant, segments):
    net = model()
    for a, b in zip(gradients(net, net), gradients(
            net, lambda x: checkpoint_sequential(net, segments, x, use_reentrant=use_reentrant)), strict=True):
        same(a, b)
    with pytest.raises(ValueError, match="in 7 segments"):
        checkpoint_sequential(net, 7, data(5, 4), use_reentrant=use_reentrant)


@both
def test_nothing_inside_is_kept(use_reentrant):
    kept = []

    def f(x):
        y = x.exp()
        kept.append(weakref.ref(y._storage))
        return (y.sin() * y).sum()
    x = data(3)
    y = checkpoint(f, x, use_reentrant=use_reentrant)
    gc.collect()
    assert kept[0]() is None
    y.backward()
    gc.collect()
    assert len(kept) == 2 and kept[1]() is None
    other = data(3)
    f(other).backward()
    same(x.grad, other.grad)


def test_nested_checkpoints():
    runs = []

    def inner(x, k):
        runs.append(k)
        return (x * x).sin() * x

    def middle(x, k):
        return checkpoint(inner, checkpoint(inner, x, k, use_reentrant=False).cos(), k + 1, use_reentrant=False)

    def outer(x):
        return checkpoint(middle, checkpoint(middle, x, 0, use_reentrant=False).exp(), 2, use_reentrant=False)

    def plain(x):
        def block(x, k):
            return inner(inner(x, k).cos(), k + 1)
        return block(block(x, 0).exp(), 2)
    a, b = data(3), data(3)
    checkpoint(outer, a, use_reentrant=False).sum().backward()
    plain(b).sum().backward()
    same(a.grad, b.grad)


def test_keyword_arguments_and_several_results():
    def f(a, *, b, scale):
        return a * b * scale, (a + b).exp(), scale
    a, b = data(3), data(3)
    first, second, third = checkpoint(f, a, b=b, scale=2.0, use_reentrant=False)
    assert third == 2.0
    (first.sum() + second.sum()).backward()
    same(a.grad, 2 * b.detach() + (a + b).exp())
    same(a.grad, b.grad)


def test_grad_inputs_and_double_backward():
    x = data(3)
    y = checkpoint(lambda v: v.exp() * v, x, use_reentrant=False).sum()
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    same(g, x.exp() * (1 + x))
    (h,) = torch.autograd.grad(g.sum(), x)
    same(h, x.exp() * (2 + x))


def test_reentrant_refuses_grad():
    x = data(3)
    y = checkpoint(lambda v: v.exp(), x, use_reentrant=True).sum()
    with pytest.raises(RuntimeError, match="incompatible with .grad()"):
        torch.autograd.grad(y, x)


def test_retained_graph_computes_again():
    runs = []

    def f(v):
        runs.append(1)
        return v.exp() * v
    x = data(3)
    y = checkpoint(f, x, use_reentrant=False).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert len(runs) == 3
    same(x.grad, 2 * x.exp() * (1 + x))


def test_group_shares_what_was_computed_again():
    runs = []

    def f(v):
        runs.append(1)
        return v.exp() * v
    x = data(3)
    y = checkpoint(f, x, use_reentrant=False).sum()
    with module.GraphExecGroup():
        y.backward(retain_graph=True)
        y.backward()
        with pytest.raises(RuntimeError, match="nested"):
            module.GraphExecGroup().__enter__()
    assert len(runs) == 2


def test_saved_tensors_asked_for_twice():
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, input):
            ctx.save_for_backward(input)
            return input * input

        @staticmethod
        def backward(ctx, grad):
            return grad * (ctx.saved_tensors[0] + ctx.saved_tensors[0])
    x = data(3)
    checkpoint(Square.apply, x, use_reentrant=False).sum().backward()
    same(x.grad, 2 * x)


def test_backward_inside_a_checkpoint():
    def f(x):
        y = x.exp()
        (g,) = torch.autograd.grad((y * y).sum(), x, create_graph=True)
        return (g * x).sum()
    a, b = data(3), data(3)
    checkpoint(f, a, use_reentrant=False).backward()
    f(b).backward()
    same(a.grad, b.grad)


@pytest.mark.parametrize("early_stop", [True, False])
def test_early_stop(early_stop):
    reached = []

    def f(x):
        y = x.exp().sin()
        reached.append(1)
        return y
    x = data(3)
    with module.set_checkpoint_early_stop(early_stop):
        y = checkpoint(f, x, use_reentrant=False)
    y.sum().backward()
    assert len(reached) == (1 if early_stop else 2)


def test_early_stop_passes_handlers_of_the_function():
    def f(x):
        try:
            return x.exp().sin()
        except Exception:  # would swallow an ordinary exception
            return x
    x = data(3)
    checkpoint(f, x, use_reentrant=False).sum().backward()
    same(x.grad, x.exp().cos() * x.exp())


def test_no_grad_and_inputs_in_place():
    x = data(3)
    with torch.no_grad():
        assert not checkpoint(torch.exp, x, use_reentrant=False).requires_grad
    y = x * 1
    z = checkpoint(lambda v: v.exp().sin(), y, use_reentrant=False).sum()
    with torch.no_grad():
        y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.backward()


def test_change_of_a_saved_tensor_inside_is_found():
    def f(x):
        y = x.exp()
        y.add_(1)
        return y.sin()
    x = data(3)
    z = checkpoint(f, x, use_reentrant=False).sum()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.backward()


def changing(first, second):
    calls = []

    def f(x):
        calls.append(1)
        return (first if len(calls) == 1 else second)(x)
    return f


def test_other_numbers_of_tensors_are_an_error():
    y = checkpoint(changing(lambda x: x.sin().cos(), torch.sin), data(3), use_reentrant=False)
    with pytest.raises(CheckpointError, match="different number of tensors(.|\n)*forward: 2(.|\n)*recomputation: 1"):
        y.sum().backward()
    y = checkpoint(changing(torch.sin, lambda x: x.sin().cos()), data(3), use_reentrant=False, early_stop=False)
    with pytest.raises(CheckpointError, match="different number of tensors"):
        y.sum().backward()


def test_other_shapes_are_an_error_with_the_operations_of_both():
    f = changing(torch.sin, lambda x: x[:1].sin())
    y = checkpoint(f, data(3), use_reentrant=False, debug=True)
    with pytest.raises(CheckpointError, match=r"position 0(.|\n)*part at operation 0: sin\(torch.float64 \[3\]\)"):
        y.sum().backward()
    f = changing(torch.sin, lambda x: x[:1].sin())
    y = checkpoint(f, data(3), use_reentrant=False, determinism_check="none")
    y.sum().backward()


def test_autocast_is_as_in_the_first_run():
    net = torch.nn.Linear(4, 4)
    x = torch.randn(2, 4, requires_grad=True)
    seen = []

    def f(v):
        y = net(v)
        seen.append(y.dtype)
        return y.sin().sum()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = checkpoint(f, x, use_reentrant=False, early_stop=False)
        z = checkpoint(f, x, use_reentrant=True)
    (y + z).backward()
    assert seen == [torch.bfloat16] * 4


def test_context_fn():
    entered = []

    class Context:
        def __init__(self, name):
            self.name = name

        def __enter__(self):
            entered.append(self.name)

        def __exit__(self, *_):
            entered.append(self.name + " left")
    y = checkpoint(torch.exp, data(3), use_reentrant=False, context_fn=lambda: (Context("first"), Context("second")))
    assert entered == ["first", "first left"]
    y.sum().backward()
    assert entered[2:] == ["second", "second left"]


def test_arguments_are_checked():
    x = data(3)
    with pytest.raises(ValueError, match="Unexpected keyword arguments: scale"):
        checkpoint(torch.exp, x, use_reentrant=True, scale=1)
    with pytest.raises(ValueError, match="only supported when use_reentrant=False"):
        checkpoint(torch.exp, x, use_reentrant=True, debug=True)
    with pytest.raises(ValueError, match="determinism_check should be one of"):
        checkpoint(torch.exp, x, use_reentrant=False, determinism_check="some")
    with pytest.warns(UserWarning, match="use_reentrant"):
        checkpoint(torch.exp, x)
    with pytest.warns(UserWarning, match="None of the inputs"):
        checkpoint(torch.exp, x.detach(), use_reentrant=True)
    assert module.get_device_states(x) == ([], [])
    assert [t.requires_grad for t in module.detach_variable((x, x.detach()))] == [True, False]
    with pytest.raises(RuntimeError, match="Only tuple"):
        module.detach_variable([x])


# ---------------------------------------------------------------- selective checkpoints

def counted(policy, f, x, allow=False, **options):
    """(gradient, {op: how often its kernel ran in the second run})"""
    context = functools.partial(create_selective_checkpoint_contexts, policy, allow)
    y = checkpoint(f, x, use_reentrant=False, context_fn=context, **options)
    y.backward()
    return x.grad


def test_results_in_the_policy_are_not_computed_again(monkeypatch):
    w = data(3, 3, requires_grad=True)
    calls = []

    def f(x):
        return ((x @ w).sin() @ w).exp().sum()
    a, b = data(3, 3), data(3, 3)
    f(a).backward()
    expected, w.grad = w.grad, None
    replayed = []
    from numbatorch.utils import selective
    original = selective.replayed
    monkeypatch.setattr(selective, "replayed", lambda op, *rest: replayed.append(op.name) or original(op, *rest))
    counted([torch.ops.aten.mm.default], f, b, early_stop=False)
    same(a.grad, b.grad)
    same(expected, w.grad)
    assert replayed == ["mm", "mm"] and not calls


def test_policy_function_sees_each_operation_in_both_runs():
    seen = []

    def policy(context, operator, *args, **kwargs):
        seen.append((operator.name(), context.is_recompute))
        return operator == torch.ops.aten.sin.default or operator == torch.ops.aten.sort.default

    def f(x):
        return (x.sin().sort()[0] * x.softmax(0)).sum()
    a, b = data(4), data(4)
    f(a).backward()
    counted(policy, f, b)
    same(a.grad, b.grad)
    assert ("aten::sin", False) in seen and ("aten::sin", True) in seen


def test_everything_kept():
    net = model()
    expected = gradients(net, net)
    for policy in (CheckpointPolicy.MUST_SAVE, CheckpointPolicy.PREFER_RECOMPUTE):
        context = functools.partial(create_selective_checkpoint_contexts, lambda *_, policy=policy, **__: policy)
        for a, b in zip(expected, gradients(net, lambda x, context=context: checkpoint(
                net, x, use_reentrant=False, context_fn=context)), strict=True):
            same(a, b)


def test_retained_graph_with_a_policy():
    x = data(3)
    context = functools.partial(create_selective_checkpoint_contexts, [torch.ops.aten.exp.default])
    y = checkpoint(lambda v: (v.exp() * v).sum(), x, use_reentrant=False, context_fn=context)
    y.backward(retain_graph=True)
    y.backward()
    same(x.grad, 2 * x.exp() * (1 + x))


def test_changed_results_are_found():
    def f(x):
        y = x.sin()
        y.mul_(2)
        return y.cos().sum()
    with pytest.raises(RuntimeError, match="selective activation checkpoint has been mutated"):
        counted([torch.ops.aten.sin.default], f, data(3))


def test_policies_are_checked():
    with pytest.raises(TypeError, match="either a function or a list of ops"):
        create_selective_checkpoint_contexts("mm")
    with pytest.raises(TypeError, match="expected operators"):
        create_selective_checkpoint_contexts([torch.mm])
    with pytest.raises(TypeError, match="expected a CheckpointPolicy"):
        counted(lambda *_, **__: 1, torch.exp, data(3))
