"""torch.hub: models from a folder with a hubconf.py, and weights from the network.

    model = torch.hub.load("path/to/repository", "resnet18", source="local", pretrained=False)

A hubconf.py defines the models as functions; `dependencies` in it lists modules they need. Where it says
`import torch`, that means numbatorch under `numbatorch run`.
"""

import hashlib
import importlib.util
import os
import re
import sys
import tempfile
import urllib.request
import zipfile
from urllib.parse import urlparse

import numbatorch as torch

__all__ = ["download_url_to_file", "get_dir", "help", "list", "load", "load_state_dict_from_url", "set_dir"]

HASH_REGEX = re.compile(r"-([a-f0-9]*)\.")  # file names end in the beginning of their SHA-256
_CHUNK_BYTES = 1 << 17
_folder: str | None = None


def get_dir():
    """The folder of downloads: what `set_dir` set, else $TORCH_HOME/hub, $XDG_CACHE_HOME/torch/hub, ~/.cache/torch/hub.
    """
    return os.path.join(_get_torch_home(), "hub") if _folder is None else _folder


def _get_torch_home():
    """The folder of everything that programs keep between runs, under PyTorch's name: torchvision asks for it."""
    cache = os.getenv("XDG_CACHE_HOME", "~/.cache")
    return os.path.expanduser(os.getenv("TORCH_HOME", os.path.join(cache, "torch")))


def set_dir(d):
    """Set the folder of downloads."""
    global _folder
    _folder = os.path.expanduser(d)


def _local(name, repo_or_dir, source):
    if source == "github":
        raise NotImplementedError(
            f"hub.{name}: source='github' runs code from {repo_or_dir!r} that PyTorch would download; clone it, look "
            f"at it, and give the folder with source='local' (its `import torch` means numbatorch under "
            "`numbatorch run`)")
    if source != "local":
        raise ValueError(f"Unknown source: \"{source}\". Allowed values: \"github\" | \"local\".")
    path = os.path.join(os.path.expanduser(repo_or_dir), "hubconf.py")
    if not os.path.isfile(path):
        raise FileNotFoundError(f"hub.{name}: no hubconf.py in {repo_or_dir!r}")
    return path


