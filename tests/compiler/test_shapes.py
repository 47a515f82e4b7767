"""Other shapes: a program after one call, numbers made of sizes right, the shapes used last kept."""

import numpy as np
import pytest

import numbatorch as torch
from numbatorch.compiler import compiled as own

nn, F = torch.nn, torch.nn.functional


def both(dynamic, sizes, build=None):
    """Parameters after steps over batches of sizes, eager and compiled; and the compiled step."""
    found = []
    for compiled in (False, True):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(6, 9), nn.LayerNorm(9), nn.ReLU(), nn.Linear(9, 3))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

        def step(x, y, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y, reduction="sum") / x.shape[0] + x.numel() * 1e-3
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            return loss.detach()
        run = torch.compile(step, dynamic=dynamic) if compiled else step
        torch.manual_seed(1)
        losses = []
        for n in sizes:
            x, y = torch.randn(n, 6), torch.randint(0, 3, (n,))
            losses.append(run(x, y).item())
        found.append([losses, *(p.detach().numpy().copy() for p in model.parameters()),
                      *(p.grad.numpy().copy() for p in model.parameters())])
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)
    return run


@pytest.mark.parametrize("dynamic", [None, True])
def test_another_shape_has_its_program_after_one_call(dynamic):
    run = both(dynamic, [8, 8, 8, 8, 5, 5, 12, 12, 8, 5, 12, 1, 1, 1])
    runs = {p.inputs[0][0].shape[0]: p.runs for p in run.programs}
    assert runs[5] == 3 and runs[12] == 3 and runs[8] >= 2  # no call of theirs was eager
    assert len({p.variant for p in run.programs if p.inputs[0][0].shape[0] > 1}) == 1


def test_without_dynamic_each_shape_is_captured_twice():
    run = both(False, [8, 8, 8, 8, 5, 5, 5, 8, 5])
    assert {p.inputs[0][0].shape[0]: p.runs for p in run.programs}[5] == 2


def test_the_shape_used_longest_ago_goes(monkeypatch):
    monkeypatch.setattr(own, "SHAPES", 3)
    run = both(None, [4, 4, 4, 4, 5, 6, 4, 7, 8, 4])
    kept = [p.inputs[0][0].shape[0] for p in run.programs]
    assert len(kept) == 3 and kept[0] == 4 and 5 not in kept


def test_shapes_share_one_arena_and_leave_gradients_right():
    run = both(None, [4, 4, 4, 4, 40, 40, 4, 40, 4])
    small, large = sorted(run.programs, key=lambda p: p.plan.nbytes)[:1] + sorted(
        run.programs, key=lambda p: p.plan.nbytes)[-1:]
    assert small.arena is large.arena and small.arena.nbytes == large.plan.nbytes
    assert small._places[-1] == large._places[-1] == small.arena.start


def test_what_differs_in_more_than_sizes_is_captured_twice():
    def f(x):
        return x * 2 if x.shape[0] < 5 else (x + 1).exp()
    run = torch.compile(f)
    for n in (3, 3, 3, 4, 4, 7, 7, 7, 7):
        x = torch.randn(n)
        assert torch.equal(run(x), f(x))
    assert len({p.variant for p in run.programs}) == 2


def test_programs_that_rest_hold_no_results():
    run = torch.compile(lambda x: (x * 2, x.sum(0)))
    kept = []
    for n in (3, 3, 3, 3, 5, 5, 3, 5, 3):
        x = torch.randn(n, 4)
        found = run(x)
        assert torch.equal(found[0], x * 2) and torch.equal(found[1], x.sum(0))
        kept.append((found[0], x))
    assert all(torch.equal(a, x * 2) for a, x in kept)  # what a caller holds is never written again
    assert [o.storage for o in run.programs[1].results] == [None, None]


def test_named_results_of_operations_are_results_and_arguments():
    x = torch.arange(6.0).reshape(3, 2).flip(0)
    step = torch.compile(lambda x: (x.sort(0), x.max(1)))
    back = torch.compile(lambda found: found.values + found.indices)
    for _ in range(4):
        ordered, largest = step(x)
        assert type(ordered) is type(x.sort(0)) and type(largest) is type(x.max(1))
        assert ordered.indices.tolist() == [[2, 2], [1, 1], [0, 0]] and largest.values.tolist() == [5, 3, 1]
        assert back(ordered).tolist() == (ordered[0] + ordered[1]).tolist()
    assert len(step.programs) == len(back.programs) == 1


def test_empty_arguments_are_results():
    step = torch.compile(lambda x, y: (x * 2, y, x))
    for _ in range(4):
        x, y = torch.ones(0, 3), torch.ones(0, 3)
        made, second, first = step(x, y)
        assert made.shape == (0, 3) and second is y and first is x


@pytest.mark.parametrize("dynamic", [None, True])
def test_a_backward_pass_that_goes_beyond_the_function_happens_once(dynamic):
    weight = torch.ones(5, 6, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=0.1)

    def f(x):
        optimizer.zero_grad()
        loss = ((x @ weight) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss.detach()

    def trained(step):
        with torch.no_grad():
            weight.fill_(1.0)
        found = []
        for n, leads_on in ((4, 0), (4, 0), (12, 0), (3, 1), (5, 0), (5, 1), (6, 1), (6, 1)):
            start = torch.arange(n * 5.0).reshape(n, 5).div(9).requires_grad_()
            loss = step(start * 1.5 if leads_on else start.detach())
            found.append((loss.item(), start.grad.tolist() if leads_on else None, weight.tolist()))
        return found
    assert trained(torch.compile(f, dynamic=dynamic)) == trained(f)


def test_a_backward_pass_that_would_fail_fails_where_it_is_asked_for():
    weight = torch.ones(5, 6, requires_grad=True)

    def f(x):
        found = (x @ weight).relu_()
        found[:1].mul_(3)
        return found
    run = torch.compile(f)
    for n in (3, 3, 3, 0, 5):
        x = torch.ones(n, 5)
        found = run(x)
        assert torch.equal(found, f(x))
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            found.sum().backward()


def test_hooks_of_an_argument_run_once_for_each_gradient():
    run = torch.compile(lambda x: (x * x).sum())
    for n in (3, 3, 3, 4, 5, 6, 6):
        x, before, after = torch.ones(n, requires_grad=True), [], []
        x.register_hook(before.append)
        x.register_hook(lambda grad: grad * 2)
        x.register_post_accumulate_grad_hook(after.append)
        run(x).backward()
        assert x.grad.tolist() == [4] * n and len(before) == len(after) == 1


def test_a_parameter_is_a_result_beside_one_with_a_history():
    weight = torch.nn.Parameter(torch.ones(3, 2))
    run = torch.compile(lambda x: ((x @ weight).tanh(), weight))
    for n in (2, 2, 2, 3, 5, 5):
        weight.grad, x = torch.zeros(3, 2), torch.ones(n, 3)
        found, own = run(x)
        assert own is weight and torch.equal(found, (x @ weight).tanh())
        found.sum().backward()
        assert weight.grad.any()
    assert run.programs
