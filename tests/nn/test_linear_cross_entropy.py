"""linear_cross_entropy: chunks give what the whole gives, and no more logits than theirs exist."""

import pytest

import numbatorch as nt
from numbatorch import nn
from numbatorch.nn import functional as F

OPTIONS = nn.LinearCrossEntropyOptions


def _case(kind, rows=7, classes=5, width=3):
    nt.manual_seed(0)
    outer = (2,) if kind == "positions" else ()
    input, weight = nt.randn(rows, width), nt.randn(classes, *outer, width)
    bias = None if kind == "plain" else nt.randn(classes, *outer)
    if kind == "probabilities":
        target = nt.rand(rows, classes).softmax(1)
    else:
        target = nt.randint(0, classes, (rows, *outer))
    return input, weight, bias, target


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("kind", "more"), [
    ("plain", {}), ("bias", {"ignore_index": 1}), ("positions", {}), ("probabilities", {}),
    ("bias", {"label_smoothing": 0.2, "weight": [1.0, 2.0, 0.5, 1.5, 3.0]}),
    ("bias", {"weight": [1.0, 2.0, 0.5, 1.5, 3.0], "ignore_index": 2})])
def test_chunks_agree_with_the_whole(kind, more, reduction):
    if "weight" in more:
        more = {**more, "weight": nt.tensor(more["weight"])}
    *layer, target = _case(kind)
    found = []
    for options in (None, OPTIONS(batch_chunk_size=3), OPTIONS()):
        leaves = [None if x is None else x.clone().requires_grad_() for x in layer]
        loss = F.linear_cross_entropy(leaves[0], leaves[1], target, linear_bias=leaves[2], reduction=reduction,
                                      options=options, **more)
        loss.backward(nt.linspace(1.0, 2.0, loss.numel()).reshape(loss.shape))
        found.append([loss, *(x.grad for x in leaves if x is not None)])
    logits = layer[0] @ layer[1].reshape(-1, 3).T
    logits = logits.reshape(7, *layer[1].shape[:-1]) + (0 if layer[2] is None else layer[2])
    nt.testing.assert_close(found[0][0], F.cross_entropy(logits, target, reduction=reduction, **more))
    for other in found[1:]:
        nt.testing.assert_close(other, found[0])


def test_probabilities_and_weights_of_classes_have_gradients():
    input, layer, _, target = _case("probabilities")
    found = []
    for options in (None, OPTIONS(batch_chunk_size=3)):
        goal, weight = target.clone().requires_grad_(), nt.ones(5).requires_grad_()
        F.linear_cross_entropy(input, layer, goal, options=options).backward()
        F.linear_cross_entropy(input, layer, target, weight=weight, options=options).backward()
        found.append([goal.grad, weight.grad])
    nt.testing.assert_close(*found)


def test_no_chunk_sees_more_rows_than_asked(monkeypatch):
    from numbatorch.ops import linear_loss
    seen = []
    logits = linear_loss._logits

    def watched(input, *rest):
        seen.append(input.shape[0])
        return logits(input, *rest)
    monkeypatch.setattr(linear_loss, "_logits", watched)
    input, weight, _, target = _case("plain")
    weight.requires_grad_()
    F.linear_cross_entropy(input, weight, target, options=OPTIONS(batch_chunk_size=3)).backward()
    assert seen == [3, 3, 1] * 2


def test_only_wanted_gradients_are_computed_and_backward_may_be_repeated():
    input, weight, bias, target = _case("bias")
    bias.requires_grad_()
    loss = F.linear_cross_entropy(input, weight, target, linear_bias=bias, options=OPTIONS(batch_chunk_size=2))
    loss.backward(retain_graph=True)
    first = bias.grad.clone()
    loss.backward()
    nt.testing.assert_close(bias.grad, 2 * first)
    assert input.grad is None and weight.grad is None


def test_second_gradients():
    *layer, target = _case("bias")
    leaves = [x.double().requires_grad_() for x in layer]
    nt.autograd.gradgradcheck(lambda x, w, b: F.linear_cross_entropy(x, w, target, linear_bias=b,
                                                                     options=OPTIONS(batch_chunk_size=3)), leaves)


