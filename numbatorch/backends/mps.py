"""Metal Performance Shaders: there is no Apple GPU in this build."""

from numbatorch.errors import NoAcceleratorError


def is_built():
    """Whether kernels for Apple GPUs are part of this build: no."""
    return False


def is_available():
    """Whether an Apple GPU computes: never."""
    return False


def is_macos_or_newer(major, minor):
    """Whether MPS runs on this version of macOS or a newer one: it does not run."""
    return False


def is_macos13_or_newer(minor=0):
    """Whether MPS runs on macOS 13 or newer: it does not run."""
    return False


def get_name():
    """The name of the GPU. NoAcceleratorError: there is none."""
    raise NoAcceleratorError("backends.mps.get_name: no mps device is available in this build, only cpu")


def get_core_count():
    """How many cores the GPU has. NoAcceleratorError: there is none."""
    raise NoAcceleratorError("backends.mps.get_core_count: no mps device is available in this build, only cpu")
