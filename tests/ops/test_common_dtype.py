"""Operands are judged by the dtype that they are promoted to; and what is no tensor is named."""

import pytest

import numbatorch as torch

TRUTH, WHOLE = torch.tensor([True, False]), torch.tensor([5, -7])


def test_bools_count_as_numbers_beside_numbers():
    assert (7 >> TRUTH).tolist() == [3, 7]
    assert (WHOLE << TRUTH).tolist() == [10, -7]
    assert torch.fmod(TRUTH, 2).tolist() == [1, 0] and (TRUTH % torch.tensor([2, 3])).dtype is torch.int64
    assert WHOLE.clone().remainder_(torch.tensor([True, True])).tolist() == [0, 0]
    assert torch.gcd(WHOLE, TRUTH).tolist() == [1, 7]
    assert torch.div(torch.tensor([2.5, -3.5]), torch.tensor([True, True]), rounding_mode="floor").tolist() == [2, -4]


@pytest.mark.parametrize("call", [lambda: TRUTH % True, lambda: TRUTH << TRUTH, lambda: WHOLE | 2.5,
                                  lambda: float("inf") << WHOLE, lambda: WHOLE & torch.ones(2),
                                  lambda: torch.gcd(TRUTH, TRUTH), lambda: torch.lcm(WHOLE, torch.ones(2))])
def test_dtypes_that_the_promoted_one_is_not_among_are_refused(call):
    with pytest.raises(NotImplementedError, match="not implemented for"):
        call()


@pytest.mark.parametrize("call, name", [
    (lambda x: torch.kron(x, True), "other"), (lambda x: torch.outer(x, 0), "vec2"),
    (lambda x: torch.nn.functional.cross_entropy(x, 3), "target"),
    (lambda x: torch.nn.functional.linear([1], x), "input")])
def test_composites_name_the_argument_that_is_no_tensor(call, name):
    with pytest.raises(TypeError, match=rf"\(\): argument '{name}' \(position .\) must be Tensor, not (bool|int|list)"):
        call(torch.ones(2, 2))


def test_sorted_values_of_another_dtype_are_compared_after_promotion():
    edges = torch.tensor([1, 2, 3])
    assert torch.searchsorted(edges, 2.5).item() == 2
    assert torch.bucketize(torch.tensor([1.5, 3.0]), edges).tolist() == [1, 2]
    assert torch.searchsorted(edges.float(), torch.tensor([2.0000000001], dtype=torch.float64)).item() == 2
    assert torch.searchsorted(edges, 2).item() == 1


def test_linspace_rounds_once():
    assert torch.linspace(-3, 1, 7, dtype=torch.int64).tolist() == [-3, -2, -1, 0, 0, 0, 1]
    assert torch.linspace(-3, 1, 3, dtype=torch.uint8).tolist() == [253, 127, 1]
    assert torch.linspace(0, 10, 4, dtype=torch.int32).tolist() == [0, 3, 6, 10]
    exact = torch.linspace(-0.1, 0.7, 23, dtype=torch.float64)
    assert (torch.linspace(-0.1, 0.7, 23).double() - exact).abs().max() < 2 ** -24


def test_logits_of_bools_and_steps_of_nan():
    assert torch.logit(TRUTH).tolist() == [float("inf"), -float("inf")]
    steps = torch.heaviside(torch.tensor([float("nan"), 0.0, 1.0, -1.0]), torch.tensor([2.0, 3.0, 4.0, 5.0]))
    assert steps.tolist() == [0.0, 3.0, 1.0, 0.0]
