"""Arm KleidiAI: not part of numbatorch."""


def is_available():
    """Whether KleidiAI computes: never."""
    return False
