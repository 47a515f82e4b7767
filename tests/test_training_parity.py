"""The same script with PyTorch and with numbatorch: equal weights from the seed, equal losses for 100 steps.

SGD with a moderate rate: with Adadelta at 1.0 the training is chaotic, and PyTorch with oneDNN on and off parts from
itself by more than ours from PyTorch (0.19 against 0.11 after 100 steps of MNIST). Even so float32 losses are compared
with PyTorch's in float64: between steps 70 and 90 the errors of some float32 runs leap a thousandfold, presumably where
rounding decides a branch: PyTorch's own float32 parts from these by 1e-4 with one thread, by 1e-6 with two.
"""

import numpy as np
import pytest

import numbatorch
from numbatorch.datasets import load_digits

pytestmark = pytest.mark.parity


def train(torch, dtype="float32", steps=100):
    """(initial weights, losses) of a convolutional network on the shipped digits."""
    nn, F = torch.nn, torch.nn.functional
    torch.manual_seed(1)
    model = nn.Sequential(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(),
                          nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1024, 128), nn.ReLU(), nn.Linear(128, 10),
                          nn.LogSoftmax(dim=1))
    initial = [p.detach().numpy().copy() for p in model.parameters()]
    model.to(getattr(torch, dtype))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    data = load_digits()
    x = torch.tensor(data.images.astype(np.float32) / 16).unsqueeze(1).to(getattr(torch, dtype))
    y = torch.tensor(data.labels.astype(np.int64))
    losses = []
    order = torch.randperm(len(y))
    for step in range(steps):
        at = order[(step * 32) % 1760:(step * 32) % 1760 + 32]
        optimizer.zero_grad()
        loss = F.nll_loss(model(x[at]), y[at])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return initial, losses


def test_weights_and_losses_are_those_of_torch():
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        expected, theirs = train(torch, "float64")
    finally:
        torch.set_num_threads(before)
    initial, ours = train(numbatorch)
    assert all(np.array_equal(a, b) for a, b in zip(initial, expected, strict=True))
    np.testing.assert_allclose(ours[:70], theirs[:70], rtol=1e-6)
    np.testing.assert_allclose(ours, theirs, rtol=2e-4)
    np.testing.assert_allclose(train(numbatorch, "float64")[1], theirs, rtol=1e-12)
