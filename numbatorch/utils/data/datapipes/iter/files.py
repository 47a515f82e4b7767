"""Streams of files: `list_files`, `open_files`, `read_from_stream`, `routed_decode`."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from numbatorch.utils.data.datapipes._decorator import functional_datapipe
from numbatorch.utils.data.datapipes.datapipe import IterDataPipe
from numbatorch.utils.data.datapipes.iter.utils import IterableWrapperIterDataPipe
from numbatorch.utils.data.datapipes.utils.common import (
    get_file_binaries_from_pathnames,
    get_file_pathnames_from_root,
    validate_pathname_binary_tuple,
)
from numbatorch.utils.data.datapipes.utils.decoder import Decoder, basichandlers, extension_extract_fn, imagehandler

__all__ = ["FileListerIterDataPipe", "FileOpenerIterDataPipe", "RoutedDecoderIterDataPipe", "StreamReaderIterDataPipe"]


class _Announced(IterDataPipe):
    """A stream of a length that the program says, -1: not known."""

    length: int

    def __len__(self) -> int:
        if self.length == -1:
            raise TypeError(f"{type(self).__name__} instance doesn't have valid length")
        return self.length


@functional_datapipe("list_files")
class FileListerIterDataPipe(_Announced):
    """Paths of the files in folders (`root`: one, several, or a stream of them) whose names fit `masks`."""

    def __init__(self, root: str | Sequence[str] | IterDataPipe = ".", masks: str | list[str] = "", *,
                 recursive: bool = False, abspath: bool = False, non_deterministic: bool = False, length: int = -1):
        folders = [root] if isinstance(root, str) else root
        self.datapipe = folders if isinstance(folders, IterDataPipe) else IterableWrapperIterDataPipe(folders)
        self.masks, self.recursive, self.abspath = masks, recursive, abspath
        self.non_deterministic, self.length = non_deterministic, length

    def __iter__(self) -> Iterator[str]:
        for folder in self.datapipe:
            yield from get_file_pathnames_from_root(folder, self.masks, self.recursive, self.abspath,
                                                    self.non_deterministic)


@functional_datapipe("open_files")
class FileOpenerIterDataPipe(_Announced):
    """(path, open file) of each path. ValueError for other modes than "r", "rt", "rb", "t", "b"."""

    def __init__(self, datapipe: Iterable[str], mode: str = "r", encoding: str | None = None, length: int = -1):
        if mode not in ("b", "t", "rb", "rt", "r"):
            raise ValueError(f"Invalid mode {mode}")
        if "b" in mode and encoding is not None:
            raise ValueError("binary mode doesn't take an encoding argument")
        self.datapipe, self.mode, self.encoding, self.length = datapipe, mode, encoding, length

    def __iter__(self) -> Iterator[tuple]:
        yield from get_file_binaries_from_pathnames(self.datapipe, self.mode, self.encoding)


@functional_datapipe("read_from_stream")
class StreamReaderIterDataPipe(IterDataPipe):
    """(path, content) of each (path, file), in pieces of `chunk` bytes where that is given; files are closed."""

    def __init__(self, datapipe: IterDataPipe, chunk: int | None = None):
        self.datapipe, self.chunk = datapipe, chunk

    def __iter__(self) -> Iterator[tuple]:
        for path, stream in self.datapipe:
            while True:
                found = stream.read(self.chunk)
                if not found:
                    stream.close()
                    break
                yield path, found


@functional_datapipe("routed_decode")
class RoutedDecoderIterDataPipe(IterDataPipe):
    """(path, value) of each (path, file): what the first handler(key_fn(path), content) makes that takes it."""

    def __init__(self, datapipe: Iterable, *handlers: Callable, key_fn: Callable = extension_extract_fn):
        self.datapipe = datapipe
        self.decoder = Decoder(*(handlers or (basichandlers, imagehandler("torch"))), key_fn=key_fn)

    def add_handler(self, *handler: Callable) -> None:
        """Handlers that are asked before those there are."""
        self.decoder.add_handler(*handler)

    def __iter__(self) -> Iterator[tuple]:
        for data in self.datapipe:
            path: Any = data[0]
            validate_pathname_binary_tuple(data)
            result = self.decoder(data)
            yield builtins.tuple((path, result[path]))

    def __len__(self) -> int:
        return len(self.datapipe)  # type: ignore[arg-type]
