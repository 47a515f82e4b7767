"""Random functions as a user calls them: values and generator state afterwards are PyTorch's, where it is installed."""

import pytest

import numbatorch

torch = pytest.importorskip("torch")

DRAWS = {
    "rand": lambda t, n: t.rand(n),
    "rand float64": lambda t, n: t.rand(n, dtype=t.float64),
    "rand complex": lambda t, n: t.view_as_real(t.rand(n, dtype=t.complex64)),
    "randn": lambda t, n: t.randn(n),
    "randn float16": lambda t, n: t.randn(n, dtype=t.float16),
    "randn complex": lambda t, n: t.view_as_real(t.randn(n, dtype=t.complex64)),
    "normal_ complex": lambda t, n: t.view_as_real(t.empty(n, dtype=t.complex64).normal_(2.0, 3.0)),
    "randn generator": lambda t, n: t.randn(n, generator=t.Generator().manual_seed(3)),
    "randn_like": lambda t, n: t.randn_like(t.zeros(n).T),
    "randint": lambda t, n: t.randint(3, 10, n),
    "randint wide": lambda t, n: t.randint(3, 2**40, n),
    "randint_like": lambda t, n: t.randint_like(t.zeros(n), 5),
    "randperm": lambda t, n: t.randperm(n[0]),
    "bernoulli": lambda t, n: t.bernoulli(t.rand(n)),
    "bernoulli_": lambda t, n: t.zeros(n).bernoulli_(0.2),
    "bernoulli_ in memory order": lambda t, n: t.zeros(n).T.bernoulli_(t.rand(n[::-1])),
    "bernoulli_ strided": lambda t, n: t.zeros(n)[..., ::2].bernoulli_(t.full((1,), 0.3)),
    "uniform_": lambda t, n: t.empty(n).T.uniform_(-2, 3),
    "normal_": lambda t, n: t.empty(n).T.normal_(-2, 3),
    "exponential_": lambda t, n: t.empty(n).exponential_(2.0),
    "geometric_": lambda t, n: t.zeros(n).geometric_(0.2),
    "log_normal_": lambda t, n: t.zeros(n).log_normal_(),
    "cauchy_": lambda t, n: t.zeros(n).cauchy_(),
    "random_": lambda t, n: t.zeros(n).random_(),
    "random_ to": lambda t, n: t.zeros(n).random_(5),
    "normal": lambda t, n: t.normal(t.zeros(n) + 2, t.ones(n) * 3),
    "normal of a mean": lambda t, n: t.normal(2.0, t.ones(n) * 3),
    "multinomial of one": lambda t, n: t.multinomial(t.rand(n), 1),
    "multinomial": lambda t, n: t.multinomial(t.rand(n), 2),
    "multinomial with replacement": lambda t, n: t.multinomial(t.rand(n), 20, replacement=True),
    "poisson": lambda t, n: t.poisson(t.rand(n) * 20),
    "binomial": lambda t, n: t.binomial(t.full(n, 20.0), t.rand(n)),
    "dropout": lambda t, n: t.nn.functional.dropout(t.randn(n), 0.3),
    "dropout in memory order": lambda t, n: t.nn.functional.dropout(t.randn(n).T, 0.3),
    "dropout2d": lambda t, n: t.nn.functional.dropout2d(t.randn(3, 4, *n), 0.4),
    "alpha_dropout": lambda t, n: t.nn.functional.alpha_dropout(t.randn(n), 0.3, True),
    "rrelu": lambda t, n: t.nn.functional.rrelu(t.randn(n).T, training=True),
    "kaiming_uniform_": lambda t, n: t.nn.init.kaiming_uniform_(t.empty(n)),
    "xavier_normal_": lambda t, n: t.nn.init.xavier_normal_(t.empty(n)),
    "Linear": lambda t, n: t.nn.Linear(*n).weight.detach(),
    "Embedding": lambda t, n: t.nn.Embedding(*n).weight.detach(),
}


@pytest.mark.parametrize("size", [(2, 3), (40, 50)], ids=str)
@pytest.mark.parametrize("name", DRAWS)
def test_draws_are_those_of_torch(name, size):
    torch.manual_seed(11)
    with numbatorch.random.fork_rng():
        numbatorch.manual_seed(11)
        expected, found = DRAWS[name](torch, size).numpy(), DRAWS[name](numbatorch, size).numpy()
        assert found.dtype == expected.dtype and found.shape == expected.shape
        assert found.tobytes() == expected.tobytes()
        assert numbatorch.get_rng_state().numpy().tobytes() == torch.get_rng_state().numpy().tobytes()
