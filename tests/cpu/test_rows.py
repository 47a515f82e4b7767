"""Rows of every length: whole vectors, what is left of them, pieces of sums; the same bits from any threads."""

import numpy as np
import pytest

import numbatorch as nt
from numbatorch.nn import functional as F

LENGTHS = [1, 2, 7, 15, 16, 17, 63, 64, 65, 79, 127, 128, 200, 511, 512, 513, 1000, 1100]


@pytest.mark.parametrize("length", LENGTHS)
def test_rows_of_any_length(length):
    x = np.random.default_rng(length).normal(size=(5, length)).astype(np.float32)
    wide, t = x.astype(np.float64), nt.tensor(x)
    size = np.abs(wide).sum(-1)  # what a sum that cancels is measured by
    assert (np.abs(t.sum(-1).numpy() - wide.sum(-1)) <= 1e-7 * size).all()
    assert np.array_equal(t.amax(-1).numpy(), x.max(-1)) and np.array_equal(t.amin(-1).numpy(), x.min(-1))
    power = np.exp(wide - wide.max(-1, keepdims=True))
    assert np.allclose(nt.softmax(t, -1).numpy(), power / power.sum(-1, keepdims=True), rtol=1e-5, atol=1e-8)
    centred = wide - wide.mean(-1, keepdims=True)
    expected = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    assert np.allclose(F.layer_norm(t, (length,)).numpy(), expected, rtol=1e-4, atol=1e-5)
    assert np.allclose(nt.tensor(wide).sum(-1).numpy(), wide.sum(-1), rtol=1e-14, atol=1e-13)


@pytest.mark.parametrize("length", [3, 64, 70, 600])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_a_nan_anywhere_in_a_row_is_its_extreme(length, dtype):
    for place in {0, length // 2, length - 1}:
        x = nt.ones(2, length, dtype=getattr(nt, dtype))
        x[1, place] = float("nan")
        assert x.amax(-1).isnan().tolist() == x.amin(-1).isnan().tolist() == [False, True]


def test_elements_beyond_a_row_are_neither_read_nor_written():
    whole = nt.full((4, 40), float("nan"))
    part = whole[:, 3:24]
    part.copy_(nt.arange(84.0).view(4, 21))
    assert np.array_equal(part.sum(-1).numpy(), np.arange(84.0).reshape(4, 21).sum(-1))
    nt.softmax(part.clone(), -1, out=part)
    assert whole[:, :3].isnan().all() and whole[:, 24:].isnan().all() and not part.isnan().any()


def test_the_same_bits_for_any_number_of_threads():
    x = nt.randn(900, 77)
    before = nt.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 4):
            nt.set_num_threads(threads)
            found.append([r.numpy().tobytes() for r in (nt.softmax(x, -1), x.sum(-1), x.sum(), x.logsumexp(1))])
    finally:
        nt.set_num_threads(before)
    assert found[0] == found[1] == found[2]


def test_second_gradient_through_what_a_loss_keeps():
    x = nt.randn(3, 5, dtype=nt.float64, requires_grad=True)
    target = nt.tensor([0, 4, 2])
    assert nt.autograd.gradgradcheck(lambda x: F.cross_entropy(x, target, reduction="none"), (x,))


def _norm_gradients(x, weight, grad, turned=False):
    leaves = [nt.tensor(a, requires_grad=True) for a in (x, weight, weight)]
    given = nt.tensor(grad)
    F.layer_norm(leaves[0], weight.shape, *leaves[1:]).backward(given.mT.contiguous().mT if turned else given)
    return [leaf.grad.numpy() for leaf in leaves]


