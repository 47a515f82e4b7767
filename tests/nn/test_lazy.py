"""Lazy modules: shapes from the first input or from a state dict, and what works before."""

import copy
import io
import pickle

import pytest

import numbatorch as nt
from numbatorch import nn
from numbatorch.nn.modules.lazy import LazyModuleMixin
from numbatorch.nn.parameter import is_lazy

# (class, arguments, ordinary class, its arguments, input)
LAYERS = [
    ("LazyLinear", (3,), "Linear", (4, 3), (2, 4)),
    ("LazyLinear", (3, False), "Linear", (4, 3, False), (2, 5, 4)),
    ("LazyConv1d", (6, 2), "Conv1d", (4, 6, 2), (2, 4, 5)),
    ("LazyConv2d", (6, 2, 1, 0, 1, 2), "Conv2d", (4, 6, 2, 1, 0, 1, 2), (4, 5, 5)),
    ("LazyConv3d", (2, 1), "Conv3d", (3, 2, 1), (1, 3, 2, 2, 2)),
    ("LazyConvTranspose1d", (6, 2), "ConvTranspose1d", (4, 6, 2), (2, 4, 5)),
    ("LazyConvTranspose2d", (6, 2, 1, 0, 0, 2), "ConvTranspose2d", (4, 6, 2, 1, 0, 0, 2), (2, 4, 5, 5)),
    ("LazyConvTranspose3d", (2, 1), "ConvTranspose3d", (3, 2, 1), (1, 3, 2, 2, 2)),
    ("LazyBatchNorm1d", (), "BatchNorm1d", (4,), (3, 4)),
    ("LazyBatchNorm2d", (1e-4, 0.2, False), "BatchNorm2d", (4, 1e-4, 0.2, False), (3, 4, 2, 2)),
    ("LazyBatchNorm3d", (), "BatchNorm3d", (2,), (3, 2, 2, 2, 2)),
    ("LazyInstanceNorm1d", (), "InstanceNorm1d", (4, 1e-5, 0.1, True, True), (3, 4, 5)),
    ("LazyInstanceNorm2d", (1e-5, 0.1, False, False), "InstanceNorm2d", (4,), (3, 4, 2, 2)),
    ("LazyInstanceNorm3d", (), "InstanceNorm3d", (2, 1e-5, 0.1, True, True), (3, 2, 2, 2, 2)),
]


@pytest.mark.parametrize(("lazy", "arguments", "name", "plain", "shape"), LAYERS)
def test_a_lazy_layer_becomes_the_ordinary_one(lazy, arguments, name, plain, shape):
    layer = getattr(nn, lazy)(*arguments)
    assert repr(layer).startswith(lazy) and isinstance(layer, getattr(nn, name))
    nt.manual_seed(1)
    input = nt.randn(shape)
    nt.manual_seed(0)
    result = layer(input)
    nt.manual_seed(0)
    expected = getattr(nn, name)(*plain)
    assert type(layer) is getattr(nn, name) and repr(layer) == repr(expected)
    assert layer.state_dict().keys() == expected.state_dict().keys()
    assert all(type(p) is nn.Parameter for p in layer.parameters())
    assert not layer._forward_pre_hooks and not layer._load_state_dict_pre_hooks
    nt.testing.assert_close(result, expected(input))  # the same seed gives the same parameters
    assert set(vars(layer)) == set(vars(expected))


@pytest.mark.parametrize(("lazy", "arguments", "name", "plain", "shape"), LAYERS)
def test_shapes_come_from_a_state_dict(lazy, arguments, name, plain, shape):
    trained = getattr(nn, name)(*plain)
    layer = getattr(nn, lazy)(*arguments)
    layer.load_state_dict(trained.state_dict())
    assert not layer.has_uninitialized_params()
    input = nt.randn(shape)
    nt.testing.assert_close(layer(input), trained(input))
    assert type(layer) is getattr(nn, name) and repr(layer) == repr(trained)


def test_state_without_shapes():
    empty = nn.LazyLinear(3).state_dict()
    assert all(is_lazy(value) for value in empty.values())
    assert not nn.LazyLinear(3).load_state_dict(empty).missing_keys
    with pytest.raises(RuntimeError, match='"weight" has no shape in the checkpoint'):
        nn.Linear(4, 3).load_state_dict(empty)


