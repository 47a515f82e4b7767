"""detect_anomaly names the forward line behind a failing backward, and finds NaN."""

import pytest

import numbatorch as torch


def notes(error):
    return "\n".join(getattr(error.value, "__notes__", ()))


def test_nan_is_found_and_placed():
    x = torch.tensor([0.0], dtype=torch.float64, requires_grad=True)
    with torch.autograd.detect_anomaly():
        y = (x.sqrt() * 0).sum()  # the marked line
        with pytest.raises(RuntimeError, match="SqrtBackward0.*nan values in its 0th output") as error:
            y.backward()
    assert "the marked line" in notes(error)


def test_nan_passes_without_the_check():
    x = torch.tensor([0.0], requires_grad=True)
    with torch.autograd.detect_anomaly(check_nan=False):
        (x.sqrt() * 0).sum().backward()
    assert x.grad.isnan().all()
    x.grad = None
    (x.sqrt() * 0).sum().backward()
    assert x.grad.isnan().all()


def test_failing_backward_names_its_forward_line():
    class Fails(torch.autograd.Function):
        @staticmethod
        def forward(ctx, input):
            return input * 2

        @staticmethod
        def backward(ctx, grad):
            raise ValueError("on purpose")
    x = torch.ones(1, requires_grad=True)
    with torch.autograd.detect_anomaly():
        y = Fails.apply(x).sum()  # recorded here
        with pytest.raises(ValueError, match="on purpose") as error:
            y.backward()
    assert "recorded here" in notes(error)


def test_forward_outside_the_mode_is_said_so():
    x = torch.tensor([0.0], requires_grad=True)
    y = (x.sqrt() * 0).sum()
    with torch.autograd.detect_anomaly(), pytest.raises(RuntimeError, match="nan") as error:
        y.backward()
    assert "before the forward pass" in notes(error)


def test_set_detect_anomaly():
    with torch.autograd.set_detect_anomaly(True):
        x = torch.tensor([0.0], requires_grad=True)
        with pytest.raises(RuntimeError, match="nan"):
            (x.sqrt() * 0).sum().backward()
    x = torch.tensor([0.0], requires_grad=True)
    (x.sqrt() * 0).sum().backward()
