"""Whole training steps: compiled and eager give the same bits, for results, gradients, parameters and the generator."""

import numpy as np
import pytest

import numbatorch as torch

nn, F = torch.nn, torch.nn.functional


def values(tensors):
    return [t.detach().numpy().copy() for t in tensors]


def trained(build, compiled, steps=20):
    """What `build()` -> (model, optimizer, step, batch) leaves after some steps; and the compiled step."""
    torch.manual_seed(0)
    model, optimizer, step, batch = build()
    run = torch.compile(step) if compiled else step
    rng, found = np.random.RandomState(0), []
    torch.manual_seed(1)
    for k in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 0.01 / (1 + k)
        found.append(run(*batch(rng)))
    own = [p for p in model.parameters() if p.grad is not None]
    state = [t for entry in optimizer.state.values() for t in entry.values() if torch.is_tensor(t)]
    return values([*found, *model.parameters(), *(p.grad for p in own), *model.buffers(), *state, torch.rand(4)]), run


def same(build, steps=20):
    """Both ways agree, and the compiled one did run as a program."""
    eager, _ = trained(build, False, steps)
    compiled, run = trained(build, True, steps)
    assert len(eager) == len(compiled)
    for a, b in zip(eager, compiled, strict=True):
        np.testing.assert_array_equal(a, b)
    assert sum(p.runs for p in run.programs) >= steps - 6, run.explain()
    return run


def classifier(model, optimizer, shape, classes, clip=None, smoothing=0.0):
    parts = model()
    chosen = optimizer(parts.parameters())

    def step(x, y):
        chosen.zero_grad()
        loss = F.cross_entropy(parts(x), y, label_smoothing=smoothing)
        loss.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(parts.parameters(), clip)
        chosen.step()
        return loss.detach()

    def batch(rng):
        return (torch.tensor(rng.randn(*shape).astype(np.float32)), torch.tensor(rng.randint(0, classes, shape[0])))
    return parts, chosen, step, batch


def mlp():
    return nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 5))


@pytest.mark.parametrize("optimizer", [
    lambda p: torch.optim.SGD(p, lr=0.1), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-3),
    lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True), lambda p: torch.optim.Adam(p, amsgrad=True),
    lambda p: torch.optim.Adam(p), lambda p: torch.optim.AdamW(p), lambda p: torch.optim.Adadelta(p),
    lambda p: torch.optim.RMSprop(p), lambda p: torch.optim.Adagrad(p), lambda p: torch.optim.NAdam(p),
    lambda p: torch.optim.RAdam(p)],
    ids="sgd momentum nesterov amsgrad adam adamw adadelta rmsprop adagrad nadam radam".split())
def test_optimizers(optimizer):
    same(lambda: classifier(mlp, optimizer, (8, 12), 5))


