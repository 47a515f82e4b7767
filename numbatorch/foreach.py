"""`_foreach_*`: one call for a list of tensors, each of which it treats as the op of that name does.

What goes with the tensors is one number for all, a number or a tensor for each, or one 0-d tensor. The
plain forms give a tuple; the forms with a final underscore change the tensors and give the list.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from numbatorch import Tensor, clamp_max, clamp_min, dtype as dtype_type, linalg, maximum, minimum
from numbatorch.together import each

_UNARY = """abs acos asin atan ceil cos cosh erf erfc exp expm1 floor frac lgamma log log10 log1p log2 neg reciprocal
            round rsqrt sigmoid sign sin sinh sqrt tan tanh trunc""".split()
_NUMBERS = (int, float, complex)
__all__ = []


def _checked(name: str, tensors: Any, position: str = "'self' (position 1)") -> list:
    if not isinstance(tensors, (list, tuple)):
        raise TypeError(f"{name}(): argument {position} must be tuple of Tensors, not {type(tensors).__name__}")
    for k, tensor in enumerate(tensors):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name}(): argument {position} must be tuple of Tensors, but item {k} is "
                            f"{type(tensor).__name__}")
    if not tensors:
        raise RuntimeError(f"{name}: Tensor list must have at least one tensor.")
    return list(tensors)


def _beside(name: str, tensors: list, given: Any) -> list:
    """What goes with each tensor: `given` itself if it is one value, else its items."""
    if isinstance(given, Tensor):
        if given.ndim:
            raise RuntimeError(f"{name}: scalar tensor expected to be 0 dim but it has {given.ndim} dimensions and "
                               f"{given.numel()} elements.")
        return [given] * len(tensors)
    if isinstance(given, _NUMBERS):
        return [given] * len(tensors)
    if not isinstance(given, (list, tuple)):
        raise TypeError(f"{name}(): argument 'other' (position 2) must be tuple of Tensors, a number or numbers, not "
                        f"{type(given).__name__}")
    if len(given) != len(tensors):
        if given and isinstance(given[0], Tensor):
            raise RuntimeError(f"{name}: Tensor lists must have the same number of tensors, got {len(tensors)} and "
                               f"{len(given)}")
        raise RuntimeError(f"{name}: Tensor list must have same number of elements as scalar list, got {len(tensors)} "
                           f"and {len(given)}.")
    return list(given)


def _enter(name: str, function: Callable, doc: str) -> None:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    globals()[name] = function
    __all__.append(name)


def _only(name: str, given: tuple, named: dict, *labels: str) -> Any:
    """The one argument beside the tensors, by position or under one of its names."""
    values = [*given, *(named.pop(label) for label in labels if label in named)]
    if len(values) != 1 or named:
        raise TypeError(f"{name}() received an invalid combination of arguments: it takes the tensors and one of "
                        f"{', '.join(labels)}" + (f", not {', '.join(named)}" if named else ""))
    return values[0]


def _both_forms(label: str, plain: Callable, doc: str) -> None:
    """Enter `_foreach_<label>` and `_foreach_<label>_`; `plain(name, inplace, self, ...)` gives the list of results."""
    def call(self: Sequence[Tensor], *args: Any, **named: Any) -> tuple:
        return tuple(plain(f"_foreach_{label}", False, self, *args, **named))

    def call_inplace(self: Sequence[Tensor], *args: Any, **named: Any) -> list:
        return plain(f"_foreach_{label}_", True, self, *args, **named)
    _enter(f"_foreach_{label}", call, doc)
    _enter(f"_foreach_{label}_", call_inplace, f"{doc} In place.")


def _at_once(op: str, inplace: bool, tensors: list, beside: dict, **numbers: Any) -> list | None:
    """The results of an op for all tensors in one launch; None where they are to be had one by one.

    beside: {parameter: what goes with each tensor}, numbers where it is the same one for all.
    """
    if not tensors[0].is_cuda:
        return None
    columns = {"input": tensors}
    for label, values in beside.items():
        if isinstance(values[0], Tensor):
            columns[label] = values
        elif any(v is not values[0] and v != values[0] for v in values):
            return None
        else:
            numbers[label] = values[0]
    found = each(op, columns, numbers, ("input",) if inplace else None)
    return None if found is None else found[0]


def _unary(label: str) -> None:
    method, changing = getattr(Tensor, label), getattr(Tensor, f"{label}_")

    def plain(name: str, inplace: bool, self: Any) -> list:
        act, tensors = changing if inplace else method, _checked(name, self)
        return _at_once(label, inplace, tensors, {}) or [act(t) for t in tensors]
    _both_forms(label, plain, f"`{label}` of each tensor.")


for _label in _UNARY:
    _unary(_label)


def _sum(label: str) -> None:
    method, changing = getattr(Tensor, label), getattr(Tensor, f"{label}_")

    def plain(name: str, inplace: bool, self: Any, *given: Any, alpha: Any = None, **named: Any) -> list:
        tensors, other = _checked(name, self), _only(name, given, named, "other", "scalar", "scalars")
        others = _beside(name, tensors, other)
        if alpha is not None and not isinstance(others[0], Tensor):
            raise TypeError(f"{name}() received an invalid combination of arguments: alpha goes with tensors, not with "
                            "numbers")
        act, scale = changing if inplace else method, {} if alpha is None else {"alpha": alpha}
        return _at_once(label, inplace, tensors, {"other": others}, **scale) or [
            act(t, o, **scale) for t, o in zip(tensors, others, strict=True)]
    _both_forms(label, plain, f"`{label}` of each tensor and what goes with it.")


def _product(label: str, method: Callable, changing: Callable, op: str | None = None) -> None:
    def plain(name: str, inplace: bool, self: Any, *given: Any, **named: Any) -> list:
        tensors = _checked(name, self)
        others = _beside(name, tensors, _only(name, given, named, "other", "scalar", "scalars"))
        act = changing if inplace else method
        found = _at_once(op, inplace, tensors, {"other": others}) if op else None
        return found or [act(t, o) for t, o in zip(tensors, others, strict=True)]
    _both_forms(label, plain, f"`{label}` of each tensor and what goes with it.")


def _limiting(of_tensors: Callable, of_number: Callable) -> tuple[Callable, Callable]:
    def limit(tensor: Tensor, other: Any) -> Tensor:
        return of_tensors(tensor, other) if isinstance(other, Tensor) else of_number(tensor, other)
    return limit, lambda tensor, other: tensor.copy_(limit(tensor, other))


_sum("add")
_sum("sub")
for _label, _op in (("mul", "mul"), ("div", "true_divide")):
    _product(_label, getattr(Tensor, _label), getattr(Tensor, f"{_label}_"), _op)
for _label, _of_tensors, _of_number in (("maximum", maximum, clamp_min), ("minimum", minimum, clamp_max),
                                        ("clamp_min", clamp_min, clamp_min), ("clamp_max", clamp_max, clamp_max)):
    _product(_label, *_limiting(_of_tensors, _of_number))


def _power(name: str, inplace: bool, self: Any, exponent: Any) -> list:
    if isinstance(self, _NUMBERS) and not inplace:
        return [self ** e for e in _checked(name, exponent, "'exponent' (position 2)")]
    tensors = _checked(name, self)
    act = Tensor.pow_ if inplace else Tensor.pow
    return [act(t, e) for t, e in zip(tensors, _beside(name, tensors, exponent), strict=True)]


_both_forms("pow", _power, "`pow` of each tensor, or of one number, and an exponent.")


def _interpolated(name: str, inplace: bool, self: Any, tensors1: Any, *given: Any, **named: Any) -> list:
    tensors = _checked(name, self)
    ends = _beside(name, tensors, _checked(name, tensors1, "'tensors1' (position 2)"))
    weights = _beside(name, tensors, _only(name, given, named, "weight", "weights"))
    act = Tensor.lerp_ if inplace else Tensor.lerp
    return _at_once("lerp", inplace, tensors, {"end": ends, "weight": weights}) or [
        act(t, e, w) for t, e, w in zip(tensors, ends, weights, strict=True)]


_both_forms("lerp", _interpolated, "`lerp` from each tensor to the one beside it.")


def _fused(label: str) -> None:
    method, changing = getattr(Tensor, label), getattr(Tensor, f"{label}_")

    def plain(name: str, inplace: bool, self: Any, tensor1: Any, tensor2: Any, value: Any = 1, *,
              scalars: Any = None) -> list:
        tensors = _checked(name, self)
        first = _beside(name, tensors, _checked(name, tensor1, "'tensor1' (position 2)"))
        second = _beside(name, tensors, _checked(name, tensor2, "'tensor2' (position 3)"))
        factors = value if scalars is None else scalars
        if isinstance(factors, Tensor):
            factors = factors.tolist()
        factors = _beside(name, tensors, factors)
        act = changing if inplace else method
        beside = {"tensor1": first, "tensor2": second, "value": factors}
        return _at_once(label, inplace, tensors, beside) or [
            act(t, a, b, value=v) for t, a, b, v in zip(tensors, first, second, factors, strict=True)]
    _both_forms(label, plain, f"`{label}` of each tensor and the two beside it.")


_fused("addcmul")
_fused("addcdiv")


def _foreach_norm(self: Sequence[Tensor], ord: float = 2, dtype: dtype_type | None = None) -> tuple:
    """The norm of all elements of each tensor, `ord` as in linalg.vector_norm."""
    return tuple(linalg.vector_norm(t, ord, dtype=dtype) for t in _checked("_foreach_norm", self))


def _foreach_powsum(self: Sequence[Tensor], ord: float = 2, dtype: dtype_type | None = None) -> tuple:
    """The sum of |element|^ord of each tensor, which is the norm before its root is taken. ValueError for infinity."""
    if math.isinf(ord):
        raise ValueError("_foreach_powsum: ord must be finite: a maximum is no sum, see _foreach_norm")
    return tuple(t.abs().pow(ord).sum(dtype=dtype) for t in _checked("_foreach_powsum", self))


def _foreach_max(self: Sequence[Tensor]) -> tuple:
    """The largest element of each tensor."""
    return tuple(t.max() for t in _checked("_foreach_max", self))


def _foreach_mm(self: Sequence[Tensor], mat2: Sequence[Tensor]) -> tuple:
    """The product of each matrix and the one beside it."""
    tensors = _checked("_foreach_mm", self)
    return tuple(a.mm(b) for a, b in zip(tensors, _beside("_foreach_mm", tensors, mat2), strict=True))


def _foreach_clone(self: Sequence[Tensor], *, memory_format: Any = None) -> tuple:
    """A copy of each tensor."""
    return tuple(t.clone(memory_format=memory_format) for t in _checked("_foreach_clone", self))


def _foreach_copy_(self: Sequence[Tensor], src: Sequence[Tensor], non_blocking: bool = False) -> list:
    """Write the values of the tensor beside it into each tensor."""
    tensors = _checked("_foreach_copy_", self)
    return [t.copy_(s, non_blocking) for t, s in zip(tensors, _beside("_foreach_copy_", tensors, src), strict=True)]


def _foreach_zero_(self: Sequence[Tensor]) -> list:
    """0 everywhere in each tensor, in place."""
    return [t.zero_() for t in _checked("_foreach_zero_", self)]


__all__ += ["_foreach_clone", "_foreach_copy_", "_foreach_max", "_foreach_mm", "_foreach_norm", "_foreach_powsum",
            "_foreach_zero_"]
