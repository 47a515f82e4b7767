"""numbatorch: PyTorch's programming model in pure Python, its kernels generated and compiled by Numba."""

from . import ops

ops.load()

from . import creation, tensor as _tensor  # noqa: E402

_tensor.install()
globals().update(ops.namespace(""))
globals().update({name: getattr(creation, name) for name in creation.FUNCTIONS})

from .autograd import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled  # noqa: E402
from .device import device  # noqa: E402
from .dtypes import (bfloat16, bool, can_cast, complex64, complex128, dtype, finfo, float16, float32,  # noqa: E402
                     float64, get_default_dtype, iinfo, int8, int16, int32, int64, promote_types, set_default_dtype,
                     uint8, uint16, uint32, uint64)
from .tensor import Size, Tensor  # noqa: E402
