"""Patterns of `rearrange`: names of dimensions on both sides of an arrow, parentheses join, `...` is what is left."""

import math
import re

import numbatorch as torch

_TOKEN = re.compile(r"\s*(\.\.\.|\(|\)|[A-Za-z_]\w*|1)")


def _parsed(side, pattern):
    """[[names of one dimension], ...]; "..." stands for itself."""
    groups, open_group, at = [], None, 0
    side = side.rstrip()
    while at < len(side):
        found = _TOKEN.match(side, at)
        if found is None:
            raise ValueError(f"rearrange: cannot read {side[at:]!r} in the pattern {pattern!r}")
        token, at = found.group(1), found.end()
        if token == "(":
            if open_group is not None:
                raise ValueError(f"rearrange: parentheses inside parentheses in {pattern!r}")
            open_group = []
        elif token == ")":
            if open_group is None:
                raise ValueError(f"rearrange: unbalanced parentheses in {pattern!r}")
            groups.append(open_group)
            open_group = None
        elif open_group is not None:
            open_group += [] if token == "1" else [token]
        else:
            groups.append([] if token == "1" else [token])
    if open_group is not None:
        raise ValueError(f"rearrange: unbalanced parentheses in {pattern!r}")
    return groups


def rearranged(tensor, pattern, lengths):
    """The rearranged tensor. ValueError for patterns that do not fit it."""
    if not isinstance(tensor, torch.Tensor):
        tensor = torch.stack(list(tensor))
    if pattern.count("->") != 1:
        raise ValueError(f"rearrange: the pattern needs one '->', got {pattern!r}")
    left, right = (_parsed(side, pattern) for side in pattern.split("->"))
    names = [[n for g in side for n in g] for side in (left, right)]
    if any(len(set(n)) != len(n) for n in names) or set(names[0]) != set(names[1]):
        raise ValueError(f"rearrange: both sides of {pattern!r} must have the same names, each once")
    rest = tensor.ndim - sum(g != ["..."] for g in left)
    if rest < 0 or (rest and ["..."] not in left):
        raise ValueError(f"rearrange: {pattern!r} has {len(left)} dimensions on the left, the tensor {tensor.ndim}")
    fill = [[f"...{k}"] for k in range(rest)]
    left = [g for group in left for g in (fill if group == ["..."] else [group])]
    sizes = dict(lengths)
    for group, n in zip(left, tensor.shape, strict=True):
        unknown = [name for name in group if name not in sizes]
        known = math.prod(sizes[name] for name in group if name in sizes)
        if len(unknown) > 1:
            raise ValueError(f"rearrange: give the length of all but one of {unknown} in {pattern!r}")
        if unknown:
            sizes[unknown[0]] = n // max(known, 1)
        if math.prod(sizes[name] for name in group) != n:
            raise ValueError(f"rearrange: a dimension of {n} is not {' x '.join(group) or 1} with {sizes}")
    flat = [name for group in left for name in group]
    apart = tensor.reshape([sizes[name] for name in flat])
    order, shape = [], []
    for group in right:
        inner = [n for g in fill for n in g] if group == ["..."] else group
        if "..." in group and group != ["..."]:
            inner = [n for name in group for n in ([f[0] for f in fill] if name == "..." else [name])]
        order += [flat.index(name) for name in inner]
        shape += [sizes[n] for n in inner] if group == ["..."] else [math.prod(sizes[n] for n in inner)]
    return apart.permute(order).reshape(shape)
