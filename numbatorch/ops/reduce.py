"""Reductions: one value a row, over any dimensions."""

from ..expr import functions as f
from ..expr.functions import row_all, row_any, row_argmax, row_argmin, row_length, row_max, row_min, row_prod, row_sum
from ..layout import wrap_dims
from .declare import FLOAT, reduction


@reduction(identity=0, promote="int64")
def sum(input, dim=None, keepdim=False, *, dtype=None):
    """Sum over `dim` (all dimensions when None); bool and integer inputs count in int64."""
    return row_sum(input)


@reduction(identity=float("nan"), promote="float only")
def mean(input, dim=None, keepdim=False, *, dtype=None):
    """Arithmetic mean over `dim`; NaN of nothing. RuntimeError for integers."""
    return row_sum(input) / row_length


@reduction(name="prod_dims", identity=1, promote="int64", method=False)
def prod_dims(input, dim=None, keepdim=False, *, dtype=None):
    """Product over `dim`; bool and integer inputs count in int64."""
    return row_prod(input)


@reduction
def amax(input, dim=None, keepdim=False):
    """Maximum over `dim`, an int or several; NaN if any is. The gradient is shared evenly by equal maxima.

    RuntimeError and IndexError where there is no element to choose from.
    """
    return row_max(input)


@reduction
def amin(input, dim=None, keepdim=False):
    """Minimum over `dim`, an int or several; NaN if any is. The gradient is shared evenly by equal minima.

    RuntimeError and IndexError where there is no element to choose from.
    """
    return row_min(input)


def _at(grad, indices):
    return f.where(f.eq(f.row_index, indices), grad, 0)


@reduction(name="max_dim", dims="one", outputs=("values", "indices"), result=(None, "int64"), method=False, grad=_at,
           out=False)
def max_dim(input, dim=None, keepdim=False):
    """(values, indices): the maximum along `dim` and where it is, the first of equals; NaN counts as the largest."""
    return row_max(input), row_argmax(input)


@reduction(name="min_dim", dims="one", outputs=("values", "indices"), result=(None, "int64"), method=False, grad=_at,
           out=False)
def min_dim(input, dim=None, keepdim=False):
    """(values, indices): the minimum along `dim` and where it is, the first of equals; NaN counts as the smallest."""
    return row_min(input), row_argmin(input)


def _ordered(op, specs, statics):
    """PyTorch's errors for what has no order, and for no elements at all."""
    own = specs["input"]
    if own.dtype.is_complex or own.dtype.name == "bool":
        raise RuntimeError(f"{op.name}(): does not support {'bool' if own.dtype.name == 'bool' else 'complex'} input")
    if own.numel == 0 and statics["dim"] is None:
        raise IndexError(f"{op.name}(): Expected reduction dim to be specified for input.numel() == 0, got shape "
                         f"{list(own.shape)}")


@reduction(dims="one", result="int64", differentiable=False, check=_ordered)
def argmax(input, dim=None, keepdim=False):
    """Position (int64) of the maximum along `dim` or of all, the first of equals; NaN counts as the largest."""
    return row_argmax(input)


@reduction(dims="one", result="int64", differentiable=False, check=_ordered)
def argmin(input, dim=None, keepdim=False):
    """Position (int64) of the minimum along `dim` or of all, the first of equals; NaN counts as the smallest."""
    return row_argmin(input)


def _bool_or_byte(d, statics):
    from .. import dtypes
    return dtypes.uint8 if d is dtypes.uint8 else dtypes.bool


def _dims_or_none(shape, statics):
    """Unlike in sums, an empty tuple of dimensions means none of them."""
    dim = statics["dim"]
    return () if dim == () else wrap_dims(dim, len(shape))


@reduction(identity=False, dims=_dims_or_none, result=_bool_or_byte, differentiable=False, float8=True)
def any(input, dim=None, keepdim=False):
    """True where some element along `dim` is nonzero; False of nothing. Of uint8 the result is uint8."""
    return row_any(f.ne(input, 0))


@reduction(identity=True, dims=_dims_or_none, result=_bool_or_byte, differentiable=False, float8=True)
def all(input, dim=None, keepdim=False):
    """True where every element along `dim` is nonzero; True of nothing. Of uint8 the result is uint8."""
    return row_all(f.ne(input, 0))


