"""Divergences within a family."""

import math

import numbatorch as torch
from numbatorch.distributions.bernoulli import Bernoulli, Geometric
from numbatorch.distributions.beta import Beta, Dirichlet
from numbatorch.distributions.binomial import Binomial, Poisson
from numbatorch.distributions.categorical import Categorical, OneHotCategorical
from numbatorch.distributions.cauchy import Cauchy
from numbatorch.distributions.continuous_bernoulli import ContinuousBernoulli
from numbatorch.distributions.exp_family import ExponentialFamily, inner
from numbatorch.distributions.exponential import Exponential, Gumbel, Laplace
from numbatorch.distributions.gamma import Gamma
from numbatorch.distributions.independent import Independent
from numbatorch.distributions.kl.registry import kl_divergence, register_kl
from numbatorch.distributions.matrices import half_log_det, solve_lower, squared_distance
from numbatorch.distributions.multivariate_normal import LowRankMultivariateNormal, MultivariateNormal
from numbatorch.distributions.normal import HalfNormal, Normal
from numbatorch.distributions.pareto import Pareto
from numbatorch.distributions.transformed_distribution import TransformedDistribution
from numbatorch.distributions.uniform import Uniform
from numbatorch.distributions.utils import _sum_rightmost, euler_constant
from numbatorch.nn.functional import softplus


@register_kl(ExponentialFamily, ExponentialFamily)
def _exponential_family(p, q):
    """F(theta_q) - F(theta_p) - <theta_q - theta_p, grad F(theta_p)>: a Bregman divergence.

    Nielsen & Nock 2010, "Entropies and cross-entropies of exponential families".
    """
    if type(p) is not type(q):
        raise NotImplementedError("The cross KL-divergence between different exponential families cannot be computed "
                                  f"from their log-normalisers: got {type(p).__name__} and {type(q).__name__}")
    normalizer, of_p, gradients = p._slopes()
    of_q = q._natural_params
    away = [theirs - mine for theirs, mine in zip(of_q, of_p, strict=True)]
    rank = max(len(p.batch_shape), len(q.batch_shape))
    return q._log_normalizer(*of_q) - normalizer - inner(away, gradients, rank)


@register_kl(Independent, Independent)
def _independent(p, q):
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError("kl_divergence of Independent distributions of different reinterpreted_batch_ndims: "
                                  f"{p.reinterpreted_batch_ndims} and {q.reinterpreted_batch_ndims}")
    return _sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p, q):
    """The same bijection of both changes nothing."""
    if p.transforms != q.transforms:
        raise NotImplementedError(f"kl_divergence of distributions with different transforms: {p.transforms} and "
                                  f"{q.transforms}")
    if p.event_shape != q.event_shape:
        raise NotImplementedError(f"kl_divergence of distributions with different event shapes: {p.event_shape} and "
                                  f"{q.event_shape}")
    return kl_divergence(p.base_dist, q.base_dist)


# ------------------------------------------------------------------ categories and counts

@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p, q):
    success = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    failure = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    success = torch.where(p.probs == 0, 0.0, torch.where(q.probs == 0, math.inf, success))
    return success + torch.where(p.probs == 1, 0.0, torch.where(q.probs == 1, math.inf, failure))


@register_kl(Binomial, Binomial)
def _binomial(p, q):
    if bool((p.total_count < q.total_count).any()):
        raise NotImplementedError("KL between Binomials where q.total_count > p.total_count is not implemented")
    each = p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p()
    return torch.where(p.total_count > q.total_count, math.inf, p.total_count * each)


@register_kl(Categorical, Categorical)
def _categorical(p, q):
    terms = p.probs * (p.logits - q.logits)
    terms = torch.where((q.probs == 0).expand_as(terms), math.inf, terms)
    return torch.where((p.probs == 0).expand_as(terms), 0.0, terms).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot_categorical(p, q):
    return _categorical(p._categorical, q._categorical)


@register_kl(Geometric, Geometric)
def _geometric(p, q):
    return -p.entropy() - torch.log1p(-q.probs) / p.probs - q.logits


@register_kl(Poisson, Poisson)
def _poisson(p, q):
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


# ------------------------------------------------------------------ numbers

@register_kl(Beta, Beta)
def _beta(p, q):
    return _dirichlet(p._dirichlet, q._dirichlet)


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(p, q):
    total = p.concentration.sum(-1, True)
    normalizers = (torch.lgamma(total.squeeze(-1)) - torch.lgamma(q.concentration.sum(-1))
                   - (torch.lgamma(p.concentration) - torch.lgamma(q.concentration)).sum(-1))
    away = (p.concentration - q.concentration) * (torch.digamma(p.concentration) - torch.digamma(total))
    return normalizers + away.sum(-1)


