"""Optimizers whose steps the GPU counts: recorded into CUDA graphs, and in compiled steps without the host."""

import numpy as np
import pytest

import numbatorch as torch
from numbatorch import optim

pytestmark = pytest.mark.usefixtures("gpu")

CAPTURABLE = {
    "Adadelta": {}, "Adam": {"amsgrad": True}, "AdamW": {}, "Adamax": {}, "ASGD": {"t0": 1.0}, "NAdam": {}, "RAdam": {},
    "RMSprop": {"centered": True}, "Rprop": {}}


def data(seed):
    rng = np.random.default_rng(seed)
    return [torch.tensor(rng.standard_normal(shape).astype("f")).cuda() for shape in ((3, 5), (7,))]


def stepped(name, steps, lr=0.05, **options):
    """Parameters after steps with given gradients; the optimizer; f(seed) that does another one."""
    params = [t.requires_grad_() for t in data(0)]
    for p in params:
        p.grad = torch.zeros_like(p)
    optimizer = getattr(optim, name)(params, lr, **{**CAPTURABLE[name], **options})

    def step(seed):
        for p, g in zip(params, data(seed), strict=True):
            p.grad.copy_(g)
        run()
    run = optimizer.step
    for seed in range(1, 1 + steps):
        step(seed)
    return params, optimizer, step


@pytest.mark.parametrize("name", CAPTURABLE)
def test_replays_are_further_steps(name):
    expected, *_ = stepped(name, 8)
    alone, *_ = stepped(name, 8, capturable=True)
    params, optimizer, _ = stepped(name, 2, capturable=True)
    assert all(s["step"].is_cuda for s in optimizer.state.values())
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        optimizer.step()
    for seed in range(3, 9):
        for p, g in zip(params, data(seed), strict=True):
            p.grad.copy_(g)
        graph.replay()
    assert all(float(s["step"]) == 8 for s in optimizer.state.values())
    for found, like, other in zip(params, alone, expected, strict=True):
        assert torch.equal(found, like)
        assert torch.allclose(found, other, rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize("name", CAPTURABLE)
def test_compiled_steps_have_no_numbers_that_change(name):
    lr = torch.tensor(0.05).cuda()
    expected, *_ = stepped(name, 6, lr, capturable=True)
    params, optimizer, _ = stepped(name, 1, lr, capturable=True)
    run = torch.compile(optimizer.step)
    for seed in range(2, 7):
        for p, g in zip(params, data(seed), strict=True):
            p.grad.copy_(g)
        run()
    assert all(torch.equal(a, b) for a, b in zip(params, expected, strict=True))
    text = run.explain()
    assert "3 runs" in text and "0 steps with numbers that change" in text and "0 values that the host waits" in text


def test_a_rate_in_a_tensor_is_read_at_the_replay():
    lr = torch.tensor(0.0).cuda()
    params, optimizer, _ = stepped("AdamW", 2, capturable=True, weight_decay=0.1)
    optimizer.param_groups[0]["lr"] = lr
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        optimizer.step()
    before = [p.detach().clone() for p in params]
    graph.replay()
    assert all(torch.equal(a, b) for a, b in zip(before, params, strict=True))
    lr.fill_(0.5)
    graph.replay()
    assert all((a - b).abs().min() > 0.01 for a, b in zip(before, params, strict=True))


def test_what_no_replay_could_do_is_refused():
    params = [t.requires_grad_() for t in data(0)]
    for p in params:
        p.grad = torch.ones_like(p)
    for optimizer, error, words in (
            (optim.Adam(params, capturable=True), RuntimeError, "call step\\(\\) once before recording"),
            (optim.Adam(params), NotImplementedError, "pass capturable=True"),
            (optim.Adagrad(params), NotImplementedError, "call step\\(\\) after replay\\(\\)")):
        with pytest.raises(error, match=words), torch.cuda.graph(torch.cuda.CUDAGraph()):
            optimizer.step()


def test_checkpoints_bring_their_counts_to_the_device():
    _, before, _ = stepped("Adam", 3)
    params, after, step = stepped("Adam", 0, capturable=True)
    after.load_state_dict({"state": before.state_dict()["state"], "param_groups": after.state_dict()["param_groups"]})
    step(4)
    assert [(float(s["step"]), s["step"].is_cuda) for s in after.state.values()] == [(4, True)] * 2
