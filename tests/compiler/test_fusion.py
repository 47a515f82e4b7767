"""What passes bring together: which steps become one, and that values keep their bits."""

import os
import random
import subprocess
import sys

import pytest

import numbatorch as torch
from numbatorch.cpu import bands
from tests.compiler.agreement import steps_of

nn, F = torch.nn, torch.nn.functional


def gradients(function, *wanted):
    """A function of data that gives a loss and its gradients by `wanted`."""
    def run(*args):
        loss = function(*args)
        return (loss.detach(), *torch.autograd.grad(loss, wanted))
    return run


@pytest.mark.parametrize("width", [6, 200])
def test_a_residual_and_its_norm_are_one_step(width):
    x, y, weight, bias = (torch.randn(*s) for s in ((33, width), (33, width), (width,), (width,)))

    def f(x, y):
        total = x + y
        return total, F.layer_norm(total, (width,), weight, bias).relu() * 2
    assert len(steps_of(f, x, y)) == 1


@pytest.mark.parametrize("width", [6, 200])
def test_elementwise_steps_around_rows(width):
    x, y = torch.randn(33, width), torch.randn(33, width)
    assert len(steps_of(lambda x, y: (x * 0.5 + y).softmax(-1) * 3, x, y)) == 1
    assert len(steps_of(lambda x, y: (x - y).square().sum(), x, y)) == 1
    assert len(steps_of(lambda x, y: x - (x * y).mean(-1, keepdim=True), x, y)) == 1
    assert len(steps_of(lambda x, y: F.rms_norm(x + y, (width,)) + x, x, y)) == 1


def test_costly_values_are_not_made_twice():
    x = torch.randn(33, 200)
    assert len(steps_of(lambda x: F.layer_norm(x.exp(), (200,)), x)) == 2


def test_a_value_made_of_a_sum_is_no_part_of_its_rows():
    x = torch.randn(33, 20)
    assert len(steps_of(lambda x: (x.square().sum() * -0.5, x.square()), x)) > 1


def test_what_rows_change_is_not_read_later_in_the_kernel():
    def f(x, y):
        x += y.softmax(-1)
        return x * 2
    run = torch.compile(f)
    for _ in range(4):
        a, y = torch.randn(5, 70), torch.randn(5, 70)
        b = a.clone()
        assert torch.equal(run(a, y), f(b, y)) and torch.equal(a, b)


def test_batch_norm_with_activations_forward_and_backward():
    model = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1),
                          nn.BatchNorm2d(4), nn.ReLU())
    twin = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1),
                         nn.BatchNorm2d(4), nn.ReLU())
    twin.load_state_dict(model.state_dict())
    own = gradients(lambda x: (model(x) + 1).square().mean(), *model.parameters())
    other = gradients(lambda x: (twin(x) + 1).square().mean(), *twin.parameters())
    run = torch.compile(own)
    for _ in range(4):
        x = torch.randn(3, 2, 9, 9)
        for a, b in zip(run(x), other(x), strict=True):
            assert torch.equal(a, b)
    names = [s.name for s in run.graph.steps]
    assert names.count("fused_batch_norm_rows_relu") == 1 and "relu" not in names and "relu_backward" not in names


@pytest.mark.parametrize("shape", [(600, 64, 512), (700, 30, 700), (300, 33, 1000)])
def test_a_large_product_and_its_activation_are_one_step(shape):
    m, k, n = shape
    weight, bias = torch.randn(n, k), torch.randn(n)
    assert steps_of(lambda x: F.linear(x, weight, bias).relu(), torch.randn(m, k)) == ["linear_rows_relu"]
    assert steps_of(lambda x: (x @ weight.t()).clamp(-1, 2), torch.randn(m, k)) == ["mm_clamp"]

    def both(x):
        product = F.linear(x, weight, bias)
        return product, product.relu().view(-1)
    assert steps_of(both, torch.randn(m, k)) == ["linear_rows_relu"]
    other = torch.randn(n, m)  # in place, and of another order
    assert len(steps_of(lambda x: F.linear(x, weight, bias).relu_().t() + other, torch.randn(m, k))) > 1


@pytest.mark.parametrize("shape", [(1, 20, 3000), (1, 513, 500), (2, 513, 500), (64, 513, 65), (100, 513, 97),
                                   (64, 64, 1025)])
def test_units_of_one_row_or_of_one_column_have_their_activation(shape, monkeypatch):
    monkeypatch.setattr(bands, "LARGE", 0)
    m, k, n = shape
    weight, x = torch.randn(n, k), torch.randn(m, k)
    assert steps_of(lambda x: F.linear(x, weight).relu(), x) == ["linear_rows_relu"]
    assert steps_of(lambda x: (x.double() @ weight.T.double()).relu() - 1.5, x)


def test_a_small_product_stands_alone():
    weight = torch.randn(6, 5)
    assert len(steps_of(lambda x: F.linear(x, weight).relu(), torch.randn(4, 5))) == 2


def test_what_is_known_while_compiling_is_computed_there():
    def f(x):
        table = torch.arange(6.0) * 2 + 1
        return x * table.sum() + torch.full((4, 1), 3.0).exp()
    assert len(steps_of(f, torch.randn(4, 6))) == 1
    own = torch.randn(6)  # no constant: the caller may change it
    run = torch.compile(lambda x: x * (own * 2).sum())
    for k in range(5):
        own.fill_(k)
        assert torch.equal(run(torch.ones(2)), torch.full((2,), 12.0 * k))
    assert run.programs[0].runs == 3


