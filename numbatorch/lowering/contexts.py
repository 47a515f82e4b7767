"""Numba's type inference and lowering for what kernels are made of: numbers, pointers, loops and mathematics.

Numba's own contexts also know arrays, strings, dictionaries and random generators, and import SciPy for them: that is
most of what starting to compile costs. Kernels have none of those, so they are compiled in contexts of their own.
"""

from __future__ import annotations

import cmath
from functools import cache

from numba.core import cpu, intrinsics, types
from numba.core.typing import BaseContext, cmathdecl, mathdecl, templates

_CMATH = [value for name, value in vars(cmath).items() if callable(value) and not name.startswith("_")]


class TypingContext(BaseContext):
    """The types of what kernels may say."""

    def load_additional_registries(self):
        from numba.core.typing import builtins  # noqa: F401  declares on import

        for registry in (templates.builtin_registry, cmathdecl.registry, mathdecl.registry):
            self.install_registry(registry)

    def _load_builtins(self):
        """What Numba imports here is about other types."""

    def install_registry(self, registry):
        """Declarations but not overloads: Numba's own contexts compile those. Of these, only cmath's are taken over."""
        loader = self._registries.get(registry)
        if loader is None:
            loader = self._registries[registry] = templates.RegistryLoader(registry)
        overloads = (templates._OverloadFunctionTemplate, templates._OverloadAttributeTemplate)
        for template in loader.new_registrations("functions"):
            if not issubclass(template, overloads):
                self.insert_function(template(self))
        for template in loader.new_registrations("attributes"):
            if not issubclass(template, overloads):
                self.insert_attributes(template(self))
        for value, kind in loader.new_registrations("globals"):
            overload = next((t for t in getattr(kind, "templates", ()) if issubclass(t, overloads)), None)
            if overload is not None:
                if value in _CMATH:
                    kind = types.Function(_compiled(value, overload._overload_func))
                else:
                    continue
            before = self._lookup_global(value)
            if before is not None:
                kind = before.augment(kind)
                self._remove_global(value)
            self.insert_global(value, kind)


class TargetContext(cpu.CPUContext):
    """How that becomes LLVM IR."""

    def load_additional_registries(self):
        from numba.core import optional  # noqa: F401  these modules declare on import
        from numba.cpython import builtins, cmathimpl, mathimpl, numbers, rangeobj, tupleobj  # noqa: F401

        self.install_registry(cmathimpl.registry)
        self.install_registry(mathimpl.registry)

    def post_lowering(self, module, library):
        """Numba links its memory manager here, which kernels have no use for."""
        if self.is32bit:
            intrinsics.fix_divmod(module)


@cache
def contexts():
    """(typing context, target context) of all kernels."""
    typing = TypingContext()
    return typing, TargetContext(typing, "cpu")


def _template(function, generic):
    return type(function.__name__, (templates.AbstractTemplate,), {"key": function, "generic": generic})


def _compiled(function, overload):
    """The template of a function that Numba writes in Python: overload(*types) gives what to compile."""
    signatures: dict[tuple, object] = {}

    def generic(template, arguments, named):
        from .frontend import lower

        arguments = tuple(types.unliteral(argument) for argument in arguments)
        if arguments not in signatures:
            body = None if named else overload(*arguments)
            made = body and lower(body, arguments)
            if made:
                contexts()[1].insert_user_function(function, made.fndesc, [made.library])
            signatures[arguments] = made and made.signature
        return signatures[arguments]

    return _template(function, generic)


def declare(function, generic):
    """Make a function known in kernels; generic(template, arguments, named) gives the signature of a call, or None."""
    template = _template(function, generic)
    function.__numbatorch_template__ = template  # a template has to live as long as its function
    contexts()[0].insert_global(function, types.Function(template))


def intrinsic(define):
    """A function of kernels as LLVM IR: `define(context, *types)` gives (signature, generate), or None.

    generate(context, builder, signature, arguments) writes the instructions and returns the result.
    """
    signatures: dict[tuple, object] = {}  # type inference asks many times

    def generic(template, arguments, named):
        arguments = tuple(arguments)
        if arguments not in signatures:
            made = None if named else define(template.context, *arguments)
            if made is not None:
                contexts()[1].insert_func_defn([(made[1], define, made[0].args)])
            signatures[arguments] = made and made[0]
        return signatures[arguments]

    declare(define, generic)
    return define
