"""einsum: parse the equation, take diagonals, then contract operand by operand as batched matrix products.

The order is left to right, or opt_einsum's where that package is installed (Smith & Gray 2018, JOSS 3(26), 753).
All of this depends on the equation and on shapes only: it is done once for them, on stand-ins that note which tensor
operations it takes.
"""

import math
from functools import lru_cache

from .ops.declare import OPS


def contract(equation, operands):
    """The value of an einsum equation. RuntimeError for what does not parse or fit."""
    steps, result = _program(equation, tuple(tuple(x.shape) for x in operands))
    values = list(operands)
    for call, places, arguments in steps:
        values.append(call(*(values[k] for k in places), *arguments))
    value = values[result]
    return value.view(value.shape) if result < len(operands) else value


class _Noted:
    """A tensor of which only the shape is known; its methods note calls of ops in `steps`, the result at `place`."""

    def __init__(self, steps, place, shape):
        self.steps, self.place, self.shape, self.ndim = steps, place, tuple(shape), len(shape)

    def _note(self, name, shape, *arguments, other=None):
        steps, count = self.steps
        steps.append((OPS[name].call, (self.place,) if other is None else (self.place, other.place), arguments))
        return _Noted(self.steps, count + len(steps) - 1, shape)

    def permute(self, *dims):
        return self if list(dims) == sorted(dims) else self._note("permute", [self.shape[d] for d in dims], dims)

    def reshape(self, *shape):
        shape = tuple(shape[0] if shape and isinstance(shape[0], list) else shape)
        return self if shape == self.shape else self._note("reshape", shape, shape)

    def expand(self, *shape):
        return self if shape == self.shape else self._note("Tensor.expand", shape, shape)

    def sum(self, dims):
        return self._note("sum", [n for d, n in enumerate(self.shape) if d not in dims], dims)

    def diagonal(self, offset, first, second):
        kept = [n for d, n in enumerate(self.shape) if d not in (first, second)]
        return self._note("diagonal", [*kept, self.shape[first]], offset, first, second)

    def __mul__(self, other):
        pairs = zip(self.shape, other.shape, strict=True)
        return self._note("mul", [b if a == 1 else a for a, b in pairs], other=other)

    def matmul(self, other):
        return self._note("matmul", [*self.shape[:-1], other.shape[-1]], other=other)


@lru_cache(1024)
def _program(equation, shapes):
    """(steps, place of the result): each calls an op on values, operands first, and appends what it gives."""
    steps = []
    result = _contract(equation, [_Noted((steps, len(shapes)), k, shape) for k, shape in enumerate(shapes)])
    return tuple(steps), result.place


def _contract(equation, operands):
    inputs, output, operands = _parse(equation.replace(" ", ""), list(operands))
    sizes: dict[str, int] = {}
    for k, (labels, x) in enumerate(zip(inputs, operands, strict=True)):
        for label, n in zip(labels, x.shape, strict=True):
            known = sizes.setdefault(label, n)
            if known != n and 1 not in (known, n):
                raise RuntimeError(f"einsum: subscript {label} has size {n} for operand {k} which does not broadcast "
                                   f"with previously seen size {known} ({equation})")
            sizes[label] = max(known, n) if known != 0 and n != 0 else 0
    terms = [_diagonal(labels, x) for labels, x in zip(inputs, operands, strict=True)]
    path = _path(equation, operands) if len(terms) > 2 else None
    while len(terms) > 1:
        i, j = path.pop(0) if path else (0, 1)
        (left, a), (right, b) = terms[i], terms[j]
        rest = [t for k, t in enumerate(terms) if k not in (i, j)]
        kept = set(output).union(*(labels for labels, _ in rest))
        pair = _pair(left, a, right, b, kept, sizes)
        terms = rest + [pair] if path else [pair, *rest]
    ((labels, x),) = terms
    lost = [d for d, label in enumerate(labels) if label not in output]
    if lost:
        x = x.sum(tuple(lost))
        labels = [label for label in labels if label in output]
    x = x.permute(*[labels.index(label) for label in output]) if labels else x
    return x


def _path(equation, operands):
    try:
        import opt_einsum
    except ImportError:
        return None
    path, _ = opt_einsum.contract_path(equation, *[tuple(x.shape) for x in operands], shapes=True)
    return [tuple(sorted(p)) for p in path if len(p) == 2]


