"""What programs run without Python: draws, attention, recurrent layers, sorts; and what still needs it."""

import numpy as np
import pytest

import numbatorch as torch
from numbatorch.compiler import launches
from numbatorch.layout import layout
from tests.failed_number import check_that_a_failed_number_changes_nothing

nn, F = torch.nn, torch.nn.functional


def runs(function, *args, steps=6):
    """The compiled function after some calls that agree with eager ones, the generator's state included."""
    run = torch.compile(function)
    torch.manual_seed(3)
    expected = [function(*args) for _ in range(steps)], torch.rand(3)
    torch.manual_seed(3)
    found = [run(*args).clone() for _ in range(steps)], torch.rand(3)
    for a, b in zip((*expected[0], expected[1]), (*found[0], found[1]), strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
    assert run.programs and run.programs[0].runs >= steps - 4, run.explain()
    return run.programs[0].runner


@pytest.mark.parametrize("fill", [
    lambda x: x + torch.rand(5, 7), lambda x: x + torch.rand(5, 7, dtype=torch.float64),
    lambda x: x + torch.randn(4, 8, 16)[0, 0, :7], lambda x: x + torch.randn(5, 7), lambda x: x + torch.randn(27)[:7],
    lambda x: x * torch.empty(5, 7).bernoulli_(0.3), lambda x: F.dropout(x, 0.4),
    lambda x: x + torch.randint(3, 90, (5, 7)), lambda x: x + torch.empty(5, 7).exponential_(2.0),
    lambda x: x + torch.empty(5, 7).cauchy_(), lambda x: x + torch.empty(5, 7).geometric_(0.3),
    lambda x: x + torch.empty(5, 7, dtype=torch.int64).random_(), lambda x: x + torch.rand(7, 5).t().uniform_(2, 3),
    lambda x: x + torch.randn(5, 7, dtype=torch.complex64).real,
    lambda x: x + torch.randn(4, 4, dtype=torch.bfloat16)[0, 0]])
def test_draws_are_native(fill):
    assert runs(fill, torch.ones(5, 7)).python == []


def test_draws_of_more_words_than_the_state_holds():
    assert runs(lambda x: (torch.rand(200_001) + torch.rand(200_001, dtype=torch.float64)).sum() + x,
                torch.ones(1), steps=4).python == []


def test_draws_in_python_and_native_ones_share_the_stream(monkeypatch):
    def refuse(*given):
        raise launches.Opaque("search")
    monkeypatch.setattr(launches._Draws, "search", refuse)

    def f(x):
        a = torch.rand(700)
        many = torch.poisson(x + 4)
        return x + a[:5] + many + torch.rand(5) + torch.randn(3).sum()
    assert runs(f, torch.ones(5)).python == ["fill_poisson"]


@pytest.mark.parametrize("n", [0, 1, 2, 7, 20_000, 79_872, 79_873, 170_000])
def test_permutations_are_native(n):
    def f(x):
        a, b = torch.randperm(n), torch.randperm(n, dtype=torch.int32)
        return x * a.sum() + (a * torch.arange(n)).sum() + torch.rand(3).sum() + (b * torch.arange(n)).sum()
    assert runs(f, torch.ones(1, dtype=torch.float64)).python == []


def apart(name, x):
    y = torch.zeros(*x.shape[:-1], 2 * x.shape[-1], dtype=x.dtype)
    getattr(y[..., ::2], name)()
    return y


@pytest.mark.parametrize("fill", [
    lambda x: torch.randn(3), lambda x: torch.randn(3, dtype=torch.float64),
    lambda x: torch.randn(15, dtype=torch.bfloat16).float(), lambda x: torch.randn(1, dtype=torch.float16).expand(5),
    lambda x: torch.randn(2, 3, dtype=torch.complex64).real,
    lambda x: torch.empty(7).log_normal_(0.5, 2), lambda x: torch.empty(30_001).log_normal_(),
    lambda x: torch.randn(60, 1001).t().normal_(), lambda x: torch.randperm(9, dtype=torch.float32),
    lambda x: torch.bernoulli(x), lambda x: torch.empty(30, 2000, dtype=torch.int64).bernoulli_(x[0, 0]),
    lambda x: torch.empty(7, 5).t().bernoulli_(x.double()),
    lambda x: torch.poisson(x * 30), lambda x: torch.poisson(torch.full((300, 500), 11.0)),
    lambda x: torch.binomial(torch.full_like(x, 40), x), lambda x: torch._standard_gamma(x * 2),
    lambda x: torch._standard_gamma(torch.full((50_000,), 0.4, dtype=torch.float64)),
    lambda x: torch._sample_dirichlet(x), lambda x: torch.multinomial(x, 9, True),
    lambda x: torch.multinomial(x, 4), lambda x: torch.multinomial(x.double()[0], 90_000, True),
    *(lambda x, name=name: apart(name, x) for name in (
        "uniform_", "normal_", "exponential_", "cauchy_", "log_normal_", "geometric_", "random_", "bernoulli_")),
])
def test_draws_of_a_number_of_words_that_the_state_decides_are_native(fill):
    x = torch.rand(5, 7, generator=torch.Generator().manual_seed(1))
    # Every other run has a normal number that waits.
    assert runs(lambda x: fill(x).clone().flatten()[:5] + torch.randn(3).sum(), x).python == []


def test_draws_of_what_varies_with_the_run_follow_it():
    run = torch.compile(lambda rate, chance: torch.poisson(rate) + torch.bernoulli(chance) + torch.randn(1))
    x = torch.rand(40)
    for k in range(7):
        expected = [torch.manual_seed(k), torch.poisson(x * k) + torch.bernoulli(x / (k + 1)) + torch.randn(1)][1]
        torch.manual_seed(k)
        assert torch.equal(run(x * k, x / (k + 1)), expected)
    assert run.programs[0].runs >= 3 and run.programs[0].runner.python == []


def test_waiting_normal_numbers_are_heard_of_both_ways():
    run = torch.compile(lambda x: x + torch.randn(3))
    x, found, expected = torch.zeros(3), [], []
    for results, f in ((expected, lambda x: x + torch.randn(3)), (found, run)):
        torch.manual_seed(2)
        for k in range(8):
            results.append(f(x).clone())
            if k % 3 == 0:
                results += [torch.randn(1), torch.randn(20)]
        results.append(torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert run.programs[0].runner.python == []


@pytest.mark.parametrize("draw, bad, message", [
    (lambda v: torch.empty(6).bernoulli_(v), 1.5, "Expected p_in >= 0 && p_in <= 1"),
    (lambda v: torch.poisson(v), -1.0, "invalid Poisson rate")])
def test_a_draw_that_fails_leaves_everything_as_it_was(draw, bad, message):
    total, count, good = torch.zeros(6), torch.zeros(3, 4), torch.full((6,), 0.25)

    def step(v):
        total.add_(v)
        noise = torch.randn(6)
        count.add_(1)
        drawn = draw(v)
        total.mul_(2)
        return drawn + noise
    run = torch.compile(step)
    for _ in range(5):
        run(good)
    before, many = (total.clone(), count.clone()), run.programs[0].runs
    assert run.programs[0].runner.python == []
    for wrong in (0, 3, 5):
        values = good.clone()
        values[wrong] = bad
        with pytest.raises(RuntimeError, match=message):
            run(values)
        assert torch.equal(total, before[0]) and torch.equal(count, before[1])
    torch.manual_seed(5)
    found = run(good).clone(), torch.rand(2)
    assert run.programs[0].runs == many + 1
    torch.manual_seed(5)
    expected = step(good), torch.rand(2)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_a_distribution_that_is_none_leaves_everything_as_it_was():
    def f(x):
        return torch.multinomial(x, 5, True), torch.multinomial(x.softmax(-1), 2, True)
    run, x = torch.compile(f), torch.rand(3, 4)
    for _ in range(5):
        run(x)
    assert run.programs[0].runner.python == []
    for bad, message in ((torch.zeros(3, 4), "sum of probabilities <= 0"), (x - 5, "element < 0")):
        with pytest.raises(RuntimeError, match=message):
            run(bad)
    torch.manual_seed(1)
    found = run(x)
    torch.manual_seed(1)
    assert all(torch.equal(a, b) for a, b in zip(found, f(x), strict=True))


def test_programs_that_take_turns_and_eager_code_share_the_stream():
    def f(x):
        return x + torch.rand(3) + torch.randn(1)

    def g(x):
        return torch.poisson(x + 3) + torch.empty(3).log_normal_()
    results = []
    for first, second in ((f, g), (torch.compile(f), torch.compile(g))):
        torch.manual_seed(6)
        found, x = [], torch.ones(3)
        for k in range(20):
            found.append((second if k % 3 else first)(x).clone())
            if k % 4 == 2:
                found += [torch.randn(2), torch.get_rng_state()]
            if k % 7 == 5:
                copy = torch.default_generator.clone_state()
                found.append(torch.rand(2, generator=copy))
            if k in (13, 16):
                kept = torch.get_rng_state()
                found.append(first(x).clone())
                torch.set_rng_state(kept)
            if k == 15:
                torch.manual_seed(1)
        results.append(found)
    assert first.programs[0].runs and second.programs[0].runs
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_a_check_that_fails_after_draws_of_all_kinds_draws_again():
    def f(x):
        a = torch.randn(3) + torch.poisson(x) + torch.empty(3).log_normal_()
        return a if a.sum() + x.sum() < 60 else a * 2 + torch.randn(1)
    results = []
    for run in (f, torch.compile(f)):
        torch.manual_seed(4)
        results.append([run(torch.full((3,), float(k % 4 * 4))).clone() for k in range(16)] + [torch.get_rng_state()])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


@pytest.mark.parametrize("threads", [1, 2])
def test_native_draws_do_not_depend_on_threads(threads):
    def f(x):
        return torch.cat([torch.empty(40_001).log_normal_(), torch.bernoulli(x), torch.poisson(x[:900] * 20),
                          torch.empty(30_000, 2)[:, 0].normal_(), torch.multinomial(x, 9000, True).float()])
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert runs(f, torch.rand(30_000, generator=torch.Generator().manual_seed(1))).python == []
    finally:
        torch.set_num_threads(before)


def test_a_state_that_is_set_anew_is_heard():
    run = torch.compile(lambda x: x + torch.rand(3))
    x = torch.zeros(3)
    for _ in range(4):
        run(x)
    torch.manual_seed(11)
    first = run(x).clone()
    kept = torch.get_rng_state()
    second = run(x).clone()
    torch.set_rng_state(kept)
    assert torch.equal(run(x), second) and not torch.equal(first, second)
    torch.manual_seed(11)
    assert torch.equal(torch.rand(3), first)


def test_attention_recurrent_layers_and_sorts_are_native():
    q = torch.randn(2, 3, 17, 8)

    def attend(q):
        q = q.detach().requires_grad_()
        F.scaled_dot_product_attention(q, q, q, is_causal=True).square().sum().backward()
        return q.grad
    assert runs(attend, q).python == []
    for make in (nn.LSTM, nn.GRU):
        layer, x = make(5, 6, 2), torch.randn(4, 3, 5)

        def step(x, layer=layer):
            layer.zero_grad()
            loss = layer(x)[0].square().sum()
            loss.backward()
            return torch.cat([loss.detach().reshape(1), *(p.grad.flatten() for p in layer.parameters())])
        assert runs(step, x).python == []
    x = torch.randn(6, 40)
    assert runs(lambda x: x.sort(1)[0] + x.topk(3, 1)[0].sum(1, keepdim=True) + x.argsort(0), x).python == []
    index = torch.randint(0, 6, (9,))
    assert runs(lambda x: x.index_select(0, index).sum() + x.scatter_add(0, index[None].expand(2, 9), x[:2, :9]),
                x).python == []


def test_convolutions_with_padding_clear_what_they_work_in():
    conv, x = nn.Conv2d(3, 4, 3, padding=1), torch.randn(2, 3, 9, 9)

    def step(x):
        conv.zero_grad()
        loss = conv(x).tanh().square().sum()
        loss.backward()
        return conv.weight.grad + loss.detach()
    assert runs(step, x).python == []


def transformed(x):
    return torch.fft.fft(x).real * 2


@pytest.mark.parametrize("shape", [(3, 64), (5, 37), (2, 1, 40_000), (900, 60)])
def test_transforms_are_native_and_of_the_input_that_is_given(shape):
    x = torch.randn(shape)
    assert runs(transformed, x, steps=4).python == []
    run = torch.compile(transformed)
    for _ in range(4):
        run(x)
    assert torch.equal(run(x + 1), transformed(x + 1))


def test_transforms_of_several_dims_and_their_gradients_are_native():
    def step(x):
        x = x.detach().requires_grad_()
        torch.fft.irfft2(torch.fft.rfft2(x) * 2j).square().sum().backward()
        return x.grad + torch.stft(x.detach().flatten(), 16, return_complex=True).abs().sum()
    assert runs(step, torch.randn(6, 20), steps=4).python == []


def test_what_is_not_known_runs_in_python(monkeypatch):
    def refuse(*given):
        raise launches.Opaque("verify")
    monkeypatch.setattr(launches._Draws, "verify", refuse)

    def f(x):
        return torch.poisson(x) + x
    run = torch.compile(f)
    for _ in range(4):
        run(torch.ones(3, 4))
    assert run.programs[0].runner.python == ["fill_poisson"] and "Python runs fill_poisson" in run.explain()


def test_tensors_of_python_data_are_constants():
    assert runs(lambda x: x[torch.tensor([2, 0])] + torch.tensor([1.5, 2]) + torch.tensor(np.ones(2)), torch.randn(3))


def test_kernels_that_are_called_in_a_way_of_their_own_are_refused():
    x = torch.randn(4, 4)
    with pytest.raises(launches.Opaque):
        launches.found(lambda *given: None, (0, 0, 1, 1))
    assert launches.stand_in(3) == launches.FIRST + 3 * launches.STEP
    assert layout(torch.float32, (4, 4)) is x._layout


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.AdamW, torch.optim.NAdam, torch.optim.Adagrad])
@pytest.mark.parametrize("alone", [False, True])
def test_only_counts_of_steps_are_kept_for_what_numbers_may_raise(optimizer, alone):
    """Counts are read before the first parameter changes, by an update that depends on another number, too."""
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)), torch.ones(4, 6)
    own = optimizer(model.parameters(), lr=0.01)
    model(x).square().sum().backward()

    def step():
        if not alone:
            own.zero_grad()
            model(x).square().sum().backward()
        own.step()
    run = torch.compile(step)
    for _ in range(6):
        run()
    kept = [b for b, _ in run.programs[0].runner._saved]
    assert len(kept) == len(list(model.parameters())) * (2 if optimizer is torch.optim.NAdam else 1), run.graph
    assert all(b.nbytes == 4 for b in kept), run.graph


