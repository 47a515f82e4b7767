"""Arguments and results as a list of tensors and a template of the rest."""

from typing import NamedTuple

from ..device import device
from ..dtypes import dtype
from ..size import Size
from ..tensor import Tensor
from . import traced
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
    if kind in (tuple, list, Size) or isinstance(value, tuple) and hasattr(kind, "_fields"):
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
    if a[0] in ("number", "made"):
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


class Given:
    """Arguments as a capture gives them to the function.

    They are the caller's own where no tensor has another in its place. Else tuples, lists and dicts are copies, whose
    changes `carry_back` makes in the caller's, and `outside` gives a result with the caller's objects in it.
    """

    def __init__(self, template, tensors, given, own):
        """own: the arguments themselves; None for a call that is undone."""
        self._template, self._given = template, given
        self._tensors = {id(g): t for g, t in zip(given, tensors, strict=True) if g is not t}
        self._forms = [_form(g) for g in given]
        self.value = build(template, given) if own is None or self._tensors else own
        self._containers: dict = {}  # {id: (a container, a copy of it, what it stands for)}
        self._note(template, self.value, self.value if own is None else own)

    def _note(self, template, value, own):
        if type(template) is Leaf or template[0] == "value":
            return
        kind, parts = template
        self._containers[id(value)] = value, _items(value), own
        for k, part in enumerate(parts):
            key, part = part if kind is dict else (k, part)
            self._note(part, value[key], own[key])

    def objection(self, result):
        """Why a call with this result could not be repeated; "" where lists, dicts and forms are left alone."""
        found: list = []
        for k, (tensor, before) in enumerate(zip(self._given, self._forms, strict=True)):
            if any(a is not b for a, b in zip(_form(tensor), before, strict=True)):
                return f"the call changes the shape, memory or history of argument {k}"
        if not equal(flatten(self.value, found, ""), self._template) or any(
                a is not b for a, b in zip(found, self._given, strict=True)):
            return "the call changes a list or dict that it is given"
        return "the function returns a list or dict that it is given" if self._in(result) else ""

    def _in(self, value):
        kind = type(value)
        if kind in (list, dict) and id(value) in self._containers:
            return True
        return any(map(self._in, value.values() if kind is dict else value if isinstance(value, (tuple, list)) else ()))

    def lost(self):
        """Whether the shape or history of a tensor that stands for an argument is another than before."""
        return any(id(tensor) in self._tensors and any(a is not b for a, b in zip(_form(tensor), before, strict=True))
                   for tensor, before in zip(self._given, self._forms, strict=True))

    def forget(self):
        """Hold nothing of what was given."""
        self.value, self._forms = None, []
        self._containers.clear()

    def undo(self):
        """Put the caller's lists and dicts back."""
        for value, before, own in self._containers.values():
            if value is own:
                _fill(own, before)

    def carry_back(self):
        """Change the caller's lists and dicts as the function has changed those that it was given."""
        for value, before, own in list(self._containers.values()):
            if value is own or type(value) not in (list, dict):
                continue
            now = _items(value)
            if len(now) != len(before) or any(a[0] != b[0] or a[1] is not b[1] for a, b in zip(
                    now, before, strict=True)):
                _fill(own, [(k, self.outside(v)) for k, v in now])

    def outside(self, value):
        """A value with the caller's tensors, lists and dicts in place of those that the function was given."""
        if id(value) in self._containers:
            return self._containers[id(value)][2]
        if isinstance(value, Tensor):
            return self._tensors.get(id(value), value)
        kind = type(value)
        if kind in (list, dict):
            for k, v in _items(value):
                value[k] = self.outside(v)
        elif kind is tuple or isinstance(value, tuple) and hasattr(kind, "_fields"):
            made = [self.outside(v) for v in value]
            return tuple.__new__(kind, made) if any(a is not b for a, b in zip(made, value, strict=True)) else value
        return value


def _form(tensor):
    return tensor._layout, tensor._ptr, tensor._storage, tensor._needs_grad, tensor._node, tensor._generation


def _items(container):
    """[(key, value)] of a dict, [(position, value)] of a list or tuple."""
    return list(container.items() if type(container) is dict else enumerate(container))


def _fill(container, items):
    if type(container) is list:
        container[:] = [v for _, v in items]
    elif type(container) is dict:
        container.clear()
        container.update(items)


class Made:
    """A number made of an optimizer's options: its expression (traced.py), and {("option", k): (dict, key)}."""

    def __init__(self, expression, options):
        self.expression, self.options = expression, options

    def __eq__(self, other):
        return self.expression == other.expression and all(
            own[0] is theirs[0] and own[1] == theirs[1] for own, theirs in zip(
                self.options.values(), other.options.values(), strict=True))

    __hash__ = None  # type: ignore[assignment]


def with_numbers(template, known, options):
    """The template with ("number", k) for the values that `known` has by their id, {id: (value, k)}, and ("made", Made)
    for numbers made of options, [(dict, key, path)]."""
    if type(template) is Leaf:
        return template
    kind, parts = template
    if kind == "value":
        if parts.__class__ is traced.Traced:
            used = traced.sources(parts.expression)
            if used and all(of == "option" for of, _ in used):
                return "made", Made(parts.expression, {u: options[u[1]][:2] for u in sorted(used)})
        return ("number", known[id(parts)][1]) if id(parts) in known else template
    if kind is dict:
        return dict, tuple([(k, with_numbers(v, known, options)) for k, v in parts])
    return kind, tuple([with_numbers(v, known, options) for v in parts])


def numbers_of(template):
    """All k of ("number", k)."""
    if type(template) is Leaf or template[0] in ("value", "made"):
        return []
    if template[0] == "number":
        return [template[1]]
    return [k for part in template[1] for k in numbers_of(part[1] if template[0] is dict else part)]


def check_result(template):
    """Unsupported for results that a later call could not give anew."""
    if type(template) is Leaf:
        return
    kind, parts = template
    if kind in ("number", "made"):
        return
    if kind == "value":
        if not isinstance(parts, (type(None), bool, int, float, complex, str, bytes, dtype, device)):
            raise Unsupported(f"the function returns a {type(parts).__name__}; tensors, numbers, strings and tuples, "
                              "lists and dicts of them can be returned")
        return
    for part in parts:
        check_result(part[1] if kind is dict else part)


__all__ = ["Given", "Leaf", "build", "check_result", "equal", "flatten", "numbers_of", "others", "with_numbers"]
