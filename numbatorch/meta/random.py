"""Drawing where there is nothing to draw: every function returns at once, and no generator moves."""


def draw_order(shape, strides):
    """The dimensions as they are."""
    return tuple(range(len(shape)))


def fill(function, state, target, shape, strides, dtype, *arguments):
    """Nothing."""


def _nothing(*arguments):
    pass


def __getattr__(name):
    if not name.startswith("__"):
        return _nothing
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
