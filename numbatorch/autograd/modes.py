"""Whether operations are recorded: no_grad, enable_grad, set_grad_enabled, inference_mode. Per thread."""

import functools
import inspect
import threading


class _Mode(threading.local):
    enabled = True
    inference = False


mode = _Mode()


def is_grad_enabled():
    """Whether operations on tensors that require grad are recorded in this thread."""
    return mode.enabled


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
        self.previous = mode.enabled
        mode.enabled = self.value

    def __exit__(self, *_):
        mode.enabled = self.previous


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
        self.before = mode.enabled
        mode.enabled = self.value

    def __call__(self, function):
        mode.enabled = self.before
        return super().__call__(function)

    def clone(self):
        return set_grad_enabled(self.value)

    def __enter__(self):
        self.previous, mode.enabled = self.before, self.value


class inference_mode(_Switch):
    """no_grad; `is_inference_mode_enabled()` tells. Results are ordinary tensors without a history."""

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
        self.previous = mode.enabled, mode.inference
        if self.value_:
            mode.enabled, mode.inference = False, True
        else:
            mode.enabled, mode.inference = True, False

    def __exit__(self, *_):
        mode.enabled, mode.inference = self.previous
