"""Optimizers against the formula, and against torch where it is installed."""

import copy

import numpy as np
import pytest

import numbatorch as nt
from numbatorch import optim

CONFIGURATIONS = [
    ("SGD", dict(lr=0.1)),
    ("SGD", dict(lr=0.1, momentum=0.9, dampening=0.2, weight_decay=0.01)),
    ("SGD", dict(lr=0.1, momentum=0.9, nesterov=True, maximize=True)),
    ("Adam", dict()),
    ("Adam", dict(lr=0.01, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.1, amsgrad=True)),
    ("AdamW", dict(lr=0.01, weight_decay=0.1)),
    ("Adadelta", dict(lr=0.5, rho=0.8, weight_decay=0.1)),
    ("Adagrad", dict(lr=0.1, lr_decay=0.1, weight_decay=0.1, initial_accumulator_value=0.2)),
    ("RMSprop", dict(lr=0.01, weight_decay=0.1)),
    ("RMSprop", dict(lr=0.01, momentum=0.9, centered=True)),
    ("Adamax", dict(lr=0.01, weight_decay=0.1)),
    ("NAdam", dict(lr=0.01, weight_decay=0.1, decoupled_weight_decay=True)),
    ("RAdam", dict(lr=0.01, weight_decay=0.1)),
    ("Rprop", dict(lr=0.01, etas=(0.4, 1.3), step_sizes=(1e-5, 1))),
    ("ASGD", dict(lr=0.1, lambd=0.01, t0=3, weight_decay=0.1)),
]
SHAPES = [(4, 3), (5,), ()]


def named(configuration):
    name, options = configuration
    return f"{name}-{'-'.join(options)}"


def parameters(seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype("float32") for shape in SHAPES]


def parameter(values):
    return nt.tensor(values, dtype=nt.float32).requires_grad_()


def train(make, tensor, steps=8, optimizer=None, params=None, first=0):
    """Some steps with fixed gradients; the second parameter has none in step 3."""
    params = params or [tensor(p).requires_grad_() for p in parameters()]
    optimizer = optimizer or make(params)
    for step in range(first, first + steps):
        for index, (param, grad) in enumerate(zip(params, parameters(step + 1), strict=True)):
            param.grad = None if (step, index) == (3, 1) else tensor(grad)
        optimizer.step()
    return params, optimizer


def arrays(params):
    return [p.detach().numpy().copy() for p in params]


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=named)
def test_steps_agree_with_torch(configuration):
    torch = pytest.importorskip("torch")
    name, options = configuration
    ours, our_optimizer = train(lambda p: getattr(optim, name)(p, **options), nt.tensor)
    theirs, their_optimizer = train(lambda p: getattr(torch.optim, name)(p, **options), torch.tensor)
    for a, b in zip(arrays(ours), arrays(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-6, atol=2e-7)
    a, b = our_optimizer.state_dict(), their_optimizer.state_dict()
    assert list(a["param_groups"][0]) == list(b["param_groups"][0])
    assert a["param_groups"] == b["param_groups"]
    assert {k: list(v) for k, v in a["state"].items()} == {k: list(v) for k, v in b["state"].items()}
    assert repr(our_optimizer) == repr(their_optimizer)


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=named)
def test_training_goes_on_from_a_state_dict(configuration):
    name, options = configuration

    def make(params):
        return getattr(optim, name)(params, **options)

    whole, _ = train(make, nt.tensor, steps=8)
    params, first = train(make, nt.tensor, steps=4)
    second = make(params)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    train(make, nt.tensor, steps=4, optimizer=second, params=params, first=4)
    for a, b in zip(arrays(whole), arrays(params), strict=True):
        np.testing.assert_array_equal(a, b)


def test_sgd_follows_its_formula():
    w = parameter([1.0, 2.0])
    optimizer = optim.SGD([w], lr=0.1, momentum=0.5)
    for _ in range(2):
        w.grad = nt.tensor([1.0, -2.0])
        optimizer.step()
    # buffers: g, then 1.5 g
    np.testing.assert_allclose(w.detach().numpy(), [1 - 0.1 * 2.5, 2 + 0.2 * 2.5], rtol=1e-6)


def test_first_step_of_adam_is_the_learning_rate():
    w = parameter([1.0, 2.0])
    optimizer = optim.Adam([w], lr=0.01)
    w.grad = nt.tensor([1e-3, -50.0])
    optimizer.step()
    np.testing.assert_allclose(w.detach().numpy(), [0.99, 2.01], rtol=1e-5)
    step = optimizer.state[w]["step"]
    assert step.dtype == nt.float32 and step.dim() == 0 and step.item() == 1.0


def test_parameters_without_gradient_keep_no_state():
    w, v = parameter([1.0]), parameter([1.0])
    optimizer = optim.Adam([w, v])
    w.grad = nt.tensor([1.0])
    optimizer.step()
    assert list(optimizer.state_dict()["state"]) == [0]
    plain = optim.SGD([w])
    plain.step()
    assert plain.state_dict()["state"] == {}


def test_groups_have_their_own_options():
    w, v = parameter([1.0]), parameter([1.0])
    optimizer = optim.SGD([{"params": [w], "lr": 1.0}], lr=0.1)
    optimizer.add_param_group({"params": v})
    for p in (w, v):
        p.grad = nt.tensor([1.0])
    optimizer.step()
    assert w.item() == pytest.approx(0.0) and v.item() == pytest.approx(0.9)
    assert [group["lr"] for group in optimizer.param_groups] == [1.0, 0.1]


