"""What a compiled function does besides giving a result: effects, errors, arguments with a history, modes."""

import collections
import functools
import itertools
import os
import random
import tempfile
import threading
import time

import numpy as np
import pytest

import numbatorch as torch

nn = torch.nn


class Steps:
    """An iterator of a program's own."""

    def __init__(self):
        self.at = 0

    def __iter__(self):
        return self

    def __next__(self):
        self.at += 1
        return self.at


def _opens():
    path = os.path.join(tempfile.mkdtemp(), "level")

    def level():
        with open(path, "w") as file:
            file.write("2")
        with open(path) as file:
            return float(file.read())
    return level


def _yields():
    while True:
        yield 2.0


EFFECTS = {
    "a clock": (lambda: (lambda: 2.0 if time.time() > 0 else 3.0), "time.time"),
    "a file": (_opens, "uses a file"),
    "the system": (lambda: (lambda: 2.0 + os.path.exists("/")), "posix.stat"),
    "a generator": (lambda: functools.partial(next, _yields()), "the generator"),
    "a count": (lambda: functools.partial(next, itertools.cycle([2.0, 2.0])), "the iterator"),
    "an iterator": (lambda: functools.partial(next, Steps()), "changes"),
    "a thread": (lambda: (lambda: threading.Thread(target=int).start() or 2.0), "start_new_thread"),
    "random numbers": (lambda: (lambda: random.SystemRandom().random() * 0 + 2.0), "urandom"),
    "a seed": (lambda: (lambda: 2.0 + torch.initial_seed() * 0), "asks for a generator's state"),
    "an output": (lambda: (lambda: os.write(OUT, b"") + 2.0), "posix.write"),
}
OUT = os.open(os.devnull, os.O_WRONLY)


@pytest.mark.parametrize("name", EFFECTS)
def test_what_has_effects_or_answers_of_its_own_runs_eagerly(name):
    make, reason = EFFECTS[name]
    by = make()
    run = torch.compile(lambda x: x * by())
    for _ in range(4):
        run(torch.ones(2))
    assert not run.programs and reason in run.explain(), run.explain()


@pytest.mark.parametrize("kind", ["argument", "held", "own", "library"])
def test_an_error_is_raised_once_and_what_it_undoes_is_undone(kind):
    """Whoever raises: the function runs once, or as if it had."""
    model, log = nn.Linear(2, 2), []
    table, order = {"count": 0}, collections.OrderedDict(a=1, b=2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)

    def step(x):
        log.append(1)
        table["count"] += 1
        table[f"n{table['count']}"] = order.popitem(last=False) if order else None
        optimizer.zero_grad()
        model(x).sum().backward()
        optimizer.step()
        rate = optimizer.param_groups[0]["lr"]
        if kind == "library":
            torch.ones(2).view(3)
        if kind == "own":
            raise RuntimeError("enough")
        if kind == "held":
            torch.nn.functional.dropout(x, 1.0 + rate)
        return x @ torch.ones(5, 5)
    before = model.weight.detach().clone()
    run = torch.compile(step)
    for k in range(1, 4):
        with pytest.raises((RuntimeError, ValueError)):
            run(torch.ones(1, 2))
        assert len(log) == table["count"] == k and len(table) == k + 1 and len(order) == max(0, 2 - k)
        assert torch.allclose(model.weight.detach(), before - 0.5 * k)


def test_arguments_of_all_kinds():
    class Sub(torch.Tensor):
        pass
    x = torch.arange(12.0).view(3, 4)
    f = lambda a, b=None, **more: (a * 2 + (0 if b is None else b)).sum(0) * (1 + len(more))  # noqa: E731
    run = torch.compile(f)
    calls = [((x,), {}), ((x.t(),), {}), ((x[:, ::2],), {}), ((x[:0],), {}), ((x, x), {}), ((x, x.clone()), {}),
             ((x, x[0]), {}), ((x.double(),), {}), ((x, 1), {}), ((x, True), {}), ((x, 1.0), {}), ((x,), {"b": x}),
             ((x,), {"c": 1, "d": 2}), ((x,), {"d": 1, "c": 2}), ((x.as_subclass(Sub),), {}),
             ((x.expand(2, 3, 4),), {}), ((torch.ones(()).expand(3),), {})]
    for _ in range(4):
        for args, kwargs in calls:
            found, expected = run(*args, **kwargs), f(*args, **kwargs)
            assert found.dtype is expected.dtype and type(found) is type(expected) and torch.equal(found, expected)
    run = torch.compile(lambda a, n: a + torch.from_numpy(n) * n[0] + len(n))
    for k in range(8):
        n = np.arange(k % 3, k % 3 + 3.0)
        assert torch.equal(run(torch.ones(3), n), torch.ones(3) + torch.from_numpy(n) * n[0] + 3)
    run = torch.compile(lambda parts: sum(p * (k + 1) for k, p in enumerate(parts)))
    for k in range(8):
        assert run(torch.full((), float(i)) for i in range(k % 3 + 1)).item() == [0, 2, 8][k % 3]


