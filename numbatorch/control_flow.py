"""Branches and loops on values of tensors, as functions: they run as Python's own `if` and `while`, with gradients."""

from .tensor import Tensor


def _are_tensors(value):
    """Whether nested lists, tuples and dicts hold tensors alone."""
    if isinstance(value, (list, tuple)):
        return all(_are_tensors(v) for v in value)
    if isinstance(value, dict):
        return all(_are_tensors(v) for v in value.values())
    return isinstance(value, Tensor)


def cond(pred, true_fn, false_fn, operands=()):
    """true_fn(*operands) where `pred` is true, else false_fn(*operands); only one of them runs.

    pred: a number or a tensor of one element. With a tensor, RuntimeError unless both are functions and the operands
    are tensors, in nested lists, tuples and dicts.
    """
    if isinstance(pred, Tensor):
        if pred.numel() != 1:
            raise RuntimeError(f"cond: Expected pred to be bool or single-element tensor, but got {pred}.")
        if not callable(true_fn) or not callable(false_fn):
            raise RuntimeError(f"cond: Expect both branches to be callable, got {type(true_fn).__name__} and "
                               f"{type(false_fn).__name__}")
        if not isinstance(operands, (list, tuple)) or not _are_tensors(operands):
            raise RuntimeError("cond: Expect operands to be a tuple of possibly nested dict/list/tuple that only "
                               f"consists of tensor leaves, but got {operands}.")
    elif not isinstance(pred, (bool, int, float)):
        raise RuntimeError(f"cond: Expected pred to be bool or tensor, but got {type(pred).__name__}")
    return true_fn(*operands) if pred else false_fn(*operands)


def while_loop(cond_fn, body_fn, carried_inputs):
    """carried = body_fn(*carried) while cond_fn(*carried); the carried values that are left at the end.

    body_fn returns as many values as it takes, tensors of the same shape and dtype. RuntimeError where it does not,
    where cond_fn returns neither a bool nor a bool tensor of one element, and where the two are no functions.
    """
    if not callable(cond_fn) or not callable(body_fn):
        raise RuntimeError("while_loop: Expect cond_fn and body_fn to be callable, got "
                           f"{type(cond_fn).__name__} and {type(body_fn).__name__}")
    if not isinstance(carried_inputs, (list, tuple)):
        raise RuntimeError(f"while_loop: Expect carried_inputs to be a tuple or a list, got "
                           f"{type(carried_inputs).__name__}")
    result = carried = tuple(carried_inputs)
    while _goes_on(cond_fn(*carried)):
        result = body_fn(*carried)
        following = tuple(result) if isinstance(result, (list, tuple)) else (result,)
        _check_same(carried, following)
        carried = following
    return carried if isinstance(result, (list, tuple)) else result


def _goes_on(value):
    if isinstance(value, bool):
        return value
    if not isinstance(value, Tensor) or value.numel() != 1 or value.dtype.name != "bool":
        raise RuntimeError(f"while_loop: cond_fn must return a boolean scalar tensor or a boolean but got {value!r}")
    return bool(value)


def _check_same(before, after):
    if len(before) != len(after):
        raise RuntimeError(f"while_loop: body_fn has to return as many values as it takes, {len(before)}, but returned "
                           f"{len(after)}")
    for place, (a, b) in enumerate(zip(before, after, strict=True)):
        one, other = (f"{tuple(x.shape)} {x.dtype}" if isinstance(x, Tensor) else type(x).__name__ for x in (a, b))
        if one != other:
            raise RuntimeError("while_loop: Expected body_fn_output and carried_inputs to have same metadata, but "
                               f"value {place} was {one} and became {other}")
