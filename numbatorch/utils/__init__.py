"""Helpers around training: data loading, hooks and checkpointing."""

import copyreg
import weakref
from typing import Any

_SUBMODULES = frozenset("""
    _pytree benchmark bottleneck checkpoint collect_env cpp_extension data deterministic dlpack flop_counter hooks
    model_zoo module_tracker tensorboard
""".split())


def set_module(obj, mod):
    """Let a function or class say that it comes from module `mod`. TypeError unless that is a string."""
    if not isinstance(mod, str):
        raise TypeError("The mod argument should be a string")
    obj.__module__ = mod


def swap_tensors(t1, t2):
    """Exchange all that two tensors are: memory, class, gradient, attributes. References to them stay where they are.

    RuntimeError where one is referred to weakly, or where their classes have different slots.
    """
    for label, tensor in (("t1", t1), ("t2", t2)):
        if weakref.getweakrefs(tensor):
            raise RuntimeError(f"swap_tensors: cannot swap {label} because it has weakref associated with it")
    if set(copyreg._slotnames(type(t1))) != set(copyreg._slotnames(type(t2))):  # type: ignore[attr-defined]
        raise RuntimeError("swap_tensors: cannot swap t1 and t2 if they have different slots")
    t1.__class__, t2.__class__ = t2.__class__, t1.__class__
    from numbatorch.attributes import fields
    one, other = fields(t1), fields(t2)
    first, second = dict(one), dict(other)
    one.clear()
    one.update(second)
    other.clear()
    other.update(first)


def __getattr__(name: str) -> Any:
    """Submodules are imported when first named."""
    if name in _SUBMODULES:
        import importlib
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
