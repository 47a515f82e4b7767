"""Random graphs of ops that are no formulas: what moves, orders, counts, draws, multiplies and transforms."""

import random

import pytest

import numbatorch as torch

F = torch.nn.functional
SHAPE = (4, 6)


def indices(x, size, shape=None):
    """Whole numbers below `size` that follow from the values."""
    return ((x if shape is None else x.flatten()[:1].expand(shape)).abs() * 7).long() % size


def written(x, y):
    result = x.clone()
    result[:, ::2].mul_(2)
    result[1:3, 1:4] += y[:2, :3]
    result.T[0] = y[:, 0]
    return result


def into(x, y):
    result = torch.empty(SHAPE)
    torch.mul(x.detach(), y.detach(), out=result)
    return result + x


def drawn(x, y):
    noise = torch.randn_like(x) + torch.rand(6) + torch.randint(3, (4, 1)) + torch.randperm(4)[:, None]
    return x * torch.bernoulli(torch.full_like(x, 0.5)) + noise + F.dropout(y, 0.3)


def rest(x, y):
    """Nothing, one number, and halves that are cut off."""
    return x + x[:0].sum() + torch.tensor(0.5) * y[1, 2] + x[4:].sum(0).square()


def frequencies(x, y):
    return torch.fft.irfft(torch.fft.rfft(x) * torch.fft.rfft(y), n=6)


def rotated(x, y):
    z = torch.complex(x, y)
    return (z * z.conj() + z.exp()).real + torch.view_as_real(z)[..., 1] + z.abs()


