"""Arguments that say where and in which dtype a module makes its parameters."""

from __future__ import annotations

from typing import Any

_KNOWN = ("device", "dtype", "memory_format")


def factory_kwargs(kwargs: dict[str, Any] | None) -> dict[str, Any]:
    """device, dtype and memory_format out of a module's keyword arguments, for `empty` and the like.

    They may also stand in a dict under "factory_kwargs". TypeError for other names and for one that is there twice.
    """
    given = dict(kwargs or {})
    found = dict(given.pop("factory_kwargs", None) or {})
    for name in (*given, *found):
        if name not in _KNOWN:
            raise TypeError(f"factory_kwargs: unexpected keyword argument {name!r}; expected {', '.join(_KNOWN)}")
        if name in given and name in found:
            raise TypeError(f"factory_kwargs: {name} is specified twice, by itself and in factory_kwargs")
    return found | given
