"""Compiled forward passes whose results are differentiated outside."""

import numpy as np
import pytest

import numbatorch as torch

nn, F = torch.nn, torch.nn.functional


def steps(compiled, model, count=12, split=False):
    """Losses, parameters and gradients of training with the model compiled and everything else eager."""
    torch.manual_seed(0)
    model = model()
    run = torch.compile(model) if compiled else model
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    rng, found = np.random.RandomState(0), []
    for _ in range(count):
        x, y = torch.tensor(rng.randn(6, 8).astype(np.float32)), torch.tensor(rng.randint(0, 3, 6))
        optimizer.zero_grad()
        loss = F.cross_entropy(run(x[:3]), y[:3]) + F.cross_entropy(run(x[3:]), y[3:]) if split else (
            F.cross_entropy(run(x), y))
        loss.backward()
        optimizer.step()
        found.append(loss.detach())
    found += [*model.parameters(), *(p.grad for p in model.parameters()), *model.buffers(), torch.rand(3)]
    return [t.detach().numpy().copy() for t in found], run


def mlp():
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.2), nn.BatchNorm1d(16), nn.Linear(16, 3))


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x):
        h = torch.tanh(self.first(x))
        return self.second(h + self.first(h).sigmoid())


@pytest.mark.parametrize("model", [mlp, Twice])
@pytest.mark.parametrize("split", [False, True], ids=["one", "two"])
def test_modules_in_a_training_loop(model, split):
    eager, _ = steps(False, model, split=split)
    compiled, run = steps(True, model, split=split)
    for a, b in zip(eager, compiled, strict=True):
        if model is Twice and split:  # each call adds up its own contributions to a gradient first
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
        else:
            np.testing.assert_array_equal(a, b)
    assert run.compiled.programs and run.compiled.programs[0].runs >= 8, run.explain()
    assert run.compiled.programs[0].backward is not None


def test_arguments_with_and_without_history():
    weight = torch.randn(4, 4, requires_grad=True)

    @torch.compile
    def f(x, y):
        return (x @ weight).relu() * y, x.exp()
    for k in range(8):
        x = torch.randn(3, 4, requires_grad=True)
        y = torch.randn(3, 4, requires_grad=True)
        inner = x * 2
        a, b = f(inner, y)
        found = torch.autograd.grad(a.sum() + (b * b).sum(), (x, y, weight))
        inner = x * 2
        a, b = (inner @ weight).relu() * y, inner.exp()
        expected = torch.autograd.grad(a.sum() + (b * b).sum(), (x, y, weight))
        assert all(torch.equal(p, q) for p, q in zip(found, expected, strict=True))
        if k > 5:
            only = torch.autograd.grad(f(x * 2, y)[1].sum(), x)[0]
            assert torch.equal(only, 2 * (2 * x).exp())
    assert f.programs[0].runs > 5, f.explain()


def test_a_graph_can_be_kept_but_not_differentiated_twice():
    @torch.compile
    def f(x):
        return (x * x).sum()
    x = torch.ones(3, requires_grad=True)
    for _ in range(3):
        f(x).backward()
    x.grad = None
    loss = f(x)
    loss.backward(retain_graph=True)
    loss.backward()
    assert torch.equal(x.grad, torch.full((3,), 4.0)) and f.programs
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()
    with pytest.raises(RuntimeError, match="twice"):
        torch.autograd.grad(f(x), x, create_graph=True)


def test_changed_parameters_are_noticed():
    weight = torch.ones(3, requires_grad=True)

    @torch.compile
    def f(x):
        return (x * weight * weight).sum()
    x = torch.ones(3, requires_grad=True)
    for _ in range(3):
        f(x).backward()
    loss = f(x)
    assert f.programs
    with torch.no_grad():
        weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_histories_whose_values_hooks_keep():
    weight = torch.randn(4, 4, requires_grad=True)

    def halved(x):
        with torch.autograd.graph.saved_tensors_hooks(lambda t: t * 2, lambda t: t / 2):
            return (x @ weight).tanh()

    def inside(x):
        return halved(x).square().sum()
    run, before = torch.compile(inside), torch.compile(lambda h: h.square().sum())
    for size in (3, 3, 3, 3, 5, 3):
        x = torch.randn(size, 4)
        expected = torch.autograd.grad(inside(x), weight)[0]
        for loss in (run(x), before(halved(x))):
            assert torch.equal(torch.autograd.grad(loss, weight)[0], expected)
    assert run.programs and before.programs


@pytest.mark.parametrize("hooked", ["module", "old", "tensor"])
def test_hooks_are_called_for_the_gradients_of_a_backward_pass_alone(hooked):
    model, seen = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2)), []
    if hooked == "module":
        model[1].register_full_backward_hook(lambda module, inputs, outputs: seen.append(outputs[0].sum().item()))
    elif hooked == "old":
        model[1].register_backward_hook(lambda module, inputs, outputs: seen.append(outputs[0].sum().item()))

    def f(x):
        h = model[0](x)
        if hooked == "tensor":
            h.register_hook(lambda g: seen.append(6.0))
        return model[1](h)
    run = torch.compile(f)
    for k in range(4):
        run(torch.randn(3, 4)).sum().backward()
        assert seen == [6.0] * (k + 1)


def test_what_a_backward_pass_changes_is_changed_when_it_comes():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 4)
            self.register_buffer("seen", torch.zeros(()))

        def forward(self, x):
            self.seen += 1
            return x + self.layer(x)
    block = Counting()
    run = torch.compile(lambda x: torch.utils.checkpoint.checkpoint(block, x * 2, use_reentrant=False).sum())
    for k in range(4):
        torch.manual_seed(k)
        loss = run(torch.ones(2, 4))
        assert block.seen == 2 * k + 1
        loss.backward()  # which runs the block again
        assert block.seen == 2 * k + 2
