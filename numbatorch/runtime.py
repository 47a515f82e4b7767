"""Settings of the machinery that runs kernels."""

_interop = 1


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
