"""Branches and loops as functions, and TorchScript's names: all run as Python."""

import typing

import pytest

import numbatorch as torch


def test_cond_runs_one_branch_and_has_gradients():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    torch.cond(x.sum() > 2, lambda v: v * 3, lambda v: v["none"], (x,)).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]
    assert torch.cond(False, lambda: 1, lambda: 2) == 2


@pytest.mark.parametrize("pred, operands, text", [
    (torch.tensor([True, False]), (), "single-element"), (torch.tensor(True), (3,), "tensor leaves"),
    ("yes", (), "bool or tensor")])
def test_cond_refuses(pred, operands, text):
    with pytest.raises(RuntimeError, match=text):
        torch.cond(pred, lambda *_: 1, lambda *_: 2, operands)


def test_while_loop():
    i, x = torch.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * 2), (torch.tensor(0), torch.ones(2)))
    assert i.item() == 3 and x.tolist() == [8.0, 8.0]
    assert torch.while_loop(lambda i: i < 3, lambda i: (i + 1,), (5,)) == (5,)


@pytest.mark.parametrize("cond, body, text", [
    (lambda i: 3, lambda i: (i + 1,), "cond_fn must return"), (lambda i: i < 3, lambda i: (i + 1, i), "as many values"),
    (lambda i: i < 3, lambda i: (i + 0.5,), "same metadata"), (3, lambda i: (i,), "callable")])
def test_while_loop_refuses(cond, body, text):
    with pytest.raises(RuntimeError, match=text):
        torch.while_loop(cond, body, (torch.tensor(0),))


def test_scripted_and_traced_functions_are_the_functions():
    def double(x):
        return x * 2
    model = torch.nn.Linear(2, 2).eval()
    assert torch.jit.script(double) is double and torch.jit.script(model) is model
    assert torch.jit.trace(model, torch.zeros(1, 2)) is model and torch.jit.freeze(model) is model
    assert not torch.jit.is_scripting() and not torch.jit.is_tracing()
    for mark in (torch.jit.ignore, torch.jit.unused, torch.jit.export, torch.jit.ignore(drop=True)):
        assert mark(double) is double
    with pytest.raises(RuntimeError, match="shapes|size|multipl"):
        torch.jit.trace(model, torch.zeros(1, 3))
    with pytest.raises(RuntimeError, match="training mode"):
        torch.jit.freeze(torch.nn.Linear(2, 2))
    for missing in (lambda: torch.jit.save(model, "m.pt"), lambda: torch.jit.load("m.pt")):
        with pytest.raises(NotImplementedError, match="TorchScript files"):
            missing()


@pytest.mark.parametrize("value, kind, expected", [
    ([1, 2], list[int], True), ([1, "a"], list[int], False), ({"a": 1}, dict[str, int], True),
    (None, typing.Optional[int], True), ((1, "a"), tuple[int, str], True), ((1,), tuple[int, str], False),  # noqa: UP045
    (3, (int, str), True), ([], list[int], True)])
def test_isinstance_looks_into_containers(value, kind, expected):
    assert torch.jit.isinstance(value, kind) is expected


def test_isinstance_of_a_bare_container_is_refused():
    with pytest.raises(RuntimeError, match="contained type"):
        torch.jit.isinstance([1], list)


def test_tasks_run_at_once_and_keep_their_exception():
    future = torch.jit.fork(lambda x: x + 1, 1)
    assert future.done() and torch.jit.wait(future) == 2 and future.then(lambda f: f.value() * 2).wait() == 4
    failed = torch.jit.fork(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        torch.jit.wait(failed)
    with pytest.raises(TypeError, match="Future"):
        torch.jit.wait(3)


def test_futures_are_collected():
    both = torch.futures.collect_all([torch.jit.fork(lambda: 1), torch.jit.fork(lambda: 2)])
    assert both.done() and torch.futures.wait_all(both.value()) == [1, 2]
    assert torch.futures.collect_all([]).value() == []
    late = torch.futures.Future()
    waiting = torch.futures.collect_all([late])
    assert not waiting.done()
    late.set_result(3)
    assert waiting.value() == [late] and late.value() == 3
    with pytest.raises(RuntimeError, match="once"):
        late.set_result(4)
