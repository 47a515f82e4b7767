"""Recurrent networks: what a layer computes, packed and padded, forwards and backwards, to any order."""

import pytest

import numbatorch as nt
from numbatorch.autograd import gradcheck

GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}
KINDS = list(GATES)


def network(kind, features=3, width=4, batch=3, layers=1, directions=1, biases=True, projection=0, dtype=nt.float64):
    """(states, params) of random numbers, as the functions take them."""
    nt.manual_seed(1)
    shown, params = projection or width, []
    for layer in range(layers):
        for _ in range(directions):
            rows = GATES[kind] * width
            params += [nt.randn(rows, features if layer == 0 else shown * directions, dtype=dtype),
                       nt.randn(rows, shown, dtype=dtype)]
            params += [nt.randn(rows, dtype=dtype), nt.randn(rows, dtype=dtype)] if biases else []
            params += [nt.randn(projection, width, dtype=dtype)] if projection else []
    params = [p * 0.5 for p in params]
    states = [nt.randn(layers * directions, batch, shown, dtype=dtype)]
    if kind == "lstm":
        states.append(nt.randn(layers * directions, batch, width, dtype=dtype))
    return states, params


def run(kind, x, states, params, layers=1, directions=1, biases=True, sizes=None, batch_first=False):
    hx = tuple(states) if kind == "lstm" else states[0]
    options = (params, biases, layers, 0.0, False, directions == 2)
    if sizes is not None:
        return getattr(nt, kind)(x, nt.tensor(sizes), hx, *options)
    return getattr(nt, kind)(x, hx, *options, batch_first)


def plain_step(kind, x, h, c, w_ih, w_hh, b_ih, b_hh):
    """One step written out."""
    if kind == "gru":
        r, z, n = (x @ w_ih.T + b_ih).chunk(3, 1)
        own_r, own_z, own_n = (h @ w_hh.T + b_hh).chunk(3, 1)
        z = nt.sigmoid(z + own_z)
        return (1 - z) * nt.tanh(n + nt.sigmoid(r + own_r) * own_n) + z * h, None
    total = x @ w_ih.T + b_ih + h @ w_hh.T + b_hh
    if kind != "lstm":
        return (nt.tanh if kind == "rnn_tanh" else nt.relu)(total), None
    i, f, g, o = total.chunk(4, 1)
    c = nt.sigmoid(f) * c + nt.sigmoid(i) * nt.tanh(g)
    return nt.sigmoid(o) * nt.tanh(c), c


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width, batch, dtype", [(4, 3, nt.float64), (37, 17, nt.float64), (18, 2, nt.float32)])
def test_every_step_is_the_formula(kind, width, batch, dtype):
    states, params = network(kind, width=width, batch=batch, dtype=dtype)
    x = nt.randn(5, batch, 3, dtype=dtype)
    output, *last = run(kind, x, states, params)
    h, c = states[0][0], states[-1][0]
    for t in range(5):
        h, c = plain_step(kind, x[t], h, c, *params)
        nt.testing.assert_close(output[t], h)
    nt.testing.assert_close(last[0][0], h)
    if kind == "lstm":
        nt.testing.assert_close(last[1][0], c)


@pytest.mark.parametrize("kind", KINDS)
def test_packed_sequences_are_the_padded_ones_cut_short(kind):
    lengths, sizes = [5, 3, 3, 1], [4, 3, 3, 1, 1]
    states, params = network(kind, batch=4, layers=2, directions=2)
    x = nt.randn(5, 4, 3, dtype=nt.float64)
    data = nt.cat([x[t, :n] for t, n in enumerate(sizes)])
    output, *last = run(kind, data, states, params, 2, 2, sizes=sizes)
    for k, length in enumerate(lengths):
        alone, *ended = run(kind, x[:length, k:k + 1], [s[:, k:k + 1] for s in states], params, 2, 2)
        rows = [sum(sizes[:t]) + k for t in range(length)]
        nt.testing.assert_close(output[rows], alone[:, 0])
        for a, b in zip(last, ended, strict=True):
            nt.testing.assert_close(a[:, k:k + 1], b)


