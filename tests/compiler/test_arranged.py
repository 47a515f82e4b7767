"""Copies and joins that the pass `arranged` leaves out: same bits, fewer steps, and none where it would not fit."""

import pytest

import numbatorch as torch
from numbatorch.compiler.graph import Buffer, Place
from numbatorch.compiler.passes import arranged
from numbatorch.layout import layout

F = torch.nn.functional


def names(function, *args):
    """Names of the steps of a compiled function, which has to give what it gives alone."""
    run = torch.compile(function)
    expected = function(*args)
    for _ in range(3):
        found = run(*args)
    assert run.programs, run.explain()
    flat = (found, expected) if isinstance(found, tuple) else ((found,), (expected,))
    assert all(torch.equal(a, b) for a, b in zip(*flat, strict=True))
    return [s.name for s in run.graph.steps]


def attend(x, weight):
    """Attention of 3 heads as a transformer's block has it, from one product to the next."""
    query, key, value = (t.view(2, 7, 3, 8).transpose(1, 2) for t in (x @ weight).split(24, dim=2))
    heard = F.scaled_dot_product_attention(query, key, value, is_causal=True)
    return heard.transpose(1, 2).reshape(2, 7, 24) @ weight[:, :24]


def test_attention_writes_rows_in_the_order_of_the_next_product():
    x, weight = torch.randn(2, 7, 24), torch.randn(24, 72)
    with torch.no_grad():
        found = names(attend, x, weight)
    assert "_attention_forward" in found and not {"_to", "clone", "copy"} & set(found)


def test_gradients_of_attention_are_written_into_their_join():
    x, weight = torch.randn(2, 7, 24), torch.randn(24, 72).requires_grad_()

    def step(x):
        loss = attend(x, weight).square().sum()
        return torch.autograd.grad(loss, weight)[0]
    found = names(step, x)
    assert "_attention_backward" in found and not {"_to", "cat"} & set(found)
    assert found.count("copy") == 1  # into the gradient of weight[:, :24]


@pytest.mark.parametrize(("apart", "most"), [(lambda x: x.chunk(3, -1), 1), (lambda x: x.split([8, 4, 12], -1), 3),
                                             (lambda x: x.view(3, 7, 8).unbind(0), 1)])
def test_gradients_of_parts_are_written_where_they_belong(apart, most):
    x, weight = torch.randn(7, 24), torch.randn(24, 24).requires_grad_()

    def step(x):
        loss = sum([part.tanh().square().sum() for part in apart(x @ weight)])
        return torch.autograd.grad(loss, weight)[0]
    run = torch.compile(step)
    for _ in range(3):
        assert torch.equal(run(x), step(x))
    products = ["mm", "mm"]
    assert len(run.graph.steps) <= len(products) + most


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_parts_of_a_join_are_written_in_place(dim):
    x, y = torch.randn(4, 6), torch.randn(4, 6)
    assert "cat" not in names(lambda x, y: torch.cat([x.tanh() * y, y.exp() + 1, x - y], dim) * 2, x, y)


def test_products_are_written_into_a_join_of_their_own_order():
    x, y = torch.randn(4, 6), torch.randn(6, 4)
    found = names(lambda x, y: torch.cat([x @ y, (x + 1) @ y]).tanh() @ x, x, y)
    assert "cat" not in found and found.count("mm") == 3
    assert "clone" not in names(lambda x, y: (z := (x @ y).clone()) @ x + z.sum(), x, y)


def test_a_row_formula_writes_its_rows_in_another_order():
    x = torch.randn(3, 5, 16)
    found = names(lambda x: torch.softmax(x, 2).transpose(0, 1).contiguous().view(15, 16) @ x[0].t(), x)
    assert not {"_to", "clone", "copy"} & set(found)


def test_what_reads_the_temporary_as_well_follows_it():
    x = torch.randn(3, 5, 16)

    def f(x):
        y = x.exp()
        return y.transpose(0, 1).contiguous() @ x[0].t(), y[1:, 2:4] * 2, torch.softmax(y, 2)
    names(f, x)


def test_what_cannot_follow_keeps_the_copy():
    x = torch.randn(3, 5, 16)
    found = names(lambda x: ((y := x.exp()) @ x[0].t(), y.permute(2, 0, 1).contiguous() @ x[0]), x)
    assert {"_to", "clone", "copy"} & set(found)  # a product reads the temporary as it is
    given = names(lambda x: torch.cat([x, x.exp()]) @ x[0].t(), x)
    assert "cat" in given  # an argument is where it is
    assert "cat" in names(lambda x: torch.cat([y := x.exp(), y]) @ x[0].t(), x)  # in two places at once


def test_a_changed_copy_is_not_the_original():
    x = torch.randn(4, 6)

    def f(x):
        y = x.exp()
        z = y.t().contiguous()
        z.mul_(2)
        return z @ x, y @ z
    names(f, x)


def _place(shape, strides, offset=0):
    own = layout(torch.float32, shape, strides)
    return Place(Buffer(0, "temporary", 4 * 2 * 3 * 5), offset, own, True, False)


def test_layouts_are_carried_over():
    source, target = _place((3, 2, 5), (5, 15, 1)), _place((3, 2, 5), (10, 5, 1))
    order = arranged._order(source, target)
    assert order == [(5, 1, 1), (3, 5, 10), (2, 15, 5)]
    found, start = arranged._turned(layout(torch.float32, (2, 3, 5)), 0, order)
    assert (found.strides, start) == ((5, 10, 1), 0)
    found, start = arranged._turned(layout(torch.float32, (2, 2), (15, 2)), 7, order)
    assert (found.strides, start) == ((5, 2), 12)
    assert arranged._turned(layout(torch.float32, (30,)), 0, order) is None  # one step is not enough
    assert arranged._turned(layout(torch.float32, (3,), (2,)), 2, order) is None  # over the end of a row
    assert arranged._turned(layout(torch.float32, (4,), (0,)), 15, order)[1] == 5
    assert arranged._order(_place((3, 5), (5, 1)), _place((3, 5), (5, 1))) is None  # a part of the buffer
    assert arranged._order(_place((3, 2, 5), (5, 15, 1)), _place((3, 2, 5), (10, 5, 1)))


def test_a_rounding_is_no_copy():
    x, weight = torch.randn(4, 6), torch.randn(4, 6)
    names(lambda x: x.exp().bfloat16().float().t().contiguous() @ weight, x)
    names(lambda x: (x.double() + 1e-9).float().double().t().contiguous() @ weight.double(), x)
