"""`save` and `load`."""

from __future__ import annotations

import io
import os
import pickle
import sys
from types import ModuleType
from typing import Any

import numbatorch
from numbatorch.errors import NoAcceleratorError
from numbatorch.serialization.archive import ArchiveReader, ArchiveWriter, replacing
from numbatorch.serialization.names import LoadedStorage, StorageType, known_globals
from numbatorch.serialization.pickling import make_pickler, storage_bytes
from numbatorch.serialization.restricted import RestrictedUnpickler

FORMAT_VERSION = b"1"
ARCHIVE_VERSION = b"3\n"
LEGACY_START = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the number that opens a file of PyTorch before 1.6


def save(
    obj: Any,
    f: Any,
    pickle_module: ModuleType | None = None,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
) -> None:
    """Write `obj`, with all tensors in it, to a file that `numbatorch.load` and `torch.load` read.

    f: a path or an open binary file. A path is written whole or not at all: what was there stays until the new file is
    complete. Tensors that share memory share it again when loaded; of a view the whole storage is written.
    """
    if not _use_new_zipfile_serialization:
        raise RuntimeError("save: PyTorch's format from before 1.6 is not written, only the zip format")
    if isinstance(f, (str, os.PathLike)):
        path = os.fspath(f)
        with replacing(path) as file:
            _write(obj, file, os.path.splitext(os.path.basename(path))[0] or "archive", pickle_module, pickle_protocol)
    elif hasattr(f, "write"):
        _write(obj, f, "archive", pickle_module, pickle_protocol)
    else:
        raise AttributeError(f"save: expected a path or a file with a write method, got {type(f).__name__}")


def _write(obj: Any, file: Any, folder: str, pickle_module: ModuleType | None, protocol: int) -> None:
    data = io.BytesIO()
    pickler = make_pickler(pickle_module, data, protocol)
    pickler.dump(obj)
    archive = ArchiveWriter(file, folder)
    try:
        archive.write("data.pkl", data.getvalue())
        archive.write(".format_version", FORMAT_VERSION)
        archive.write(".storage_alignment", b"64")
        archive.write("byteorder", sys.byteorder.encode())
        for key, storage in pickler.storages.items():
            archive.write(f"data/{key}", storage_bytes(storage))
        archive.write("version", ARCHIVE_VERSION)
        archive.write(".data/serialization_id", f"{archive.checksum:040d}".encode())
        archive.close()
    except BaseException:
        archive.abandon()
        raise


