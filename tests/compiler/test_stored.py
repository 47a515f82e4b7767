"""What was decided about a program is found again in other processes, and only there where it holds."""

import json
import os
import random
import subprocess
import sys
from types import SimpleNamespace

import pytest

import numbatorch as torch
from numbatorch import nn
from numbatorch.compiler import capture, contents, memory, recompute, stored
from numbatorch.compiler.passes import early, elementwise, rows
from numbatorch.lowering import cache

SEARCHES = ((memory, "place"), (memory, "borrowed"), (elementwise, "_grouped"), (rows, "_grown"), (early, "_movable"),
            (recompute, "_choice"))


@pytest.fixture
def entries(monkeypatch):
    """{key: content}: a cache of decisions alone, which is empty."""
    found: dict = {}
    monkeypatch.setattr(stored, "files", SimpleNamespace(key=cache.key, read=found.get, write=found.__setitem__))
    monkeypatch.setattr(stored, "_keep_harmless", lambda: None)
    monkeypatch.setenv("NUMBATORCH_DEBUG", "capture")
    return found


def test_kernels_that_left_their_operands_alone_are_not_watched_in_other_processes(monkeypatch):
    found: dict = {}
    monkeypatch.setattr(stored, "files", SimpleNamespace(key=cache.key, read=found.get, write=found.__setitem__))

    def looks():
        """How many operands are looked at in two captures, as in a process that knows nothing but the cache."""
        count = [0]

        def read(*where, own=contents.read):
            count[0] += 1
            return own(*where)
        for name, value in (("known", None), ("new", set()), ("digests", {})):
            monkeypatch.setattr(stored._Harmless, name, value)
        monkeypatch.setattr(capture, "_harmless", {})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(contents, "read", read)
            run = torch.compile(lambda x, y: (x @ y).cumsum(1))
            for _ in range(3):
                run(a, b)
        assert run.programs[0].runs
        return count[0]
    a, b = torch.randn(5, 7), torch.randn(7, 3)
    assert looks() == 6 and looks() == 0  # two of the product, one of the sum, before and after
    monkeypatch.setattr(stored, "_versions", lambda: "another version of the library")
    assert looks() == 6


def step_of(width=24):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, width), nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, 4))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)

    def step(x):
        optimizer.zero_grad()
        loss = model(x * 2 + 1).square().mean()
        loss.backward()
        optimizer.step()
        return loss.detach()
    return step, model


def trained(make=step_of, **wishes):
    step, model = make()
    run = torch.compile(step, **wishes)
    torch.manual_seed(1)
    losses = [run(torch.randn(16, 8)).item() for _ in range(6)]
    assert run.programs[0].runs
    return run, losses, [p.detach().clone() for p in model.parameters()]


def forbid_searches(monkeypatch):
    for module, name in SEARCHES:
        def forbidden(*_, name=name):
            raise AssertionError(f"{name} has run")
        monkeypatch.setattr(module, name, forbidden)


def test_a_program_is_arranged_as_another_process_has_found(entries, monkeypatch, capsys):
    first, losses, parameters = trained()
    assert "put into the cache" in capsys.readouterr().err
    forbid_searches(monkeypatch)
    second, again, others = trained()
    assert "arranged as the cache says" in capsys.readouterr().err
    assert losses == again and all(torch.equal(a, b) for a, b in zip(parameters, others, strict=True))
    assert [s.name for s in first.graph.steps] == [s.name for s in second.graph.steps]
    assert first.programs[0].plan.table() == second.programs[0].plan.table()


def test_what_is_made_again_to_fit_a_limit_is_found_again(entries, monkeypatch, capsys):
    def make():
        torch.manual_seed(0)
        layers = [layer for _ in range(4) for layer in (nn.Linear(8, 8), nn.ReLU())]
        model = nn.Sequential(*layers)

        def step(x):
            for p in model.parameters():
                p.grad = None
            y = x
            for layer in model:
                y = layer(y) * 1.5
            loss = y.square().mean()
            loss.backward()
            return loss.detach()
        return step, model

    def needs(limit):
        run, losses, _ = trained(make, memory_limit=limit)
        return run, run.programs[0].plan.total, losses
    _, most, losses = needs(None)
    limit, least = most - 512, None
    run, least, again = needs(limit)
    assert least <= limit and losses == again
    capsys.readouterr()
    forbid_searches(monkeypatch)
    other, total, again = needs(limit)
    assert total == least and losses == again and "as the cache says" in capsys.readouterr().err
    assert str(other.graph).splitlines()[1:] == str(run.graph).splitlines()[1:]


def test_damaged_entries_are_ignored_and_written_anew(entries):
    _, losses, _ = trained()
    (key, good), = entries.items()
    entries[key] = good[:-3]
    assert trained()[1] == losses and entries == {key: good}


