"""What index tensors must satisfy, checked where sparse tensors are made."""

from ..dtypes import int32, int64
from ..ops.declare import OPS
from .pattern import BLOCK_FORMATS, COMPRESSED, TITLES


class check_sparse_tensor_invariants:
    """Whether index tensors are checked in full: a context manager, a decorator, and `enable()` / `disable()`.

    with check_sparse_tensor_invariants(): ...          # or (False)
    @check_sparse_tensor_invariants()                   # for calls of a function
    """

    _enabled = False

    def __init__(self, enable=True):
        self.state, self._before = bool(enable), None

    @staticmethod
    def is_enabled():
        """Whether full checks are on."""
        return check_sparse_tensor_invariants._enabled

    @staticmethod
    def enable():
        """Check in full from now on."""
        check_sparse_tensor_invariants._enabled = True

    @staticmethod
    def disable():
        """Check only what kernels rely on."""
        check_sparse_tensor_invariants._enabled = False

    def __enter__(self):
        if self._before is not None:
            raise RuntimeError("check_sparse_tensor_invariants: this context manager is entered already; make another "
                               "one")
        self._before = check_sparse_tensor_invariants._enabled
        check_sparse_tensor_invariants._enabled = self.state

    def __exit__(self, *_):
        check_sparse_tensor_invariants._enabled, self._before = self._before, None

    def __call__(self, function):
        import functools

        @functools.wraps(function)
        def checked(*args, **kwargs):
            with type(self)(self.state):
                return function(*args, **kwargs)
        return checked


def wanted(flag):
    """Whether full checks are asked for, by the caller or in general."""
    return check_sparse_tensor_invariants._enabled if flag is None else bool(flag)


def in_order(numbers):
    """Whether each of a flat tensor of numbers is larger than the one before."""
    return numbers._layout.numel < 2 or bool((numbers[1:] > numbers[:-1]).all())


def _fail(name, text):
    raise RuntimeError(f"{name}: {text}")


def shapes(name, format, first, second, compressed, plain, values):
    """RuntimeError where the ranks and dtypes of the parts of a compressed tensor do not fit each other."""
    if compressed.dtype is not plain.dtype:
        _fail(name, f"{first} and {second} must have the same dtype, but got {compressed.dtype} and {plain.dtype}")
    if compressed.dtype not in (int32, int64):
        _fail(name, f"{first} and {second} must be int32 or int64, but got {compressed.dtype}")
    if compressed.ndim < 1 or compressed.shape[-1] < 1:
        _fail(name, f"{first} must have at least one dimension, and one element more than there are rows (or columns), "
                    f"got shape {list(compressed.shape)}")
    if compressed.ndim != plain.ndim:
        _fail(name, f"{first} and {second} dimensionalities must be equal but got {compressed.ndim} and {plain.ndim}, "
                    "respectively")
    depth = compressed.ndim - 1
    blocks = 2 if format in BLOCK_FORMATS else 0
    if values.ndim < depth + 1 + blocks:
        _fail(name, f"values must have dimensionality > sum of batch and block dimensionalities (={depth} + {blocks}) "
                    f"but got {values.ndim}")
    if not compressed.shape[:depth] == plain.shape[:depth] == values.shape[:depth]:
        _fail(name, f"all batch dimensions of {first} (={list(compressed.shape[:depth])}), {second} "
                    f"(={list(plain.shape[:depth])}) and values (={list(values.shape[:depth])}) must be equal")
    if plain.shape[-1] != values.shape[depth]:
        _fail(name, f"{second}.shape[-1] must be equal to nnz (={values.shape[depth]}) as defined by "
                    f"values.shape[{depth}], but got {plain.shape[-1]}")
    if blocks and min(values.shape[depth + 1:depth + 3]) < 1:
        _fail(name, f"blocksize must be positive, but got {list(values.shape[depth + 1:depth + 3])} from values of "
                    f"shape {list(values.shape)}")


