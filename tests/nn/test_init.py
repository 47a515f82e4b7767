"""Initialisation: values, bounds, the order of random draws; and the helpers of nn.utils."""

import math

import pytest

import numbatorch as nt
from numbatorch import nn
from numbatorch.nn import init


def seeded(fill, shape=(40, 50), *args, **kwargs):
    nt.manual_seed(1)
    tensor = nt.empty(shape)
    assert fill(tensor, *args, **kwargs) is tensor
    return tensor


def spread(tensor):
    values = [v for row in tensor.tolist() for v in row]
    mean = sum(values) / len(values)
    return mean, math.sqrt(sum((v - mean) ** 2 for v in values) / len(values)), max(abs(v) for v in values)


def test_gains():
    assert init.calculate_gain("relu") == math.sqrt(2) and init.calculate_gain("tanh") == 5 / 3
    assert init.calculate_gain("leaky_relu", 0.2) == math.sqrt(2 / 1.04)
    for name, param, text in (("none", None, "Unsupported nonlinearity none"),
                              ("leaky_relu", True, "not a valid number")):
        with pytest.raises(ValueError, match=text):
            init.calculate_gain(name, param)


@pytest.mark.parametrize("fill, args, bound", [
    (init.uniform_, (-2.0, 2.0), 2.0), (init.xavier_uniform_, (), math.sqrt(6 / 90)),
    (init.kaiming_uniform_, (math.sqrt(5),), 1 / math.sqrt(50)),
    (init.kaiming_uniform_, (0, "fan_out"), math.sqrt(6 / 40)),
])
def test_uniform_bounds(fill, args, bound):
    mean, std, largest = spread(seeded(fill, (40, 50), *args))
    assert abs(mean) < 0.1 * bound and abs(std - bound / math.sqrt(3)) < 0.1 * bound and 0.9 * bound < largest <= bound


@pytest.mark.parametrize("fill, args, std", [
    (init.normal_, (0.0, 2.0), 2.0), (init.xavier_normal_, (2.0,), 2 * math.sqrt(2 / 90)),
    (init.kaiming_normal_, (0, "fan_in", "relu"), math.sqrt(2 / 50)),
])
def test_normal_deviations(fill, args, std):
    mean, measured, _ = spread(seeded(fill, (40, 50), *args))
    assert abs(mean) < 0.1 * std and abs(measured - std) < 0.1 * std


def test_trunc_normal_stays_inside():
    for low, high in ((-2.0, 2.0), (-0.5, 1.0), (2.0, 3.0)):
        values = seeded(init.trunc_normal_, (500,), a=low, b=high).tolist()
        assert low <= min(values) and max(values) <= high and len(set(values)) > 490
    with pytest.warns(UserWarning, match="more than 2 std"):
        init.trunc_normal_(nt.empty(3), 5.0)


