"""The backward pass: order, freeing, hooks, in-place changes."""

import gc
import weakref

import numpy as np
import pytest

import numbatorch as torch


def leaf(*values, dtype=torch.float64):
    return torch.tensor(values, dtype=dtype, requires_grad=True)


def same(tensor, expected):
    np.testing.assert_allclose(tensor.detach().numpy(), np.asarray(expected), rtol=1e-12)


# ---------------------------------------------------------------- graphs

def test_a_value_used_twice_collects_both_gradients():
    x = leaf(2.0, 3.0)
    y = x * x
    (y + y * x).sum().backward()
    same(x.grad, [2 * v + 3 * v * v for v in (2.0, 3.0)])


def test_second_backward_adds_to_grad():
    x = leaf(2.0)
    (x * 3).backward(torch.ones(1, dtype=torch.float64))
    (x * 4).backward(torch.ones(1, dtype=torch.float64))
    same(x.grad, [7.0])


def test_long_chain_runs_and_frees_without_recursion():
    x = torch.ones(1, requires_grad=True)
    y = x
    for _ in range(100_000):
        y = y + 1
    y.backward()
    same(x.grad, [1.0])
    y = x
    for _ in range(100_000):
        y = y * 1.0
    watched = weakref.ref(y.grad_fn)
    del y
    gc.collect()
    assert watched() is None


def test_graph_is_freed_after_backward():
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="second time.*retain_graph=True"):
        y.backward()


def test_retain_graph_allows_another_backward():
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    same(x.grad, [4.0, 8.0])


def test_a_graph_without_saved_values_can_run_again():
    x = leaf(1.0)
    y = (x + 1).sum()
    y.backward()
    y.backward()
    same(x.grad, [2.0])


def test_backward_needs_a_scalar_or_a_gradient():
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="scalar outputs"):
        (x * 2).backward()
    with pytest.raises(RuntimeError, match="does not require grad"):
        torch.ones(1).backward()
    with pytest.raises(RuntimeError, match="shape"):
        (x * 2).backward(torch.ones(3, dtype=torch.float64))


def test_create_graph_differentiates_again():
    x = leaf(2.0)
    (first,) = torch.autograd.grad((x ** 4).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x, create_graph=True)
    (third,) = torch.autograd.grad(second.sum(), x)
    same(first, [32.0])
    same(second, [48.0])
    same(third, [48.0])
    assert not third.requires_grad


def test_create_graph_through_reductions_and_products():
    a = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64, requires_grad=True)
    (g,) = torch.autograd.grad((a @ a).sum() + a.exp().sum(1).log().sum(), a, create_graph=True)
    g.square().sum().backward()
    ones = np.ones((2, 2))
    values = a.detach().numpy()
    soft = np.exp(values) / np.exp(values).sum(1, keepdims=True)
    first = ones @ values.T + values.T @ ones + soft
    same(g, first)
    # d/da of sum(g^2): 2g through the linear part, and through the softmax.
    up = 2 * first
    linear = up.T @ ones + ones @ up.T
    through = soft * (up - (up * soft).sum(1, keepdims=True))
    same(a.grad, linear + through)


def test_grad_leaves_dot_grad_alone():
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    dx, dy = torch.autograd.grad((x * y).sum(), (x, y))
    same(dx, [3.0, 4.0])
    same(dy, [1.0, 2.0])
    assert x.grad is None and y.grad is None


def test_grad_of_intermediate_results():
    x = leaf(3.0)
    y = x * 2
    z = (y * y).sum()
    (dy,) = torch.autograd.grad(z, y)
    same(dy, [12.0])


def test_grad_of_unused_inputs():
    x, y = leaf(1.0), leaf(2.0)
    with pytest.raises(RuntimeError, match="allow_unused"):
        torch.autograd.grad((x * 2).sum(), (x, y))
    dx, dy = torch.autograd.grad((x * 2).sum(), (x, y), allow_unused=True)
    same(dx, [2.0])
    assert dy is None
    _, dy = torch.autograd.grad((x * 2).sum(), (x, y), materialize_grads=True)
    same(dy, [0.0])
    with pytest.raises(RuntimeError, match="require grad"):
        torch.autograd.grad((x * 2).sum(), torch.ones(1))


def test_backward_with_inputs_fills_only_those():
    x, y = leaf(1.0), leaf(2.0)
    (x * y).sum().backward(inputs=[x])
    same(x.grad, [2.0])
    assert y.grad is None


