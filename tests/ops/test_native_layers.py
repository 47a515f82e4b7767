"""Layers and in-place forms as functions of `torch`: the same as under their other names, with native arguments."""

import pytest

import numbatorch as torch
from numbatorch.nn import functional as F
from numbatorch.ops.inplace import functions

X = torch.tensor([[0.5, -1.5, 2.0], [1.0, 0.25, -0.75]])


@pytest.mark.parametrize("name", ["exp_", "relu_", "clip_", "arctan_", "negative_", "nan_to_num_", "conj_physical_"])
def test_inplace_function_changes_its_argument(name):
    arguments = (0.0, 1.0) if name == "clip_" else ()
    x = X.clone()
    result = getattr(torch, name)(x, *arguments)
    assert result is x
    assert torch.equal(x, getattr(torch, name.removesuffix("_"))(X, *arguments))


def test_inplace_functions_are_those_of_pytorch_and_no_others():
    assert "relu_" in functions() and "lerp_" not in functions()
    assert not hasattr(torch, "digamma_") and not hasattr(torch.Tensor, "dropout_")


def test_inplace_functions_with_further_arguments():
    assert torch.threshold_(torch.tensor([1.0, 2.0]), 1.5, 0).tolist() == [0.0, 2.0]
    assert torch.fill_(torch.zeros(2), 3).tolist() == [3.0, 3.0]
    assert torch.gcd_(torch.tensor([4, 6]), torch.tensor([6, 9])).tolist() == [2, 3]
    rows = torch.ones(3, 4)
    assert torch.embedding_renorm_(rows, torch.tensor([1]), 1.0, 2.0) is rows
    torch.testing.assert_close(rows.norm(dim=1), torch.tensor([2.0, 1.0, 2.0]))


@pytest.mark.parametrize("name", ["dropout", "alpha_dropout", "feature_dropout", "feature_alpha_dropout"])
def test_dropout_draws_what_functional_dropout_draws(name):
    for train in (True, False):
        torch.manual_seed(1)
        expected = getattr(F, name)(X, 0.5, train)
        torch.manual_seed(1)
        assert torch.equal(getattr(torch, name)(X, 0.5, train), expected)
        torch.manual_seed(1)
        changed = X.clone()
        assert getattr(torch, f"{name}_")(changed, 0.5, train) is changed
        assert torch.equal(changed, expected)
    with pytest.raises(RuntimeError, match="between 0 and 1"):
        getattr(torch, name)(X, 2, True)
    with pytest.raises(TypeError, match="train"):
        getattr(torch, name)(X, 0.5)


def test_feature_dropout_needs_channels():
    with pytest.raises(RuntimeError, match="at least 2 dimensions"):
        torch.feature_dropout(X[0], 0.5, True)


def test_native_dropout_returns_its_mask():
    torch.manual_seed(0)
    value, mask = torch.native_dropout(X, 0.5, True)
    assert mask.dtype is torch.bool and torch.equal(value, X * mask * 2)
    value, mask = torch.native_dropout(X, 0.5, False)
    assert mask.all() and torch.equal(value, X)
    assert not torch.native_dropout(X, 1.0, None)[0].any()


def test_norms_take_parameters_first():
    weight, mean, var = torch.tensor([1.0, 2.0, 3.0]), torch.zeros(3), torch.ones(3)
    expected = F.batch_norm(X, mean.clone(), var.clone(), weight, None, True, 0.1, 1e-5)
    assert torch.equal(torch.batch_norm(X, weight, None, mean, var, True, 0.1, 1e-5, False), expected)
    assert mean.any()
    x = X.reshape(1, 2, 3)
    assert torch.equal(torch.instance_norm(x, None, None, None, None, True, 0.1, 1e-5, True), F.instance_norm(x))


