"""Helpers around training: data loading, hooks and checkpointing."""

from typing import Any


def __getattr__(name: str) -> Any:
    """Submodules are imported when first named."""
    if name in ("data", "deterministic", "dlpack", "hooks"):
        import importlib
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
