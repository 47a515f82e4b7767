"""The training steps of the examples, small: compiled and eager give the same losses and leave the same tensors."""

import functools
import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import numbatorch as torch

nn, F = torch.nn, torch.nn.functional
FOLDER = Path(__file__).parent.parent.parent / "examples"


@functools.cache
def load(name):
    """An example as a module, once a process: an op is declared once (tests/test_examples.py loads them, too)."""
    if f"example_{name}" not in sys.modules:
        spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[f"example_{name}"] = module
    return sys.modules[f"example_{name}"]


def digits(count):
    torch.manual_seed(4)
    return torch.rand(count, 1, 8, 8), torch.arange(count) % 10


def stepping(optimizer, loss_of, after=lambda: None):
    """A training step: gradients to zero, forward, backward, update."""
    def step(*batch):
        loss = loss_of(*batch)
        optimizer.zero_grad()
        loss.backward()
        after()
        optimizer.step()
        return loss.detach()
    return step


# Each gives (modules, step, batch of number k, what is done between steps).


def char_gpt():
    model = load("char_gpt").GPT(13, 8, 16, heads=2, layers=2)
    text, optimizer = torch.randint(13, (100,)), torch.optim.AdamW(model.parameters(), lr=2e-3)

    def step():  # draws its own windows of the text
        starts = torch.randint(len(text) - 9, (4, 1))
        window = text[starts + torch.arange(9)]
        loss = F.cross_entropy(model(window[:, :-1]).flatten(0, 1), window[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.item()
    return [model], step, lambda k: (), None


def resnet():
    model = load("resnet").resnet(4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=20)
    images, labels = digits(48)
    step = stepping(optimizer, lambda x, y: F.cross_entropy(model(x), y, label_smoothing=0.1))
    return [model], step, lambda k: (images[k:k + 8], labels[k:k + 8]), schedule.step


def mnist():
    model = load("mnist").Net(8, 1)
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    images, labels = digits(48)
    step = stepping(optimizer, lambda x, y: F.nll_loss(model(x), y))
    return [model], step, lambda k: (images[k:k + 8], labels[k:k + 8]), schedule.step


def vae():
    own = load("vae")
    model, images = own.VAE(64, 16, 4), digits(48)[0].flatten(1)
    step = stepping(torch.optim.Adam(model.parameters(), lr=2e-3), lambda x: own.bound(x, *model(x)))
    return [model], step, lambda k: (images[k:k + 8],), None


def lstm_language_model():
    model = load("lstm_language_model").Model(11, 8)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    columns = torch.randint(11, (100, 4))
    held = {}

    def step(x, y, *state):
        logits, state = model(x, state or None)
        loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        return loss.detach(), *(s.detach() for s in state)

    def batch(k):
        return columns[5 * k:5 * k + 5], columns[5 * k + 1:5 * k + 6], *held.get("state", ())
    return [model], step, batch, lambda found: held.update(state=found[1:])


def dcgan():
    own = load("dcgan")
    generator, discriminator = own.networks(8)
    makes, tells = (torch.optim.Adam(n.parameters(), lr=2e-3, betas=(0.5, 0.999)) for n in (generator, discriminator))
    images, judge = digits(48)[0] * 2 - 1, F.binary_cross_entropy_with_logits

    def step(real):
        made = generator(torch.randn(len(real), own.NOISE, 1, 1))
        true, false = torch.full((len(real),), 0.9), torch.zeros(len(real))
        loss_d = judge(discriminator(real), true) + judge(discriminator(made.detach()), false)
        discriminator.zero_grad()
        loss_d.backward()
        tells.step()
        loss_g = judge(discriminator(made), torch.ones(len(real)))
        generator.zero_grad()
        loss_g.backward()
        makes.step()
        return loss_d.item(), loss_g.item()
    return [generator, discriminator], step, lambda k: (images[k:k + 8],), None


def gcn():
    own = load("gcn")
    x, y = digits(30)
    x, model = x.flatten(1), own.GCN(64, 8, 10)
    adjacency = own.neighbours(x, 3)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
    step = stepping(optimizer, lambda: F.cross_entropy(model(x, adjacency)[:20], y[:20]))
    return [model], step, lambda k: (), None


def reinforce():
    own = load("reinforce")
    policy = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer, game = torch.optim.Adam(policy.parameters(), lr=1e-2), own.CartPole(1)

    def step():
        chances = own.episode(game, policy, 12)
        gains = torch.arange(len(chances), 0, -1).float()
        loss = -(torch.stack(chances) * (gains - gains.mean())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item(), len(chances)
    return [policy], step, lambda k: (), None


def custom_op():
    own = load("custom_op")
    layer = nn.Linear(4, 3)
    step = stepping(torch.optim.SGD(layer.parameters(), lr=0.1), lambda x: sum(
        r.sum() for y in (layer(x),) for r in (own.swish(y, 1.5), own.shifted_elu(y), own.root_mean_square(y))))
    return [layer], step, lambda k: (torch.arange(8.0).view(2, 4) - k,), None


def load_checkpoint():
    """A module that goes on from a state that it read."""
    model, other = (nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)) for _ in range(2))
    model.load_state_dict({k: v.clone() for k, v in other.state_dict().items()})
    optimizer, kept = torch.optim.Adam(model.parameters()), []

    def between():
        kept.append((model.state_dict(), optimizer.state_dict()))
        if len(kept) == 7:
            model.load_state_dict(other.state_dict())
            optimizer.load_state_dict(optimizer.state_dict())
    return [model], stepping(optimizer, lambda x: model(x).sum()), lambda k: (torch.ones(1, 4) * k,), between


PROGRAMS = {char_gpt, resnet, mnist, vae, lstm_language_model, dcgan, custom_op, load_checkpoint, gcn}
PARTS = {reinforce: "draws random numbers of game.random"}  # why there are programs of parts only


def trained(build, compiled, steps=10):
    torch.manual_seed(1)
    modules, step, batch, between = build()
    run = torch.compile(step) if compiled else step
    torch.manual_seed(2)
    losses = []
    for k in range(steps):
        loss = run(*batch(k))
        losses.append(loss)
        if between is not None:
            between(loss) if build is lstm_language_model else between()
    tensors = [t.detach().clone() for m in modules for t in m.state_dict().values()]
    return losses, [*tensors, torch.rand(2)], run


def numbers(value):
    if isinstance(value, tuple):
        return [n for v in value for n in numbers(v)]
    return torch.as_tensor(value).flatten().tolist()


@pytest.mark.parametrize("build", [*sorted(PROGRAMS, key=lambda f: f.__name__), *PARTS], ids=lambda f: f.__name__)
def test_an_example_compiled(build):
    steps = 10 if build in PROGRAMS else 18
    losses, tensors, _ = trained(build, False, steps)
    found, left, run = trained(build, True, steps)
    for a, b in zip(losses, found, strict=True):
        assert numbers(a) == numbers(b)
    for a, b in zip(tensors, left, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    if build in PROGRAMS:
        assert sum(p.runs for p in run.programs) >= 4, run.explain()
    else:
        assert re.search(PARTS[build], run.explain()), run.explain()
        assert sum(p.runs for part in run.parts.held.values() for p in part.programs) >= 4, run.explain()
