"""Whether operations are recorded: no_grad, enable_grad, set_grad_enabled, inference_mode. Per thread."""

import functools
import inspect
import threading

from ..versions import INFERENCE, OPEN, Start, start


class _Mode(threading.local):
    enabled = True
    inference = False
    asked = False  # in inference mode, where nothing is recorded: whether enable_grad asked for it


mode = _Mode()


def is_grad_enabled():
    """Whether operations on tensors that require grad are recorded in this thread (or, in inference mode, would be)."""
    return mode.enabled or mode.asked


def is_inference_mode_enabled():
    """Whether this thread is inside `inference_mode()`."""
    return mode.inference


class _Switch:
    """A context manager and decorator that sets recording to a value and puts the old one back."""

    def __call__(self, function):
        if inspect.isclass(function):
            function.__init__ = self(function.__init__)
            return function
        if inspect.isgeneratorfunction(function):
            @functools.wraps(function)
            def generator(*args, **kwargs):
                iterator = function(*args, **kwargs)
                try:
                    with self.clone():
                        value = next(iterator)
                    while True:
                        try:
                            sent = yield value
                        except GeneratorExit:
                            with self.clone():
                                iterator.close()
                            raise
                        except BaseException as error:
                            with self.clone():
                                value = iterator.throw(error)
                        else:
                            with self.clone():
                                value = iterator.send(sent)
                except StopIteration as stop:
                    return stop.value
            return generator

        @functools.wraps(function)
        def call(*args, **kwargs):
            with self.clone():
                return function(*args, **kwargs)
        return call

    def clone(self):
        return type(self)()

    def __enter__(self):
        self.previous = mode.enabled, mode.asked
        _switch(self.value)

    def __exit__(self, *_):
        mode.enabled, mode.asked = self.previous


def _switch(value):
    """Record from now on, or not; in inference mode it is only remembered."""
    if mode.inference:
        mode.asked = value
    else:
        mode.enabled = value


class no_grad(_Switch):
    """Record nothing inside: `with no_grad():` or `@no_grad()`."""

    value = False

    def __new__(cls, function=None):
        self = super().__new__(cls)
        return self if function is None else self(function)


class enable_grad(_Switch):
    """Record inside, also within `no_grad`."""

    value = True

    def __new__(cls, function=None):
        self = super().__new__(cls)
        return self if function is None else self(function)


class set_grad_enabled(_Switch):
    """Record or not, by argument; acts at once, and as a context manager puts the old value back."""

    def __init__(self, mode_):
        self.value = bool(mode_)
        self.before = mode.enabled, mode.asked
        _switch(self.value)

    def __call__(self, function):
        mode.enabled, mode.asked = self.before
        return super().__call__(function)

    def clone(self):
        return set_grad_enabled(self.value)

    def __enter__(self):
        self.previous = self.before
        _switch(self.value)


class _Inference:
    """How many `inference_mode()` are on, in all threads; while there are, new memory asks its thread."""

    def __init__(self):
        self.count, self.guard = 0, threading.Lock()

    def change(self, difference):
        with self.guard:
            self.count += difference
            start.__class__ = StartByThread if self.count else Start


class StartByThread(Start):
    """Where the versions of new memory begin while some thread is in inference mode."""

    @property
    def version(self):
        return INFERENCE if mode.inference else 0

    @version.setter
    def version(self, value):
        raise AttributeError("the version that new memory begins at follows from inference_mode")


_inference = _Inference()


def check_changeable(name, tensor):
    """RuntimeError where an inference tensor is changed in place outside inference mode."""
    if tensor._storage.version < OPEN and not mode.inference:
        raise RuntimeError(f"{name}: Inplace update to inference tensor outside InferenceMode is not allowed (the "
                           f"tensor has shape {list(tensor.shape)}). You can make a clone to get a normal tensor "
                           "before doing inplace update, or do it inside torch.inference_mode().")


def refuse_saved(name, value):
    """Raise the RuntimeError of an inference tensor that would have to be kept for backward."""
    raise RuntimeError(f"{name}: Inference tensors cannot be saved for backward, and one of shape {list(value.shape)} "
                       "would have to be. Please do not use Tensors created in inference mode in computation tracked "
                       "by autograd. To work around this, you can make a clone to get a normal tensor and use it in "
                       "autograd, or use `torch.no_grad()` instead of `torch.inference_mode()`.")


class inference_mode(_Switch):
    """Record nothing inside, and make tensors that stay off the tape: they have no version counter, cannot be changed
    in place outside, nor be saved for backward. `clone()` outside makes ordinary tensors of them."""

    def __new__(cls, mode=True):
        self = super().__new__(cls)
        if callable(mode):
            self.value_ = True
            return self(mode)
        return self

    def __init__(self, mode=True):
        self.value_ = True if callable(mode) else bool(mode)

    def clone(self):
        return inference_mode(self.value_)

    def __enter__(self):
        self.previous = mode.enabled, mode.inference, mode.asked
        mode.asked = False
        if self.value_:
            _inference.change(1)
            mode.enabled, mode.inference = False, True
        else:
            mode.enabled, mode.inference = True, False

    def __exit__(self, *_):
        mode.enabled, mode.inference, mode.asked = self.previous
        if self.value_:
            _inference.change(-1)
