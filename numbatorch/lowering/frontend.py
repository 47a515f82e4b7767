"""Numba as a front end: Python source of a kernel to unoptimised LLVM IR text.

Numba's own pipeline optimises and loads every function; only its type inference and lowering are used here, with a
library class that collects modules instead. Helper functions are lowered the same way and linked in, to be inlined.
"""

import functools
import linecache
import types as python_types

import llvmlite.binding as llvm
from numba.core import cgutils, codegen, compiler, types
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

from ..expr.write import storage
from . import intrinsics
from .contexts import contexts, declare
from .locking import lock


class Library(codegen.CPUCodeLibrary):
    """A code library that is never optimised nor loaded: `text` gives its IR with all that it links."""

    def __init__(self, owner, name):
        codegen.CodeLibrary.__init__(self, owner, name)
        self._texts, self._linking_libraries = [], []

    def add_ir_module(self, ir_module):
        self._texts.append(cgutils.normalize_ir_text(str(ir_module)))

    def finalize(self):
        self._finalized = True

    def _all(self):
        """The texts of this library and of those that it links, each library once. Numba's own are whole already."""
        found, waiting = {}, [self]
        while waiting:
            library = waiting.pop(0)
            if library not in found:
                own = isinstance(library, Library)
                found[library] = library._texts if own else [str(library._get_module_for_linking())]
                waiting[:0] = library._linking_libraries if own else ()
        return [text for texts in found.values() for text in texts]

    def _get_module_for_linking(self):
        """For a library of Numba's own that calls a function of ours, as its complex sine calls the hyperbolic ones."""
        module = llvm.parse_assembly(self.text())
        for part in module.functions:
            if not part.is_declaration and part.linkage == llvm.Linkage.external:
                part.linkage = "linkonce_odr"  # a kernel that links both has it twice
        return module

    def text(self):
        """LLVM's own writing of all of it, each function to be inlined where it is called.

        In a context of its own: LLVM never frees the types and constants of one, and the process has one for ever.
        """
        first, *others = (llvm.parse_assembly(text, context) for context in [llvm.create_context()]
                          for text in self._all())
        for other in others:
            first.link_in(other)
        for part in first.functions:
            if not part.is_declaration and b"noinline" not in b" ".join(part.attributes):
                part.add_function_attribute("alwaysinline")
        return str(first)


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
        return types.CPointer(getattr(types, storage(text[:-1])))
    if text == "flag":  # cpu/entry.py
        return types.CPointer(types.int64)
    return types.boolean if text == "bool" else getattr(types, text)


def module_text(name, source, path, signature, more=(), names=None):
    """(IR text, name in it) of the function `name` of kernel source.

    signature, more: types of its parameters, and of those that every kernel of a device has besides; names: what its
    kernels may say besides.

    RuntimeError, with Numba's message as its cause, when the source does not compile.
    """
    linecache.cache[path] = (len(source), None, source.splitlines(True), path)
    namespace = {**intrinsics.namespace(), **(names or {})}
    arguments = [*map(numba_type, (*signature, *more))]
    with lock, global_compiler_lock:
        try:
            exec(compile(source, path, "exec"), namespace)
            function = namespace[name]
            bind(function, set())
            made = lower(function, arguments, types.void)
        except (NumbaError, SyntaxError, KeyError, NotImplementedError) as error:
            detail = " ".join(str(error).split("\n\n")[0].split())
            raise RuntimeError(f"kernel {name}({', '.join(signature)}) does not compile: {detail} ({path})") from error
        return made.library.text(), made.fndesc.llvm_func_name


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
