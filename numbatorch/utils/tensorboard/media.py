"""Pictures, films and sound as files in memory: what image and audio summaries carry."""

import io
import struct
import wave
import zlib

import numpy as np

from numbatorch import Tensor, bfloat16

_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}  # channels to PNG's colour types: grey, grey and alpha, RGB, RGBA
_COLUMNS = 8  # pictures side by side, before the next row begins


def array(value):
    """A tensor, a number or numbers as a NumPy array; bfloat16, which NumPy has not, as float32."""
    if not isinstance(value, Tensor):
        return np.asarray(value)
    value = value.detach().cpu()
    return (value.float() if value.dtype is bfloat16 else value).numpy()


def png(pixels):
    """PNG of (H, W, C) uint8: every line preceded by its filter, 0."""
    height, width, channels = pixels.shape

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    head = struct.pack(">IIBBBBB", width, height, 8, _COLOURS[channels], 0, 0, 0)
    lines = np.zeros((height, 1 + width * channels), np.uint8)
    lines[:, 1:] = pixels.reshape(height, -1)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines.tobytes()))
            + chunk(b"IEND", b""))


def to_bytes(values):
    """uint8 as they are, other numbers as shares of 255."""
    if values.dtype == np.uint8:
        return values
    return (values.astype(np.float32) * 255.0).clip(0, 255).astype(np.uint8)


def tiled(pictures, columns):
    """(N, H, W, C) side by side in rows of `columns`: (rows * H, columns * W, C); what is left over is black."""
    count, height, width, channels = pictures.shape
    rows = -(-count // columns)
    grid = np.zeros((rows * columns, height, width, channels), pictures.dtype)
    grid[:count] = pictures
    return grid.reshape(rows, columns, height, width, channels).swapaxes(1, 2).reshape(
        rows * height, columns * width, channels)


def pixels(image, dataformats):
    """(H, W, C) bytes of an image, grey as RGB; several (N) lie in rows of eight. ValueError where shapes do not fit.

    dataformats: the letters of N, C, H and W in the order of the dimensions.
    """
    image, dataformats = array(image), dataformats.upper()
    if image.ndim != len(dataformats) or len(set(dataformats)) != len(dataformats) or set(dataformats) - set("NCHW"):
        raise ValueError(f"add_image: the shape {image.shape} does not go with dataformats={dataformats!r}")
    given = image.shape
    for letter in "NHWC":
        if letter not in dataformats:
            image, dataformats = np.expand_dims(image, 0), letter + dataformats
    image = image.transpose([dataformats.index(letter) for letter in "NHWC"])
    if image.shape[3] not in _COLOURS:
        raise ValueError(f"add_image: expected 1 to 4 channels, got {image.shape[3]} in {dataformats!r} of {given}")
    if image.shape[3] == 1:
        image = image.repeat(3, 3)
    return tiled(to_bytes(image), min(len(image), _COLUMNS))


def resized(picture, scale):
    """(H, W, C) bytes, `scale` times as large."""
    if scale == 1:
        return picture
    from PIL import Image
    size = int(picture.shape[1] * scale), int(picture.shape[0] * scale)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)).reshape(size[1], size[0], -1)


def boxed(picture, boxes, labels=None):
    """(H, W, 3) bytes with red frames (N boxes: left, top, right, bottom) and a text on each."""
    from PIL import Image, ImageDraw
    drawing = Image.fromarray(picture)
    pen = ImageDraw.Draw(drawing)
    for k, box in enumerate(boxes):
        left, top, right, bottom = map(float, box)
        pen.rectangle((left, top, right, bottom), outline="red", width=2)
        if labels is not None:
            place = pen.textbbox((left, bottom), labels[k], anchor="lb")
            pen.rectangle(place, fill="red")
            pen.text((left, bottom), labels[k], fill="black", anchor="lb")
    return np.asarray(drawing)


def film(frames, rate):
    """GIF of (N, T, C, H, W): N films side by side, T frames at `rate` a second. ValueError for other shapes."""
    frames = to_bytes(array(frames))
    if frames.ndim != 5 or frames.shape[2] not in (1, 3):
        raise ValueError(f"add_video: expected (N, T, C, H, W) with 1 or 3 channels, got {frames.shape}")
    from PIL import Image
    columns = 1 << ((len(frames) - 1).bit_length() + 1) // 2
    pictures = [tiled(part.transpose(0, 2, 3, 1).repeat(4 - part.shape[1] if part.shape[1] == 3 else 3, 3), columns)
                for part in frames.swapaxes(0, 1)]
    first, *rest = [Image.fromarray(p) for p in pictures]
    file = io.BytesIO()
    first.save(file, "GIF", save_all=True, append_images=rest, duration=1000 / rate, loop=0)
    return file.getvalue(), pictures[0].shape


def sound(samples, rate):
    """(WAV of numbers from -1 to 1, one channel, 16 bits; how many there are)."""
    samples = array(samples).astype(np.float32)
    samples = samples.reshape(-1) if samples.size == max(samples.shape, default=1) else samples
    if samples.ndim != 1:
        raise ValueError(f"add_audio: expected one channel, (L) or (1, L), got {samples.shape}")
    whole = (samples.clip(-1, 1) * np.iinfo(np.int16).max).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(2)
        target.setframerate(rate)
        target.writeframes(whole.tobytes())
    return file.getvalue(), len(whole)