@pytest.mark.parametrize("kept", [torch.zeros(()), torch.zeros(3), torch.zeros(2, 3).T])
def test_a_check_may_depend_on_small_changes(kept):
    """It is made of a copy: where it fails the call is run again on what was there before."""
    def step(x, count, total):
        count.add_(1)
        total.copy_(total * 0.5 + x.sum() * count.max())
        return x * 2 + total if count.sum() > 6 * count.numel() else x - total

    def found(run):
        count, total = kept.clone(), torch.zeros(())
        results = [run(torch.ones(4) * k, count, total).clone() for k in range(16)]
        return values([*results, count, total])
    run = torch.compile(step)
    for a, b in zip(found(step), found(run), strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(run.programs) == 2 and sum(p.runs for p in run.programs) >= 10, run.explain()
    assert all("for a check" in str(p.graph) for p in run.programs)


def test_a_small_change_that_a_check_needs_is_made_of_what_it_was_made_of():
    """Where that is overwritten before the value is asked for, there is no program that asks for it."""
    def step(x, count):
        moved = count + 1
        count.copy_(moved)
        moved.add_(5)
        return x * 2 + moved if moved.sum() + count.sum() > 40 else x - moved + count

    def found(run):
        count = torch.zeros(4)
        return values([*(run(torch.ones(4) * k, count).clone() for k in range(16)), count])
    for a, b in zip(found(step), found(torch.compile(step)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_clipping_is_part_of_the_step():
    same(lambda: classifier(mlp, torch.optim.AdamW, (8, 12), 5, clip=0.5))


def test_clipped_gradients_that_end_in_their_update():
    def build():
        model = nn.Sequential(nn.Linear(3, 4), nn.PReLU(), nn.Linear(4, 2))  # a parameter of one element
        optimizer = torch.optim.AdamW(model.parameters(), maximize=True)

        def step(x):
            loss = model(x).square().mean()
            loss.backward()
            norm = nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            optimizer.zero_grad()
            return loss.detach(), norm
        return model, optimizer, lambda x: step(x)[0], lambda rng: (torch.tensor(rng.randn(4, 3).astype(np.float32)),)
    same(build, 10)


def test_convolution_and_batch_norm():
    def model():
        return nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                             nn.Linear(4 * 3 * 3, 3))
    same(lambda: classifier(model, lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9), (4, 2, 8, 8), 3))


def test_one_example():
    same(lambda: classifier(mlp, torch.optim.Adam, (1, 12), 5))


class Block(nn.Module):
    def __init__(self, width=16, heads=2):
        super().__init__()
        self.embed, self.norm1, self.norm2 = nn.Embedding(11, width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out, self.head = nn.Linear(width, 3 * width), nn.Linear(width, width), nn.Linear(width, 11)
        self.up, self.down, self.heads, self.width = nn.Linear(width, 32), nn.Linear(32, width), heads, width

    def forward(self, tokens):
        x = self.embed(tokens)
        n, length = tokens.shape
        q, k, v = (t.view(n, length, self.heads, -1).transpose(1, 2)
                   for t in self.qkv(self.norm1(x)).split(self.width, dim=2))
        heard = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(heard.transpose(1, 2).reshape(n, length, self.width))
        return self.head(x + self.down(F.gelu(self.up(self.norm2(x)))))


def tokens_of(model, optimizer):
    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
        loss.backward()
        optimizer.step()
        return loss.detach()

    def batch(rng):
        return torch.tensor(rng.randint(0, 11, (2, 6))), torch.tensor(rng.randint(0, 11, (2, 6)))
    return model, optimizer, step, batch


def test_transformer_block():
    def build():
        model = Block()
        return tokens_of(model, torch.optim.AdamW(model.parameters()))
    same(build)


def test_lstm():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.lstm, self.head = nn.Embedding(11, 8), nn.LSTM(8, 8, batch_first=True), nn.Linear(8, 11)

        def forward(self, tokens):
            return self.head(self.lstm(self.embed(tokens))[0])

    def build():
        model = Model()
        return tokens_of(model, torch.optim.Adam(model.parameters()))
    same(build)


def test_autocast_inside():
    def build():
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

        def step(x):
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = model(x).float().square().mean()
            loss.backward()
            optimizer.step()
            return loss.detach()
        return model, optimizer, step, lambda rng: (torch.tensor(rng.randn(4, 12).astype(np.float32)),)
    same(build)


def test_gradients_that_add_up():
    def build():
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

        def step(x):
            for part in x.chunk(2):
                (model(part).square().mean() / 2).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=False)
            return x.sum()
        return model, optimizer, step, lambda rng: (torch.tensor(rng.randn(4, 12).astype(np.float32)),)
    same(build)


def test_zero_grad_outside_and_at_the_end():
    for inside in (False, True):
        def build(inside=inside):
            model = mlp()
            optimizer = torch.optim.Adam(model.parameters())

            def step(x):
                loss = model(x).square().mean()
                loss.backward()
                optimizer.step()
                if inside:
                    optimizer.zero_grad()
                return loss

            def batch(rng):
                optimizer.zero_grad()
                return (torch.tensor(rng.randn(4, 12).astype(np.float32)),)
            return model, optimizer, step, batch
        same(build)
