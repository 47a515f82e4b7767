"""Switches and questions of PyTorch's compiled module. Programs set them before they measure; here they steer nothing:
what is set is kept, and handed back.
"""

from .device import device

# Of TorchScript's optimizations, as they stand at first. `_jit_set_<name>` returns the value before.
_SETTINGS = {"profiling_executor": True, "profiling_mode": True, "autocast_mode": True, "llga_enabled": False,
             "texpr_reductions_enabled": False, "bailout_depth": 20}
# These return nothing.
_SILENT = {"texpr_fuser_enabled": True, "texpr_dynamic_shape_enabled": False, "nvfuser_enabled": False}
_FUSES = {"cpu": False, "gpu": False, "cpu_legacy": False}
__all__ = ["Graph", "Value", "_cuda_isInBadFork", "_get_accelerator", "_nn"]


def _enter(name, function, doc):
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    globals()[name] = function
    __all__.append(name)


def _setting(name, values, setter, getter, returns):
    def set_(value):
        before, values[name] = values[name], value
        return before if returns else None

    def get():
        return values[name]
    _enter(setter, set_, f"Set {name} of TorchScript, whose functions run as Python here: kept, without effect.")
    if getter is not None:
        _enter(getter, get, f"What {setter} set.")


for _name in _SETTINGS:
    _setting(_name, _SETTINGS, f"_jit_set_{_name}", None, True)
for _name in _SILENT:
    _setting(_name, _SILENT, f"_jit_set_{_name}", f"_jit_{_name}", False)
for _name in _FUSES:
    _setting(_name, _FUSES, f"_jit_override_can_fuse_on_{_name}", f"_jit_can_fuse_on_{_name}", False)


class Graph:
    """TorchScript's graphs, for annotations that name them: none are made."""


class Value:
    """Values in TorchScript's graphs, for annotations that name them."""


def _get_accelerator():
    """The device that computes where one is there, else the CPU."""
    from . import accelerator
    return accelerator.current_accelerator() if accelerator.is_available() else device("cpu")


def _cuda_isInBadFork():
    """Whether this process was forked from one that used a GPU, which the child then cannot."""
    from .cuda import runtime
    return runtime.is_forked()


class _nn:
    """Functions behind `torch.nn`."""

    @staticmethod
    def _parse_to(*args, non_blocking=False, memory_format=None, **kwargs):
        """(device, dtype, non_blocking, memory_format) of a call of `Module.to` or `Tensor.to`."""
        from .tensor_moves import parse_to
        dtype, place, _ = parse_to(*args, **kwargs)
        return place, dtype, non_blocking or next((a for a in args if isinstance(a, bool)), False), memory_format
