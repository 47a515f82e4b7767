"""torch.utils.model_zoo: the older name of downloading weights, `load_url`; and `tqdm`, taken from here by packages."""

from typing import Any

from numbatorch.hub import load_state_dict_from_url as load_url


class _Progress:
    """What programs use of a progress bar, without the bar: for where the package tqdm is not installed."""

    def __init__(self, iterable: Any = None, *_: Any, total: int | None = None, **__: Any) -> None:
        self.iterable, self.total, self.n = iterable, total, 0

    def __iter__(self):
        for item in self.iterable:
            yield item
            self.n += 1

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def update(self, n: int = 1) -> None:
        """Count what was done."""
        self.n += n

    def close(self) -> None:
        """There is nothing to take down."""

    def set_description(self, *_: Any, **__: Any) -> None:
        """There is nowhere to show one."""

    set_postfix = set_description


try:
    from tqdm.auto import tqdm
except ImportError:
    tqdm = _Progress

__all__ = ["load_url", "tqdm"]
