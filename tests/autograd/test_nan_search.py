"""detect_nan names op, module, line and index of the first NaN, forward and backward."""

import pytest

import numbatorch as torch
from numbatorch.autograd.nan_search import NaNError


def test_forward_names_op_line_index_and_operands():
    x = torch.tensor([[1.0, 2.0], [3.0, -4.0]])
    with torch.autograd.detect_nan(), pytest.raises(RuntimeError) as error:
        torch.log(x) + 1  # the faulty line
    found = error.value
    assert isinstance(found, NaNError) and (found.op, found.index, found.module, found.backward) == (
        "log", (1, 1), "", False)
    for part in ("index (1, 1)", "from -4 to 3", "the faulty line", "test_nan_search.py"):
        assert part in str(found)


def test_backward_names_forward_line_and_module():
    class Root(torch.nn.Module):
        def forward(self, x):
            return x.sqrt() * 0  # recorded here
    net = torch.nn.Sequential(torch.nn.Identity(), Root())
    x = torch.tensor([4.0, 0.0], requires_grad=True)
    with torch.autograd.detect_nan():
        y = net(x).sum()
        with pytest.raises(NaNError) as error:
            y.backward()
    found = error.value
    assert (found.op, found.index, found.module, found.backward) == ("SqrtBackward0", (1,), "Sequential.1", True)
    assert "recorded here" in str(found) and "gradient 0 [2] from 0 to 0" in str(found)


def test_backward_of_a_graph_from_outside():
    x = torch.tensor([0.0], requires_grad=True)
    y = (x.sqrt() * 0).sum()
    with torch.autograd.detect_nan(), pytest.raises(NaNError, match="forward line: not known"):
        y.backward()


def test_modules_in_forward():
    class Inner(torch.nn.Module):
        def forward(self, x):
            return x / (x - x)
    with torch.autograd.detect_nan(), pytest.raises(NaNError, match="module: Sequential.0.0") as error:
        torch.nn.Sequential(torch.nn.Sequential(Inner()))(torch.zeros(2))
    assert error.value.module == "Sequential.0.0"


def test_nan_that_comes_in_passes():
    x = torch.tensor([float("nan"), 1.0], requires_grad=True)
    with torch.autograd.detect_nan():
        y = (x * 2).sum()
        y.backward()
    assert y.isnan() and x.grad.tolist() == [2, 2]


def test_in_place_and_integers():
    x = torch.tensor([-1.0])
    with torch.autograd.detect_nan():
        (torch.arange(3) // 2).sum()
        with pytest.raises(NaNError, match="sqrt_: result"):
            x.sqrt_()


def test_sound_training_is_not_disturbed():
    def run(context):
        torch.manual_seed(0)
        net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.LayerNorm(4), torch.nn.GELU(), torch.nn.Linear(4, 1))
        with context:
            torch.nn.functional.mse_loss(net(torch.ones(5, 3)), torch.zeros(5, 1)).backward()
        return [p.grad.tolist() for p in net.parameters()]
    assert run(torch.autograd.detect_nan()) == run(torch.enable_grad())


def test_everything_is_left_as_it_was():
    with pytest.raises(ValueError, match="on purpose"):
        with torch.autograd.detect_nan():
            raise ValueError("on purpose")
    assert torch.tensor([-1.0]).log().isnan()
    assert not torch.autograd.node.watching.on and not torch.autograd.engine.running.observers

    @torch.autograd.detect_nan()
    def f(x):
        return x.log()
    for _ in range(2):
        with pytest.raises(NaNError):
            f(torch.tensor([-1.0]))
