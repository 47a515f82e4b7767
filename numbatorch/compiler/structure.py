"""Arguments and results as a list of tensors and a template of the rest."""

from typing import NamedTuple

from ..tensor import Tensor
from .places import Unsupported, same


class Leaf(NamedTuple):
    """The place of tensor `number`."""

    number: int


def flatten(value, tensors, what):
    """A template of nested tuples, lists and dicts; their tensors are appended to `tensors`.

    The template is ("tuple" | "list" | "dict" | named tuple's class, parts), Leaf, or ("value", anything else).
    """
    if isinstance(value, Tensor):
        tensors.append(value)
        return Leaf(len(tensors) - 1)
    kind = type(value)
    if kind in (tuple, list) or isinstance(value, tuple) and hasattr(kind, "_fields"):
        return kind, tuple([flatten(v, tensors, what) for v in value])
    if kind is dict:
        return dict, tuple([(k, flatten(v, tensors, what)) for k, v in value.items()])
    return "value", value


def equal(a, b):
    """Whether two templates are the same."""
    if type(a) is Leaf or type(b) is Leaf:
        return type(a) is type(b) and a == b
    if a[0] != b[0]:
        return False
    if a[0] == "number":
        return a[1] == b[1]
    if a[0] == "value":
        return a[1] is b[1] or same(a[1], b[1])
    if len(a[1]) != len(b[1]):
        return False
    if a[0] is dict:
        return all(x[0] == y[0] and equal(x[1], y[1]) for x, y in zip(a[1], b[1], strict=True))
    return all(equal(x, y) for x, y in zip(a[1], b[1], strict=True))


def others(template, path="the arguments"):
    """(value, path) of all that is not a tensor."""
    if type(template) is Leaf:
        return
    kind, parts = template
    if kind == "value":
        yield parts, path
        return
    for k, part in enumerate(parts):
        yield from others(part[1] if kind is dict else part, f"{path}[{part[0] if kind is dict else k!r}]")


def build(template, tensors):
    """The value again, with tensors from a list."""
    if type(template) is Leaf:
        return tensors[template.number]
    kind, parts = template
    if kind == "value":
        return parts
    if kind is dict:
        return {k: build(v, tensors) for k, v in parts}
    made = [build(v, tensors) for v in parts]
    return made if kind is list else tuple.__new__(kind, made)  # those of operations take one argument, others several


def with_numbers(template, known):
    """The template with ("number", k) for the values that `known` has by their id: {id: (value, k)}."""
    if type(template) is Leaf:
        return template
    kind, parts = template
    if kind == "value":
        return ("number", known[id(parts)][1]) if id(parts) in known else template
    if kind is dict:
        return dict, tuple([(k, with_numbers(v, known)) for k, v in parts])
    return kind, tuple([with_numbers(v, known) for v in parts])


def numbers_of(template):
    """All k of ("number", k)."""
    if type(template) is Leaf or template[0] == "value":
        return []
    if template[0] == "number":
        return [template[1]]
    return [k for part in template[1] for k in numbers_of(part[1] if template[0] is dict else part)]


def check_result(template):
    """Unsupported for results that a later call could not give anew."""
    if type(template) is Leaf:
        return
    kind, parts = template
    if kind == "number":
        return
    if kind == "value":
        if not isinstance(parts, (type(None), bool, int, float, complex, str, bytes)):
            raise Unsupported(f"the function returns a {type(parts).__name__}; tensors, numbers, strings and tuples, "
                              "lists and dicts of them can be returned")
        return
    for part in parts:
        check_result(part[1] if kind is dict else part)


__all__ = ["Leaf", "build", "check_result", "equal", "flatten", "numbers_of", "others", "with_numbers"]
