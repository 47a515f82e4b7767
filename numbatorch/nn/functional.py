"""Functions on tensors that neural networks are made of: all that the op table declares for `nn.functional`."""

import inspect

from ..ops import OPS, namespace
from ..ops.grouped import ScalingType, SwizzleType  # noqa: F401

# Functions that take `inplace`; the op table knows their in-place forms under `name_`.
_INPLACE = ("relu", "relu6", "leaky_relu", "elu", "celu", "selu", "hardtanh", "hardsigmoid", "hardswish", "silu",
            "mish", "threshold", "rrelu")
# Those that are also there as `name_`.
_CHANGING = ("celu", "elu", "hardtanh", "leaky_relu", "relu", "rrelu", "selu", "threshold")


def _with_inplace(name, function):
    """`function` with a last argument that lets the result replace the input, written out for its parameters."""
    changing = OPS[f"nn.functional.{name}"].call_inplace or _by_copy(function)
    parameters = [p for p in inspect.signature(function).parameters.values() if p.name != "out"]
    head = "".join(f"{p.name}, " if p.default is p.empty else f"{p.name}=default_{p.name}, " for p in parameters)
    passed = ", ".join(p.name for p in parameters)
    names = {f"default_{p.name}": p.default for p in parameters} | {"function": function, "changing": changing}
    source = f"def {name}({head}inplace=False):\n    return changing({passed}) if inplace else function({passed})\n"
    exec(source, names)
    made = names[name]
    made.__doc__, made.__module__ = function.__doc__, __name__
    return made


def _changing(name, function):
    """`function` with its last argument, `inplace`, set."""
    parameters = [p for p in inspect.signature(function).parameters.values() if p.name != "inplace"]
    head = ", ".join(p.name if p.default is p.empty else f"{p.name}=default_{p.name}" for p in parameters)
    names = {f"default_{p.name}": p.default for p in parameters} | {"function": function}
    exec(f"def {name}_({head}):\n    return function({', '.join(p.name for p in parameters)}, inplace=True)\n", names)
    made = names[f"{name}_"]
    made.__doc__, made.__module__ = f"In-place form of `{name}`: the result replaces the input.", __name__
    return made


def _by_copy(function):
    def changing(input, *args):
        return input.copy_(function(input.clone(), *args))
    return changing


globals().update(namespace("nn.functional"))
for _name in _INPLACE:
    _function = globals().get(_name)
    if _function is not None:
        if "inplace" not in inspect.signature(_function).parameters:
            globals()[_name] = _with_inplace(_name, _function)
for _name in _CHANGING:
    globals()[f"{_name}_"] = _changing(_name, globals()[_name])
