"""Algebra in programs: simpler formulas and fewer copies, with the same bits, NaN and -0.0 included."""

from types import SimpleNamespace

import pytest

import numbatorch as torch
from numbatorch.compiler.passes import algebra
from numbatorch.expr import tree
from numbatorch.expr.exact import simplified
from numbatorch.expr.kinds import Operand

SPECIAL = torch.tensor([[float("nan"), -0.0, 0.0, float("inf")], [-float("inf"), 1e-42, -3.5, 3.4e38]])


def bits(x):
    return x.view(torch.int32) if x.dtype is torch.float32 else x


def steps(function, *args):
    """The steps of a compiled function, which has to give the bits that it gives alone."""
    run = torch.compile(function)
    expected = function(*args)
    for _ in range(3):
        found = run(*args)
    assert run.programs, run.explain()
    assert found.dtype is expected.dtype and torch.equal(bits(found), bits(expected))
    return run.graph.steps


@pytest.mark.parametrize("function", [lambda x: x * 1, lambda x: 1.0 * x, lambda x: x / 1.0, lambda x: x - 0,
                                      lambda x: x.neg().neg(), lambda x: x.clone()])
def test_what_changes_nothing_is_left_out_before_a_product(function):
    weight = torch.randn(4, 3)
    found = steps(lambda x: function(x) @ weight, torch.randn(2, 4))
    assert [s.name for s in found] == ["mm"] or found[0].request.roots[0].op == "arg"
    steps(function, SPECIAL)


def test_a_zero_that_is_added_stays():
    (step,) = steps(lambda x: x + 0.0, SPECIAL)
    assert step.name == "add" and step.request is None
    assert steps(lambda x: (x * 0.0).exp(), SPECIAL)[0].request.roots[0].args[0].op == "mul"


def test_divisions_by_powers_of_two_are_products():
    def operations(function):
        return {n.op for s in steps(function, SPECIAL) if s.request for n in tree.order(*s.request.roots)}
    assert operations(lambda x: (x / 8).exp() + x / -0.25) == {"arg", "mul", "exp", "add"}
    assert operations(lambda x: x / 2.0 ** 120) == set() == operations(lambda x: x / 3)
    assert "div" in operations(lambda x: (x / 4).sin() + 4 / x)


def test_numbers_that_change_stay():
    weight = torch.nn.Parameter(torch.randn(3))
    optimizer = torch.optim.SGD([weight], lr=1.0)

    @torch.compile
    def step(x):
        optimizer.zero_grad()
        (weight * x).sum().backward()
        optimizer.step()
    x, expected = torch.randn(3), weight.detach().clone()
    for rate in (1.0, 1.0, 1.0, 0.5, 0.25):
        optimizer.param_groups[0]["lr"] = rate
        step(x)
        expected = expected - rate * x
    assert step.programs and torch.equal(weight.detach(), expected)


def test_a_copy_of_what_changes_later_stays():
    state, weight = torch.randn(2, 4), torch.randn(4, 3)

    @torch.compile
    def step(x):
        before = state.clone()
        state.add_(x)
        return before @ weight
    for _ in range(4):
        before, x = state.clone(), torch.randn(2, 4)
        assert torch.equal(step(x), before @ weight)
    assert step.programs and [s.name for s in step.graph.steps] == ["fused_clone_add", "mm"]
    found = steps(lambda x: (y := x.clone()).mul_(2) @ weight + y.sum(), torch.randn(2, 4))
    assert "clone" not in {s.name for s in found}


def test_formulas():
    x, y, n = (tree.arg(name) for name in "xyn")
    operands = [Operand("x", "float", "float32"), Operand("y", "float", "float64"), Operand("n", "int", "float32")]

    def simple(formula, **numbers):
        return simplified((formula,), operands, numbers)[0]
    cast = lambda a, to: tree.Expr("cast", a, to)  # noqa: E731
    assert simple((x * 1).__neg__().__neg__()) is x and simple(x * n, n=1) is x and simple(n * x, n=1.0) is x
    assert simple(x * n, n=True) is x * n and simple(y * n, n=1) is y * n and simple(x * n) is x * n
    assert simple(x - 0.0) is x and simple(x - -0.0) is x - -0.0
    assert simple(x + -0.0) is x and simple(x + 0.0) is x + 0.0
    assert simple(abs(-x)) is abs(x) and simple(tree.Expr("where", x, y, y)) is y
    assert simple(cast(cast(x, "float64"), "float32")) is x and simple(cast(x, "float32")) is x
    narrow = cast(cast(y, "float32"), "float64")
    assert simple(narrow) is narrow and simple(cast(cast(x, "float16"), "float32")).op == "cast"


def test_a_divisor_that_is_a_result_too_stays_what_it_is():
    x, s = tree.arg("x"), tree.arg("s")
    quotient = tree.Expr("div", x, s)
    for roots, inverse in (((quotient,), {"s": 0.125}), ((quotient, s), {}), ((quotient, tree.Expr("add", x, s)), {})):
        request = SimpleNamespace(roots=roots, compute="float32")
        assert algebra._multiplied(request, {"s": 8.0})[1] == inverse