@pytest.mark.parametrize("shape", [(1, 40), (32, 64), (300, 129), (3, 200, 48), (70, 1100)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_over_rows_beside_the_gradient_of_a_norm(shape, dtype):
    draw = np.random.default_rng(shape[-1])
    x, grad = (draw.normal(size=shape).astype(dtype) for _ in "xg")
    weight = draw.normal(size=shape[-1]).astype(dtype)
    wide, over = x.astype(np.float64), tuple(range(x.ndim - 1))
    hat = (wide - wide.mean(-1, keepdims=True)) / np.sqrt(wide.var(-1, keepdims=True) + 1e-5)
    for turned in (False, True):  # a turned gradient is summed by a kernel of its own
        own, by_weight, by_bias = _norm_gradients(x, weight, grad, turned)
        tolerance = 1e-14 if dtype == "float64" else 3e-6
        g = grad.astype(np.float64)
        assert (np.abs(by_weight - (g * hat).sum(over)) <= tolerance * np.abs(g * hat).sum(over) + tolerance).all()
        assert (np.abs(by_bias - g.sum(over)) <= tolerance * np.abs(g).sum(over)).all()
        scaled = g * weight
        expected = (scaled - scaled.mean(-1, keepdims=True) - hat * (scaled * hat).mean(-1, keepdims=True)) / np.sqrt(
            wide.var(-1, keepdims=True) + 1e-5)
        assert np.allclose(own, expected, rtol=1e-4, atol=1e-5)


def test_sums_over_rows_have_the_same_bits_for_any_number_of_threads():
    draw = np.random.default_rng(0)
    x, grad, weight = (draw.normal(size=s).astype(np.float32) for s in ((900, 77), (900, 77), (77,)))
    before, found = nt.get_num_threads(), []
    try:
        for threads in (1, 2, 4):
            nt.set_num_threads(threads)
            found.append([g.tobytes() for g in _norm_gradients(x, weight, grad)])
    finally:
        nt.set_num_threads(before)
    assert found[0] == found[1] == found[2]


def test_one_kernel_makes_all_gradients_of_a_norm(monkeypatch):
    from numbatorch.cpu import split
    asked, summed = [], split.summed
    monkeypatch.setattr(split, "summed", lambda request, *rest: asked.append(request) or summed(request, *rest))
    draw = np.random.default_rng(0)
    x, grad, weight = (draw.normal(size=s).astype(np.float32) for s in ((11, 1301), (11, 1301), (1301,)))
    _norm_gradients(x, weight, grad)
    assert [(len(r.outputs), r.summed) for r in asked] == [(3, 2)]


def test_a_fused_norm_keeps_the_bits_of_its_sums():
    def step(layers, x):
        for layer in layers:
            x = x + layer(x).sin()
        x.square().mean().backward()
        found = [p.grad.clone() for layer in layers for p in layer.parameters()]
        for layer in layers:
            layer.zero_grad()
        return found
    layers = [nt.nn.LayerNorm(96) for _ in range(3)]
    compiled = nt.compile(step)
    for seed in range(4):
        x = nt.tensor(np.random.default_rng(seed).normal(size=(80, 96)).astype(np.float32), requires_grad=True)
        for a, b in zip(step(layers, x), compiled(layers, x), strict=True):
            assert np.array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("length", [1, 7, 63, 64, 65, 130, 700])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_the_first_of_the_largest(length, dtype):
    draw = np.random.default_rng(length)
    for values in (draw.integers(0, 9, (40, length)), draw.normal(size=(40, length)), np.full((3, length), -np.inf)):
        x = nt.tensor(values.astype(np.float32)).to(getattr(nt, dtype))
        x[1::3, length // 2] = float("nan")
        known = x.float().numpy()
        assert np.array_equal(x.argmax(-1).numpy(), known.argmax(-1))
        assert np.array_equal(x.argmin(-1).numpy(), known.argmin(-1))
        assert np.array_equal(x.max(-1)[1].numpy(), known.argmax(-1))


@pytest.mark.parametrize("classes", [1, 2, 16, 65, 1100])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_loss_looks_up_its_targets(classes, dtype):
    draw = np.random.default_rng(classes)
    x, target = draw.normal(size=(30, classes)).astype(dtype), draw.integers(0, classes, 30)
    target[:2] = 0, classes - 1
    leaf = nt.tensor(x, requires_grad=True)
    loss = F.cross_entropy(leaf, nt.tensor(target), reduction="none")
    loss.sum().backward()
    power = np.exp(x.astype(np.float64))
    share = power / power.sum(1, keepdims=True)
    assert np.allclose(loss.numpy(force=True), -np.log(share[np.arange(30), target]), rtol=1e-5, atol=1e-6)
    share[np.arange(30), target] -= 1
    assert np.allclose(leaf.grad.numpy(), share, rtol=1e-5, atol=1e-6)


def test_rows_that_no_cache_holds(monkeypatch):
    """The kernels that read ahead and write past the caches give the bits of the plain ones."""
    from numbatorch.cpu import streaming
    from numbatorch.ops.declare import OPS
    x = nt.tensor(np.random.default_rng(0).normal(size=(9, 2048)).astype(np.float32), requires_grad=True)
    target, found = nt.arange(9) * 200, []
    for large in (False, True):
        monkeypatch.setattr(streaming, "when", lambda *layouts, large=large: large)
        for name in ("argmax", "sum", "surprise_rows", "layer_norm_rows", "log_softmax_rows"):
            OPS[name].call._plans.clear()
        F.cross_entropy(x, target).backward()
        values = x.numpy(force=True)
        own = [t.numpy(force=True) for t in (x.argmax(1), x.sum(1), x.grad, nt.log_softmax(x, 1))]
        found.append([a.tobytes() for a in (*own, *_norm_gradients(values, np.ones(2048, np.float32), values))])
        x.grad = None
    for name in ("argmax", "sum", "surprise_rows", "layer_norm_rows", "log_softmax_rows"):
        OPS[name].call._plans.clear()
    assert found[0] == found[1]


def test_a_choice_by_position_inside_and_beside_a_sum_of_the_row():
    """The gradient of nll_loss(log_softmax(x)) in one kernel: its `where` is an element's value and part of a sum."""
    layer, target = nt.nn.Linear(5, 10), nt.randint(0, 10, (8,))

    def step(x):
        layer.zero_grad()
        loss = nt.nn.functional.nll_loss(layer(x).log_softmax(1), target)
        loss.backward()
        return loss

    run, x = nt.compile(step), nt.randn(8, 5)
    wanted = step(x), layer.weight.grad.clone()
    for _ in range(4):
        assert nt.equal(run(x), wanted[0]) and nt.equal(layer.weight.grad, wanted[1])
    assert run.programs, run.explain()
