"""The idx file format of MNIST: magic number, sizes, then the values, big endian; gzip-compressed or not."""

import gzip
import hashlib
import math
import zlib
from pathlib import Path

import numpy as np

# Type byte -> element type. Y. LeCun's page on MNIST, section "the IDX file format".
ELEMENT_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


class DatasetError(RuntimeError):
    """A data set is missing, damaged or not what was expected. The message names the file."""


def unpack(path: Path) -> bytes:
    """The content of a file, decompressed when it starts as gzip does.

    Raises DatasetError when it cannot be read or its compressed stream is damaged or cut off.
    """
    try:
        with open(path, "rb") as file:
            content = file.read()
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DatasetError(f"{path}: expected a whole gzip file, but it is damaged or cut off ({error})") from error
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror or error})") from error


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def parse_idx(content: bytes, name: str | Path) -> np.ndarray:
    """The array in the bytes of an idx file; `name` stands for it in error messages."""
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in ELEMENT_TYPES or content[3] == 0:
        raise DatasetError(
            f"{name}: expected an idx file, which starts with 00 00, a type byte and the number of dimensions, "
            f"but it starts with {content[:4].hex(' ') or 'nothing (the file is empty)'}"
        )
    dtype, dimensions = np.dtype(ELEMENT_TYPES[content[2]]), content[3]
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise DatasetError(f"{name}: expected a header of {start} bytes for {dimensions} dimensions, "
                           f"but the file ends after {len(content)}")
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", dimensions, 4))
    expected = start + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        raise DatasetError(f"{name}: expected {expected} bytes for an array of shape {shape}, "
                           f"but the file has {len(content)} (unpacked)")
    values = np.frombuffer(content, dtype, offset=start).reshape(shape)
    return values.astype(dtype.newbyteorder("="))


def read_idx(path: str | Path) -> np.ndarray:
    """The array in an idx or idx.gz file. Raises DatasetError naming the file and what was expected of it."""
    return parse_idx(unpack(Path(path)), path)
