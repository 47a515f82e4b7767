"""Passes over graphs: what they do to programs, and that random programs keep their bits."""

import random

import pytest

import numbatorch as torch
from numbatorch.compiler import costs, passes
from numbatorch.compiler.graph import Buffer, Graph, Place, Step
from numbatorch.layout import layout

F = torch.nn.functional


def names(function, *args):
    run = torch.compile(function)
    expected = [function(*args) for _ in range(1)][0]
    for _ in range(3):
        found = run(*args)
    assert run.programs, run.explain()
    flat = (found, expected) if isinstance(found, tuple) else ((found,), (expected,))
    assert all(torch.equal(a, b) for a, b in zip(*flat, strict=True))
    return [s.name for s in run.graph.steps]


def test_a_chain_becomes_one_step():
    x, y = torch.randn(5, 7), torch.randn(7)
    assert len(names(lambda x, y: ((x + y).tanh() * 2 - x).sigmoid().where(x > 0, y), x, y)) == 1


def test_several_results_and_changes_in_place():
    x, y = torch.randn(5, 7), torch.randn(5, 7)

    def f(x, y):
        a = x * 2
        b = a.exp()
        a += y
        return a, b.sqrt(), a * b
    assert len(names(f, x, y)) == 1


def test_what_overlaps_is_not_fused():
    def f(x):
        y = x * 2
        y[1:].mul_(y[:-1] + 1)
        return y * 3
    assert len(names(f, torch.randn(6))) > 1


def test_other_shapes_and_dtypes():
    x = torch.randn(4, 6)
    assert len(names(lambda x: (x.double() * 2).float() + x, x)) <= 3
    assert len(names(lambda x: (x.bfloat16() * 1.7 + 1).float() * x, x)) <= 2
    assert len(names(lambda x: (x + 1, x.t() * 2, (x > 0) & (x < 1)), x)) <= 4
    assert names(lambda x: (x + 1).sum(0) * 2, x)


def test_products_over_one_term_are_elementwise():
    a, b = torch.randn(5, 1), torch.randn(1, 6)
    assert names(lambda a, b: (a @ b) * 2 + 1, a, b) == ["fused_outer_mul_add"]
    assert str(names(lambda a, b: a @ b, -torch.zeros(5, 1), b)) == "['outer']"


def test_unused_steps_are_left_out():
    def f(x):
        x.exp().sum()
        return x + 1
    assert names(f, torch.randn(3)) == ["add"]


def test_an_unsound_graph_is_refused():
    own = layout(torch.float32, (4,))
    a, b = Buffer(0, "temporary", 16), Buffer(1, "result", 16)
    step = Step("launch", "copy", [Place(a, 0, own, True, False), Place(b, 0, own, False, True)])
    with pytest.raises(RuntimeError, match="reads t0, which nothing has written"):
        Graph("f", [a, b], [step], []).check()
    with pytest.raises(RuntimeError, match="bytes 16 to 32"):
        Graph("f", [a, b], [Step("launch", "fill", [Place(b, 16, own, False, True)])], []).check()
    late = Step("check", "check", check=("lt", ("read", 0), ("number", 1)))
    with pytest.raises(RuntimeError, match="before they are read"):
        Graph("f", [a, b], [late], []).check()
    assert [n for n, _ in passes.PASSES][0] == "dead"


UNARY = [torch.exp, torch.tanh, torch.relu, torch.sigmoid, torch.neg, torch.abs, lambda x: x * 2, lambda x: x + 0.5,
         lambda x: x.t().contiguous().t(), lambda x: x.clamp(-1, 1), lambda x: x.square(), lambda x: x.clone()]
BINARY = [torch.add, torch.mul, torch.sub, torch.maximum, lambda a, b: torch.where(a > b, a, b), lambda a, b: a @ b.t()
          @ a, lambda a, b: a.lerp(b, 0.3)]
