"""Layers as functions of `torch`, whose arguments are in another order than in `nn.functional` and have few defaults.

`reduction` is a number here: 0 for no reduction, which is the default as in PyTorch, 1 for the mean, 2 for the sum.
"""

from .conv import conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d
from .declare import OPS, composite

_F = "nn.functional"
_REDUCTIONS = ("none", "mean", "sum")
_CONVOLUTIONS = {1: (conv1d, conv_transpose1d), 2: (conv2d, conv_transpose2d), 3: (conv3d, conv_transpose3d)}


def _functional(name):
    return OPS[f"{_F}.{name}"].call


def _reduction(name, reduction):
    """The word for a reduction's number; TypeError for what is no number. Unknown numbers reduce nothing."""
    if not isinstance(reduction, int):
        raise TypeError(f"{name}(): argument 'reduction' must be int (0 none, 1 mean, 2 sum), not "
                        f"{type(reduction).__name__}; torch.nn.functional.{name} takes its name")
    return _REDUCTIONS[reduction] if 0 <= reduction < 3 else "none"


# ------------------------------------------------------------------ normalisation

@composite(method=False)
def batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps, cudnn_enabled):
    """`nn.functional.batch_norm` with the parameters first."""
    return _functional("batch_norm")(input, running_mean, running_var, weight, bias, training, momentum, eps)


@composite(method=False)
def instance_norm(input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, cudnn_enabled):
    """`nn.functional.instance_norm` with the parameters first."""
    return _functional("instance_norm")(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)


# ------------------------------------------------------------------ dropout

def _drop(name, input, p, train):
    if not 0 <= p <= 1:
        raise RuntimeError(f"{name}: dropout probability has to be between 0 and 1, but got {p}")
    if name.startswith("feature") and input.ndim < 2:
        raise RuntimeError(f"{name}: Feature dropout requires at least 2 dimensions in the input, got "
                           f"{tuple(input.shape)}")
    return _functional(name)(input, p, train)


@composite(method=False, inplace=True)
def dropout(input, p, train):
    """Each element is 0 with chance p, else scaled by 1 / (1 - p) (arXiv:1207.0580)."""
    return _drop("dropout", input, p, train)


@composite(method=False, inplace=True)
def alpha_dropout(input, p, train):
    """Dropout for selu, which keeps mean and variance (Klambauer et al. 2017, arXiv:1706.02515, section 3)."""
    return _drop("alpha_dropout", input, p, train)


@composite(method=False, inplace=True)
def feature_dropout(input, p, train):
    """Whole channels, input[n, c], are dropped."""
    return _drop("feature_dropout", input, p, train)


@composite(method=False, inplace=True)
def feature_alpha_dropout(input, p, train):
    """`alpha_dropout` of whole channels, input[n, c]."""
    return _drop("feature_alpha_dropout", input, p, train)


@composite(method=False)
def native_dropout(input, p, train) -> tuple:
    """(`dropout`, the mask of what was kept); `train` None counts as True."""
    if train is not None and not train:
        return input.clone(), _bools_like(input).fill_(True)
    if not 0 <= p <= 1:
        raise RuntimeError(f"native_dropout: dropout probability has to be between 0 and 1, but got {p}")
    mask = _bools_like(input).bernoulli_(1 - p)
    return input * mask * (0.0 if p == 1 else 1 / (1 - p)), mask


def _bools_like(input):
    from ..creation import empty_like
    from ..dtypes import bool as bool_
    return empty_like(input, dtype=bool_)


@composite(method=False, inplace=True)
def rrelu(input, lower=1.0 / 8, upper=1.0 / 3, training=False, generator=None):
    """`nn.functional.rrelu`: leaky_relu whose slope is drawn from [lower, upper) in training.

    NotImplementedError for a generator: slopes come from the default one.
    """
    if generator is not None:
        raise NotImplementedError("rrelu: generator= is not supported, slopes come from the default generator")
    return _functional("rrelu")(input, lower, upper, training)


