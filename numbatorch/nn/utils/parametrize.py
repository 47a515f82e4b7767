"""Parametrizations: a parameter that is computed from others whenever it is read.

    register_parametrization(layer, "weight", Symmetric())

makes `layer.weight` the value of `Symmetric()(original)`, where `original` is what is trained. Several can be stacked.
A module with parametrizations gets a class of its own, "ParametrizedLinear", with a property for each such tensor.
"""

from __future__ import annotations

import contextlib
import copy
from typing import Any

from numbatorch import Tensor, no_grad

from ..modules.container import ModuleDict, ModuleList
from ..modules.module import Module
from ..parameter import Parameter

_cache: dict = {}
_cache_depth = 0


@contextlib.contextmanager
def cached():
    """Inside, each parametrized tensor is computed once and kept until the context ends."""
    global _cache_depth
    _cache_depth += 1
    try:
        yield
    finally:
        _cache_depth -= 1
        if not _cache_depth:
            _cache.clear()


def _register(module: Module, name: str, value: Tensor) -> None:
    if isinstance(value, Parameter):
        module.register_parameter(name, value)
    else:
        module.register_buffer(name, value)


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, in the order of their application, and what is trained: `original`, or
    `original0`, `original1`, ... where `right_inverse` gives several tensors.

    Calling it computes the tensor. unsafe: take shapes and dtypes as they come. ValueError where the parametrizations
    change the tensor's shape or dtype and `unsafe` is False.
    """

    def __init__(self, modules, original: Tensor | Parameter, unsafe: bool = False) -> None:
        if not modules:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        shape = original.shape
        inverse: Any = original
        with no_grad():
            for m in reversed(list(self)):
                if hasattr(m, "right_inverse"):
                    try:
                        inverse = m.right_inverse(inverse)
                    except NotImplementedError:
                        pass
        if not isinstance(inverse, (Tensor, list, tuple)):
            raise ValueError("'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). Got "
                             f"{type(inverse).__name__}")
        self.is_tensor = isinstance(inverse, Tensor)
        self.ntensors = 1 if isinstance(inverse, Tensor) else len(inverse)
        if isinstance(inverse, Tensor):
            if not unsafe and original.dtype is not inverse.dtype:
                raise ValueError(f"When `right_inverse` outputs one tensor, it may not change the "
                                 "dtype.\noriginal.dtype: "
                                 f"{original.dtype}\nright_inverse(original).dtype: {inverse.dtype}")
            with no_grad():
                original.data = inverse
            _register(self, "original", original)
        else:
            for k, part in enumerate(inverse):
                if not isinstance(part, Tensor):
                    raise ValueError("'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                                     f"Got element {k} of the sequence with type {type(part).__name__}.")
                if isinstance(original, Parameter):
                    part = Parameter(part, original.requires_grad and (part.is_floating_point() or part.is_complex()))
                _register(self, f"original{k}", part)
        if not unsafe:
            value = self()
            if not isinstance(value, Tensor):
                raise ValueError(f"A parametrization must return a tensor. Got {type(value).__name__}.")
            if value.shape != shape:
                raise ValueError("Registering a parametrization may not change the shape of the tensor, unless "
                                 "`unsafe` "
                                 f"flag is enabled.\nunparametrized shape: {shape}\nparametrized shape: {value.shape}")
            if value.dtype is not original.dtype:
                raise ValueError(f"Registering a parametrization may not change the dtype of the tensor, unless "
                                 "`unsafe` "
                                 f"flag is enabled.\nunparametrized dtype: {original.dtype}\nparametrized dtype: "
                                 f"{value.dtype}")

    def right_inverse(self, value: Tensor) -> None:
        """Set the originals so that the parametrized tensor becomes `value`: what assigning to the tensor does.

        RuntimeError where a parametrization has no `right_inverse`.
        """
        with no_grad():
            for m in reversed(list(self)):
                if not hasattr(m, "right_inverse"):
                    raise RuntimeError(f"parametrization {type(m).__name__} does not implement right_inverse.")
                value = m.right_inverse(value)
            if self.is_tensor:
                own = self.original
                if not isinstance(value, Tensor):
                    raise ValueError(f"`right_inverse` should return a tensor. Got {type(value).__name__}")
                if value.dtype is not own.dtype:
                    raise ValueError(f"The tensor returned by `right_inverse` has dtype {value.dtype} while `original` "
                                     f"has dtype {own.dtype}")
                own.data = value
            else:
                if not isinstance(value, (list, tuple)) or len(value) != self.ntensors:
                    raise ValueError(f"'right_inverse' must return a sequence of tensors of length {self.ntensors}")
                for k, part in enumerate(value):
                    own = getattr(self, f"original{k}")
                    if own.dtype is not part.dtype:
                        raise ValueError(f"Tensor {k} returned by `right_inverse` has dtype {part.dtype} while "
                                         f"`original{k}` has dtype {own.dtype}")
                    own.data = part

    def forward(self) -> Tensor:
        parts = (self.original,) if self.is_tensor else tuple(
            getattr(self, f"original{k}") for k in range(self.ntensors))
        first, *rest = self
        value = first(*parts)
        for m in rest:
            value = m(value)
        return value


def _parametrized_class(module: Module) -> type:
    own = type(module)

    def __getstate__(self):
        raise RuntimeError("Serialization of parametrized modules is only supported through state_dict().")

    def __deepcopy__(self, memo):
        made = self.__new__(type(self))
        memo[id(self)] = made
        made.__dict__ = copy.deepcopy(self.__dict__, memo)
        made.__class__ = _with_properties(made, own)
        return made
    return type(f"Parametrized{own.__name__}", (own,), {"__getstate__": __getstate__, "__deepcopy__": __deepcopy__,
                                                        "_unparametrized": own})


def _with_properties(module: Module, own: type) -> type:
    """A fresh class for a copied module, with a property for each of its parametrized tensors."""
    module.__class__ = own
    cls = _parametrized_class(module)
    for name in module.parametrizations:  # type: ignore[union-attr]
        setattr(cls, name, _property(name))
    return cls


def _property(name: str) -> property:
    def read(self):
        if not _cache_depth:
            return self.parametrizations[name]()
        key = (id(self), name)
        if key not in _cache:
            _cache[key] = self.parametrizations[name]()
        return _cache[key]

    def write(self, value):
        self.parametrizations[name].right_inverse(value)
    return property(read, write)


def register_parametrization(module, tensor_name, parametrization, *, unsafe=False):
    """Let `parametrization(original)` be the value of `module.<tensor_name>`; returns the module.

    Where it has `right_inverse`, the present value is turned into an original by it, and assignments are possible.
    ValueError where the module has no such tensor, or its shape or dtype would change and `unsafe` is False.
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        found = module.parametrizations[tensor_name]
        if not unsafe:
            before = getattr(module, tensor_name)
            after = parametrization(before)
            if not isinstance(after, Tensor):
                raise ValueError(f"A parametrization must return a tensor. Got {type(after).__name__}.")
            if after.dtype is not before.dtype or after.shape != before.shape:
                raise ValueError("Registering a parametrization may not change the dtype or the shape of the tensor, "
                                 f"unless the `unsafe` flag is enabled: {before.dtype} {tuple(before.shape)} became "
                                 f"{after.dtype} {tuple(after.shape)}")
            if hasattr(parametrization, "right_inverse"):
                inverse = parametrization.right_inverse(after)
                if not isinstance(inverse, Tensor) or inverse.shape != before.shape:
                    raise ValueError("parametrization.right_inverse must give back a tensor of the shape it got")
        found.append(parametrization)
        found.unsafe |= unsafe
        return module
    if tensor_name not in module._parameters and tensor_name not in module._buffers:
        raise ValueError(f"Module '{type(module).__name__}' does not have a parameter, a buffer, or a parametrized "
                         f"element with name '{tensor_name}'")
    original = getattr(module, tensor_name)
    parametrizations = ParametrizationList([parametrization], original, unsafe=unsafe)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        module.__class__ = _parametrized_class(module)
        module.parametrizations = ModuleDict()
    setattr(type(module), tensor_name, _property(tensor_name))
    module.parametrizations[tensor_name] = parametrizations
    return module