def test_named_parameters_are_kept_in_the_state_dict():
    w, v = parameter([1.0]), parameter([1.0])
    optimizer = optim.SGD([("w", w), ("v", v)])
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["w", "v"]
    other = optim.SGD([("a", w), ("b", v)])
    other.load_state_dict(optimizer.state_dict())
    assert other.param_groups[0]["param_names"] == ["w", "v"]
    with pytest.raises(ValueError, match="with/without names"):
        optimizer.add_param_group({"params": [parameter([2.0])]})


def test_closure_computes_the_loss():
    w = parameter([2.0])
    optimizer = optim.SGD([w], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 4.0
    assert w.item() == pytest.approx(1.6)


def test_zero_grad():
    w = parameter([2.0])
    optimizer = optim.SGD([w])
    w.grad = nt.tensor([3.0])
    optimizer.zero_grad(set_to_none=False)
    assert w.grad.item() == 0.0
    optimizer.zero_grad()
    assert w.grad is None


def test_step_hooks_run_around_the_step():
    w = parameter([1.0])
    optimizer = optim.Adam([w])
    seen = []
    before = optimizer.register_step_pre_hook(lambda o, args, kwargs: seen.append("before" if args == (o,) else args))
    optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append("after"))
    optimizer.step()
    before.remove()
    optimizer.step()
    assert seen == ["before", "after", "after"]
    optimizer.register_step_pre_hook(lambda o, args, kwargs: 3)
    with pytest.raises(RuntimeError, match="pre-hook"):
        optimizer.step()


def test_state_dict_hooks_may_replace_it():
    w = parameter([1.0])
    optimizer = optim.SGD([w], lr=0.5)
    optimizer.register_state_dict_post_hook(lambda o, state: {**state, "extra": 1})
    assert optimizer.state_dict()["extra"] == 1
    loaded = []

    def halve(o, state):
        state["param_groups"][0]["lr"] /= 2
        return state

    optimizer.register_load_state_dict_pre_hook(halve)
    optimizer.register_load_state_dict_post_hook(lambda o: loaded.append(o))
    optimizer.load_state_dict(optimizer.state_dict())
    assert optimizer.param_groups[0]["lr"] == 0.25 and loaded == [optimizer]


def test_hooks_run_once_when_step_calls_its_parent():
    class Counting(optim.SGD):
        def step(self, closure=None):
            return super().step(closure)

    seen = []
    optimizer = Counting([parameter([1.0])])
    optimizer.register_step_post_hook(lambda *_: seen.append(1))
    optimizer.step()
    assert seen == [1]


def test_a_user_defined_optimizer():
    class SignDescent(optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, dict(lr=lr))

        def step(self, closure=None):
            with nt.no_grad():
                for group in self.param_groups:
                    for p in group["params"]:
                        p.add_(p.grad.sign(), alpha=-group["lr"])

    w = parameter([1.0, 1.0])
    w.grad = nt.tensor([5.0, -3.0])
    SignDescent([w], lr=0.5).step()
    assert w.tolist() == [0.5, 1.5]


def test_learning_rate_may_be_a_tensor():
    w = parameter([1.0])
    w.grad = nt.tensor([1.0])
    optim.SGD([w], lr=nt.tensor(0.5)).step()
    assert w.item() == 0.5


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda w: optim.SGD([w], lr=-1), ValueError, "Invalid learning rate: -1"),
        (lambda w: optim.SGD([w], momentum=-1), ValueError, "Invalid momentum value: -1"),
        (lambda w: optim.SGD([w], nesterov=True), ValueError, "Nesterov momentum requires"),
        (lambda w: optim.Adam([w], betas=(1.0, 0.9)), ValueError, "Invalid beta parameter at index 0: 1.0"),
        (lambda w: optim.Adam([w], eps=-1), ValueError, "Invalid epsilon value: -1"),
        (lambda w: optim.Adam([w], foreach=True, fused=True), RuntimeError, "`fused` and `foreach`"),
        (lambda w: optim.Adam([w], lr=nt.tensor(0.1), foreach=True), ValueError, "lr as a Tensor"),
        (lambda w: optim.SGD([]), ValueError, "empty parameter list"),
        (lambda w: optim.SGD(w), TypeError, "iterable of Tensors or dicts"),
        (lambda w: optim.SGD([3]), TypeError, "can only optimize Tensors"),
        (lambda w: optim.SGD([w * 2]), ValueError, "non-leaf"),
        (lambda w: optim.SGD([{"params": {w}}]), TypeError, "order"),
        (lambda w: optim.SGD([{"params": [w]}, {"params": [w]}]), ValueError, "more than one parameter group"),
    ],
)
def test_mistakes_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make(parameter([1.0]))


def test_state_dict_of_another_model_is_refused():
    one, two = optim.SGD([parameter([1.0])]), optim.SGD([parameter([1.0]), parameter([1.0])])
    with pytest.raises(ValueError, match="doesn't match the size"):
        one.load_state_dict(two.state_dict())
    three = optim.SGD([{"params": [parameter([1.0])]}, {"params": [parameter([1.0])]}])
    with pytest.raises(ValueError, match="different number of parameter groups"):
        one.load_state_dict(three.state_dict())