def test_batch_first_is_the_transpose():
    states, params = network("gru")
    x = nt.randn(5, 3, 3, dtype=nt.float64)
    output, last = run("gru", x, states, params)
    turned, same = run("gru", x.transpose(0, 1), states, params, batch_first=True)
    nt.testing.assert_close(turned.transpose(0, 1), output)
    nt.testing.assert_close(same, last)


def plain_run(kind, x, states, params, directions=1, biases=True, sizes=None, projection=0):
    """(sum of squares of all outputs, last memory or state) of one layer, each sequence for itself, step by step."""
    steps = len(sizes) if sizes else x.shape[0]
    sizes = sizes or [x.shape[1]] * steps
    rows = x if x.ndim == 2 else x.flatten(0, 1)
    each, total, last = len(params) // directions, 0, []
    for direction in range(directions):
        w_ih, w_hh, *rest = params[direction * each:(direction + 1) * each]
        b_ih, b_hh = rest[:2] if biases else (w_ih.new_zeros(len(w_ih)), w_ih.new_zeros(len(w_ih)))
        for k in range(sizes[0]):
            h, c = states[0][direction, k:k + 1], states[-1][direction, k:k + 1]
            places = [sum(sizes[:t]) + k for t, size in enumerate(sizes) if size > k]
            for place in places[::-1] if direction else places:
                h, c = plain_step(kind, rows[place:place + 1], h, c, w_ih, w_hh, b_ih, b_hh)
                h = h @ rest[-1].T if projection else h
                total = total + h.square().sum()
            last.append(c if kind == "lstm" else h)
    return total + nt.cat(last).sum()


CASES = [(kind, {}, None) for kind in KINDS] + [
    (kind, {"biases": False, "directions": 2}, [3, 3, 1]) for kind in KINDS] + [("lstm", {"projection": 3}, None)]


@pytest.mark.parametrize("kind, options, sizes", CASES)
def test_gradients_of_first_and_second_order(kind, options, sizes):
    states, params = network(kind, 2, 19, 3, **options)
    x = nt.randn(7, 2, dtype=nt.float64) if sizes else nt.randn(3, 3, 2, dtype=nt.float64)
    leaves = [t.detach().requires_grad_() for t in (x, *states, *params)]
    rest, directions, biases = leaves[1:], options.get("directions", 1), options.get("biases", True)
    states, params = rest[:len(states)], rest[len(states):]
    output, *last = run(kind, leaves[0], states, params, 1, directions, biases, sizes)
    plain = plain_run(kind, leaves[0], states, params, directions, biases, sizes, options.get("projection", 0))
    results = []
    for value in (output.square().sum() + last[-1].sum(), plain):
        first = nt.autograd.grad(value, leaves, create_graph=True)
        again = nt.autograd.grad(value, leaves, retain_graph=True)
        second = nt.autograd.grad(sum(g.square().sum() for g in first), leaves)
        results.append([value, *first, *again, *second])
    for a, b in zip(*results, strict=True):
        nt.testing.assert_close(a, b)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_numerically_right(kind):
    states, params = network(kind, 1, 2, 2)
    x = nt.randn(2, 2, 1, dtype=nt.float64)
    leaves = [t.detach().requires_grad_() for t in (x, *states, *params)]
    assert gradcheck(lambda x, *rest: run(kind, x, rest[:len(states)], rest[len(states):])[0].sum(-1), leaves)


@pytest.mark.parametrize("kind", KINDS)
def test_operands_without_gradient_get_none(kind):
    states, params = network(kind)
    x = nt.randn(5, 3, 3, dtype=nt.float64, requires_grad=True)
    params[1].requires_grad_()
    output, *_ = run(kind, x, states, params)
    output.sum().backward()
    assert x.grad is not None and params[1].grad is not None
    assert all(t.grad is None for t in (*states, params[0], *params[2:]))


