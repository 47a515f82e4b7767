"""Rules of ops whose bodies run on tensors are kept between calls, and know what sets calls apart."""

import pytest

import numbatorch as torch


def test_a_kept_rule_gives_the_same_gradients():
    for k in range(3):  # made, written out, used
        a, b = torch.ones(2, requires_grad=True), torch.ones(3, requires_grad=True)
        (torch.cat([a, b]) * torch.arange(5.0)).sum().backward()
        assert a.grad.tolist() == [0, 1] and b.grad.tolist() == [2, 3, 4], k


def test_rules_tell_operands_and_numbers_apart():
    for _ in range(3):
        a, b = torch.ones(2, 2, requires_grad=True), torch.ones(2, 2)
        torch.stack([a, b], 0)[0].sum().backward()
        torch.stack([b, a], -1)[..., 1].sum().backward()
        torch.cat([b, a], 1)[:, 3].sum().backward()
        assert a.grad.tolist() == [[2, 3], [2, 3]] and b.grad is None


def test_parts_without_gradient_are_zero():
    for _ in range(3):
        x = torch.arange(6.0, requires_grad=True)
        (x.chunk(3)[1] ** 2).sum().backward()
        x.view(2, 3).unbind(1)[2].sum().backward()
        assert x.grad.tolist() == [0, 0, 5, 6, 0, 1]


@pytest.mark.parametrize("call", [lambda x: torch.cat([x, x * 2]), lambda x: torch.stack([x, x * 3], 1),
                                  lambda x: torch.cat(x.split([1, 3])), lambda x: torch.stack(x.unbind(0)),
                                  lambda x: x.topk(2)[0], lambda x: x.sort()[0],
                                  lambda x: torch.nn.functional.max_pool1d(x[None], 2)])
def test_second_derivatives_go_through_kept_rules(call):
    for _ in range(3):
        x = torch.tensor([1.0, 3.0, 2.0, 5.0], requires_grad=True)
        (first,) = torch.autograd.grad((call(x) ** 3).sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), x)
        (again,) = torch.autograd.grad((call(torch.ones(4) * x) ** 3).sum(), x)
        assert torch.allclose(first, again) and torch.allclose(second * x, 2 * first)


def test_what_is_saved_is_let_go_and_checked():
    for _ in range(3):
        x = torch.tensor([1.0, 3.0, 2.0], requires_grad=True)
        values, indices = x.sort()
        indices.add_(0)
        with pytest.raises(RuntimeError, match="inplace"):
            values.sum().backward()
