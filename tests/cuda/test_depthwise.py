"""Convolutions with one channel in each group, and their gradients, in the emulator against the CPU."""

import numpy as np
import pytest

import numbatorch as torch
from numbatorch.cuda import depthwise
from numbatorch.nn import functional as F

CASES = {  # (input, weight, stride, padding, dilation)
    "plain": ((2, 5, 9, 11), (5, 1, 3, 3), 1, 1, 1),
    "stride": ((2, 5, 9, 11), (5, 1, 3, 3), 2, 1, 1),
    "several results": ((2, 3, 8, 9), (6, 1, 3, 2), (2, 1), (0, 2), 1),
    "dilation": ((1, 3, 12, 10), (3, 1, 3, 3), (3, 2), 2, (2, 1)),
    "one dimension": ((3, 4, 17), (8, 1, 5), 1, 2, 1),
    "three dimensions": ((1, 2, 4, 5, 6), (2, 1, 2, 3, 2), 1, 1, 1),
}


def numbers(shape, seed, dtype):
    return torch.tensor(np.random.default_rng(seed).normal(size=shape)).to(dtype)


@pytest.fixture
def taken(gpu, monkeypatch):
    """The requests that the template answered."""
    found, plan = [], depthwise.plan
    monkeypatch.setattr(depthwise, "plan", lambda request: found.append(request.function) or plan(request))
    return found


def gradients(device, shape, window, dtype, **moves):
    convolve = (F.conv1d, F.conv2d, F.conv3d)[len(shape) - 3]
    x, w, b = (numbers(s, k, dtype).to(device).requires_grad_() for k, s in enumerate((shape, window, window[:1])))
    result = convolve(x, w, b, groups=shape[1], **moves)
    (result * numbers(tuple(result.shape), 3, dtype).to(device)).sum().backward()
    return [result.detach(), x.grad, w.grad, b.grad]


@pytest.mark.parametrize(("case", "dtype"), [*((case, "float32") for case in CASES), ("plain", "float64"), (
    "stride", "bfloat16"), ("plain", "float16")])
def test_results_and_gradients(taken, case, dtype):
    shape, window, stride, padding, dilation = CASES[case]
    moves = {"stride": stride, "padding": padding, "dilation": dilation}
    kind = getattr(torch, dtype)
    found = gradients("cuda", shape, window, kind, **moves)
    expected = gradients("cpu", shape, window, torch.float64, **moves) if not dtype.endswith("16") else gradients(
        "cpu", shape, window, kind, **moves)
    assert sorted(taken) == ["convolution_forward", "convolution_input_gradient", "convolution_weight_gradient"]
    near = {"float32": 1e-5, "float64": 1e-12, "bfloat16": 3e-2, "float16": 4e-3}[dtype]
    for a, b in zip(found, expected, strict=True):
        assert a.is_cuda and a.shape == b.shape and a.dtype is kind
        assert np.allclose(a.cpu().double(), b.double(), rtol=near, atol=near * 5)


def test_weights_of_many_images_are_summed_in_pieces(taken, monkeypatch):
    monkeypatch.setattr(depthwise, "PIECE", 300)
    shape, window = (3, 2, 19, 23), (2, 1, 3, 3)
    found = gradients("cuda", shape, window, torch.float32, padding=1)
    for a, b in zip(found, gradients("cpu", shape, window, torch.float64, padding=1), strict=True):
        assert np.allclose(a.cpu().double(), b, rtol=1e-5, atol=1e-5)


def test_images_of_any_strides(taken):
    x, w = numbers((2, 4, 7, 9), 0, torch.float32), numbers((4, 1, 3, 3), 1, torch.float32)
    for image in (x.to(memory_format=torch.channels_last), x.transpose(2, 3), x[:, :, ::2]):
        found = F.conv2d(image.cuda(), w.cuda(), groups=4, padding=1)
        assert np.allclose(found.cpu(), F.conv2d(image, w, groups=4, padding=1), atol=1e-5)
    assert len(taken) >= 1
