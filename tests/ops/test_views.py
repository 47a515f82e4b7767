"""Views: memory shared with their base, gradients through them, and what they refuse."""

import pytest

import numbatorch as nt


def grid(*shape):
    count = 1
    for n in shape:
        count *= n
    return nt.arange(float(count)).reshape(shape).clone()


@pytest.mark.parametrize("change", [
    lambda x: x.view(6, 2), lambda x: x.view((2, -1)), lambda x: x.transpose(0, 1), lambda x: x.permute(1, 0),
    lambda x: x.permute((1, 0)), lambda x: x.t(), lambda x: x.T, lambda x: x.mT, lambda x: x.unsqueeze(-1),
    lambda x: x.select(1, 2), lambda x: x.narrow(0, 1, 2), lambda x: x[1:, ::2], lambda x: x[None, ..., 1],
    lambda x: x.diagonal(1), lambda x: x.unfold(1, 2, 1), lambda x: x.as_strided((2, 2), (4, 1), 1),
    lambda x: x.unbind(0)[1],
    lambda x: x.split(3, 1)[1], lambda x: x.chunk(2)[0], lambda x: x.flatten(), lambda x: x.movedim(0, 1),
    lambda x: x.expand(2, 3, 4), lambda x: x.view(nt.int32)])
def test_a_view_shares_memory(change):
    x = grid(3, 4)
    before = change(x).clone()
    x.add_(1)
    assert not bool((change(x) == before).all())
    assert change(x)._base is x
    assert change(x).untyped_storage() == x.untyped_storage()


@pytest.mark.parametrize("change, gradient", [
    (lambda x: x.transpose(0, 1)[0], [[1, 0, 0], [1, 0, 0]]),
    (lambda x: x.expand(4, 2, 3), [[4, 4, 4], [4, 4, 4]]),
    (lambda x: x.unfold(1, 2, 1), [[1, 2, 1], [1, 2, 1]]),
    (lambda x: x.as_strided((2, 2), (1, 1), 1), [[0, 1, 2], [1, 0, 0]]),
    (lambda x: x.diagonal(), [[1, 0, 0], [0, 1, 0]]),
    (lambda x: x.unbind(1)[2], [[0, 0, 1], [0, 0, 1]]),
    (lambda x: x.split([1, 2], 1)[1], [[0, 1, 1], [0, 1, 1]])])
def test_gradients_go_where_the_view_looks(change, gradient):
    x = grid(2, 3).requires_grad_()
    change(x).sum().backward()
    assert x.grad.tolist() == gradient


def test_in_place_on_a_view_reaches_the_base_and_its_gradient():
    x = grid(2, 3).requires_grad_()
    y = x * 2
    y[0].mul_(3)
    assert y.tolist() == [[0, 6, 12], [6, 8, 10]]
    y.sum().backward()
    assert x.grad.tolist() == [[6, 6, 6], [2, 2, 2]]


def test_reshape_copies_only_where_it_must():
    x = grid(2, 3)
    assert x.reshape(3, 2).data_ptr() == x.data_ptr()
    assert x.t().reshape(6).tolist() == [0, 3, 1, 4, 2, 5]
    with pytest.raises(RuntimeError, match="not compatible"):
        x.t().view(6)


def test_complex_numbers_as_pairs():
    z = nt.tensor([1 + 2j, 3 - 4j])
    nt.view_as_real(z)[0, 1] = 5
    assert z.tolist() == [1 + 5j, 3 - 4j]
    assert z.real.tolist() == [1, 3] and z.imag.tolist() == [5, -4]
    assert nt.view_as_complex(grid(2, 2)).tolist() == [1j, 2 + 3j]


@pytest.mark.parametrize("call, error, message", [
    (lambda x: x.view(5), RuntimeError, "invalid for input of size 6"),
    (lambda x: x.view(-1, -1), RuntimeError, "only one dimension"),
    (lambda x: x.transpose(0, 2), IndexError, "Dimension out of range"),
    (lambda x: x.permute(0, 0), RuntimeError, "duplicate"),
    (lambda x: x.expand(2, 4), RuntimeError, "must match the existing size"),
    (lambda x: x.select(0, 2), IndexError, "out of range"),
    (lambda x: x.narrow(1, 2, 2), RuntimeError, "exceeds dimension size"),
    (lambda x: x.as_strided((9,), (1,)), RuntimeError, "out of bounds for storage"),
    (lambda x: x.split([1, 1], 1), RuntimeError, "sum exactly to 3"),
    (lambda x: x.imag, RuntimeError, "non-complex")])
def test_views_refuse(call, error, message):
    with pytest.raises(error, match=message):
        call(grid(2, 3))
