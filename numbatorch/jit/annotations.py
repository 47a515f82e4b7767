"""torch.jit.annotations: types that scripted functions are annotated with."""

from typing import Any, Dict, List, Optional, Tuple, Union  # noqa: UP035  (programs take these names from here)


class _Broadcasting:
    """BroadcastingListN[T]: an annotation for a T, which stands for N of them, or a list of T."""

    def __getitem__(self, kind: Any) -> Any:
        return Union[kind, List[kind]]  # noqa: UP006, UP007


BroadcastingList1 = _Broadcasting()
BroadcastingList2 = _Broadcasting()
BroadcastingList3 = _Broadcasting()
BroadcastingList4 = _Broadcasting()
BroadcastingList5 = _Broadcasting()
BroadcastingList6 = _Broadcasting()

__all__ = ["BroadcastingList1", "BroadcastingList2", "BroadcastingList3", "BroadcastingList4", "BroadcastingList5",
           "BroadcastingList6", "Dict", "List", "Optional", "Tuple"]
