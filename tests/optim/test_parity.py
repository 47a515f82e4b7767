"""Adafactor, Muon, LBFGS and weight averages take PyTorch's steps, in float64."""

import numpy as np
import pytest

import numbatorch

torch = pytest.importorskip("torch")

_random = np.random.RandomState(1)
W, X, Y = _random.randn(4, 3), _random.randn(6, 4), _random.randn(6, 3)

OPTIMIZERS = {
    "Adafactor": {}, "Adafactor decayed": {"weight_decay": 0.1, "lr": 0.3, "d": 2.0},
    "Adafactor with epsilons": {"eps": (1e-3, 0.1), "beta2_decay": -0.5},
    "LBFGS": {"lr": 0.1}, "LBFGS with a line search": {"line_search_fn": "strong_wolfe"},
    "LBFGS with a short memory": {"lr": 0.1, "history_size": 3, "max_iter": 7},
}


def _train(library, name, options):
    w = library.tensor(W, requires_grad=True)
    b = library.zeros(3, dtype=library.float64, requires_grad=True)
    x, y = library.tensor(X), library.tensor(Y)
    optimizer = getattr(library.optim, name)([w, b], **options)

    def closure():
        optimizer.zero_grad()
        loss = (library.tanh(x @ w + b) - y).pow(2).mean()
        loss.backward()
        return loss
    return [optimizer.step(closure).item() for _ in range(6)], w.detach().numpy(), b.detach().numpy()


@pytest.mark.parametrize("case", OPTIMIZERS)
def test_steps_are_those_of_torch(case):
    expected, found = (_train(library, case.split()[0], OPTIMIZERS[case]) for library in (torch, numbatorch))
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-7)
    assert found[0][-1] < found[0][0]


@pytest.mark.parametrize("options", [{}, {"nesterov": False}, {"adjust_lr_fn": "match_rms_adamw", "lr": 0.05}], ids=str)
def test_muon_is_that_of_torch(options):
    results = []
    for library in (torch, numbatorch):
        w = library.tensor(W.astype(np.float32), requires_grad=True)
        optimizer = library.optim.Muon([w], **options)
        for k in range(4):
            w.grad = library.tensor(np.sin(W + k).astype(np.float32))
            optimizer.step()
        results.append(w.detach().numpy())
    np.testing.assert_allclose(results[1], results[0], rtol=1e-2, atol=1e-3)  # the iteration runs in bfloat16
    with pytest.raises(ValueError, match="2D parameters"):
        numbatorch.optim.Muon([numbatorch.ones(3, requires_grad=True)])


@pytest.mark.parametrize("average", ["swa", "ema", "swa_multi", "ema_multi", "default"])
def test_averages_are_those_of_torch(average):
    results = []
    for library in (torch, numbatorch):
        tools = library.optim.swa_utils
        options: dict = {}
        if average != "default":
            function = getattr(tools, f"get_{average}_avg_fn")(*([0.9] if "ema" in average else []))
            options["multi_avg_fn" if "multi" in average else "avg_fn"] = function
        library.manual_seed(0)
        model = library.nn.Sequential(library.nn.Linear(4, 3), library.nn.BatchNorm1d(3))
        averaged = tools.AveragedModel(model, **options)
        for k in range(4):
            with library.no_grad():
                for p in model.parameters():
                    p.add_(0.1 * (k + 1))
            averaged.update_parameters(model)
        tools.update_bn([library.tensor(X.astype(np.float32))], averaged)
        results.append({n: v.numpy() for n, v in averaged.state_dict().items()})
    assert results[0].keys() == results[1].keys()
    for name, value in results[0].items():
        np.testing.assert_allclose(results[1][name], value, rtol=1e-5, atol=1e-6, err_msg=name)


def test_swapped_parameters_are_stepped_instead():
    w = numbatorch.ones(2, requires_grad=True)
    optimizer = numbatorch.optim.SGD([w], lr=0.5, momentum=0.9)
    w.grad = numbatorch.ones(2)
    optimizer.step()
    other = numbatorch.zeros(2, requires_grad=True)
    other.grad = numbatorch.ones(2)
    with numbatorch.optim.swap_in_optimizer_params_and_state(optimizer, {"w": other}, optimizer.state_dict()):
        optimizer.step()
    assert w.tolist() == [0.5, 0.5] and optimizer.param_groups[0]["params"][0] is w
    np.testing.assert_allclose(other.detach().numpy(), [-0.95, -0.95], rtol=1e-6)
