"""The global names in PyTorch's checkpoint files, and what they mean here."""

from __future__ import annotations

from typing import Any, NamedTuple

import numbatorch

STORAGE_OF_DTYPE = {
    "float64": "DoubleStorage",
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "int16": "ShortStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
    "complex128": "ComplexDoubleStorage",
    "complex64": "ComplexFloatStorage",
}
DTYPE_OF_STORAGE = {storage: dtype for dtype, storage in STORAGE_OF_DTYPE.items()}
OTHER_DTYPES = (
    "uint16",
    "uint32",
    "uint64",
    "complex32",
    "float8_e4m3fn",
    "float8_e5m2",
    "float8_e4m3fnuz",
    "float8_e5m2fnuz",
)


class StorageType(NamedTuple):
    """A storage class in a checkpoint; dtype is None for bytes without one."""

    dtype_name: str | None


class LoadedStorage(numbatorch.TypedStorage):
    """A storage in a file, as a flat tensor, and the dtype that its class says."""

    def __init__(self, flat: Any, dtype: Any):
        super().__init__(wrap_storage=flat.untyped_storage(), dtype=dtype)
        self.flat = flat

    def view(self, dtype: Any, offset: int, shape: Any, stride: Any) -> Any:
        """A tensor over part of the storage; RuntimeError when it would reach outside."""
        shape, stride = tuple(shape), tuple(stride)
        flat = self.flat if self.flat.dtype == dtype else self.flat.view(dtype)
        is_valid = len(shape) == len(stride) and offset >= 0 and all(n >= 0 for n in shape + stride)
        if is_valid and 0 not in shape:
            last = offset + sum((size - 1) * step for size, step in zip(shape, stride, strict=True))
            is_valid = last < flat.numel()
        if not is_valid:
            raise RuntimeError(
                f"load: the checkpoint is damaged: a tensor of shape {shape}, stride {stride} and offset {offset} "
                f"does not fit its storage of {flat.numel()} elements"
            )
        return flat.as_strided(shape, stride, offset)


def rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks, metadata=None):
    tensor = storage.view(storage.dtype, offset, size, stride)
    return tensor.requires_grad_() if requires_grad else tensor


def rebuild_tensor_v3(storage, offset, size, stride, requires_grad, backward_hooks, dtype, metadata=None):
    tensor = storage.view(dtype, offset, size, stride)
    return tensor.requires_grad_() if requires_grad else tensor


def rebuild_meta_tensor(dtype, size, stride, requires_grad):
    return numbatorch.empty_strided(size, stride, dtype=dtype, device="meta", requires_grad=requires_grad)


def rebuild_tensor(storage, offset, size, stride):
    return storage.view(storage.dtype, offset, size, stride)


def rebuild_sparse_tensor(layout, data):
    """A sparse tensor of its parts; RuntimeError where indices do not fit its shape."""
    if layout is numbatorch.sparse_coo:
        indices, values, size, *coalesced = data
        return numbatorch.sparse_coo_tensor(
            indices, values, size, check_invariants=True, is_coalesced=bool(coalesced and coalesced[0])
        )
    compressed, plain, values, size = data
    return numbatorch.sparse_compressed_tensor(
        compressed,
        plain,
        values.detach(),
        size,
        layout=layout,
        requires_grad=values.requires_grad,
        check_invariants=True,
    )


def rebuild_parameter(data, requires_grad, backward_hooks):
    return numbatorch.nn.Parameter(data, requires_grad)


def rebuild_parameter_with_state(data, requires_grad, backward_hooks, state):
    return _with_attributes(rebuild_parameter(data, requires_grad, backward_hooks), state)


def rebuild_from_type(function, kind, arguments, state):
    """A tensor with attributes of its own."""
    return _with_attributes(function(*arguments), state)


def _with_attributes(tensor, state):
    attributes = state[0] if isinstance(state, tuple) else state
    for name, value in (attributes or {}).items():
        if not isinstance(name, str) or name.startswith("_"):  # a private slot of torch's, not a user's attribute
            continue
        setattr(tensor, name, value)
    return tensor


def get_layout(name: str) -> Any:
    return getattr(numbatorch, name.removeprefix("torch."))


def known_globals() -> dict[tuple[str, str], Any]:
    """(module, name) in a file -> what builds it here; all of them are safe to call with any arguments."""
    found: dict[tuple[str, str], Any] = {
        ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor_v2,
        ("torch._utils", "_rebuild_tensor_v3"): rebuild_tensor_v3,
        ("torch._utils", "_rebuild_tensor"): rebuild_tensor,
        ("torch._utils", "_rebuild_meta_tensor_no_storage"): rebuild_meta_tensor,
        ("torch._utils", "_rebuild_sparse_tensor"): rebuild_sparse_tensor,
        ("torch._utils", "_rebuild_parameter"): rebuild_parameter,
        ("torch._utils", "_rebuild_parameter_with_state"): rebuild_parameter_with_state,
        ("torch._tensor", "_rebuild_from_type_v2"): rebuild_from_type,
        ("torch", "Tensor"): numbatorch.Tensor,
        ("torch.nn.parameter", "Parameter"): numbatorch.nn.Parameter,
        ("torch.nn.parameter", "UninitializedParameter"): numbatorch.nn.UninitializedParameter,
        ("torch.nn.parameter", "UninitializedBuffer"): numbatorch.nn.UninitializedBuffer,
        ("torch", "Size"): numbatorch.Size,
        ("torch", "device"): numbatorch.device,
        ("torch.serialization", "_get_layout"): get_layout,
        ("torch.storage", "UntypedStorage"): StorageType(None),
    }
    for storage, dtype in DTYPE_OF_STORAGE.items():
        found["torch", storage] = StorageType(dtype)
    for dtype in (*STORAGE_OF_DTYPE, *OTHER_DTYPES):
        if hasattr(numbatorch, dtype):
            found["torch", dtype] = getattr(numbatorch, dtype)
    return found


def dtype_name(dtype: Any) -> str:
    return str(dtype).rpartition(".")[2]
