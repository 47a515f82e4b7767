"""nn.utils: normalised weights, parametrizations, pruning and fusion, against PyTorch where it is installed."""

import copy

import numpy as np
import pytest

import numbatorch
import numbatorch.nn.utils as utils
from numbatorch.nn.utils import parametrizations, parametrize, prune

nn = numbatorch.nn


def _twins(make):
    """The same module of both libraries, with the same parameters."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(3)
    numbatorch.manual_seed(3)
    return torch, make(torch), make(numbatorch)


def _agree(torch, theirs, ours, x, backward=True):
    a, b = theirs(torch.tensor(x)), ours(numbatorch.tensor(x))
    np.testing.assert_allclose(b.detach().numpy(), a.detach().numpy(), rtol=1e-5, atol=1e-6)
    if backward:
        a.square().sum().backward()
        b.square().sum().backward()
        names = dict(theirs.named_parameters())
        assert names.keys() == dict(ours.named_parameters()).keys()
        for name, p in ours.named_parameters():
            np.testing.assert_allclose(p.grad.numpy(), names[name].grad.numpy(), rtol=1e-4, atol=1e-5, err_msg=name)
    assert list(theirs.state_dict()) == list(ours.state_dict())
    for name, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[name].numpy(), value.numpy(), rtol=1e-5, atol=1e-5, err_msg=name)


X = np.random.RandomState(0).randn(6, 5).astype(np.float32)
IMAGE = np.random.RandomState(1).randn(2, 3, 6, 6).astype(np.float32)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["weight_norm", "weight_norm of all", "spectral_norm", "parametrizations.weight_norm",
                                  "parametrizations.spectral_norm"])
def test_normalised_weights_are_those_of_torch(name):
    def make(library):
        u, p = library.nn.utils, library.nn.utils.parametrizations
        layer = library.nn.Linear(5, 4)
        if name == "weight_norm of all":
            return u.weight_norm(layer, dim=None)
        return getattr(p if "." in name else u, name.removeprefix("parametrizations."))(layer)
    torch, theirs, ours = _twins(make)
    for _ in range(3):
        _agree(torch, theirs, ours, X)
    theirs.eval(), ours.eval()
    _agree(torch, theirs, ours, X, backward=False)


def test_transposed_convolutions_are_normalised_along_their_outputs():
    torch, theirs, ours = _twins(lambda lib: lib.nn.utils.spectral_norm(lib.nn.ConvTranspose2d(3, 4, 3)))
    _agree(torch, theirs, ours, IMAGE)


@pytest.mark.filterwarnings("ignore")
def test_norms_can_be_removed():
    layer = nn.Linear(5, 4)
    before = layer.weight.detach().clone()
    utils.remove_weight_norm(utils.weight_norm(layer))
    np.testing.assert_allclose(layer.weight.detach().numpy(), before.numpy(), rtol=1e-6)
    assert isinstance(layer.weight, nn.Parameter) and [n for n, _ in layer.named_parameters()] == ["bias", "weight"]
    utils.remove_spectral_norm(utils.spectral_norm(layer))
    assert isinstance(layer.weight, nn.Parameter) and not layer._forward_pre_hooks
    with pytest.raises(ValueError, match="not found"):
        utils.remove_weight_norm(layer)


@pytest.mark.parametrize("map_", ["matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("shape", [(4, 4), (6, 3), (3, 6)], ids=str)
def test_orthogonal_weights(map_, shape):
    layer = parametrizations.orthogonal(nn.Linear(*shape).double(), orthogonal_map=map_)
    def orthonormal(w):
        w = w if w.shape[0] >= w.shape[1] else w.mT
        return numbatorch.allclose(w.mT @ w, numbatorch.eye(w.shape[1]).double(), atol=1e-9)
    assert orthonormal(layer.weight)
    layer(numbatorch.ones(2, shape[0]).double()).square().sum().backward()
    with numbatorch.no_grad():
        for p in layer.parameters():
            p -= 0.1 * p.grad
    assert orthonormal(layer.weight)
    target = numbatorch.linalg.qr(numbatorch.randn(max(shape), min(shape)).double())[0]
    layer.weight = target if layer.weight.shape == target.shape else target.mT
    assert numbatorch.allclose(layer.weight, target if layer.weight.shape == target.shape else target.mT)


class Symmetric(nn.Module):
    """Copies the upper triangle to the lower one."""

    def forward(self, X):
        return X.triu() + X.triu(1).mT

    def right_inverse(self, A):
        return A.triu()


def test_a_parametrization_computes_trains_and_goes():
    layer = nn.Linear(3, 3)
    parametrize.register_parametrization(layer, "weight", Symmetric())
    assert type(layer).__name__ == "ParametrizedLinear" and isinstance(layer, nn.Linear)
    assert layer.weight.equal(layer.weight.mT) and "weight" not in dict(layer.named_parameters())
    assert list(layer.state_dict()) == ["bias", "parametrizations.weight.original"]
    layer.weight = numbatorch.ones(3, 3)
    assert layer.weight.equal(numbatorch.ones(3, 3)) and layer.parametrizations.weight.original[2, 0] == 0
    with parametrize.cached():
        assert layer.weight is layer.weight
    assert layer.weight is not layer.weight
    copied = copy.deepcopy(layer)
    copied.weight = numbatorch.zeros(3, 3)
    assert layer.weight.sum() == 9 and copied.weight.sum() == 0 and parametrize.is_parametrized(copied, "weight")
    assert parametrize.type_before_parametrizations(layer) is nn.Linear
    other = parametrize.transfer_parametrizations_and_params(layer, nn.Linear(3, 3))
    assert other.weight.equal(layer.weight)
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is nn.Linear and isinstance(layer.weight, nn.Parameter) and layer.weight.sum() == 9


def test_parametrizations_that_do_not_fit_are_refused():
    class Longer(nn.Module):
        def forward(self, X):
            return numbatorch.cat([X, X])
    layer = nn.Linear(3, 3)
    with pytest.raises(ValueError, match="may not change the shape"):
        parametrize.register_parametrization(layer, "weight", Longer())
    with pytest.raises(ValueError, match="does not have a parameter"):
        parametrize.register_parametrization(layer, "nothing", Longer())
    parametrize.register_parametrization(layer, "weight", Longer(), unsafe=True)
    assert layer.weight.shape == (6, 3)


@pytest.mark.parametrize("how", [
    lambda p, m: p.l1_unstructured(m, "weight", 7), lambda p, m: p.l1_unstructured(m, "weight", 0.3),
    lambda p, m: p.ln_structured(m, "weight", 0.5, n=2, dim=0), lambda p, m: p.identity(m, "weight"),
    lambda p, m: p.ln_structured(p.l1_unstructured(m, "weight", 0.3), "weight", 1, n=1, dim=1),
    lambda p, m: p.random_unstructured(m, "weight", 5)])
def test_pruned_weights_are_those_of_torch(how):
    torch, theirs, ours = _twins(lambda lib: lib.nn.Linear(5, 4))
    for library, layer in ((torch, theirs), (numbatorch, ours)):
        library.manual_seed(0)
        how(getattr(library.nn.utils, "prune", prune) if library is numbatorch else
            __import__("torch.nn.utils.prune", fromlist=["prune"]), layer)
    _agree(torch, theirs, ours, X)
    prune.remove(ours, "weight")
    assert not prune.is_pruned(ours) and [n for n, _ in ours.named_parameters()] == ["bias", "weight"]


def test_global_pruning_takes_the_smallest_of_all():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    with numbatorch.no_grad():
        model[0].weight.mul_(0.01)
    prune.global_unstructured([(model[0], "weight"), (model[1], "weight")], prune.L1Unstructured, amount=16)
    assert model[0].weight_mask.sum() <= 2 and model[1].weight_mask.sum() >= 14
    with pytest.raises(ValueError, match=r"amount=2.0 should either be a float in the range \[0, 1\]"):
        prune.l1_unstructured(nn.Linear(2, 2), "weight", 2.0)


@pytest.mark.parametrize("transpose", [False, True])
def test_batch_norms_fold_into_convolutions(transpose):
    conv = (nn.ConvTranspose2d if transpose else nn.Conv2d)(3, 4, 3)
    norm = nn.BatchNorm2d(4)
    numbatorch.nn.init.uniform_(norm.weight), numbatorch.nn.init.uniform_(norm.bias)
    x = numbatorch.tensor(IMAGE)
    norm(conv(x))
    model = nn.Sequential(conv, norm).eval()
    fused = utils.fuse_conv_bn_eval(conv, norm, transpose)
    np.testing.assert_allclose(fused(x).detach().numpy(), model(x).detach().numpy(), atol=1e-5)
    linear, norm = nn.Linear(5, 4).eval(), nn.BatchNorm1d(4)
    norm(numbatorch.randn(8, 4))
    norm.eval()
    fused = utils.fuse_linear_bn_eval(linear, norm)
    x = numbatorch.tensor(X)
    np.testing.assert_allclose(fused(x).detach().numpy(), norm(linear(x)).detach().numpy(), atol=1e-5)
    with pytest.raises(AssertionError, match="only for eval"):
        utils.fuse_conv_bn_eval(conv.train(), nn.BatchNorm2d(4))


def test_skipped_initialisation_draws_nothing():
    state = numbatorch.get_rng_state()
    layer = utils.skip_init(nn.Linear, 5, 4)
    assert type(layer) is nn.Linear and layer.weight.shape == (4, 5) and numbatorch.get_rng_state().equal(state)
    with pytest.raises(RuntimeError, match="Expected a Module"):
        utils.skip_init(int)


def test_random_structured_takes_the_slices_with_the_smallest_draws():
    import numbatorch
    from numbatorch.nn.utils import prune
    numbatorch.manual_seed(0)
    layer = numbatorch.nn.Linear(4, 3)
    state = numbatorch.get_rng_state()
    prune.random_structured(layer, "weight", 2, 1)
    numbatorch.set_rng_state(state)
    draws = numbatorch.rand(4)
    assert layer.weight_mask[0].tolist() == (draws > draws.sort().values[1]).float().tolist()
