"""Contents of files by their extensions: text, JSON, pickles, NumPy, pictures, sound in WAV."""

from __future__ import annotations

import io
import json
import os.path
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

import numbatorch

__all__ = ["Decoder", "ImageHandler", "MatHandler", "audiohandler", "basichandlers", "extension_extract_fn",
           "handle_extension", "imagehandler", "mathandler", "videohandler"]


def basichandlers(extension: str, data: Any) -> Any:
    """Text, numbers, JSON, pickles, tensors and NumPy arrays by extension; None for others."""
    if extension in ("txt", "text", "transcript"):
        return data.decode("utf-8")
    if extension in ("cls", "cls2", "class", "count", "index", "inx", "id"):
        try:
            return int(data)
        except ValueError:
            return None
    if extension in ("json", "jsn"):
        return json.loads(data)
    if extension in ("pyd", "pickle"):
        return pickle.loads(data)
    if extension == "pt":
        return numbatorch.load(io.BytesIO(data))
    if extension in ("npy", "npz"):
        return np.load(io.BytesIO(data))
    return None


def handle_extension(extensions: str, f: Callable) -> Callable:
    """A handler that lets f(content) decode what has one of the extensions, separated by spaces."""
    known = extensions.lower().split()

    def handler(key: str, data: Any) -> Any:
        parts = key.lower().split(".")
        return f(data) if any(parts[-len(e.split(".")):] == e.split(".") for e in known) else None
    return handler


class ImageHandler:
    """Pictures by Pillow. kind: how the result comes: "pil", "rgb", "l", "rgba", "torch" (C, H, W), with "8" bytes
    instead of 0 to 1. AssertionError for kinds that there are not."""

    kinds = {"l8": ("numpy", "uint8", "l"), "rgb8": ("numpy", "uint8", "rgb"), "rgba8": ("numpy", "uint8", "rgba"),
             "l": ("numpy", "float", "l"), "rgb": ("numpy", "float", "rgb"), "rgba": ("numpy", "float", "rgba"),
             "torchl8": ("torch", "uint8", "l"), "torchrgb8": ("torch", "uint8", "rgb"),
             "torchrgba8": ("torch", "uint8", "rgba"), "torchl": ("torch", "float", "l"),
             "torchrgb": ("torch", "float", "rgb"), "torch": ("torch", "float", "rgb"),
             "torchrgba": ("torch", "float", "rgba"), "pill": ("pil", None, "l"), "pil": ("pil", None, "rgb"),
             "pilrgb": ("pil", None, "rgb"), "pilrgba": ("pil", None, "rgba")}

    def __init__(self, imagespec: str):
        self.imagespec = imagespec.lower()
        if self.imagespec not in self.kinds:
            raise AssertionError(f"unknown image specification: {imagespec}; there are {', '.join(self.kinds)}")

    def __call__(self, extension: str, data: Any) -> Any:
        if extension.lower() not in ("jpg", "jpeg", "png", "ppm", "pgm", "pbm", "pnm"):
            return None
        from PIL import Image
        container, kind, mode = self.kinds[self.imagespec]
        picture = Image.open(io.BytesIO(data)).convert(mode.upper())
        if container == "pil":
            return picture
        pixels = np.asarray(picture)
        if kind == "float":
            pixels = pixels.astype(np.float32) / 255
        if container == "numpy":
            return pixels
        whole = pixels[..., None] if pixels.ndim == 2 else pixels
        return numbatorch.tensor(np.ascontiguousarray(whole.transpose(2, 0, 1)))


def imagehandler(imagespec: str) -> ImageHandler:
    """A handler of pictures."""
    return ImageHandler(imagespec)


def videohandler(extension: str, data: Any) -> Any:
    """NotImplementedError for films; None for others."""
    if extension in "mp4 ogv mjpeg avi mov h264 mpg webm wmv".split():
        raise NotImplementedError(f"videohandler: there is no decoder of .{extension}; give a handler of your own")
    return None


def audiohandler(extension: str, data: Any) -> Any:
    """(samples (channels, L) from -1 to 1, rate) of a WAV of 16 bits; NotImplementedError for other sound; None for
    others."""
    if extension not in ("flac", "mp3", "sox", "wav", "m4a", "ogg", "wma"):
        return None
    if extension != "wav":
        raise NotImplementedError(f"audiohandler: there is no decoder of .{extension}; give a handler of your own")
    import wave
    with wave.open(io.BytesIO(data)) as file:
        if file.getsampwidth() != 2:
            raise NotImplementedError(f"audiohandler: a WAV of {8 * file.getsampwidth()} bits; those of 16 are read")
        whole = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
        return numbatorch.tensor(whole.T.astype(np.float32) / 2**15), file.getframerate()


class MatHandler:
    """NotImplementedError for MATLAB's files, which are not read here; None for others."""

    def __init__(self, **loadmat_kwargs: Any):
        self.loadmat_kwargs = loadmat_kwargs

    def __call__(self, extension: str, data: Any) -> Any:
        if extension != "mat":
            return None
        raise NotImplementedError("mathandler: MATLAB's files are not read here; give a handler of your own, such as "
                                  "handle_extension('mat', lambda data: scipy.io.loadmat(io.BytesIO(data)))")


def mathandler(**loadmat_kwargs: Any) -> MatHandler:
    """A MatHandler, which refuses MATLAB's files."""
    return MatHandler(**loadmat_kwargs)


def extension_extract_fn(pathname: str) -> str:
    """The extension of a path, without the dot."""
    return os.path.splitext(pathname)[1].removeprefix(".")


class Decoder:
    """decode((path, file)): {path: the first result of handler(key_fn(path), content) that is not None}, else the
    content."""

    def __init__(self, *handler: Callable, key_fn: Callable = extension_extract_fn):
        self.handlers, self.key_fn = list(handler), key_fn

    def add_handler(self, *handler: Callable) -> None:
        """Handlers that are asked before those there are."""
        self.handlers = [*handler, *self.handlers]

    def decode1(self, key: str, data: Any) -> Any:
        """One content."""
        if not data:
            return data
        for handler in self.handlers:
            found = handler(key, data)
            if found is not None:
                return found
        return data

    def decode(self, data: Any) -> dict:
        """{path: decoded content}."""
        pairs = [data] if isinstance(data, tuple) and len(data) == 2 and isinstance(data[0], str) else data
        found = {}
        for path, stream in pairs:
            if path.startswith("__") or not hasattr(stream, "read"):
                found[path] = stream
                continue
            try:
                content = stream.read()
            finally:
                stream.close()
            found[path] = self.decode1(self.key_fn(path), content)
        return found

    __call__ = decode
