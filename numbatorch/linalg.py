"""numbatorch.linalg: the ops of the table's namespace "linalg"."""

from .errors import LinAlgError
from .ops import namespace

globals().update(namespace("linalg"))

__all__ = ["LinAlgError", *namespace("linalg")]
