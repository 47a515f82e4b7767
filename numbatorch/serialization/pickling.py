"""Writing the pickle of a checkpoint: tensors, dtypes, sizes and devices under torch's names."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from types import ModuleType
from typing import Any, NamedTuple

import numbatorch
from numbatorch.nn.parameter import is_lazy
from numbatorch.serialization.names import STORAGE_OF_DTYPE, dtype_name


class TorchName:
    """Stands in a pickle for a global of torch, which need not be importable here."""

    def __init__(self, module: str, name: str):
        self.module, self.name = module, name

    def __call__(self, *arguments: Any) -> Any:  # a pickler wants something callable to reduce to
        raise TypeError(f"{self.module}.{self.name} is a name in a checkpoint, not a function")


class _Reference:
    """A storage, as a pickler meets it."""

    def __init__(self, identity: tuple):
        self.identity = identity


class _Call(NamedTuple):
    """A function and its arguments, to be written in place of their result."""

    function: Any
    arguments: tuple


_names: dict[tuple[str, str], TorchName] = {}


def torch_name(module: str, name: str) -> TorchName:
    """One object for each name, so that a pickle holds it once."""
    return _names.setdefault((module, name), TorchName(module, name))


def make_pickler(pickle_module: ModuleType | None, file: Any, protocol: int) -> Any:
    """A pickler over `file` whose `storages` maps keys to storages after `dump`."""
    base = getattr(pickle_module or pickle, "_Pickler", None) or pickle_module.Pickler  # type: ignore[union-attr]
    if not (isinstance(base, type) and issubclass(base, pickle._Pickler)):  # type: ignore[attr-defined]
        raise TypeError(
            f"save: pickle_module {getattr(pickle_module, '__name__', pickle_module)!r} has a Pickler written in C, "
            f"which cannot write torch's names; use pickle or a module whose Pickler extends pickle._Pickler"
        )
    return type("CheckpointPickler", (_CheckpointMixin, base), {})(file, protocol=protocol)


class _CheckpointMixin:
    """Writes torch's names and ways of building for tensors, dtypes, sizes and devices; collects the storages."""

    def __init__(self, file: Any, protocol: int):
        super().__init__(file, protocol=protocol)  # type: ignore[call-arg]
        self.storages: dict[str, Any] = {}
        self._keys: dict[Any, tuple[str, Any]] = {}

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        if isinstance(obj, TorchName):
            self._save_name(obj)
        elif isinstance(obj, _Call):
            self.save_reduce(*obj)  # type: ignore[attr-defined]
        elif isinstance(obj, numbatorch.dtype):
            self._save_name(torch_name("torch", dtype_name(obj)))
        elif isinstance(obj, type(numbatorch.strided)):
            self.save_reduce(torch_name("torch.serialization", "_get_layout"), (f"torch.{dtype_name(obj)}",))  # type: ignore[attr-defined]
        elif isinstance(obj, (numbatorch.Tensor, numbatorch.Size, numbatorch.device)):
            known = self.memo.get(id(obj))  # type: ignore[attr-defined]
            if known is not None:
                self.write(self.get(known[0]))  # type: ignore[attr-defined]
            else:
                self.save_reduce(*self._recipe(obj), obj=obj)  # type: ignore[attr-defined]
        elif isinstance(obj, (numbatorch.TypedStorage, numbatorch.UntypedStorage)):
            dtype = getattr(obj, "dtype", numbatorch.uint8)
            named = isinstance(obj, numbatorch.TypedStorage)
            self.save(self._reference(obj.untyped(), dtype, named, f"of {len(obj)} elements"))
        else:
            super().save(obj, save_persistent_id)  # type: ignore[misc]

    def _save_name(self, obj: TorchName) -> None:
        known = self.memo.get(id(obj))  # type: ignore[attr-defined]
        if known is not None:
            self.write(self.get(known[0]))  # type: ignore[attr-defined]
            return
        if self.proto >= 4:  # type: ignore[attr-defined]
            self.save(obj.module)
            self.save(obj.name)
            self.write(pickle.STACK_GLOBAL)  # type: ignore[attr-defined]
        else:
            self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())  # type: ignore[attr-defined]
        self.memoize(obj)  # type: ignore[attr-defined]

    def persistent_id(self, obj: Any) -> Any:
        return obj.identity if isinstance(obj, _Reference) else None

    def _recipe(self, obj: Any) -> _Call:
        if isinstance(obj, numbatorch.Size):
            return _Call(torch_name("torch", "Size"), (tuple(obj),))
        if isinstance(obj, numbatorch.device):
            index = () if obj.index is None else (obj.index,)
            return _Call(torch_name("torch", "device"), (obj.type, *index))
        if is_lazy(obj):  # no memory to write
            facts = (obj.requires_grad, obj.device, obj.dtype)
            return _Call(torch_name("torch.nn.parameter", type(obj).__name__), facts)
        if obj.layout is not numbatorch.strided:
            return _Call(torch_name("torch._utils", "_rebuild_sparse_tensor"), (obj.layout, _sparse_parts(obj)))
        body = self._tensor_call(obj)
        attributes = {
            name: value for name, value in getattr(obj, "__dict__", {}).items() if not name.startswith("_")
        }
        if isinstance(obj, numbatorch.nn.Parameter):
            rebuild = "_rebuild_parameter_with_state" if attributes else "_rebuild_parameter"
            state = (attributes,) if attributes else ()
            return _Call(torch_name("torch._utils", rebuild), (body, obj.requires_grad, OrderedDict(), *state))
        if type(obj) is not numbatorch.Tensor or attributes:
            kind = torch_name("torch", "Tensor") if type(obj) is numbatorch.Tensor else type(obj)
            return _Call(
                torch_name("torch._tensor", "_rebuild_from_type_v2"),
                (body.function, kind, body.arguments, attributes),
            )
        return body

    def _tensor_call(self, obj: Any) -> _Call:
        if obj.is_meta:
            facts = (obj.dtype, tuple(obj.shape), tuple(obj.stride()), obj.requires_grad)
            return _Call(torch_name("torch._utils", "_rebuild_meta_tensor_no_storage"), facts)
        typed = dtype_name(obj.dtype) in STORAGE_OF_DTYPE
        reference = self._reference(obj.untyped_storage(), obj.dtype, typed, f"shape {tuple(obj.shape)}")
        place: tuple = (obj.storage_offset(), tuple(obj.shape), tuple(obj.stride()), obj.requires_grad, OrderedDict())
        if typed:
            return _Call(torch_name("torch._utils", "_rebuild_tensor_v2"), (reference, *place))
        return _Call(torch_name("torch._utils", "_rebuild_tensor_v3"), (reference, *place, obj.dtype))

    def _reference(self, storage: Any, dtype: Any, typed: bool, what: str) -> _Reference:
        """The storage as the pickle names it: by the class of its dtype, or as bytes."""
        name = dtype_name(dtype)
        typed = typed and name in STORAGE_OF_DTYPE
        class_name = torch_name("torch", STORAGE_OF_DTYPE[name]) if typed else _UNTYPED
        size = storage.nbytes()
        # Without bytes there is no address to know the storage by; then nothing can be shared either.
        identity = (storage.device, storage.data_ptr(), size) if size else ("empty", len(self._keys))
        key, saved_class = self._keys.setdefault(identity, (str(len(self._keys)), class_name))
        if saved_class is not class_name:
            raise RuntimeError(
                f"save: cannot save multiple tensors or storages that view the same data as different types "
                f"({saved_class.name} and {class_name.name}, {what}): clone() one of them"
            )
        self.storages[key] = storage
        elements = size // dtype.itemsize if typed else size
        return _Reference(("storage", class_name, key, str(storage.device), elements))


def _sparse_parts(tensor: Any) -> tuple:
    """What a sparse tensor is rebuilt from."""
    if tensor.is_sparse:
        return tensor._indices(), tensor._values(), tensor.size(), tensor.is_coalesced()
    by_rows = tensor.layout in (numbatorch.sparse_csr, numbatorch.sparse_bsr)
    parts = (
        (tensor.crow_indices(), tensor.col_indices()) if by_rows else (tensor.ccol_indices(), tensor.row_indices())
    )
    values = tensor.detach().values().requires_grad_(tensor.requires_grad)
    return *parts, values, tensor.size()


_UNTYPED = torch_name("torch.storage", "UntypedStorage")


def storage_bytes(storage: Any) -> Any:
    """The memory of a storage, with the buffer protocol: where that is the host's, valid while the storage lives."""
    if not storage.nbytes():
        return b""
    return storage.cpu().numpy()
