"""Views that one operation returns together may not be changed in place; others may."""

import pytest

import numbatorch as torch


@pytest.mark.parametrize("cut", [lambda y: y.split(2), lambda y: y.chunk(2), lambda y: y.unbind(0), list,
                                 lambda y: y.split_with_sizes([1, 3]), lambda y: [y.split(2)[0][0]],
                                 lambda y: [y.split(2)[0].view(-1)]])
def test_one_of_several_views_is_not_changed(cut):
    y = torch.ones(4, 3, requires_grad=True) * 1
    with pytest.raises(RuntimeError, match="Output 0 of .* returns multiple views"):
        cut(y)[0].add_(1)
    with torch.no_grad():
        cut(y)[0].add_(1)


@pytest.mark.parametrize("cut", [lambda y: y.tensor_split(2), lambda y: y.hsplit(3), lambda y: y.vsplit(2)])
def test_parts_that_are_views_of_their_own_are_changed(cut):
    x = torch.ones(4, 3, requires_grad=True)
    y = x * 2
    cut(y)[0].mul_(3)
    y.sum().backward()
    assert sorted(set(x.grad.flatten().tolist())) == [2, 6]


@pytest.mark.parametrize("cut", [lambda y: y.unsafe_split(2), lambda y: y.unsafe_chunk(2),
                                 lambda y: y.unsafe_split_with_sizes([2, 2])])
def test_unsafe_parts_keep_a_history_of_their_own(cut):
    x = torch.ones(4, requires_grad=True)
    first, second = cut(x * 2)
    (first.mul_(3) + second).sum().backward()
    assert x.grad.tolist() == [6, 6, 2, 2]


def test_several_views_of_a_changed_base():
    y = torch.ones(4, requires_grad=True) * 1
    parts = y.split(2)
    y.add_(1)
    with pytest.raises(RuntimeError, match="has been modified inplace"):
        parts[0].sum()


def test_a_view_made_without_recording_is_not_changed_with_it():
    y = torch.ones(4, requires_grad=True) * 1
    with torch.no_grad():
        view = y.view(2, 2)
    with pytest.raises(RuntimeError, match="no_grad mode"):
        view.add_(1)


def test_parts_of_what_needs_no_gradient_are_free():
    x = torch.ones(4)
    x.split(2)[0].add_(1)
    assert x.tolist() == [2, 2, 1, 1]
