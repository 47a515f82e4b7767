"""Hooks: tables of functions that others call, and the handles that take a function out of its table again."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any


class RemovableHandle:
    """Names one entry `id` of a table of hooks; `remove()` takes it out. Works as a context manager, too.

    The table is held weakly where it allows it, so that a handle does not keep a module alive.
    extra_dict is a table, or several, with facts about the same hook under the same id.
    """

    next_id = 0

    def __init__(self, hooks_dict: dict, *, extra_dict: Any = None):
        self.hooks_dict_ref = _reference(hooks_dict)
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        if extra_dict is None:
            extra_dict = ()
        elif isinstance(extra_dict, dict):
            extra_dict = (extra_dict,)
        self.extra_dict_ref = tuple(_reference(table) for table in extra_dict)

    def remove(self) -> None:
        """Take the hook out; a second call does nothing."""
        for reference in (self.hooks_dict_ref, *self.extra_dict_ref):
            table = reference()
            if table is not None:
                table.pop(self.id, None)

    def __getstate__(self) -> tuple:
        return self.hooks_dict_ref(), self.id, tuple(reference() for reference in self.extra_dict_ref)

    def __setstate__(self, state: tuple) -> None:
        table, self.id, extra = state
        self.hooks_dict_ref = _reference({} if table is None else table)
        self.extra_dict_ref = tuple(_reference({} if t is None else t) for t in extra)
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.remove()


def _reference(table: dict) -> Callable[[], dict | None]:
    try:
        return weakref.ref(table)
    except TypeError:  # a plain dict knows no weak references
        return lambda: table


def add_hook(table: dict, hook: Callable, prepend: bool = False, extra: Iterable[dict] = ()) -> RemovableHandle:
    """Put a hook into a table (an OrderedDict where `prepend` is used) and mark it True in each table of `extra`."""
    handle = RemovableHandle(table, extra_dict=tuple(extra))
    table[handle.id] = hook
    for marks in extra:
        marks[handle.id] = True
    if prepend:
        table.move_to_end(handle.id, last=False)  # type: ignore[attr-defined]
    return handle
