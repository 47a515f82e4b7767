"""Downloads over HTTP that survive broken transfers, and leave either a whole, checked file or none."""

import functools
import http
import http.client
import os
import queue
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path

from .idx import DatasetError, sha256, unpack
from .mirrors import FILES, MIRRORS

ANSWER_SECONDS = 4      # how long mirrors may take to answer at all before we call this machine offline
SILENCE_SECONDS = 10    # how long a running transfer may be silent
ATTEMPTS = 4            # for one file from one mirror; each goes on where the last one broke off
CHUNK_BYTES = 1 << 16
MOST_BYTES = 64 << 20   # the largest packed file has 10 MB: anything beyond this is not what we asked for
TRANSFER_ERRORS = (OSError, http.client.HTTPException)


def is_original(name: str, content: bytes) -> bool:
    return sha256(content) == FILES[name]


def fetch_mnist(folder: Path, say: Callable[[str], None], mirrors: Iterable[str] = MIRRORS) -> None:
    """Puts MNIST's four packed files into `folder`; those already there are kept.

    Raises DatasetError when no mirror answers within seconds, none has the right files, or the disk refuses them.
    """
    missing = [name for name in FILES if not (folder / f"{name}.gz").is_file()]
    if not missing:
        return
    answering = answering_mirrors(tuple(mirrors), f"{min(missing, key=len)}.gz")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be created ({error.strerror})") from error
    for name in missing:
        reasons = []
        for mirror in answering:
            url = f"{mirror}{name}.gz"
            say(f"downloading {url}")
            try:
                fetch(url, folder / f"{name}.gz", functools.partial(is_original, name))
                break
            except DatasetError as error:
                reasons.append(str(error))
        else:
            raise DatasetError("; ".join(reasons))


def answering_mirrors(mirrors: tuple[str, ...], name: str) -> list[str]:
    """The mirrors that answer a request for a file within a few seconds in all, the quickest first."""
    # Asked at once and from threads: a name server that is out of reach blocks for longer than any timeout we can set.
    answers: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()

    def ask(mirror: str) -> None:
        try:
            with urllib.request.urlopen(mirror + name, timeout=ANSWER_SECONDS):
                answers.put((mirror, ""))
        except (*TRANSFER_ERRORS, ValueError) as error:
            answers.put((mirror, describe(error)))
            if isinstance(error, urllib.error.HTTPError):
                error.close()

    for mirror in mirrors:
        threading.Thread(target=ask, args=(mirror,), daemon=True).start()
    reasons = []
    for _ in mirrors:
        try:
            mirror, reason = answers.get(timeout=ANSWER_SECONDS)
        except queue.Empty:
            reasons.append(f"no answer in {ANSWER_SECONDS} s")
            break
        if not reason:
            return [mirror, *(other for other in mirrors if other != mirror)]
        reasons.append(reason)
    raise DatasetError("no mirror can be reached: " + "; ".join(dict.fromkeys(reasons)))


def fetch(url: str, destination: Path, accept: Callable[[bytes], bool]) -> None:
    """Downloads a file to a temporary one beside `destination`, checks its unpacked content, then moves it there.

    A transfer that breaks is resumed where it stopped if the server allows that, else started again.
    """
    try:
        handle, temporary_name = tempfile.mkstemp(prefix=f".{destination.name}.", dir=destination.parent)
    except OSError as error:
        raise DatasetError(f"{destination.parent}: cannot be written to ({error.strerror})") from error
    temporary = Path(temporary_name)
    try:
        with open(handle, "wb") as file:
            reason = ""
            for _ in range(ATTEMPTS):
                try:
                    transfer(url, file)
                    break
                except TRANSFER_ERRORS as error:
                    reason = describe(error)
            else:
                raise DatasetError(f"{url}: broke off {ATTEMPTS} times ({reason})")
        if not accept(unpack(temporary)):
            raise DatasetError(f"{url}: its content is not the original's (sha256 differs)")
        os.replace(temporary, destination)
    finally:
        temporary.unlink(missing_ok=True)


def transfer(url: str, file) -> None:
    """One attempt: appends what is missing from `file`, or starts it again where the server cannot resume."""
    start = file.seek(0, os.SEEK_END)
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        response = urllib.request.urlopen(request, timeout=SILENCE_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            file.truncate(0)
            raise ConnectionError("the server cannot resume there") from error
        raise DatasetError(f"{url}: {describe(error)}") from error
    with response:
        resumed = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        if start and not resumed:
            file.seek(0)
            file.truncate()
        expected = response.headers.get("Content-Length")
        received = 0
        while chunk := response.read(CHUNK_BYTES):
            try:
                file.write(chunk)
                file.flush()
            except OSError as error:
                raise DatasetError(f"cannot store {url} ({error.strerror})") from error
            received += len(chunk)
            if received > MOST_BYTES:
                raise DatasetError(f"{url}: sends more than {MOST_BYTES >> 20} MB, which is not an MNIST file")
        if expected is not None and received < int(expected):
            raise ConnectionError(f"the connection ended after {received} of {expected} bytes")


def describe(error: Exception) -> str:
    """A transfer's error in one line of plain words."""
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code} {error.reason}"
    cause = getattr(error, "reason", error)
    return str(getattr(cause, "strerror", None) or cause)
