"""MultiheadAttention and the Transformer: what masks do, how parts fit, names and shapes."""

import pytest

import numbatorch as nt
from numbatorch import nn


def _inputs(length, sources, width=8, batch=3):
    nt.manual_seed(0)
    return nt.randn(length, batch, width), nt.randn(sources, batch, width)


def test_weights_are_softmax_of_scaled_products_of_each_head():
    attention = nn.MultiheadAttention(4, 2)
    query, source = _inputs(3, 5, 4, 1)
    result, weights = attention(query, source, source, average_attn_weights=False)
    q, k, v = (x @ w.T + b for x, w, b in zip((query, source, source), attention.in_proj_weight.chunk(3),
                                             attention.in_proj_bias.chunk(3), strict=True))
    heads = []
    for head in range(2):
        part = slice(2 * head, 2 * head + 2)
        expected = nt.softmax(q[:, 0, part] @ k[:, 0, part].T / 2 ** 0.5, -1)
        nt.testing.assert_close(weights[0, head], expected)
        heads.append(expected @ v[:, 0, part])
    nt.testing.assert_close(result[:, 0], attention.out_proj(nt.cat(heads, 1)))


@pytest.mark.parametrize("need_weights", [True, False])
def test_a_masked_source_has_no_influence(need_weights):
    attention = nn.MultiheadAttention(8, 2)
    query, source = _inputs(4, 6)
    blocked = nt.zeros(3, 6, dtype=nt.bool)
    blocked[1, 4:] = True
    first, _ = attention(query, source, source, key_padding_mask=blocked, need_weights=need_weights)
    changed = source.clone()
    changed[4:, 1] = 100.0
    second, _ = attention(query, changed, changed, key_padding_mask=blocked, need_weights=need_weights)
    nt.testing.assert_close(first, second)
    added = nt.zeros(3, 6).masked_fill(blocked, float("-inf"))
    third, _ = attention(query, source, source, key_padding_mask=added, need_weights=need_weights)
    nt.testing.assert_close(first, third)


def test_added_rows_are_sources_too():
    attention = nn.MultiheadAttention(8, 2, add_bias_kv=True, add_zero_attn=True)
    query, source = _inputs(4, 6)
    result, weights = attention(query, source, source)
    assert result.shape == (4, 3, 8) and weights.shape == (3, 4, 8)
    result.sum().backward()
    assert attention.bias_k.grad.abs().sum() > 0 and attention.bias_v.grad.abs().sum() > 0


def test_batch_first_and_no_batch_give_the_same_numbers():
    attention = nn.MultiheadAttention(8, 2, kdim=5, vdim=3)
    first = nn.MultiheadAttention(8, 2, kdim=5, vdim=3, batch_first=True)
    first.load_state_dict(attention.state_dict())
    query, key, value = nt.randn(4, 2, 8), nt.randn(6, 2, 5), nt.randn(6, 2, 3)
    result, weights = attention(query, key, value)
    turned, same = first(query.transpose(0, 1), key.transpose(0, 1), value.transpose(0, 1))
    nt.testing.assert_close(turned, result.transpose(0, 1))
    nt.testing.assert_close(same, weights)
    alone, own = attention(query[:, 0], key[:, 0], value[:, 0])
    nt.testing.assert_close(alone, result[:, 0])
    nt.testing.assert_close(own, weights[0])


def test_merge_masks():
    attention = nn.MultiheadAttention(4, 2, batch_first=True)
    query, rows, padding = nt.zeros(3, 5, 4), nt.ones(5, 5), nt.full((3, 5), 2.0)
    assert attention.merge_masks(None, None, query) == (None, None)
    assert attention.merge_masks(None, padding, query) == (padding, 1)
    merged, kind = attention.merge_masks(rows, padding, query)
    assert kind == 2 and merged.shape == (3, 2, 5, 5) and bool((merged == 3).all())


