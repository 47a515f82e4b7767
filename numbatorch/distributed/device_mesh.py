"""Arrangements of devices of several processes: there are none."""

from . import DeviceMesh, init_device_mesh  # type: ignore[attr-defined]

__all__ = ["DeviceMesh", "init_device_mesh"]
