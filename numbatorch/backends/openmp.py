"""OpenMP: not part of numbatorch, which has a thread pool of its own."""


def is_available():
    """Whether OpenMP runs the threads: never."""
    return False
