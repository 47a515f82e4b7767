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


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_cross_entropy_of_narrow_numbers_is_rounded_once(dtype):
    """Loss and gradient are those of the same numbers in float64, rounded: no logarithm is rounded in between."""
    x = (torch.randn(9, 11) * 3).to(dtype)
    target, weight = torch.arange(9), torch.rand(11).to(dtype)
    for options in ({}, {"label_smoothing": 0.2}, {"label_smoothing": 0.2, "weight": weight}):
        wide = {k: v.double() if k == "weight" else v for k, v in options.items()}
        given, exact = x.clone().requires_grad_(), x.double().requires_grad_()
        F.cross_entropy(given, target, reduction="sum", **options).backward()
        F.cross_entropy(exact, target, reduction="sum", **wide).backward()
        assert given.grad.dtype is dtype
        step = torch.finfo(dtype).eps
        assert ((given.grad.double() - exact.grad).abs() <= 0.51 * step * exact.grad.abs() + 1e-6).all()
        found = F.cross_entropy(x, target, reduction="none", **options)
        wanted = F.cross_entropy(x.double(), target, reduction="none", **wide)
        # With a weight, what is rounded before it weighs counts twice.
        assert ((found.double() - wanted).abs() <= 1.1 * step * wanted.abs()).all()


def test_more_classes_than_float16_counts():
    x = torch.zeros(1, 70000, dtype=torch.float16, requires_grad=True)
    F.cross_entropy(x, torch.tensor([3]), reduction="sum").backward()
    assert abs(x.grad[0, 0].item() * 70000 - 1) < 0.01 and abs(x.grad[0, 3].item() + 1) < 1e-3


def test_weights_and_smoothing_walk_a_row_once():
    x, target, weight = torch.randn(30, 40), torch.arange(30), torch.rand(40)
    run = torch.compile(lambda x: F.cross_entropy(x, target, weight, label_smoothing=0.1, reduction="none"))
    for _ in range(3):
        run(x)
    assert [s.name for s in run.graph.steps if s.name in ("gather", "log_softmax_rows")] == []


def test_a_weight_has_a_gradient_with_smoothing():
    x, weight = torch.randn(4, 5, dtype=torch.float64), torch.rand(5, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([0, 1, 2, 1])
    assert torch.autograd.gradcheck(lambda w: F.cross_entropy(x, target, w, label_smoothing=0.3), weight)


def test_what_does_not_fit_names_the_call():
    x = torch.zeros(2, 3)
    with pytest.raises(ValueError, match=r"cross_entropy: Expected input batch_size \(2\).*\(4\)"):
        F.cross_entropy(x, torch.zeros(4, dtype=torch.int64))
    with pytest.raises(RuntimeError, match="cross_entropy: expected scalar type Long but found bool"):
        F.cross_entropy(x, torch.zeros(2, dtype=torch.bool))
    with pytest.raises(NotImplementedError, match="'Long': input must be floating point"):
        F.cross_entropy(x.long(), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(RuntimeError, match=r"nll_loss: input \(\) and target \(\) do not fit"):
        F.nll_loss(torch.tensor(1.0), torch.tensor(0))


def test_what_does_not_fit_probabilities_or_batches_is_refused():
    x = torch.zeros(4, 3)
    for weight in (torch.ones(5), torch.ones(3, 1)):
        with pytest.raises(RuntimeError, match="weight tensor should be defined either for all 3 classes or no"):
            F.cross_entropy(x, torch.zeros(4, 3), weight)
    with pytest.raises(ValueError, match=r"nll_loss: Expected input batch_size \(4\).*\(1\)"):
        F.nll_loss(x, torch.zeros(1, 4, dtype=torch.int64))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_no_classes_give_no_loss(smoothing):
    x, none = torch.zeros(3, 0), torch.zeros(0, dtype=torch.int64)
    assert F.cross_entropy(x, x, label_smoothing=smoothing).isnan()
    assert torch.equal(F.cross_entropy(x, x, label_smoothing=smoothing, reduction="none"), torch.zeros(3))
    assert F.cross_entropy(torch.zeros(0, 0), none, label_smoothing=smoothing).isnan()
