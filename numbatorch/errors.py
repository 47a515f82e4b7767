"""Exceptions of our own, each a subclass of the one PyTorch raises in its place."""


class OutOfMemoryError(RuntimeError):
    """An allocation failed. The message says how much was asked for."""


class NoMemoryError(MemoryError, RuntimeError):
    """The host has no memory left: Python's MemoryError, and RuntimeError as PyTorch's allocator raises it."""


class LinAlgError(RuntimeError):
    """A matrix does not allow the operation (singular, not positive definite, no convergence)."""


class NoAcceleratorError(AssertionError, RuntimeError):
    """A device was asked to work that is not there.

    PyTorch raises AssertionError where it was built without a device, RuntimeError where a machine lacks it.
    """


class NotOnHostError(TypeError):
    """NumPy was to work on memory that is not the host's."""


class NoValuesError(NotImplementedError):
    """The values of a tensor were asked for that has none: it is on the meta device."""


class MissingError(NotImplementedError, AttributeError):
    """A public name of PyTorch that numbatorch does not have."""