def test_arguments_with_a_history():
    def f(x):
        return x * (2 if x.is_leaf else 3) * (5 if x.grad is None else 7)
    run = torch.compile(f)
    for k in range(24):
        x = torch.ones(3, requires_grad=True)
        if k // 4 % 3 == 1:
            x.grad = torch.ones(3)
        own = x * 1 if k // 4 % 3 == 2 else x
        found = run(own)
        assert torch.equal(found, f(own)), (k, run.explain())
        found.sum().backward()
        assert torch.equal(x.grad, found.detach() / 1 + (1.0 if k // 4 % 3 == 1 else 0.0))
    assert len(run.programs) == 3, run.explain()


def test_param_groups_that_are_added():
    def build():
        torch.manual_seed(0)
        one, two = nn.Linear(2, 2), nn.Linear(2, 2)
        optimizer = torch.optim.SGD(one.parameters(), lr=0.1)

        def step(x):
            optimizer.zero_grad()
            two(one(x)).square().sum().backward()
            optimizer.step()
        return one, two, optimizer, step
    found = []
    for compiled in (False, True):
        one, two, optimizer, step = build()
        run = torch.compile(step) if compiled else step
        for k in range(12):
            if k == 6:
                optimizer.add_param_group({"params": list(two.parameters()), "lr": 0.01})
            run(torch.ones(3, 2))
        found.append([p.tolist() for m in (one, two) for p in m.parameters()])
    assert found[0] == found[1] and len(run.programs) == 2, run.explain()


def test_modes_that_are_switched():
    weight = torch.randn(3, 3, requires_grad=True)
    f = lambda x: x @ weight  # noqa: E731
    run, x = torch.compile(f), torch.randn(2, 3)
    for _ in range(3):
        for mode in (torch.enable_grad, torch.no_grad, torch.inference_mode,
                     lambda: torch.autocast("cpu", torch.bfloat16)):
            for _ in range(3):
                with mode():
                    found, expected = run(x), f(x)
                assert torch.equal(found, expected) and found.dtype is expected.dtype
                assert found.requires_grad == expected.requires_grad and found.is_inference() == expected.is_inference()


@pytest.mark.parametrize("history", [False, True])
def test_lists_and_dicts_that_are_given_are_changed_as_by_eager_code(history):
    layer = torch.nn.Linear(3, 3)

    def block(x, found, named):
        x = layer(x).relu()
        found.append(x)
        named["sum"] = x.sum()
        if len(x) == 4:
            raise KeyError("four rows")
        return x
    run = torch.compile(block)
    for rows in (2, 2, 4, 2, 2):
        x, told = torch.randn(rows, 3, requires_grad=history), []
        for function in (run, block):
            found, named = [], {"x": x}
            try:
                function(x * 2, found, named)
            except KeyError:
                assert rows == 4
            assert len(found) == 1 and list(named) == ["x", "sum"] and named["x"] is x
            told.append((found[0], torch.autograd.grad(found[0].sum() + named["sum"], (x, layer.weight)[not history:])))
        assert torch.equal(told[0][0], told[1][0])
        assert all(torch.equal(a, b) for a, b in zip(told[0][1], told[1][1], strict=True))


@pytest.mark.parametrize("history", [False, True])
def test_what_is_given_comes_back_as_itself(history):
    run = torch.compile(lambda x, found: {"x": x, "found": found, "pair": (x, [x]), "twice": x * 2})
    for _ in range(4):
        x = torch.randn(3, requires_grad=history) * 2
        found = [x]
        result = run(x, found)
        assert result["x"] is x and result["found"] is found and result["pair"][0] is result["pair"][1][0] is x
        assert found == [x]


@pytest.mark.parametrize("view", [False, True])
def test_an_argument_with_a_history_is_changed_in_place(view):
    weight = torch.tensor([2.0, 3.0, 4.0], requires_grad=True)

    def scaled(x):
        x.mul_(weight)
        return x.sum()
    run = torch.compile(scaled)
    for k in range(4):
        found = []
        for function in (run, scaled):
            start = torch.arange(3.0).add(k).requires_grad_()
            base = (start * 2).view(1, 3)
            x = base[0] if view else base
            total = function(x) + base.square().sum()
            found.append(torch.autograd.grad(total, (start, weight)))
        assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_an_argument_gets_another_shape_or_history_in_place():
    def turned(x, weight):
        x.t_()
        weight.requires_grad_()
        return (x * weight).sum()
    run = torch.compile(turned)
    for _ in range(5):
        x, weight = torch.ones(2, 3), torch.ones(2)
        total = run(x, weight)
        assert x.shape == (3, 2) and weight.requires_grad
        assert torch.equal(torch.autograd.grad(total, weight)[0], torch.full((2,), 3.0))


@torch.compile
def counted(x):
    counted.calls += 1
    counted.last = x * 2
    print(end="")
    return x if x.shape[0] == 1 else counted(x[1:]) + x[1:] * counted.scale


def test_a_compiled_function_that_calls_itself_and_has_attributes():
    counted.calls, scale = 0, 1.0
    for k in range(8):
        counted.scale = scale = scale + k // 4
        assert torch.equal(counted(torch.ones(3)), torch.full((2,), 1 + 2 * scale)), k
        assert counted.calls == 3 * (k + 1) and torch.equal(counted.last, torch.full((1,), 2.0))
