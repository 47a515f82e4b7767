"""A module without the time its initialisation takes."""

import inspect

from ..modules.module import Module


def skip_init(module_cls, *args, **kwargs):
    """A module whose parameters hold whatever was in memory: for those that are loaded next anyway.

    RuntimeError for what is no module class, or one that takes no `device`.
    """
    if not (isinstance(module_cls, type) and issubclass(module_cls, Module)):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    nothing = {n: lambda self: None for n in ("reset_parameters", "_reset_parameters") if hasattr(module_cls, n)}
    made = type(module_cls.__name__, (module_cls,), nothing)(*args, **kwargs)
    made.__class__ = module_cls
    return made
