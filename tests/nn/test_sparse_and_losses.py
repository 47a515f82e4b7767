"""EmbeddingBag, CTCLoss, AdaptiveLogSoftmaxWithLoss, CrossMapLRN2d, SyncBatchNorm: what the modules compute."""

import pytest

import numbatorch as nt
from numbatorch import nn

TABLE = nt.arange(10.0).reshape(5, 2)


def _bags(**options):
    return nn.EmbeddingBag.from_pretrained(TABLE.clone(), freeze=False, **options)


@pytest.mark.parametrize(("mode", "expected"), [("sum", [[2.0, 4.0], [0.0, 0.0], [14.0, 16.0]]),
                                                ("mean", [[1.0, 2.0], [0.0, 0.0], [7.0, 8.0]]),
                                                ("max", [[2.0, 3.0], [0.0, 0.0], [8.0, 9.0]])])
def test_bags_begin_at_offsets_and_may_be_empty(mode, expected):
    bags = _bags(mode=mode)
    result = bags(nt.tensor([0, 1, 3, 4]), nt.tensor([0, 2, 2]))
    assert result.tolist() == expected
    closed = _bags(mode=mode, include_last_offset=True)
    assert closed(nt.tensor([0, 1, 3, 4]), nt.tensor([0, 2, 2, 4])).tolist() == expected


def test_bag_of_rows_counts_no_padding_and_takes_weights():
    bags = _bags(mode="sum", padding_idx=-1)
    assert bags.padding_idx == 4
    result = bags(nt.tensor([[1, 4], [2, 3]]), per_sample_weights=nt.tensor([[2.0, 5.0], [1.0, 0.5]]))
    assert result.tolist() == [[4.0, 6.0], [7.0, 8.5]]
    result.sum().backward()
    assert bags.weight.grad.tolist() == [[0, 0], [2, 2], [1, 1], [0.5, 0.5], [0, 0]]


def test_bag_options_reach_the_function():
    limited = _bags(mode="sum", max_norm=1.0)
    assert limited(nt.tensor([[3]])).norm().item() == pytest.approx(1.0, abs=1e-5)
    shared = _bags(mode="sum", scale_grad_by_freq=True)
    shared(nt.tensor([[1, 1, 2]])).sum().backward()
    assert shared.weight.grad[:3].tolist() == [[0, 0], [1, 1], [1, 1]]
    assert repr(limited) == "EmbeddingBag(5, 2, max_norm=1.0, mode='sum')"
    assert not nn.EmbeddingBag.from_pretrained(TABLE).weight.requires_grad
    fresh = nn.EmbeddingBag(5, 2, padding_idx=3)
    assert fresh.weight[3].tolist() == [0, 0] and fresh.weight[0].abs().sum() > 0
    with pytest.raises(AssertionError, match="padding_idx=7, num_embeddings=5"):
        nn.EmbeddingBag(5, 2, padding_idx=7)
    with pytest.raises(ValueError, match="mode"):
        nn.EmbeddingBag(5, 2, mode="median")(nt.tensor([[1]]))


def test_ctc_of_one_label_is_the_sum_over_its_alignments():
    logs = nt.log_softmax(nt.tensor([[[0.0, 1.0, 2.0]], [[1.0, 0.5, 0.0]]]), 2)
    p = logs.exp()[:, 0]
    chance = p[0, 1] * p[1, 1] + p[0, 0] * p[1, 1] + p[0, 1] * p[1, 0]
    loss = nn.CTCLoss(reduction="sum")(logs, nt.tensor([[1]]), [2], [1])
    assert loss.item() == pytest.approx(-chance.log().item(), rel=1e-5)
    short = (logs, nt.tensor([[1, 2, 1]]), [2], [3])
    assert nn.CTCLoss()(*short).item() == float("inf") and nn.CTCLoss(zero_infinity=True)(*short).item() == 0


