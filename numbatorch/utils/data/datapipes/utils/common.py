"""Columns of samples, patterns of file names, and open files that close themselves."""

from __future__ import annotations

import fnmatch
import inspect
import io
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

__all__ = ["StreamWrapper", "get_file_binaries_from_pathnames", "get_file_pathnames_from_root", "match_masks",
           "validate_input_col", "validate_pathname_binary_tuple"]


def validate_input_col(fn: Callable, input_col: int | tuple | list | None) -> None:
    """ValueError where `fn` cannot take as many arguments as `input_col` names columns (one for None)."""
    try:
        parameters = inspect.signature(fn).parameters.values()
    except (ValueError, TypeError):  # built-in functions do not always tell
        return
    given = len(input_col) if isinstance(input_col, (list, tuple)) else 1
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p for p in positional if p.default is p.empty]
    name = getattr(fn, "__name__", repr(fn))
    named = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    if named:
        raise ValueError(f"The function {name} takes keyword-only parameters {named}, which are not allowed")
    if len(needed) > given:
        raise ValueError(f"The function {name} takes {len(needed)} positional parameters, but {given} are required.")
    if len(positional) < given and not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        raise ValueError(f"The function {name} takes {len(positional)} parameters, but {given} are required.")


def columns(sample: Any, input_col: Any, fn: Callable) -> Any:
    """fn of a sample, or of what it has in one column or several."""
    if input_col is None:
        return fn(sample)
    if isinstance(input_col, (list, tuple)):
        return fn(*(sample[c] for c in input_col))
    return fn(sample[input_col])


def match_masks(name: str, masks: str | list[str]) -> bool:
    """Whether a name fits one of the patterns; no pattern fits all."""
    if not masks:
        return True
    return any(fnmatch.fnmatch(name, mask) for mask in ([masks] if isinstance(masks, str) else masks))


def get_file_pathnames_from_root(root: str, masks: str | list[str], recursive: bool = False, abspath: bool = False,
                                 non_deterministic: bool = False) -> Iterator[str]:
    """Paths of the files in a folder, in order of their names; of `root` itself where that is a file."""
    def fail(error: OSError) -> None:
        warnings.warn(f"{error.filename} was not listed: {error.strerror}", stacklevel=2)
        raise error
    if os.path.isfile(root):
        path = os.path.abspath(root) if abspath else root
        if match_masks(os.path.basename(path), masks):
            yield path
        return
    for folder, folders, files in os.walk(root, onerror=fail):
        if abspath:
            folder = os.path.abspath(folder)
        if not non_deterministic:
            files.sort()
            folders.sort()
        for name in files:
            if match_masks(name, masks):
                yield os.path.join(folder, name)
        if not recursive:
            return


def get_file_binaries_from_pathnames(pathnames: Iterable, mode: str, encoding: str | None = None) -> Iterator[tuple]:
    """(path, the file, open) of each path. TypeError for what is no path."""
    if not isinstance(pathnames, Iterable):
        pathnames = [pathnames]
    for path in pathnames:
        if not isinstance(path, str):
            raise TypeError(f"Expected string type for pathname, but got {type(path)}")
        yield path, StreamWrapper(open(path, mode if mode in ("b", "t", "r") and mode == "r" else f"r{mode.strip('r')}",
                                       encoding=encoding), name=path)


def validate_pathname_binary_tuple(data: tuple) -> None:
    """TypeError where something is no (path, file)."""
    if not isinstance(data, tuple) or len(data) != 2:
        raise TypeError(f"pathname binary data should be a tuple of a path and a file, but it is {data!r}")
    if not isinstance(data[0], str):
        raise TypeError(f"pathname within the tuple should have string type pathname, but it is type {type(data[0])}")
    if not isinstance(data[1], (io.IOBase, StreamWrapper)):
        raise TypeError(f"binary stream within the tuple should have IOBase or StreamWrapper as its base class, but it "
                        f"is type {type(data[1])}")


class StreamWrapper:
    """An open file that is closed when nothing holds it any more, or at its end with `autoclose`."""

    def __init__(self, file_obj: Any, parent_stream: Any = None, name: str | None = None):
        self.file_obj, self.name, self.closed = file_obj, name, False
        self.parent_stream = parent_stream  # an archive that stays open while its members are
        self._closes = False

    def autoclose(self) -> None:
        """Close the file once all of it was read."""
        self._closes = True

    def close(self, *args: Any, **options: Any) -> None:
        """Close the file."""
        if not self.closed:
            self.file_obj.close(*args, **options)
            self.closed = True
            self.parent_stream = None

    @classmethod
    def close_streams(cls, value: Any, depth: int = 0) -> None:
        """Close the files inside dictionaries, lists and tuples."""
        if isinstance(value, StreamWrapper):
            value.close()
        elif isinstance(value, dict):
            for v in value.values():
                cls.close_streams(v, depth + 1)
        elif isinstance(value, (list, tuple)):
            for v in value:
                cls.close_streams(v, depth + 1)

    def read(self, *args: Any, **options: Any) -> Any:
        """What the file gives."""
        found = self.file_obj.read(*args, **options)
        if self._closes and not found:
            self.close()
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["file_obj"], name)

    def __iter__(self) -> Iterator:
        yield from self.file_obj

    def __next__(self) -> Any:
        return next(self.file_obj)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self.file_obj)})

    def __del__(self) -> None:
        if "file_obj" in self.__dict__ and not self.closed:
            self.close()

    def __repr__(self) -> str:
        return f"StreamWrapper<{self.file_obj!r}>" if self.name is None else (
            f"StreamWrapper<{self.name},{self.file_obj!r}>")

    def __getstate__(self) -> Any:
        return self.file_obj

    def __setstate__(self, value: Any) -> None:
        self.__init__(value)  # type: ignore[misc]