@pytest.mark.parametrize("change", [lambda d: d[:-1], lambda d: d + d[-1:], lambda d: [["other 0", []], *d[1:]],
                                    lambda d: {"no": "list"}, lambda d: [[about, [99999]] for about, _ in d]])
def test_decisions_about_something_else_are_not_used(entries, capsys, change):
    _, losses, _ = trained()
    (key, good), = entries.items()
    entries[key] = json.dumps(change(json.loads(good))).encode()
    assert trained()[1] == losses
    assert "does not fit it" in capsys.readouterr().err and entries == {key: good}


def text_of(function, *arguments):
    texts = []

    def spy(make, graph, second, limit):
        texts.append("\n".join(stored.text_of(g) for g in (graph, second) if g is not None))
        return make()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored, "made", spy)
        run = torch.compile(function)
        for _ in range(3):
            run(*arguments)
    text, = texts
    return text


def test_the_text_of_a_graph_tells_all_that_decides():
    a, b = torch.randn(6, 8), torch.randn(6, 8)
    alike = [lambda x, y: (x * 2 + y).softmax(1), lambda u, v: (u * 2 + v).softmax(1)]
    assert text_of(alike[0], a, b) == text_of(alike[1], a, b)
    c = torch.randn(1)
    others = [
        text_of(alike[0], a, b), text_of(alike[0], a[:4], b[:4]), text_of(alike[0], a.double(), b.double()),
        text_of(alike[0], torch.randn(8, 6).T, b), text_of(lambda x, y: (x * 3 + y).softmax(1), a, b),
        text_of(lambda x, y: (x * 2 - y).softmax(1), a, b), text_of(lambda x, y: (x * 2 + x).softmax(1), a, b),
        text_of(lambda x, y: (x * 2 + y).softmax(0), a, b), text_of(lambda x, y: (x * 2 + c).softmax(1), a, b),
        text_of(lambda x, y: ((x * 2 + y).softmax(1), x + 1), a, b),
        text_of(lambda x, y: x.add_(y * 2).softmax(1), a, b), text_of(lambda x, y: (x * 2 + y).log_softmax(1), a, b),
        text_of(lambda x, y: x * torch.tensor([1.0, 2.0]).sum(), a, b),
        text_of(lambda x, y: x * torch.tensor([1.0, 3.0]).sum(), a, b)]
    assert len(set(others)) == len(others)


def test_formulas_are_told_apart_whatever_their_op_is_called():
    from numbatorch.expr import tree
    x, y = tree.arg("x"), tree.arg("y")
    texts = [stored._formulas(roots) for roots in (
        (x + y,), (y + x,), (x + y, x), (x, x + y), (x + 1,), (x + 1.0,), (x + True,), (x * y + x * y,), (-x,))]
    assert len(set(texts)) == len(texts)


def test_a_gradient_outside_is_arranged_as_before(entries, monkeypatch, capsys):
    def make():
        model = nn.Sequential(nn.Linear(6, 12), nn.GELU(), nn.Linear(12, 3))
        for p in model.parameters():
            nn.init.constant_(p, 0.25)
        run = torch.compile(model)

        def call():
            for _ in range(4):
                model.zero_grad()
                run(torch.ones(5, 6)).square().sum().backward()
            return [p.grad.clone() for p in model.parameters()]
        return call
    first = make()()
    assert "put into the cache" in capsys.readouterr().err
    forbid_searches(monkeypatch)
    assert all(torch.equal(a, b) for a, b in zip(first, make()(), strict=True))
    assert "as the cache says" in capsys.readouterr().err


PROGRAM = """if True:
    import numbatorch as torch
    run = torch.compile(lambda x: (x * NUMBER).softmax(1) + 1)
    for _ in range(4):
        found = run(torch.arange(12.0).view(3, 4))
    assert run.programs[0].runs
    print(found.tolist())"""


def test_another_process_reads_what_one_has_written():
    program = PROGRAM.replace("NUMBER", repr(random.SystemRandom().random()))  # no other run of this test knows it

    def result():
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env={
            **os.environ, "NUMBATORCH_DEBUG": "capture", "PYTHONPATH": os.pathsep.join(sys.path)})
        return done.stdout, done.stderr
    first, text = result()
    assert "put into the cache" in text
    second, text = result()
    assert second == first and "as the cache says" in text


def test_a_search_is_asked_for_in_order():
    decisions = stored.Decisions([["a 1", [3]]])
    with pytest.raises(stored.Unfit):
        decisions.known("a", "what it was not")


def test_under_a_profiler_nothing_is_kept(entries):
    before = sys.getprofile()
    sys.setprofile(lambda *_: None)
    try:
        _, losses, _ = trained()
    finally:
        sys.setprofile(before)
    assert not entries and trained()[1] == losses and len(entries) == 1
