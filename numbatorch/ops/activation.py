"""Activations: elementwise formulas of neural networks."""

from ..expr import functions as f
from .declare import FLOAT, composite, elementwise
from .pointwise import CONTINUOUS

_F = ("nn.functional",)
_BOTH = ("", "nn.functional")


def _no_bool(op, specs, statics):
    if specs["input"].dtype.name == "bool":
        raise RuntimeError(f"{op.name}: Boolean inputs not supported")


@elementwise(namespaces=_BOTH, check=_no_bool, grad=lambda grad, result: f.where(f.gt(result, 0), grad, 0))
def relu(input):
    """max(input, 0): 0 below 0, where it gets no gradient, and `input` above; NaN stays NaN."""
    return f.where(f.le(input, 0), 0, input)


@elementwise(promote=FLOAT, domain=(-8, 8), namespaces=("", "nn.functional", "special"), aliases=("expit",),
             grad=lambda grad, result: grad * f.conj(result * (1 - result)))
def sigmoid(input):
    """Logistic function, 1 / (1 + e^-input)."""
    return 1 / (1 + f.exp(-input))


@elementwise(namespaces=_F, grad=lambda grad, input: f.where(f.gt(input, 0) & f.lt(input, 6), grad, 0))
def relu6(input):
    """min(max(input, 0), 6): `input` limited to [0, 6], with gradient only strictly inside."""
    return f.minimum(f.maximum(input, 0), 6)


@elementwise(dtypes=CONTINUOUS, namespaces=_F, grad=lambda grad, input, negative_slope: f.where(f.gt(input, 0), grad,
                                                                             grad * negative_slope))
def leaky_relu(input, negative_slope: float = 0.01):
    """`input` above 0, negative_slope * input below."""
    return f.where(f.gt(input, 0), input, input * negative_slope)


@elementwise(name="limited", method=False, out=False, grad=lambda grad, input, min_val, max_val: f.where(
    f.gt(input, min_val) & f.lt(input, max_val), grad, 0))
def limited(input, min_val: float, max_val: float):
    """input limited to [min_val, max_val], with gradient only strictly inside."""
    return f.minimum(f.maximum(input, min_val), max_val)


@composite(namespaces=_F, method=False)
def hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False):
    """`input` limited to [min_val, max_val], with gradient only strictly inside."""
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val cannot be greater than max_val, got {min_val} and {max_val}")
    if input.dtype.category < 2:
        min_val, max_val = int(min_val), int(max_val)
    return (limited.call_inplace if inplace else limited.call)(input, min_val, max_val)


@elementwise(dtypes=CONTINUOUS, namespaces=_F, promote=FLOAT)
def elu(input, alpha: float = 1.0):
    """input above 0, alpha * (e^input - 1) below."""
    return f.where(f.gt(input, 0), input, alpha * f.expm1(input))


@elementwise(dtypes=CONTINUOUS, namespaces=_BOTH, promote=FLOAT)
def celu(input, alpha: float = 1.0):
    """max(0, input) + min(0, alpha * (e^(input/alpha) - 1))."""
    return f.where(f.gt(input, 0), input, alpha * f.expm1(input / alpha))


_ALPHA, _SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


@elementwise(dtypes=CONTINUOUS, namespaces=_BOTH, promote=FLOAT)
def selu(input):
    """scale * elu(input, alpha) with the constants of Klambauer et al. 2017, arXiv:1706.02515."""
    return f.where(f.gt(input, 0), _SCALE * input, _SCALE * _ALPHA * f.expm1(input))


def _gelu_gradient(grad, input, approximate):
    if approximate == "tanh":
        inner = 0.7978845608028654 * (input + 0.044715 * input * input * input)
        t = f.tanh(inner)
        slope = 0.7978845608028654 * (1 + 0.134145 * input * input)
        return grad * (0.5 * (1 + t) + 0.5 * input * (1 - t * t) * slope)
    density = 0.3989422804014327 * f.exp(-0.5 * input * input)
    return grad * (0.5 * (1 + f.erf(input * 0.7071067811865476)) + input * density)


def _gelu_check(op, specs, statics):
    if statics["approximate"] not in ("none", "tanh"):
        raise RuntimeError(f"gelu: approximate argument must be either none or tanh, got {statics['approximate']!r}")


@elementwise(dtypes=CONTINUOUS, namespaces=_F, promote=FLOAT, grad=_gelu_gradient, check=_gelu_check)
def gelu(input, *, approximate: str = "none"):
    """input * Phi(input), Phi the normal distribution function; or its tanh approximation (arXiv:1606.08415)."""
    if approximate == "tanh":
        return 0.5 * input * (1 + f.tanh(0.7978845608028654 * (input + 0.044715 * input * input * input)))
    half = 0.5 * input
    return f.fma(half, f.erf(input * 0.7071067811865476), half)


@elementwise(dtypes=CONTINUOUS, namespaces=_F, promote=FLOAT,
             grad=lambda grad, input: grad * sigmoid(input) * (1 + input * (1 - sigmoid(input))))
def silu(input):
    """input * sigmoid(input), also called swish (arXiv:1710.05941)."""
    return input / (1 + f.exp(-input))


@elementwise(dtypes=CONTINUOUS, namespaces=_F, promote=FLOAT)
def softplus(input, beta: float = 1.0, threshold: float = 20.0):
    """log(1 + e^(beta * input)) / beta; `input` itself where beta * input > threshold."""
    scaled = input * beta
    return f.where(f.gt(scaled, threshold), input, f.log1p(f.exp(f.minimum(scaled, threshold))) / beta)


