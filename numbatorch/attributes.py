"""What programs hang on tensors: `tensor.__dict__` shows that alone, not the fields that make the tensor."""

FIELDS = frozenset("_layout _storage _ptr _needs_grad _node _output_index _grad _base _hooks _post_hooks _retains "
                   "_grad_dtype _generation _seen_generation _viewed".split())


class Holder:
    """The base of Tensor: here is the real `__dict__` of an instance."""


fields = vars(Holder)["__dict__"].__get__  # fields(tensor): all of them, for those who make and copy tensors


class Attributes(dict):
    """The attributes of a tensor that are no fields; changes go to the tensor."""

    __slots__ = ("_own",)

    def __init__(self, tensor):
        self._own = fields(tensor)
        super().__init__({name: value for name, value in self._own.items() if name not in FIELDS})

    def __setitem__(self, name, value):
        self._own[name] = value
        super().__setitem__(name, value)

    def __delitem__(self, name):
        super().__delitem__(name)
        del self._own[name]

    def update(self, *given, **named):
        for name, value in dict(*given, **named).items():
            self[name] = value

    def setdefault(self, name, default=None):
        if name not in self:
            self[name] = default
        return self[name]

    def pop(self, name, *default):
        if name in self:
            del self._own[name]
        return super().pop(name, *default)

    def popitem(self):
        name, value = super().popitem()
        del self._own[name]
        return name, value

    def clear(self):
        for name in list(self):
            del self[name]

    def __ior__(self, other):  # type: ignore[misc]
        self.update(other)
        return self

    def __reduce__(self):
        return dict, (dict(self),)


def _replace(tensor, attributes):
    own, given = Attributes(tensor), dict(attributes)
    own.clear()
    own.update(given)


shown = property(Attributes, _replace, doc="What was hung on the tensor, by name.")
