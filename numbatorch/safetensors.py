"""Tensors by name in a safetensors file: `save_file` and `load_file`, with the names of `safetensors.torch`.

The format and its checks are the safetensors package's, which is needed only when one of these functions is called.
"""

from __future__ import annotations

import os
from typing import Any

import numpy

import numbatorch
from numbatorch.serialization.archive import replacing
from numbatorch.serialization.pickling import storage_bytes

__all__ = ["load", "load_file", "save", "save_file"]

DTYPE_NAMES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
    "C64": "complex64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
}


def _package() -> Any:
    try:
        import safetensors
    except ImportError as error:
        raise ImportError(
            "numbatorch.safetensors needs the safetensors package, which is not installed: pip install safetensors"
        ) from error
    return safetensors


def save(tensors: dict[str, Any], metadata: dict[str, str] | None = None) -> bytes:
    """The bytes of a safetensors file with these tensors.

    Raises ValueError for a tensor that is not contiguous, RuntimeError for tensors that share memory: the format
    stores every tensor by itself.
    """
    package = _package()
    _check(tensors)
    entries = {name: _entry(package, tensor) for name, tensor in tensors.items()}
    return package.serialize(entries, metadata=metadata)


def save_file(
    tensors: dict[str, Any], filename: str | os.PathLike, metadata: dict[str, str] | None = None
) -> None:
    """Write the tensors to a file; an older file of that name stays until the new one is complete."""
    content = save(tensors, metadata)
    with replacing(os.fspath(filename)) as file:
        file.write(content)


def _entry(package: Any, tensor: Any) -> Any:
    """A tensor as the package wants it: by address since its version 0.8, by its bytes before."""
    dtype, shape = str(tensor.dtype).rpartition(".")[2], list(tensor.shape)
    start, size = tensor.storage_offset() * tensor.element_size(), tensor.numel() * tensor.element_size()
    storage = tensor.untyped_storage()
    if hasattr(package, "TensorSpec"):
        address = storage.data_ptr() + start if size else 0
        return package.TensorSpec(dtype=dtype, shape=shape, data_ptr=address, data_len=size)
    raw = numpy.frombuffer(storage_bytes(storage), numpy.uint8)
    return {"dtype": dtype, "shape": shape, "data": raw[start : start + size].tobytes()}


def _check(tensors: Any) -> None:
    if not isinstance(tensors, dict):
        raise ValueError(f"safetensors: expected a dict of name to tensor, got {type(tensors).__name__}")
    owners: dict[int, str] = {}
    for name, tensor in tensors.items():
        if not isinstance(tensor, numbatorch.Tensor):
            raise ValueError(f"safetensors: {name!r} is a {type(tensor).__name__}, only tensors can be saved")
        if str(tensor.dtype).rpartition(".")[2] not in DTYPE_NAMES.values():
            raise ValueError(f"safetensors: {name!r} has dtype {tensor.dtype}, which the format does not know")
        if not tensor.is_contiguous():
            raise ValueError(
                f"safetensors: {name!r} is not contiguous (shape {tuple(tensor.shape)}, stride "
                f"{tuple(tensor.stride())}): call .contiguous() first"
            )
        if tensor.numel():
            other = owners.setdefault(tensor.untyped_storage().data_ptr(), name)
            if other != name:
                raise RuntimeError(
                    f"safetensors: {other!r} and {name!r} share memory, which the format cannot say: clone() one of "
                    f"them, or save one and tie them after loading"
                )


def load(data: bytes) -> dict[str, Any]:
    """The tensors in the bytes of a safetensors file."""
    package = _package()
    found = {}
    for name, entry in package.deserialize(bytes(data)):
        found[name] = _tensor(entry["dtype"], entry["shape"], numpy.frombuffer(entry["data"], numpy.uint8).copy(), name)
    return found


def load_file(filename: str | os.PathLike, device: Any = "cpu") -> dict[str, Any]:
    """The tensors in a safetensors file."""
    _package()
    with open(filename, "rb") as file:
        data = file.read()
    try:
        found = load(data)
    except Exception as error:
        raise type(error)(f"load_file: {os.fspath(filename)}: {error}") from error
    if str(device) == "cpu":
        return found
    return {name: tensor.to(device) for name, tensor in found.items()}


def _tensor(dtype_name: str, shape: list[int], content: numpy.ndarray, name: str) -> Any:
    if dtype_name not in DTYPE_NAMES:
        raise ValueError(f"safetensors: {name!r} has dtype {dtype_name}, which numbatorch does not have")
    dtype = getattr(numbatorch, DTYPE_NAMES[dtype_name])
    if content.size == 0:
        return numbatorch.empty(tuple(shape), dtype=dtype)
    return numbatorch.from_numpy(content).view(dtype).view(tuple(shape))
