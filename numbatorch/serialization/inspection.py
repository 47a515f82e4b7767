"""What a checkpoint wants, seen without building it."""

from __future__ import annotations

import os
import pickletools
from typing import Any

from numbatorch.serialization.archive import ArchiveReader
from numbatorch.serialization.restricted import _allowed, _safe


def get_unsafe_globals_in_checkpoint(f: Any) -> list[str]:
    """The names that a file's pickle wants and that `load(weights_only=True)` does not allow, in order.

    f: a path or an open, seekable binary file. Nothing of what they name is imported.
    """
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as file:
            return get_unsafe_globals_in_checkpoint(file)
    data = ArchiveReader(f, str(getattr(f, "name", "file")), False).read("data.pkl")
    allowed, found = _allowed(), {}
    for module, name in _globals(data):
        if (module, name) not in allowed and f"{module}.{name}" not in _safe:
            found[f"{module}.{name}"] = True
    return sorted(found)


def _globals(data: bytes) -> list[tuple[str, str]]:
    """(module, name) of each global that a pickle names."""
    found: list[tuple[str, str]] = []
    texts: list[Any] = []
    memo: dict[int, Any] = {}
    argument: Any
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name == "GLOBAL":
            module, name = argument.split(" ", 1)
            found.append((module, name))
        elif opcode.name == "STACK_GLOBAL":  # its module and name are the last two texts
            found.append((texts[-2], texts[-1]))
        elif "UNICODE" in opcode.name or opcode.name in ("STRING", "SHORT_BINSTRING", "BINSTRING"):
            texts.append(argument)
        elif opcode.name == "MEMOIZE" and texts:
            memo[len(memo)] = texts[-1]
        elif opcode.name in ("BINPUT", "LONG_BINPUT", "PUT") and texts:
            memo[int(argument)] = texts[-1]
        elif opcode.name in ("BINGET", "LONG_BINGET", "GET") and int(argument) in memo:
            texts.append(memo[int(argument)])
    return found