def _parse(equation, operands):
    """([labels of each operand], output labels, operands), `...` written out with labels of its own."""
    left, arrow, output = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise RuntimeError(f"einsum: the number of subscripts in the equation ({len(terms)}) does not match the number "
                           f"of operands ({len(operands)}) ({equation!r})")
    if not operands:
        raise RuntimeError("einsum: must provide at least one operand")
    for character in equation.replace("...", "").replace("->", "").replace(",", ""):
        if not (character.isascii() and character.isalpha()):
            raise RuntimeError(f"einsum: invalid subscript given: {character!r}, subscripts must be in [a-zA-Z] "
                               f"({equation!r})")
    widths = []
    for k, (term, x) in enumerate(zip(terms, operands, strict=True)):
        named = len(term.replace("...", ""))
        if "..." not in term and named != x.ndim or named > x.ndim:
            raise RuntimeError(f"einsum: the number of subscripts in operand {k} ({term!r}) does not match its "
                               f"{x.ndim} dimensions")
        widths.append(x.ndim - named if "..." in term else 0)
    width = max(widths)
    extra = [chr(0x100 + i) for i in range(width)]
    inputs = []
    for term, w in zip(terms, widths, strict=True):
        head, dots, tail = term.partition("...")
        inputs.append([*head, *(extra[width - w:] if dots else []), *tail])
    if arrow:
        head, dots, tail = output.partition("...")
        result = [*head, *(extra if dots else []), *tail]
        for label in result:
            if not any(label in i for i in inputs):
                raise RuntimeError(f"einsum: output subscript {label} does not appear in the equation for any input "
                                   "operand")
        if len(set(result)) != len(result):
            raise RuntimeError(f"einsum: output subscripts {output!r} name one more than once")
    else:
        every = [label for i in inputs for label in i if label not in extra]
        result = extra + sorted(label for label in set(every) if every.count(label) == 1)
    return inputs, result, operands


def _diagonal(labels, x):
    """Repeated labels of one operand taken on the diagonal."""
    labels = list(labels)
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            if x.shape[first] != x.shape[second]:
                raise RuntimeError(f"einsum: subscript {label} is repeated for an operand but the sizes don't match, "
                                   f"{x.shape[second]} != {x.shape[first]}")
            x = x.diagonal(0, first, second)
            del labels[second], labels[first]
            labels.append(label)
    return labels, x


def _pair(left, a, right, b, kept, sizes):
    """Two operands into one: labels in both that nobody needs later are summed over."""
    for which, labels, other in ((0, left, right), (1, right, left)):  # what only one operand has and nobody needs
        lost = [d for d, label in enumerate(labels) if label not in kept and label not in other]
        if lost:
            x = (a, b)[which].sum(tuple(lost))
            labels = [label for label in labels if label in kept or label in other]
            a, b = (x, b) if which == 0 else (a, x)
            left, right = (labels, right) if which == 0 else (left, labels)
    # A dimension of size 1 beside a larger one is broadcast: expanded when kept, dropped when summed with it.
    wanted_a = [sizes[label] if label in right else n for label, n in zip(left, a.shape, strict=True)]
    wanted_b = [sizes[label] if label in left else n for label, n in zip(right, b.shape, strict=True)]
    a = a.expand(*wanted_a) if left else a
    b = b.expand(*wanted_b) if right else b
    batch = [label for label in left if label in right and label in kept]
    summed = [label for label in left if label in right and label not in kept]
    only_a = [label for label in left if label not in right]
    only_b = [label for label in right if label not in left]
    result = batch + only_a + only_b
    if not summed:
        first = _arrange(a, left, batch + only_a, len(only_b))
        second = b.permute(*[right.index(x) for x in batch + only_b]) if right else b
        second = second.reshape([*(sizes[x] for x in batch), *(1 for _ in only_a), *(sizes[x] for x in only_b)])
        return result, first * second
    size = {name: math.prod(sizes[x] for x in group) for name, group in
            (("b", batch), ("m", only_a), ("n", only_b), ("k", summed))}
    shape_of = ([sizes[x] for x in batch], [a.shape[left.index(x)] for x in only_a],
                [b.shape[right.index(x)] for x in only_b])
    size["m"], size["n"] = math.prod(shape_of[1]), math.prod(shape_of[2])
    count = [size["b"]] if batch else []
    first = a.permute(*[left.index(x) for x in batch + only_a + summed]).reshape([*count, size["m"], size["k"]])
    second = b.permute(*[right.index(x) for x in batch + summed + only_b]).reshape([*count, size["k"], size["n"]])
    product = first.matmul(second)
    return result, product.reshape([*shape_of[0], *shape_of[1], *shape_of[2]])


def _arrange(a, labels, order, trailing):
    a = a.permute(*[labels.index(x) for x in order]) if labels else a
    return a.reshape([*a.shape, *(1 for _ in range(trailing))])
