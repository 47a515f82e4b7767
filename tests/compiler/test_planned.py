"""Memory plans before anything has run: exact, without computing, and everything is as it was afterwards."""

import gc
import re

import pytest

import numbatorch as torch
from numbatorch.compiler import MemoryLimitError, rehearsal
from numbatorch.compiler.memory import rounded
from numbatorch.cpu.memory import memory_stats
from tests.compiler.small_models import lenet, perceptron, recurrent, step_of, transformer

nn, F = torch.nn, torch.nn.functional


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("make", [perceptron, lenet, transformer, recurrent])
def test_the_plan_is_there_before_the_first_run_and_exact(make, kind):
    torch.manual_seed(0)
    model, batch = make()
    run, optimizer = step_of(model, kind)
    values = {k: v.clone() for k, v in model.state_dict().items()}
    versions, random = [p._version for p in model.parameters()], torch.get_rng_state()
    early = run.memory(*batch)
    assert "bytes in one arena" in early and "small_models.py" in early
    assert not optimizer.state and not run.programs and torch.equal(random, torch.get_rng_state())
    assert all(p.grad is None for p in model.parameters()) and versions == [p._version for p in model.parameters()]
    assert all(torch.equal(v, values[k]) for k, v in model.state_dict().items())
    for _ in range(5):
        run(*batch)
    assert run.programs[0].runs > 1 and run.memory() == run.memory(*batch) == early


def test_a_step_too_large_for_any_machine_has_a_plan():
    weight = nn.Parameter(torch.randn(100_000))

    @torch.compile
    def step(x):
        table = (x[:, None] - weight).square()
        joined = torch.cat([table[:2000], F.dropout(table)[2000:4000]])
        loss = (table.softmax(1) @ weight).sum() + joined.exp().sum()
        loss.backward()
        return loss
    x = torch.randn(100_000)
    before = memory_stats()["peak"]
    table = step.memory(x)
    peak = int(table.splitlines()[-1].split()[0])
    assert peak >= 2 * 100_000**2 * 4 and memory_stats()["peak"] - before < 1 << 26
    assert not rehearsal._mapped and weight.grad is None


def test_values_that_are_read_are_computed():
    weight = nn.Parameter(torch.full((1024, 1024), 2.0))

    @torch.compile
    def step(x):
        y = x @ weight
        return y.relu().sum(0) if y.sum() > 0 else (y.exp() + y).sum(0)
    x = torch.ones(1024, 1024)
    with torch.no_grad():
        assert "relu" in step.memory(x) and "exp" in step.memory(-x)
        for _ in range(3):
            step(x)
        assert step.programs and step.memory() == step.memory(x)


def test_what_cannot_be_undone_says_why_and_has_not_happened(capsys):
    def printing(x):
        print("seen")
        return x.sin()
    it = iter([1.0, 2.0, 3.0])

    def iterating(x):
        return x * next(it)
    with pytest.raises(RuntimeError, match="cannot be planned before it has run: the function prints .*test_planned"):
        torch.compile(printing).memory(torch.ones(3))
    with pytest.raises(RuntimeError, match="can go on with it, which could not be undone"):
        torch.compile(iterating).memory(torch.ones(3))
    assert capsys.readouterr().out == "" and next(it) == 1.0


def test_without_arguments_before_anything_it_says_what_to_do():
    with pytest.raises(RuntimeError, match=r"give memory\(\) the arguments of a call"):
        torch.compile(lambda x: x + 1).memory()
    weight = torch.ones(64)

    @torch.compile
    def nothing():
        return weight.exp().sum()
    assert "bytes in one arena" in nothing.memory()


def test_the_backward_pass_that_runs_apart_has_a_table():
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1))
    run, x = torch.compile(model), torch.randn(4, 8)
    early, *_, late = [(run.memory(x), run(x).sum().backward())[0] for _ in range(4)]  # all at one line
    early, late = (re.sub(r" +r\d+", " r", table) for table in (early, late))  # gradients are there later on
    assert "The backward pass" in early and late == early


def wide(limit, kind="SGD"):
    torch.manual_seed(0)
    model = nn.Sequential(*[m for _ in range(4) for m in (nn.Linear(128, 128), nn.GELU(), nn.LayerNorm(128))])
    run, optimizer = step_of(nn.Sequential(model, nn.Linear(128, 5)), kind, memory_limit=limit)
    return run, optimizer, model


