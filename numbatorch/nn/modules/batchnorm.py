"""Normalisation over batch and positions, channel by channel: BatchNorm, InstanceNorm."""

from __future__ import annotations

import warnings
from typing import Any

import numbatorch
from numbatorch import Tensor

from .. import functional as F, init
from ..parameter import Parameter
from .module import Module


class _NormBase(Module):
    """Running statistics and an affine map for each channel."""

    _version = 2  # 2 counts the batches
    __constants__ = ["track_running_stats", "momentum", "eps", "num_features", "affine"]
    _dims: tuple[int, ...] = ()
    num_features: int

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
                 track_running_stats: bool = True, device: Any = None, dtype: Any = None, *, bias: bool = True) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        options = {"device": device, "dtype": dtype}
        self.register_parameter("weight", Parameter(numbatorch.empty(num_features, **options)) if affine else None)
        self.register_parameter("bias",
                                Parameter(numbatorch.empty(num_features, **options)) if affine and bias else None)
        tracked = track_running_stats
        self.register_buffer("running_mean", numbatorch.zeros(num_features, **options) if tracked else None)
        self.register_buffer("running_var", numbatorch.ones(num_features, **options) if tracked else None)
        self.register_buffer("num_batches_tracked",
                             numbatorch.tensor(0, dtype=numbatorch.int64, device=device) if tracked else None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget what was measured: mean 0, variance 1, no batches."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() not in self._dims:
            expected = " or ".join(f"{n}D" for n in self._dims)
            raise ValueError(f"expected {expected} input (got {input.dim()}D input)")

    def extra_repr(self) -> str:
        return (f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
                f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}")

    def _load_from_state_dict(self, state_dict: Any, prefix: str, local_metadata: dict, *rest: Any) -> None:
        key = prefix + "num_batches_tracked"
        if local_metadata.get("version", 1) < 2 and self.track_running_stats and key not in state_dict:
            count = self.num_batches_tracked  # the first version saved no count
            state_dict[key] = numbatorch.tensor(0, dtype=numbatorch.int64) if count is None else count
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


class _BatchNorm(_NormBase):
    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        mean, variance, factor = self.running_mean, self.running_var, self.momentum
        if self.training:
            if not self.track_running_stats:
                mean = variance = None
            elif self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
                if factor is None:  # the plain average of all batches so far
                    factor = 1.0 / float(self.num_batches_tracked)
        measures = self.training or (mean is None and variance is None)
        return F.batch_norm(input, mean, variance, self.weight, self.bias, measures,
                            0.0 if factor is None else factor, self.eps)


class BatchNorm1d(_BatchNorm):
    """(input - mean) / sqrt(variance + eps) * weight + bias with statistics over N and L. input (N, C) or (N, C, L).

    In training with the batch's own mean and variance, after `eval()` with running averages of them.
    Ioffe & Szegedy 2015, arXiv:1502.03167.
    """

    _dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """(input - mean) / sqrt(variance + eps) * weight + bias with statistics over N, H, W. input (N, C, H, W)."""

    _dims = (4,)


class BatchNorm3d(_BatchNorm):
    """(input - mean) / sqrt(variance + eps) * weight + bias with statistics over N, D, H, W. input (N, C, D, H, W)."""

    _dims = (5,)


class SyncBatchNorm(_BatchNorm):
    """BatchNorm over the batches of all processes of a group. input (N, C) or (N, C, ...).

    numbatorch runs in one process, so that the statistics are those of its batch. ValueError for an input of less than
    two dimensions or without channels; NotImplementedError where `process_group` is given.
    """

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
                 track_running_stats: bool = True, process_group: Any = None, device: Any = None, dtype: Any = None, *,
                 bias: bool = True) -> None:
        if process_group is not None:
            raise NotImplementedError("SyncBatchNorm: process_group needs processes that talk to each other, which "
                                      "numbatorch does not have; leave it out to normalise over this process's batch")
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = None

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"SyncBatchNorm: input must have a batch and channels, (N, C, ...), got "
                             f"{tuple(input.shape)}")
        if input.shape[1] == 0:
            raise ValueError(f"SyncBatchNorm: there are no channels to normalise in input {tuple(input.shape)}")

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any = None) -> Module:
        """`module` with every BatchNorm in it replaced by a SyncBatchNorm of the same parameters and buffers."""
        made = module
        if isinstance(module, _BatchNorm):
            made = cls(module.num_features, module.eps, module.momentum, module.affine, module.track_running_stats,
                       process_group, bias=module.bias is not None)
            made.training = module.training
            for name, parameter in module._parameters.items():
                made.register_parameter(name, parameter)
            for name, buffer in module._buffers.items():
                made.register_buffer(name, buffer)
        for name, child in module.named_children():
            made.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return made


class _InstanceNorm(_NormBase):
    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = False,
                 track_running_stats: bool = False, device: Any = None, dtype: Any = None, *,
                 bias: bool = True) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        single = input.dim() == self._dims[0]  # no batch dimension
        channels = input.shape[0 if single else 1]
        if channels != self.num_features:
            if self.affine:
                raise ValueError(f"expected input's size at dim={0 if single else 1} to match num_features "
                                 f"({self.num_features}), but got: {channels}.")
            warnings.warn(f"input's size at dim={0 if single else 1} does not match num_features. You can silence this "
                          "warning by not passing in num_features, which is not used because affine=False",
                          stacklevel=2)
        result = F.instance_norm(input.unsqueeze(0) if single else input, self.running_mean, self.running_var,
                                 self.weight, self.bias, self.training or not self.track_running_stats,
                                 0.0 if self.momentum is None else self.momentum, self.eps)
        return result.squeeze(0) if single else result


class InstanceNorm1d(_InstanceNorm):
    """Each channel of each sample normalised by its own mean and variance. input (N, C, L) or (C, L)."""

    _dims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Each channel of each sample normalised by its own mean and variance. input (N, C, H, W) or (C, H, W)."""

    _dims = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Each channel of each sample normalised by its own mean and variance. input (N, C, D, H, W) or (C, D, H, W)."""

    _dims = (4, 5)
