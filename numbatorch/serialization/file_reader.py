"""torch.PyTorchFileReader: the members of a checkpoint one by one, for programs that read parts of a file."""

import os
import weakref
from typing import Any

from ..storage import Storage, UntypedStorage
from .archive import ArchiveReader


class PyTorchFileReader:
    """PyTorchFileReader(path or open binary file). RuntimeError where it is no checkpoint, or is damaged."""

    def __init__(self, name_or_buffer: Any) -> None:
        own = isinstance(name_or_buffer, (str, os.PathLike))
        if own and not os.path.isfile(name_or_buffer):
            raise RuntimeError(f"PyTorchFileReader: open file failed: there is no file {os.fspath(name_or_buffer)!r}")
        self._file = open(name_or_buffer, "rb") if own else name_or_buffer  # noqa: SIM115  (closed with the reader)
        if own:
            weakref.finalize(self, self._file.close)
        name = os.fspath(name_or_buffer) if own else getattr(name_or_buffer, "name", "a buffer")
        self._archive = ArchiveReader(self._file, str(name))

    def get_all_records(self) -> list[str]:
        """The names of all members."""
        return list(self._archive.entries)

    def has_record(self, name: str) -> bool:
        """Whether there is such a member."""
        return name in self._archive

    def get_record(self, name: str) -> bytes:
        """The bytes of a member. RuntimeError where there is none."""
        return self._archive.read(name)

    def get_storage_from_record(self, name: str, numel: int, dtype: Any) -> Any:
        """A tensor of no elements over the first `numel` of a member in `dtype`: as in PyTorch, ask for its storage."""
        from ..from_data import as_tensor
        array = self._archive.array(name)[:numel * dtype.itemsize]
        return as_tensor(UntypedStorage(Storage.from_buffer(array)), dtype=dtype)[:0]


__all__ = ["PyTorchFileReader"]