@pytest.mark.parametrize("kind", KINDS)
def test_results_do_not_depend_on_the_number_of_threads(kind):
    states, params = network(kind, 40, 150, 30, dtype=nt.float32)
    params = [p * 0.2 for p in params]
    x = nt.randn(6, 30, 40)
    results = []
    before = nt.get_num_threads()
    try:
        for threads in (1, 2, 3):
            nt.set_num_threads(threads)
            leaves = [t.detach().requires_grad_() for t in (x, *states, *params)]
            rest = leaves[1:]
            output, *_ = run(kind, leaves[0], rest[:len(states)], rest[len(states):])
            (output * output).sum().backward()
            results.append([output, *(t.grad for t in leaves)])
    finally:
        nt.set_num_threads(before)
    for other in results[1:]:
        assert all(nt.equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("dtype", [nt.bfloat16, nt.float16])
def test_half_precision_is_close_to_single(dtype):
    states, params = network("lstm", dtype=nt.float32)
    x = nt.randn(5, 3, 3)
    wide = run("lstm", x, states, params)
    narrow = run("lstm", x.to(dtype), [s.to(dtype) for s in states], [p.to(dtype) for p in params])
    for a, b in zip(narrow, wide, strict=True):
        assert a.dtype is dtype
        nt.testing.assert_close(a.float(), b, atol=0.05, rtol=0.05)


def test_a_weight_changed_before_backward_is_an_error():
    states, params = network("lstm")
    x = nt.randn(5, 3, 3, dtype=nt.float64, requires_grad=True)
    output, *_ = run("lstm", x, states, params)
    params[1].add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        output.sum().backward()


@pytest.mark.parametrize("kind", KINDS)
def test_results_may_be_changed_before_backward(kind):
    states, params = network(kind)
    x = nt.randn(5, 3, 3, dtype=nt.float64, requires_grad=True)
    output, *last = run(kind, x, states, params)
    kept = output.detach().clone()
    for state in last:
        state.mul_(2.0)
    assert nt.equal(output, kept)
    (wanted,) = nt.autograd.grad(output.sum() * 2, x, retain_graph=True)
    (got,) = nt.autograd.grad(output.mul_(2.0).sum(), x)
    nt.testing.assert_close(got, wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_cells_are_one_step(kind):
    states, params = network(kind)
    x = nt.randn(3, 3, dtype=nt.float64)
    h, c = plain_step(kind, x, states[0][0], states[-1][0], *params)
    hx = (states[0][0], states[1][0]) if kind == "lstm" else states[0][0]
    got = getattr(nt, f"{kind}_cell")(x, hx, *params)
    nt.testing.assert_close(got, (h, c) if kind == "lstm" else h)


def test_errors_say_what_does_not_fit():
    states, params = network("lstm")
    x = nt.randn(5, 3, 3, dtype=nt.float64)
    with pytest.raises(RuntimeError, match="two hidden states"):
        nt.lstm(x, (states[0],), params, True, 1, 0.0, False, False, False)
    with pytest.raises(RuntimeError, match="sequence length to be larger than 0"):
        run("lstm", x[:0], states, params)
    with pytest.raises(RuntimeError, match="got 3 params"):
        run("lstm", x, states, params[:3])
    with pytest.raises(RuntimeError, match=r"w_ih of layer 0 has shape \(16, 3\)"):
        run("lstm", x[..., :2], states, params)
    with pytest.raises(RuntimeError, match="same dtype"):
        run("lstm", x.float(), states, params)
    with pytest.raises(RuntimeError, match="must not grow"):
        run("lstm", x[0], states, params, sizes=[1, 2])
    with pytest.raises(TypeError, match="missing batch_first"):
        nt.gru(x, states[0], params, True, 1, 0.0, False, False)
    with pytest.raises(RuntimeError, match="inconsistent input_size: got 2 expected 3"):
        nt.lstm_cell(x[0, :, :2], (states[0][0], states[1][0]), *params)
    with pytest.raises(RuntimeError, match="doesn't match hidden0 batch size 2"):
        nt.lstm_cell(x[0], (states[0][0, :2], states[1][0]), *params)
