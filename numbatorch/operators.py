"""What the op table puts on Tensor: methods, in-place forms, properties and operators."""

import numpy as np

from . import calls
from .ops.declare import OPS
from .tensor import Tensor, tensor

_REFLECTED = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor", "lshift", "rshift",
              "matmul")
DUNDERS = {"add": "add", "sub": "sub", "mul": "mul", "truediv": "true_divide", "floordiv": "floor_divide",
            "mod": "remainder", "pow": "pow", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
            "lshift": "bitwise_left_shift", "rshift": "bitwise_right_shift", "matmul": "matmul"}
_COMPARE = ("lt", "le", "gt", "ge", "eq", "ne")


def install():
    """Write the calls of all declared ops and hang methods, in-place forms and operators on Tensor."""
    for op in dict.fromkeys(OPS.values()):
        if op.call is None:
            calls.write_call(op)
            if op.method:
                for name in (op.name, *op.aliases):
                    if name not in Tensor.__dict__:
                        setattr(Tensor, name, property(op.call) if op.method == "property" else op.call)
                    if op.call_inplace is not None and f"{name}_" not in Tensor.__dict__:
                        setattr(Tensor, f"{name}_", op.call_inplace)
    for python, name in DUNDERS.items():
        op = OPS.get(name)
        if op is None:
            continue
        setattr(Tensor, f"__{python}__", _operator(op.call, python))
        setattr(Tensor, f"__r{python}__", _reflected(op.call, python))
        if python == "truediv":
            Tensor.__div__, Tensor.__rdiv__ = Tensor.__truediv__, Tensor.__rtruediv__
        if op.call_inplace is not None:
            setattr(Tensor, f"__i{python}__", op.call_inplace)
    for name in _COMPARE:
        if name in OPS:
            setattr(Tensor, f"__{name}__", _operator(OPS[name].call, name))
    for python, name in (("neg", "neg"), ("pos", "positive"), ("abs", "abs")):
        if name in OPS:
            setattr(Tensor, f"__{python}__", OPS[name].call)
    Tensor.__invert__ = _invert
    from . import indexing
    indexing.install()


def _invert(self):
    """`~a`. TypeError for other dtypes than integers and bool."""
    if self._layout.dtype.category > 1:
        raise TypeError(f"~ (operator.invert) is only implemented on integer and Boolean-type tensors, not "
                        f"{self._layout.dtype}")
    return OPS["bitwise_not"].call(self)


def _operator(call, name):
    """`a + b`: NotImplemented for other things than tensors and numbers, so that Python tries the other side."""
    def operator(self, other):
        try:
            return call(self, other)
        except TypeError:
            if isinstance(other, (Tensor, int, float, complex, bool)):
                raise
            return _retry(call, self, other)
    operator.__name__ = operator.__qualname__ = f"__{name}__"
    return operator


def _reflected(call, name):
    def operator(self, other):
        if isinstance(other, np.ndarray):
            return call(tensor(other), self)
        if not isinstance(self, Tensor):
            error = AttributeError if name == "truediv" else TypeError  # as in PyTorch
            raise error(f"descriptor '__r{name}__' for Tensor objects doesn't apply to a '{type(self).__name__}' "
                        "object")
        return call(other, self)
    operator.__name__ = operator.__qualname__ = f"__r{name}__"
    return operator


def _retry(call, self, other):
    if isinstance(other, np.ndarray):
        return call(self, tensor(other))
    return NotImplemented


