"""Functions that take functions: scans, maps, branches and loops under PyTorch's inner names."""

import pytest

import numbatorch as torch
from numbatorch import _higher_order_ops as hops
from numbatorch._higher_order_ops.associative_scan import associative_scan


@pytest.mark.parametrize("count", [1, 2, 5, 8])
@pytest.mark.parametrize("reverse", [False, True])
def test_associative_scan_of_sums(count, reverse):
    x = torch.arange(2.0 * count).view(2, count)
    want = x.flip(1).cumsum(1).flip(1) if reverse else x.cumsum(1)
    assert torch.equal(associative_scan(lambda a, b: a + b, x, 1, reverse), want)


def test_associative_scan_of_a_recurrence_with_gradients():
    a, b = (torch.rand(3, 6, dtype=torch.float64).requires_grad_() for _ in range(2))
    _, h = associative_scan(lambda p, q: (p[0] * q[0], p[1] * q[0] + q[1]), (a, b), 1)
    want, state = [], torch.zeros(3, dtype=torch.float64)
    for t in range(6):
        state = a[:, t] * state + b[:, t]
        want.append(state)
    want = torch.stack(want, 1)
    assert torch.allclose(h, want)
    got = torch.autograd.grad(h.sum(), (a, b))
    assert all(torch.allclose(g, w) for g, w in zip(got, torch.autograd.grad(want.sum(), (a, b)), strict=True))


def test_generic_scans_see_one_item():
    rotation = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    found = associative_scan(lambda a, b: a @ b, rotation.expand(4, 2, 2), 0, combine_mode="generic")
    assert torch.equal(found[3], torch.eye(2)) and torch.equal(found[1], -torch.eye(2))


def test_scan_carries_and_stacks():
    x = torch.arange(6.0).view(2, 3)
    carry, ys = hops.scan(lambda c, v: (c + v, {"product": c * v}), torch.zeros(2), x, dim=1)
    assert carry.tolist() == [3.0, 12.0] and ys["product"].tolist() == [[0.0, 0.0, 2.0], [0.0, 12.0, 35.0]]
    carry, ys = hops.scan(lambda c, v: (c + v, c + v), torch.zeros(3), x, reverse=True)
    assert ys.tolist() == [[3.0, 5.0, 7.0], [3.0, 4.0, 5.0]]


def test_maps():
    x = torch.arange(6.0).view(2, 3)
    assert torch.equal(hops.map(lambda v, s: v * s, x, 2.0), x * 2)
    assert [t.sum().item() for t in hops.foreach_map(torch.add, [x, x], [x, -x])] == [30.0, 0.0]
    assert hops.cond(True, lambda: 1, lambda: 2) == 1
    assert hops.while_loop(lambda i: i < 3, lambda i: (i + 1,), (torch.tensor(0),))[0].item() == 3


@pytest.mark.parametrize("call", [
    lambda x: associative_scan(lambda a, b: a, x, 0, combine_mode="other"), lambda x: associative_scan(None, [], 0),
    lambda x: associative_scan(lambda a, b: a.sum(), x, 0), lambda x: associative_scan(None, (x, x[1:]), 0),
    lambda x: hops.scan(None, x, x[:0]), lambda x: hops.map(None, x[:0]),
    lambda x: hops.foreach_map(None, [x], [x, x])])
def test_what_does_not_fit_is_refused(call):
    with pytest.raises(ValueError, match="associative_scan|scan|map"):
        call(torch.ones(3, 2))
