"""torch.func and torch.autograd.functional: derivatives that compose have PyTorch's values, shapes and dtypes."""

import numpy as np
import pytest

import numbatorch

torch = pytest.importorskip("torch")

_random = np.random.RandomState(0)


def r(*shape):
    """Normal numbers of a shape, in float64."""
    return _random.randn(*shape)


def _as(value, library):
    if isinstance(value, np.ndarray):
        return library.tensor(value)
    if isinstance(value, dict):
        return {k: _as(v, library) for k, v in value.items()}
    return value


def _same(expected, found):
    if isinstance(expected, (tuple, list)):
        return len(expected) == len(found) and all(_same(a, b) for a, b in zip(expected, found, strict=True))
    if isinstance(expected, dict):
        return expected.keys() == found.keys() and all(_same(v, found[k]) for k, v in expected.items())
    return (tuple(expected.shape) == tuple(found.shape) and str(expected.dtype) == str(found.dtype)
            and expected.requires_grad == found.requires_grad
            and np.allclose(expected.detach().numpy(), found.detach().numpy(), atol=1e-8, rtol=1e-6))


PARAMETERS = {"w1": r(3, 4), "b1": r(4), "w2": r(4, 2)}


def mlp(T, p, x):
    """Two layers."""
    return T.tanh(x @ p["w1"] + p["b1"]) @ p["w2"]


def quartic(T, x):
    """A function with third derivatives."""
    return (T.sin(x) ** 2).sum() * x[0]


def _items(T, x):
    """Values put at places, out of place and in place."""
    places = T.tensor([0, 2, 0]), T.tensor([1, 0, 1])
    changed = x.clone()
    changed[T.tensor([0, 1])] = x[1:] * 2
    return T.zeros(3, 2, dtype=x.dtype).index_put(places, x * x, accumulate=True), changed


def _ensemble(T, F, x):
    T.manual_seed(0)
    models = [T.nn.Sequential(T.nn.Linear(3, 4), T.nn.Tanh(), T.nn.Linear(4, 2)).double() for _ in range(3)]
    state = F.stack_module_state(models)
    return F.vmap(lambda p, b, x: F.functional_call(models[0], (p, b), (x,)), in_dims=(0, 0, None))(*state, x)


def _per_sample(layers, inputs):
    def gradients(T, F, x, y):
        T.manual_seed(0)
        model = layers(T).double()
        state = {k: v.detach() for k, v in model.named_parameters()}

        def loss(p, x, y):
            return T.nn.functional.cross_entropy(F.functional_call(model, p, (x[None],)), y[None])
        return F.vmap(F.grad(loss), in_dims=(None, 0, 0))(state, x, y)
    return gradients, [inputs, _random.randint(0, 2, inputs.shape[0])]


