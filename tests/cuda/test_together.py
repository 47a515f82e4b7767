"""Lists of tensors in one launch: `_foreach_*`, and steps of optimizers."""

import numpy as np
import pytest

import numbatorch as torch
from numbatorch.cuda import together
from numbatorch.optim import ASGD, SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, NAdam, RAdam, RMSprop, Rprop

SHAPES = ((3, 5), (7,), (), (1, 2, 3), (0, 2), (4500,))


def several(seed=0, dtype=torch.float32):
    rng = np.random.default_rng(seed)
    return [torch.tensor(rng.uniform(0.1, 2.0, shape)).to(dtype) for shape in SHAPES]


@pytest.fixture
def launches(gpu, monkeypatch):
    """Names of the formulas that are evaluated for lists."""
    found, plan = [], together.plan

    def noted(request):
        run = plan(request)

        def call(rows, sizes, numbers):
            found.append(request.name)
            run(rows, sizes, numbers)
        return call
    monkeypatch.setattr(together, "plan", noted)
    monkeypatch.setattr("numbatorch.together._functions", {})
    return found


CALLS = [
    ("_foreach_sqrt", ()), ("_foreach_neg", ()), ("_foreach_add", (2.5,)), ("_foreach_mul", (3,)),
    ("_foreach_add", (several(1),)), ("_foreach_div", (several(1),)), ("_foreach_lerp", (several(1), 0.25)),
    ("_foreach_addcmul", (several(1), several(2), 0.5)), ("_foreach_addcdiv", (several(1), several(2))),
    ("_foreach_sub", (several(1),))]


def moved(value):
    if isinstance(value, torch.Tensor):
        return value.cuda()
    return [moved(v) for v in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name,given", CALLS, ids=[f"{n}-{k}" for k, (n, _) in enumerate(CALLS)])
def test_foreach_is_one_launch(launches, name, given):
    function, changing = getattr(torch, name), getattr(torch, f"{name}_")
    expected, tensors = function(several(), *given), moved(several())
    found = function(tensors, *moved(list(given)))
    assert len(launches) == 1 and [t.shape for t in found] == [t.shape for t in expected]
    assert all(torch.equal(a.cpu(), b) for a, b in zip(found, expected, strict=True))
    versions = [t._version for t in tensors]
    assert changing(tensors, *moved(list(given)))[0] is tensors[0] and len(launches) == 2
    assert all(torch.equal(a.cpu(), b) for a, b in zip(tensors, expected, strict=True))
    assert all(t._version > v for t, v in zip(tensors, versions, strict=True))


def test_what_does_not_fit_is_done_one_by_one(launches):
    xs = moved(several())
    mixed = [xs[0], xs[1].double()]
    assert [t.dtype for t in torch._foreach_add(mixed, 1)] == [torch.float32, torch.float64]
    assert torch.equal(torch._foreach_mul(xs, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])[1], xs[1] * 2)
    leaf = torch.ones(3, device="cuda", requires_grad=True)
    (result,) = torch._foreach_mul([leaf], 2.0)
    result.sum().backward()
    assert leaf.grad.tolist() == [2, 2, 2]
    view = torch.ones(4, device="cuda")
    torch._foreach_add_([view[1:]], 1.0)
    assert view.tolist() == [1, 2, 2, 2] and not launches
    with pytest.raises(RuntimeError, match="can't be cast"):
        torch._foreach_add_([torch.ones(3, dtype=torch.int64, device="cuda")], 0.5)


OPTIMIZERS = [
    lambda p: Adam(p, 0.01), lambda p: Adam(p, 0.01, weight_decay=0.1, amsgrad=True),
    lambda p: AdamW(p, 0.01, fused=True), lambda p: Adam(p, 0.01, maximize=True), lambda p: SGD(p, 0.1),
    lambda p: SGD(p, 0.1, momentum=0.9, dampening=0.2, weight_decay=0.1),
    lambda p: SGD(p, 0.1, momentum=0.9, nesterov=True, maximize=True), lambda p: Adagrad(p, 0.1, lr_decay=0.1),
    lambda p: RMSprop(p, 0.01, weight_decay=0.1), lambda p: RMSprop(p, 0.01, momentum=0.5),
    lambda p: RMSprop(p, 0.01, centered=True), lambda p: RMSprop(p, 0.01, momentum=0.5, centered=True),
    lambda p: NAdam(p, 0.01, weight_decay=0.1), lambda p: NAdam(p, 0.01, weight_decay=0.1, decoupled_weight_decay=True),
    lambda p: ASGD(p, 0.1, lambd=0.01, weight_decay=0.1), lambda p: ASGD(p, 0.1, t0=3, maximize=True),
    lambda p: Adadelta(p, 0.5, weight_decay=0.1),
    lambda p: Adamax(p, 0.01, weight_decay=0.1, maximize=True), lambda p: Rprop(p, 0.01),
    lambda p: RAdam(p, 0.01, betas=(0.9, 0.9), weight_decay=0.1),
    lambda p: RAdam(p, 0.01, weight_decay=0.1, decoupled_weight_decay=True)]
