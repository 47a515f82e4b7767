"""What programs ask about PyTorch's backends, and set on them: none of those libraries is part of numbatorch. Settings
are kept, so that programs read what they wrote; where one means something here its module says so.
"""

import contextlib
import importlib

fp32_precision = "none"

_SUBMODULES = ("cpu", "cuda", "cudnn", "cusparselt", "kleidiai", "mha", "miopen", "mkl", "mkldnn", "mps", "nnpack",
               "openmp", "opt_einsum", "quantized")


def flags_frozen():
    """Whether settings can only be changed inside `flags(...)`: never."""
    return False


def settings(scope, **values):
    """Give a module (its globals) settings, set_flags(...) that returns those before, and flags(...) as a context.

    Values of None in a call leave a setting alone, and arguments by position are settings in their order.
    """
    scope.update(values)

    def set_flags(*args, **given):
        """Change settings; those before, in order. TypeError for unknown ones."""
        named = dict(zip(values, args, strict=False)) | {k.lstrip("_"): v for k, v in given.items()}
        unknown = set(named) - set(values)
        if unknown or len(args) > len(values):
            raise TypeError(f"set_flags() got unexpected settings {sorted(unknown) or args}; there are "
                            f"{', '.join(values)}")
        before = tuple(scope[name] for name in values)
        scope.update({name: value for name, value in named.items() if value is not None})
        return before

    @contextlib.contextmanager
    def flags(*args, **given):
        """Settings inside `with`; afterwards they are as before."""
        before = set_flags(*args, **given)
        try:
            yield
        finally:
            scope.update(zip(values, before, strict=True))
    scope.update(set_flags=set_flags, flags=flags)


def __getattr__(name):
    if name in _SUBMODULES:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
