"""The table of divergences and how a pair finds its formula."""

import functools
import warnings

from numbatorch.distributions.distribution import Distribution

_KL_REGISTRY: dict = {}


def register_kl(type_p, type_q):
    """A decorator that enters a function of (p, q) as the divergence of a pair of distribution classes.

    It serves subclasses too; of several that fit the most special does. TypeError for what is no distribution class.
    """
    for name, type_ in (("type_p", type_p), ("type_q", type_q)):
        if not isinstance(type_, type) or not issubclass(type_, Distribution):
            raise TypeError(f"Expected {name} to be a Distribution subclass but got {type_!r}")

    def enter(function):
        _KL_REGISTRY[type_p, type_q] = function
        _find.cache_clear()
        return function
    return enter


@functools.cache
def _find(type_p, type_q):
    """The formula for two classes, None where there is none: p's nearest class first, which should be q's as well."""
    fitting = [(type_p.__mro__.index(a), type_q.__mro__.index(b), function)
               for (a, b), function in _KL_REGISTRY.items() if issubclass(type_p, a) and issubclass(type_q, b)]
    if not fitting:
        return None
    by_p, by_q = min(fitting, key=lambda m: m[:2])[2], min(fitting, key=lambda m: (m[1], m[0]))[2]
    if by_p is not by_q:
        warnings.warn(f"Ambiguous kl_divergence({type_p.__name__}, {type_q.__name__}): two registered functions fit. "
                      "Please register one for this pair.", RuntimeWarning, stacklevel=3)
    return by_p


def kl_divergence(p, q):
    """KL(p || q) = integral of p(x) log(p(x) / q(x)), one value for each of the batch.

    NotImplementedError when no formula is registered for the classes (`register_kl`).
    """
    function = _find(type(p), type(q))
    if function is None:
        raise NotImplementedError(f"No KL(p || q) is implemented for p type {type(p).__name__} and q type "
                                  f"{type(q).__name__}")
    return function(p, q)
