"""Ops of one's own: the decorators of the op table, for users.

    from numbatorch.library import elementwise, exp

    @elementwise
    def swish(input, beta: float = 1.0):
        '''input * sigmoid(beta * input).'''
        return input / (1 + exp(-beta * input))

    swish(x)            # forward and backward are kernels generated from this formula
"""

from . import calls
from .expr import functions as _functions
from .ops import declare as _declare
from .ops.declare import OPS, neutral

# Scalar functions and declared ops that formulas may call; ops keep their declared derivatives.
_SCALARS = {name: getattr(_functions, name) for name in (
    "exp exp2 expm1 log log2 log10 log1p sqrt rsqrt sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh atanh "
    "erf erfc erfinv lgamma digamma floor ceil trunc rint abs where maximum minimum isnan isinf eq ne lt le gt ge "
    "row_sum row_max row_min row_prod row_length row_index copysign hypot fma pow").split()}
globals().update(_SCALARS)


def _public(kind):
    def decorate(function=None, **options):
        options.setdefault("namespaces", "library")
        options.setdefault("method", False)

        def enter(f):
            key = f"library.{f.__name__}"
            if options["namespaces"] == "library" and key in OPS:
                del OPS[key]  # declared again, as when a cell of a notebook runs twice: the newer one counts
            op = getattr(_declare, kind)(f, **options)
            calls.write_call(op)
            return op
        return enter if function is None else enter(function)
    decorate.__name__ = kind
    decorate.__doc__ = f"Declare an op of kind {kind}; see ops/declare.py for its options. Returns the callable op."
    return decorate


elementwise = _public("elementwise")
reduction = _public("reduction")
rowwise = _public("rowwise")
composite = _public("composite")


def check(op, *samples, atol=1e-5, rtol=1e-3):
    """Run gradcheck on an op at float64 samples (by default three random ones inside its `domain`).

    AssertionError or GradcheckError where value or gradient is wrong; True otherwise.
    """
    import numpy as np

    from .autograd.gradcheck import gradcheck
    from .creation import from_numpy
    rng = np.random.default_rng(0)
    low, high = op.domain or (0.2, 2.0)
    count = len([p for p in op.operands if p.default is not None])
    extra = [1] if any(p.name == "dim" for p in op.parameters) else []
    for shape in samples or ((3,), (2, 3), (2, 1, 2)):
        if extra and len(shape) < 2:
            continue
        inputs = [from_numpy(rng.uniform(low, high, shape)).requires_grad_(True) for _ in range(count)]
        gradcheck(lambda *xs: op(*xs, **({"dim": extra[0]} if extra else {})), inputs, atol=atol, rtol=rtol)
    return True


def __getattr__(name):
    if name in ("CustomOpDef", "custom_op", "register_autograd", "register_fake", "register_kernel"):
        from . import custom_ops
        return getattr(custom_ops, name)
    if name in ("Library", "define", "impl", "infer_schema", "register_vmap"):
        from . import custom_schemas
        return getattr(custom_schemas, name)
    op = OPS.get(f"library.{name}") or OPS.get(name) or OPS.get(f"nn.functional.{name}")
    if op is None:
        raise AttributeError(f"numbatorch.library has neither a scalar function nor an op called {name!r}")
    return op


__all__ = ["check", "composite", "elementwise", "neutral", "reduction", "rowwise"]
