"""Object code on disk, found by the hash of everything that decides it.

Entries are written to a temporary file and renamed into place, so that any number of processes may share a folder.
Each carries a checksum: a damaged one reads as missing, is compiled again and replaced. A folder that cannot be written
costs one warning, and kernels then live in memory only. Least recently used entries go when the size passes its limit.

NUMBATORCH_CACHE_DIR names the folder, NUMBATORCH_CACHE_BYTES its limit (512 MB).
"""

import contextlib
import hashlib
import os
import random
import shutil
import sys
import tempfile
import time
import warnings
from pathlib import Path

LIMIT_BYTES = 512 * 2**20
_MAGIC = b"numbatorch object 1\n"
_CHECK_EVERY_BYTES = 2**24  # how much a process writes before it looks at the size of the folder again
_TOUCH_AFTER_SECONDS = 3600  # finer times of use would cost a write for every read
_ABANDONED_AFTER_SECONDS = 600  # from then on an unfinished file is of a process that was killed

# Processes that write little look as often, taken together.
_state = {"warned": False, "written": random.randrange(_CHECK_EVERY_BYTES)}


def directory():
    """The folder of the cache; it need not exist."""
    chosen = os.environ.get("NUMBATORCH_CACHE_DIR")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "numbatorch"


def key(*parts):
    """Name of an entry: the hash of texts (or of what prints as one)."""
    digest = hashlib.sha256()
    for part in parts:
        data = str(part).encode()
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


def _path(name):
    return directory() / "objects" / name[:2] / name


def read(name):
    """The bytes stored under a key; None where there are none or they are damaged."""
    path = _path(name)
    try:
        data = path.read_bytes()
    except OSError:
        return None
    with contextlib.suppress(OSError):  # a read-only folder serves all the same
        if time.time() - path.stat().st_mtime > _TOUCH_AFTER_SECONDS:
            os.utime(path)
    return payload(data)


def payload(data):
    """The bytes that an entry's file holds; None where it is damaged."""
    head = len(_MAGIC)
    content = data[head + 32 :]
    if data[:head] != _MAGIC or hashlib.sha256(content).digest() != data[head : head + 32]:
        return None
    return content


def write(name, content):
    """Store bytes under a key."""
    _store(_path(name), _MAGIC + hashlib.sha256(content).digest() + content)


def entries(folder):
    """The files of all entries of the cache in a folder."""
    return [path for path in (folder / "objects").glob("*/*") if not path.name.startswith(".")]


def write_source(file_name, text):
    """Store kernel source as a readable file; returns its path, or None where the folder cannot be written."""
    path = directory() / "kernels" / file_name
    data = text.encode()
    with contextlib.suppress(OSError):
        if path.read_bytes() == data:
            return path
    return path if _store(path, data) else None


def _store(path, data):
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        if not _state["warned"]:
            _state["warned"] = True
            warnings.warn(
                f"numbatorch: the kernel cache {directory()} cannot be written ({error}); every process compiles its "
                "kernels again. Set NUMBATORCH_CACHE_DIR to a folder that can be written.",
                RuntimeWarning, stacklevel=3,
            )  # fmt: skip
        return False
    _state["written"] += len(data)
    if _state["written"] >= _CHECK_EVERY_BYTES:
        _state["written"] = 0
        _trim(limit_bytes())
    return True


def limit_bytes():
    """The size that the cache is kept below."""
    text = os.environ.get("NUMBATORCH_CACHE_BYTES", "")
    if not text:
        return LIMIT_BYTES
    if not text.isdecimal():
        raise ValueError(f"NUMBATORCH_CACHE_BYTES: expected a number of bytes, got {text!r}")
    return int(text)


def _files():
    """(path, size, time of last use) of every file of the cache; files that go meanwhile are passed over."""
    for folder in ("objects", "kernels"):
        for parent, _, names in os.walk(directory() / folder):
            for name in names:
                path = Path(parent) / name
                with contextlib.suppress(OSError):
                    status = path.stat()
                    yield path, status.st_size, status.st_mtime


def _trim(limit):
    files = sorted(_files(), key=lambda file: file[2])
    excess = sum(size for _, size, _ in files) - limit
    fresh = time.time() - _ABANDONED_AFTER_SECONDS
    for path, size, used in files:
        if excess <= 0:
            break
        if path.name.startswith(".") and used > fresh:  # another process is writing it
            continue
        with contextlib.suppress(OSError):
            path.unlink()
            excess -= size


def info():
    """{"path", "kernels", "sources", "bytes", "limit_bytes"} of the cache on disk."""
    files = list(_files())
    objects = sum("objects" in path.parts for path, _, _ in files)
    return {
        "path": str(directory()), "kernels": objects, "sources": len(files) - objects,
        "bytes": sum(size for _, size, _ in files), "limit_bytes": limit_bytes(),
    }  # fmt: skip


def clear():
    """Remove every entry on disk; kernels already loaded stay usable."""
    for folder in ("objects", "kernels"):
        shutil.rmtree(directory() / folder, ignore_errors=True)
