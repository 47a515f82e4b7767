"""torch.onnx, for programs that ask whether they are being exported, and packages that register how their ops would be.

There is no export: `torch.onnx.export` and all other names raise MissingError (a NotImplementedError).
"""

import importlib
from collections.abc import Callable
from typing import Any

from ..missing import lacking

_SYMBOLIC: dict[tuple[str, int], Callable] = {}


def is_in_onnx_export() -> bool:
    """Whether a model is being exported: never."""
    return False


def register_custom_op_symbolic(symbolic_name: str, symbolic_fn: Callable, opset_version: int) -> None:
    """Keep how an op is written in ONNX. ValueError unless the name is "namespace::name"."""
    if symbolic_name.count("::") != 1:
        raise ValueError(f"register_custom_op_symbolic: the name must be 'namespace::name', got {symbolic_name!r}")
    _SYMBOLIC[symbolic_name, opset_version] = symbolic_fn


def unregister_custom_op_symbolic(symbolic_name: str, opset_version: int) -> None:
    """Forget how an op is written in ONNX."""
    _SYMBOLIC.pop((symbolic_name, opset_version), None)


def __getattr__(name: str) -> Any:
    if name in ("symbolic_helper", "symbolic_opset11"):
        return importlib.import_module(f".{name}", __name__)
    lacking("torch.onnx", name, "export to ONNX is not there")


__all__ = ["is_in_onnx_export", "register_custom_op_symbolic", "unregister_custom_op_symbolic"]
