"""Lazy modules: layers that learn the size of their input from the first input they get.

    model = nn.Sequential(nn.LazyConv2d(8, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(10))
    model(example)      # parameters get their shapes, and the layers become Conv2d and Linear

Until then their parameters are UninitializedParameter. A state dict with shapes gives its shapes to the module that
loads it.
"""

from __future__ import annotations

from typing import Any

import numbatorch
from numbatorch import Tensor

from ..parameter import UninitializedBuffer, UninitializedParameter, is_lazy
from . import batchnorm, conv, linear


class LazyModuleMixin:
    """Turns a module into a lazy one: a class lists it before its ordinary base.

    `initialize_parameters(*args, **kwargs)` gets the arguments of the first call and gives parameters their shapes;
    then the module's class becomes `cls_to_become`. Write `reset_parameters` so that it does nothing before that.
    """

    cls_to_become: type | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        module: Any = self
        self._load_hook = module._register_load_state_dict_pre_hook(self._lazy_load_hook)
        self._initialize_hook = module.register_forward_pre_hook(self._infer_parameters, with_kwargs=True)

    def _own_tensors(self: Any) -> list[tuple[str, Any]]:
        return [*self._parameters.items(), *self._buffers.items()]

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer of this module, not of those below it, has no shape yet."""
        return any(is_lazy(tensor) for _, tensor in self._own_tensors())

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Give parameters their shapes, from the arguments of a call."""
        raise NotImplementedError(f"initialize_parameters is not implemented for {type(self).__name__}")

    def _lazy_load_hook(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        """Take shapes from the tensors that are about to be loaded."""
        for name, tensor in self._own_tensors():
            given = state_dict.get(prefix + name)
            if is_lazy(tensor) and given is not None and not is_lazy(given):
                with numbatorch.no_grad():
                    tensor.materialize(given.shape)

    def _infer_parameters(self, module: Any, args: tuple, kwargs: dict | None = None) -> None:
        """Runs before the first call."""
        module.initialize_parameters(*args, **(kwargs or {}))
        if module.has_uninitialized_params():
            raise RuntimeError(f"module {type(module).__name__} has not been fully initialized: its "
                               "initialize_parameters left parameters without a shape")
        module._initialize_hook.remove()
        module._load_hook.remove()
        del module._initialize_hook, module._load_hook
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become


class _Lazy(LazyModuleMixin):
    """A lazy layer of numbatorch: its base is made with sizes of 0, and starts its values once it has shapes."""

    bias: Any

    def reset_parameters(self) -> None:
        base: Any = super()
        if "_initialize_hook" in self.__dict__ and not self.has_uninitialized_params():
            base.reset_parameters()


def _fresh(wanted: bool, device: Any, dtype: Any) -> UninitializedParameter | None:
    return UninitializedParameter(device=device, dtype=dtype) if wanted else None


class LazyLinear(_Lazy, linear.Linear):
    """Linear with the in_features of its first input."""

    cls_to_become = linear.Linear
    weight: Any

    def __init__(self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(0, 0, False)
        self.out_features = out_features
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.bias = _fresh(bias, device, dtype)

    def initialize_parameters(self, input: Tensor) -> None:
        if self.has_uninitialized_params():
            with numbatorch.no_grad():
                self.in_features = input.shape[-1]
                self.weight.materialize((self.out_features, self.in_features))
                if self.bias is not None:
                    self.bias.materialize((self.out_features,))
                self.reset_parameters()
        self.in_features = self.weight.shape[-1]


class _LazyConvNd(_Lazy):
    """What lazy convolutions share."""

    def _begin(self: Any, out_channels: int, bias: bool, device: Any, dtype: Any) -> None:
        self.out_channels = out_channels
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.bias = _fresh(bias, device, dtype)

    def initialize_parameters(self: Any, input: Tensor, *rest: Any, **more: Any) -> None:
        n = len(self.kernel_size)
        if input.dim() not in (n + 1, n + 2):
            raise RuntimeError(f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {type(self).__name__}, "
                               f"but got input of size: {tuple(input.shape)}")
        channels = input.shape[-n - 1]
        if self.has_uninitialized_params():
            for name, count in (("in_channels", channels), ("out_channels", self.out_channels)):
                if count % self.groups:
                    raise ValueError(f"{name} must be divisible by groups, but got {name}={count}, "
                                     f"groups={self.groups}")
            with numbatorch.no_grad():
                self.in_channels = channels
                outer = (channels, self.out_channels) if self.transposed else (self.out_channels, channels)
                self.weight.materialize((outer[0], outer[1] // self.groups, *self.kernel_size))
                if self.bias is not None:
                    self.bias.materialize((self.out_channels,))
                self.reset_parameters()
        self.in_channels = self.weight.shape[0] if self.transposed else self.weight.shape[1] * self.groups


class _LazyConv(_LazyConvNd):
    def __init__(self, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
                 groups: int = 1, bias: bool = True, padding_mode: str = "zeros", device: Any = None,
                 dtype: Any = None) -> None:
        super().__init__(0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode)
        self._begin(out_channels, bias, device, dtype)


class _LazyConvTranspose(_LazyConvNd):
    def __init__(self, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
                 groups: int = 1, bias: bool = True, dilation: Any = 1, padding_mode: str = "zeros",
                 device: Any = None, dtype: Any = None) -> None:
        super().__init__(0, 0, kernel_size, stride, padding, output_padding, groups, False, dilation, padding_mode)
        self._begin(out_channels, bias, device, dtype)


class LazyConv1d(_LazyConv, conv.Conv1d):
    """Conv1d with the in_channels of its first input."""

    cls_to_become = conv.Conv1d


class LazyConv2d(_LazyConv, conv.Conv2d):
    """Conv2d with the in_channels of its first input."""

    cls_to_become = conv.Conv2d


class LazyConv3d(_LazyConv, conv.Conv3d):
    """Conv3d with the in_channels of its first input."""

    cls_to_become = conv.Conv3d


class LazyConvTranspose1d(_LazyConvTranspose, conv.ConvTranspose1d):
    """ConvTranspose1d with the in_channels of its first input."""

    cls_to_become = conv.ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTranspose, conv.ConvTranspose2d):
    """ConvTranspose2d with the in_channels of its first input."""

    cls_to_become = conv.ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTranspose, conv.ConvTranspose3d):
    """ConvTranspose3d with the in_channels of its first input."""

    cls_to_become = conv.ConvTranspose3d


class _LazyNorm(_Lazy):
    def __init__(self, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
                 track_running_stats: bool = True, device: Any = None, dtype: Any = None, *,
                 bias: bool = True) -> None:
        super().__init__(0, eps, momentum, False, False)
        own: Any = self
        own.affine, own.track_running_stats = affine, track_running_stats
        own.weight, own.bias = _fresh(affine, device, dtype), _fresh(affine and bias, device, dtype)
        if track_running_stats:
            own.running_mean = UninitializedBuffer(device=device, dtype=dtype)
            own.running_var = UninitializedBuffer(device=device, dtype=dtype)
            own.num_batches_tracked = numbatorch.tensor(0, dtype=numbatorch.int64, device=device)

    def initialize_parameters(self: Any, input: Tensor) -> None:
        known = next((x.shape[0] for x in (self.weight, self.running_mean) if x is not None and not is_lazy(x)), None)
        # Without a batch, which InstanceNorm allows, PyTorch takes dimension 1 too.
        self.num_features = input.shape[1] if known is None else known
        if self.has_uninitialized_params():
            for tensor in (self.weight, self.bias, self.running_mean, self.running_var):
                if is_lazy(tensor):
                    tensor.materialize((self.num_features,))
            self.reset_parameters()


class LazyBatchNorm1d(_LazyNorm, batchnorm.BatchNorm1d):
    """BatchNorm1d with the num_features of its first input."""

    cls_to_become = batchnorm.BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, batchnorm.BatchNorm2d):
    """BatchNorm2d with the num_features of its first input."""

    cls_to_become = batchnorm.BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, batchnorm.BatchNorm3d):
    """BatchNorm3d with the num_features of its first input."""

    cls_to_become = batchnorm.BatchNorm3d


class LazyInstanceNorm1d(_LazyNorm, batchnorm.InstanceNorm1d):
    """InstanceNorm1d with the num_features of its first input."""

    cls_to_become = batchnorm.InstanceNorm1d


class LazyInstanceNorm2d(_LazyNorm, batchnorm.InstanceNorm2d):
    """InstanceNorm2d with the num_features of its first input."""

    cls_to_become = batchnorm.InstanceNorm2d


class LazyInstanceNorm3d(_LazyNorm, batchnorm.InstanceNorm3d):
    """InstanceNorm3d with the num_features of its first input."""

    cls_to_become = batchnorm.InstanceNorm3d
