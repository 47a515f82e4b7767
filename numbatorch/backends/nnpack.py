"""NNPACK: not part of numbatorch. Its setting is kept and means nothing."""

from . import settings

settings(globals(), enabled=True)


def is_available():
    """Whether NNPACK computes: never."""
    return False
