"""A compiled function in parts (splitting.py): each part is compiled, the statements between them run as they are."""

import types

from . import splitting

MOST = 12  # times that a function is divided anew


class Parts:
    """How a function is divided: `run` does what the function does, or is None while it is whole.

    Lines are put in by `stay`: those of the function's own source that no program can hold.
    """

    def __init__(self, function, make):
        self.function, self._make, self.run = function, make, None
        self._source: splitting.Source | None = None
        self._asked, self.lines, self.held, self.times = False, set(), {}, 0
        self._known: tuple = ()

    @property
    def source(self):
        """The function's Source; None where it cannot be divided."""
        if not self._asked:
            self._asked, self._source = True, splitting.read(self.function)
        return self._source

    def stay(self, lines):
        """Whether the function is divided anew, so that statements with these lines run as they are."""
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
        code, defaults, keywords = self._now()
        known = self._known
        return code is known[0] and defaults is known[1] and keywords is known[2]

    def forget(self):
        """Be whole again."""
        self.run, self._asked, self._source, self.times = None, False, None, 0
        self.lines.clear()
        self.held.clear()
