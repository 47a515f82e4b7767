"""One capture of a call: the function runs as ever, is watched, and what was seen is judged."""

import ctypes
import io
import random
import sys

import numpy as np

from ..attributes import fields
from ..generator import default_generator
from ..layout import Layout
from ..tensor import Tensor, empty_layout
from . import watch
from .backward import Captured, stand_in
from .candidate import Candidate, attempt_tensors, used
from .capture import Capture
from .places import Places, Unsupported, without_traced
from .program import modes
from .structure import build, flatten, others
from .traced import Traced


class Attempt:
    """One capture of a function with given arguments."""

    def __init__(self, function, name, template, tensors):
        self.function, self.name, self.template, self.tensors, self.modes = function, name, template, tensors, modes()
        if self.modes[3] or self.modes[4] or self.modes[5]:
            raise Unsupported("a mode watches every operation (hooks of saved tensors, anomaly mode, autocast outside "
                              "the function, function modes)")
        self.places = Places()
        self.places.walk((function, name), *others(template), *_of_all_modules())
        self.capture = Capture(name, function)
        self.present, self._inputs, self.given, self.gradients, self.backward = [], [], [], [], None
        self._memory()

    def _memory(self):
        capture = self.capture
        for tensor, path in self.places.tensors.values():
            _check_plain(tensor, path)
            capture.know("state", tensor._storage.ptr, tensor._storage.nbytes, path, tensor._storage)
        for _, grad, path in self.places.gradients:
            if grad is not None:
                _check_plain(grad, f"{path}.grad")
                capture.know("state", grad._storage.ptr, grad._storage.nbytes, f"{path}.grad", grad._storage)
        ranges = [(b.address, b.address + b.nbytes) for b in capture.buffers]
        self.copies, shared = [], [*ranges]
        for k, tensor in enumerate(self.tensors):
            _check_plain(tensor, f"argument {k}")
            held, given = id(tensor) in self.places.tensors, tensor
            start, nbytes = tensor._ptr, tensor._layout.nbytes
            if not held:
                if _meets(shared, start, nbytes):
                    if (_meets(ranges, start, nbytes) or tensor._needs_grad or type(tensor) is not Tensor
                            or any(o is tensor for o in self.tensors[:k])):
                        raise Unsupported(f"argument {k} shares memory with another, or with what the function holds")
                    given = _copied(tensor)
                    self.copies.append(given)
                capture.know("input", given._ptr, nbytes, f"argument {k}", k)
                if nbytes:
                    shared.append((start, start + nbytes))
            if tensor._node is not None and self.modes[0] and not held:
                given = stand_in(tensor)
            self._inputs.append((tensor._layout, tensor._needs_grad, type(tensor), tensor if held else None))
            self.given.append(given)
            self.gradients.append(tensor._grad)

    def run(self, args, kwargs):
        """(the result, a Candidate or None, why there is none)."""
        capture, versions = self.capture, {}
        for b in capture.buffers:
            if b.kind == "state":
                versions[b.storage] = b.storage.version
        saved = _Snapshot(capture.buffers, self.places, self.tensors)
        groups, drawn, alone = [], _Draws(self.places.randoms), self._references()
        for group, key, value, path in self.places.options:
            groups.append((group, key, value))
            capture.options.append((group, key, path))
            group[key] = Traced(value, ("option", len(groups) - 1), capture)
        try:
            try:
                with watch.Watch(capture):
                    inside = build(self.template, self.given)
                    result = self.call(*inside)
                    del inside
                    reason = self._go_backward(result)
            finally:
                for group, key, value in groups:
                    now = group.get(key)
                    if now.__class__ is Traced:  # this one, or what the call has made of it
                        group[key] = value if now.expression[0] == "option" else now.value
                self.places.dissolve()
        except Exception as error:
            if not (groups or capture.reads) or not _may_be_ours(error):
                raise
            saved.restore()  # it may come from the numbers that stand in for floats: what the function itself does
            return self.call(args, kwargs), None, f"{type(error).__name__} while capturing: {error}"
        result = next((own for own, g in zip(self.tensors, self.given, strict=True) if result is g), result)
        if self.copies and (alone != self._references() or self._changes_arguments()):
            result = None
            saved.restore()
            return self.call(args, kwargs), None, "arguments that share memory are changed, or kept by the result"
        candidate = None
        reason = reason or drawn.reason()
        if not reason:
            try:
                candidate = Candidate(self, result, versions)
            except Unsupported as unsupported:
                reason = str(unsupported)
        return without_traced(result), candidate, reason

    def _references(self):
        """How often the copies of arguments are referred to: by more than before, where the call has kept one."""
        return [(sys.getrefcount(c), sys.getrefcount(c._storage)) for c in self.copies]

    def _changes_arguments(self):
        return any(b.kind == "input" for step in self.capture.steps for b in step.writes())

    def _go_backward(self, result):
        """Capture the backward pass of results that are to be differentiated outside; why that cannot be, or ""."""
        found: list = []
        flatten(result, found, "the result")
        known = attempt_tensors(self)
        live = [(k, t) for k, t in enumerate(found) if t._needs_grad and id(t) not in known and not used(t.grad_fn)]
        if not live or not self.modes[0]:
            return ""
        try:
            self.backward = Captured(self.capture, live, self.tensors, self.given, self.places.tensors)
        except Unsupported as unsupported:
            return str(unsupported)
        return ""

    def call(self, args, kwargs):
        """The function itself."""
        return self.function(*args, **kwargs)


