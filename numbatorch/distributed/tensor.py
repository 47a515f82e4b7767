"""Tensors spread over processes. There are none here, which programs learn by isinstance(); making one is refused."""

from . import absent_class, refusal
from .device_mesh import DeviceMesh, init_device_mesh

_CLASSES = "DTensor Partial Placement Replicate Shard".split()
_ORDERS = """
    distribute_module distribute_tensor empty full ones rand randn zeros
""".split()
globals().update({name: absent_class(name, __name__) for name in _CLASSES})
globals().update({name: refusal(f"tensor.{name}") for name in _ORDERS})

__all__ = ["DeviceMesh", "init_device_mesh", *_CLASSES, *_ORDERS]  # noqa: PLE0604
