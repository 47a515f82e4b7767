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
