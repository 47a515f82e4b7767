"""Sizes that were never seen: no run of the function, no capture, the same bits; guards where sizes decide."""

import pytest

import numbatorch as torch
from numbatorch.compiler.binding import Binding
from numbatorch.compiler.sizes import Scope

nn, F = torch.nn, torch.nn.functional


@pytest.fixture(autouse=True)
def counted(captures):
    agree.captures = captures


def twins(build):
    """(step, parameters) as it is, and compiled."""
    made = []
    for is_compiled in (False, True):
        torch.manual_seed(0)
        model, step = build()
        made.append((torch.compile(step, dynamic=True) if is_compiled else step, model))
    return made


def agree(build, batches, free=0):
    """Run both over batches [arguments]; the last `free` of them must not run the compiled function."""
    (eager, first), (run, second) = twins(build)
    for k, arguments in enumerate(batches):
        if k == len(batches) - free:
            before, ran = len(agree.captures), run._eager
        state = torch.get_rng_state()
        expected = eager(*arguments)
        torch.set_rng_state(state)
        found = run(*arguments)
        assert torch.equal(expected, found), (k, run.explain())
        for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
            assert torch.equal(a, b), (k, run.explain())
    assert not free or (len(agree.captures), run._eager) == (before, ran), run.explain()
    return run


def training(make, loss):
    def build():
        model = make()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

        def step(*args):
            optimizer.zero_grad()
            value = loss(model, *args)
            value.backward()
            optimizer.step()
            return value.detach()
        return model, step
    return build


def perceptron():
    return nn.Sequential(nn.Linear(6, 12), nn.LayerNorm(12), nn.ReLU(), nn.Dropout(0.2), nn.Linear(12, 3))


def test_a_step_at_batches_that_were_never_seen():
    def loss(model, x, y):
        return F.cross_entropy(model(x), y) + x.numel() * 1e-3 / x.shape[0] ** 0.5
    build = training(perceptron, loss)
    batches = [(torch.randn(n, 6), torch.randint(0, 3, (n,))) for n in (32, 32, 32, 20, 21, 40, 33, 27, 50)]
    run = agree(build, batches, 5)
    assert "argument 0 (n0, 6), argument 1 (n0)" in run.explain()


def test_the_last_short_batch_and_a_batch_of_one():
    build = training(perceptron, lambda model, x, y: F.cross_entropy(model(x), y))
    x, y = torch.randn(70, 6), torch.randint(0, 3, (70,))
    for size in (32, 23):  # 70 = 32 + 32 + 6 = 23 + 23 + 23 + 1
        batches = [(a, b) for _ in range(3) for a, b in zip(x.split(size), y.split(size), strict=True)]
        agree(build, batches, len(x.split(size)))


class Block(nn.Module):
    def __init__(self, width=16, heads=2, longest=40, words=11):
        super().__init__()
        self.heads, self.words = heads, nn.Embedding(words, width)
        self.places = nn.Parameter(torch.randn(longest, width))
        self.norm, self.qkv, self.out = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, words)

    def forward(self, index, own):
        b, t = index.shape
        x = self.words(index) + self.places[:t]
        c = x.size(-1)
        q, k, v = (part.view(b, t, self.heads, c // self.heads).transpose(1, 2)
                   for part in self.qkv(self.norm(x)).split(c, dim=2))
        if own:
            scores = q @ k.transpose(-2, -1) * (c // self.heads) ** -0.5
            mask = torch.tril(torch.ones(t, t)).view(1, 1, t, t)
            y = scores.masked_fill(mask == 0, float("-inf")).softmax(-1) @ v
        else:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(x + y.transpose(1, 2).contiguous().view(b, t, c))


@pytest.mark.parametrize("own", [False, True])
def test_a_block_of_a_transformer_at_lengths_that_were_never_seen(own):
    def loss(model, index, target):
        scores = model(index, own)
        return F.cross_entropy(scores.view(-1, scores.size(-1)), target.view(-1))
    shapes = [(4, 16)] * 3 + [(4, 24), (3, 20), (3, 21), (5, 30), (6, 19)]
    agree(training(Block, loss), [(torch.randint(0, 11, s), torch.randint(0, 11, s)) for s in shapes], 3)


def test_inference_of_images_at_batches_that_were_never_seen():
    def build():
        model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
                              nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 64, 5)).eval()

        def step(x):
            with torch.no_grad():
                return model(x)
        return model, step
    agree(build, [(torch.randn(n, 3, 16, 16),) for n in (4, 4, 6, 7, 3, 12)], 3)


