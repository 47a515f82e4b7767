"""Functions that read values in their midst: what is before and after runs as programs, the reads as they are."""

import linecache
import random

import pytest

import numbatorch as torch

nn, F = torch.nn, torch.nn.functional


class Trainer:
    """A step as it is mostly written, with one thing in it that no program can hold."""

    def __init__(self, kind):
        torch.manual_seed(0)
        self.kind, self.log, self.count = kind, [], 0
        self.model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.01)

    def watched(self, x, y):
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.model(x), y)
        if loss.item() > 1.4:
            self.log.append(loss.item())
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return loss.detach()

    def printed(self, x, y):
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.model(x), y)
        print(f"{loss.item():.6f}")
        loss.backward()
        self.optimizer.step()

    def noted(self, x, y):
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        self.count += 1
        self.log.append((self.count, loss.item()))
        return self.count

    def skipped(self, x, y):
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.model(x), y)
        value = float(loss.detach() * 2)
        self.log.append(value)
        if value < 2.5:
            self.log.append("small")
            return None
        else:
            loss.backward()
            self.optimizer.step()
        return loss.detach() * value

    def epoch(self, x, y):
        total = 0.0
        for k in range(3):
            part = x[2 * k:2 * k + 2]
            loss = F.cross_entropy(self.model(part), y[2 * k:2 * k + 2])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += loss.item()
            if total > 100:
                break
        self.log.append(total)
        with torch.no_grad():
            best = (self.model(x).argmax(1) == y).float().mean()
        return best

    def drawn(self, x, y):
        factor = 1.0 + random.randrange(2)
        loss = F.cross_entropy(self.model(x * factor), y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.detach()


def trained(kind, compiled, steps=26):
    random.seed(3)
    own = Trainer(kind)
    step = getattr(own, kind)
    run = torch.compile(step) if compiled else step
    torch.manual_seed(1)
    found = []
    for _ in range(steps):
        found.append(run(torch.randn(6, 8), torch.randint(0, 4, (6,))))
    return found, own.log, [p.tolist() for p in own.model.parameters()], run


@pytest.mark.parametrize("kind", ["watched", "printed", "noted", "skipped", "epoch", "drawn"])
def test_a_step_in_parts(kind, capsys):
    results, log, weights, _ = trained(kind, False)
    text = capsys.readouterr().out
    found, noted, left, run = trained(kind, True)
    assert capsys.readouterr().out == text and (kind == "printed") == bool(text)
    for a, b in zip(results, found, strict=True):
        assert type(a) is type(b) and (torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b)
    assert noted == log and left == weights
    parts = run.parts.held.values()
    assert "in parts: these lines run as they are" in run.explain()
    launches = [s for part in parts for p in part.programs if p.runs >= 5 for s in p.graph.steps if s.kind == "launch"]
    assert len(launches) >= (8 if kind == "drawn" else 12), run.explain()  # the work is in programs


def test_each_way_of_a_branch_has_a_program():
    def f(x):
        if (x > 2).all():
            return x * 3
        if (x > 1).any():
            return x * 2
        return x - 1
    run = torch.compile(f)
    for k in range(24):
        x = torch.full((3,), float((k // 4) % 3))
        x = x + 0.5
        assert torch.equal(run(x), f(x))
    assert len(run.programs) == 3 and sum(p.runs for p in run.programs) >= 16, run.explain()


def test_gradients_in_other_memory_are_inputs():
    def build():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
        return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    found = []
    for compiled in (False, True):
        model, optimizer = build()

        def update():
            norm = nn.utils.clip_grad_norm_(model.parameters(), 0.1)  # noqa: B023
            optimizer.step()  # noqa: B023
            return norm
        run = torch.compile(update) if compiled else update
        norms = []
        for k in range(12):
            optimizer.zero_grad()
            model(torch.full((3, 4), 1.0 + k)).square().sum().backward()
            if k == 8:
                model[0].bias.grad = None
            norms.append(run())
        found.append(([p.tolist() for p in model.parameters()], [n.item() for n in norms],
                      [p._version for p in model.parameters()]))
    assert found[0] == found[1]
    assert sum(p.runs for p in run.programs) >= 5, run.explain()


def test_functions_that_are_changed_are_divided_anew():
    log = []

    def f(x):
        y = x * 2
        log.append(y.sum().item())
        return y + 1

    def g(x):
        y = x * 3
        log.append(y.sum().item())
        return y + 1
    run = torch.compile(f)
    for k in range(10):
        assert torch.equal(run(torch.full((2,), float(k))), torch.full((2,), 2.0 * k + 1))
    assert run.parts.run is not None, run.explain()
    f.__code__ = g.__code__
    for k in range(4):
        assert torch.equal(run(torch.full((2,), float(k))), torch.full((2,), 3.0 * k + 1))
    assert log == [4.0 * k for k in range(10)] + [6.0 * k for k in range(4)]
    run.reset()
    assert run.parts.run is None


def test_fullgraph_never_divides():
    log = []

    @torch.compile(fullgraph=True)
    def f(x):
        y = x * 2
        print(y.sum().item())
        log.append(y)
        return y + 1
    with pytest.raises(RuntimeError, match="cannot run as one program: the function prints"):
        for _ in range(3):
            f(torch.ones(2))


def test_draws_of_numpy_are_found_by_line():
    own = __import__("numpy").random.default_rng(0)
    other = __import__("numpy").random.default_rng(0)

    def noise(rng):
        return float(rng.integers(1, 3))

    def f(x, rng):
        y = x * 2
        factor = noise(rng)
        z = (y + factor) * factor
        return z.exp()
    run = torch.compile(f)
    for _ in range(20):
        assert torch.equal(run(torch.ones(3), own), f(torch.ones(3), other))
    assert run.parts.lines == {f.__code__.co_firstlineno + 2}, run.explain()
    assert sum(p.runs for part in run.parts.held.values() for p in part.programs) >= 10, run.explain()


def test_sparse_tensors_that_a_function_holds():
    matrix = torch.tensor([[0.0, 2.0], [3.0, 0.0]]).to_sparse()
    held = {"matrix": matrix}
    run = torch.compile(lambda x: torch.sparse.mm(held["matrix"], x))
    for k in range(12):
        if k == 5:
            matrix.values().mul_(2)
        if k == 8:
            held["matrix"] = torch.eye(2).to_sparse()
        x = torch.full((2, 3), 1.0 + k)
        assert torch.equal(run(x), torch.sparse.mm(held["matrix"], x))
    assert len(run.programs) == 2 and run.programs[-1].runs >= 5, run.explain()


class Gated(nn.Module):
    """A module that prints and branches on what it computes."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 8), nn.Linear(8, 2)

    def forward(self, x):
        x = self.first(x).relu()
        size = x.abs().mean().item()
        print(f"{size:.3f}")
        if size > 1.0:
            x = x / size
        return self.second(x).tanh()


def test_a_module_is_divided_in_its_forward(capsys):
    torch.manual_seed(0)
    model = Gated()
    run, texts = torch.compile(model), []
    with torch.no_grad():
        for k in range(24):
            if k == 18:
                handle = model.register_forward_hook(lambda module, args, result: result * 2)
            if k == 21:
                handle.remove()
            x = torch.full((3, 4), k / 3)
            expected = model(x)
            texts.append(capsys.readouterr().out)
            assert torch.equal(run(x), expected), k
            assert capsys.readouterr().out == texts[-1]
            if k == 17:
                parts = run.compiled.parts.held.values()
                assert sum(p.runs for part in parts for p in part.programs) >= 8, run.explain()


def test_a_global_is_not_met_under_the_name_of_an_attribute():
    """`optimizer.step()` in a function called step, whose other parts change a list."""
    space = {}
    lines = ["import numbatorch as torch", "w = torch.ones(3, requires_grad=True)", "log = []",
             "optimizer = torch.optim.SGD([w], lr=0.1)",
             "def step(x):", "    optimizer.zero_grad()", "    loss = (w * x).sum()", "    loss.backward()",
             "    optimizer.step()", "    log.append(loss.item())", "    return loss"]
    name = "<step of a test>"
    linecache.cache[name] = (0, None, [line + "\n" for line in lines], name)
    exec(compile("\n".join(lines) + "\n", name, "exec"), space)
    run = space["step"] = torch.compile(space["step"])
    for _ in range(10):
        run(torch.ones(3))
    runs = sum(p.runs for part in run.parts.held.values() for p in part.programs)
    assert len(space["log"]) == 10 and runs >= 4, run.explain()
