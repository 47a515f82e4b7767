"""Public functions outside the table of ops (zeros_like, F.relu, Tensor.float, ...) as part of `__torch_function__`.

Ops find no plan for what answers calls itself, and so come to it (interception.py). These functions have no plans, and
to ask in each of them would cost every call. So nothing is there until the first subclass, mode or stand-in for a
tensor appears; then their code is exchanged for code that asks. They stay the same objects, whoever holds them.
"""

import importlib
import inspect
import sys
import threading
import types
from typing import Any

from . import interception, subclassing
from .ops.declare import OPS

Tensor: Any = None  # set by tensor.py
_FREE = ("numbatorch", "numbatorch.nn.functional", "numbatorch.nn.init")
# What tells about the library, not about tensors: PyTorch shows these to nobody, either.
_SILENT = frozenset("""can_cast promote_types result_type typename is_storage is_tensor is_grad_enabled broadcast_shapes
    is_inference_mode_enabled get_default_device get_default_dtype set_default_device set_default_dtype
    set_printoptions calculate_gain""".split())
# Members of Tensor that are part of the machinery.
_OWN = frozenset("""__new__ __init__ __init_subclass__ __setattr__ __getattribute__ __hash__ __dir__ __getstate__
    as_subclass""".split())
# Operators, which are calls of ops: those are what handlers see, as in PyTorch.
_OPERATORS = frozenset(
    [f"__{mark}{name}__" for mark in ("", "r", "i")
     for name in "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift div".split()]
    + [f"__{name}__" for name in "eq ne lt le gt ge neg pos abs invert".split()])
# Above these a module of numbatorch is a user of tensors like any other, below it asks nobody.
_USERS = frozenset("nn optim distributions utils func amp signal datasets".split())
_guard = threading.RLock()


def _asking(*args, _ask, **kwargs):
    return _ask(args, kwargs)


class Exchange:
    """Functions whose code is exchanged between `on()` and `off()`: a call is answer(function, original, args, kwargs).
    """

    def __init__(self, functions, answer):
        self.functions, self.answer = functions, answer
        self.kept = None

    def on(self):
        """Let the functions ask."""
        if self.kept is None:
            self.kept = [_exchange(f, self.answer) for f in self.functions()]

    def off(self):
        """Let them run as they were written."""
        for function, code, keywords in self.kept or ():
            function.__code__, function.__kwdefaults__ = code, keywords
        self.kept = None


def _exchange(function, answer):
    """Give a function code that calls answer(function, original, args, kwargs); (function, code, keyword defaults)."""
    code, keywords = function.__code__, function.__kwdefaults__
    if not hasattr(function, "__signature__"):
        function.__signature__ = inspect.signature(function)
    original = types.FunctionType(code, function.__globals__, function.__name__, function.__defaults__,
                                  function.__closure__)
    original.__kwdefaults__ = keywords

    def ask(args, kwargs):
        return answer(function, original, args, kwargs)
    function.__kwdefaults__ = {**(keywords or {}), "_ask": ask}  # old and new code find theirs, in any thread
    function.__code__ = _asking.__code__.replace(co_freevars=code.co_freevars, co_name=code.co_name,
                                                 co_filename=code.co_filename, co_qualname=code.co_qualname)
    return function, code, keywords


def _calls():
    return {id(f) for op in OPS.values() for f in (op.call, op.call_inplace)}


def free_functions():
    """The public functions of the namespaces that are no ops."""
    ops, found = _calls(), {}
    for name in _FREE:
        module = importlib.import_module(name)
        for label, f in vars(module).items():
            if (isinstance(f, types.FunctionType) and id(f) not in ops and not label.startswith("_")
                    and label not in _SILENT and f.__module__.startswith("numbatorch")):
                found[id(f)] = f
    return list(found.values())


def members():
    """Methods of Tensor that are no ops, and what reads and writes its properties: {function: what handlers see}."""
    ops, found = _calls(), {}
    for owner in Tensor.__mro__[:-1]:
        for label, member in vars(owner).items():
            if label in _OWN or label in _OPERATORS or label.startswith("_") and not label.startswith("__"):
                continue
            if isinstance(member, types.FunctionType) and id(member) not in ops:
                found[member] = member
            elif isinstance(member, property):
                found.update({f: shown for f, shown in ((member.fget, member.__get__), (member.fset, member.__set__))
                              if isinstance(f, types.FunctionType)})
    return found


def _ask_all(function, original, args, kwargs):
    """Modes, then the classes of the arguments, then the function itself."""
    found = ask_modes(function, args, kwargs)
    if found is NotImplemented and not subclassing._local.off:
        relevant = [v for v in subclassing._objects((*args, *kwargs.values())) if subclassing.answers(type(v))]
        if relevant:
            return subclassing.handle(function, relevant, args, kwargs)
    return original(*args, **kwargs) if found is NotImplemented else found


def _ask_modes_of_users(function, original, args, kwargs):
    caller = sys._getframe(3).f_globals.get("__name__", "").split(".")
    if interception._local.modes and (caller[0] != "numbatorch" or len(caller) > 1 and caller[1] in _USERS):
        found = ask_modes(_shown.get(function, function), args, kwargs)
        if found is not NotImplemented:
            return found
    return original(*args, **kwargs)


def ask_modes(function, args, kwargs):
    """What the innermost function mode of this thread makes of a call; NotImplemented where there is none."""
    modes = interception._local.modes
    for k in range(len(modes) - 1, -1, -1):
        if modes[k].answers is None:
            continue
        tensors = [v for v in subclassing._objects((*args, *kwargs.values())) if subclassing.answers(type(v))]
        interception._local.modes = modes[:k] + modes[k + 1:]  # those entered later watch ops
        try:
            found = modes[k].answers(function, tuple(dict.fromkeys(map(type, tensors))), args, kwargs)
        finally:
            interception._local.modes = modes
        if found is not NotImplemented:
            return found
    return NotImplemented


_shown: dict = {}
_free = Exchange(free_functions, _ask_all)
_members = Exchange(lambda: _shown or _shown.update(members()) or _shown, _ask_modes_of_users)
_modes = 0


def watch():
    """From now on the free functions ask."""
    with _guard:
        interception.state.active = True
        _free.on()


def watch_members(change):
    """Count a mode that begins (1) or ends (-1): while there are any, Tensor's own methods ask them."""
    global _modes
    with _guard:
        watch()
        _modes += change
        if _modes:
            _members.on()
        else:
            _members.off()
