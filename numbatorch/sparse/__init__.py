"""Sparse tensors: coordinate, compressed and block formats, and the functions of torch.sparse.

    a = torch.sparse_coo_tensor([[0, 1, 1], [2, 0, 2]], [3.0, 4.0, 5.0], (2, 3))
    a.to_sparse_csr() @ torch.ones(3, 4)

A sparse tensor is a pattern (pattern.py) and its values; operations on it are operations on the values, so that
gradients follow (tensor.py). Calls of ops reach handlers by the op's name: see `handles` in the other files.
"""

from . import arithmetic, joins, parts, targets, views
from .check import check_sparse_tensor_invariants
from .construct import (
    sparse_bsc_tensor,
    sparse_bsr_tensor,
    sparse_compressed_tensor,
    sparse_coo_tensor,
    sparse_csc_tensor,
    sparse_csr_tensor,
)
from .diagonals import spdiags
from .functions import (
    SparseSemiStructuredTensor,
    SparseSemiStructuredTensorCUSPARSELT,
    SparseSemiStructuredTensorCUTLASS,
    addmm,
    as_sparse_gradcheck,
    mm,
    spsolve,
    to_sparse_semi_structured,
)
from .legacy import (
    BFloat16Tensor,
    ByteTensor,
    CharTensor,
    DoubleTensor,
    FloatTensor,
    HalfTensor,
    IntTensor,
    LongTensor,
    ShortTensor,
)
from .product import sampled_addmm
from .reduce import log_softmax, softmax, sum
from .tensor import SparseTensor

__all__ = ["BFloat16Tensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor", "HalfTensor", "IntTensor",
           "LongTensor", "ShortTensor", "SparseSemiStructuredTensor", "SparseSemiStructuredTensorCUSPARSELT",
           "SparseSemiStructuredTensorCUTLASS", "SparseTensor", "addmm", "as_sparse_gradcheck",
           "check_sparse_tensor_invariants", "log_softmax", "mm", "sampled_addmm", "softmax", "sparse_bsc_tensor",
           "sparse_bsr_tensor", "sparse_compressed_tensor", "sparse_coo_tensor", "sparse_csc_tensor",
           "sparse_csr_tensor", "spdiags", "spsolve", "sum", "to_sparse_semi_structured"]
_HANDLERS = (arithmetic, joins, parts, targets, views)  # imported for what they enter