def test_a_limit_holds_from_the_first_call_on():
    batch = torch.randn(512, 128), torch.randint(0, 5, (512,))
    free, *_ = wide(None)
    total = int(free.memory(*batch).splitlines()[-1].split()[0])
    limit = int(0.8 * total)
    run, *_ = wide(limit)
    table = run.memory(*batch)
    assert int(table.splitlines()[-1].split()[0]) <= limit
    losses = [run(*batch).item() for _ in range(4)]
    assert losses == [free(*batch).item() for _ in range(4)] and run.memory() == table


def test_a_function_without_state_runs_as_a_program_at_once():
    layers = nn.Sequential(*[m for _ in range(3) for m in (nn.Linear(128, 128), nn.GELU())])
    run = torch.compile(lambda x: layers(x).sum(1), memory_limit="10MB")
    x = torch.randn(64, 128)
    with torch.no_grad():
        expected = layers(x).sum(1)
        assert torch.equal(run(x), expected)
        assert run.programs[0].runs == 1 and "0 calls ran eagerly" in run.explain()


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_what_does_not_fit_is_refused_before_the_first_call_has_changed_anything(kind):
    run, optimizer, model = wide("1MB", kind)
    x, y = torch.randn(512, 128), torch.randint(0, 5, (512,))
    values, random = [p.clone() for p in model.parameters()], torch.get_rng_state()
    for _ in range(2):
        with pytest.raises(MemoryLimitError, match=r"memory_limit is 1000000[\s\S]*bytes in one arena"):
            run(x, y)
    with pytest.raises(MemoryLimitError):
        run.memory(x, y)
    with pytest.raises(MemoryLimitError):
        run.memory()
    assert not optimizer.state and torch.equal(random, torch.get_rng_state())
    assert all(torch.equal(p, v) and p.grad is None for p, v in zip(model.parameters(), values, strict=True))
    for _ in range(4):  # fewer rows fit
        run(x[:8], y[:8])
    assert run.programs and run.memory() == run.memory(x[:8], y[:8])
    with pytest.raises(MemoryLimitError):
        run(x, y)


@pytest.mark.parametrize("make", [perceptron, lenet, transformer, recurrent])
def test_a_step_takes_what_the_plan_says_and_no_more(make):
    torch.manual_seed(0)
    model, batch = make()
    run, _ = step_of(model, "Adam")
    for _ in range(4):
        run(*batch)
    program = run.programs[0]
    gc.collect()
    before = memory_stats()
    for _ in range(3):
        run(*batch)
    after = memory_stats()
    assert after["allocated"] == before["allocated"] and after["misses"] == before["misses"]
    assert after["hits"] - before["hits"] <= 3 * len(program.results)  # no memory is asked for but that of results
    held = [o.storage.nbytes for o in program._owner.values()]
    assert program.arena.nbytes + sum(map(rounded, held)) == program.plan.total
    assert f"{program.plan.total:>12}  with" in run.memory(*batch)


@pytest.mark.parametrize("options", [{"memory_limit": "1GB"}, {"dynamic": True}, {}])
def test_tensors_that_get_other_memory_are_put_back_before_the_call_runs_as_it_is(options):
    def change(x):
        x.data = x.data * 2
        return x + 1

    weight = nn.Parameter(torch.ones(2, 2))

    def accumulate(x):
        (x @ weight).sum().backward()
        weight.grad.data = weight.grad.data * 3
        return weight.grad
    run = torch.compile(change, **options)
    x = torch.ones(2, 2)
    if not options:
        with pytest.raises(RuntimeError, match="the shape, memory or history of argument 0"):
            run.memory(x)
        assert torch.equal(x, torch.ones(2, 2))
    for rows in (2, 2, 3, 4):
        x = torch.ones(rows, 2)
        assert torch.equal(run(x), torch.full((rows, 2), 3.0)) and torch.equal(x, torch.full((rows, 2), 2.0))
    step, expected = torch.compile(accumulate, **options), 0
    for rows in (2, 2, 2, 3, 4):
        expected = (expected + rows) * 3
        result = step(torch.ones(rows, 2))
        assert result is weight.grad and torch.equal(result, torch.full((2, 2), float(expected)))


def test_calls_that_were_too_large_are_not_remembered_for_ever():
    run = torch.compile(lambda x: (x * 2).sum(0), memory_limit=0, dynamic=False)
    for n in range(1, 80):
        with pytest.raises(MemoryLimitError):
            run(torch.ones(n, 3))
    assert len(run._too_large) == 64
    with pytest.raises(MemoryLimitError):
        run(torch.ones(1, 3))
