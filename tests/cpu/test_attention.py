"""Attention in one kernel against the sum of products in float64."""

import numpy as np
import pytest

import numbatorch as nt

attention = nt.nn.functional.scaled_dot_product_attention

# leading sizes, queries, sources, size of a head, columns of value, causal, mask
CASES = {
    "causal": ((2, 3), 128, 128, 32, 32, True, None),
    "small": ((1, 2), 7, 5, 3, 4, False, None),
    "several blocks, causal": ((2, 1), 300, 300, 64, 64, True, None),
    "several blocks, masked": ((1, 2), 70, 600, 64, 48, False, "bool"),
    "more queries than sources": ((1, 1), 600, 100, 33, 40, True, None),
    "fewer queries than sources": ((1, 2), 100, 600, 16, 17, True, None),
    "added mask of a batch": ((2, 3), 20, 30, 8, 8, False, "float"),
    "one": ((1, 1), 1, 1, 1, 1, False, None),
    "a row that sees nothing": ((1, 2), 300, 270, 20, 20, False, "row"),
    "mask of sources": ((2, 1), 30, 257, 20, 20, False, "sources"),
    "one query": ((2, 3), 1, 300, 33, 17, False, None),
    "few queries, masked": ((1, 2), 3, 270, 16, 40, False, "bool"),
    "few queries, causal": ((1, 2), 4, 9, 16, 8, True, None),
    "no batch": ((), 9, 10, 4, 4, True, None),
    "three leading dimensions": ((2, 2, 2), 9, 40, 4, 4, False, "bool"),
}


def inputs(name):
    lead, length, sources, depth, columns, causal, kind = CASES[name]
    rng = np.random.default_rng(0)
    q, k, v = (rng.standard_normal((*lead, *s)).astype(np.float32)
               for s in ((length, depth), (sources, depth), (sources, columns)))
    mask = None
    if kind in ("bool", "row"):
        mask = rng.random((length, sources)) > 0.3
    elif kind == "float":
        mask = rng.standard_normal((lead[0], 1, length, sources)).astype(np.float32)
    elif kind == "sources":
        mask = rng.random((lead[0], 1, 1, sources)) > 0.3
    if kind == "row":
        mask[5] = False
    return q, k, v, mask, causal, rng.standard_normal((*lead, length, columns)).astype(np.float32)


def reference(q, k, v, mask, causal, grad):
    """(result, gradients of query, key, value) in float64."""
    q, k, v, grad = (x.astype(np.float64) for x in (q, k, v, grad))
    scale = 1 / np.sqrt(q.shape[-1])
    scores = q @ k.swapaxes(-1, -2) * scale
    if causal:
        mask = np.tril(np.ones(scores.shape[-2:], bool))
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    top = scores.max(-1, keepdims=True)
    weights = np.exp(scores - np.where(np.isinf(top), 0, top))
    total = weights.sum(-1, keepdims=True)
    weights = weights / np.where(total == 0, 1, total)
    change = grad @ v.swapaxes(-1, -2)
    change = weights * (change - (change * weights).sum(-1, keepdims=True)) * scale
    return weights @ v, change @ k, change.swapaxes(-1, -2) @ q, weights.swapaxes(-1, -2) @ grad


def run(q, k, v, mask, causal, grad):
    tensors = [nt.tensor(x, requires_grad=True) for x in (q, k, v)]
    result = attention(*tensors, None if mask is None else nt.tensor(mask), is_causal=causal)
    result.backward(nt.tensor(grad))
    return [x.numpy() for x in (result.detach(), *(t.grad for t in tensors))]


@pytest.mark.parametrize("name", CASES)
def test_result_and_gradients(name):
    given = inputs(name)
    for label, got, expected in zip("yqkv", run(*given), reference(*given), strict=True):
        assert abs(got - expected).max() <= 3e-6 * max(1.0, abs(expected).max()), label


def test_strided_operands_need_no_copy():
    """Heads out of one projection: (N, L, 3, H, E)."""
    packed = nt.tensor(np.random.default_rng(1).standard_normal((2, 40, 3, 4, 16)).astype(np.float32))
    q, k, v = (x.transpose(1, 2) for x in packed.unbind(2))
    expected = attention(q.contiguous(), k.contiguous(), v.contiguous(), is_causal=True)
    np.testing.assert_array_equal(attention(q, k, v, is_causal=True).numpy(), expected.numpy())


def test_large_scores_do_not_overflow_and_nan_stays_in_its_row():
    q, k, v = (nt.ones(1, 1, 3, 2) * n for n in (1e3, 1e3, 2.0))
    np.testing.assert_array_equal(attention(q, k, v).numpy(), np.full((1, 1, 3, 2), 2.0, np.float32))
    q[0, 0, 1, 0] = float("nan")
    seen = attention(q, k, v).isnan().any(-1).flatten().tolist()
    assert seen == [False, True, False]


