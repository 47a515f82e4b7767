"""Layers: how they print, what they hold, what they compute."""

import math
import pickle

import pytest

import numbatorch as nt
from numbatorch import nn

# (layer, arguments, how it prints, names and shapes of its state)
PRINTED = [
    ("Linear", (3, 4), "Linear(in_features=3, out_features=4, bias=True)", {"weight": (4, 3), "bias": (4,)}),
    ("Linear", (3, 4, False), "Linear(in_features=3, out_features=4, bias=False)", {"weight": (4, 3)}),
    ("Bilinear", (2, 3, 4), "Bilinear(in1_features=2, in2_features=3, out_features=4, bias=True)",
     {"weight": (4, 2, 3), "bias": (4,)}),
    ("Identity", (3,), "Identity()", {}),
    ("Conv1d", (3, 4, 3), "Conv1d(3, 4, kernel_size=(3,), stride=(1,))", {"weight": (4, 3, 3), "bias": (4,)}),
    ("Conv2d", (4, 8, 3, 2, 1, 2, 2, False, "reflect"),
     "Conv2d(4, 8, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), dilation=(2, 2), groups=2, bias=False, "
     "padding_mode=reflect)", {"weight": (8, 2, 3, 3)}),
    ("Conv2d", (4, 8, 3, 1, "same"), "Conv2d(4, 8, kernel_size=(3, 3), stride=(1, 1), padding=same)",
     {"weight": (8, 4, 3, 3), "bias": (8,)}),
    ("Conv3d", (1, 2, (1, 2, 3)), "Conv3d(1, 2, kernel_size=(1, 2, 3), stride=(1, 1, 1))",
     {"weight": (2, 1, 1, 2, 3), "bias": (2,)}),
    ("ConvTranspose2d", (4, 8, 3, 2, 1, 1, 2),
     "ConvTranspose2d(4, 8, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), output_padding=(1, 1), groups=2)",
     {"weight": (4, 4, 3, 3), "bias": (8,)}),
    ("MaxPool2d", ((2, 3), 1), "MaxPool2d(kernel_size=(2, 3), stride=1, padding=0, dilation=1, ceil_mode=False)", {}),
    ("AvgPool1d", (2,), "AvgPool1d(kernel_size=(2,), stride=(2,), padding=(0,))", {}),
    ("AvgPool2d", (2,), "AvgPool2d(kernel_size=2, stride=2, padding=0)", {}),
    ("AdaptiveAvgPool2d", ((None, 3),), "AdaptiveAvgPool2d(output_size=(None, 3))", {}),
    ("LPPool2d", (2, 3), "LPPool2d(norm_type=2, kernel_size=3, stride=None, ceil_mode=False)", {}),
    ("MaxUnpool2d", (2,), "MaxUnpool2d(kernel_size=(2, 2), stride=(2, 2), padding=(0, 0))", {}),
    ("BatchNorm2d", (4,), "BatchNorm2d(4, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)",
     {"weight": (4,), "bias": (4,), "running_mean": (4,), "running_var": (4,), "num_batches_tracked": ()}),
    ("InstanceNorm2d", (4,),
     "InstanceNorm2d(4, eps=1e-05, momentum=0.1, affine=False, bias=False, track_running_stats=False)", {}),
    ("LayerNorm", ((3, 4),), "LayerNorm((3, 4), eps=1e-05, elementwise_affine=True, bias=True)",
     {"weight": (3, 4), "bias": (3, 4)}),
    ("GroupNorm", (2, 4), "GroupNorm(2, 4, eps=1e-05, affine=True, bias=True)", {"weight": (4,), "bias": (4,)}),
    ("RMSNorm", (4,), "RMSNorm((4,), eps=None, elementwise_affine=True)", {"weight": (4,)}),
    ("LocalResponseNorm", (3,), "LocalResponseNorm(3, alpha=0.0001, beta=0.75, k=1.0)", {}),
    ("Dropout", (0.3, True), "Dropout(p=0.3, inplace=True)", {}),
    ("Embedding", (5, 3, -1, 2.0, 1.0, True, True),
     "Embedding(5, 3, padding_idx=4, max_norm=2.0, norm_type=1.0, scale_grad_by_freq=True, sparse=True)",
     {"weight": (5, 3)}),
    ("Flatten", (), "Flatten(start_dim=1, end_dim=-1)", {}),
    ("Unflatten", (1, (2, 3)), "Unflatten(dim=1, unflattened_size=(2, 3))", {}),
    ("ConstantPad1d", (2, 3.5), "ConstantPad1d(padding=(2, 2), value=3.5)", {}),
    ("ZeroPad2d", ((1, 2, 3, 4),), "ZeroPad2d((1, 2, 3, 4))", {}),
    ("ReflectionPad2d", (1,), "ReflectionPad2d((1, 1, 1, 1))", {}),
    ("CircularPad1d", ((1, 2),), "CircularPad1d((1, 2))", {}),
    ("CosineSimilarity", (), "CosineSimilarity()", {}),
    ("PixelShuffle", (2,), "PixelShuffle(upscale_factor=2)", {}),
    ("Upsample", (None, 2, "bilinear"), "Upsample(scale_factor=2.0, mode='bilinear')", {}),
    ("Fold", ((4, 5), 2), "Fold(output_size=(4, 5), kernel_size=2, dilation=1, padding=0, stride=1)", {}),
    ("ReLU", (True,), "ReLU(inplace=True)", {}),
    ("ReLU6", (), "ReLU6()", {}),
    ("Hardtanh", (-2, 2), "Hardtanh(min_val=-2, max_val=2)", {}),
    ("Threshold", (1, 2), "Threshold(threshold=1, value=2)", {}),
    ("LeakyReLU", (0.2, True), "LeakyReLU(negative_slope=0.2, inplace=True)", {}),
    ("PReLU", (3,), "PReLU(num_parameters=3)", {"weight": (3,)}),
    ("GELU", (), "GELU(approximate='none')", {}),
    ("Softmax", (1,), "Softmax(dim=1)", {}),
    ("Softplus", (), "Softplus(beta=1.0, threshold=20.0)", {}),
    ("CrossEntropyLoss", (), "CrossEntropyLoss()", {}),
    ("TripletMarginWithDistanceLoss", (),
     "TripletMarginWithDistanceLoss(\n  (distance_function): PairwiseDistance()\n)", {}),
]


