"""torch.distributed.rpc: calls to other processes, which is not there; packages import the module and ask for its parts
only when they run on several machines."""

from typing import Any

from ..missing import lacking


def __getattr__(name: str) -> Any:
    lacking("torch.distributed.rpc", name, "this is one process on one machine")
