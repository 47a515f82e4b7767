"""numbatorch.linalg: the ops of the table's namespace "linalg"."""

from typing import TYPE_CHECKING, Any

from .errors import LinAlgError
from .ops import namespace

globals().update(namespace("linalg"))

__all__ = ["LinAlgError", *namespace("linalg")]

if TYPE_CHECKING:  # names come from the op table
    def __getattr__(name: str) -> Any: ...