@pytest.mark.parametrize("name, args, text, state", PRINTED)
def test_layer_prints_and_holds(name, args, text, state):
    layer = getattr(nn, name)(*args)
    assert repr(layer) == text
    assert {key: tuple(value.shape) for key, value in layer.state_dict().items()} == state
    assert repr(pickle.loads(pickle.dumps(layer))) == text


@pytest.mark.parametrize("make, error, text", [
    (lambda: nn.Conv2d(3, 8, 3, groups=2), ValueError, "in_channels must be divisible by groups"),
    (lambda: nn.Conv2d(4, 7, 3, groups=2), ValueError, "out_channels must be divisible by groups"),
    (lambda: nn.Conv2d(4, 8, 3, groups=0), ValueError, "groups must be a positive integer"),
    (lambda: nn.Conv2d(4, 8, 3, padding="all"), ValueError, "Invalid padding string 'all'"),
    (lambda: nn.Conv2d(4, 8, 3, 2, padding="same"), ValueError, "not supported for strided convolutions"),
    (lambda: nn.Conv2d(4, 8, 3, padding_mode="no"), ValueError, "padding_mode must be one of"),
    (lambda: nn.ConvTranspose1d(1, 1, 1, padding_mode="reflect"), ValueError, 'Only "zeros" padding mode'),
    (lambda: nn.GroupNorm(3, 4), ValueError, "must be divisible by num_groups"),
    (lambda: nn.Dropout(2.0), ValueError, "between 0 and 1, but got 2.0"),
    (lambda: nn.Embedding(5, 3, 7), AssertionError, "Padding_idx must be within num_embeddings"),
    (lambda: nn.Embedding.from_pretrained(nt.ones(3)), AssertionError, "2-dimensional"),
    (lambda: nn.Unflatten(1, 3), TypeError, "unflattened_size must be a tuple of ints"),
    (lambda: nn.Hardtanh(1, -1), AssertionError, "must be greater than min_val"),
    (lambda: nn.MultiMarginLoss(3), ValueError, "only p == 1 and p == 2"),
    (lambda: nn.TripletMarginLoss(-1.0), ValueError, "expected margin to be greater than 0"),
    (lambda: nn.BatchNorm2d(3)(nt.ones(2, 3)), ValueError, r"expected 4D input \(got 2D input\)"),
    (lambda: nn.Softmax2d()(nt.ones(2, 3)), ValueError, "expected input to be 3D or 4D, got 2D"),
    (lambda: nn.ConvTranspose2d(1, 1, 3, 2)(nt.ones(1, 1, 4, 4), output_size=(20, 20)), ValueError,
     r"valid sizes range from \[9, 9\] to \[10, 10\]"),
])
def test_layer_refuses(make, error, text):
    with pytest.raises(error, match=text):
        make()