def test_losses_take_the_reduction_as_a_number():
    target = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    loss = F.binary_cross_entropy_with_logits(X, target, reduction="none")
    assert torch.equal(torch.binary_cross_entropy_with_logits(X, target), loss)
    assert torch.equal(torch.binary_cross_entropy_with_logits(X, target, reduction=1), loss.mean())
    assert torch.equal(torch.binary_cross_entropy_with_logits(X, target, None, None, 2), loss.sum())
    with pytest.raises(TypeError, match="must be int"):
        torch.binary_cross_entropy_with_logits(X, target, reduction="mean")
    scores = torch.zeros(4, 1, 3).log_softmax(2)
    lengths = torch.tensor([4]), torch.tensor([2])
    assert torch.equal(torch.ctc_loss(scores, torch.tensor([[1, 2]]), *lengths),
                       F.ctc_loss(scores, torch.tensor([[1, 2]]), *lengths, reduction="none"))


def test_embedding_takes_the_table_first():
    table = torch.arange(8.0).reshape(4, 2).requires_grad_()
    torch.embedding(table, torch.tensor([1, 3, 1]), 1).sum().backward()
    assert table.grad.tolist() == [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [1.0, 1.0]]


def test_embedding_bag_tells_bags_sizes_and_maxima():
    table = torch.tensor([[0.0, 5.0], [1.0, 4.0], [2.0, 3.0]])
    indices, offsets = torch.tensor([0, 2, 1]), torch.tensor([0, 2, 2])
    value, bags, sizes, maxima = torch.embedding_bag(table, indices, offsets, mode=2)
    assert value.tolist() == [[2.0, 5.0], [0.0, 0.0], [1.0, 4.0]]
    assert (bags.tolist(), sizes.tolist()) == ([0, 0, 2], [2, 0, 1])
    assert maxima.tolist() == [[2, 0], [0, 0], [1, 1]]
    value, bags, sizes, maxima = torch.embedding_bag(table, indices, offsets, mode=1, padding_idx=-1)
    assert value[0].tolist() == [0.0, 5.0] and sizes.tolist() == [1, 0, 1]
    with pytest.raises(RuntimeError, match="mode"):
        torch.embedding_bag(table, indices, offsets, mode=3)


def test_convolution_goes_by_the_rank_of_the_weight():
    x, w = torch.randn(2, 3, 8), torch.randn(4, 3, 3)
    assert torch.equal(torch.convolution(x, w, None, [2], [1], [1], False, [0], 1), F.conv1d(x, w, None, 2, 1))
    w = torch.randn(3, 4, 3)
    assert torch.equal(torch.convolution(x, w, None, [2], [1], [1], True, [1], 1),
                       F.conv_transpose1d(x, w, None, 2, 1, 1))
    with pytest.raises(RuntimeError, match="Expected 3-dimensional input"):
        torch.convolution(x[0], w, None, [1], [0], [1], False, [0], 1)
    with pytest.raises(TypeError, match="stride"):
        torch.convolution(x, w, None, 1, [0], [1], False, [0], 1)


def test_conv_tbc_is_a_convolution_over_the_first_dimension():
    x, w, b = torch.randn(5, 2, 3), torch.randn(3, 3, 4), torch.randn(4)
    expected = F.conv1d(x.permute(1, 2, 0), w.permute(2, 1, 0), b, padding=1).permute(2, 0, 1)
    torch.testing.assert_close(torch.conv_tbc(x, w, b, 1), expected)
    with pytest.raises(RuntimeError, match="Bias size"):
        torch.conv_tbc(x, w, b[:3])


def test_fake_quantize_rounds_and_lets_gradients_through_inside_the_range():
    x = torch.tensor([-3.0, 0.26, 0.74, 40.0], requires_grad=True)
    y = torch.fake_quantize_per_tensor_affine(x, 0.5, 2, 0, 15)
    assert y.tolist() == [-1.0, 0.5, 0.5, 6.5]
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 1.0, 1.0, 0.0]
    with pytest.raises(RuntimeError, match="zero_point"):
        torch.fake_quantize_per_tensor_affine(x, 0.5, 20, 0, 15)


def test_fake_quantize_per_channel():
    x = torch.tensor([[0.3, 5.0], [0.3, 5.0]])
    scale, zero = torch.tensor([0.5, 1.0]), torch.zeros(2, dtype=torch.int32)
    assert torch.fake_quantize_per_channel_affine(x, scale, zero, 0, 0, 7).tolist() == [[0.5, 3.5], [0.0, 5.0]]
    with pytest.raises(RuntimeError, match="Zero-point must be"):
        torch.fake_quantize_per_channel_affine(x, scale, zero.long(), 0, 0, 7)
    with pytest.raises(RuntimeError, match="not consistent"):
        torch.fake_quantize_per_channel_affine(x.T[:, :1], scale[:1], zero[:1], 0, 0, 7)


