"""torch._VF: the functions of torch themselves, where PyTorch's own layers and some packages call them."""

from typing import Any

import numbatorch


def __getattr__(name: str) -> Any:
    return getattr(numbatorch, name)