# ------------------------------------------------------------------ losses

@composite(method=False)
def binary_cross_entropy_with_logits(input, target, weight=None, pos_weight=None, reduction=0):
    """`nn.functional.binary_cross_entropy_with_logits` with the reduction as a number; input and target broadcast."""
    word = _reduction("binary_cross_entropy_with_logits", reduction)
    input, target = OPS["broadcast_tensors"].call(input, target)
    return _functional("binary_cross_entropy_with_logits")(input, target, weight, None, None, word, pos_weight)


@composite(method=False)
def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank=0, reduction=0, zero_infinity=False):
    """`nn.functional.ctc_loss` with the reduction as a number."""
    return _functional("ctc_loss")(log_probs, targets, input_lengths, target_lengths, blank,
                                   _reduction("ctc_loss", reduction), zero_infinity)


# ------------------------------------------------------------------ embeddings

@composite(method=False)
def embedding(weight, indices, padding_idx=-1, scale_grad_by_freq=False, sparse=False):
    """Rows of `weight` at `indices`; the row padding_idx (none where it is negative) gets no gradient."""
    if sparse:
        raise NotImplementedError("embedding: sparse gradients (sparse=True) are not supported; leave it out")
    return _functional("embedding")(indices, weight, padding_idx if padding_idx >= 0 else None, None, 2.0,
                                    scale_grad_by_freq)


@composite(name="embedding_renorm_", method=False)
def embedding_renorm(input, indices, max_norm, norm_type):
    """`input` (V, E) itself, its rows at `indices` shortened to norm `max_norm` in place."""
    from ..autograd.modes import no_grad
    from .gathering import renorm_rows
    with no_grad():
        renorm_rows(input, indices, max_norm, norm_type)
    return input


@composite(method=False)
def embedding_bag(weight, indices, offsets, scale_grad_by_freq=False, mode=0, sparse=False, per_sample_weights=None,
                  include_last_offset=False, padding_idx=None) -> tuple:
    """(`nn.functional.embedding_bag`, bag of each index, indices in each bag, where maxima lie).

    mode 0 sums, 1 averages, 2 takes the maximum. weight (V, E), indices (N,), offsets (B,) -> (B, E), (N,), (B,) and
    (B, E) for maxima. As in PyTorch the last three are filled in only where the mode needs them: sums without padding
    have no bags and zero sizes. RuntimeError for other modes, and for per_sample_weights of other modes than sums.
    """
    if mode not in (0, 1, 2):
        raise RuntimeError(f"embedding_bag: `mode` must be 0 (sum), 1 (mean), or 2 (max), got {mode}")
    if indices.ndim != 1 or offsets.ndim != 1:
        raise RuntimeError(f"embedding_bag: indices and offsets have to be 1-d, got {tuple(indices.shape)} and "
                           f"{tuple(offsets.shape)}")
    if per_sample_weights is not None and mode:
        raise RuntimeError(f"embedding_bag: per_sample_weights only supported with mode='sum' (0), got mode {mode}")
    if sparse:
        raise NotImplementedError("embedding_bag: sparse gradients (sparse=True) are not supported; leave it out")
    value = _functional("embedding_bag")(indices, weight, offsets, None, 2.0, scale_grad_by_freq,
                                         ("sum", "mean", "max")[mode], False, per_sample_weights, include_last_offset,
                                         padding_idx)
    from .bag import _bag_numbers
    bags, count = _bag_numbers(indices, offsets, include_last_offset)
    if mode == 0:
        plain = padding_idx is None and weight.dtype.name != "float64"
        sizes = indices.new_zeros(offsets.shape if plain else (count,))
        return value, indices.new_empty((0,)) if plain else bags, sizes, sizes.clone()
    counted = indices.new_ones(indices.shape)
    if padding_idx is not None:
        counted = (indices != padding_idx % weight.shape[0]).to(indices.dtype)
    sizes = indices.new_zeros((count,)).index_add(0, bags, counted)
    if mode == 1:
        return value, bags, sizes, sizes.clone()
    return value, bags, sizes, _places_of_maxima(weight.detach(), indices, bags, counted, value.detach())