def test_several_outputs_at_once():
    x = leaf(1.0, 2.0)
    torch.autograd.backward([(x * 2).sum(), x * x], [None, torch.tensor([1.0, 10.0], dtype=torch.float64)])
    same(x.grad, [4.0, 42.0])


def test_gradients_are_not_shared_between_leaves():
    x, y = leaf(1.0), leaf(1.0)
    (x + y).backward(torch.ones(1, dtype=torch.float64))
    x.grad.mul_(5)
    same(y.grad, [1.0])


def test_the_given_gradient_is_not_kept():
    x = leaf(1.0, 1.0)
    seed = torch.ones(2, dtype=torch.float64)
    x.clone().backward(seed)
    x.grad.mul_(3)
    same(seed, [1.0, 1.0])


def test_broadcast_gradients_are_summed():
    x = torch.ones(3, 1, dtype=torch.float64, requires_grad=True)
    y = torch.ones(4, dtype=torch.float64, requires_grad=True)
    (x * y).sum().backward()
    same(x.grad, np.full((3, 1), 4.0))
    same(y.grad, np.full(4, 3.0))


def test_gradient_has_the_dtype_of_its_leaf():
    x = torch.ones(2, requires_grad=True)
    (x * torch.ones(2, dtype=torch.float64)).sum().backward()
    assert x.grad.dtype is torch.float32


# ---------------------------------------------------------------- hooks

def test_tensor_hooks_replace_gradients_in_order():
    x = leaf(1.0)
    y = x * 2
    seen = []
    y.register_hook(lambda g: (seen.append("first"), g * 10)[1])
    y.register_hook(lambda g: seen.append("second"))
    y.sum().backward()
    same(x.grad, [20.0])
    assert seen == ["first", "second"]


def test_leaf_hooks_see_the_sum():
    x = leaf(1.0)
    seen = []
    handle = x.register_hook(lambda g: seen.append(g.item()))
    (x * 2 + x * 3).sum().backward()
    handle.remove()
    (x * 2).sum().backward()
    assert seen == [5.0]
    same(x.grad, [7.0])


def test_post_accumulate_hooks():
    x = leaf(1.0)
    seen = []
    x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.item()))
    (x * 2).sum().backward()
    (x * 2).sum().backward()
    assert seen == [2.0, 4.0]
    with pytest.raises(RuntimeError, match="non-leaf"):
        (x * 2).register_post_accumulate_grad_hook(print)


def test_node_hooks():
    x = leaf(3.0)
    y = x * x
    seen = []
    y.grad_fn.register_prehook(lambda outputs: (outputs[0] * 2,))
    y.grad_fn.register_hook(lambda inputs, outputs: seen.append((len(inputs), outputs[0].item())))
    y.sum().backward()
    assert seen == [(2, 2.0)]
    same(x.grad, [12.0])


def test_hooks_need_requires_grad():
    with pytest.raises(RuntimeError, match="doesn't require gradient"):
        torch.ones(1).register_hook(print)
    with pytest.raises(RuntimeError, match="requires_grad=False"):
        torch.ones(1).retain_grad()


def test_retain_grad_keeps_what_hooks_made():
    x = leaf(1.0, 2.0)
    y = x * 3
    y.retain_grad()
    y.register_hook(lambda g: g * 2)
    (y * y).sum().backward()
    assert y.retains_grad and not x.retains_grad
    same(y.grad, [12.0, 24.0])


def test_next_functions_lead_to_the_leaf():
    x = leaf(1.0)
    node = (x * 2).grad_fn
    assert node.name() == "MulBackward0"
    ((accumulate, index), *_) = node.next_functions
    assert accumulate.variable is x and index == 0


# ---------------------------------------------------------------- in-place changes

def test_in_place_results_continue_the_history():
    x = leaf(1.0, 2.0)
    y = x * 2
    y.mul_(3).add_(1)
    y.sum().backward()
    same(x.grad, [6.0, 6.0])


def test_in_place_op_that_needs_its_old_value():
    x = leaf(0.5, 2.0)
    y = x * 1
    y.pow_(3)
    y.sum().backward()
    same(x.grad, [0.75, 12.0])


def test_in_place_op_that_needs_its_result():
    x = leaf(0.5, 2.0)
    y = x * 1
    y.exp_()
    y.sum().backward()
    same(x.grad, np.exp([0.5, 2.0]))


