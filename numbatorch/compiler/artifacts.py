"""The cache of kernels and of what was decided about programs, as bytes for another machine of the same kind."""

import hashlib
import re
from typing import NamedTuple

from ..lowering import cache

_MAGIC = b"numbatorch artifacts 1\n"
_NAME = re.compile(rb"[0-9a-f]{64}")


class CacheInfo(NamedTuple):
    """Names of the entries that were saved or loaded."""

    artifacts: tuple


def save():
    """(bytes with all entries of the cache, CacheInfo); None where there are none."""
    parts, names = [], []
    for path in sorted(cache.entries(cache.directory())):
        content = cache.read(path.name)
        if content is not None and _NAME.fullmatch(path.name.encode()):
            names.append(path.name)
            parts += [path.name.encode(), len(content).to_bytes(8, "little"), content]
    content = b"".join(parts)
    return (_MAGIC + hashlib.sha256(content).digest() + content, CacheInfo(tuple(names))) if names else None


def load(data):
    """Put entries of `save` into the cache; the CacheInfo, or None for bytes that are none of `save`.

    Entries are machine code, which runs when a program asks for it: load only what you trust.
    """
    if not isinstance(data, bytes):
        raise TypeError(f"load_cache_artifacts: expected bytes, got {type(data).__name__}")
    found, at = [], len(_MAGIC) + 32
    if not data.startswith(_MAGIC) or hashlib.sha256(data[at:]).digest() != data[len(_MAGIC):at]:
        return None
    while at < len(data):
        name, size = data[at:at + 64], int.from_bytes(data[at + 64:at + 72], "little")
        if not _NAME.fullmatch(name) or at + 72 + size > len(data):
            return None
        found.append((name.decode(), data[at + 72:at + 72 + size]))
        at += 72 + size
    for own, content in found:
        cache.write(own, content)
    return CacheInfo(tuple(own for own, _ in found))


__all__ = ["CacheInfo", "load", "save"]
