"""A compiled training step beside what it cannot do without: its matrix products and Adam's update.

    python examples/benchmarks/compiled_step.py [--threads 2] [--batch 64] [--seconds 10]

The perceptron 784-256-10 with cross entropy and Adam is compiled as a whole step; so are, as functions of their own,
its five products (two forward, three backward) and the update of its parameters. The three are called in turns, and of
each the least time and the median are told: activations, loss, sums of biases and the guards of the step are what it
takes beyond the sum of the other two. Below 1.3 is the aim.
"""

import argparse
import time
from statistics import median

import numbatorch as torch
from numbatorch import nn
from numbatorch.nn import functional as F


def network():
    return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))


def whole_step(batch):
    """Forward, backward and update, as one program."""
    model, x, y = network(), torch.randn(batch, 784), torch.randint(10, (batch,))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    @torch.compile
    def step():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()
    return step


def products(batch):
    """The matrix products of the step, on matrices of its shapes."""
    x, hidden, logits = (torch.randn(batch, n) for n in (784, 256, 10))
    first, second = (torch.randn(*shape) for shape in ((256, 784), (10, 256)))
    biases = torch.randn(256), torch.randn(10)

    @torch.compile
    def multiply():
        return (F.linear(x, first, biases[0]), F.linear(hidden, second, biases[1]),
                logits.T @ hidden, logits @ second, hidden.T @ x)
    return multiply


def adam():
    """The update of the step's parameters by gradients that stay as they are."""
    parameters = list(network().parameters())
    for p in parameters:
        p.grad = torch.randn_like(p)
    optimizer = torch.optim.Adam(parameters, lr=1e-3)

    @torch.compile
    def update():
        optimizer.step()
    return update


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    parts = {"step": whole_step(options.batch), "products": products(options.batch), "update": adam()}
    times = {name: [] for name in parts}
    for part in parts.values():
        for _ in range(6):  # until there is a program
            part()
        assert part.programs, part.explain()
    end = time.perf_counter() + options.seconds
    while time.perf_counter() < end or not times["step"]:
        for name, part in parts.items():
            part()
            begin = time.perf_counter()
            for _ in range(5):
                part()
            times[name].append((time.perf_counter() - begin) / 5 * 1e6)
    for what, of in (("least", min), ("median", median)):
        step, *others = (of(found) for found in times.values())
        print(f"{what:6}  step {step:.1f} us, products {others[0]:.1f} + update {others[1]:.1f} = {sum(others):.1f}: "
              f"{step / sum(others):.2f} x")


if __name__ == "__main__":
    main()
