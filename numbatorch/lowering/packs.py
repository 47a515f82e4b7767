"""Object code made beforehand, for a level of machines: what an empty cache finds before it compiles.

A pack holds cache entries (cache.py) by their names, `<level>.pack`, made by `numbatorch cache pack`. Entries carry
their own checksums, and their names are hashes of all that decides them, so that a pack of another version, or of
another text of a kernel, is never used by mistake. The folder is `numbatorch/objects`, which the package brings, or the
one that NUMBATORCH_PACKS names.
"""

import functools
import os
from pathlib import Path

from . import cache
from .host import host, levels, runs_here

_MAGIC = b"numbatorch pack 1\n"
_NAME, _SIZE = 64, 8  # bytes of an entry's name, and of the length of what follows


def directory():
    """The folder of packs; it need not exist."""
    chosen = os.environ.get("NUMBATORCH_PACKS")
    return Path(chosen).expanduser() if chosen else Path(__file__).parent.parent / "objects"


def write(path, entries, versions):
    """Make a pack of entry files of a cache: paths, whose names are kept. Nothing is left of one cut short.

    versions: a name (cache.key) of what made them. All are compressed as one, neighbours of about one size: that takes
    0.6 of the bytes of a zip file, and half the time to read.
    """
    import zlib

    contents = sorted(((entry.name.encode(), entry.read_bytes()) for entry in entries), key=lambda e: (len(e[1]), e))
    records = (name + len(data).to_bytes(_SIZE, "little") + data for name, data in contents)
    temporary = path.with_suffix(".part")
    try:
        temporary.write_bytes(_MAGIC + zlib.compress(versions.encode() + b"".join(records), 9))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read(name_for):
    """The entry of the best level that has it; None where none has. name_for(machine): its name for a machine."""
    for machine, pack in _opened():
        content = pack["entries"].get(name_for(machine))
        if content is not None and (payload := cache.payload(content)) is not None:
            return payload
    return None


@functools.cache
def _opened():
    """((machine, pack), ...) of this machine and its levels, the best first."""
    found: list[tuple] = []
    if not directory().is_dir() or not runs_here():
        return ()
    for machine in dict.fromkeys([host(), *reversed(levels())]):
        path = directory() / f"{machine[0]}.pack"
        try:
            found.append((machine, load(path)))
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            import warnings

            warnings.warn(f"numbatorch: the pack of compiled kernels {path} cannot be read ({error}); kernels are "
                          "compiled instead", RuntimeWarning, stacklevel=2)  # fmt: skip
    return tuple(found)


def load(path):
    """{"path", "bytes", "versions", "entries": {name: bytes}} of a pack. Raises OSError or ValueError for others."""
    import zlib

    data = path.read_bytes()
    if not data.startswith(_MAGIC):
        raise ValueError("it is no pack")
    try:
        text = zlib.decompress(memoryview(data)[len(_MAGIC) :])
    except zlib.error as error:
        raise ValueError(f"it is damaged: {error}") from error
    entries, place = {}, _NAME
    while place < len(text):
        first = place + _NAME + _SIZE
        end = first + int.from_bytes(text[place + _NAME : first], "little")
        entries[text[place : place + _NAME].decode()] = text[first:end]
        place = end
    return {"path": str(path), "bytes": len(data), "versions": text[:_NAME].decode(), "entries": entries}


def info():
    """[{"path", "kernels", "bytes", "versions"}] of the packs that this process can use, the best first."""
    return [{**pack, "kernels": len(pack["entries"])} for _, pack in _opened()]
