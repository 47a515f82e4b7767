# Written from the op table by `python -m numbatorch.reference --write`: not to be edited.
from builtins import bool as _bool, complex as _complex, float as _float, int as _int
from collections.abc import Callable as _Callable, Iterator as _Iterator, Sequence as _Sequence
from typing import Any, Literal as _Literal, NamedTuple as _NamedTuple, SupportsIndex, TypeAlias as _TypeAlias, overload

from ..formats import layout_type as _layout_type, memory_format as _memory_format
from ..dtypes import dtype as _dtype
from ..generator import Generator
from ..tensor import _DeviceLike, _Ints, _Number, _Size, Tensor

from ..ops.grouped import ScalingType as ScalingType
from ..ops.grouped import SwizzleType as SwizzleType
def adaptive_avg_pool1d(input: Tensor, output_size: _Ints) -> Tensor:
    """Mean of windows chosen so that the result has spatial size `output_size` (None keeps one)."""
def adaptive_avg_pool2d(input: Tensor, output_size: _Ints) -> Tensor:
    """Mean of windows chosen so that the result has spatial size `output_size` (None keeps one)."""
def adaptive_avg_pool3d(input: Tensor, output_size: _Ints) -> Tensor:
    """Mean of windows chosen so that the result has spatial size `output_size` (None keeps one)."""
def adaptive_max_pool1d(input: Tensor, output_size: _Ints, return_indices: _bool = False) -> Tensor:
    """Maximum of windows chosen so that the result has spatial size `output_size` (None keeps one)."""
def adaptive_max_pool1d_with_indices(input: Tensor, output_size: _Ints, return_indices: _bool = False) -> tuple[Tensor, ...]:
    """`adaptive_max_pool1d`, and the flat position of each maximum in its plane (int64)."""
def adaptive_max_pool2d(input: Tensor, output_size: _Ints, return_indices: _bool = False) -> Tensor:
    """Maximum of windows chosen so that the result has spatial size `output_size` (None keeps one)."""
def adaptive_max_pool2d_with_indices(input: Tensor, output_size: _Ints, return_indices: _bool = False) -> tuple[Tensor, ...]:
    """`adaptive_max_pool2d`, and the flat position of each maximum in its plane (int64)."""
def adaptive_max_pool3d(input: Tensor, output_size: _Ints, return_indices: _bool = False) -> Tensor:
    """Maximum of windows chosen so that the result has spatial size `output_size` (None keeps one)."""
def adaptive_max_pool3d_with_indices(input: Tensor, output_size: _Ints, return_indices: _bool = False) -> tuple[Tensor, ...]:
    """`adaptive_max_pool3d`, and the flat position of each maximum in its plane (int64)."""
def affine_grid(theta: Tensor, size: _Ints, align_corners: Any = None) -> Tensor:
    """Sampling grids (N, H, W, 2) or (N, D, H, W, 3) of affine maps theta (N, 2, 3) or (N, 3, 4) for results of `size`."""
def alpha_dropout(input: Tensor, p: _float | str = 0.5, training: _bool = False, inplace: _bool = False) -> Tensor:
    """Dropout for selu: dropped elements take its negative limit, mean and variance are kept."""
def avg_pool1d(input: Tensor, kernel_size: _Ints, stride: _Ints | None = None, padding: _Ints | str = 0, ceil_mode: _bool = False, count_include_pad: _bool = True) -> Tensor:
    """Mean of 1-dimensional windows."""
def avg_pool2d(input: Tensor, kernel_size: _Ints, stride: _Ints | None = None, padding: _Ints | str = 0, ceil_mode: _bool = False, count_include_pad: _bool = True, divisor_override: Any = None, *, out: Tensor | None = None) -> Tensor:
    """Mean of 2-dimensional windows."""
def avg_pool3d(input: Tensor, kernel_size: _Ints, stride: _Ints | None = None, padding: _Ints | str = 0, ceil_mode: _bool = False, count_include_pad: _bool = True, divisor_override: Any = None, *, out: Tensor | None = None) -> Tensor:
    """Mean of 3-dimensional windows."""
