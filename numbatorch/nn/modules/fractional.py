"""Max pooling over windows at random steps."""

from typing import Any

from numbatorch import Tensor

from .. import functional as F
from .module import Module
from .sizes import repeated


class _FractionalMaxPool(Module):
    _dims = 0

    def __init__(self, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
                 return_indices: bool = False, _random_samples: Tensor | None = None) -> None:
        super().__init__()
        name = type(self).__name__
        if (output_size is None) == (output_ratio is None):
            raise ValueError(f"{name} requires specifying either an output size, or a pooling ratio, and only one of "
                             f"them; got output_size={output_size}, output_ratio={output_ratio}")
        self.kernel_size = repeated(kernel_size, self._dims)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else repeated(output_size, self._dims)
        self.output_ratio = None if output_ratio is None else repeated(output_ratio, self._dims)
        if self.output_ratio is not None and not all(0 < r < 1 for r in self.output_ratio):
            raise ValueError(f"{name}: output_ratio must be between 0 and 1 (got {output_ratio})")

    def forward(self, input: Tensor) -> Any:
        return getattr(F, f"fractional_max_pool{self._dims}d")(
            input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices,
            _random_samples=self._random_samples)


class FractionalMaxPool2d(_FractionalMaxPool):
    """Largest value of each of `output_size` overlapping windows of input (N, C, H, W), arXiv:1412.6071.

    The windows' places are random, or those of `_random_samples` (N, C, 2). ValueError unless one of output_size and
    output_ratio, the share of the input's size, is given.
    """

    _dims = 2


class FractionalMaxPool3d(_FractionalMaxPool):
    """Largest value of each window of input (N, C, D, H, W); the arguments are those of FractionalMaxPool2d."""

    _dims = 3