@reduction(identity=0, result="int64", differentiable=False, out=False)
def count_nonzero(input, dim=None, keepdim=False):
    """How many elements along `dim`, or of all, are nonzero, in int64; NaN is nonzero."""
    return row_sum(f.where(f.ne(input, 0), True, False))


@reduction(identity=0, promote="int64")
def nansum(input, dim=None, keepdim=False, *, dtype=None):
    """Sum over `dim`, NaN counted as 0; NaNs get no gradient."""
    return row_sum(f.where(f.isnan(input), 0, input))


@reduction(identity=float("-inf"), promote=FLOAT, namespaces=("", "special"),
           grad=lambda grad, input, result: grad * f.conj(f.exp(input - result)))
def logsumexp(input, dim, keepdim=False):
    """log(sum(exp(input))) over `dim`, without overflow."""
    largest = row_max(f.real(input))
    shift = f.where(f.isinf(largest), 0, largest)
    return f.log(row_sum(f.exp(input - shift))) + shift


def _squares(input):
    centred = input - row_sum(input) / row_length
    return row_sum(f.real(centred * f.conj(centred)))


def _var_gradient(grad, input, correction):
    return 2 / f.maximum(row_length - correction, 0) * grad * (input - row_sum(input) / row_length)


@reduction(name="var_dims", stepwise=True, identity=float("nan"), result="real", method=False, out=False,
           grad=_var_gradient)
def var_dims(input, dim=None, keepdim=False, correction: float = 1.0):
    """Variance over `dim`: sum |input - mean|² / (n - correction); two passes."""
    return _squares(input) / f.maximum(row_length - correction, 0)


def _std_gradient(grad, input, result, correction):
    return _var_gradient(f.where(f.eq(result, 0), 0, grad / (2 * result)), input, correction)


@reduction(name="std_dims", stepwise=True, identity=float("nan"), result="real", method=False, out=False,
           grad=_std_gradient)
def std_dims(input, dim=None, keepdim=False, correction: float = 1.0):
    """Standard deviation over `dim`, the root of `var`."""
    return f.sqrt(_squares(input) / f.maximum(row_length - correction, 0))


# Vector norms, by the order that is asked for.

@reduction(name="norm_2", identity=0, result="real", method=False, out=False, stepwise=True,
           grad=lambda grad, input, result: f.where(
               f.eq(result, 0), 0, grad * (input / f.where(f.eq(result, 0), 1, result))))
def norm_2(input, dim=None, keepdim=False):
    """sqrt(sum |input|²), the Euclidean norm along `dim`: what linalg.vector_norm runs for order 2."""
    return f.sqrt(row_sum(f.real(input * f.conj(input))))


@reduction(name="norm_1", identity=0, result="real", method=False, out=False)
def norm_1(input, dim=None, keepdim=False):
    """sum |input| along `dim`: what linalg.vector_norm runs for order 1."""
    return row_sum(f.abs(input))


@reduction(name="norm_0", identity=0, result="real", method=False, out=False, differentiable=False)
def norm_0(input, dim=None, keepdim=False):
    """How many elements along `dim` are nonzero, in the input's dtype: what linalg.vector_norm runs for order 0."""
    return row_sum(f.where(f.ne(input, 0), 1.0, 0.0))


@reduction(name="norm_inf", identity=None, result="real", method=False, out=False)
def norm_inf(input, dim=None, keepdim=False):
    """max |input| along `dim`: what linalg.vector_norm runs for order inf."""
    return row_max(f.abs(input))


@reduction(name="norm_neg_inf", identity=None, result="real", method=False, out=False)
def norm_neg_inf(input, dim=None, keepdim=False):
    """min |input| along `dim`: what linalg.vector_norm runs for order -inf."""
    return row_min(f.abs(input))


@reduction(name="norm_p", identity=0, result="real", method=False, out=False,
           grad=lambda grad, input, result, ord: f.where(
               f.eq(input, 0) | f.eq(result, 0), 0, f.sgn(input) * (grad * f.pow(
                   f.where(f.eq(input, 0), 1, f.abs(input)) / f.where(f.eq(result, 0), 1, f.real(result)),
                   f.real(ord) - 1))))
def norm_p(input, ord: float, dim=None, keepdim=False):
    """(sum |input|^ord)^(1/ord) along `dim`: what linalg.vector_norm runs for other orders."""
    ord = f.real(ord)  # complex inputs make it complex
    return f.pow(row_sum(f.pow(f.abs(input), ord)), 1 / ord)
