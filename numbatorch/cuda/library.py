"""The C library for kernels of the GPU: what they call by its name in C is linked from expr/c_library.py."""

import functools
import re

from numba.core import types
from numba.core.compiler_lock import global_compiler_lock

from ..expr.c_library import FUNCTIONS
from ..lowering import frontend, intrinsics
from ..lowering.locking import lock

_DECLARED = re.compile(r'^declare [^\n]*?@"?(\w+)"?\(', re.M)
_NAME = re.compile(r'declare [^\n]*?@"?([\w.]+)"?\(')
_LLVM = {types.float32: "float", types.float64: "double"}


_INTRINSIC = re.compile(r"@llvm\.(acos|asin|atan|atan2|cos|cosh|exp|exp2|log|log10|log2|pow|sin|sinh|tan|tanh)\.f64\b")


def renamed(text):
    """An IR text in which LLVM's names for functions of the C library are C's, but for the square root."""
    text = _INTRINSIC.sub(r"@\1", text)
    text = re.sub(r'@"?sqrt"?\(', "@llvm.sqrt.f64(", text)
    seen, lines = set(), []
    for line in text.split("\n"):
        declared = _NAME.match(line)
        if declared is None or declared[1] not in seen:
            lines.append(line)
        if declared is not None:
            seen.add(declared[1])
    return "\n".join(lines)


def needed(text):
    """IR texts that define the functions of the C library which an IR text declares, and those that they call."""
    return [_text(name) for name in sorted(set(_DECLARED.findall(text)) & set(FUNCTIONS))]


@functools.cache
def _text(name):
    """IR text that defines `name` with the arguments and the result that it has in C."""
    function = intrinsics.rebound(FUNCTIONS[name])
    kind = types.float32 if name in ("fmodf", "nextafterf") else types.float64
    count = function.__code__.co_argcount
    with lock, global_compiler_lock:
        frontend.bind(function, set())
        made = frontend.lower(function, (kind,) * count, kind)
        native, text = made.fndesc.llvm_func_name, made.library.text()
    type_ = _LLVM[kind]
    listed = ", ".join(f"{type_} %a{k}" for k in range(count))
    return text + f"""
define {type_} @{name}({listed}) alwaysinline {{
 %result = alloca {type_}
 %raised = alloca ptr
 %status = call i32 @"{native}"(ptr %result, ptr %raised, {listed})
 %value = load {type_}, ptr %result
 ret {type_} %value
}}
"""
