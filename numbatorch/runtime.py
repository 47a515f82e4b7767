"""Settings of the machinery that runs kernels, and what programs ask about how it was built."""

import warnings

_interop = 1
_precision = "highest"
_warn_always = False
_PRECISIONS = ("highest", "high", "medium")

# What programs read to learn what PyTorch was linked with. Factorisations, FFT and threads are there, MKL is not.
has_lapack, has_mkl, has_openmp, has_spectral = True, False, False, True


def get_num_threads():
    """How many threads run the chunks of a kernel."""
    from .cpu import threads
    return threads.get_num_threads()


def set_num_threads(n):
    """Use `n` threads for kernels. Results do not depend on it. RuntimeError for n < 1, TypeError for other types."""
    from .cpu import threads
    threads.set_num_threads(n)


def get_num_interop_threads():
    """Threads that run independent operations side by side: one."""
    return _interop


def set_num_interop_threads(n):
    """Accepted for compatibility; operations run in the calling thread."""
    global _interop
    if not isinstance(n, int) or n < 1:
        raise RuntimeError(f"set_num_interop_threads expects a positive integer, got {n!r}")
    _interop = n


def get_float32_matmul_precision():
    """"highest", "high" or "medium": what `set_float32_matmul_precision` set."""
    return _precision


def set_float32_matmul_precision(precision):
    """Allow products of float32 matrices a lower precision. On the CPU they keep the highest, whatever is set.

    A word other than "highest", "high" and "medium" warns and changes nothing.
    """
    global _precision
    if precision not in _PRECISIONS:
        warnings.warn(f"{precision} is not one of 'highest', 'high', or 'medium'; the current "
                      "set_float32_matmul_precision call has no effect.", stacklevel=2)
        return
    _precision = precision


def set_flush_denormal(mode):
    """Whether numbers too small to be normal count as 0 in the calling thread, and in kernel threads it starts later.

    Returns whether this machine can do it. RuntimeError unless `mode` is a bool.
    """
    if not isinstance(mode, bool):
        raise RuntimeError(f"flush_denormal expects a bool, but got {type(mode).__name__}")
    from .cpu import denormals
    return denormals.flush(mode)


def set_warn_always(b):
    """Whether warnings that PyTorch gives once are given always; here Python's warning filters alone decide."""
    global _warn_always
    if not isinstance(b, bool):
        raise RuntimeError(f"set_warn_always expects a bool, but got {type(b).__name__}")
    _warn_always = b


def is_warn_always_enabled():
    """What `set_warn_always` set."""
    return _warn_always


def compiled_with_cxx11_abi():
    """Whether C++ parts use the ABI of C++11: True, as of all of PyTorch's builds since 2.7; there are none here."""
    return True


def get_device_module(device=None):
    """The module of a kind of device: `numbatorch.cpu` for "cpu"; None stands for the CPU as long as it computes all.

    RuntimeError for other types of argument, and for kinds of device that have no module.
    """
    import importlib

    from .device import device as device_type
    if device is None:
        kind = "cpu"
    elif isinstance(device, (str, device_type)):
        kind = device_type(device).type
    else:
        raise RuntimeError(f"Invalid value of device '{device}', expect torch.device, str, or None")
    if kind not in ("cpu", "cuda", "mps", "xpu"):
        raise RuntimeError(f"Device '{kind}' does not have a corresponding module registered as 'torch.{kind}'.")
    return importlib.import_module(f".{kind}", __package__)