def test_results_that_are_differentiated_outside():
    torch.manual_seed(0)
    model = perceptron().eval()
    run = torch.compile(model, dynamic=True)
    for n in (8, 8, 8, 12, 13, 21):
        x = torch.randn(n, 6)
        grads = []
        for function in (model, run):
            model.zero_grad()
            function(x).square().mean().backward()
            grads.append([p.grad.clone() for p in model.parameters()])
        assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))


@pytest.mark.parametrize("of", ["a leaf", "a history"])
def test_arguments_that_require_grad_at_sizes_that_were_never_seen(of):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 3))

    def f(x, y):
        return (model(x) * y).square().mean(0)
    run = torch.compile(f, dynamic=True)
    for n in (8, 8, 9, 10, 13, 9):
        before = len(agree.captures)
        own, y, grads = torch.randn(n, 6, requires_grad=True), torch.randn(n, 3), []
        for function in (f, run):
            own.grad = None
            model.zero_grad()
            for _ in range(2):  # and is accumulated
                function(own if of == "a leaf" else own * 2, y).sum().backward()
            grads.append([own.grad, *[p.grad.clone() for p in model.parameters()]])
        assert own.grad.shape == (n, 6) and all(torch.equal(a, b) for a, b in zip(*grads, strict=True)), n
        assert n < 10 or before == len(agree.captures), run.explain()
    with torch.no_grad():
        for n in (8, 9, 14):
            x, y = torch.randn(n, 6, requires_grad=True), torch.randn(n, 3)
            assert torch.equal(run(x, y), f(x, y)) and not run(x, y).requires_grad


def test_positions_and_numbers_made_of_sizes():
    def f(x):
        n = x.shape[0]
        return torch.arange(n), torch.arange(1, 2 * n, 2) * 0.5, x / n, x[1:n - 1], n * 3, x.sum() * n ** 0.5
    run = torch.compile(f, dynamic=True)
    for n in (8, 8, 8, 9, 10, 11, 30):
        x = torch.randn(n, 2)
        for a, b in zip(run(x), f(x), strict=True):
            assert torch.equal(torch.as_tensor(a), torch.as_tensor(b)), n


def test_a_branch_on_a_size_is_a_guard():
    def f(x):
        return x * 2 if x.shape[0] < 10 else (x + 1).exp()
    run = torch.compile(f, dynamic=True)
    for n in (3, 3, 3, 4, 9, 10, 11, 12, 13, 5, 30, 9):
        x = torch.randn(n)
        assert torch.equal(run(x), f(x)), run.explain()
    assert "n0" in run.explain() and "10" in run.explain()


def test_a_size_that_is_used_as_a_plain_number_ties_the_program_to_it():
    def f(x):
        total = x[0] * 0
        for k in range(x.shape[0]):
            total = total + x[k]
        return total
    run = torch.compile(f, dynamic=True)
    with pytest.warns(UserWarning, match="f is captured anew for each size .* used as a plain number at") as warned:
        for n in (3, 3, 3, 4, 4, 5, 6, 7, 4, 3, 8, 9, 10):
            x = torch.randn(n, 2)
            assert torch.equal(run(x), f(x))
    assert len(warned) == 1 and "used as a plain number at" in run.explain()


@pytest.mark.parametrize("parts", [lambda x: x.unbind(0), lambda x: x.split(2), lambda x: x.chunk(3), list])
def test_results_whose_number_depends_on_a_size(parts):
    def f(x):
        return [part.sum(0) * 2 for part in parts(x)]
    run = torch.compile(f, dynamic=True)
    with pytest.warns(UserWarning, match="captured anew for each size") as warned:
        for n in (4, 4, 4, 5, 6, 8, 9, 10, 4, 9, 4, 9, 4):
            x = torch.randn(n, 3)
            assert all(torch.equal(a, b) for a, b in zip(run(x), f(x), strict=True)), n
    before = len(agree.captures), run._eager
    for n in (9, 4, 9):
        run(torch.randn(n, 3))
    assert len(warned) == 1 and before == (len(agree.captures), run._eager)  # each size has its program


