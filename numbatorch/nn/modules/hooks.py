"""Calls of a module with hooks: before and after forward, before and after backward, on one module or on all."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from numbatorch import Tensor, is_grad_enabled
from numbatorch.utils.hooks import RemovableHandle, add_hook

from .boundary import Boundary

# Hooks of all modules. `any_call_hook` marks every entry of the ones for calls, so that a call asks one table only.
any_call_hook: OrderedDict = OrderedDict()
forward_pre: OrderedDict = OrderedDict()
forward: OrderedDict = OrderedDict()
forward_always: OrderedDict = OrderedDict()
forward_with_kwargs: OrderedDict = OrderedDict()
backward_pre: OrderedDict = OrderedDict()
backward: OrderedDict = OrderedDict()
last_backward: OrderedDict = OrderedDict()  # old hooks: around the last operation of every module
parameter_registration: OrderedDict = OrderedDict()
buffer_registration: OrderedDict = OrderedDict()
module_registration: OrderedDict = OrderedDict()


def register_module_parameter_registration_hook(hook: Callable) -> RemovableHandle:
    """Call hook(module, name, parameter) whenever a parameter is registered; what it returns takes its place."""
    return add_hook(parameter_registration, hook)


def register_module_buffer_registration_hook(hook: Callable) -> RemovableHandle:
    """Call hook(module, name, buffer) whenever a buffer is registered; what it returns takes its place."""
    return add_hook(buffer_registration, hook)


def register_module_module_registration_hook(hook: Callable) -> RemovableHandle:
    """Call hook(module, name, child) whenever a child is registered; what it returns takes its place."""
    return add_hook(module_registration, hook)


def register_module_forward_pre_hook(hook: Callable) -> RemovableHandle:
    """Call hook(module, args) before the forward of every module; what it returns replaces args."""
    return add_hook(forward_pre, hook, extra=(any_call_hook,))


def register_module_forward_hook(hook: Callable, *, with_kwargs: bool = False,
                                 always_call: bool = False) -> RemovableHandle:
    """Call hook(module, args[, kwargs], result) after the forward of every module; what it returns replaces result."""
    marks = [any_call_hook]
    if with_kwargs:
        marks.append(forward_with_kwargs)
    if always_call:
        marks.append(forward_always)
    return add_hook(forward, hook, extra=marks)


def register_module_full_backward_pre_hook(hook: Callable) -> RemovableHandle:
    """Call hook(module, grad_output) before the backward of every module; what it returns replaces grad_output."""
    return add_hook(backward_pre, hook, extra=(any_call_hook,))


def register_module_full_backward_hook(hook: Callable) -> RemovableHandle:
    """Call hook(module, grad_input, grad_output) after the backward of every module; its result replaces grad_input.

    RuntimeError beside hooks of `register_module_backward_hook`.
    """
    if last_backward:
        raise RuntimeError(_ONE_KIND)
    return add_hook(backward, hook, extra=(any_call_hook,))


def register_module_backward_hook(hook: Callable) -> RemovableHandle:
    """Call hook(module, grad_input, grad_output) around the last operation of every module.

    Kept for old code. RuntimeError beside hooks of `register_module_full_backward_hook`, which has the gradients of
    inputs where forward has several operations.
    """
    if backward:
        raise RuntimeError(_ONE_KIND)
    return add_hook(last_backward, hook, extra=(any_call_hook,))


_ONE_KIND = ("Cannot use both regular backward hooks and full backward hooks as a global Module hook. Please use only "
             "one of them.")


def name_failing_module(module: Any, error: Exception) -> None:
    """Note on an exception which module failed: one note, its path growing on the way out."""
    state = error.__dict__
    name = module._get_name()
    inner, path, note = state.get("_failing_module", (None, None, None))
    if inner is module:  # `super().__call__` and the like: the path is known
        return
    if inner is None:
        path, text = name, f"in module {name}"
        state["_failing_class"] = name
    else:
        found = next((where for where, child in module.named_modules() if child is inner), None)
        rest = path.partition(".")[2]  # type: ignore[union-attr]
        if found is None:
            path = f"{name} > {path}"
        else:
            path = ".".join(part for part in (name, found, rest) if part)
        text = f"in module {path} ({state['_failing_class']})"
    notes = state.setdefault("__notes__", [])
    if note in notes:
        notes[notes.index(note)] = text
    else:
        notes.append(text)
    state["_failing_module"] = (module, path, text)


class Hooked:
    """The hooks of one module."""

    _forward_hooks: OrderedDict
    _forward_hooks_with_kwargs: OrderedDict
    _forward_hooks_always_called: OrderedDict
    _forward_pre_hooks: OrderedDict
    _forward_pre_hooks_with_kwargs: OrderedDict
    _backward_hooks: OrderedDict
    _backward_pre_hooks: OrderedDict
    _is_full_backward_hook: bool | None
    forward: Callable

    def register_forward_pre_hook(self, hook: Callable, *, prepend: bool = False,
                                  with_kwargs: bool = False) -> RemovableHandle:
        """Call hook(module, args) before forward; what it returns replaces args.

        With `with_kwargs` it is hook(module, args, kwargs) and returns (args, kwargs) or None.
        """
        marks = (self._forward_pre_hooks_with_kwargs,) if with_kwargs else ()
        return add_hook(self._forward_pre_hooks, hook, prepend, marks)

    def register_forward_hook(self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False,
                              always_call: bool = False) -> RemovableHandle:
        """Call hook(module, args, result) after forward; what it returns replaces the result.

        With `with_kwargs` it is hook(module, args, kwargs, result); with `always_call` it also runs when forward
        raises.
        """
        marks = [self._forward_hooks_with_kwargs] if with_kwargs else []
        if always_call:
            marks.append(self._forward_hooks_always_called)
        return add_hook(self._forward_hooks, hook, prepend, marks)

    def register_full_backward_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call hook(module, grad_output) before the backward of the module; what it returns replaces grad_output."""
        return add_hook(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call hook(module, grad_input, grad_output) after the module's backward; its result replaces grad_input."""
        self._choose_backward_hooks(True)
        return add_hook(self._backward_hooks, hook, prepend)

    def register_backward_hook(self, hook: Callable) -> RemovableHandle:
        """Call hook(module, grad_input, grad_output) around the last operation of the module.

        Kept for old code: where forward has several operations grad_input is that of the last one only;
        `register_full_backward_hook` has the gradients of the module's inputs.
        """
        self._choose_backward_hooks(False)
        return add_hook(self._backward_hooks, hook)

    def _choose_backward_hooks(self, full: bool) -> None:
        if self._is_full_backward_hook is (not full):
            raise RuntimeError("Cannot use both regular backward hooks and full backward hooks on a single Module. "
                               "Please use only one of them.")
        self._is_full_backward_hook = full

    def _call_with_hooks(self, args: tuple, kwargs: dict) -> Any:
        called: set = set()
        state: list = [args, kwargs, None]
        try:
            return self._run_with_hooks(state, called)
        except BaseException:  # an interrupt, or a checkpoint that has all it needs, leaves modules too
            for table, always, with_kwargs in _after_tables(self):
                for key, hook in list(table.items()):
                    if key in always and (id(table), key) not in called:
                        self._call_late(hook, key in with_kwargs, state)
            raise

    def _call_late(self, hook: Callable, with_kwargs: bool, state: list) -> None:
        """A hook after a failed forward: what it raises is told as a warning, since an exception is on its way."""
        args, kwargs, result = state
        try:
            changed = hook(self, args, kwargs, result) if with_kwargs else hook(self, args, result)
            if changed is not None:
                state[2] = changed
        except Exception as error:
            warnings.warn("module forward hook with ``always_call=True`` raised an exception that was silenced as "
                          f"another error was raised in forward: {error}", stacklevel=2)

    def _run_with_hooks(self, state: list, called: set) -> Any:
        for table, with_kwargs in ((forward_pre, ()), (self._forward_pre_hooks, self._forward_pre_hooks_with_kwargs)):
            for key, hook in list(table.items()):
                self._before(hook, key in with_kwargs, state)
        boundary = None
        full = self._backward_hooks if self._is_full_backward_hook else {}
        after = [*backward.values(), *full.values()]
        before = [*backward_pre.values(), *self._backward_pre_hooks.values()]
        if (after or before) and is_grad_enabled():
            boundary = Boundary(self, after, before)
            state[0] = boundary.enter(state[0])
        state[2] = self.forward(*state[0], **state[1])
        for table, _, with_kwargs in _after_tables(self):
            for key, hook in list(table.items()):
                called.add((id(table), key))
                args, kwargs, result = state
                changed = hook(self, args, kwargs, result) if key in with_kwargs else hook(self, args, result)
                if changed is not None:
                    state[2] = changed
        result = state[2]
        if boundary is not None:
            if not isinstance(result, (Tensor, tuple)):
                warnings.warn("For backward hooks to be called, module output should be a Tensor or a tuple of Tensors "
                              f"but received {type(result)}", stacklevel=3)
            result = boundary.leave(result)
        old = [*last_backward.values(), *(() if self._is_full_backward_hook else self._backward_hooks.values())]
        if old:
            self._hook_last_node(result, old)
        return result

    def _before(self, hook: Callable, with_kwargs: bool, state: list) -> None:
        if with_kwargs:
            changed = hook(self, state[0], state[1])
            if changed is None:
                return
            if not (isinstance(changed, tuple) and len(changed) == 2):
                raise RuntimeError("forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got "
                                   f"{changed}.")
            state[0], state[1] = changed
        else:
            changed = hook(self, state[0])
            if changed is not None:
                state[0] = changed if isinstance(changed, tuple) else (changed,)

    def _hook_last_node(self, result: Any, called: list) -> None:
        while not isinstance(result, Tensor):
            result = next((v for v in result.values() if isinstance(v, Tensor)), None) if isinstance(
                result, dict) else result[0]
            if result is None:
                return
        node = result.grad_fn
        if node is not None:
            for hook in called:
                node.register_hook(lambda grad_input, grad_output, hook=hook: hook(self, grad_input, grad_output))


def _after_tables(module: Hooked) -> Iterable[tuple[OrderedDict, OrderedDict, OrderedDict]]:
    return ((forward, forward_always, forward_with_kwargs),
            (module._forward_hooks, module._forward_hooks_always_called, module._forward_hooks_with_kwargs))
