"""What this build is made of, as text."""

import platform
import sys


def show():
    """Versions of numbatorch, of Python and of the libraries that make its kernels."""
    import importlib.metadata as metadata

    from .version import __version__
    parts = [f"Python {sys.version.split()[0]}", *(f"{name} {metadata.version(name)}" for name in (
        "numpy", "numba", "llvmlite")), platform.platform()]
    return f"numbatorch {__version__} built with:\n" + "".join(f"  - {part}\n" for part in parts)


def parallel_info():
    """How many threads run kernels and operations."""
    from .runtime import get_num_interop_threads, get_num_threads
    return (f"numbatorch thread pool:\n\tget_num_threads() : {get_num_threads()}\n"
            f"\tget_num_interop_threads() : {get_num_interop_threads()}\n")
