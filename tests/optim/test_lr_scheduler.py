"""Learning-rate schedules against their formulas, and against torch where it is installed."""

import math
import warnings

import pytest

import numbatorch as nt
from numbatorch import optim
from numbatorch.optim import lr_scheduler

STEPS = 20
SCHEDULES = {
    "LambdaLR": lambda s, o: s.LambdaLR(o, [lambda e: 0.9**e, lambda e: e + 1]),
    "MultiplicativeLR": lambda s, o: s.MultiplicativeLR(o, lambda e: 0.9),
    "StepLR": lambda s, o: s.StepLR(o, 3, 0.3),
    "MultiStepLR": lambda s, o: s.MultiStepLR(o, [2, 5, 5, 9], 0.3),
    "ConstantLR": lambda s, o: s.ConstantLR(o, 0.4, 4),
    "LinearLR": lambda s, o: s.LinearLR(o, 0.2, 0.9, 6),
    "ExponentialLR": lambda s, o: s.ExponentialLR(o, 0.8),
    "PolynomialLR": lambda s, o: s.PolynomialLR(o, 7, 2.0),
    "CosineAnnealingLR": lambda s, o: s.CosineAnnealingLR(o, 5, 0.01),
    "CosineAnnealingWarmRestarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, 2, 0.01),
    "CyclicLR": lambda s, o: s.CyclicLR(o, 0.1, [0.5, 0.6], 3, 4),
    "CyclicLR-halved": lambda s, o: s.CyclicLR(o, 0.1, 0.5, 3, mode="triangular2"),
    "CyclicLR-exp": lambda s, o: s.CyclicLR(o, 0.1, 0.5, 3, mode="exp_range", gamma=0.9),
    "OneCycleLR": lambda s, o: s.OneCycleLR(o, [0.5, 1.0], STEPS + 1),
    "OneCycleLR-three": lambda s, o: s.OneCycleLR(
        o, 0.5, epochs=7, steps_per_epoch=3, three_phase=True, anneal_strategy="linear"
    ),
    "SequentialLR": lambda s, o: s.SequentialLR(
        o, [s.ConstantLR(o, 0.1, 2), s.ExponentialLR(o, 0.9), s.StepLR(o, 2)], [3, 8]
    ),
    "SequentialLR-chained": lambda s, o: s.SequentialLR(
        o, [s.ChainedScheduler([s.ConstantLR(o, 0.5, 2), s.ExponentialLR(o, 0.9)]), s.PolynomialLR(o, 5)], [4]
    ),
    "ChainedScheduler": lambda s, o: s.ChainedScheduler([s.ConstantLR(o, 0.1, 3), s.ExponentialLR(o, 0.9)]),
}


def make_optimizer(library, name="SGD"):
    params = [library.zeros(2).requires_grad_() for _ in range(2)]
    groups = [{"params": [p], "lr": 0.1 * (i + 1)} for i, p in enumerate(params)]
    options = {"momentum": 0.9} if name == "SGD" else {}
    return getattr(library.optim, name)(groups, **options)


def trace(library, schedule, optimizer_name="SGD", reload=False):
    """Rates and momenta of every step; halfway optionally through a state dict."""
    optimizer = make_optimizer(library, optimizer_name)
    scheduler = schedule(library.optim.lr_scheduler, optimizer)
    seen = []
    for step in range(STEPS):
        seen.append([(g["lr"], g.get("momentum"), g.get("betas")) for g in optimizer.param_groups])
        assert scheduler.get_last_lr() == [g["lr"] for g in optimizer.param_groups]
        optimizer.step()
        scheduler.step()
        if reload and step == 6:
            state, optimizer_state = scheduler.state_dict(), optimizer.state_dict()
            optimizer = make_optimizer(library, optimizer_name)
            scheduler = schedule(library.optim.lr_scheduler, optimizer)
            optimizer.load_state_dict(optimizer_state)
            scheduler.load_state_dict(state)
    return seen, scheduler


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule_agrees_with_torch(name, optimizer):
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, their_scheduler = trace(torch, SCHEDULES[name], optimizer)
    ours, our_scheduler = trace(nt, SCHEDULES[name], optimizer)
    for a, b in zip(ours, theirs, strict=True):
        for (lr, momentum, betas), (their_lr, their_momentum, their_betas) in zip(a, b, strict=True):
            assert lr == pytest.approx(their_lr, rel=1e-13, abs=1e-15)
            assert (momentum is None) == (their_momentum is None) and (betas is None) == (their_betas is None)
            assert (momentum or 0) == pytest.approx(their_momentum or 0, rel=1e-13)
            assert (betas or ()) == pytest.approx(their_betas or (), rel=1e-13)
    assert set(our_scheduler.state_dict()) == set(their_scheduler.state_dict())


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule_goes_on_from_its_state_dict(name):
    assert trace(nt, SCHEDULES[name], reload=True)[0] == trace(nt, SCHEDULES[name])[0]