def test_sums_of_halves_are_kept_wide():
    nt.manual_seed(0)
    input, weight = nt.randn(64, 8).bfloat16(), nt.randn(20, 8).bfloat16()
    target = nt.randint(0, 20, (64,))
    exact = F.linear_cross_entropy(input.float(), weight.float(), target)
    for options in (OPTIONS(batch_chunk_size=4), OPTIONS(batch_chunk_size=4, acc_policy="balanced")):
        wide = weight.clone().requires_grad_()
        loss = F.linear_cross_entropy(input, wide, target, options=options)
        assert loss.dtype is nt.bfloat16 and abs(loss.item() - exact.item()) < 0.02
        loss.backward()
        assert wide.grad.dtype is nt.bfloat16


def test_rows_of_a_chunk():
    plan = OPTIONS().resolve(64, 4, 10, nt.float32)
    assert plan == (16, None, nt.float32)  # half of 32
    assert OPTIONS().resolve(1024, 128, 16000, nt.float32).rows == 64  # not 4, which are slow
    assert OPTIONS(chunking_method="aspect_ratio:2").resolve(1024, 128, 16000, nt.float32).rows == 8
    assert OPTIONS().resolve(64, 4, 10, nt.bfloat16) == (32, nt.float32, nt.float32)
    assert OPTIONS(chunking_method="aspect_ratio").resolve(10, 100, 5, nt.float32).rows == 10
    assert OPTIONS(chunking_method=None).resolve(10, 4, 5, nt.float32).rows == 10
    assert OPTIONS(chunking_method="aspect_ratio:100").resolve(10, 4, 5, nt.float32).rows == 1
    with pytest.raises(ValueError, match="batch_chunk_size=2 and chunking_method='aspect_ratio'"):
        OPTIONS(batch_chunk_size=2, chunking_method="aspect_ratio").resolve(64, 4, 10, nt.float32)
    with pytest.raises(RuntimeError, match="acc_dtype=torch.float64"):
        OPTIONS(acc_dtype=nt.float64).resolve(64, 4, 10, nt.float32)


@pytest.mark.parametrize("wrong", [{"batch_chunk_size": 0}, {"batch_chunk_size": 1.5}, {"chunking_method": "rows"},
                                   {"chunking_method": "aspect_ratio:0"}, {"acc_policy": "x"},
                                   {"acc_dtype": nt.int32}])
def test_options_are_checked(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        OPTIONS(**wrong)


@pytest.mark.parametrize(("input", "weight", "target", "more", "message"), [
    ((2, 3, 3), (2, 3), (3, 2), {}, r"got \(2, 3, 3\)"),
    ((2, 3), (2,), (2, 2), {}, r"linear_weight must be .* got \(2,\)"),
    ((2, 3), (2, 4), (2, 2), {}, "same last size"),
    ((2, 3), (2, 3), (2, 2), {"ignore_index": 0}, "ignore_index=0 means a class"),
    ((3,), (2, 4, 3), (2, 4), {}, r"\(N, 3\), got \(3,\)"),
    ((2, 3), (2, 3), (2, 2), {"linear_bias": nt.zeros(3)}, r"linear_bias must have the shape \(2,\) .* got \(3,\)")])
def test_errors_name_the_shapes(input, weight, target, more, message):
    with pytest.raises(RuntimeError, match=message):
        F.linear_cross_entropy(nt.zeros(input), nt.zeros(weight), nt.zeros(target), **more)


def test_module():
    nt.manual_seed(0)
    module = nn.LinearCrossEntropyLoss(3, 5, out_features=(2,), bias=True, options=OPTIONS(batch_chunk_size=2))
    input, target = nt.randn(4, 3), nt.randint(0, 5, (4, 2))
    logits = module.linear(input).reshape(4, 5, 2)
    nt.testing.assert_close(module(input, target), F.cross_entropy(logits, target))
    assert module.linear.weight.shape == (10, 3)
    assert repr(nn.LinearCrossEntropyLoss(3, 4)).split("\n")[1] == (
        "  in_features=3, num_classes=4, out_features=(), bias=False, reduction=mean, ignore_index=None, "
        "label_smoothing=0.0, options=None")