@elementwise(dtypes=CONTINUOUS, namespaces=_F, promote=FLOAT)
def mish(input):
    """input * tanh(log(1 + e^input)) (arXiv:1908.08681)."""
    return input * f.tanh(softplus(input))


@elementwise(dtypes=CONTINUOUS, namespaces=_F, promote=FLOAT, grad=lambda grad, input: grad * sigmoid(-input))
def logsigmoid(input):
    """log(sigmoid(input)), without overflow: -log(1 + e^-input)."""
    return f.minimum(input, 0) - f.log1p(f.exp(-f.abs(input)))


@elementwise(dtypes=CONTINUOUS, namespaces=_F, promote=FLOAT, grad=lambda grad, input: f.where(
    f.gt(input, -3) & f.lt(input, 3), grad / 6, 0))
def hardsigmoid(input):
    """min(max(input + 3, 0), 6) / 6, a sigmoid of straight lines."""
    return f.minimum(f.maximum(input + 3, 0), 6) / 6


@elementwise(dtypes=CONTINUOUS, namespaces=_BOTH, grad=lambda grad, input, lambd: f.where(
    f.le(f.abs(input), lambd), 0, grad))
def hardshrink(input, lambd: float = 0.5):
    """`input` where |input| > lambd, else 0."""
    return f.where(f.le(f.abs(input), lambd), 0, input)


@elementwise(dtypes=CONTINUOUS, name="shrunk", method=False, inplace=False, out=False,
             grad=lambda grad, input, lambd: f.where(f.le(f.abs(input), lambd), 0, grad))
def shrunk(input, lambd: float):
    """`input` moved towards 0 by `lambd`, 0 where it would cross it."""
    return f.where(f.gt(input, lambd), input - lambd, f.where(f.lt(input, -lambd), input + lambd, 0 * input))


@composite(namespaces=_F, method=False, out=True)
def softshrink(input, lambd=0.5):
    """`input` moved towards 0 by `lambd`, 0 where it would cross it."""
    if lambd < 0:
        raise RuntimeError(f"softshrink: lambda must be in range [0, inf) for input dtype {input.dtype}, but found "
                           f"{lambd}")
    return shrunk.call(input, lambd)


@elementwise(namespaces=_F, promote=FLOAT)
def tanhshrink(input):
    """input - tanh(input): near 0 for small numbers."""
    return input - f.tanh(input)


@elementwise(namespaces=_BOTH)
def threshold(input, threshold: float, value: float):
    """`input` above `threshold`, else `value`, where it gets no gradient."""
    return f.where(f.le(input, threshold), value, input)


@elementwise(dtypes=CONTINUOUS, name="prelu_kernel", method=False, inplace=False, out=False)
def prelu_kernel(input, weight):
    """input above 0, weight * input below."""
    return f.where(f.gt(input, 0), input, weight * input)


@composite(namespaces=_BOTH)
def prelu(input, weight):
    """`input` above 0, weight * input below: one weight, or one for each channel, dimension 1 (arXiv:1502.01852)."""
    if input.dtype is not weight.dtype:
        raise RuntimeError(f"prelu: Type promoting not supported. Got {input.dtype} and {weight.dtype}")
    if weight.ndim > 1:
        raise RuntimeError(f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}")
    if weight.numel() != 1:
        if input.ndim == 0:
            raise RuntimeError("prelu: Not allow zero-dim input tensor with more than one weight.")
        channels = input.shape[1] if input.ndim > 1 else 1
        if channels != weight.numel():
            raise RuntimeError("prelu: Mismatch of parameter numbers and input channel size. Found parameter numbers "
                               "= "
                               f"{weight.numel()} and channel size = {channels}.")
    shape = [1] * input.ndim
    if input.ndim > 1:
        shape[1] = weight.numel()
    return prelu_kernel.call(input, weight.reshape(shape))


@elementwise(dtypes=CONTINUOUS, name="gated", method=False, inplace=False, out=False)
def gated(input, gate):
    """input * sigmoid(gate): what glu makes of its halves."""
    return input * (1 / (1 + f.exp(-gate)))


@composite(namespaces=_F, method=False, out=True)
def glu(input, dim=-1):
    """The first half of `dim` times sigmoid of the second: size n becomes n / 2 (arXiv:1612.08083).

    RuntimeError where the size is odd.
    """
    if input.ndim == 0:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    if not -input.ndim <= dim < input.ndim:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-input.ndim}, {input.ndim - 1}], but "
                         f"got {dim})")
    size = input.shape[dim]
    if size % 2:
        raise RuntimeError(f"glu: Halving dimension must be even, but dimension {dim} is size {size}")
    return gated.call(input.narrow(dim, 0, size // 2), input.narrow(dim, size // 2, size // 2))


@elementwise(namespaces=_F, promote=FLOAT)
def softsign(input):
    """input / (1 + |input|), in (-1, 1)."""
    return input / (1 + f.abs(input))


@elementwise(dtypes=CONTINUOUS, namespaces=_F, promote=FLOAT, grad=lambda grad, input: grad * f.where(
    f.le(input, -3), 0, f.where(f.ge(input, 3), 1, input / 3 + 0.5)))
def hardswish(input):
    """input * min(max(input + 3, 0), 6) / 6 (arXiv:1905.02244)."""
    return input * f.minimum(f.maximum(input + 3, 0), 6) / 6
