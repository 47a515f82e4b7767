"""Compiled modules: a module that runs another one's `forward` as a program."""

from __future__ import annotations

from typing import Any

import numbatorch

from .compiled import Compiled


def optimized(model, *wishes):
    """An OptimizedModule around a module; wishes as in Compiled."""
    return _class()(model, *wishes)


def _class():
    return _made[0] if _made else _make()


_made: list = []
_TOOLS = ("graph", "kernels", "memory", "profile", "reset")  # of Compiled, where the module has no such name


def _make():
    class OptimizedModule(numbatorch.nn.Module):
        """A module around another one, `_orig_mod`, whose calls are compiled; it has the other's attributes."""

        def __init__(self, model, *wishes):
            super().__init__()
            self._orig_mod = model
            compiled = Compiled(model.__call__, *wishes)
            numbatorch.compiler._all.add(compiled)
            self.__dict__["compiled"] = compiled

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            own = self.__dict__
            if own["_forward_hooks"] or own["_forward_pre_hooks"] or own["_backward_hooks"] or (
                    own["_backward_pre_hooks"]):  # of this module, around the program
                return super().__call__(*args, **kwargs)
            return own["compiled"](*args, **kwargs)

        def forward(self, *args: Any, **kwargs: Any) -> Any:
            """What the module computes."""
            return self.__dict__["compiled"](*args, **kwargs)

        def train(self, mode: bool = True):
            """Set both modules to training or evaluation."""
            super().train(mode)
            return self

        def explain(self) -> str:
            """What became of the calls (Compiled.explain)."""
            return self.__dict__["compiled"].explain()

        def __getattr__(self, name: str) -> Any:
            try:
                return super().__getattr__(name)
            except AttributeError:
                own = super().__getattr__("_orig_mod")
            if name in _TOOLS and not hasattr(own, name):
                return getattr(self.__dict__["compiled"], name)
            return getattr(own, name)

    OptimizedModule.__module__, OptimizedModule.__qualname__ = __name__, "OptimizedModule"
    _made.append(OptimizedModule)
    return OptimizedModule


def __getattr__(name):
    if name == "OptimizedModule":
        return _class()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
