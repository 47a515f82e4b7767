"""torch._tensor_str, where packages look for how tensors print."""

from typing import Any

from . import printing


class _PrintOptions:
    """The settings of set_printoptions(), to be read and set as attributes."""

    def __getattr__(self, name: str) -> Any:
        if name not in ("precision", "threshold", "edgeitems", "linewidth", "sci_mode"):
            raise AttributeError(f"there is no print option {name!r}")
        return getattr(printing, name)

    def __setattr__(self, name: str, value: Any) -> None:
        getattr(self, name)
        setattr(printing, name, value)


PRINT_OPTS = _PrintOptions()


def _tensor_str(self: Any, indent: int) -> str:
    """The values of a tensor as its repr shows them, lines after the first one indented."""
    return printing.contents(self, indent)


set_printoptions = printing.set_printoptions

__all__ = ["PRINT_OPTS", "set_printoptions"]
