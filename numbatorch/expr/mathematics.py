"""Every scalar function of the library, by name with the dtype behind it: `exp_float32`, `digamma_float64`.

Plain Python over `primitives`, NumPy's scalar types as casts, and one another; `FUNCTIONS` lists them, shared steps
included, so that every callee stands before its callers. To compile one, run its code with the primitives and the type
names bound to their compiled meanings, without fast-math and with inlining forced. float64 functions that are not here
are the C library's.
"""

from types import FunctionType

from numbatorch.expr import (
    bessel_functions,
    circular_float32,
    elementary_float64,
    error_functions,
    exponential_float32,
    gamma_functions,
    wide_float32,
)


def _functions(*modules):
    found = {}
    for module in modules:
        for name, value in vars(module).items():
            if isinstance(value, FunctionType) and value.__module__ == module.__name__:
                found.setdefault(name, value)
    return found


FUNCTIONS = _functions(
    exponential_float32,
    circular_float32,
    elementary_float64,
    wide_float32,
    error_functions,
    gamma_functions,
    bessel_functions,
)
ULP = {name: function.ulp for name, function in FUNCTIONS.items() if hasattr(function, "ulp")}

globals().update(FUNCTIONS)
