"""Random numbers: PyTorch's streams. Distributions that fill a tensor in place, and dropout."""

from .declare import OPS, composite, elementwise, random

_F = "nn.functional"


def _draw(function, tensor, generator, *arguments):
    """Fill a tensor with numbers of a distribution, from `generator` or the default one."""
    from ..randomness import draw
    return draw(function, tensor, generator, *arguments)


def _like(input, generator, function, *arguments):
    from ..creation import empty_like
    return _draw(function, empty_like(input), generator, *arguments)


@random(eager=True, method=True, inplace=False, out=True, input=lambda grad: grad.new_zeros(grad.shape))
def bernoulli(input, p=None, *, generator: object = None):
    """1 with the probability that each element of `input` gives (or `p` everywhere), else 0."""
    if p is not None:
        return _like(input, generator, "bernoulli_scalar", float(p))
    if input.dtype.category < 2:
        raise RuntimeError(f"bernoulli: expected a floating point tensor of probabilities, got {input.dtype}")
    if input.numel() and input._layout.has_values and not bool(((input >= 0) & (input <= 1)).all()):
        raise RuntimeError("bernoulli: Expected p_in >= 0 && p_in <= 1 to be true, but got false.")
    from ..creation import empty_like
    return _draw("bernoulli_tensor", empty_like(input), generator, input)


@random(eager=True, method=True, differentiable=False, out=True, exact_out=True)
def multinomial(input, num_samples: int, replacement: bool = False, *, generator: object = None):
    """`num_samples` category numbers (int64) a row of weights: (C,) or (N, C) -> (..., num_samples).

    The weights need not sum to 1. RuntimeError for negative ones, and for more samples than categories without
    `replacement`.
    """
    from ..randomness import draw_categories
    return draw_categories(input, num_samples, replacement, generator)


@random(eager=True, method=False, differentiable=False)
def poisson(input, generator: object = None):
    """Poisson numbers with the rates in `input`, in its shape and dtype. RuntimeError for negative rates."""
    from ..randomness import draw_poisson
    return draw_poisson(input, generator)


@random(eager=True, method=False, differentiable=False)
def binomial(count, prob, generator: object = None):
    """How many of `count` trials succeed, each with chance `prob`; both are tensors that broadcast."""
    from ..randomness import draw_binomial
    return draw_binomial(count, prob, generator)


@random(eager=True, method=False, differentiable=False)
def normal_like(input, mean: float = 0.0, std: float = 1.0, *, generator: object = None):
    """Normal numbers of mean `mean` and deviation `std`, in the shape and dtype of `input`."""
    return _like(input, generator, "normal", float(mean), float(std))


@random(eager=True, method=False, differentiable=False)
def uniform_like(input, low: float = 0.0, high: float = 1.0, *, generator: object = None):
    """Numbers spread evenly over [low, high), in the shape and dtype of `input`."""
    return _like(input, generator, "uniform", float(low), float(high))


@elementwise(name="scale_kept", method=False, inplace=False, out=False, input=lambda grad, kept, q: grad * (kept / q))
def scale_kept(input, kept, q: float):
    """input * (kept / q): what dropout leaves, scaled up by the chance to stay."""
    return input * (kept / q)


def _check(name, p):
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _dropped(name, input, p, training, inplace, shape=None):
    _check(name, p)
    if not training or p == 0 or input.numel() == 0:
        return input
    if p == 1:
        result = input * 0
    else:
        from ..creation import empty_like
        kept = empty_like(input) if shape is None else input.new_empty(shape)
        result = scale_kept.call(input, _draw("bernoulli_scalar", kept, None, 1 - p), 1 - p)
    return input.copy_(result) if inplace else result


@composite(namespaces=_F, method=False)
def dropout(input, p=0.5, training=True, inplace=False):
    """Each element is 0 with chance p, else scaled by 1 / (1 - p) (arXiv:1207.0580)."""
    return _dropped("dropout", input, p, training, inplace)


def _channels(input, spatial):
    return (*input.shape[:input.ndim - spatial], *(1,) * spatial)


def _feature(name, input, p, training, inplace, spatial, batched):
    if input.ndim not in (batched, batched - 1):
        import warnings
        warnings.warn(f"{name}: Received a {input.ndim}-D input to {name}, which is deprecated and will result in an "
                      f"error in a future release.", stacklevel=4)
    single = input.ndim == batched - 1 and name != "dropout2d"
    x = input.unsqueeze(0) if single else input
    shape = (*x.shape[:2], *(1,) * (x.ndim - 2))
    result = _dropped(name, x, p, training, inplace, shape)
    if inplace:
        return input
    return result.squeeze(0) if single else result


