"""What a compiled program of a GPU says of itself: graph, explain(), memory(), profile(), kernels(), the cache."""

import inspect
from types import SimpleNamespace

import pytest

import numbatorch as torch
from numbatorch import nn
from numbatorch.compiler import stored
from numbatorch.lowering import cache
from numbatorch.nn import functional as F

pytestmark = pytest.mark.usefixtures("gpu")


def trained(steps=4):
    """A compiled training step with fused rows and a product that finishes its result, after some calls."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 3), nn.ReLU()).cuda()
    optimizer, target = torch.optim.Adam(model.parameters(), 0.01), torch.arange(5).cuda() % 3

    def step(x):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), target)
        loss.backward()
        optimizer.step()
        return loss
    run, x = torch.compile(step), torch.randn(5, 6).cuda()
    losses = [run(x) for _ in range(steps)]
    return run, x, [t.cpu() for t in (*losses, *model.parameters())]


def test_the_graph_is_python_that_gives_the_same_bits(tmp_path):
    run, x, _ = trained()
    path = tmp_path / "graph.py"
    path.write_text(str(run.graph))
    scope: dict = {}
    exec(compile(path.read_text(), str(path), "exec"), scope)
    function, graph = scope["step"], run.graph
    copies = {name: t.clone() for name, t in graph.state().items()}
    wanted = inspect.signature(function).parameters
    given = {**copies, **{b.label: x for b in graph.buffers if b.kind == "input"}}
    found = function(**{name: t for name, t in given.items() if name in wanted})
    loss = run(x)
    assert torch.equal((found[0] if isinstance(found, tuple) else found).cpu(), loss.detach().cpu())
    for name, now in graph.state().items():
        assert torch.equal(now.cpu(), copies[name].cpu()), name
    assert any(s.parts for s in graph.steps) and any("layer_norm" in s.name and "fused" in s.name for s in graph.steps)


def test_memory_is_what_the_plan_takes():
    run, _, _ = trained()
    program, text = run.programs[0], run.memory()
    runner = program.runner
    for step in run.graph.steps:
        for v in step.places:
            if v.writes and v.buffer.kind == "temporary" and v.buffer.device.type == "cuda" and v.layout.nbytes:
                assert step.name in text, (step.name, text)
    assert "bytes in one arena" in text and runner.kept == sum(part.kept for part in runner.graphs)


def test_explain_and_kernels_tell_of_every_launch():
    run, x, _ = trained()
    runner, text = run.programs[0].runner, run.explain()
    launches = [s for s in run.graph.steps if s.kind == "launch" and s.device.type == "cuda"]
    assert f"{len(runner.graphs)} graphs of {sum(map(len, runner.graphs))} launches" in text
    assert sum(map(len, runner.graphs)) + len(runner.updates) <= len(launches)
    sources = run.kernels()
    assert any(name.startswith("fused_layer_norm") for name in sources)
    assert all(text.strip() for text in sources.values())
    table = run.profile(x, runs=1)
    assert all(s.name in table for s in launches) and "GB/s in memory" in table


def test_kernels_of_products_by_tiles_rows_in_pieces_and_attention():
    x, weight = torch.randn(72, 64).cuda(), torch.randn(48, 64).cuda()
    run = torch.compile(lambda x: (F.linear(x, weight).relu(), x.flatten().repeat(12).square().sum(),
                                   F.scaled_dot_product_attention(*[x.view(1, 1, 72, 64)] * 3)))
    for _ in range(3):
        run(x)
    names = " ".join(run.kernels())
    assert "tiles" in names and "_pieces" in names and "_whole" in names and "attention_forward" in names


def test_limits_are_those_of_the_device():
    own, gpu = torch.profiler.machine_limits(), torch.profiler.machine_limits("cuda")
    assert gpu is torch.profiler.machine_limits("cuda") and gpu is not own and min(gpu) > 0


def test_a_second_process_finds_what_was_decided(monkeypatch, capfd):
    cached: dict = {}
    monkeypatch.setattr(stored, "files", SimpleNamespace(key=cache.key, read=cached.get, write=cached.__setitem__))
    monkeypatch.setenv("NUMBATORCH_DEBUG", "capture")
    first, _, expected = trained()
    assert "was found and put into the cache" in capfd.readouterr().err
    seen, before = [], stored.Decisions.known
    monkeypatch.setattr(stored.Decisions, "known", lambda self, name, given: seen.append(name) or before(
        self, name, given))
    second, _, found = trained()
    said = capfd.readouterr().err
    assert "was arranged as the cache says" in said and "does not fit" not in said
    assert {"elementwise", "epilogues", "rows"} <= set(seen)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert [s.name for s in first.graph.steps] == [s.name for s in second.graph.steps]


def test_a_limit_of_memory_is_kept_by_products_that_finish_their_results():
    torch.manual_seed(0)
    model = nn.Sequential(*(layer for _ in range(3) for layer in (nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 16))))
    model, x = model.cuda(), torch.randn(24, 16).cuda()

    def step(x):
        loss = model(x).square().mean()
        return loss.detach(), *torch.autograd.grad(loss, list(model.parameters()))
    run, expected = torch.compile(step, memory_limit=50_000), step(x)
    for _ in range(3):
        found = run(x)
    assert all(torch.equal(a.cpu(), b.cpu()) for a, b in zip(found, expected, strict=True))
    plan = run.programs[0].plan
    assert plan.total <= 50_000 and any(s.parts for s in run.graph.steps)
    scope: dict = {}
    exec(str(run.graph), scope)
    given = {**run.graph.state(), **{b.label: x for b in run.graph.buffers if b.kind == "input"}}
    wanted = inspect.signature(scope["step"]).parameters
    again = scope["step"](**{name: t for name, t in given.items() if name in wanted})
    assert torch.equal(again[0].cpu().flatten(), expected[0].cpu().flatten())