def _hubconf(path):
    """The module of a hubconf.py; its folder is on sys.path while it is loaded and called."""
    spec = importlib.util.spec_from_file_location("hubconf", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    missing = [p for p in getattr(module, "dependencies", ()) if not _is_there(p)]
    if missing:
        raise RuntimeError(f"Missing dependencies: {', '.join(missing)}")
    return module


def _is_there(name):
    if name == "torch":  # numbatorch stands for it
        return True
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


class _OnPath:
    """A folder at the front of sys.path inside."""

    def __init__(self, path):
        self.folder = os.path.dirname(os.path.abspath(path))

    def __enter__(self):
        sys.path.insert(0, self.folder)

    def __exit__(self, *_):
        sys.path.remove(self.folder)


def _entry(module, model):
    if not isinstance(model, str):
        raise ValueError("Invalid input: model should be a string of function name")
    found = getattr(module, model, None)
    if not callable(found):
        raise RuntimeError(f"Cannot find callable {model} in hubconf; there are {_entries(module)}")
    return found


def _entries(module):
    return [name for name in dir(module) if callable(getattr(module, name)) and not name.startswith("_")]


def list(github, force_reload=False, skip_validation=False, trust_repo="check", verbose=True, *, source="local"):  # noqa: A001
    """Names of the models in a folder. FileNotFoundError without a hubconf.py, NotImplementedError for GitHub."""
    path = _local("list", github, _source_of(github, source))
    with _OnPath(path):
        return _entries(_hubconf(path))


def help(github, model, force_reload=False, skip_validation=False, trust_repo="check", *, source="local"):  # noqa: A001
    """The docstring of a model in a folder."""
    path = _local("help", github, _source_of(github, source))
    with _OnPath(path):
        return _entry(_hubconf(path), model).__doc__


def _source_of(place, source):
    """`list` and `help` take a folder, or what looks like owner/name at GitHub."""
    looks = re.fullmatch(r"[\w.-]+/[\w.-]+(:[\w./-]+)?", place) and not os.path.isdir(os.path.expanduser(place))
    return "github" if looks else source


def load(repo_or_dir, model, *args, source="github", trust_repo="check", force_reload=False, verbose=True,
         skip_validation=False, **kwargs):
    """model(*args, **kwargs) of the hubconf.py in a folder, with source="local".

    RuntimeError where it, or a module it depends on, is missing; NotImplementedError for source="github".
    """
    path = _local("load", repo_or_dir, source.lower())
    with _OnPath(path):
        return _entry(_hubconf(path), model)(*args, **kwargs)


def download_url_to_file(url, dst, hash_prefix=None, progress=True):
    """Download a file; it appears at `dst` once it is whole. RuntimeError where its SHA-256 begins otherwise.

    progress: a line that grows, on standard error where that is a terminal.
    """
    dst = os.path.expanduser(dst)
    request = urllib.request.Request(url, headers={"User-Agent": "numbatorch.hub"})
    handle, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(dst)}.", suffix=".partial",
                                         dir=os.path.dirname(os.path.abspath(dst)))
    digest = hashlib.sha256()
    try:
        with os.fdopen(handle, "wb") as file, urllib.request.urlopen(request) as response:
            expected = int(response.headers.get("Content-Length") or 0)
            received = 0
            while chunk := response.read(_CHUNK_BYTES):
                file.write(chunk)
                digest.update(chunk)
                received += len(chunk)
                _tell(progress, received, expected)
        _tell(progress, received, expected, last=True)
        if expected and received != expected:
            raise RuntimeError(f"{url}: the connection ended after {received} of {expected} bytes; try again")
        if hash_prefix is not None and not digest.hexdigest().startswith(hash_prefix):
            raise RuntimeError(f'invalid hash value (expected "{hash_prefix}", got "{digest.hexdigest()}") of {url}')
        os.replace(temporary, dst)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def _tell(progress, received, expected, last=False):
    if not progress or not sys.stderr.isatty():
        return
    share = f" of {expected / 2**20:.1f} ({100 * received // expected} %)" if expected else ""
    sys.stderr.write(f"\r{received / 2**20:.1f} MiB{share}" + "\n" * last)
    sys.stderr.flush()


def load_state_dict_from_url(url, model_dir=None, map_location=None, progress=True, check_hash=False, file_name=None,
                             weights_only=None):
    """What `torch.load` gives for a file from the network, which is kept in `model_dir` (get_dir() + "/checkpoints").

    check_hash: the file's name ends in -<beginning of its SHA-256>.ext, and that is checked. A zip file of one file is
    unpacked. weights_only=False lets the file run code of its own; None, the default here, does not.
    """
    folder = os.path.join(get_dir(), "checkpoints") if model_dir is None else model_dir
    os.makedirs(folder, exist_ok=True)
    name = file_name or os.path.basename(urlparse(url).path)
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        prefix = None
        if check_hash:
            found = HASH_REGEX.search(name)
            if found is None:
                raise ValueError(f"load_state_dict_from_url: check_hash=True, but {name!r} does not end in a hash, as "
                                 "in resnet18-bbe5b4ca.pth")
            prefix = found.group(1)
        download_url_to_file(url, path, prefix, progress)
    if _is_plain_zip(path):
        with zipfile.ZipFile(path) as archive:
            (inner,) = archive.infolist()
            archive.extractall(folder)
            path = os.path.join(folder, inner.filename)
    return torch.load(path, map_location=map_location, weights_only=weights_only)


def _is_plain_zip(path):
    """Whether a file is a zip file of one file, not the archive that torch.save writes."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
    return len(infos) == 1 and "/" not in infos[0].filename and ".." not in infos[0].filename