def test_fixed_values():
    assert init.eye_(nt.empty(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert init.ones_(nt.empty(2)).tolist() == [1, 1] and init.constant_(nt.empty(2), 3).tolist() == [3, 3]
    kernel = init.dirac_(nt.empty(4, 2, 3), groups=2)
    assert [k.tolist() for k in kernel[:, :, 1]] == [[1, 0], [0, 1], [1, 0], [0, 1]] and kernel.sum().item() == 4


def test_sparse_columns():
    tensor = seeded(init.sparse_, (10, 6), 0.3)
    assert (tensor == 0).sum(0).tolist() == [3] * 6


@pytest.mark.parametrize("shape", [(3, 5), (5, 3)])
def test_orthogonal(shape):
    tensor = seeded(init.orthogonal_, shape, 2.0)
    product = tensor @ tensor.t() if shape[0] < shape[1] else tensor.t() @ tensor
    assert (product - 4 * nt.eye(3)).abs().max().item() < 1e-5


@pytest.mark.parametrize("fill, shape, text", [
    (init.kaiming_uniform_, (3,), "Fan in and fan out"), (init.xavier_normal_, (3,), "Fan in and fan out"),
    (init.eye_, (3,), "2 dimensions"), (init.dirac_, (3,), "3, 4, or 5 dimensions"),
    (init.orthogonal_, (3,), "2 or more dimensions"),
])
def test_shapes_that_do_not_fit(fill, shape, text):
    with pytest.raises(ValueError, match=text):
        fill(nt.empty(shape))


def test_empty_weights_and_old_names():
    with pytest.warns(UserWarning, match="no-op"):
        init.kaiming_normal_(nt.empty(0, 3))
    with pytest.warns(FutureWarning, match="deprecated in favor of `nn.init.uniform_`"):
        init.uniform(nt.empty(1))


@pytest.mark.parametrize("name, args", [
    ("uniform_", (1.0, 2.0)), ("normal_", (1.0, 2.0)), ("trunc_normal_", ()), ("trunc_normal_", (0.0, 1.0, 2.0, 3.0)),
    ("xavier_uniform_", ()), ("kaiming_normal_", ()), ("sparse_", (0.4,)), ("orthogonal_", ()),
])
def test_one_seed_gives_torchs_weights(name, args):
    torch = pytest.importorskip("torch")
    ours = seeded(getattr(init, name), (5, 7), *args)
    torch.manual_seed(1)
    theirs = getattr(torch.nn.init, name)(torch.empty(5, 7), *args)
    assert (ours - nt.tensor(theirs.tolist())).abs().max().item() < 1e-5
    assert nt.rand(1).item() == torch.rand(1).item()  # as many draws were taken


def parameters(*grads):
    made = []
    for grad in grads:
        made.append(nn.Parameter(nt.zeros(len(grad))))
        made[-1].grad = nt.tensor(grad)
    return made


def test_clipping_by_norm():
    made = [*parameters([3.0], [0.0, 4.0]), nn.Parameter(nt.zeros(1))]
    assert nn.utils.clip_grad_norm_(made, 1.0).item() == 5
    assert abs(made[0].grad.item() - 0.6) < 1e-5 and abs(made[1].grad[1].item() - 0.8) < 1e-5
    assert nn.utils.clip_grad_norm_(made, 9.0, norm_type=math.inf).item() == pytest.approx(0.8)
    assert nn.utils.get_total_norm([], 2.0).item() == 0
    with pytest.raises(RuntimeError, match="non-finite"):
        nn.utils.clip_grad_norm_(parameters([math.inf]), 1.0, error_if_nonfinite=True)


def test_clipping_by_value():
    made = parameters([3.0, -4.0, 0.5])
    nn.utils.clip_grad_value_(made, 1.0)
    assert made[0].grad.tolist() == [1, -1, 0.5]


def test_parameters_as_one_vector():
    net = nn.Linear(2, 1)
    assert nn.utils.parameters_to_vector(net.parameters()).shape == (3,)
    nn.utils.vector_to_parameters(nt.tensor([1.0, 2.0, 3.0]), net.parameters())
    assert net.weight.tolist() == [[1, 2]] and net.bias.tolist() == [3]
    with pytest.raises(TypeError, match="expected a Tensor"):
        nn.utils.vector_to_parameters(3, net.parameters())


def test_pad_sequence():
    sequences = [nt.tensor([1.0]), nt.tensor([2.0, 3.0])]
    assert nn.utils.rnn.pad_sequence(sequences).tolist() == [[1, 2], [0, 3]]
    left = nn.utils.rnn.pad_sequence(sequences, batch_first=True, padding_value=9.0, padding_side="left")
    assert left.tolist() == [[9, 1], [2, 3]]
    padded = nn.utils.rnn.pad_sequence(sequences, batch_first=True)
    assert [s.tolist() for s in nn.utils.rnn.unpad_sequence(padded, nt.tensor([1, 2]), True)] == [[1], [2, 3]]
    for bad, text in (([], "empty list"), ([nt.ones(1, 2), nt.ones(1, 3)], "sizes after the first differ")):
        with pytest.raises(RuntimeError, match=text):
            nn.utils.rnn.pad_sequence(bad)
