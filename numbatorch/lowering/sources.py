"""Kernel source as files to read, and the text of the helper functions that it calls."""

import functools
import itertools
import linecache
import re
import sys

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
    """{name: text} of a function and of all it calls, the same under every version of Python."""
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
    found[function.__name__] = f"{function.__name__} {_body(code)} {values!r}"
    return found


def _body(code):
    """The lines of a function of a module, less those of comments alone; its bytecode where there is no source."""
    lines = linecache.getlines(code.co_filename)[code.co_firstlineno - 1 :]
    if not lines:
        return sys.version, code.co_code.hex(), code.co_consts, code.co_names
    start = next(i for i, line in enumerate(lines) if line.startswith("def ")) + 1
    inside = itertools.takewhile(lambda line: line[:1].isspace() or line[:1] in ")#", lines[start:])
    texts = [line.rstrip() for line in (lines[start - 1], *inside)]
    return [text for text in texts if text and not text.lstrip().startswith("#")]
