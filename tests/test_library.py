"""Ops of a user's own, declared by a formula."""

import math

import pytest

import numbatorch as torch
from numbatorch import library
from numbatorch.library import check, elementwise, exp, reduction, row_sum


def declared(factor):
    @elementwise
    def shifted_swish(input, beta: float = 1.0):
        """factor * input * sigmoid(beta * input)."""
        return factor * input / (1 + exp(-beta * input))
    return shifted_swish


def test_a_formula_is_an_op_with_a_gradient():
    op = declared(2.0)
    x = torch.tensor([-1.0, 0.0, 3.0], requires_grad=True)
    assert op(x).tolist() == pytest.approx([2 * v / (1 + math.exp(-v)) for v in (-1.0, 0.0, 3.0)], rel=1e-6)
    assert op(x, 0.0).tolist() == [-1, 0, 3]
    assert check(op)
    assert library.shifted_swish is op


def test_an_op_declared_again_takes_the_place_of_the_first():
    first, second = declared(1.0), declared(3.0)
    x = torch.ones(2)
    assert second(x).tolist() == pytest.approx([3 * value for value in first(x).tolist()], rel=1e-6)
    assert library.shifted_swish is second


def test_a_declaration_that_says_nothing_is_refused():
    with pytest.raises(TypeError, match="needs a docstring"):
        @elementwise
        def silent(input):
            return input


def test_a_reduction_of_ones_own():
    @reduction(identity=0.0)
    def total_of_squares(input, dim=None, keepdim=False):
        """Sum of the squares over `dim`."""
        return row_sum(input * input)
    x = torch.arange(6.0).reshape(2, 3)
    assert total_of_squares(x, 1).tolist() == [5, 50] and total_of_squares(x).item() == 55
    assert check(total_of_squares)


@pytest.mark.parametrize("name", ["n", "s", "b", "r", "block"])
def test_operands_live_until_their_kernel_has_run(name):
    """Whatever they are called: a block given back too early would be the result's."""
    space = {}
    exec(f"def named_{name}(input, {name}):\n    'input + {name}.'\n    return input + {name}\n", space)
    op = elementwise(space[f"named_{name}"])
    for _ in range(3):
        assert op(torch.ones(1000), torch.full((1000,), 2.0)).tolist() == [3.0] * 1000
        assert op(torch.ones(2, 3), torch.arange(3.0)).tolist() == [[1, 2, 3]] * 2


def test_parameters_may_be_called_what_generated_code_calls_its_own():
    @library.elementwise(method=False)
    def cubic_of_odd_names(input, a0: float, k1: float = 2.0, mode: float = 0.5, plan: float = 1.0, rule: float = 1.0):
        """a0 + k1 input + mode input^2 + plan input^3, times rule."""
        return (a0 + k1 * input + mode * input * input + plan * input * input * input) * rule

    x = torch.tensor([-2.0, 0.5, 3.0], dtype=torch.float64, requires_grad=True)
    expected = 1 + 2 * x + 0.5 * x * x + x * x * x
    assert torch.equal(cubic_of_odd_names(x, 1.0), expected)
    assert torch.equal(cubic_of_odd_names(x, a0=1.0, mode=0.5, rule=1.0), expected)
    assert torch.equal(cubic_of_odd_names(x, 1.0, mode=2.0), expected + 1.5 * x * x)
    cubic_of_odd_names(x, 1.0).sum().backward()
    assert torch.allclose(x.grad, 2 + x.detach() + 3 * x.detach() ** 2)
    with pytest.raises(TypeError, match="missing 1 required argument: 'a0'"):
        cubic_of_odd_names(x)
    with pytest.raises(TypeError, match="multiple values for argument 'a0'"):
        cubic_of_odd_names(x, 1.0, a0=2.0)

    @library.composite(method=False)
    def composite_of_odd_names(op, body=1.0, result=3.0, *, more=2.0):
        """op body + result more."""
        return op * body + result * more

    assert torch.equal(composite_of_odd_names(x, 2.0, more=1.0), x * 2 + 3)
    assert torch.equal(composite_of_odd_names(op=x, body=2.0, result=1.0), x * 2 + 2)

    @library.composite(method=False)
    def composite_with_a_taken_name(input, *, answer=2.0):
        """input answer."""
        return input * answer

    with pytest.raises(TypeError, match="keyword-only parameter cannot be called answer"):
        composite_with_a_taken_name(x)


@pytest.mark.parametrize("name", ["grad", "result", "out"])
def test_names_that_gradients_use_are_refused(name):
    source = f'@elementwise\ndef refused_{name}(input, {name}: float = 1.0):\n    "A."\n    return input'
    with pytest.raises(TypeError, match=f"cannot be called {name}"):
        exec(source, {"elementwise": elementwise})