STEPS = 7  # RAdam takes up its second form with the sixth


def steps(make, device, **options):
    params = [t.to(device).requires_grad_() for t in several()]
    optimizer = make(params)
    for group in optimizer.param_groups:
        group.update(options)
    for k in range(STEPS):
        for param, grad in zip(params, several(k + 5), strict=True):
            param.grad = (grad - 1).to(device)
        optimizer.step()
    return params, optimizer


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_steps_are_one_launch_and_have_the_bits_of_single_ones(launches, make):
    expected, _ = steps(make, "cpu")
    found, optimizer = steps(make, "cuda")
    assert len(launches) == STEPS
    assert all(torch.equal(a.cpu(), b) for a, b in zip(found, expected, strict=True))
    assert set(optimizer.state) <= set(found) and list(optimizer.state) == list(found)[: len(optimizer.state)]
    launches.clear()
    alone, _ = steps(make, "cuda", foreach=False, fused=None)
    assert not launches and all(torch.equal(a, b) for a, b in zip(found, alone, strict=True))


@pytest.mark.parametrize("make", OPTIMIZERS[1:3] + OPTIMIZERS[8:])
def test_steps_that_the_device_counts_are_one_launch(launches, make):
    rate = torch.tensor(0.05, device="cuda")
    alone, _ = steps(make, "cuda", foreach=False, fused=None, capturable=True, lr=rate)
    assert not launches
    found, _ = steps(make, "cuda", capturable=True, lr=rate)
    assert len([name for name in launches if name.endswith("_step")]) == STEPS
    assert all(torch.equal(a, b) for a, b in zip(found, alone, strict=True))


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("make", [OPTIMIZERS[k] for k in (2, 13, 14, 11, 16, 20)])
def test_a_learning_rate_may_be_one_element_with_dimensions(gpu, make, device):
    expected, _ = steps(make, "cuda", capturable=True, lr=torch.tensor(0.05, device=device))
    for options in ({}, {"foreach": False, "fused": None}):
        found, _ = steps(make, "cuda", capturable=True, lr=torch.tensor([0.05], device=device), **options)
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_half_precision_and_gradients_that_move(launches):
    params = [t.to(torch.bfloat16).cuda().requires_grad_() for t in several()]
    optimizer = Adam(params, 0.01)
    for _ in range(2):
        for param in params:
            param.grad = torch.full_like(param, 0.5)
        optimizer.step()
    assert launches == ["_adam_step"] * 2
    assert torch.allclose(params[0].detach().cpu().float(), several()[0] - 0.02, atol=0.02)


def test_fused_steps_of_the_cpu_and_their_scales():
    param, grad, mean, square = torch.ones(3), torch.full((3,), 2.0), torch.zeros(3), torch.zeros(3)
    common = dict(lr=0.1, beta1=0.9, beta2=0.99, weight_decay=0.0, eps=1e-8, amsgrad=False, maximize=False)
    torch._fused_adam_([param], [grad], [mean], [square], [], [torch.tensor(1.0)], **common,
                       found_inf=torch.tensor(1.0))
    assert param.tolist() == [1, 1, 1]
    torch._fused_adam_([param], [grad], [mean], [square], [], [torch.tensor(1.0)], **common,
                       grad_scale=torch.tensor(2.0))
    assert torch.allclose(param, torch.full((3,), 0.9)) and grad.tolist() == [1, 1, 1]
    torch._fused_sgd_([param], [grad], [], weight_decay=0.0, momentum=0.0, lr=0.5, dampening=0.0, nesterov=False,
                      maximize=False, is_first_step=False)
    assert torch.allclose(param, torch.full((3,), 0.4))


def test_a_step_that_the_host_counts_is_not_recorded(gpu):
    param = torch.ones(5, device="cuda", requires_grad=True)
    param.grad = torch.ones(5, device="cuda")
    for make, records in ((Adam, False), (SGD, True)):
        optimizer, graph = make([param], lr=0.5), torch.cuda.CUDAGraph()
        optimizer.step()
        try:
            with torch.cuda.graph(graph):
                optimizer.step()
        except NotImplementedError as error:
            assert not records and "Adam.step: cannot be recorded" in str(error)
        else:
            assert records
    before = param.detach().clone()
    graph.replay()
    assert torch.equal(param.detach(), before - 0.5)


def test_steps_in_a_graph(gpu):
    param = torch.ones(5, device="cuda")
    param.grad = torch.ones(5, device="cuda")
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        torch._foreach_add_([param], [param.grad], alpha=-0.5)
    assert param.tolist() == [1] * 5
    for _ in range(2):
        graph.replay()
    assert param.tolist() == [0] * 5
