"""torch._foreach_*: lists of tensors in one call."""

import pytest

import numbatorch as torch
from numbatorch import foreach


def tensors():
    return [torch.tensor([0.25, 0.5]), torch.tensor([[0.75], [0.5]])]


@pytest.mark.parametrize("name", foreach._UNARY)
def test_functions_of_one_tensor(name):
    want = [getattr(torch, name)(t) for t in tensors()]
    given = tensors()
    got = getattr(torch, f"_foreach_{name}")(given)
    assert type(got) is tuple and all(torch.equal(a, b) and a.dtype is b.dtype for a, b in zip(got, want, strict=True))
    changed = getattr(torch, f"_foreach_{name}_")(given)
    assert all(a is b for a, b in zip(changed, given, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(given, want, strict=True))


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "pow", "maximum", "minimum", "clamp_min", "clamp_max"])
@pytest.mark.parametrize("other", [2.0, [2.0, 0.25], "tensors", torch.tensor(2.0)],
                         ids=["number", "list", "tensors", "0d"])
def test_functions_of_two(name, other):
    other = tensors()[::-1] if other == "tensors" else other
    if isinstance(other, list) and isinstance(other[0], torch.Tensor):
        other = [torch.full_like(t, 0.3) for t in tensors()]
    each = other if isinstance(other, list) else [other] * 2
    function = getattr(torch, name)
    want = [function(t, o if isinstance(o, torch.Tensor) or name not in ("maximum", "minimum") else torch.tensor(o))
            for t, o in zip(tensors(), each, strict=True)]
    got = getattr(torch, f"_foreach_{name}")(tensors(), other)
    assert all(torch.equal(a, b.to(a.dtype)) for a, b in zip(got, want, strict=True))
    changed = getattr(torch, f"_foreach_{name}_")(tensors(), other)
    assert all(torch.equal(a, b) for a, b in zip(changed, got, strict=True))


def test_a_step_of_adam_by_lists():
    parameters, grads = tensors(), [torch.full_like(t, 2.0) for t in tensors()]
    first, second = ([torch.zeros_like(t) for t in grads] for _ in range(2))
    torch._foreach_lerp_(first, grads, 0.1)
    torch._foreach_mul_(second, 0.99)
    torch._foreach_addcmul_(second, grads, grads, 0.01)
    root = torch._foreach_sqrt(torch._foreach_div(second, 0.01))
    torch._foreach_add_(root, 1e-8)
    torch._foreach_addcdiv_(parameters, first, root, scalars=[-1.0, -0.5])
    assert torch.allclose(parameters[0], tensors()[0] - 0.1) and torch.allclose(parameters[1], tensors()[1] - 0.05)


def test_reductions_copies_and_products():
    given = tensors()
    assert [n.item() for n in torch._foreach_norm(given, 1)] == [0.75, 1.25]
    assert torch._foreach_norm(given[:1], dtype=torch.float64)[0].dtype is torch.float64
    assert [n.item() for n in torch._foreach_max(given)] == [0.5, 0.75]
    assert torch._foreach_powsum(given, 2)[0].item() == 0.3125
    copies = torch._foreach_clone(given)
    torch._foreach_zero_(given)
    assert all(not t.any() for t in given)
    torch._foreach_copy_(given, copies)
    assert torch.equal(given[1], copies[1]) and given[1].data_ptr() != copies[1].data_ptr()
    assert torch._foreach_mm([torch.eye(2)], [torch.ones(2, 3)])[0].shape == (2, 3)
    assert torch._foreach_pow(2.0, [torch.tensor([3.0])])[0].item() == 8.0
    assert torch._foreach_addcmul(given, given, given, torch.tensor([1.0, 0.0]))[1].equal(given[1])


def test_gradients_are_recorded():
    x = torch.tensor([2.0], requires_grad=True)
    (y,) = torch._foreach_mul([x], [x])
    y.backward()
    assert x.grad.item() == 4.0


@pytest.mark.parametrize("call, error, text", [
    (lambda: torch._foreach_add([], 1), RuntimeError, "at least one tensor"),
    (lambda: torch._foreach_add(tensors(), tensors()[:1]), RuntimeError, "same number of tensors, got 2 and 1"),
    (lambda: torch._foreach_mul(tensors(), [1.0]), RuntimeError, "same number of elements as scalar list"),
    (lambda: torch._foreach_mul(tensors(), torch.ones(2)), RuntimeError, "0 dim but it has 1 dimensions"),
    (lambda: torch._foreach_abs(torch.ones(2)), TypeError, "must be tuple of Tensors, not Tensor"),
    (lambda: torch._foreach_add(tensors(), 1, alpha=2), TypeError, "alpha"),
    (lambda: torch._foreach_nothing, AttributeError, "_foreach_nothing")])
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()
