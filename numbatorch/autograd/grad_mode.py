"""Modes of differentiation under PyTorch's name; two of them are settings of machinery that is not needed here."""

import threading

from .modes import _Switch, enable_grad, inference_mode, no_grad, set_grad_enabled


class _Settings(threading.local):
    multithreading = True
    layout_policy = True


_settings = _Settings()


def is_multithreading_enabled():
    """What `set_multithreading_enabled` set in this thread."""
    return _settings.multithreading


class _Setting(_Switch):
    """A setting by argument; acts at once, and as a context manager or decorator puts the old value back."""

    name: str

    def __init__(self, mode):
        self.value = bool(mode)
        self.previous = getattr(_settings, self.name)
        setattr(_settings, self.name, self.value)

    def __call__(self, function):
        setattr(_settings, self.name, self.previous)
        return super().__call__(function)

    def clone(self):
        return type(self)(self.value)

    def __enter__(self):
        setattr(_settings, self.name, self.value)

    def __exit__(self, *_):
        setattr(_settings, self.name, self.previous)


class set_multithreading_enabled(_Setting):
    """Whether backward may use a thread for each accelerator: there is none, it runs in the calling thread."""

    name = "multithreading"


class enforce_grad_layout_policy(_Setting):
    """Whether gradients must lie in memory as their tensors do: they always do."""

    name = "layout_policy"

    def __init__(self, enable=True):
        super().__init__(enable)


__all__ = ["enable_grad", "enforce_grad_layout_policy", "inference_mode", "no_grad", "set_grad_enabled",
           "set_multithreading_enabled"]