def test_adaptive_softmax_agrees_with_its_full_distribution():
    nt.manual_seed(0)
    model = nn.AdaptiveLogSoftmaxWithLoss(8, 12, [3, 7], div_value=2.0, head_bias=True)
    input, target = nt.randn(6, 8), nt.tensor([0, 2, 3, 6, 7, 11])
    full = model.log_prob(input)
    nt.testing.assert_close(full.exp().sum(1), nt.ones(6))
    output, loss = model(input, target)
    nt.testing.assert_close(output, full.gather(1, target.unsqueeze(1)).squeeze(1))
    nt.testing.assert_close(loss, -output.mean())
    assert model.predict(input).tolist() == full.argmax(1).tolist()
    alone = model(input[4], target[4])
    nt.testing.assert_close(alone.output, output[4])
    loss.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert [tuple(p.shape) for p in model.tail.parameters()] == [(4, 8), (4, 4), (2, 8), (5, 2)]


def test_adaptive_softmax_runs_only_clusters_it_needs():
    model = nn.AdaptiveLogSoftmaxWithLoss(8, 12, [3, 7], div_value=2.0)
    model(nt.randn(2, 8), nt.tensor([1, 4])).loss.backward()
    assert model.tail[0][0].weight.grad is not None and model.tail[1][0].weight.grad is None


@pytest.mark.parametrize("cutoffs", [[], [4, 3], [0, 3], [4, 12], [4, 4], [1.5]])
def test_adaptive_softmax_refuses_cutoffs_that_do_not_rise(cutoffs):
    with pytest.raises(ValueError, match="cutoffs"):
        nn.AdaptiveLogSoftmaxWithLoss(8, 12, cutoffs)


@pytest.mark.parametrize(("input", "target", "message"), [
    ((3, 8), [1, 2], "one batch size"), ((2, 8), [1, 12], r"\[0, 11\], but are in \[1, 12\]"),
    ((8,), [1], "one dimension more"), ((3, 8), [[1]], "0-d or 1-d")])
def test_adaptive_softmax_errors(input, target, message):
    with pytest.raises(RuntimeError, match=message):
        nn.AdaptiveLogSoftmaxWithLoss(8, 12, [3])(nt.zeros(input), nt.tensor(target))


def test_cross_map_normalisation_counts_neighbours_and_channel_0():
    x = nt.arange(1.0, 6.0).reshape(1, 5, 1, 1)
    result = nn.CrossMapLRN2d(3, alpha=3.0, beta=1.0, k=2.0)(x)
    sums = [1 + 4, 1 + 4 + 9, 1 + 4 + 9 + 16, 1 + 9 + 16 + 25, 1 + 16 + 25]
    # the sum of channel 2 holds channel 0 although it is two away
    expected = [c / (2.0 + s) for c, s in zip(range(1, 6), sums, strict=True)]
    nt.testing.assert_close(result.flatten(), nt.tensor(expected))
    with pytest.raises(ValueError, match=r"got \(2, 3, 4\)"):
        nn.CrossMapLRN2d(3)(nt.zeros(2, 3, 4))


def test_sync_batch_norm_is_batch_norm_of_this_process():
    model = nn.Sequential(nn.BatchNorm2d(3), nn.Sequential(nn.BatchNorm1d(2, bias=False))).eval()
    model[0].running_mean.fill_(2.0)
    weight = model[0].weight
    x = nt.randn(4, 3, 2, 2)
    expected = model[0](x)
    turned = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    assert type(turned[0]) is nn.SyncBatchNorm and type(turned[1][0]) is nn.SyncBatchNorm
    assert turned[0].weight is weight and turned[1][0].bias is None and not turned[0].training
    nt.testing.assert_close(turned[0](x), expected)
    lone = nn.SyncBatchNorm.convert_sync_batchnorm(nn.BatchNorm1d(3))
    assert type(lone) is nn.SyncBatchNorm and lone(nt.randn(4, 3)).shape == (4, 3)
    with pytest.raises(ValueError, match=r"got \(3,\)"):
        lone(nt.randn(3))
    with pytest.raises(NotImplementedError, match="process_group"):
        nn.SyncBatchNorm(3, process_group=object())


def test_old_names_warn():
    with pytest.warns(FutureWarning, match="NLLLoss2d"):
        nn.NLLLoss2d()
    with pytest.warns(FutureWarning, match="Container"):
        assert list(dict(nn.Container(a=nn.ReLU()).named_children())) == ["a"]
