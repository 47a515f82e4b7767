"""Attention with scores and masks that are functions of positions, beside scaled_dot_product_attention."""

import math

import pytest

import numbatorch as torch
from numbatorch.nn import functional as F
from numbatorch.nn.attention.flex_attention import (
    AuxRequest,
    and_masks,
    create_block_mask,
    create_mask,
    flex_attention,
    or_masks,
)


def causal(b, h, q, kv):
    return q >= kv


def near(b, h, q, kv):
    return (q - kv).abs() < 2


@pytest.fixture
def heads():
    torch.manual_seed(0)
    return [torch.randn(2, 4, 5, 8, dtype=torch.float64, requires_grad=True) for _ in range(3)]


def test_plain_and_causal_attention_are_the_known_ones(heads):
    torch.testing.assert_close(flex_attention(*heads), F.scaled_dot_product_attention(*heads))
    mask = create_block_mask(causal, None, None, 5, 5)
    result, expected = flex_attention(*heads, block_mask=mask), F.scaled_dot_product_attention(*heads, is_causal=True)
    torch.testing.assert_close(result, expected)
    for own, other in zip(torch.autograd.grad(result.sum(), heads), torch.autograd.grad(expected.sum(), heads),
                          strict=True):
        torch.testing.assert_close(own, other)


def test_scores_are_changed_by_position_and_by_captured_tensors(heads):
    slopes = torch.tensor([0.5, 0.25, 0.125, 0.0625], dtype=torch.float64)
    result, sums = flex_attention(*heads, score_mod=lambda score, b, h, q, kv: score + slopes[h] * (kv - q), scale=1.0,
                                  return_lse=True)
    distance = torch.arange(5) - torch.arange(5).unsqueeze(1)
    bias = slopes.view(4, 1, 1) * distance
    torch.testing.assert_close(result, F.scaled_dot_product_attention(*heads, attn_mask=bias, scale=1.0))
    scores = heads[0] @ heads[1].mT
    torch.testing.assert_close(sums, torch.logsumexp(scores + bias, dim=-1))
    aux = flex_attention(*heads, scale=1.0, return_aux=AuxRequest(max_scores=True))[1]
    torch.testing.assert_close(aux.max_scores, scores.amax(-1))
    assert aux.lse is None


def test_masks_join_and_empty_rows_are_zero(heads):
    both, either = create_mask(and_masks(causal, near), 1, 1, 5, 5), create_mask(or_masks(causal, near), 1, 1, 5, 5)
    rows, columns = torch.arange(5).unsqueeze(1), torch.arange(5)
    assert torch.equal(both[0, 0], (rows >= columns) & ((rows - columns).abs() < 2))
    assert torch.equal(either[0, 0], (rows >= columns) | ((rows - columns).abs() < 2))
    result, sums = flex_attention(*heads, block_mask=create_block_mask(lambda b, h, q, kv: q > kv, None, None, 5, 5),
                                  return_lse=True)
    assert result[:, :, 0].abs().sum() == 0 and (sums[:, :, 0] == -math.inf).all() and not result.isnan().any()


def test_query_heads_share_key_heads(heads):
    query, key, value = heads[0], heads[1][:, :2], heads[2][:, :2]
    torch.testing.assert_close(flex_attention(query, key, value, enable_gqa=True),
                               F.scaled_dot_product_attention(query, key, value, enable_gqa=True))
    with pytest.raises(ValueError, match="4 heads and key 2"):
        flex_attention(query, key, value)


def test_a_block_mask_knows_its_blocks():
    mask = create_block_mask(causal, 2, None, 6, 6, BLOCK_SIZE=2)
    assert mask.shape == (2, 1, 6, 6) and mask.seq_lengths == (6, 6) and mask[0].shape == (1, 1, 6, 6)
    assert mask.to_dense()[0, 0].tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert mask.sparsity() == pytest.approx(100 / 3) and "33.33%" in repr(mask)
    with pytest.raises(TypeError, match="mask_mod must be a function"):
        create_block_mask(3, None, None, 6, 6)
    with pytest.raises(ValueError, match="block_mask is for lengths"):
        flex_attention(*(torch.ones(2, 1, 4, 3) for _ in range(3)), block_mask=mask)
