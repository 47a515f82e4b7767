"""Reductions of one operand, or of what is made of it: one walk over memory, with the bits that each has alone."""

import pytest

import numbatorch as torch
from tests.compiler.agreement import steps_of

F, norm = torch.nn.functional, torch.linalg.vector_norm


@pytest.fixture(params=[1, 2])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("dim", [{}, {"dim": -1}, {"dim": 0}], ids=["all", "last", "first"])
@pytest.mark.parametrize("shape, dtype", [((37, 300), "float32"), ((3, 50000), "bfloat16")])
def test_kinds_of_totals_in_one_walk(threads, shape, dtype, dim):
    x = torch.randn(*shape).to(getattr(torch, dtype))

    def totals(x):
        return (x.sum(**dim), x.amax(**dim), x.count_nonzero(**dim), norm(x, **dim), x.any(**dim),
                x.square().sum(**dim), x.amin(**dim))
    assert len(steps_of(totals, x)) == 1


def test_positions_and_spreads_share_a_walk():
    x = torch.randn(40, 70)
    for d in (0, 1):
        assert len(steps_of(lambda x: (x.argmax(d), x.amax(d), x.std(d), x.argmin(d), x.sum(d)), x)) == 1  # noqa: B023


def test_losses_of_a_pair_are_one_walk():
    """What they have in common is made once, and is no tensor, though each loss would read one of its own."""
    x, y = torch.randn(60, 90), torch.randn(60, 90)
    assert len(steps_of(lambda x, y: (F.mse_loss(x, y), F.l1_loss(x, y), F.huber_loss(x, y), x.mean()), x, y)) == 1
    # One that is asked for stays: the walk that makes it is the elements' own.
    assert len(steps_of(lambda x, y: ((x - y).abs(), F.mse_loss(x, y), F.l1_loss(x, y)), x, y)) > 1


def test_sums_in_pieces_do_not_join_sums_of_whole_rows():
    """A row of so many elements is summed in pieces, its spread is not: both at once would have the bits of one."""
    for seed in range(3):
        torch.manual_seed(seed)
        x = torch.randn(3, 50000, dtype=torch.float64)
        assert len(steps_of(lambda x: (x.std(), x.sum(), x.square().sum()), x)) == 2


def test_a_product_of_a_row_is_walked_alone():
    """A chain of numbers, which would take the vectors from sums beside it."""
    x = torch.rand(30, 70, dtype=torch.float64) + 0.5
    assert len(steps_of(lambda x: (x.sum(1), x.prod(1)), x)) == 2
    assert len(steps_of(lambda x: (x.sum(0), x.prod(0)), x)) == 1  # side by side


@pytest.mark.parametrize("dtype", ["int64", "uint8"])
def test_whole_numbers_share_a_walk(dtype):
    x = (torch.randn(40, 70) * 30).to(getattr(torch, dtype))
    for d in (0, 1):
        assert len(steps_of(lambda x: (x.amax(d), x.argmin(d), x.any(d), x.amin(d)), x)) == 1  # noqa: B023
