"""Kernel source as files to read, and the text of the helper functions that it calls."""

import functools
import re

from . import cache

_HELPER_NAME = re.compile(r"\b([A-Za-z_]\w*_(?:float32|float64|complex64|complex128))\b")


def write_source(name, source, key, ending="py"):
    """Put source into a readable file, for people and tracebacks; returns the name to compile it under."""
    path = cache.write_source(f"{name}-{key[:16]}.{ending}", source)
    return str(path) if path else f"<kernel {name}>"


def helper_texts(source):
    """A text for each function of expr/mathematics that a kernel source mentions, directly or through another."""
    return [_helper_text(name) for name in sorted(set(_HELPER_NAME.findall(source)))]


@functools.cache
def _helper_text(name):
    from ..expr import mathematics

    function = mathematics.FUNCTIONS.get(name)
    return f"{name} of the C library" if function is None else "\n".join(describe(function, {}).values())


def describe(function, found):
    """{name: text} of a function and of all it calls; the bytecode decides, not its comments or its place."""
    if function.__name__ in found:
        return found
    code = function.__code__
    found[function.__name__] = ""
    values = []
    for name in code.co_names:
        value = function.__globals__.get(name)
        if isinstance(value, type(function)) and not value.__module__.endswith(".primitives"):
            describe(value, found)
        elif isinstance(value, (int, float, complex)):
            values.append((name, value))
    parts = (code.co_varnames[: code.co_argcount], code.co_code.hex(), code.co_consts, code.co_names, values)
    found[function.__name__] = f"{function.__name__} {parts!r}"
    return found