def close(result, expected, tolerance=1e-5):
    difference = (result.detach() - nt.tensor(expected)).abs().max().item()
    assert difference < tolerance, f"{result} is not {expected}"


def test_linear_computes_and_follows_replaced_weights():
    layer = nn.Linear(2, 1)
    layer.load_state_dict({"weight": nt.tensor([[1.0, 2.0]]), "bias": nt.tensor([0.5])})
    x = nt.tensor([[3.0, 4.0]])
    close(layer(x), [[11.5]])
    weight = layer.weight
    del layer.weight
    layer.weight = weight.detach() * 2  # a plain attribute, as weight normalisation leaves it
    close(layer(x), [[22.5]])


def test_batch_norm_measures_in_training_only():
    layer = nn.BatchNorm1d(1)
    x = nt.tensor([[1.0], [3.0]])
    close(layer(x), [[-1.0], [1.0]], 1e-4)
    close(layer.running_mean, [0.2])
    close(layer.running_var, [1.1])  # 0.9 * 1 + 0.1 * the unbiased 2
    assert layer.num_batches_tracked.item() == 1
    layer.eval()
    close(layer(x), [[(1 - 0.2) / math.sqrt(1.1 + 1e-5)], [(3 - 0.2) / math.sqrt(1.1 + 1e-5)]])
    assert layer.num_batches_tracked.item() == 1
    plain = nn.BatchNorm1d(1, momentum=None)
    plain(x)
    plain(x + 2)
    close(plain.running_mean, [3.0])


def test_batch_norm_loads_states_without_a_count():
    layer = nn.BatchNorm1d(2)
    old = {key: value for key, value in layer.state_dict().items() if key != "num_batches_tracked"}
    assert layer.load_state_dict(old).missing_keys == []


def test_layer_norm_and_embedding():
    x = nt.tensor([[1.0, 3.0]])
    close(nn.LayerNorm(2)(x), [[-1.0, 1.0]], 1e-4)
    layer = nn.Embedding(3, 2, padding_idx=-1)
    assert layer.weight[2].tolist() == [0, 0]
    table = nn.Embedding.from_pretrained(nt.tensor([[1.0, 2.0], [3.0, 4.0]]))
    assert table(nt.tensor([1, 0])).tolist() == [[3, 4], [1, 2]] and not table.weight.requires_grad


def test_dropout_only_in_training():
    x = nt.ones(1000)
    layer = nn.Dropout(0.5)
    dropped = layer(x)
    assert set(dropped.tolist()) == {0.0, 2.0} and 300 < (dropped == 0).sum().item() < 700
    assert layer.eval()(x).tolist() == x.tolist()


def test_activations_in_place():
    for make in (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.Hardtanh, nn.SiLU):
        x = nt.tensor([-1.0, 2.0])
        expected = make()(x).tolist()
        assert x.tolist() == [-1, 2]
        assert make(inplace=True)(x) is x and x.tolist() == expected