def test_second_gradients_go_through_products():
    q, k, v = (nt.tensor(x, requires_grad=True) for x in inputs("small")[:3])
    (first,) = nt.autograd.grad(attention(q, k, v).pow(2).sum(), q, create_graph=True)
    (second,) = nt.autograd.grad(first.sum(), k)
    step, direction = 1e-2, nt.tensor(np.random.default_rng(2).standard_normal(k.shape).astype(np.float32))

    def slope(sign):
        moved = (k.detach() + sign * step * direction).requires_grad_()
        return nt.autograd.grad(attention(q, moved, v).pow(2).sum(), q)[0].double().sum()

    expected = (slope(1) - slope(-1)) / (2 * step)
    assert abs((second * direction).double().sum() - expected) < 2e-2 * max(1.0, abs(expected.item()))


@pytest.mark.parametrize("name", ["several blocks, causal", "several blocks, masked"])
def test_bits_do_not_depend_on_the_number_of_threads(name, set_threads):
    seen = []
    for threads in (1, 2, 4):
        set_threads(threads)
        seen.append(run(*inputs(name)))
    for first, *others in zip(*seen, strict=True):
        for other in others:
            np.testing.assert_array_equal(first, other)


@pytest.mark.parametrize(("heads", "shared", "length", "causal"), [(4, 2, 9, False), (6, 1, 70, True), (4, 2, 2, 0)])
def test_heads_that_share_keys_and_values(heads, shared, length, causal):
    rng = np.random.default_rng(3)
    q, k, v = (rng.standard_normal((2, n, rows, 8)).astype(np.float32)
               for n, rows in ((heads, length), (shared, 40), (shared, 40)))
    grad, times = rng.standard_normal(q.shape).astype(np.float32), heads // shared
    expected = reference(q, k.repeat(times, 1), v.repeat(times, 1), None, causal, grad)
    tensors = [nt.tensor(x, requires_grad=True) for x in (q, k, v)]
    result = attention(*tensors, is_causal=causal, enable_gqa=True)
    result.backward(nt.tensor(grad))
    for label, got, exact in zip("yqkv", (result.detach(), *(t.grad for t in tensors)), expected, strict=True):
        if label in "kv":
            exact = exact.reshape(2, shared, times, 40, 8).sum(2)
        assert abs(got.numpy() - exact).max() <= 3e-6 * max(1.0, abs(exact).max()), label


def test_second_gradients_of_shared_heads():
    q, k, v = (nt.tensor(x, requires_grad=True) for x in inputs("small")[:3])
    q = q.detach()[:, :, :, :].requires_grad_()
    k, v = k.detach()[:, :1].requires_grad_(), v.detach()[:, :1].requires_grad_()
    shared = nt.autograd.grad(attention(q, k, v, enable_gqa=True).pow(2).sum(), (q, k, v), create_graph=True)
    repeated = nt.autograd.grad(attention(q, k.repeat_interleave(2, 1), v.repeat_interleave(2, 1)).pow(2).sum(),
                                (q, k, v), create_graph=True)
    for a, b in zip(shared, repeated, strict=True):
        nt.testing.assert_close(a, b)
    seconds = [nt.autograd.grad(sum((x * x).sum() for x in first), k)[0] for first in (shared, repeated)]
    nt.testing.assert_close(*seconds)


def test_numbers_of_heads_that_do_not_fit():
    q, k = nt.ones(1, 4, 3, 2), nt.ones(1, 2, 3, 2)
    with pytest.raises(RuntimeError, match="enable_gqa=True"):
        attention(q, k, k)
    with pytest.raises(RuntimeError, match="heads of key .* must divide"):
        attention(q, nt.ones(1, 3, 3, 2), nt.ones(1, 3, 3, 2), enable_gqa=True)


def test_a_graph_is_freed_and_changes_are_seen():
    q, k, v = (nt.tensor(x, requires_grad=True) for x in inputs("small")[:3])
    result = attention(q, k, v)
    result.sum().backward(retain_graph=True)
    first = q.grad.clone()
    result.sum().backward()
    np.testing.assert_array_equal(q.grad.numpy(), 2 * first.numpy())
    with pytest.raises(RuntimeError, match="second time"):
        result.sum().backward()
    result = attention(q, k, v)
    with nt.no_grad():
        k.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        result.sum().backward()


@pytest.mark.parametrize("length", [3, 9])
def test_gradients_of_large_scores_cancel(length):
    """Weights near 0 and 1 with gradients that differ little: what is left of them has to be right."""
    rng = np.random.default_rng(4)
    q, k, v = (rng.standard_normal((1, 2, length, 4)).astype(np.float32) * size for size in (8, 8, 1))
    v, grad = v + np.float32(10), rng.standard_normal((1, 2, length, 4)).astype(np.float32)
    expected = reference(q, k, v, None, False, grad)
    for got, exact in zip(run(q, k, v, None, False, grad)[1:3], expected[1:3], strict=True):
        assert abs(got - exact).max() <= 5e-5 * abs(exact).max()
