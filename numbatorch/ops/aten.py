"""PyTorch's operators under their internal names, for programs that call `torch.ops.aten.add.Tensor(a, b)`.

A name is looked up in the op table when it is first asked for: among the internal operators (ops/internal.py), then
among all others. `linalg_`, `fft_` and `special_` stand for those namespaces, and a last `_` for the form in place.
"""

from importlib import import_module as _import_module

from .declare import OPS as _OPS

_NAMESPACES = ("ops.aten", "", "nn.functional", "Tensor")
# What PyTorch calls the versions of an operator for different arguments; here they are one function.
_OVERLOADS = frozenset(
    "default Tensor Scalar Tensor_Scalar Scalar_Tensor Tensor_Tensor Tensor_mode Scalar_mode Tensor_indices self input "
    "other int dim dims dim_IntList dim_int dim_max dim_min dim_values dim_dtype dim_ScalarOpt_dim correction "
    "names dimname unary_ dtype dtype_layout device prim_Device like mode value src reduce value_reduce weight vec "
    "sizes start start_step end step ScalarSelf ScalarOther ScalarInt no_stats using_ints from_to float_Tensor "
    "Tensor_float float_float rounding_mode Dimname stable".split())


class _Operator:
    """One operator: call it, or one of its overloads (`add.default`, `add.Tensor`, `add.out`), which are the same:
    they compare equal."""

    def __init__(self, name, call, overload=""):
        self._call, self._name, self._overload = call, name, overload
        self.__name__ = f"{name}.{overload}" if overload else name
        self.__qualname__, self.__module__, self.__doc__ = self.__name__, __name__, call.__doc__

    def __call__(self, /, *args, **kwargs):
        if "self" in kwargs:  # PyTorch's schemas name the first operand so
            kwargs["input"] = kwargs.pop("self")
        return self._call(*args, **kwargs)

    def __getattr__(self, overload):
        if self._overload or not (overload in _OVERLOADS or overload.endswith("out")):
            raise AttributeError(f"The underlying op of 'aten.{self._name}' has no overload name {overload!r}")
        found = _Operator(self._name, self._call, overload)
        setattr(self, overload, found)
        return found

    def __eq__(self, other):
        return self._name == other._name if isinstance(other, _Operator) else NotImplemented

    def __hash__(self):
        return hash(self._name)

    def name(self):
        """The operator's qualified name, such as aten::add.Tensor."""
        return f"aten::{self.__name__}".removesuffix(".default")

    def __repr__(self):
        if not self._overload:
            return f"<OpOverloadPacket(op='aten.{self._name}')>"
        return f"<OpOverload(op='aten.{self._name}', overload='{self._overload}')>"


def _find(name):
    """The function behind an operator's name, or None."""
    keys = [f"{space}.{name}" if space else name for space in _NAMESPACES]
    prefix, _, rest = name.partition("_")
    if prefix in ("linalg", "fft", "special") and rest:
        keys.append(f"{prefix}.{rest}")
    if name.startswith("_"):  # other names of this kind are of numbatorch's own
        keys = keys[:1]
    for key in keys:
        if key in _OPS:
            return _OPS[key].call
    if name.endswith("_") and not name.endswith("__"):
        for key in (k[:-1] for k in keys):
            if key in _OPS and _OPS[key].call_inplace is not None:
                return _OPS[key].call_inplace
    for module in ("creation", "randomness"):
        makers = _import_module(f"...{module}", __name__)
        if name in makers.FUNCTIONS:
            return getattr(makers, name)
    return None


def __getattr__(name):
    call = None if name.startswith("__") else _find(name)
    if call is None:
        raise AttributeError(f"numbatorch.ops.aten has no operator {name!r}")
    found = globals()[name] = _Operator(name, call)
    return found
