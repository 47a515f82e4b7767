"""vmap: a function of one example becomes a function of a batch."""

import functools

from ..ops.declare import OPS
from ..tensor import Tensor
from . import batch_rules  # noqa: F401  (registers the rules)
from .batching import batched, is_batched
from .wrapped import Level

_RANDOMNESS = ("error", "different", "same")


def vmap(func, in_dims=0, out_dims=0, randomness="error", *, chunk_size=None):
    """`func` mapped over a dimension of its tensor arguments.

    in_dims: the dimension of each argument to map over, None for arguments that all share; an int for all, or a
    structure like the arguments'. out_dims: where the batch dimension goes in the results. randomness: "error" refuses
    random operations, "same" draws once for all, "different" draws for each. chunk_size: map over that many at a time.
    ValueError where dimensions do not fit the arguments, or there is no tensor to map over.
    """
    if randomness not in _RANDOMNESS:
        raise RuntimeError(f"Only allowed values for randomness are {', '.join(map(repr, _RANDOMNESS))}. Got "
                           f"{randomness}")
    if chunk_size is not None and not chunk_size > 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func)
    def mapped(*args, **kwargs):
        leaves, rebuild = flatten(args)
        dims = _spread(in_dims, args, func)
        size = _size(leaves, dims, func)
        named, rebuild_named = flatten(kwargs)
        if chunk_size is None or chunk_size >= size:
            return _run(func, leaves, dims, rebuild, named, rebuild_named, size, out_dims, randomness)
        parts = []
        for start in range(0, size, chunk_size):
            count = min(chunk_size, size - start)
            cut = [v if d is None else v.narrow(d, start, count) for v, d in zip(leaves, dims, strict=True)]
            cut_named = [v.narrow(0, start, count) if isinstance(v, Tensor) else v for v in named]
            parts.append(_run(func, cut, dims, rebuild, cut_named, rebuild_named, count, out_dims, randomness))
        return _joined(parts, out_dims)
    return mapped


def flatten(value):
    """(leaves, rebuild) of nested lists, tuples (named ones too) and dicts; `rebuild(leaves)` puts them back."""
    if isinstance(value, dict):
        keys, parts = list(value), list(value.values())

        def make(vs):
            return type(value)(zip(keys, vs, strict=True))
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        parts, make = list(value), (getattr(type(value), "_make", None) or type(value))
    elif type(value) in (list, tuple):
        parts, make = list(value), type(value)
    else:
        return [value], lambda leaves: leaves[0]
    below = [flatten(p) for p in parts]

    def rebuild(leaves):
        out, at = [], 0
        for part_leaves, part_rebuild in below:
            out.append(part_rebuild(leaves[at:at + len(part_leaves)]))
            at += len(part_leaves)
        return make(out)
    return [leaf for leaves, _ in below for leaf in leaves], rebuild


def _name(func):
    return getattr(func, "__name__", repr(func))


def _spread(dims, value, func, root=True):
    """One dimension (or None) for each leaf of `value`."""
    if dims is None or isinstance(dims, int) and not isinstance(dims, bool):
        return [dims if isinstance(leaf, Tensor) or not root else None for leaf in flatten(value)[0]]
    if isinstance(dims, (list, tuple)) and isinstance(value, (list, tuple)) and len(dims) == len(value):
        return [d for one, v in zip(dims, value, strict=True) for d in _spread(one, v, func, False)]
    if isinstance(dims, dict) and isinstance(value, dict) and dims.keys() == value.keys():
        return [d for k, v in value.items() for d in _spread(dims[k], v, func, False)]
    raise ValueError(f"vmap({_name(func)}, in_dims={dims}, ...)(<inputs>): in_dims is not compatible with the "
                     f"structure of inputs. in_dims has structure {type(dims).__name__} and inputs has structure "
                     f"{type(value).__name__} of {len(value) if hasattr(value, '__len__') else 1}.")


def _size(leaves, dims, func):
    size = None
    for k, (value, dim) in enumerate(zip(leaves, dims, strict=True)):
        if dim is None:
            continue
        if not isinstance(value, Tensor):
            raise ValueError(f"vmap({_name(func)}, in_dims=..., ...)(<inputs>): Got in_dim={dim} for an input but the "
                             f"input is of type {type(value)}. We cannot vmap over non-Tensor arguments, please use "
                             "None as the respective in_dim")
        if not -value.ndim <= dim < value.ndim:
            raise ValueError(f"vmap({_name(func)}, in_dims=..., ...)(<inputs>): Got in_dim={dim} for some input, but "
                             f"that input is a Tensor of dimensionality {value.ndim} so expected in_dim to satisfy "
                             f"-{value.ndim} <= in_dim < {value.ndim}.")
        if size is not None and value.shape[dim] != size:
            raise ValueError(f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes "
                             f"{size} and {value.shape[dim]} (argument {k}) for the mapped dimension")
        size = value.shape[dim]
    if size is None:
        raise ValueError(f"vmap({_name(func)}, in_dims=..., ...)(<inputs>): at least one tensor has to be mapped over: "
                         "in_dims are all None, or there is no tensor among the inputs")
    return size


def _run(func, leaves, dims, rebuild, named, rebuild_named, size, out_dims, randomness):
    with Level("vmap", size=size, randomness=randomness) as level:
        args = [v if d is None else batched(v.movedim(d, 0), level) for v, d in zip(leaves, dims, strict=True)]
        keywords = [batched(v, level) if isinstance(v, Tensor) else v for v in named]
        result = func(*rebuild(args), **rebuild_named(keywords))
        outputs, rebuild_outputs = flatten(result)
        places = _places(out_dims, result, outputs)
        return rebuild_outputs([_unwrap(o, d, level, size, func) for o, d in zip(outputs, places, strict=True)])


def _places(out_dims, result, outputs):
    if out_dims is None or isinstance(out_dims, int):
        return [out_dims] * len(outputs)
    if isinstance(result, Tensor) and isinstance(out_dims, (tuple, list)) and len(out_dims) == 1:
        return list(out_dims)
    try:
        return _spread(out_dims, result, None, False)
    except (ValueError, TypeError):
        raise ValueError(f"vmap: out_dims={out_dims} is not compatible with the structure of the outputs "
                         f"({type(result).__name__} of {len(outputs)} leaves)") from None


def _unwrap(output, dim, level, size, func):
    if not isinstance(output, Tensor):
        if output is None and dim is None:
            return None
        raise ValueError(f"vmap({_name(func)}, ...): `{_name(func)}` must only return Tensors, got type "
                         f"{type(output)}. Did you mean to set out_dims= to None for output?")
    if dim is None:
        if is_batched(output, level):
            raise ValueError(f"vmap({_name(func)}, ...): `{_name(func)}` can not return a BatchedTensor when out_dim "
                             "is None")
        return output
    value = output._value if is_batched(output, level) else output.unsqueeze(0).expand(size, *output.shape)
    return value.movedim(0, dim)


def _joined(parts, out_dims):
    flat = [flatten(p) for p in parts]
    places = _places(out_dims, parts[0], flat[0][0])
    return flat[0][1]([first if d is None else OPS["cat"].call([leaves[k] for leaves, _ in flat], d)
                       for k, (first, d) in enumerate(zip(flat[0][0], places, strict=True))])
