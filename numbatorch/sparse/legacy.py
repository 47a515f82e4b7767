"""torch.sparse.FloatTensor and its relatives: constructors that name a dtype, from before there were dtypes."""

from .. import dtypes
from ..tensor import Tensor
from .construct import sparse_coo_tensor


class _SparseKind(type):
    """The class of tensors of one dtype in coordinate format; calling it makes one."""

    dtype: dtypes.dtype

    def __instancecheck__(cls, instance):
        return isinstance(instance, Tensor) and instance.is_sparse and instance.dtype is cls.dtype

    def __call__(cls, *data, device=None):
        if not data:
            return sparse_coo_tensor((0,), dtype=cls.dtype, device=device)
        if isinstance(data[0], int):
            return sparse_coo_tensor(data, dtype=cls.dtype, device=device)
        if len(data) == 1:
            return sparse_coo_tensor(tuple(data[0]), dtype=cls.dtype, device=device)
        if len(data) > 3:
            raise TypeError(f"sparse.{cls.__name__}() takes (indices, values, size), (indices, values) or sizes, got "
                            f"{len(data)} arguments")
        indices, values, *size = data
        if isinstance(values, Tensor) and values.dtype is not cls.dtype:
            raise TypeError(f"sparse.{cls.__name__}(): expected values of {cls.dtype}, got {values.dtype}: convert "
                            f"them with .to({cls.dtype}), or call sparse_coo_tensor")
        return sparse_coo_tensor(indices, values, *size, dtype=cls.dtype, device=device)


def _kind(name, dtype):
    doc = f"Tensors of {dtype} in coordinate format: (indices, values, size), (indices, values) or sizes make one."
    return _SparseKind(name, (), {"dtype": dtype, "__doc__": doc, "__module__": "torch.sparse"})


FloatTensor = _kind("FloatTensor", dtypes.float32)
DoubleTensor = _kind("DoubleTensor", dtypes.float64)
HalfTensor = _kind("HalfTensor", dtypes.float16)
BFloat16Tensor = _kind("BFloat16Tensor", dtypes.bfloat16)
ByteTensor = _kind("ByteTensor", dtypes.uint8)
CharTensor = _kind("CharTensor", dtypes.int8)
ShortTensor = _kind("ShortTensor", dtypes.int16)
IntTensor = _kind("IntTensor", dtypes.int32)
LongTensor = _kind("LongTensor", dtypes.int64)
