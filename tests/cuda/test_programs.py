"""Compiled functions on a GPU: CUDA graphs with the host's steps beside them, bit for bit as eager code."""

import pytest

import numbatorch as torch
from numbatorch import nn
from numbatorch.compiler import on_gpu
from numbatorch.cuda import CudaError, recording
from numbatorch.nn import functional as F
from tests.failed_number import check_that_a_failed_number_changes_nothing

pytestmark = pytest.mark.usefixtures("gpu")


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)
        self.dropout, self.last = nn.Dropout(0.3), nn.Linear(18, 3)

    def forward(self, x):
        x = F.max_pool2d(torch.relu(self.norm(self.convolution(x))), 2)
        return self.last(self.dropout(x.flatten(1)))


def mlp():
    return nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 3))


def images():
    return [torch.randn(3, 1, 8, 8).cuda() for _ in range(7)]


def rows():
    return [torch.randn(5, 6).cuda() for _ in range(7)]


@pytest.fixture
def replays(monkeypatch):
    """What graphs are launched."""
    found, replay = [], recording.CUDAGraph.replay

    def noted(self):
        found.append(self)
        replay(self)
    monkeypatch.setattr(recording.CUDAGraph, "replay", noted)
    return found


def trained(model, inputs, make, compiled, step=None, **named):
    """Losses, parameters and buffers after some steps, the learning rate halved on the way; the compiled function."""
    torch.manual_seed(0)
    network, data = model().cuda(), inputs()
    optimizer, target = make(network.parameters()), torch.arange(len(data[0])).cuda() % 3
    torch.cuda.manual_seed(5)

    def whole(x):
        optimizer.zero_grad()
        loss = F.cross_entropy(network(x), target)
        loss.backward()
        optimizer.step()
        return loss
    function = whole if step is None else step(network, optimizer, target)
    run, losses = torch.compile(function, **named) if compiled else function, []
    for k, x in enumerate(data):
        if k == 4:
            optimizer.param_groups[0]["lr"] *= 0.5
        losses.append(run(x))
    return [t.cpu() for t in (*losses, *network.state_dict().values())], run


OPTIMIZERS = {"sgd": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9), "adam": lambda p: torch.optim.Adam(p, 0.01),
              "adamw": lambda p: torch.optim.AdamW(p, 0.01, fused=True), "rmsprop": lambda p: torch.optim.RMSprop(p),
              "capturable": lambda p: torch.optim.Adam(p, 0.01, capturable=True)}


@pytest.mark.parametrize("model, inputs, make", [
    (LeNet, images, "adam"), *((mlp, rows, name) for name in OPTIMIZERS)])
def test_a_whole_step_has_the_bits_of_eager_code(model, inputs, make, replays):
    expected, _ = trained(model, inputs, OPTIMIZERS[make], False)
    found, run = trained(model, inputs, OPTIMIZERS[make], True, mode="reduce-overhead")
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert len(run.programs) == 1 and run.programs[0].runs >= 3 and len(replays) >= 3
    text = run.explain()
    assert "on cuda:0: " in text and "bytes" in run.memory() and run.kernels()
    runner = run.programs[0].runner
    assert not runner.refusals and "a graph" in runner.python
    assert len(runner.updates) <= 2  # one launch for all parameters, and one for batch norm's counters or momenta


def test_inference_keeps_results_apart():
    torch.manual_seed(0)
    network = mlp().cuda()
    run = torch.compile(lambda x: network(x))
    with torch.no_grad():
        data = rows()
        found = [run(x) for x in data]
        expected = [network(x) for x in data]
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert run.programs[0].runs == 5 and run.programs[0].runner.graphs


def test_results_are_differentiated_outside():
    def step(network, optimizer, target):
        run = torch.compile(network)

        def whole(x):
            optimizer.zero_grad()
            loss = F.cross_entropy(run(x), target)
            loss.backward()
            optimizer.step()
            return loss.detach()
        whole.run = run
        return whole
    expected, _ = trained(mlp, rows, OPTIMIZERS["sgd"], False)
    found, whole = trained(mlp, rows, OPTIMIZERS["sgd"], False, step)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert "5 runs" in whole.run.explain()


