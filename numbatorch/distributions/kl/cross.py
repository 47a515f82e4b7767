"""Divergences between families, as -H(p) - E_p[log q(x)]: q says which expectations over p it needs.

The divergence is infinite where p has values that q does not.
"""

import math

import numbatorch as torch
from numbatorch.distributions.bernoulli import Bernoulli
from numbatorch.distributions.beta import Beta
from numbatorch.distributions.binomial import Binomial, Poisson
from numbatorch.distributions.continuous_bernoulli import ContinuousBernoulli
from numbatorch.distributions.exponential import Exponential, Gumbel, Laplace
from numbatorch.distributions.gamma import Gamma
from numbatorch.distributions.kl.registry import register_kl
from numbatorch.distributions.normal import Normal
from numbatorch.distributions.pareto import Pareto
from numbatorch.distributions.uniform import Uniform
from numbatorch.distributions.utils import euler_constant

# Which q have a density of 0 at some values of p.
_MISSED: dict[type, list[type]] = {
    Beta: [Pareto],
    ContinuousBernoulli: [Pareto],
    Exponential: [Beta, ContinuousBernoulli, Pareto, Uniform],
    Gamma: [Beta, ContinuousBernoulli, Pareto, Uniform],
    Gumbel: [Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform],
    Laplace: [Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform],
    Normal: [Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform],
    Pareto: [Beta, ContinuousBernoulli, Uniform],
    Poisson: [Bernoulli, Binomial],
}


def _infinite(p, q):
    shape = torch.broadcast_shapes(p.batch_shape, q.batch_shape)
    return torch.full(shape, math.inf, dtype=p.mean.dtype, device=p.mean.device)


for _p, _listed in _MISSED.items():
    for _q in _listed:
        register_kl(_p, _q)(_infinite)


def _outside(p, low=-math.inf, high=math.inf):
    """Where p has values below `low` or above `high`; the support of p is taken from its bounds."""
    if isinstance(p, Uniform):
        return (p.low < low) | (p.high > high)
    return (torch.as_tensor(p.support.lower_bound) < low) | (torch.as_tensor(p.support.upper_bound) > high)


def _registered(type_q, *types_p):
    """Enter a function of (p, q), their -E_p[log q], as divergences from several families to that of q."""
    def enter(cross_entropy):
        def divergence(p, q):
            return cross_entropy(p, q) - p.entropy()
        for type_p in types_p:
            register_kl(type_p, type_q)(divergence)
        return cross_entropy
    return enter


# ------------------------------------------------------------------ expectations over p

def _mean_log(p):
    """E[log x]."""
    if isinstance(p, Beta):
        return torch.digamma(p.concentration1) - torch.digamma(p.concentration1 + p.concentration0)
    if isinstance(p, Exponential):
        return -euler_constant - p.rate.log()
    if isinstance(p, Pareto):
        return p.scale.log() + p.alpha.reciprocal()
    return _mean_log_between(p.low, p.high)  # Uniform


def _mean_log_between(low, high):
    """E[log x] of a uniform x."""
    return (torch.xlogy(high, high) - torch.xlogy(low, low)) / (high - low) - 1


def _mean_exp(p, t):
    """E[exp(-t x)] for t > 0."""
    if isinstance(p, Exponential):
        return p.rate / (p.rate + t)
    if isinstance(p, Gamma):
        return (1 + t / p.rate).pow(-p.concentration)
    if isinstance(p, Normal):
        return torch.exp(t * (0.5 * t * p.scale.pow(2) - p.loc))
    return (torch.exp(-t * p.low) - torch.exp(-t * p.high)) / (t * (p.high - p.low))  # Uniform


# ------------------------------------------------------------------ to the family of q

@_registered(Normal, Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Laplace, Pareto, Uniform)
def _to_normal(p, q):
    square = p.variance + (p.mean - q.loc).pow(2)
    return 0.5 * (math.log(2 * math.pi) + square / q.variance) + q.scale.log()


@_registered(Exponential, Beta, ContinuousBernoulli, Gamma, Pareto, Uniform)
def _to_exponential(p, q):
    result = q.rate * p.mean - q.rate.log()
    return torch.where(p.low < 0, math.inf, result) if isinstance(p, Uniform) else result


@_registered(Gamma, Beta, Exponential, Pareto, Uniform)
def _to_gamma(p, q):
    result = (torch.lgamma(q.concentration) - q.concentration * q.rate.log() - (q.concentration - 1) * _mean_log(p)
              + q.rate * p.mean)
    return torch.where(p.low < 0, math.inf, result) if isinstance(p, Uniform) else result


@_registered(Gumbel, Exponential, Gamma, Normal, Uniform)
def _to_gumbel(p, q):
    t = q.scale.reciprocal()
    return q.scale.log() + (p.mean - q.loc) * t + torch.exp(q.loc * t) * _mean_exp(p, t)


@_registered(Uniform, Beta, ContinuousBernoulli)
def _to_uniform(p, q):
    return torch.where(_outside(p, q.low, q.high), math.inf, torch.log(q.high - q.low))


@_registered(ContinuousBernoulli, Beta, Uniform)
def _to_continuous_bernoulli(p, q):
    result = -q._cont_bern_log_norm() - p.mean * q.logits - torch.log1p(-q.probs)
    return torch.where(_outside(p, 0.0, 1.0), math.inf, result)


@register_kl(Uniform, Beta)
def _uniform_beta(p, q):
    low, high = p.low.clamp(min=0.0), p.high.clamp(max=1.0)
    a, b = q.concentration1, q.concentration0
    normalizer = torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)
    result = (normalizer - (a - 1) * _mean_log_between(low, high) - (b - 1) * _mean_log_between(1 - high, 1 - low)
              - p.entropy())
    return torch.where(_outside(p, 0.0, 1.0), math.inf, result)


@register_kl(Uniform, Pareto)
def _uniform_pareto(p, q):
    result = (q.alpha + 1) * _mean_log(p) - (q.alpha * q.scale.pow(q.alpha)).log() - p.entropy()
    return torch.where(_outside(p, low=q.scale), math.inf, result)


@register_kl(Normal, Laplace)
def _normal_laplace(p, q):
    """E|x - loc| is that of a folded normal value."""
    away = (p.loc - q.loc) / p.scale
    size = p.scale * (math.sqrt(2 / math.pi) * torch.exp(-0.5 * away.pow(2)) + away * torch.erf(away / math.sqrt(2)))
    return torch.log(2 * q.scale) + size / q.scale - p.entropy()


@register_kl(Bernoulli, Poisson)
def _bernoulli_poisson(p, q):
    return q.rate - p.probs * q.rate.log() - p.entropy()
