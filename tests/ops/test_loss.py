"""Losses of classes: ignored targets, weights and smoothing, against their definition in float64."""

import numpy as np
import pytest

import numbatorch as torch
from numbatorch.nn import functional as F

IGNORED = -100


def expected(x, target, weight, ignored, smoothing, reduction):
    """The loss of a (N, C) matrix, and its gradient for a gradient of ones, by the definition."""
    logs = x - np.log(np.exp(x).sum(1, keepdims=True))
    counted = target != ignored
    one = np.eye(x.shape[1])[np.where(counted, target, 0)] * counted[:, None]
    weight = np.ones(x.shape[1]) if weight is None else weight
    wanted = ((1 - smoothing) * one + smoothing / x.shape[1] * counted[:, None]) * weight
    loss = -(wanted * logs).sum(1)
    scale = {"none": 1, "sum": 1, "mean": 1 / max((one * weight).sum(), 1e-300)}[reduction]
    gradient = (np.exp(logs) * wanted.sum(1, keepdims=True) - wanted) * scale
    return (loss if reduction == "none" else loss.sum() * scale), gradient


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("ignored", [IGNORED, 2])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("some", [False, True])
def test_cross_entropy_is_its_definition(some, weighted, smoothing, ignored, reduction):
    generator = np.random.default_rng(0)
    x, target, weight = generator.standard_normal((17, 5)), generator.integers(0, 5, 17), generator.random(5)
    if some:
        target[::4] = ignored
    loss, gradient = expected(x, target, weight if weighted else None, ignored, smoothing, reduction)
    given = torch.tensor(x, requires_grad=True)
    found = F.cross_entropy(given, torch.tensor(target), torch.tensor(weight) if weighted else None,
                            ignore_index=ignored, label_smoothing=smoothing, reduction=reduction)
    found.backward(torch.ones_like(found))
    assert np.allclose(found.detach().numpy(), loss, rtol=1e-12)
    assert np.allclose(given.grad.numpy(), gradient, rtol=1e-10, atol=1e-14)
    if not smoothing:
        again = F.nll_loss(torch.tensor(x).log_softmax(1), torch.tensor(target),
                           torch.tensor(weight) if weighted else None, ignore_index=ignored, reduction=reduction)
        assert np.allclose(again.numpy(), loss, rtol=1e-12)


@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}, {"weight": torch.ones(3)}])
def test_a_target_that_is_no_class_is_refused(options):
    for target in ([0, 3], [-1, 0], [IGNORED, 7]):
        with pytest.raises(IndexError, match=r"Target (3|-1|7) is out of bounds for 3 classes"):
            F.cross_entropy(torch.zeros(2, 3), torch.tensor(target), **options)


def test_nothing_counts():
    target = torch.full((4,), IGNORED)
    assert F.cross_entropy(torch.zeros(4, 3), target).isnan()
    assert F.cross_entropy(torch.zeros(4, 3), target, label_smoothing=0.2, reduction="sum") == 0


def test_ignored_targets_of_a_batch_inside_vmap():
    x, target = torch.randn(3, 6, 4), torch.tensor([[0, 1, IGNORED, 3, 2, 1]] * 2 + [[IGNORED] * 5 + [2]])
    for smoothing in (0.0, 0.3):
        def loss(rows, classes, smoothing=smoothing):
            return F.cross_entropy(rows, classes, label_smoothing=smoothing)
        one_by_one = torch.stack([loss(a, b) for a, b in zip(x, target, strict=True)])
        assert torch.allclose(torch.func.vmap(loss)(x, target), one_by_one, rtol=1e-6)


def test_each_kind_of_batch_has_a_program():
    def loss(x, target):
        return F.cross_entropy(x, target, label_smoothing=0.1)

    run, x = torch.compile(loss), torch.randn(8, 4)
    whole = torch.tensor([0, 1, 2, 3] * 2)
    some = whole.clone()
    some[::3] = IGNORED
    for target in (whole, some) * 5:
        assert torch.equal(run(x, target), loss(x, target))
    assert run.programs, run.explain()
    with pytest.raises(IndexError, match="Target 9 is out of bounds"):
        run(x, torch.tensor([9] * 8))
