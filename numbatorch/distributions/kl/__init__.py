"""Kullback-Leibler divergence: a table of formulas for pairs of distributions, and the choice among them."""

from numbatorch.distributions.kl import cross, same
from numbatorch.distributions.kl.registry import _KL_REGISTRY as _KL_REGISTRY, kl_divergence, register_kl

__all__ = ["kl_divergence", "register_kl"]
del cross, same  # imported for what they register
