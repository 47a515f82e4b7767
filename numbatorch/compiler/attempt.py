"""One capture of a call: the function runs as ever, is watched, and what was seen is judged."""

import contextlib
import io
import random
import sys
from collections.abc import Iterator

import numpy as np

from ..attributes import FIELDS, fields
from ..cpu import backend
from ..device import CPU
from ..generator import default_of
from ..layout import Layout
from ..storage import Storage
from ..tensor import Tensor, alias, empty_layout
from . import contents, watch
from .backward import Captured, stand_in
from .binding import Binding, requests_with_sizes
from .candidate import Candidate, attempt_tensors, used
from .capture import Capture
from .family import forget, with_sizes
from .outside import Lines, Listener
from .places import Places, Unsupported, without_traced
from .program import modes
from .sizes import Scope
from .structure import Given, flatten, others
from .traced import Traced


class Ended(BaseException):
    """A call that is only rehearsed comes to something that cannot be undone."""


class Attempt:
    """One capture of a function with given arguments."""

    def __init__(self, function, name, code, template, tensors, roots=(), loose=False, search=False, followed=None,
                 capture=None):
        """roots: [(object, path)] besides the function. loose: gradients may be in other memory in each call. search:
        find out which lines draw numbers. followed: {argument: {dimension: number of a size}}, for `rehearsed`.
        capture: what makes the Capture."""
        self._search = search
        self.function, self.name, self.template, self.tensors, self.modes = function, name, template, tensors, modes()
        self.places, self.inside = Places(), None
        self.places.walk((function, name), *others(template), *roots, *_of_all_modules())
        self.lines: set = set()  # of the function, where it did what no program can
        self.unseen: list = []  # more roots: functions that ran, and that the walk has not found
        self.capture = (capture or Capture)(name, code)
        self.followed, self._sizes, self._undone = followed, [], followed is not None or capture is not None
        if followed is not None:
            self._follow()
        self.present, self._inputs, self.given, self.gradients, self.backward = [], [], [], [], None
        self.hidden: list = []  # [(tensor, whose gradient it is; what `_inputs` has)] of inputs after the arguments
        self.forms: dict = {}  # {id: (layout, address)} of gradients
        self._memory(loose)

    def _memory(self, loose):
        capture = self.capture
        for tensor, path in self.places.tensors.values():
            _check_plain(tensor, path)
            capture.know("state", tensor._storage.ptr, tensor._storage.nbytes, path, tensor._storage,
                         tensor._layout.device)
        for tensor, grad, path in self.places.gradients:
            if grad is not None:
                _check_plain(grad, f"{path}.grad")
                self.forms[id(grad)] = grad._layout, grad._ptr
                if loose:
                    k, own = len(self.tensors) + len(self.hidden), grad._layout
                    capture.know("input", grad._ptr, own.nbytes, f"{path}.grad", k, own.device)
                    self.hidden.append((tensor, (own, grad._needs_grad, type(grad), None, None)))
                    continue
                capture.know("state", grad._storage.ptr, grad._storage.nbytes, f"{path}.grad", grad._storage,
                             grad._layout.device)
        ranges = [(b.address, b.address + b.nbytes) for b in capture.buffers]
        self.copies, shared = [], [*ranges]
        for k, tensor in enumerate(self.tensors):
            _check_plain(tensor, f"argument {k}")
            held, given = id(tensor) in self.places.tensors, tensor
            if tensor._needs_grad and tensor._node is None and (tensor._hooks or tensor._post_hooks):
                raise Unsupported(f"argument {k} has hooks")  # which are to run once, for gradients that it gets
            start, nbytes = tensor._ptr, tensor._layout.nbytes
            if not held:
                if _meets(shared, start, nbytes):
                    if (_meets(ranges, start, nbytes) or tensor._needs_grad or type(tensor) is not Tensor
                            or any(o is tensor for o in self.tensors[:k])):
                        raise Unsupported(f"argument {k} shares memory with another, or with what the function holds")
                    given = _copied(tensor)
                    self.copies.append(given)
                capture.know("input", given._ptr, nbytes, f"argument {k}", k, given._layout.device)
                if nbytes:
                    shared.append((start, start + nbytes))
            dims = None if self.followed is None else self.followed.get(k)
            if dims:
                if held or given is not tensor or type(tensor) is not Tensor:
                    raise Unsupported(f"argument {k}, of a size that varies, is held by the function, shares memory "
                                      "with another, or is of a class of its own")
                given = alias(tensor, with_sizes(tensor._layout, dims, self._sizes))
                given._needs_grad = tensor._needs_grad
                if not nbytes:
                    raise Unsupported(f"argument {k}, of a size that varies, is empty")
                capture.find(start).nbytes = given._layout.nbytes
            if tensor._node is not None and (self.modes[0] or dims) and not held:
                given = stand_in(tensor, given, self._beyond if self._undone else None)
            history = (tensor._node is None, tensor._grad is None) if tensor._needs_grad and not held else None
            own = given._layout if dims else tensor._layout
            self._inputs.append((own, tensor._needs_grad, type(tensor), tensor if held else None, history))
            self.given.append(given)
            self.gradients.append(tensor._grad)

    def run(self, args, kwargs):
        """(the result, a Candidate or None, why there is none)."""
        capture, versions = self.capture, {}
        for b in capture.buffers:
            if b.kind == "state":
                versions[b.storage] = b.storage.version
        saved = _Snapshot(capture, self.places, self.tensors)
        if not self.copies:  # else it is undone for more than an error
            capture.gradients = [(t, g, b) for t, g, _ in self.places.gradients if g is not None
                                 and (b := capture.find(g._storage.ptr)) is not None
                                 and b.storage is g._storage and b.device is CPU and type(g._storage) is Storage]
        drawn, alone = _Draws(self.places.randoms), self._references()
        lines = Lines(capture._code, drawn.moved) if self._search else contextlib.nullcontext()
        try:
            result, reason, listener = self._watched(lines, (args, kwargs))
        except BaseException as error:
            inside, self.inside = self.inside, None
            if inside is None or not _from_traced(error):  # None: Ctrl-C came before the call
                if inside is not None:
                    inside.carry_back()
                raise
            inside.undo()
            error.__traceback__ = None  # it comes from numbers that stand in for floats: what the function itself does
            saved.restore()
            self.places.put_back()
            return self.call(args, kwargs), None, f"{type(error).__name__} while capturing: {error}"
        inside, self.inside = self.inside, None
        if inside.lost() and not self.copies:  # which the arguments themselves are to get
            result = None
            inside.undo()
            saved.restore()
            self.places.put_back()
            return self.call(args, kwargs), None, reason
        odd = inside.objection(result) if self.copies else ""
        if self.copies:
            inside.forget()
            result = next((own for own, g in zip(self.tensors, self.given, strict=True) if result is g), result)
        if self.copies and (odd or alone != self._references() or self._changes_arguments()):
            result = None
            saved.restore()
            return self.call(args, kwargs), None, "arguments that share memory are changed, or kept by the result"
        candidate = None
        capture.before.clear()  # nothing is put back any more
        capture.gradients.clear()
        self.unseen = listener.unseen()
        self.lines = capture.refused
        if not reason and drawn.reason():
            reason, self.lines = drawn.reason(), lines.found if self._search else capture.drawn_at
        if not reason and self.unseen:
            reason = f"not yet: {self.unseen[0][1]} was found only as it ran"
        if not reason:
            try:
                candidate = Candidate(self, result, versions)
            except Unsupported as unsupported:
                reason = str(unsupported)
                if not capture.refusals and "value" in reason:
                    self.lines = capture.asked
        inside.carry_back()
        return without_traced(inside.outside(result)), candidate, reason

    def _watched(self, lines, own=None):
        """(the result, why it cannot be repeated or "", what else was called) of the call, while it is watched.

        own: the arguments, if changes of lists and dicts among them are to stay.
        """
        groups, capture = [], self.capture
        self.inside = Given(self.template, self.tensors, self.given, own)
        for group, key, value, path in self.places.options:
            groups.append((group, key, value))
            capture.options.append((group, key, path))
            group[key] = Traced(value, ("option", len(groups) - 1), capture)
        try:
            listener = Listener(capture, self.places)
            with watch.Watch(capture):
                with listener, lines:
                    result = self.call(*self.inside.value)
                reason = self.inside.objection(result) or self._go_backward(result)
        finally:
            for group, key, value in groups:
                now = group.get(key)
                if now.__class__ is Traced:  # this one, or what the call has made of it
                    group[key] = value if now.expression[0] == "option" else now.value
            self.places.dissolve()
            if own is None:
                self.inside = None
        return result, reason, listener

    def _follow(self):
        """Sizes in place of those of arguments. An act that cannot be undone ends the call before it happens."""
        capture = self.capture
        capture.sizes = Scope(capture)
        capture.hints = Binding(capture.sizes, None)
        hints = {number: self.tensors[k]._layout.shape[d] for k, dims in self.followed.items()
                 for d, number in dims.items()}
        self._sizes = [capture.sizes.size(hints[number]) for number in range(len(hints))]

    def _beyond(self):
        """Gradients would go to what led to an argument: a rehearsal cannot undo what they free and add to there."""
        self.capture.refuse("the function goes backward through what led to its arguments")

    def rehearsed(self, then=None):
        """(a Candidate, which holds for other sizes where these are followed, or None; why there is none).

        The call is undone: memory, gradients, generators and Python's objects are as they were. then(the candidate,
        why): what to give in their place, asked before that.
        """
        capture, versions = self.capture, {}
        capture.refusing = Ended  # before what cannot be undone happens
        for b in capture.buffers:
            if b.kind == "state":
                versions[b.storage] = b.storage.version
        given = [(t._storage, t._storage.version) for t in self.tensors]
        saved, drawn = _Snapshot(capture, self.places, self.tensors), _Draws(self.places.randoms)
        candidate, reason = None, ""
        try:
            with requests_with_sizes(capture.sizes) if capture.sizes is not None else contextlib.nullcontext():
                try:
                    result, reason, listener = self._watched(contextlib.nullcontext())
                    self.unseen = listener.unseen()
                    reason = reason or drawn.reason() or (
                        f"not yet: {self.unseen[0][1]} was found only as it ran" if self.unseen else "")
                    if not reason:
                        candidate = Candidate(self, result, versions)
                except Unsupported as error:
                    reason = str(error)
                except Exception as error:
                    reason = f"{type(error).__name__}: {error}"
                result = None
                if then is not None:
                    candidate, reason = then(candidate, reason)
        except Ended as error:
            reason = str(error)
        finally:
            result = None
            saved.restore()
            drawn.restore()
            self.places.put_back()
            for storage, version in [*versions.items(), *given]:
                storage.version = version
            if capture.sizes is not None:
                forget(capture.sizes)
        return candidate, reason

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
        capture = self.capture
        before, capture.before = capture.before, contents.Copies()
        versions = [(o, o.version) for o in [*(b.storage for b in capture.buffers if b.kind == "state"),
                                             *(t._storage for t in self.tensors)]]
        generators = [(s, s.copy()) for s in (default_of(d).state for d in {CPU, *(b.device for b in capture.buffers)})]
        try:
            self.backward = Captured(capture, live, self.tensors, self.given, self.places.tensors)
        except Unsupported as unsupported:
            return str(unsupported)
        except Exception as error:  # for whoever goes backward, if anybody does
            return f"the backward pass would raise {type(error).__name__}: {error}"
        finally:  # nobody has gone backward: what a second run of a checkpoint changes, statistics say, is as before
            capture.before.restore()
            capture.before = before
            for storage, version in versions:
                storage.version = version
            for state, copy in generators:
                state.become(copy)
        return ""

    def call(self, args, kwargs):
        """The function itself."""
        return self.function(*args, **kwargs)