def _places_of_maxima(weight, indices, bags, counted, maxima):
    """(B, E): the row of `weight` that gave each maximum, the first of equals; 0 for empty bags."""
    places = OPS["_positions"].call(indices, indices.shape[0])
    is_maximum = (weight.index_select(0, indices) == maxima.index_select(0, bags)) & (counted > 0).unsqueeze(1)
    candidates = OPS["where"].call(is_maximum, places.unsqueeze(1), indices.shape[0])
    first = candidates.new_full(maxima.shape, indices.shape[0]).scatter_reduce(
        0, bags.unsqueeze(1).expand(candidates.shape), candidates, "amin")
    return OPS["cat"].call([indices, indices.new_zeros((1,))])[first]


# ------------------------------------------------------------------ convolution, sampling

def _sequence(label, value, position):
    if not isinstance(value, (tuple, list)):
        raise TypeError(f"convolution(): argument '{label}' (position {position}) must be tuple of ints, not "
                        f"{type(value).__name__}")
    return tuple(value)


@composite(method=False)
def convolution(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    """`conv1d` to `conv3d`, or with `transposed` `conv_transpose1d` to `conv_transpose3d`, by the rank of `weight`."""
    stride, padding = _sequence("stride", stride, 4), _sequence("padding", padding, 5)
    dilation, output_padding = _sequence("dilation", dilation, 6), _sequence("output_padding", output_padding, 8)
    rank = weight.ndim - 2
    if rank not in _CONVOLUTIONS:
        raise RuntimeError(f"convolution: weight should have 3, 4 or 5 dimensions, got {tuple(weight.shape)}")
    if input.ndim != rank + 2:
        raise RuntimeError(f"convolution: Expected {rank + 2}-dimensional input for {rank + 2}-dimensional weight "
                           f"{list(weight.shape)}, but got {input.ndim}-dimensional input of size "
                           f"{list(input.shape)} instead")
    forward, transpose = _CONVOLUTIONS[rank]
    if transposed:
        return transpose.call(input, weight, bias, stride, padding, output_padding, groups, dilation)
    return forward.call(input, weight, bias, stride, padding, dilation, groups)


@composite(namespaces=("", _F), method=False)
def conv_tbc(input, weight, bias, pad=0):
    """Convolution over time: input (T, B, I), weight (K, I, O), bias (O,) -> (T + 2 pad - K + 1, B, O)."""
    if input.ndim != 3:
        raise RuntimeError(f"conv_tbc: Input must have 3 dims: time, batch, in_channel; got {tuple(input.shape)}")
    if weight.ndim != 3:
        raise RuntimeError("conv_tbc: Weight tensor must have 3 dims: kernel_width, in_channels, out_channels; got "
                           f"{tuple(weight.shape)}")
    if bias.ndim != 1:
        raise RuntimeError(f"conv_tbc: Bias must be 1-D, got {tuple(bias.shape)}")
    if input.shape[2] != weight.shape[1]:
        raise RuntimeError("conv_tbc: Input dim 2 (input channels) is not == dim 1 in the weight tensor: input "
                           f"{tuple(input.shape)}, weight {tuple(weight.shape)}")
    if bias.shape[0] != weight.shape[2]:
        raise RuntimeError("conv_tbc: Bias size must equal dim 2 in the weight tensor (output channels): bias "
                           f"{tuple(bias.shape)}, weight {tuple(weight.shape)}")
    result = conv1d.call(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, 1, pad)  # (B, O, T')
    return result.permute(2, 0, 1).contiguous()


@composite(method=False)
def affine_grid_generator(theta, size, align_corners):
    """`nn.functional.affine_grid`, where `align_corners` has no default."""
    return _functional("affine_grid")(theta, size, align_corners)