def test_parameters_without_a_shape_can_be_moved_but_not_used():
    layer = nn.LazyLinear(3).double()
    weight = layer.weight
    assert weight.dtype is nt.float64 and weight.requires_grad and weight.grad is None and weight.is_leaf
    assert repr(weight) == "<UninitializedParameter>" and isinstance(weight, nn.Parameter)
    for use in (lambda: weight + 1, lambda: weight.sum(), lambda: nt.relu(weight), lambda: weight.numel(),
                lambda: weight.dim(), lambda: len(weight), lambda: weight.clone(), lambda: weight[0]):
        with pytest.raises(ValueError, match="UninitializedParameter, which has no shape"):
            use()
    with pytest.raises(RuntimeError, match="no shape yet"):
        weight.shape  # noqa: B018
    with pytest.raises(RuntimeError, match="share_memory_"):
        layer.share_memory()
    layer(nt.zeros(2, 4, dtype=nt.float64))
    assert layer.weight is weight and weight.dtype is nt.float64 and weight.shape == (3, 4)


def test_the_operation_is_named():
    with pytest.raises(ValueError, match="^relu: "):
        nt.relu(nn.UninitializedParameter())


def test_buffers_without_a_shape():
    norm = nn.LazyBatchNorm1d().double()
    assert isinstance(norm.running_mean, nn.UninitializedBuffer) and isinstance(norm.running_mean, nn.Buffer)
    assert norm.running_mean.dtype is nt.float64
    norm(nt.randn(5, 2, dtype=nt.float64))
    assert type(norm.running_mean) is nt.Tensor and norm.running_var.shape == (2,)
    assert norm.running_mean.dtype is nt.float64 and norm.num_batches_tracked.item() == 1
    hidden = nn.UninitializedBuffer(persistent=False)
    hidden.materialize((2, 3), dtype=nt.float16)
    assert type(hidden) is nt.Tensor and hidden.dtype is nt.float16 and not hidden.persistent


def test_copies_stay_lazy():
    layer = nn.LazyLinear(3)
    layer.bias.requires_grad_(False)
    written = io.BytesIO()
    nt.save(layer.state_dict(), written)
    written.seek(0)
    loaded = nt.load(written)
    for bias in (copy.deepcopy(layer).bias, pickle.loads(pickle.dumps(layer)).bias, loaded["bias"]):
        assert type(bias) is nn.UninitializedParameter and not bias.requires_grad
    twin = copy.deepcopy(layer)
    twin(nt.zeros(2, 5))
    assert twin.in_features == 5 and layer.has_uninitialized_params()
    layer(nt.zeros(2, 4))
    assert layer.in_features == 4


def test_an_optimizer_made_before_the_first_call_trains_after_it():
    model = nn.Sequential(nn.LazyLinear(3), nn.ReLU(), nn.LazyLinear(1))
    optimizer = nt.optim.SGD(model.parameters(), lr=0.1)
    loss = model(nt.ones(2, 4)).sum()
    before = model[2].weight.detach().clone()
    loss.backward()
    optimizer.step()
    assert [type(module) for module in model] == [nn.Linear, nn.ReLU, nn.Linear]
    assert not nt.equal(model[2].bias, nt.zeros(1)) and before.shape == model[2].weight.shape


def test_mixin_for_modules_of_ones_own():
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = nn.Parameter(nt.ones(1))

        def forward(self, input, *, twice=False):
            return input * self.factor * (2 if twice else 1)

    class LazyScale(LazyModuleMixin, Scale):
        cls_to_become = Scale

        def __init__(self):
            super().__init__()
            self.factor = nn.UninitializedParameter()

        def initialize_parameters(self, input, *, twice=False):
            self.factor.materialize(input.shape[1:])
            nn.init.ones_(self.factor)

    scale = LazyScale()
    assert scale(nt.ones(2, 3), twice=True).tolist() == [[2, 2, 2]] * 2
    assert type(scale) is Scale and scale.factor.shape == (3,)

    class Forgetful(LazyScale):
        def initialize_parameters(self, input, *, twice=False):
            pass

    with pytest.raises(RuntimeError, match="not been fully initialized"):
        Forgetful()(nt.ones(2, 3))


def test_errors():
    with pytest.raises(RuntimeError, match="3D .unbatched. or 4D .batched. input to LazyConv2d"):
        nn.LazyConv2d(3, 2)(nt.zeros(4, 4))
    with pytest.raises(ValueError, match="in_channels=5, groups=2"):
        nn.LazyConv2d(4, 2, groups=2)(nt.zeros(1, 5, 4, 4))
    with pytest.raises(TypeError, match="initialize_parameters"):
        nn.LazyLinear(3)(nt.zeros(2, 4), 5)
