"""cuSPARSELt: there is no GPU for it."""


def is_available():
    """Whether cuSPARSELt computes: never."""
    return False


def version():
    """The number of its version: None."""
    return None


def get_max_alg_id():
    """The number of its algorithms: None."""
    return None
