"""Modes that a program looks at from machine code: of this thread, of others, changed and put back."""

import threading

import pytest

import numbatorch as torch
from numbatorch.compiler.modes import AGAIN


@pytest.fixture
def scaled():
    """A compiled product with a weight that wants a gradient, with its program."""
    weight = torch.ones(3, requires_grad=True)
    f = torch.compile(lambda x: x * weight)
    for _ in range(4):
        f(torch.ones(3))
    assert f.programs[0].runs > 1
    return f


def elsewhere(function):
    """What a function gives in another thread."""
    found: list = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


def test_a_mode_of_this_thread_leads_to_another_program(scaled):
    runs = scaled.programs[0].runs
    with torch.no_grad():
        assert not scaled(torch.ones(3)).requires_grad
    assert scaled(torch.ones(3)).requires_grad and scaled.programs[0].runs == runs + 1


def test_modes_are_those_of_the_thread_that_calls(scaled):
    runs = scaled.programs[0].runs

    def plain():
        with torch.no_grad():
            return scaled(torch.ones(3)).requires_grad
    assert elsewhere(lambda: scaled(torch.ones(3)).requires_grad) and scaled.programs[0].runs == runs + 1
    assert not elsewhere(plain)
    with torch.no_grad():
        assert elsewhere(lambda: scaled(torch.ones(3)).requires_grad)
    assert scaled.programs[0].runs == runs + 2


def test_a_thread_that_goes_on_gets_a_look_of_its_own(scaled):
    program = scaled.programs[0]

    def many():
        for _ in range(AGAIN + 2):
            scaled(torch.ones(3))
        return program.modes.guard.look()
    assert elsewhere(many) < 0 <= program.modes.guard.look()
    assert scaled(torch.ones(3)).requires_grad


def test_hooks_of_saved_tensors_and_default_dtypes_are_seen(scaled):
    runs, x = scaled.programs[0].runs, torch.ones(3)
    seen: list = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: seen.append(t) or t, lambda t: t):
        scaled(x)
    torch.set_default_dtype(torch.float64)
    try:
        assert scaled(x).dtype is torch.float32
    finally:
        torch.set_default_dtype(torch.float32)
    assert seen and scaled.programs[-1].runs == runs
    with torch.compiler.set_stance("force_eager"):
        scaled(x)
    assert scaled.programs[-1].runs == runs


def test_a_call_within_a_call_runs_as_it_is():
    @torch.compile
    def down(x, n):
        print(end="")  # so that it is never a program
        return x if n == 0 else down(x + 1, n - 1)
    for _ in range(8):
        assert down(torch.zeros(2), 3).tolist() == [3, 3]


def test_two_threads_do_not_run_one_program_at_once():
    inside, go = threading.Event(), threading.Event()
    waits = [False]

    def add(x):
        if waits[0]:
            inside.set()
            go.wait(30)
        return x + 1
    f = torch.compile(add)
    f(torch.zeros(2))
    waits[0] = True
    thread = threading.Thread(target=lambda: f(torch.zeros(2)))
    thread.start()
    assert inside.wait(30)
    waits[0] = False
    assert f(torch.zeros(2)).tolist() == [1, 1]
    go.set()
    thread.join()
    assert f(torch.zeros(2)).tolist() == [1, 1]