def rates(schedule, steps=STEPS):
    return [row[0][0] for row in trace(nt, schedule)[0]][:steps]


def test_step_and_cosine_follow_their_formulas():
    assert rates(SCHEDULES["StepLR"], 7) == pytest.approx([0.1] * 3 + [0.03] * 3 + [0.009])
    expected = [0.01 + 0.09 * (1 + math.cos(math.pi * e / 5)) / 2 for e in range(STEPS)]
    assert rates(SCHEDULES["CosineAnnealingLR"]) == pytest.approx(expected)


def test_one_cycle_refuses_a_step_too_many():
    optimizer = make_optimizer(nt)
    scheduler = lr_scheduler.OneCycleLR(optimizer, 0.5, total_steps=3)
    optimizer.step()
    for _ in range(3):
        scheduler.step()
    with pytest.raises(ValueError, match="Tried to step 4 times"):
        scheduler.step()


def test_plateau_reduces_after_patience():
    optimizer = make_optimizer(nt)
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, patience=1, factor=0.5, cooldown=1)
    seen = []
    for metric in (1.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.1):
        scheduler.step(nt.tensor(metric))
        seen.append(optimizer.param_groups[0]["lr"])
    assert seen == pytest.approx([0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025, 0.025])


def test_rate_in_a_tensor_is_changed_in_place():
    lr = nt.tensor(0.5)
    optimizer = optim.SGD([nt.zeros(1).requires_grad_()], lr=lr)
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is lr and lr.item() == 0.25


def test_scheduler_before_optimizer_warns():
    scheduler = lr_scheduler.StepLR(make_optimizer(nt), 1)
    with pytest.warns(UserWarning, match="before optimizer.step"):
        scheduler.step()


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda o: lr_scheduler.StepLR(3, 1), TypeError, "is not an Optimizer"),
        (lambda o: lr_scheduler.StepLR(o, 1, last_epoch=3), KeyError, "initial_lr"),
        (lambda o: lr_scheduler.LambdaLR(o, [lambda e: 1]), ValueError, "lr_lambda"),
        (lambda o: lr_scheduler.ConstantLR(o, 2.0), ValueError, "factor"),
        (lambda o: lr_scheduler.OneCycleLR(o, 0.1), ValueError, "total_steps"),
        (lambda o: lr_scheduler.OneCycleLR(o, 0.1, 10, anneal_strategy="x"), ValueError, "anneal_strategy"),
        (lambda o: lr_scheduler.CyclicLR(o, 0.1, 0.5, mode="x"), ValueError, "mode is invalid"),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=1.0), ValueError, "Factor should be < 1.0"),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, mode="x"), ValueError, "mode x is unknown"),
        (lambda o: lr_scheduler.ChainedScheduler([]), ValueError, "at least one scheduler"),
        (lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.StepLR(o, 1)], [1]), ValueError, "milestone"),
        (
            lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.ReduceLROnPlateau(o)], []),
            ValueError,
            "does not support `ReduceLROnPlateau`",
        ),
    ],
)
def test_mistakes_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make(make_optimizer(nt))


def test_cycling_momentum_needs_an_optimizer_with_one():
    optimizer = optim.Adagrad([nt.zeros(1).requires_grad_()])
    with pytest.raises(ValueError, match="cycle_momentum"):
        lr_scheduler.OneCycleLR(optimizer, 0.1, 10)