def load(
    f: Any,
    map_location: Any = None,
    pickle_module: ModuleType | None = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Read what `numbatorch.save` or `torch.save` wrote.

    f: a path or an open, seekable binary file. map_location: where storages go, as a device, a dict of devices or a
    function of (storage, location). With `weights_only` (the default) the file can build tensors, plain containers and
    what `add_safe_globals` allows, and raises pickle.UnpicklingError for anything else. mmap: map the file instead of
    reading it (a path is needed); changes stay in memory.
    Raises EOFError for an empty file, RuntimeError for a damaged one.
    """
    weights_only = True if weights_only is None else weights_only
    if weights_only and pickle_module is not None:
        raise RuntimeError(
            "load: pickle_module has no meaning with weights_only=True: "
            "leave it out, or trust the file and pass weights_only=False"
        )
    if isinstance(f, (str, os.PathLike)):
        path = os.fspath(f)
        with open(path, "rb") as file:
            return _read(file, str(path), map_location, pickle_module, weights_only, bool(mmap), pickle_load_args)
    if mmap:
        raise ValueError("load: mmap=True needs a path, got an open file")
    for method in ("read", "seek", "tell"):
        if not hasattr(f, method):
            raise AttributeError(
                f"load: {type(f).__name__} has no {method} method: expected a path or a seekable binary file "
                f"(read a stream into io.BytesIO first)"
            )
    name = getattr(f, "name", None)
    label = name if isinstance(name, str) else f"<{type(f).__name__}>"
    return _read(f, label, map_location, pickle_module, weights_only, False, pickle_load_args)


def _read(
    file: Any,
    name: str,
    map_location: Any,
    pickle_module: ModuleType | None,
    weights_only: bool,
    mapped: bool,
    pickle_load_args: dict[str, Any],
) -> Any:
    _check_start(file, name)
    archive = ArchiveReader(file, name, mapped)
    storages = _Storages(archive, map_location)
    data = archive.read("data.pkl")
    if weights_only:
        return RestrictedUnpickler(data, name, storages.get).load()
    base = (pickle_module or pickle).Unpickler
    kind = type("CheckpointUnpickler", (_TrustingMixin, base), {"persistent_load": staticmethod(storages.get)})
    pickle_load_args.setdefault("encoding", "utf-8")
    return kind(io.BytesIO(data), **pickle_load_args).load()


def _check_start(file: Any, name: str) -> None:
    """Say what the file is when it is not a zip archive."""
    position = file.tell()
    start = file.read(512)
    file.seek(position)
    if start.startswith(b"PK\x03\x04"):
        return
    if not start:
        raise EOFError(f"load: {name} is empty: ran out of input")
    if start.startswith(LEGACY_START) or start[257:262] == b"ustar":
        raise RuntimeError(
            f"load: {name} is in the format that PyTorch wrote before version 1.6. "
            f"Convert it once where PyTorch is installed: torch.save(torch.load(path), path)"
        )
    if start.startswith(b"PK"):
        raise RuntimeError(f"load: {name} is damaged: it begins like a zip archive and is not one")
    if start[8:10] == b'{"':
        raise pickle.UnpicklingError(
            f"load: {name} is a safetensors file: read it with numbatorch.safetensors.load_file"
        )
    raise pickle.UnpicklingError(
        f"load: {name} is not a checkpoint of numbatorch.save or torch.save: it begins with {start[:16]!r}"
    )


class _TrustingMixin:
    """Finds any class; names of torch's lead to their namesakes here."""

    def find_class(self, module: str, name: str) -> Any:
        found = _KNOWN.get((module, name))
        if not _KNOWN:
            _KNOWN.update(known_globals())
            found = _KNOWN.get((module, name))
        if found is not None:
            return found
        if module == "torch" or module.startswith("torch."):
            return _namesake(module, name)
        return super().find_class(module, name)  # type: ignore[misc]


_KNOWN: dict[tuple[str, str], Any] = {}


def _namesake(module: str, name: str) -> Any:
    """numbatorch's object for a name of torch's: in the module of the same path, or the nearest one above."""
    import importlib

    path = "numbatorch" + module[len("torch") :]
    while path:
        try:
            found: Any = importlib.import_module(path)
            for part in name.split("."):
                found = getattr(found, part)
            return found
        except (ModuleNotFoundError, AttributeError):
            path = path.rpartition(".")[0]
    raise AttributeError(
        f"load: the file holds a {module}.{name}, and numbatorch has nothing of that name: "
        f"save a state_dict instead of whole modules"
    )


class _Storages:
    """The storages of an archive, each read once."""

    def __init__(self, archive: ArchiveReader, map_location: Any):
        self.archive, self.map_location = archive, map_location
        self.loaded: dict[str, LoadedStorage] = {}
        order = archive.read("byteorder").decode() if "byteorder" in archive else "little"
        self.is_swapped = order != sys.byteorder

    def get(self, reference: Any) -> LoadedStorage:
        """The storage for ("storage", class, key, location, number of elements)."""
        if not (isinstance(reference, tuple) and len(reference) >= 5 and reference[0] == "storage"):
            raise pickle.UnpicklingError(f"load: {self.archive.name}: unknown kind of reference {reference!r}")
        _, kind, key, location, elements = reference[:5]
        if not isinstance(kind, StorageType):
            raise pickle.UnpicklingError(f"load: {self.archive.name}: {kind!r} is not a storage class")
        dtype = getattr(numbatorch, kind.dtype_name or "uint8")
        if key not in self.loaded:
            self.loaded[key] = LoadedStorage(self._read(key, dtype, location, elements), dtype)
        return LoadedStorage(self.loaded[key].flat, dtype)

    def _read(self, key: str, dtype: Any, location: str, elements: int) -> Any:
        data = self.archive.array(f"data/{key}")
        if len(data) < elements * dtype.itemsize:
            raise RuntimeError(
                f"load: {self.archive.name} is damaged: storage {key} has {len(data)} bytes "
                f"where {elements} elements of {dtype} are expected"
            )
        if self.is_swapped and dtype.itemsize > 1:
            unit = dtype.itemsize // 2 if dtype.is_complex else dtype.itemsize
            data.view(f"u{unit}").byteswap(inplace=True)
        flat = numbatorch.from_numpy(data).view(dtype) if len(data) else numbatorch.empty(0, dtype=dtype)
        return _place(flat, location, self.map_location, self.archive.name)


def _place(flat: Any, location: str, map_location: Any, name: str) -> Any:
    if isinstance(map_location, dict):
        location = map_location.get(location, location)
    elif callable(map_location):
        moved = map_location(flat.untyped_storage(), location)
        if moved is not None:
            return flat.to(getattr(moved, "device", "cpu"))
    elif map_location is not None:
        location = str(map_location)
    location = str(location)
    if location == "cpu":
        return flat
    try:
        return flat.to(location)
    except NoAcceleratorError as error:
        raise RuntimeError(
            f"load: {name} holds tensors on {location!r} and no such device is available here: "
            f"pass map_location='cpu'"
        ) from error


__all__ = ["load", "save"]