def test_saved_value_changed_in_place_is_an_error_naming_versions():
    x = leaf(1.0, 2.0)
    y = x * 2
    z = y * y
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation.*saved at version 0, is at version 1"):
        z.sum().backward()


def test_saved_result_changed_in_place_is_an_error():
    x = leaf(1.0)
    y = x.exp()
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_change_through_a_view_is_seen():
    x = leaf(1.0, 2.0)
    y = x * 2
    z = y * y
    y[0].zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def test_leaf_cannot_be_changed_in_place():
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="leaf Variable"):
        x.add_(1)
    with pytest.raises(RuntimeError, match="view of a leaf"):
        x[0].mul_(2)
    with pytest.raises(RuntimeError, match="leaf"):
        x[0] = 1
    with torch.no_grad():
        x.add_(1)
    same(x, [2.0, 3.0])


def test_in_place_change_of_a_view_reaches_its_base():
    x = leaf(1.0, 2.0, 3.0)
    y = x * 1
    y[1:].mul_(4)
    y.sum().backward()
    same(x.grad, [1.0, 4.0, 4.0])


def test_in_place_change_of_a_base_reaches_its_views():
    x = leaf(1.0, 2.0, 3.0)
    y = x * 1
    part = y[1:]
    y.mul_(4)
    part.sum().backward()
    same(x.grad, [0.0, 4.0, 4.0])


def test_in_place_change_of_one_view_reaches_another():
    x = leaf(1.0, 2.0, 3.0)
    y = x * 1
    first, second = y[:2], y[1:]
    first.mul_(torch.tensor([5.0, 6.0], dtype=torch.float64))
    second.sum().backward()
    same(x.grad, [0.0, 6.0, 1.0])


def test_writing_values_with_history_into_a_view():
    x, w = leaf(1.0, 2.0, 3.0), leaf(10.0, 20.0)
    y = x * 2
    y[1:] = w * 3
    (y * y).sum().backward()
    same(y, [2.0, 30.0, 60.0])
    same(x.grad, [8.0, 0.0, 0.0])
    same(w.grad, [180.0, 360.0])


def test_writing_values_with_history_into_plain_memory():
    w = leaf(1.0, 2.0)
    y = torch.zeros(2, 2, dtype=torch.float64)
    y[0] = w
    y[:, 1] = w * w
    assert y.requires_grad
    (y * torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64)).sum().backward()
    same(w.grad, [1 + 2 * 2 * 1, 4 * 2 * 2])


def test_writing_through_a_transposed_view():
    x = torch.arange(6, dtype=torch.float64).reshape(2, 3).requires_grad_()
    y = x * 1
    y.t()[1] = 7.0
    (y * y).sum().backward()
    expected = 2 * x.detach().numpy()
    expected[:, 1] = 0
    same(x.grad, expected)


def test_detach_in_place():
    x = leaf(1.0)
    y = x * 2
    y.detach_()
    assert not y.requires_grad and y.is_leaf
    with pytest.raises(RuntimeError, match="views"):
        (x * 1)[0].detach_()


@pytest.mark.parametrize("change", [lambda base, x: base.add_(x), lambda base, x: base.__setitem__(1, x),
                                    lambda base, x: base[1].copy_(x), lambda base, x: base.scatter_add_(
                                        0, torch.ones(1, 4, dtype=torch.int64), x.unsqueeze(0))])
def test_a_view_taken_before_its_base_gets_history_has_it_too(change):
    base = torch.zeros(3, 4)
    view = base[1]
    x = torch.ones(4, requires_grad=True)
    change(base, x)
    assert view.requires_grad and view.grad_fn is not None
    (view * x).sum().backward()  # x * x
    assert x.grad.tolist() == [2, 2, 2, 2]


def test_gradient_through_a_view_is_nobody_elses():
    """A leaf whose gradient arrives as a view takes it over only when nobody else sees that memory."""
    seen = []
    for watched in (False, True):
        leaf = torch.arange(8.0, requires_grad=True)
        turned = leaf.view(2, 4)
        if watched:
            turned.register_hook(seen.append)
        (turned * 3).backward(torch.ones(2, 4))
        assert leaf.grad._base is None and leaf.grad.tolist() == [3.0] * 8
        leaf.grad.zero_()
    assert seen[0].tolist() == [[3.0] * 4] * 2
    given, leaf = torch.ones(2, 4), torch.arange(8.0, requires_grad=True)
    leaf.view(2, 4).backward(given)
    leaf.grad.zero_()
    assert given.tolist() == [[1.0] * 4] * 2
