"""The switches that ask for the same numbers twice. Kernels give them anyway, but for large scatters of single floats
on a GPU, which are sums by atomics until they are asked for (cuda/scatter.py); no operation refuses to run.
"""

_WORDS = {"default": 0, "warn": 1, "error": 2}
_state = {"deterministic": False, "warn_only": False}


def _claim(name, label, value):
    if not isinstance(value, bool):
        raise TypeError(f"{name}(): argument '{label}' must be bool, not {type(value).__name__}")
    return value


def use_deterministic_algorithms(mode, *, warn_only=False):
    """Ask that the same program on the same input gives the same numbers, on a GPU too. TypeError unless bools."""
    name = "use_deterministic_algorithms"
    _state.update(deterministic=_claim(name, "mode", mode), warn_only=_claim(name, "warn_only", warn_only))


def are_deterministic_algorithms_enabled():
    """Whether `use_deterministic_algorithms(True)` was called."""
    return _state["deterministic"]


def is_deterministic_algorithms_warn_only_enabled():
    """Whether it was called with warn_only=True."""
    return _state["warn_only"]


def set_deterministic_debug_mode(debug_mode):
    """The same as a number or a word: 0 "default", 1 "warn", 2 "error". RuntimeError for others."""
    if not isinstance(debug_mode, (int, str)):
        raise TypeError(f"debug_mode must be str or int, but got {type(debug_mode)}")
    if isinstance(debug_mode, str):
        if debug_mode not in _WORDS:
            raise RuntimeError("invalid value of debug_mode, expected one of `default`, `warn`, `error`, but got "
                               f"{debug_mode}")
        debug_mode = _WORDS[debug_mode]
    if debug_mode not in (0, 1, 2):
        raise RuntimeError(f"invalid value of debug_mode, expected 0, 1, or 2, but got {debug_mode}")
    use_deterministic_algorithms(debug_mode > 0, warn_only=debug_mode == 1)


def get_deterministic_debug_mode():
    """0, 1 or 2: the mode that `set_deterministic_debug_mode` would have to be given."""
    return (1 if _state["warn_only"] else 2) if _state["deterministic"] else 0
