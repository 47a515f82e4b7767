"""Inference mode: what is made inside is marked, has no version, and stays off the tape."""

import copy
import pickle
import threading

import numpy as np
import pytest

import numbatorch as torch


def made(*shape):
    with torch.inference_mode():
        return torch.ones(*shape)


def test_tensors_made_inside_are_inference_tensors():
    x = torch.ones(3, requires_grad=True)
    plain = torch.zeros(3)
    with torch.inference_mode():
        for t in (torch.ones(2), x * 2, plain.clone(), torch.rand(3), torch.from_numpy(np.ones(2)), x.to(torch.float64),
                  torch.arange(3), torch.nn.Linear(2, 2).weight, torch.tensor([1.0]), x.sum(), torch.rand(3).sort()[0]):
            assert t.is_inference() and torch.is_inference(t)
        assert not (x * 2).requires_grad and (x * 2).grad_fn is None
        assert torch.ones(2, requires_grad=True).requires_grad and torch.ones(2).requires_grad_().requires_grad
    assert not torch.ones(2).is_inference() and not (x * 2).is_inference()
    assert torch.inference_mode()(lambda: torch.ones(1).is_inference())()


def test_views_are_what_their_base_is():
    plain, inside = torch.tensor([0.0, 0, 0]), made(3)
    with torch.inference_mode():
        assert not plain[:2].is_inference() and not plain.detach().is_inference()
        plain.add_(1)
    assert plain._version == 1 and plain.tolist() == [1, 1, 1]
    assert inside[:2].is_inference() and inside.detach().is_inference() and inside.data.is_inference()
    assert inside.to(torch.float32) is inside and inside.contiguous() is inside


def test_inference_tensors_have_no_version():
    inside = made(3)
    with pytest.raises(RuntimeError, match="Inference tensors do not track version counter"):
        inside._version  # noqa: B018


def test_copies_made_outside_are_ordinary():
    inside = made(3)
    for t in (inside.clone(), copy.deepcopy(inside), pickle.loads(pickle.dumps(inside)), inside * 1):
        assert not t.is_inference() and t._version == 0
    t = inside.clone().requires_grad_()
    (t * t).sum().backward()
    assert t.grad.tolist() == [2, 2, 2]


CHANGES = {
    "add_": lambda t: t.add_(1), "copy_": lambda t: t.copy_(torch.zeros(3)), "zero_": lambda t: t.zero_(),
    "item": lambda t: t.__setitem__(0, 1), "mask": lambda t: t.__setitem__(t > 0, 1.0),
    "index": lambda t: t.index_put_((torch.tensor([0]),), torch.tensor([1.0])),
    "scatter_": lambda t: t.scatter_(0, torch.tensor([0]), 1.0), "normal_": lambda t: t.normal_(),
    "bernoulli_": lambda t: t.bernoulli_(), "random_": lambda t: t.random_(), "resize_": lambda t: t.resize_(2),
    "out": lambda t: torch.add(torch.ones(3), 1, out=t), "unsqueeze_": lambda t: t.unsqueeze_(0),
    "cumsum_": lambda t: t.cumsum_(0), "apply_": lambda t: t.apply_(lambda v: 0), "view": lambda t: t[:1].mul_(2),
    "set_": lambda t: t.set_(torch.zeros(1)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changes_outside_are_refused(name):
    inside = made(3)
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor outside InferenceMode"):
        CHANGES[name](inside)
    assert inside.tolist() == [1, 1, 1]
    with torch.inference_mode():
        CHANGES[name](inside)


def test_data_of_an_inference_tensor_may_be_changed():
    inside = made(3)
    inside.data.add_(1)
    assert inside.tolist() == [2, 2, 2]


def test_what_backward_would_keep_is_refused():
    x, inside = torch.ones(3, requires_grad=True), made(3)
    assert (x + inside).requires_grad  # nothing is kept
    with pytest.raises(RuntimeError, match="MulBackward0: Inference tensors cannot be saved for backward"):
        x * inside
    with pytest.raises(RuntimeError, match="cannot be saved for backward"):
        torch.nn.functional.conv1d(torch.ones(1, 1, 3), torch.ones(1, 1, 1, requires_grad=True)) @ inside  # one operand
    with pytest.raises(RuntimeError, match="cannot be saved for backward"):
        torch.einsum("i,i->", x, inside)

    class Keep(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, other):
            ctx.save_for_backward(other)
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            return grad, None
    with pytest.raises(RuntimeError, match="cannot be saved for backward"):
        Keep.apply(x, inside)


def test_gradients_are_not_asked_of_them_outside():
    inside = made(3)
    with pytest.raises(RuntimeError, match="Setting requires_grad=True on inference tensor outside InferenceMode"):
        inside.requires_grad_()
    with pytest.raises(RuntimeError, match="Setting requires_grad=True on inference tensor"):
        torch.nn.Parameter(inside)
    assert torch.nn.Parameter(inside, requires_grad=False).is_inference()
    x = torch.ones(3, requires_grad=True)
    x.grad = inside
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor"):
        x.sum().backward()


def test_modes_nest():
    x = torch.ones(2, requires_grad=True)
    with torch.inference_mode():
        with torch.enable_grad():
            assert torch.is_grad_enabled()
            y = x * 2
            assert not y.requires_grad and y.is_inference()
        assert not torch.is_grad_enabled()
        with torch.inference_mode(False):
            assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
            assert not torch.ones(1).is_inference() and (x * 2).requires_grad
            with torch.no_grad():
                assert not (x * 2).requires_grad and not (x * 2).is_inference()
        assert torch.ones(1).is_inference() and torch.is_inference_mode_enabled()
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
    with pytest.raises(RuntimeError, match="does not require grad"):
        with torch.inference_mode():
            x.sum().backward()
    assert torch.is_grad_enabled()


def test_other_threads_are_not_concerned():
    found = {}
    with torch.inference_mode():
        thread = threading.Thread(target=lambda: found.update(
            t=torch.ones(2), enabled=torch.is_inference_mode_enabled()))
        thread.start()
        thread.join()
        assert torch.ones(2).is_inference()
    assert not found["t"].is_inference() and not found["enabled"]


def test_a_module_serves_and_goes_on_training():
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3))
    optimizer = torch.optim.Adam(model.parameters())
    for _ in range(2):
        with torch.inference_mode():
            assert model(torch.rand(4, 3)).is_inference()
        model(torch.rand(4, 3)).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    assert not any(t.is_inference() for t in model.state_dict().values())