def is_parametrized(module, tensor_name=None):
    """Whether a module has parametrizations, or one for `tensor_name`."""
    found = module._modules.get("parametrizations")
    if not isinstance(found, ModuleDict):
        return False
    return len(found) > 0 if tensor_name is None else tensor_name in found


def remove_parametrizations(module, tensor_name, leave_parametrized=True):
    """Make the tensor an ordinary one again: with its present value, or (leave_parametrized=False) with the original.

    ValueError where it has no parametrization, or several originals are to be left.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {type(module).__name__} does not have a parametrization on {tensor_name}")
    found = module.parametrizations[tensor_name]
    if found.is_tensor:
        original = found.original
        if leave_parametrized:
            with no_grad():
                value = getattr(module, tensor_name)
                original.data = value.detach()
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        original = Parameter(value.detach()) if value.requires_grad else value.detach()
    else:
        raise ValueError("Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in "
                         "terms of a sequence of tensors.")
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    _register(module, tensor_name, original)
    if not is_parametrized(module):
        delattr(module, "parametrizations")
        module.__class__ = type(module)._unparametrized
    return module


def type_before_parametrizations(module):
    """The class of a module without its parametrizations."""
    return type(module)._unparametrized if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(from_module, to_module, tensor_name=None):
    """Copy the parametrizations (all, or those of one tensor) and their originals to another module; returns that.

    ValueError where `from_module` has none.
    """
    if not is_parametrized(from_module):
        return to_module
    names = [tensor_name] if tensor_name is not None else list(from_module.parametrizations)
    for name in names:
        if not is_parametrized(from_module, name):
            raise ValueError(f"{type(from_module).__name__} has no parametrization on {name}")
        source = from_module.parametrizations[name]
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name).detach().clone()))
        for m in source:
            register_parametrization(to_module, name, copy.deepcopy(m), unsafe=source.unsafe)
        target = to_module.parametrizations[name]
        for key in ["original"] if source.is_tensor else [f"original{k}" for k in range(source.ntensors)]:
            setattr(target, key, getattr(source, key))
    return to_module