def _meets(ranges, start, nbytes):
    return any(a < start + nbytes and start < b for a, b in ranges)


def _copied(tensor):
    """An argument in memory of its own, in which a capture tells it from one that it overlaps with."""
    made, own = empty_layout(tensor._layout), tensor._layout
    contents.write(own.device, made._ptr, contents.read(own.device, tensor._ptr, own.nbytes))
    return made


def _from_traced(error):
    """Whether an error comes from the numbers that stand in for floats: where it was raised one is in sight."""
    if not isinstance(error, (TypeError, AttributeError, ValueError, RuntimeError)):
        return False
    trace, last = error.__traceback__, []
    while trace is not None:
        last = [*last[-1:], trace.tb_frame]
        trace = trace.tb_next
    return any(_holds_traced(value) for frame in last for value in [*frame.f_locals.values(), *error.args])


def _holds_traced(value):
    return value.__class__ is Traced or type(value) in (tuple, list) and any(v.__class__ is Traced for v in value) or (
        type(value) is dict and any(v.__class__ is Traced for v in value.values()))


def _of_all_modules():
    """(table, name) of what all functions depend on: hooks of all modules and optimizers, autocast's dtypes."""
    hooks, steps, cast, deterministic = (sys.modules.get(f"numbatorch.{name}") for name in (
        "nn.modules.hooks", "optim.optimizer", "amp.autocast_mode", "determinism"))
    found = [] if hooks is None else [(hooks.any_call_hook, "hooks of all modules")]
    if deterministic is not None:
        found.append((deterministic._state, "whether algorithms are to be deterministic"))
    if steps is not None:
        found += [(steps._global_pre_hooks, "hooks of all optimizers"),
                  (steps._global_post_hooks, "hooks of all optimizers")]
    return found if cast is None else [*found, (cast.settings.dtype, "autocast's dtypes")]


