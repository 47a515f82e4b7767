"""Sizes that were never seen, on a GPU: no run of the function, no capture; CUDA graphs of their own, not too many."""

import pytest

import numbatorch as torch
from numbatorch import nn
from numbatorch.compiler import compiled
from numbatorch.cuda import recording
from numbatorch.nn import functional as F

pytestmark = pytest.mark.usefixtures("gpu")


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.GELU(), nn.Dropout(0.2), nn.Linear(8, 3)).cuda()


def training(network):
    optimizer = torch.optim.Adam(network.parameters(), 0.01)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(network(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()
    return step


def test_a_step_at_batches_that_were_never_seen(captures):
    first, second = model(), model()
    eager, run = training(first), torch.compile(training(second), dynamic=True)
    for k, n in enumerate((6, 6, 6, 7, 9, 10, 7, 6)):
        x, y = torch.randn(n, 6).cuda(), (torch.arange(n) % 3).cuda()
        before, ran = len(captures), run._eager
        losses = []
        for function in (eager, run):
            torch.cuda.manual_seed(k)
            losses.append(function(x, y).cpu())
        assert torch.equal(*losses), (n, run.explain())
        assert k < 4 or (before, ran) == (len(captures), run._eager), run.explain()
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a.cpu(), b.cpu())
    assert "argument 0 (n0, 6), argument 1 (n0)" in run.explain()
    assert all(program.runner.graphs and not program.runner.refusals for program in run.programs)


def test_arguments_that_require_grad(captures):
    network = model().eval()
    run = torch.compile(network, dynamic=True)
    for k, n in enumerate((6, 6, 7, 9, 10)):
        x, grads = torch.randn(n, 6).cuda().requires_grad_(), []
        before = len(captures)
        for function in (network, run):
            x.grad = None
            network.zero_grad()
            function(x).square().mean().backward()
            grads.append([t.grad.cpu() for t in (x, *network.parameters())])
        assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True)), n
        assert k < 3 or before == len(captures), run.explain()


def test_graphs_of_sizes_used_longest_ago_go(monkeypatch):
    monkeypatch.setattr(compiled, "GRAPHS", 2)
    made, end = [], recording.CUDAGraph.capture_end

    def noted(self):
        end(self)
        made.append(self._driver)
    monkeypatch.setattr(recording.CUDAGraph, "capture_end", noted)
    run = torch.compile(lambda x: (x.cumsum(0) * 2).sum(0) + x.flip(0)[0] + x.max(0)[0], dynamic=True)
    held = []
    for n in (4, 4, 4, 5, 6, 7, 8, 4):
        x = torch.arange(3.0 * n).view(n, 3).cuda()
        assert torch.equal(run(x).cpu(), run.function(x).cpu()), n
        held += [p for p in run.programs if p not in held]
        assert len(run.programs) <= 2
        assert sum(part._graph is not None for p in held for part in p.runner.graphs) == len(run.programs)
    assert len(made) >= 6


OPERATIONS = {
    "embedding": lambda x, index: F.embedding(index, torch.ones(11, 4, device="cuda")),
    "cat": lambda x, _: torch.cat([x, x[:1]]),
    "sort": lambda x, _: x.sort(0)[0],
    "matmul": lambda x, _: (x @ x.t()).triu(),
    "norm": lambda x, _: F.layer_norm(x, (5,)) / x.shape[0],
    "softmax": lambda x, _: x.softmax(0).sum(),
    "zeros": lambda x, _: torch.zeros(x.shape[0], 2, device="cuda") + x[:, :2],
    "rand": lambda x, _: x + torch.rand(x.shape[0], 1, device="cuda"),
    "pool": lambda x, _: F.max_pool1d(x.unsqueeze(0), 2),
    "pad": lambda x, _: F.pad(x, (1, 2)).repeat(2, 1),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_at_sizes_that_were_never_seen(name, captures):
    function = OPERATIONS[name]
    run = torch.compile(lambda x, index: function(x, index), dynamic=True)
    for k, n in enumerate((6, 6, 9, 12, 7, 1)):
        given = torch.randn(n, 5).cuda(), torch.randint(0, 11, (n,)).cuda()
        found, before = [], len(captures)
        for called in (function, run):
            torch.cuda.manual_seed(k)
            found.append(called(*given).cpu())
        assert torch.equal(*found), (n, run.explain())
        assert k not in (3, 4) or before == len(captures), run.explain()


def test_a_step_of_nothing_keeps_the_order_of_its_parts():
    weight = torch.ones(3, 2, device="cuda", requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=0.1)

    @torch.compile
    def step(x):
        optimizer.zero_grad()
        loss = ((x @ weight) ** 2).sum()
        loss.backward()
        optimizer.step()
        return loss.detach()
    for _ in range(5):
        assert step(torch.ones(0, 3, device="cuda")).item() == 0
    assert step.programs and torch.equal(weight.detach().cpu(), torch.ones(3, 2))
