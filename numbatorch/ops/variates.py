"""Gamma and Dirichlet numbers, and how they move with their parameters: what distributions sample from."""

from .declare import OPS, random


def _slope(name, *operands):
    """A slope of the backend over operands that broadcast: computed in float64, in the dtype of the first."""
    from ..creation import empty
    from ..dtypes import float64
    from ..errors import NotOnHostError
    from ..generator import default_of
    from ..transfer import drawing
    if any(t.device is not operands[0].device for t in operands):
        raise NotOnHostError(f"{name}: the operands are on several devices")
    slope = getattr(drawing(operands[0].device), name)
    wide = [t.detach().to(float64).contiguous() for t in OPS["broadcast_tensors"].call(*operands)]
    result = empty(tuple(wide[0].shape), dtype=float64, device=wide[0].device)
    slope(default_of(result.device).state, result._ptr, result.numel(), *(t._ptr for t in wide))
    return result.to(operands[0].dtype)


def _check(name, input):
    if input.dtype.name not in ("float32", "float64"):
        raise NotImplementedError(f'"{name}" not implemented for {input.dtype}: float32 and float64 are')


@random(eager=True, method=False, differentiable=False)
def _standard_gamma_grad(input, output):
    """d output / d input of gamma numbers `output` of concentrations `input`, at a fixed quantile."""
    return _slope("gamma_slope", input, output)


@random(eager=True, method=False, differentiable=False)
def _dirichlet_grad(x, alpha, total):
    """d x / d alpha / (1 - x) of components x of Dirichlet numbers, `alpha` theirs and `total` all concentrations'."""
    return _slope("dirichlet_slope", x, alpha, total)


@random(eager=True, method=False, input=lambda grad, input, result: grad * _standard_gamma_grad.call(input, result))
def _standard_gamma(input, generator: object = None):
    """Gamma numbers of rate 1 and the concentrations in `input`, in its shape and dtype (float32 or float64).

    Marsaglia & Tsang 2000, "A simple method for generating gamma variables". The gradient holds quantiles fixed
    (Figurnov et al. 2018, arXiv:1805.08498).
    """
    from ..randomness import draw_gamma
    _check("_standard_gamma", input)
    return draw_gamma(input, generator)


def _along_simplex(grad, input, result):
    slope = _dirichlet_grad.call(result, input, input.sum(-1, True).expand(input.shape))
    return slope * (grad - (result * grad).sum(-1, True))


@random(eager=True, method=False, input=_along_simplex)
def _sample_dirichlet(input, generator: object = None):
    """Dirichlet numbers: gamma numbers of the concentrations in `input`, (..., K), over their sum.

    The gradient is that of each component at a fixed quantile, the others keeping their proportions.
    """
    from ..dtypes import finfo, float64
    from ..randomness import draw_gamma
    _check("_sample_dirichlet", input)
    gamma = draw_gamma(input.to(float64), generator)
    limits = finfo(input.dtype)
    result = (gamma / gamma.sum(-1, True)).to(input.dtype)
    return result.clamp_(limits.tiny, 1 - limits.eps / 2)
