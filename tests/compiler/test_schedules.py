"""Compiled steps whose optimizer's numbers schedules move."""

import pytest

import numbatorch as torch

nn, schedulers = torch.nn, torch.optim.lr_scheduler

OPTIMIZERS = {
    "Adam": lambda parameters: torch.optim.Adam(parameters, lr=0.01),
    "AdamW": lambda parameters: torch.optim.AdamW(parameters, lr=0.01),
    "NAdam": lambda parameters: torch.optim.NAdam(parameters, lr=0.01),
    "SGD": lambda parameters: torch.optim.SGD(parameters, lr=0.01, momentum=0.9),
}
SCHEDULES = {
    "one cycle": lambda optimizer: schedulers.OneCycleLR(optimizer, max_lr=0.1, total_steps=20),
    "cyclic": lambda optimizer: schedulers.CyclicLR(optimizer, 0.001, 0.1, step_size_up=5),
    "lambda": lambda optimizer: schedulers.LambdaLR(optimizer, lambda epoch: 0.9**epoch),
    "steps": lambda optimizer: schedulers.StepLR(optimizer, 3),
    "cosine": lambda optimizer: schedulers.CosineAnnealingLR(optimizer, 20),
}


def trained(optimizer, schedule, compiled, inside=False):
    """(what 12 steps have given, the step)"""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3))
    optimizer = OPTIMIZERS[optimizer](model.parameters())
    scheduler = SCHEDULES[schedule](optimizer)

    def step(x):
        optimizer.zero_grad()
        loss = (model(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    def whole(x):
        loss = step(x)
        scheduler.step()
        return loss
    run, seen = whole if inside else step, []
    run = torch.compile(run) if compiled else run
    for _ in range(12):
        seen.append(run(torch.randn(4, 5)).item())
        if not inside:
            scheduler.step()
        seen.append([{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups])
    return [*seen, scheduler.last_epoch, *(p.tolist() for p in model.parameters())], run


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_one_program_follows_a_schedule(optimizer, schedule):
    expected, _ = trained(optimizer, schedule, compiled=False)
    found, step = trained(optimizer, schedule, compiled=True)
    assert found == expected
    assert len(step.programs) == 1 and step.programs[0].runs == 9, step.explain()


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("optimizer", ["Adam", "SGD"])
def test_a_schedule_inside_a_step_stays_python_beside_a_program(optimizer, schedule):
    expected, _ = trained(optimizer, schedule, compiled=False, inside=True)
    found, step = trained(optimizer, schedule, compiled=True, inside=True)
    assert found == expected
    part, = step.parts.held.values()
    assert len(part.programs) == 1 and part.programs[0].runs == 6, step.explain()
    assert "scheduler.last_epoch" in step.explain()


class Trainer:
    """A model with what trains it."""

    def __init__(self):
        torch.manual_seed(0)
        self.model = nn.Linear(5, 3)
        self.optimizer = torch.optim.Adam(self.model.parameters())
        self.scheduler = schedulers.OneCycleLR(self.optimizer, 0.1, total_steps=40)

    def advance(self, x):
        """One step, that of the schedule included."""
        self.optimizer.zero_grad()
        loss = self.model(x).square().mean()
        loss.backward()
        self.optimizer.step()
        self.scheduler.step()
        return loss

    def count(self, x):
        """A step without that of the schedule, which is asked how far it is."""
        self.optimizer.zero_grad()
        loss = self.model(x).square().mean()
        loss.backward()
        self.optimizer.step()
        return loss if self.scheduler.last_epoch < 50 else -loss


@pytest.mark.parametrize("name", ["advance", "count"])
def test_a_schedule_that_a_method_holds(name):
    plain, own = Trainer(), Trainer()
    run = torch.compile(getattr(own, name))
    for _ in range(12):
        x = torch.randn(4, 5)
        assert torch.equal(run(x), getattr(plain, name)(x))
        if name == "count":
            plain.scheduler.step()
            own.scheduler.step()
    assert all(torch.equal(a, b) for a, b in zip(own.model.parameters(), plain.model.parameters(), strict=True))
    if name == "advance":
        part, = run.parts.held.values()
        assert len(part.programs) == 1 and part.programs[0].runs == 6, run.explain()
    else:
        assert "count.scheduler._last_lr is another object" in run.explain()


def test_numbers_of_a_tuple_are_asked_for_what_they_are():
    model = nn.Linear(3, 2)
    twin = nn.Linear(3, 2)
    twin.load_state_dict(model.state_dict())
    optimizers = [torch.optim.Adam(m.parameters(), betas=(0.5, 0.75)) for m in (model, twin)]

    def step(x, model, optimizer):
        optimizer.zero_grad()
        model(x).square().sum().backward()
        optimizer.step()
        return optimizer.param_groups[0]["betas"]
    run = torch.compile(lambda x: step(x, model, optimizers[0]))

    def agree(*betas):
        for optimizer in optimizers:
            optimizer.param_groups[0]["betas"] = betas
        x = torch.randn(2, 3)
        given = run(x)
        assert given == step(x, twin, optimizers[1]) == betas and [*map(type, given)] == [*map(type, betas)]
        assert type(optimizers[0].param_groups[0]["betas"]) is tuple
        assert all(torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True))
    for k in range(6):
        agree(0.5 + k / 32, 0.75 + k / 64)
    assert len(run.programs) == 1 and run.programs[0].runs == 3, run.explain()
    agree(0.25, 0)
    agree(0, 0.5)
    agree(0.25, 0.5)
    assert run.programs[0].runs == 4, run.explain()
    for betas in ((0.25,), (0.25, 0.5, 0.75), [0.25, 0.5], None):
        optimizers[0].param_groups[0]["betas"] = betas
        if type(betas) is list:
            optimizers[1].param_groups[0]["betas"] = betas
            x = torch.randn(2, 3)
            assert run(x) == step(x, twin, optimizers[1]) == betas
        else:
            with pytest.raises((ValueError, TypeError)):
                run(torch.randn(2, 3))
            assert optimizers[0].param_groups[0]["betas"] == betas
    model.load_state_dict(twin.state_dict())
