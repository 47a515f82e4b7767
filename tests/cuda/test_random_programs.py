"""Random programs of a GPU: rows, products, elementwise steps and copies, compiled as eager code, bit for bit."""

import random

import pytest

import numbatorch as torch
from numbatorch.nn import functional as F

pytestmark = pytest.mark.usefixtures("gpu")

STEPS = (
    lambda a, b, m, v: a + b, lambda a, b, m, v: a * b * 0.5, lambda a, b, m, v: F.layer_norm(a, v.shape, v, v),
    lambda a, b, m, v: a.softmax(-1), lambda a, b, m, v: F.linear(a, m, v), lambda a, b, m, v: a @ m,
    lambda a, b, m, v: F.gelu(a), lambda a, b, m, v: a.relu(), lambda a, b, m, v: a - a.mean(-1, keepdim=True),
    lambda a, b, m, v: (a.sum(0, keepdim=True) + b) * 0.1, lambda a, b, m, v: torch.where(a > b, a, b),
    lambda a, b, m, v: a.float().softmax(0).to(a.dtype), lambda a, b, m, v: F.rms_norm(a, v.shape) + b,
    lambda a, b, m, v: torch.cat([a, b], 1)[:, 2: 2 + len(v)], lambda a, b, m, v: a.t().contiguous().t() + b,
    lambda a, b, m, v: a.clone().mul_(0.5).add_(b))


def program(chosen):
    """(a function of four tensors that chooses from STEPS, its arguments)."""
    rows, width = chosen.choice([3, 8, 24]), chosen.choice([6, 16, 40, 64])
    dtype = chosen.choice([torch.float32, torch.float32, torch.bfloat16, torch.float64])
    picks = [(chosen.choice(STEPS), chosen.random(), chosen.random()) for _ in range(chosen.randint(3, 8))]
    differentiated = dtype.itemsize > 2 and chosen.random() < 0.5

    def function(x, y, m, v):
        m, v = (t.detach().requires_grad_(differentiated) for t in (m, v))
        made = [x, y]
        for step, first, second in picks:
            made.append(step(made[int(first * len(made))], made[int(second * len(made))], m, v))
        loss = made[-1].square().mean() + made[-2].sum() * 1e-3
        if not loss.requires_grad:
            return loss, made[-1], made[-1].amax(0)
        return loss.detach(), *(g for g in torch.autograd.grad(loss, (m, v), allow_unused=True) if g is not None)
    shapes = (rows, width), (rows, width), (width, width), (width,)
    return function, [torch.randn(*s).to(dtype).cuda() for s in shapes]


@pytest.mark.parametrize("seed", range(8))
def test_compiled_equals_eager(seed):
    torch.manual_seed(seed)
    function, given = program(random.Random(seed))
    run, expected = torch.compile(function), function(*given)
    for _ in range(3):
        found = run(*given)
        for a, b in zip(found, expected, strict=True):
            assert a.dtype is b.dtype and torch.equal(a.cpu().flatten().view(torch.uint8), b.cpu().flatten().view(
                torch.uint8)), [s.name for s in run.graph.steps]
    assert run.programs, run.explain()