def test_the_same_step_is_done_once():
    def f(x, y):
        first = (x @ y).sum(0)
        y += 1
        return first, (x @ y).sum(0), ((x.exp() @ y).amax(0), (x.exp() @ y).amax(0) * 2)[1]
    run = torch.compile(f)
    for _ in range(4):
        x, y = torch.randn(5, 6), torch.randn(6, 7)
        z = y.clone()
        for a, b in zip(run(x, y), f(x, z), strict=True):
            assert torch.equal(a, b)
        assert torch.equal(y, z)
    assert [s.name for s in run.graph.steps].count("mm") == 3


def test_a_copy_that_is_changed_is_not_shared():
    def f(x):
        a, b = x * 2, x * 2
        a[1:] += 1
        return a.cumsum(0), b.cumsum(0)
    steps_of(f, torch.randn(5, 6))


def test_numbers_of_steps_do_not_meet_the_sizes_of_rows():
    def f(x, r):
        total = F.batch_norm(x * 1.5 + 0.25, None, None, training=True) * 2 + r
        return total, (x * 3 + r).sum((0, 2)), (x * 4).amax((0, 2), keepdim=True)
    steps_of(f, torch.randn(3, 4, 70), torch.randn(3, 4, 70))


ELEMENTS = [torch.exp, torch.tanh, torch.relu, torch.sigmoid, lambda x: x * 2, lambda x: x.abs() + 0.1, F.gelu,
            lambda x: x.square(), lambda x: x - 0.5]
PAIRS = [torch.add, torch.mul, torch.sub, torch.maximum, lambda a, b: torch.where(a > b, a, b)]
ROWS = [lambda x: x.sum(-1, True), lambda x: x.softmax(-1), lambda x: x.log_softmax(-1), lambda x: x.mean(0),
        lambda x: F.layer_norm(x, x.shape[-1:]), lambda x: x.amax(-1, True), lambda x: x.sum(0), lambda x: x.sum(),
        lambda x: x.var(-1, keepdim=True), lambda x: F.rms_norm(x, x.shape[-1:]), lambda x: x.mean(-1, True) * 0.5]


def program(seed):
    """A random function of two matrices, of elementwise steps and row formulas."""
    rng = random.Random(seed)
    plan = [(rng.randrange(4), rng.random(), rng.random(), rng.random()) for _ in range(rng.randint(3, 9))]

    def run(x, y):
        pool = [x, y]
        for kind, i, j, k in plan:
            a, b = pool[int(i * len(pool))], pool[int(j * len(pool))]
            if kind == 0:
                pool.append(ELEMENTS[int(k * len(ELEMENTS))](a))
            elif kind == 1:
                pool.append(PAIRS[int(k * len(PAIRS))](a, b))
            else:
                row = ROWS[int(k * len(ROWS))](a)
                pool.append(b * row if kind == 2 else row + b)
        return tuple(pool[-2:])
    return run


@pytest.mark.parametrize("first", [0, 182, pytest.param(100, marks=pytest.mark.slow)])
def test_random_row_formulas_keep_their_bits(first):
    """Forward values, over rows of many lengths; and gradients of their sums."""
    for seed in range(first, first + (200 if first == 100 else 3)):
        torch.manual_seed(seed)
        function, width, height = program(seed), (6, 200, 40, 1000)[seed % 4], (4, 33, 70)[seed % 3]

        def sums(x, y, function=function):
            x = x.detach().requires_grad_()
            found = function(x, y)
            total = sum(r.sum() for r in found)
            found = tuple(r.detach() for r in found)  # with a history they would keep x, which is made in the call
            return (*found, torch.autograd.grad(total, x)[0]) if total.requires_grad else found
        run = torch.compile(sums)
        for _ in range(3):
            x, y = torch.randn(height, width), torch.randn(height, width)
            for a, b in zip(run(x, y), sums(x, y), strict=True):
                assert torch.equal(a.isnan(), b.isnan()) and torch.equal(a.nan_to_num(), b.nan_to_num()), seed
        assert run.programs, (seed, run.explain())


@pytest.mark.parametrize("dtype, names", [
    (torch.float32, "fmod remainder floor_divide"),
    (torch.float64, "fmod remainder pow atan2 hypot lgamma sin tan asinh sinc exp square")])
def test_sums_keep_their_order_whatever_a_formula_calls(dtype, names):
    a, b = torch.rand(7, 1500, dtype=dtype) * 9 + 0.5, torch.rand(7, 1500, dtype=dtype) + 0.5
    for name in names.split():
        op = getattr(torch, name)
        taken = (a, b) if name in "fmod remainder floor_divide pow atan2 hypot".split() else (a,)

        def sums(*taken, op=op):
            return op(*taken).sum(-1)
        run = torch.compile(sums)
        for _ in range(4):
            assert torch.equal(run(*taken), sums(*taken)), name
        if name in ("exp", "square"):  # in vectors, so in the sum's kernel
            assert len(run.graph.steps) == 1, run.explain()


def test_no_loop_is_asked_for_vectors_that_it_cannot_have(tmp_path):
    code = """
import numbatorch as torch
a, b = torch.rand(7, 300) + 0.5, torch.rand(7, 300) + 0.5
run = torch.compile(lambda a, b: torch.fmod(a, b).sum(-1))
for _ in range(3):
    run(a, b)
torch.poisson(a), torch._standard_gamma(a), torch.nn.functional.max_pool1d(a, 3)
"""
    own = {**os.environ, "NUMBATORCH_CACHE_DIR": str(tmp_path / "cache"), "NUMBATORCH_PACKS": str(tmp_path)}
    found = subprocess.run([sys.executable, "-c", code], env=own, capture_output=True, text=True, check=True)
    assert found.stderr == ""
