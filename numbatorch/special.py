"""Special functions, under PyTorch's names."""

from .ops import OPS, namespace

globals().update(namespace("special"))

# Names of the special functions that differ from those of the ops.
for _name, _op in (("psi", "digamma"), ("gammaln", "lgamma"), ("multigammaln", "mvlgamma"), ("logit", "logit")):
    globals()[_name] = OPS[_op].call
