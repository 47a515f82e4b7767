"""Checkpoint files: `save` and `load` in PyTorch's zip format, readable by both.

archive.py     the zip file: aligned members, checksums, memory maps
names.py       torch's global names and what stands for them here
pickling.py    writing the pickle with torch's names
restricted.py  reading a pickle that may only build tensors and plain containers
checkpoint.py  save and load
"""

from numbatorch.serialization.checkpoint import load, save
from numbatorch.serialization.inspection import get_unsafe_globals_in_checkpoint
from numbatorch.serialization.restricted import (
    add_safe_globals,
    clear_safe_globals,
    get_safe_globals,
    safe_globals,
)

__all__ = ["add_safe_globals", "clear_safe_globals", "get_safe_globals", "get_unsafe_globals_in_checkpoint", "load",
           "safe_globals", "save"]
