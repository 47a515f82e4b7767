"""Names of PyTorch's compiled module that programs use; here they are Python."""

import enum

from .subclassing import DisableTorchFunctionSubclass, disabled_torch_function as _disabled_torch_function_impl
from .switches import *  # noqa: F403
from .switches import __all__ as _switches
from .tensor import Tensor

DisableTorchFunction = DisableTorchFunctionSubclass
_TensorMeta = type(Tensor)  # packages derive the classes of their stand-ins for tensors from it

DispatchKey = enum.Enum("DispatchKey", """
    Undefined CPU CUDA XPU MPS Meta Dense Sparse SparseCPU SparseCUDA SparseMeta Quantized QuantizedCPU
    BackendSelect Python PythonTLSSnapshot Functionalize ADInplaceOrView
    Autograd AutogradCPU AutogradCUDA AutogradXPU AutogradMPS AutogradMeta AutogradOther AutogradFunctionality
    AutocastCPU AutocastCUDA AutocastXPU AutocastMPS FuncTorchBatched FuncTorchVmapMode FuncTorchDynamicLayerFrontMode
    CompositeExplicitAutograd CompositeImplicitAutograd CompositeExplicitAutogradNonFunctional
""", module=__name__)
DispatchKey.__doc__ = "Names of kinds of calls, for programs that name them: nothing is dispatched by them here."


class DispatchKeySet:
    """DispatchKeySet(key): a set of DispatchKeys, with |, &, - and has()."""

    def __init__(self, *keys):
        self._keys = frozenset(keys)

    def __or__(self, other):
        return DispatchKeySet(*self._keys | other._keys)

    def __and__(self, other):
        return DispatchKeySet(*self._keys & other._keys)

    def __sub__(self, other):
        return DispatchKeySet(*self._keys - other._keys)

    def __eq__(self, other):
        return isinstance(other, DispatchKeySet) and self._keys == other._keys

    def __hash__(self):
        return hash(self._keys)

    def has(self, key):
        """Whether a key is in the set."""
        return key in self._keys

    def __repr__(self):
        return f"DispatchKeySet({', '.join(k.name for k in DispatchKey if k in self._keys)})"


def _log_api_usage_once(name):
    """Count a use of an interface: nothing is counted here."""


def _get_tracing_state():
    """What a trace has recorded so far: None, since jit.trace runs the function and records nothing."""


__all__ = ["DisableTorchFunction", "DisableTorchFunctionSubclass", "DispatchKey", "DispatchKeySet",
           "_disabled_torch_function_impl", "_get_tracing_state", "_log_api_usage_once", *_switches]