CASES = {
    "grad": (lambda T, F, x: F.grad(lambda x: (x**3).sum())(x), [r(3)]),
    "grad of grad": (lambda T, F, x: F.grad(lambda x: F.grad(lambda y: (y**3).sum())(x).sum())(x), [r(3)]),
    "grad in vmap": (lambda T, F, x: F.vmap(F.grad(lambda y: T.sin(y).sum()))(x), [r(5, 3)]),
    "per-sample grad": (lambda T, F, p, x, y: F.vmap(F.grad(lambda p, x, y: ((mlp(T, p, x) - y) ** 2).mean()),
                                                     in_dims=(None, 0, 0))(p, x, y), [PARAMETERS, r(5, 3), r(5, 2)]),
    "several arguments": (lambda T, F, x, y: F.grad(lambda x, y: (x * y**2).sum(), argnums=(0, 1))(x, y), [r(3), r(3)]),
    "aux": (lambda T, F, x: F.grad_and_value(lambda x: ((x**2).sum(), x * 2), has_aux=True)(x), [r(3)]),
    "closure that requires grad": (lambda T, F, x, y: T.autograd.grad(
        F.grad(lambda a: (a**2 * y).sum())(y.requires_grad_().detach() + x).sum(), y), [r(3), r(3)]),
    "jvp": (lambda T, F, x, v: F.jvp(lambda x: T.sin(x) * x.sum(), (x,), (v,)), [r(3), r(3)]),
    "jvp of a network": (lambda T, F, p, x, v: F.jvp(lambda x: mlp(T, p, x).softmax(-1), (x,), (v,)),
                         [PARAMETERS, r(5, 3), r(5, 3)]),
    "vjp": (lambda T, F, x, v: F.vjp(lambda x: (T.sin(x), x.sum()), x)[1]((v, v.sum())), [r(3), r(3)]),
    "jacrev": (lambda T, F, x: F.jacrev(lambda x: T.sin(x) @ T.ones(3, 2).double() * x.sum())(x), [r(3)]),
    "jacrev in chunks": (lambda T, F, x: F.jacrev(lambda x: T.sin(x) * x.sum(), chunk_size=2)(x), [r(3)]),
    "jacfwd": (lambda T, F, x: F.jacfwd(lambda x: T.sin(x) @ T.ones(3, 2).double() * x.sum())(x), [r(3)]),
    "jacrev of a dict": (lambda T, F, p, x: F.jacrev(lambda p: mlp(T, p, x))(p), [PARAMETERS, r(4, 3)]),
    "hessian": (lambda T, F, x: F.hessian(lambda x: quartic(T, x))(x), [r(3)]),
    "reverse over reverse": (lambda T, F, x: F.jacrev(F.jacrev(lambda x: quartic(T, x)))(x), [r(3)]),
    "forward over forward": (lambda T, F, x: F.jacfwd(F.jacfwd(lambda x: quartic(T, x)))(x), [r(3)]),
    "reverse over forward": (lambda T, F, x: F.jacrev(F.jacfwd(lambda x: quartic(T, x)))(x), [r(3)]),
    "third derivatives": (lambda T, F, x: F.jacfwd(F.hessian(lambda x: quartic(T, x)))(x), [r(3)]),
    "hessian in vmap": (lambda T, F, x: F.vmap(F.hessian(lambda x: quartic(T, x)))(x), [r(4, 3)]),
    "jacrev in vmap": (lambda T, F, p, x: F.vmap(F.jacrev(lambda x: mlp(T, p, x)))(x), [PARAMETERS, r(4, 3)]),
    "jacfwd in vmap": (lambda T, F, p, x: F.vmap(F.jacfwd(lambda x: mlp(T, p, x)))(x), [PARAMETERS, r(4, 3)]),
    "hessian-vector product": (lambda T, F, x, v: F.jvp(F.grad(lambda x: quartic(T, x)), (x,), (v,))[1], [r(3), r(3)]),
    "items set by index": (lambda T, F, x, v: F.jvp(lambda x: _items(T, x), (x,), (v,)), [r(3), r(3)]),
    "items set by index in vmap": (lambda T, F, x: F.vmap(lambda x: _items(T, x))(x), [r(4, 3)]),
    "linearize": (lambda T, F, x, v: F.linearize(T.sin, x)[1](v), [r(3), r(3)]),
    "ensemble": (_ensemble, [r(5, 3)]),
    "per-sample, linear": _per_sample(lambda T: T.nn.Sequential(T.nn.Linear(3, 4), T.nn.Tanh(), T.nn.Linear(4, 2)),
                                      r(5, 3)),
    "per-sample, convolution": _per_sample(lambda T: T.nn.Sequential(
        T.nn.Conv2d(1, 4, 3), T.nn.ReLU(), T.nn.MaxPool2d(2), T.nn.Flatten(), T.nn.Linear(16, 2)), r(3, 1, 6, 6)),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_transforms_are_those_of_torch(name):
    function, values = CASES[name]
    expected = function(torch, torch.func, *(_as(v, torch) for v in values))
    found = function(numbatorch, numbatorch.func, *(_as(v, numbatorch) for v in values))
    assert _same(expected, found), (expected, found)


def _one(x):
    return x.sin() * x.sum()


def _two(x, y):
    return x.sin() @ y, (x * x).sum()


def _number(x, y):
    return (x.sin() @ y).sum() * x.sum()


X, Y, V, W = r(3), r(3, 2), r(3), r(3, 2)
FUNCTIONAL = {
    **{f"jacobian {options}": (lambda A, x, o=options: A.jacobian(_one, x, **o), [X]) for options in (
        {}, {"vectorize": True}, {"vectorize": True, "strategy": "forward-mode"})},
    **{f"jacobian of two {options}": (lambda A, x, y, o=options: A.jacobian(_two, (x, y), **o), [X, Y]) for options in (
        {}, {"vectorize": True}, {"vectorize": True, "strategy": "forward-mode"})},
    "jacobian to differentiate": (lambda A, x: A.jacobian(_one, x.requires_grad_(), create_graph=True), [X]),
    "hessian": (lambda A, x: A.hessian(lambda x: _one(x).sum(), x), [X]),
    "hessian of two": (lambda A, x, y: A.hessian(_number, (x, y)), [X, Y]),
    "hessian at once": (lambda A, x, y: A.hessian(_number, (x, y), vectorize=True), [X, Y]),
    "vjp": (lambda A, x, v: A.vjp(_one, x, v), [X, V]),
    "jvp": (lambda A, x, v: A.jvp(_one, x, v), [X, V]),
    "vhp": (lambda A, x, y, v, w: A.vhp(_number, (x, y), (v, w)), [X, Y, V, W]),
    "hvp": (lambda A, x, y, v, w: A.hvp(_number, (x, y), (v, w)), [X, Y, V, W]),
}


@pytest.mark.parametrize("name", FUNCTIONAL)
def test_functional_is_that_of_torch(name):
    function, values = FUNCTIONAL[name]
    expected, found = (function(library.autograd.functional, *(_as(v, library) for v in values))
                       for library in (torch, numbatorch))
    assert _same(expected, found), (expected, found)


def test_dual_tensors_by_hand():
    def tangents(library):
        forward = library.autograd.forward_ad
        x, v = library.tensor(X), library.tensor(V)
        with forward.dual_level():
            d = forward.make_dual(x, v)
            changed = d.clone()
            changed.mul_(2)
            changed[0].mul_(3)
            values = [_one(d), library.softmax(d, 0), changed, library.cat([d, x]), library.linalg.norm(d),
                      d[1:] @ d[:2]]
            found = [forward.unpack_dual(t).tangent for t in values]
            assert forward.unpack_dual(x).tangent is None
        return found
    assert _same(tangents(torch), tangents(numbatorch))


def test_rearrange():
    x = numbatorch.arange(36).reshape(2, 6, 3)
    found = numbatorch.func.rearrange(x, "b (h w) c -> b c h w", h=2)
    assert found.equal(x.reshape(2, 2, 3, 3).permute(0, 3, 1, 2))
    assert numbatorch.func.rearrange(x, "b ... -> ... b").shape == (6, 3, 2)
    assert numbatorch.func.rearrange(x, "b n c -> (b n) c").shape == (12, 3)
    with pytest.raises(ValueError, match="both sides"):
        numbatorch.func.rearrange(x, "a b c -> a b")


def test_errors_speak():
    F, x = numbatorch.func, numbatorch.ones(3)
    with pytest.raises(RuntimeError, match="return a scalar tensor, got tensor with 1 dims"):
        F.grad(numbatorch.sin)(x)
    with pytest.raises(RuntimeError, match="Got argnum=1, but only 1 positional inputs"):
        F.grad(numbatorch.sum, argnums=1)(x)
    with pytest.raises(RuntimeError, match=r"tangent 0 has shape \(2,\), its primal \(3,\)"):
        F.jvp(numbatorch.sin, (x,), (numbatorch.ones(2),))
    with pytest.raises(RuntimeError, match="independent of the inputs"):
        F.jvp(lambda x: numbatorch.ones(2), (x,), (x,), strict=True)
    model = numbatorch.nn.Linear(2, 2)
    assert F.functional_call(model, {"nothing": x}, (numbatorch.ones(1, 2),)).shape == (1, 2)
    with pytest.raises(RuntimeError, match="Unexpected key"):
        F.functional_call(model, {"nothing": x}, (numbatorch.ones(1, 2),), strict=True)
    before = model.weight
    F.functional_call(model, {"weight": numbatorch.zeros(2, 2)}, (numbatorch.ones(1, 2),))
    assert model.weight is before


def test_a_detached_tensor_has_no_tangent():
    F, forward_ad = numbatorch.func, numbatorch.autograd.forward_ad
    x, ones = numbatorch.tensor([1.0, 2.0, 3.0]), numbatorch.ones(3)
    assert F.jvp(lambda t: t.detach() * t, (x,), (ones,))[1].tolist() == [1, 2, 3]
    assert F.jvp(lambda t: t.data * t, (x,), (ones,))[1].tolist() == [1, 2, 3]
    assert F.jvp(F.grad(lambda t: (t.detach() * t * t).sum()), (x,), (ones,))[1].tolist() == [2, 4, 6]
    assert F.jvp(lambda t: F.vmap(lambda e: e.detach() * e)(t), (x,), (ones,))[1].tolist() == [1, 2, 3]
    assert numbatorch.equal(F.hessian(lambda t: (t.exp() * t.detach()).sum())(x), numbatorch.diag(x.exp() * x))
    with forward_ad.dual_level():
        both = forward_ad.make_dual(x, ones)
        assert forward_ad.unpack_dual(both.detach()).tangent is None