def sizes(name, pattern, first, batch, dense_shape):
    """RuntimeError where the shape of a compressed tensor does not fit its parts."""
    shape, depth = pattern.shape, len(batch)
    if len(shape) != depth + 2 + len(dense_shape):
        _fail(name, f"tensor dimensionality must be sum of batch, base, and dense dimensionalities (={depth} + 2 + "
                    f"{len(dense_shape)}) but got {len(shape)}")
    if any(n < 0 for n in shape):
        _fail(name, f"size must not be negative, got {list(shape)}")
    if shape[:depth] != batch or pattern.dense_shape != dense_shape:
        _fail(name, f"size {list(shape)} does not agree with the batch dimensions {list(batch)} of the indices and the "
                    f"dense dimensions {list(dense_shape)} of the values")
    for d, b in enumerate(pattern.block or ()):
        if shape[depth + d] % b:
            _fail(name, f"tensor shape[{depth + d}] (={shape[depth + d]}) must be divisible with blocksize[{d}] (={b}) "
                        "as defined by values shape")
    major = pattern.grid[depth if pattern.by_rows else depth + 1]
    given = pattern.indices[0].shape[-1]
    if given != major + 1:
        what = "rows" if pattern.by_rows else "columns"
        blocks = " of blocks" if pattern.block else ""
        _fail(name, f"{first}.shape[-1] must be equal to the number of {what}{blocks} + 1 (={major + 1}), but got "
                    f"{given}")


def bounds(name, pattern, first, second, low, high):
    """RuntimeError where indices of a compressed tensor lie outside it."""
    minor = pattern.grid[-1 if pattern.by_rows else -2]
    what = "ncols" if pattern.by_rows else "nrows"
    if low < 0 or high >= minor:
        _fail(name, f"`0 <= {second} < {what}` is not satisfied: found {low if low < 0 else high} with {what} = "
                    f"{minor}")
    begins = pattern.indices[0]
    if begins.numel() == 0:
        return
    if bool((begins[..., 0] != 0).any()):
        _fail(name, f"`{first}[..., 0] == 0` is not satisfied.")
    if bool((begins[..., -1] != pattern.nnz).any()):
        _fail(name, f"`{first}[..., -1] == nnz` is not satisfied (nnz = {pattern.nnz}).")
    if bool((begins[..., 1:] < begins[..., :-1]).any()):
        _fail(name, f"`0 <= {first}[..., 1:] - {first}[..., :-1]` is not satisfied.")


def extremes(numbers):
    """(smallest, largest) of a tensor of ints; (0, -1) of none."""
    if numbers._layout.numel == 0:
        return 0, -1
    low, high = OPS["_bounds"].call(numbers.contiguous())
    return low.item(), high.item()


def again(pattern):
    """RuntimeError where index tensors that were changed in place name places outside of the tensor."""
    if pattern.is_coo:
        for d, row in enumerate(pattern.indices[0]):
            low, high = extremes(row)
            if low < 0 or high >= pattern.shape[d]:
                _fail("sparse tensor", f"its indices were changed in place: for dim {d}, size is {pattern.shape[d]} "
                                       f"but found index {low if low < 0 else high}")
    else:
        names = ("crow_indices", "col_indices") if pattern.by_rows else ("ccol_indices", "row_indices")
        bounds("sparse tensor, its indices changed in place", pattern, *names, *extremes(pattern.indices[1]))


def order(name, pattern, first, second):
    """RuntimeError where the indices within a row (or column) are not sorted and distinct."""
    if not in_order(pattern.places()):
        _fail(name, f"`{second}[..., {first}[..., i - 1]:{first}[..., i]] for all i are sorted and distinct along the "
                    f"last dimension values` is not satisfied.")


def expected(what, tensor, kinds):
    """RuntimeError where a tensor's layout is not among `kinds`: `what` names the call and the layouts it takes."""
    format = tensor.layout
    if format not in kinds:
        names = {COMPRESSED: "sparse compressed", ("coo",): "sparse coordinate"}.get(kinds, "")
        raise RuntimeError(f"{what}{names} tensor layout but got {TITLES[format.name]}")