@composite(namespaces=_F, method=False)
def dropout1d(input, p=0.5, training=True, inplace=False):
    """Whole channels of (N, C, L) or (C, L) are 0 with chance p, the others scaled by 1 / (1 - p) (arXiv:1411.4280)."""
    _check("dropout1d", p)
    if input.ndim not in (2, 3):
        raise RuntimeError(f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input. Note that "
                           "dropout1d exists to provide channel-wise dropout on inputs with 1 spatial dimension, a "
                           "channel dimension, and an optional batch dimension (i.e. 2D or 3D inputs).")
    return _feature("dropout1d", input, p, training, inplace, 1, 3)


@composite(namespaces=_F, method=False)
def dropout2d(input, p=0.5, training=True, inplace=False):
    """Whole channels of (N, C, H, W) or (C, H, W) are 0 with chance p, the others scaled by 1 / (1 - p)
    (arXiv:1411.4280).
    """
    return _feature("dropout2d", input, p, training, inplace, 2, 4)


@composite(namespaces=_F, method=False)
def dropout3d(input, p=0.5, training=True, inplace=False):
    """Whole channels of (N, C, D, H, W) are 0 with chance p, the others scaled by 1 / (1 - p) (arXiv:1411.4280)."""
    return _feature("dropout3d", input, p, training, inplace, 3, 5)


@composite(namespaces=_F, method=False)
def feature_dropout(input, p=0.5, training=True):
    """Whole channels, input[n, c], are 0 with chance p, the others scaled by 1 / (1 - p)."""
    return _dropped("feature_dropout", input, p, training, False, (*input.shape[:2], *(1,) * (input.ndim - 2)))


def _alpha(name, input, p, training, inplace, shape):
    """Dropout that keeps mean and variance of selu's output (Klambauer et al. 2017, section 3)."""
    _check(name, p)
    if not training or p == 0 or input.numel() == 0:
        return input
    if p == 1:
        return input.mul_(0) if inplace else input * 0
    alpha = 1.7580993408473766
    scale = 1.0 / ((alpha * alpha * p + 1) * (1 - p)) ** 0.5
    kept = _draw("bernoulli_scalar", input.new_empty(shape), None, 1 - p)
    shift = (kept - 1) * (alpha * scale) + alpha * scale * p
    result = input * (kept * scale) + shift
    return input.copy_(result) if inplace else result


@composite(namespaces=_F, method=False)
def alpha_dropout(input, p=0.5, training=False, inplace=False):
    """Dropout for selu: dropped elements take its negative limit, mean and variance are kept."""
    return _alpha("alpha_dropout", input, p, training, inplace, tuple(input.shape))


@composite(namespaces=_F, method=False)
def feature_alpha_dropout(input, p=0.5, training=False, inplace=False):
    """alpha_dropout of whole channels, input[n, c] (arXiv:1706.02515)."""
    return _alpha("feature_alpha_dropout", input, p, training, inplace, (*input.shape[:2], *(1,) * (input.ndim - 2)))


def _random_slopes(input, lower, upper):
    """1 where input is positive, else a slope of [lower, upper), float64 draws made for these elements only."""
    from ..creation import empty, ones_like, tensor
    from ..dtypes import float64
    falling = input <= 0
    low, high = (tensor(bound, dtype=input.dtype, device="cpu").item() for bound in (lower, upper))
    drawn = empty(int(falling.sum()), dtype=float64, device=input.device)
    drawn = _draw("uniform", drawn, None, 0.0, 1.0) * (high - low) + low
    return ones_like(input).masked_scatter(falling, drawn.to(input.dtype))


@composite(namespaces=_F, method=False)
def rrelu(input, lower=1.0 / 8, upper=1.0 / 3, training=False, inplace=False):
    """leaky_relu whose slope is drawn from [lower, upper) in training, and is their mean otherwise."""
    if lower > upper:
        raise RuntimeError(f"rrelu: lower bound should be less than or equal to the upper bound, got {lower} and "
                           f"{upper}")
    if training:
        result = input * _random_slopes(input.detach(), lower, upper)
    else:
        leaky = OPS["nn.functional.leaky_relu"]
        return (leaky.call_inplace if inplace else leaky.call)(input, (lower + upper) / 2)
    return input.copy_(result) if inplace else result


@composite(namespaces=_F, method=False)
def gumbel_softmax(logits, tau=1, hard=False, eps=1e-10, dim=-1):
    """softmax((logits + Gumbel noise) / tau); `hard`: one-hot forward, soft gradient (arXiv:1611.01144)."""
    noise = -_like(logits.detach(), None, "exponential", 1.0).log()
    soft = OPS["softmax"].call((logits + noise) / tau, dim)
    if not hard:
        return soft
    index = soft.max(dim, keepdim=True)[1]
    one = (soft.detach() * 0).scatter(dim, index, 1.0)
    return one - soft.detach() + soft
