"""The loops of convolution and of its two gradients, as sums of products in index notation.

Sizes: n batch, c channels in, o out, s image, k kernel; result = (s + 2p - d (k - 1) - 1) // stride + 1.
"""

from ..expr import kinds
from ..expr.tree import Expr, arg
from ..layout import Layout, layout
from .contraction import load
from .declare import contraction


def _out_size(size, kernel, stride, padding, dilation):
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


_FREE = "hwz"
_INNER = "xyv"


def _forward_nest(input, weight, bias, stride, padding, dilation, groups, out):
    """The plain nest of convolution over any number of dimensions."""
    rank = input.ndim - 2
    per_group = weight.shape[0] // groups
    place = [arg(_FREE[d]) * stride[d] + arg(_INNER[d]) * dilation[d] - padding[d] for d in range(rank)]
    channel = arg("c") if groups == 1 else (arg("o") // per_group) * weight.shape[1] + arg("c")
    element = Expr("load", "input", arg("n"), channel, *place) * load("weight", "o", "c", *_INNER[:rank])
    extents = {"n": out[0], "o": out[1], "c": weight.shape[1]}
    extents.update({_FREE[d]: out[2 + d] for d in range(rank)})
    extents.update({_INNER[d]: weight.shape[2 + d] for d in range(rank)})
    arrays = {"input": input, "weight": weight, "bias": bias if bias is not None else layout(input.dtype, ())}
    finish = arg("total") + load("bias", "o") if bias is not None else None
    return kinds.Nest(f"conv{rank}d", element, ("n", "o", *_FREE[:rank]), ("c", *_INNER[:rank]), extents, arrays,
                      [layout(input.dtype, out, None, input.device)], input.dtype.compute, finish=finish)


def _sizes(input, weight, stride, padding, dilation, groups):
    """What tells convolutions apart, for the templates: n, c, spatial sizes, o, windows and how they move."""
    return *input[:2], tuple(input[2:]), weight[0], tuple(weight[2:]), *map(tuple, (stride, padding, dilation)), groups


def _conjugate(x):
    """x conjugated, for gradients."""
    return x.conj() if x.is_complex() else x


def _grad_input(grad, input, weight, stride, padding, dilation, groups):
    return conv_input_gradient.call(grad.contiguous(), _conjugate(weight),
                                    tuple(input.shape), stride, padding, dilation, groups)


def _grad_weight(grad, input, weight, stride, padding, dilation, groups):
    return conv_weight_gradient.call(_conjugate(input), grad.contiguous(),
                                     tuple(weight.shape), stride, padding, dilation, groups)


def _grad_bias(grad):
    return grad.sum((0, *range(2, grad.ndim)))


@contraction(name="conv_forward", method=False, input=_grad_input, weight=_grad_weight, bias=_grad_bias)
def conv_forward(input, weight, bias=None, stride: tuple = (), padding: tuple = (), dilation: tuple = (),
                 groups: int = 1):
    """Cross-correlation of (N, C, *S) with (O, C / groups, *K), zero-padded: (N, O, *S')."""
    rank = input.ndim - 2
    out = (input.shape[0], weight.shape[0], *(_out_size(input.shape[2 + d], weight.shape[2 + d], stride[d], padding[d],
                                                       dilation[d]) for d in range(rank)))
    plain = _forward_nest(input, weight, bias, stride, padding, dilation, groups, out)
    if rank > 3:
        return plain
    sizes = _sizes(input.shape, weight.shape, stride, padding, dilation, groups)
    options = {"sizes": sizes, "plain": plain, "more": {"bias": bias is not None}}
    inputs = tuple(x for x in (input, weight, bias) if isinstance(x, Layout))
    return kinds.Native("contraction", "convolution_forward", inputs, plain.outputs, options)


@contraction(name="conv_input_gradient", method=False,
             grad=lambda grad, weight, stride, padding, dilation, groups: conv_forward.call(
                 grad.contiguous(), _conjugate(weight), None, stride, padding, dilation, groups),
             weight=lambda grads, gradient, weight, stride, padding, dilation, groups: conv_weight_gradient.call(
                 grads[0].contiguous(), _conjugate(gradient), tuple(weight.shape), stride, padding, dilation, groups))
def conv_input_gradient(gradient, weight, shape: tuple, stride: tuple, padding: tuple, dilation: tuple, groups: int):
    """What convolution's input of `shape` gets: the transposed convolution of `gradient` with `weight`."""
    rank = len(shape) - 2
    per_group = weight.shape[0] // groups
    # x at position p is read by output h with kernel offset k where h * stride = p + padding - k * dilation.
    terms = []
    for d in range(rank):
        reach = arg(_FREE[d]) + padding[d] - arg(_INNER[d]) * dilation[d]
        # A position that stride does not divide is sent outside the array, where loads give zero.
        terms.append(reach // stride[d] if stride[d] == 1 else
                     reach // stride[d] - (reach % stride[d]) * (gradient.shape[2 + d] * stride[d] + shape[2 + d] + 1))
    channels = weight.shape[1]
    if groups == 1:
        out_channel, weight_channel = arg("o"), arg("c")
    else:
        out_channel, weight_channel = (arg("c") // channels) * per_group + arg("o"), arg("c") % channels
    element = Expr("load", "gradient", arg("n"), out_channel, *terms) * Expr(
        "load", "weight", out_channel, weight_channel, *(arg(_INNER[d]) for d in range(rank)))
    extents = {"n": shape[0], "c": shape[1], "o": per_group, **{_FREE[d]: shape[2 + d] for d in range(rank)},
               **{_INNER[d]: weight.shape[2 + d] for d in range(rank)}}
    plain = kinds.Nest(f"conv{rank}d_input_gradient", element, ("n", "c", *_FREE[:rank]), ("o", *_INNER[:rank]),
                       extents, {"gradient": gradient, "weight": weight},
                       [layout(gradient.dtype, shape, None, gradient.device)], gradient.dtype.compute)
    if rank > 3:
        return plain
    options = {"sizes": _sizes(shape, weight.shape, stride, padding, dilation, groups), "plain": plain}
    return kinds.Native("contraction", "convolution_input_gradient", (gradient, weight), plain.outputs, options)


@contraction(name="conv_weight_gradient", method=False,
             input=lambda grads, input, gradient, stride, padding, dilation, groups: conv_input_gradient.call(
                 _conjugate(gradient), grads[0].contiguous(), tuple(input.shape), stride, padding, dilation, groups),
             gradient=lambda grads, input, stride, padding, dilation, groups: conv_forward.call(
                 _conjugate(input), grads[0].contiguous(), None, stride, padding, dilation, groups))
def conv_weight_gradient(input, gradient, shape: tuple, stride: tuple, padding: tuple, dilation: tuple, groups: int):
    """What convolution's weight of `shape` gets: the correlation of input and `gradient`."""
    rank = len(shape) - 2
    per_group = shape[0] // groups
    place = [arg(_FREE[d]) * stride[d] + arg(_INNER[d]) * dilation[d] - padding[d] for d in range(rank)]
    channel = arg("c") if groups == 1 else (arg("o") // per_group) * shape[1] + arg("c")
    element = Expr("load", "input", arg("n"), channel, *place) * load("gradient", "n", "o", *_FREE[:rank])
    extents = {"n": input.shape[0], "o": shape[0], "c": shape[1],
               **{_FREE[d]: gradient.shape[2 + d] for d in range(rank)},
               **{_INNER[d]: shape[2 + d] for d in range(rank)}}
    plain = kinds.Nest(f"conv{rank}d_weight_gradient", element, ("o", "c", *_INNER[:rank]), ("n", *_FREE[:rank]),
                       extents, {"input": input, "gradient": gradient},
                       [layout(input.dtype, shape, None, input.device)], input.dtype.compute)
    if rank > 3:
        return plain
    sizes = _sizes(input.shape, shape, stride, padding, dilation, groups)
    options = {"sizes": sizes, "plain": plain}
    return kinds.Native("contraction", "convolution_weight_gradient", (input, gradient), plain.outputs, options)