@pytest.mark.parametrize("size", [0, 1])
def test_sizes_of_0_and_1_cost_one_capture_each(size):
    def build():
        model = perceptron()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

        def step(x):
            optimizer.zero_grad()
            loss = model(x).square().sum()
            loss.backward()
            optimizer.step()
            return loss.detach()
        return model, step
    run = agree(build, [(torch.randn(n, 6),) for n in (20, 20, 20, 30, size, size, 25, size, 31)], 4)
    before = len(agree.captures)
    agree(build, [(torch.randn(n, 6),) for n in (20, 20, 20, 30)])
    others = len(agree.captures) - before
    assert before == others + 1, run.explain()


def test_sizes_as_keys_and_text_are_plain_numbers():
    table = {5: 1.0, 6: 2.0}

    def f(x):
        return x * table[x.shape[0]], f"{x.shape[0]} rows"
    run = torch.compile(f, dynamic=True)
    for n in (5, 5, 5, 6, 5, 6):
        x = torch.randn(n)
        (a, s), (b, t) = run(x), f(x)
        assert torch.equal(a, b) and s == t


def test_an_effect_in_a_rehearsal_happens_once(capsys):
    def f(x):
        if x.shape[0] == 7:
            print("seven")
        return x * 2
    run = torch.compile(f, dynamic=True)
    for n in (5, 5, 5, 6, 7, 8):
        x = torch.randn(n)
        assert torch.equal(run(x), x * 2)
    assert capsys.readouterr().out == "seven\n"


def test_results_made_from_python_data():
    def f(x):
        return torch.arange(5), x * 2, torch.tensor([1.0, 2.0])
    run = torch.compile(f, dynamic=True)
    kept = []
    for n in (4, 4, 4, 4, 5, 6, 7):
        x = torch.randn(n)
        kept.append(run(x))
        assert all(torch.equal(a, b) for a, b in zip(kept[-1], f(x), strict=True)), n
        kept[-1][0].zero_()  # which is the caller's


def test_an_empty_batch():
    def f(x):
        return x.sum(0), x * 2
    run = torch.compile(f, dynamic=True)
    for n in (4, 4, 4, 0, 5, 0, 1, 6, 1):
        x = torch.randn(n, 3)
        assert all(torch.equal(a, b) for a, b in zip(run(x), f(x), strict=True)), n


def test_another_value_in_python_is_seen_at_sizes_that_were_never_seen():
    class Config:
        scale = 2.0
    own = Config()

    def f(x):
        return x * own.scale
    run = torch.compile(f, dynamic=True)
    for n, scale in ((4, 2.0), (4, 2.0), (5, 2.0), (6, 3.0), (6, 3.0), (7, 3.0), (8, 2.0), (9, 3.0)):
        own.scale = scale
        x = torch.randn(n)
        assert torch.equal(run(x), x * scale)


