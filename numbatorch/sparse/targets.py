"""What `Tensor.to_sparse`, its relatives and `sparse_mask` are asked for, checked against what the tensor is.

The bodies for strided tensors are in ops/sparse.py.
"""

from ..creation import sparse_bsc, sparse_bsr, sparse_coo, sparse_csc, sparse_csr, strided
from .convert import from_dense, reformat
from .pattern import BLOCK_FORMATS, TITLES, handles, is_sparse
from .tensor import assemble, pick


def target(name, tensor, sparse_dim=None, layout=None, blocksize=None, dense_dim=None):
    """`tensor`, strided or sparse, in the format that the arguments of `to_sparse` ask for; RuntimeError where they do
    not fit it or each other."""
    own, title = tensor.layout, TITLES[tensor.layout.name]
    if layout is None:
        layout = sparse_coo
    if layout is strided:
        if own is not strided:
            raise RuntimeError(f"{name}: conversion from {title} to Strided is not supported: call .to_dense()")
        return tensor
    goal = TITLES[layout.name]
    blocksize = (blocksize, blocksize) if isinstance(blocksize, int) else blocksize
    if (blocksize is not None) != (layout in BLOCK_FORMATS):
        word = "with" if blocksize is not None else "without"
        raise RuntimeError(f"{name}: conversion from {title} to {goal} {word} blocksize argument given is not "
                           "supported")
    if sparse_dim is not None and layout is not sparse_coo:
        raise RuntimeError(f"{name}: conversion from {title} to {goal} with sparse_dim argument given is not supported")
    if dense_dim is not None and (layout is sparse_coo or own is not strided):
        raise RuntimeError(f"{name}: conversion from {title} to {goal} with dense_dim argument given is not supported")
    if own is strided:
        return _of_strided(name, tensor, sparse_dim, layout, blocksize, dense_dim or 0)
    pattern = tensor._pattern
    if sparse_dim is not None and sparse_dim != pattern.sparse_dim:
        raise RuntimeError(f"{name}: conversion from {title} to {goal} with sparse_dim argument "
                           f"!={pattern.sparse_dim} is not supported")
    if layout is not sparse_coo and pattern.is_coo and pattern.sparse_dim != 2:
        raise RuntimeError(f"{name}: conversion from {title} to {goal} for input tensors with sparse_dim()!=2 is not "
                           "supported")
    if blocksize is not None:
        blocksize = _block(name, pattern.sparse_shape, blocksize)
    return reformat(tensor, layout, blocksize)


def _block(name, sparse_shape, blocksize):
    block = tuple(n.__index__() for n in blocksize)
    if len(block) != 2 or min(block) < 1:
        raise RuntimeError(f"{name}: blocksize must be two positive ints, got {list(block)}")
    if any(n % b for n, b in zip(sparse_shape[-2:], block, strict=True)):
        raise RuntimeError(f"{name}: tensor sparse size {tuple(sparse_shape[-2:])} must be divisible by given "
                           f"blocksize {block}")
    return block


def _of_strided(name, tensor, sparse_dim, layout, blocksize, dense_dim):
    rank = tensor.ndim
    if layout is sparse_coo:
        sparse_dim = rank if sparse_dim is None else sparse_dim
        if not 0 <= sparse_dim <= rank:
            raise RuntimeError(f"{name}: sparse_dim argument must be in [0,{rank}] range, but {sparse_dim} is given")
        if sparse_dim == 0 and rank > 0:
            raise RuntimeError(f"{name}: sparse_dim argument must be in >0 when self.dim()>0")
        return from_dense(tensor, layout, rank - sparse_dim)
    if rank < 2:
        raise IndexError(f"{name}: a tensor in layout {layout} has at least 2 dimensions, got {rank}")
    if not 0 <= dense_dim <= rank - 2:
        raise RuntimeError(f"{name}: dense_dim argument must be in [0,{rank - 2}] range, but {dense_dim} is given")
    block = None if blocksize is None else _block(name, tensor.shape[:rank - dense_dim], blocksize)
    return from_dense(tensor, layout, dense_dim, block)


@handles("to_sparse")
def to_sparse(tensor, sparse_dim=None, layout=None, blocksize=None, dense_dim=None):
    return target("to_sparse", tensor, sparse_dim, layout, blocksize, dense_dim)


@handles("to_sparse_coo")
def to_sparse_coo(tensor):
    return target("to_sparse_coo", tensor)


@handles("to_sparse_csr")
def to_sparse_csr(tensor, dense_dim=None):
    return target("to_sparse_csr", tensor, None, sparse_csr, None, dense_dim)


@handles("to_sparse_csc")
def to_sparse_csc(tensor, dense_dim=None):
    return target("to_sparse_csc", tensor, None, sparse_csc, None, dense_dim)


@handles("to_sparse_bsr")
def to_sparse_bsr(tensor, blocksize, dense_dim=None):
    return target("to_sparse_bsr", tensor, None, sparse_bsr, blocksize, dense_dim)


@handles("to_sparse_bsc")
def to_sparse_bsc(tensor, blocksize, dense_dim=None):
    return target("to_sparse_bsc", tensor, None, sparse_bsc, blocksize, dense_dim)


@handles("sparse_mask")
def sparse_mask(tensor, mask):
    """The elements of `tensor` where `mask`, a sparse tensor of the same shape, has values; in its format."""
    if not is_sparse(mask):
        raise NotImplementedError(f"sparse_mask: mask must be a sparse tensor, got layout {mask.layout}")
    if tuple(tensor.shape) != tuple(mask.shape):
        raise RuntimeError(f"sparse_mask(): operands have incompatible sizes; self has size {list(tensor.shape)} but "
                           f"mask has size {list(mask.shape)}")
    return assemble(mask._pattern, pick(tensor, mask._pattern), "SparseMaskBackward0")
