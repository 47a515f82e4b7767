"""`__torch_function__`: what subclasses of Tensor see, and that they behave as tensors otherwise."""

import copy
import pickle

import pytest

import numbatorch as torch


class Plain(torch.Tensor):
    """A subclass without an answer of its own."""


class Counting(torch.Tensor):
    """Keeps the functions it took part in."""

    seen: list = []

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        cls.seen.append(func)
        return super().__torch_function__(func, types, args, kwargs or {})


HANDLED = {}


class Diagonal(torch.Tensor):
    """n x n, equal numbers on the diagonal: the documentation's ScalarTensor."""

    @staticmethod
    def __new__(cls, size, value):
        made = torch.tensor(float(value)).as_subclass(cls)
        made.size_, made.value = size, value
        return made

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func not in HANDLED:
            return NotImplemented
        return HANDLED[func](*args, **(kwargs or {}))


HANDLED[torch.mean] = lambda d: d.value / d.size_
HANDLED[torch.add] = lambda a, b: "sum"


def test_results_take_the_subclass():
    x = Plain([[1.0, 2.0], [3.0, 4.0]])
    assert type(x) is Plain and type(x + 1) is type(1 + x) is type(torch.exp(x)) is type(x[0]) is type(x.T) is Plain
    assert type(x.sum()) is type(x.detach()) is type(x.clone()) is type(x.to(torch.float64)) is Plain
    assert type(torch.ones(2, 2) @ x) is Plain
    values, indices = x.max(1)
    assert type(values) is type(indices) is Plain and values.tolist() == [2, 4]
    assert all(type(t) is Plain for t in x.split(1)) and type(torch.cat([x, torch.ones(1, 2)])) is Plain
    assert x.add_(1) is x and x.tolist() == [[2, 3], [4, 5]]
    assert x.shape == (2, 2) and x.dtype is torch.float32 and float(x.sum()) == 14 and "Plain" in repr(x)
    x[0] = 7
    assert x[0].tolist() == [7, 7]


def test_gradients_flow_through_subclasses():
    x = torch.ones(3, requires_grad=True)
    y = x.as_subclass(Plain) * 2
    (y * y).sum().backward()
    assert x.grad.tolist() == [8, 8, 8] and type(y) is Plain
    w = Plain([1.0, 2.0]).requires_grad_()
    (w * 3).sum().backward()
    assert w.grad.tolist() == [3, 3] and w.is_leaf


def test_functions_and_methods_are_seen():
    Counting.seen.clear()
    x = Counting([1.0, 2.0])
    torch.nn.functional.gelu(x)
    x.mul_(2)
    _ = x.shape
    x.tolist()
    assert torch.nn.functional.gelu in Counting.seen and torch.Tensor.mul_ in Counting.seen
    assert any(getattr(f, "__self__", None) is torch.Tensor.shape for f in Counting.seen)
    before = len(Counting.seen)
    with torch._C.DisableTorchFunctionSubclass():
        assert type(x + 1) is torch.Tensor
    assert len(Counting.seen) == before


def test_a_class_may_answer_for_itself():
    d = Diagonal(4, 2.0)
    assert torch.mean(d) == 0.5 and torch.add(d, d) == torch.add(torch.ones(2), d) == "sum"
    with pytest.raises(TypeError, match=r"no implementation found for 'exp'.*\['Diagonal'\]"):
        torch.exp(d)


def test_subclasses_come_before_their_parents():
    class Child(Counting):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return "child", types
    assert torch.add(Counting([1.0]), Child([1.0])) == ("child", (Child, Counting))


def test_unrelated_subclasses_do_not_mix():
    with pytest.raises(TypeError, match="no implementation found"):
        Plain([1.0]) + Diagonal(2, 1.0)


def test_parameters_and_plain_tensors_stay_plain():
    p = torch.nn.Parameter(torch.ones(2))
    assert type(p * 2) is torch.Tensor and type(p.detach()) is torch.Tensor
    x = Plain([1.0])
    assert type(x + p[:1]) is Plain
    assert type(torch.ones(1) + torch.ones(1)) is torch.Tensor
    assert torch.zeros_like(x).add(1).tolist() == [1]


def test_copies_keep_the_class():
    x = Plain([1.0, 2.0])
    assert type(copy.deepcopy(x)) is Plain and copy.deepcopy(x).tolist() == [1, 2]
    assert pickle.loads(pickle.dumps(x)).tolist() == [1, 2]


def test_as_subclass_wants_a_tensor_class():
    with pytest.raises(TypeError, match="does not inherit from Tensor"):
        torch.ones(2).as_subclass(int)


def test_modes_see_every_op():
    class Log(torch.overrides.TorchFunctionMode):
        def __init__(self):
            self.seen = []

        def __torch_function__(self, func, types, args=(), kwargs=None):
            self.seen.append((torch.overrides.resolve_name(func), len(args), types))
            return func(*args, **(kwargs or {}))
    x = torch.ones(2)
    with Log() as log:
        y = torch.add(x, x, alpha=2)
        y.exp_()
        Plain([1.0]).sin()
    assert y.shape == (2,) and log.seen[:2] == [("torch.add", 2, ()), ("torch.exp_", 1, ())]
    assert ("torch.sin", 1, (Plain,)) in log.seen
    x + x
    assert len(log.seen) < 6


def test_functions_of_ones_own_take_part():
    @torch.overrides.wrap_torch_function(lambda a, b: (a, b))
    def together(a, b):
        return "plain"
    HANDLED[together] = lambda a, b: "handled"
    assert together(torch.ones(1), torch.ones(1)) == "plain"
    assert together(torch.ones(1), Diagonal(2, 1.0)) == "handled"
    assert torch.overrides.is_tensor_like(Diagonal(2, 1.0)) and not torch.overrides.is_tensor_like(3)