def test_losses():
    input, target = nt.tensor([1.0, 2.0]), nt.tensor([0.0, 4.0])
    close(nn.MSELoss()(input, target), 2.5)
    close(nn.L1Loss(reduction="sum")(input, target), 3.0)
    close(nn.CrossEntropyLoss()(nt.tensor([[0.0, 0.0]]), nt.tensor([1])), math.log(2))
    close(nn.BCEWithLogitsLoss(pos_weight=nt.tensor([3.0]))(nt.tensor([0.0]), nt.tensor([1.0])), 3 * math.log(2))
    with pytest.warns(UserWarning, match="use reduction='sum'"):
        assert nn.MSELoss(size_average=False).reduction == "sum"


def test_a_small_network_learns():
    nt.manual_seed(0)
    net = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
    x = nt.tensor([[-1.0], [0.0], [1.0]])
    losses = []
    for _ in range(30):
        loss = nn.MSELoss()(net(x), x * x)
        net.zero_grad()
        loss.backward()
        with nt.no_grad():
            for parameter in net.parameters():
                parameter -= 0.1 * parameter.grad
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("name, args, kwargs, shape", [
    ("Linear", (4, 3), {}, (2, 4)), ("Conv1d", (4, 6, 3), {"padding": 1}, (2, 4, 9)),
    ("Conv2d", (4, 6, 3, 2, 1, 1, 2), {}, (2, 4, 6, 6)), ("BatchNorm2d", (4,), {}, (2, 4, 3, 3)),
    ("LayerNorm", (4,), {}, (2, 4)), ("GroupNorm", (2, 4), {}, (2, 4, 3)), ("MaxPool2d", (2,), {}, (2, 4, 6, 6)),
    ("AvgPool2d", (2,), {}, (2, 4, 6, 6)), ("Softmax", (1,), {}, (2, 4)), ("PReLU", (4,), {}, (2, 4, 3)),
])
def test_layer_agrees_with_torch(name, args, kwargs, shape):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    nt.manual_seed(0)
    theirs, ours = getattr(torch.nn, name)(*args, **kwargs), getattr(nn, name)(*args, **kwargs)
    for key, value in theirs.state_dict().items():
        assert ours.state_dict()[key].tolist() == value.tolist(), f"{key} starts differently"
    x = torch.randn(shape)
    expected = theirs(x)
    close(ours(nt.tensor(x.tolist())), expected.tolist())
    assert list(ours.state_dict()) == list(theirs.state_dict()) and repr(ours) == repr(theirs)


def test_an_empty_batch_leaves_the_running_statistics_alone():
    norm = nn.BatchNorm1d(3)
    assert norm(nt.zeros(0, 3, 4)).shape == (0, 3, 4)
    assert norm.running_mean.tolist() == [0, 0, 0] and norm.running_var.tolist() == [1, 1, 1]
    assert norm.num_batches_tracked.item() == 1


def test_losses_name_what_they_do_not_take():
    with pytest.raises(TypeError, match="delta must be a real number, got 1j"):
        nn.HuberLoss(delta=1j)
    with pytest.raises(RuntimeError, match="expected scalar type float32 but found float64"):
        nn.NLLLoss(weight=nt.ones(3, dtype=nt.float64))(nt.zeros(2, 3), nt.tensor([0, 1]))
    with pytest.raises(RuntimeError, match="ignore_index=1"):
        nn.CrossEntropyLoss(ignore_index=1)(nt.zeros(2, 3), nt.zeros(2, 3))
    with pytest.raises(ValueError, match=r"\(2\) to match target batch_size \(5\)"):
        nn.CrossEntropyLoss()(nt.zeros(2, 3), nt.zeros(5, 3))
    with pytest.raises(ValueError, match="eps must be positive during training, but got 0.0"):
        nn.BatchNorm1d(3, eps=0.0)(nt.zeros(2, 3))


def test_no_gradient_of_xlogy_is_no_gradient_where_the_logarithm_is_nan():
    input, other = nt.tensor([1.0, 0.0]).requires_grad_(), nt.tensor([-1.0, -1.0])
    nt.xlogy(input, other).backward(nt.tensor([0.0, 1.0]))
    assert input.grad.tolist() == [0, 0]
