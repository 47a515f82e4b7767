"""Batch norm folded into the layer before it, for inference."""

import copy

import numbatorch as torch

from ..parameter import Parameter


def fuse_conv_bn_weights(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, transpose=False):
    """(weight, bias) of the convolution that does both:
    w gamma / sqrt(var + eps) and (b - mean) gamma / sqrt(var + eps) + beta."""
    own = conv_w.dtype
    scale = torch.rsqrt(bn_rv + bn_eps) * (1 if bn_w is None else bn_w)
    shape = [1] * conv_w.ndim
    shape[1 if transpose else 0] = -1
    bias = (0 if conv_b is None else conv_b) - bn_rm
    shift = torch.zeros_like(bn_rm) if bn_b is None else bn_b
    return (Parameter((conv_w * scale.reshape(shape)).to(own), conv_w.requires_grad),
            Parameter((bias * scale + shift).to(own), conv_w.requires_grad if conv_b is None else conv_b.requires_grad))


def _checked(first, bn, name):
    if first.training or bn.training:
        raise AssertionError(f"{name}: Fusion only for eval!")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError(f"{name}: the batch norm has no running statistics")
    return copy.deepcopy(first)


def fuse_conv_bn_eval(conv, bn, transpose=False):
    """A convolution that does what `conv` and then `bn` do, both in eval mode. AssertionError in training."""
    fused = _checked(conv, bn, "fuse_conv_bn_eval")
    fused.weight, fused.bias = fuse_conv_bn_weights(fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps,
                                                    bn.weight, bn.bias, transpose)
    return fused


def fuse_linear_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b):
    """(weight, bias) of the linear layer that does both."""
    scale = bn_w * torch.rsqrt(bn_rv + bn_eps)
    bias = (0 if linear_b is None else linear_b) - bn_rm
    return (Parameter((linear_w * scale.unsqueeze(-1)).to(linear_w.dtype), linear_w.requires_grad),
            Parameter((bias * scale + bn_b).to(linear_w.dtype), linear_w.requires_grad if linear_b is None
                      else linear_b.requires_grad))


def fuse_linear_bn_eval(linear, bn):
    """A linear layer that does what `linear` and then `bn` do, both in eval mode. AssertionError in training, or where
    the batch norm has more than one feature and not the layer's number of them."""
    fused = _checked(linear, bn, "fuse_linear_bn_eval")
    if linear.out_features != bn.num_features and bn.num_features != 1:
        raise AssertionError("To fuse, linear.out_features == bn.num_features or bn.num_features == 1")
    fused.weight, fused.bias = fuse_linear_bn_weights(fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps,
                                                      bn.weight, bn.bias)
    return fused