FAMILIES = {
    "gather": lambda x, y: x.gather(1, indices(y, 6)),
    "take": lambda x, y: x.take(indices(y, 24)),
    "scatter": lambda x, y: x.scatter(1, torch.arange(6).flip(0).expand(4, 6), y),
    "scatter_add": lambda x, y: torch.zeros(SHAPE).scatter_add(0, indices(y, 4), x) + x,
    "reduced": lambda x, y: x.scatter_reduce(1, indices(y, 6), y, "amax"),
    "index_put": lambda x, y: x.index_put((torch.tensor([0, 2]), torch.tensor([1, 3])), y[0, :2], accumulate=True),
    "index_add": lambda x, y: x.index_add(0, torch.tensor([0, 3, 0]), y[:3]),
    "index_select": lambda x, y: x.index_select(1, torch.tensor([5, 0, 0, 2, 3, 1])),
    "masked": lambda x, y: torch.where(y > 0, x, 2.0).masked_fill(y < -1, 0.5),
    "embedding": lambda x, y: F.embedding(indices(y, 4, (4,)), x),
    "sort": lambda x, y: x.sort(1, descending=True)[0] * y,
    "argsort": lambda x, y: x + x.argsort(0).float(),
    "topk": lambda x, y: x.topk(3, 1)[0].repeat(1, 2),
    "median": lambda x, y: x - x.median(1, keepdim=True)[0],
    "cummax": lambda x, y: x.cummax(1)[0],
    "cumsum": lambda x, y: x.cumsum(0) * 0.5,
    "cumprod": lambda x, y: x.cumprod(1),
    "kthvalue": lambda x, y: x + x.kthvalue(2, 1, True)[0],
    "bucket": lambda x, y: x + torch.bucketize(y, torch.tensor([-1.0, 0.0, 1.0])),
    "matmul": lambda x, y: x @ y.mT @ x * 0.1,
    "einsum": lambda x, y: torch.einsum("ij,kj,kl->il", x, y, x) * 0.1,
    "bmm": lambda x, y: torch.bmm(x.reshape(2, 2, 6), y.reshape(2, 6, 2)).sum((1, 2))[:, None, None].expand(2, 2,
        6).reshape(SHAPE) * 0.1,
    "outer": lambda x, y: torch.outer(x[:, 0], y[0]),
    "conv1d": lambda x, y: F.conv1d(x[:, None], y[:1, :3][None], padding=1)[:, 0],
    "conv2d": lambda x, y: F.conv2d(x[None, None], y[:3, :3][None, None], padding=1)[0, 0],
    "transposed": lambda x, y: F.conv_transpose1d(x[:, None], y[:1, None, :3], padding=1)[:, 0],
    "max_pool": lambda x, y: F.max_pool2d(x[None], 3, 1, 1)[0],
    "avg_pool": lambda x, y: F.avg_pool2d(x[None], 3, 1, 1)[0],
    "adaptive": lambda x, y: F.interpolate(F.adaptive_avg_pool2d(x[None, None], (2, 3)), SHAPE)[0, 0],
    "bilinear": lambda x, y: F.interpolate(x[None, None], (8, 9), mode="bilinear")[0, 0, :4, :6],
    "pad": lambda x, y: F.pad(x, (1, 1), mode="constant", value=0.5)[:, 2:] + y,
    "roll": lambda x, y: x.roll(2, 1) + y.flip(0),
    "layer_norm": lambda x, y: F.layer_norm(x, (6,), y[0], y[1]),
    "group_norm": lambda x, y: F.group_norm(x, 2),
    "batch_norm": lambda x, y: F.batch_norm(x, torch.zeros(6), torch.ones(6), training=True),
    "softmax": lambda x, y: x.softmax(0) + y.log_softmax(1),
    "normalize": lambda x, y: F.normalize(x) * y,
    "cross_entropy": lambda x, y: x - F.cross_entropy(x, indices(y, 6, (4,))),
    "mse": lambda x, y: x * F.mse_loss(x, y),
    "huber": lambda x, y: x + F.huber_loss(x, y, reduction="none"),
    "bce": lambda x, y: y * F.binary_cross_entropy_with_logits(x, y.sigmoid()),
    "kl": lambda x, y: x + F.kl_div(x.log_softmax(1), y.softmax(1), reduction="batchmean"),
    "attention": lambda x, y: F.scaled_dot_product_attention(x[None], y[None], x[None], is_causal=True)[0],
    "fft": frequencies,
    "complex": rotated,
    "written": written,
    "into": into,
    "drawn": drawn,
    "rest": rest,
    "inplace": lambda x, y: x.clone().mul_(y).add_(1).clamp_(-2, 2),
    "strided": lambda x, y: x.as_strided((4, 6), (0, 1)) + y,
    "turned": lambda x, y: x.T.contiguous().T + y.T.reshape(6, 4).T,
    "joined": lambda x, y: torch.cat([x[:, 3:], y[:, :3]], 1),
    "stacked": lambda x, y: torch.stack([x, y]).mean(0),
    "split": lambda x, y: sum(x.split(2, 1))[:, [0, 1, 0, 1, 0, 1]],
    "double": lambda x, y: (x.double() * y).float(),
    "narrow": lambda x, y: (x.bfloat16() + y.half()).float(),
    "whole": lambda x, y: x + (y * 3).int() // 2,
    "truth": lambda x, y: x * ((y > 0) & (x < 1) | (x == y)),
    "tril": lambda x, y: x.tril() + y.triu(1),
    "var": lambda x, y: x * y.var(1, keepdim=True) + y.std(),
    "norm": lambda x, y: x / (1 + y.norm(dim=0)),
    "logsumexp": lambda x, y: x - y.logsumexp(0),
    "prod": lambda x, y: x + y.prod(1, keepdim=True),
    "unique": lambda x, y: x + torch.bincount(indices(y, 6, (4,)), minlength=6),
    "arg": lambda x, y: x + y.argmax(1, keepdim=True),
    "repeat": lambda x, y: x.repeat_interleave(2, 1)[:, ::2] + y[:1].expand(SHAPE),
}


@pytest.mark.parametrize("seed", [0, 3012, *(pytest.param(k, marks=pytest.mark.slow) for k in range(1000, 1200))])
def test_graphs_of_all_kinds_of_ops_are_eager_code_bit_for_bit(seed):
    rng = random.Random(seed)
    chosen = [(name, [rng.random() for _ in range(3)]) for name in rng.choices(sorted(FAMILIES), k=rng.randint(2, 6))]

    def step(x, y, weight):
        pool = [x, y, x * weight]
        for name, which in chosen:
            a, b, c = (pool[int(w * len(pool))] for w in which)
            pool.append((FAMILIES[name](a, b) + 0.5 * c).tanh())
        total = sum(p.sum() for p in pool[-2:])
        return *(p.detach() for p in pool[-2:]), *torch.autograd.grad(total, (x, weight), allow_unused=True)
    run = torch.compile(step)
    for k in range(4):
        given = [torch.randn(SHAPE).requires_grad_(), torch.randn(6, 4).T, torch.randn(6).requires_grad_()]
        found = []
        for function in (run, step):
            torch.manual_seed(k)
            found.append([*function(*given), torch.rand(3)])
        for a, b in zip(*found, strict=True):
            assert a is b is None or torch.equal(a, b), (k, [name for name, _ in chosen])
    assert run.programs and run.programs[0].runs, ([name for name, _ in chosen], run.explain())
