"""What a compiled function took is given back with it."""

import gc
import linecache
import subprocess
import sys
import threading
import weakref

import pytest

import numbatorch as torch
from numbatorch.compiler import watch
from numbatorch.cpu import program as native

nn = torch.nn


def trained(power):
    """Weak references to what a compiled step was made of."""
    model = nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters())

    def step(x):
        optimizer.zero_grad()
        loss = (model(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        if loss < power + 1e9:  # a number of its own, in an expression of its own
            return loss.item()
        return 0.0
    run = torch.compile(step)
    for k in range(6):
        run(torch.full((2, 3), float(k)))
    run.profile(torch.ones(2, 3), runs=1)
    assert run.programs[0].runs >= 3, run.explain()
    model(torch.ones(2, 3))
    outer = torch.compile(lambda x: model(x))
    for _ in range(4):
        outer(torch.ones(2, 3)).sum().backward()
    return [weakref.ref(v) for v in (run, run.programs[0], run.programs[0].graph, model, model.weight, outer,
                                     outer.programs[0], outer.programs[0].backward)]


def written():
    """How many sources that this library has written can be read: files, whose lines anyone may ask for, do not go."""
    return sum(name.startswith("<") for name in linecache.cache)


def test_programs_go_with_their_function():
    trained(0)
    gc.collect()
    lines, numbers = written(), len(native._expressions)
    for k in range(1, 4):
        left = trained(k)
        gc.collect()
        assert [r() for r in left] == [None] * len(left)
    gc.collect()
    assert written() <= lines and len(native._expressions) <= numbers


def test_reset_gives_back_the_memory():
    run = torch.compile(lambda x: (x * 2).sum())
    for _ in range(4):
        run(torch.ones(5))
    alive = weakref.ref(run.programs[0])
    torch.compiler.reset()
    gc.collect()
    assert alive() is None


def test_an_interrupted_end_of_a_capture_holds_up_no_other(monkeypatch):
    class Interrupted(list):
        def remove(self, own):
            if not struck:
                struck.append(own)
                raise KeyboardInterrupt
            super().remove(own)
    struck, free = [], []
    monkeypatch.setattr(watch, "current", Interrupted())
    x = torch.randn(3)
    with pytest.raises(KeyboardInterrupt):
        torch.compile(lambda x: x * 2 + 1)(x)

    def look():
        free.append(watch._ONE.acquire(blocking=False))
        if free[0]:
            watch._ONE.release()
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert struck and free == [True] and not watch.current and not struck[0]._undo


def test_a_plan_that_another_thread_was_making_is_not_taken_for_watched(monkeypatch):
    """Its kernel is none that a capture hears of: what runs then is captured anew."""
    from numbatorch import plan as planning
    make, looks = planning.make, watch.Watch._looks
    made, go = threading.Event(), threading.Event()

    def slow(*arguments):
        plan = make(*arguments)
        if threading.current_thread() is other:
            made.set()
            go.wait(60)
        return plan

    def looks_then(self):
        looks(self)
        go.set()
        other.join()
    monkeypatch.setattr(planning, "make", slow)
    other = None
    x, total = torch.randn(7, 11, 3), torch.zeros(7, 11, 3)
    other = threading.Thread(target=lambda: torch.zeros(7, 11, 3).add_(torch.zeros(7, 11, 3)))
    other.start()
    assert made.wait(60)
    monkeypatch.setattr(watch.Watch, "_looks", looks_then)

    def step(x):
        total.add_(x)
        return x * 2
    run = torch.compile(step)
    run(x)
    monkeypatch.undo()
    assert "another thread was making a plan" in run.explain()
    for _ in range(4):
        run(x)
    assert run.programs[0].runs == 2 and torch.allclose(total, x * 5)


def test_threads_print_while_others_are_captured():
    code = ("import threading, numbatorch as torch\n"
            "def work():\n"
            "    for n in range(2, 40):\n"
            "        run = torch.compile(lambda x: x * 2)\n"
            "        for _ in range(2):\n"
            "            print(run(torch.ones(n)).shape, threading.get_ident(), sep=' ' * 50)\n"
            "threads = [threading.Thread(target=work) for _ in range(4)]\n"
            "[t.start() for t in threads]\n"
            "[t.join() for t in threads]\n")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_a_call_that_was_interrupted_as_it_began_leaves_the_programs_to_others():
    run = torch.compile(lambda x: x.sin() + 1)
    x = torch.randn(3)
    for _ in range(4):
        run(x)
    runs = run.programs[0].runs
    run._turns.pop()  # what Ctrl-C leaves between this and the next line
    assert torch.equal(run(x), x.sin() + 1) and run.programs[0].runs == runs + 1


def test_a_call_within_its_own_call_is_no_interrupted_one():
    def f(x, deep):
        return run(x * 2, deep - 1) if deep else x + 1
    run = torch.compile(f)
    for _ in range(5):
        x = torch.randn(3)
        assert torch.equal(run(x, 2), x * 4 + 1) and len(run._turns) == 1
