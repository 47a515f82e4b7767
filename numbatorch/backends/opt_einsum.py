"""opt_einsum: `einsum` orders its products itself. Settings are kept and mean nothing."""

from . import settings

settings(globals(), enabled=False, strategy=None)


def is_available():
    """Whether opt_einsum orders the products of `einsum`: never."""
    return False


def get_opt_einsum():
    """The module opt_einsum: None."""
    return None