def test_mixed_precision_steps():
    def make(compiled):
        def step(network, optimizer, target):
            scaler = torch.amp.GradScaler("cuda", 2.0**10)

            def whole(x):
                optimizer.zero_grad()
                with torch.autocast("cuda", dtype=torch.float16):
                    loss = F.cross_entropy(network(x).float(), target)
                scaler.scale(loss).backward()
                scaler.step(optimizer)
                scaler.update()
                return loss
            return whole
        return trained(mlp, rows, OPTIMIZERS["adam"], compiled, step)
    expected, _ = make(False)
    found, run = make(True)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True)) and run.programs[0].runs >= 3


def test_what_cannot_be_recorded_is_launched_one_by_one(monkeypatch):
    def refused(self):
        raise CudaError("cuStreamEndCapture: not this one")
    monkeypatch.setattr(on_gpu.Recorded, "_recorded", refused)
    x = torch.arange(6.0).cuda()

    def several(x):
        y = (x + 1).cumsum(0)
        return (y * 2).sum() + y.max() + y.flip(0)[0]
    run = torch.compile(several)
    assert [run(x).item() for _ in range(4)] == [several(x).item()] * 4
    assert "launched one by one: cuStreamEndCapture: not this one" in run.explain()


def test_values_that_python_uses_divide_the_function():
    def step(network, optimizer, target):
        def whole(x):
            optimizer.zero_grad()
            loss = F.cross_entropy(network(x), target)
            if loss.item() > 1:
                loss = loss * 2
            loss.backward()
            optimizer.step()
            return loss
        return whole
    expected, _ = trained(mlp, rows, OPTIMIZERS["sgd"], False, step)
    found, run = trained(mlp, rows, OPTIMIZERS["sgd"], True, step)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert "in parts" in run.explain() and "on cuda:0" in run.explain()


def test_operands_in_other_memory_are_copied_to_a_place_of_their_own():
    def change(x):
        x.mul_(2).add_(1)
        y = x.sum(0)
        return y.exp(), x.t().contiguous()
    run, held = torch.compile(change), []
    for k in range(8):
        x, same = (torch.full((2, 3), float(k)).cuda() for _ in range(2))
        held.append(x)
        assert all(torch.equal(a, b) for a, b in zip(run(x), change(same), strict=True)) and torch.equal(x, same)
    runner = run.programs[0].runner
    assert runner._own and runner.kept and "more for operands" in run.memory()


def test_a_compiled_function_inside_a_graph_of_the_users(gpu):
    x = torch.ones(8, device="cuda")
    run = torch.compile(lambda x: (x * 2).cumsum(0).exp().sum() + x.cumsum(0).max())
    for _ in range(4):
        expected = run(x)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = run(x)
    graph.replay()
    assert torch.equal(found, expected)
    x.fill_(0.5)
    graph.replay()
    assert torch.equal(found, run(x))


def test_profile_tells_each_step():
    x = torch.ones(4, 4, device="cuda")
    run = torch.compile(lambda x: torch.softmax(x.cumsum(0), 1))
    for _ in range(3):
        run(x)
    assert "softmax" in run.profile(x, runs=1)


def test_a_number_that_cannot_be_computed_leaves_everything_as_it_was():
    check_that_a_failed_number_changes_nothing("cuda", lambda a, b: torch.optim.Adam([*a, *b], lr=0.1))
    check_that_a_failed_number_changes_nothing("cuda", lambda a, b: torch.optim.Adam(  # two launches
        [{"params": a}, {"params": b, "amsgrad": True}], lr=0.1))


def test_graphs_are_recorded_again_for_another_precision():
    weight, x = (torch.randn(*s).cuda() for s in ((40, 40), (90, 40)))

    def function(x):
        for _ in range(on_gpu.FEW + 1):
            x = (x @ weight).relu()
        return x
    run, found = torch.compile(function), {}
    try:
        for precision in ("highest", "high", "highest"):
            torch.set_float32_matmul_precision(precision)
            for _ in range(3):
                found[precision] = run(x)
                assert torch.equal(found[precision], function(x)), precision
    finally:
        torch.set_float32_matmul_precision("highest")
    assert len(run.programs) == 1 and not torch.equal(found["highest"], found["high"])
