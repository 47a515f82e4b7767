"""Changes in place: what may overlap, and views of leaves."""

import pytest

import numbatorch as torch


def test_a_view_of_a_leaf_that_is_itself_a_view_may_not_change():
    x = torch.arange(6.0).reshape(2, 3).requires_grad_()
    for change in (lambda: x[0].zero_(), lambda: x.view(-1).add_(1), lambda: x.__setitem__((0, 0), 1.0)):
        with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
            change()
    assert x.is_leaf and x.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("change", [lambda a: a.add_(a.t()), lambda a: a.copy_(a.t()), lambda a: a.mul_(a[0]),
                                    lambda a: a[1:].copy_(a[:-1])])
def test_operands_that_overlap_in_part_are_refused(change):
    a = torch.arange(9.0).view(3, 3)
    with pytest.raises(RuntimeError, match="single memory location"):
        change(a)
    assert a.flatten().tolist() == list(range(9))


def test_operands_that_overlap_whole_or_not_at_all_are_fine():
    a = torch.arange(6.0).view(2, 3)
    a.add_(a).add_(a.view(1, 2, 3)[0])
    a[0].copy_(a[1])
    assert a.tolist() == [[12, 16, 20], [12, 16, 20]]
