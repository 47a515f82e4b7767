"""Names of PyTorch's compiled module that programs use; here they are Python."""

from .subclassing import DisableTorchFunctionSubclass, disabled_torch_function as _disabled_torch_function_impl

DisableTorchFunction = DisableTorchFunctionSubclass

__all__ = ["DisableTorchFunction", "DisableTorchFunctionSubclass", "_disabled_torch_function_impl"]
