"""What a call does besides its work on memory: other code that it runs, clocks that it reads, files that it opens.

A `Listener` hears of every call in a thread, those of built-in functions included (sys.setprofile), while a function is
captured. What a program could not repeat, or could not see change, is told to the capture; functions that the walk over
places has not found are collected, so that the next capture looks after what they name.
"""

import datetime
import gc
import io
import os
import random
import sys
import types

import numpy as np

from .values import is_library
from .watch import inside_library

_PYTHON = os.path.dirname(os.__file__) + os.sep
_PACKAGES = ("site-packages", "dist-packages")
_NEUTRAL = ("numpy", "numba", "llvmlite")  # what these do is done by who called them
_SYSTEM = frozenset(("time", "posix", "nt", "_io", "_socket", "select", "_posixsubprocess", "_thread", "_signal",
                     "_multiprocessing", "_winapi", "mmap"))
_QUIET = frozenset(("allocate_lock", "get_ident", "RLock", "fspath", "_count", "fsencode", "fsdecode", "StringIO",
                    "BytesIO", "stack_size", "_set_sentinel", "get_native_id"))  # of those modules, without effect
_CALLS = frozenset(("input", "open", "breakpoint"))  # of builtins
_HEAP = 1 << 9  # a flag of types that may be dropped again
_GENERATOR = 0x20 | 0x80 | 0x200  # flags of code whose frames go on later
_ENVIRONMENT = frozenset(id(f.__code__) for f in (
    type(os.environ).__getitem__, type(os.environ).__iter__, type(os.environ).__len__, type(os.environ).copy)
    if isinstance(f, types.FunctionType))


_PLAIN = {type(None), str, bytes, int, float, list, dict, tuple, set}  # types whose methods have no such effects


def _origin(frame):
    """"user", "library" (this one), "loading" (Python's import), or "" for what acts for its caller."""
    name, module = frame.f_code.co_filename, frame.f_globals.get("__name__") or ""
    if name.startswith("<frozen importlib") or module.startswith("importlib._bootstrap"):
        return "loading"
    root = module.partition(".")[0]
    if root == "numbatorch" or inside_library(name) and not name.startswith(("<string>", "<ipython", "<frozen")):
        return "library"
    if root in _NEUTRAL or root.startswith("namedtuple_") or name.startswith("<frozen"):
        return ""
    if name.startswith(_PYTHON) and not any(p in name for p in _PACKAGES):
        return ""
    return "user"


def by_user(frame):
    """Whether a call was made by a program's own code, through Python's library or not."""
    while frame is not None:
        found = _origin(frame)
        if found:
            return found == "user"
        frame = frame.f_back
    return False


def _called_for_user(frame):
    """Whether what a frame calls is a function of a program: it calls it itself, or this library does."""
    return frame is None or _origin(frame) == "library" or by_user(frame)


class Listener:
    """`with Listener(capture, places):` tells the capture's `refuse` of what a program could not repeat.

    found: {id: (code, the globals of its function)} of the user's functions that ran.
    """

    def __init__(self, capture, places):
        self._capture, self._places, self._known = capture, places, {}
        self.found: dict = {}
        self.environment = False  # whether the environment was read, and no walk has come to it

    def __enter__(self):
        self._before = sys.getprofile()  # another profiler waits meanwhile
        if hasattr(self._before, "disable"):  # cProfile's, which is no function
            self._before.disable()
        sys.setprofile(self._event)
        return self

    def __exit__(self, *_):
        sys.setprofile(None)
        if hasattr(self._before, "enable"):
            self._before.enable()
        else:
            sys.setprofile(self._before)

    def _event(self, frame, event, argument):
        if event == "call":
            code = frame.f_code
            if code.co_flags & _GENERATOR and self._places.generators:
                own = self._places.generators.get(id(frame))
                if own is not None and own[0].gi_frame is frame:
                    self._refuse(f"goes on with the generator {own[1]}")
            if id(code) not in self._known:
                self._known[id(code)] = code
                if _origin(frame) == "user" and _called_for_user(frame.f_back):
                    self.found[id(code)] = code, frame.f_globals
            if id(code) in _ENVIRONMENT and by_user(frame) and not self._places.sees(os.environ._data):
                self.environment = True
        elif event == "c_call":
            of = argument.__self__ if argument.__class__ is types.BuiltinFunctionType else None
            kind = type(of)
            if kind in _PLAIN:
                return
            if kind is types.ModuleType:
                name = of.__name__
                if (name in _SYSTEM and argument.__name__ not in _QUIET or name == "builtins"
                        and argument.__name__ in _CALLS) and by_user(frame):
                    self._refuse(f"calls {name}.{argument.__name__}, whose effect or answer no program has")
            elif isinstance(of, io.IOBase):
                if not isinstance(of, (io.StringIO, io.BytesIO)) and by_user(frame):
                    self._refuse(f"uses a file ({argument.__name__})")
            elif isinstance(of, (random.Random, np.random.RandomState, np.random.Generator)):
                self._capture.drawn_at |= self._capture.line()
            elif isinstance(of, type):
                if issubclass(of, datetime.date) and argument.__name__ in ("now", "today", "utcnow") and by_user(frame):
                    self._refuse(f"asks for the time ({of.__name__}.{argument.__name__})")
            elif not kind.__flags__ & _HEAP:
                _PLAIN.add(kind)

    def _refuse(self, what):
        self._capture.refuse(f"the function {what}", 4)

    def unseen(self):
        """[(object, name)] that was used and that no walk has found: functions as far as they live, the environment."""
        made: list = [(os.environ._data, "os.environ")] if self.environment else []
        for key, (code, scope) in self.found.items():
            written = code.co_filename == "<string>" and "__name__" not in scope  # as by this library
            if key in self._places.codes or code.co_name == "<module>" or written:
                continue
            alive = [f for f in gc.get_referrers(code) if isinstance(f, types.FunctionType) and f.__code__ is code]
            if any(is_library(f.__module__) for f in alive):
                continue
            if not alive and not code.co_freevars:
                alive = [types.FunctionType(code, scope)]
            made += [(f, code.co_name) for f in alive]
        return made


class Lines:
    """`with Lines(code, moved):` finds the lines of a function after which `moved()` is true: it looks once a line."""

    def __init__(self, code, moved):
        self._code, self._moved, self._last = code, moved, 0
        self.found: set = set()

    def __enter__(self):
        self._before = sys.gettrace()
        if self._before is None:
            sys.settrace(self._called)
        return self

    def __exit__(self, *_):
        if self._before is None:
            sys.settrace(None)

    def _called(self, frame, event, argument):
        return self._line if frame.f_code is self._code else None

    def _line(self, frame, event, argument):
        if self._last and self._moved():
            self.found.add(self._last)
        self._last = frame.f_lineno
        return self._line
