"""Neural networks: modules, parameters, functions on tensors, initialisation and helpers."""

from . import attention, common_types, functional, grad, init, modules, parallel, parameter, utils
from .factory import factory_kwargs
from .modules import *  # noqa: F403
from .modules import __all__ as _module_names
from .parallel import DataParallel
from .parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

__all__ = ["Buffer", "DataParallel", "Parameter", "UninitializedBuffer", "UninitializedParameter", "attention",
           "common_types", "factory_kwargs", "functional", "grad", "init", "modules", "parallel", "parameter", "utils",
           *_module_names]
