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


def test_draws_in_python_and_native_ones_share_the_stream():
    def f(x):
        a = torch.rand(700)
        order = torch.randperm(5, dtype=torch.float32)
        return x + a[:5] + order + torch.rand(5)
    assert runs(f, torch.ones(5)).python == ["fill_randperm"]


@pytest.mark.parametrize("n", [0, 1, 2, 7, 20_000, 79_872, 79_873])
def test_permutations_are_native_up_to_the_words_that_are_made_at_a_time(n):
    def f(x):
        a, b = torch.randperm(n), torch.randperm(n, dtype=torch.int32)
        return x * a.sum() + (a * torch.arange(n)).sum() + torch.rand(3).sum() + (b * torch.arange(n)).sum()
    assert len(runs(f, torch.ones(1, dtype=torch.float64)).python) == (0 if n < 79_873 else 2)


def test_draws_that_are_not_dense_or_come_in_pairs():
    def f(x):
        y = torch.zeros(4, 6)
        y[:, ::2].uniform_()
        return y[:, :3] + torch.randn(3) + x
    assert runs(f, torch.ones(3)).python


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


def test_what_is_not_known_runs_in_python():
    def f(x):
        return torch.poisson(x) + x
    assert runs(f, torch.ones(3, 4)).python == ["fill_poisson"]


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


def test_a_number_that_cannot_be_computed_leaves_everything_as_it_was():
    check_that_a_failed_number_changes_nothing("cpu", lambda a, b: torch.optim.Adam([*a, *b], lr=0.1))
    check_that_a_failed_number_changes_nothing("cpu", lambda a, b: torch.optim.AdamW(
        [{"params": a}, {"params": b, "amsgrad": True}], lr=0.1))
