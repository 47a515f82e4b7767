"""The parts of sparse tensors: index tensors, values, numbers of dimensions; changes of shape in place."""

from ..creation import zeros
from ..dtypes import int64
from ..recording import check_inplace
from .pattern import COLUMN_FORMATS, ROW_FORMATS, TITLES, Pattern, handles, is_sparse
from .tensor import make, recorded_values, replace


def _format(name, kind, tensor, formats):
    pattern = tensor._pattern
    if pattern.format not in formats:
        raise RuntimeError(f"{name} expected sparse {kind} tensor layout but got {TITLES[pattern.format.name]}")
    return pattern


def _coordinates(name, tensor):
    pattern = tensor._pattern
    if not pattern.is_coo:
        raise RuntimeError(f"{name} expected sparse coordinate tensor layout but got {TITLES[pattern.format.name]}")
    return pattern


@handles("is_coalesced")
def is_coalesced(tensor):
    return _coordinates("is_coalesced", tensor).coalesced


@handles("indices")
def indices(tensor):
    pattern = _coordinates("indices", tensor)
    if not pattern.coalesced:
        raise RuntimeError("Cannot get indices on an uncoalesced tensor, please call .coalesce() first")
    return pattern.indices[0]


@handles("_indices")
def raw_indices(tensor):
    return _coordinates("_indices", tensor).indices[0]


@handles("values")
def values(tensor):
    if not tensor._pattern.coalesced:
        raise RuntimeError("Cannot get values on an uncoalesced tensor, please call .coalesce() first")
    found = recorded_values(tensor)
    return found.detach() if found is tensor._stored else found


@handles("_values")
def raw_values(tensor):
    _coordinates("_values", tensor)
    return tensor._stored.detach()


@handles("_nnz")
def nnz(tensor):
    return tensor._pattern.nnz


@handles("crow_indices")
def crow_indices(tensor):
    return _format("crow_indices", "row compressed", tensor, ROW_FORMATS).indices[0]


@handles("col_indices")
def col_indices(tensor):
    return _format("col_indices", "row compressed", tensor, ROW_FORMATS).indices[1]


@handles("ccol_indices")
def ccol_indices(tensor):
    return _format("ccol_indices", "column compressed", tensor, COLUMN_FORMATS).indices[0]


@handles("row_indices")
def row_indices(tensor):
    return _format("row_indices", "column compressed", tensor, COLUMN_FORMATS).indices[1]


@handles("sparse_dim")
def sparse_dim(tensor):
    return tensor._pattern.sparse_dim


@handles("dense_dim")
def dense_dim(tensor):
    return tensor._pattern.dense_dim


# Other shapes, in place.

def _sizes(name, tensor, size, sparse, dense):
    _coordinates(name, tensor)
    check_inplace(name.removesuffix("_"), tensor)
    shape = tuple(size)
    if len(shape) != sparse + dense:
        raise RuntimeError(f"{name}: number of dimensions must be sparse_dim ({sparse}) + dense_dim ({dense}), but got "
                           f"{len(shape)}")
    return shape


@handles("sparse_resize_")
def sparse_resize_(tensor, size, sparse, dense):
    shape, pattern = _sizes("sparse_resize_", tensor, size, sparse, dense), tensor._pattern
    if pattern.nnz == 0:
        return _clear(tensor, shape, sparse, dense)
    if sparse != pattern.sparse_dim or dense != pattern.dense_dim:
        which = "sparse" if sparse != pattern.sparse_dim else "dense"
        before, after = (pattern.sparse_dim, sparse) if which == "sparse" else (pattern.dense_dim, dense)
        raise RuntimeError(f"sparse_resize_: changing the number of {which} dimensions (from {before} to {after}) on a "
                           f"non-empty sparse tensor is not supported. Clear it first: sparse_resize_and_clear_")
    for which, before, after in (("sparse", pattern.sparse_shape, shape[:sparse]),
                                 ("dense", pattern.dense_shape, shape[sparse:])):
        if any(b > a for b, a in zip(before, after, strict=True)):
            raise RuntimeError(f"sparse_resize_: shrinking the size of {which} dimensions (from {list(before)} to "
                               f"{list(after)}) on a non-empty sparse tensor is not supported.")
    values = tensor._stored
    if pattern.dense_shape != shape[sparse:]:
        wide = zeros((pattern.nnz, *shape[sparse:]), dtype=values.dtype, device=values.device)
        wide[tuple(slice(n) for n in values.shape)] = values
        values = wide
    grown = Pattern(pattern.format, shape, pattern.indices, dense, None, pattern.coalesced)
    return replace(tensor, make(grown, values))


def _clear(tensor, shape, sparse, dense):
    pattern = Pattern(tensor._pattern.format, shape, (zeros((sparse, 0), dtype=int64),), dense)
    return replace(tensor, make(pattern, zeros((0, *shape[sparse:]), dtype=tensor.dtype)))


@handles("sparse_resize_and_clear_")
def sparse_resize_and_clear_(tensor, size, sparse, dense):
    return _clear(tensor, _sizes("sparse_resize_and_clear_", tensor, size, sparse, dense), sparse, dense)


@handles("resize_as_sparse_")
def resize_as_sparse_(tensor, template):
    if not (is_sparse(tensor) and is_sparse(template)):
        raise RuntimeError(f"resize_as_sparse_: expected sparse tensors, got layouts {tensor.layout} and "
                           f"{template.layout}")
    pattern = template._pattern
    return sparse_resize_(tensor, pattern.shape, pattern.sparse_dim, pattern.dense_dim)
