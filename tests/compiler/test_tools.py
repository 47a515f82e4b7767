"""Looking into compiled functions: faults, interrupts, profiles, words of `compile` and `torch.compiler`."""

import ctypes
import signal

import numpy as np
import pytest

import numbatorch as torch
from numbatorch.compiler import launches
from numbatorch.cpu import backend
from numbatorch.profiler.limits import MachineLimits

nn, F = torch.nn, torch.nn.functional


class Model(nn.Module):
    """A module that makes NaN of negative numbers."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 2)

    def forward(self, x):
        return self.second(self.first(x) + x.sqrt())  # the bad line


def step_of(model):
    optimizer = torch.optim.Adam(model.parameters())

    def step(x):
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss.detach()
    return step


def test_nan_are_traced_inside_a_compiled_step():
    torch.manual_seed(0)
    run = torch.compile(step_of(Model()))
    for _ in range(5):
        run(torch.ones(2, 3))
    runs = run.programs[0].runs
    for mode in (torch.autograd.detect_nan, torch.autograd.detect_anomaly):
        for k in range(8):
            with pytest.raises(RuntimeError, match="nan|NaN") as found, mode():
                run(torch.full((2, 3), -1.0 - k))
        if mode is torch.autograd.detect_nan:
            assert found.value.op == "sqrt" and "Model" in str(found.value) and "the bad line" in str(found.value)
    for _ in range(3):  # gradients were not there
        assert not torch.isnan(run(torch.ones(2, 3)))
    assert sum(p.runs for p in run.programs) >= runs + 2 and "not captured any more" not in run.explain()


@pytest.mark.parametrize("what", ["interrupt", "error"])
def test_a_step_is_whole_when_it_is_interrupted(what, monkeypatch, request):
    """A program with a stage in Python, which is where Ctrl-C comes through, leaves no step half done."""
    def build():
        torch.manual_seed(0)
        model = nn.Linear(3, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

        def step(x):
            optimizer.zero_grad()
            model(x).square().sum().backward()
            optimizer.step()
            counts.add_(1)
            return torch.poisson(x)
        return model, optimizer, step
    counts = torch.zeros(3)
    model, optimizer, step = build()
    run, x = torch.compile(step), torch.ones(2, 3)
    torch.manual_seed(1)
    interrupt = ctypes.c_int()  # which no guard looks at
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored in jobs in the background
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))

    def stage(*arguments, own=backend.random.fill_poisson):
        if interrupt.value and what == "interrupt":
            signal.raise_signal(signal.SIGINT)
        elif interrupt.value:
            raise MemoryError("no more")
        return own(*arguments)
    monkeypatch.setattr(backend.random, "fill_poisson", stage)
    for _ in range(6):
        run(x)
    assert run.programs and run.programs[0].runner.python, run.explain()
    runs = run.programs[0].runs
    interrupt.value = 1
    held = [*model.parameters(), *(s["momentum_buffer"] for s in optimizer.state.values()), counts]
    then = [t.detach().clone() for t in held]
    with pytest.raises(KeyboardInterrupt if what == "interrupt" else MemoryError):
        run(x)
    interrupt.value = 0
    assert run._eager == 1 and run.programs[0].runs == runs + (what == "interrupt")
    assert all(p.grad is not None for p in model.parameters())
    assert all(torch.equal(a, b) is (what == "error") for a, b in zip(held, then, strict=True))
    if what == "interrupt":
        run(x)
        other, _, step = build()
        torch.manual_seed(1)
        for _ in range(8):
            step(x)
        for a, b in zip(model.parameters(), other.parameters(), strict=True):
            assert torch.equal(a, b) and torch.equal(a.grad, b.grad)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_profile_says_how_near_the_limits_steps_come(monkeypatch):
    from numbatorch.profiler import limits
    monkeypatch.setattr(limits, "machine_limits", lambda device: MachineLimits(10.0, 100.0))
    model = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 4))
    run, x = torch.compile(step_of(model)), torch.randn(8, 16)
    for _ in range(4):
        run(x)
    costs = run.programs[0].profile([x], 1)
    products = [c for c in costs if c.flops >= 2 * 8 * 32 * 4]
    assert sum(c.flops for c in products) >= 2 * 8 * (2 * 16 * 32 + 3 * 32 * 4)  # both forward, three backward
    assert all(c.nbytes > 0 for c in costs if c.step.kind == "launch")
    text = run.profile(x, runs=2)
    head, *lines = text.split("\n")
    assert head.split() == ["us", "share", "GB/s", "GFLOP/s", "limit", "step"] and len(lines) == len(costs) + 1
    assert __file__ in text and "10.0 GB/s in memory and 100.0 GFLOP/s" in lines[-1]


def test_words_of_compile():
    for mode in ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs", None):
        assert torch.compile(lambda x: x, mode=mode)(torch.ones(1)).item() == 1
    with pytest.raises(RuntimeError, match="Unrecognized mode=fast"):
        torch.compile(lambda x: x, mode="fast")
    with pytest.raises(RuntimeError, match="can't be specified at the same time"):
        torch.compile(lambda x: x, mode="default", options={"a": 1})

    def f(x):
        return x
    try:
        torch.compiler.set_default_backend("eager")
        assert torch.compiler.get_default_backend() == "eager" and torch.compile(f) is f
        assert torch.compile(f, backend="inductor") is not f
    finally:
        torch.compiler.set_default_backend(None)
    assert torch.compiler.get_default_backend() == "inductor" and torch.compile(f) is not f
    with pytest.raises(TypeError, match="expected a name"):
        torch.compiler.set_default_backend(3)


def test_functions_of_arrays_and_substitutes():
    @torch.compiler.wrap_numpy
    def f(x, more):
        assert isinstance(x, np.ndarray)
        return {"sum": np.sum(x) + more["y"], "all": [x * 2, 3]}
    found = f(torch.arange(3.0), {"y": torch.ones(2)})
    assert torch.equal(found["sum"], torch.full((2,), 4.0)) and found["all"][1] == 3
    assert torch.equal(found["all"][0], torch.tensor([0.0, 2.0, 4.0]))

    def traceable(x):
        return x
    assert torch.compiler.substitute_in_graph(abs)(traceable) is traceable
    with pytest.raises(TypeError, match="expects a function"):
        torch.compiler.substitute_in_graph(3)


def test_what_a_program_is_doing_is_printed(monkeypatch, capsys):
    monkeypatch.setenv("NUMBATORCH_DEBUG", "capture,fuse,plan")
    run = torch.compile(lambda x: (x * 2 + 1).sum(), dynamic=False)
    run(torch.ones(3), )
    for _ in range(3):
        run(torch.ones(4))
    followed = torch.compile(lambda x: (x * 3 + 1).sum())
    for n in (3, 3, 4, 5):
        followed(torch.ones(n))
    text = capsys.readouterr().err
    assert "steps became" in text and "bytes in one arena" in text and "ran eagerly: two calls differ" in text
    assert "was captured for all sizes" in text and "a program for the sizes (5,)" in text


def test_other_profilers_wait_for_captures():
    import cProfile
    import pstats
    import sys
    import time
    profiler = cProfile.Profile()
    clocked = torch.compile(lambda x: x * (2 if time.time() > 0 else 3))
    run = torch.compile(lambda x: x * 2)

    def afterwards():
        return sum(range(3))
    profiler.enable()
    for _ in range(4):
        run(torch.ones(2))
        clocked(torch.ones(2))
    afterwards()
    profiler.disable()
    assert run.programs and "time.time" in clocked.explain() and not clocked.programs
    assert any(name == "afterwards" for *_, name in pstats.Stats(profiler).stats)
    seen = []
    sys.setprofile(lambda frame, event, argument: seen.append(event))
    try:
        torch.compile(lambda x: x + 1)(torch.ones(2))
        before = len(seen)
        afterwards()
    finally:
        sys.setprofile(None)
    assert len(seen) > before > 0


def test_what_python_runs_is_named(monkeypatch):
    def refuse(*given):
        raise launches.Opaque("search")

    def explained(function, *arguments):
        run = torch.compile(function)
        for _ in range(4):
            run(*arguments)
        return run, run.explain()
    x = torch.rand(3, 3) + torch.eye(3)
    with monkeypatch.context() as patch:
        patch.setattr(launches._Draws, "search", refuse)
        run, text = explained(lambda x: torch.poisson(x) + torch._standard_gamma(x), x)
    assert run.programs[0].runs and f"Python runs fill_poisson ({__file__}:" in text and ", fill_gamma (" in text
    run, text = explained(lambda x: torch.poisson(x) + torch.randperm(3, dtype=torch.float32), x)
    assert run.programs[0].runs and "Python runs" not in text
    run, text = explained(lambda x: F.dropout(x) + torch.multinomial(x, 1) + torch.randn(300).sum(), x)
    assert run.programs[0].runs and "Python runs" not in text
    run, text = explained(lambda x: torch.linalg.solve(x, x) + 1, x)
    assert not run.programs and "solve looks at values as an array or list" in text
