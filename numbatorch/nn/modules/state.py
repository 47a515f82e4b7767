"""Saving and loading a module's state: parameters, persistent buffers and extra state under their paths."""

from __future__ import annotations

import warnings
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Mapping
from typing import Any

from numbatorch import Tensor, no_grad
from numbatorch.utils.hooks import RemovableHandle, add_hook

from ..parameter import Parameter, is_lazy

_EXTRA_STATE_KEY_SUFFIX = "_extra_state"


class _IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"

    __str__ = __repr__


class Stateful:
    """state_dict, load_state_dict and their hooks."""

    _version: int
    _parameters: dict
    _buffers: dict
    _modules: dict
    _non_persistent_buffers_set: set
    _state_dict_hooks: OrderedDict
    _state_dict_pre_hooks: OrderedDict
    _load_state_dict_pre_hooks: OrderedDict
    _load_state_dict_post_hooks: OrderedDict

    def get_extra_state(self) -> Any:
        """State beside tensors that a subclass wants in `state_dict`; goes with `set_extra_state`."""
        raise RuntimeError(f"get_extra_state: {type(self).__name__} declares no extra state; override it in a subclass")

    def set_extra_state(self, state: Any) -> None:
        """Take the extra state of a `state_dict` back."""
        raise RuntimeError(f"set_extra_state: {type(self).__name__} declares no extra state; override it in a subclass")

    # ---------------------------------------------------------------- saving

    def state_dict(self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> Any:
        """{path: tensor} of all parameters and persistent buffers, without their tape unless `keep_vars`."""
        if args:
            warnings.warn("Positional args are being deprecated, use kwargs instead: "
                          "state_dict(destination=..., prefix=..., keep_vars=...)", FutureWarning, stacklevel=2)
            destination = args[0] if destination is None else destination
            prefix = args[1] if len(args) > 1 and prefix == "" else prefix
            keep_vars = args[2] if len(args) > 2 and keep_vars is False else keep_vars
        if destination is None:
            destination = OrderedDict()
            vars(destination)["_metadata"] = OrderedDict()
        metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = metadata
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in self._state_dict_hooks.values():
            changed = hook(self, destination, prefix, metadata)
            if changed is None:
                continue
            if getattr(hook, "_from_public_api", False):
                raise RuntimeError("state_dict post-hook must return None")
            destination = changed
        return destination

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        """Put this module's own state into `destination`."""
        for name, tensor in self._own_state().items():
            destination[prefix + name] = tensor if keep_vars else tensor.detach()
        if _has_extra_state(self, "get_extra_state"):
            destination[prefix + _EXTRA_STATE_KEY_SUFFIX] = self.get_extra_state()

    def _own_state(self) -> dict:
        state = {name: p for name, p in self._parameters.items() if p is not None}
        hidden = self._non_persistent_buffers_set
        state.update((name, b) for name, b in self._buffers.items() if b is not None and name not in hidden)
        return state

    def _register_state_dict_hook(self, hook: Callable) -> RemovableHandle:
        """Call hook(module, state_dict, prefix, metadata) after `state_dict`; what it returns replaces the result."""
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError("Cannot register the same function as the state dict post hook that was previously "
                               "registered via register_state_dict_post_hook")
        return add_hook(self._state_dict_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call hook(module, state_dict, prefix, metadata) after `state_dict`; it may change the state dict in place."""
        hook._from_public_api = True  # type: ignore[attr-defined]
        return add_hook(self._state_dict_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call hook(module, prefix, keep_vars) before `state_dict`."""
        return add_hook(self._state_dict_pre_hooks, hook)

    # ---------------------------------------------------------------- loading

    def _register_load_state_dict_pre_hook(self, hook: Callable, with_module: bool = False) -> RemovableHandle:
        """Call hook([module,] state_dict, prefix, metadata, strict, missing, unexpected, errors) before loading."""
        return add_hook(self._load_state_dict_pre_hooks, _PreHook(hook, self if with_module else None))

    def register_load_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call hook(module, state_dict, prefix, metadata, strict, missing, unexpected, errors) before loading."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def register_load_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call hook(module, incompatible_keys) after loading; it may change both lists in place."""
        return add_hook(self._load_state_dict_post_hooks, hook)

    def load_state_dict(self, state_dict: Mapping, strict: bool = True, assign: bool = False) -> _IncompatibleKeys:
        """Copy a state dict into parameters and buffers, or put its tensors in their place where `assign`.

        Returns the keys that were missing and those that were not expected. RuntimeError where there are any and
        `strict` is set, and where shapes differ.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        missing: list[str] = []
        unexpected: list[str] = []
        errors: list[str] = []
        metadata = getattr(state_dict, "_metadata", None)
        state = OrderedDict(state_dict)  # hooks and modules may change it
        if metadata is not None:
            state._metadata = metadata  # type: ignore[attr-defined]

        def load(module: Any, state: Any, prefix: str) -> None:
            facts = {} if metadata is None else dict(metadata.get(prefix[:-1], {}))
            if assign:
                facts["assign_to_params_buffers"] = True
            module._load_from_state_dict(state, prefix, facts, True, missing, unexpected, errors)
            for name, child in module._modules.items():
                if child is not None:
                    below = f"{prefix}{name}."
                    load(child, {key: value for key, value in state.items() if key.startswith(below)}, below)
            incompatible = _IncompatibleKeys(missing, unexpected)
            for hook in module._load_state_dict_post_hooks.values():
                if hook(module, incompatible) is not None:
                    raise AssertionError("load_state_dict post-hook must return None: it changes the keys in place")
        load(self, state, "")
        if strict:
            for what, keys in (("Unexpected", unexpected), ("Missing", missing)):
                if keys:
                    listed = ", ".join(f'"{key}"' for key in keys)
                    errors.insert(0, f"{what} key(s) in state_dict: {listed}. ")
        if errors:
            raise RuntimeError(f"Error(s) in loading state_dict for {type(self).__name__}:\n\t" + "\n\t".join(errors))
        return _IncompatibleKeys(missing, unexpected)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, local_metadata: dict, strict: bool,
                              missing_keys: list, unexpected_keys: list, error_msgs: list) -> None:
        """Take this module's own state out of `state_dict`; problems go to the three lists."""
        for hook in self._load_state_dict_pre_hooks.values():
            hook(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        own = self._own_state()
        assign = local_metadata.get("assign_to_params_buffers", False)
        for name, tensor in own.items():
            key = prefix + name
            if key in state_dict:
                problem = _load_tensor(self, name, key, tensor, state_dict[key], assign)
                if problem is not None:
                    error_msgs.append(problem)
            elif strict:
                missing_keys.append(key)
        extra = prefix + _EXTRA_STATE_KEY_SUFFIX
        takes_extra = _has_extra_state(self, "set_extra_state")
        if takes_extra and extra in state_dict:
            self.set_extra_state(state_dict[extra])
        elif takes_extra and strict:
            missing_keys.append(extra)
        if strict:
            for key in state_dict:
                if not key.startswith(prefix) or (key == extra and takes_extra):
                    continue
                name, dot, _ = key[len(prefix):].partition(".")
                if name not in self._modules if dot else name not in own:
                    unexpected_keys.append(key)


class _PreHook:
    """A load hook and, where it wants one, its module; a class, so that modules with hooks can be pickled."""

    def __init__(self, hook: Callable, module: Any):
        self.hook, self.module = hook, module

    def __call__(self, *args: Any) -> Any:
        return self.hook(*args) if self.module is None else self.hook(self.module, *args)


def _has_extra_state(module: Any, method: str) -> bool:
    return getattr(type(module), method) is not getattr(Stateful, method)


def _load_tensor(module: Any, name: str, key: str, own: Any, given: Any, assign: bool) -> str | None:
    """Copy or put `given` into a module's parameter or buffer. Returns what is wrong with it."""
    if not isinstance(given, Tensor):
        return (f'While copying the parameter named "{key}", expected a Tensor from checkpoint but received '
                f"{type(given)}")
    if is_lazy(given):
        return None if is_lazy(own) else (
            f'"{key}" has no shape in the checkpoint, but {own.shape} in the model: the checkpoint is that of a lazy '
            "module which was never called; call it with an example input before saving it.")
    if own.dim() == 0 and given.dim() == 1 and given.shape[0] == 1:  # checkpoints of early days hold no 0-d tensors
        given = given[0]
    if given.shape != own.shape:
        return (f"size mismatch for {key}: copying a param with shape {given.shape} from checkpoint, the shape in "
                f"current model is {own.shape}.")
    if own.is_meta and not given.is_meta and not assign:
        warnings.warn(f"load_state_dict: {key} is on the meta device, which has no memory to copy the checkpoint's "
                      "values into, so nothing changes; pass assign=True to put the checkpoint's tensors in its place",
                      stacklevel=2)
    try:
        if not assign:
            with no_grad():
                own.copy_(given)
            return None
        if isinstance(own, Parameter):
            if not isinstance(given, Parameter):
                given = Parameter(given, requires_grad=own.requires_grad)
            else:
                given.requires_grad_(own.requires_grad)
        setattr(module, name, given)
    except Exception as error:
        action = "swapping" if assign else "copying"
        return (f'While {action} the parameter named "{key}", whose dimensions in the model are {own.shape} and whose '
                f"dimensions in the checkpoint are {given.shape}, an exception occurred : {error.args}.")
    return None
