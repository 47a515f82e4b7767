"""MNIST: 60,000 + 10,000 handwritten digits of 28 x 28 pixels, from wherever they are to be had."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .digits import load_digits
from .download import fetch_mnist, is_original
from .idx import DatasetError, parse_idx, read_idx, unpack
from .mirrors import FILES


@dataclass
class ImageSet:
    """Images (N, height, width) and labels (N,), for training and for testing, and where they came from."""

    name: str
    source: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    white: int          # the value of a full pixel
    mean: float         # of the training pixels / white
    std: float


def data_folder() -> Path:
    """Where downloads are kept: NUMBATORCH_CACHE_DIR/datasets, else the user's cache folder."""
    chosen = os.environ.get("NUMBATORCH_CACHE_DIR")
    if chosen:
        return Path(chosen).expanduser() / "datasets"
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "numbatorch" / "datasets"


def find_file(folder: Path, name: str) -> Path | None:
    """The file as it is usually named, packed or not; None when it is not there."""
    for spelling in (name, name.replace("-idx", ".idx")):
        for suffix in ("", ".gz"):
            if (path := folder / (spelling + suffix)).is_file():
                return path
    return None


def load_folder(folder: str | Path) -> ImageSet:
    """The data set in a folder of four idx or idx.gz files (or in its subfolder mnist or MNIST/raw).

    Raises DatasetError when a file is missing or damaged, or images and labels do not fit together.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise DatasetError(f"{folder}: expected a folder with the MNIST files, but there is none")
    places = [folder, folder / "mnist", folder / "MNIST" / "raw"]
    best = max(places, key=lambda place: sum(find_file(place, name) is not None for name in FILES))
    paths = {name: find_file(best, name) for name in FILES}
    missing = [name for name, path in paths.items() if path is None]
    if missing:
        raise DatasetError(f"{best}: expected {', '.join(missing)} (or the same with .gz), but "
                           f"{'it is' if len(missing) == 1 else 'they are'} not there")
    return _assemble({name: (path, read_idx(path)) for name, path in paths.items() if path}, str(best))


def load_cached(folder: Path) -> ImageSet | None:
    """The downloaded files if all are there and whole; a damaged one is removed, so that it is fetched again."""
    arrays = {}
    for name in FILES:
        path = folder / f"{name}.gz"
        if not path.is_file():
            return None
        try:
            content = unpack(path)
        except DatasetError:
            content = b""
        if not is_original(name, content):
            path.unlink(missing_ok=True)
            return None
        arrays[name] = (path, parse_idx(content, path))
    return _assemble(arrays, str(folder))


def find_mnist(folder: str | Path | None = None, say: Callable[[str], None] = print) -> ImageSet:
    """MNIST from `folder`, else NUMBATORCH_DATA, the cache or the network; the 8 x 8 digits when none has it.

    A folder that was asked for and does not hold the files is an error, never passed over.
    """
    chosen = folder or os.environ.get("NUMBATORCH_DATA")
    if chosen:
        return load_folder(chosen)
    cache = data_folder() / "mnist"
    if (found := load_cached(cache)) is not None:
        return found
    try:
        say("MNIST is not on this machine yet: looking for a mirror")
        fetch_mnist(cache, say)
        if (found := load_cached(cache)) is not None:
            return found
        reason = f"{cache}: the downloaded files vanished or were damaged"
    except DatasetError as error:
        reason = str(error)
    digits = load_digits()
    say(f"MNIST could not be downloaded ({reason}).")
    say(f"Using {len(digits.images):,} real 8 x 8 digits that come with numbatorch instead: {digits.source}.")
    say("For MNIST itself, pass --data DIR with its idx files, or come back online.")
    held_out = len(digits.images) // 5
    train, test = slice(held_out, None), slice(None, held_out)
    pixels = digits.images[train] / digits.white
    return ImageSet("digits", digits.source, digits.images[train], digits.labels[train], digits.images[test],
                    digits.labels[test], digits.white, float(pixels.mean()), float(pixels.std()))


def _assemble(files: dict[str, tuple[Path, np.ndarray]], source: str) -> ImageSet:
    for part in ("train", "t10k"):
        (image_path, images), (label_path, labels) = (files[name] for name in FILES if name.startswith(part))
        if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (28, 28) or not len(images):
            raise DatasetError(f"{image_path}: expected uint8 images of shape (N, 28, 28), "
                               f"but found {images.dtype} of shape {images.shape}")
        if labels.dtype != np.uint8 or labels.shape != images.shape[:1]:
            raise DatasetError(f"{label_path}: expected {len(images)} uint8 labels for the images in "
                               f"{image_path.name}, but found {labels.dtype} of shape {labels.shape}")
        if labels.max() > 9:
            raise DatasetError(f"{label_path}: expected labels 0 to 9, but found {labels.max()}")
    images, labels, test_images, test_labels = (files[name][1] for name in FILES)
    # Mean and deviation of MNIST's training pixels, as commonly rounded.
    return ImageSet("MNIST", source, images, labels, test_images, test_labels, white=255, mean=0.1307, std=0.3081)