def _meets(ranges, start, nbytes):
    return any(a < start + nbytes and start < b for a, b in ranges)


def _copied(tensor):
    """An argument in memory of its own, in which a capture tells it from one that it overlaps with."""
    made = empty_layout(tensor._layout)
    ctypes.memmove(made._ptr, tensor._ptr, tensor._layout.nbytes)
    return made


def _may_be_ours(error):
    """Whether an error could come from the numbers that stand in for floats, and not from the function alone."""
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    return isinstance(error, (TypeError, AttributeError)) or isinstance(error, (ValueError, RuntimeError)) and (
        watch.inside_library(trace.tb_frame.f_code.co_filename))


def _of_all_modules():
    """(table, name) of what all functions depend on: hooks of all modules and optimizers, autocast's dtypes."""
    hooks, steps, cast = (sys.modules.get(f"numbatorch.{name}") for name in (
        "nn.modules.hooks", "optim.optimizer", "amp.autocast_mode"))
    found = [] if hooks is None else [(hooks.any_call_hook, "hooks of all modules")]
    if steps is not None:
        found += [(steps._global_pre_hooks, "hooks of all optimizers"),
                  (steps._global_post_hooks, "hooks of all optimizers")]
    return found if cast is None else [*found, (cast.settings.dtype, "autocast's dtypes")]


class _Draws:
    """The states of files, and of random generators not of this library: has a call moved them?"""

    def __init__(self, known):
        self._before = [(of, path, _state(of)) for of, path in (
            (random._inst, "Python"), (np.random.mtrand._rand, "NumPy"), *known)]

    def reason(self):
        """Why the call cannot be repeated; "" where nothing was drawn."""
        for of, path, before in self._before:
            if _state(of) != before:
                return (f"the function reads or writes the file {path}" if isinstance(of, io.IOBase) else
                        f"the function draws random numbers of {path}")
        return ""


def _state(of):
    if isinstance(of, io.IOBase):
        try:
            return of.tell()
        except (OSError, ValueError):  # closed, or one that has no place
            return None
    if isinstance(of, random.Random):
        return of.getstate()
    return repr(of.bit_generator.state) if isinstance(of, np.random.Generator) else [
        part.tobytes() if isinstance(part, np.ndarray) else part for part in of.get_state()]


def _check_plain(tensor, path):
    """Unsupported for tensors that are not plain memory of the CPU."""
    if "_layout" not in fields(tensor):
        raise Unsupported(f"{path} has no shape yet; it gets one in the first call")
    own = tensor._layout
    if own.__class__ is not Layout:
        raise Unsupported(f"{path} is no plain tensor (sparse, batched, or of a class of its own)")
    if own.device.type != "cpu":
        raise Unsupported(f"{path} is on {own.device}: programs run on the CPU")


class _Snapshot:
    """The contents of all memory that a call could change, its generator's state and gradients, to go back to."""

    def __init__(self, buffers, places, tensors):
        self._bytes = [(b.address, ctypes.string_at(b.address, b.nbytes)) for b in buffers]
        self._gradients = [(t, t._grad) for t, *_ in places.gradients] + [(t, t._grad) for t in tensors]
        self._generator = default_generator.state, default_generator.state.copy()

    def restore(self):
        for address, content in self._bytes:
            ctypes.memmove(address, content, len(content))
        for tensor, grad in self._gradients:
            tensor._grad = grad
        state, copy = self._generator
        state.become(copy)
