"""Functions that are no ops take part in `__torch_function__`: for subclasses, modes, and what stands for tensors."""

import inspect

import pytest

import numbatorch as torch
from numbatorch import asking, interception
from numbatorch.nn import functional as F  # noqa: N812

relu, zeros_like = F.relu, torch.zeros_like  # held before anything asks


class Seeing(torch.Tensor):
    seen: list = []

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        cls.seen.append(func)
        return super().__torch_function__(func, types, args, kwargs or {})


class Log(torch.overrides.TorchFunctionMode):
    def __init__(self):
        self.seen = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.seen.append(func)
        return func(*args, **(kwargs or {}))


class Scalar:
    """No tensor, but what stands for one: n equal numbers on a diagonal."""

    def __init__(self, value):
        self.value = value

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func is torch.mean:
            return args[0].value
        if func in (F.relu, torch.stack, torch.zeros_like, torch.matmul, torch.add, torch.softmax):
            return func.__name__, types
        return NotImplemented


@pytest.mark.parametrize("function", [
    F.relu, F.selu, F.leaky_relu, F.hardtanh_, F.softmax, torch.zeros_like, torch.ones_like, torch.rand_like,
    torch.empty_like, torch.randn_like, torch.is_floating_point, torch.numel, torch.detach, torch.is_complex,
    torch.nn.init.zeros_, torch.nn.init.kaiming_uniform_, torch.linalg.det, torch.fft.fft2, torch.special.expit,
    torch.einsum, torch.broadcast_tensors, torch.atleast_2d], ids=lambda f: f.__name__)
def test_functions_reach_subclasses(function):
    x = torch.rand(2, 2).as_subclass(Seeing)
    Seeing.seen.clear()
    function("ij->ji", x) if function is torch.einsum else function(x)
    assert Seeing.seen == [function]


def test_full_like_gives_the_subclass():
    x = torch.ones(2).as_subclass(Seeing)
    Seeing.seen.clear()
    y = torch.full_like(x, 3.0)
    assert type(y) is Seeing and y.as_subclass(torch.Tensor).tolist() == [3, 3] and Seeing.seen[0] is torch.full_like


def test_functions_held_before_ask_too():
    x = torch.ones(2).as_subclass(Seeing)
    Seeing.seen.clear()
    assert type(relu(x)) is type(zeros_like(x)) is Seeing
    assert Seeing.seen == [F.relu, torch.zeros_like] and relu is F.relu


def test_modes_see_functions_methods_and_properties():
    x = torch.ones(2, 2)
    with Log() as log:
        F.relu(x)
        torch.arange(3)
        x.double()
        torch.tensor([1.0])
        assert x.shape == (2, 2) and x.size() == (2, 2)
        x.requires_grad = False
    assert log.seen[:4] == [F.relu, torch.arange, torch.Tensor.double, torch.tensor]
    assert [torch.overrides.resolve_name(f) for f in log.seen[4:]] == [
        "torch.Tensor.shape.__get__", "torch.Tensor.size", "torch.Tensor.requires_grad.__set__"]


def test_modes_see_backward_as_one_call():
    x = torch.ones(2, requires_grad=True)
    y = (x * x).sum()
    with Log() as log:
        y.backward()
    assert log.seen == [torch.Tensor.backward] and x.grad.tolist() == [2, 2]


def test_modes_may_answer():
    class Zeros(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            return torch.zeros(*args, **(kwargs or {})) if func is torch.ones else func(*args, **(kwargs or {}))
    with Log() as outer, Zeros():
        assert torch.ones(2).tolist() == [0, 0]
    assert outer.seen[0] is torch.zeros
    assert torch.ones(2).tolist() == [1, 1]


def test_members_are_as_written_when_no_mode_is_on():
    code, shape = torch.Tensor.double.__code__, torch.Tensor.shape.fget.__code__
    with Log(), Log():
        assert torch.Tensor.double.__code__ is not code
    assert torch.Tensor.double.__code__ is code and torch.Tensor.shape.fget.__code__ is shape


def test_signatures_stay():
    asking.watch()
    assert list(inspect.signature(F.relu).parameters) == ["input", "inplace"]
    assert "dtype" in inspect.signature(torch.zeros_like).parameters
    with pytest.raises(TypeError):
        F.relu()


def test_parameters_are_not_asked():
    p = torch.nn.Parameter(torch.ones(2))
    assert type(F.relu(p)) is torch.Tensor and type(torch.zeros_like(p)) is torch.Tensor


@pytest.mark.parametrize("before", [False, True], ids=["first", "known"])
def test_stand_ins_answer(before, monkeypatch):
    monkeypatch.setattr(interception.state, "stand_ins", before)
    s = Scalar(3.0)
    assert torch.mean(s) == 3 and torch.stack([s, s]) == ("stack", (Scalar,))
    assert torch.add(torch.ones(1), s) == ("add", (Scalar,)) and torch.matmul(s, torch.ones(1))[0] == "matmul"
    assert torch.softmax(s, 0)[0] == "softmax"
    assert F.relu(s)[0] == "relu" and torch.zeros_like(s)[0] == "zeros_like"
    with pytest.raises(TypeError, match="no implementation found for 'sin'"):
        torch.sin(s)
    with pytest.raises(TypeError, match="must be Tensor, not str"):
        torch.sin("1")


def test_an_inner_mode_sees_what_an_outer_one_lets_through():
    from numbatorch.utils.flop_counter import FlopCounterMode
    a = torch.ones(4, 4)
    with Log() as log, FlopCounterMode(display=False) as counter:
        a @ a
        F.linear(a, a)
    assert counter.get_total_flops() == 256 and log.seen[0] is torch.matmul
    with torch.profiler.profile(), FlopCounterMode(display=False) as counter:
        a @ a
    assert counter.get_total_flops() == 128


def test_a_mode_that_declines_is_asked_once_for_a_call():
    asked = []

    def decline(op, inplace, values):
        asked.append(op.name)
        return NotImplemented
    a = torch.ones(2, 2)
    with Log() as log, interception.mode(decline):
        torch.nn.functional.softplus(a)
        a.exp()
    assert asked.count("softplus") == 1 == asked.count("exp") and log.seen.count(torch.exp) == 1