@register_kl(Cauchy, Cauchy)
def _cauchy(p, q):
    """Chyzak & Nielsen 2019, "A closed-form formula for the Kullback-Leibler divergence between Cauchy distributions",
    arXiv:1905.10965.
    """
    return (((p.scale + q.scale).pow(2) + (p.loc - q.loc).pow(2)).log() - (4 * p.scale * q.scale).log())


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _continuous_bernoulli(p, q):
    return (p.mean * (p.logits - q.logits) + p._cont_bern_log_norm() + torch.log1p(-p.probs)
            - q._cont_bern_log_norm() - torch.log1p(-q.probs))


@register_kl(Exponential, Exponential)
def _exponential(p, q):
    ratio = q.rate / p.rate
    return ratio - ratio.log() - 1


@register_kl(Gamma, Gamma)
def _gamma(p, q):
    return (q.concentration * (p.rate / q.rate).log() + torch.lgamma(q.concentration) - torch.lgamma(p.concentration)
            + (p.concentration - q.concentration) * torch.digamma(p.concentration)
            + (q.rate - p.rate) * (p.concentration / p.rate))


@register_kl(Gumbel, Gumbel)
def _gumbel(p, q):
    ratio, away = p.scale / q.scale, (q.loc - p.loc) / q.scale
    return (-ratio.log() - away + ratio * euler_constant + (away + torch.lgamma(1 + ratio)).exp()
            - (1 + euler_constant))


@register_kl(HalfNormal, HalfNormal)
def _half_normal(p, q):
    return _normal(p.base_dist, q.base_dist)


@register_kl(Laplace, Laplace)
def _laplace(p, q):
    ratio, away = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + away / q.scale + ratio * torch.exp(-away / p.scale) - 1


@register_kl(Normal, Normal)
def _normal(p, q):
    ratio = (p.scale / q.scale).pow(2)
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).pow(2) - 1 - ratio.log())


@register_kl(Pareto, Pareto)
def _pareto(p, q):
    ratio = q.alpha / p.alpha
    inside = q.alpha * (p.scale / q.scale).log() - ratio.log() + ratio - 1
    return torch.where(p.scale < q.scale, math.inf, inside)


@register_kl(Uniform, Uniform)
def _uniform(p, q):
    inside = ((q.high - q.low) / (p.high - p.low)).log()
    return torch.where((q.low > p.low) | (q.high < p.high), math.inf, inside)


# ------------------------------------------------------------------ vectors

def _check_sizes(p, q):
    if p.event_shape != q.event_shape:
        raise ValueError(f"KL-divergence between two {type(p).__name__} and {type(q).__name__} distributions with "
                         f"different event shapes cannot be computed: {p.event_shape} and {q.event_shape}")


@register_kl(MultivariateNormal, MultivariateNormal)
def _multivariate_normal(p, q):
    """(tr(Sq^-1 Sp) + d^T Sq^-1 d - n + log det Sq - log det Sp) / 2."""
    _check_sizes(p, q)
    of_p, of_q = p._unbroadcasted_scale_tril, q._unbroadcasted_scale_tril
    trace = solve_lower(of_q, of_p).square().sum((-2, -1))
    distance = squared_distance(of_q, q.loc - p.loc)
    return half_log_det(of_q) - half_log_det(of_p) + 0.5 * (trace + distance - p.event_shape[0])


def _lowrank_trace(q, variance, *roots):
    """tr(Sq^-1 Sp) of a low-rank q: Sp has the diagonal `variance` and is the sum of root root^T.

    By Woodbury's identity tr(D^-1 Sp) - |A root|^2 for each root, with A = C^-1/2 W^T D^-1.
    """
    part = solve_lower(q._capacitance_tril, q._weighted_factor())
    less = sum((part @ root).square().sum((-2, -1)) for root in roots)
    return (variance / q._unbroadcasted_cov_diag).sum(-1) - less


@register_kl(MultivariateNormal, LowRankMultivariateNormal)
def _multivariate_normal_lowrank(p, q):
    _check_sizes(p, q)
    factor = p._unbroadcasted_scale_tril
    trace = _lowrank_trace(q, factor.square().sum(-1), factor)
    return 0.5 * (q._log_det() - 2 * half_log_det(factor) + trace + q._distance(q.loc - p.loc) - p.event_shape[0])


@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
def _lowrank(p, q):
    _check_sizes(p, q)
    factor, diagonal = p._unbroadcasted_cov_factor, p._unbroadcasted_cov_diag
    trace = _lowrank_trace(q, factor.square().sum(-1) + diagonal, factor, diagonal.sqrt().diag_embed())
    return 0.5 * (q._log_det() - p._log_det() + trace + q._distance(q.loc - p.loc) - p.event_shape[0])


@register_kl(LowRankMultivariateNormal, MultivariateNormal)
def _lowrank_multivariate_normal(p, q):
    _check_sizes(p, q)
    factor = q._unbroadcasted_scale_tril
    trace = (solve_lower(factor, p._unbroadcasted_cov_factor).square().sum((-2, -1))
             + solve_lower(factor, p._unbroadcasted_cov_diag.sqrt().diag_embed()).square().sum((-2, -1)))
    return 0.5 * (2 * half_log_det(factor) - p._log_det() + trace + squared_distance(factor, q.loc - p.loc)
                  - p.event_shape[0])
