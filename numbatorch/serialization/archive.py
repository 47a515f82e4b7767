"""The zip file of a checkpoint: stored members whose bytes start at multiples of 64, so that they can be mapped.

Folder, member names and padding are those of PyTorch's files (format version 1).
"""

from __future__ import annotations

import contextlib
import errno
import io
import mmap
import os
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import numpy

ALIGNMENT = 64
LOCAL_HEADER_BYTES = 30
ZIP64_EXTRA_BYTES = 20
ZIP64_FROM_BYTES = 0x7FFFFFFF
PADDING_TAG = b"FB"


class ArchiveWriter:
    """Writes members below one folder into an open file."""

    def __init__(self, file: Any, folder: str):
        self.folder = folder
        self.checksum = 0
        self.zip = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True)

    def write(self, name: str, data: Any) -> None:
        """Add one member; `data` is anything with the buffer protocol."""
        view = memoryview(data).cast("B")
        entry = zipfile.ZipInfo(f"{self.folder}/{name}")
        entry.file_size = view.nbytes
        large = view.nbytes * 1.05 > ZIP64_FROM_BYTES  # zipfile's own rule for the longer header
        start = (
            self.zip.fp.tell()  # type: ignore[union-attr]
            + LOCAL_HEADER_BYTES
            + len(entry.filename.encode())
            + (ZIP64_EXTRA_BYTES if large else 0)
            + 4  # tag and length of the padding
        )
        padding = -start % ALIGNMENT
        entry.extra = PADDING_TAG + struct.pack("<H", padding) + b"Z" * padding
        with self.zip.open(entry, "w", force_zip64=large) as member:
            member.write(view)
        self.checksum = zlib.crc32(struct.pack("<I", entry.CRC), self.checksum)

    def close(self) -> None:
        self.zip.close()

    def abandon(self) -> None:
        """Leave the file as it is: after an error there is nothing to finish."""
        self.zip.fp = None


@contextlib.contextmanager
def replacing(path: str) -> Iterator[io.BufferedWriter]:
    """A new file that takes the place of `path` when all is written; on an error the old file stays.

    Errors name `path`. What is not a regular file (a pipe, /dev/null) is written to directly.
    """
    path = os.path.realpath(path)
    try:
        old_mode: int | None = os.stat(path).st_mode
    except FileNotFoundError:
        old_mode = None
    if old_mode is not None and not stat.S_ISREG(old_mode):
        try:
            with open(path, "wb") as file:
                yield file
        except OSError as error:
            raise OSError(error.errno, os.strerror(error.errno or 0), path) from error
        return
    folder, name = os.path.split(path)
    temporary = None
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{name}.", suffix=".tmp", dir=folder)
        with open(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, stat.S_IMODE(old_mode) if old_mode is not None else 0o666 & ~_umask())
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        if error.errno is None:
            raise
        hint = " (the file that was there is unchanged)" if old_mode is not None else ""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            hint = f": no space left to save this checkpoint{hint}"
        raise OSError(error.errno, os.strerror(error.errno) + hint, path) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
    _sync_folder(folder)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: str) -> None:
    """Make the new name itself durable, where the system lets a folder be synced."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class ArchiveReader:
    """Reads members of a checkpoint, checking their sums unless the writer left them out.

    file: an open binary file; name: what to call it in errors; mapped: give members as copy-on-write memory maps.
    Raises RuntimeError when the zip file is damaged.
    """

    def __init__(self, file: Any, name: str, mapped: bool = False):
        self.file, self.name = file, name
        try:
            archive = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError, struct.error) as error:
            raise RuntimeError(
                f"load: {name} is damaged: failed reading zip archive ({error}). "
                f"It may have been cut short while it was written or copied"
            ) from error
        self.size = file.seek(0, os.SEEK_END)
        self.entries: dict[str, zipfile.ZipInfo] = {}
        folders = set()
        for entry in archive.infolist():
            folder, _, member = entry.filename.partition("/")
            folders.add(folder)
            self.entries[member] = entry
        if len(folders) != 1 or "data.pkl" not in self.entries:
            kind = "a TorchScript program" if "constants.pkl" in self.entries else "not a checkpoint"
            raise RuntimeError(
                f"load: {name} is a zip archive but {kind}: it holds {sorted(self.entries)[:5]} "
                f"where a checkpoint has one folder with data.pkl"
            )
        if "constants.pkl" in self.entries:
            raise RuntimeError(f"load: {name} is a TorchScript program, which numbatorch cannot run: save a state_dict")
        # torch can write files without checksums; then the one of `version` is wrong as well.
        self.is_checked = True
        if "version" in self.entries:
            self.is_checked = zlib.crc32(self._bytes("version")) == self.entries["version"].CRC
        self.map = None
        if mapped:
            self.map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)

    def __contains__(self, member: str) -> bool:
        return member in self.entries

    def read(self, member: str) -> bytes:
        """All bytes of a small member."""
        data = self._bytes(member)
        self._check(member, data)
        return data

    def array(self, member: str) -> numpy.ndarray:
        """The bytes of a member as a writable uint8 array."""
        entry = self._entry(member)
        start = self._start(entry)
        if self.map is not None:
            if start + entry.file_size > len(self.map):
                raise self._cut_short(member)
            return numpy.frombuffer(self.map, numpy.uint8, entry.file_size, start)
        data = numpy.empty(entry.file_size, numpy.uint8)
        self.file.seek(start)
        view, filled = data.data, 0
        if hasattr(self.file, "readinto"):
            while filled < len(view):
                count = self.file.readinto(view[filled:])
                if not count:
                    raise self._cut_short(member)
                filled += count
        else:
            content = self.file.read(entry.file_size)
            if len(content) != entry.file_size:
                raise self._cut_short(member)
            view[:] = content
        self._check(member, data)
        return data

    def _entry(self, member: str) -> zipfile.ZipInfo:
        try:
            entry = self.entries[member]
        except KeyError:
            raise RuntimeError(f"load: {self.name} is damaged: it has no member {member!r}") from None
        if entry.compress_type != zipfile.ZIP_STORED:
            raise RuntimeError(
                f"load: member {member!r} of {self.name} is compressed, checkpoints are stored as they are: "
                f"was the file packed again? Unpack it and save it with numbatorch.save"
            )
        if entry.header_offset < 0 or entry.header_offset + entry.file_size > self.size:
            raise self._cut_short(member)
        return entry

    def _start(self, entry: zipfile.ZipInfo) -> int:
        self.file.seek(entry.header_offset)
        header = self.file.read(LOCAL_HEADER_BYTES)
        if len(header) < LOCAL_HEADER_BYTES or header[:4] != b"PK\x03\x04":
            raise RuntimeError(f"load: {self.name} is damaged: no header of {entry.filename!r} where it should be")
        name_bytes, extra_bytes = struct.unpack("<HH", header[26:])
        return entry.header_offset + LOCAL_HEADER_BYTES + name_bytes + extra_bytes

    def _bytes(self, member: str) -> bytes:
        entry = self._entry(member)
        self.file.seek(self._start(entry))
        data = self.file.read(entry.file_size)
        if len(data) != entry.file_size:
            raise self._cut_short(member)
        return data

    def _check(self, member: str, data: Any) -> None:
        if self.is_checked and zlib.crc32(data) != self.entries[member].CRC:
            raise RuntimeError(
                f"load: {self.name} is damaged: the checksum of member {member!r} does not match its bytes. "
                f"Take a fresh copy of the file"
            )

    def _cut_short(self, member: str) -> RuntimeError:
        return RuntimeError(f"load: {self.name} is damaged: it ends inside member {member!r}")
