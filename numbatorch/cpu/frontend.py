"""Numba as a front end: Python source of a kernel to unoptimised LLVM IR text.

Numba's own pipeline optimises and loads every function; only its type inference and lowering are used here, with a
library class that collects modules instead. Helper functions are lowered the same way and linked in, to be inlined.
"""

import functools
import linecache
import re
import types as python_types

from numba.core import codegen, compiler, types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.compiler_machinery import PassManager
from numba.core.errors import NumbaError
from numba.core.typed_passes import (
    IRLegalization,
    NativeLowering,
    NoPythonBackend,
    NopythonTypeInference,
    PreLowerStripPhis,
)
from numba.core.untyped_passes import FixupArgs, IRProcessing, ReconstructSSA, TranslateByteCode

from . import entry, intrinsics, machine
from .contexts import contexts, declare


class Library(codegen.CPUCodeLibrary):
    """A code library that is never optimised nor loaded: `text` takes its IR with all that it links."""

    def add_llvm_module(self, ll_module):
        ll_module.data_layout = self._codegen._data_layout
        self._final_module.link_in(ll_module)

    def finalize(self):
        for library in dict.fromkeys(self._linking_libraries):
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalized = True


class Pipeline(compiler.CompilerBase):
    """Bytecode to LLVM without rewrites: kernels are loops over scalars, there is nothing for those to find."""

    def define_pipelines(self):
        passes = PassManager("kernel")
        for step in (TranslateByteCode, FixupArgs, IRProcessing, ReconstructSSA, NopythonTypeInference,
                     PreLowerStripPhis, IRLegalization, NativeLowering, NoPythonBackend):  # fmt: skip
            passes.add_pass(step, step._name)
        passes.finalize()
        return [passes]


@functools.cache
def _flags():
    flags = compiler.Flags()
    flags.nrt = flags.enable_looplift = flags.enable_pyobject = False
    flags.no_compile = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = flags.no_rewrites = True
    flags.error_model = "numpy"  # division branches otherwise
    return flags


def lower(function, arguments, result=None):
    """Numba's compile result for a plain Python function and argument types."""
    typing, target = contexts()
    library = Library(target.codegen(), function.__qualname__)
    return compiler.compile_extra(
        typing, target, function, tuple(arguments), result, _flags(), {}, library=library, pipeline_class=Pipeline
    )


def numba_type(text):
    """Numba's type for one entry of a signature."""
    if text.endswith("*"):
        return types.CPointer(getattr(types, entry.stored_type(text[:-1])))
    return types.boolean if text == "bool" else getattr(types, text)


def module_text(name, source, path, signature, independent):
    """IR text that defines `void @name(<signature>, i64, i64)` from kernel source."""
    linecache.cache[path] = (len(source), None, source.splitlines(True), path)
    namespace = intrinsics.namespace()
    arguments = [*map(numba_type, signature), types.int64, types.int64]
    with machine.lock, global_compiler_lock:
        try:
            exec(compile(source, path, "exec"), namespace)
            function = namespace[name]
            bind(function, set())
            made = lower(function, arguments, types.void)
        except (NumbaError, SyntaxError, KeyError, NotImplementedError, TypeError, AttributeError) as error:
            detail = " ".join(str(error).split("\n\n")[0].split())
            raise RuntimeError(f"kernel {name}({', '.join(signature)}) does not compile: {detail} ({path})") from error
        made.library.finalize()
        native = made.fndesc.llvm_func_name
        for part in made.library._final_module.functions:
            if not part.is_declaration and b"noinline" not in b" ".join(part.attributes):
                part.add_function_attribute("alwaysinline")
        text = str(made.library._final_module)
    if independent:
        text = _mark_independent(text, native)
    return text + _wrapper(name, native, signature)


