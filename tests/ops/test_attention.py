"""Attention, bags of embeddings and ctc_loss: known answers and equivalences."""

import math

import pytest

import numbatorch as nt

F = nt.nn.functional


def _qkv():
    nt.manual_seed(0)
    return (nt.randn(2, 4, 5, 8), nt.randn(2, 2, 6, 8), nt.randn(2, 2, 6, 3))


def test_grouped_heads_are_repeated_heads():
    q, k, v = _qkv()
    grouped = F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
    repeated = F.scaled_dot_product_attention(q, k.repeat_interleave(2, 1), v.repeat_interleave(2, 1))
    assert grouped.allclose(repeated, atol=1e-6)


def test_causal_is_a_triangular_mask():
    q, k, v = _qkv()
    q = q[:, :2]
    mask = nt.ones(5, 6, dtype=nt.bool).tril()
    causal = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    assert causal.allclose(F.scaled_dot_product_attention(q, k, v, attn_mask=mask), atol=1e-6)
    with pytest.raises(RuntimeError, match="is_causal"):
        F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=True)


def test_row_that_sees_nothing_is_zero_and_so_is_its_gradient():
    q, k, v = (x[:, :2].clone().requires_grad_() for x in _qkv())
    mask = nt.ones(5, 6, dtype=nt.bool)
    mask[2] = False
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    assert y[:, :, 2].abs().max() == 0
    y.sum().backward()
    assert q.grad.isfinite().all() and q.grad[:, :, 2].abs().max() == 0


def test_embedding_bag_of_offsets_is_that_of_rows():
    nt.manual_seed(0)
    table, index = nt.randn(7, 3), nt.tensor([[1, 2, 2], [0, 6, 1]])
    for mode in ("sum", "mean", "max"):
        rows = F.embedding_bag(index, table, mode=mode)
        flat = F.embedding_bag(index.reshape(-1), table, nt.tensor([0, 3]), mode=mode)
        assert rows.allclose(flat, atol=1e-6)
    assert F.embedding_bag(nt.tensor([1]), table, nt.tensor([0, 1]), mode="max")[1].tolist() == [0, 0, 0]


def test_ctc_loss_of_one_label_adds_up_its_alignments():
    logs = nt.tensor([[0.25, 0.75], [0.5, 0.5]]).log().unsqueeze(1)  # blank 0
    loss = F.ctc_loss(logs, nt.tensor([[1]]), [2], [1], reduction="none")
    assert math.isclose(loss.item(), -math.log(0.75 * 0.5 + 0.75 * 0.5 + 0.25 * 0.5), rel_tol=1e-6)


def test_ctc_loss_refuses_second_gradients():
    logs = nt.randn(4, 1, 3, dtype=nt.float64).log_softmax(-1).requires_grad_()
    (gradient,) = nt.autograd.grad(F.ctc_loss(logs, nt.tensor([[1]]), [4], [1]), logs, create_graph=True)
    assert gradient.isfinite().all()
    with pytest.raises(NotImplementedError, match="ctc_loss"):
        gradient.sum().backward()


def test_ctc_loss_without_a_way_is_infinite_or_zero():
    logs = nt.full((1, 1, 3), 1 / 3).log().requires_grad_()
    assert F.ctc_loss(logs, nt.tensor([[1, 2]]), [1], [2]).item() == math.inf
    loss = F.ctc_loss(logs, nt.tensor([[1, 2]]), [1], [2], zero_infinity=True)
    loss.backward()
    assert loss.item() == 0 and logs.grad.abs().max() == 0


def test_distance_of_a_row_to_itself_has_no_gradient():
    x = nt.ones(2, 3, requires_grad=True)
    nt.cdist(x, x).sum().backward()
    assert x.grad.abs().max() == 0


@pytest.mark.parametrize("length", [0, 1, 5])
def test_heads_that_share_keys_meet_them_where_they_are(length):
    generator = nt.Generator().manual_seed(3)
    q, k, v = (nt.randn(2, heads, rows, 4, dtype=nt.float64, generator=generator)
               for heads, rows in ((6, length), (2, 7), (2, 7)))
    repeated = F.scaled_dot_product_attention(q, k.repeat_interleave(3, 1), v.repeat_interleave(3, 1))
    shared = F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
    assert shared.shape == (2, 6, length, 4) and nt.allclose(shared, repeated, rtol=1e-12, atol=1e-12)
