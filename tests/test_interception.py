"""Tensors that are not plain, and modes that watch ops, get the calls; plain tensors keep their plans."""

import numpy as np
import pytest

import numbatorch as torch
from numbatorch import interception


class _Layout(interception.CustomLayout):
    def __init__(self, *args, owner):
        super().__init__(*args)
        self.owner = owner

    __slots__ = ("owner",)

    def dispatch(self, op, inplace, values):
        self.owner.seen.append(op.name + "_" * inplace)
        return NotImplemented if op.name in ("softmax", "matrix_exp", "square") else f"answer to {op.name}"


class _Strange(torch.Tensor):
    __torch_function__ = torch._C._disabled_torch_function_impl


@pytest.fixture
def strange():
    made = object.__new__(_Strange)
    made.seen, made._ptr, made._storage = [], 0, None
    made._layout = _Layout(torch.float32, (2, 3), torch.device("cpu"), owner=made)
    return made


def test_every_kind_of_op_is_answered(strange):
    assert torch.exp(strange) == "answer to exp"
    assert strange + 1 == 1 + strange == torch.ones(2, 3) + strange == "answer to add"
    assert strange.add_(2) == "answer to add"
    assert torch.cat([torch.ones(2, 3), strange]) == "answer to cat"
    assert strange.transpose(0, 1) == "answer to transpose"
    assert strange.sum() == "answer to sum"
    assert torch.softmax(strange, 0) == "answer to softmax_rows", "a composite may run on its operands"
    assert strange.seen[:4] == ["exp", "add", "add", "add"] and "add_" in strange.seen


def test_an_op_without_an_answer_is_named(strange):
    with pytest.raises(NotImplementedError, match=r"square\(\) is not there for _Strange \(shape \[2, 3\]"):
        torch.square(strange)


def test_a_mode_sees_watched_ops_only_and_only_while_it_is_on():
    seen = []

    def double(op, inplace, values):
        seen.append(op.name)
        return interception.call(op, inplace, [v.double() if isinstance(v, torch.Tensor) else v for v in values])
    a = torch.randn(3, 3)
    expected = a * a
    with interception.mode(double, {"mul", "matmul"}):
        assert (a * a).dtype is (a @ a).dtype is torch.float64
        assert (a + a).dtype is torch.float32
    assert seen == ["mul", "matmul"]
    np.testing.assert_array_equal((a * a).numpy(), expected.numpy())
    assert (a * a).dtype is torch.float32 and len(seen) == 2


def test_a_mode_may_decline():
    with interception.mode(lambda op, inplace, values: NotImplemented):
        np.testing.assert_allclose(torch.softmax(torch.zeros(4), 0).numpy(), 0.25)
        x = torch.ones(2, requires_grad=True)
        (x * 3).sum().backward()
    assert x.grad.tolist() == [3, 3]


def test_library_leaves_calls_alone():
    """No class that the library itself defines makes ops and functions ask who answers a call."""
    import subprocess
    import sys
    text = ("import importlib, numbatorch\n"
            "for name in 'nn optim amp func distributions autograd utils.data sparse masked nested fx'.split():\n"
            "    importlib.import_module('numbatorch.' + name)\n"
            "from numbatorch.interception import state\n"
            "assert not state.active\n")
    subprocess.run([sys.executable, "-c", text], check=True)
