"""Conditions that libraries state, and the exceptions they raise."""

import pytest

import numbatorch as torch


@pytest.mark.parametrize("check, error", [
    (torch._check, RuntimeError), (torch._check_index, IndexError), (torch._check_value, ValueError),
    (torch._check_type, TypeError), (torch._check_not_implemented, NotImplementedError)])
def test_each_check_has_its_exception(check, error):
    check(True, lambda: 1 / 0)
    with pytest.raises(error, match="five is too much"):
        check(5 < 4, lambda: "five is too much")
    with pytest.raises(error, match="does not hold"):
        check(False)


def test_conditions_are_bools_and_messages_functions():
    with pytest.raises(TypeError, match="cond must be a bool"):
        torch._check(1)
    with pytest.raises(TypeError, match="callable"):
        torch._check(False, "words")


def test_checks_of_sizes_and_tensors():
    torch._check_is_size(3, max=3)
    for size, most in ((-1, None), (4, 3)):
        with pytest.raises(RuntimeError):
            torch._check_is_size(size, max=most)
    torch._check_tensor_all(torch.ones(2) > 0)
    with pytest.raises(ValueError, match="negative"):
        torch._check_tensor_all_with(ValueError, torch.tensor([True, False]), lambda: "negative")
    with pytest.raises(TypeError, match="dtype bool"):
        torch._check_tensor_all(torch.ones(2))


def test_assertions():
    torch._assert(torch.tensor(True), "unused")
    torch._assert_async(torch.tensor(2))
    with pytest.raises(AssertionError, match="words"):
        torch._assert(1 > 2, "words")
    with pytest.raises(RuntimeError, match="words"):
        torch._assert_async(torch.tensor(0), "words")


def test_what_libraries_say_to_the_tracer():
    assert torch._dynamo.disable(len)([1, 2]) == 2 and not torch._dynamo.is_compiling()
    torch._dynamo.mark_static_address(torch.ones(1))
    with pytest.raises(TypeError, match="expects a tensor"):
        torch._dynamo.mark_static_address(1)
    from numbatorch._dynamo._trace_wrapped_higher_order_op import TransformGetItemToIndex
    with TransformGetItemToIndex():
        assert torch.vmap(lambda i: torch.arange(9)[i])(torch.tensor([4, 2])).tolist() == [4, 2]
