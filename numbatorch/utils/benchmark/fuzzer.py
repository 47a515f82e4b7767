"""Fuzzer: inputs of random sizes, layouts and numbers, to measure more than one case."""

import functools
import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

import numbatorch as torch

_MOST_TRIES = 1000


@dataclass(frozen=True)
class ParameterAlias:
    """A value of a parameter that is the value of another one."""

    alias_to: str


class FuzzedParameter:
    """A named random value: "uniform" or "loguniform" (integers where the bounds are) from minval to maxval, or from a
    dict {value: probability}. strict: say when it is not used."""

    def __init__(self, name, minval=None, maxval=None, distribution=None, strict=False):
        if not isinstance(distribution, (str, dict)) or isinstance(distribution, str) and (
                distribution not in ("uniform", "loguniform")):
            raise ValueError(f"FuzzedParameter {name!r}: distribution should be 'uniform', 'loguniform' or a dict, got "
                             f"{distribution!r}")
        if isinstance(distribution, dict):
            if minval is not None or maxval is not None:
                raise ValueError(f"FuzzedParameter {name!r}: minval and maxval have no meaning with a dict")
            total = sum(distribution.values())
            if not math.isclose(total, 1):
                raise ValueError(f"FuzzedParameter {name!r}: probabilities sum to {total}, should be 1")
        elif minval is None or maxval is None:
            raise ValueError(f"FuzzedParameter {name!r}: {distribution} needs minval and maxval")
        self.name, self.minval, self.maxval, self.distribution = name, minval, maxval, distribution
        self.strict = strict

    def sample(self, state):
        """A value, drawn from a numpy RandomState."""
        if isinstance(self.distribution, dict):
            values = list(self.distribution)
            return values[state.choice(len(values), p=list(self.distribution.values()))]
        whole = isinstance(self.minval, int) and isinstance(self.maxval, int)
        if self.distribution == "uniform":
            return int(state.randint(self.minval, self.maxval + 1)) if whole else state.uniform(self.minval,
                                                                                                self.maxval)
        value = float(np.exp2(state.uniform(np.log2(self.minval), np.log2(self.maxval))))
        return int(round(value)) if whole else value


class FuzzedTensor:
    """A random tensor: `size` and `steps` (of a view) are tuples of ints and names of parameters.

    probability_contiguous: how often its dimensions are in order in memory. min_elements, max_elements,
    max_allocation_bytes: other draws are rejected. dim_parameter: the parameter that says how many of `size` to use.
    tensor_constructor(size=, dtype=, **params) makes it. cuda: on the GPU.
    """

    def __init__(self, name, size, steps=None, probability_contiguous=0.5, min_elements=None, max_elements=None,
                 max_allocation_bytes=None, dim_parameter=None, roll_parameter=None, dtype=torch.float32, cuda=False,
                 tensor_constructor=None):
        self.device = torch.device("cuda" if cuda else "cpu")
        self.name, self.size, self.steps = name, tuple(size), None if steps is None else tuple(steps)
        self.probability_contiguous, self.dim_parameter = probability_contiguous, dim_parameter
        self.min_elements, self.max_elements = min_elements, max_elements
        self.max_allocation_bytes, self.dtype, self.constructor = max_allocation_bytes, dtype, tensor_constructor

    def sample(self, params, state):
        """(tensor, properties), or None where the sizes do not fit the limits."""
        def values(parts):
            found = tuple(params[p] if isinstance(p, str) else p for p in parts)
            return found if self.dim_parameter is None else found[:params[self.dim_parameter]]
        size = values(self.size)
        steps = (1,) * len(size) if self.steps is None else values(self.steps)
        whole = tuple(n * s for n, s in zip(size, steps, strict=True))
        count = math.prod(size)
        allocated = math.prod(whole) * torch.empty((), dtype=self.dtype).element_size()
        if ((self.min_elements is not None and count < self.min_elements)
                or (self.max_elements is not None and count > self.max_elements)
                or (self.max_allocation_bytes is not None and allocated > self.max_allocation_bytes)):
            return None
        order = list(range(len(size)))
        if len(order) > 1 and state.rand() > self.probability_contiguous:
            order = [int(k) for k in state.permutation(len(order))]
        raw_size = tuple(whole[k] for k in order)
        if self.constructor is not None:
            raw = self.constructor(size=raw_size, dtype=self.dtype, **params)
        elif self.dtype.is_floating_point or self.dtype.is_complex:
            raw = torch.rand(raw_size, dtype=self.dtype, device=self.device)
        else:
            raw = torch.randint(0, 2 if self.dtype is torch.bool else 127, raw_size, dtype=self.dtype,
                                device=self.device)
        tensor = raw.permute(tuple(int(k) for k in np.argsort(order)))
        tensor = tensor[tuple(slice(None, None, s) for s in steps)]
        return tensor, {"numel": tensor.numel(), "order": order, "steps": steps,
                        "is_contiguous": tensor.is_contiguous(), "dtype": str(self.dtype)}


class Fuzzer:
    """Draws parameters and tensors: `take(n)` gives (tensors by name, their properties, parameters).

    constraints: functions of the parameters by name; draws for which one is False are rejected. seed: of numpy's
    RandomState. RuntimeError where nothing is accepted.
    """

    def __init__(self, parameters, tensors, constraints=None, seed=None):
        def flat(items):
            return [x for item in items for x in (item if isinstance(item, (list, tuple)) else (item,))]
        self._parameters, self._tensors = flat(parameters), flat(tensors)
        self._constraints = tuple(constraints or ())
        self._seed = int(np.random.RandomState().randint(0, 2**31 - 1)) if seed is None else seed
        names = [x.name for x in (*self._parameters, *self._tensors)]
        twice = {n for n in names if names.count(n) > 1}
        if twice:
            raise ValueError(f"Fuzzer: names are used twice: {sorted(twice)}")
        self._drawn = self._rejected = 0

    @property
    def rejection_rate(self):
        """The share of draws that were rejected."""
        return self._rejected / self._drawn if self._drawn else 0.0

    def take(self, n):
        """n draws, one after the other."""
        state = np.random.RandomState(self._seed)
        for _ in range(n):
            params, tensors = self._draw(state)
            yield ({name: found[0] for name, found in tensors.items()},
                   {name: found[1] for name, found in tensors.items()}, params)

    def _draw(self, state):
        for _ in itertools.islice(itertools.count(), _MOST_TRIES):
            self._drawn += 1
            params: dict[str, Any] = {p.name: p.sample(state) for p in self._parameters}
            params = {name: functools.reduce(lambda v, _: params[v.alias_to] if isinstance(v, ParameterAlias) else v,
                                             range(len(params)), value) for name, value in params.items()}
            if all(constraint(**params) for constraint in self._constraints):
                tensors = {t.name: t.sample(params, state) for t in self._tensors}
                if None not in tensors.values():
                    return params, tensors
            self._rejected += 1
        raise RuntimeError(f"Fuzzer: {_MOST_TRIES} draws in a row were rejected; loosen the constraints or limits")
