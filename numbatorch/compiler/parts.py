"""A compiled function in parts (splitting.py): each part is compiled, the statements between them run as they are."""

import inspect
import types

from . import splitting

MOST = 12  # times that a function is divided anew


class Parts:
    """How a function is divided: `run` does what the function does, or is None while it is whole.

    Lines are put in by `stay`: those of the function's own source that no program can hold. Of a module it is `forward`
    that is divided, which is all that a call of it runs while it has no hooks.
    """

    def __init__(self, function, make):
        self._function, self._make, self.run = function, make, None
        own = getattr(function, "__self__", None)
        self._module = own if hasattr(own, "_parameters") and function.__name__ == "__call__" else None
        self._source: splitting.Source | None = None
        self._asked, self.lines, self.held, self.times = False, set(), {}, 0
        self._known: tuple = ()

    @property
    def function(self):
        """The function that is divided."""
        return self._function if self._module is None else self._module.forward

    @property
    def source(self):
        """The function's Source; None where it cannot be divided."""
        if not self._asked:
            self._asked, self._source = True, splitting.read(self.function)
        return self._source

    def stay(self, lines):
        """Whether the function is divided anew, so that statements with these lines run as they are."""
        if self._module is not None and has_hooks(self._module):
            return False
        if lines <= self.lines or self.source is None or self.times >= MOST:
            return False
        before, self.held = self.held, {}
        made = self.source.split(self.lines | lines, lambda key, part: self._part(before, key, part))
        if made is None:
            self.held = before
            return False
        self.lines |= lines
        self.times += 1
        own = getattr(self.function, "__self__", None)
        self.run = made if own is None else types.MethodType(made, own)
        self._known = self._now()
        return True

    def _part(self, before, key, part):
        self.held[key] = before[key] if key in before else self._make(part)
        return self.held[key]

    def _now(self):
        function = getattr(self.function, "__func__", self.function)
        return function.__code__, function.__defaults__, function.__kwdefaults__

    def fit(self):
        """Whether the parts are those of the function as it is: it may have been given other code or defaults."""
        if self._module is not None and has_hooks(self._module):
            return False
        code, defaults, keywords = self._now()
        known = self._known
        return code is known[0] and defaults is known[1] and keywords is known[2]

    def code(self):
        """The code of the function that is divided, whose lines count; None for what has none."""
        function = inspect.unwrap(self.function)
        return getattr(function, "__code__", None)

    def forget(self):
        """Be whole again."""
        self.run, self._asked, self._source, self.times = None, False, None, 0
        self.lines.clear()
        self.held.clear()


def has_hooks(module):
    """Whether a call of a module runs more than its `forward`."""
    from ..nn.modules import hooks
    own = vars(module)
    return bool(hooks.any_call_hook or any(own.get(name) for name in (
        "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")))