ROWS = [lambda x: x.sum(1, True), lambda x: x.softmax(-1), lambda x: x.mean(0), lambda x: F.layer_norm(x, (6,)),
        lambda x: x[:1], lambda x: x[:, :1], lambda x: x.amax(0, keepdim=True)]


def program(seed):
    """A random function of two (4, 6) tensors, with changes in place and views."""
    rng = random.Random(seed)
    plan = [(rng.randrange(5), rng.random(), rng.random(), rng.random()) for _ in range(rng.randint(3, 14))]

    def run(x, y, weight):
        pool = [x, y, x * weight]
        for kind, i, j, k in plan:
            a, b = pool[int(i * len(pool))], pool[int(j * len(pool))]
            if kind == 0:
                pool.append(UNARY[int(k * len(UNARY))](a))
            elif kind == 1:
                pool.append(BINARY[int(k * len(BINARY))](a, b))
            elif kind == 2:
                pool.append(a + ROWS[int(k * len(ROWS))](b))
            elif kind == 3:
                made = a.clone()
                made[1:3].mul_(b[:2]).add_(0.1)
                pool.append(made)
            else:
                made = a * 0.5
                made += b
                made[:, ::2] -= b[:, 1::2]
                pool.append(made)
        return tuple(pool[-3:])
    return run


@pytest.mark.parametrize("first", [0, 8, pytest.param(100, marks=pytest.mark.slow)])
def test_random_programs_keep_their_bits(first):
    for seed in range(first, first + (8 if first < 100 else 200)):
        torch.manual_seed(seed)
        function = program(seed)
        weight = torch.randn(6)
        run = torch.compile(function)
        for _ in range(4):
            x, y = torch.randn(4, 6), torch.randn(4, 6)
            for a, b in zip(run(x, y, weight), function(x, y, weight), strict=True):
                assert torch.equal(a, b) or torch.equal(a.isnan(), b.isnan()), seed
        assert run.programs and run.programs[0].runs == 2, (seed, run.explain())


@pytest.mark.parametrize("first", [40, pytest.param(300, marks=pytest.mark.slow)])
def test_random_programs_have_the_same_gradients(first):
    for seed in range(first, first + (10 if first < 100 else 100)):
        torch.manual_seed(seed)
        function = program(seed)
        weight = torch.randn(6, requires_grad=True)
        run = torch.compile(function)
        if not sum(r.sum() for r in function(torch.randn(4, 6), torch.randn(4, 6), weight)).requires_grad:
            continue
        for _ in range(4):
            x, y = torch.randn(4, 6), torch.randn(4, 6)
            found, expected = ([g for g in torch.autograd.grad(sum(r.sum() for r in f(x, y, weight)), weight)]
                               for f in (run, function))
            for a, b in zip(found, expected, strict=True):
                assert torch.allclose(a, b, rtol=1e-4, atol=1e-5, equal_nan=True), seed
        assert run.programs and run.programs[0].runs == 2, (seed, run.explain())


def test_work_of_a_product_and_its_activation_is_counted():
    x, weight = torch.randn(512, 64), torch.randn(64, 1024)
    run = torch.compile(lambda x: torch.relu(x @ weight))
    for _ in range(3):
        run(x)
    (step,) = run.graph.steps
    assert step.name == "mm_relu" and costs.flops(step) == 512 * 1024 * (2 * 64 + 1)


def test_bounds_that_are_made_in_the_function_are_read():
    """Operands called min and max have other names in formulas, since templates call functions of these names."""
    x, y = torch.randn(4, 6), torch.randn(4, 6)

    def f(x, y):
        return torch.clamp_min(x * 2, y * 3), torch.clamp_max(x - 1, y + 1), torch.clamp(x, y * 0.1, y.abs())
    run = torch.compile(f)
    for _ in range(4):
        for a, b in zip(run(x, y), f(x, y), strict=True):
            assert torch.equal(a, b)
    assert run.programs[0].runs == 2