def batch_norm(input: Tensor, running_mean: Tensor | None = None, running_var: Tensor | None = None, weight: Tensor | None = None, bias: Tensor | None = None, training: _bool = False, momentum: _float = 0.1, eps: _float = 1e-05) -> Tensor:
    """(input - mean) / sqrt(var + eps) for each channel (dimension 1), times weight, plus bias (arXiv:1502.03167)."""
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input1[..., i] weight[o, i, j] input2[..., j] + bias[o]: (..., I), (..., J), (O, I, J), (O,) -> (..., O)."""
def binary_cross_entropy(input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None, reduce: Any = None, reduction: str = 'mean') -> Tensor:
    """-(target log(input) + (1 - target) log(1 - input)); input must lie in [0, 1]."""
def binary_cross_entropy_with_logits(input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None, reduce: Any = None, reduction: str = 'mean', pos_weight: Tensor | None = None) -> Tensor:
    """binary_cross_entropy(sigmoid(input), target), without overflow; `pos_weight` counts errors where the target is 1."""
def celu(input: Tensor, alpha: _Number = 1.0, inplace: _bool = False) -> Tensor: ...
def celu_(input: Tensor, alpha: _float = 1.0) -> Tensor: ...
def channel_shuffle(input: Tensor, groups: _int) -> Tensor:
    """(N, C, ...) with channel g * (C / groups) + k moved to k * groups + g (arXiv:1707.01083)."""
def conv1d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: _Ints | None = 1, padding: _Ints | str = 0, dilation: _Ints = 1, groups: _int = 1) -> Tensor:
    """Cross-correlation of (N, C, L) with (O, C / groups, K), plus bias (O,): (N, O, L')."""
def conv2d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: _Ints | None = 1, padding: _Ints | str = 0, dilation: _Ints = 1, groups: _int = 1) -> Tensor:
    """Cross-correlation of (N, C, H, W) with (O, C / groups, kH, kW), plus bias (O,): (N, O, H', W')."""
def conv3d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: _Ints | None = 1, padding: _Ints | str = 0, dilation: _Ints = 1, groups: _int = 1) -> Tensor:
    """Cross-correlation of (N, C, D, H, W) with (O, C / groups, kD, kH, kW), plus bias (O,)."""
def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: _Ints = 0) -> Tensor:
    """Convolution over time: input (T, B, I), weight (K, I, O), bias (O,) -> (T + 2 pad - K + 1, B, O)."""
def conv_transpose1d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: _Ints | None = 1, padding: _Ints | str = 0, output_padding: _Ints = 0, groups: _int = 1, dilation: _Ints = 1) -> Tensor:
    """The transposed convolution of (N, C, L) with (C, O / groups, K): the gradient of conv1d by its input."""
def conv_transpose2d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: _Ints | None = 1, padding: _Ints | str = 0, output_padding: _Ints = 0, groups: _int = 1, dilation: _Ints = 1) -> Tensor:
    """The transposed convolution of (N, C, H, W) with (C, O / groups, kH, kW)."""
def conv_transpose3d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: _Ints | None = 1, padding: _Ints | str = 0, output_padding: _Ints = 0, groups: _int = 1, dilation: _Ints = 1) -> Tensor:
    """The transposed convolution of (N, C, D, H, W) with (C, O / groups, kD, kH, kW)."""
def cosine_embedding_loss(input1: Tensor, input2: Tensor, target: Tensor, margin: _float = 0, size_average: Any = None, reduce: Any = None, reduction: str = 'mean') -> Tensor:
    """1 - cos(input1, input2) where target is 1, max(0, cos - margin) where it is -1."""
def cosine_similarity(x1: Tensor, x2: Tensor, dim: _Ints = 1, eps: _float = 1e-08) -> Tensor:
    """sum(x1 x2) / (|x1| |x2|) along `dim`, each norm at least `eps`; x1 and x2 broadcast."""
def cross_entropy(input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None, ignore_index: _int = -100, reduce: Any = None, reduction: str = 'mean', label_smoothing: _float = 0.0) -> Tensor:
    """nll_loss(log_softmax(input), target) for class indices; -sum(target * log_softmax(input)) for probabilities."""
