"""The fast path of attention layers in PyTorch; here there is one path, and the setting means nothing."""

_enabled = True


def get_fastpath_enabled():
    """What `set_fastpath_enabled` set."""
    return _enabled


def set_fastpath_enabled(value):
    """Whether attention layers may take their fast path."""
    global _enabled
    _enabled = bool(value)