def test_known_statistics_normalise_in_one_pass_with_their_gradients():
    for shape in ((4, 3), (2, 3, 5), (2, 3, 2, 2)):
        x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
        mean, var, weight, bias = (torch.rand(3, dtype=torch.float64) + 0.5 for _ in range(4))
        weight.requires_grad_(), bias.requires_grad_()
        column = (1, 3, *(1,) * (len(shape) - 2))

        def plain(x, weight, bias, mean=mean, var=var, column=column):
            return (x - mean.view(column)) / (var.view(column) + 1e-5).sqrt() * weight.view(column) + bias.view(column)

        made, wanted = torch.nn.functional.batch_norm(x, mean, var, weight, bias), plain(x, weight, bias)
        assert torch.allclose(made, wanted)
        grads = (torch.autograd.grad((y ** 2).sum(), (x, weight, bias)) for y in (made, wanted))
        assert all(torch.allclose(a, b) for a, b in zip(*grads, strict=True))
        half = torch.nn.functional.batch_norm(x.detach().bfloat16(), mean.float(), var.float())
        assert half.dtype is torch.bfloat16 and torch.allclose(half.double(), torch.nn.functional.batch_norm(
            x.detach(), mean, var), rtol=2e-2, atol=2e-2)


def test_group_norm_keeps_the_dtype_of_its_input():
    weight, bias = torch.randn(6), torch.randn(6)
    for channel in (3, 200):  # the weights in a pass of their own, and while rows are walked
        narrow = torch.randn(2, 6, channel).to(torch.bfloat16)
        result = F.group_norm(narrow, 2, weight, bias)
        assert result.dtype is torch.bfloat16
        wide = F.group_norm(narrow.float(), 2, weight, bias)
        assert torch.allclose(result.float(), wide, rtol=2e-2, atol=2e-2)


def test_group_norm_has_the_gradients_of_its_formula():
    for shape, groups in (((2, 6, 3), 3), ((2, 4, 12, 12), 2)):  # weights after the rows are known, and as they are
        x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
        weight, bias = (torch.rand(shape[1], dtype=torch.float64, requires_grad=True) for _ in range(2))
        rows = x.reshape(shape[0], groups, -1)
        wanted = ((rows - rows.mean(-1, True)) / (rows.var(-1, False, True) + 1e-5).sqrt()).reshape(shape)
        column = (1, shape[1], *(1,) * (len(shape) - 2))
        wanted = wanted * weight.view(column) + bias.view(column)
        made = torch.nn.functional.group_norm(x, groups, weight, bias)
        assert torch.allclose(made, wanted)
        grads = (torch.autograd.grad((y ** 3).sum(), (x, weight, bias)) for y in (made, wanted))
        assert all(torch.allclose(a, b) for a, b in zip(*grads, strict=True))


def test_losses_of_classes_by_number():
    logs = torch.randn(5, 4).log_softmax(1).requires_grad_()
    target = torch.tensor([0, 3, 1, 1, 2])
    wanted = torch.stack([-logs[i, t] for i, t in enumerate(target.tolist())])
    for reduction, value in (("none", wanted), ("sum", wanted.sum()), ("mean", wanted.mean())):
        assert torch.allclose(F.nll_loss(logs, target, reduction=reduction), value)
    (made,) = torch.autograd.grad(F.nll_loss(logs, target), logs)
    assert torch.allclose(made, -F.one_hot(target, 4).float() / 5)
    assert torch.allclose(F.nll_loss(logs, target, ignore_index=1), (wanted[0] + wanted[1] + wanted[4]) / 3)
    planes = torch.randn(2, 4, 3)
    assert torch.allclose(F.nll_loss(planes, target[:3].expand(2, 3)), torch.stack(
        [-planes[:, t, i] for i, t in enumerate(target[:3].tolist())]).mean())
    with pytest.raises(IndexError, match="out of bounds"):
        F.nll_loss(logs, target + 1)
