"""A step that leaves out samples: `filter`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from numbatorch.utils.data.datapipes._decorator import functional_datapipe
from numbatorch.utils.data.datapipes.datapipe import IterDataPipe
from numbatorch.utils.data.datapipes.utils.common import columns, validate_input_col

__all__ = ["FilterIterDataPipe"]


@functional_datapipe("filter")
class FilterIterDataPipe(IterDataPipe):
    """The samples of which filter_fn says True, asked for the sample or for columns of it, as of `map`."""

    def __init__(self, datapipe: IterDataPipe, filter_fn: Callable, input_col: Any = None):
        validate_input_col(filter_fn, input_col)
        self.datapipe, self.filter_fn, self.input_col = datapipe, filter_fn, input_col

    def __iter__(self) -> Iterator:
        for sample in self.datapipe:
            kept = columns(sample, self.input_col, self.filter_fn)
            if not isinstance(kept, bool):
                raise ValueError(f"Boolean output is required for `filter_fn` of FilterIterDataPipe, got {type(kept)}")
            if kept:
                yield sample
