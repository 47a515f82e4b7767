"""Public names of PyTorch that are not there, and why. Asked for, they say so; `hasattr` and `getattr` with a default
see no such name."""

from .errors import MissingError

_QUANTIZED = "tensors of quantized integers (a scale and a zero point beside the values) are not there"
_REASONS = {  # owner -> {reason: names}
    "torch": {
        _QUANTIZED: """
            dequantize per_channel_affine per_channel_affine_float_qparams per_channel_symmetric per_tensor_affine
            per_tensor_symmetric q_per_channel_axis q_per_channel_scales q_per_channel_zero_points q_scale q_zero_point
            qint32 qint8 qscheme quantization quantize_per_channel quantize_per_tensor quantize_per_tensor_dynamic
            quint2x4 quint4x2 quint8""",
        "the compiled module of PyTorch has no counterpart": "classes",
    },
    "torch.Tensor": {
        _QUANTIZED: """
            dequantize q_per_channel_axis q_per_channel_scales q_per_channel_zero_points q_scale q_zero_point
            qscheme""",
    },
}
MISSING = {f"{owner}.{name}": reason for owner, groups in _REASONS.items() for reason, names in groups.items()
           for name in names.split()}


def refuse(owner, name):
    """MissingError, a NotImplementedError and AttributeError, for a name that is missing; AttributeError for others."""
    reason = MISSING.get(f"{owner}.{name}")
    if reason is None:
        raise AttributeError(f"module {owner!r} has no attribute {name!r}" if owner == "torch" else
                             f"type object {owner!r} has no attribute {name!r}")
    raise MissingError(f"{owner}.{name}: {reason} (numbatorch/README.md lists what is missing)")


def lacking(module, name, reason):
    """MissingError for whatever is asked of a module that is a face only; AttributeError for what Python asks."""
    if name.startswith("__"):
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    raise MissingError(f"{module}.{name}: {reason} (numbatorch/README.md lists what is missing)")


class Missing:
    """The place of a missing attribute of a class."""

    def __init__(self, owner):
        self.owner = owner

    def __set_name__(self, cls, name):
        self.name = name

    def __get__(self, instance, cls=None):
        refuse(self.owner, self.name)


def mark(cls, owner):
    """Give a class places for its missing attributes."""
    for key in MISSING:
        head, _, name = key.rpartition(".")
        if head == owner and not hasattr(cls, name):
            place = Missing(owner)
            place.name = name
            setattr(cls, name, place)