class _Draws:
    """The states of files, and of random generators not of this library: has a call moved them?"""

    def __init__(self, known):
        self._before = [(of, path, _state(of)) for of, path in (
            (random._inst, "Python"), (np.random.mtrand._rand, "NumPy"), *known)]
        self._latest = [state for *_, state in self._before]

    def moved(self):
        """Whether a state is another than when this was last asked."""
        now = [_state(of) for of, *_ in self._before]
        before, self._latest = self._latest, now
        return now != before

    def restore(self):
        """Put generators back to where they were; files and iterators stay."""
        for of, _, before in self._before:
            if isinstance(of, random.Random):
                of.setstate(before)
            elif isinstance(of, np.random.RandomState) and _state(of) != before:
                kind, keys, *rest = before
                of.set_state((kind, np.frombuffer(keys, np.uint32), *rest))

    def reason(self):
        """Why the call cannot be repeated; "" where nothing was drawn."""
        for of, path, before in self._before:
            if _state(of) != before:
                return (f"the function reads or writes the file {path}" if isinstance(of, io.IOBase) else
                        f"the function goes on with the iterator {path}" if isinstance(of, Iterator) else
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
    if isinstance(of, Iterator):
        return _position(of)
    return repr(of.bit_generator.state) if isinstance(of, np.random.Generator) else [
        part.tobytes() if isinstance(part, np.ndarray) else part for part in of.get_state()]


def _position(iterator):
    """Where an iterator is, as numbers and identities of what it is made of; Unsupported where it does not tell."""
    try:
        parts = iterator.__reduce__()
    except TypeError:
        raise Unsupported(f"a {type(iterator).__name__} does not tell how far it is") from None
    found: list = []
    stack = [parts]
    while stack:
        value = stack.pop()
        if isinstance(value, tuple):
            stack += value
        elif isinstance(value, Iterator):
            found.append(_position(value))
        else:
            found.append(value if isinstance(value, (int, float, str, bytes)) else id(value))
    return found


def _check_plain(tensor, path):
    """Unsupported for tensors that are not plain memory."""
    if "_layout" not in fields(tensor):
        raise Unsupported(f"{path} has no shape yet; it gets one in the first call")
    own = tensor._layout
    if own.__class__ is not Layout:
        raise Unsupported(f"{path} is no plain tensor (sparse, batched, or of a class of its own)")
    if not (own.device is CPU or own.device.type == "cuda"):
        raise Unsupported(f"{path} is on {own.device}: programs run on the CPU, and on GPUs")


class _Snapshot:
    """The contents of the memory that a call changes, its generator's state and gradients, to go back to."""

    def __init__(self, capture, places, tensors):
        self._before, self._given_up, buffers = capture.before, capture.given_up, capture.buffers
        self._gradients = [(t, t._grad) for t, *_ in places.gradients] + [(t, t._grad) for t in tensors]
        known = {id(t): t for t in [*tensors, *(g for _, g in self._gradients if g is not None)]}
        self._fields = [(t, {n: v for n, v in fields(t).items() if n in FIELDS}) for t in known.values()]
        self._generators = [(s, s.copy()) for s in (default_of(d).state for d in {CPU, *(b.device for b in buffers)})]

    def restore(self):
        for tensor, before in self._fields:  # of `data`, `resize_` and the like
            own = fields(tensor)
            for name in [n for n in own if n in FIELDS and n not in before]:
                del own[name]
            own.update(before)
        for grad in self._given_up:  # what was in it is not read
            own, offset = grad._storage, grad._ptr - grad._storage.ptr
            own.block = backend.allocate(own.nbytes)
            own.ptr = backend.address(own.block)
            grad._ptr = own.ptr + offset
        self._before.restore()
        for tensor, grad in self._gradients:
            tensor._grad = grad
        for state, copy in self._generators:
            state.become(copy)
