"""Random graphs of the formulas of the table: compiled functions agree with eager ones, forward and in gradients."""

import random
from functools import cache

import pytest

import numbatorch as torch
from numbatorch.ops import OPS

SHAPE = (4, 6)
TABLE = sorted({op.name: op for op in OPS.values() if op.kind in ("elementwise", "reduction", "rowwise")
                and not op.name.startswith("_")}.items())


@cache
def node(k):
    """(op, its numbers, how many tensors it takes) of number k of the table; None where it is not one of real tensors
    inside its domain with a real result that fits them."""
    _, op = TABLE[k]
    given = {p.name: 0.75 for p in op.parameters if p.role in ("number", "neutral") and p.default.__class__ is type}
    given |= {p.name: -1 for p in op.parameters if p.name == "dim" and p.default.__class__ is type}
    count = len([p for p in op.operands if p.default is not None])
    if not 0 < count < 4:
        return None
    try:
        result = op.call(*(inside(op, torch.randn(SHAPE)) for _ in range(count)), **given)
        fits = isinstance(result, torch.Tensor) and result.dtype is torch.float32 and bool(result.isfinite().all())
        return (op, given, count) if fits and (torch.zeros(SHAPE) + result).shape == SHAPE else None
    except (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError):
        return None  # it takes other dtypes, shapes or numbers


def inside(op, x):
    """Any number as one inside the op's domain."""
    low, high = op.domain or (0.3, 2.7)
    return low + (high - low) * torch.sigmoid(x)


def graph(seed):
    """(a random function of two matrices and a row, names of its ops)."""
    rng, chosen = random.Random(seed), []
    for _ in range(rng.randint(3, 9)):
        found = None
        while found is None:
            found = node(rng.randrange(len(TABLE)))
        chosen.append((*found, [rng.random() for _ in range(4)]))

    def run(x, y, weight):
        pool = [x, y, x * weight]
        for op, given, count, which in chosen:
            taken = [inside(op, pool[int(w * len(pool))]) for w in which[:count]]
            pool.append(op.call(*taken, **given) + 0.5 * pool[int(which[3] * len(pool))])
        return tuple(pool[-2:])
    return run, [op.name for op, *_ in chosen]


@pytest.mark.parametrize("first", [0, pytest.param(1000, marks=pytest.mark.slow)])
def test_graphs_from_the_table_agree_with_eager_code(first):
    for seed in range(first, first + (200 if first else 2)):
        function, names = graph(seed)
        torch.manual_seed(seed)

        def step(x, y, weight, function=function):
            weight = weight.detach().requires_grad_()
            results = function(x, y, weight)
            total = sum(r.sum() for r in results)
            gradient = torch.autograd.grad(total, weight)[0] if total.requires_grad else weight.detach() + 0
            return (*(r.detach() for r in results), gradient)
        run = torch.compile(step)
        for _ in range(4):
            given = torch.randn(SHAPE), torch.randn(SHAPE), torch.randn(SHAPE[1])
            for a, b in zip(run(*given), step(*given), strict=True):
                assert torch.allclose(a, b, rtol=1e-4, atol=1e-5, equal_nan=True), (seed, names)
        assert run.programs and run.programs[0].runs == 2, (seed, names, run.explain())
