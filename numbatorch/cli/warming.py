"""Small programs that meet the kernels of common work: training steps, and the ops of the table.

What is compiled is not listed anywhere: each program runs, and whatever it needs ends up in the cache.
"""

from collections.abc import Callable, Iterator
from typing import Any

OPS_PER_PROGRAM = 12  # enough to be worth sending to a process, few enough to show progress
KINDS = ("elementwise", "reduction", "rowwise")


def mlp() -> None:
    import numbatorch
    from numbatorch import nn

    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Dropout(0.1), nn.Linear(128, 10))
    for optimizer in (numbatorch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=1e-4),
                      numbatorch.optim.Adam(model.parameters())):
        _classify(model, numbatorch.rand(64, 784), optimizer)


def lenet() -> None:
    """The network of 1998 (LeCun et al., Gradient-based learning applied to document recognition), and as of today."""
    import numbatorch
    from numbatorch import nn

    for activation, pool, momentum in ((nn.Tanh, nn.AvgPool2d, 0.9), (nn.ReLU, nn.MaxPool2d, 0.0)):
        model = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), activation(), pool(2), nn.Conv2d(6, 16, 5), activation(), pool(2),
            nn.Flatten(), nn.Linear(400, 120), activation(), nn.Linear(120, 84), activation(), nn.Linear(84, 10))
        _classify(model, numbatorch.rand(64, 1, 28, 28), numbatorch.optim.SGD(model.parameters(), 0.1, momentum))


def resnet() -> None:
    """Blocks of residual networks (He et al. 2016, arXiv:1512.03385), wide and narrow ones."""
    import numbatorch
    from numbatorch import nn

    def normed(channels, outputs, side, stride=1):
        return nn.Sequential(nn.Conv2d(channels, outputs, side, stride, side // 2, bias=False), nn.BatchNorm2d(outputs))

    class Block(nn.Module):
        def __init__(self, channels, outputs, stride):
            super().__init__()
            self.first, self.second = normed(channels, outputs, 3, stride), normed(outputs, outputs, 3)
            self.skip = nn.Identity() if channels == outputs else normed(channels, outputs, 1, stride)

        def forward(self, input):
            return (self.second(self.first(input).relu()) + self.skip(input)).relu()

    for width, batch in ((16, 16), (64, 4)):
        model = nn.Sequential(
            normed(3, width, 3), nn.ReLU(), nn.MaxPool2d(2), Block(width, width, 1), Block(width, 2 * width, 2),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2 * width, 10))
        _classify(model, numbatorch.rand(batch, 3, 32, 32),
                  numbatorch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=1e-4))


def rnn() -> None:
    import numbatorch
    from numbatorch import nn

    for kind in (nn.LSTM, nn.GRU):
        layer, head = kind(16, 32, batch_first=True), nn.Linear(32, 10)
        optimizer = numbatorch.optim.Adam([*layer.parameters(), *head.parameters()])
        hidden, _ = layer(numbatorch.rand(8, 12, 16))
        nn.functional.cross_entropy(head(hidden[:, -1]), numbatorch.randint(0, 10, (8,))).backward()
        optimizer.step()


def gpt() -> None:
    import numbatorch
    from numbatorch import nn

    functional = nn.functional
    embedding, places, head = nn.Embedding(65, 64), nn.Embedding(64, 64), nn.Linear(64, 65)
    block = nn.TransformerEncoderLayer(64, 4, 256, 0.1, functional.gelu, batch_first=True, norm_first=True)
    parameters = [*embedding.parameters(), *places.parameters(), *block.parameters(), *head.parameters()]
    optimizer = numbatorch.optim.AdamW(parameters, 1e-3)
    tokens, positions = numbatorch.randint(0, 65, (16, 65)), numbatorch.arange(64)
    mask = nn.Transformer.generate_square_subsequent_mask(64)
    for inputs in (tokens[:, :-1], tokens[:, :-1].contiguous()):
        hidden = block(embedding(inputs) + places(positions), src_mask=mask, is_causal=True)
        functional.cross_entropy(head(hidden).flatten(0, 1), tokens[:, 1:].flatten()).backward()
    nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()


def products() -> None:
    """Matrix products of every layout, and of every number of rows and columns that has a tile of its own."""
    import numbatorch

    for rows in (*range(1, 16), 28, 64):
        for columns in (10, 40, 128):
            left, right = numbatorch.rand(rows, 32), numbatorch.rand(32, columns)
            left @ right
            left.t().contiguous().t() @ right
            left @ right.t().contiguous().t()
            numbatorch.nn.functional.linear(left, right.t().contiguous(), right[0])


