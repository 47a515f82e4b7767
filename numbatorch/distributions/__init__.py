"""Probability distributions: sampling, densities, moments, divergences, and transforms between regions.

    Normal(loc, scale).log_prob(x)        densities, with gradients
    Normal(loc, scale).rsample((3,))      samples as functions of the parameters; `sample` without gradients
    kl_divergence(p, q)                   integral of p log(p / q)
    transform_to(constraint)              a function from all real numbers to a region

A distribution has a `batch_shape`, independent distributions side by side, and an `event_shape`, that of one value.
"""

import importlib
import sys

from numbatorch.distributions import constraints as constraints, transforms as transforms
from numbatorch.distributions.bernoulli import Bernoulli, Geometric
from numbatorch.distributions.beta import Beta, Dirichlet, Kumaraswamy
from numbatorch.distributions.binomial import Binomial, NegativeBinomial, Poisson
from numbatorch.distributions.categorical import (
    Categorical,
    Multinomial,
    OneHotCategorical,
    OneHotCategoricalStraightThrough,
)
from numbatorch.distributions.cauchy import Cauchy, HalfCauchy, StudentT
from numbatorch.distributions.constraint_registry import biject_to, transform_to
from numbatorch.distributions.continuous_bernoulli import ContinuousBernoulli
from numbatorch.distributions.distribution import Distribution
from numbatorch.distributions.exp_family import ExponentialFamily
from numbatorch.distributions.exponential import Exponential, Gumbel, Laplace, Weibull
from numbatorch.distributions.gamma import Chi2, FisherSnedecor, Gamma, InverseGamma
from numbatorch.distributions.independent import Independent
from numbatorch.distributions.kl import kl_divergence, register_kl
from numbatorch.distributions.lkj_cholesky import LKJCholesky
from numbatorch.distributions.mixture_same_family import MixtureSameFamily
from numbatorch.distributions.multivariate_normal import LowRankMultivariateNormal, MultivariateNormal
from numbatorch.distributions.normal import HalfNormal, LogisticNormal, LogNormal, Normal
from numbatorch.distributions.pareto import GeneralizedPareto, Pareto
from numbatorch.distributions.relaxed_bernoulli import RelaxedBernoulli, RelaxedOneHotCategorical
from numbatorch.distributions.transformed_distribution import TransformedDistribution
from numbatorch.distributions.transforms import *  # noqa: F403
from numbatorch.distributions.uniform import Uniform
from numbatorch.distributions.von_mises import VonMises
from numbatorch.distributions.wishart import Wishart

# PyTorch has a module for each distribution; here a file holds several, which goes by these names too.
_ALSO_NAMED = {
    "bernoulli": "geometric",
    "beta": "dirichlet kumaraswamy",
    "binomial": "negative_binomial poisson",
    "categorical": "multinomial one_hot_categorical",
    "cauchy": "half_cauchy studentT",
    "exponential": "gumbel laplace weibull",
    "gamma": "chi2 fishersnedecor inverse_gamma",
    "multivariate_normal": "lowrank_multivariate_normal",
    "normal": "half_normal log_normal logistic_normal",
    "pareto": "generalized_pareto",
    "relaxed_bernoulli": "relaxed_categorical",
}
for _file, _names in _ALSO_NAMED.items():
    for _name in _names.split():
        globals()[_name] = sys.modules[f"{__name__}.{_name}"] = importlib.import_module(f"{__name__}.{_file}")

__all__ = ["Bernoulli", "Beta", "Binomial", "Categorical", "Cauchy", "Chi2", "ContinuousBernoulli", "Dirichlet",
           "Distribution", "Exponential", "ExponentialFamily", "FisherSnedecor", "Gamma", "GeneralizedPareto",
           "Geometric", "Gumbel", "HalfCauchy", "HalfNormal", "Independent", "InverseGamma", "Kumaraswamy",
           "LKJCholesky", "Laplace", "LogNormal", "LogisticNormal", "LowRankMultivariateNormal", "MixtureSameFamily",
           "Multinomial", "MultivariateNormal", "NegativeBinomial", "Normal", "OneHotCategorical",
           "OneHotCategoricalStraightThrough", "Pareto", "Poisson", "RelaxedBernoulli", "RelaxedOneHotCategorical",
           "StudentT", "TransformedDistribution", "Uniform", "VonMises", "Weibull", "Wishart",
           "biject_to", "kl_divergence", "register_kl", "transform_to", *transforms.__all__]
