"""Text to model: Tiny Shakespeare from a folder, the cache or the network, else the manual that comes with Python."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .download import answering_mirrors, fetch
from .idx import DatasetError
from .mnist import data_folder

SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
PATH = "data/tinyshakespeare/input.txt"
MIRRORS = (
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/",
    "https://cdn.jsdelivr.net/gh/karpathy/char-rnn@master/",
)


@dataclass
class Text:
    """Characters, and where they came from."""

    name: str
    source: str
    text: str


def find_text(path: str | Path | None = None, say: Callable[[str], None] = print) -> Text:
    """The text at `path` (a file, or a folder with input.txt or tinyshakespeare/input.txt), else Tiny Shakespeare from
    NUMBATORCH_DATA, the cache or the network, else the manual of Python that is part of every Python.

    Raises DatasetError where a path was given and holds no text.
    """
    chosen = path or os.environ.get("NUMBATORCH_DATA")
    if chosen:
        return _read(Path(chosen).expanduser())
    cache = data_folder() / "tinyshakespeare" / "input.txt"
    if cache.is_file() and _is_original(cache.read_bytes()):
        return Text("Tiny Shakespeare", str(cache), cache.read_text())
    try:
        say("Tiny Shakespeare is not on this machine yet: looking for a mirror")
        mirror = answering_mirrors(MIRRORS, PATH)[0]
        cache.parent.mkdir(parents=True, exist_ok=True)
        fetch(mirror + PATH, cache, _is_original)
        return Text("Tiny Shakespeare", mirror + PATH, cache.read_text())
    except (DatasetError, OSError) as error:
        say(f"Tiny Shakespeare could not be downloaded ({error}).")
    say("Using the manual that comes with Python instead; pass --data PATH for a text of your own.")
    return Text("Python's manual", "pydoc_data.topics", _manual())


def _is_original(content: bytes) -> bool:
    return hashlib.sha256(content).hexdigest() == SHA256


def _read(place: Path) -> Text:
    tried = [place] if place.is_file() else [place / "input.txt", place / "tinyshakespeare" / "input.txt"]
    for file in tried:
        if file.is_file():
            try:
                return Text(file.stem, str(file), file.read_text(encoding="utf-8"))
            except UnicodeDecodeError as error:
                raise DatasetError(f"{file}: is not UTF-8 text ({error})") from error
    raise DatasetError(f"{place}: expected a text file, or a folder with one of "
                       f"{', '.join(str(t.relative_to(place)) for t in tried) if not place.is_file() else place}")


def _manual() -> str:
    from pydoc_data.topics import topics
    return "\n".join(topics[name] for name in sorted(topics))
