"""In-place forms as functions: torch.abs_(x) is x.abs_(). PyTorch has them for these ops, and no others."""

from .declare import OPS

_EXPOSED = """
    abs acos acosh arccos arccosh arcsin arcsinh arctan arctanh asin asinh atan atanh ceil cos cosh deg2rad erf erfc exp
    exp2 expm1 fix floor frac i0 log log10 log1p log2 logit neg negative rad2deg reciprocal round rsqrt sigmoid sin sinc
    sinh sqrt square tan tanh trunc conj_physical nan_to_num
    clamp clamp_max clamp_min clip fill gcd lcm ldexp xlogy addmv
    relu celu selu rrelu threshold dropout alpha_dropout feature_dropout feature_alpha_dropout
""".split()  # one operand, then several, then layers


def functions():
    """{name: function} of the in-place forms that are functions of `torch`; once the calls are written."""
    return {f"{name}_": OPS[name].call_inplace for name in _EXPOSED}