def ctc_loss(log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any, blank: _int = 0, reduction: str = 'mean', zero_infinity: _bool = False) -> Tensor:
    """-log of the chance that log_probs (T, N, C), normalised over C, give the label sequences `targets`."""
def dropout(input: Tensor, p: _float | str = 0.5, training: _bool = True, inplace: _bool = False) -> Tensor:
    """Each element is 0 with chance p, else scaled by 1 / (1 - p) (arXiv:1207.0580)."""
def dropout1d(input: Tensor, p: _float | str = 0.5, training: _bool = True, inplace: _bool = False) -> Tensor:
    """Whole channels of (N, C, L) or (C, L) are 0 with chance p, the others scaled by 1 / (1 - p) (arXiv:1411.4280)."""
def dropout2d(input: Tensor, p: _float | str = 0.5, training: _bool = True, inplace: _bool = False) -> Tensor:
    """Whole channels of (N, C, H, W) or (C, H, W) are 0 with chance p, the others scaled by 1 / (1 - p) (arXiv:1411.4280)."""
def dropout3d(input: Tensor, p: _float | str = 0.5, training: _bool = True, inplace: _bool = False) -> Tensor:
    """Whole channels of (N, C, D, H, W) are 0 with chance p, the others scaled by 1 / (1 - p) (arXiv:1411.4280)."""
def elu(input: Tensor, alpha: _Number = 1.0, inplace: _bool = False) -> Tensor: ...
def elu_(input: Tensor, alpha: _float = 1.0) -> Tensor: ...
def embedding(input: Tensor, weight: Tensor, padding_idx: Any = None, max_norm: Any = None, norm_type: _float = 2.0, scale_grad_by_freq: _bool = False, sparse: _bool = False) -> Tensor:
    """Rows of `weight` (V, E) at `input`: shape (*input.shape, E)."""
def embedding_bag(input: Tensor, weight: Tensor, offsets: Tensor | None = None, max_norm: Any = None, norm_type: _float = 2, scale_grad_by_freq: _bool = False, mode: str = 'mean', sparse: _bool = False, per_sample_weights: Tensor | None = None, include_last_offset: _bool = False, padding_idx: Any = None) -> Tensor:
    """The sum, mean or maximum of the rows of `weight` (V, E) in each bag of indices: (B, E)."""
