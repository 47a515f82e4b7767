"""Object code made beforehand, for a level of machines: what an empty cache finds before it compiles.

A pack is a zip file of cache entries (cache.py) by their names, `<level>.zip`, made by `numbatorch cache pack`. Entries
carry their own checksums, and their names are hashes of all that decides them, so that a pack of another version, or of
another text of a kernel, is never used by mistake. The folder is `numbatorch/objects`, where a wheel brings them, or
the one that NUMBATORCH_PACKS names.
"""

import functools
import io
import os
import threading
from pathlib import Path

from . import cache
from .host import host, levels

_lock = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


def directory():
    """The folder of packs; it need not exist."""
    chosen = os.environ.get("NUMBATORCH_PACKS")
    return Path(chosen).expanduser() if chosen else Path(__file__).parent.parent / "objects"


def write(path, entries):
    """Make a pack of entry files of a cache: paths, whose names are kept. Nothing is left of one cut short."""
    import zipfile

    temporary = path.with_suffix(".part")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as made:
            for entry in sorted(entries, key=lambda entry: entry.name):
                made.writestr(zipfile.ZipInfo(entry.name), entry.read_bytes(), zipfile.ZIP_DEFLATED)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read(name_for):
    """The entry of the best level that has it; None where none has. name_for(machine): its name for a machine."""
    for machine, pack in _opened():
        name = name_for(machine)
        if name in pack.NameToInfo:
            content = cache.payload(_unpacked(pack, name))
            if content is not None:
                return content
    return None


def _unpacked(pack, name):
    """The bytes of an entry; none where they are damaged."""
    import zlib
    from zipfile import BadZipFile

    with _lock:
        try:
            return pack.read(name)
        except (BadZipFile, zlib.error, EOFError):
            return b""


@functools.cache
def _opened():
    """((machine, zip file), ...) of this machine and its levels, the best first.

    They are read whole: a forked child that shared an open file would move its parent's place in it.
    """
    found: list[tuple] = []
    if not directory().is_dir():
        return ()
    import zipfile

    for machine in dict.fromkeys([host(), *reversed(levels())]):
        path = directory() / f"{machine[0]}.zip"
        try:
            pack = zipfile.ZipFile(io.BytesIO(path.read_bytes()))
            pack.filename = str(path)
            found.append((machine, pack))
        except FileNotFoundError:
            continue
        except (OSError, zipfile.BadZipFile) as error:
            import warnings

            warnings.warn(f"numbatorch: the pack of compiled kernels {path} cannot be read ({error}); kernels are "
                          "compiled instead", RuntimeWarning, stacklevel=2)  # fmt: skip
    return tuple(found)


def info():
    """[{"path", "kernels", "bytes"}] of the packs that this process can use, the best first."""
    return [{"path": pack.filename, "kernels": len(pack.NameToInfo), "bytes": pack.fp.getbuffer().nbytes}
            for _, pack in _opened()]  # fmt: skip
