"""Assertions on tensors."""

from .creation import as_tensor, sparse_bsr, sparse_csr, strided
from .dtypes import COMPLEX, FLOAT
from .samples import make_tensor
from .tensor import Tensor

# (relative, absolute) tolerance of each dtype, PyTorch's.
_TOLERANCE = {"float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7),
              "complex64": (1.3e-6, 1e-5), "complex128": (1e-7, 1e-7)}


def _sparse_close(actual, expected, options):
    """assert_close of two sparse tensors in one layout, part by part."""
    if actual.is_sparse:
        if actual._nnz() != expected._nnz():
            raise AssertionError("The number of specified values in sparse COO tensors does not match: "
                                 f"{actual._nnz()} "
                                 f"!= {expected._nnz()}")
        names = ("_indices", "_values")
    else:
        names = (("crow_indices", "col_indices") if actual.layout in (sparse_csr, sparse_bsr) else
                 ("ccol_indices", "row_indices")) + ("values",)
    for name in names:
        try:
            assert_close(getattr(actual, name)(), getattr(expected, name)(), **options)
        except AssertionError as error:
            raise AssertionError(f"Sparse tensors differ in {name.removeprefix('_')}():\n{error}") from None


def assert_close(actual, expected, *, allow_subclasses=True, rtol=None, atol=None, equal_nan=False, check_device=True,
                 check_dtype=True, check_layout=True, check_stride=False, msg=None):
    """AssertionError unless |actual - expected| <= atol + rtol * |expected| everywhere, with equal shape and dtype.

    Sequences and mappings are compared item by item. Tolerances default to those of the dtype, 0 for integers.
    """
    options = dict(rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=check_dtype, check_layout=check_layout,
                   check_stride=check_stride, msg=msg)
    if isinstance(expected, dict):
        if not isinstance(actual, dict) or set(actual) != set(expected):
            raise AssertionError(f"The keys of the mappings do not match: {sorted(actual)} and {sorted(expected)}")
        for key in expected:
            assert_close(actual[key], expected[key], **options)
        return
    if isinstance(expected, (list, tuple)):
        if len(actual) != len(expected):
            raise AssertionError(f"The length of the sequences mismatch: {len(actual)} != {len(expected)}")
        for a, e in zip(actual, expected, strict=True):
            assert_close(a, e, **options)
        return
    if (rtol is None) != (atol is None):
        raise ValueError("rtol and atol must both be specified or both be unspecified")
    numbers = not isinstance(actual, Tensor) and not isinstance(expected, Tensor)
    a, e = as_tensor(actual).detach(), as_tensor(expected).detach()
    if check_layout and a.layout is not e.layout:
        raise AssertionError(f"The values for attribute 'layout' do not match: {a.layout} != {e.layout}.")
    if a.layout is not strided or e.layout is not strided:
        options["check_stride"] = False
        if a.layout is e.layout and a.shape == e.shape:
            _sparse_close(a, e, options)
        else:
            assert_close(a.to_dense(), e.to_dense(), **options)
        return
    if a.shape != e.shape:
        raise AssertionError(f"The values for attribute 'shape' do not match: {a.shape} != {e.shape}.")
    if check_dtype and not numbers and a.dtype is not e.dtype:
        raise AssertionError(f"The values for attribute 'dtype' do not match: {a.dtype} != {e.dtype}.")
    if check_stride and a.stride() != e.stride():
        raise AssertionError(f"The values for attribute 'stride()' do not match: {a.stride()} != {e.stride()}.")
    if rtol is None:
        defaults = [_TOLERANCE.get(x.dtype.name, (0.0, 0.0)) for x in (a, e)]
        rtol, atol = max(d[0] for d in defaults), max(d[1] for d in defaults)
    import numpy as np
    wide = np.complex128 if COMPLEX in (a.dtype.category, e.dtype.category) else np.float64
    exact = a.dtype.category < FLOAT and e.dtype.category < FLOAT
    left, right = (x._array() if exact else x._array().astype(wide) for x in (a, e))
    with np.errstate(all="ignore"):
        gap = np.abs(left - right) if not exact else np.abs(left.astype(np.float64) - right.astype(np.float64))
        close = (left == right) | (gap <= atol + rtol * np.abs(right))
        if equal_nan and not exact:
            close |= np.isnan(left) & np.isnan(right)
    if close.all():
        return
    if msg is not None:
        raise AssertionError(msg(msg) if callable(msg) else msg)
    bad = int((~close).sum())
    worst = np.unravel_index(int(np.argmax(np.where(close, -1.0, np.nan_to_num(gap, nan=np.inf)))), close.shape)
    at = tuple(int(i) for i in worst)
    raise AssertionError(
        f"Tensor-likes are not close!\n\nMismatched elements: {bad} / {close.size} ({100 * bad / close.size:.1f}%)\n"
        f"Greatest absolute difference: {gap[worst]} at index {at} (up to {atol} allowed)\n"
        f"There: {left[worst]} against {right[worst]} (rtol {rtol})")


__all__ = ["assert_close", "make_tensor"]