def expit(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Logistic function, 1 / (1 + e^-input)."""
def feature_alpha_dropout(input: Tensor, p: _float | str = 0.5, training: _bool = False, inplace: _bool = False) -> Tensor:
    """alpha_dropout of whole channels, input[n, c] (arXiv:1706.02515)."""
def feature_dropout(input: Tensor, p: _float | str = 0.5, training: _bool = True) -> Tensor:
    """Whole channels, input[n, c], are 0 with chance p, the others scaled by 1 / (1 - p)."""
def fold(input: Tensor, output_size: _Ints, kernel_size: _Ints, dilation: _Ints = 1, padding: _Ints | str = 0, stride: _Ints | None = 1) -> Tensor:
    """The sum of patches (N, C * kernel, blocks) laid back where `unfold` took them: (N, C, *output_size)."""
def fractional_max_pool2d(input: Tensor, kernel_size: _Ints, output_size: _Ints | None = None, output_ratio: Any = None, return_indices: _bool = False, _random_samples: Any = None) -> Tensor:
    """Maximum of overlapping windows at random steps, `output_size` of them, or that share of the input's size."""
def fractional_max_pool2d_with_indices(input: Tensor, kernel_size: _Ints, output_size: _Ints | None = None, output_ratio: Any = None, return_indices: _bool = False, _random_samples: Any = None) -> Tensor:
    """(`fractional_max_pool2d`, the flat position of each maximum in its input plane)."""
def fractional_max_pool3d(input: Tensor, kernel_size: _Ints, output_size: _Ints | None = None, output_ratio: Any = None, return_indices: _bool = False, _random_samples: Any = None) -> Tensor:
    """Maximum of overlapping windows at random steps, `output_size` of them, or that share of the input's size."""
def fractional_max_pool3d_with_indices(input: Tensor, kernel_size: _Ints, output_size: _Ints | None = None, output_ratio: Any = None, return_indices: _bool = False, _random_samples: Any = None) -> Tensor:
    """(`fractional_max_pool3d`, the flat position of each maximum in its input plane)."""
def gaussian_nll_loss(input: Tensor, target: Tensor, var: Any, full: _bool = False, eps: _float = 1e-06, reduction: str = 'mean') -> Tensor:
    """0.5 (log var + (input - target)² / var), var at least eps; `full` adds 0.5 log(2 pi)."""
def gelu(input: Tensor, *, approximate: str = 'none', out: Tensor | None = None) -> Tensor:
    """input * Phi(input), Phi the normal distribution function; or its tanh approximation (arXiv:1606.08415)."""
def glu(input: Tensor, dim: _Ints = -1, *, out: Tensor | None = None) -> Tensor:
    """The first half of `dim` times sigmoid of the second: size n becomes n / 2 (arXiv:1612.08083)."""
def grid_sample(input: Tensor, grid: Tensor, mode: str = 'bilinear', padding_mode: str = 'zeros', align_corners: Any = None) -> Tensor:
    """`input` (N, C, H, W) at the places grid (N, H', W', 2): (N, C, H', W'); 5-d inputs likewise with 3 coordinates."""
def group_norm(input: Tensor, num_groups: Any, weight: Tensor | None = None, bias: Tensor | None = None, eps: _float = 1e-05, cudnn_enabled: _bool = True) -> Tensor:
    """input (N, C, ...) normalised over each of `num_groups` groups of channels of each sample (arXiv:1803.08494)."""
def grouped_mm(mat_a: Any, mat_b: Any, *, offs: Any = None, bias: Tensor | None = None, out_dtype: Any = None) -> Tensor:
    """Products of matrices in groups; offs (G,) int32 holds where each group ends in the 2-d operands."""
def gumbel_softmax(logits: Any, tau: _int = 1, hard: _bool = False, eps: _float = 1e-10, dim: _Ints = -1) -> Tensor:
    """softmax((logits + Gumbel noise) / tau); `hard`: one-hot forward, soft gradient (arXiv:1611.01144)."""
def hardshrink(input: Tensor, lambd: _Number = 0.5, *, out: Tensor | None = None) -> Tensor:
    """`input` where |input| > lambd, else 0."""
def hardsigmoid(input: Tensor, inplace: _bool = False) -> Tensor: ...
def hardswish(input: Tensor, inplace: _bool = False) -> Tensor: ...
def hardtanh(input: Tensor, min_val: _float = -1.0, max_val: _float = 1.0, inplace: _bool = False) -> Tensor:
    """`input` limited to [min_val, max_val], with gradient only strictly inside."""
def hardtanh_(input: Tensor, min_val: _float = -1.0, max_val: _float = 1.0) -> Tensor: ...
def hinge_embedding_loss(input: Tensor, target: Tensor, margin: _float = 1.0, size_average: Any = None, reduce: Any = None, reduction: str = 'mean') -> Tensor:
    """`input`, a distance, where target is 1; max(0, margin - input) where it is -1."""
def huber_loss(input: Tensor, target: Tensor, reduction: str = 'mean', delta: _float = 1.0, weight: Tensor | None = None) -> Tensor:
    """0.5 d² where |d| <= delta, else delta (|d| - 0.5 delta)."""
def instance_norm(input: Tensor, running_mean: Tensor | None = None, running_var: Tensor | None = None, weight: Tensor | None = None, bias: Tensor | None = None, use_input_stats: _bool = True, momentum: _float = 0.1, eps: _float = 1e-05) -> Tensor:
    """input (N, C, ...): each channel of each sample normalised by itself (arXiv:1607.08022)."""
def interpolate(input: Tensor, size: _Ints | None = None, scale_factor: _float | _Sequence[_float] | None = None, mode: str = 'nearest', align_corners: Any = None, recompute_scale_factor: Any = None, antialias: _bool = False) -> Tensor:
    """`input` (N, C, spatial...) at another spatial size: `size`, or `scale_factor` times its own, rounded down."""
def kl_div(input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = 'mean', log_target: _bool = False) -> Tensor:
    """target * (log target - input), `input` being a logarithm, and `target` too with `log_target`."""
def l1_loss(input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = 'mean', weight: Tensor | None = None) -> Tensor:
    """|input - target|, the absolute error; its mean, or by `reduction` the sum or all of it ('none')."""
def layer_norm(input: Tensor, normalized_shape: _Ints, weight: Tensor | None = None, bias: Tensor | None = None, eps: _float = 1e-05, cudnn_enable: _bool = True) -> Tensor:
    """(input - mean) / sqrt(var + eps) over the last dimensions, times weight, plus bias (arXiv:1607.06450)."""
def leaky_relu(input: Tensor, negative_slope: _Number = 0.01, inplace: _bool = False) -> Tensor: ...
def leaky_relu_(input: Tensor, negative_slope: _float = 0.01) -> Tensor: ...
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None, *, out: Tensor | None = None) -> Tensor:
    """input @ weight.T + bias: (..., K), (M, K), (M,) -> (..., M)."""
