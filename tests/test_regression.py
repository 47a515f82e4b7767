"""Seeded training runs whose losses are pinned: a change of any kernel that moves numbers is seen.

Five digits: vector units of another width sum in another order.
"""

import numpy as np
import pytest

import numbatorch as torch
from numbatorch import nn
from numbatorch.datasets import load_digits
from numbatorch.nn import functional as F


def digits(count):
    data = load_digits()
    return torch.tensor(data.images[:count]).float() / 16, torch.tensor(data.labels[:count]).long()


def train(model, optimizer, batches, steps, schedule=None):
    losses = []
    for step in range(steps):
        x, y = batches[step % len(batches)]
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        if schedule is not None:
            schedule.step()
        losses.append(loss.item())
    return losses


def mlp():
    torch.manual_seed(0)
    x, y = digits(256)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    return train(model, torch.optim.Adam(model.parameters(), 0.01), [(x[i::4], y[i::4]) for i in range(4)], 40)


def convolutional():
    torch.manual_seed(1)
    x, y = digits(128)
    x = x.unsqueeze(1)
    model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
                          nn.Dropout(0.25), nn.Conv2d(8, 16, 3), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(),
                          nn.Linear(16, 10))
    return train(model, torch.optim.Adadelta(model.parameters()), [(x[i::4], y[i::4]) for i in range(4)], 20)


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.norm = nn.Embedding(17, 12), nn.LayerNorm(12)
        self.query, self.out = nn.Linear(12, 12), nn.Linear(12, 10)

    def forward(self, x):  # (N, 64) of words -> (N, 10)
        h = self.norm(self.embedding(x))  # (N, 64, 12)
        scores = torch.softmax(self.query(h) @ h.transpose(1, 2) / 12 ** 0.5, -1)  # (N, 64, 64)
        return self.out(F.gelu(scores @ h).mean(1))


def words():
    torch.manual_seed(2)
    x, y = digits(64)
    x = (x * 16).long().flatten(1)
    model = Words()
    optimizer = torch.optim.AdamW(model.parameters(), 0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20)
    return train(model, optimizer, [(x[i::2], y[i::2]) for i in range(2)], 20, schedule)


PINNED = {mlp: [2.31882, 1.13439, 0.287979], convolutional: [2.28129, 2.23523, 2.21964],
          words: [2.38951, 2.2315, 2.15769]}


@pytest.mark.parametrize("run", PINNED, ids=lambda f: f.__name__)
def test_losses_are_the_pinned_ones(run):
    losses = run()
    np.testing.assert_allclose([losses[0], losses[len(losses) // 2], losses[-1]], PINNED[run], rtol=2e-5)


@pytest.mark.parametrize("run", PINNED, ids=lambda f: f.__name__)
def test_losses_do_not_depend_on_threads(run):
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            results.append(run())
    finally:
        torch.set_num_threads(before)
    assert results[0] == results[1] == results[2]