def _wrapper(name, native, signature):
    """`void @name`: calls Numba's function and drops its status, which is always "done": kernels do not raise."""
    listed, passed, unpack = [], [], ""
    for i, text in enumerate((*signature, "int64", "int64")):
        kind = entry.llvm_type(text)
        listed.append(f"{kind} %a{i}")
        if text.startswith("complex") and not text.endswith("*"):
            part = "float" if text == "complex64" else "double"
            for k in (0, 1):
                unpack += f" %a{i}.{k} = extractvalue {kind} %a{i}, {k}\n"
                passed.append(f"{part} %a{i}.{k}")
        else:
            passed.append(f"{kind} %a{i}")
    wide = ' "prefer-vector-width"="512"' if machine.has_feature("avx512f") else ""
    return f"""
define void @{name}({", ".join(listed)}) nounwind{wide} {{
 %result = alloca ptr
 %raised = alloca ptr
{unpack} %status = call i32 @"{native}"(ptr %result, ptr %raised, {", ".join(passed)})
 ret void
}}
"""


# Loops whose iterations are independent. LLVM takes the promise as metadata: an access group on every load and store,
# and on each branch back to a loop's head a loop id that names the group.

_DEFINE = re.compile(r"^define [^\n]*?@\"?([^\"( ]+)\"?\(.*?^}", re.M | re.S)
_ACCESS = re.compile(r"^(  (?:%\S+ = load|store) .*)$", re.M)
_LABEL = re.compile(r'^("[^"]+"|[\w.$]+):', re.M)
_TARGET = re.compile(r'label %("[^"]+"|[\w.$]+)')
_GROUP, _FIRST_LOOP = 900000, 900001


def _mark_independent(text, native):
    body = next(match for match in _DEFINE.finditer(text) if match[1] == native)
    labels = list(_LABEL.finditer(body[0]))
    ends = [label.start() for label in labels[1:]] + [len(body[0])]
    blocks = {label[1]: body[0][label.start() : end] for label, end in zip(labels, ends, strict=True)}
    follows = {label: _TARGET.findall(block) for label, block in blocks.items()}
    heads = _loop_heads(follows, labels[0][1])
    numbers = {head: _FIRST_LOOP + i for i, head in enumerate(dict.fromkeys(head for _, head in sorted(heads)))}
    out = [body[0][: labels[0].start()]]
    for label, block in blocks.items():
        block = _ACCESS.sub(rf"\1, !llvm.access.group !{_GROUP}", block)
        back = [head for head in follows[label] if (label, head) in heads]
        if back:
            block = re.sub(r"^(  (?:br|switch) [^\n]*)$", rf"\1, !llvm.loop !{numbers[back[0]]}", block, flags=re.M)
        out.append(block)
    metadata = f"\n!{_GROUP} = distinct !{{}}\n!{_GROUP + 100000} = !{{!\"llvm.loop.parallel_accesses\", !{_GROUP}}}\n"
    for number in numbers.values():
        metadata += f"!{number} = distinct !{{!{number}, !{_GROUP + 100000}}}\n"
    return text[: body.start()] + "".join(out) + text[body.end() :] + metadata


def _loop_heads(follows, first):
    """The edges (block, head) that lead back to a block still on the path from the entry."""
    edges, on_path, seen, stack = set(), {first}, {first}, [(first, iter(follows[first]))]
    while stack:
        label, targets = stack[-1]
        for target in targets:
            if target in on_path:
                edges.add((label, target))
            elif target not in seen:
                seen.add(target)
                on_path.add(target)
                stack.append((target, iter(follows[target])))
                break
        else:
            stack.pop()
            on_path.discard(label)
    return edges


# Functions that kernels call: those of expr/mathematics and those defined beside the kernel in its source.


def bind(function, seen):
    """Make the helper functions that a function mentions known to Numba, and those they mention."""
    space = function.__globals__
    for name in function.__code__.co_names:
        if name not in space:
            found = intrinsics.lookup(name)
            if found is not None:
                space[name] = found
        value = space.get(name)
        if isinstance(value, python_types.FunctionType) and value not in seen:
            seen.add(value)
            if not hasattr(value, "__numbatorch_template__"):
                bind(value, seen)
                _register(value)


def _register(function):
    signatures: dict[tuple, object] = {}  # type inference asks many times

    def generic(template, arguments, named):
        if named:
            return None
        arguments = tuple(types.unliteral(argument) for argument in arguments)
        if arguments not in signatures:
            made = lower(function, arguments)
            contexts()[1].insert_user_function(function, made.fndesc, [made.library])
            signatures[arguments] = made.signature
        return signatures[arguments]

    declare(function, generic)