def test_errors_name_the_sizes():
    with pytest.raises(AssertionError, match="embed_dim=6 and num_heads=4"):
        nn.MultiheadAttention(6, 4)
    with pytest.raises(ValueError, match="num_heads=0"):
        nn.MultiheadAttention(6, 0)
    with pytest.raises(RuntimeError, match="d_model=8"):
        nn.Transformer(8, 2, 1, 1, 16)(nt.zeros(3, 2, 7), nt.zeros(3, 2, 8))
    with pytest.raises(RuntimeError, match=r"\(3, 2, 8\) and tgt \(3, 1, 8\)"):
        nn.Transformer(8, 2, 1, 1, 16)(nt.zeros(3, 2, 8), nt.zeros(3, 1, 8))
    with pytest.raises(RuntimeError, match="'tanh'"):
        nn.TransformerEncoderLayer(8, 2, activation="tanh")


@pytest.mark.parametrize("options", [{}, {"norm_first": True, "activation": "gelu", "batch_first": True},
                                     {"bias": False}])
def test_a_causal_decoder_does_not_look_ahead(options):
    nt.manual_seed(0)
    model = nn.Transformer(8, 2, 1, 1, 16, dropout=0.0, **options)
    time = 1 if options.get("batch_first") else 0
    src, tgt = nt.randn(5, 5, 8), nt.randn(5, 5, 8)
    mask = nn.Transformer.generate_square_subsequent_mask(5)
    assert mask.tolist()[1][:3] == [0.0, 0.0, float("-inf")]
    first = model(src, tgt, tgt_mask=mask)
    changed = tgt.clone()
    changed.select(time, 4).fill_(7.0)
    second = model(src, changed, tgt_mask=mask)
    nt.testing.assert_close(first.narrow(time, 0, 4), second.narrow(time, 0, 4))
    assert not nt.allclose(first.select(time, 4), second.select(time, 4))
    first.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_the_encoder_tells_layers_that_a_mask_is_causal():
    told = []

    class Layer(nn.Module):
        def forward(self, src, src_mask, is_causal, src_key_padding_mask):
            told.append(is_causal)
            return src

    encoder = nn.TransformerEncoder(Layer(), 1)
    mask = nn.Transformer.generate_square_subsequent_mask(4)
    for given, hint in ((mask, None), (mask < 0, None), (nt.zeros(4, 4), None), (None, None), (mask, False)):
        encoder(nt.zeros(4, 2, 8), mask=given, is_causal=hint)
    assert told == [True, True, False, False, False]


def test_parameters_of_a_layer_have_the_usual_names():
    layer = nn.TransformerEncoderLayer(4, 2, 6)
    assert [(name, tuple(p.shape)) for name, p in layer.named_parameters()] == [
        ("self_attn.in_proj_weight", (12, 4)), ("self_attn.in_proj_bias", (12,)),
        ("self_attn.out_proj.weight", (4, 4)), ("self_attn.out_proj.bias", (4,)),
        ("linear1.weight", (6, 4)), ("linear1.bias", (6,)), ("linear2.weight", (4, 6)), ("linear2.bias", (4,)),
        ("norm1.weight", (4,)), ("norm1.bias", (4,)), ("norm2.weight", (4,)), ("norm2.bias", (4,))]
    assert "NonDynamicallyQuantizableLinear(in_features=4, out_features=4, bias=True)" in repr(layer)


def test_padding_is_left_out_in_inference():
    nt.manual_seed(0)
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 1).eval()
    src, padding = nt.randn(2, 4, 8), nt.tensor([[False, False, True, True], [False] * 4])
    recorded = encoder(src, src_key_padding_mask=padding)
    with nt.no_grad():
        result = encoder(src, src_key_padding_mask=padding)
        within = encoder(src, src_key_padding_mask=padding.flip(1))  # padding does not end the sequences
    assert not result[0, 2:].any() and recorded[0, 2:].any() and within.all()
    nt.testing.assert_close(result[0, :2], recorded[0, :2])
    nt.testing.assert_close(result[1], recorded[1])
    encoder.enable_nested_tensor = False
    with nt.no_grad():
        nt.testing.assert_close(encoder(src, src_key_padding_mask=padding), recorded)
