"""Rows of every length: whole vectors, what is left of them, pieces of sums; the same bits from any threads."""

import numpy as np
import pytest

import numbatorch as nt
from numbatorch.nn import functional as F

LENGTHS = [1, 2, 7, 15, 16, 17, 63, 64, 65, 79, 127, 128, 200, 511, 512, 513, 1000, 1100]


@pytest.mark.parametrize("length", LENGTHS)
def test_rows_of_any_length(length):
    x = np.random.default_rng(length).normal(size=(5, length)).astype(np.float32)
    wide, t = x.astype(np.float64), nt.tensor(x)
    size = np.abs(wide).sum(-1)  # what a sum that cancels is measured by
    assert (np.abs(t.sum(-1).numpy() - wide.sum(-1)) <= 1e-7 * size).all()
    assert np.array_equal(t.amax(-1).numpy(), x.max(-1)) and np.array_equal(t.amin(-1).numpy(), x.min(-1))
    power = np.exp(wide - wide.max(-1, keepdims=True))
    assert np.allclose(nt.softmax(t, -1).numpy(), power / power.sum(-1, keepdims=True), rtol=1e-5, atol=1e-8)
    centred = wide - wide.mean(-1, keepdims=True)
    expected = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    assert np.allclose(F.layer_norm(t, (length,)).numpy(), expected, rtol=1e-4, atol=1e-5)
    assert np.allclose(nt.tensor(wide).sum(-1).numpy(), wide.sum(-1), rtol=1e-14, atol=1e-13)


@pytest.mark.parametrize("length", [3, 64, 70, 600])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_a_nan_anywhere_in_a_row_is_its_extreme(length, dtype):
    for place in {0, length // 2, length - 1}:
        x = nt.ones(2, length, dtype=getattr(nt, dtype))
        x[1, place] = float("nan")
        assert x.amax(-1).isnan().tolist() == x.amin(-1).isnan().tolist() == [False, True]


def test_elements_beyond_a_row_are_neither_read_nor_written():
    whole = nt.full((4, 40), float("nan"))
    part = whole[:, 3:24]
    part.copy_(nt.arange(84.0).view(4, 21))
    assert np.array_equal(part.sum(-1).numpy(), np.arange(84.0).reshape(4, 21).sum(-1))
    nt.softmax(part.clone(), -1, out=part)
    assert whole[:, :3].isnan().all() and whole[:, 24:].isnan().all() and not part.isnan().any()


def test_the_same_bits_for_any_number_of_threads():
    x = nt.randn(900, 77)
    before = nt.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 4):
            nt.set_num_threads(threads)
            found.append([r.numpy().tobytes() for r in (nt.softmax(x, -1), x.sum(-1), x.sum(), x.logsumexp(1))])
    finally:
        nt.set_num_threads(before)
    assert found[0] == found[1] == found[2]


def test_second_gradient_through_what_a_loss_keeps():
    x = nt.randn(3, 5, dtype=nt.float64, requires_grad=True)
    target = nt.tensor([0, 4, 2])
    assert nt.autograd.gradgradcheck(lambda x: F.cross_entropy(x, target, reduction="none"), (x,))