def linear_cross_entropy(input: Tensor, linear_weight: Any, target: Tensor, *, linear_bias: Any = None, weight: Tensor | None = None, reduction: str = 'mean', ignore_index: Any = None, label_smoothing: _float = 0.0, options: Any = None) -> Tensor:
    """cross_entropy(linear(input, linear_weight, linear_bias), target, weight, ...)."""
def local_response_norm(input: Tensor, size: _Ints, alpha: _float = 0.0001, beta: _float = 0.75, k: _float = 1.0) -> Tensor:
    """input / (k + alpha * mean of squares over `size` neighbouring channels) ** beta (Krizhevsky et al. 2012, 3.3)."""
def log_softmax(input: Tensor, dim: _Ints | None = None, _stacklevel: _int = 3, dtype: _dtype | None = None, *, out: Tensor | None = None) -> Tensor:
    """log(softmax(input, dim)), without overflow; in `dtype` when given."""
def logsigmoid(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """log(sigmoid(input)), without overflow: -log(1 + e^-input)."""
def lp_pool1d(input: Tensor, norm_type: _float, kernel_size: _Ints, stride: _Ints | None = None, ceil_mode: _bool = False) -> Tensor:
    """(sum of input^norm_type over each 1-dimensional window)^(1/norm_type)."""
def lp_pool2d(input: Tensor, norm_type: _float, kernel_size: _Ints, stride: _Ints | None = None, ceil_mode: _bool = False) -> Tensor:
    """(sum of input^norm_type over each 2-dimensional window)^(1/norm_type)."""
def lp_pool3d(input: Tensor, norm_type: _float, kernel_size: _Ints, stride: _Ints | None = None, ceil_mode: _bool = False) -> Tensor:
    """(sum of input^norm_type over each 3-dimensional window)^(1/norm_type)."""
def margin_ranking_loss(input1: Tensor, input2: Tensor, target: Tensor, margin: _float = 0, size_average: Any = None, reduce: Any = None, reduction: str = 'mean') -> Tensor:
    """max(0, -target * (input1 - input2) + margin): target 1 says that input1 should be the larger, -1 that input2 should."""
def max_pool1d(input: Tensor, kernel_size: _Ints, stride: _Ints | None = None, padding: _Ints | str = 0, dilation: _Ints = 1, ceil_mode: _bool = False, return_indices: _bool = False) -> Tensor:
    """Maximum of 1-dimensional windows; padding counts as -inf."""
def max_pool1d_with_indices(input: Tensor, kernel_size: _Ints, stride: _Ints | None = None, padding: _Ints | str = 0, dilation: _Ints = 1, ceil_mode: _bool = False, return_indices: _bool = False) -> tuple[Tensor, ...]:
    """`max_pool1d`, and the flat position of each maximum in its input plane (int64)."""
def max_pool2d(input: Tensor, kernel_size: _Ints, stride: _Ints | None = None, padding: _Ints | str = 0, dilation: _Ints = 1, ceil_mode: _bool = False, return_indices: _bool = False) -> Tensor:
    """Maximum of 2-dimensional windows; padding counts as -inf."""
def max_pool2d_with_indices(input: Tensor, kernel_size: _Ints, stride: _Ints | None = None, padding: _Ints | str = 0, dilation: _Ints = 1, ceil_mode: _bool = False, return_indices: _bool = False) -> tuple[Tensor, ...]:
    """`max_pool2d`, and the flat position of each maximum in its input plane (int64)."""
def max_pool3d(input: Tensor, kernel_size: _Ints, stride: _Ints | None = None, padding: _Ints | str = 0, dilation: _Ints = 1, ceil_mode: _bool = False, return_indices: _bool = False) -> Tensor:
    """Maximum of 3-dimensional windows; padding counts as -inf."""
def max_pool3d_with_indices(input: Tensor, kernel_size: _Ints, stride: _Ints | None = None, padding: _Ints | str = 0, dilation: _Ints = 1, ceil_mode: _bool = False, return_indices: _bool = False) -> tuple[Tensor, ...]:
    """`max_pool3d`, and the flat position of each maximum in its input plane (int64)."""
def max_unpool1d(input: Tensor, indices: Tensor, kernel_size: _Ints, stride: _Ints | None = None, padding: _Ints | str = 0, output_size: _Ints | None = None) -> Tensor:
    """Zeros of the size that `max_pool1d` had as input, with values put back at `indices`, as it gave them."""
def max_unpool2d(input: Tensor, indices: Tensor, kernel_size: _Ints, stride: _Ints | None = None, padding: _Ints | str = 0, output_size: _Ints | None = None) -> Tensor:
    """Zeros of the size that `max_pool2d` had as input, with values put back at `indices`, as it gave them."""
def max_unpool3d(input: Tensor, indices: Tensor, kernel_size: _Ints, stride: _Ints | None = None, padding: _Ints | str = 0, output_size: _Ints | None = None) -> Tensor:
    """Zeros of the size that `max_pool3d` had as input, with values put back at `indices`, as it gave them."""
def mish(input: Tensor, inplace: _bool = False) -> Tensor: ...
def mse_loss(input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = 'mean', weight: Tensor | None = None) -> Tensor:
    """(input - target)², the squared error; its mean, or by `reduction` the sum or all of it ('none')."""
def multi_head_attention_forward(query: Tensor, key: Tensor, value: Tensor | _Number, embed_dim_to_check: Any, num_heads: Any, in_proj_weight: Tensor, in_proj_bias: Tensor, bias_k: Any, bias_v: Any, add_zero_attn: Any, dropout_p: Any, out_proj_weight: Tensor, out_proj_bias: Tensor, training: _bool = True, key_padding_mask: Tensor | None = None, need_weights: _bool = True, attn_mask: Tensor | None = None, use_separate_proj_weight: _bool = False, q_proj_weight: Any = None, k_proj_weight: Any = None, v_proj_weight: Any = None, static_k: Any = None, static_v: Any = None, average_attn_weights: _bool = True, is_causal: _bool = False) -> tuple[Tensor, ...]:
    """Attention of num_heads heads between input and output projections: (result, weights or None)."""
def multi_margin_loss(input: Tensor, target: Tensor, p: _float | str = 1, margin: _float = 1.0, weight: Tensor | None = None, size_average: Any = None, reduce: Any = None, reduction: str = 'mean') -> Tensor:
    """Mean over classes of max(0, margin - input[target] + input[i])^p, weighted by weight[target]."""
def multilabel_margin_loss(input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = 'mean') -> Tensor:
    """Sum over wanted classes j and unwanted i of max(0, 1 - input[j] + input[i]) / classes; targets end at -1."""
def multilabel_soft_margin_loss(input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None, reduce: Any = None, reduction: str = 'mean') -> Tensor:
    """The mean over classes of the cross-entropy of sigmoid(input): input and target (N, C), `weight` (C,)."""
def native_channel_shuffle(input: Tensor, groups: _int) -> Tensor:
    """(N, C, ...) with channel g * (C / groups) + k moved to k * groups + g (arXiv:1707.01083)."""
def nll_loss(input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None, ignore_index: _int = -100, reduce: Any = None, reduction: str = 'mean') -> Tensor:
    """-weight[target] * input[target]; the mean divides by the weights that counted. (N, C, ...), (N, ...) of int64."""
def normalize(input: Tensor, p: _float | str = 2.0, dim: _Ints = 1, eps: _float = 1e-12, out: Tensor | None = None) -> Tensor:
    """input / max(|input|, eps), |input| being the p-norm along `dim`: rows of norm 1, and zeros where they were."""
def one_hot(input: Tensor, num_classes: _int = -1) -> Tensor:
    """int64 zeros with a 1 at each class: shape (*input.shape, num_classes)."""
def pad(input: Tensor, pad: _Ints, mode: str = 'constant', value: Tensor | _Number | None = None) -> Tensor:
    """`input` with borders: pad holds (left, right) of the last dimension, then of the one before, and so on."""
def pairwise_distance(x1: Tensor, x2: Tensor, p: _float | str = 2.0, eps: _float = 1e-06, keepdim: _bool = False) -> Tensor:
    """The p-norm of x1 - x2 + eps over the last dimension: (..., M), (..., M) -> (...), or (..., 1) with `keepdim`."""
def pdist(input: Tensor, p: _float | str = 2.0) -> Tensor:
    """p-norm distances of each pair of rows i < j of (N, M), one after the other: (N (N - 1) / 2,)."""
def pixel_shuffle(input: Tensor, upscale_factor: Any) -> Tensor:
    """(..., C r², H, W) -> (..., C, H r, W r): r² channels become blocks of r by r pixels (arXiv:1609.05158)."""
def pixel_unshuffle(input: Tensor, downscale_factor: Any) -> Tensor:
    """(..., C, H r, W r) -> (..., C r², H, W) for r = `downscale_factor`: the inverse of `pixel_shuffle`."""
def poisson_nll_loss(input: Tensor, target: Tensor, log_input: _bool = True, full: _bool = False, size_average: Any = None, eps: _float = 1e-08, reduce: Any = None, reduction: str = 'mean') -> Tensor:
    """exp(input) - target * input (log_input), else input - target * log(input + eps); `full` adds Stirling's term."""
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """`input` above 0, weight * input below: one weight, or one for each channel, dimension 1 (arXiv:1502.01852)."""
def relu(input: Tensor, inplace: _bool = False) -> Tensor: ...
def relu6(input: Tensor, inplace: _bool = False) -> Tensor: ...
def relu_(input: Tensor) -> Tensor: ...
def rms_norm(input: Tensor, normalized_shape: _Ints, weight: Tensor | None = None, eps: _float | None = None) -> Tensor:
    """input / sqrt(mean(input²) + eps) over the last dimensions, times weight (arXiv:1910.07467)."""
def rrelu(input: Tensor, lower: _float = 0.125, upper: _float = 0.3333333333333333, training: _bool = False, inplace: _bool = False) -> Tensor:
    """leaky_relu whose slope is drawn from [lower, upper) in training, and is their mean otherwise."""
def rrelu_(input: Tensor, lower: _float = 0.125, upper: _float = 0.3333333333333333, training: _bool = False) -> Tensor: ...
def scaled_dot_product_attention(query: Tensor, key: Tensor, value: Tensor | _Number, attn_mask: Tensor | None = None, dropout_p: _float = 0.0, is_causal: _bool = False, scale: Any = None, enable_gqa: _bool = False) -> Tensor:
    """softmax(query @ key.mT * scale + mask) @ value; scale is 1 / sqrt(E) unless given."""
def scaled_grouped_mm(mat_a: Any, mat_b: Any, scale_a: Any, scale_recipe_a: Any, scale_b: Any, scale_recipe_b: Any, swizzle_a: Any = None, swizzle_b: Any = None, bias: Tensor | None = None, offs: Any = None, output_dtype: Any = ..., contraction_dim: _Ints = (), use_fast_accum: _bool = False) -> Tensor:
    """grouped_mm of float8 matrices times scales, computed in float32; scales and recipes as in scaled_mm."""
def scaled_mm(mat_a: Any, mat_b: Any, scale_a: Any, scale_recipe_a: Any, scale_b: Any, scale_recipe_b: Any, swizzle_a: Any = None, swizzle_b: Any = None, bias: Tensor | None = None, output_dtype: Any = ..., contraction_dim: _Ints = (), use_fast_accum: _bool = False) -> Tensor:
    """(mat_a * scale_a) @ (mat_b * scale_b) + bias for float8 matrices (M, K) and (K, N), computed in float32."""
def selu(input: Tensor, inplace: _bool = False) -> Tensor: ...
def selu_(input: Tensor) -> Tensor: ...
def sigmoid(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Logistic function, 1 / (1 + e^-input)."""
def silu(input: Tensor, inplace: _bool = False) -> Tensor: ...
def smooth_l1_loss(input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = 'mean', beta: _float = 1.0) -> Tensor:
    """0.5 d² / beta where |d| < beta, else |d| - 0.5 beta (arXiv:1504.08083)."""
def soft_margin_loss(input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = 'mean') -> Tensor:
    """log(1 + exp(-target * input)), for targets 1 and -1."""
def softmax(input: Tensor, dim: _Ints | None = None, _stacklevel: _int = 3, dtype: _dtype | None = None, *, out: Tensor | None = None) -> Tensor:
    """exp(input) / sum(exp(input)) along `dim`: positive rows whose sum is 1, in `dtype` when given."""
def softmin(input: Tensor, dim: _Ints | None = None, _stacklevel: _int = 3, dtype: _dtype | None = None) -> Tensor:
    """softmax(-input, dim): positive rows whose sum is 1, largest where `input` is smallest."""
def softplus(input: Tensor, beta: _Number = 1.0, threshold: _Number = 20.0, *, out: Tensor | None = None) -> Tensor:
    """log(1 + e^(beta * input)) / beta; `input` itself where beta * input > threshold."""
def softshrink(input: Tensor, lambd: _float = 0.5, *, out: Tensor | None = None) -> Tensor:
    """`input` moved towards 0 by `lambd`, 0 where it would cross it."""
def softsign(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """input / (1 + |input|), in (-1, 1)."""
def tanh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The hyperbolic tangent, (e^input - e^-input) / (e^input + e^-input), in [-1, 1]."""
def tanhshrink(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """input - tanh(input): near 0 for small numbers."""
def threshold(input: Tensor, threshold: _Number, value: _Number, inplace: _bool = False) -> Tensor: ...
def threshold_(input: Tensor, threshold: Any, value: Tensor | _Number) -> Tensor: ...
def triplet_margin_loss(anchor: Tensor, positive: Tensor, negative: Tensor, margin: _float = 1.0, p: _float | str = 2, eps: _float = 1e-06, swap: _bool = False, size_average: Any = None, reduce: Any = None, reduction: str = 'mean') -> Tensor:
    """max(0, |anchor - positive| - |anchor - negative| + margin); `swap` also looks from the positive's side."""
def triplet_margin_with_distance_loss(anchor: Tensor, positive: Tensor, negative: Tensor, *, distance_function: Any = None, margin: _float = 1.0, swap: _bool = False, reduction: str = 'mean') -> Tensor:
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), with a `distance_function` d of one's own."""
def unfold(input: Tensor, kernel_size: _Ints, dilation: _Ints = 1, padding: _Ints | str = 0, stride: _Ints | None = 1) -> Tensor:
    """Patches of (N, C, H, W) or (C, H, W) as columns: (N, C * kernel, blocks)."""
def upsample(input: Tensor, size: _Ints | None = None, scale_factor: _float | _Sequence[_float] | None = None, mode: str = 'nearest', align_corners: Any = None) -> Tensor:
    """`interpolate`, under its old name."""
def upsample_bilinear(input: Tensor, size: _Ints | None = None, scale_factor: _float | _Sequence[_float] | None = None) -> Tensor:
    """`interpolate` with mode bilinear and aligned corners, under its old name."""
def upsample_nearest(input: Tensor, size: _Ints | None = None, scale_factor: _float | _Sequence[_float] | None = None) -> Tensor:
    """`interpolate` with mode nearest, under its old name."""
def _function(input: Tensor, lower: _float = 0.125, upper: _float = 0.3333333333333333, training: _bool = False, inplace: _bool = False) -> Tensor:
    """leaky_relu whose slope is drawn from [lower, upper) in training, and is their mean otherwise."""