def test_numbers_of_one_expression_are_those_of_their_own_counts():
    """They are computed once for equal counts of steps."""
    torch.manual_seed(0)
    parameters = [nn.Parameter(torch.rand(3)) for _ in range(6)]
    own = torch.optim.Adam(parameters, lr=0.1, amsgrad=True)

    def step():
        for p in parameters:
            p.grad = torch.ones(3)
        own.step()

    def left(run, calls):
        for k in range(calls):
            for p, count in zip(parameters, (3, 3, 7, 3, 7, 11), strict=True):
                if own.state[p]:
                    own.state[p]["step"].fill_(count if k % 3 else 2)
            run()
        return [t.detach().clone() for p in parameters for t in (p, *own.state[p].values())]
    step()
    state, values = own.state_dict(), [p.detach().clone() for p in parameters]
    state = {"state": {k: {n: t.clone() for n, t in v.items()} for k, v in state["state"].items()},
             "param_groups": state["param_groups"]}
    expected = left(step, 12)
    with torch.no_grad():
        for p, v in zip(parameters, values, strict=True):
            p.copy_(v)
    own.load_state_dict(state)
    run = torch.compile(step)
    for a, b in zip(expected, left(run, 12), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert sum(p.runs for p in run.programs) >= 8, run.explain()
    codes = run.programs[0].runner._builder._remembered
    assert codes and len(codes) < len(parameters)


def test_a_number_that_cannot_be_computed_leaves_everything_as_it_was():
    check_that_a_failed_number_changes_nothing("cpu", lambda a, b: torch.optim.Adam([*a, *b], lr=0.1))
    check_that_a_failed_number_changes_nothing("cpu", lambda a, b: torch.optim.AdamW(
        [{"params": a}, {"params": b, "amsgrad": True}], lr=0.1))


def test_a_step_over_distributions_runs_without_python():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Parameter(torch.linspace(-1, 1, 6)), nn.Parameter(torch.linspace(-2, 1, 6))

        def forward(self, x):
            own, a, b = torch.distributions, self.a * x, self.b.exp()
            found = own.Gamma(a.exp(), 1 + b).rsample() * own.Beta(a.exp(), b).rsample() + own.Normal(a, b).rsample()
            more = own.StudentT(b + 1).rsample() + own.Dirichlet(a.exp() + 1).rsample().square()
            return (found + more).sum() + own.Poisson(b.detach()).sample().sum()
    results = []
    for compiled in (False, True):
        torch.manual_seed(1)
        model = Model()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

        def step(x, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            loss = model(x)
            loss.backward()
            optimizer.step()
            return loss.detach()
        run = torch.compile(step) if compiled else step
        results.append([*[run(torch.ones(6)).clone() for _ in range(8)], *model.parameters(), torch.get_rng_state()])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
    assert run.programs and run.programs[0].runs >= 4 and run.programs[0].runner.python == [], run.explain()