OPERATIONS = {
    "embedding": lambda x, index: F.embedding(index, torch.ones(11, 4)),
    "one_hot": lambda x, index: F.one_hot(index, 11),
    "pad": lambda x, _: F.pad(x, (1, 2)),
    "repeat": lambda x, _: x.repeat(2, 1),
    "cat": lambda x, _: torch.cat([x, x[:1]]),
    "expand": lambda x, _: x.unsqueeze(0).expand(3, -1, -1).contiguous(),
    "flip": lambda x, _: x.flip(0),
    "zeros": lambda x, _: torch.zeros(x.shape[0], 2),
    "sort": lambda x, _: x.sort(0)[0],
    "einsum": lambda x, _: torch.einsum("ij,kj->ik", x, x),
    "triu": lambda x, _: (x @ x.t()).triu(),
    "eye": lambda x, _: torch.eye(x.shape[0]),
    "roll": lambda x, _: x.roll(1, 0),
    "norm": lambda x, _: (x - x.mean(0)).norm(),
    "cumsum": lambda x, _: x.cumsum(0),
    "max": lambda x, _: x.max(0)[1],
    "permute": lambda x, _: x.t().reshape(-1),
    "rand": lambda x, _: x + torch.rand(x.shape[0], 1),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_at_sizes_that_were_never_seen(name):
    function = OPERATIONS[name]
    run = torch.compile(lambda x, index: function(x, index), dynamic=True)
    for n in (8, 8, 8, 9, 12, 33, 7, 2, 1):
        given = torch.randn(n, 5), torch.randint(0, 11, (n,))
        state = torch.get_rng_state()
        expected = function(*given)
        torch.set_rng_state(state)
        assert torch.equal(run(*given), expected), (n, run.explain())


def test_captures_do_not_take_sizes_of_others():
    """Where a function remembers what it has found for shapes (einsum), as it does for plain numbers."""
    for shift in (0, 3):
        run = torch.compile(lambda x, y: torch.einsum("ij,kj->ik", x, y) * x.shape[0], dynamic=True)
        for n, m in ((4, 6), (4, 6), (5, 7), (6, 9), (7, 5)):
            x, y = torch.randn(n + shift, 5), torch.randn(m + shift, 5)
            assert torch.equal(run(x, y), torch.einsum("ij,kj->ik", x, y) * x.shape[0])
    first, second = Scope(None), Scope(None)
    assert first.size(4).terms != second.size(4).terms


def test_arithmetic_of_sizes():
    scope = Scope(None)
    n, m = scope.size(6), scope.size(10)

    def found(n, m):
        return (n + m, n * m - 2, n * m * 4 // (2 * n), (8 * n + 5) // 8, (n + 3) // 4, -(-n // 4), (4 * n + 3) % 4,
                n % 4, n ** 2, 3 * n - n - n - n, 2 - n, divmod(n * m, m))
    made = found(n, m)
    for sizes in ((6, 10), (7, 3), (64, 5)):
        assert Binding(scope, sizes).of(made) == found(*sizes)
    assert not scope.guards and not scope.ties
    assert n * m == m * n and (n * 4) // 4 == n and n > 1 and n != 0 and n * m >= 4 and not scope.guards
    assert not n == 7 and n < m and abs(n - m) == m - n
    assert scope.conditions() == ["n0 != 7", "n1 > n0"]
    assert isinstance(n, int) and type(n) is not int and list(range(n)) == [0, 1, 2, 3, 4, 5] and scope.ties


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(30))
def test_random_functions_at_three_batch_sizes(seed):
    import random
    dice = random.Random(seed)
    steps = [(dice.choice(("relu", "exp", "sum", "mean", "softmax", "cat", "transpose", "slice", "matmul", "norm",
                           "expand", "scale", "view")), dice.random()) for _ in range(dice.randint(3, 9))]
    weight = torch.randn(8, 8)

    def f(x):
        n = x.shape[0]
        for name, number in steps:
            if name == "relu":
                x = x.relu() + number
            elif name == "exp":
                x = (x * 0.1).clamp(-2, 2).exp()
            elif name == "sum":
                x = x - x.sum(0, keepdim=True) / n
            elif name == "mean":
                x = x - x.mean(1, keepdim=True)
            elif name == "softmax":
                x = x.softmax(0 if number < 0.5 else 1)
            elif name == "cat":
                x = torch.cat((x, x * number), 0)[:n]
            elif name == "transpose":
                x = (x.t().contiguous() * number).t()
            elif name == "slice":
                x = torch.cat((x[1:], x[:1]), 0)
            elif name == "matmul":
                x = x @ weight * 0.3
            elif name == "norm":
                x = F.layer_norm(x, (8,))
            elif name == "expand":
                x = x + x[0].expand(n, 8)
            elif name == "scale":
                x = x * (n ** -0.5) + number / n
            else:
                x = x.reshape(-1, 4).tanh().view(n, 8)
        return x
    run = torch.compile(f, dynamic=True)
    for n in (12, 12, 12, 17, 40, 5, 1, 23, 12):
        x = torch.randn(n, 8)
        assert torch.equal(run(x), f(x)), (n, steps, run.explain())


def test_quotients_of_sizes_stand_in_brackets():
    scope = Scope(None)
    assert scope.text((64 * ((-12 * scope.size(20)) // 64)).terms) == "64 * ((-12 * n0) // (64))"


def test_a_division_that_could_be_by_zero_is_a_guard():
    scope = Scope(None)
    n = scope.size(7)
    assert (n - 3) // (n - 3) == 1 and (n * 5) % n == 0 and scope.conditions() == ["n0 != 3"]
    with pytest.raises(ZeroDivisionError):
        n // (n - 7)

    def f(x):
        return x * (4 * ((x.shape[0] - 3) // (x.shape[0] - 3)))
    run = torch.compile(f, dynamic=True)
    for n in (5, 6, 7, 8):
        assert torch.equal(run(torch.ones(n)), torch.full((n,), 4.0))
    assert run.families
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            run(torch.ones(3))
    assert torch.equal(run(torch.ones(9)), torch.full((9,), 4.0))