def draws() -> None:
    """Random numbers, large and small, as data and as first values of parameters."""
    import numbatorch

    for count in (4, 1000):
        values = numbatorch.rand(count)
        for draw in (numbatorch.randn, numbatorch.randperm):
            draw(count)
        numbatorch.randint(0, 10, (count,))
        numbatorch.bernoulli(values)
        numbatorch.normal(0.0, 1.0, (count,))
        values.uniform_(-1, 1).normal_(0, 0.02)
        numbatorch.nn.init.trunc_normal_(values)
        numbatorch.nn.functional.dropout(values, 0.1)


def _classify(model, inputs, optimizer) -> None:
    """One step of training, one of evaluation."""
    import numbatorch

    targets = numbatorch.randint(0, 10, (len(inputs),))
    for _ in range(2):
        optimizer.zero_grad()
        numbatorch.nn.functional.cross_entropy(model(inputs), targets).backward()
        optimizer.step()
    model.eval()
    with numbatorch.no_grad():
        (model(inputs).argmax(1) == targets).float().mean().item()
    model.train()


STEPS: dict[str, Callable[[], None]] = {
    "mlp": mlp, "lenet": lenet, "resnet": resnet, "gpt": gpt, "rnn": rnn, "products": products, "draws": draws,
}


def programs(chosen: list[str]) -> Iterator[tuple[str, ...]]:
    """What to run for names of steps, "ops" or ops: ("mlp",), or names of several ops together.

    ValueError for other names.
    """
    from numbatorch.ops import OPS

    ops: list[str] = []
    for name in chosen or [*STEPS, "ops"]:
        if name in STEPS:
            yield (name,)
        elif name == "ops":
            keys = {op: key for key, op in reversed(OPS.items()) if op.kind in KINDS}  # its first name, of several
            ops += reversed(keys.values())
        elif name in OPS:
            ops.append(name)
        else:
            raise ValueError(f"{name!r} is neither a program ({', '.join(STEPS)}, ops) nor an op "
                             "(`numbatorch ops` lists them)")
    ops = list(dict.fromkeys(ops))
    for start in range(0, len(ops), OPS_PER_PROGRAM):
        yield tuple(ops[start : start + OPS_PER_PROGRAM])


def run(program: tuple[str, ...]) -> dict:
    """Runs it; {"compiled", "compile_seconds", "skipped": [ops that need arguments of another sort]}."""
    from numbatorch.cpu import compile

    before, skipped = compile.statistics(), []
    for name in program:
        if name in STEPS:
            STEPS[name]()
        elif not _try_op(name):
            skipped.append(name)
    after = compile.statistics()
    return {"skipped": skipped, **{key: after[key] - before[key] for key in ("compiled", "compile_seconds")}}


def _try_op(name: str) -> bool:
    """Forward and backward of an op in float32, operands contiguous and broadcast; whether any call was accepted."""
    accepted = False
    for shapes in (((4, 6),), ((4, 6), (6,)), ((4, 6), (4, 1))):
        try:
            _call_op(name, shapes)
            accepted = True
        except (TypeError, ValueError, RuntimeError, IndexError):  # integers wanted, or shapes that belong together
            continue
    return accepted


def _call_op(name: str, shapes) -> None:
    import inspect

    import numbatorch
    from numbatorch.ops import OPS

    op = OPS[name]
    low, high = op.domain if isinstance(op.domain, tuple) and len(op.domain) == 2 else (0.1, 0.9)
    values: dict[str, Any] = {}
    leaves: list[Any] = []
    for parameter in op.parameters:
        if parameter.default is not inspect.Parameter.empty:
            continue
        if parameter.role == "operand" and parameter.name != "dim":
            shape = shapes[min(len(leaves), len(shapes) - 1)]
            leaf = numbatorch.empty(shape).uniform_(max(low, -2.0), min(high, 2.0))
            leaves.append(leaf.requires_grad_(op.differentiable))
            values[parameter.name] = leaves[-1]
        elif parameter.name == "dim":
            values["dim"] = 1
        elif parameter.role == "static":
            raise TypeError(f"{name} cannot be called without knowing what its {parameter.name} may be")
        else:
            values[parameter.name] = 0.5
    results = op.call(**values)
    results = results if isinstance(results, tuple) else (results,)
    total = [result.sum() for result in results if result.requires_grad]
    if total:
        sum(total[1:], total[0]).backward()
